"""Rules with a learning rate for each coordinate.

It is eta / H, and H comes from the gradients that the coordinate has had so far. The
contract of a rule and the notation are those of _rules.pyx.
"""
cimport cython
from sklgd.kernels cimport _numpy as cnp
from libc.math cimport expm1, fabs, floor, fmax, fmin, log, log1p, pow, sqrt

import numpy as np

from sklgd.kernels._lagged_adam cimport LaggedAdam, Powers, fill_powers, power
from sklgd.kernels._lagged_penalty cimport Thresholds, faded, lagged_threshold, shrunk
from sklgd.kernels._penalty cimport soft
from sklgd.kernels._rules cimport Rule

from sklgd.kernels._rules import thresholds

cnp.import_array()

cdef extern from "adam.h":
    ctypedef struct sklgd_adam:
        double beta_1, beta_2, epsilon, eta, c1, c2
    ctypedef void (*sklgd_adam_step)(
        const sklgd_adam* rule, Py_ssize_t n, Py_ssize_t n_equal, const double* g,
        const double* l1, const double* l2, double* m, double* v,
        double* w) noexcept nogil
    sklgd_adam_step sklgd_choose_adam() noexcept nogil

cdef sklgd_adam_step adam_step = sklgd_choose_adam()

# Terms of the series in the deviation of a learning rate from its middle; with a ratio of
# 0.02 and less the ninth is below rounding.
cdef enum:
    N_TERMS = 8
    LANES = 8

# Adding a number that is smaller by this factor changes nothing.
cdef double ROUNDING = 1e-17


