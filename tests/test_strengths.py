"""Strengths of coefficients: `penalty_factor`, `standardize`, `alpha` as an array."""

import pickle

import numpy as np
import pandas as pd
import pytest
import reference
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier, GDRegressor, GDRegressorCV, path, to_sklearn
from sklgd._fit.objective import Objective
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS
from sklgd.schedules import InvScaling

pytestmark = pytest.mark.filterwarnings("ignore:.* has no effect")
ABLE = [name for name, cls in OPTIMIZERS.items() if not cls.why_uniform]
BATCH = [name for name in ABLE if OPTIMIZERS[name].estimates_gap]
ALL_PENALTIES = [n for n in BATCH if not OPTIMIZERS[n].needs_smooth_penalty]
RULES = [name for name in ABLE if OPTIMIZERS[name].training == "descent"]
REDUCED = [n for n in ABLE if OPTIMIZERS[n].training == "variance_reduced"]
# One feature: covariance with y 47.5, variance 725.
X_BY_HAND, Y_BY_HAND = np.array([[0.0], [10.0], [20.0], [70.0]]), [1.0, 0.0, 2.0, 5.0]
FACTORS = np.array([0.0, 1.0, 3.0, 0.2, 1.0, 0.5])


@pytest.fixture
def mixed_units(rng):
    """Correlated columns of different sizes, and a target."""
    X = rng.normal(size=(150, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6)
    X *= [1.0, 10.0, 0.1, 3.0, 0.5, 1.0]
    y = (X / X.std(axis=0)) @ rng.normal(size=6) + rng.normal(size=150)
    return X, y


def violation(model, X, y, sample_weight=None):
    """The largest distance of a standardised coefficient from its proximal step."""
    coef = np.vstack([np.atleast_2d(model.coef_).T, model.intercept_])
    coef = np.ascontiguousarray(coef)
    objective, gradient = Objective(model, X, y, sample_weight), np.empty_like(coef)
    objective.problem.value_and_gradient(coef, gradient)
    gradient /= objective.data.mean_weight
    scale = X.std(axis=0)[:, None]
    penalty = model._penalty()
    l1, l2 = (np.broadcast_to(s, coef[:-1].shape) for s in (penalty.l1, penalty.l2))
    slope = (gradient[:-1] + l2 * coef[:-1]) / scale
    w = coef[:-1] * scale
    wrong = reference.soft_threshold(w - slope, l1 / scale) - w
    return max(np.abs(wrong).max(), np.abs(gradient[-1]).max())


# -------------------------------------------------------------- the right minimiser


@pytest.mark.parametrize(
    ("penalty", "alpha", "l1_ratio", "expected"),
    [
        ("l2", 0.5, 0.15, 47.5 / (725.0 * 1.5)),
        ("l1", 0.5, 0.15, (47.5 - 0.5 * np.sqrt(725.0)) / 725.0),
        ("elasticnet", 1.0, 0.25, 0.0321328425),
    ],
)
@pytest.mark.parametrize("optimizer", ALL_PENALTIES)
def test_standardised_coefficients_worked_out_by_hand(
    optimizer, penalty, alpha, l1_ratio, expected
):
    model = GDRegressor(penalty=penalty, alpha=alpha, l1_ratio=l1_ratio, tol=1e-12)
    model.set_params(standardize=True, optimizer=optimizer)
    assert_allclose(model.fit(X_BY_HAND, Y_BY_HAND).coef_, expected, rtol=1e-6)


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("optimizer", ALL_PENALTIES)
def test_it_is_the_lasso_of_columns_divided_by_the_factors(
    optimizer, storage, mixed_units
):
    X, y = mixed_units
    factors = FACTORS + 0.1
    lasso = Lasso(0.05, tol=1e-14, max_iter=100_000).fit(X / factors, y)
    model = GDRegressor(penalty="l1", alpha=0.05, penalty_factor=factors, tol=1e-13)
    model.set_params(optimizer=optimizer, max_iter=20_000).fit(storage(X), y)
    scale = X.std(axis=0)
    assert_allclose(scale * model.coef_, scale * lasso.coef_ / factors, atol=2e-6)
    assert_array_equal(model.coef_ == 0.0, lasso.coef_ == 0.0)


@pytest.mark.parametrize("optimizer", BATCH)
def test_it_is_the_ridge_of_columns_divided_by_roots_of_the_factors(
    optimizer, mixed_units
):
    X, y = mixed_units
    root = np.sqrt(FACTORS + 0.1)
    ridge = Ridge(0.3 * len(y)).fit(X / root, y)
    model = GDRegressor(alpha=0.3, penalty_factor=root**2, tol=1e-14)
    model.set_params(optimizer=optimizer, max_iter=5000).fit(X, y)
    scale = X.std(axis=0)
    assert_allclose(scale * model.coef_, scale * ridge.coef_ / root, atol=1e-6)


@pytest.mark.parametrize("optimizer", BATCH)
def test_unpenalised_features_are_projected_out(optimizer, mixed_units):
    X, y = mixed_units
    free, others = X[:, [0, 4]], X[:, [1, 2, 3, 5]]
    ones = np.column_stack([free, np.ones(len(X))])
    project = np.eye(len(X)) - ones @ np.linalg.pinv(ones)
    ridge = Ridge(2.0 * len(y), fit_intercept=False).fit(project @ others, project @ y)
    model = GDRegressor(alpha=2.0, penalty_factor=[0, 1, 1, 1, 0, 1], tol=1e-14)
    model.set_params(optimizer=optimizer, max_iter=5000).fit(X, y)
    scale = others.std(axis=0)
    assert_allclose(scale * model.coef_[[1, 2, 3, 5]], scale * ridge.coef_, atol=1e-6)


@pytest.mark.parametrize("optimizer", BATCH)
@pytest.mark.parametrize("weighted", [False, True])
def test_standardised_penalty_is_that_of_scaled_columns(
    optimizer, weighted, mixed_units, rng
):
    X, y = mixed_units
    s = rng.integers(0, 3, size=len(y)).astype(float) if weighted else None
    scaler = StandardScaler().fit(X, sample_weight=s)
    model = GDRegressor(alpha=0.5, tol=1e-14, optimizer=optimizer, max_iter=5000)
    scaled = clone(model).fit(scaler.transform(X), y, s)
    model.set_params(standardize=True).fit(X, y, s)
    assert_allclose(model.coef_ * scaler.scale_, scaled.coef_, atol=1e-6)
    assert_allclose(model.predict(X), scaled.predict(scaler.transform(X)), atol=1e-5)


def test_classifier_agrees_with_scikit_learns_pipeline(mixed_units):
    X, y = mixed_units
    labels = (y > 0.0).astype(int) + (y > 1.0)
    peer = make_pipeline(
        StandardScaler(), LogisticRegression(C=1.0 / (0.01 * len(y)), tol=1e-10)
    ).fit(X, labels)
    model = GDClassifier(alpha=0.01, standardize=True, tol=1e-12).fit(X, labels)
    assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("optimizer", BATCH)
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_targets_have_alphas_of_their_own(optimizer, loss, mixed_units, rng):
    X, y = mixed_units
    Y = np.column_stack([y, X[:, 1] + rng.normal(size=len(y)), rng.normal(size=len(y))])
    alphas = [0.01, 1.0, 30.0]
    model = GDRegressor(loss, alpha=alphas, optimizer=optimizer, tol=1e-13)
    model.set_params(max_iter=5000, epsilon=1.0).fit(X, Y)
    scale = X.std(axis=0)
    for k, alpha in enumerate(alphas):
        one = clone(model).set_params(alpha=alpha).fit(X, Y[:, k])
        assert_allclose(scale * model.coef_[k], scale * one.coef_, atol=2e-5)
    assert_array_equal(model.alpha_, alphas)
    if loss == "squared_error":
        ridge = Ridge(np.array(alphas) * len(y)).fit(X, Y)
        assert_allclose(model.coef_ * scale, ridge.coef_ * scale, atol=2e-5)
        exported = to_sklearn(model)
        assert_allclose(exported.alpha, ridge.alpha)
        assert_allclose(clone(exported).fit(X, Y).coef_, ridge.coef_)


@pytest.mark.exhaustive
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "absolute_error"])
def test_objective_of_the_formula_has_no_lower_value(loss, penalty, mixed_units, rng):
    X, y = mixed_units
    y = np.exp(0.3 * y) if LOSSES[loss].link == "log" else y
    model = GDRegressor(loss, penalty=penalty, alpha=0.1, l1_ratio=0.4, tol=1e-9)
    model.set_params(penalty_factor=FACTORS, standardize=True).fit(X, y)
    l1, l2 = reference.penalty_strengths(penalty, 0.1, 0.4, FACTORS, X.std(axis=0))

    def objective(coef):
        w, b = coef[:-1], coef[-1]
        value = LOSSES[loss]().evaluate(y, (X @ w + b)[:, None])[0] / len(y)
        return value + (l1 * np.abs(w) + 0.5 * l2 * w**2).sum()

    found = np.append(model.coef_, model.intercept_)
    least = objective(found)
    assert_allclose(model.loss_curve_[-1], least, rtol=1e-12)
    size = np.append(X.std(axis=0), 1.0)
    best = minimize(
        lambda u: objective(found + u / size), np.zeros(7), method="Powell"
    ).fun
    assert least <= best + 1e-8


