"""Optimizer rules and their parameter objects.

A rule moves all coordinates by one step, given the gradient of the data term
and a step size; the penalty l1 |w| + l2 w^2/2 (per coordinate, zero for the
intercept) is the rule's business, because it must act in the rule's own
metric: every rule heads for the same minimiser. Notation: g is the gradient
of the batch's mean loss, G = g + l2 w, ST the soft threshold, t = 1, 2, ...
the step number.

Adding an optimizer is one rule and one parameter class here; the registry
`OPTIMIZERS` is what estimators, tests and documentation read. Its NumPy twin
goes to tests/reference.py.
"""
cimport cython
from libc.math cimport fabs, fmax, pow, sqrt

import numbers

import numpy as np
from sklearn.base import BaseEstimator

from sklgd.kernels._penalty cimport soft


cdef class Rule:
    """Base of the compiled update rules; made by `Optimizer.make_rule`.

    Owns its slots (float64 arrays with one entry per coordinate); borrows the
    coordinates and the penalty.
    """

    slot_names = ()

    def __init__(self, params):
        pass

    def bind(self, coef, l1, l2, state=None):
        """Attach the rule to coordinates, updated in place.

        Parameters
        ----------
        coef, l1, l2 : float64 C-contiguous arrays of one size
            Coordinates and their penalty; the caller keeps ownership.
        state : dict, default=None
            What `state` returned earlier; None starts afresh.
        """
        cdef double[::1] w = coef.reshape(-1), a = l1.reshape(-1), b = l2.reshape(-1)
        if not w.shape[0] == a.shape[0] == b.shape[0]:
            raise ValueError("coef, l1 and l2 must have one size")
        self.owners = (w, a, b)
        self.size = w.shape[0]
        self.w, self.l1, self.l2 = &w[0], &a[0], &b[0]
        if state is None:
            self.t = 0
            self.slots = {name: np.zeros(self.size) for name in self.slot_names}
        else:
            self.t = state["t"]
            self.slots = {name: state[name].copy() for name in self.slot_names}
        self.attach()
        return self

    def attach(self):
        """Take the pointers to the slots (called by `bind`)."""

    def state(self):
        """Step count and slots, as a picklable dict of copies."""
        return {"t": self.t} | {k: v.copy() for k, v in self.slots.items()}

    def take_step(self, gradient, double eta):
        """One step from Python: tests and function minimisation."""
        cdef const double[::1] g = np.ascontiguousarray(
            gradient, dtype=np.float64).reshape(-1)
        if g.shape[0] != self.size:
            raise ValueError("gradient must have the size of the coordinates")
        self.step(&g[0], eta)

    cdef void step(self, const double* g, double eta) noexcept nogil:
        """Move all coordinates; g has `size` entries and is not changed."""


cdef double* pointer(dict slots, str name):
    cdef double[::1] view = slots[name]
    return &view[0]


