"""Momentum and Nesterov through steps in which a coordinate has no gradient.

Between two visits of a feature of sparse data only the penalty moves it. With c = eta l2,
a step of either rule (`_rules`) is then

    w = ST((1 - gain c) w - keep v, threshold); v = mu v + c w (the w before the step)

with gain = 1, keep = mu, threshold = E l1 for momentum and gain = 1 + mu, keep = mu^2,
threshold = (mu E + eta) l1 for Nesterov, where E = mu E + eta. `LaggedMomentum` makes any
number k of such steps in O(log k), under any learning rates, and with the result of the
single steps up to rounding:

- Without penalties the motion is a geometric sum: two tables of powers.
- As long as w keeps its sign, a step is affine in (|w|, v sign(w)). A binary tree over
  the steps holds the maps of spans of 2^l leaves. A span is applied as a whole where
  bounds of its coefficients prove that w keeps its sign within it; else its halves are
  tried, at last the single steps. Without l1 there is nothing to prove.
- At w = 0 the coordinate rests while keep |v| <= threshold, v = mu v.

Products of the maps stay accurate because spans are only ever joined: a quotient of
products from the first step on would lose mu^-k.
"""
cimport cython
from libc.math cimport fabs, pow

import numpy as np

from sklgd.kernels._penalty cimport soft


# 2^NEAR powers of mu one by one, the others by a product of two.
cdef enum:
    NEAR = 9

cdef double INF = float("inf")
cdef double NAN = float("nan")


cdef inline double cut(double x) noexcept nogil:
    """x, or 0 where it is nearly subnormal: such numbers are slow and negligible here."""
    return 0.0 if fabs(x) < 1e-300 else x


cdef inline double least(double low, double high, double x) noexcept nogil:
    """min of c x over low <= c <= high."""
    return (low if x >= 0.0 else high) * x


cdef inline double most(double low, double high, double x) noexcept nogil:
    """max of c x over low <= c <= high."""
    return (high if x >= 0.0 else low) * x


cdef inline void check_span(Span* a) noexcept nogil:
    """Where a coefficient has overflowed, low_w1 = -inf: the span proves nothing."""
    if not (fabs(a.ww) + fabs(a.wu) + fabs(a.w1) + fabs(a.uw) + fabs(a.uu) + fabs(a.u1)
            < INF):
        a.low_w1 = -INF


cdef inline void join(const Span* a, const Span* b, Span* out) noexcept nogil:
    """The span of the steps of ``a``, then those of ``b``; out may be neither.

    The bounds are a's, and the worst cases of b's coefficients within b's bounds.
    """
    cdef double x
    out.ww = cut(b.ww * a.ww + b.wu * a.uw)
    out.wu = cut(b.ww * a.wu + b.wu * a.uu)
    out.w1 = b.ww * a.w1 + b.wu * a.u1 + b.w1
    out.uw = cut(b.uw * a.ww + b.uu * a.uw)
    out.uu = cut(b.uw * a.wu + b.uu * a.uu)
    out.u1 = b.uw * a.w1 + b.uu * a.u1 + b.u1
    x = least(b.low_ww, b.high_ww, a.ww) + least(b.low_wu, b.high_wu, a.uw)
    out.low_ww = a.low_ww if a.low_ww <= x else x
    x = most(b.low_ww, b.high_ww, a.ww) + most(b.low_wu, b.high_wu, a.uw)
    out.high_ww = a.high_ww if a.high_ww >= x else x
    x = least(b.low_ww, b.high_ww, a.wu) + least(b.low_wu, b.high_wu, a.uu)
    out.low_wu = a.low_wu if a.low_wu <= x else x
    x = most(b.low_ww, b.high_ww, a.wu) + most(b.low_wu, b.high_wu, a.uu)
    out.high_wu = a.high_wu if a.high_wu >= x else x
    x = (least(b.low_ww, b.high_ww, a.w1) + least(b.low_wu, b.high_wu, a.u1)
         + b.low_w1)
    out.low_w1 = a.low_w1 if a.low_w1 <= x else x
    check_span(out)


cdef inline void join_total(const Span* a, const Total* sum_a, const Total* sum_b,
                            Total* out) noexcept nogil:
    """The sum over a's steps, then over those of the span whose sum is sum_b."""
    out.w = sum_a.w + sum_b.w * a.ww + sum_b.u * a.uw
    out.u = sum_a.u + sum_b.w * a.wu + sum_b.u * a.uu
    out.one = sum_a.one + sum_b.w * a.w1 + sum_b.u * a.u1 + sum_b.one