@pytest.mark.exhaustive
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("optimizer", ABLE)
def test_every_optimizer_heads_for_the_minimiser(
    optimizer, storage, penalty, mixed_units
):
    X, y = mixed_units
    X = X * (np.abs(X) > 0.2 * X.std(axis=0))
    params = {"penalty_factor": FACTORS, "standardize": True, "alpha": 0.3}
    model = GDRegressor(penalty=penalty, optimizer=optimizer, tol=1e-9, **params)
    if penalty != "l2" and OPTIMIZERS[optimizer].needs_smooth_penalty:
        penalty = "l2"
        model.set_params(penalty=penalty)
    model.set_params(random_state=0, max_iter=400, n_iter_no_change=20)
    if optimizer in RULES:
        model.set_params(batch_size="full")
    model.fit(storage(X), y)
    assert violation(model, X, y) <= (1e-3 if optimizer in BATCH else 2e-2)


@pytest.mark.exhaustive
@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
@pytest.mark.parametrize("optimizer", [*BATCH, "nesterov", "adam", *REDUCED])
def test_several_classes(optimizer, loss, mixed_units):
    X, y = mixed_units
    labels = np.digitize(y, [-0.5, 0.7])
    model = GDClassifier(loss, penalty_factor=FACTORS, alpha=0.1, tol=1e-9)
    model.set_params(optimizer=optimizer, random_state=0, max_iter=300)
    model.fit(X, labels)
    assert violation(model, X, labels) <= (1e-3 if optimizer in BATCH else 2e-2)


