"""The state of a model between epochs, calls of ``partial_fit`` and pickles."""

import math
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np
import scipy.sparse as sp

from .._compat import warn
from .._random import random_stream, stream_at
from .empty_columns import widened
from .feature_scaling import FeatureScaling
from .plan import Plan, add_scaling
from .row_blocks import batches
from .statistics import Statistics, column_counts


def _twin(original):
    """A shallow copy, in a fifth of the time of `copy.copy`."""
    twin = object.__new__(type(original))
    vars(twin).update(vars(original))
    return twin


def together(coef, intercept, columns):
    """Reported coefficients, dense or sparse, in the form of ``State.coef``.

    Those of the columns with these numbers; None means all.
    """
    coef = coef.toarray() if sp.issparse(coef) else np.asarray(coef)
    coef = coef.reshape(-1, coef.shape[-1])
    if columns is not None:
        coef = coef[:, columns]
    both = np.empty((coef.shape[1] + 1, coef.shape[0]))
    both[:-1], both[-1] = coef.T, intercept
    return both


def check_assigned(coef, shape):
    """Raise ValueError for coefficients that cannot be learnt on from.

    ``coef`` and ``shape`` are those of `together`.
    """
    if coef.shape != shape or not np.isfinite(coef).all():
        raise ValueError(
            f"coef_ and intercept_ must hold {math.prod(shape)} finite numbers, "
            f"{shape[0] - 1} coefficients and an intercept for each output, to go on "
            "from them. Assign arrays of the shapes that partial_fit gave, or delete "
            "them from the estimator."
        )


def mark_of_reported(coef, intercept):
    """A number that distinguishes reported coefficients from others."""
    coef = coef.toarray() if sp.issparse(coef) else np.asarray(coef)
    mark = 0
    for array in (coef, np.asarray(intercept)):
        # (Zeros have no sign: a sparse matrix does not keep it.)
        mark = crc32(np.ascontiguousarray(array + 0.0).data, mark)
    return mark


# Rows over which the objectives of a stream are averaged.
RECENT = 100

# Attributes of a `State` that are stored in another form, or follow from others.
TRANSLATED = {"coef", "position", "plan", "rng", "curve"}
SETS_OF_ROWS = "statistics", "basis", "chunk", "spread"


