"""learning_rate="auto" on raw data: no scaler, no tuning, no divergence."""

import functools
import warnings

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from conftest import RULES, objective
from scipy.optimize import minimize
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning

from sklgd import GDClassifier, GDRegressor
from sklgd._data_checks import canonical
from sklgd._fit.data import Data
from sklgd._fit.feature_scaling import FeatureScaling, rotate
from sklgd._fit.plan import make_plan, renew_rotation
from sklgd._fit.settings import Settings
from sklgd._fit.statistics import Statistics
from sklgd._solvers.variance_reduced import batch_preconditioner, row_preconditioner
from sklgd.losses import LOSSES, LogLoss, SquaredError
from sklgd.optimizers import OPTIMIZERS, SGD
from sklgd.penalties import ElasticNet
from sklgd.schedules import SCHEDULES, Constant

REGRESSION = [n for n, loss in reference.LOSSES.items() if loss.task == "regression"]
CLASSIFICATION = [n for n in reference.LOSSES if n not in REGRESSION]
DATA = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "diabetes": functools.partial(datasets.load_diabetes, scaled=False),
    "diabetes-scaled": datasets.load_diabetes,
    "linnerud": datasets.load_linnerud,
}
NUMBERS = ("diabetes", "diabetes-scaled", "linnerud")


@functools.cache
def load(name):
    X, y = DATA[name](return_X_y=True)
    rows = slice(None, None, 4 if name == "digits" else 1)
    return X[rows].astype(float), y[rows]


def estimator(name, **settings):
    cls = GDRegressor if name in NUMBERS else GDClassifier
    return cls(**{"random_state": 0} | settings)


def default_loss(y):
    return "squared_error" if y.dtype.kind == "f" else "log_loss"


def range_of_objective(X, y, loss, alpha=1e-4):
    """F of the best constant model and F* (smooth loss, l2), by L-BFGS.

    It works in standardised columns, with the penalty of the raw coefficients, and
    ends within a thousandth or so of the way from the one to the other.
    """
    targets, K = reference._targets(y, loss)
    mean, std = X.mean(axis=0), X.std(axis=0)
    std[std == 0] = 1.0
    # The targets' own scale is taken out, too: L-BFGS stops at absolute sizes.
    unit = targets.var() if loss in REGRESSION else 1.0
    Z = np.column_stack([(X - mean) / std, np.ones(len(X))])
    l2 = alpha / np.append(std, np.inf)[:, None] ** 2
    # ... and columns that the penalty rules are no stiffer than the others.
    Z, l2 = Z / np.sqrt(1.0 + l2[:, 0]), l2 / (1.0 + l2)

    def fun(u, columns):
        u = u.reshape(-1, K)
        part = Z[:, columns]
        value, slope = reference.LOSSES[loss].evaluate(targets, part @ u)
        f = value.mean() + 0.5 * (l2[columns] * u**2).sum()
        return f / unit, (part.T @ slope / len(X) + l2[columns] * u).ravel() / unit

    results = []
    for columns in (slice(-1, None), slice(None)):
        start = np.zeros(K * Z[:, columns].shape[1])
        options = {"maxiter": 300, "gtol": 1e-7, "ftol": 1e-9}
        found = minimize(fun, start, (columns,), "L-BFGS-B", jac=True, options=options)
        results.append(found.fun * unit)
    return results


@functools.cache
def bounds(name):
    X, y = load(name)
    return range_of_objective(X, y, default_loss(y))


def assert_no_divergence(caught, model):
    """Stopping early may be said; harm may not have been done."""
    for text in (str(w.message) for w in caught):
        assert "diverged" not in text and "worse than" not in text
    assert model.stop_reason_ in ("converged", "max_iter", "plateau")
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    assert np.isfinite(model.loss_curve_).all()


