"""Runs that go wrong say so, with the cause and the remedy; others say nothing."""

import json
import re
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import make_problem, objective
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier, GDRegressor
from sklgd._fit import diagnosis, statistics
from sklgd._fit.messages import WARNINGS, WHERE, warning
from sklgd._fit.monitor import Monitor
from sklgd._fit.objective import Objective
from sklgd._fit.statistics import largest_eigenvalue
from sklgd._fit.trial_step import possible_gain
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS, Momentum, Nesterov

USEFUL = [name for name, cls in LOSSES.items() if not cls.degenerate]
DIABETES = load_diabetes(return_X_y=True, scaled=False)
SCALED = StandardScaler().fit_transform(DIABETES[0]), DIABETES[1]


def estimator(loss, **params):
    regression = LOSSES[loss].task == "regression"
    return (GDRegressor if regression else GDClassifier)(
        loss, **{"random_state": 0} | params
    )


def fit(model, X, y, **more):
    """The text of a fit's diagnosis, or ""; a warning comes with it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, **more)
    caught = [w for w in caught if w.category is ConvergenceWarning]
    if model.diagnosis_ is None:
        assert not caught
        return ""
    assert [str(w.message) for w in caught] == [warning(model.diagnosis_, model)]
    return model.diagnosis_["text"]


def batch(**params):
    return {"optimizer": "sgd", "batch_size": "full"} | params


def rows(**params):
    return {"optimizer": "sgd", "batch_size": 1} | params


# ----------------------------------------------------- far from the optimum: plateau


def gap(model, X, y):
    """(F - F*)/(F_null - F*) by the oracle, F* from a run to the end."""
    best = estimator(
        model.loss, alpha=model._alpha(), penalty=model.penalty, tol=1e-9,
        fit_intercept=model.fit_intercept,
    ).fit(X, y)  # fmt: skip
    F = Objective(best, X, y)
    constant = np.zeros_like(F.coef)
    constant[-1] = F.data.fit_intercept_only()
    lowest, null = F(F.coef), F(constant)
    return (objective(model, X, y) - lowest) / (null - lowest)


@pytest.mark.some_cases
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("loss", USEFUL)
def test_steps_that_fade_away_far_from_the_optimum(loss, penalty, n_outputs):
    X, y = make_problem(loss, n=80, n_outputs=n_outputs)
    model = estimator(
        loss, penalty=penalty, alpha=0.01,
        **batch(learning_rate=lambda t: 0.3 * 0.5**t),
    )  # fmt: skip
    # From the best constant model: none of the runs is worse than that.
    fit(model, X, y)
    null = Objective(model, X, y).data.fit_intercept_only()
    message = fit(model, X, y, intercept_init=null)
    assert model.stop_reason_ == "plateau"
    share = float(re.search(r"at most (\d+)% of what can be gained", message)[1])
    assert 0.0 <= share <= 90.0
    assert gap(model, X, y) >= 1.0 - (share + 0.5) / 100.0


RAW = {
    "diabetes": (GDRegressor, *DIABETES),
    "breast cancer": (GDClassifier, *load_breast_cancer(return_X_y=True)),
    "wine": (GDClassifier, *load_wine(return_X_y=True)),
}
PATHS = {
    "rows": rows(learning_rate=1e-6),
    "batch": batch(learning_rate=1e-6),
    "momentum": batch(optimizer="momentum", learning_rate=1e-7),
    "adam": {"optimizer": "adam", "batch_size": 32, "learning_rate": 1e-3},
    "adagrad": {"optimizer": "adagrad", "batch_size": 32, "learning_rate": 0.1},
    "SGDClassifier": {"learning_rate": "optimal"},
}


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", RAW)
def test_no_false_alarm(name, path, scaled):
    """What is said of the distance from the optimum is true."""
    cls, X, y = RAW[name]
    X = StandardScaler().fit_transform(X) if scaled else X
    model = cls(random_state=0, max_iter=300, **PATHS[path])
    message = fit(model, X, y)
    assert (message == "") == (model.stop_reason_ == "converged")
    if model.stop_reason_ == "plateau":
        share = float(re.search(r"at most (\d+)% of what", message)[1])
        assert gap(model, X, y) >= 1.0 - (share + 0.5) / 100.0 >= 0.0949
    elif message == "":
        # Nothing is said only where not much is missing.
        assert gap(model, X, y) < 0.25


def test_plateaus_are_found():
    """Badly scaled features: descent ends early, and knows it."""
    X, y = RAW["breast cancer"][1:]
    names = load_breast_cancer().feature_names
    pd = pytest.importorskip("pandas")
    model = GDClassifier(random_state=0, **rows(learning_rate=1e-5))
    message = fit(model, pd.DataFrame(X, columns=names), y)
    assert model.stop_reason_ == "plateau"
    sizes = np.sqrt((X**2).mean(axis=0))
    smallest, largest = names[sizes.argmin()], names[sizes.argmax()]
    assert f"of '{smallest}' and '{largest}'" in message
    assert "StandardScaler" in message and "learning_rate='auto'" in message
    remedied = GDClassifier(random_state=0)
    assert fit(remedied, X, y) == ""
    assert objective(remedied, X, y) < 0.8 * objective(model, X, y)


# ------------------------------------------------------------------ the step on trial


def trial(X, y, coef, model, sample_weight=None, worth=0.0):
    """What `possible_gain` says of coefficients, and F - F* there."""
    best = model.set_params(tol=1e-12, max_iter=2000).fit(X, y, sample_weight)
    F = Objective(best, X, y, sample_weight)
    coef = np.ascontiguousarray(coef.reshape(F.coef.shape))
    gain = possible_gain(F.data, F.problem, coef, F.penalty, worth)
    return gain, F(coef) - F(F.coef)


@pytest.mark.some_cases
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("penalty", ["l2", "l1", None])
@pytest.mark.parametrize("loss", USEFUL)
def test_a_lower_bound(loss, penalty, fit_intercept, form, weighted, rng):
    X, y = make_problem(loss, n=60)
    weight = rng.uniform(0.1, 2.0, len(y)) if weighted else None
    model = estimator(loss, penalty=penalty, alpha=0.05, fit_intercept=fit_intercept)
    for size in (0.0, 0.3):
        coef = size * rng.normal(size=X.shape[1] + 1)
        coef[::3] = 0.0
        coef[-1] *= fit_intercept
        gain, distance = trial(form(X), y, coef, model, weight)
        assert 0.0 < gain <= distance * (1.0 + 1e-9)
        # It is worth something, too.
        assert gain > 0.1 * distance


def test_it_is_the_whole_gain_where_the_features_are_uncorrelated(rng):
    Q = np.linalg.qr(np.column_stack([np.ones(50), rng.normal(size=(50, 4))]))[0]
    X = Q[:, 1:] * [1e-3, 1.0, 30.0, 1e4] + [5.0, -3.0, 0.0, 1e4]
    y = rng.normal(size=50)
    coef = np.array([3.0, 1.0, 0.1, 0.0, 0.0])
    gain, distance = trial(X, y, coef, GDRegressor(penalty=None))
    assert gain == pytest.approx(distance, rel=1e-6)


def test_little_is_worth_nothing():
    X, y = make_problem("huber", n=60)
    model = GDRegressor("huber")
    coef = np.zeros(X.shape[1] + 1)
    gain, distance = trial(X, y, coef, model)
    assert trial(X, y, coef, model, worth=0.99 * gain)[0] == gain
    assert trial(X, y, coef, model, worth=1.01 * gain)[0] == 0.0
    assert trial(X, y, coef, model, worth=20.0 * distance)[0] == 0.0


@pytest.mark.parametrize("loss", ["log_loss", "absolute_error", "poisson"])
def test_many_rows(loss, rng):
    """The length is searched for on some rows; what is said holds for all."""
    X, y = make_problem(loss, n=9000)
    coef = 0.2 * rng.normal(size=X.shape[1] + 1)
    gain, distance = trial(X, y, coef, estimator(loss))
    assert 0.2 * distance < gain <= distance * (1.0 + 1e-9)


def test_rows_that_mislead(rng):
    """Those that are looked at want a step that the others do not."""
    X, y = make_problem("squared_error", n=3 * 4096)
    y[0::3] = X[0::3, 0]
    y[1::3], y[2::3] = -X[1::3, 0], -X[2::3, 0]
    coef = np.zeros(X.shape[1] + 1)
    coef[0] = -0.4
    gain, distance = trial(X, y, coef, GDRegressor())
    assert 0.0 <= gain <= distance


def test_rows_of_weight_zero(rng):
    """All rows that are looked at have no weight: nothing is said."""
    X, y = make_problem("squared_error", n=8192)
    weight = np.arange(8192) % 2.0
    gain, _ = trial(X, y, np.zeros(X.shape[1] + 1), GDRegressor(), weight)
    assert gain == 0.0


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"optimizer": "adam"},
        {"optimizer": "momentum", "learning_rate": "invscaling"},
        rows(learning_rate=1e-3, tol=None, max_iter=20),
        rows(learning_rate=1e-3, early_stopping=True),
        rows(learning_rate=1e-9, max_iter=6),
    ],
)
def test_other_runs_do_not_pay_for_it(params, monkeypatch):
    def forbidden(*_):
        raise AssertionError("a step was tried")

    monkeypatch.setattr(diagnosis, "possible_gain", forbidden)
    fit(GDRegressor("huber", epsilon=50.0, **params), *SCALED)
    # It is what a run with a learning rate of the user's does pay.
    with pytest.raises(AssertionError, match="tried"):
        fit(GDRegressor(**batch(learning_rate=0.1)), *SCALED)


# ------------------------------------------------------------------------- the causes


def assert_says(message, *words):
    for word in words:
        assert word.lower() in message.lower()
    assert message.endswith(" use learning_rate='auto'.")


def test_noise():
    model = GDRegressor(random_state=0, **rows(learning_rate=0.06))
    message = fit(model, *SCALED)
    assert model.stop_reason_ == "plateau"
    assert_says(message, "noise in the gradient of a single row", "larger batches")
    assert "StandardScaler" not in message
    # Each of the remedies helps.
    for remedy in ({"average": True}, {"batch_size": 128}, {"learning_rate": "auto"}):
        better = GDRegressor(random_state=0, **rows(learning_rate=0.06) | remedy)
        better.fit(*SCALED)
        assert better.score(*SCALED) > model.score(*SCALED)


def test_momentum_that_swings():
    params = batch(optimizer="nesterov", learning_rate=0.1)
    model = GDRegressor(**params)
    message = fit(model, *SCALED)
    assert model.stop_reason_ == "plateau"
    assert_says(message, "momentum overshoots", "larger n_iter_no_change")
    assert fit(model.set_params(n_iter_no_change=20), *SCALED) == ""
    assert model.score(*SCALED) > 0.5


@pytest.mark.parametrize("loss, eta", [("squared_error", 1e-4), ("huber", 1e-4)])
def test_learning_rate_far_too_small(loss, eta):
    model = GDRegressor(loss, epsilon=20.0, **batch(learning_rate=eta, max_iter=200))
    message = fit(model, *SCALED)
    assert_says(message, "learning rate 0.0001 is far below", "a larger learning rate")
    limit = float(re.search(r"stable, about ([\d.]+)\.", message)[1])
    # It takes the larger step.
    model.set_params(learning_rate=0.5 * limit).fit(*SCALED)
    assert model.score(*SCALED) > 0.5


def test_few_small_steps_of_a_normalised_rule():
    model = GDRegressor(optimizer="adam", learning_rate=1e-3, max_iter=20)
    message = fit(model, *SCALED)
    assert_says(message, "step of adam moves a coefficient", "a larger learning rate")
    needed, made = (
        float(re.search(pattern, message)[1])
        for pattern in (r"takes some (\d+)", r": (\d+) steps")
    )
    assert needed > made == model.n_iter_ * -(-len(SCALED[1]) // model.batch_size_)


def test_learning_rate_too_large_for_huber():
    """Its gradient is bounded: F does not explode, but gets nowhere."""
    X, y = make_problem("huber", n=100)
    model = GDRegressor("huber", **batch(learning_rate=40.0))
    message = fit(model, X, y)
    assert model.stop_reason_ == "diverged"
    assert model.loss_curve_[-1] < 1e3
    assert_says(message, "learning rate 40 is too large", "smaller learning rate")
    limit = float(re.search(r"stable up to about ([\d.]+);", message)[1])
    assert fit(model.set_params(learning_rate=0.5 * limit), X, y) == ""


def test_feature_far_from_zero(rng):
    """One feature, but the intercept is a coefficient, too."""
    X = 2000.0 + rng.normal(size=(100, 1))
    y = 3.0 * (X[:, 0] - 2000.0) + rng.normal(size=100)
    message = fit(GDRegressor(**batch(learning_rate=1e-7, max_iter=50)), X, y)
    assert_says(message, "the intercept's is 1", "StandardScaler")
    message = fit(
        GDRegressor(fit_intercept=False, **batch(learning_rate=1e-7, max_iter=5)), X, y
    )
    assert "intercept" not in message and "StandardScaler" not in message


def test_sparse_features_are_not_centred():
    X, y = make_problem("log_loss", n=100)
    X[:, 2] *= 500.0
    model = GDClassifier(**batch(learning_rate=1e-6, max_iter=30))
    message = fit(model, sp.csr_array(X), y)
    assert_says(message, "StandardScaler(with_mean=False)", "column 2")


def test_schedule_that_falls_too_fast():
    model = GDRegressor(
        fit_intercept=False, **batch(learning_rate=lambda t: 0.1 * 0.5**t)
    )
    X, y = SCALED
    message = fit(model, X, y - y.mean())
    assert model.stop_reason_ == "plateau"
    assert_says(message, "has fallen from 0.05 to", "let it fall more slowly")


@pytest.mark.exhaustive
def test_ravine(rng):
    """Two features that are nearly the same, and a target that is their difference."""
    a, b = rng.normal(size=(2, 200))
    X = np.column_stack([a + 0.003 * b, a - 0.003 * b])
    y = a + b
    params = {"penalty": None, "fit_intercept": False}
    model = GDRegressor(**batch(learning_rate=0.5), **params)
    message = fit(model, X, y)
    assert model.stop_reason_ == "plateau"
    assert_says(message, "correlated features", "nesterov", "smaller tol")
    assert model.score(X, y) < 0.6
    params |= {"tol": 1e-6, "n_iter_no_change": 50, "max_iter": 20_000}
    nesterov = GDRegressor(**batch(optimizer="nesterov", learning_rate=0.5), **params)
    fit(nesterov, X, y)
    assert nesterov.score(X, y) > 0.9


def test_what_is_automatic_already_is_no_remedy():
    X, y = SCALED
    params = {"max_iter": 2, "tol": 1e-12, "random_state": 0}
    message = fit(GDRegressor("huber", **params), X, y)
    assert message.endswith("use a larger tol if this accuracy is enough.")
    message = fit(GDRegressor("huber", optimizer="adam", **params), X, y)
    assert message.endswith(", or use optimizer='auto'.")
    message = fit(GDRegressor(optimizer="adam", learning_rate=1e-6, **params), X, y)
    assert message.endswith(", or use learning_rate='auto'.")


# ------------------------------------------------------------------------- the warning


def text_of(problem):
    """The warning about a run of optimizer="auto" with an explicit learning rate."""
    return WARNINGS[problem].replace(" and optimizer='auto'", "") + WHERE


TROUBLES = {
    "max_iter": {"max_iter": 2, "tol": 1e-12},
    "diverged": rows(learning_rate=1e3),
    "plateau": batch(learning_rate=lambda t: 0.3 * 0.5**t),
    "worse_than_constant": batch(learning_rate=1e-6, max_iter=6),
}


@pytest.mark.parametrize("problem", TROUBLES)
def test_the_figures_are_in_the_diagnosis_and_the_warning_is_constant(problem):
    texts, messages = set(), set()
    for seed in range(3):
        X, y = make_problem("huber", n=80, seed=seed)
        y = y + 20.0 if problem == "worse_than_constant" else y - y.mean()
        model = GDRegressor("huber", epsilon=0.5, random_state=0, **TROUBLES[problem])
        texts.add(fit(model, X, y))
        assert model.diagnosis_["problem"] == problem
        messages.add(warning(model.diagnosis_, model))
        (first, *_) = model.diagnosis_["remedies"]
        assert first in model.diagnosis_["text"].lower() and first[0].islower()
    assert len(texts) == 3 and messages == {WARNINGS[problem] + WHERE}


def test_no_warning_proposes_what_is_in_force(rng):
    X, y = rng.normal(size=(300, 2)), rng.integers(0, 2, 300)
    model = GDClassifier("perceptron", random_state=0)
    fit(model, X, y)
    text = warning(model.diagnosis_, model)
    assert "Average (average=True), or take a loss" in text and "'auto'" not in text


def test_a_noisy_average_of_the_automatic_run_is_named():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    model = GDRegressor("absolute_error", average=True, random_state=0)
    fit(model, X, y)
    text = warning(model.diagnosis_, model)
    assert "Use average=False, take larger batches" in text
    assert model.diagnosis_["problem"] == "accuracy" and "optimizer" not in text


def test_the_diagnosis_can_be_stored_as_json():
    for params in TROUBLES.values():
        model = GDRegressor(random_state=0, **params)
        fit(model, *SCALED)
        if model.diagnosis_ is not None:
            stored = json.dumps(model.diagnosis_, allow_nan=False)
            assert json.loads(stored) == model.diagnosis_
            assert model.diagnosis_["figures"]["n_iter"] >= 1


def test_a_good_fit_after_a_bad_one_has_no_diagnosis():
    model = GDRegressor(random_state=0, **rows(learning_rate=1e3))
    assert fit(model, *SCALED)
    assert fit(model.set_params(learning_rate="auto"), *SCALED) == ""
    assert model.diagnosis_ is None
    assert model.partial_fit(*SCALED).diagnosis_ is None


def test_a_call_of_partial_fit_that_diverges_has_a_diagnosis():
    model = GDRegressor(random_state=0, **rows(learning_rate=1e3))
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.partial_fit(*SCALED)
    assert model.diagnosis_["problem"] == "diverged"


def test_the_fits_of_one_loop_warn_once():
    """Python shows a text once for each place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for alpha in (1e-4, 1e-2, 1.0):
            GDRegressor("huber", alpha=alpha, max_iter=2, tol=1e-12).fit(*SCALED)
    assert len(caught) == 1


