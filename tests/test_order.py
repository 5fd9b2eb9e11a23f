"""The order of rows: every row once, the same steps with and without a copy of X."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklgd import GDClassifier, GDRegressor
from sklgd._solvers import row_order as order_module
from sklgd._solvers.row_order import (
    BLOCK,
    FEW_ROWS,
    PARTS,
    BlockOrder,
    WindowOrder,
    kind_of_order,
)
from sklgd.kernels._order import Blocks, shuffled
from sklgd.optimizers import OPTIMIZERS

N = FEW_ROWS + 1301
STEP = {"optimizer": "sgd", "batch_size": 1, "learning_rate": 1e-3, "tol": None}


def problem(storage, n_samples=N, n_features=6, mixed=False):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_features))
    if not mixed:
        X[:, 0].sort()
    X *= rng.random(X.shape) < 0.7
    y = X @ rng.normal(size=n_features) + rng.normal(size=n_samples)
    if storage.startswith("csr"):
        X = sp.csr_matrix(X)
        if storage == "csr, long indices":
            X.indices, X.indptr = X.indices.astype("int64"), X.indptr.astype("int64")
        return X, y
    return X.astype(storage), y


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 127, 128, 129, 256, 257, 258, 5000])
@pytest.mark.parametrize("bits", [np.random.MT19937, np.random.PCG64])
def test_shuffled_is_the_permutation_of_numpy(size, bits):
    ours, numpys = (np.random.RandomState(bits(7)) for _ in range(2))
    rows = np.arange(3, 3 + 2 * size, 2)
    for numbers in (size, rows, rows[::-1], rows.astype(np.int32)):
        expected = numpys.permutation(numbers)
        order = shuffled(ours, numbers)
        assert order.dtype == np.intp and np.array_equal(order, expected)
    assert np.array_equal(rows, np.arange(3, 3 + 2 * size, 2))
    assert ours.random_sample() == numpys.random_sample()


@pytest.mark.parametrize("n_samples", [1, 31, 32, 100, 1000])
@pytest.mark.parametrize("part", [1, 7, 64, 1000])
@pytest.mark.parametrize("window", [1, 5, 96])
def test_blocks_visit_each_row_once(n_samples, part, window):
    rng = np.random.default_rng(0)
    first = 8 * rng.permutation(-(-n_samples // 8))
    blocks = Blocks(first, 8, n_samples, window, 3)
    visits, fetches = [], []
    for start in range(0, n_samples, part):
        visit, fetch = blocks.take(min(part, n_samples - start))
        visits.append(visit)
        fetches.append(fetch)
    visits, fetches = np.concatenate(visits), np.concatenate(fetches)
    expected = [np.arange(a, min(a + 8, n_samples)) for a in first]
    assert np.array_equal(fetches, np.concatenate(expected))
    for start in range(0, n_samples, window):
        some = slice(start, start + window)
        assert np.array_equal(np.sort(visits[some]), np.sort(fetches[some]))
    assert (window == 1) == np.array_equal(visits, fetches) or n_samples == 1
    with pytest.raises(ValueError, match="rows left"):
        blocks.take(1)


def test_windows_hold_a_block_of_each_part():
    n_samples = 10_007
    order = WindowOrder(np.random.RandomState(0), n_samples, 10, None)
    visit, fetch = order.take(n_samples)
    assert np.array_equal(np.sort(visit), np.arange(n_samples))
    length = order.ahead // PARTS
    for window in fetch[: 20 * order.ahead].reshape(-1, order.ahead):
        parts = window[::length] * PARTS // n_samples
        # The edges of the parts are those of blocks.
        assert np.abs(parts - np.arange(PARTS)).max() <= 1
    assert np.mean(visit == fetch) < 0.05


def test_block_order_follows_the_permutation():
    permutation = np.random.RandomState(1).permutation(100)
    visit, _ = BlockOrder(np.random.RandomState(0), 100, permutation).take(100)
    places = np.argsort(permutation)[visit]
    starts = places[np.flatnonzero(places % BLOCK == 0)]
    assert sorted(starts) == [0, 32, 64, 96]
    steps = np.diff(places)
    assert (steps == 1).sum() >= 96


@pytest.mark.parametrize(
    ("shuffle", "n_samples", "n_features", "batch_size", "mixed", "ordered"),
    [
        (False, 10**6, 10, 1, None, None),
        (True, FEW_ROWS - 1, 10, 1, "full", "full"),
        (True, FEW_ROWS, 10, 1, "blocks", "permuted"),
        (True, 10**6, 10, 32, "blocks", "full"),
        (True, 10**6, 100, 1, "blocks", "window"),
        (True, 10**6, 100, 32, "blocks", "window"),
        (True, 10**6, 50_000, 1, "blocks", "permuted"),
        ("window", 10, 10, 1, "window", "window"),
        ("blocks", 10, 10, 1, "blocks", "blocks"),
        ("full", 10**6, 10, 1, "full", "full"),
    ],
)
def test_kind_of_order(shuffle, n_samples, n_features, batch_size, mixed, ordered):
    shape = n_samples, lambda: n_features, batch_size
    assert kind_of_order(shuffle, *shape, lambda: True) == mixed
    assert kind_of_order(shuffle, *shape, lambda: False) == ordered


@pytest.mark.parametrize("storage", ["float64", "float32", "csr", "csr, long indices"])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("case", ["regression", "weights", "classes", "held out"])
def test_copy_changes_nothing(monkeypatch, storage, penalty, case):
    X, y = problem(storage)
    cls, fit_params, params = GDRegressor, {}, {}
    if case == "weights":
        fit_params = {"sample_weight": np.random.default_rng(1).random(N)}
    elif case == "classes":
        cls, params = GDClassifier, {"loss": "hinge"}
        y = np.digitize(y, [-1.0, 1.0])
    elif case == "held out":
        params = {"early_stopping": True}
    model = cls(**STEP, **params, penalty=penalty, max_iter=5, random_state=0)
    copies = []
    monkeypatch.setattr(
        order_module.WorkingCopy,
        "problem",
        lambda self, make=order_module.WorkingCopy.problem: (
            copies.append(1) or make(self)
        ),
    )
    coef = model.fit(X, y, **fit_params).coef_.copy()
    curve = model.loss_curve_
    assert len(copies) == 1
    monkeypatch.setattr("sklgd._solvers.rules.COPY_BYTES", 0)
    model.fit(X, y, **fit_params)
    assert len(copies) == 1
    assert np.array_equal(model.coef_, coef)
    assert model.loss_curve_ == curve


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("shuffle", [True, "full", "blocks", "window"])
def test_validation_rows_are_not_visited(shuffle):
    """The targets of the same rows do not matter as without shuffling."""
    X, y = problem("float64", 12_000, mixed=True)
    rows = np.random.default_rng(1).integers(len(y), size=40)

    def without_effect(shuffle):
        model = GDRegressor(
            **{**STEP, "tol": 1e-3}, shuffle=shuffle, max_iter=2, random_state=0,
            early_stopping=True, validation_fraction=0.25,
        )  # fmt: skip
        coef, found = model.fit(X, y).coef_, []
        for row in rows:
            other = y.copy()
            other[row] += 1.0
            if np.array_equal(model.fit(X, other).coef_, coef):
                found.append(row)
        return found

    expected = without_effect(False)
    assert 3 <= len(expected) <= 17
    assert without_effect(shuffle) == expected


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("shuffle", [True, "full", "blocks", "window"])
@pytest.mark.parametrize("storage", ["float64", "csr"])
def test_fit_is_partial_fit(shuffle, storage, mixed):
    X, y = problem(storage, mixed=mixed)
    params = {**STEP, "shuffle": shuffle, "random_state": 0}
    whole = GDRegressor(**params, max_iter=5).fit(X, y)
    parts = GDRegressor(**params)
    for epoch in range(5):
        parts.partial_fit(X, y)
        if epoch == 2:
            parts = pickle.loads(pickle.dumps(parts))
    assert np.array_equal(whole.coef_, parts.coef_)
    np.testing.assert_allclose(whole.loss_curve_, parts.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("shuffle", [True, "full", "blocks", "window"])
def test_storage_does_not_matter(shuffle, mixed):
    X, y = problem("float64", mixed=mixed)
    params = {**STEP, "shuffle": shuffle, "random_state": 0, "max_iter": 4}
    dense = GDRegressor(**params).fit(X, y)
    sparse = GDRegressor(**params).fit(sp.csr_matrix(X), y)
    np.testing.assert_allclose(sparse.coef_, dense.coef_, rtol=1e-11)


@pytest.mark.exhaustive
@pytest.mark.parametrize("shuffle", [True, "window"])
def test_converges_like_a_full_shuffle_on_sorted_rows(shuffle):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 8)) + 1.0
    y = np.where(X @ rng.normal(size=8) + rng.logistic(size=20_000) > 0.0, 1, -1)
    rows = np.argsort(y, kind="stable")
    X, y = X[rows], y[rows]
    best = GDClassifier(tol=1e-10).fit(X, y).loss_curve_[-1]

    def gap(shuffle):
        gaps = [
            GDClassifier(
                **{**STEP, "learning_rate": 0.02}, shuffle=shuffle, max_iter=4,
                random_state=seed,
            ).fit(X, y).loss_curve_[-1] - best
            for seed in range(5)
        ]  # fmt: skip
        return np.median(gaps)

    full = gap("full")
    assert gap(shuffle) < 1.5 * full
    # Blocks of rows as they are given would not do.
    assert gap("blocks") > 2.0 * full
    # Without shuffling the last rows, all of one class, decide.
    assert gap(False) > 20.0 * full


@pytest.mark.some_cases
@pytest.mark.parametrize("storage", ["float64", "csr"])
@pytest.mark.parametrize(
    "optimizer",
    sorted(
        name
        for name, cls in OPTIMIZERS.items()
        if cls.shuffles and not cls.learns_online
    ),
)
def test_every_order_is_honoured_by_every_optimizer(optimizer, storage):
    """No two values of ``shuffle`` visit the rows in the same order."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((700, 3))
    y = X @ [1.0, -2.0, 0.5] + rng.standard_normal(700)
    X = sp.csr_array(X) if storage == "csr" else X
    batch_size = 5 if optimizer == "svrg" else 1
    found = set()
    for shuffle in (False, "full", "blocks", "window"):
        model = GDRegressor(
            optimizer=optimizer, batch_size=batch_size, learning_rate=1e-3,
            shuffle=shuffle, max_iter=1, tol=None, random_state=0,
        ).fit(X, y)  # fmt: skip
        again = clone(model).fit(X, y)
        assert np.array_equal(again.coef_, model.coef_)
        found.add(tuple(model.coef_))
    assert len(found) == 4


