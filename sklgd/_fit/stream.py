"""`partial_fit` with the online learner: a call, and what the next one goes on from."""

from array import array
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from .._compat import warn
from .._data_checks import rows_with_weight
from .._effects import warn_without_effect
from .._log import Log
from .._random import random_stream
from .._signs import signs_of_features
from .._strengths import has_strengths
from ..kernels._online import OnlineLearner
from ..kernels._rows import Rows
from ..losses import LOSSES
from ..optimizers import OPTIMIZERS, optimizer_name
from ..schedules import Constant
from .column_statistics import size_error
from .data import LARGE_TARGET, target_size_error
from .diagnosis import explain_stream
from .messages import stream_warning
from .offset import absorb
from .online_learner import make_learner
from .plan import Plan
from .settings import Settings
from .state import State, check_assigned, together

# A rounding error of float32 in a prediction, in units of the deviation of y or, for
# classification, of one, up to which coefficients are reported in float32.
COST = 1e-4
# A raw prediction so many units from the mean is warned of, once so many rows are
# learnt.
FAR, FEW_ROWS = 100.0, 20
# What is stored of a learner, by the names of its constructor's arguments.
OPTIONS = (
    "fit_intercept", "centred", "classifies", "multilabel", "reach", "power", "average",
    "l1", "l2", "second_order",
)  # fmt: skip


def online_optimizer(est):
    """The online optimizer of an estimator's streams, or None if it has another one."""
    optimizer, name = est.optimizer, optimizer_name(est.optimizer)
    if name == "auto":
        online = OPTIMIZERS["online"]()
        automatic = isinstance(est.learning_rate, str) and est.learning_rate == "auto"
        if online.why_no_signs is not None and signs_of_features(est) is not None:
            automatic = False
        if online.why_uniform is not None and has_strengths(est):
            automatic = False
        return online if automatic else None
    if name is not None:
        optimizer = OPTIMIZERS[name]()
    return optimizer if optimizer.learns_online else None


