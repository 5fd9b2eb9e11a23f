"""In which order an epoch visits the rows, and the copy of X that makes it fast.

A full random order finds every row in memory, not in a cache: an epoch of single rows
takes two to four times as long as in the natural order. With ``shuffle=True``

- rows that lie in no particular order (`_mixed`) are visited in blocks of 32
  consecutive ones, the blocks in random order: as fast as the natural order;
- other rows are permuted once with ``batch_size=1``, and later epochs shuffle blocks of
  32 of these. A small X is copied in that order on the way through the first epoch, and
  blocks of the copy are read at the speed of the natural order. This converges as fast
  as a full shuffle in every epoch, on rows sorted by label, too; blocks of such rows as
  they are given do not (benchmarks/row_order.py);
- data too large for a copy are visited in windows: few consecutive rows from each of 64
  parts of the data, mixed. That needs neither a copy nor a permutation, which for ten
  million rows would take as long as a mini-batch epoch: larger batches take windows,
  too.

Which order is taken depends on the values, the number of rows and that of the columns
with entries alone, so that dense and sparse data, float32 and float64, take the same
steps, with or without a copy.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from .._fit.cost import COPY_ENTRIES
from ..kernels._order import Blocks, shuffled
from ..kernels._rows import Rows

# Up to so many rows, a random order is cheap and the rows are close.
FEW_ROWS = 8192
# Rows of a block: with 8 the speed is that of 32 for short rows, but not for long ones.
BLOCK = 32
# Features from which on X will be sparse, so that the number of entries of a dense
# matrix says nothing.
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
        Gives the number of columns that have entries; only called if that matters.
    mixed : callable
        Says whether the rows are in no particular order; likewise.

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
        """The next m rows, in the order of visits and in that of requests."""
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
        """The next m rows, in the order of visits and in that of requests."""
        visit, _ = self.blocks.take(m)
        if self.rows is not None:
            visit = self.rows[visit].astype(np.intp, copy=False)
        return visit, visit


class WindowOrder:
    """Blocks of a few rows, one from each of 64 parts of the data in turn, mixed.

    Each part's blocks come in random order; the rows of each 64 blocks are visited in
    random order.

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
        """The next m rows, in the order of visits and in that of requests."""
        visit, fetch = self.blocks.take(m)
        if self.rows is not None:
            visit, fetch = self.rows[visit], self.rows[fetch]
        return visit, fetch


def new_order(kind, rng, data):
    """The order of one epoch, independent of those before.

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
            # Set one by one: the constructor may choose other types of indices.
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
