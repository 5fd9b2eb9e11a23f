"""The online learner: its rule against its twin, and what it promises."""

import copy
import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import normalize

from sklgd import GDClassifier, GDRegressor
from sklgd.kernels._online import OnlineLearner
from sklgd.kernels._rows import Rows
from sklgd.losses import LOSSES
from sklgd.optimizers import Online

PENALTIES = {
    "none": (0.0, 0.0),
    "l2": (0.0, 3e-3),
    "l1": (2e-3, 0.0),
    "elasticnet": (2e-3, 3e-3),
}


def one_of_each_kind(losses):
    """Losses, of which the fast tier takes one of each kind that the rule knows."""
    kinds = ["squared_error", "log_loss", "hinge", "quantile", "poisson", "huber"]
    slow = pytest.mark.exhaustive
    return [n if n in kinds else pytest.param(n, marks=slow) for n in losses]


def make_learner(
    loss, X, n_outputs=1, *, centred=True, l1=0.0, l2=0.0, params=None,
    second_order=False,
):  # fmt: skip
    loss = LOSSES[loss](**(params or {}))
    return OnlineLearner(
        loss, X.shape[1], n_outputs, fit_intercept=True, centred=centred,
        classifies=loss.task == "classification",
        reach=2.0 if loss.link == "log" else 8.0, power=2 / 3, average=2.0, l1=l1,
        l2=l2, second_order=second_order,
    )  # fmt: skip


