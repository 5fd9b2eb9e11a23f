"""Sources of rows that are read block by block, and can be read again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp

from ._block import Block, canonical

# A block has about so many bytes, unless the number of its rows is given.
BLOCK_BYTES = 2**25
# A large file is cut into parts of so many blocks, which several workers can share.
PART_BLOCKS = 16
# Endings of files -> what reads them, in messages.
READERS = {
    ".parquet": "read_parquet(path, target=...)",
    ".csv": "read_csv(path, target=...)",
    ".csv.gz": "read_csv(path, target=...)",
    ".npy": "read_npy(path_of_X, path_of_y)",
    ".svm": "read_svmlight(path, n_features=...)",
    ".svmlight": "read_svmlight(path, n_features=...)",
}
# Seconds before a part is read again after an error; four times as many each time.
PAUSE = 0.1


class Blocks:
    """A source of blocks of rows that can be read more than once.

    Parameters
    ----------
    parts : sequence of callables
        Each returns an iterator over blocks: tuples ``(X, y)``, ``(X, y,
        sample_weight)`` or ``(X, y, sample_weight, offset)``. It returns the same rows
        in the same order in each call. X may be an array, a data frame or a sparse
        matrix. Several processes can share the work only if the callables can be
        pickled.
    n_features : int, default=None
        Number of columns of X; None takes that of the first block that is read.
    feature_names : sequence of str, default=None
        Names of the columns; None takes those of the first data frame that is read.
        Data frames with other names, or with the same names in another order, are
        refused.
    retries : int, default=2
        How often a part is read again after an `OSError`, such as a network file system
        raises. Blocks that were given before are skipped.

    Attributes
    ----------
    n_parts : int
    n_features : int or None
    feature_names : list of str or None

    Notes
    -----
    An exception that a part raises says in a note which part and which of its blocks
    was being read.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgd import GDRegressor
    >>> from sklgd.blocks import Blocks
    >>> def january():
    ...     yield np.array([[0.0], [1.0]]), np.array([1.0, 3.0])
    ...     yield np.array([[2.0]]), np.array([5.0])
    >>> def february():
    ...     yield np.array([[3.0]]), np.array([7.0])
    >>> blocks = Blocks([january, february])
    >>> [block.y.tolist() for block in blocks]
    [[1.0, 3.0], [5.0], [7.0]]
    """

    def __init__(
        self,
        parts: Sequence[Callable[[], Iterable[Any]]],
        *,
        n_features: int | None = None,
        feature_names: Sequence[str] | None = None,
        retries: int = 2,
    ) -> None:
        if callable(parts):
            parts = [parts]
        parts = list(parts)
        for number, part in enumerate(parts):
            if not callable(part):
                raise TypeError(
                    f"parts: entry {number} is {type(part).__name__!r}, which cannot "
                    "be called. Pass functions that return an iterator over blocks, so "
                    "that the rows can be read again; from_arrays takes arrays."
                )
        self._parts = parts
        self.n_features = n_features
        self.feature_names = None if feature_names is None else list(feature_names)
        self.retries = retries

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return len(self._parts)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(n_parts={self.n_parts}, "
            f"n_features={self.n_features})"
        )

    def __iter__(self) -> Iterator[Block]:
        """All blocks of all parts, in order."""
        for number in range(self.n_parts):
            yield from self.part(number)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Raise TypeError with the remedy, where a method expects an array."""
        raise TypeError(
            "Blocks of rows are not an array. Learn from them with fit_blocks or "
            "partial_fit_blocks, and predict one block after the other: "
            "[model.predict(block.X) for block in blocks]."
        )

    def part(self, number: int) -> Iterator[Block]:
        """The blocks of one part, from its beginning.

        Parameters
        ----------
        number : int
            0 to ``n_parts - 1``.

        Yields
        ------
        block : Block
            X is a C-ordered, aligned array or a canonical CSR matrix, of float32 or
            float64. Blocks without rows are left out.
        """
        make, given, failures = self._parts[number], 0, 0
        while True:
            try:
                for item in islice(_iterator(make()), given, None):
                    block = self._checked(item)
                    given += 1
                    if len(block.y):
                        yield block
                return
            except OSError as error:
                failures += 1
                if failures > self.retries:
                    self.add_place(error, number, given)
                    raise
                time.sleep(PAUSE * 4.0 ** (failures - 1))
            except Exception as error:
                self.add_place(error, number, given)
                raise

    def inputs(self, number: int) -> Any:
        """What another process needs to read a part: its callable.

        Parameters
        ----------
        number : int
        """
        return self._parts[number]

    def add_place(self, error: BaseException, part: int, block: int) -> None:
        """Say in a note of an exception where it happened.

        Parameters
        ----------
        error : BaseException
        part, block : int
            Numbers of the part, and of the block in it.
        """
        path = getattr(self._parts[part], "path", None)
        file = "" if path is None else f" ({path})"
        error.add_note(f"This was block {block} of part {part}{file}.")

    def _checked(self, item: Any) -> Block:
        """A block in the form that the estimators take; raises ValueError."""
        if not isinstance(item, tuple) or not 2 <= len(item) <= 4:
            raise ValueError(
                "A block must be a tuple (X, y), (X, y, sample_weight) or (X, y, "
                f"sample_weight, offset); this one is {_described(item)}."
            )
        X, y = item[0], item[1]
        y = y.toarray() if sp.issparse(y) else np.asarray(y)
        if y.dtype == object and any(v is None or v != v for v in y.ravel()):
            raise ValueError("y of a block has missing values. Leave these rows out.")
        self._check_names(X)
        X = canonical(X)
        if self.n_features is None:
            self.n_features = X.shape[1]
        if X.shape[1] != self.n_features:
            raise ValueError(
                f"X of a block has {X.shape[1]} columns, those before it have "
                f"{self.n_features}. All blocks need the same columns."
            )
        vectors = [None if a is None else np.asarray(a) for a in item[2:]]
        named = zip(("y", "sample_weight", "offset"), [y, *vectors], strict=False)
        for name, a in named:
            if a is not None and (a.ndim == 0 or len(a) != X.shape[0]):
                raise ValueError(
                    f"{name} of a block has the shape {a.shape}, but its X has "
                    f"{X.shape[0]} rows. It needs one entry for each row."
                )
        return Block(X, y, *vectors)

    def _check_names(self, X: Any) -> None:
        """Compare a data frame's columns with those of the first one."""
        names = getattr(X, "columns", None)
        if names is None:
            return
        names = [str(name) for name in names]
        if self.feature_names is None:
            self.feature_names = names
        if names == self.feature_names:
            return
        if sorted(names) == sorted(self.feature_names):
            first = next(
                k
                for k, (name, known) in enumerate(
                    zip(names, self.feature_names, strict=True)
                )
                if name != known
            )
            what = (
                f"in another order: column {first} is {names[first]!r}, which was "
                f"{self.feature_names[first]!r} before"
            )
        else:
            missing = [name for name in self.feature_names if name not in names]
            extra = [name for name in names if name not in self.feature_names]
            what = f"other ones: missing {missing[:5]}, unexpected {extra[:5]}"
        raise ValueError(
            f"The columns of a block are {what}. All blocks need the same columns in "
            "the same order; select them by name before."
        )