# By glum 3.4.1: GeneralizedLinearRegressor(family="poisson", alpha=0.1, P1=[0, 1, 2,
# 0.5], P2 the same, gradient_tol=1e-12), and without P1 and P2, scale_predictors=True.
OF_GLUM = [
    (
        {"l1_ratio": 0.0},
        [0.733310994, 0.151597134, -0.012737881, 0.209627077, 0.824703618],
    ),
    ({"l1_ratio": 0.5}, [0.727675796, 0.147499293, 0.0, 0.186776525, 0.829672415]),
    ({"l1_ratio": 1.0}, [0.722043990, 0.143385901, 0.0, 0.162120419, 0.834538379]),
    (
        {"l1_ratio": 0.5, "penalty_factor": None, "standardize": True},
        [0.653203063, 0.132854906, 0.0, 0.189708129, 0.857098464],
    ),
]


@pytest.mark.parametrize(("params", "expected"), OF_GLUM)
@pytest.mark.parametrize("optimizer", ALL_PENALTIES)
def test_coefficients_are_those_of_glum(optimizer, params, expected):
    i = np.arange(40.0)
    X = np.column_stack(
        [
            np.sin(i),
            3 * np.cos(2 * i),
            np.sin(5 * i + 1) / 10,
            np.cos(i) * np.sin(3 * i),
        ]
    )
    y = np.abs(np.floor(2 + 2 * np.sin(i) + 1.5 * np.cos(2 * i) + i % 3))
    model = GDRegressor("poisson", penalty="elasticnet", alpha=0.1, tol=1e-14)
    model.set_params(penalty_factor=[0, 1, 2, 0.5], optimizer=optimizer, max_iter=5000)
    model.set_params(**params).fit(X, y)
    found = np.append(model.coef_, model.intercept_)
    assert_allclose(found, expected, atol=2e-6)


