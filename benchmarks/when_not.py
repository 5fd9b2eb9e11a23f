"""Problems for which there are special methods: the table of docs/start.md.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/when_not.py

Median processor time of a fit and R2 on held-out rows, peers taking turns. The paths of
l1 penalties visit the same hundred values of alpha.
"""

import time
import warnings

import numpy as np
from sklearn.datasets import load_diabetes, make_friedman1, make_regression
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge, enet_path
from sklearn.model_selection import train_test_split

from sklgd import GDRegressor, path

REPEATS = 9
# Descent in mini-batches, where the default solves the equations.
STEPS = dict(optimizer="adam", batch_size=32, random_state=0)

# Of both paths, from nearly no coefficients to nearly all.
ALPHAS = np.geomspace(2.0, 2e-3, 100)


class LassoPath:
    """The path by coordinate descent; scores are those of its last model."""

    def fit(self, X, y):
        self.mean, self.level = X.mean(axis=0), y.mean()
        _, coefs, _ = enet_path(
            X - self.mean, y - self.level, l1_ratio=1.0, alphas=ALPHAS
        )
        self.coef = coefs[:, -1]
        return self

    def score(self, X, y):
        residual = y - self.level - (X - self.mean) @ self.coef
        return 1.0 - np.mean(residual**2) / np.var(y)


class Path:
    """`sklgd.path` at the same alphas; scores are those of its last model."""

    def fit(self, X, y):
        found = path(GDRegressor(penalty="l1"), X, y, alphas=ALPHAS)
        self.coef, self.intercept = found.coef[-1], found.intercept[-1]
        return self

    def score(self, X, y):
        residual = y - X @ self.coef - self.intercept
        return 1.0 - np.mean(residual**2) / np.var(y)


def least_squares(n_samples, n_features):
    return make_regression(n_samples, n_features, noise=10.0, random_state=0)


PROBLEMS = [
    (
        "least squares, 442 x 10",
        load_diabetes(return_X_y=True),
        {"Ridge": Ridge(alpha=0.03), "GDRegressor": GDRegressor()},
    ),
    (
        "least squares, 20000 x 50",
        least_squares(20_000, 50),
        {"Ridge": Ridge(alpha=1.5), "GDRegressor": GDRegressor()},
    ),
    (
        "the same, step by step (Adam)",
        least_squares(20_000, 50),
        {"Ridge": Ridge(alpha=1.5), "GDRegressor": GDRegressor(**STEPS)},
    ),
    (
        "l1 penalty with 100 values of alpha, 442 x 10",
        load_diabetes(return_X_y=True),
        {"lasso_path": LassoPath(), "sklgd.path": Path()},
    ),
    (
        "products and sines, 5000 x 10",
        make_friedman1(5000, noise=1.0, random_state=0),
        {
            "HistGradientBoosting": HistGradientBoostingRegressor(random_state=0),
            "GDRegressor": GDRegressor(),
        },
    ),
]


def measure(peers, X, y):
    """Median seconds and score of each peer."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    times = {name: [] for name in peers}
    for _ in range(REPEATS):
        for name, model in peers.items():
            start = time.process_time()
            model.fit(X_train, y_train)
            times[name].append(time.process_time() - start)
    return {
        name: (np.median(times[name]), model.score(X_test, y_test))
        for name, model in peers.items()
    }


def main():
    warnings.simplefilter("ignore")
    print("| problem | specialised method | GDRegressor |\n|---|---|---|")
    for title, data, peers in PROBLEMS:
        cells = " | ".join(
            (f"{name}: " if name != "GDRegressor" else "")
            + f"{1e3 * seconds:.3g} ms, R² {score:.3f}"
            for name, (seconds, score) in measure(peers, *data).items()
        )
        print(f"| {title} | {cells} |")


if __name__ == "__main__":
    main()
