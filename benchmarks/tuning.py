"""Choosing alpha: the searches of sklgd against those of scikit-learn.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 SKLGD_DATA=folder \\
        python benchmarks/tuning.py --sets magic a9a --penalty l2

For each set: seconds of processor time of a search with five folds, the alpha that it
chose, and the score of its model on rows held out (minus the mean loss, so that greater
is better). Every search gets the alphas that `GDRegressorCV` or `GDClassifierCV` tried;
where scikit-learn measures the penalty against the sum of losses, they are converted.
Linear models of scikit-learn that need it stand behind a scaler, and their penalty is
then another one. Without SKLGD_DATA the sets are scikit-learn's own.
"""

import argparse
import json
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import (
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    RidgeCV,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from problems import load_problem, problem_names
from sklgd import GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV

FOLDS = 5
SKLEARN_LIMIT = 5e7  # entries times outputs, beyond which scikit-learn is left out


def scaled(X, model):
    """A model behind a scaler."""
    scaler = MaxAbsScaler() if sp.issparse(X) else StandardScaler()
    return make_pipeline(scaler, model)


def peers(loss, penalty, alphas, X, y):
    """Searches over the same alphas, by name."""
    n = X.shape[0] * (FOLDS - 1) / FOLDS
    grid = {"alpha": alphas}
    plain = (GDClassifier if loss == "log_loss" else GDRegressor)(loss, penalty=penalty)
    yield f"GridSearchCV({type(plain).__name__})", GridSearchCV(plain, grid, cv=FOLDS)
    work = X.shape[0] * (X.shape[1] if not sp.issparse(X) else X.nnz / X.shape[0])
    if loss == "log_loss":
        work *= len(np.unique(y))
    if work > SKLEARN_LIMIT:
        return
    if loss == "squared_error" and penalty == "l2":
        yield "RidgeCV", RidgeCV(alphas=alphas * n)
    elif loss == "squared_error":
        yield "LassoCV", LassoCV(alphas=alphas, cv=FOLDS)
    elif loss == "poisson" and penalty == "l2":
        search = GridSearchCV(PoissonRegressor(max_iter=1000), grid, cv=FOLDS)
        yield "GridSearchCV(PoissonRegressor), scaled", scaled(X, search)
    elif penalty == "l2":
        Cs = np.sort(1.0 / (alphas * n))
        model = LogisticRegression(max_iter=1000)
        search = GridSearchCV(model, {"C": Cs}, cv=FOLDS, scoring="neg_log_loss")
        yield "GridSearchCV(LogisticRegression), scaled", scaled(X, search)
        search = LogisticRegressionCV(
            Cs=Cs, cv=FOLDS, max_iter=1000, scoring="neg_log_loss"
        )
        yield "LogisticRegressionCV, scaled", scaled(X, search)


def alpha_of(search, n):
    """The alpha that a search has chosen, in the units of sklgd."""
    search = search[-1] if hasattr(search, "steps") else search
    found = getattr(search, "best_params_", {})
    C = found.get("C", np.ravel(getattr(search, "C_", np.nan))[0])
    alpha = found.get("alpha", getattr(search, "alpha_", np.nan))
    if type(search) is RidgeCV:
        alpha = alpha / n
    return float(alpha if np.isfinite(alpha) else 1.0 / (C * n))


def held_out(model, X, y, loss):
    """Minus the mean loss."""
    if loss == "log_loss":
        p = model.predict_proba(X)
        codes = np.searchsorted(model.classes_, y)
        return float(np.log(np.maximum(p[np.arange(len(y)), codes], 1e-300)).mean())
    prediction = model.predict(X)
    if loss == "poisson":
        prediction = np.maximum(prediction, 1e-300)
        return float((y * np.log(prediction) - prediction).mean())
    return float(-0.5 * ((prediction - y) ** 2).mean())


def peak_of(search, X, y):
    """Megabytes of arrays that a search takes beyond X and y."""
    tracemalloc.start()
    search.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return peak


def measure(search, data, loss, memory=False):
    """A record of one search; its memory is measured in another run."""
    X_train, X_test, y_train, y_test = data
    start = time.process_time()
    search.fit(X_train, y_train)
    seconds = time.process_time() - start
    return {
        "seconds": seconds,
        "alpha": alpha_of(search, X_train.shape[0] * (FOLDS - 1) / FOLDS),
        "score": held_out(search, X_test, y_test, loss),
        "megabytes": peak_of(search, X_train, y_train) if memory else float("nan"),
    }


def run(name, penalty, n_alphas, cap, memory):
    """Records of all searches on one set."""
    *data, loss = load_problem(name, cap)
    ours = (GDClassifierCV if loss == "log_loss" else GDRegressorCV)(
        loss, penalty=penalty, alphas=n_alphas, cv=FOLDS
    )
    first = measure(ours, data, loss, memory)
    again = measure(ours, data, loss)
    first["seconds"] = min(first["seconds"], again["seconds"])
    records = {type(ours).__name__: first}
    for peer, search in peers(loss, penalty, ours.alphas_[0], data[0], data[2]):
        records[peer] = measure(search, data, loss, memory)
    plain = (GDClassifier if loss == "log_loss" else GDRegressor)(loss, penalty=penalty)
    records["alpha=1e-4, no search"] = measure(plain, data, loss, memory)
    return [
        {"set": name, "penalty": penalty, "search": search, **record}
        for search, record in records.items()
    ]


def table(records):
    """Rows of a Markdown table."""
    yield "| set | search | seconds | times ours | alpha | held-out score | MB |"
    yield "|---|---|---|---|---|---|---|"
    for record in records:
        ours = next(r for r in records if r["set"] == record["set"])
        yield (
            f"| {record['set']}, {record['penalty']} | {record['search']} | "
            f"{record['seconds']:.3g} | {record['seconds'] / ours['seconds']:.1f} | "
            f"{record['alpha']:.2g} | {record['score']:.5g} | "
            f"{record['megabytes']:.3g} |"
        )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", nargs="+", help="all, if none is given")
    parser.add_argument("--penalty", choices=["l2", "l1"], default="l2")
    parser.add_argument("--alphas", type=int, default=12)
    parser.add_argument("--cap", type=int, default=50_000, help="most rows of a set")
    parser.add_argument(
        "--memory", action="store_true",
        help="measure the memory beyond X, too, in another run",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, help="JSON file with the records")
    options = parser.parse_args(arguments)
    records = []
    for name in options.sets or problem_names():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            records += run(
                name, options.penalty, options.alphas, options.cap, options.memory
            )
    print("\n".join(table(records)))
    if options.output:
        options.output.write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main()