def test_two_epochs_are_two_calls_and_rows_held_out_do_not_count(mixed_units):
    X, y = mixed_units
    model = GDRegressor(alpha=0.1, standardize=True, optimizer="adam", tol=None)
    model.set_params(learning_rate=0.01, max_iter=2, shuffle=False, batch_size=8)
    stream = clone(model).partial_fit(X, y).partial_fit(X, y)
    assert_allclose(stream.coef_, model.fit(X, y).coef_, rtol=1e-9)
    model.set_params(early_stopping=True, random_state=0).fit(X, y)
    sizes = model._state.sizes(6)
    assert (np.abs(sizes / X.std(axis=0) - 1.0) > 1e-6).any()
    assert_allclose(sizes, X.std(axis=0), rtol=0.2)


def test_signs_and_factors_combine(mixed_units):
    X, y = mixed_units
    factors = FACTORS + 0.1
    peer = ElasticNet(0.1, l1_ratio=1.0, positive=True, tol=1e-14, max_iter=100_000)
    peer.fit(X / factors, y)
    model = GDRegressor(penalty="l1", alpha=0.1, penalty_factor=factors, tol=1e-13)
    model.set_params(positive=True, optimizer="newton").fit(X, y)
    scale = X.std(axis=0)
    assert_allclose(scale * model.coef_, scale * peer.coef_ / factors, atol=2e-6)


# -------------------------------------------------------------- iterates and bits


@pytest.mark.some_cases
@pytest.mark.parametrize("optimizer", ABLE)
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array], ids=["dense", "csr"])
def test_equal_factors_change_no_bit(optimizer, storage, mixed_units):
    X, y = mixed_units
    model = GDRegressor(optimizer=optimizer, alpha=0.01, max_iter=5, random_state=0)
    model.set_params(tol=None).fit(storage(X), y)
    other = clone(model).set_params(penalty_factor=np.ones(6)).fit(storage(X), y)
    assert_array_equal(other.coef_, model.coef_)
    other = clone(model).set_params(alpha=[0.01]).fit(storage(X), y)
    assert_array_equal(other.coef_, model.coef_)


@pytest.mark.exhaustive
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize("schedule", [0.05, InvScaling(eta0=0.1), InvScaling(5.0)])
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("optimizer", RULES)
def test_sparse_iterates_are_the_dense_ones(optimizer, average, schedule, penalty, rng):
    if OPTIMIZERS[optimizer].needs_smooth_penalty and penalty != "l2":
        penalty = "l2"
    n, d = 60, 6000
    X = sp.random(n, d, 0.001, format="csr", random_state=0)
    y = (X @ rng.normal(size=d) > 0.0).astype(int)
    factors = rng.choice([0.0, 0.3, 1.0, 40.0], size=d)
    model = GDClassifier(optimizer=optimizer, penalty=penalty, alpha=0.01, tol=None)
    model.set_params(learning_rate=schedule, penalty_factor=factors, batch_size=2)
    model.set_params(max_iter=3, random_state=0, average=average)
    dense = clone(model).fit(X.toarray(), y)
    model.fit(X, y)
    assert_allclose(model.coef_, dense.coef_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_lagged_steps_of_falling_learning_rates_are_the_dense_ones(
    penalty, average, rng, monkeypatch
):
    monkeypatch.setattr("sklgd._fit.plan.MARGIN", 0)
    X = sp.random(80, 60, 0.03, format="csr", random_state=0)
    y = X @ rng.normal(size=60)
    model = GDRegressor(
        optimizer="sgd", learning_rate=InvScaling(0.3), batch_size=1, max_iter=3,
        tol=None, penalty=penalty, alpha=0.003, average=average, random_state=0,
        penalty_factor=rng.choice([0.0, 0.3, 1.0, 4.0], size=60),
    )  # fmt: skip
    dense = clone(model).fit(X.toarray(), y)
    model.fit(X, y)
    assert_allclose(model.coef_, dense.coef_, rtol=1e-9, atol=1e-13)


@pytest.mark.exhaustive
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize("K", [1, 2])
@pytest.mark.parametrize("optimizer", REDUCED)
def test_lagged_steps_of_variance_reduction(optimizer, K, penalty, rng):
    X = sp.random(50, 400, 0.01, format="csr", random_state=0)
    Y = rng.normal(size=(50, K))
    model = GDRegressor(penalty=penalty, alpha=[0.02] if K == 1 else [0.02, 0.1])
    model.set_params(penalty_factor=rng.choice([0.0, 0.3, 1.0, 40.0], size=400))
    model.set_params(optimizer=optimizer, learning_rate=0.3, max_iter=3, tol=None)
    model.set_params(fit_intercept=False, batch_size="auto", random_state=0)
    model.set_params(monotonic_cst=np.resize([1, 0, 0], 400)).fit(X, Y)
    # Columns of zeros do not change the order of the rows, nor the iterates.
    few = clone(model).set_params(penalty_factor=model.penalty_factor[:290])
    few.set_params(monotonic_cst=np.resize([1, 0, 0], 290))
    wide = X[:, :290]
    dense = clone(few).fit(wide.toarray(), Y)
    padded = sp.hstack([wide, sp.csr_array((50, 110))], format="csr")
    model.fit(padded, Y)
    assert_allclose(
        np.atleast_2d(model.coef_)[:, :290], np.atleast_2d(dense.coef_), atol=1e-12
    )


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_streams_standardise_by_all_rows_seen(optimizer, mixed_units):
    X, y = mixed_units
    model = GDRegressor(alpha=0.1, standardize=True, optimizer=optimizer)
    model.partial_fit(X[:40], y[:40]).partial_fit(X[40:], y[40:])
    assert_allclose(model._state.sizes(6), X.std(axis=0))
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again._state.sizes(6), model._state.sizes(6))


