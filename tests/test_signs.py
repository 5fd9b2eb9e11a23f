"""Coefficients of given signs: `positive` and `monotonic_cst`."""

import itertools
import warnings

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import lsq_linear, nnls
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier

from sklgd import GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV, path
from sklgd._fit.objective import Objective
from sklgd.kernels._coordinate import l1_refine, l1_step
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS
from sklgd.penalties import PENALTIES, Penalty
from sklgd.schedules import InvScaling

pytestmark = [
    pytest.mark.filterwarnings("ignore:.* has no effect"),
    pytest.mark.filterwarnings("ignore:The best alpha is:UserWarning"),
]
KEEPS_SIGNS = [name for name, cls in OPTIMIZERS.items() if not cls.why_no_signs]
RULES = [n for n in KEEPS_SIGNS if OPTIMIZERS[n].training == "descent"]
REDUCED = [n for n in OPTIMIZERS if OPTIMIZERS[n].training == "variance_reduced"]
BATCH = [name for name in KEEPS_SIGNS if OPTIMIZERS[name].estimates_gap]
# Orthogonal and centred columns: each coefficient is a function of one number, 1.5, 2
# and -1, and the intercept is 0.5.
X_BY_HAND = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
Y_BY_HAND = np.array([3.0, 1, 2, -4])


@pytest.fixture
def correlated(rng):
    """Rows whose columns are so correlated that cutting the free solution is wrong."""
    X = rng.normal(size=(80, 9)) @ rng.normal(size=(9, 9)) + 3.0 * rng.normal(size=9)
    y = X @ rng.normal(size=9) + rng.normal(size=80)
    return X, y


class AbsoluteValue(Penalty):
    """alpha |w|, of which solvers know no closed form."""

    def __init__(self, alpha):
        self.alpha = alpha

    def terms(self, w):
        return self.alpha * np.abs(w)

    def prox(self, w, step):
        return np.sign(w) * np.maximum(np.abs(w) - self.alpha * step, 0.0)

    def derivative(self, w, direction):
        signs = np.where(w == 0.0, np.sign(direction), np.sign(w))
        return float(self.alpha * (signs * direction).sum())


def make_problem(rng, loss, n=120, d=8):
    """An estimator of the loss, some rows and signs, all of which matter."""
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    X *= rng.random((n, d)) < 0.7
    z = X @ rng.normal(size=d)
    z = z / z.std() + 0.3 * rng.normal(size=n)
    signs = np.resize([1, -1, 0], d)
    if LOSSES[loss].task == "classification":
        return GDClassifier(loss), X, (z > 0.0).astype(int), signs
    y = z
    if LOSSES[loss].link == "log":
        y = rng.gamma(2.0, np.exp(0.5 * z)) + 0.1
    return GDRegressor(loss), X, y, signs


def violation(model, X, y):
    """The largest distance of a coefficient from its proximal step, and of b."""
    coef = np.vstack([np.atleast_2d(model.coef_).T, model.intercept_])
    objective, gradient = Objective(model, X, y), np.empty_like(coef)
    objective.problem.value_and_gradient(coef, gradient)
    gradient /= objective.data.mean_weight
    penalty = model._penalty()
    gradient[:-1] += penalty.l2 * coef[:-1]
    wrong = penalty.violation(coef[:-1], gradient[:-1])
    return max(wrong.max(), np.abs(gradient[-1]).max())


# -------------------------------------------------------------- the right minimiser


@pytest.mark.some_cases
@pytest.mark.parametrize(
    ("penalty", "alpha", "expected"),
    [(None, 0, 1.5), ("l2", 1, 0.75), ("l1", 0.25, 1.25), ("elasticnet", 1, 2 / 3)],
)
@pytest.mark.parametrize("optimizer", KEEPS_SIGNS)
def test_coefficients_worked_out_by_hand(optimizer, penalty, alpha, expected):
    model = GDRegressor(
        penalty=penalty, alpha=alpha, l1_ratio=0.5, optimizer=optimizer, tol=1e-10
    )
    model.set_params(monotonic_cst=[1, -1, 1], max_iter=500, random_state=0)
    model.fit(X_BY_HAND, Y_BY_HAND)
    close = 1e-7 if optimizer in BATCH else 2e-2
    assert_allclose(model.coef_, [expected, 0.0, 0.0], atol=close)
    assert_array_equal(model.coef_[1:], 0.0)
    assert_allclose(model.intercept_, 0.5, atol=close)