def make_stream(loss, n=56, seed=0):
    """Rows with columns in several units, one of them rare, and targets."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)) * [1.0, 100.0, 1e-3, 1.0, 1.0]
    X[:, 3] *= rng.random(n) < 0.2
    X[:, 4] = rng.integers(0, 3, n)
    X[50, 0] = 500.0
    z = X @ [1.0, 0.01, 500.0, 2.0, -0.5] + rng.normal(size=n)
    if LOSSES[loss].task == "classification":
        return X, np.where(z > 0.0, 1.0, -1.0)
    if LOSSES[loss].link == "log":
        y = rng.poisson(np.exp(np.clip(0.5 * z, -2.0, 2.0))).astype(float)
        return X, y + (loss == "gamma")
    return X, 3.0 * z + 10.0


@pytest.mark.parametrize(
    ("centred", "penalty"),
    [(True, "none"), (True, "l1"), (False, "l2"), (False, "elasticnet")],
    ids=["centred", "centred, l1", "raw, l2", "raw, elasticnet"],
)
@pytest.mark.parametrize("loss", one_of_each_kind(LOSSES))
def test_the_rule_is_that_of_the_twin(loss, centred, penalty):
    X, y = make_stream(loss)
    X[4, 0] = 1e4  # before the size of the column is known
    if not centred:
        X[0, 1] = 1e7
    weights = np.random.default_rng(1).choice([0.0, 0.5, 1.0, 3.0], len(y))
    weights[0] = 1.0
    if LOSSES[loss].link == "log":
        y[0], y[5] = 1e4, 1e6
    l1, l2 = PENALTIES[penalty]
    twin = reference.Online(loss, X.shape[1], centred=centred, l1=l1, l2=l2)
    for row in zip(X, y, weights, strict=True):
        twin.learn(*row)
    learner = make_learner(loss, X, centred=centred, l1=l1, l2=l2)
    assert learner.learn(Rows(X), y, weights, np.arange(len(y)))
    expected = twin.coefficients()
    scale = np.append(np.abs(X).mean(axis=0), 1.0)[:, None]
    assert_allclose(
        learner.coefficients() * scale, expected * scale, rtol=1e-6, atol=1e-7
    )
    for slot, total in ((11, twin.total), (12, twin.constant_total)):
        assert_allclose(learner.output_table[slot].sum(), total, rtol=1e-6, atol=1e-20)


@pytest.mark.one_case
@pytest.mark.parametrize(
    "loss", ["log_loss", "squared_error", "huber", "absolute_error"]
)
def test_first_rows_with_outliers_are_learnt_anew_as_by_the_twin(loss):
    X, y = make_stream(loss)
    X[3, 4] = 1e5
    if LOSSES[loss].linear_tails:
        y[1] = 1e5
    twin = reference.Online(loss, X.shape[1])
    for row in zip(X, y, strict=True):
        twin.learn(*row)
    learner = make_learner(loss, X)
    assert learner.learn(Rows(X), y, None, np.arange(len(y)))
    scale = np.append(np.abs(X).mean(axis=0), 1.0)[:, None]
    assert_allclose(
        learner.coefficients() * scale,
        twin.coefficients() * scale,
        rtol=1e-6,
        atol=1e-6,
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize("l2", [0.0, 3e-3])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_the_second_order_rule_is_that_of_the_twin(loss, l2):
    X, y = make_stream(loss, 90)
    X = X / [1.0, 100.0, 1e-3, 1.0, 1.0]  # the twin inverts a matrix
    X, y = np.delete(X, 50, axis=0), np.delete(y, 50)  # an outlier
    X[4, 0] = 1e2
    weights = np.random.default_rng(1).choice([0.0, 0.5, 1.0, 3.0], len(y))
    twin = reference.Online(loss, X.shape[1], l2=l2, second_order=True)
    for row in zip(X, y, weights, strict=True):
        twin.learn(*row)
    learner = make_learner(loss, X, l2=l2, second_order=True)
    assert learner.learn(Rows(X), y, weights, np.arange(len(y)))
    assert_allclose(learner.full.coefficients, twin.full.W, rtol=1e-5, atol=1e-6)
    assert_allclose(learner.coefficients(), twin.coefficients(), rtol=1e-5, atol=1e-6)
    assert_allclose(learner.output_table[11].sum(), twin.total, rtol=1e-6)


@pytest.mark.exhaustive
@pytest.mark.parametrize("centred", [True, False])
def test_the_rule_of_several_classes_is_that_of_the_twin(centred):
    X, y = make_stream("squared_error")
    codes = np.digitize(y, np.quantile(y, [0.3, 0.6])).astype(float)
    twin = reference.Online("log_loss", X.shape[1], 3, centred=centred)
    for row in zip(X, codes.astype(int), strict=True):
        twin.learn(*row)
    learner = make_learner("log_loss", X, 3, centred=centred)
    assert learner.learn(Rows(X), codes, None, np.arange(len(codes)))
    scale = np.append(np.abs(X).mean(axis=0), 1.0)[:, None]
    # (The proximal step is found to a millionth.)
    assert_allclose(
        learner.coefficients() * scale,
        twin.coefficients() * scale,
        rtol=1e-3,
        atol=1e-4,
    )


# ------------------------------------------------------------------------ promises


def chunks(n, size):
    return [slice(start, start + size) for start in range(0, n, size)]


def learn(model, X, y, size=25, sample_weight=None):
    """One pass, in chunks of this size; no chunk is shuffled."""
    model.set_params(shuffle=False)
    for rows in chunks(X.shape[0], size):
        weight = None if sample_weight is None else sample_weight[rows]
        arguments = {} if isinstance(model, GDRegressor) else {"classes": np.unique(y)}
        model.partial_fit(X[rows], y[rows], sample_weight=weight, **arguments)
    return model


CASES = {
    "regression": lambda: GDRegressor(),
    "classification": lambda: GDClassifier(),
    "hinge, l1": lambda: GDClassifier("hinge", penalty="l1", alpha=1e-3),
    "absolute error, l2": lambda: GDRegressor("absolute_error", alpha=1e-3),
    "counts": lambda: GDRegressor("poisson"),
}


def case_of(name, n=200):
    """Model, rows and targets; three classes for the log loss."""
    model = CASES[name]()
    X, z = make_stream("squared_error", n)
    if isinstance(model, GDRegressor):
        return model, X, z if model.loss != "poisson" else np.abs(z).round()
    return model, X, np.digitize(z, np.quantile(z, [0.3, 0.7])[: 1 + (name[0] == "c")])


@pytest.mark.one_case
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("name", CASES)
def test_the_size_of_the_chunks_changes_no_bit(name, storage):
    coefs = []
    for size in (1, 7, 64, 200):
        model, X, y = case_of(name)
        learn(model, storage(X), y, size)
        coefs.append(np.append(model.coef_, model.intercept_))
    for coef in coefs[1:]:
        assert_array_equal(coef, coefs[0])


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("name", CASES)
def test_a_stream_goes_on_after_pickling_to_the_last_bit(name, storage):
    model, X, y = case_of(name)
    model, X = model.set_params(random_state=0), storage(X)
    arguments = {} if isinstance(model, GDRegressor) else {"classes": np.unique(y)}
    model.partial_fit(X[:90], y[:90], **arguments)
    twin = pickle.loads(pickle.dumps(model))
    assert_array_equal(twin.coef_, model.coef_)
    for one in (model, twin):
        one.partial_fit(X[90:], y[90:])
    assert_array_equal(twin.coef_, model.coef_)
    assert twin.loss_curve_ == model.loss_curve_
    assert twin.progressive_score_ == model.progressive_score_


@pytest.mark.parametrize("name", ["regression", "classification", "hinge, l1"])
def test_the_units_of_columns_do_not_matter(name):
    model, X, y = case_of(name)
    if model.penalty == "l1":
        model.set_params(alpha="auto")
    # Powers of two round nothing.
    units = 2.0 ** np.array([-40, 13, 0, 25, -3])
    raw, scaled = learn(model, X, y), learn(clone(model), X * units, y)
    assert_array_equal(scaled.coef_ * units, raw.coef_)


def test_the_units_of_y_do_not_matter():
    for loss in ("squared_error", "absolute_error", "squared_epsilon_insensitive"):
        X, y = make_stream("squared_error")
        raw = learn(GDRegressor(loss, epsilon=0.5), X, y)
        scaled = learn(GDRegressor(loss, epsilon=0.5 * 2.0**30), X, 2.0**30 * y)
        assert_allclose(scaled.coef_, 2.0**30 * raw.coef_, rtol=1e-9)


@pytest.mark.parametrize("name", ["regression", "classification"])
def test_the_order_of_the_features_does_not_matter(name):
    model, X, y = case_of(name)
    order = np.array([3, 0, 4, 2, 1])
    a, b = learn(model, X, y), learn(CASES[name](), X[:, order], y)
    assert_allclose(b.coef_, a.coef_[..., order], rtol=1e-9)


def test_the_order_of_the_classes_does_not_matter():
    _, X, y = case_of("classification")
    order = np.array([2, 0, 1])
    a, b = learn(GDClassifier(), X, y), learn(GDClassifier(), X, order[y])
    assert_allclose(b.coef_[order], a.coef_, rtol=1e-9)
    a, b = learn(GDClassifier(), X, y > 0), learn(GDClassifier(), X, y == 0)
    assert_array_equal(b.coef_, -a.coef_)


@pytest.mark.parametrize("name", CASES)
def test_dense_and_sparse_rows_are_the_same_where_nothing_is_centred(name):
    model, X, y = case_of(name)
    dense = learn(model.set_params(fit_intercept=False), X, y)
    sparse = CASES[name]().set_params(fit_intercept=False)
    assert_array_equal(learn(sparse, sp.csr_array(X), y).coef_, dense.coef_)


@pytest.mark.parametrize("name", CASES)
def test_a_row_of_integer_weight_is_so_many_rows(name):
    model, X, y = case_of(name)
    weight = np.random.default_rng(0).integers(0, 4, len(y)).astype(float)
    weight[:3] = 1.0, 2.0, 0.0
    weighted = learn(model, X, y, sample_weight=weight)
    count = weight.astype(int)
    repeated = learn(CASES[name](), np.repeat(X, count, axis=0), np.repeat(y, count))
    assert_array_equal(weighted.coef_, repeated.coef_)
    assert weighted.t_ == 1 + np.count_nonzero(weight)


def test_several_targets_are_learnt_as_if_each_were_alone():
    X, y = make_stream("squared_error")
    targets = np.column_stack([y, 1e6 * y**2, -y])
    together = learn(GDRegressor(), X, targets)
    for k, target in enumerate(targets.T):
        alone = learn(GDRegressor(), X, target)
        assert_array_equal(together.coef_[k], alone.coef_)


def test_predictions_of_sparse_rows_need_no_coefficients(rng):
    X = sp.random(200, 5000, 0.002, random_state=0, format="csr")
    model = learn(GDRegressor(), X, np.asarray(X.sum(axis=1)).ravel())
    z = model.predict(X)
    assert_allclose(z, X @ model.coef_ + model.intercept_, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("estimator", [GDRegressor, GDClassifier])
def test_an_error_undoes_a_call(estimator):
    X, z = make_stream("squared_error")
    y = z if estimator is GDRegressor else (z > z.mean()).astype(int)
    model, twin = learn(estimator(), X, y), learn(estimator(), X, y)
    bad = X[:20].copy()
    bad[10, 2] = 1e200
    with pytest.raises(ValueError, match="column 2 are so large"):
        model.partial_fit(bad, y[:20])
    for one in (model, twin):
        one.partial_fit(X[:20], y[:20])
    assert_array_equal(model.coef_, twin.coef_)
    assert model.loss_curve_ == twin.loss_curve_


def test_a_call_that_fails_leaves_the_order_of_later_rows_as_it_was():
    X, y = make_stream("squared_error")
    models = [GDRegressor(random_state=0).partial_fit(X[:20], y[:20]) for _ in "ab"]
    bad = X[:20].copy()
    bad[10, 2] = 1e200
    with pytest.raises(ValueError, match="column 2 are so large"):
        models[0].partial_fit(bad, y[:20])
    for model in models:
        model.partial_fit(X, y)
    assert_array_equal(models[0].coef_, models[1].coef_)


def test_the_progressive_loss_is_that_of_rows_before_they_are_learnt():
    X, y = make_stream("squared_error")
    X, y = np.delete(X, 50, axis=0), np.delete(y, 50)
    model, errors = GDRegressor(), []
    for i in range(len(y)):
        if i:
            errors.append(y[i] - model.predict(X[i : i + 1])[0])
        model.partial_fit(X[i : i + 1], y[i : i + 1])
    # (The means and sizes of the columns are brought up to date before the prediction.)
    assert model.progressive_loss_ == pytest.approx(
        0.5 * np.mean(np.square(errors)), rel=0.3
    )
    r2 = 1.0 - 2.0 * model.progressive_loss_ / np.var(y[1:])
    assert model.progressive_score_ == pytest.approx(r2)


# ------------------------------------------------------------------------ robustness


def test_sparse_regression_in_small_chunks_learns():
    rng = np.random.default_rng(0)
    X = sp.random(1000, 2000, 0.02, random_state=0, format="csr")
    y = X @ rng.normal(size=2000)
    model = GDRegressor(random_state=0)
    for rows in chunks(1000, 50):
        model.partial_fit(X[rows], y[rows])
    assert model.score(X, y) > 0.85


def make_text(n, n_classes):
    """CSR rows of thirty words of a vocabulary in which few are frequent."""
    rng = np.random.default_rng(0)
    columns = (5000 * rng.random((n, 30)) ** 3).astype(np.int32)
    X = sp.csr_array(
        (
            np.ones(30 * n),
            columns.ravel(),
            np.arange(0, 30 * n + 1, 30, dtype=np.int32),
        ),
        shape=(n, 5000),
    )
    X.sum_duplicates()
    X = normalize(X)
    z = X @ (3.0 * rng.normal(size=(5000, n_classes)))
    return X, np.argmax(z + 0.3 * rng.normal(size=z.shape), axis=1)


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_classes", [2, 5])
def test_text_in_small_chunks_is_learnt_as_well_as_by_sgd(n_classes):
    X, y = make_text(3000, n_classes)
    scores = []
    for model in (
        GDClassifier(random_state=0),
        SGDClassifier("log_loss", random_state=0),
    ):
        for rows in chunks(2400, 32):
            model.partial_fit(X[rows], y[rows], classes=np.arange(n_classes))
        scores.append(model.score(X[2400:], y[2400:]))
    assert scores[0] > scores[1] - 0.02


@pytest.mark.parametrize(
    "n_classes", [2, pytest.param(10, marks=pytest.mark.exhaustive)]
)
def test_a_call_and_a_prediction_take_memory_of_their_rows_alone(n_classes, rng):
    columns = rng.integers(0, 2**18, (64, 50)).astype(np.int32)
    starts = np.arange(0, columns.size + 1, 50, dtype=np.int32)
    X = sp.csr_array((rng.random(columns.size), columns.ravel(), starts), (64, 2**18))
    X.sum_duplicates()
    y = np.arange(64) % n_classes
    model = GDClassifier().partial_fit(X[:32], y[:32], np.arange(n_classes))
    new, labels = X[32:], y[32:]
    model.partial_fit(new, labels)
    tracemalloc.start()
    try:
        model.partial_fit(new, labels)
        model.predict(new), model.predict_proba(new), model.score(new, labels)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_the_first_rows_of_a_stream_do_not_extrapolate(rng):
    """Two rows show both columns about as large as their own difference."""
    X = np.column_stack([1.0 + 1e-6 * rng.normal(size=30), rng.normal(size=30)])
    y = X[:, 1] + 5.0
    X[2:, 0] += rng.normal(size=28)
    model = GDRegressor()
    for i in range(29):
        model.partial_fit(X[i : i + 1], y[i : i + 1])
        assert abs(model.predict(X[i + 1 : i + 2]) - 5.0) < 100.0
    given = GDRegressor().partial_fit(X[:1], y[:1])
    given.coef_ = np.array([0.0, 1.0])
    assert given.partial_fit(X[1:2], y[1:2]).coef_.all()


def test_a_target_that_jumps_is_followed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6400, 5))
    y = X @ np.arange(5.0) + 0.1 * rng.normal(size=6400)
    y[5600:] += 100.0
    model = learn(GDRegressor(), X, y, 8)
    assert model.score(X[5600:], y[5600:]) > 0.99


def test_sorted_rows_in_one_call_are_mixed(rng):
    X = rng.normal(size=(2000, 5))
    y = np.sort(X @ np.arange(5.0))
    X = X[np.argsort(X @ np.arange(5.0))]
    assert GDRegressor(random_state=0).partial_fit(X, y).score(X, y) > 0.9
    model = GDClassifier(random_state=0).partial_fit(X, y > 0.0, classes=[0, 1])
    assert model.score(X, y > 0.0) > 0.9


@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
def test_rare_fill_values_in_y_are_no_worse_than_with_a_constant(loss, rng):
    X = rng.normal(size=(3000, 5))
    y = X @ np.arange(5.0) + rng.normal(size=3000)
    dirty = np.where(rng.random(3000) < 1e-3, -9999.0, y)
    model = learn(GDRegressor(loss), X, dirty)
    learner = model._state.learner
    assert learner.progress()[0] < 1.01 * learner.constant_loss()
    assert loss == "squared_error" or model.score(X, y) > 0.9


def test_a_first_chunk_of_one_row_and_of_one_class_does_no_harm(rng):
    X = rng.normal(size=(600, 4)) * [1.0, 1e3, 1e-3, 1.0]
    y = (X[:, 0] + 1e-3 * X[:, 1] > 0.0).astype(int)
    first = np.flatnonzero(y == 1)[:30]
    for beginning in (slice(0, 1), first, slice(0, 8)):
        model = GDClassifier(random_state=0)
        model.partial_fit(X[beginning], y[beginning], classes=[0, 1])
        for rows in chunks(600, 32):
            model.partial_fit(X[rows], y[rows])
        assert model.score(X, y) > 0.95


@pytest.mark.parametrize("n_labels", [3, 77])
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_labels_that_never_come_do_no_harm(loss, n_labels, rng):
    X = rng.normal(size=(2000, 4))
    y = (X @ [2.0, -1.0, 0.5, 0.0] + rng.normal(size=2000) > 0.0).astype(int)
    plain = GDClassifier(loss, random_state=0).partial_fit(X, y, classes=[0, 1])
    model = GDClassifier(loss, random_state=0)
    model.partial_fit(X, y, classes=np.arange(n_labels))
    assert model.score(X, y) > plain.score(X, y) - 0.01
    assert set(model.predict(X)) <= {0, 1}
    if loss == "log_loss":
        assert model.predict_proba(X)[:, 2:].max() < 0.01
        assert model.progressive_loss_ < 1.1 * plain.progressive_loss_


def test_rare_outliers_in_the_columns_are_left_out(rng):
    X = rng.normal(size=(3000, 5)) + 2.0
    y = X @ np.arange(5.0) + rng.normal(size=3000)
    dirty = np.where(rng.random(X.shape) < 1e-3, 1000.0 * X, X)
    assert learn(GDRegressor(), dirty, y).score(X, y) > 0.9


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": Online(second_order=False)},
        {"loss": "absolute_error"},
        {"loss": "poisson"},
        {"penalty": "l1", "alpha": 1e-4},
    ],
    ids=str,
)
@pytest.mark.parametrize("row", [0, 1, 7, 25])
def test_an_outlier_among_the_first_rows_does_not_hide_its_column(settings, row, rng):
    X = rng.normal(size=(300, 4)) * [1.0, 5.0, 1.0, 1.0]
    y = X @ [0.3, 0.1, -0.2, 0.1] + 0.1 * rng.normal(size=300)
    y = np.exp(y) if settings.get("loss") == "poisson" else y
    clean, broken = X.copy(), X.copy()
    clean[row, 1], broken[row, 1] = 0.0, 1e6
    model = GDRegressor(shuffle=False, **settings)
    one = learn(clone(model), clean[:100], y[:100])
    # A call that fails leaves the first rows as they were.
    other = learn(clone(model), broken[:35], y[:35])
    bad = X[35:60].copy()
    bad[-1, 0] = 1e200
    with pytest.raises(ValueError, match="column 0"):
        other.partial_fit(bad, y[35:60])
    other = learn(pickle.loads(pickle.dumps(other)), broken[35:100], y[35:100])
    assert_allclose(other.coef_, one.coef_, atol=0.03)
    assert_allclose(other.intercept_, one.intercept_, atol=0.05)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": "absolute_error"},
        {"loss": "poisson"},
        {"penalty": "l1", "alpha": 1e-4},
        {"penalty": "l2", "alpha": 1e-4},
    ],
    ids=str,
)
@pytest.mark.parametrize("row", [0, 1, 7])
@pytest.mark.parametrize("form", [sp.csr_array, np.asarray])
def test_outliers_without_centring_do_not_hide_their_columns(settings, row, form, rng):
    """In CSR, and without an intercept."""
    X = rng.normal(size=(400, 4)) * [1.0, 5.0, 1.0, 1.0]
    y = X @ [0.3, 0.1, -0.2, 0.1] + 0.1 * rng.normal(size=400)
    y = np.exp(y) if settings.get("loss") == "poisson" else y
    broken = X.copy()
    broken[row] *= 1e6
    model = GDRegressor(fit_intercept=form is sp.csr_array, shuffle=False, **settings)
    learn(model, form(broken[:200]), y[:200])
    assert model.score(X[200:], y[200:]) > 0.9


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_first_sparse_row_in_another_unit_does_not_hide_its_columns(
    loss, n_classes, rng
):
    X = rng.normal(size=(600, 5))
    y = np.digitize(X @ [1.0, -2.0, 0.5, 0.0, 1.0], [0.0, 1.0][: n_classes - 1])
    broken = X.copy()
    broken[0] *= 1e6
    model = GDClassifier(loss, shuffle=False)
    clean, model = (learn(clone(model), sp.csr_array(x), y) for x in (X, broken))
    assert model.score(X, y) > clean.score(X, y) - 0.02


def test_a_sparse_column_whose_first_entries_were_in_a_smaller_unit_is_learnt(rng):
    X = rng.normal(size=(400, 3))
    y = X @ [1.0, 2.0, 3.0]
    X[:7, 1] *= 1e-4
    model = learn(GDRegressor(shuffle=False), sp.csr_array(X), y)
    assert model.score(X[300:], y[300:]) > 0.99


def test_the_first_large_entry_of_a_column_with_a_long_tail_is_no_outlier(rng):
    X = rng.normal(size=(100, 3))
    X[7, 1] = 15.0
    y = X @ [0.3, 0.1, -0.2] + 0.1 * rng.normal(size=100)
    model = learn(GDRegressor(shuffle=False), X, y)
    twin = reference.Online("squared_error", 3, second_order=True)
    twin.early = np.inf
    for row, target in zip(X, y, strict=True):
        twin.learn(row, target)
    assert_allclose(model.coef_, twin.coefficients()[:-1, 0], rtol=1e-6)


def test_a_column_that_appears_late_and_one_that_grows_are_learnt(rng):
    X = rng.normal(size=(4000, 3))
    y = X @ [1.0, 1.0, 1.0]
    X[:2000, 1] = 0.0
    X[2000:, 2] *= 1000.0
    model = learn(GDRegressor(), X, y)
    assert model.score(X[3000:], y[3000:]) > 0.9


def test_partial_fit_after_fit_keeps_what_was_fitted(rng):
    X = rng.normal(size=(500, 4)) * [1.0, 100.0, 1e-2, 1.0] + 5.0
    y = X @ [1.0, 0.01, 100.0, 0.0] + 0.1 * rng.normal(size=500)
    for model in (GDRegressor(), GDRegressor("absolute_error"), GDRegressor("huber")):
        before = model.fit(X, y).score(X, y)
        model.partial_fit(X[:1], y[:1] + 1.0)
        assert model.score(X, y) > before - 0.05
        model.partial_fit(X, y)
        assert model.score(X, y) > before - 0.05


def test_a_stream_without_a_penalty_by_default_and_with_the_one_that_is_given():
    X, y = make_stream("squared_error")
    assert learn(GDRegressor(), X, y).alpha_ == 0.0
    assert learn(GDRegressor(alpha=0.3), X, y).alpha_ == 0.3
    assert GDRegressor().fit(X, y).alpha_ == 1e-4
    explicit = GDRegressor(optimizer="sgd", learning_rate=1e-9)
    assert learn(explicit, X, y).alpha_ == 1e-4


def test_batches_are_refused_by_name_and_without_effect_with_auto():
    X, y = make_stream("squared_error")
    for call in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match="learns single rows"):
            getattr(GDRegressor(optimizer="online", batch_size=32), call)(X, y)
    with pytest.warns(UserWarning, match="batch_size has no effect"):
        GDRegressor(batch_size=32).partial_fit(X, y)


@pytest.mark.one_case
@pytest.mark.parametrize("loss", ["squared_error", "huber", "log_loss", "hinge"])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_repeated_passes_reach_the_minimiser(loss, penalty, rng):
    X = rng.normal(size=(800, 6)) * [1.0, 10.0, 0.1, 1.0, 1.0, 1.0]
    X[:, 3] += 0.9 * X[:, 0]
    z = X @ [1.0, 0.1, 5.0, 0.0, -1.0, 0.0] + 0.5 * rng.normal(size=800)
    cls = GDRegressor if loss in ("squared_error", "huber") else GDClassifier
    y = z if cls is GDRegressor else (z > 0.0).astype(int)
    best = cls(loss, penalty=penalty, alpha=0.02, tol=1e-8).fit(X, y).loss_curve_[-1]
    null = cls(loss, alpha=1e6, tol=1e-6).fit(X, y).loss_curve_[-1]
    online = cls(loss, penalty=penalty, alpha=0.02, optimizer="online", random_state=0)
    online.set_params(max_iter=30, tol=None).fit(X, y)
    assert online.loss_curve_[-1] - best < 5e-3 * (null - best)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_stream_that_goes_wrong_says_so_whatever_the_unit_of_the_weights(unit):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 5))
    y = np.exp(3.0 * (X @ np.arange(5.0) + rng.normal(size=600)))
    X *= np.exp(4.0 * rng.normal(size=X.shape))
    model = GDRegressor(shuffle=False)
    with pytest.warns(ConvergenceWarning, match="worse than by a constant model"):
        model.partial_fit(X, y, sample_weight=np.full(600, unit))
    assert model.stop_reason_ == "stalled"
    assert model.diagnosis_["problem"] == "worse_than_constant"


def test_a_loss_that_is_zero_everywhere_teaches_nothing():
    """The Huber loss with epsilon=0."""
    X = np.array([[5.0], [3.0], [1.0]])
    y = np.array([-0.0003, -0.0003, 0.0007])
    model = GDRegressor("huber", epsilon=0.0)
    for i in range(3):
        model.partial_fit(X[i : i + 1], y[i : i + 1])
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    assert np.isfinite(model.predict(X)).all()


def test_a_deviance_that_is_not_convex_stays_finite():
    X = np.array([[-2.19, 3.0], [1.07, 3.0], [-1.5, 3.0], [0.1, 3.0]])
    y, weights = [1.8697, 3.0499, 10.1958, 2.8442], [0.3748, 0.0956, 0.7072, 0.3426]
    model = GDRegressor("tweedie", power=0.0, shuffle=False)
    model.partial_fit(X, y, sample_weight=weights)
    assert np.isfinite(model.predict(X)).all() and np.isfinite(model.progressive_loss_)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_a_huge_first_target_with_a_log_link_is_forgotten(loss, form):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4))
    y = rng.poisson(4.0 * np.exp(X @ [0.3, -0.2, 0.1, 0.0])).astype(float)
    y[1:4] = 0.0  # Zeros say nothing of the scale.
    if loss == "gamma":
        y = np.maximum(y, 0.5)
        y[1:4] = y[4]
    broken = np.where(np.arange(600) == 0, 1e4, y)
    weights = np.where(np.arange(600) == 0, 3.0, 1.0)
    clean = GDRegressor(loss, shuffle=False).partial_fit(form(X), y, weights)
    model = GDRegressor(loss, shuffle=False).partial_fit(form(X), broken, weights)
    assert_allclose(model.predict(X).mean(), y.mean(), rtol=0.1)
    assert model.score(X[1:], y[1:]) > clean.score(X[1:], y[1:]) - 0.02


def test_the_first_positive_count_among_zeros_is_no_outlier(rng):
    X = rng.normal(size=(3000, 3))
    y = rng.poisson(0.05 * np.exp(0.3 * X[:, 0])).astype(float)
    y[:20] = np.arange(20) == 7
    model = GDRegressor("poisson", shuffle=False).partial_fit(X, y)
    assert model.score(X, y) > 0.0
    assert_allclose(model.predict(X).mean(), y.mean(), rtol=0.1)


@pytest.mark.one_case
@pytest.mark.parametrize("row", [1, 5, 15])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_a_huge_early_target_with_a_log_link_does_little_harm(loss, form, row):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4))
    y = 0.5 + rng.poisson(4.0 * np.exp(X @ [0.3, -0.2, 0.1, 0.0]))
    broken = np.where(np.arange(2000) == row, 1e4, y)
    clean = learn(GDRegressor(loss, shuffle=False), form(X), y)
    model = learn(GDRegressor(loss, shuffle=False), form(X), broken)
    assert model.score(X[20:], y[20:]) > clean.score(X[20:], y[20:]) - 0.3


@pytest.mark.parametrize("row", [0, 1, 25])
@pytest.mark.parametrize(
    "loss", ["huber", "absolute_error", "quantile", "epsilon_insensitive"]
)
def test_an_outlier_among_the_first_targets_does_not_hide_their_scale(loss, row, rng):
    X = rng.normal(size=(1000, 4))
    y = X @ [1.0, -1.0, 0.5, 0.0] + 0.1 * rng.normal(size=1000)
    clean = GDRegressor(loss, shuffle=False).partial_fit(X, y)
    spoiled = GDRegressor(loss, shuffle=False)
    spoiled.partial_fit(X, np.where(np.arange(1000) == row, -1e6, y))
    assert spoiled.score(X, y) > clean.score(X, y) - 0.01 > 0.95


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_an_outlier_among_the_first_rows_is_no_exponential_loss(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = 1.0 + rng.poisson(np.exp(0.5 * X[:, 0])).astype(float)
    X[8:12] *= 1000.0
    model = GDRegressor(loss, shuffle=False).partial_fit(X, y)
    assert model.progressive_loss_ < 10.0 * y.max()


@pytest.mark.one_case
@pytest.mark.parametrize(
    ("loss", "penalty", "gap"),
    [("log_loss", "l1", 1.8e-3), ("log_loss", "l2", 7e-4), ("hinge", "l2", 0.018)],
)
def test_rare_features_reach_the_minimum_in_few_passes(loss, penalty, gap):
    """l1: a step does not count on weights that the threshold keeps at zero."""
    rng = np.random.default_rng(0)
    X = sp.random(600, 400, 0.03, random_state=0, format="csr")
    w = np.where(rng.random(400) < 0.1, rng.normal(size=400) * 6.0, 0.0)
    y = (X @ w - 1.0 + 0.5 * rng.normal(size=600) > 0.0).astype(int)
    settings = {"loss": loss, "penalty": penalty, "alpha": 3e-3}
    best = GDClassifier(**settings, tol=1e-6).fit(X, y)
    null = GDClassifier(loss, penalty="l1", alpha=1e3).fit(X, y).loss_curve_[-1]
    model = GDClassifier(**settings, optimizer="online", max_iter=20, tol=None)
    model.set_params(random_state=0).fit(X, y)
    z = np.where(y == 1, 1.0, -1.0)[:, None] * model.decision_function(X)[:, None]
    size = np.abs(model.coef_) if penalty == "l1" else 0.5 * model.coef_**2
    F = LOSSES[loss]().evaluate(np.ones((600, 1)), z)[0] / 600 + 3e-3 * size.sum()
    assert F - best.loss_curve_[-1] < gap * (null - best.loss_curve_[-1])
    assert_allclose((model.coef_ != 0).sum(), (best.coef_ != 0).sum(), rtol=0.2)


@pytest.mark.one_case
@pytest.mark.parametrize("penalty", ["none", "l2", "elasticnet"])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "hinge", "quantile"])
def test_what_is_learnt_of_repeated_rows_is_that_of_the_twin(loss, penalty):
    X, y = make_stream(loss, 55)
    X, y = np.tile(X, (3, 1)), np.tile(y, 3)
    l1, l2 = PENALTIES[penalty]
    twin = reference.Online(loss, X.shape[1], centred=False, l1=l1, l2=l2)
    for row in zip(X, y, strict=True):
        twin.learn(*row)
    assert twin.repeated == 55 + 31
    learner = make_learner(loss, X, centred=False, l1=l1, l2=l2)
    assert learner.learn(Rows(X), y, None, np.arange(len(y)))
    scale = np.append(np.abs(X).mean(axis=0), 1.0)[:, None]
    assert_allclose(
        learner.coefficients() * scale,
        twin.coefficients() * scale,
        rtol=1e-6,
        atol=1e-7,
    )


def test_equal_rows_of_a_stream_are_no_second_pass(rng):
    X = rng.integers(0, 2, size=(2000, 3)).astype(float)
    X[::40, 0] = rng.normal(size=50)
    model = GDRegressor(shuffle=False).partial_fit(X, X @ [1.0, 2.0, 3.0])
    once = model._state.learner.stream_table[10]
    twice = model.partial_fit(X, X @ [1.0, 2.0, 3.0])._state.learner.stream_table[10]
    assert once == 0.0 < twice


@pytest.mark.one_case
@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_a_penalised_fit_is_not_penalised_again_by_the_next_rows(penalty):
    """Nor is a coefficient whose column they do not show yet."""
    rng = np.random.default_rng(0)
    X = sp.random(4050, 200, 0.05, format="csr", random_state=0)
    y = (X @ rng.normal(size=200) > 0.0).astype(int)
    model = GDClassifier("hinge", penalty=penalty, alpha=1e-3, random_state=0)
    coef = model.fit(X[:4000], y[:4000]).coef_.copy()
    model.partial_fit(X[4000:], y[4000:])
    assert np.linalg.norm(model.coef_ - coef) < 0.002 * np.linalg.norm(coef)


@pytest.mark.one_case
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_hinge"])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_noisy_rows_reach_the_zeros_and_the_minimum_of_l1(loss, penalty, form):
    """The last iterate alone moves about the minimum."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 10))
    X[:, 1:4] += X[:, :1]
    y = (X[:, 0] - X[:, 4] + 2.0 * rng.normal(size=1000) > 0.0).astype(int)
    settings = {"loss": loss, "penalty": penalty, "alpha": 0.02, "random_state": 0}
    best = GDClassifier(**settings, tol=1e-8).fit(X, y)
    null = GDClassifier(**settings).set_params(penalty="l1", alpha=1e3).fit(X, y)
    model = GDClassifier(**settings, optimizer="online", max_iter=20, tol=None)
    model.fit(form(X), y)
    least = best.loss_curve_[-1]
    assert model.loss_curve_[-1] - least < 2e-3 * (null.loss_curve_[-1] - least)
    assert abs((model.coef_ != 0).sum() - (best.coef_ != 0).sum()) <= 1


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("name", CASES)
def test_a_prediction_far_outside_the_targets_is_warned_of(name, storage):
    model, X, y = case_of(name)
    X[50] = X[49]  # an outlier
    learn(model, storage(X), y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = model.predict(storage(X))
    far = X.copy()
    far[7] *= 1e5
    with pytest.warns(UserWarning, match="far outside the targets.* row 7 "):
        after = model.predict(storage(far))
    # Predictions stay linear.
    assert_array_equal(np.delete(after, 7), np.delete(before, 7))


@pytest.mark.parametrize("alpha", ["auto", 1e-3])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_the_order_of_narrow_columns_does_not_matter(cls, alpha, rng):
    X = rng.normal(size=(300, 6)) * 10.0 ** rng.integers(-2, 3, 6) + 3.0
    X[:, 5] = X[:, 0] + 0.1 * rng.normal(size=300) * X[:, 0].std()
    z = (X / X.std(axis=0)) @ rng.normal(size=6) + rng.normal(size=300)
    y = z if cls is GDRegressor else (z > np.median(z)).astype(int)
    order = rng.permutation(6)
    one, other = (learn(cls(alpha=alpha), columns, y) for columns in (X, X[:, order]))
    expected = np.ravel(one.coef_)[order]
    assert_allclose(
        np.ravel(other.coef_), expected, rtol=1e-9, atol=1e-9 * abs(expected).max()
    )


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
@pytest.mark.parametrize("unit", [2.0**-40, 2.0**10])
def test_the_unit_of_positive_targets_does_not_matter(loss, unit, rng):
    X = rng.normal(size=(300, 3))
    y = np.exp(0.5 * X[:, 0]) * rng.gamma(2.0, 0.5, 300)
    one = learn(GDRegressor(loss), X, y)
    other = learn(GDRegressor(loss), X, unit * y)
    assert_allclose(other.coef_, one.coef_, rtol=1e-3, atol=1e-3)
    assert_allclose(other.intercept_, one.intercept_ + np.log(unit), atol=1e-3)


def test_a_low_prediction_of_a_high_power_is_no_infinite_loss(rng):
    X = rng.normal(size=(60, 3))
    X[8:12] *= 1000.0
    y = np.exp(0.5 * X[:, 1].clip(-2.0, 2.0)) + 0.1
    model = GDRegressor("tweedie", power=3.0, fit_intercept=False, shuffle=False)
    assert np.isfinite(model.partial_fit(X, y).progressive_loss_)


@pytest.mark.one_case
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_few_rows_after_a_fit_leave_a_good_model_good(task, form):
    """The first rows say little of the columns' sizes, which the fit knew."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 12)) * np.logspace(-2, 2, 12)
    signal = (X / np.logspace(-2, 2, 12)) @ rng.normal(size=12)
    noise = 2.0 * rng.normal(size=2000)
    if task == "regression":
        y, model = signal + noise, GDRegressor(random_state=0)
    else:
        y, model = (signal + noise > 0.0).astype(int), GDClassifier(random_state=0)
    model.fit(form(X[:1000]), y[:1000])
    before = model.score(form(X[1500:]), y[1500:])
    for start in range(1000, 1200, 10):
        rows = slice(start, start + 10)
        later = copy.deepcopy(model).partial_fit(form(X[rows]), y[rows])
        assert later.score(form(X[1500:]), y[1500:]) > before - 0.05


@pytest.mark.parametrize("penalty, l1_ratio", [("l1", None), ("elasticnet", 0.5)])
def test_a_penalty_that_a_stream_does_not_have_is_warned_of(penalty, l1_ratio, rng):
    X = rng.normal(size=(50, 3))
    model = GDRegressor(penalty=penalty, l1_ratio=l1_ratio)
    with pytest.warns(UserWarning, match="penalty has no effect with alpha='auto'"):
        model.partial_fit(X, X[:, 0])
    model.set_params(alpha=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.partial_fit(X, X[:, 0])
        model.set_params(alpha="auto").fit(X, X[:, 0])


def test_the_messages_about_labels_tell_to_pass_all_of_them(rng):
    X, y = rng.normal(size=(20, 2)), np.arange(20) % 2
    with pytest.raises(ValueError, match="Pass all labels that may come"):
        GDClassifier().partial_fit(X, y)
    model = GDClassifier().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"label 2.*Pass all labels"):
        model.partial_fit(X, y + 1)


def test_a_stream_that_starts_from_another_knows_the_range_of_its_own_targets(rng):
    X = rng.normal(size=(200, 3))
    y = np.exp(0.5 * X[:, 0].clip(-2.0, 2.0))
    X[100:] *= 1000.0
    model = GDRegressor("gamma", shuffle=False).partial_fit(X[:100], y[:100])
    model.set_params(fit_intercept=False).partial_fit(X[100:], y[100:])
    assert np.isfinite(model.progressive_loss_)


@pytest.mark.parametrize("unit", [1e-162, 1e-100, 1e100])
def test_counts_of_any_unit_give_a_finite_stream(unit, rng):
    X = rng.normal(size=(60, 2))
    model = GDRegressor("poisson", alpha=100.0, shuffle=False)
    model.partial_fit(X, unit * rng.poisson(2.0, 60).clip(1))
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_)


@pytest.mark.parametrize("unit", [1e-155, 1e-158])
def test_targets_whose_squares_vanish_are_an_error_with_a_log_link(unit, rng):
    X = rng.normal(size=(300, 1))
    y = unit * np.exp(X[:, 0])
    model = GDRegressor(loss="tweedie", power=0.0, random_state=0)
    with pytest.raises(ValueError, match=r"as small as .* underflow.*Scale y"):
        model.partial_fit(X, y)


def test_columns_of_denormal_size_leave_a_stream_finite(rng):
    X, y = 1e-154 * rng.normal(size=(180, 1)), np.arange(180) % 2
    model = GDClassifier(alpha=1e-4, shuffle=False).partial_fit(X, y, classes=[0, 1])
    assert np.isfinite(model.coef_).all()
    X[::50] = 1.0
    model.set_params(alpha="auto").partial_fit(X, y)
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("unit", [1e-300, 1e-160])
def test_columns_whose_squares_vanish_are_warned_of(form, unit, rng):
    X, y = rng.normal(size=(100, 3)), rng.normal(size=100)
    X[:, 1] *= unit
    with pytest.raises(ValueError, match="column 1 are so small that"):
        GDRegressor(alpha=0.0).fit(form(X), y)
    with pytest.warns(UserWarning, match="is not learnt. Scale column 1"):
        GDRegressor().partial_fit(form(X), y)
    X[::3, 1] = rng.normal(size=34)  # Small entries of a usual column do no harm.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        GDRegressor(shuffle=False).partial_fit(form(X), y)


@pytest.mark.parametrize(
    "loss", ["squared_error", "absolute_error", "poisson", "tweedie"]
)
def test_the_progressive_score_of_a_constant_target_is_finite(loss, rng):
    """One if it is predicted, else zero, as in r2_score."""
    X = rng.normal(size=(60, 2))
    for y in (0.1, 3.0, 1e-5, 1e8):
        model = GDRegressor(loss).partial_fit(X, np.full(60, y))
        assert model.progressive_score_ == 1.0
    model = GDRegressor(loss, shuffle=False, fit_intercept=False)
    assert model.partial_fit(X, np.full(60, 3.0)).progressive_score_ == 0.0


@pytest.mark.some_cases
@pytest.mark.parametrize("power", [0.0, 1.0, 1.5, 2.0, 3.0])
def test_the_progressive_score_of_a_log_link_is_d2_of_the_predictions(power, rng):
    X = rng.normal(size=(80, 2))
    y = np.exp(0.5 * X[:, 0] + 0.1 * rng.normal(size=80))
    if power in (1.0, 1.5):
        y[[0, 5, 7]] = 0.0
    if power == 0.0:
        y -= 1.0
    model, predictions = GDRegressor("tweedie", power=power), [y[0]]
    for i in range(80):
        if i:
            predictions.append(model.predict(X[i : i + 1])[0])
        model.partial_fit(X[i : i + 1], y[i : i + 1])
    # (A stream limits its own predictions.)
    predictions = np.array(predictions)
    loss = LOSSES["tweedie"](power)
    mean = y[1:].mean()

    def deviance(z):
        return loss.evaluate(y[1:, None], np.full((79, 1), z))[0]

    best = sum(
        loss.evaluate(np.array([[v]]), np.array([[np.log(v)]]))[0]
        for v in y[1:]
        if v > 0
    )
    expected = 1.0 - (79.0 * model.progressive_loss_ - best) / (
        deviance(np.log(mean)) - best
    )
    assert_allclose(model.progressive_score_, expected, rtol=1e-9)


@pytest.mark.parametrize("loss", ["poisson", "tweedie"])
@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e6])
def test_zeros_before_the_first_positive_target_say_nothing_of_its_unit(
    loss, unit, rng
):
    X = rng.normal(size=(400, 3))
    y = rng.poisson(np.exp(0.5 * X[:, 0])).astype(float)
    y[:5] = 0.0
    model = GDRegressor(loss, shuffle=False)
    one, other = (learn(clone(model), X, unit * y) for unit in (1.0, unit))
    assert one.progressive_score_ > 0.05
    assert_allclose(other.coef_, one.coef_, rtol=0.2, atol=0.05)
    assert_allclose(other.intercept_, one.intercept_ + np.log(unit), atol=0.1)
    assert_allclose(other.progressive_score_, one.progressive_score_, atol=0.1)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_pickle_of_a_dense_stream_holds_one_triangle(n_outputs, rng):
    X, y = rng.normal(size=(120, 100)), rng.normal(size=(120, n_outputs))
    model = learn(GDRegressor(random_state=0), X, y)
    stored = pickle.dumps(model)
    assert len(stored) < 8 * (101 * 50 + 100 * (7 + 4 * n_outputs)) + 5000
    twin = pickle.loads(stored)
    for one in (model, twin):
        learn(one, X[:50], y[:50])
    assert_array_equal(twin.coef_, model.coef_)


@pytest.mark.exhaustive
def test_the_pickle_of_a_stream_holds_no_more_than_its_records():
    X = sp.random(500, 4000, 0.01, format="csr", random_state=0)
    y = np.arange(500) % 2
    model = GDClassifier().partial_fit(X, y, classes=[0, 1])
    # Sums, size, coefficient, curvature and lag of each feature.
    assert len(pickle.dumps(model)) < 6 * 8 * 4000 + 4000


@pytest.mark.parametrize("value", ["yes", None, 1])
def test_a_second_order_that_is_no_truth_value_is_refused(value, rng):
    X = rng.normal(size=(20, 2))
    for method in ("fit", "partial_fit"):
        model = GDRegressor(optimizer=Online(second_order=value))
        with pytest.raises(ValueError, match="second_order must be True or False"):
            getattr(model, method)(X, X[:, 0])


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("name", [*CASES, "float32"])
def test_coefficients_that_are_assigned_are_learnt_on_from(name, form, in_place):
    if name == "float32":
        model, X, y = case_of("regression")
        X = X.astype(np.float32)
    else:
        model, X, y = case_of(name)
    learn(model, form(X), y)
    coef, intercept = 0.5 * model.coef_, model.intercept_ + 1.0
    if in_place:
        model.coef_[...], model.intercept_[...] = coef, intercept
    else:
        model.coef_, model.intercept_ = coef, intercept
    stored = pickle.loads(pickle.dumps(model))
    assert_allclose(stored.coef_, coef, rtol=1e-6)
    assert_allclose(stored.intercept_, intercept, rtol=1e-6)
    x = form(X[:1])
    target = model.predict(x)
    for one in (model, stored):
        one.partial_fit(x, target)
    assert_array_equal(stored.coef_, model.coef_)
    # A row as it was predicted changes little.
    assert_allclose(model.coef_, coef, atol=0.15 * np.abs(coef).max())
    assert_allclose(model.intercept_, intercept, atol=0.2)


def test_coefficients_that_are_only_looked_at_or_stored_as_sparse_change_nothing(rng):
    X, y = rng.normal(size=(60, 4)), rng.normal(size=60)
    one, other = (GDRegressor(random_state=0).partial_fit(X, y) for _ in range(2))
    one.coef_, one.intercept_  # noqa: B018
    one.sparsify().partial_fit(X, y)
    other.partial_fit(X, y)
    assert_array_equal(one.coef_, other.coef_)


@pytest.mark.parametrize("value", [np.ones(3), [np.nan] * 4])
def test_coefficients_of_a_wrong_form_are_refused(value, rng):
    X, y = rng.normal(size=(60, 4)), rng.normal(size=60)
    model = GDRegressor().partial_fit(X, y)
    model.coef_ = value
    with pytest.raises(ValueError, match="must hold 5 finite numbers"):
        model.partial_fit(X, y)


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_perceptron_learns_from_a_stream(n_classes, storage, rng):
    # Its best model is zero, where proximal steps stay.
    X = rng.normal(size=(2000, 4)) * [1.0, 1e3, 1e-3, 1.0]
    score = X @ [[1.0, -1.0], [1e-3, 1e-3], [1e3, 0.0], [0.0, 0.0]]
    y = np.argmax(np.column_stack([score, np.zeros(len(X))])[:, :n_classes], axis=1)
    model = GDClassifier(loss="perceptron", random_state=0)
    model.partial_fit(storage(X), y, classes=range(n_classes))
    hinge = GDClassifier(loss="hinge", random_state=0)
    hinge.partial_fit(storage(X), y, classes=range(n_classes))
    assert model.score(X, y) == hinge.score(X, y) > 0.9


def test_a_copy_of_a_stream_without_a_seed_draws_the_same_order_of_rows(rng):
    X = rng.normal(size=(300, 3))
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=300)
    model = GDRegressor().partial_fit(X[:100], y[:100])
    copies = [pickle.loads(pickle.dumps(model)) for _ in range(2)]
    for stream in copies:
        stream.partial_fit(X[100:], y[100:])
    assert_array_equal(copies[0].coef_, copies[1].coef_)
    other = GDRegressor().partial_fit(X[:100], y[:100]).partial_fit(X[100:], y[100:])
    assert (other.coef_ != copies[0].coef_).any()


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_a_fit_counts_the_rows_it_has_learnt_from(cls, rng):
    X = rng.normal(size=(50, 3))
    model = cls(optimizer="online", batch_size=1, max_iter=3, tol=None)
    assert model.fit(X, X[:, 0] > 0.0).t_ == 1 + 3 * 50


def test_another_optimizer_sets_out_from_assigned_coefficients(rng):
    X = rng.normal(size=(50, 3))
    model = GDRegressor().partial_fit(X, X[:, 0])
    model.coef_ = np.array([3.0, 2.0, 1.0])
    model.set_params(optimizer="sgd", learning_rate=1e-12).partial_fit(X, X[:, 0])
    assert_allclose(model.coef_, [3.0, 2.0, 1.0], rtol=1e-9)
