"""The displays: what they draw is what the estimators and the functions did."""

import doctest
import re
import subprocess
import sys
import warnings
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import make_problem
from conftest import objective as oracle
from scipy.optimize import OptimizeResult
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier, GDRegressor, display, minimize
from sklgd._fit.objective import Objective
from sklgd.display import DescentPathDisplay, LearningRateDisplay, LossCurveDisplay
from sklgd.optimizers import Adam
from sklgd.schedules import Cosine, Optimal, WarmUp

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

DISPLAYS = [getattr(display, name) for name in display.__all__]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def axes():
    """Axes of a figure that pyplot knows nothing about."""
    return Figure().subplots()


@pytest.fixture
def data():
    return make_problem("log_loss", n=120, d=4)


def bowl(x):
    return x[0] ** 2 + x[0] * x[1] + x[1] ** 2


def slope(x):
    return np.array([2.0 * x[0] + x[1], x[0] + 2.0 * x[1]])


def parabola(x):
    return x[0] ** 2 + 1.0


def drawn(line):
    return np.asarray(line.get_xydata(), dtype=float)


# ------------------------------------------------------------------------ all of them


@pytest.mark.exhaustive
def test_no_matplotlib_before_something_is_drawn():
    code = (
        "import sys, sklgd, sklgd.display; "
        "assert not [m for m in sys.modules if m.startswith(('matplotlib', 'PIL'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("action", ["plot", "save"])
def test_missing_matplotlib_names_the_extra(monkeypatch, action, tmp_path):
    for name in [m for m in sys.modules if m.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    # None makes an import fail.
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    path = np.array([[1.0], [0.0]])
    shown = DescentPathDisplay(
        {"a": path}, {"a": path[:, 0]}, grid=(path[::-1, 0],), values=path[:, 0]
    )
    with pytest.raises(ImportError, match=re.escape('pip install "sklgd[plot]"')):
        getattr(shown, action)(*[tmp_path / "a.gif"] * (action == "save"))


# (The example of the callback is a test of callbacks.)
@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "cls",
    [cls for cls in DISPLAYS if hasattr(cls, "plot")],
    ids=lambda cls: cls.__name__,
)
def test_examples(cls):
    found = doctest.DocTestFinder().find(cls, cls.__name__, globs={})
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in found:
        report = []
        assert runner.run(test, out=report.append).failed == 0, "".join(report)
    assert sum(len(test.examples) for test in found)


# ------------------------------------------------------------------------ loss curves


def fitted(optimizer="adam", **params):
    X, y = make_problem("log_loss", n=120, d=4)
    params = {"max_iter": 8, "tol": None, "random_state": 0, **params}
    return GDClassifier(optimizer=optimizer, **params).fit(X, y)


def test_loss_curve_is_the_estimators(axes):
    model = fitted()
    before = dict(vars(model))
    shown = LossCurveDisplay.from_estimator(model, ax=axes)
    assert vars(model) == before
    assert shown.ax_ is axes and shown.figure_ is axes.figure
    assert not plt.get_fignums()
    expected = np.column_stack([np.arange(1, 9), model.loss_curve_])
    np.testing.assert_array_equal(drawn(shown.lines_[0]), expected)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epochs", "objective")
    assert axes.get_legend() is None and axes.get_title().startswith("adam, ")
    assert shown.score_ax_ is None and shown.score_lines_ == []


def test_loss_curve_makes_a_figure_and_plots_again():
    shown = LossCurveDisplay.from_estimator(fitted())
    assert plt.get_fignums() == [shown.figure_.number]
    first = shown.ax_
    assert shown.plot() is shown
    assert shown.ax_ is not first


@pytest.mark.exhaustive
def test_loss_curves_of_several_have_names():
    models = [fitted("adam"), fitted("adam"), fitted("sgd", batch_size=7)]
    shown = LossCurveDisplay.from_estimator(models)
    labels = [text.get_text() for text in shown.ax_.get_legend().get_texts()]
    assert labels == [
        f"adam, batch_size={models[0].batch_size_}",
        f"adam, batch_size={models[0].batch_size_} (2)",
        "sgd, batch_size=7",
    ]
    shapes = [(line.get_marker(), line.get_color()) for line in shown.lines_]
    assert len({shape[0] for shape in shapes}) == len({s[1] for s in shapes}) == 3
    shown = LossCurveDisplay.from_estimator(
        {"a": models[0], "b": models[2]}, line_kw=[{"color": "red"}, {"linewidth": 3}]
    )
    assert [line.get_label() for line in shown.lines_] == ["a", "b"]
    assert shown.lines_[0].get_color() == "red"
    assert shown.lines_[1].get_linewidth() == 3
    with pytest.raises(ValueError, match="line_kw holds 3 dicts for 2 curves"):
        shown.plot(line_kw=[{}, {}, {}])


def test_curves_of_several_fits_are_gaps_on_a_logarithmic_scale(data):
    X, y = data
    assert LossCurveDisplay.from_estimator(fitted()).ax_.get_yscale() == "linear"
    several = [fitted("adam"), fitted("sgd")]
    assert LossCurveDisplay.from_estimator(several).ax_.get_yscale() == "log"
    shown = LossCurveDisplay.from_estimator(several, kind="objective")
    assert shown.ax_.get_yscale() == "linear"
    results = list(runs().values())
    assert LossCurveDisplay.from_result(results).ax_.get_yscale() == "log"
    # The rows of the calls differ, and so do the objectives.
    streams = [GDClassifier().partial_fit(X, y, [0, 1]) for _ in range(2)]
    assert LossCurveDisplay.from_estimator(streams).ax_.get_yscale() == "linear"


def test_epochs_are_whole_numbers():
    for n_epochs in (1, 3):
        ax = LossCurveDisplay.from_estimator(fitted(max_iter=n_epochs)).ax_
        ax.figure.canvas.draw()
        assert all(tick == round(tick) for tick in ax.get_xticks())


def test_best_epoch_and_the_end_of_a_run_are_marked():
    stopped = fitted(
        early_stopping=True, tol=1e-3, n_iter_no_change=2, max_iter=100, batch_size=16
    )
    assert stopped.stop_reason_ == "early_stopping"
    shown = LossCurveDisplay.from_estimator({"a": stopped, "b": fitted()})
    labels = [text.get_text() for text in shown.ax_.get_legend().get_texts()]
    assert labels == ["a (early stopping)", "b", "best validation score"]
    (star,) = shown.best_marks_
    best = int(np.argmax(stopped.validation_scores_))
    place = [[best + 1, stopped.loss_curve_[best] - shown.lowest]]
    np.testing.assert_array_equal(drawn(star), place)
    # A single curve has its name and the reason above it.
    shown = LossCurveDisplay.from_estimator(fitted("newton", tol=1e-4))
    assert shown.ax_.get_title().endswith("(converged)")


def test_gap_stops_where_the_optimum_is_not_known():
    models = {"sgd": fitted("sgd", batch_size=5), "adam": fitted("adam")}
    shown = LossCurveDisplay.from_estimator(models, kind="gap")
    lowest = min(min(model.loss_curve_) for model in models.values())
    assert shown.lowest == lowest
    assert shown.uncertainty > 0.0
    for line, model in zip(shown.lines_, models.values(), strict=True):
        gap = np.array(model.loss_curve_) - lowest
        kept = gap > shown.uncertainty
        np.testing.assert_array_equal(drawn(line)[kept, 1], gap[kept])
        assert np.isnan(drawn(line)[~kept, 1]).all()
    assert shown.ax_.get_yscale() == "log"
    assert shown.ax_.get_ylabel() == "objective - lowest objective"


def test_gap_to_a_known_optimum():
    best = fitted("newton", tol=1e-12, max_iter=100)
    shown = LossCurveDisplay.from_estimator(fitted(), kind="gap", F_star=0.0)
    assert shown.ax_.get_ylabel() == "objective - minimum"
    np.testing.assert_array_equal(drawn(shown.lines_[0])[:, 1], fitted().loss_curve_)
    # The best curve's own estimate of what is left bounds the gaps of both.
    shown = LossCurveDisplay.from_estimator([best, fitted()], kind="gap")
    assert 0.0 <= shown.uncertainty <= 2.0 * best.optimality_gap_


def test_gap_of_a_diverged_run_leaves_out_what_is_not_finite():
    curves = {"wild": [1.0, np.inf, np.nan], "tame": [1.0, 0.5, 0.25]}
    shown = LossCurveDisplay(curves, uncertainty=0.01).plot(kind="gap")
    assert shown.lowest == 0.25
    np.testing.assert_array_equal(drawn(shown.lines_[0])[:1, 1], [0.75])
    np.testing.assert_array_equal(drawn(shown.lines_[1])[:2, 1], [0.75, 0.25])


def test_rows_seen_and_partial_fit(data):
    X, y = data
    model = GDClassifier(random_state=0)
    for start in range(0, 120, 30):
        model.partial_fit(X[start : start + 30], y[start : start + 30], [0, 1])
    shown = LossCurveDisplay.from_estimator(model, x="rows")
    np.testing.assert_array_equal(drawn(shown.lines_[0])[:, 0], [30, 60, 90, 120])
    np.testing.assert_array_equal(drawn(shown.lines_[0])[:, 1], model.loss_curve_)
    assert shown.ax_.get_xlabel() == "rows seen"


def test_validation_scores(data):
    X, y = data
    model = fitted().set_params(max_iter=5).fit(X, y, X_val=X, y_val=y)
    shown = LossCurveDisplay.from_estimator({"m": model}, validation=True)
    expected = np.column_stack([np.arange(1, 6), model.validation_scores_])
    np.testing.assert_array_equal(drawn(shown.score_lines_[0]), expected)
    assert shown.score_ax_ is not shown.ax_
    labels = [text.get_text() for text in shown.ax_.get_legend().get_texts()]
    assert labels == ["m", "m, validation"]
    with pytest.raises(ValueError, match=r"no validation scores.*early_stopping=True"):
        LossCurveDisplay.from_estimator(fitted(), validation=True)


def test_loss_curves_of_a_function(axes):
    results = runs((0.05, 0.3))
    shown = LossCurveDisplay.from_result(results, kind="gap", F_star=0.0, ax=axes)
    for line, result in zip(shown.lines_, results.values(), strict=True):
        expected = np.column_stack([np.arange(21), result.fun_path])
        np.testing.assert_array_equal(drawn(line), expected)
    assert axes.get_xlabel() == "steps"
    shown = LossCurveDisplay.from_result(results["0.3"], kind="gap")
    F = results["0.3"].fun_path
    assert shown.uncertainty == F[18] - F[20]
    with pytest.raises(ValueError, match="results is empty"):
        LossCurveDisplay.from_result([])


def test_loss_curve_errors(data):
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(GDClassifier())
    pipeline = make_pipeline(StandardScaler(), GDClassifier()).fit(*data)
    with pytest.raises(TypeError, match=r"pipeline\[-1\]"):
        LossCurveDisplay.from_estimator(pipeline)
    assert LossCurveDisplay.from_estimator(pipeline[-1]).lines_
    for name, value in {"kind": "loss", "x": "seconds"}.items():
        with pytest.raises(ValueError, match=f"{name} must be one of .* got '{value}'"):
            LossCurveDisplay.from_estimator(fitted(), **{name: value})
    with pytest.raises(ValueError, match="estimators is empty"):
        LossCurveDisplay.from_estimator([])


# ----------------------------------------------------------- F as a function of coef


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    ("model", "loss", "n_outputs"),
    [
        (GDClassifier(penalty="elasticnet", alpha=0.1), "log_loss", 3),
        (GDClassifier(class_weight="balanced", alpha=0.1), "log_loss", 1),
        (GDRegressor(loss="huber", penalty="l1", alpha=0.1), "huber", 1),
        (GDRegressor(fit_intercept=False), "squared_error", 2),
    ],
    ids=["softmax", "balanced", "huber", "two targets"],
)
def test_section_through_the_objective(model, loss, n_outputs, sparse, rng):
    X, y = make_problem(loss, n_outputs=n_outputs)
    weight = rng.uniform(0.5, 2.0, len(X))
    model = clone(model).fit(sp.csr_array(X) if sparse else X, y, weight)
    F = Objective(model, sp.csr_array(X) if sparse else X, y, weight)
    places = [1, 3] if not model.fit_intercept else [1, X.shape[1]]
    output = F.coef.shape[1] - 1
    points = rng.normal(size=(1000, 2))
    values = F.section(places, output, points)
    if hasattr(model, "classes_") and model.class_weight:
        counts = np.array([weight[y == label].sum() for label in model.classes_])
        weight = weight * (weight.sum() / (2.0 * counts))[y]
    for point, value in zip(points[::97], values[::97], strict=True):
        coef = F.coef.copy()
        coef[places, output] = point
        expected = oracle(
            *(model, X, y),
            coef=(coef[:-1].T.reshape(model.coef_.shape), coef[-1]),
            weight=weight,
        )
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        np.testing.assert_allclose(F(coef), expected, rtol=1e-12)


