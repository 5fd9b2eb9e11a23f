"""State: epochs in several calls, pickles, warm starts, refits and streams."""

import pickle
from itertools import product

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from conftest import RULES, most_penalties
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import r2_score

from sklgd import TRUSTED_TYPES, GDClassifier, GDRegressor
from sklgd.optimizers import OPTIMIZERS, Adam
from sklgd.schedules import InvScaling, Schedule

N, D = 50, 4


def problem(cls, sparse=False):
    """Raw features of very different sizes, some of them exactly zero."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)) * (rng.random((N, D)) < 0.7)
    z = X @ rng.normal(size=D) + 0.3 * rng.normal(size=N)
    y = z if cls is GDRegressor else np.digitize(z, [-0.7, 0.7])
    return (sp.csr_array(X) if sparse else X), y


def fields(model):
    """Everything that a call hands to the user."""
    return {
        "coef": model.coef_,
        "intercept": model.intercept_,
        "t": model.t_,
        "curve": model.loss_curve_,
    }


def assert_same(a, b, but=()):
    a, b = fields(a), fields(b)
    for name in a:
        if name not in but:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def epochs(model, X, y, n, weight=None):
    for _ in range(n):
        if isinstance(model, GDClassifier):
            model.partial_fit(X, y, classes=[0, 1, 2], sample_weight=weight)
        else:
            model.partial_fit(X, y, sample_weight=weight)
    return model


def settings(step, **more):
    return {"max_iter": 2, "tol": None, "random_state": 0} | step | more


STEPS = {
    "explicit": {"learning_rate": 0.01},
    "auto": {"learning_rate": "auto"},
    "found": {"learning_rate": "constant"},
    "auto-invscaling": {"learning_rate": "invscaling", "power_t": 0.5},
}
# With "auto" itself, `fit` also learns from epoch to epoch, from all of its rows: the
# metric is renewed and steps grow.
SAME_COURSE = [name for name in STEPS if name != "auto"]


@pytest.mark.some_cases
@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize("batch_size", [1, 16, "full"])
@pytest.mark.parametrize("step", ["explicit", "found"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("average", [False, 70])
def test_epochs_in_several_calls(optimizer, batch_size, step, sparse, average):
    cls = GDRegressor if sparse == (average > 0) else GDClassifier
    X, y = problem(cls, sparse)
    model = cls(
        optimizer=optimizer,
        batch_size=batch_size,
        average=average,
        penalty=most_penalties(optimizer),
        alpha=0.01,
        **settings(STEPS[step]),
    )
    whole = clone(model).fit(X, y)
    parts = epochs(clone(model), X, y, 2)
    assert_same(whole, parts)
    assert whole.t_ == 1 + 2 * N and len(parts.loss_curve_) == parts.n_iter_ == 2
    # Another seed would have been another model: the shuffle stream matters.
    if batch_size != "full" and step == "explicit":
        other = clone(model).set_params(random_state=1).fit(X, y)
        assert (other.coef_ != whole.coef_).any()
    # A third epoch, and half-way through a pickle.
    whole.set_params(max_iter=3).fit(X, y)
    copy = pickle.loads(pickle.dumps(parts))
    assert_same(epochs(parts, X, y, 1), whole)
    assert_same(epochs(copy, X, y, 1), whole)
    if step == "found":
        # In calls of its own, "auto" is that constant learning rate.
        model.set_params(learning_rate="auto")
        assert_same(epochs(clone(model), X, y, 3), parts)
        half = pickle.loads(pickle.dumps(epochs(clone(model), X, y, 2)))
        assert_same(epochs(half, X, y, 1), parts)


@pytest.mark.one_case
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("step", SAME_COURSE)
@pytest.mark.parametrize("weighted", [False, True])
def test_many_epochs_in_several_calls(cls, step, weighted):
    """With raw sizes and weights, long enough for the guard to have worked."""
    X, y = problem(cls)
    X = X * [1e-3, 1.0, 1e3, 1e4] + [0.0, 1e2, 0.0, -1e5]
    if step == "explicit":
        X = (X - X.mean(axis=0)) / X.std(axis=0)
    weight = np.random.default_rng(1).uniform(0.0, 3.0, N) if weighted else None
    for optimizer in ("sgd", "nesterov", "adam"):
        model = cls(
            optimizer=optimizer, batch_size=8, **settings(STEPS[step], max_iter=25)
        )
        whole = clone(model).fit(X, y, weight)
        parts = epochs(clone(model), X, y, 25, weight)
        # Sums of weights round differently in one call and in many.
        np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-9)
        np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-9)


@pytest.mark.exhaustive
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_outliers_in_several_calls(cls):
    """A wild epoch is undone in the same way by fit and by partial_fit."""
    X, y = problem(cls)
    X[3] *= 1e5
    X[11, 0] = -1e4
    for optimizer in RULES:
        for batch_size in (1, 16, "full"):
            model = cls(
                optimizer=optimizer,
                batch_size=batch_size,
                **settings(STEPS["found"], max_iter=12),
            )
            assert_same(clone(model).fit(X, y), epochs(clone(model), X, y, 12))


class EveryOther(Schedule):
    """A user's schedule that depends on the parity of the step."""

    def eta(self, t):
        return np.where(t % 2 == 0, 0.02, 0.01)


