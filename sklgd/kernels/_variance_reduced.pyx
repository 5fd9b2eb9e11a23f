"""Variance-reduced stochastic methods: SAGA, Point-SAGA and SVRG.

All three keep a table with the derivative c_i = s_i dl/dz of every row at an earlier point,
and the mean gradient G = 1/n sum_i c_i x_i of the table. A row then says only how its
derivative differs from the table's, so that the noise of a step vanishes as the run
converges, and the learning rate need not:

    w = T_{eta D}(w - eta D ((s_i l'(m_i) - c_i) x_i + G)),

T_e(v) = ST(v, e l1)/(1 + e l2) being the prox of the penalty and D a diagonal metric.
SAGA and Point-SAGA replace c_i in every step, SVRG the whole table once an epoch.
Any table will do as long as G is its mean gradient, so that of many outputs, which would
be large beside X, is kept in float32: c_i is what the table holds, s_i l'(m_i) is not
rounded, and the fixed point is the same.
On sparse rows a coordinate that is not active makes its steps w = T(w - eta D G)
later, all at once and in closed form: the iterates are those of the dense steps.
Their parameters are classes of sklgd.optimizers;
sklgd/_solvers/variance_reduced.py drives them. This file has what they share, and SVRG;
SAGA and Point-SAGA are in _row_steps.pyx.
"""
cimport cython
from libc.math cimport expm1, log1p
from libc.string cimport memset

import numpy as np

from sklgd.kernels._blas cimport dgemm, dgemv, import_blas
from sklgd.kernels._penalty cimport keep_signs, soft
from sklgd.kernels._prefetch cimport LINE
from sklgd.kernels._problem cimport Chunks, Problem, Scratch
from sklgd.kernels._threads cimport parallel_for

import_blas()

# Entries of sparse rows that are copied together, more only if a row has more: they
# stay in the L1 cache.
cdef Py_ssize_t ENTRIES = 2048


