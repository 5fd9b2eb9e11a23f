"""Losses: values, gradients, weights, extreme margins."""

import pickle
import warnings

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp, softmax
from sklearn import metrics

from sklgd.losses import LOSSES, Loss

# Every loss with its default parameters, and with others where it has any.
VARIANTS = [(name, {}) for name in reference.LOSSES] + [
    ("huber", {"epsilon": 0.7}),
    ("epsilon_insensitive", {"epsilon": 0.0}),
    ("squared_epsilon_insensitive", {"epsilon": 0.6}),
    ("quantile", {"quantile": 0.2}),
    ("tweedie", {"power": 0.0}),
    ("tweedie", {"power": 1.0}),
    ("tweedie", {"power": 2.0}),
    ("tweedie", {"power": 3.0}),
]
CLASSIFICATION = [n for n, c in LOSSES.items() if c.task == "classification"]
LOG_LINK = [n for n, c in LOSSES.items() if c.link == "log"]

variants = pytest.mark.parametrize(
    ("name", "params"), VARIANTS, ids=lambda v: v if isinstance(v, str) else str(v)
)
outputs = pytest.mark.parametrize("n_outputs", [1, 3, 4])


def draw(name, n_outputs, n=60, seed=0):
    """Targets in the domain of the loss, and raw predictions."""
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=1.5, size=(n, n_outputs))
    if LOSSES[name].task == "classification":
        y = rng.integers(max(2, n_outputs), size=n).astype(float)
        return (2.0 * y - 1.0 if n_outputs == 1 else y), z
    if name in LOG_LINK:
        return rng.gamma(2.0, size=z.shape), z
    return rng.normal(size=z.shape), z


def row_values(loss, y, z):
    """Loss of each row, through one call per row."""
    return np.array([loss.evaluate(y[[i]], z[[i]])[0] for i in range(len(z))])


def test_registry_is_complete():
    assert set(LOSSES) == set(reference.LOSSES)
    for name, cls in LOSSES.items():
        assert cls.task == reference.LOSSES[name].task
        assert tuple(cls.params) == reference.LOSSES[name].params
        assert bool(cls.smooth) == (not reference.LOSSES[name].jumps())
        assert cls.twice_smooth == reference.LOSSES[name].twice_smooth
        assert (cls.link == "log") == reference.LOSSES[name].log_link


