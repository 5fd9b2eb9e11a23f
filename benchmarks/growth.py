"""How the time of an epoch grows with the number of features, at the same non-zeros.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \\
        python benchmarks/growth.py PART --output results

Parts:

features  seconds per epoch for 1e4, 1e5 and 1e6 features with 50 non-zeros in a row:
          every rule with every penalty and the variance-reduced methods, next to
          SGDClassifier. A step that touches the non-zeros only pays for cache misses,
          as SGDClassifier's does; "growth" is the time at the most features over that
          at the fewest, "beyond SGD" that growth over SGDClassifier's at the same
          penalty. Where a step visits all features and an epoch would take too long
          (--limit), the table says "dense"
classes   nanoseconds per step, non-zero and class for softmax and one-vs-rest with 77
          and 150 classes: they stay the same if a step costs O(nnz * n_classes)

An epoch is one shuffled pass with the objective at its end. It is measured as the
difference between a long and a short fit, so that validation and set-up drop out.
Models and sizes take turns; the minimum over the repeats counts. Each part prints its
tables and writes the results to a JSON file of its name in the output folder.
"""

import argparse
import json
import os
import platform
import time
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import sklearn
from sklearn.linear_model import SGDClassifier
from threadpoolctl import threadpool_limits

import sklgd
from sklgd.optimizers import OPTIMIZERS
from sklgd.schedules import InvScaling

RULES = [name for name, c in OPTIMIZERS.items() if c.training == "descent"]
VARIANCE_REDUCED = [
    name for name, c in OPTIMIZERS.items() if c.training == "variance_reduced"
]
PENALTIES = ("none", "l2", "l1", "elasticnet")
ALPHA = 1e-5
# Steps with which each rule learns on rows of length one.
ETA = {
    "sgd": 0.1,
    "momentum": 0.01,
    "nesterov": 0.01,
    "adagrad": 0.1,
    "adadelta": 1.0,
    "ftrl": 0.1,
    "saga": 0.1,
    "point_saga": 0.5,
    "svrg": 0.1,
}
PEER = "SGDClassifier"
PROBE_ROWS = 400  # rows of the short fits that tell what an epoch would take


# -------------------------------------------------------------------------- problems


def draw_columns(rng, shape, n_features, columns):
    """Column numbers, uniform or as words are (Zipf: frequency 1 / rank)."""
    if columns == "uniform":
        return rng.integers(n_features, size=shape)
    return (n_features ** rng.random(shape)).astype(np.int64) - 1


