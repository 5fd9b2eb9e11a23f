"""One problem, one loop.

`Problem` holds the data term and evaluates it over any block of rows;
`Descent` steps through mini-batches with an optimizer rule:

    z = X_b w + b  ->  g = dl/dz  ->  X_b' g  ->  rule.step  ->  t += 1

A stochastic step is a batch of one row, batch descent a batch of all. No
formula of a loss, a penalty or an optimizer appears here.
"""
cimport cython
from cython.parallel cimport prange, threadid
from libc.string cimport memcpy, memset

import numpy as np

from sklgd.kernels._losses cimport Loss
from sklgd.kernels._optimizers cimport Rule, SGDRule
from sklgd.kernels._rows cimport Rows

# Rows handled at a time: their z and g stay in the L1 cache, their share of X
# in L2 between the forward and the backward product.
cdef Py_ssize_t BLOCK = 256
# Entries of the dense block that BLAS multiplies (512 kB).
cdef Py_ssize_t BLOCK_ENTRIES = 65536
# A sweep is cut into chunks that threads share out, at most so many, of at least so
# many entries of X times outputs, and of PARTIAL_SHARE times the gradient's size, as
# each has a partial gradient. The cut depends on the data alone, and the partial sums
# are added in a fixed order: the bits are those of one thread.
cdef Py_ssize_t MAX_CHUNKS = 16
cdef Py_ssize_t CHUNK_ENTRIES = 200000
cdef Py_ssize_t PARTIAL_SHARE = 16


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    # Not -(-a // b): compiled without Python's rounding of negative numbers.
    return (a + b - 1) // b


cdef struct Scratch:
    double* z                           # block * n_outputs
    double* g                           # block * n_outputs
    double* y                           # block * y_stride
    double* s                           # block
    double* rows                        # dense block for BLAS