cdef inline Py_ssize_t place(int level, Py_ssize_t i) noexcept nogil:
    """Where the tree stores span i of a level: in order, so that neighbours in time are
    neighbours in memory and n leaves need 2 n - 1 places, whatever n is.
    """
    return ((2 * i + 1) << level) - 1


cdef inline bint keeps_sign(const Span* a, double x, double u) noexcept nogil:
    """True if |w| stays >= 0 at all steps from |w| = x >= 0 and v sign(w) = u."""
    return a.low_ww * x + (a.low_wu if u >= 0.0 else a.high_wu) * u + a.low_w1 >= 0.0


cdef inline void apply_span(const Span* a, const Total* total, Py_ssize_t m, double* w,
                            double* u, double* sums) noexcept nogil:
    """Make the steps of a span with m coordinates; sums may be NULL, then total, too."""
    cdef Py_ssize_t k
    cdef double x
    for k in range(m):
        if sums != NULL:
            sums[k] += total.w * w[k] + total.u * u[k] + total.one
        x = a.ww * w[k] + a.wu * u[k] + a.w1
        u[k] = a.uw * w[k] + a.uu * u[k] + a.u1
        w[k] = x


cdef void steps_span(
        double mu, double keep, double gain, double l2, const double* etas,
        const double* thresholds, Py_ssize_t start, Py_ssize_t stop, Span* out,
        Total* total) noexcept nogil:
    """The span of the steps start .. stop - 1 and its total (NULL: none wanted)."""
    cdef Py_ssize_t i
    cdef double c, fall, ww, wu, w1
    out.ww = out.uu = out.low_ww = out.high_ww = 1.0
    out.wu = out.w1 = out.uw = out.u1 = 0.0
    out.low_wu = out.high_wu = out.low_w1 = 0.0
    if total != NULL:
        total.w = total.u = total.one = 0.0
    for i in range(start, stop):
        c = etas[i] * l2
        fall = gain * c
        # Not (1 - fall) x: its rounding would be the same in each step, and add up.
        ww = (out.ww - keep * out.uw) - fall * out.ww
        wu = (out.wu - keep * out.uu) - fall * out.wu
        w1 = (out.w1 - keep * out.u1) - fall * out.w1
        if thresholds != NULL:
            w1 -= thresholds[i]
        out.uw = mu * out.uw + c * out.ww
        out.uu = mu * out.uu + c * out.wu
        out.u1 = mu * out.u1 + c * out.w1
        out.ww, out.wu, out.w1 = ww, wu, w1
        if i == start or ww < out.low_ww:
            out.low_ww = ww
        if i == start or ww > out.high_ww:
            out.high_ww = ww
        if i == start or wu < out.low_wu:
            out.low_wu = wu
        if i == start or wu > out.high_wu:
            out.high_wu = wu
        if i == start or w1 < out.low_w1:
            out.low_w1 = w1
        if total != NULL:
            total.w += ww
            total.u += wu
            total.one += w1
    check_span(out)