@cython.final
cdef class AdagradRule(Rule):
    """A += g^2; H = sqrt(A) + eps; w = ST(w - eta g/H, eta l1/H)/(1 + eta l2/H).

    The whole penalty is a proximal step in the metric H (Duchi, Hazan and Singer 2011,
    eq. 4): A then changes only where the data term has a gradient.
    """

    slot_names = ("accumulator",)
    cdef double epsilon, initial
    cdef Thresholds table
    cdef double centre, spread          # of the learning rates known beforehand
    cdef const double* powers           # n + 1, N_TERMS each: see `log_growth`
    cdef object tables

    def __init__(self, params):
        self.epsilon = params["epsilon"]
        self.initial = params["initial_accumulator"]

    def bind(self, coef, l1, l2, state=None):
        Rule.bind(self, coef, l1, l2, state)
        if state is None:
            self.slots["accumulator"][:] = self.initial
        return self

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.at.w
        cdef double* a = self.at.slot[0]
        cdef const double* l1 = self.at.l1
        cdef const double* l2 = self.at.l2
        cdef double epsilon = self.epsilon, e
        self.t += 1
        for j in range(self.at.size):
            a[j] += g[j] * g[j]
            e = eta / (sqrt(a[j]) + epsilon)
            w[j] = soft(w[j] - e * g[j], e * l1[j]) / (1.0 + e * l2[j])

    def prepare_lagged(self, const double[::1] etas, Py_ssize_t n_outputs, double l1, double l2,
                       bint summed):
        cdef const double[::1] a, b
        cdef const double[:, ::1] c
        Rule.prepare_lagged(self, etas, n_outputs, l1, l2, summed)
        a, b = thresholds(etas)
        steps = np.asarray(etas)
        self.centre = 0.5 * (steps.min() + steps.max())
        self.spread = 0.5 * (steps.max() - steps.min())
        c = np.zeros((1, N_TERMS))
        if self.spread > 0.0:
            deviation = (steps - self.centre) / self.spread
            powers = np.zeros((len(steps) + 1, N_TERMS))
            term = -np.ones(len(steps))
            for p in range(N_TERMS):
                term = term * -deviation
                np.cumsum(term / (p + 1), out=powers[1:, p])
            c = powers
        self.tables = (a, b, c)
        self.table, self.powers = Thresholds(&a[0], &b[0]), &c[0, 0]

    cdef void lagged_update(
            self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
            double* sums) noexcept nogil:
        cdef Py_ssize_t i, j, K = self.n_outputs
        cdef double unit
        cdef double* w = self.at.w
        cdef double* added = NULL
        for i in range(n):
            if since[i] == now:
                continue
            for j in range(i * K, (i + 1) * K):
                if w[j] == 0.0:
                    continue
                if sums != NULL:
                    added = sums + j
                unit = 1.0 / (sqrt(self.at.slot[0][j]) + self.epsilon)
                if self.at.l2[j] > 0.0:
                    w[j] = self.shrink(
                        w[j], unit, self.at.l1[j], self.at.l2[j], since[i], now, added)
                elif self.at.l1[j] > 0.0:
                    w[j] = lagged_threshold(
                        w[j], unit * self.at.l1[j], &self.table, since[i], now, added)
                elif sums != NULL:
                    sums[j] += (now - since[i]) * w[j]

    cdef double shrink(
            self, double w, double unit, double l1, double l2, Py_ssize_t first,
            Py_ssize_t now, double* added) noexcept nogil:
        """Steps first ... now - 1 of w = ST(w, e l1)/(1 + e l2), e = eta unit."""
        cdef double y = unit * l2, ratio = l1 / l2, size, e, growth, last
        cdef Py_ssize_t i, k = now - first
        if self.spread * y > 0.02 * (1.0 + self.centre * y):
            # The series of `log_growth` would not be exact, but each step takes a
            # part of w that is not small.
            for i in range(first, now):
                e = self.etas[i] * unit
                w = soft(w, e * l1) / (1.0 + e * l2)
                if w == 0.0:
                    break
                if added != NULL:
                    added[0] += w
            return w
        if added != NULL:
            # Of a constant learning rate (`Adagrad.price`): a geometric sum, until zero.
            size, growth, last = fabs(w) + ratio, log1p(self.centre * y), <double> k
            if ratio > 0.0:
                last = fmin(last, floor(log(size / ratio) / growth))
            e = -size * expm1(-last * growth) / (self.centre * y) - last * ratio
            added[0] += e if w > 0.0 else -e
        return shrunk(w, ratio, expm1(-self.log_growth(y, first, now)))

    cdef double log_growth(
            self, double y, Py_ssize_t first, Py_ssize_t now) noexcept nogil:
        """Sum of log(1 + eta y) over the steps first ... now - 1.

        With c and r the centre and half the range of the learning rates, it is

            k log(1 + c y) + sum_p q^p/p sum_i -(-(eta_i - c)/r)^p,  q = r y/(1 + c y).
        """
        cdef double total = (now - first) * log1p(self.centre * y), q, factor
        cdef const double* a = self.powers + first * N_TERMS
        cdef const double* b = self.powers + now * N_TERMS
        cdef Py_ssize_t p
        if self.spread == 0.0:
            return total
        q = self.spread * y / (1.0 + self.centre * y)
        factor = q
        for p in range(N_TERMS):
            total += factor * (b[p] - a[p])
            factor *= q
        return total


