"""Default parameters on raw features: test score and time of a fit, README's table.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/raw_data.py

Mean test score over random splits and median processor time of a fit, peers taking
turns, on the data that scikit-learn bundles. "exact" minimises the same objective by a
second-order method (`LogisticRegression(solver="newton-cg")`, `Ridge`).
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.model_selection import train_test_split

from sklgd import GDClassifier, GDRegressor

ALPHA = 1e-4


def exact_classifier(n_samples, _seed):
    return LogisticRegression(
        C=1.0 / (ALPHA * n_samples), solver="newton-cg", tol=1e-8, max_iter=1000
    )


PROBLEMS = {
    "breast cancer (accuracy)": (load_breast_cancer, {}),
    "wine, 3 classes (accuracy)": (load_wine, {}),
    "digits, 10 classes (accuracy)": (load_digits, {}),
    "diabetes (R2)": (load_diabetes, {"scaled": False}),
}
CLASSIFIERS = {
    "SGD*": lambda n, seed: SGDClassifier(loss="log_loss", random_state=seed),
    "GD*": lambda n, seed: GDClassifier(random_state=seed),
    "exact": exact_classifier,
}
REGRESSORS = {
    "SGD*": lambda n, seed: SGDRegressor(random_state=seed),
    "GD*": lambda n, seed: GDRegressor(random_state=seed),
    "exact": lambda n, seed: Ridge(alpha=ALPHA * n),
}


def measure(X, y, peers, n_splits):
    """Mean score and median seconds of each peer."""
    scores = {name: [] for name in peers}
    times = {name: [] for name in peers}
    for seed in range(n_splits):
        X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
        for name, make in peers.items():
            model = make(len(X_train), seed)
            start = time.process_time()
            model.fit(X_train, y_train)
            times[name].append(time.process_time() - start)
            scores[name].append(model.score(X_test, y_test))
    return {name: (np.mean(scores[name]), np.median(times[name])) for name in peers}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=10)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'raw data':32}" + "".join(f"{name:>22}" for name in CLASSIFIERS))
    for title, (load, arguments) in PROBLEMS.items():
        X, y = load(return_X_y=True, **arguments)
        peers = REGRESSORS if title.endswith("(R2)") else CLASSIFIERS
        results = measure(X, y, peers, options.splits)
        cells = (f"{s:.4g} in {1e3 * t:.1f} ms" for s, t in results.values())
        print(f"{title:32}" + "".join(f"{cell:>22}" for cell in cells))


if __name__ == "__main__":
    main()