def from_iterable(make_iterator: Callable[[], Iterable[Any]], **kwargs: Any) -> Blocks:
    """Blocks of any function that returns an iterator over them.

    Parameters
    ----------
    make_iterator : callable
        Called without arguments once a pass. A generator function is one; a generator
        is not, because it can be read only once.
    **kwargs
        Parameters of `Blocks`.

    Returns
    -------
    blocks : Blocks

    Examples
    --------
    >>> import numpy as np
    >>> from sklgd.blocks import from_iterable
    >>> def chunks():
    ...     rng = np.random.default_rng(0)
    ...     for _ in range(3):
    ...         X = rng.normal(size=(100, 2))
    ...         yield X, X @ [1.0, -1.0]
    >>> sum(len(block.y) for block in from_iterable(chunks))
    300
    """
    return Blocks([make_iterator], **kwargs)


@dataclass(frozen=True)
class ArrayPart:
    """The rows from ``start`` to ``stop`` of arrays, in blocks of ``rows``."""

    X: Any
    y: Any
    sample_weight: Any
    offset: Any
    start: int
    stop: int
    rows: int

    def __call__(self) -> Iterator[tuple[Any, ...]]:
        arrays = self.X, self.y, self.sample_weight, self.offset
        for start in range(self.start, self.stop, self.rows):
            some = slice(start, min(self.stop, start + self.rows))
            yield tuple(None if a is None else a[some] for a in arrays)