# ----------------------------------------------------------------------------- paths


def runs(etas=(0.05, 0.3), **options):
    return {
        f"{eta:g}": minimize(
            bowl, [3.0, -1.0], jac=slope, learning_rate=eta, max_iter=20, **options
        )
        for eta in etas
    }


def test_paths_over_contours(axes):
    results = runs()
    shown = DescentPathDisplay.from_result(results, bowl, ax=axes)
    assert shown.ax_ is axes and shown.figure_ is axes.figure
    assert not plt.get_fignums()
    for line, start, end, result in zip(
        shown.lines_, shown.starts_, shown.ends_, results.values(), strict=True
    ):
        np.testing.assert_array_equal(drawn(line), result.path)
        np.testing.assert_array_equal(drawn(start), result.path[:1])
        np.testing.assert_array_equal(drawn(end), result.path[-1:])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["0.05", "0.3"]
    colours = {line.get_color() for line in shown.lines_}
    assert len(colours) == 2
    x, y = shown.grid
    assert (axes.get_xlim(), axes.get_ylim()) == ((x[0], x[-1]), (y[0], y[-1]))
    assert shown.values[3, 5] == bowl([x[5], y[3]])
    points = np.concatenate([result.path for result in results.values()])
    low, high = np.array([x[0], y[0]]), np.array([x[-1], y[-1]])
    assert ((low < points) & (points < high)).all()


