"""Programs written for SGDClassifier and SGDRegressor run with the names changed."""

import copy
import json
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import BATCH_METHODS
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    GammaRegressor,
    PoissonRegressor,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.metrics import d2_tweedie_score
from sklearn.model_selection import GridSearchCV, ParameterGrid

from sklgd import GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS, SGD, Adam, Momentum, Nesterov
from sklgd.schedules import Constant, Cosine, Step

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
Y = X @ [1.0, -1.0, 0.5, 0.0] + 0.1 * rng.normal(size=60)
LABELS = {2: (Y > 0).astype(int), 3: np.digitize(Y, [-0.7, 0.7])}
PAIRS = {
    "regressor": (GDRegressor, SGDRegressor),
    "classifier": (GDClassifier, SGDClassifier),
}
ESTIMATORS = [(GDRegressor, Y), (GDClassifier, LABELS[2])]
both = pytest.mark.parametrize("cls, y", ESTIMATORS, ids=["regressor", "classifier"])

# Defaults of SGD* that scikit-learn has changed: 1.6 and 1.7 had eta0=0.0 in
# SGDClassifier.
OLD_DEFAULTS = {"classifier": {"eta0": 0.0}, "regressor": {"eta0": 0.01}}
# What a random set of parameters is drawn from.
SPACE = {
    "penalty": ["l2", "l1", "elasticnet", None],
    "alpha": [0.0, 1e-4, 1e-2, 1],
    "l1_ratio": [0.15, 0, 1, None],
    "fit_intercept": [True, False],
    "max_iter": [1, 5],
    "tol": [1e-3, 0.0, None],
    "shuffle": [True, False],
    "epsilon": [0.1, 0.0, 2.0],
    "random_state": [0, 7],
    "learning_rate": ["constant", "optimal", "invscaling", "adaptive", "pa1", "pa2"],
    "eta0": [0.01, 0.1, 1e-6],
    "power_t": [0.25, 0.5, 0.0, 1.0],
    "early_stopping": [False, True],
    "validation_fraction": [0.1, 0.3],
    "n_iter_no_change": [1, 5],
    "warm_start": [False, True],
    "average": [False, True, 10],
}
OF_CLASSES = {
    "class_weight": [None, "balanced", {0: 2.0, 1: 0.5, 2: 1.0}],
    "n_jobs": [None, 1],
}


def draw(kind, random):
    """A set of parameters of SGD*, in the form of its `get_params`."""
    theirs = PAIRS[kind][1]
    space = {"loss": sorted(theirs.loss_functions), **SPACE}
    if kind == "classifier":
        space |= OF_CLASSES
    chosen = {
        name: values[random.integers(len(values))] for name, values in space.items()
    }
    if chosen["learning_rate"].startswith("pa"):
        chosen["loss"] = "hinge" if kind == "classifier" else "epsilon_insensitive"
    return theirs(**chosen).get_params()


