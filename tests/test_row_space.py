"""Few rows of many columns are fitted in the space of the rows."""

import numpy as np
import pytest
import scipy.sparse as sp

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.objective import Objective
from sklgd._solvers.row_space import RowSpaceSolver

N, D = 20, 300
LOSSES = {
    "hinge": GDClassifier,
    "squared_hinge": GDClassifier,
    "log_loss": GDClassifier,
    "absolute_error": GDRegressor,
    "epsilon_insensitive": GDRegressor,
    "huber": GDRegressor,
    "poisson": GDRegressor,
}


@pytest.fixture
def table(rng):
    return rng.normal(size=(N, D)) * np.logspace(-1, 1, D) + 1.0


def targets(loss, table, rng, n_classes=2):
    z = table[:, :20] @ rng.normal(size=20)
    z = (z - z.mean()) / z.std() + 0.3 * rng.normal(size=N)
    if LOSSES[loss] is GDRegressor:
        return np.exp(z) if loss == "poisson" else z
    return np.digitize(z, np.quantile(z, np.arange(1, n_classes) / n_classes))


def is_wide(data):
    return data.n_rows < data.X.shape[1]


@pytest.fixture
def runs(monkeypatch):
    """Counts the runs in the space of the rows."""
    found = []
    make = RowSpaceSolver.__init__

    def __init__(self, *args):
        found.append(self)
        make(self, *args)

    monkeypatch.setattr(RowSpaceSolver, "__init__", __init__)
    return found


@pytest.mark.some_cases
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_minimum_is_that_of_the_columns(
    loss, container, fit_intercept, table, runs, rng, monkeypatch
):
    y = targets(loss, table, rng)
    weights = rng.integers(0, 3, size=N).astype(float)
    model = LOSSES[loss](
        loss, alpha=0.1, fit_intercept=fit_intercept, optimizer="newton", tol=1e-9
    )
    monkeypatch.setattr("sklgd._solvers.quasi_newton.has_few_rows", is_wide)
    model.fit(container(table), y, weights)
    assert runs
    coef, objective = model.coef_.copy(), model.loss_curve_[-1]
    monkeypatch.setattr("sklgd._solvers.quasi_newton.has_few_rows", lambda data: False)
    model.fit(container(table), y, weights)
    assert objective == pytest.approx(model.loss_curve_[-1], rel=1e-6)
    np.testing.assert_allclose(coef, model.coef_, atol=2e-3 * np.abs(coef).max())


@pytest.mark.one_case
@pytest.mark.parametrize(
    "loss", [pytest.param("hinge", marks=pytest.mark.exhaustive), "log_loss"]
)
def test_several_classes(loss, table, runs, rng, monkeypatch):
    y = targets(loss, table, rng, n_classes=3)
    monkeypatch.setattr("sklgd._solvers.quasi_newton.has_few_rows", is_wide)
    model = GDClassifier(loss, alpha=0.1, optimizer="newton", tol=1e-9).fit(table, y)
    assert runs
    objective = model.loss_curve_[-1]
    monkeypatch.setattr("sklgd._solvers.quasi_newton.has_few_rows", lambda data: False)
    assert objective == pytest.approx(model.fit(table, y).loss_curve_[-1], rel=1e-6)


def test_a_warm_start_begins_at_the_given_coefficients(table, runs, rng, monkeypatch):
    y = targets("squared_hinge", table, rng)
    monkeypatch.setattr("sklgd._solvers.quasi_newton.has_few_rows", is_wide)
    settings = dict(alpha=0.1, optimizer="newton", random_state=0)
    model = GDClassifier("squared_hinge", tol=1e-9, **settings).fit(table, y)
    again = GDClassifier("squared_hinge", max_iter=1, tol=None, **settings).fit(
        table, y, coef_init=model.coef_, intercept_init=model.intercept_
    )
    assert len(runs) == 2
    assert again.loss_curve_[-1] <= model.loss_curve_[-1] * (1.0 + 1e-6)


@pytest.mark.parametrize(
    "loss", ["hinge", "absolute_error", "epsilon_insensitive", "huber"]
)
def test_auto_chooses_it_where_hessians_are_factored(loss, table, runs, rng):
    """For non-smooth losses, and where the second derivative is not continuous."""
    model = LOSSES[loss](loss).fit(table, targets(loss, table, rng))
    assert runs
    assert repr(model.optimizer_) == "Newton()"
    assert model.stop_reason_ == "converged"


@pytest.mark.parametrize("spread", [0, 2, 8])
@pytest.mark.parametrize("loss", ["hinge", "absolute_error", "epsilon_insensitive"])
def test_without_penalty_the_objective_is_that_of_the_coefficients(
    loss, spread, runs, rng
):
    """Centred rows are dependent: what rounding leaves of the last fits anything."""
    table = rng.normal(size=(N, D)) * 10.0 ** rng.uniform(-spread, spread, D)
    y = targets(loss, table, rng)
    model = LOSSES[loss](loss, penalty=None).fit(table, y)
    F = Objective(model, table, y)
    zero = F(np.zeros_like(F.coef))
    assert runs
    assert model.loss_curve_[-1] == pytest.approx(F(F.coef), rel=1e-9, abs=1e-9 * zero)
    assert F(F.coef) < 1e-3 * zero


@pytest.mark.one_case
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_an_l1_penalty_is_fitted_to_its_optimum(penalty, table, runs, rng):
    """FISTA, which would be faster, ended far above the optimum of such data."""
    y = targets("hinge", table, rng)
    model = GDClassifier("hinge", penalty=penalty, alpha=0.01).fit(table, y)
    assert not runs
    assert model.stop_reason_ == "converged"
    best = GDClassifier("hinge", penalty=penalty, alpha=0.01, optimizer="newton")
    best = best.set_params(tol=1e-8).fit(table, y).loss_curve_[-1]
    null = GDClassifier("hinge", alpha=1e9).fit(table, y).loss_curve_[-1]
    assert model.loss_curve_[-1] - best < 3e-4 * (null - best)


def test_many_rows_are_fitted_as_they_are(runs, rng):
    X = rng.normal(size=(300, 20))
    GDClassifier("hinge").fit(X, X[:, 0] > 0.0)
    assert not runs