def test_one_path_needs_no_legend_and_a_list_is_named_by_the_optimizers():
    result = runs((0.1,))["0.1"]
    shown = DescentPathDisplay.from_result(result, bowl)
    assert shown.ax_.get_legend() is None
    shown = DescentPathDisplay.from_result(
        [result, minimize(bowl, [3.0, -1.0], jac=slope, optimizer=Adam())], bowl
    )
    assert list(shown.paths) == ["sgd", "adam"]


@pytest.mark.exhaustive
def test_rings_of_a_bowl_are_equally_far_apart():
    shown = DescentPathDisplay.from_result(
        runs((0.1,)), lambda x: x @ x, limits=((-1, 1), (-1, 1)), levels=10, n_grid=201
    )
    # Level k encloses (k / 10)^2 of a square of area 4.
    k = np.arange(1, 9)
    np.testing.assert_allclose(
        np.sqrt(shown.contour_.levels[k - 1]), 2.0 / np.sqrt(np.pi) * k / 10, rtol=0.02
    )
    shown = DescentPathDisplay.from_result(runs((0.1,)), bowl, levels=[1.0, 3.0, 2.0])
    np.testing.assert_array_equal(shown.contour_.levels, [1.0, 2.0, 3.0])


@pytest.mark.exhaustive
def test_a_diverging_path_is_cut_at_the_frame():
    results = runs((0.05, 0.3, 0.9))
    climbing = results["0.9"].fun_path
    assert climbing[-1] > 1e3 * climbing[0]
    shown = DescentPathDisplay.from_result(results, bowl)
    width = np.diff([shown.ax_.get_xlim(), shown.ax_.get_ylim()], axis=1)
    assert (width < 10.0).all()
    # It leaves the picture all the same.
    assert np.abs(drawn(shown.lines_[2])).max() > width.max()
    alone = DescentPathDisplay.from_result(runs((0.9,)), bowl)
    assert (np.diff([alone.ax_.get_xlim(), alone.ax_.get_ylim()], axis=1) < 20.0).all()
    # Far points, nan and inf are left out.
    path = np.array([[1.0, 1.0], [0.0, 0.5], [1e200, 1.0], [np.nan, np.inf], [0, 0]])
    with np.errstate(over="ignore"):
        fun_path = np.array([bowl(x) for x in path])
    broken = OptimizeResult(path=path, fun_path=fun_path)
    shown = DescentPathDisplay.from_result(broken, bowl)
    np.testing.assert_array_equal(drawn(shown.lines_[0]), path[:2])
    shown.figure_.canvas.draw()


