"""Newton, L-BFGS and FISTA: step by step, at the optimum, and what the gap says."""

import functools
import pickle
import re
import warnings

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from conftest import BATCH_METHODS, make_problem, objective, takes
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog, minimize
from sklearn import datasets, linear_model
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from test_optimum import SOLVERS, N, assert_optimal, fit_ours

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.data import Data
from sklgd._fit.feature_scaling import FeatureScaling
from sklgd._fit.plan import Plan
from sklgd._fit.state import State
from sklgd._fit.statistics import Statistics
from sklgd._solvers import head_start, newton, truncated
from sklgd.kernels._coordinate import l1_step
from sklgd.kernels._problem import Problem
from sklgd.kernels._rows import Rows
from sklgd.losses import LOSSES
from sklgd.optimizers import FISTA, LBFGS, Newton
from sklgd.penalties import ElasticNet

PENALTIES = ["l2", "l1", "elasticnet", None]
SMOOTH = [name for name, cls in LOSSES.items() if cls.smooth]
# Where F is zero at w = 0, its minimum, there is nothing to compare.
NON_SMOOTH = [n for n, c in LOSSES.items() if not (c.smooth or c.degenerate)]
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


JOBS = [(m, p) for m in BATCH_METHODS for p in PENALTIES if takes(m, p)]


def estimator(loss, **settings):
    cls = GDRegressor if LOSSES[loss].task == "regression" else GDClassifier
    return cls(loss, **{"random_state": 0} | settings)


def raw(X):
    """Columns of very different sizes, far from the origin."""
    return X * np.logspace(-2, 2, X.shape[1]) + [3.0, 0.0, -50.0, 1.0, 0.0, 2e3]


# ------------------------------------------------------------------- the coordinates


def in_coordinates(model, X, y, weight=None):
    """The oracle's F in the coordinates of a model's run."""
    loss = LOSSES[model.loss]
    params = [getattr(model, name) for name in loss.params]
    K = 1 if model.coef_.ndim == 1 else len(model.coef_)
    target = np.asarray(y, dtype=float)
    if loss.task == "classification" and K == 1:
        target = 2.0 * target - 1.0
    s = None if weight is None else weight * (len(weight) / weight.sum())
    data = Data(
        np.ascontiguousarray(X, dtype=float), np.ascontiguousarray(target), s,
        np.arange(len(X), dtype=np.intp), loss(*params), K, model.fit_intercept, None,
    )  # fmt: skip
    _, l2 = reference.penalty_strengths(model.penalty, model._alpha(), model.l1_ratio)
    null = data.fit_intercept_only()
    u = FeatureScaling.of(data, Statistics.of(data, null), l2)
    F = reference.Objective(
        X, y, loss=model.loss, penalty=model.penalty, alpha=model._alpha(),
        loss_params=dict(zip(loss.params, params, strict=True)),
        l1_ratio=model.l1_ratio, sample_weight=weight,
        fit_intercept=model.fit_intercept, centre=u.centre, scale=u.scale,
    )  # fmt: skip
    start = np.zeros_like(u.scale)
    if model.fit_intercept:
        if loss.task == "classification":
            null = np.clip(null, -3.0, 3.0)
        start[-1] = null / u.scale[-1]
    return F, start


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_coordinates(fit_intercept, rng):
    """There and back, the gradient by differences, and size one of every feature."""
    X, y = make_problem("log_loss", n_outputs=3)
    X = raw(X)
    model = estimator("log_loss", max_iter=1, fit_intercept=fit_intercept, tol=None)
    F, _ = in_coordinates(model.fit(X, y), X, y)
    mine = FeatureScaling(F.centre, F.scale, F.scale)
    u = rng.normal(size=F.scale.shape) * (1.0 if fit_intercept else [[1.0]] * 6 + [[0]])
    coef, intercept = F.to_raw(u)
    assert_allclose(mine.to_raw(u), np.vstack([coef.T, intercept]), rtol=1e-12)
    assert_allclose(mine.to_scaled(mine.to_raw(u)), u, rtol=1e-6, atol=1e-9)
    assert_allclose(F.to_position(coef, intercept), u, rtol=1e-6, atol=1e-9)
    plain = reference.Objective(
        X, y, loss="log_loss", penalty=None, fit_intercept=fit_intercept
    )
    raw_gradient = plain.gradient(mine.to_raw(u))
    gradient = mine.gradient(2.0 * raw_gradient, 2.0, F.l2, u)
    assert_allclose(gradient, F.gradient(u), atol=1e-9)
    # Curvature one of every feature, the penalty's included.
    square = np.einsum("ijk,ijk->jk", F.A, F.A) / len(X)
    gamma, l2 = 1.0 / F.scale[-1] ** 2, 1e-4 * F.scale[:-1] ** 2
    assert_allclose((gamma * square)[:-1] + l2, 1.0, rtol=1e-9)


def test_the_oracles_derivatives(rng):
    """Of every smooth loss, against differences."""
    for loss in SMOOTH:
        for K in (1, 3):
            X, y = make_problem(loss, n_outputs=K)
            F = reference.Objective(X, y, loss=loss, alpha=0.1)
            u, p = 0.2 * rng.normal(size=(2, X.shape[1] + 1, K))
            step = 1e-6
            ahead, behind = (F.smooth(u + t * p) for t in (step, -step))
            assert np.vdot(F.gradient(u), p) == pytest.approx(
                (ahead - behind) / (2 * step), rel=1e-4, abs=1e-7
            )
            # Where no row is within a step of a jump of the slope.
            ahead, behind = (F.gradient(u + t * p) for t in (step, -step))
            Hp = np.einsum("jkml,ml->jk", F.hessian(u), p)
            assert_allclose(Hp, (ahead - behind) / (2 * step), rtol=1e-3, atol=1e-4)


# ------------------------------------------------------------------------ step by step


