"""Batch descent ends where exact solvers end: one optimum, whatever the way there.

All learning rates are given, so that the published rules run. Objectives are computed
by the oracle, for our solution and for theirs, and compared.
"""

import numpy as np
import pytest
import reference
from conftest import BATCH_METHODS, make_problem
from scipy.optimize import linprog, minimize
from sklearn import linear_model

from sklgd import GDClassifier, GDRegressor
from sklgd.optimizers import OPTIMIZERS, Nesterov
from sklgd.schedules import Cosine, Linear

N, D = 60, 6
TIGHT = {"tol": 1e-10, "max_iter": 100_000}


def fit_ours(X, y, loss, penalty, alpha, *, eta, params=None, weight=None, **settings):
    params = dict(params or {})
    l1_ratio = params.pop("l1_ratio", 0.15)
    task = reference.LOSSES[loss].task
    settings = {"optimizer": Nesterov(0.9), "max_iter": 3000} | settings
    model = (GDRegressor if task == "regression" else GDClassifier)(
        loss=loss,
        penalty=penalty,
        alpha=alpha,
        l1_ratio=l1_ratio,
        **params,
        learning_rate=eta,
        batch_size="full",
        tol=None,
        **settings,
    ).fit(X, y, sample_weight=weight)

    def objective(coef, intercept):
        return reference.objective(
            X,
            y,
            coef,
            intercept,
            loss=loss,
            loss_params=params,
            penalty=penalty,
            alpha=alpha,
            l1_ratio=l1_ratio,
            sample_weight=weight,
        )

    return model, objective


def assert_optimal(model, objective, coef, intercept, rtol=1e-6):
    best = objective(coef, intercept)
    # The exact solution must be one, or the comparison is worth nothing.
    assert best < objective(0.9 * coef, intercept)
    assert abs(objective(model.coef_, model.intercept_) - best) <= rtol * abs(best)
    # The model's own account of F is the same function.
    assert model.loss_curve_[-1] == pytest.approx(
        objective(model.coef_, model.intercept_), rel=1e-9
    )


# (loss, number of outputs or classes, penalty, alpha, loss parameters, learning rate,
#  scikit-learn's model given alpha and the sum of the weights)
SOLVERS = {
    "ridge": (
        *("squared_error", 1, "l2", 0.1, {}, 0.1),
        lambda a, total: linear_model.Ridge(alpha=a * total),
    ),
    "ridge-3-targets": (
        *("squared_error", 3, "l2", 0.1, {}, 0.1),
        lambda a, total: linear_model.Ridge(alpha=a * total),
    ),
    "least-squares": (
        *("squared_error", 1, None, 0.0, {}, 0.1),
        lambda a, total: linear_model.LinearRegression(),
    ),
    "lasso": (
        *("squared_error", 1, "l1", 0.2, {}, 0.1),
        lambda a, total: linear_model.Lasso(alpha=a, **TIGHT),
    ),
    "elastic-net": (
        *("squared_error", 1, "elasticnet", 0.3, {"l1_ratio": 0.6}, 0.1),
        lambda a, total: linear_model.ElasticNet(alpha=a, l1_ratio=0.6, **TIGHT),
    ),
    "logistic": (
        *("log_loss", 1, "l2", 0.01, {}, 1.0),
        lambda a, total: linear_model.LogisticRegression(C=1 / (a * total), **TIGHT),
    ),
    "multinomial": (
        *("log_loss", 4, "l2", 0.01, {}, 1.0),
        lambda a, total: linear_model.LogisticRegression(C=1 / (a * total), **TIGHT),
    ),
    "poisson": (
        *("poisson", 1, "l2", 0.1, {}, 0.05),
        lambda a, total: linear_model.PoissonRegressor(alpha=a, **TIGHT),
    ),
    "gamma": (
        *("gamma", 1, "l2", 0.1, {}, 0.05),
        lambda a, total: linear_model.GammaRegressor(alpha=a, **TIGHT),
    ),
    "tweedie": (
        *("tweedie", 1, "l2", 0.1, {"power": 1.5}, 0.05),
        lambda a, total: linear_model.TweedieRegressor(
            power=1.5, link="log", alpha=a, **TIGHT
        ),
    ),
    "tweedie-normal": (
        *("tweedie", 1, "l2", 0.1, {"power": 0.0}, 0.01),
        lambda a, total: linear_model.TweedieRegressor(
            power=0, link="log", alpha=a, **TIGHT
        ),
    ),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SOLVERS)
