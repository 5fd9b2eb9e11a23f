"""Loss functions of a raw prediction z = x.w + b, and their registry.

A loss sees one batch at a time: targets, raw predictions and weights in,
gradient with respect to z out. Everything per element is inlined into one of
three loops (pointwise regression, margins, softmax).

Adding a loss is one class here with ``value`` and ``slope``, one line in a
fused list and one in the registration at the end; parameter checks, tests and
documentation read the registry `LOSSES`.
"""
cimport cython
from libc.math cimport INFINITY, exp, fabs, log, log1p

import numpy as np

LOSSES = {}
"""Loss name -> class."""

# exp(700) is finite (1e304) and its square is not needed: the log-link losses
# stay finite for any raw prediction, so that divergence is seen, not NaN.
cdef double EXP_MAX = 700.0


cdef inline double bounded_exp(double x) noexcept nogil:
    return exp(x if x < EXP_MAX else EXP_MAX)


cdef class Loss:
    """A loss l(y, z), convex in z.

    Class attributes
    ----------------
    name : str
        Name in the estimators' ``loss`` parameter.
    task : {"regression", "classification"}
    params : tuple of str
        Constructor arguments, taken from the estimator's parameters.
    smooth : bool
        True if the gradient is Lipschitz continuous on bounded sets.
    link : {"identity", "log"}
        The prediction is z or exp(z).
    has_proba : bool
        True if the loss gives class probabilities.
    degenerate : bool
        True if w = 0 is a minimiser whatever the data: then descent is useful,
        but its objective is not.
    """

    name = None
    task = "regression"
    params = ()
    smooth = True
    link = "identity"
    has_proba = False
    degenerate = False

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
        z_in = np.ascontiguousarray(z, dtype=np.float64)
        cdef double[:, ::1] z_view = z_in.reshape(len(z_in), -1).copy()
        cdef double[::1] y_view = np.array(y, dtype=np.float64).ravel()
        cdef double[::1] s_view = None
        cdef const double* s = NULL
        cdef Py_ssize_t m = z_view.shape[0], K = z_view.shape[1]
        g = np.zeros((m, K))
        cdef double[:, ::1] g_view = g
        if y_view.shape[0] != (m * K if self.task == "regression" else m):
            raise ValueError(
                f"y has {y_view.shape[0]} values for {m} rows and {K} outputs"
            )
        if m == 0:
            return 0.0, g.reshape(np.shape(z))
        if sample_weight is not None:
            s_view = np.array(sample_weight, dtype=np.float64).ravel()
            if s_view.shape[0] != m:
                raise ValueError(f"sample_weight has {s_view.shape[0]} values, not {m}")
            s = &s_view[0]
        total = self.evaluate_batch(
            &y_view[0], &z_view[0, 0], s, &g_view[0, 0], m, K, True)
        return total, g.reshape(np.shape(z))

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Raw predictions of the best constant model, shape (n_outputs,).

        The general answer is bisection on the derivative, which is monotone
        because the loss is convex; losses with a closed form override this.
        """
        y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        out = np.empty(n_outputs)
        for k in range(n_outputs):
            column = np.ascontiguousarray(y[:, k])
            low, high = column.min() - 1.0, column.max() + 1.0
            for _ in range(60):
                middle = 0.5 * (low + high)
                _, g = self.evaluate(
                    column, np.full((len(column), 1), middle), sample_weight)
                if g.sum() > 0.0:
                    high = middle
                else:
                    low = middle
            out[k] = 0.5 * (low + high)
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
        return np.ones(len(null)), np.ones(len(null))

    def domain(self):
        """Smallest target, and whether that value itself is possible."""
        return -INFINITY, True

    def __reduce__(self):
        return type(self), tuple(getattr(self, p) for p in self.params)


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

    cdef inline double value(self, double y, double z) noexcept nogil:
        return 0.5 * (z - y) * (z - y)

    cdef inline double slope(self, double y, double z) noexcept nogil:
        return z - y

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    def units(self, y, sample_weight, null):
        """Mean absolute deviation from the constant model, and its square."""
        z = _deviation(y, sample_weight, null)
        return z, z * z

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Weighted mean of y."""
        return _mean(y, sample_weight, n_outputs)


