"""Checks of the parameters of the estimators."""

import math
import numbers
from difflib import get_close_matches
from functools import cache, lru_cache
from operator import attrgetter
from types import SimpleNamespace

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ._hints import did_you_mean
from ._signs import check_monotonic_cst
from ._strengths import check_alphas_of_targets, check_penalty_factor
from .losses import LOSSES
from .optimizers import OPTIMIZERS, Optimizer, optimizer_name
from .penalties import PENALTIES
from .schedules import SCHEDULES, schedule_class, schedule_of, step_is_explicit

# Types of values that can be compared as they are.
PLAIN = {str, int, float, bool, type(None)}
LOSS_NAMES = {
    "regression": [n for n, cls in LOSSES.items() if cls.task == "regression"],
    "classification": [n for n, cls in LOSSES.items() if cls.classifies],
}
LEARNING_RATES = ("auto", *SCHEDULES)
# What a number takes as well, in messages.
BOOLS = "True, False or "
ORDERS = ("full", "blocks", "window")


def check_number(
    name, value, *, low, high=np.inf, closed="both", integer=False, also=""
):
    """Raise ValueError unless ``value`` is a number between ``low`` and ``high``.

    ``closed`` tells which ends belong to the range: "both", "left" or "neither". A
    range without upper end takes any finite number. ``also`` says for the message what
    else the parameter takes, such as "None or ".
    """
    # (The abstract classes of numbers take longer to ask.)
    good = type(value) is int or (type(value) is float and not integer)
    if not good:
        kind = numbers.Integral if integer else numbers.Real
        good = isinstance(value, kind) and not isinstance(value, (bool, np.bool_))
    if good:
        good = low < value if closed == "neither" else low <= value
        good &= value <= high if closed == "both" else value < high
        good = good and (type(value) is int or math.isfinite(value))
    if not good:
        noun = "an integer" if integer else "a number"
        opening = "(" if closed == "neither" else "["
        ending = "]" if closed == "both" and np.isfinite(high) else ")"
        hint = ""
        if isinstance(value, np.ndarray) and value.size == 1:
            hint = f" It is an array; use {name}.item()."
        raise ValueError(
            f"{name} must be {also}{noun} in {opening}{low:g}, {high:g}{ending}, "
            f"got {value!r}.{hint}"
        )


def check_choice(name, value, choices):
    """Raise ValueError unless ``value`` is one of ``choices``."""
    if type(value) is str and value in choices:
        return
    if not any(value is c or (isinstance(value, str) and value == c) for c in choices):
        listed = ", ".join(repr(c) for c in choices)
        raise ValueError(
            f"{name} must be one of {listed}, got {value!r}."
            f"{did_you_mean(value, choices)}"
        )


