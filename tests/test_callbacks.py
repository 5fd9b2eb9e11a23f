"""scikit-learn's callbacks: what `fit` tells them, and what they can do."""

import copy
import doctest
import pickle
import sys
import threading
import types
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import make_problem
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier, GDRegressor

callback = pytest.importorskip(
    "sklearn.callback", reason="scikit-learn has callbacks from 1.9 on"
)
FitCallback, ProgressBar = callback.FitCallback, callback.ProgressBar
ScoringMonitor = callback.ScoringMonitor

# One optimizer of each kind of run, and what else takes a way of its own.
RUNS = {
    "descent": {"optimizer": "adam", "batch_size": 16},
    "descent, explicit": {"optimizer": "sgd", "batch_size": 1, "learning_rate": 0.01},
    "descent, batch": {"optimizer": "nesterov", "batch_size": "full"},
    "average": {"optimizer": "sgd", "learning_rate": 0.01, "average": True},
    "variance reduced": {"optimizer": "svrg", "batch_size": 16},
    "rows": {"optimizer": "point_saga"},
    "newton": {"optimizer": "newton"},
    "lbfgs": {"optimizer": "lbfgs"},
    "proximal gradient": {"optimizer": "fista"},
}


class Recorder:
    """Keeps what it is told; asks for a stop in an epoch."""

    def __init__(self, stop_at=None, fail_at=None, error=RuntimeError):
        self.stop_at, self.fail_at, self.error = stop_at, fail_at, error
        self.events, self.models, self.data = [], [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.events.append(("end", context.task_name, context.task_id))
        self.models.append(fitted_estimator)
        self.data.append((X, y, metadata))
        if context.task_name == "epoch" and context.task_id == self.fail_at:
            raise self.error("a failure")
        return context.task_name == "epoch" and context.task_id == self.stop_at


class Blind:
    """Asks for nothing."""

    def setup(self, estimator, context): ...
    def teardown(self, estimator, context): ...
    def on_fit_task_begin(self, estimator, context): ...
    def on_fit_task_end(self, estimator, context): ...


def problem(cls, sparse=False, n_outputs=1):
    loss = "log_loss" if cls is GDClassifier else "squared_error"
    X, y = make_problem(loss, n=90, n_outputs=n_outputs)
    return (sp.csr_matrix(X) if sparse else X), y


def short(cls, **settings):
    return cls(**{"max_iter": 4, "tol": None, "random_state": 0} | settings)


def assert_same(a, b):
    for name in ("coef_", "intercept_", "loss_curve_", "t_", "n_iter_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)


@pytest.mark.some_cases
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("cls", [GDClassifier, GDRegressor])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_a_task_for_each_epoch(run, cls, sparse, n_outputs):
    """Each with the model as it is then; the fit itself is not disturbed."""
    X, y = problem(cls, sparse, n_outputs)
    recorder = Recorder()
    model = short(cls, **RUNS[run]).set_callbacks(recorder).fit(X, y)
    epochs = [(e, "epoch", k) for k in range(4) for e in ("begin", "end")]
    assert recorder.events == [
        "setup", ("begin", "fit", 0), *epochs, ("end", "fit", 0), "teardown",
    ]  # fmt: skip
    assert_same(model, short(cls, **RUNS[run]).fit(X, y))
    *then, end = recorder.models
    for k, fitted in enumerate(then, start=1):
        assert_same(fitted, short(cls, **RUNS[run], max_iter=k).fit(X, y))
        assert fitted.stop_reason_ == "callback"
    assert_same(end, model)
    assert end.stop_reason_ == "max_iter"
    assert isinstance(end.score(X, y), float)


@pytest.mark.some_cases
@pytest.mark.parametrize("run", RUNS)
def test_an_epoch_s_model_is_independent(run):
    """It can go on by itself, and leaves the run alone."""

    class Meddler(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            fitted = copy.deepcopy(fitted_estimator)
            fitted_estimator.loss_curve_.clear()
            if fitted_estimator._state.plan.streams:
                fitted_estimator.partial_fit(X, y)
                fitted.partial_fit(X, y)
                np.testing.assert_array_equal(fitted.coef_, fitted_estimator.coef_)
            fitted_estimator.coef_[...] = np.nan
            fitted_estimator.set_params(alpha=1e9)

    X, y = problem(GDClassifier)
    model = short(GDClassifier, **RUNS[run])
    expected = clone(model).fit(X, y)
    assert_same(model.set_callbacks(Meddler()).fit(X, y), expected)
    assert model.alpha_ == 1e-4


def test_undone_epochs_show_the_coefficients_kept():
    X, y = problem(GDClassifier)
    recorder = Recorder()
    model = short(
        GDClassifier, optimizer="momentum", learning_rate="constant", batch_size=10,
        max_iter=40,
    )  # fmt: skip
    model.set_callbacks(recorder).fit(X, y)
    *models, _ = recorder.models
    curve = model.loss_curve_
    undone = [k for k in range(1, 40) if curve[k] == curve[k - 1]]
    assert 0 < len(undone) < 39
    for k in undone:
        np.testing.assert_array_equal(models[k].coef_, models[k - 1].coef_)


@pytest.mark.some_cases
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"tol": 1e-9}])
def test_a_callback_stops_the_fit(run, settings):
    X, y = problem(GDClassifier)
    model = short(GDClassifier, **RUNS[run], **settings, max_iter=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_callbacks(recorder := Recorder(stop_at=1)).fit(X, y)
    assert (model.stop_reason_, model.n_iter_) == ("callback", 2)
    assert recorder.events[-3:] == [("end", "epoch", 1), ("end", "fit", 0), "teardown"]
    assert recorder.models[-1].stop_reason_ == "callback"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        alone = clone(model).set_callbacks().set_params(max_iter=2).fit(X, y)
    assert_same(model, alone)
    if settings.get("early_stopping"):
        # One of those epochs that have the best score.
        scores = np.array(model.validation_scores_)
        best = [recorder.models[k] for k in np.flatnonzero(scores == scores.max())]
        assert any((model.coef_ == other.coef_).all() for other in best)


def test_the_run_s_own_reason_comes_first():
    """A callback that asks in the epoch in which the run converges changes nothing."""
    X, y = problem(GDRegressor)
    free = GDRegressor().fit(X, y)
    model = GDRegressor().set_callbacks(Recorder(stop_at=free.n_iter_ - 1)).fit(X, y)
    assert model.stop_reason_ == free.stop_reason_ == "converged"


def test_divergence():
    """The task that diverged is ended, with the coefficients that are kept."""
    X, y = problem(GDRegressor)
    recorder = Recorder()
    model = short(GDRegressor, optimizer="sgd", learning_rate=10.0, max_iter=50)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.set_callbacks(recorder).fit(X, y)
    ends = [e for e in recorder.events if e[:2] == ("end", "epoch")]
    begins = [e for e in recorder.events if e[:2] == ("begin", "epoch")]
    assert len(ends) == len(begins) == model.n_iter_
    assert np.isfinite(recorder.models[-2].coef_).all()
    np.testing.assert_array_equal(recorder.models[-2].coef_, model.coef_)


def test_what_callbacks_may_ask_for():
    X, y = problem(GDClassifier)
    labels = np.array(["no", "yes"])[y]
    weight = np.linspace(1.0, 2.0, len(y))
    recorder = Recorder()
    model = short(GDClassifier, class_weight="balanced").set_callbacks(recorder)
    model.fit(X, labels, sample_weight=weight)
    for X_seen, y_seen, metadata in recorder.data:
        assert X_seen is X
        np.testing.assert_array_equal(y_seen, labels)
        # The user's weights, not those times the class weights.
        np.testing.assert_array_equal(metadata["sample_weight"], weight)
    recorder.data.clear()
    model.fit(X, labels)
    assert all(metadata is None for _, _, metadata in recorder.data)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_rows_held_out_are_no_training_data(sparse):
    X, y = problem(GDRegressor, sparse)
    weight = np.linspace(1.0, 2.0, len(y))
    recorder = Recorder()
    model = short(GDRegressor, early_stopping=True, validation_fraction=0.2)
    model.set_callbacks(recorder).fit(X, y, sample_weight=weight)
    X_seen, y_seen, metadata = recorder.data[0]
    assert X_seen.shape == (72, 6) and y_seen.shape == (72,)
    places = np.searchsorted(weight, metadata["sample_weight"])
    np.testing.assert_array_equal(y[places], y_seen)
    dense = (lambda A: A.toarray()) if sparse else np.asarray
    np.testing.assert_array_equal(dense(X)[places], dense(X_seen))
    assert recorder.data[-1][0] is X_seen  # copied once


def test_nothing_is_made_that_nobody_asks_for(monkeypatch):
    X, y = problem(GDClassifier)

    def refuse(self, *args):
        raise AssertionError("not asked for")

    monkeypatch.setattr(GDClassifier, "_results_so_far", refuse)
    model = short(GDClassifier, early_stopping=True).set_callbacks(Blind())
    assert model.fit(X, y).n_iter_ == 4
    with pytest.raises(AssertionError, match="not asked for"):
        model.set_callbacks(Recorder()).fit(X, y)


def test_warm_start():
    X, y = problem(GDClassifier)
    recorder = Recorder()
    model = short(GDClassifier, optimizer="adam", warm_start=True)
    model.set_callbacks(recorder).fit(X, y).fit(X, y)
    assert recorder.events.count("setup") == recorder.events.count("teardown") == 2
    first, second = recorder.models[0], recorder.models[5]
    assert second.loss_curve_[0] < first.loss_curve_[0]


def test_partial_fit_calls_nothing():
    """As in scikit-learn, hooks belong to `fit`."""
    X, y = problem(GDClassifier)
    recorder = Recorder()
    model = short(GDClassifier, optimizer="adam").set_callbacks(recorder)
    model.partial_fit(X, y, classes=[0, 1])
    assert recorder.events == []


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
@pytest.mark.parametrize("fail_at", [0, 2])
@pytest.mark.parametrize("cls", [GDClassifier, GDRegressor])
def test_an_exception_leaves_the_estimator_as_it_was(error, fail_at, cls):
    X, y = problem(cls)
    recorder = Recorder(fail_at=fail_at, error=error)
    model = short(cls).set_callbacks(recorder)
    with pytest.raises(error, match="a failure"):
        model.fit(X, y)
    assert recorder.events[-1] == "teardown"
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert set(vars(model)) == {*model.get_params(deep=False), "_skl_callbacks"}
    # An earlier model, of other data, stays complete.
    names = ["a", "b", "c"]
    other, target = problem(cls, n_outputs=3)
    other = np.hstack([other, other])
    if cls is GDClassifier:
        target = np.take(names, target)
    model.set_callbacks().fit(other, target)
    before, predicted = dict(vars(model)), model.predict(other)
    with pytest.raises(error):
        model.set_callbacks(recorder).fit(X, y)
    after = dict(vars(model))
    del after["_skl_callbacks"]
    assert after.keys() == before.keys()
    assert all(after[k] is before[k] for k in before)
    np.testing.assert_array_equal(model.predict(other), predicted)


def test_an_exception_during_teardown():
    class Bad(Recorder):
        def teardown(self, estimator, context):
            raise RuntimeError("no end")

    X, y = problem(GDClassifier)
    model = short(GDClassifier).set_callbacks(Bad())
    with pytest.raises(RuntimeError, match="no end"):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert not hasattr(model, "_callback_fit_ctx")


def test_invalid_data_never_reach_a_callback():
    model = short(GDClassifier).set_callbacks(recorder := Recorder())
    with pytest.raises(ValueError, match="NaN"):
        model.fit([[np.nan], [1.0]], [0, 1])
    assert recorder.events == []


# ------------------------------------------------------- as scikit-learn's estimators


@pytest.mark.parametrize("cls", [GDClassifier, GDRegressor])
def test_clone_pickle_and_parameters(cls):
    X, y = problem(cls)
    recorder = Recorder()
    model = short(cls).set_callbacks(recorder)
    assert isinstance(recorder, FitCallback)
    assert "callbacks" not in str(model.get_params())
    assert clone(model)._skl_callbacks == [recorder]
    model.fit(X, y)
    assert not {"_callback_fit_ctx", "_skl_callbacks_to_teardown"} & set(vars(model))
    copied = pickle.loads(pickle.dumps(model))
    assert len(copied._skl_callbacks) == 1 and copied._skl_callbacks[0] is not recorder
    assert_same(copied, model)
    assert not hasattr(model.set_callbacks(), "_skl_callbacks")
    for wrong in (Recorder, "progress", None):
        with pytest.raises(TypeError, match="FitCallback"):
            model.set_callbacks(wrong)


def records(monitor):
    """The rows of a monitor's log, by the name of their task."""
    rows = monitor.get_logs().data
    return {
        name: [row for row in rows if row["task_name"] == name]
        for name in ("epoch", "fit")
    }


@pytest.mark.exhaustive
def test_scoring_monitor():
    """A record for each epoch, several metrics, and one of the whole fit."""
    X, y = problem(GDClassifier)
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    model = GDClassifier(optimizer="adam", random_state=0, max_iter=1000)
    model.set_callbacks(monitor).fit(X, y)
    found = records(monitor)
    assert [row["task_id"] for row in found["epoch"]] == list(range(model.n_iter_))
    assert 1 < model.n_iter_ < 1000
    (end,) = found["fit"]
    assert end["accuracy"] == model.score(X, y)
    # F is the log loss and a small penalty.
    for row, objective in zip(found["epoch"], model.loss_curve_, strict=True):
        assert 0.0 <= objective + row["neg_log_loss"] < 0.02


def test_scoring_monitor_with_weights():
    X, y = problem(GDClassifier)
    weight = np.where(y == 1, 5.0, 1.0)
    monitor = ScoringMonitor(scoring="accuracy")
    recorder = Recorder()
    model = short(GDClassifier).set_callbacks(monitor, recorder)
    model.fit(X, y, sample_weight=weight)
    found = [row["accuracy"] for row in records(monitor)["epoch"]]
    assert found == [
        accuracy_score(y, fitted.predict(X), sample_weight=weight)
        for fitted in recorder.models[:-1]
    ]


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scoring_monitor_in_a_grid_search(n_jobs):
    """One record an epoch, for every candidate, fold and the refit."""
    X, y = problem(GDClassifier)
    monitor = ScoringMonitor(scoring="accuracy")
    pipeline = make_pipeline(
        StandardScaler(), short(GDClassifier).set_callbacks(monitor)
    )
    search = GridSearchCV(
        pipeline, {"gdclassifier__alpha": [1e-4, 1e-2]}, cv=3, n_jobs=n_jobs
    ).fit(X, y)
    found = records(monitor)
    fits = {row["task_id_path"] for row in found["fit"]}
    assert len(found["fit"]) == len(fits) == 2 * 3 + 1
    by_fit = {path: [] for path in fits}
    for row in found["epoch"]:
        by_fit[row["parent_task_id_path"]].append(row["task_id"])
    assert all(sorted(ids) == [0, 1, 2, 3] for ids in by_fit.values())
    # The refit belongs to the second part of the search; its last record is the model.
    (refit,) = [row for row in found["fit"] if row["task_id_path"][1] == 1]
    assert refit["accuracy"] == search.score(X, y)


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bar_in_a_grid_search(n_jobs, capsys):
    pytest.importorskip("rich")
    X, y = problem(GDClassifier)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), short(GDClassifier)),
        {"gdclassifier__alpha": [1e-4, 1e-2]}, cv=2, n_jobs=n_jobs,
    )  # fmt: skip
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    bars = capsys.readouterr().out.splitlines()
    ours = [bar for bar in bars if "GDClassifier - fit" in bar]
    assert len(ours) == 2 * 2 + 1
    assert all("100%" in bar for bar in bars if " - " in bar)


