"""Recursive least squares with a triangular factor of the information matrix.

R'R is the sum of the weighted second moments of the rows and of the precisions of a
normal prior. A row is rotated into R (Golub and Van Loan, "Matrix computations", 2013,
section 6.5.3), which no difference of large numbers can spoil: in contrast to the
recursion for the inverse of R'R, this one is stable however long a stream is. A learning
rate is the inverse of R'R, so that the step with one row costs O(size^2).
"""
cimport cython
from libc.math cimport sqrt
from libc.string cimport memcpy

import numpy as np


@cython.final
cdef class RecursiveLeastSquares:
    """Coefficients of columns less their first values, and of an intercept.

    Parameters
    ----------
    n_features, n_outputs : int
    """

    def __init__(self, Py_ssize_t n_features, Py_ssize_t n_outputs):
        cdef double[::1] table, work
        cdef Py_ssize_t e = n_features + 1
        self.size, self.n_outputs = e, n_outputs
        self.table_array = np.zeros(e * e + e * n_outputs + 2 * e)
        table = self.table_array
        self.factor = &table[0]
        self.coef = self.factor + e * e
        self.origin = self.coef + e * n_outputs
        self.prior = self.origin + e
        self.work_array = np.zeros(3 * e)
        work = self.work_array
        self.x, self.row, self.gain = &work[0], &work[e], &work[2 * e]

    @property
    def table(self):
        """All that is learnt; a view."""
        return self.table_array

    @property
    def coefficients(self):
        """Of columns less their origin and of the intercept, (size, n_outputs); a view."""
        e = self.size
        return self.table_array[e * e:e * (e + self.n_outputs)].reshape(
            e, self.n_outputs)

    @property
    def first_row(self):
        """The origin of the columns; a view."""
        start = self.size * (self.size + self.n_outputs)
        return self.table_array[start:start + self.size - 1]

    cdef void load(self, const double* x, const double* mean) noexcept nogil:
        """Take a row, given less the means of the columns; the first is the origin."""
        cdef Py_ssize_t j, d = self.size - 1
        if self.x[d] == 0.0 and self.prior[d] == 0.0:
            memcpy(self.origin, mean, d * sizeof(double))
        for j in range(d):
            self.x[j] = x[j] + (mean[j] - self.origin[j])
        self.x[d] = 1.0

    cdef void predict(self, double* z) noexcept nogil:
        """Raw predictions of the row that was loaded."""
        cdef Py_ssize_t j, k, K = self.n_outputs
        for k in range(K):
            z[k] = 0.0
        for j in range(self.size):
            for k in range(K):
                z[k] += self.x[j] * self.coef[j * K + k]

    cdef void trust(self, Py_ssize_t j, double precision) noexcept nogil:
        """Let the prior of a coefficient have at least half this precision.

        A column that grows is given the precision of its size in a few steps, since each
        of them costs as much as a row.
        """
        cdef double more = precision - self.prior[j]
        if not (precision > 2.0 * self.prior[j] and precision < 1e300):
            return
        self.prior[j] = precision
        self.pull(j, more)

    cdef void fade(self, double share) noexcept nogil:
        """Multiply the information of all rows so far with a share."""
        cdef double root = sqrt(share)
        cdef Py_ssize_t i
        for i in range(self.size * self.size):
            self.factor[i] *= root

    cdef void pull(self, Py_ssize_t j, double precision) noexcept nogil:
        """Learn a row with a one in column j and target zero, of this weight."""
        cdef Py_ssize_t i, k, K = self.n_outputs
        cdef double w
        for i in range(self.size):
            self.row[i] = 0.0
        self.row[j] = sqrt(precision)
        self.rotate(j)
        for i in range(self.size):
            self.gain[i] = 0.0
        self.gain[j] = 1.0
        self.solve(j)
        for k in range(K):
            w = precision * self.coef[j * K + k]
            if w != 0.0:
                for i in range(self.size):
                    self.coef[i * K + k] -= w * self.gain[i]

    cdef double absorb(self, double weight) noexcept nogil:
        """Rotate the row that was loaded into R.

        Returns
        -------
        q : double
            x'(R'R)^-1 x after that; `move` goes along the vector (R'R)^-1 x.
        """
        cdef Py_ssize_t j, e = self.size
        cdef double root = sqrt(weight)
        if weight > 0.0:
            for j in range(e):
                self.row[j] = root * self.x[j]
            self.rotate(0)
        memcpy(self.gain, self.x, e * sizeof(double))
        return self.solve(0)

    cdef void move(self, Py_ssize_t k, double a) noexcept nogil:
        """A step of an output along the gradient a x."""
        cdef Py_ssize_t j, K = self.n_outputs
        for j in range(self.size):
            self.coef[j * K + k] -= a * self.gain[j]

    cdef void rotate(self, Py_ssize_t first) noexcept nogil:
        """Rotate ``row``, which is zero before the column ``first``, into R."""
        cdef Py_ssize_t i, j, e = self.size
        cdef double* r
        cdef double* v = self.row
        cdef double c, s, length, a
        for j in range(first, e):
            if v[j] == 0.0:
                continue
            r = self.factor + j * e
            length = sqrt(r[j] * r[j] + v[j] * v[j])
            if not length > 0.0:
                # The square of v[j] underflows.
                continue
            c, s = r[j] / length, v[j] / length
            r[j] = length
            for i in range(j + 1, e):
                a = r[i]
                r[i] = c * a + s * v[i]
                v[i] = c * v[i] - s * a

    cdef double solve(self, Py_ssize_t first) noexcept nogil:
        """Replace ``gain`` g, zero before ``first``, by (R'R)^-1 g; returns g'(R'R)^-1 g.

        Columns of which nothing is known stay at zero.
        """
        cdef Py_ssize_t i, j, e = self.size
        cdef const double* r
        cdef double* g = self.gain
        cdef double total = 0.0, s0, s1
        for j in range(first, e):
            r = self.factor + j * e
            if r[j] == 0.0:
                g[j] = 0.0
                continue
            g[j] /= r[j]
            total += g[j] * g[j]
            s0 = g[j]
            for i in range(j + 1, e):
                g[i] -= s0 * r[i]
        for j in range(e - 1, -1, -1):
            r = self.factor + j * e
            if r[j] == 0.0:
                continue
            s0 = s1 = 0.0
            i = j + 1
            while i + 2 <= e:
                s0 += r[i] * g[i]
                s1 += r[i + 1] * g[i + 1]
                i += 2
            if i < e:
                s0 += r[i] * g[i]
            g[j] = (g[j] - (s0 + s1)) / r[j]
        return total