def test_streams_of_auto_take_the_penalty_of_each_feature(mixed_units):
    X, y = mixed_units
    model = GDRegressor(alpha=0.3, penalty_factor=FACTORS, standardize=True)
    for _ in range(100):
        model.partial_fit(X, y)
    assert model.optimizer_.name == "adam"
    assert violation(model, X, y) <= 0.1


def test_columns_without_spread_count_as_of_size_one(mixed_units):
    X, y = mixed_units
    X = np.column_stack([X, np.full(len(X), 3.0)])
    model = GDRegressor(alpha=0.1, standardize=True, learning_rate=1e-3, max_iter=2)
    model.set_params(tol=None).fit(X, y)
    assert_allclose(model._state.sizes(7)[-1], 1.0)


def test_a_dict_names_features(mixed_units):
    pd = pytest.importorskip("pandas")
    X, y = mixed_units
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = GDRegressor(alpha=0.1, penalty_factor={"a": 0.0, "c": 3.0}).fit(frame, y)
    other = GDRegressor(alpha=0.1, penalty_factor=[0, 1, 3, 1, 1, 1]).fit(X, y)
    assert_array_equal(model.coef_, other.coef_)
    with pytest.raises(ValueError, match="no feature names"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="the key 'g', which is not the name"):
        model.set_params(penalty_factor={"g": 0.0}).fit(frame, y)


# -------------------------------------------------------------- blocks, path, searches


@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_blocks_give_the_model_of_all_rows(
    penalty, in_memory, mixed_units, monkeypatch
):
    if not in_memory:
        monkeypatch.setattr("sklgd._fit.description.SAMPLE_BYTES", 1000)
    X, y = mixed_units
    model = GDRegressor(penalty=penalty, alpha=0.3, standardize=True, tol=1e-10)
    model.set_params(penalty_factor=FACTORS, l1_ratio=0.5)
    whole = clone(model).fit(X, y)
    model.fit_blocks([(X[:70], y[:70]), (X[70:], y[70:])])
    scale = X.std(axis=0)
    assert_allclose(scale * model.coef_, scale * whole.coef_, atol=1e-4)
    assert_allclose(model._state.sizes(6), scale)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_a_path_has_the_models_of_fits(penalty, mixed_units):
    X, y = mixed_units
    model = GDRegressor(penalty=penalty, standardize=True, penalty_factor=FACTORS)
    model.set_params(tol=1e-10)
    followed = path(model, X, y, alphas=[1.0, 0.1])
    for k, alpha in enumerate([1.0, 0.1]):
        one = clone(model).set_params(alpha=alpha).fit(X, y)
        assert_allclose(followed.coef[k], one.coef_, atol=1e-7, rtol=1e-5)
        assert_allclose(followed.objective[k], one.loss_curve_[-1])
    # The unpenalised feature has one degree of freedom whatever alpha is.
    assert 1.0 <= path(model, X, y, alphas=[1e9]).df[0] <= 1.0 + 1e-6


