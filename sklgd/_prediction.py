"""Raw predictions of a fitted estimator, by the fastest of three ways."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from ._blas import blas_threads
from ._data_checks import check_indices, has_good_form
from ._threads import effective_threads
from .kernels._predict import raw_predictions as kernel_predictions
from .kernels._rows import Rows
from .kernels._vector import all_finite


def raw_prediction(est, X):
    """X @ coef_.T + intercept_, of shape (n_samples, n_outputs)."""
    z = _raw_prediction(est, X)
    state: Any = vars(est).get("_state")
    if hasattr(state, "warn_of_far_predictions"):
        state.warn_of_far_predictions(z)
    return z


def _raw_prediction(est, X):
    z = _streamed_prediction(est, X)
    if z is not None:
        return z
    # (That makes the coefficients of a stream, which has just not been wanted.)
    check_is_fitted(est, "coef_")
    coef = est.coef_.T if est.coef_.ndim == 2 else est.coef_[:, None]
    if _reads_once(est, X, coef):
        full = np.empty((len(coef) + 1, coef.shape[1]))
        full[:-1], full[-1] = coef, est.intercept_
        n_threads = effective_threads(est.n_jobs)
        z = kernel_predictions(Rows(check_indices(X)), full, n_threads)
        if all_finite(z):
            # So X is finite, too, and need not be checked.
            return z.astype(np.result_type(X.dtype, coef.dtype), copy=False)
    X = est._validate(X, reset=False)
    if sp.issparse(coef):
        # (scikit-learn multiplies sparse matrices of one dtype only.)
        dtype = np.result_type(X.dtype, coef.dtype)
        X, coef = X.astype(dtype, copy=False), coef.astype(dtype, copy=False)
    with blas_threads(effective_threads(est.n_jobs)):
        return safe_sparse_dot(X, coef, dense_output=True) + est.intercept_


def _streamed_prediction(est, X):
    """The same in O(entries of X), or None where ``coef_`` is there to predict."""
    state: Any = vars(est).get("_state")
    if "coef_" in vars(est) or not getattr(state, "predicts_directly", False):
        return None
    X = est._validate(X, reset=False)
    z = state.learner.predictions(Rows(X))
    return z.astype(np.result_type(X.dtype, state.dtype), copy=False)


def _reads_once(est, X, coef):
    """True if a kernel predicts faster than NumPy and SciPy after their checks.

    It reads sparse rows once and needs no copy of float32 in float64. BLAS is
    faster where that needs no copy either.
    """
    return (
        has_good_form(X)
        and est._expects(X, reset=False)
        and not sp.issparse(coef)
        and (
            sp.issparse(X)
            or (coef.shape[1] == 1 and X.dtype.itemsize < coef.dtype.itemsize)
        )
    )
