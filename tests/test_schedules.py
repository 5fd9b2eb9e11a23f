"""The learning-rate schedules: formulas, parameter objects, errors."""

import functools
import math
import pickle

import numpy as np
import pytest
import reference
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier

from sklgd.schedules import (
    SCHEDULES,
    Adaptive,
    Constant,
    Cosine,
    Exponential,
    FromCallable,
    InvScaling,
    Linear,
    Optimal,
    Schedule,
    Step,
    WarmUp,
    as_schedule,
)

ALPHA = 1e-3
TOTAL_STEPS = 40
STEPS = np.arange(1.0, 101.0)


def hinge_derivative(y, z):
    return -y if y * z <= 1.0 else 0.0


def bind(schedule):
    return schedule.bind(alpha=ALPHA, total_steps=TOTAL_STEPS, dloss=hinge_derivative)


def inverse(t):
    return 1.0 / (1.0 + t)


def scaled_inverse(scale, t):
    return scale / t


class Sawtooth:
    """A callable object whose value depends on the parity of the step."""

    def __call__(self, t):
        return 0.1 if t % 2 else 0.2


# One entry per registered schedule: parameters other than the defaults, and hand
# values {step: learning rate} with ALPHA and TOTAL_STEPS bound.
SQRT_HALF = math.sqrt(0.5)
EXAMPLES = {
    "constant": ({"eta0": 0.3}, {1: 0.3, 77: 0.3}),
    "invscaling": (
        {"eta0": 0.8, "power_t": 0.5},
        {1: 0.8, 4: 0.4, 64: 0.1},
    ),
    # alpha = 1e-3: typical weight 1000 ** 0.25, hinge slope -1, so that is eta_1.
    "optimal": (
        {},
        {1: 1000**0.25, 101: 1.0 / (1000**-0.25 + 0.1)},
    ),
    "adaptive": (
        {"eta0": 0.3, "factor": 0.5, "eta_min": 1e-3},
        {1: 0.3, 77: 0.3},
    ),
    # The parameter C: the step of a row follows from it and the row.
    "pa1": ({"eta0": 0.5}, {1: 0.5, 77: 0.5}),
    "pa2": ({"eta0": 0.5}, {1: 0.5, 77: 0.5}),
    "linear": (
        {"eta0": 0.9, "eta_end": 0.1},
        {1: 0.9, 11: 0.7, 21: 0.5, 31: 0.3, 41: 0.1, 100: 0.1},
    ),
    "cosine": (
        {"eta0": 0.9, "eta_end": 0.1},
        {1: 0.9, 11: 0.5 + 0.4 * SQRT_HALF, 21: 0.5, 41: 0.1, 100: 0.1},
    ),
    "step": (
        {"eta0": 0.8, "factor": 0.5, "every": 3},
        {1: 0.8, 3: 0.8, 4: 0.4, 6: 0.4, 7: 0.2, 10: 0.1},
    ),
    "exponential": (
        {"eta0": 0.8, "factor": 0.25, "every": 4},
        {1: 0.8, 3: 0.4, 5: 0.2, 9: 0.05},
    ),
    "warmup": (
        {"schedule": InvScaling(eta0=0.8, power_t=0.5), "steps": 8},
        {1: 0.1, 4: 0.2, 16: 0.2, 64: 0.1},
    ),
}

every_schedule = pytest.mark.parametrize("name", sorted(SCHEDULES))


def example(name):
    return SCHEDULES[name](**EXAMPLES[name][0])


def with_defaults(name):
    return SCHEDULES[name]()


def reference_twin(name):
    """The plain function of the step number that belongs to ``example(name)``."""
    parameters = dict(EXAMPLES[name][0])
    if name == "optimal":
        parameters = {"alpha": ALPHA, "loss": "hinge"}
    elif name in ("linear", "cosine"):
        parameters["total_steps"] = TOTAL_STEPS
    elif name == "adaptive":
        parameters = {"eta0": parameters["eta0"]}
    elif name == "warmup":
        inner = parameters["schedule"].get_params()
        parameters["schedule"] = reference.SCHEDULES["invscaling"](**inner)
    return reference.SCHEDULES[name](**parameters)


# --------------------------------------------------------------------- formulas


def test_every_schedule_has_an_example():
    assert set(EXAMPLES) == set(SCHEDULES)


@every_schedule
def test_hand_values(name):
    values = EXAMPLES[name][1]
    schedule = bind(example(name))
    got = schedule.eta(np.array(list(values), dtype=np.float64))
    np.testing.assert_allclose(got, list(values.values()), rtol=1e-13, atol=1e-16)