def path(model, F, X, y, n_steps, weight=None):
    """Points after 0, 1, ..., n_steps epochs, in the coordinates of F."""
    points = []
    for n in range(1, n_steps + 1):
        model.set_params(max_iter=n, tol=None).fit(X, y, sample_weight=weight)
        points.append(F.to_position(model.coef_, model.intercept_))
    return points


@pytest.mark.parametrize(
    ("loss", "n_outputs"),
    [("log_loss", 1), ("log_loss", 3), ("poisson", 1), ("huber", 1)],
)
@pytest.mark.parametrize("memory", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_lbfgs_step_by_step(loss, n_outputs, memory, weighted, rng):
    """Every step is along the two-loop recursion's, to where the slope is half."""
    X, y = make_problem(loss, n_outputs=n_outputs)
    X, weight = raw(X), rng.uniform(0.2, 2.0, len(X)) if weighted else None
    model = estimator(loss, optimizer=LBFGS(memory), alpha=0.01)
    model.set_params(max_iter=1, tol=None).fit(X, y, sample_weight=weight)
    F, u = in_coordinates(model, X, y, weight)
    pairs = []
    for new in path(model, F, X, y, 6, weight):
        g = F.gradient(u)
        p = -reference.two_loop(pairs[-memory:], g)
        if F.coupled:  # a number added to all classes changes nothing
            p -= p.mean(axis=1, keepdims=True)
        step = new - u
        t = np.vdot(step, p) / np.vdot(p, p)
        assert t > 0.0
        assert_allclose(step, t * p, atol=1e-6 * np.abs(step).max())
        slope = np.vdot(F.gradient(new), p)
        assert abs(slope) <= 0.51 * abs(np.vdot(g, p))
        assert F.value(new) < F.value(u)
        pairs.append((step, F.gradient(new) - g))
        u = new


@pytest.mark.one_case
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(
    ("loss", "n_outputs"),
    [("squared_error", 1), ("squared_error", 2), ("log_loss", 3), ("poisson", 1)],
)
def test_fista_step_by_step(loss, n_outputs, penalty):
    X, y = make_problem(loss, n_outputs=n_outputs)
    X = raw(X)
    model = estimator(loss, optimizer="fista", penalty=penalty, alpha=0.02)
    model.set_params(max_iter=1, tol=None).fit(X, y)
    F, start = in_coordinates(model, X, y)
    for n in (1, 2, 5, 20):
        model.set_params(max_iter=n, tol=None).fit(X, y)
        u = reference.fista(F, start, n)
        coef, intercept = F.to_raw(u)
        if loss == "log_loss" and n_outputs > 1:
            # (The intercepts of softmax are centred at the end.)
            intercept = intercept - intercept.mean()
        assert reference.distance(model.coef_, coef) < 1e-7
        assert_allclose(np.ravel(model.intercept_), intercept, rtol=1e-6, atol=1e-9)
        assert model.loss_curve_[-1] == pytest.approx(F.value(u), rel=1e-10)
    if penalty == "l1":
        assert_array_equal(model.coef_ == 0, coef.reshape(model.coef_.shape) == 0)


@pytest.mark.parametrize(
    ("loss", "n_outputs"), [("log_loss", 1), ("log_loss", 3), ("poisson", 1)]
)
def test_newton_is_newton_at_the_end(loss, n_outputs):
    """The last step squares the error: the metric has become the Hessian."""
    X, y = make_problem(loss, n=60, n_outputs=n_outputs)
    X = raw(X)
    model = estimator(loss, optimizer=Newton(memory=0), alpha=0.05)
    model.set_params(tol=1e-14).fit(X, y)
    F, start = in_coordinates(model, X, y)
    best = F.value(reference.newton(F, start))
    excess = np.array(model.loss_curve_) - best
    assert abs(excess[-1]) < 1e-13 * (F.value(start) - best) + 1e-15
    assert len(excess) < 15


def test_squared_error_is_solved_in_one_step():
    X, y = make_problem(n_outputs=2)
    X = raw(X)
    model = GDRegressor(optimizer="newton", alpha=0.1, tol=1e-10).fit(X, y)
    ridge = linear_model.Ridge(alpha=0.1 * len(X), solver="svd").fit(X, y)
    assert model.n_iter_ == 1
    assert_allclose(model.predict(X), ridge.predict(X), rtol=1e-9)


@pytest.mark.one_case
@pytest.mark.parametrize("rank", [3, 8, 30])
def test_coordinate_descent(rank, rng):
    """The step with the l1 penalty: its optimality conditions, and the twin."""
    d = 12
    A = rng.normal(size=(rank, d)) * 10.0 ** rng.uniform(-1, 1, d)
    A[:, 4] = 0.0  # a coordinate without curvature stays where it is
    B, u = A.T @ A, rng.normal(size=d) * (rng.random(d) < 0.6)
    g, l1 = A.T @ rng.normal(size=rank), rng.uniform(0.0, 3.0, d)
    l1[0] = 0.0
    p, Bp = np.zeros(d), np.zeros(d)
    sweeps = l1_step(B, g, u, l1, p, Bp, 1e-24, 20_000)
    assert 0 < sweeps <= 20_000 and p[4] == 0.0
    assert_allclose(Bp, B @ p, atol=1e-9 * np.abs(B @ p).max())
    slope, v = g + B @ p, u + p
    free = np.arange(d) != 4
    size = np.abs(g).max()
    on = free & (v != 0.0)
    assert_allclose(slope[on], -l1[on] * np.sign(v[on]), atol=1e-6 * size)
    assert (np.abs(slope[free]) <= l1[free] + 1e-6 * size).all()

    def model(p):
        return g @ p + 0.5 * p @ B @ p + l1 @ np.abs(u + p)

    assert model(p) == pytest.approx(model(reference.l1_model(B, g, u, l1)), rel=1e-7)
    # No point nearby is better.
    for _ in range(200):
        nearby = p + 10.0 ** rng.uniform(-4, 0) * rng.normal(size=d) * free
        assert model(p) <= model(nearby) + 1e-9 * abs(model(p))
    # Few sweeps end early, and have gained something by then.
    short = np.zeros(d)
    assert l1_step(B, g, u, l1, short, np.zeros(d), 1e-24, 1) == 1
    assert model(p) < model(short) < model(np.zeros(d))


# --------------------------------------------------------------------- Problem's parts


@pytest.mark.parametrize("form", ["dense", "csr", "float32", "csr32"])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("part", [False, True])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "hinge"])
def test_margins_line_and_gradient(form, n_outputs, part, loss, rng):
    X, y = make_problem(loss, n=700, d=9, n_outputs=n_outputs)
    X = X.astype(np.float32).astype(float)  # the same numbers in each form
    narrow = X.astype(np.float32) if "32" in form else X
    rows = Rows(sp.csr_matrix(narrow) if "csr" in form else narrow)
    target, K = reference._targets(y, loss)
    s = rng.uniform(0.0, 2.0, len(X))
    subset = np.sort(rng.permutation(700)[:450]).astype(np.intp) if part else None
    take = slice(None) if subset is None else subset
    problem = Problem(
        rows, np.ascontiguousarray(target, dtype=float), s, LOSSES[loss](), K, True,
        subset,
    )  # fmt: skip
    n = problem.n_samples
    coef, direction = rng.normal(size=(2, 10, K))
    z, p = np.empty((n, K)), np.empty((n, K))
    problem.raw_predictions(coef, z)
    problem.raw_predictions(direction, p)
    X1 = np.column_stack([X, np.ones(len(X))])[take]
    assert_allclose(z, X1 @ coef, rtol=1e-10, atol=1e-10)
    t = rng.uniform(0.1, 2.0, K)
    slopes, derivative = np.empty((n, K)), np.empty(K)
    value = problem.line(LOSSES[loss](), z, p, t, slopes, derivative)
    losses, dz = reference.LOSSES[loss].evaluate(target[take], z + t * p)
    assert value == pytest.approx(np.mean(s[take] * losses), rel=1e-12)
    assert_allclose(slopes, s[take, None] * dz, rtol=1e-9, atol=1e-12)
    assert_allclose(derivative, np.mean(slopes * p, axis=0), rtol=1e-9, atol=1e-12)
    gradient = np.empty((10, K))
    problem.gradient(slopes, gradient)
    assert_allclose(gradient, X1.T @ slopes / n, rtol=1e-9, atol=1e-11)
    with pytest.raises(ValueError, match="expected a float64 array"):
        problem.line(LOSSES[loss](), z[1:], p, t, slopes, derivative)
    with pytest.raises(ValueError, match="expected a float64 array"):
        problem.raw_predictions(coef[1:], z)