def fit_quietly(model, X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert all(issubclass(w.category, ConvergenceWarning) for w in caught), caught
    assert_no_divergence(caught, model)
    return model


def gap(model, X, y):
    """(F - F*) / (F_null - F*): 0 at the optimum, 1 at the constant model."""
    null, best = range_of_objective(X, y, model.loss, model._alpha())
    assert null > best
    return (objective(model, X, y) - best) / (null - best)


# ---------------------------------------------------------------- kinds of raw data


def sizes(X, rng):
    return X * 10 ** rng.uniform(-6, 6, X.shape[1])


def outliers(X, rng):
    X = X.copy()
    X[rng.random(X.shape) < 1e-3] *= 1e4
    return X


def constant(X, rng):
    return np.column_stack([X, np.zeros(len(X)), np.full(len(X), 1e5), np.ones(len(X))])


def duplicated(X, rng):
    return np.column_stack([X, X, X[:, :1]])


def collinear(X, rng):
    # Sums that hold exactly, and a copy that differs by a millionth.
    noise = 1e-6 * X.std(axis=0) * rng.normal(size=X.shape)
    return np.column_stack([X, X.sum(axis=1), 1e3 * (X[:, 0] - X[:, -1]), X + noise])


def shifted(X, rng):
    return X + 1e6


def narrow(X, rng):
    return X.astype(np.float32)


def integers(X, rng):
    return X.round().astype(np.int64)


# What was made of the data, and how much of the way to F* must be gone at least.
KINDS = {
    "raw": (lambda X, rng: X, 0.1),
    "sizes": (sizes, 0.1),
    "outliers": (outliers, 1.0),
    "constant": (constant, 0.1),
    "duplicated": (duplicated, 0.1),
    "collinear": (collinear, 0.1),
    "shifted": (shifted, 0.1),
    "float32": (narrow, 0.1),
    "integers": (integers, 0.1),
}


@pytest.mark.some_cases
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DATA)
def test_defaults_on_raw_data(name, kind):
    X, y = load(name)
    change, limit = KINDS[kind]
    X = change(X, np.random.default_rng(0))
    model = fit_quietly(estimator(name), X, y)
    if kind == "integers" and not X.std(axis=0).any():
        return  # the scaled diabetes columns round to zero: no signal, no failure
    wide = X.astype(float)
    if kind == "sizes":
        # Without a penalty F does not depend on the sizes of the columns.
        model = fit_quietly(estimator(name, penalty=None), X, y)
        null, best = range_of_objective(load(name)[0], y, model.loss, 0.0)
    else:
        null, best = range_of_objective(wide, y, model.loss)
    assert null > best
    reached = (objective(model, wide, y) - best) / (null - best)
    assert -0.01 < reached < limit
    # From the constant model on, no epoch that is kept makes the objective worse.
    curve = np.append(null * (1 + 1e-6), model.loss_curve_)
    assert (np.diff(curve) <= 0.0).all()


