"""Wrong input raises ValueError (NotFittedError) and says what is wrong with it."""

import functools
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.multiclass import check_classification_targets

from sklgd import GDClassifier, GDRegressor, GDRegressorCV
from sklgd.optimizers import FTRL, OPTIMIZERS, Adam, Momentum
from sklgd.schedules import Adaptive, Constant, Cosine

X = np.random.default_rng(0).normal(size=(20, 3))
Y = X @ [1.0, -1.0, 0.5]
CLASSES = (Y > 0).astype(int)
ESTIMATORS = [(GDRegressor, Y), (GDClassifier, CLASSES)]
both = pytest.mark.parametrize("cls, y", ESTIMATORS, ids=["regressor", "classifier"])

NAN, INF = float("nan"), float("inf")
# Parameter -> values that are wrong whatever the other parameters are.
WRONG = {
    "loss": ["nonsense", None, 3],
    "penalty": ["l3", 2, False],
    "alpha": [-1e-4, NAN, INF, "1", None, True],
    "l1_ratio": [-0.1, 1.1, NAN, "half"],
    "fit_intercept": ["yes", 2, None],
    "optimizer": ["adamw", None, 3, Adam],
    "batch_size": [0, -1, 1.5, "all", INF, True, None, NAN],
    "learning_rate": ["fast", 0, -0.1, NAN, INF, None, True, Constant],
    "eta0": [0, -0.1, NAN, INF, "0.1", True],
    "power_t": [NAN, "half", None],
    "max_iter": [0, -1, 1.5, "many", None, True],
    "tol": [-1e-3, NAN, "1e-3", True],
    "n_iter_no_change": [0, -1, 1.5, None],
    "shuffle": ["yes", None, 2],
    "random_state": ["seed", -1, 1.5],
    "n_jobs": [0, 1.5, "all"],
    "verbose": [-1, "loud", 0.5],
    "early_stopping": ["yes", None, 2],
    "validation_fraction": [0.0, 1.0, -0.1, NAN, None, "0.1"],
    "warm_start": ["yes", None, 2],
    "average": [-1, 0.5, "yes", None],
    "epsilon": [-0.1, NAN, INF, None],
}
WRONG_REGRESSOR = {
    "loss": ["log_loss", "hinge"],
    "quantile": [-0.1, 1.1, NAN, None],
    "power": [-1.0, 0.5, NAN, None],
}
WRONG_CLASSIFIER = {
    "loss": ["absolute_error", "quantile"],
    "class_weight": ["fair", {0: -1.0, 1: 1.0}, {0: NAN, 1: 1.0}, 3],
}
CASES = [
    (cls, y, name, value)
    for cls, y, table in (
        (GDRegressor, Y, WRONG),
        (GDRegressor, Y, WRONG_REGRESSOR),
        (GDClassifier, CLASSES, WRONG),
        (GDClassifier, CLASSES, WRONG_CLASSIFIER),
    )
    for name, values in table.items()
    for value in values
]


def shown(value):
    """How a message may write a value: a number plainly, or as Python does."""
    texts = {repr(value), str(value)}
    if isinstance(value, type):
        texts = {value.__name__}
    return "|".join(map(re.escape, texts))


@pytest.mark.parametrize(
    "cls, y, name, value", CASES, ids=[f"{c[0].__name__}-{c[2]}={c[3]}" for c in CASES]
)
def test_wrong_parameter(cls, y, name, value):
    # The constructor never validates, fit always does.
    step = {"learning_rate": "constant"} if name == "eta0" else {}
    model = cls(**{name: value}, **step)
    with pytest.raises(ValueError) as caught:
        model.fit(X, y)
    message = str(caught.value)
    # scikit-learn's own message about a seed will do.
    assert name in message
    assert re.search(shown(value), message)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize(
    "parameter, words",
    [
        ({"optimizer": Adam(beta_1=1.0)}, ["Adam", "beta_1", "1.0"]),
        ({"optimizer": Adam(epsilon="small")}, ["Adam", "epsilon", "small"]),
        ({"optimizer": Momentum(-0.5)}, ["Momentum", "momentum", "-0.5"]),
        ({"optimizer": FTRL(NAN)}, ["FTRL", "beta", "nan"]),
        ({"learning_rate": Constant(-1.0)}, ["Constant", "eta0", "-1.0"]),
        ({"learning_rate": Cosine("big")}, ["Cosine", "eta0", "big"]),
        ({"learning_rate": Adaptive(factor=2)}, ["Adaptive", "factor", "2"]),
    ],
    ids=str,
)
@both
def test_wrong_parameter_of_an_object(cls, y, parameter, words):
    with pytest.raises(ValueError) as caught:
        cls(**parameter).fit(X, y)
    for word in words:
        assert word in str(caught.value)