@pytest.mark.parametrize("optimizer", BATCH)
def test_signs_that_the_free_minimiser_has_change_nothing(optimizer):
    free = GDRegressor(optimizer=optimizer, tol=1e-12).fit(X_BY_HAND, Y_BY_HAND)
    model = GDRegressor(optimizer=optimizer, tol=1e-12, monotonic_cst=[1, 1, -1])
    assert_allclose(model.fit(X_BY_HAND, Y_BY_HAND).coef_, free.coef_, atol=1e-9)


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("optimizer", BATCH)
def test_without_intercept_and_penalty_it_is_nnls(optimizer, storage, correlated):
    X, y = correlated
    model = GDRegressor(penalty=None, fit_intercept=False, positive=True, tol=1e-14)
    model.set_params(optimizer=optimizer, max_iter=10_000).fit(storage(X), y)
    assert_allclose(model.coef_, nnls(X, y)[0], atol=1e-6)


@pytest.mark.parametrize("optimizer", BATCH)
def test_mixed_signs_are_bounds_of_least_squares(optimizer, correlated):
    X, y = correlated
    signs = np.array([1, -1, 0, 1, 1, -1, -1, 0, 1])
    bounds = np.where(signs > 0, 0.0, -np.inf), np.where(signs < 0, 0.0, np.inf)
    centred = X - X.mean(axis=0)
    best = lsq_linear(centred, y - y.mean(), bounds, tol=1e-14, method="bvls").x
    model = GDRegressor(penalty=None, monotonic_cst=signs, tol=1e-14)
    model.set_params(optimizer=optimizer, max_iter=10_000).fit(X, y)
    assert_allclose(model.coef_, best, atol=1e-6)
    mirrored = model.set_params(monotonic_cst=-signs).fit(X, -y)
    assert_allclose(mirrored.coef_, -best, atol=1e-6)


