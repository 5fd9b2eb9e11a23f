"""`minimize` on functions whose minima and paths are known."""

import logging

import numpy as np
import pytest
import reference
import scipy.optimize
from conftest import RULES
from numpy.testing import assert_allclose
from scipy.optimize import Bounds, OptimizeResult, rosen, rosen_der

from sklgd import minimize
from sklgd.optimizers import OPTIMIZERS, Adam, Momentum
from sklgd.schedules import Cosine, Exponential

OTHERS = [name for name in OPTIMIZERS if name not in RULES]


def parabola(x):
    return x[0] ** 2 + 1.0


def parabola_slope(x):
    return 2.0 * x


def bowl(x):
    return x[0] ** 2 + x[0] * x[1] + x[1] ** 2


def bowl_slope(x):
    return np.array([2.0 * x[0] + x[1], x[0] + 2.0 * x[1]])


def beale(x):
    powers = np.array([1.0, 2.0, 3.0])
    return ((np.array([1.5, 2.25, 2.625]) - x[0] + x[0] * x[1] ** powers) ** 2).sum()


def beale_slope(x):
    powers = np.array([1.0, 2.0, 3.0])
    rest = np.array([1.5, 2.25, 2.625]) - x[0] + x[0] * x[1] ** powers
    return 2.0 * np.array(
        [
            rest @ (x[1] ** powers - 1.0),
            rest @ (x[0] * powers * x[1] ** (powers - 1.0)),
        ]
    )


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2


def himmelblau_slope(x):
    a, b = x[0] ** 2 + x[1] - 11.0, x[0] + x[1] ** 2 - 7.0
    return np.array([4.0 * x[0] * a + 2.0 * b, 2.0 * a + 4.0 * x[1] * b])


def rastrigin(x):
    return (10.0 + x**2 - 10.0 * np.cos(2.0 * np.pi * x)).sum()


def rastrigin_slope(x):
    return 2.0 * x + 20.0 * np.pi * np.sin(2.0 * np.pi * x)


def monkey_saddle(x):
    return x[0] ** 3 - 3.0 * x[0] * x[1] ** 2


def monkey_saddle_slope(x):
    return np.array([3.0 * x[0] ** 2 - 3.0 * x[1] ** 2, -6.0 * x[0] * x[1]])


PATHS = {
    "parabola": (parabola, parabola_slope, [3.0]),
    "bowl": (bowl, bowl_slope, [2.0, -1.0]),
    "rosenbrock": (rosen, rosen_der, [-1.2, 1.0]),
}
# Function, gradient, start, and the minima of which it may find one.
MINIMA = {
    "parabola": (parabola, parabola_slope, [3.0], [[0.0]]),
    "bowl": (bowl, bowl_slope, [2.0, -1.0], [[0.0, 0.0]]),
    "beale": (beale, beale_slope, [1.0, 1.0], [[3.0, 0.5]]),
    "himmelblau": (
        himmelblau,
        himmelblau_slope,
        [0.0, 0.0],
        [
            [3.0, 2.0],
            [-2.805118, 3.131313],
            [-3.779310, -3.283186],
            [3.584428, -1.8481],
        ],
    ),
    # One of many local minima, near (1, -1).
    "rastrigin": (rastrigin, rastrigin_slope, [1.2, -0.8], [[0.994959, -0.994959]]),
}


class Counted:
    """A function that counts its calls, and refuses to be called outside bounds."""

    def __init__(self, function, lower=-np.inf, upper=np.inf):
        self.function, self.lower, self.upper = function, lower, upper
        self.calls = 0

    def __call__(self, x, *args):
        assert (self.lower <= x).all()
        assert (x <= self.upper).all()
        self.calls += 1
        return self.function(x, *args)


@pytest.mark.parametrize("problem", MINIMA)
@pytest.mark.parametrize("start", [0, 1])
def test_gradients_of_the_test_functions(problem, start):
    fun, jac, x0, _ = MINIMA[problem]
    x = np.array(x0) + 0.3 * start
    assert scipy.optimize.check_grad(fun, jac, x) < 1e-5


# ----------------------------------------------------------------------------- the path


