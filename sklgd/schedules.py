"""Learning-rate schedules: the learning rate as a function of the step number.

A schedule is a small parameter object. It is a scikit-learn ``BaseEstimator``, so
``clone``, ``get_params``, ``set_params``, pickling and a grid such as
``{"learning_rate__eta0": [0.01, 0.1]}`` all work. Steps are counted from 1 and one
step is one mini-batch (one row with ``batch_size=1``, one epoch with
``batch_size="full"``).

>>> from sklgd.schedules import Cosine
>>> schedule = Cosine(eta0=0.1, total_steps=100)
>>> schedule(1), round(schedule(51), 6), schedule(101)
(0.1, 0.05, 0.0)

The training loop never asks for one step at a time. It hands over a whole array of
step numbers and gets the array of learning rates back:

>>> import numpy as np
>>> schedule.eta(np.array([1.0, 51.0, 101.0]))
array([0.1 , 0.05, 0.  ])

How to add a schedule
---------------------
1. Write a subclass of `Schedule` below. Its ``__init__`` only stores its parameters;
   ``eta`` maps an array of step numbers to an array of learning rates with NumPy
   operations; ``check`` raises a ValueError for an invalid value.
2. If it needs something only the training run knows (the penalty strength, the
   length of the run), override ``bind`` and return a configured copy. ``fit`` must
   never change the user's object.
3. Register it in `SCHEDULES` at the end of this file, add its plain-NumPy twin to
   ``tests/reference.py`` and a line to the documentation. The tests go through the
   registry and pick it up.

For a schedule used once none of this is needed: ``learning_rate`` also takes any
function of the step number, for example ``learning_rate=lambda t: 1 / (10 + t)``.
"""

import copy
import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ._hints import ExplainsKeywords, did_you_mean

__all__ = [
    "PA1",
    "PA2",
    "SCHEDULES",
    "Adaptive",
    "Constant",
    "Cosine",
    "Exponential",
    "FromCallable",
    "InvScaling",
    "Linear",
    "Optimal",
    "Schedule",
    "Step",
    "WarmUp",
    "as_schedule",
]


# What SGDClassifier and SGDRegressor do: see `Optimal`.
GRADIENT_LIMIT, SPARSE_INTERCEPT = 1e12, 0.01


class Schedule(ExplainsKeywords, BaseEstimator):
    """Base class of all learning-rate schedules.

    A subclass defines `eta`; `check` and `bind` have defaults that suit a schedule
    without additional parameters.

    Attributes
    ----------
    plateau : None or tuple of (float, float)
        None for a schedule that depends on the step number alone. Otherwise
        ``(factor, eta_min)``: when training stops improving, the training loop
        multiplies all further learning rates by ``factor`` and goes on, as long as the
        current learning rate is above ``eta_min``.
    starts_wild : bool
        True if the first steps are far too large on purpose, so that an objective
        far above the start is no sign of divergence while it is finite.
    parameters : tuple of str
        Parameters of the estimator that the schedule depends on if ``learning_rate``
        gives its name.
    is_constant : bool
        True if all steps of an epoch have the same learning rate.
    needs_eta0 : bool
        False if the name alone is enough; otherwise ``eta0=None`` means that the first
        step is found from the data.
    gradient_limit : float
        Derivatives of the loss beyond it are clipped to it.
    sparse_intercept : float
        On sparse data the gradient of the intercept is multiplied with it.
    aggressive : {0, 1, 2}
        1 and 2: each row takes a passive-aggressive step, PA-I and PA-II. The learning
        rate is the parameter C.
    cumulative_l1 : bool
        True if plain SGD on single rows takes the l1 penalty from the active features
        only, each time with what has been due since they last paid.
    """

    # (Any, as a schedule that wraps another one has properties in their place.)
    plateau: Any = None
    starts_wild: Any = False
    parameters: tuple[str, ...] = ("eta0",)
    is_constant: Any = False
    needs_eta0 = True
    gradient_limit: Any = math.inf
    sparse_intercept: Any = 1.0
    aggressive: Any = 0
    cumulative_l1: Any = False
    keyword_hints = {
        "lr": "The first learning rate of {name} is eta0.",
        "learning_rate": "The first learning rate of {name} is eta0.",
        "eta": "The first learning rate of {name} is eta0.",
        "gamma": "The factor of {name} is called factor.",
        "decay": "The factor of {name} is called factor.",
        "step_size": "The length of a stage is called every.",
        "T_max": "The length of the run is called total_steps.",
    }

    @classmethod
    def named(cls, eta0, power_t):
        """The schedule that its name stands for in an estimator.

        Parameters
        ----------
        eta0, power_t : float
            The estimator's parameters.
        """
        return cls(eta0)

    def eta(self, t):
        """Learning rates for an array of step numbers.

        Parameters
        ----------
        t : ndarray of shape (n_steps,), dtype float64
            Step numbers; the first step of a run is 1.

        Returns
        -------
        eta : ndarray of shape (n_steps,), dtype float64
            One learning rate per step number.
        """
        raise NotImplementedError(f"{type(self).__name__} must define eta(t)")

    def __call__(self, t):
        """Learning rate of one step.

        Parameters
        ----------
        t : int or float
            Step number; the first step of a run is 1.

        Returns
        -------
        eta : float
            The learning rate.
        """
        return float(self.eta(np.array([t], dtype=np.float64))[0])

    def check(self):
        """Raise a ValueError if a parameter is invalid.

        The message names the parameter, its value and what to do about it.
        """

    def check_run(self, settings, loss, optimizer, batch_size):
        """Raise a ValueError for a run in which the schedule is not possible.

        Parameters
        ----------
        settings : Settings
        loss : Loss
        optimizer : Optimizer
        batch_size : int or "full"
        """

    def bind(self, *, alpha=None, total_steps=None, dloss=None):
        """Complete the schedule with values that only the training run can provide.

        Parameters
        ----------
        alpha : float, default=None
            Strength of the penalty.
        total_steps : int, default=None
            Number of steps of the whole run: ``max_iter`` times the number of
            batches in an epoch.
        dloss : callable, default=None
            ``dloss(y, z)`` is the derivative of the loss with respect to the
            prediction z, for numbers y and z.

        Returns
        -------
        schedule : Schedule
            A configured copy, or the object itself if nothing was missing. The
            object that the user passed in is never changed.
        """
        return self