@pytest.mark.parametrize(
    ("params", "peer"),
    [
        ({"penalty": None}, LinearRegression(positive=True)),
        ({"penalty": "l2", "alpha": 0.1}, Ridge(8.0, positive=True, tol=1e-12)),
        ({"penalty": "l1", "alpha": 0.1}, Lasso(0.1, positive=True, tol=1e-14)),
        (
            {"penalty": "elasticnet", "alpha": 0.1, "l1_ratio": 0.3},
            ElasticNet(0.1, l1_ratio=0.3, positive=True, tol=1e-14),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("optimizer", BATCH)
def test_scikit_learns_positive_models(params, peer, optimizer, correlated):
    X, y = correlated
    model = GDRegressor(positive=True, optimizer=optimizer, tol=1e-14, **params)
    model.set_params(max_iter=10_000).fit(X, y)
    peer.set_params(**({"max_iter": 100_000} if "max_iter" in vars(peer) else {}))
    peer.fit(X, y)
    assert_allclose(model.coef_, peer.coef_, atol=1e-5)
    assert_allclose(model.intercept_, peer.intercept_, atol=1e-4)
    twin = model.to_sklearn()
    assert type(twin) is (ElasticNet if isinstance(peer, Lasso) else type(peer))
    assert twin.get_params()["positive"] is True
    assert_array_equal(twin.coef_, model.coef_)


@pytest.mark.some_cases
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize(
    ("loss", "optimizer"),
    [
        (name, optimizer)
        for name, cls in LOSSES.items()
        for optimizer in BATCH
        if not cls.degenerate and (cls.smooth or optimizer == "newton")
    ],
)
def test_the_optimality_conditions_hold_for_every_loss(loss, optimizer, penalty, rng):
    """No allowed change of a coefficient lowers F; the estimated gap is honest."""
    model, X, y, signs = make_problem(rng, loss)
    model.set_params(
        penalty=penalty, alpha=0.01, l1_ratio=0.5, optimizer=optimizer, tol=1e-10,
        monotonic_cst=signs, max_iter=2000,
    )  # fmt: skip
    with warnings.catch_warnings():
        # (Not every run reaches this.)
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
        assert (model.coef_ * signs >= 0.0).all()
        sparse = GDRegressor if isinstance(model, GDRegressor) else GDClassifier
        sparse = sparse(**model.get_params()).fit(sp.csr_array(X), y)
    if LOSSES[loss].smooth:
        assert violation(model, X, y) < 1e-4
        assert_allclose(sparse.coef_, model.coef_, atol=1e-5)
    assert (model.coef_ == 0.0).any()
    early = sparse.set_params(tol=1e-3).fit(X, y)
    left = early.loss_curve_[-1] - model.loss_curve_[-1]
    null = GDRegressor if isinstance(model, GDRegressor) else GDClassifier
    null = null(**model.get_params()).set_params(alpha=1e9, penalty="l2").fit(X, y)
    gained = null.loss_curve_[-1] - model.loss_curve_[-1]
    assert left <= 3.0 * max(early.optimality_gap_, 1e-9) * gained


def test_several_outputs_share_the_signs(correlated):
    X, y = correlated
    Y, signs = np.column_stack([y, -y, X[:, 0]]), np.resize([1, -1, 0], X.shape[1])
    for loss in ("squared_error", "huber"):
        model = GDRegressor(loss, monotonic_cst=signs, tol=1e-10).fit(X, Y)
        assert (model.coef_ * signs >= 0.0).all()
        for k in range(3):
            alone = GDRegressor(loss, monotonic_cst=signs, tol=1e-10).fit(X, Y[:, k])
            assert_allclose(model.coef_[k], alone.coef_, atol=1e-4)


def test_empty_columns_do_not_shift_the_signs(rng):
    """A fit leaves out columns of zeros; each other column keeps its own sign."""
    X = np.zeros((200, 400))
    X[:, 300:304] = rng.normal(size=(200, 4))
    signs = np.zeros(400, int)
    signs[[1, 300, 302]] = 1, 1, -1
    y = X[:, 300:304] @ [-1.0, 2.0, 3.0, -4.0]
    model = GDRegressor(monotonic_cst=signs).fit(sp.csr_array(X), y)
    assert_array_equal(model.coef_[[300, 302]], 0.0)
    assert (np.abs(model.coef_[[301, 303]]) > 1.0).all()


def test_float32_and_weights(correlated):
    X, y = correlated
    weights = np.resize([1.0, 2.0, 0.0], len(y))
    repeated = np.repeat(np.arange(len(y)), weights.astype(int))
    params = {"positive": True, "tol": 1e-12}
    model = GDRegressor(**params).fit(X, y, sample_weight=weights)
    copies = GDRegressor(**params).fit(X[repeated], y[repeated])
    assert_allclose(model.coef_, copies.coef_, atol=1e-8)
    single = GDRegressor(**params).fit(X.astype(np.float32), y, sample_weight=weights)
    assert single.coef_.dtype == np.float32
    assert_allclose(single.coef_, model.coef_, atol=1e-4)


def test_wide_rows_are_fitted_by_proximal_gradients(rng):
    X, w = sp.random_array((300, 4000), density=0.01, rng=rng).tocsr(), np.zeros(4000)
    w[:100] = rng.normal(size=100)
    y = X @ w
    model = GDRegressor(positive=True, alpha=1e-3, tol=1e-8).fit(X, y)
    assert model.optimizer_.name in ("fista", "newton")
    assert (model.coef_ >= 0.0).all()
    assert violation(model, X, y) < 1e-6


def test_a_registered_penalty_takes_signs(monkeypatch, correlated):
    monkeypatch.setitem(PENALTIES, "own", lambda alpha, ratio: AbsoluteValue(alpha))
    X, y = correlated
    model = GDRegressor(penalty="own", alpha=0.1, positive=True, tol=1e-10)
    lasso = GDRegressor(penalty="l1", alpha=0.1, positive=True, tol=1e-10).fit(X, y)
    assert_allclose(model.fit(X, y).coef_, lasso.coef_, atol=1e-4)


def test_grids_and_paths_take_them(correlated):
    X, y = correlated
    result = path(GDRegressor(positive=True, tol=1e-12), X, y, alphas=[1.0, 0.01])
    assert (result.coef >= 0.0).all()
    for alpha, coef in zip(result.alphas, result.coef, strict=True):
        alone = GDRegressor(positive=True, alpha=alpha, tol=1e-10).fit(X, y)
        assert_allclose(coef, alone.coef_, atol=1e-4)


@pytest.mark.one_case
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize(
    "loss, optimizer",
    [
        ("squared_error", "auto"),  # moments
        ("squared_error", "fista"),  # fits
        ("poisson", "auto"),  # Newton for all folds
        ("log_loss", "auto"),
        ("huber", "auto"),
    ],
)
def test_searches_have_the_scores_of_fits_with_signs(
    loss, optimizer, penalty, form, rng
):
    est, X, y, signs = make_problem(rng, loss)
    classifies = isinstance(est, GDClassifier)
    folds = (StratifiedKFold if classifies else KFold)(3)
    est.set_params(penalty=penalty, monotonic_cst=signs, tol=1e-13, max_iter=10**4)
    alphas = [0.3, 1e-3]
    make = GDClassifierCV if classifies else GDRegressorCV
    search = make(
        loss, penalty=penalty, monotonic_cst=signs, tol=1e-12, alphas=alphas, cv=folds,
        optimizer=optimizer, store_path=True, max_iter=10**4,
    ).fit(form(X), y)  # fmt: skip
    kernel = est._make_loss()
    for k, (train, test) in enumerate(folds.split(X, y)):
        for a, alpha in enumerate(alphas):
            model = est.set_params(alpha=alpha).fit(X[train], y[train])
            coef = search.coefs_paths_[k, 0, a, 0]
            assert (coef[:-1] * signs >= 0.0).all()
            target = np.where(y[test], 1.0, -1.0) if classifies else y[test]
            z = X[test] @ np.ravel(model.coef_) + model.intercept_
            value = kernel.evaluate(target, z[:, None])[0] / len(test)
            assert -search.scores_[k, 0, a] == pytest.approx(value, rel=1e-5)
    assert (np.ravel(search.coef_) * signs >= 0.0).all()
    assert search.estimator_.monotonic_cst is search.monotonic_cst


def test_searches_and_paths_take_names_of_features(correlated):
    pd = pytest.importorskip("pandas")
    X, y = correlated
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(9)])
    signs, by_name = np.zeros(9), {"c2": 1, "c5": -1}
    signs[[2, 5]] = 1, -1
    for loss in "squared_error", "quantile":
        given = {"loss": loss, "alphas": [0.1, 1e-3], "cv": 2}
        named = GDRegressorCV(monotonic_cst=by_name, **given).fit(frame, y)
        array = GDRegressorCV(monotonic_cst=signs, **given).fit(X, y)
        assert_array_equal(named.scores_, array.scores_)
        assert_array_equal(named.coef_, array.coef_)
        est = GDRegressor(loss, monotonic_cst=by_name)
        models = path(est, frame, y, alphas=[0.1])
        assert (models.coef * signs >= 0.0).all()
        assert list(models.feature_names) == list(frame.columns)


@pytest.mark.one_case
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "log_loss"])
def test_only_features_that_may_move_count_for_the_largest_alpha(loss, rng):
    est, X, y, _ = make_problem(rng, loss)
    X = X - X.mean(axis=0)
    slopes = X.T @ (y - y.mean())
    strongest = np.abs(slopes).argmax()
    signs = np.zeros(8)
    signs[strongest] = -np.sign(slopes[strongest])
    est.set_params(penalty="l1", tol=1e-10)
    free = path(est, X, y, alphas=20)
    signed = path(est.set_params(monotonic_cst=signs), X, y, alphas=20)
    assert signed.alphas[0] < 0.999 * free.alphas[0]
    assert np.abs(signed.coef[0]).max() < 1e-12 and signed.coef[1].any()
    small = est.set_params(alpha=0.99 * signed.alphas[0]).fit(X, y)
    assert small.coef_.any()