def from_arrays(
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    offset: Any = None,
    rows: int | None = None,
    feature_names: Sequence[str] | None = None,
) -> Blocks:
    """Blocks of arrays that can be sliced, without reading them as a whole.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        An ndarray, a memory map, a zarr or HDF5 array, or a CSR matrix: anything with
        ``shape``, ``dtype`` and slices ``X[start:stop]``.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight, offset : array-like of shape (n_samples,), default=None
    rows : int, default=None
        Rows of a block. None takes about 32 MB, in multiples of the chunks of X where
        it has such.
    feature_names : sequence of str, default=None

    Returns
    -------
    blocks : Blocks

    Examples
    --------
    >>> import numpy as np
    >>> from sklgd.blocks import from_arrays
    >>> blocks = from_arrays(np.eye(5), np.arange(5), rows=2)
    >>> [block.X.shape for block in blocks]
    [(2, 5), (2, 5), (1, 5)]
    """
    check_rows("rows", rows)
    if not hasattr(X, "shape") or not hasattr(X, "dtype"):
        raise TypeError(
            f"X: a {type(X).__name__!r} has no shape and dtype. Pass an array, such as "
            "np.asarray(X), or a function that yields blocks to from_iterable."
        )
    n, n_features = X.shape
    if sp.issparse(X) and X.format != "csr":
        raise TypeError(
            f"X: {X.format} matrices cannot be read row by row. Pass X.tocsr()."
        )
    named = zip(
        ("y", "sample_weight", "offset"), (y, sample_weight, offset), strict=True
    )
    for name, a in named:
        if a is not None and len(a) != n:
            raise ValueError(f"{name} has {len(a)} rows, X has {n}.")
    if rows is None:
        size = n_features * np.dtype(X.dtype).itemsize
        if sp.issparse(X):
            size = max(1, X.nnz // max(1, n)) * (X.dtype.itemsize + 4)
        rows = rows_of_a_block(size)
        chunks = getattr(X, "chunks", None)
        if chunks:
            rows = max(1, rows // chunks[0]) * chunks[0]
    parts = [
        ArrayPart(X, y, sample_weight, offset, start, stop, rows)
        for start, stop in cut(n, rows)
    ]
    return Blocks(parts, n_features=n_features, feature_names=feature_names)


def as_blocks(blocks: Any) -> Blocks:
    """A `Blocks` of what a user passes; raises TypeError."""
    if isinstance(blocks, Blocks):
        return blocks
    some = blocks[:1] if isinstance(blocks, list | tuple) else [blocks]
    if any(isinstance(item, str | os.PathLike) for item in some):
        raise TypeError(f"blocks: {blocks!r}: {_how_to_read(os.fspath(some[0]))}")
    if callable(blocks):
        return from_iterable(blocks)
    if isinstance(blocks, Sequence) and not isinstance(blocks, str | bytes):
        return from_iterable(lambda: iter(blocks))
    if hasattr(blocks, "__dask_graph__"):
        raise TypeError(
            "blocks: a dask collection is no source of blocks. Pass "
            "sklgd.dask.from_dask(X, y), or call fit of an estimator of sklgd.dask."
        )
    raise TypeError(
        f"blocks: a {type(blocks).__name__!r} cannot be read more than once. Pass a "
        "source of sklgd.blocks, a function that returns an iterator over blocks (X, "
        "y), or a list of blocks."
    )


def _how_to_read(path: str) -> str:
    """How to make a source of a file."""
    for ending, reader in READERS.items():
        if path.endswith(ending):
            return f"a path is no source of blocks. Use sklgd.blocks.{reader}."
    return (
        "a path is no source of blocks. Use one of the functions read_... of "
        "sklgd.blocks, such as read_parquet(path, target=...)."
    )


def rows_of_a_block(row_bytes: float) -> int:
    """How many rows of this size a block has by default."""
    return max(1, int(BLOCK_BYTES // max(1.0, row_bytes)))


def cut(n_rows: int, rows: int) -> list[tuple[int, int]]:
    """Starts and stops of the parts of a file with so many rows."""
    step = rows * PART_BLOCKS
    return [(start, min(n_rows, start + step)) for start in range(0, n_rows, step)]


def check_rows(name: str, value: int | None) -> None:
    """Raise ValueError unless a size is None or a positive integer."""
    if value is not None and (not isinstance(value, Integral) or value < 1):
        raise ValueError(f"{name} must be a positive integer or None, got {value!r}.")


def _iterator(blocks: Any) -> Iterator[Any]:
    """What a part returns, as an iterator; raises TypeError."""
    if not isinstance(blocks, Iterable):
        raise TypeError(
            f"A part of the source returned a {type(blocks).__name__!r}; it must "
            "return an iterator over blocks, as a generator function does."
        )
    return iter(blocks)


def _described(item: Any) -> str:
    if isinstance(item, tuple):
        return f"a tuple of {len(item)}"
    return f"a {type(item).__name__!r}"
