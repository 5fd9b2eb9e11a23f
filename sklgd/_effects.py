"""Parameters without effect: one table of conditions, and the warning about them.

SGD* accepts every combination of its parameters, and so do the estimators. A parameter
that changes nothing in a combination, although it was set, is a UserWarning with a
text that depends on nothing but the combination, so that Python shows it once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from ._compat import warn
from ._validation import plain_class
from .losses import LOSSES
from .schedules import schedule_class

# Values that say nothing: the defaults of the estimators, and those of SGD* in
# scikit-learn 1.6 to 1.9, which come along when ``get_params()`` is passed over.
DEFAULTS = {
    "penalty": ("l2", None),
    "alpha": (1e-4, "auto"),
    "l1_ratio": (0.15, None),
    "epsilon": (0.1,),
    "quantile": (0.5,),
    "power": (1.5,),
    "learning_rate": ("auto", "optimal", "invscaling"),
    "eta0": (None, 0.01, 0.0),
    "power_t": (0.25, 0.5),
    "validation_fraction": (0.1,),
    "n_iter_no_change": (5,),
    "shuffle": (True,),
    "penalty_factor": (None,),
    "standardize": (False,),
    "scoring": (None,),
    "average": (False, 0),
    "batch_size": ("auto", 1),
}
# They say how `fit` stops: an estimator that makes one epoch now may be fitted later.
FIT_ONLY = "validation_fraction", "n_iter_no_change", "scoring"


@dataclass
class Combination:
    """What a run is made of, as far as it decides which parameters matter.

    Attributes
    ----------
    est : GDRegressor or GDClassifier
    optimizer : Optimizer
        With "auto" resolved.
    batch_size : int or "full"
        With "auto" resolved.
    stream : bool
        True for ``partial_fit``.
    own_validation : bool
        True if `fit` was given a validation set.
    """

    est: Any
    optimizer: Any
    batch_size: Any
    stream: bool
    own_validation: bool

    @property
    def learns_without_penalty(self):
        """True in streams of the online learner if ``alpha`` is "auto"."""
        automatic = isinstance(self.est.alpha, str)
        return automatic and self.stream and self.optimizer.learns_online

    @property
    def schedule_parameters(self):
        """Parameters of the estimator that the schedule depends on."""
        cls = schedule_class(self.est.learning_rate)
        return () if cls is None else cls.parameters

    def shown(self, name):
        """A parameter as a message writes it: its name and its value in this run."""
        value = getattr(self.est, name)
        if name == "optimizer":
            chosen = isinstance(value, str) and value.lower() == "auto"
            text = f"optimizer={self.optimizer.name!r}"
        elif name == "batch_size":
            chosen, text = value == "auto", f"batch_size={self.batch_size!r}"
        elif isinstance(value, (str, bool, type(None))):
            chosen, text = False, f"{name}={value!r}"
        else:
            # Not the value: the text should be the same for all of a grid.
            return f"a number, a schedule object or a function as {name}"
        return f"{text}, which is what 'auto' stands for here" if chosen else text


@dataclass
class NoEffect:
    """Parameters that change nothing under a condition.

    Attributes
    ----------
    parameters : tuple of str
    when : callable
        ``when(combination, parameter)`` is True if it changes nothing.
    because : str
        The parameter whose value is the reason, or a description of it.
    """

    parameters: tuple[str, ...]
    when: Callable[[Combination, str], bool]
    because: str


# The first line that applies to a parameter gives the reason.
TABLE = (
    NoEffect(
        ("eta0", "power_t"),
        lambda c, name: name not in c.schedule_parameters,
        "learning_rate",
    ),
    NoEffect(
        ("learning_rate", "eta0", "power_t"),
        lambda c, name: not c.optimizer.takes_learning_rate,
        "optimizer",
    ),
    NoEffect(
        ("alpha",),
        lambda c, name: c.est.penalty is None and name not in c.schedule_parameters,
        "penalty",
    ),
    NoEffect(
        ("penalty",),
        lambda c, name: c.learns_without_penalty,
        "alpha='auto', which means no penalty in a stream",
    ),
    NoEffect(
        ("penalty_factor", "standardize"),
        lambda c, name: c.est.penalty is None,
        "penalty",
    ),
    NoEffect(
        ("penalty_factor", "standardize"),
        lambda c, name: c.learns_without_penalty,
        "alpha='auto', which means no penalty in a stream",
    ),
    NoEffect(("l1_ratio",), lambda c, name: c.est.penalty != "elasticnet", "penalty"),
    NoEffect(
        ("epsilon", "quantile", "power"),
        lambda c, name: name not in LOSSES[c.est.loss].params,
        "loss",
    ),
    NoEffect(
        ("validation_fraction",),
        lambda c, name: not c.est.early_stopping,
        "early_stopping",
    ),
    NoEffect(
        ("validation_fraction",), lambda c, name: c.own_validation, "X_val and y_val"
    ),
    NoEffect(
        ("scoring",),
        lambda c, name: not (c.est.early_stopping or c.own_validation),
        "early_stopping=False and no X_val",
    ),
    NoEffect(("n_iter_no_change",), lambda c, name: c.est.tol is None, "tol"),
    NoEffect(
        ("n_iter_no_change",),
        lambda c, name: c.optimizer.estimates_gap and not c.est.early_stopping,
        "optimizer",
    ),
    NoEffect(
        ("shuffle",),
        lambda c, name: not c.optimizer.shuffles,
        "optimizer",
    ),
    NoEffect(("average",), lambda c, name: c.optimizer.averages, "optimizer"),
    NoEffect(("batch_size",), lambda c, name: c.optimizer.learns_online, "optimizer"),
    NoEffect(("shuffle",), lambda c, name: c.batch_size == "full", "batch_size"),
)


LINES = {name: [line for line in TABLE if name in line.parameters] for name in DEFAULTS}


def parameters_set(est, stream):
    """Names of an estimator's parameters whose values are no defaults."""
    names, get, defaults = _table_of(type(est))  # type: ignore[arg-type]
    values = zip(names, get(est), defaults, strict=True)
    chosen = [
        name
        for name, value, known in values
        if value is not known[0]
        and (getattr(value, "ndim", False) or value not in known)
    ]
    return [name for name in chosen if name not in FIT_ONLY] if stream else chosen


@cache
def _table_of(cls):
    """Those of `DEFAULTS` that a class has, and what reads them from an object."""
    known = plain_class(cls)._get_param_names()
    names = [name for name in DEFAULTS if name in known]
    return names, attrgetter(*names), [DEFAULTS[name] for name in names]


def without_effect(names, combination):
    """Sentences about those of the parameters that were set that change nothing."""
    est, sentences = combination.est, []
    for name in names:
        for line in LINES[name]:
            if line.when(combination, name):
                because = line.because
                if hasattr(est, because):
                    because = combination.shown(because)
                sentences.append(f"{name} has no effect with {because}.")
                break
    return sentences


def warn_without_effect(est, plan, *, stream=False, own_validation=False):
    """Give a UserWarning for each parameter that was set and changes nothing.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    plan : Plan
    stream : bool, default=False
        True for ``partial_fit``.
    own_validation : bool, default=False
        True if `fit` was given a validation set.
    """
    names = parameters_set(est, stream)
    if not names:
        return
    combination = Combination(
        est, plan.optimizer, plan.batch_size, stream, own_validation
    )
    for sentence in without_effect(names, combination):
        warn(sentence)
