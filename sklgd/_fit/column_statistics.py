"""Means and variances of the columns, and the error if their squares leave float64."""

import numpy as np

# Largest size of a column for which squares and their products are finite; the inverse
# is the smallest size.
LARGE_COLUMN = 1e140


def column_statistics(data, rows=None):
    """Weighted mean and variance of the columns.

    Parameters
    ----------
    data : Data
    rows : intp array, default=None
        Numbers of some of the rows to learn from; None means all of these.

    Returns
    -------
    mean, var : ndarrays of shape (n_features,)
        Dense columns are shifted by their first value before squaring, so a mean
        far from zero costs no accuracy; the rounding error that is left counts as
        no variance. A column that is so small that its coefficient is zero with any
        penalty gets the variance 0.

    Raises
    ------
    ValueError
        If values of X are so large or so small that their squares leave float64.
    """
    try:
        mean, var = data.column_statistics(rows)
    except ValueError:
        data.check_finite()
        raise
    size = np.maximum(np.abs(mean), np.sqrt(var))
    # (`argmax` takes a third of the time of `max`.)
    largest = size.argmax()
    if not size[largest] <= LARGE_COLUMN:
        data.check_finite()
        raise size_error(data.number_of(largest), "large")
    small = size < 1.0 / LARGE_COLUMN
    if np.count_nonzero(small) and (small := small & (size > 0.0)).any():
        if not data.penalised:
            raise size_error(data.number_of(small.argmax()), "small")
        mean[small] = var[small] = 0.0
    return mean, var


def size_error(column, what):
    """The error for a column whose squares leave float64."""
    return ValueError(
        f"X: the values of column {column} are so {what} that their squares leave "
        "float64. Scale this column (MaxAbsScaler or StandardScaler), or leave it out."
    )