@pytest.mark.parametrize("end", ["converged", "callback", "max_iter", "diverged"])
def test_progress_bar_of_a_run_that_ends_early(end, capsys):
    """It ends full."""
    pytest.importorskip("rich")
    X, y = problem(GDRegressor)
    settings = {"max_iter": 1000, "optimizer": "adam", "random_state": 0}
    others = []
    if end == "max_iter":
        settings |= {"max_iter": 3, "tol": None}
    elif end == "diverged":
        settings |= {"optimizer": "sgd", "learning_rate": 10.0}
    elif end == "callback":
        others = [Recorder(stop_at=2)]
    model = GDRegressor(**settings).set_callbacks(ProgressBar(), *others)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    assert model.stop_reason_ == end
    (bar,) = [b for b in capsys.readouterr().out.splitlines() if "GDRegressor" in b]
    assert "GDRegressor - fit" in bar and "100%" in bar


def test_progress_bar_goes_away_after_an_exception(capsys):
    pytest.importorskip("rich")
    X, y = problem(GDRegressor)
    model = short(GDRegressor).set_callbacks(ProgressBar(), Recorder(fail_at=1))
    with pytest.raises(RuntimeError):
        model.fit(X, y)
    assert "50%" in capsys.readouterr().out
    alive = [type(thread).__name__ for thread in threading.enumerate()]
    assert "RichProgressMonitor" not in alive


