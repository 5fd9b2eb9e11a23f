"""`to_sklearn`: the plain scikit-learn model says what ours says."""

import copy
import pickle
import pickletools
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import make_problem, objective
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import d2_tweedie_score, r2_score
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import check_random_state, estimator_html_repr
from sklearn.utils.validation import check_is_fitted

from sklgd import GDClassifier, GDRegressor, to_sklearn
from sklgd._export import EXPORTS
from sklgd.losses import LOSSES

REGRESSION = [name for name in EXPORTS if LOSSES[name].task == "regression"]
CLASSIFICATION = [name for name in EXPORTS if LOSSES[name].task == "classification"]
DEVIANCE_POWER = {"poisson": 1.0, "gamma": 2.0, "tweedie": 1.5}
WAYS = "predict", "predict_proba", "predict_log_proba", "decision_function"
FORMATS = {"dense": np.asarray, "csr": sp.csr_array}


def export(model):
    """The model's `to_sklearn()`, which warns of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model.to_sklearn()


def fitted(loss, n_outputs=1, dtype=np.float64, form="dense", labels=None, **params):
    """A model after some descent, X and y."""
    X, y = make_problem(loss, n=60, n_outputs=n_outputs)
    X = FORMATS[form](X.astype(dtype))
    cls = GDRegressor if LOSSES[loss].task == "regression" else GDClassifier
    if labels is not None:
        y = np.asarray(labels)[y]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return cls(loss, random_state=0, max_iter=10, **params).fit(X, y), X, y


def assert_same(plain, model, X, y, rtol):
    """All predictions of both are the same, and what can be predicted is."""
    with np.errstate(divide="ignore"):
        for way in WAYS:
            assert hasattr(plain, way) == hasattr(model, way), way
            if hasattr(model, way):
                expected, got = getattr(model, way)(X), getattr(plain, way)(X)
                assert got.shape == expected.shape
                if way == "predict_log_proba":
                    # Where one probability is near one, the other's is rounding.
                    expected, got = np.exp(expected), np.exp(got)
                if expected.dtype.kind == "f":
                    # (SGDClassifier's probabilities are always float64.)
                    assert got.dtype == expected.dtype or way.endswith("proba")
                    assert_allclose(got, expected, rtol, atol=rtol, err_msg=way)
                else:
                    assert_array_equal(got, expected)
    expected = model.score(X, y)
    if getattr(model, "loss", None) in DEVIANCE_POWER:
        if np.ndim(y) == 1:
            power = DEVIANCE_POWER[model.loss]
            deviance = d2_tweedie_score(y, model.predict(X), power=power)
            assert_allclose(expected, deviance, rtol=1e-5, atol=1e-12)
        else:
            # The score of MultiOutputRegressor is R2.
            expected = r2_score(y, model.predict(X))
    assert_allclose(plain.score(X, y), expected, rtol=1e-5, atol=1e-12)


def test_every_entry_is_a_loss():
    assert set(EXPORTS) <= set(LOSSES)


@pytest.mark.some_cases
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("loss", EXPORTS)
def test_predictions_are_the_same(loss, n_outputs, dtype, form):
    model, X, y = fitted(loss, n_outputs, dtype, form)
    plain = export(model)
    assert type(plain).__module__.startswith("sklearn.")
    check_is_fitted(plain)
    assert_same(plain, model, X, y, 1e-12 if dtype == np.float64 else 1e-5)


@pytest.mark.some_cases
@pytest.mark.parametrize("loss", REGRESSION)
def test_a_column_of_targets_stays_one(loss):
    X, y = make_problem(loss, n=60)
    model = GDRegressor(loss).fit(X, y[:, None])
    assert_same(export(model), model, X, y[:, None], 1e-12)


@pytest.mark.parametrize("labels", [("no", "yes", "?"), (7, -1, 3), (True, False)])
@pytest.mark.parametrize("loss", CLASSIFICATION)
def test_labels(loss, labels):
    n_outputs = 1 if len(labels) == 2 else len(labels)
    model, X, y = fitted(loss, n_outputs, labels=labels)
    plain = export(model)
    assert_array_equal(plain.classes_, model.classes_)
    assert plain.classes_.dtype == model.classes_.dtype
    assert_same(plain, model, X, y, 1e-12)


@pytest.mark.some_cases
@pytest.mark.parametrize("loss", EXPORTS)
def test_the_same_attributes_as_after_scikit_learns_own_fit(loss):
    pd = pytest.importorskip("pandas")
    X, y = make_problem(loss, n=60, n_outputs=3)
    if LOSSES[loss].task == "regression":
        y = y[:, 0]
    X = pd.DataFrame(X, columns=[f"feature {j}" for j in range(X.shape[1])])
    model, _, _ = fitted(loss)
    plain = model.fit(X, y).to_sklearn()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        own = clone(plain).fit(X, y)
    # LinearRegression says nothing of these for sparse X either.
    expected = set(vars(own)) - {"rank_", "singular_"}
    assert set(vars(plain)) == expected
    for name in expected:
        if name.endswith("_") and name != "dual_gap_":
            a, b = getattr(plain, name), getattr(own, name)
            assert np.shape(a) == np.shape(b), name
            assert np.asarray(a).dtype.kind == np.asarray(b).dtype.kind, name
    assert_array_equal(plain.feature_names_in_, own.feature_names_in_)
    assert_same(plain, model, X, y, 1e-12)
    # Which names do not fit is noticed, too.
    with pytest.raises(ValueError, match="feature names"):
        plain.predict(X.rename(columns={"feature 0": "another"}))


def test_names_of_features_reach_every_output():
    pd = pytest.importorskip("pandas")
    X, y = make_problem("poisson", n=60, n_outputs=3)
    X = pd.DataFrame(X, columns=[f"feature {j}" for j in range(X.shape[1])])
    model = GDRegressor("poisson").fit(X, y)
    plain = export(model)
    assert_array_equal(plain.feature_names_in_, model.feature_names_in_)
    assert plain.n_features_in_ == X.shape[1]
    assert_same(plain, model, X, y, 1e-12)


def test_an_elastic_net_keeps_its_parameters():
    X, y = make_problem(n=60)
    model = GDRegressor(penalty="elasticnet", alpha=0.05, l1_ratio=0.3)
    plain = model.fit(X, y).to_sklearn()
    assert (plain.alpha, plain.l1_ratio) == pytest.approx((0.05, 0.3))


# Entries whose own solvers reach the optimum of the same F.
EXACT = [
    ("squared_error", {"penalty": None}),
    ("squared_error", {"penalty": "l2"}),
    ("squared_error", {"penalty": "l1"}),
    ("squared_error", {"penalty": "elasticnet", "l1_ratio": 0.3}),
    ("quantile", {"penalty": "l1", "quantile": 0.3}),
    ("quantile", {"penalty": None, "quantile": 0.3}),
    ("poisson", {"penalty": "l2"}),
    ("gamma", {"penalty": "l2"}),
    ("tweedie", {"penalty": "l2", "power": 1.7}),
    ("log_loss", {"penalty": None}),
    ("log_loss", {"penalty": "l2"}),
    ("log_loss", {"penalty": "l2", "class_weight": "balanced"}),
    ("log_loss", {"penalty": "l1"}),
    ("log_loss", {"penalty": "elasticnet", "l1_ratio": 0.3}),
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("weighted", "fit_intercept"), [(False, True), (True, True), (True, False)]
)
@pytest.mark.parametrize("loss, params", EXACT)
def test_fitted_afresh_it_heads_for_the_same_optimum(
    loss, params, weighted, fit_intercept, rng
):
    n_outputs = 3 if loss == "log_loss" else 1
    X, y = make_problem(loss, n=120, n_outputs=n_outputs)
    weight = rng.uniform(0.5, 3.0, len(y)) if weighted else None
    cls = GDRegressor if LOSSES[loss].task == "regression" else GDClassifier
    params = {"alpha": 0.02, **params, "fit_intercept": fit_intercept}
    if params.get("class_weight") and weighted:
        # From 1.7 on the weights count in "balanced" there.
        params["class_weight"] = {0: 1.0, 1: 2.0, 2: 0.5}
    model = cls(loss, tol=1e-10, **params).fit(X, y, sample_weight=weight)
    other = clone(export(model))
    accuracy = {"tol": 1e-10, "max_iter": 20_000}
    accuracy = {name: accuracy[name] for name in accuracy if name in vars(other)}
    other.set_params(**accuracy).fit(X, y, sample_weight=weight)
    shape = model.coef_.shape
    size = np.abs(model.coef_).max()
    assert_allclose(other.coef_.reshape(shape), model.coef_, atol=2e-4 * size)
    assert_allclose(other.predict(X), model.predict(X), rtol=1e-3, atol=1e-3)


@pytest.mark.some_cases
@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet", None])
@pytest.mark.parametrize(
    "loss",
    [
        name
        for name in EXPORTS
        if name not in {loss for loss, _ in EXACT} and not LOSSES[name].degenerate
    ],
)
def test_stochastic_descent_there_has_the_same_objective(loss, penalty):
    params = {"penalty": penalty, "alpha": 0.05, "l1_ratio": 0.4}
    X, y = make_problem(loss, n=200)
    cls = GDRegressor if LOSSES[loss].task == "regression" else GDClassifier
    model = cls(loss, epsilon=0.3, tol=1e-8, **params).fit(X, y)
    other = clone(export(model))
    other.set_params(
        tol=None, max_iter=1000, learning_rate="invscaling", eta0=0.2, random_state=0
    ).fit(X, y)
    best = model.loss_curve_[-1]
    reached = objective(model, X, y, (other.coef_, other.intercept_))
    null = objective(model, X, y, (0.0 * model.coef_, model.intercept_))
    assert reached - best < 0.02 * (null - best)


def test_alpha_zero_is_no_penalty():
    for loss in ("hinge", "huber"):
        model, X, y = fitted(loss, alpha=0.0)
        plain = export(model)
        assert plain.penalty is None
        plain.partial_fit(X, y)
    model, _, _ = fitted("log_loss", alpha=0.0)
    assert export(model).C == np.inf
    model, _, _ = fitted("squared_error", alpha=0.0)
    assert type(export(model)).__name__ == "LinearRegression"


@pytest.mark.some_cases
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet"])
@pytest.mark.parametrize("alpha", [1e-300, 1e300])
@pytest.mark.parametrize("loss", EXPORTS)
def test_extreme_penalties(loss, alpha, penalty, fit_intercept):
    params = {"alpha": alpha, "penalty": penalty, "fit_intercept": fit_intercept}
    model, X, y = fitted(loss, **params)
    assert_same(export(model), model, X, y, 1e-12)


@pytest.mark.some_cases
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("loss", EXPORTS)
def test_a_copy(loss, n_outputs):
    model, X, y = fitted(loss, n_outputs, penalty="l1", alpha=0.01)
    plain = export(model)
    ours, theirs = copy.deepcopy(vars(model)), export(model)
    for part in getattr(plain, "estimators_", [plain]):
        part.coef_ *= 2.0
    assert_array_equal(model.coef_, ours["coef_"])
    model.coef_ += 1.0
    model.intercept_ += 1.0
    model.coef_, model.intercept_ = ours["coef_"], ours["intercept_"]
    assert_same(theirs, model, X, y, 1e-12)


@pytest.mark.some_cases
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("loss", EXPORTS)
def test_sparse_coefficients(loss, n_outputs):
    model, X, y = fitted(loss, n_outputs, penalty="l1", alpha=0.02)
    model.sparsify()
    plain = export(model)
    assert sp.issparse(model.coef_)
    for part in getattr(plain, "estimators_", [plain]):
        assert isinstance(part.coef_, np.ndarray)
    assert_same(plain, model, X, y, 1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("loss", EXPORTS)
def test_pickles(loss, n_outputs):
    model, X, y = fitted(loss, n_outputs)
    plain = export(pickle.loads(pickle.dumps(model)))
    assert_same(pickle.loads(pickle.dumps(plain)), model, X, y, 1e-12)
    assert "coef_" not in vars(clone(plain))
    assert type(plain).__name__ in repr(plain)
    assert "sk-top-container" in estimator_html_repr(plain)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(
    "loss", ["hinge", "squared_hinge", "modified_huber", "perceptron", "huber"]
)
def test_partial_fit_goes_on(loss, n_outputs):
    if LOSSES[loss].task == "regression":
        n_outputs = 1
    model, X, y = fitted(loss, n_outputs)
    plain = export(model)
    assert plain.t_ == model.t_
    plain.set_params(learning_rate="constant", eta0=1e-6).partial_fit(X, y)
    assert plain.t_ == model.t_ + len(y)
    # One epoch of tiny steps from where ours ended.
    assert_allclose(plain.coef_.reshape(model.coef_.shape), model.coef_, atol=1e-2)
    assert np.any(plain.coef_.reshape(model.coef_.shape) != model.coef_)


def test_warm_start_goes_on():
    model, X, y = fitted("log_loss", 3, alpha=0.01)
    model.set_params(tol=1e-9).fit(X, y)
    plain = export(model).set_params(warm_start=True, max_iter=1, tol=1e-3)
    plain.fit(X, y)
    assert_allclose(plain.coef_, model.coef_, rtol=1e-3)


@pytest.mark.some_cases
@pytest.mark.parametrize("loss", EXPORTS)
def test_random_numbers_are_left_alone(loss):
    generator = np.random.RandomState(3)
    model, _, _ = fitted(loss)
    model.set_params(random_state=generator)
    # What scikit-learn takes random numbers from, too, for random_state=None.
    streams = generator, check_random_state(None)
    before = [stream.get_state()[1].copy() for stream in streams]
    export(model)
    for stream, state in zip(streams, before, strict=True):
        assert_array_equal(stream.get_state()[1], state)


@pytest.mark.parametrize("loss", CLASSIFICATION)
def test_class_weights(loss):
    model, X, y = fitted(loss, class_weight={0: 0.5, 1: 2.0})
    plain = export(model)
    assert plain.class_weight == {0: 0.5, 1: 2.0}
    assert_same(plain, model, X, y, 1e-12)


def test_intercept_given_without_fitting_one():
    X, y = make_problem("squared_error", n=60)
    model = GDRegressor(fit_intercept=False, penalty=None)
    model.fit(X, y, intercept_init=[2.0])
    assert_same(export(model), model, X, y, 1e-12)


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_before_fit(cls):
    with pytest.raises(NotFittedError):
        cls().to_sklearn()


def test_unknown_loss(monkeypatch):
    model, _, _ = fitted("huber")
    monkeypatch.delitem(EXPORTS, "huber")
    with pytest.raises(ValueError, match=r"'huber'.*'squared_error'.*Pickle"):
        export(model)


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "huber", "hinge"])
def test_pipeline(loss):
    model, X, y = fitted(loss)
    pipe = make_pipeline(StandardScaler(), model).fit(X, y)
    name, model = pipe.steps[-1]
    plain = Pipeline([*pipe.steps[:-1], (name, export(model))])
    check_is_fitted(plain)
    assert_array_equal(plain.predict(X), pipe.predict(X))


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "log_loss", "hinge"])
def test_onnx(loss, n_outputs, scaled):
    """skl2onnx converts what we return; onnxruntime predicts the same."""
    to_onnx = pytest.importorskip("skl2onnx").to_onnx
    runtime = pytest.importorskip("onnxruntime")
    model, X, y = fitted(loss, n_outputs, np.float32)
    plain = export(model)
    if scaled:
        pipe = model = make_pipeline(StandardScaler(), clone(model)).fit(X, y)
        name, last = pipe.steps[-1]
        plain = Pipeline([*pipe.steps[:-1], (name, export(last))])
    classifies = LOSSES[loss].task == "classification"
    options = {id(plain): {"zipmap": False}} if classifies else None
    graph = to_onnx(plain, X[:1], options=options).SerializeToString()
    session = runtime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    out = session.run(None, {session.get_inputs()[0].name: X})
    expected = model.predict(X)
    if classifies:
        assert_array_equal(out[0], expected)
    else:
        assert_allclose(out[0].reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)
    if loss == "log_loss":
        assert_allclose(out[1], model.predict_proba(X), atol=1e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("loss", EXPORTS)
def test_skops(loss, n_outputs):
    io = pytest.importorskip("skops.io")
    model, X, y = fitted(loss, n_outputs)
    stored = io.dumps(export(model))
    # No type of ours is in the file: readers need not have sklgd.
    unknown = io.get_untrusted_types(data=stored)
    assert not any("sklgd" in name for name in unknown)
    assert_same(io.loads(stored, trusted=unknown), model, X, y, 1e-12)


# ------------------------------------------------------ estimators inside estimators


def holders(loss):
    """Estimators of scikit-learn that hold models of a classification loss."""
    model = GDClassifier(loss, random_state=0, max_iter=20)
    scaled = make_pipeline(StandardScaler(), model)
    columns = ColumnTransformer(
        [("scaled", StandardScaler(), [0, 1]), ("raw", "passthrough", [2, 3])]
    )
    named = [("a", clone(model)), ("b", clone(scaled))]
    return {
        "pipeline": scaled,
        "nested pipeline": make_pipeline(columns, clone(scaled)),
        "search": GridSearchCV(clone(scaled), {"gdclassifier__alpha": [1e-3, 1.0]}),
        "voting": VotingClassifier(named, flatten_transform=False),
        "stacking": StackingClassifier(named, final_estimator=GDClassifier()),
        "bagging": BaggingClassifier(clone(model), n_estimators=3, random_state=0),
        "one-vs-rest": OneVsRestClassifier(clone(model)),
        "one-vs-one": OneVsOneClassifier(clone(model)),
        "calibrated": CalibratedClassifierCV(clone(model), cv=2),
        "threshold": FixedThresholdClassifier(clone(scaled), threshold=0.3),
    }


HOLDERS = list(holders("log_loss"))


def strings_in(estimator):
    """All strings in a pickle, the names of the types among them."""
    operations = pickletools.genops(pickle.dumps(estimator))
    return {argument for _, argument, _ in operations if isinstance(argument, str)}


def test_the_strengths_of_sums_over_rows_count_the_weights():
    """Ridge and LogisticRegression minimise sums, of which alpha is no part."""
    X, weights = np.arange(12.0).reshape(6, 2), np.array([2.0, 3.0, 1.0, 5.0, 1.0, 1.0])
    y = np.array([0, 1, 0, 1, 1, 0])
    ridge = GDRegressor(alpha=0.1).fit(X, y, sample_weight=weights).to_sklearn()
    assert ridge.alpha == pytest.approx(0.1 * 13.0)
    logistic = GDClassifier(alpha=0.1).fit(X, y, sample_weight=weights).to_sklearn()
    assert pytest.approx(1 / (0.1 * 13.0)) == logistic.C


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize("kind", HOLDERS)
def test_models_are_exchanged_wherever_they_are(kind, loss):
    X, y = load_iris(return_X_y=True)
    if kind == "threshold":
        X, y = X[y < 2], y[y < 2]
    holder = holders(loss)[kind].fit(X, y)
    before = pickle.dumps(holder)
    plain = to_sklearn(holder)
    assert type(plain) is type(holder)
    assert_array_equal(plain.predict(X), holder.predict(X))
    assert not any("sklgd" in name for name in strings_in(plain))
    # The original is left alone.
    assert pickle.dumps(holder) == before


@pytest.mark.filterwarnings("ignore")
def test_models_of_regression_are_exchanged(rng):
    X, Y = rng.normal(size=(60, 4)), rng.normal(size=(60, 2))
    for holder in (
        TransformedTargetRegressor(GDRegressor(), func=np.exp, inverse_func=np.log),
        MultiOutputRegressor(GDRegressor("huber")),
        RegressorChain(GDRegressor()),
        make_pipeline(FunctionTransformer(lambda X: 2.0 * X), GDRegressor("huber")),
        make_pipeline(SelectFromModel(GDRegressor("huber")), GDRegressor()),
    ):
        y = Y if "Output" in str(holder) or "Chain" in str(holder) else Y[:, 0]
        holder.fit(X, y)
        assert_allclose(to_sklearn(holder).predict(X), holder.predict(X), rtol=1e-9)


def test_one_object_in_two_places_stays_one():
    X, y = load_iris(return_X_y=True)
    voting = to_sklearn(VotingClassifier([("a", GDClassifier())]).fit(X, y))
    assert voting.named_estimators_["a"] is voting.estimators_[0]


def test_what_is_unfitted_gets_the_parameters_of_what_is_fitted():
    X, y = load_iris(return_X_y=True)
    bagging = BaggingClassifier(GDClassifier(), n_estimators=2, random_state=0)
    plain = to_sklearn(bagging.fit(X, y))
    assert isinstance(plain.estimator, LogisticRegression)
    assert plain.estimator.C == plain.estimators_[0].C
    plain.fit(X, y)


def test_to_sklearn_of_an_estimator_itself_and_of_none():
    X, y = load_iris(return_X_y=True)
    assert isinstance(to_sklearn(GDClassifier().fit(X, y)), LogisticRegression)
    with pytest.raises(NotFittedError):
        to_sklearn(make_pipeline(StandardScaler(), GDClassifier()))
    own = to_sklearn(LogisticRegression().fit(X, y))
    assert_array_equal(own.predict(X), LogisticRegression().fit(X, y).predict(X))


def test_deepcopy_still_copies():
    X, y = load_iris(return_X_y=True)
    model = GDClassifier(random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    twin = copy.deepcopy(model)
    assert type(twin) is GDClassifier and twin.coef_ is not model.coef_
    assert_array_equal(twin.partial_fit(X, y).coef_, model.partial_fit(X, y).coef_)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind", [k for k in HOLDERS if k not in ("threshold", "one-vs-one")]
)
def test_onnx_of_estimators_that_hold_ours(kind):
    to_onnx = pytest.importorskip("skl2onnx").to_onnx
    runtime = pytest.importorskip("onnxruntime")
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    holder = holders("log_loss")[kind].fit(X, y)
    graph = to_onnx(to_sklearn(holder), X[:1]).SerializeToString()
    session = runtime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    labels = session.run(None, {session.get_inputs()[0].name: X})[0]
    assert np.mean(labels == holder.predict(X)) > 0.99
