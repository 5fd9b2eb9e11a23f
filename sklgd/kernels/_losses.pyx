"""Formulas of the losses of a raw prediction z = x.w + b, compiled into loops over rows.

A class here holds formulas for a single prediction: ``value``, ``gradient`` = dl/dz,
``second`` = d2l/dz2 and ``proximal``. `use_loops` compiles them into the loops at the end
of this file (pointwise regression, signed targets, losses of an exponential, softmax) and
puts these into the object's table of functions, which `LossFunction` explains.

What a loss is called, which parameters and capabilities it has, and its best constant
model stand in `sklgd.losses`, whose classes hold an object of this file as ``kernel``.
"""
cimport cython
from libc.math cimport fabs, fmax, fmin, log, INFINITY

from sklgd.kernels._loss_function cimport (
    LinearTails, LossFunction, curvature_function, evaluate_function, points_function,
    prox_function, prox_points_function, scalar_function)
from sklgd.kernels._loss_math cimport (
    CHUNK, LOG2, PROX_STEPS, bounded, bounded_exp, continued, dispersion, jump_change,
    jump_curvature, jump_prox, newton_step, ramp, ramp_curvature, ramp_value,
    subgradient, subtract_exp)
from sklgd.kernels._softmax cimport (
    curvature_softmax, evaluate_softmax, prox_softmax, scaled_prox_softmax)
from sklgd.kernels._vector_math cimport (
    sklgd_exp as exp, vector_math)

cdef extern from "log_loss.h":
    ctypedef struct sklgd_log_loss:
        void (*points)(
            double y, const double* z, Py_ssize_t n, double* value, double* g,
            double* h) noexcept nogil
        void (*prox)(
            double y, const double* z0, const double* g0, const double* q, Py_ssize_t n,
            double* z, double* c) noexcept nogil
    sklgd_log_loss sklgd_choose_log_loss() noexcept nogil

cdef sklgd_log_loss log_loss = sklgd_choose_log_loss()


# ----------------------------------------------------------------------------
# Pointwise losses (regression)
# ----------------------------------------------------------------------------

@cython.final
cdef class SquaredError(LossFunction):
    """Half the squared residual: l = (z - y)^2 / 2."""

    def __cinit__(self):
        use_loops(self)

    cdef inline double value(self, double y, double z) noexcept nogil:
        return 0.5 * (z - y) * (z - y)

    cdef inline double gradient(self, double y, double z) noexcept nogil:
        return z - y

    cdef inline double second(self, double y, double z) noexcept nogil:
        return 1.0

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        c[0] = (z0 - y) / (1.0 + q)
        return (z0 + q * y) / (1.0 + q)


@cython.final
cdef class Huber(LinearTails):
    """Huber loss: l = r^2/2 for |r| <= epsilon, else epsilon |r| - epsilon^2/2."""

    cdef readonly double epsilon

    def __cinit__(self, double epsilon):
        use_loops(self)
        self.epsilon = epsilon

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = fabs(z - y)
        if r <= self.epsilon:
            return 0.5 * r * r
        return self.epsilon * r - 0.5 * self.epsilon * self.epsilon

    cdef inline double difference(self, double y, double z, double c) noexcept nogil:
        # (Inlined, this is a tenth faster for all rows than the default.)
        cdef double r = z - y, r0 = c - y
        if r > self.epsilon and r0 > self.epsilon:
            return self.epsilon * (z - c)
        if r < -self.epsilon and r0 < -self.epsilon:
            return self.epsilon * (c - z)
        return self.value(y, z) - self.value(y, c)

    cdef inline double gradient(self, double y, double z) noexcept nogil:
        cdef double r = z - y
        if r > self.epsilon:
            return self.epsilon
        if r < -self.epsilon:
            return -self.epsilon
        return r

    cdef inline double second(self, double y, double z) noexcept nogil:
        return 1.0 if fabs(z - y) <= self.epsilon else 0.0

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        cdef double r = z0 - y
        if fabs(r) > self.epsilon * (1.0 + q):
            c[0] = self.epsilon if r > 0.0 else -self.epsilon
            return z0 - q * c[0]
        c[0] = r / (1.0 + q)
        return (z0 + q * y) / (1.0 + q)


