"""Does the order of rows for single-row steps converge as a full shuffle does?

    OMP_NUM_THREADS=1 python benchmarks/row_order.py

Plain SGD, log loss, batch_size=1, on rows sorted by label, the hardest case, the step
size falling as 1/sqrt(epoch). The table has the gap (F - F*) / (F_null - F*) after 1,
3 and 10 epochs, the median of five seeds, for each value of ``shuffle``; "blocks as
given" are shuffled blocks of 32 rows of X as it is, which no ``shuffle`` takes.
Besides a synthetic set, some of the folder SKLGD_DATA are used, if it is set.
"""

import argparse
import warnings

import numpy as np
import scipy.sparse as sp

from problems import data_folder, load_raw
from sklgd import GDClassifier
from sklgd.kernels._engine import Descent
from sklgd.kernels._losses import LogLoss
from sklgd.kernels._order import Blocks
from sklgd.kernels._problem import Problem
from sklgd.kernels._rows import Rows
from sklgd.optimizers import SGD

ALPHA = 1e-4
EPOCHS = 10
SETS = ("covtype_20k", "a9a", "imdb")
CHOICES = ("full", True, "window", "blocks as given")


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
    if shuffle != "blocks as given":
        n = len(y)
        model = GDClassifier(
            optimizer="sgd", batch_size=1, alpha=ALPHA, shuffle=shuffle,
            learning_rate=lambda t: steps[(t - 1) // n],
            max_iter=EPOCHS, tol=None, random_state=seed,
        )  # fmt: skip
        return model.fit(X, y).loss_curve_
    problem = Problem(Rows(X), y, None, LogLoss(), 1, True)
    coef = np.zeros((X.shape[1] + 1, 1))
    rule = SGD().make_rule(coef, np.zeros_like(coef), np.zeros_like(coef))
    descent = Descent(problem, rule, coef, coef, row_penalty=(0.0, ALPHA))
    rng, curve = np.random.RandomState(seed), []
    for eta in steps:
        first = 32 * rng.permutation(-(-len(y) // 32)).astype(np.intp)
        order, _ = Blocks(first, 32, len(y)).take(len(y))
        descent.run(order, np.full(len(y), eta), 1, 0, 0)
        descent.flush()
        w = coef[:-1]
        curve.append(problem.value(coef) + 0.5 * ALPHA * float((w * w).sum()))
    return curve


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = ["synthetic", *(SETS if data_folder() else ())]
    print(f"{'set':14}{'step':>6}  {'shuffle':18}" + f"{1:>9}{3:>9}{10:>9}")
    for name in names:
        X, y = sorted_problem(name)
        best = GDClassifier(alpha=ALPHA, tol=1e-9).fit(X, y).loss_curve_[-1]
        share = (y > 0.0).mean()
        null = -share * np.log(share) - (1.0 - share) * np.log(1.0 - share)
        square = X.multiply(X) if sp.issparse(X) else X * X
        size = 1.0 + float(square.sum()) / len(y)
        for factor in (0.2, 2.0):
            steps = factor / size / np.sqrt(np.arange(1, EPOCHS + 1))
            for shuffle in CHOICES:
                curves = [
                    objective_curve(X, y, shuffle, steps, seed)
                    for seed in range(options.seeds)
                ]
                gap = (np.median(curves, axis=0) - best) / (null - best)
                label = "True (blocks)" if shuffle is True else shuffle
                print(
                    f"{name:14}{factor:6.1f}  {label:18}"
                    + "".join(f"{gap[epoch - 1]:9.4f}" for epoch in (1, 3, 10)),
                    flush=True,
                )


if __name__ == "__main__":
    main()