@cython.final
cdef class Huber(Loss):
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
    params = ("epsilon",)
    cdef readonly double epsilon

    def __init__(self, double epsilon=0.1):
        self.epsilon = epsilon

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = fabs(z - y)
        if r <= self.epsilon:
            return 0.5 * r * r
        return self.epsilon * r - 0.5 * self.epsilon * self.epsilon

    cdef inline double slope(self, double y, double z) noexcept nogil:
        cdef double r = z - y
        if r > self.epsilon:
            return self.epsilon
        if r < -self.epsilon:
            return -self.epsilon
        return r

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    def units(self, y, sample_weight, null):
        """Deviation z, and min(z, epsilon) z: the loss grows like that."""
        z = _deviation(y, sample_weight, null)
        return z, z * np.minimum(z, self.epsilon or 1.0)


@cython.final
cdef class EpsilonInsensitive(Loss):
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
    params = ("epsilon",)
    smooth = False
    cdef readonly double epsilon

    def __init__(self, double epsilon=0.1):
        self.epsilon = epsilon

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = fabs(z - y) - self.epsilon
        return r if not r <= 0.0 else 0.0

    cdef inline double slope(self, double y, double z) noexcept nogil:
        if z - y > self.epsilon:
            return 1.0
        if y - z > self.epsilon:
            return -1.0
        return 0.0

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    def units(self, y, sample_weight, null):
        """Mean absolute deviation from the constant model, twice."""
        z = _deviation(y, sample_weight, null)
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

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    def units(self, y, sample_weight, null):
        """Mean absolute deviation from the constant model, and twice its square."""
        z = _deviation(y, sample_weight, null)
        return z, 2.0 * z * z


