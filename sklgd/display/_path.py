"""`PathDisplay`: scores and coefficients for many alphas."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._matplotlib import COLOURS, import_matplotlib, style

# So many coefficients are named, and so many degrees of freedom.
NAMED, TICKS = 10, 7


class PathDisplay:
    """Scores of a search for alpha and, below, coefficients; either may be missing.

    Use `from_estimator` for a fitted search and `from_path` for a result of
    `sklgd.path`. Weak penalties are on the right. Coefficients are multiplied by the
    standard deviations of their columns, so that they can be compared.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
    scores : ndarray of shape (n_folds, n_alphas), default=None
    mean, error : ndarrays of shape (n_alphas,), default=None
        Mean scores and their standard errors; None means those of folds of the same
        weight.
    coefs : ndarray of shape (n_alphas, n_coefficients), default=None
    names : list of str, default=None
        Of the coefficients.
    marks : dict of str -> float, default=None
        Alphas to mark, by their names in the legend.
    score_name : str, default="score"
    df : ndarray of shape (n_alphas,), default=None
        Degrees of freedom, for the axis at the top.
    df_name : str, default="degrees of freedom"

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        That of the scores, that of the coefficients, or both.
    figure_ : matplotlib Figure
    score_lines_ : list of matplotlib Line2D
        One for each fold.
    mean_line_ : matplotlib Line2D or None
    coef_lines_ : list of matplotlib Line2D
    df_axis_ : matplotlib Axes or None
        That of the degrees of freedom, at the top.

    See Also
    --------
    LossCurveDisplay : The objective after each epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklgd import GDRegressorCV
    >>> from sklgd.display import PathDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> search = GDRegressorCV(store_path=True).fit(X, y)
    >>> display = PathDisplay.from_estimator(search)
    >>> len(display.coef_lines_)
    10
    """

    def __init__(
        self, alphas, *, scores=None, mean=None, error=None, coefs=None, names=None,
        marks=None, score_name="score", df=None, df_name="degrees of freedom",
    ):  # fmt: skip
        self.alphas = alphas
        self.scores = scores
        self.mean = mean
        self.error = error
        self.coefs = coefs
        self.names = names
        self.marks = marks
        self.score_name = score_name
        self.df = df
        self.df_name = df_name

    @classmethod
    def from_estimator(cls, search, *, axes=None):
        """Draw a fitted `GDRegressorCV` or `GDClassifierCV`.

        Parameters
        ----------
        search : GDRegressorCV or GDClassifierCV
            Coefficients, the means over the folds, are drawn if it was fitted with
            ``store_path=True``; with an l1 penalty the axis at the top has the mean
            numbers of those that are not zero. Of several shares of l1 the chosen one
            is drawn.
        axes : list of matplotlib Axes, default=None
            One for each part; None makes a new figure.

        Returns
        -------
        display : PathDisplay

        Raises
        ------
        TypeError
            If it is another estimator.
        sklearn.exceptions.NotFittedError
            If the search is not fitted.
        """
        if not hasattr(search, "store_path"):
            raise TypeError(
                "search must be a GDRegressorCV or GDClassifierCV, got "
                f"{type(search).__name__}. Pass the last step of a pipeline."
            )
        check_is_fitted(search, "cv_results_")
        results = search.cv_results_
        on_path = results["param_l1_ratio"] == search.l1_ratio_
        mean, error = results["mean_test_score"][on_path], results["se_test_score"]
        error, alphas = error[on_path], results["param_alpha"][on_path]
        place = _place_of(search)
        known = slice(0, len(alphas))
        marks = {f"chosen: {search.alpha_:.2g}": search.alpha_}
        for name, alpha in _others(alphas, mean, error):
            if alpha not in marks.values():
                marks[f"{name}: {alpha:.2g}"] = alpha
        coefs = names = df = None
        if hasattr(search, "coefs_paths_"):
            paths = search.coefs_paths_[:, place, known, :, :-1]
            coefs, names = _comparable(
                paths.mean(axis=0), search.column_scale_,
                getattr(search, "feature_names_in_", None),
            )  # fmt: skip
            plain = search._model(1.0, search.l1_ratio_)
            if not plain._penalty(1.0).smooth:
                df = np.count_nonzero(paths, axis=(2, 3)).mean(axis=0)
        scorer = search.scoring
        name = scorer if isinstance(scorer, str) and scorer != "loss" else "-loss"
        display = cls(
            alphas, scores=search.scores_[:, place, known], mean=mean, error=error,
            coefs=coefs, names=names, marks=marks,
            score_name="score" if callable(scorer) else name, df=df,
            df_name="mean number of coefficients that are not zero",
        )  # fmt: skip
        return display.plot(axes)

    @classmethod
    def from_path(cls, path, *, axes=None):
        """Draw the coefficients of a path.

        Parameters
        ----------
        path : RegularizationPath
            As `sklgd.path` returns it.
        axes : list of matplotlib Axes, default=None
            One of them; None makes a new figure.

        Returns
        -------
        display : PathDisplay

        Raises
        ------
        TypeError
            If it is something else.
        """
        if not hasattr(path, "objective"):
            raise TypeError(
                "path must be what sklgd.path returns, got "
                f"{type(path).__name__}. Draw a search by from_estimator."
            )
        coef = path.coef if path.coef.ndim == 3 else path.coef[:, None, :]
        coefs, names = _comparable(coef, path.column_scale, path.feature_names)
        return cls(path.alphas, coefs=coefs, names=names, df=path.df).plot(axes)

    def plot(self, axes=None):
        """Draw the scores and the coefficients.

        Parameters
        ----------
        axes : list of matplotlib Axes, default=None
            One for each part; None makes a new figure.

        Returns
        -------
        display : PathDisplay
        """
        n_parts = (self.scores is not None) + (self.coefs is not None)
        import_matplotlib("PathDisplay.plot")
        if axes is None:
            import matplotlib.pyplot as plt

            _, axes = plt.subplots(
                n_parts, 1, sharex=True, squeeze=False, layout="constrained",
                figsize=(6.4, 1.2 + 3.2 * n_parts),
            )  # fmt: skip
            axes = axes[:, 0]
        self.axes_ = list(np.atleast_1d(axes))
        if len(self.axes_) != n_parts:
            raise ValueError(
                f"axes must hold {n_parts} Axes, one for each part, got "
                f"{len(self.axes_)}."
            )
        self.figure_ = self.axes_[0].figure
        self.score_lines_, self.mean_line_, self.coef_lines_ = [], None, []
        self.df_axis_ = None
        if self.scores is not None:
            self._plot_scores(self.axes_[0])
        if self.coefs is not None:
            self._plot_coefs(self.axes_[-1])
        last = self.axes_[-1]
        positive = self.alphas[self.alphas > 0.0]
        if len(positive) > 1:
            last.set_xscale("log")
            last.set_xlim(positive.max() * 1.1, positive.min() / 1.1)
            if self.df is not None and np.isfinite(self.df).all():
                self._plot_freedom(self.axes_[0])
        last.set_xlabel("alpha (weaker penalty to the right)")
        return self

    def _plot_scores(self, ax):
        for fold in self.scores:
            self.score_lines_ += ax.plot(
                self.alphas, fold, color="0.75", linewidth=0.8, zorder=1
            )
        if self.score_lines_:
            self.score_lines_[0].set_label("a fold")
        mean, error, n_folds = self.mean, self.error, len(self.scores)
        if mean is None:
            mean = np.nanmean(self.scores, axis=0)
        if error is None and n_folds > 1:
            error = np.nanstd(self.scores, axis=0, ddof=1) / np.sqrt(n_folds)
        if error is not None:
            ax.fill_between(
                self.alphas, mean - error, mean + error, alpha=0.2, color=COLOURS[0],
                linewidth=0, label="mean and its standard error",
            )  # fmt: skip
        (self.mean_line_,) = ax.plot(
            self.alphas, mean, color=COLOURS[0], marker="o", markersize=4, zorder=3
        )
        for number, (name, alpha) in enumerate((self.marks or {}).items(), 1):
            kind = style(number)["color"]
            ax.axvline(alpha, color=kind, linestyle=":" if number > 1 else "--",
                       label=name)  # fmt: skip
        ax.set_ylabel(self.score_name)
        ax.legend()

    def _plot_freedom(self, ax):
        """Degrees of freedom at some of the alphas, evenly spread over the axis."""
        logs = np.log(self.alphas[self.alphas > 0.0])
        places = np.linspace(logs[0], logs[-1], TICKS)
        shown = np.unique(np.abs(logs[:, None] - places).argmin(axis=0))
        top = ax.secondary_xaxis("top")
        top.set_xscale(ax.get_xscale())
        labels = [f"{df:.3g}" for df in self.df[shown]]
        top.set_xticks(self.alphas[shown], labels)
        top.set_xticks([], minor=True)
        top.set_xlabel(self.df_name)
        self.df_axis_ = top

    def _plot_coefs(self, ax):
        size = np.abs(self.coefs).max(axis=0)
        largest = np.argsort(-size, kind="stable")
        for rank, j in enumerate(largest):
            named = rank < NAMED
            options = style(rank) if named else {"color": "0.8", "linewidth": 0.6}
            label = self.names[j] if named and self.names is not None else None
            self.coef_lines_ += ax.plot(
                self.alphas, self.coefs[:, j], label=label, zorder=3 - named, **options
            )
        for number, alpha in enumerate((self.marks or {}).values(), 1):
            ax.axvline(alpha, color=style(number)["color"],
                       linestyle=":" if number > 1 else "--")  # fmt: skip
        ax.axhline(0.0, color="0.6", linewidth=0.6)
        ax.set_ylabel("coefficient x standard deviation")
        if self.names is not None:
            title = None if len(size) <= NAMED else f"largest of {len(size)}"
            ax.legend(
                title=title, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False
            )


def _place_of(search):
    """Which path of a search the chosen candidate is on."""
    ratios = search.cv_results_["param_l1_ratio"].tolist()
    return list(dict.fromkeys(ratios)).index(search.l1_ratio_)


def _others(alphas, mean, error):
    """Names and alphas of the candidates that `select` may choose."""
    if np.isnan(mean).all():
        return
    best = int(np.nanargmax(mean))
    yield "best score", float(alphas[best])
    if not np.isnan(error[best]):
        yield (
            "within a standard error",
            float(alphas[mean >= mean[best] - error[best]].max()),
        )


def _comparable(coefs, scale, feature_names):
    """Coefficients of shape (n_alphas, n_outputs * n_features), and their names."""
    n_alphas, n_outputs, d = coefs.shape
    features = feature_names
    if features is None:
        features = [f"x{j}" for j in range(d)]
    names = [
        str(name) if n_outputs == 1 else f"{name}, output {k}"
        for k in range(n_outputs)
        for name in features
    ]
    return (coefs * scale).reshape(n_alphas, n_outputs * d), names