@cython.final
cdef class RMSpropRule(Rule):
    """E = rho E + (1-rho) G^2; e = eta/(sqrt(E) + eps); w = ST(w - e G, e l1)."""

    slot_names = ("mean_square",)
    cdef double rho, epsilon
    cdef bint lazy
    cdef LaggedAdam lagged
    cdef double* mean                   # zeros
    cdef object mean_owner

    def __init__(self, params):
        self.rho = params["rho"]
        self.epsilon = params["epsilon"]
        self.lazy = params["sparse_update"] == "lazy"

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.at.w
        cdef double* s = self.at.slot[0]
        cdef const double* l1 = self.at.l1
        cdef const double* l2 = self.at.l2
        cdef double rho = self.rho, epsilon = self.epsilon, G, e
        self.t += 1
        for j in range(self.at.size):
            G = g[j] + l2[j] * w[j]
            s[j] = rho * s[j] + (1.0 - rho) * G * G
            e = eta / (sqrt(s[j]) + epsilon)
            w[j] = soft(w[j] - e * G, e * l1[j])

    def prepare_lagged(self, const double[::1] etas, Py_ssize_t n_outputs, double l1, double l2,
                       bint summed):
        cdef double[::1] mean
        Rule.prepare_lagged(self, etas, n_outputs, l1, l2, summed)
        # Adam's thresholds without its moves.
        if self.mean_owner is None:
            mean = self.mean_owner = np.zeros(self.size)
            self.mean = &mean[0]
        n = len(etas)
        self.lagged = LaggedAdam(
            0.0, self.rho, self.epsilon, np.zeros(n), np.ones(n), True, summed, etas, l1)

    cdef void lagged_update(
            self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
            double* sums) noexcept nogil:
        if self.lazy:
            Rule.lagged_update(self, n, since, now, sums)
            return
        self.lagged.run(n, self.n_outputs, since, now, self.at.w, self.mean,
                        self.at.slot[0], sums)


@cython.final
cdef class AdadeltaRule(Rule):
    """E = rho E + (1-rho) G^2; r = sqrt(D + eps)/sqrt(E + eps);
    D = rho D + (1-rho) (r G)^2; w = ST(w - eta r G, eta r l1).
    """

    slot_names = ("mean_square", "mean_square_step")
    cdef double rho, epsilon
    cdef bint lazy
    cdef Powers fade                    # of rho
    cdef Thresholds table
    cdef object tables

    def __init__(self, params):
        self.rho = params["rho"]
        self.epsilon = params["epsilon"]
        self.lazy = params["sparse_update"] == "lazy"

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.at.w
        cdef double* s = self.at.slot[0]
        cdef double* d = self.at.slot[1]
        cdef const double* l1 = self.at.l1
        cdef const double* l2 = self.at.l2
        cdef double rho = self.rho, epsilon = self.epsilon, G, r
        self.t += 1
        for j in range(self.at.size):
            G = g[j] + l2[j] * w[j]
            s[j] = rho * s[j] + (1.0 - rho) * G * G
            r = sqrt(d[j] + epsilon) / sqrt(s[j] + epsilon)
            d[j] = rho * d[j] + (1.0 - rho) * (r * G) * (r * G)
            w[j] = soft(w[j] - eta * r * G, eta * r * l1[j])

    def prepare_lagged(self, const double[::1] etas, Py_ssize_t n_outputs, double l1, double l2,
                       bint summed):
        cdef const double[::1] a, b
        Rule.prepare_lagged(self, etas, n_outputs, l1, l2, summed)
        fill_powers(&self.fade, self.rho)
        a, b = self.tables = thresholds(etas)
        self.table = Thresholds(&a[0], &b[0])

    cdef void lagged_update(
            self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
            double* sums) noexcept nogil:
        cdef Py_ssize_t i, j, K = self.n_outputs
        cdef double share
        cdef double* w = self.at.w
        cdef double* s = self.at.slot[0]
        cdef double* d = self.at.slot[1]
        if self.lazy:
            Rule.lagged_update(self, n, since, now, sums)
            return
        for i in range(n):
            if since[i] == now:
                continue
            share = power(&self.fade, now - since[i])
            for j in range(i * K, (i + 1) * K):
                if self.at.l1[j] > 0.0 and w[j] != 0.0:
                    w[j] = self.lagged_coefficient(
                        w[j], s[j], d[j], self.at.l1[j], since[i], now,
                        NULL if sums == NULL else sums + j)
                elif sums != NULL:
                    sums[j] += (now - since[i]) * w[j]
                s[j] = faded(s[j], share)
                d[j] = faded(d[j], share)

    cdef double lagged_coefficient(
            self, double w, double s, double d, double l1, Py_ssize_t first,
            Py_ssize_t now, double* added) noexcept nogil:
        """Steps first ... now - 1 of w = ST(w, eta r l1), while s and d decay.

        The thresholds do not depend on w. LANES of them are computed at a time, until s
        and d are negligible beside epsilon and r is one.
        """
        cdef double total, fade = 1.0
        cdef double[LANES] r
        cdef Py_ssize_t i = first, lane, n
        while i < now and w != 0.0:
            if fade * (s + d) < ROUNDING * self.epsilon:
                return lagged_threshold(w, l1, &self.table, i, now, added)
            n = min(LANES, now - i)
            total = 0.0
            for lane in range(LANES):
                r[lane] = sqrt((fade * self.fade.low[lane] * d + self.epsilon) / (
                    fade * self.fade.low[lane + 1] * s + self.epsilon))
            for lane in range(n):
                r[lane] *= self.etas[i + lane] * l1
                total += r[lane]
            if added == NULL and total < fabs(w):
                w = soft(w, total)
            else:
                for lane in range(n):
                    w = soft(w, r[lane])
                    if added != NULL:
                        added[0] += w
            fade *= self.fade.low[LANES]
            i += LANES
        return w


