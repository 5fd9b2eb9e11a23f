"""A test of whether the rows are in random order, by blocks of consecutive rows.

If the rows are in random order, the means of blocks of L rows scatter like means of L
independent draws. In every column,

    F = L / (B - 1) sum_b (m_b - m)^2 / (sum_b sum_i (x_bi - m_b)^2 / (B (L - 1)))

is about 1 for B blocks, the F ratio of one-way analysis of variance (Fisher 1925,
Statistical Methods for Research Workers, chapter VII). It is larger, up to L, for rows
that are sorted by label, collected over time or repeated. It is the factor by which the
gradient of a block of consecutive rows is noisier than that of random rows, which an
order of rows must avoid. The test uses blocks that are evenly spaced in the data, so it
needs no random numbers and has the same result for dense and sparse X.
"""

import numpy as np
import scipy.sparse as sp

# Number of blocks, rows of each, and columns of X (those with most entries).
N_BLOCKS, BLOCK_ROWS, N_COLUMNS = 64, 32, 64
# Limits for F of a column and for its mean over the columns. Random rows exceed either
# with a probability below 1e-3, for independent and for equal columns. A column with
# few entries counts in the mean only, because two entries in one block make its F
# large.
LARGEST, LARGEST_MEAN, FEW_ENTRIES = 2.0, 1.7, N_BLOCKS


def rows_are_mixed(data):
    """True if the rows are in random order.

    Parameters
    ----------
    data : Data
        At least ``N_BLOCKS * BLOCK_ROWS`` rows to learn from.
    """
    first = np.arange(N_BLOCKS) * ((data.n_rows - BLOCK_ROWS) // (N_BLOCKS - 1))
    rows = (first[:, None] + np.arange(BLOCK_ROWS)).ravel()
    if data.rows is not None:
        rows = data.rows[rows]
    target = data.target.reshape(data.X.shape[0], -1)[rows]
    if data.loss.task == "classification" and not data.loss.separate_targets:
        target = target == np.unique(target)
    return in_no_order(target) and in_no_order(most_frequent(data.X, rows))


def most_frequent(X, rows):
    """These rows of the columns of X that have the most entries in some of them."""
    if not sp.issparse(X) and X.shape[1] <= N_COLUMNS:
        return X[rows]
    some = X[rows[::8]]
    if sp.issparse(X):
        counts = np.bincount(some.indices[some.data != 0], minlength=X.shape[1])
    else:
        counts = np.count_nonzero(some, axis=0)
    columns = np.sort(np.argsort(-counts, kind="stable")[:N_COLUMNS])
    if sp.issparse(X):
        return X[rows][:, columns].toarray()
    return X[rows[:, None], columns]


def in_no_order(values):
    """True if the blocks of no column differ more than chance allows."""
    values = values.reshape(N_BLOCKS, BLOCK_ROWS, -1).astype(float)
    dense = np.count_nonzero(values, axis=(0, 1)) >= FEW_ENTRIES
    with np.errstate(over="ignore", invalid="ignore"):
        # By a value first: then a constant is zero, not a rounding error.
        values -= values[0, 0]
        values -= values.mean(axis=(0, 1))
        means = values.mean(axis=1)
        between = BLOCK_ROWS / (N_BLOCKS - 1) * np.square(means).sum(axis=0)
        values -= means[:, None]
        within = np.square(values).sum(axis=(0, 1)) / (N_BLOCKS * (BLOCK_ROWS - 1))
    varies = (between > 0.0) | (within > 0.0)
    if not varies.any():
        return True
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = between / within
    # A ratio that is not a number is no reason to trust the order.
    return bool(
        (ratio[varies & dense] <= LARGEST).all()
        and ratio[varies].mean() <= LARGEST_MEAN
    )
