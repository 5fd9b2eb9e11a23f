"""`LossCurveDisplay`: the objective after each epoch of one or several fits."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._validation import check_choice
from ._matplotlib import (
    axes_to_draw_on,
    by_name,
    describe,
    for_each,
    is_one_estimator,
    is_one_result,
    name_of_result,
    style,
)

# Curves of at most so many points show them.
FEW_POINTS = 30
# Objectives that differ by less than this share of them may differ by rounding alone.
ROUNDING = 1e-15
# Where the method gives no estimate of what is left to gain, this share of the epochs
# of the best curve, its last ones, show it.
LAST_SHARE = 0.1


class LossCurveDisplay:
    """Objective after each epoch, for one or several fitted estimators.

    Use `from_estimator` for fitted estimators. The constructor takes curves of any
    other origin: objectives after single steps, or of other libraries.

    Parameters
    ----------
    objectives : dict of str -> array-like of shape (n_points,)
        Objective F by the curve's name.
    scores : dict of str -> array-like of shape (n_scores,), default=None
        Validation scores of some of the curves.
    x : dict of str -> array-like of shape (n_points,), default=None
        Where the points lie on the x axis; None means 1, 2, ...
    x_name : str, default="epochs"
    F_star : float, default=None
        The least objective there is. None takes the lowest of all curves.
    uncertainty : float, default=0.0
        By how much ``F_star`` may be wrong. Gaps below that are not drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One for each curve.
    score_ax_ : matplotlib Axes or None
        Those of the scores, on the right.
    score_lines_ : list of matplotlib Line2D

    See Also
    --------
    DescentPathDisplay : Where the coefficients went.
    LearningRateDisplay : Which learning rate to take.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklgd import GDRegressor
    >>> from sklgd.display import LossCurveDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> models = {
    ...     name: GDRegressor(optimizer=name, batch_size="full").fit(X, y)
    ...     for name in ("sgd", "nesterov", "newton")
    ... }
    >>> display = LossCurveDisplay.from_estimator(models, kind="gap")
    >>> display.ax_.get_ylabel()
    'F - lowest F'
    """

    def __init__(
        self,
        objectives,
        *,
        scores=None,
        x=None,
        x_name="epochs",
        F_star=None,
        uncertainty=0.0,
    ):
        self.objectives = objectives
        self.scores = scores
        self.x = x
        self.x_name = x_name
        self.F_star = F_star
        self.uncertainty = uncertainty

    @classmethod
    def from_estimator(
        cls, estimators, *, kind="objective", x="epochs", F_star=None,
        validation=False, ax=None, line_kw=None, score_kw=None,
    ):  # fmt: skip
        """Draw the curves of fitted estimators.

        Parameters
        ----------
        estimators : estimator, list of estimators, or dict of str -> estimator
            Fitted by `fit` or by calls of `partial_fit`; in the latter case a point is
            F on the rows of one call. Any estimator with a ``loss_curve_`` will do; of
            a pipeline take the last step, ``pipeline[-1]``.
        kind : {"objective", "gap"}, default="objective"
            F, or F - F* on a logarithmic scale. Without ``F_star`` the lowest objective
            of all curves takes its place, and gaps are drawn down to what is known
            about it: the best curve's own ``optimality_gap_``, or what that curve
            still gained in its last tenth.
        x : {"epochs", "rows"}, default="epochs"
            Unit of the x axis: passes over the rows, or rows seen. Calls of
            `partial_fit` count as equally long.
        F_star : float, default=None
            The least objective there is, where it is known.
        validation : bool, default=False
            Draw ``validation_scores_`` too, on a second axis.
        ax : matplotlib Axes, default=None
            None makes a new figure.
        line_kw, score_kw : dict or list of dicts, default=None
            Keywords of ``Axes.plot`` for the objectives and for the scores: one dict
            for all estimators or one for each.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If an estimator is not fitted.
        TypeError
            If an estimator keeps no objectives.
        ValueError
            If there are no validation scores, or for an unknown ``kind`` or ``x``.
        """
        check_choice("x", x, ("epochs", "rows"))
        named = by_name(estimators, is_one_estimator, describe)
        if not named:
            raise ValueError("estimators is empty; give at least one fitted estimator.")
        objectives, scores, places = {}, {}, {}
        for name, estimator in named.items():
            objectives[name] = _objectives(name, estimator)
            epochs = np.arange(1.0, len(objectives[name]) + 1.0)
            per_epoch = 1.0 if x == "epochs" else _rows_per_epoch(name, estimator)
            places[name] = per_epoch * epochs
            if validation:
                scores[name] = _scores(name, estimator)
        uncertainty = 0.0
        if F_star is None:
            lowest = min(named, key=lambda name: np.nanmin(objectives[name]))
            uncertainty = _left_to_gain(named[lowest], lowest, objectives)
        display = cls(
            objectives,
            scores=scores or None,
            x=places,
            x_name="epochs" if x == "epochs" else "rows seen",
            F_star=F_star,
            uncertainty=uncertainty,
        )
        return display.plot(ax, kind=kind, line_kw=line_kw, score_kw=score_kw)

    @classmethod
    def from_result(
        cls, results, *, kind="objective", F_star=None, ax=None, line_kw=None
    ):
        """Draw the function values of runs of `sklgd.minimize`.

        Parameters
        ----------
        results : OptimizeResult, list of them, or dict of str -> OptimizeResult
            With ``fun_path``.
        kind, F_star, ax, line_kw
            As in `from_estimator`. Without ``F_star`` gaps are drawn down to what the
            best run still gained in its last tenth.

        Returns
        -------
        display : LossCurveDisplay

        Examples
        --------
        >>> from sklgd import minimize
        >>> from sklgd.display import LossCurveDisplay
        >>> results = [
        ...     minimize(lambda x: x @ x, [1.0, 2.0], jac=lambda x: 2.0 * x,
        ...              optimizer=name, learning_rate=0.1)
        ...     for name in ("sgd", "adam")]
        >>> display = LossCurveDisplay.from_result(results, kind="gap", F_star=0.0)
        >>> display.ax_.get_xlabel()
        'steps'
        """
        named = by_name(results, is_one_result, name_of_result)
        if not named:
            raise ValueError("results is empty; give at least one OptimizeResult.")
        values = {name: np.asarray(result.fun_path) for name, result in named.items()}
        uncertainty = 0.0
        if F_star is None:
            uncertainty = _gained_last(min(values.values(), key=np.nanmin))
        display = cls(
            values,
            x={name: np.arange(float(len(F))) for name, F in values.items()},
            x_name="steps",
            F_star=F_star,
            uncertainty=uncertainty,
        )
        return display.plot(ax, kind=kind, line_kw=line_kw)

    def plot(self, ax=None, *, kind="objective", line_kw=None, score_kw=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        kind : {"objective", "gap"}, default="objective"
            F, or F - F* on a logarithmic scale. Gaps at most as large as
            ``uncertainty`` or rounding are left out.
        line_kw, score_kw : dict or list of dicts, default=None
            Keywords of ``Axes.plot``.

        Returns
        -------
        display : LossCurveDisplay
        """
        check_choice("kind", kind, ("objective", "gap"))
        ax = axes_to_draw_on(ax, "LossCurveDisplay.plot")
        n_curves = len(self.objectives)
        given = for_each("line_kw", line_kw, n_curves)
        if kind == "gap":
            floor, label = self._start_of_gaps()
            ax.set_yscale("log")
        else:
            label = "objective F"
        self.lines_ = []
        for number, (name, kwargs) in enumerate(
            zip(self.objectives, given, strict=True)
        ):
            F = np.asarray(self.objectives[name], dtype=float)
            if kind == "gap":
                gap = F - self.lowest
                F = np.where(gap > floor, gap, np.nan)
            options = {**style(number), **_points(F), "label": name, **kwargs}
            self.lines_ += ax.plot(self._places(name, len(F)), F, **options)
        ax.set(xlabel=self.x_name, ylabel=label)
        self._plot_scores(ax, score_kw)
        if n_curves > 1 or self.score_lines_:
            lines = self.lines_ + self.score_lines_
            # (The axes of the scores lie on top of the others and of their legend.)
            (self.score_ax_ or ax).legend(handles=lines)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    @property
    def lowest(self):
        """F*: as given, or the lowest objective of all curves."""
        if self.F_star is not None:
            return self.F_star
        return float(min(np.nanmin(F) for F in self.objectives.values()))

    def _start_of_gaps(self):
        """Least gap that is worth drawing, and the name of a gap."""
        floor = max(self.uncertainty, ROUNDING * abs(self.lowest))
        return floor, "F - lowest F" if self.F_star is None else "F - F*"

    def _places(self, name, n_points):
        if self.x is None:
            return np.arange(1.0, n_points + 1.0)
        return np.asarray(self.x[name])[:n_points]

    def _plot_scores(self, ax, score_kw):
        """Draw the validation scores, dashed, on separate axes."""
        self.score_ax_, self.score_lines_ = None, []
        if not self.scores:
            return
        self.score_ax_ = ax.twinx()
        self.score_ax_.set_ylabel("validation score (dashed)")
        given = for_each("score_kw", score_kw, len(self.scores))
        places = list(self.objectives)
        for (name, scores), kwargs in zip(self.scores.items(), given, strict=True):
            colour = style(places.index(name))["color"]
            options = {
                "color": colour, "linestyle": "--", **_points(scores),
                "label": f"{name}, validation", **kwargs,
            }  # fmt: skip
            x = self._places(name, len(scores))
            self.score_lines_ += self.score_ax_.plot(x, scores, **options)


