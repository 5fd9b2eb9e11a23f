"""X is not copied: a fit takes at most a tenth of its memory besides."""

import functools
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import BATCH_METHODS, takes

from sklgd import GDClassifier, GDRegressor
from sklgd._solvers import raw_predictions
from sklgd.optimizers import OPTIMIZERS

pytestmark = pytest.mark.exhaustive

N = 120_000
STORAGES = ["float64", "float32", "csr", "csr float32"]
EXPLICIT = {"learning_rate": 1e-4}
MODES = {
    "auto": {},
    "auto with l1": {"penalty": "l1"},
    "auto, single rows": {"batch_size": 1},
    "auto, mini-batches": {"batch_size": 64},
    "stochastic": {"batch_size": 1, "optimizer": "sgd", **EXPLICIT},
    "mini-batch": {"batch_size": 256, "optimizer": "adam", **EXPLICIT},
    "found step": {"batch_size": 256, "optimizer": "adam"},
    "all rows": {"batch_size": "full", "optimizer": "momentum", **EXPLICIT},
    "averaged": {"batch_size": 256, "average": True, **EXPLICIT},
    "early stopping": {"early_stopping": True},
    "stochastic, early stopping": {
        "batch_size": 1, "optimizer": "sgd", "early_stopping": True, **EXPLICIT,
    },
}  # fmt: skip
MODES |= {n: {"optimizer": n} for n, cls in OPTIMIZERS.items() if cls.rule is None}


@functools.cache
def rows(storage):
    """X in some storage, its size, and raw predictions of ten outputs."""
    rng = np.random.default_rng(0)
    if storage.startswith("csr"):
        d, kept = 120, 60
        some = np.argsort(rng.random((100, d)), axis=1)[:, :kept].astype(np.int32)
        some.sort(axis=1)
        indices = np.tile(some.ravel(), N // 100)
        indptr = np.arange(0, N * kept + 1, kept, dtype=np.int32)
        dtype = np.float32 if storage.endswith("float32") else np.float64
        X = sp.csr_array(
            (rng.random(len(indices), dtype=dtype), indices, indptr), (N, d)
        )
        size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    else:
        X = rng.random((N, 100), dtype=storage)
        size = X.nbytes
    return X, size, X @ rng.normal(size=(X.shape[1], 10)).astype(X.dtype)


def target(storage, task, n_outputs):
    z = rows(storage)[2][:, :n_outputs].astype(np.float64)
    if task == "regression":
        return z[:, 0] if n_outputs == 1 else z
    if n_outputs == 1:
        return (z[:, 0] > np.median(z)).astype(int)
    return (z - np.median(z, axis=0)).argmax(axis=1)


def share(fit, size):
    """Peak memory of a call, as a share of ``size``."""
    tracemalloc.start()
    try:
        fit()
        return tracemalloc.get_traced_memory()[1] / size
    finally:
        tracemalloc.stop()


def share_of_fit(storage, task, n_outputs, y=None, sample_weight=None, **settings):
    X, size, _ = rows(storage)
    y = target(storage, task, n_outputs) if y is None else y
    cls = GDClassifier if task == "classification" else GDRegressor
    model = cls(random_state=0, **{"max_iter": 1, "tol": None, **settings})
    model.fit(X[:2000], y[:2000])  # modules imported now and then
    return share(lambda: model.fit(X, y, sample_weight=sample_weight), size)


# Each mode with a dense and a sparse storage, of both types.
TWO_STORAGES = [
    (mode, STORAGES[(first + number) % 4])
    for number, mode in enumerate(MODES)
    for first in (0, 2)
]
# Each mode with one storage in float32.
ONE_STORAGE = [(mode, STORAGES[1::2][i % 2]) for i, mode in enumerate(MODES)]


@pytest.mark.parametrize(("mode", "storage"), TWO_STORAGES)
def test_two_classes(storage, mode):
    # (Raw predictions of four points are 0.08 of such an X, a Hessian takes 1.5 MB.)
    most = 0.12 if (mode, storage) == ("fista", "csr float32") else 0.1
    assert share_of_fit(storage, "classification", 1, **MODES[mode]) < most


@pytest.mark.parametrize(("mode", "storage"), ONE_STORAGE)
def test_three_classes(storage, mode):
    assert share_of_fit(storage, "classification", 3, **MODES[mode]) < 0.1


@pytest.mark.parametrize("mode", MODES)
def test_ten_classes(mode):
    # A slope of each class and row, kept in float32, is a twentieth of X by itself.
    assert share_of_fit("float64", "classification", 10, **MODES[mode]) < 0.1


@pytest.mark.parametrize(
    ("mode", "n_outputs"), [(mode, (1, 3)[i % 2]) for i, mode in enumerate(MODES)]
)
def test_regression(n_outputs, mode):
    assert share_of_fit("float32", "regression", n_outputs, **MODES[mode]) < 0.1


def test_one_against_the_rest():
    assert share_of_fit("float64", "classification", 10, loss="squared_hinge") < 0.1


def test_wide_indices():
    X, size, _ = rows("csr")
    X = sp.csr_array(
        (X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), X.shape
    )
    model = GDClassifier(max_iter=1, tol=None).fit(X[:2000], np.arange(2000) % 2)
    y = target("csr", "classification", 1)
    assert share(lambda: model.fit(X, y), size + X.indices.nbytes // 2) < 0.1


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "epsilon_insensitive"])
def test_robust_regression(loss):
    assert share_of_fit("float64", "regression", 1, loss=loss) < 0.1