@every_schedule
@pytest.mark.parametrize("make", [example, with_defaults])
def test_vectorised_equals_one_by_one(name, make):
    schedule = bind(make(name))
    together = schedule.eta(STEPS)
    assert together.dtype == np.float64
    assert together.shape == STEPS.shape
    one_by_one = [schedule(int(t)) for t in STEPS]
    assert all(type(eta) is float for eta in one_by_one)
    np.testing.assert_allclose(together, one_by_one, rtol=1e-14, atol=1e-18)


@every_schedule
def test_chunks_join_up(name):
    # fit(2 epochs) must equal partial_fit twice, so cutting the steps changes nothing.
    schedule = bind(example(name))
    parts = [schedule.eta(part) for part in np.array_split(STEPS, [32, 33, 64])]
    np.testing.assert_allclose(
        np.concatenate(parts), schedule.eta(STEPS), rtol=1e-15, atol=1e-18
    )


@every_schedule
def test_empty_chunk_and_untouched_input(name):
    schedule = bind(example(name))
    assert schedule.eta(np.empty(0)).shape == (0,)
    steps = STEPS.copy()
    steps.flags.writeable = False
    schedule.eta(steps)
    np.testing.assert_array_equal(steps, STEPS)


@every_schedule
def test_finite_positive_and_not_increasing(name):
    schedule = bind(with_defaults(name))
    if name == "warmup":
        schedule = bind(WarmUp(InvScaling(eta0=0.8), steps=8))
    etas = schedule.eta(np.arange(1.0, 5001.0))
    assert np.all(np.isfinite(etas))
    assert np.all(etas >= 0.0)
    assert etas[0] > 0.0
    if name == "warmup":
        assert np.all(np.diff(etas[:8]) > 0.0)
        etas = etas[8:]
    assert np.all(np.diff(etas) <= 0.0)


@every_schedule
def test_against_the_reference(name):
    got = bind(example(name)).eta(STEPS)
    twin = reference_twin(name)
    expected = [twin(int(t)) for t in STEPS]
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-16)


def test_optimal_is_the_heuristic_of_sgd_classifier():
    # One row of class +1, hinge loss, no intercept: coef = eta y x after one step. A
    # row of length zero moves nothing, so with k of them in front the step that
    # counts is number k + 1.
    bound = bind(Optimal())
    for skipped in (0, 1, 7):
        X = np.zeros((skipped + 2, 1))
        X[skipped] = 2.0
        y = np.ones(skipped + 2)
        y[-1] = -1.0
        model = SGDClassifier(
            loss="hinge",
            penalty=None,
            alpha=ALPHA,
            fit_intercept=False,
            shuffle=False,
            max_iter=1,
            tol=None,
            learning_rate="optimal",
        ).fit(X, y)
        assert model.coef_[0, 0] / 2.0 == pytest.approx(bound(skipped + 1), rel=1e-14)


def test_optimal_respects_a_steep_loss():
    # typical weight 10, slope 100 there: the first step is 10 / 100.
    bound = Optimal().bind(alpha=1e-4, dloss=lambda y, z: 10.0 * (y - z) - 10.0)
    assert bound(1) == pytest.approx(0.1, rel=1e-14)


def test_adaptive_leaves_the_reduction_to_the_training_loop():
    assert Adaptive().plateau == (0.2, 1e-6)
    assert WarmUp(Adaptive(factor=0.5)).plateau == (0.5, 1e-6)
    for name in set(SCHEDULES) - {"adaptive"}:
        assert SCHEDULES[name]().plateau is None


# ------------------------------------------------------------ parameter objects


@every_schedule
def test_clone_pickle_and_parameters(name):
    schedule = example(name)
    parameters = schedule.get_params(deep=False)
    assert set(parameters) >= set(EXAMPLES[name][0])
    for twin in (clone(schedule), pickle.loads(pickle.dumps(schedule))):
        assert type(twin) is SCHEDULES[name]
        np.testing.assert_array_equal(bind(twin).eta(STEPS), bind(schedule).eta(STEPS))
    bound = pickle.loads(pickle.dumps(bind(schedule)))
    np.testing.assert_array_equal(bound.eta(STEPS), bind(schedule).eta(STEPS))
    copy = SCHEDULES[name]().set_params(**EXAMPLES[name][0])
    np.testing.assert_array_equal(bind(copy).eta(STEPS), bind(schedule).eta(STEPS))
    assert name == "optimal" or repr(schedule) != repr(SCHEDULES[name]())