@pytest.mark.exhaustive
def test_a_search_has_few_texts():
    grid = {"learning_rate": [1e-6, 1e-3, 1.0, 1e3], "alpha": [1e-4, 0.1, 1.0]}
    search = GridSearchCV(GDRegressor(random_state=0, **rows(max_iter=10)), grid, cv=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(*SCALED)
    ours = [str(w.message) for w in caught if w.category is ConvergenceWarning]
    assert len(ours) > 20 and len(set(ours)) <= len(WARNINGS)


def test_verbose_logs_the_diagnosis(caplog):
    caplog.set_level("INFO", logger="sklgd")
    model = GDRegressor(random_state=0, verbose=1, **rows(learning_rate=1e3))
    text = fit(model, *SCALED)
    assert caplog.messages[-2] == text


def test_patience_is_blamed_where_the_epochs_gained_nothing():
    """More epochs do not help a run that n_iter_no_change alone keeps going."""
    model = GDRegressor(**batch(learning_rate=0.1, max_iter=100, n_iter_no_change=90))
    text = fit(model, *SCALED)
    assert model.stop_reason_ == "max_iter"
    assert "lowered the objective by 0" not in text
    assert "n_iter_no_change=90" in text and "smaller n_iter_no_change" in text


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_no_limit_is_named_that_is_no_number(optimizer):
    """Values that overflow, and steps of length zero."""
    for eta in (1.0, lambda t: 0.0):
        for scale in (1e150, 1e160):
            model = GDRegressor(optimizer=optimizer, batch_size=8, learning_rate=eta)
            try:
                model.fit(scale * SCALED[0][:50], SCALED[1][:50])
            except ValueError:
                continue
            if model.diagnosis_ is not None:
                text = model.diagnosis_["text"]
                assert "nan" not in text.replace("constant", "")
                assert "learning rate 0 is too large" not in text


# --------------------------------------------------------------------- exploding steps


@pytest.mark.one_case
@pytest.mark.parametrize(
    "optimizer",
    [OPTIMIZERS["sgd"](), *(f(m) for f in (Momentum, Nesterov) for m in (0.3, 0.9))],
)
def test_stable_step_of_batch_descent(optimizer, rng):
    """Just below the limit descent converges, just above it diverges."""
    X = rng.normal(size=(60, 3)) * [1.0, 2.0, 0.5]
    y = rng.normal(size=60)
    limit = optimizer.stable_step(np.linalg.eigvalsh(X.T @ X / 60).max(), 0.0)
    params = batch(optimizer=optimizer, penalty=None, fit_intercept=False, tol=None)
    best = np.linalg.lstsq(X, y)[0]
    distances = []
    for factor in (0.99, 1.01):
        model = GDRegressor(learning_rate=factor * limit, max_iter=2000, **params)
        fit(model, X, y)
        distances.append(np.abs(model.coef_ - best).max())
    assert distances[0] < 1e-6
    assert model.stop_reason_ == "diverged"


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_stable_step_with_noise(batch_size, momentum):
    """Of the right size: far below it is well, far above it is not."""
    model = GDRegressor(
        optimizer=Momentum(momentum), batch_size=batch_size, learning_rate=1e3,
        random_state=0, max_iter=50,
    )  # fmt: skip
    message = fit(model, *SCALED)
    limit = float(re.search(r"momentum is stable up to about ([\d.e-]+);", message)[1])
    fit(model.set_params(learning_rate=4.0 * limit), *SCALED)
    assert model.stop_reason_ in ("diverged", "stalled")
    fit(model.set_params(learning_rate=limit / 4.0), *SCALED)
    assert model.stop_reason_ != "diverged"
    fit(model.set_params(learning_rate=limit / 40.0), *SCALED)
    assert model.score(*SCALED) > 0.35


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_stable_step_of_many_rows_is_that_of_all_of_them(sparse, weighted, rng):
    """It is estimated on some rows, which may miss what is large in others."""
    X = rng.normal(size=(10_000, 30))
    X[:, 0] *= np.where(np.arange(10_000) % 7 == 3, 40.0, 0.0)
    X *= rng.random(X.shape) < 0.5
    y = X @ rng.normal(size=30) + rng.normal(size=10_000)
    weights = rng.random(10_000) if weighted else np.ones(10_000)
    model = GDRegressor(learning_rate=1e-6, max_iter=1, penalty=None, **batch())
    fit(model, sp.csr_matrix(X) if sparse else X, y, sample_weight=weights)
    share = weights / weights.sum()
    full = np.column_stack([X, np.ones(10_000)])
    largest = np.linalg.eigvalsh((full * share[:, None]).T @ full).max()
    found = model.diagnosis_["figures"]["stable_learning_rate"]
    assert 0.7 * 2.0 / largest < found < 1.2 * 2.0 / largest


def test_a_diagnosis_reads_some_rows_of_many(monkeypatch, rng):
    """The eigenvalue takes a dozen products with X: a fit may have made one epoch."""
    seen = []

    def counted(data, *args):
        seen.append(data.n_entries)
        return largest_eigenvalue(data, *args)

    monkeypatch.setattr(statistics, "largest_eigenvalue", counted)
    X = sp.random_array((9000, 400), density=0.1, format="csr", rng=rng)
    params = rows(learning_rate=1e-6, max_iter=1)
    assert fit(GDRegressor(**params), X, rng.normal(size=9000))
    assert 0 < sum(seen) < 0.2 * X.nnz


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam", "saga"])
def test_divergence_says_what_the_optimizer_stands(optimizer):
    model = GDRegressor(optimizer=optimizer, learning_rate=1e5, random_state=0)
    message = fit(model, *DIABETES)
    assert model.stop_reason_ == "diverged"
    said = {
        "adam": "a step of adam moves each coefficient by about that",
        "saga": "plain descent is stable up to about",
    }.get(optimizer, f"{optimizer} is stable up to about")
    assert_says(message, "diverged in epoch", "1e+05", said, "StandardScaler")
    assert "of column 1 and column 4" in message


def test_several_outputs_and_sparse_rows(rng):
    X, Y = make_problem("squared_error", n=60, n_outputs=3)
    X[:, 1] *= 1e3
    model = GDRegressor(**batch(learning_rate=1.0))
    message = fit(model, sp.csr_array(X), Y)
    assert model.stop_reason_ == "diverged"
    assert_says(message, "column 1", "with_mean=False")


@pytest.mark.parametrize("max_iter", [1, 2, 3])
def test_a_few_steps_that_are_too_large(max_iter):
    """Plain batch descent never rises unless its steps are too large."""
    X, y = SCALED[0], SCALED[1] - SCALED[1].mean()
    params = batch(learning_rate=1.0, penalty=None, max_iter=max_iter)
    model = GDRegressor(**params)
    message = fit(model, X, y)
    assert model.stop_reason_ == "diverged"
    assert_says(message, "learning rate 1 is too large", "smaller learning rate")
    # The best coefficients were those at the start.
    assert not model.coef_.any()
    # Without tol the textbook's steps are taken, whatever comes of them.
    textbook = GDRegressor(tol=None, **params)
    message = fit(textbook, X, y)
    assert_says(message, "worse than a constant model", "learning rate 1 is")
    assert textbook.n_iter_ == max_iter and textbook.coef_.any()
    assert textbook.stop_reason_ == "max_iter"


# -------------------------------------------------------- losses that are least at zero


@pytest.mark.parametrize("tol", [None, 1e-4])
@pytest.mark.parametrize("batch_size", [1, 32, "full"])
@pytest.mark.parametrize("optimizer", ["momentum", "nesterov"])
def test_a_perceptron_that_diverges_says_so(optimizer, batch_size, tol, rng):
    """Each step multiplies the coefficients by about 1 - learning_rate * alpha."""
    X = rng.normal(size=(200, 5))
    for dtype in (np.float32, np.float64):
        model = GDClassifier(
            "perceptron", optimizer=optimizer, learning_rate=10.0, alpha=1.0, tol=tol,
            batch_size=batch_size, max_iter=60, random_state=0,
        )  # fmt: skip
        message = fit(model, X.astype(dtype), X[:, 0] > 0)
        assert_says(message, "diverged", "smaller learning rate")
        assert model.stop_reason_ == "diverged"
        assert np.abs(model.coef_).max() < 1e6


@pytest.mark.parametrize("learning_rate", [1e-6, 1.0, 1e6, "optimal"])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_a_perceptron_of_any_size_is_no_divergence(size, learning_rate, rng):
    X = size * rng.normal(size=(200, 5))
    noise = size * rng.normal(size=200)
    model = GDClassifier(
        "perceptron", optimizer="sgd", learning_rate=learning_rate, penalty="l2",
        alpha=1e-8, random_state=0,
    )  # fmt: skip
    assert "diverged" not in fit(model, X, X[:, 0] + 0.5 * noise > 0)
    assert model.stop_reason_ != "diverged" and model.coef_.any()
    for _ in range(2):
        model.partial_fit(X, X[:, 0] > 0)
        assert model.stop_reason_ == "partial_fit"


def test_a_perceptron_that_predicts_worse_than_one_class_says_so(rng):
    X, y = rng.normal(size=(300, 4)), np.arange(300) % 10 == 0
    model = GDClassifier(
        "perceptron", optimizer="sgd", learning_rate=1.0, random_state=10
    )
    assert_says(fit(model, X, y), "misclassified", "a constant model's 10.0%")
    assert model.stop_reason_ == "stalled"


def test_coefficients_that_no_row_shows_are_judged(rng):
    """A column of zeros: its coefficient changes no prediction."""
    X = sp.csr_array(np.hstack([rng.normal(size=(40, 2)), np.zeros((40, 1))]))
    model = GDRegressor(
        optimizer="sgd", learning_rate=1e-3, penalty=None, batch_size=1, max_iter=3
    )
    assert fit(model, X, rng.normal(size=40), coef_init=[0, 0, 1e308]) != ""
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("loss", ["squared_error", "huber", "log_loss", "hinge"])
def test_without_tol_a_run_above_the_constant_model_says_so(loss, rng):
    X = rng.normal(size=(60, 3))
    y = X[:, 0] > 0 if LOSSES[loss].task == "classification" else X[:, 0]
    model = estimator(
        loss, optimizer="adam", learning_rate=9.0, tol=None, batch_size="full",
        max_iter=1,
    )  # fmt: skip
    assert_says(fit(model, X, y), "worse than a constant model")


# ----------------------------------------------------------------------------- silence


@pytest.mark.some_cases
@pytest.mark.parametrize("loss", USEFUL)
def test_auto_says_nothing(loss):
    X, y = make_problem(loss, n=100)
    assert fit(estimator(loss), X, y) == ""
    assert fit(estimator(loss), X * 10.0 ** np.arange(-3, 3), y) == ""


TUNED = {
    "sgd": 0.3,
    "momentum": 0.05,
    "nesterov": 0.05,
    "adagrad": 1.0,
    "rmsprop": 0.02,
    "adadelta": 3.0,
    "adam": 0.05,
    "amsgrad": 0.1,
    "nadam": 0.05,
    "adamax": 0.1,
    "ftrl": 0.3,
}


@pytest.mark.some_cases
@pytest.mark.parametrize("optimizer", TUNED)
def test_a_learning_rate_that_suits_says_nothing(optimizer):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = GDClassifier(**batch(optimizer=optimizer, learning_rate=TUNED[optimizer]))
    assert fit(model.set_params(alpha=0.01), X, y) == ""
    assert model.stop_reason_ == "converged"


def test_nothing_to_learn_is_no_trouble(rng):
    """A target that has nothing to do with the features."""
    X, y = rng.normal(size=(500, 3)), rng.normal(size=500)
    model = GDRegressor(**batch(learning_rate=0.1))
    assert fit(model, X, y) == ""
    model = GDRegressor(random_state=0, learning_rate="invscaling", eta0=0.01)
    assert fit(model, X, y) == ""


def test_the_perceptron_is_not_judged():
    """Its objective is least at w = 0 and says nothing."""
    X, y = load_breast_cancer(return_X_y=True)
    model = GDClassifier("perceptron", random_state=0, **rows(learning_rate=1.0))
    assert fit(model, X, y) == ""


# ------------------------------------------------------ almost perfect constant models


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "huber"])
def test_a_run_above_a_constant_model_without_error_is_no_success(loss):
    """All targets are equal: the constant model has an objective of zero."""
    X, y = np.array([[0.0, -1.2, 0.7]]), np.array([0.0066])
    model = estimator(loss, learning_rate=1e-6, max_iter=20, tol=1e-2)
    with pytest.warns(ConvergenceWarning, match=WARNINGS["worse_than_constant"][:40]):
        model.fit(X, y)
    assert model.stop_reason_ != "converged"