@pytest.mark.one_case
@pytest.mark.parametrize("name", ["wine", "diabetes", "linnerud"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adadelta", "ftrl"])
@pytest.mark.parametrize("batch_size", [1, 32, "full"])
def test_named_optimizers_on_outliers(name, optimizer, batch_size):
    X, y = load(name)
    rng = np.random.default_rng(1)
    X = outliers(sizes(X, rng), rng)
    X[3, 0] *= 1e4
    model = estimator(name, optimizer=optimizer, batch_size=batch_size, max_iter=100)
    fit_quietly(model, X, y)
    assert gap(model, X, y) < 1.0


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_nothing_to_learn(cls, form):
    """No spread in X, no spread in y, one row per class: the constant model."""
    y = np.array([0.0, 1.0, 1.0, 1.0] * 5)
    labels = y if cls is GDRegressor else y.astype(int)
    for X in (np.zeros((20, 2)), np.full((20, 2), 1e6), np.ones((20, 1))):
        model = fit_quietly(cls(), form(X), labels)
        prediction = model.predict(form(X))
        if cls is GDRegressor:
            np.testing.assert_allclose(prediction, 0.75, rtol=1e-3)
        else:
            assert (prediction == 1).all()
    few = np.array([[1.0, 2.0], [3.0, 1.0]])
    model = fit_quietly(cls(), form(few), labels[:2])
    assert model.score(form(few), labels[:2]) > 0.99
    if cls is GDRegressor:
        X = np.random.default_rng(0).normal(size=(20, 3)) * 1e5
        model = fit_quietly(cls(), form(X), np.full(20, 7e4))
        np.testing.assert_allclose(model.predict(form(X)), 7e4)
        single = fit_quietly(cls(), form(X[:1]), [3.0])
        np.testing.assert_allclose(single.predict(form(X[:1])), [3.0])


# ------------------------------------------------------- optimizers, schedules, losses


@pytest.mark.some_cases
@pytest.mark.parametrize("name", ["wine", "diabetes"])
@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize("batch_size", [1, 32, "full"])
def test_every_optimizer_gets_near_the_optimum(name, optimizer, batch_size):
    X, y = load(name)
    model = estimator(name, optimizer=optimizer, batch_size=batch_size)
    fit_quietly(model, X, y)
    null, best = bounds(name)
    assert objective(model, X, y) < best + 0.2 * (null - best)
    assert isinstance(model.optimizer_, OPTIMIZERS[optimizer])
    assert model.batch_size_ == batch_size


@pytest.mark.parametrize("name", ["wine", "diabetes"])
@pytest.mark.parametrize(
    "schedule", [name for name, cls in SCHEDULES.items() if cls.needs_eta0]
)
@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "sgd", "batch_size": 1}], ids=str
)
def test_named_schedules_find_their_first_step(name, schedule, settings):
    X, y = load(name)
    model = estimator(name, learning_rate=schedule, max_iter=300, **settings)
    fit_quietly(model, X, y)
    null, best = bounds(name)
    assert objective(model, X, y) < best + 0.5 * (null - best)
    assert isinstance(model.learning_rate_, SCHEDULES[schedule])
    assert schedule == "constant" or not isinstance(model.learning_rate_, Constant)


@pytest.mark.some_cases
@pytest.mark.parametrize("loss", reference.LOSSES)
@pytest.mark.parametrize("form", ["dense", "csr", "float32"])
@pytest.mark.parametrize("penalty", ["l2", "l1", None])
def test_every_loss_on_raw_data(loss, form, penalty):
    names = ("diabetes",) if loss in REGRESSION else ("wine", "cancer")
    for name in names:
        X, y = load(name)
        data = {"dense": X, "csr": sp.csr_array(X), "float32": X.astype(np.float32)}
        model = estimator(name, loss=loss, penalty=penalty)
        if LOSSES[loss].degenerate:  # F = 0 at w = 0: only the score says something
            model.set_params(max_iter=50, tol=None)
            model.fit(data[form], y)
            assert np.isfinite(model.coef_).all()
            assert model.score(data[form], y) > 0.8
            continue
        fit_quietly(model, data[form], y)
        score = model.score(data[form], y)
        assert score > (0.35 if loss in REGRESSION else 0.9)


@pytest.mark.parametrize("name", ["iris", "wine", "cancer", "diabetes"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"fit_intercept": False}, {"batch_size": "full", "optimizer": "sgd"}],
    ids=str,
)
def test_dense_and_csr_agree(name, settings):
    """Two routes to one optimum."""
    X, y = load(name)
    # Zeros in the data, so that CSR is not dense by another name.
    X = X * (np.random.default_rng(0).random(X.shape) < 0.6)
    models = [
        fit_quietly(estimator(name, tol=1e-7, max_iter=3000, **settings), form(X), y)
        for form in (np.asarray, sp.csr_array)
    ]
    if name in NUMBERS:
        a, b = (m.predict(X) for m in models)
        np.testing.assert_allclose(a, b, atol=1e-2 * np.std(a))
    else:
        a, b = (m.predict_proba(X) for m in models)
        np.testing.assert_allclose(a, b, atol=1e-2)


@pytest.mark.parametrize("name", ["cancer", "wine", "diabetes"])
def test_csr_of_mostly_zeros(name):
    X, y = load(name)
    rng = np.random.default_rng(0)
    X = np.column_stack([sizes(X, rng), 1e3 * (rng.random((len(X), 60)) < 0.02)])
    X = X * (rng.random(X.shape) < 0.5)
    model = fit_quietly(estimator(name), sp.csr_array(X), y)
    assert gap(model, X, y) < 0.5