@pytest.mark.some_cases
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("problem", PATHS)
@pytest.mark.parametrize("name", RULES)
def test_path_is_that_of_the_textbook(name, problem, schedule):
    fun, jac, x0 = PATHS[problem]
    eta0 = 5e-4 if problem == "rosenbrock" else 0.05
    n_steps = 150  # later Nadam is unstable in the bowl, and rounding grows
    eta = {
        "constant": reference.constant(eta0),
        "cosine": reference.cosine(eta0, n_steps),
    }
    etas = [eta[schedule](t) for t in range(1, n_steps + 1)]
    expected = reference.minimize(jac, x0, reference.OPTIMIZERS[name](), etas)

    result = minimize(
        fun, x0, jac=jac, optimizer=name, learning_rate=schedule, eta0=eta0,
        max_iter=n_steps, tol=0.0,
    )  # fmt: skip

    assert_allclose(result.eta_path, etas, rtol=1e-12)
    assert_allclose(result.path, expected, rtol=1e-12, atol=1e-12)
    assert_allclose(result.fun_path, [fun(x) for x in expected], rtol=1e-11)
    assert_allclose(result.x, expected[-1], rtol=1e-12, atol=1e-12)
    assert result.nit == n_steps


def test_gradient_descent_on_a_parabola_in_closed_form():
    result = minimize(
        parabola, 3.0, jac=parabola_slope, learning_rate=0.1, max_iter=50, tol=0.0
    )

    assert_allclose(result.path[:, 0], 3.0 * 0.8 ** np.arange(51), rtol=1e-12)


@pytest.mark.some_cases
@pytest.mark.parametrize("name", RULES)
def test_bounded_path_is_that_of_the_textbook(name):
    lower, upper = np.array([0.5, -0.7]), np.array([1.5, np.inf])
    rule = reference.OPTIMIZERS[name]()
    expected = reference.minimize(
        bowl_slope, [2.0, -1.0], rule, np.full(60, 0.05), lower, upper
    )

    result = minimize(
        bowl, [2.0, -1.0], jac=bowl_slope, optimizer=name, learning_rate=0.05,
        bounds=Bounds(lower, upper), max_iter=60, tol=0.0,
    )  # fmt: skip

    assert_allclose(result.path, expected, rtol=1e-12, atol=1e-12)
    assert (result.path >= lower).all()
    assert (result.path <= upper).all()


def test_schedules():
    def run(learning_rate, **options):
        return minimize(
            bowl, [2.0, -1.0], jac=bowl_slope, learning_rate=learning_rate,
            max_iter=20, tol=0.0, **options,
        ).eta_path  # fmt: skip

    t = np.arange(1, 21)
    assert_allclose(run(Exponential(0.1, every=5)), 0.1 * 0.5 ** ((t - 1) / 5))
    assert_allclose(run(lambda t: 1.0 / (10.0 + t)), 1.0 / (10.0 + t))
    assert_allclose(run("invscaling", eta0=0.1), 0.1 / t**0.25)
    assert_allclose(run(Cosine(0.1)), run(Cosine(0.1, total_steps=20)))


def test_adaptive_schedule_falls_on_a_plateau():
    # |x| by steps of one length: to and fro over the jump.
    result = minimize(
        lambda x: abs(x[0]), 1.05, jac=np.sign, learning_rate="adaptive", eta0=0.1,
        max_iter=200, n_iter_no_change=5,
    )  # fmt: skip

    etas = np.unique(result.eta_path)[::-1]
    assert_allclose(etas[:3], [0.1, 0.02, 0.004])
    assert result.fun < 1e-5


# -------------------------------------------------------------------------- the minimum


@pytest.mark.some_cases
@pytest.mark.parametrize("problem", MINIMA)
@pytest.mark.parametrize("name", RULES)
def test_auto_finds_a_minimum(name, problem):
    fun, jac, x0, minima = MINIMA[problem]

    result = minimize(fun, x0, jac=jac, optimizer=name, max_iter=5000)

    assert result.success, result.message
    assert result.status == 0
    assert np.abs(result.jac).max() <= 1e-5
    distance = np.abs(np.array(minima) - result.x).max(axis=1).min()
    assert distance < 1e-4
    assert (np.diff(result.fun_path) <= 0.0).all()


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", RULES)
def test_rosenbrock(name):
    result = minimize(rosen, [-1.2, 1.0], jac=rosen_der, optimizer=name, max_iter=3000)

    assert (np.diff(result.fun_path) <= 0.0).all()
    # From 24.2 into the valley, and along it: how far depends on the optimizer.
    assert result.fun < 0.05
    if name in ("momentum", "adam", "amsgrad", "nadam", "adamax"):
        assert result.fun < 1e-5