@cython.final
cdef class Features:
    """Weights and mean gradient of the features, for rows with few active ones.

    Such a step waits for memory more than it computes, so all that it needs of a
    feature lies in one place, its record:

        t, the number of steps it has made; eta D_j, one for all outputs if D is the
        same for all, else one each; w_j; G_j; the gradient of a batch,

    the last three of n_outputs each. The first `lagged_update` at a step lets the feature
    make the steps that passed it by; the caller makes the step itself.

    Parameters
    ----------
    shape : (n_features, n_outputs)
    sizes : float64 array of shape (n_features + 1, n_outputs)
        The metric D.
    l1, l2 : float
    batches : bool
        True if records have room for a gradient.
    """

    def __init__(self, shape, sizes, double l1, double l2, bint batches):
        cdef Py_ssize_t K, n_sizes, length
        self.signs = NULL
        self.l1s = self.l2s = NULL
        self.n_features, self.n_outputs = shape
        K = self.n_outputs
        self.sizes, self.l1, self.l2, self.eta = sizes, l1, l2, -1.0
        self.vary = int((sizes != sizes[:, :1]).any())
        n_sizes = K if self.vary else 1
        self.w = 1 + n_sizes
        self.G = self.w + K
        self.sum = self.G + K
        length = self.sum + (K if batches else 0)
        # Short records lie within a cache line, long ones begin with one.
        self.stride = 4 if length <= 4 else 8 * ((length + 7) // 8)
        self.buffer = np.zeros(self.n_features * self.stride + 8)
        self.records = &self.buffer[0]
        while <size_t> self.records % LINE:
            self.records += 1

    def load(self, coef, mean):
        """Take w and G from arrays of shape (n_features + 1, n_outputs)."""
        cdef const double[:, ::1] from_w = coef, from_G = mean
        cdef Py_ssize_t j, k
        cdef double* record = self.records
        with nogil:
            for j in range(self.n_features):
                for k in range(self.n_outputs):
                    record[self.w + k] = from_w[j, k]
                    record[self.G + k] = from_G[j, k]
                record += self.stride

    def pace(self, double eta):
        """Set the learning rates eta D."""
        cdef Py_ssize_t j, k
        cdef double* record = self.records
        if eta == self.eta:
            return
        self.eta = eta
        with nogil:
            for j in range(self.n_features):
                for k in range(self.w - 1):
                    record[1 + k] = eta * self.sizes[j, k]
                record += self.stride

    cdef void signed_update(self, double* record, Py_ssize_t j, double missed) noexcept nogil:
        """The missed steps of a feature with a sign, from any w.

        On the right side a step is affine, and once at zero a coefficient moves away
        from it in one direction only. So the steps without the sign are made at once,
        and what is beyond zero becomes zero. Point-SAGA may start on the wrong side.
        """
        cdef Py_ssize_t k
        cdef double x, u, e, l2, steps, sign = self.signs[j]
        for k in range(self.n_outputs):
            x, u = sign * record[self.w + k], sign * record[self.G + k] + self.l1_of(j, k)
            e, l2, steps = record[1 + k * self.vary], self.l2_of(j, k), missed
            if x < 0.0:
                x = (x - e * u) / (1.0 + e * l2)
                x = 0.0 if x < 0.0 else x
                steps -= 1.0
            if l2 > 0.0:
                x -= expm1(-steps * log1p(e * l2)) * (-u / l2 - x)
            else:
                x -= steps * e * u
            record[self.w + k] = 0.0 if x <= 0.0 else sign * x

    cdef void varied_update(self, double* record, Py_ssize_t j, double missed) noexcept nogil:
        """The missed steps of a feature whose coefficients have strengths of their own."""
        cdef Py_ssize_t k
        cdef double e, l2, gone
        cdef double* w = record + self.w
        for k in range(self.n_outputs):
            e, l2 = record[1 + k * self.vary], self.l2_of(j, k)
            gone = -expm1(-missed * log1p(e * l2)) if l2 > 0.0 else 0.0
            w[k] = lagged_steps(
                w[k], record[self.G + k], e, gone, self.l1_of(j, k), l2, missed)

    def apply_lagged(self, double t, coef, mean, ahead=None):
        """All steps up to t; w and G into arrays of shape (n_features + 1, n_outputs).

        Steps then count from 0 again. The array ``ahead`` gets w one step along G
        further on.
        """
        cdef double[:, ::1] to_w = coef, to_G = mean, to_next = ahead
        cdef bint wanted = ahead is not None
        cdef Py_ssize_t j, k
        cdef double w, G, e
        cdef double* record
        with nogil:
            for j in range(self.n_features):
                record = self.lagged_update(j, t)
                record[0] = 0.0
                for k in range(self.n_outputs):
                    w, G = record[self.w + k], record[self.G + k]
                    to_w[j, k], to_G[j, k] = w, G
                    if wanted:
                        e = record[1 + k * self.vary]
                        to_next[j, k] = soft(w - e * G, e * self.l1_of(j, k)) / (
                            1.0 + e * self.l2_of(j, k))
            if wanted and self.signs != NULL:
                keep_signs(
                    &to_next[0, 0], self.signs, NULL, self.n_features, self.n_outputs)


cdef struct Part:
    # The rows that ``steps``, an object of one of the classes below, processes.
    void* steps
    Chunks chunks


cdef void refresh_part(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Part* p = <Part*> arguments
    cdef Py_ssize_t first = chunk * p.chunks.length
    (<Reduced> p.steps).problem.totals[chunk] = (<Reduced> p.steps).refresh_chunk(
        first, min(p.chunks.length, p.chunks.n - first),
        (<Reduced> p.steps).problem.partial((<Reduced> p.steps).mean, chunk), thread)


cdef void step_part(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Part* p = <Part*> arguments
    cdef Py_ssize_t first = chunk * p.chunks.length
    (<SnapshotSteps> p.steps).add_chunk(
        p.chunks.order, p.chunks.start + first,
        min(p.chunks.length, p.chunks.n - first),
        (<SnapshotSteps> p.steps).problem.partial(
            &(<SnapshotSteps> p.steps).grad_view[0], chunk), thread)


cdef class Reduced:
    """What the three methods share: the table of derivatives and its mean gradient.

    Parameters
    ----------
    problem : Problem
    coef : float64 array of shape (n_features + 1, n_outputs)
        Raw coefficients, updated in place.
    l1, l2 : float, or array that broadcasts to (n_features, n_outputs)
        Penalty of the features.
    compact : bool
        True for a table in float32.
    signs : int8 array of shape (n_features,) or None
        Signs of the coefficients.
    """

    def __init__(self, Problem problem, coef, l1, l2, bint compact, signs):
        self.problem, self.signs = problem, NULL
        if signs is not None:
            self.sign_view = signs
            if self.sign_view.shape[0] != problem.n_features:
                raise ValueError("signs must have n_features entries")
            self.signs = &self.sign_view[0]
        self.n_outputs, self.n_features = problem.n_outputs, problem.n_features
        self.strengths, self.l1s, self.l2s = (l1, l2), NULL, NULL
        if isinstance(l1, float) and isinstance(l2, float):
            self.l1, self.l2 = l1, l2
        else:
            shape = self.n_features, self.n_outputs
            self.l1_view = np.ascontiguousarray(np.broadcast_to(l1, shape))
            self.l2_view = np.ascontiguousarray(np.broadcast_to(l2, shape))
            self.l1s, self.l2s = &self.l1_view[0, 0], &self.l2_view[0, 0]
        self.coef_array = self.coef_view = coef
        problem._check(self.coef_view)
        self.mean_array = np.zeros_like(coef)
        self.mean_view = self.mean_array
        shape = problem.rows.n_samples, problem.n_outputs
        self.table, self.compact = NULL, NULL
        if compact:
            self.compact_view = np.zeros(shape, dtype=np.float32)
            self.compact = &self.compact_view[0, 0]
        else:
            self.table_view = np.zeros(shape)
            self.table = &self.table_view[0, 0]
        self.coef, self.mean = &self.coef_view[0, 0], &self.mean_view[0, 0]
        self.size = coef.size

    def take_entries(self, sizes, batches):
        """Let steps move the active features only, with the metric ``sizes``."""
        cdef Py_ssize_t i, capacity = ENTRIES
        shape = self.n_features, self.n_outputs
        self.features = Features(shape, sizes, self.l1, self.l2, batches)
        self.features.signs = self.signs
        self.features.l1s, self.features.l2s = self.l1s, self.l2s
        self.stale = True
        for i in range(self.problem.rows.n_samples):
            capacity = max(capacity, self.problem.rows.n_entries(NULL, i, 1))
        self.first_view = np.zeros(BLOCK + 1, dtype=np.intp)
        self.columns_view = np.zeros(capacity, dtype=np.intp)
        self.values_view = np.zeros(capacity)
        self.first, self.columns = &self.first_view[0], &self.columns_view[0]
        self.values = &self.values_view[0]

    cdef Py_ssize_t fetch(
            self, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m) noexcept nogil:
        """Copy the entries of up to m rows, as many as fit and at least one; how many."""
        cdef Py_ssize_t i = 0, total = 0
        m = min(m, BLOCK)
        while i < m:
            total += self.problem.rows.n_entries(order, start + i, 1)
            if i > 0 and total > self.columns_view.shape[0]:
                break
            i += 1
        self.problem.rows.entries(
            order, start, i, self.first, self.columns, self.values)
        return i

    cdef void expect(self, Py_ssize_t i, Py_ssize_t m) noexcept nogil:
        """Prefetch the records of row i of the m fetched ones, if there is such a row."""
        if i < m:
            self.features.prefetch(
                self.columns + self.first[i], self.first[i + 1] - self.first[i])

    def refresh(self):
        """Fill the table and its mean gradient at ``coef``; returns the mean loss."""
        cdef Py_ssize_t i, k, n = self.problem.n_samples, K = self.n_outputs
        cdef double* intercept = self.mean + self.n_features * K
        cdef double total
        cdef Part part
        self.stale = True
        part.steps = <void*> self
        self.problem.cut(&part.chunks, n)
        with nogil:
            parallel_for(
                refresh_part, &part, part.chunks.number, self.problem.n_threads)
            self.problem.reduce(self.mean, part.chunks.number)
            total = self.problem.total(part.chunks.number)
            for i in range(self.size):
                self.mean[i] /= n
            if not self.problem.fit_intercept:
                for k in range(K):
                    intercept[k] = 0.0
        return total / n

    cdef double refresh_chunk(
            self, Py_ssize_t start, Py_ssize_t m, double* mean,
            int thread) noexcept nogil:
        """Fill the table for m rows; add their part of n G; return their loss."""
        cdef Py_ssize_t done = 0, part, i, k, row, K = self.n_outputs
        cdef Py_ssize_t n = self.problem.n_samples
        cdef const Py_ssize_t* order = self.problem.subset
        cdef double* intercept = mean + self.n_features * K
        cdef double total = 0.0
        cdef Scratch scratch = self.problem.scratch(thread)
        memset(mean, 0, self.size * sizeof(double))
        while done < m:
            part = min(self.problem.block, m - done)
            self.problem.gradients(
                order, start + done, part, self.coef, 1.0, True, &scratch, &total)
            for i in range(part):
                row = start + done + i
                if order != NULL:
                    row = order[row]
                for k in range(K):
                    scratch.g[i * K + k] = self.keep(row * K + k, scratch.g[i * K + k])
                    intercept[k] += scratch.g[i * K + k]
            self.problem.rows.backward(
                order, start + done, part, n, scratch.g, K, mean)
            done += part
        return total

    def copies(self):
        """Copies of what an epoch changes beside ``coef`` and `refresh` cannot compute."""

    def restore(self, copies):
        """Undo an epoch after ``coef`` was restored. The table has to be filled again."""


@cython.final
cdef class SnapshotSteps(Reduced):
    """SVRG: mini-batches against a table of the last snapshot.

    The step is taken in raw coordinates, centred by rank-one corrections, so that X is
    read where it lies, dense or sparse:

        g = 1/b sum_i (s_i l'(m_i) - c_i) x_i + G,  g_w -= mu g_b,
        w = T_{eta D}(w - eta D g_w)   or   w -= eta M (g_w + l2 w),
        b -= eta D_b g_b + mu.(change of w),

    with a diagonal metric D or a symmetric matrix M in its place.

    Parameters
    ----------
    sizes : float64 array shaped like coef
        The metric D; its last row is D_b.
    centre : float64 array of shape (n_features,) or None
    matrix : float64 array of shape (n_features, n_features) or None
        M; needs l1 = 0.
    lazy : bool
        True if batches have few active features, so that the others should
        `lagged_steps`: O(n_outputs) per entry. Not with a centre or a matrix.
    """

    cdef const double[:, ::1] sizes_view, matrix_view
    cdef const double[::1] centre_view
    cdef double[::1] grad_view, step_view
    cdef Py_ssize_t[::1] active_view
    cdef Py_ssize_t n_active           # number of features of the batch so far
    cdef const double* centre
    cdef const double* matrix

    def __init__(self, Problem problem, coef, l1, l2, sizes, centre=None,
                 matrix=None, lazy=False, compact=False, signs=None):
        Reduced.__init__(self, problem, coef, l1, l2, compact, signs)
        if signs is not None and matrix is not None:
            raise ValueError("signs are not possible with a matrix")
        self.sizes_view = sizes
        problem._check(self.sizes_view)
        if lazy:
            if centre is not None or matrix is not None or not problem.rows.is_sparse:
                raise ValueError("only raw sparse rows have few active features")
            self.take_entries(sizes, True)
            self.active_view = np.empty(self.n_features, dtype=np.intp)
            self.grad_view = np.zeros(self.n_outputs)
            return
        self.grad_view, self.step_view = np.empty(self.size), np.empty(self.size)
        self.centre = self.matrix = NULL
        if centre is not None:
            self.centre_view = centre
            self.centre = &self.centre_view[0]
        if matrix is not None:
            self.matrix_view = matrix
            self.matrix = &self.matrix_view[0, 0]

    def run(self, order, double eta, Py_ssize_t batch_size, Py_ssize_t start,
            Py_ssize_t stop):
        """Steps over the rows order[start:stop], natural if None."""
        cdef const Py_ssize_t[::1] order_view
        cdef const Py_ssize_t* rows = self.problem.subset
        cdef Py_ssize_t m
        if order is not None:
            order_view = order
            rows = &order_view[0]
        if self.features is not None:
            if self.stale:
                self.features.load(self.coef_array, self.mean_array)
                self.stale = False
            self.features.pace(eta)
            with nogil:
                m = self.lazy_steps(rows, eta, batch_size, start, stop)
            self.features.apply_lagged(m, self.coef_array, self.mean_array)
            return
        with nogil:
            while start < stop:
                m = min(batch_size, stop - start)
                self.step(rows, start, m, eta)
                start += m

    cdef Py_ssize_t lazy_steps(
            self, const Py_ssize_t* order, double eta, Py_ssize_t batch_size,
            Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
        """`run` on the records of the features. Returns the number of steps.

        A batch may be fetched in parts, and a part may hold several batches.
        """
        cdef Py_ssize_t t = 0, done = 0, size = min(batch_size, stop - start), m, i, part
        while start < stop:
            m = self.fetch(order, start, stop - start)
            for i in range(AHEAD):
                self.expect(i, m)
            i = 0
            while i < m:
                part = min(min(m - i, size - done), self.problem.block)
                self.gather(order, start, i, part, m, t)
                i += part
                done += part
                if done == size:
                    self.leap(eta, size, t)
                    t += 1
                    done, size = 0, min(batch_size, stop - start - i)
            start += m
        return t

    cdef void gather(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t first,
            Py_ssize_t part, Py_ssize_t fetched, Py_ssize_t t) noexcept nogil:
        """Add ``part`` of the fetched rows, from ``first`` on, to the batch of step t."""
        cdef Py_ssize_t i, j, k, p, row, K = self.n_outputs
        cdef double x
        cdef double* z
        cdef double* g
        cdef double* record
        cdef double* out
        cdef const double* y
        cdef const double* s
        cdef const double* intercept = self.coef + self.n_features * K
        cdef Scratch scratch = self.problem.scratch(0)
        for i in range(part):
            self.expect(first + i + AHEAD, fetched)
            z = scratch.z + i * K
            for k in range(K):
                z[k] = intercept[k]
            for p in range(self.first[first + i], self.first[first + i + 1]):
                j, x = self.columns[p], self.values[p]
                record = self.features.records + j * self.features.stride
                if record[0] <= t:
                    self.features.lagged_update(j, t)
                    # From here on this step, which `leap` makes, counts as made.
                    record[0] = t + 1
                    self.active_view[self.n_active] = j
                    self.n_active += 1
                out = record + self.features.w
                for k in range(K):
                    z[k] += x * out[k]
        y = self.problem.targets(order, start + first, part, &scratch, &s)
        self.problem.function.evaluate_batch(
            self.problem.function, y, scratch.z, s, scratch.g, part, K, False)
        for i in range(part):
            g = scratch.g + i * K
            row = start + first + i
            if order != NULL:
                row = order[row]
            for k in range(K):
                g[k] -= self.stored(row * K + k)
                self.grad_view[k] += g[k]
            for p in range(self.first[first + i], self.first[first + i + 1]):
                x = self.values[p]
                out = (self.features.records + self.columns[p] * self.features.stride
                       + self.features.sum)
                for k in range(K):
                    out[k] += x * g[k]

    cdef void leap(self, double eta, Py_ssize_t m, Py_ssize_t t) noexcept nogil:
        """Step t of the features that are active in its batch of m rows, and the intercept."""
        cdef Py_ssize_t i, j, k, K = self.n_outputs, d = self.n_features
        cdef double e
        cdef double* record
        cdef double* w
        cdef double* G
        cdef double* total
        for i in range(self.n_active):
            j = self.active_view[i]
            record = self.features.records + j * self.features.stride
            w, G = record + self.features.w, record + self.features.G
            total = record + self.features.sum
            for k in range(K):
                e = record[1 + k * self.features.vary]
                w[k] = soft(
                    w[k] - e * (total[k] / m + G[k]), e * self.features.l1_of(j, k)) / (
                        1.0 + e * self.features.l2_of(j, k))
                total[k] = 0.0
            if self.signs != NULL:
                keep_signs(w, self.signs, &self.active_view[i], 1, K)
        self.n_active = 0
        for k in range(K):
            if self.problem.fit_intercept:
                self.coef[d * K + k] -= eta * self.sizes_view[d, k] * (
                    self.grad_view[k] / m + self.mean[d * K + k])
            self.grad_view[k] = 0.0

    cdef void step(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            double eta) noexcept nogil:
        """A step with a batch of m rows, whose chunks several threads process."""
        cdef Py_ssize_t i
        cdef double* grad = &self.grad_view[0]
        cdef Part part
        part.steps = <void*> self
        self.problem.cut(&part.chunks, m)
        part.chunks.order, part.chunks.start = order, start
        parallel_for(step_part, &part, part.chunks.number, self.problem.n_threads)
        self.problem.reduce(grad, part.chunks.number)
        for i in range(self.size):
            grad[i] = grad[i] / m + self.mean[i]
        self.move(grad, eta)

    cdef void add_chunk(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m, double* grad,
            int thread) noexcept nogil:
        """grad = the sum of (s_i l'(m_i) - c_i) x_i over m rows."""
        cdef Py_ssize_t done = 0, part, i, k, row, K = self.n_outputs
        cdef double unused = 0.0
        cdef double* g
        cdef double* intercept = grad + self.n_features * K
        cdef Scratch scratch = self.problem.scratch(thread)
        memset(grad, 0, self.size * sizeof(double))
        while done < m:
            part = min(self.problem.block, m - done)
            self.problem.gradients(
                order, start + done, part, self.coef, 1.0, False, &scratch, &unused)
            g = scratch.g
            for i in range(part):
                row = start + done + i
                if order != NULL:
                    row = order[row]
                for k in range(K):
                    g[i * K + k] -= self.stored(row * K + k)
                    intercept[k] += g[i * K + k]
            self.problem.rows.backward(
                order, start + done, part, self.problem.n_samples, g, K, grad)
            done += part

    cdef void move(self, double* grad, double eta) noexcept nogil:
        cdef Py_ssize_t i, j, k, d = self.n_features, K = self.n_outputs
        cdef double e, new
        cdef double one = 1.0, zero = 0.0
        cdef int n = <int> d, n_out = <int> K, unit = 1
        cdef double* w = self.coef
        cdef double* b = w + d * K
        cdef double* step = &self.step_view[0]
        cdef const double* sizes = &self.sizes_view[0, 0]
        if self.problem.fit_intercept:
            for k in range(K):
                b[k] -= eta * sizes[d * K + k] * grad[d * K + k]
        if self.centre != NULL:
            for j in range(d):
                for k in range(K):
                    grad[j * K + k] -= self.centre[j] * grad[d * K + k]
        if self.matrix != NULL:
            for i in range(d * K):
                grad[i] += (self.l2 if self.l2s == NULL else self.l2s[i]) * w[i]
            if K == 1:
                dgemv(b"N", &n, &n, &one, <double*> self.matrix, &n, grad, &unit,
                      &zero, step, &unit)
            else:
                dgemm(b"N", b"N", &n_out, &n, &n, &one, grad, &n_out,
                      <double*> self.matrix, &n, &zero, step, &n_out)
            for i in range(d * K):
                step[i] *= -eta
                w[i] += step[i]
        else:
            for i in range(d * K):
                e = eta * sizes[i]
                if self.l1s == NULL:
                    new = soft(w[i] - e * grad[i], e * self.l1) / (1.0 + e * self.l2)
                else:
                    new = soft(w[i] - e * grad[i], e * self.l1s[i]) / (1.0 + e * self.l2s[i])
                step[i] = new - w[i]
                w[i] = new
            if self.signs != NULL:
                for i in range(d * K):
                    if self.signs[i // K] * w[i] < 0.0:
                        step[i] -= w[i]
                        w[i] = 0.0
        if self.centre != NULL and self.problem.fit_intercept:
            for j in range(d):
                for k in range(K):
                    b[k] -= self.centre[j] * step[j * K + k]
