"""Catch-up of Adam's family: many steps without gradient at once, against a loop."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklgd.kernels._lagged_adam import LaggedAdam
from sklgd.optimizers import OPTIMIZERS

RULES = ["adam", "amsgrad", "nadam", "adamax"]
SCHEDULES = {
    "constant": lambda i, rng: np.full(i.size, 0.01),
    "invscaling": lambda i, rng: 0.1 / np.sqrt(1.0 + i),
    "cosine": lambda i, rng: 0.05 * (1.0 + np.cos(np.pi * i / i.size)),
    "steps": lambda i, rng: 10.0 ** -(i // 100),
    "jumps": lambda i, rng: 10.0 ** ((i // 100) % 4 * 2.0 - 6.0),
    "random": lambda i, rng: (
        (rng.uniform(size=i.size) > 0.3) * 10.0 ** rng.uniform(-6.0, 0.0, i.size)
    ),
    # The later steps would hide the first ones in a sum that is made by differences.
    "rise": lambda i, rng: np.where(i < 3, 1e-9, 1.0),
    "pause": lambda i, rng: np.where((i > 300) & (i < 400), 0.0, 0.01),
}


def factors(rule, eta, t0, beta_1, beta_2):
    """a, c, the decay of the scale, and whether the scale is a mean square."""
    t = t0 + 1.0 + np.arange(eta.size)
    root = rule != "adamax"
    a = eta / (1.0 - beta_1**t)
    if rule == "nadam":
        a = eta * beta_1 / (1.0 - beta_1 ** (t + 1.0))
    c = 1.0 / np.sqrt(1.0 - beta_2**t) if root else np.ones(eta.size)
    return a, c, 1.0 if rule == "amsgrad" else beta_2, root


def loop(a, c, beta_1, decay, epsilon, root, since, now, m, scale):
    """The move of w, its sum over the steps, m and the scale, step by step.

    The first two for each epsilon, along a first axis.
    """
    m, scale = m.astype(np.longdouble), scale.astype(np.longdouble)
    epsilon = np.asarray(epsilon, dtype=np.longdouble)[:, np.newaxis, np.newaxis]
    move = np.zeros((epsilon.size, *m.shape), dtype=np.longdouble)
    total = move.copy()
    for i in range(since.min(), now):
        on = since <= i
        m[on] *= np.longdouble(beta_1)
        scale[on] *= np.longdouble(decay)
        h = np.sqrt(scale[on]) if root else scale[on]
        move[:, on] += a[i] * m[on] / (c[i] * h + epsilon)
        total[:, on] += move[:, on]
    return move, total, m, scale


def coordinates(rng, n_features, n_outputs, beta_1, beta_2, root):
    """Moments as they are after a gradient of 1e-10 to 1e3."""
    shape = n_features, n_outputs
    g = rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-10.0, 3.0, shape)
    m = (1.0 - beta_1) * g * rng.uniform(0.1, 3.0, shape)
    scale = (1.0 - beta_2) * g**2 if root else np.abs(g)
    return m, scale * rng.uniform(1.0, 10.0, shape)


@pytest.mark.one_case
@pytest.mark.parametrize("beta_1, beta_2", [(0.9, 0.999), (0.5, 0.9), (0.99, 0.9999)])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("rule", RULES)
def test_equals_a_loop(rule, schedule, beta_1, beta_2):
    rng = np.random.default_rng(0)
    n_steps, now, n_outputs = 700, 690, 3
    epsilons = [1e-16, 1e-8, 1e-4, 0.1]
    eta = SCHEDULES[schedule](np.arange(n_steps), rng)
    since = now - np.repeat([0, 1, 2, 7, 32, 50, 150, 400, 690], 2)
    for t0 in [0, 10**6]:
        a, c, decay, root = factors(rule, eta, t0, beta_1, beta_2)
        m, scale = coordinates(rng, since.size, n_outputs, beta_1, beta_2, root)
        moves, totals, new_m, new_scale = loop(
            a, c, beta_1, decay, epsilons, root, since, now, m, scale
        )
        h = np.sqrt(scale) if root else scale
        for epsilon, move, total in zip(epsilons, moves, totals, strict=True):
            lagged = LaggedAdam(beta_1, decay, epsilon, a, c, root, True)
            # The explicit sum may leave out what is less than 1e-40 of a step.
            tiny = 1e-26 * eta.max() * np.abs(m) / (h + epsilon)
            for start in [0.0, 1.0]:
                # Starting at zero shows the move's own digits.
                w, sums = np.full(m.shape, start), np.full(m.shape, start)
                got_m, got_scale = m.copy(), scale.copy()
                lagged.lagged_update(since, now, w, got_m, got_scale, sums)
                error = np.abs(w - (start - move))
                assert np.all(error <= 1e-12 * (np.abs(move) + tiny) + 3e-16 * start)
                gap = (now - since)[:, np.newaxis]
                error = np.abs(sums - (start + gap * start - total))
                known = np.abs(total) + gap * tiny
                assert np.all(error <= 1e-11 * known + 1e-15 * start * (gap + 1))
                assert_allclose(got_m, new_m.astype(float), rtol=1e-14, atol=1e-296)
                assert_allclose(got_scale, new_scale.astype(float), rtol=1e-14)


@pytest.mark.parametrize("sums", [False, True])
def test_steps_before_a_steep_rise_of_the_learning_rate_keep_their_digits(sums):
    """Sums over all later steps are far larger; their difference would lose them."""
    rng = np.random.default_rng(0)
    eta = np.where(np.arange(400) < 3, 1e-9, 1.0)
    a, c, decay, root = factors("adam", eta, 5, 0.9, 0.999)
    since = np.array([0, 1, 2])
    m, scale = coordinates(rng, 3, 2, 0.9, 0.999, root)
    moves, totals, *_ = loop(a, c, 0.9, decay, [1e-8], root, since, 3, m, scale)
    lagged = LaggedAdam(0.9, decay, 1e-8, a, c, root, sums)
    w, total = np.zeros((2, *m.shape))
    lagged.lagged_update(since, 3, w, m, scale, total if sums else None)
    assert_allclose(-w, moves[0].astype(float), rtol=1e-11)
    if sums:
        assert_allclose(-total, totals[0].astype(float), rtol=1e-11)


def test_sums_of_steps_before_a_late_rise_of_the_learning_rate_keep_their_digits():
    """A later step weighs more in sums of sums than in sums, the more the later."""
    rng = np.random.default_rng(0)
    eta = np.zeros(305)
    eta[:3], eta[300] = 1.0, 300.0
    a, c, decay, root = factors("adam", eta, 10**6, 0.999, 0.9999)
    m, scale = coordinates(rng, 3, 2, 0.999, 0.9999, root)
    since = np.zeros(3, dtype=int)
    _, totals, *_ = loop(a, c, 0.999, decay, [1e-8], root, since, 3, m, scale)
    lagged = LaggedAdam(0.999, decay, 1e-8, a, c, root, True)
    w, sums = np.zeros((2, *m.shape))
    lagged.lagged_update(since, 3, w, m, scale, sums)
    assert_allclose(-sums, totals[0].astype(float), rtol=5e-14)


@pytest.mark.one_case
@pytest.mark.parametrize("beta_1, beta_2", [(0.9, 0.99), (0.99, 0.9), (0.0, 0.0)])
def test_every_pair_of_decays(beta_1, beta_2):
    """Also those without a series, and with steps that grow until eps stops them."""
    rng = np.random.default_rng(1)
    a, c, decay, root = factors("adam", np.full(700, 0.01), 5, beta_1, beta_2)
    since = np.array([0, 100, 500, 690, 699])
    m, scale = coordinates(rng, 5, 1, beta_1, beta_2, root)
    epsilons = [1e-12, 1e-3]
    moves, _, new_m, new_scale = loop(
        a, c, beta_1, decay, epsilons, root, since, 700, m, scale
    )
    for epsilon, move in zip(epsilons, moves, strict=True):
        w, got_m, got_scale = np.zeros(m.shape), m.copy(), scale.copy()
        lagged = LaggedAdam(beta_1, decay, epsilon, a, c, root, False)
        lagged.lagged_update(since, 700, w, got_m, got_scale)
        assert_allclose(w, -move.astype(float), rtol=1e-12)
        assert_allclose(got_m, new_m.astype(float), rtol=1e-13, atol=1e-296)
        assert_allclose(got_scale, new_scale.astype(float), rtol=1e-13, atol=1e-296)


def soft(x, threshold):
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0.0)


def loop_l1(a, c, eta, l1, beta_1, decay, epsilon, root, since, now, w, m, scale):
    """As `loop`: w, its sum, how far it was moved, how often it changed its sign."""
    m, scale = m.astype(np.longdouble), scale.astype(np.longdouble)
    epsilon = np.asarray(epsilon, dtype=np.longdouble)[:, np.newaxis, np.newaxis]
    w = np.repeat(w.astype(np.longdouble)[np.newaxis], epsilon.size, axis=0)
    total, moved, flips = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    for i in range(since.min(), now):
        on = since <= i
        m[on] *= np.longdouble(beta_1)
        scale[on] *= np.longdouble(decay)
        h = np.sqrt(scale[on]) if root else scale[on]
        e = 1.0 / (c[i] * h + epsilon)
        old = w[:, on]
        new = soft(old - a[i] * m[on] * e, eta[i] * l1 * e)
        off = (old != 0.0) | (new != 0.0)
        moved[:, on] += off * (a[i] * np.abs(m[on]) + eta[i] * l1) * e
        flips[:, on] += old * new < 0.0
        w[:, on] = new
        total[:, on] += new
    return w, total, moved, flips


@pytest.mark.some_cases
@pytest.mark.parametrize("beta_1, beta_2", [(0.9, 0.999), (0.9, 0.9), (0.99, 0.9999)])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("rule", RULES)
def test_l1_equals_a_loop(rule, schedule, beta_1, beta_2):
    rng = np.random.default_rng(4)
    n_steps, now, n_outputs, l1 = 700, 690, 20, 1e-4
    epsilons = [1e-16, 1e-8, 1e-4]
    eta = SCHEDULES[schedule](np.arange(n_steps), rng)
    since = now - np.array([0, 1, 2, 7, 8, 9, 32, 50, 150, 400, 690])
    shape = since.size, n_outputs
    a, c, decay, root = factors(rule, eta, 2, beta_1, beta_2)
    g = rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-5.0, 0.0, shape)
    m = (1.0 - beta_1) * g * rng.choice([0.0, 0.1, 1.0, 3.0], shape)
    scale = (1.0 - beta_2) * g**2 if root else np.abs(g)
    w0 = rng.standard_normal(shape) * rng.choice([0.0, 1e-6, 1e-4, 0.01, 1.0], shape)
    coefs, totals, paths, flips = loop_l1(
        a, c, eta, l1, beta_1, decay, epsilons, root, since, now, w0, m, scale
    )
    # All kinds of paths: across zero, out of zero, into zero, and never there.
    assert np.any(flips > 0) and np.any((w0 == 0.0) & (coefs != 0.0))
    assert np.any((w0 != 0.0) & (coefs == 0.0)) and np.any(w0 * coefs > 0.0)
    gap = (now - since)[:, np.newaxis]
    for epsilon, coef, total, path in zip(epsilons, coefs, totals, paths, strict=True):
        for want_sums in [False, True]:
            w, sums = w0.copy(), np.ones(shape)
            got_m, got_scale = m.copy(), scale.copy()
            lagged = LaggedAdam(
                beta_1, decay, epsilon, a, c, root, want_sums, eta=eta, l1=l1
            )
            lagged.lagged_update(
                since, now, w, got_m, got_scale, sums if want_sums else None
            )
            known = np.abs(w0) + path
            assert np.all(np.abs(w - coef) <= 1e-11 * known)
            assert_array_equal(w == 0.0, coef == 0.0)
            assert_allclose(got_m, m * beta_1**gap, rtol=1e-12, atol=1e-296)
            assert_allclose(got_scale, scale * decay**gap, rtol=1e-12)
        assert np.all(np.abs(sums - 1.0 - total) <= 1e-10 * gap * known + 1e-15)


@pytest.mark.parametrize("l1", [0.0, 1e-3])
@pytest.mark.parametrize("rule", RULES)
def test_equals_the_rule(rule, l1):
    """Dense steps of the rule itself with a gradient of zero."""
    rng = np.random.default_rng(2)
    n, n_warm, n_steps = 40, 5, 400
    optimizer = OPTIMIZERS[rule]()
    w = rng.standard_normal(n)
    dense = optimizer.make_rule(w, np.full(n, l1), np.zeros(n))
    for _ in range(n_warm):
        dense.take_step(rng.standard_normal(n) * 10.0 ** rng.uniform(-6, 2, n), 0.1)
    eta = 0.1 / np.sqrt(1.0 + np.arange(n_steps))
    a, c, decay, root = factors(rule, eta, n_warm, optimizer.beta_1, optimizer.beta_2)
    name = {"amsgrad": "max_mean_square", "adamax": "max_gradient"}
    name = name.get(rule, "mean_square")
    state = dense.state()
    ours, m, scale = (x[:, np.newaxis].copy() for x in (w, state["mean"], state[name]))
    before = w.copy()
    for step in eta:
        dense.take_step(np.zeros(n), step)
    lagged = LaggedAdam(
        optimizer.beta_1, decay, optimizer.epsilon, a, c, root, False, eta, l1
    )
    lagged.lagged_update(np.zeros(n, dtype=int), n_steps, ours, m, scale)
    assert np.abs(w - before).min() > 1e-3
    if l1 > 0.0:
        assert 0 < np.count_nonzero(w) < n
    assert_allclose(ours[:, 0], w, rtol=1e-11)
    assert_allclose(m[:, 0], dense.state()["mean"], rtol=1e-12)
    assert_allclose(scale[:, 0], dense.state()[name], rtol=1e-12)


@pytest.mark.parametrize("rule", ["rmsprop", "adagrad"])
def test_thresholds_of_rules_without_a_mean(rule):
    rng = np.random.default_rng(5)
    n, n_steps, l1 = 40, 60, 1e-3
    optimizer = OPTIMIZERS[rule]()
    w = rng.standard_normal(n) * 10.0 ** rng.uniform(-3.0, 0.0, n)
    dense = optimizer.make_rule(w, np.full(n, l1), np.zeros(n))
    dense.take_step(rng.standard_normal(n) * 10.0 ** rng.uniform(-3, 0, n), 0.01)
    (name,) = optimizer.rule.slot_names
    ours, scale = (x[:, np.newaxis].copy() for x in (w, dense.state()[name]))
    eta = 0.01 / np.sqrt(1.0 + np.arange(n_steps))
    decay = optimizer.rho if rule == "rmsprop" else 1.0
    for step in eta:
        dense.take_step(np.zeros(n), step)
    lagged = LaggedAdam(
        *(0.0, decay, optimizer.epsilon, np.zeros(n_steps), np.ones(n_steps), True),
        *(False, eta, l1),
    )
    assert lagged.bounded
    since = np.zeros(n, dtype=int)
    lagged.lagged_update(since, n_steps, ours, np.zeros((n, 1)), scale)
    assert 0 < np.count_nonzero(w) < n
    assert_allclose(ours[:, 0], w, rtol=1e-11)
    assert_allclose(scale[:, 0], dense.state()[name], rtol=1e-12)


def make(beta_1=0.9, decay=0.999, epsilon=1e-8, n_steps=1000, want_sums=False, l1=0.0):
    eta = np.full(n_steps, 0.01)
    a, c, _, root = factors("adam", eta, 0, beta_1, decay)
    return LaggedAdam(beta_1, decay, epsilon, a, c, root, want_sums, eta, l1)


def test_two_gaps_are_one():
    rng = np.random.default_rng(3)
    m, scale = coordinates(rng, 30, 2, 0.9, 0.999, True)
    results = []
    for stops in [[1000], [300, 1000], [1, 2, 40, 1000]]:
        state = np.ones(m.shape), m.copy(), scale.copy(), np.zeros(m.shape)
        since = np.zeros(30, dtype=int)
        for now in stops:
            make(want_sums=True).lagged_update(since, now, *state)
            since[:] = now
        results.append(state)
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert_allclose(two, one, rtol=1e-12, atol=1e-300)


def test_coordinates_at_rest_stay():
    """No moments at all, or none left of the mean: w keeps its bits."""
    w, m, scale = np.full((1, 2), 0.1), np.zeros((1, 2)), np.array([[0.0, 4.0]])
    sums = np.zeros((1, 2))
    make(want_sums=True).lagged_update([0], 1000, w, m, scale, sums)
    assert_array_equal(w, 0.1)
    assert_array_equal(m, 0.0)
    assert_allclose(scale, [[0.0, 4.0 * 0.999**1000]], rtol=1e-13)
    assert_allclose(sums, 100.0, rtol=1e-15)


def test_zeros_that_the_mean_gradient_cannot_leave_stay():
    """|m|/(1-b1^t) below l1 after the first decay, beside one above."""
    l1 = 0.01
    limit = l1 * (1.0 - 0.9) / 0.9
    m = np.array([[0.999, -0.999, 1.001, -1.001]]) * limit
    w, scale = np.zeros((1, 4)), np.ones((1, 4))
    make(l1=l1).lagged_update([0], 1, w, m, scale)
    assert_array_equal(np.sign(w), [[0, 0, -1, 1]])


@pytest.mark.parametrize("l1", [0.0, 1e-4])
def test_an_unusable_coordinate_spoils_no_other(l1):
    w, m, scale = np.zeros((4, 1)), np.ones((4, 1)), np.ones((4, 1))
    m[1], scale[2], w[3] = np.nan, np.nan, np.nan
    make(l1=l1).lagged_update([0, 0, 0, 0], 1000, w, m, scale)
    assert np.isfinite(w[0, 0])
    assert np.isnan(w[1:]).all()


def test_gaps_beyond_the_tables_of_powers():
    gap = 70_000
    a, c, decay, root = factors("adam", np.full(gap, 0.01), 0, 0.9, 0.9999)
    w, m, scale = np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1))
    LaggedAdam(0.9, decay, 1e-8, a, c, root, False).lagged_update([0], gap, w, m, scale)
    i = np.arange(1, 1001)
    moves = a[:1000] * 0.9**i / (c[:1000] * 0.9999 ** (i / 2) + 1e-8)
    assert_allclose(w, -moves.sum(), rtol=1e-13)
    assert m[0, 0] == 0.0
    assert_allclose(scale, 0.9999**gap, rtol=1e-13)


def test_bounded_says_whether_the_gap_matters():
    assert make().bounded and make().n_terms == 8
    assert make(0.9, 1.0 - 1e-12).bounded
    # The tables diverge; the explicit sum is short, or as long as the gap.
    short, long = make(0.5, 0.5, n_steps=10**4), make(0.99, 0.9, n_steps=10**4)
    assert short.bounded and short.longest < 1000
    assert not long.bounded and long.longest == 10**4
    assert make(0.0, 0.9).bounded


@pytest.mark.parametrize(
    "wrong",
    [
        {"since": [-1, 0]},
        {"since": [0]},
        {"since": [0, 6]},
        {"now": 1001},
        {"m": np.zeros((2, 2))},
        {"sums": np.zeros((2, 1))},
    ],
)
def test_lagged_update_checks_its_arrays(wrong):
    good = {"since": [0, 5], "now": 5}
    good |= {name: np.zeros((2, 1)) for name in ("w", "m", "scale")}
    make().lagged_update(**good)
    with pytest.raises(ValueError, match=r"since|now|one shape|sums"):
        make().lagged_update(**good | wrong)


@pytest.mark.parametrize(
    "wrong", [{"beta_1": 1.0}, {"decay": 1.1}, {"decay": -0.1}, {"epsilon": 0.0}]
)
def test_constructor_checks_its_parameters(wrong):
    with pytest.raises(ValueError, match="out of range"):
        LaggedAdam(
            **{"beta_1": 0.9, "decay": 0.9, "epsilon": 1e-8} | wrong,
            a=np.ones(3),
            c=np.ones(3),
            root=True,
            want_sums=False,
        )


@pytest.mark.parametrize("eta", [None, np.ones(2)])
def test_l1_needs_the_learning_rates(eta):
    with pytest.raises(ValueError, match="eta"):
        LaggedAdam(0.9, 0.9, 1e-8, np.ones(3), np.ones(3), True, False, eta, 0.1)
