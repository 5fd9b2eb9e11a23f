"""Does the order of rows for single-row steps converge as a full shuffle does?

    OMP_NUM_THREADS=1 python benchmarks/row_order.py

Plain SGD, log loss, batch_size=1, the learning rate falling as 1/sqrt(epoch), on rows
sorted by label, the hardest case, and on the same rows mixed. The table has the gap
(F - F*) / (F_null - F*) after 1, 3 and 10 epochs, the median of five seeds, for each
value of ``shuffle``: True permutes sorted rows once and takes "blocks" of mixed ones.
Besides a synthetic set, some of the folder SKLGD_DATA are used, if it is set.
"""

import argparse
import warnings

import numpy as np
import scipy.sparse as sp

from problems import data_folder, load_raw
from sklgd import GDClassifier

ALPHA = 1e-4
EPOCHS = 10
SETS = ("covtype_20k", "a9a", "imdb")
CHOICES = ("full", True, "window", "blocks")


def synthetic():
    """20000 x 20, two overlapping classes."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 20)) + 0.5
    return X, X @ rng.standard_normal(20) + rng.logistic(size=len(X)) > 0.0


def sorted_problem(name):
    """X and labels -1 and 1 (the largest class), the rows sorted by label."""
    X, y = synthetic() if name == "synthetic" else load_raw(name)[:2]
    y = np.asarray(y)
    classes, counts = np.unique(y, return_counts=True)
    y = np.where(y == classes[counts.argmax()], 1.0, -1.0)
    rows = np.argsort(y, kind="stable")
    if sp.issparse(X):
        return sp.csr_matrix(X)[rows], y[rows]
    X = np.asarray(X, dtype=float)
    spread = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    return np.ascontiguousarray(X[rows]), y[rows]


def objective_curve(X, y, shuffle, steps, seed):
    """F after each epoch."""
    n = len(y)
    model = GDClassifier(
        optimizer="sgd", batch_size=1, alpha=ALPHA, shuffle=shuffle,
        learning_rate=lambda t: steps[(t - 1) // n],
        max_iter=EPOCHS, tol=None, random_state=seed,
    )  # fmt: skip
    return model.fit(X, y).loss_curve_


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = ["synthetic", *(SETS if data_folder() else ())]
    print(f"{'set':14}{'step':>6}  {'rows':8}{'shuffle':10}{1:>9}{3:>9}{10:>9}")
    for name in names:
        X, y = sorted_problem(name)
        best = GDClassifier(alpha=ALPHA, tol=1e-9).fit(X, y).loss_curve_[-1]
        share = (y > 0.0).mean()
        null = -share * np.log(share) - (1.0 - share) * np.log(1.0 - share)
        square = X.multiply(X) if sp.issparse(X) else X * X
        size = 1.0 + float(square.sum()) / len(y)
        mixed = np.random.default_rng(0).permutation(len(y))
        for factor in (0.2, 2.0):
            steps = factor / size / np.sqrt(np.arange(1, EPOCHS + 1))
            for rows, given in ((slice(None), "sorted"), (mixed, "mixed")):
                for shuffle in CHOICES:
                    curves = [
                        objective_curve(X[rows], y[rows], shuffle, steps, seed)
                        for seed in range(options.seeds)
                    ]
                    gap = (np.median(curves, axis=0) - best) / (null - best)
                    print(
                        f"{name:14}{factor:6.1f}  {given:8}{shuffle!s:10}"
                        + "".join(f"{gap[epoch - 1]:9.4f}" for epoch in (1, 3, 10)),
                        flush=True,
                    )


if __name__ == "__main__":
    main()
