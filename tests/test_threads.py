"""n_jobs: the same bits for any number of threads, and no hang after a fork."""

import multiprocessing
import sys
import threading
import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from conftest import most_penalties
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from threadpoolctl import ThreadpoolController, threadpool_limits

from sklgd import GDClassifier, GDRegressor
from sklgd._blas import blas_threads
from sklgd._solvers.output_threads import OutputGroups, bounds
from sklgd._threads import effective_threads
from sklgd.kernels._problem import Problem
from sklgd.kernels._rows import Rows
from sklgd.losses import SquaredError
from sklgd.optimizers import OPTIMIZERS

# The methods that are no rules: "auto" and those whose classes solve for themselves.
SOLVERS = [
    "auto",
    *(n for n, c in OPTIMIZERS.items() if c.training not in ("descent", "online")),
]


@pytest.fixture
def threads(monkeypatch):
    """As many threads as n_jobs says: OMP_NUM_THREADS may be 1 where the tests run."""
    monkeypatch.setattr("sklgd._fit.data.effective_threads", lambda n_jobs: n_jobs or 1)


def large_problem(storage, n_outputs):
    """Enough entries for several chunks in each sweep."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 20))
    if storage == "csr":
        X = sp.csr_matrix(X * (rng.random(X.shape) < 0.7))
    z = X @ rng.normal(size=(20, n_outputs)) + rng.normal(size=(30_000, n_outputs))
    return X, z


@pytest.mark.exhaustive
@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize(
    ("batch_size", "learning_rate"), [("full", "auto"), (14_000, 0.01), (2_048, "auto")]
)
@pytest.mark.parametrize(
    ("estimator", "n_outputs"),
    [(GDRegressor, 1), (GDRegressor, 3), (GDClassifier, 1), (GDClassifier, 4)],
)
def test_batches_have_the_same_bits_on_any_number_of_threads(
    storage, batch_size, estimator, n_outputs, learning_rate, threads
):
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


@pytest.mark.some_cases
@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("task", ["regression", "three targets", "softmax"])
@pytest.mark.parametrize(
    ("optimizer", "batch_size"), [("svrg", 7000), *((name, "auto") for name in SOLVERS)]
)
def test_every_method_has_the_same_bits_on_any_number_of_threads(
    optimizer, batch_size, task, storage, threads
):
    X, z = large_problem(storage, 1 if task == "regression" else 3)
    cls = GDClassifier if task == "softmax" else GDRegressor
    y = z.argmax(axis=1) if task == "softmax" else z
    model = cls(optimizer=optimizer, batch_size=batch_size, max_iter=2, tol=None)
    models = [
        clone(model).set_params(n_jobs=k, random_state=0).fit(X, y) for k in (None, 3)
    ]
    assert np.array_equal(models[1].coef_, models[0].coef_)
    assert np.array_equal(models[1].intercept_, models[0].intercept_)
    assert models[1].loss_curve_ == models[0].loss_curve_


@pytest.mark.exhaustive
def test_wide_gradients_have_the_same_bits():
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


def fit_in_child(n_jobs, batch_size="full", connection=None):
    X, z = large_problem("dense", 1)
    model = GDRegressor(
        n_jobs=n_jobs, batch_size=batch_size, optimizer="adam", learning_rate=0.01,
        max_iter=2, tol=None, random_state=0,
    )  # fmt: skip
    result = effective_threads(n_jobs), model.fit(X, z[:, 0]).coef_
    if connection is not None:
        connection.send(result)
    return result


@pytest.mark.one_case
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("batch_size", ["full", 2_048])
def test_a_forked_process_has_threads_of_its_own(batch_size, threads):
    """The threads of its parent do not exist in it: it must not wait for them."""
    expected_threads, expected = fit_in_child(2, batch_size)
    context = multiprocessing.get_context("fork")
    for daemon in (False, True):
        ours, theirs = context.Pipe()
        child = context.Process(
            target=fit_in_child, args=(2, batch_size, theirs), daemon=daemon
        )
        child.start()
        assert ours.poll(60)
        n_threads, coef = ours.recv()
        child.join()
        # A daemonic process is one of several workers, which share the processors.
        assert n_threads == (1 if daemon else expected_threads)
        assert np.array_equal(coef, expected)


@pytest.mark.exhaustive
def test_fits_in_several_python_threads_have_the_same_bits(threads):
    """One of them has the pool of threads, the others go on without it."""
    X, z = large_problem("dense", 1)
    model = GDRegressor(optimizer="adam", learning_rate=0.01, random_state=0, n_jobs=3)
    model.set_params(batch_size=2048, max_iter=4, tol=None)
    expected = clone(model).set_params(n_jobs=None).fit(X, z[:, 0]).coef_
    found = []

    def fit():
        found.extend(clone(model).fit(X, z[:, 0]).coef_ for _ in range(3))

    workers = [threading.Thread(target=fit) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 12
    for coef in found:
        assert np.array_equal(coef, expected)


def threads_in_worker(n_jobs):
    return effective_threads(n_jobs)


@pytest.mark.exhaustive
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


@pytest.mark.exhaustive
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_grid_search_gives_the_same_results_in_every_backend(backend):
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


def test_the_number_of_threads_follows_n_jobs():
    assert effective_threads(None) == effective_threads(1) == 1
    assert effective_threads(-1) >= 1
    with threadpool_limits(1):
        assert effective_threads(8) == 1


def several_outputs(storage="dense", task="targets", dtype=np.float64):
    """Thirteen outputs, and enough work in a call for threads to share them out."""
    rng = np.random.default_rng(1)
    n, K = 1500, 13
    X = rng.normal(size=(n, 30))
    if storage == "csr":
        X *= rng.random(X.shape) < 0.4
    z = X @ rng.normal(size=(30, K)) + rng.normal(size=(n, K))
    X = X.astype(dtype)
    y = z.argmax(axis=1) if task == "classes" else z
    return sp.csr_matrix(X) if storage == "csr" else X, y, rng.integers(0, 3, size=n)


@pytest.fixture
def groups(threads, monkeypatch):
    """Numbers of groups of outputs that were made."""
    made = []
    init = OutputGroups.__init__

    def noted(self, *args, **options):
        init(self, *args, **options)
        made.append(len(self.descents))

    monkeypatch.setattr(OutputGroups, "__init__", noted)
    return made


def assert_same_bits(model, X, y, weights, groups, calls=("fit",)):
    """The coefficients after each call, with one, two and three threads."""
    expected, curve = [], None
    for n_jobs in (None, 2, 3):
        groups.clear()
        other = clone(model).set_params(n_jobs=n_jobs)
        found = []
        for call in calls:
            getattr(other, call)(X, y, sample_weight=weights)
            found += [other.coef_.copy(), other.intercept_.copy()]
        if n_jobs is None:
            expected, curve = found, other.loss_curve_
        assert set(groups) == ({n_jobs} if n_jobs else set())
        assert other.loss_curve_ == curve
        for a, b in zip(found, expected, strict=True):
            assert np.array_equal(a, b)
    # Outputs differ, so that mixed up ones would show.
    assert len(np.unique(expected[0], axis=0)) == 13
    assert np.isfinite(expected[0]).all()


@pytest.mark.one_case
@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize("average", [False, 200])
@pytest.mark.parametrize("task", ["classes", "targets"])
def test_outputs_have_the_same_bits(storage, dtype, penalty, average, task, groups):
    X, y, weights = several_outputs(storage, task, dtype)
    model = GDClassifier(loss="hinge") if task == "classes" else GDRegressor()
    model.set_params(
        optimizer="sgd", batch_size=1, learning_rate="constant", eta0=1e-3, alpha=1e-3,
        penalty=penalty, average=average, max_iter=2, tol=None, random_state=0,
        warm_start=True,
    )  # fmt: skip
    calls = ("fit", "fit", "partial_fit", "partial_fit")
    assert_same_bits(model, X, y, weights, groups, calls)


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("shuffle", [False, "full", "window"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_outputs_have_the_same_bits_in_any_order_of_rows(
    storage, shuffle, early_stopping, groups
):
    X, y, weights = several_outputs(storage, "classes")
    model = GDClassifier(
        loss="squared_hinge", optimizer="sgd", batch_size=7, eta0=1e-3,
        learning_rate="constant", shuffle=shuffle, early_stopping=early_stopping,
        fit_intercept=not early_stopping, max_iter=3, tol=None, random_state=0,
    )  # fmt: skip
    assert_same_bits(model, X, y, weights, groups)


def test_outputs_of_a_working_copy_have_the_same_bits(groups):
    """Enough rows for blocks, and enough epochs for a copy of X in a new order."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(9000, 5)), rng.normal(size=(9000, 13))
    model = GDRegressor(
        optimizer="sgd", batch_size=1, learning_rate="constant", eta0=1e-3, max_iter=5,
        tol=None, random_state=0,
    )  # fmt: skip
    assert_same_bits(model, X, Y, None, groups)


