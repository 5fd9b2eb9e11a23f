"""Loss functions of a raw prediction z = x.w + b, and their registry.

A loss sees one batch at a time: targets, raw predictions and weights in,
gradient with respect to z out. Everything per element is inlined into one of
four loops (pointwise regression, margins, losses of an exponential, softmax).

Adding a loss is one class here with ``value`` and ``slope``, one line in a
fused list and one in the registration at the end; parameter checks, tests and
documentation read the registry `LOSSES`. A loss of an exponential says what it
is the exponential of, and its value and slope take that: so all exponentials of
a batch are found together.
"""
cimport cython
from libc.math cimport fabs, fmax, fmin, log, log1p, sqrt, INFINITY
from libc.string cimport memcpy

import numpy as np

from sklgd.kernels._vector_math cimport (
    VectorMath, sklgd_choose_vector_math, sklgd_exp as exp)

cdef VectorMath vector_math = sklgd_choose_vector_math()

LOSSES = {}
"""Loss name -> class."""

# exp(700) is finite (1e304) and its square is not needed: the log-link losses
# stay finite for any raw prediction, so that divergence is seen, not NaN.
cdef double EXP_MAX = 700.0

cdef double LOG2 = 0.6931471805599453

# Elements whose exponentials are found together.
cdef enum:
    CHUNK = 64

# Targets that are looked at together in Python.
BLOCK = 16384

# A deviation beyond so many upper quartiles is an outlier: twenty standard deviations.
cdef double GROSS = 20.0

# A bound on the iterations of a prox; few are needed, bisection takes most.
cdef int PROX_STEPS = 100


cdef inline double bounded(double x) noexcept nogil:
    return x if not x > EXP_MAX else EXP_MAX


cdef inline double bounded_exp(double x) noexcept nogil:
    return exp(bounded(x))


cdef inline double continued(double e, double x) noexcept nogil:
    """exp(x), given e = bounded_exp(x): its tangent beyond the bound.

    Slopes are those of the bounded exponential, and a loss whose exponential stopped to
    grow would fall without end.
    """
    return e if not x > EXP_MAX else e * (1.0 + (x - EXP_MAX))


# A kink of a piecewise linear loss, max(a x, b x) with slopes a <= 0 <= b, and how it
# is smoothed: max_c c x + e log((c - a)(b - c)/w^2), w = (b - a)/2, the dual variable c
# being kept inside [a, b] by a logarithmic barrier, as interior-point methods do. The
# slope is c = (a + b)/2 + s with x = 2 e s/(w^2 - s^2).

cdef inline double ramp(double x, double e, double a, double b) noexcept nogil:
    cdef double w = 0.5 * (b - a), r = sqrt(e * e + x * x * w * w)
    return 0.5 * (a + b) + x * w * w / (e + r)


cdef inline double ramp_value(
        double x, double e, double a, double b) noexcept nogil:
    cdef double w = 0.5 * (b - a), r = sqrt(e * e + x * x * w * w)
    return (0.5 * (a + b) + x * w * w / (e + r)) * x + e * log(2.0 * e / (e + r))


cdef inline double ramp_shortfall(
        double x, double e, double a, double b) noexcept nogil:
    """max(a x, b x) less its smoothed form, without a difference of large numbers."""
    cdef double w = 0.5 * (b - a), r = sqrt(e * e + x * x * w * w), size = fabs(x) * w
    if e == 0.0 or w == 0.0:
        return 0.0
    return e * (size / (e + r) * (1.0 + e / (r + size)) - log(2.0 * e / (e + r)))


cdef inline double ramp_curvature(
        double x, double e, double a, double b) noexcept nogil:
    cdef double w = 0.5 * (b - a), r = sqrt(e * e + x * x * w * w), s, q
    if e == 0.0 or w == 0.0:
        return 0.0
    s = x * w * w / (e + r)
    q = 2.0 * e * w * w / (e + r)       # w^2 - s^2
    return q * q / (2.0 * e * (w * w + s * s))


cdef inline double kink_change(
        double x, double x0, double dz, double a, double b, double e) noexcept nogil:
    """max(a x, b x), smoothed, less max(a x0, b x0), where x = x0 + dz.

    Accurate relative to dz and e, however large x and x0 are.
    """
    cdef double out = (
        b * dz if x > 0.0 and x0 > 0.0 else
        a * dz if x < 0.0 and x0 < 0.0 else
        fmax(a * x, b * x) - fmax(a * x0, b * x0))
    return out - ramp_shortfall(x, e, a, b)


cdef inline double kink_prox(
        double z0, double kink, double q, double a, double b,
        double* c) noexcept nogil:
    """z with z + q c = z0, c in [a, b] the slope at z of the loss itself."""
    cdef double x = z0 - kink
    c[0] = a if x <= q * a else (b if x >= q * b else x / q)
    if c[0] == a or c[0] == b:
        return z0 - q * c[0]
    return kink


cdef inline double subtract_exp(double A, double b) noexcept nogil:
    """The solution z of z + b exp(z) = A for b >= 0.

    With w = b exp(z) it is w + log w = A + log b, the Wright omega function:
    two steps of Fritsch, Shafer and Crowley (Communications of the ACM 16,
    1973, algorithm 443), each of which raises the error to the fourth power,
    from the starting points of Lawrence, Corless and Jeffrey (ACM TOMS 38,
    2012, algorithm 917).
    """
    cdef double log_b = log(b), x = A + log_b, w, r, t, log_w
    cdef int _
    if x < -40.0:
        # w = exp(x) (1 - exp(x) + ...); also b = 0.
        return A - exp(x)
    if x < -1.0:
        w = exp(x)
    elif x < 4.0:
        t = x - 1.0
        w = 1.0 + t * (0.5 + t * (1.0 / 16.0 - t / 192.0))
    else:
        t = log(x)
        w = x - t + t / x
    for _ in range(2):
        log_w = log(w)
        r = x - w - log_w
        t = (1.0 + w) * (1.0 + w + 2.0 / 3.0 * r)
        w *= 1.0 + r / (1.0 + w) * (t - 0.5 * r) / (t - r)
    # For large w the difference would cancel, for small w the logarithm.
    return A - w if w < 1.0 else log(w) - log_b


cdef inline double log_prox_start(double a, double q) noexcept nogil:
    """A guess of the root of m = a + q / (1 + exp(m)) for m > 0, large q."""
    # Two fixed-point steps of m = log(q / (m - a) - 1).
    cdef double m = log1p(q / (1.0 + fabs(a)))
    m = fmax(m, a + 1e-3)
    return log1p(q / (m - a))


cdef inline double dispersion(
        double mean, double deviation, double power) noexcept nogil:
    """Variance of y in units of mean^power, taken as at least that of 10 % of the mean."""
    if not mean > 0.0:
        return 1.0
    return fmax(deviation * deviation, 0.01 * mean * mean) * exp(-power * log(mean))


cdef inline double subgradient(
        double slope, double size, double z0, double z, double q) noexcept nogil:
    """(z0 - z) / q or the slope at z, whichever loses fewer digits.

    ``size`` is that of the terms whose difference ``slope`` is.
    """
    return slope if q * size < fabs(z0) + fabs(z) else (z0 - z) / q


