"""The estimators as scikit-learn users meet them: labels, weights, shapes, tools."""

import inspect
import re
import sys
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.linear_model import LinearRegression, SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from sklgd import GDClassifier, GDRegressor
from sklgd.optimizers import Adam, Momentum
from sklgd.schedules import Cosine, InvScaling, Step, WarmUp

BOTH = [GDRegressor, GDClassifier]
# Two epochs of a published rule: no learning rate found from data, no stopping rule.
TEXTBOOK = {
    "optimizer": "adam",
    "batch_size": 16,
    "learning_rate": 0.01,
    "max_iter": 3,
    "tol": None,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


def data_for(cls, n=60, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    w = rng.normal(size=d)
    w[4:] = 0.0
    z = X @ w + 0.3 * rng.normal(size=n)
    return X, z if cls is GDRegressor else np.digitize(z, [-0.7, 0.7])


# ---------------------------------------------------------------- labels and weights


@pytest.mark.one_case
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_string_labels(iris, loss, n_classes):
    X, y = (part[: 50 * n_classes] for part in iris)
    # Alphabetical order is not the order of the codes.
    names = np.array(["virginica", "setosa", "another"])
    plain = GDClassifier(loss, random_state=0).fit(X, np.argsort([1, 2, 0])[y] % 3)
    model = GDClassifier(loss, random_state=0).fit(X, names[y])
    assert list(model.classes_) == sorted(names[:n_classes])
    assert set(model.predict(X)) <= set(names)
    assert model.score(X, names[y]) > 0.9
    # The same classes under other names, in another order.
    codes = np.unique(names[y], return_inverse=True)[1]
    again = GDClassifier(loss, random_state=0).fit(X, codes)
    np.testing.assert_array_equal(again.coef_, model.coef_)
    np.testing.assert_array_equal(model.classes_[again.predict(X)], model.predict(X))
    assert plain.score(X, np.argsort([1, 2, 0])[y] % 3) > 0.9


@pytest.mark.parametrize("y", [[True, False], [-1, 1], [0.0, 1.0], ["b", "a"]], ids=str)
def test_two_classes_of_any_type(y):
    X = np.array([[0.0], [1.0]] * 10)
    labels = np.array(y * 10)
    model = GDClassifier().fit(X, labels)
    np.testing.assert_array_equal(model.predict(X), labels)
    assert model.predict(X).dtype == labels.dtype
    # One column, positive for classes_[1].
    positive = model.decision_function(X) > 0
    np.testing.assert_array_equal(model.classes_[positive.astype(int)], labels)


@pytest.mark.parametrize("settings", [{}, TEXTBOOK, TEXTBOOK | {"batch_size": 1}])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5, 2: 1.0}, {1: 4}])
def test_class_weight_is_sample_weight(iris, settings, weighted, class_weight):
    X, y = (part[20:] for part in iris)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y)) if weighted else None
    s = np.ones(len(y)) if weight is None else weight
    if class_weight == "balanced":
        counts = np.array([s[y == k].sum() for k in range(3)])
        per_class = s.sum() / (3 * counts)
    else:
        per_class = np.array([class_weight.get(k, 1.0) for k in range(3)])
    model = GDClassifier(class_weight=class_weight, **settings).fit(X, y, weight)
    twin = GDClassifier(**settings).fit(X, y, per_class[y] * s)
    other = GDClassifier(**settings).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, twin.coef_, rtol=1e-7)
    assert np.abs(other.coef_ - twin.coef_).max() > 1e-4 * np.abs(twin.coef_).max()


def test_class_weight_of_string_labels(cancer):
    X, y = cancer
    names = np.array(["malignant", "benign"])[y]
    weights = {"malignant": 5.0, "benign": 1.0}
    model = GDClassifier(class_weight=weights).fit(X, names)
    twin = GDClassifier().fit(X, names, np.where(y == 0, 5.0, 1.0))
    np.testing.assert_allclose(model.coef_, twin.coef_, rtol=1e-7)


