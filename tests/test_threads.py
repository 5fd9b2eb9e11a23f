"""n_jobs: the same bits for any number of threads, and no hang after a fork."""

import multiprocessing
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from sklgd import GDClassifier, GDRegressor
from sklgd.kernels._openmp import effective_threads


def large_problem(storage, n_outputs):
    """Enough entries for several chunks in each sweep."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 20))
    if storage == "csr":
        X = sp.csr_matrix(X * (rng.random(X.shape) < 0.7))
    z = X @ rng.normal(size=(20, n_outputs)) + rng.normal(size=(30_000, n_outputs))
    return X, z


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("batch_size", ["full", 14_000])
@pytest.mark.parametrize(
    ("estimator", "n_outputs"),
    [(GDRegressor, 1), (GDRegressor, 3), (GDClassifier, 1), (GDClassifier, 4)],
)
@pytest.mark.parametrize("learning_rate", ["auto", 0.01])
def test_same_bits(storage, batch_size, estimator, n_outputs, learning_rate):
    X, z = large_problem(storage, n_outputs)
    if estimator is GDClassifier:
        z = z.argmax(axis=1) if n_outputs > 1 else z[:, 0] > 0.0
    models = [
        estimator(
            n_jobs=n_jobs,
            batch_size=batch_size,
            optimizer="nesterov",
            learning_rate=learning_rate,
            max_iter=3,
            tol=None,
            random_state=0,
        ).fit(X, z)
        for n_jobs in (None, 2, 3)
    ]
    for model in models[1:]:
        assert np.array_equal(model.coef_, models[0].coef_)
        assert np.array_equal(model.intercept_, models[0].intercept_)
        assert model.loss_curve_ == models[0].loss_curve_


def fit_in_child(n_jobs):
    X, z = large_problem("dense", 1)
    model = GDRegressor(n_jobs=n_jobs, batch_size="full", max_iter=2, tol=None)
    return effective_threads(n_jobs), model.fit(X, z[:, 0]).coef_


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_after_threads():
    _, expected = fit_in_child(2)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        threads, coef = pool.apply_async(fit_in_child, (2,)).get(timeout=60)
    assert threads == 1
    assert np.array_equal(coef, expected)


def test_effective_threads():
    assert effective_threads(None) == effective_threads(1) == 1
    assert effective_threads(-1) >= 1
    with threadpool_limits(1):
        assert effective_threads(8) == 1