@pytest.mark.parametrize("optimizer", ["saga", "point_saga", "svrg"])
@pytest.mark.parametrize("shuffle", [True, "full", "blocks", "window"])
def test_variance_reduced_methods_converge_in_every_order(optimizer, shuffle):
    X, y = problem("float64", 2000, mixed=True)
    model = GDRegressor(
        optimizer=optimizer, batch_size=32 if optimizer == "svrg" else 1,
        shuffle=shuffle, max_iter=30, tol=1e-7, random_state=0,
    )  # fmt: skip
    exact = GDRegressor(tol=1e-12).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    assert np.allclose(model.coef_, exact.coef_, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shuffle", ["permuted", 2, None])
def test_bad_shuffle(shuffle):
    X, y = problem("float64", 50)
    with pytest.raises(ValueError, match="shuffle must be True, False, 'full'"):
        GDRegressor(shuffle=shuffle).fit(X, y)


@pytest.mark.parametrize("storage", ["float64", "float32", "csr"])
@pytest.mark.parametrize(
    "estimator", ["regressor", "two classes", "classes", "average"]
)
def test_objectives_found_together(storage, estimator):
    """F after each epoch is that of a shorter run, whoever waits for it."""
    X, y = problem(storage, 500)
    model = GDRegressor(**STEP, random_state=0, max_iter=11)
    if estimator == "two classes":
        model, y = GDClassifier(**STEP, random_state=0, max_iter=11), y > 0.0
    elif estimator == "classes":
        model = GDClassifier(**STEP, random_state=0, max_iter=11)
        y = np.digitize(y, [-1.0, 1.0])
    elif estimator == "average":
        model.set_params(average=700)
    curve = model.fit(X, y).loss_curve_
    assert len(curve) == 11
    for epoch in (1, 4, 8, 9):
        shorter = model.set_params(max_iter=epoch).fit(X, y).loss_curve_
        np.testing.assert_allclose(shorter, curve[:epoch], rtol=1e-12)
    model.set_params(max_iter=11, verbose=1).fit(X, y)
    np.testing.assert_allclose(model.loss_curve_, curve, rtol=1e-12)


@pytest.mark.parametrize("n_iter_no_change", [1, 3, 20])
@pytest.mark.parametrize("learning_rate", ["constant", "adaptive"])
def test_stops_where_it_would(n_iter_no_change, learning_rate):
    X, y = problem("float64", 300)
    model = GDRegressor(
        **{**STEP, "learning_rate": learning_rate, "tol": 1e-3}, eta0=0.05,
        n_iter_no_change=n_iter_no_change, max_iter=200, random_state=0,
    )  # fmt: skip
    together = model.fit(X, y)
    coef, curve, t = together.coef_, together.loss_curve_, together.t_
    one_by_one = model.set_params(verbose=1).fit(X, y)
    assert np.array_equal(coef, one_by_one.coef_)
    np.testing.assert_allclose(curve, one_by_one.loss_curve_, rtol=1e-12)
    assert t == one_by_one.t_ == 1 + 300 * len(curve)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_divergence_is_found_where_it_was():
    X, y = problem("float64", 300)
    model = GDRegressor(**{**STEP, "learning_rate": 3.0}, max_iter=30, random_state=0)
    together = model.fit(X, y)
    n_iter, coef, t = together.n_iter_, together.coef_, together.t_
    one_by_one = model.set_params(verbose=1).fit(X, y)
    assert together.stop_reason_ == "diverged"
    assert (n_iter, t) == (one_by_one.n_iter_, one_by_one.t_)
    assert np.array_equal(coef, one_by_one.coef_)


@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_scale_runs_out(penalty, shuffle):
    """Steps that halve the coefficients: their common scale is taken up many times."""
    X, y = problem("float64", 400)
    model = GDRegressor(
        **{**STEP, "learning_rate": 0.1}, penalty=penalty, alpha=5.0, l1_ratio=0.01,
        shuffle=shuffle, max_iter=3, random_state=0,
    )  # fmt: skip
    dense = model.fit(X, y).coef_.copy()
    assert np.count_nonzero(dense) >= 3
    sparse = model.fit(sp.csr_matrix(X), y).coef_
    np.testing.assert_allclose(sparse, dense, rtol=1e-10, atol=1e-13)