@cython.final
cdef class SGDRule(Rule):
    """w = max(0, 1 - eta l2) w - eta g; w = ST(w, eta l1).

    The decay is cut at zero as in SGDRegressor, where eta l2 > 1 would flip
    signs.

    Rows can also be added straight into the coordinates, without a gradient
    array. Then the features are kept as ``scale * stored`` so that l2 costs
    O(1), and, when ``lazy``, the l1 debt is settled per feature on touch
    (cumulative threshold: Tsuruoka, Tsujii and Ananiadou 2009; Lipton and
    Elkan 1505.06449): O(nnz) a row, the same iterates as the dense step.
    """

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.w
        cdef const double* l1 = self.l1
        cdef const double* l2 = self.l2
        self.t += 1
        for j in range(self.size):
            w[j] = soft(fmax(0.0, 1.0 - eta * l2[j]) * w[j] - eta * g[j],
                        eta * l1[j])

    cdef void start_rows(
            self, Py_ssize_t n_outputs, double l1, double l2, bint lazy):
        """Prepare adding rows; the last n_outputs coordinates are intercepts."""
        cdef double[::1] view
        self.scale = 1.0
        self.debt = 0.0
        self.row_l1, self.row_l2 = l1, l2
        self.n_outputs = n_outputs
        self.n_penalised = self.size - n_outputs
        self.lazy = lazy
        self.settled = NULL
        if lazy and l1 > 0.0:
            view = np.zeros(self.size)
            self.settled_owner = view
            self.settled = &view[0]

    cdef void decay(self, double eta) noexcept nogil:
        """Begin a step: the l2 factor; afterwards rows may be added."""
        self.t += 1
        self.scale *= fmax(0.0, 1.0 - eta * self.row_l2)
        if self.scale < 1e-9:
            self.flush()

    cdef void shrink(self, double eta) noexcept nogil:
        """End a step: the l1 threshold, now or as a debt."""
        cdef double amount
        cdef Py_ssize_t j
        if self.row_l1 == 0.0:
            return
        amount = eta * self.row_l1 / self.scale
        if self.settled != NULL:
            self.debt += amount
            return
        for j in range(self.n_penalised):
            self.w[j] = soft(self.w[j], amount)

    cdef void catch_up(
            self, const Py_ssize_t* features, Py_ssize_t n) noexcept nogil:
        """Settle the debt of the features about to be read (lazy l1 only)."""
        cdef Py_ssize_t i, j, k, first
        for i in range(n):
            first = features[i] * self.n_outputs
            if self.settled[first] == self.debt:
                continue
            for k in range(self.n_outputs):
                j = first + k
                self.w[j] = soft(self.w[j], self.debt - self.settled[j])
                self.settled[j] = self.debt

    cdef void flush(self) noexcept nogil:
        """Settle everything: afterwards the coordinates are the true ones."""
        cdef Py_ssize_t j
        if self.settled != NULL and self.debt != 0.0:
            for j in range(self.n_penalised):
                self.w[j] = soft(self.w[j], self.debt - self.settled[j])
                self.settled[j] = 0.0
            self.debt = 0.0
        if self.scale != 1.0:
            for j in range(self.n_penalised):
                self.w[j] *= self.scale
            self.scale = 1.0


cdef class VelocityRule(Rule):
    """What momentum and Nesterov share: v = mu v + eta G; E = mu E + eta.

    E, the effective step, sums step sizes as v sums gradients. At a minimiser,
    where G stays the same, v = E G: a threshold of E l1 takes back what the
    velocity adds, whatever the schedule. (Under a constant step size E tends
    to eta/(1 - mu); that limit itself would be too small while eta decays. With
    the threshold inside the velocity, as in iPiano, coefficients near zero
    bounce through it chaotically under stochastic gradients.)
    """

    slot_names = ("velocity",)
    cdef double mu, reach
    cdef double* v

    def __init__(self, params):
        self.mu = params["momentum"]

    def bind(self, coef, l1, l2, state=None):
        Rule.bind(self, coef, l1, l2, state)
        self.reach = 0.0 if state is None else state["reach"]
        return self

    def state(self):
        return Rule.state(self) | {"reach": self.reach}

    def attach(self):
        self.v = pointer(self.slots, "velocity")


@cython.final
cdef class MomentumRule(VelocityRule):
    """v = mu v + eta G; E = mu E + eta; w -= v; w = ST(w, E l1)."""

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.w
        cdef double* v = self.v
        cdef const double* l1 = self.l1
        cdef const double* l2 = self.l2
        cdef double mu = self.mu, e = mu * self.reach + eta
        self.t += 1
        self.reach = e
        for j in range(self.size):
            v[j] = mu * v[j] + eta * (g[j] + l2[j] * w[j])
            w[j] = soft(w[j] - v[j], e * l1[j])