@pytest.mark.exhaustive
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_searches_fit_each_fold(loss, standardize, penalty, mixed_units):
    X, y = mixed_units
    params = {"loss": loss, "penalty": penalty, "penalty_factor": FACTORS}
    params |= {"standardize": standardize, "tol": 1e-8, "epsilon": 1.0}
    alphas = np.geomspace(10.0, 1e-3, 7)
    search = GDRegressorCV(alphas=alphas, cv=3, store_path=True, **params).fit(X, y)
    for k, (train, _) in enumerate(KFold(3).split(X)):
        for alpha, coef in zip(alphas, search.coefs_paths_[k, 0], strict=True):
            one = GDRegressor(alpha=alpha, **params).fit(X[train], y[train])
            size = X.std(axis=0)
            assert_allclose(coef[..., :-1].ravel() * size, one.coef_ * size, atol=5e-3)
    one = GDRegressor(alpha=search.alpha_, **params).fit(X, y)
    assert_allclose(search.predict(X), one.predict(X), atol=5e-3)
    assert GDRegressorCV(alphas=5, cv=3, **params).fit(X, y).score(X, y) > 0.5


# -------------------------------------------------------------- what is not possible


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"penalty_factor": [1.0, -1.0]}, "penalty_factor must be an array of one"),
        ({"penalty_factor": [np.inf, 1.0]}, "penalty_factor must be an array of one"),
        ({"penalty_factor": "std"}, "penalty_factor must be an array of one"),
        ({"penalty_factor": [1.0, 2.0, 3.0]}, "penalty_factor has 3 entries, but X"),
        ({"standardize": 1}, "standardize must be True or False"),
        ({"alpha": [0.1, 0.2]}, "alpha has 2 entries, but y has 1 target"),
        ({"alpha": [-0.1]}, "one for each target"),
        ({"alpha": [0.1], "learning_rate": "optimal"}, "needs one number"),
        ({"optimizer": "online", "alpha": 0.1, "standardize": True}, "not possible"),
    ],
)
def test_impossible_values_are_refused(params, message):
    X, y = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]]), [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match=message):
        GDRegressor(**params).fit(X, y)


def test_classifiers_have_one_alpha():
    with pytest.raises(ValueError, match="Only GDRegressor takes an alpha for each"):
        GDClassifier(alpha=[0.1, 0.2]).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_the_online_learner_refuses_other_strengths(method, mixed_units):
    X, y = mixed_units
    model = GDRegressor(optimizer="online", alpha=0.1, penalty_factor=FACTORS)
    with pytest.raises(ValueError, match="one strength of the penalty for all"):
        getattr(model, method)(X, y)


def test_parameters_without_effect_are_named(mixed_units):
    model = GDRegressor(penalty=None, standardize=True, penalty_factor=FACTORS)
    with pytest.warns(UserWarning, match="(standardize|penalty_factor) has no effect"):
        model.fit(*mixed_units)


def test_models_without_an_equal_are_not_exported(mixed_units):
    model = GDRegressor(alpha=0.1, standardize=True).fit(*mixed_units)
    with pytest.raises(ValueError, match="differs between features"):
        to_sklearn(model)


@pytest.mark.parametrize("dtype", [float, int])
def test_series_are_arrays(dtype, rng):
    X, Y = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    numbers = pd.Series([1, 0, 1], dtype=dtype)
    for name in ("penalty_factor", "monotonic_cst"):
        given = GDRegressor(**{name: numbers}, alpha=0.1).fit(X, Y[:, 0])
        listed = GDRegressor(**{name: [1, 0, 1]}, alpha=0.1).fit(X, Y[:, 0])
        np.testing.assert_array_equal(given.coef_, listed.coef_)
    given = GDRegressor(alpha=pd.Series([1, 2], dtype=dtype)).fit(X, Y)
    listed = GDRegressor(alpha=[1, 2]).fit(X, Y)
    np.testing.assert_array_equal(given.coef_, listed.coef_)


def test_blocks_refuse_standard_deviations_of_balanced_rows(rng):
    X, y = rng.normal(size=(40, 2)), np.arange(40) % 4 == 0
    model = GDClassifier(standardize=True, class_weight="balanced", alpha=0.1)
    with pytest.raises(ValueError, match="Pass the weights of the classes as a dict"):
        model.fit_blocks([(X, y)])
    weights = {False: 40 / 60, True: 40 / 20}
    blocks = model.set_params(class_weight=weights, tol=1e-12).fit_blocks([(X, y)])
    model = GDClassifier(**{**model.get_params(), "class_weight": "balanced"})
    np.testing.assert_allclose(blocks.coef_, model.fit(X, y).coef_, rtol=1e-6)