COMBINATIONS = {
    "optimal-no-alpha": (
        {"learning_rate": "optimal", "alpha": 0.0},
        ["optimal", "alpha", "0.0"],
    ),
    "elasticnet-no-ratio": (
        {"penalty": "elasticnet", "l1_ratio": None},
        ["l1_ratio", "None", "elasticnet"],
    ),
    "negative-schedule": (
        {"learning_rate": lambda t: -1.5},
        ["learning_rate", "-1.5"],
    ),
}


@both
@pytest.mark.parametrize("case", COMBINATIONS)
def test_impossible_combination(cls, y, case):
    parameters, words = COMBINATIONS[case]
    for method in ("fit", "partial_fit"):
        classes = [[0, 1]] if (method, cls) == ("partial_fit", GDClassifier) else []
        with pytest.raises(ValueError) as caught:
            getattr(cls(**parameters), method)(X, y, *classes)
        for word in words:
            assert word in str(caught.value)


@both
@pytest.mark.parametrize("l1_ratio", [None, 0, 1, 0.5])
def test_unused_l1_ratio_is_free(cls, y, l1_ratio):
    """As in SGD*: l1_ratio=None says that it is not used."""
    cls(l1_ratio=l1_ratio, max_iter=2, tol=None).fit(X, y)


@both
@pytest.mark.parametrize(
    "good",
    [
        {"batch_size": np.int64(7)},
        {"batch_size": 10**6},
        {"alpha": 0},
        {"alpha": np.float32(0.01)},
        {"tol": 0},
        {"fit_intercept": np.bool_(False)},
        {"max_iter": np.int32(2)},
        {"average": 10},
        {"verbose": False},
        {"n_jobs": -1},
        pytest.param({"random_state": np.random.RandomState(0)}, id="RandomState"),
        {"learning_rate": np.float32(0.01)},
        {"learning_rate": 1, "alpha": 0.5, "max_iter": 1},
        {"learning_rate": "constant", "eta0": 1e-3},
        {"epsilon": 0},
        *({"optimizer": name} for name in OPTIMIZERS),
    ],
    ids=str,
)
def test_good_parameter(cls, y, good):
    model = cls(**({"max_iter": 2} | good))
    model.set_params(tol=good.get("tol")).fit(X, y)
    assert np.isfinite(model.coef_).all()


def changed(array, value):
    array = np.array(array, dtype=float)
    array.flat[4] = value
    return array


@both
@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, sp.csr_array])
def test_not_finite_X(cls, y, value, form):
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        cls().fit(form(changed(X, value)), y)
    model = cls(max_iter=1, tol=None).fit(X, y)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.predict(form(changed(X, value)))


@both
@pytest.mark.parametrize("value", [NAN, INF])
def test_not_finite_y(cls, y, value):
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        cls().fit(X, changed(y, value))


@both
@pytest.mark.parametrize(
    "weight, message",
    [
        (changed(np.ones(20), NAN), "sample_weight contains NaN"),
        (changed(np.ones(20), INF), "sample_weight contains NaN or inf"),
        (changed(np.ones(20), -0.5), "sample_weight .*-0.5"),
        (np.zeros(20), "sample_weight.*zero"),
        (np.ones(19), r"sample_weight.*19"),
        (np.ones((20, 1)), "sample_weight must be 1D"),
    ],
    ids=["nan", "inf", "negative", "zeros", "short", "2d"],
)
def test_wrong_weights(cls, y, weight, message):
    with pytest.raises(ValueError, match=message):
        cls().fit(X, y, weight)
    # (A chunk without weights is none: see test_weights.)
    if np.any(weight):
        with pytest.raises(ValueError, match=message):
            if cls is GDClassifier:
                cls().partial_fit(X, y, [0, 1], weight)
            else:
                cls().partial_fit(X, y, weight)
    if len(weight) == 20:
        with pytest.raises(ValueError, match="sample_weight_val"):
            cls().fit(X, y, X_val=X, y_val=y, sample_weight_val=weight)