@cython.final
cdef class NesterovRule(VelocityRule):
    """v = mu v + eta G; E = mu E + eta; w -= mu v + eta G;
    w = ST(w, (mu E + eta) l1).
    """

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.w
        cdef double* v = self.v
        cdef const double* l1 = self.l1
        cdef const double* l2 = self.l2
        cdef double mu = self.mu, move, e
        self.t += 1
        self.reach = mu * self.reach + eta
        e = mu * self.reach + eta
        for j in range(self.size):
            move = eta * (g[j] + l2[j] * w[j])
            v[j] = mu * v[j] + move
            w[j] = soft(w[j] - (mu * v[j] + move), e * l1[j])


@cython.final
cdef class AdagradRule(Rule):
    """A += g^2; H = sqrt(A) + eps; w = ST(w - eta g/H, eta l1/H)/(1 + eta l2/H).

    The whole penalty is a prox in the metric H (Duchi, Hazan and Singer 2011,
    eq. 4): A then changes only where the data term has a gradient.
    """

    slot_names = ("accumulator",)
    cdef double epsilon, initial
    cdef double* a

    def __init__(self, params):
        self.epsilon = params["epsilon"]
        self.initial = params["initial_accumulator"]

    def bind(self, coef, l1, l2, state=None):
        Rule.bind(self, coef, l1, l2, state)
        if state is None:
            self.slots["accumulator"][:] = self.initial
        return self

    def attach(self):
        self.a = pointer(self.slots, "accumulator")

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.w
        cdef double* a = self.a
        cdef const double* l1 = self.l1
        cdef const double* l2 = self.l2
        cdef double epsilon = self.epsilon, e
        self.t += 1
        for j in range(self.size):
            a[j] += g[j] * g[j]
            e = eta / (sqrt(a[j]) + epsilon)
            w[j] = soft(w[j] - e * g[j], e * l1[j]) / (1.0 + e * l2[j])


@cython.final
cdef class RMSpropRule(Rule):
    """E = rho E + (1-rho) G^2; e = eta/(sqrt(E) + eps); w = ST(w - e G, e l1)."""

    slot_names = ("mean_square",)
    cdef double rho, epsilon
    cdef double* s

    def __init__(self, params):
        self.rho = params["rho"]
        self.epsilon = params["epsilon"]

    def attach(self):
        self.s = pointer(self.slots, "mean_square")

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.w
        cdef double* s = self.s
        cdef const double* l1 = self.l1
        cdef const double* l2 = self.l2
        cdef double rho = self.rho, epsilon = self.epsilon, G, e
        self.t += 1
        for j in range(self.size):
            G = g[j] + l2[j] * w[j]
            s[j] = rho * s[j] + (1.0 - rho) * G * G
            e = eta / (sqrt(s[j]) + epsilon)
            w[j] = soft(w[j] - e * G, e * l1[j])


@cython.final
cdef class AdadeltaRule(Rule):
    """E = rho E + (1-rho) G^2; r = sqrt(D + eps)/sqrt(E + eps);
    D = rho D + (1-rho) (r G)^2; w = ST(w - eta r G, eta r l1).
    """

    slot_names = ("mean_square", "mean_square_step")
    cdef double rho, epsilon
    cdef double* s
    cdef double* d

    def __init__(self, params):
        self.rho = params["rho"]
        self.epsilon = params["epsilon"]

    def attach(self):
        self.s = pointer(self.slots, "mean_square")
        self.d = pointer(self.slots, "mean_square_step")

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.w
        cdef double* s = self.s
        cdef double* d = self.d
        cdef const double* l1 = self.l1
        cdef const double* l2 = self.l2
        cdef double rho = self.rho, epsilon = self.epsilon, G, r
        self.t += 1
        for j in range(self.size):
            G = g[j] + l2[j] * w[j]
            s[j] = rho * s[j] + (1.0 - rho) * G * G
            r = sqrt(d[j] + epsilon) / sqrt(s[j] + epsilon)
            d[j] = rho * d[j] + (1.0 - rho) * (r * G) * (r * G)
            w[j] = soft(w[j] - eta * r * G, eta * r * l1[j])