cdef class MomentRule(Rule):
    """Base of Adam and its variants: two decaying moments of the gradient.

    Without a gradient m fades by b1 and the other moment by its own factor, while w
    keeps moving: `LaggedAdam` sums these moves.
    """

    slot_names = ("mean", "mean_square")
    cdef double beta_1, beta_2, epsilon
    cdef bint lazy
    cdef LaggedAdam lagged
    cdef Powers fade                    # of beta_2
    cdef Py_ssize_t lagged_slot          # of the moment in the denominator

    def __init__(self, params):
        self.beta_1 = params["beta_1"]
        self.beta_2 = params["beta_2"]
        self.epsilon = params["epsilon"]
        self.lazy = params["sparse_update"] == "lazy"

    def step_factors(self, etas, t):
        """Moves step a, root's correction c of steps t, decay of the denominator.

        Without a gradient step i is w -= a_i m/(c_i sqrt(v) + epsilon), after m *= b1
        and v *= decay; c is None where there is no root.
        """
        a = etas / (1.0 - self.beta_1**t)
        return a, 1.0 / np.sqrt(1.0 - self.beta_2**t), self.beta_2

    def prepare_lagged(self, const double[::1] etas, Py_ssize_t n_outputs, double l1, double l2,
                       bint summed):
        Rule.prepare_lagged(self, etas, n_outputs, l1, l2, summed)
        n = len(etas)
        a, c, decay = self.step_factors(
            np.asarray(etas), np.arange(self.t + 1, self.t + n + 1, dtype=float))
        self.lagged_slot = self.n_slots - 1
        fill_powers(&self.fade, self.beta_2)
        self.lagged = LaggedAdam(
            self.beta_1, decay, self.epsilon, a, np.ones(n) if c is None else c,
            c is not None, summed, etas, l1)

    cdef void lagged_update(
            self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
            double* sums) noexcept nogil:
        cdef Py_ssize_t i, j, K = self.n_outputs
        cdef double share
        cdef double* v = self.at.slot[1]
        if self.lazy:
            Rule.lagged_update(self, n, since, now, sums)
            return
        self.lagged.run(n, K, since, now, self.at.w, self.at.slot[0],
                        self.at.slot[self.lagged_slot], sums)
        if self.lagged_slot == 1:
            return
        for i in range(n):
            if since[i] == now:
                continue
            share = power(&self.fade, now - since[i])
            for j in range(i * K, (i + 1) * K):
                v[j] = faded(v[j], share)