@pytest.mark.parametrize(
    "loss, params, good, bad",
    [
        ("poisson", {}, 0.0, -1e-3),
        ("gamma", {}, 1e-3, 0.0),
        ("tweedie", {"power": 1.0}, 0.0, -1.0),
        ("tweedie", {"power": 1.5}, 0.0, -1.0),
        ("tweedie", {"power": 2}, 1e-3, 0.0),
        ("tweedie", {"power": 3}, 1e-3, 0.0),
        ("tweedie", {"power": 0}, -1.0, None),
    ],
)
def test_domain_of_y(loss, params, good, bad):
    model = GDRegressor(loss, max_iter=2, tol=None, **params)
    y = np.abs(Y) + 0.1
    y[3] = good
    model.fit(X, y)
    if bad is not None:
        y[3] = bad
        for method in (model.fit, model.partial_fit):
            with pytest.raises(ValueError, match=f"y.*{loss}"):
                method(X, y)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_one_class(form):
    with pytest.raises(ValueError, match=r"(?i)class"):
        GDClassifier().fit(form(X), np.ones(20))
    # A class whose rows all have weight zero is not there.
    with pytest.raises(ValueError, match=r"(?i)class"):
        GDClassifier().fit(form(X), CLASSES, sample_weight=CLASSES)


def test_continuous_classes():
    with pytest.raises(ValueError, match=r"(?i)continuous|label type"):
        GDClassifier().fit(X, Y)
    with pytest.raises(ValueError, match=r"(?i)continuous|label type"):
        GDClassifier().partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="one label per row"):
        GDClassifier().fit(X, np.column_stack([CLASSES, 2 * CLASSES]))


@pytest.mark.parametrize(
    "y", [Y[:-1], np.array([]), Y.astype(str), Y[:, None, None]], ids=np.shape
)
def test_wrong_y(y):
    if y.dtype.kind == "U":
        y = np.array(["some text"] * 20)
    with pytest.raises(ValueError):
        GDRegressor().fit(X, y)


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_blocks", "search"])
@pytest.mark.parametrize("dtype", [str, object])
def test_labels_in_regression_are_named_with_the_remedy(method, dtype):
    y = np.array(["no", "yes"] * 10, dtype=dtype)
    cls = GDRegressorCV if method == "search" else GDRegressor
    given = ([(X, y)],) if method == "fit_blocks" else (X, y)
    with pytest.raises(ValueError, match=r"y has the entry 'no'.* use GDClassifier"):
        getattr(cls(), "fit" if method == "search" else method)(*given)
    numbers = np.arange(20.0)
    model = GDRegressor().fit(X, numbers.astype(dtype))
    np.testing.assert_array_equal(model.coef_, GDRegressor().fit(X, numbers).coef_)


@pytest.mark.one_case
@both
@pytest.mark.parametrize("kind", ["category", object])
def test_text_in_X_is_named_by_its_column(cls, y, kind):
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    model = cls().fit(frame, y)
    frame["b"] = pd.Series(["1", "v"] * 10, dtype=kind)
    named = "Column 'b' of X has the entry 'v', which is no number"
    for call in (
        lambda: cls().fit(frame, y),
        lambda: model.predict(frame),
        lambda: cls().fit_blocks([(frame, y)]),
    ):
        with pytest.raises(ValueError, match=named):
            call()
    with pytest.raises(ValueError, match="Column 1 of X has the entry 'v'"):
        cls().fit(frame.to_numpy().tolist(), y)


@both
def test_messages_say_what_is_possible_beside_numbers(cls, y):
    for name, also in {
        "alpha": "'auto' or a number",
        "tol": "None or a number",
        "eta0": "None or a number",
        "average": "True, False or an integer",
    }.items():
        with pytest.raises(ValueError, match=f"^{name} must be {also} in "):
            cls(**{name: -1}).fit(X, y)


@both
def test_wrong_X(cls, y):
    for bad in (X[0], X[None], np.empty((0, 3)), np.empty((20, 0)), X[:-1]):
        with pytest.raises(ValueError):
            cls().fit(bad, y)
    for bad in (X.astype(complex), np.full((20, 3), "a")):
        with pytest.raises(ValueError):
            cls().fit(bad, y)


