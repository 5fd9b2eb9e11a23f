"""What a stored estimator holds of its state: plain arrays, nothing twice.

`pack` makes a dict of arrays, numbers and strings of the `State` that an estimator
learns on from, without what its public attributes hold already; `unpack` makes the
`State` of it. Readers that trust known types only, such as skops, then meet no type
that is private to the package.
"""

from dataclasses import MISSING, fields

import numpy as np

from .._validation import stream_at
from ..optimizers import OPTIMIZERS
from ..schedules import SCHEDULES
from .metric import Metric
from .plan import Plan
from .state import State, together
from .statistics import Statistics
from .stream import Stream

TRUSTED_TYPES = sorted(
    f"{cls.__module__}.{cls.__qualname__}"
    for cls in (*OPTIMIZERS.values(), *SCHEDULES.values())
)
"""Types of parameters that a stored model may hold."""

# Attributes of a `State` that are stored in another form, or follow from others.
TRANSLATED = {"coef", "position", "plan", "rng", "curve"}
SETS_OF_ROWS = "statistics", "basis", "chunk"
# What an attribute is that is not stored.
DEFAULTS = {
    item.name: None if item.default is MISSING else item.default
    for item in fields(State)
}


def pack(est):
    """The state of an estimator as a dict.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
        Fitted.

    Returns
    -------
    packed : dict
        It shares its arrays with the estimator.
    """
    state, plan = est._state, est._state.plan
    if isinstance(state, Stream):
        return state.pack()
    reported = together(est.coef_, est.intercept_, state.columns)
    same = np.array_equal(state.coef, reported)
    packed = {
        name: value
        for name, value in vars(state).items()
        if name not in TRANSLATED and not _is_default(name, value)
    }
    if same and state.key is None:
        # Nothing but the coefficients goes on from here.
        packed.pop("columns", None)
    if state.stream:
        # It only tells whether the rows have changed, and they have.
        packed.pop("chunk", None)
    for name in SETS_OF_ROWS:
        if name in packed:
            packed[name] = vars(packed[name])
    if not same:
        packed["coef"] = state.coef
    if state.position is not state.coef:
        packed["position"] = state.position
    if plan.metric is not None:
        packed["metric"] = pack_metric(plan.metric, state.basis)
    packed |= {
        "guarded": plan.guarded,
        "adaptive": plan.adaptive,
        "curve": state.curve[: est.n_iter_],
    }
    rng = vars(state).get("rng")
    if rng is not None and rng is not state.seed and state.seed is not None:
        # (The generator of the user, or NumPy's own, goes on by itself.)
        stream = rng.get_state(legacy=False)["state"]
        packed["generator"] = stream["key"], int(stream["pos"])
    return packed


def unpack(packed, est):
    """The state that `pack` made a dict of, for the estimator it is stored in."""
    if "stream" in packed and "outputs" in packed:
        return Stream.unpack(packed, est)
    state = object.__new__(State)
    vars(state).update(DEFAULTS)
    stored = (item.name for item in fields(State) if item.name in packed)
    vars(state).update({name: packed[name] for name in stored})
    coef, position = packed.get("coef"), packed.get("position")
    # (joblib hands out memory maps that may be read-only.)
    if coef is None:
        state.coef = together(est.coef_, est.intercept_, state.columns)
    else:
        state.coef = np.array(coef)
    state.position = state.coef if position is None else np.array(position)
    if state.average is not None:
        state.average = np.array(state.average)
    for name in SETS_OF_ROWS:
        if name in packed:
            setattr(state, name, Statistics(**packed[name]))
    state.plan = Plan(
        est.optimizer_, est.batch_size_, est.learning_rate_, packed["guarded"],
        packed["adaptive"], unpack_metric(packed.get("metric"), state.basis),
    )  # fmt: skip
    if state.key is not None:
        state.key = tuple(state.key)
    if "generator" in packed:
        state.rng = stream_at(*packed["generator"])
    return state


def _is_default(name, value):
    default = DEFAULTS[name]
    return value is None if default is None else value == default


def pack_metric(metric, basis):
    """A metric as a dict, without what follows from the rest or is zero."""
    packed = {name: value for name, value in vars(metric).items() if value is not None}
    if not metric.centre.any():
        del packed["centre"]
    if np.array_equal(metric.gradient_scale, metric.scale / basis.loss_unit):
        del packed["gradient_scale"]
    return packed


def unpack_metric(packed, basis):
    """The metric that `pack_metric` made a dict of."""
    if packed is None:
        return None
    scale = packed["scale"]
    known = {"centre": np.zeros(len(scale) - 1)} | packed
    if "gradient_scale" not in known:
        known["gradient_scale"] = scale / basis.loss_unit
    return Metric(**known)