cdef double[::1] power_sum_tables(double mu, Py_ssize_t n_steps):
    """`PowerSums` of 0, 1, ... steps, then of 0, 1, ... times 2^NEAR steps."""
    cdef Py_ssize_t k, n_near = 1 << NEAR, n_far = (n_steps >> NEAR) + 1
    cdef double[::1] buffer = np.empty((n_near + n_far) * sizeof(PowerSums) // 8)
    cdef PowerSums* near = <PowerSums*> &buffer[0]
    cdef PowerSums* far = near + n_near
    cdef PowerSums block
    near[0].power, near[0].path, near[0].area = 1.0, 0.0, 0.0
    for k in range(1, n_near):
        near[k].power = cut(pow(mu, <double> k))
        near[k].path = near[k - 1].path + near[k - 1].power
        near[k].area = near[k - 1].area + near[k].path
    far[0] = near[0]
    block = then(&near[n_near - 1], &near[1], 1.0)
    for k in range(1, n_far):
        far[k] = then(&far[k - 1], &block, <double> n_near)
    return buffer


cdef inline PowerSums then(const PowerSums* a, const PowerSums* b, double n_b) noexcept nogil:
    """The steps of a, then the n_b steps of b. (All terms positive: no cancellation.)"""
    cdef PowerSums out
    out.power = cut(a.power * b.power)
    out.path = a.path + a.power * b.path
    out.area = a.area + n_b * a.path + a.power * b.area
    return out


@cython.final
cdef class LaggedMomentum:
    """Steps of `MomentumRule` or `NesterovRule` without a gradient of the data term.

    Made for the steps of one call of the engine, whose learning rates are known. Owns its
    tables, at most about 32 bytes a step, and borrows nothing but ``etas``. Coordinates
    in an unstable run (eta l2 beyond 2 (1 + mu) for many steps) become inf or nan, at
    the latest when the single steps would make them.

    Parameters
    ----------
    momentum : float
        mu in [0, 1).
    nesterov : bool
    l1, l2 : float
        The penalty of all coordinates, not negative.
    reach : float
        The rule's E before the first step.
    etas : float64 array of shape (n_steps,)
        Learning rates, not negative, finite; kept, not copied.
    want_sums : bool
        True if `run` will be asked for sums.
    """

    def __init__(self, double momentum, bint nesterov, double l1, double l2,
                 double reach, const double[::1] etas, bint want_sums):
        cdef Py_ssize_t n_leaves
        cdef double[::1] tables, bounds, tree, totals = None
        self.n_steps = etas.shape[0]
        self.mu, self.l2 = momentum, l2
        self.keep = momentum * momentum if nesterov else momentum
        self.gain = 1.0 + momentum if nesterov else 1.0
        self.free = l1 == 0.0 and l2 == 0.0
        self.etas = NULL
        if self.n_steps:
            self.etas = &etas[0]
        self.thresholds, self.totals, self.now = NULL, NULL, -1
        tables = power_sum_tables(momentum, self.n_steps)
        self.near = <PowerSums*> &tables[0]
        self.far = self.near + (1 << NEAR)
        self.owners = [etas, tables]
        if self.free or self.n_steps == 0:
            return
        if l1 > 0.0:
            bounds = np.empty((2 if nesterov else 1) * self.n_steps)
            self.fill_bounds(bounds, nesterov, l1, reach)
            self.owners.append(bounds)
        # Wider leaves where the thresholds need memory, too.
        self.shift = 4 if l1 > 0.0 else 3
        n_leaves = self.n_steps >> self.shift
        tree = np.empty(max(2 * n_leaves, 1) * sizeof(Span) // 8)
        self.spans = <Span*> &tree[0]
        self.owners.append(tree)
        if want_sums:
            totals = np.empty(max(2 * n_leaves, 1) * sizeof(Total) // 8)
            self.totals = <Total*> &totals[0]
            self.owners.append(totals)
        self.fill_tree(tree, totals, n_leaves)

    cdef void fill_bounds(self, double[::1] bounds, bint nesterov, double l1,
                          double reach):
        """Thresholds and floors, n_steps numbers each.

        Under momentum threshold_(i+1) >= mu threshold_i, because E does not lose more
        than its share 1 - mu: the floors are the thresholds. Under Nesterov that holds
        unless a learning rate falls by more than mu / (1 + mu) of the one before.
        """
        cdef Py_ssize_t i, n = self.n_steps
        cdef double mu = self.mu
        cdef double* threshold = &bounds[0]
        cdef double* floor = &bounds[n] if nesterov else threshold
        for i in range(n):
            reach = mu * reach + self.etas[i]
            threshold[i] = (mu * reach + self.etas[i] if nesterov else reach) * l1
        if nesterov:
            floor[n - 1] = threshold[n - 1]
            for i in range(n - 2, -1, -1):
                floor[i] = threshold[i]
                if floor[i + 1] < mu * floor[i]:
                    floor[i] = floor[i + 1] / mu
        self.thresholds, self.floors = threshold, floor

    cdef void fill_tree(self, double[::1] tree, double[::1] totals,
                        Py_ssize_t n_leaves):
        """All spans of full leaves, each joined as soon as its second half is known."""
        cdef Py_ssize_t i, node, here, left, right
        cdef int level
        cdef Span* spans = <Span*> &tree[0]
        cdef Total* sums = NULL if totals is None else <Total*> &totals[0]
        for i in range(n_leaves):
            here = place(0, i)
            steps_span(self.mu, self.keep, self.gain, self.l2, self.etas,
                       self.thresholds, i << self.shift, (i + 1) << self.shift,
                       &spans[here], NULL if sums == NULL else &sums[here])
            level, node = 0, i
            while node & 1:
                left, right = place(level, node - 1), place(level, node)
                level, node = level + 1, node >> 1
                here = place(level, node)
                join(&spans[left], &spans[right], &spans[here])
                if sums != NULL:
                    join_total(&spans[left], &sums[left], &sums[right], &sums[here])

    def lagged_update(self, const Py_ssize_t[::1] since, Py_ssize_t now, double[:, ::1] w,
                      double[:, ::1] v, double[:, ::1] sums=None):
        """`run` from Python, for tests; w, v and sums of shape (n_features, n_outputs)."""
        if not since.shape[0] == w.shape[0] == v.shape[0] or w.shape[1] != v.shape[1]:
            raise ValueError("since, w and v must agree in shape")
        if sums is not None and (
                sums.shape[0] != w.shape[0] or sums.shape[1] != w.shape[1]):
            raise ValueError("sums must have the shape of w")
        if w.size:
            self.run(w.shape[0], w.shape[1], &since[0], now, &w[0, 0], &v[0, 0],
                     NULL if sums is None else &sums[0, 0])

    cdef void run(
            self, Py_ssize_t n_features, Py_ssize_t n_outputs, const Py_ssize_t* since,
            Py_ssize_t now, double* w, double* v, double* sums) noexcept nogil:
        """Make the steps since[j] .. now - 1 of every feature j.

        w, v and sums have n_outputs numbers for each feature and are updated in place:
        sums (NULL: not wanted) by the sum of w after each of the steps. Nothing is
        checked: 0 <= since[j] <= now <= n_steps, and sums only with want_sums. Not for
        two threads at once: the object keeps what the features of a call share.
        """
        cdef Py_ssize_t j, k, K = n_outputs
        cdef double* sums_j = NULL
        cdef bint moves
        if now != self.now:
            self.now, self.n_tails = now, 0
        for j in range(n_features):
            if since[j] == now:
                continue
            moves = False
            for k in range(K):
                moves = moves or w[j * K + k] != 0.0 or v[j * K + k] != 0.0
            if not moves:
                continue
            if sums != NULL:
                sums_j = sums + j * K
            if self.free:
                self.step_free(now - since[j], K, w + j * K, v + j * K, sums_j)
            elif self.thresholds == NULL:
                self.step_l2(since[j], K, w + j * K, v + j * K, sums_j)
            else:
                for k in range(K):
                    self.step_l1(since[j], w + j * K + k, v + j * K + k,
                                 NULL if sums_j == NULL else sums_j + k)
            for k in range(j * K, (j + 1) * K):
                w[k], v[k] = cut(w[k]), cut(v[k])

    cdef PowerSums power_sums(self, Py_ssize_t k) noexcept nogil:
        """The powers of mu for k <= n_steps steps."""
        cdef Py_ssize_t rest = k & ((1 << NEAR) - 1)
        return then(&self.far[k >> NEAR], &self.near[rest], <double> rest)

    cdef void step_free(
            self, Py_ssize_t k, Py_ssize_t m, double* w, double* v,
            double* sums) noexcept nogil:
        """k steps of m coordinates without penalty."""
        cdef Py_ssize_t i
        cdef PowerSums power_sums = self.power_sums(k)
        for i in range(m):
            if sums != NULL:
                sums[i] += k * w[i] - self.keep * power_sums.area * v[i]
            w[i] -= self.keep * power_sums.path * v[i]
            v[i] *= power_sums.power

    cdef Py_ssize_t next_leaf(self, Py_ssize_t step) noexcept nogil:
        """The first leaf that does not start before ``step``."""
        return (step + (1 << self.shift) - 1) >> self.shift

    cdef void need_tail(self, int level) noexcept nogil:
        """Make the tails up to ``level``, unless they are known for this ``now``.

        Tail l holds the steps from leaf ``last >> l << l`` to ``now``, where ``last`` is
        the leaf of ``now``. A feature needs the tail of the level at which its leaf and
        ``last`` are in one span; the features of a call share them.
        """
        cdef Py_ssize_t last = self.now >> self.shift, i
        cdef int n
        if self.n_tails == 0:
            steps_span(self.mu, self.keep, self.gain, self.l2, self.etas,
                       self.thresholds, last << self.shift, self.now, &self.tails[0],
                       NULL if self.totals == NULL else &self.tail_totals[0])
            self.n_tails = 1
        while self.n_tails <= level:
            n = self.n_tails
            i = last >> (n - 1)
            if i & 1:
                i = place(n - 1, i - 1)
                join(&self.spans[i], &self.tails[n - 1], &self.tails[n])
                if self.totals != NULL:
                    join_total(&self.spans[i], &self.totals[i],
                               &self.tail_totals[n - 1], &self.tail_totals[n])
            else:
                self.tails[n] = self.tails[n - 1]
                self.tail_totals[n] = self.tail_totals[n - 1]
            self.n_tails = n + 1

    cdef void step_l2(
            self, Py_ssize_t start, Py_ssize_t m, double* w, double* v,
            double* sums) noexcept nogil:
        """The steps start .. now - 1 of m coordinates without l1."""
        cdef Py_ssize_t i, k, leaf, last = self.now >> self.shift
        cdef int level = 0
        cdef double c, x
        cdef double[2] unit_w, unit_v, unit_sums
        if m > 2:
            # The steps are linear in (w, v): those of two unit vectors give all others.
            unit_w[0], unit_w[1], unit_v[0], unit_v[1] = 1.0, 0.0, 0.0, 1.0
            unit_sums[0] = unit_sums[1] = 0.0
            self.step_l2(start, 2, unit_w, unit_v, NULL if sums == NULL else unit_sums)
            for k in range(m):
                if sums != NULL:
                    sums[k] += unit_sums[0] * w[k] + unit_sums[1] * v[k]
                x = unit_w[0] * w[k] + unit_w[1] * v[k]
                v[k] = unit_v[0] * w[k] + unit_v[1] * v[k]
                w[k] = x
            return
        leaf = self.next_leaf(start)
        i = leaf << self.shift
        for i in range(start, i if i < self.now else self.now):
            c = self.etas[i] * self.l2
            for k in range(m):
                x = (w[k] - self.keep * v[k]) - self.gain * c * w[k]
                v[k] = self.mu * v[k] + c * w[k]
                w[k] = x
                if sums != NULL:
                    sums[k] += x
        while leaf < last and leaf >> level != last >> level:
            if (leaf >> level) & 1:
                i = place(level, leaf >> level)
                apply_span(&self.spans[i], NULL if sums == NULL else &self.totals[i],
                           m, w, v, sums)
                leaf += <Py_ssize_t> 1 << level
            level += 1
        if leaf << self.shift < self.now:
            self.need_tail(level)
            apply_span(&self.tails[level],
                       NULL if sums == NULL else &self.tail_totals[level], m, w, v, sums)

    cdef void step_l1(
            self, Py_ssize_t start, double* w, double* v, double* sums) noexcept nogil:
        """The steps start .. now - 1 of one coordinate with l1."""
        cdef Py_ssize_t leaf = self.next_leaf(start), i, last = self.now >> self.shift
        cdef int level
        cdef bint tail
        cdef double sign, x, u, gained
        cdef const Span* span
        cdef const Total* total = NULL
        if not (w[0] == 0.0 and self.keep * fabs(v[0]) <= self.floors[start]):
            start = self.each_step(start, leaf << self.shift, w, v, sums)
        while start < self.now:
            if not fabs(w[0]) < INF:
                # The run has diverged: single steps would change nothing.
                w[0] = v[0] = NAN
                if sums != NULL:
                    sums[0] = NAN
                return
            if w[0] == 0.0 and self.keep * fabs(v[0]) <= self.floors[start]:
                v[0] *= self.power_sums(self.now - start).power
                return
            # At w = 0 the velocity determines the sign.
            sign = 1.0 if w[0] > 0.0 or (w[0] == 0.0 and v[0] < 0.0) else -1.0
            x, u = sign * w[0], sign * v[0]
            leaf, level = start >> self.shift, 0
            while leaf >> level != last >> level and not (leaf >> level) & 1:
                level += 1
            tail = leaf >> level == last >> level
            if tail:
                self.need_tail(level)
            while level >= 0:
                tail = leaf >> level == last >> level
                i = place(level, leaf >> level)
                span = &self.tails[level] if tail else &self.spans[i]
                if keeps_sign(span, x, u):
                    break
                level -= 1
            if level < 0:
                start = self.each_step(start, (leaf + 1) << self.shift, w, v, sums)
                continue
            if sums != NULL:
                total = &self.tail_totals[level] if tail else &self.totals[i]
            gained = 0.0
            apply_span(span, total, 1, &x, &u, NULL if sums == NULL else &gained)
            # |w| below zero is rounding: the span has been proved to keep the sign.
            w[0] = 0.0 if x <= 0.0 else sign * x
            v[0] = sign * u
            if sums != NULL:
                sums[0] += sign * gained
            start = self.now if tail else (leaf + ((<Py_ssize_t> 1) << level)) << self.shift

    cdef Py_ssize_t each_step(
            self, Py_ssize_t start, Py_ssize_t stop, double* w, double* v,
            double* sums) noexcept nogil:
        """The steps from start to stop or now, one by one; returns where it ended."""
        cdef Py_ssize_t i
        cdef double c, x = w[0], u = v[0], before
        if stop > self.now:
            stop = self.now
        for i in range(start, stop):
            c = self.etas[i] * self.l2
            before = x
            x = soft((x - self.keep * u) - self.gain * c * x, self.thresholds[i])
            u = self.mu * u + c * before
            if sums != NULL:
                sums[0] += x
        w[0], v[0] = x, u
        return stop