# --------------------------------------------------------------- what "auto" became


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_explicit_steps_resolve_to_stochastic_descent(cls):
    """With a learning rate the defaults are those of SGD*."""
    X, y = load("iris")
    X, y = X[:100] - X.mean(axis=0), y[:100]
    for step in (
        {"learning_rate": 0.01},
        {"learning_rate": "constant", "eta0": 0.01},
        {"learning_rate": Constant(0.01)},
        {"learning_rate": "invscaling", "eta0": 0.01},
        {"learning_rate": "optimal", "alpha": 0.5},
        {"learning_rate": lambda t: 0.01},
    ):
        model = cls(max_iter=2, tol=None, random_state=0, **step).fit(X, y)
        assert type(model.optimizer_) is SGD
        assert model.batch_size_ == 1
        plain = cls(optimizer="sgd", batch_size=1, max_iter=2, tol=None, random_state=0)
        plain.set_params(**step).fit(X, y)
        np.testing.assert_array_equal(model.coef_, plain.coef_)
    assert (
        cls(learning_rate=0.01, max_iter=1, tol=None, batch_size=8)
        .fit(X, y)
        .batch_size_
        == 8
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "loss, other",
    [
        ("squared_hinge", "lbfgs"),
        pytest.param("huber", "newton", marks=pytest.mark.exhaustive),
        pytest.param("hinge", "newton", marks=pytest.mark.exhaustive),
    ],
)
def test_few_entries_in_many_columns_are_not_fitted_by_hessians(loss, other):
    # A Hessian for each step took 20 to 100 times as long as L-BFGS on text.
    rng = np.random.default_rng(0)
    X = sp.random(1500, 1600, density=0.006, format="csr", random_state=0)
    z = X @ rng.standard_normal(1600) + 0.1 * rng.standard_normal(1500)
    cls = GDRegressor if loss in REGRESSION else GDClassifier
    y = z if cls is GDRegressor else z > 0
    model = cls(loss).fit(X, y)
    assert model.optimizer_.name == "lbfgs"
    tol = 1e-4 if loss == "hinge" else 1e-6
    accurate = cls(loss, optimizer=other, tol=tol).fit(X, y)
    F, best = model.loss_curve_[-1], accurate.loss_curve_[-1]
    null = cls(loss, alpha=1e6).fit(X, y).loss_curve_[-1]
    assert F - best <= 1.2e-4 * (null - best)


@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
def test_dense_losses_with_jumps_are_fitted_by_hessians(loss):
    # L-BFGS takes up to 72000 passes on such data.
    X, y = load("cancer")
    assert GDClassifier(loss).fit(X, y).optimizer_.name == "newton"
    assert GDClassifier(loss).fit(sp.csr_matrix(X), y).optimizer_.name == "newton"


@pytest.mark.parametrize(("n_features", "name"), [(99, "newton"), (100, "fista")])
def test_softmax_with_l1_takes_its_hessian_if_small(n_features, name):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, n_features)), np.arange(60) % 5
    model = GDClassifier(penalty="l1", alpha=0.1).fit(X, y)
    assert model.optimizer_.name == name


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_what_auto_resolved_to(name):
    X, y = load(name)
    model = estimator(name).fit(X, y)
    assert type(model.optimizer_) in OPTIMIZERS.values()
    assert model.batch_size_ == "full" or model.batch_size_ >= 1
    assert type(model.learning_rate_) in SCHEDULES.values()
    assert model.learning_rate_(1) > 0
    assert (model.optimizer, model.batch_size, model.learning_rate) == ("auto",) * 3
    # The same choice by name is the same model.
    twin = estimator(name, optimizer=model.optimizer_, batch_size=model.batch_size_)
    np.testing.assert_array_equal(twin.fit(X, y).coef_, model.coef_)


