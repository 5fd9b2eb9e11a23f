"""When a run ends, what it then says, and what it leaves behind."""

import itertools
import re
import warnings

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from conftest import make_problem, objective
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    load_wine,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import StratifiedShuffleSplit

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.objective import Objective
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS
from sklgd.schedules import Adaptive

REGRESSION = [n for n, loss in reference.LOSSES.items() if loss.task == "regression"]
CLASSIFICATION = [n for n in reference.LOSSES if n not in REGRESSION]
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def estimator(loss, **settings):
    return (GDRegressor if loss in REGRESSION else GDClassifier)(
        loss, **{"random_state": 0} | settings
    )


# -------------------------------------------------------------- free of all scales

# F of targets c y at c w is c^power F(w) + constant if alpha is multiplied by
# c^(power - 2 shift): the penalty |w|^2 grows by c^2 where the loss has an identity
# link (shift 1), not at all where c y only moves the intercept (log link, shift 0).
SCALING = {name: reference.LOSSES[name].unit for name in REGRESSION}
SCALING = {name: unit for name, unit in SCALING.items() if unit is not None}

PATHS = {
    "auto": {},
    "auto_stochastic": {"optimizer": "sgd", "batch_size": 1},
    "auto_adam": {"optimizer": "adam", "batch_size": 8},
    "sgd": {"optimizer": "sgd", "batch_size": 1, "learning_rate": 0.01},
    "momentum": {"optimizer": "momentum", "batch_size": 8, "learning_rate": 0.01},
}


def is_kinked(loss):
    return bool(reference.LOSSES[loss].jumps())


def assert_same_course(a, b, X, c=1.0, power=1.0):
    if is_kinked(a.loss) and a.optimizer == "auto":
        # Which jumps a step of Newton's crosses hangs on the last digit; what tol
        # promises does not.
        least = min(a.loss_curve_[-1], b.loss_curve_[-1] / c**power)
        most = max(a.loss_curve_[-1], b.loss_curve_[-1] / c**power)
        assert most - least <= 2.0 * a.tol * abs(a.loss_curve_[0] - least)
        size = np.std(c * a.predict(X))
        np.testing.assert_allclose(c * a.predict(X), b.predict(X), atol=0.02 * size)
        return
    assert a.n_iter_ == b.n_iter_
    assert a.stop_reason_ == b.stop_reason_
    np.testing.assert_allclose(c * a.predict(X), b.predict(X), rtol=1e-6)


# With a log link, from b = 0 the ways to b and to b + log(c) are not the same.
SCALABLE = [
    (loss, path)
    for loss in SCALING
    for path in PATHS
    if SCALING[loss][1] or "learning_rate" not in PATHS[path]
]


@pytest.mark.some_cases
@quiet
@pytest.mark.parametrize("loss, path", SCALABLE)
@pytest.mark.parametrize("c", [1e3, 2.0**-12])
def test_scale_of_y(loss, path, c):
    X, y = make_problem(loss)
    power, shift = SCALING[loss]
    settings = {"alpha": 0.01, "epsilon": 0.2, "max_iter": 400} | PATHS[path]
    scaled = settings | {"alpha": 0.01 * c ** (power - 2 * shift)}
    scaled["epsilon"] *= c
    if "learning_rate" in settings:  # coefficients c w from gradients c^(power - 1)
        scaled["learning_rate"] *= c ** (2 - power)
    model = estimator(loss, **settings).fit(X, y)
    twin = estimator(loss, **scaled).fit(X, c * y)
    assert_same_course(model, twin, X, c, power)
    # Something was learnt, and tol had its say.
    assert model.n_iter_ > (0 if path == "auto" else 5)
    constant = estimator(loss, **settings).fit(0.0 * X, y)
    assert objective(model, X, y) < objective(constant, X, y)
    if is_kinked(loss) and path == "auto":
        return
    drop, twin_drop = (
        np.array(m.loss_curve_) - m.loss_curve_[-1] for m in (model, twin)
    )
    np.testing.assert_allclose(
        twin_drop, c**power * drop, rtol=1e-6, atol=1e-7 * c**power
    )


