"""The zeros that an l1 penalty has in the optimum are reported in every mode."""

import warnings
from functools import cache
from itertools import product

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from conftest import RULES, takes
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.objective import Objective

FIRST_STEPS = {"adadelta": 1.0, "adagrad": 0.3, "ftrl": 1.0}
L1_RULES = [name for name in RULES if takes(name, "l1")]
L1 = {"loss": "log_loss", "penalty": "l1", "alpha": 0.02, "random_state": 0}


@cache
def cancer():
    """Thirty features of the data, and fifty of noise."""
    X, y = load_breast_cancer(return_X_y=True)
    noise = np.random.default_rng(0).normal(size=(len(X), 50))
    X = np.hstack([StandardScaler().fit_transform(X), noise])
    return X, y, GDClassifier(**L1, tol=1e-9).fit(X, y)


def quietly(fit, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit(*args, **kwargs)


def objective_of(model, X, y):
    coef = np.column_stack([np.atleast_2d(model.coef_), model.intercept_]).T
    return Objective(model, X, y)(coef)


@pytest.mark.some_cases
@pytest.mark.parametrize("batch_size", [1, 32])
@pytest.mark.parametrize(
    ("optimizer", "learning_rate"),
    [
        ("sgd", "optimal"),
        ("ftrl", "optimal"),
        *product(L1_RULES, ["invscaling", "auto"]),
    ],
)
def test_zeros_of_the_optimum_are_reported(optimizer, learning_rate, batch_size):
    X, y, optimum = cancer()
    scheduled = learning_rate == "invscaling"
    sets_out = GDClassifier(
        **L1, optimizer=optimizer, learning_rate=learning_rate, batch_size=batch_size,
        eta0=FIRST_STEPS.get(optimizer, 0.05) if scheduled else None,
        max_iter=60, tol=None if learning_rate != "auto" else 1e-4,
    )  # fmt: skip
    zeros = optimum.coef_ == 0.0
    assert zeros.sum() == 73
    for average in (False, True):
        if learning_rate == "auto" and average:
            continue
        model = quietly(clone(sets_out).set_params(average=average).fit, X, y)
        found = model.coef_ == 0.0
        assert (found & zeros).sum() >= 48
        # (SGD*'s cumulative penalty lets one of two collinear features go.)
        large = 0.3 if optimizer == "sgd" and learning_rate == "optimal" else 0.1
        assert not (found & (np.abs(optimum.coef_) > large)).any()
        assert model.loss_curve_[-1] == pytest.approx(
            objective_of(model, X, y), rel=1e-12
        )
        assert model.loss_curve_[-1] <= model._state.curve[-1] * (1.0 + 1e-12)


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adagrad", "adam"])
def test_two_epochs_are_two_calls_with_their_zeros(optimizer, penalty, storage):
    X, y, _ = cancer()
    model = GDClassifier(
        **L1 | {"penalty": penalty}, optimizer=optimizer, learning_rate=0.01,
        batch_size=1, tol=None, l1_ratio=0.9,
    )  # fmt: skip
    for average in (False, True):
        model.set_params(average=average)
        whole = quietly(clone(model).set_params(max_iter=2).fit, storage(X), y)
        part = clone(model)
        for _ in range(2):
            part.partial_fit(storage(X), y, classes=[0, 1])
        assert (whole.coef_ == 0.0).sum() > (reference.iterate(whole)[0] == 0.0).sum()
        np.testing.assert_array_equal(part.coef_, whole.coef_)
        assert part.loss_curve_ == whole.loss_curve_


def test_zeros_of_several_outputs_and_weights():
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    Y = np.column_stack([y, X[:, 2] + 0.1 * X[:, 3]]) / [50.0, 1.0]
    weight = np.random.default_rng(0).random(len(X)) + 0.5
    job = {"penalty": "l1", "alpha": 0.1, "random_state": 0}
    optimum = GDRegressor(**job, tol=1e-9).fit(X, Y, sample_weight=weight)
    model = GDRegressor(
        **job, optimizer="sgd", batch_size=1, learning_rate="invscaling", eta0=0.01,
        max_iter=50, tol=None,
    ).fit(X, Y, sample_weight=weight)  # fmt: skip
    zeros = optimum.coef_ == 0.0
    assert zeros.sum() > 5
    assert ((model.coef_ == 0.0) & zeros).sum() >= zeros.sum() - 1
    coef = np.column_stack([model.coef_, model.intercept_]).T
    F = Objective(model, X, Y, weight)(coef)
    assert model.loss_curve_[-1] == pytest.approx(F, rel=1e-12)


def test_a_stream_of_other_rows_reports_its_iterate():
    """The last chunk says too little about the features of the others."""
    X, y, _ = cancer()
    model = GDClassifier(**L1, optimizer="adam", learning_rate=0.01, batch_size=1)
    for start in range(0, 500, 100):
        model.partial_fit(X[start : start + 100], y[start : start + 100], [0, 1])
    np.testing.assert_array_equal(model.coef_, reference.iterate(model)[0])


def test_zeros_do_not_cost_validation_score():
    X, y, _ = cancer()
    model = GDClassifier(
        **L1, optimizer="adam", learning_rate=0.01, batch_size=8, early_stopping=True
    )
    quietly(model.fit, X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert model.score(X[1::2], y[1::2]) >= model.best_validation_score_


def test_rows_of_one_call_dense_and_of_the_next_sparse_are_the_same_rows():
    X, y, _ = cancer()
    X = np.where(np.abs(X) < 0.3, 0.0, X)
    X[:, 7] = 0.0
    settings = {"optimizer": "sgd", "learning_rate": 0.01, "batch_size": 7}
    dense, mixed = GDClassifier(**L1, **settings), GDClassifier(**L1, **settings)
    for storage in (np.asarray, sp.csr_array, np.asarray):
        dense.partial_fit(X, y, classes=[0, 1])
        mixed.partial_fit(storage(X), y, classes=[0, 1])
    assert (dense.coef_ == 0.0).sum() > 10
    np.testing.assert_allclose(mixed.coef_, dense.coef_, rtol=1e-9, atol=1e-12)