@cython.final
cdef class AbsoluteError(Loss):
    """l = |z - y|; its minimiser is the median. The gradient at 0 is 0.

    Examples
    --------
    >>> from sklgd.losses import AbsoluteError
    >>> AbsoluteError().evaluate([[1.0]], [[3.0]])
    (2.0, array([[1.]]))
    """

    name = "absolute_error"
    smooth = False

    cdef inline double value(self, double y, double z) noexcept nogil:
        return fabs(z - y)

    cdef inline double slope(self, double y, double z) noexcept nogil:
        return <double> (z > y) - <double> (z < y)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    def units(self, y, sample_weight, null):
        """Mean absolute deviation from the constant model, twice."""
        z = _deviation(y, sample_weight, null)
        return z, z.copy()

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Weighted median of y."""
        return _quantile(y, sample_weight, n_outputs, 0.5)


@cython.final
cdef class Quantile(Loss):
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
    smooth = False
    cdef readonly double quantile

    def __init__(self, double quantile=0.5):
        self.quantile = quantile

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = y - z
        return self.quantile * r if r >= 0.0 else (self.quantile - 1.0) * r

    cdef inline double slope(self, double y, double z) noexcept nogil:
        if z < y:
            return -self.quantile
        if z > y:
            return 1.0 - self.quantile
        return 0.0

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    def units(self, y, sample_weight, null):
        """Mean absolute deviation from the constant model, twice."""
        z = _deviation(y, sample_weight, null)
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

    cdef inline double value(self, double y, double z) noexcept nogil:
        return bounded_exp(z) - y * z

    cdef inline double slope(self, double y, double z) noexcept nogil:
        return bounded_exp(z) - y

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    def units(self, y, sample_weight, null):
        """One, and the mean of y: the second derivative at the constant model."""
        return np.ones(len(null)), np.exp(null)

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

    cdef inline double value(self, double y, double z) noexcept nogil:
        return z + y * bounded_exp(-z)

    cdef inline double slope(self, double y, double z) noexcept nogil:
        return 1.0 - y * bounded_exp(-z)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

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
    cdef readonly double power

    def __init__(self, double power=1.5):
        self.power = power

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double p = self.power
        if p == 0.0:
            return 0.5 * (y - bounded_exp(z)) * (y - bounded_exp(z))
        if p == 1.0:
            return bounded_exp(z) - y * z
        if p == 2.0:
            return z + y * bounded_exp(-z)
        if p < 2.0:
            return (bounded_exp((2.0 - p) * z) / (2.0 - p)
                    + y * bounded_exp((1.0 - p) * z) / (p - 1.0))
        # Terms of different signs share one factor, so that bounding the
        # exponentials cannot change which of them is larger.
        return bounded_exp((1.0 - p) * z) * (
            y / (p - 1.0) - bounded_exp(z) / (p - 2.0))

    cdef inline double slope(self, double y, double z) noexcept nogil:
        cdef double p = self.power
        if 1.0 <= p <= 2.0:
            return bounded_exp((2.0 - p) * z) - y * bounded_exp((1.0 - p) * z)
        return bounded_exp((1.0 - p) * z) * (bounded_exp(z) - y)

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return pointwise(self, y, z, s, g, m, K, want_value)

    def units(self, y, sample_weight, null):
        """One, and the second derivative at the constant model."""
        return np.ones(len(null)), np.exp((2.0 - self.power) * null)

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
cdef class Hinge(Loss):
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
    smooth = False

    cdef inline double value(self, double y, double z) noexcept nogil:
        return 1.0 - y * z if not y * z > 1.0 else 0.0

    cdef inline double slope(self, double y, double z) noexcept nogil:
        return -y if not y * z > 1.0 else 0.0

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return margins(self, y, z, s, g, m, K, want_value)

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """The sign of the heavier side, output by output."""
        p = _class_shares(y, sample_weight, n_outputs)
        return np.sign(p - 0.5)


@cython.final
cdef class Perceptron(Loss):
    """l = max(0, -y z). Rosenblatt 1958; hinge with threshold 0.

    Examples
    --------
    >>> from sklgd.losses import Perceptron
    >>> Perceptron().evaluate([1.0], [[-2.0]])
    (2.0, array([[-1.]]))
    """

    name = "perceptron"
    task = "classification"
    smooth = False
    degenerate = True

    cdef inline double value(self, double y, double z) noexcept nogil:
        return -y * z if not y * z > 0.0 else 0.0

    cdef inline double slope(self, double y, double z) noexcept nogil:
        return -y if not y * z > 0.0 else 0.0

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return margins(self, y, z, s, g, m, K, want_value)

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
    task = "classification"

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = 1.0 - y * z
        return r * r if not r <= 0.0 else 0.0

    cdef inline double slope(self, double y, double z) noexcept nogil:
        cdef double r = 1.0 - y * z
        return -2.0 * y * r if not r <= 0.0 else 0.0

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return margins(self, y, z, s, g, m, K, want_value)

    def units(self, y, sample_weight, null):
        """One, and the largest second derivative."""
        return np.ones(len(null)), np.full(len(null), 2.0)

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
    task = "classification"
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

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        return margins(self, y, z, s, g, m, K, want_value)

    def units(self, y, sample_weight, null):
        """One, and the largest second derivative."""
        return np.ones(len(null)), np.full(len(null), 2.0)

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
    task = "classification"
    has_proba = True

    cdef inline double value(self, double y, double z) noexcept nogil:
        cdef double r = y * z
        return log1p(exp(-r)) if r > 0.0 else log1p(exp(r)) - r

    cdef inline double slope(self, double y, double z) noexcept nogil:
        cdef double r = y * z, e
        if r > 0.0:
            e = exp(-r)
            return -y * e / (1.0 + e)
        return -y / (1.0 + exp(r))

    cdef double evaluate_batch(
            self, const double* y, const double* z, const double* s, double* g,
            Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
        if K == 1:
            return margins(self, y, z, s, g, m, K, want_value)
        return softmax(y, z, s, g, m, K, want_value)

    def units(self, y, sample_weight, null):
        """One, and the largest second derivative (softmax: Boehning 1992)."""
        return np.ones(len(null)), np.full(len(null), 0.25 if len(null) == 1 else 0.5)

    def null_model(self, y, sample_weight=None, n_outputs=1):
        """Log odds, or centred log shares of the classes."""
        # A class without weight would put the start at infinity.
        p = np.clip(_class_shares(y, sample_weight, n_outputs), 1e-6, 1 - 1e-6)
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
    Poisson
    Gamma
    Tweedie

ctypedef fused Margin:
    Hinge
    Perceptron
    SquaredHinge
    ModifiedHuber
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
                total += c * loss.value(y[j], z[j])
    return total


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


cdef inline double softmax(
        const double* y, const double* z, const double* s, double* g,
        Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
    cdef Py_ssize_t i, k, code
    cdef double c, top, total = 0.0, norm
    cdef const double* zi
    cdef double* gi
    for i in range(m):
        c = 1.0 if s == NULL else s[i]
        zi = z + i * K
        gi = g + i * K
        if c == 0.0:
            for k in range(K):
                gi[k] = 0.0
            continue
        top = -INFINITY
        for k in range(K):
            # Written so that a NaN wins and stays visible.
            if not zi[k] <= top:
                top = zi[k]
        norm = 0.0
        for k in range(K):
            gi[k] = exp(zi[k] - top)
            norm += gi[k]
        code = <Py_ssize_t> y[i]
        if want_value:
            total += c * (log(norm) + (top - zi[code]))
        for k in range(K):
            gi[k] *= c / norm
        gi[code] -= c
    return total


# ----------------------------------------------------------------------------
# Best constant models
# ----------------------------------------------------------------------------

def _weights(n, sample_weight):
    if sample_weight is None:
        return np.full(n, 1.0 / n)
    sample_weight = np.asarray(sample_weight, dtype=np.float64)
    return sample_weight / sample_weight.sum()


def _mean(y, sample_weight, n_outputs):
    y = np.asarray(y, dtype=np.float64).reshape(-1, n_outputs)
    return _weights(len(y), sample_weight) @ y


def _log_mean(y, sample_weight, n_outputs):
    # All-zero counts: the optimum is at minus infinity; start far below.
    return np.log(np.maximum(_mean(y, sample_weight, n_outputs), 1e-12))


def _quantile(y, sample_weight, n_outputs, q):
    y = np.asarray(y, dtype=np.float64).reshape(-1, n_outputs)
    s = _weights(len(y), sample_weight)
    out = np.empty(n_outputs)
    for k in range(n_outputs):
        order = np.argsort(y[:, k], kind="stable")
        cumulative = np.cumsum(s[order])
        # The tolerance keeps the choice the same for weights and repetitions.
        position = np.searchsorted(cumulative, q - 1e-12)
        out[k] = y[order[min(position, len(y) - 1)], k]
    return out


def _deviation(y, sample_weight, null):
    """Weighted mean of |y - null|, 1 where y is constant."""
    y = np.asarray(y, dtype=np.float64).reshape(-1, len(null))
    deviation = _weights(len(y), sample_weight) @ np.abs(y - null)
    return np.where(deviation > 0.0, deviation, 1.0)


def _class_shares(y, sample_weight, n_outputs):
    """Weighted share of +1 (one output) or of each class code."""
    y = np.asarray(y, dtype=np.float64).ravel()
    s = _weights(len(y), sample_weight)
    if n_outputs == 1:
        return np.array([s[y > 0].sum()])
    return np.bincount(y.astype(np.intp), weights=s, minlength=n_outputs)


for _loss_class in (
    SquaredError, Huber, EpsilonInsensitive, SquaredEpsilonInsensitive,
    AbsoluteError, Quantile, Poisson, Gamma, Tweedie,
    LogLoss, Hinge, SquaredHinge, ModifiedHuber, Perceptron,
):
    LOSSES[_loss_class.name] = _loss_class

__all__ = ["LOSSES", "Loss", *sorted(cls.__name__ for cls in LOSSES.values())]