class Constant(Schedule):
    r"""The same learning rate at every step.

    .. math:: \eta_t = \eta_0

    Parameters
    ----------
    eta0 : float, default=0.01
        The learning rate.

    Notes
    -----
    With a constant step, stochastic descent does not converge to the minimiser but
    to a neighbourhood whose size is proportional to the step (Robbins and Monro [1]_
    give the decay that convergence needs). Averaged coefficients
    (``average=True``) or a decaying schedule close the gap.

    References
    ----------
    .. [1] H. Robbins and S. Monro, "A Stochastic Approximation Method", Annals of
       Mathematical Statistics 22(3), 1951.

    Examples
    --------
    >>> from sklgd.schedules import Constant
    >>> schedule = Constant(eta0=0.5)
    >>> schedule(1), schedule(1000)
    (0.5, 0.5)
    """

    is_constant = True

    def __init__(self, eta0=0.01):
        self.eta0 = eta0

    def eta(self, t):
        """Learning rates for an array of step numbers; see `Schedule.eta`."""
        return _constant(self.eta0, t)

    def check(self):
        """Raise a ValueError if a parameter is invalid."""
        _check_eta0(self)


class InvScaling(Schedule):
    r"""The first learning rate divided by a power of the step number.

    .. math:: \eta_t = \eta_0 / t^{p}, \qquad p = \mathtt{power\_t}

    Parameters
    ----------
    eta0 : float, default=0.01
        The first learning rate.
    power_t : float, default=0.25
        The exponent. Stochastic descent converges for ``0.5 < power_t <= 1`` [1]_;
        smaller exponents, as the default of ``SGDRegressor``, trade that guarantee
        for faster progress in short runs. With a negative exponent the learning rate
        grows.

    References
    ----------
    .. [1] H. Robbins and S. Monro, "A Stochastic Approximation Method", Annals of
       Mathematical Statistics 22(3), 1951.

    Examples
    --------
    >>> from sklgd.schedules import InvScaling
    >>> schedule = InvScaling(eta0=1.0, power_t=0.5)
    >>> schedule(1), schedule(4), schedule(100)
    (1.0, 0.5, 0.1)
    """

    parameters = "eta0", "power_t"

    def __init__(self, eta0=0.01, power_t=0.25):
        self.eta0 = eta0
        self.power_t = power_t

    @classmethod
    def named(cls, eta0, power_t):
        """The schedule that its name stands for; see `Schedule.named`."""
        return cls(eta0, power_t)

    def eta(self, t):
        """Learning rates for an array of step numbers; see `Schedule.eta`."""
        return self.eta0 / np.power(t, self.power_t, dtype=np.float64)

    def check(self):
        """Raise a ValueError if a parameter is invalid."""
        _check_eta0(self)
        _check_real(self, "power_t", "a finite number, for example 0.5")


