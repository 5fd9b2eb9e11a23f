"""Columns of X without an entry change no fit: neither its choices nor its steps."""

import logging
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import RULES, takes
from sklearn.base import clone

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.empty_columns import used_columns
from sklgd.optimizers import OPTIMIZERS
from sklgd.schedules import Constant

PENALTIES = ["l2", "l1", "elasticnet", None]


def spread(X, n_empty, seed=0):
    """X with so many empty columns among its own, and the numbers of the latter."""
    rng = np.random.default_rng(seed)
    width = X.shape[1] + n_empty
    columns = np.sort(rng.permutation(width)[: X.shape[1]])
    indices = columns.astype(X.indices.dtype)[X.indices]
    wide = sp.csr_array((X.data, indices, X.indptr), shape=(X.shape[0], width))
    return wide, columns


def problem(n=90, d=25, dtype=np.float64):
    """CSR without empty columns, a target and three classes."""
    rng = np.random.default_rng(0)
    X = sp.random_array((n, d), density=0.2, format="csr", rng=rng, dtype=dtype)
    y = X @ rng.normal(size=d) + 0.1 * rng.normal(size=n)
    return X, y, np.digitize(y, np.quantile(y, [0.3, 0.6]))


def facts(model, columns=None):
    """What a fit has found, to the last bit."""
    coef = np.atleast_2d(model.coef_)
    if columns is not None:
        assert not np.delete(coef, columns, axis=1).any()
        coef = np.ascontiguousarray(coef[:, columns])
    return (
        coef.tobytes(),
        np.array(model.intercept_).tobytes(),
        np.array(model.loss_curve_).tobytes(),
        np.array(model.optimality_gap_).tobytes(),
        np.array(model.validation_scores_ or []).tobytes(),
        (model.stop_reason_, model.batch_size_, type(model.optimizer_)),
    )


CASES = [
    (optimizer, penalty)
    for optimizer in ["auto", *OPTIMIZERS]
    for penalty in PENALTIES
    if takes(optimizer, penalty)
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("optimizer", "penalty"), CASES)
def test_a_fit_is_the_one_without_its_empty_columns(optimizer, penalty):
    X, y, classes = problem(40, 12)
    ways = [("auto", "auto"), ("auto", 0.01)]
    if optimizer in RULES:
        ways += [(16, "auto")]
    elif optimizer not in OPTIMIZERS or not OPTIMIZERS[optimizer].takes_learning_rate:
        ways = ways[:1]
    for cls, loss, target in (
        (GDRegressor, "squared_error", y),
        (GDClassifier, "squared_hinge", classes),
        (GDClassifier, "log_loss", classes),
    ):
        for batch_size, rate in ways:
            numbers = (10, 10_000) if (batch_size, rate) == ways[0] else (10,)
            model = cls(
                loss,
                optimizer=optimizer,
                penalty=penalty,
                alpha=1e-3,
                batch_size=batch_size,
                learning_rate=rate,
                max_iter=2,
                tol=None,
                random_state=0,
            )
            expected = facts(model.fit(X, target))
            for n_empty in numbers:
                wide, columns = spread(X, n_empty)
                assert facts(model.fit(wide, target), columns) == expected


@pytest.mark.some_cases
@pytest.mark.parametrize("n_empty", [10, 10_000])
@pytest.mark.parametrize("indices", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"average": True, "learning_rate": 0.01},
        {"early_stopping": True, "optimizer": "adam"},
        {"early_stopping": True, "optimizer": "adam", "scoring": "r2"},
        {"shuffle": "window", "batch_size": 4, "learning_rate": 0.01},
    ],
)
def test_storage_and_validation(params, dtype, indices, n_empty):
    X, y, _ = problem(dtype=dtype)
    y = y.astype(np.float64)
    X.indices, X.indptr = X.indices.astype(indices), X.indptr.astype(indices)
    wide, columns = spread(X, n_empty)
    wide.indices = wide.indices.astype(indices)
    wide.indptr = wide.indptr.astype(indices)
    before = wide.copy()
    model = GDRegressor(max_iter=8, random_state=0, **{"tol": None} | params)
    rows = slice(0, 30)
    held_out = [{}, {"X_val": wide[rows], "y_val": y[rows]}]
    for own, other in zip(
        [{}, {"X_val": X[rows], "y_val": y[rows]}], held_out, strict=True
    ):
        expected = facts(model.fit(X, y, **own))
        assert facts(model.fit(wide, y, **other), columns) == expected
        assert model.coef_.dtype == dtype
    for name in ("data", "indices", "indptr"):
        ours, theirs = getattr(wide, name), getattr(before, name)
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