@cython.final
cdef class EpsilonInsensitive(LinearTails):
    """l = max(0, |z - y| - epsilon), the loss of support vector regression."""

    cdef readonly double epsilon

    def __cinit__(self, double epsilon):
        use_loops(self)
        self.epsilon = epsilon

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = fabs(z - y) - self.epsilon
        if self.barrier_weight > 0.0:
            return (ramp_value(z - y - self.epsilon, self.barrier_weight, 0.0, 1.0)
                    + ramp_value(z - y + self.epsilon, self.barrier_weight, -1.0, 0.0))
        return r if not r <= 0.0 else 0.0

    cdef inline double difference(self, double y, double z, double c) noexcept nogil:
        cdef double high = y + self.epsilon, low = y - self.epsilon, e = self.barrier_weight
        return (jump_change(z - high, c - high, z - c, 0.0, 1.0, e)
                + jump_change(z - low, c - low, z - c, -1.0, 0.0, e))

    cdef inline double gradient(self, double y, double z) noexcept nogil:
        if self.barrier_weight > 0.0:
            return (ramp(z - y - self.epsilon, self.barrier_weight, 0.0, 1.0)
                    + ramp(z - y + self.epsilon, self.barrier_weight, -1.0, 0.0))
        if z - y > self.epsilon:
            return 1.0
        if y - z > self.epsilon:
            return -1.0
        return 0.0

    cdef inline double second(self, double y, double z) noexcept nogil:
        return (ramp_curvature(z - y - self.epsilon, self.barrier_weight, 0.0, 1.0)
                + ramp_curvature(z - y + self.epsilon, self.barrier_weight, -1.0, 0.0))

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        if z0 > y + self.epsilon:
            return jump_prox(z0, y + self.epsilon, q, 0.0, 1.0, c)
        if z0 < y - self.epsilon:
            return jump_prox(z0, y - self.epsilon, q, -1.0, 0.0, c)
        c[0] = 0.0
        return z0

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return jump_curvature(deviation)


@cython.final
cdef class SquaredEpsilonInsensitive(LossFunction):
    """l = max(0, |z - y| - epsilon)^2."""

    cdef readonly double epsilon

    def __cinit__(self, double epsilon):
        use_loops(self)
        self.epsilon = epsilon

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = fabs(z - y) - self.epsilon
        return r * r if not r <= 0.0 else 0.0

    cdef inline double gradient(self, double y, double z) noexcept nogil:
        cdef double r = z - y
        if r > self.epsilon:
            return 2.0 * (r - self.epsilon)
        if r < -self.epsilon:
            return 2.0 * (r + self.epsilon)
        return 0.0

    cdef inline double second(self, double y, double z) noexcept nogil:
        return 2.0 if fabs(z - y) > self.epsilon else 0.0

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        cdef double r = z0 - y, edge
        if fabs(r) <= self.epsilon:
            c[0] = 0.0
            return z0
        edge = y + self.epsilon if r > 0.0 else y - self.epsilon
        c[0] = 2.0 * (z0 - edge) / (1.0 + 2.0 * q)
        return (z0 + 2.0 * q * edge) / (1.0 + 2.0 * q)

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return 2.0