@pytest.mark.one_case
@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("loss", ["huber", "poisson", "tweedie", "quantile"])
def test_outputs_of_every_loss_have_the_same_bits(storage, loss, groups):
    X, y, weights = several_outputs(storage)
    model = GDRegressor(
        loss=loss, optimizer="sgd", batch_size=1, learning_rate="constant", eta0=1e-3,
        max_iter=2, tol=None, random_state=0,
    )  # fmt: skip
    assert_same_bits(model, X, np.abs(y) + 0.1, weights, groups)


RULES = sorted(k for k, v in OPTIMIZERS.items() if v.training == "descent")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("storage", "batch_size", "learning_rate"),
    [
        ("dense", 1, "constant"),
        ("csr", 5, "auto"),
        ("wide", 1, "constant"),
        ("wide", 5, "auto"),
    ],
)
@pytest.mark.parametrize("optimizer", RULES)
def test_outputs_of_every_rule_have_the_same_bits(
    storage, batch_size, learning_rate, optimizer, groups
):
    if storage == "wide":
        # Steps of the active features only.
        rng = np.random.default_rng(0)
        X = sp.random_array((1500, 400), density=0.02, rng=rng, format="csr")
        y, weights = 10.0 * (X @ rng.normal(size=(400, 13))), None
    else:
        X, y, weights = several_outputs(storage)
    model = GDRegressor(
        loss="huber", optimizer=optimizer, batch_size=batch_size,
        penalty=most_penalties(optimizer),
        learning_rate=learning_rate, alpha=1e-4, max_iter=2, tol=None, random_state=0,
    )  # fmt: skip
    if learning_rate == "constant":
        model.set_params(eta0=1e-3)
    assert_same_bits(model, X, y, weights, groups, ("fit", "partial_fit"))


