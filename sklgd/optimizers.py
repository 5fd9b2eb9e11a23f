"""Optimizers, and `OPTIMIZERS`, which maps their names to classes.

The parameter ``optimizer`` of the estimators and of `sklgd.minimize` takes a name or an
object of one of these classes. An object has the parameters of the optimizer, and a
grid search reaches them as ``optimizer__beta_1``:

>>> from sklgd import GDClassifier
>>> from sklgd.optimizers import Adam
>>> GDClassifier(optimizer=Adam(beta_1=0.8)).get_params()["optimizer__beta_1"]
0.8

In the formulas, g is the gradient of the mean loss of the batch, eta the learning rate,
and l1 and l2 are ``alpha * l1_ratio`` and ``alpha * (1 - l1_ratio)``.
"""

# A class says what an optimizer is called, which parameters it has, and what it can do.
# `Optimizer.training` names the solver that runs it. Compiled steps are in
# kernels/_rules.pyx and kernels/_adaptive_rules.pyx, those of variance-reduced
# optimizers in kernels/_variance_reduced.pyx (SVRG) and kernels/_row_steps.pyx (SAGA
# and Point-SAGA).

import numbers
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from ._hints import ExplainsKeywords, grid_of_dicts
from .kernels._adaptive_rules import (
    AdadeltaRule,
    AdagradRule,
    AdaMaxRule,
    AdamRule,
    AMSGradRule,
    FTRLRule,
    NadamRule,
    RMSpropRule,
)
from .kernels._row_steps import PointSteps, RowSteps
from .kernels._rules import MomentumRule, NesterovRule, SGDRule
from .kernels._variance_reduced import SnapshotSteps
from .penalties import Penalty

INF = float("inf")


LEARNING_RATE_HINT = (
    "The learning rate is a parameter of the estimator: "
    "optimizer={name}(), learning_rate=0.1."
)


