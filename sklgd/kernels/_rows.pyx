"""The data layer: rows of X, dense or CSR, float32 or float64.

This is the only file that knows the storage of X. Every other kernel works in
float64. The branch over storage is taken once per batch, never per element
(a virtual method with a fused argument would silently not be overridden,
cython#3607, hence one class and plain dispatch).

Shapes: m rows of a batch, d = n_features, K = n_outputs. Coefficients are
stored feature-major as (d + 1, K); the last row is the intercept. ``order``
maps positions to row numbers; NULL means the natural order. Nothing here is
checked: row numbers, column numbers and buffer sizes are the caller's promise.
"""
cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t
from scipy.linalg.cython_blas cimport dgemm

import numpy as np

cnp.import_array()

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define sklgd_prefetch(address) __builtin_prefetch(address)
    #else
    #define sklgd_prefetch(address) ((void) (address))
    #endif
    """
    void sklgd_prefetch(const void* address) noexcept nogil

# Rows in random order are found in memory, not in a cache. Asking for a row eight
# rows early hides part of that: a shuffled epoch of single rows, 200000 x 30, took
# 14 to 40 ms in place of 51 ms (in the natural order 8 ms).
cdef enum:
    AHEAD = 8
    MAX_LINES = 16      # cache lines of a row worth asking for
    LINE = 64           # bytes

ctypedef fused real:
    float
    double

ctypedef fused index_t:
    int32_t
    int64_t


cdef inline double dot(const real* x, const double* w, Py_ssize_t d) noexcept nogil:
    """sum_j x_j w_j with eight partial sums in a fixed order.

    Strict floating point forbids vectorising a single running sum; eight lanes
    give the compiler something to vectorise and the same bits on every CPU.
    """
    cdef double[8] s
    cdef double tail = 0.0
    cdef Py_ssize_t j = 0, k
    for k in range(8):
        s[k] = 0.0
    while j + 8 <= d:
        for k in range(8):
            s[k] += x[j + k] * w[j + k]
        j += 8
    while j < d:
        tail += x[j] * w[j]
        j += 1
    return (((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]))) + tail


cdef inline void prefetch(const void* first, Py_ssize_t n_bytes) noexcept nogil:
    # From the start of a cache line on: a row rarely begins there, and its last
    # line would be missed.
    cdef size_t line = <size_t> first & ~(<size_t> LINE - 1)
    cdef size_t end = <size_t> first + min(n_bytes, MAX_LINES * LINE)
    while line < end:
        sklgd_prefetch(<const void*> line)
        line += LINE


cdef inline Py_ssize_t row_at(
        const Py_ssize_t* order, Py_ssize_t i) noexcept nogil:
    return i if order == NULL else order[i]


cdef inline void dense_forward(
        const real* X, Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start,
        Py_ssize_t m, Py_ssize_t end, const double* coef, double scale,
        double* z) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(m):
        if order != NULL and start + i + AHEAD < end:
            prefetch(X + order[start + i + AHEAD] * d, d * sizeof(real))
        z[i] = scale * dot(X + row_at(order, start + i) * d, coef, d) + coef[d]


cdef inline void dense_backward(
        const real* X, Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start,
        Py_ssize_t m, const double* g, double* out) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double c
    cdef const real* x
    for i in range(m):
        c = g[i]
        if c == 0.0:
            continue
        x = X + row_at(order, start + i) * d
        for j in range(d):
            out[j] += c * x[j]


cdef inline void dense_load(
        const real* X, Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start,
        Py_ssize_t m, Py_ssize_t end, double* buffer) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef const real* x
    for i in range(m):
        if order != NULL and start + i + AHEAD < end:
            prefetch(X + order[start + i + AHEAD] * d, d * sizeof(real))
        x = X + row_at(order, start + i) * d
        for j in range(d):
            buffer[i * d + j] = x[j]


cdef inline void sparse_forward(
        const real* data, const index_t* indices, const index_t* indptr,
        Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, const double* coef, Py_ssize_t K, double scale,
        double* z) noexcept nogil:
    cdef Py_ssize_t i, k, p, row
    cdef double total, x
    cdef const double* w
    for i in range(m):
        if order != NULL and start + i + 3 * AHEAD < end:
            sklgd_prefetch(indptr + order[start + i + 3 * AHEAD])
            row = order[start + i + AHEAD]
            k = indptr[row + 1] - indptr[row]
            prefetch(data + indptr[row], k * sizeof(real))
            prefetch(indices + indptr[row], k * sizeof(index_t))
        row = row_at(order, start + i)
        if K == 1:
            total = 0.0
            for p in range(indptr[row], indptr[row + 1]):
                total += data[p] * coef[indices[p]]
            z[i] = scale * total + coef[d]
            continue
        for k in range(K):
            z[i * K + k] = 0.0
        for p in range(indptr[row], indptr[row + 1]):
            x = data[p]
            w = coef + indices[p] * K
            for k in range(K):
                z[i * K + k] += x * w[k]
        for k in range(K):
            z[i * K + k] = scale * z[i * K + k] + coef[d * K + k]


cdef inline void sparse_backward(
        const real* data, const index_t* indices, const index_t* indptr,
        const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* g, Py_ssize_t K, double* out) noexcept nogil:
    cdef Py_ssize_t i, k, p, row
    cdef double c, x
    cdef double* w
    for i in range(m):
        row = row_at(order, start + i)
        if K == 1:
            c = g[i]
            if c == 0.0:
                continue
            for p in range(indptr[row], indptr[row + 1]):
                out[indices[p]] += c * data[p]
            continue
        for p in range(indptr[row], indptr[row + 1]):
            x = data[p]
            w = out + indices[p] * K
            for k in range(K):
                w[k] += x * g[i * K + k]


cdef inline void sparse_touched(
        const index_t* indices, const index_t* indptr, const Py_ssize_t* order,
        Py_ssize_t start, Py_ssize_t m, Py_ssize_t* features) noexcept nogil:
    cdef Py_ssize_t i, p, row, count = 0
    for i in range(m):
        row = row_at(order, start + i)
        for p in range(indptr[row], indptr[row + 1]):
            features[count] = indices[p]
            count += 1


cdef class Rows:
    """A read-only view of X; keeps X alive and never copies it.

    Parameters
    ----------
    X : ndarray or CSR matrix or array of shape (n_samples, n_features)
        float32 or float64; an ndarray must be C-contiguous. CSR indices and
        indptr share one dtype, int32 or int64, and lie inside the shape.
        Read-only buffers and memory maps are fine.

    Raises
    ------
    TypeError
        If the storage is none of these (the estimators convert before).
    """

    def __cinit__(self, X):
        cdef cnp.ndarray values
        self.X = X
        self.is_sparse = not isinstance(X, np.ndarray)
        self.n_samples, self.n_features = X.shape
        values = X.data if self.is_sparse else X
        if values.dtype not in (np.float32, np.float64):
            raise TypeError(f"X must be float32 or float64, got {values.dtype}")
        if not values.flags.c_contiguous:
            raise TypeError("X must be C-contiguous")
        self.is_float32 = values.dtype == np.float32
        self.data = cnp.PyArray_DATA(values)
        self.indices = NULL
        self.indptr = NULL
        if self.is_sparse:
            if X.format != "csr" or X.indices.dtype != X.indptr.dtype or (
                X.indices.dtype not in (np.int32, np.int64)
            ):
                raise TypeError("sparse X must be CSR with int32 or int64 indices")
            self.is_int64 = X.indices.dtype == np.int64
            self.indices = cnp.PyArray_DATA(<cnp.ndarray> X.indices)
            self.indptr = cnp.PyArray_DATA(<cnp.ndarray> X.indptr)

    cdef const double* load(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Py_ssize_t end, double* buffer) noexcept nogil:
        """The m dense rows as one contiguous float64 block, for BLAS.

        Points into X itself where it already is such a block, else fills
        ``buffer`` (m * d doubles, caller's). NULL for CSR.
        """
        if self.is_sparse:
            return NULL
        if order == NULL and not self.is_float32:
            return <const double*> self.data + start * self.n_features
        if self.is_float32:
            dense_load(<const float*> self.data, self.n_features, order, start, m,
                       end, buffer)
        else:
            dense_load(<const double*> self.data, self.n_features, order, start, m,
                       end, buffer)
        return buffer

    cdef void forward(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Py_ssize_t end, const double* block, const double* coef, Py_ssize_t K,
            double scale,
            double* z) noexcept nogil:
        """z = scale * X_b W + b, shape (m, K), overwritten.

        ``block`` is what `load` returned for the same rows (used when K > 1);
        ``end`` is the length of ``order``, for prefetching.
        """
        cdef Py_ssize_t d = self.n_features, i, k
        cdef int n_rows = <int> m, n_cols = <int> d, n_out = <int> K
        cdef double zero = 0.0
        if self.is_sparse:
            if self.is_float32:
                if self.is_int64:
                    sparse_forward(
                        <const float*> self.data, <const int64_t*> self.indices,
                        <const int64_t*> self.indptr, d, order, start, m, end,
                        coef, K, scale, z)
                else:
                    sparse_forward(
                        <const float*> self.data, <const int32_t*> self.indices,
                        <const int32_t*> self.indptr, d, order, start, m, end,
                        coef, K, scale, z)
            else:
                if self.is_int64:
                    sparse_forward(
                        <const double*> self.data, <const int64_t*> self.indices,
                        <const int64_t*> self.indptr, d, order, start, m, end,
                        coef, K, scale, z)
                else:
                    sparse_forward(
                        <const double*> self.data, <const int32_t*> self.indices,
                        <const int32_t*> self.indptr, d, order, start, m, end,
                        coef, K, scale, z)
        elif K > 1:
            # Row-major Z = B W is column-major Z' = W' B'.
            dgemm(b"N", b"N", &n_out, &n_rows, &n_cols, &scale, <double*> coef,
                  &n_out, <double*> block, &n_cols, &zero, z, &n_out)
            for i in range(m):
                for k in range(K):
                    z[i * K + k] += coef[d * K + k]
        elif self.is_float32:
            dense_forward(<const float*> self.data, d, order, start, m, end, coef,
                          scale, z)
        else:
            dense_forward(<const double*> self.data, d, order, start, m, end, coef,
                          scale, z)

    cdef void backward(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* block, const double* g, Py_ssize_t K,
            double* out) noexcept nogil:
        """out += X_b' g, shape (d, K); the intercept's row is not touched."""
        cdef Py_ssize_t d = self.n_features
        cdef int n_rows = <int> m, n_cols = <int> d, n_out = <int> K
        cdef double one = 1.0
        if self.is_sparse:
            if self.is_float32:
                if self.is_int64:
                    sparse_backward(
                        <const float*> self.data, <const int64_t*> self.indices,
                        <const int64_t*> self.indptr, order, start, m, g, K, out)
                else:
                    sparse_backward(
                        <const float*> self.data, <const int32_t*> self.indices,
                        <const int32_t*> self.indptr, order, start, m, g, K, out)
            else:
                if self.is_int64:
                    sparse_backward(
                        <const double*> self.data, <const int64_t*> self.indices,
                        <const int64_t*> self.indptr, order, start, m, g, K, out)
                else:
                    sparse_backward(
                        <const double*> self.data, <const int32_t*> self.indices,
                        <const int32_t*> self.indptr, order, start, m, g, K, out)
        elif K > 1:
            dgemm(b"N", b"T", &n_out, &n_cols, &n_rows, &one, <double*> g, &n_out,
                  <double*> block, &n_cols, &one, out, &n_out)
        elif self.is_float32:
            dense_backward(<const float*> self.data, d, order, start, m, g, out)
        else:
            dense_backward(<const double*> self.data, d, order, start, m, g, out)

    cdef Py_ssize_t n_entries(
            self, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m) noexcept nogil:
        """Number of stored entries of the m rows (CSR only)."""
        cdef Py_ssize_t i, row, total = 0
        for i in range(m):
            row = row_at(order, start + i)
            if self.is_int64:
                total += ((<const int64_t*> self.indptr)[row + 1]
                          - (<const int64_t*> self.indptr)[row])
            else:
                total += ((<const int32_t*> self.indptr)[row + 1]
                          - (<const int32_t*> self.indptr)[row])
        return total

    cdef void touched(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Py_ssize_t* features) noexcept nogil:
        """Column numbers of the m rows' entries, repeats included (CSR only).

        ``features`` has room for `n_entries` of the same rows.
        """
        if self.is_int64:
            sparse_touched(<const int64_t*> self.indices,
                           <const int64_t*> self.indptr, order, start, m, features)
        else:
            sparse_touched(<const int32_t*> self.indices,
                           <const int32_t*> self.indptr, order, start, m, features)
