"""The rules of optimizers: the update of a step.

A rule updates all coefficients, given the gradient of the data term and a learning
rate. It adds the penalty l1 |w| + l2 w^2/2 itself (per coefficient, zero for the
intercept), because the threshold must be as long as the rule's own step: then every
rule has the same minimiser. Notation: g is the gradient
of the batch's mean loss, G = g + l2 w, ST the soft threshold, t = 1, 2, ...
the step number.

The parameters of each rule, with their documentation, are a class of sklgd.optimizers;
its NumPy twin is in tests/reference.py.
"""
cimport cython
from sklgd.kernels cimport _numpy as cnp
from libc.math cimport INFINITY, exp, expm1, fabs, floor, fmax, fmin, log, log1p, pow, sqrt

import numpy as np

from sklgd.kernels._arrays cimport entries
from sklgd.kernels._lagged_adam cimport LaggedAdam, Powers, fill_powers, power
from sklgd.kernels._lagged_momentum cimport LaggedMomentum
from sklgd.kernels._lagged_penalty cimport Thresholds, faded, lagged_threshold, shrunk
from sklgd.kernels._penalty cimport soft

cnp.import_array()

cdef extern from "adam.h":
    ctypedef struct sklgd_adam:
        double beta_1, beta_2, epsilon, eta, c1, c2
    ctypedef void (*sklgd_adam_step)(
        const sklgd_adam* rule, Py_ssize_t n, const double* g, const double* l1,
        const double* l2, double* m, double* v, double* w) noexcept nogil
    sklgd_adam_step sklgd_choose_adam() noexcept nogil

cdef sklgd_adam_step adam_step = sklgd_choose_adam()

# Terms of the series in the deviation of a learning rate from its middle; with a ratio of
# 0.02 and less the ninth is below rounding.
cdef enum:
    N_TERMS = 8
    LANES = 8

# Adding a number that is smaller by this factor changes nothing.
cdef double ROUNDING = 1e-17


cdef class Rule:
    """Base of the compiled update rules; made by `Optimizer.make_rule`.

    Owns its slots (float64 arrays with one entry per coordinate); borrows the
    coordinates and the penalty. ``whole`` points to all of them; ``at``, where `step`
    and `lagged_update` work, may point to compact copies of some.

    On sparse data a coordinate whose gradient is zero need not be updated in every
    step: `lagged_update` makes all steps that it missed, in closed form or as a short sum,
    with the result of `step` to rounding. ``adds_rows`` says that rows can be added
    directly to the coordinates, as to those of `SGDRule`.
    """

    slot_names = ()
    adds_rows = False

    def __init__(self, params):
        pass

    def bind(self, coef, l1, l2, state=None):
        """Attach the rule to coordinates, updated in place.

        Parameters
        ----------
        coef, l1, l2 : float64 C-contiguous arrays of one size
            Coordinates and their penalty; the caller keeps ownership.
        state : dict, default=None
            An earlier result of `state`; None means a new rule.
        """
        cdef Py_ssize_t i
        if not coef.size == l1.size == l2.size:
            raise ValueError("coef, l1 and l2 must have one size")
        self.size = coef.size
        if state is None:
            self.t = 0
            self.slots = {name: np.zeros(self.size) for name in self.slot_names}
        else:
            for name in self.slot_names:
                if np.shape(state[name]) != (self.size,):
                    raise ValueError(
                        f"the optimizer's state does not fit: {name} has shape "
                        f"{np.shape(state[name])}, but there are {self.size} "
                        "coefficients. Call fit to start afresh."
                    )
            self.t = state["t"]
            self.slots = {name: state[name].copy() for name in self.slot_names}
        self.owners = coef.reshape(-1), l1.reshape(-1), l2.reshape(-1)
        self.whole.w = entries(self.owners[0], self.size, 0, True)
        self.whole.l1 = entries(self.owners[1], self.size, 0)
        self.whole.l2 = entries(self.owners[2], self.size, 0)
        self.whole.size, self.n_slots = self.size, len(self.slot_names)
        for i in range(self.n_slots):
            self.whole.slot[i] = entries(
                self.slots[self.slot_names[i]], self.size, 0, True)
        self.at = self.whole
        return self

    def state(self):
        """Step count and slots, as a picklable dict of copies."""
        return {"t": self.t} | {k: v.copy() for k, v in self.slots.items()}

    def take_step(self, gradient, double eta):
        """One step, for tests and `minimize`."""
        cdef const double[::1] g = np.ascontiguousarray(
            gradient, dtype=np.float64).reshape(-1)
        if g.shape[0] != self.size:
            raise ValueError("gradient must have the size of the coordinates")
        self.step(&g[0], eta)

    cdef void step(self, const double* g, double eta) noexcept nogil:
        """Move the coordinates ``at``; g has as many entries and is not changed."""

    def prepare_lagged(self, const double[::1] etas, Py_ssize_t n_outputs, double l1, double l2,
                       bint summed):
        """Prepare `lagged_update` for the coming steps; called before the first of them.

        Parameters
        ----------
        etas : float64 array
            Their learning rates.
        n_outputs : int
            Coordinates per feature.
        l1, l2 : float
            Penalty of every feature, for rules that need one for all.
        summed : bool
            True if `lagged_update` will have to add up coordinates.
        """
        self.n_outputs = n_outputs
        if etas.shape[0]:
            self.etas_owner, self.etas = etas, &etas[0]

    cdef void lagged_update(
            self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
            double* sums) noexcept nogil:
        """Make the steps since[i] ... now - 1 of n features, none with a gradient.

        ``sums``, unless NULL, has n * n_outputs entries, to which the coordinates
        after each of these steps are added. This default is for rules whose coordinates
        and slots stay as they are.
        """
        cdef Py_ssize_t i, j, K = self.n_outputs
        if sums == NULL:
            return
        for i in range(n):
            for j in range(i * K, (i + 1) * K):
                sums[j] += (now - since[i]) * self.at.w[j]