@pytest.mark.exhaustive
def test_a_narrow_path_gets_room_across():
    path = np.column_stack([np.linspace(1.0, 0.0, 5), np.zeros(5)])
    result = OptimizeResult(path=path, fun_path=path[:, 0] ** 2)
    shown = DescentPathDisplay.from_result(result, lambda x: x @ x)
    low, high = shown.ax_.get_ylim()
    assert low == -high and high > 0.1


def test_function_of_one_variable(axes):
    result = minimize(
        parabola, [3.0], jac=lambda x: 2 * x, learning_rate=0.1, max_iter=9
    )
    shown = DescentPathDisplay.from_result(result, parabola, ax=axes, n_grid=50)
    np.testing.assert_array_equal(
        drawn(shown.lines_[0]), np.column_stack([result.path, result.fun_path])
    )
    (x,) = shown.grid
    np.testing.assert_array_equal(
        drawn(shown.contour_), np.column_stack([x, x**2 + 1.0])
    )
    assert shown.surface_ is None
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "F")


@pytest.mark.exhaustive
def test_long_paths_have_a_dot_every_few_steps(axes):
    results = {
        str(n): minimize(
            bowl, [3.0, -1.0], jac=slope, learning_rate=0.001, max_iter=n, tol=0.0
        )
        for n in (30, 400)
    }
    shown = DescentPathDisplay.from_result(results, bowl, ax=axes)
    assert shown.dots_every_ == 7
    # In both paths, so that they can be compared.
    assert {line.get_markevery() for line in shown.lines_} == {7}
    assert [text.get_text() for text in axes.texts] == ["one dot every 7 steps"]
    shown = DescentPathDisplay.from_result(results["30"], bowl)
    assert shown.dots_every_ == 1 and not shown.ax_.texts


@pytest.mark.exhaustive
def test_colour_bar_is_only_in_figures_of_the_display(axes):
    result = runs((0.1,))["0.1"]
    assert DescentPathDisplay.from_result(result, bowl).colorbar_ is not None
    shown = DescentPathDisplay.from_result(result, bowl, ax=axes)
    assert shown.colorbar_ is None and axes.figure.axes == [axes]


@pytest.mark.exhaustive
def test_surface_with_the_paths_on_it():
    results = runs((0.05, 0.3))
    shown = DescentPathDisplay.from_result(
        results, bowl, kind="surface", limits=[(-2, 4), (-2, 2)], n_grid=11
    )
    assert shown.ax_.name == "3d" and shown.contour_ is None
    for line, result in zip(shown.lines_, results.values(), strict=True):
        points = np.column_stack([result.path, result.fun_path])
        np.testing.assert_array_equal(np.array(line.get_data_3d()).T, points)
    shown.figure_.canvas.draw()
    # Axes in three dimensions are enough to ask for it, and points beside are left out.
    ax = Figure().add_subplot(projection="3d")
    shown = DescentPathDisplay.from_result(
        results, bowl, ax=ax, limits=[(2, 4), (-2, 2)], n_grid=11
    )
    x, _, _ = shown.lines_[1].get_data_3d()
    assert shown.surface_ is not None and 1 <= len(x) < 21 and min(x) >= 2.0
    animation = shown.animate(Figure().add_subplot(projection="3d"), n_frames=5)
    animation._func(2)
    assert len(shown.lines_[0].get_data_3d()[0]) == 2
    animation._draw_was_started = True


