"""Seconds per epoch of sklgd and of scikit-learn's SGD*, side by side in one run.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/epoch_time.py

An epoch is one shuffled pass of single-row steps with an l2 penalty and a constant step
size, as both libraries do it; for sklgd it includes the pass that evaluates the
objective for ``loss_curve_``. It is measured as the difference between a long and a
short fit, so that validation and set-up drop out. Peers take turns; the minimum over
the repeats counts. Two more tables give sklgd's other batch modes and import times.
"""

import argparse
import platform
import subprocess
import sys
import time
import warnings

import numpy as np
import scipy.sparse as sp
import sklearn
from sklearn.linear_model import SGDClassifier, SGDRegressor

import sklgd

STEP = {"learning_rate": "constant", "eta0": 1e-4, "tol": None, "random_state": 0}


def dense(n_samples, n_features, dtype):
    """Standard normal features and a linear target."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features))
    y = X @ rng.standard_normal(n_features) + rng.standard_normal(n_samples)
    return X.astype(dtype), y


def sparse(n_samples, n_features, row_nnz):
    """Rows like texts: column frequencies fall off as a power law."""
    rng = np.random.default_rng(0)
    columns = (n_features * rng.random((n_samples, row_nnz)) ** 3).astype(np.int32)
    data = rng.random(columns.size)
    indptr = np.arange(0, columns.size + 1, row_nnz, dtype=np.int32)
    shape = (n_samples, n_features)
    X = sp.csr_matrix((data, columns.ravel(), indptr), shape=shape)
    X.sum_duplicates()
    return X, X @ rng.standard_normal(n_features)


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def epoch_times(estimators, X, y, repeats, epochs):
    """Milliseconds per epoch of each estimator, measured in turn."""
    short = [np.inf] * len(estimators)
    long = [np.inf] * len(estimators)
    for _ in range(repeats):
        for i, estimator in enumerate(estimators):
            for best, n in ((short, 1), (long, 1 + epochs)):
                estimator.set_params(max_iter=n)
                best[i] = min(best[i], seconds(lambda e=estimator: e.fit(X, y)))
    return [1e3 * (b - a) / epochs for a, b in zip(short, long, strict=True)]


def import_seconds(module, repeats):
    """Import time of a module in a fresh interpreter."""
    code = f"import time; t = time.perf_counter(); import {module}; " + (
        "print(time.perf_counter() - t)"
    )
    return min(
        float(subprocess.check_output([sys.executable, "-c", code]))
        for _ in range(repeats)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--samples", type=int, default=200_000)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        f"sklgd {sklgd.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}"
    )

    n = options.samples
    dense_64 = dense(n, 30, np.float64)
    dense_32 = dense(n, 30, np.float32)
    text = sparse(n, 47_000, 80)
    row_nnz = text[0].nnz / n
    problems = [
        (f"dense {n} x 30 float64, squared error", dense_64, False, {}),
        (f"dense {n} x 30 float64, log loss", dense_64, True, {}),
        (f"dense {n} x 30 float32, squared error", dense_32, False, {}),
        (f"dense {n} x 30 float32, log loss", dense_32, True, {}),
        (f"CSR {n} x 47000, {row_nnz:.0f} nnz/row, log loss l2", text, True, {}),
        (
            f"CSR {n} x 47000, {row_nnz:.0f} nnz/row, log loss elasticnet",
            text,
            True,
            {"penalty": "elasticnet"},
        ),
    ]
    print(f"\n{'ms per epoch, batch_size=1':58}{'SGD*':>9}{'sklgd':>9}{'ratio':>8}")
    for name, (X, y), classify, extra in problems:
        target = (y > 0.0).astype(int) if classify else y
        peers = (SGDClassifier, sklgd.GDClassifier)
        if not classify:
            peers = (SGDRegressor, sklgd.GDRegressor)
        loss = {"loss": "log_loss"} if classify else {}
        pair = [peer(**STEP, **loss, **extra) for peer in peers]
        theirs, ours = epoch_times(pair, X, target, options.repeats, options.epochs)
        print(f"{name:58}{theirs:9.1f}{ours:9.1f}{theirs / ours:8.2f}")

    print(f"\n{f'ms per epoch, dense {n} x 30 float64, squared error':58}{'sklgd':>9}")
    for optimizer, batch_size in (
        ("sgd", 32),
        ("adam", 1),
        ("adam", 32),
        ("adam", 256),
        ("nesterov", "full"),
    ):
        model = sklgd.GDRegressor(**STEP, optimizer=optimizer, batch_size=batch_size)
        (ours,) = epoch_times([model], *dense_64, options.repeats, options.epochs)
        print(f"{f'{optimizer}, batch_size={batch_size}':58}{ours:9.1f}")

    print(f"\n{'import, seconds':58}")
    for module in ("sklearn.base", "sklearn.linear_model", "sklgd"):
        print(f"{module:58}{import_seconds(module, options.repeats):9.2f}")


if __name__ == "__main__":
    main()
