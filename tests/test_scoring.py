"""What early stopping watches: `scoring`, ties, and the cost of a look."""

import sys
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import (
    accuracy_score,
    d2_tweedie_score,
    get_scorer,
    log_loss,
    make_scorer,
    r2_score,
)
from sklearn.model_selection import train_test_split

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.objective import Objective
from sklgd._scoring import D2, R2, Accuracy
from sklgd.losses import Gamma, Poisson, Tweedie

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
N, D = 240, 6
X = RNG.normal(size=(N, D))
Z = X @ RNG.normal(size=D) + RNG.normal(size=N)
LABELS = np.where(Z > 1.0, "yes", "no")
WEIGHT = RNG.integers(0, 3, N).astype(float)
TRAIN, VAL = np.arange(N) < 160, np.arange(N) >= 160
STEPS = {"optimizer": "sgd", "batch_size": 16, "learning_rate": 0.05, "max_iter": 8}


def given(y, weight=None):
    """Arguments of `fit` with a validation set."""
    w = {} if weight is None else {"sample_weight_val": weight[VAL]}
    return (X[TRAIN], y[TRAIN]), {"X_val": X[VAL], "y_val": y[VAL]} | w


# ---------------------------------------------------------------------------- figures


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("unit", [1.0, 1e-140, 1e140])
def test_r2_is_that_of_scikit_learn(n_outputs, weighted, unit):
    y = 5.0 + RNG.normal(size=(50, n_outputs))
    prediction = y + 0.3 * RNG.normal(size=y.shape)
    weight = WEIGHT[:50] if weighted else None
    assert R2(unit * y, weight)(unit * prediction) == pytest.approx(
        r2_score(y, prediction, sample_weight=weight), rel=1e-12
    )


def test_r2_of_constant_targets_is_that_of_scikit_learn():
    y = np.column_stack([np.full(8, 0.25), np.full(8, 2.0), np.arange(8.0)])
    for prediction in (y, y + 0.5, y + np.array([0.0, 1.0, 0.25])):
        assert R2(y, None)(prediction) == pytest.approx(r2_score(y, prediction))
    assert R2(np.full((7, 1), 0.1), WEIGHT[:7])(np.full((7, 1), 0.2)) == 0.0
    assert R2(y, None)(y + np.inf) == -np.inf