class Stream:
    """What `partial_fit` goes on from, in place of a `State`.

    Attributes
    ----------
    learner : OnlineLearner
        It is changed in place by every call.
    plan : Plan
    key : tuple
        The parameters that the learner was made for; with others a new one goes on from
        its coefficients.
    seed : int, RandomState or None
        The estimator's ``random_state``.
    curve : array of float
        Mean progressive loss of each call: all that grows with the number of calls.
    earlier_rows, earlier_weight : float
        Number and weight of the rows that other learners have learnt before.
    dtype : dtype
        That of the rows of the last call.
    sums : ndarray of shape (3,) or None
        Of the rows judged, once an offset was given: the user's weights, these times
        the factors that an offset makes, and what the losses leave out (`absorb`).
    factor_unit : float or None
        In which the learner's weights have these factors: that of the first row with an
        offset, so that usual factors are about one.
    """

    sums = factor_unit = spread = None
    columns = reported = None

    def __init__(self, learner, plan, key, seed):
        self.learner, self.plan, self.key, self.seed = learner, plan, key, seed
        self.curve = array("d")
        self.earlier_rows, self.earlier_weight = 0, 0.0
        self.dtype = np.dtype(np.float64)

    def sizes(self, n_features):
        """None: an online learner does not standardise its penalty."""
        return None

    @cached_property
    def order_seed(self):
        """What the order of the rows of each call follows from, with its number."""
        return int(random_stream(self.seed).randint(2**31))

    @cached_property
    def generator(self):
        return random_stream(0)

    def shuffled(self, rows):
        """Rows of the next call in random order; a call that fails draws nothing."""
        self.generator.seed(self.order_seed + len(self.curve))
        return self.generator.permutation(rows)

    def continued(self, dtype):
        """The same stream after another call, with the same learner."""
        stream = object.__new__(Stream)
        vars(stream).update(vars(self))
        vars(stream).pop("coef", None)
        vars(stream).pop("results", None)
        stream.dtype = dtype
        return stream

    @property
    def n_outputs(self):
        return self.learner.n_outputs

    @property
    def predicts_directly(self):
        """True if the learner itself predicts, in less time than ``coef_`` takes."""
        return not (self.learner.centred or "coef" in vars(self))

    @property
    def rows(self):
        """Number of rows learnt, without those of weight zero."""
        return self.earlier_rows + self.learner.n_rows

    @property
    def weight_rows(self):
        """The same."""
        return self.rows

    @property
    def weight_sum(self):
        """Sum of their weights."""
        return self.earlier_weight + self.learner.weight_sum

    def without_offset(self, target, weights, offset, order, penalty):
        """Targets and weights that are learnt in place of the user's with an offset.

        Parameters
        ----------
        target, weights, offset : arrays
            Of all rows of a call; the last two may be None.
        order : intp array
            Rows that are learnt.
        penalty : Penalty

        Returns
        -------
        target, weights : arrays
        sums : ndarray of shape (3,) or None
            As the attribute, of this call alone.
        """
        learner, s, constant = self.learner, weights, None
        if offset is not None:
            target, weights, constant = absorb(learner.definition, target, s, offset)
            if self.sums is None:
                before = learner.progress()[1]
                self.sums = np.array([before, before, 0.0])
        elif self.sums is None:
            return target, weights, None
        # (The first row of all is not judged.)
        judged = order if learner.n_rows else order[1:]
        s, learnt = (np.ones(len(target)) if a is None else a for a in (s, weights))
        if self.factor_unit is None:
            self.factor_unit = float(learnt[order[0]] / s[order[0]])
        if self.factor_unit != 1.0:
            weights = learnt / self.factor_unit
        left_out = 0.0 if constant is None else constant * s
        rows = np.stack(np.broadcast_arrays(s, learnt, left_out))
        sums = rows[:, judged].sum(axis=1)
        self.sums = self.sums + sums
        if self.sums[1] > 0.0:
            # The penalty is weighed against the mean loss of the user's rows.
            share = self.sums[0] / self.sums[1]
            learner.l1, learner.l2 = share * penalty.l1, share * penalty.l2
        return target, weights, sums

    def users_loss(self, mean, sums=None):
        """A mean loss for the user's targets and weights, from that of those learnt.

        ``sums`` are those of the rows that it is of; None means all rows judged.
        """
        sums = self.sums if sums is None else sums
        if sums is None or not sums[0] > 0.0:
            return mean
        weight, learnt, left_out = sums.tolist()
        return (mean * learnt + left_out) / weight

    @cached_property
    def coef(self):
        """Coefficients in float64, (n_features + 1, n_outputs)."""
        return self.learner.coefficients()

    def fitted(self, est):
        """``coef_`` and ``intercept_``, by name."""
        if "results" not in vars(self):
            self.results = self.report(est)
        return self.results

    def report(self, est):
        """The same, new arrays."""
        dtype = self.dtype if self.holds(self.dtype) else np.float64
        return est._coefficients(self.coef, dtype, None)

    def adopt(self, est):
        """Go on from coefficients that were assigned, or changed in place."""
        given = vars(self).get("results", {}) | {
            name: value
            for name, value in vars(est).items()
            if name in ("coef_", "intercept_")
        }
        if not given:
            return
        reported = self.report(est)
        given, before = (
            together(both["coef_"], both["intercept_"], None)
            for both in (reported | given, reported)
        )
        check_assigned(given, before.shape)
        if not (given == before).all():
            self.learner.adopt(np.where(given == before, self.coef, given))
            vars(self).pop("coef")
            vars(self).pop("results", None)

    def holds(self, dtype):
        """True if coefficients of this dtype predict as those in float64 do."""
        if dtype == np.float64:
            return True
        with np.errstate(over="ignore", under="ignore"):
            rounded = self.coef.astype(dtype).astype(np.float64)
            error = np.abs(rounded - self.coef)
            error[:-1] *= self.learner.largest_entries()[:, None]
            return bool(
                (error.sum(axis=0) <= COST * self.learner.prediction_unit()).all()
            )

    def warn_of_far_predictions(self, z):
        """Warn of raw predictions that no row learnt suggests."""
        learner = self.learner
        unit = learner.prediction_unit()
        if learner.n_rows < FEW_ROWS or z.size == 0 or not unit.all():
            return
        distance = np.abs(z.reshape(len(z), -1) - learner.prediction_centre()) / unit
        if distance.max() > FAR:
            row = distance.max(axis=1).argmax()
            warn(
                "Some predictions lie far outside the targets that were learnt. A row "
                "of X with much larger entries than those of the stream is predicted "
                "by extrapolation: look for wrong values, or for a column in another "
                f"unit. The raw prediction of row {row} is {z[row].max():.3g}."
            )

    def resumed(self, est, n_features):
        """A `State` of this stream, from which another optimizer sets out."""
        self.adopt(est)
        return self.of_all_features(n_features)

    def of_all_features(self, n_features):
        """A `State` with these coefficients."""
        state = State(self.coef.copy(), self.plan, None, self.seed)
        state.rows = state.weight_rows = self.rows
        state.weight_sum, state.curve = self.weight_sum, list(self.curve)
        state.stream = True
        return state

    def forgetful(self, coef_, intercept_):
        """The same, with reported coefficients."""
        return self.of_all_features(len(self.coef) - 1).forgetful(coef_, intercept_)

    # -------------------------------------------------------------------- storage

    def pack(self, est):
        """A dict of arrays, numbers and strings that `unpack` makes a stream of."""
        self.adopt(est)
        learner = self.learner
        loss, table = learner.definition, learner.table
        kinds, seen = learner.kinds_to_store(), np.flatnonzero(table.any(axis=1))
        most = len(seen) > len(table) // 2
        packed = {
            "loss": loss.name,
            "loss_params": [getattr(loss, name) for name in loss.params],
            "shape": [learner.n_features, learner.n_outputs],
            "options": {name: getattr(learner, name) for name in OPTIONS},
            "table": (table if most else table[seen])[:, kinds],
            "seen": None if most else seen,
            "kinds": kinds,
            "outputs": learner.output_table,
            "full": learner.full.pack() if learner.second_order else None,
            "stream": learner.stream_table,
            "early": learner.early_table,
            "curve": np.array(self.curve),
            "key": self.key,
            "seed": self.seed,
            "dtype": self.dtype.name,
            "earlier": [self.earlier_rows, self.earlier_weight],
            "sums": self.sums,
        }
        if "order_seed" in vars(self):
            packed["order_seed"] = self.order_seed
        return packed

    @classmethod
    def unpack(cls, packed, est):
        """The stream that `pack` made a dict of, for the estimator it is stored in."""
        loss = LOSSES[packed["loss"]](*packed["loss_params"])
        if packed["options"]["multilabel"]:
            loss = loss.of_labels()
        learner = OnlineLearner(loss, *packed["shape"], **packed["options"])
        table, kinds = learner.table, packed["kinds"]
        rows = np.arange(len(table)) if packed["seen"] is None else packed["seen"]
        table[rows[:, None], kinds] = packed["table"]
        learner.output_table[...] = packed["outputs"]
        learner.stream_table[...] = packed["stream"]
        if learner.second_order:
            learner.full.unpack(packed["full"])
        if packed["early"] is not None:
            learner.early_table[...] = packed["early"]
        plan = Plan(est.optimizer_, est.batch_size_, est.learning_rate_, True)
        stream = cls(learner, plan, _as_tuple(packed["key"]), packed["seed"])
        stream.curve = array("d", packed["curve"])
        stream.dtype = np.dtype(packed["dtype"])
        stream.earlier_rows, stream.earlier_weight = packed["earlier"]
        stream.sums = packed["sums"]
        if "order_seed" in packed:
            stream.order_seed = packed["order_seed"]
        return stream


