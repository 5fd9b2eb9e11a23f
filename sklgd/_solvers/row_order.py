"""The order in which an epoch visits the rows, and a copy of X in that order.

In a random order of all rows, each row must be fetched from memory: an epoch of single
rows takes two to four times as long as in the natural order. So ``shuffle=True`` means:

- Rows in random order (`mixed_rows`) are visited in blocks of 32 consecutive rows, and
  the blocks in random order. This is as fast as the natural order.
- Other rows are permuted once with ``batch_size=1``, and later epochs shuffle blocks of
  32 of the permuted rows. The first epoch copies a small X in that order, and blocks of
  the copy are read as fast as in the natural order. This converges as fast as a full
  shuffle in every epoch, also on rows that are sorted by label. Blocks of such rows
  without the permutation do not (benchmarks/row_order.py).
- Data that are too large for a copy are visited in windows: a few consecutive rows from
  each of 64 parts of the data, in random order. This needs neither a copy nor a
  permutation, which takes as long as an epoch of mini-batches for ten million rows. So
  larger batches use windows, too.

The order depends only on the values, the number of rows and the number of columns with
entries. So dense and sparse data, float32 and float64, with a copy or without, give the
same steps.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from .._fit.cost import COPY_ENTRIES
from ..kernels._order import Blocks, shuffled
from ..kernels._rows import Rows

# Up to so many rows a random order is cheap, because the rows are close in memory.
FEW_ROWS = 8192
# Rows of a block. (8 rows are as fast as 32 if the rows are short, but not otherwise.)
BLOCK = 32
# With more features X is likely to be sparse, and the number of entries of a dense
# matrix of its shape does not matter.
WIDE = 10_000
# Windows: a block from each of so many parts; rows of a block, at least and at most;
# and entries of a window that stay in the L2 cache.
PARTS = 64
SHORTEST, LONGEST, WINDOW_ENTRIES = 2, 4, 2**16


def kind_of_order(shuffle, n_samples, n_features, batch_size, mixed):
    """Resolve the estimators' ``shuffle``.

    Parameters
    ----------
    n_features : callable
        Returns the number of columns that have entries; called only if that matters.
    mixed : callable
        Returns True if the rows are in random order; called only if that matters.

    Returns
    -------
    str or None
        "full", "blocks", "permuted", "window"; None for the natural order.
    """
    if isinstance(shuffle, str):
        return shuffle
    if not shuffle:
        return None
    if n_samples < FEW_ROWS:
        return "full"
    if mixed():
        return "blocks"
    width = n_features()
    if n_samples * width > COPY_ENTRIES and width <= WIDE:
        return "window"
    return "permuted" if batch_size == 1 else "full"


class ArrayOrder:
    """The rows of an array, one after the other.

    Parameters
    ----------
    rows : int array
    """

    ahead = 0

    def __init__(self, rows):
        self.rows, self.done = rows, 0

    def take(self, m):
        """The next m rows: the order of visits, and that of requests to memory."""
        visit = self.rows[self.done : self.done + m].astype(np.intp, copy=False)
        self.done += m
        return visit, visit


class BlockOrder:
    """Blocks of 32 rows, in random order.

    Parameters
    ----------
    rng : RandomState
    n_samples : int
    rows : int array or None
        The rows of which blocks are made; None if they lie in that order already.
    """

    ahead = 0

    def __init__(self, rng, n_samples, rows):
        first = BLOCK * shuffled(rng, -(-n_samples // BLOCK))
        self.blocks = Blocks(first, BLOCK, n_samples)
        self.rows = rows

    def take(self, m):
        """The next m rows: the order of visits, and that of requests to memory."""
        visit, _ = self.blocks.take(m)
        if self.rows is not None:
            visit = self.rows[visit].astype(np.intp, copy=False)
        return visit, visit


class WindowOrder:
    """Blocks of a few rows, one from each of 64 parts of the data in turn.

    The blocks of each part are in random order, and so are the rows of each 64 blocks.

    Parameters
    ----------
    rng : RandomState
    n_samples, n_features : int
    rows : intp array or None
        The rows to visit, ascending; None means all.
    """

    def __init__(self, rng, n_samples, n_features, rows):
        length = WINDOW_ENTRIES // (PARTS * max(1, n_features))
        length = min(LONGEST, max(SHORTEST, length))
        n_blocks = -(-n_samples // length)
        edges = np.arange(PARTS + 1) * n_blocks // PARTS
        table = np.full((int(np.diff(edges).max()), PARTS), -1, dtype=np.intp)
        for part in range(PARTS):
            begin, end = int(edges[part]), int(edges[part + 1])
            table[: end - begin, part] = begin + shuffled(rng, end - begin)
        first = length * table[table >= 0]
        self.ahead = length * PARTS
        seed = int(rng.randint(2**31))
        self.blocks = Blocks(first, length, n_samples, self.ahead, seed)
        self.rows = rows

    def take(self, m):
        """The next m rows: the order of visits, and that of requests to memory."""
        visit, fetch = self.blocks.take(m)
        if self.rows is not None:
            visit, fetch = self.rows[visit], self.rows[fetch]
        return visit, fetch


def new_order(kind, rng, data):
    """The order of one epoch, independent of earlier ones.

    Parameters
    ----------
    kind : {"full", "blocks", "window"}
    rng : RandomState
    data : Data
    """
    n_samples, rows = data.n_rows, data.rows
    if kind == "blocks":
        return BlockOrder(rng, n_samples, rows)
    if kind == "window":
        return WindowOrder(rng, n_samples, data.n_used, rows)
    return ArrayOrder(shuffled(rng, n_samples if rows is None else rows))


def permutation(rng, n_samples, rows):
    """A random order of ``rows`` (None: all), in four bytes each where they suffice."""
    order = shuffled(rng, n_samples if rows is None else rows)
    return order.astype(np.int32) if order.size < 2**31 else order


class WorkingCopy:
    """X, targets and weights in the order in which rows were visited first.

    Parameters
    ----------
    data : Data
    visits : int array
        The rows in their new order.
    """

    def __init__(self, data, visits):
        self.data, self.done = data, 0
        X, n = data.X, len(visits)
        self.target = np.empty(n * (data.target.size // X.shape[0]))
        self.target = self.target.reshape(n, -1)
        self.weights = None if data.weights is None else np.empty(n)
        if sp.issparse(X):
            lengths = np.diff(X.indptr)[visits]
            indptr = np.zeros(n + 1, dtype=X.indptr.dtype)
            np.cumsum(lengths, out=indptr[1:])
            # (Set one by one, because the constructor may choose other index types.)
            self.X = type(X)((n, X.shape[1]), dtype=X.dtype)
            self.X.data = np.empty(indptr[-1], X.data.dtype)
            self.X.indices = np.empty(indptr[-1], X.indices.dtype)
            self.X.indptr = indptr
        else:
            self.X = np.empty((n, X.shape[1]), X.dtype)
        self.source, self.rows = Rows(X), Rows(self.X)

    @property
    def chunk_rows(self):
        """Rows to `add` at a time: these are in the cache, having just been visited."""
        per_row = max(1, size_of(self.X) // max(1, self.X.shape[0]))
        return max(64, 2**22 // per_row)

    def add(self, rows):
        """Copy these rows, which follow the ones added before."""
        begin, end = self.done, self.done + len(rows)
        self.done = end
        data = self.data
        target = data.target.reshape(data.X.shape[0], -1)
        np.take(target, rows, axis=0, out=self.target[begin:end], mode="clip")
        if self.weights is not None:
            np.take(data.weights, rows, out=self.weights[begin:end], mode="clip")
        self.source.copy_to(self.rows, rows, begin)

    def problem(self):
        """The compiled data term of the copy."""
        copied = replace(
            self.data, X=self.X, target=self.target, weights=self.weights, rows=None
        )
        return copied.problem()


def size_of(X):
    """Bytes of X."""
    if sp.issparse(X):
        return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    return X.nbytes