def thresholds(const double[::1] etas, factor=1.0):
    """Cumulative sums of learning rates times a factor, and the sums of these sums."""
    total = np.zeros(len(etas) + 1)
    np.cumsum(np.asarray(etas) * factor, out=total[1:])
    return total, np.cumsum(total)


@cython.final
cdef class SGDRule(Rule):
    """w = max(0, 1 - eta l2) w - eta g; w = ST(w, eta l1).

    The decay is cut at zero as in SGDRegressor, where eta l2 > 1 would flip
    signs.

    Rows can also be added straight into the coordinates, without a gradient
    array. Then the features are kept as ``scale * stored`` so that l2 costs
    O(1), and, when ``lazy``, l1 thresholds are lagged: a feature's are applied when it is active
    (cumulative threshold: Tsuruoka, Tsujii and Ananiadou 2009; Lipton and
    Elkan 1505.06449): O(nnz) a row, the same iterates as the dense step. What a
    feature's last update saw then lies beside its coefficients, in one record.

    With ``cumulative``, rows pay the l1 penalty as in SGDClassifier, which is the other
    scheme of Tsuruoka, Tsujii and Ananiadou (section 3.3): after a row, its features
    move towards zero by the sum of all thresholds since the first step, less those that
    they have made already.
    """

    adds_rows = True

    def bind(self, coef, l1, l2, state=None):
        Rule.bind(self, coef, l1, l2, state)
        self.due, self.paid_owner = 0.0, None
        if state is not None and "paid" in state:
            self.due, self.paid_owner = state["due"], state["paid"].copy()
        return self

    def state(self):
        if self.paid_owner is None:
            return Rule.state(self)
        return Rule.state(self) | {"due": self.due, "paid": self.paid_owner.copy()}

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.at.w
        cdef const double* l1 = self.at.l1
        cdef const double* l2 = self.at.l2
        self.t += 1
        for j in range(self.at.size):
            w[j] = soft(fmax(0.0, 1.0 - eta * l2[j]) * w[j] - eta * g[j],
                        eta * l1[j])

    def prepare_lagged(self, const double[::1] etas, Py_ssize_t n_outputs, double l1, double l2,
                       bint summed):
        cdef const double[::1] a, b, c, d
        cdef double[::1] tail
        cdef Py_ssize_t i
        Rule.prepare_lagged(self, etas, n_outputs, l1, l2, summed)
        self.l1, self.l2 = l1, l2
        a, b = thresholds(etas)
        # A factor of zero would be lost in differences of logarithms.
        factors = np.maximum(1.0 - np.asarray(etas) * l2, 1e-300)
        log_factor = np.zeros(len(etas) + 1)
        np.cumsum(np.log(factors), out=log_factor[1:])
        c, d = log_factor, factors
        tail = np.zeros(len(etas) + 1)
        for i in range(etas.shape[0] - 1, -1, -1):
            tail[i] = d[i] * (1.0 + tail[i + 1])
        self.tables = (a, b, c, tail)
        self.table = Thresholds(&a[0], &b[0])
        self.log_factor, self.tail = &c[0], &tail[0]

    cdef void lagged_update(
            self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
            double* sums) noexcept nogil:
        cdef Py_ssize_t i, j, first, last, K = self.n_outputs
        cdef double* w = self.at.w
        cdef double* added = NULL
        cdef double product, change, ratio, size, sign
        if self.l2 == 0.0 and self.l1 == 0.0:
            Rule.lagged_update(self, n, since, now, sums)
            return
        ratio = self.l1 / self.l2 if self.l2 > 0.0 else 0.0
        for i in range(n):
            first = since[i]
            if first == now:
                continue
            change = expm1(self.log_factor[now] - self.log_factor[first])
            for j in range(i * K, (i + 1) * K):
                if w[j] == 0.0:
                    continue
                if sums != NULL:
                    added = sums + j
                if self.l2 == 0.0:
                    w[j] = lagged_threshold(w[j], self.l1, &self.table, first, now, added)
                    continue
                if sums != NULL:
                    size = fabs(w[j]) + ratio
                    sign = 1.0 if w[j] > 0.0 else -1.0
                    last = now
                    if shrunk(w[j], ratio, change) == 0.0:
                        last = self.last_alive(size / ratio if ratio > 0.0 else INFINITY,
                                               first, now)
                    product = exp(self.log_factor[last] - self.log_factor[first])
                    added[0] += sign * (
                        size * (self.tail[first] - product * self.tail[last])
                        - ratio * (last - first))
                w[j] = shrunk(w[j], ratio, change)

    cdef Py_ssize_t last_alive(
            self, double size, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
        """Largest i in first ... last with size * product of factors > 1."""
        cdef double bound = self.log_factor[first] - log(size)
        cdef Py_ssize_t middle
        while first < last:
            middle = first + (last - first + 1) // 2
            if self.log_factor[middle] > bound:
                first = middle
            else:
                last = middle - 1
        return first

    cdef start_rows(
            self, Py_ssize_t n_outputs, double l1, double l2, bint lazy, bint cumulative,
            double* average):
        """Prepare adding rows; the last n_outputs coordinates are intercepts.

        ``lazy`` and ``cumulative`` exclude each other. ``average``, which is NULL or as
        large as the coordinates, is only kept if ``cumulative``.
        """
        cdef double[::1] view
        self.cumulative, self.average = cumulative, average if cumulative else NULL
        self.stored_share, self.average_unit = 0.0, 1.0
        self.paid = NULL
        if cumulative:
            if self.paid_owner is None:
                self.paid_owner = np.zeros(self.size)
            self.paid = entries(self.paid_owner, self.size, 0, True)
        self.scale = 1.0
        self.l1_sum = 0.0
        self.l1, self.l2 = l1, l2
        self.n_outputs = n_outputs
        self.n_penalised = self.size - n_outputs
        self.records = NULL
        if lazy and l1 > 0.0:
            view = np.empty(self.n_penalised // n_outputs * (n_outputs + 1))
            self.record_owner = view
            self.records = &view[0]
        self.packed = False

    cdef void pack(self) noexcept nogil:
        """Copy the features' coefficients into the records, unless they are there."""
        cdef Py_ssize_t j, k, K = self.n_outputs
        cdef double* record = self.records
        if self.packed or record == NULL:
            return
        for j in range(self.n_penalised // K):
            record[0] = 0.0
            for k in range(K):
                record[1 + k] = self.whole.w[j * K + k]
            record += K + 1
        self.packed = True

    cdef void decay(self, double eta) noexcept nogil:
        """Begin a step with its l2 factor. Rows may be added afterwards."""
        self.t += 1
        self.scale *= fmax(0.0, 1.0 - eta * self.l2)
        self.due += eta * self.l1
        if self.scale < 1e-9:
            if self.packed:
                self.apply_lagged()
            else:
                self.flush()

    cdef void shrink(self, double eta) noexcept nogil:
        """End a step with its l1 threshold, which may be lagged."""
        cdef double amount
        cdef Py_ssize_t j
        if self.l1 == 0.0 or self.cumulative:
            return
        amount = eta * self.l1 / self.scale
        if self.records != NULL:
            self.l1_sum += amount
            return
        for j in range(self.n_penalised):
            self.whole.w[j] = soft(self.whole.w[j], amount)

    cdef void apply_lagged(self) noexcept nogil:
        """Apply lagged thresholds and the scale to the records; the scale becomes one."""
        cdef Py_ssize_t _, k, K = self.n_outputs
        cdef double* record = self.records
        for _ in range(self.n_penalised // K):
            for k in range(1, K + 1):
                record[k] = self.scale * soft(record[k], self.l1_sum - record[0])
            record[0] = 0.0
            record += K + 1
        self.l1_sum = 0.0
        self.scale = 1.0

    cdef void count_average(self, double share) noexcept nogil:
        """Give the features' present values this share in their average.

        A change of a stored value subtracts `stored_share` times the change from
        ``average`` (Bottou 2012, section 5.1).
        """
        if share < 1.0:
            self.average_unit /= 1.0 - share
        self.stored_share += share * self.average_unit * self.scale

    cdef void apply_lagged_average(self) noexcept nogil:
        """Make ``average`` the true average of the features."""
        cdef Py_ssize_t j
        if self.average == NULL or self.stored_share == 0.0:
            return
        for j in range(self.n_penalised):
            self.average[j] = (
                self.average[j] + self.stored_share * self.whole.w[j]) / self.average_unit
        self.stored_share, self.average_unit = 0.0, 1.0

    cdef void flush(self) noexcept nogil:
        """Apply everything lagged, so that the stored coefficients are the true ones."""
        cdef Py_ssize_t j, k, K = self.n_outputs
        self.apply_lagged_average()
        if self.packed:
            self.apply_lagged()
            for j in range(self.n_penalised // K):
                for k in range(K):
                    self.whole.w[j * K + k] = self.records[j * (K + 1) + 1 + k]
            self.packed = False
        elif self.scale != 1.0:
            for j in range(self.n_penalised):
                self.whole.w[j] *= self.scale
            self.scale = 1.0


cdef class VelocityRule(Rule):
    """Base of momentum and Nesterov: v = mu v + eta G; E = mu E + eta.

    E, the effective step, sums learning rates as v sums gradients. At a minimiser,
    where G stays the same, v = E G: a threshold of E l1 takes back what the
    velocity adds, whatever the schedule. (Under a constant learning rate E tends
    to eta/(1 - mu); that limit itself would be too small while eta decays. With
    the threshold inside the velocity, as in iPiano, coefficients near zero
    bounce through it chaotically under stochastic gradients.)
    """

    slot_names = ("velocity",)
    looks_ahead = False
    cdef double mu, reach
    cdef LaggedMomentum lagged

    def __init__(self, params):
        self.mu = params["momentum"]

    def bind(self, coef, l1, l2, state=None):
        Rule.bind(self, coef, l1, l2, state)
        self.reach = 0.0 if state is None else state["reach"]
        return self

    def state(self):
        return Rule.state(self) | {"reach": self.reach}

    def prepare_lagged(self, const double[::1] etas, Py_ssize_t n_outputs, double l1, double l2,
                       bint summed):
        Rule.prepare_lagged(self, etas, n_outputs, l1, l2, summed)
        self.lagged = LaggedMomentum(
            self.mu, self.looks_ahead, l1, l2, self.reach, etas, summed)

    cdef void lagged_update(
            self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
            double* sums) noexcept nogil:
        self.lagged.run(n, self.n_outputs, since, now, self.at.w, self.at.slot[0], sums)


@cython.final
cdef class MomentumRule(VelocityRule):
    """v = mu v + eta G; E = mu E + eta; w -= v; w = ST(w, E l1)."""

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.at.w
        cdef double* v = self.at.slot[0]
        cdef const double* l1 = self.at.l1
        cdef const double* l2 = self.at.l2
        cdef double mu = self.mu, e = mu * self.reach + eta
        self.t += 1
        self.reach = e
        for j in range(self.at.size):
            v[j] = mu * v[j] + eta * (g[j] + l2[j] * w[j])
            w[j] = soft(w[j] - v[j], e * l1[j])


@cython.final
cdef class NesterovRule(VelocityRule):
    """v = mu v + eta G; E = mu E + eta; w -= mu v + eta G;
    w = ST(w, (mu E + eta) l1).
    """

    looks_ahead = True

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.at.w
        cdef double* v = self.at.slot[0]
        cdef const double* l1 = self.at.l1
        cdef const double* l2 = self.at.l2
        cdef double mu = self.mu, move, e
        self.t += 1
        self.reach = mu * self.reach + eta
        e = mu * self.reach + eta
        for j in range(self.at.size):
            move = eta * (g[j] + l2[j] * w[j])
            v[j] = mu * v[j] + move
            w[j] = soft(w[j] - (mu * v[j] + move), e * l1[j])


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

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef sklgd_adam rule
        self.t += 1
        rule.beta_1, rule.beta_2 = self.beta_1, self.beta_2
        rule.epsilon, rule.eta = self.epsilon, eta
        rule.c1 = 1.0 / (1.0 - pow(self.beta_1, <double> self.t))
        rule.c2 = 1.0 / (1.0 - pow(self.beta_2, <double> self.t))
        adam_step(
            &rule, self.at.size, g, self.at.l1, self.at.l2, self.at.slot[0],
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