class Optimal(Schedule):
    r"""Bottou's heuristic for a strongly convex objective, as in ``SGDClassifier``.

    .. math::

        \eta_t = \frac{1}{\alpha\,(t_0 + t - 1)}, \qquad
        t_0 = \frac{1}{\alpha\,\eta_{\text{init}}}, \qquad
        \eta_{\text{init}} = \frac{w}{\max(1, \ell'(1, -w))}, \qquad
        w = \alpha^{-1/4}

    Here w is a typical size of the weights under the penalty alpha, and l'(1, -w)
    is the derivative of the loss at a row of class 1 predicted as -w. The schedule
    has no parameter. It needs the penalty and the loss, so it works only
    after `bind`, which the estimators call.

    As in ``SGDClassifier``, derivatives of the loss are clipped at 1e12, because the
    first steps are far too large on purpose; on sparse data the intercept takes a
    hundredth of the step, because its feature is present in every row while the others
    are rare; and plain SGD on single rows takes an l1 penalty by the cumulative scheme
    of [3]_: after a row, each of its features moves towards zero by all of the penalty
    that was due since the first step, less what it has paid.

    Attributes
    ----------
    alpha_ : float
        Strength of the penalty (after `bind`).
    t0_ : float
        Offset of the step number (after `bind`).

    References
    ----------
    .. [1] L. Bottou, "Stochastic Gradient Descent Tricks", in Neural Networks:
       Tricks of the Trade, Springer, 2012.
    .. [2] S. Shalev-Shwartz, Y. Singer, N. Srebro and A. Cotter, "Pegasos: Primal
       Estimated sub-GrAdient SOlver for SVM", Mathematical Programming 127, 2011.
    .. [3] Y. Tsuruoka, J. Tsujii and S. Ananiadou, "Stochastic Gradient Descent
       Training for L1-regularized Log-linear Models with Cumulative Penalty", ACL 2009.

    Examples
    --------
    >>> from sklgd.schedules import Optimal
    >>> def hinge_derivative(y, z):
    ...     return -y if y * z <= 1 else 0.0
    >>> schedule = Optimal().bind(alpha=0.0001, dloss=hinge_derivative)
    >>> round(schedule(1), 6), round(schedule(1001), 6)
    (10.0, 5.0)
    """

    starts_wild = True
    parameters = ("alpha",)
    needs_eta0 = False
    gradient_limit = GRADIENT_LIMIT
    sparse_intercept = SPARSE_INTERCEPT
    cumulative_l1 = True

    def __init__(self):
        pass

    @classmethod
    def named(cls, eta0, power_t):
        """The schedule that its name stands for; see `Schedule.named`."""
        return cls()

    def eta(self, t):
        """Learning rates for an array of step numbers; see `Schedule.eta`."""
        if not hasattr(self, "t0_"):
            raise ValueError(
                "The schedule 'optimal' depends on alpha and the loss. Pass "
                "learning_rate='optimal' to an estimator, or call "
                "Optimal().bind(alpha=..., dloss=...) first."
            )
        return 1.0 / (self.alpha_ * (self.t0_ + np.asarray(t, dtype=np.float64) - 1.0))

    def bind(self, *, alpha=None, total_steps=None, dloss=None):
        """Compute the offset t0 from alpha and the loss; see `Schedule.bind`."""
        if alpha is None or dloss is None:
            raise ValueError(
                "The schedule 'optimal' needs alpha and dloss to be bound."
            )
        if np.ndim(alpha):
            raise ValueError(
                "learning_rate='optimal' divides by alpha and needs one number, got "
                f"alpha={alpha.tolist()!r}. Use another learning_rate, such as 'auto'."
            )
        if not alpha > 0.0:
            raise ValueError(
                f"learning_rate='optimal' divides by alpha and cannot work with "
                f"alpha={alpha!r}. Use alpha > 0, or another schedule such as "
                "learning_rate='invscaling'."
            )
        alpha = float(alpha)
        typical_weight = math.sqrt(1.0 / math.sqrt(alpha))
        derivative = float(dloss(1.0, -typical_weight))
        first_eta = typical_weight / max(1.0, derivative)
        bound = copy.copy(self)
        bound.alpha_ = alpha
        bound.t0_ = 1.0 / (first_eta * alpha)
        return bound