@pytest.mark.parametrize(
    "start, name",
    [
        ({"coef_init": np.ones(4)}, "coef_init"),
        ({"coef_init": np.ones((2, 3))}, "coef_init"),
        ({"coef_init": [1.0, NAN, 1.0]}, "coef_init"),
        ({"intercept_init": np.ones(2)}, "intercept_init"),
        ({"intercept_init": INF}, "intercept_init"),
    ],
)
@both
def test_wrong_start(cls, y, start, name):
    with pytest.raises(ValueError, match=name):
        cls().fit(X, y, **start)


def test_wrong_start_of_several_outputs():
    y = np.arange(20) % 3
    for shape in [(3,), (1, 3), (2, 3), (3, 2), (9,)]:
        with pytest.raises(ValueError, match=r"coef_init.*\(3, 3\)"):
            GDClassifier().fit(X, y, coef_init=np.ones(shape))
    with pytest.raises(ValueError, match=r"intercept_init.*\(3,\)"):
        GDClassifier().fit(X, y, intercept_init=0.0)


@both
def test_wrong_validation_set(cls, y):
    with pytest.raises(ValueError, match=r"X_val.*y_val"):
        cls().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match=r"y_val.*X_val"):
        cls().fit(X, y, y_val=y)
    with pytest.raises(ValueError, match="X_val"):
        cls().fit(X, y, sample_weight_val=np.ones(20))
    with pytest.raises(ValueError, match="features"):
        cls().fit(X, y, X_val=X[:, :2], y_val=y)
    with pytest.raises(ValueError, match="inconsistent"):
        cls().fit(X, y, X_val=X, y_val=y[:-1])
    with pytest.raises(ValueError, match=r"NaN"):
        cls().fit(X, y, X_val=changed(X, NAN), y_val=y)
    if cls is GDRegressor:
        with pytest.raises(ValueError, match="y_val"):
            cls().fit(X, y, X_val=X, y_val=np.column_stack([y, y]))


def test_unknown_label_in_the_validation_set():
    """Labels of another type cannot be scored; a new label is just a miss."""
    model = GDClassifier(max_iter=3, tol=None)
    model.fit(X, CLASSES, X_val=X, y_val=np.full(20, 7))
    assert model.validation_scores_ == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match=r"y_val holds labels like .*seven"):
        model.fit(X, CLASSES, X_val=X, y_val=np.full(20, "seven"))


@both
def test_feature_count(cls, y):
    model = cls(max_iter=1, tol=None).fit(X, y)
    for form in (np.asarray, sp.csr_array):
        with pytest.raises(ValueError, match="2 features"):
            model.predict(form(X[:, :2]))
        with pytest.raises(ValueError, match="2 features"):
            model.partial_fit(form(X[:, :2]), y)
    with pytest.raises(ValueError, match="1D"):
        model.predict(X[0])


@both
def test_not_fitted(cls, y):
    model = cls(loss="log_loss") if cls is GDClassifier else cls()
    methods = ["predict"]
    if cls is GDClassifier:
        methods += ["decision_function", "predict_proba", "predict_log_proba"]
    for method in methods:
        with pytest.raises(NotFittedError):
            getattr(model, method)(X)
    for method in (model.sparsify, model.densify):
        with pytest.raises(NotFittedError):
            method()
    with pytest.raises(NotFittedError):
        model.score(X, y)


@both
@pytest.mark.parametrize("column", [1000, X.shape[1], -1])
def test_indices_outside_a_sparse_matrix(cls, y, column):
    """The kernels must never see an index they would follow out of the array."""
    matrix = sp.csr_matrix(X)
    matrix.indices[7] = column
    with pytest.raises(ValueError, match=str(column)):
        cls().fit(matrix, y)


def test_square_coefficients_to_start_from_are_not_transposed():
    """As many classes as features: the first axis is that of the classes."""
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 3))
    model = GDClassifier(
        optimizer="sgd", learning_rate=1e-300, batch_size=1, max_iter=1, tol=None,
        penalty=None,
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match="worse than a constant"):
        model.fit(rng.normal(size=(30, 3)), np.arange(30) % 3, coef_init=start)
    np.testing.assert_array_equal(model.coef_, start)


def test_as_many_labels_as_rows_warn_as_in_scikit_learn():
    """These may be the targets of a regression (a warning since scikit-learn 1.7)."""

    def texts(function, *args):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            function(*args)
        return {str(w.message) for w in seen if "regression" in str(w.message)}

    labels = np.arange(40)
    theirs = texts(check_classification_targets, labels)
    assert texts(GDClassifier().fit, labels[:, None].astype(float), labels) == theirs