def test_columns_that_only_held_out_or_weightless_rows_have():
    """They stay at zero, as if these rows had never been there."""
    X, y, _ = problem()
    extra = sp.random_array((90, 5), density=0.3, format="csr", rng=1)
    weights = np.ones(90)
    weights[60:] = 0.0
    keep = sp.diags_array(1.0 - weights) @ extra
    both = sp.hstack([X, keep]).tocsr()
    model = GDRegressor(optimizer="adam", max_iter=5, tol=None, random_state=0)
    expected = facts(model.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:]))
    model.fit(both, y, sample_weight=weights, X_val=both[60:], y_val=y[60:])
    assert facts(model, np.arange(25)) == expected


@pytest.mark.parametrize("optimizer", ["auto", "adam", "sgd", "fista"])
def test_a_start_keeps_its_columns(optimizer):
    """A column without an entry whose coefficient starts off zero is fitted, too."""
    X, y, _ = problem()
    wide, columns = spread(X, 400)
    start = np.zeros(wide.shape[1])
    start[columns], start[-3:] = 0.1, 2.0
    used = np.union1d(columns, np.arange(422, 425))
    params = {"optimizer": optimizer, "alpha": 0.1, "max_iter": 4, "tol": None}
    model = GDRegressor(**params, random_state=0)
    narrow = wide[:, used].tocsr()
    expected = facts(model.fit(narrow, y, coef_init=start[used]))
    assert facts(model.fit(wide, y, coef_init=start), used) == expected
    model.set_params(warm_start=True).fit(wide, y)
    again = clone(model).fit(narrow, y, coef_init=start[used], intercept_init=0.0)
    assert facts(model, used) == facts(again.fit(narrow, y))


@pytest.mark.some_cases
@pytest.mark.parametrize("penalty", ["l2", "l1", None])
@pytest.mark.parametrize("rate", [0.01, "auto"])
@pytest.mark.parametrize("optimizer", RULES)
def test_learning_goes_on_after_a_fit(optimizer, rate, penalty):
    """`partial_fit` goes on from the coefficients, and may meet new columns."""
    X, y, _ = problem()
    wide, columns = spread(X, 40)
    params = {"batch_size": 8, "alpha": 1e-3, "random_state": 0, "penalty": penalty}
    model = GDRegressor(optimizer=OPTIMIZERS[optimizer](), max_iter=2, tol=None)
    model.set_params(learning_rate=rate, **params)
    narrow = clone(model).fit(X, y).partial_fit(X, y)
    stored = pickle.loads(pickle.dumps(model.fit(wide, y)))
    for other in (model, stored):
        other.partial_fit(wide, y)
        assert np.allclose(other.coef_[columns], narrow.coef_, rtol=1e-9, atol=1e-12)
        assert not np.delete(other.coef_, columns).any()
    assert np.array_equal(model.coef_, stored.coef_)
    more = sp.random_array(wide.shape, density=0.2, format="csr", rng=3)
    assert np.isfinite(model.partial_fit(more, y).coef_).all()
    assert np.delete(model.coef_, columns).all() or penalty == "l1"


def test_a_pickle_is_as_small_as_the_columns_that_count():
    X, y, _ = problem()
    wide, _ = spread(X, 50_000)
    model = GDRegressor(optimizer="adam", max_iter=2, tol=None).fit(wide, y)
    assert len(pickle.dumps(model)) < model.coef_.nbytes + 30_000