class Adaptive(Schedule):
    r"""Constant, and multiplied by ``factor`` whenever training stops improving.

    .. math:: \eta_t = \eta_0\,f^{k}, \qquad f = \mathtt{factor}

    k counts how many times ``n_iter_no_change`` epochs in a row brought no
    improvement of at least ``tol``. Training ends at the next such plateau once the
    learning rate is ``eta_min`` or less. The defaults are those of ``SGDRegressor`` and
    ``SGDClassifier``.

    Parameters
    ----------
    eta0 : float, default=0.01
        The first learning rate.
    factor : float, default=0.2
        Multiplies the learning rate at every plateau; between 0 and 1.
    eta_min : float, default=1e-6
        No further reduction at or below this learning rate.

    Notes
    -----
    k depends on the training run, so `eta` returns the constant ``eta0`` and the
    training loop multiplies it as the attribute `plateau` says.

    Examples
    --------
    >>> from sklgd.schedules import Adaptive
    >>> schedule = Adaptive(eta0=0.5)
    >>> schedule(1), schedule(1000)
    (0.5, 0.5)
    >>> schedule.plateau
    (0.2, 1e-06)
    """

    def __init__(self, eta0=0.01, factor=0.2, eta_min=1e-6):
        self.eta0 = eta0
        self.factor = factor
        self.eta_min = eta_min

    @property
    def plateau(self):
        """The pair (factor, eta_min); see `Schedule`."""
        return (self.factor, self.eta_min)

    def eta(self, t):
        """Learning rates before the first plateau; see `Schedule.eta`."""
        return _constant(self.eta0, t)

    def check(self):
        """Raise a ValueError if a parameter is invalid."""
        _check_eta0(self)
        wanted = "a number between 0 and 1 (both excluded), for example 0.2"
        _check_real(self, "factor", wanted, above=0.0, below=1.0)
        _check_real(
            self, "eta_min", "a number of at least 0, for example 1e-6", low=0.0
        )


class _Annealed(Schedule):
    """From ``eta0`` to ``eta_end`` in ``total_steps`` steps, then constant.

    A subclass defines the shape of the way down in ``_remaining``.
    """

    def __init__(self, eta0=0.01, eta_end=0.0, total_steps=None):
        self.eta0 = eta0
        self.eta_end = eta_end
        self.total_steps = total_steps

    @staticmethod
    def _remaining(done):
        """Part of ``eta0 - eta_end`` that is left when the part ``done`` has passed."""
        raise NotImplementedError("a subclass must define _remaining(done)")

    def eta(self, t):
        """Learning rates for an array of step numbers; see `Schedule.eta`."""
        if self.total_steps is None:
            name = type(self).__name__
            raise ValueError(
                f"{name}(total_steps=None) decays over a whole training run, whose "
                f"length is not known here. Set total_steps, or pass the schedule to "
                "an estimator."
            )
        passed = np.asarray(t, dtype=np.float64) - 1.0
        left = self._remaining(np.minimum(passed / self.total_steps, 1.0))
        # Written as a mix of both ends so that the last value is eta_end exactly.
        return self.eta0 * left + self.eta_end * (1.0 - left)

    def check(self):
        """Raise a ValueError if a parameter is invalid."""
        _check_eta0(self)
        _check_real(self, "eta_end", "a number of at least 0, for example 0.0", low=0.0)
        if self.total_steps is not None:
            wanted = "None (the whole training run) or an integer of at least 1"
            _check_integer(self, "total_steps", wanted)

    def bind(self, *, alpha=None, total_steps=None, dloss=None):
        """Fill in the length of the run; see `Schedule.bind`."""
        if self.total_steps is not None or total_steps is None:
            return self
        bound = copy.copy(self)
        bound.total_steps = total_steps
        return bound


class Linear(_Annealed):
    r"""A straight line from ``eta0`` down to ``eta_end``.

    .. math::

        \eta_t = \eta_0 + (\eta_{\text{end}} - \eta_0)\,
        \min\left(\frac{t - 1}{T}, 1\right), \qquad T = \mathtt{total\_steps}

    Parameters
    ----------
    eta0 : float, default=0.01
        The first learning rate.
    eta_end : float, default=0.0
        The learning rate from step ``total_steps + 1`` on.
    total_steps : int or None, default=None
        Steps from the one to the other. None means the whole training run:
        ``max_iter`` times the number of batches in an epoch.

    Notes
    -----
    Decay to zero at the end of the run gives the last iterate the convergence rate
    of the averaged iterates, without averaging [1]_.

    References
    ----------
    .. [1] A. Defazio, A. Cutkosky, H. Mehta and K. Mishchenko, "When, Why and How
       Much? Adaptive Learning Rate Scheduling by Refinement", arXiv:2310.07831, 2023.

    Examples
    --------
    >>> from sklgd.schedules import Linear
    >>> schedule = Linear(eta0=1.0, total_steps=10)
    >>> schedule(1), schedule(6), schedule(11), schedule(100)
    (1.0, 0.5, 0.0, 0.0)
    """

    @staticmethod
    def _remaining(done):
        return 1.0 - done


