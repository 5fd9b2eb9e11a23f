"""What a fit has to know of all rows before it starts: one pass over the blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from .._data_checks import canonical, check_offset, check_weights
from .._labels import (
    check_labels,
    encode,
    find_unknown,
    indicator_matrix,
    labels_and_codes,
    plain_label,
    targets_of,
)
from ..blocks._block import Block
from ..kernels import _gram
from ..kernels._rows import Rows
from ..kernels._vector import all_finite
from ..losses import Loss
from .offset import absorb

# Evenly spaced rows are kept up to so many bytes, and targets of regression.
SAMPLE_BYTES, TARGET_BYTES = 2**26, 2**24
# A part of a source keeps so many times its share of these rows, as parts may differ.
SPARE = 4.0
# A variance below this share of the mean square is rounding.
ROUNDING = 1e-14


class SpacedRows:
    """Every ``stride``-th row of the rows seen so far.

    The stride is doubled whenever the rows take more than ``limit`` bytes. A file that
    is sorted is represented as well as one that is not.

    Parameters
    ----------
    columns : tuple of arrays or CSR matrices
        With one entry or row for each row.
    limit : int
    """

    def __init__(self, columns: tuple[Any, ...], limit: int) -> None:
        self.chunks, self.limit, self.stride = [columns], limit, 1
        self._halve()

    @property
    def n_bytes(self) -> int:
        return sum(_size(a) for chunk in self.chunks for a in chunk)

    def __iadd__(self, other: SpacedRows) -> SpacedRows:
        """Append rows that follow."""
        stride = max(self.stride, other.stride)
        self._thin(stride)
        other._thin(stride)
        self.chunks += other.chunks
        self._halve()
        return self

    def _halve(self) -> None:
        while self.n_bytes > self.limit and sum(map(_length, self.chunks)) > 1:
            self._thin(2 * self.stride)

    def _thin(self, stride: int) -> None:
        step, seen, chunks = stride // self.stride, 0, []
        self.stride = stride
        if step == 1:
            return
        for chunk in self.chunks:
            n = _length(chunk)
            some = np.arange(-seen % step, n, step)
            seen += n
            if len(some):
                chunks.append(tuple(a[some] for a in chunk))
        self.chunks = chunks

    def reduce(self, limit: float) -> None:
        """Keep so few of the rows that they take no more bytes than this."""
        usual, self.limit = self.limit, int(limit)
        self._halve()
        self.limit = usual

    def together(self) -> tuple[Any, ...]:
        """The rows, as one array or matrix for each of the columns."""
        joined = []
        for parts in zip(*self.chunks, strict=True):
            if sp.issparse(parts[0]):
                joined.append(canonical(sp.vstack(parts, format="csr")))
            else:
                joined.append(np.ascontiguousarray(np.concatenate(parts)))
        return tuple(joined)


def _length(chunk: tuple[Any, ...]) -> int:
    return len(chunk[-1])


def _size(a: Any) -> int:
    if sp.issparse(a):
        return a.data.nbytes + a.indices.nbytes + a.indptr.nbytes
    return a.nbytes


class LabelTable:
    """The labels of classification, and how many rows each has.

    Attributes
    ----------
    labels : array, sorted
    counts, weights : float64 arrays
        Number of rows whose weight is not zero, and the sum of their weights.
    """

    def __init__(self, labels: Any, counts: np.ndarray, weights: np.ndarray) -> None:
        self.labels, self.counts, self.weights = labels, counts, weights

    def __iadd__(self, other: LabelTable) -> LabelTable:
        check_kinds(self.labels, other.labels)
        union = np.union1d(self.labels, other.labels)
        sums = np.zeros((2, len(union)))
        for table in (self, other):
            places = union.searchsorted(table.labels)
            sums[:, places] += table.counts, table.weights
        self.labels, (self.counts, self.weights) = union, sums
        return self


def check_kinds(labels: np.ndarray, others: np.ndarray) -> None:
    """Raise ValueError if some labels are strings and others are numbers."""
    if (labels.dtype.kind in "US") != (others.dtype.kind in "US"):
        raise ValueError(
            f"blocks: y is of type {labels.dtype} in the first blocks and of type "
            f"{others.dtype} in others, such as {others[0]!r}. Use one type."
        )


class Columns:
    """Weighted mean and variance of the columns (Chan, Golub and LeVeque 1983)."""

    def __init__(self, weight: float, mean: np.ndarray, var: np.ndarray) -> None:
        self.weight, self.mean, self.var = weight, mean, var

    def __iadd__(self, other: Columns) -> Columns:
        weight = self.weight + other.weight
        if not weight > 0.0:
            return self
        share = other.weight / weight
        step = other.mean - self.mean
        self.weight = weight
        self.mean = self.mean + share * step
        between = share * (1.0 - share) * step * step
        self.var = self.var + share * (other.var - self.var) + between
        return self

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance; a variance that is only rounding error is zero."""
        noise = (ROUNDING * self.mean) ** 2
        return self.mean.copy(), np.where(self.var > noise, self.var, 0.0)