def check_bool(name, value):
    """Raise ValueError unless ``value`` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {value!r}.")


def check_parameters(est, task):
    """Check every constructor parameter of an estimator.

    Plain values that were found good, of a search or of other data, are remembered.

    Raises
    ------
    ValueError
        Naming the parameter, its value and what is possible instead.
    """
    names, get = _parameters(type(est))  # type: ignore[arg-type]
    values = get(est)
    # (1, 1.0 and True are equal, but not all of them may be possible.)
    types = tuple(map(type, values))
    if PLAIN.issuperset(types):
        _check_plain(task, names, values, types)
    else:
        _check(est, task)


@cache
def _parameters(cls):
    """Names of the parameters of an estimator, and what reads them from an object."""
    names = tuple(plain_class(cls)._get_param_names())
    return names, attrgetter(*names)


def parameter_names(cls):
    """Names of the parameters of an estimator of this class."""
    return _parameters(cls)[0]


def plain_class(cls):
    """GDRegressor or GDClassifier: the class whose constructor sets all parameters.

    A subclass may have a constructor with other parameters, but it has the attributes
    of the class that it extends.
    """
    return [
        c for c in cls.__mro__ if issubclass(c, BaseEstimator) and "__init__" in vars(c)
    ][-1]


def parameters_of(est):
    """The parameters of an estimator by name, also of one of a subclass."""
    names, get = _parameters(type(est))  # type: ignore[arg-type]
    return dict(zip(names, get(est), strict=True))


@lru_cache(maxsize=256)
def _check_plain(task, names, values, types):
    _check(SimpleNamespace(**dict(zip(names, values, strict=True))), task)


def _check(est, task):
    """The checks themselves; ``est`` has the parameters as attributes."""
    check_choice("loss", est.loss, LOSS_NAMES[task])
    check_choice("penalty", est.penalty, PENALTIES)
    check_alpha(est.alpha, task)
    if est.penalty == "elasticnet" or est.l1_ratio is not None:
        if est.l1_ratio is None:
            raise ValueError(
                "l1_ratio=None is not possible with penalty='elasticnet'; give a "
                "number between 0 (l2) and 1 (l1)."
            )
        check_number("l1_ratio", est.l1_ratio, low=0.0, high=1.0)
    for name in ("fit_intercept", "early_stopping", "warm_start", "positive",
                 "standardize"):  # fmt: skip
        check_bool(name, getattr(est, name))
    check_monotonic_cst(est.monotonic_cst, est.positive)
    check_penalty_factor(est.penalty_factor)
    if not isinstance(est.shuffle, (bool, np.bool_)) and (
        not isinstance(est.shuffle, str) or est.shuffle not in ORDERS
    ):
        raise ValueError(
            "shuffle must be True, False, 'full', 'blocks' or 'window', got "
            f"{est.shuffle!r}.{did_you_mean(est.shuffle, ORDERS)}"
        )
    check_number("max_iter", est.max_iter, low=1, integer=True)
    if est.tol is not None:
        check_number("tol", est.tol, low=0.0, also="None or ")
    check_number("n_iter_no_change", est.n_iter_no_change, low=1, integer=True)
    check_number(
        "validation_fraction", est.validation_fraction, low=0.0, high=1.0,
        closed="neither",
    )  # fmt: skip
    check_scoring(est.scoring)
    if not isinstance(est.verbose, (bool, np.bool_)):
        check_number("verbose", est.verbose, low=0, integer=True, also=BOOLS)
    if not isinstance(est.average, (bool, np.bool_)):
        check_number("average", est.average, low=0, integer=True, also=BOOLS)
    if est.n_jobs is not None:
        check_number("n_jobs", est.n_jobs, low=-np.inf, integer=True)
        if est.n_jobs == 0:
            raise ValueError("n_jobs=0 has no meaning; use None, 1, ... or -1.")
    seed = est.random_state
    if type(seed) is int or isinstance(seed, numbers.Integral):
        check_number("random_state", seed, low=0, high=2**32 - 1, integer=True)
    elif seed is not None:
        try:
            check_random_state(seed)
        except ValueError:
            raise ValueError(
                "random_state must be an integer, a numpy.random.RandomState or None, "
                f"got {seed!r}."
            ) from None
    check_batch_size(est.batch_size)
    check_optimizer(est.optimizer)
    check_learning_rate(est)
    check_number("epsilon", est.epsilon, low=0.0)
    if task == "regression":
        check_number("quantile", est.quantile, low=0.0, high=1.0)
        check_number("power", est.power, low=0.0)
        if 0.0 < est.power < 1.0:
            raise ValueError(
                f"power must be 0 or at least 1, got {est.power!r}: there is no "
                "Tweedie distribution with a power between 0 and 1."
            )


def check_alpha(alpha, task):
    """Raise ValueError unless ``alpha`` is "auto", or zero or more for all targets."""
    if isinstance(alpha, (list, tuple)) or np.ndim(alpha):
        check_alphas_of_targets(alpha, task)
    elif not isinstance(alpha, str):
        check_number("alpha", alpha, low=0.0, also="'auto' or ")
    elif alpha != "auto":
        raise ValueError(
            f"alpha must be 'auto' or a number in [0, inf), got {alpha!r}."
            f"{did_you_mean(alpha, ('auto',))}"
        )


def check_scoring(scoring):
    """Raise ValueError unless ``scoring`` is None, "loss", a scorer or its name."""
    if scoring is None or callable(scoring):
        return
    hint = ""
    if isinstance(scoring, str):
        if scoring == "loss":
            return
        # Imported when needed: it doubles the package's import time.
        from sklearn.metrics import get_scorer_names

        names = ["loss", *get_scorer_names()]
        if scoring in names:
            return
        close = get_close_matches(scoring, names, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        "scoring must be None, 'loss', a name in sklearn.metrics.get_scorer_names() or "
        f"a callable scorer(estimator, X, y), got {scoring!r}.{hint}"
    )


def check_batch_size(batch_size):
    """Raise ValueError unless ``batch_size`` is "auto", "full" or at least 1.

    A float that holds an integer will do: grids made with NumPy have such.
    """
    if isinstance(batch_size, str):
        if batch_size in ("auto", "full"):
            return
    elif type(batch_size) is int or (
        isinstance(batch_size, numbers.Real) and not isinstance(batch_size, bool)
    ):
        rows = float(batch_size)
        if 1.0 <= rows < math.inf and rows.is_integer():
            return
    raise ValueError(
        "batch_size must be 'auto', 'full' or an integer of at least 1 "
        f"(1 is stochastic descent), got {batch_size!r}."
        f"{did_you_mean(batch_size, ('auto', 'full'))}"
    )


def check_optimizer(optimizer):
    """Raise ValueError unless ``optimizer`` is "auto", a name or an object."""
    if isinstance(optimizer, Optimizer):
        optimizer.check()
        return
    name = optimizer_name(optimizer)
    if name != "auto" and name not in OPTIMIZERS:
        names = ("auto", *OPTIMIZERS)
        if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
            hint = f" It is a class; use {optimizer.__name__}()."
        else:
            hint = did_you_mean(optimizer, names)
        listed = ", ".join(map(repr, names))
        raise ValueError(
            f"optimizer must be one of {listed} or an object of sklgd.optimizers, "
            f"got {optimizer!r}.{hint}"
        )


def check_learning_rate(est):
    """Raise ValueError for a parameter of the learning rate that is impossible."""
    # Any number, as in SGD*: with a negative one the learning rate grows.
    check_number("power_t", est.power_t, low=-np.inf, closed="neither")
    cls = schedule_class(est.learning_rate)
    used = cls is not None and "eta0" in cls.parameters
    if est.eta0 is not None:
        # Where it has no effect 0.0 will do, the default of older SGDClassifiers.
        closed = "neither" if used else "left"
        check_number("eta0", est.eta0, low=0.0, closed=closed, also="None or ")
    if isinstance(est.learning_rate, str):
        check_choice("learning_rate", est.learning_rate, LEARNING_RATES)
    if step_is_explicit(est):
        schedule_of(est)