class Cosine(_Annealed):
    r"""Half a cosine wave from ``eta0`` down to ``eta_end``.

    .. math::

        \eta_t = \eta_{\text{end}} + \frac{\eta_0 - \eta_{\text{end}}}{2}
        \left(1 + \cos\left(\pi \min\left(\frac{t - 1}{T}, 1\right)\right)\right),
        \qquad T = \mathtt{total\_steps}

    Parameters
    ----------
    eta0 : float, default=0.01
        The first learning rate.
    eta_end : float, default=0.0
        The learning rate from step ``total_steps + 1`` on.
    total_steps : int or None, default=None
        Steps from the one to the other. None means the whole training run:
        ``max_iter`` times the number of batches in an epoch.

    Notes
    -----
    This is one cycle of SGDR [1]_, without restarts.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm
       Restarts", International Conference on Learning Representations, 2017.

    Examples
    --------
    >>> from sklgd.schedules import Cosine
    >>> schedule = Cosine(eta0=1.0, total_steps=10)
    >>> schedule(1), round(schedule(6), 6), schedule(11), schedule(100)
    (1.0, 0.5, 0.0, 0.0)
    """

    @staticmethod
    def _remaining(done):
        return 0.5 * (1.0 + np.cos(np.pi * done))


class _Geometric(Schedule):
    """Shared parameters and checks of `Step` and `Exponential`."""

    def __init__(self, eta0=0.01, factor=0.5, every=1000):
        self.eta0 = eta0
        self.factor = factor
        self.every = every

    def check(self):
        """Raise a ValueError if a parameter is invalid."""
        _check_eta0(self)
        wanted = "a number above 0 and at most 1, for example 0.5"
        _check_real(self, "factor", wanted, above=0.0, high=1.0)
        _check_integer(self, "every", "an integer of at least 1 (a number of steps)")


class Step(_Geometric):
    r"""Stairs: multiplied by ``factor`` after each ``every`` steps.

    .. math::

        \eta_t = \eta_0\, f^{\lfloor (t - 1) / m \rfloor}, \qquad
        f = \mathtt{factor},\; m = \mathtt{every}

    Parameters
    ----------
    eta0 : float, default=0.01
        The first learning rate.
    factor : float, default=0.5
        Multiplies the learning rate at the end of each stage.
    every : int, default=1000
        Length of a stage in steps (mini-batches).

    References
    ----------
    .. [1] R. Ge, S. M. Kakade, R. Kidambi and P. Netrapalli, "The Step Decay
       Schedule: A Near Optimal, Geometrically Decaying Learning Rate Procedure for
       Least Squares", Advances in Neural Information Processing Systems 32, 2019.

    Examples
    --------
    >>> from sklgd.schedules import Step
    >>> schedule = Step(eta0=1.0, factor=0.5, every=10)
    >>> schedule(1), schedule(10), schedule(11), schedule(21)
    (1.0, 1.0, 0.5, 0.25)
    """

    def eta(self, t):
        """Learning rates for an array of step numbers; see `Schedule.eta`."""
        stage = np.floor((np.asarray(t, dtype=np.float64) - 1.0) / self.every)
        return self.eta0 * np.power(self.factor, stage)


class Exponential(_Geometric):
    r"""Exponential decay: smaller in each step, by ``factor`` in ``every`` steps.

    .. math::

        \eta_t = \eta_0\, f^{(t - 1) / m}, \qquad
        f = \mathtt{factor},\; m = \mathtt{every}

    Parameters
    ----------
    eta0 : float, default=0.01
        The first learning rate.
    factor : float, default=0.5
        The learning rate shrinks by this factor in ``every`` steps.
    every : int, default=1000
        Number of steps (mini-batches) for one such reduction.

    References
    ----------
    .. [1] X. Li, Z. Zhuang and F. Orabona, "A Second Look at Exponential and Cosine
       Step Sizes: Simplicity, Adaptivity, and Performance", International Conference
       on Machine Learning, 2021.

    Examples
    --------
    >>> from sklgd.schedules import Exponential
    >>> schedule = Exponential(eta0=1.0, factor=0.25, every=10)
    >>> schedule(1), schedule(6), schedule(11)
    (1.0, 0.5, 0.25)
    """

    def eta(self, t):
        """Learning rates for an array of step numbers; see `Schedule.eta`."""
        stage = (np.asarray(t, dtype=np.float64) - 1.0) / self.every
        return self.eta0 * np.power(self.factor, stage)