cdef class MomentRule(Rule):
    """What Adam and its relatives share: two decaying moments of the gradient."""

    slot_names = ("mean", "mean_square")
    cdef double beta_1, beta_2, epsilon
    cdef double* m
    cdef double* v

    def __init__(self, params):
        self.beta_1 = params["beta_1"]
        self.beta_2 = params["beta_2"]
        self.epsilon = params["epsilon"]

    def attach(self):
        self.m = pointer(self.slots, "mean")
        self.v = pointer(self.slots, "mean_square")


@cython.final
cdef class AdamRule(MomentRule):
    """m = b1 m + (1-b1) G; v = b2 v + (1-b2) G^2; e = eta/(sqrt(v^) + eps);
    w = ST(w - e m^, e l1), with m^ = m/(1-b1^t), v^ = v/(1-b2^t).
    """

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.w
        cdef double* m = self.m
        cdef double* v = self.v
        cdef const double* l1 = self.l1
        cdef const double* l2 = self.l2
        cdef double b1 = self.beta_1, b2 = self.beta_2, epsilon = self.epsilon
        cdef double G, e, c1, c2
        self.t += 1
        c1 = 1.0 / (1.0 - pow(b1, <double> self.t))
        c2 = 1.0 / (1.0 - pow(b2, <double> self.t))
        for j in range(self.size):
            G = g[j] + l2[j] * w[j]
            m[j] = b1 * m[j] + (1.0 - b1) * G
            v[j] = b2 * v[j] + (1.0 - b2) * G * G
            e = eta / (sqrt(c2 * v[j]) + epsilon)
            w[j] = soft(w[j] - e * c1 * m[j], e * l1[j])


@cython.final
cdef class AMSGradRule(MomentRule):
    """Adam with the running maximum x = max(x, v) under the root."""

    slot_names = ("mean", "mean_square", "max_mean_square")
    cdef double* x

    def attach(self):
        MomentRule.attach(self)
        self.x = pointer(self.slots, "max_mean_square")

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.w
        cdef double* m = self.m
        cdef double* v = self.v
        cdef double* x = self.x
        cdef const double* l1 = self.l1
        cdef const double* l2 = self.l2
        cdef double b1 = self.beta_1, b2 = self.beta_2, epsilon = self.epsilon
        cdef double G, e, c1, c2
        self.t += 1
        c1 = 1.0 / (1.0 - pow(b1, <double> self.t))
        c2 = 1.0 / (1.0 - pow(b2, <double> self.t))
        for j in range(self.size):
            G = g[j] + l2[j] * w[j]
            m[j] = b1 * m[j] + (1.0 - b1) * G
            v[j] = b2 * v[j] + (1.0 - b2) * G * G
            x[j] = fmax(x[j], v[j])
            e = eta / (sqrt(c2 * x[j]) + epsilon)
            w[j] = soft(w[j] - e * c1 * m[j], e * l1[j])


@cython.final
cdef class NadamRule(MomentRule):
    """Adam with the look-ahead direction b1 m/(1-b1^(t+1)) + (1-b1) G/(1-b1^t)."""

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.w
        cdef double* m = self.m
        cdef double* v = self.v
        cdef const double* l1 = self.l1
        cdef const double* l2 = self.l2
        cdef double b1 = self.beta_1, b2 = self.beta_2, epsilon = self.epsilon
        cdef double G, e, c1, c2, next_c1
        self.t += 1
        c1 = (1.0 - b1) / (1.0 - pow(b1, <double> self.t))
        next_c1 = b1 / (1.0 - pow(b1, <double> (self.t + 1)))
        c2 = 1.0 / (1.0 - pow(b2, <double> self.t))
        for j in range(self.size):
            G = g[j] + l2[j] * w[j]
            m[j] = b1 * m[j] + (1.0 - b1) * G
            v[j] = b2 * v[j] + (1.0 - b2) * G * G
            e = eta / (sqrt(c2 * v[j]) + epsilon)
            w[j] = soft(w[j] - e * (next_c1 * m[j] + c1 * G), e * l1[j])