@pytest.mark.exhaustive
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_penalty_is_the_raw_one(penalty):
    """The implicit metric changes the way, not the penalty: F* is that of raw w."""
    X, y = load("diabetes")
    X = (X - X.mean(axis=0)) / X.std(axis=0) * [0.1, 10.0, *[1.0] * 8]
    settings = {"penalty": penalty, "alpha": 3.0, "l1_ratio": 0.5}
    reached = GDRegressor(tol=1e-9, max_iter=20000, **settings).fit(X, y)
    textbook = GDRegressor(
        optimizer="nesterov", batch_size="full", learning_rate=5e-3, tol=None,
        max_iter=20000, **settings,
    ).fit(X, y)  # fmt: skip
    best = objective(textbook, X, y)
    assert objective(reached, X, y) == pytest.approx(best, rel=1e-5)
    assert (reached.coef_ == 0).any() == (penalty != "l2")


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("batch_size", [16, "full"])
def test_without_intercept(storage, batch_size):
    """No centring then: the intercept stays zero and the optimum is reached."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) * [1.0, 50.0, 0.1] + [4.0, 0.0, 1.0]
    y = X @ [1.0, 0.02, -3.0] + 0.1 * rng.normal(size=200)
    model = GDRegressor(
        fit_intercept=False, alpha=1e-6, batch_size=batch_size, tol=1e-8, random_state=0
    ).fit(storage(X), y)
    assert model.intercept_ == 0.0
    exact = np.linalg.solve(X.T @ X / 200 + 1e-6 * np.eye(3), X.T @ y / 200)
    best = objective(model, X, y, (exact, np.zeros(1)))
    start = objective(model, X, y, (0.0 * exact, np.zeros(1)))
    assert objective(model, X, y) - best < 1e-3 * (start - best)


def test_rounding_is_no_spread():
    """A constant column with the last digits off must not get a huge weight."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    X[:, 1] = 1e8 + rng.integers(0, 3, 300) * np.spacing(1e8)
    y = X[:, 0] + 0.5 * rng.normal(size=300)
    assert np.ptp(X[:, 1]) > 0.0
    model = GDRegressor(penalty=None, random_state=0).fit(X, y)
    assert model.coef_[1] == 0.0
    assert abs(model.coef_[0] - 1.0) < 0.2


def test_duplicate_entries():
    """An entry given in two parts counts as their sum in the statistics, too."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4)) * [1.0, 10.0, 1.0, 100.0]
    y = X @ [1.0, 0.1, -1.0, 0.02] + 0.1 * rng.normal(size=100)
    indices = np.tile(np.repeat(np.arange(4), 2), 100)
    data = np.column_stack([3.0 * X.ravel(), -2.0 * X.ravel()]).ravel()
    parts = sp.csr_array((data, indices, np.arange(0, 801, 8)), shape=X.shape)
    model = GDRegressor(random_state=0)
    whole = model.fit(sp.csr_array(X), y).coef_.copy()
    np.testing.assert_allclose(model.fit(parts, y).coef_, whole, rtol=1e-9)
    assert parts.nnz == 800
    merged = canonical(parts)
    assert merged.nnz == 400 and merged.has_canonical_format


def test_the_callers_matrix_is_left_alone():
    """Neither its arrays are replaced nor notes made on it by us."""
    rng = np.random.default_rng(0)
    X = sp.random_array((60, 5), density=0.5, format="csr", rng=rng)
    strided = np.repeat(X.data, 2)[::2]
    X = sp.csr_array((strided, X.indices, X.indptr), shape=X.shape, copy=False)
    arrays = [X.data, X.indices, X.indptr]
    canonical(X)
    assert "_has_canonical_format" not in vars(X)
    assert all(
        a is b for a, b in zip(arrays, [X.data, X.indices, X.indptr], strict=True)
    )
    assert canonical(X).data.flags.c_contiguous


@pytest.mark.parametrize("change", ["mean", "var", "z_unit", None])
def test_when_a_metric_is_renewed(change):
    """Statistics ask for a new metric when a size doubles or a mean moves away."""
    values = {
        "weight": 10.0,
        "mean": np.array([1.0, 5.0]),
        "var": np.array([4.0, 0.25]),
        "z_unit": np.ones(1),
        "loss_unit": np.ones(1),
    }
    old = Statistics(**values)
    assert old.equals(Statistics(**values)) and not old.differs(old)
    if change is None:
        slightly = Statistics(**values | {"mean": np.array([2.0, 5.2])})
        assert not slightly.differs(old) and not slightly.equals(old)
    else:
        factor = {"mean": 1.5, "var": 5.0, "z_unit": 2.5}[change]
        new = Statistics(**values | {change: factor * values[change]})
        assert new.differs(old) and not new.equals(old)


# ------------------------------------------------------------------- the full metric


def fit_data(X, y, weight, loss):
    target = np.where(y > 0, 1.0, -1.0) if loss.name == "log_loss" else y
    rows = np.arange(X.shape[0], dtype=np.intp)
    return Data(X, target, weight, rows, loss, 1, True, None)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("damping", [0.2, 1.0])
def test_a_rotation_whitens_the_curvature(form, damping):
    """R'MR = 1 for the M of the definition, whatever the sizes of the columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4)) * [1e-3, 1.0, 1e3, 10.0]
    weight = rng.uniform(0.0, 2.0, 300)
    weight *= 300 / weight.sum()
    y = rng.choice([-1.0, 1.0], 300)
    data = fit_data(form(X), y, weight, LogLoss())
    statistics = Statistics.of(data, data.fit_intercept_only())
    scaling = FeatureScaling.in_units_of_loss(data, statistics, 1e-4, True, True)
    coef = np.append(rng.normal(size=4) / X.std(axis=0), 0.3)[:, None]
    rotate(scaling, data, statistics, 1e-4, coef, damping)
    p = 1.0 / (1.0 + np.exp(-(X @ coef[:-1, 0] + 0.3)))
    unit = statistics.z_unit[0] ** 2 / statistics.loss_unit[0]
    h = p * (1.0 - p) * unit
    R, M = reference.whiten(X, weight, h, 1e-4 * unit, damping)
    np.testing.assert_allclose(R.T @ M @ R, np.eye(5), atol=1e-6)
    ours = scaling.scale / statistics.z_unit * scaling.rotation[0]
    np.testing.assert_allclose(ours.T @ M @ ours, np.eye(5), atol=1e-6)
    # There and back.
    u = scaling.to_scaled(coef)
    back = scaling.scale * (scaling.rotation[0] @ u)
    back[-1] -= scaling.centre @ back[:-1]
    np.testing.assert_allclose(back, coef, rtol=1e-8)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("damping", [0.01, 1.0])