@dataclass
class Description:
    """What is known of some rows; ``+=`` appends rows that follow.

    Attributes
    ----------
    n_all, n_rows : int
        Number of rows, and of those whose weight is not zero.
    n_entries, n_bytes : int
        Entries of X (for CSR the stored ones), and the size of the blocks.
    weighted : bool
        True if a row has another weight than one.
    kind : type of storage and of targets
        The same for all blocks: whether X is sparse, and the shape of a row of y.
    columns : Columns
    sample : SpacedRows
        Of X, y, the weights and, if they have some, the offsets of rows whose weight is
        not zero.
    weight : float
        Sum of the weights.
    has_offset : bool
        True if the rows have offsets.
    left_out : float
        Weighted sum of what the losses leave out with these (`absorb`).
    labels : LabelTable or None
        Where each row has one label.
    targets : SpacedRows or None
        Of targets and the weights of their rows, in regression and where each row has
        several labels.
    began : float or None
        Time at which the first pass has begun, for the log.
    """

    n_all: int
    n_rows: int
    n_entries: int
    n_bytes: int
    weighted: bool
    kind: tuple[bool, tuple[int, ...]]
    columns: Columns
    sample: SpacedRows
    weight: float = 0.0
    has_offset: bool = False
    left_out: float = 0.0
    labels: LabelTable | None = None
    targets: SpacedRows | None = None
    began: float | None = None

    def __iadd__(self, other: Description) -> Description:
        if self.kind != other.kind:
            raise ValueError(
                "blocks: X and y must have the same form in all blocks, but the first "
                f"ones are {_form(self.kind)} and others {_form(other.kind)}."
            )
        if self.has_offset != other.has_offset:
            raise ValueError(
                "blocks: some have offsets and others have none. Give each block an "
                "offset, zeros for instance."
            )
        for name, value in vars(other).items():
            if value is not None and name not in ("kind", "weighted", "has_offset"):
                mine = getattr(self, name)
                mine += value
                setattr(self, name, mine)
        self.weighted |= other.weighted
        return self

    def reduce(self, n_parts: int) -> Description:
        """The description of one of so many parts, with few enough rows to be sent."""
        share = SPARE / n_parts
        self.sample.reduce(share * self.sample.limit)
        if self.targets is not None:
            self.targets.reduce(share * self.targets.limit)
        return self


def _form(kind: tuple[bool, tuple[int, ...]]) -> str:
    sparse, shape = kind
    return f"{'sparse' if sparse else 'dense'} with {(shape or (1,))[0]} target(s)"


@dataclass(frozen=True)
class DescribeLabels:
    """The task that describes rows of classification.

    Parameters
    ----------
    classes : array or None
        All labels that may come, sorted; None if they are to be found.
    class_weight : dict or None
    """

    classes: Any
    class_weight: Any

    def __call__(self, block: Block) -> Description:
        if block.offset is not None:
            raise ValueError(
                "blocks: GDClassifier takes no offsets. Leave them out of the blocks."
            )
        X, y, weights = checked(block)
        y = labels_of_rows(y)
        if y.ndim == 2:
            return self.several(X, y, weights)
        check_labels(y)
        labels, codes = labels_and_codes(y)
        if self.classes is not None:
            check_kinds(self.classes, labels)
            unknown = find_unknown(labels, encode(labels, self.classes), self.classes)
            if unknown is not None:
                raise ValueError(
                    f"y has the label {plain_label(unknown)!r}, which is not among "
                    f"classes={self.classes}. Pass all labels that come, or None."
                )
        s = weights
        counts = np.bincount(codes, s > 0.0, len(labels))
        table = LabelTable(labels, counts, np.bincount(codes, s, len(labels)))
        if self.class_weight is not None:
            known = [self.class_weight.get(plain_label(v), 1.0) for v in labels]
            s = s * np.asarray(known, dtype=np.float64)[codes]
        out = described(X, y, weights, s)
        out.labels = table
        return out

    def several(self, X: Any, y: np.ndarray, weights: np.ndarray) -> Description:
        """The description of rows with an indicator matrix."""
        target = targets_of(y, y.shape[1], "classification")
        out, some = described(X, y, weights, weights), with_weight(weights)
        out.targets = SpacedRows((target[some], weights[some]), TARGET_BYTES)
        return out


