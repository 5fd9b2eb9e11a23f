"""`LearningRateDisplay`: a learning-rate range test."""

import warnings
from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from .._fit.objective import Objective
from .._fit.statistics import stable_step
from .._minimize import minimize
from ..optimizers import optimizer_class
from ._matplotlib import axes_to_draw_on, style
from ._runs import copy_for_runs

# Decades that are searched on either side of the first guess.
DECADES = 12
# What `minimize` calls a run that left the finite numbers.
NOT_FINITE = 4
# The picture begins where a learning rate gains less than this share of the best.
LITTLE = 0.02
# The largest stable step of plain descent is 2/L and the step 1/L a safe one.
SAFE = 0.5
# What the picture has beside the first and the last learning rate, as a factor.
ROOM = 1.5
# A run up to so many times longer than the test's tries the suggestion, and may lose
# this share of what the short one had gained.
LONGER, LOSS = 10, 0.05


class LearningRateDisplay:
    """Objective after a few epochs against the learning rate.

    Each point is a separate short run from the same start, so that the picture shows
    what that learning rate does. Smith's range test [1]_ increases the learning rate
    within one run. That is cheaper, but each step starts where the last one ended, so
    a bad step spoils those that follow. Linear models are fast enough for separate
    runs.

    Parameters
    ----------
    learning_rates : ndarray of shape (n_rates,)
        Learning rates in ascending order.
    objectives : ndarray of shape (n_rates,)
        Objective at the end of each run, inf where it diverged.
    start : float
        Objective at the start of all runs.
    highest : ndarray of shape (n_rates,), default=None
        Largest objective in the second half of each run.
    suggestion : float, default=None
        The learning rate to take.
    x_name, y_name : str, default="learning rate" and "objective"

    Attributes
    ----------
    limit : float or None
        The smallest learning rate from which on no run ended below its start.
    unstable : float or None
        The smallest learning rate, below ``limit``, from which on the objective of
        every run was above that of the start in the second half of the run.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
    band_ : matplotlib PolyCollection or None
        From the last objective to the largest in the second half of the run: noise.
    start_line_ : matplotlib Line2D
        At the height of the start.
    suggestion_line_ : matplotlib Line2D or None
    diverging_ : matplotlib Patch or None
        The shaded region from ``limit`` on.
    unstable_ : matplotlib Patch or None
        The lighter region from ``unstable`` to ``limit``.

    See Also
    --------
    LossCurveDisplay : The objective after each epoch.

    Notes
    -----
    The suggestion is the learning rate whose largest objective in the second half of
    the run is the lowest (the last one depends on chance if gradients are noisy).
    Only those up to half of ``limit`` count: plain descent is stable up to 2/L, L being
    the largest curvature, and 1/L is the textbook's step. It is then tried in a run up
    to ten times as long, of an estimator with its own ``tol`` and ``max_iter``. If that
    diverges or stalls, or loses a twentieth of what the short run had gained, the next
    smaller learning rate is tried. None means that no learning rate passed.

    References
    ----------
    .. [1] L. N. Smith, "Cyclical learning rates for training neural networks",
       WACV 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklgd import GDClassifier
    >>> from sklgd.display import LearningRateDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = (X - X.mean(axis=0)) / X.std(axis=0)
    >>> model = GDClassifier(optimizer="momentum", batch_size=32, random_state=0)
    >>> display = LearningRateDisplay.from_estimator(model, X, y)
    >>> model.set_params(learning_rate=display.suggestion).fit(X, y).score(X, y) > 0.97
    True
    """

    def __init__(
        self, learning_rates, objectives, *, start, highest=None, suggestion=None,
        x_name="learning rate", y_name="objective",
    ):  # fmt: skip
        self.learning_rates = learning_rates
        self.objectives = objectives
        self.start = start
        self.highest = highest
        self.suggestion = suggestion
        self.x_name = x_name
        self.y_name = y_name

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, sample_weight=None, learning_rates=None, n_rates=25,
        n_epochs=10, ax=None, line_kw=None,
    ):  # fmt: skip
        """Run the test with clones of an estimator.

        Parameters
        ----------
        estimator : GDRegressor or GDClassifier
            Fitted or not; it is not changed. With ``learning_rate`` "auto" or a number
            the rates are constant learning rates; otherwise they are ``eta0`` of the
            schedule.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        learning_rates : array-like, default=None
            Learning rates to test. None finds the range: from where little is gained to
            where the objective ends above its start, searched from the largest stable
            learning rate of plain descent.
        n_rates : int, default=25
            Number of learning rates in a range that is found.
        n_epochs : int, default=10
            Length of the runs. There are some 20 beside the ``n_rates``: for the range
            and for the suggestion.
        ax : matplotlib Axes, default=None
            None makes a new figure.
        line_kw : dict, default=None
            Keywords of ``Axes.plot`` for the objectives.

        Returns
        -------
        display : LearningRateDisplay

        Raises
        ------
        ValueError
            If the estimator has no learning rate to test, or its loss is zero at w = 0.
        """
        if estimator._make_loss().degenerate:
            raise ValueError(
                f"loss={estimator.loss!r} vanishes at w = 0: its objective cannot "
                "tell a good learning rate from a bad one. Use loss='hinge'."
            )
        model = copy_for_runs(estimator)
        key = _rate_parameter(model)

        def fit(rate, length, tol=None):
            params = {key: rate, "max_iter": length, "tol": tol}
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore", ConvergenceWarning)
                return clone(model).set_params(**params).fit(X, y, sample_weight)

        def run(rate):
            return _curve(fit(rate, n_epochs))

        def try_out(rate):
            length = min(estimator.max_iter, LONGER * n_epochs)
            return _curve(fit(rate, length, estimator.tol))

        fitted = fit(1.0, 1)
        F = Objective(fitted, X, y, sample_weight)
        guess = stable_step(F.data, fitted.batch_size_)[0]
        display = cls(
            **_range_test(
                run, try_out, F(np.zeros_like(F.coef)), guess, learning_rates, n_rates
            ),
            x_name=key.removesuffix("__eta0"),
            y_name=f"objective after {n_epochs} epochs",
        )
        return display.plot(ax, line_kw=line_kw)

    @classmethod
    def from_function(
        cls, fun, x0, *, jac=None, optimizer="sgd", args=(), learning_rates=None,
        n_rates=25, n_steps=20, ax=None, line_kw=None, **options,
    ):  # fmt: skip
        """Run the test with `sklgd.minimize`.

        Parameters
        ----------
        fun : function of an ndarray of shape (n,)
        x0 : array-like of shape (n,)
            Start of all runs.
        jac : function or True, default=None
            Gradient, as in `minimize`.
        optimizer : str or Optimizer, default="sgd"
        args : tuple, default=()
        learning_rates, n_rates, ax, line_kw
            As in `from_estimator`.
        n_steps : int, default=20
            Length of the runs.
        **options
            More keywords of `minimize`.

        Returns
        -------
        display : LearningRateDisplay

        Examples
        --------
        The step of 1/2 solves x^2 + 1 at once, and one above 1 diverges.

        >>> from sklgd.display import LearningRateDisplay
        >>> display = LearningRateDisplay.from_function(
        ...     lambda x: x[0] ** 2 + 1.0, [3.0], jac=lambda x: 2.0 * x)
        >>> 0.9 < display.limit < 1.6, 0.1 < display.suggestion <= 0.8
        (True, True)
        """
        x0 = np.asarray(x0, dtype=float)

        def run(rate, length=n_steps):
            result = minimize(
                fun, x0, args, jac=jac, optimizer=optimizer, learning_rate=rate,
                max_iter=length, **{"tol": 0.0, **options},
            )  # fmt: skip
            return [np.inf] if result.status == NOT_FINITE else result.fun_path

        def try_out(rate):
            return run(rate, LONGER * n_steps)

        value = fun(x0, *args)
        start = float(value[0] if jac is True else value)
        display = cls(
            **_range_test(run, try_out, start, 1.0, learning_rates, n_rates),
            y_name=f"objective after {n_steps} steps",
        )
        return display.plot(ax, line_kw=line_kw)

    @property
    def limit(self):
        """The smallest learning rate from which on no run ended below its start."""
        return _limit(self.learning_rates, self.objectives, self.start)

    @property
    def unstable(self):
        """The smallest learning rate from which on all runs rose above their start."""
        if self.highest is None:
            return None
        first = _limit(self.learning_rates, self.highest, self.start)
        return None if first == self.limit else first

    def plot(self, ax=None, *, line_kw=None):
        """Draw the objectives, the unstable and diverging regions, the suggestion.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        line_kw : dict, default=None
            Keywords of ``Axes.plot``.

        Returns
        -------
        display : LearningRateDisplay
        """
        ax = axes_to_draw_on(ax, "LearningRateDisplay.plot")
        rates, F = np.asarray(self.learning_rates), np.asarray(self.objectives)
        options = {**style(0), "marker": "o", "markersize": 4}
        options |= {"label": "at the end of the run", **(line_kw or {})}
        # (Ends of runs far above the start would hide all others.)
        lowest = min(F.min(), self.start)
        room = 0.1 * (self.start - lowest) or 1.0
        right = rates[-1] * ROOM
        (self.line_,) = ax.plot(rates, np.where(np.isfinite(F), F, np.nan), **options)
        self.band_ = None
        if self.highest is not None:
            self.band_ = ax.fill_between(
                rates, F, self.highest, where=np.isfinite(self.highest),
                color=self.line_.get_color(), alpha=0.2, linewidth=0,
                label="up to the largest in the last half of the run",
            )  # fmt: skip
        self.start_line_ = ax.axhline(
            self.start, color="0.4", linewidth=1.0, linestyle=":", label="at the start"
        )
        handles = [self.line_, self.band_, self.start_line_]
        self.diverging_ = self.unstable_ = self.suggestion_line_ = None
        if self.unstable is not None:
            self.unstable_ = ax.axvspan(
                self.unstable, self.limit or right, color=style(4)["color"], alpha=0.2,
                linewidth=0, label="unstable: rises above the start",
            )  # fmt: skip
        if self.limit is not None:
            self.diverging_ = ax.axvspan(
                self.limit, right, color=style(1)["color"], alpha=0.2, linewidth=0,
                label="too large: ends above the start",
            )  # fmt: skip
        handles += [self.unstable_, self.diverging_]
        if self.suggestion is not None:
            # (Above the start is the place of the legend.)
            (self.suggestion_line_,) = ax.plot(
                [self.suggestion] * 2, [lowest - room, self.start], linestyle="--",
                color=style(2)["color"], label=f"suggestion: {self.suggestion:.2g}",
            )  # fmt: skip
            handles.insert(0, self.suggestion_line_)
        ax.set_xscale("log")
        ax.set(
            xlim=(rates[0] / ROOM, right),
            ylim=(lowest - room, self.start + 10.0 * room),
            xlabel=self.x_name, ylabel=self.y_name,
        )  # fmt: skip
        ax.legend(
            handles=[handle for handle in handles if handle is not None],
            loc="upper left",
            fontsize="small",
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _rate_parameter(model):
    """Name of the parameter that holds the learning rate of a clone.

    Raises
    ------
    ValueError
        If it has none.
    """
    if not optimizer_class(model).takes_learning_rate:
        raise ValueError(
            f"optimizer={model.optimizer!r} has no learning rate that could be tested: "
            "it finds the length of each step itself. Use another optimizer."
        )
    rate = model.learning_rate
    if isinstance(rate, Real) or rate in ("auto", "constant"):
        model.set_params(eta0=None)
        return "learning_rate"
    if isinstance(rate, str) and rate != "optimal":
        return "eta0"
    keys = [
        key for key in model.get_params()
        if key.startswith("learning_rate__") and key.endswith("__eta0")
    ]  # fmt: skip
    if not keys:
        raise ValueError(
            f"learning_rate={rate!r} has no eta0 that could be tested. Use a number, "
            "or a schedule with a first learning rate."
        )
    return keys[0]


def _curve(fitted):
    """Objectives of a run, [inf] if it came to nothing."""
    failed = fitted.stop_reason_ in ("diverged", "stalled")
    return [np.inf] if failed else fitted.loss_curve_


def _range_test(run, try_out, start, guess, rates, n_rates):
    """What the display shows, by the names of its parameters.

    ``run(rate)`` gives the objectives of a short run, [inf] if it diverged, ``try_out``
    those of a longer one; ``start`` is the objective before all runs.
    """
    if rates is None:
        low, high = _find_range(lambda rate: run(rate)[-1], start, guess)
        rates = np.geomspace(low, high, n_rates)
    else:
        rates = np.unique(np.asarray(rates, dtype=float))
        if not len(rates) or not rates[0] > 0.0 or not np.isfinite(rates[-1]):
            raise ValueError(
                f"learning_rates must be positive numbers, got {rates.tolist()}."
            )
    curves = [run(rate) for rate in rates]
    objectives = np.array([curve[-1] for curve in curves])
    highest = np.array([_highest(curve) for curve in curves])

    def works(place):
        gain = start - highest[place]
        return _highest(try_out(rates[place])) <= highest[place] + LOSS * gain

    limit = _limit(rates, objectives, start)
    place = _suggest(works, start, rates, highest, limit)
    return {
        "learning_rates": rates,
        "objectives": objectives,
        "start": start,
        "highest": highest,
        "suggestion": None if place is None else float(rates[place]),
    }


def _highest(curve):
    """The highest objective in the second half of a run."""
    return max(curve[len(curve) // 2 :])


def _find_range(run, start, guess):
    """From where little is gained to where nothing is, by decades."""
    ends = {0: run(guess)}
    while not ends[max(ends)] >= start and max(ends) < DECADES:
        ends[max(ends) + 1] = run(guess * 10.0 ** (max(ends) + 1))
    while min(ends) > -DECADES:
        gain = start - min(ends.values())
        if gain > 0.0 and start - ends[min(ends)] < LITTLE * gain:
            break
        ends[min(ends) - 1] = run(guess * 10.0 ** (min(ends) - 1))
    useful = [decade for decade, F in ends.items() if F < start]
    high = max(useful, default=0) + 1
    return guess * 10.0 ** min(ends), guess * 10.0**high


def _limit(rates, objectives, start):
    """Smallest of the last rates none of which gained anything, or None."""
    good = np.flatnonzero(objectives < start)
    first = good[-1] + 1 if len(good) else 0
    return float(rates[first]) if first < len(rates) else None


def _suggest(works, start, rates, highest, limit):
    """Place of the learning rate to take, or None; see the class."""
    good = highest < start
    if limit is not None and (good & (rates <= SAFE * limit)).any():
        good &= rates <= SAFE * limit
    places = np.flatnonzero(good)
    if not len(places):
        return None
    best = places[highest[places].argmin()]
    return next((k for k in places[places <= best][::-1] if works(k)), None)
