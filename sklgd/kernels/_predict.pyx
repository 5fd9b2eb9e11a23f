"""Raw predictions of many rows, in one read of X."""
from cython.parallel cimport prange

import numpy as np

from sklgd.kernels._rows cimport Rows

# Rows that a thread takes at a time.
cdef Py_ssize_t CHUNK = 4096


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
    cdef Py_ssize_t n = rows.n_samples, K = coef.shape[1], chunk
    cdef double[:, ::1] z = np.empty((n, K))
    if coef.shape[0] != rows.n_features + 1 or not (K == 1 or rows.is_sparse):
        raise ValueError("coef does not match the rows")
    n_threads = max(1, min(n_threads, <int> (n // CHUNK)))
    with nogil:
        for chunk in prange((n + CHUNK - 1) // CHUNK, num_threads=n_threads,
                            schedule="static"):
            rows.forward(
                NULL, chunk * CHUNK, min(CHUNK, n - chunk * CHUNK), n,
                &coef[0, 0], K, 1.0, &z[chunk * CHUNK, 0])
    return np.asarray(z)