@dataclass
class State:
    """All that ``partial_fit`` and a pickled model continue from.

    Attributes
    ----------
    coef : ndarray of shape (n_features + 1, n_outputs)
        Master copy in float64; the last row is the intercept.
    plan : Plan
    key : tuple
        The parameters that the plan was made for.
    seed : int, RandomState or None
        The estimator's ``random_state``.
    rng : RandomState
        The generator that shuffles rows, made from ``seed`` when it is first needed.
    position : ndarray
        Coefficients of the rule, scaled: ``coef`` itself without a scaling.
    rule : dict or None
        Slots and step count of the update rule; None starts afresh.
    average : ndarray or None, average_count : int
    steps, rows : int
        Batches and rows seen.
    weight_sum, weight_rows : float
        Sum and number of the weights seen; weights are divided by their ratio.
    factor : float
        Factor of the schedule's learning rates.
    fresh : bool
        True if no epoch was kept since the rule was reset.
    statistics, basis : Statistics or None
        Of all rows seen, and those that the scaling was made from.
    chunk : Statistics or None
        Of the last call's rows.
    spread : Statistics or None
        Of the columns of all rows seen, for ``standardize=True``.
    stream : bool
        True once a call has brought other rows than the call before.
    unit : float
        Scale of the loss, the largest seen.
    occurrences : ndarray of shape (n_features,) or None
        Number of rows in which each feature is active, for lazy rules.
    occurrence_rows : int
        Number of rows that these were counted in.
    order_seed : int or None
        Seed of the permutation whose blocks later epochs shuffle; None before its use.
    curve : list of float
        F of the iterate after each epoch.
    reported : float or None
        F of the coefficients that were reported last, if these are not the iterate.
    handed_out : int or None
        Identifies the coefficients that were reported last (`mark_of_reported`).
    recent : tuple of float or None
        Objective of about the last 100 rows of a stream, and that of the constant
        model of zeros.
    mark : int or None
        Identifies the rows seen (`Data.mark`); -1 if there were several sets of rows.
    columns : intp array or None
        The features of all arrays, if a fit left out columns without entries; None
        means all features.
    """

    coef: np.ndarray
    plan: Plan
    key: tuple | None
    seed: object
    position: np.ndarray = field(init=False)
    rule: dict | None = None
    average: np.ndarray | None = None
    average_count: int = 0
    steps: int = 0
    rows: int = 0
    weight_sum: float = 0.0
    weight_rows: float = 0.0
    factor: float = 1.0
    fresh: bool = True
    statistics: Statistics | None = None
    basis: Statistics | None = None
    chunk: Statistics | None = None
    spread: Statistics | None = None
    stream: bool = False
    unit: float = 0.0
    occurrences: np.ndarray | None = None
    occurrence_rows: int = 0
    order_seed: int | None = None
    curve: list = field(default_factory=list)
    reported: float | None = None
    handed_out: int | None = None
    recent: tuple | None = None
    mark: int | None = None
    columns: np.ndarray | None = None

    def __post_init__(self):
        self.place()

    @property
    def n_outputs(self):
        return self.coef.shape[1]

    @cached_property
    def rng(self):
        return random_stream(self.seed)

    def __setstate__(self, state):
        self.__dict__.update(state)
        # joblib may hand out read-only memory maps and store aliases apart.
        self.coef = np.array(self.coef)
        if self.average is not None:
            self.average = np.array(self.average)
        if self.plan.scaling is None:
            self.position = self.coef
        else:
            self.position = np.array(self.position)

    def successor(self, n_epochs):
        """A state that continues from this one, which is not changed.

        They share the random generator and the list of objectives, which take time to
        copy. Entries of the list after the first ``n_epochs`` are removed.
        """
        state = _twin(self)
        state.coef = self.coef.copy()
        same = self.position is self.coef
        state.position = state.coef if same else self.position.copy()
        if self.average is not None:
            state.average = self.average.copy()
        if self.statistics is not None:
            # (With an explicit learning rate the plan does not change.)
            state.plan = _twin(self.plan)
        del state.curve[n_epochs:]
        return state

    def resumed(self, est, n_features):
        """The state of all features from which a call of `partial_fit` goes on.

        It has the coefficients of ``est`` if these were assigned or changed in place:
        the schedule and the order of the rows go on, moments and averages start anew.
        """
        state, fitted = self.of_all_features(n_features), vars(est)
        if self.handed_out is None or not {"coef_", "intercept_"} <= fitted.keys():
            return state
        given = fitted["coef_"], fitted["intercept_"]
        if mark_of_reported(*given) == self.handed_out:
            return state
        coef = together(*given, None)
        check_assigned(coef, state.coef.shape)
        state = _twin(state)
        state.plan = _twin(state.plan)
        state.coef, state.average, state.average_count = coef, None, 0
        state.place()
        return state

    def forgetful(self, coef_, intercept_):
        """A new state that continues from these reported coefficients alone."""
        state = _twin(self)
        state.plan = _twin(self.plan)
        state.forget(coef_, intercept_)
        return state

    def forget(self, coef, intercept):
        """Become a state that continues from these reported coefficients alone."""
        self._go_on_from(together(coef, intercept, self.columns))
        self.handed_out = mark_of_reported(coef, intercept)

    def conclude(self, reported):
        """Drop what a finished fit does not need, which reported these coefficients.

        They have the shape of ``coef``, and the dtype of the reported ones.

        With an explicit learning rate the state keeps what SGD* keeps: the iterate, the
        average and the number of steps, on which the next learning rate depends. The
        rest of a run is larger than the model, and only `partial_fit` would use it.
        """
        if self.plan.streams and self.statistics is None:
            self._start_anew(AFRESH_WITHIN_PATH)
        else:
            self._go_on_from(np.array(reported, dtype=np.float64))

    def _go_on_from(self, coef):
        self._start_anew(AFRESH)
        self.plan.scaling = None
        self.coef = self.position = coef

    def _start_anew(self, values):
        vars(self).update(values)
        vars(self).pop("rng", None)

    def of_all_features(self, n_features):
        """The state with zeros for the columns that a fit has left out."""
        if self.columns is None:
            return self
        state = _twin(self)
        state.columns = None
        state.coef = state.position = widened(self.coef, self.columns, n_features)
        if self.spread is not None:
            state.spread = self.spread.of_all_columns(self.columns, n_features)
        if self.average is not None:
            state.average = widened(self.average, self.columns, n_features)
        return state

    def shares_coordinates(self, other):
        """True if positions and averages of another state mean the same."""
        return self.plan.scaling is other.plan.scaling and (self.average is None) == (
            other.average is None
        )

    def place(self):
        """Compute ``position`` from ``coef``, and reset the rule."""
        scaling = self.plan.scaling
        self.position = self.coef if scaling is None else scaling.to_scaled(self.coef)
        self.rule, self.fresh = None, True

    def has_seen_only(self, data):
        """True if the model has learnt from no other rows than those of ``data``.

        It is called before it learns from them.
        """
        mark = data.mark()
        if self.rows == 0 or self.mark == mark:
            self.mark = mark
        else:
            self.mark = -1
        return self.mark == mark

    def judge(self, objective, null, n_rows):
        """Bring ``recent`` up to date, after a call with so many rows."""
        share, now = min(1.0, n_rows / RECENT), np.array([objective, null])
        before = now if self.recent is None else np.array(self.recent)
        self.recent = tuple((before + share * (now - before)).tolist())

    def sizes(self, n_features):
        """Standard deviations of all columns, or None where they are not known."""
        if self.spread is None:
            return None
        return self.spread.of_all_columns(self.columns, n_features).sizes

    def normalise(self, data):
        """Divide the weights of ``data`` by their running mean."""
        weights = data.weights
        self.weight_rows += data.n_rows
        if weights is not None:
            learnt = weights if data.everything else weights[data.rows]
        if data.row_weight is not None:
            self.weight_sum += data.n_rows * data.row_weight
        elif weights is not None:
            self.weight_sum += float(learnt.sum())
        else:
            self.weight_sum += data.n_rows
        unit = self.weight_sum / self.weight_rows
        if data.row_weight is not None:
            data.row_weight /= unit
        if weights is None and unit != 1.0:
            weights = learnt = np.ones(data.X.shape[0])
        if weights is not None:
            data.weights = None if (learnt == unit).all() else weights / unit

    def frequencies(self, data):
        """Share of the batches in which each feature is active, with these data."""
        counts = column_counts(data)
        if self.occurrences is not None:
            counts = counts + self.occurrences
        self.occurrences = counts
        self.occurrence_rows += data.n_rows
        absent = 1.0 - counts / self.occurrence_rows
        return 1.0 - absent ** batches(data.n_rows, self.plan.batch_size)[0]

    # -------------------------------------------------------------------- storage

    def pack(self, est):
        """A dict of arrays, numbers and strings, without the attributes of ``est``.

        Readers that trust known types only, such as skops, find no private type in it.

        Parameters
        ----------
        est : GDRegressor or GDClassifier
            Fitted; the state is its own.

        Returns
        -------
        packed : dict
            It shares its arrays with the estimator.
        """
        plan = self.plan
        reported = together(est.coef_, est.intercept_, self.columns)
        same = np.array_equal(self.coef, reported)
        packed = {
            name: value
            for name, value in vars(self).items()
            if name not in TRANSLATED and not _is_default(name, value)
        }
        if same and self.key is None:
            # (The state continues from the coefficients alone.)
            packed.pop("columns", None)
        if self.stream:
            # (It would only show whether the rows have changed, and they have.)
            packed.pop("chunk", None)
        for name in SETS_OF_ROWS:
            if name in packed:
                packed[name] = vars(packed[name])
        if not same:
            packed["coef"] = self.coef
        if self.position is not self.coef:
            packed["position"] = self.position
        if plan.scaling is not None and self.basis is not None:
            packed["metric"] = plan.scaling.pack(self.basis.loss_unit)
        packed |= {
            "guarded": plan.guarded,
            "adaptive": plan.adaptive,
            "curve": self.curve[: est.n_iter_],
        }
        rng = vars(self).get("rng")
        if rng is not None and rng is not self.seed and self.seed is not None:
            # (A generator of the user, or NumPy's own, is not stored.)
            stream = rng.get_state(legacy=False)["state"]
            packed["generator"] = stream["key"], int(stream["pos"])
        return packed

    @classmethod
    def unpack(cls, packed, est):
        """The state from the dict that `pack` made, for the same estimator."""
        state = object.__new__(cls)
        vars(state).update(DEFAULTS)
        stored = (item.name for item in fields(cls) if item.name in packed)
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
        scaling = packed.get("metric")
        if scaling is not None:
            basis: Any = state.basis
            scaling = FeatureScaling.unpack(scaling, basis.loss_unit)
        state.plan = Plan(
            est.optimizer_, est.batch_size_, est.learning_rate_, packed["guarded"],
            packed["adaptive"], scaling,
        )  # fmt: skip
        if state.key is not None:
            state.key = tuple(state.key)
        if state.recent is not None:
            state.recent = tuple(state.recent)
        if "generator" in packed:
            state.rng = stream_at(*packed["generator"])
        return state

    @classmethod
    def of_another_version(cls, packed, est):
        """The state of an estimator that another version of the package has stored.

        It continues from the coefficients alone, because ``packed`` cannot be read.

        Raises
        ------
        ValueError
            If the coefficients are not stored either, as in the middle of a stream.
        """
        name = type(est).__name__
        if "coef_" not in vars(est):
            raise ValueError(
                f"This {name} was stored by another version of sklgd, in a form that "
                "this one cannot read. Load it with that version, or fit it again."
            )
        warn(
            f"This {name} was stored by another version of sklgd. It predicts as "
            "before; partial_fit continues from coef_, with a new state of the "
            "optimizer."
        )
        plan = Plan(est.optimizer_, est.batch_size_, est.learning_rate_, True)
        coef = together(est.coef_, est.intercept_, None)
        state = cls(coef, plan, None, est.random_state)
        state.handed_out = mark_of_reported(est.coef_, est.intercept_)
        if isinstance(packed, dict):
            state.curve = list(packed.get("curve", []))
        return state

    def tune(self, settings, data, null, penalty, tune):
        """Compute the scaling and the learning rate from the data of a first call.

        ``tune`` is the method of the solver's class.
        """
        self.statistics = self.basis = self.chunk = Statistics.of(data, null)
        tune(self.plan, settings, data, self.basis, penalty)
        self.place_anew()

    def place_anew(self):
        """`place`, with a new scaling."""
        if self.plan.scaling is not None and self.rows > 0:
            self.plan.scaling.keep(self.coef)
        self.place()

    def retune(self, settings, data, null, penalty):
        """Follow a stream: a new scaling when the old one does not suit it any more."""
        chunk, seen = Statistics.of(data, null), self.statistics
        assert seen is not None
        self.stream = self.stream or not chunk.equals(self.chunk)
        self.chunk = chunk
        if not self.stream:
            # The same rows once more.
            weight = seen.weight + chunk.weight
            self.statistics = Statistics(weight, *seen.vectors)
            return
        self.statistics = seen.merge(chunk)
        if self.statistics.differs(self.basis):
            self.basis = self.statistics
            add_scaling(self.plan, settings, data, self.basis, penalty)
            self.place_anew()


# Attributes that a state keeps if it continues from reported coefficients alone, and
# those it keeps in addition if it continues from its iterate. Others are reset.
KEPT = {
    "spread",
    "columns",
    "rows",
    "weight_sum",
    "weight_rows",
    "unit",
    "stream",
    "mark",
    "reported",
    "handed_out",
}
PATH = {"key", "average", "average_count", "steps", "factor"}
AFRESH = {"key": None} | {
    item.name: item.default
    for item in fields(State)
    if item.name not in KEPT and item.default is not MISSING
}
AFRESH_WITHIN_PATH = {k: v for k, v in AFRESH.items() if k not in PATH}
# Values of attributes that are not stored.
DEFAULTS = {
    item.name: None if item.default is MISSING else item.default
    for item in fields(State)
}


def _is_default(name, value):
    default = DEFAULTS[name]
    return value is None if default is None else value == default
