"""Data that need no checks take a short way: it ends where the ordinary one does."""

import gc
import itertools
import pickle
import warnings
import weakref

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import config_context

import sklgd._base
from sklgd import GDClassifier, GDRegressor
from sklgd._data_checks import (
    canonical,
    has_nothing_to_check,
    has_nothing_to_check_in_target,
)
from sklgd._random import random_stream
from sklgd.kernels._vector import all_finite

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X @ [1.0, -1.0, 0.5] + 0.1 * RNG.normal(size=40)
LABELS = (Y > 0).astype(int)
BIG = np.full((40, 3), 1e308)


class Subclass(np.ndarray):
    """An ndarray that is none."""


def changed(row, column, value, array=X):
    out = array.astype(np.float64)
    out[row, column] = value
    return out


def csr(array=X, kind=sp.csr_array):
    return kind(np.where(np.abs(array) > 0.5, array, 0.0))


def unsorted():
    out = csr()
    first = out.indptr[:-1][np.diff(out.indptr) > 1][0]
    out.indices[[first, first + 1]] = out.indices[[first + 1, first]]
    return out


def outside(column):
    out = csr()
    out.indices[3] = column
    return out


def strided():
    out = csr()
    out.indices = np.repeat(out.indices, 2)[::2]
    out.data = np.repeat(out.data, 2)[::2]
    return out


def read_only():
    out = X.copy()
    out.flags.writeable = False
    return out


SAMPLES = {
    "float64": lambda: X,
    "float32": lambda: X.astype(np.float32),
    "float16": lambda: X.astype(np.float16),
    "longdouble": lambda: X.astype(np.longdouble),
    "big-endian": lambda: X.astype(">f8"),
    "int": lambda: (10 * X).astype(int),
    "bool": lambda: X > 0,
    "object": lambda: X.astype(object),
    "strings": lambda: X.astype(str),
    "words": lambda: np.full((40, 3), "word"),
    "complex": lambda: X.astype(complex),
    "list": lambda: X.tolist(),
    "F order": lambda: np.asfortranarray(X),
    "every other column": lambda: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda: X[::-1],
    "read only": read_only,
    "subclass": lambda: X.view(Subclass),
    "masked": lambda: np.ma.array(X),
    "matrix": lambda: np.asmatrix(X),
    "frame": lambda: pd.DataFrame(X, columns=["a", "b", "c"]),
    "frame without names": lambda: pd.DataFrame(X),
    "frame of mixed names": lambda: pd.DataFrame(X, columns=["a", 1, 2]),
    "nan": lambda: changed(5, 1, np.nan),
    "inf": lambda: changed(0, 0, np.inf),
    "both infinities": lambda: changed(1, 1, -np.inf, changed(0, 0, np.inf)),
    "float32 nan": lambda: changed(39, 2, np.nan).astype(np.float32),
    "huge": lambda: BIG,
    "float32 huge": lambda: np.full((40, 3), 3e38, dtype=np.float32),
    "1d": lambda: X[:, 0],
    "0d": lambda: np.float64(3.0),
    "3d": lambda: X[:, :, None],
    "no rows": lambda: X[:0],
    "no columns": lambda: X[:, :0],
    "a column less": lambda: np.ascontiguousarray(X[:, :2]),
    "a row less": lambda: X[:-1],
    "none": lambda: None,
    "csr": csr,
    "csr matrix": lambda: csr(kind=sp.csr_matrix),
    "csr float32": lambda: csr().astype(np.float32),
    "csr float16 data": lambda: csr((8 * X).astype(int)),
    "csr int64": lambda: sp.csr_array(
        (csr().data, *(a.astype(np.int64) for a in (csr().indices, csr().indptr))),
        shape=X.shape,
    ),
    "csr unsorted": unsorted,
    "csr duplicates": lambda: sp.csr_array(
        (np.ones(80), np.tile([1, 1], 40), np.arange(0, 81, 2)), shape=X.shape
    ),
    "csr empty": lambda: sp.csr_array(X.shape),
    "csr nan": lambda: csr(changed(5, 1, np.nan)) * np.nan,
    "csr inf": lambda: csr(changed(5, 1, np.inf)),
    "csr column outside": lambda: outside(7),
    "csr column just outside": lambda: outside(3),
    "csr column negative": lambda: outside(-1),
    "csr strided": strided,
    "csr of no rows": lambda: csr()[:0],
    "csr a column less": lambda: csr()[:, :2],
    "csc": lambda: sp.csc_array(csr()),
    "coo": lambda: sp.coo_array(csr()),
}
TARGETS = {
    "as they are": lambda y: y,
    "float": lambda y: y.astype(float),
    "float32": lambda y: y.astype(np.float32),
    "int8": lambda y: (y > 0).astype(np.int8),
    "bool": lambda y: y > 0,
    "object": lambda y: y.astype(object),
    "strings": lambda y: np.where(y > 0, "yes", "no"),
    "complex": lambda y: y.astype(complex),
    "list": lambda y: y.tolist(),
    "every other": lambda y: np.repeat(y, 2)[::2],
    "column": lambda y: y[:, None],
    "two columns": lambda y: np.column_stack([y, -y]),
    "3d": lambda y: y[:, None, None],
    "0d": lambda y: y[0],
    "too short": lambda y: y[:-1],
    "empty": lambda y: y[:0],
    "nan": lambda y: np.where(np.arange(40) == 7, np.nan, y),
    "inf": lambda y: np.where(np.arange(40) == 7, np.inf, y),
    "constant": lambda y: np.ones_like(y),
    "many classes": lambda y: np.arange(40),
    "series": lambda y: pd.Series(y),
    "none": lambda y: None,
}
ESTIMATORS = {"regressor": (GDRegressor, Y), "classifier": (GDClassifier, LABELS)}


