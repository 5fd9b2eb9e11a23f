"""The data term of the objective, over any rows.

`Problem` evaluates sum_i s_i l(y_i, x_i.w + b) and its gradient in sweeps over blocks
of rows, threaded; no formula of a loss, a penalty or an optimizer appears here.
"""
cimport cython
from sklgd.kernels cimport _numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport INFINITY
from libc.string cimport memset

import numpy as np

from sklgd.kernels._arrays cimport entries
from sklgd.kernels._loss_function cimport LossFunction
from sklgd.kernels._rows cimport Rows
from sklgd.kernels._threads cimport Body, parallel_for

cdef extern from "float32.h":
    enum:
        FLOAT32_ROWS
    Py_ssize_t sklgd_float32_stride(Py_ssize_t d) noexcept nogil
    void sklgd_float32_coef(
        const double* W, Py_ssize_t d, Py_ssize_t K, double* unit, double* inverse,
        float* out) noexcept nogil
    void sklgd_float32_derivatives(
        const double* g, Py_ssize_t m, Py_ssize_t K, double* unit, double* inverse,
        float* out) noexcept nogil
    void sklgd_float32_gradient(
        const double* G, Py_ssize_t d, Py_ssize_t K, double* out) noexcept nogil

cnp.import_array()

# Rows handled at a time: their z and g stay in the L1 cache, their share of X
# in L2 between the forward and the backward product.
cdef Py_ssize_t BLOCK = 256
# Coefficients (2 MB) from which on they and their gradient push each other out of the
# cache. Products with X and X' of sparse rows then alternate only after 1/APART as many
# rows as columns (632,000 columns drawn uniformly: half the time).
cdef Py_ssize_t MANY = 2**18
cdef Py_ssize_t APART = 8
# Entries of X among them if they have several outputs: so many rows (256 kB) and those
# that follow are in the L2 cache together.
cdef Py_ssize_t BLOCK_ENTRIES = 32768
# A sweep over a batch or over all rows is cut into chunks that threads share out, at
# most so many, of at least so many entries of X times outputs (some microseconds), and
# of PARTIAL_SHARE times the gradient's size (DENSE_SHARE, if X is dense: its entries cost
# less), as each has a partial gradient; these may take a twentieth of the memory of X.
# The cut depends on the shapes alone, and the partial sums are added in a fixed order:
# the bits are those of one thread.
cdef enum:
    MAX_CHUNKS = 16
cdef Py_ssize_t CHUNK_ENTRIES = 12000
cdef Py_ssize_t PARTIAL_SHARE = 16
cdef Py_ssize_t DENSE_SHARE = 64
cdef Py_ssize_t MEMORY_SHARE = 20
# Entries of X times outputs, a third of a second, between two looks for Ctrl-C.
cdef Py_ssize_t UNINTERRUPTED = 100000000
cdef Py_ssize_t UNINTERRUPTED_SPARSE = 20000000
# Gradients in float32 are faster from so many features and rows of a batch on. Steps of
# Adam, log loss with 10 classes, rows in random order: 1.2 times with 64 features, 1.4 with
# 400, 1.6 with 784; with 3 classes 1.7 to 3. Batches of 32 rows gain nothing.
cdef Py_ssize_t FLOAT32_FEATURES = 64
cdef Py_ssize_t FLOAT32_BATCH = 64
# Columns of partial gradients that a thread adds at a time.
cdef Py_ssize_t COLUMNS = 4096


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    # Not -(-a // b): compiled without Python's rounding of negative numbers.
    return (a + b - 1) // b