class OfStream:
    """``coef_`` or ``intercept_`` of a stream, made when it is asked for.

    What a fit has set is an attribute of the estimator, and comes first.
    """

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, est, cls=None):
        if est is None:
            return self
        fitted = getattr(vars(est).get("_state"), "fitted", None)
        if fitted is None:
            raise AttributeError(
                f"This {type(est).__name__} instance has no {self.name} yet. Call fit "
                "or partial_fit first."
            )
        return fitted(est)[self.name]


def _as_tuple(key):
    """Lists, which some storage makes of tuples, as tuples again."""
    return tuple(map(_as_tuple, key)) if isinstance(key, (list, tuple)) else key


def learn_chunk(est, optimizer, X, target, weights, n_outputs, offset=None):
    """One call of `partial_fit`: every row is predicted, then learnt.

    Whatever goes wrong, the learner is as it was before.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    optimizer : Online
    X : ndarray or canonical CSR
    target : float64 array
        As the loss takes it.
    weights : float64 array or None
    n_outputs : int
    offset : float64 array of shape (n_samples, 1 or n_outputs) or None
        Is added to the raw predictions.
    """
    before = getattr(est, "_state", None)
    rows = rows_with_weight(weights)
    if rows is not None and len(rows) == 0 and before is not None:
        return est
    stream = _continued(est, optimizer, before, X, n_outputs)
    learner, curve = stream.learner, stream.curve
    order = np.arange(X.shape[0]) if rows is None else rows
    if est.shuffle and len(order) > 1:
        order = stream.shuffled(order)
    earlier, n_calls = learner.progress(), len(curve)
    strengths = learner.l1, learner.l2
    try:
        target, weights, sums = stream.without_offset(
            target, weights, offset, order, est._penalty(est._alpha(stream=True))
        )
        _check_size(learner, target)
        if not learner.learn(Rows(X), target.reshape(-1), weights, order):
            raise _overflow(learner, target)
        loss, weight = (a - b for a, b in zip(learner.progress(), earlier, strict=True))
        if len(order):
            mean = loss / weight if weight > 0.0 else np.nan
            curve.append(stream.users_loss(mean, sums))
        diagnosis = explain_stream(stream)
        values = vars(est)
        values.update(
            _state=stream,
            t_=1 + stream.rows,
            n_iter_=len(curve),
            optimizer_=stream.plan.optimizer,
            batch_size_=1,
            learning_rate_=stream.plan.schedule,
            alpha_=est._alpha(stream=True),
            optimality_gap_=np.nan,
            optimality_gap_is_bound_=False,
            validation_scores_=None,
            best_validation_score_=None,
            stop_reason_="partial_fit" if diagnosis is None else "stalled",
            diagnosis_=diagnosis,
        )
        # They are made when they are asked for.
        values.pop("coef_", None)
        values.pop("intercept_", None)
        if est.verbose:
            log = Log(est.verbose)
            log.chunk(f"partial_fit {len(curve)}", len(order), curve, learner.score())
            log.trouble(diagnosis)
        _warn_of_small_columns(learner)
        if diagnosis is not None:
            warn(stream_warning(), ConvergenceWarning)
    except BaseException as error:
        finished = vars(est).get("_state") is stream
        if not (finished and isinstance(error, (KeyboardInterrupt, Warning))):
            learner.undo()
            learner.l1, learner.l2 = strengths
            del curve[n_calls:]
        raise
    finally:
        learner.release()
    return est


