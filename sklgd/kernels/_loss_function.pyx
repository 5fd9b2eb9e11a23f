"""The compiled half of a loss: a table of its loops, and what they share.

A loss sees one batch at a time: targets, raw predictions and weights in, the gradient
with respect to z out. Other kernels know the table only. `_losses.pyx` has the formulas of
each loss and fills the table.
"""
from libc.math cimport fabs, fmax, fmin, INFINITY

import numpy as np

from sklgd.kernels._loss_math cimport PROX_STEPS, newton_step, subgradient


cdef class LossFunction:
    """A table of the loops of one loss.

    Each function takes the object itself first. No buffer is checked; all of them are
    the caller's. Targets y are (m, K) if they are separate, as those of regression are
    and those of several labels, -1 or 1. Otherwise they are (m,), -1 or 1 when K = 1
    and class codes 0..K-1 from two outputs on. Weights ``s`` of NULL mean
    ones; a row of weight zero contributes exactly zero, whatever z is.

    - ``gradient_at(loss, y, z)``: dl/dz of one unweighted prediction, with the bits that
      ``evaluate_batch`` gives one row.
    - ``value_at(loss, y, z)``: l of one unweighted prediction. It is never a difference
      (`LinearTails`), as the lengths of passive-aggressive steps are computed from it.
    - ``evaluate_batch(loss, y, z, s, g, m, K, want_value)``: the gradient
      g = s_i dl/dz (m, K), overwritten; returns sum_i s_i l_i, or 0 unless
      ``want_value``.
    - ``curvature_batch(loss, y, z, s, h, m, K)``: second derivatives
      h = s_i d2l/dz_k^2 (m, K), overwritten; h may be z. Where the derivative jumps, h is
      that of one side; a piecewise linear loss has 0. Softmax: the diagonal of the
      Hessian, s_i p_k (1 - p_k).
    - ``prox_row(loss, y, z0, q, z, c, K)``: the proximal step of one row, z (K,) and
      c (K,) with z + q c = z0. c is the (sub)gradient at z, found without a division
      by q where that would lose digits, so that q >= 0 may be tiny or huge. z may be
      z0, c neither of them.
    - ``points(loss, y, z, n, K, value, g, h)``: losses (n,), gradients and second
      derivatives (n, K) at several raw predictions z (n, K) of one row, n <= POINTS.
    - ``prox_points(loss, y, z0, g0, q, n, z, c)``: the proximal steps of one output
      from several raw predictions z0 (n,), where g0 (n,) is the gradient.

    The arrays of the last two have room for the next multiple of four numbers.
    """

    cdef void prox_scaled(
            self, const double* y, const double* z0, const double* q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        """Proximal step of a loss that couples its outputs, with a factor for each.

        z (K,) and c (K,) with z_k + q_k c_k = z0_k, where c = s g. Here g is the gradient
        at z0 and s in (0, 1] is such that z minimises the sum of the loss and of
        sum_k (z_k - z0_k)^2 / (2 q_k) along the line through z0 in the direction q g.
        Losses whose outputs are separate have ``prox_row`` for each of them instead.
        """
        pass

    cdef double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        """The solution z of z + q l'(z) = z0 for one prediction, and l'(z) in ``c``.

        Newton's method between z0 and a point on the other side of z. That is no
        further off than z0 - q l'(z0), because l is convex. A loss with a closed form
        overrides this.
        """
        cdef double gradient = self.gradient_at(self, y, z0), far = fabs(q * gradient)
        cdef double reach = 1.0, sign = 1.0 if gradient > 0.0 else -1.0
        cdef double low, high, last = INFINITY, z = z0, h = 0.0, size = 0.0, f, step
        cdef int _
        while reach < far:
            z = z0 - sign * reach
            if sign * (z - z0 + q * self.gradient_at(self, y, z)) <= 0.0:
                break
            reach *= 4.0
        z = z0 - sign * fmin(reach, far)
        low, high = fmin(z, z0), fmax(z, z0)
        z = z0
        for _ in range(PROX_STEPS):
            gradient = self.gradient_at(self, y, z)
            self.curvature_batch(self, &y, &z, NULL, &h, 1, 1)
            size = fabs(gradient) + h * (fabs(z) + fabs(y))
            f = z - z0 + q * gradient
            if fabs(f) <= 4e-16 * (fabs(z) + fabs(z0) + q * size) < INFINITY:
                # Rounding is all that is left.
                break
            step = newton_step(f, 1.0 + q * h, z, &low, &high, &last)
            if z + step == low or z + step == high:
                # Newton's step from there would lead back.
                step = 0.5 * (low + high) - z
            z += step
            if step == 0.0:
                break
        c[0] = subgradient(gradient, size, z0, z, q)
        return z

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        """Size of the second derivative for targets of this mean and deviation.

        With y in another unit the learning rates of `OnlineLearner` follow it. For a
        loss of z - y that is the mean of the second derivative up to a residual of one
        deviation. It is 1 for others, whose raw predictions have no unit.
        """
        cdef double gradient = 0.0
        if self.has_unit and deviation > 0.0:
            gradient = self.gradient_at(self, 0.0, deviation)
        return gradient / deviation if gradient > 0.0 else 1.0

    def evaluate(self, const double[::1] y, const double[:, ::1] z, const double[::1] s,
                 double[:, ::1] g):
        """Fill ``g`` with the weighted gradient; returns the sum of weighted losses."""
        if z.shape[0] == 0:
            return 0.0
        return self.evaluate_batch(
            self, &y[0], &z[0, 0], &s[0], &g[0, 0], z.shape[0], z.shape[1], True)

    def curvature(self, const double[::1] y, const double[:, ::1] z, const double[::1] s,
                  double[:, ::1] h):
        """Fill ``h`` with the weighted second derivatives."""
        if z.shape[0] > 0:
            self.curvature_batch(
                self, &y[0], &z[0, 0], &s[0], &h[0, 0], z.shape[0], z.shape[1])

    def prox(self, const double[:, ::1] y, const double[:, ::1] z0, const double[::1] q,
             double[:, ::1] z, double[:, ::1] c):
        """Fill ``z`` and ``c`` with the proximal steps of all rows."""
        cdef Py_ssize_t i
        for i in range(z0.shape[0]):
            self.prox_row(
                self, &y[i, 0], &z0[i, 0], q[i], &z[i, 0], &c[i, 0], z0.shape[1])

    def prox_by_newton(self, const double[::1] y, const double[::1] z0,
                       const double[::1] q, double[::1] z, double[::1] c):
        """`prox` of single predictions, without the closed form of the loss."""
        cdef Py_ssize_t i
        for i in range(z0.shape[0]):
            z[i] = LossFunction.proximal(self, y[i], z0[i], q[i], &c[i])

    def gradients(self, const double[::1] y, const double[::1] z):
        """dl/dz of single predictions, one call of ``gradient_at`` each (one output)."""
        cdef Py_ssize_t i
        return np.array([self.gradient_at(self, y[i], z[i]) for i in range(z.shape[0])])


cdef class LinearTails(LossFunction):
    """A loss that is linear in z far from y.

    Attributes
    ----------
    barrier_weight : float
        e of the smoothed form, see `ramp_value`; 0 for the loss itself.
    """

    def adapt(self, double barrier_weight, constant, reach):
        """Smooth the loss, and measure distant targets from a constant model.

        Parameters
        ----------
        barrier_weight : float
        constant, reach : float64 arrays of shape (n_outputs,), or None
            Of targets y with abs(y - c) > reach, l(y, z) becomes l(y, z) - l(y, c).
        """
        self.barrier_weight, self.distant = barrier_weight, constant is not None
        if self.distant:
            self.constant, self.reach = constant, reach

    cdef double difference(self, double y, double z, double c) noexcept nogil:
        """l(y, z) - l(y, c), in which a large y cancels before anything is rounded.

        Where the derivatives at both ends are the same, l is linear between them because it
        is convex. A smoothed loss overrides this: the value at c is the exact loss's.
        """
        cdef double gradient = self.gradient_at(self, y, z)
        if gradient == self.gradient_at(self, y, c):
            return gradient * (z - c)
        return self.value_at(self, y, z) - self.value_at(self, y, c)

    def difference_by_gradients(self, double y, double z, double c):
        """`difference` of one prediction, without the formula of the loss."""
        return LinearTails.difference(self, y, z, c)
