"""The rules of optimizers: the update of a step.

This file has their base and the rules whose learning rate is the same for all
coordinates; those with one for each coordinate are in _adaptive_rules.pyx.

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
from libc.math cimport INFINITY, exp, expm1, fabs, fmax, log, log1p

import numpy as np

from sklgd.kernels._arrays cimport entries
from sklgd.kernels._lagged_momentum cimport LaggedMomentum
from sklgd.kernels._lagged_penalty cimport Thresholds, lagged_threshold, shrunk
from sklgd.kernels._penalty cimport soft

cnp.import_array()


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
        self.varied = False
        if l1 == 0.0 and l2 == 0.0:
            for i in range(self.size):
                if self.whole.l1[i] != 0.0 or self.whole.l2[i] != 0.0:
                    self.varied = True
                    break
        if self.varied:
            self.prepare_powers(etas)

    cdef prepare_powers(self, const double[::1] etas):
        """Tables of `decayed`: learning rates c + r x with x in [-1, 1], and sums of x^p."""
        cdef const double[:, ::1] view
        eta = np.asarray(etas)
        low, high = eta.min(initial=np.inf), eta.max(initial=0.0)
        low = min(low, high)
        self.centre, self.spread = 0.5 * (low + high), 0.5 * (high - low)
        table = np.zeros((len(eta) + 1, POWERS))
        if self.spread > 0.0:
            x = (eta - self.centre) / self.spread
            np.cumsum(x[:, None] ** np.arange(1, POWERS + 1), axis=0, out=table[1:])
        view = self.power_owner = table
        self.powers = &view[0, 0]

    cdef double decayed(
            self, double w, double l1, double l2, Py_ssize_t first,
            Py_ssize_t now) noexcept nogil:
        """Steps first ... now - 1 of w = ST(max(0, 1 - eta l2) w, eta l1).

        |w| + l1/l2 shrinks by the product of the factors 1 - eta l2 = (1 - c l2)(1 - q x),
        whose logarithm is a series in q. It has reached rounding after POWERS terms if q is
        small; otherwise the steps are made one by one.
        """
        cdef double q = self.spread * l2 / (1.0 - self.centre * l2), size, factor = 1.0
        cdef const double* begin = self.powers + first * POWERS
        cdef const double* end = self.powers + now * POWERS
        cdef Py_ssize_t i, p
        if not (self.centre * l2 < 0.5 and q < 0.02):
            for i in range(first, now):
                if w == 0.0:
                    break
                w = soft(fmax(0.0, 1.0 - self.etas[i] * l2) * w, self.etas[i] * l1)
            return w
        size = (now - first) * log1p(-self.centre * l2)
        if q > 0.0:
            for p in range(POWERS):
                factor *= q
                size -= factor / (p + 1) * (end[p] - begin[p])
        return shrunk(w, l1 / l2, expm1(size))

    cdef void lagged_update(
            self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
            double* sums) noexcept nogil:
        cdef Py_ssize_t i, j, first, last, K = self.n_outputs
        cdef double* w = self.at.w
        cdef double* added = NULL
        cdef double product, change, ratio, size, sign
        if self.l2 == 0.0 and self.l1 == 0.0:
            # No penalty, or strengths of each coefficient.
            Rule.lagged_update(self, n, since, now, sums)
            if self.varied:
                self.lagged_strengths(n, since, now, sums)
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

    cdef void lagged_strengths(
            self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
            double* sums) noexcept nogil:
        """`lagged_update` if the coefficients have strengths of their own."""
        cdef Py_ssize_t i, j, K = self.n_outputs
        cdef double* w = self.at.w
        cdef const double* l1 = self.at.l1
        cdef const double* l2 = self.at.l2
        cdef double before
        for i in range(n):
            if since[i] == now:
                continue
            for j in range(i * K, (i + 1) * K):
                if w[j] == 0.0:
                    continue
                if l2[j] > 0.0:
                    w[j] = self.decayed(w[j], l1[j], l2[j], since[i], now)
                elif l1[j] > 0.0:
                    before = w[j]
                    w[j] = lagged_threshold(
                        before, l1[j], &self.table, since[i], now,
                        NULL if sums == NULL else sums + j)
                    if sums != NULL:
                        # (`Rule.lagged_update` has added what it was without a penalty.)
                        sums[j] -= (now - since[i]) * before

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