def by_step(t):
    return 0.02 / t**0.5


@pytest.mark.parametrize("schedule", [InvScaling(0.05, 0.5), EveryOther(), by_step])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_step_count_goes_on(cls, schedule):
    X, y = problem(cls)
    params = settings({"learning_rate": schedule}, shuffle=False)
    model = cls(batch_size=7, **params)
    whole = clone(model).set_params(max_iter=5).fit(X, y)
    parts = epochs(clone(model).fit(X, y), X, y, 1)
    parts = epochs(pickle.loads(pickle.dumps(parts)), X, y, 2)
    assert_same(whole, parts)
    # ... and was not constant all the while.
    constant = clone(model).set_params(learning_rate=0.01, max_iter=5).fit(X, y)
    assert (constant.coef_ != whole.coef_).any()


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("average", [False, True])
def test_joblib_memory_map(cls, step, average, tmp_path):
    """Read-only arrays from disk are as good as any."""
    X, y = problem(cls)
    model = cls(
        optimizer="adam", batch_size=8, average=average, **settings(STEPS[step])
    ).fit(X, y)
    joblib.dump(model, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    assert not mapped.coef_.flags.writeable
    np.testing.assert_array_equal(mapped.predict(X), model.predict(X))
    assert_same(epochs(mapped, X, y, 2), epochs(model, X, y, 2))
    joblib.dump(X, tmp_path / "X")
    X_mapped = joblib.load(tmp_path / "X", mmap_mode="r")
    assert_same(clone(model).fit(X_mapped, y), clone(model).fit(X, y))


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("step", STEPS)
def test_copies_share_nothing(cls, step):
    """Learning on changes neither an earlier copy nor coefficients handed out."""
    X, y = problem(cls)
    model = cls(optimizer="adam", batch_size=8, **settings(STEPS[step])).fit(X, y)
    copy, coef = pickle.loads(pickle.dumps(model)), model.coef_
    curve, before = model.loss_curve_, (model.coef_.copy(), list(model.loss_curve_))
    epochs(model, X, y, 1)
    np.testing.assert_array_equal(coef, before[0])
    np.testing.assert_array_equal(copy.coef_, before[0])
    assert curve == before[1]
    assert (model.coef_ != coef).any()


# ------------------------------------------------------------------ fit after fit


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("average", [False, True])
def test_refit_is_fresh(cls, step, average):
    X, y = problem(cls)
    model = cls(
        optimizer="adam", batch_size=8, average=average, **settings(STEPS[step])
    )
    once = clone(model).fit(X, y)
    twice = epochs(clone(model), 2 * X, y, 3).fit(X, y)
    assert_same(once, twice)
    # Other shapes and classes are no obstacle either.
    if cls is GDClassifier:
        twice.fit(X[:, :2], y > 0)
        assert twice.coef_.shape == (1, 2)
    assert_same(once, twice.fit(X, y))


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("step", STEPS)
def test_warm_start_is_coef_init(cls, step):
    X, y = problem(cls)
    model = cls(
        optimizer="adam", batch_size=8, warm_start=True, **settings(STEPS[step])
    )
    model.fit(X, y)
    start = {"coef_init": model.coef_, "intercept_init": model.intercept_}
    given = [v.copy() for v in start.values()]
    fresh = clone(model).fit(X, y, **start)
    for value, copy in zip(start.values(), given, strict=True):
        np.testing.assert_array_equal(value, copy)
    cold = clone(model).fit(X, y)
    model.fit(X, y)
    assert_same(model, fresh)
    assert (model.coef_ != cold.coef_).any()
    # It starts where the first fit ended.
    assert model.loss_curve_[-1] < cold.loss_curve_[-1]
    # Arguments go before the warm start.
    zero = {"coef_init": 0 * fresh.coef_, "intercept_init": 0 * fresh.intercept_}
    assert_same(model.fit(X, y, **zero), clone(model).fit(X, y, **zero))


def test_start_of_textbook_descent():
    """One step of plain descent from a given point, by hand."""
    X, y = problem(GDRegressor)
    w, b = np.array([1.0, -1.0, 0.5, 2.0]), 0.3
    r = X @ w + b - y
    for coef, intercept in ((w, b), (w, [b]), (w[None], np.array([b]))):
        model = GDRegressor(
            optimizer="sgd", batch_size="full", penalty=None, learning_rate=0.1,
            max_iter=1, tol=None,
        ).fit(X, y, coef_init=coef, intercept_init=intercept)  # fmt: skip
        np.testing.assert_allclose(model.coef_, w - 0.1 * X.T @ r / N)
        np.testing.assert_allclose(model.intercept_, b - 0.1 * r.mean())


def test_warm_start_with_other_classes_or_shape():
    X, y = load_iris(return_X_y=True)
    model = GDClassifier(warm_start=True, max_iter=2, tol=None).fit(X, y)
    for labels in (y > 0, y + 1, np.array(["a", "b", "c"])[y], np.arange(150) % 4):
        with pytest.raises(ValueError, match=r"warm_start.*classes"):
            model.fit(X, labels)
    # A refused fit leaves the model alone.
    assert model.predict(X).shape == (150,)
    with pytest.raises(ValueError, match=r"shape|features"):
        model.fit(X[:, :2], y)
    regressor = GDRegressor(warm_start=True, max_iter=2, tol=None).fit(X, y)
    with pytest.raises(ValueError, match=r"warm_start.*output"):
        regressor.fit(X, np.column_stack([y, y]))
    assert regressor.predict(X).shape == (150,)


# ------------------------------------------------------------------------- streams


def stream(model, X, y, size, passes, **kwargs):
    for _ in range(passes):
        for start in range(0, len(y), size):
            model.partial_fit(
                X[start : start + size], y[start : start + size], **kwargs
            )
            assert np.isfinite(model.coef_).all()
            assert model.stop_reason_ != "diverged"
    return model


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(y))
    return X[order], y[order]


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, scaled=False)


