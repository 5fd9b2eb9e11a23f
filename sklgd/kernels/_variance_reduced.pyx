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
sklgd/_solvers/variance_reduced.py drives them.
"""
cimport cython
from libc.math cimport expm1, fabs, log1p
from libc.string cimport memset
from scipy.linalg.cython_blas cimport dgemm, dgemv

import numpy as np

from sklgd.kernels._dot cimport dot, dot_square
from sklgd.kernels._lagged_penalty cimport lagged_steps
from sklgd.kernels._penalty cimport soft
from sklgd.kernels._prefetch cimport LINE, sklgd_prefetch
from sklgd.kernels._problem cimport Chunks, Problem, Scratch
from sklgd.kernels._threads cimport parallel_for

# Rows that are copied, centred and rotated together.
cdef Py_ssize_t BLOCK = 256
# Entries of sparse rows that are copied together, more only if a row has more: they
# stay in the L1 cache.
cdef Py_ssize_t ENTRIES = 2048
# The records of a sparse row's features are prefetched this many rows early.
cdef Py_ssize_t AHEAD = 4


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

    cdef double[::1] buffer
    cdef const double[:, ::1] sizes
    cdef double* records
    cdef Py_ssize_t n_features, n_outputs, stride
    cdef Py_ssize_t vary                # 1 if D differs between outputs, else 0
    cdef Py_ssize_t w, G, sum           # offsets in a record
    cdef double l1, l2, eta

    def __init__(self, shape, sizes, double l1, double l2, bint batches):
        cdef Py_ssize_t K, n_sizes, length
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
                        to_next[j, k] = soft(w - e * G, e * self.l1) / (1.0 + e * self.l2)


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
    l1, l2 : float
        Penalty of every feature.
    compact : bool
        True for a table in float32.
    """

    cdef Problem problem
    cdef double[:, ::1] coef_view, mean_view, table_view
    cdef float[:, ::1] compact_view
    cdef double* coef
    cdef double* mean                   # G, (n_features + 1) * n_outputs
    cdef double* table                  # c, n_samples of X * n_outputs; or NULL and
    cdef float* compact                 # the same in float32
    cdef Py_ssize_t size, n_outputs, n_features
    cdef double l1, l2
    cdef readonly object coef_array, mean_array
    # On sparse rows with few active features:
    cdef Features features              # None otherwise
    cdef bint stale                     # True if they differ from those of the arrays
    cdef Py_ssize_t[::1] first_view, columns_view
    cdef double[::1] values_view
    cdef Py_ssize_t* first              # where a row's entries begin, BLOCK + 1
    cdef Py_ssize_t* columns
    cdef double* values

    def __init__(self, Problem problem, coef, double l1, double l2, bint compact):
        self.problem = problem
        self.n_outputs, self.n_features = problem.n_outputs, problem.n_features
        self.l1, self.l2 = l1, l2
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

    cdef inline double stored(self, Py_ssize_t i) noexcept nogil:
        """Entry i of the table."""
        return self.table[i] if self.compact == NULL else self.compact[i]

    cdef inline double keep(self, Py_ssize_t i, double gradient) noexcept nogil:
        """Store entry i of the table. Returns it as it is stored, which may be rounded."""
        if self.compact == NULL:
            self.table[i] = gradient
            return gradient
        self.compact[i] = <float> gradient
        return self.compact[i]

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

    def __init__(self, Problem problem, coef, double l1, double l2, sizes, centre=None,
                 matrix=None, lazy=False, compact=False):
        Reduced.__init__(self, problem, coef, l1, l2, compact)
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
        cdef Py_ssize_t i, k, K = self.n_outputs, d = self.n_features
        cdef double e
        cdef double* record
        cdef double* w
        cdef double* G
        cdef double* total
        for i in range(self.n_active):
            record = self.features.records + self.active_view[i] * self.features.stride
            w, G = record + self.features.w, record + self.features.G
            total = record + self.features.sum
            for k in range(K):
                e = record[1 + k * self.features.vary]
                w[k] = soft(w[k] - e * (total[k] / m + G[k]), e * self.l1) / (
                    1.0 + e * self.l2)
                total[k] = 0.0
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
                grad[i] += self.l2 * w[i]
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
                new = soft(w[i] - e * grad[i], e * self.l1) / (1.0 + e * self.l2)
                step[i] = new - w[i]
                w[i] = new
        if self.centre != NULL and self.problem.fit_intercept:
            for j in range(d):
                for k in range(K):
                    b[k] -= self.centre[j] * step[j * K + k]


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
    cdef double* z                      # raw prediction, K
    cdef double* z0                     # before the implicit step, K
    cdef double* c                      # new derivatives, K
    cdef double* q                      # sum_j eta D_j x_j^2, K
    cdef double* delta                  # new derivatives less those of the table, K
    cdef double* change                 # change of the table, K
    cdef bint implicit, pointwise
    cdef bint reports_ahead             # coef is one step along G further on
    cdef readonly object position_array

    def __init__(self, Problem problem, coef, double l1, double l2, sizes, centre=None,
                 basis=None, dense=True, compact=False):
        cdef Py_ssize_t K = problem.n_outputs, d = problem.n_features
        Reduced.__init__(self, problem, coef, l1, l2, compact)
        self.sizes_view = sizes
        problem._check(self.sizes_view)
        dense = dense or not problem.rows.is_sparse
        if not dense and (centre is not None or basis is not None):
            raise ValueError("sparse rows are neither centred nor rotated")
        self.pointwise = problem.loss.task == "regression"
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
        self.reports_ahead = self.implicit and l1 > 0.0
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
        """Write ``coef``: v, with l1 after one more step along G where the
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
            kept = np.maximum(np.abs(moved) - steps * self.l1, 0.0)
            coef[:d] = np.copysign(kept, moved) / (1.0 + steps * self.l2) + 0.0
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
            self.shrinks[i] = 1.0 / (1.0 + self.steps[i] * self.l2)
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
        elif K == 1:
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
                    v[i] = soft(v[i] - e[i] * (c + G[i]), e[i] * l1) * shrink[i]
                    G[i] += share * self.change[k] * x[j]
        self.intercept_step()

    cdef void follow_mean(self) noexcept nogil:
        """v = T_{eta D}(v - eta D G) in all coordinates, the intercept's included."""
        cdef Py_ssize_t i, size = self.n_features * self.n_outputs
        cdef double l1 = self.l1
        cdef double* v = self.position
        cdef double* G = self.mean
        cdef double* e = self.steps
        cdef double* shrink = self.shrinks
        if l1 > 0.0:
            for i in range(size):
                v[i] = soft(v[i] - e[i] * G[i], e[i] * l1) * shrink[i]
        else:
            for i in range(size):
                v[i] = (v[i] - e[i] * G[i]) * shrink[i]
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
        cdef double l1 = self.l1, l2 = self.l2
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
                    v[k] = soft(v[k] - e * (delta[k] * x + G[k]), e * l1) / (
                        1.0 + e * l2)
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
