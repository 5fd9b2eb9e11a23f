"""GDRegressorCV and GDClassifierCV: the scores of folds and alphas, and the choice."""

import pickle
import warnings
from fractions import Fraction
from functools import partial
from unittest.mock import Mock

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from sklearn.metrics import (
    balanced_accuracy_score,
    get_scorer,
    log_loss,
    make_scorer,
    mean_absolute_error,
    mean_squared_error,
)
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import shuffle
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklgd import (
    GDClassifier,
    GDClassifierCV,
    GDRegressor,
    GDRegressorCV,
    path,
    to_sklearn,
)
from sklgd._tuning.grid import alphas_of_freedom, default_alphas, eigenvalues_of
from sklgd._tuning.models import all_rows
from sklgd._tuning.moments import MomentModels
from sklgd._tuning.newton import NewtonModels
from sklgd._tuning.search import Search
from sklgd.display import PathDisplay

# (Few alphas make short tests; which of them is best does not matter in most.)
pytestmark = pytest.mark.filterwarnings("ignore:The best alpha is:UserWarning")
ALPHAS = [1.0, 0.1, 1e-2, 1e-3]
DIABETES = load_diabetes(return_X_y=True)
IRIS = load_iris(return_X_y=True)


@pytest.mark.exhaustive
@parametrize_with_checks(
    [
        GDRegressorCV(alphas=[1e-4, 1e-2]),
        GDClassifierCV(alphas=[1e-4, 1e-2], max_iter=200),
        GDClassifierCV("squared_error", alphas=3),
    ]
)
def test_the_searches_are_estimators_of_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


# ------------------------------------------------------------- the squared error


def scikit_learns(penalty, alpha, n_rows):
    """The estimator of scikit-learn that minimises the same objective."""
    tight = {"tol": 1e-14, "max_iter": 10**6}
    return {
        "l2": Ridge(alpha=alpha * n_rows),
        "l1": Lasso(alpha=alpha, **tight),
        "elasticnet": ElasticNet(alpha=alpha, l1_ratio=0.15, **tight),
    }[penalty]


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize(
    "cv", [KFold(5), TimeSeriesSplit(3), ShuffleSplit(3, random_state=0)]
)
def test_the_losses_of_least_squares_are_those_of_scikit_learns_fits(penalty, form, cv):
    X, y = DIABETES
    search = GDRegressorCV(penalty=penalty, alphas=ALPHAS, cv=cv, store_path=True)
    search.fit(form(X), y)
    for k, (train, test) in enumerate(cv.split(X)):
        for a, alpha in enumerate(ALPHAS):
            model = scikit_learns(penalty, alpha, len(train)).fit(X[train], y[train])
            loss = 0.5 * ((y[test] - model.predict(X[test])) ** 2).mean()
            assert -search.scores_[k, 0, a] == pytest.approx(loss, rel=1e-9)
            coef = search.coefs_paths_[k, 0, a, 0]
            np.testing.assert_allclose(coef[:-1], model.coef_, rtol=1e-7, atol=1e-7)


@pytest.mark.one_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weights_and_several_targets_are_those_of_ridge(fit_intercept, dtype, rng):
    X = rng.normal(size=(90, 4)).astype(dtype)
    Y = X @ rng.normal(size=(4, 3)) + rng.normal(size=(90, 3)) + 2.0
    w = rng.uniform(0.0, 3.0, 90) * (rng.random(90) > 0.1)
    search = GDRegressorCV(alphas=ALPHAS, fit_intercept=fit_intercept).fit(X, Y, w)
    for k, (train, test) in enumerate(KFold(5).split(X)):
        for a, alpha in enumerate(ALPHAS):
            model = Ridge(alpha * w[train].sum(), fit_intercept=fit_intercept)
            model.fit(X[train].astype(float), Y[train], w[train])
            squares = (Y[test] - model.predict(X[test].astype(float))) ** 2
            loss = 0.5 * np.average(squares.sum(axis=1), weights=w[test])
            assert -search.scores_[k, 0, a] == pytest.approx(loss, rel=1e-9)


def test_raw_columns_and_distant_means_cost_no_digits(rng):
    scale = np.array([1e-3, 1.0, 1e3, 1e5])
    Z = rng.normal(size=(200, 4))
    y = Z.sum(axis=1) + rng.normal(size=200)
    raw = GDRegressorCV(alphas=[1e-20], cv=4).fit(Z * scale + 1e4 * scale, y)
    plain = GDRegressorCV(alphas=[1e-20], cv=4).fit(Z, y)
    np.testing.assert_allclose(raw.scores_, plain.scores_, rtol=1e-7)


def test_a_loss_much_smaller_than_the_targets_keeps_its_digits(rng):
    X = rng.normal(size=(60, 3))
    y = X @ [1.0, -2.0, 3.0] + 1e-7 * rng.normal(size=60)
    search = GDRegressorCV(alphas=[1e-18]).fit(X, y)
    for k, (train, test) in enumerate(KFold(5).split(X)):
        model = Ridge(1e-18).fit(X[train], y[train])
        loss = 0.5 * ((y[test] - model.predict(X[test])) ** 2).mean()
        assert -search.scores_[k, 0, 0] == pytest.approx(loss, rel=1e-5)


def test_a_column_that_is_constant_in_the_training_rows_has_no_coefficient(rng):
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    X[:, 2] = 0.0
    X[3, 2] = 1e3  # a level that occurs once
    search = GDRegressorCV(alphas=[1e-12], store_path=True).fit(X, y)
    assert search.coefs_paths_[0, 0, 0, 0, 2] == 0.0
    assert np.isfinite(search.scores_).all()


def test_one_fold_that_holds_almost_all_the_weight_does_not_cancel(rng):
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    w = np.ones(50)
    w[:10] = 1e9
    search = GDRegressorCV(alphas=[1e-2]).fit(X, y, w)
    model = Ridge(1e-2 * 40).fit(X[10:], y[10:])
    loss = 0.5 * ((y[:10] - model.predict(X[:10])) ** 2).mean()
    assert -search.scores_[0, 0, 0] == pytest.approx(loss, rel=1e-9)


def test_fewer_rows_than_columns_without_a_penalty_take_the_shortest_minimiser(rng):
    X, y = rng.normal(size=(20, 40)), rng.normal(size=20)
    search = GDRegressorCV(alphas=[0.0], cv=4, store_path=True).fit(X, y)
    train = np.arange(5, 20)
    centre, middle = X[train].mean(axis=0), y[train].mean()
    w = np.linalg.pinv(X[train] - centre) @ (y[train] - middle)
    np.testing.assert_allclose(search.coefs_paths_[0, 0, 0, 0, :-1], w, atol=1e-8)


def exact_ridge(X, y, alpha):
    """Coefficients and means of the ridge regression, by rational arithmetic.

    They are those of the shortest minimiser if alpha is zero, and the rows must be
    independent.
    """
    n = len(y)
    X, y = np.vectorize(Fraction)(X), np.vectorize(Fraction)(y)
    mean, middle = X.sum(axis=0) / n, y.sum() / n
    Z = X - mean
    # (The products of centred rows are singular in the direction of ones only.)
    G = (
        Z @ Z.T
        + np.full((n, n), Fraction(1))
        + n * Fraction(alpha) * np.eye(n, dtype=int)
    )
    b = y - middle
    for i in range(n):
        row = G[i] / G[i, i]
        b[i] /= G[i, i]
        G[i] = row
        for k in range(n):
            if k != i:
                b[k] -= G[k, i] * b[i]
                G[k] = G[k] - G[k, i] * row
    return (Z.T @ b).astype(float), mean.astype(float), float(middle)


