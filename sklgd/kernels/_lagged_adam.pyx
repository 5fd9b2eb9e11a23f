"""How Adam's family moves coordinates that have no gradient.

A step in which the gradient of a coordinate is zero still moves it, by what is left of
its mean gradient. With eta_i the learning rate of step i and t its number, 1, 2, ...,

    m = b1 m;  v = b2 v;  w = w - a_i m / (c_i sqrt(v) + eps),
    a_i = eta_i/(1-b1^t), c_i = 1/sqrt(1-b2^t)

(Kingma and Ba 2015, algorithm 1; Nadam has a_i = eta_i b1/(1-b1^(t+1)), Dozat 2016;
AMSGrad a maximum x in place of v, which does not decay, Reddi, Kale and Kumar 2018;
AdaMax u = b2 u for sqrt(v), with c_i = 1). `LaggedAdam` makes k such steps at once.
With h = sqrt(v) before them and d = sqrt(b2) (AMSGrad 1, AdaMax b2), w falls by

    m sum_{i=1..k} a_{s+i-1} b1^i / (c_{s+i-1} d^i h + eps)
        = m sum_n (-eps)^n h^-(n+1) (T^n_s - r_n^k T^n_{s+k}),
    T^n_s = sum_{i>=1} a_{s+i-1} c_{s+i-1}^-(n+1) r_n^i,  r_n = b1/d^(n+1),

the T^n being tables over the steps, filled backwards: T^n_s = r_n (a_s c_s^-(n+1) +
T^n_{s+1}). The series alternates and all its weights are positive, so that its remainder
is smaller than the last term added, whatever the schedule. Where the last term of the
tables is not small enough, because eps is not small beside h, the sum is made step by
step, and stops once what is left cannot matter.

The sum of w over the k steps, for averages, has the same form with k T^n_s - V^n_s + r_n^k
V^n_{s+k} in place of T^n_s - r_n^k T^n_{s+k}, V^n_s = r_n (V^n_{s+1} + T^n_{s+1}).

With an l1 penalty, each step ends with a soft threshold of e_i l1, e_i = eta_i/(c_i d^j h
+ eps), which grows as h decays. While w keeps its sign, the thresholds add up, and

    sum_{i=1..k} e_{s+i-1} = sum_n (-eps)^n (h_k^-(n+1) P^n_{s+k} - h^-(n+1) P^n_s),
    P^n_{s+1} = d^(n+1) P^n_s + eta_s c_s^-(n+1),  h_k = d^k h.

The mean gradient over its bias, |m| a_i/eta_i, only falls. Hence a zero at which it is
at most l1 stays zero; a coordinate that it drives away from zero first moves away, then
back, and stays at zero once there; and one that it drives towards zero gets there
without turning. So the sum of all moves, cut at zero, is exact except where a coordinate
reaches zero while the mean gradient exceeds l1: those few steps are made one by one.

With b1 = 0 and m = 0 nothing moves on, and the thresholds are those of RMSprop (decay rho)
and, with a scale that does not decay, of Adagrad.
"""
cimport cython
from libc.math cimport fabs, fmin, log, sqrt, sqrtl
from libc.string cimport memcpy, memset

import numpy as np

from sklgd.kernels._penalty cimport soft

cdef extern from "lagged_adam.h":
    enum:
        SERIES_LANES
    ctypedef struct sklgd_series:
        double[8][SERIES_LANES] weights
        double[SERIES_LANES] mean_fall, scale_fall, w, m, scale, left
    ctypedef double (*sklgd_series_step)(
        sklgd_series* s, Py_ssize_t n_terms, double epsilon, bint root) noexcept nogil
    sklgd_series_step sklgd_choose_series() noexcept nogil

cdef sklgd_series_step series_step = sklgd_choose_series()

cdef enum:
    BLOCK = 32                          # steps of an explicit sum between two checks

# Half a unit in the last place of 1.
cdef double HALF_ULP = 2.0 ** -53
# Differences of two entries of a table below this part of them are made step by step.
cdef double CANCELLED = 2.0 ** -7
# With l1, fewer steps than this are not worth the tables.
cdef Py_ssize_t SHORT = 8


