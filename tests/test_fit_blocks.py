"""`fit_blocks`: the minimiser that `fit` finds, from rows that come in blocks."""

import logging
import re
import signal
import subprocess
import sys
import time
import warnings
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import sklgd._fit.description as description
from sklgd import GDClassifier, GDRegressor
from sklgd.blocks import Blocks, from_iterable, read_npy

N, D = 2000, 6
CLASSIFIERS = "log_loss", "squared_hinge", "modified_huber", "squared_error"
REGRESSORS = "squared_error", "huber", "squared_epsilon_insensitive"


@pytest.fixture
def beyond_memory(monkeypatch):
    """Rows of the tests count as too many for memory: some hundred are kept."""
    monkeypatch.setattr(description, "SAMPLE_BYTES", 12_000)
    monkeypatch.setattr(description, "TARGET_BYTES", 2_000)


@pytest.fixture(scope="module")
def table():
    """X in mixed units, and targets of every kind by name."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)) * [1.0, 10.0, 0.1, 1.0, 1.0, 1.0]
    X += [0.0, 5.0, 0.0, 0.0, 100.0, 0.0]
    X[:, 5] = X[:, 5] > 1.0
    z = X @ [1.0, -0.1, 3.0, 0.5, 0.0, 1.0] + rng.normal(scale=0.5, size=N)
    z -= z.mean()
    noisy, mean = z + rng.normal(size=N), np.exp(np.clip(0.3 * z, -3.0, 3.0))
    targets = {
        "two": np.where(noisy > 0.0, "yes", "no"),
        "three": np.digitize(noisy, [-1.0, 0.5]),
        "number": z + 3.0,
        "pair": np.c_[z, 3.0 - z + rng.normal(size=N)],
        "count": rng.poisson(mean).astype(float),
        "size": mean * rng.gamma(2.0, 0.5, N) + 1e-3,
    }
    return X, targets


def sparse(X):
    """Three quarters of the entries become zero."""
    far = np.abs(X - X.mean(axis=0)) > X.std(axis=0)
    return sp.csr_array(np.where(far, X, 0.0))


def cut(X, y, n_blocks=7, weights=None, n_parts=1):
    """A source of these rows: every part has ``n_blocks`` blocks."""
    ends = np.linspace(0, len(y), n_parts * n_blocks + 1).astype(int)
    pairs = list(pairwise(ends))

    def part(k):
        def blocks():
            for a, b in pairs[k * n_blocks : (k + 1) * n_blocks]:
                w = None if weights is None else weights[a:b]
                yield X[a:b], y[a:b], w

        return blocks

    return Blocks([part(k) for k in range(n_parts)])


def objective(model):
    return model.loss_curve_[-1]


def assert_same_optimum(model, reference, coef=1e-6):
    assert_allclose(objective(model), objective(reference), rtol=1e-12)
    scale = np.abs(reference.coef_).max()
    assert_allclose(model.coef_, reference.coef_, atol=coef * scale)
    ours, theirs = model.intercept_, reference.intercept_
    if model.loss == "log_loss" and len(theirs) > 1:
        # A number that is added to all of them changes nothing.
        ours, theirs = ours - ours.mean(), theirs - theirs.mean()
    assert_allclose(ours, theirs, atol=coef * max(1.0, np.abs(theirs).max()))


CASES = [
    *[(GDClassifier, loss, y) for loss in CLASSIFIERS for y in ("two", "three")],
    *[(GDRegressor, loss, y) for loss in REGRESSORS for y in ("number", "pair")],
    (GDRegressor, "poisson", "count"),
    (GDRegressor, "gamma", "size"),
    (GDRegressor, "tweedie", "count"),
]


@pytest.mark.some_cases
@pytest.mark.parametrize("form", [np.asarray, sparse])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize(("cls", "loss", "y"), CASES)
def test_the_minimum_is_that_of_fit(beyond_memory, table, cls, loss, y, penalty, form):
    X, target = form(table[0]), table[1][y]
    params = {"loss": loss, "penalty": penalty, "alpha": 1e-3, "tol": 1e-13}
    reference = cls(optimizer="newton", **params).fit(X, target)
    model = cls(**params).fit_blocks(cut(X, target))
    assert model.n_passes_ > 1
    assert_same_optimum(model, reference)
    assert model.optimality_gap_ <= 1e-13
    if penalty == "l1":
        assert_array_equal(model.coef_ == 0.0, reference.coef_ == 0.0)


@pytest.mark.one_case
@pytest.mark.parametrize(
    ("cls", "loss", "y"),
    [
        (GDClassifier, "hinge", "two"),
        (GDClassifier, "hinge", "three"),
        (GDRegressor, "absolute_error", "number"),
        (GDRegressor, "quantile", "pair"),
        (GDRegressor, "epsilon_insensitive", "number"),
    ],
)
def test_non_smooth_losses_reach_the_optimum_as_well(
    beyond_memory, table, cls, loss, y
):
    X, target = table[0], table[1][y]
    reference = cls(loss=loss, optimizer="newton", tol=1e-8).fit(X, target)
    model = cls(loss=loss, tol=1e-4).fit_blocks(cut(X, target))
    assert objective(reference) <= objective(model) * (1.0 + 1e-9)
    assert_allclose(objective(model), objective(reference), rtol=1e-3)


@pytest.mark.one_case
@pytest.mark.parametrize(
    ("loss", "y", "params", "most"),
    [
        ("hinge", "two", {}, 8),
        ("hinge", "two", {"penalty": "l1", "alpha": 1e-3}, 8),
        ("absolute_error", "number", {}, 8),
        ("quantile", "number", {"quantile": 0.8}, 10),
        ("epsilon_insensitive", "number", {"fit_intercept": False}, 8),
    ],
)
@pytest.mark.parametrize("form", [np.asarray, sparse])
def test_non_smooth_losses_take_few_passes_to_an_honest_gap(
    beyond_memory, table, loss, y, params, most, form
):
    X, target = form(table[0]), table[1][y]
    cls = GDClassifier if loss == "hinge" else GDRegressor
    reference = cls(loss, optimizer="newton", tol=1e-8, **params).fit(X, target)
    model = cls(loss, tol=1e-4, **params).fit_blocks(cut(X, target))
    assert model.n_passes_ <= most
    gap, best = model.optimality_gap_, objective(reference)
    assert model.stop_reason_ == "converged" and gap <= 1e-4
    null = constant_objective(model, X, target)
    true = (objective(model) - best) / (null - best)
    assert true <= 3.0 * gap + 1e-7


def constant_objective(model, X, target):
    """F of the best constant model, zero without an intercept."""
    null = type(model)(**model.get_params()).set_params(penalty="l1", alpha=1e6)
    return objective(null.set_params(optimizer="newton").fit(X, target))


@pytest.mark.parametrize("penalty", ["elasticnet", None])
def test_other_penalties(beyond_memory, table, penalty):
    X, y = table[0], table[1]["two"]
    params = {"penalty": penalty, "alpha": 1e-2, "l1_ratio": 0.5, "tol": 1e-13}
    reference = GDClassifier(optimizer="newton", **params).fit(X, y)
    assert_same_optimum(GDClassifier(**params).fit_blocks(cut(X, y)), reference)


@pytest.mark.one_case
@pytest.mark.parametrize("y", ["two", "three"])
def test_the_number_of_blocks_changes_no_more_than_rounding(beyond_memory, table, y):
    X, target = table[0], table[1][y]
    reference = GDClassifier(optimizer="newton", tol=1e-13).fit(X, target)
    for n_blocks in 1, 3, 8:
        model = GDClassifier(tol=1e-13).fit_blocks(cut(X, target, n_blocks))
        assert_same_optimum(model, reference)


@pytest.mark.one_case
@pytest.mark.parametrize("optimizer", ["newton", "lbfgs", "fista"])
def test_each_batch_optimizer_is_possible(beyond_memory, table, optimizer):
    X, y = table[0], table[1]["two"]
    reference = GDClassifier(optimizer="newton", tol=1e-10).fit(X, y)
    model = GDClassifier(optimizer=optimizer, tol=1e-7).fit_blocks(cut(X, y))
    assert model.optimizer_.name == optimizer
    assert_allclose(objective(model), objective(reference), rtol=1e-6)


def test_columns_that_leave_no_room_for_a_matrix(beyond_memory, monkeypatch, table):
    monkeypatch.setattr("sklgd._solvers.over_blocks.MAX_FACTOR", 3)
    for y in "two", "pair":
        cls = GDClassifier if y == "two" else GDRegressor
        X, target = table[0], table[1][y]
        reference = cls(optimizer="newton", tol=1e-13).fit(X, target)
        model = cls(tol=1e-10).fit_blocks(cut(X, target))
        assert_allclose(objective(model), objective(reference), rtol=1e-9)
        assert model.n_passes_ <= 20
        model = cls(tol=1e-6, penalty="l1", alpha=1e-3).fit_blocks(cut(X, target))
        reference = cls(optimizer="newton", tol=1e-10, penalty="l1", alpha=1e-3)
        assert_allclose(
            objective(model), objective(reference.fit(X, target)), rtol=1e-5
        )


def test_hessians_of_some_rows_lead_to_the_same_optimum(
    beyond_memory, monkeypatch, table
):
    monkeypatch.setattr("sklgd._fit.block_data.BlockTerm.pass_cost", lambda term: 1.0)
    monkeypatch.setattr("sklgd._solvers.over_blocks.ROWS_PER_COEFFICIENT", 40)
    for y in "two", "three":
        X, target = table[0], table[1][y]
        reference = GDClassifier(optimizer="newton", tol=1e-13).fit(X, target)
        model = GDClassifier(tol=1e-13).fit_blocks(cut(X, target))
        assert_same_optimum(model, reference)


def test_few_passes_suffice(beyond_memory, table):
    X, y = table[0], table[1]["two"]
    assert GDClassifier().fit_blocks(cut(X, y)).n_passes_ <= 5
    assert GDRegressor().fit_blocks(cut(X, table[1]["number"])).n_passes_ <= 3


@pytest.mark.parametrize("y", ["two", "three", "number"])
def test_the_gap_is_zero_where_the_constant_model_is_the_optimum(
    beyond_memory, table, y
):
    X, target = table[0], table[1][y]
    cls = GDRegressor if y == "number" else GDClassifier
    model = cls(penalty="l1", alpha=1e9).fit_blocks(cut(X, target))
    assert not model.coef_.any() and model.stop_reason_ == "converged"
    assert model.optimality_gap_ < 1e-12 and model.n_passes_ <= 4


@pytest.mark.exhaustive
@pytest.mark.parametrize("loss", ["absolute_error", "epsilon_insensitive"])
def test_the_gap_of_fista_is_zero_where_the_constant_model_is_the_optimum(
    beyond_memory, table, loss
):
    X, y = table[0], table[1]["number"]
    model = GDRegressor(loss, penalty="l1", alpha=1e9, optimizer="fista")
    for fitted in (model.fit(X, y), clone(model).fit_blocks(cut(X, y))):
        assert not fitted.coef_.any() and fitted.stop_reason_ == "converged"
        assert fitted.optimality_gap_ < 1e-10


def test_rows_that_fit_into_memory_are_read_once(table):
    X, y = table[0], table[1]["three"]
    model = GDClassifier(optimizer="newton").fit_blocks(cut(X, y))
    assert model.n_passes_ == 1
    reference = GDClassifier(optimizer="newton").fit(X, y)
    assert_allclose(model.coef_, reference.coef_, rtol=1e-10)
    assert model.loss_curve_ == pytest.approx(reference.loss_curve_, rel=1e-12)
    reference.fit(X, y)
    assert not hasattr(model.fit(X, y), "n_passes_")


def test_neither_threads_nor_delays_change_a_bit(beyond_memory, table):
    X, y = table[0], table[1]["three"]

    def hesitant():
        for block in cut(X, y, 9):
            time.sleep(0.002)
            yield tuple(block[:2])

    models = [
        GDClassifier(n_jobs=1).fit_blocks(cut(X, y, 9)),
        GDClassifier(n_jobs=2).fit_blocks(cut(X, y, 9)),
        GDClassifier().fit_blocks(from_iterable(hesitant)),
    ]
    for model in models[1:]:
        assert_array_equal(model.coef_, models[0].coef_)
        assert_array_equal(model.intercept_, models[0].intercept_)


def test_sorted_files_and_parts_without_a_class(beyond_memory, table):
    X, y = table[0], table[1]["two"]
    reference = GDClassifier(optimizer="newton", tol=1e-13).fit(X, y)
    order = np.argsort(y, kind="stable")
    model = GDClassifier(tol=1e-13).fit_blocks(cut(X[order], y[order], 2, n_parts=4))
    assert_array_equal(model.classes_, ["no", "yes"])
    assert_same_optimum(model, reference)


def test_blocks_without_rows_or_of_one_row(beyond_memory, table):
    X, y = table[0], table[1]["two"]

    def uneven():
        yield X[:0], y[:0]
        yield X[:1], y[:1]
        yield X[1:], y[1:]
        yield X[:0], y[:0]

    reference = GDClassifier(optimizer="newton", tol=1e-13).fit(X, y)
    empty = [lambda: iter(()), uneven]
    assert_same_optimum(GDClassifier(tol=1e-13).fit_blocks(Blocks(empty)), reference)


def test_a_row_of_weight_zero_is_absent(beyond_memory, table):
    X, y = table[0].copy(), table[1]["two"]
    weights = np.random.default_rng(1).integers(0, 4, N).astype(float)
    X[weights == 0.0] *= 1e6
    model = GDClassifier(tol=1e-13).fit_blocks(cut(X, y, weights=weights))
    reference = GDClassifier(optimizer="newton", tol=1e-13).fit(X, y, weights)
    assert_same_optimum(model, reference)
    times = np.repeat(np.arange(N), weights.astype(int))
    repeated = GDClassifier(tol=1e-13).fit_blocks(cut(X[times], y[times]))
    assert_same_optimum(model, repeated)


def test_a_block_whose_rows_have_no_weight_is_absent(beyond_memory, table):
    X, y = table[0], table[1]["two"]
    weights = np.ones(N)
    weights[500:1000] = 0.0
    model = GDClassifier(tol=1e-13).fit_blocks(cut(X, y, 4, weights))
    reference = GDClassifier(optimizer="newton", tol=1e-13).fit(X, y, weights)
    assert_same_optimum(model, reference)


@pytest.mark.exhaustive
def test_collinear_columns_with_an_l1_penalty_take_few_passes(beyond_memory, table):
    X, y = table[0] + 1e3, table[1]["two"]
    params = {"loss": "squared_hinge", "penalty": "l1", "fit_intercept": False}
    reference = GDClassifier(optimizer="newton", tol=1e-9, **params).fit(X, y)
    model = GDClassifier(tol=1e-6, **params).fit_blocks(cut(X, y))
    assert model.n_passes_ <= 10
    assert objective(model) <= objective(reference) * (1.0 + 1e-6)


@pytest.mark.parametrize("class_weight", ["balanced", {"yes": 3.0, "no": 0.5}])
def test_class_weights(beyond_memory, table, class_weight):
    X, y = table[0], table[1]["two"]
    weights = np.random.default_rng(1).uniform(0.0, 2.0, N)
    params = {"class_weight": class_weight, "tol": 1e-13}
    reference = GDClassifier(optimizer="newton", **params).fit(X, y, weights)
    model = GDClassifier(**params).fit_blocks(cut(X, y, weights=weights))
    assert_same_optimum(model, reference)


def test_classes_that_never_come(beyond_memory, table):
    X, y = table[0], table[1]["two"]
    model = GDClassifier().fit_blocks(cut(X, y), classes=["no", "perhaps", "yes"])
    assert_array_equal(model.classes_, ["no", "perhaps", "yes"])
    assert set(model.predict(X)) == {"no", "yes"}


def test_a_warm_start_goes_on_from_the_coefficients(beyond_memory, table):
    X, y = table[0], table[1]["two"]
    model = GDClassifier(tol=1e-12, warm_start=True).fit_blocks(cut(X, y))
    coef, first = model.coef_, model.n_passes_
    model.fit_blocks(cut(X, y))
    assert model.n_passes_ <= min(3, first)
    assert_allclose(model.coef_, coef, rtol=1e-6)
    with pytest.raises(ValueError, match="warm_start=True continues from classes"):
        model.fit_blocks(cut(X, table[1]["three"]))


def test_a_validation_set(beyond_memory, table):
    X, y = table[0], table[1]["two"]
    held_out = X[:300], y[:300]
    model = GDClassifier().fit_blocks(cut(X[300:], y[300:]), validation=held_out)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.validation_scores_[-1] == pytest.approx(model.score(*held_out))
    model = GDClassifier(early_stopping=True)
    model.fit_blocks(cut(X[300:], y[300:]), validation=held_out)
    assert model.best_validation_score_ == pytest.approx(model.score(*held_out))
    with pytest.raises(ValueError, match="early_stopping=True is not possible"):
        model.fit_blocks(cut(X, y))
    with pytest.raises(ValueError, match="validation must be a tuple"):
        model.fit_blocks(cut(X, y), validation=(X,))
    with pytest.raises(TypeError, match="cannot be read more than once"):
        model.fit_blocks(cut(X, y), validation=X)


@pytest.mark.one_case
@pytest.mark.parametrize("scoring", [None, "loss"])
@pytest.mark.parametrize(
    ("cls", "loss", "y"),
    [
        (GDClassifier, "log_loss", "two"),
        (GDClassifier, "hinge", "three"),
        (GDRegressor, "squared_error", "pair"),
        (GDRegressor, "poisson", "count"),
        (GDRegressor, "gamma", "size"),
        (GDRegressor, "tweedie", "count"),
    ],
)
def test_validation_blocks_give_the_scores_of_the_same_rows_in_memory(
    beyond_memory, table, cls, loss, y, scoring
):
    X, target = table[0], table[1][y]
    weights = np.random.default_rng(3).integers(0, 3, N).astype(float)
    held_out = X[1200:], target[1200:], weights[1200:]
    model = cls(loss=loss, scoring=scoring, max_iter=3, tol=None)
    blocks = cut(X[:1200], target[:1200])
    reference = model.fit_blocks(blocks, validation=held_out).validation_scores_
    n_passes = model.n_passes_
    source = cut(*held_out[:2], 3, held_out[2])
    model.fit_blocks(blocks, validation=source)
    assert_allclose(model.validation_scores_, reference, rtol=1e-12)
    assert model.n_passes_ == n_passes


def test_early_stopping_on_validation_blocks_is_that_on_the_same_rows(
    beyond_memory, table
):
    X, y = table[0], table[1]["three"]
    params = {"early_stopping": True, "alpha": 1e-8, "class_weight": "balanced"}
    held_out, blocks = (X[:900], y[:900]), cut(X[900:], y[900:])
    reference = GDClassifier(**params).fit_blocks(blocks, validation=held_out)
    model = GDClassifier(**params).fit_blocks(blocks, validation=cut(*held_out, 4))
    assert_array_equal(model.coef_, reference.coef_)
    assert model.stop_reason_ == reference.stop_reason_ == "early_stopping"
    assert model.best_validation_score_ == pytest.approx(model.score(*held_out))


@pytest.mark.parametrize("optimizer", ["lbfgs", "fista"])
def test_early_stopping_by_the_loss_of_validation_blocks_has_the_unit_of_y(
    beyond_memory, table, optimizer
):
    X, y = table[0], 1e4 * table[1]["number"]
    params = {"early_stopping": True, "scoring": "loss", "tol": 1e-3, "alpha": 1e-8}
    held_out, blocks = (X[:900], y[:900]), cut(X[900:], y[900:])
    model = GDRegressor(optimizer=optimizer, n_iter_no_change=2, **params)
    reference = clone(model).fit_blocks(blocks, validation=held_out)
    model.fit_blocks(blocks, validation=cut(*held_out, 4))
    assert model.n_iter_ == reference.n_iter_
    assert_array_equal(model.coef_, reference.coef_)
    assert model.stop_reason_ == "early_stopping"


def test_validation_blocks_that_fit_into_memory_are_read_once(table, monkeypatch):
    X, y = table[0], table[1]["two"]
    frame = pd.DataFrame(X, columns=list("abcdef"))
    n_reads = []

    def held_out():
        n_reads.append(1)
        yield frame[1000:], y[1000:]

    model = GDClassifier(scoring="neg_log_loss")
    model.fit_blocks([(frame[:1000], y[:1000])], validation=held_out)
    assert len(n_reads) == 1
    given = frame[1000:], y[1000:]
    reference = GDClassifier(scoring="neg_log_loss", optimizer="newton")
    reference.fit(frame[:1000], y[:1000], X_val=given[0], y_val=given[1])
    assert_allclose(model.validation_scores_, reference.validation_scores_)


def test_rows_in_memory_are_validated_by_blocks_that_are_not(table, monkeypatch):
    X, y = table[0].copy(), table[1]["two"]
    X[:, 2] = 0.0
    monkeypatch.setattr(description, "SAMPLE_BYTES", 40_000)
    held_out = X[500:], y[500:]
    model = GDClassifier(optimizer="newton")
    model.fit_blocks(cut(X[:500], y[:500], 2), validation=cut(*held_out, 3))
    assert model.n_passes_ == 1
    assert model.validation_scores_[-1] == pytest.approx(model.score(*held_out))


def test_unknown_labels_of_validation_blocks_are_mistakes_without_a_loss(
    beyond_memory, table
):
    X, y = table[0], np.where(table[1]["three"] == 0, "low", "high").astype("<U5")
    rare = y[1000:].copy()
    rare[::7] = "other"
    blocks, held_out = cut(X[:1000], y[:1000]), cut(X[1000:], rare, 3)
    model = GDClassifier().fit_blocks(blocks, validation=held_out)
    assert model.validation_scores_[-1] == pytest.approx(model.score(X[1000:], rare))
    with pytest.raises(ValueError, match="y_val has the label 'other'"):
        GDClassifier(scoring="loss").fit_blocks(blocks, validation=held_out)


def test_validation_blocks_that_do_not_match_are_refused(beyond_memory, table):
    X, y, z = table[0], table[1]["two"], table[1]["number"]
    frame = pd.DataFrame(X, columns=list("abcdef"))
    blocks, swapped = [(frame, y)], [(frame[list("bacdef")], y)]
    with pytest.raises(ValueError, match="column 0 of X is 'b', but 'a'"):
        GDClassifier().fit_blocks(blocks, validation=swapped)
    with pytest.raises(ValueError, match="X has 5 features, but the blocks"):
        GDClassifier().fit_blocks(cut(X, y), validation=cut(X[:, :5], y))
    with pytest.raises(ValueError, match="strings and numbers are never equal"):
        GDClassifier().fit_blocks(cut(X, y), validation=cut(X, z > 0.0))
    with pytest.raises(ValueError, match="scoring='accuracy' needs all validation"):
        GDClassifier(scoring="accuracy").fit_blocks(cut(X, y), validation=cut(X, y))
    with pytest.raises(ValueError, match=r"y_val has shape \(2000, 2\)"):
        pair = np.c_[z, z]
        GDRegressor().fit_blocks(cut(X, z), validation=cut(X, pair))
    with pytest.raises(ValueError, match="y_val are out of the valid range"):
        model = GDRegressor("poisson")
        model.fit_blocks(cut(X, table[1]["count"]), validation=cut(X, z))
    with pytest.warns(UserWarning, match="X_val looks nothing like X"):
        GDClassifier().fit_blocks(cut(X, y), validation=cut(X + 1e3, y))


def test_a_checkpoint_holds_the_passes_over_validation_blocks(
    beyond_memory, table, tmp_path
):
    X, y = table[0], table[1]["two"]
    blocks, held_out = cut(X[900:], y[900:]), cut(X[:900], y[:900], 3)
    n_reads = []

    def counted():
        n_reads.append(1)
        yield from held_out

    model = GDClassifier().fit_blocks(blocks, validation=held_out, checkpoint=tmp_path)
    again = GDClassifier().fit_blocks(blocks, validation=counted, checkpoint=tmp_path)
    assert again.n_passes_ == len(n_reads) == 1
    assert again.validation_scores_ == model.validation_scores_
    changed = cut(X[:900] + 1e-9, y[:900], 3)
    with pytest.raises(RuntimeError, match="have changed since checkpoint="):
        GDClassifier().fit_blocks(blocks, validation=changed, checkpoint=tmp_path)


def unaligned(a):
    """A read-only copy at an odd address."""
    raw = bytearray(a.nbytes + 1)
    out = np.frombuffer(raw, dtype=a.dtype, count=a.size, offset=1).reshape(a.shape)
    out[...] = a
    out.flags.writeable = False
    return out


@pytest.mark.parametrize(
    "loss",
    ["squared_error", pytest.param("absolute_error", marks=pytest.mark.exhaustive)],
)
def test_read_only_and_unaligned_arrays(beyond_memory, table, loss):
    X, y = table[0], table[1]["number"]
    weights, offset = np.arange(N) % 3 + 1.0, np.arange(N) / N
    model = GDRegressor(loss)
    reference = model.fit_blocks([(X, y, weights, offset)]).coef_
    moved = tuple(map(unaligned, (X, y, weights, offset)))
    assert_array_equal(model.fit_blocks([moved]).coef_, reference)
    S = sparse(X)
    reference = model.fit_blocks([(S, y)]).coef_
    for name in "data", "indices", "indptr":
        setattr(S, name, unaligned(getattr(S, name)))
    assert_array_equal(model.fit_blocks([(S, y)]).coef_, reference)


def test_a_source_may_use_its_arrays_again(table):
    X, y = table[0], table[1]["two"]

    def reused():
        rows, labels = np.empty((N // 4, D)), np.empty(N // 4, dtype=y.dtype)
        for start in range(0, N, N // 4):
            rows[...] = X[start : start + N // 4]
            labels[...] = y[start : start + N // 4]
            yield rows.copy(), labels.copy()

    model = GDClassifier(optimizer="newton").fit_blocks(reused)
    reference = GDClassifier(optimizer="newton").fit(X, y)
    assert_allclose(model.coef_, reference.coef_, rtol=1e-10)


def test_float32_and_names_of_columns(beyond_memory, table):
    X, y = table[0].astype(np.float32), table[1]["two"]
    names = [f"x{j}" for j in range(D)]
    frames = [(pd.DataFrame(block.X, columns=names), block.y) for block in cut(X, y, 4)]
    model = GDClassifier().fit_blocks(frames)
    assert model.coef_.dtype == np.float32
    assert_array_equal(model.feature_names_in_, names)
    assert model.predict(frames[0][0]).shape == (500,)


def test_columns_without_information(beyond_memory, table):
    X, y = table[0].copy(), table[1]["two"]
    X[:, 1], X[:, 3] = 0.0, 1e9
    X[:, 4] = X[:, 0]
    model = GDClassifier(penalty=None, tol=1e-10).fit_blocks(cut(X, y))
    assert not model.coef_[:, [1, 3]].any()
    assert_allclose(model.coef_[:, 4], model.coef_[:, 0], rtol=1e-6)


def test_partial_fit_goes_on_from_the_result(beyond_memory, table):
    X, y = table[0], table[1]["two"]
    model = GDClassifier().fit_blocks(cut(X, y))
    before = model.score(X, y)
    assert model.partial_fit(X[:50], y[:50]).score(X, y) > before - 0.05


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "svrg", "point_saga", "online"])
def test_other_optimizers_are_sent_to_partial_fit(table, optimizer):
    X, y = table[0], table[1]["number"]
    with pytest.raises(ValueError, match="partial_fit_blocks"):
        GDRegressor(optimizer=optimizer).fit_blocks(cut(X, y))


def test_what_else_is_refused(table):
    X, y = table[0], table[1]["two"]
    with pytest.raises(ValueError, match=r"learning_rate=0.1 is not possible"):
        GDClassifier(learning_rate=0.1).fit_blocks(cut(X, y))
    with pytest.raises(ValueError, match="batch_size=32 is not possible with fit_bl"):
        GDClassifier(batch_size=32).fit_blocks([(X, y)])
    with pytest.raises(ValueError, match="loss='perceptron' is not possible"):
        GDClassifier(loss="perceptron").fit_blocks(cut(X, y))
    with pytest.raises(ValueError, match="only one class"):
        GDClassifier().fit_blocks(cut(X[y == "no"], y[y == "no"]))
    with pytest.raises(ValueError, match="no rows"):
        GDClassifier().fit_blocks(cut(X[:0], y[:0]))
    with pytest.raises(TypeError, match="more than once"):
        GDClassifier().fit_blocks(iter([(X, y)]))
    with pytest.raises(ValueError, match="takes no offsets"):
        GDClassifier().fit_blocks([(X, y, None, np.zeros(N))])
    with pytest.raises(ValueError, match="same form in all blocks"):
        GDClassifier().fit_blocks([(X, y), (sp.csr_array(X), y)])
    collection = SimpleNamespace(__dask_graph__=dict)
    with pytest.raises(TypeError, match=r"Pass sklgd\.dask\.from_dask"):
        GDClassifier().fit_blocks(collection)


def test_an_error_says_where_it_happened(beyond_memory, table):
    X, y = table[0].copy(), table[1]["three"]
    source = cut(X, y, n_blocks=2, n_parts=2)
    with pytest.raises(ValueError, match="label 2, which is not among") as caught:
        GDClassifier().fit_blocks(source, classes=[0, 1])
    assert "part 0" in caught.value.__notes__[0]
    X[1203, 2] = np.nan
    with pytest.raises(ValueError, match="nan in row 203, column 2") as caught:
        GDClassifier().fit_blocks(cut(X, y, n_blocks=2, n_parts=2))
    assert "block 0 of part 1" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="row 203, column 2"):
        GDClassifier().fit_blocks(cut(sp.csr_array(X), y, n_blocks=2, n_parts=2))
    with pytest.raises(ValueError, match="must be at least 0"):
        GDRegressor(loss="poisson").fit_blocks(cut(table[0], table[1]["number"] - 9.0))


def test_a_source_that_changes_is_refused_and_the_model_stays(beyond_memory, table):
    X, y = table[0], table[1]["two"]
    model = GDClassifier().fit_blocks(cut(X, y))
    coef, passes = model.coef_, []

    def growing():
        passes.append(1)
        yield X[: N - 10 + len(passes)], y[: N - 10 + len(passes)]

    with pytest.raises(RuntimeError, match="changed between two passes"):
        model.fit_blocks(growing)
    assert model.coef_ is coef


def test_a_part_that_fails_once_is_read_again(beyond_memory, monkeypatch, table):
    monkeypatch.setattr("sklgd.blocks._source.PAUSE", 0.0)
    X, y = table[0], table[1]["two"]
    failures = []

    def unreliable():
        for number, block in enumerate(cut(X, y, 5)):
            if number == 3 and len(failures) < 2:
                failures.append(1)
                raise OSError("the network is down")
            yield tuple(block[:2])

    model = GDClassifier().fit_blocks(unreliable)
    assert len(failures) == 2
    assert_array_equal(model.coef_, GDClassifier().fit_blocks(cut(X, y, 5)).coef_)


def test_ctrl_c_keeps_the_best_coefficients(beyond_memory, table):
    X, y = table[0], table[1]["three"]
    passes = []

    def interrupted():
        passes.append(1)
        if len(passes) == 4:
            raise KeyboardInterrupt
        yield X, y

    model = GDClassifier(tol=1e-13)
    with pytest.raises(KeyboardInterrupt):
        model.fit_blocks(interrupted)
    assert model.stop_reason_ == "interrupted"
    assert model.n_passes_ == 4
    assert model.score(X, y) > 0.5


@pytest.mark.one_case
@pytest.mark.parametrize(
    "params",
    [
        {"alpha": 1e-3},
        {"loss": "hinge"},
        {"optimizer": "lbfgs"},
        {"optimizer": "fista"},
    ],
)
def test_a_checkpoint_goes_on_with_the_same_bits(
    beyond_memory, table, tmp_path, params
):
    X, y = table[0], table[1]["three"]
    model = GDClassifier(**params).fit_blocks(cut(X, y))
    passes = []

    def interrupted():
        passes.append(1)
        if len(passes) == 5:
            raise KeyboardInterrupt
        for block in cut(X, y):
            yield tuple(block[:2])

    other = GDClassifier(**params)
    with pytest.raises(KeyboardInterrupt):
        other.fit_blocks(interrupted, checkpoint=tmp_path)
    assert other.stop_reason_ == "interrupted" or not hasattr(other, "coef_")
    again = GDClassifier(n_jobs=2, **params)
    again.fit_blocks(interrupted, checkpoint=tmp_path)
    assert_array_equal(again.coef_, model.coef_)
    assert again.loss_curve_ == model.loss_curve_
    # (The first pass is made again, and three need not be.)
    assert again.n_passes_ == model.n_passes_ - 3
    assert again.fit_blocks(interrupted, checkpoint=tmp_path).n_passes_ == 1


def test_a_checkpoint_of_another_fit_is_refused(beyond_memory, table, tmp_path):
    X, y = table[0], table[1]["two"]
    GDClassifier().fit_blocks(cut(X, y), checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"another fit, with alpha='auto' in place of"):
        GDClassifier(alpha=1.0).fit_blocks(cut(X, y), checkpoint=tmp_path)
    changed = X.copy()
    changed[777, 3] += 1e-9
    with pytest.raises(RuntimeError, match="have changed since checkpoint="):
        GDClassifier().fit_blocks(cut(changed, y), checkpoint=tmp_path)


KILLED = """
import os, signal, sys
import sklgd._fit.description as description
from sklgd import GDClassifier
from sklgd.blocks import Blocks, read_npy

