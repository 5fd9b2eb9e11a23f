"""What "auto" means: statistics of the data, implicit metric, method, step size.

With ``learning_rate="auto"`` (or a schedule's name without ``eta0``) the optimizer
does not see the raw coordinates. It sees u, with

    w_jk = S_jk u_jk,   b_k = z_k u_bk - sum_j mu_j w_jk,
    S_jk = z_k / sqrt(var_j + l2 z_k^2 / f_k),

where mu and var are the weighted mean and variance of a column and z_k, f_k the
natural sizes of a prediction and of the loss (`Loss.units`). In these coordinates
every feature is centred and has size one, every curvature is at most about one,
and neither the units of X nor those of y matter. X itself is neither copied nor
changed, and the penalty remains the one of the raw coefficients.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from ._columns import only_columns, used_columns, widened
from ._curvature import MAX_FACTOR, coupled, has_costly_hessians, has_few_rows
from ._threads import effective_threads
from ._validation import optimizer_name, schedule_of, step_is_explicit
from .kernels._gram import column_statistics as kernel_statistics
from .kernels._gram import count_entries, weighted_gram
from .kernels._problem import Problem
from .kernels._rows import Rows
from .kernels._vector import all_finite
from .optimizers import OPTIMIZERS
from .schedules import as_schedule

# Sizes of y, of a loss, of the exponent of a log link and of a column of X up to which
# (and down to whose inverses) squares and their products with each other are floats.
LARGE_TARGET, LARGE_LOSS, LARGE_EXPONENT, LARGE_COLUMN = 1e152, 1e304, 350.0, 1e140
# Targets further from the constant model than so many sizes of a prediction have their
# losses measured from that model's: squared and times 1e-16 these are still little.
DISTANT = 1e6
# Entries of X that are looked at together: temporary arrays stay in the cache.
BLOCK_ENTRIES = 65536
# Rows or entries of which arrays are made, where one of all would take too much memory.
CHUNK = 16384
# The largest eigenvalue is estimated on at most this many rows (evenly spaced).
EIGEN_ROWS = 8192
# Multiplications spent on second moments (some tenths of a second).
GRAM_WORK = 2_000_000_000
# Features up to which the metric may be a full one.
ROTATED = 1000
# Arithmetic up to which every output gets a rotation of its own.
EACH = 2e9
# Least curvature in a rotated metric, relative to the largest.
FLAT = 1e-10
# Batch descent is chosen up to so many entries of X times outputs: there an epoch takes
# milliseconds. Sparse mini-batches pay for a dense step each, so batches win longer.
SMALL = 2_000_000
SMALL_SPARSE = 500_000_000
# Mini-batches of an epoch: in a full metric; where X is too wide for one and a step
# costs O(n_features); and of a loss with kinks, whose gradient does not fade.
STEPS, STEPS_WIDE, STEPS_KINKED = 64, 16, 200
# A step of the features that a sparse batch touches must be so many times cheaper than
# one of all features (`Optimizer.price`) to be taken instead.
MARGIN = 1.0
# Rows above which softmax is learnt in mini-batches by the rules that need not.
MANY = 20_000


@dataclass
class Data:
    """One fit's data, as the kernels read it.

    Attributes
    ----------
    X : ndarray or canonical CSR of shape (n_samples, n_features)
    target : float64 array
        As `Loss.evaluate` wants it.
    weights : float64 array of shape (n_samples,) or None
        In units of their mean; None means ones.
    rows : intp array or None
        The rows to learn from, ascending; None means all. Rows of weight zero are
        never among them.
    loss : Loss
    n_outputs : int
    fit_intercept : bool
    n_jobs : int or None
    penalised : bool
        True if the objective has a penalty.
    slope_limit : float
        Slopes of the loss beyond it are clipped to it (`Schedule.slope_limit`).
    base : float
        What the loss leaves out of the objective (`measured_from`).
    columns : intp array or None
        The numbers that the columns of X have in the user's matrix; None means the
        same.
    n_columns : int or None
        Number of columns with a non-zero entry in the rows to learn from, where it was
        counted.
    """

    X: object
    target: np.ndarray
    weights: np.ndarray | None
    rows: np.ndarray | None
    loss: object
    n_outputs: int
    fit_intercept: bool
    n_jobs: int | None
    penalised: bool = True
    slope_limit: float = math.inf
    base: float = 0.0
    columns: np.ndarray | None = None
    n_columns: int | None = None

    @property
    def width(self):
        """Number of columns that choices between methods count.

        All of a dense array, where each costs the same, and of a stream, which may
        bring entries later; else those that have an entry.
        """
        return self.X.shape[1] if self.n_columns is None else self.n_columns

    @cached_property
    def n_used(self):
        """Number of columns with a non-zero entry, of any X."""
        if self.n_columns is not None:
            return self.n_columns
        return int(np.count_nonzero(used_columns(self.X, self.rows)))

    def of_columns(self, columns):
        """The data of these columns alone, or of all for None."""
        if columns is None:
            return self
        return replace(self, X=only_columns(self.X, columns), columns=columns)

    def of_rows(self, rows):
        """The data of the rows with these numbers alone, as a copy.

        Of sparse X without the columns that are empty there.
        """
        X = self.X[rows]
        if sp.issparse(X):
            X = only_columns(X, np.flatnonzero(used_columns(X, None)))
        weights = None if self.weights is None else self.weights[rows]
        return replace(
            self, X=X, target=self.target[rows], weights=weights, rows=None,
            columns=None, n_columns=None,
        )  # fmt: skip

    def number_of(self, column):
        """The number that the user knows a column of X by."""
        return column if self.columns is None else int(self.columns[column])

    @property
    def everything(self):
        """True if all rows are learnt from."""
        return self.rows is None or len(self.rows) == self.X.shape[0]

    @property
    def n_rows(self):
        """Number of rows to learn from."""
        return self.X.shape[0] if self.rows is None else len(self.rows)

    @cached_property
    def n_entries(self):
        """Number of entries, of CSR of the stored ones, of the rows to learn from."""
        if not sp.issparse(self.X):
            return self.n_rows * self.X.shape[1]
        return Rows(self.X).total_entries(None if self.everything else self.rows)

    @property
    def entries_per_row(self):
        """Their mean number in a row."""
        return self.n_entries / self.n_rows

    @property
    def n_bytes(self):
        """Memory of the rows to learn from."""
        X = self.X
        if not sp.issparse(X):
            return self.n_entries * X.itemsize
        entry = X.data.itemsize + X.indices.itemsize
        return self.n_entries * entry + (self.n_rows + 1) * X.indptr.itemsize

    def spaced(self, step):
        """Numbers of every ``step``-th row."""
        if self.rows is None:
            return np.arange(0, self.X.shape[0], step, dtype=np.intp)
        return np.ascontiguousarray(self.rows[::step])

    @property
    def share(self):
        """Mean weight of the rows."""
        if self.weights is None:
            return 1.0
        weights = self.weights if self.everything else self.weights[self.rows]
        return float(weights.mean())

    def targets(self):
        """Targets and weights of the rows to learn from."""
        if self.everything:
            return self.target, self.weights
        weights = None if self.weights is None else self.weights[self.rows]
        n_targets = self.target.size // self.X.shape[0]
        return self.target.reshape(-1, n_targets)[self.rows], weights

    def output(self, k, target):
        """The data of one output; of several classes, one against the rest.

        Its targets are stored in ``target``, an array of shape (n_samples,).
        """
        if self.loss.task == "regression":
            target[...] = self.target.reshape(-1, self.n_outputs)[:, k]
        else:
            np.multiply(self.target == k, 2.0, out=target)
            target -= 1.0
        loss = self.loss.of_outputs(k, k + 1)
        return replace(self, target=target, loss=loss, n_outputs=1)

    def numbers(self, start, stop):
        """Numbers of the rows at these positions; None if these are all rows."""
        if self.rows is not None:
            return self.rows[start:stop]
        if stop - start == self.X.shape[0]:
            return None
        return np.arange(start, stop, dtype=np.intp)

    def part(self, start, stop):
        """Numbers, targets and weights of the rows at these positions."""
        if self.rows is None:
            rows = np.arange(start, stop, dtype=np.intp)
            part = slice(start, stop)
        else:
            rows = part = self.rows[start:stop]
        return (
            rows,
            self.target[part],
            None if self.weights is None else self.weights[part],
        )

    def is_finite(self):
        """True if the data hold neither NaN nor infinity, as they did at first."""
        values = self.X.data if sp.issparse(self.X) else self.X
        arrays = values, self.target, self.weights
        return all(array is None or all_finite(array) for array in arrays)

    def check_finite(self):
        """Raise ValueError if somebody else has made the data NaN or infinite."""
        if not self.is_finite():
            raise ValueError(
                "X, y, sample_weight: the training data hold NaN or infinity, which "
                "they did not when fit began. Give fit arrays that nothing writes to."
            )

    def null_model(self):
        """Raw predictions of the best constant model."""
        if not self.fit_intercept:
            return np.zeros(self.n_outputs)
        return self.loss.null_model(*self.targets(), self.n_outputs)

    def units(self, constant):
        """Natural sizes of prediction and loss about a constant model (`Loss.units`).

        Raises
        ------
        ValueError
            If the targets are so large or so small that a loss leaves float64.
        """
        target, weights = self.targets()
        z_unit, loss_unit = self.loss.units(target, weights, constant)
        predictions, losses = z_unit.tolist(), loss_unit.tolist()
        held = all([1.0 / LARGE_TARGET < z < LARGE_TARGET for z in predictions])
        log_link = self.loss.link == "log"
        limit = LARGE_TARGET if log_link else LARGE_LOSS
        held = held and all([1.0 / limit < f < limit for f in losses])
        if log_link:
            # Without an intercept the constant model says nothing about y.
            held = held and float(target.max()) < LARGE_TARGET
            held = held and all([abs(z) < LARGE_EXPONENT for z in constant.tolist()])
        if held and self.loss.linear_tails:
            # Outliers do not count in the sizes.
            held = np.abs(target).max() < LARGE_TARGET
        if not held:
            raise self.size_error()
        return z_unit, loss_unit

    def size_error(self):
        """What to raise if a loss of the targets leaves float64."""
        self.check_finite()
        size = np.abs(self.targets()[0]).max()
        large, makes = ("large", "overflow") if size > 1.0 else ("small", "underflow")
        return ValueError(
            f"y: values as {large} as {size:.3g} make the loss {makes} float64. "
            "Scale y (TransformedTargetRegressor)."
        )

    def measured_from(self, constant, z_unit):
        """These data with the losses of far outliers as differences, if there are any.

        Without their size, which no model changes, the objective shows what the other
        rows gain. ``base`` is what the objective leaves out.

        Parameters
        ----------
        constant : ndarray of shape (n_outputs,)
            Raw predictions of a constant model.
        z_unit : ndarray of shape (n_outputs,)
            Natural size of a prediction.
        """
        if not self.loss.linear_tails or self.loss.task != "regression":
            return self
        target, weights = self.targets()
        target, reach = target.reshape(-1, self.n_outputs), DISTANT * z_unit
        distant = np.abs(target - constant) > reach
        rows = distant.any(axis=1)
        if not rows.any():
            return self
        # (A target that is the constant itself has a loss of zero.)
        target = np.where(distant, target, constant)[rows]
        weights = None if weights is None else weights[rows]
        z = np.broadcast_to(constant, target.shape)
        total = self.loss.evaluate(target, z, weights)[0]
        base = total / (self.n_rows * self.share)
        return replace(self, loss=self.loss.measured_from(constant, reach), base=base)

    def problem(self):
        """The compiled data term."""
        return Problem(
            Rows(self.X), self.target, self.weights, self.loss, self.n_outputs,
            self.fit_intercept, None if self.everything else self.rows,
            effective_threads(self.n_jobs), slope_limit=self.slope_limit,
        )  # fmt: skip


@dataclass
class Metric:
    """The implicit coordinates of one fit; see the module's docstring.

    Attributes
    ----------
    centre : ndarray of shape (n_features,)
        Column means (zero without intercept).
    scale, gradient_scale : ndarray of shape (n_features + 1, n_outputs)
        w = scale * u and dF/du = gradient_scale * dF/dw, the latter in units of
        the loss.
    rotation : ndarray of shape (1 or n_outputs, n_features + 1, n_features + 1) or None
        R_k, in w_k = scale_k * (R_k u_k) and dF/du_k = R_k' (gradient_scale_k *
        dF/dw_k); one for all outputs, or one each.
    inverse : ndarray of the same shape, or None
        The (pseudo-)inverses of R_k.
    """

    centre: np.ndarray
    scale: np.ndarray
    gradient_scale: np.ndarray
    rotation: np.ndarray | None = None
    inverse: np.ndarray | None = None

    def of_all_features(self, columns, n_features):
        """The metric of columns without spread beside ``columns``, which it is of."""

        def wide(array):
            return widened(array, columns, n_features)

        metric = Metric(wide(self.centre), wide(self.scale), wide(self.gradient_scale))
        if self.rotation is not None:
            places = np.append(columns, n_features)
            pairs = slice(None), places[:, None], places
            shape = len(self.rotation), n_features + 1, n_features + 1
            for name in ("rotation", "inverse"):
                matrices = np.zeros(shape)
                matrices[:] = np.eye(n_features + 1)
                matrices[pairs] = getattr(self, name)
                setattr(metric, name, matrices)
        return metric

    def to_position(self, coef):
        """Raw coefficients as coordinates of the metric."""
        position = coef.copy()
        position[-1] += self.centre @ coef[:-1]
        # A column without spread has scale 0: its share is in the intercept now.
        out = np.zeros_like(position)
        np.divide(position, self.scale, out=out, where=self.scale > 0.0)
        if self.rotation is not None:
            for k, u in enumerate(out.T):
                u[:] = self.inverse[k % len(self.inverse)] @ u
        return out


@dataclass
class Plan:
    """How a fit proceeds, with every "auto" resolved.

    Attributes
    ----------
    optimizer : Optimizer
    batch_size : int or "full"
    schedule : Schedule
        Step sizes; in the metric's coordinates where there is one.
    guarded : bool
        True if the step size was found from the data: then an epoch that makes
        the objective worse is undone and the step size halved (not with a
        degenerate loss, whose objective says nothing).
    adaptive : bool
        True if the step size also follows what an epoch gained (`Training.accept`).
    metric : Metric or None
    """

    optimizer: object
    batch_size: object
    schedule: object
    guarded: bool
    adaptive: bool = False
    metric: Metric | None = None

    @property
    def streams(self):
        """True if `partial_fit` can go on with it."""
        return self.optimizer.why_no_stream is None

    @property
    def rotated(self):
        """True if the metric mixes the features."""
        return isinstance(self.metric, Metric) and self.metric.rotation is not None


def batches(n_samples, batch_size):
    """Rows per batch and number of batches of an epoch."""
    rows = n_samples if batch_size == "full" else min(batch_size, n_samples)
    return rows, -(-n_samples // rows)


def row_blocks(X, rows):
    """Pairs (rows of a block, block of X in float64), without a copy of X.

    ``rows`` are the numbers of the rows, ascending; None means all.
    """
    n = X.shape[0] if rows is None else len(rows)
    per_row = Rows(X).total_entries(rows) // n
    size = min(max(64, BLOCK_ENTRIES // max(1, per_row)), 2048)
    for start in range(0, n, size):
        if rows is None:
            part = np.arange(start, min(start + size, n))
        else:
            part = rows[start : start + size]
        contiguous = part[-1] - part[0] + 1 == len(part)
        block = X[part[0] : part[-1] + 1] if contiguous else X[part]
        yield part, block.astype(np.float64, copy=False)


def column_statistics(data):
    """Weighted mean and variance of the columns.

    Returns
    -------
    mean, var : ndarrays of shape (n_features,)
        Dense columns are shifted by their first value before squaring, so a mean
        far from zero costs no accuracy; the rounding error that is left counts as
        no variance. Nor does a column have one that is so small that its coefficient
        is zero with any penalty.

    Raises
    ------
    ValueError
        If values of X are so large or so small that their squares leave float64.
    """
    subset = None if data.everything else data.rows
    n_threads = effective_threads(data.n_jobs)
    try:
        mean, var = kernel_statistics(
            Rows(data.X), data.weights, subset, n_threads, data.columns
        )[1:]
    except ValueError:
        data.check_finite()
        raise
    size = np.maximum(np.abs(mean), np.sqrt(var))
    # (`argmax` takes a third of the time of `max`.)
    largest = size.argmax()
    if not size[largest] <= LARGE_COLUMN:
        data.check_finite()
        raise _size_error(data.number_of(largest), "large")
    small = size < 1.0 / LARGE_COLUMN
    if np.count_nonzero(small) and (small := small & (size > 0.0)).any():
        if not data.penalised:
            raise _size_error(data.number_of(small.argmax()), "small")
        mean[small] = var[small] = 0.0
    return mean, var


def _size_error(column, what):
    return ValueError(
        f"X: the values of column {column} are so {what} that their squares leave "
        "float64. Scale this column (MaxAbsScaler or StandardScaler), or leave it out."
    )


def column_counts(data):
    """Stored entries of each column of sparse X, over the rows to learn from."""
    return count_entries(Rows(data.X), None if data.everything else data.rows)


def largest_eigenvalue(data, centre, scale):
    """Largest eigenvalue of the weighted second moments of (X - centre) scale.

    Power iteration from a fixed start, on all rows or on EIGEN_ROWS of them; never
    below 1, the eigenvalue of the intercept.
    """
    rows = data.spaced(-(-data.n_rows // EIGEN_ROWS))
    total = len(rows) if data.weights is None else data.weights[rows].sum()
    v, seen = np.zeros(data.X.shape[1]), scale > 0.0
    # As many numbers as there are columns that count, so that others change nothing.
    v[seen] = np.random.RandomState(0).standard_normal(np.count_nonzero(seen))
    largest = 1.0
    for iteration in range(12):
        # (In a unit of its own: squares of large columns overflow.)
        unit = 2.0 ** math.frexp(np.abs(v).max(initial=0.0))[1]
        norm = float(np.linalg.norm(v / unit)) * unit
        if iteration:
            largest = max(largest, norm)
        if not 0.0 < norm < np.inf or not total > 0.0:
            break
        u = scale * (v / norm)
        shift = centre @ u
        product, residual = np.zeros_like(v), 0.0
        for part, block in row_blocks(data.X, rows):
            r = block @ u - shift
            if data.weights is not None:
                r *= data.weights[part]
            product += block.T @ r
            residual += r.sum()
        v = scale * (product - centre * residual) / total
    return largest


def choose(est, data, explicit, stream):
    """Optimizer object and batch size of an estimator, "auto" resolved."""
    n_samples, n_features = data.n_rows, data.width
    sparse, per_row = sp.issparse(data.X), data.entries_per_row
    limit = SMALL_SPARSE if sparse else SMALL
    small = n_samples * per_row * data.n_outputs <= limit
    optimizer, batch_size = est.optimizer, est.batch_size
    if not isinstance(batch_size, str):
        batch_size = int(batch_size)
    # (The optimum of a degenerate loss is of no use: no batch size reaches it sooner.)
    full = (data.loss.smooth or data.loss.degenerate) and small and not stream
    name = optimizer_name(optimizer)
    automatic = name == "auto"
    if automatic:
        name = choose_optimizer(est, data, explicit, stream, full)
    if name is not None:
        optimizer = OPTIMIZERS[name]()
    optimizer.check_run(est, data.loss)
    if optimizer.training != "descent":
        rows = optimizer.resolve_batch_size(batch_size, n_features, per_row)
        return optimizer, rows
    if batch_size == "auto":
        many = coupled(data.loss, data.n_outputs) and n_samples > MANY
        if explicit:
            batch_size = 1 if optimizer.name == "sgd" else 32
        elif full and automatic:
            batch_size = "full"
        elif (
            data.loss.smooth
            and not stream
            and not optimizer.normalised
            and (full and sparse if n_features > ROTATED else not many)
        ):
            # A full metric makes each step worth an epoch of small ones, unless these
            # are many and the metric has no more than the blocks of softmax. For wide
            # sparse X an epoch of small steps would cost much more.
            batch_size = "full"
        else:
            # Rules that normalise the gradient are off by its noise, however small
            # their steps: batches as large as leaves an epoch some steps.
            if n_features > ROTATED:
                rows = n_samples / STEPS_WIDE
            else:
                rows = n_samples / (STEPS if data.loss.smooth else STEPS_KINKED)
            batch_size = int(np.clip(rows, 32 if n_samples > 2000 else 8, 1024))
    return optimizer, batch_size


def choose_optimizer(est, data, explicit, stream, full):
    """Name of the optimizer that "auto" stands for.

    With an explicit step size it is SGD*'s own; where only a rule of descent does
    (streams, averages, schedules, a loss whose objective says nothing) momentum over
    all rows or Adam over some of them. Otherwise the batch size decides: Point-SAGA for
    single rows, SVRG for mini-batches, and over all rows the second-order method as
    long as n_features^2 numbers fit, or the rows are few beside the columns; beyond
    that L-BFGS, or FISTA with an l1 penalty.
    """
    if explicit:
        return "sgd"
    batch_size, loss = est.batch_size, data.loss
    if stream or est.average or loss.degenerate or est.learning_rate != "auto":
        all_rows = batch_size == "full" or (batch_size == "auto" and full)
        return "nesterov" if all_rows else "adam"
    if batch_size == 1:
        return "point_saga"
    if batch_size not in ("auto", "full"):
        return "svrg" if loss.smooth else "adam"
    wide = data.width >= MAX_FACTOR
    if est._penalty()[0] > 0.0:
        # Softmax has no curvature that coordinate descent could use cheaply.
        by_gradients = wide or coupled(loss, data.n_outputs)
        by_gradients = by_gradients or has_costly_hessians(data)
        return "fista" if by_gradients else "newton"
    return "lbfgs" if wide and not has_few_rows(data) else "newton"


@dataclass
class Statistics:
    """Sizes of the columns and of the targets seen so far.

    Attributes
    ----------
    weight : float
        Sum of the weights of the rows.
    mean, var : ndarray of shape (n_features,)
        Weighted mean and variance of the columns.
    z_unit, loss_unit : ndarray of shape (n_outputs,)
        `Loss.units`, averaged over the chunks of a stream.
    """

    weight: float
    mean: np.ndarray
    var: np.ndarray
    z_unit: np.ndarray
    loss_unit: np.ndarray

    @property
    def vectors(self):
        """All but the weight."""
        return self.mean, self.var, self.z_unit, self.loss_unit

    @classmethod
    def of(cls, data, null):
        """Statistics of the rows of ``data``; ``null`` is its constant model."""
        weight = data.n_rows * data.share
        units = data.units(null)
        return cls(weight, *column_statistics(data), *units)

    def merge(self, other):
        """Statistics of both sets of rows (Chan, Golub and LeVeque 1983)."""
        weight = self.weight + other.weight
        share = other.weight / weight
        step = other.mean - self.mean
        return Statistics(
            weight,
            self.mean + share * step,
            self.var + share * (other.var - self.var) + share * (1 - share) * step**2,
            self.z_unit + share * (other.z_unit - self.z_unit),
            self.loss_unit + share * (other.loss_unit - self.loss_unit),
        )

    def equals(self, other):
        """True if both are of the same rows, up to the rounding of their weights."""
        if abs(self.weight - other.weight) > 1e-9 * self.weight:
            return False
        for a, b in zip(self.vectors, other.vectors, strict=True):
            # (Most often they are the same to the last bit, and soon compared.)
            if a.tobytes() != b.tobytes():
                size = np.abs(a) + (np.sqrt(self.var) if a is self.mean else 0.0)
                if (np.abs(a - b) > 1e-9 * size).any():
                    return False
        return True

    def differs(self, other):
        """True if a metric made from ``other`` does not suit these statistics.

        Sizes off by a factor of two or a mean off by a standard deviation do; the
        same data seen again never does.
        """
        moved = (self.mean - other.mean) ** 2 > 1.01 * self.var + 1e-20 * self.mean**2
        return bool(
            moved.any()
            or _off_by_two(self.var, other.var, square=True)
            or _off_by_two(self.z_unit, other.z_unit)
        )


def _off_by_two(a, b, square=False):
    limit = 4.0 if square else 2.0
    return bool(((a > limit * b) | (b > limit * a)).any())


def make_plan(est, data, stream=False):
    """Resolve "auto" in an estimator's optimizer and batch size.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    data : Data
    stream : bool, default=False
        True if the data are a chunk of a stream.

    Returns
    -------
    plan : Plan
        Complete where the step size is explicit; otherwise `add_metric` gives it the
        metric and the step sizes.
    """
    explicit = step_is_explicit(est)
    optimizer, batch_size = choose(est, data, explicit, stream)
    automatic = est.learning_rate == "auto"
    if not optimizer.takes_learning_rate:
        explicit, automatic = False, True
    guarded = not explicit and not data.loss.degenerate
    plan = Plan(
        optimizer, batch_size, None, guarded, guarded and automatic and not stream
    )
    if explicit:
        schedule = schedule_of(est)
        schedule.check_run(est, data.loss, optimizer, batch_size)
        plan.schedule = bind(schedule, est, data, batch_size)
    return plan


def add_metric(plan, est, data, statistics, l2):
    """Give a plan its metric and the step size that suits it.

    Where steps shall move the features that they touch only, the metric is not centred.
    Rules along the gradient then stay in raw coordinates altogether: one penalty for
    all features lets these catch up in closed form.
    """
    normalised = plan.optimizer.normalised
    summed = bool(est.average) or (plan.adaptive and normalised)
    constant = est.learning_rate == "auto"
    by_features = moves_by_features(
        data,
        plan.optimizer,
        plan.batch_size,
        *est._penalty(),
        not normalised,
        summed,
        constant,
    )
    if by_features and not normalised:
        plan.metric = None
        (curvature,) = raw_curvatures(data, statistics, [plan.batch_size])
    else:
        rotated = not by_features and _worth_rotating(est, data, plan)
        plan.metric, curvature = make_metric(
            data, statistics, l2, plan.batch_size, rotated, not by_features
        )
    set_pace(plan, est, data, curvature)


def renew_rotation(plan, est, data, statistics, l2, coef, damping):
    """Suit a rotated metric to the curvature at ``coef``."""
    share = rotate(plan.metric, data, statistics, l2, coef, damping)
    if share is None:
        return
    largest = 1.1
    if coupled(data.loss, data.n_outputs):
        # diag(p) - pp' <= 2 diag(p (1 - p)): softmax without its off-diagonal blocks.
        largest *= 2.0 - damping
    curvature = interpolate(data.n_rows, plan.batch_size, largest, 1.0 + share)
    set_pace(plan, est, data, curvature)


def set_pace(plan, est, data, curvature):
    """Step sizes for the largest curvature that a batch sees."""
    eta0 = plan.optimizer.unit_step(curvature, plan.batch_size == "full")
    name = "constant" if est.learning_rate == "auto" else est.learning_rate
    schedule = as_schedule(name, eta0, est.power_t)
    plan.schedule = bind(schedule, est, data, plan.batch_size)


def _worth_rotating(est, data, plan):
    """True if a full metric suits the penalty and costs little beside the rows."""
    if not plan.adaptive or est.penalty not in ("l2", None) or not data.loss.smooth:
        return False
    n_features = data.X.shape[1]
    rows = batches(data.n_rows, plan.batch_size)[0]
    return n_features <= min(ROTATED, max(100, 8 * rows))


def moves_by_features(data, optimizer, batch_size, *case):
    """True if steps shall move the touched features only: the cheapest exact form.

    ``case`` are the arguments of `Optimizer.price`. A lazy rule does so by its name,
    unless a batch holds all rows.
    """
    if not sp.issparse(data.X):
        return False
    rows = batches(data.n_rows, batch_size)[0]
    if rows == data.n_rows or optimizer.lazy:
        return rows < data.n_rows
    touched = rows * data.entries_per_row
    return MARGIN * optimizer.price(*case) * touched < data.width


def bind(schedule, est, data, batch_size):
    """Tell a schedule what it cannot know: the penalty, the length, the loss."""

    def slope(y, z):
        return data.loss.evaluate(np.array([float(y)]), np.array([[float(z)]]))[
            1
        ].item()

    total_steps = est.max_iter * batches(data.n_rows, batch_size)[1]
    return schedule.bind(alpha=est.alpha, total_steps=total_steps, dloss=slope)


def make_metric(data, statistics, l2, batch_size, rotated, centred):
    """Metric of the data, and the largest curvature that a batch sees in it."""
    z_unit, loss_unit = statistics.z_unit, statistics.loss_unit
    centre, var = statistics.mean, statistics.var
    if not (data.fit_intercept and centred):
        centre, var = np.zeros_like(centre), var + centre**2
    ridge = l2 * z_unit**2 / loss_unit
    if rotated:
        # One rotation serves all outputs.
        ridge = np.full_like(ridge, ridge.max())
    size = np.sqrt(var[:, None] + ridge)
    # A column without spread says nothing beside an intercept; it stays at zero.
    scale = np.zeros((len(centre) + 1, len(z_unit)))
    spread = np.broadcast_to(var[:, None] > 0.0, size.shape)
    np.divide(z_unit, size, out=scale[:-1], where=spread)
    scale[-1] = z_unit
    with np.errstate(over="ignore"):
        metric = Metric(centre, scale, scale / loss_unit)
        held = np.isfinite(metric.gradient_scale * scale).all()
    if not held:
        raise ValueError(
            "X, y: the columns of X are so small beside y that the coefficients' "
            "squares leave float64. Scale X and y."
        )
    widest = (scale[:-1] / z_unit).max(axis=1, initial=0.0)
    share = None
    if rotated:
        share = rotate(metric, data, statistics, l2, np.zeros_like(scale), 1.0)
    if share is None:
        return metric, batch_curvature(data, centre, var, widest, batch_size)
    return metric, interpolate(data.n_rows, batch_size, 1.1, 1.0 + share)


def rotate(metric, data, statistics, l2, coef, damping):
    """Give a metric the rotations R_k with R_k' M_k R_k = 1.

    M_k is the Hessian of one output at ``coef``, in the coordinates that the metric's
    scale defines, with a share ``damping`` of its bound (curvature one of the loss, in
    its units): of near separable data the curvature at a point says little about that
    further on.

    Returns
    -------
    share : float or None
        Mean squared norm of the rows. None, and the metric stays as it was, if X is not
        finite any more: then somebody else has changed it, and the next epoch ends the
        run.
    """
    moments = curvature_moments(data, metric, statistics, coef, damping)
    if not np.isfinite(moments).all():
        return None
    base = metric.scale[:-1, 0] / statistics.z_unit[0]
    metric.rotation, metric.inverse = np.empty_like(moments), np.empty_like(moments)
    share = 0.0
    ridges = l2 * statistics.z_unit**2 / statistics.loss_unit
    if len(moments) == 1:
        ridges = np.array([ridges.max()])
    for k, (M, ridge) in enumerate(zip(moments, ridges, strict=True)):
        full = M.copy()
        full[np.diag_indices(len(base))] += ridge * base**2
        # Columns that the sample missed keep their own size.
        size = np.sqrt(np.diag(full))
        size[size < 0.01] = 1.0
        values, vectors = np.linalg.eigh(full / size / size[:, None])
        # Directions without spread or curvature: no smaller than rounding allows.
        root = np.sqrt(np.maximum(values, FLAT * values[-1]))
        R = vectors / root / size[:, None]
        metric.rotation[k] = R
        metric.inverse[k] = (vectors * root).T * size
        share += np.einsum("ij,ij->", M @ R, R) / len(moments)
    return share


def curvature_moments(data, metric, statistics, coef, damping):
    """Mean of h_ik x_i x_i', x = [(X - centre) scale, 1], h the curvature of the loss.

    Of all rows, or of evenly spaced ones where that would take long.

    Returns
    -------
    moments : ndarray of shape (n_outputs, n_features + 1, n_features + 1)
        One matrix, of the mean curvature, where the curvature is the same for all
        outputs or a matrix each would take too long.
    """
    size, K = coef.shape
    each = damping < 1.0 and K > 1 and K * size**3 < EACH
    limit = max(20 * size, 4096, GRAM_WORK // (size**2 * (K if each else 1)))
    rows = data.spaced(-(-data.n_rows // limit))
    units = statistics.z_unit**2 / statistics.loss_unit
    base = metric.scale[:-1, 0] / statistics.z_unit[0]
    out = np.zeros((K if each else 1, size, size))
    h, total, done = np.empty((min(CHUNK, len(rows)), len(out))), 0.0, 0
    X, n_threads = Rows(data.X), effective_threads(data.n_jobs)
    for start in range(0, len(rows), CHUNK):
        some, done = rows[start : start + CHUNK], 0
        for part, block in row_blocks(data.X, some):
            s = np.ones(len(part)) if data.weights is None else data.weights[part]
            total += s.sum()
            z = block @ coef[:-1] + coef[-1]
            curvature = data.loss.curvature(data.target[part], z)
            curvature = np.maximum(curvature, 0.0) * units
            # (Not c + damping (1 - c), which is zero where c is beyond 1e16.)
            curvature = (1.0 - damping) * curvature + damping
            if not each:
                curvature = curvature.max(axis=1, keepdims=True)
            h[done : done + len(part)] = s[:, None] * curvature
            done += len(part)
        for k, moments in enumerate(out):
            A, v, height = weighted_gram(X, h[:done, k], some, metric.centre, n_threads)
            moments[:-1, :-1] += A * base * base[:, None]
            moments[-1, :-1] += v * base
            moments[-1, -1] += height
    for moments in out:
        if data.fit_intercept:
            moments[:-1, -1] = moments[-1, :-1]
        else:
            moments[-1, :-1] = 0.0
            moments[-1, -1] = total
    return out / total


def batch_curvature(data, centre, var, scale, batch_size):
    """Curvature that a batch sees in the coordinates (x - centre) scale.

    Between the largest eigenvalue L (batch descent) and the mean row norm (one row):
    the interpolation of Gower et al. 2019 with the mean in place of the largest row,
    since a few huge rows should not set the pace.
    """
    largest = 1.1 * largest_eigenvalue(data, centre, scale)
    row = float(var @ scale**2) + 1.0
    return interpolate(data.n_rows, batch_size, largest, row)


def interpolate(n, batch_size, largest, row):
    """Curvature of a batch, between the largest eigenvalue and a row's norm."""
    b = batches(n, batch_size)[0]
    if b == n:
        return largest
    share = n * (b - 1) / (b * (n - 1))
    return share * largest + (1.0 - share) * max(row, largest)