def _points(values):
    """Markers for a curve of few points, of which one would otherwise be invisible."""
    return {"marker": "o", "markersize": 4} if len(values) <= FEW_POINTS else {}


def _objectives(name, estimator):
    check_is_fitted(estimator)
    if getattr(estimator, "loss_curve_", None) is None:
        raise TypeError(
            f"{name!r} has no loss_curve_: {type(estimator).__name__} keeps no "
            "objectives. Pass a GDRegressor or GDClassifier (of a pipeline the last "
            "step, pipeline[-1]; of a search best_estimator_)."
        )
    return np.array(estimator.loss_curve_, dtype=float)


def _rows_per_epoch(name, estimator):
    if not hasattr(estimator, "t_"):
        raise TypeError(f"{name!r} has no t_, the number of rows seen. Use x='epochs'.")
    return (estimator.t_ - 1.0) / estimator.n_iter_


def _scores(name, estimator):
    scores = getattr(estimator, "validation_scores_", None)
    if scores is None:
        raise ValueError(
            f"{name!r} has no validation scores. Fit it with early_stopping=True, or "
            "with X_val and y_val; or use validation=False."
        )
    return np.array(scores, dtype=float)


def _left_to_gain(best, name, objectives):
    """By how much the optimum may lie below the lowest objective seen."""
    curve = objectives[name]
    share = getattr(best, "optimality_gap_", np.nan)
    if np.isfinite(share):
        highest = max(np.max(F[np.isfinite(F)]) for F in objectives.values())
        return share * (highest - np.nanmin(curve))
    return _gained_last(curve)


def _gained_last(curve):
    """What a curve gained in its last epochs."""
    last = max(1, round(LAST_SHARE * len(curve)))
    return max(0.0, curve[max(0, len(curve) - 1 - last)] - np.nanmin(curve))