class Optimizer(ExplainsKeywords, BaseEstimator):
    """Base class of the optimizers: their parameters, and what they can do.

    An optimizer is a scikit-learn estimator with ``get_params`` and ``set_params``, so
    `clone` works and `GridSearchCV` finds its parameters as ``optimizer__...``. No
    ``fit`` changes it: what is learnt belongs to the estimator that is fitted.

    Attributes
    ----------
    name : str
        Name in the registry and in the estimators' ``optimizer`` parameter.
    ranges : dict
        Parameter -> (low, closed, high): low <= value < high where ``closed``,
        else low < value < high.
    rule : type or None
        The compiled rule; None for an optimizer that is not a rule of one gradient.
    training : str
        What runs its epochs, a key of ``sklgd._base.SOLVERS``.
    learns_online : bool
        True if it is the rule of an `OnlineLearner`, which takes single rows of a
        stream.
    normalised : bool
        True if a step's length does not follow that of the gradient.
    steps_plainly : bool
        True if a step is the learning rate times the gradient: then single rows can be
        added straight into the coefficients.
    default_batch_size : int
        Rows of a batch with an explicit learning rate and ``batch_size="auto"``.
    why_no_stream : str or None
        Why `partial_fit` is impossible: the predicate of a sentence whose subject is
        the optimizer. None if the optimizer learns from streams.
    takes_learning_rate : bool
        False if the optimizer finds the length of each step itself: then
        ``learning_rate``, ``eta0`` and ``power_t`` have no effect.
    estimates_gap : bool
        True if its runs estimate the optimality gap, and stop by it.
    averages : bool
        True if the optimizer averages its iterates itself: then ``average`` has no
        effect.
    shuffles : bool
        False if the order of the rows has no effect.
    any_penalty : bool
        True if the optimizer needs no more of a penalty than its proximal step; else it
        needs an elastic net (`sklgd.penalties.Penalty.elastic_net`).
    needs_smooth_penalty : bool
        True if the penalty must be differentiable.
    why_no_signs : str or None
        Why coefficients of given signs are impossible: the predicate of a sentence
        whose subject is the optimizer. None if they are possible.
    why_uniform : str or None
        Why the strengths of the penalty must be the same for all coefficients: the
        predicate of a sentence whose subject is the optimizer. None if they may differ.
    keyword_hints : dict
        See `sklgd._hints.ExplainsKeywords`.
    """

    name: ClassVar[str]
    normalised: ClassVar[bool] = True
    steps_plainly: ClassVar[bool] = False
    default_batch_size: ClassVar[int] = 32
    ranges: ClassVar[dict[str, tuple[float, bool, float]]] = {}
    rule: ClassVar[Any] = None
    training: ClassVar[str] = "descent"
    learns_online: ClassVar[bool] = False
    why_no_stream: ClassVar[str | None] = None
    takes_learning_rate = True
    estimates_gap = False
    averages = False
    shuffles = True
    any_penalty = False
    needs_smooth_penalty = False
    why_no_signs: ClassVar[str | None] = None
    why_uniform: ClassVar[str | None] = None
    keyword_hints = {
        "lr": LEARNING_RATE_HINT,
        "learning_rate": LEARNING_RATE_HINT,
        "eta": LEARNING_RATE_HINT,
        "eta0": LEARNING_RATE_HINT,
        "betas": "The two decays are separate: {name}(beta_1=0.9, beta_2=0.999).",
        "eps": "The term that is added to the root is called epsilon.",
        "weight_decay": "The penalty is the estimator's: penalty='l2' and alpha.",
        "batch_size": "The batch size is the estimator's: batch_size=32.",
        "momentum": "Use Momentum(momentum=0.9).",
        "nesterov": "Use Nesterov(momentum=0.9).",
        "amsgrad": "Use AMSGrad().",
    }

    def unit_step(self, curvature: float, full: bool) -> float:
        """First learning rate for ``learning_rate="auto"``.

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
            Learning rate. Rules that normalise the gradient move each coordinate by
            about this distance; the others need the curvature.
        """
        return 0.1 if full else 0.03

    def stable_step(self, largest: float, noise: float) -> float | None:
        """About the largest learning rate for stable descent in raw coordinates.

        Parameters
        ----------
        largest : float
            Largest curvature of F.
        noise : float
            What the curvature that a batch sees has beyond that; 0 in batch descent.

        Returns
        -------
        float or None
            None if no curvature sets a limit.
        """
        return None

    @property
    def lazy(self) -> bool:
        """True if a step of sparse rows moves their active features only."""
        return getattr(self, "sparse_update", "exact") == "lazy"

    def price(
        self, penalty: Penalty, uniform: bool, summed: bool, constant: bool
    ) -> float:
        """Cost of a lagged update of an active feature of sparse rows.

        The unit is the cost of a feature in a step of all features. It was measured
        where both kinds of steps took the same time, with 50 entries in a row.

        Parameters
        ----------
        penalty : Penalty
            Of the features.
        uniform : bool
            True if it is the same for all in the rule's coordinates.
        summed : bool
            True if the iterates are averaged.
        constant : bool
            True if learning rates do not change within an epoch.

        Returns
        -------
        float
            INF if lagged updates have no exact form: a step then moves all features.
        """
        return INF

    def check(self) -> None:
        """Raise ValueError for a parameter outside its range."""
        if getattr(self, "sparse_update", "exact") not in ("exact", "lazy"):
            raise ValueError(
                f"{type(self).__name__}: sparse_update must be 'exact' (the iterates "
                "of dense data) or 'lazy' (an update moves active features only), "
                f"got {self.sparse_update!r}."
            )
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

    def check_run(self, settings: Any, loss: Any) -> None:
        """Raise ValueError for a run that this optimizer cannot make.

        Parameters
        ----------
        settings : Settings
        loss : Loss
        """
        if settings.penalty.signs is not None and self.why_no_signs is not None:
            # (Those that learn in the same way: from all rows at once, or in streams.)
            able = [
                name
                for name, cls in OPTIMIZERS.items()
                if cls.why_no_signs is None
                and cls.estimates_gap == self.estimates_gap
                and (cls.why_no_stream is None) == (self.why_no_stream is None)
            ]
            raise ValueError(
                "positive=True and monotonic_cst are not possible with optimizer="
                f"{self.name!r}, which {self.why_no_signs}. Use optimizer='auto', "
                f"{', '.join(map(repr, able[:-1]))} or {able[-1]!r}."
            )
        if not settings.penalty.uniform:
            self.refuse_strengths()
        if not (settings.penalty.closed_form or self.any_penalty):
            able = [name for name, cls in OPTIMIZERS.items() if cls.any_penalty]
            raise ValueError(
                f"penalty={settings.penalty_name!r} is not possible with optimizer="
                f"{self.name!r}, which needs the penalty in closed form. Use optimizer="
                f"{' or '.join(map(repr, able))} in fit or fit_blocks, or "
                "penalty='l2', 'l1' or 'elasticnet'."
            )
        if self.needs_smooth_penalty and not settings.penalty.smooth:
            able = [
                name
                for name, cls in OPTIMIZERS.items()
                if cls.estimates_gap and not cls.needs_smooth_penalty
            ]
            raise ValueError(
                f"penalty={settings.penalty_name!r} is not possible with optimizer="
                f"{self.name!r}, which needs a smooth penalty. Use optimizer="
                f"{' or '.join(map(repr, able))}, or penalty='l2'."
            )

    def refuse_strengths(self) -> None:
        """Raise ValueError unless strengths of the penalty may differ."""
        if self.why_uniform is None:
            return
        able = [
            name
            for name, cls in OPTIMIZERS.items()
            if cls.why_uniform is None
            and (cls.why_no_stream is None) == (self.why_no_stream is None)
        ]
        raise ValueError(
            "penalty_factor, standardize=True and an alpha for each target are not "
            f"possible with optimizer={self.name!r}, which {self.why_uniform}. Use "
            f"optimizer='auto', {', '.join(map(repr, able[:-1]))} or {able[-1]!r}."
        )

    def refuse_average(self, settings: Any) -> None:
        """Raise ValueError if the estimator asks for averages of the iterates.

        Parameters
        ----------
        settings : Settings
        """
        if settings.average:
            raise ValueError(
                f"average={settings.average!r} is not possible with "
                f"optimizer={self.name!r}, whose iterates converge without averaging. "
                "Use average=False."
            )

    def make_rule(
        self,
        coef: np.ndarray,
        l1: np.ndarray,
        l2: np.ndarray,
        state: dict | None = None,
    ) -> Any:
        """The compiled rule, bound to float64 coordinates it updates in place.

        Parameters
        ----------
        coef, l1, l2 : float64 C-contiguous arrays of one shape
            Coordinates and their l1 and l2 penalties.
        state : dict, default=None
            State of an earlier rule to continue from.
        """
        self.check()
        # (`get_params` would look at the signature of the constructor first.)
        return self.rule(vars(self)).bind(coef, l1, l2, state)


class SGD(Optimizer):
    """Plain gradient descent.

    The update is ``w = w - eta * (g + l2 * w)``, where g is the gradient of the batch's
    mean loss and eta the learning rate. With one row per batch this is stochastic
    gradient descent. An l1 penalty is a soft threshold of ``eta * l1`` after the
    update.

    Notes
    -----
    The factor ``1 - eta * l2`` is cut at zero, as in SGDRegressor. An update with rows
    of a CSR matrix takes time proportional to their number of entries for every
    penalty, and gives the iterates of dense rows.

    References
    ----------
    Robbins and Monro, "A stochastic approximation method", 1951, equation (6).

    Examples
    --------
    >>> from sklgd import GDRegressor
    >>> from sklgd.optimizers import SGD
    >>> model = GDRegressor(optimizer=SGD(), learning_rate=0.1, batch_size="full")
    >>> model.optimizer
    SGD()
    """

    name = "sgd"
    normalised = False
    steps_plainly = True
    default_batch_size = 1
    rule = SGDRule

    def __init__(self) -> None:
        pass

    def price(
        self, penalty: Penalty, uniform: bool, summed: bool, constant: bool
    ) -> float:
        """See `Optimizer.price`."""
        if penalty.uniform:
            return 10.0
        # (A table of the learning rates' sums serves all strengths of an l1 penalty.)
        return INF if summed and penalty.has_l2 else 30.0

    def unit_step(self, curvature: float, full: bool) -> float:
        """See `Optimizer.unit_step`."""
        return (1.0 if full else 0.5) / curvature

    def stable_step(self, largest: float, noise: float) -> float | None:
        """See `Optimizer.stable_step`."""
        return 2.0 / (largest + noise)


