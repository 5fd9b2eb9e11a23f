"""The same iterates as scikit-learn's SGDRegressor and SGDClassifier, step for step.

One row at a time, in the order of the data, and without an l1 penalty (SGD* uses a
cumulative scheme, here it is a proximal step). With schedules other than "optimal" and
the passive-aggressive steps, sparse X gives the iterates of dense X, unlike in SGD*,
and slopes are not clipped.
"""

import itertools

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from conftest import make_problem
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.preprocessing import StandardScaler

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


def passive_aggressive_steps():
    """Those of SGD*, where eta0 bounds them: from scikit-learn 1.8 on."""
    settings = {"learning_rate": "pa1", "max_iter": 1, "tol": None}
    first, second = (
        SGDClassifier(eta0=eta0, **settings).fit([[0.0], [1.0]], [0, 1]).coef_
        for eta0 in (1e-3, 1e-2)
    )
    return [] if first == second else ["pa1", "pa2"]


STEPS_OF_SGD = ["optimal", *passive_aggressive_steps()]

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


FORMS = {"dense": np.asarray, "csr": sp.csr_array}


def parameters_of(model):
    return np.append(np.ravel(model.coef_), model.intercept_)


def assert_same_where_sgd_is_not_chaotic(ours, theirs, X, y, form, noise, **settings):
    """True if it was compared: rounding errors in X do not change what SGD* finds."""
    settings |= {"max_iter": 3, "tol": None, "shuffle": False}
    expected = parameters_of(theirs(**settings).fit(form(X), y))
    again = parameters_of(theirs(**settings).fit(form(X * (1.0 + 1e-15 * noise)), y))
    if reference.distance(again, expected) > 1e-11:
        return False
    model = ours(**settings).fit(form(X), y)
    assert reference.distance(parameters_of(model), expected) < 1e-9
    return True


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("learning_rate", STEPS_OF_SGD)
@pytest.mark.parametrize("kind", ["regressor", "classifier"])
def test_optimal_and_passive_aggressive_steps_are_those_of_sgd(
    form, learning_rate, kind
):
    """Clipped slopes and the short steps of the intercept on sparse data included."""
    ours, theirs = GDRegressor, SGDRegressor
    losses = sorted(REGRESSION)
    if kind == "classifier":
        ours, theirs, losses = GDClassifier, SGDClassifier, sorted(CLASSIFICATION)
    if learning_rate != "optimal":
        losses = ["hinge" if kind == "classifier" else "epsilon_insensitive"]
    random, n_compared, n_cases = np.random.default_rng(0), 0, 0
    for loss, penalty, average, alpha, size in itertools.product(
        losses, ["l2", None], [False, 150], [0.5, 1e-4], [0.3, 3.0]
    ):
        n_classes = int(random.choice([2, 4])) if loss != "log_loss" else 2
        shape = {"n_outputs": n_classes} if kind == "classifier" else {}
        X, y = make_problem("hinge" if shape else loss, n=100, **shape)
        n_cases += 1
        n_compared += assert_same_where_sgd_is_not_chaotic(
            ours, theirs, size * X, y, FORMS[form], random.normal(size=X.shape),
            loss=loss, penalty=penalty, average=average, alpha=alpha, eta0=0.5,
            learning_rate=learning_rate,
        )  # fmt: skip
    assert n_compared >= 0.5 * n_cases


@pytest.mark.parametrize("form", FORMS)
def test_squared_hinge_with_optimal_predicts_as_well_as_sgd(form):
    """Its steps run off to the limit of the slopes, and predict well all the same."""
    X, y = load_breast_cancer(return_X_y=True)
    X = FORMS[form](StandardScaler().fit_transform(X))
    settings = {"loss": "squared_hinge", "learning_rate": "optimal", "max_iter": 20}
    settings |= {"tol": None, "shuffle": False}
    theirs = SGDClassifier(**settings).fit(X, y).score(X, y)
    with pytest.warns(ConvergenceWarning, match="worse than a constant"):
        model = GDClassifier(**settings).fit(X, y)
    assert model.score(X, y) >= theirs - 0.005 > 0.97


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
def test_other_schedules_have_the_same_iterates_on_dense_and_sparse_data(schedule):
    X, y = make_problem("hinge", n=100)
    settings = {"learning_rate": schedule, "eta0": 0.1, "loss": "hinge", "max_iter": 3}
    settings |= {"tol": None, "shuffle": False}
    dense, sparse = (GDClassifier(**settings).fit(f(X), y) for f in FORMS.values())
    assert reference.distance(parameters_of(dense), parameters_of(sparse)) < 1e-12


@pytest.mark.parametrize(
    "cls, settings, words",
    [
        (GDClassifier, {"loss": "log_loss"}, ["'hinge'", "'log_loss'"]),
        (GDClassifier, {"loss": "epsilon_insensitive"}, ["'hinge'"]),
        (GDRegressor, {"loss": "huber"}, ["'epsilon_insensitive'", "'huber'"]),
        (GDClassifier, {"loss": "hinge", "optimizer": "adam"}, ["'sgd'", "'adam'"]),
        (GDClassifier, {"loss": "hinge", "batch_size": 32}, ["batch_size=1", "32"]),
    ],
)
@pytest.mark.parametrize("learning_rate", ["pa1", "pa2"])
def test_passive_aggressive_steps_that_do_not_exist_are_refused(
    cls, settings, words, learning_rate
):
    X, y = make_problem("hinge")
    with pytest.raises(ValueError, match=f"learning_rate='{learning_rate}'") as caught:
        cls(learning_rate=learning_rate, **settings).fit(X, y)
    for word in words:
        assert word in str(caught.value)


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
