"""n_jobs: the same bits for any number of threads, and no hang after a fork."""

import multiprocessing
import sys

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from sklgd import GDClassifier, GDRegressor
from sklgd.kernels._openmp import effective_threads
from sklgd.kernels._problem import Problem
from sklgd.kernels._rows import Rows
from sklgd.losses import SquaredError


def large_problem(storage, n_outputs):
    """Enough entries for several chunks in each sweep."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 20))
    if storage == "csr":
        X = sp.csr_matrix(X * (rng.random(X.shape) < 0.7))
    z = X @ rng.normal(size=(20, n_outputs)) + rng.normal(size=(30_000, n_outputs))
    return X, z


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("batch_size", ["full", 14_000, 2_048])
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


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("optimizer", ["svrg", "point_saga"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_same_bits_with_a_table(storage, optimizer, n_outputs):
    X, z = large_problem(storage, n_outputs)
    model = GDRegressor(optimizer=optimizer, max_iter=2, tol=None, random_state=0)
    models = [clone(model).set_params(n_jobs=k).fit(X, z) for k in (None, 2, 3)]
    for other in models[1:]:
        assert np.array_equal(other.coef_, models[0].coef_)
        assert other.loss_curve_ == models[0].loss_curve_


def test_wide_gradients():
    """Partial gradients of many columns are added in parallel, in the same order."""
    rng = np.random.default_rng(0)
    X = sp.random_array((12_000, 9_000), density=0.01, rng=rng, format="csr")
    rows, target = Rows(X), rng.normal(size=12_000)
    coef = rng.normal(size=(9_001, 1))
    results = []
    for n_threads in (1, 2, 3):
        problem = Problem(rows, target, None, SquaredError(), 1, True, None, n_threads)
        gradient = np.empty_like(coef)
        results.append((problem.value_and_gradient(coef, gradient), gradient))
    residual = X @ coef[:-1, 0] + coef[-1] - target
    np.testing.assert_allclose(results[0][0], 0.5 * np.mean(residual**2), rtol=1e-12)
    exact = np.append(X.T @ residual, residual.sum()) / 12_000
    np.testing.assert_allclose(results[0][1][:, 0], exact, rtol=1e-9, atol=1e-12)
    for value, gradient in results[1:]:
        assert value == results[0][0]
        assert np.array_equal(gradient, results[0][1])


def fit_in_child(n_jobs, batch_size="full"):
    X, z = large_problem("dense", 1)
    model = GDRegressor(
        n_jobs=n_jobs, batch_size=batch_size, optimizer="adam", learning_rate=0.01,
        max_iter=2, tol=None, random_state=0,
    )  # fmt: skip
    return effective_threads(n_jobs), model.fit(X, z[:, 0]).coef_


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("batch_size", ["full", 2_048])
def test_fork_after_threads(batch_size):
    _, expected = fit_in_child(2, batch_size)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        result = pool.apply_async(fit_in_child, (2, batch_size))
        threads, coef = result.get(timeout=60)
    assert threads == 1
    assert np.array_equal(coef, expected)


def threads_in_worker(n_jobs):
    return effective_threads(n_jobs)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_workers_share_the_cores(backend, monkeypatch):
    """Estimators with n_jobs=2 in two workers take no more threads than there are."""
    if backend == "multiprocessing" and sys.platform == "win32":
        pytest.skip("Windows has no fork")
    # What the user sets is not joblib's to change.
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    calls = (joblib.delayed(threads_in_worker)(2) for _ in range(4))
    with joblib.parallel_config(backend, n_jobs=2):
        threads = joblib.Parallel()(calls)
    limit = min(2, max(1, joblib.cpu_count() // 2)) if backend == "loky" else 1
    assert threads == [limit] * 4


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_grid_search(backend):
    """A search in parallel over estimators with threads ends, and finds the same."""
    X, z = large_problem("dense", 1)
    X, y = X[:6000], z[:6000, 0]
    model = GDRegressor(n_jobs=2, batch_size=2048, optimizer="adam", learning_rate=0.01)
    model.set_params(max_iter=3, tol=None, random_state=0)
    grid = {"alpha": [1e-4, 1.0]}
    alone = GridSearchCV(model, grid, cv=2).fit(X, y)
    with joblib.parallel_config(backend):
        search = GridSearchCV(model, grid, cv=2, n_jobs=2).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.array_equal(scores, alone.cv_results_["mean_test_score"])
    assert np.array_equal(search.best_estimator_.coef_, alone.best_estimator_.coef_)


def test_effective_threads():
    assert effective_threads(None) == effective_threads(1) == 1
    assert effective_threads(-1) >= 1
    with threadpool_limits(1):
        assert effective_threads(8) == 1