# ------------------------------------------------------------------------- one optimum


@pytest.mark.some_cases
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "method"),
    [
        (name, m)
        for name, job in SOLVERS.items()
        for m in BATCH_METHODS
        # (exp(z) with a squared loss is not convex and has several minima.)
        if takes(m, job[2]) and name != "tweedie-normal"
    ],
)
def test_scikit_learns_optimum(name, method, weighted, rng):
    loss, n_outputs, penalty, alpha, params, _, solver = SOLVERS[name]
    X, y = make_problem(loss, n=N, d=6, n_outputs=n_outputs)
    weight = 0.2 + rng.random(N) if weighted else None
    model, F = fit_ours(
        X, y, loss, penalty, alpha, eta="auto", params=params, weight=weight,
        optimizer=method, max_iter={"newton": 25, "lbfgs": 100}.get(method, 500),
    )  # fmt: skip
    total = N if weight is None else weight.sum()
    theirs = solver(alpha, total).fit(X, y, sample_weight=weight)
    assert_optimal(model, F, theirs.coef_, theirs.intercept_)
    if penalty in ("l1", "elasticnet"):
        assert_array_equal(model.coef_ == 0, theirs.coef_ == 0)
        assert np.any(theirs.coef_ == 0)


def smooth_optimum(F):
    """F* of a smooth loss: Newton's method, or with l1 L-BFGS-B on w+ and w-."""
    shape = F.scale.shape
    if not F.l1.any():
        return F.value(reference.newton(F, np.zeros(shape)))

    def fun(v):
        plus, minus = v.reshape(2, *shape)
        g = F.gradient(plus - minus)
        value = F.smooth(plus - minus) + np.sum(F.l1 * (plus + minus))
        return value, np.stack([g + F.l1, F.l1 - g]).ravel()

    found = minimize(
        fun, np.zeros(2 * F.scale.size), jac=True, method="L-BFGS-B",
        bounds=[(0.0, None)] * (2 * F.scale.size),
        options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-10},
    )  # fmt: skip
    return found.fun


def kinked_optimum(X, lines, l1, l2, s):
    """F* of mean s max_k (slope_k z + offset_k) + penalty, as a quadratic program.

    In w+ and w-, the intercept and a bound t_i on the loss of every row.
    """
    n, d = X.shape
    cost = np.concatenate([np.full(2 * d, l1), [0.0], s / s.sum()])
    A = np.vstack(
        [
            np.column_stack([-a[:, None] * X, a[:, None] * X, -a, np.eye(n)])
            for a, _ in lines
        ]
    )
    b = np.concatenate([offset for _, offset in lines])
    bounds = [(0.0, None)] * (2 * d) + [(None, None)] * (1 + n)
    # A vertex to start from; without an l2 penalty it is the solution.
    tie = np.concatenate([np.full(2 * d, 1e-3 * (l2 > 0.0)), np.zeros(n + 1)])
    vertex = linprog(cost + tie, -A, -b, bounds=bounds)
    if l2 == 0.0:
        return vertex.fun

    def fun(x):
        w = x[:d] - x[d : 2 * d]
        g = cost + l2 * np.concatenate([w, -w, np.zeros(n + 1)])
        return cost @ x + 0.5 * l2 * w @ w, g

    rows = {"type": "ineq", "fun": lambda x: A @ x - b, "jac": lambda x: A}
    found = minimize(
        fun, vertex.x, jac=True, method="SLSQP", bounds=bounds, constraints=rows,
        options={"maxiter": 500, "ftol": 1e-13},
    )  # fmt: skip
    assert found.success
    return found.fun