def test_feature_names():
    pandas = pytest.importorskip("pandas")
    X, y = problem(GDRegressor)
    X = pandas.DataFrame(X, columns=list("abcdef"))
    recorder = Recorder()
    short(GDRegressor).set_callbacks(recorder).fit(X, y)
    fitted = recorder.models[1]
    assert list(fitted.feature_names_in_) == list(X.columns)
    assert np.isfinite(fitted.predict(X)).all()


def test_example_of_the_live_curve():
    pytest.importorskip("matplotlib")
    from sklgd.display import LiveLossCurve

    test, *_ = doctest.DocTestFinder().find(LiveLossCurve, globs={})
    assert test.examples and doctest.DocTestRunner().run(test).failed == 0


def test_the_example():
    (test,) = doctest.DocTestFinder().find(GDClassifier.set_callbacks, globs={})
    assert len(test.examples) == 5
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_passes_over_blocks_are_tasks_of_the_fit_and_of_its_epochs(monkeypatch):
    monkeypatch.setattr("sklgd._fit.description.SAMPLE_BYTES", 2000)
    X, y = problem(GDClassifier)
    recorder = Recorder()
    model = GDClassifier(verbose=0).set_callbacks(recorder)
    model.fit_blocks([(X[:40], y[:40]), (X[40:], y[40:])], validation=(X, y))
    kinds = [event[:2] for event in recorder.events[1:-1]]
    assert kinds[0] == ("begin", "fit")
    assert kinds[-1] == ("end", "fit")
    assert kinds.count(("end", "epoch")) == model.n_iter_
    # (The first pass describes the rows, before there is a model to report on.)
    assert kinds.count(("begin", "pass")) == model.n_passes_ - 1
    assert kinds.count(("end", "pass")) == model.n_passes_ - 1
    first = kinds.index(("begin", "epoch"))
    assert kinds[first + 1 : first + 4] == [
        ("begin", "pass"),
        ("end", "pass"),
        ("end", "epoch"),
    ]