@pytest.mark.parametrize(
    ("loss", "power"),
    [(Poisson(), 1.0), (Gamma(), 2.0), (Tweedie(1.5), 1.5), (Tweedie(3.0), 3.0)],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_d2_is_that_of_scikit_learn(loss, power, weighted):
    y = RNG.gamma(2.0, size=(60, 1))
    if power < 2.0:
        y[:9] = 0.0
    z = np.log(y + 0.1) + 0.5 * RNG.normal(size=y.shape)
    weight = WEIGHT[:60] if weighted else None
    expected = d2_tweedie_score(y, np.exp(z), sample_weight=weight, power=power)
    assert D2(loss, y, weight)(z) == pytest.approx(expected, rel=1e-10)


def test_accuracy_is_that_of_scikit_learn():
    codes, predicted = RNG.integers(0, 3, (2, N))
    for weight in (None, WEIGHT):
        assert Accuracy(codes, weight)(predicted) == pytest.approx(
            accuracy_score(codes, predicted, sample_weight=weight), rel=1e-14
        )


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_the_score_loss_is_the_loss_of_the_validation_rows(cls, weight, form):
    y = Z if cls is GDRegressor else LABELS
    (X_train, y_train), val = given(y, weight)
    val["X_val"] = form(val["X_val"])
    model = cls(scoring="loss", random_state=0, **STEPS)
    model.fit(form(X_train), y_train, **val)
    F = Objective(
        clone(model).set_params(penalty=None).fit(X_train, y_train),
        X[VAL], y[VAL], None if weight is None else weight[VAL],
    )  # fmt: skip
    assert len(model.validation_scores_) == model.n_iter_ == 8
    coef = np.vstack([np.atleast_2d(model.coef_).T, model.intercept_])
    assert model.validation_scores_[-1] == pytest.approx(-F(coef), rel=1e-12)


def test_class_weights_count_in_the_loss_and_not_in_the_score():
    est = GDClassifier(class_weight={"yes": 3.0}, random_state=0, **STEPS)
    fit, val = given(LABELS)
    factor = np.where(LABELS == "yes", 3.0, 1.0)
    loss = clone(est).set_params(scoring="loss").fit(*fit, **val)
    same = GDClassifier(scoring="loss", random_state=0, **STEPS)
    same.fit(*fit, factor[TRAIN], **val, sample_weight_val=factor[VAL])
    assert_allclose(loss.validation_scores_, same.validation_scores_, rtol=1e-12)
    est.fit(*fit, **val)
    assert est.validation_scores_[-1] == est.score(X[VAL], LABELS[VAL])


# ----------------------------------------------------------------------------- scorers


@pytest.mark.one_case
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize(
    "scoring", ["neg_log_loss", "roc_auc", "balanced_accuracy", "accuracy"]
)
def test_a_scorer_sees_the_coefficients_of_each_epoch(scoring, split, form):
    arguments = {} if split else {"X_val": form(X[VAL]), "y_val": LABELS[VAL]}
    est = GDClassifier(
        scoring=scoring, early_stopping=split, tol=None, random_state=0, **STEPS
    )
    model = clone(est).fit(form(X), LABELS, **arguments)
    other = clone(est).set_params(scoring=get_scorer(scoring))
    other.fit(form(X), LABELS, **arguments)
    assert other.validation_scores_ == model.validation_scores_
    if not split:
        for epoch in (1, 4, 8):
            part = clone(est).set_params(max_iter=epoch, scoring=None)
            part.fit(form(X), LABELS)
            score = get_scorer(scoring)(part, form(X[VAL]), LABELS[VAL])
            assert score == pytest.approx(model.validation_scores_[epoch - 1])


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_scorers_of_regression(n_outputs):
    y = Z if n_outputs == 1 else np.column_stack([Z, -Z, 2.0 * Z])
    (X_train, y_train), val = given(y)
    est = GDRegressor(scoring="r2", random_state=0, **STEPS)
    plain = clone(est).set_params(scoring=None).fit(X_train, y_train, **val)
    assert_allclose(
        est.fit(X_train, y_train, **val).validation_scores_,
        plain.validation_scores_,
        rtol=1e-12,
    )


def test_a_function_is_a_scorer_and_feature_names_do_not_disturb_it():
    pandas = pytest.importorskip("pandas")
    names = [f"x{j}" for j in range(D)]
    frame = pandas.DataFrame(X, columns=names)
    seen = []

    def scoring(est, X, y):
        seen.append((type(X), est.coef_.copy()))
        return np.float32((est.predict(X) == y).mean())

    model = GDClassifier(scoring=scoring, random_state=0, **STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        model.fit(frame, LABELS, X_val=frame[VAL], y_val=LABELS[VAL])
    assert [kind for kind, _ in seen] == [np.ndarray] * 8
    assert_array_equal(seen[-1][1], model.coef_)
    assert_array_equal(model.feature_names_in_, names)


def test_sample_weights_reach_the_scorer():
    fit, val = given(LABELS, WEIGHT)
    model = GDClassifier(scoring="neg_log_loss", random_state=0, **STEPS)
    model.fit(*fit, **val)
    expected = -log_loss(
        LABELS[VAL], model.predict_proba(X[VAL]), sample_weight=WEIGHT[VAL]
    )
    assert model.validation_scores_[-1] == pytest.approx(expected, rel=1e-12)

    def unweighted(y, prediction):
        return (y == prediction).mean()

    model.set_params(scoring=make_scorer(unweighted))
    model.fit(*fit, X_val=X[VAL], y_val=LABELS[VAL])
    with pytest.raises(ValueError, match=r"scoring=.*does not take sample_weight"):
        model.fit(*fit, **val)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(unweighted).set_score_request(sample_weight=False)
        model.set_params(scoring=scorer).fit(*fit, **val)
    kept = VAL & (WEIGHT > 0.0)
    assert model.validation_scores_[-1] == model.score(X[kept], LABELS[kept])


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        ("acuracy", r"scoring must be.*'acuracy'\. Did you mean 'accuracy'"),
        (3, "scoring must be None, 'loss'.*got 3"),
        (["accuracy"], r"scoring must be.*got \['accuracy'\]"),
    ],
)
def test_a_wrong_scoring_is_named(scoring, message):
    with pytest.raises(ValueError, match=message):
        GDClassifier(scoring=scoring).fit(X, LABELS)


def test_a_scorer_that_does_not_suit_is_named():
    fit, val = given(LABELS)
    with pytest.raises(ValueError, match=r"scoring='neg_log_loss' .* loss='hinge'"):
        GDClassifier("hinge", scoring="neg_log_loss").fit(*fit, **val)
    with pytest.raises(ValueError, match="must give a number, but gave nan"):
        GDClassifier(scoring=lambda est, X, y: np.nan).fit(*fit, **val)
    with pytest.raises(ValueError, match="must give a number"):
        GDClassifier(scoring=lambda est, X, y: {"a": 1.0}).fit(*fit, **val)
    with pytest.raises(ValueError, match=r"'maybe', which is not among.*its loss"):
        GDClassifier(scoring="loss").fit(
            *fit, X_val=X[:2], y_val=np.array(["maybe", "no"])
        )