def test_smooth(name, weighted, rng):
    loss, n_outputs, penalty, alpha, params, eta, solver = SOLVERS[name]
    X, y = make_problem(loss, n=N, d=D, n_outputs=n_outputs)
    weight = 0.2 + rng.random(N) if weighted else None
    model, objective = fit_ours(
        X, y, loss, penalty, alpha, eta=eta, params=params, weight=weight
    )
    total = N if weight is None else weight.sum()
    theirs = solver(alpha, total).fit(X, y, sample_weight=weight)
    assert_optimal(model, objective, theirs.coef_, theirs.intercept_)
    if penalty in ("l1", "elasticnet"):
        assert np.array_equal(model.coef_ == 0, theirs.coef_ == 0)
        assert np.any(theirs.coef_ == 0)


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(
    "loss", ["huber", "squared_epsilon_insensitive", "squared_hinge", "modified_huber"]
)
def test_smooth_without_a_twin_in_scikit_learn(loss, n_outputs):
    X, y = make_problem(loss, n=N, d=D, n_outputs=n_outputs)
    model, objective = fit_ours(X, y, loss, "l2", 0.05, eta=0.2)
    start = np.zeros((n_outputs, D + 1))
    best = minimize(
        lambda p: objective(
            p.reshape(start.shape)[:, :-1], p.reshape(start.shape)[:, -1]
        ),
        start.ravel(),
        method="BFGS",
        options={"gtol": 1e-7},
    ).x.reshape(start.shape)
    assert_optimal(model, objective, best[:, :-1], best[:, -1])


def solve_linear_program(X, y, alpha, slopes, offsets):
    """Minimise mean(max over k of slopes_ik (x_i.w + b) + offsets_ik) + alpha |w|_1.

    Variables: w+ and w- (d each), b, and a bound t_i on the loss of every row.
    """
    n, d = X.shape
    cost = np.concatenate([np.full(2 * d, alpha), [0.0], np.full(n, 1 / n)])
    rows, rhs = [], []
    for slope, offset in zip(slopes, offsets, strict=True):
        sX = slope[:, None] * X
        rows.append(np.column_stack([sX, -sX, slope, -np.eye(n)]))
        rhs.append(-offset)
    bounds = [(0, None)] * (2 * d) + [(None, None)] * (1 + n)
    x = linprog(cost, np.vstack(rows), np.concatenate(rhs), bounds=bounds).x
    return x[:d] - x[d : 2 * d], x[2 * d : 2 * d + 1]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("loss", "params"),
    [
        ("hinge", {}),
        ("absolute_error", {}),
        ("quantile", {"quantile": 0.2}),
        ("quantile", {"quantile": 0.9}),
        ("epsilon_insensitive", {"epsilon": 0.3}),
    ],
)
def test_not_smooth(loss, params):
    X, y = make_problem(loss, n=N, d=D)
    alpha, ones, zeros = 0.02, np.ones(N), np.zeros(N)
    if loss == "hinge":
        slopes, offsets = [zeros, 1.0 - 2 * y], [zeros, ones]
    elif loss == "quantile":
        q = params["quantile"]
        slopes, offsets = [-q * ones, (1 - q) * ones], [q * y, (q - 1) * y]
    else:
        e = params.get("epsilon", 0.0)
        slopes, offsets = [zeros, ones, -ones], [zeros, -y - e, y - e]
    coef, intercept = solve_linear_program(X, y, alpha, slopes, offsets)
    model, objective = fit_ours(
        X,
        y,
        loss,
        "l1",
        alpha,
        eta=Linear(0.3),
        params=params,
        optimizer="sgd",
        max_iter=6000,
    )
    assert_optimal(model, objective, coef, intercept, rtol=1e-3)
    if loss == "quantile":
        theirs = linear_model.QuantileRegressor(quantile=q, alpha=alpha).fit(X, y)
        assert_optimal(model, objective, theirs.coef_, theirs.intercept_, rtol=1e-3)