def fitted(est, y, sparse=False):
    """The estimator fitted, or None if it refuses its parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return est.fit(sp.csr_array(X) if sparse else X, y)
        except ValueError:
            return None


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", PAIRS)
def test_every_combination_that_sgd_fits_is_fitted(kind):
    ours, theirs = PAIRS[kind]
    random, n_fitted = np.random.default_rng(1), 0
    while n_fitted < 100:
        params = draw(kind, random)
        y = Y if kind == "regressor" else LABELS[int(random.integers(2, 4))]
        if isinstance(params.get("class_weight"), dict) and len(set(y)) == 2:
            params["class_weight"] = {0: 2.0, 1: 0.5}
        if fitted(theirs(**params), y) is None:
            continue
        n_fitted += 1
        model = fitted(ours(**params), y, sparse=bool(random.integers(2)))
        assert model is not None, params
        assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
        assert model.predict(X).shape == y.shape


@pytest.mark.one_case
@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("old", [False, True])
def test_the_defaults_of_sgd_are_accepted_without_a_warning(kind, old):
    ours, theirs = PAIRS[kind]
    params = theirs().get_params() | (OLD_DEFAULTS[kind] if old else {})
    y = Y if kind == "regressor" else LABELS[3]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours(**params).fit(X, y)
        # Each of them alone, with the defaults of ours for the rest.
        for name, value in params.items():
            ours(**{name: value}).fit(X, y)
        ours(optimizer="newton", **params).fit(X, y)


@pytest.mark.one_case
@both
def test_the_grid_that_everybody_has_loses_no_fit(cls, y):
    grid = {
        "learning_rate": ["optimal", "invscaling", "constant", "adaptive"],
        "eta0": [0.01, 0.1],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = GridSearchCV(cls(max_iter=5), grid, cv=2, error_score="raise")
        search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# Parameters -> the parameter that has no effect, and why.
NO_EFFECT = {
    "eta0-auto": ({"eta0": 0.3}, "eta0 has no effect with learning_rate='auto'."),
    "eta0-zero": (
        {"eta0": 0.3, "learning_rate": "optimal"},
        "eta0 has no effect with learning_rate='optimal'.",
    ),
    "eta0-number": (
        {"eta0": 0.3, "learning_rate": 0.01},
        "eta0 has no effect with a number, a schedule object or a function as "
        "learning_rate.",
    ),
    "eta0-object": (
        {"eta0": 0.3, "learning_rate": Constant(0.01)},
        "eta0 has no effect with a number, a schedule object or a function as "
        "learning_rate.",
    ),
    "power_t": (
        {"power_t": 0.3, "learning_rate": "constant", "eta0": 0.01},
        "power_t has no effect with learning_rate='constant'.",
    ),
    "alpha": (
        {"alpha": 5, "penalty": None},
        "alpha has no effect with penalty=None.",
    ),
    "l1_ratio": ({"l1_ratio": 0.5}, "l1_ratio has no effect with penalty='l2'."),
    "epsilon": ({"epsilon": 0.5}, "epsilon has no effect with loss={loss!r}."),
    "validation_fraction": (
        {"validation_fraction": 0.3},
        "validation_fraction has no effect with early_stopping=False.",
    ),
    "scoring": (
        {"scoring": "loss"},
        "scoring has no effect with early_stopping=False and no X_val.",
    ),
    "n_iter_no_change": (
        {"n_iter_no_change": 2, "optimizer": "newton"},
        "n_iter_no_change has no effect with optimizer='newton'.",
    ),
    "n_iter_no_change-tol": (
        {"n_iter_no_change": 2, "tol": None, "max_iter": 3},
        "n_iter_no_change has no effect with tol=None.",
    ),
    "shuffle": (
        {"shuffle": False, "optimizer": "lbfgs"},
        "shuffle has no effect with optimizer='lbfgs'.",
    ),
    "shuffle-full": (
        {"shuffle": False, "optimizer": "sgd", "batch_size": "full"},
        "shuffle has no effect with batch_size='full'.",
    ),
    "learning_rate": (
        {"learning_rate": 0.1, "optimizer": "newton"},
        "learning_rate has no effect with optimizer='newton'.",
    ),
    "learning_rate-name": (
        {"learning_rate": "constant", "optimizer": "lbfgs"},
        "learning_rate has no effect with optimizer='lbfgs'.",
    ),
    "eta0-newton": (
        {"learning_rate": "invscaling", "eta0": 0.3, "optimizer": "newton"},
        "eta0 has no effect with optimizer='newton'.",
    ),
}


def told(model, *args, method="fit"):
    """The texts of the warnings about parameters."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(model, method)(*args)
    ours = [w for w in caught if w.category is UserWarning]
    # The warning points at the line of the caller.
    assert all(w.filename == __file__ for w in ours)
    return [str(w.message) for w in ours]


@pytest.mark.some_cases
@both
@pytest.mark.parametrize("case", NO_EFFECT)
def test_a_parameter_without_effect_warns_once_with_a_constant_text(cls, y, case):
    params, text = NO_EFFECT[case]
    model = cls(random_state=0, **params)
    assert told(model, X, y) == [text.format(loss=model.loss)]
    without = {k: v for k, v in params.items() if k not in text.split(" has")[0]}
    plain = cls(random_state=0, **without)
    assert told(plain, X, y) == []
    # What has no effect has none.
    assert np.array_equal(model.coef_, plain.coef_)