@pytest.mark.exhaustive
def test_surface_needs_two_variables_and_axes_in_three_dimensions(axes):
    flat = minimize(parabola, [3.0], learning_rate=0.1, max_iter=2)
    with pytest.raises(ValueError, match="kind='surface' needs a function of two"):
        DescentPathDisplay.from_result(flat, parabola, kind="surface")
    result = runs((0.1,))["0.1"]
    with pytest.raises(ValueError, match="kind='surface' cannot be drawn on axes"):
        DescentPathDisplay.from_result(result, bowl, kind="surface", ax=axes)
    ax = Figure().add_subplot(projection="3d")
    with pytest.raises(ValueError, match="kind='contours' cannot be drawn on axes"):
        DescentPathDisplay.from_result(result, bowl, kind="contours", ax=ax)
    with pytest.raises(ValueError, match="kind must be one of"):
        DescentPathDisplay.from_result(result, bowl, kind="bars")


@pytest.mark.one_case
@pytest.mark.parametrize("jac", ["function", True, None])
def test_from_function_runs_minimize(jac):
    fun = (lambda x, a: (a * bowl(x), a * slope(x))) if jac is True else None
    shown = DescentPathDisplay.from_function(
        fun or (lambda x, a: a * bowl(x)),
        [3.0, -1.0],
        jac=(lambda x, a: a * slope(x)) if jac == "function" else jac,
        args=(2.0,),
        optimizers={"slow": {"learning_rate": 0.01}, "adam": {"optimizer": "adam"}},
        max_iter=7,
        n_grid=11,
    )
    expected = minimize(
        lambda x: 2.0 * bowl(x), [3.0, -1.0], jac=lambda x: 2.0 * slope(x),
        learning_rate=0.01, max_iter=7,
    )  # fmt: skip
    np.testing.assert_allclose(shown.paths["slow"], expected.path, rtol=1e-6)
    assert shown.values[0, 0] == 2.0 * bowl([shown.grid[0][0], shown.grid[1][0]])
    assert list(shown.paths) == ["slow", "adam"]


def test_from_function_takes_a_list_of_optimizers():
    shown = DescentPathDisplay.from_function(
        bowl, [3.0, -1.0], jac=slope, optimizers=["sgd", Adam()], max_iter=5, n_grid=11
    )
    assert [line.get_label() for line in shown.lines_] == ["sgd", "adam"]


@pytest.mark.one_case
@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "momentum", "learning_rate": 0.1, "batch_size": 16},
        {"optimizer": "sgd", "learning_rate": Cosine(0.1), "batch_size": "full"},
        {"optimizer": "saga", "learning_rate": 0.01, "batch_size": 1},
        {"optimizer": "newton"},
        {"optimizer": "adam", "class_weight": "balanced", "learning_rate": 0.1},
    ],
    ids=lambda params: params["optimizer"],
)
def test_path_of_an_estimator_is_that_of_its_fit(data, params, axes):
    X, y = data
    model = GDClassifier(max_iter=6, tol=None, random_state=0, alpha=0.1, **params)
    model.fit(X, y)
    before = dict(vars(model))
    shown = DescentPathDisplay.from_estimator(
        model, X, y, features=(2, "intercept"), n_grid=9, ax=axes
    )
    assert vars(model) == before
    (path,), (F,) = shown.paths.values(), shown.fun_paths.values()
    assert len(path) == 7
    np.testing.assert_array_equal(path[-1], [model.coef_[0, 2], model.intercept_[0]])
    np.testing.assert_allclose(F[1:], model.loss_curve_, rtol=1e-12)
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "coefficient of feature 2",
        "intercept",
    )


def test_section_of_an_estimator(data):
    pandas = pytest.importorskip("pandas")
    X, y = data
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    models = {
        name: GDClassifier(optimizer=name, learning_rate=0.1, max_iter=5, tol=None)
        for name in ("sgd", "adam")
    }
    for model in models.values():
        model.fit(frame, y)
    shown = DescentPathDisplay.from_estimator(
        models, frame, y, features=("d", "b"), n_grid=5, n_epochs=3
    )
    assert shown.ax_.get_xlabel() == "coefficient of d"
    assert [len(path) for path in shown.paths.values()] == [4, 4]
    first = models["sgd"]
    coef = first.coef_.copy()
    coef[0, [3, 1]] = shown.grid[0][2], shown.grid[1][4]
    expected = oracle(first, X, y, coef=(coef, first.intercept_))
    np.testing.assert_allclose(shown.values[4, 2], expected, rtol=1e-12)
    two = GDClassifier(fit_intercept=False, max_iter=2, tol=None).fit(X[:, :2], y)
    assert not DescentPathDisplay.from_estimator(two, X[:, :2], y, n_grid=5).ax_.texts
    shown = DescentPathDisplay.from_estimator(first, frame, y, n_grid=5)
    # The contours hold for fitted values of the others, and the picture says so.
    assert [
        "section at the fitted values" in text.get_text() for text in shown.ax_.texts
    ] == [True]
    shown = DescentPathDisplay.from_estimator(
        first, frame, y, features=("d",), n_grid=5
    )
    assert shown.ax_.get_ylabel() == "objective"


