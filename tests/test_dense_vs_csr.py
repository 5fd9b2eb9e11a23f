"""One model, whatever the container: dense, CSR, other formats, dtypes and layouts."""

import numpy as np
import pytest
import reference
from conftest import takes
from scipy import sparse
from sklearn.base import clone

from sklgd import GDClassifier, GDRegressor
from sklgd.optimizers import OPTIMIZERS

ETA = {"adagrad": 0.2, "adadelta": 1.0, "ftrl": 0.2, "sgd": 0.03}
DAMPED = {"rmsprop": {"epsilon": 0.1}}  # see test_optimizers
TASKS = ["regression", "two targets", "softmax", "hinge"]


def make_sparse(task="regression", n=50, d=80, density=0.06, seed=0):
    """More features than rows; rows without entries, features that never occur."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < density)
    X[[0, 17, n - 1]] = 0.0
    X[:, [0, 33, 34, d - 1]] = 0.0
    z = X @ rng.normal(size=(d, 3)) + rng.normal(size=3)
    if task == "regression":
        return X, z[:, 0]
    if task == "two targets":
        return X, z[:, :2]
    return X, np.array(["one", "three", "two"])[np.argmax(z, axis=1)]


def build(task="regression", optimizer="adam", batch_size=7, **settings):
    settings = {
        "optimizer": optimizer,
        "batch_size": batch_size,
        "learning_rate": ETA.get(optimizer, 0.01),
        "max_iter": {1: 5, 7: 20, "full": 60}[batch_size],
        "penalty": "elasticnet",
        "alpha": 0.02,
        "l1_ratio": 0.5,
        "tol": None,
        "random_state": 0,
    } | settings
    if task in ("softmax", "hinge"):
        loss = "log_loss" if task == "softmax" else task
        return GDClassifier(loss=loss, **settings)
    return GDRegressor(**settings)


def assert_same_model(one, other, rtol=1e-8):
    assert one.coef_.shape == other.coef_.shape
    assert np.abs(other.coef_).max() > 1e-2
    assert reference.distance(one.coef_, other.coef_) < rtol
    assert reference.distance(one.intercept_, other.intercept_) < rtol
    assert one.loss_curve_ == pytest.approx(other.loss_curve_, rel=max(rtol, 1e-8))


def widened(X):
    """CSR with 64-bit indices."""
    X = sparse.csr_array(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def widened_indptr(X):
    """CSR with 64-bit indptr beside 32-bit indices."""
    X = sparse.csr_array(X)
    X.indptr = X.indptr.astype(np.int64)
    assert X.indices.dtype == np.int32
    return X


def unsorted(X):
    """CSR whose rows are stored back to front."""
    X = sparse.csr_matrix(X)
    order = np.concatenate(
        [np.arange(a, b)[::-1] for a, b in zip(X.indptr, X.indptr[1:], strict=False)]
    )
    return sparse.csr_matrix((X.data[order], X.indices[order], X.indptr), X.shape)


def duplicated(X):
    """CSR with every entry stored as two parts, out of order, and explicit zeros."""
    X = sparse.csr_matrix(X)
    indices = np.concatenate(
        [
            np.tile(X.indices[a:b], 2)
            for a, b in zip(X.indptr, X.indptr[1:], strict=False)
        ]
    )
    data = np.concatenate(
        [
            np.concatenate([2 * X.data[a:b], -X.data[a:b]])
            for a, b in zip(X.indptr, X.indptr[1:], strict=False)
        ]
    )
    X = sparse.csr_matrix((data, indices, 2 * X.indptr), X.shape)
    assert not X.has_canonical_format
    return X


def with_stored_zeros(X):
    coo = sparse.coo_matrix(X)
    row = np.append(coo.row, [0, 0, 5])
    col = np.append(coo.col, [3, 0, X.shape[1] // 2])
    return sparse.csr_matrix((np.append(coo.data, np.zeros(3)), (row, col)), X.shape)


def read_only(X):
    X = sparse.csr_array(X)
    for part in (X.data, X.indices, X.indptr):
        part.flags.writeable = False
    return X


def read_only_dense(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def strided(X):
    wide = np.full((2 * X.shape[0], 3 * X.shape[1]), np.nan)
    wide[::2, 1::3] = X
    return wide[::2, 1::3]


def buffers(X):
    """The arrays a matrix lives in; where it has none, the arrays of its entries."""
    if not sparse.issparse(X):
        return [np.asarray(X)]
    if X.format in ("lil", "dok"):
        X = X.tocoo()
    names = ("data", "indices", "indptr", "row", "col", "offsets")
    return [getattr(X, k) for k in names if isinstance(getattr(X, k, None), np.ndarray)]


def notes(X):
    """What scipy has noted on a matrix besides its arrays: sorted, canonical, ..."""
    return {
        k: v
        for k, v in getattr(X, "__dict__", {}).items()
        if not isinstance(v, (np.ndarray, tuple, dict))
    }


SAME_NUMBERS = {
    "csr_array": sparse.csr_array,
    "int64 indices": widened,
    "int64 indptr": widened_indptr,
    "unsorted": unsorted,
    "duplicates": duplicated,
    "stored zeros": with_stored_zeros,
    "read-only csr": read_only,
    "csc_matrix": sparse.csc_matrix,
    "csc_array": sparse.csc_array,
    "coo_matrix": sparse.coo_matrix,
    "coo_array": sparse.coo_array,
    "lil_matrix": sparse.lil_matrix,
    "lil_array": sparse.lil_array,
    "dok_matrix": sparse.dok_matrix,
    "dok_array": sparse.dok_array,
    "bsr_array": lambda X: sparse.bsr_array(X, blocksize=(5, 4)),
    "dia_array": sparse.dia_array,
    "F order": np.asfortranarray,
    "read-only dense": read_only_dense,
    "strided": strided,
    "reversed": lambda X: X[::-1].copy()[::-1],
    "list": lambda X: X.tolist(),
}


@pytest.mark.some_cases
@pytest.mark.parametrize("batch_size", [1, 7, "full"])
@pytest.mark.parametrize("storage", SAME_NUMBERS)
def test_every_container_gives_the_model_of_a_dense_array(storage, batch_size):
    X, y = make_sparse()
    expected = build(batch_size=batch_size).fit(X, y)
    container = SAME_NUMBERS[storage](X)
    before, noted = [part.copy() for part in buffers(container)], notes(container)
    model = build(batch_size=batch_size).fit(container, y)
    assert_same_model(model, expected)
    np.testing.assert_allclose(model.predict(container), expected.predict(X), rtol=1e-7)
    # The caller's matrix is as it was, entry by entry.
    after = buffers(container)
    assert len(before) == len(after)
    for was, now in zip(before, after, strict=True):
        assert was.dtype == now.dtype
        assert np.array_equal(was, now, equal_nan=True)
    assert notes(container) == noted


SPARSE_NUMBERS = {
    name: make
    for name, make in SAME_NUMBERS.items()
    if sparse.issparse(make(make_sparse()[0]))
}


@pytest.mark.one_case
@pytest.mark.parametrize("task", TASKS)
def test_a_stream_may_change_its_format_with_every_call(task):
    """A stream may change its container with every call."""
    X, y = make_sparse(task, n=20 * len(SPARSE_NUMBERS))
    expected, model = (build(task, batch_size=7) for _ in range(2))
    known = {"classes": np.unique(y)} if task in ("softmax", "hinge") else {}
    for i, store in enumerate(SPARSE_NUMBERS.values()):
        rows = slice(20 * i, 20 * i + 20)
        expected.partial_fit(X[rows], y[rows], **known)
        container = store(X[rows])
        before = [part.copy() for part in buffers(container)]
        model.partial_fit(container, y[rows], **known)
        for was, now in zip(before, buffers(container), strict=True):
            assert was.dtype == now.dtype
            assert np.array_equal(was, now)
        assert_same_model(model, expected)


@pytest.mark.parametrize(
    "store", [sparse.csc_array, sparse.coo_array, sparse.lil_array, sparse.dok_array]
)
def test_other_formats_are_converted_once(store, monkeypatch):
    """Once a call, whatever the number of epochs."""
    X, y = make_sparse()
    X, calls, convert = store(X), [], store.tocsr

    def counting(self, *args, **kwargs):
        if self is X:
            calls.append(self.format)
        return convert(self, *args, **kwargs)

    monkeypatch.setattr(store, "tocsr", counting)
    model = build(max_iter=5).fit(X, y)
    assert len(calls) == 1
    model.partial_fit(X, y)
    assert len(calls) == 2


@pytest.mark.some_cases
@pytest.mark.parametrize("task", ["regression", "softmax"])
@pytest.mark.parametrize("storage", SPARSE_NUMBERS)
def test_validation_and_prediction_take_every_format(storage, task):
    """Validation rows, and rows to predict and to score, whatever X was."""
    X, y = make_sparse(task)
    other, labels = make_sparse(task, seed=1)
    container = SPARSE_NUMBERS[storage](other)
    before, noted = [part.copy() for part in buffers(container)], notes(container)
    for form in (np.asarray, sparse.csr_array):
        expected = build(task).fit(form(X), y, X_val=other, y_val=labels)
        model = build(task).fit(form(X), y, X_val=container, y_val=labels)
        np.testing.assert_array_equal(model.coef_, expected.coef_)
        assert model.validation_scores_ == pytest.approx(
            expected.validation_scores_, rel=1e-12
        )
        raw = "predict" if task == "regression" else "decision_function"
        np.testing.assert_allclose(
            getattr(model, raw)(container), getattr(model, raw)(other), rtol=1e-9
        )
        assert model.score(container, labels) == pytest.approx(
            model.score(other, labels), rel=1e-12
        )
    for was, now in zip(before, buffers(container), strict=True):
        assert np.array_equal(was, now)
    assert notes(container) == noted


@pytest.mark.some_cases
@pytest.mark.parametrize("optimizer", ["auto", *OPTIMIZERS])
@pytest.mark.parametrize("task", ["regression", "two targets", "softmax"])
def test_only_the_intercept_is_learnt_from_a_matrix_without_entries(task, optimizer):
    """Nothing but the intercept is left to learn."""
    _, y = make_sparse(task)
    X = np.zeros((len(y), 30))
    cls = GDClassifier if task == "softmax" else GDRegressor
    model = cls(optimizer=optimizer, max_iter=5, tol=None, random_state=0)
    dense = clone(model).fit(X, y)
    for store in (widened, sparse.lil_array):
        csr = clone(model).fit(store(X), y)
        assert np.all(csr.coef_ == 0)
        assert reference.distance(csr.intercept_, dense.intercept_) < 1e-8
        assert np.array_equal(csr.predict(store(X)), csr.predict(X))


@pytest.mark.some_cases
@pytest.mark.parametrize("batch_size", [1, 7, "full"])
@pytest.mark.parametrize("optimizer", reference.OPTIMIZERS)
@pytest.mark.parametrize("density", [0.1, 1.0])
def test_one_sparse_column_gives_the_model_of_a_dense_one(
    optimizer, batch_size, density
):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 1)) * (rng.random((60, 1)) < density)
    y = 2.0 * X[:, 0] + 1.0
    settings = {"optimizer": optimizer, "batch_size": batch_size}
    dense = build(**settings, alpha=1e-3).fit(X, y)
    for store in (sparse.csr_matrix, unsorted, sparse.coo_array):
        csr = build(**settings, alpha=1e-3).fit(store(X), y)
        assert_same_model(csr, dense)
        np.testing.assert_allclose(csr.predict(store(X)), dense.predict(X), rtol=1e-7)


@pytest.mark.parametrize("batch_size", [1, 7, "full"])
def test_memory_maps_are_read_as_arrays_are(tmp_path, batch_size):
    X, y = make_sparse()
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    mapped = build(batch_size=batch_size).fit(
        np.load(tmp_path / "X.npy", mmap_mode="r"),
        np.load(tmp_path / "y.npy", mmap_mode="r"),
    )
    assert_same_model(mapped, build(batch_size=batch_size).fit(X, y), rtol=1e-12)


def every_fit(optimizer, task):
    """Models with this optimizer, one for each kind of batches that kernels know."""
    if optimizer in reference.OPTIMIZERS:
        return [build(task, optimizer, size, max_iter=3) for size in (1, 7, "full")]
    penalty = "elasticnet" if takes(optimizer, "elasticnet") else "l2"
    model = build(task, optimizer, max_iter=5, penalty=penalty)
    return [model.set_params(batch_size="auto", learning_rate="auto")]


@pytest.mark.some_cases
@pytest.mark.parametrize(
    "storage", [np.asarray, sparse.csr_array], ids=["dense", "csr"]
)
@pytest.mark.parametrize(
    ("optimizer", "task"),
    [
        (optimizer, task)
        for optimizer in ["auto", *OPTIMIZERS]
        for task in TASKS
        if not (optimizer in ("saga", "svrg") and task == "hinge")  # not smooth
    ],
)
def test_float32_is_storage_and_the_arithmetic_is_that_of_float64(
    optimizer, task, storage
):
    """The result is rounded, and nothing else."""
    X, y = make_sparse(task)
    narrow = storage(X.astype(np.float32))
    wide = narrow.astype(np.float64)
    for model in every_fit(optimizer, task):
        rounded = clone(model).fit(narrow, y)
        model.fit(wide, y)
        assert rounded.coef_.dtype == rounded.intercept_.dtype == np.float32
        assert model.coef_.dtype == np.float64
        assert np.array_equal(rounded.coef_, model.coef_.astype(np.float32))
        assert np.array_equal(rounded.intercept_, model.intercept_.astype(np.float32))


def test_integers_and_booleans_are_numbers():
    X, y = make_sparse()
    mask = X != 0
    expected = build().fit(mask.astype(float), y)
    for same in (mask, mask.astype(int), sparse.csr_matrix(mask.astype(np.int32))):
        assert_same_model(build().fit(same, y), expected, rtol=1e-12)


def test_data_frames_are_read_as_arrays_are():
    pd = pytest.importorskip("pandas")
    X, y = make_sparse()
    names = [f"f{j}" for j in range(X.shape[1])]
    expected = build().fit(X, y)
    framed = build().fit(pd.DataFrame(X, columns=names), pd.Series(y))
    assert_same_model(framed, expected, rtol=1e-12)
    assert list(framed.feature_names_in_) == names
    half = build().fit(pd.DataFrame(X, columns=names).astype(np.float32), pd.Series(y))
    assert half.coef_.dtype == np.float32
    assert_same_model(half, expected, rtol=1e-4)
    # A frame of sparse columns
    columns = pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(X), columns=names)
    assert_same_model(build().fit(columns, y), expected)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("task", ["regression", "softmax"])
def test_weights_may_be_a_list_or_strided(task, storage, rng):
    X, y = make_sparse(task)
    weight = rng.random(len(y))
    expected = build(task).fit(X, y, sample_weight=weight)
    for same in (weight.tolist(), np.column_stack([weight, weight])[:, 0]):
        model = build(task).fit(storage(X), y, sample_weight=same)
        assert_same_model(model, expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", ["log_loss", "poisson"])
def test_dense_rows_are_looked_at_one_row_ahead(loss, dtype):
    """The prediction of the next row follows each step and each change of the scale."""
    rng = np.random.RandomState(0)
    X = rng.randn(150, 11).astype(dtype)
    y = (X[:, 0] > 0.0).astype(int)
    cls = GDClassifier if loss == "log_loss" else GDRegressor
    # (The common factor of the coefficients is halved by each step.)
    model = cls(loss, optimizer="sgd", batch_size=1, learning_rate=0.1, alpha=5.0)
    model.set_params(max_iter=2, tol=None, random_state=0)
    coefs = [
        model.fit(rows, y, 1.0 + np.arange(150) % 2).coef_.copy()
        for rows in (X, sparse.csr_matrix(X))
    ]
    np.testing.assert_allclose(*coefs, rtol=1e-9 if dtype is np.float64 else 1e-6)