@both
def test_partial_fit_refuses_early_stopping(cls, y):
    with pytest.raises(ValueError, match="early_stopping"):
        cls(early_stopping=True).partial_fit(X, y)


@both
def test_split_with_too_few_rows(cls, y):
    model = cls(early_stopping=True, validation_fraction=0.01)
    with pytest.raises(ValueError):
        model.fit(X[:2], y[:2] if cls is GDRegressor else [0, 1])


# ------------------------------------------------------------------ what messages say


def labelled(labels):
    X = np.arange(float(len(labels)))[:, None]
    return X, np.array(labels)


def test_labels_are_printed_as_the_user_wrote_them():
    X, y = labelled(["a", "b"] * 10)
    streamed = GDClassifier().partial_fit(X, y, classes=["a", "b"])
    for call in (
        lambda: GDClassifier().fit(X, ["a"] * 20),
        lambda: streamed.partial_fit(X, np.where(y == "a", "z", y)),
        lambda: GDClassifier().fit(X, np.arange(20) % 2, X_val=X, y_val=y),
    ):
        with pytest.raises(ValueError, match=r"'(a|z)'") as caught:
            call()
        assert "np." not in str(caught.value)


@pytest.mark.parametrize("odd", [None, 1, 2.5, True])
def test_labels_that_cannot_be_sorted_are_named(odd):
    X, y = labelled(["a", "b"] * 10)
    y = y.astype(object)
    y[3] = odd
    with pytest.raises(ValueError, match=rf"{type(odd).__name__}.*str|str.*one type"):
        GDClassifier().fit(X, y)
    for classes in (["a", "b"], ["a", "b", odd]):
        with pytest.raises(ValueError, match="different types"):
            GDClassifier().partial_fit(X, y, classes=np.array(classes, dtype=object))


@pytest.mark.parametrize(
    "y",
    [[["a"], ["a", "b"]] * 10, [["a", "b"], ["b", "a"]] * 10],
    ids=["of several lengths", "of one length"],
)
def test_lists_of_labels_get_a_hint(y):
    X = np.arange(20.0)[:, None]
    for call in (GDClassifier().fit, GDClassifier().partial_fit):
        with pytest.raises(ValueError, match=r"multilabel.*MultiLabelBinarizer"):
            call(X, y)


def test_a_warm_start_with_other_data_talks_of_the_warm_start(rng):
    X, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    model = GDRegressor(warm_start=True).fit(X, y)
    for args in ((X[:, :2], y), (X, y[:, 0])):
        with pytest.raises(ValueError, match="warm_start=True continues") as caught:
            model.fit(*args)
        assert "coef_init" not in str(caught.value)


def test_the_loss_curve_is_missing_before_fit():
    model = GDRegressor()
    assert not hasattr(model, "loss_curve_")
    with pytest.raises(AttributeError, match="no loss_curve_ yet"):
        model.loss_curve_  # noqa: B018


def test_a_state_of_another_model_is_refused_in_words(rng):
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    model = GDRegressor(optimizer="adam").partial_fit(X, y)
    model._state.rule = {name: np.zeros(5) for name in model._state.rule}
    with pytest.raises(ValueError, match=r"state does not fit.*shape \(5,\)"):
        model.partial_fit(X, y)


# ------------------------------------------------------------------------- odd layouts


def unaligned(array):
    """The same values at an address that is no multiple of their size."""
    out = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype)
    out = out.reshape(array.shape)
    out[...] = array
    assert not out.flags.aligned
    return out


def field(array):
    """One field of a packed record array: strided and unaligned."""
    out = np.zeros(array.shape, dtype=[("flag", "i1"), ("value", array.dtype)])
    out["value"] = array
    return out["value"]


def read_only(array):
    out = array.copy()
    out.flags.writeable = False
    return out


LAYOUTS = {
    "unaligned": unaligned,
    "field": field,
    "read-only": read_only,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "fortran": np.asfortranarray,
    "negative strides": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "every second": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
}