def test_columns_keep_the_numbers_that_the_user_knows():
    X, y, _ = problem()
    wide, columns = spread(X, 1000)
    for factor in (1e200, 1e145):
        large = wide.copy()
        large.data[large.indices == columns[7]] *= factor
        with pytest.raises(ValueError, match=rf"column {columns[7]} are so large"):
            GDRegressor().fit(large, y)
    large = wide.copy()
    large.data[large.indices == columns[7]] *= 1e4
    with pytest.warns(UserWarning):
        model = GDRegressor(optimizer="sgd", learning_rate=0.1, max_iter=5)
        model.fit(large, y)
    assert model.diagnosis_["figures"]["largest_feature"][0] == f"column {columns[7]}"


def test_stored_zeros_make_no_column_full():
    X, y, _ = problem()
    wide, columns = spread(X, 300)
    some = sp.csr_array(
        (np.zeros(5), (np.arange(5), np.setdiff1d(np.arange(325), columns)[:5])),
        shape=wide.shape,
    )
    coo, extra = wide.tocoo(), some.tocoo()
    rows = np.concatenate([coo.row, extra.row])
    cols = np.concatenate([coo.col, extra.col])
    stored = sp.csr_array(
        (np.concatenate([coo.data, extra.data]), (rows, cols)), shape=wide.shape
    )
    assert stored.nnz == wide.nnz + 5
    model = GDRegressor(optimizer="adam", max_iter=3, tol=None, random_state=0)
    assert facts(model.fit(stored, y), columns) == facts(model.fit(X, y))


def test_no_entry_at_all():
    X, y, _ = problem()
    model = GDRegressor().fit(sp.csr_array(X.shape), y)
    assert not model.coef_.any()
    assert model.intercept_ == pytest.approx(y.mean())


def test_dense_and_sparse_rows_come_in_one_order(monkeypatch):
    """Whether an order needs a copy of X depends on the columns that have entries."""
    monkeypatch.setattr("sklgd._solvers.row_order.COPY_ENTRIES", 8192 * 100)
    n, d, used = 8192, 150, 60
    rng = np.random.default_rng(0)
    X = np.zeros((n, d))
    X[np.arange(n), rng.integers(used, size=n)] = 1.0
    y = np.sort(rng.normal(size=n))
    model = GDRegressor(learning_rate=0.05, max_iter=1, tol=None, random_state=0)
    rows = sp.csr_array(X)
    narrow = clone(model).fit(X[:, :used], y).coef_
    for fitted in (
        clone(model).fit(X, y),
        clone(model).fit(rows, y),
        clone(model).partial_fit(X, y),
        clone(model).partial_fit(rows, y),
    ):
        assert np.allclose(fitted.coef_[:used], narrow, rtol=1e-9, atol=1e-12)


def test_dense_columns_of_zeros_leave_the_learning_rate_alone():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    y = X @ rng.normal(size=6) + rng.normal(size=200)
    wide = np.zeros((200, 16))
    wide[:, ::3] = X
    for optimizer in ("sgd", "adam", "nesterov"):
        params = {"optimizer": optimizer, "penalty": "l1", "alpha": 0.01}
        params |= {"batch_size": 32, "max_iter": 5, "random_state": 0, "tol": None}
        model = GDRegressor(**params).fit(wide, y)
        assert np.allclose(model.coef_[::3], GDRegressor(**params).fit(X, y).coef_)


@pytest.mark.parametrize("start", [None, 4])
@pytest.mark.parametrize("rows", [None, np.array([0, 3, 90, 199])])
@pytest.mark.parametrize("density", [0.02, 0.5])
def test_used_columns(density, rows, start):
    X = sp.random_array((200, 70), density=density, format="csr", rng=2)
    X.data[::7] = 0.0
    some = X.toarray() if rows is None else X.toarray()[rows]
    expected, coef = some.any(axis=0), None
    if start is not None:
        coef = np.zeros((70, 2))
        coef[start, 1] = expected[start] = 1.0
    for data in (X, X.toarray()):
        assert np.array_equal(used_columns(data, rows, coef), expected)


def test_verbose_counts_the_features_of_the_user(caplog):
    X, y, _ = problem()
    wide, _ = spread(X, 1000)
    with caplog.at_level(logging.INFO, logger="sklgd"):
        GDRegressor(verbose=2, learning_rate=Constant(0.01), max_iter=1).fit(wide, y)
    assert "1025 features" in caplog.text