@pytest.mark.parametrize(
    "size, sparse",
    [
        pytest.param(1, False, marks=pytest.mark.exhaustive),
        *product([32, 200], [False, True]),
    ],
)
def test_stream_of_raw_chunks_classifier(cancer, size, sparse):
    X, y = cancer
    model = GDClassifier(random_state=0)
    stream(model, sp.csr_array(X) if sparse else X, y, size, 2, classes=[0, 1])
    assert model.score(X, y) > 0.9
    assert model.t_ == 1 + 2 * len(y)


@pytest.mark.parametrize(
    "size, sparse",
    [
        pytest.param(1, False, marks=pytest.mark.exhaustive),
        *product([32, 200], [False, True]),
    ],
)
def test_stream_of_raw_chunks_regressor(diabetes, size, sparse):
    X, y = diabetes
    model = GDRegressor(random_state=0)
    # Few rows at a time are many steps: fewer passes will do.
    stream(model, sp.csr_array(X) if sparse else X, y, size, 2 if size == 1 else 8)
    assert model.score(X, y) > 0.3


@pytest.mark.some_cases
@pytest.mark.parametrize("optimizer", RULES)
def test_stream_with_any_optimizer(cancer, optimizer):
    X, y = cancer
    model = GDClassifier(optimizer=optimizer, random_state=0)
    stream(model, X, y, 50, 2, classes=[0, 1])
    assert model.score(X, y) > 0.85