@pytest.mark.parametrize(
    ("name", "params", "y", "z", "value", "gradient"),
    [
        ("squared_error", {}, 1.0, 4.0, 4.5, 3.0),
        ("huber", {"epsilon": 2.0}, 1.0, 2.5, 1.125, 1.5),
        ("huber", {"epsilon": 2.0}, 1.0, -4.0, 8.0, -2.0),
        ("huber", {"epsilon": 2.0}, 1.0, 3.0, 2.0, 2.0),
        ("epsilon_insensitive", {"epsilon": 0.5}, 1.0, 1.25, 0.0, 0.0),
        ("epsilon_insensitive", {"epsilon": 0.5}, 1.0, -1.0, 1.5, -1.0),
        ("epsilon_insensitive", {"epsilon": 0.5}, 1.0, 1.5, 0.0, 0.0),
        ("squared_epsilon_insensitive", {"epsilon": 0.5}, 1.0, 3.0, 2.25, 3.0),
        ("squared_epsilon_insensitive", {"epsilon": 0.5}, 1.0, 0.75, 0.0, 0.0),
        ("absolute_error", {}, 1.0, -2.0, 3.0, -1.0),
        ("absolute_error", {}, 1.0, 1.0, 0.0, 0.0),
        ("quantile", {"quantile": 0.25}, 1.0, -1.0, 0.5, -0.25),
        ("quantile", {"quantile": 0.25}, 1.0, 3.0, 1.5, 0.75),
        ("quantile", {"quantile": 0.25}, 1.0, 1.0, 0.0, 0.0),
        ("poisson", {}, 3.0, 0.0, 1.0, -2.0),
        ("poisson", {}, 0.0, np.log(2), 2.0, 2.0),
        ("gamma", {}, 3.0, 0.0, 3.0, -2.0),
        ("gamma", {}, 4.0, np.log(2), np.log(2) + 2.0, -1.0),
        ("tweedie", {"power": 1.5}, 4.0, np.log(4), 8.0, 0.0),
        ("tweedie", {"power": 1.5}, 0.0, np.log(4), 4.0, 2.0),
        ("tweedie", {"power": 3.0}, 4.0, np.log(2), 0.0, -0.5),
        ("tweedie", {"power": 0.0}, 3.0, np.log(2), 0.5, -2.0),
        ("log_loss", {}, 1.0, 0.0, np.log(2), -0.5),
        ("log_loss", {}, -1.0, np.log(3), np.log(4), 0.75),
        ("hinge", {}, -1.0, 0.5, 1.5, 1.0),
        ("hinge", {}, 1.0, 1.0, 0.0, -1.0),
        ("hinge", {}, 1.0, 1.5, 0.0, 0.0),
        ("perceptron", {}, 1.0, -0.5, 0.5, -1.0),
        ("perceptron", {}, -1.0, 0.0, 0.0, 1.0),
        ("perceptron", {}, 1.0, 0.5, 0.0, 0.0),
        ("squared_hinge", {}, -1.0, 1.0, 4.0, 4.0),
        ("squared_hinge", {}, 1.0, 2.0, 0.0, 0.0),
        ("modified_huber", {}, 1.0, 0.5, 0.25, -1.0),
        ("modified_huber", {}, -1.0, 3.0, 12.0, 4.0),
        ("modified_huber", {}, -1.0, -2.0, 0.0, 0.0),
    ],
)
@pytest.mark.parametrize("sample_weight", [None, 0.25])
def test_hand_computed(name, params, y, z, value, gradient, sample_weight):
    y = np.array([y]) if name in CLASSIFICATION else np.array([[y]])
    weight = None if sample_weight is None else np.array([sample_weight])
    total, dz = LOSSES[name](**params).evaluate(y, np.array([[z]]), weight)
    assert_allclose(total, (sample_weight or 1.0) * value, rtol=1e-14, atol=1e-15)
    assert_allclose(dz, [[(sample_weight or 1.0) * gradient]], rtol=1e-14, atol=1e-15)
    # The oracle has to agree with the same figures.
    row, dz = reference.LOSSES[name].evaluate(y, np.array([[z]]), **params)
    assert_allclose([row[0], dz[0, 0]], [value, gradient], rtol=1e-14, atol=1e-15)


@variants
@outputs
def test_equals_the_oracle(name, params, n_outputs):
    y, z = draw(name, n_outputs)
    value, gradient = reference.LOSSES[name].evaluate(y, z, **params)
    loss = LOSSES[name](**params)
    total, dz = loss.evaluate(y, z)
    assert isinstance(total, float)
    assert dz.shape == z.shape
    assert_allclose(total, value.sum(), rtol=1e-13)
    assert_allclose(dz, gradient, rtol=1e-12, atol=1e-14)
    assert_allclose(row_values(loss, y, z), value, rtol=1e-12, atol=1e-14)


@variants
def test_the_gradient_of_one_prediction_has_the_bits_of_a_batch(name, params):
    y, z = draw(name, 1, n=200)
    z[:8, 0] = [0.0, -0.0, 1e-300, 40.0, -40.0, 800.0, -800.0, np.nan]
    y[8:12] = z[8:12] if LOSSES[name].task == "regression" else y[8:12]
    loss = LOSSES[name](**params)
    batch = loss.evaluate(y, z)[1]
    assert_array_equal(loss.kernel.gradients(y.ravel(), z.ravel()), batch.ravel())