@cython.final
cdef class AdamRule(MomentRule):
    """m = b1 m + (1-b1) G; v = b2 v + (1-b2) G^2; e = eta/(sqrt(v^) + eps);
    w = ST(w - e m^, e l1), with m^ = m/(1-b1^t), v^ = v/(1-b2^t).
    """

    cdef Py_ssize_t n_equal             # first coordinates, with one penalty

    def bind(self, coef, l1, l2, state=None):
        Rule.bind(self, coef, l1, l2, state)
        same = (self.owners[1] == l1.flat[0]) & (self.owners[2] == l2.flat[0])
        self.n_equal = self.size if same.all() else same.argmin()
        return self

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef sklgd_adam rule
        cdef Py_ssize_t n_equal = self.n_equal if self.at.w == self.whole.w else 0
        self.t += 1
        rule.beta_1, rule.beta_2 = self.beta_1, self.beta_2
        rule.epsilon, rule.eta = self.epsilon, eta
        rule.c1 = 1.0 / (1.0 - pow(self.beta_1, <double> self.t))
        rule.c2 = 1.0 / (1.0 - pow(self.beta_2, <double> self.t))
        adam_step(
            &rule, self.at.size, n_equal, g, self.at.l1, self.at.l2, self.at.slot[0],
            self.at.slot[1], self.at.w)


@cython.final
cdef class AMSGradRule(MomentRule):
    """Adam with the running maximum x = max(x, v) under the root."""

    slot_names = ("mean", "mean_square", "max_mean_square")

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.at.w
        cdef double* m = self.at.slot[0]
        cdef double* v = self.at.slot[1]
        cdef double* x = self.at.slot[2]
        cdef const double* l1 = self.at.l1
        cdef const double* l2 = self.at.l2
        cdef double b1 = self.beta_1, b2 = self.beta_2, epsilon = self.epsilon
        cdef double G, e, c1, c2
        self.t += 1
        c1 = 1.0 / (1.0 - pow(b1, <double> self.t))
        c2 = 1.0 / (1.0 - pow(b2, <double> self.t))
        for j in range(self.at.size):
            G = g[j] + l2[j] * w[j]
            m[j] = b1 * m[j] + (1.0 - b1) * G
            v[j] = b2 * v[j] + (1.0 - b2) * G * G
            x[j] = fmax(x[j], v[j])
            e = eta / (sqrt(c2 * x[j]) + epsilon)
            w[j] = soft(w[j] - e * c1 * m[j], e * l1[j])

    def step_factors(self, etas, t):
        a, c, _ = MomentRule.step_factors(self, etas, t)
        return a, c, 1.0


@cython.final
cdef class NadamRule(MomentRule):
    """Adam with the look-ahead direction b1 m/(1-b1^(t+1)) + (1-b1) G/(1-b1^t)."""

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.at.w
        cdef double* m = self.at.slot[0]
        cdef double* v = self.at.slot[1]
        cdef const double* l1 = self.at.l1
        cdef const double* l2 = self.at.l2
        cdef double b1 = self.beta_1, b2 = self.beta_2, epsilon = self.epsilon
        cdef double G, e, c1, c2, next_c1
        self.t += 1
        c1 = (1.0 - b1) / (1.0 - pow(b1, <double> self.t))
        next_c1 = b1 / (1.0 - pow(b1, <double> (self.t + 1)))
        c2 = 1.0 / (1.0 - pow(b2, <double> self.t))
        for j in range(self.at.size):
            G = g[j] + l2[j] * w[j]
            m[j] = b1 * m[j] + (1.0 - b1) * G
            v[j] = b2 * v[j] + (1.0 - b2) * G * G
            e = eta / (sqrt(c2 * v[j]) + epsilon)
            w[j] = soft(w[j] - e * (next_c1 * m[j] + c1 * G), e * l1[j])

    def step_factors(self, etas, t):
        _, c, decay = MomentRule.step_factors(self, etas, t)
        return etas * self.beta_1 / (1.0 - self.beta_1 ** (t + 1.0)), c, decay