def lines_of(loss, y, params):
    """(slope, offset) of the pieces of a loss made of lines, for one output."""
    one = np.ones(len(y))
    if loss == "hinge":
        sign = 2.0 * y - 1.0
        return [(0.0 * one, 0.0 * one), (-sign, one)]
    if loss == "quantile":
        q = params["quantile"]
        return [(-q * one, q * y), ((1.0 - q) * one, (q - 1.0) * y)]
    e = params.get("epsilon", 0.0)
    return [(0.0 * one, 0.0 * one), (one, -y - e), (-one, y - e)]


PARAMS = {
    "huber": {"epsilon": 0.3},
    "epsilon_insensitive": {"epsilon": 0.3},
    "squared_epsilon_insensitive": {"epsilon": 0.3},
    "quantile": {"quantile": 0.3},
    "tweedie": {"power": 1.5},
}


@functools.cache
def truth(loss, penalty, n_outputs):
    """Data, weights, F of the best constant model, and F*."""
    X, y = make_problem(loss, n=N if loss in SMOOTH else 40, n_outputs=n_outputs)
    s = np.random.default_rng(1).uniform(0.2, 2.0, len(X))
    params = PARAMS.get(loss, {})
    values = []
    for columns in (0.0, 1.0):
        if loss in SMOOTH:
            F = reference.Objective(
                X * columns, y, loss=loss, loss_params=params, penalty=penalty,
                alpha=0.02, l1_ratio=0.5, sample_weight=s,
            )  # fmt: skip
            values.append(smooth_optimum(F))
            continue
        l1, l2 = reference.penalty_strengths(penalty, 0.02, 0.5)
        if n_outputs == 1:
            targets = [y]
        elif LOSSES[loss].task == "regression":
            targets = list(y.T)
        else:
            targets = [1.0 * (y == k) for k in range(n_outputs)]
        values.append(
            sum(
                kinked_optimum(X * columns, lines_of(loss, t, params), l1, l2, s)
                for t in targets
            )
        )
    return X, y, s, *values


@pytest.mark.some_cases
@quiet
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(("method", "penalty"), JOBS)
@pytest.mark.parametrize("loss", SMOOTH)
def test_optimum_of_smooth_losses(loss, method, penalty, n_outputs):
    X, y, s, null, best = truth(loss, penalty, n_outputs)
    assert best < null - 1e-3
    settings = {"penalty": penalty, "alpha": 0.02, "l1_ratio": 0.5, "max_iter": 5000}
    settings |= PARAMS.get(loss, {}) | {"optimizer": method, "tol": 1e-6}
    forms = [np.asarray, sp.csr_matrix, lambda X: X.astype(np.float32)]
    for form, most in zip(forms, (4e-6, 4e-6, 1e-5), strict=True):
        model = estimator(loss, **settings).fit(form(X), y, sample_weight=s)
        gap = (objective(model, X, y, weight=s) - best) / (null - best)
        assert -1e-7 < gap < most
        assert model.stop_reason_ == "converged"
        assert model.optimality_gap_ <= 1e-6


@pytest.mark.exhaustive
@quiet
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(("method", "penalty"), JOBS)
@pytest.mark.parametrize("loss", NON_SMOOTH)
def test_optimum_of_non_smooth_losses(loss, method, penalty, n_outputs):
    X, y, s, null, best = truth(loss, penalty, n_outputs)
    settings = {"penalty": penalty, "alpha": 0.02, "l1_ratio": 0.5, "max_iter": 5000}
    settings |= PARAMS.get(loss, {}) | {"optimizer": method, "tol": 1e-4}
    # Without a penalty and where there is no curvature, FISTA takes long.
    slow = method == "fista" and penalty is None
    if slow:
        settings["max_iter"] = 1000
    for form in (np.asarray, sp.csr_matrix):
        model = estimator(loss, **settings).fit(form(X), y, sample_weight=s)
        gap = (objective(model, X, y, weight=s) - best) / (null - best)
        assert -1e-6 < gap < (5e-2 if slow else 5e-3)
        assert slow or model.stop_reason_ == "converged"


@quiet
@pytest.mark.parametrize(("method", "penalty"), JOBS)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "quantile"])
def test_rows_held_out_do_not_count(loss, method, penalty):
    """The run on a part of the rows is the run on those rows alone."""
    X, y = make_problem(loss, n=90)
    s = np.random.default_rng(0).uniform(0.5, 2.0, 90)
    settings = {"optimizer": method, "penalty": penalty, "alpha": 0.02}
    model = estimator(loss, early_stopping=True, validation_fraction=0.3, **settings)
    model.set_params(tol=None, max_iter=5).fit(X, y, sample_weight=s)
    rows, held_out = model._hold_out(y)
    alone = clone(model).fit(
        X[rows], y[rows], s[rows], X_val=X[held_out], y_val=y[held_out],
        sample_weight_val=s[held_out],
    )  # fmt: skip
    assert_allclose(model.coef_, alone.coef_, rtol=1e-6, atol=1e-10)
    assert_allclose(model.loss_curve_, alone.loss_curve_, rtol=1e-9)


# ------------------------------------------------------------- the gap that is reported