@pytest.mark.parametrize("name", [name for name in RULES if name != "ftrl"])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_auto_does_not_depend_on_the_units_of_the_function(name, scale):
    # (The parameter beta of FTRL has the unit of a gradient.)
    result = minimize(
        lambda x: scale * bowl(x), [2.0, -1.0], jac=lambda x: scale * bowl_slope(x),
        optimizer=name, max_iter=5000, tol=1e-5 * scale,
    )  # fmt: skip

    assert result.success, result.message
    assert np.abs(result.x).max() < 1e-4


@pytest.mark.parametrize("name", RULES)
def test_auto_survives_the_edge_of_the_domain(name):
    def fun(x):
        return x[0] - np.log(x[0])  # nan for x < 0

    result = minimize(
        fun, 0.05, jac=lambda x: 1.0 - 1.0 / x, optimizer=name, max_iter=5000
    )

    assert np.isfinite(result.path).all()
    assert abs(result.x[0] - 1.0) < 1e-2


@pytest.mark.parametrize("name", RULES)
def test_bounds(name):
    bounds = [(1.0, 2.0), (None, 0.8)]
    expected = scipy.optimize.minimize(
        rosen, [1.8, -1.0], jac=rosen_der, bounds=bounds, method="L-BFGS-B"
    ).x
    lower, upper = np.array([1.0, -np.inf]), np.array([2.0, 0.8])
    fun = Counted(rosen, lower, upper)

    result = minimize(
        fun, [1.8, -1.0], jac=Counted(rosen_der, lower, upper), bounds=bounds,
        optimizer=name, max_iter=5000,
    )  # fmt: skip

    assert result.success, result.message
    assert_allclose(result.x, expected, atol=1e-5)


def test_start_is_moved_inside_the_bounds():
    result = minimize(
        bowl, [5.0, -5.0], jac=bowl_slope, bounds=Bounds(-1.0, 1.0), max_iter=0
    )

    assert_allclose(result.path, [[1.0, -1.0]])


# ----------------------------------------------------------- saddles, plateaus, ravines


@pytest.mark.parametrize("name", RULES)
def test_a_saddle_point_is_no_minimum(name):
    result = minimize(
        lambda x: x[0] ** 2 - x[1] ** 2, [1.0, 0.0],
        jac=lambda x: np.array([2.0 * x[0], -2.0 * x[1]]), optimizer=name,
    )  # fmt: skip

    assert (result.status, result.success) == (6, False)
    assert "saddle point" in result.message
    assert np.abs(result.x).max() < 1e-4


@pytest.mark.parametrize("name", RULES)
def test_beside_the_saddle_every_optimizer_escapes(name):
    def fun(x):
        return x[0] ** 2 - x[1] ** 2 + x[1] ** 4 / 4.0

    result = minimize(
        fun, [1.0, 1e-3], optimizer=name, max_iter=5000,
        jac=lambda x: np.array([2.0 * x[0], -2.0 * x[1] + x[1] ** 3]),
    )  # fmt: skip

    assert result.success, result.message
    assert_allclose(result.x, [0.0, np.sqrt(2.0)], atol=1e-4)


