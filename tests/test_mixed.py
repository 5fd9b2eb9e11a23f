"""Whether rows are in random order already: random rows yes, any kind of order no."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits

from sklgd._fit.data import Data
from sklgd._solvers.mixed_rows import (
    BLOCK_ROWS,
    LARGEST_MEAN,
    N_BLOCKS,
    in_no_order,
    rows_are_mixed,
)
from sklgd.losses import LogLoss, SquaredError

N, D = 12_000, 20


def mixed(X, y, loss, rows=None):
    target = y.astype(float)
    return rows_are_mixed(Data(X, target, None, rows, loss, 1, True, None))


def random_rows(kind, rng):
    if kind == "normal":
        return rng.normal(size=(N, D))
    if kind == "scales":
        return rng.normal(size=(N, D)) * 10.0 ** rng.uniform(-150, 150, size=D)
    if kind == "offset":
        return 1e9 + rng.normal(size=(N, D))
    if kind == "heavy tails":
        return rng.standard_cauchy(size=(N, D))
    if kind == "constant columns":
        return np.hstack([rng.normal(size=(N, 3)), np.full((N, 3), 0.1)])
    if kind == "rare":
        return (rng.random((N, 300)) < 0.002).astype(float)
    digits = load_digits().data
    return digits[rng.integers(len(digits), size=N)]


KINDS = [
    "normal", "scales", "offset", "heavy tails", "constant columns", "rare", "digits",
]  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS)
def test_random_rows_are_mixed(kind):
    answers = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = random_rows(kind, rng)
        y = rng.normal(size=N)
        answers.append(mixed(X, y, SquaredError()))
        assert mixed(sp.csr_matrix(X), y, SquaredError()) == answers[-1]
        assert mixed(X, rng.integers(10, size=N), LogLoss()) == answers[-1]
    # Chance may say otherwise now and then; that costs time, nothing else.
    assert sum(answers) >= 9


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_matrix])
def test_ordered_rows_are_not(storage):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N, D)), rng.normal(size=N)
    labels = rng.integers(10, size=N)
    assert mixed(storage(X), y, SquaredError())
    # Sorted by target or label, or by a feature.
    rows = np.argsort(y)
    assert not mixed(storage(X[rows]), y[rows], SquaredError())
    rows = np.argsort(labels, kind="stable")
    assert not mixed(storage(X[rows]), labels[rows], LogLoss())
    assert not mixed(storage(X[rows]), np.sort(labels > 4) * 2.0 - 1.0, LogLoss())
    rows = np.argsort(X[:, 7])
    assert not mixed(storage(X[rows]), y, SquaredError())
    # A trend, a random walk in one feature, every row several times.
    trend = X.copy()
    trend[:, 3] += np.linspace(0.0, 1.0, N)
    assert not mixed(storage(trend), y, SquaredError())
    walk = X.copy()
    walk[:, 3] = np.cumsum(walk[:, 3])
    assert not mixed(storage(walk), y, SquaredError())
    repeated = np.repeat(np.arange(N // 4), 4)
    assert not mixed(storage(X[repeated]), y, SquaredError())


def test_only_the_rows_to_learn_from_count():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2 * N, D)), rng.normal(size=2 * N)
    odd = np.arange(1, 2 * N, 2)
    X[::2] = np.sort(X[::2], axis=0)
    assert mixed(X, y, SquaredError(), odd)
    assert not mixed(X, y, SquaredError(), odd - 1)


@pytest.mark.exhaustive
def test_ratio_is_that_of_analysis_of_variance():
    """At the limit, scipy's F ratio decides."""
    from scipy.stats import f_oneway

    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.normal(size=(N_BLOCKS, BLOCK_ROWS, 1))
        values += rng.uniform(0.0, 0.3) * rng.normal(size=(N_BLOCKS, 1, 1))
        ratio = f_oneway(*values[:, :, 0]).statistic
        assert in_no_order(values.reshape(-1, 1)) == (ratio <= LARGEST_MEAN)


def test_numbers_that_overflow_are_not_trusted():
    values = np.full((N_BLOCKS * BLOCK_ROWS, 1), 1e300)
    values[::2] = -1e300
    assert not in_no_order(values)
