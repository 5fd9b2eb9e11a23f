"""Several minimisers without a penalty: the one of minimum norm."""

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import BATCH_METHODS
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression

from sklgd import GDClassifier, GDRegressor, GDRegressorCV
from sklgd._fit import minimum_norm
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS

METHODS = ["auto", *BATCH_METHODS]
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def wide(rng):
    X = rng.normal(size=(20, 50)) * (rng.random((20, 50)) < 0.6) + 1.0
    return X, rng.normal(size=20)


def collinear(rng):
    """Equal columns, one in another unit, a constant one, all dummies of a factor."""
    X = rng.normal(size=(200, 6))
    X = np.column_stack([X, X[:, :2], 100.0 * X[:, 4], np.full(200, 3.0)])
    X = np.column_stack([X, np.eye(4)[rng.integers(0, 4, 200)]])
    return X, X @ rng.normal(size=X.shape[1]) + rng.normal(size=200)


def fit(X, y, weight=None, **settings):
    settings = {"penalty": None, "tol": 1e-12, "max_iter": 20_000} | settings
    return GDRegressor(random_state=0, **settings).fit(X, y, sample_weight=weight)


@quiet
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("make", [wide, collinear])
@pytest.mark.parametrize("optimizer", METHODS)
def test_it_is_the_solution_of_linear_regression(
    optimizer, make, storage, fit_intercept, rng
):
    X, y = make(rng)
    for target in (y, np.column_stack([y, np.cos(y)])):
        for weight in (None, rng.uniform(0.5, 2.0, len(y))):
            exact = LinearRegression(fit_intercept=fit_intercept).fit(X, target, weight)
            model = fit(
                storage(X), target, weight,
                optimizer=optimizer, fit_intercept=fit_intercept,
            )  # fmt: skip
            rtol = 1e-9 if optimizer in ("auto", "newton") else 1e-4
            size = np.abs(exact.coef_).max()
            assert_allclose(model.coef_, exact.coef_, atol=rtol * size)
            assert_allclose(
                model.intercept_, exact.intercept_, atol=rtol * max(1.0, size) * 10
            )


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_sparse_rows_that_would_be_too_large_as_dense_ones(
    fit_intercept, rng, monkeypatch
):
    monkeypatch.setattr(minimum_norm, "LARGEST_DENSE", 0)
    monkeypatch.setattr(minimum_norm, "LARGEST_COPY", 0)
    X, y = wide(rng)
    exact = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    model = fit(sp.csr_array(X), y, fit_intercept=fit_intercept)
    assert_allclose(model.coef_, exact.coef_, atol=1e-9)
    assert_allclose(model.intercept_, exact.intercept_, atol=1e-9)


@pytest.mark.some_cases
@quiet
@pytest.mark.parametrize("optimizer", sorted(set(OPTIMIZERS) - set(METHODS)))
def test_equal_columns_get_equal_coefficients_from_every_optimizer(optimizer, rng):
    X, y = collinear(rng)
    model = fit(X, y, optimizer=optimizer, tol=1e-4, max_iter=50)
    w = model.coef_
    assert_allclose(w[:2], w[6:8], rtol=1e-9)
    assert_allclose(100.0 * w[4], w[8], rtol=1e-9)
    assert_allclose(w[9], 0.0, atol=1e-12)
    # A sum of all dummies is the intercept's business.
    assert_allclose(w[10:].sum(), 0.0, atol=1e-9)


@pytest.mark.some_cases
@quiet
@pytest.mark.parametrize("optimizer", ["auto", "lbfgs", "sgd"])
@pytest.mark.parametrize(
    "loss", sorted(n for n, cls in LOSSES.items() if not cls.degenerate)
)
def test_every_loss_gives_equal_columns_equal_coefficients(loss, optimizer, rng):
    X, y = collinear(rng)
    task = GDRegressor if LOSSES[loss].task == "regression" else GDClassifier
    y = np.exp(y / 20.0) if task is GDRegressor else (y > 0.0) + 1 * (y > 5.0)
    model = task(
        loss, penalty=None, optimizer=optimizer, tol=1e-6, max_iter=30, random_state=0
    ).fit(X / 10.0, y)
    w = np.atleast_2d(model.coef_).T
    size = np.abs(w).max()
    assert_allclose(w[:2], w[6:8], rtol=1e-7, atol=1e-9 * size)
    assert_allclose(100.0 * w[4], w[8], rtol=1e-7, atol=1e-9 * size)
    assert_allclose(w[9], 0.0, atol=1e-12 * size)
    assert_allclose(w[10:].sum(axis=0), 0.0, atol=1e-9 * size)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_a_log_link_that_can_reach_every_target_gives_the_shortest_solution(
    loss, storage, fit_intercept, rng
):
    """Where X w = log(y) has solutions, they are least squares', too."""
    X, y = wide(rng)
    exact = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    model = fit(
        storage(X), np.exp(y), loss=loss, fit_intercept=fit_intercept, tol=1e-22
    )  # fmt: skip
    assert_allclose(model.coef_, exact.coef_, atol=1e-7)