class VelocityOptimizer(Optimizer):
    """Base class of the optimizers with a velocity."""

    normalised = False
    ranges = {"momentum": (0.0, True, 1.0)}

    def __init__(self, momentum: float = 0.9) -> None:
        self.momentum = momentum

    def price(
        self, penalty: Penalty, uniform: bool, summed: bool, constant: bool
    ) -> float:
        """See `Optimizer.price`."""
        if penalty.signs is not None and (penalty.has_l2 or summed):
            # (A coefficient could leave its side of zero and come back.)
            return INF
        if not penalty.uniform:
            # (Its closed form has tables for one penalty.)
            return INF
        return 45.0 if penalty.has_l1 else 24.0 if penalty.has_l2 else 8.0

    def unit_step(self, curvature: float, full: bool) -> float:
        """See `Optimizer.unit_step`."""
        return 1.0 / curvature if full else (1.0 - self.momentum) / curvature

    def stable_step(self, largest: float, noise: float) -> float | None:
        """See `Optimizer.stable_step`."""
        # Noise adds up over 1/(1 - mu) steps. The largest curvature makes a root of the
        # recurrence pass -1.
        mu = self.momentum
        return 1.0 / (largest * self.overshoot(mu) + 0.5 * noise / (1.0 - mu))


class Momentum(VelocityOptimizer):
    """Gradient descent with momentum (the heavy ball).

    The updates are ``v = momentum * v + eta * G`` and ``w = w - v``, where ``G = g + l2
    * w`` is the gradient of the objective. The velocity v is a weighted sum of past
    gradients. With E the same sum of learning rates, ``E = momentum * E + eta``, an l1
    penalty is a soft threshold of ``E * l1``.

    Parameters
    ----------
    momentum : float, default=0.9
        Share of the last velocity that is kept, in [0, 1).

    Notes
    -----
    The learning rate is part of the velocity, so a change of the learning rate acts on
    new gradients only. PyTorch multiplies the velocity by the learning rate instead;
    for a constant learning rate both are the same. A lagged update of a feature of a
    CSR matrix takes O(log n_updates).

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964,
    equation (9).

    Examples
    --------
    >>> from sklgd import GDRegressor
    >>> from sklgd.optimizers import Momentum
    >>> GDRegressor(optimizer=Momentum(momentum=0.8)).optimizer.momentum
    0.8
    """

    name = "momentum"
    rule = MomentumRule

    @staticmethod
    def overshoot(mu: float) -> float:
        """Inverse of the least unstable product of learning rate and curvature."""
        return 0.5 / (1.0 + mu)


class Nesterov(VelocityOptimizer):
    """Gradient descent with Nesterov's accelerated momentum.

    The updates are ``v = momentum * v + eta * G`` and ``w = w - (momentum * v + eta *
    G)``, where ``G = g + l2 * w`` is the gradient of the objective. ``coef_`` is the
    look-ahead iterate: the point at which the next gradient is taken. An l1 penalty is
    a soft threshold of ``(momentum * E + eta) * l1`` with ``E = momentum * E + eta``.

    Parameters
    ----------
    momentum : float, default=0.9
        Share of the last velocity that is kept, in [0, 1).

    References
    ----------
    Nesterov, "A method of solving a convex programming problem with convergence rate
    O(1/k^2)", 1983. Bengio, Boulanger-Lewandowski and Pascanu, "Advances in optimizing
    recurrent networks", 2012, equation (7).

    Examples
    --------
    >>> from sklgd.optimizers import Nesterov
    >>> Nesterov().momentum
    0.9
    """

    name = "nesterov"
    rule = NesterovRule

    @staticmethod
    def overshoot(mu: float) -> float:
        """Inverse of the least unstable product of learning rate and curvature."""
        return 0.5 * (1.0 + 2.0 * mu) / (1.0 + mu)


class Adagrad(Optimizer):
    """Adagrad: a learning rate for each feature that falls with its past gradients.

    The updates are ``A = A + g**2`` and ``w = w - eta * g / H`` with ``H = sqrt(A) +
    epsilon``. The penalty is a proximal step in the metric H: ``w = soft(w, eta * l1 /
    H) / (1 + eta * l2 / H)``. (PyTorch adds ``l2 * w`` to g instead.)

    Parameters
    ----------
    epsilon : float, default=1e-10
        Term that is added to the root.
    initial_accumulator : float, default=0
        First value of A. TensorFlow uses 0.1.

    Notes
    -----
    An update with rows of a CSR matrix takes time proportional to their number of
    entries. The missed updates of a feature have a closed form: ``abs(w) = max(0,
    (abs(w) + l1 / l2) * C - l1 / l2)``, where C is the product of ``1 / (1 + eta * l2 /
    H)``.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization", JMLR 12, 2011, figure 1 and equation (4).

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

    def __init__(
        self, epsilon: float = 1e-10, initial_accumulator: float = 0.0
    ) -> None:
        self.epsilon = epsilon
        self.initial_accumulator = initial_accumulator

    def price(
        self, penalty: Penalty, uniform: bool, summed: bool, constant: bool
    ) -> float:
        """See `Optimizer.price`."""
        if summed and penalty.has_l2 and not constant:
            return INF
        return 12.0 if penalty.has_l2 else 6.0

    def unit_step(self, curvature: float, full: bool) -> float:
        """See `Optimizer.unit_step`."""
        return 0.3


class RMSprop(Optimizer):
    """RMSprop: gradients divided by a moving average of their size.

    The updates are ``E = rho * E + (1 - rho) * G**2`` and ``w = w - eta * G / (sqrt(E)
    + epsilon)``, where ``G = g + l2 * w``.

    Parameters
    ----------
    rho : float, default=0.9
        Decay of the moving average, in [0, 1).
    epsilon : float, default=1e-8
        Term that is added to the root. (TensorFlow 1 has it inside.)
    sparse_update : {"exact", "lazy"}, default="exact"
        How an update with few rows of sparse X treats the features that do not occur in
        them. "exact" gives the iterates of dense X: without an l2 penalty a feature
        makes up for its missed updates when it occurs again (lagged updates); with one,
        every update moves all features. "lazy" moves the active features only and
        leaves the moving averages of the others alone. The penalty of a feature is then
        divided by the share of updates in which it is active, so that the minimiser is
        that of the objective, while the iterates are different.

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

    def __init__(
        self, rho: float = 0.9, epsilon: float = 1e-8, sparse_update: str = "exact"
    ) -> None:
        self.rho = rho
        self.epsilon = epsilon
        self.sparse_update = sparse_update

    def price(
        self, penalty: Penalty, uniform: bool, summed: bool, constant: bool
    ) -> float:
        """See `Optimizer.price`."""
        if penalty.has_l2 or (penalty.has_l1 and not uniform):
            return INF
        return 14.0 if penalty.has_l1 else 6.0