def test_monkey_saddle():
    # All second derivatives are zero at the origin.
    at_saddle = minimize(monkey_saddle, [0.0, 0.0], jac=monkey_saddle_slope)
    # Down one of the three valleys: there is no minimum.
    beside = minimize(
        monkey_saddle, [-0.1, 0.01], jac=monkey_saddle_slope, learning_rate=0.1,
        max_iter=1000,
    )  # fmt: skip
    held = minimize(
        monkey_saddle, [-0.1, 0.01], jac=monkey_saddle_slope, bounds=Bounds(-1.0, 1.0)
    )

    assert (at_saddle.status, at_saddle.nit) == (6, 0)
    assert not beside.success
    assert "no minimum" in beside.message
    assert np.isfinite(beside.x).all()
    # At the edge of the square the valley ends in a minimum.
    assert held.success, held.message
    assert_allclose(held.x, [-1.0, 0.0], atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_maximum_and_saddles_in_more_dimensions(n):
    signs = np.where(np.arange(n) % 2 == 0, -1.0, 1.0)

    result = minimize(lambda x: signs @ x**2, np.zeros(n), jac=lambda x: 2 * signs * x)

    assert result.status == 6


@pytest.mark.parametrize("n", [1, 2, 30])
@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("power", [2, 4])
def test_a_minimum_is_not_taken_for_a_saddle(n, offset, power):
    rng = np.random.RandomState(n)
    B = rng.standard_normal((n, n))
    A = B @ B.T / n + 0.01 * np.eye(n)

    def fun(x):
        return (x @ A @ x) ** (power // 2) + offset

    result = minimize(fun, np.zeros(n), jac=lambda x: np.zeros(n))

    assert result.status == 0, result.message


def test_tail_of_a_plateau():
    # Flat far out: the gradient is below tol, but the well is elsewhere.
    result = minimize(lambda x: -np.exp(-x @ x), [3.0, 2.5], tol=1e-4)

    assert result.status == 6
    assert "plateau" in result.message


def test_ravine_is_named():
    scales = np.array([1.0, 100.0])
    result = minimize(
        lambda x: 0.5 * scales @ x**2, [10.0, 1.0], jac=lambda x: scales * x,
        learning_rate=0.0199, max_iter=50,
    )  # fmt: skip

    assert result.status == 1
    assert "ravine" in result.message
    assert "max_iter=50" in result.message


# ---------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("name", RULES)
def test_nan_keeps_the_last_good_point(name):
    def fun(x):
        return np.sqrt(1.0 - x[0])  # falls until it ends at 1

    def jac(x):
        return -0.5 / np.sqrt(1.0 - x)

    result = minimize(fun, 0.0, jac=jac, optimizer=name, learning_rate=0.3)

    assert (result.status, result.success) == (4, False)
    assert "nan" in result.message
    assert "learning rate 0.3" in result.message
    assert np.isfinite(result.path).all()
    assert np.isfinite(result.fun_path).all()
    assert len(result.path) == len(result.fun_path) == result.nit + 1
    assert len(result.eta_path) == result.nit
    assert_allclose(result.x, result.path[np.argmin(result.fun_path)])
    assert_allclose(result.fun, result.fun_path.min())


def test_nan_at_the_start():
    result = minimize(lambda x: np.log(x[0]), -1.0, jac=lambda x: 1.0 / x)

    assert (result.status, result.nit) == (4, 0)
    assert "at the start" in result.message


def test_nan_in_the_gradient():
    result = minimize(
        lambda x: abs(x).sum(), [1.0, 2.0], jac=lambda x: np.array([1.0, np.nan])
    )

    assert result.status == 4
    assert "jac is nan in variable 1" in result.message


def test_steps_that_are_too_large():
    def run(max_iter):
        return minimize(
            bowl, [2.0, -1.0], jac=bowl_slope, learning_rate=0.7, max_iter=max_iter
        )

    few, many = run(20), run(100_000)

    assert few.status == 5
    assert "0.7 is too large" in few.message
    assert_allclose(few.x, few.path[np.argmin(few.fun_path)])
    assert few.fun_path[-1] > few.fun_path[0]
    assert many.status == 4
    assert np.isfinite(many.x).all()


def test_wrong_gradient_is_said_to_be_one():
    result = minimize(bowl, [2.0, -1.0], jac=lambda x: -bowl_slope(x))

    assert result.status == 7
    assert "check_grad" in result.message
    assert_allclose(result.x, [2.0, -1.0])


def test_no_warnings_from_overflow(recwarn):
    minimize(lambda x: x[0] ** 4, 3.0, jac=lambda x: 4 * x**3, learning_rate=5.0)

    assert not recwarn.list


# ---------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("jac", [None, False, "2-point", "3-point"])
@pytest.mark.parametrize("problem", ["bowl", "beale", "himmelblau"])
def test_finite_differences(problem, jac):
    fun, slope, x0, _ = MINIMA[problem]

    def run(jac):
        return minimize(fun, x0, jac=jac, learning_rate=0.002, max_iter=50)

    accuracy = 1e-9 if jac == "3-point" else 1e-6
    assert_allclose(run(jac).path, run(slope).path, rtol=0, atol=accuracy)


@pytest.mark.parametrize("jac", [None, "3-point"])
def test_finite_differences_stay_inside_the_bounds(jac):
    lower, upper = np.array([1.0, -1.0]), np.array([2.0, 0.8])
    fun = Counted(rosen, lower, upper)

    result = minimize(fun, [2.0, -1.0], jac=jac, bounds=Bounds(lower, upper))

    assert_allclose(result.x, [1.0, 0.8], atol=1e-5)
    assert result.nfev == fun.calls


def test_value_and_gradient_from_one_function():
    fun = Counted(lambda x: (bowl(x), bowl_slope(x)))
    one = minimize(fun, [2.0, -1.0], jac=True, learning_rate=0.1, max_iter=30)
    two = minimize(bowl, [2.0, -1.0], jac=bowl_slope, learning_rate=0.1, max_iter=30)

    assert_allclose(one.path, two.path, rtol=0, atol=0)
    assert one.nfev == fun.calls == 31
    assert one.njev == 31


@pytest.mark.parametrize("learning_rate", ["auto", 0.1])
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_counts(name, learning_rate):
    fun, jac = Counted(bowl), Counted(bowl_slope)

    result = minimize(
        fun, [2.0, -1.0], jac=jac, optimizer=name, learning_rate=learning_rate
    )

    assert (result.nfev, result.njev) == (fun.calls, jac.calls)
    assert len(result.path) == len(result.fun_path) == result.nit + 1


def test_arguments_are_passed_on():
    def fun(x, centre, power):
        return ((x - centre) ** power).sum()

    def jac(x, centre, power):
        return power * (x - centre) ** (power - 1)

    result = minimize(fun, np.zeros(3), (np.arange(3.0), 2), jac=jac)

    assert_allclose(result.x, np.arange(3.0), atol=1e-5)


def test_the_functions_may_change_their_argument():
    def jac(x):
        slope = bowl_slope(x)
        x[...] = np.nan
        return slope

    result = minimize(bowl, [2.0, -1.0], jac=jac)

    assert result.success


# ----------------------------------------------------------------------------- stopping


def test_tolerance_of_the_gradient():
    result = minimize(bowl, [2.0, -1.0], jac=bowl_slope, learning_rate=0.1, tol=1e-3)
    slopes = np.array([np.abs(bowl_slope(x)).max() for x in result.path])

    assert result.status == 0
    assert slopes[-1] <= 1e-3
    assert (slopes[:-1] > 1e-3).all()


def test_tolerance_of_the_step():
    result = minimize(
        bowl, [2.0, -1.0], jac=bowl_slope, learning_rate=0.1, tol=0.0, xtol=1e-3,
        n_iter_no_change=3,
    )  # fmt: skip
    lengths = np.linalg.norm(np.diff(result.path, axis=0), axis=1)

    assert (result.status, result.success) == (2, True)
    assert (lengths[-3:] <= 1e-3).all()
    assert lengths[-4] > 1e-3


def test_the_tolerance_of_the_step_is_relative_to_a_large_point():
    """A point of size 1e6 has arrived where steps are shorter than 1e-3 of that."""
    result = minimize(
        lambda x: 0.5 * (x[0] - 1e6) ** 2, [2e6], jac=lambda x: x - 1e6,
        learning_rate=0.1, tol=0.0, xtol=1e-3, n_iter_no_change=1,
    )  # fmt: skip
    last = abs(np.diff(result.path[:, 0]))[-1]
    assert result.status == 2
    assert 0.5e3 < last < 1.2e3


def test_the_tolerance_of_the_function_is_relative_to_a_large_value():
    """Of a function of size 1e6, changes below 1e3 are none."""
    result = minimize(
        lambda x: 0.5 * x[0] ** 2 + 1e6, [1.0], jac=lambda x: x, learning_rate=0.1,
        tol=0.0, ftol=1e-3, n_iter_no_change=2,
    )  # fmt: skip
    assert (result.status, result.nit) == (3, 2)


def test_tolerance_of_the_function():
    result = minimize(
        bowl, [2.0, -1.0], jac=bowl_slope, learning_rate=0.1, tol=0.0, ftol=1e-4,
        n_iter_no_change=2,
    )  # fmt: skip
    changes = np.abs(np.diff(result.fun_path))

    assert (result.status, result.success) == (3, True)
    assert (changes[-2:] <= 1e-4).all()
    assert changes[-3] > 1e-4


def test_start_at_the_minimum():
    result = minimize(bowl, [0.0, 0.0], jac=bowl_slope)

    assert (result.status, result.nit, len(result.path)) == (0, 0, 1)


@pytest.mark.parametrize("through_scipy", [False, True])
def test_callback(through_scipy):
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)
        if len(seen) == 4:
            raise StopIteration

    options = {"learning_rate": 0.1}
    if through_scipy:
        result = scipy.optimize.minimize(
            bowl, [2.0, -1.0], jac=bowl_slope, method=minimize, callback=callback,
            options=options,
        )  # fmt: skip
    else:
        result = minimize(
            bowl, [2.0, -1.0], jac=bowl_slope, callback=callback, **options
        )

    assert (result.status, result.success, result.nit) == (99, False, 4)
    assert all(isinstance(r, OptimizeResult) for r in seen)
    assert_allclose([r.x for r in seen], result.path[1:])
    assert_allclose([r.fun for r in seen], result.fun_path[1:])
    assert [r.nit for r in seen] == [1, 2, 3, 4]
    assert [r.eta for r in seen] == [0.1] * 4


def test_callback_of_x():
    points = []
    result = minimize(
        bowl, [2.0, -1.0], jac=bowl_slope, learning_rate=0.1, max_iter=5,
        callback=points.append,
    )  # fmt: skip

    assert_allclose(points, result.path[1:])


def test_path_is_not_kept_on_request():
    result = minimize(bowl, [2.0, -1.0], jac=bowl_slope, store_path=False)

    assert "path" not in result
    assert len(result.fun_path) == result.nit + 1


def test_a_line_is_logged_in_each_step(caplog):
    with caplog.at_level(logging.INFO, logger="sklgd"):
        minimize(bowl, [2.0, -1.0], jac=bowl_slope, learning_rate=0.1, max_iter=3)
        assert not caplog.records
        minimize(
            bowl, [2.0, -1.0], jac=bowl_slope, learning_rate=0.1, max_iter=3, verbose=1
        )

    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("step 1: fun 2.19")
    assert len(lines) == 4
    assert "max_iter=3" in lines[-1]


# ---------------------------------------------------------------------- method of SciPy


@pytest.mark.parametrize("jac", [bowl_slope, None])
def test_method_of_scipy(jac):
    options = {"optimizer": Momentum(0.5), "learning_rate": 0.1, "max_iter": 40}
    bounds = [(0.1, 2.0), (None, None)]
    ours = minimize(bowl, [2.0, -1.0], jac=jac, bounds=bounds, tol=1e-4, **options)
    theirs = scipy.optimize.minimize(
        bowl, [2.0, -1.0], jac=jac, bounds=bounds, method=minimize, tol=1e-4,
        options=options,
    )  # fmt: skip

    assert_allclose(theirs.path, ours.path, rtol=0, atol=0)
    assert theirs.message == ours.message


def test_method_of_scipy_with_value_and_gradient_from_one_function():
    fun = Counted(lambda x: (bowl(x), bowl_slope(x)))
    result = scipy.optimize.minimize(fun, [2.0, -1.0], jac=True, method=minimize)

    assert result.success
    assert fun.calls <= result.nfev + result.njev


def test_local_step_of_basin_hopping():
    result = scipy.optimize.basinhopping(
        rastrigin, [3.2, -2.1], rng=0, niter=60,
        minimizer_kwargs={"method": minimize, "jac": rastrigin_slope},
    )  # fmt: skip

    assert result.fun < 1e-8


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("name", OTHERS)
def test_optimizers_that_need_rows(name):
    with pytest.raises(ValueError, match="L-BFGS-B"):
        minimize(bowl, [2.0, -1.0], optimizer=OPTIMIZERS[name]())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adamm"}, "optimizer='adamm'"),
        ({"optimizer": "auto"}, "optimizer='auto'"),
        ({"optimizer": Adam(beta_1=2.0)}, "beta_1"),
        ({"learning_rate": -0.1}, "learning_rate=-0.1"),
        ({"learning_rate": "constant"}, "needs eta0"),
        ({"learning_rate": "optimal"}, "'optimal' depends on the penalty"),
        ({"eta0": 0.1}, "eta0=0.1 would be ignored"),
        ({"learning_rate": 0.1, "eta0": 0.1}, "eta0=0.1 would be ignored"),
        ({"max_iter": -1}, "max_iter=-1"),
        ({"max_iter": 1.5}, "max_iter=1.5"),
        ({"tol": np.nan}, "tol=nan"),
        ({"xtol": -1.0}, "xtol=-1.0"),
        ({"ftol": "small"}, "ftol='small'"),
        ({"n_iter_no_change": 0}, "n_iter_no_change=0"),
        ({"callback": "print"}, "callback='print'"),
        ({"jac": "cs"}, "jac='cs'"),
        ({"jac": [1.0, 2.0]}, "jac="),
        ({"jac": lambda x: np.ones(3)}, "jac must return 2 real numbers"),
        ({"jac": lambda x: None}, "jac must return 2 real numbers"),
        ({"jac": True}, "returns the pair"),
        ({"bounds": [(0.0, 1.0)]}, "2 pairs"),
        ({"bounds": [(0.0, 1.0), (2.0, 1.0)]}, "variable 1 is above"),
        ({"bounds": Bounds(np.zeros(3), np.ones(3))}, "does not fit x0"),
        ({"hess": np.eye}, "hess is given"),
        ({"constraints": [{"type": "eq"}]}, "constraints is given"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_bad_parameters(options, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        minimize(bowl, [2.0, -1.0], **options)


@pytest.mark.parametrize("x0", [[], [[1.0, 2.0]], [1.0, np.nan], np.inf])
def test_bad_start(x0):
    with pytest.raises(ValueError, match="x0 must be"):
        minimize(bowl, x0)


@pytest.mark.parametrize("value", [None, np.ones(2), "1", 1.0 + 2.0j])
def test_bad_value(value):
    with pytest.raises(ValueError, match="fun must return a real number"):
        minimize(lambda x: value, [2.0, -1.0])


def test_no_function():
    with pytest.raises(ValueError, match="fun must be a function"):
        minimize(3.0, [2.0, -1.0])


@pytest.mark.parametrize(
    ("name", "hint"), [("eps", "'3-point'"), ("maxfun", "max_iter"), ("speed", "")]
)
def test_unknown_options(name, hint):
    with pytest.raises(TypeError, match=f"no parameter '{name}'.*{hint}"):
        scipy.optimize.minimize(bowl, [2.0, -1.0], method=minimize, options={name: 3})


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_other_types_of_start(dtype):
    x0 = np.array([2, -1], dtype=dtype)
    result = minimize(bowl, x0, jac=bowl_slope)

    assert result.success
    assert result.x.dtype == np.float64
    assert x0.tolist() == [2, -1]


def test_names_and_defaults_of_scipy():
    """What works with a method of scipy's own works with this one."""
    options = {"maxiter": 5, "disp": False, "gtol": 1e-3, "return_all": False}
    result = scipy.optimize.minimize(
        bowl, [2.0, -1.0], method=minimize, tol=None, options=options
    )
    assert result.nit == 5
    assert "path" not in result
    same = minimize(bowl, [2.0, -1.0], max_iter=5, tol=1e-3)
    assert_allclose(result.x, same.x, rtol=0, atol=0)
    assert minimize(bowl, [2.0, -1.0], tol=None).success


@pytest.mark.parametrize(
    ("x0", "message"),
    [
        (np.array([1.0 + 1.0j, 2.0]), "complex"),
        (np.ma.array([1.0, 2.0], mask=[True, False]), "masked"),
    ],
)
def test_starts_that_would_lose_something(x0, message):
    with pytest.raises(ValueError, match=message):
        minimize(bowl, x0)


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov"])
def test_gradients_whose_squares_overflow(name):
    result = minimize(
        lambda x: 1e200 * bowl(x), [2.0, -1.0], jac=lambda x: 1e200 * bowl_slope(x),
        optimizer=name, tol=1e190,
    )  # fmt: skip
    assert result.success
    assert_allclose(result.x, 0.0, atol=1e-8)


def test_overflow_of_squares_is_named():
    result = minimize(
        lambda x: 1e200 * bowl(x), [2.0, -1.0], jac=lambda x: 1e200 * bowl_slope(x),
        optimizer="adagrad",
    )  # fmt: skip
    assert not result.success
    assert "overflow" in result.message


@pytest.mark.parametrize("jac", [None, "3-point"])
@pytest.mark.parametrize("width", [0.0, 1e-300, 1e-12, 1e-7])
def test_differences_stay_in_a_narrow_box(jac, width):
    lower = np.array([1.0, -1.0])
    upper = lower + np.array([width, 2.0])
    fun = Counted(rosen, lower, upper)
    for start in (lower, upper):
        result = minimize(fun, start, jac=jac, bounds=Bounds(lower, upper))
        assert (result.x >= lower).all()
        assert (result.x <= upper).all()


def test_central_differences_are_accurate_beside_a_bound():
    def gradient(bounds):
        return minimize(rosen, [1.3, 0.7], jac="3-point", bounds=bounds, max_iter=0).jac

    exact = scipy.optimize.rosen_der([1.3, 0.7])
    for bounds in ([(1.3, 2.0), (0.0, 0.7)], [(1.3 - 1e-7, 2.0), (0.7, 1.0)]):
        assert_allclose(gradient(bounds), exact, rtol=1e-7)


@pytest.mark.parametrize(
    "fun",
    [lambda x: np.floor(x).sum(), lambda x: 3.0, lambda x: bool(x[0] > 0.0)],
    ids=["floor", "constant", "bool"],
)
def test_plateaus_are_no_minima(fun):
    result = minimize(fun, [2.5, -1.5])
    assert not result.success
    assert result.status == 6
    assert "plateau" in result.message
    assert minimize(fun, [2.5, -1.5], check_minimum=False).status == 0


def test_a_flat_bottom_that_was_descended_to_is_a_minimum():
    def basin(x):
        return np.maximum(np.abs(x) - 1.0, 0.0).max() ** 2

    result = minimize(basin, [5.0, 3.0], jac="3-point")
    assert result.success
    assert result.fun < 1e-8


def test_the_look_around_is_cheap_and_optional():
    def count(n, **kwargs):
        fun = Counted(lambda x: 0.5 * x @ x)
        result = minimize(fun, np.ones(n), jac=lambda x: x, **kwargs)
        assert result.success
        assert result.nfev == fun.calls
        return result.nfev

    # Four points, and one beside each of the variables that are looked at.
    assert count(5000) - count(5000, check_minimum=False) <= 24
    assert count(3) > count(3, check_minimum=False)


@pytest.mark.parametrize("jac", [None, "2-point"])
def test_one_sided_differences_are_to_blame(jac):
    result = minimize(
        lambda x: np.cosh(1e4 * (x[0] - 0.1)), [0.1001], jac=jac, tol=1e-9
    )
    assert result.status == 7
    assert "jac='3-point'" in result.message


def test_scales_of_the_variables_that_differ_are_seen():
    def fun(x):
        return (x[0] / 1e6 - 1.0) ** 2 + (x[1] * 1e6 - 1.0) ** 2

    result = minimize(fun, [0.0, 0.0], jac=lambda x: np.array([
        2e-6 * (x[0] / 1e6 - 1.0), 2e6 * (x[1] * 1e6 - 1.0)
    ]))  # fmt: skip
    assert not result.success
    assert result.status == 6
    assert "scale" in result.message


def test_a_function_that_hardly_changes_above_its_start_is_no_minimum():
    result = minimize(
        lambda x: float(x[0] ** 2 + 1000.0), [1.0], jac=lambda x: 2.0 * x,
        learning_rate=1.00005, ftol=1e-2, tol=0.0,
    )  # fmt: skip
    assert (result.status, result.success) == (5, False)
    assert result.fun == 1001.0


def test_adaptive_cuts_after_n_iter_no_change_steps():
    # From one half to minus one half and back: no step improves.
    result = minimize(
        lambda x: float(abs(x[0])), [0.5], jac=np.sign, learning_rate="adaptive",
        eta0=1.0, n_iter_no_change=5, max_iter=12,
    )  # fmt: skip
    assert_allclose(result.eta_path[:6], [1.0] * 5 + [0.2])


def test_options_may_come_in_a_dict_as_in_scipy():
    options = {"maxiter": 5, "disp": False}
    result = minimize(bowl, [2.0, -1.0], jac=bowl_slope, options=options)
    expected = minimize(bowl, [2.0, -1.0], jac=bowl_slope, max_iter=5)
    assert np.array_equal(result.x, expected.x)
    assert options == {"maxiter": 5, "disp": False}
    with pytest.raises(TypeError, match=r"'momentum'\. Options are scipy's names"):
        minimize(bowl, [2.0, -1.0], jac=bowl_slope, options={"momentum": 0.9})