def test_path_of_an_estimator_ends_where_it_diverges(data):
    X, y = data
    with pytest.warns(ConvergenceWarning):
        model = GDRegressor(
            optimizer="sgd", learning_rate=5.0, batch_size="full", tol=None
        ).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = DescentPathDisplay.from_estimator(model, X, y, n_grid=9)
    (path,) = shown.paths.values()
    assert 1 < len(path) <= model.n_iter_
    assert np.isfinite(path).all()


def test_path_errors(data):
    X, y = data
    model = fitted(learning_rate=0.1)
    with pytest.raises(NotFittedError):
        DescentPathDisplay.from_estimator(GDClassifier(), X, y)
    with pytest.raises(ValueError, match="features holds 7; give numbers from 0 to 3"):
        DescentPathDisplay.from_estimator(model, X, y, features=(0, 7))
    for features in ((0, 1, 2), (), (1, 1)):
        with pytest.raises(ValueError, match="features must hold one or two"):
            DescentPathDisplay.from_estimator(model, X, y, features=features)
    with pytest.raises(ValueError, match=r"output must be an integer in \[0, 0\]"):
        DescentPathDisplay.from_estimator(model, X, y, output=1)
    bare = fitted(fit_intercept=False)
    with pytest.raises(ValueError, match="fit_intercept=False"):
        DescentPathDisplay.from_estimator(bare, X, y, features=(0, "intercept"))
    with pytest.raises(ValueError, match=r"alpha=0.0001, but 'b' has 0.1"):
        DescentPathDisplay.from_estimator(
            {"a": model, "b": fitted(alpha=0.1)}, X, y, n_grid=5
        )
    with pytest.raises(ValueError, match="not among the classes"):
        DescentPathDisplay.from_estimator(model, X, y + 1)
    three = OptimizeResult(path=np.zeros((2, 3)), fun_path=np.zeros(2))
    with pytest.raises(ValueError, match="one or two variables"):
        DescentPathDisplay.from_result(three, bowl)
    with pytest.raises(ValueError, match="has no path and fun_path"):
        DescentPathDisplay.from_result(OptimizeResult(x=np.zeros(2)), bowl)
    with pytest.raises(ValueError, match="results is empty"):
        DescentPathDisplay.from_result([], bowl)
    with pytest.raises(ValueError, match="of 2 variables"):
        DescentPathDisplay.from_result(runs(), bowl, limits=(0.0, 1.0))


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_variables", [1, 2])
def test_gif_has_a_frame_for_each_step(tmp_path, n_variables):
    image = pytest.importorskip("PIL.Image")
    fun = parabola if n_variables == 1 else bowl
    result = minimize(fun, [3.0, -1.0][:n_variables], learning_rate=0.1, max_iter=5)
    shown = DescentPathDisplay.from_result(result, fun, ax=Figure().subplots())
    shown.save(tmp_path / "descent.gif", dpi=40)
    assert not plt.get_fignums()
    with image.open(tmp_path / "descent.gif") as gif:
        frames = []
        for k in range(gif.n_frames):
            gif.seek(k)
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
    assert len(frames) == 6
    for a, b in pairwise(frames):
        assert (a != b).any()


@pytest.mark.exhaustive
def test_animation_grows():
    (result,) = runs((0.05,)).values()
    shown = DescentPathDisplay.from_result(result, bowl)
    animation = shown.animate(shown.ax_, n_frames=5)
    assert shown.animation_ is animation
    counts = list(animation.new_frame_seq())
    assert counts == [1, 6, 11, 16, 21]
    animation._func(6)
    np.testing.assert_array_equal(drawn(shown.lines_[0]), result.path[:6])
    np.testing.assert_array_equal(drawn(shown.ends_[0]), result.path[5:6])
    animation._draw_was_started = True  # (Or it would complain that nobody drew it.)


# ------------------------------------------------------------------------ range test