@dataclass(frozen=True)
class DescribeTargets:
    """The task that describes rows of regression.

    Parameters
    ----------
    targets_of : callable
        Gives y as float64 of shape (n_rows, n_outputs), and raises ValueError if it is
        outside of the loss's domain.
    loss : Loss
    """

    targets_of: Callable[[np.ndarray], np.ndarray]
    loss: Loss

    def __call__(self, block: Block) -> Description:
        X, y, weights = checked(block)
        target, constant = self.targets_of(y), None
        s: Any = weights
        offset: Any = check_offset(block.offset, len(y), 1)
        if offset is not None:
            target, s, constant = absorb(self.loss, target, weights, offset)
        out = described(X, y, weights, s, offset)
        some = with_weight(weights)
        out.targets = SpacedRows((target[some], s[some]), TARGET_BYTES)
        if constant is not None:
            out.left_out = float(weights @ constant)
        return out


def described(
    X: Any, y: np.ndarray, weights: np.ndarray, s: np.ndarray, offset: Any = None
) -> Description:
    """The description of checked rows; ``s`` are their weights in statistics."""
    sparse, n, some = sp.issparse(X), len(y), with_weight(s)
    arrays = (X, y, weights) if offset is None else (X, y, weights, offset[:, 0])
    if s.any():
        columns = Columns(*_gram.column_statistics(Rows(X), s))
    else:
        zeros = np.zeros(X.shape[1])
        columns = Columns(0.0, zeros, zeros.copy())
    return Description(
        n_all=n,
        n_rows=len(some),
        n_entries=X.nnz if sparse else X.size,
        n_bytes=_size(X) + y.nbytes,
        weighted=bool((weights != 1.0).any()),
        kind=(sparse, y.shape[1:]),
        columns=columns,
        sample=SpacedRows(tuple(a[some] for a in arrays), SAMPLE_BYTES),
        weight=float(weights.sum()),
        has_offset=offset is not None,
    )


def with_weight(s: np.ndarray) -> np.ndarray:
    """Numbers of the rows whose weight is not zero.

    (Always as an array: what it takes from others are copies, as a source may use its
    arrays again for the next block.)
    """
    return np.flatnonzero(s)


def checked(block: Block) -> tuple[Any, np.ndarray, np.ndarray]:
    """X, y and the weights of a block as the kernels take them; raises ValueError."""
    X, y = canonical(block.X), block.y
    values = X.data if sp.issparse(X) else X
    if not all_finite(values):
        raise ValueError(f"X of a block has {_place_of_nonfinite(X)}.")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(
            "y of a block has NaN or infinity in row "
            f"{int(np.argmin(np.isfinite(y).reshape(len(y), -1).all(axis=1)))}."
        )
    weights = check_weights(block.sample_weight, len(y), all_zero=True)
    return X, y, np.ones(len(y)) if weights is None else weights


def _place_of_nonfinite(X: Any) -> str:
    """What the first entry of X that is not finite is, and where."""
    if sp.issparse(X):
        place = int(np.argmin(np.isfinite(X.data)))
        row = int(np.searchsorted(X.indptr, place, side="right")) - 1
        return f"{X.data[place]} in row {row}, column {X.indices[place]}"
    row, column = divmod(int(np.argmin(np.isfinite(X))), X.shape[1])
    return f"{X[row, column]} in row {row}, column {column}"


def labels_of_rows(y: np.ndarray) -> np.ndarray:
    """Labels as an array of one dimension, or an indicator matrix.

    Raises
    ------
    ValueError
        For other arrays of two dimensions.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    matrix = indicator_matrix(y)
    return y if matrix is None else matrix