@pytest.mark.one_case
@pytest.mark.parametrize("alpha", [0.0, 1e-20, 1e-12, 1e-6])
@pytest.mark.parametrize("decades", [0, 3, 6])
def test_fewer_rows_than_columns_are_solved_in_all_units(decades, alpha, rng):
    scale = rng.permutation(10.0 ** np.linspace(-decades, decades, 14))
    X, y = rng.normal(size=(12, 14)) * scale, rng.normal(size=12)
    search = GDRegressorCV(alphas=[alpha], cv=4, refit=False).fit(X, y)
    for k, (train, test) in enumerate(KFold(4).split(X)):
        w, mean, middle = exact_ridge(X[train], y[train], alpha)
        loss = 0.5 * ((y[test] - middle - (X[test] - mean) @ w) ** 2).mean()
        assert -search.scores_[k, 0, 0] == pytest.approx(loss, rel=1e-5)


def test_other_losses_take_no_moments(rng):
    fits = GDRegressorCV("huber", alphas=ALPHAS, tol=1e-12, epsilon=1e3, cv=4)
    X, y = DIABETES
    # Within epsilon the loss of Huber is the squared error.
    moments = GDRegressorCV(alphas=ALPHAS, cv=4).fit(X, y)
    np.testing.assert_allclose(fits.fit(X, y).scores_, moments.scores_, rtol=1e-6)


# ------------------------------------------------------------------ other losses


@pytest.mark.one_case
@pytest.mark.parametrize(
    "search",
    [
        GDRegressorCV("poisson"),
        GDRegressorCV("quantile", penalty="l1"),
        GDRegressorCV("huber", penalty="elasticnet", optimizer="fista"),
        GDClassifierCV(),
        GDClassifierCV("squared_hinge"),
        GDClassifierCV(class_weight="balanced", penalty="l1"),
    ],
    ids=lambda search: f"{search.loss}, {search.penalty}",
)
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_the_losses_are_those_of_a_fit_of_each_fold(search, form):
    X, y = IRIS
    X, tol = form(X), 1e-6
    search = clone(search).set_params(alphas=[1e-1, 1e-3], cv=3, tol=tol)
    search.fit(X, y)
    assert search.scores_.shape == (3, 1, 2)
    splitter = StratifiedKFold(3) if hasattr(search, "classes_") else KFold(3)
    for k, (train, test) in enumerate(splitter.split(X, y)):
        for a, alpha in enumerate([1e-1, 1e-3]):
            model = search._model(alpha, 0.15).set_params(tol=1e-9, max_iter=10**5)
            model.fit(X[train], y[train])
            learnt = np.isin(np.arange(len(y)), train).astype(float)
            target, weights = model._targets_and_weights(y, None, learnt)
            weights = np.ones(len(y)) if weights is None else weights
            z = model._raw_prediction(X[test])
            total = model._make_loss().evaluate(target[test], z, weights[test])[0]
            loss = total / weights[test].sum()
            assert -search.scores_[k, 0, a] == pytest.approx(loss, rel=0.01, abs=1e-4)