@cython.final
cdef class AdaMaxRule(MomentRule):
    """m as Adam; u = max(b2 u, |G|); e = eta/(u + eps); w = ST(w - e m^, e l1)."""

    slot_names = ("mean", "max_gradient")

    def attach(self):
        self.m = pointer(self.slots, "mean")
        self.v = pointer(self.slots, "max_gradient")

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.w
        cdef double* m = self.m
        cdef double* u = self.v
        cdef const double* l1 = self.l1
        cdef const double* l2 = self.l2
        cdef double b1 = self.beta_1, b2 = self.beta_2, epsilon = self.epsilon
        cdef double G, e, c1
        self.t += 1
        c1 = 1.0 / (1.0 - pow(b1, <double> self.t))
        for j in range(self.size):
            G = g[j] + l2[j] * w[j]
            m[j] = b1 * m[j] + (1.0 - b1) * G
            u[j] = fmax(b2 * u[j], fabs(G))
            e = eta / (u[j] + epsilon)
            w[j] = soft(w[j] - e * c1 * m[j], e * l1[j])


@cython.final
cdef class FTRLRule(Rule):
    """s = (sqrt(n + g^2) - sqrt(n))/eta; z += g - s w; S += s; n += g^2;
    w = -ST(z, t l1)/(S + t l2), from S = beta/eta_1, z = -S w_0, n = 0.

    S is the running sum of the proximal weights, (beta + sqrt(n))/eta when eta
    is constant. The penalty is added once a step, like the losses.
    """

    slot_names = ("linear", "sum_square", "proximal")
    cdef double beta
    cdef double* z
    cdef double* n
    cdef double* p

    def __init__(self, params):
        self.beta = params["beta"]

    def attach(self):
        self.z = pointer(self.slots, "linear")
        self.n = pointer(self.slots, "sum_square")
        self.p = pointer(self.slots, "proximal")

    cdef void step(self, const double* g, double eta) noexcept nogil:
        cdef Py_ssize_t j
        cdef double* w = self.w
        cdef double* z = self.z
        cdef double* n = self.n
        cdef double* p = self.p
        cdef const double* l1 = self.l1
        cdef const double* l2 = self.l2
        cdef double t, sigma, total
        if eta == 0.0:
            # The proximal weight of a step is 1/eta: a zero step stays put.
            return
        if self.t == 0:
            for j in range(self.size):
                p[j] = self.beta / eta
                z[j] = -p[j] * w[j]
        self.t += 1
        t = <double> self.t
        for j in range(self.size):
            total = n[j] + g[j] * g[j]
            sigma = (sqrt(total) - sqrt(n[j])) / eta
            z[j] += g[j] - sigma * w[j]
            n[j] = total
            p[j] += sigma
            w[j] = -soft(z[j], t * l1[j]) / (p[j] + t * l2[j])


# ----------------------------------------------------------------------------
# Parameter objects
# ----------------------------------------------------------------------------