@cython.final
cdef class AbsoluteError(LinearTails):
    """l = |z - y|; its minimiser is the median. The gradient at 0 is 0."""

    def __cinit__(self):
        use_loops(self)

    cdef inline double value(self, double y, double z) noexcept nogil:
        if self.barrier_weight > 0.0:
            return ramp_value(z - y, self.barrier_weight, -1.0, 1.0)
        return fabs(z - y)

    cdef inline double difference(self, double y, double z, double c) noexcept nogil:
        return jump_change(z - y, c - y, z - c, -1.0, 1.0, self.barrier_weight)

    cdef inline double gradient(self, double y, double z) noexcept nogil:
        if self.barrier_weight > 0.0:
            return ramp(z - y, self.barrier_weight, -1.0, 1.0)
        return <double> (z > y) - <double> (z < y)

    cdef inline double second(self, double y, double z) noexcept nogil:
        return ramp_curvature(z - y, self.barrier_weight, -1.0, 1.0)

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        return jump_prox(z0, y, q, -1.0, 1.0, c)

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return jump_curvature(deviation)


@cython.final
cdef class Quantile(LinearTails):
    """Pinball loss: with r = y - z, l = q r for r >= 0, else (q - 1) r."""

    cdef readonly double quantile

    def __cinit__(self, double quantile):
        use_loops(self)
        self.quantile = quantile

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = y - z
        if self.barrier_weight > 0.0:
            return ramp_value(z - y, self.barrier_weight, -self.quantile, 1.0 - self.quantile)
        return self.quantile * r if r >= 0.0 else (self.quantile - 1.0) * r

    cdef inline double difference(self, double y, double z, double c) noexcept nogil:
        return jump_change(
            z - y, c - y, z - c, -self.quantile, 1.0 - self.quantile, self.barrier_weight)

    cdef inline double gradient(self, double y, double z) noexcept nogil:
        if self.barrier_weight > 0.0:
            return ramp(z - y, self.barrier_weight, -self.quantile, 1.0 - self.quantile)
        if z < y:
            return -self.quantile
        if z > y:
            return 1.0 - self.quantile
        return 0.0

    cdef inline double second(self, double y, double z) noexcept nogil:
        return ramp_curvature(
            z - y, self.barrier_weight, -self.quantile, 1.0 - self.quantile)

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        return jump_prox(z0, y, q, -self.quantile, 1.0 - self.quantile, c)

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return jump_curvature(deviation)


@cython.final
cdef class Poisson(LossFunction):
    """Poisson with log link: l = exp(z) - y z, y >= 0."""

    def __cinit__(self):
        use_loops(self)

    cdef inline double exponent(self, double y, double z) noexcept nogil:
        return bounded(z)

    cdef inline double value(
            self, double y, double z, double mu, double _) noexcept nogil:
        return continued(mu, z) - y * z

    cdef inline double gradient(
            self, double y, double z, double mu, double _) noexcept nogil:
        return mu - y

    cdef inline double second(self, double y, double z) noexcept nogil:
        return bounded_exp(z)

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        cdef double z = subtract_exp(z0 + q * y, q)
        cdef double mu = bounded_exp(z)
        c[0] = subgradient(mu - y, mu + y, z0, z, q)
        return z

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return dispersion(mean, deviation, 1.0)


@cython.final
cdef class Gamma(LossFunction):
    """Gamma with log link: l = z + y exp(-z), y > 0."""

    def __cinit__(self):
        use_loops(self)

    cdef inline double exponent(self, double y, double z) noexcept nogil:
        return bounded(-z)

    cdef inline double value(
            self, double y, double z, double e, double _) noexcept nogil:
        return z + y * continued(e, -z)

    cdef inline double gradient(
            self, double y, double z, double e, double _) noexcept nogil:
        return 1.0 - y * e

    cdef inline double second(self, double y, double z) noexcept nogil:
        return y * bounded_exp(-z)

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        # In -z the equation is that of the Poisson loss.
        cdef double z = -subtract_exp(q - z0, q * y)
        cdef double ratio = y * bounded_exp(-z)
        c[0] = subgradient(1.0 - ratio, 1.0 + ratio, z0, z, q)
        return z

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return dispersion(mean, deviation, 2.0)