class WarmUp(Schedule):
    r"""Another schedule that is multiplied by a linear rise from 0 to 1 at the start.

    .. math:: \eta_t = \eta^{\text{inner}}_t \min(t / s, 1), \qquad s = \mathtt{steps}

    Parameters
    ----------
    schedule : Schedule, str, float, callable or None, default=None
        The inner schedule: an object, the name of one (which gets its default
        parameters), a number for a constant learning rate, or a function of the step
        number. None is ``Constant()``.
    steps : int, default=100
        Length of the warm-up in steps (mini-batches).

    References
    ----------
    .. [1] P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1
       Hour", arXiv:1706.02677, 2017.

    Examples
    --------
    >>> from sklgd.schedules import InvScaling, WarmUp
    >>> schedule = WarmUp(InvScaling(eta0=1.0, power_t=0.5), steps=4)
    >>> schedule(1), schedule(4), schedule(16)
    (0.25, 0.5, 0.25)
    >>> WarmUp(0.5, steps=10)(1)
    0.05
    """

    def __init__(self, schedule=None, steps=100):
        self.schedule = schedule
        self.steps = steps

    @classmethod
    def named(cls, eta0, power_t):
        """The schedule that its name stands for; see `Schedule.named`."""
        return cls(Constant(eta0))

    @property
    def plateau(self):
        """That of the inner schedule; see `Schedule`."""
        return self._inner().plateau

    @property
    def starts_wild(self):
        """That of the inner schedule; see `Schedule`."""
        return self._inner().starts_wild

    @property
    def gradient_limit(self):
        """That of the inner schedule; see `Schedule`."""
        return self._inner().gradient_limit

    @property
    def sparse_intercept(self):
        """That of the inner schedule; see `Schedule`."""
        return self._inner().sparse_intercept

    @property
    def aggressive(self):
        """That of the inner schedule; see `Schedule`."""
        return self._inner().aggressive

    @property
    def cumulative_l1(self):
        """That of the inner schedule; see `Schedule`."""
        return self._inner().cumulative_l1

    def check_run(self, settings, loss, optimizer, batch_size):
        """What the inner schedule checks; see `Schedule.check_run`."""
        self._inner().check_run(settings, loss, optimizer, batch_size)

    def _inner(self):
        """Return the inner schedule as an object."""
        if self.schedule is None:
            return Constant()
        if isinstance(self.schedule, str) and self.schedule in SCHEDULES:
            return SCHEDULES[self.schedule]()
        try:
            return as_schedule(self.schedule)
        except ValueError as error:
            # as_schedule speaks of the estimator's parameter, learning_rate.
            raise ValueError(
                f"The inner schedule of WarmUp(schedule={self.schedule!r}) cannot be "
                f"used: {error}"
            ) from None

    def eta(self, t):
        """Learning rates for an array of step numbers; see `Schedule.eta`."""
        t = np.asarray(t, dtype=np.float64)
        return self._inner().eta(t) * np.minimum(t / self.steps, 1.0)

    def check(self):
        """Raise a ValueError if a parameter is invalid."""
        _check_integer(self, "steps", "an integer of at least 1 (a number of steps)")
        self._inner().check()

    def bind(self, *, alpha=None, total_steps=None, dloss=None):
        """Bind the inner schedule; see `Schedule.bind`."""
        bound = copy.copy(self)
        bound.schedule = self._inner().bind(
            alpha=alpha, total_steps=total_steps, dloss=dloss
        )
        return bound


class _PassiveAggressive(Schedule):
    """What `PA1` and `PA2` share."""

    needs_eta0 = False
    sparse_intercept = SPARSE_INTERCEPT
    cumulative_l1 = True
    keyword_hints = {"C": "The aggressiveness of {name} is called eta0."}

    def __init__(self, eta0=1.0):
        self.eta0 = eta0

    @classmethod
    def named(cls, eta0, power_t):
        """The schedule that its name stands for; see `Schedule.named`."""
        return cls() if eta0 is None else cls(eta0)

    def eta(self, t):
        """The constant ``eta0``; each row's step follows from it and the row."""
        return _constant(self.eta0, t)

    def check(self):
        """Raise a ValueError if a parameter is invalid."""
        _check_eta0(self)

    def check_run(self, settings, loss, optimizer, batch_size):
        """Raise a ValueError for a run without a passive-aggressive step.

        Parameters are those of `Schedule.check_run`.
        """
        name = f"pa{self.aggressive}"
        kind = "classification" if settings.classifies else "regression"
        if settings.penalty.signs is not None:
            raise ValueError(
                f"learning_rate={name!r} is not possible with positive=True and "
                "monotonic_cst. Use another learning_rate."
            )
        if not (loss.unit_gradient and loss.task == kind):
            suited = "hinge" if settings.classifies else "epsilon_insensitive"
            raise ValueError(
                f"learning_rate={name!r} only works with loss={suited!r}, got loss="
                f"{loss.name!r}. Use that loss, or another learning_rate."
            )
        if not optimizer.steps_plainly or batch_size != 1:
            raise ValueError(
                f"learning_rate={name!r} only works with optimizer='sgd' and "
                f"batch_size=1, got optimizer={optimizer.name!r} and batch_size="
                f"{batch_size!r}. Use these, or another learning_rate."
            )


