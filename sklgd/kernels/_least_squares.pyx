"""Recursive least squares with the factors U D U' of the covariance matrix.

The inverse of the covariance matrix is the sum of the weighted second moments of the rows
and of the precisions of a normal prior. In contrast to the recursion for the matrix itself,
that for its factors, U with a unit diagonal and D > 0, subtracts nothing from what must stay
positive, however long a stream is. A row costs 3/2 size^2 multiplications, and the step
along it comes with them.
"""
cimport cython
from libc.string cimport memcpy, memset

import numpy as np


cdef extern from "least_squares.h":
    ctypedef double (*sklgd_covariance_update)(
        Py_ssize_t n, Py_ssize_t first, double* U, double* D, const double* x,
        double weight, double* gain, double* work) noexcept nogil
    sklgd_covariance_update sklgd_choose_covariance_update() noexcept nogil

cdef sklgd_covariance_update covariance_update = sklgd_choose_covariance_update()


@cython.final
cdef class RecursiveLeastSquares:
    """Coefficients of columns less their first values, and of an intercept.

    Parameters
    ----------
    n_features, n_outputs : int
    """

    def __init__(self, Py_ssize_t n_features, Py_ssize_t n_outputs):
        cdef double[::1] table, work
        cdef Py_ssize_t e = n_features + 1, n = 4 * ((e + 3) // 4), j
        self.size, self.n_outputs, self.stride = e, n_outputs, n
        # (Aligned with a cache line.)
        self.n_table = n * n + n * n_outputs + 3 * n + 2
        owner = np.zeros(self.n_table + 7)
        table = owner
        j = (-<Py_ssize_t> (<size_t> &table[0] // sizeof(double))) & 7
        self.table_array = owner[j:j + self.n_table]
        self.factor = &table[j]
        self.coef = self.factor + n * n
        self.variance = self.coef + n * n_outputs
        self.origin = self.variance + n
        self.prior = self.origin + n
        self.faded = self.prior + n
        self.forget()
        self.work_array = np.zeros(8 * n + 8)
        work = self.work_array
        self.x, self.gain = &work[0], &work[n]
        self.unit, self.work = &work[2 * n], &work[3 * n]

    cdef void forget(self) noexcept nogil:
        """Reset to the state before the first row."""
        cdef Py_ssize_t j
        memset(self.factor, 0, self.n_table * sizeof(double))
        for j in range(self.size):
            self.factor[j * self.stride + j] = 1.0

    @property
    def table(self):
        """All learnt numbers; a view."""
        return self.table_array

    def pack(self):
        """All learnt numbers in one array, without zeros and ones that never change."""
        factor, vectors, faded = self._parts()
        below = np.tril_indices(self.size, k=-1)
        return np.concatenate([factor[below], vectors[:, :self.size].ravel(), faded])

    def unpack(self, packed):
        """Continue from the result of `pack`."""
        factor, vectors, faded = self._parts()
        below = np.tril_indices(self.size, k=-1)
        count = len(below[0])
        factor[below] = packed[:count]
        end = len(packed) - len(faded)
        vectors[:, :self.size] = packed[count:end].reshape(len(vectors), self.size)
        faded[:] = packed[end:]

    def _parts(self):
        """The columns of the factor, the vectors, and the rest of the table; views."""
        n, end = self.stride, self.n_table - 2
        factor, vectors = self.table_array[:n * n], self.table_array[n * n:end]
        vectors = vectors.reshape(self.n_outputs + 3, n)
        return factor.reshape(n, n), vectors, self.table_array[end:]

    @property
    def coefficients(self):
        """Of columns less their origin and of the intercept, (size, n_outputs); a view."""
        start, end = self.stride * self.stride, self.stride * (self.stride + self.n_outputs)
        coef = self.table_array[start:end].reshape(self.n_outputs, self.stride)
        return coef[:, :self.size].T

    cdef void load(self, const double* x, const double* mean) noexcept nogil:
        """Load a row, from which column means are subtracted; the first row is the origin."""
        cdef Py_ssize_t j, d = self.size - 1
        if self.prior[d] == 0.0:
            memcpy(self.origin, mean, d * sizeof(double))
        for j in range(d):
            self.x[j] = x[j] + (mean[j] - self.origin[j])
        self.x[d] = 1.0

    cdef void predict(self, double* z) noexcept nogil:
        """Raw predictions of the row that was loaded."""
        cdef Py_ssize_t j, k
        cdef const double* w
        cdef double s0, s1, s2, s3
        for k in range(self.n_outputs):
            w = self.coef + k * self.stride
            s0 = s1 = s2 = s3 = 0.0
            for j in range(0, self.stride, 4):
                s0 += self.x[j] * w[j]
                s1 += self.x[j + 1] * w[j + 1]
                s2 += self.x[j + 2] * w[j + 2]
                s3 += self.x[j + 3] * w[j + 3]
            z[k] = (s0 + s1) + (s2 + s3)

    cdef void trust(self, Py_ssize_t j, double precision) noexcept nogil:
        """Raise the prior precision of a coefficient to at least half of this one.

        The prior follows the size of a growing column in a few steps, because each of
        them costs as much as a row.
        """
        cdef double more = precision - self.prior[j]
        if not (precision > 2.0 * self.prior[j] and 1e-300 < precision < 1e300):
            return
        if self.prior[j] == 0.0:
            # The column has had no entry yet.
            memset(self.factor + j * self.stride, 0, j * sizeof(double))
            self.variance[j] = 1.0 / precision
        else:
            self.pull(j, more)
        self.prior[j] = precision

    cdef void fade(self, double share) noexcept nogil:
        """Multiply the precisions of all rows so far, and of the prior, by a factor."""
        cdef Py_ssize_t j
        cdef double factor = 1.0 / share
        for j in range(self.size):
            self.variance[j] *= factor
        self.faded[0] = 1.0 - (1.0 - self.faded[0]) * share

    cdef void restore(self) noexcept nogil:
        """Restore the lost precision of the prior, and apply the penalty that is due.

        All coefficients change together, so that the order of the features has no effect.
        """
        cdef Py_ssize_t j
        for j in range(self.size - 1):
            if self.prior[j] > 0.0:
                self.pull(j, self.faded[0] * self.prior[j] + self.faded[1])
        self.faded[0] = self.faded[1] = 0.0

    cdef void pull(self, Py_ssize_t j, double precision) noexcept nogil:
        """Learn a row with a one in column j and target zero, of this weight."""
        cdef Py_ssize_t k
        cdef double w
        self.unit[j] = 1.0
        covariance_update(self.stride, j, self.factor, self.variance, self.unit, precision,
                          self.gain, self.work)
        self.unit[j] = 0.0
        for k in range(self.n_outputs):
            w = precision * self.coef[k * self.stride + j]
            if w != 0.0:
                self.move(k, w)

    cdef double absorb(self, double weight) noexcept nogil:
        """Learn the second moments of the row that was loaded.

        Returns
        -------
        q : double
            x'U D U'x after that; `move` goes along the vector U D U'x.
        """
        return covariance_update(self.stride, 0, self.factor, self.variance, self.x, weight,
                                 self.gain, self.work)

    cdef void move(self, Py_ssize_t k, double a) noexcept nogil:
        """A step of an output along the gradient a x."""
        cdef Py_ssize_t j
        cdef double* w = self.coef + k * self.stride
        cdef const double* gain = self.gain
        for j in range(self.size):
            w[j] -= a * gain[j]
