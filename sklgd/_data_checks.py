"""What goes in: samples, weights, offsets and starting points."""

import math
import numbers
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from ._compat import warn
from ._hints import as_numbers, column_of_text, refuse_text
from .kernels._rows import has_sorted_rows
from .kernels._vector import all_finite

# Bytes of a dask collection up to which it is gathered.
GATHERED = 1e9
FLOATS = np.dtype(np.float64), np.dtype(np.float32)


def check_weights(sample_weight, n_samples, name="sample_weight", *, all_zero=False):
    """Weights as a float64 array, or None.

    Parameters
    ----------
    all_zero : bool, default=False
        Whether all of them may be zero.

    Raises
    ------
    ValueError
        For a wrong shape, or for a negative or non-finite weight, or only zeros.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, numbers.Real):
        sample_weight = np.full(n_samples, float(sample_weight))
    try:
        weights = as_numbers(sample_weight, bools=True)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a number or an array of numbers, got a "
            f"{type(sample_weight).__name__!r} with other entries."
        ) from None
    if weights.ndim != 1:
        raise ValueError(
            f"{name} must be 1D array or scalar, got {weights.ndim}D array"
        )
    if len(weights) != n_samples:
        raise ValueError(
            f"{name}.shape == {weights.shape}, expected {(n_samples,)}: one weight "
            "per row of X."
        )
    if not np.isfinite(weights).all():
        raise ValueError(f"{name} contains NaN or infinity; weights must be finite.")
    if weights.min() < 0.0:
        raise ValueError(
            f"{name} contains the negative value {weights.min():g}; weights must be "
            "zero or positive."
        )
    if not (all_zero or weights.any()):
        raise ValueError(
            f"{name}: all weights are zero, so there is nothing to learn from. Give at "
            "least one row a positive weight."
        )
    return in_c_order(weights)


def check_offset(
    offset: Any, n_samples: int, n_outputs: int, name: str = "offset"
) -> np.ndarray | None:
    """Offsets as a float64 array of shape (n_samples, n_outputs) or (n_samples, 1).

    Parameters
    ----------
    offset : array-like of shape (n_samples,) or (n_samples, n_outputs), or float
        None is returned as it is.
    n_samples, n_outputs : int
    name : str, default="offset"
        For messages.

    Raises
    ------
    ValueError
        For a wrong shape, or a value that is not finite.
    """
    if offset is None:
        return None
    try:
        checked = as_numbers(offset, bools=True)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a number or an array of numbers, got a "
            f"{type(offset).__name__!r}."
        ) from None
    if checked.ndim == 0:
        checked = np.full(n_samples, checked)
    if checked.shape not in ((n_samples,), (n_samples, 1), (n_samples, n_outputs)):
        several = f" or {(n_samples, n_outputs)}" if n_outputs > 1 else ""
        raise ValueError(
            f"{name} has shape {checked.shape}, expected {(n_samples,)}{several}: one "
            "value for each row of X."
        )
    if not all_finite(np.ravel(checked)):
        raise ValueError(
            f"{name} contains NaN or infinity; offsets must be finite. (An exposure "
            "of zero has the logarithm minus infinity: leave out such rows.)"
        )
    return in_c_order(checked.reshape(n_samples, -1))


def rows_with_weight(weights):
    """Numbers of the rows whose weight is not zero, ascending; None if all are.

    A weight so small that its share of the largest one underflows counts as zero.
    """
    if weights is None:
        return None
    largest = weights.max()
    if largest > 0.0:
        if weights.min() / largest > 0.0:
            return None
        weights = weights / largest
    return np.flatnonzero(weights)


def multiply_weights(a, b):
    """Products of weights in any units, which neither overflow nor underflow.

    The parts are brought to sizes about one by powers of two, which round nothing.
    """
    scales = [np.frexp(part.max())[1] for part in (a, b)]
    product = np.ldexp(a, -scales[0]) * np.ldexp(b, -scales[1])
    # (Far below the largest float: sums of such weights are finite, too.)
    return np.ldexp(product, np.clip(sum(scales), -1000, 950))


def gathered(data, name):
    """The data in memory: a collection of dask is computed, with a warning.

    Raises
    ------
    ValueError
        If it is larger than `GATHERED` bytes.
    """
    if not hasattr(data, "__dask_graph__"):
        return data
    remedy = (
        f"Pass {name}.compute(); or use the estimators of sklgd.dask, which leave the "
        "rows on the workers."
    )
    try:
        size = float(data.nbytes)
    except (AttributeError, NotImplementedError, TypeError):
        # A data frame does not know how long its parts are.
        size = math.nan
    if size > GATHERED:
        raise ValueError(
            f"{name} is a dask collection of {size / 1e9:.3g} GB, which would be "
            f"gathered in the memory of this process; up to {GATHERED / 1e9:g} GB are "
            f"allowed. {remedy}"
        )
    warn(
        f"{name} is a dask collection and is gathered in the memory of this process. "
        f"{remedy}"
    )
    return data.compute()


def has_nothing_to_check(X):
    """True if scikit-learn's checks are sure to hand X back as it is.

    That is so of an ndarray in C order or a CSR matrix, of two dimensions and a dtype
    of the kernels, with finite entries. Most data are like this, and little of them is
    learnt in less time than the checks take. False says nothing about X.
    """
    return has_good_form(X) and all_finite(X if type(X) is np.ndarray else X.data)


def checked_by_sklearn(est, X, y, reset, **kwargs):
    """`validate_data` for an estimator; text in X or y is named with the remedy.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    X : array-like
    y : array-like, None or "no_validation"
    reset : bool
    **kwargs
        As `validate_data` takes them.
    """
    numeric = kwargs.get("y_numeric", False)
    try:
        checked = validate_data(
            est, X, y, reset=reset, accept_sparse="csr",
            dtype=[np.float64, np.float32], order="C", **kwargs,
        )  # fmt: skip
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        if numeric:
            refuse_text(y, "y")
        raise ValueError(column_of_text(X) or str(error)) from None
    if numeric and checked[1].dtype.kind in "SU":
        refuse_text(checked[1], "y")
    return checked


def is_in_c_order(array):
    """True if kernels can read an array as it is."""
    return array.flags.c_contiguous and array.flags.aligned


def has_good_form(X):
    """The same apart from the entries being finite."""
    if type(X) is np.ndarray:
        values = X
    elif type(X) in (sp.csr_array, sp.csr_matrix) and type(X.data) is np.ndarray:
        values = X.data
    else:
        return False
    good = is_in_c_order(values) and values.dtype in FLOATS
    return good and X.ndim == 2 and min(X.shape) > 0


def has_nothing_to_check_in_target(y, n_samples, multi_output):
    """The same of a target for ``n_samples`` rows: finite numbers."""
    return (
        type(y) is np.ndarray
        and y.dtype.kind in "biuf"
        and (y.ndim == 1 or (multi_output and y.ndim == 2))
        and len(y) == n_samples
        and y.size > 0
        and (y.dtype.kind != "f" or all_finite(y))
    )


def in_c_order(array, dtype=None):
    """The array as kernels read it: in C order and aligned; a copy only if needed."""
    if type(array) is np.ndarray and is_in_c_order(array):
        # (`np.require` takes microseconds to say the same.)
        if dtype is None or array.dtype == dtype:
            return array
    return np.require(array, dtype, ("C", "A"))


def canonical(X):
    """X as the kernels read it: C order, or CSR with sorted, unique indices.

    The caller's matrix is never changed; a copy is made only if something must be.

    Raises
    ------
    ValueError
        If a column index lies outside the matrix.
    """
    if not sp.issparse(X):
        return in_c_order(X)
    X = check_indices(X)
    if not has_sorted_rows(X.indptr, X.indices):
        X = X.copy()
        X.sum_duplicates()
    if not is_in_c_order(X.data):
        X = type(X)((in_c_order(X.data), X.indices, X.indptr), shape=X.shape)
    return X


def check_indices(X):
    """X; CSR with indices and indptr of one dtype, int32 or int64, in C order.

    Raises
    ------
    ValueError
        If a column index lies outside the matrix.
    """
    if not sp.issparse(X):
        return X
    indices, indptr = X.indices, X.indptr
    if not (
        indices.dtype == indptr.dtype
        and indices.dtype in (np.int32, np.int64)
        and is_in_c_order(indices)
        and is_in_c_order(indptr)
    ):
        dtype = np.result_type(indices.dtype, indptr.dtype, np.int32)
        indices = in_c_order(indices, dtype)
        X = type(X)((X.data, indices, in_c_order(indptr, dtype)), shape=X.shape)
    # Negative ones, read without sign, are the largest.
    unsigned = indices.view(np.uint32 if indices.itemsize == 4 else np.uint64)
    if len(indices) and unsigned.max() >= X.shape[1]:
        raise ValueError(
            f"sparse X has column indices from {indices.min()} to {indices.max()}, "
            f"but {X.shape[1]} columns."
        )
    return X


def check_start(coef_init, intercept_init, n_features, n_outputs):
    """Starting coefficients of shape (n_features + 1, n_outputs), or None.

    With one output the coefficients may also have shape (n_features,).

    Raises
    ------
    ValueError
        For a wrong shape or a non-finite value.
    """
    if coef_init is None and intercept_init is None:
        return None
    start = np.zeros((n_features + 1, n_outputs))
    for name, value, shape, part in (
        ("coef_init", coef_init, (n_outputs, n_features), start[:-1]),
        ("intercept_init", intercept_init, (n_outputs,), start[-1]),
    ):
        if value is None:
            continue
        try:
            value = as_numbers(value)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} must be a number or an array of numbers, got a "
                f"{type(value).__name__!r} with other entries."
            ) from None
        if n_outputs == 1 and value.size == np.prod(shape) and value.ndim <= len(shape):
            value = value.reshape(shape)
        if value.shape != shape:
            raise ValueError(f"{name} has shape {value.shape}, expected {shape}.")
        if not np.isfinite(value).all():
            raise ValueError(f"{name} contains NaN or infinity.")
        part[...] = value.T
    return start


def refuse_parts_of_validation(y_val: Any, weights: Any, offset: Any = None) -> None:
    """Raise ValueError for parts of a validation set without its X."""
    if y_val is not None or weights is not None:
        raise ValueError("y_val and sample_weight_val need X_val.")
    if offset is not None:
        raise ValueError("offset_val needs X_val.")