def test_steps_with_a_rotation_for_softmax_are_stable(damping, shared, monkeypatch):
    """No curvature of F exceeds 1/eta, although rotations leave the classes apart."""
    if shared:
        monkeypatch.setattr("sklgd._fit.feature_scaling.EACH", 0.0)
    rng = np.random.default_rng(0)
    n, d, K, l2 = 400, 3, 3, 1e-4
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) * [1e-2, 1.0, 1e2]
    y = rng.integers(0, K, n)
    rows = np.arange(n, dtype=np.intp)
    data = Data(X, y.astype(float), None, rows, LogLoss(), K, True, None)
    statistics = Statistics.of(data, data.fit_intercept_only())
    settings = Settings.of(GDClassifier(optimizer="sgd", batch_size="full"))
    plan = make_plan(settings, data)
    plan.scaling = FeatureScaling.in_units_of_loss(data, statistics, l2, True, True)
    # Two classes share most rows, far from the third: the blocks' worst case.
    coef = np.zeros((d + 1, K))
    coef[:-1] = rng.normal(size=(d, K)) / X.std(axis=0)[:, None]
    coef[-1, 0] = -6.0
    renew_rotation(plan, settings, data, statistics, l2, coef, damping)
    assert len(plan.scaling.rotation) == (1 if shared or damping == 1.0 else K)
    z = X @ coef[:-1] + coef[-1]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    x = np.column_stack([X - X.mean(axis=0), np.ones(n)])
    hessian = np.zeros((K, d + 1, K, d + 1))
    penalty = l2 * np.diag([*[1.0] * d, 0.0])
    for k in range(K):
        for j in range(K):
            h = p[:, k] * ((k == j) - p[:, j])
            hessian[k, :, j] = x.T @ (h[:, None] * x) / n + (k == j) * penalty
    scaling, seen = plan.scaling, np.empty_like(hessian)
    R = [scaling.rotation[k % len(scaling.rotation)] for k in range(K)]
    for k in range(K):
        for j in range(K):
            block = hessian[k, :, j] * scaling.gradient_scale[:, [k]]
            seen[k, :, j] = R[k].T @ (block * scaling.scale[:, j]) @ R[j]
    largest = np.linalg.eigvals(seen.reshape(K * (d + 1), -1)).real.max()
    assert largest * plan.schedule(1) <= 1.0