ETA = {"sgd": 0.5, "adagrad": 1.0, "adadelta": 3.0, "rmsprop": 0.05, "ftrl": 1.0}


@pytest.mark.one_case
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize(
    ("optimizer", "decay"),
    # RMSprop and Adadelta circle around the optimum unless their step goes to zero.
    [(name, True) for name in reference.OPTIMIZERS]
    + [(n, False) for n in reference.OPTIMIZERS if n not in ("rmsprop", "adadelta")],
)
def test_one_optimum(optimizer, decay, penalty):
    """Every rule, with a constant step and a decaying one, finds the elastic net."""
    X, y = make_problem(n=N, d=D)
    eta = ETA.get(optimizer, 0.1)
    model, objective = fit_ours(
        X,
        y,
        "squared_error",
        penalty,
        0.2,
        params={"l1_ratio": 0.6},
        eta=Cosine(eta) if decay else eta,
        optimizer=optimizer,
        max_iter=2000,
    )
    if penalty == "l2":
        exact = linear_model.Ridge(alpha=0.2 * N).fit(X, y)
    else:
        l1_ratio = 1.0 if penalty == "l1" else 0.6
        exact = linear_model.ElasticNet(alpha=0.2, l1_ratio=l1_ratio, **TIGHT).fit(X, y)
    assert_optimal(model, objective, exact.coef_, exact.intercept_)
    if penalty != "l2":
        assert np.array_equal(model.coef_ == 0, exact.coef_ == 0)


# Every optimizer with the batches that it can take.
BATCHES = {"online": [1], "saga": [1], "point_saga": [1], "svrg": [1, 32]}
BATCHES |= {name: ["full"] for name in BATCH_METHODS}


@pytest.mark.some_cases
@pytest.mark.parametrize(
    ("optimizer", "batch_size"),
    [(o, b) for o in OPTIMIZERS for b in BATCHES.get(o, ["full", 32, 1])],
)
def test_models_without_an_intercept_reach_the_optimum(optimizer, batch_size):
    """Columns far from zero: nothing is centred where no intercept makes up for it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) + 3.0
    y = (X - 3.0) @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=200)
    model = GDRegressor(
        optimizer=optimizer, batch_size=batch_size, fit_intercept=False, alpha=0.1,
        random_state=0,
    )  # fmt: skip
    model.fit(X, y)
    coef = np.linalg.solve(X.T @ X / 200 + 0.1 * np.eye(3), X.T @ y / 200)

    def F(w):
        return 0.5 * np.mean((X @ w - y) ** 2) + 0.05 * w @ w

    assert model.intercept_ == 0.0
    assert F(model.coef_) - F(coef) < 2e-3 * (F(np.zeros(3)) - F(coef))


@pytest.mark.some_cases
@pytest.mark.parametrize("power", [0.0, 1.5, 3.0])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_tweedie_of_any_power_reaches_the_optimum(optimizer, power):
    """The loss of powers outside [1, 2] is not convex, so its Hessian may be negative.

    Then a step of Point-SAGA, which minimises the loss of one row, has several
    solutions, and the run ends near the optimum only.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) * [1.0, 3.0, 0.5]
    y = np.exp(0.4 * X[:, 0] + 0.1 * X[:, 1]) * rng.gamma(4.0, 0.25, size=200) + 0.1
    settings = {"power": power, "alpha": 0.01, "random_state": 0}
    best = GDRegressor("tweedie", optimizer="lbfgs", tol=1e-10, **settings).fit(X, y)
    model = GDRegressor("tweedie", optimizer=optimizer, **settings).fit(X, y)
    null = GDRegressor("tweedie", alpha=1e9, power=power).fit(X, y).loss_curve_[-1]
    least = best.loss_curve_[-1]
    assert model.loss_curve_[-1] - least < 0.1 * (null - least)