def test_degrees_of_freedom_leave_out_what_signs_keep_at_zero(correlated):
    X, y = correlated
    models = path(GDRegressor(positive=True), X, y, alphas=[1.0])
    kept = np.flatnonzero(models.coef[0])
    assert 0 < len(kept) < 9
    without = path(GDRegressor(), X[:, kept], y, alphas=[1.0])
    assert_allclose(models.df, without.df, rtol=1e-9)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("optimizer", ["newton", "fista"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "log_loss"])
@pytest.mark.parametrize("few", [False, True])
def test_blocks_give_the_coefficients_of_fit(
    few, loss, optimizer, penalty, form, rng, monkeypatch
):
    if few:
        monkeypatch.setattr("sklgd._fit.description.SAMPLE_BYTES", 2000)
    est, X, y, signs = make_problem(rng, loss)
    est.set_params(
        optimizer=optimizer, penalty=penalty, monotonic_cst=signs, tol=1e-10,
        alpha=1e-2, max_iter=5000,
    )  # fmt: skip
    whole = clone(est).fit(X, y)
    parts = [(form(X[k : k + 30]), y[k : k + 30]) for k in range(0, len(y), 30)]
    read = est.fit_blocks(parts)
    assert (read.n_passes_ > 1) == few
    assert (read.coef_ * signs >= 0.0).all()
    assert_array_equal(read.coef_ == 0.0, whole.coef_ == 0.0)
    assert_allclose(read.coef_, whole.coef_, atol=1e-4)