class Adadelta(Optimizer):
    """Adadelta: updates that have the unit of the coefficients.

    The updates are ``E = rho * E + (1 - rho) * G**2``, ``dx = sqrt(D + epsilon) /
    sqrt(E + epsilon) * G``, ``D = rho * D + (1 - rho) * dx**2`` and ``w = w - eta *
    dx``, where ``G = g + l2 * w``. The paper has no learning rate: eta = 1.

    Parameters
    ----------
    rho : float, default=0.95
        Decay of both moving averages, in [0, 1).
    epsilon : float, default=1e-6
        Term inside both roots. It sets the size of the first updates.
    sparse_update : {"exact", "lazy"}, default="exact"
        How an update with few rows of sparse X treats the features that do not occur in
        them. "exact" gives the iterates of dense X: without an l2 penalty a feature
        makes up for its missed updates when it occurs again (lagged updates); with one,
        every update moves all features. "lazy" moves the active features only and
        leaves the moving averages of the others alone. The penalty of a feature is then
        divided by the share of updates in which it is active, so that the minimiser is
        that of the objective, while the iterates are different.

    References
    ----------
    Zeiler, "ADADELTA: an adaptive learning rate method", 1212.5701, algorithm 1.

    Examples
    --------
    >>> from sklgd.optimizers import Adadelta
    >>> Adadelta().rho
    0.95
    """

    name = "adadelta"
    rule = AdadeltaRule
    ranges = {"rho": (0.0, True, 1.0), "epsilon": (0.0, False, INF)}

    def __init__(
        self, rho: float = 0.95, epsilon: float = 1e-6, sparse_update: str = "exact"
    ) -> None:
        self.rho = rho
        self.epsilon = epsilon
        self.sparse_update = sparse_update

    def price(
        self, penalty: Penalty, uniform: bool, summed: bool, constant: bool
    ) -> float:
        """See `Optimizer.price`."""
        return INF if penalty.has_l2 else 50.0 if penalty.has_l1 else 6.0

    def unit_step(self, curvature: float, full: bool) -> float:
        """See `Optimizer.unit_step`."""
        return 1.0


