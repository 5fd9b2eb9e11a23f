"""The data term: sums over long passes, and weights that stand for repeated rows."""

import numpy as np
import pytest
import scipy.sparse as sp

from sklgd._fit.statistics import largest_eigenvalue
from sklgd.kernels._problem import Problem
from sklgd.kernels._rows import Rows
from sklgd.losses import LOSSES, SquaredError


@pytest.fixture(scope="module", params=["dense", "csr"])
def long_pass(request):
    """A problem whose passes are interrupted for a look for signals, and its parts.

    Looks come every 1e8 entries of X times outputs for dense rows, every 2e7 for sparse
    ones.
    """
    rng = np.random.default_rng(0)
    n, d, K = (2100, 50, 1000) if request.param == "dense" else (2100, 50, 250)
    X, Y = rng.normal(size=(n, d)), rng.normal(size=(n, K))
    W, P = rng.normal(size=(d + 1, K)), rng.normal(size=(d + 1, K))
    rows = Rows(X if request.param == "dense" else sp.csr_array(X))
    problem = Problem(rows, Y, None, SquaredError(), K, True)
    return problem, X, Y, W, P


def test_value_and_gradient_of_a_long_pass(long_pass):
    problem, X, Y, W, _ = long_pass
    residual = X @ W[:-1] + W[-1] - Y
    value = 0.5 * (residual**2).sum() / len(X)
    expected = np.vstack([X.T @ residual, residual.sum(axis=0)]) / len(X)
    gradient = np.empty_like(W)
    assert problem.value_and_gradient(W, gradient) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)
    assert problem.value(W) == pytest.approx(value, rel=1e-12)
    values = problem.values(np.stack([W, 0.0 * W]))
    null = 0.5 * (Y**2).sum() / len(X)
    np.testing.assert_allclose(values, [value, null], rtol=1e-12)


@pytest.mark.one_case
def test_products_of_a_long_pass(long_pass):
    problem, X, Y, W, P = long_pass
    raw = np.empty_like(Y)
    problem.raw_predictions(W, raw)
    np.testing.assert_allclose(raw, X @ W[:-1] + W[-1], rtol=1e-9, atol=1e-9)
    out = np.empty_like(W)
    problem.gradient(Y, out)
    expected = np.vstack([X.T @ Y, Y.sum(axis=0)]) / len(X)
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-12)
    q = X @ P[:-1] + P[-1]
    expected = np.vstack([X.T @ q, q.sum(axis=0)]) / len(X)
    for known in (None, raw):
        problem.hessian_product(SquaredError(), W, P, out, known)
        np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-12)
    raw_p = np.empty_like(Y)
    problem.raw_predictions(P, raw_p)
    gradient, t = np.empty_like(Y), np.full(Y.shape[1], 0.5)
    derivative = np.empty(Y.shape[1])
    value = problem.line(SquaredError(), raw, raw_p, t, gradient, derivative)
    residual = raw + 0.5 * raw_p - Y
    assert value == pytest.approx(0.5 * (residual**2).sum() / len(X), rel=1e-12)
    np.testing.assert_allclose(gradient, residual, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        derivative, (residual * raw_p).sum(axis=0) / len(X), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("name", [n for n, c in LOSSES.items() if c.smooth])
def test_weights_stand_for_repeated_rows(name, form):
    """In values, gradients, Hessian products and constant models."""
    rng = np.random.default_rng(0)
    loss = LOSSES[name]()
    X = rng.normal(size=(9, 4))
    y = np.abs(rng.normal(size=9)) + 0.1
    if loss.task != "regression":
        y = (y > np.median(y)).astype(float)
    counts = np.array([1, 2, 3, 1, 1, 4, 2, 1, 5])
    again = np.repeat(np.arange(9), counts)
    W, P = 0.3 * rng.normal(size=(5, 1)), rng.normal(size=(5, 1))
    found = []
    for rows, weights in ((np.arange(9), counts / counts.mean()), (again, None)):
        problem = Problem(Rows(form(X[rows])), y[rows], weights, loss, 1, True)
        gradient, product = np.empty_like(W), np.empty_like(W)
        value = problem.value_and_gradient(W, gradient)
        problem.hessian_product(loss, W, P, product)
        found.append(
            (value, gradient, product, loss.fit_intercept_only(y[rows], weights))
        )
    for ours, repeated in zip(*found, strict=True):
        np.testing.assert_allclose(ours, repeated, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["absolute_error", "quantile", "epsilon_insensitive"])
def test_constant_models_of_weighted_rows_are_those_of_repeated_rows(name):
    loss = LOSSES[name]()
    y = np.array([1.0, 2.0, 3.0])
    weighted = loss.fit_intercept_only(y, np.array([2.0, 1.0, 1.0]))
    repeated = loss.fit_intercept_only(np.array([1.0, 1.0, 2.0, 3.0]), None)
    if name != "epsilon_insensitive":
        np.testing.assert_array_equal(weighted, repeated)
    # Several constants may be optimal: the losses are compared.
    at = [np.full(4, float(np.ravel(z)[0])) for z in (weighted, repeated)]
    four = np.array([1.0, 1.0, 2.0, 3.0])
    problem = Problem(Rows(np.zeros((4, 1))), four, None, loss, 1, True)
    values = [problem.constant_value(z[:1].copy()) for z in at]
    assert values[0] == pytest.approx(values[1], rel=1e-12)


class WeightedRows:
    """What `largest_eigenvalue` reads of the data of a fit."""

    def __init__(self, X, weights):
        self.X, self.weights, self.n_rows = X, weights, len(X)

    def spaced(self, step):
        return np.arange(0, self.n_rows, step)


def test_the_largest_eigenvalue_of_weighted_rows_is_that_of_repeated_rows():
    rng = np.random.default_rng(0)
    X = np.concatenate([9.0 * rng.normal(size=(1, 3)), rng.normal(size=(40, 3))])
    counts = np.r_[12, np.ones(40, dtype=int)]
    centre, scale = np.zeros(3), np.ones(3)
    weighted = largest_eigenvalue(WeightedRows(X, counts.astype(float)), centre, scale)
    repeated = largest_eigenvalue(
        WeightedRows(np.repeat(X, counts, axis=0), None), centre, scale
    )
    exact = np.linalg.eigvalsh((X.T * counts) @ X / counts.sum())[-1]
    assert weighted == pytest.approx(repeated, rel=1e-6)
    assert weighted == pytest.approx(exact, rel=1e-3)