def test_batch_sizes_of_named_optimizers():
    """All rows where a rotation makes a step worth an epoch, else some steps."""
    rng = np.random.default_rng(0)

    def chosen(optimizer, n, d, loss, n_outputs=1):
        X = sp.random_array((n, d), density=5 / d, format="csr", rng=rng)
        rows = np.arange(n, dtype=np.intp)
        y = rng.integers(0, 3, n).astype(float)
        data = Data(X, y, None, rows, LOSSES[loss](), n_outputs, True, None)
        settings = Settings.of(GDRegressor(optimizer=optimizer))
        return make_plan(settings, data).batch_size

    assert chosen("momentum", 25_000, 20, "squared_error") == "full"
    assert chosen("adam", 25_600, 20, "squared_error") == 400
    assert chosen("adam", 25_600, 20, "absolute_error") == 128
    assert chosen("adam", 6_400, 2000, "squared_error") == 400
    assert chosen("adam", 100_000, 20, "squared_error") == 1024
    assert chosen("adam", 200, 20, "squared_error") == 8
    assert chosen("momentum", 25_600, 20, "log_loss", 3) == 400
    assert chosen("momentum", 10_000, 20, "log_loss", 3) == "full"


SEVEN = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam"]


@pytest.mark.one_case
@pytest.mark.parametrize("optimizer", SEVEN)
@pytest.mark.parametrize("name", ["iris", "cancer", "wine", "digits", "diabetes"])
def test_named_optimizers_reach_the_optimum(name, optimizer):
    """Within 50 epochs of a fit that may take more."""
    X, y = load(name)
    model = fit_quietly(estimator(name, optimizer=optimizer), X, y)
    null, best = bounds(name)
    assert min(model.loss_curve_[:50]) < best + 0.02 * (null - best)


def test_collinear_columns_cost_no_more_epochs():
    """One whitened step of full batch descent solves least squares, as Newton's."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(200, 3))
    X = np.column_stack([base, base @ rng.normal(size=(3, 3)) + 1e-3 * base])
    y = base @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=200)
    model = fit_quietly(GDRegressor(optimizer="sgd", batch_size="full"), X, y)
    null, best = range_of_objective(X, y, "squared_error")
    assert model.loss_curve_[1] - best < 0.02 * (null - best)


def test_every_kind_of_optimizer_scales_by_the_same_diagonal():
    """1/(gamma var + l2): rules in units of the loss, batch methods, SAGA and SVRG."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)) * [1e-3, 1.0, 1e3, 0.0] + [0.0, 5.0, 0.0, 2.0]
    data = fit_data(X, 40.0 * X[:, 1] + rng.normal(size=200), None, SquaredError())
    statistics = Statistics.of(data, data.fit_intercept_only())
    penalty, gamma = ElasticNet(0.1, 1e-4), statistics.curvature
    expected = 1.0 / (gamma * X.var(axis=0) + penalty.l2) * [1.0, 1.0, 1.0, 0.0]
    batch = FeatureScaling.of(data, statistics, penalty.l2)
    rule = FeatureScaling.in_units_of_loss(data, statistics, penalty.l2, False, True)
    rows, _ = row_preconditioner(data, statistics, gamma, penalty)
    batches, _ = batch_preconditioner(data, statistics, gamma, penalty, 20)
    assert gamma == statistics.loss_unit / statistics.z_unit**2
    for found in (
        batch.scale * batch.gradient_scale,
        rule.scale * rule.gradient_scale,
        rows.sizes,
        batches.sizes,
    ):
        np.testing.assert_allclose(found[:-1, 0], expected, rtol=1e-9)
        np.testing.assert_allclose(found[-1], 1.0 / gamma, rtol=1e-12)
