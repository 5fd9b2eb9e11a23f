"""`DescentPathDisplay`: the paths of optimizers over the contours of a function."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._fit.objective import Objective
from .._minimize import minimize
from .._validation import check_choice, check_number
from ._matplotlib import (
    MARKERS,
    axes_to_draw_on,
    by_name,
    describe,
    for_each,
    import_matplotlib,
    is_one_estimator,
    is_one_result,
    move,
    name_of_result,
    points_on,
    style,
)
from ._paths import checked_paths, limits_of, points_of
from ._runs import name_of_run, trajectory
from ._section import SECTION, check_same_objective, coordinates, others_exist

# Points of the grid along an axis: of a curve, and of a function of two variables.
CURVE_POINTS, GRID_POINTS = 400, 121
# For an objective, each point of the grid takes a read of the data. Their number along
# an axis is between these two, and such that so many rows are read at most.
SECTION_POINTS, ROWS_READ = (81, 201), 2e7
# Epochs that are shown of an estimator, unless the caller says how many.
MOST_EPOCHS = 100
# A path is drawn (to be cut at the frame) up to so many widths of the picture from it.
FAR = 1e3
# Iterates of a path up to which each gets a dot. Of the longest path about so many get
# one, and all paths have theirs after the same number of steps.
FEW_POINTS = 61


class DescentPathDisplay:
    """Paths of optimizers over the contours of a function of two variables.

    The function is drawn as contours, as a surface in three dimensions, or, if it has
    one variable, as a curve. A circle marks the start of a path, a star its end. Use
    `from_result`, `from_function` or `from_estimator`.

    Parameters
    ----------
    paths : dict of str -> ndarray of shape (n_points, 1 or 2)
        Iterates by the path's name.
    fun_paths : dict of str -> ndarray of shape (n_points,)
        The function there; nan and inf are possible.
    grid : tuple of one or two ndarrays
        Where the function is known along each variable, ascending.
    values : ndarray of shape (len(grid[0]),) or (len(grid[1]), len(grid[0]))
        The function on the grid.
    variable_names : list of str, default=None
        None means "x", or "x" and "y".
    value_name : str, default="F"
    note : str, default=None
        Text in a corner of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One for each path.
    starts_, ends_ : list of matplotlib Line2D
        Marks of the first and the last point of each path.
    contour_ : matplotlib ContourSet, Line2D or None
        The contour lines, or the curve.
    surface_ : matplotlib ContourSet, Poly3DCollection or None
        The filled contours, or the surface.
    colorbar_ : matplotlib Colorbar or None
    dots_every_ : int
        Number of steps from one dot to the next.
    animation_ : matplotlib FuncAnimation
        Set by `animate`.

    See Also
    --------
    LossCurveDisplay : How fast the objective fell.

    Examples
    --------
    The ravine 1/2 (x^2 + 20 y^2), without and with momentum:

    >>> import numpy as np
    >>> from scipy.optimize import OptimizeResult
    >>> from sklgd.display import DescentPathDisplay
    >>> def fun(x):
    ...     return 0.5 * (x[0] ** 2 + 20.0 * x[1] ** 2)
    >>> results = {}
    >>> for name, mu in {"plain": 0.0, "momentum": 0.7}.items():
    ...     x, v = np.array([-3.0, 0.5]), np.zeros(2)
    ...     path = [x]
    ...     for step in range(30):
    ...         v = mu * v + 0.08 * np.array([1.0, 20.0]) * x
    ...         x = x - v
    ...         path.append(x)
    ...     results[name] = OptimizeResult(
    ...         path=np.array(path), fun_path=np.array([fun(x) for x in path]))
    >>> display = DescentPathDisplay.from_result(results, fun)
    >>> len(display.lines_)
    2
    >>> display.save("descent.gif")  # doctest: +SKIP
    """

    def __init__(
        self, paths, fun_paths, *, grid, values, variable_names=None, value_name="F",
        note=None,
    ):  # fmt: skip
        self.paths = paths
        self.fun_paths = fun_paths
        self.grid = grid
        self.values = values
        self.variable_names = variable_names
        self.value_name = value_name
        self.note = note

    # ------------------------------------------------------------------ data in

    @classmethod
    def from_result(
        cls, results, fun, *, args=(), limits=None, n_grid=None, variable_names=None,
        ax=None, kind=None, levels=16, line_kw=None, contour_kw=None,
    ):  # fmt: skip
        """Draw what `sklgd.minimize` returned.

        Parameters
        ----------
        results : OptimizeResult, list of them, or dict of str -> OptimizeResult
            With ``path`` of shape (n_points, 1 or 2) and ``fun_path``. In a list their
            names are those of the optimizers.
        fun : function of an ndarray of shape (1,) or (2,)
            The function that was minimised.
        args : tuple, default=()
            Further arguments of ``fun``.
        limits : pair, or pair of pairs, default=None
            (low, high) of the variable, or of each of the two. None holds the paths,
            but a path that climbs is followed only as far as twice the height of its
            start.
        n_grid : int, default=None
            Points along each axis where ``fun`` is called; None means 121, or 400 of
            a function of one variable.
        variable_names : list of str, default=None
        ax, kind, levels, line_kw, contour_kw
            As in `plot`.

        Returns
        -------
        display : DescentPathDisplay

        Raises
        ------
        ValueError
            If a function has more than two variables, or a result no path.
        """
        named = by_name(results, is_one_result, name_of_result)
        paths, fun_paths = checked_paths(named)
        limits = limits_of(limits, paths, fun_paths)
        n_grid = n_grid or (CURVE_POINTS if len(limits) == 1 else GRID_POINTS)
        grid = tuple(np.linspace(low, high, n_grid) for low, high in limits)
        with np.errstate(all="ignore"):
            # (Far from the paths it may overflow.)
            values = np.array([fun(point, *args) for point in points_of(grid)])
        display = cls(
            paths,
            fun_paths,
            grid=grid,
            values=values.astype(float).reshape([len(line) for line in grid[::-1]]),
            variable_names=variable_names,
        )
        return display.plot(
            ax, kind=kind, levels=levels, line_kw=line_kw, contour_kw=contour_kw
        )

    @classmethod
    def from_function(
        cls, fun, x0, *, jac=None, optimizers=("sgd",), args=(), limits=None,
        n_grid=None, variable_names=None, ax=None, kind=None, levels=16, line_kw=None,
        contour_kw=None, **options,
    ):  # fmt: skip
        """Minimise a function with `sklgd.minimize` and draw the paths.

        Parameters
        ----------
        fun : function of an ndarray of shape (1,) or (2,)
        x0 : array-like of shape (1,) or (2,)
            Start of all paths.
        jac : function or True, default=None
            Gradient, as in `minimize`.
        optimizers : list, or dict of str -> dict, default=("sgd",)
            Names or objects of `sklgd.optimizers`; or, by the name of the path, the
            keywords of `minimize` that make it.
        args, limits, n_grid, variable_names, ax, kind, levels, line_kw, contour_kw
            As in `from_result`.
        **options
            Keywords of `minimize` for all paths, such as ``learning_rate``.

        Returns
        -------
        display : DescentPathDisplay

        Examples
        --------
        >>> from sklgd.display import DescentPathDisplay
        >>> display = DescentPathDisplay.from_function(
        ...     lambda x: x[0] ** 2 + 1.0, [3.0], jac=lambda x: 2.0 * x,
        ...     optimizers={str(eta): {"learning_rate": eta} for eta in (0.05, 0.4)},
        ...     max_iter=10, tol=0.0)
        >>> len(display.paths["0.4"])
        11
        """
        if not isinstance(optimizers, Mapping):
            runs = [{"optimizer": optimizer} for optimizer in optimizers]
            optimizers = by_name(runs, lambda _: False, name_of_run)
        results = {
            name: minimize(fun, x0, args, jac=jac, **{**options, **run})
            for name, run in optimizers.items()
        }
        # As in `minimize`, a function with jac=True returns the gradient, too.
        value = (lambda *at: fun(*at)[0]) if jac is True else fun
        return cls.from_result(
            results, value, args=args, limits=limits, n_grid=n_grid,
            variable_names=variable_names, ax=ax, kind=kind, levels=levels,
            line_kw=line_kw, contour_kw=contour_kw,
        )  # fmt: skip

    @classmethod
    def from_estimator(
        cls, estimators, X, y, *, features=(0, 1), output=0, sample_weight=None,
        n_epochs=None, limits=None, n_grid=None, ax=None, kind=None, levels=16,
        line_kw=None, contour_kw=None,
    ):  # fmt: skip
        """Draw the objective of estimators over two coefficients, and their paths.

        The contours are a section through the objective: the other coefficients have
        their fitted values (those of the first estimator). The paths are those of
        clones, one point for each epoch. All coefficients change along a path, so the
        objective there is not that of the section, and the paths of two estimators that
        end at different values of the other coefficients end at different places.

        Parameters
        ----------
        estimators : estimator, list of estimators, or dict of str -> estimator
            Fitted GDRegressor or GDClassifier, all with the same loss and penalty.
            They are not changed.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        features : list of one or two, default=(0, 1)
            Which coefficients: numbers of features, or their names if X had names when
            the estimator was fitted; "intercept" is the intercept. With one the
            picture is a curve.
        output : int, default=0
            Of several targets or classes that whose coefficients vary.
        sample_weight : array-like of shape (n_samples,), default=None
        n_epochs : int, default=None
            Length of the paths; None means ``n_iter_``, at most 100. Without an
            explicit learning rate the point after epoch k needs a fit of k epochs.
        limits, ax, kind, levels, line_kw, contour_kw
            As in `from_result`.
        n_grid : int, default=None
            Points along each axis where the objective is computed; None means 81 to 201
            (fewer for more rows), or 400 on a curve.

        Returns
        -------
        display : DescentPathDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If an estimator is not fitted.
        ValueError
            If the estimators have different objectives, or there is no such feature.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklgd import GDRegressor
        >>> from sklgd.display import DescentPathDisplay
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> models = [
        ...     GDRegressor(optimizer=name, batch_size="full", learning_rate=0.5,
        ...                 max_iter=30, tol=None).fit(X, y)
        ...     for name in ("sgd", "momentum")]
        >>> display = DescentPathDisplay.from_estimator(
        ...     models, X, y, features=("bmi", "intercept"))
        >>> display.ax_.get_xlabel()
        'coefficient of bmi'
        """
        named = by_name(estimators, is_one_estimator, describe)
        if not named:
            raise ValueError("estimators is empty; give at least one fitted estimator.")
        objectives = {
            name: Objective(estimator, X, y, sample_weight)
            for name, estimator in named.items()
        }
        check_same_objective(named)
        first, objective = next(iter(named.values())), next(iter(objectives.values()))
        places, names = coordinates(first, features)
        check_number(
            "output", output, low=0, high=objective.data.n_outputs - 1, integer=True
        )
        paths, fun_paths = {}, {}
        for name, estimator in named.items():
            path = trajectory(
                estimator, objectives[name], X, y, sample_weight,
                n_epochs or min(estimator.n_iter_, MOST_EPOCHS),
            )  # fmt: skip
            paths[name] = path[:, places, output]
            fun_paths[name] = np.array([objective(coef) for coef in path])
        limits = limits_of(limits, paths, fun_paths, comparable=False)
        if n_grid is None:
            points = int((ROWS_READ / objective.data.n_rows) ** 0.5)
            points = min(max(points, SECTION_POINTS[0]), SECTION_POINTS[1])
            n_grid = CURVE_POINTS if len(limits) == 1 else points
        grid = tuple(np.linspace(low, high, n_grid) for low, high in limits)
        values = objective.section(places, output, points_of(grid))
        display = cls(
            paths,
            fun_paths,
            grid=grid,
            values=values.reshape([len(line) for line in grid[::-1]]),
            variable_names=names,
            value_name="objective",
            note=SECTION if others_exist(first, objective, places) else None,
        )
        return display.plot(
            ax, kind=kind, levels=levels, line_kw=line_kw, contour_kw=contour_kw
        )

    # ---------------------------------------------------------------- picture out

    def plot(
        self, ax=None, *, kind=None, levels=16, line_kw=None, contour_kw=None
    ):  # fmt: skip
        """Draw the function and the paths.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure, with a colour bar beside contours.
        kind : {"contours", "surface"}, default=None
            How to draw a function of two variables. A surface needs axes with
            ``projection="3d"``. None means "surface" on such axes and "contours"
            otherwise.
        levels : int or array-like, default=16
            Values of the contour lines, or their number: then they enclose the shares
            (k / levels)^2 of the picture's area, k = 1, 2, ... The rings of a bowl are
            equally far apart then, and those of a ravine are near its floor.
        line_kw : dict or list of dicts, default=None
            Keywords of ``Axes.plot`` for the paths.
        contour_kw : dict, default=None
            Keywords of ``Axes.contour`` or ``Axes3D.plot_surface``, or, for one
            variable, ``Axes.plot``.

        Returns
        -------
        display : DescentPathDisplay
        """
        own = ax is None
        ax = self._axes(ax, kind)
        given = for_each("line_kw", line_kw, len(self.paths))
        contour_kw = contour_kw or {}
        self.contour_ = self.surface_ = self.colorbar_ = None
        if len(self.grid) == 1:
            self._draw_curve(ax, contour_kw)
        elif ax.name == "3d":
            self._draw_surface(ax, contour_kw)
        else:
            self._draw_contours(ax, levels, contour_kw)
            if own:
                self.colorbar_ = ax.figure.colorbar(
                    self.surface_, ax=ax, format="%.3g", label=self.value_name
                )
        longest = max(map(len, self.paths.values()))
        self.dots_every_ = max(1, -(-longest // FEW_POINTS))
        self.lines_: list[Any] = []
        self.starts_: list[Any] = []
        self.ends_: list[Any] = []
        for number, (name, kwargs) in enumerate(zip(self.paths, given, strict=True)):
            self._draw_path(ax, number, name, kwargs)
        if len(self.paths) > 1:
            ax.legend(handles=self.lines_)
        self._write_note(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _axes(self, ax, kind):
        """The axes to draw on, which are able to show that kind of picture."""
        if kind is not None:
            check_choice("kind", kind, ("contours", "surface"))
        if kind == "surface" and len(self.grid) == 1:
            raise ValueError(
                "kind='surface' needs a function of two variables, but the paths have "
                "one. Use kind=None, which draws a curve."
            )
        if ax is None and kind == "surface":
            return axes_to_draw_on(None, "DescentPathDisplay.plot", projection="3d")
        ax = axes_to_draw_on(ax, "DescentPathDisplay.plot")
        flat = kind == "contours" or len(self.grid) == 1
        if (kind == "surface" and ax.name != "3d") or (flat and ax.name == "3d"):
            raise ValueError(
                f"kind={kind!r} cannot be drawn on axes with projection={ax.name!r}. A "
                "surface needs projection='3d', contours and curves need flat axes."
            )
        return ax

    def _names(self):
        return self.variable_names or ["x", "y"][: len(self.grid)]

    def _draw_curve(self, ax, kwargs):
        (x,) = self.grid
        options = {"color": "0.4", "linewidth": 1.2, "zorder": 1, **kwargs}
        (self.contour_,) = ax.plot(x, self.values, **options)
        starts = [F[0] for F in self.fun_paths.values()]
        seen = np.concatenate([self.values, *self.fun_paths.values()])
        low, high = np.nanmin(seen), np.nanmax([*self.values, *starts])
        room = 0.05 * (high - low)
        ax.set(
            xlim=(x[0], x[-1]), ylim=(low - room, high + room),
            xlabel=self._names()[0], ylabel=self.value_name,
        )  # fmt: skip

    def _draw_contours(self, ax, levels, kwargs):
        x, y = self.grid
        lines = self._levels(levels)
        colormap = import_matplotlib("DescentPathDisplay.plot").colormaps["Greys"]
        # Light ones, since the paths shall stand out, and one for each ring.
        colours = colormap(np.linspace(0.0, 0.35, len(lines) + 1))
        self.surface_ = ax.contourf(
            x, y, self.values, levels=lines, colors=colours, extend="both"
        )
        options = {
            "colors": "0.6", "linewidths": 0.6, "linestyles": "solid", **kwargs,
        }  # fmt: skip
        self.contour_ = ax.contour(x, y, self.values, levels=lines, **options)
        names = self._names()
        ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), xlabel=names[0], ylabel=names[1])

    def _draw_surface(self, ax, kwargs):
        x, y = self.grid
        shown = np.ma.masked_invalid(self.values)
        options = {
            "cmap": "Greys", "alpha": 0.65, "linewidth": 0.2, "edgecolor": "0.6",
            "rcount": 40, "ccount": 40, "zorder": 1, **kwargs,
        }  # fmt: skip
        # (The lighter half of the greys, since the paths shall stand out.)
        low, high = shown.min(), shown.max()
        options |= {"vmin": low, "vmax": low + 2.0 * (high - low)}
        self.surface_ = ax.plot_surface(*np.meshgrid(x, y), self.values, **options)
        # Paths are drawn on top of the surface, wherever one looks from.
        ax.computed_zorder = False
        names = self._names()
        ax.set(
            xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), zlim=(low, high), xlabel=names[0],
            ylabel=names[1], zlabel=self.value_name,
        )  # fmt: skip

    def _write_note(self, ax):
        """What the picture does not say by itself, in a corner of it."""
        notes = [self.note] if self.note else []
        if self.dots_every_ > 1:
            notes.append(f"one dot every {self.dots_every_} steps")
        if notes:
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
            # (In three dimensions the names of the axes are at the bottom.)
            write, y, side = ax.text, 0.01, "bottom"
            if ax.name == "3d":
                write, y, side = ax.text2D, 0.99, "top"
            write(
                0.01, y, "\n".join(notes), transform=ax.transAxes, fontsize="x-small",
                color="0.2", va=side, zorder=6, bbox=box,
            )  # fmt: skip

    def _levels(self, levels):
        """Values of the contour lines, ascending."""
        if np.ndim(levels):
            return np.unique(levels)
        values = self.values[np.isfinite(self.values)]
        shares = (np.arange(1, levels) / levels) ** 2
        lines = np.unique(np.quantile(values, shares))
        # (A plane piece has a share of the area, but no lines.)
        return lines if len(lines) > 1 else np.array([lines[0], lines[0] + 1.0])

    def _draw_path(self, ax, number, name, kwargs):
        places = self._places(name, heights=ax.name == "3d" or len(self.grid) == 1)
        options = {
            **style(number), "linewidth": 1.4, "label": name, "zorder": 3,
            "marker": MARKERS[number % len(MARKERS)], "markersize": 3.5,
            "markevery": self.dots_every_, **kwargs,
        }  # fmt: skip
        (line,) = ax.plot(*places.T, **options)
        # (Most often the paths have their start in common.)
        start = ax.plot(
            *places[:1].T, marker="o", markersize=8, color="black", zorder=4,
            markerfacecolor="white", linestyle="none",
        )  # fmt: skip
        end = ax.plot(
            *places[-1:].T, marker="*", markersize=12, color=line.get_color(),
            zorder=5, markeredgecolor="white", linestyle="none",
        )  # fmt: skip
        self.lines_.append(line)
        self.starts_ += start
        self.ends_ += end

    def _places(self, name, heights):
        """Points of a path in the picture, as far as they can be drawn."""
        path, F = self.paths[name], self.fun_paths[name]
        places = np.column_stack([path, F]) if heights else path
        centre = np.array([0.5 * (line[0] + line[-1]) for line in self.grid])
        width = np.array([line[-1] - line[0] for line in self.grid])
        # (Axes in three dimensions do not cut a line at their frame.)
        far = 0.5 if places.shape[1] == 3 else FAR
        with np.errstate(invalid="ignore", over="ignore"):
            near = (np.abs(path - centre) <= far * width).all(axis=1)
        near &= np.isfinite(places).all(axis=1)
        return places[: near.argmin()] if not near.all() else places

    # ------------------------------------------------------------------ animation

    def animate(self, ax=None, *, n_frames=100, interval=100, **plot_kw):
        """Draw the paths step by step.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        n_frames : int, default=100
            Frames at most; longer paths make several steps in each.
        interval : float, default=100
            Milliseconds between frames.
        **plot_kw
            Keywords of `plot`.

        Returns
        -------
        animation : matplotlib.animation.FuncAnimation
            In a notebook ``HTML(animation.to_jshtml())`` shows it.
        """
        self.plot(ax, **plot_kw)
        from matplotlib.animation import FuncAnimation

        places = [points_on(line) for line in self.lines_]
        longest = max(len(points) for points in places)
        counts = np.linspace(1, longest, min(n_frames, longest)).round().astype(int)

        def draw(count):
            artists = []
            for points, line, end in zip(places, self.lines_, self.ends_, strict=True):
                move(line, points[:count])
                move(end, points[:count][-1:])
                artists += [line, end]
            self.ax_.set_title(f"step {count - 1}")
            return artists

        # Until the animation starts, the picture shows the whole paths.
        self.ax_.set_title(f"step {longest - 1}")
        self.animation_ = FuncAnimation(
            self.figure_, draw, frames=counts, interval=interval, repeat_delay=1500
        )
        return self.animation_

    def save(self, filename, *, fps=10, dpi=100):
        """Write the animation to a GIF.

        Parameters
        ----------
        filename : str or path
            Ends in ".gif".
        fps : float, default=10
            Frames per second.
        dpi : float, default=100
            Pixels per inch of the figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        import_matplotlib("DescentPathDisplay.save")
        from matplotlib.animation import PillowWriter

        if not hasattr(self, "animation_"):
            from matplotlib.figure import Figure

            # A separate figure: nothing is left open, whatever the backend.
            figure = Figure(layout="constrained")
            self.animate(figure.subplots())
            # All frames have the layout of the first, which takes as long as a frame.
            self.ax_.set_title("step")
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        self.animation_.save(filename, writer=PillowWriter(fps=fps), dpi=dpi)