@pytest.mark.one_case
@pytest.mark.parametrize("constant", [0.0, 7.0])
@pytest.mark.parametrize("rows", [1, 20])
def test_first_chunk_with_constant_columns(constant, rows):
    """A column that starts to vary later is learnt all the same."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)) * [1.0, 100.0, 0.01] + [7.0, 0.0, 0.0]
    X[:rows, :2] = constant
    y = X @ [3.0, 0.05, 10.0] + 0.1 * rng.normal(size=400)
    model = GDRegressor(random_state=0).partial_fit(X[:rows], y[:rows])
    stream(model, X[rows:], y[rows:], 20, 10)
    assert r2_score(y[rows:], model.predict(X[rows:])) > 0.8


def test_drift(diabetes):
    """A stream whose features change their size is followed."""
    X, y = diabetes
    model = stream(GDRegressor(random_state=0), 0.5 * X[:200], y[:200], 20, 2)
    stream(model, X, y, 20, 10)
    assert model.score(X, y) > 0.3


@pytest.mark.exhaustive
def test_classes_missing_in_chunks():
    X, y = load_iris(return_X_y=True)
    for loss in ("log_loss", "hinge", "modified_huber"):
        model = GDClassifier(loss, random_state=0)
        for k in (0, 1, 2):  # one class after the other
            model.partial_fit(X[y == k], y[y == k], classes=[0, 1, 2])
            assert np.isfinite(model.coef_).all() and model.coef_.shape == (3, 4)
        for _ in range(50):
            model.partial_fit(X, y)
        assert list(model.classes_) == [0, 1, 2]
        assert model.score(X, y) > 0.85
    # A class that never comes is not predicted.
    model = GDClassifier(random_state=0)
    for _ in range(30):
        model.partial_fit(X, y, classes=[-1, 0, 1, 2])
    assert model.coef_.shape == (4, 4) and model.score(X, y) > 0.85


def test_classes_of_partial_fit():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    with pytest.raises(ValueError, match=r"classes.*first call"):
        GDClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="classes"):
        GDClassifier().partial_fit(X, y, classes=[1])
    with pytest.raises(ValueError, match=r"label.*2"):
        GDClassifier().partial_fit(X, y, classes=[0, 1])
    model = GDClassifier().partial_fit(X, names[y], classes=names[::-1])
    assert list(model.classes_) == list(names)
    coef = model.coef_.copy()
    with pytest.raises(ValueError, match=r"classes.*not the same"):
        model.partial_fit(X, names[y], classes=names[:2])
    with pytest.raises(ValueError, match="zebra"):
        model.partial_fit(X[:1], np.array(["zebra"]))
    np.testing.assert_array_equal(model.coef_, coef)
    model.partial_fit(X, names[y], classes=names)
    with pytest.raises(ValueError, match="balanced"):
        GDClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])
    # After fit the classes are known.
    assert GDClassifier().fit(X, y).partial_fit(X[:5], y[:5]).coef_.shape == (3, 4)


def test_refused_first_call_leaves_nothing():
    """After a first call that raised, the next one is the first."""
    X, y = load_iris(return_X_y=True)
    model = GDClassifier(random_state=0)
    with pytest.raises(ValueError):
        model.partial_fit(X, y, classes=[0, 1])
    model.partial_fit(X, y, classes=[0, 1, 2])
    fresh = GDClassifier(random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    assert_same(model, fresh)
    with pytest.raises(ValueError):
        GDRegressor().partial_fit(X, np.full(150, np.nan))


def test_outputs_of_partial_fit():
    X, y = load_iris(return_X_y=True)
    model = GDRegressor().partial_fit(X, np.column_stack([y, -y]))
    with pytest.raises(ValueError, match="outputs"):
        model.partial_fit(X, y)
    assert model.partial_fit(X, np.column_stack([y, -y])).coef_.shape == (2, 4)


@pytest.mark.one_case
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_weights_of_partial_fit(cls, step, optimizer):
    X, y = problem(cls)
    model = cls(optimizer=optimizer, batch_size=8, **settings(STEPS[step]))

    def learn(weights):
        result = clone(model)
        for epoch, weight in enumerate(weights):
            rows = slice(epoch % 2, None, 2)
            weight = None if weight is None else weight[rows]
            epochs(result, X[rows], y[rows], 1, weight)
        return result

    none = learn([None] * 4)
    ones = learn([np.ones(N)] * 4)
    many = learn([np.full(N, 7.3)] * 4)
    assert_same(none, ones)
    np.testing.assert_allclose(many.coef_, none.coef_, rtol=1e-9)
    # The ratios count, within a chunk and between chunks.
    ratios = np.random.default_rng(0).uniform(0.2, 3.0, N)
    within = learn([ratios] * 4)
    scaled = learn([5 * ratios] * 4)
    between = learn([np.ones(N), np.full(N, 3.0)] * 2)
    np.testing.assert_allclose(scaled.coef_, within.coef_, rtol=1e-9)
    for different in (within, between):
        assert np.abs(different.coef_ / none.coef_ - 1).max() > 1e-3


@pytest.mark.parametrize("batch_size", [1, "full"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_objective_of_a_call_is_a_mean_in_any_unit_of_its_weights(batch_size):
    X, y = problem(GDRegressor)
    model = GDRegressor(optimizer="sgd", batch_size=batch_size, penalty=None)
    model.set_params(learning_rate=1e-9)
    for weight in (1.0, 3.0):
        model.partial_fit(X, y, np.full(N, weight))
    assert_allclose(model.loss_curve_, 0.5 * np.mean(y**2), rtol=1e-5)


def test_parameters_may_change_between_calls():
    """What scikit-learn's users do with SGD*: a new setting for the next chunk."""
    X, y = problem(GDRegressor)
    model = GDRegressor(
        optimizer=Adam(), batch_size=8, **settings({"learning_rate": 0.1})
    )
    epochs(model, X, y, 20)
    # From here on the rule starts afresh, but the coefficients stay.
    before = model.loss_curve_[-1]
    model.set_params(optimizer="sgd", learning_rate=1e-3).partial_fit(X, y)
    assert abs(model.loss_curve_[-1] - before) < 0.05 * before
    assert model.t_ == 1 + 21 * N
    model.set_params(alpha=10.0, learning_rate=0.01)
    assert np.abs(epochs(model, X, y, 20).coef_).max() < 0.2