def _continued(est, optimizer, before, X, n_outputs):
    """The stream that a call goes on with; it begins where there was none."""
    if isinstance(before, Stream):
        before.adopt(est)
    settings = Settings.of(est, stream=True)
    penalty = settings.penalty
    loss = est._make_loss()
    params = tuple(getattr(loss, name) for name in loss.params)
    signs = None if penalty.signs is None else penalty.signs.tobytes()
    key = (
        *est._plan_key(), params, est.fit_intercept, penalty.l1, penalty.l2, signs
    )  # fmt: skip
    if isinstance(before, Stream) and before.key == key:
        return before.continued(X.dtype)
    if has_strengths(est):
        optimizer.refuse_strengths()
    optimizer.check_run(settings, loss)
    plan = Plan(optimizer, 1, Constant(1.0), guarded=True)
    if optimizer_name(est.optimizer) != "auto":
        optimizer.resolve_batch_size(est.batch_size, X.shape[1], 1.0)
    warn_without_effect(est, plan, stream=True)
    centred = not sp.issparse(X)
    if isinstance(before, Stream):
        centred = before.learner.centred
    learner = make_learner(
        optimizer, loss, X.shape[1], n_outputs, fit_intercept=est.fit_intercept,
        centred=centred, classifies=settings.classifies, penalty=penalty,
        multilabel=est._multilabel,
    )  # fmt: skip
    stream = Stream(learner, plan, key, est.random_state)
    stream.dtype = X.dtype
    if before is not None and before.weight_rows > 0:
        before = before.resumed(est, X.shape[1])
        learner.start(before.coef, before.weight_rows)
        stream.earlier_rows, stream.earlier_weight = before.rows, before.weight_sum
        stream.curve = array("d", before.curve[: est.n_iter_])
    return stream


def _check_size(learner, target):
    """Raise ValueError for targets whose losses leave float64."""
    if learner.definition.task != "regression":
        return
    largest = max(target.max(), -target.min())
    if not largest < LARGE_TARGET:
        raise _overflow(learner, target)


def _warn_of_small_columns(learner):
    """Warn of a column that is not learnt, unless larger entries came later."""
    column = learner.small_column
    if column >= 0 and learner.is_too_small(column):
        warn(
            "A column of X is so small that its squares leave float64: it is not "
            f"learnt. Scale column {column} (MaxAbsScaler or StandardScaler), or leave "
            "it out."
        )


def _overflow(learner, target):
    """What to raise if a number left float64."""
    if learner.bad_column >= 0:
        return size_error(learner.bad_column, "large")
    return target_size_error(np.abs(target).max())