description.SAMPLE_BYTES, description.TARGET_BYTES = 12_000, 2_000
folder, n_reads = sys.argv[1], []
rows = read_npy(f"{folder}/X.npy", f"{folder}/y.npy", rows=300)

def deadly():
    n_reads.append(1)
    for number, block in enumerate(rows):
        if len(n_reads) == 4 and number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        yield tuple(block[:2])

GDClassifier(tol=1e-10).fit_blocks(deadly, checkpoint=f"{folder}/checkpoint")
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_a_process_that_is_killed_is_continued_by_another(
    beyond_memory, table, tmp_path
):
    X, y = table[0], table[1]["two"]
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert done.returncode == -signal.SIGKILL
    blocks = read_npy(tmp_path / "X.npy", tmp_path / "y.npy", rows=300)
    reference = GDClassifier(tol=1e-10).fit_blocks(blocks)
    model, passes = GDClassifier(tol=1e-10), tmp_path / "checkpoint"
    model.fit_blocks(blocks, checkpoint=passes)
    assert_array_equal(model.coef_, reference.coef_)
    assert model.loss_curve_ == reference.loss_curve_
    # (Two of the passes after the first one were stored.)
    assert model.n_passes_ == reference.n_passes_ - 2
    X[777, 3] += 1e-9
    np.save(tmp_path / "X.npy", X)
    with pytest.raises(RuntimeError, match="have changed since checkpoint="):
        model.fit_blocks(blocks, checkpoint=passes)