@cython.final
cdef class Tweedie(LossFunction):
    """Tweedie with log link and variance mu^power (power 0 or >= 1)."""

    cdef readonly double power

    def __cinit__(self, double power):
        use_loops(self)
        self.power = power

    # Two exponentials: f of (1 - p) z, and e of (2 - p) z where both terms are
    # bounded below, else of z: terms of different signs share one factor, so that
    # bounding the exponentials cannot change which of them is larger.

    cdef inline double exponent(self, double y, double z) noexcept nogil:
        cdef double p = self.power
        return bounded((2.0 - p) * z if 1.0 <= p <= 2.0 else z)

    cdef inline double other_exponent(self, double y, double z) noexcept nogil:
        return bounded((1.0 - self.power) * z)

    cdef inline double value(
            self, double y, double z, double e, double f) noexcept nogil:
        cdef double p = self.power
        if p == 0.0:
            return 0.5 * (y - e) * (y - e)
        f = continued(f, (1.0 - p) * z)
        if p > 2.0:
            return f * (y / (p - 1.0) - e / (p - 2.0))
        e = continued(e, (2.0 - p) * z)
        if p == 1.0:
            return e - y * z
        if p == 2.0:
            return z + y * f
        return e / (2.0 - p) + y * f / (p - 1.0)

    cdef inline double gradient(
            self, double y, double z, double e, double f) noexcept nogil:
        if 1.0 <= self.power <= 2.0:
            return e - y * f
        return f * (e - y)

    cdef inline double second(self, double y, double z) noexcept nogil:
        cdef double p = self.power
        return ((2.0 - p) * bounded_exp((2.0 - p) * z)
                - (1.0 - p) * y * bounded_exp((1.0 - p) * z))

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        cdef double p = self.power, low, high, z, f, size, a, b, step, last
        cdef int _
        if p == 0.0 and y <= 0.0:
            # Both terms are positive and one of them is at least half the sum.
            low = fmin(subtract_exp(2.0 * z0, 4.0 * q) / 2.0,
                       subtract_exp(z0, -2.0 * q * y))
            high = z0
        elif y <= 0.0:
            # One exponential only; p < 2, as y = 0.
            low = high = subtract_exp((2.0 - p) * z0, (2.0 - p) * q) / (2.0 - p)
        elif z0 > log(y):
            low, high = log(y), z0
            if p < 2.0:
                # derivative <= exp((2-p) z); at least half of that from 2 y on.
                a = (2.0 - p) * z0
                b = (2.0 - p) * q
                low = fmax(low, subtract_exp(a, b) / (2.0 - p))
                high = fmin(high, fmax(
                    log(y) + LOG2, subtract_exp(a, 0.5 * b) / (2.0 - p)))
        else:
            low, high = z0, log(y)
            if p > 1.0:
                a = (1.0 - p) * z0
                b = (p - 1.0) * q * y
                high = fmin(high, subtract_exp(a, b) / (1.0 - p))
                low = fmax(low, fmin(
                    log(y) - LOG2, subtract_exp(a, 0.5 * b) / (1.0 - p)))
        z = 0.5 * (low + high)
        size = 0.0
        last = INFINITY
        for _ in range(PROX_STEPS):
            size = (bounded_exp((2.0 - p) * z)
                    + fabs(y) * bounded_exp((1.0 - p) * z))
            f = z - z0 + q * gradient_of(self, y, z)
            if not fabs(f) > 4e-16 * (fabs(z) + fabs(z0) + q * size):
                # Rounding is all that is left.
                break
            step = newton_step(f, 1.0 + q * self.second(y, z), z, &low, &high, &last)
            z += step
            if step == 0.0:
                break
        c[0] = subgradient(gradient_of(self, y, z), size, z0, z, q)
        return z

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return dispersion(mean, deviation, self.power)


# ----------------------------------------------------------------------------
# Losses of a signed target (classification, one-vs-rest from three classes on)
# ----------------------------------------------------------------------------