# ------------------------------------------------------------------- rules of descent


@pytest.mark.some_cases
@pytest.mark.parametrize("penalty", [None, "l2", "elasticnet"])
@pytest.mark.parametrize("optimizer", RULES)
def test_a_rule_takes_its_own_step_and_then_keeps_the_signs(optimizer, penalty, rng):
    """Step by step; on sparse rows with features that miss most steps, too."""
    X = sp.random_array((40, 60), density=0.05, rng=rng).tocsr()
    X[:, [0]] = rng.normal(size=(40, 1))
    y, signs = rng.normal(size=40), rng.integers(-1, 2, 60)
    signs[0] = 1
    job = {"penalty": penalty, "alpha": 0.002, "l1_ratio": 0.5, "batch_size": 1}
    model = GDRegressor(
        optimizer=optimizer, learning_rate=InvScaling(0.3, 0.3), monotonic_cst=signs,
        max_iter=3, tol=None, shuffle=False, **job,
    )  # fmt: skip
    job |= {"optimizer": optimizer, "eta": lambda t: 0.3 / t**0.3, "n_epochs": 3}
    for average in (False, True):
        model.set_params(average=average)
        coef, intercept = reference.descend(
            X.toarray(), y, signs=signs, average=int(average), **job
        )
        for rows in (X, X.toarray()):
            found = reference.iterate(model.fit(rows, y))
            assert (found[0] * signs >= 0.0).all()
            assert_allclose(found[0], coef, atol=1e-11)
            assert_allclose(found[1], intercept, atol=1e-11)


@pytest.mark.some_cases
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("optimizer", RULES)
def test_rules_find_the_minimiser_over_all_rows(optimizer, storage, rng):
    model, X, y, signs = make_problem(rng, "log_loss")
    model.set_params(alpha=0.01, monotonic_cst=signs, tol=1e-10).fit(X, y)
    rule = GDClassifier(alpha=0.01, monotonic_cst=signs, optimizer=optimizer)
    rule.set_params(tol=1e-8, batch_size="full").fit(storage(X), y)
    assert (rule.coef_ * signs >= 0.0).all()
    assert rule.loss_curve_[-1] - model.loss_curve_[-1] < 1e-7
    assert violation(rule, X, y) < 1e-3
    assert rule.diagnosis_ is None