def raw_curvatures(data, statistics, batch_sizes, sample=None):
    """Curvatures of F that batches of these sizes see in raw coordinates.

    Parameters
    ----------
    data : Data
    statistics : Statistics
        Of all rows.
    batch_sizes : list
    sample : Data, default=None
        Some of the rows, on which the largest eigenvalue is estimated.
    """
    mean, square = statistics.mean, statistics.var + statistics.mean**2
    rows = data if sample is None else sample
    n_features = rows.X.shape[1]
    largest = largest_eigenvalue(rows, np.zeros(n_features), np.ones(n_features))
    if sample is not None:
        # Bounds that the columns of all rows give: of a column alone, and of the mean.
        largest = max(largest, float(square.max()), float(mean @ mean))
    row = float(square @ np.ones_like(square)) + 1.0
    unit = float((statistics.loss_unit / statistics.z_unit**2).max())
    return [
        unit * interpolate(data.n_rows, size, 1.1 * largest, row)
        for size in batch_sizes
    ]


def stable_step(data, batch_size):
    """About the largest stable step of plain descent in raw coordinates.

    Returns
    -------
    limit : float
    spread : (float, float)
        Smallest and largest root mean square of a column that is not zero.
    """
    with np.errstate(all="ignore"):
        statistics = Statistics.of(data, data.null_model())
    square = statistics.var + statistics.mean**2
    sizes = np.sqrt(square[square > 0.0]) if square.any() else np.zeros(1)
    (curvature,) = raw_curvatures(data, statistics, [batch_size])
    return 2.0 / curvature, (float(sizes.min()), float(sizes.max()))