class Interruptible:
    """A constant learning rate that Ctrl-C can hit at a given step."""

    def __init__(self):
        self.at = np.inf

    def __call__(self, t):
        if t > self.at:
            raise KeyboardInterrupt
        return 0.01


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_interrupted_call(cls, penalty, monkeypatch):
    """Ctrl-C in the middle of a call leaves the coefficients of the call before."""
    monkeypatch.setattr("sklgd._solvers.rules.CHUNK_ROWS", 8)
    X, y = problem(cls)
    step = Interruptible()
    model = cls(
        optimizer="sgd", batch_size=1, penalty=penalty, learning_rate=step,
        shuffle=False, tol=None,
    )  # fmt: skip
    twice = clone(model).set_params(max_iter=2).fit(X, y)
    epochs(model, X, y, 2)
    step.at = 2 * N + 20
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X, y)
    np.testing.assert_array_equal(model.coef_, twice.coef_)
    # ... and the next call goes on from them, not from the middle of that call.
    step.at = np.inf
    model.partial_fit(X, y)
    np.testing.assert_array_equal(model.coef_, twice.partial_fit(X, y).coef_)
    fresh = clone(model)
    step.at = 20
    fresh.set_params(learning_rate=step)
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(X, y)
    with pytest.raises(NotFittedError):
        fresh.predict(X)