class Optimizer(BaseEstimator):
    """Parameters of an update rule: a real scikit-learn estimator.

    ``get_params``, ``set_params``, ``clone`` and therefore `GridSearchCV` with
    ``optimizer__...`` work. No ``fit`` changes it; the state of a run lives in
    the estimator that runs it.

    Class attributes
    ----------------
    name : str
        Name in the registry and in the estimators' ``optimizer`` parameter.
    ranges : dict
        Parameter -> (low, closed, high): low <= value < high where ``closed``,
        else low < value < high.
    rule : type
        The compiled rule.
    training : str
        What runs its epochs, a key of ``sklgd._base.DRIVERS``; "descent" steps with
        a rule.
    normalised : bool
        True if a step's length does not follow that of the gradient.
    """

    name = None
    normalised = True
    ranges = {}
    rule = None
    training = "descent"

    def unit_step(self, curvature, full):
        """First step size for ``learning_rate="auto"``.

        Parameters
        ----------
        curvature : float
            Largest curvature that a batch sees, in coordinates where every
            feature and the loss have size one.
        full : bool
            True in batch descent.

        Returns
        -------
        float
            Step size. Rules that normalise the gradient move each coordinate by
            about this distance; the others need the curvature.
        """
        return 0.1 if full else 0.03

    def check(self):
        """Raise ValueError for a parameter outside its range."""
        for parameter, (low, closed, high) in self.ranges.items():
            value = getattr(self, parameter)
            number = isinstance(value, numbers.Real) and not isinstance(value, bool)
            if not number or not (
                (low <= value if closed else low < value) and value < high
            ):
                bracket = "[" if closed else "("
                raise ValueError(
                    f"{type(self).__name__}: {parameter} must be a number in "
                    f"{bracket}{low:g}, {high:g}), got {value!r}."
                )

    def check_run(self, est, loss, stream):
        """Raise ValueError for a run that this optimizer cannot make.

        Parameters
        ----------
        est : GDRegressor or GDClassifier
        loss : Loss
        stream : bool
            True for ``partial_fit``.
        """

    def refuse_average(self, est):
        """Raise ValueError if the estimator asks for averages of the iterates."""
        if est.average:
            raise ValueError(
                f"average={est.average!r} is not possible with optimizer={self.name!r}, "
                "whose iterates converge without averaging. Use average=False."
            )

    def make_rule(self, coef, l1, l2, state=None):
        """The compiled rule, bound to float64 coordinates it updates in place.

        Parameters
        ----------
        coef, l1, l2 : float64 C-contiguous arrays of one shape
            Coordinates and their l1 and l2 penalties.
        state : dict, default=None
            State of an earlier rule to continue from.
        """
        self.check()
        return self.rule(self.get_params(deep=False)).bind(coef, l1, l2, state)


INF = float("inf")


class SGD(Optimizer):
    """Plain gradient descent: w = w - eta (g + l2 w).

    The l1 penalty is a soft threshold of eta l1 after the step; the l2 decay
    factor 1 - eta l2 is cut at zero, as in SGDRegressor. On CSR rows a step
    costs O(nnz) for every penalty and gives the iterates of the dense step.

    References
    ----------
    Robbins and Monro, "A stochastic approximation method", 1951, eq. (6).

    Examples
    --------
    >>> from sklgd.optimizers import SGD
    >>> SGD()
    SGD()
    """

    name = "sgd"
    normalised = False
    rule = SGDRule

    def __init__(self):
        pass

    def unit_step(self, curvature, full):
        return (1.0 if full else 0.5) / curvature


class VelocityOptimizer(Optimizer):
    """Parameters that momentum and Nesterov share."""

    normalised = False
    ranges = {"momentum": (0.0, True, 1.0)}

    def __init__(self, momentum=0.9):
        self.momentum = momentum

    def unit_step(self, curvature, full):
        return 1.0 / curvature if full else (1.0 - self.momentum) / curvature


class Momentum(VelocityOptimizer):
    """Heavy ball: v = mu v + eta G; w = w - v, with G = g + l2 w.

    An l1 penalty is a soft threshold of E l1, E = mu E + eta being the sum of
    the step sizes as v is that of the gradients. The step size is inside the
    velocity, so a change of step size acts on new gradients only. (PyTorch and
    others keep it outside; equal for a constant step size.)

    Parameters
    ----------
    momentum : float, default=0.9
        mu in [0, 1), the share of the last step that is kept.

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration
    methods", 1964, eq. (9).

    Examples
    --------
    >>> from sklgd import GDRegressor
    >>> from sklgd.optimizers import Momentum
    >>> GDRegressor(optimizer=Momentum(momentum=0.8)).optimizer.momentum
    0.8
    """

    name = "momentum"
    rule = MomentumRule


