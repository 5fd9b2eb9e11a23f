"""Losses of the estimators, and `LOSSES`, which maps their names to classes.

The parameter ``loss`` of an estimator names one of these classes. An object evaluates
the loss, its gradient and its Hessian at raw predictions z = x.w + b:

>>> import numpy as np
>>> from sklgd.losses import LOSSES
>>> LOSSES["squared_error"]().evaluate(np.array([[1.0]]), np.array([[3.0]]))[0]
2.0
"""

# A class says what a loss is called, which parameters it takes from the estimator and
# what it can do, and gives its best constant model. Its formulas are compiled in
# kernels/_losses.pyx; ``Loss.kernel`` is the object that loops over rows.

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, softmax

from .kernels import _loss_function, _losses
from .kernels._loss_function import LossFunction
from .kernels._vector import column_means

Array: TypeAlias = np.ndarray
Weights: TypeAlias = np.ndarray | None

# Targets that are evaluated together.
BLOCK = 16384

# Constant models of a class of no weight, whose log odds are infinite, and of counts
# that are all zero.
DECISIVE, LEAST_MEAN = 14.0, 1e-12

# A deviation beyond so many upper quartiles is an outlier: twenty standard deviations.
GROSS = 20.0


class Loss:
    """A loss l(y, z), convex in z unless ``convex`` is False.

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
    convex : bool
        True if the loss is convex in z for every target.
    smooth : bool
        True if the gradient is Lipschitz continuous on bounded sets.
    twice_smooth : bool
        True if the second derivative is continuous, too.
    quadratic : bool
        True if the second derivative is the same everywhere.
    couples_outputs : bool
        True if with several outputs the loss is one function of all of them; otherwise
        it is a sum over outputs.
    link : {"identity", "log"}
        The prediction is z or exp(z).
    nonnegative : bool
        True if no loss is below zero.
    has_proba : bool
        True if the loss gives class probabilities, see `probabilities`.
    unit_gradient : bool
        True if every derivative is -1, 0 or 1, and the loss zero where it is 0: then
        there is a passive-aggressive step.
    degenerate : bool
        True if w = 0 is a minimiser whatever the data: then descent is useful,
        but its objective is not.
    linear_tails : bool
        True if the loss is linear in z far from y: then outliers in y hardly change the
        model, and their losses can be measured from a constant model's.
    bounded_gradient : bool
        True if no derivative is larger than a constant: then the objective of a run
        grows at most in proportion to its steps, and being large is no sign of
        divergence.
    largest_curvature : float
        Least upper bound of the second derivative, infinity if there is none.
    separate_targets : bool
        True if each of several outputs has a target of its own, in a column of y: a
        number in regression, and in classification -1 or 1 (`of_labels`). Otherwise y
        holds the code of a class.
    kernel : LossFunction
        The compiled loops, as the kernels take them.
    """

    name: ClassVar[str]
    task: ClassVar[str] = "regression"
    classifies: ClassVar[bool] = False
    params: ClassVar[tuple[str, ...]] = ()
    convex: bool = True
    smooth: ClassVar[bool] = True
    twice_smooth: ClassVar[bool] = True
    quadratic: ClassVar[bool] = False
    couples_outputs: ClassVar[bool] = False
    link: ClassVar[str] = "identity"
    nonnegative: ClassVar[bool] = True
    has_proba: ClassVar[bool] = False
    unit_gradient: ClassVar[bool] = False
    degenerate: ClassVar[bool] = False
    linear_tails: ClassVar[bool] = False
    bounded_gradient: ClassVar[bool] = False
    largest_curvature: ClassVar[float] = math.inf

    kernel: LossFunction

    def __init__(self) -> None:
        self.kernel = getattr(_losses, type(self).__name__)(*self._arguments())
        self._separate(self.task == "regression")

    def _separate(self, separate: bool) -> None:
        self.separate_targets = self.kernel.separate_targets = separate

    def _copy(self) -> Any:
        return _remade(type(self), self._arguments(), self.separate_targets)

    def of_labels(self) -> Loss:
        """The loss of several labels of a row, each with a target of -1 or 1.

        It is a sum over the labels, also for a loss that couples the classes.
        """
        if self.separate_targets:
            return self
        loss = self._copy()
        loss._separate(True)
        return loss

    def _arguments(self) -> tuple[float, ...]:
        return tuple(getattr(self, name) for name in self.params)

    @property
    def in_streams(self) -> Loss:
        """The loss that the online learner minimises in its place: itself.

        Another one where zero is the best model of all, at which a learner that
        compares itself with constant models would stay.
        """
        return self

    def coupled(self, n_outputs: int) -> bool:
        """True if the loss is not a sum over the outputs.

        Parameters
        ----------
        n_outputs : int
        """
        return self.couples_outputs and n_outputs > 1 and not self.separate_targets

    def measured_from(self, constant: Array, reach: Array) -> Loss:
        """The loss itself, unless its tails are linear (see `LinearTails`).

        Parameters
        ----------
        constant, reach : arrays of shape (n_outputs,)
        """
        return self

    def of_outputs(self, first: int, last: int) -> Loss:
        """The loss of some of the outputs.

        Parameters
        ----------
        first, last : int
            From the first on, before the last.
        """
        return self

    def evaluate(
        self, y: ArrayLike, z: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Array]:
        """Sum of weighted losses and the gradient with respect to z.

        Parameters
        ----------
        y : array of shape (n_samples, n_outputs) or (n_samples,)
            Regression targets; or, for classification, -1/+1 with one output or
            separate targets, else class codes 0..n_outputs-1.
        z : array of shape (n_samples, n_outputs)
            Raw predictions.
        sample_weight : array of shape (n_samples,), default=None

        Returns
        -------
        total : float
        gradient : ndarray of shape (n_samples, n_outputs)
        """
        targets, predictions, weights = self._checked(y, z, sample_weight)
        gradient = np.zeros(predictions.shape)
        total = self.kernel.evaluate(targets, predictions, weights, gradient)
        return total, gradient.reshape(np.shape(z))

    def curvature(
        self, y: ArrayLike, z: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Array:
        """Weighted second derivatives with respect to z, output by output.

        Parameters
        ----------
        y, z, sample_weight : arrays
            As in `evaluate`.

        Returns
        -------
        h : ndarray of shape (n_samples, n_outputs)
            d2l/dz_k^2: one side's where the derivative jumps, 0 for a piecewise
            linear loss, p_k (1 - p_k) for the softmax.
        """
        targets, predictions, weights = self._checked(y, z, sample_weight)
        h = np.zeros(predictions.shape)
        self.kernel.curvature(targets, predictions, weights, h)
        return h.reshape(np.shape(z))

    def bound(self, n_outputs: int = 1) -> float:
        """Least upper bound of the second derivative: ``largest_curvature``.

        For the softmax: of the eigenvalues of the Hessian with respect to z.

        Parameters
        ----------
        n_outputs : int, default=1
            Columns of z.
        """
        return self.largest_curvature

    def prox(self, y: ArrayLike, z0: ArrayLike, q: ArrayLike) -> tuple[Array, Array]:
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
        strengths = np.broadcast_to(q, np.shape(z0)[:1])
        targets, start, strengths = self._checked(y, z0, strengths)
        z, c = np.empty(start.shape), np.empty(start.shape)
        self.kernel.prox(targets.reshape(len(start), -1), start, strengths, z, c)
        return z.reshape(np.shape(z0)), c.reshape(np.shape(z0))

    def _checked(
        self, y: ArrayLike, z: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[Array, Array, Array]:
        """Contiguous copies of y (flat), z (2d) and weights that fit together."""
        predictions = np.array(z, dtype=np.float64, order="C")
        predictions = predictions.reshape(len(predictions), -1)
        targets = np.array(y, dtype=np.float64).ravel()
        m, K = predictions.shape
        if len(targets) != (m * K if self.separate_targets else m):
            raise ValueError(
                f"y has {len(targets)} values for {m} rows and {K} outputs"
            )
        if sample_weight is None:
            return targets, predictions, np.ones(m)
        weights = np.array(sample_weight, dtype=np.float64).ravel()
        if len(weights) != m:
            raise ValueError(f"sample_weight has {len(weights)} values, not {m}")
        return targets, predictions, weights

    def fit_intercept_only(
        self,
        y: Array,
        sample_weight: Weights = None,
        n_outputs: int = 1,
    ) -> Array:
        """Raw predictions of the best constant model, shape (n_outputs,).

        The general answer is bisection on the derivative, which is monotone
        because the loss is convex; losses with a closed form override this, and so do
        losses that couple their outputs. Halving the number of floats between the ends
        makes the result exact whatever the units of y are, and however far apart its
        values; Newton's steps save time.

        Parameters
        ----------
        y, sample_weight : arrays
            As in `evaluate`.
        n_outputs : int, default=1
            Columns of z.
        """
        y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        if not self.separate_targets and n_outputs > 1:
            # One class against the rest.
            y = np.where(y == np.arange(n_outputs), 1.0, -1.0)
        out = np.empty(n_outputs)
        for k in range(n_outputs):
            out[k] = self._best_constant(np.ascontiguousarray(y[:, k]), sample_weight)
        return out

    def _best_constant(self, column: Array, sample_weight: Weights) -> float:
        least, most = column.min(), column.max()
        if self.task == "classification":
            least, most = -DECISIVE, DECISIVE
        elif self.link == "log":
            least, most = np.log(np.maximum((least, most), LEAST_MEAN))
        low, high = _ordered(least), _ordered(most)
        newton = None
        while high - low > 1:
            middle = (low + high) // 2
            if newton is not None and low < _ordered(newton) < high:
                middle = _ordered(newton)
            z = _from_ordered(middle)
            total = size = second = 0.0
            for part, s in _blocks(column, sample_weight, 1):
                constant = np.full(part.shape, z)
                gradient = self.evaluate(part, constant, s)[1]
                total += gradient.sum()
                size += np.abs(gradient).sum()
                if self.smooth:
                    second += self.curvature(part, constant, s).sum()
            if second > 0.0 and abs(total) <= 1e-15 * size:
                # All that is left is rounding.
                return z
            if total > 0.0:
                high = middle
            else:
                low = middle
            # Every other step halves what is left.
            newton = z - total / second if second > 0.0 and newton is None else None
        return _from_ordered(low)

    def natural_scale(
        self, y: Array, sample_weight: Weights, null: Array
    ) -> tuple[Array, Array]:
        """Scales of a prediction and of the loss, per output.

        Parameters
        ----------
        y, sample_weight : arrays
            As in `fit_intercept_only`.
        null : ndarray of shape (n_outputs,)
            The best constant model.

        Returns
        -------
        z_unit, loss_unit : ndarrays of shape (n_outputs,)
            Multiplying y by c multiplies them so that the problem in these
            units stays the same; near the optimum the second derivative is
            about loss_unit / z_unit^2 at most.

        Notes
        -----
        For a loss of z - y these are the deviation of y from the constant model, and
        the deviation times the derivative there. Raw predictions of other losses have
        no unit: their sizes are 1 and the largest second derivative, or 1.
        """
        n_outputs = len(null)
        if self.task == "regression" and self.link == "identity":
            deviation = _robust_deviation if self.linear_tails else _deviation
            z = deviation(y, sample_weight, null)
            gradients = self.kernel.gradients(np.zeros(n_outputs), z)
            gradients[gradients == 0.0] = 1.0
            return z, z * gradients
        bound = self.bound(n_outputs) if self.task == "classification" else math.inf
        return _alike(1.0, n_outputs), _alike(
            bound if bound < math.inf else 1.0, n_outputs
        )

    @staticmethod
    def probabilities(z: Array) -> Array:
        """Probabilities of the classes, of a loss that has them (``has_proba``).

        Parameters
        ----------
        z : float array of shape (n_samples, n_outputs)
            Raw predictions, of one output with two classes.

        Returns
        -------
        p : array of shape (n_samples, n_classes), of the dtype of z
        """
        raise NotImplementedError("this loss gives no probabilities")

    def domain(self) -> tuple[float, bool]:
        """Lower end of the targets' range, and whether it belongs to the range."""
        return -math.inf, True

    def without_offset(self, y: Array, offset: Array) -> tuple[Array, Weights, Weights]:
        """Targets and weights with which the loss needs no offset o.

        Of a loss of z - y these are y - o and no weights:
        l(y, z + o) = w l(y', z) + c with w = 1 and c = 0.

        Parameters
        ----------
        y : array of shape (n_samples, n_outputs)
            Targets of regression.
        offset : array of shape (n_samples, n_outputs) or (n_samples, 1)
            What is added to the raw predictions.

        Returns
        -------
        y : array of shape (n_samples, n_outputs)
            y'.
        weights : array shaped like ``offset``, or None
            Positive factors w of the sample weights; None means ones.
        constant : array of shape (n_samples, n_outputs), or None
            c; None means zeros.
        """
        return y - offset, None, None

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (type(self), self._arguments(), self.separate_targets)


class LinearTails(Loss):
    """A loss that is linear in z far from y.

    The loss of a target y that is far from all raw predictions is almost as large as
    y, and hides what the other rows gain in the rounding of their sum. With
    `measured_from` it is replaced by its difference from the loss of a constant model,
    in which the size of y cancels before anything is rounded. Derivatives stay as they
    are.

    Attributes
    ----------
    barrier_weight : float
        e of `PiecewiseLinear.smoothed`; 0 for the loss itself.
    """

    linear_tails = True
    bounded_gradient = True
    kernel: _loss_function.LinearTails
    barrier_weight: float = 0.0
    _constant: Weights = None
    _reach: Weights = None

    def _adapted(
        self, barrier_weight: float, constant: Weights, reach: Weights
    ) -> LinearTails:
        loss = self._copy()
        loss.__setstate__((barrier_weight, constant, reach))
        return loss

    def measured_from(self, constant: Array, reach: Array) -> LinearTails:
        """The loss whose values at distant targets are differences.

        Of targets y with abs(y - c) > reach, l(y, z) becomes l(y, z) - l(y, c). A
        smoothed loss takes the exact one's l(y, c), which does not depend on the
        barrier_weight.

        Parameters
        ----------
        constant, reach : arrays of shape (n_outputs,)
            Predictions c of a constant model, and the largest usual distance from them.

        Returns
        -------
        loss : Loss
            A new object of the same class.
        """
        return self._adapted(
            self.barrier_weight,
            np.array(constant, dtype=np.float64),
            np.array(reach, dtype=np.float64),
        )

    def of_outputs(self, first: int, last: int) -> Loss:
        """The loss of some of the outputs.

        Parameters
        ----------
        first, last : int
            From the first on, before the last.
        """
        if self._constant is None or self._reach is None:
            return self
        return self.measured_from(self._constant[first:last], self._reach[first:last])

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            *super().__reduce__(),
            (self.barrier_weight, self._constant, self._reach),
        )

    def __setstate__(self, state: tuple[float, Weights, Weights]) -> None:
        self.barrier_weight, self._constant, self._reach = state
        self.kernel.adapt(*state)


class PiecewiseLinear(LinearTails):
    """A loss whose derivative jumps, exact or smoothed.

    Attributes
    ----------
    n_jumps : int
        Number of jumps of the derivative of l(y, .).
    """

    smooth = twice_smooth = False
    n_jumps: ClassVar[int] = 1

    def smoothed(self, barrier_weight: float) -> LinearTails:
        """The loss with the barrier e log((c - a)(b - c)/w^2) on each jump's dual c.

        A summand max(a x, b x), w = (b - a)/2, becomes max_c c x + e log(...): smooth
        and convex, at most max(a x, b x). The minimiser of a penalised sum of such
        losses with weights of sum one has an objective of the losses themselves that is
        at most ``n_jumps * e`` above the optimum, because (b - c) x and (c - a) |x| are
        at most e (Boyd and Vandenberghe, "Convex optimization", 2004, section 11.2).
        `prox`, `fit_intercept_only` and `natural_scale` stay those of the loss itself.

        Parameters
        ----------
        barrier_weight : float
            e in units of the loss, zero or more; 0 gives the loss itself.

        Returns
        -------
        loss : Loss
            A new object of the same class.
        """
        if not 0.0 <= barrier_weight < math.inf:
            raise ValueError(
                f"barrier_weight must be finite and >= 0, got {barrier_weight}"
            )
        return self._adapted(barrier_weight, self._constant, self._reach)

    def natural_scale(
        self, y: Array, sample_weight: Weights, null: Array
    ) -> tuple[Array, Array]:
        """The size of a prediction, twice: the loss grows like its residual."""
        z, _ = super().natural_scale(y, sample_weight, null)
        return z, z.copy()

    def bound(self, n_outputs: int = 1) -> float:
        """1/(2 e), as jumps have derivatives in [-1, 1]; infinity if not smoothed."""
        return 0.5 / self.barrier_weight if self.barrier_weight > 0.0 else math.inf


class SquaredError(Loss):
    """Half the squared residual: l = (z - y)^2 / 2.

    Examples
    --------
    >>> from sklgd.losses import SquaredError
    >>> SquaredError().evaluate([[1.0]], [[3.0]])
    (2.0, array([[2.]]))
    """

    name = "squared_error"
    classifies = True
    quadratic = True
    largest_curvature = 1.0

    def fit_intercept_only(
        self, y: Array, sample_weight: Weights = None, n_outputs: int = 1
    ) -> Array:
        """Weighted mean of y."""
        return column_means(y, sample_weight, n_outputs)


class Huber(LinearTails):
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
    twice_smooth = False
    params = ("epsilon",)
    largest_curvature = 1.0

    def __init__(self, epsilon: float = 0.1) -> None:
        self.epsilon = epsilon
        super().__init__()


class EpsilonInsensitive(PiecewiseLinear):
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
    unit_gradient = True
    params = ("epsilon",)
    n_jumps = 2

    def __init__(self, epsilon: float = 0.1) -> None:
        self.epsilon = epsilon
        super().__init__()


class SquaredEpsilonInsensitive(Loss):
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
    twice_smooth = False
    params = ("epsilon",)
    largest_curvature = 2.0

    def __init__(self, epsilon: float = 0.1) -> None:
        self.epsilon = epsilon
        super().__init__()

    def natural_scale(
        self, y: Array, sample_weight: Weights, null: Array
    ) -> tuple[Array, Array]:
        """Mean absolute deviation from the constant model, and twice its square."""
        z = _deviation(y, sample_weight, null)
        return z, 2.0 * z * z


class AbsoluteError(PiecewiseLinear):
    """l = |z - y|; its minimiser is the median. The gradient at 0 is 0.

    Examples
    --------
    >>> from sklgd.losses import AbsoluteError
    >>> AbsoluteError().evaluate([[1.0]], [[3.0]])
    (2.0, array([[1.]]))
    """

    name = "absolute_error"

    def fit_intercept_only(
        self, y: Array, sample_weight: Weights = None, n_outputs: int = 1
    ) -> Array:
        """Weighted median of y."""
        return _quantile(y, sample_weight, n_outputs, 0.5)


class Quantile(PiecewiseLinear):
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

    def __init__(self, quantile: float = 0.5) -> None:
        self.quantile = quantile
        super().__init__()

    def fit_intercept_only(
        self, y: Array, sample_weight: Weights = None, n_outputs: int = 1
    ) -> Array:
        """Weighted quantile of y."""
        return _quantile(y, sample_weight, n_outputs, self.quantile)


class LogLink(Loss):
    """A loss with a log link: half a deviance without the terms in y alone.

    Attributes
    ----------
    power : float
        Variance power p of the distribution.
    """

    link = "log"
    nonnegative = False
    power: float

    def without_offset(self, y: Array, offset: Array) -> tuple[Array, Weights, Weights]:
        """y' = y exp(-o), the rate, and w = exp((2 - p) o).

        Parameters
        ----------
        y, offset : arrays
            As in `Loss`.
        """
        constant = None
        if self.power == 1.0:
            constant = -y * offset
        elif self.power == 2.0:
            constant = np.broadcast_to(offset, y.shape)
        weights = np.exp((2.0 - self.power) * offset) if self.power != 2.0 else None
        return y * np.exp(-offset), weights, constant


class Poisson(LogLink):
    """Poisson with log link: l = exp(z) - y z, y >= 0.

    Half the deviance without the terms in y alone.

    Examples
    --------
    >>> from sklgd.losses import Poisson
    >>> Poisson().evaluate([[2.0]], [[0.0]])
    (1.0, array([[-1.]]))
    """

    name = "poisson"
    power = 1.0

    def natural_scale(
        self, y: Array, sample_weight: Weights, null: Array
    ) -> tuple[Array, Array]:
        """One, and the mean of y: the second derivative at the constant model."""
        return _alike(1.0, len(null)), np.exp(null)

    def domain(self) -> tuple[float, bool]:
        """Counts: zero or more."""
        return 0.0, True

    def fit_intercept_only(
        self, y: Array, sample_weight: Weights = None, n_outputs: int = 1
    ) -> Array:
        """Logarithm of the weighted mean of y."""
        return _log_mean(y, sample_weight, n_outputs)


class Gamma(LogLink):
    """Gamma with log link: l = z + y exp(-z), y > 0.

    Half the deviance without the terms in y alone.

    Examples
    --------
    >>> from sklgd.losses import Gamma
    >>> Gamma().evaluate([[2.0]], [[0.0]])
    (2.0, array([[-1.]]))
    """

    name = "gamma"
    power = 2.0

    def domain(self) -> tuple[float, bool]:
        """Positive targets."""
        return 0.0, False

    def fit_intercept_only(
        self, y: Array, sample_weight: Weights = None, n_outputs: int = 1
    ) -> Array:
        """Logarithm of the weighted mean of y."""
        return _log_mean(y, sample_weight, n_outputs)


class Tweedie(LogLink):
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

    def __init__(self, power: float = 1.5) -> None:
        self.power = power
        self.convex = 1.0 <= power <= 2.0
        super().__init__()

    def natural_scale(
        self, y: Array, sample_weight: Weights, null: Array
    ) -> tuple[Array, Array]:
        """One, and the second derivative at the constant model."""
        return _alike(1.0, len(null)), np.exp((2.0 - self.power) * null)

    def domain(self) -> tuple[float, bool]:
        """Any targets at power 0, zero or more below power 2, else positive."""
        if self.power >= 1.0:
            return 0.0, self.power < 2.0
        return -math.inf, True

    def fit_intercept_only(
        self, y: Array, sample_weight: Weights = None, n_outputs: int = 1
    ) -> Array:
        """Logarithm of the weighted mean of y."""
        return _log_mean(y, sample_weight, n_outputs)


class Hinge(PiecewiseLinear):
    """l = max(0, 1 - y z), the loss of the linear support vector machine.

    At y z = 1, where the derivative jumps, the gradient is -y, as in SGDClassifier.

    Examples
    --------
    >>> from sklgd.losses import Hinge
    >>> Hinge().evaluate([1.0], [[0.25]])
    (0.75, array([[-1.]]))
    """

    name = "hinge"
    task = "classification"
    classifies = True
    unit_gradient = True

    def fit_intercept_only(
        self, y: Array, sample_weight: Weights = None, n_outputs: int = 1
    ) -> Array:
        """The sign of the heavier side, output by output."""
        excess = _class_shares(y, sample_weight, n_outputs) - 0.5
        # Balanced sides are balanced whatever the rounding of their weights.
        return np.where(np.abs(excess) > 1e-12, np.sign(excess), 0.0)


class Perceptron(PiecewiseLinear):
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

    @property
    def in_streams(self) -> Loss:
        """The hinge loss: with a threshold of one, zero is not the best model."""
        return _remade(Hinge, (), self.separate_targets)

    def fit_intercept_only(
        self, y: Array, sample_weight: Weights = None, n_outputs: int = 1
    ) -> Array:
        """Zero: the loss vanishes there."""
        return np.zeros(n_outputs)


class SquaredHinge(Loss):
    """l = max(0, 1 - y z)^2.

    Examples
    --------
    >>> from sklgd.losses import SquaredHinge
    >>> SquaredHinge().evaluate([1.0], [[0.5]])
    (0.25, array([[-1.]]))
    """

    name = "squared_hinge"
    twice_smooth = False
    task = "classification"
    classifies = True
    largest_curvature = 2.0

    def fit_intercept_only(
        self, y: Array, sample_weight: Weights = None, n_outputs: int = 1
    ) -> Array:
        """Difference of the two sides' shares."""
        return 2.0 * _class_shares(y, sample_weight, n_outputs) - 1.0


class ModifiedHuber(Loss):
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
    twice_smooth = False
    bounded_gradient = True
    task = "classification"
    classifies = True
    has_proba = True
    largest_curvature = 2.0

    @staticmethod
    def probabilities(z: Array) -> Array:
        """(clip(z, -1, 1) + 1) / 2, normalised from three classes on (Zhang 2004)."""
        p = 0.5 * (np.clip(z, -1.0, 1.0) + 1.0)
        if p.shape[1] == 1:
            return np.hstack([1.0 - p, p])
        total = p.sum(axis=1, keepdims=True)
        # No class claims the row: all are equally likely.
        p[total[:, 0] == 0.0] = 1.0
        return p / np.where(total == 0.0, p.shape[1], total)

    def fit_intercept_only(
        self, y: Array, sample_weight: Weights = None, n_outputs: int = 1
    ) -> Array:
        """Difference of the two sides' shares."""
        return 2.0 * _class_shares(y, sample_weight, n_outputs) - 1.0


class LogLoss(Loss):
    """Two classes: l = log(1 + exp(-y z)); more: l = log(sum_k exp z_k) - z_y.

    The latter is the softmax, or multinomial, loss. Both are evaluated with
    exponentials of numbers that are not positive only, so nothing overflows.

    Examples
    --------
    >>> from sklgd.losses import LogLoss
    >>> round(LogLoss().evaluate([1.0], [[0.0]])[0], 4)
    0.6931
    """

    name = "log_loss"
    bounded_gradient = True
    task = "classification"
    classifies = True
    has_proba = True
    couples_outputs = True

    @staticmethod
    def probabilities(z: Array) -> Array:
        """The sigmoid, or the softmax from three classes on."""
        if z.shape[1] > 1:
            return softmax(z, axis=1)
        p = np.empty((len(z), 2), z.dtype)
        np.negative(z, out=p[:, :1])
        p[:, 1:] = z
        return expit(p, out=p)

    def bound(self, n_outputs: int = 1) -> float:
        """A quarter; one half for the softmax (Boehning 1992)."""
        return 0.5 if self.coupled(n_outputs) else 0.25

    def fit_intercept_only(
        self, y: Array, sample_weight: Weights = None, n_outputs: int = 1
    ) -> Array:
        """Log odds, or centred log shares of the classes."""
        # A class without weight would put the start at infinity.
        p = _class_shares(y, sample_weight, n_outputs)
        p = np.minimum(np.maximum(p, 1e-6), 1 - 1e-6)
        if not self.coupled(n_outputs):
            return np.log(p / (1.0 - p))
        return np.log(p) - np.log(p).mean()


# ----------------------------------------------------------------------------
# Best constant models
# ----------------------------------------------------------------------------


def _blocks(
    y: Array, sample_weight: Weights, n_outputs: int
) -> Iterator[tuple[Array, Array]]:
    """Pairs of rows of y (m, n_outputs) and their weights, of sum one over all rows."""
    y = np.asarray(y, dtype=np.float64).reshape(-1, n_outputs)
    if sample_weight is None:
        s, total = np.ones(min(len(y), BLOCK)), float(len(y))
    else:
        s = np.asarray(sample_weight, dtype=np.float64)
        total = s.sum()
    for start in range(0, len(y), BLOCK):
        part = y[start : start + BLOCK]
        share = s[: len(part)] if sample_weight is None else s[start : start + BLOCK]
        yield part, share / total


def _log_mean(y: Array, sample_weight: Weights, n_outputs: int) -> Array:
    mean = column_means(y, sample_weight, n_outputs)
    # All-zero counts: the optimum is at minus infinity; start far below.
    mean[mean <= 0.0] = LEAST_MEAN
    return np.log(mean)


def _ordered(x: float) -> int:
    """The position of a float among all floats, as an integer."""
    bits = int(np.float64(x).view(np.int64))
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


def _from_ordered(position: int) -> float:
    """The float at a position."""
    x = float(np.int64(abs(position)).view(np.float64))
    return x if position >= 0 else -x


def _quantile(y: Array, sample_weight: Weights, n_outputs: int, q: float) -> Array:
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
        position = int(np.searchsorted(cumulative, q - 1e-12))
        out[k] = y[order[min(position, len(y) - 1)], k]
    return out


def _deviation(y: Array, sample_weight: Weights, null: Array) -> Array:
    """Weighted mean of |y - null|; where y is constant its size, or 1."""
    deviation = column_means(y, sample_weight, len(null), null)
    for k, size in enumerate(deviation.tolist()):
        if not size > 0.0:
            deviation[k] = abs(null[k]) or 1.0
    return deviation


def _robust_deviation(y: Array, sample_weight: Weights, null: Array) -> Array:
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
        clipped = np.minimum(distance, most)
        deviation[k] = column_means(clipped, sample_weight, 1)[0]
    return deviation


def _alike(value: float, n: int) -> Array:
    """n times the same number; `np.full` takes five times as long for a few."""
    out = np.empty(n)
    out.fill(value)
    return out


def _remade(cls: type[Loss], arguments: tuple[float, ...], separate: bool) -> Loss:
    """A loss with these arguments and targets (`Loss.separate_targets`)."""
    loss = cls(*arguments)
    loss._separate(separate)
    return loss


def _class_shares(y: Array, sample_weight: Weights, n_outputs: int) -> Array:
    """Weighted share of +1 in each column, or of each class code."""
    if np.size(y) == len(y) * n_outputs:
        # Of targets -1 and 1.
        return 0.5 + 0.5 * column_means(y, sample_weight, n_outputs)
    shares = np.zeros(n_outputs)
    for part, s in _blocks(y, sample_weight, 1):
        shares += np.bincount(part[:, 0].astype(np.intp), s, n_outputs)
    return shares


LOSSES: dict[str, type[Loss]] = {
    loss.name: loss
    for loss in (
        SquaredError,
        Huber,
        EpsilonInsensitive,
        SquaredEpsilonInsensitive,
        AbsoluteError,
        Quantile,
        Poisson,
        Gamma,
        Tweedie,
        LogLoss,
        Hinge,
        SquaredHinge,
        ModifiedHuber,
        Perceptron,
    )
}
"""Loss name -> class."""

__all__ = ["LOSSES", "Loss", *sorted(cls.__name__ for cls in LOSSES.values())]