@pytest.mark.parametrize("name, value", [("quantile", 0.9), ("power", 1.2)])
def test_a_parameter_of_another_loss_warns(name, value):
    text = f"{name} has no effect with loss='squared_error'."
    model = GDRegressor(**{name: value})
    assert told(model, X, Y) == [text]
    assert told(clone(model), X, Y, method="partial_fit") == [text]


def test_each_parameter_without_effect_warns():
    model = GDRegressor(quantile=0.9, eta0=0.2, l1_ratio=0.3, power_t=0.3)
    assert len(told(model, X, Y)) == 4


@both
def test_partial_fit_warns_in_its_first_call_only(cls, y):
    model = cls(eta0=0.3, l1_ratio=0.4, validation_fraction=0.2, n_iter_no_change=2)
    args = (X, y) if cls is GDRegressor else (X, y, [0, 1])
    texts = ["l1_ratio has no effect with penalty='l2'."]
    texts += ["eta0 has no effect with learning_rate='auto'."]
    assert told(model, *args, method="partial_fit") == texts
    assert told(model, *args, method="partial_fit") == []


@both
def test_a_validation_set_takes_the_place_of_validation_fraction(cls, y):
    model = cls(early_stopping=True, validation_fraction=0.3, max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        with pytest.warns(UserWarning, match="with X_val and y_val"):
            model.fit(X, y, X_val=X, y_val=y)
    assert told(model, X, y) == []


def test_what_auto_stands_for_is_part_of_the_reason():
    text = (
        "shuffle has no effect with optimizer='newton', which is what 'auto' stands "
        "for here."
    )
    assert told(GDRegressor(shuffle=False), X, Y) == [text]


@both
def test_alpha_has_an_effect_on_the_steps_of_optimal(cls, y):
    model = cls(penalty=None, alpha=0.5, learning_rate="optimal", max_iter=2, tol=None)
    assert told(model, X, y) == []


@both
def test_a_learning_rate_leaves_newton_as_it_is(cls, y):
    expected = cls(optimizer="newton").fit(X, y)
    for rate in (0.1, Constant(0.1), Step(), "constant", "adaptive"):
        with pytest.warns(UserWarning, match="learning_rate has no effect"):
            model = cls(optimizer="newton", learning_rate=rate).fit(X, y)
        assert np.array_equal(model.coef_, expected.coef_)
        assert model.stop_reason_ == expected.stop_reason_


@both
@pytest.mark.parametrize(
    "name, batch_size", [("newton", 1), ("saga", 32), ("svrg", "full"), ("fista", 7)]
)
def test_an_optimizer_that_cannot_says_how_to_write_the_grid(cls, y, name, batch_size):
    with pytest.raises(ValueError, match="list of dicts") as caught:
        cls(optimizer=name, batch_size=batch_size).fit(X, y)
    message = str(caught.value)
    assert f"batch_size={batch_size!r}" in message and f"'{name}'" in message
    grid = message[message.index("[{") : message.rindex("]") + 1].replace("'", '"')
    assert len(list(ParameterGrid(json.loads(grid)))) > 1


@both
@pytest.mark.parametrize("batch_size", [32.0, np.float32(7), np.float64(1), 1.0])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "auto", "svrg"])
def test_an_integral_batch_size_may_be_a_float(cls, y, batch_size, optimizer):
    model = cls(optimizer=optimizer, batch_size=batch_size, random_state=0, max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        coef = model.fit(X, y).coef_
        assert model.batch_size_ == int(batch_size)
        assert type(model.batch_size_) is int
        again = clone(model).set_params(batch_size=int(batch_size)).fit(X, y)
    assert np.array_equal(coef, again.coef_)


@both
@pytest.mark.parametrize("name", ["Adam", "SGD", "NEWTON", "Point_SAGA", "AUTO"])
def test_a_name_of_an_optimizer_may_have_any_case(cls, y, name):
    lower = cls(optimizer=name.lower(), random_state=0).fit(X, y)
    model = cls(optimizer=name, random_state=0).fit(X, y)
    assert np.array_equal(model.coef_, lower.coef_)
    assert model.optimizer == name


@both
@pytest.mark.parametrize(
    "name, value, meant",
    [
        ("optimizer", "adm", "'adam'"),
        ("optimizer", "point-saga", "'point_saga'"),
        ("penalty", "none", "None"),
        ("penalty", "elastic_net", "'elasticnet'"),
        ("learning_rate", "inv_scaling", "'invscaling'"),
        ("learning_rate", "Constant", "'constant'"),
        ("batch_size", "Full", "'full'"),
        ("shuffle", "block", "'blocks'"),
    ],
)
def test_a_misspelt_value_gets_the_nearest_valid_one(cls, y, name, value, meant):
    with pytest.raises(ValueError, match=f"{name}.*Did you mean {meant}?") as caught:
        cls(**{name: value}).fit(X, y)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    "cls, y, value, meant",
    [
        (GDRegressor, Y, "squared_loss", "squared_error"),
        (GDRegressor, Y, "hubber", "huber"),
        (GDClassifier, LABELS[2], "log", "log_loss"),
        (GDClassifier, LABELS[2], "logloss", "log_loss"),
        (GDClassifier, LABELS[2], "squared hinge", "squared_hinge"),
    ],
)
def test_a_misspelt_loss_gets_the_nearest_valid_one(cls, y, value, meant):
    with pytest.raises(ValueError, match=f"loss must be one of .*mean '{meant}'?"):
        cls(value).fit(X, y)