@pytest.mark.parametrize("optimizer", METHODS)
def test_a_penalty_below_rounding_gives_its_own_limit(optimizer, rng):
    X, y = wide(rng)
    exact = LinearRegression().fit(X, y)
    rtol = 1e-9 if optimizer in ("auto", "newton") else 1e-4
    for alpha in (0.0, 1e-18):
        model = fit(X, y, penalty="l2", alpha=alpha, optimizer=optimizer)
        assert_allclose(model.coef_, exact.coef_, atol=rtol)


@pytest.mark.parametrize("make", [wide, collinear])
@pytest.mark.parametrize("optimizer", METHODS)
def test_the_unit_of_the_weights_does_not_matter(optimizer, make, rng):
    X, y = make(rng)
    weight = rng.uniform(0.5, 2.0, len(y))
    one, other = (fit(X, y, a * weight, optimizer=optimizer) for a in (1.0, np.pi))
    assert_allclose(one.coef_, other.coef_, rtol=1e-5, atol=1e-7)


def test_the_reported_objective_is_that_of_the_coefficients(rng):
    X, y = collinear(rng)
    model = fit(X, y)
    residual = y - model.predict(X)
    assert_allclose(model.loss_curve_[-1], 0.5 * np.mean(residual**2), rtol=1e-9)
    # Where the shorter coefficients cost some rounding, too.
    X = np.diag([0.0046, 290.0, 18000.0, 0.24, 0.012])
    y = np.array(
        [-999.7068955, -999.6988372, -999.9667985, -1002.9009853, -999.6725812]
    )
    model = fit(X, y)
    residual = y - model.predict(X)
    assert_allclose(
        model.loss_curve_[-1], 0.5 * np.mean(residual**2), rtol=1e-6, atol=1e-20
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"penalty": "l2"},
        {"penalty": "l1", "alpha": 0.1},
        {"early_stopping": True},
        {"optimizer": "sgd", "learning_rate": 0.01},
    ],
)
@quiet
def test_other_fits_are_left_alone(settings, rng, monkeypatch):
    """With one minimiser, with steps as published, with a score that decides."""

    def by_columns(data, coef):
        raise AssertionError("called")

    monkeypatch.setattr(minimum_norm, "by_columns", by_columns)
    X, y = collinear(rng)
    fit(X / 100.0, y, max_iter=5, **settings)


def test_a_fit_of_full_rank_does_nothing_more(rng, monkeypatch):
    """The factor that Newton's method has shows that the columns are independent."""
    monkeypatch.setattr(minimum_norm, "by_columns", None)
    X = rng.normal(size=(60, 5))
    fit(X, X[:, 0] + rng.normal(size=60))


def test_columns_that_are_nearly_collinear_are_independent(rng):
    """A difference of 1e-3 is far above rounding: the solution is unique."""
    X = rng.normal(size=(100, 4))
    X[:, 1] = X[:, 0] + 1e-3 * X[:, 1]
    y = X @ [1.0, -1.0, 0.5, 2.0] + 0.1 * rng.normal(size=100)
    exact = LinearRegression().fit(X, y)
    for optimizer in ("newton", "lbfgs"):
        model = fit(X, y, optimizer=optimizer)
        assert_allclose(model.predict(X), exact.predict(X), atol=1e-4)
    assert_allclose(fit(X, y).coef_, exact.coef_, rtol=1e-5)


def rounded(rng, n_rows):
    """Eight columns of which three are combinations of the others, until rounded."""
    X = rng.normal(size=(n_rows, 5)) @ rng.normal(size=(5, 8))
    y = X @ rng.normal(size=8) + 0.3 * rng.normal(size=n_rows)
    return X, y


@quiet
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("n_rows", [7, 60, 1000])
@pytest.mark.parametrize("optimizer", METHODS)
def test_rounding_to_float32_makes_no_columns_independent(
    optimizer, n_rows, storage, rng
):
    """Coefficients of its size would be those of noise."""
    X, y = (array.astype(np.float32) for array in rounded(rng, n_rows))
    exact = LinearRegression().fit(X, y)
    model = fit(storage(X), y, optimizer=optimizer)
    rtol = 1e-5 if optimizer in ("auto", "newton") else 1e-3
    assert_allclose(model.coef_, exact.coef_, atol=rtol * np.abs(exact.coef_).max())


@pytest.mark.parametrize("n_rows", [6, 200])
def test_columns_that_float32_tells_apart_are_independent(n_rows, rng):
    """Also where they differ by a few of its rounding errors."""
    X = rng.normal(size=(n_rows, 3 if n_rows > 6 else 8))
    X[:, 1] = X[:, 0] + 2e-6 * X[:, 1]
    X = X.astype(np.float32)
    difference = X[:, 1].astype(np.float64) - X[:, 0]
    y = 1e6 * difference + X[:, 2]
    model = fit(X, y)
    residual = y - X.astype(np.float64) @ model.coef_ - model.intercept_
    assert np.abs(residual).max() < 0.1 * y.std()