class Nesterov(VelocityOptimizer):
    """Nesterov momentum: v = mu v + eta G; w = w - (mu v + eta G).

    ``coef_`` is the look-ahead iterate, the point where the next gradient is
    taken (the form of Sutskever et al. as rewritten by Bengio et al.). An l1
    penalty is a soft threshold of (mu E + eta) l1, E = mu E + eta.

    Parameters
    ----------
    momentum : float, default=0.9
        mu in [0, 1).

    References
    ----------
    Nesterov, "A method of solving a convex programming problem with
    convergence rate O(1/k^2)", 1983. Bengio, Boulanger-Lewandowski and
    Pascanu, "Advances in optimizing recurrent networks", 2012, eq. (7).

    Examples
    --------
    >>> from sklgd.optimizers import Nesterov
    >>> Nesterov().momentum
    0.9
    """

    name = "nesterov"
    rule = NesterovRule


class Adagrad(Optimizer):
    """Adagrad: A = A + g^2; w = w - eta g/(sqrt(A) + epsilon).

    The penalty is a prox in the metric H = sqrt(A) + epsilon:
    w = ST(w, eta l1/H)/(1 + eta l2/H). (PyTorch adds l2 w to g instead.)

    Parameters
    ----------
    epsilon : float, default=1e-10
        Added outside the root.
    initial_accumulator : float, default=0
        Start of A; TensorFlow uses 0.1.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning
    and stochastic optimization", JMLR 12, 2011, figure 1 and eq. (4).

    Examples
    --------
    >>> from sklgd.optimizers import Adagrad
    >>> Adagrad(initial_accumulator=0.1)
    Adagrad(initial_accumulator=0.1)
    """

    name = "adagrad"
    rule = AdagradRule
    ranges = {
        "epsilon": (0.0, False, INF),
        "initial_accumulator": (0.0, True, INF),
    }

    def __init__(self, epsilon=1e-10, initial_accumulator=0.0):
        self.epsilon = epsilon
        self.initial_accumulator = initial_accumulator

    def unit_step(self, curvature, full):
        return 0.3


class RMSprop(Optimizer):
    """RMSprop: E = rho E + (1-rho) G^2; w = w - eta G/(sqrt(E) + epsilon).

    Parameters
    ----------
    rho : float, default=0.9
        Decay of the mean square, in [0, 1).
    epsilon : float, default=1e-8
        Added outside the root. (TensorFlow 1 has it inside.)

    References
    ----------
    Tieleman and Hinton, "Lecture 6.5 - RMSProp", Coursera, 2012.

    Examples
    --------
    >>> from sklgd.optimizers import RMSprop
    >>> RMSprop(rho=0.99).rho
    0.99
    """

    name = "rmsprop"
    rule = RMSpropRule
    ranges = {"rho": (0.0, True, 1.0), "epsilon": (0.0, False, INF)}

    def __init__(self, rho=0.9, epsilon=1e-8):
        self.rho = rho
        self.epsilon = epsilon


class Adadelta(Optimizer):
    """Adadelta: E = rho E + (1-rho) G^2; dx = sqrt(D + eps)/sqrt(E + eps) G;
    D = rho D + (1-rho) dx^2; w = w - eta dx.

    Parameters
    ----------
    rho : float, default=0.95
        Decay of both means, in [0, 1).
    epsilon : float, default=1e-6
        Inside both roots; sets the size of the first steps.

    References
    ----------
    Zeiler, "ADADELTA: an adaptive learning rate method", 1212.5701,
    algorithm 1 (there eta = 1).

    Examples
    --------
    >>> from sklgd.optimizers import Adadelta
    >>> Adadelta().rho
    0.95
    """

    name = "adadelta"
    rule = AdadeltaRule
    ranges = {"rho": (0.0, True, 1.0), "epsilon": (0.0, False, INF)}

    def __init__(self, rho=0.95, epsilon=1e-6):
        self.rho = rho
        self.epsilon = epsilon

    def unit_step(self, curvature, full):
        return 1.0


class MomentOptimizer(Optimizer):
    """Parameters that Adam and its relatives share."""

    ranges = {
        "beta_1": (0.0, True, 1.0),
        "beta_2": (0.0, True, 1.0),
        "epsilon": (0.0, False, INF),
    }

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon


