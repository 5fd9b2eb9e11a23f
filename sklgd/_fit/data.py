"""The data of one fit, in the form that the kernels read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from .._threads import effective_threads
from ..kernels import _gram
from ..kernels._problem import Problem
from ..kernels._rows import Rows
from ..kernels._vector import all_finite
from . import cost
from .empty_columns import only_columns, used_columns

if TYPE_CHECKING:
    from ..losses import Loss

# Largest sizes of y, of a loss and of the exponent of a log link for which squares and
# their products are finite; the inverses are the smallest sizes.
LARGE_TARGET, LARGE_LOSS, LARGE_EXPONENT = 1e152, 1e304, 350.0
# Distance of a target from the constant model, in units of the scale of a prediction,
# beyond which its loss is measured from that model's. (The square of this, times the
# rounding error 1e-16, is still small.)
DISTANT = 1e6
# Number of rows by which `Data.mark` distinguishes two sets of rows.
MARKED_ROWS = 256


class DataOfFit:
    """What plans, statistics and loops ask of the data, wherever the rows are.

    A subclass adds ``X``, ``loss``, ``n_outputs``, ``fit_intercept``, ``n_columns``,
    ``n_rows`` and ``n_entries`` as `Data` has them, and ``targets`` and
    ``check_finite``.
    """

    X: Any
    loss: Loss
    n_outputs: int
    fit_intercept: bool
    n_columns: int | None
    n_rows: int
    n_entries: int
    targets: Any
    check_finite: Any

    @property
    def mean_factor(self):
        """Mean of the factors by which weights are larger than those of the rows."""
        return 1.0

    @property
    def width(self):
        """Number of columns by which methods are chosen.

        For a dense array, where each column costs the same, and for a stream, which may
        bring entries later, these are all columns; otherwise those with an entry.
        """
        return self.X.shape[1] if self.n_columns is None else self.n_columns

    @property
    def entries_per_row(self):
        """Mean number of entries in a row."""
        return self.n_entries / self.n_rows

    def fit_intercept_only(self):
        """Raw predictions of the best constant model."""
        if not self.fit_intercept:
            return np.zeros(self.n_outputs)
        target, weights = self.targets()
        return self.loss.fit_intercept_only(target, weights, self.n_outputs)

    def natural_scale(self, constant):
        """`Loss.natural_scale` of a prediction and of the loss about a constant model.

        Raises
        ------
        ValueError
            If the targets are so large or so small that a loss leaves float64.
        """
        target, weights = self.targets()
        z_unit, loss_unit = self.loss.natural_scale(target, weights, constant)
        if self.mean_factor != 1.0:
            loss_unit = loss_unit * self.mean_factor
        predictions, losses = z_unit.tolist(), loss_unit.tolist()
        held = all([1.0 / LARGE_TARGET < z < LARGE_TARGET for z in predictions])
        log_link = self.loss.link == "log"
        limit = LARGE_TARGET if log_link else LARGE_LOSS
        held = held and all([1.0 / limit < f < limit for f in losses])
        if log_link:
            # Without an intercept the constant model does not depend on y.
            held = held and float(target.max()) < LARGE_TARGET
            held = held and all([abs(z) < LARGE_EXPONENT for z in constant.tolist()])
        if held and self.loss.linear_tails:
            # The scales above ignore outliers.
            held = np.abs(target).max() < LARGE_TARGET
        if not held:
            raise self.size_error()
        return z_unit, loss_unit

    def size_error(self):
        """The error for targets whose losses leave float64."""
        self.check_finite()
        return target_size_error(np.abs(self.targets()[0]).max())


@dataclass
class KnownMoments:
    """Moments of the columns over the rows to learn from, computed before the fit.

    Attributes
    ----------
    mean, var : ndarrays of shape (n_features,)
        As `_fit/statistics.column_statistics` gives them.
    moments : tuple
        What `DataTerm.weighted_gram` gives for the rows' weights, about the means, or
        about zero without an intercept.
    """

    mean: np.ndarray
    var: np.ndarray
    moments: tuple[np.ndarray, np.ndarray, float]

    def of_columns(self, columns):
        """Those of these columns only; None means all."""
        if columns is None:
            return self
        A, v, weight = self.moments
        moments = np.ascontiguousarray(A[np.ix_(columns, columns)]), v[columns], weight
        return KnownMoments(self.mean[columns], self.var[columns], moments)

    def of_weight(self, weight):
        """The second moments for weights with this sum."""
        A, v, before = self.moments
        factor = weight / before
        return A * factor, v * factor, weight


@dataclass
class Data(DataOfFit):
    """The data of one fit.

    Attributes
    ----------
    X : ndarray or canonical CSR of shape (n_samples, n_features)
    target : float64 array
        In the form of `Loss.evaluate`.
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
    gradient_limit : float
        Derivatives of the loss beyond it are clipped to it (`Schedule.gradient_limit`).
    base : float
        Constant that the loss leaves out of the objective (`measured_from`, `absorb`).
    row_weight : float or None
        Mean weight of the rows, where ``weights`` are these times other factors
        (`absorb`); None means the mean of ``weights``.
    columns : intp array or None
        The numbers that the columns of X have in the user's matrix; None means the
        same.
    n_columns : int or None
        Number of columns with a non-zero entry in the rows to learn from; None if it
        was not counted.
    known_moments : KnownMoments or None
        Moments that need not be computed again. Other data made from these do not have
        them.
    sparse : bool
        True if X is a CSR matrix, False if it is an array.
    everything : bool
        True if the fit learns from all rows of X.
    subset : intp array or None
        Numbers of the rows to learn from; None if these are all rows.
    n_rows, n_entries : int
        Number of rows to learn from, and of their entries (for CSR the stored ones).
    """

    X: Any
    target: np.ndarray
    weights: np.ndarray | None
    rows: np.ndarray | None
    loss: Loss
    n_outputs: int
    fit_intercept: bool
    n_jobs: int | None
    penalised: bool = True
    gradient_limit: float = math.inf
    base: float = 0.0
    row_weight: float | None = None
    columns: np.ndarray | None = None
    n_columns: int | None = None
    known_moments: KnownMoments | None = field(init=False, default=None)
    sparse: bool = field(init=False)
    everything: bool = field(init=False)
    subset: np.ndarray | None = field(init=False)
    n_rows: int = field(init=False)
    n_entries: int = field(init=False)

    def __post_init__(self):
        X, rows = self.X, self.rows
        self.sparse = not isinstance(X, np.ndarray)
        self.n_rows = X.shape[0] if rows is None else len(rows)
        self.everything = self.n_rows == X.shape[0]
        self.subset = None if self.everything else rows
        if not self.sparse:
            self.n_entries = self.n_rows * X.shape[1]
        else:
            self.n_entries = self.matrix.total_entries(self.subset)

    @cached_property
    def n_used(self):
        """Number of columns with a non-zero entry, for dense X as well."""
        if self.n_columns is not None:
            return self.n_columns
        return int(np.count_nonzero(used_columns(self.X, self.rows)))

    def column_statistics(self, rows=None):
        """Weighted mean and variance of each column, of these rows or of all."""
        if rows is None and self.known_moments is not None:
            known = self.known_moments
            return known.mean.copy(), known.var.copy()
        return _gram.column_statistics(
            self.matrix, self.weights, self.subset if rows is None else rows,
            self.n_threads, self.columns,
        )[1:]  # fmt: skip

    def second_moments(self, rows, centre):
        """sum_i s_i (x_i - centre)(x_i - centre)' over these rows; None means all."""
        rows = self.subset if rows is None else rows
        return _gram.weighted_gram(
            self.matrix, self.weights, rows, centre, self.n_threads
        )[0]

    def of_columns(self, columns):
        """The data with these columns only; None means all columns."""
        if columns is None:
            return self
        return replace(self, X=only_columns(self.X, columns), columns=columns)

    def of_rows(self, rows):
        """A copy of the data with these rows only.

        Columns of sparse X that have no entry in them are left out.
        """
        X = self.X[rows]
        if self.sparse:
            X = only_columns(X, np.flatnonzero(used_columns(X, None)))
        weights = None if self.weights is None else self.weights[rows]
        return replace(
            self, X=X, target=self.target[rows], weights=weights, rows=None,
            columns=None, n_columns=None,
        )  # fmt: skip

    def number_of(self, column):
        """The number of a column of X in the user's matrix."""
        return column if self.columns is None else int(self.columns[column])

    @cached_property
    def matrix(self):
        """X in the form that the kernels read."""
        return Rows(self.X)

    @cached_property
    def n_threads(self):
        """Number of threads that the kernels may use."""
        return effective_threads(self.n_jobs)

    @property
    def n_bytes(self):
        """Memory of the rows to learn from."""
        X = self.X
        if not self.sparse:
            return self.n_entries * X.itemsize
        entry = X.data.itemsize + X.indices.itemsize
        return self.n_entries * entry + (self.n_rows + 1) * X.indptr.itemsize

    def spaced(self, step):
        """Numbers of every ``step``-th row."""
        if self.rows is None:
            return np.arange(0, self.X.shape[0], step, dtype=np.intp)
        return np.ascontiguousarray(self.rows[::step])

    @property
    def mean_weight(self):
        """Mean weight of the rows, by which sums of losses are divided."""
        if self.row_weight is not None:
            return self.row_weight
        return self.mean_of_weights

    @property
    def mean_of_weights(self):
        """Mean of ``weights``."""
        if self.weights is None:
            return 1.0
        weights = self.weights if self.everything else self.weights[self.rows]
        return float(weights.mean())

    @property
    def mean_factor(self):
        """As in `DataOfFit`; see ``row_weight``."""
        if self.row_weight is None:
            return 1.0
        return self.mean_of_weights / self.row_weight

    def targets(self):
        """Targets and weights of the rows to learn from."""
        if self.everything:
            return self.target, self.weights
        weights = None if self.weights is None else self.weights[self.rows]
        n_targets = self.target.size // self.X.shape[0]
        return self.target.reshape(-1, n_targets)[self.rows], weights

    def output(self, k, target):
        """The data of one output, or of one class against the rest.

        Its targets are written to ``target``, an array of shape (n_samples,).
        """
        if self.loss.separate_targets:
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
            part: Any = slice(start, stop)
        else:
            rows = part = self.rows[start:stop]
        return (
            rows,
            self.target[part],
            None if self.weights is None else self.weights[part],
        )

    def mark(self):
        """A number that distinguishes the rows to learn from from other rows.

        It is the same for dense and sparse rows.
        """
        rows = self.spaced(-(-self.n_rows // MARKED_ROWS))
        block = self.X[rows]
        if self.sparse:
            entries, numbers = block.data, block.indices
            numbers = numbers[entries != 0.0]
        else:
            entries, numbers = block.ravel(), np.nonzero(block)[1]
        numbers = numbers.astype(np.int64)
        if self.columns is not None:
            numbers = self.columns[numbers]
        arrays = [rows, self.target, entries[entries != 0.0], numbers]
        mark = 0
        for array in arrays:
            mark = crc32(np.ascontiguousarray(array).tobytes(), mark)
        return mark

    def is_finite(self):
        """True if the data still contain neither NaN nor infinity."""
        values = self.X.data if self.sparse else self.X
        arrays = values, self.target, self.weights
        return all(array is None or all_finite(array) for array in arrays)

    def check_finite(self):
        """Raise ValueError if the data have become NaN or infinite during the fit."""
        if not self.is_finite():
            raise ValueError(
                "X, y, sample_weight: the training data hold NaN or infinity, which "
                "they did not when fit began. Give fit arrays that nothing writes to."
            )

    def measured_from(self, constant, z_unit):
        """These data, the losses of distant outliers being differences.

        The difference is that from the loss of a constant model. It leaves out a large
        constant, ``base``, in whose rounding the losses of other rows would be lost.

        Parameters
        ----------
        constant : ndarray of shape (n_outputs,)
            Raw predictions of a constant model.
        z_unit : ndarray of shape (n_outputs,)
            Scale of a prediction.
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
        base = total / (self.n_rows * self.mean_weight)
        return replace(
            self, loss=self.loss.measured_from(constant, reach), base=self.base + base
        )

    def problem(self):
        """The compiled data term, for solvers that hand it to their kernels."""
        return Problem(
            self.matrix, self.target, self.weights, self.loss, self.n_outputs,
            self.fit_intercept, self.subset, self.n_threads,
            gradient_limit=self.gradient_limit,
        )  # fmt: skip

    def term(self):
        """The data term, for solvers that use the `DataTerm` contract."""
        return InMemory(self.problem(), self.weights, self.subset)


class InMemory:
    """The data term of an ndarray or a CSR matrix; see `DataTerm`.

    Most methods are those of the compiled `Problem` itself.

    Parameters
    ----------
    problem : Problem
    sample_weight : float64 array or None
        As ``problem`` has them.
    numbers : intp array or None
        Numbers of the rows to learn from; None means all.
    """

    def __init__(
        self,
        problem: Problem,
        sample_weight: np.ndarray | None,
        numbers: np.ndarray | None,
    ) -> None:
        self.rows, self.loss = problem.rows, problem.loss
        self.n_threads = problem.n_threads
        self.sample_weight, self.numbers = sample_weight, numbers
        self.n_samples, self.n_features = problem.n_samples, problem.n_features
        self.n_outputs = problem.n_outputs
        self.value = problem.value
        self.value_and_gradient = problem.value_and_gradient
        self.constant_value = problem.constant_value
        self.raw_predictions = problem.raw_predictions
        self.line = problem.line
        self.gradient = problem.gradient
        self.curvatures = problem.curvatures
        self.hessian_product = problem.hessian_product

    def weighted_gram(
        self, h: np.ndarray | None, rows: np.ndarray | None, centre: np.ndarray
    ) -> Any:
        """See `DataTerm.weighted_gram`."""
        return _gram.weighted_gram(self.rows, h, rows, centre, self.n_threads)

    def column_statistics(self, weights: np.ndarray | None) -> Any:
        """See `DataTerm.column_statistics`."""
        return _gram.column_statistics(self.rows, weights, self.numbers, self.n_threads)

    def softmax_hessian(
        self, p: np.ndarray, rows: np.ndarray, centre: np.ndarray
    ) -> np.ndarray:
        """See `DataTerm.softmax_hessian`."""
        weights = self.sample_weight
        return _gram.softmax_hessian(
            self.rows, p, weights, rows, centre, self.n_threads
        )

    def pass_cost(self) -> float:
        """See `DataTerm.pass_cost`."""
        return cost.sweep_cost(self.rows, self.n_outputs, self.numbers)

    def gram_cost(self) -> float:
        """See `DataTerm.gram_cost`."""
        return cost.gram_cost(self.rows, self.numbers)

    def softmax_cost(self) -> float:
        """See `DataTerm.softmax_cost`."""
        return cost.softmax_cost(self.n_samples, self.n_features, self.n_outputs)


def columns_to_fit(X, rows, start, n_outputs):
    """The columns of X that a fit needs, and how many they are.

    Parameters
    ----------
    X, rows
        As in `used_columns`.
    start : array of shape (n_features + 1, n_outputs) or None
        Where the fit starts.
    n_outputs : int

    Returns
    -------
    columns : intp array or None
        Their numbers; None if the fit takes X as it is.
    n_used : int or None
        Their number; None for dense X, which is always taken as it is.
    """
    if isinstance(X, np.ndarray):
        return None, None
    used = used_columns(X, rows, None if start is None else start[:-1])
    if not used.any():
        used[:1] = True
    n_used = int(np.count_nonzero(used))
    n_empty = len(used) - n_used
    # The new indices are no larger than what the coefficients and one more array of
    # their size would take, or than other working copies.
    if not n_empty or X.indices.nbytes > max(cost.COPY_BYTES, 16 * n_outputs * n_empty):
        return None, n_used
    return np.flatnonzero(used), n_used


def target_size_error(largest):
    """The error for targets whose losses leave float64; ``largest`` is their size."""
    large, makes = ("large", "overflow") if largest > 1.0 else ("small", "underflow")
    return ValueError(
        f"y: values as {large} as {largest:.3g} make the loss {makes} float64. "
        "Scale y (TransformedTargetRegressor)."
    )