SETS = {
    "cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "diabetes": functools.partial(datasets.load_diabetes, scaled=False),
    "linnerud": datasets.load_linnerud,
}


@functools.cache
def bundled(name):
    """Raw data, the default loss, F of the best constant model, and F*."""
    X, y = SETS[name](return_X_y=True)
    rows = slice(None, None, 8 if name == "digits" else 1)
    X, y = X[rows].astype(float), y[rows]
    loss = "squared_error" if y.dtype.kind == "f" else "log_loss"
    model = estimator(loss, max_iter=1, tol=None).fit(X, y)
    F, start = in_coordinates(model, X, y)
    return X, y, loss, F.value(start), F.value(reference.newton(F, start))


@pytest.mark.exhaustive
@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("method", ["newton", "lbfgs"])
@pytest.mark.parametrize("name", SETS)
def test_gap_is_calibrated(name, method, tol):
    """Between 0.3 and 3 times the truth or a bound, and no larger than tol.

    The estimate is that of the point from which the last step starts.
    """
    X, y, loss, null, best = bundled(name)
    model = estimator(loss, optimizer=method, tol=tol, max_iter=5000).fit(X, y)
    assert model.stop_reason_ == "converged"
    assert 0.0 <= model.optimality_gap_ <= tol
    gap = (objective(model, X, y) - best) / (null - best)
    # Far below tol neither matters any more: a step of Newton's may be exact, and an
    # end that has to be sure errs on that side.
    if model.optimality_gap_is_bound_:
        assert gap <= model.optimality_gap_
        return
    assert gap <= 3.0 * max(model.optimality_gap_, 0.05 * tol)
    before = max(gap, (model.loss_curve_[-2:][0] - best) / (null - best))
    assert model.optimality_gap_ <= max(before / 0.3, 0.25 * tol)


@pytest.mark.one_case
@pytest.mark.parametrize("tol", [1e-2, 1e-4])
@pytest.mark.parametrize("name", ["cancer", "wine", "diabetes"])
def test_gap_with_an_l1_penalty(name, tol):
    """Never much too small, whichever method is asked."""
    X, y, loss, null, _ = bundled(name)
    values = {}
    for method in ("newton", "fista"):
        model = estimator(loss, optimizer=method, penalty="l1", alpha=0.01)
        tight = clone(model).set_params(tol=1e-9, max_iter=20_000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            values[method] = objective(tight.fit(X, y), X, y)
    best = min(values.values())
    assert max(values.values()) - best < 1e-5 * (null - best)
    for method in values:
        model = estimator(loss, optimizer=method, penalty="l1", alpha=0.01)
        model.set_params(tol=tol, max_iter=20_000).fit(X, y)
        assert model.optimality_gap_ <= tol
        gap = (objective(model, X, y) - best) / (null - best)
        assert gap < 10.0 * max(model.optimality_gap_, 0.1 * tol)


# --------------------------------------------------------------------- any raw data


@pytest.mark.one_case
@pytest.mark.parametrize("method", BATCH_METHODS)
@pytest.mark.parametrize("name", ["cancer", "wine", "diabetes", "linnerud"])
def test_units_of_the_columns(name, method, rng):
    """X * c + m leaves the predictions as they are, without a penalty."""
    X, y, loss, *_ = bundled(name)
    model = estimator(loss, optimizer=method, alpha=0.0, max_iter=60, tol=None).fit(
        X, y
    )
    c = 10.0 ** rng.uniform(-6, 6, X.shape[1])
    m = c * X.std(axis=0) * rng.normal(size=X.shape[1]) * 10.0
    other = clone(model).fit(X * c + m, y)
    ask = "predict" if loss == "squared_error" else "predict_proba"
    a, b = getattr(model, ask)(X), getattr(other, ask)(X * c + m)
    assert_allclose(a, b, atol=1e-3 * np.std(a, axis=0).max())


@pytest.mark.exhaustive
@quiet
@pytest.mark.parametrize("kind", ["sizes", "repeated", "outliers"])
@pytest.mark.parametrize(("method", "penalty"), JOBS)
@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_no_divergence(name, method, penalty, kind, rng):
    X, y, loss, *_ = bundled(name)
    if kind == "sizes":
        X = X * 10.0 ** rng.uniform(-6, 6, X.shape[1])
    elif kind == "repeated":
        X = np.column_stack([X, X, X @ rng.normal(size=X.shape[1]), 0 * X, 0 * X + 1e5])
    else:
        X = X.copy()
        X[rng.integers(0, len(X), 3), rng.integers(0, X.shape[1], 3)] *= 1e4
    non_smooth = "hinge" if loss == "log_loss" else "absolute_error"
    # Smooth losses have dense classes and sparse numbers, others the reverse.
    forms = [np.asarray, sp.csr_matrix][:: 1 if name == "iris" else -1]
    for each, form in zip((loss, non_smooth), forms, strict=True):
        model = estimator(each, optimizer=method, penalty=penalty, max_iter=200)
        model.fit(form(X), y)
        assert model.stop_reason_ in ("converged", "max_iter")
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.loss_curve_).all()
        constant = clone(model).fit(0.0 * X, y)
        assert model.loss_curve_[-1] <= constant.loss_curve_[-1] * (1 + 1e-9)


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", BATCH_METHODS)
@pytest.mark.parametrize("loss", ["quantile", "hinge"])
def test_a_run_beyond_all_accuracy(loss, method):
    """A barrier that has shrunk to nothing divides by nothing."""
    X, y = make_problem(loss)
    model = estimator(loss, optimizer=method, tol=None, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    assert np.isfinite(model.loss_curve_).all() and np.isfinite(model.coef_).all()
    assert model.stop_reason_ == "max_iter"


# ----------------------------------------------------------------------- the interface


@pytest.mark.parametrize("method", BATCH_METHODS)
def test_what_is_refused(method):
    X, y = make_problem()
    refused = {
        "average=True": {"average": True},
        "average=10": {"average": 10},
        "batch_size=32": {"batch_size": 32},
        "batch_size=1 ": {"batch_size": 1},
    }
    for words, settings in refused.items():
        model = GDRegressor(optimizer=method, **settings)
        with pytest.raises(ValueError, match=words) as caught:
            model.fit(X, y)
        assert method in str(caught.value) and "Use " in str(caught.value)
        assert not hasattr(model, "coef_")
    model = GDRegressor(optimizer=method)
    assert not hasattr(model, "partial_fit")
    assert not hasattr(model.fit(X, y), "partial_fit")
    for penalty in ("l1", "elasticnet"):
        model = GDRegressor(optimizer=method, penalty=penalty)
        if takes(method, penalty):
            model.fit(X, y)
        else:
            with pytest.raises(ValueError, match=f"penalty='{penalty}'.*{method}"):
                model.fit(X, y)
            # Without strength there is nothing to refuse.
            model.set_params(alpha=0.0).fit(X, y)
            model.set_params(penalty="elasticnet", alpha=0.1, l1_ratio=0.0).fit(X, y)
    with pytest.raises(ValueError, match="memory"):
        GDRegressor(optimizer=Newton(memory=-1)).fit(X, y)


def test_what_auto_is():
    """Over all rows Newton's, L-BFGS's for wide data, FISTA's for wide data with l1."""
    rng = np.random.default_rng(0)
    X, y = make_problem("log_loss")
    # (Columns without entries would not count.)
    wide = sp.csr_array(
        (rng.normal(size=3500), rng.permutation(3500), 100 * np.arange(36))
    )
    y_wide = np.arange(35) % 2
    chosen = {
        (): Newton,
        ("penalty", "l1"): Newton,
        ("batch_size", "full"): Newton,
    }
    for settings, cls in chosen.items():
        model = GDClassifier(**dict([settings] if settings else [])).fit(X, y)
        assert type(model.optimizer_) is cls and model.batch_size_ == "full"
    quick = {"max_iter": 3, "tol": None}
    assert type(GDClassifier(**quick).fit(wide, y_wide).optimizer_) is LBFGS
    model = GDClassifier(penalty="l1", **quick).fit(wide, y_wide)
    assert type(model.optimizer_) is FISTA
    X, y = make_problem("log_loss", n_outputs=3)
    assert type(GDClassifier(penalty="l1").fit(X, y).optimizer_) is Newton


@pytest.mark.parametrize("method", BATCH_METHODS)
@pytest.mark.parametrize("loss", ["log_loss", "absolute_error"])
def test_after_a_fit(method, loss):
    """Pickles, warm starts, given starts, warnings."""
    X, y = make_problem(loss, n=80)
    X = raw(X)
    model = estimator(loss, optimizer=method, warm_start=True, tol=1e-5, max_iter=3000)
    model.fit(X, y)
    first, cold = model.loss_curve_, clone(model).set_params(max_iter=1, tol=None)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict(X), model.predict(X))
    assert copy.optimality_gap_ == model.optimality_gap_ <= 1e-5
    assert_array_equal(copy.fit(X, y).coef_, model.fit(X, y).coef_)
    if LOSSES[loss].smooth:
        # At the optimum already.
        assert model.n_iter_ < len(first)
        assert model.loss_curve_[-1] <= first[-1] * (1 + 1e-9)
        given = clone(cold).fit(
            X, y, coef_init=model.coef_, intercept_init=model.intercept_
        )
        assert given.loss_curve_[-1] <= first[-1] * (1 + 1e-9)
        assert given.loss_curve_[-1] < cold.fit(X, y).loss_curve_[-1]
    short = clone(model).set_params(max_iter=1)
    with pytest.warns(ConvergenceWarning, match="stopped at max_iter"):
        short.fit(X, y)
    text = short.diagnosis_["text"]
    assert re.search(r"max_iter=1 .*optimality gap.*1e-05", text)