@cython.final
cdef class AdaMaxRule(MomentRule):
    """m as Adam; u = max(b2 u, |G|); e = eta/(u + eps); w = ST(w - e m^, e l1)."""

    slot_names = ("mean", "max_gradient")

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.at.w
        cdef double* m = self.at.slot[0]
        cdef double* u = self.at.slot[1]
        cdef const double* l1 = self.at.l1
        cdef const double* l2 = self.at.l2
        cdef double b1 = self.beta_1, b2 = self.beta_2, epsilon = self.epsilon
        cdef double G, e, c1
        self.t += 1
        c1 = 1.0 / (1.0 - pow(b1, <double> self.t))
        for j in range(self.at.size):
            G = g[j] + l2[j] * w[j]
            m[j] = b1 * m[j] + (1.0 - b1) * G
            u[j] = fmax(b2 * u[j], fabs(G))
            e = eta / (u[j] + epsilon)
            w[j] = soft(w[j] - e * c1 * m[j], e * l1[j])

    def step_factors(self, etas, t):
        return etas / (1.0 - self.beta_1**t), None, self.beta_2


@cython.final
cdef class FTRLRule(Rule):
    """s = (sqrt(n + g^2) - sqrt(n))/eta; z += g - s w; S += s; n += g^2;
    w = -ST(z, t l1)/(S + t l2), from S = beta/eta_1, z = -S w_0, n = 0.

    S is the running sum of the proximal weights, (beta + sqrt(n))/eta when eta
    is constant. The penalty is added once a step, like the losses.
    """

    slot_names = ("linear", "sum_square", "proximal")
    cdef double beta, first

    def __init__(self, params):
        self.beta = params["beta"]

    def bind(self, coef, l1, l2, state=None):
        Rule.bind(self, coef, l1, l2, state)
        self.first = 0.0 if state is None else state["first"]
        return self

    def state(self):
        return Rule.state(self) | {"first": self.first}

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.at.w
        cdef double* z = self.at.slot[0]
        cdef double* n = self.at.slot[1]
        cdef double* p = self.at.slot[2]
        cdef const double* l1 = self.at.l1
        cdef const double* l2 = self.at.l2
        cdef double t, sigma, total
        if eta == 0.0:
            # The proximal weight of a step is 1/eta: a step of length zero changes nothing.
            return
        if self.t == 0:
            self.begin(eta)
        self.t += 1
        t = <double> self.t
        for j in range(self.at.size):
            total = n[j] + g[j] * g[j]
            sigma = (sqrt(total) - sqrt(n[j])) / eta
            z[j] += g[j] - sigma * w[j]
            n[j] = total
            p[j] += sigma
            w[j] = -soft(z[j], t * l1[j]) / (p[j] + t * l2[j])

    cdef void begin(self, double eta) noexcept nogil:
        cdef Py_ssize_t j
        self.first = self.beta / eta
        for j in range(self.at.size):
            self.at.slot[2][j] = self.first
            self.at.slot[0][j] = -self.at.slot[2][j] * self.at.w[j]

    def prepare_lagged(self, const double[::1] etas, Py_ssize_t n_outputs, double l1, double l2,
                       bint summed):
        Rule.prepare_lagged(self, etas, n_outputs, l1, l2, summed)
        steps = np.asarray(etas)[np.asarray(etas) > 0.0]
        if self.t == 0 and len(steps):
            # The first step initialises features that are not active in it, too.
            self.begin(steps[0])

    cdef void lagged_update(
            self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
            double* sums) noexcept nogil:
        """w = -ST(z, t l1)/(S + t l2) at the present t, from z and S of the last gradient."""
        cdef Py_ssize_t i, j, K = self.n_outputs
        cdef double t = <double> self.t
        cdef double* z = self.at.slot[0]
        cdef double* p = self.at.slot[2]
        Rule.lagged_update(self, n, since, now, sums)
        for i in range(n):
            if since[i] == now or self.t == 0:
                continue
            for j in range(i * K, (i + 1) * K):
                self.at.w[j] = -soft(z[j], t * self.at.l1[j]) / (
                    p[j] + t * self.at.l2[j])