@pytest.mark.parametrize("penalty", [None, "l2", "elasticnet"])
@pytest.mark.parametrize("optimizer", REDUCED)
def test_variance_reduced_steps_keep_the_signs(optimizer, penalty, rng):
    """Step by step; missed steps of sparse features are made at once, and exactly."""
    X = sp.random_array((40, 600), density=0.01, rng=rng).tocsr()
    y, signs = rng.normal(size=40), rng.integers(-1, 2, 600)
    job = {"penalty": penalty, "alpha": 0.002, "l1_ratio": 0.5}
    job["batch_size"] = 2 if optimizer == "svrg" else 1
    model = GDRegressor(
        optimizer=optimizer, learning_rate=0.3, monotonic_cst=signs, max_iter=4,
        tol=None, shuffle=False, **job,
    )  # fmt: skip
    coef, intercept = reference.reduce_variance(
        X.toarray(), y, optimizer=optimizer, eta=0.3, n_epochs=4, signs=signs, **job
    )
    assert (coef != 0.0).any()
    for rows in (X, X.toarray()):
        model.fit(rows, y)
        assert (model.coef_ * signs >= 0.0).all()
        assert_allclose(model.coef_[None], coef, atol=1e-11)
        assert_allclose(model.intercept_, intercept, atol=1e-11)


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("loss", ["log_loss", "huber", "poisson"])
@pytest.mark.parametrize("optimizer", REDUCED)
def test_variance_reduced_methods_find_the_minimiser(optimizer, loss, storage, rng):
    model, X, y, signs = make_problem(rng, loss)
    params = {"alpha": 0.01, "penalty": "elasticnet", "monotonic_cst": signs}
    model.set_params(tol=1e-10, **params).fit(X, y)
    least = model.loss_curve_[-1]
    model.set_params(optimizer=optimizer, tol=1e-7, random_state=0).fit(storage(X), y)
    assert (model.coef_ * signs >= 0.0).all()
    assert model.loss_curve_[-1] - least < 1e-4
    assert violation(model, X, y) < 2e-2
    assert model.diagnosis_ is None


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("params", [{"learning_rate": 0.05}, {"average": True}])
def test_streams_keep_the_signs_after_every_call(params, storage, rng):
    X = rng.normal(size=(200, 12))
    y, signs = X @ rng.normal(size=12), np.resize([1, -1, 0], 12)
    model = GDRegressor(optimizer="adam", monotonic_cst=signs, **params)
    model.set_params(random_state=0)
    for start in range(0, 200, 25):
        rows = slice(start, start + 25)
        model.partial_fit(storage(X[rows]), y[rows])
        assert (model.coef_ * signs >= 0.0).all()
        assert (model.coef_ * signs > 0.0).any()


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array], ids=["dense", "csr"])
def test_default_streams_keep_the_signs(storage, rng):
    """Also those that have begun as online learning without signs."""
    X, signs = rng.normal(size=(600, 6)), np.array([1, 1, 1, -1, -1, 0])
    y = X @ [1.0, 2.0, -1.0, -1.0, 1.0, 1.0] + 0.1 * rng.normal(size=600)
    model = GDRegressor(monotonic_cst=signs, random_state=0)
    late = GDRegressor(random_state=0).partial_fit(storage(X[:50]), y[:50])
    late.set_params(monotonic_cst=signs)
    for start in range(0, 600, 50):
        rows = slice(start, start + 50)
        for stream in (model, late):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The starting coefficients")
                stream.partial_fit(storage(X[rows]), y[rows])
            assert (stream.coef_ * signs >= 0.0).all()
    best = GDRegressor(monotonic_cst=signs).fit(X, y)
    assert model.score(X, y) > best.score(X, y) - 0.05
    assert late.score(X, y) > best.score(X, y) - 0.05


def test_signs_that_are_set_between_two_calls_hold_at_once(rng):
    X, y = rng.normal(size=(100, 5)), rng.normal(size=100)
    model = GDRegressor(optimizer="momentum", average=True, random_state=0)
    model.partial_fit(X, y)
    assert (model.coef_ < 0.0).any()
    model.set_params(positive=True)
    with pytest.warns(UserWarning, match="The starting coefficients do not have"):
        model.partial_fit(X, y)
    assert (model.coef_ >= 0.0).all()