def test_rows_too_many_for_memory_leave_the_solution_as_it_was(rng, monkeypatch):
    X, y = wide(rng)
    monkeypatch.setattr(minimum_norm, "LARGEST_COPY", 100)
    model = fit(X, y)
    assert_allclose(model.predict(X), y, atol=1e-5)


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
def test_a_column_far_from_zero_leaves_the_products_of_rows_definite(make):
    X = np.array([[-1.5, 1.4, 1e8], [-2.2, -3.3, 1e8]])
    y = np.array([1.0, 3.0])
    model = GDRegressor(penalty=None).fit(make(X), y)
    w = np.array([0.7, 4.7, 0.0]) * -2.0 / (0.7**2 + 4.7**2)
    assert_allclose(model.coef_, w, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_columns_in_units_of_any_size_give_the_solution_of_lstsq(
    storage, fit_intercept, rng
):
    """The products of the rows do not show the directions of the small columns."""
    X = rng.normal(size=(30, 60)) * 10.0 ** rng.uniform(-6.0, 6.0, 60)
    y = rng.normal(size=(30, 2))
    centred = X - X.mean(axis=0) * fit_intercept
    assert np.linalg.cond(centred[1:]) > 1e6
    exact = np.linalg.lstsq(centred, y - y.mean(axis=0) * fit_intercept)[0]
    for weight in (None, rng.uniform(0.5, 2.0, 30)):
        model = fit(storage(X), y, weight, fit_intercept=fit_intercept)
        assert_allclose(model.coef_.T, exact, atol=1e-7 * np.abs(exact).max())


@pytest.mark.parametrize("n_rows", [20, 21])
def test_an_intercept_leaves_as_many_rows_as_columns_one_dimension_less(n_rows, rng):
    X = rng.normal(size=(n_rows, 20)) * 10.0 ** rng.uniform(-4.0, 4.0, 20)
    y = rng.normal(size=n_rows)
    differences = X[:-1] - X[-1]
    exact = np.linalg.lstsq(differences, y[:-1] - y[-1])[0]
    assert_allclose(fit(X, y).coef_, exact, atol=1e-6 * np.abs(exact).max())


@pytest.mark.parametrize("optimizer", ["newton", "lbfgs"])
def test_a_start_at_the_solution_stays_there(optimizer):
    """F cannot show the decrease of a further step, which may be of any length."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(200, 10)) @ rng.normal(size=(10, 20))
        y = rng.normal(size=200)
        exact = LinearRegression().fit(X, y)
        model = GDRegressor(penalty=None, optimizer=optimizer)
        model.fit(X, y, coef_init=exact.coef_, intercept_init=exact.intercept_)
        assert_allclose(model.coef_, exact.coef_, atol=1e-14)
    search = GDRegressorCV(alphas=[0.0], cv=3).fit(X, y)
    assert_allclose(search.coef_, exact.coef_, atol=1e-12)


@pytest.mark.parametrize("optimizer", METHODS)
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@quiet
def test_coefficients_of_classes_without_a_penalty_are_centred(penalty, optimizer, rng):
    """Softmax does not depend on their mean."""
    if (optimizer, penalty) == ("lbfgs", "l1"):
        return
    X = rng.normal(size=(120, 3))
    y = (X @ rng.normal(size=(3, 3)) + rng.normal(size=(120, 3))).argmax(axis=1)
    model = GDClassifier(
        penalty=penalty, alpha=0.02, penalty_factor=[0.0, 1.0, 1.0], tol=1e-9,
        optimizer=optimizer, random_state=0, max_iter=300,
    )  # fmt: skip
    free = model.fit(X, y).coef_.copy(), model.intercept_.copy()
    start = {"coef_init": rng.normal(size=(3, 3)) + 1.0, "intercept_init": [1, 2, 3]}
    model.fit(X, y, **start)
    for coef, intercept in (free, (model.coef_, model.intercept_)):
        assert_allclose([coef[:, 0].mean(), intercept.mean()], 0.0, atol=1e-8)
    assert_allclose(model.coef_, free[0], atol=2e-3)


def test_a_start_away_from_the_mean_of_the_classes_does_not_stay_there(rng):
    """Newton's steps never change the mean, and the l2 penalty grows with it."""
    X, y = rng.normal(size=(90, 4)), np.arange(90) % 3
    for optimizer in ("newton", "lbfgs"):
        model = GDClassifier(alpha=0.01, optimizer=optimizer, tol=1e-10)
        exact = model.fit(X, y).coef_.copy()
        model.fit(X, y, coef_init=np.ones((3, 4)), intercept_init=np.zeros(3))
        assert_allclose(model.coef_, exact, atol=1e-5)