cdef inline bint all_zero(const double* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if x[i] != 0.0:
            return False
    return True


cdef inline Py_ssize_t rows_of(
        Chunks* chunks, Py_ssize_t chunk, Py_ssize_t* first) noexcept nogil:
    """Number of rows of a chunk to process next; sets ``first`` to the first of them."""
    first[0] = chunk * chunks.length + chunks.begin
    return min(chunks.n - first[0], min(chunks.step, chunks.length - chunks.begin))


# What a thread does with the next rows of one chunk, or, to reduce, with some columns.
# (Without the GIL no variable may hold the problem.)

cdef void sweep_part(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Chunks* c = <Chunks*> arguments
    cdef double* totals = (<Problem> c.problem).totals
    cdef bint fresh = c.begin == 0
    cdef Py_ssize_t first, m = rows_of(c, chunk, &first)
    if c.float32:
        (<Problem> c.problem).sweep_float32(
            c.order, c.start + first, m, c.coef,
            (<Problem> c.problem).partial(c.out, chunk), c.share, thread)
    elif m > 0:
        totals[chunk] = (<Problem> c.problem).sweep_chunk(
            c.order, c.start + first, m, c.coef,
            (<Problem> c.problem).partial(c.out, chunk), c.want_value,
            0.0 if fresh else totals[chunk], fresh, c.share, thread)


cdef void reduce_part(void* arguments, Py_ssize_t block, int thread) noexcept nogil:
    cdef Chunks* c = <Chunks*> arguments
    (<Problem> c.problem).reduce_columns(
        c.out, c.number, block * COLUMNS,
        min((<Problem> c.problem).size, (block + 1) * COLUMNS))


cdef void values_part(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Chunks* c = <Chunks*> arguments
    cdef Py_ssize_t first, m = rows_of(c, chunk, &first)
    if m > 0:
        (<Problem> c.problem).values_chunk(
            first, m, c.coef, c.n_models, c.scratch + thread * c.scratch_size,
            c.out + chunk * c.n_models, thread)


cdef void raw_predictions_part(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Chunks* c = <Chunks*> arguments
    cdef Py_ssize_t first, m = rows_of(c, chunk, &first)
    if m > 0:
        (<Problem> c.problem).raw_predictions_chunk(
            c.start + first, m, c.coef,
            c.out + first * (<Problem> c.problem).n_outputs)


cdef void product_part(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Chunks* c = <Chunks*> arguments
    cdef Py_ssize_t first, m = rows_of(c, chunk, &first)
    if m > 0:
        (<Problem> c.problem).product_chunk(
            <LossFunction> c.loss, first, m, c.coef, c.direction, c.z, c.coupled,
            c.scratch + thread * c.scratch_size,
            (<Problem> c.problem).partial(c.out, chunk), c.begin == 0, thread)


cdef void line_part(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Chunks* c = <Chunks*> arguments
    cdef Py_ssize_t first, m = rows_of(c, chunk, &first)
    if m > 0:
        (<Problem> c.problem).line_chunk(
            <LossFunction> c.loss, first, m, c.z, c.direction, c.coef, c.out,
            c.sums + chunk * ((<Problem> c.problem).n_outputs + 1), thread)


cdef void gradient_part(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Chunks* c = <Chunks*> arguments
    cdef Py_ssize_t first, m = rows_of(c, chunk, &first)
    if m > 0:
        (<Problem> c.problem).gradient_chunk(
            first, m, c.z, (<Problem> c.problem).partial(c.out, chunk), c.begin == 0)


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
    outputs : (first, last) or None
        Of the ``n_outputs`` that ``y`` is for, the problem has those before ``last``,
        from ``first`` on, at least two: for losses that are not coupled. Its sweeps
        are not cut into chunks. None means all.
    gradient_limit : float, default=inf
        Derivatives dl/dz beyond it are clipped to it, as in SGDClassifier. Values are not.

    Notes
    -----
    Keeps its inputs alive and does not copy them. Owns scratch: per thread
    O(block * n_outputs), and partial gradients of at most 1/20 of the size of X.
    One object serves one caller at a time.
    """

    def __init__(self, Rows rows, y, sample_weight, loss, Py_ssize_t n_outputs,
                 bint fit_intercept, subset=None, int n_threads=1, outputs=None,
                 double gradient_limit=INFINITY):
        cdef Py_ssize_t K, per_row, stored, first, last, n_chunks
        cdef Py_ssize_t share = PARTIAL_SHARE if rows.is_sparse else DENSE_SHARE
        cdef bint separate = loss.separate_targets
        first, last = (0, n_outputs) if outputs is None else outputs
        K = last - first
        self.rows, self.loss, self.function = rows, loss, loss.kernel
        self.gradient_limit = gradient_limit
        self.n_samples, self.n_features = rows.n_samples, rows.n_features
        self.n_outputs, self.fit_intercept = K, fit_intercept
        self.y_view = y.reshape(-1)
        self.y_stride = n_outputs if separate else 1
        self.n_targets = K if separate else 1
        self.first_class = 0 if separate else first
        self.whole = K == n_outputs
        if not self.whole and not (0 <= first < last - 1 < n_outputs):
            raise ValueError("outputs must be two or more of n_outputs")
        if self.n_samples == 0:
            raise ValueError("there are no rows")
        if self.y_view.shape[0] != self.n_samples * self.y_stride:
            raise ValueError("y does not match the rows")
        self.y = &self.y_view[first if separate else 0]
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
        self.end = self.n_samples
        self.block = min(BLOCK, self.n_samples)
        if not rows.is_sparse:
            # A multiple of the rows that the kernels process together.
            self.block = min(
                self.block, max(16, BLOCK_ENTRIES // max(1, self.n_features) // 16 * 16))
        self.apart = self.block
        if rows.is_sparse and self.n_features * K >= MANY:
            self.apart *= max(1, min(
                self.n_samples, self.n_features // APART) // self.block)
        self.n_threads = n_threads
        # Buffers of different threads lie in different cache lines.
        self.buffer_size = 8 + self.block * (K + self.n_targets + 1) + self.apart * K
        self.buffers = np.empty(self.buffer_size * n_threads)
        self.size = (self.n_features + 1) * K
        self.stride = 8 + self.size
        per_row = max(1, rows.total_entries(subset) // self.n_samples)
        stored = self.n_samples * per_row * rows.X.dtype.itemsize
        if rows.is_sparse:
            stored += self.n_samples * per_row * rows.X.indices.itemsize
        self.least_rows = ceil_div(
            max(CHUNK_ENTRIES, share * self.size), K * per_row)
        self.max_chunks = 1 + stored // (MEMORY_SHARE * 8 * self.stride)
        self.max_chunks = min(self.max_chunks, MAX_CHUNKS) if self.whole else 1
        # Rows of each chunk between two looks: whole blocks, so the bits stay.
        n_chunks = ceil_div(self.n_samples, self.chunk_rows(self.n_samples))
        self.look = UNINTERRUPTED_SPARSE if rows.is_sparse else UNINTERRUPTED
        self.look = self.look * min(n_threads, n_chunks) // n_chunks // (K * per_row)
        self.look = self.block * max(1, self.look // self.block)
        if n_chunks > 1:
            self.partials = np.empty((self.max_chunks - 1) * self.stride)
        self.float32, self.float32_stride = False, 0

    cdef use_float32(self, bint wanted):
        """Let `sweep` compute gradients in float32 from now on, where that is faster.

        For dense float32 rows. Values and all else remain in float64.
        """
        cdef Py_ssize_t K = self.n_outputs, stride = sklgd_float32_stride(self.n_features)
        self.float32 = wanted and self.rows.float32 != NULL and (
            K > 1 and self.n_features >= FLOAT32_FEATURES)
        if self.float32 and self.float32_stride == 0:
            self.float32_stride = stride
            self.float32_coef = np.empty(K * stride, dtype=np.float32)
            self.units = np.empty(2 * K)
            # (Buffers of different threads lie in different cache lines.)
            self.float32_buffers = np.empty(self.n_threads * (K * stride + 2 * K + 8))
            self.derivatives = np.empty(
                self.n_threads * (FLOAT32_ROWS * K + 16), dtype=np.float32)

    def part(self, first, last):
        """The data term of some outputs for one thread; X and y are not copied."""
        return Problem(
            self.rows, np.asarray(self.y_view),
            None if self.s == NULL else np.asarray(self.s_view),
            self.loss.of_outputs(first, last), self.n_outputs, self.fit_intercept,
            None if self.subset == NULL else np.asarray(self.subset_view),
            outputs=(first, last), gradient_limit=self.gradient_limit)

    cdef Py_ssize_t chunk_rows(self, Py_ssize_t m) noexcept nogil:
        """Rows of each chunk but the last that m rows are cut into."""
        return max(1, ceil_div(m, max(1, min(self.max_chunks, m // self.least_rows))))

    cdef Scratch scratch(self, int thread) noexcept nogil:
        """Pointers to the buffers of one thread."""
        cdef Scratch out
        out.z = &self.buffers[thread * self.buffer_size]
        out.g = out.z + self.block * self.n_outputs
        out.y = out.g + self.apart * self.n_outputs
        out.s = out.y + self.block * self.n_targets
        return out

    cdef void gradients(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* coef, double scale, bint want_value, Scratch* scratch,
            double* total) noexcept nogil:
        """Fill scratch.g = s dl/dz for m <= block rows; total += their loss."""
        self.rows.forward(
            order, start, m, self.end, coef, self.n_outputs, scale, scratch.z)
        self.pull(order, start, m, want_value, scratch, total)

    cdef void pull(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            bint want_value, Scratch* scratch, double* total) noexcept nogil:
        """The same at the predictions scratch.z."""
        cdef const double* s
        cdef const double* y = self.targets(order, start, m, scratch, &s)
        total[0] += self.function.evaluate_batch(
            self.function, y, scratch.z, s, scratch.g, m, self.n_outputs, want_value)
        if self.gradient_limit < INFINITY:
            self.clip(s, m, scratch.g)

    cdef void clip(self, const double* s, Py_ssize_t m, double* g) noexcept nogil:
        """Keep the derivatives of m rows, of weights s, within the limit."""
        cdef Py_ssize_t i, k, K = self.n_outputs
        cdef double limit
        for i in range(m):
            limit = self.gradient_limit * (1.0 if s == NULL else s[i])
            for k in range(i * K, i * K + K):
                if g[k] > limit or g[k] < -limit:
                    g[k] = limit if g[k] > 0.0 else -limit

    cdef const double* targets(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Scratch* scratch, const double** weights) noexcept nogil:
        """Targets of m <= block rows; ``weights`` becomes theirs, NULL for ones.

        Points into the data where rows and outputs follow each other, else into
        scratch.
        """
        cdef Py_ssize_t i, k, row, n = self.n_targets
        if order == NULL and self.whole:
            weights[0] = NULL if self.s == NULL else self.s + start
            return self.y + start * n
        for i in range(m):
            row = start + i if order == NULL else order[start + i]
            for k in range(n):
                scratch.y[i * n + k] = (
                    self.y[row * self.y_stride + k] - self.first_class)
            if self.s != NULL:
                scratch.s[i] = self.s[row]
        weights[0] = NULL if self.s == NULL else scratch.s
        return scratch.y

    cdef void sweep(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* coef, double* grad) noexcept nogil:
        """grad = gradient of the mean loss over m rows.

        coef and grad have (n_features + 1) * n_outputs entries; grad is
        overwritten.
        """
        cdef Chunks chunks
        cdef Py_ssize_t i
        self.sweep_of(&chunks, order, start, m, coef, grad, False)
        if m & (m - 1) == 0:
            # Division by a power of two commutes with rounding. A pass over the
            # derivatives costs less than one over the coefficients.
            chunks.share = 1.0 / m
        chunks.float32 = self.float32 and m >= FLOAT32_BATCH
        if chunks.float32:
            sklgd_float32_coef(
                coef, self.n_features, self.n_outputs, &self.units[0],
                &self.units[self.n_outputs], &self.float32_coef[0])
        parallel_for(sweep_part, &chunks, chunks.number, self.n_threads)
        self.reduce(grad, chunks.number)
        if chunks.share == 1.0:
            for i in range(self.size):
                grad[i] /= m

    cdef double sweep_all(
            self, const double* coef, double* grad, bint want_value) except? -1.0:
        """Sum of losses over all rows that count; grad is their gradient, unless NULL.

        Ctrl-C ends it.
        """
        cdef Chunks chunks
        cdef double total
        self.sweep_of(&chunks, self.subset, 0, self.n_samples, coef, grad, want_value)
        self.run(sweep_part, &chunks)
        with nogil:
            if grad != NULL:
                self.reduce(grad, chunks.number)
            total = self.total(chunks.number)
        return total

    cdef void sweep_of(
            self, Chunks* chunks, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m, const double* coef, double* grad,
            bint want_value) noexcept nogil:
        self.cut(chunks, m)
        chunks.order, chunks.start, chunks.want_value = order, start, want_value
        chunks.float32, chunks.share = False, 1.0
        chunks.coef, chunks.out = coef, grad

    cdef void cut(self, Chunks* chunks, Py_ssize_t n) noexcept nogil:
        """Cut n rows into chunks, each of which is done in one go."""
        chunks.problem, chunks.n = <void*> self, n
        chunks.length = self.chunk_rows(n)
        chunks.number = ceil_div(n, chunks.length)
        chunks.begin, chunks.step = 0, chunks.length

    cdef int run(self, Body body, Chunks* chunks) except -1:
        """Call ``body`` for each chunk, with a look for Ctrl-C now and then."""
        chunks.step = self.look
        while True:
            with nogil:
                parallel_for(body, chunks, chunks.number, self.n_threads)
            chunks.begin += chunks.step
            if chunks.begin >= chunks.length:
                return 0
            PyErr_CheckSignals()

    cdef double total(self, Py_ssize_t n_chunks) noexcept nogil:
        """Sum of the chunks' losses, in the order of `reduce_columns` and `values`."""
        cdef Py_ssize_t chunk, step = 1
        while step < n_chunks:
            chunk = 0
            while chunk + step < n_chunks:
                self.totals[chunk] += self.totals[chunk + step]
                chunk += 2 * step
            step *= 2
        return self.totals[0]

    cdef double* partial(self, double* grad, Py_ssize_t chunk) noexcept nogil:
        """Where a chunk's part of ``grad`` is summed: for the first there itself."""
        if grad == NULL or chunk == 0:
            return grad
        return &self.partials[(chunk - 1) * self.stride]

    cdef void reduce(self, double* grad, Py_ssize_t n_chunks) noexcept nogil:
        """Add the chunks' partial gradients to ``grad``, in a fixed order."""
        cdef Chunks chunks
        if n_chunks == 1:
            return
        chunks.problem, chunks.number, chunks.out = <void*> self, n_chunks, grad
        parallel_for(
            reduce_part, &chunks, ceil_div(self.size, COLUMNS), self.n_threads)

    cdef void reduce_columns(
            self, double* grad, Py_ssize_t n_chunks, Py_ssize_t first,
            Py_ssize_t last) noexcept nogil:
        """`reduce` of some columns: pairs of chunks, pairs of pairs, and so on."""
        cdef Py_ssize_t chunk, j, step = 1
        cdef double* to
        cdef const double* other
        while step < n_chunks:
            chunk = 0
            while chunk + step < n_chunks:
                to = self.partial(grad, chunk)
                other = self.partial(grad, chunk + step)
                for j in range(first, last):
                    to[j] += other[j]
                chunk += 2 * step
            step *= 2

    cdef double sweep_chunk(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* coef, double* grad, bint want_value, double total, bint fresh,
            double share, int thread) noexcept nogil:
        """Total loss, and gradient unless NULL, of the rows of a chunk and those before.

        Goes on from ``total`` and, if not fresh, grad. The gradient is multiplied by
        ``share``.
        """
        cdef Py_ssize_t done = 0, first = 0, part, i, k, K = self.n_outputs
        cdef const double* constants = coef + self.n_features * K
        cdef bint constant = all_zero(coef, self.n_features * K)
        cdef Scratch scratch = self.scratch(thread)
        cdef double* g = scratch.g
        if grad != NULL and fresh:
            memset(grad, 0, self.size * sizeof(double))
        while done < m:
            part = min(self.block, m - done)
            scratch.g = g + (done - first) * K
            if constant:
                # Every fit starts from this model, for which X need not be read.
                for i in range(part):
                    for k in range(K):
                        scratch.z[i * K + k] = constants[k]
                self.pull(order, start + done, part, want_value, &scratch, &total)
            else:
                self.gradients(
                    order, start + done, part, coef, 1.0, want_value, &scratch, &total)
            done += part
            if done < m and done - first < self.apart:
                continue
            if share != 1.0:
                for i in range((done - first) * K):
                    g[i] *= share
            if grad != NULL:
                self.add_rows(order, start + first, done - first, g, grad)
            first = done
        return total

    cdef void add_rows(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* g, double* grad) noexcept nogil:
        """grad += X'g and the intercepts' gradient, of m rows."""
        cdef Py_ssize_t i, k, K = self.n_outputs
        cdef double* intercept = grad + self.n_features * K
        self.rows.backward(order, start, m, self.end, g, K, grad)
        if self.fit_intercept:
            for i in range(m):
                for k in range(K):
                    intercept[k] += g[i * K + k]

    cdef void sweep_float32(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* coef, double* grad, double share, int thread) noexcept nogil:
        """The same gradient of m rows with products in float32; see float32.h."""
        cdef Py_ssize_t done = 0, part, i, k, d = self.n_features, K = self.n_outputs
        cdef Py_ssize_t stride = self.float32_stride
        cdef double* G = &self.float32_buffers[thread * (K * stride + 2 * K + 8)]
        cdef double* unit = G + K * stride
        cdef float* g = &self.derivatives[thread * (FLOAT32_ROWS * K + 16)]
        cdef double* intercept = grad + d * K
        cdef double unused = 0.0
        cdef Scratch scratch = self.scratch(thread)
        memset(G, 0, K * stride * sizeof(double))
        memset(intercept, 0, K * sizeof(double))
        while done < m:
            part = min(min(self.block, FLOAT32_ROWS), m - done)
            self.rows.float32.forward(
                self.rows.data, d, order, start + done, part, self.end,
                &self.float32_coef[0], &self.units[0], coef + d * K, K, scratch.z)
            self.pull(order, start + done, part, False, &scratch, &unused)
            if share != 1.0:
                for i in range(part * K):
                    scratch.g[i] *= share
            sklgd_float32_derivatives(scratch.g, part, K, unit, unit + K, g)
            self.rows.float32.backward(
                self.rows.data, d, order, start + done, part, self.end, g, unit, K, G)
            if self.fit_intercept:
                for i in range(part):
                    for k in range(K):
                        intercept[k] += scratch.g[i * K + k]
            done += part
        sklgd_float32_gradient(G, d, K, grad)

    def value(self, coef):
        """Mean loss of all rows at ``coef`` (n_features + 1, n_outputs)."""
        cdef const double* w = entries(coef, self.n_features + 1, self.n_outputs)
        return self.sweep_all(w, NULL, True) / self.n_samples

    def empty_models(self, Py_ssize_t n_models):
        """An array for several coefficients that `values` need not copy."""
        return self.rows.empty_models(n_models, self.n_outputs)

    def values(self, models):
        """Mean losses at several coefficients; one read of X gives all.

        Parameters
        ----------
        models : float64 array of shape (n_models, n_features + 1, n_outputs)

        Returns
        -------
        values : ndarray of shape (n_models,)
        """
        cdef const double[:, :, :] coefs = models
        cdef Py_ssize_t n_models = coefs.shape[0]
        cdef Chunks chunks
        cdef Py_ssize_t chunk, step = 1
        cdef const double[::1] packed = self.rows.pack_models(models)
        cdef double[:, ::1] totals, z
        if (coefs.shape[1] != self.n_features + 1
                or coefs.shape[2] != self.n_outputs):
            raise ValueError("models must have shape (:, n_features + 1, n_outputs)")
        self.cut(&chunks, self.n_samples)
        sums = np.zeros((chunks.number, n_models))
        predictions = np.empty(
            (self.n_threads, 2 * self.block * n_models * self.n_outputs))
        totals, z = sums, predictions
        chunks.coef, chunks.n_models = &packed[0], n_models
        chunks.scratch, chunks.scratch_size = &z[0, 0], z.shape[1]
        chunks.out = &totals[0, 0]
        self.run(values_part, &chunks)
        while step < chunks.number:
            for chunk in range(0, chunks.number - step, 2 * step):
                sums[chunk] += sums[chunk + step]
            step *= 2
        return sums[0] / self.n_samples

    cdef void values_chunk(
            self, Py_ssize_t start, Py_ssize_t m, const double* packed,
            Py_ssize_t n_models, double* z, double* totals, int thread) noexcept nogil:
        """totals += the losses of m rows, while their blocks are in the cache."""
        cdef Py_ssize_t done = 0, part, model, K = self.n_outputs
        cdef Scratch scratch = self.scratch(thread)
        while done < m:
            part = min(self.block, m - done)
            self.rows.forward_models(
                self.subset, start + done, part, self.n_samples, packed, n_models, K,
                z + self.block * n_models * K, z)
            for model in range(n_models):
                scratch.z = z + model * part * K
                self.pull(
                    self.subset, start + done, part, True, &scratch, &totals[model])
            done += part

    def value_and_gradient(self, coef, gradient):
        """Mean loss at ``coef``; ``gradient`` (same shape) is overwritten.

        One read of X gives both.
        """
        cdef const double[:, ::1] w = coef
        cdef double[:, ::1] grad = gradient
        cdef double total
        self._check(w)
        self._check(grad)
        total = self.sweep_all(&w[0, 0], &grad[0, 0], True)
        gradient /= self.n_samples
        return total / self.n_samples

    # Batch methods keep the raw predictions Z of the rows that count, (n_samples,
    # n_outputs): a step along a direction then costs no product with X.

    def raw_predictions(self, coef, out, Py_ssize_t first=0):
        """out = X w + b for the rows that count, in their order, from ``first`` on."""
        cdef Chunks chunks
        cdef Py_ssize_t n = out.shape[0]
        cdef const double* w = entries(coef, self.n_features + 1, self.n_outputs)
        cdef double* z = entries(out, n, self.n_outputs, True)
        if not 0 <= first <= self.n_samples - n:
            raise ValueError("raw_predictions must have shape (n_samples, n_outputs)")
        if n == 0:
            return
        self.cut(&chunks, n)
        chunks.start, chunks.coef, chunks.out = first, w, z
        self.run(raw_predictions_part, &chunks)

    cdef void raw_predictions_chunk(
            self, Py_ssize_t start, Py_ssize_t m, const double* coef,
            double* z) noexcept nogil:
        """z (m, n_outputs) = X w + b of m rows."""
        cdef Py_ssize_t done = 0, part, K = self.n_outputs
        while done < m:
            part = min(self.block, m - done)
            self.rows.forward(
                self.subset, start + done, part, self.n_samples, coef, K, 1.0,
                z + done * K)
            done += part

    def constant_value(self, const double[::1] raw_predictions):
        """Mean loss of a constant model; X is not read."""
        cdef Scratch scratch = self.scratch(0)
        cdef Py_ssize_t done = 0, part, i, k, K = self.n_outputs
        cdef double total = 0.0
        if raw_predictions.shape[0] != K:
            raise ValueError("a constant model has n_outputs predictions")
        for i in range(self.block):
            for k in range(K):
                scratch.z[i * K + k] = raw_predictions[k]
        with nogil:
            while done < self.n_samples:
                part = min(self.block, self.n_samples - done)
                self.pull(self.subset, done, part, True, &scratch, &total)
                done += part
        return total / self.n_samples

    def hessian_product(self, loss, coef, direction, out, raw_predictions=None):
        """out = H p: the Hessian of a mean loss at ``coef`` times a direction p.

        With q_i = x_i.p + p_b, sum_i h_i q_i x_i / n_samples, h_i being the second
        derivative at row i (at least 0); of the softmax
        s_i p_ik (q_ik - sum_l p_il q_il) in place of h_ik q_ik. One read of X. If the
        raw predictions at ``coef`` are known, as ``raw_predictions``, they save a product. The
        loss is the problem's own, or a smoothed form of it.
        """
        cdef const double[:, ::1] w = coef, p = direction, known
        cdef const double* z = NULL
        cdef double[:, ::1] grad = out
        cdef double[::1] more
        cdef Chunks chunks
        cdef Py_ssize_t length = self.apart * self.n_outputs
        cdef bint coupled = loss.coupled(self.n_outputs)
        self._check(w)
        self._check(p)
        self._check(grad)
        if raw_predictions is not None:
            known = raw_predictions
            self._check_raw_predictions(known)
            z = &known[0, 0]
        products = np.empty(length * self.n_threads)
        more = products
        self.cut(&chunks, self.n_samples)
        chunks.loss, chunks.coupled = <void*> <LossFunction> loss.kernel, coupled
        chunks.coef, chunks.direction, chunks.z = &w[0, 0], &p[0, 0], z
        chunks.scratch, chunks.scratch_size = &more[0], length
        chunks.out = &grad[0, 0]
        self.run(product_part, &chunks)
        with nogil:
            self.reduce(&grad[0, 0], chunks.number)
        out /= self.n_samples

    cdef void product_chunk(
            self, LossFunction loss, Py_ssize_t start, Py_ssize_t m, const double* coef,
            const double* p, const double* raw_predictions, bint coupled, double* q, double* grad,
            bint fresh, int thread) noexcept nogil:
        """`hessian_product` of m rows, not divided; q has apart * n_outputs entries.

        It is added to what grad holds, unless that is fresh.
        """
        cdef const double* z
        cdef Py_ssize_t done = 0, first = 0, part, i, k, j, K = self.n_outputs
        cdef double* h
        cdef const double* y
        cdef const double* s
        cdef double mean, weight
        cdef Scratch scratch = self.scratch(thread)
        cdef double* g = scratch.g
        if fresh:
            memset(grad, 0, self.size * sizeof(double))
        while done < m:
            part = min(self.block, m - done)
            z = scratch.z if raw_predictions == NULL else raw_predictions + (start + done) * K
            if raw_predictions == NULL:
                self.rows.forward(
                    self.subset, start + done, part, self.n_samples, coef, K, 1.0,
                    scratch.z)
            h = q + (done - first) * K
            self.rows.forward(
                self.subset, start + done, part, self.n_samples, p, K, 1.0, h)
            y = self.targets(self.subset, start + done, part, &scratch, &s)
            if coupled:
                # Derivatives without weights are p - (0, ..., 1, ..., 0).
                loss.evaluate_batch(loss, y, z, NULL, g, part, K, False)
                for i in range(part):
                    g[i * K + <Py_ssize_t> y[i]] += 1.0
                    mean = 0.0
                    for k in range(K):
                        mean += g[i * K + k] * h[i * K + k]
                    weight = 1.0 if s == NULL else s[i]
                    for k in range(K):
                        h[i * K + k] = g[i * K + k] * (weight * (h[i * K + k] - mean))
            else:
                if s == NULL:
                    for i in range(part):
                        scratch.s[i] = 1.0
                    s = scratch.s
                loss.curvature_batch(loss, y, z, s, g, part, K)
                for j in range(part * K):
                    h[j] = max(g[j], 0.0) * h[j]
            done += part
            if done == m or done - first >= self.apart:
                self.add_rows(self.subset, start + first, done - first, q, grad)
                first = done

    def line(self, loss, z, direction, t, gradients, derivative):
        """A loss on the line z_k + t_k direction_k, a length for each output.

        Parameters
        ----------
        loss : Loss
            The problem's own, or a smoothed form of it.
        z, direction : float64 arrays of shape (n_samples, n_outputs)
        t : float64 array of shape (n_outputs,)
        gradients : float64 array of shape (n_samples, n_outputs)
            Overwritten with s dl/dz.
        derivative : float64 array of shape (n_outputs,)
            Overwritten with the mean loss's derivatives in t_k.

        Returns
        -------
        value : float
            Mean loss.
        """
        cdef Chunks chunks
        cdef Py_ssize_t n = self.n_samples, K = self.n_outputs, chunk, k
        cdef const double* a = entries(z, n, K)
        cdef const double* p = entries(direction, n, K)
        cdef double* g = entries(gradients, n, K, True)
        cdef const double* lengths = entries(t, K, 0)
        cdef double* out = entries(derivative, K, 0, True)
        cdef double* sums
        self.cut(&chunks, n)
        partial = np.zeros(chunks.number * (K + 1))
        sums = entries(partial, chunks.number * (K + 1), 0)
        chunks.loss = <void*> <LossFunction> loss.kernel
        chunks.z, chunks.direction, chunks.coef = a, p, lengths
        chunks.out, chunks.sums = g, sums
        self.run(line_part, &chunks)
        for chunk in range(1, chunks.number):
            for k in range(K + 1):
                sums[k] += sums[chunk * (K + 1) + k]
        for k in range(K):
            out[k] = sums[1 + k] / n
        return sums[0] / n

    def curvatures(self, loss, z, Py_ssize_t start=0):
        """Second derivatives s_i d2l/dz_k^2 of rows that count, or 0 where negative.

        Parameters
        ----------
        loss : Loss
            The problem's own, or a smoothed form of it.
        z : float64 array of shape (m, n_outputs)
            Raw predictions.
        start : int, default=0
            Position of the first row.

        Returns
        -------
        h : ndarray of shape (m, n_outputs)
        """
        cdef Py_ssize_t done = 0, part, i, m = z.shape[0], K = self.n_outputs
        cdef const double* y
        cdef const double* s
        cdef const double* at = entries(z, m, K)
        cdef double* out
        cdef Scratch scratch = self.scratch(0)
        cdef LossFunction function = loss.kernel
        h = np.empty((m, K))
        out = entries(h, m, K)
        if start < 0 or start + m > self.n_samples:
            raise ValueError("z does not match the rows")
        with nogil:
            while done < m:
                part = min(self.block, m - done)
                y = self.targets(self.subset, start + done, part, &scratch, &s)
                function.curvature_batch(function, y, at, s, out, part, K)
                for i in range(part * K):
                    # Tweedie's loss is not convex for every power.
                    out[i] = max(out[i], 0.0)
                at, out = at + part * K, out + part * K
                done += part
        return h

    cdef void line_chunk(
            self, LossFunction loss, Py_ssize_t start, Py_ssize_t m, const double* z,
            const double* p, const double* t, double* g, double* sums,
            int thread) noexcept nogil:
        """sums[0] += the loss of m rows, sums[1:] += its derivatives."""
        cdef Py_ssize_t done = 0, part, first, i, k, j, K = self.n_outputs
        cdef const double* y
        cdef const double* s
        cdef Scratch scratch = self.scratch(thread)
        while done < m:
            part = min(self.block, m - done)
            first = (start + done) * K
            for i in range(part):
                for k in range(K):
                    j = i * K + k
                    scratch.z[j] = z[first + j] + t[k] * p[first + j]
            y = self.targets(self.subset, start + done, part, &scratch, &s)
            sums[0] += loss.evaluate_batch(
                loss, y, scratch.z, s, g + first, part, K, True)
            for i in range(part):
                for k in range(K):
                    j = first + i * K + k
                    sums[1 + k] += g[j] * p[j]
            done += part

    def gradient(self, gradients, out):
        """out = X'G / n_samples and, in the last row, the columns' means of G."""
        cdef Chunks chunks
        cdef Py_ssize_t n = self.n_samples, j
        cdef const double* g = entries(gradients, n, self.n_outputs)
        cdef double* grad = entries(out, self.n_features + 1, self.n_outputs, True)
        self.cut(&chunks, n)
        chunks.z, chunks.out = g, grad
        self.run(gradient_part, &chunks)
        with nogil:
            self.reduce(grad, chunks.number)
            for j in range(self.size):
                grad[j] /= n

    cdef void gradient_chunk(
            self, Py_ssize_t start, Py_ssize_t m, const double* g,
            double* grad, bint fresh) noexcept nogil:
        cdef Py_ssize_t done = 0, part
        if fresh:
            memset(grad, 0, self.size * sizeof(double))
        while done < m:
            part = min(self.block, m - done)
            self.add_rows(self.subset, start + done, part,
                          g + (start + done) * self.n_outputs, grad)
            done += part

    cdef _check(self, const double[:, ::1] w):
        if w.shape[0] != self.n_features + 1 or w.shape[1] != self.n_outputs:
            raise ValueError("coef must have shape (n_features + 1, n_outputs)")

    cdef _check_raw_predictions(self, const double[:, ::1] z):
        if z.shape[0] != self.n_samples or z.shape[1] != self.n_outputs:
            raise ValueError("raw_predictions must have shape (n_samples, n_outputs)")