# ------------------------------------------------------------------------------- ties


def test_of_equal_scores_the_smaller_loss_wins():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(400, 3))
    y = data[:, 0] > 0.0
    params = {"optimizer": "sgd", "batch_size": 32, "learning_rate": 0.1, "tol": None}
    fit = data[:300], y[:300]
    val = {"X_val": data[300:], "y_val": y[300:]}
    model = GDClassifier(early_stopping=True, max_iter=40, random_state=0, **params)
    model.fit(*fit, **val)
    losses = GDClassifier(scoring="loss", max_iter=40, random_state=0, **params)
    losses.fit(*fit, **val)
    scores = np.array(model.validation_scores_)
    tied = np.flatnonzero(scores == scores.max())
    assert len(tied) > 1
    best = tied[np.argmax(np.array(losses.validation_scores_)[tied])]
    part = clone(model).set_params(max_iter=int(best) + 1).fit(*fit, **val)
    assert_array_equal(model.coef_, part.coef_)


@pytest.mark.exhaustive
def test_the_loss_stops_later_than_the_accuracy_on_rare_positives():
    worse = 0
    for seed in range(4):
        data, y = make_classification(
            2000, 20, n_informative=8, weights=[0.9], flip_y=0.02, random_state=seed
        )
        a, b, c, d = train_test_split(data, y, random_state=seed, stratify=y)
        est = GDClassifier(early_stopping=True, random_state=seed)
        by_accuracy = log_loss(d, est.fit(a, c).predict_proba(b))
        by_loss = log_loss(d, est.set_params(scoring="loss").fit(a, c).predict_proba(b))
        whole = log_loss(d, GDClassifier().fit(a, c).predict_proba(b))
        assert by_loss <= whole + 0.01
        worse += by_accuracy > by_loss
    assert worse >= 2


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_tol_of_the_loss_does_not_depend_on_the_unit_of_y(unit):
    fit, val = given(Z)
    est = GDRegressor(
        scoring="loss", early_stopping=True, optimizer="adam", random_state=0
    )
    plain = clone(est).fit(*fit, **val)
    scaled = est.fit(fit[0], unit * fit[1], X_val=X[VAL], y_val=unit * Z[VAL])
    assert scaled.n_iter_ == plain.n_iter_ < 1000
    assert_allclose(scaled.coef_, unit * plain.coef_, rtol=1e-5)


def test_scikit_learns_metrics_are_imported_when_a_scorer_needs_them(monkeypatch):
    for name in [n for n in sys.modules if n.startswith("sklearn.metrics")]:
        monkeypatch.delitem(sys.modules, name)
    for cls, y in ((GDRegressor, Z), (GDClassifier, LABELS)):
        cls(random_state=0, **STEPS).fit(X, y, X_val=X, y_val=y)
        assert "sklearn.metrics" not in sys.modules


# ---------------------------------------------------------- validation rows unlike X


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_validation_rows_that_look_nothing_like_x_warn(form):
    raw = X * [1.0, 10.0, 100.0, 1.0, 1.0, 1.0] + [0.0, 50.0, 900.0, 0.0, 0.0, 0.0]
    est = GDClassifier(early_stopping=True, random_state=0)
    with pytest.warns(
        UserWarning, match=r"X_val looks nothing like X.*transform_input"
    ):
        est.fit(form(X), LABELS, X_val=form(raw), y_val=LABELS)
    scaled = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        est.fit(form(scaled), LABELS, X_val=form(scaled[:20]), y_val=LABELS[:20])


def test_a_column_that_only_the_validation_rows_have_does_not_warn():
    train = X.copy()
    train[:, 2] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        GDClassifier(random_state=0).fit(train, LABELS, X_val=X, y_val=LABELS)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "gamma", "tweedie"])
def test_validation_scores_are_the_scores_of_the_model(loss):
    """Not those of raw predictions, where the loss has a log link."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = np.exp(0.5 * X[:, 0]) * rng.gamma(4.0, 0.25, size=300) + 0.01
    model = GDRegressor(
        loss, optimizer="sgd", batch_size=32, early_stopping=True, max_iter=20,
        tol=None, n_iter_no_change=20, random_state=0,
    ).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])  # fmt: skip
    score = model.score(X[200:], y[200:])
    assert model.best_validation_score_ == pytest.approx(score, rel=1e-12)
    assert max(model.validation_scores_) == model.best_validation_score_ > 0.2