def test_passive_aggressive_steps_are_refused():
    model = GDClassifier("hinge", learning_rate="pa1", eta0=1.0, positive=True)
    with pytest.raises(ValueError, match="'pa1' is not possible with positive=True"):
        model.fit(X_BY_HAND, Y_BY_HAND > 1.5)


def test_many_outputs_on_two_threads_have_the_bits_of_one(rng):
    X = sp.random_array((300, 50), density=0.1, rng=rng).tocsr()
    Y, signs = rng.normal(size=(300, 16)), rng.integers(-1, 2, 50)
    for optimizer in ("sgd", "adam"):
        model = GDRegressor(optimizer=optimizer, batch_size=4, learning_rate=0.01)
        model.set_params(monotonic_cst=signs, max_iter=3, tol=None, random_state=0)
        one = model.fit(X, Y).coef_
        assert (one * signs >= 0.0).all()
        assert_array_equal(model.set_params(n_jobs=2).fit(X, Y).coef_, one)


# --------------------------------------------------------------- quadratic models


@pytest.mark.parametrize("n", [1, 5, 40])
def test_models_with_signs_have_their_minimisers(n, rng):
    """Also among collinear columns."""
    A = rng.normal(size=(n + 3, n)) @ rng.normal(size=(n, n))
    A[:, -1] += A[:, 0]
    b, l1 = rng.normal(size=n + 3), rng.uniform(0.0, 0.3, n)
    signs = rng.integers(-1, 2, n).astype(np.int8)
    u = np.abs(rng.normal(size=n)) * np.where(signs == 0, 1, signs)
    B, g = A.T @ A, A.T @ (A @ u - b)
    p, Bp = np.zeros(n), np.zeros(n)
    l1_step(B, g, u, l1, p, Bp, 1e-4, 200, signs)
    assert ((u + p) * signs >= 0.0).all()
    l1_refine(B, g, u, l1, p, Bp, 1e-12, 1000, np.inf, signs)
    assert ((u + p) * signs >= 0.0).all()
    assert_allclose(Bp, B @ p, atol=1e-8)
    # The conditions of the minimiser, coordinate by coordinate.
    at, gradient = u + p, g + B @ p
    down, up = -gradient - l1, gradient - l1
    assert_allclose((gradient + l1 * np.sign(at))[at != 0.0], 0.0, atol=1e-5)
    assert (down[(at == 0.0) & (signs >= 0)] <= 1e-5).all()
    assert (up[(at == 0.0) & (signs <= 0)] <= 1e-5).all()


def test_signs_of_all_minimisers_of_a_small_model(rng):
    """The minimiser by going through all sets of coordinates that are zero."""
    B = rng.normal(size=(4, 4))
    B, g = B @ B.T, rng.normal(size=4)
    signs = np.array([1, -1, 1, 0], np.int8)
    best = np.inf
    for zero in itertools.product([False, True], repeat=4):
        free, p = ~np.array(zero), np.zeros(4)
        if free.any():
            p[free] = np.linalg.solve(B[np.ix_(free, free)], -g[free])
        if (p * signs >= 0.0).all():
            best = min(best, g @ p + 0.5 * p @ B @ p)
    p, Bp, zeros = np.zeros(4), np.zeros(4), np.zeros(4)
    l1_refine(B, g, zeros, zeros, p, Bp, 1e-14, 1000, np.inf, signs)
    assert_allclose(g @ p + 0.5 * p @ Bp, best, rtol=1e-10)


# ------------------------------------------------------------------- the parameters


