"""The metric of a batch method: its scale, its blocks and their Cholesky factors.

A metric is a matrix of order n_features + 1, the last row being the intercept's, or one
of all coordinates. All arrays are float64 and in C order, all buffers the caller's. With
few features NumPy would take longer for each of these steps than the arithmetic.
"""
from libc.math cimport sqrt
from scipy.linalg.cython_lapack cimport dpotrf, dpotrs

import numpy as np


def natural_scale(const double[::1] var, const double[::1] gamma, double l2):
    """S_jk = (gamma_k var_j + l2)^-1/2, and gamma_k^-1/2 in a last row.

    A column without spread has scale zero.
    """
    cdef Py_ssize_t j, k, d = var.shape[0], K = gamma.shape[0]
    cdef double[:, ::1] out = np.zeros((d + 1, K))
    with nogil:
        for j in range(d):
            if var[j] > 0.0:
                for k in range(K):
                    out[j, k] = 1.0 / sqrt(gamma[k] * var[j] + l2)
        for k in range(K):
            out[d, k] = 1.0 / sqrt(gamma[k])
    return np.asarray(out)


def hessian_block(const double[:, ::1] A, const double[::1] v, double H, double factor,
                  const double[:, ::1] scale, const double[:, ::1] l2, Py_ssize_t k,
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
    cdef Py_ssize_t d = v.shape[0], j, m
    cdef double c
    cdef double[:, ::1] B = np.empty((d + 1, d + 1))
    cdef double[::1] S = np.empty(d)
    cdef double Sb = scale[d, k] if fit_intercept else 0.0
    with nogil:
        for j in range(d):
            S[j] = scale[j, k]
        for j in range(d):
            c = factor * S[j]
            for m in range(d):
                B[j, m] = c * S[m] * A[j, m]
            B[j, d] = B[d, j] = c * Sb * v[j]
        B[d, d] = factor * Sb * Sb * H
        for j in range(d + 1):
            B[j, j] += l2[j, k]
    return np.asarray(B)


def cholesky(double[:, ::1] matrix):
    """Lower factor of a positive semidefinite matrix.

    Just as much is added to the matrix's diagonal, in place, as rounding asks for.
    """
    cdef int n = <int> matrix.shape[0], info = 1
    cdef Py_ssize_t j
    cdef double ridge = 0.0
    cdef double[::1] diagonal = np.empty(n)
    cdef double[:, ::1] factor = np.empty((n, n))
    # What LAPACK reads by columns is the transpose: its upper triangle is our lower.
    cdef char uplo = b"U"
    with nogil:
        for j in range(n):
            diagonal[j] = matrix[j, j]
            if not diagonal[j] > 0.0:
                # A coordinate that has no effect stays where it is.
                diagonal[j] = 1.0
            ridge = max(ridge, diagonal[j])
        ridge *= 1e-12
        while info != 0:
            for j in range(n):
                matrix[j, j] = diagonal[j] + ridge
            factor[...] = matrix
            dpotrf(&uplo, &n, &factor[0, 0], &n, &info)
            ridge *= 100.0
    return np.asarray(factor)


def solve(const double[:, ::1] factor, double[:, :] g):
    """Solve A x = g for each column of g, in place, with the factor of A."""
    cdef int n = <int> factor.shape[0], K = <int> g.shape[1], info
    cdef Py_ssize_t j, k
    cdef char uplo = b"U"
    cdef double[::1] columns = np.empty(n * K)
    if g.shape[0] != n:
        raise ValueError("the factor has another order than the vectors")
    with nogil:
        for k in range(K):
            for j in range(n):
                columns[k * n + j] = g[j, k]
        dpotrs(&uplo, &n, &K, <double*> &factor[0, 0], &n, &columns[0], &n, &info)
        for k in range(K):
            for j in range(n):
                g[j, k] = columns[k * n + j]
