"""Raw predictions of many rows, in one read of X."""
import numpy as np

from sklgd.kernels._rows cimport Rows
from sklgd.kernels._threads cimport parallel_for

# Rows that a thread takes at a time.
cdef Py_ssize_t CHUNK = 4096


cdef struct Product:
    void* rows
    const double* coef
    double* z
    Py_ssize_t n_samples, n_outputs


cdef void product_of(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Product* p = <Product*> arguments
    cdef Py_ssize_t first = chunk * CHUNK
    (<Rows> p.rows).forward(
        NULL, first, min(CHUNK, p.n_samples - first), p.n_samples, p.coef, p.n_outputs,
        1.0, p.z + first * p.n_outputs)


def raw_predictions(Rows rows, const double[:, ::1] coef, int n_threads=1):
    """Z = X w + b, in loops of their own that leave nothing out.

    Parameters
    ----------
    rows : Rows
        CSR; or dense, and then with one output.
    coef : float64 array of shape (n_features + 1, n_outputs)
        Last row the intercept.
    n_threads : int, default=1
        The result does not depend on it.

    Returns
    -------
    z : ndarray of shape (n_samples, n_outputs)

    Notes
    -----
    Every stored entry of X is multiplied, those by zero as well, so a finite Z tells
    that X is finite: nan and inf stay what they are in products and in sums.
    """
    cdef Py_ssize_t n = rows.n_samples, K = coef.shape[1]
    cdef double[:, ::1] z = np.empty((n, K))
    cdef Product product
    if coef.shape[0] != rows.n_features + 1 or not (K == 1 or rows.is_sparse):
        raise ValueError("coef does not match the rows")
    if n > 0:
        product.rows, product.coef, product.z = <void*> rows, &coef[0, 0], &z[0, 0]
        product.n_samples, product.n_outputs = n, K
        with nogil:
            parallel_for(product_of, &product, (n + CHUNK - 1) // CHUNK, n_threads)
    return np.asarray(z)