# ------------------------------------------------------------------- several outputs


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "ftrl"])
@pytest.mark.parametrize("batch_size", [1, 16, "full"])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_several_outputs_are_separate_fits(optimizer, batch_size, penalty):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4))
    Y = X @ rng.normal(size=(4, 3)) + rng.normal(size=(50, 3))
    settings = TEXTBOOK | {
        "optimizer": optimizer,
        "batch_size": batch_size,
        "penalty": penalty,
        "alpha": 0.05,
    }
    model = GDRegressor(**settings).fit(X, Y)
    assert model.predict(X).shape == (50, 3)
    for k in range(3):
        single = GDRegressor(**settings).fit(X, Y[:, k])
        np.testing.assert_allclose(model.coef_[k], single.coef_, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(model.intercept_[k], single.intercept_[0])


@pytest.mark.parametrize("cls", BOTH)
def test_shapes(cls):
    X, y = data_for(cls)
    d = X.shape[1]
    if cls is GDRegressor:
        expected = [(y, (d,), (1,), (60,)), (y[:, None], (1, d), (1,), (60, 1))]
        expected.append((np.column_stack([y, -y]), (2, d), (2,), (60, 2)))
    else:
        expected = [(y, (3, d), (3,), (60,)), (y > 0, (1, d), (1,), (60,))]
    for target, coef, intercept, prediction in expected:
        for settings in ({}, TEXTBOOK):
            model = cls(**settings).fit(X, target)
            assert model.coef_.shape == coef
            assert model.intercept_.shape == intercept
            assert model.predict(X).shape == prediction
            if cls is GDClassifier:
                raw = (60,) if coef[0] == 1 else (60, 3)
                assert model.decision_function(X).shape == raw
    if cls is GDRegressor:
        column = cls(**TEXTBOOK).fit(X, y[:, None]).predict(X)
        np.testing.assert_array_equal(
            column[:, 0], cls(**TEXTBOOK).fit(X, y).predict(X)
        )


def test_column_of_labels_warns():
    X, y = data_for(GDClassifier)
    flat = GDClassifier(**TEXTBOOK).fit(X, y)
    with pytest.warns(sklearn.exceptions.DataConversionWarning):
        column = GDClassifier(**TEXTBOOK).fit(X, y[:, None])
    np.testing.assert_array_equal(flat.coef_, column.coef_)


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_dtype_of_the_coefficients(cls, dtype, method):
    X, y = data_for(cls)
    X = (2 * X).astype(dtype)
    classes = [[0, 1, 2]] if (cls, method) == (GDClassifier, "partial_fit") else []
    model = getattr(cls(**TEXTBOOK), method)(X, y, *classes)
    wanted = np.float32 if dtype == np.float32 else np.float64
    assert model.coef_.dtype == model.intercept_.dtype == wanted
    # float32 is storage: the arithmetic is that of float64.
    if dtype == np.float32:
        wide = getattr(cls(**TEXTBOOK), method)(X.astype(float), y, *classes)
        np.testing.assert_array_equal(model.coef_, wide.coef_.astype(np.float32))
        if cls is GDClassifier:
            assert model.predict_proba(X).dtype == np.float32


FITTED = [
    *("coef_", "intercept_", "n_iter_", "t_", "loss_curve_", "validation_scores_"),
    *(
        "best_validation_score_",
        "stop_reason_",
        "diagnosis_",
        "optimality_gap_",
        "optimality_gap_is_bound_",
        "optimizer_",
    ),
    *("batch_size_", "learning_rate_", "n_features_in_", "alpha_"),
]


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("settings", [{}, TEXTBOOK])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_fitted_attributes(cls, settings, method):
    X, y = data_for(cls)
    model = cls(**settings)
    public = {name for name in dir(model) if hasattr(model, name)}
    if method == "fit" or cls is GDRegressor:
        getattr(model, method)(X, y)
    else:
        model.partial_fit(X, y, [0, 1, 2])
    wanted = {*FITTED, *(["classes_"] if cls is GDClassifier else [])}
    if method == "partial_fit" and not settings:
        wanted |= {"progressive_loss_", "progressive_score_"}
    found = {name for name in dir(model) if hasattr(model, name)}
    new = {name for name in found - public if not name.startswith("_")}
    assert new == wanted
    assert model.n_iter_ == len(model.loss_curve_) >= 1
    assert model.t_ == 1 + model.n_iter_ * 60
    assert model.n_features_in_ == 4
    assert model.validation_scores_ is model.best_validation_score_ is None
    assert isinstance(model.stop_reason_, str)
    assert np.isfinite(model.loss_curve_).all()
    assert type(model.n_iter_) is type(model.t_) is int


# ------------------------------------------------------------------------ prediction


@pytest.mark.parametrize(
    "loss", ["log_loss", "modified_huber", "hinge", "squared_hinge", "perceptron"]
)
def test_predict_proba_only_where_there_is_one(iris, loss):
    model = GDClassifier(loss)
    has = loss in ("log_loss", "modified_huber")
    for method in ("predict_proba", "predict_log_proba"):
        assert hasattr(model, method) == has
        if not has:
            with pytest.raises(AttributeError) as caught:
                getattr(model, method)
            assert loss in str(caught.value.__cause__ or caught.value)
    assert not hasattr(GDRegressor(), "predict_proba")
    if has:
        p = model.fit(*iris).predict_proba(iris[0])
        assert p.shape == (150, 3) and (p >= 0).all()
        np.testing.assert_allclose(p.sum(axis=1), 1.0)
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(np.exp(model.predict_log_proba(iris[0])), p)


def test_probabilities_of_log_loss(iris, cancer):
    model = GDClassifier(max_iter=20, tol=None).fit(*iris)
    z = iris[0] @ model.coef_.T + model.intercept_
    np.testing.assert_allclose(model.predict_proba(iris[0]), softmax(z, axis=1))
    np.testing.assert_allclose(model.decision_function(iris[0]), z)
    binary = GDClassifier(max_iter=20, tol=None).fit(*cancer)
    p = expit(cancer[0] @ binary.coef_[0] + binary.intercept_)
    np.testing.assert_allclose(binary.predict_proba(cancer[0])[:, 1], p)
    # Far from the boundary both columns keep their relative accuracy.
    far = binary.predict_proba(1e3 * cancer[0])
    assert (far >= 0).all() and (far.min(axis=1) > 0).any()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_of_modified_huber(iris, n_classes):
    """The formula is SGDClassifier's; ours, put into its coefficients, agrees."""
    X, y = (part[: 50 * n_classes] for part in iris)
    sgd = SGDClassifier(loss="modified_huber", random_state=0).fit(X, y)
    model = GDClassifier("modified_huber", random_state=0).fit(X, y)
    # Rows that no class claims, too.
    model.intercept_ = model.intercept_ - 1.5
    sgd.coef_, sgd.intercept_ = model.coef_, model.intercept_
    z = np.reshape(model.decision_function(X), (len(X), -1))
    assert n_classes == 2 or (z <= -1).all(axis=1).any()
    np.testing.assert_allclose(model.predict_proba(X), sgd.predict_proba(X))


@pytest.mark.parametrize(
    "loss, power", [("poisson", 1.0), ("gamma", 2.0), ("tweedie", 1.5)]
)
def test_log_link_predicts_the_mean(loss, power):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    mean = np.exp(X @ [0.3, -0.2, 0.1] + 2.0)
    y = mean * rng.gamma(2.0, 0.5, size=300) if power > 1 else rng.poisson(mean) * 1.0
    weight = rng.integers(1, 4, 300)
    model = GDRegressor(loss, tol=1e-10, max_iter=5000).fit(X, y, weight)
    prediction = model.predict(X)
    np.testing.assert_allclose(
        np.log(prediction), X @ model.coef_ + model.intercept_[0]
    )
    # The derivative in the intercept is zero: for Poisson sum(prediction) == sum(y).
    score = weight * prediction ** (1.0 - power)
    assert np.sum(score * prediction) == pytest.approx(np.sum(score * y), rel=1e-5)
    np.testing.assert_allclose(model.coef_, [0.3, -0.2, 0.1], atol=0.1)
    far = model.predict(np.full((1, 3), 1e6))
    assert far.shape == (1,) and far[0] >= 0  # no error, no warning


# ---------------------------------------------------------------- sparse coefficients


@pytest.mark.one_case
@pytest.mark.parametrize("kind", ["regressor", "outputs", "binary", "classes"])
def test_sparsify(kind):
    X, y = data_for(GDRegressor, d=8)
    if kind == "outputs":
        y = np.column_stack([y, -y])
    elif kind != "regressor":
        y = y > 0 if kind == "binary" else np.digitize(y, [-0.7, 0.7])
    cls = GDRegressor if kind in ("regressor", "outputs") else GDClassifier
    model = cls(penalty="l1", alpha=0.1, **TEXTBOOK | {"batch_size": "full"})
    model.set_params(max_iter=100).fit(X, y)
    dense, prediction = model.coef_.copy(), model.predict(X)
    assert (dense == 0.0).any() and (dense != 0.0).any()
    assert model.sparsify() is model
    assert model.coef_.format == "csr"
    assert model.coef_.nnz == np.count_nonzero(dense)
    for form in (np.asarray, sp.csr_matrix):
        result = model.predict(form(X))
        assert result.shape == prediction.shape
        if cls is GDRegressor:
            np.testing.assert_allclose(result, prediction, rtol=1e-12)
        else:
            np.testing.assert_array_equal(result, prediction)
    model.sparsify()  # once more changes nothing
    twin = clone(model).fit(X, y).partial_fit(X, y)
    model.partial_fit(X, y)
    np.testing.assert_array_equal(model.coef_, twin.coef_)
    model = clone(model).fit(X, y).sparsify()
    assert model.densify() is model
    np.testing.assert_array_equal(model.coef_, dense)
    assert model.coef_.shape == dense.shape
    warm = clone(model).set_params(warm_start=True).fit(X, y).sparsify().fit(X, y)
    cold = clone(model).fit(X, y, coef_init=dense, intercept_init=model.intercept_)
    np.testing.assert_array_equal(warm.coef_, cold.coef_)


@pytest.mark.skipif(
    "sparse_interface" not in sklearn.get_config(), reason="new in scikit-learn 1.9"
)
@pytest.mark.parametrize("cls", BOTH)
def test_sparsify_to_sparse_arrays(cls):
    X, y = data_for(cls)
    model = cls(**TEXTBOOK).fit(X, y)
    prediction = model.predict(X)
    with sklearn.config_context(sparse_interface="sparray"):
        model.sparsify()
        np.testing.assert_allclose(model.predict(X), prediction, rtol=1e-12)
        assert isinstance(model.coef_, sp.sparray)
        assert isinstance(model.densify().coef_, np.ndarray)


# --------------------------------------------------------------- scikit-learn's tools


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_feature_names(library, cls, method):
    frames = pytest.importorskip(library)
    X, y = data_for(cls)
    names = ["a", "b", "c", "d"]
    frame = frames.DataFrame(dict(zip(names, X.T, strict=True)))
    labels = frames.Series(y)
    if not hasattr(LinearRegression().fit(frame, y), "feature_names_in_"):
        pytest.skip(f"this scikit-learn does not see the names of this {library}")
    classes = [[0, 1, 2]] if (cls, method) == (GDClassifier, "partial_fit") else []
    model = getattr(cls(**TEXTBOOK), method)(frame, labels, *classes)
    assert list(model.feature_names_in_) == names
    plain = getattr(cls(**TEXTBOOK), method)(X, y, *classes)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    np.testing.assert_array_equal(model.predict(frame), plain.predict(X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match="feature names"):
        model.partial_fit(frame[["b", "a", "c", "d"]], labels)
    with pytest.raises(ValueError, match="feature names"):
        cls(**TEXTBOOK).fit(frame, labels, X_val=frame[["b", "a", "c", "d"]], y_val=y)
    with pytest.warns(UserWarning, match="feature names"):
        model.predict(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cls(**TEXTBOOK).fit(frame, labels, X_val=frame, y_val=labels)


@pytest.mark.parametrize("cls", BOTH)
def test_metadata_routing(cls):
    X, y = data_for(cls, n=90)
    weight = np.random.default_rng(1).uniform(0.1, 3.0, 90)
    train, val = slice(60), slice(60, 90)
    settings = TEXTBOOK | {"max_iter": 10, "early_stopping": True}
    with sklearn.config_context(enable_metadata_routing=True):
        model = cls(**settings).set_fit_request(
            sample_weight=True, X_val=True, y_val=True, sample_weight_val=True
        )
        pipeline = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            model,
            transform_input=["X_val"],
        )
        pipeline.fit(
            *(X[train], y[train]),
            sample_weight=weight[train],
            X_val=X[val],
            y_val=y[val],
            sample_weight_val=weight[val],
        )
        routed = pipeline[-1]
    scaler = StandardScaler().fit(X[train])
    direct = cls(**settings).fit(
        scaler.transform(X[train]),
        y[train],
        weight[train],
        X_val=scaler.transform(X[val]),
        y_val=y[val],
        sample_weight_val=weight[val],
    )
    np.testing.assert_array_equal(routed.coef_, direct.coef_)
    assert routed.validation_scores_ == direct.validation_scores_
    unweighted = cls(**settings).fit(
        scaler.transform(X[train]),
        y[train],
        X_val=scaler.transform(X[val]),
        y_val=y[val],
    )
    assert np.abs(unweighted.coef_ - direct.coef_).max() > 1e-6
    assert unweighted.validation_scores_ != direct.validation_scores_


@pytest.mark.parametrize("cls", BOTH)
def test_html_repr_links_to_the_documentation(cls):
    model = cls()
    link = f"https://sklgd.readthedocs.io/en/stable/api/sklgd.{cls.__name__}.html"
    assert link in model._repr_html_()
    assert link in cls(optimizer=Adam()).fit(*data_for(cls))._repr_html_()
    assert repr(model) == f"{cls.__name__}()"
    assert "Adam(beta_1=0.8)" in repr(cls(optimizer=Adam(beta_1=0.8)))


def test_tags():
    regressor, classifier = get_tags(GDRegressor()), get_tags(GDClassifier())
    assert regressor.estimator_type == "regressor"
    assert classifier.estimator_type == "classifier"
    assert regressor.target_tags.multi_output
    assert not regressor.target_tags.positive_only
    assert classifier.classifier_tags.multi_class
    for tags in (regressor, classifier):
        assert tags.input_tags.sparse
        assert not tags.input_tags.allow_nan
        assert tags.target_tags.required
        assert not tags.non_deterministic


@pytest.mark.exhaustive
def test_grid_search_in_a_pipeline():
    """Two processes; optimizers, batch sizes and an optimizer's own parameter."""
    X, y = load_wine(return_X_y=True)
    pipeline = make_pipeline(
        StandardScaler(), GDClassifier(max_iter=5, tol=None, random_state=0)
    )
    name = "gdclassifier__"
    grid = [
        {name + "optimizer": ["sgd", "adagrad"], name + "batch_size": [1, 32, "full"]},
        {
            name + "optimizer": [Adam(), Adam(beta_2=0.99)],
            name + "optimizer__beta_1": [0.0, 0.5, 0.9],
            name + "learning_rate": [0.05],
            name + "batch_size": [16],
        },
    ]
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise")
    search.fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 12 and search.best_score_ > 0.9
    again = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    np.testing.assert_array_equal(scores, again.cv_results_["mean_test_score"])
    # The optimizer's own parameter reached the fit.
    assert len({*map(float, scores[6:])}) > 1
    assert grid[1][name + "optimizer"][0].beta_1 == 0.9


# ------------------------------------------------------------------------- parameters


@pytest.mark.parametrize("cls", BOTH)
def test_clone_and_nested_parameters(cls):
    model = cls(
        optimizer=Adam(beta_1=0.8), learning_rate=WarmUp(Cosine(0.1, 500), steps=3)
    )
    params = model.get_params()
    assert params["optimizer__beta_1"] == 0.8
    assert params["learning_rate__steps"] == 3
    assert params["learning_rate__schedule__eta0"] == 0.1
    copy = clone(model)
    assert copy.optimizer is not model.optimizer
    assert copy.learning_rate is not model.learning_rate
    copy.set_params(
        optimizer__beta_1=0.5, learning_rate__schedule__eta0=0.2, batch_size=7
    )
    assert (copy.optimizer.beta_1, copy.learning_rate.schedule.eta0) == (0.5, 0.2)
    assert (model.optimizer.beta_1, model.learning_rate.schedule.eta0) == (0.8, 0.1)
    assert copy.set_params(**params).get_params() == params
    # Whole object and its parameter in one call, as a grid search does.
    copy.set_params(optimizer=Momentum(), optimizer__momentum=0.3)
    assert copy.optimizer.momentum == 0.3
    with pytest.raises(ValueError, match="beta_1"):
        copy.set_params(optimizer__beta_1=0.5)


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_fit_changes_no_parameter(cls, method):
    X, y = data_for(cls)
    for learning_rate in ("auto", Cosine(0.05), Step(0.05, every=3), InvScaling(0.05)):
        model = cls(
            optimizer=Adam(beta_1=0.8),
            learning_rate=learning_rate,
            max_iter=3,
            tol=None,
        )
        before = model.get_params()
        state = {k: dict(vars(v)) for k, v in before.items() if hasattr(v, "__dict__")}
        classes = [[0, 1, 2]] if (cls, method) == (GDClassifier, "partial_fit") else []
        getattr(model, method)(X, y, *classes)
        after = model.get_params()
        assert before.keys() == after.keys()
        for name, value in before.items():
            assert after[name] is value
            if name in state:
                assert vars(value) == state[name]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "cls, sgd", [(GDRegressor, SGDRegressor), (GDClassifier, SGDClassifier)]
)
def test_parameters_of_sgd(cls, sgd):
    """Moving over is a change of the import and of the class's name."""
    ours = inspect.signature(cls).parameters
    theirs = inspect.signature(sgd).parameters
    assert set(theirs) <= set(ours)
    for name in theirs:
        assert ours[name].kind == theirs[name].kind
    X, y = data_for(cls)
    calls = [
        {"alpha": 0.01, "penalty": "elasticnet", "l1_ratio": 0.3},
        {"penalty": "l1", "max_iter": 50, "tol": 1e-3, "random_state": 0},
        {"learning_rate": "adaptive", "eta0": 0.01, "early_stopping": True},
        {"learning_rate": "invscaling", "eta0": 0.01, "power_t": 0.4, "average": 10},
        {"learning_rate": "constant", "eta0": 0.01, "fit_intercept": False},
        {"warm_start": True, "shuffle": False, "verbose": 0, "epsilon": 0.2},
        {"n_iter_no_change": 3, "validation_fraction": 0.2, "early_stopping": True},
    ]
    if cls is GDRegressor:
        # Its defaults as a whole; SGDClassifier's have an eta0 that it ignores.
        calls.append(SGDRegressor().get_params())
        calls += [{"loss": "huber"}, {"loss": "squared_epsilon_insensitive"}]
        calls.append({"loss": "huber", "learning_rate": "optimal", "alpha": 0.1})
    else:
        calls.append({"learning_rate": "optimal", "alpha": 0.1})
        calls += [{"loss": "modified_huber"}, {"class_weight": "balanced", "n_jobs": 2}]
    for parameters in calls:
        parameters = {"random_state": 0} | parameters
        sgd(**parameters).fit(X, y)
        model = cls(**parameters).set_params(random_state=0).fit(X, y)
        assert model.score(X, y) > 0.5, parameters


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("settings", [{"max_iter": 5, "batch_size": 8}, TEXTBOOK])
def test_seeds_and_threads(cls, settings):
    X, y = data_for(cls)
    settings = settings | {"tol": None}
    first = cls(**settings | {"random_state": 0}).fit(X, y)
    for n_jobs in (None, 1, 2, 3, -1):
        again = cls(**settings | {"random_state": 0}, n_jobs=n_jobs).fit(X, y)
        np.testing.assert_array_equal(first.coef_, again.coef_)
        np.testing.assert_array_equal(first.intercept_, again.intercept_)
    generator = np.random.RandomState(0)
    same = cls(**settings | {"random_state": generator}).fit(X, y)
    np.testing.assert_array_equal(first.coef_, same.coef_)
    # The generator moves on, so the next fit sees another order.
    next_ = cls(**settings | {"random_state": generator}).fit(X, y)
    other = cls(**settings | {"random_state": 1}).fit(X, y)
    for different in (next_, other):
        assert (different.coef_ != first.coef_).any()
    unshuffled = [
        cls(**settings | {"random_state": seed}, shuffle=False).fit(X, y).coef_
        for seed in (0, 1)
    ]
    np.testing.assert_array_equal(*unshuffled)


@pytest.mark.parametrize("cls", BOTH)
def test_score_is_scikit_learns(cls):
    X, y = data_for(cls)
    model = cls(**TEXTBOOK).fit(X, y)
    weight = np.arange(60.0)
    p = model.predict(X)
    if cls is GDRegressor:
        centre = np.average(y, weights=weight)
        wanted = 1 - (weight @ (y - p) ** 2) / (weight @ (y - centre) ** 2)
    else:
        wanted = np.average(p == y, weights=weight)
    assert model.score(X, y, weight) == pytest.approx(wanted)


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_callbacks_need_scikit_learn_1_9(cls, monkeypatch):
    """Older versions have no such module."""
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    version = re.escape(sklearn.__version__)
    with pytest.raises(ImportError, match=rf"1\.9 or newer.*{version}.*verbose=1"):
        cls().set_callbacks()
