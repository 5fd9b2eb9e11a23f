"""Data that become NaN while a fit runs: every optimizer ends, and says why."""

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import BATCH_METHODS, takes
from sklearn.exceptions import ConvergenceWarning

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.loop import Run
from sklgd._fit.statistics import Statistics
from sklgd._solvers.rules import RuleSolver
from sklgd.kernels._hessian import cholesky
from sklgd.optimizers import OPTIMIZERS

METHODS = [name for name, cls in OPTIMIZERS.items() if cls.rule is None]
RULES = ["sgd", "momentum", "adam", "ftrl"]


@pytest.fixture
def poison(monkeypatch):
    """A function that makes an entry of an array NaN after so many epochs."""

    def later(values, epochs, entry):
        points = Run.points

        def watched(run):
            for epoch, point in enumerate(points(run), start=1):
                yield point
                if epoch == epochs:
                    values[entry] = np.nan

        monkeypatch.setattr(Run, "points", watched)

    return later


def fit_poisoned(model, X, y, poison, epochs=1, entry=123):
    values = X.data if sp.issparse(X) else X.reshape(-1)
    poison(values, epochs, entry)
    with pytest.warns(ConvergenceWarning, match="training data hold NaN or infinity"):
        model.fit(X, y)
    assert model.stop_reason_ == "diverged"
    # (Two epochs more than were complete: a step that is searched may fail first.)
    assert model.n_iter_ <= epochs + 3
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    assert np.isfinite(model.loss_curve_[-1])
    return model


def make_data(storage, rng, n=300, d=8):
    X = rng.normal(size=(n, d))
    z = X @ rng.normal(size=d)
    if storage == "csr":
        X = sp.csr_matrix(X * (rng.random((n, d)) < 0.6))
    return X, z


@pytest.mark.some_cases
@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "log_loss", "hinge"])
@pytest.mark.parametrize("optimizer", METHODS + RULES)
def test_nan_that_appears_in_X_ends_the_fit(optimizer, loss, storage, poison, rng):
    X, z = make_data(storage, rng)
    settings = {"optimizer": optimizer, "max_iter": 100, "tol": None, "random_state": 0}
    if loss in ("log_loss", "hinge"):
        model, y = GDClassifier(loss, **settings), (z > 0).astype(int)
        if loss == "hinge" and optimizer in ("saga", "svrg"):
            return
    else:
        model, y = GDRegressor(loss, **settings), np.abs(z)
    fit_poisoned(model, X, y, poison, epochs=2)


@pytest.mark.parametrize("optimizer", BATCH_METHODS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_nan_ends_a_fit_with_penalties_and_several_classes(
    optimizer, n_classes, poison, rng
):
    X, z = make_data("dense", rng)
    penalty = "l1" if takes(optimizer, "l1") else "l2"
    model = GDClassifier(optimizer=optimizer, penalty=penalty, tol=None, max_iter=50)
    y = np.digitize(z, np.quantile(z, np.arange(1, n_classes) / n_classes))
    fit_poisoned(model, X, y, poison)


@pytest.mark.parametrize("optimizer", ["newton", "saga", "adam"])
def test_nan_in_the_rows_held_out_ends_the_fit(optimizer, poison, rng):
    X, z = make_data("dense", rng)
    model = GDRegressor(
        optimizer=optimizer, early_stopping=True, n_iter_no_change=50, tol=0.0,
        random_state=0,
    )  # fmt: skip
    fit_poisoned(model, X, z, poison, entry=slice(None, None, 5))
    assert np.isfinite(model.validation_scores_).all()


def test_a_matrix_that_is_not_finite_has_no_factor():
    """No number added to its diagonal gives it one, and the search for it ends."""
    matrix = np.eye(3)
    matrix[1, 0] = matrix[0, 1] = np.nan
    assert np.isnan(cholesky(matrix)).any()
    matrix = np.full((3, 3), np.nan)
    assert np.isnan(cholesky(matrix)).any()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("batch_size", ["full", "auto"])
@pytest.mark.parametrize("optimizer", [*RULES, "saga", "point_saga", "svrg"])
def test_nan_that_appears_after_the_statistics_ends_the_fit(
    optimizer, batch_size, monkeypatch, rng
):
    X, z = make_data("dense", rng)
    of = Statistics.of.__func__

    def poisoned(cls, *args):
        found = of(cls, *args)
        X[::7, 1] = np.nan
        return found

    monkeypatch.setattr(Statistics, "of", classmethod(poisoned))
    if OPTIMIZERS[optimizer].training != "descent":
        batch_size = "auto"
    model = GDClassifier(optimizer=optimizer, batch_size=batch_size, random_state=0)
    model.fit(X, z > 0.0)
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("optimizer", ["auto", "adam", "saga", "lbfgs"])
def test_nan_that_appears_before_the_statistics_is_called_by_its_name(
    optimizer, storage, value, monkeypatch, rng
):
    X, y = make_data(storage, rng)
    of = Statistics.of.__func__

    def poisoned(cls, *args):
        (X.data if storage == "csr" else X[:, 1])[::7] = value
        return of(cls, *args)

    monkeypatch.setattr(Statistics, "of", classmethod(poisoned))
    with pytest.raises(ValueError, match="hold NaN or infinity, which they did not"):
        GDRegressor(optimizer=optimizer).fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_nan_that_appears_before_the_metric_is_renewed_ends_the_fit(
    optimizer, monkeypatch, rng
):
    X, z = make_data("dense", rng)
    z += rng.normal(size=len(z))
    renew, renewals = RuleSolver.renew, []

    def poisoned(training, est):
        X[::7, 1] = np.nan
        renewals.append(training)
        renew(training, est)

    monkeypatch.setattr(RuleSolver, "renew", poisoned)
    model = GDClassifier(optimizer=optimizer, batch_size="full", tol=1e-14)
    model.fit(X, z > 0.0)
    assert renewals
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.coef_).all()