@pytest.mark.parametrize("method", BATCH_METHODS)
def test_verbose(method, caplog):
    X, y = make_problem("log_loss")
    model = GDClassifier(optimizer=method, verbose=1, max_iter=3, tol=None)
    with caplog.at_level("INFO", logger="sklgd"):
        model.fit(X, y)
    *epochs, end = [r.getMessage().split(":")[0] for r in caplog.records]
    assert epochs == [f"epoch {k}" for k in (1, 2, 3)]
    assert end.startswith("stopped after 3 epoch(s)")
    assert len(model.loss_curve_) == 3 and (np.diff(model.loss_curve_) <= 0.0).all()


def test_parameters_of_the_methods():
    model = GDClassifier(optimizer=LBFGS(memory=7))
    assert clone(model).optimizer.memory == 7
    assert model.set_params(optimizer__memory=2).optimizer.memory == 2
    assert (repr(LBFGS(memory=7)), repr(Newton())) == ("LBFGS(memory=7)", "Newton()")


# --------------------------------------------------------------------- the rehearsal


def many_rows(n_classes=2, n=12_000, d=5):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, d)) * np.logspace(-2, 2, d)
    z = (X / X.std(axis=0)) @ rng.normal(size=(d, n_classes)) + 0.5
    return X, np.argmax(z + rng.gumbel(size=z.shape), axis=1)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_few_rows_first(n_classes):
    X, y = many_rows(n_classes)
    model = GDClassifier().fit(X, y)
    exact = GDClassifier(tol=1e-12).fit(X, y)
    assert objective(model, X, y) - objective(exact, X, y) < 1e-4
    # From the constant model on it takes more steps.
    cold = GDClassifier().fit(X, y, coef_init=np.full_like(model.coef_, 1e-300))
    assert model.n_iter_ < cold.n_iter_


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_rows_that_lead_astray(storage, monkeypatch):
    # The rows of the rehearsal, and they alone, say the opposite of the others.
    X, y = many_rows()
    m = head_start.LEAST_ROWS
    y[:: len(y) // m] = 1 - y[:: len(y) // m]
    model = GDClassifier().fit(storage(X), y)
    exact = GDClassifier(tol=1e-12).fit(X, y)
    assert objective(model, X, y) - objective(exact, X, y) < 1e-4
    # They are forgotten: the run is the one without them.
    monkeypatch.setattr(newton, "prepare", lambda *args: False)
    cold = GDClassifier().fit(storage(X), y)
    assert_allclose(model.loss_curve_, cold.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize(("effect", "used"), [(0.3, True), (0.02, False)])
def test_few_rows_that_show_no_effect_are_no_start(effect, used, monkeypatch):
    """Their optimum is then worse than the constant model."""
    rng = np.random.default_rng(5)
    n = head_start.WORTH * head_start.LEAST_ROWS
    X = rng.normal(size=(n, 12))
    y = rng.poisson(np.exp(effect * X[:, 0] - 1.0)).astype(float)
    results, original = [], head_start.fit_subsample
    monkeypatch.setattr(
        head_start,
        "fit_subsample",
        lambda *args: results.append(original(*args)) or results[-1],
    )
    GDRegressor("poisson").fit(X, y)
    assert results == [used]


# ------------------------------------------------------------- the stochastic passes


def documents(n_classes=2, n=1200, d=400, seed=0):
    """Rows of unit length with ten of many features, and their classes."""
    rng = np.random.default_rng(seed)
    columns = np.argsort(rng.random((n, d)) * np.arange(1, d + 1) ** 0.7)[:, :10]
    rows = np.repeat(np.arange(n), 10)
    X = sp.csr_array((rng.random(10 * n) + 0.5, (rows, columns.ravel())), (n, d))
    X = sp.csr_array(X / np.sqrt((X * X).sum(axis=1))[:, None])
    z = X @ (4.0 * rng.normal(size=(d, n_classes)))
    return X, np.argmax(z + rng.gumbel(size=z.shape), axis=1)


def run_data(X, y, weight=None, n_classes=2):
    """`Data` of a logistic model, and the `State` of a batch run about to start."""
    K = 1 if n_classes == 2 else n_classes
    target = 2.0 * y - 1.0 if K == 1 else np.asarray(y, dtype=float)
    data = Data(
        X, np.ascontiguousarray(target), weight, np.arange(X.shape[0], dtype=np.intp),
        LOSSES["log_loss"](), K, True, None,
    )  # fmt: skip
    coef = np.zeros((X.shape[1] + 1, K))
    coef[-1] = null = data.fit_intercept_only()
    plan = Plan(LBFGS(), "full", None, True)
    state = State(coef, plan, (), np.random.RandomState(0))
    state.basis = Statistics.of(data, null)
    return data, state


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("penalty", "n_classes", "weighted"),
    [("l2", 3, False), ("l1", 2, True), ("elasticnet", 2, False), ("l1", 3, True)],
)
def test_the_stochastic_passes_are_plain_sgd(penalty, n_classes, weighted):
    X, y = documents(n_classes, d=60)
    n = len(y)
    weight = None
    if weighted:
        weight = np.random.default_rng(1).random(n) * 2.0
        weight *= n / weight.sum()
    data, state = run_data(X, y, weight, n_classes)
    start = state.coef[-1].copy()
    l1, l2 = reference.penalty_strengths(penalty, 1e-2, 0.3)
    assert head_start.stochastic_passes(data, state, ElasticNet(l1, l2))
    passes, pace = (2, 1.0) if n_classes == 2 else (3, 2.0)
    # From pace / L on, L = h (1 + mean of |x|^2), h the null model's curvature.
    dense, rng = X.toarray(), np.random.RandomState(0)
    s = np.ones(n) if weight is None else weight
    z_unit, loss_unit = data.natural_scale(start)
    L = (loss_unit / z_unit**2).max() * (1.0 + s @ (dense**2).sum(axis=1) / n)
    coef, intercept = reference.descend(
        dense, y, loss="log_loss", penalty=penalty, alpha=1e-2, l1_ratio=0.3,
        eta=lambda t: pace * (1.0 - (t - 1) / (passes * n)) / L, sample_weight=weight,
        n_epochs=passes, orders=[rng.permutation(n) for _ in range(passes)],
        coef_init=np.zeros(60 * len(start)), intercept_init=start,
    )  # fmt: skip
    assert_allclose(state.coef[:-1].T, coef, rtol=1e-9, atol=1e-12)
    assert_allclose(state.coef[-1], intercept, rtol=1e-9)
    if penalty == "l1":
        assert (coef == 0.0).any()


@pytest.mark.parametrize("optimizer", BATCH_METHODS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_stochastic_passes_first(optimizer, n_classes):
    X, y = documents(n_classes)
    settings = {"optimizer": optimizer, "alpha": 1e-3}
    exact = GDClassifier(tol=1e-10, **settings).fit(X, y)
    first = GDClassifier(tol=None, max_iter=1, **settings).fit(X, y)
    # A dense X has no such passes.
    cold = GDClassifier(tol=None, max_iter=1, **settings).fit(X.toarray(), y)
    best = objective(exact, X, y)
    left = objective(first, X, y) - best
    assert left < 0.5 * (objective(cold, X, y) - best)
    # The order of the rows is no matter of random_state.
    again = GDClassifier(tol=None, max_iter=1, random_state=7, **settings).fit(X, y)
    assert_array_equal(first.coef_, again.coef_)


def test_stochastic_passes_that_lead_astray(monkeypatch):
    # One row a thousand times as long as the others throws the passes far out.
    X, y = documents()
    X = sp.csr_array(sp.diags_array(np.where(np.arange(1200) == 5, 1e3, 1.0)) @ X)
    model = GDClassifier(optimizer="lbfgs").fit(X, y)
    assert model.stop_reason_ == "converged"
    monkeypatch.setattr(newton, "prepare", lambda *args: False)
    cold = GDClassifier(optimizer="lbfgs").fit(X, y)
    assert objective(model, X, y) <= objective(cold, X, y) + 1e-4


@pytest.mark.exhaustive
@pytest.mark.parametrize("optimizer", ["newton", "fista"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_zeros_are_exact(optimizer, n_classes):
    # The default tolerance finds (almost) the zeros of the optimum, and no 1e-17.
    X, y = documents(n_classes, d=200)
    settings = {"penalty": "elasticnet", "alpha": 3e-3, "l1_ratio": 0.5}
    model = GDClassifier(optimizer=optimizer, **settings).fit(X, y)
    exact = linear_model.LogisticRegression(
        C=1.0 / (3e-3 * len(y)), penalty="elasticnet", l1_ratio=0.5, solver="saga",
        tol=1e-6, max_iter=5000, random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        exact.fit(X.toarray(), y)
    count, best = np.count_nonzero(model.coef_), np.count_nonzero(exact.coef_)
    assert 0.2 * exact.coef_.size < best < 0.8 * exact.coef_.size
    assert abs(count - best) <= 0.1 * best


def test_a_warm_start_makes_no_stochastic_passes():
    X, y = documents()
    model = GDClassifier(optimizer="lbfgs", warm_start=True).fit(X, y)
    seen = model.t_
    model.fit(X, y)
    assert model.t_ < seen and model.n_iter_ <= 2


@pytest.mark.exhaustive
def test_the_end_is_certified_with_few_products(monkeypatch):
    # Where little is left, conjugate gradients need not tell how little exactly.
    X, y = datasets.load_digits(return_X_y=True)
    exact = GDClassifier(tol=1e-8).fit(X, y)
    model = GDClassifier(optimizer="lbfgs").fit(X, y)
    null = np.log(10.0)  # almost: the classes have about as many rows each
    best = exact.loss_curve_[-1]
    # The estimate is that of the point from which the last step starts.
    before, after = (np.array(model.loss_curve_[-2:]) - best) / (null - best)
    assert after < model.optimality_gap_ < 5.0 * before
    monkeypatch.setattr(newton, "CLEARLY", 0.0)
    monkeypatch.setattr(truncated, "CLEARLY", 0.0)
    surer = GDClassifier(optimizer="lbfgs").fit(X, y)
    assert model.t_ < 0.95 * surer.t_


def test_a_class_with_few_rows(monkeypatch):
    X, y = many_rows(3)
    y[y == 2] = 0
    y[7:17] = 2
    model = GDClassifier().fit(X, y)
    exact = GDClassifier(tol=1e-10).fit(X, y)
    assert objective(model, X, y) - objective(exact, X, y) < 1e-4
    monkeypatch.setattr(head_start, "fit_subsample", lambda *args: False)
    assert_allclose(model.loss_curve_, GDClassifier().fit(X, y).loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize(
    "loss", ["log_loss", "squared_hinge", "squared_error", "poisson", "gamma"]
)
def test_newton_steps_of_a_warm_start_are_those_of_one_fit(loss, form):
    """Their Hessians are exact, so nothing is lost that earlier steps had taught."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    z = X @ rng.normal(size=6)
    y = {
        "squared_error": z,
        "poisson": rng.poisson(np.exp(0.3 * z)).astype(float),
        "gamma": np.exp(0.3 * z) * rng.gamma(4.0, 0.25, size=200),
    }.get(loss, z + rng.logistic(size=200) > 0.0)
    cls = GDClassifier if y.dtype == bool else GDRegressor
    model = cls(loss, optimizer="newton", max_iter=2, tol=None).fit(form(X), y)
    twice = cls(loss, optimizer="newton", max_iter=1, tol=None, warm_start=True)
    twice.fit(form(X), y).fit(form(X), y)
    np.testing.assert_allclose(twice.coef_, model.coef_, rtol=1e-9)
    assert twice.loss_curve_[-1] == pytest.approx(model.loss_curve_[-1], rel=1e-12)


@pytest.mark.exhaustive
def test_dense_and_sparse_runs_of_many_steps_end_at_the_same_minimum():
    """Raw predictions that change at rounding would end the path of a barrier early."""
    X, y = datasets.make_regression(
        n_samples=300, n_features=20, n_informative=10, random_state=42, noise=1.0
    )
    model = GDRegressor("quantile", quantile=0.6, penalty="l1", alpha=0.1, tol=1e-13)
    dense, sparse = clone(model).fit(X, y), clone(model).fit(sp.csr_array(X), y)
    assert_allclose(dense.loss_curve_[-1], sparse.loss_curve_[-1], rtol=1e-13)
    assert_allclose(dense.intercept_, sparse.intercept_, rtol=1e-9)


@pytest.mark.one_case
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_an_output_at_its_minimum_does_not_hold_up_the_others(cls, penalty, seed):
    """Its derivative along a step is a rounding error, of any sign."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(110, 8)) * (rng.random((110, 8)) < 0.2)
    y, w = rng.integers(0, 12, 110), rng.choice([0, 0.5, 1, 3], size=110)
    Y = np.where(y[:, None] == np.arange(12), 1.0, -1.0)
    alpha = 0.19 if penalty == "elasticnet" else 0.03
    target = Y if cls is GDRegressor else y
    model = cls("squared_error", penalty=penalty, alpha=alpha).fit(X, target, w)
    for k in range(12):
        alone = GDRegressor(penalty=penalty, alpha=alpha, tol=1e-10)
        alone.fit(X, Y[:, k], w)
        assert_allclose(model.coef_[k], alone.coef_, atol=2e-3)