def test_outputs_before_a_batch_method_have_the_same_bits(groups):
    """A batch method makes stochastic passes over sparse rows first."""
    X, y, weights = several_outputs("csr", "classes")
    model = GDClassifier(
        loss="squared_hinge", optimizer="lbfgs", alpha=1e-2, max_iter=3, tol=None
    )
    assert_same_bits(model, X, y, weights, groups)


def test_few_outputs_and_softmax_have_no_groups(groups):
    """Softmax couples its outputs, and few ones are no work to share out."""
    X, y, _ = several_outputs("dense", "classes")
    model = GDClassifier(optimizer="sgd", batch_size=1, max_iter=2, tol=None, n_jobs=2)
    model.set_params(learning_rate="constant", eta0=1e-3)
    model.fit(X, y)
    model.set_params(loss="hinge").fit(X, y % 5)
    model.fit(X[:100], y[:100])
    assert not groups
    model.fit(X, y)
    assert groups


def test_groups_of_outputs_are_about_equal():
    for n_outputs in range(1, 60):
        for n_groups in range(1, 9):
            sizes = np.diff(bounds(n_outputs, n_groups))
            assert sizes.sum() == n_outputs
            assert len(sizes) == max(1, min(n_groups, n_outputs // 4))
            assert len(sizes) == 1 or sizes.min() >= 4
            assert (sizes[:-1] % 4 == 0).all()
            assert sizes.max() - sizes.min() <= 4 + 3


@pytest.mark.exhaustive
def test_a_grid_search_over_outputs_gives_the_same_scores():
    X, y, _ = several_outputs("csr", "classes")
    model = GDClassifier(
        loss="hinge", n_jobs=2, optimizer="sgd", batch_size=1, eta0=1e-3,
        learning_rate="constant", max_iter=3, tol=None, random_state=0,
    )  # fmt: skip
    grid = {"alpha": [1e-4, 1.0]}
    alone = GridSearchCV(model.set_params(n_jobs=None), grid, cv=2).fit(X, y)
    search = GridSearchCV(model.set_params(n_jobs=2), grid, cv=2, n_jobs=2).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.array_equal(scores, alone.cv_results_["mean_test_score"])
    assert np.array_equal(search.best_estimator_.coef_, alone.best_estimator_.coef_)


@pytest.fixture
def blas():
    """BLAS with two threads, and its numbers of threads as a function."""
    libraries = ThreadpoolController().select(user_api="blas")
    with libraries.limit(limits=2):
        yield lambda: {library.num_threads for library in libraries.lib_controllers}


@pytest.fixture
def during_fits(blas):
    """Numbers of threads of BLAS, at each call of one of our functions during fits."""
    seen, depth = set(), 0

    def watch(frame, event, argument):
        nonlocal depth
        name = frame.f_code.co_name
        if name in ("_fit", "_partial_fit") and event in ("call", "return"):
            depth += 1 if event == "call" else -1
        own = frame.f_globals["__name__"].startswith("sklgd.")
        if depth and own and event == "call":
            seen.update(blas())

    sys.setprofile(watch)
    yield seen
    sys.setprofile(None)


# Wide, tall, with several outputs, with few rows and with zeros.
SHAPES = {
    "wide": (50, 200, 1, False),
    "tall": (300, 20, 1, False),
    "few rows": (11, 200, 1, False),
    "outputs": (200, 40, 4, False),
    "csr": (100, 200, 2, True),
}


@pytest.mark.one_case
@pytest.mark.parametrize("optimizer", ["auto", *OPTIMIZERS])
@pytest.mark.parametrize("shape", SHAPES)
def test_blas_has_one_thread_during_fits(shape, optimizer, during_fits, blas):
    n, d, K, sparse = SHAPES[shape]
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    z = X @ rng.normal(size=(d, K)) + rng.normal(size=(n, K))
    X = sp.csr_matrix(X * (rng.random(X.shape) < 0.1)) if sparse else X
    y = z.argmax(axis=1) if K > 1 else z[:, 0] > 0.0
    settings = {"optimizer": optimizer, "n_jobs": 2, "max_iter": 2, "tol": None}
    settings["random_state"] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if optimizer == "auto":
            GDClassifier("hinge", **settings).fit(X, y)
            GDRegressor("absolute_error", **settings).fit(X, z)
        GDClassifier("log_loss", **settings).fit(X, y)
        GDRegressor(**settings, penalty=None).fit(X, z)
        GDRegressor(**settings, early_stopping=True).fit(X, z)
    assert during_fits == {1} and blas() == {2}


def test_blas_has_one_thread_in_a_stream(during_fits, blas):
    X, z = large_problem("dense", 3)
    model = GDRegressor()
    for rows in (slice(0, 500), slice(500, 1000)):
        model.partial_fit(X[rows], z[rows])
    assert during_fits == {1} and blas() == {2}


def test_blas_has_as_many_threads_as_n_jobs_in_predictions(monkeypatch, blas):
    X, z = large_problem("dense", 3)
    model = GDRegressor().fit(X, z)
    module = "sklgd._prediction"
    monkeypatch.setattr(f"{module}.effective_threads", lambda n_jobs: n_jobs or 1)
    seen = []
    monkeypatch.setattr(
        f"{module}.safe_sparse_dot", lambda *_, **__: seen.append(blas()) or 0.0
    )
    for n_jobs in (None, 1, 2, 3):
        model.set_params(n_jobs=n_jobs).predict(X)
    assert seen == [{1}, {1}, {2}, {2}] and blas() == {2}


def test_limits_of_blas_overlap(blas):
    """One Python thread does not lift the limit that another one relies on."""
    first, second = blas_threads(1), blas_threads(1)
    with first:
        second.__enter__()
    assert blas() == {1}
    second.__exit__()
    assert blas() == {2}
    with pytest.raises(ZeroDivisionError), blas_threads(1):
        1 / 0  # noqa: B018
    assert blas() == {2}


def test_the_limit_of_blas_holds_in_every_python_thread(blas):
    """Whichever thread was the first to set a limit, and whichever lifts it."""
    seen = []

    def work():
        with blas_threads(1):
            seen.append(blas())

    with blas_threads(1):
        seen.append(blas())
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert seen == [{1}, {1}]
    limit = blas_threads(1)
    limit.__enter__()
    worker = threading.Thread(target=limit.__exit__)
    worker.start()
    worker.join()
    assert blas() == {2}


def test_threads_that_fit_together_restore_blas(blas):
    X, z = large_problem("dense", 1)

    def fit():
        for _ in range(5):
            GDRegressor(optimizer="newton").fit(X[:500], z[:500, 0])

    workers = [threading.Thread(target=fit) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert blas() == {2}
