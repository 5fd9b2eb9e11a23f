"""The same iterates as scikit-learn's SGDRegressor and SGDClassifier, step for step.

One row at a time, in the order of the data. With schedules other than "optimal" and
the passive-aggressive steps, an l1 penalty is a soft threshold in each step, where SGD*
has a cumulative scheme; sparse X gives the iterates of dense X, unlike in SGD*, and
slopes are not clipped. The average is that of the iterates; with an l1 penalty the one
of SGD* is not.
"""

import itertools
import pickle

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


@pytest.mark.exhaustive
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
    settled = [(p, a) for p in ("l2", None) for a in (False, 150)]
    for loss, (penalty, average), (alpha, size) in itertools.product(
        losses,
        [*settled, ("l1", False), ("elasticnet", False)],
        [(0.5, 0.3), (1e-4, 0.3), (1e-4, 3.0)],
    ):
        n_classes = int(random.choice([2, 4])) if loss != "log_loss" else 2
        shape = {"n_outputs": n_classes} if kind == "classifier" else {}
        X, y = make_problem("hinge" if shape else loss, n=100, **shape)
        n_cases += 1
        n_compared += assert_same_where_sgd_is_not_chaotic(
            ours, theirs, size * X, y, FORMS[form], random.normal(size=X.shape),
            loss=loss, penalty=penalty, average=average, alpha=alpha, eta0=0.5,
            learning_rate=learning_rate, l1_ratio=0.4,
        )  # fmt: skip
    assert n_compared >= 0.5 * n_cases


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("learning_rate", STEPS_OF_SGD)
def test_an_l1_penalty_leaves_the_zeros_of_sgd(form, learning_rate):
    """Weights, rows of zeros, int64 indices and float32 included."""
    X, y = make_problem("hinge", n=120, d=12, n_outputs=3, density=0.15)
    X[5] = 0.0
    weight = np.random.default_rng(0).integers(1, 4, size=120).astype(float)
    weight /= weight.mean()
    settings = {"penalty": "elasticnet", "l1_ratio": 0.8, "alpha": 0.03, "eta0": 0.1}
    settings |= {"max_iter": 4, "tol": None, "shuffle": False, "loss": "hinge"}
    settings["learning_rate"] = learning_rate
    theirs = SGDClassifier(**settings).fit(FORMS[form](X), y, sample_weight=weight)
    data = FORMS[form](X)
    kinds = [data]
    if form == "csr":
        kinds.append(data.copy())
        kinds[1].indices = data.indices.astype(np.int64)
        kinds[1].indptr = data.indptr.astype(np.int64)
    for data in kinds:
        ours = GDClassifier(**settings).fit(data, y, sample_weight=weight)
        assert reference.distance(parameters_of(ours), parameters_of(theirs)) < 1e-9
        assert np.array_equal(ours.coef_ == 0.0, theirs.coef_ == 0.0)
    assert 3 <= (theirs.coef_ == 0.0).sum() < theirs.coef_.size
    narrow = GDClassifier(**settings).fit(
        data.astype(np.float32), y, sample_weight=weight
    )
    assert reference.distance(narrow.coef_, theirs.coef_) < 1e-3


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
@pytest.mark.parametrize("loss", ["huber", "squared_error"])
def test_the_cumulative_penalty_outlives_calls_of_partial_fit(loss, penalty, form):
    """SGD* forgets in each call what is due. Here three calls are three epochs."""
    X, y = make_problem(loss, n=80, d=9, n_outputs=1, density=0.3)
    X, settings = FORMS[form](0.5 * X), {"loss": loss, "penalty": penalty, "alpha": 0.1}
    settings |= {"learning_rate": "optimal", "shuffle": False, "max_iter": 3}
    settings |= {"tol": None, "l1_ratio": 0.5}
    theirs = parameters_of(SGDRegressor(**settings).fit(X, y))
    ours = GDRegressor(**settings)
    for call in range(3):
        ours.partial_fit(X, y)
        if call == 1:
            ours = pickle.loads(pickle.dumps(ours))
    assert reference.distance(parameters_of(ours), theirs) < 1e-9
    whole = GDRegressor(**settings).fit(X, y)
    assert np.array_equal(parameters_of(whole), parameters_of(ours))


@pytest.mark.exhaustive
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("penalty", "average"), [("l1", 30), ("elasticnet", 1)])
@pytest.mark.parametrize(
    ("n_outputs", "settings"),
    [
        (2, {"learning_rate": "optimal", "alpha": 0.05}),
        (3, {"learning_rate": "optimal", "alpha": 0.05}),
        # The decay empties the scale of the coefficients several times.
        (3, {"learning_rate": STEPS_OF_SGD[-1], "alpha": 0.5, "eta0": 3.0}),
    ],
)
def test_averages_with_an_l1_penalty_are_means_of_the_iterates_of_sgd(
    n_outputs, settings, average, penalty, form
):
    """That of SGD* itself counts each move by the penalty as made at the start."""
    X, y = make_problem("hinge", n=70, d=8, n_outputs=n_outputs, density=0.4)
    settings = {"loss": "hinge", "penalty": penalty, "l1_ratio": 0.3, **settings}
    settings |= {"shuffle": False, "max_iter": 1}
    classes, data = np.arange(n_outputs), FORMS[form]
    iterates = [
        parameters_of(
            SGDClassifier(**settings).partial_fit(data(X[:n]), y[:n], classes=classes)
        )
        for n in range(average, 71)
    ]
    ours = GDClassifier(**settings, average=average, tol=None).fit(data(X), y)
    found = np.append(*map(np.ravel, reference.iterate(ours)))
    assert reference.distance(found, np.mean(iterates, axis=0)) < 1e-9


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("average", [False, 25])
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_the_cumulative_penalty_follows_its_formula(loss, average, form):
    """Several classes, softmax included."""
    X, y = make_problem(loss, n=50, d=8, n_outputs=3, density=0.4)
    settings = {"loss": loss, "penalty": "elasticnet", "alpha": 0.05, "l1_ratio": 0.3}
    ours = GDClassifier(
        **settings, learning_rate="optimal", shuffle=False, max_iter=5, tol=None,
        average=average,
    ).fit(FORMS[form](X), y)  # fmt: skip
    coef, intercept = reference.descend(
        X, y, **settings, eta=reference.optimal(0.05, loss), n_epochs=5,
        average=average, intercept_rate=0.01 if form == "csr" else 1.0,
        cumulative=lambda row: row != 0.0 if form == "csr" else np.ones(8, bool),
    )  # fmt: skip
    found = reference.iterate(ours)
    assert reference.distance(found[0], coef) < 1e-9
    assert reference.distance(found[1], intercept) < 1e-9


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