class Adam(MomentOptimizer):
    """Adam: m = b1 m + (1-b1) G; v = b2 v + (1-b2) G^2;
    w = w - eta m^/(sqrt(v^) + epsilon), m^ = m/(1-b1^t), v^ = v/(1-b2^t).

    The l2 penalty is part of G (coupled), so the minimiser is that of the
    documented objective; AdamW's decoupled decay has another one.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the two means, in [0, 1).
    epsilon : float, default=1e-8
        Added outside the root, after the bias correction.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", 1412.6980,
    algorithm 1.

    Examples
    --------
    >>> from sklearn.base import clone
    >>> from sklgd.optimizers import Adam
    >>> clone(Adam(beta_1=0.8)).beta_1
    0.8
    """

    name = "adam"
    rule = AdamRule


class AMSGrad(MomentOptimizer):
    """AMSGrad: Adam with x = max(x, v) in place of v, then bias-corrected:
    w = w - eta m^/(sqrt(x/(1-b2^t)) + epsilon).

    The paper has no bias correction; this is PyTorch's ``amsgrad=True``.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
    epsilon : float, default=1e-8

    References
    ----------
    Reddi, Kale and Kumar, "On the convergence of Adam and beyond",
    1904.09237, algorithm 2.

    Examples
    --------
    >>> from sklgd.optimizers import AMSGrad
    >>> AMSGrad().beta_2
    0.999
    """

    name = "amsgrad"
    rule = AMSGradRule


class Nadam(MomentOptimizer):
    """Nadam: Adam with the direction b1 m/(1-b1^(t+1)) + (1-b1) G/(1-b1^t).

    Constant beta_1; PyTorch and Keras warm it up with a momentum schedule.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
    epsilon : float, default=1e-8

    References
    ----------
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016,
    algorithm 2 with constant mu.

    Examples
    --------
    >>> from sklgd.optimizers import Nadam
    >>> Nadam(beta_1=0.95).beta_1
    0.95
    """

    name = "nadam"
    rule = NadamRule


class AdaMax(MomentOptimizer):
    """AdaMax: m as in Adam; u = max(b2 u, |G|); w = w - eta m^/(u + epsilon).

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
    epsilon : float, default=1e-8
        Keeps a feature without any gradient at rest; the paper has none.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", 1412.6980,
    algorithm 2.

    Examples
    --------
    >>> from sklgd.optimizers import AdaMax
    >>> AdaMax().beta_1
    0.9
    """

    name = "adamax"
    rule = AdaMaxRule


class FTRL(Optimizer):
    """FTRL-Proximal: w = argmin_w sum_s g_s w + t (l1 |w| + l2 w^2/2)
    + 1/2 sum_s sigma_s (w - w_s)^2, sum_s sigma_s = (beta + sqrt(sum g^2))/eta.

    The penalty counts once a step, as the losses do, so its weight against
    them does not fade; McMahan et al. 2013 add it once in all.

    Parameters
    ----------
    beta : float, default=1.0
        Damps the first steps; the paper's beta.

    References
    ----------
    McMahan, "Follow-the-regularized-leader and mirror descent: equivalence
    theorems and L1 regularization", AISTATS 2011, section 1. McMahan et al.,
    "Ad click prediction: a view from the trenches", KDD 2013, algorithm 1
    (their alpha is eta).

    Examples
    --------
    >>> from sklgd.optimizers import FTRL
    >>> FTRL(beta=0.5)
    FTRL(beta=0.5)
    """

    name = "ftrl"
    rule = FTRLRule
    ranges = {"beta": (0.0, False, INF)}

    def __init__(self, beta=1.0):
        self.beta = beta

    def unit_step(self, curvature, full):
        return 0.3


OPTIMIZERS = {
    cls.name: cls
    for cls in (
        SGD, Momentum, Nesterov, Adagrad, RMSprop, Adadelta, Adam, AMSGrad, Nadam,
        AdaMax, FTRL,
    )
}
"""Optimizer name -> parameter class."""

__all__ = [
    "OPTIMIZERS",
    "Optimizer",
    *sorted(cls.__name__ for cls in OPTIMIZERS.values()),
]