def test_progress_of_a_fit_to_blocks_is_displayed(monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.setattr("sklgd._fit.description.SAMPLE_BYTES", 2000)
    X, y = problem(GDClassifier)
    model = GDClassifier().set_callbacks(ProgressBar())
    model.fit_blocks([(X[:40], y[:40]), (X[40:], y[40:])])
    assert "epoch" in capsys.readouterr().out


def test_callbacks_are_given_the_offsets_of_the_training_rows():
    X, y = problem(GDRegressor)
    offset = np.linspace(0.0, 1.0, len(y))
    recorder = Recorder()
    model = GDRegressor(early_stopping=True, random_state=0)
    model.set_callbacks(recorder).fit(X, y, offset=offset)
    rows = model._hold_out(y)[0]
    found_X, found_y, metadata = recorder.data[-1]
    np.testing.assert_array_equal(found_X, X[rows])
    np.testing.assert_array_equal(metadata["offset"], offset[rows])
    predicted = recorder.models[0].predict(found_X, **metadata)
    assert predicted.shape == found_y.shape


# ------------------------------------------------------------------------ live curve


@pytest.mark.exhaustive
def test_live_curve_draws_each_epoch_and_the_end():
    pytest.importorskip("matplotlib")
    from sklgd.display import LiveLossCurve

    X, y = problem(GDClassifier)
    curves = []

    def show(figure):
        (line,) = figure.axes[0].lines
        curves.append((line.get_ydata(), figure.axes[0].get_title()))

    live = LiveLossCurve(interval=0.0, show=show)
    model = short(GDClassifier, optimizer="adam").set_callbacks(live).fit(X, y)
    assert [len(curve) for curve, _ in curves] == [1, 2, 3, 4, 4]
    np.testing.assert_array_equal(curves[-1][0], model.loss_curve_)
    assert curves[-1][1] == f"adam, batch_size={model.batch_size_}: epoch 4, max iter"
    assert_same(model, short(GDClassifier, optimizer="adam").fit(X, y))
    # A long interval leaves the first picture and the last.
    live = LiveLossCurve(interval=1e6, show=show)
    model.set_callbacks(live).fit(X, y, X_val=X, y_val=y)
    assert live.n_pictures_ == 2 and live.display_.score_lines_


@pytest.mark.exhaustive
def test_live_curve_replaces_its_picture_in_the_notebook(monkeypatch):
    pytest.importorskip("matplotlib")
    from sklgd.display import LiveLossCurve

    shown = []

    class Handle:
        def update(self, picture):
            shown.append(("update", picture))

    notebook, package = map(types.ModuleType, ("IPython.display", "IPython"))
    package.version_info = (9, 0)
    notebook.Image = lambda data, format: data

    def display(picture, display_id):
        shown.append(("display", picture))
        return Handle()

    notebook.display = display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    model = short(GDClassifier, optimizer="adam", max_iter=2)
    X, y = problem(GDClassifier)
    model.set_callbacks(LiveLossCurve(interval=0.0)).fit(X, y)
    assert [action for action, _ in shown] == ["display", "update", "update"]
    assert all(data.startswith(b"\x89PNG") for _, data in shown)
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ImportError, match="pass a function as show"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="interval must be"):
        LiveLossCurve(interval=-1.0)
