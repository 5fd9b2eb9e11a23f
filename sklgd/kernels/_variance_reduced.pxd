"""What steps of variance-reduced methods share."""
cimport cython
from libc.math cimport expm1, fabs, log1p

from sklgd.kernels._lagged_penalty cimport lagged_steps
from sklgd.kernels._prefetch cimport LINE, sklgd_prefetch
from sklgd.kernels._problem cimport Problem

cdef enum:
    # Rows that are copied, centred and rotated together.
    BLOCK = 256
    # The records of a sparse row's features are prefetched this many rows early.
    AHEAD = 4


@cython.final
cdef class Features:
    cdef double[::1] buffer
    cdef const double[:, ::1] sizes
    cdef double* records
    cdef Py_ssize_t n_features, n_outputs, stride
    cdef Py_ssize_t vary                # 1 if D differs between outputs, else 0
    cdef Py_ssize_t w, G, sum           # offsets in a record
    cdef double l1, l2, eta
    cdef const double* l1s              # strengths of the coefficients in place of l1 and
    cdef const double* l2s              # l2; NULL: the same for all
    cdef const signed char* signs       # of the features; NULL: either for all

    cdef void signed_update(self, double* record, Py_ssize_t j, double missed) noexcept nogil
    cdef void varied_update(self, double* record, Py_ssize_t j, double missed) noexcept nogil

    cdef inline double l1_of(self, Py_ssize_t j, Py_ssize_t k) noexcept nogil:
        return self.l1 if self.l1s == NULL else self.l1s[j * self.n_outputs + k]

    cdef inline double l2_of(self, Py_ssize_t j, Py_ssize_t k) noexcept nogil:
        return self.l2 if self.l2s == NULL else self.l2s[j * self.n_outputs + k]

    cdef inline double* lagged_update(self, Py_ssize_t j, double t) noexcept nogil:
        """The record of feature j, after the steps up to t."""
        cdef double* record = self.records + j * self.stride
        cdef double* w = record + self.w
        cdef double* G = record + self.G
        cdef double missed = t - record[0], gone = 0.0
        cdef Py_ssize_t k, K = self.n_outputs
        cdef double l1 = self.l1, l2 = self.l2
        if not missed > 0.0:
            return record
        record[0] = t
        if self.signs != NULL and self.signs[j] != 0:
            self.signed_update(record, j, missed)
            return record
        if self.l1s != NULL:
            self.varied_update(record, j, missed)
            return record
        if K == 1 and w[0] == 0.0 and fabs(G[0]) <= l1:
            return record
        if l2 > 0.0:
            gone = -expm1(-missed * log1p(record[1] * l2))
        if l1 == 0.0 and not self.vary:
            # `lagged_steps` without its branches, which many outputs would pay for.
            if l2 > 0.0:
                for k in range(K):
                    w[k] -= gone * (G[k] / l2 + w[k])
            else:
                for k in range(K):
                    w[k] -= missed * record[1] * G[k]
            return record
        for k in range(K):
            if l2 > 0.0 and self.vary:
                gone = -expm1(-missed * log1p(record[1 + k] * l2))
            w[k] = lagged_steps(w[k], G[k], record[1 + k * self.vary], gone, l1, l2, missed)
        return record

    cdef inline void prefetch(self, const Py_ssize_t* columns, Py_ssize_t n) noexcept nogil:
        """Prefetch the records of n columns."""
        cdef Py_ssize_t p, i
        for p in range(n):
            i = 0
            while i < self.stride:
                sklgd_prefetch(self.records + columns[p] * self.stride + i)
                i += LINE // sizeof(double)


cdef class Reduced:
    cdef Problem problem
    cdef double[:, ::1] coef_view, mean_view, table_view
    cdef float[:, ::1] compact_view
    cdef double* coef
    cdef double* mean                   # G, (n_features + 1) * n_outputs
    cdef double* table                  # c, n_samples of X * n_outputs; or NULL and
    cdef float* compact                 # the same in float32
    cdef Py_ssize_t size, n_outputs, n_features
    cdef double l1, l2
    cdef const double[:, ::1] l1_view, l2_view
    cdef const double* l1s              # strengths of the coefficients in place of l1 and
    cdef const double* l2s              # l2; NULL: the same for all
    cdef readonly tuple strengths       # l1 and l2, numbers or arrays
    cdef const signed char[::1] sign_view
    cdef const signed char* signs       # of the features; NULL: either for all
    cdef readonly object coef_array, mean_array
    # On sparse rows with few active features:
    cdef Features features              # None otherwise
    cdef bint stale                     # True if they differ from those of the arrays
    cdef Py_ssize_t[::1] first_view, columns_view
    cdef double[::1] values_view
    cdef Py_ssize_t* first              # where a row's entries begin, BLOCK + 1
    cdef Py_ssize_t* columns
    cdef double* values

    cdef Py_ssize_t fetch(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m) noexcept nogil
    cdef void expect(self, Py_ssize_t i, Py_ssize_t m) noexcept nogil
    cdef double refresh_chunk(
        self, Py_ssize_t start, Py_ssize_t m, double* mean, int thread) noexcept nogil

    @cython.final
    cdef inline double stored(self, Py_ssize_t i) noexcept nogil:
        """Entry i of the table."""
        return self.table[i] if self.compact == NULL else self.compact[i]

    @cython.final
    cdef inline double keep(self, Py_ssize_t i, double gradient) noexcept nogil:
        """Store entry i of the table. Returns it as it is stored, which may be rounded."""
        if self.compact == NULL:
            self.table[i] = gradient
            return gradient
        self.compact[i] = <float> gradient
        return self.compact[i]
