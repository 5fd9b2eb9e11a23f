"""Proximal Newton steps on few rows of many columns, whose Hessian is never formed."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from reference import l1_model

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.data import Data
from sklgd._fit.feature_scaling import FeatureScaling
from sklgd._solvers.l1_models import MatrixModel, RowModel
from sklgd.losses import LOSSES

REGRESSION = "squared_error", "huber", "squared_epsilon_insensitive", "poisson"
CLASSIFICATION = "log_loss", "squared_hinge", "modified_huber"


def few_rows(n=30, d=200):
    """Few rows, and targets that five columns explain."""
    rng = np.random.RandomState(0)
    X = rng.randn(n, d)
    X[rng.rand(n, d) < 0.3] = 0.0
    z = X[:, :5] @ [1.0, -2.0, 0.5, 0.3, 1.0] + 0.3 * rng.randn(n)
    return X, z


def fitted(loss, X, z, **parameters):
    classify = loss in CLASSIFICATION
    y = (z > 0.0).astype(int) if classify else np.exp(z / 3.0)
    cls = GDClassifier if classify else GDRegressor
    weights = parameters.pop("sample_weight", None)
    model = cls(loss, optimizer="newton", **parameters)
    return model.fit(X, y, sample_weight=weights), 2.0 * y - 1.0 if classify else y


@pytest.mark.one_case
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("loss", REGRESSION + CLASSIFICATION)
def test_the_optimality_conditions_hold_where_rows_are_few(loss, l1_ratio):
    """For dense, sparse and float32 rows, some of which have no weight."""
    alpha = 0.02
    X, z = few_rows()
    weights = np.random.RandomState(1).rand(len(X))
    weights[::7] = 0.0
    for kind in (np.asarray, sp.csr_matrix, np.float32):
        model, y = fitted(
            loss, kind(X), z, penalty="elasticnet", l1_ratio=l1_ratio, alpha=alpha,
            tol=1e-10, sample_weight=weights,
        )  # fmt: skip
        coef, intercept = model.coef_.reshape(-1), model.intercept_.item()
        rows = kind(X).toarray() if sp.issparse(kind(X)) else kind(X).astype(float)
        raw = (rows @ coef.astype(float) + intercept)[:, None]
        slopes = LOSSES[loss]().evaluate(y, raw, weights)[1].ravel()
        gradient = rows.T @ slopes / weights.sum()
        gradient += alpha * (1.0 - l1_ratio) * coef
        l1, on = alpha * l1_ratio, coef != 0.0
        # (Near the optimum a gap of 1e-10 leaves a gradient of about its root.)
        assert np.abs(gradient[on] + l1 * np.sign(coef[on])).max() < 1e-4
        assert np.abs(gradient[~on]).max() < l1 + 1e-4
        assert abs(slopes.sum() / weights.sum()) < 1e-4


@pytest.mark.exhaustive
@pytest.mark.parametrize("loss", ["huber", "squared_hinge"])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_few_rows_need_no_square_matrix_of_the_columns(loss, penalty):
    """The factors of such matrices took most of the time."""
    n, d = 11, 1500
    X, z = few_rows(n, d)
    fitted(loss, X[:, :50].copy(), z, penalty=penalty)  # imports, caches of BLAS
    tracemalloc.start()
    try:
        model, _ = fitted(loss, X, z, penalty=penalty, alpha=0.01, l1_ratio=0.5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.stop_reason_ == "converged"
    assert peak < 8 * d * d


@pytest.mark.exhaustive
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("ridge", [0.0, 0.01])
def test_a_working_set_finds_the_minimiser_of_the_whole_model(fit_intercept, ridge):
    """As coordinate descent on the matrix does, and as its NumPy twin."""
    X, z = few_rows(20, 60)
    rng = np.random.RandomState(3)
    n, d = X.shape
    h = rng.rand(n) / n
    h[::5] = 0.0
    scale = np.append(rng.uniform(0.5, 2.0, d), 1.0)[:, None]
    centre = X.mean(axis=0) * fit_intercept
    l2 = np.append(np.full(d, ridge), 0.0)
    Z = np.column_stack([X - centre, np.full(n, float(fit_intercept))]) * scale[:, 0]
    B = Z.T @ (h[:, None] * Z) + np.diag(l2)
    g = Z.T @ (h * z)  # elsewhere the model would have no minimum
    u = np.where(rng.rand(d + 1) < 0.1, rng.randn(d + 1), 0.0)
    l1 = np.append(np.full(d, 0.02), 0.0)
    scaling = FeatureScaling(centre, scale, scale)
    model = RowModel(plain_data(X, fit_intercept), scaling, l2, h)
    p, product = model.minimise(g, u, l1, np.inf)
    np.testing.assert_allclose(product, B @ p, atol=1e-10 * np.abs(B @ p).max())

    def value(p):
        return g @ p + 0.5 * p @ B @ p + l1 @ (np.abs(u + p) - np.abs(u))

    others = l1_model(B, g, u, l1), MatrixModel(B).minimise(g, u, l1, np.inf)[0]
    for other in others:
        assert value(p) <= value(other) + 1e-5 * abs(value(other))


def plain_data(X, fit_intercept):
    return Data(
        X, np.zeros(len(X)), None, None, LOSSES["squared_error"](), 1,
        fit_intercept, None,
    )  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_start_where_no_row_has_a_curvature_is_left(storage, weighted):
    """All residuals of the Huber loss are beyond epsilon there: the model is flat."""
    X, z = few_rows()
    y = z + np.sign(z)
    weight = np.arange(30) % 3.0 if weighted else None
    params = {"penalty": "l1", "alpha": 1e-3, "fit_intercept": False}
    model = GDRegressor("huber", optimizer="newton", **params)
    model.fit(storage(X), y, sample_weight=weight)
    params |= {"tol": 1e-6, "max_iter": 3000}
    exact = GDRegressor("huber", optimizer="fista", **params).fit(X, y, weight)
    constant = LOSSES["huber"](0.1).evaluate(y, np.zeros_like(y), weight)[0]
    constant /= len(y) if weight is None else weight.sum()
    gap = model.loss_curve_[-1] - exact.loss_curve_[-1]
    assert gap <= 2e-4 * (constant - exact.loss_curve_[-1])


def test_the_diagonal_of_few_rows_is_that_of_their_products():
    X, _ = few_rows(d=7)
    rng = np.random.RandomState(2)
    centre, scale = rng.randn(7), rng.rand(8, 1) + 0.5
    ridge = np.append(rng.rand(7), 0.0)
    model = RowModel(
        plain_data(X, True), FeatureScaling(centre, scale, scale), ridge, rng.rand(30)
    )
    expected = [model.product(e, np.arange(8))[j] for j, e in enumerate(np.eye(8))]
    np.testing.assert_allclose(model.diagonal(), expected, rtol=1e-12)