class PA1(_PassiveAggressive):
    r"""Passive-aggressive steps (PA-I): zero loss of the row, with ``eta0`` as limit.

    .. math:: \eta_i = \min(\eta_0,\; \ell_i / \lVert x_i \rVert^2)

    with the loss of the row before the step. For the losses "hinge" (classification)
    and "epsilon_insensitive" (regression), ``optimizer="sgd"`` and ``batch_size=1``.
    As in ``SGDClassifier`` and ``SGDRegressor``, a penalty acts with the step
    ``eta0``, and on sparse data the intercept takes a hundredth of the step. An l1
    penalty is taken as with `Optimal`.

    Parameters
    ----------
    eta0 : float, default=1.0
        The largest step, called C in [1]_. Small values suit noisy data.

    References
    ----------
    .. [1] K. Crammer, O. Dekel, J. Keshet, S. Shalev-Shwartz and Y. Singer, "Online
       Passive-Aggressive Algorithms", Journal of Machine Learning Research 7, 2006.

    Examples
    --------
    >>> from sklgd import GDClassifier
    >>> model = GDClassifier("hinge", penalty=None, learning_rate="pa1", eta0=1.0)
    >>> model.fit([[0.0, 1.0], [1.0, 0.0]], [0, 1]).coef_
    array([[ 1., -1.]])
    """

    aggressive = 1


class PA2(_PassiveAggressive):
    r"""Passive-aggressive steps (PA-II): shorter than needed for zero loss of the row.

    .. math:: \eta_i = \ell_i / (\lVert x_i \rVert^2 + 1/(2 \eta_0))

    with the loss of the row before the step. The losses and the other conditions are
    those of `PA1`.

    Parameters
    ----------
    eta0 : float, default=1.0
        Called C in [1]_; the smaller it is, the shorter are the steps.

    References
    ----------
    .. [1] K. Crammer, O. Dekel, J. Keshet, S. Shalev-Shwartz and Y. Singer, "Online
       Passive-Aggressive Algorithms", Journal of Machine Learning Research 7, 2006.

    Examples
    --------
    >>> from sklgd import GDRegressor
    >>> model = GDRegressor("epsilon_insensitive", penalty=None, learning_rate="pa2")
    >>> model = model.set_params(epsilon=0.0, random_state=0)
    >>> model.fit([[1.0], [2.0]], [1.0, 2.0]).predict([[3.0]]).round(1)
    array([3.])
    """

    aggressive = 2


class FromCallable(Schedule):
    """A user's function of the step number as a schedule.

    The estimators wrap a function that is passed as ``learning_rate`` in this class.
    Unlike the built-in schedules it costs one Python call per step, which is felt
    with ``batch_size=1``. It can be pickled if the function can (a lambda cannot).

    Parameters
    ----------
    function : callable
        ``function(t)`` returns the learning rate of step t, a Python int that starts at
        1. The result must be a finite number of at least 0.

    Examples
    --------
    >>> from sklgd.schedules import FromCallable
    >>> FromCallable(lambda t: 1 / (1 + t))(3)
    0.25
    """

    def __init__(self, function):
        self.function = function

    def eta(self, t):
        """Learning rates for an array of step numbers; see `Schedule.eta`."""
        t = np.asarray(t)
        values = np.empty(t.shape, dtype=np.float64)
        for i, step in np.ndenumerate(t):
            values[i] = self._value(int(step))
        return values

    def _value(self, step):
        value = self.function(step)
        if not isinstance(value, Real) or not math.isfinite(value) or value < 0.0:
            raise ValueError(
                f"The learning_rate function returned {value!r} at step {step}; it "
                "must return a finite number of at least 0 for every step."
            )
        return value

    def check(self):
        """Raise a ValueError if a parameter is invalid."""
        if not callable(self.function):
            raise ValueError(
                f"FromCallable(function={self.function!r}) is not possible: function "
                "must be a callable of the step number."
            )


def _constant(eta0, t):
    """The same learning rate for each of the step numbers t."""
    # (`np.full` takes three times as long for few of them.)
    out = np.empty_like(t, dtype=np.float64)
    out.fill(eta0)
    return out


def _reject(schedule, name, wanted):
    owner = type(schedule).__name__
    value = getattr(schedule, name)
    raise ValueError(
        f"{name}={value!r} of {owner} is not possible: it must be {wanted}."
    )


def _check_real(schedule, name, wanted, *, low=None, above=None, high=None, below=None):
    """Check that a parameter is a finite number within the given bounds."""
    value = getattr(schedule, name)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        _reject(schedule, name, wanted)
    if (
        not math.isfinite(value)
        or (low is not None and value < low)
        or (above is not None and value <= above)
        or (high is not None and value > high)
        or (below is not None and value >= below)
    ):
        _reject(schedule, name, wanted)


def _check_integer(schedule, name, wanted):
    """Check that a parameter is an integer of at least 1."""
    value = getattr(schedule, name)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        _reject(schedule, name, wanted)
    if value < 1:
        _reject(schedule, name, wanted)


def _check_eta0(schedule):
    wanted = "a finite number above 0, for example 0.01"
    _check_real(schedule, "eta0", wanted, above=0.0)