@pytest.mark.some_cases
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_arrays_does_not_matter(layout, dtype, rng):
    lay = LAYOUTS[layout]
    X = rng.normal(size=(26, 3)).astype(dtype)
    y, weight = X.sum(axis=1), rng.uniform(0.5, 2.0, 26)
    S = sp.csr_array(X)
    parts = lay(S.data), lay(S.indices), lay(S.indptr)
    for a, b in ((X, lay(X)), (S, sp.csr_array(parts, shape=S.shape))):
        for params in ({}, {"batch_size": 1}, {"optimizer": "adam", "batch_size": 8}):
            params = {"max_iter": 3, "tol": None, "random_state": 0} | params
            one, two = GDRegressor(**params), GDRegressor(**params)
            one.fit(a, y, weight).partial_fit(a, y, weight)
            two.fit(b, lay(y), lay(weight)).partial_fit(b, lay(y), lay(weight))
            # (scikit-learn makes float64 of byte-swapped float32.)
            close = {"rtol": 1e-5, "atol": 1e-6}
            np.testing.assert_allclose(one.coef_, two.coef_, **close)
            np.testing.assert_allclose(one.predict(a), two.predict(b), **close)


NOT_NUMBERS = ["1", "2"], [True, 2.0], np.array([True, False]), [None, 1.0], [1j, 1.0]


@pytest.mark.parametrize("values", NOT_NUMBERS, ids=repr)
def test_entries_of_arrays_are_numbers(values):
    """NumPy would make 1.0 of a string and of True."""
    X = pd.DataFrame(np.arange(12.0).reshape(6, 2), columns=["a", "b"])
    y = np.array([0, 1, 1, 0, 1, 0])
    named = dict(zip(X.columns, values, strict=True))
    for cls, name, value in (
        (GDRegressor, "penalty_factor", values),
        (GDClassifier, "penalty_factor", named),
        (GDRegressor, "monotonic_cst", values),
        (GDClassifier, "monotonic_cst", named),
        (GDRegressor, "alpha", values),
        (GDClassifier, "class_weight", dict(enumerate(values))),
    ):
        with pytest.raises(ValueError, match=f"^{name} must .* got "):
            cls(**{name: value}).fit(X, y)
    for argument in ("coef_init", "intercept_init"):
        target = y if argument == "coef_init" else np.column_stack([y, y])
        message = f"^{argument} must be a number or an array of numbers, got a "
        with pytest.raises(ValueError, match=message):
            GDRegressor().fit(X, target, **{argument: values})


@pytest.mark.parametrize("argument", ["sample_weight", "offset"])
def test_weights_and_offsets_may_be_a_mask_and_no_strings(argument):
    X, y = np.arange(12.0).reshape(6, 2), np.array([0.0, 1.0, 1.0, 0.0, 1.0, 3.0])
    mask = np.array([True, True, False, True, True, True])
    one, other, third = (
        GDRegressor().fit(X, y, **{argument: value})
        for value in (mask, mask.astype(float), mask.tolist())
    )
    np.testing.assert_array_equal(one.coef_, other.coef_)
    np.testing.assert_array_equal(one.coef_, third.coef_)
    with pytest.raises(ValueError, match=f"^{argument} must be a number or an array"):
        GDRegressor().fit(X, y, **{argument: ["1"] * 6})


def test_an_array_in_the_place_of_a_number_is_named():
    with pytest.raises(ValueError, match=r"use alpha\.item\(\)"):
        GDRegressor(alpha=np.array(0.1)).fit([[1.0], [2.0]], [1.0, 2.0])


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_strengths_that_leave_float64_name_what_is_too_large(penalty, rng):
    X, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    for factors in ([1e308] * 3, [1.0, 1e308, 1.0]):
        model = GDRegressor(penalty=penalty, alpha=10.0, penalty_factor=factors)
        with pytest.raises(ValueError, match=r"^alpha times penalty_factor leaves "):
            model.fit(X, y)
    model.set_params(penalty_factor=None, standardize=True, alpha=1e300)
    if penalty == "l2":
        with pytest.raises(ValueError, match=r"^alpha times the variance of a column"):
            model.fit(1e10 * X, y)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize(
    "form", [list, np.array, functools.partial(np.array, dtype=object)]
)
def test_the_score_names_text_in_y(loss, form):
    model = GDRegressor(loss).fit(X, np.exp(Y))
    with pytest.raises(ValueError, match=r"^y has the entry 'a', which is no number\."):
        model.score(X, form(["a"] * len(X)))
