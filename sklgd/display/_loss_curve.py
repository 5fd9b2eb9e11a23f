"""`LossCurveDisplay`: the objective after each epoch of one or several fits."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._validation import check_choice
from ._matplotlib import (
    axes_to_draw_on,
    by_name,
    describe,
    for_each,
    import_matplotlib,
    is_one_estimator,
    is_one_result,
    markers,
    name_of_result,
    style,
)

# Curves of at most so many points show them; of longer ones some points are marked.
FEW_POINTS, MARKED = 30, 10
# Reasons for the end of a run that the legend leaves out: it made all of its epochs.
ALL_EPOCHS = ("max_iter", "partial_fit")
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
        Objective by the curve's name.
    scores : dict of str -> array-like of shape (n_scores,), default=None
        Validation scores of some of the curves.
    x : dict of str -> array-like of shape (n_points,), default=None
        Where the points lie on the x axis; None means 1, 2, ...
    x_name : str, default="epochs"
    F_star : float, default=None
        The least objective there is. None takes the lowest of all curves.
    uncertainty : float, default=0.0
        By how much ``F_star`` may be wrong. Gaps below that are not drawn.
    best : dict of str -> int, default=None
        For some of the curves the number (from 0) of the point with the best
        validation score. It is marked by a star.
    stop_reasons : dict of str -> str, default=None
        For some of the curves why the run ended. The legend names it.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One for each curve.
    score_ax_ : matplotlib Axes or None
        Those of the scores, on the right.
    score_lines_ : list of matplotlib Line2D
    best_marks_ : list of matplotlib Line2D
        One star for each curve in ``best``.

    See Also
    --------
    DescentPathDisplay : Where the coefficients went.
    LearningRateDisplay : Which learning rate to take.

    Notes
    -----
    A curve that is flat for an epoch and then falls again comes from
    ``learning_rate="auto"``: an epoch that increased the objective was undone, and
    repeated with half the learning rate.

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
    >>> display = LossCurveDisplay.from_estimator(models)
    >>> display.ax_.get_ylabel()
    'objective - lowest objective'
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
        best=None,
        stop_reasons=None,
    ):
        self.objectives = objectives
        self.scores = scores
        self.x = x
        self.x_name = x_name
        self.F_star = F_star
        self.uncertainty = uncertainty
        self.best = best
        self.stop_reasons = stop_reasons

    @classmethod
    def from_estimator(
        cls, estimators, *, kind="auto", x="epochs", F_star=None,
        validation=False, ax=None, line_kw=None, score_kw=None,
    ):  # fmt: skip
        """Draw the curves of fitted estimators.

        The legend says why a run ended, unless it made all of its epochs. With
        ``early_stopping=True`` a star marks the epoch of the best validation score.

        Parameters
        ----------
        estimators : estimator, list of estimators, or dict of str -> estimator
            Fitted by `fit` or by calls of `partial_fit`; in the latter case a point is
            the objective on the rows of one call. Any estimator with a ``loss_curve_``
            can be drawn; of a pipeline, pass the last step, ``pipeline[-1]``.
        kind : {"auto", "objective", "gap"}, default="auto"
            "objective" draws the objective itself. "gap" draws its distance from the
            minimum ``F_star`` on a logarithmic scale, on which curves remain apart
            until the end. Without ``F_star`` the lowest objective of all curves takes
            its place, and gaps are drawn down to what is known about it: the best
            curve's own ``optimality_gap_``, or what that curve still gained in its last
            tenth. "auto" means "gap" for several estimators after `fit`, and
            "objective" otherwise.
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
        objectives, scores, places, best, reasons = {}, {}, {}, {}, {}
        for name, estimator in named.items():
            objectives[name] = _objectives(name, estimator)
            if getattr(estimator, "early_stopping", False):
                best[name] = int(np.argmax(_scores(name, estimator)))
            reasons[name] = getattr(estimator, "stop_reason_", None)
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
            best=best,
            stop_reasons=reasons,
        )
        if kind == "auto":
            same_rows = len(named) > 1 and "partial_fit" not in reasons.values()
            kind = "gap" if same_rows else "objective"
        return display.plot(ax, kind=kind, line_kw=line_kw, score_kw=score_kw)

    @classmethod
    def from_result(cls, results, *, kind="auto", F_star=None, ax=None, line_kw=None):
        """Draw the function values of runs of `sklgd.minimize`.

        Parameters
        ----------
        results : OptimizeResult, list of them, or dict of str -> OptimizeResult
            With ``fun_path``.
        kind, F_star, ax, line_kw
            As in `from_estimator`. Without ``F_star`` gaps are drawn down to what the
            best run still gained in its last tenth. "auto" means "gap" for several
            results.

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
        if kind == "auto":
            kind = "gap" if len(named) > 1 else "objective"
        return display.plot(ax, kind=kind, line_kw=line_kw)

    def plot(self, ax=None, *, kind="objective", line_kw=None, score_kw=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        kind : {"objective", "gap"}, default="objective"
            The objective, or its distance from the minimum on a logarithmic scale. Gaps
            at most as large as ``uncertainty`` or rounding are left out.
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
            label = "objective"
        self.lines_: list[Any] = []
        self.best_marks_: list[Any] = []
        for number, (name, kwargs) in enumerate(
            zip(self.objectives, given, strict=True)
        ):
            F = np.asarray(self.objectives[name], dtype=float)
            if kind == "gap":
                gap = F - self.lowest
                F = np.where(gap > floor, gap, np.nan)
            options = {**style(number), **_points(number, F)}
            options |= {"label": self._label(name), **kwargs}
            x = self._places(name, len(F))
            self.lines_ += ax.plot(x, F, **options)
            if name in (self.best or {}):
                self._mark_best(ax, x, F, self.best[name])
        ax.set(xlabel=self.x_name, ylabel=label)
        _whole_numbers(ax)
        self._plot_scores(ax, score_kw)
        handles = self.lines_ + self.best_marks_[:1] + self.score_lines_
        if self.score_ax_ is not None:
            # Above the picture: there is no place without a curve of either axes.
            ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        elif len(handles) > 1:
            ax.legend(handles=handles)
        else:
            ax.set_title(*map(self._label, self.objectives))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _label(self, name):
        """The name of a curve, and why its run ended."""
        reason = (self.stop_reasons or {}).get(name)
        if reason is None or reason in ALL_EPOCHS:
            return name
        return f"{name} ({reason.replace('_', ' ')})"

    def _mark_best(self, ax, x, F, best):
        """A star at the point with the best validation score."""
        self.best_marks_ += ax.plot(
            x[best], F[best], marker="*", markersize=13, zorder=4, linestyle="none",
            color=self.lines_[-1].get_color(), markeredgecolor="black",
            label="best validation score",
        )  # fmt: skip

    @property
    def lowest(self):
        """F*: as given, or the lowest objective of all curves."""
        if self.F_star is not None:
            return self.F_star
        return float(min(np.nanmin(F) for F in self.objectives.values()))

    def _start_of_gaps(self):
        """Least gap that is worth drawing, and the name of a gap."""
        floor = max(self.uncertainty, ROUNDING * abs(self.lowest))
        lowest = "lowest objective" if self.F_star is None else "minimum"
        return floor, f"objective - {lowest}"

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
            number = places.index(name)
            options = {
                **style(number), "linestyle": "--", **_points(number, scores),
                "label": f"{name}, validation", **kwargs,
            }  # fmt: skip
            x = self._places(name, len(scores))
            self.score_lines_ += self.score_ax_.plot(x, scores, **options)


def _points(number, values):
    """Markers of a curve: on all of its points if they are few, or on some."""
    few = len(values) <= FEW_POINTS
    return markers(number, len(values), FEW_POINTS if few else MARKED)


def _whole_numbers(ax):
    """Ticks of the x axis at whole epochs, steps or rows only."""
    import_matplotlib("LossCurveDisplay.plot")
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(
        MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )


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
