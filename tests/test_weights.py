"""Rows of weight zero are absent rows, and only the ratios of the weights matter."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils.validation import check_is_fitted

from sklgd import GDClassifier, GDRegressor
from sklgd._classifier import stratified_split

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
N, D = 300, 8
X = RNG.normal(size=(N, D)) * (RNG.random((N, D)) < 0.7)
Z = X @ RNG.normal(size=D) + 0.3 * RNG.normal(size=N)
TARGETS = {
    "squared_error": Z,
    "absolute_error": np.column_stack([Z, -Z]),
    "poisson": np.exp(0.2 * Z),
    "log_loss": np.digitize(Z, [-1.0, 1.0]),
    "hinge": np.where(Z > 0.0, "yes", "no"),
}
WEIGHT = RNG.integers(0, 3, N).astype(float)
STEPS = [
    {},
    {"batch_size": 1},
    {"batch_size": 32},
    {"optimizer": "sgd", "batch_size": 1, "learning_rate": 0.01},
    {"optimizer": "adam", "batch_size": 16, "learning_rate": 0.01},
    {"optimizer": "nesterov", "batch_size": "full"},
    {"optimizer": "lbfgs"},
    {"optimizer": "fista", "penalty": "elasticnet"},
]
step = pytest.mark.parametrize(
    "step", STEPS, ids=lambda s: "-".join(map(str, s.values()))
)
every_loss = pytest.mark.parametrize("loss", TARGETS)
storage = pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])


def model(loss, **params):
    regression = loss in ("squared_error", "absolute_error", "poisson")
    cls = GDRegressor if regression else GDClassifier
    return cls(loss, **{"max_iter": 7, "random_state": 0} | params)


def assert_same_model(a, b):
    assert_array_equal(a.coef_, b.coef_)
    assert_array_equal(a.intercept_, b.intercept_)
    assert (a.n_iter_, a.t_, a.stop_reason_) == (b.n_iter_, b.t_, b.stop_reason_)
    assert a.loss_curve_ == b.loss_curve_


# --------------------------------------------------------------- rows of weight zero


@step
@every_loss
@storage
@pytest.mark.parametrize("early_stopping", [False, True])
def test_rows_of_weight_zero_are_absent_to_the_last_bit(
    loss, step, storage, early_stopping
):
    y, kept = TARGETS[loss], np.flatnonzero(WEIGHT)
    data = storage(X)
    est = model(loss, early_stopping=early_stopping, **step)
    full = est.fit(data, y, WEIGHT)
    few = model(loss, early_stopping=early_stopping, **step)
    few.fit(data[kept], y[kept], WEIGHT[kept])
    assert_same_model(full, few)
    assert full.validation_scores_ == few.validation_scores_


@pytest.mark.parametrize("shuffle", [True, "full", "blocks", "window", False])
@pytest.mark.parametrize("ordered", [False, True])
def test_orders_are_drawn_over_the_rows_with_a_weight(shuffle, ordered):
    rng = np.random.default_rng(1)
    n = 12000
    data = rng.normal(size=(n, 3))
    y = data.sum(axis=1)
    if ordered:
        data, y = data[np.argsort(y)], np.sort(y)
    weight = rng.integers(0, 3, n)
    kept = np.flatnonzero(weight)
    params = {"learning_rate": 0.01, "batch_size": 1, "max_iter": 3, "shuffle": shuffle}
    full = model("squared_error", **params).fit(data, y, weight)
    few = model("squared_error", **params).fit(data[kept], y[kept], weight[kept])
    assert_same_model(full, few)


def test_zero_and_one_select_rows():
    chosen = np.arange(N) % 3 > 0
    weighted = model("squared_error").fit(X, Z, chosen)
    assert_same_model(weighted, model("squared_error").fit(X[chosen], Z[chosen]))


@every_loss
@storage
@pytest.mark.parametrize("step", [STEPS[3], STEPS[4], {"optimizer": "adam"}])
def test_partial_fit_does_not_see_rows_of_weight_zero(loss, step, storage):
    y, data = TARGETS[loss], storage(X)
    full, few = model(loss, **step), model(loss, **step)
    first = {} if isinstance(full, GDRegressor) else {"classes": np.unique(y)}
    for start in range(0, N, 100):
        rows = np.arange(start, start + 100)
        kept = rows[WEIGHT[rows] > 0.0]
        full.partial_fit(data[rows], y[rows], sample_weight=WEIGHT[rows], **first)
        few.partial_fit(data[kept], y[kept], sample_weight=WEIGHT[kept], **first)
        assert_same_model(full, few)


@every_loss
def test_a_chunk_without_weight_changes_nothing(loss):
    y, step = TARGETS[loss], {"optimizer": "adam", "learning_rate": 0.1}
    est, other = model(loss, **step), model(loss, **step)
    first = {} if isinstance(est, GDRegressor) else {"classes": np.unique(y)}
    est.partial_fit(X, y, **first)
    before = vars(est).copy()
    assert est.partial_fit(X, y, sample_weight=np.zeros(N)) is est
    assert vars(est) == before
    other.partial_fit(X, y, **first).partial_fit(X, y)
    assert_same_model(est.partial_fit(X, y), other)


@every_loss
def test_a_stream_may_begin_without_weight(loss):
    y = TARGETS[loss]
    est, other = model(loss), model(loss)
    first = {} if isinstance(est, GDRegressor) else {"classes": np.unique(y)}
    est.partial_fit(X, y, sample_weight=np.zeros(N), **first)
    check_is_fitted(est)
    assert (est.n_iter_, est.t_, est.loss_curve_) == (0, 1, [])
    assert est.n_features_in_ == D
    assert not est.coef_.any() and not est.intercept_.any()
    assert est.predict(X).shape == y.shape
    with pytest.raises(ValueError, match="features"):
        est.partial_fit(X[:, 1:], y)
    # The next call is the first; labels need not be given again.
    assert_same_model(est.partial_fit(X, y), other.partial_fit(X, y, **first))


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_a_fit_needs_a_weight(cls):
    est = cls()
    with pytest.raises(ValueError, match="all weights are zero"):
        est.fit(X, Z > 0.0, np.zeros(N))
    with pytest.raises(NotFittedError):
        check_is_fitted(est)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(20))
def test_bagging_stops_early_on_few_rows(seed):
    X, y = load_iris(return_X_y=True)
    X, y = X[::4], y[::4]
    est = GDClassifier(early_stopping=True, random_state=0)
    bag = BaggingClassifier(est, n_estimators=5, random_state=seed).fit(X, y)
    assert bag.score(X, y) > 0.8
    bag = BaggingRegressor(
        GDRegressor(early_stopping=True, random_state=0), 5, random_state=seed
    )
    assert bag.fit(X, X[:, 0] + X[:, 1]).score(X, X[:, 0] + X[:, 1]) > 0.9


def test_the_only_row_of_a_class_is_learnt_from():
    y = (np.arange(N) < 40).astype(int)
    weight = np.ones(N)
    weight[1:40] = 0.0
    separable = X + 20.0 * y[:, None]
    for seed in range(20):
        est = GDClassifier(early_stopping=True, random_state=seed)
        est.fit(separable, y, weight)
        assert est.predict(separable)[0] == 1


@pytest.mark.parametrize("counts", [(20, 30, 50), (2, 40), (9, 9, 9, 9), (500, 30)])
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_the_split_is_that_of_scikit_learn_where_that_splits(counts, fraction):
    codes = np.random.default_rng(0).permutation(np.repeat(range(len(counts)), counts))
    for seed in range(5):
        split = StratifiedShuffleSplit(test_size=fraction, random_state=seed)
        train, test = next(split.split(codes, codes))
        ours = stratified_split(codes, fraction, seed)
        if len(np.unique(codes[train])) == len(counts):
            assert_array_equal(ours[0], np.sort(train))
            assert_array_equal(ours[1], np.sort(test))
        assert len(np.unique(codes[ours[0]])) == len(counts)


def test_classes_without_weight_are_named():
    y = (Z > 0.0).astype(int)
    with pytest.raises(ValueError, match=r"class_weight=\{0: 0, 1: 1\} leaves no two"):
        GDClassifier(class_weight={0: 0, 1: 1}).fit(X, y)
    with pytest.raises(ValueError, match=r"class_weight=\{0: 0, 1: 1\} leaves no two"):
        GDClassifier(class_weight={0: 0, 1: 1}).partial_fit(X, y, [0, 1])
    with pytest.raises(ValueError, match=r"only one class: .*1.*positive weights"):
        GDClassifier().fit(X, y, y)
    three = np.digitize(Z, [-1.0, 1.0])
    with pytest.raises(ValueError, match=r"only one class: .*2.*positive weights"):
        GDClassifier(class_weight={0: 0}).fit(X, three, three != 1)


def test_a_class_weight_of_zero_takes_the_class_out():
    y = np.digitize(Z, [-1.0, 1.0])
    est = GDClassifier(class_weight={1: 0}, max_iter=5).fit(X, y)
    assert_array_equal(est.classes_, [0, 1, 2])
    assert_same_model(est, GDClassifier(max_iter=5).fit(X, y, y != 1))
    assert 1 not in est.predict(X)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_validation_rows_of_weight_zero_are_absent(loss):
    y, kept = TARGETS[loss], np.flatnonzero(WEIGHT)
    full = model(loss).fit(X, y, X_val=X, y_val=y, sample_weight_val=WEIGHT)
    few = model(loss).fit(
        X, y, X_val=X[kept], y_val=y[kept], sample_weight_val=WEIGHT[kept]
    )
    assert_allclose(full.validation_scores_, few.validation_scores_, rtol=1e-13)


@pytest.mark.one_case
@pytest.mark.parametrize("loss", ["squared_error", "tweedie", "log_loss"])
def test_equal_weights_are_no_weights_to_the_last_bit_of_the_scores(loss, rng):
    regression = loss != "log_loss"
    X = rng.normal(size=(489, 2))
    y = np.exp(X[:, 0]) if regression else X[:, 0] > 0.0
    for seed in range(8):
        model = (GDRegressor if regression else GDClassifier)(
            loss, early_stopping=True, validation_fraction=0.7, random_state=seed
        )
        plain = model.fit(X, y).validation_scores_
        weighted = model.fit(X, y, sample_weight=np.full(489, 3.0)).validation_scores_
        assert weighted == plain


# --------------------------------------------------------------- scale of the weights


@pytest.mark.some_cases
@step
@every_loss
@storage
def test_only_ratios_of_weights_matter(loss, step, storage):
    y, data = TARGETS[loss], storage(X)
    params = step if loss in ("squared_error", "absolute_error", "poisson") else {
        **step, "class_weight": "balanced"
    }  # fmt: skip
    plain = model(loss, **params).fit(data, y, WEIGHT)
    for factor in (2.0**-700, 2.0**900):
        assert_same_model(model(loss, **params).fit(data, y, factor * WEIGHT), plain)
    for factor in (np.pi, 1e-300, 1e300):
        scaled = model(loss, **params).fit(data, y, factor * WEIGHT)
        assert_allclose(scaled.coef_, plain.coef_, rtol=1e-7, atol=1e-9)
        assert_allclose(scaled.intercept_, plain.intercept_, rtol=1e-7, atol=1e-9)


def test_extreme_class_weights_meet_extreme_sample_weights():
    y = (Z > 0.0).astype(int)
    plain = GDClassifier(class_weight={0: 3.0, 1: 2.0}).fit(X, y, WEIGHT)
    for a, b in ((1e300, 1e300), (1e-300, 1e-300), (1e300, 1e-300)):
        est = GDClassifier(class_weight={0: 3.0 * a, 1: 2.0 * a})
        assert_allclose(est.fit(X, y, b * WEIGHT).coef_, plain.coef_, rtol=1e-9)


def test_a_stream_of_extreme_weights():
    """The online learner takes weights about one for numbers of rows."""
    plain, scaled = model("squared_error"), model("squared_error")
    for start in range(0, N, 100):
        rows = slice(start, start + 100)
        plain.partial_fit(X[rows], Z[rows], 2.0**-20 * WEIGHT[rows])
        scaled.partial_fit(X[rows], Z[rows], 2.0**950 * WEIGHT[rows])
    assert_same_model(plain, scaled)


def test_the_loss_curve_of_a_stream_is_that_of_mean_losses():
    """Weights of 3 count as much as weights of 1: the objective is a weighted mean."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    model = GDRegressor(optimizer="sgd", learning_rate=1e-12, alpha=0.0)
    for weight in (1.0, 3.0, 0.1):
        model.partial_fit(X, y, np.full(50, weight))
    np.testing.assert_allclose(model.loss_curve_, 0.5 * np.mean(y**2), rtol=1e-9)
