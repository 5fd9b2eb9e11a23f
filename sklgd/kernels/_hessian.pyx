"""Hessians in scaled coordinates: their diagonal, their blocks and Cholesky factors.

A block is a matrix of order n_features + 1, the last row being the intercept's, or of
all coefficients. All arrays are float64 and in C order, all buffers the caller's. With
few features NumPy would take longer for each of these steps than the arithmetic.
"""
from sklgd.kernels cimport _numpy as cnp
from libc.math cimport isfinite, sqrt
from libc.string cimport memcpy

from sklgd.kernels._arrays cimport entries
from sklgd.kernels._blas cimport dpotrf, dpotrs, import_blas

import numpy as np

cnp.import_array()
import_blas()


cdef int factorise(double* A, int n) noexcept nogil:
    """Overwrite the lower triangle of A (n, n) with its Cholesky factor.

    The upper triangle stays as it is. Returns 0, or another number if A is not positive
    definite.
    """
    # LAPACK reads matrices by columns: its upper triangle is our lower one.
    cdef char triangle = b"U"
    cdef int info
    dpotrf(&triangle, &n, A, &n, &info)
    return info


cdef void solve_factorised(
        const double* factor, int n, int n_columns, double* x) noexcept nogil:
    """Solve A x = b in place, given the result of `factorise` for A.

    x holds ``n_columns`` vectors of n numbers, one after the other.
    """
    cdef char triangle = b"U"
    cdef int info
    dpotrs(&triangle, &n, &n_columns, <double*> factor, &n, x, &n, &info)


def hessian_diagonal(var, gamma, l2):
    """H_jk = gamma_k var_j + l2_jk, and gamma_k in a last row for the intercept.

    A column without spread has H = 0. ``l2`` is a number, or an array of shape
    (n_outputs,) or (n_features or 1, n_outputs or 1).
    """
    cdef Py_ssize_t j, k, d = len(var), K = len(gamma)
    cdef Py_ssize_t step = K if isinstance(l2, np.ndarray) and l2.ndim == 2 and len(l2) == d else 0
    ridges, out = np.empty((d if step else 1, K)), np.zeros((d + 1, K))
    ridges[...] = l2
    cdef double* H = entries(out, d + 1, K)
    cdef const double* spread = entries(var, d, 0)
    cdef const double* curvature = entries(gamma, K, 0)
    cdef const double* ridge = entries(ridges, len(ridges), K)
    with nogil:
        for j in range(d):
            if spread[j] > 0.0:
                for k in range(K):
                    H[j * K + k] = curvature[k] * spread[j] + ridge[j * step + k]
        for k in range(K):
            H[d * K + k] = curvature[k]
    return out


def inverse_root(diagonal, unit=None):
    """unit_k / sqrt(H_jk), or 0 where H = 0; units of None are ones."""
    cdef Py_ssize_t i, n = diagonal.size, K = diagonal.shape[1]
    out = np.zeros((len(diagonal), K))
    cdef double* S = entries(out, len(diagonal), K)
    cdef const double* H = entries(diagonal, len(diagonal), K)
    cdef const double* u = NULL if unit is None else entries(unit, K, 0)
    with nogil:
        for i in range(n):
            if H[i] != 0.0:
                S[i] = (1.0 if u == NULL else u[i % K]) / sqrt(H[i])
    return out


def hessian_block(A, v, double H, double factor, scale, l2, Py_ssize_t k,
                  bint fit_intercept):
    """The block of output k in scaled coordinates, from moments in raw ones.

    B_jl = factor S_j S_l A_jl + l2_j [j = l], and likewise v and H in the last row and
    column, which are zero but for l2 without intercept.

    Parameters
    ----------
    A, v, H
        As `_gram.weighted_gram` returns them.
    factor : float
    scale, l2 : arrays of shape (n_features + 1, n_outputs)
        S, and the penalty of u^2 / 2.
    k : int
    fit_intercept : bool

    Returns
    -------
    B : ndarray of shape (n_features + 1, n_features + 1)
    """
    cdef Py_ssize_t d = len(v), D = d + 1, K = scale.shape[1], j, m
    cdef const double* a = entries(A, d, d)
    cdef const double* b = entries(v, d, 0)
    cdef const double* S = entries(scale, D, K)
    cdef const double* ridge = entries(l2, D, K)
    out = np.empty((D, D))
    cdef double* B = entries(out, D, D)
    cdef double Sb = S[d * K + k] if fit_intercept else 0.0
    cdef double c
    if not 0 <= k < K:
        raise ValueError("there is no such output")
    with nogil:
        for j in range(d):
            c = factor * S[j * K + k]
            for m in range(d):
                B[j * D + m] = c * S[m * K + k] * a[j * d + m]
            B[j * D + d] = B[d * D + j] = c * Sb * b[j]
        B[d * D + d] = factor * Sb * Sb * H
        for j in range(D):
            B[j * D + j] += ridge[j * K + k]
    return out


def cholesky(matrix, bint relative=False):
    """Lower factor of a positive semidefinite matrix.

    Its diagonal is increased, in place, by as little as makes the factorisation
    possible: each entry by the same number or, if ``relative``, by the same share,
    which suits coordinates in unlike units. The factor of a matrix that is not finite
    is not finite either.
    """
    cdef int n = <int> matrix.shape[0], info = 1
    cdef Py_ssize_t j
    cdef double ridge = 0.0
    out, kept = np.empty((n, n)), np.empty(n)
    cdef double* M = entries(matrix, n, n, True)
    cdef double* factor = entries(out, n, n)
    cdef double* diagonal = entries(kept, n, 0)
    with nogil:
        for j in range(n):
            diagonal[j] = M[j * n + j]
            if not diagonal[j] > 0.0:
                # A coordinate without effect keeps its value.
                diagonal[j] = 1.0
            ridge = max(ridge, diagonal[j])
        ridge = 1e-12 if relative and isfinite(ridge) else 1e-12 * ridge
        # (A matrix with NaN has no factor, whatever is added.)
        while info != 0 and isfinite(ridge):
            for j in range(n):
                M[j * n + j] = diagonal[j] + (
                    ridge * diagonal[j] if relative else ridge
                )
            memcpy(factor, M, <size_t> n * n * sizeof(double))
            info = factorise(factor, n)
            ridge *= 100.0
    if info != 0:
        out[...] = np.nan
    return out


def solve(factor, g, Py_ssize_t k=-1):
    """Solve A x = g in place with the factor of A, for column k or for all columns."""
    cdef int n = <int> factor.shape[0], n_columns
    cdef Py_ssize_t i, j, K = g.shape[1]
    cdef const double* L = entries(factor, n, n)
    cdef double* x = entries(g, n, K, True)
    if k >= K:
        raise ValueError("there is no such column")
    n_columns = 1 if k >= 0 else <int> K
    x += max(0, k)
    columns = np.empty(n * n_columns)
    cdef double* y = entries(columns, n * n_columns, 0)
    with nogil:
        for j in range(n):
            for i in range(n_columns):
                y[i * n + j] = x[j * K + i]
        solve_factorised(L, n, n_columns, y)
        for j in range(n):
            for i in range(n_columns):
                x[j * K + i] = y[i * n + j]