@pytest.fixture
def ordinary(monkeypatch):
    """A switch: from now on everything is checked by scikit-learn."""

    def switch():
        for name in (
            "has_nothing_to_check",
            "has_nothing_to_check_in_target",
            "has_good_form",
        ):
            for module in (sklgd._base, sklgd._prediction):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, lambda *args: False)

    return switch


def outcome(job):
    """What a job returns or raises, and the warnings on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = job()
        except Exception as error:
            result = type(error).__name__, str(error)
    return result, [(w.category.__name__, str(w.message)) for w in caught]


def fitted(model):
    """Everything that the checks may have an influence on."""
    names = ("coef_", "intercept_", "classes_", "n_features_in_", "feature_names_in_")
    return {
        name: (values.dtype.str if hasattr(values, "dtype") else None, repr(values))
        for name in names
        if (values := getattr(model, name, None)) is not None
    }


def run(kind, samples, target, method):
    cls, y = ESTIMATORS[kind]
    model = cls(max_iter=3, batch_size=8, random_state=0, learning_rate=0.01)
    data = SAMPLES[samples](), TARGETS[target](y)
    if method == "fit":
        return lambda: fitted(model.fit(*data))
    classes = {"classes": np.unique(y)} if kind == "classifier" else {}
    if method == "first partial_fit":
        return lambda: fitted(model.partial_fit(*data, **classes))
    model.partial_fit(X, y, **classes)
    if method == "partial_fit":
        return lambda: fitted(model.partial_fit(*data))
    return lambda: model.predict(data[0])


METHODS = ("fit", "first partial_fit", "partial_fit", "predict")


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("samples", SAMPLES)
def test_samples(ordinary, kind, method, samples):
    quick = outcome(run(kind, samples, "as they are", method))
    ordinary()
    checked = outcome(run(kind, samples, "as they are", method))
    assert quick[1] == checked[1]
    if isinstance(checked[0], np.ndarray):
        # Sums are rounded in another order.
        assert quick[0].dtype == checked[0].dtype
        np.testing.assert_allclose(quick[0], checked[0], rtol=1e-5, atol=1e-6)
    else:
        assert quick[0] == checked[0]


@pytest.mark.some_cases
@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("method", METHODS[:3])
@pytest.mark.parametrize("target", TARGETS)
def test_targets(ordinary, kind, method, target):
    quick = outcome(run(kind, "float64", target, method))
    ordinary()
    assert quick == outcome(run(kind, "float64", target, method))


@pytest.mark.parametrize("samples", ["float64", "frame", "csr"])
@pytest.mark.parametrize("seen", ["float64", "frame"])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict"])
def test_names_of_features(ordinary, method, seen, samples):
    def job():
        model = GDRegressor(max_iter=3, random_state=0).fit(SAMPLES[seen](), Y)
        data = (SAMPLES[samples](),) if method == "predict" else (SAMPLES[samples](), Y)
        result = getattr(model, method)(*data)
        return result.shape if method == "predict" else fitted(model)

    quick = outcome(job)
    ordinary()
    assert quick == outcome(job)


@pytest.mark.parametrize("samples", ["nan", "csr nan", "float64"])
def test_assume_finite(ordinary, samples):
    """scikit-learn's switch keeps its meaning, in prediction too."""

    def job():
        with config_context(assume_finite=True):
            return GDRegressor(random_state=0).fit(X, Y).predict(SAMPLES[samples]())

    quick = outcome(job)[0]
    ordinary()
    np.testing.assert_allclose(quick, outcome(job)[0])


