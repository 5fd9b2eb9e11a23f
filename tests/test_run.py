"""Parts of a run that its results hardly show: weights, means, units, patience."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from sklearn.datasets import load_iris

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.feature_scaling import curvature_moments
from sklgd._fit.loop import Run
from sklgd._fit.monitor import Monitor
from sklgd._fit.statistics import Statistics
from sklgd._solvers import newton, rules
from sklgd._solvers.curved_rows import curved, trim
from sklgd._solvers.metrics import Diagonal, Factored
from sklgd._solvers.truncated import left_after
from sklgd._solvers.variance_reduced import Preconditioner, largest_row
from sklgd.kernels._engine import Descent
from sklgd.kernels._problem import Problem
from sklgd.kernels._rows import Rows
from sklgd.losses import LOSSES, SquaredError, Tweedie
from sklgd.optimizers import OPTIMIZERS


class Begun(Exception):
    """Raised in place of the first epoch."""


@pytest.fixture
def begin(monkeypatch):
    """A function that gives the run of a fit before its first epoch."""

    def stop(run):
        raise Begun(run)

    def begin(model, *args, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr(Run, "run", stop)
            with pytest.raises(Begun) as begun:
                model.fit(*args, **kwargs)
        return begun.value.args[0]

    return begin


# ------------------------------------------------------------------ weights and units


def test_the_unit_of_weight_is_the_mean_over_the_rows_that_are_learnt(begin):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.normal(size=60)
    weights = rng.exponential(size=60)
    model = GDRegressor(early_stopping=True, random_state=0)
    data = begin(model, X, y, sample_weight=weights).training.data
    assert not data.everything
    assert data.weights[data.rows].mean() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_constants_and_sizes_of_weighted_rows_are_those_of_repeated_rows(
    name, n_outputs
):
    loss = LOSSES[name]()
    rng = np.random.default_rng(0)
    counts = np.array([2, 1, 5, 1, 3, 1])
    if loss.task == "regression":
        y = np.abs(rng.normal(size=(6, n_outputs))) + 0.1
    else:
        y = (
            np.array([0.0, 1, 1, 0, 2, 1])
            if n_outputs > 1
            else rng.choice([-1.0, 1], 6)
        )
    again, ones = np.repeat(y, counts, axis=0), np.ones(6)
    constant = loss.fit_intercept_only(y, counts.astype(float), n_outputs)
    np.testing.assert_allclose(
        constant, loss.fit_intercept_only(again, None, n_outputs), rtol=1e-12
    )
    weighted = loss.natural_scale(y, counts.astype(float), constant)
    repeated = loss.natural_scale(again, None, constant)
    for ours, expected in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12)
    np.testing.assert_array_equal(
        loss.fit_intercept_only(y, ones, n_outputs),
        loss.fit_intercept_only(y, None, n_outputs),
    )


@pytest.mark.parametrize("name", ["absolute_error", "quantile"])
def test_half_of_the_weight_is_enough_for_the_median(name):
    """The first of the minimisers, with weights as with repetitions."""
    y = np.array([1.0, 2.0, 3.0])
    loss = LOSSES[name]()
    assert loss.fit_intercept_only(y, np.array([2.0, 1.0, 1.0])) == 1.0
    assert loss.fit_intercept_only(np.array([1.0, 1.0, 2.0, 3.0]), None) == 1.0


def test_the_products_of_weighted_softmax_rows_are_those_of_repeated_rows(rng):
    loss, counts = LOSSES["log_loss"](), np.array([1, 4, 2, 3])
    X, y = rng.normal(size=(4, 2)), np.array([0.0, 1.0, 2.0, 1.0])
    W, P = rng.normal(size=(2, 3, 3))
    products = []
    for rows, weights in (
        (np.arange(4), counts / counts.mean()),
        (np.repeat(np.arange(4), counts), None),
    ):
        problem = Problem(Rows(X[rows]), y[rows], weights, loss, 3, True)
        products.append(np.empty((3, 3)))
        problem.hessian_product(loss, W, P, products[-1])
    np.testing.assert_allclose(*products, rtol=1e-10)


@pytest.mark.parametrize("name", ["squared_error", "log_loss"])
def test_products_without_an_intercept_have_nothing_in_its_row(name, rng):
    X, y = rng.normal(size=(8, 2)), rng.choice([-1.0, 1.0], 8)
    loss, P = LOSSES[name](), rng.normal(size=(3, 1))
    P[-1] = 0.0
    problem = Problem(Rows(X), y, None, loss, 1, False)
    product = np.full((3, 1), np.nan)
    problem.hessian_product(loss, np.zeros((3, 1)), P, product)
    assert product[-1] == 0.0
    h = problem.curvatures(loss, np.zeros((8, 1)))
    np.testing.assert_allclose(product[:-1], X.T @ (h * (X @ P[:-1])) / 8, rtol=1e-10)


def test_the_largest_row_is_that_of_the_largest_weight(begin):
    X = np.array([[1.0], [2.0], [3.0]])
    weights = np.array([30.0, 1.0, 1.0])
    model = GDRegressor(fit_intercept=False)
    data = begin(model, X, X[:, 0], sample_weight=weights).training.data
    sizes = np.ones(1)
    expected = (data.weights * X[:, 0] ** 2).max()
    assert largest_row(data, Preconditioner(sizes[:, None]), sizes) == expected


def test_rows_of_little_weight_are_not_among_those_that_make_the_curvature():
    p = np.full((3, 2), 0.5)
    assert curved(p, np.array([1.0, 1e-12, 1.0])).tolist() == [0, 2]
    assert curved(p, None).tolist() == [0, 1, 2]


def test_small_second_derivatives_are_trimmed_in_each_output():
    h = np.array([[1e-4, 1.0, 0.0], [1.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
    assert trim(h) == 5 / 9
    assert h.T.tolist() == [[0.0, 1.0, 2.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]


# --------------------------------------------------------------------- steps of softmax


def test_softmax_starts_with_the_second_derivatives_of_the_constant_model(begin, rng):
    X, y = rng.normal(size=(100, 3)), np.repeat([0, 1, 2], [60, 39, 1])
    run = begin(GDClassifier(optimizer="newton", alpha=1e-12), X, y).training
    metric = run.hessians.bound(run.loss, run.lines.block)
    p = np.array([0.6, 0.39, 0.01])
    moments = np.cov(X.T, bias=True) / np.outer(X.std(axis=0), X.std(axis=0))
    moments = np.pad(moments, (0, 1)) + np.diag([0.0, 0.0, 0.0, 1.0])
    mean = (p * (1.0 - p)).mean()
    shares = np.maximum(p * (1.0 - p) / mean, 0.3)
    g = rng.normal(size=(4, 3))
    expected = np.linalg.solve(mean * moments, g) / shares
    ratios = metric.solve(g.copy())[:3] / expected[:3]
    np.testing.assert_allclose(ratios / ratios[0, 0], 1.0, rtol=1e-6)


def test_the_gain_of_a_step_of_conjugate_gradients_tells_what_it_leaves():
    matrix = Factored([np.eye(2)], False)

    def left(gain, metric=matrix, few_rows=False):
        run = SimpleNamespace(model=(1.0, 0.01), metric=metric)
        run.hessians = SimpleNamespace(few_rows=few_rows)
        return left_after(run, gain)

    assert left(1.0) == pytest.approx(3 * 0.01)
    assert left(0.97) == left(1.03) == pytest.approx(3 * 0.01 + 8 * 0.03)
    assert left(0.9) == left(1.1) == left(1.0, Diagonal()) == math.inf
    assert left(1.0, few_rows=True) == math.inf


# ------------------------------------------------------------------- negative curvature


@pytest.mark.parametrize("power", [0.0, 1.5, 3.0])
def test_curvatures_below_zero_count_as_zero(power, rng):
    loss, y = Tweedie(power), rng.exponential(size=40) + 0.1
    X, z = rng.normal(size=(40, 2)), rng.normal(size=(40, 1))
    problem = Problem(Rows(X), y, None, loss, 1, True)
    h = reference.LOSSES["tweedie"].curvature(y[:, None], z, power=power)
    assert (h.min() < 0.0) == (power != 1.5)
    h = np.maximum(h, 0.0)
    np.testing.assert_allclose(problem.curvatures(loss, z), h, rtol=1e-10)
    p, product = rng.normal(size=(3, 1)), np.empty((3, 1))
    problem.hessian_product(loss, np.zeros((3, 1)), p, product, z)
    X1 = np.column_stack([X, np.ones(40)])
    np.testing.assert_allclose(product, X1.T @ (h * (X1 @ p)) / 40, rtol=1e-10)


def test_a_rotated_metric_takes_curvatures_below_zero_as_zero(begin, rng):
    X = rng.normal(size=(50, 2))
    y = rng.exponential(size=50) + 0.1
    model = GDRegressor("tweedie", power=0.0, optimizer="sgd", batch_size="full")
    training = begin(model, X, y).training
    state, data = training.state, training.data
    coef = np.array([[0.5], [0.5], [-3.0]])
    statistics = Statistics.of(data, data.fit_intercept_only())
    z = X @ coef[:-1] + coef[-1]
    assert data.loss.curvature(data.target, z).min() < 0.0
    moments = curvature_moments(data, state.plan.scaling, statistics, coef, 1e-3)
    assert (np.linalg.eigvalsh(moments[0]) > 0.0).all()


# --------------------------------------------------------------- means of the iterates


@pytest.mark.parametrize("by_features", [False, True])
@pytest.mark.parametrize("kept", ["average", "mean"])
def test_what_is_kept_is_the_mean_of_exactly_the_steps_asked_for(kept, by_features):
    """In units of the metric for the mean, and of X for the average."""
    rng = np.random.default_rng(0)
    X = sp.random_array((40, 6), density=0.3, rng=rng, format="csr")
    y, scale = rng.normal(size=40), rng.uniform(0.5, 2.0, size=(7, 1))
    problem = Problem(Rows(X), y, None, SquaredError(), 1, True)
    etas, zeros = np.full(10, 0.1), np.zeros((7, 1))

    def descent(**options):
        coef, position = np.zeros((7, 1)), np.zeros((7, 1))
        rule = OPTIMIZERS["adam"]().make_rule(position, zeros, zeros)
        run = Descent(
            problem, rule, coef, position, scale=scale, gradient_scale=scale, **options
        )
        return run, coef, position

    single, coef, position = descent()
    path = []
    for step in range(10):
        single.run(None, etas[:1], 4, 4 * step, 0)
        path.append((coef if kept == "average" else position).copy())
    # What the mean of another epoch was does not count.
    mean = np.full((7, 1), np.nan if kept == "mean" else 0.0)
    whole, *_ = descent(by_features=by_features, **{kept: mean})
    first = {"average_from": 0, "mean_from": 0} | {f"{kept}_from": 3}
    whole.run(None, etas, 4, 0, **first)
    np.testing.assert_allclose(mean, np.mean(path[3:], axis=0), rtol=1e-10)


class Spied:
    """A compiled loop that notes the learning rates and where the mean starts."""

    def __init__(self, descent, calls):
        vars(self).update(descent=descent, calls=calls)

    def __getattr__(self, name):
        return getattr(self.descent, name)

    def __setattr__(self, name, value):
        setattr(self.descent, name, value)

    def run(self, order, etas, rows, start, average_from, mean_from, **how):
        self.calls.append((etas.copy(), mean_from))
        self.descent.run(order, etas, rows, start, average_from, mean_from, **how)


@pytest.fixture
def calls(monkeypatch):
    """What `Spied` notes of the calls of the compiled loop."""
    noted, descend = [], rules.descend

    def spied(*args, **kwargs):
        return Spied(descend(*args, **kwargs), noted)

    monkeypatch.setattr(rules, "descend", spied)
    return noted


def test_the_mean_of_an_epoch_is_that_of_its_second_half(calls, rng):
    X = rng.normal(size=(80, 3))
    GDRegressor(optimizer="adam", batch_size=8, max_iter=1, tol=None).fit(X, X[:, 0])
    assert [(len(etas), mean_from) for etas, mean_from in calls] == [(10, 5)]


def test_the_mean_of_an_epoch_is_taken_only_where_it_is_better(begin, rng):
    X, y = rng.normal(size=(80, 3)), rng.normal(size=80)
    training = begin(GDRegressor(optimizer="adam", batch_size=8), X, y).training
    training.epoch()
    last, coef = training.objective(), training.state.coef.copy()
    training.mean[...] = 100.0
    assert training.finish_epoch() == last
    np.testing.assert_array_equal(training.state.coef, coef)


def test_the_learning_rate_found_for_a_stream_falls_with_its_steps(calls, rng):
    """As 1/sqrt(t), where each call brings other rows."""
    X = rng.normal(size=(2000, 3))
    model = GDRegressor(optimizer="sgd", batch_size=1, random_state=0)
    for rows in (X[:1000], X[1000:]):
        model.partial_fit(rows, rows[:, 0])
    (first, _), (second, _) = calls
    assert first[-1] == first[0]
    t = np.arange(1001.0, 2001.0)
    np.testing.assert_allclose(
        second / second[0], np.sqrt((1.0 + t[0] / 1000) / (1.0 + t / 1000)), rtol=1e-12
    )


# ---------------------------------------------------------------------- how a run ends


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_barrier_of_a_loss_with_two_jumps_hides_twice_as_much(n_outputs, begin):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2)), rng.normal(size=(30, n_outputs))
    for loss, n_jumps in (("epsilon_insensitive", 2), ("absolute_error", 1)):
        model = GDRegressor(loss, optimizer="newton")
        training = begin(model, X, y if n_outputs > 1 else y[:, 0]).training
        run = training.runs[0] if n_outputs > 1 else training
        assert run.barrier_gap() == run.barrier_weight * n_jumps


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_so_many_epochs_without_improvement_end_a_run(patience):
    monitor = Monitor(
        tol=1e-3, n_iter_no_change=patience, null=1.0, unit=1.0, start=1.0,
        degenerate=False, patient=False, early_stopping=False,
    )  # fmt: skip
    assert not monitor.record(0.5, None, (0.1, 0.1))
    stalled = [monitor.record(0.5, None, (0.1, 0.1)) for _ in range(patience)]
    assert stalled == [False] * (patience - 1) + [True]


def test_figures_that_replace_those_of_the_last_epoch_count_for_the_best_score():
    monitor = Monitor(
        tol=None, n_iter_no_change=5, null=1.0, unit=1.0, start=1.0, degenerate=False,
        patient=False, early_stopping=False,
    )  # fmt: skip
    monitor.loss_curve.append(np.inf)
    monitor.amend(0.5, 0.7)
    assert monitor.loss_curve == [0.5]
    assert monitor.validation_scores == [0.7]
    assert monitor.best_score == 0.7


def test_of_epochs_with_one_score_that_with_the_least_loss_is_kept():
    """A label that is wrong: the accuracy stays, the loss falls and rises again."""
    rng = np.random.default_rng(0)
    X = np.sign(rng.normal(size=(40, 1)))
    X_val, y_val = np.array([[1.0], [-1.0], [1.0]]), np.array([True, False, False])
    sides = np.where(y_val, 1.0, -1.0) * X_val[:, 0]
    model = GDClassifier(
        optimizer="sgd", batch_size="full", learning_rate=0.5, penalty=None, tol=None,
        fit_intercept=False,
    )  # fmt: skip
    losses = []
    for max_iter in range(1, 31):
        model.set_params(max_iter=max_iter).fit(X, X[:, 0] > 0)
        losses.append(np.logaddexp(0.0, -sides * model.coef_).sum())
        assert model.score(X_val, y_val) == pytest.approx(2 / 3)
    assert 0 < np.argmin(losses) < 29
    model.set_params(early_stopping=True, tol=0.0, n_iter_no_change=50)
    kept = model.fit(X, X[:, 0] > 0, X_val=X_val, y_val=y_val)
    loss = np.logaddexp(0.0, -sides * kept.coef_).sum()
    assert loss == pytest.approx(min(losses), rel=1e-12)


def test_going_back_translates_the_position_into_a_renewed_rotation(begin):
    """The coefficients of a snapshot are kept; the coordinates have changed since."""
    X, y = load_iris(return_X_y=True)
    model = GDClassifier(optimizer="sgd", batch_size="full")
    run = begin(model, X, y)
    training, state = run.training, run.training.state
    training.epoch()
    snapshot = training.snapshot()
    training.epoch()
    training.renew(run.settings)
    training.restore(snapshot)
    np.testing.assert_array_equal(state.coef, snapshot[0])
    np.testing.assert_allclose(
        state.position, state.plan.scaling.to_scaled(state.coef), rtol=1e-12
    )


@pytest.mark.parametrize("optimizer", ["saga", "point_saga", "svrg"])
def test_going_back_fills_the_table_of_slopes_again(optimizer, begin, rng):
    X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    model = GDRegressor(optimizer=optimizer, shuffle=False)
    training = begin(model, X, y).training
    start = training.snapshot()
    training.epoch()
    once = training.state.coef.copy()
    training.epoch()
    training.restore(start)
    training.epoch()
    np.testing.assert_allclose(training.state.coef, once, rtol=1e-12)


def test_a_hessian_that_promises_far_too_little_is_not_trusted(begin, monkeypatch):
    X, y = load_iris(return_X_y=True)
    training = begin(GDClassifier(optimizer="newton"), X, y).training
    training.epoch()
    monkeypatch.setattr(newton, "TRUST", 1e-9)
    training.epoch()
    assert not training.trusted


@pytest.mark.parametrize("optimizer", ["newton", "lbfgs"])
def test_directions_of_softmax_have_no_part_that_all_classes_share(optimizer, begin):
    X, y = load_iris(return_X_y=True)
    training = begin(GDClassifier(optimizer=optimizer), X, y).training
    direction = training.apply(training.gradient + 1.0)
    assert np.abs(direction).max() > 1e-3
    assert np.abs(direction.mean(axis=1)).max() < 1e-12


def test_the_softmax_hessian_of_a_fit_counts_its_weights(begin, rng):
    X, y = rng.normal(size=(9, 2)), np.arange(9) % 3
    model, weights = GDClassifier(optimizer="newton"), rng.exponential(size=9)
    training = begin(model, X, y, sample_weight=weights).training
    p = rng.dirichlet(np.ones(3), size=9)
    found = training.problem.softmax_hessian(p, np.arange(9), np.zeros(2))
    X1, s = np.column_stack([X, np.ones(9)]), weights / weights.mean()
    blocks = np.einsum("ik,kl->ikl", p, np.eye(3)) - np.einsum("ik,il->ikl", p, p)
    expected = np.einsum("i,ij,ikl,im->jkml", s, X1, blocks, X1).reshape(9, 9)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_tol_is_relative_to_what_was_gained_over_the_constant_model():
    monitor = Monitor(
        tol=1e-3, n_iter_no_change=1, null=1000.0, unit=1.0, start=1000.0,
        degenerate=False, patient=False, early_stopping=False,
    )  # fmt: skip
    assert not monitor.record(999.0, None, (0.1, 0.1))
    assert not monitor.record(998.99, None, (0.1, 0.1))
    assert monitor.record(998.9895, None, (0.1, 0.1))


def test_a_chunk_of_small_targets_is_judged_by_the_unit_of_the_stream():
    """One row whose target is the mean of large ones is no divergence."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2))
    model = GDRegressor(optimizer="sgd", learning_rate=0.01, random_state=0)
    model.partial_fit(X, 1e6 * (X[:, 0] + 0.1 * rng.normal(size=100)))
    model.partial_fit(X[:1], np.zeros(1))
    assert model.stop_reason_ == "partial_fit"
