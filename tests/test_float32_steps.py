"""Products in float32: their error, their bits, and where they are not used."""

import numpy as np
import pytest
from sklearn.preprocessing import label_binarize

from sklgd import GDClassifier, GDRegressor
from sklgd.kernels._engine import Descent
from sklgd.kernels._problem import Problem
from sklgd.kernels._rows import Rows
from sklgd.losses import LogLoss, SquaredError
from sklgd.optimizers import OPTIMIZERS


def step(X, y, loss, coef, n_outputs, float32=True, weight=None, n_threads=1):
    """The gradient of the mean loss of all rows, found by a step of length one."""
    problem = Problem(Rows(X), y, weight, loss, n_outputs, True, n_threads=n_threads)
    after, zeros = coef.copy(), np.zeros_like(coef)
    rule = OPTIMIZERS["sgd"]().make_rule(after, zeros, zeros)
    run = Descent(problem, rule, after, after, float32=float32)
    order = np.random.default_rng(1).permutation(len(X))
    run.run(order, np.ones(1), len(X), 0, 0)
    assert run.value(False) == problem.value(after)
    return coef - after


def softmax_gradient(X, y, coef):
    """The published formula in float64, and its terms without their signs."""
    X = np.column_stack([X.astype(float), np.ones(len(X))])
    z = X @ coef
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    g = (p - label_binarize(y, classes=range(coef.shape[1]))) / len(X)
    return X.T @ g, abs(X).T @ abs(g)


@pytest.mark.parametrize(
    ("n_rows", "n_features", "n_outputs"),
    [(64, 784, 10), (200, 77, 3), (65, 401, 7), (64, 400, 4), (130, 71, 26)],
)
def test_the_error_of_a_gradient_is_that_of_float32(n_rows, n_features, n_outputs):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    coef = rng.normal(size=(n_features + 1, n_outputs)) / np.sqrt(n_features)
    y = rng.integers(0, n_outputs, n_rows).astype(float)
    true, size = softmax_gradient(X, y, coef)
    error = abs(step(X, y, LogLoss(), coef, n_outputs) - true) / size
    # (Above rounding of float64: the products are those of float32.)
    assert 1e-9 < error.max() < 4e-7
    exact = abs(step(X, y, LogLoss(), coef, n_outputs, float32=False) - true) / size
    assert exact.max() < 1e-14


@pytest.mark.parametrize("shape", [(63, 70, 3), (64, 63, 3), (64, 70, 1)])
def test_few_rows_features_or_outputs_keep_float64(shape, rng):
    n_rows, n_features, n_outputs = shape
    X = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    y = rng.normal(size=(n_rows, n_outputs))
    coef = rng.normal(size=(n_features + 1, n_outputs))
    found = [step(X, y, SquaredError(), coef, n_outputs, float32) for float32 in (0, 1)]
    np.testing.assert_array_equal(*found)


def test_units_of_the_targets_do_not_matter(rng):
    """float32 ends at 1e-38."""
    X = rng.normal(size=(64, 70)).astype(np.float32)
    y, coef = rng.normal(size=(64, 3)), rng.normal(size=(71, 3))
    unit = np.array([2.0**-500, 1.0, 2.0**500])
    found = step(X, unit * y, SquaredError(), unit * coef, 3)
    np.testing.assert_array_equal(found, unit * step(X, y, SquaredError(), coef, 3))


def test_a_step_has_the_same_bits_for_any_number_of_threads(rng):
    X = rng.normal(size=(4000, 70)).astype(np.float32)
    y, coef = rng.normal(size=(4000, 9)), rng.normal(size=(71, 9))
    weight = rng.uniform(size=4000)
    one, two = (
        step(X, y, SquaredError(), coef, 9, weight=weight, n_threads=n) for n in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_an_output_has_the_same_bits_in_any_group(rng):
    X = rng.normal(size=(64, 70)).astype(np.float32)
    y, coef = rng.normal(size=(64, 9)), rng.normal(size=(71, 9))
    whole = step(X, y, SquaredError(), coef, 9)
    part = step(X, y[:, 4:].copy(), SquaredError(), coef[:, 4:].copy(), 5)
    np.testing.assert_array_equal(part, whole[:, 4:])


STEPS = {
    "optimizer": "adam", "batch_size": 64, "learning_rate": 0.01, "tol": None,
    "random_state": 0,
}  # fmt: skip


def test_fits_on_both_dtypes_end_alike(rng):
    X = rng.normal(size=(600, 70)).astype(np.float32)
    y = (X @ rng.normal(size=(70, 4)) + rng.gumbel(size=(600, 4))).argmax(axis=1)
    model = GDClassifier(**STEPS, max_iter=10)
    curves = [model.fit(X.astype(t), y).loss_curve_ for t in ("float32", "float64")]
    assert curves[0] != curves[1]
    np.testing.assert_allclose(*curves, rtol=1e-6)


@pytest.mark.parametrize("change", [{"learning_rate": "auto"}, {"batch_size": "full"}])
def test_found_learning_rates_and_full_batches_use_float64(change, rng):
    X = rng.normal(size=(300, 70)).astype(np.float32)
    Y = X[:, :3] + rng.normal(size=(300, 3))
    model = GDRegressor(**{**STEPS, **change}, max_iter=3)
    curves = [model.fit(X.astype(t), Y).loss_curve_ for t in ("float32", "float64")]
    np.testing.assert_allclose(*curves, rtol=1e-13)


def test_calls_of_partial_fit_are_epochs_of_fit(rng):
    X = rng.normal(size=(300, 70)).astype(np.float32)
    Y = X[:, :3] + rng.normal(size=(300, 3))
    fitted = GDRegressor(**STEPS, max_iter=2).fit(X, Y)
    model = GDRegressor(**STEPS).partial_fit(X, Y).partial_fit(X, Y)
    np.testing.assert_array_equal(model.coef_, fitted.coef_)
