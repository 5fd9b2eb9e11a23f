"""The loop over batches: `Descent` takes steps of an optimizer's rule.

    z = X_b w + b  ->  g = dl/dz  ->  X_b' g  ->  rule.step  ->  t += 1

A stochastic step is a batch of one row, batch descent a batch of all. Where sparse
batches have few active features, only these are gathered, make the steps that they missed
(`Rule.lagged_update`) and the present one, and are scattered back. No formula of a loss, a
penalty or an optimizer appears here.
"""
cimport cython
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import numpy as np

from sklgd.kernels._blas cimport dgemm, dgemv, import_blas
from sklgd.kernels._penalty cimport keep_signs
from sklgd.kernels._rules cimport Place, Rule, SGDRule
from sklgd.kernels._problem cimport Problem, Scratch
from sklgd.kernels._rows cimport sklgd_aggression, sklgd_sgd, sklgd_point_function, sklgd_walk
from sklgd.kernels._threads cimport parallel_for
from sklgd.kernels._active_features cimport MAX_PARTS, Parts, ActiveFeatures

import_blas()


cdef void steps_of(void* descents, Py_ssize_t i, int thread) noexcept nogil:
    (<Descent> (<void**> descents)[i]).steps()


def run_together(list descents):
    """Take the steps that each of these `Descent`s has prepared, each in its own thread.

    No two of them may share a rule, or arrays that they change.
    """
    cdef int i, n = len(descents)
    cdef void** each = <void**> malloc(n * sizeof(void*))
    if each == NULL:
        raise MemoryError
    for i in range(n):
        each[i] = <void*> <Descent?> descents[i]
    with nogil:
        parallel_for(steps_of, each, n, n)
    free(each)