@every_schedule
def test_defaults_pass_their_own_check(name):
    SCHEDULES[name]().check()


@every_schedule
def test_bind_leaves_the_object_alone(name):
    schedule = SCHEDULES[name]()
    before = vars(schedule).copy()
    bound = bind(schedule)
    bound.eta(STEPS)
    assert vars(schedule) == before
    assert isinstance(bound, Schedule)


@pytest.mark.parametrize("cls", [Linear, Cosine])
def test_total_steps(cls):
    schedule = cls(eta0=1.0)
    with pytest.raises(ValueError, match="total_steps"):
        schedule(1)
    assert schedule.bind(total_steps=10)(11) == 0.0
    assert schedule.bind(total_steps=20)(11) == pytest.approx(0.5)
    assert schedule.total_steps is None
    fixed = cls(eta0=1.0, total_steps=5)
    assert fixed.bind(total_steps=10) is fixed


def test_warmup_binds_its_inner_schedule():
    bound = WarmUp(Cosine(eta0=1.0), steps=4).bind(total_steps=20)
    assert bound(2) == pytest.approx(0.5 * Cosine(1.0, total_steps=20)(2))
    assert bound(21) == 0.0
    assert bind(WarmUp("optimal", steps=2))(1) == pytest.approx(bind(Optimal())(1) / 2)


@pytest.mark.parametrize(
    "inner, eta",
    [
        (None, 0.01),
        (0.4, 0.4),
        ("constant", 0.01),
        (Constant(0.3), 0.3),
        (inverse, 1.0 / 11.0),
    ],
)
def test_warmup_inner_forms(inner, eta):
    schedule = WarmUp(inner, steps=5)
    schedule.check()
    assert schedule(10) == pytest.approx(eta)


def test_warmup_parameters_of_the_inner_schedule():
    schedule = WarmUp(Constant(0.3), steps=5)
    assert schedule.get_params()["schedule__eta0"] == 0.3
    assert clone(schedule).set_params(schedule__eta0=0.7)(5) == pytest.approx(0.7)
    assert schedule(5) == pytest.approx(0.3)


# ------------------------------------------------------------------- as_schedule


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), np.float64(0.25)])
def test_number_is_constant(value):
    schedule = as_schedule(value)
    assert isinstance(schedule, Constant)
    assert schedule(9) == 0.25
    assert as_schedule(1)(3) == 1.0


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"optimal"}))
def test_name_takes_eta0(name):
    schedule = as_schedule(name, eta0=0.5, power_t=0.75)
    assert type(schedule) is SCHEDULES[name]
    peak = 100 if name == "warmup" else 1
    assert bind(schedule)(peak) == pytest.approx(0.5)
    if name == "invscaling":
        assert schedule.power_t == 0.75


def test_optimal_by_name():
    assert isinstance(as_schedule("optimal"), Optimal)


@every_schedule
def test_object_is_returned_as_it_is(name):
    schedule = example(name)
    assert as_schedule(schedule) is schedule


@pytest.mark.parametrize(
    "function, expected",
    [
        (inverse, [1 / 2, 1 / 3, 1 / 4]),
        (lambda t: 0.5**t, [0.5, 0.25, 0.125]),
        (functools.partial(scaled_inverse, 0.6), [0.6, 0.3, 0.2]),
        (Sawtooth(), [0.1, 0.2, 0.1]),
        (lambda t: np.float32(0.5), [0.5, 0.5, 0.5]),
        (lambda t: 0, [0.0, 0.0, 0.0]),
    ],
)
def test_user_function(function, expected):
    schedule = as_schedule(function)
    assert isinstance(schedule, FromCallable)
    np.testing.assert_allclose(schedule.eta(np.array([1.0, 2.0, 3.0])), expected)
    assert schedule.bind(alpha=0.0, total_steps=5, dloss=None) is schedule


def test_user_function_gets_python_ints():
    seen = []

    def function(t):
        seen.append(t)
        return 0.1

    as_schedule(function).eta(np.array([1.0, 2.0]))
    assert seen == [1, 2]
    assert all(type(t) is int for t in seen)


@pytest.mark.parametrize(
    "function", [inverse, functools.partial(scaled_inverse, 0.6), Sawtooth()]
)
def test_user_function_clone_and_pickle(function):
    schedule = FromCallable(function)
    for twin in (clone(schedule), pickle.loads(pickle.dumps(schedule))):
        np.testing.assert_array_equal(twin.eta(STEPS), schedule.eta(STEPS))


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -0.1, None, "0.1", 1j, [0.1], np.float64("nan")]
)
def test_user_function_with_a_bad_value(value):
    schedule = as_schedule(lambda t: 0.1 if t < 5 else value)
    assert schedule(4) == 0.1
    with pytest.raises(ValueError, match="at step 5"):
        schedule.eta(np.arange(1.0, 9.0))