SCHEDULES = {
    "constant": Constant,
    "invscaling": InvScaling,
    "optimal": Optimal,
    "adaptive": Adaptive,
    "pa1": PA1,
    "pa2": PA2,
    "linear": Linear,
    "cosine": Cosine,
    "step": Step,
    "exponential": Exponential,
    "warmup": WarmUp,
}
"""Every schedule that ``learning_rate`` knows by name."""


def as_schedule(learning_rate, eta0=None, power_t=0.25):
    """Turn the estimators' parameters into a checked schedule object.

    ``learning_rate="auto"``, and a name without ``eta0``, need the data; the
    estimators resolve those before they come here.

    Parameters
    ----------
    learning_rate : float, str, Schedule or callable
        A number is a constant learning rate; a string is a key of `SCHEDULES`; a
        `Schedule` is returned as it is; any other callable is a function of the
        step number.
    eta0 : float or None, default=None
        The first learning rate of a schedule given by name. It is an error where it
        would be ignored.
    power_t : float, default=0.25
        The exponent of ``"invscaling"``.

    Returns
    -------
    schedule : Schedule
        The schedule, with its parameters checked. Call its ``bind`` before use.

    Examples
    --------
    >>> from sklgd.schedules import as_schedule
    >>> as_schedule(0.1)
    Constant(eta0=0.1)
    >>> as_schedule("invscaling", eta0=0.1, power_t=0.5)
    InvScaling(eta0=0.1, power_t=0.5)
    """
    if isinstance(learning_rate, str):
        schedule = _from_name(learning_rate, eta0, power_t)
    elif isinstance(learning_rate, type):
        name = learning_rate.__name__
        raise ValueError(
            f"learning_rate={name} is a class; pass an object of it: {name}(...)."
        )
    elif isinstance(learning_rate, Schedule):
        _forbid_eta0(eta0, f"the schedule object {learning_rate!r}")
        schedule = learning_rate
    elif isinstance(learning_rate, Real) and not isinstance(
        learning_rate, (bool, np.bool_)
    ):
        _forbid_eta0(eta0, f"the constant learning_rate={learning_rate!r}")
        if not 0.0 < float(learning_rate) < math.inf:
            raise ValueError(
                f"learning_rate={learning_rate!r} is not possible: a constant step "
                "size must be a finite number above 0, for example 0.01."
            )
        schedule = Constant(float(learning_rate))
    elif callable(learning_rate):
        _forbid_eta0(eta0, "a learning_rate function")
        schedule = FromCallable(learning_rate)
    else:
        raise ValueError(
            f"learning_rate={learning_rate!r} is not possible: it must be 'auto', a "
            f"number above 0, one of {_names()}, a schedule object of sklgd.schedules "
            "or a function of the step number."
        )
    schedule.check()
    return schedule


def schedule_class(learning_rate):
    """The class of a schedule that is given by its name, or None."""
    return SCHEDULES.get(learning_rate) if isinstance(learning_rate, str) else None


def schedule_of(est):
    """The schedule of an estimator whose learning rate is explicit."""
    cls = schedule_class(est.learning_rate)
    used = cls is not None and "eta0" in cls.parameters
    return as_schedule(est.learning_rate, est.eta0 if used else None, est.power_t)


def step_is_explicit(est):
    """True if the learning rate is the user's: then the textbook form is run."""
    if isinstance(est.learning_rate, str):
        cls = schedule_class(est.learning_rate)
        return cls is not None and not (cls.needs_eta0 and est.eta0 is None)
    return True


def _from_name(name, eta0, power_t):
    """Return the schedule called ``name`` with the first learning rate ``eta0``."""
    if name == "auto":
        _forbid_eta0(eta0, "learning_rate='auto'")
        raise ValueError(
            "learning_rate='auto' is not a schedule; only the estimators resolve it."
        )
    if name not in SCHEDULES:
        raise ValueError(
            f"learning_rate={name!r} is not known. Use 'auto', a number, a function of "
            f"the step number, or one of {_names()}.{did_you_mean(name, SCHEDULES)}"
        )
    cls = SCHEDULES[name]
    if "eta0" not in cls.parameters:
        _forbid_eta0(eta0, f"learning_rate={name!r}")
    elif eta0 is None and cls.needs_eta0:
        raise ValueError(
            f"learning_rate={name!r} needs eta0, the first learning rate, here."
        )
    return cls.named(eta0, power_t)


def _forbid_eta0(eta0, what):
    if eta0 is not None:
        raise ValueError(
            f"eta0={eta0!r} would be ignored with {what}. Leave eta0=None, or use a "
            "schedule name that takes it, such as learning_rate='constant'."
        )


def _names():
    return ", ".join(repr(name) for name in SCHEDULES)