def test_what_counts_as_worse_is_relative_to_the_constant_models_objective():
    """Rare events: the constant model's objective is far below the loss's unit."""
    monitor = Monitor(
        tol=1e-4, n_iter_no_change=5, null=0.01, unit=1.0, start=0.7, degenerate=False,
        patient=False, early_stopping=False,
    )  # fmt: skip
    for objective_reached, worse in ((0.0100001, False), (0.0101, True)):
        monitor.loss_curve.append(objective_reached)
        assert monitor.worse_than_null() == worse


@pytest.mark.parametrize("seed", [6, 16, 23])
def test_a_run_without_progress_says_so(seed):
    """Single rows with far outliers: an epoch that did harm may come after the best."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(500, 3))
    y = 5.0 + X @ [2.0, -1.0, 0.5] + 0.2 * rng.normal(size=500)
    X[rng.random(X.shape) < 0.001] *= 1e4
    for loss in ("squared_error", "huber"):
        model = GDRegressor(loss, alpha=0.0, batch_size=1, random_state=0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, y)
        assert (model.stop_reason_ == "converged") == (not caught)
        assert (model.diagnosis_ is None) == (not caught)


@pytest.mark.parametrize(
    "size", [pytest.param(1, marks=pytest.mark.exhaustive), 32, 400]
)
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_error", "huber"])
def test_a_stream_with_an_explicit_learning_rate_that_goes_wrong_says_so(loss, size):
    """SGD's "optimal" starts with large steps on purpose, which no limit stops."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    y = X @ [1.0, -1.0, 0.5, 0.0]
    if LOSSES[loss].task == "classification":
        y = (y > 0.0).astype(int)
    for unit, wrong in ((100.0, True), (0.1, False)):
        rate = "optimal" if wrong else 0.1
        model = estimator(loss, learning_rate=rate, alpha=1e-4)
        arguments = {"classes": [0, 1]} if isinstance(model, GDClassifier) else {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for start in range(0, 400, size):
                rows = slice(start, start + size)
                model.partial_fit(unit * X[rows], y[rows], **arguments)
        texts = {str(item.message) for item in caught}
        assert texts == ({text_of("worse_than_constant")} if wrong else set())
        assert model.stop_reason_ == ("stalled" if wrong else "partial_fit")
        assert (model.diagnosis_ is not None) == wrong
        assert np.isfinite(model.coef_).all()


def test_a_stream_that_has_recovered_says_nothing_more():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = (X @ [1.0, -1.0, 0.5, 0.0] > 0.0).astype(int)
    model = GDClassifier(learning_rate="optimal", random_state=0)
    with pytest.warns(ConvergenceWarning, match="worse than a constant"):
        model.partial_fit(100.0 * X, y, classes=[0, 1])
    model.set_params(learning_rate=0.05)
    model.coef_, model.intercept_ = np.zeros((1, 4)), np.zeros(1)
    model.partial_fit(X, y)
    assert model.stop_reason_ == "partial_fit"
    assert model.diagnosis_ is None