@pytest.mark.parametrize(
    "cls, keyword, words",
    [
        (GDClassifierCV, "Cs", ["alphas", "1/(C * n_samples)"]),
        (GDRegressorCV, "n_alphas", ["alphas"]),
        (GDRegressorCV, "l1_ratios", ["l1_ratio", "list"]),
        (GDRegressorCV, "param_grid", ["GridSearchCV around"]),
        (GDClassifier, "C", ["alpha", "1/(C * n_samples)"]),
        (GDClassifier, "multi_class", ["log_loss", "multinomial", "one-vs-rest"]),
        (GDClassifier, "intercept_scaling", ["no counterpart", "no penalty"]),
        (GDRegressor, "normalize", ["standardize=True", "StandardScaler"]),
        (GDRegressor, "lr", ["learning_rate"]),
        (GDRegressor, "n_epochs", ["max_iter"]),
        (GDRegressor, "epochs", ["max_iter"]),
        (GDRegressor, "weight_decay", ["alpha"]),
        (GDRegressor, "l2", ["penalty='l2'", "alpha"]),
        (GDClassifier, "l1", ["penalty='l1'", "alpha"]),
        (GDClassifier, "reg_lambda", ["alpha"]),
        (GDClassifier, "lambda_", ["alpha"]),
        (GDClassifier, "solver", ["optimizer='lbfgs'"]),
        (GDClassifier, "nesterovs_momentum", ["Momentum(momentum=0.9)"]),
        (GDClassifier, "seed", ["random_state"]),
        (GDRegressor, "momentum", ["Momentum(momentum=0.9)"]),
        (GDRegressor, "max_iters", ["Did you mean 'max_iter'?"]),
        (Adam, "learning_rate", ["estimator", "optimizer=Adam(), learning_rate=0.1"]),
        (Nesterov, "lr", ["estimator", "optimizer=Nesterov(), learning_rate=0.1"]),
        (Adam, "betas", ["Adam(beta_1=0.9, beta_2=0.999)"]),
        (Adam, "beta1", ["Did you mean 'beta_1'?"]),
        (SGD, "momentum", ["Momentum(momentum=0.9)"]),
        (Cosine, "lr", ["Cosine", "eta0"]),
        (Step, "gamma", ["factor"]),
    ],
)
def test_an_unknown_keyword_says_where_it_belongs(cls, keyword, words):
    with pytest.raises(
        TypeError, match=f"unexpected keyword argument '{keyword}'"
    ) as e:
        cls(**{keyword: 0.1})
    for word in (cls.__name__, *words):
        assert word in str(e.value)