cdef class Loss:
    """A loss l(y, z), convex in z (Tweedie: for 1 <= power <= 2 only).

    Attributes
    ----------
    name : str
        Name in the estimators' ``loss`` parameter.
    task : {"regression", "classification"}
    classifies : bool
        True if `GDClassifier` takes the loss: a regression loss has targets -1 and 1
        then, one against the rest from three classes on.
    params : tuple of str
        Constructor arguments, taken from the estimator's parameters.
    smooth : bool
        True if the gradient is Lipschitz continuous on bounded sets.
    steady : bool
        True if the second derivative is continuous, too.
    link : {"identity", "log"}
        The prediction is z or exp(z).
    nonnegative : bool
        True if no loss is below zero.
    has_proba : bool
        True if the loss gives class probabilities.
    unit_slopes : bool
        True if every slope is -1, 0 or 1, and the loss zero where it is 0: then there is a
        passive-aggressive step.
    degenerate : bool
        True if w = 0 is a minimiser whatever the data: then descent is useful,
        but its objective is not.
    linear_tails : bool
        True if the loss is linear in z far from y: then outliers in y hardly change the
        model, and their losses can be measured from a constant model's.
    bounded_slopes : bool
        True if no slope is larger than a constant: then the objective of a run grows at
        most in proportion to its steps, and being large is no sign of divergence.
    """

    name = None
    task = "regression"
    classifies = False
    params = ()
    smooth = True
    steady = True
    link = "identity"
    nonnegative = True
    has_proba = False
    unit_slopes = False
    degenerate = False
    linear_tails = False
    bounded_slopes = False

    def measured_from(self, constant, reach):
        """The loss itself, unless its tails are linear (see `LinearTails`)."""
        return self

    def of_outputs(self, first, last):
        """The loss for the outputs before ``last``, from ``first`` on."""
        return self

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        """Gradient g = s_i dl/dz (m, K), overwritten; returns sum_i s_i l_i.

        y is (m, K) for regression, (m,) for classification: -1/+1 when K = 1,
        class codes 0..K-1 otherwise. ``s`` of NULL means ones. The sum is 0
        unless ``want_value``. A row of weight zero contributes exactly zero,
        whatever z is. Nothing is checked.
        """
        return 0.0

    cdef double slope_at(self, double y, double z) noexcept nogil:
        """dl/dz of one raw prediction, unweighted: `evaluate_batch` for one row.

        The same bits. One output; y is -1/+1 for classification.
        """
        return 0.0

    cdef double value_at(self, double y, double z) noexcept nogil:
        """l of one raw prediction, unweighted; y as for `slope_at`.

        Never a difference (`LinearTails.measured_from`): steps are computed from it.
        """
        cdef double slope
        return self.evaluate_batch(&y, &z, NULL, &slope, 1, 1, True)

    def evaluate(self, y, z, sample_weight=None):
        """Sum of weighted losses and the gradient with respect to z.

        Parameters
        ----------
        y : array of shape (n_samples, n_outputs) or (n_samples,)
            Regression targets; or, for classification, -1/+1 with one output
            and class codes 0..n_outputs-1 with several.
        z : array of shape (n_samples, n_outputs)
            Raw predictions.
        sample_weight : array of shape (n_samples,), default=None

        Returns
        -------
        total : float
        gradient : ndarray of shape (n_samples, n_outputs)
        """
        y_in, z_in, s_in = self._checked(y, z, sample_weight)
        cdef double[::1] y_view = y_in, s_view = s_in
        cdef double[:, ::1] z_view = z_in
        cdef Py_ssize_t m = z_view.shape[0], K = z_view.shape[1]
        g = np.zeros((m, K))
        cdef double[:, ::1] g_view = g
        if m == 0:
            return 0.0, g.reshape(np.shape(z))
        total = self.evaluate_batch(
            &y_view[0], &z_view[0, 0], &s_view[0], &g_view[0, 0], m, K, True)
        return total, g.reshape(np.shape(z))

    def slopes(self, const double[::1] y, const double[::1] z):
        """dl/dz of single predictions, one call of `slope_at` each (one output).

        Parameters
        ----------
        y, z : float64 arrays of shape (n_samples,)
        """
        cdef Py_ssize_t i
        return np.array([self.slope_at(y[i], z[i]) for i in range(z.shape[0])])

    def curvature(self, y, z, sample_weight=None):
        """Weighted second derivatives with respect to z, output by output.

        Parameters
        ----------
        y, z, sample_weight : arrays
            As in `evaluate`.

        Returns
        -------
        h : ndarray of shape (n_samples, n_outputs)
            d2l/dz_k^2: one side's where the slope has a kink, 0 for a piecewise
            linear loss, p_k (1 - p_k) for the softmax.
        """
        y_in, z_in, s_in = self._checked(y, z, sample_weight)
        cdef double[::1] y_view = y_in, s_view = s_in
        cdef double[:, ::1] z_view = z_in
        cdef Py_ssize_t m = z_view.shape[0], K = z_view.shape[1]
        h = np.zeros((m, K))
        cdef double[:, ::1] h_view = h
        if m > 0:
            self.curvature_batch(
                &y_view[0], &z_view[0, 0], &s_view[0], &h_view[0, 0], m, K)
        return h.reshape(np.shape(z))

    def bound(self, n_outputs=1):
        """Least upper bound of the second derivative: infinity unless overridden.

        For the softmax: of the eigenvalues of the Hessian with respect to z.

        Parameters
        ----------
        n_outputs : int, default=1
            Columns of z.
        """
        return INFINITY

    def _checked(self, y, z, sample_weight=None):
        """Contiguous copies of y (flat), z (2d) and weights that fit together."""
        z = np.array(z, dtype=np.float64, order="C")
        z = z.reshape(len(z), -1)
        y = np.array(y, dtype=np.float64).ravel()
        m, K = z.shape
        if len(y) != (m * K if self.task == "regression" else m):
            raise ValueError(f"y has {len(y)} values for {m} rows and {K} outputs")
        if sample_weight is None:
            return y, z, np.ones(m)
        sample_weight = np.array(sample_weight, dtype=np.float64).ravel()
        if len(sample_weight) != m:
            raise ValueError(f"sample_weight has {len(sample_weight)} values, not {m}")
        return y, z, sample_weight

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        """Second derivatives h = s_i d2l/dz_k^2 (m, K), overwritten.

        Where the slope has a kink, h is one of the two sides'; a piecewise
        linear loss has 0 everywhere. Softmax: the diagonal of the Hessian,
        s_i p_k (1 - p_k). y, s and weights of zero as in `evaluate_batch`; the
        caller owns all buffers, h may be z. Nothing is checked.
        """
        pass

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        """Proximal step of one row: z (K,) and c (K,) with z + q c = z0.

        c is the gradient of the loss at z (a subgradient where it has a kink),
        found without dividing by q where that would lose digits, so that q may
        be tiny or huge. y points at K targets for regression, at one value for
        classification, as in `evaluate_batch`; q >= 0. The caller owns all
        buffers; z may be z0, c neither of them. Nothing is checked.
        """
        pass

    cdef void prox_scaled(
            self, const double* y, const double* z0, const double* q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        """Proximal step of a loss that couples its outputs, with a factor for each.

        z (K,) and c (K,) with z_k + q_k c_k = z0_k, where c = s g. Here g is the gradient
        at z0 and s in (0, 1] is such that z minimises the sum of the loss and of
        sum_k (z_k - z0_k)^2 / (2 q_k) along the line through z0 in the direction q g.
        Losses whose outputs are separate have `prox_row` for each of them instead.
        """
        pass

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        """Size of the second derivative for targets of this mean and deviation.

        With y in another unit the learning rates of `OnlineLearner` follow it. One for
        losses of a label, whose raw predictions have no unit.
        """
        return 1.0

    def prox(self, y, z0, q):
        """Proximal operator of q l: z minimising q l(y, z) + (z - z0)^2 / 2.

        Parameters
        ----------
        y : array
            As in `evaluate`.
        z0 : array of shape (n_samples, n_outputs)
        q : float or array of shape (n_samples,)
            Zero or more.

        Returns
        -------
        z, c : ndarrays of shape (n_samples, n_outputs)
            The minimiser, and the (sub)gradient there: z + q c = z0.
        """
        if not np.all(np.asarray(q) >= 0.0):
            raise ValueError("q must be zero or more")
        y_in, z0_in, q_in = self._checked(y, z0, np.broadcast_to(q, (len(z0),)))
        cdef double[::1] y_view = y_in, q_view = q_in
        cdef double[:, ::1] z0_view = z0_in
        cdef Py_ssize_t i, m = z0_view.shape[0], K = z0_view.shape[1]
        cdef Py_ssize_t width = K if self.task == "regression" else 1
        z, c = np.empty((m, K)), np.empty((m, K))
        cdef double[:, ::1] z_view = z, c_view = c
        for i in range(m):
            self.prox_row(
                &y_view[i * width], &z0_view[i, 0], q_view[i], &z_view[i, 0],
                &c_view[i, 0], K)
        return z.reshape(np.shape(z0)), c.reshape(np.shape(z0))

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Raw predictions of the best constant model, shape (n_outputs,).

        The general answer is bisection on the derivative, which is monotone
        because the loss is convex; losses with a closed form override this. Halving
        the number of floats between the ends makes the result exact whatever the
        units of y are, and however far apart its values; Newton's steps save time.

        Parameters
        ----------
        y, sample_weight : arrays
            As in `evaluate`.
        n_outputs : int, default=1
            Columns of z.
        """
        y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        out = np.empty(n_outputs)
        for k in range(n_outputs):
            column = np.ascontiguousarray(y[:, k])
            low, high = _ordered(column.min()), _ordered(column.max())
            newton = None
            while high - low > 1:
                middle = (low + high) // 2
                if newton is not None and low < _ordered(newton) < high:
                    middle = _ordered(newton)
                z = _from_ordered(middle)
                slope = size = second = 0.0
                for part, s in _blocks(column, sample_weight, 1):
                    constant = np.full(part.shape, z)
                    gradient = self.evaluate(part, constant, s)[1]
                    slope += gradient.sum()
                    size += np.abs(gradient).sum()
                    if self.smooth:
                        second += self.curvature(part, constant, s).sum()
                if second > 0.0 and abs(slope) <= 1e-15 * size:
                    # All that is left is rounding.
                    low = high = middle
                elif slope > 0.0:
                    high = middle
                else:
                    low = middle
                # Every other step halves what is left.
                newton = z - slope / second if second > 0.0 and newton is None else None
            out[k] = _from_ordered(low)
        return out

    def units(self, y, sample_weight, null):
        """Natural sizes of a prediction and of the loss, per output.

        Parameters
        ----------
        y, sample_weight : arrays
            As in `null_model`.
        null : ndarray of shape (n_outputs,)
            The best constant model.

        Returns
        -------
        z_unit, loss_unit : ndarrays of shape (n_outputs,)
            Multiplying y by c multiplies them so that the problem in these
            units stays the same; near the optimum the second derivative is
            about loss_unit / z_unit^2 at most.
        """
        return _alike(1.0, len(null)), _alike(1.0, len(null))

    def domain(self):
        """Lower end of the targets' range, and whether it belongs to the range."""
        return -INFINITY, True

    def __reduce__(self):
        return type(self), tuple(getattr(self, p) for p in self.params)


cdef class LinearTails(Loss):
    """A loss that is linear in z far from y.

    The loss of a target y that is far from all raw predictions is almost as large as
    y, and hides what the other rows gain in the rounding of their sum. With
    `measured_from` it is replaced by its difference from the loss of a constant model,
    in which the size of y cancels before anything is rounded. Slopes stay as they are.

    Attributes
    ----------
    softness : float
        e of `PiecewiseLinear.smoothed`; 0 for the loss itself.
    """

    bounded_slopes = True
    linear_tails = True
    cdef readonly double softness
    # Where ``distant`` is True: the constant model, and how far from it targets are
    # still measured by the loss itself, one entry for each output.
    cdef double[::1] constant, reach
    cdef bint distant

    def measured_from(self, constant, reach):
        """The loss whose values at distant targets are differences.

        Of targets y with abs(y - c) > reach, l(y, z) becomes l(y, z) - l(y, c). A smoothed
        loss takes the exact one's l(y, c), which does not depend on the softness.

        Parameters
        ----------
        constant, reach : arrays of shape (n_outputs,)
            Predictions c of a constant model, and the largest usual distance from them.

        Returns
        -------
        loss : Loss
            A new object of the same class.
        """
        cdef LinearTails loss = type(self)(*(getattr(self, p) for p in self.params))
        loss.softness, loss.distant = self.softness, True
        loss.constant = np.array(constant, dtype=np.float64)
        loss.reach = np.array(reach, dtype=np.float64)
        return loss

    def of_outputs(self, first, last):
        """The loss for the outputs before ``last``, from ``first`` on."""
        if not self.distant:
            return self
        constant, reach = np.asarray(self.constant), np.asarray(self.reach)
        return self.measured_from(constant[first:last], reach[first:last])

    def __reduce__(self):
        arrays = None
        if self.distant:
            arrays = np.array(self.constant), np.array(self.reach)
        return (*super().__reduce__(), (self.softness, arrays))

    def __setstate__(self, state):
        self.softness, arrays = state
        if arrays is not None:
            self.distant = True
            self.constant, self.reach = arrays


cdef class PiecewiseLinear(LinearTails):
    """A loss with kinks, exact or smoothed.

    Attributes
    ----------
    n_kinks : int
        Kinks of l(y, .).
    """

    smooth = steady = False
    n_kinks = 1

    def smoothed(self, double softness):
        """The loss with the barrier e log((c - a)(b - c)/w^2) on each kink's dual c.

        A kink max(a x, b x), w = (b - a)/2, becomes max_c c x + e log(...): smooth and
        convex, at most max(a x, b x). The minimiser of a penalised sum of such losses
        with weights of sum one has an objective of the losses themselves that is at
        most ``n_kinks * e`` above the optimum, because (b - c) x and (c - a) |x| are at
        most e (Boyd and Vandenberghe, "Convex optimization", 2004, section 11.2).
        `prox`, `null_model` and `units` stay those of the loss itself.

        Parameters
        ----------
        softness : float
            e in units of the loss, zero or more; 0 gives the loss itself.

        Returns
        -------
        loss : Loss
            A new object of the same class.
        """
        if not 0.0 <= softness < INFINITY:
            raise ValueError(f"softness must be finite and >= 0, got {softness}")
        cdef LinearTails loss = type(self)(*(getattr(self, p) for p in self.params))
        loss.softness, loss.distant = softness, self.distant
        loss.constant, loss.reach = self.constant, self.reach
        return loss

    def bound(self, n_outputs=1):
        """1/(2 e), which no kink with slopes in [-1, 1] exceeds; infinity unsmoothed."""
        return 0.5 / self.softness if self.softness > 0.0 else INFINITY


# ----------------------------------------------------------------------------
# Pointwise losses (regression)
# ----------------------------------------------------------------------------

@cython.final
cdef class SquaredError(Loss):
    """Half the squared residual: l = (z - y)^2 / 2.

    Examples
    --------
    >>> from sklgd.losses import SquaredError
    >>> SquaredError().evaluate([[1.0]], [[3.0]])
    (2.0, array([[2.]]))
    """

    name = "squared_error"
    classifies = True

    cdef inline double value(self, double y, double z) noexcept nogil:
        return 0.5 * (z - y) * (z - y)

    cdef inline double slope(self, double y, double z) noexcept nogil:
        return z - y

    cdef inline double second(self, double y, double z) noexcept nogil:
        return 1.0

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        c[0] = (z0 - y) / (1.0 + q)
        return (z0 + q * y) / (1.0 + q)

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return self.slope(y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_pointwise(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_pointwise(self, y, z0, q, z, c, K)

    def bound(self, n_outputs=1):
        """One."""
        return 1.0

    def units(self, y, sample_weight, null):
        """Mean absolute deviation from the constant model, and its square."""
        z = _deviation(y, sample_weight, null)
        return z, z * z

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Weighted mean of y."""
        return _mean(y, sample_weight, n_outputs)


@cython.final
cdef class Huber(LinearTails):
    """Huber loss: l = r^2/2 for |r| <= epsilon, else epsilon |r| - epsilon^2/2.

    Huber, "Robust estimation of a location parameter", 1964, eq. (2.3).

    Parameters
    ----------
    epsilon : float, default=0.1
        Residual from which on the loss is linear, in units of y.

    Examples
    --------
    >>> from sklgd.losses import Huber
    >>> Huber(epsilon=1.0).evaluate([[0.0]], [[3.0]])
    (2.5, array([[1.]]))
    """

    name = "huber"
    classifies = True
    steady = False
    params = ("epsilon",)
    cdef readonly double epsilon

    def __init__(self, double epsilon=0.1):
        self.epsilon = epsilon

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = fabs(z - y)
        if r <= self.epsilon:
            return 0.5 * r * r
        return self.epsilon * r - 0.5 * self.epsilon * self.epsilon

    cdef inline double difference(self, double y, double z, double c) noexcept nogil:
        cdef double r = z - y, r0 = c - y
        if r > self.epsilon and r0 > self.epsilon:
            return self.epsilon * (z - c)
        if r < -self.epsilon and r0 < -self.epsilon:
            return self.epsilon * (c - z)
        return self.value(y, z) - self.value(y, c)

    cdef inline double slope(self, double y, double z) noexcept nogil:
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

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return self.slope(y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_pointwise(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_pointwise(self, y, z0, q, z, c, K)

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return 1.0 if deviation <= self.epsilon else self.epsilon / deviation

    def bound(self, n_outputs=1):
        """One."""
        return 1.0

    def units(self, y, sample_weight, null):
        """Deviation z without outliers, and min(z, epsilon) z: the loss grows like that."""
        z = _robust_deviation(y, sample_weight, null)
        return z, z * np.minimum(z, self.epsilon or 1.0)


@cython.final
cdef class EpsilonInsensitive(PiecewiseLinear):
    """l = max(0, |z - y| - epsilon), the loss of support vector regression.

    Vapnik, "The Nature of Statistical Learning Theory", 1995, ch. 6.

    Parameters
    ----------
    epsilon : float, default=0.1
        Residuals up to this size cost nothing, in units of y.

    Examples
    --------
    >>> from sklgd.losses import EpsilonInsensitive
    >>> EpsilonInsensitive(epsilon=1.0).evaluate([[0.0]], [[3.0]])
    (2.0, array([[1.]]))
    """

    name = "epsilon_insensitive"
    classifies = True
    unit_slopes = True
    params = ("epsilon",)
    n_kinks = 2
    cdef readonly double epsilon

    def __init__(self, double epsilon=0.1):
        self.epsilon = epsilon

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = fabs(z - y) - self.epsilon
        if self.softness > 0.0:
            return (ramp_value(z - y - self.epsilon, self.softness, 0.0, 1.0)
                    + ramp_value(z - y + self.epsilon, self.softness, -1.0, 0.0))
        return r if not r <= 0.0 else 0.0

    cdef inline double difference(self, double y, double z, double c) noexcept nogil:
        cdef double high = y + self.epsilon, low = y - self.epsilon, e = self.softness
        return (kink_change(z - high, c - high, z - c, 0.0, 1.0, e)
                + kink_change(z - low, c - low, z - c, -1.0, 0.0, e))

    cdef inline double slope(self, double y, double z) noexcept nogil:
        if self.softness > 0.0:
            return (ramp(z - y - self.epsilon, self.softness, 0.0, 1.0)
                    + ramp(z - y + self.epsilon, self.softness, -1.0, 0.0))
        if z - y > self.epsilon:
            return 1.0
        if y - z > self.epsilon:
            return -1.0
        return 0.0

    cdef inline double second(self, double y, double z) noexcept nogil:
        return (ramp_curvature(z - y - self.epsilon, self.softness, 0.0, 1.0)
                + ramp_curvature(z - y + self.epsilon, self.softness, -1.0, 0.0))

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        if z0 > y + self.epsilon:
            return kink_prox(z0, y + self.epsilon, q, 0.0, 1.0, c)
        if z0 < y - self.epsilon:
            return kink_prox(z0, y - self.epsilon, q, -1.0, 0.0, c)
        c[0] = 0.0
        return z0

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return self.slope(y, z)

    cdef double value_at(self, double y, double z) noexcept nogil:
        return self.value(y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_pointwise(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_pointwise(self, y, z0, q, z, c, K)

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return 1.0 / deviation

    def units(self, y, sample_weight, null):
        """Mean absolute deviation without outliers, twice."""
        z = _robust_deviation(y, sample_weight, null)
        return z, z.copy()


@cython.final
cdef class SquaredEpsilonInsensitive(Loss):
    """l = max(0, |z - y| - epsilon)^2.

    Parameters
    ----------
    epsilon : float, default=0.1
        Residuals up to this size cost nothing, in units of y.

    Examples
    --------
    >>> from sklgd.losses import SquaredEpsilonInsensitive
    >>> SquaredEpsilonInsensitive(epsilon=1.0).evaluate([[0.0]], [[3.0]])
    (4.0, array([[4.]]))
    """

    name = "squared_epsilon_insensitive"
    classifies = True
    steady = False
    params = ("epsilon",)
    cdef readonly double epsilon

    def __init__(self, double epsilon=0.1):
        self.epsilon = epsilon

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = fabs(z - y) - self.epsilon
        return r * r if not r <= 0.0 else 0.0

    cdef inline double slope(self, double y, double z) noexcept nogil:
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

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return self.slope(y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_pointwise(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_pointwise(self, y, z0, q, z, c, K)

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return 2.0

    def bound(self, n_outputs=1):
        """Two."""
        return 2.0

    def units(self, y, sample_weight, null):
        """Mean absolute deviation from the constant model, and twice its square."""
        z = _deviation(y, sample_weight, null)
        return z, 2.0 * z * z


@cython.final
cdef class AbsoluteError(PiecewiseLinear):
    """l = |z - y|; its minimiser is the median. The gradient at 0 is 0.

    Examples
    --------
    >>> from sklgd.losses import AbsoluteError
    >>> AbsoluteError().evaluate([[1.0]], [[3.0]])
    (2.0, array([[1.]]))
    """

    name = "absolute_error"

    cdef inline double value(self, double y, double z) noexcept nogil:
        if self.softness > 0.0:
            return ramp_value(z - y, self.softness, -1.0, 1.0)
        return fabs(z - y)

    cdef inline double difference(self, double y, double z, double c) noexcept nogil:
        return kink_change(z - y, c - y, z - c, -1.0, 1.0, self.softness)

    cdef inline double slope(self, double y, double z) noexcept nogil:
        if self.softness > 0.0:
            return ramp(z - y, self.softness, -1.0, 1.0)
        return <double> (z > y) - <double> (z < y)

    cdef inline double second(self, double y, double z) noexcept nogil:
        return ramp_curvature(z - y, self.softness, -1.0, 1.0)

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        return kink_prox(z0, y, q, -1.0, 1.0, c)

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return self.slope(y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_pointwise(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_pointwise(self, y, z0, q, z, c, K)

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return 1.0 / deviation

    def units(self, y, sample_weight, null):
        """Mean absolute deviation without outliers, twice."""
        z = _robust_deviation(y, sample_weight, null)
        return z, z.copy()

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Weighted median of y."""
        return _quantile(y, sample_weight, n_outputs, 0.5)


@cython.final
cdef class Quantile(PiecewiseLinear):
    """Pinball loss: with r = y - z, l = q r for r >= 0, else (q - 1) r.

    Koenker and Bassett, "Regression quantiles", Econometrica 46, 1978.

    Parameters
    ----------
    quantile : float, default=0.5
        q in [0, 1].

    Examples
    --------
    >>> from sklgd.losses import Quantile
    >>> Quantile(quantile=0.75).evaluate([[3.0]], [[1.0]])
    (1.5, array([[-0.75]]))
    """

    name = "quantile"
    params = ("quantile",)
    cdef readonly double quantile

    def __init__(self, double quantile=0.5):
        self.quantile = quantile

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = y - z
        if self.softness > 0.0:
            return ramp_value(z - y, self.softness, -self.quantile, 1.0 - self.quantile)
        return self.quantile * r if r >= 0.0 else (self.quantile - 1.0) * r

    cdef inline double difference(self, double y, double z, double c) noexcept nogil:
        return kink_change(
            z - y, c - y, z - c, -self.quantile, 1.0 - self.quantile, self.softness)

    cdef inline double slope(self, double y, double z) noexcept nogil:
        if self.softness > 0.0:
            return ramp(z - y, self.softness, -self.quantile, 1.0 - self.quantile)
        if z < y:
            return -self.quantile
        if z > y:
            return 1.0 - self.quantile
        return 0.0

    cdef inline double second(self, double y, double z) noexcept nogil:
        return ramp_curvature(
            z - y, self.softness, -self.quantile, 1.0 - self.quantile)

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        return kink_prox(z0, y, q, -self.quantile, 1.0 - self.quantile, c)

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return self.slope(y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_pointwise(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_pointwise(self, y, z0, q, z, c, K)

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return 1.0 / deviation

    def units(self, y, sample_weight, null):
        """Mean absolute deviation without outliers, twice."""
        z = _robust_deviation(y, sample_weight, null)
        return z, z.copy()

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Weighted quantile of y."""
        return _quantile(y, sample_weight, n_outputs, self.quantile)


@cython.final
cdef class Poisson(Loss):
    """Poisson with log link: l = exp(z) - y z, y >= 0.

    Half the deviance without the terms in y alone.

    Examples
    --------
    >>> from sklgd.losses import Poisson
    >>> Poisson().evaluate([[2.0]], [[0.0]])
    (1.0, array([[-1.]]))
    """

    name = "poisson"
    link = "log"
    nonnegative = False
    power = 1.0

    cdef inline double exponent(self, double y, double z) noexcept nogil:
        return bounded(z)

    cdef inline double value(
            self, double y, double z, double mu, double _) noexcept nogil:
        return continued(mu, z) - y * z

    cdef inline double slope(
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

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return slope_of(self, y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return exponential(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_pointwise(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_pointwise(self, y, z0, q, z, c, K)

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        # Counts that spread less than those of a Poisson distribution do not teach
        # faster.
        return fmax(1.0, dispersion(mean, deviation, 1.0))

    def units(self, y, sample_weight, null):
        """One, and the mean of y: the second derivative at the constant model."""
        return _alike(1.0, len(null)), np.exp(null)

    def domain(self):
        """Counts: zero or more."""
        return 0.0, True

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Logarithm of the weighted mean of y."""
        return _log_mean(y, sample_weight, n_outputs)


@cython.final
cdef class Gamma(Loss):
    """Gamma with log link: l = z + y exp(-z), y > 0.

    Half the deviance without the terms in y alone.

    Examples
    --------
    >>> from sklgd.losses import Gamma
    >>> Gamma().evaluate([[2.0]], [[0.0]])
    (2.0, array([[-1.]]))
    """

    name = "gamma"
    link = "log"
    nonnegative = False
    power = 2.0

    cdef inline double exponent(self, double y, double z) noexcept nogil:
        return bounded(-z)

    cdef inline double value(
            self, double y, double z, double e, double _) noexcept nogil:
        return z + y * continued(e, -z)

    cdef inline double slope(
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

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return slope_of(self, y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return exponential(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_pointwise(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_pointwise(self, y, z0, q, z, c, K)

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return dispersion(mean, deviation, 2.0)

    def domain(self):
        """Positive targets."""
        return 0.0, False

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Logarithm of the weighted mean of y."""
        return _log_mean(y, sample_weight, n_outputs)


@cython.final
cdef class Tweedie(Loss):
    """Tweedie with log link and variance mu^power (power 0 or >= 1).

    l = exp((2 - p) z)/(2 - p) - y exp((1 - p) z)/(1 - p), and the limits
    p = 1 (Poisson), p = 2 (gamma), p = 0 (squared error of exp(z)): half the
    deviance without the terms in y alone. Jorgensen, "Exponential dispersion
    models", 1987.

    Parameters
    ----------
    power : float, default=1.5
        p, 0 or at least 1.

    Examples
    --------
    >>> from sklgd.losses import Tweedie
    >>> Tweedie(power=1.5).evaluate([[2.0]], [[0.0]])
    (6.0, array([[-1.]]))
    """

    name = "tweedie"
    params = ("power",)
    link = "log"
    nonnegative = False
    cdef readonly double power

    def __init__(self, double power=1.5):
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

    cdef inline double slope(
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
                # slope <= exp((2-p) z); at least half of that from 2 y on.
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
        # Newton steps; halving where they leave the bracket or crawl.
        for _ in range(PROX_STEPS):
            size = (bounded_exp((2.0 - p) * z)
                    + fabs(y) * bounded_exp((1.0 - p) * z))
            f = z - z0 + q * slope_of(self, y, z)
            if f > 0.0:
                high = z
            else:
                low = z
            step = -f / (1.0 + q * self.second(y, z))
            if not fabs(f) > 4e-16 * (fabs(z) + fabs(z0) + q * size):
                # Rounding is all that is left.
                break
            if low <= z + step <= high and (
                    fabs(step) < 0.5 * fabs(last) or step * last <= 0.0):
                last = step
            else:
                step = 0.5 * (low + high) - z
                last = high - low
            z += step
            if step == 0.0:
                break
        c[0] = subgradient(slope_of(self, y, z), size, z0, z, q)
        return z

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return slope_of(self, y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return exponential(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_pointwise(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_pointwise(self, y, z0, q, z, c, K)

    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil:
        return dispersion(mean, deviation, self.power)

    def units(self, y, sample_weight, null):
        """One, and the second derivative at the constant model."""
        return _alike(1.0, len(null)), np.exp((2.0 - self.power) * null)

    def domain(self):
        """Any targets at power 0, zero or more below power 2, else positive."""
        if self.power >= 1.0:
            return 0.0, self.power < 2.0
        return -INFINITY, True

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Logarithm of the weighted mean of y."""
        return _log_mean(y, sample_weight, n_outputs)


# ----------------------------------------------------------------------------
# Margin losses (classification, one-vs-rest from three classes on)
# ----------------------------------------------------------------------------

@cython.final
cdef class Hinge(PiecewiseLinear):
    """l = max(0, 1 - y z), the loss of the linear support vector machine.

    At the kink y z = 1 the gradient is -y, as in SGDClassifier.

    Examples
    --------
    >>> from sklgd.losses import Hinge
    >>> Hinge().evaluate([1.0], [[0.25]])
    (0.75, array([[-1.]]))
    """

    name = "hinge"
    task = "classification"
    classifies = True
    unit_slopes = True

    cdef inline double value(self, double y, double z) noexcept nogil:
        # Exact first: both are then without mispredicted branches.
        cdef double out = 1.0 - y * z if not y * z > 1.0 else 0.0
        if self.softness > 0.0:
            out = ramp_value(y * z - 1.0, self.softness, -1.0, 0.0)
        return out

    cdef inline double slope(self, double y, double z) noexcept nogil:
        cdef double c = -y if not y * z > 1.0 else 0.0
        if self.softness > 0.0:
            c = y * ramp(y * z - 1.0, self.softness, -1.0, 0.0)
        return c

    cdef inline double second(self, double y, double z) noexcept nogil:
        return ramp_curvature(y * z - 1.0, self.softness, -1.0, 0.0)

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        cdef double d, m = kink_prox(y * z0, 1.0, q, -1.0, 0.0, &d)
        c[0] = y * d
        return y * m

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return self.slope(y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return margins(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_margins(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_margins(self, y, z0, q, z, c, K)

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """The sign of the heavier side, output by output."""
        excess = _class_shares(y, sample_weight, n_outputs) - 0.5
        # Balanced sides are balanced whatever the rounding of their weights.
        return np.where(np.abs(excess) > 1e-12, np.sign(excess), 0.0)


@cython.final
cdef class Perceptron(PiecewiseLinear):
    """l = max(0, -y z). Rosenblatt 1958; hinge with threshold 0.

    Examples
    --------
    >>> from sklgd.losses import Perceptron
    >>> Perceptron().evaluate([1.0], [[-2.0]])
    (2.0, array([[-1.]]))
    """

    name = "perceptron"
    task = "classification"
    classifies = True
    degenerate = True

    cdef inline double value(self, double y, double z) noexcept nogil:
        # Exact first: both are then without mispredicted branches.
        cdef double out = -y * z if not y * z > 0.0 else 0.0
        if self.softness > 0.0:
            out = ramp_value(y * z, self.softness, -1.0, 0.0)
        return out

    cdef inline double slope(self, double y, double z) noexcept nogil:
        cdef double c = -y if not y * z > 0.0 else 0.0
        if self.softness > 0.0:
            c = y * ramp(y * z, self.softness, -1.0, 0.0)
        return c

    cdef inline double second(self, double y, double z) noexcept nogil:
        return ramp_curvature(y * z, self.softness, -1.0, 0.0)

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        cdef double d, m = kink_prox(y * z0, 0.0, q, -1.0, 0.0, &d)
        c[0] = y * d
        return y * m

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return self.slope(y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return margins(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_margins(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_margins(self, y, z0, q, z, c, K)

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Zero: the loss vanishes there."""
        return np.zeros(n_outputs)


@cython.final
cdef class SquaredHinge(Loss):
    """l = max(0, 1 - y z)^2.

    Examples
    --------
    >>> from sklgd.losses import SquaredHinge
    >>> SquaredHinge().evaluate([1.0], [[0.5]])
    (0.25, array([[-1.]]))
    """

    name = "squared_hinge"
    steady = False
    task = "classification"
    classifies = True

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = 1.0 - y * z
        return r * r if not r <= 0.0 else 0.0

    cdef inline double slope(self, double y, double z) noexcept nogil:
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

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return self.slope(y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return margins(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_margins(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_margins(self, y, z0, q, z, c, K)

    def bound(self, n_outputs=1):
        """Two."""
        return 2.0

    def units(self, y, sample_weight, null):
        """One, and the largest second derivative."""
        return _alike(1.0, len(null)), _alike(2.0, len(null))

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Difference of the two sides' shares."""
        return 2.0 * _class_shares(y, sample_weight, n_outputs) - 1.0


@cython.final
cdef class ModifiedHuber(Loss):
    """l = max(0, 1 - y z)^2 for y z >= -1, else -4 y z.

    Zhang, "Solving large scale linear prediction problems using stochastic
    gradient descent algorithms", ICML 2004.

    Examples
    --------
    >>> from sklgd.losses import ModifiedHuber
    >>> ModifiedHuber().evaluate([1.0], [[-2.0]])
    (8.0, array([[-4.]]))
    """

    name = "modified_huber"
    steady = False
    bounded_slopes = True
    task = "classification"
    classifies = True
    has_proba = True

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = y * z
        if r >= 1.0:
            return 0.0
        if r >= -1.0:
            return (1.0 - r) * (1.0 - r)
        return -4.0 * r

    cdef inline double slope(self, double y, double z) noexcept nogil:
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

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return self.slope(y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return margins(self, y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        curvature_margins(self, y, z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        prox_margins(self, y, z0, q, z, c, K)

    def bound(self, n_outputs=1):
        """Two."""
        return 2.0

    def units(self, y, sample_weight, null):
        """One, and the largest second derivative."""
        return _alike(1.0, len(null)), _alike(2.0, len(null))

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Difference of the two sides' shares."""
        return 2.0 * _class_shares(y, sample_weight, n_outputs) - 1.0


@cython.final
cdef class LogLoss(Loss):
    """Binary: l = log(1 + exp(-y z)). Three classes on: softmax,
    l = log(sum_k exp z_k) - z_y.

    Both are evaluated with exponentials of non-positive numbers only, so no
    margin overflows.

    Examples
    --------
    >>> from sklgd.losses import LogLoss
    >>> round(LogLoss().evaluate([1.0], [[0.0]])[0], 4)
    0.6931
    """

    name = "log_loss"
    bounded_slopes = True
    task = "classification"
    classifies = True
    has_proba = True

    cdef inline double exponent(self, double y, double z) noexcept nogil:
        return -fabs(y * z)

    cdef inline double value(
            self, double y, double z, double e, double log1p_e) noexcept nogil:
        cdef double r = y * z
        return log1p_e + (0.0 if r > 0.0 else -r)

    cdef inline double slope(
            self, double y, double z, double e, double _) noexcept nogil:
        return -y * ((e if y * z > 0.0 else 1.0) / (1.0 + e))

    cdef inline double second(self, double y, double z) noexcept nogil:
        cdef double e = exp(-fabs(z))
        return e / ((1.0 + e) * (1.0 + e))

    cdef inline double proximal(
            self, double y, double z0, double q, double* c) noexcept nogil:
        # In the margin: m = a + q / (1 + exp(m)). The equation keeps its form
        # under (m, a) -> (-m, -a - q), so that m >= 0 can be assumed.
        cdef double a = y * z0, m, p, v, f, df, ratio, step, sign = y
        cdef int _
        cdef bint mirrored = a < -0.5 * q
        if mirrored:
            a = -a - q
            sign = -y
        # Both are below the root, where Newton's method is monotone.
        m = (a + 0.5 * q) / (1.0 + 0.25 * q)
        if a > m:
            m = a
        if q > 8.0 and a < 700.0:
            m = fmax(m, log_prox_start(a, q))
        p = 0.0
        for _ in range(PROX_STEPS):
            p = exp(-m)
            p /= 1.0 + p
            v = p * (1.0 - p)
            f = m - a - q * p
            df = 1.0 + q * v
            # Halley's method: f'' = -q v (1 - 2 p).
            ratio = f / df
            step = -ratio / (1.0 + 0.5 * ratio * q * v * (1.0 - 2.0 * p) / df)
            if not m + step >= 0.0:
                step = -m
            m += step
            # p at the new m, by Taylor's formula: the error is step^3 / 6.
            p *= 1.0 - step * (1.0 - p) * (1.0 - 0.5 * step * (1.0 - 2.0 * p))
            if fabs(step) <= 1e-5:
                break
        c[0] = -sign * p if not mirrored else -y * (1.0 - p)
        return sign * m

    cdef double slope_at(self, double y, double z) noexcept nogil:
        return slope_of(self, y, z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        if K == 1:
            return exponential(self, y, z, s, g, m, 1, want_value)
        return softmax(y, z, s, g, m, K, want_value)

    cdef void curvature_batch(
            self, const double* y, const double* z, const double* s, double* h,
            Py_ssize_t m, Py_ssize_t K) noexcept nogil:
        if K == 1:
            curvature_pointwise(self, y, z, s, h, m, 1)
        else:
            curvature_softmax(z, s, h, m, K)

    cdef void prox_row(
            self, const double* y, const double* z0, double q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        if K == 1:
            prox_pointwise(self, y, z0, q, z, c, 1)
        else:
            prox_softmax(y, z0, q, z, c, K)

    cdef void prox_scaled(
            self, const double* y, const double* z0, const double* q, double* z,
            double* c, Py_ssize_t K) noexcept nogil:
        scaled_prox_softmax(y, z0, q, z, c, K)

    def bound(self, n_outputs=1):
        """A quarter; one half for the softmax (Boehning 1992)."""
        return 0.25 if n_outputs == 1 else 0.5

    def units(self, y, sample_weight, null):
        """One, and the largest second derivative (softmax: Boehning 1992)."""
        return _alike(1.0, len(null)), _alike(0.25 if len(null) == 1 else 0.5, len(null))

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Log odds, or centred log shares of the classes."""
        # A class without weight would put the start at infinity.
        p = _class_shares(y, sample_weight, n_outputs)
        p = np.minimum(np.maximum(p, 1e-6), 1 - 1e-6)
        if n_outputs == 1:
            return np.log(p / (1.0 - p))
        return np.log(p) - np.log(p).mean()


ctypedef fused Pointwise:
    SquaredError
    Huber
    EpsilonInsensitive
    SquaredEpsilonInsensitive
    AbsoluteError
    Quantile

ctypedef fused Margin:
    Hinge
    Perceptron
    SquaredHinge
    ModifiedHuber

# The log loss with one output: with several it is the softmax.
ctypedef fused Exponential:
    Poisson
    Gamma
    Tweedie
    LogLoss

# y is the sign of the class, or the target, of each output.
ctypedef fused Paired:
    SquaredError
    Huber
    EpsilonInsensitive
    SquaredEpsilonInsensitive
    AbsoluteError
    Quantile
    Poisson
    Gamma
    Tweedie
    LogLoss


cdef inline double pointwise(
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
            g[j] = c * loss.slope(y[j], z[j])
            if want_value:
                total += c * value_of(loss, y[j], z[j], k)
    return total


cdef inline double value_of(
        Pointwise loss, double y, double z, Py_ssize_t k) noexcept nogil:
    """The loss of output k, or for distant targets what `measured_from` makes of it."""
    if Pointwise is SquaredError or Pointwise is SquaredEpsilonInsensitive:
        return loss.value(y, z)
    elif loss.distant and fabs(y - loss.constant[k]) > loss.reach[k]:
        return loss.difference(y, z, loss.constant[k])
    else:
        return loss.value(y, z)


cdef inline double margins(
        Margin loss, const double* y, const double* z, const double* s,
        double* g, Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
    cdef Py_ssize_t i, k, j
    cdef double c, sign, total = 0.0
    for i in range(m):
        c = 1.0 if s == NULL else s[i]
        for k in range(K):
            j = i * K + k
            if c == 0.0:
                g[j] = 0.0
                continue
            sign = y[i] if K == 1 else (1.0 if y[i] == k else -1.0)
            g[j] = c * loss.slope(sign, z[j])
            if want_value:
                total += c * loss.value(sign, z[j])
    return total


cdef inline double slope_of(Exponential loss, double y, double z) noexcept nogil:
    cdef double e = exp(loss.exponent(y, z)), f = 0.0
    if Exponential is Tweedie:
        f = exp(loss.other_exponent(y, z))
    return loss.slope(y, z, e, f)


cdef inline double exponential(
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
        if Exponential is Tweedie:
            for i in range(part):
                f[i] = loss.other_exponent(y[start + i], z[start + i])
            vector_math.exp(f, part)
        elif Exponential is LogLoss:
            if want_value:
                for i in range(part):
                    f[i] = e[i]
                vector_math.log1p(f, part)
        for i in range(part):
            j = start + i
            g[j] = loss.slope(y[j], z[j], e[i], f[i])
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


cdef inline double softmax(
        const double* y, const double* z, const double* s, double* g,
        Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
    cdef double[CHUNK] top, rest
    cdef Py_ssize_t i, k, code, start = 0, part
    # Whole groups of the kernel's four rows.
    cdef Py_ssize_t rows = 4 * max(1, min(CHUNK // 4, 2 * CHUNK // K))
    cdef double c, others, total = 0.0
    cdef double* gi
    while start < m:
        part = min(rows, m - start)
        vector_math.softmax_rows(z + start * K, part, K, g + start * K, top, rest)
        for i in range(part):
            gi = g + (start + i) * K
            c = 1.0 if s == NULL else s[start + i]
            code = <Py_ssize_t> y[start + i]
            if c == 0.0:
                for k in range(K):
                    gi[k] = 0.0
                continue
            c /= 1.0 + rest[i]
            # c (p_y - sum_k p_k): p_y - 1 would lose the digits of a p_y near 1.
            others = rest[i] + (1.0 - gi[code])
            for k in range(K):
                gi[k] *= c
            gi[code] = -c * others
        if want_value:
            vector_math.log1p(rest, part)
            for i in range(part):
                c = 1.0 if s == NULL else s[start + i]
                if c != 0.0:
                    code = <Py_ssize_t> y[start + i]
                    total += c * (rest[i] + (top[i] - z[(start + i) * K + code]))
        start += part
    return total


cdef inline void curvature_pointwise(
        Paired loss, const double* y, const double* z, const double* s,
        double* h, Py_ssize_t m, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t i, k, j
    cdef double c
    for i in range(m):
        c = 1.0 if s == NULL else s[i]
        for k in range(K):
            j = i * K + k
            h[j] = 0.0 if c == 0.0 else c * loss.second(y[j], z[j])


cdef inline void curvature_margins(
        Margin loss, const double* y, const double* z, const double* s,
        double* h, Py_ssize_t m, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t i, k, j
    cdef double c, sign
    for i in range(m):
        c = 1.0 if s == NULL else s[i]
        for k in range(K):
            j = i * K + k
            sign = y[i] if K == 1 else (1.0 if y[i] == k else -1.0)
            h[j] = 0.0 if c == 0.0 else c * loss.second(sign, z[j])


cdef inline void curvature_softmax(
        const double* z, const double* s, double* h, Py_ssize_t m,
        Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t i, k, best
    cdef double c, top, rest, norm
    cdef const double* zi
    cdef double* hi
    for i in range(m):
        c = 1.0 if s == NULL else s[i]
        zi = z + i * K
        hi = h + i * K
        if c == 0.0:
            for k in range(K):
                hi[k] = 0.0
            continue
        best = 0
        for k in range(1, K):
            if not zi[k] <= zi[best]:
                best = k
        top = zi[best]
        # The sum without its largest term, 1: 1 - p would lose digits.
        rest = 0.0
        for k in range(K):
            if k != best:
                hi[k] = exp(zi[k] - top)
                rest += hi[k]
        norm = 1.0 + rest
        for k in range(K):
            if k != best:
                hi[k] = c * (hi[k] / norm) * ((norm - hi[k]) / norm)
        hi[best] = c * rest / (norm * norm)


cdef inline void prox_pointwise(
        Paired loss, const double* y, const double* z0, double q, double* z,
        double* c, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(K):
        if q > 0.0:
            z[k] = loss.proximal(y[k], z0[k], q, c + k)
        else:
            z[k] = z0[k]
            c[k] = loss.slope_at(y[k], z0[k])


cdef inline void prox_margins(
        Margin loss, const double* y, const double* z0, double q, double* z,
        double* c, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t k
    cdef double sign
    for k in range(K):
        sign = y[0] if K == 1 else (1.0 if y[0] == k else -1.0)
        if q > 0.0:
            z[k] = loss.proximal(sign, z0[k], q, c + k)
        else:
            z[k] = z0[k]
            c[k] = loss.slope(sign, z0[k])


cdef void prox_softmax(
        const double* y, const double* z0, double q, double* z, double* c,
        Py_ssize_t K) noexcept nogil:
    """Prox of log(sum_k exp z_k) - z_y, by Newton's method for one number.

    Given the logarithm of the sum of exponentials, L, the outputs separate:
    w_k = q p_k solves w_k + log w_k = z0_k + log q - L for k != y, and
    d = q (1 - p_y) solves d - log(1 - d/q) = L - z0_y. L is the root of
    sum_k w_k - d, which is decreasing and convex in L, so that from the second
    step on Newton's method is monotone. Working with d and the other classes,
    not with p_y, keeps the digits of a row that is well classified.
    """
    cdef Py_ssize_t k, code = <Py_ssize_t> y[0]
    cdef double L, top = -INFINITY, total, f, df, step, left, s, v
    cdef int _, __
    for k in range(K):
        if not z0[k] <= top:
            top = z0[k]
    total = 0.0
    for k in range(K):
        total += exp(z0[k] - top)
    L = top + log(total)
    if q <= 0.0:
        total = 0.0
        for k in range(K):
            z[k] = z0[k]
            if k != code:
                c[k] = exp(z0[k] - L)
                total += c[k]
        c[code] = -total
        return
    for _ in range(PROX_STEPS):
        total = 0.0
        df = 0.0
        for k in range(K):
            if k != code:
                # exp(z_k - L) is the probability.
                c[k] = exp(subtract_exp(z0[k] - L, q))
                total += c[k]
                df += c[k] / (1.0 + q * c[k])
        s = L - z0[code]
        if s < 0.5 * q + LOG2:
            # v = 1 - p_y < 1/2: convex, from above.
            v = s / (1.0 + q)
            for __ in range(PROX_STEPS):
                step = (q * v - log1p(-v) - s) / (q + 1.0 / (1.0 - v))
                v -= step
                if fabs(step) <= 1e-8 * v:
                    break
            left = 1.0 - v
        else:
            left = exp(subtract_exp(q - s, q))
            v = 1.0 - left
        f = total - v
        df += left / (1.0 + q * left)
        step = f / df
        if L + step < z0[code]:
            step = z0[code] - L
        L += step
        if not fabs(step) > 1e-15 * (1.0 + fabs(L)):
            break
    # L is only known to its last digit: the sum of probabilities is better.
    for k in range(K):
        c[k] /= total + left
    c[code] = -total / (total + left)
    for k in range(K):
        z[k] = z0[k] - q * c[k]


cdef void scaled_prox_softmax(
        const double* y, const double* z0, const double* q, double* z, double* c,
        Py_ssize_t K) noexcept nogil:
    """`Loss.prox_scaled` of the softmax, by Newton's method for one number.

    With d = q g and A = d'g the number s is the root of s A - d'g(z0 - s d), which rises
    with a slope of A or more. The last step starts from an error of a thousandth.
    """
    cdef Py_ssize_t k
    cdef double A = 0.0, largest = 0.0, low = 0.0, high = 1.0, s, f, slope, step
    cdef int _
    softmax(y, z0, NULL, c, 1, K, False)
    for k in range(K):
        A += q[k] * c[k] * c[k]
        largest = fmax(largest, q[k])
    if not A > 0.0:
        memcpy(z, z0, K * sizeof(double))
        return
    # No eigenvalue of the Hessian is above 1/2 (Boehning 1992).
    s = 1.0 / (1.0 + 0.5 * largest)
    for _ in range(PROX_STEPS):
        for k in range(K):
            z[k] = z0[k] - s * q[k] * c[k]
        softmax_line(y, z, q, c, K, &f, &slope)
        f = s * A - f
        if f > 0.0:
            high = s
        else:
            low = s
        step = s - f / (A + slope)
        s = step if low <= step <= high else 0.5 * (low + high)
        if not fabs(f) > 1e-3 * A:
            break
    for k in range(K):
        c[k] *= s
        z[k] = z0[k] - q[k] * c[k]


cdef inline void softmax_line(
        const double* y, const double* z, const double* q, const double* c,
        Py_ssize_t K, double* along, double* curvature) noexcept nogil:
    """Slope of the softmax loss at z in the direction d = q c, and its change."""
    cdef double top = -INFINITY, norm = 0.0, first = 0.0, second = 0.0, p, d
    cdef Py_ssize_t k, code = <Py_ssize_t> y[0]
    for k in range(K):
        if not z[k] <= top:
            top = z[k]
    for k in range(K):
        p = exp(z[k] - top)
        d = q[k] * c[k]
        norm += p
        first += p * d
        second += p * d * d
    first /= norm
    along[0] = first - q[code] * c[code]
    curvature[0] = second / norm - first * first


# ----------------------------------------------------------------------------
# Best constant models
# ----------------------------------------------------------------------------

def _blocks(y, sample_weight, n_outputs):
    """Pairs of rows of y (m, n_outputs) and their weights, of sum one over all rows."""
    y = np.asarray(y, dtype=np.float64).reshape(-1, n_outputs)
    if sample_weight is None:
        total, s = len(y), np.ones(min(len(y), BLOCK))
    else:
        s = np.asarray(sample_weight, dtype=np.float64)
        total = s.sum()
    for start in range(0, len(y), BLOCK):
        part = y[start:start + BLOCK]
        share = s[:len(part)] if sample_weight is None else s[start:start + BLOCK]
        yield part, share / total


cdef double mean_of_column(
        const double* y, const double* s, Py_ssize_t n, Py_ssize_t K, double unit,
        double centre, bint absolute) noexcept nogil:
    """unit * sum_i s_i y_ik of every K-th value, or of |y_ik - centre|; s may be NULL.

    Blocks of rows have sums of their own, for accuracy.
    """
    cdef Py_ssize_t i = 0, end
    cdef double total = 0.0, part, x
    while i < n:
        end, part = min(i + 256, n), 0.0
        while i < end:
            x = y[i * K]
            if absolute:
                x = fabs(x - centre)
            # (The mean does not overflow if the sum does.)
            x *= unit
            part += x if s == NULL else x * s[i]
            i += 1
        total += part
    return total


def _mean(y, sample_weight, Py_ssize_t n_outputs, centre=None):
    """Weighted mean of y, or of |y - centre|, for each output."""
    cdef const double[::1] s_view
    cdef const double[:, ::1] y_view = np.ascontiguousarray(
        y, dtype=np.float64).reshape(-1, n_outputs)
    cdef const double* s = NULL
    cdef double total = y_view.shape[0]
    cdef Py_ssize_t k
    if sample_weight is not None:
        s_view = np.ascontiguousarray(sample_weight, dtype=np.float64)
        s, total = &s_view[0], np.sum(sample_weight)
    out = np.empty(n_outputs)
    for k in range(n_outputs):
        out[k] = mean_of_column(
            &y_view[0, k], s, y_view.shape[0], n_outputs, 1.0 / total,
            0.0 if centre is None else centre[k], centre is not None)
    return out


def _log_mean(y, sample_weight, n_outputs):
    mean = _mean(y, sample_weight, n_outputs)
    # All-zero counts: the optimum is at minus infinity; start far below.
    mean[mean <= 0.0] = 1e-12
    return np.log(mean)


def _ordered(double x):
    """The position of a float among all floats, as an integer."""
    cdef long long bits
    memcpy(&bits, &x, sizeof(double))
    return bits if bits >= 0 else -(bits & 0x7fffffffffffffff)


def _from_ordered(position):
    """The float at a position."""
    cdef long long bits = abs(position)
    cdef double x
    memcpy(&x, &bits, sizeof(double))
    return x if position >= 0 else -x


def _quantile(y, sample_weight, n_outputs, q):
    y = np.asarray(y, dtype=np.float64).reshape(-1, n_outputs)
    out = np.empty(n_outputs)
    if sample_weight is None:
        position = min(max(int(np.ceil(len(y) * (q - 1e-12))) - 1, 0), len(y) - 1)
        for k in range(n_outputs):
            out[k] = np.partition(y[:, k], position)[position]
        return out
    s = np.asarray(sample_weight, dtype=np.float64)
    s = s / s.sum()
    for k in range(n_outputs):
        order = np.argsort(y[:, k], kind="stable")
        cumulative = np.cumsum(s[order])
        # The tolerance keeps the choice the same for weights and repetitions.
        position = np.searchsorted(cumulative, q - 1e-12)
        out[k] = y[order[min(position, len(y) - 1)], k]
    return out


def _deviation(y, sample_weight, null):
    """Weighted mean of |y - null|; where y is constant its size, or 1."""
    deviation = _mean(y, sample_weight, len(null), null)
    cdef double[::1] view = deviation
    cdef Py_ssize_t k
    for k in range(view.shape[0]):
        if not view[k] > 0.0:
            view[k] = fabs(null[k]) or 1.0
    return deviation


def _robust_deviation(y, sample_weight, null):
    """The same, but no |y - null| counts more than GROSS times the upper quartile.

    That is the quartile of those that are not zero. Residuals have a size, by which
    the lengths of steps are chosen, that a few outliers must not set.
    """
    deviation = _deviation(y, sample_weight, null)
    y = np.asarray(y, dtype=np.float64).reshape(-1, len(null))
    for k in range(len(null)):
        distance = np.abs(y[:, k] - null[k])
        if sample_weight is not None:
            distance[sample_weight == 0.0] = 0.0
        if not distance.max() > GROSS * deviation[k]:
            continue
        seen = distance > 0.0
        weights = None if sample_weight is None else sample_weight[seen]
        most = GROSS * _quantile(distance[seen], weights, 1, 0.75)
        deviation[k] = _mean(np.minimum(distance, most), sample_weight, 1)[0]
    return deviation


def _alike(value, n):
    """n times the same number; `np.full` takes five times as long for a few."""
    out = np.empty(n)
    out.fill(value)
    return out


def _class_shares(y, sample_weight, n_outputs):
    """Weighted share of +1 (one output) or of each class code."""
    if n_outputs == 1:
        # Of targets -1 and 1.
        return 0.5 + 0.5 * _mean(y, sample_weight, 1)
    shares = np.zeros(n_outputs)
    for part, s in _blocks(y, sample_weight, 1):
        shares += np.bincount(part[:, 0].astype(np.intp), s, n_outputs)
    return shares


for _loss_class in (
    SquaredError, Huber, EpsilonInsensitive, SquaredEpsilonInsensitive,
    AbsoluteError, Quantile, Poisson, Gamma, Tweedie,
    LogLoss, Hinge, SquaredHinge, ModifiedHuber, Perceptron,
):
    LOSSES[_loss_class.name] = _loss_class

__all__ = ["LOSSES", "Loss", *sorted(cls.__name__ for cls in LOSSES.values())]