cdef inline double fallen(double x, double factor) noexcept nogil:
    """x factor, and 0 below 1e-300 (see `power`); NaN stays NaN."""
    x *= factor
    return 0.0 if fabs(x) < 1e-300 else x


cdef inline double horner(
        const double* row, double h, double x, Py_ssize_t n_terms) noexcept nogil:
    """1/h sum_n (-x)^n row_n."""
    cdef Py_ssize_t n
    cdef double value = row[n_terms - 1]
    for n in range(n_terms - 2, -1, -1):
        value = row[n] - x * value
    return value / h


@cython.final
cdef class LaggedAdam:
    """Makes the lagged steps of Adam, AMSGrad, Nadam or AdaMax.

    Parameters
    ----------
    beta_1 : float
        Decay of m, in [0, 1).
    decay : float
        Decay of the scale, in [0, 1]: b2, and 1 for AMSGrad's maximum.
    epsilon : float
        Positive.
    a, c : float64 arrays of shape (n_steps,)
        Factors of m and of the scale in the steps to come, a >= 0 and c > 0.
    root : bool
        True if the scale is a mean square (v, x), False if it is u.
    want_sums : bool
        Whether `run` is to sum up the coordinates, too.
    eta : float64 array of shape (n_steps,), default=None
        Learning rates; needed with l1.
    l1 : float, default=0
        Penalty of all coordinates.

    Attributes
    ----------
    n_steps : int
    n_terms : int
        Terms of the series whose tables converge, 0 to 8.
    longest : int
        Steps after which an explicit sum stops at the latest, if a is constant.
    bounded : bool
        Whether lagged steps cost little whatever the gap: by the series, or by an
        explicit sum of at most 1024 steps. (With l1, a scale that is not large beside
        epsilon costs as many steps as w takes to zero at eta l1/epsilon or so each.)

    Notes
    -----
    Keeps 64 bytes a step, twice that with sums and twice that with l1, beside a, c and
    eta, which it borrows.
    """

    def __init__(
            self, double beta_1, double decay, double epsilon, const double[::1] a,
            const double[::1] c, bint root, bint want_sums,
            const double[::1] eta=None, double l1=0.0):
        cdef long double delta = sqrtl(decay) if root else decay
        cdef Py_ssize_t i
        if not (0.0 <= beta_1 < 1.0 and 0.0 <= decay <= 1.0 and epsilon > 0.0):
            raise ValueError("beta_1, decay or epsilon out of range")
        if a.shape[0] != c.shape[0]:
            raise ValueError("a and c must have one size")
        if l1 > 0.0 and (eta is None or eta.shape[0] != a.shape[0]):
            raise ValueError("l1 needs eta, of the size of a")
        self.a, self.c = a, c
        self.n_steps = a.shape[0]
        self.beta_1, self.delta, self.epsilon = beta_1, <double> delta, epsilon
        self.root, self.want_sums = root, want_sums
        fill_powers(&self.mean_power, beta_1)
        fill_powers(&self.scale_power, delta)
        self.largest = np.max(a, initial=0.0)
        self.least = np.min(c, initial=np.inf)
        self.ratio = beta_1 / self.delta if decay > 0.0 else np.inf
        # The series needs a first term and one that bounds the remainder; four make do
        # with eps/h up to 1e-4. Where b1 = 0 no coordinate moves.
        self.n_terms = 0
        while self.n_terms < TERMS and beta_1 < self.delta ** (self.n_terms + 1):
            self.n_terms += 1
        if self.n_terms < 2:
            self.n_terms = 0
        self.longest = 0 if beta_1 == 0.0 else self.n_steps
        if 0.0 < self.ratio < 1.0:
            self.longest = min(self.n_steps, BLOCK + <Py_ssize_t> (
                log(HALF_ULP * (1.0 - self.ratio)) / log(self.ratio)))
        self.l1, self.eta = l1, eta
        self.bounded = self.n_terms >= 4 or self.longest <= 1024
        if l1 > 0.0:
            self.bounded = self.n_terms >= 4
            self.rest = self.tabulate_rest()
            # The series' relative remainder is (eps/h)^n_terms: 2^-56.
            if self.n_terms > 0:
                self.series_scale = epsilon / self.least * 2.0 ** (56.0 / self.n_terms)
            else:
                self.series_scale = np.inf
        for i in range(GAPS):
            self.gaps[i].now = -1
        if self.n_terms > 0:
            self.tabulate()

    def tabulate_rest(self):
        """Factors r_i: if |m| r_i <= l1 before step i, a coordinate at zero stays there.

        r_i is b1 a_i / eta_i, or b1 r_(i+1) for a step of length zero.
        """
        cdef double[::1] rest = np.zeros(self.n_steps + 1)
        cdef Py_ssize_t i
        for i in range(self.n_steps - 1, -1, -1):
            rest[i] = self.beta_1 * rest[i + 1]
            if self.eta[i] > 0.0:
                rest[i] = self.beta_1 * self.a[i] / self.eta[i]
        return np.asarray(rest)

    cdef tabulate(self):
        """Fill the tables. The row of a step has T^n, V^n (for sums), P^n (for l1) and
        W^n (for both), and begins with a cache line.
        """
        cdef Py_ssize_t half = 2 * TERMS if self.want_sums else TERMS
        cdef Py_ssize_t s, n, width = 2 * half if self.l1 > 0.0 else half
        cdef double[::1] memory = np.zeros((self.n_steps + 1) * width + TERMS)
        cdef Py_ssize_t offset = <Py_ssize_t> (
            -(<size_t> &memory[0] // sizeof(double)) % TERMS)
        cdef double* row = &memory[offset] + self.n_steps * width
        cdef double[TERMS] r
        cdef double weight, inverse
        cdef long double fall
        cdef long double[TERMS] falls
        cdef long double[TERMS] sum_1
        cdef long double[TERMS] sum_2
        for n in range(TERMS):
            r[n] = self.beta_1 / self.delta ** (n + 1) if n < self.n_terms else 0.0
        self.owner, self.table, self.width = memory, &memory[offset], width
        with nogil:
            for s in range(self.n_steps - 1, -1, -1):
                row -= width
                inverse = 1.0 / self.c[s]
                weight = self.a[s]
                for n in range(TERMS):
                    weight *= inverse
                    row[n] = r[n] * (weight + row[width + n])
                if self.want_sums:
                    for n in range(TERMS):
                        row[TERMS + n] = r[n] * (
                            row[width + TERMS + n] + row[width + n])
            if self.l1 > 0.0:
                # Extended, as P_s may be the sum of thousands of large steps, of which
                # a difference keeps a few small ones.
                fall = 1.0
                for n in range(TERMS):
                    fall *= self.scale_power.base
                    falls[n] = fall
                    sum_1[n] = sum_2[n] = 0.0
                row += half
                for s in range(self.n_steps):
                    inverse = 1.0 / self.c[s]
                    weight = self.eta[s]
                    for n in range(TERMS):
                        weight *= inverse
                        sum_1[n] = falls[n] * sum_1[n] + weight
                        row[width + n] = <double> sum_1[n]
                    if self.want_sums:
                        for n in range(TERMS):
                            sum_2[n] = falls[n] * sum_2[n] + sum_1[n]
                            row[width + TERMS + n] = <double> sum_2[n]
                    row += width

    cdef void run(
            self, Py_ssize_t n_features, Py_ssize_t n_outputs, const Py_ssize_t* since,
            Py_ssize_t now, double* w, double* m, double* scale,
            double* sums) noexcept nogil:
        """Make the steps since[f], ..., now - 1 of each feature f, without gradient.

        w, m and scale are the caller's, of shape (n_features, n_outputs), and change
        in place; so is sums, to which w after each of these steps is added, NULL unless
        the object was made for sums. Not checked: 0 <= since[f] <= now <= n_steps.
        """
        cdef Py_ssize_t f, i, k
        cdef double mean_fall, scale_fall, h
        cdef bint weighed, trusted = False
        cdef double[2 * TERMS] weights
        cdef Moves moves
        if self.n_terms >= 4 and self.l1 == 0.0 and sums == NULL:
            self.run_lanes(n_features, n_outputs, since, now, w, m, scale)
            return
        for f in range(n_features):
            k = now - since[f]
            if k <= 0:
                continue
            mean_fall = power(&self.mean_power, k)
            scale_fall = power(&self.scale_power, k)
            weighed = False
            for i in range(f * n_outputs, (f + 1) * n_outputs):
                h = sqrt(scale[i]) if self.root else scale[i]
                if self.l1 > 0.0:
                    if w[i] != 0.0 or m[i] != 0.0:
                        self.shrink(since[f], now, h, m[i], &w[i],
                                    NULL if sums == NULL else &sums[i])
                else:
                    if sums != NULL:
                        sums[i] += k * w[i]
                    if m[i] != 0.0:
                        if not weighed:
                            trusted = self.weigh(
                                since[f], now, mean_fall, scale_fall, weights)
                            weighed = True
                        if not (trusted and self.expand(weights, h, &moves)):
                            self.add_up(since[f], now, h, m[i], w[i], &moves)
                        w[i] -= m[i] * moves.end
                        if sums != NULL:
                            sums[i] -= m[i] * moves.total
                if m[i] != 0.0:
                    m[i] = fallen(m[i], mean_fall)
                scale[i] = fallen(
                    scale[i], scale_fall * scale_fall if self.root else scale_fall)

    cdef void run_lanes(
            self, Py_ssize_t n_features, Py_ssize_t n_outputs, const Py_ssize_t* since,
            Py_ssize_t now, double* w, double* m, double* scale) noexcept nogil:
        """`run` without l1 and sums, with the same bits, for several coordinates at a time.
        """
        cdef Py_ssize_t f, i, n, size = 0
        cdef Py_ssize_t[SERIES_LANES] place, start
        cdef Gap* gap
        cdef sklgd_series lanes
        cdef Moves moves
        memset(&lanes, 0, sizeof(lanes))
        for f in range(n_features):
            if since[f] >= now:
                continue
            gap = &self.gaps[since[f] & (GAPS - 1)]
            if gap.now != now or gap.start != since[f]:
                self.fill_gap(gap, since[f], now)
            for i in range(f * n_outputs, (f + 1) * n_outputs):
                if m[i] == 0.0:
                    scale[i] = fallen(scale[i], gap.scale_fall)
                    continue
                if not gap.trusted:
                    self.add_up(since[f], now, sqrt(scale[i]) if self.root else scale[i],
                                m[i], w[i], &moves)
                    w[i] -= m[i] * moves.end
                    m[i] = fallen(m[i], gap.mean_fall)
                    scale[i] = fallen(scale[i], gap.scale_fall)
                    continue
                for n in range(TERMS):
                    lanes.weights[n][size] = gap.weights[n]
                lanes.mean_fall[size] = gap.mean_fall
                lanes.scale_fall[size] = gap.scale_fall
                lanes.w[size], lanes.m[size], lanes.scale[size] = w[i], m[i], scale[i]
                place[size], start[size] = i, since[f]
                size += 1
                if size == SERIES_LANES:
                    run_series(self, &lanes, size, place, start, now, w, m, scale)
                    size = 0
        run_series(self, &lanes, size, place, start, now, w, m, scale)

    cdef void fill_gap(
            self, Gap* gap, Py_ssize_t start, Py_ssize_t now) noexcept nogil:
        """What coordinates have in common that make the steps start ... now - 1."""
        cdef double[2 * TERMS] weights
        gap.start, gap.now = start, now
        gap.mean_fall = power(&self.mean_power, now - start)
        gap.scale_fall = power(&self.scale_power, now - start)
        gap.trusted = self.weigh(start, now, gap.mean_fall, gap.scale_fall, weights)
        memcpy(gap.weights, weights, sizeof(gap.weights))
        if self.root:
            gap.scale_fall *= gap.scale_fall

    cdef bint weigh(
            self, Py_ssize_t start, Py_ssize_t now, double mean_fall, double scale_fall,
            double* weights) noexcept nogil:
        """T^n_s - r_n^k T^n_{s+k} and, for sums, k T^n_s - V^n_s + r_n^k V^n_{s+k}.

        Returns False where they cannot be had: no series, or a schedule whose later
        steps are so much larger that the differences lose their digits.
        """
        cdef const double* first = self.table + start * self.width
        cdef const double* last = self.table + now * self.width
        cdef double fall = mean_fall, rise
        cdef Py_ssize_t n, k = now - start
        if self.n_terms == 0:
            return False
        # Where b1^k counts as zero, r_n^k need not be zero for n > 0. Left out all the
        # same: the terms' share past step k is log-convex in n, thus nowhere larger
        # than at n = 0, where it is nothing, or at the last term, which is negligible.
        rise = 1.0 / scale_fall if mean_fall > 0.0 else 0.0
        for n in range(TERMS):
            fall *= rise
            weights[n] = first[n] - fall * last[n]
            if self.want_sums:
                weights[TERMS + n] = (
                    k * first[n] - first[TERMS + n] + fall * last[TERMS + n])
        if self.want_sums and weights[TERMS] < CANCELLED * first[TERMS]:
            return False
        return weights[0] >= CANCELLED * first[0]

    cdef bint expand(
            self, const double* weights, double h, Moves* moves) noexcept nogil:
        """The series; False if its terms do not fall below rounding.

        That of the totals does if the other does: their weights k - i + 1 favour the
        early steps, where eps is smaller beside h.
        """
        cdef double x, sign_power, term, end, total = 0.0
        cdef double limit = HALF_ULP * weights[0]
        cdef Py_ssize_t n
        if h <= self.epsilon:
            return False
        sign_power = 1.0 / h
        x = -self.epsilon * sign_power
        end = weights[0] * sign_power
        limit *= sign_power
        if self.want_sums:
            total = weights[TERMS] * sign_power
        for n in range(1, self.n_terms):
            sign_power *= x
            term = weights[n] * sign_power
            end += term
            if self.want_sums:
                total += weights[TERMS + n] * sign_power
            # No earlier check: most coordinates then leave the loop at the same place.
            if fabs(term) <= limit and (n >= 3 or n == self.n_terms - 1):
                moves.end, moves.total = end, total
                return True
        return False

    cdef void add_up(
            self, Py_ssize_t start, Py_ssize_t now, double h, double m, double w,
            Moves* moves) noexcept nogil:
        """The sum of a_i b1^i / (c_i d^i h + eps), step by step.

        Stops where the steps that are left cannot change w or the sum. As c d^j h + eps
        >= d^j (c h + eps), they make up at most r/(1-r) of a step with the largest a;
        where r = b1/d >= 1 the denominator after the last step bounds them.
        """
        cdef Py_ssize_t done = 0, k = now - start, j, n
        cdef const double* a = &self.a[0] + start
        cdef const double* c = &self.c[0] + start
        cdef const double* mean_fall = self.mean_power.low + 1
        cdef const double* scale_fall = self.scale_power.low + 1
        cdef double epsilon = self.epsilon, negligible = 0.0, b, g, rest
        cdef double last = self.least * h * power(&self.scale_power, k) + epsilon
        cdef double all_left = self.beta_1 / (1.0 - self.beta_1) * self.largest / last
        cdef double[BLOCK] step
        cdef double[4] part
        moves.end = moves.total = 0.0
        while done < k:
            b = power(&self.mean_power, done)
            g = h * power(&self.scale_power, done)
            rest = all_left * b
            if self.ratio < 1.0:
                rest = fmin(rest, self.ratio / (1.0 - self.ratio) * self.largest * b / (
                    self.least * g + epsilon))
            # A schedule may begin with many steps of size zero: then the sum stops when
            # the rest is negligible compared with what a step can add.
            if done == 0:
                negligible = 1e-40 * rest
            if rest * fabs(m) <= 0.25 * HALF_ULP * (
                    fabs(w) + fabs(m) * moves.end) or rest <= negligible:
                break
            n = k - done if k - done < BLOCK else BLOCK
            for j in range(n):
                step[j] = a[done + j] * mean_fall[j] / (
                    c[done + j] * (g * scale_fall[j]) + epsilon)
            for j in range(n, BLOCK):
                step[j] = 0.0
            # Four lanes, which do not wait for each other.
            part[0] = part[1] = part[2] = part[3] = 0.0
            for j in range(0, BLOCK, 4):
                part[0] += step[j]
                part[1] += step[j + 1]
                part[2] += step[j + 2]
                part[3] += step[j + 3]
            moves.end += b * ((part[0] + part[2]) + (part[1] + part[3]))
            if self.want_sums:
                part[0] = 0.0
                for j in range(n):
                    part[0] += step[j] * (k - done - j)
                moves.total += b * part[0]
            done += n

    cdef void shrink(
            self, Py_ssize_t start, Py_ssize_t now, double h, double m, double* w,
            double* total) noexcept nogil:
        """Steps start, ..., now - 1 of a coordinate with l1; see the head of the file.

        Differences that keep too few digits of the tables are not taken, but 64 steps
        made one by one before the next look.
        """
        cdef Py_ssize_t s = start, k, off, stop
        cdef double x = w[0], y, side, towards, left, scale, before, e
        cdef Path path
        cdef bint taken
        while s < now:
            if x == 0.0:
                if fabs(m) * self.rest[s] <= self.l1:
                    break
                # A step of length zero leaves it at zero, where `steps_off_zero` needs
                # one that does not.
                while s < now and self.eta[s] == 0.0:
                    m = fallen(m, self.beta_1)
                    h *= self.delta
                    s += 1
                if s == now:
                    break
            k = self.reach(h, now - s)
            taken = False
            if k > SHORT:
                # m drives w towards zero, if positive.
                side = 1.0 if x > 0.0 or (x == 0.0 and m < 0.0) else -1.0
                towards = side * m
                y = side * x
                self.measure(s, k, h, m, &path)
                scale = y + fabs(m) * path.move
                left = y - towards * path.move - self.l1 * path.threshold
                taken = path.noise <= 1e-12 * scale and (
                    left > 0.0 or towards * self.rest[s] <= self.l1)
                if taken and total != NULL:
                    off = k
                    if left <= 0.0:
                        off = self.steps_off_zero(s, k, h, m, y, towards)
                        self.measure(s, off, h, m, &path)
                        scale = y + fabs(m) * path.move
                    taken = path.total_noise <= 1e-11 * off * scale
                    if taken:
                        total[0] += side * (off * y - towards * path.total_move
                                            - self.l1 * path.total_threshold)
            if taken:
                x = 0.0 if left <= 0.0 else side * left
                m = fallen(m, power(&self.mean_power, k))
                h *= power(&self.scale_power, k)
                s += k
                continue
            before = x
            stop = now if now - s < 64 else s + 64
            while s < stop:
                m = fallen(m, self.beta_1)
                h *= self.delta
                e = 1.0 / (self.c[s] * h + self.epsilon)
                x = soft(x - self.a[s] * m * e, self.eta[s] * self.l1 * e)
                if total != NULL:
                    total[0] += x
                s += 1
                if x * before <= 0.0:
                    break
        w[0] = x

    cdef Py_ssize_t steps_off_zero(
            self, Py_ssize_t start, Py_ssize_t k, double h, double m, double y,
            double towards) noexcept nogil:
        """How many of k steps leave |w| = y away from zero, given that the k-th reaches it.

        Found by bisection, because |w| stays zero once it is.
        """
        cdef Py_ssize_t low = 0, high = k, middle
        cdef Path path
        while high - low > 1:
            middle = low + (high - low) // 2
            self.measure(start, middle, h, m, &path)
            if y - towards * path.move - self.l1 * path.threshold > 0.0:
                low = middle
            else:
                high = middle
        return low

    cdef Py_ssize_t reach(self, double h, Py_ssize_t k) noexcept nogil:
        """How many of k steps the series takes, those with h above `series_scale`."""
        if h * power(&self.scale_power, k) >= self.series_scale:
            return k
        if not h > self.series_scale:
            return 0
        return <Py_ssize_t> fmin(k, log(self.series_scale / h) / log(self.delta))

    cdef void measure(
            self, Py_ssize_t start, Py_ssize_t k, double h, double m,
            Path* path) noexcept nogil:
        """The moves of k steps, of which `reach` has said that the series takes them."""
        cdef const double* first = self.table + start * self.width
        cdef const double* last = first + k * self.width
        cdef double mean_fall = power(&self.mean_power, k)
        cdef double end = h * power(&self.scale_power, k)
        cdef double x = self.epsilon / h, y = self.epsilon / end, p
        cdef double from_first, gone, late_move, late_threshold
        cdef Py_ssize_t n = 1, P = 2 * TERMS if self.want_sums else TERMS
        p = y / self.least
        while p > 0.125 * HALF_ULP and n < self.n_terms:
            p *= y / self.least
            n += 1
        from_first = horner(first, h, x, n)
        gone = horner(first + P, h, x, n)
        path.move = from_first - mean_fall * horner(last, end, y, n)
        path.threshold = horner(last + P, end, y, n) - gone
        path.noise = HALF_ULP * (fabs(m) * from_first + self.l1 * gone)
        if self.want_sums:
            late_move = horner(first + TERMS, h, x, n)
            late_threshold = horner(first + P + TERMS, h, x, n)
            path.total_move = k * from_first - late_move + (
                mean_fall * horner(last + TERMS, end, y, n))
            path.total_threshold = (
                horner(last + P + TERMS, end, y, n) - late_threshold - k * gone)
            path.total_noise = HALF_ULP * (
                fabs(m) * late_move + self.l1 * late_threshold)

    def lagged_update(self, since, Py_ssize_t now, double[:, ::1] w, double[:, ::1] m,
                      double[:, ::1] scale, double[:, ::1] sums=None):
        """`run` from Python, in place: arrays of shape (n_features, n_outputs)."""
        cdef const Py_ssize_t[::1] steps = np.ascontiguousarray(since, dtype=np.intp)
        cdef Py_ssize_t n_features = w.shape[0], n_outputs = w.shape[1]
        cdef double* out = NULL
        if steps.shape[0] != n_features or np.min(steps) < 0:
            raise ValueError("since must have one entry, at least 0, per feature")
        if not np.max(steps) <= now <= self.n_steps:
            raise ValueError("now must be between max(since) and n_steps")
        if (sums is not None) != self.want_sums:
            raise ValueError("sums are given if and only if they are wanted")
        for other in [m, scale] if sums is None else [m, scale, sums]:
            if np.shape(other) != (n_features, n_outputs):
                raise ValueError("arrays must have one shape")
        if sums is not None:
            out = &sums[0, 0]
        with nogil:
            self.run(n_features, n_outputs, &steps[0], now, &w[0, 0], &m[0, 0],
                     &scale[0, 0], out)


cdef void run_series(
        LaggedAdam self, sklgd_series* lanes, Py_ssize_t size, const Py_ssize_t* place,
        const Py_ssize_t* start, Py_ssize_t now, double* w, double* m,
        double* scale) noexcept nogil:
    """The steps of the first ``size`` lanes, which are those of coordinates ``place``."""
    cdef Py_ssize_t i, j
    cdef double n_left
    cdef Moves moves
    n_left = series_step(lanes, self.n_terms, self.epsilon, self.root)
    for j in range(size):
        i = place[j]
        w[i] = lanes.w[j]
        if n_left > 0.0 and lanes.left[j] > 0.0:
            self.add_up(start[j], now, sqrt(scale[i]) if self.root else scale[i],
                        m[i], w[i], &moves)
            w[i] -= m[i] * moves.end
        m[i], scale[i] = lanes.m[j], lanes.scale[j]
