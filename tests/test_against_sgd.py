"""The same iterates as scikit-learn's SGDRegressor and SGDClassifier, step for step.

One row at a time, in the order of the data, on dense input (SGD* changes the model on
sparse input) and without an l1 penalty (SGD* uses a cumulative scheme, here it is a
proximal step). The features are small because SGD* clips gradients at 1e12 and
"optimal" starts with steps of alpha**(-1/4): on unscaled data the squared losses would
run off to that limit, and the comparison with it would mean nothing.
"""

import numpy as np
import pytest
import reference
from conftest import make_problem
from sklearn.linear_model import SGDClassifier, SGDRegressor

from sklgd import GDClassifier, GDRegressor
from sklgd.losses import LOSSES

SCHEDULES = {
    "constant": {"eta0": 0.05},
    "invscaling": {"eta0": 0.3, "power_t": 0.4},
    # Without a tolerance there is no plateau: constant.
    "adaptive": {"eta0": 0.05},
    "optimal": {},
}
REGRESSION = set(SGDRegressor.loss_functions) & set(LOSSES)
CLASSIFICATION = {name for name, cls in LOSSES.items() if cls.classifies}

schedules = pytest.mark.parametrize("schedule", SCHEDULES)
penalties = pytest.mark.parametrize("penalty", ["l2", None])
# 100 rows and 4 epochs: from the first step, from the middle, and not reached.
averages = pytest.mark.parametrize("average", [False, True, 150, 1000])


def assert_same_fit(ours, theirs, X, y, schedule, **common):
    common |= {"max_iter": 4, "tol": None, "shuffle": False}
    common |= {"learning_rate": schedule, **SCHEDULES[schedule]}
    theirs = theirs(**common).fit(X, y)
    ours = ours(**common, optimizer="sgd", batch_size=1).fit(X, y)
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    assert ours.t_ == theirs.t_
    their_all = np.append(theirs.coef_, theirs.intercept_)
    # Neither at rest nor at the clipping limit
    assert 1e-5 < np.abs(their_all).max() < 1e4
    assert reference.distance(np.append(ours.coef_, ours.intercept_), their_all) < 1e-9


@averages
@schedules
@penalties
@pytest.mark.parametrize("loss", sorted(REGRESSION))
def test_regressor(loss, penalty, schedule, average):
    X, y = make_problem(loss, n=100)
    assert_same_fit(
        GDRegressor,
        SGDRegressor,
        0.3 * X,
        y,
        schedule,
        loss=loss,
        penalty=penalty,
        alpha=0.5,
        average=average,
    )


@averages
@schedules
@penalties
@pytest.mark.parametrize(
    ("loss", "n_classes"),
    # From three classes on, log_loss is a softmax here and one against the rest there.
    [
        (loss, k)
        for loss in sorted(CLASSIFICATION)
        for k in (2, 4)
        if loss != "log_loss" or k == 2
    ],
)
def test_classifier(loss, n_classes, penalty, schedule, average):
    X, y = make_problem("hinge", n=100, n_outputs=n_classes)
    assert_same_fit(
        GDClassifier,
        SGDClassifier,
        0.3 * X,
        np.array(["a", "b", "c", "d"])[y],
        schedule,
        loss=loss,
        penalty=penalty,
        alpha=0.5,
        average=average,
    )


def test_the_classifier_has_all_losses_of_sgd():
    assert set(SGDClassifier.loss_functions) == CLASSIFICATION
    assert set(SGDRegressor.loss_functions) == REGRESSION


@schedules
@pytest.mark.parametrize("alpha", [1e-3, 100.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_strength_and_intercept(schedule, alpha, fit_intercept):
    # alpha = 100: the decay factor 1 - eta alpha would be negative and stops at 0.
    X, y = make_problem("hinge", n=100)
    assert_same_fit(
        GDClassifier,
        SGDClassifier,
        0.3 * X,
        y,
        schedule,
        loss="hinge",
        alpha=alpha,
        fit_intercept=fit_intercept,
    )


@pytest.mark.parametrize("epsilon", [0.01, 1.0])
@pytest.mark.parametrize(
    "loss", ["huber", "epsilon_insensitive", "squared_epsilon_insensitive"]
)
def test_epsilon(loss, epsilon):
    X, y = make_problem(loss, n=100)
    assert_same_fit(
        GDRegressor, SGDRegressor, 0.3 * X, y, "constant", loss=loss, epsilon=epsilon
    )


@pytest.mark.parametrize("schedule", ["constant", "optimal"])
def test_start_from_coef_init(schedule):
    X, y = make_problem(n=100)
    common = {"max_iter": 3, "tol": None, "shuffle": False, "alpha": 0.5}
    common |= {"learning_rate": schedule, **SCHEDULES[schedule]}
    start = {"coef_init": np.linspace(-1, 1, 6), "intercept_init": np.array([2.0])}
    ours = GDRegressor(**common, optimizer="sgd", batch_size=1).fit(0.3 * X, y, **start)
    # SGD* works inside the arrays it is given, so it comes second.
    assert np.array_equal(start["coef_init"], np.linspace(-1, 1, 6))
    theirs = SGDRegressor(**common).fit(0.3 * X, y, **start)
    assert reference.distance(ours.coef_, theirs.coef_) < 1e-9
    assert reference.distance(ours.intercept_, theirs.intercept_) < 1e-9