cdef struct Call:
    # The steps that `steps` takes.
    const Py_ssize_t* rows
    const Py_ssize_t* fetch
    const double* etas
    Py_ssize_t n_steps, batch_size, start, ahead
    Py_ssize_t counted                  # steps of active features at the end that are averaged
    long long average_from, mean_from


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
        w_jk = scale_jk u_jk and b_k = scale_bk u_bk - sum_j centre_j w_jk (internal
        feature scaling: X itself is neither scaled nor centred).
    centre : float64 array of shape (n_features,), or None
        None means zeros.
    scale, gradient_scale : float64 arrays shaped like coef, or None
        The rule sees the gradient gradient_scale_jk (g_jk - centre_j g_bk).
    rotation : float64 array of shape (1 or n_outputs, n_features + 1, n_features + 1)
        or None. R_k, if coordinates are mixed, too: w_k = scale_k (R_k u_k), then the
        centre as above, and the rule sees R_k' times the gradient above. One matrix
        serves all outputs.
    ridge : float64 array of shape (n_features, n_outputs), or None
        With a rotation: the l2 penalty, which is no longer one of single coordinates;
        its gradient ridge * w joins that of the data term.
    row_penalty : (l1, l2) or None
        Penalty of every feature without feature scaling: plain SGD then adds rows
        directly to the coefficients.
    by_features : bool, default=False
        True if steps of sparse batches move the active features only. The rule must have
        a `lagged_update` for its penalty.
    average : float64 array shaped like coef, or None
    average_count : int
        Steps that ``average`` holds already.
    mean : float64 array shaped like coef, or None
        Takes the mean position of the steps that `run` is told to average.
    intercept_rate : float, default=1
        The gradient with respect to the intercept is multiplied with it.
    aggressive : {0, 1, 2}, default=0
        1 and 2: steps of single rows are passive-aggressive, PA-I and PA-II; the learning
        rates are their parameter C. For losses with `Loss.unit_gradient`.
    cumulative : bool, default=False
        True if a row applies the l1 penalty to its own features only, as in
        SGDClassifier; for plain SGD on single rows (`SGDRule`).
    float32 : bool, default=False
        True if the products of steps may be computed in float32 where X is float32
        (`Problem.use_float32`).
    """

    cdef Problem problem
    cdef Problem source                 # holds the rows of `run`
    cdef Py_ssize_t end                 # number of positions in the order of `run`
    cdef Call call
    cdef object call_owners             # owners of its arrays
    cdef Rule rule
    cdef SGDRule row_rule
    cdef double[:, ::1] coef_view, u_view
    cdef const double[:, ::1] scale_view, gradient_scale_view
    cdef const double[:, :, ::1] rotation_view
    cdef const double[::1] centre_view
    cdef double[::1] grad
    cdef double[::1] mixed
    cdef double[:, ::1] average_view, mean_view
    cdef double* coef
    cdef double* u
    cdef const double* centre
    cdef const double* scale
    cdef const double* gradient_scale
    cdef const double* rotation
    cdef Py_ssize_t n_rotations
    cdef const double[:, ::1] ridge_view
    cdef const double* ridge
    cdef double intercept_rate
    cdef int aggressive
    cdef double* average
    cdef double* mean
    cdef public long long mean_count
    cdef Py_ssize_t size
    cdef public long long average_count
    cdef bint gradient_known
    cdef bint float32
    cdef bint lazy
    cdef double[::1] current            # coefficients of a row's features
    cdef bint by_features
    cdef bint uniform                   # one penalty, l1 and l2, for all features
    cdef bint has_l1, has_l2            # whether some coordinate has such a penalty
    cdef double l1, l2
    cdef ActiveFeatures active
    cdef Parts whole                    # coordinates, slots, sums: all of them
    cdef Parts compact                  # the same of the active features
    cdef Place place                    # the part of these that the rule works on
    cdef double[::1] buffers            # memory of compact, place, and the next three
    cdef double* compact_coef
    cdef double* compact_grad
    cdef double* compact_scale
    cdef Py_ssize_t[::1] compact_since
    cdef Py_ssize_t[::1] since          # steps of this run that a feature has made
    cdef double[::1] totals             # sums of the coordinates that count
    cdef const signed char[::1] sign_view
    cdef const signed char* signs       # of the features; NULL: all may have either sign
    cdef double[8] unused               # keeps descents of two threads in different cache lines

    def __init__(self, Problem problem, Rule rule, coef, position, *, centre=None,
                 scale=None, gradient_scale=None, rotation=None, ridge=None,
                 row_penalty=None, by_features=False, average=None, average_count=0,
                 mean=None, double intercept_rate=1.0, int aggressive=0,
                 bint cumulative=False, signs=None, bint float32=False):
        self.problem, self.rule, self.float32 = problem, rule, float32
        self.signs = NULL
        if signs is not None:
            self.sign_view = signs
            if self.sign_view.shape[0] != problem.n_features or rotation is not None:
                raise ValueError("signs must have n_features entries and no rotation")
            self.signs = &self.sign_view[0]
        self.intercept_rate, self.aggressive = intercept_rate, aggressive
        self.source, self.end = problem, problem.n_samples
        self.coef_view, self.u_view = coef, position
        problem._check(self.coef_view)
        problem._check(self.u_view)
        self.coef, self.u = &self.coef_view[0, 0], &self.u_view[0, 0]
        self.size = coef.size
        self.grad = np.zeros(self.size)
        self.centre = self.scale = self.gradient_scale = self.average = NULL
        if scale is not None:
            self.scale_view, self.gradient_scale_view = scale, gradient_scale
            problem._check(self.scale_view)
            problem._check(self.gradient_scale_view)
            self.scale = &self.scale_view[0, 0]
            self.gradient_scale = &self.gradient_scale_view[0, 0]
        if centre is not None:
            self.centre_view = centre
            if self.centre_view.shape[0] != problem.n_features or scale is None:
                raise ValueError("centre must have n_features entries and a scale")
            self.centre = &self.centre_view[0]
        self.rotation = self.ridge = self.mean = NULL
        if rotation is not None:
            self.rotation_view = rotation
            if not (self.scale != NULL and self.rotation_view.shape[1]
                    == self.rotation_view.shape[2] == problem.n_features + 1
                    and self.rotation_view.shape[0] in (1, problem.n_outputs)):
                raise ValueError("rotation must be square and come with a scale")
            self.rotation = &self.rotation_view[0, 0, 0]
            self.n_rotations = self.rotation_view.shape[0]
            self.ridge_view = ridge
            if not (self.ridge_view.shape[0] == problem.n_features
                    and self.ridge_view.shape[1] == problem.n_outputs):
                raise ValueError("a rotation needs a ridge for each coefficient")
            if problem.n_features > 0:
                self.ridge = &self.ridge_view[0, 0]
            self.mixed = np.empty(self.size)
        self.mean_count = 0
        if mean is not None:
            self.mean_view = mean
            problem._check(self.mean_view)
            self.mean = &self.mean_view[0, 0]
        if average is not None:
            self.average_view = average
            problem._check(self.average_view)
            self.average = &self.average_view[0, 0]
        self.average_count = average_count
        self.row_rule = None
        self.lazy = False
        self.by_features = by_features
        self.uniform = row_penalty is not None
        self.l1 = self.l2 = 0.0
        if self.uniform:
            self.l1, self.l2 = row_penalty
        if by_features:
            if not problem.rows.is_sparse or centre is not None or rotation is not None:
                raise ValueError("only sparse rows that are not centred have active features")
            self.since = np.zeros(problem.n_features, dtype=np.intp)
            self.totals = np.zeros(self.size)
        elif rule.adds_rows and row_penalty is not None and signs is None:
            self.row_rule = rule
            self.lazy = problem.rows.is_sparse and average is None and (
                row_penalty[0] > 0.0 and not cumulative)
            self.row_rule.start_rows(
                problem.n_outputs, row_penalty[0], row_penalty[1], self.lazy, cumulative,
                self.average)
            if self.lazy:
                self.current = np.empty(1 + problem.rows.longest_row())
        self.gradient_known = False

    def run(self, order, const double[::1] etas, Py_ssize_t batch_size,
            Py_ssize_t start, long long average_from, long long mean_from=0, *,
            fetch=None, Py_ssize_t ahead=0, Problem source=None):
        """Take len(etas) steps over the rows order[start:], natural if None.

        Parameters
        ----------
        order : intp array or None
            Numbers of the problem's rows in the order of this call; None takes
            them as they are.
        etas : float64 array
            Learning rate of each batch; there must be rows for each.
        batch_size : int
            Rows per batch; the last of the data may be smaller.
        start : int
            Position of the first row.
        average_from : int
            Steps before this one (counted from 0 in this call) are not
            averaged.
        mean_from : int
            The same for ``mean``.
        fetch : intp array or None
            Rows in the order in which plain SGD on single rows shall ask for them,
            ``ahead`` steps before position by position they are due; None: that of
            ``order``, at a distance that suits the length of a row.
        source : Problem or None
            Where the rows are, if not in the problem itself: a copy with all its rows.
        """
        self.prepare(order, etas, batch_size, start, average_from, mean_from,
                     fetch=fetch, ahead=ahead, source=source)
        with nogil:
            self.steps()

    def prepare(self, order, const double[::1] etas, Py_ssize_t batch_size,
                Py_ssize_t start, long long average_from, long long mean_from=0, *,
                fetch=None, Py_ssize_t ahead=0, Problem source=None):
        """Prepare the `steps` of a `run`, which has the same parameters."""
        cdef const Py_ssize_t[::1] order_view, fetch_view
        cdef Py_ssize_t n_steps = etas.shape[0], n
        self.source = self.problem if source is None else source
        self.call.rows, self.call.fetch, n = self.source.subset, NULL, self.source.n_samples
        if order is not None:
            order_view = order
            n = order_view.shape[0]
            self.call.rows = self.call.fetch = &order_view[0]
        if start < 0 or batch_size < 1 or (
            n_steps and start + (n_steps - 1) * batch_size >= n
        ):
            raise ValueError("there are fewer rows than the steps need")
        if fetch is not None:
            fetch_view = fetch
            if fetch_view.shape[0] != n:
                raise ValueError("fetch must have an entry for each of order")
            self.call.fetch = &fetch_view[0]
        self.call_owners = order, fetch, etas
        self.call.etas = &etas[0] if n_steps else NULL
        self.call.n_steps, self.call.batch_size = n_steps, batch_size
        self.call.start, self.call.ahead = start, ahead
        self.call.average_from, self.call.mean_from = average_from, mean_from
        self.end = self.source.end = n
        self.problem.use_float32(self.float32)
        if self.by_features:
            self.prepare_features(
                etas, average_from if self.average != NULL else mean_from)

    cdef prepare_features(self, const double[::1] etas, long long count_from):
        """`prepare` for steps of active features, averaged from ``count_from`` on."""
        cdef Py_ssize_t step, position, longest = 0
        cdef Py_ssize_t n_steps = self.call.n_steps, batch_size = self.call.batch_size
        cdef bint summed = self.average != NULL or self.mean != NULL
        with nogil:
            for step in range(n_steps):
                position = self.call.start + step * batch_size
                longest = max(longest, self.problem.rows.n_entries(
                    self.call.rows, position, min(batch_size, self.end - position)))
        if max(n_steps, longest) > 2**31 - 1:
            raise ValueError(
                "Batches of sparse rows may have up to 2**31 - 1 entries, and an epoch as "
                f"many batches, but batch_size={batch_size} makes {n_steps} batches of up "
                f"to {longest} entries. Use another batch_size.")
        self.call.counted = 0
        if summed and count_from < n_steps:
            self.call.counted = n_steps - max(0, count_from)
        self.rule.prepare_lagged(
            etas, self.problem.n_outputs, self.l1, self.l2, self.call.counted > 0)
        self.make_room(longest, batch_size, summed)

    cdef bint takes_rows(self, Py_ssize_t batch_size) noexcept nogil:
        """True if rows of batches of this size are added directly to the coefficients."""
        return self.row_rule is not None and batch_size <= self.problem.block

    def shares_rows(self, Py_ssize_t batch_size):
        """True if several threads process the rows of each batch of this size."""
        return not (self.by_features or self.takes_rows(batch_size)) and (
            self.problem.chunk_rows(batch_size) < batch_size)

    cdef void steps(self) noexcept nogil:
        """Take the steps of the last `prepare`."""
        cdef Call call = self.call
        cdef Py_ssize_t step, position, m, n = self.end
        cdef bint by_rows = self.takes_rows(call.batch_size)
        if self.by_features:
            self.steps_by_features()
            call.n_steps = 0
        elif by_rows:
            self.row_rule.pack()
            if call.batch_size == self.problem.n_outputs == 1 and (
                    self.average == NULL and self.mean == NULL):
                self.descend()
                call.n_steps = 0
        for step in range(call.n_steps):
            position = call.start + step * call.batch_size
            m = min(call.batch_size, n - position)
            if by_rows:
                self.step_rows(call.rows, position, m, call.etas[step])
            else:
                self.step_gradient(call.rows, position, m, call.etas[step])
            if self.average != NULL and step >= call.average_from:
                self.update_average()
            if self.mean != NULL and step >= call.mean_from:
                self.update_mean()
        self.source.end = self.source.n_samples
        self.gradient_known = False

    cdef void steps_by_features(self) noexcept nogil:
        """`steps`, each of the active features only."""
        cdef Call call = self.call
        cdef Py_ssize_t step, position, j
        cdef Py_ssize_t first = call.n_steps - call.counted     # of the averaged ones
        cdef bint count = False
        self.active.pack(&self.whole, &self.since[0])
        for step in range(call.n_steps):
            position = call.start + step * call.batch_size
            if step == first:
                # Earlier steps are not averaged.
                self.apply_lagged(step, False)
                self.active.pack(&self.whole, &self.since[0])
                count = True
            self.step_active(
                call.rows, position, min(call.batch_size, self.end - position),
                call.etas[step], step, count)
        self.apply_lagged(call.n_steps, count)
        for j in range(self.since.shape[0]):
            self.since[j] = 0
        if self.scale != NULL:
            self.to_raw()
        if count:
            self.fold(call.counted)

    cdef make_room(self, Py_ssize_t longest, Py_ssize_t batch_size, bint summed):
        """Allocate buffers for batches with up to ``longest`` entries."""
        cdef Py_ssize_t K = self.problem.n_outputs, i, n_parts = 1 + self.rule.n_slots
        cdef Py_ssize_t room = (min(longest, self.problem.n_features) + 1) * K
        cdef double* first
        if self.active is not None and (
                self.active.max_rows >= batch_size
                and self.active.max_entries >= longest):
            return
        self.whole.part[0] = self.rule.whole.w
        for i in range(self.rule.n_slots):
            self.whole.part[1 + i] = self.rule.whole.slot[i]
        if summed:
            self.whole.part[n_parts] = &self.totals[0]
            n_parts += 1
        self.whole.n = self.compact.n = n_parts
        self.active = ActiveFeatures(self.problem.rows, K, n_parts, batch_size, longest)
        self.buffers = np.empty((MAX_PARTS + 5) * room)
        self.compact_since = np.empty(room, dtype=np.intp)
        first = &self.buffers[0]
        for i in range(MAX_PARTS):
            self.compact.part[i] = first
            first += room
        self.place.w = self.compact.part[0]
        for i in range(self.rule.n_slots):
            self.place.slot[i] = self.compact.part[1 + i]
        self.place.l1, self.place.l2 = first, first + room
        for i in range(room):
            first[i], first[room + i] = self.l1, self.l2
        _, l1, l2 = self.rule.owners
        self.has_l1, self.has_l2 = l1.any(), l2.any()
        self.compact_grad, self.compact_scale = first + 2 * room, first + 3 * room
        self.compact_coef = self.place.w if self.scale == NULL else first + 4 * room

    cdef void step_active(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            double eta, Py_ssize_t step, bint count) noexcept nogil:
        """Make the steps that the active features of m rows missed, and the present one."""
        cdef Py_ssize_t i, k, n, done = 0, part, size, K = self.problem.n_outputs
        cdef Scratch scratch = self.problem.scratch(0)
        cdef double* g = scratch.g
        cdef double* w = self.place.w
        cdef double* grad = self.compact_grad
        cdef double* totals = self.compact.part[self.compact.n - 1]
        cdef double* intercept
        cdef double unused = 0.0, share = 1.0 / m
        self.ask(order, start, m)
        self.active.load(
            order, start, m, &self.whole, &self.compact, &self.compact_since[0])
        n = self.active.n_features
        size = self.place.size = (n + 1) * K
        if self.uniform:
            self.penalise(n * K, 0.0, 0.0)
        else:
            if self.has_l1:
                self.active.pick(self.rule.whole.l1, <double*> self.place.l1)
            if self.has_l2:
                self.active.pick(self.rule.whole.l2, <double*> self.place.l2)
        self.rule.at = self.place
        self.rule.lagged_update(n, &self.compact_since[0], step, totals if count else NULL)
        if self.signs != NULL:
            keep_signs(w, self.signs, self.active.features, n, K)
        if self.scale != NULL:
            self.active.pick(self.scale, self.compact_scale)
            for i in range(size):
                self.compact_coef[i] = self.compact_scale[i] * w[i]
        memset(grad, 0, size * sizeof(double))
        intercept = grad + n * K
        while done < m:
            part = min(self.problem.block, m - done)
            self.active.forward(done, part, self.compact_coef, scratch.z)
            self.problem.pull(order, start + done, part, False, &scratch, &unused)
            if self.aggressive:
                self.lengthen(self.problem, order, start + done, part, eta, &scratch)
            self.active.backward(done, part, g, grad)
            if self.problem.fit_intercept:
                for i in range(part):
                    for k in range(K):
                        intercept[k] += g[i * K + k]
            done += part
        for k in range(K):
            intercept[k] *= self.intercept_rate
        for i in range(size):
            grad[i] *= share
        if self.scale != NULL:
            self.active.pick(self.gradient_scale, self.compact_scale)
            for i in range(size):
                grad[i] *= self.compact_scale[i]
        self.rule.step(grad, eta)
        if self.signs != NULL:
            keep_signs(w, self.signs, self.active.features, n, K)
        self.rule.at = self.rule.whole
        if count:
            for i in range(size):
                totals[i] += w[i]
        self.active.scatter(&self.compact, &self.whole, step + 1)
        if self.uniform:
            self.penalise(n * K, self.l1, self.l2)

    cdef void penalise(self, Py_ssize_t first, double l1, double l2) noexcept nogil:
        """Set the penalty of the coordinates of the intercept, or of later features."""
        cdef Py_ssize_t k
        for k in range(first, first + self.problem.n_outputs):
            (<double*> self.place.l1)[k] = l1
            (<double*> self.place.l2)[k] = l2

    cdef void ask(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m) noexcept nogil:
        """Prefetch the next rows, and the records of the features of a single one.

        (Those of more rows would push each other out of the cache before they are due.)
        """
        cdef Py_ssize_t row, n = self.end
        for row in range(start + m, min(start + 2 * m, n)):
            self.problem.rows.ask(order, row, n)
            if m == 1:
                self.problem.rows.ask_features(
                    order, row, self.active.records, self.active.stride)

    cdef void apply_lagged(self, Py_ssize_t now, bint count) noexcept nogil:
        """Make the steps before ``now`` that each feature missed."""
        cdef Py_ssize_t j
        self.active.unpack(&self.whole, &self.since[0])
        self.rule.lagged_update(self.problem.n_features, &self.since[0], now,
                                &self.totals[0] if count else NULL)
        if self.signs != NULL:
            keep_signs(
                self.u, self.signs, NULL, self.problem.n_features, self.problem.n_outputs)
        for j in range(self.problem.n_features):
            self.since[j] = now

    cdef void fold(self, Py_ssize_t counted) noexcept nogil:
        """Add the steps summed in ``totals`` to the mean that is kept; clear them."""
        cdef Py_ssize_t j
        cdef double* mean = self.mean
        cdef double factor = 1.0, share
        cdef long long before = self.mean_count
        if self.average != NULL:
            mean, before = self.average, self.average_count
            self.average_count += counted
        else:
            self.mean_count += counted
        share = 1.0 / (before + counted)
        for j in range(self.size):
            if self.average != NULL and self.scale != NULL:
                factor = self.scale[j]
            if before == 0:
                mean[j] = 0.0
            mean[j] += share * (factor * self.totals[j] - counted * mean[j])
            self.totals[j] = 0.0

    cdef void step_gradient(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            double eta) noexcept nogil:
        """Gradient of the batch's mean loss, then the rule's step."""
        cdef Py_ssize_t i, K = self.problem.n_outputs
        cdef double* grad = &self.grad[0]
        if not self.gradient_known:
            self.problem.sweep(order, start, m, self.coef, grad)
        self.gradient_known = False
        for i in range(self.size - K, self.size):
            grad[i] *= self.intercept_rate
        if self.scale != NULL:
            self.to_scaled(grad)
        self.rule.step(grad, eta)
        if self.signs != NULL:
            keep_signs(
                self.u, self.signs, NULL, self.problem.n_features, self.problem.n_outputs)
        if self.scale != NULL:
            self.to_raw()

    cdef void descend(self) noexcept nogil:
        """`step_rows` for single rows and one output, without a call per row and part."""
        cdef sklgd_walk walk
        cdef sklgd_sgd sgd
        walk.visit, walk.fetch = self.call.rows, self.call.fetch
        walk.ahead, walk.start = self.call.ahead, self.call.start
        walk.m, walk.etas = self.call.n_steps, self.call.etas
        walk.y, walk.s = self.source.y, self.source.s
        sgd.coef, sgd.records = self.coef, self.row_rule.records
        sgd.current = &self.current[0] if self.lazy else NULL
        sgd.paid, sgd.due = self.row_rule.paid, self.row_rule.due
        sgd.scale, sgd.l1_sum = self.row_rule.scale, self.row_rule.l1_sum
        sgd.l1, sgd.l2 = self.row_rule.l1, self.row_rule.l2
        sgd.fit_intercept = self.problem.fit_intercept
        sgd.gradient = <sklgd_point_function> self.problem.function.gradient_at
        sgd.value = <sklgd_point_function> self.problem.function.value_at
        sgd.limit, sgd.intercept_rate = self.problem.gradient_limit, self.intercept_rate
        sgd.aggressive = self.aggressive
        sgd.exponential = self.problem.function.exponential
        sgd.loss = <void*> self.problem.function
        self.source.rows.descend(&walk, &sgd)
        self.row_rule.scale, self.row_rule.l1_sum = sgd.scale, sgd.l1_sum
        self.row_rule.due = sgd.due
        self.row_rule.t += self.call.n_steps

    cdef void step_rows(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            double eta) noexcept nogil:
        """A step of plain SGD that adds the rows directly to the coefficients."""
        cdef Py_ssize_t i, k, row, K = self.problem.n_outputs
        cdef Py_ssize_t n = self.end
        cdef double* intercept = self.coef + self.problem.n_features * K
        cdef Scratch scratch = self.source.scratch(0)
        cdef double* g = scratch.g
        cdef double c, unused = 0.0
        if self.lazy:
            self.source.rows.lagged_forward(
                order, start, m, n, self.row_rule.records, self.row_rule.l1_sum, intercept,
                K, self.row_rule.scale, scratch.z)
            self.source.pull(order, start, m, False, &scratch, &unused)
        else:
            if self.source.rows.is_sparse and K == 1 and start + 2 < n:
                self.source.rows.ask_features(order, start + 2, self.coef, 1)
            self.source.gradients(
                order, start, m, self.coef, self.row_rule.scale, False, &scratch,
                &unused)
        if self.aggressive:
            self.lengthen(self.source, order, start, m, eta, &scratch)
            row = start if order == NULL else order[start]
            if self.aggressive == 1 and self.source.rows.square(row) == 0.0:
                # There is no PA-I step along a row of zeros.
                return
        self.row_rule.decay(eta)
        c = -eta / m
        if self.problem.fit_intercept:
            for i in range(m):
                for k in range(K):
                    intercept[k] += c * self.intercept_rate * g[i * K + k]
        c /= self.row_rule.scale
        for i in range(m * K):
            g[i] *= c
        if self.lazy:
            self.source.rows.scatter_backward(
                order, start, m, g, K, self.row_rule.records)
        elif self.row_rule.cumulative:
            self.source.rows.add_penalised(
                order, start, g, K, self.row_rule.due, self.row_rule.scale,
                self.row_rule.paid, self.coef, self.row_rule.stored_share,
                self.row_rule.average)
        else:
            self.source.rows.backward(order, start, m, n, g, K, self.coef)
        self.row_rule.shrink(eta)

    cdef void lengthen(
            self, Problem source, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            double eta, Scratch* scratch) noexcept nogil:
        """Multiply the derivatives by the lengths of passive-aggressive steps over eta."""
        cdef Py_ssize_t i, k, row, K = source.n_outputs, n = source.n_targets
        cdef const double* s
        cdef const double* y = source.targets(order, start, m, scratch, &s)
        cdef double square, target
        for i in range(m):
            row = start + i if order == NULL else order[start + i]
            square = source.rows.square(row)
            for k in range(K):
                # One target for each output, or one class for all outputs.
                target = y[i * n + k] if n == K else (1.0 if y[i] == k else -1.0)
                scratch.g[i * K + k] *= sklgd_aggression(
                    self.aggressive, eta,
                    source.function.value_at(
                        source.function, target, scratch.z[i * K + k]), square)

    cdef void to_scaled(self, double* grad) noexcept nogil:
        """Turn the gradient in w and b into that in the rule's coordinates."""
        cdef Py_ssize_t i, j, k, K = self.problem.n_outputs
        cdef Py_ssize_t last = self.problem.n_features * K
        cdef double* intercept = grad + last
        for j in range(self.problem.n_features):
            for k in range(K):
                i = j * K + k
                grad[i] = self.gradient_scale[i] * (
                    grad[i] + (self.ridge[i] * self.coef[i] if self.ridge != NULL else 0.0) - (
                        self.centre[j] * intercept[k] if self.centre != NULL else 0.0))
        for k in range(K):
            intercept[k] *= self.gradient_scale[last + k]
        if self.rotation != NULL:
            self.rotate(b"T", grad, &self.mixed[0])
            memcpy(grad, &self.mixed[0], self.size * sizeof(double))

    cdef void to_raw(self) noexcept nogil:
        """Compute the raw coefficients from the rule's coordinates."""
        cdef Py_ssize_t i, j, k, K = self.problem.n_outputs
        cdef Py_ssize_t last = self.problem.n_features * K
        cdef double* intercept = self.coef + last
        cdef const double* u = self.u
        if self.rotation != NULL:
            self.rotate(b"N", u, &self.mixed[0])
            u = &self.mixed[0]
        for k in range(K):
            intercept[k] = self.scale[last + k] * u[last + k]
        for j in range(self.problem.n_features):
            for k in range(K):
                i = j * K + k
                self.coef[i] = self.scale[i] * u[i]
                if self.centre != NULL:
                    intercept[k] -= self.centre[j] * self.coef[i]

    cdef void rotate(
            self, char transposed, const double* u, double* out) noexcept nogil:
        """out_k = R_k u_k, or R_k' u_k. Both are shaped like coef and do not overlap."""
        cdef int size = self.problem.n_features + 1, K = self.problem.n_outputs
        cdef Py_ssize_t k
        cdef double one = 1.0, zero = 0.0
        cdef double* rotation = <double*> self.rotation
        # BLAS reads R by columns, that is, as R'.
        cdef char other = b"N" if transposed == b"T" else b"T"
        cdef char plain = b"N"
        if self.n_rotations == K:
            for k in range(K):
                dgemv(&other, &size, &size, &one, rotation + k * size * size, &size,
                      <double*> u + k, &K, &zero, out + k, &K)
        else:
            dgemm(&plain, &transposed, &K, &size, &size, &one, <double*> u, &K,
                  rotation, &size, &zero, out, &K)

    cdef void update_mean(self) noexcept nogil:
        """mean += (u - mean) / count."""
        cdef Py_ssize_t j
        cdef double share
        if self.mean_count == 0:
            memset(self.mean, 0, self.size * sizeof(double))
        self.mean_count += 1
        share = 1.0 / self.mean_count
        for j in range(self.size):
            self.mean[j] += share * (self.u[j] - self.mean[j])

    cdef void update_average(self) noexcept nogil:
        """average += (w - average) / count (Polyak and Juditsky 1992)."""
        cdef Py_ssize_t j, n_penalised
        cdef double factor = 1.0, share
        self.average_count += 1
        share = 1.0 / self.average_count
        if self.row_rule is not None:
            factor = self.row_rule.scale
        n_penalised = self.problem.n_features * self.problem.n_outputs
        if self.row_rule is not None and self.row_rule.cumulative:
            self.row_rule.count_average(share)
        else:
            for j in range(n_penalised):
                self.average[j] += share * (factor * self.coef[j] - self.average[j])
        for j in range(n_penalised, self.size):
            self.average[j] += share * (self.coef[j] - self.average[j])

    def flush(self):
        """Apply all lagged penalties, so that ``coef`` holds the true values."""
        if self.row_rule is not None:
            self.row_rule.flush()

    def state(self):
        """Step count and slots of the rule, as `Rule.state` returns them."""
        return self.rule.state()

    def refresh(self):
        """Update what depends on the coordinates, after a caller has changed them."""
        self.gradient_known = False
        if self.scale != NULL:
            self.to_raw()

    def value(self, bint keep_gradient):
        """Mean loss at the current coefficients.

        With ``keep_gradient`` the same read of X also gives the next full
        batch's gradient.
        """
        cdef double total
        cdef Py_ssize_t i, n = self.problem.n_samples
        cdef double* grad = NULL
        if keep_gradient:
            grad = &self.grad[0]
            self.gradient_known = False
        total = self.problem.sweep_all(self.coef, grad, True)
        if grad != NULL:
            with nogil:
                for i in range(self.size):
                    grad[i] /= n
            self.gradient_known = True
        return total / n
