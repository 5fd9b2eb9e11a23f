"""Offsets: the known part of a raw prediction, such as the logarithm of an exposure."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from reference import LOSSES as REFERENCES
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.metrics import d2_tweedie_score, r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier, GDRegressor, GDRegressorCV, path
from sklgd._fit.objective import Objective
from sklgd.losses import LOSSES

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:The best alpha is:UserWarning"),
]

RNG = np.random.default_rng(0)
N, D = 120, 4
X = RNG.normal(size=(N, D)) * [1.0, 5.0, 0.2, 1.0] + [0.0, 3.0, 0.0, -2.0]
OFFSET = RNG.normal(size=N) + 2.0
MEAN = np.exp(0.3 * X[:, 0] - 0.1 * X[:, 1] + OFFSET)
TARGETS = {
    "poisson": RNG.poisson(MEAN).astype(float),
    "gamma": RNG.gamma(2.0, MEAN / 2.0) + 1e-3,
    "tweedie": RNG.poisson(MEAN) * RNG.gamma(2.0, 0.5, N),
    "identity": X @ [0.3, -0.1, 0.5, 0.2] + OFFSET + 0.3 * RNG.standard_t(3, N),
}
WEIGHT = RNG.integers(0, 4, N).astype(float)
REGRESSION = [name for name, loss in LOSSES.items() if loss.task == "regression"]
LOG_LINK = ["poisson", "gamma", "tweedie"]
METHODS = {
    "auto": "auto",
    "lbfgs": "auto",
    "fista": "auto",
    "nesterov": "full",
    "saga": 1,
    "point_saga": 1,
    "svrg": 16,
    "online": 1,
}


def evaluate(loss, y, z):
    """Loss and derivative of each row."""
    params = {"epsilon": 0.1, "quantile": 0.5, "power": 1.5}
    known = REFERENCES[loss]
    return known.function(y, z, **{name: params[name] for name in known.params})


def target_of(loss):
    return TARGETS.get(loss, TARGETS["identity"])


def objective(loss, coef, y, weight=WEIGHT, offset=OFFSET, alpha=0.0, l1_ratio=0.0):
    """F of one output as Maths defines it, with the offset in the raw prediction."""
    z = X @ coef[:-1] + coef[-1] + offset
    value = evaluate(loss, y, z)[0]
    w = coef[:-1]
    penalty = l1_ratio * np.abs(w).sum() + (1.0 - l1_ratio) / 2.0 * w @ w
    return weight @ value / weight.sum() + alpha * penalty


def coefficients(model):
    return np.append(model.coef_, model.intercept_)


# ------------------------------------------------------------------- the same minimiser


def test_rates_of_two_groups_are_their_events_by_their_exposures():
    x, y = np.array([[0.0], [0.0], [1.0], [1.0], [1.0]]), np.array([1.0, 2, 0, 3, 4])
    offset, s = np.log([1.0, 3.0, 2.0, 1.0, 4.0]), [1.0, 2.0, 1.0, 1.0, 3.0]
    options = {"penalty": None, "tol": 1e-16}
    counts = GDRegressor("poisson", **options).fit(x, y, s, offset=offset)
    assert_allclose(coefficients(counts), [0.33647224, -0.33647224], atol=1e-8)
    sizes = GDRegressor("gamma", **options).fit(x, y + 1.0, s, offset=offset)
    assert_allclose(coefficients(sizes), [0.21309322, 0.28768207], atol=1e-8)


@pytest.mark.some_cases
@pytest.mark.parametrize(
    "loss, optimizer",
    [
        (loss, optimizer)
        for loss in REGRESSION
        for optimizer in METHODS
        if LOSSES[loss].smooth or optimizer not in ("saga", "svrg")
    ],
)
def test_every_method_finds_the_minimum_of_the_objective_with_an_offset(
    loss, optimizer
):
    y, l1_ratio = target_of(loss), 0.0 if optimizer == "lbfgs" else 0.5
    options = {"alpha": 0.1, "l1_ratio": l1_ratio, "tol": 1e-8, "random_state": 0}
    model = GDRegressor(
        loss, penalty="elasticnet", optimizer=optimizer, max_iter=200,
        batch_size=METHODS[optimizer], **options,
    )  # fmt: skip
    data = sp.csr_array(X) if optimizer in ("saga", "svrg") else X
    model.fit(data, y, WEIGHT, offset=OFFSET)

    def value(coef):
        return objective(loss, coef, y, alpha=0.1, l1_ratio=l1_ratio)

    found = value(coefficients(model))
    assert_allclose(model.loss_curve_[-1], found, rtol=1e-9)
    exact = GDRegressor(loss, penalty="elasticnet", **options)
    best = value(coefficients(exact.fit(X, y, WEIGHT, offset=OFFSET)))
    start = value(np.zeros(D + 1))
    assert found - best <= (1e-4 if LOSSES[loss].smooth else 2e-3) * (start - best)


@pytest.mark.parametrize("loss", LOG_LINK)
def test_the_minimum_with_a_log_link_is_that_of_scipy(loss):
    y = target_of(loss)
    model = GDRegressor(loss, alpha=0.1, tol=1e-12).fit(X, y, WEIGHT, offset=OFFSET)

    def value(coef):
        return objective(loss, coef, y, alpha=0.1)

    best = minimize(value, np.zeros(D + 1), method="BFGS", options={"gtol": 1e-8})
    assert value(coefficients(model)) <= best.fun + 1e-9
    assert_allclose(coefficients(model), best.x, atol=1e-4)


# Coefficients and intercept of statsmodels 0.15.0 (GLM with var_weights and offset;
# without a penalty) and of glum 3.4.1 (GeneralizedLinearRegressor, alpha=0.1).
PUBLISHED = {
    ("poisson", None): [
        0.397379310944,
        0.0113511901656,
        -0.252645982312,
        -0.0052463547,
    ],
    ("tweedie", None): [
        0.392827828448,
        -0.049023676359,
        -0.261771132862,
        -0.0041345286,
    ],
    ("gamma", None): [0.232537956301, -0.179430496641, -0.273374606629, 0.378135990925],
    ("poisson", 0.0): [0.364572139807, 0.0201551053277, -0.232314234085, 0.0024013819],
    ("tweedie", 0.0): [0.348580059684, -0.020180693207, -0.227376158032, 0.0008439288],
    ("gamma", 0.0): [0.201901524155, -0.0959056369673, -0.201353331561, 0.376531376867],
    ("poisson", 0.5): [0.33415071006, 0.0, -0.222514576259, 0.0128976482115],
    ("tweedie", 0.5): [0.310737084316, 0.0, -0.185485472981, 0.00641436862245],
}


@pytest.mark.parametrize("loss, l1_ratio", PUBLISHED)
def test_coefficients_are_those_of_statsmodels_and_glum(loss, l1_ratio):
    i = np.arange(24)
    features = np.c_[np.sin(i), np.cos(2.0 * i), i % 3 - 1.0]
    exposure = 1.0 + i % 5
    mean = exposure * np.exp(0.4 * features[:, 0] - 0.3 * features[:, 2])
    y = np.floor(mean + i % 2) + (loss == "gamma")
    penalty = None if l1_ratio is None else "elasticnet"
    model = GDRegressor(loss, penalty=penalty, alpha=0.1, l1_ratio=l1_ratio, tol=1e-16)
    model.fit(features, y, 1.0 + i % 4, offset=np.log(exposure))
    assert_allclose(coefficients(model), PUBLISHED[loss, l1_ratio], atol=2e-9)


# --------------------------------------------------------------- what an offset changes


@pytest.mark.some_cases
@pytest.mark.parametrize("loss", REGRESSION)
def test_a_constant_offset_moves_the_intercept_only(loss):
    y = target_of(loss)
    model = GDRegressor(loss, alpha=0.01, tol=1e-10)
    without = coefficients(clone(model).fit(X, y, WEIGHT))
    shifted = coefficients(clone(model).fit(X, y, WEIGHT, offset=1.5))
    scale = np.abs(without).max()
    assert_allclose(shifted[:-1], without[:-1], atol=1e-5 * scale)
    assert_allclose(shifted[-1], without[-1] - 1.5, atol=1e-5 * scale)


@pytest.mark.parametrize("optimizer", ["auto", "svrg", "adam"])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson", "gamma"])
def test_an_offset_of_zero_is_no_offset_to_the_bit(loss, optimizer):
    y, batch_size = target_of(loss), "auto" if optimizer == "auto" else 16
    model = GDRegressor(loss, optimizer=optimizer, batch_size=batch_size, max_iter=5)
    model.set_params(random_state=0)
    without = clone(model).fit(X, y, WEIGHT)
    with_zero = clone(model).fit(X, y, WEIGHT, offset=0)
    assert_array_equal(with_zero.coef_, without.coef_)
    assert with_zero.loss_curve_ == without.loss_curve_
    model.set_params(early_stopping=True, scoring="loss")
    without = clone(model).fit(X, y, WEIGHT)
    with_zero = model.fit(X, y, WEIGHT, offset=0)
    assert with_zero.validation_scores_ == without.validation_scores_


@pytest.mark.parametrize("unit", [1e-9, 1e9])
@pytest.mark.parametrize(
    "optimizer", ["auto", "nesterov", "svrg", "point_saga", "adam"]
)
def test_the_unit_of_an_exposure_changes_neither_run_nor_coefficients(optimizer, unit):
    batch_size = 8 if optimizer in ("svrg", "adam") else METHODS.get(optimizer, 1)
    model = GDRegressor(
        "poisson", alpha=0.0, optimizer=optimizer, batch_size=batch_size, max_iter=40,
        random_state=0,
    )  # fmt: skip
    y = target_of("poisson")
    one = clone(model).fit(X, y, WEIGHT, offset=OFFSET)
    other = clone(model).fit(X, y, WEIGHT, offset=OFFSET + np.log(unit))
    assert other.n_iter_ == one.n_iter_
    assert_allclose(other.coef_, one.coef_, rtol=1e-6, atol=1e-9)
    assert_allclose(other.intercept_ + np.log(unit), one.intercept_, atol=1e-6)


def test_a_row_of_weight_zero_is_absent_whatever_its_offset():
    y, offset, weight = target_of("poisson"), OFFSET.copy(), WEIGHT.copy()
    weight[:20], offset[:20] = 0.0, 1e6
    model = GDRegressor("poisson", alpha=0.1)
    with_row = clone(model).fit(X, y, weight, offset=offset)
    without = clone(model).fit(X[20:], y[20:], weight[20:], offset=offset[20:])
    assert_allclose(coefficients(with_row), coefficients(without), rtol=1e-9)


def test_several_outputs_have_their_own_offsets():
    Y = np.c_[target_of("identity"), target_of("identity") ** 2]
    offset = np.c_[OFFSET, -OFFSET]
    model = GDRegressor(alpha=0.1)
    both = clone(model).fit(X, Y, offset=offset)
    for k in range(2):
        one = clone(model).fit(X, Y[:, k], offset=offset[:, k])
        assert_allclose(both.coef_[k], one.coef_, rtol=1e-9)
    expected = X @ both.coef_.T + both.intercept_ + offset
    assert_allclose(both.predict(X, offset=offset), expected)
    counts = np.c_[target_of("poisson"), target_of("poisson") + 1.0]
    one_offset = GDRegressor("poisson").fit(X, counts, offset=OFFSET)
    apart = GDRegressor("poisson").fit(X, counts[:, 1], offset=OFFSET)
    assert_allclose(one_offset.coef_[1], apart.coef_, rtol=1e-3)
    GDRegressor("gamma").fit(X, counts + 1.0, offset=offset)
    with pytest.raises(ValueError, match="one estimator for each output"):
        GDRegressor("poisson").fit(X, counts, offset=offset)


# ------------------------------------------------------------------------- the iterates


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "tweedie"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_explicit_learning_rates_follow_the_gradient_with_the_offset(optimizer, loss):
    rows, eta, alpha = np.arange(30), 0.01, 0.1
    Z, s = np.c_[X[rows] / 3.0, np.ones(30)], WEIGHT[rows] + 1.0
    y, o, s = target_of(loss)[rows] / 10.0, OFFSET[rows], s / s.mean()
    w, m, v, t = np.zeros(D + 1), np.zeros(D + 1), np.zeros(D + 1), 0
    for _ in range(2):
        for i in rows:
            slope = s[i] * evaluate(loss, y[i], Z[i] @ w + o[i])[1]
            g, t = slope * Z[i] + alpha * w * ([1.0] * D + [0.0]), t + 1
            if optimizer == "sgd":
                w = w - eta * g
            else:
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                size = np.sqrt(v / (1.0 - 0.999**t)) + 1e-8
                w = w - eta * m / (1.0 - 0.9**t) / size
    model = GDRegressor(
        loss, alpha=alpha, optimizer=optimizer, learning_rate=eta, batch_size=1,
        shuffle=False, max_iter=2, tol=None,
    )  # fmt: skip
    fitted = clone(model).fit(Z[:, :-1], y, s, offset=o)
    assert_allclose(coefficients(fitted), w, atol=1e-12)
    streamed = clone(model)
    for _ in range(2):
        streamed.partial_fit(Z[:, :-1], y, s, offset=o)
    assert_array_equal(streamed.coef_, fitted.coef_)
    assert_allclose(streamed.loss_curve_, fitted.loss_curve_, rtol=1e-12)


def test_a_stream_with_offsets_learns_the_rates():
    rng = np.random.default_rng(0)
    model, counts = GDRegressor("poisson", random_state=0), []
    for _ in range(20):
        x, exposure = rng.normal(size=(100, 2)), rng.uniform(1.0, 200.0, 100)
        y = rng.poisson(exposure * np.exp(x @ [0.5, -0.25] - 1.0)).astype(float)
        model.partial_fit(x, y, offset=np.log(exposure))
        counts.append((x, y, exposure))
    assert_allclose(coefficients(model), [0.5, -0.25, -1.0], atol=0.05)
    x, y, exposure = counts[-1]
    assert model.score(x, y, offset=np.log(exposure)) > 0.95


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "gamma", "tweedie"])
def test_the_progressive_loss_is_that_of_the_user_s_targets(loss):
    y, power = target_of(loss) / 5.0, {"poisson": 1.0, "tweedie": 1.5}.get(loss, 2.0)
    # Learnt are y - offset, or rates whose weights are powers of the exposures.
    learnt = y * np.exp(-OFFSET) if loss in LOG_LINK else y - OFFSET
    factor = np.exp((2.0 - power) * OFFSET)
    weight = WEIGHT + 1.0
    constant = {"poisson": -y * OFFSET, "gamma": OFFSET}.get(loss, np.zeros(N))
    model = GDRegressor(loss, shuffle=False)
    other = clone(model)
    model.partial_fit(X[:1], y[:1], weight[:1], offset=OFFSET[:1])
    other.partial_fit(X[:1], learnt[:1], weight[:1])
    rows, s = slice(1, None), weight * factor / factor[0]
    model.partial_fit(X[rows], y[rows], weight[rows], offset=OFFSET[rows])
    other.partial_fit(X[rows], learnt[rows], s[rows])
    assert_allclose(model.coef_, other.coef_, rtol=1e-9)
    total, judged = (weight * factor)[rows].sum(), weight[rows]
    expected = other.progressive_loss_ * total + judged @ constant[rows]
    assert_allclose(model.progressive_loss_, expected / judged.sum(), rtol=1e-9)
    assert_allclose(model.loss_curve_[-1], model.progressive_loss_, rtol=1e-9)


def test_a_failed_call_leaves_a_stream_with_offsets_and_a_penalty_as_it_was():
    y = target_of("poisson")
    model = GDRegressor("poisson", alpha=0.1, random_state=0)
    model.partial_fit(X[:60], y[:60], offset=OFFSET[:60])
    before, loss = coefficients(model), model.progressive_loss_
    with pytest.raises(ValueError, match="large"):
        model.partial_fit(X[60:], np.full(60, 1e160), offset=OFFSET[60:])
    assert_array_equal(coefficients(model), before)
    assert model.progressive_loss_ == loss


# ----------------------------------------------------------------- predict and score


def test_predict_adds_the_offset_and_warns_without_one():
    y = target_of("poisson")
    model = GDRegressor("poisson").fit(X, y, offset=OFFSET)
    z = X @ model.coef_ + model.intercept_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_allclose(model.predict(X, offset=OFFSET), np.exp(z + OFFSET))
        assert_allclose(model.predict(X, offset=0), np.exp(z))
        GDRegressor("poisson").fit(X, y).predict(X)
    with pytest.warns(UserWarning, match=r"^The model was fitted with an offset, but"):
        assert_allclose(model.predict(X), np.exp(z))


@pytest.mark.parametrize("loss", ["poisson", "squared_error"])
def test_score_needs_the_offset_of_a_model_that_had_one(loss):
    y = target_of(loss)
    model = GDRegressor(loss).fit(X, y, offset=OFFSET)
    predicted = model.predict(X, offset=OFFSET)
    score = r2_score if loss == "squared_error" else d2_tweedie_score
    power = {} if loss == "squared_error" else {"power": 1}
    expected = score(y, predicted, sample_weight=WEIGHT, **power)
    assert_allclose(model.score(X, y, WEIGHT, offset=OFFSET), expected)
    with pytest.raises(ValueError, match="fitted with an offset, which score needs"):
        model.score(X, y)
    model.score(X, y, offset=0)
    assert "_had_offset" not in vars(clone(model))
    model.fit(X, y).score(X, y)


def test_searches_and_pipelines_route_offsets():
    """(Scikit-learn 1.6 routes no metadata to the score of a pipeline in a search.)"""
    y = target_of("poisson")
    with sklearn.config_context(enable_metadata_routing=True):
        model = GDRegressor("poisson").set_fit_request(offset=True)
        model.set_score_request(offset=True).set_predict_request(offset=True)
        grid = {"alpha": [1e-3, 10.0]}
        search = GridSearchCV(model, grid, cv=3).fit(X, y, offset=OFFSET)
        pipeline = make_pipeline(StandardScaler(), clone(model))
        pipeline.fit(X, y, offset=OFFSET)
        assert search.best_params_["alpha"] == 1e-3
        for fitted, best in (search, search.best_estimator_), (pipeline, pipeline):
            score = d2_tweedie_score(y, best.predict(X, offset=OFFSET), power=1)
            assert_allclose(fitted.score(X, y, offset=OFFSET), score)
        # A scorer asks for predictions without the offset.
        with pytest.warns(UserWarning, match="predict has got none"):
            cross_validate(
                model, X, y, params={"offset": OFFSET}, cv=2,
                scoring="neg_mean_poisson_deviance",
            )  # fmt: skip


@pytest.mark.one_case
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize(
    "loss, optimizer",
    [
        ("squared_error", "auto"),  # moments
        ("poisson", "auto"),  # Newton for all folds
        ("gamma", "auto"),
        ("tweedie", "fista"),  # fits
        ("absolute_error", "auto"),
    ],
)
def test_a_search_judges_fits_of_each_fold_with_their_offsets(
    loss, optimizer, penalty, form
):
    y, alphas = target_of(loss), [1.0, 1e-2]
    search = GDRegressorCV(
        loss, penalty=penalty, alphas=alphas, cv=3, optimizer=optimizer, tol=1e-9
    )
    search.fit(form(X), y, WEIGHT, offset=OFFSET)
    for k, (train, test) in enumerate(KFold(3).split(X)):
        for a, alpha in enumerate(alphas):
            model = GDRegressor(loss, penalty=penalty, alpha=alpha, tol=1e-10)
            model.fit(X[train], y[train], WEIGHT[train], offset=OFFSET[train])
            z = X[test] @ model.coef_ + model.intercept_ + OFFSET[test]
            s = WEIGHT[test]
            expected = -(s @ evaluate(loss, y[test], z)[0]) / s.sum()
            assert search.scores_[k, 0, a] == pytest.approx(expected, rel=1e-4)
    plain = GDRegressor(loss, penalty=penalty, alpha=search.alpha_, tol=1e-9)
    plain.fit(X, y, WEIGHT, offset=OFFSET)
    assert_allclose(search.coef_, plain.coef_, rtol=1e-3, atol=1e-5)
    expected = plain.predict(X, OFFSET)
    assert_allclose(search.predict(X, OFFSET), expected, rtol=1e-3, atol=1e-4)
    score = plain.score(X, y, offset=OFFSET)
    assert search.score(X, y, offset=OFFSET) == pytest.approx(score, abs=1e-5)


def test_searches_of_wide_counts_share_their_passes_with_offsets(monkeypatch, rng):
    """L-BFGS for all folds, which has no more columns than needed."""
    monkeypatch.setattr("sklgd._tuning.newton.MAX_ORDER", 3)
    wide = sp.csr_array(np.where(rng.random((N, 12)) < 0.4, X[:, rng.choice(D, 12)], 0))
    y = target_of("poisson")
    search = GDRegressorCV("poisson", alphas=[0.1], cv=2, tol=1e-8, store_path=True)
    search.fit(wide, y, WEIGHT, offset=OFFSET)
    for k, (train, _) in enumerate(KFold(2).split(X)):
        model = GDRegressor("poisson", alpha=0.1, tol=1e-12)
        model.fit(wide[train], y[train], WEIGHT[train], offset=OFFSET[train])
        assert_allclose(search.coefs_paths_[k, 0, 0, 0, :-1], model.coef_, atol=1e-4)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_a_path_with_an_offset_has_the_fits_of_each_alpha(loss, penalty):
    y = target_of(loss)
    est = GDRegressor(loss, penalty=penalty, tol=1e-10)
    found = path(est, X, y, alphas=5, sample_weight=WEIGHT, offset=OFFSET)
    for alpha, coef, intercept, value in zip(
        found.alphas, found.coef, found.intercept, found.objective, strict=True
    ):
        model = clone(est).set_params(alpha=alpha).fit(X, y, WEIGHT, offset=OFFSET)
        assert_allclose(coef, model.coef_, rtol=1e-4, atol=1e-6)
        known = objective(
            loss, np.append(coef, intercept), y, alpha=alpha, l1_ratio=penalty == "l1"
        )
        assert value == pytest.approx(known, rel=1e-9)
    if penalty == "l1":
        # (At the largest alpha itself, rounding decides.)
        assert np.abs(found.coef[0]).max() < 1e-12 and found.coef[1].any()


def test_searches_refuse_scorers_with_an_offset_and_warn_without_one():
    y = target_of("poisson")
    search = GDRegressorCV("poisson", alphas=[0.1], cv=2)
    with pytest.raises(ValueError, match="a scorer asks for predictions without it"):
        clone(search).set_params(scoring="r2").fit(X, y, offset=OFFSET)
    search.fit(X, y, offset=OFFSET)
    with pytest.warns(UserWarning, match="predict has got none"):
        search.predict(X)
    with pytest.raises(ValueError, match="which score needs as well"):
        search.score(X, y)
    with pytest.raises(TypeError, match="offset is not possible with a GDClassifier"):
        path(GDClassifier(), X, y > 0.0, offset=OFFSET)
    with sklearn.config_context(enable_metadata_routing=True):
        search.set_fit_request(offset=True).set_score_request(offset=True)
        scores = cross_validate(search, X, y, params={"offset": OFFSET}, cv=2)
    assert (scores["test_score"] > 0.3).all()


# ------------------------------------------------------------------- validation sets


@pytest.mark.parametrize("scoring", [None, "loss"])
@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("loss", ["poisson", "squared_error"])
def test_validation_rows_are_scored_with_their_offsets(loss, held_out, scoring):
    y, train, val = target_of(loss), slice(0, 80), slice(80, None)
    model = GDRegressor(
        loss, optimizer="sgd", batch_size=8, max_iter=3, scoring=scoring, tol=None,
        random_state=0, early_stopping=held_out,
    )  # fmt: skip
    if held_out:
        model.fit(X, y, WEIGHT, offset=OFFSET)
        val = model._hold_out(y[WEIGHT > 0.0])[1]
        val = np.flatnonzero(WEIGHT > 0.0)[val]
    else:
        model.fit(
            X[train], y[train], WEIGHT[train], offset=OFFSET[train], X_val=X[val],
            y_val=y[val], sample_weight_val=WEIGHT[val], offset_val=OFFSET[val],
        )  # fmt: skip
    offset, s = OFFSET[val], WEIGHT[val]
    if scoring is None:
        expected = model.score(X[val], y[val], s, offset=offset)
    else:
        z = X[val] @ model.coef_ + model.intercept_ + offset
        expected = -(s @ evaluate(loss, y[val], z)[0]) / s.sum()
    found = model.best_validation_score_ if held_out else model.validation_scores_[-1]
    assert_allclose(found, expected, rtol=1e-9)


def test_a_scorer_is_refused_because_it_predicts_without_the_offset():
    y = target_of("poisson")
    model = GDRegressor("poisson", early_stopping=True, scoring="r2")
    with pytest.raises(ValueError, match="a scorer asks for predictions without it"):
        model.fit(X, y, offset=OFFSET)
    with pytest.raises(ValueError, match=r"^offset was given without offset_val"):
        GDRegressor().fit(X, y, offset=OFFSET, X_val=X, y_val=y)
    with pytest.raises(ValueError, match=r"^offset_val needs X_val"):
        GDRegressor().fit(X, y, offset_val=OFFSET)


# ----------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "offset, message",
    [
        (OFFSET[:-1], r"^offset has shape \(119,\), expected \(120,\)"),
        (np.ones((N, 3)), r"^offset has shape \(120, 3\)"),
        (np.where(np.arange(N) == 3, -np.inf, 0.0), "offset contains NaN or infinity"),
        ("exposure", r"^offset must be a number or an array"),
        (np.full(N, 1000.0), r"make exp\(offset\) leave float64.*np\.log\(exposure\)"),
    ],
)
def test_offsets_that_make_no_sense_are_refused(offset, message):
    y = target_of("poisson")
    for call in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=message):
            getattr(GDRegressor("poisson"), call)(X, y, offset=offset)
    if not isinstance(offset, np.ndarray) or offset.max() < 1000.0:
        with pytest.raises(ValueError, match=message):
            GDRegressor("poisson").fit(X, y).predict(X, offset=offset)


def test_errors_about_targets_name_those_of_the_user():
    y = target_of("poisson") - 3.0
    with pytest.raises(ValueError, match=f"the smallest is {y.min():g}"):
        GDRegressor("poisson").fit(X, y, offset=OFFSET)


def test_classifiers_and_objectives_have_no_offset():
    with pytest.raises(TypeError, match="offset"):
        GDClassifier().fit(X, target_of("identity") > 0.0, offset=OFFSET)
    model = GDRegressor().fit(X, target_of("identity"), offset=OFFSET)
    with pytest.raises(ValueError, match="fitted with an offset"):
        Objective(model, X, target_of("identity"))


# ----------------------------------------------------------------------------- blocks


def blocks_of(y, weight=None, offset=OFFSET):
    for rows in np.array_split(np.arange(N), 5):
        s = None if weight is None else weight[rows]
        yield X[rows], y[rows], s, offset[rows]


@pytest.mark.one_case
@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize(
    "loss",
    [
        "huber",
        pytest.param("poisson", marks=pytest.mark.exhaustive),
        "gamma",
        "tweedie",
        "quantile",
    ],
)
def test_blocks_with_offsets_give_the_model_of_all_rows(loss, few, monkeypatch):
    if few:
        monkeypatch.setattr("sklgd._fit.description.SAMPLE_BYTES", 2000)
    y = target_of(loss)
    model = GDRegressor(loss, alpha=0.1, tol=1e-9)
    expected = clone(model).fit(
        X, y, WEIGHT, offset=OFFSET, X_val=X, y_val=y, sample_weight_val=WEIGHT,
        offset_val=OFFSET,
    )  # fmt: skip
    blocks = list(blocks_of(y, WEIGHT))
    for validation in ((X, y, WEIGHT, OFFSET), blocks):
        found = clone(model).fit_blocks(blocks, validation=validation)
        assert (found.n_passes_ > 1) == few
        assert_allclose(found.loss_curve_[-1], expected.loss_curve_[-1], rtol=1e-8)
        assert_allclose(
            found.validation_scores_[-1], expected.validation_scores_[-1], rtol=1e-5
        )
        if LOSSES[loss].smooth:
            assert_allclose(coefficients(found), coefficients(expected), atol=1e-4)
        with pytest.raises(ValueError, match="fitted with an offset"):
            found.score(X, y)


def test_blocks_have_offsets_all_or_none_and_validation_rows_too():
    y = target_of("poisson")
    blocks = list(blocks_of(y))
    with pytest.raises(ValueError, match="some have offsets and others have none"):
        GDRegressor("poisson").fit_blocks([*blocks, (X, y)])
    for validation in ((X, y), [(X, y)]):
        with pytest.raises(ValueError, match=r"^offset was given without offset_val"):
            GDRegressor("poisson").fit_blocks(blocks, validation=validation)
    labels = [(X, y > 3.0, None, OFFSET)]
    with pytest.raises(ValueError, match="GDClassifier takes no offsets"):
        GDClassifier().fit_blocks(labels)
    with pytest.raises(ValueError, match="GDClassifier takes no offsets"):
        GDClassifier().partial_fit_blocks(labels)
    streamed = GDRegressor("poisson", shuffle=False)
    streamed.partial_fit_blocks([(X, y, WEIGHT, OFFSET)])
    plain = GDRegressor("poisson", shuffle=False)
    plain.partial_fit(X, y, WEIGHT, offset=OFFSET)
    assert_array_equal(streamed.coef_, plain.coef_)