def sparse_rows(n_samples, n_features, nnz, columns, seed=0):
    """CSR rows of length one with ``nnz`` distinct columns each, in random places."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(n_features).astype(np.int32)
    indices = np.empty((n_samples, nnz), dtype=np.int32)
    drawn = draw_columns(rng, (n_samples, 2 * nnz), n_features, columns)
    for i, row in enumerate(drawn):
        found, first = np.unique(row, return_index=True)
        while len(found) < nnz:
            row = np.append(row, draw_columns(rng, nnz, n_features, columns))
            found, first = np.unique(row, return_index=True)
        indices[i] = np.sort(places[row[np.sort(first)[:nnz]]])
    data = np.abs(rng.normal(size=(n_samples, nnz)))
    data /= np.sqrt((data**2).sum(axis=1, keepdims=True))
    indptr = np.arange(0, n_samples * nnz + 1, nnz, dtype=np.int32)
    shape = (n_samples, n_features)
    return sp.csr_matrix((data.ravel(), indices.ravel(), indptr), shape=shape)


def labels(X, n_classes, seed=1):
    """Classes of a noisy linear model, each of them about as frequent."""
    rng = np.random.default_rng(seed)
    if n_classes == 2:
        z = X @ rng.normal(size=X.shape[1])
        return (z + 0.3 * rng.normal(size=len(z)) > 0.0).astype(int)
    # A word votes for one class, that is, no dense matrix of n_classes columns.
    votes = sp.csr_matrix(
        (
            np.ones(X.shape[1]),
            (np.arange(X.shape[1]), rng.integers(n_classes, size=X.shape[1])),
        ),
        shape=(X.shape[1], n_classes),
    )
    z = (X @ votes).toarray() + 0.1 * rng.normal(size=(X.shape[0], n_classes))
    y = np.argmax(z, axis=1)
    y[:n_classes] = np.arange(n_classes)
    return y


# ---------------------------------------------------------------------------- models


def learning_rate(eta, schedule):
    return eta if schedule == "constant" else InvScaling(eta, power_t=0.25)


def model_of(name, penalty, options, loss="log_loss"):
    """sklgd's classifier, or scikit-learn's, as the command line says."""
    penalty = None if penalty == "none" else penalty
    common = {"loss": loss, "penalty": penalty, "alpha": ALPHA, "l1_ratio": 0.5}
    common |= {"tol": None, "random_state": 0}
    eta = ETA.get(name, 0.1 if name == PEER else 1e-3)
    if name == PEER:
        return SGDClassifier(
            **common, learning_rate=options.schedule, eta0=eta, power_t=0.25
        )
    batch_size = 1 if name in ("saga", "point_saga") else options.batch_size
    schedule = "constant" if name in VARIANCE_REDUCED else options.schedule
    return sklgd.GDClassifier(
        **common,
        optimizer=name,
        batch_size=batch_size,
        learning_rate=learning_rate(eta, schedule),
        average=options.average and name in RULES,
    )


def fit_seconds(model, X, y, epochs):
    model.set_params(max_iter=epochs)
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start


def predicted_seconds(model, X, y):
    """What an epoch would take, from a few rows."""
    rows = slice(min(len(y), PROBE_ROWS))
    times = [
        min(fit_seconds(model, X[rows], y[rows], epochs) for _ in range(2))
        for epochs in (1, 2)
    ]
    return (times[1] - times[0]) * len(y) / len(y[rows])


def epoch_seconds(jobs, epochs, repeats):
    """Seconds per epoch of each job (model, X, y), the jobs taking turns."""
    short, long = np.full((2, len(jobs)), np.inf)
    for _ in range(repeats):
        for i, (model, X, y) in enumerate(jobs):
            short[i] = min(short[i], fit_seconds(model, X, y, 1))
            long[i] = min(long[i], fit_seconds(model, X, y, 1 + epochs))
    return (long - short) / epochs


# --------------------------------------------------------------------------- results


class Results:
    """The results of one part, a JSON file that is written after every table."""

    def __init__(self, options):
        self.path = Path(options.output) / f"{options.part}.json"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        settings = {k: v for k, v in vars(options).items() if k != "output"}
        self.record = {"settings": settings, "versions": versions()}

    def __setitem__(self, name, value):
        self.record[name] = value
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.record, indent=1, default=float))
        os.replace(partial, self.path)


def versions():
    return {
        "sklgd": sklgd.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


# -------------------------------------------------------------------------- features


def features(options):
    """Seconds per epoch against the number of features."""
    results, sizes = Results(options), options.features
    problems = {}
    for d in sizes:
        X = sparse_rows(options.rows, d, options.nnz, options.columns)
        problems[d] = X, labels(X, 2)
    print(
        f"{options.rows} rows, {options.nnz} non-zeros, columns {options.columns}, "
        f"batch_size={options.batch_size}, {options.schedule} step size"
        f"{', averaged' if options.average else ''}; seconds per epoch"
    )
    for penalty in options.penalties:
        rows = [
            (name, model_of(name, penalty, options))
            for name in (PEER, *options.methods)
        ]
        jobs, keys = [], []
        for name, model in rows:
            for d, (X, y) in problems.items():
                if name == PEER or predicted_seconds(model, X, y) < options.limit:
                    jobs.append((model, X, y))
                    keys.append((name, d))
        times = epoch_seconds(jobs, options.epochs, options.repeats)
        found = dict(zip(keys, times, strict=True))
        record = results_of(found, [name for name, _ in rows], sizes)
        results[penalty] = record
        print_growth(penalty, record, sizes)


def results_of(found, names, sizes):
    """Times and growth of each method; None where an epoch was not run."""
    least, most = sizes[0], sizes[-1]
    record = {}
    for name in names:
        seconds = {d: found.get((name, d)) for d in sizes}
        known = seconds[least] is not None and seconds[most] is not None
        growth = seconds[most] / seconds[least] if known else None
        record[name] = {"seconds": seconds, "growth": growth}
    for entry in record.values():
        growth = entry["growth"]
        entry["beyond"] = None if growth is None else growth / record[PEER]["growth"]
    return record


def cell(value, digits, width, missing="dense"):
    text = missing if value is None else f"{value:.{digits}f}"
    return f"{text:>{width}}"


def print_growth(penalty, record, sizes):
    head = "".join(f"{d:>11.0e}" for d in sizes)
    print(f"\n{f'penalty {penalty}':16}{head}{'growth':>9}{'beyond SGD':>12}")
    for name, entry in record.items():
        cells = "".join(cell(seconds, 3, 11) for seconds in entry["seconds"].values())
        print(
            f"{name:16}{cells}{cell(entry['growth'], 2, 9, '-')}"
            f"{cell(entry['beyond'], 2, 12, '-')}",
            flush=True,
        )


# --------------------------------------------------------------------------- classes


def classes(options):
    """Time per step, non-zero and class, for several numbers of classes."""
    results = Results(options)
    print(
        f"{options.rows} rows, {options.nnz} non-zeros, columns {options.columns}, "
        f"batch_size={options.batch_size}; microseconds per step, and nanoseconds per "
        "step, non-zero and class"
    )
    for d in options.features:
        X = sparse_rows(options.rows, d, options.nnz, options.columns)
        for n_classes in options.classes:
            y = labels(X, n_classes)
            record = {}
            for loss, title in (("log_loss", "softmax"), ("hinge", "one-vs-rest")):
                for penalty in options.penalties:
                    record |= classes_one(options, X, y, loss, title, penalty)
            results[f"{d} features, {n_classes} classes"] = record
            print(f"\n{d} features, {n_classes} classes")
            for name, entry in record.items():
                print(
                    f"{name:40}{cell(entry['microseconds'], 1, 12)}"
                    f"{cell(entry['nanoseconds'], 2, 9, '')}",
                    flush=True,
                )


def classes_one(options, X, y, loss, title, penalty):
    """Times of all methods with one loss and one penalty; None is a dense step."""
    names = [
        name
        for name in options.methods
        if loss == "log_loss" or getattr(OPTIMIZERS[name], "takes_kinks", True)
    ]
    if loss == "hinge":
        names = [PEER, *names]
    record = {f"{title}, {name}, {penalty}": None for name in names}
    jobs, keys = [], []
    for key, name in zip(record, names, strict=True):
        model = model_of(name, penalty, options, loss)
        if name == PEER or predicted_seconds(model, X, y) < options.limit:
            jobs.append((model, X, y))
            keys.append(key)
    times = dict(
        zip(keys, epoch_seconds(jobs, options.epochs, options.repeats), strict=True)
    )
    for key, name in zip(record, names, strict=True):
        step = None
        if key in times:
            rows = 1 if name in (PEER, "saga", "point_saga") else options.batch_size
            step = times[key] * rows / options.rows
            entries = rows * options.nnz * (y.max() + 1)
        record[key] = {
            "microseconds": None if step is None else 1e6 * step,
            "nanoseconds": None if step is None else 1e9 * step / entries,
        }
    return record


# ------------------------------------------------------------------------------ main

PARTS = {part.__name__: part for part in (features, classes)}
DEFAULTS = {
    "features": {
        "rows": 100_000,
        "nnz": 50,
        "features": [10_000, 100_000, 1_000_000],
        "methods": RULES + VARIANCE_REDUCED,
        "penalties": list(PENALTIES),
    },
    "classes": {
        "rows": 10_000,
        "nnz": 20,
        "features": [3_000, 30_000],
        "methods": ["sgd", "momentum", "adagrad", "adam", "ftrl", "saga"],
        "penalties": ["none", "l2"],
    },
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--output", required=True, help="folder of the results")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--nnz", type=int, help="non-zeros of a row")
    parser.add_argument("--features", type=int, nargs="+", help="numbers of features")
    parser.add_argument("--classes", type=int, nargs="+", default=[77, 150])
    parser.add_argument("--columns", choices=["uniform", "zipf"], default="uniform")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--methods", nargs="+", choices=RULES + VARIANCE_REDUCED)
    parser.add_argument("--penalties", nargs="+", choices=PENALTIES)
    parser.add_argument(
        "--schedule", choices=["constant", "invscaling"], default="constant"
    )
    parser.add_argument("--average", action="store_true", help="averaged iterates")
    parser.add_argument(
        "--epochs", type=int, default=2, help="of the long fits, less 1"
    )
    parser.add_argument("--repeats", type=int, default=3, help="of timed fits")
    parser.add_argument(
        "--limit", type=float, default=15.0, help="longest predicted epoch, seconds"
    )
    options = parser.parse_args()
    for name, value in DEFAULTS[options.part].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.features = sorted(options.features)
    warnings.simplefilter("ignore")
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    with threadpool_limits(1):
        PARTS[options.part](options)


if __name__ == "__main__":
    main()
