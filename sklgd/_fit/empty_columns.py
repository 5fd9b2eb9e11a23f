"""Columns of sparse X without an entry, which a fit leaves out.

The coefficient of such a column is zero at the optimum; without a penalty it keeps its
initial value. Hashed text has many empty columns, and so have few rows with a large
vocabulary: coefficients, and most steps, would take O(n_features) for nothing. So `fit`
works on the other columns of CSR X and then inserts the missing coefficients. Its
result has the bits of a fit of X without its empty columns.

Methods, preconditioners and orders of rows are chosen by the number of columns with
entries, for dense X as well.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..kernels._columns import mark_columns, renumber

# Rows of dense X in a block.
BLOCK_ROWS = 64


def used_columns(X, rows, start=None):
    """Which columns have a non-zero entry.

    Parameters
    ----------
    X : ndarray or canonical CSR
    rows : intp array or None
        The rows that count, ascending; None means all.
    start : array of shape (n_features, n_outputs), default=None
        Coefficients: a column with one that is not zero counts as well.

    Returns
    -------
    used : bool array of shape (n_features,)
    """
    if start is None:
        used = np.zeros(X.shape[1], dtype=bool)
    else:
        used = start.any(axis=1)
    if sp.issparse(X):
        mark_columns(X.data, X.indices, X.indptr, rows, used.view(np.uint8))
        return used
    n = X.shape[0] if rows is None else len(rows)
    left: Any = slice(None)
    size = BLOCK_ROWS
    done = 0
    while done < n:
        part: Any = slice(done, done + size)
        if rows is not None:
            part = rows[part]
        used[left] |= X[part][:, left].any(axis=0)
        left = np.flatnonzero(~used)
        if not len(left):
            break
        done += size
        # Often only a column or two have no entry so far.
        size = max(BLOCK_ROWS, BLOCK_ROWS * X.shape[1] // len(left))
    return used


def only_columns(X, columns):
    """X with these columns only; CSR shares its values if all of them remain."""
    if not sp.issparse(X):
        return np.ascontiguousarray(X[:, columns])
    new = np.full(X.shape[1], -1, dtype=X.indices.dtype)
    new[columns] = np.arange(len(columns), dtype=new.dtype)
    narrow = type(X)((X.shape[0], len(columns)), dtype=X.dtype)
    # Set one by one: the constructor may choose other types of indices.
    narrow.data, narrow.indices, narrow.indptr = renumber(
        X.data, X.indices, X.indptr, new
    )
    return narrow


def widened(coef, columns, n_features):
    """Coefficients of these columns as those of all features; the others get zeros.

    Parameters
    ----------
    coef : ndarray of shape (len(columns) + 1, n_outputs)
        The last row is the intercept's.
    columns : intp array
    n_features : int
    """
    wide = np.zeros((n_features + 1, coef.shape[1]))
    wide[columns], wide[-1] = coef[:-1], coef[-1]
    return wide
