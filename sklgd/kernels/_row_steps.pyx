"""SAGA and Point-SAGA: variance-reduced methods that take a step for each row.

The formulas and the table that they share with SVRG are in _variance_reduced.pyx.
"""
cimport cython

import numpy as np

from sklgd.kernels._blas cimport dgemm, import_blas
from sklgd.kernels._dot cimport dot, dot_square
from sklgd.kernels._penalty cimport keep_signs, soft
from sklgd.kernels._problem cimport Problem
from sklgd.kernels._variance_reduced cimport AHEAD, BLOCK, Reduced

import_blas()


cdef class RowSteps(Reduced):
    """SAGA; with ``implicit`` overridden, Point-SAGA: a step per row.

    The steps are taken on v and b~ in the coordinates x' = V'(x - mu):

        w = V v,  b = b~ - mu.w,

    V orthonormal, so that the l2 penalty is the one of v. Blocks of rows are made
    dense, centred and rotated together. Sparse rows in raw coordinates are taken as
    they are: a coordinate that is not active makes its lagged steps when it is next
    needed.

    Parameters
    ----------
    sizes : float64 array shaped like coef
        The metric D in the coordinates of v; its last row is that of b~.
    centre : float64 array of shape (n_features,) or None
    basis : float64 array of shape (n_features, n_features) or None
        V; needs l1 = 0.
    dense : bool
        True if rows are made dense; needed for a centre and a basis.
    """

    cdef const double[:, ::1] sizes_view, basis_view
    cdef const double[::1] centre_view
    cdef double[:, ::1] position_view
    cdef double[::1] step_view, shrink_view, scratch_view, work_view
    cdef const double* centre
    cdef const double* basis
    cdef double* position               # v, last row b~
    cdef double* steps                  # eta D; NULL where features have records
    cdef double* intercept_steps        # its last row
    cdef double* shrinks                # 1/(1 + eta D l2), without the last row
    cdef double[::1] threshold_view
    cdef double* thresholds             # eta D l1, without the last row; NULL: one l1
    cdef double* z                      # raw prediction, K
    cdef double* z0                     # before the implicit step, K
    cdef double* c                      # new derivatives, K
    cdef double* q                      # sum_j eta D_j x_j^2, K
    cdef double* delta                  # new derivatives less those of the table, K
    cdef double* change                 # change of the table, K
    cdef bint implicit, pointwise
    cdef bint reports_ahead             # coef is one step along G further on
    cdef readonly object position_array

    def __init__(self, Problem problem, coef, l1, l2, sizes, centre=None,
                 basis=None, dense=True, compact=False, signs=None):
        cdef Py_ssize_t K = problem.n_outputs, d = problem.n_features
        Reduced.__init__(self, problem, coef, l1, l2, compact, signs)
        if signs is not None and basis is not None:
            raise ValueError("signs are not possible with a basis")
        self.sizes_view = sizes
        problem._check(self.sizes_view)
        dense = dense or not problem.rows.is_sparse
        if not dense and (centre is not None or basis is not None):
            raise ValueError("sparse rows are neither centred nor rotated")
        self.pointwise = problem.loss.separate_targets
        self.centre = self.basis = NULL
        if centre is not None:
            self.centre_view = centre
            self.centre = &self.centre_view[0]
        if basis is not None:
            self.basis_view = basis
            self.basis = &self.basis_view[0, 0]
        self.scratch_view = np.zeros(6 * K)
        self.z = &self.scratch_view[0]
        self.z0, self.c, self.q = self.z + K, self.z + 2 * K, self.z + 3 * K
        self.delta, self.change = self.z + 4 * K, self.z + 5 * K
        if dense:
            self.step_view, self.shrink_view = np.zeros(self.size), np.ones(d * K)
            self.steps, self.shrinks = &self.step_view[0], &self.shrink_view[0]
            self.intercept_steps = self.steps + d * K
            self.values_view = np.empty(BLOCK * d)
            self.work_view = np.empty(max(d * K, 0 if basis is None else BLOCK * d))
            self.values = &self.values_view[0]
        else:
            self.take_entries(sizes, False)
            self.step_view = np.zeros(K)
            self.steps, self.intercept_steps = NULL, &self.step_view[0]
        self.thresholds = NULL
        if dense and self.l1s != NULL:
            self.threshold_view = np.zeros(d * K)
            self.thresholds = &self.threshold_view[0]
        self.reports_ahead = self.implicit and (bool(np.any(l1)) or signs is not None)
        self.position_array = coef
        if dense or self.reports_ahead:
            self.position_array = np.zeros_like(coef)
        self.position_view = self.position_array
        self.position = &self.position_view[0, 0]
        self.place()

    def place(self):
        """Take v and b~ from ``coef``."""
        cdef Py_ssize_t d = self.n_features
        coef, position = self.coef_array, self.position_array
        position[...] = coef
        if self.centre != NULL:
            position[d] += np.asarray(self.centre_view) @ coef[:d]
        if self.basis != NULL:
            position[:d] = np.asarray(self.basis_view).T @ coef[:d]

    def apply_lagged(self):
        """Write ``coef``: v, with l1 or signs after one more step along G where the
        penalty comes first, which is where exact zeros are seen."""
        cdef Py_ssize_t d = self.n_features
        coef, position = self.coef_array, self.position_array
        if self.features is not None:
            coef[d] = position[d]
            return
        coef[...] = position
        if self.reports_ahead:
            steps = np.asarray(self.step_view).reshape(coef.shape)[:d]
            moved = position[:d] - steps * self.mean_array[:d]
            l1, l2 = self.strengths
            kept = np.maximum(np.abs(moved) - steps * l1, 0.0)
            coef[:d] = np.copysign(kept, moved) / (1.0 + steps * l2) + 0.0
            if self.signs != NULL:
                keep_signs(self.coef, self.signs, NULL, d, self.n_outputs)
        if self.basis != NULL:
            coef[:d] = np.asarray(self.basis_view) @ position[:d]
        if self.centre != NULL:
            coef[d] = position[d] - np.asarray(self.centre_view) @ coef[:d]

    def copies(self):
        """Copy of the position. (A copy of the table would double the memory.)"""
        return self.position_array.copy()

    def restore(self, copies):
        """Restore what `copies` has returned."""
        self.position_array[...] = copies
        self.stale = True

    def refresh(self):
        """Fill the table and G, in the coordinates of v; returns the mean loss."""
        cdef Py_ssize_t d = self.n_features
        value = Reduced.refresh(self)
        mean = self.mean_array
        if self.centre != NULL:
            mean[:d] -= np.outer(self.centre_view, mean[d])
        if self.basis != NULL:
            mean[:d] = np.asarray(self.basis_view).T @ mean[:d]
        return value

    def run(self, order, double eta, Py_ssize_t start, Py_ssize_t stop):
        """Steps over the rows order[start:stop], natural if None.

        `apply_lagged` writes the coefficients afterwards.
        """
        cdef const Py_ssize_t[::1] order_view
        cdef const Py_ssize_t* rows = self.problem.subset
        cdef Py_ssize_t m, i, row, t, K = self.n_outputs, d = self.n_features
        cdef double* x
        if order is not None:
            order_view = order
            rows = &order_view[0]
        for i in range(K):
            self.intercept_steps[i] = 0.0
            if self.problem.fit_intercept:
                self.intercept_steps[i] = eta * self.sizes_view[d, i]
        if self.features is not None:
            if self.stale:
                self.features.load(self.position_array, self.mean_array)
                self.stale = False
            self.features.pace(eta)
            t = 0
            with nogil:
                while start < stop:
                    m = self.fetch(rows, start, stop - start)
                    for i in range(AHEAD):
                        self.expect(i, m)
                    for i in range(m):
                        self.expect(i + AHEAD, m)
                        row = start + i if rows == NULL else rows[start + i]
                        self.sparse_step(i, row, t)
                        t += 1
                    start += m
            ahead = self.coef_array if self.reports_ahead else None
            self.features.apply_lagged(t, self.position_array, self.mean_array, ahead)
            return
        for i in range(d * K):
            self.steps[i] = eta * (&self.sizes_view[0, 0])[i]
            self.shrinks[i] = 1.0 / (
                1.0 + self.steps[i] * (self.l2 if self.l2s == NULL else self.l2s[i]))
            if self.thresholds != NULL:
                self.thresholds[i] = self.steps[i] * self.l1s[i]
        with nogil:
            while start < stop:
                m = min(BLOCK, stop - start)
                x = self.block(rows, start, m)
                for i in range(m):
                    row = start + i if rows == NULL else rows[start + i]
                    self.dense_step(x + i * d, row)
                start += m

    cdef double* block(
            self, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m) noexcept nogil:
        """V'(x - mu) of m <= BLOCK rows, (m, d), in a buffer of this object."""
        cdef Py_ssize_t i, j, d = self.n_features
        cdef int n = <int> d, n_rows = <int> m
        cdef double one = 1.0, zero = 0.0
        cdef double* x = &self.values_view[0]
        self.problem.rows.densify(order, start, m, self.problem.n_samples, x)
        if self.centre != NULL:
            for i in range(m):
                for j in range(d):
                    x[i * d + j] -= self.centre[j]
        if self.basis == NULL:
            return x
        # Row-major X' = X V is column-major X'^T = V^T X^T.
        dgemm(b"N", b"N", &n, &n_rows, &n, &one, <double*> self.basis, &n, x, &n,
              &zero, &self.work_view[0], &n)
        return &self.work_view[0]

    cdef void row_gradient(self, Py_ssize_t row) noexcept nogil:
        """From z0 and the table to ``c``, the row's new derivatives, ``delta`` and ``change``.

        SAGA takes the derivatives at z0. Point-SAGA solves z + q s l'(z) = z0 + q c_i,
        the stationarity of the row's own prox: the derivatives after the step.
        """
        cdef Py_ssize_t k, K = self.n_outputs
        cdef const double* y = self.problem.y + row * self.problem.y_stride
        cdef const double* s = self.problem.s
        cdef double old
        if s != NULL:
            s = s + row
        self.problem.function.evaluate_batch(
            self.problem.function, y, self.z0, s, self.c, 1, K, False)
        for k in range(K):
            old = self.stored(row * K + k)
            self.delta[k] = self.c[k] - old
            self.change[k] = self.keep(row * K + k, self.c[k]) - old

    cdef void dense_step(self, const double* x, Py_ssize_t row) noexcept nogil:
        """A step with the dense row x in the coordinates of v."""
        cdef Py_ssize_t i, j, k, d = self.n_features, K = self.n_outputs
        cdef Py_ssize_t size = d * K
        cdef double c, h, share = 1.0 / self.problem.n_samples, l1 = self.l1
        cdef double* v = self.position
        cdef double* G = self.mean
        cdef double* e = self.steps
        cdef double* shrink = self.shrinks
        if self.implicit:
            self.follow_mean()
        if K == 1:
            self.z0[0] = dot(x, v, d) + v[d]
            if self.implicit:
                self.q[0] = dot_square(x, e, d) + e[d]
        else:
            for k in range(K):
                self.z0[k] = v[size + k]
                self.q[k] = e[size + k]
            for j in range(d):
                for k in range(K):
                    self.z0[k] += x[j] * v[j * K + k]
            if self.implicit:
                for j in range(d):
                    for k in range(K):
                        self.q[k] += x[j] * x[j] * e[j * K + k]
        self.row_gradient(row)
        if self.implicit:
            if K == 1:
                c, h = self.delta[0], share * self.change[0]
                for j in range(d):
                    v[j] -= e[j] * c * x[j]
                    G[j] += h * x[j]
            else:
                for j in range(d):
                    for k in range(K):
                        i = j * K + k
                        v[i] -= e[i] * self.delta[k] * x[j]
                        G[i] += share * self.change[k] * x[j]
        elif K == 1 and self.thresholds == NULL:
            c, h = self.delta[0], share * self.change[0]
            if l1 > 0.0:
                for j in range(d):
                    v[j] = soft(v[j] - e[j] * (c * x[j] + G[j]), e[j] * l1) * shrink[j]
                    G[j] += h * x[j]
            else:
                for j in range(d):
                    v[j] = (v[j] - e[j] * (c * x[j] + G[j])) * shrink[j]
                    G[j] += h * x[j]
        else:
            for j in range(d):
                for k in range(K):
                    i = j * K + k
                    c = self.delta[k] * x[j]
                    h = e[i] * l1 if self.thresholds == NULL else self.thresholds[i]
                    v[i] = soft(v[i] - e[i] * (c + G[i]), h) * shrink[i]
                    G[i] += share * self.change[k] * x[j]
        if self.signs != NULL and not self.implicit:
            keep_signs(v, self.signs, NULL, d, K)
        self.intercept_step()

    cdef void follow_mean(self) noexcept nogil:
        """v = T_{eta D}(v - eta D G) in all coordinates, the intercept's included."""
        cdef Py_ssize_t i, size = self.n_features * self.n_outputs
        cdef double l1 = self.l1
        cdef double* v = self.position
        cdef double* G = self.mean
        cdef double* e = self.steps
        cdef double* shrink = self.shrinks
        if self.thresholds != NULL:
            for i in range(size):
                v[i] = soft(v[i] - e[i] * G[i], self.thresholds[i]) * shrink[i]
        elif l1 > 0.0:
            for i in range(size):
                v[i] = soft(v[i] - e[i] * G[i], e[i] * l1) * shrink[i]
        else:
            for i in range(size):
                v[i] = (v[i] - e[i] * G[i]) * shrink[i]
        if self.signs != NULL:
            keep_signs(v, self.signs, NULL, self.n_features, self.n_outputs)
        for i in range(size, self.size):
            v[i] -= e[i] * G[i]

    cdef void intercept_step(self) noexcept nogil:
        """The intercept's part of a step; that of the features comes first."""
        cdef Py_ssize_t i, k, K = self.n_outputs
        cdef double* v = self.position
        cdef double* G = self.mean
        if not self.problem.fit_intercept:
            return
        for k in range(K):
            i = self.n_features * K + k
            v[i] -= self.intercept_steps[k] * self.delta[k]
            if not self.implicit:
                v[i] -= self.intercept_steps[k] * G[i]
            G[i] += self.change[k] / self.problem.n_samples

    cdef void sparse_step(self, Py_ssize_t i, Py_ssize_t row, Py_ssize_t t) noexcept nogil:
        """Step t of an epoch, with the fetched row i: O(n_outputs) per entry."""
        cdef Py_ssize_t k, p, K = self.n_outputs, size = self.n_features * K
        cdef Py_ssize_t begin = self.first[i], end = self.first[i + 1]
        cdef Py_ssize_t vary = self.features.vary
        cdef double e, x, share = 1.0 / self.problem.n_samples
        cdef double* record
        cdef double* v
        cdef double* G
        cdef double* z = self.z0
        cdef double* delta = self.delta
        for k in range(K):
            e = self.intercept_steps[k]
            if self.implicit:
                self.position[size + k] -= e * self.mean[size + k]
            z[k] = self.position[size + k]
            self.q[k] = e
        for p in range(begin, end):
            x = self.values[p]
            # The step along G comes first where the row's part is implicit.
            record = self.features.lagged_update(
                self.columns[p], t + 1 if self.implicit else t)
            v = record + self.features.w
            for k in range(K):
                z[k] += x * v[k]
            if self.implicit:
                for k in range(K):
                    self.q[k] += x * x * record[1 + k * vary]
        self.row_gradient(row)
        for p in range(begin, end):
            x = self.values[p]
            record = self.features.records + self.columns[p] * self.features.stride
            record[0] = t + 1
            v, G = record + self.features.w, record + self.features.G
            if not self.implicit:
                for k in range(K):
                    e = record[1 + k * vary]
                    v[k] = soft(
                        v[k] - e * (delta[k] * x + G[k]),
                        e * self.features.l1_of(self.columns[p], k)) / (
                            1.0 + e * self.features.l2_of(self.columns[p], k))
                if self.signs != NULL:
                    keep_signs(v, self.signs, &self.columns[p], 1, K)
            else:
                for k in range(K):
                    v[k] -= record[1 + k * vary] * delta[k] * x
            for k in range(K):
                G[k] += share * self.change[k] * x
        self.intercept_step()


@cython.final
cdef class PointSteps(RowSteps):
    """Point-SAGA: `RowSteps` with the row's loss taken implicitly."""

    def __cinit__(self, *args, **kwargs):
        self.implicit = True

    cdef void row_gradient(self, Py_ssize_t row) noexcept nogil:
        cdef Py_ssize_t k, K = self.n_outputs
        cdef const double* y = self.problem.y + row * self.problem.y_stride
        cdef double s = 1.0 if self.problem.s == NULL else self.problem.s[row]
        cdef double old
        for k in range(K):
            self.z0[k] += self.q[k] * self.stored(row * K + k)
            self.c[k] = 0.0
        if s > 0.0:
            if self.pointwise:
                for k in range(K):
                    self.problem.function.prox_row(
                        self.problem.function, y + k, self.z0 + k, s * self.q[k],
                        self.z + k, self.c + k, 1)
            else:
                self.problem.function.prox_row(
                    self.problem.function, y, self.z0, s * self.q[0], self.z, self.c, K)
        for k in range(K):
            old = self.stored(row * K + k)
            self.delta[k] = s * self.c[k] - old
            self.change[k] = self.keep(row * K + k, s * self.c[k]) - old