@cython.final
cdef class Hinge(LinearTails):
    """l = max(0, 1 - y z), the loss of the linear support vector machine."""

    def __cinit__(self):
        use_loops(self)

    cdef inline double value(self, double y, double z) noexcept nogil:
        # Exact first: both are then without mispredicted branches.
        cdef double out = 1.0 - y * z if not y * z > 1.0 else 0.0
        if self.barrier_weight > 0.0:
            out = ramp_value(y * z - 1.0, self.barrier_weight, -1.0, 0.0)
        return out

    cdef inline double gradient(self, double y, double z) noexcept nogil:
        cdef double c = -y if not y * z > 1.0 else 0.0
        if self.barrier_weight > 0.0:
            c = y * ramp(y * z - 1.0, self.barrier_weight, -1.0, 0.0)
        return c

    cdef inline double second(self, double y, double z) noexcept nogil:
        return ramp_curvature(y * z - 1.0, self.barrier_weight, -1.0, 0.0)

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        cdef double d, m = jump_prox(y * z0, 1.0, q, -1.0, 0.0, &d)
        c[0] = y * d
        return y * m


@cython.final
cdef class Perceptron(LinearTails):
    """l = max(0, -y z). Rosenblatt 1958; hinge with threshold 0."""

    def __cinit__(self):
        use_loops(self)

    cdef inline double value(self, double y, double z) noexcept nogil:
        # Exact first: both are then without mispredicted branches.
        cdef double out = -y * z if not y * z > 0.0 else 0.0
        if self.barrier_weight > 0.0:
            out = ramp_value(y * z, self.barrier_weight, -1.0, 0.0)
        return out

    cdef inline double gradient(self, double y, double z) noexcept nogil:
        cdef double c = -y if not y * z > 0.0 else 0.0
        if self.barrier_weight > 0.0:
            c = y * ramp(y * z, self.barrier_weight, -1.0, 0.0)
        return c

    cdef inline double second(self, double y, double z) noexcept nogil:
        return ramp_curvature(y * z, self.barrier_weight, -1.0, 0.0)

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        cdef double d, m = jump_prox(y * z0, 0.0, q, -1.0, 0.0, &d)
        c[0] = y * d
        return y * m


@cython.final
cdef class SquaredHinge(LossFunction):
    """l = max(0, 1 - y z)^2."""

    def __cinit__(self):
        use_loops(self)

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = 1.0 - y * z
        return r * r if not r <= 0.0 else 0.0

    cdef inline double gradient(self, double y, double z) noexcept nogil:
        cdef double r = 1.0 - y * z
        return -2.0 * y * r if not r <= 0.0 else 0.0

    cdef inline double second(self, double y, double z) noexcept nogil:
        return 2.0 if y * z < 1.0 else 0.0

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        cdef double r = 1.0 - y * z0
        if r <= 0.0:
            c[0] = 0.0
            return z0
        c[0] = -2.0 * y * r / (1.0 + 2.0 * q)
        return (z0 + 2.0 * q * y) / (1.0 + 2.0 * q)


@cython.final
cdef class ModifiedHuber(LossFunction):
    """l = max(0, 1 - y z)^2 for y z >= -1, else -4 y z."""

    def __cinit__(self):
        use_loops(self)

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = y * z
        if r >= 1.0:
            return 0.0
        if r >= -1.0:
            return (1.0 - r) * (1.0 - r)
        return -4.0 * r

    cdef inline double gradient(self, double y, double z) noexcept nogil:
        cdef double r = y * z
        if r >= 1.0:
            return 0.0
        if r >= -1.0:
            return -2.0 * y * (1.0 - r)
        return -4.0 * y

    cdef inline double second(self, double y, double z) noexcept nogil:
        return 2.0 if -1.0 <= y * z < 1.0 else 0.0

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        cdef double r = y * z0
        if r >= 1.0:
            c[0] = 0.0
            return z0
        if r >= -1.0 - 4.0 * q:
            c[0] = -2.0 * y * (1.0 - r) / (1.0 + 2.0 * q)
            return (z0 + 2.0 * q * y) / (1.0 + 2.0 * q)
        c[0] = -4.0 * y
        return z0 + 4.0 * q * y