class MomentOptimizer(Optimizer):
    """Base class of Adam and its variants."""

    # Columns drawn uniformly, batches of 32 and 256 rows of 50 entries: lagged steps
    # cost less from 6 to 9 columns per entry of a batch on, with l1 or sums from 30
    # columns on.
    lagged_cost = 8.0
    ranges = {
        "beta_1": (0.0, True, 1.0),
        "beta_2": (0.0, True, 1.0),
        "epsilon": (0.0, False, INF),
    }

    def __init__(
        self,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        sparse_update: str = "exact",
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.sparse_update = sparse_update

    def price(
        self, penalty: Penalty, uniform: bool, summed: bool, constant: bool
    ) -> float:
        """See `Optimizer.price`."""
        # Needs a series that converges (`LaggedAdam.bounded`), for any of the family.
        lags = uniform or not penalty.has_l1
        # (Sums would count coefficients on the wrong side of zero.)
        lags = lags and not (summed and penalty.signs is not None)
        if penalty.has_l2 or not lags or self.beta_1 >= self.beta_2**4:
            return INF
        return 30.0 if summed or penalty.has_l1 else self.lagged_cost


class Adam(MomentOptimizer):
    """Adam: moving averages of the gradients and of their squares.

    The updates are ``m = beta_1 * m + (1 - beta_1) * G``, ``v = beta_2 * v + (1 -
    beta_2) * G**2`` and ``w = w - eta * m_hat / (sqrt(v_hat) + epsilon)``, where ``G =
    g + l2 * w``, ``m_hat = m / (1 - beta_1**t)``, ``v_hat = v / (1 - beta_2**t)``, and
    t counts the updates.

    Parameters
    ----------
    beta_1 : float, default=0.9
        Decay of the moving average of the gradients, in [0, 1).
    beta_2 : float, default=0.999
        Decay of the moving average of their squares, in [0, 1).
    epsilon : float, default=1e-8
        Term that is added to the root, after the bias correction.
    sparse_update : {"exact", "lazy"}, default="exact"
        How an update with few rows of sparse X treats the features that do not occur in
        them. "exact" gives the iterates of dense X: without an l2 penalty a feature
        makes up for its missed updates when it occurs again (lagged updates); with one,
        every update moves all features. "lazy" moves the active features only and
        leaves the moving averages of the others alone. The penalty of a feature is then
        divided by the share of updates in which it is active, so that the minimiser is
        that of the objective, while the iterates are different.

    Notes
    -----
    The l2 penalty is part of the gradient, so the minimiser is that of the documented
    objective. The decoupled weight decay of AdamW has another one. PyTorch's SparseAdam
    and TensorFlow's LazyAdam do what ``sparse_update="lazy"`` does, apart from the
    penalty.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", 1412.6980, algorithm 1.

    Examples
    --------
    >>> from sklearn.base import clone
    >>> from sklgd.optimizers import Adam
    >>> clone(Adam(beta_1=0.8)).beta_1
    0.8
    """

    name = "adam"
    rule = AdamRule
    # (Its steps of all features are vectorised: from 26 to 36 columns on.)
    lagged_cost = 30.0


class AMSGrad(MomentOptimizer):
    """AMSGrad: Adam with the largest average of squared gradients so far.

    The updates are those of `Adam` with ``x = max(x, v)`` in place of v: ``w = w - eta
    * m_hat / (sqrt(x / (1 - beta_2**t)) + epsilon)``.

    Parameters
    ----------
    beta_1 : float, default=0.9
        Decay of the moving average of the gradients, in [0, 1).
    beta_2 : float, default=0.999
        Decay of the moving average of their squares, in [0, 1).
    epsilon : float, default=1e-8
        Term that is added to the root, after the bias correction.
    sparse_update : {"exact", "lazy"}, default="exact"
        How an update with few rows of sparse X treats the features that do not occur in
        them. "exact" gives the iterates of dense X: without an l2 penalty a feature
        makes up for its missed updates when it occurs again (lagged updates); with one,
        every update moves all features. "lazy" moves the active features only and
        leaves the moving averages of the others alone. The penalty of a feature is then
        divided by the share of updates in which it is active, so that the minimiser is
        that of the objective, while the iterates are different.

    Notes
    -----
    The paper has no bias correction. This is PyTorch's ``Adam(amsgrad=True)``.

    References
    ----------
    Reddi, Kale and Kumar, "On the convergence of Adam and beyond", 1904.09237,
    algorithm 2.

    Examples
    --------
    >>> from sklgd.optimizers import AMSGrad
    >>> AMSGrad().beta_2
    0.999
    """

    name = "amsgrad"
    rule = AMSGradRule


class Nadam(MomentOptimizer):
    """Nadam: Adam with Nesterov's momentum.

    The updates are those of `Adam` with ``beta_1 * m / (1 - beta_1**(t + 1)) + (1 -
    beta_1) * G / (1 - beta_1**t)`` in place of ``m_hat``.

    Parameters
    ----------
    beta_1 : float, default=0.9
        Decay of the moving average of the gradients, in [0, 1).
    beta_2 : float, default=0.999
        Decay of the moving average of their squares, in [0, 1).
    epsilon : float, default=1e-8
        Term that is added to the root, after the bias correction.
    sparse_update : {"exact", "lazy"}, default="exact"
        How an update with few rows of sparse X treats the features that do not occur in
        them. "exact" gives the iterates of dense X: without an l2 penalty a feature
        makes up for its missed updates when it occurs again (lagged updates); with one,
        every update moves all features. "lazy" moves the active features only and
        leaves the moving averages of the others alone. The penalty of a feature is then
        divided by the share of updates in which it is active, so that the minimiser is
        that of the objective, while the iterates are different.

    Notes
    -----
    beta_1 is constant. PyTorch and Keras raise it during the first updates.

    References
    ----------
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, algorithm 2
    with constant mu.

    Examples
    --------
    >>> from sklgd.optimizers import Nadam
    >>> Nadam(beta_1=0.95).beta_1
    0.95
    """

    name = "nadam"
    rule = NadamRule


class AdaMax(MomentOptimizer):
    """AdaMax: Adam with the largest gradient instead of the mean square.

    The updates are ``u = max(beta_2 * u, abs(G))`` and ``w = w - eta * m_hat / (u +
    epsilon)``, with ``m_hat`` as in `Adam`.

    Parameters
    ----------
    beta_1 : float, default=0.9
        Decay of the moving average of the gradients, in [0, 1).
    beta_2 : float, default=0.999
        Decay of the largest gradient, in [0, 1).
    epsilon : float, default=1e-8
        Term that is added to u, so that a feature without any gradient stays where it
        is. The paper has none.
    sparse_update : {"exact", "lazy"}, default="exact"
        How an update with few rows of sparse X treats the features that do not occur in
        them. "exact" gives the iterates of dense X: without an l2 penalty a feature
        makes up for its missed updates when it occurs again (lagged updates); with one,
        every update moves all features. "lazy" moves the active features only and
        leaves the moving averages of the others alone. The penalty of a feature is then
        divided by the share of updates in which it is active, so that the minimiser is
        that of the objective, while the iterates are different.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", 1412.6980, algorithm 2.

    Examples
    --------
    >>> from sklgd.optimizers import AdaMax
    >>> AdaMax().beta_1
    0.9
    """

    name = "adamax"
    rule = AdaMaxRule


class FTRL(Optimizer):
    """FTRL-Proximal: follow the regularised leader.

    After t updates, w minimises ``sum_s g_s * w + t * (l1 * abs(w) + l2 * w**2 / 2) +
    sum_s sigma_s * (w - w_s)**2 / 2``, where ``sum_s sigma_s`` is ``(beta + sqrt(sum_s
    g_s**2)) / eta``. With an l1 penalty many coefficients are exactly zero throughout.

    Parameters
    ----------
    beta : float, default=1.0
        Damping of the first updates.

    Notes
    -----
    The penalty counts once per update, as the losses do, so its weight relative to them
    stays the same. McMahan et al. (2013) count it once in all.

    References
    ----------
    McMahan, "Follow-the-regularized-leader and mirror descent: equivalence theorems and
    L1 regularization", AISTATS 2011, section 1. McMahan et al., "Ad click prediction: a
    view from the trenches", KDD 2013, algorithm 1 (their alpha is eta).

    Examples
    --------
    >>> from sklgd.optimizers import FTRL
    >>> FTRL(beta=0.5)
    FTRL(beta=0.5)
    """

    name = "ftrl"
    rule = FTRLRule
    ranges = {"beta": (0.0, False, INF)}

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def price(
        self, penalty: Penalty, uniform: bool, summed: bool, constant: bool
    ) -> float:
        """See `Optimizer.price`."""
        return INF if summed and not penalty.absent else 4.0

    def unit_step(self, curvature: float, full: bool) -> float:
        """See `Optimizer.unit_step`."""
        return 0.3


# Columns of X for each entry of a batch from which on sparse steps cost less than dense
# ones; a batch of SHORT_BATCH rows of at most SHORT entries is worth such steps.
FEW, SHORT, SHORT_BATCH = 4, 32, 64


class VarianceReducedOptimizer(Optimizer):
    """Base class of the variance-reduced optimizers.

    Attributes
    ----------
    steps : type
        The compiled updates.
    by_rows : bool
        True if an update takes one row.
    takes_non_smooth : bool
        True if the loss need not be smooth.
    needs_largest_row : bool
        True if the learning rate depends on the largest row.
    steady : bool
        True if no single row can do harm, however large it is.
    """

    training = "variance_reduced"
    why_no_stream = "visits a fixed set of rows again and again"
    steps: ClassVar[Any] = None
    by_rows = True
    takes_non_smooth = False
    needs_largest_row = False
    steady = False

    def __init__(self) -> None:
        pass

    def check_run(self, settings: Any, loss: Any) -> None:
        """Raise ValueError for a run that this optimizer cannot make."""
        super().check_run(settings, loss)
        self.refuse_average(settings)
        if not loss.smooth and not self.takes_non_smooth:
            raise ValueError(
                f"loss={loss.name!r} is not smooth and optimizer={self.name!r} needs a "
                "smooth loss. Use optimizer='point_saga'."
            )

    def resolve_batch_size(
        self, batch_size: int | str, n_features: int, per_row: float
    ) -> int | str:
        """Rows per update: one."""
        if batch_size not in ("auto", 1):
            raise ValueError(
                f"batch_size={batch_size!r} is not possible with "
                f"optimizer={self.name!r}, which takes one row at a time. Use "
                "batch_size=1, or optimizer='svrg' for mini-batches. "
                f"{grid_of_dicts(self.name, [1], [1, 32, 'full'])}"
            )
        return 1


class SAGA(VarianceReducedOptimizer):
    """SAGA: single rows, corrected by a table of the last gradient of each row.

    The update with row i is ``w = prox(w - eta * ((d_i - c_i) * x_i + G))``. Here d_i
    is the derivative of the row's loss at its raw prediction, c_i the one that the
    table holds from the last visit, and G the mean of ``c_i * x_i`` over all rows. Then
    c_i is replaced by d_i. ``prox(v) = soft(v, eta * l1) / (1 + eta * l2)`` is the
    proximal step of the penalty. The loss must be smooth.

    Notes
    -----
    Every epoch visits each row once (the paper draws rows with replacement). A schedule
    gives one learning rate for each epoch. An update takes O(n_outputs) per entry on
    CSR data of more than 300 features. The table holds n_samples * n_outputs numbers.
    There are no mini-batches, no averages of the iterates and no ``partial_fit``.

    References
    ----------
    Defazio, Bach and Lacoste-Julien, "SAGA: a fast incremental gradient method with
    support for non-strongly convex composite objectives", 1407.0202, equations (1) and
    (2).

    Examples
    --------
    >>> from sklgd import GDRegressor
    >>> model = GDRegressor(optimizer="saga", alpha=0.0, tol=None, random_state=0)
    >>> model = model.fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> round(float(model.coef_[0]), 4)
    2.0
    """

    name = "saga"
    steps = RowSteps
    needs_largest_row = True

    def row_step(self, mean: float, largest: float, loss: Any, dense: bool) -> float:
        """1/(3 L) of the paper, L being the largest row's curvature or 10 means."""
        return 1.0 / (3.0 * min(largest, 10.0 * mean))


class PointSAGA(VarianceReducedOptimizer):
    """Point-SAGA: SAGA with the gradient after the update, for every loss.

    The update with row i is ``v = prox(w - eta * G) + eta * c_i * x_i`` and ``w = v -
    eta * d * x_i``, where d is the derivative of the row's loss at the new w (a
    proximal step in the loss). Then c_i is replaced by d. G is the mean of ``c_i *
    x_i`` over all rows. No single row can do harm, however large it is, and non-smooth
    losses need no special treatment. With an l1 penalty ``coef_`` is ``prox(w - eta *
    G)``, which has exact zeros.

    Notes
    -----
    Every epoch visits each row once (the paper draws rows with replacement). A schedule
    gives one learning rate for each epoch. An update takes O(n_outputs) per entry on
    CSR data of more than 300 features. The table holds n_samples * n_outputs numbers.
    There are no mini-batches, no averages of the iterates and no ``partial_fit``.

    References
    ----------
    Defazio, "A simple practical accelerated method for finite sums", 1602.02442,
    algorithm 1; the proximal step of the penalty comes first, as in a Douglas-Rachford
    step. Traore, Apidopoulos, Salzo and Villa, "Variance reduction techniques for
    stochastic proximal point algorithms", 2308.09310.

    Examples
    --------
    >>> from sklgd import GDRegressor
    >>> model = GDRegressor(loss="absolute_error", optimizer="point_saga", alpha=0.0)
    >>> model = model.set_params(tol=None, random_state=0)
    >>> model = model.fit([[0.0], [1.0], [2.0], [3.0], [4.0]], [1, 3, 5, 7, 99])
    >>> round(float(model.coef_[0]), 3)
    2.0
    """

    name = "point_saga"
    steps = PointSteps
    takes_non_smooth = True
    steady = True

    def row_step(self, mean: float, largest: float, loss: Any, dense: bool) -> float:
        """A share of 1/mean curvature of a row; measured, not derived."""
        if not loss.smooth:
            return 0.3 / mean
        return (0.5 if dense else 1.0) / mean


class SVRG(VarianceReducedOptimizer):
    """SVRG: mini-batches, corrected by the full gradient at the end of the last epoch.

    The update with a batch is ``w = prox(w - eta * (mean((d_i - c_i) * x_i) + G))``.
    Here d_i is the derivative of the loss of row i, c_i the one at the last snapshot,
    and G the full gradient there. A snapshot is taken at the end of every epoch, in the
    pass that evaluates the objective. The loss must be smooth, and any batch size but
    "full" is possible.

    Notes
    -----
    A schedule gives one learning rate for each epoch. Where a batch of CSR rows has
    fewer entries than a quarter of the number of columns, an update takes
    O(n_outputs) per entry, else O(n_features * n_outputs) in all. The snapshot holds
    n_samples * n_outputs numbers. There are no averages of the iterates and no
    ``partial_fit``.

    References
    ----------
    Johnson and Zhang, "Accelerating stochastic gradient descent using predictive
    variance reduction", NIPS 2013, procedure SVRG, option I. Xiao and Zhang, "A
    proximal stochastic gradient method with progressive variance reduction", 1403.4699,
    figure 1.

    Examples
    --------
    >>> from sklgd import GDRegressor
    >>> model = GDRegressor(optimizer="svrg", batch_size=1, alpha=0.0, tol=None)
    >>> model = model.set_params(random_state=0).fit([[0.0], [1.0], [2.0]], [1, 3, 5])
    >>> round(float(model.coef_[0]), 4)
    2.0
    """

    name = "svrg"
    steps = SnapshotSteps
    by_rows = False

    def unit_step(self, curvature: float, full: bool) -> float:
        """See `Optimizer.unit_step`."""
        return 0.5 / curvature

    def resolve_batch_size(
        self, batch_size: int | str, n_features: int, per_row: float
    ) -> int | str:
        """Rows per update; "auto" means as many as outweigh a step of O(n_features).

        Updates with short sparse rows take O(n_outputs) per entry, so 64 of them do.
        With long sparse rows larger batches are faster all the same, because they can
        be centred. Without that, the largest curvature is about the number of entries
        of a row.
        """
        if batch_size == "auto":
            few = FEW * SHORT_BATCH * per_row < n_features
            if per_row <= SHORT and few:
                return SHORT_BATCH
            return int(np.clip(n_features / max(1.0, per_row), 64, 1024))
        if not isinstance(batch_size, numbers.Integral):
            raise ValueError(
                "batch_size='full' leaves optimizer='svrg' no variance to reduce. Use "
                "a number of rows, or optimizer='sgd' for plain batch descent. "
                f"{grid_of_dicts(self.name, [1, 32], [1, 32, 'full'])}"
            )
        return batch_size


class BatchOptimizer(Optimizer):
    """Base class of the optimizers that use all rows in every step."""

    why_no_stream = "needs all rows at once"
    takes_learning_rate = False
    estimates_gap = True
    shuffles = False

    def check_run(self, settings: Any, loss: Any) -> None:
        """Raise ValueError for a run that this optimizer cannot make."""
        super().check_run(settings, loss)
        if loss.degenerate:
            raise ValueError(
                f"loss={loss.name!r} is not possible with optimizer={self.name!r}: its "
                "minimum is at zero coefficients, whatever the data are. Use "
                "optimizer='sgd', optimizer='auto' or another loss."
            )
        self.refuse_average(settings)

    def resolve_batch_size(
        self, batch_size: int | str, n_features: int, per_row: float
    ) -> int | str:
        """Rows per update: all."""
        if batch_size not in ("auto", "full"):
            raise ValueError(
                f"batch_size={batch_size!r} is not possible with optimizer="
                f"{self.name!r}, which uses all rows in every step. Use "
                "batch_size='full', or optimizer='svrg' for mini-batches. "
                f"{grid_of_dicts(self.name, ['full'], [1, 32, 'full'])}"
            )
        return "full"


class Newton(BatchOptimizer):
    """Newton's method, with the Hessian or an approximation of it.

    The update is ``w = w - t * inverse(B) @ gradient`` with a step length t from a line
    search. The matrix B is diagonal at first, then a bound of the Hessian (for several
    outputs), then the Hessian at some of the iterates; each is computed once the time
    spent on passes over X justifies it. The last ``memory`` steps correct B as in
    L-BFGS.

    Parameters
    ----------
    memory : int, default=8
        Number of past steps that correct B. 0 means none.

    Notes
    -----
    Squared error is solved in one step, by a Cholesky factor of the centred Gram
    matrix. With an l1 penalty, or coefficients of given signs, the quadratic model is
    minimised by coordinate descent (proximal Newton). A non-smooth loss is smoothed by
    a logarithmic barrier that is lowered during the run (an interior-point method).

    Memory is O(n_features**2). From 3000 features on B stays diagonal, and an l1
    penalty or given signs make the steps those of `FISTA`. Without these, few rows of
    many columns are replaced by their coordinates in the space that they span, which
    takes O(n_samples * n_features) memory.

    References
    ----------
    Liu and Nocedal, "On the limited memory BFGS method for large scale optimization",
    1989. Boehning, "Multinomial logistic regression algorithm", 1992. Lee, Sun and
    Saunders, "Proximal Newton-type methods for minimizing composite functions", 2014.

    Examples
    --------
    >>> from sklgd.optimizers import Newton
    >>> Newton()
    Newton()
    """

    name = "newton"
    training = "quasi_newton"
    curvature = True
    ranges = {"memory": (0, True, float("inf"))}

    def __init__(self, memory: int = 8) -> None:
        self.memory = memory


class LBFGS(Newton):
    """L-BFGS: a quasi-Newton method for many features.

    The update is ``w = w - t * H @ gradient``, where H approximates the inverse of the
    Hessian by the last ``memory`` steps, starting from a diagonal matrix, and t is the
    step length that a line search finds. The line search works on the raw predictions
    and needs no product with X. An l1 penalty is not possible.

    Parameters
    ----------
    memory : int, default=5
        Number of past steps.

    Notes
    -----
    Memory is O(n_features), so this suits wide and sparse data. A non-smooth loss is
    smoothed by a logarithmic barrier that is lowered during the run.

    References
    ----------
    Nocedal, "Updating quasi-Newton matrices with limited storage", 1980. Liu and
    Nocedal, "On the limited memory BFGS method for large scale optimization", 1989.

    Examples
    --------
    >>> from sklgd.optimizers import LBFGS
    >>> LBFGS(memory=10)
    LBFGS(memory=10)
    """

    name = "lbfgs"
    curvature = False
    needs_smooth_penalty = True
    why_no_signs = "needs a smooth penalty"

    def __init__(self, memory: int = 5) -> None:
        super().__init__(memory)


class FISTA(BatchOptimizer):
    """FISTA: accelerated proximal gradient descent, for l1 penalties on many features.

    The update is ``w = prox(y - theta * gradient(y))``, where ``y = w + beta * (w -
    w_last)`` and beta is Nesterov's momentum. The momentum starts again when an update
    points against it, and theta is found by backtracking. The zeros of an l1 penalty
    are exact.

    Notes
    -----
    A non-smooth loss is smoothed by a logarithmic barrier that is lowered during the
    run.

    References
    ----------
    Beck and Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear
    inverse problems", 2009, equations (4.1) to (4.3). O'Donoghue and Candes, "Adaptive
    restart for accelerated gradient schemes", 2015.

    Examples
    --------
    >>> from sklgd.optimizers import FISTA
    >>> FISTA()
    FISTA()
    """

    name = "fista"
    training = "proximal_gradient"
    any_penalty = True

    def __init__(self) -> None:
        pass


class Online(Optimizer):
    """Online learning of single rows, without scaling and without a learning rate.

    The update with a row x is ``w_j = w_j - D_j * a * x_j``, a proximal step: a is the
    derivative of the row's loss after the update, so that no update passes the minimum
    of that loss. The learning rate of a feature is ``D_j = 1 / (P_j**(1 - power) * (P_j
    + G_j)**power)``, where G_j is the sum of ``h * x_j**2`` over all rows, h being the
    second derivative of the loss. ``P_j = n * s_j**2 / prior_scale**2`` is the
    precision of a normal prior for w_j, where s_j is the running size of the column and
    n the mean number of active features in a row.

    Columns of dense X are centred with their running means. The model that predicts is
    a mixture of the last iterate, of the average of the iterates with the weights
    ``t**average``, and of the best constant model. The mixture follows the progressive
    loss, that of each row before it is learnt.

    Parameters
    ----------
    prior_scale : float, default=8.0
        Standard deviation of the raw predictions before the first row, in units of the
        standard deviation of y or, for classification, of one. A quarter of it is taken
        for losses with a log link.
    power : float, default=2/3
        Exponent of the fall of the learning rates, in (1/2, 1).
    average : float, default=2.0
        Exponent of the weights of the average, zero or more; at least 8 from the second
        pass over the same rows on.
    second_order : bool, default=True
        Whether dense rows of up to 100 columns are learnt by recursive least squares,
        too (squared error, and the log loss of two classes, without l1). Then the model
        is a mixture of both, which follows the progressive loss.

    Notes
    -----
    Every row is one update, whatever the chunks are in which a stream comes.
    A row of weight 3 is learnt as three rows. An entry that is ten times further from
    the mean of its column than its size is an outlier: it is left out of the update,
    and counts as if it were at this limit in the size of the column. The first 40 rows
    of centred columns are learnt again if they hold one. An l2 penalty is
    applied to a feature when the next row with it comes, such that weights are those of
    follow-the-regularised-leader. With an l1 penalty the update has the dual form of
    FTRL-Proximal, which has exact zeros: those of the last iterate are reported.

    Narrow dense rows are learnt by a second rule as well, whose learning rate is the
    inverse of the matrix of second derivatives. These are recursive least squares, or
    for the log loss a step of Newton's method per row; the weight of past rows fades
    like ``t**-1/2``.

    There is no learning rate to choose, and ``batch_size`` is 1. A row costs
    O(n_outputs) per entry, so a call of ``partial_fit`` with CSR rows takes the same
    time however many columns there are.

    References
    ----------
    Kulis and Bartlett, "Implicit online learning", ICML 2010. Karampatziakis and
    Langford, "Online importance weight aware updates", UAI 2011. McMahan,
    "Follow-the-regularized-leader and mirror descent: equivalence theorems and l1
    regularization", 2011. Ross, Mineiro and Langford, "Normalized online learning", UAI
    2013. Polyak and Juditsky, "Acceleration of stochastic approximation by averaging",
    1992. Kempka, Kotlowski and Warmuth, "Adaptive scale-invariant online algorithms for
    learning linear models", ICML 2019.

    Examples
    --------
    >>> from sklgd import GDRegressor
    >>> model = GDRegressor(optimizer="online")
    >>> model = model.partial_fit([[0.0], [1000.0], [2000.0]], [1.0, 3.0, 5.0])
    >>> model.progressive_loss_ >= 0.0
    True
    """

    why_no_signs = "does not keep signs"
    why_uniform = "has one strength of the penalty for all coefficients"
    name = "online"
    training = "online"
    learns_online = True
    ranges = {
        "prior_scale": (0.0, False, INF),
        "power": (0.5, False, 1.0),
        "average": (0.0, True, INF),
    }
    takes_learning_rate = False
    averages = True

    def __init__(
        self,
        prior_scale: float = 8.0,
        power: float = 2.0 / 3.0,
        average: float = 2.0,
        second_order: bool = True,
    ) -> None:
        self.prior_scale = prior_scale
        self.power = power
        self.average = average
        self.second_order = second_order

    def check(self) -> None:
        """Raise ValueError for a parameter outside its range."""
        super().check()
        if not isinstance(self.second_order, (bool, np.bool_)):
            raise ValueError(
                f"{type(self).__name__}: second_order must be True or False, got "
                f"{self.second_order!r}."
            )

    def resolve_batch_size(
        self, batch_size: int | str, n_features: int, per_row: float
    ) -> int:
        """Rows per update: one."""
        if batch_size not in ("auto", 1):
            raise ValueError(
                f"batch_size={batch_size!r} is not possible with optimizer="
                f"{self.name!r}, which learns single rows. Use batch_size='auto', or "
                "another optimizer. "
                f"{grid_of_dicts(self.name, [1], [1, 32, 'full'])}"
            )
        return 1


OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.name: cls
    for cls in (
        SGD, Momentum, Nesterov, Adagrad, RMSprop, Adadelta, Adam, AMSGrad, Nadam,
        AdaMax, FTRL, Online, SAGA, PointSAGA, SVRG, Newton, LBFGS, FISTA,
    )
}  # fmt: skip
"""Optimizer name -> parameter class."""


def optimizer_class(est: Any) -> type[Optimizer]:
    """Class of the parameter ``optimizer``; `Optimizer` itself for "auto"."""
    optimizer = est.optimizer
    if isinstance(optimizer, str):
        return OPTIMIZERS.get(optimizer.lower(), Optimizer)
    return type(optimizer) if isinstance(optimizer, Optimizer) else Optimizer


def optimizer_name(optimizer: Any) -> str | None:
    """Name of an optimizer that is given by name, in lower case; else None."""
    return optimizer.lower() if isinstance(optimizer, str) else None


__all__ = [
    "FISTA",
    "FTRL",
    "LBFGS",
    "OPTIMIZERS",
    "SAGA",
    "SGD",
    "SVRG",
    "AMSGrad",
    "AdaMax",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Momentum",
    "Nadam",
    "Nesterov",
    "Newton",
    "Online",
    "Optimizer",
    "PointSAGA",
    "RMSprop",
]