@pytest.mark.exhaustive
def test_steps_of_a_stream_fall():
    """On a long noisy stream a step moves the coefficients less and less."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(32_000, 3))
    y = X @ [1.0, -1.0, 0.5] + rng.normal(size=len(X))

    def movement(model):
        moved = []
        for i in range(0, 3200, 32):
            before = model.coef_.copy()
            model.partial_fit(X[i : i + 32], y[i : i + 32])
            moved.append(np.abs(model.coef_ - before).mean())
        return np.mean(moved)

    model = GDRegressor(random_state=0)
    stream(model, X, y, 3200, 1)
    early = movement(model)
    stream(model, X, y, 3200, 8)
    assert movement(model) < 0.7 * early


# ----------------------------------------------------------------------- stored models


def stored_size(model):
    return len(pickle.dumps(model))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "params", [{}, {"batch_size": 1}, {"optimizer": "lbfgs"}, {"optimizer": "svrg"}]
)
@pytest.mark.parametrize("width", [4, 5000])
def test_a_fitted_model_is_small(width, params, dtype):
    """At most twice what SGDClassifier takes, and the coefficients once."""
    X = sp.random_array((60, width), density=0.02, rng=0, format="csr", dtype=dtype)
    y = np.arange(60) % 2
    model = GDClassifier(random_state=0, max_iter=5, tol=None, **params).fit(X, y)
    sgd = SGDClassifier().fit(X, y)
    budget = 2 * (stored_size(sgd) - sgd.coef_.nbytes) + model.coef_.nbytes
    assert stored_size(model) <= budget


@pytest.mark.some_cases
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_fit_by_any_optimizer_is_small(optimizer, sparse):
    """At most twice what SGDClassifier takes, and the coefficients once."""
    X = sp.random_array((60, 3000), density=0.02, rng=0, format="csr")
    X, y = X if sparse else X.toarray(), np.arange(60) % 2
    params = {"loss": "log_loss", "eta0": 0.01, "tol": None, "max_iter": 3}
    params |= {"random_state": 0, "penalty": "l2"}
    ways = [{}]
    if optimizer in RULES:
        params["penalty"] = most_penalties(optimizer)
        rates = [{"learning_rate": rate} for rate in ("auto", "constant")]
        ways = [{"batch_size": 16} | rate for rate in rates]
        ways += [way | {"average": True} for way in ways]
    for way in ways:
        model = GDClassifier(optimizer=optimizer, **params, **way).fit(X, y)
        average = way.get("average", False)
        sgd = SGDClassifier(learning_rate="constant", average=average, **params)
        budget = 2 * stored_size(sgd.fit(X, y)) + model.coef_.nbytes
        assert stored_size(model) <= budget, way


@pytest.mark.parametrize("average", [False, True])
def test_learning_after_a_fit_goes_on_as_that_of_SGDClassifier(average):
    """From the iterate, its average and the number of steps."""
    X, y = problem(GDClassifier)
    params = {"average": average, "shuffle": False, "tol": None, "max_iter": 3}
    params |= {"learning_rate": "invscaling", "eta0": 0.02, "power_t": 0.4}
    ours = GDClassifier("squared_hinge", optimizer="sgd", batch_size=1, **params)
    sgd = SGDClassifier("squared_hinge", **params).fit(X, y)
    ours = pickle.loads(pickle.dumps(ours.fit(X, y)))
    ours.partial_fit(X, y), sgd.partial_fit(X, y)
    np.testing.assert_allclose(ours.coef_, sgd.coef_, rtol=1e-9)


def test_a_stream_stores_nothing_twice():
    """coef_, position, two moments, mean, variance and scale."""
    X = sp.random_array((60, 5000), density=0.02, rng=0, format="csr")
    model = GDClassifier(optimizer="adam", random_state=0)
    model.partial_fit(X, np.arange(60) % 2, classes=[0, 1])
    assert stored_size(model) < 7 * model.coef_.nbytes + 6000
    size = stored_size(model.drop_training_state())
    assert size < model.coef_.nbytes + 2000


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_without_training_state_a_model_predicts_and_learns(cls, step, average):
    X, y = problem(cls)
    params = settings(STEPS[step], optimizer="adam", average=average)
    model = epochs(cls(**params), X, y, 2)
    before, curve = model.predict(X), model.loss_curve_
    assert model.drop_training_state() is model
    np.testing.assert_array_equal(model.predict(X), before)
    assert model.loss_curve_ == curve and model.n_iter_ == 2
    copy = pickle.loads(pickle.dumps(model))
    assert_same(copy, model)
    assert_same(epochs(copy, X, y, 1), epochs(model, X, y, 1))
    assert model.n_iter_ == 3 and np.isfinite(model.coef_).all()
    with pytest.raises(NotFittedError):
        cls().drop_training_state()


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("params", [{}, {"batch_size": 1}, {"learning_rate": 0.01}])
def test_a_stored_fit_goes_on_as_the_fit_itself(cls, dtype, params):
    """Also with coefficients that were made sparse, or changed by the user."""
    X, y = problem(cls)
    for change in (lambda m: m, lambda m: m.sparsify(), lambda m: m.coef_.fill(0.5)):
        model = cls(max_iter=3, tol=None, random_state=0, **params)
        model.fit(X.astype(dtype), y)
        change(model)
        copy = pickle.loads(pickle.dumps(model))
        assert_same(epochs(copy, X, y, 2), epochs(model, X, y, 2))


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_joblib_maps_a_stored_model_into_memory(cls, tmp_path):
    X, y = problem(cls)
    start = cls(max_iter=3, tol=None, random_state=0)
    for model in (clone(start).fit(X, y), epochs(clone(start), X, y, 2)):
        joblib.dump(model, tmp_path / "model")
        copy = joblib.load(tmp_path / "model", mmap_mode="r")
        assert_same(copy, model)
        assert_same(epochs(copy, X, y, 1), epochs(model, X, y, 1))


@pytest.mark.parametrize("seed", [None, 0, np.random.RandomState(3)])
def test_the_random_stream_of_a_stored_model(seed):
    """A generator of the user stays the same object; a seed's goes on."""
    X, y = problem(GDRegressor)
    model = GDRegressor(random_state=seed, batch_size=1, learning_rate=0.01)
    model.partial_fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    if isinstance(seed, np.random.RandomState):
        assert copy._state.rng is copy.random_state
    elif seed is not None:
        assert_same(copy.partial_fit(X, y), model.partial_fit(X, y))
    assert np.isfinite(copy.partial_fit(X, y).coef_).all()


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "params", [{}, {"batch_size": 1}, {"optimizer": "adam"}, {"learning_rate": 0.01}]
)
def test_skops_meets_public_types_only(params):
    io = pytest.importorskip("skops.io")
    X, y = problem(GDClassifier)
    for model in (
        GDClassifier(max_iter=3, tol=None, random_state=0, **params).fit(X, y),
        epochs(GDClassifier(random_state=0, **params), X, y, 2),
    ):
        data = io.dumps(model)
        unknown = io.get_untrusted_types(data=data)
        assert set(unknown) <= set(TRUSTED_TYPES)
        copy = io.loads(data, trusted=TRUSTED_TYPES)
        assert_same(copy, model)
        assert_same(epochs(copy, X, y, 1), epochs(model, X, y, 1))