@cython.final
cdef class Problem:
    """The data term sum_i s_i l(y_i, x_i.w + b), free of estimator state.

    Parameters
    ----------
    rows : Rows
    y : float64 array of shape (n_samples * n_outputs,) or (n_samples,)
        Targets as `Loss.evaluate` wants them.
    sample_weight : float64 array of shape (n_samples,) or None
        None means ones.
    loss : Loss
    n_outputs : int
    fit_intercept : bool
    subset : intp array, default=None
        Numbers of the rows that count, in their natural order; None means all.
    n_threads : int, default=1
        Threads of a sweep over many rows. The results do not depend on it.

    Notes
    -----
    Keeps its inputs alive and does not copy them. Owns scratch: per thread
    O(block * n_outputs) and a block of rows for BLAS, and partial gradients of
    at most 1/16 of the size of X. One object serves one caller at a time.
    """

    cdef readonly Rows rows
    cdef readonly Loss loss
    cdef readonly Py_ssize_t n_samples, n_features, n_outputs, block
    cdef readonly bint fit_intercept
    cdef Py_ssize_t y_stride
    cdef const double[::1] y_view, s_view
    cdef const Py_ssize_t[::1] subset_view
    cdef const Py_ssize_t* subset       # NULL: all rows
    cdef const double* y
    cdef const double* s
    cdef int n_threads
    cdef double[::1] buffers
    cdef Py_ssize_t buffer_size
    cdef Py_ssize_t size                # coefficients
    cdef Py_ssize_t chunk_rows
    cdef double[::1] partials           # loss, then gradient, of each chunk

    def __init__(self, Rows rows, y, sample_weight, Loss loss, Py_ssize_t n_outputs,
                 bint fit_intercept, subset=None, int n_threads=1):
        cdef Py_ssize_t n_entries = 0, K = n_outputs, per_row, n_chunks
        self.rows, self.loss = rows, loss
        self.n_samples, self.n_features = rows.n_samples, rows.n_features
        self.n_outputs, self.fit_intercept = n_outputs, fit_intercept
        self.y_view = y.reshape(-1)
        self.y_stride = n_outputs if loss.task == "regression" else 1
        if self.n_samples == 0:
            raise ValueError("there are no rows")
        if self.y_view.shape[0] != self.n_samples * self.y_stride:
            raise ValueError("y does not match the rows")
        self.y = &self.y_view[0]
        self.s = NULL
        if sample_weight is not None:
            self.s_view = sample_weight
            if self.s_view.shape[0] != self.n_samples:
                raise ValueError("sample_weight does not match the rows")
            self.s = &self.s_view[0]
        self.subset = NULL
        if subset is not None:
            self.subset_view = subset
            self.subset = &self.subset_view[0]
            self.n_samples = self.subset_view.shape[0]
        self.block = min(BLOCK, self.n_samples)
        if K > 1 and not rows.is_sparse:
            self.block = min(
                self.block, max(16, BLOCK_ENTRIES // max(1, self.n_features)))
            n_entries = self.block * self.n_features
        self.n_threads = n_threads
        self.buffer_size = self.block * (2 * K + self.y_stride + 1) + n_entries
        self.buffers = np.empty(self.buffer_size * n_threads)
        self.size = (self.n_features + 1) * K
        per_row = K * max(1, (
            rows.X.nnz // max(1, rows.n_samples) if rows.is_sparse
            else rows.n_features))
        self.chunk_rows = max(
            ceil_div(max(CHUNK_ENTRIES, PARTIAL_SHARE * self.size), per_row),
            ceil_div(self.n_samples, MAX_CHUNKS))
        n_chunks = ceil_div(self.n_samples, self.chunk_rows)
        if n_chunks > 1:
            self.partials = np.empty(n_chunks * (self.size + 1))

    cdef Scratch scratch(self, int thread) noexcept nogil:
        """The buffers of one thread."""
        cdef Scratch out
        out.z = &self.buffers[thread * self.buffer_size]
        out.g = out.z + self.block * self.n_outputs
        out.y = out.g + self.block * self.n_outputs
        out.s = out.y + self.block * self.y_stride
        out.rows = out.s + self.block
        return out

    cdef const double* slopes(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* coef, double scale, bint want_value, Scratch* scratch,
            double* total) noexcept nogil:
        """Fill scratch.g = s dl/dz for m <= block rows; total += their loss.

        Returns the block of rows for `Rows.backward`.
        """
        cdef Py_ssize_t i, k, row, ys = self.y_stride
        cdef const double* y = self.y
        cdef const double* s = self.s
        cdef const double* block = NULL
        if self.n_outputs > 1:
            block = self.rows.load(order, start, m, self.n_samples, scratch.rows)
        self.rows.forward(
            order, start, m, self.n_samples, block, coef, self.n_outputs, scale,
            scratch.z)
        if order == NULL:
            y = y + start * ys
            if s != NULL:
                s = s + start
        else:
            for i in range(m):
                row = order[start + i]
                for k in range(ys):
                    scratch.y[i * ys + k] = y[row * ys + k]
                if s != NULL:
                    scratch.s[i] = s[row]
            y = scratch.y
            if s != NULL:
                s = scratch.s
        total[0] += self.loss.evaluate_batch(
            y, scratch.z, s, scratch.g, m, self.n_outputs, want_value)
        return block

    cdef double sweep(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* coef, double* grad, bint want_value) noexcept nogil:
        """Sum of losses over m rows; grad is their gradient, unless NULL.

        coef and grad have (n_features + 1) * n_outputs entries; grad is
        overwritten.
        """
        cdef Py_ssize_t chunk, n_chunks = ceil_div(m, self.chunk_rows)
        cdef Py_ssize_t step, j, stride = self.size + 1
        cdef double* partial
        cdef double total
        if n_chunks <= 1:
            return self.sweep_chunk(
                order, start, m, coef, grad, want_value, 0)
        for chunk in prange(
                n_chunks, num_threads=min(self.n_threads, <int> n_chunks),
                schedule="static"):
            self.partials[chunk * stride] = self.sweep_chunk(
                order, start + chunk * self.chunk_rows,
                min(self.chunk_rows, m - chunk * self.chunk_rows), coef,
                NULL if grad == NULL else &self.partials[chunk * stride + 1],
                want_value, threadid())
        step = 1
        while step < n_chunks:
            chunk = 0
            while chunk + step < n_chunks:
                partial = &self.partials[chunk * stride]
                if grad == NULL:
                    partial[0] += partial[step * stride]
                else:
                    for j in range(stride):
                        partial[j] += partial[step * stride + j]
                chunk += 2 * step
            step *= 2
        total = self.partials[0]
        if grad != NULL:
            memcpy(grad, &self.partials[1], self.size * sizeof(double))
        return total

    cdef double sweep_chunk(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* coef, double* grad, bint want_value,
            int thread) noexcept nogil:
        """`sweep` without threads."""
        cdef double total = 0.0
        cdef Py_ssize_t done = 0, part, i, k, K = self.n_outputs
        cdef double* intercept
        cdef const double* block
        cdef Scratch scratch = self.scratch(thread)
        if grad != NULL:
            memset(grad, 0, self.size * sizeof(double))
        while done < m:
            part = min(self.block, m - done)
            block = self.slopes(
                order, start + done, part, coef, 1.0, want_value, &scratch, &total)
            if grad != NULL:
                self.rows.backward(
                    order, start + done, part, block, scratch.g, K, grad)
                if self.fit_intercept:
                    intercept = grad + self.n_features * K
                    for i in range(part):
                        for k in range(K):
                            intercept[k] += scratch.g[i * K + k]
            done += part
        return total

    def value(self, coef):
        """Mean loss of all rows at ``coef`` (n_features + 1, n_outputs)."""
        cdef const double[:, ::1] w = coef
        cdef double total
        self._check(w)
        with nogil:
            total = self.sweep(self.subset, 0, self.n_samples, &w[0, 0], NULL, True)
        return total / self.n_samples

    def value_and_gradient(self, coef, gradient):
        """Mean loss at ``coef``; ``gradient`` (same shape) is overwritten.

        One read of X gives both.
        """
        cdef const double[:, ::1] w = coef
        cdef double[:, ::1] grad = gradient
        cdef double total
        self._check(w)
        self._check(grad)
        with nogil:
            total = self.sweep(
                self.subset, 0, self.n_samples, &w[0, 0], &grad[0, 0], True)
        gradient /= self.n_samples
        return total / self.n_samples

    def _check(self, const double[:, ::1] w):
        if w.shape[0] != self.n_features + 1 or w.shape[1] != self.n_outputs:
            raise ValueError("coef must have shape (n_features + 1, n_outputs)")


@cython.final
cdef class Descent:
    """Mini-batch steps of one rule on one problem.

    Parameters
    ----------
    problem : Problem
    rule : Rule
        Bound to ``position``.
    coef : float64 array of shape (n_features + 1, n_outputs)
        Raw coefficients, last row the intercept; updated in place.
    position : float64 array of the same shape
        The rule's coordinates u: ``coef`` itself in the textbook form, else
        w_jk = scale_jk u_jk and b_k = scale_bk u_bk - sum_j centre_j w_jk (the
        implicit metric: X is neither scaled nor centred).
    centre : float64 array of shape (n_features,), or None
    scale, gradient_scale : float64 arrays shaped like coef, or None
        The rule sees the gradient gradient_scale_jk (g_jk - centre_j g_bk).
    row_penalty : (l1, l2) or None
        Penalty of every feature, for rules that add rows directly; None takes
        the dense step.
    average : float64 array shaped like coef, or None
    average_count : int
        Steps that ``average`` holds already.
    """

    cdef Problem problem
    cdef Rule rule
    cdef SGDRule row_rule
    cdef double[:, ::1] coef_view, u_view
    cdef const double[:, ::1] scale_view, gradient_scale_view
    cdef const double[::1] centre_view
    cdef double[::1] grad
    cdef double[:, ::1] average_view
    cdef double* coef
    cdef double* u
    cdef const double* centre
    cdef const double* scale
    cdef const double* gradient_scale
    cdef double* average
    cdef Py_ssize_t size
    cdef public long long average_count
    cdef bint gradient_known
    cdef bint lazy
    cdef Py_ssize_t[::1] features

    def __init__(self, Problem problem, Rule rule, coef, position, *, centre=None,
                 scale=None, gradient_scale=None, row_penalty=None, average=None, average_count=0):
        self.problem, self.rule = problem, rule
        self.coef_view, self.u_view = coef, position
        problem._check(self.coef_view)
        problem._check(self.u_view)
        self.coef, self.u = &self.coef_view[0, 0], &self.u_view[0, 0]
        self.size = coef.size
        self.grad = np.zeros(self.size)
        self.features = np.empty(1, dtype=np.intp)
        self.centre = self.scale = self.gradient_scale = self.average = NULL
        if centre is not None:
            self.centre_view, self.scale_view = centre, scale
            self.gradient_scale_view = gradient_scale
            problem._check(self.scale_view)
            problem._check(self.gradient_scale_view)
            if self.centre_view.shape[0] != problem.n_features:
                raise ValueError("centre must have n_features entries")
            self.centre = &self.centre_view[0]
            self.scale = &self.scale_view[0, 0]
            self.gradient_scale = &self.gradient_scale_view[0, 0]
        if average is not None:
            self.average_view = average
            problem._check(self.average_view)
            self.average = &self.average_view[0, 0]
        self.average_count = average_count
        self.row_rule = None
        self.lazy = False
        if isinstance(rule, SGDRule) and row_penalty is not None:
            self.row_rule = rule
            self.lazy = (
                problem.rows.is_sparse and average is None and row_penalty[0] > 0.0)
            self.row_rule.start_rows(
                problem.n_outputs, row_penalty[0], row_penalty[1], self.lazy)
        self.gradient_known = False

    def run(self, order, const double[::1] etas, Py_ssize_t batch_size,
            Py_ssize_t start, long long average_from):
        """Take len(etas) steps over the rows order[start:], natural if None.

        Parameters
        ----------
        order : intp array or None
            Numbers of the problem's rows in the order of this epoch; None takes
            them as they are.
        etas : float64 array
            Step size of each batch; there must be rows for each.
        batch_size : int
            Rows per batch; the last of the data may be smaller.
        start : int
            Position of the first row.
        average_from : int
            Steps before this one (counted from 0 in this call) are not
            averaged.
        """
        cdef const Py_ssize_t[::1] order_view
        cdef const Py_ssize_t* rows = self.problem.subset
        cdef Py_ssize_t n_steps = etas.shape[0], n = self.problem.n_samples
        cdef Py_ssize_t step, position, m, longest = 0
        cdef bint by_rows
        if start < 0 or batch_size < 1 or (
            n_steps and start + (n_steps - 1) * batch_size >= n
        ):
            raise ValueError("the steps leave the data")
        if order is not None:
            order_view = order
            if order_view.shape[0] != n:
                raise ValueError("order must have one entry per row")
            rows = &order_view[0]
        by_rows = self.row_rule is not None and batch_size <= self.problem.block
        if by_rows and self.lazy:
            with nogil:
                for step in range(n_steps):
                    position = start + step * batch_size
                    m = min(batch_size, n - position)
                    longest = max(
                        longest, self.problem.rows.n_entries(rows, position, m))
            if self.features.shape[0] < longest:
                self.features = np.empty(longest, dtype=np.intp)
        with nogil:
            for step in range(n_steps):
                position = start + step * batch_size
                m = min(batch_size, n - position)
                if by_rows:
                    self.step_rows(rows, position, m, etas[step])
                else:
                    self.step_gradient(rows, position, m, etas[step])
                if self.average != NULL and step >= average_from:
                    self.update_average()
        self.gradient_known = False

    cdef void step_gradient(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            double eta) noexcept nogil:
        """Gradient of the batch's mean loss, then the rule's step."""
        cdef Py_ssize_t i
        cdef double* grad = &self.grad[0]
        if not self.gradient_known:
            self.problem.sweep(order, start, m, self.coef, grad, False)
            for i in range(self.size):
                grad[i] /= m
        self.gradient_known = False
        if self.scale == NULL:
            self.rule.step(grad, eta)
        else:
            self.to_metric(grad)
            self.rule.step(grad, eta)
            self.from_metric()

    cdef void step_rows(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            double eta) noexcept nogil:
        """Plain SGD: the rows go straight into the coefficients."""
        cdef Py_ssize_t i, k, n_touched, K = self.problem.n_outputs
        cdef double* intercept = self.coef + self.problem.n_features * K
        cdef Scratch scratch = self.problem.scratch(0)
        cdef double* g = scratch.g
        cdef double c, unused = 0.0
        cdef const double* block
        if self.lazy:
            n_touched = self.problem.rows.n_entries(order, start, m)
            self.problem.rows.touched(order, start, m, &self.features[0])
            self.row_rule.catch_up(&self.features[0], n_touched)
        block = self.problem.slopes(
            order, start, m, self.coef, self.row_rule.scale, False, &scratch, &unused)
        self.row_rule.decay(eta)
        c = -eta / m
        if self.problem.fit_intercept:
            for i in range(m):
                for k in range(K):
                    intercept[k] += c * g[i * K + k]
        c /= self.row_rule.scale
        for i in range(m * K):
            g[i] *= c
        self.problem.rows.backward(order, start, m, block, g, K, self.coef)
        self.row_rule.shrink(eta)

    cdef void to_metric(self, double* grad) noexcept nogil:
        """Gradient in w, b becomes the gradient in the rule's coordinates."""
        cdef Py_ssize_t i, j, k, K = self.problem.n_outputs
        cdef double* intercept = grad + self.problem.n_features * K
        for j in range(self.problem.n_features):
            for k in range(K):
                i = j * K + k
                grad[i] = self.gradient_scale[i] * (
                    grad[i] - self.centre[j] * intercept[k])
        for k in range(K):
            intercept[k] *= self.gradient_scale[self.problem.n_features * K + k]

    cdef void from_metric(self) noexcept nogil:
        """The rule's coordinates become raw coefficients."""
        cdef Py_ssize_t i, j, k, K = self.problem.n_outputs
        cdef Py_ssize_t last = self.problem.n_features * K
        cdef double* intercept = self.coef + last
        for k in range(K):
            intercept[k] = self.scale[last + k] * self.u[last + k]
        for j in range(self.problem.n_features):
            for k in range(K):
                i = j * K + k
                self.coef[i] = self.scale[i] * self.u[i]
                intercept[k] -= self.centre[j] * self.coef[i]

    cdef void update_average(self) noexcept nogil:
        """average += (w - average) / count (Polyak and Juditsky 1992)."""
        cdef Py_ssize_t j, n_penalised
        cdef double factor = 1.0, share
        self.average_count += 1
        share = 1.0 / self.average_count
        if self.row_rule is not None:
            factor = self.row_rule.scale
        n_penalised = self.problem.n_features * self.problem.n_outputs
        for j in range(n_penalised):
            self.average[j] += share * (factor * self.coef[j] - self.average[j])
        for j in range(n_penalised, self.size):
            self.average[j] += share * (self.coef[j] - self.average[j])

    def flush(self):
        """Settle pending work: afterwards ``coef`` holds the true values."""
        if self.row_rule is not None:
            self.row_rule.flush()

    def refresh(self):
        """Tell the engine that the coordinates were changed from outside."""
        self.gradient_known = False
        if self.scale != NULL:
            self.from_metric()

    def value(self, bint keep_gradient):
        """Mean loss at the current coefficients.

        With ``keep_gradient`` the same read of X also gives the next full
        batch's gradient.
        """
        cdef double total
        cdef Py_ssize_t i, n = self.problem.n_samples
        cdef double* grad = NULL
        with nogil:
            if keep_gradient:
                grad = &self.grad[0]
            total = self.problem.sweep(
                self.problem.subset, 0, n, self.coef, grad, True)
            if grad != NULL:
                for i in range(self.size):
                    grad[i] /= n
                self.gradient_known = True
        return total / n