def test_each_pass_is_logged(beyond_memory, table, caplog):
    X, y = table[0], table[1]["two"]
    with caplog.at_level(logging.INFO, logger="sklgd"):
        model = GDClassifier(verbose=1).fit_blocks(cut(X, y))
    lines = [line for line in caplog.messages if line.startswith("pass ")]
    assert len(lines) == model.n_passes_
    assert "7 blocks, 2000 rows, " in lines[0]
    assert "slowest part 0 with " in lines[0]
    caplog.clear()
    delays = iter([0.2])

    def slow_at_first():
        time.sleep(next(delays, 0.0))
        return iter(cut(X, y))

    with caplog.at_level(logging.INFO, logger="sklgd"):
        model.fit_blocks(slow_at_first)
    total = re.search(r"epoch\(s\) and (\S+) s:", caplog.messages[-1])
    assert float(total[1]) >= 0.2
    with caplog.at_level(logging.INFO, logger="sklgd"):
        model.fit_blocks(cut(X, y), validation=cut(X, y, 3))
    lines = [line for line in caplog.messages if line.startswith("validation pass ")]
    assert len(lines) == 1 + model.n_iter_


MEMORY = """
import resource
import numpy as np
import sklgd._fit.description as description
from sklgd import GDClassifier

description.SAMPLE_BYTES = 2**23
X = np.random.default_rng(0).normal(size=(10_000, 50)).astype(np.float32)
y = X[:, 0] > np.random.default_rng(1).normal(size=len(X))

def blocks():
    for k in range(80):
        yield X + np.float32(0.01 * (k % 5)), y

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
GDClassifier().fit_blocks(blocks)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.exhaustive
def test_memory_holds_some_blocks_and_the_rows_that_are_kept():
    pytest.importorskip("resource")
    out = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )
    # (The blocks are 160 MB together.)
    assert float(out.stdout) < 80.0


def test_no_warning_of_convergence(beyond_memory, table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GDClassifier().fit_blocks(cut(table[0], table[1]["two"]))


def test_integer_labels_keep_their_values(table):
    X, y = table[0], table[1]["three"] + 7
    model = GDClassifier().fit_blocks(cut(X, y))
    assert_array_equal(model.classes_, [7, 8, 9])
    assert np.mean(model.predict(X) == y) > 0.6


@pytest.mark.one_case
@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_each_pass_over_rows_that_are_merged_counts_them(beyond_memory, table, loss):
    model = GDRegressor(loss, alpha=0.01).fit_blocks(cut(table[0], table[1]["number"]))
    # The first pass describes the rows.
    assert model.t_ == 1 + (model.n_passes_ - 1) * N


def test_a_parameter_without_effect_on_blocks_is_warned_of(table):
    model = GDRegressor(power_t=0.3)
    with pytest.warns(UserWarning, match="power_t has no effect"):
        model.fit_blocks(cut(table[0], table[1]["number"]))


def test_a_part_sends_four_times_its_share_of_the_rows_that_are_kept():
    sample = description.SpacedRows((np.arange(1000.0),), 8000)
    targets = description.SpacedRows((np.arange(1000.0),), 16_000)
    part = SimpleNamespace(sample=sample, targets=targets)
    description.Description.reduce(part, 16)
    assert 1000 < sample.n_bytes <= 2000 and 2000 < targets.n_bytes <= 4000