def test_constructors_that_explain_keywords_are_cloned_copied_and_pickled():
    class Own(GDRegressor):
        def __init__(self, loss="huber", **kwargs):
            super().__init__(loss, **kwargs)

    assert Own(alpha=0.5).alpha == 0.5
    for obj in (GDRegressor(alpha=0.1), Adam(beta_1=0.5), Cosine(eta0=0.2)):
        for twin in (clone(obj), copy.deepcopy(obj), pickle.loads(pickle.dumps(obj))):
            assert twin.get_params() == obj.get_params()


@both
def test_parameters_of_a_named_optimizer_can_be_set_and_searched(cls, y):
    model = cls(optimizer="adam").set_params(optimizer__beta_1=0.8)
    assert isinstance(model.optimizer, Adam) and model.optimizer.beta_1 == 0.8
    model = cls().set_params(optimizer="Momentum", optimizer__momentum=0.5)
    assert isinstance(model.optimizer, Momentum) and model.optimizer.momentum == 0.5
    search = GridSearchCV(
        cls(optimizer="adam", max_iter=5), {"optimizer__beta_1": [0.5, 0.9]}, cv=2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, y)
    assert search.best_estimator_.optimizer.beta_1 in (0.5, 0.9)


@both
@pytest.mark.parametrize(
    "params, words",
    [
        ({"optimizer": "auto", "optimizer__beta_1": 0.8}, ["'auto'", "Adam(beta_1"]),
        ({"optimizer": "adm", "optimizer__beta_1": 0.8}, ["'adm'"]),
        (
            {"learning_rate": "cosine", "learning_rate__eta0": 0.8},
            ["learning_rate='cosine'", "Cosine(eta0="],
        ),
        ({"loss__epsilon": 0.8}, ["loss__epsilon", "loss="]),
    ],
)
def test_parameters_of_a_name_that_has_none_are_explained(cls, y, params, words):
    with pytest.raises(ValueError, match="cannot be set on") as caught:
        cls().set_params(**params)
    for word in words:
        assert word in str(caught.value)


def test_every_optimizer_declares_what_decides_about_its_parameters():
    for name, cls in OPTIMIZERS.items():
        batch = name in BATCH_METHODS
        assert cls.takes_learning_rate is not (batch or cls.learns_online)
        assert cls.shuffles is not batch
        assert cls.averages is cls.learns_online
        assert cls.estimates_gap is batch


GLMS = {
    "poisson": (PoissonRegressor, {}, 1.0),
    "gamma": (GammaRegressor, {}, 2.0),
    "tweedie": (TweedieRegressor, {"power": 1.5}, 1.5),
    "tweedie-3": (TweedieRegressor, {"power": 3.0}, 3.0),
    "tweedie-0": (TweedieRegressor, {"power": 0.0}, 0.0),
}


@pytest.mark.one_case
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", GLMS)
def test_the_score_of_a_log_link_is_the_d2_of_scikit_learn(name, weighted):
    cls, params, power = GLMS[name]
    y = np.exp(0.3 * Y) * np.random.default_rng(2).gamma(3.0, 0.4, size=60)
    if name in ("poisson", "tweedie"):
        y = np.round(y)
        assert (y == 0).any()
    weight = rng.random(60) if weighted else None
    link = {"link": "log"} if "power" in params else {}
    theirs = cls(alpha=0.1, tol=1e-8, max_iter=1000, **params, **link)
    theirs.fit(X, y, weight)
    model = GDRegressor(name.split("-")[0], alpha=0.1, tol=1e-9, **params)
    model.fit(X, y, weight)
    expected = d2_tweedie_score(y, model.predict(X), sample_weight=weight, power=power)
    assert model.score(X, y, weight) == pytest.approx(expected, rel=1e-9)
    assert model.score(X, y, weight) == pytest.approx(theirs.score(X, y, weight), 1e-3)
    plain = model.to_sklearn()
    assert model.score(X, y, weight) == pytest.approx(plain.score(X, y, weight), 1e-9)
    # Of several outputs it is the mean.
    both = GDRegressor(name.split("-")[0], alpha=0.1, tol=1e-9, **params)
    both.fit(X, np.column_stack([y, y]), weight)
    assert both.score(X, np.column_stack([y, y]), weight) == pytest.approx(
        expected, 1e-4
    )
    # It is what early stopping watches, too.
    stopped = GDRegressor(name.split("-")[0], early_stopping=True, **params)
    stopped.fit(X, y, X_val=X, y_val=y, sample_weight_val=weight)
    best = stopped.best_validation_score_
    assert best == pytest.approx(stopped.score(X, y, weight), 1e-9)