def test_a_stream_of_large_targets_survives_a_target_of_zero():
    """The size of the targets is that of all calls, not that of the last one."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = 1e6 * (X @ [1.0, -2.0, 0.5] + 3.0)
    model = GDRegressor(optimizer="sgd", random_state=0)
    for first in range(0, 200, 20):
        model.partial_fit(X[first : first + 20], y[first : first + 20])
    model.partial_fit(X[:1], [0.0])
    assert model.stop_reason_ == "partial_fit"


def test_a_stream_with_a_new_schedule_starts_its_steps_afresh():
    """The same as a new model that starts from these coefficients."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X @ [1.0, -2.0, 0.5]
    settings = {"optimizer": "sgd", "learning_rate": "invscaling", "batch_size": 1}
    settings |= {"shuffle": False, "random_state": 0}
    model = GDRegressor(eta0=0.01, **settings)
    model.partial_fit(X, y)
    start = model.coef_.copy(), model.intercept_.copy()
    model.set_params(eta0=0.05).partial_fit(X, y)
    fresh = GDRegressor(eta0=0.05, max_iter=1, tol=None, **settings)
    fresh.fit(X, y, coef_init=start[0], intercept_init=start[1])
    np.testing.assert_allclose(model.coef_, fresh.coef_, rtol=1e-12)