@pytest.mark.some_cases
@quiet
@pytest.mark.parametrize("loss", reference.LOSSES)
@pytest.mark.parametrize("path", PATHS)
def test_scale_of_the_weights(loss, path):
    X, y = make_problem(loss)
    weight = np.random.default_rng(1).uniform(0.2, 2.0, len(y))
    settings = {"alpha": 0.01, "max_iter": 15} | PATHS[path]
    model = estimator(loss, **settings).fit(X, y, weight)
    for c in (1e-8, 3e9):
        twin = estimator(loss, **settings).fit(X, y, c * weight)
        assert_same_course(model, twin, X)
        if is_kinked(loss) and path == "auto":
            continue
        np.testing.assert_allclose(twin.coef_, model.coef_, rtol=1e-6)
        np.testing.assert_allclose(twin.loss_curve_, model.loss_curve_, rtol=1e-6)
    unweighted = estimator(loss, **settings).fit(X, y)
    assert np.abs(unweighted.coef_ - model.coef_).max() > 1e-4


@pytest.mark.some_cases
@quiet
@pytest.mark.parametrize("loss", reference.LOSSES)
@pytest.mark.parametrize("path", ["auto", "auto_stochastic", "auto_adam"])
def test_scale_of_the_columns(loss, path):
    X, y = make_problem(loss)
    scale = 2.0 ** np.array([-20, -3, 0, 1, 11, 30])
    model = estimator(loss, penalty=None, max_iter=200, **PATHS[path])
    twin = clone(model).fit(X * scale, y)
    model.fit(X, y)
    # Powers of two round nothing: the bits are the same.
    assert model.n_iter_ == twin.n_iter_
    np.testing.assert_allclose(twin.coef_ * scale, model.coef_, rtol=1e-6)
    np.testing.assert_allclose(twin.predict(X * scale), model.predict(X), rtol=1e-6)


# --------------------------------------------------------------- tol, max_iter, words


@pytest.fixture(scope="module")
def small():
    return make_problem("squared_error", n=100)


@pytest.mark.parametrize("settings", PATHS.values(), ids=PATHS)
def test_max_iter_warning(small, settings):
    # By default the squared error is solved in one step.
    loss = "squared_error" if settings else "huber"
    model = GDRegressor(loss, max_iter=3, tol=1e-9, random_state=0, **settings)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(*small)
    assert len(caught) == 1 and "Increase max_iter" in str(caught[0].message)
    message = model.diagnosis_["text"]
    assert re.search(r"max_iter=3\b", message)
    assert re.search(r"tol is 1e-09", message)
    assert "Increase max_iter" in message
    assert (model.stop_reason_, model.n_iter_) == ("max_iter", 3)


@pytest.mark.parametrize("settings", PATHS.values(), ids=PATHS)
def test_no_warning(small, settings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = GDRegressor(max_iter=3, tol=None, **settings).fit(*small)
        assert (model.stop_reason_, model.n_iter_) == ("max_iter", 3)
        model = GDRegressor(random_state=0, tol=1e-3, **settings).fit(*small)
        assert model.stop_reason_ == "converged" and model.n_iter_ < 1000
        model.partial_fit(*small)
        assert model.stop_reason_ == "partial_fit"


@pytest.mark.parametrize("tol", [0.0, 0.05])
def test_with_early_stopping_an_epoch_counts_if_the_score_rises_by_tol(tol):
    X, y = load_diabetes(return_X_y=True)
    model = GDRegressor(
        optimizer="sgd", learning_rate="constant", eta0=0.01, early_stopping=True,
        tol=tol, n_iter_no_change=3, max_iter=300, random_state=0,
    )  # fmt: skip
    scores = model.fit(X, y).validation_scores_
    best, idle, ends = -np.inf, 0, []
    for epoch, score in enumerate(scores, 1):
        idle = 0 if score >= best + tol else idle + 1
        best = max(best, score)
        if idle == 3:
            ends.append(epoch)
    assert model.stop_reason_ == "early_stopping" and ends == [len(scores)]


def test_tol_and_n_iter_no_change(small):
    epochs = [
        GDRegressor(
            optimizer="sgd",
            batch_size="full",
            tol=tol,
            max_iter=5000,
            n_iter_no_change=k,
        )
        .fit(*small)
        .n_iter_
        for tol, k in ((1e-2, 5), (1e-6, 5), (1e-6, 12))
    ]
    assert epochs[0] < epochs[1] < epochs[2]
    # No improvement is ever large enough: the first epoch leaves the constant model.
    few = [
        GDRegressor(optimizer="nesterov", tol=10.0, n_iter_no_change=k)
        .fit(*small)
        .n_iter_
        for k in (1, 3, 7)
    ]
    assert few[1] - few[0] == 2 and few[2] - few[1] == 4 and few[0] <= 2


def test_adaptive_lowers_its_step(small, caplog):
    """Each plateau divides the step by five; below eta_min the run ends."""
    X, y = small
    settings = {"optimizer": "sgd", "batch_size": 1, "random_state": 0, "verbose": 1}
    settings |= {"penalty": None, "tol": 1e-3, "n_iter_no_change": 2}
    with caplog.at_level("INFO", logger="sklgd"):
        adaptive = GDRegressor(
            learning_rate=Adaptive(eta0=0.2, eta_min=1e-5), **settings
        ).fit(X, y)
    *lines, _ = [r.getMessage() for r in caplog.records]
    steps = np.array([float(line.split()[-1]) for line in lines])
    assert len(steps) == adaptive.n_iter_
    drops = steps[:-1] / steps[1:]
    assert set(np.round(drops, 6)) == {1.0, 5.0}
    assert steps[-1] <= 1e-5 < 5 * steps[-1] and steps[0] == 0.2
    assert adaptive.stop_reason_ == "converged"
    constant = GDRegressor(learning_rate=0.2, **settings).fit(X, y)
    best = objective(adaptive, X, y, (*np.split(lstsq(X, y), [6]),))
    assert objective(adaptive, X, y) - best < 0.01 * (objective(constant, X, y) - best)
    # With tol=None nothing is a plateau.
    forever = GDRegressor(learning_rate="adaptive", eta0=0.01, **settings)
    forever.set_params(tol=None, max_iter=30).fit(X, y)
    plain = GDRegressor(learning_rate=0.01, **settings).set_params(
        tol=None, max_iter=30
    )
    np.testing.assert_array_equal(forever.coef_, plain.fit(X, y).coef_)


def lstsq(X, y):
    return np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y)[0]


