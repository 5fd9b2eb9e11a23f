"""The data of a fit whose rows are read block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from .._data_checks import canonical
from .._labels import encode, find_unknown, plain_label, targets_of
from ..blocks._block import Block
from ..kernels import _gram
from ..kernels._problem import Problem
from ..kernels._rows import Rows
from ..losses import Loss
from . import cost
from .data import Data, DataOfFit
from .description import Description, check_kinds, labels_of_rows
from .offset import absorb
from .passes import aligned

# Predicted nanoseconds of a pass beside its arithmetic: for the pass, and for each byte
# of its blocks (1 GB/s, which disks and the parsing of files reach).
PASS, BYTE = 5e6, 1.0
# Rows whose second derivatives are computed together.
SLAB = 16384


@dataclass(frozen=True)
class LabelledRows:
    """Blocks as the kernels take them, for classification.

    Parameters
    ----------
    classes : array
        All labels, sorted.
    factors : ndarray of shape (n_classes,)
        Class weights in units of the mean weight of a row.
    n_outputs : int
    task : str
        That of the loss.
    """

    classes: Any
    factors: np.ndarray
    n_outputs: int
    task: str

    labelled = True

    def __call__(self, block: Block) -> tuple[Any, np.ndarray, Any]:
        y = labels_of_rows(block.y)
        check_kinds(self.classes, y)
        codes = encode(y, self.classes)
        unknown = find_unknown(y, codes, self.classes)
        if unknown is not None:
            raise ValueError(
                f"y has the label {plain_label(unknown)!r}, which is not among the "
                f"classes {self.classes}."
            )
        weights = self.factors[codes]
        if block.sample_weight is not None:
            weights *= block.sample_weight
        target = targets_of(codes, self.n_outputs, self.task)
        return with_weight(canonical(block.X), target, weights)


@dataclass(frozen=True)
class TargetRows:
    """Blocks as the kernels take them, for regression.

    Parameters
    ----------
    unit : float
        Mean weight of a row.
    loss : Loss
    """

    unit: float
    loss: Loss

    labelled = False

    def __call__(self, block: Block) -> tuple[Any, np.ndarray, Any]:
        target = np.require(block.y, np.float64, ("C", "A")).reshape(len(block.y), -1)
        weights = None
        if block.sample_weight is not None or self.unit != 1.0:
            weights = np.full(len(target), 1.0 / self.unit)
            if block.sample_weight is not None:
                weights *= block.sample_weight
        if block.offset is not None:
            offset = np.require(block.offset, np.float64)[:, None]
            target, weights, _ = absorb(self.loss, target, weights, offset)
        return with_weight(canonical(block.X), target, weights)


@dataclass(frozen=True)
class IndicatorRows:
    """Blocks as the kernels take them, for several labels per row.

    Parameters
    ----------
    unit : float
        Mean weight of a row.
    """

    unit: float

    labelled = True

    def __call__(self, block: Block) -> tuple[Any, np.ndarray, Any]:
        y = labels_of_rows(block.y)
        target = targets_of(y, y.shape[1], "classification")
        weights = np.full(len(target), 1.0 / self.unit)
        if block.sample_weight is not None:
            weights *= block.sample_weight
        return with_weight(canonical(block.X), target, weights)


def with_weight(
    X: Any, target: np.ndarray, weights: Any
) -> tuple[Any, np.ndarray, Any]:
    """The rows whose weight is not zero; the weights are None if all are one."""
    if weights is None or (weights == 1.0).all():
        return X, target, None
    if not weights.all():
        some = np.flatnonzero(weights)
        X, target, weights = X[some], target[some], weights[some]
    return X, target, weights


class BlockData(DataOfFit):
    """Data whose rows are read block by block; the attributes are those of `Data`.

    ``X`` and ``target`` are those of evenly spaced rows, which stay in memory: what
    some rows suffice for is computed from these.

    Parameters
    ----------
    sum_of : callable
        ``sum_of(task)`` makes a pass over the blocks, as `passes.sum_of` of an engine.
    description : Description
        Of all rows.
    rows : callable
        Gives X, targets and weights of a block as the kernels take them.
    sample : Data
        Evenly spaced rows.
    known : (array, array)
        Targets, and their weights in any unit, that stand for those of all rows.
    exact : bool
        True if they do so exactly.
    n_rows : int
        Number of rows whose weight is not zero.
    """

    weights = rows = subset = columns = n_columns = None
    everything, mean_weight = True, 1.0

    def __init__(
        self,
        sum_of: Callable[[Any], Any],
        description: Description,
        rows: Any,
        sample: Data,
        known: tuple[np.ndarray, np.ndarray],
        exact: bool,
        n_rows: int,
    ) -> None:
        self.sum_of, self.description = sum_of, description
        self.encode, self.sample = rows, sample
        self.X, self.target, self.sparse = sample.X, sample.target, sample.sparse
        self.loss, self.n_outputs = sample.loss, sample.n_outputs
        self.fit_intercept, self.n_jobs = sample.fit_intercept, sample.n_jobs
        self.n_threads, self.penalised = sample.n_threads, sample.penalised
        self.known, self.exact, self.n_rows = known, exact, n_rows
        self.base = sample.base
        self.n_entries, self.n_bytes = description.n_entries, description.n_bytes

    @property
    def mean_factor(self) -> float:
        """As in `DataOfFit`; one without offsets."""
        if not self.description.has_offset:
            return 1.0
        return self.description.columns.weight / self.description.weight

    def targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Targets and weights that stand for those of the rows to learn from."""
        return self.known

    def number_of(self, column: int) -> int:
        """The number of a column of X in the user's matrix."""
        return column

    def spaced(self, step: int) -> np.ndarray:
        """Numbers of about every ``step``-th row, among those of the sample."""
        return self.sample.spaced(max(1, step * self.sample.n_rows // self.n_rows))

    def is_finite(self) -> bool:
        """True: every block is compared with what the first pass has checked."""
        return True

    def check_finite(self) -> None:
        """Nothing to check; see `is_finite`."""

    def column_statistics(self, rows: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean and variance of each column."""
        return self.description.columns.statistics()

    def second_moments(self, rows: Any, centre: Any) -> np.ndarray:
        """As `Data.second_moments`; ``rows`` are numbers of rows of the sample."""
        if rows is not None:
            return self.sample.second_moments(rows, centre)
        return self.term().evaluate(None, None, MeanMoments(centre)).hessian[0][0]

    def measured_from(self, constant: np.ndarray, z_unit: np.ndarray) -> BlockData:
        """The data themselves: no loss is replaced by a difference."""
        return self

    def term(self) -> BlockTerm:
        """The data term."""
        return BlockTerm(self)


@dataclass
class Sums:
    """What a pass gives: sums over the rows of a block, a part, or all blocks.

    Attributes
    ----------
    values : ndarray
        Sums of losses: of the loss of the run, the exact one, the constant model's, and
        those of other coefficients.
    gradient : ndarray of shape (n_features + 1, n_outputs)
    hessian : list of lists of arrays
        As `MeanMoments.sums` returns them.
    """

    values: np.ndarray
    gradient: np.ndarray
    hessian: list[list[np.ndarray]]

    def __iadd__(self, other: Sums) -> Sums:
        self.values += other.values
        self.gradient += other.gradient
        # (A block whose rows have no weight has no second derivatives.)
        if not self.hessian or not other.hessian:
            self.hessian = self.hessian or other.hessian
            return self
        for mine, others in zip(self.hessian, other.hessian, strict=True):
            for a, b in zip(mine, others, strict=True):
                a += b
        return self

    def reduce(self, n_parts: int) -> Sums:
        """The sums of one of so many parts, which are all sent."""
        return self

    def pack(self) -> dict[str, np.ndarray]:
        """All arrays, by name."""
        arrays = {"values": self.values, "gradient": self.gradient}
        for i, parts in enumerate(self.hessian):
            for j, a in enumerate(parts):
                arrays[f"hessian_{i}_{j}"] = a
        return arrays

    @classmethod
    def unpack(cls, arrays: Any) -> Sums:
        """The sums that `pack` has given."""
        hessian: list[list[np.ndarray]] = []
        while (name := f"hessian_{len(hessian)}") + "_0" in arrays:
            parts: list[np.ndarray] = []
            while f"{name}_{len(parts)}" in arrays:
                parts.append(arrays[f"{name}_{len(parts)}"])
            hessian.append(parts)
        return cls(arrays["values"], arrays["gradient"], hessian)


@dataclass(frozen=True)
class Evaluate:
    """The task of a pass: losses, their gradient, and second derivatives.

    Parameters
    ----------
    rows : LabelledRows or TargetRows
    loss : Loss
    n_outputs : int
    fit_intercept : bool
    n_threads : int
    coef : ndarray of shape (n_features + 1, n_outputs), or None for no loss at all
    exact : Loss or None
        Another loss, of which the value is wanted.
    constant : ndarray of shape (n_outputs,) or None
        A constant model of which the value is wanted.
    curvature : MeanMoments or None
        The second derivatives that are wanted.
    others : ndarray of shape (n_others, n_features + 1, n_outputs) or None
        Other coefficients of which the values are wanted.
    """

    rows: Any
    loss: Loss
    n_outputs: int
    fit_intercept: bool
    n_threads: int
    coef: Any
    exact: Any = None
    constant: Any = None
    curvature: Any = None
    others: Any = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(aligned(state))

    def problem(
        self, rows: Rows, target: np.ndarray, weights: Any, loss: Any, some: Any = None
    ) -> Problem:
        """The compiled data term of a block, or of some of its rows."""
        return Problem(
            rows, target, weights, loss, self.n_outputs, self.fit_intercept, some,
            self.n_threads,
        )  # fmt: skip

    def __call__(self, block: Block) -> Sums:
        X, target, weights = self.rows(block)
        n = X.shape[0]
        shape = X.shape[1] + 1, self.n_outputs
        values = np.zeros(3 if self.others is None else 3 + len(self.others))
        if n == 0:
            return Sums(values, np.zeros(shape), [])
        rows, gradient, hessian = Rows(X), np.zeros(shape), []
        problem = self.problem(rows, target, weights, self.loss)
        if self.coef is not None:
            values[0] = n * problem.value_and_gradient(self.coef, gradient)
            gradient *= n
        if self.exact is not None:
            exact = self.problem(rows, target, weights, self.exact)
            values[1] = n * exact.value(self.coef)
        if self.constant is not None:
            loss = self.loss if self.exact is None else self.exact
            constant = self.problem(rows, target, weights, loss)
            values[2] = n * constant.constant_value(self.constant)
        if self.others is not None:
            values[3:] = n * problem.values(self.others)
        if self.curvature is not None:
            hessian = self.curvature.sums(self, rows, target, weights)
        return Sums(values, gradient, hessian)


class MeanMoments:
    """Second moments of the rows: all that the Hessian of the squared error needs.

    Parameters
    ----------
    centre : ndarray of shape (n_features,) or None
        What is subtracted from the rows.
    stride : int, default=1
        Every so many rows of a block are used.
    """

    def __init__(self, centre: Any, stride: int = 1) -> None:
        self.centre, self.stride = centre, stride

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(aligned(state))

    def slabs(self, n: int) -> Any:
        """Numbers of the rows that are used, in blocks."""
        size = SLAB * self.stride
        for start in range(0, n, size):
            yield np.arange(start, min(start + size, n), self.stride, dtype=np.intp)

    def sums(
        self, task: Evaluate, rows: Rows, target: np.ndarray, weights: Any
    ) -> list[list[np.ndarray]]:
        """Lists [matrix, vector, number] of second, first and zeroth moments.

        The last list holds the weight of the rows that were used, in one number.
        """
        total: list[list[np.ndarray]] = []
        for some in self.slabs(rows.n_samples):
            used = float(len(some)) if weights is None else float(weights[some].sum())
            found = self.of_some(task, rows, target, weights, some)
            found.append([np.full(1, used)])
            if not total:
                total = found
                continue
            for mine, others in zip(total, found, strict=True):
                for a, b in zip(mine, others, strict=True):
                    a += b
        return total

    def of_some(
        self, task: Evaluate, rows: Rows, target: np.ndarray, weights: Any, some: Any
    ) -> list[list[np.ndarray]]:
        """The lists of these rows."""
        h = None if weights is None else weights[some]
        return [self.gram(task, rows, h, some)]

    def gram(self, task: Evaluate, rows: Rows, h: Any, some: Any) -> list[np.ndarray]:
        """Moments of these rows with the weights ``h``."""
        A, v, total = _gram.weighted_gram(rows, h, some, self.centre, task.n_threads)
        return [A, v, np.full(1, total)]


class CurvatureMoments(MeanMoments):
    """Second moments with the second derivatives of each output as weights."""

    def of_some(
        self, task: Evaluate, rows: Rows, target: np.ndarray, weights: Any, some: Any
    ) -> list[list[np.ndarray]]:
        problem = task.problem(rows, target, weights, task.loss, some)
        z = np.empty((len(some), task.n_outputs))
        problem.raw_predictions(task.coef, z)
        h = problem.curvatures(task.loss, z)
        return [self.gram(task, rows, h[:, k], some) for k in range(task.n_outputs)]


class SoftmaxMoments(MeanMoments):
    """The whole Hessian of softmax."""

    def of_some(
        self, task: Evaluate, rows: Rows, target: np.ndarray, weights: Any, some: Any
    ) -> list[list[np.ndarray]]:
        problem = task.problem(rows, target, weights, task.loss, some)
        z = np.empty((len(some), task.n_outputs))
        problem.raw_predictions(task.coef, z)
        H = _gram.softmax_hessian(
            rows, softmax(z, axis=1), weights, some, self.centre, task.n_threads
        )
        return [[H]]


@dataclass
class Evaluation:
    """Means over all rows, as `BlockTerm.evaluate` returns them.

    Attributes
    ----------
    value, exact_value : float
        The second one is of the loss itself, where the run smooths it.
    others : ndarray of shape (n_others,)
    gradient : ndarray
    hessian : list of lists of arrays
        Sums, not means; see `MeanMoments.sums`.
    """

    value: float
    exact_value: float
    others: np.ndarray
    gradient: np.ndarray
    hessian: list[list[np.ndarray]]


class BlockTerm:
    """The data term of blocks: every evaluation is one pass over them.

    It has those methods of `DataTerm` that need no numbers for each row.

    Parameters
    ----------
    data : BlockData
    """

    def __init__(self, data: BlockData) -> None:
        self.data, self.loss = data, data.loss
        self.n_samples, self.n_features = data.n_rows, data.X.shape[1]
        self.n_outputs, self.n_threads = data.n_outputs, data.n_threads
        # Loss of the best constant model, once a pass has computed it.
        self.constant, self.constant_loss = data.fit_intercept_only(), None
        if data.exact:
            self.constant_loss = self._expected(self.constant)

    def _expected(self, raw_predictions: np.ndarray) -> float:
        """Mean loss of a constant model on the targets in memory."""
        target, weights = self.data.known
        z = np.broadcast_to(raw_predictions, (len(target), self.n_outputs))
        total = self.loss.evaluate(target, z, weights)[0]
        return float(total / weights.sum())

    def evaluate(
        self,
        coef: Any,
        loss: Loss | None = None,
        curvature: Any = None,
        others: Any = None,
    ) -> Evaluation:
        """Mean loss and gradient at ``coef``, and the second derivatives asked for.

        Parameters
        ----------
        coef : ndarray of shape (n_features + 1, n_outputs) or None
            None for the second derivatives alone.
        loss : Loss, default=None
            A smoothed form of the loss; None means the loss itself.
        curvature : MeanMoments, default=None
        others : ndarray of shape (n_others, n_features + 1, n_outputs), default=None
            Other coefficients, at which the mean loss is computed as well.
        """
        loss, data = loss or self.loss, self.data
        missing = self.constant_loss is None and coef is not None
        task = Evaluate(
            data.encode, loss, self.n_outputs, data.fit_intercept, self.n_threads,
            None if coef is None else np.ascontiguousarray(coef),
            None if loss is self.loss or coef is None else self.loss,
            self.constant if missing else None, curvature, others,
        )  # fmt: skip
        sums = data.sum_of(task)
        value, exact, constant, *others = (sums.values / self.n_samples).tolist()
        if missing:
            self.constant_loss = constant
        sums.gradient /= self.n_samples
        exact = value if task.exact is None else exact
        return Evaluation(value, exact, np.array(others), sums.gradient, sums.hessian)

    def sum_of(self, task: Any) -> Any:
        """The sums of any task over all blocks."""
        return self.data.sum_of(task)

    def value(self, coef: np.ndarray) -> float:
        """Mean loss at ``coef``."""
        return self.evaluate(coef).value

    def value_and_gradient(self, coef: np.ndarray, gradient: np.ndarray) -> float:
        """Mean loss at ``coef``, and its gradient."""
        found = self.evaluate(coef)
        gradient[...] = found.gradient
        return found.value

    def values(self, loss: Loss, others: np.ndarray) -> np.ndarray:
        """Mean losses at several coefficients."""
        return self.evaluate(None, loss, others=others).others

    def constant_value(self, raw_predictions: np.ndarray) -> float:
        """Mean loss of a constant model; an estimate for others than the best one."""
        best = np.array_equal(raw_predictions, self.constant)
        if best and self.constant_loss is not None:
            return self.constant_loss
        return self._expected(np.asarray(raw_predictions, dtype=np.float64))

    def pass_cost(self) -> float:
        """Predicted nanoseconds of a pass that computes the loss and its gradient."""
        arithmetic = cost.sweep_cost(self.data.sample.matrix, self.n_outputs)
        return PASS + BYTE * self.data.n_bytes + self._share() * arithmetic

    def gram_cost(self) -> float:
        """Predicted nanoseconds of second moments of all rows, beside a pass."""
        return self._share() * cost.gram_cost(self.data.sample.matrix)

    def softmax_cost(self) -> float:
        """Predicted nanoseconds of the Hessian of softmax, beside a pass."""
        return cost.softmax_cost(self.n_samples, self.n_features, self.n_outputs)

    def _share(self) -> float:
        """Number of rows for each row of the sample."""
        return self.n_samples / max(1, self.data.sample.X.shape[0])