@pytest.mark.parametrize("older", [{"form": "of long ago"}, "no dict at all"])
def test_a_model_that_another_version_has_stored_predicts_and_starts_afresh(older):
    X, y = load_diabetes(return_X_y=True)
    model = GDRegressor(optimizer="adam", batch_size=32, max_iter=3).fit(X, y)
    stored = model.__getstate__() | {"_state": older}
    again = GDRegressor.__new__(GDRegressor)
    with pytest.warns(UserWarning, match="stored by another version of sklgd"):
        again.__setstate__(stored)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    again.partial_fit(X, y)
    assert np.isfinite(again.coef_).all()


def test_a_stream_that_another_version_has_stored_is_refused():
    X, y = load_diabetes(return_X_y=True)
    stored = GDRegressor().partial_fit(X, y).__getstate__()
    stored["_state"] = {**stored["_state"], "format": -1}
    with pytest.raises(ValueError, match="stored by another version of sklgd"):
        GDRegressor.__new__(GDRegressor).__setstate__(stored)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("first", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"learning_rate": 1e-3},
        {"learning_rate": 1e-3, "optimizer": "adam"},
        {"learning_rate": 1e-3, "average": True},
        {"learning_rate": 1e-3, "penalty": "l1"},
    ],
    ids=str,
)
def test_partial_fit_goes_on_from_assigned_coefficients(settings, first, in_place):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)).astype(np.float32)
    X[:, 3] = 0.0  # A fit leaves this column out.
    y = X @ [1.0, 2.0, 3.0, 0.0] + 0.1 * rng.normal(size=200)
    model = getattr(GDRegressor(random_state=0, **settings), first)(X, y)
    n_iter, t = model.n_iter_, model.t_
    if in_place:
        model.coef_[...], model.intercept_[...] = 9.0, 1.0
    else:
        model.coef_, model.intercept_ = np.full(4, 9.0), np.ones(1)
    stored = pickle.loads(pickle.dumps(model))
    for one in (model, stored):
        one.partial_fit(X[:1], one.predict(X[:1]))
        assert_allclose(one.coef_, 9.0, rtol=0.02)
        assert_allclose(one.intercept_, 1.0, atol=0.1)
        assert one.n_iter_ == n_iter + 1 or settings == {}
        assert one.t_ == t + 1
    assert_array_equal(stored.coef_, model.coef_)
    model.coef_ = np.ones(3)
    with pytest.raises(ValueError, match="coef_ and intercept_ must hold 5 finite"):
        model.partial_fit(X, y)


@pytest.mark.parametrize("average", [False, True])
def test_coefficients_that_are_only_stored_as_sparse_change_no_later_step(average):
    X, y = load_diabetes(return_X_y=True)
    settings = {"learning_rate": 0.01, "average": average, "random_state": 0}
    one = GDRegressor(**settings, penalty="l1").partial_fit(X, y)
    other = pickle.loads(pickle.dumps(one)).sparsify()
    assert_array_equal(one.partial_fit(X, y).coef_, other.partial_fit(X, y).coef_)


@pytest.mark.some_cases
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("optimizer", RULES)
def test_coefficients_of_columns_that_do_not_vary_survive_the_next_call(
    optimizer, form
):
    """The first rows after a fit may all have the same entry, or be a single row."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    X[:, 2] = X[:, 2] > 0.0
    y = X @ [1.0, 2.0, 3.0, 4.0]
    X, absent = form(X), X[:, 2] == 0.0
    model = GDRegressor(optimizer=optimizer, random_state=0).fit(X, y)
    for rows in (np.flatnonzero(absent), [0]):
        later = pickle.loads(pickle.dumps(model)).partial_fit(X[rows], y[rows])
        assert_allclose(later.coef_, model.coef_, atol=0.3)
    # Other rows bring another scaling.
    later = pickle.loads(pickle.dumps(model))
    for unit in (1.0, 0.1):
        later.partial_fit(unit * X[absent], unit * y[absent])
        assert_allclose(later.coef_[2], model.coef_[2], atol=0.3)