CASES = {
    "sgd, single rows": (GDClassifier(optimizer="sgd", batch_size=1), "log_loss"),
    "sgd, all rows": (GDRegressor(optimizer="sgd", batch_size="full"), "squared_error"),
    "momentum": (GDClassifier(optimizer="momentum", batch_size=16), "log_loss"),
    "nesterov": (GDRegressor(optimizer="nesterov", batch_size="full"), "huber"),
    "adam, hinge": (GDClassifier(loss="hinge", optimizer="adam"), "hinge"),
    "adagrad": (GDRegressor(optimizer="adagrad"), "squared_error"),
    "adadelta": (GDRegressor(optimizer="adadelta", batch_size=8), "squared_error"),
    "saga": (GDClassifier(optimizer="saga", batch_size=1), "log_loss"),
    "poisson": (GDRegressor(loss="poisson", optimizer="rmsprop"), "poisson"),
    "quantile": (GDRegressor(loss="quantile", optimizer="sgd"), "quantile"),
    "l1": (GDClassifier(penalty="l1", alpha=1e-2, optimizer="sgd"), "log_loss"),
    "nothing said": (GDClassifier(), "log_loss"),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("scale", [1.0, 1e3], ids=["unit", "large"])
@pytest.mark.parametrize("case", CASES)
def test_fit_works_with_the_suggestion(case, scale, axes):
    model, loss = CASES[case]
    X, y = make_problem(loss, n=150, d=5)
    # (Beside large columns the intercept hardly moves in raw coordinates.)
    model = clone(model).set_params(fit_intercept=scale == 1.0)
    X = X * scale
    params = repr(model.get_params())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = LearningRateDisplay.from_estimator(model, X, y, ax=axes)
    assert repr(model.get_params()) == params and not hasattr(model, "coef_")
    best = clone(model).set_params(
        optimizer="auto", batch_size="full", max_iter=5000, tol=1e-6
    )
    F_star = best.fit(X, y).loss_curve_[-1]
    tried = clone(model).set_params(learning_rate=shown.suggestion, random_state=1)
    tried.fit(X, y)
    assert tried.stop_reason_ == "converged"
    assert tried.loss_curve_[-1] - F_star < 0.1 * (shown.start - F_star)


@pytest.mark.exhaustive
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_range_of_batch_descent_ends_at_the_stable_step(sparse, rng):
    X = rng.normal(size=(200, 3)) * [1.0, 2.0, 3.0]
    y = X @ [1.0, -1.0, 0.5] + 0.1 * rng.normal(size=200)
    weight = rng.uniform(0.1, 5.0, 200)
    model = GDRegressor(
        optimizer="sgd", batch_size="full", fit_intercept=False, penalty=None
    )
    shown = LearningRateDisplay.from_estimator(
        model, sp.csr_array(X) if sparse else X, y, sample_weight=weight,
        n_epochs=100, n_rates=60,
    )  # fmt: skip
    L = np.linalg.eigvalsh((X.T * weight) @ X / weight.sum())[-1]
    ratio = shown.learning_rates[1] / shown.learning_rates[0]
    assert 2.0 / L / ratio < shown.limit < 2.0 / L * ratio
    assert shown.suggestion <= 0.5 * shown.limit
    assert shown.start == pytest.approx((weight * y**2).sum() / weight.sum() / 2)


def test_range_test_draws_what_it_found(data, axes):
    X, y = data
    rates = [1.0, 0.01, 0.1, 1e4]
    model = GDRegressor(
        optimizer="sgd", batch_size="full", max_iter=4, tol=None, random_state=0
    )
    shown = LearningRateDisplay.from_estimator(
        model, X, y, learning_rates=rates, n_epochs=4, ax=axes
    )
    np.testing.assert_array_equal(shown.learning_rates, sorted(rates))
    curves = [
        clone(model).set_params(learning_rate=rate).fit(X, y).loss_curve_
        for rate in (0.01, 0.1, 1.0)
    ]
    expected = [curve[-1] for curve in curves]
    np.testing.assert_array_equal(shown.objectives, [*expected, np.inf])
    highest = [max(curve[2:]) for curve in curves]
    np.testing.assert_array_equal(shown.highest, [*highest, np.inf])
    np.testing.assert_array_equal(drawn(shown.line_)[:3, 1], expected)
    assert shown.limit == 1e4
    # (A Rectangle, a Polygon before matplotlib 3.9.)
    assert shown.diverging_.get_extents().x0 == axes.transData.transform((1e4, 0))[0]
    assert shown.suggestion in rates
    assert shown.suggestion_line_.get_xdata()[0] == shown.suggestion
    assert shown.start_line_.get_ydata()[0] == shown.start
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "learning_rate"
    assert axes.get_ylabel() == "objective after 4 epochs"
    assert not plt.get_fignums()
    low, high = axes.get_ylim()
    assert low < min(expected) and shown.start < high < 2.0 * shown.start


@pytest.mark.one_case
@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"learning_rate": "invscaling"}, "eta0"),
        ({"learning_rate": "constant", "eta0": 0.3}, "learning_rate"),
        ({"learning_rate": np.float32(0.3)}, "learning_rate"),
        ({"learning_rate": Cosine()}, "learning_rate"),
        ({"learning_rate": WarmUp(Cosine())}, "learning_rate__schedule"),
    ],
)
def test_range_test_of_a_schedule(data, params, name):
    model = GDClassifier(optimizer="sgd", **params)
    before = repr(model)
    shown = LearningRateDisplay.from_estimator(model, *data, n_rates=5)
    assert repr(model) == before
    assert shown.ax_.get_xlabel() == name
    assert len(np.unique(shown.objectives)) == 5


