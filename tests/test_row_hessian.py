"""Hessians in terms of few rows, and what they say about the end of a run."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit, softmax

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.objective import Objective
from sklgd._solvers.newton import NewtonSolver

ROWS, COLUMNS = 20, 70
EXHAUSTIVE = pytest.mark.exhaustive


def draw(n_classes, storage, rng):
    X = rng.normal(size=(ROWS, COLUMNS)) * (rng.random((ROWS, COLUMNS)) < 0.5) + 0.1
    y = np.arange(ROWS) % n_classes
    return storage(X), y


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("factors", [False, True])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_solves_as_the_dense_matrix_does(
    n_classes, storage, factors, fit_intercept, rng, monkeypatch
):
    """B of the formula: means of (diag p - p p') (x) x x', and the penalty."""
    X, y = draw(n_classes, storage, rng)
    weight = rng.uniform(0.5, 2.0, ROWS)
    strength = rng.uniform(0.5, 2.0, COLUMNS) if factors else np.ones(COLUMNS)
    checked = []

    def newton_step(run):
        step = original(run)
        if not checked:
            z = np.array(run.lines.block(0, ROWS))
            metric = run.hessians.row_hessian(run.loss, run.lines.block)
            g = rng.normal(size=run.u.shape)
            # (Gradients of softmax add up to zero.)
            g[-1] -= g[-1].mean() if g.shape[1] > 1 else 0.0
            g[-1] *= fit_intercept
            checked.append((metric.solve(g.copy()), g, z, run.scaling))
        return step

    original = NewtonSolver.newton_step
    monkeypatch.setattr(NewtonSolver, "newton_step", newton_step)
    GDClassifier(
        optimizer="lbfgs", alpha=0.01, fit_intercept=fit_intercept,
        penalty_factor=strength if factors else None,
    ).fit(X, y, sample_weight=weight)  # fmt: skip
    [(p, g, z, scaling)] = checked
    K = p.shape[1]
    if K == 1:
        H = (expit(z) * expit(-z))[:, :, None]
    else:
        q = softmax(z, axis=1)
        H = np.einsum("ia,ab->iab", q, np.eye(K)) - q[:, :, None] * q[:, None]
    H *= (weight / weight.sum())[:, None, None]
    rows = np.column_stack([np.asarray(X @ np.eye(COLUMNS)), np.ones(ROWS)])
    rows[:, :-1] -= scaling.centre
    ridge = np.append(0.01 * strength, 0.0)[:, None] * np.ones(K)
    B = np.einsum("iab,ij,im->jamb", H, rows, rows).reshape(len(ridge) * K, -1)
    B += np.diag(ridge.ravel())
    S = scaling.scale.copy()
    S[-1] *= fit_intercept
    B *= np.multiply.outer(S.ravel(), S.ravel())
    if not fit_intercept:
        p[-1] = 0.0
    np.testing.assert_allclose(B @ p.ravel(), g.ravel(), atol=1e-5)


def of_low_rank(seed, n, d, noise):
    """Rows near a space of n / 3 dimensions, and a target that they explain in part."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n // 3)) @ rng.normal(size=(n // 3, d))
    X += noise * rng.normal(size=(n, d))
    z = X[:, :5].sum(axis=1)
    return X, z / z.std() + 0.3 * rng.normal(size=n)


TARGETS = {
    "log_loss": lambda z: (z > 0.0).astype(int),
    "softmax": lambda z: np.digitize(z, [-0.5, 0.5]),
    "squared_hinge": lambda z: (z > 0.0).astype(int),
    "huber": lambda z: z,
    "poisson": lambda z: np.round(np.exp(z)),
}


@pytest.mark.some_cases
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "optimizer",
    ["auto", *(pytest.param(n, marks=EXHAUSTIVE) for n in ("lbfgs", "fista"))],
)
@pytest.mark.parametrize("kind", TARGETS)
def test_the_gap_on_few_rows_is_not_far_below_the_truth(kind, optimizer):
    """Conjugate gradients and old Hessians claimed down to a thousandth of it."""
    for seed in range(3):
        X, z = of_low_rank(seed, 45, 120, noise=10.0 ** -(seed % 3))
        cls = GDRegressor if kind in ("huber", "poisson") else GDClassifier
        model = cls(
            "log_loss" if kind == "softmax" else kind,
            alpha=10.0 ** -(2 + seed), optimizer=optimizer, max_iter=1000,
        )  # fmt: skip
        y = TARGETS[kind](z)
        model.fit(X, y)
        F = Objective(model, X, y)
        reached, constant = F(F.coef), np.zeros_like(F.coef)
        constant[-1] = F.data.fit_intercept_only()
        tight = cls(**model.get_params()).set_params(optimizer="newton", tol=1e-11)
        best = F(Objective(tight.fit(X, y), X, y).coef)
        truth = (reached - best) / (F(constant) - best)
        assert model.stop_reason_ == "converged" or optimizer == "fista"
        assert truth <= 3.0 * max(model.optimality_gap_, 1e-9), seed


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_features_without_a_penalty_keep_a_run_going_until_a_hessian_confirms_its_end():
    """FISTA ended by an extrapolation: there is no duality gap."""
    X, z = of_low_rank(0, 46, 300, noise=0.01)
    y, factors = np.exp(z), np.resize([1.0, 0.1, 1.0, 7.0], 300)
    factors[:4] = 0.0
    model = GDRegressor(
        "gamma", alpha=3e-3, penalty_factor=factors, optimizer="fista", max_iter=300
    ).fit(X, y)
    tight = GDRegressor(**model.get_params()).set_params(optimizer="newton", tol=1e-10)
    best = tight.fit(X, y).loss_curve_[-1]
    F = Objective(model, X, y)
    constant = np.zeros_like(F.coef)
    constant[-1] = F.data.fit_intercept_only()
    truth = (model.loss_curve_[-1] - best) / (F(constant) - best)
    assert truth <= 3.0 * model.optimality_gap_


def test_the_minimum_norm_is_not_sought_at_the_cost_of_a_penalty(rng):
    """The features without a penalty fit alone; those of least norm have one."""
    X = rng.normal(size=(9, 40))
    y = rng.normal(size=9)
    factors = np.resize([0.0, 1.0, 7.0, 1.0], 40)
    factors[:12] = 0.0
    model = GDRegressor(alpha=1e-4, penalty_factor=factors, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_[factors > 0.0], 0.0, atol=1e-6)
    assert model.loss_curve_[-1] < 1e-9
