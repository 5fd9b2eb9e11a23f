"""Columns of sparse X without an entry, which a fit leaves out.

The coefficient of such a column is zero at the optimum, and stays where it starts
without a penalty. Hashed text has many of them, and few rows of a large vocabulary: the
coefficients, and most steps, would cost O(n_features) for nothing. So `fit` works on
the other columns of CSR X, and its coefficients are put back in their places: the fit
is, to the last bit, the one of X without its empty columns.

Choices between methods, metrics and orders of rows count the columns that have entries,
of dense X as well.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..kernels._columns import mark_columns, renumber

# Rows of dense X that are looked at together.
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
        # What is left to look at is often a column or two.
        size = max(BLOCK_ROWS, BLOCK_ROWS * X.shape[1] // len(left))
    return used


def only_columns(X, columns):
    """X with these columns alone; CSR shares its values if none of them goes."""
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