@cython.final
cdef class LogLoss(LossFunction):
    """Binary: l = log(1 + exp(-y z)). Three classes on: softmax,
    l = log(sum_k exp z_k) - z_y.
    """

    def __cinit__(self):
        use_loops(self)

    cdef inline double exponent(self, double y, double z) noexcept nogil:
        return -fabs(y * z)

    cdef inline double value(
            self, double y, double z, double e, double log1p_e) noexcept nogil:
        cdef double r = y * z
        return log1p_e + (0.0 if r > 0.0 else -r)

    cdef inline double gradient(
            self, double y, double z, double e, double _) noexcept nogil:
        return -y * ((e if y * z > 0.0 else 1.0) / (1.0 + e))

    cdef inline double second(self, double y, double z) noexcept nogil:
        cdef double e = exp(-fabs(z))
        return e / ((1.0 + e) * (1.0 + e))

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        # (The loop has room for four.)
        cdef double[4] from_z, from_g, rate, z, g
        cdef double gradient = gradient_of(self, y, z0)
        cdef Py_ssize_t i
        for i in range(4):
            from_z[i], from_g[i], rate[i] = z0, gradient, q
        log_loss.prox(y, from_z, from_g, rate, 4, z, g)
        c[0] = g[0]
        return z[0]

    cdef void prox_scaled(
            self, const double* y, const double* z0, const double* q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        scaled_prox_softmax(&vector_math, y, z0, q, z, c, K)


# Each list names the losses of one kind of loop. First, those of z - y; the classes of
# the second list derive from `LinearTails`.
ctypedef fused Residual:
    SquaredError
    SquaredEpsilonInsensitive

ctypedef fused LinearResidual:
    Huber
    EpsilonInsensitive
    AbsoluteError
    Quantile

ctypedef fused Pointwise:
    Residual
    LinearResidual

ctypedef fused Margin:
    Hinge
    Perceptron
    SquaredHinge
    ModifiedHuber

ctypedef fused OneExponential:
    Poisson
    Gamma

ctypedef fused TwoExponentials:
    Tweedie

# With one output: with several it is the softmax.
ctypedef fused Logistic:
    LogLoss

ctypedef fused Exponential:
    OneExponential
    TwoExponentials
    Logistic

# y is the sign of the class, or the target, of each output.
ctypedef fused Paired:
    Pointwise
    Exponential

ctypedef fused AnyLoss:
    Paired
    Margin


cdef void use_loops(AnyLoss loss) noexcept:
    """Fill the table with the loops compiled for the class of ``loss``.

    The functions take the class itself where the table says `LossFunction`; a pointer
    to an object is the same for both.
    """
    loss.gradient_at = <scalar_function> gradient_at[AnyLoss]
    loss.value_at = <scalar_function> value_at[AnyLoss]
    loss.has_unit = AnyLoss in Pointwise
    loss.exponential = AnyLoss in Exponential
    if AnyLoss in Logistic:
        loss.points = <points_function> points_of_log_loss
        loss.prox_points = <prox_points_function> prox_points_of_log_loss
    else:
        loss.points = <points_function> points_of[AnyLoss]
        loss.prox_points = <prox_points_function> prox_points_of[AnyLoss]
    if AnyLoss in Margin:
        loss.evaluate_batch = <evaluate_function> signed_targets[AnyLoss]
        loss.curvature_batch = <curvature_function> curvature_signed[AnyLoss]
        loss.prox_row = <prox_function> prox_signed[AnyLoss]
    elif AnyLoss in Logistic:
        loss.evaluate_batch = <evaluate_function> evaluate_log_loss
        loss.curvature_batch = <curvature_function> curvature_log_loss
        loss.prox_row = <prox_function> prox_log_loss
    else:
        loss.curvature_batch = <curvature_function> curvature_pointwise[AnyLoss]
        loss.prox_row = <prox_function> prox_pointwise[AnyLoss]
        if AnyLoss in Exponential:
            loss.evaluate_batch = <evaluate_function> exponential[AnyLoss]
        else:
            loss.evaluate_batch = <evaluate_function> pointwise[AnyLoss]


cdef double gradient_at(AnyLoss loss, double y, double z) noexcept nogil:
    if AnyLoss in Exponential:
        return gradient_of(loss, y, z)
    else:
        return loss.gradient(y, z)


cdef double value_at(AnyLoss loss, double y, double z) noexcept nogil:
    cdef double gradient
    if AnyLoss in Exponential:
        return exponential(loss, &y, &z, NULL, &gradient, 1, 1, True)
    else:
        return loss.value(y, z)


cdef double evaluate_log_loss(
        LogLoss loss, const double* y, const double* z, const double* s, double* g,
        Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
    if K == 1 or loss.separate_targets:
        return exponential(loss, y, z, s, g, m, K, want_value)
    return evaluate_softmax(&vector_math, y, z, s, g, m, K, want_value)


cdef void curvature_log_loss(
        LogLoss loss, const double* y, const double* z, const double* s, double* h,
        Py_ssize_t m, Py_ssize_t K) noexcept nogil:
    if K == 1 or loss.separate_targets:
        curvature_pointwise(loss, y, z, s, h, m, K)
    else:
        curvature_softmax(z, s, h, m, K)


cdef void prox_log_loss(
        LogLoss loss, const double* y, const double* z0, double q, double* z, double* c,
        Py_ssize_t K) noexcept nogil:
    if K == 1 or loss.separate_targets:
        prox_pointwise(loss, y, z0, q, z, c, K)
    else:
        prox_softmax(y, z0, q, z, c, K)


cdef double pointwise(
        Pointwise loss, const double* y, const double* z, const double* s,
        double* g, Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
    cdef Py_ssize_t i, k, j
    cdef double c, total = 0.0
    for i in range(m):
        c = 1.0 if s == NULL else s[i]
        for k in range(K):
            j = i * K + k
            if c == 0.0:
                g[j] = 0.0
                continue
            g[j] = c * loss.gradient(y[j], z[j])
            if want_value:
                total += c * value_of(loss, y[j], z[j], k)
    return total


cdef inline double value_of(
        Pointwise loss, double y, double z, Py_ssize_t k) noexcept nogil:
    """The loss of output k, or for distant targets what `measured_from` makes of it."""
    if Pointwise in LinearResidual:
        if loss.distant and fabs(y - loss.constant[k]) > loss.reach[k]:
            return loss.difference(y, z, loss.constant[k])
    return loss.value(y, z)


cdef double signed_targets(
        Margin loss, const double* y, const double* z, const double* s,
        double* g, Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
    cdef Py_ssize_t i, k, j
    cdef double c, sign, total = 0.0
    cdef bint separate = K == 1 or loss.separate_targets
    for i in range(m):
        c = 1.0 if s == NULL else s[i]
        for k in range(K):
            j = i * K + k
            if c == 0.0:
                g[j] = 0.0
                continue
            sign = y[j] if separate else (1.0 if y[i] == k else -1.0)
            g[j] = c * loss.gradient(sign, z[j])
            if want_value:
                total += c * loss.value(sign, z[j])
    return total


cdef inline double gradient_of(Exponential loss, double y, double z) noexcept nogil:
    cdef double e = exp(loss.exponent(y, z)), f = 0.0
    if Exponential in TwoExponentials:
        f = exp(loss.other_exponent(y, z))
    return loss.gradient(y, z, e, f)


cdef double exponential(
        Exponential loss, const double* y, const double* z, const double* s,
        double* g, Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
    cdef double[CHUNK] e, f
    cdef Py_ssize_t i, j, start = 0, part
    cdef double c, total = 0.0
    while start < m * K:
        part = min(<Py_ssize_t> CHUNK, m * K - start)
        for i in range(part):
            e[i] = loss.exponent(y[start + i], z[start + i])
        vector_math.exp(e, part)
        if Exponential in TwoExponentials:
            for i in range(part):
                f[i] = loss.other_exponent(y[start + i], z[start + i])
            vector_math.exp(f, part)
        elif Exponential in Logistic:
            if want_value:
                for i in range(part):
                    f[i] = e[i]
                vector_math.log1p(f, part)
        for i in range(part):
            j = start + i
            g[j] = loss.gradient(y[j], z[j], e[i], f[i])
        if want_value:
            for i in range(part):
                j = start + i
                e[i] = loss.value(y[j], z[j], e[i], f[i])
        if s != NULL:
            for i in range(part):
                c = s[(start + i) // K]
                # Whatever it would be multiplied by, NaN included.
                g[start + i] = 0.0 if c == 0.0 else c * g[start + i]
                e[i] = 0.0 if c == 0.0 else c * e[i]
        if want_value:
            for i in range(part):
                total += e[i]
        start += part
    return total


cdef void curvature_pointwise(
        Paired loss, const double* y, const double* z, const double* s,
        double* h, Py_ssize_t m, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t i, k, j
    cdef double c
    for i in range(m):
        c = 1.0 if s == NULL else s[i]
        for k in range(K):
            j = i * K + k
            h[j] = 0.0 if c == 0.0 else c * loss.second(y[j], z[j])


cdef void curvature_signed(
        Margin loss, const double* y, const double* z, const double* s,
        double* h, Py_ssize_t m, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t i, k, j
    cdef double c, sign
    cdef bint separate = K == 1 or loss.separate_targets
    for i in range(m):
        c = 1.0 if s == NULL else s[i]
        for k in range(K):
            j = i * K + k
            sign = y[j] if separate else (1.0 if y[i] == k else -1.0)
            h[j] = 0.0 if c == 0.0 else c * loss.second(sign, z[j])


cdef void prox_pointwise(
        Paired loss, const double* y, const double* z0, double q, double* z,
        double* c, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(K):
        if q > 0.0:
            z[k] = loss.proximal(y[k], z0[k], q, c + k)
        else:
            z[k] = z0[k]
            c[k] = gradient_at(loss, y[k], z0[k])


cdef void prox_signed(
        Margin loss, const double* y, const double* z0, double q, double* z,
        double* c, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t k
    cdef double sign
    cdef bint separate = K == 1 or loss.separate_targets
    for k in range(K):
        sign = y[k] if separate else (1.0 if y[0] == k else -1.0)
        if q > 0.0:
            z[k] = loss.proximal(sign, z0[k], q, c + k)
        else:
            z[k] = z0[k]
            c[k] = loss.gradient(sign, z0[k])


cdef void points_of(
        AnyLoss loss, const double* y, const double* z, Py_ssize_t n, Py_ssize_t K,
        double* value, double* g, double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        value[i] = loss.evaluate_batch(loss, y, z + i, NULL, g + i, 1, 1, True)
        h[i] = loss.second(y[0], z[i])


cdef void points_of_log_loss(
        LogLoss loss, const double* y, const double* z, Py_ssize_t n, Py_ssize_t K,
        double* value, double* g, double* h) noexcept nogil:
    cdef Py_ssize_t i
    if K == 1:
        log_loss.points(y[0], z, (n + 3) & ~3, value, g, h)
        return
    for i in range(n):
        value[i] = evaluate_softmax(
            &vector_math, y, z + i * K, NULL, g + i * K, 1, K, True)
    curvature_softmax(z, NULL, h, n, K)

cdef void prox_points_of(
        AnyLoss loss, const double* y, const double* z0, const double* g0,
        const double* q, Py_ssize_t n, double* z, double* c) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        loss.prox_row(loss, y, z0 + i, q[i], z + i, c + i, 1)


cdef void prox_points_of_log_loss(
        LogLoss loss, const double* y, const double* z0, const double* g0,
        const double* q, Py_ssize_t n, double* z, double* c) noexcept nogil:
    log_loss.prox(y[0], z0, g0, q, (n + 3) & ~3, z, c)