def test_the_score_of_extreme_predictions_is_finite():
    model = GDRegressor("poisson").fit(X, np.ones(60))
    assert model.score(X, np.ones(60)) == 1.0
    model.coef_ = 1e4 * np.ones(4)
    assert model.score(X, np.ones(60)) == 0.0
    assert model.score(X, np.arange(60.0)) < -1e10
    with pytest.raises(ValueError, match="out of the valid range"):
        model.score(X, -np.ones(60))


OF_REGRESSION = sorted(
    name for name, c in LOSSES.items() if c.classifies and c.task == "regression"
)


@pytest.mark.one_case
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", OF_REGRESSION)
@pytest.mark.parametrize("optimizer", ["auto", "point_saga", "adam", "fista"])
def test_a_regression_loss_in_the_classifier_is_one_against_the_rest(
    loss, n_classes, optimizer
):
    y = np.array(["a", "b", "c"])[LABELS[n_classes]]
    settings = {"alpha": 0.1, "optimizer": optimizer, "tol": 1e-7, "epsilon": 0.2}
    settings |= {"max_iter": 2000, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GDClassifier(loss, **settings).fit(X, y)
        targets = np.where(y[:, None] == model.classes_, 1.0, -1.0)
        if n_classes == 2:
            targets = targets[:, 1]
        numbers = GDRegressor(loss, **settings).fit(X, targets)
    assert np.abs(model.coef_ - np.atleast_2d(numbers.coef_)).max() < 2e-2
    z = model.decision_function(X)
    assert z.shape == ((60,) if n_classes == 2 else (60, 3))
    codes = (z > 0).astype(int) if n_classes == 2 else z.argmax(axis=1)
    assert np.array_equal(model.predict(X), model.classes_[codes])
    assert model.score(X, y) > 0.6
    assert not hasattr(model, "predict_proba")
    twin = model.to_sklearn()
    assert type(twin) is SGDClassifier
    assert (twin.loss, twin.epsilon, twin.alpha) == (loss, 0.2, 0.1)
    assert np.array_equal(twin.predict(X), model.predict(X))


@pytest.mark.parametrize("loss", OF_REGRESSION)
def test_the_classifier_with_a_regression_loss_learns_in_parts(loss):
    y = LABELS[3]
    settings = {"optimizer": "sgd", "batch_size": 1, "learning_rate": 0.01}
    settings |= {"random_state": 0, "average": True}
    model = GDClassifier(loss, max_iter=2, tol=None, **settings).fit(X, y)
    parts = GDClassifier(loss, **settings)
    for _ in range(2):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    assert np.array_equal(model.coef_, parts.coef_)
    stopped = GDClassifier(loss, early_stopping=True, random_state=0).fit(X, y)
    assert stopped.best_validation_score_ <= 1.0


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
def test_the_squared_error_of_classes_is_ridge_classification(load, class_weight):
    X, y = load(return_X_y=True)
    ridge = RidgeClassifier(alpha=1.0, class_weight=class_weight).fit(X, y)
    model = GDClassifier(
        "squared_error", alpha=1.0 / len(y), tol=1e-14, class_weight=class_weight
    ).fit(X, y)
    np.testing.assert_allclose(model.coef_, np.atleast_2d(ridge.coef_), atol=1e-8)
    np.testing.assert_array_equal(model.predict(X), ridge.predict(X))
    np.testing.assert_array_equal(model.to_sklearn().predict(X), ridge.predict(X))