@pytest.mark.one_case
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        ("log_loss", {}),
        ("log_loss", {"class_weight": "balanced"}),
        ("log_loss", {"fit_intercept": False}),
        ("poisson", {}),
        ("gamma", {"fit_intercept": False}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value) or "plain",
)
def test_newtons_method_for_all_folds_ends_at_the_minimisers(
    loss, settings, penalty, form, rng
):
    X = rng.normal(size=(150, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 3.0, 0.0, 0.0]
    z = X @ [0.5, -0.05, 4.0, 0.0]
    w = rng.integers(0, 3, 150).astype(float)
    classifies = loss == "log_loss"
    y = (z + rng.normal(size=150) > 0) + (z > 1.0) if classifies else 0.1 + np.exp(z)
    cls = GDClassifierCV if classifies else GDRegressorCV
    cv, alphas = KFold(3), [1e-1, 1e-2, 1e-3]
    search = cls(loss, penalty=penalty, alphas=alphas, cv=cv, tol=1e-11, **settings)
    search.set_params(store_path=True, refit=False).fit(form(X), y, w)
    for k, (train, _) in enumerate(cv.split(X)):
        for a, alpha in enumerate(alphas):
            model = search._model(alpha, 0.15).fit(form(X[train]), y[train], w[train])
            found = search.coefs_paths_[k, 0, a]
            np.testing.assert_allclose(
                found[:, :-1], np.atleast_2d(model.coef_), rtol=2e-3, atol=2e-4
            )
            np.testing.assert_allclose(
                found[:, -1], model.intercept_, rtol=2e-3, atol=2e-3
            )


@pytest.mark.one_case
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize(
    "n_classes", [pytest.param(2, marks=pytest.mark.exhaustive), 3]
)
def test_lbfgs_for_all_folds_ends_at_the_minimisers(n_classes, form, rng):
    dense = rng.normal(size=(120, 1600)) * (rng.random((120, 1600)) < 0.05)
    dense[:, :5] = 0.0  # columns without an entry
    z = dense[:, 5:105].sum(axis=1)
    y, w = (z > 0.0) + (n_classes > 2) * (z > 1.0), rng.uniform(0.5, 2.0, 120)
    cv, alphas = KFold(3), [1e-1, 1e-2]
    search = GDClassifierCV(alphas=alphas, cv=cv, tol=1e-9, store_path=True)
    search.fit(form(dense), y, w)
    for k, (train, _) in enumerate(cv.split(dense)):
        for a, alpha in enumerate(alphas):
            model = GDClassifier(alpha=alpha, tol=1e-11)
            model.fit(form(dense[train]), y[train], w[train])
            found = search.coefs_paths_[k, 0, a, :, :-1]
            np.testing.assert_allclose(found, model.coef_, atol=1e-3)
    assert not search.coefs_paths_[..., :5].any()


@pytest.mark.exhaustive
def test_the_gaps_of_lbfgs_for_all_folds_are_within_the_tolerance(rng):
    X = sp.random_array((300, 2000), density=0.02, rng=rng, format="csr")
    sign = np.where(X @ rng.normal(size=2000) + 0.3 * rng.normal(size=300) > 0, 1, -1)
    cv, alphas = KFold(3), [1e-2, 1e-3, 1e-4, 1e-5]

    def objectives(tol):
        search = GDClassifierCV(alphas=alphas, cv=cv, tol=tol, store_path=True)
        search.set_params(refit=False).fit(X, sign)
        values = np.empty((3, 4))
        for k, (train, _) in enumerate(cv.split(X)):
            for a, alpha in enumerate(alphas):
                w = search.coefs_paths_[k, 0, a, 0]
                z = X[train] @ w[:-1] + w[-1]
                loss = np.logaddexp(0.0, -sign[train] * z).mean()
                values[k, a] = loss + 0.5 * alpha * (w[:-1] @ w[:-1])
        return values

    best = objectives(1e-8)
    excess = objectives(1e-4) - best
    assert (excess <= 1e-4 * (np.log(2.0) - best)).all()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_separable_classes_are_searched(n_classes, rng):
    X = np.concatenate([rng.normal(size=(40, 2)) + 8.0 * k for k in range(n_classes)])
    y = np.repeat(np.arange(n_classes), 40)
    search = GDClassifierCV(cv=4, alphas=[1e-1, 1e-3, 1e-6, 1e-9]).fit(X, y)
    assert np.isfinite(search.scores_).all()
    assert search.score(X, y) == 1.0
    losses = -search.cv_results_["mean_test_score"]
    assert losses[-1] < 0.01 < losses[0]


@pytest.mark.exhaustive
def test_a_rule_of_descent_can_be_searched(rng):
    X, y = IRIS
    search = GDClassifierCV(optimizer="adam", alphas=[1e-1, 1e-3], random_state=0)
    search.fit(X, y)
    assert search.score(X, y) > 0.9
    assert search.alpha_ == 1e-3


def test_a_class_that_training_rows_lack_has_a_probability():
    X, y = IRIS
    order = np.argsort(y, kind="stable")
    search = GDClassifierCV(alphas=[1e-2], cv=KFold(3), scoring="neg_log_loss")
    with pytest.raises(ValueError, match="scoring='neg_log_loss' failed"):
        search.fit(X[order], y[order])  # scikit-learn's needs labels
    search.set_params(scoring=None).fit(X[order], y[order])
    assert np.isfinite(search.scores_).all()
    assert list(search.classes_) == [0, 1, 2]


def test_balanced_weights_are_those_of_the_training_rows(rng):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    cv = KFold(3)
    search = GDClassifierCV(class_weight="balanced", alphas=[1e-2], cv=cv, tol=1e-8)
    search.set_params(scoring="accuracy").fit(X, y)
    plain = GDClassifier(class_weight="balanced", alpha=1e-2, tol=1e-8)
    expected = cross_val_score(plain, X, y, cv=cv)
    np.testing.assert_allclose(search.scores_[:, 0, 0], expected, atol=1e-12)


# ------------------------------------------------------------- the default alphas


@pytest.mark.parametrize("n_alphas", [1, 2, 3, 5, 12, 40])
def test_default_alphas_decrease_and_spread_the_degrees_of_freedom(n_alphas):
    e = np.geomspace(1e4, 1e-6, 20)
    alphas = alphas_of_freedom(e, n_alphas)
    assert len(alphas) == n_alphas
    assert (np.diff(alphas) < 0.0).all()
    df = (e / (e + alphas[:, None])).sum(axis=1)
    if n_alphas == 12:
        np.testing.assert_allclose(np.diff(df[:8]), 19.3 / 7, atol=0.1)
        np.testing.assert_allclose(20 - df[8:], [0.1, 0.03, 0.01, 0.001], rtol=1e-6)


def test_the_unit_of_a_column_does_not_change_the_choice(rng):
    X, y = DIABETES
    plain = GDRegressorCV().fit(X, y)
    scaled = GDRegressorCV().fit(1000.0 * X, y)
    assert scaled.alpha_ == pytest.approx(1e6 * plain.alpha_, rel=1e-6)


@pytest.mark.one_case
@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
def test_the_largest_alpha_of_l1_is_the_smallest_that_makes_all_zero(loss):
    X, y = DIABETES
    search = GDRegressorCV(loss, penalty="l1", alphas=4, epsilon=10.0, cv=3).fit(X, y)
    largest = search.alphas_[0].max()
    zero = GDRegressor(loss, penalty="l1", alpha=1.01 * largest, epsilon=10.0)
    some = GDRegressor(loss, penalty="l1", alpha=0.9 * largest, epsilon=10.0)
    assert not zero.fit(X, y).coef_.any()
    assert some.set_params(tol=1e-6).fit(X, y).coef_.any()


@pytest.mark.one_case
@pytest.mark.parametrize("decades", [5.0, 8.0])
@pytest.mark.parametrize(
    ("search", "best"),
    [
        (GDRegressorCV(), "squared_error"),
        (GDRegressorCV(penalty="l1"), "squared_error"),
        (GDRegressorCV(penalty="elasticnet", l1_ratio=0.5), "squared_error"),
        (GDRegressorCV("poisson"), "poisson"),
        (GDClassifierCV(), "log_loss"),
        (GDClassifierCV(penalty="l1"), "log_loss"),
    ],
)
def test_relevant_columns_in_any_units_are_within_the_default_grid(
    search, best, decades, rng
):
    X = rng.normal(size=(300, 5))
    z = X @ [0.4, 0.8, 0.2, -0.4, 0.1]
    y = {
        "squared_error": z + rng.normal(size=300),
        "poisson": rng.poisson(np.exp(z)),
        "log_loss": z + 0.2 * rng.normal(size=300) > 0.0,
    }[best]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alike = clone(search).fit(X, y).best_score_
        X *= 10.0 ** np.linspace(-decades, decades, 5)
        unlike = clone(search).fit(X, y).best_score_
    assert abs(unlike - alike) < 0.01 * abs(alike)


@pytest.mark.parametrize("decades", [0.0, 4.0, 9.0])
def test_eigenvalues_of_columns_in_any_units_have_the_determinant(decades, rng):
    X = rng.normal(size=(50, 6))
    size = 10.0 ** np.linspace(-decades, decades, 6)
    covariance = np.cov(X.T)
    e = eigenvalues_of(covariance * np.outer(size, size))
    assert (np.diff(e) <= 0.0).all()
    expected = np.linalg.slogdet(covariance)[1] + 2.0 * np.log(size).sum()
    np.testing.assert_allclose(np.log(e).sum(), expected, rtol=1e-9)
    X[:, 5] = X[:, 0] + X[:, 1]
    assert len(eigenvalues_of(np.cov(X.T) * np.outer(size, size))) == 5


@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("cv", [KFold(3), ShuffleSplit(3, random_state=0)])
def test_standardised_penalties_of_least_squares_have_the_moments_of_each_fold(
    penalty, cv, rng
):
    X = rng.normal(size=(90, 4)) * [1.0, 1e3, 1e-3, 5.0]
    y = X @ [1.0, 1e-3, 1e3, 0.0] + rng.normal(size=90)
    search = GDRegressorCV(
        penalty=penalty, l1_ratio=0.5, standardize=True, alphas=[1.0, 0.1], cv=cv
    ).fit(X, y)
    for k, (train, test) in enumerate(cv.split(X)):
        for a, alpha in enumerate(search.alphas_[0]):
            model = Ridge(alpha=alpha * len(train))
            if penalty == "elasticnet":
                model = ElasticNet(alpha=alpha, l1_ratio=0.5, tol=1e-14, max_iter=10**5)
            model = make_pipeline(StandardScaler(), model).fit(X[train], y[train])
            loss = 0.5 * mean_squared_error(y[test], model.predict(X[test]))
            np.testing.assert_allclose(search.scores_[k, 0, a], -loss, rtol=1e-8)


def test_scores_of_one_fold_extend_and_refine_the_grid(rng):
    X = rng.normal(size=(80, 5))
    y = X @ np.arange(5.0) + 0.01 * rng.normal(size=80)
    fold = [(np.arange(60), np.arange(60, 80))]
    with pytest.warns(UserWarning, match="best alpha is the smallest one"):
        GDRegressorCV(alphas=[100.0, 10.0], cv=fold).fit(X, y)
    assert GDRegressorCV(alphas=2, cv=fold).fit(X, y).alphas_.size > 2
    with pytest.raises(ValueError, match="select='1se' needs the standard error"):
        GDRegressorCV(cv=fold, select="1se").fit(X, y)


def test_wide_sparse_rows_have_a_default_grid(rng):
    X = sp.random_array((3100, 3200), density=0.002, rng=rng, format="csr")
    y = (X @ rng.normal(size=3200) > 0.0).astype(int)
    search = GDClassifierCV(alphas=4, cv=2, tol=1e-2).fit(X, y)
    assert search.score(X, y) > 0.7


@pytest.mark.one_case
@pytest.mark.parametrize("n_features", [3, 100])
@pytest.mark.parametrize(
    "search",
    [GDRegressorCV(), GDRegressorCV("huber"), GDRegressorCV(penalty="l1")],
)
def test_features_without_a_penalty_leave_nothing_to_choose(search, n_features, rng):
    X, y = rng.normal(size=(60, n_features)), rng.normal(size=60)
    search = clone(search).set_params(penalty_factor=np.zeros(n_features), alphas=3)
    search.fit(X, y)
    assert np.ptp(search.cv_results_["mean_test_score"]) < 1e-3 * abs(
        search.best_score_
    )


@pytest.mark.parametrize(("n_rows", "by_freedom"), [(60, True), (900, False)])
def test_eigenvalues_of_text_are_computed_where_they_are_cheap(n_rows, by_freedom, rng):
    X = sp.random_array((n_rows, 3100), density=0.002, rng=rng, format="csr")
    y = X @ rng.normal(size=3100)
    model = GDRegressor()
    data = all_rows(model, *model._begin(X, y), None)
    steps = np.diff(np.log(default_alphas(data, model._penalty(1.0), 5)))
    assert (np.ptp(steps) > 0.1) == by_freedom


def test_a_best_alpha_at_the_end_of_given_alphas_is_warned_of(rng):
    X, y = DIABETES
    with pytest.warns(UserWarning, match="best alpha is the smallest one, and smaller"):
        GDRegressorCV(alphas=[1.0, 1e-1]).fit(X, y)
    noise = rng.normal(size=len(y))
    with pytest.warns(UserWarning, match="best alpha is the largest one, and larger"):
        GDRegressorCV(alphas=[1e-3, 1e-4]).fit(X, noise)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GDRegressorCV(alphas=[1e-9, 1e-12, 1e-3]).fit(X, y)


def test_no_alpha_is_smaller_than_zero(rng):
    X = rng.normal(size=(50, 3))
    search = GDRegressorCV(alphas=[1.0, 0.1, 0.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(X, X @ [1.0, 2.0, 3.0])
    assert search.alpha_ == 0.0


@pytest.mark.exhaustive
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_default_alphas_of_l1_end_where_all_coefficients_are_zero(loss, rng):
    X, y = rng.normal(size=(60, 5)), rng.normal(size=60)
    search = GDRegressorCV(loss, penalty="l1", alphas=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(X, y)
    assert search.alpha_ == search.alphas_.max()
    largest = path(GDRegressor(loss, penalty="l1"), X, y, alphas=4).alphas[0]
    np.testing.assert_allclose(search.alpha_, largest, rtol=1e-12)


@pytest.mark.one_case
@pytest.mark.parametrize("n_classes", [2, 3])
def test_alphas_are_added_beside_a_best_one_that_has_none_near(n_classes, rng):
    centres = np.arange(n_classes)[:, None] * [float(n_classes), 0.0, 0.0]
    X = np.concatenate([rng.normal(size=(30, 3)) + centre for centre in centres])
    y, w = np.repeat(np.arange(n_classes), 30), rng.integers(0, 3, 30 * n_classes)
    search = GDClassifierCV(alphas=4, cv=3, tol=1e-8, store_path=True).fit(X, y, w)
    (alphas,), means = search.alphas_, search.cv_results_["mean_test_score"]
    assert len(alphas) > 4
    assert (np.diff(alphas) < 0.0).all()
    best = search.best_index_
    assert means[best] == means.max()
    # The added models are those of a search with these alphas alone.
    alone = GDClassifierCV(alphas=alphas, cv=3, tol=1e-10, store_path=True)
    alone.fit(X, y, w)
    np.testing.assert_allclose(search.scores_, alone.scores_, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("gap", [2.0, 10.0, 300.0, 1e5])
def test_the_next_alphas_are_near_the_best_one(gap):
    class Parabola:
        """Models whose score is best at alpha=1; that of fold k differs by k."""

        def begin(self, l1_ratio):
            pass

        def advance(self, alpha):
            self.score = -(np.log(alpha) ** 2)

    models, listener = Parabola(), Mock(after=Mock(return_value=False))
    weights = np.ones(2)
    search = Search(models, lambda k: models.score + k, weights, False, listener)
    grid = 0.7 * gap ** np.arange(3.0, -4.0, -1.0)
    search.run([0.0], lambda ratio: grid, True, lambda ratio: False)
    (alphas,), scores = search.grids()
    best = scores.mean(axis=0)[0].argmax()
    assert (np.diff(alphas) < 0.0).all()
    assert abs(np.log(alphas[best])) <= 0.5 * np.log(10.0**0.5) or gap < 3.0
    near = alphas[best - 1 : best + 1] / alphas[best : best + 2]
    assert near.max() <= 10.0**0.5
    assert (len(alphas) == len(grid)) == (gap < 3.0)


def test_models_of_added_alphas_do_not_start_at_those_of_other_folds(rng, monkeypatch):
    # (Those have learnt from the rows that a fold holds out.)
    starts, begin = [], NewtonModels.begin

    def watched(models, *args):
        begin(models, *args)
        starts.append(max(np.abs(unit.u[:-1]).max() for unit in models.units))

    monkeypatch.setattr(NewtonModels, "begin", watched)
    X = sp.random_array((150, 1700), density=0.03, rng=rng, format="csr")
    y = (X @ rng.normal(size=1700) + rng.normal(size=150) > 0.0).astype(int)
    search = GDClassifierCV(alphas=4, cv=3, refit=False).fit(X, y)
    assert search.alphas_.shape[1] > 4
    assert len(starts) > 1
    assert max(starts) == 0.0


@pytest.mark.parametrize("search", [GDRegressorCV(alphas=3), GDClassifierCV(alphas=3)])
def test_columns_too_small_for_any_alpha_are_warned_of(search):
    X, y = shuffle(*IRIS, random_state=0)
    X = X * [1.0, 1.0, 1e-200, 1.0]
    with pytest.warns(UserWarning, match="first of them column 2. Scale them"):
        search.fit(X, y)
    assert search.score(X, y) > 0.8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X = X * [1.0, 1.0, 0.0, 1e-100]
        search.fit(X, y)


def test_a_default_grid_is_extended_where_the_best_alpha_is_at_its_end(rng):
    X = rng.normal(size=(80, 30)) * np.geomspace(1.0, 1e-4, 30)
    y = X @ np.geomspace(1.0, 1e4, 30) + 1e-3 * rng.normal(size=80)
    search = GDRegressorCV(penalty="l1", alphas=4).fit(X, y)
    assert search.alphas_.shape[1] > 4
    assert search.alphas_[0, -1] < 1e-3 * search.alphas_[0, 0]


# --------------------------------------------------------------------- the choice


def test_of_equal_scores_the_largest_alpha_is_taken():
    X, y = IRIS
    search = GDClassifierCV(scoring="accuracy", alphas=[1e-6, 1e-5, 1e-4])
    search.fit(X[y < 2], y[y < 2])
    assert (search.scores_ == 1.0).all()
    assert search.alpha_ == 1e-4


def test_1se_takes_the_largest_alpha_within_a_standard_error():
    X, y = DIABETES
    best = GDRegressorCV().fit(X, y)
    search = GDRegressorCV(select="1se").fit(X, y)
    results = search.cv_results_
    limit = (
        results["mean_test_score"].max() - results["se_test_score"][best.best_index_]
    )
    good = results["param_alpha"][results["mean_test_score"] >= limit]
    assert search.alpha_ == good.max() > best.alpha_


def test_a_function_selects_a_candidate():
    X, y = DIABETES
    search = GDRegressorCV(alphas=ALPHAS, select=lambda results: 1).fit(X, y)
    assert search.alpha_ == 0.1
    with pytest.raises(ValueError, match="select must return an index of the 4"):
        GDRegressorCV(alphas=ALPHAS, select=lambda results: 7).fit(X, y)


def test_several_shares_of_l1_are_searched():
    X, y = DIABETES
    search = GDRegressorCV(penalty="elasticnet", l1_ratio=[0.1, 0.9], alphas=5)
    search.fit(X, y)
    assert search.scores_.shape == (5, 2, 5)
    assert search.alphas_.shape == (2, 5)
    assert search.l1_ratio_ in (0.1, 0.9)
    best = search.cv_results_["mean_test_score"].argmax()
    assert search.cv_results_["params"][best] == {
        "alpha": search.alpha_,
        "l1_ratio": search.l1_ratio_,
    }


def test_shares_of_l1_that_are_repeated_count_once():
    search = GDRegressorCV(
        penalty="elasticnet", l1_ratio=[0.5, 0.1, 0.5], alphas=3, store_path=True
    ).fit(*DIABETES)
    assert search.scores_.shape == (5, 2, 3)


@pytest.mark.exhaustive
def test_a_share_of_l1_of_zero_does_not_make_the_others_smooth(rng):
    X = sp.random_array((60, 1600), density=0.02, rng=rng, format="csr")
    y = np.arange(60) % 2
    search = GDClassifierCV(
        penalty="elasticnet", l1_ratio=[0.0, 0.9], alphas=[1e-2, 1e-3], cv=3,
        tol=1e-8, store_path=True,
    )  # fmt: skip
    both = clone(search).fit(X, y)
    last = clone(search).set_params(l1_ratio=0.9).fit(X, y)
    np.testing.assert_allclose(both.scores_[:, 1:], last.scores_, rtol=1e-5)


def test_a_score_that_a_fold_does_not_define_leaves_out_that_fold(rng):
    X, y = rng.normal(size=(60, 3)), np.repeat([0, 1], 30)
    y[:10] = [0, 1] * 5
    cv = [(np.arange(20, 60), np.arange(20)), (np.arange(0, 50), np.arange(50, 60))]
    search = GDClassifierCV(scoring="roc_auc", alphas=[1e-2, 1e-3], cv=cv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
    assert np.isnan(search.scores_[1]).all()
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], search.scores_[0, 0]
    )


@pytest.mark.parametrize("scoring", ["r2", mean_absolute_error, "loss"])
def test_scores_are_those_of_the_scorer(scoring):
    X, y = DIABETES
    given = make_scorer(scoring) if callable(scoring) else scoring
    search = GDRegressorCV(alphas=[1e-2], scoring=given).fit(X, y)
    plain = GDRegressor(alpha=1e-2, tol=1e-12)
    name = "neg_mean_squared_error" if scoring == "loss" else given
    expected = cross_val_score(plain, X, y, scoring=name)
    unit = 2.0 if scoring == "loss" else 1.0
    np.testing.assert_allclose(search.scores_[:, 0, 0], expected / unit, rtol=1e-8)


def test_folds_count_by_their_weight(rng):
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    w = np.ones(30)
    w[:6] = 5.0
    search = GDRegressorCV(alphas=[1e-2]).fit(X, y, w)
    mean = np.average(search.scores_[:, 0, 0], weights=[30, 6, 6, 6, 6])
    assert search.best_score_ == pytest.approx(mean, rel=1e-12)


# --------------------------------------------------------------- as an estimator


REFITTED = [
    GDRegressorCV(),
    GDRegressorCV(penalty="l1", alphas=5),
    GDRegressorCV("poisson", alphas=3, fit_intercept=False),
    GDRegressorCV("huber", alphas=2),
    GDClassifierCV(alphas=3),
    GDClassifierCV(penalty="l1", alphas=[1e-2, 1e-3], class_weight="balanced"),
]


@pytest.mark.one_case
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("search", REFITTED, ids=lambda s: f"{s.loss}, {s.penalty}")
def test_the_refitted_model_is_a_fit_that_has_reached_the_tolerance(search, form, rng):
    X, y = IRIS
    X = np.column_stack([X, np.zeros(len(y))])  # (an empty column)
    w = rng.integers(0, 3, len(y)).astype(float)
    search = clone(search).fit(form(X), y, w)
    model = search.estimator_
    plain = search._model(search.alpha_, 0.15).fit(form(X), y, w)
    tight = clone(plain).set_params(tol=1e-12, max_iter=10**5).fit(form(X), y, w)
    constant = clone(plain).set_params(penalty="l1", alpha=1e6).fit(form(X), y, w)
    best, range_ = tight.loss_curve_[-1], constant.loss_curve_[-1]
    gap = (search.loss_curve_[-1] - best) / (range_ - best)
    assert -1e-9 < gap <= search.tol
    assert gap <= 3.0 * search.optimality_gap_ + 1e-9
    assert search.optimality_gap_ <= search.tol
    assert search.stop_reason_ == "converged"
    assert len(search.loss_curve_) == search.n_iter_ == model.n_iter_
    assert search.diagnosis_ is None
    assert vars(model).keys() == vars(plain).keys()
    assert model.coef_.shape == plain.coef_.shape
    assert search.predict(form(X)).shape == plain.predict(form(X)).shape
    assert not model.coef_[..., -1].any()
    if search.penalty == "l1":
        np.testing.assert_array_equal(model.coef_ == 0.0, tight.coef_ == 0.0)


def test_a_refit_starts_where_the_search_has_ended(rng):
    X = sp.random_array((200, 1600), density=0.02, rng=rng, format="csr")
    y = (X @ rng.normal(size=1600) > 0.0).astype(int)
    search = GDClassifierCV(alphas=[1e-2, 1e-3], cv=4).fit(X, y)
    plain = GDClassifier(alpha=search.alpha_).fit(X, y)
    assert search.n_iter_ <= plain.n_iter_ / 2


def test_rules_of_descent_are_refitted_as_fit_does():
    search = GDClassifierCV(
        optimizer="adam", alphas=[1e-2, 1e-3], cv=2, tol=1e-2, random_state=0
    )
    search.fit(*IRIS)
    plain = search._model(search.alpha_, 0.15).fit(*IRIS)
    np.testing.assert_array_equal(search.coef_, plain.coef_)
    np.testing.assert_array_equal(search.loss_curve_, plain.loss_curve_)


def test_least_squares_that_start_at_the_minimiser_end_after_one_step():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    first = GDRegressor().fit(X, y)
    again = clone(first).fit(
        X, y, coef_init=first.coef_, intercept_init=first.intercept_
    )
    assert again.t_ <= first.t_
    assert again.optimality_gap_ <= 1e-12


def test_without_a_refit_there_are_scores_only():
    search = GDRegressorCV(alphas=ALPHAS, refit=False).fit(*DIABETES)
    assert search.alpha_ in ALPHAS
    with pytest.raises(NotFittedError, match="refit=False: it has scores, but no"):
        search.predict(DIABETES[0])
    with pytest.raises(NotFittedError):
        GDRegressorCV().predict(DIABETES[0])


def test_a_second_fit_leaves_nothing_of_the_first():
    search = GDRegressorCV(alphas=ALPHAS, store_path=True).fit(*DIABETES)
    search.set_params(refit=False, store_path=False).fit(*DIABETES)
    assert not hasattr(search, "coef_")
    assert not hasattr(search, "coefs_paths_")


def test_a_failed_fit_leaves_the_search_as_it_was():
    search = GDRegressorCV(alphas=ALPHAS).fit(*DIABETES)
    alpha = search.alpha_
    with pytest.raises(ValueError, match="select must be"):
        search.set_params(select="beste").fit(*DIABETES)
    assert search.alpha_ == alpha
    search.predict(DIABETES[0])


@pytest.mark.exhaustive
def test_a_search_is_the_last_step_of_a_pipeline_and_part_of_a_search():
    X, y = IRIS
    pipeline = make_pipeline(StandardScaler(), GDClassifierCV(alphas=[1e-1, 1e-3]))
    outer = GridSearchCV(pipeline, {"gdclassifiercv__penalty": ["l1", "l2"]}, cv=3)
    assert outer.fit(X, y).best_score_ > 0.9
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.9
    plain = to_sklearn(pipeline.fit(X, y))
    assert type(plain[-1]).__name__ == "LogisticRegression"
    np.testing.assert_array_equal(plain.predict(X), pipeline.predict(X))
    assert type(pipeline[-1].to_sklearn()).__name__ == "LogisticRegression"


def test_a_search_is_pickled_and_cloned():
    X, y = IRIS
    search = GDClassifierCV(alphas=[1e-1, 1e-3]).fit(X, y)
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
    assert again.cv_results_.keys() == search.cv_results_.keys()
    assert not hasattr(clone(search), "coef_")


def test_names_of_features_are_those_of_the_frame():
    pandas = pytest.importorskip("pandas")
    X, y = DIABETES
    frame = pandas.DataFrame(X, columns=[f"x{j}" for j in range(10)])
    search = GDRegressorCV(alphas=ALPHAS).fit(frame, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.predict(frame)
    assert list(search.feature_names_in_) == list(frame.columns)


def test_groups_reach_the_splitter():
    X, y = DIABETES
    groups = np.arange(len(y)) % 7
    search = GDRegressorCV(alphas=ALPHAS, cv=LeaveOneGroupOut())
    assert search.fit(X, y, groups=groups).n_splits_ == 7
    with pytest.raises(ValueError, match="groups"):
        search.fit(X, y)
    with pytest.raises(TypeError, match="enable_metadata_routing"):
        search.fit(X, y, price=groups)


def test_the_splitter_alone_asks_for_groups():
    X, y = DIABETES
    groups = np.arange(len(y)) % 7
    search = GDRegressorCV(alphas=[1e-2], cv=GroupKFold(3))
    expected = clone(search).fit(X, y, groups=groups).scores_
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(with_std=False), search)
        pipeline.fit(X, y, groups=groups)
    np.testing.assert_allclose(pipeline[-1].scores_, expected)


def test_metadata_are_routed(rng):
    X, y = DIABETES
    groups, w = np.arange(len(y)) % 7, rng.uniform(0.5, 2.0, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("neg_mean_squared_error")
        weighted = scorer.set_score_request(sample_weight=True)
        search = GDRegressorCV(alphas=ALPHAS, cv=GroupKFold(3), scoring=weighted)
        search.fit(X, y, sample_weight=w, groups=groups)
        # Without routing, a scorer gets the weights, too.
    plain = GDRegressorCV(alphas=ALPHAS, cv=GroupKFold(3))
    plain.set_params(scoring="neg_mean_squared_error")
    plain.fit(X, y, sample_weight=w, groups=groups)
    np.testing.assert_array_equal(search.scores_, plain.scores_)


@pytest.mark.one_case
@pytest.mark.parametrize("n_jobs", [2, -1])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_the_number_of_threads_changes_no_bit(loss, n_jobs, rng):
    X = rng.normal(size=(3000, 8))
    y = rng.poisson(np.exp(0.3 * X[:, 0]))
    search = GDRegressorCV(loss, alphas=3)
    one = clone(search).fit(X, y)
    more = clone(search).set_params(n_jobs=n_jobs).fit(X, y)
    np.testing.assert_array_equal(one.scores_, more.scores_)
    np.testing.assert_array_equal(one.coef_, more.coef_)


def test_folds_may_overlap_and_repeat():
    X, y = DIABETES
    cv = RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)
    search = GDRegressorCV(alphas=[1e-2], cv=cv).fit(X, y)
    for k, (train, test) in enumerate(cv.split(X)):
        model = Ridge(1e-2 * len(train)).fit(X[train], y[train])
        loss = 0.5 * ((y[test] - model.predict(X[test])) ** 2).mean()
        assert -search.scores_[k, 0, 0] == pytest.approx(loss, rel=1e-9)


@pytest.mark.one_case
@pytest.mark.parametrize("loss", ["squared_error", "squared_hinge", "hinge"])
def test_folds_may_be_masks_and_negative_numbers_in_any_order(loss, rng):
    X, y = IRIS
    X, y = X[y < 2], y[y < 2]
    numbers = list(StratifiedKFold(3).split(X, y))
    masks = [[np.isin(np.arange(100), rows) for rows in fold] for fold in numbers]
    search = GDClassifierCV(loss, alphas=[1e-1, 1e-2])
    expected = clone(search).set_params(cv=numbers).fit(X, y).scores_
    for cv in (
        masks,
        [(train - 100, rng.permutation(test) - 100) for train, test in numbers],
        [(train.tolist(), test.astype(np.uint8)) for train, test in numbers],
    ):
        scores = clone(search).set_params(cv=cv).fit(X, y).scores_
        np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
def test_a_training_row_that_is_repeated_counts_as_often(loss, rng):
    X, y = DIABETES
    train, test = rng.integers(0, 300, 300), np.arange(300, 442)
    cv = [(train, test), (np.arange(200), test)]
    params = {"loss": loss, "tol": 1e-8, "max_iter": 20_000}
    search = GDRegressorCV(alphas=[1e-3], cv=cv, **params, scoring="r2").fit(X, y)
    model = GDRegressor(alpha=1e-3, **params).fit(X[train], y[train])
    score = get_scorer("r2")(model, X[test], y[test])
    assert search.scores_[0, 0, 0] == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([(np.arange(5), np.array([5, 442]))], "row numbers below"),
        ([(np.array([-443, 1]), np.arange(5))], "row numbers below"),
        ([(np.arange(5.0), np.arange(5, 9))], "row numbers below"),
        ([(np.ones(5, dtype=bool), np.arange(5, 9))], "boolean masks of that length"),
        ([([], np.arange(5, 9))], "no rows with a weight to learn from"),
        ([(1, 2)], "row numbers below"),
        ([], "gives no folds"),
    ],
)
def test_folds_that_make_no_sense_are_refused(loss, cv, message):
    with pytest.raises(ValueError, match=message):
        GDRegressorCV(loss, alphas=[1.0], cv=cv).fit(*DIABETES)


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
@pytest.mark.parametrize("n_targets", [None, 2])
def test_folds_of_sorted_rows_are_warned_of(n_targets, scale, rng):
    X = rng.standard_normal((200, 3))
    y = X[:, 0] + rng.standard_normal(200)
    order = np.argsort(y)
    X, y = X[order], y[order]
    share = r_squared_of_folds(y)
    if n_targets:
        y = np.column_stack([rng.standard_normal(200), y])
    with pytest.warns(UserWarning, match=f"order: {share:.0%} of the variance of y"):
        GDRegressorCV(alphas=[1.0, 0.1]).fit(X * scale, y * scale)


def r_squared_of_folds(y):
    """Share of the variance of y that a mean for each fold explains."""
    folds = np.repeat(np.arange(5), len(y) // 5)
    means = OneHotEncoder().fit_transform(folds[:, None])
    return LinearRegression(fit_intercept=False).fit(means, y).score(means, y)


@pytest.mark.parametrize("kind", ["random", "constant", "shuffled", "classes"])
def test_folds_of_other_rows_are_not_warned_of(kind, rng):
    X = rng.standard_normal((200, 3))
    y = X[:, 0] + rng.standard_normal(200)
    search = GDRegressorCV(alphas=[1e9, 0.1])
    if kind == "constant":
        y = np.full(200, 3.0)
    elif kind == "shuffled":
        order = np.argsort(y)
        X, y = X[order], y[order]
        search.set_params(cv=KFold(5, shuffle=True, random_state=0))
    elif kind == "classes":
        y, search = np.sort(y) > 0.0, GDClassifierCV(alphas=[1.0, 0.1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
    assert not [w for w in caught if "random order" in str(w.message)]


def test_an_iterator_of_folds_serves_one_fit():
    X, y = DIABETES
    search = GDRegressorCV(alphas=[1.0], cv=KFold(3).split(X)).fit(X, y)
    assert search.n_splits_ == 3
    with pytest.raises(ValueError, match="An iterator gives its folds only once"):
        search.fit(X, y)


@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_error"])
def test_a_fold_that_learns_from_one_class_is_refused(loss):
    X, y = IRIS
    with pytest.raises(
        ValueError,
        match=r"^cv: the training rows of fold 0 are all of one class, 1\. Use a str",
    ):
        GDClassifierCV(loss, cv=KFold(2)).fit(X[:100], y[:100])


def test_targets_of_one_class_are_refused_as_by_the_plain_estimator():
    X, y = IRIS
    messages = set()
    path_of = partial(path, GDClassifier())
    for fit in (GDClassifier().fit, GDClassifierCV().fit, path_of):
        with pytest.raises(ValueError, match="at least 2 classes, but the data") as e:
            fit(X[:50], y[:50])
        messages.add(str(e.value))
    assert len(messages) == 1


def test_a_scorer_that_is_not_defined_on_any_fold_is_refused():
    def score(model, X, y):
        return np.nan

    with pytest.raises(ValueError, match="must give a number for at least one fold"):
        GDRegressorCV(alphas=[1.0], scoring=score).fit(*DIABETES)


@pytest.mark.parametrize("search", [GDRegressorCV("gamma"), GDClassifierCV()])
def test_models_without_coefficients_have_converged(search):
    X, y = IRIS
    y = y % 2 + 1
    search.set_params(penalty="l1", alphas=[1e3, 10.0], store_path=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        search.fit(X, y)
    assert not search.coefs_paths_[..., :-1].any()


def test_fits_that_do_not_converge_are_counted_once():
    X, y = IRIS
    search = GDClassifierCV(alphas=[1e-2, 1e-4], max_iter=1, optimizer="lbfgs")
    with pytest.warns(ConvergenceWarning) as caught:
        search.fit(X, y)
    texts = [str(warning.message) for warning in caught]
    assert sum("Fits of the search did not converge: 10 of 10" in t for t in texts) == 1


def test_each_candidate_is_a_line_of_the_log(caplog):
    with caplog.at_level("INFO", logger="sklgd"):
        GDRegressorCV(alphas=ALPHAS, verbose=1).fit(*DIABETES)
    lines = [record.message for record in caplog.records]
    assert len(lines) == 5
    assert lines[0].startswith("alpha 1, l1_ratio 0.15: score -")


def test_a_callback_ends_the_search():
    callbacks = pytest.importorskip("sklearn.callback")
    assert callbacks is not None

    class Two:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            return context.task_name == "alpha" and context.task_id == 1

    search = GDRegressorCV(alphas=ALPHAS).set_callbacks(Two())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(*DIABETES)
    assert search.alphas_.tolist() == [[1.0, 0.1]]
    assert search.alpha_ == 0.1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alphas": 0}, "alphas"),
        ({"alphas": []}, "alphas must be a number of alphas"),
        ({"alphas": [-1.0]}, "alphas must be a number of alphas"),
        ({"alphas": True}, "alphas must be a number of alphas"),
        ({"alphas": [[1.0, 2.0]]}, "a one-dimensional array of finite alphas"),
        ({"alphas": ["1.0"]}, "alphas must be a number of alphas"),
        ({"alphas": np.array(["1.0"])}, "alphas must be a number of alphas"),
        ({"alphas": [1.0, True]}, "alphas must be a number of alphas"),
        ({"alphas": [True]}, "alphas must be a number of alphas"),
        ({"select": lambda results: True}, "select must return an index of the"),
        ({"alphas": "many"}, "alphas must be a number of alphas"),
        ({"alphas": [np.nan]}, "alphas must be a number of alphas"),
        ({"penalty": None}, "penalty=None has no strength to choose"),
        ({"penalty": "ridge"}, "penalty"),
        ({"l1_ratio": [0.1, 0.5]}, "several shares of l1 need penalty='elasticnet'"),
        ({"l1_ratio": []}, "Give at least one"),
        ({"l1_ratio": 2.0}, "l1_ratio"),
        ({"select": "1SE"}, "Did you mean '1se'"),
        ({"scoring": "accurracy"}, "Did you mean 'accuracy'"),
        ({"cv": 1}, "k-fold"),
        ({"loss": "squared"}, "loss"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        GDRegressorCV(**params).fit(*DIABETES)


def test_a_fold_without_rows_to_learn_from_is_an_error():
    X, y = DIABETES
    w = np.zeros(len(y))
    w[:50] = 1.0
    with pytest.raises(ValueError, match=r"fold 0 has no rows with a weight to learn"):
        GDRegressorCV(cv=KFold(5)).fit(X, y, w)


def test_the_score_of_log_loss_is_scikit_learns():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    search = GDClassifierCV(alphas=[1e-2], tol=1e-13).fit(X, y)
    for k, (train, test) in enumerate(StratifiedKFold(5).split(X, y)):
        model = GDClassifier(alpha=1e-2, tol=1e-13).fit(X[train], y[train])
        loss = log_loss(y[test], model.predict_proba(X[test]))
        assert -search.scores_[k, 0, 0] == pytest.approx(loss, rel=1e-5)


def test_moments_are_taken_for_narrow_least_squares_only():
    from sklgd._fit.data import Data

    def data(loss, d):
        X = np.zeros((4, d))
        return Data(X, np.zeros((4, 1)), None, None, loss._make_loss(), 1, True, None)

    assert MomentModels.suit(data(GDRegressor(), 10), [None] * 5)
    assert not MomentModels.suit(data(GDRegressor(), 3001), [None])
    assert not MomentModels.suit(data(GDRegressor("huber"), 10), [None] * 5)


# ----------------------------------------------------------------------- the path


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_a_path_of_least_squares_is_that_of_scikit_learn(penalty, form):
    X, y = DIABETES
    found = path(GDRegressor(penalty=penalty), form(X), y, alphas=ALPHAS)
    assert found.alphas.tolist() == ALPHAS
    for a, alpha in enumerate(ALPHAS):
        model = scikit_learns(penalty, alpha, len(y)).fit(X, y)
        np.testing.assert_allclose(found.coef[a], model.coef_, rtol=1e-7, atol=1e-7)
        assert found.intercept[a] == pytest.approx(model.intercept_, rel=1e-9)
    if penalty == "l2":
        e = np.linalg.eigvalsh(np.cov(X.T, bias=True))
        expected = [(e / (e + alpha)).sum() for alpha in ALPHAS]
        np.testing.assert_allclose(found.df, expected, rtol=1e-9)
    else:
        np.testing.assert_array_equal(found.df, (found.coef != 0.0).sum(axis=1))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge", "squared_error"])
def test_a_path_has_the_fits_of_a_classifier_and_their_objective(loss, n_classes):
    X, y = IRIS
    X, y = X[y < n_classes], y[y < n_classes]
    plain = GDClassifier(loss, tol=1e-9)
    found = path(plain, X, y, alphas=[1e-1, 1e-2])
    for a, alpha in enumerate(found.alphas):
        model = clone(plain).set_params(alpha=alpha).fit(X, y)
        np.testing.assert_allclose(found.coef[a], model.coef_, rtol=1e-3, atol=1e-4)
        assert found.objective[a] == pytest.approx(model.loss_curve_[-1], rel=1e-6)
    assert found.coef.shape == (2, 1 if n_classes == 2 else 3, 4)
    assert (np.diff(found.df) > 0.0).all()


@pytest.mark.parametrize("estimator", [GDRegressorCV(), Ridge(), 3])
def test_a_path_is_one_of_a_plain_estimator(estimator):
    with pytest.raises(TypeError, match="must be a GDRegressor or GDClassifier"):
        path(estimator, *DIABETES)


def test_a_path_has_default_alphas_weights_and_names(rng):
    pandas = pytest.importorskip("pandas")
    X, y = DIABETES
    frame = pandas.DataFrame(X, columns=[f"x{j}" for j in range(10)])
    w = rng.integers(1, 4, len(y))
    found = path(GDRegressor(), frame, y, alphas=7, sample_weight=w)
    again = path(GDRegressor(), np.repeat(X, w, axis=0), np.repeat(y, w), alphas=7)
    np.testing.assert_allclose(found.coef, again.coef, rtol=1e-9)
    assert list(found.feature_names) == list(frame.columns)
    with pytest.raises(ValueError, match="penalty=None has no strength"):
        path(GDRegressor(penalty=None), X, y)
    with pytest.raises(ValueError, match="alphas must be a number of alphas"):
        path(GDRegressor(), X, y, alphas=[])


@pytest.mark.exhaustive
def test_a_search_is_drawn_with_its_scores_and_coefficients():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    X, y = DIABETES
    search = GDRegressorCV(store_path=True, select="1se").fit(X, y)
    display = PathDisplay.from_estimator(search)
    assert len(display.axes_) == 2
    assert len(display.score_lines_) == 5
    assert len(display.coef_lines_) == 10
    np.testing.assert_allclose(
        display.mean_line_.get_ydata(), search.cv_results_["mean_test_score"]
    )
    left, right = display.axes_[0].get_xlim()
    assert left > right
    labels = display.axes_[0].get_legend_handles_labels()[1]
    assert f"chosen: {search.alpha_:.2g}" in labels
    assert display.df_axis_ is None  # (Only a path knows the Hessian.)
    pyplot.close("all")
    scores_only = PathDisplay.from_estimator(GDRegressorCV().fit(X, y))
    assert len(scores_only.axes_) == 1
    lasso = path(GDRegressor(penalty="l1"), X, y, alphas=20)
    drawn = PathDisplay.from_path(lasso)
    assert drawn.coef_lines_[0].get_xdata().tolist() == lasso.alphas.tolist()
    largest = np.abs(lasso.coef * lasso.column_scale).max(axis=0).argmax()
    assert drawn.coef_lines_[0].get_label() == f"x{largest}"
    ticks = [float(label.get_text()) for label in drawn.df_axis_.get_xticklabels()]
    places = np.searchsorted(-lasso.alphas, -drawn.df_axis_.get_xticks())
    assert ticks == lasso.df[places].tolist()
    assert 5 <= len(ticks) <= 7
    with pytest.raises(ValueError, match="axes must hold 1 Axes"):
        PathDisplay.from_path(lasso, axes=[drawn.axes_[0]] * 2)
    with pytest.raises(NotFittedError):
        PathDisplay.from_estimator(GDRegressorCV())
    other = GridSearchCV(GDRegressor(), {"alpha": [1.0]}).fit(X, y)
    with pytest.raises(TypeError, match="GDClassifierCV, got GridSearchCV"):
        PathDisplay.from_estimator(other)
    with pytest.raises(TypeError, match="path returns, got GridSearchCV"):
        PathDisplay.from_path(other)
    pyplot.close("all")


def test_of_several_classes_and_shares_of_l1_the_chosen_path_is_drawn():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    search = GDClassifierCV(
        penalty="elasticnet", l1_ratio=[0.2, 0.8], alphas=[1e-1, 1e-2], store_path=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        search.fit(*IRIS)
    display = PathDisplay.from_estimator(search)
    place = [0.2, 0.8].index(search.l1_ratio_)
    np.testing.assert_array_equal(display.scores, search.scores_[:, place])
    assert len(display.coef_lines_) == 12
    used = (search.coefs_paths_[:, place, 0, :, :-1] != 0.0).sum(axis=(1, 2))
    assert display.df[0] == used.mean()
    assert display.df_axis_ is not None
    pyplot.close("all")


def test_the_score_of_a_search_with_a_scorer_weights_the_rows():
    X, y = IRIS
    weights = 1.0 + (np.arange(len(y)) % 5) ** 2
    search = GDClassifierCV(scoring="balanced_accuracy", alphas=[1.0, 10.0]).fit(X, y)
    expected = balanced_accuracy_score(y, search.predict(X), sample_weight=weights)
    assert search.score(X, y) != pytest.approx(expected)
    assert search.score(X, y, sample_weight=weights) == pytest.approx(expected)