@variants
@outputs
def test_numerical_gradient(name, params, n_outputs):
    y, z = draw(name, n_outputs, seed=1)
    loss = LOSSES[name](**params)
    gradient = loss.evaluate(y, z)[1]
    if LOSSES[name].task == "regression":
        position = z - y
    else:
        sign = (
            y[:, None]
            if n_outputs == 1
            else 2.0 * (np.arange(n_outputs) == y[:, None]) - 1
        )
        position = sign * z
    regular = np.ones(z.shape, dtype=bool)
    for jump in reference.LOSSES[name].jumps(**params):
        regular &= np.abs(position - jump) > 1e-4
    assert regular.mean() > 0.9

    h = 1e-6
    for k in range(n_outputs):
        shift = h * (np.arange(n_outputs) == k)
        up, down = row_values(loss, y, z + shift), row_values(loss, y, z - shift)
        numerical = (up - down) / (2 * h)
        ok, rounding = regular[:, k], 1e-8 * max(10.0, np.max(np.abs(up)))
        assert_allclose(gradient[ok, k], numerical[ok], rtol=1e-6, atol=rounding)


@variants
@outputs
def test_weights_multiply(name, params, n_outputs, rng):
    y, z = draw(name, n_outputs, seed=2)
    weight = rng.random(len(z)) * (rng.random(len(z)) < 0.8)
    loss = LOSSES[name](**params)
    total, dz = loss.evaluate(y, z, weight)
    assert_allclose(total, weight @ row_values(loss, y, z), rtol=1e-12)
    assert_allclose(dz, weight[:, None] * loss.evaluate(y, z)[1], rtol=1e-13)


@variants
def test_repeated_rows_add_up(name, params):
    # Long inputs go through whatever the kernel does in blocks, short ones do not.
    y, z = draw(name, 1, n=7)
    loss = LOSSES[name](**params)
    total, dz = loss.evaluate(y, z)
    many, dz_many = loss.evaluate(
        np.tile(y, (301,) + (1,) * (y.ndim - 1)), np.tile(z, (301, 1))
    )
    assert_allclose(many, 301 * total, rtol=1e-12)
    assert_allclose(dz_many, np.tile(dz, (301, 1)), rtol=1e-14)


@variants
def test_pickle(name, params):
    y, z = draw(name, 1)
    loss = LOSSES[name](**params)
    twin = pickle.loads(pickle.dumps(loss))
    assert type(twin) is type(loss)
    assert twin.evaluate(y, z)[0] == loss.evaluate(y, z)[0]