def test_own_subclass():
    class SquareRoot(Schedule):
        def __init__(self, eta0=0.1):
            self.eta0 = eta0

        def eta(self, t):
            return self.eta0 / np.sqrt(t)

    schedule = SquareRoot(0.6)
    assert as_schedule(schedule) is schedule
    assert clone(schedule)(9) == pytest.approx(0.2)
    assert schedule.bind(alpha=1.0, total_steps=3, dloss=None) is schedule
    with pytest.raises(NotImplementedError, match="eta"):
        Schedule().eta(STEPS)


# ------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "cls, name, values",
    [
        (Constant, "eta0", [0.0, -1.0, math.nan, math.inf, "0.1", None, True]),
        (InvScaling, "eta0", [0.0, None]),
        (InvScaling, "power_t", [math.inf, math.nan, "a", None]),
        (Adaptive, "eta0", [-1]),
        (Adaptive, "factor", [0.0, 1.0, 2.0, None]),
        (Adaptive, "eta_min", [-1e-9, None]),
        (Linear, "eta0", [0.0]),
        (Linear, "eta_end", [-0.1, None]),
        (Linear, "total_steps", [0, -1, 2.5, True]),
        (Cosine, "total_steps", [0, "10"]),
        (Step, "factor", [0.0, 1.5, math.nan]),
        (Step, "every", [0, 1.5, None, False]),
        (Exponential, "factor", [0.0, -1]),
        (Exponential, "every", [0]),
        (WarmUp, "steps", [0, 0.5, None]),
        (WarmUp, "schedule", ["nothing", "auto", -1.0, [0.1], Constant]),
        (FromCallable, "function", [0.1, None]),
    ],
)
def test_check_names_the_parameter_and_the_value(cls, name, values):
    for value in values:
        arguments = {} if cls is not FromCallable else {"function": inverse}
        schedule = cls(**{**arguments, name: value})
        with pytest.raises(ValueError, match=name) as caught:
            schedule.check()
        assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    "cls", [cls for cls in SCHEDULES.values() if "eta0" in cls._get_param_names()]
)
def test_every_schedule_checks_its_first_learning_rate(cls):
    with pytest.raises(ValueError, match="eta0=-1"):
        cls(eta0=-1.0).check()


def test_warmup_checks_its_inner_schedule():
    with pytest.raises(ValueError, match="power_t"):
        WarmUp(InvScaling(power_t=math.nan)).check()


@pytest.mark.parametrize("alpha", [0.0, -1.0])
def test_optimal_without_penalty(alpha):
    with pytest.raises(ValueError, match=r"alpha=.*alpha > 0"):
        Optimal().bind(alpha=alpha, total_steps=3, dloss=hinge_derivative)


def test_optimal_unbound():
    with pytest.raises(ValueError, match="bind"):
        Optimal()(1)
    with pytest.raises(ValueError, match="dloss"):
        Optimal().bind(alpha=0.1)


@pytest.mark.parametrize(
    "learning_rate", [0.1, 1, "optimal", "auto", Constant(0.1), inverse]
)
def test_ignored_eta0(learning_rate):
    with pytest.raises(ValueError, match=r"eta0=0\.5 would be ignored"):
        as_schedule(learning_rate, eta0=0.5)


@pytest.mark.parametrize(
    "learning_rate, message",
    [
        ("nothing", "'nothing' is not known.*'cosine'"),
        ("auto", "only the estimators"),
        ("constant", "needs eta0"),
        (0.0, "above 0"),
        (-0.1, "above 0"),
        (math.nan, "above 0"),
        (math.inf, "above 0"),
        (None, "learning_rate=None"),
        (True, "learning_rate=True"),
        ([0.1], "learning_rate="),
        (Cosine, r"Cosine\(\.\.\.\)"),
        (Step(every=0), "every=0"),
    ],
)
def test_learning_rate_errors(learning_rate, message):
    with pytest.raises(ValueError, match=message):
        as_schedule(learning_rate)


def test_errors_of_named_schedules():
    with pytest.raises(ValueError, match="eta0=-1"):
        as_schedule("constant", eta0=-1)
    with pytest.raises(ValueError, match="power_t=nan"):
        as_schedule("invscaling", eta0=0.1, power_t=math.nan)