@pytest.mark.parametrize("form", ["float32", "csr"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_prediction_sees_what_a_zero_coefficient_hides(kind, value, form):
    """A product with zero does not hide an entry that is not finite."""
    cls, y = ESTIMATORS[kind]
    model = cls(random_state=0).fit(X, y)
    model.coef_[..., 1] = 0.0
    bad = changed(17, 1, value)
    bad = bad.astype(np.float32) if form == "float32" else sp.csr_array(bad)
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        model.predict(bad)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("form", ["float64", "float32", "csr", "csr float32"])
def test_prediction_is_the_product(form, n_outputs, n_jobs):
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(9001, 7)) * (rng.random((9001, 7)) < 0.4)
    model = GDRegressor(n_jobs=n_jobs, max_iter=2, random_state=0)
    model.fit(Z, Z @ rng.normal(size=(7, n_outputs)) + 1.0)
    expected = Z @ model.coef_.T + model.intercept_
    part = Z.astype(np.float32) if form.endswith("32") else Z
    part = sp.csr_array(part) if form.startswith("csr") else part
    np.testing.assert_allclose(model.predict(part), expected, rtol=2e-5, atol=1e-5)


def test_no_copy_and_no_change():
    """The caller's arrays are used as they are and left alone."""
    for sample in (X, X.astype(np.float32), csr(), csr(kind=sp.csr_matrix)):
        assert has_nothing_to_check(sample)
        assert canonical(sample) is sample
    matrix = unsorted()
    indices = matrix.indices.copy()
    assert canonical(matrix) is not matrix
    np.testing.assert_array_equal(matrix.indices, indices)
    assert not any(
        has_nothing_to_check(SAMPLES[name]())
        for name in ("subclass", "F order", "float16", "nan", "csr nan", "big-endian")
    )
    assert not has_nothing_to_check_in_target(Y, 39, False)


@pytest.mark.parametrize("seed", [0, 7, np.int64(3), 2**32 - 1])
def test_stream_of_a_seed(seed):
    """The numbers are those of RandomState(seed), after pickling as well."""
    ours, theirs = random_stream(seed), np.random.RandomState(seed)
    np.testing.assert_array_equal(ours.permutation(50), theirs.permutation(50))
    ours = pickle.loads(pickle.dumps(ours))
    np.testing.assert_array_equal(ours.permutation(50), theirs.permutation(50))
    assert ours.normal() == theirs.normal()
    state = np.random.RandomState(1)
    assert random_stream(state) is state


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ">f8"])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 40])
def test_all_finite_sees_every_entry(dtype, size):
    values = np.full(size, np.finfo(dtype).max, dtype=dtype)
    for array in (values, np.repeat(values, 2)[::2]):
        assert all_finite(array)
        for i, bad in itertools.product(range(size), (np.nan, np.inf, -np.inf)):
            broken = array.copy() if array is values else np.repeat(array, 2)[::2]
            broken[i] = bad
            assert not all_finite(broken)


@pytest.mark.parametrize("optimizer", ["newton", "lbfgs", "svrg", "saga", "adam"])
def test_a_fit_leaves_no_cycle_that_keeps_the_data(optimizer):
    # Waiting for the garbage collector, it would hold the memory of X.
    data = X.copy()
    gone = weakref.ref(data)
    gc.disable()
    try:
        model = GDClassifier(optimizer=optimizer, max_iter=3, tol=None)
        model.fit(data, LABELS)
        del data
        assert gone() is None
    finally:
        gc.enable()
