"""Steps of momentum and Nesterov without a gradient, against one step at a time."""

import numpy as np
import pytest
import reference

from sklgd.kernels._lagged_momentum import LaggedMomentum

RULES = {"momentum": reference.Momentum, "nesterov": reference.Nesterov}


def schedule(kind, n_steps, eta, rng):
    """Learning rates up to eta; "zeros" and "jumps" are nothing a user would choose."""
    t = np.arange(n_steps)
    return {
        "constant": np.full(n_steps, eta),
        "decaying": eta / np.sqrt(1.0 + 0.05 * t),
        "stepwise": eta * 0.2 ** (5 * t // n_steps),
        "zeros": eta * rng.random(n_steps) * (rng.random(n_steps) < 0.5),
        "jumps": eta * 10.0 ** rng.uniform(-4.0, 0.0, n_steps),
    }[kind]


def one_by_one(rule, momentum, l1, l2, reach, etas, since, now, w, v):
    """w and v at ``now``, the sum of w after the steps, the largest |w| and |v|."""
    optimizer = RULES[rule](momentum)
    optimizer.E, optimizer.v = reach, v.copy()
    w, v = w.copy(), v.copy()
    sums, w_size, v_size = np.zeros_like(w), np.abs(w), np.abs(v)
    for i in range(now):
        moving = (since <= i)[:, None]
        w = np.where(moving, optimizer.step(w, 0.0, etas[i], l1, l2), w)
        v = optimizer.v = np.where(moving, optimizer.v, v)
        sums += np.where(moving, w, 0.0)
        w_size, v_size = np.maximum(w_size, np.abs(w)), np.maximum(v_size, np.abs(v))
    return w, v, sums, w_size + 1e-300, v_size + 1e-300


def start(rng, n_features, n_outputs, now):
    """Features of every age; large, small and zero coefficients and velocities."""
    since = rng.integers(0, now + 1, n_features)
    since[:2] = 0, now
    w = rng.standard_normal((n_features, n_outputs))
    v = rng.standard_normal((n_features, n_outputs))
    w *= rng.choice([0.0, 1e-3, 1.0], w.shape)
    v *= rng.choice([0.0, 1e-4, 0.1], v.shape)
    return since.astype(np.intp), w, v


def check_against_single_steps(
    rule, momentum, l1, l2, etas, rng, n_outputs, now, reach=0.0, n_features=40
):
    since, w, v = start(rng, n_features, n_outputs, now)
    *expected, w_size, v_size = one_by_one(
        rule, momentum, l1, l2, reach, etas, since, now, w, v
    )
    lagged = LaggedMomentum(momentum, rule == "nesterov", l1, l2, reach, etas, True)
    without_sums = w.copy(), v.copy()
    lagged.lagged_update(since, now, *without_sums)
    sums = np.ones_like(w)
    lagged.lagged_update(since, now, w, v, sums)
    np.testing.assert_array_equal(without_sums, (w, v))
    # |v| may be far below what a step adds to it from w.
    v_size = np.maximum(v_size, etas.max(initial=0.0) * l2 * w_size)
    steps = np.maximum(now - since, 1)[:, None]
    assert np.max(np.abs(w - expected[0]) / w_size) < 1e-11
    assert np.max(np.abs(v - expected[1]) / v_size) < 1e-11
    assert np.max(np.abs(sums - 1.0 - expected[2]) / (1.0 + steps * w_size)) < 1e-11


@pytest.mark.some_cases
@pytest.mark.parametrize("kind", ["constant", "decaying", "stepwise", "zeros", "jumps"])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("penalty", ["none", "l2", "l1", "elasticnet"])
@pytest.mark.parametrize("rule", RULES)
def test_any_schedule(rule, penalty, momentum, kind):
    """Also where eta l2 is about one, and w changes its sign again and again."""
    rng = np.random.default_rng(
        sum(map(ord, rule + penalty + kind)) + int(100 * momentum)
    )
    for n_steps, eta_l2, l1, n_outputs in (
        (200, 1.0, 1e-2, 1),
        (300, 1e-3, 1e-4, 2),
        (150, 0.05, 1e-6, 5),
    ):
        eta = 10.0 ** rng.uniform(-3.0, 0.0)
        check_against_single_steps(
            rule,
            momentum,
            l1 if penalty in ("l1", "elasticnet") else 0.0,
            eta_l2 / eta if penalty in ("l2", "elasticnet") else 0.0,
            schedule(kind, n_steps, eta, rng),
            rng,
            n_outputs,
            now=n_steps - int(rng.integers(0, 20)),
            reach=rng.choice([0.0, eta, 10.0 * eta]),
        )


@pytest.mark.exhaustive
@pytest.mark.parametrize("rule", RULES)
def test_long_gaps(rule):
    rng = np.random.default_rng(0)
    for l1, l2 in ((0.0, 0.0), (0.0, 1e-3), (1e-6, 0.0), (1e-6, 1e-3)):
        etas = schedule("decaying", 5000, 0.5, rng)
        check_against_single_steps(rule, 0.9, l1, l2, etas, rng, 3, now=5000)


@pytest.mark.some_cases
@pytest.mark.parametrize("n_steps", [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 130])
@pytest.mark.parametrize("l1", [0.0, 1e-3])
@pytest.mark.parametrize("rule", RULES)
def test_every_number_of_steps(rule, l1, n_steps):
    """All pairs of a first and a last step, at and off the borders of spans."""
    rng = np.random.default_rng(n_steps)
    etas = schedule("decaying", n_steps, 0.5, rng)
    for now in range(max(n_steps - 20, 0), n_steps + 1):
        since = np.arange(now + 1)
        w = rng.standard_normal((now + 1, 1))
        v = 0.1 * rng.standard_normal((now + 1, 1))
        expected = one_by_one(rule, 0.8, l1, 0.1, 0.0, etas, since, now, w, v)
        LaggedMomentum(
            0.8, rule == "nesterov", l1, 0.1, 0.0, etas, False
        ).lagged_update(since, now, w, v)
        np.testing.assert_allclose(w, expected[0], rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(v, expected[1], rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("rule", RULES)
def test_one_object_serves_a_whole_call(rule):
    """Visits at growing times, other features each time: together all missed steps."""
    rng = np.random.default_rng(1)
    n_steps, l1, l2 = 700, 1e-4, 1e-2
    etas = schedule("stepwise", n_steps, 0.5, rng)
    since, w, v = start(rng, 30, 2, n_steps)
    sums = np.zeros_like(w)
    *expected, w_size, v_size = one_by_one(
        rule, 0.9, l1, l2, 2.0, etas, since, n_steps, w, v
    )
    lagged = LaggedMomentum(0.9, rule == "nesterov", l1, l2, 2.0, etas, True)
    for now in [*np.sort(rng.integers(0, n_steps, 60)), n_steps]:
        seen = np.flatnonzero((since < now) & (rng.random(30) < 0.5))
        if now == n_steps:
            seen = np.arange(30)
        parts = w[seen], v[seen], sums[seen]
        lagged.lagged_update(since[seen], now, *parts)
        w[seen], v[seen], sums[seen] = parts
        since[seen] = now
    assert np.max(np.abs(w - expected[0]) / w_size) < 1e-11
    assert np.max(np.abs(v - expected[1]) / v_size) < 1e-11
    assert np.max(np.abs(sums - expected[2]) / (n_steps * w_size)) < 1e-11


@pytest.mark.exhaustive
@pytest.mark.parametrize("rule", RULES)
def test_small_numbers_keep_their_digits(rule):
    """l2 alone for 5000 steps: w falls to e^-100 of its start, in a few products."""
    rng = np.random.default_rng(2)
    etas = np.ones(5000)
    since, w, v = np.zeros(20, dtype=np.intp), rng.random((20, 1)), np.zeros((20, 1))
    expected = one_by_one(rule, 0.9, 0.0, 0.002, 0.0, etas, since, 5000, w, v)
    LaggedMomentum(0.9, rule == "nesterov", 0.0, 0.002, 0.0, etas, False).lagged_update(
        since, 5000, w, v
    )
    assert 0.0 < w.max() < 1e-40
    np.testing.assert_allclose(w, expected[0], rtol=1e-11)
    np.testing.assert_allclose(v, expected[1], rtol=1e-11)


@pytest.mark.parametrize("l1, l2", [(0.0, 0.0), (0.0, 0.1), (0.1, 0.0), (0.1, 0.1)])
def test_nothing_to_do(l1, l2):
    """No step missed, or a coordinate at rest at zero: not one bit changes."""
    etas = np.full(100, 0.5)
    lagged = LaggedMomentum(0.9, False, l1, l2, 0.0, etas, True)
    w, v, sums = np.array([[1.5], [0.0]]), np.array([[-2.5], [0.0]]), np.ones((2, 1))
    lagged.lagged_update(np.array([70, 3]), 70, w, v, sums)
    np.testing.assert_array_equal(w, [[1.5], [0.0]])
    np.testing.assert_array_equal(v, [[-2.5], [0.0]])
    np.testing.assert_array_equal(sums, 1.0)
    LaggedMomentum(0.9, False, l1, l2, 0.0, np.empty(0), True).lagged_update(
        np.zeros(2, dtype=np.intp), 0, w, v, sums
    )
    np.testing.assert_array_equal(w, [[1.5], [0.0]])


@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize("rule", RULES)
def test_rest_at_zero(rule, l2):
    """Zero exactly, as with a threshold at each step; the velocity fades to zero."""
    etas = np.full(20000, 0.1)
    lagged = LaggedMomentum(0.9, rule == "nesterov", 0.1, l2, 1.0, etas, True)
    w, v, sums = np.array([[0.0], [0.5]]), np.array([[0.01], [0.01]]), np.zeros((2, 1))
    lagged.lagged_update(np.array([3, 3]), 20000, w, v, sums)
    np.testing.assert_array_equal(w, 0.0)
    np.testing.assert_array_equal(v, 0.0)
    assert sums[0, 0] == 0.0 < sums[1, 0]


def test_rest_ends_where_the_learning_rate_falls():
    """Under Nesterov a threshold can fall faster than the velocity."""
    l1, etas = 0.01, np.zeros(200)
    etas[0] = 1.0
    w, v, since = (
        np.zeros((1, 1)),
        np.full((1, 1), -1.5 * l1),
        np.zeros(1, dtype=np.intp),
    )
    expected = one_by_one("nesterov", 0.9, l1, 0.0, 0.0, etas, since, 200, w, v)
    first = one_by_one("nesterov", 0.9, l1, 0.0, 0.0, etas, since, 1, w, v)
    assert first[0][0, 0] == 0.0 < expected[0][0, 0]
    LaggedMomentum(0.9, True, l1, 0.0, 0.0, etas, False).lagged_update(since, 200, w, v)
    np.testing.assert_allclose(w, expected[0], rtol=1e-12)


@pytest.mark.parametrize("momentum", [0.5, 0.999])
def test_powers_end_at_zero(momentum):
    """mu^k underflows within the gap; what the velocity had to give is given."""
    etas = np.ones(1_000_000)
    w, v, sums = np.ones((1, 1)), np.full((1, 1), 1e-3), np.zeros((1, 1))
    lagged = LaggedMomentum(momentum, False, 0.0, 0.0, 0.0, etas, True)
    lagged.lagged_update(np.array([5]), 1_000_000, w, v, sums)
    end = 1.0 - 1e-3 * momentum / (1.0 - momentum)
    assert v[0, 0] == 0.0
    assert w[0, 0] == pytest.approx(end, rel=1e-12)
    total = 999_995 * end + 1e-3 * momentum**2 / (1.0 - momentum) ** 2
    assert sums[0, 0] == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("l1", [0.0, 1e-3])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_divergence_shows(rule, l1, n_outputs):
    """eta l2 far beyond stability: never a finite number that looks like a result."""
    etas = np.full(20000, 1.0)
    w, v = np.ones((1, n_outputs)), np.zeros((1, n_outputs))
    LaggedMomentum(0.9, rule == "nesterov", l1, 5.0, 0.0, etas, False).lagged_update(
        np.zeros(1, dtype=np.intp), 20000, w, v
    )
    assert not np.isfinite(w).any()


def test_shapes_are_checked():
    lagged = LaggedMomentum(0.9, False, 0.0, 0.0, 0.0, np.ones(5), True)
    since, w = np.zeros(2, dtype=np.intp), np.ones((2, 2))
    with pytest.raises(ValueError, match="since, w and v"):
        lagged.lagged_update(since, 5, w, np.ones((2, 3)))
    with pytest.raises(ValueError, match="sums"):
        lagged.lagged_update(since, 5, w, np.ones((2, 2)), np.ones((2, 1)))