@pytest.mark.some_cases
@quiet
@pytest.mark.parametrize("loss", reference.LOSSES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("average", [False, True])
def test_loss_curve_is_the_objective(loss, path, average):
    """The last entry is F of the returned coefficients, not a running mean."""
    for n_outputs in (1, 3):
        X, y = make_problem(loss, n_outputs=n_outputs)
        weight = np.random.default_rng(1).uniform(0.2, 2.0, len(X))
        for penalty, s in (("elasticnet", weight), ("l2", None), (None, weight)):
            model = estimator(loss, penalty=penalty, alpha=0.05, average=average)
            model.set_params(max_iter=4, tol=None, **PATHS[path]).fit(X, y, s)
            wanted = objective(model, X, y, weight=s)
            assert model.loss_curve_[-1] == pytest.approx(wanted, rel=1e-9)
            assert len(model.loss_curve_) == model.n_iter_ == 4
            if s is None and path != "auto":
                # (The online learner's is a progressive loss.)
                if loss in REGRESSION:
                    model.partial_fit(X, y)
                else:
                    model.partial_fit(X, y, classes=np.unique(y))
                wanted = objective(model, X, y)
                assert model.loss_curve_[-1] == pytest.approx(wanted, rel=1e-9)


# ------------------------------------------------------------------- early stopping


def noisy(cls, n=120):
    """Few rows for many features: fitting goes on, validation gets worse."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2 * n, 60))
    z = X[:, 0] + 2.0 * rng.normal(size=2 * n)
    y = z if cls is GDRegressor else np.digitize(z, [-2.0, 1.0])
    return X[:n], y[:n], X[n:], y[n:]


@pytest.mark.one_case
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("average", [False, True])
def test_early_stopping_on_given_rows(cls, path, average):
    X, y, X_val, y_val = noisy(cls)
    model = cls(
        early_stopping=True, random_state=0, average=average, n_iter_no_change=7,
        **PATHS[path],
    )  # fmt: skip
    weight = np.random.default_rng(0).uniform(size=len(y_val))
    for s in (None, weight):
        model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=s)
        assert model.stop_reason_ == "early_stopping"
        scores = model.validation_scores_
        assert len(scores) == model.n_iter_ == len(model.loss_curve_) < 1000
        assert model.best_validation_score_ == max(scores)
        # The best coefficients are restored, not the last ones.
        # (The average of many batch steps still rises a little, less than tol.)
        if not (average and path == "auto"):
            assert scores[-1] < model.best_validation_score_
        best = model.score(X_val, y_val, s)
        assert best == pytest.approx(model.best_validation_score_, rel=1e-12)
    # Without early stopping the same run is scored, but goes on.
    model.set_params(early_stopping=False, max_iter=model.n_iter_ + 20, tol=None)
    model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    # (A batch method asks its model once more where that says the run is over.)
    np.testing.assert_allclose(
        model.validation_scores_[: len(scores)],
        scores,
        rtol=1e-12 if path == "auto" else 0,
    )
    assert model.stop_reason_ == "max_iter"
    assert model.validation_scores_[-1] == pytest.approx(
        model.score(X_val, y_val, weight), rel=1e-12
    )


@pytest.mark.parametrize("optimizer", ["newton", "lbfgs", "fista"])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_gap_after_early_stopping_is_that_of_the_coefficients(optimizer, sparse):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(120, 30))
    y = (X @ rng.normal(size=30) + 9.0 * rng.normal(size=120) > 0.0).astype(int)
    given = sp.csr_array(X) if sparse else X
    settings = dict(optimizer=optimizer, alpha=1e-2)
    model = GDClassifier(early_stopping=True, **settings)
    model.fit(given[:60], y[:60], X_val=given[60:], y_val=y[60:])
    assert np.argmax(model.validation_scores_) < model.n_iter_ - 1
    X, y = X[:60], y[:60]
    best = GDClassifier(tol=1e-13, max_iter=10_000, **settings).fit(X, y)
    p = y.mean()
    null = -(p * np.log(p) + (1.0 - p) * np.log(1.0 - p))
    lowest = objective(best, X, y)
    expected = (objective(model, X, y) - lowest) / (null - lowest)
    assert expected > 1e-3
    # (FISTA's estimate of the minimum is rougher than the others'.)
    rough = {"newton": 0.01, "lbfgs": 0.05, "fista": 0.2}[optimizer]
    assert model.optimality_gap_ == pytest.approx(expected, rel=rough)


def test_early_stopping_on_a_stratified_split():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = np.where(np.arange(200) % 20 == 0, "rare", "common")
    X[y == "rare"] += 1.0
    model = GDClassifier(early_stopping=True, random_state=3, validation_fraction=0.2)
    model.fit(X, y)
    # Of ten rare rows two are held out.
    splitter = StratifiedShuffleSplit(test_size=0.2, random_state=3)
    rows, held_out = next(splitter.split(X, y))
    assert (y[held_out] == "rare").sum() == 2
    assert model.score(X[held_out], y[held_out]) == model.best_validation_score_
    again = clone(model).fit(
        X[np.sort(rows)], y[np.sort(rows)], X_val=X[held_out], y_val=y[held_out]
    )
    np.testing.assert_array_equal(again.validation_scores_, model.validation_scores_)
    np.testing.assert_allclose(again.coef_, model.coef_, rtol=1e-9)


def test_early_stopping_without_tol_runs_to_the_end():
    X, y, X_val, y_val = noisy(GDRegressor)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = GDRegressor(early_stopping=True, tol=None, max_iter=60, random_state=0)
        model.fit(X, y, X_val=X_val, y_val=y_val)
    assert (model.n_iter_, model.stop_reason_) == (60, "max_iter")
    assert model.score(X_val, y_val) == pytest.approx(max(model.validation_scores_))
    model.set_params(tol=1e-4, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="stopped at max_iter"):
        model.fit(X, y, X_val=X_val, y_val=y_val)
    assert re.search("validation score.*max_iter", model.diagnosis_["text"])


# ----------------------------------------------------------------------- divergence

RAW = {
    GDRegressor: load_diabetes(return_X_y=True, scaled=False),
    GDClassifier: load_breast_cancer(return_X_y=True),
}
DIVERGENT = {
    (GDRegressor, "squared_error"): 1e-2,
    (GDRegressor, "squared_epsilon_insensitive"): 1e-2,
    (GDRegressor, "poisson"): 1e-2,
    (GDClassifier, "squared_hinge"): 1e-2,
    (GDClassifier, "modified_huber"): 1e4,
    (GDClassifier, "log_loss"): 1e4,
    (GDClassifier, "hinge"): 1e4,
}


def assert_diverged(model, X, y, caught):
    """Finite, no worse than where it began, and the reason named with figures."""
    assert {str(w.message)[:8] for w in caught} == {"Gradient"}
    assert all(issubclass(w.category, ConvergenceWarning) for w in caught)
    message = model.diagnosis_["text"]
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    zero = (0.0 * model.coef_, 0.0 * model.intercept_)
    reached = objective(model, X, y)
    assert reached <= objective(model, X, y, zero) * (1 + 1e-12)
    assert model.loss_curve_[-1] == pytest.approx(reached, rel=1e-9)
    for word in ("diverged", "learning rate", "root mean square", "auto"):
        assert word in message
    number = r"(\d[\d.]*(?:e[-+]?\d+)?)"
    eta, limit = (
        float(re.search(pattern + number, message)[1].rstrip("."))
        for pattern in (r"learning rate (?:of )?", r"up to about ")
    )
    small, large = re.search(rf"range from {number} to {number}", message).groups()
    sizes = np.sqrt((X**2).mean(axis=0))
    sizes = sizes[sizes > 0]
    assert float(small) == pytest.approx(sizes.min(), rel=0.1)
    assert float(large.rstrip(".")) == pytest.approx(sizes.max(), rel=0.1)
    # The scale of the features is blamed where they differ in it.
    assert ("StandardScaler" in message) == (sizes.max() > 10.0 * sizes.min())
    return eta, limit


@pytest.mark.some_cases
@pytest.mark.parametrize(
    "cls, loss", DIVERGENT, ids=[f"{c.__name__}-{loss}" for c, loss in DIVERGENT]
)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("batch_size", [1, 32, "full"])
def test_divergence_is_caught(cls, loss, optimizer, batch_size):
    X, y = RAW[cls]
    eta = DIVERGENT[cls, loss]
    for tol in (1e-4, None):
        for more in ({}, {"average": True}, {"early_stopping": True}):
            model = cls(
                loss, optimizer=optimizer, batch_size=batch_size, learning_rate=eta,
                max_iter=30, tol=tol, random_state=0, **more,
            )  # fmt: skip
            with pytest.warns(ConvergenceWarning) as caught:
                model.fit(X, y)
            if batch_size == 1 and optimizer == "sgd" and LOSSES[loss].bounded_gradient:
                # The run goes on: F says little of what its steps predict.
                assert model.stop_reason_ in ("diverged", "stalled", "max_iter")
                assert np.isfinite(model.coef_).all()
                continue
            if "early_stopping" in more:
                assert model.stop_reason_ == "diverged"
                assert np.isfinite(model.coef_).all()
                assert len(model.validation_scores_) == model.n_iter_
                continue
            used, limit = assert_diverged(model, X, y, caught)
            assert used == eta > limit
            assert model.n_iter_ < 10
    # With the learning rate that the warning calls stable it does not diverge.
    if (optimizer, batch_size) == ("sgd", "full"):
        model.set_params(learning_rate=0.5 * limit, early_stopping=False)
        assert model.fit(X, y).stop_reason_ == "max_iter"
        assert model.loss_curve_[-1] < model.loss_curve_[0]


@pytest.mark.one_case
@pytest.mark.parametrize("cls", RAW)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("batch_size", [1, 32, "full"])
def test_divergence_of_partial_fit(cls, optimizer, batch_size):
    X, y = RAW[cls]
    loss = "squared_error" if cls is GDRegressor else "squared_hinge"
    model = cls(
        loss, optimizer=optimizer, batch_size=batch_size, learning_rate=1e-2,
        random_state=0,
    )  # fmt: skip
    classes = [] if cls is GDRegressor else [[0, 1]]
    reasons = []
    for _ in range(10):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.partial_fit(X, y, *classes)
        reasons.append(model.stop_reason_)
        if reasons[-1] == "diverged":
            eta, limit = assert_diverged(model, X, y, caught)
            assert eta == 1e-2 > limit
        else:
            assert not caught
    assert "diverged" in reasons
    # A learning rate that suits the data makes it learn from there.
    model.set_params(learning_rate="auto")
    for _ in range(20):
        model.partial_fit(X, y)
    assert model.stop_reason_ == "partial_fit"
    assert model.score(X, y) > (0.3 if cls is GDRegressor else 0.9)


def test_divergence_after_a_good_start():
    """The best coefficients seen are kept, not the starting point."""
    X, y = make_problem("squared_error", n=100)
    model = GDRegressor(
        optimizer="sgd",
        batch_size="full",
        learning_rate=lambda t: 0.1 if t <= 20 else 9.0,
        tol=None,
    )
    good = clone(model).set_params(learning_rate=0.1, max_iter=20).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, y)
    assert model.stop_reason_ == "diverged"
    np.testing.assert_allclose(model.coef_, good.coef_, rtol=1e-12)
    assert model.loss_curve_[-1] == pytest.approx(good.loss_curve_[-1])


def test_figures_with_a_decaying_step():
    """The learning rate blamed is one that was too large, not the last one."""
    X, y = RAW[GDRegressor]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = GDRegressor(
        optimizer="sgd", batch_size=1, learning_rate=lambda t: 5.0 / t, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="diverged") as caught:
        model.fit(X, y)
    eta, limit = assert_diverged(model, X, y, caught)
    assert eta > limit


@pytest.mark.parametrize("excess", [1.01, 1.1, 1.5, 3.0])
def test_slow_divergence(excess):
    """A step just above the limit is no convergence, however slowly it grows."""
    X, y = make_problem("squared_error", n=100)
    X1 = np.column_stack([X, np.ones(100)])
    limit = 2.0 / (np.linalg.eigvalsh(X1.T @ X1 / 100).max())
    model = GDRegressor(
        optimizer="sgd", batch_size="full", penalty=None, learning_rate=excess * limit
    )
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    assert model.stop_reason_ != "converged"
    zero = (0.0 * model.coef_, 0.0 * model.intercept_)
    assert objective(model, X, y) <= objective(model, X, y, zero)
    # Below the limit all is well.
    model.set_params(learning_rate=0.9 * limit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.fit(X, y).stop_reason_ == "converged"


@pytest.mark.parametrize("settings", [{}, {"learning_rate": 0.01}])
def test_overflow(settings):
    """Values whose squares are infinite are refused, or the run is said to diverge."""
    X, y = make_problem("squared_error")
    with pytest.raises(ValueError, match=r"y: values as large as .* overflow"):
        GDRegressor(**settings).fit(X, y * 1e200)
    if not settings:
        with pytest.raises(ValueError, match=r"X: the values of column 0 .* overflow"):
            GDRegressor().fit(X * 1e200, y)


# ------------------------------------------------ what is returned is what was judged

DESCENT = [n for n, cls in OPTIMIZERS.items() if cls().training == "descent"]


@pytest.mark.some_cases
@pytest.mark.parametrize("batch_size", ["full", 1])
@pytest.mark.parametrize("optimizer", DESCENT)
@quiet
def test_a_new_metric_leaves_the_coefficients_that_were_judged(optimizer, batch_size):
    """Here the objective is rounding at all coefficients, and shows every digit."""
    X, y = np.array([[2.0], [0.0], [0.0]]), np.array([7.0, 4.0, 4.0])
    for max_iter in (1, 2, 3, 12):
        model = GDRegressor(
            "huber", epsilon=0.0, optimizer=optimizer, batch_size=batch_size,
            max_iter=max_iter, tol=None, random_state=0,
        ).fit(X, y)  # fmt: skip
        F = Objective(model, X, y)
        assert model.loss_curve_[-1] == pytest.approx(F(F.coef), rel=1e-9, abs=0.0)


@pytest.mark.parametrize("optimizer", ["auto", "adam", "lbfgs"])
@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_a_start_whose_objective_overflows_is_an_error(loss, optimizer, rng):
    X, y = 1e3 * rng.normal(size=(20, 2)), np.exp(rng.normal(size=20))
    model = GDRegressor(loss, optimizer=optimizer, warm_start=True)
    with pytest.raises(ValueError, match=r"coef_init, intercept_init.*warm_start"):
        model.fit(X, y, coef_init=[1e4, -1e4])
    model.fit(1e-6 * X, y).fit(1e-6 * X, y)


def test_adaptive_waits_as_long_after_each_cut(caplog):
    """A learning rate is kept for n_iter_no_change epochs at least."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=200)
    model = GDRegressor(
        optimizer="sgd", learning_rate="adaptive", eta0=0.05, tol=1e-3, verbose=1,
        n_iter_no_change=4, random_state=0,
    )  # fmt: skip
    with caplog.at_level("INFO", logger="sklgd"):
        model.fit(X, y)
    *lines, _ = [r.getMessage() for r in caplog.records]
    steps = np.array([float(line.split()[-1]) for line in lines])
    _, lengths = np.unique(steps, return_counts=True)
    assert len(lengths) > 3 and (lengths[1:] >= 4).all()


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
@pytest.mark.parametrize(
    ("loss", "penalty"), [("hinge", "l1"), ("absolute_error", "l1"), ("huber", "l2")]
)
def test_a_start_far_away_leaves_no_rounding_in_the_objective(loss, penalty, make):
    X = np.array([[99999999.7], [99999998.7], [99999999.2]])
    y = np.array([1.0, -1.0, 1.0])
    model = estimator(loss, penalty=penalty, optimizer="newton")
    model.fit(make(X), y, coef_init=[[1.04]], intercept_init=[-0.75])
    F = Objective(model, make(X), y)
    # (To the rounding of products of the size of X.)
    assert model.loss_curve_[-1] == pytest.approx(F(F.coef), abs=1e-7)


@pytest.mark.one_case
@pytest.mark.parametrize("max_iter", [20, 60])
def test_smoothing_never_returns_more_than_an_earlier_objective(max_iter):
    """The smoothed objective falls in every step, F itself need not."""
    for seed in range(12):
        r = np.random.default_rng(seed)
        X = r.normal(size=(40, 6)) * 10.0 ** r.uniform(-2, 2, 6)
        y = X[:, 0] + r.normal(size=40) > 0.0
        model = GDClassifier(
            "hinge", penalty="l1", alpha=1e-3, optimizer="fista", tol=None,
            max_iter=max_iter,
        ).fit(X, y)  # fmt: skip
        assert model.loss_curve_[-1] <= min(model.loss_curve_) * (1.0 + 1e-9)
        F = Objective(model, X, y)
        assert model.loss_curve_[-1] == pytest.approx(F(F.coef), rel=1e-9)


@pytest.mark.parametrize("optimizer", ["newton", "lbfgs", "fista"])
@pytest.mark.parametrize("loss", ["hinge", "epsilon_insensitive", "squared_hinge"])
def test_an_objective_of_zero_has_no_gap(loss, optimizer, rng):
    """No loss is below zero: nothing is left to gain."""
    X = rng.normal(size=(60, 4))
    y = X[:, 0] if loss == "epsilon_insensitive" else X[:, 0] > 0.0
    model = estimator(loss, optimizer=optimizer, penalty=None).fit(X, y)
    assert model.stop_reason_ == "converged"
    null = estimator(loss, penalty="l1", alpha=1e3, optimizer="newton").fit(X, y)
    bound = model.loss_curve_[-1] / null.loss_curve_[-1]
    assert model.optimality_gap_ <= bound * 1.01 + 1e-12


@pytest.mark.parametrize("settings", [{}, {"learning_rate": 0.01}, {"batch_size": 1}])
def test_without_intercept_none_stays_in_the_model(settings, rng):
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    model = GDRegressor(fit_intercept=False, random_state=0, **settings)
    expected = model.fit(X, y, coef_init=np.zeros(3)).coef_
    with pytest.warns(UserWarning, match="^intercept_init has no effect"):
        model.fit(X, y, coef_init=np.zeros(3), intercept_init=[3.0])
    assert model.intercept_ == [0.0]
    np.testing.assert_array_equal(model.coef_, expected)
    # Nor does that of a fit before with an intercept.
    warm = GDRegressor(warm_start=True, random_state=0, **settings).fit(X, y + 5.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        warm.set_params(fit_intercept=False).fit(X, y)
    assert warm.intercept_ == [0.0]


# ------------------------------------------------------ learning rates of one's own

UP_AND_DOWN = {
    "pa1": {"learning_rate": "pa1", "eta0": 1.0, "penalty": None},
    "pa2": {"learning_rate": "pa2", "eta0": 1.0, "penalty": None},
    "constant": {"learning_rate": "constant", "eta0": 0.01},
    "invscaling": {"learning_rate": "invscaling", "eta0": 0.1},
}


@quiet
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("loss", ["hinge", "log_loss", "huber", "squared_error"])
def test_a_run_that_stops_leaves_its_best_epoch(loss, optimizer, form):
    X, y = make_problem(loss, n=60, n_outputs=1)
    n_better = 0
    for seed in range(4):
        model = estimator(
            loss, optimizer=optimizer, batch_size=1, learning_rate=0.1,
            n_iter_no_change=3, random_state=seed,
        ).fit(form(X), y)  # fmt: skip
        assert model.stop_reason_ in ("converged", "plateau", "stalled")
        assert model.loss_curve_[-1] == min(model.loss_curve_)
        assert model.loss_curve_[-1] == pytest.approx(objective(model, X, y), rel=1e-9)
        whole = (
            clone(model).set_params(tol=None, max_iter=model.n_iter_).fit(form(X), y)
        )
        assert whole.loss_curve_[:-1] == model.loss_curve_[:-1]
        n_better += whole.loss_curve_[-1] > model.loss_curve_[-1]
        # Learning goes on from there.
        model.partial_fit(form(X), y)
    assert n_better >= 2


@pytest.mark.exhaustive
@quiet
@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_schedules_of_sgd_on_raw_data_predict_as_well_as_sgd(load):
    """Although F goes up and down, and is far above that of a constant model."""
    X, y = load(return_X_y=True)
    ours, theirs = [], []
    for params, seed in itertools.product(UP_AND_DOWN.values(), range(8)):
        params = {"loss": "hinge", "tol": 1e-3, "random_state": seed} | params
        train, test = next(
            StratifiedShuffleSplit(1, test_size=0.3, random_state=seed).split(X, y)
        )
        models = GDClassifier(**params), SGDClassifier(**params)
        for model, scores in zip(models, (ours, theirs), strict=True):
            scores.append(model.fit(X[train], y[train]).score(X[test], y[test]))
    assert np.mean(ours) > np.mean(theirs)


@quiet
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", UP_AND_DOWN)
def test_bounded_gradients_far_above_the_constant_model_are_learnt_from(
    name, early_stopping
):
    X, y = load_wine(return_X_y=True)
    model = estimator("hinge", **UP_AND_DOWN[name], early_stopping=early_stopping)
    model.fit(X, y)
    assert model.n_iter_ > 5
    assert model.diagnosis_ is not None
    # (The constant model has .40.)
    assert model.score(X, y) > 0.5


@pytest.mark.parametrize("optimizer", ["newton", "lbfgs", "fista"])
def test_early_stopping_without_tolerance_ends_at_the_optimum(optimizer, rng):
    """The score stays the same, which is no less than asked for, for ever."""
    X = rng.normal(size=(80, 4))
    y = (X[:, 0] + rng.normal(size=80) > 0.0).astype(int)
    model = GDClassifier(
        optimizer=optimizer, alpha=0.1, tol=0.0, early_stopping=True, max_iter=1000,
        n_iter_no_change=2, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert model.stop_reason_ == "early_stopping" and model.n_iter_ < 300


# ------------------------------------------------------ learning rates that were found

FULL_BATCH = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamax"]
SMOOTH = {"squared_error": "diabetes", "poisson": "diabetes", "log_loss": "cancer"}


@pytest.mark.some_cases
@quiet
@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("loss", SMOOTH)
@pytest.mark.parametrize("optimizer", FULL_BATCH)
def test_a_run_that_found_its_learning_rate_converges_at_the_optimum(
    optimizer, loss, raw
):
    """Five epochs that gain nothing may only say that the steps are too large."""
    if SMOOTH[loss] == "diabetes":
        X, y = load_diabetes(return_X_y=True, scaled=False)
        X = X[:, [2, 3, 8, 0]]
    else:
        X, y = load_breast_cancer(return_X_y=True)
        X = X[:, [1, 4, 9, 20]]
    if not raw:
        X = (X - X.mean(axis=0)) / X.std(axis=0)
    best = estimator(loss, alpha=1e-2, tol=1e-12).fit(X, y).loss_curve_[-1]
    null = estimator(loss, alpha=1e9, tol=1e-12).fit(X, y).loss_curve_[-1]
    for tol, limit in ((1e-4, 1e-3), (1e-8, 1e-6)):
        model = estimator(
            loss, alpha=1e-2, optimizer=optimizer, batch_size="full", tol=tol
        ).fit(X, y)
        assert model.stop_reason_ in ("converged", "max_iter")
        if model.stop_reason_ == "converged":
            assert model.loss_curve_[-1] - best < limit * (null - best)


def test_a_tol_that_mini_batches_cannot_reach_is_a_plateau():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    model = GDRegressor(optimizer="adam", batch_size=64, tol=1e-7, random_state=0)
    with pytest.warns(ConvergenceWarning, match="accuracy that tol asks for"):
        model.fit(X, y)
    assert model.stop_reason_ == "plateau"
    assert model.diagnosis_["problem"] == "accuracy"
    assert "take larger batches (batch_size='full')" in model.diagnosis_["remedies"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(tol=1e-4).fit(X, y)
    assert model.stop_reason_ == "converged"