def test_names_of_features_are_keys(correlated):
    import pandas as pd

    X, y = correlated
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(9)])
    by_name = GDRegressor(monotonic_cst={"x1": -1, "x4": 1, "x5": 0}).fit(frame, y)
    by_place = GDRegressor(monotonic_cst=[0, -1, 0, 0, 1, 0, 0, 0, 0]).fit(X, y)
    assert_array_equal(by_name.coef_, by_place.coef_)
    with pytest.raises(ValueError, match=r"key 'x_1'.*Did you mean 'x1'"):
        GDRegressor(monotonic_cst={"x_1": 1}).fit(frame, y)
    with pytest.raises(ValueError, match="X has no feature names"):
        GDRegressor(monotonic_cst={"x1": 1}).fit(X, y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"positive": "yes"}, "positive must be True or False, got 'yes'"),
        ({"monotonic_cst": [1, 2, 0]}, "monotonic_cst must be an array"),
        ({"monotonic_cst": [[1, 0, 0]]}, "monotonic_cst must be an array"),
        ({"monotonic_cst": "up"}, "monotonic_cst must be an array"),
        ({"monotonic_cst": {"a": 0.5}}, "monotonic_cst must be an array"),
        ({"monotonic_cst": [1, 0]}, "has 2 entries, but X has 3 features"),
        (
            {"monotonic_cst": [1, 0, 0], "positive": True},
            "monotonic_cst is not possible with positive=True",
        ),
        (
            {"positive": True, "optimizer": "lbfgs"},
            "not possible with optimizer='lbfgs', which needs a smooth penalty. Use "
            "optimizer='auto', .*'newton'",
        ),
    ],
)
def test_impossible_values_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        GDRegressor(**params).fit(X_BY_HAND, Y_BY_HAND)


@pytest.mark.parametrize("optimizer", [n for n in OPTIMIZERS if n not in KEEPS_SIGNS])
def test_optimizers_without_signs_say_so(optimizer):
    model = GDRegressor(optimizer=optimizer, positive=True)
    able = {"lbfgs": "'newton' or 'fista'", "online": "'sgd', .* or 'ftrl'"}[optimizer]
    message = f"positive=True and monotonic_cst are not .* Use .*'auto', {able}"
    with pytest.raises(ValueError, match=message):
        model.fit(X_BY_HAND, Y_BY_HAND)


def test_no_constraint_is_no_constraint(correlated):
    X, y = correlated
    free = GDRegressor().fit(X, y)
    for value in (np.zeros(9), [0] * 9):
        model = GDRegressor(monotonic_cst=value).fit(X, y)
        assert_array_equal(model.coef_, free.coef_)


def test_more_than_two_classes_are_refused(rng):
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 3
    for loss in ("log_loss", "hinge"):
        model = GDClassifier(loss, positive=True)
        with pytest.raises(
            ValueError,
            match="monotonic constraints are not supported for multiclass classific",
        ):
            model.fit(X, y)
    apart = OneVsRestClassifier(GDClassifier(positive=True)).fit(X, y)
    assert all((model.coef_ >= 0.0).all() for model in apart.estimators_)


def test_a_start_of_the_wrong_sign_becomes_zero_with_a_warning(correlated):
    X, y = correlated
    free = GDRegressor(warm_start=True).fit(X, y)
    assert (free.coef_ < 0.0).any()
    with pytest.warns(UserWarning, match="The starting coefficients do not have"):
        free.set_params(positive=True, tol=1e-10).fit(X, y)
    cold = GDRegressor(positive=True, tol=1e-10).fit(X, y)
    assert_allclose(free.coef_, cold.coef_, atol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        free.fit(X, y)


@pytest.mark.parametrize("optimizer", ["newton", "fista", "sgd", "saga"])
def test_every_label_of_a_row_keeps_the_signs(optimizer, rng):
    X, Y = rng.normal(size=(60, 4)), rng.integers(0, 2, size=(60, 3))
    params = {"optimizer": optimizer, "positive": True, "random_state": 0}
    together = GDClassifier(**params, tol=1e-7).fit(X, Y)
    assert (together.coef_ >= 0.0).all() and (together.coef_ > 0.0).any()
    for label, coef in zip(Y.T, together.coef_, strict=True):
        alone = GDClassifier(positive=True, optimizer="newton", tol=1e-9)
        alone.fit(X, label)
        assert_allclose(coef, alone.coef_[0], atol=0.05)