@pytest.mark.parametrize("name", [n for n in LOSSES if n not in LOG_LINK])
@outputs
def test_margins_of_ten_thousand(name, n_outputs):
    """Values and gradients stay finite and right where exp(z) has no value."""
    z = np.where(np.random.default_rng(0).random((50, n_outputs)) < 0.5, -1e4, 1e4)
    y = draw(name, n_outputs, n=50)[0]
    expected, gradient = reference.LOSSES[name].evaluate(y, z)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        total, dz = LOSSES[name]().evaluate(y, z)
    assert np.isfinite(total)
    assert_allclose(total, expected.sum(), rtol=1e-12)
    assert_allclose(dz, gradient, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("z", [-1e4, 1e4])
@pytest.mark.parametrize(
    ("name", "params", "y"),
    [
        ("poisson", {}, 0.0),
        ("poisson", {}, 2.0),
        ("gamma", {}, 0.5),
        ("gamma", {}, 2.0),
        ("tweedie", {"power": 0.0}, 0.5),
        ("tweedie", {"power": 0.0}, 2.0),
        ("tweedie", {"power": 1.5}, 0.0),
        ("tweedie", {"power": 1.5}, 2.0),
        ("tweedie", {"power": 3.0}, 0.5),
        ("tweedie", {"power": 3.0}, 2.0),
    ],
)
def test_log_link_far_out(name, params, y, z):
    """exp(1e4) may overflow to inf or be held back, but it stays a bad prediction."""
    loss = LOSSES[name](**params)
    total, dz = loss.evaluate(np.array([[y]]), np.array([[z]]))
    assert not np.isnan(total)
    # Too large a mean is pulled down, too small a one up, unless the slope underflows.
    assert np.sign(dz[0, 0]) in (np.sign(z), 0.0)
    # The mean equal to the observation is the best prediction there is.
    best = np.log(y) if y > 0 else -50.0
    assert total >= loss.evaluate(np.array([[y]]), np.array([[best]]))[0] - 1e-9
    if name == "poisson" and z < 0:
        assert total == pytest.approx(2.0e4 if y else 0.0)
        assert dz[0, 0] == -y
    if name == "gamma" and z > 0:
        assert total == pytest.approx(1e4)
        assert dz[0, 0] == 1.0


def test_small_tails_keep_their_digits():
    """log(1 + exp(-m)) is exp(-m), not 0, for a large margin m."""
    z = np.array([[30.0], [100.0], [700.0]])
    for i in range(3):
        total, dz = LOSSES["log_loss"]().evaluate(np.ones(1), z[[i]])
        assert_allclose([total, -dz[0, 0]], np.exp(-z[i, 0]), rtol=1e-12)


def test_softmax_is_scipys():
    y, z = draw("log_loss", 3)
    total, dz = LOSSES["log_loss"]().evaluate(y, z)
    own = z[np.arange(len(z)), y.astype(int)]
    assert_allclose(total, np.sum(logsumexp(z, axis=1) - own), rtol=1e-13)
    assert_allclose(dz, softmax(z, axis=1) - np.eye(3)[y.astype(int)], atol=1e-14)
    # Adding a constant to a row of predictions changes nothing.
    assert_allclose(LOSSES["log_loss"]().evaluate(y, z + 7.0)[1], dz, atol=1e-14)


@pytest.mark.parametrize("gap", [1.0, 20.0, 40.0, 300.0])
@pytest.mark.parametrize("K", [3, 5, 9])
def test_softmax_of_rows_that_are_clearly_right_keeps_its_digits(gap, K):
    codes = np.arange(K)
    z = np.linspace(-0.4, 0.3, K * K).reshape(K, K) + gap * np.eye(K)
    value, dz = LOSSES["log_loss"]().evaluate(codes, z)
    rest = np.array([np.delete(np.exp(row - row[k]), k) for k, row in enumerate(z)])
    assert_allclose(value, np.log1p(rest.sum(axis=1)).sum(), rtol=1e-13)
    p = rest.sum(axis=1) / (1.0 + rest.sum(axis=1))
    assert_allclose(dz[codes, codes], -p, rtol=1e-13)
    tied = np.zeros((K, K))
    assert_allclose(LOSSES["log_loss"]().evaluate(codes, tied)[0], K * np.log(K))


def test_binomial_is_softmax_of_two_classes():
    # A third class at -1e4 has no probability left.
    y, z = draw("log_loss", 1)
    codes = (y + 1) / 2
    z3 = np.column_stack([np.zeros(len(z)), z, np.full(len(z), -1e4)])
    total, dz = LOSSES["log_loss"]().evaluate(y, z)
    total3, dz3 = LOSSES["log_loss"]().evaluate(codes, z3)
    assert_allclose(total3, total, rtol=1e-13)
    assert_allclose(dz3, np.column_stack([-dz, dz, np.zeros(len(z))]), atol=1e-14)


@pytest.mark.parametrize("name", [n for n in CLASSIFICATION if n != "log_loss"])
def test_one_vs_rest_is_one_problem_per_class(name):
    y, z = draw(name, 4)
    total, dz = LOSSES[name]().evaluate(y, z)
    singles = [
        LOSSES[name]().evaluate(np.where(y == k, 1.0, -1.0), z[:, [k]])
        for k in range(4)
    ]
    assert_allclose(total, sum(t for t, _ in singles), rtol=1e-13)
    assert_allclose(dz, np.column_stack([g for _, g in singles]), rtol=1e-13)


# --------------------------------------------------------------------------------------
# Proximal operator
# --------------------------------------------------------------------------------------


def slopes_around(loss, y, z, reach):
    """Least and largest derivative in each output within ``reach`` of z."""
    ends = [loss.evaluate(y, z + sign * reach)[1] for sign in (-1.0, 0.0, 1.0)]
    return np.minimum.reduce(ends), np.maximum.reduce(ends)


@variants
@outputs
def test_prox_equals_the_oracle(name, params, n_outputs, rng):
    y, z0 = draw(name, n_outputs, seed=3)
    q = 10.0 ** rng.uniform(-2, 2, size=len(z0))
    z, c = LOSSES[name](**params).prox(y, z0, q)
    expected, slope = reference.LOSSES[name].prox(y, z0, q[:, None], **params)
    if name == "tweedie" and params.get("power", 1.5) in (0.0, 3.0):
        # Not convex: there may be several stationary points.
        same = np.abs(z - expected) < 1e-6
        assert same.mean() > 0.9
        z, c, expected, slope = z[same], c[same], expected[same], slope[same]
    assert_allclose(z, expected, rtol=1e-11, atol=1e-11)
    assert_allclose(c, slope, rtol=1e-9, atol=1e-9)


@variants
@outputs
def test_prox_is_optimal(name, params, n_outputs, rng):
    """z + q c = z0 and c is a slope at z, for steps and predictions of any size."""
    n = 2000
    y = draw(name, n_outputs, n=n, seed=4)[0]
    q = 10.0 ** rng.uniform(-12, 12, size=n)
    size = 10.0 ** rng.uniform(-8, 8, size=(n, n_outputs))
    z0 = rng.choice([-1.0, 1.0], size=size.shape) * size
    loss = LOSSES[name](**params)
    z, c = loss.prox(y, z0, q)
    target = y if loss.task == "regression" else 0.0
    scale = np.abs(z0) + np.abs(z) + q[:, None] * np.abs(c) + np.abs(target)
    assert np.max(np.abs(z + q[:, None] * c - z0) / scale) < 2e-14
    if name == "log_loss" and n_outputs > 1:
        # The outputs are coupled: a digit of the largest counts for all.
        reach = 1e-15 * scale.max(axis=1, keepdims=True)
        assert np.all(np.abs(c - loss.evaluate(y, z)[1]) <= reach + 1e-14)
        assert_allclose(c.sum(axis=1), 0.0, atol=1e-15)
    else:
        low, high = slopes_around(
            loss, y, z, 1e-13 * (np.abs(z) + np.abs(target) + 1e-3)
        )
        tolerance = 1e-10 * np.abs(c) + 1e-300
        assert np.all(low - tolerance <= c)
        assert np.all(c <= high + tolerance)


@variants
@outputs
def test_prox_of_no_step(name, params, n_outputs):
    y, z0 = draw(name, n_outputs, seed=5)
    z, c = LOSSES[name](**params).prox(y, z0, 0.0)
    assert_allclose(z, z0, rtol=0)
    assert_allclose(c, LOSSES[name](**params).evaluate(y, z0)[1], atol=1e-15)
    with pytest.raises(ValueError, match="q must be"):
        LOSSES[name](**params).prox(y, z0, -1.0)


SMOOTH = [v for v in VARIANTS if not reference.LOSSES[v[0]].jumps(**v[1])]
# (Tweedie losses of other powers are not convex.)
CONVEX = [v for v in SMOOTH if 1.0 <= v[1].get("power", 1.0) <= 2.0]


@pytest.mark.parametrize("name, params", CONVEX)
def test_the_general_proximal_step_is_as_good_as_the_closed_form(name, params, rng):
    y = draw(name, 1, n=2000, seed=4)[0].ravel()
    q = 10.0 ** rng.uniform(-12, 12, len(y))
    z0 = rng.choice([-1.0, 1.0], len(y)) * 10.0 ** rng.uniform(-8, 3, len(y))
    loss = LOSSES[name](**params)
    z, c = np.empty((2, len(y)))
    loss.kernel.prox_by_newton(y, z0, q, z, c)
    best, _ = loss.prox(y, z0[:, None], q)
    scale = np.abs(z0) + np.abs(best[:, 0]) + np.abs(y)
    assert np.max(np.abs(z - best[:, 0]) / scale) < 1e-11
    assert np.max(np.abs(z + q * c - z0) / (scale + q * np.abs(c))) < 2e-14


@pytest.mark.parametrize(
    "name", [n for n, c in LOSSES.items() if c.linear_tails and c.task == "regression"]
)
def test_the_general_difference_of_losses_loses_no_digits_to_distant_targets(name):
    loss = LOSSES[name]()
    for y in (1e15, -1e15, 0.0):
        slope = loss.evaluate(np.full(1, y), np.full((1, 1), 0.25))[1].item()
        found = loss.kernel.difference_by_gradients(y, 0.25, -0.125)
        values = [
            loss.evaluate(np.full(1, y), np.full((1, 1), z))[0] for z in (0.25, -0.125)
        ]
        assert found == (slope * 0.375 if y else values[0] - values[1])


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_the_general_constant_model_is_that_of_the_closed_form(name, n_outputs, rng):
    loss = LOSSES[name]()
    if loss.couples_outputs and n_outputs > 1:
        return
    y, z = draw(name, n_outputs, n=200, seed=12)
    weight = rng.uniform(0.5, 1.5, len(z))
    best = loss.fit_intercept_only(y, weight, n_outputs)
    found = Loss.fit_intercept_only(loss, y, weight, n_outputs)
    if loss.twice_smooth:
        assert_allclose(found, best, rtol=1e-7, atol=1e-9)
    at = [loss.evaluate(y, np.tile(c, (len(z), 1)), weight)[0] for c in (best, found)]
    assert at[1] <= at[0] * (1.0 + 1e-12) + 1e-12


def test_prox_keeps_the_digits_of_small_slopes():
    """A row far on the right side of a logistic loss still has its tiny slope."""
    _, c = LOSSES["log_loss"]().prox(np.ones(1), [[50.0]], 1.0)
    assert_allclose(c, -np.exp(-50.0), rtol=1e-12)
    _, c = LOSSES["log_loss"]().prox(np.ones(1), [[0.0, 50.0, 0.0]], 1.0)
    assert_allclose(c, np.exp(-50.0) * np.array([[1.0, -2.0, 1.0]]), rtol=1e-12)


# --------------------------------------------------------------------------------------
# Second derivatives
# --------------------------------------------------------------------------------------


@variants
@outputs
def test_curvature_equals_the_oracle(name, params, n_outputs, rng):
    y, z = draw(name, n_outputs, seed=6)
    weight = rng.random(len(z)) * (rng.random(len(z)) < 0.8)
    loss = LOSSES[name](**params)
    expected = reference.LOSSES[name].curvature(y, z, **params)
    h = loss.curvature(y, z)
    assert h.shape == z.shape
    assert_allclose(h, expected, rtol=1e-12, atol=1e-15)
    assert_allclose(loss.curvature(y, z, weight), weight[:, None] * h, rtol=1e-14)
    # The convex losses are not steeper than they say.
    assert h.max() <= loss.bound(n_outputs)


def check_numerical_curvature(loss, y, z):
    """Curvature is the change of the slope wherever the slope has no jump."""
    gradient, curvature = (lambda z: loss.evaluate(y, z)[1]), loss.curvature(y, z)
    step = 1e-6
    for k in range(z.shape[1]):
        shift = step * (np.arange(z.shape[1]) == k)
        numerical = (gradient(z + shift) - gradient(z - shift))[:, k] / (2 * step)
        jump = np.abs(loss.curvature(y, z + shift) - loss.curvature(y, z - shift))
        regular = jump[:, k] < 0.05 * (1.0 + np.abs(curvature[:, k]))
        assert regular.mean() > 0.9
        rounding = 1e-8 * max(1.0, np.max(np.abs(gradient(z))))
        assert_allclose(
            curvature[regular, k], numerical[regular], rtol=1e-6, atol=rounding
        )


@variants
@outputs
def test_numerical_curvature(name, params, n_outputs):
    y, z = draw(name, n_outputs, n=300, seed=7)
    check_numerical_curvature(LOSSES[name](**params), y, z)


@variants
def test_bound_is_reached(name, params):
    """No smaller number bounds the second derivative."""
    loss = LOSSES[name](**params)
    # (0 and the target, 1, are among them.)
    z = np.linspace(-60.0, 60.0, 2401)[:, None]
    y = np.ones(z.shape if loss.task == "regression" else len(z))
    largest = loss.curvature(y, z).max()
    if reference.LOSSES[name].jumps(**params):
        assert loss.bound() == np.inf
    elif name in LOG_LINK:
        assert loss.bound() == np.inf
        assert largest > 1e12
    else:
        assert largest == pytest.approx(loss.bound(), rel=1e-12)


def test_bound_of_softmax():
    """Boehning (1992): the Hessian is at most (I - 11'/K) / 2."""
    rng = np.random.default_rng(0)
    loss = LOSSES["log_loss"]()
    for z in [*rng.normal(scale=2.0, size=(20, 4)), [50.0, 50.0, 0.0, 0.0]]:
        p = softmax(z)
        hessian = np.diag(p) - np.outer(p, p)
        assert_allclose(loss.curvature([0.0], [z])[0], np.diag(hessian), atol=1e-15)
        assert np.linalg.eigvalsh(hessian)[-1] <= loss.bound(4) + 1e-15
    # Two classes that share everything reach it.
    assert np.linalg.eigvalsh(hessian)[-1] == pytest.approx(loss.bound(4))


def test_curvature_keeps_the_digits_of_sure_predictions():
    h = LOSSES["log_loss"]().curvature([0.0], [[60.0, 0.0, -5.0]])
    assert_allclose(h[0, 0], np.exp(-60.0) + np.exp(-65.0), rtol=1e-12, atol=0)
    assert_allclose(h[0, 1], np.exp(-60.0), rtol=1e-12, atol=0)
    h = LOSSES["log_loss"]().curvature([-1.0], [[60.0]])
    assert_allclose(h, np.exp(-60.0), rtol=1e-12, atol=0)


@variants
@outputs
def test_rows_without_weight_count_nothing(name, params, n_outputs):
    y, z = draw(name, n_outputs, n=3)
    z[1] = [np.nan, np.inf, -np.inf, 1e300][:n_outputs]
    weight = np.array([1.0, 0.0, 1.0])
    loss = LOSSES[name](**params)
    losses = [loss, loss.smoothed(0.1)] if hasattr(loss, "smoothed") else [loss]
    for loss in losses:
        assert np.all(loss.evaluate(y, z, weight)[1][1] == 0.0)
        assert np.all(loss.curvature(y, z, weight)[1] == 0.0)
        assert np.all(np.isfinite(loss.curvature(y, z, weight)))


# --------------------------------------------------------------------------------------
# The piecewise linear losses with a barrier
# --------------------------------------------------------------------------------------

NON_SMOOTH = [v for v in VARIANTS if reference.LOSSES[v[0]].jumps(**v[1])]
non_smooth = pytest.mark.parametrize(
    ("name", "params"), NON_SMOOTH, ids=lambda v: v if isinstance(v, str) else str(v)
)
softnesses = pytest.mark.parametrize("barrier_weight", [1e-3, 0.3, 5.0])


def test_non_smooth_losses_can_be_smoothed():
    for name, cls in LOSSES.items():
        assert hasattr(cls, "smoothed") == bool(reference.LOSSES[name].jumps())


@non_smooth
@outputs
@softnesses
def test_barrier_equals_the_oracle(name, params, n_outputs, barrier_weight):
    y, z = draw(name, n_outputs, seed=8)
    soft = LOSSES[name](**params).smoothed(barrier_weight)
    assert type(soft) is LOSSES[name]
    assert soft.barrier_weight == barrier_weight
    value, slope, lost = reference.LOSSES[name].smoothed(y, z, barrier_weight, **params)
    # The oracle's c, within a rounding error of a bound, has a logarithm of few digits.
    assert_allclose(row_values(soft, y, z), value.sum(axis=1), rtol=1e-7, atol=1e-7)
    assert_allclose(soft.evaluate(y, z)[1], slope, rtol=1e-7, atol=1e-7)
    # Below the loss; and a slope is off by no more than costs e for each jump.
    exact = row_values(LOSSES[name](**params), y, z)
    assert np.all(row_values(soft, y, z) <= exact + 1e-14)
    assert np.all(lost <= soft.n_jumps * barrier_weight * (1 + 1e-9) + 1e-12)
    # Far from its jumps, in units of e, it has the slope of the loss.
    sharp = LOSSES[name](**params).smoothed(1e-13)
    away = np.ones(len(z), dtype=bool)
    targets = reference.LOSSES[name].targets(y, z)
    for x, *_ in reference.JUMPS[reference.LOSSES[name].function](targets, z, **params):
        away &= (np.abs(x) > 1e-3).all(axis=1)
    assert away.any()
    plain = LOSSES[name](**params).evaluate(y, z)[1]
    assert_allclose(sharp.evaluate(y, z)[1][away], plain[away], atol=1e-8)


@non_smooth
@outputs
@softnesses
def test_barrier_derivatives(name, params, n_outputs, barrier_weight):
    y, z = draw(name, n_outputs, n=300, seed=10)
    soft = LOSSES[name](**params).smoothed(barrier_weight)
    step = 1e-6
    assert soft.bound() == 0.5 / barrier_weight
    for k in range(n_outputs):
        shift = step * (np.arange(n_outputs) == k)
        up, down = row_values(soft, y, z + shift), row_values(soft, y, z - shift)
        slope = soft.evaluate(y, z)[1][:, k]
        # The slope bends by at most step times the bound in between.
        tolerance = step * soft.bound() + 1e-7
        assert_allclose(slope, (up - down) / (2 * step), atol=tolerance)
        up, down = (
            soft.evaluate(y, z + t)[1][:, k] for t in (1e-3 * shift, -1e-3 * shift)
        )
        h = soft.curvature(y, z)[:, k]
        assert_allclose(
            h, (up - down) / (2e-3 * step), rtol=1e-3, atol=1e-4 / barrier_weight
        )
        assert np.all(h > 0.0) and np.all(h <= soft.bound() * (1 + 1e-12))


@non_smooth
@outputs
def test_prox_is_that_of_the_loss_itself(name, params, n_outputs, rng):
    y, z0 = draw(name, n_outputs, n=500, seed=11)
    q = 10.0 ** rng.uniform(-12, 4, size=len(z0))
    loss = LOSSES[name](**params)
    for a, b in zip(
        loss.smoothed(0.3).prox(y, z0, q), loss.prox(y, z0, q), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@non_smooth
def test_barrier_keeps_its_weight(name, params):
    y, z = draw(name, 1)
    loss = LOSSES[name](**params)
    soft = loss.smoothed(0.5)
    twin = pickle.loads(pickle.dumps(soft))
    assert twin.barrier_weight == 0.5
    assert twin.evaluate(y, z)[0] == soft.evaluate(y, z)[0] != loss.evaluate(y, z)[0]
    # The original is untouched, and barrier_weight 0 gives it back.
    assert loss.barrier_weight == 0.0
    assert soft.smoothed(0.0).evaluate(y, z)[0] == loss.evaluate(y, z)[0]
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="barrier_weight"):
            loss.smoothed(wrong)


# scikit-learn's metrics give the mean over rows; deviances are twice the loss and leave
# out terms in y alone, so differences between two predictions are compared.
PUBLIC = {
    "squared_error": (metrics.mean_squared_error, 0.5, {}),
    "absolute_error": (metrics.mean_absolute_error, 1.0, {}),
    "quantile": (
        lambda y, z: metrics.mean_pinball_loss(y, z, alpha=0.3),
        1.0,
        {"quantile": 0.3},
    ),
    "poisson": (lambda y, z: metrics.mean_poisson_deviance(y, np.exp(z)), 0.5, {}),
    "gamma": (lambda y, z: metrics.mean_gamma_deviance(y, np.exp(z)), 0.5, {}),
    "tweedie": (
        lambda y, z: metrics.mean_tweedie_deviance(y, np.exp(z), power=1.7),
        0.5,
        {"power": 1.7},
    ),
    "log_loss": (lambda y, z: metrics.log_loss(y, 1 / (1 + np.exp(-z))), 1.0, {}),
    "hinge": (lambda y, z: metrics.hinge_loss(y, z), 1.0, {}),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_scikit_learns_metrics(name):
    metric, factor, params = PUBLIC[name]
    y, z = draw(name, 1)
    other = z[::-1] * 0.5
    loss = LOSSES[name](**params)
    ours = (loss.evaluate(y, z)[0] - loss.evaluate(y, other)[0]) / len(z)
    theirs = metric(y.ravel(), z.ravel()) - metric(y.ravel(), other.ravel())
    assert abs(theirs) > 1e-3
    assert_allclose(ours, factor * theirs, rtol=1e-11)