def test_range_test_marks_what_is_unstable(axes):
    shown = LearningRateDisplay(
        np.array([0.1, 1.0, 10.0, 100.0]),
        np.array([0.5, 0.2, 0.7, 3.0]),
        start=1.0, highest=np.array([0.6, 0.3, 1.5, 9.0]), suggestion=0.1,
    ).plot(axes)  # fmt: skip
    assert (shown.unstable, shown.limit) == (10.0, 100.0)
    ends = shown.unstable_.get_extents()
    left, right = axes.transData.transform([(10.0, 0), (100.0, 0)])[:, 0]
    np.testing.assert_allclose([ends.x0, ends.x1], [left, right])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "unstable: rises above the start" in labels
    assert "at the end of the run" in labels
    steady = LearningRateDisplay(
        shown.learning_rates, shown.objectives, start=1.0, highest=shown.objectives
    ).plot()
    assert steady.unstable is None and steady.unstable_ is None


def test_nothing_is_suggested_where_nothing_helps(data):
    X, y = data
    shown = LearningRateDisplay.from_estimator(
        GDRegressor(optimizer="sgd"), X, y, learning_rates=[1e3, 1e5]
    )
    assert shown.suggestion is None and shown.suggestion_line_ is None
    assert shown.limit == 1e3
    assert len(shown.ax_.get_legend().get_texts()) == 4


def test_range_test_errors(data):
    X, y = data
    with pytest.raises(ValueError, match=r"perceptron.*vanishes"):
        LearningRateDisplay.from_estimator(GDClassifier(loss="perceptron"), X, y)
    for rate in ("optimal", Optimal(), lambda t: 0.1):
        with pytest.raises(ValueError, match="has no eta0 that could be tested"):
            LearningRateDisplay.from_estimator(GDClassifier(learning_rate=rate), X, y)
    with pytest.raises(ValueError, match="newton"):
        LearningRateDisplay.from_estimator(GDClassifier(optimizer="newton"), X, y)
    for rates in ([], [0.0, 1.0], [1.0, np.inf]):
        with pytest.raises(ValueError, match="learning_rates must be positive"):
            LearningRateDisplay.from_estimator(
                GDClassifier(), X, y, learning_rates=rates
            )


def test_range_test_at_a_minimum_suggests_nothing():
    shown = LearningRateDisplay.from_function(bowl, [0.0, 0.0], n_rates=3, n_steps=3)
    assert shown.suggestion is None
    assert shown.limit == shown.learning_rates[0]


@pytest.mark.one_case
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_range_test_of_a_function(optimizer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = LearningRateDisplay.from_function(
            bowl, [3.0, 1.0], jac=slope, optimizer=optimizer
        )
    assert shown.start == bowl([3.0, 1.0])
    result = minimize(
        bowl, [3.0, 1.0], jac=slope, optimizer=optimizer, max_iter=2000,
        learning_rate=shown.suggestion, tol=0.0,
    )  # fmt: skip
    assert result.fun < 1e-6
    k = np.flatnonzero(shown.learning_rates == shown.suggestion)[0]
    short = minimize(
        bowl, [3.0, 1.0], jac=slope, optimizer=optimizer, max_iter=20,
        learning_rate=shown.suggestion, tol=0.0,
    )  # fmt: skip
    assert shown.objectives[k] == short.fun_path[-1]
    if optimizer == "sgd":
        # The largest curvature is 3.
        assert 2.0 / 3.0 / 1.5 < shown.limit < 2.0 / 3.0 * 1.5


class Counting:
    """A callback that counts the fits."""

    n_fits = 0

    def setup(self, estimator, context):
        self.n_fits += 1

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass


def test_displays_do_not_call_the_callbacks(data):
    pytest.importorskip("sklearn.callback")
    X, y = data
    callback = Counting()
    model = GDClassifier(optimizer="adam", max_iter=3, tol=None)
    model.set_callbacks(callback).fit(X, y)
    LearningRateDisplay.from_estimator(model, X, y, n_rates=3)
    DescentPathDisplay.from_estimator(model, X, y, n_grid=5)
    assert callback.n_fits == 1
    model.fit(X, y)
    assert callback.n_fits == 2


def test_points_of_a_path_come_from_the_same_order_of_rows(data):
    X, y = data
    model = GDClassifier(
        optimizer="svrg", batch_size=4, max_iter=4, tol=None,
        random_state=np.random.RandomState(3),
    )  # fmt: skip
    model.fit(X, y)
    again = clone(model)
    (path,) = DescentPathDisplay.from_estimator(model, X, y, n_grid=5).paths.values()
    for k in range(1, 5):
        shorter = clone(again).set_params(max_iter=k).fit(X, y)
        np.testing.assert_array_equal(path[k], shorter.coef_[0, :2])