@pytest.mark.parametrize("mode", ["auto", "point_saga", "stochastic", "mini-batch"])
@pytest.mark.parametrize("kind", ["str", "float32", "int8"])
def test_labels_and_weights(kind, mode):
    y = target("float64", "classification", 3)
    y = np.array(["a", "bc", "def"])[y] if kind == "str" else y.astype(kind)
    weights = np.random.default_rng(0).random(N)
    assert share_of_fit("float64", "classification", 3, y, weights, **MODES[mode]) < 0.1


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam", **EXPLICIT}])
def test_partial_fit(settings):
    X, size, _ = rows("float32")
    y = target("float32", "classification", 3)
    model = GDClassifier(random_state=0, **settings)
    model.partial_fit(X[:2000], y[:2000], classes=[0, 1, 2])
    assert share(lambda: model.partial_fit(X, y), size) < 0.1


# ------------------------------------------- what saves memory gives the same model


@pytest.mark.parametrize("optimizer", BATCH_METHODS)
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize(
    ("loss", "n_outputs"),
    [
        ("log_loss", 1),
        ("log_loss", 3),
        ("squared_hinge", 3),
        ("hinge", 1),
        ("huber", 2),
    ],
)
@pytest.mark.parametrize("part", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_lines_by_sweeps(optimizer, penalty, loss, n_outputs, part, monkeypatch):
    """Raw predictions that are kept and those that are not lead to the same optimum."""
    if not takes(optimizer, penalty):
        return
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5)) * [1.0, 10.0, 0.1, 1.0, 1.0] + 3.0
    z = X @ rng.normal(size=(5, n_outputs)) + rng.normal(size=(300, n_outputs))
    z -= z.mean(axis=0)
    task = "regression" if loss == "huber" else "classification"
    y = (
        z
        if task == "regression"
        else z.argmax(axis=1)
        if n_outputs > 1
        else z[:, 0] > 0
    )
    cls = GDRegressor if task == "regression" else GDClassifier
    model = cls(
        loss, optimizer=optimizer, penalty=penalty, alpha=0.01, tol=1e-7,
        early_stopping=part, n_iter_no_change=1000, random_state=0, max_iter=300,
    )  # fmt: skip
    if part:
        model.set_params(max_iter=10)
    weights = rng.uniform(0.5, 2.0, 300)
    with np.errstate(all="ignore"):
        kept = model.fit(X, y, weights).loss_curve_
    monkeypatch.setattr(raw_predictions, "SHARE", 0.0)
    monkeypatch.setattr(raw_predictions, "LITTLE", 0)
    swept = model.fit(X, y, weights).loss_curve_
    # Searches end at their first points, which are the same to rounding, but whether a
    # later one takes one more point can depend on it.
    np.testing.assert_allclose(kept[:2], swept[:2], rtol=1e-9)
    np.testing.assert_allclose(kept[-1], swept[-1], rtol=1e-5)
