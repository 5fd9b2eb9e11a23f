"""Penalties: values, proximal steps and derivatives, and a penalty of a user."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import scale

from sklgd import GDClassifier, GDRegressor, GDRegressorCV, path, to_sklearn
from sklgd._fit.objective import Objective
from sklgd.optimizers import OPTIMIZERS
from sklgd.penalties import PENALTIES, ElasticNet, Penalty

POINTS = np.array([-3.0, -1.0, -0.2, 0.0, 0.1, 0.5, 2.0])


class OneSided(Penalty):
    """alpha |w|, and so many times that where w is negative."""

    def __init__(self, alpha, ratio):
        self.right, self.left = alpha, alpha * ratio

    def terms(self, w):
        return np.where(w > 0.0, self.right * w, -self.left * w)

    def prox(self, w, step):
        return np.maximum(w - self.right * step, 0.0) + np.minimum(
            w + self.left * step, 0.0
        )

    def derivative(self, w, direction):
        right = (w > 0.0) | ((w == 0.0) & (direction > 0.0))
        return float((np.where(right, self.right, -self.left) * direction).sum())


@pytest.fixture
def one_sided(monkeypatch):
    """Register the penalty for one test."""
    monkeypatch.setitem(PENALTIES, "one_sided", lambda a, ratio: OneSided(a, 5.0))


PENALTY_OBJECTS = [
    *(make(0.3, 0.4) for make in PENALTIES.values()),
    OneSided(0.2, 3.0),
]


def without_ridge(penalty, w):
    return penalty.terms(w) - 0.5 * penalty.l2 * w**2


@pytest.mark.parametrize("penalty", PENALTY_OBJECTS, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("step", [0.0, 0.5, 4.0])
def test_the_proximal_step_minimises_what_it_is_defined_to(penalty, step):
    found = penalty.prox(POINTS, step)
    for w, v in zip(POINTS, found, strict=True):

        def cost(v, w=w):
            return step * without_ridge(penalty, np.array([v]))[0] + 0.5 * (v - w) ** 2

        best = minimize_scalar(cost, bounds=(-4.0, 4.0), options={"xatol": 1e-10})
        assert cost(v) <= best.fun + 1e-12


@pytest.mark.parametrize("penalty", PENALTY_OBJECTS, ids=lambda p: type(p).__name__)
def test_the_proximal_step_in_other_coordinates_is_that_of_scaled_coefficients(
    penalty, rng
):
    size = np.vstack([rng.uniform(0.1, 5.0, (6, 2)), [[2.0, 3.0]]])
    size[1, 0] = 0.0
    u, step = rng.normal(size=(7, 2)), 0.7
    found = penalty.prox_in(size)(u, step)
    np.testing.assert_array_equal(found[-1], u[-1])
    assert found[1, 0] == u[1, 0]
    for value, s, start in zip(found[2:6, 0], size[2:6, 0], u[2:6, 0], strict=True):

        def cost(v, s=s, start=start):
            R = without_ridge(penalty, np.array([s * v]))[0]
            return step * R + 0.5 * (v - start) ** 2

        best = minimize_scalar(cost, bounds=(-6.0, 6.0), options={"xatol": 1e-10})
        assert cost(value) <= best.fun + 1e-12


@pytest.mark.parametrize("penalty", PENALTY_OBJECTS, ids=lambda p: type(p).__name__)
def test_the_derivative_is_the_limit_of_differences(penalty, rng):
    direction, t = rng.normal(size=len(POINTS)), 1e-7
    before, after = (
        without_ridge(penalty, w).sum() for w in (POINTS, POINTS + t * direction)
    )
    assert_allclose(
        penalty.derivative(POINTS, direction), (after - before) / t, rtol=1e-5
    )


def test_the_value_leaves_out_the_intercept(rng):
    coef = rng.normal(size=(5, 2))
    penalty = ElasticNet(0.3, 0.7)
    expected = penalty.terms(coef[:-1]).sum()
    assert_allclose(penalty.value(coef), expected, rtol=1e-14)
    assert_allclose(OneSided(1.0, 1.0).value(coef), np.abs(coef[:-1]).sum())


@pytest.mark.parametrize("name", ["l2", "l1", "elasticnet", None])
def test_smooth_and_absent_say_what_there_is(name):
    penalty = PENALTIES[name](0.3, 0.4)
    assert penalty.smooth == (name in ("l2", None))
    assert penalty.absent == (name is None)
    assert PENALTIES[name](0.0, 0.4).absent
    assert not OneSided(0.1, 2.0).smooth


@pytest.mark.parametrize("name", ["l1", "l2", "elasticnet"])
def test_the_violation_vanishes_at_the_optimum_alone(name):
    X, y = load_diabetes(return_X_y=True)
    X = scale(X)
    model = GDRegressor(penalty=name, l1_ratio=0.5, alpha=1.0, tol=1e-12).fit(X, y)
    penalty = model._penalty()
    F = Objective(model, X, y)

    def violation(coef):
        gradient = np.empty_like(coef)
        F.problem.value_and_gradient(coef, gradient)
        return penalty.violation(coef[:-1], gradient[:-1] + penalty.l2 * coef[:-1])

    assert violation(F.coef).max() < 1e-3
    assert violation(F.coef + 0.1).max() > 1e-2


def optimum(model, X, y, penalty):
    """F* and its minimiser, by plain proximal gradient steps in raw coordinates."""
    F = Objective(model, X, y)
    coef, theta, last = np.zeros(F.coef.shape), 1.0, np.inf
    for _ in range(20_000):
        gradient = np.empty_like(coef)
        before = F.problem.value_and_gradient(coef, gradient)
        while True:
            new = coef - theta * gradient
            new[:-1] = penalty.prox(new[:-1], theta)
            step = new - coef
            bound = before + np.vdot(gradient, step) + np.vdot(step, step) / 2 / theta
            if F.problem.value(new) <= bound + 1e-15 * abs(bound):
                break
            theta *= 0.5
        coef, now = new, F.problem.value(new) + penalty.value(new)
        if last - now <= 1e-12 * abs(now):
            break
        last = now
    return now, coef


@pytest.mark.one_case
@pytest.mark.parametrize(
    "form, dtype",
    [(np.asarray, np.float64), (sp.csr_array, np.float64), (np.asarray, np.float32)],
)
@pytest.mark.parametrize(
    "problem",
    [
        "regression",
        "two classes",
        pytest.param("three classes", marks=pytest.mark.exhaustive),
    ],
)
def test_a_penalty_of_a_user_is_minimised(one_sided, problem, form, dtype):
    load, cls, loss = {
        "regression": (load_diabetes, GDRegressor, "squared_error"),
        "two classes": (load_breast_cancer, GDClassifier, "log_loss"),
        "three classes": (load_iris, GDClassifier, "squared_hinge"),
    }[problem]
    X, y = load(return_X_y=True)
    X = form(scale(X).astype(dtype))
    model = cls(loss=loss, penalty="one_sided", alpha=0.02, tol=1e-9, max_iter=5000)
    model.fit(X, y)
    assert repr(model.optimizer_) == "FISTA()"
    F = Objective(model, X, y)
    best, coef = optimum(model, X, y, OneSided(0.02, 5.0))
    assert_allclose(F(F.coef), best, rtol=1e-6)
    # Its zeros are exact, and its coefficients rather positive.
    assert (F.coef[:-1] == 0.0).sum() == (coef[:-1] == 0.0).sum()


def test_methods_that_need_a_closed_form_refuse_other_penalties(one_sided):
    X, y = load_diabetes(return_X_y=True)
    for name, optimizer in OPTIMIZERS.items():
        model = GDRegressor(penalty="one_sided", optimizer=name)
        if optimizer.any_penalty:
            model.fit(X, y)
            continue
        with pytest.raises(ValueError, match=r"penalty='one_sided' .*'fista'"):
            model.fit(X, y)
    remedy = r"penalty='one_sided' .*'fista' in fit or fit_blocks, or penalty='l2'"
    with pytest.raises(ValueError, match=remedy):
        GDRegressor(penalty="one_sided").partial_fit(X, y)
    # "auto" is a rule there.
    with pytest.raises(ValueError, match=remedy):
        GDRegressor(penalty="one_sided", eta0=0.1, learning_rate="constant").fit(X, y)


def test_blocks_minimise_a_penalty_of_a_user(one_sided, monkeypatch):
    monkeypatch.setattr("sklgd._fit.description.SAMPLE_BYTES", 2**13)
    X, y = load_diabetes(return_X_y=True)
    X, model = scale(X), GDRegressor(penalty="one_sided", alpha=1.0, tol=1e-9)
    blocks = [(X[i : i + 100], y[i : i + 100]) for i in range(0, len(y), 100)]
    read = model.fit_blocks(blocks).coef_
    assert model.n_passes_ > 1
    assert_allclose(read, model.fit(X, y).coef_, atol=1e-2)


def test_an_unknown_penalty_is_not_exported(one_sided):
    X, y = load_diabetes(return_X_y=True)
    model = GDRegressor(penalty="one_sided").fit(X, y)
    with pytest.raises(ValueError, match="penalty='one_sided'"):
        to_sklearn(model)


@pytest.mark.filterwarnings("ignore:The best alpha is:UserWarning")
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_searches_and_paths_minimise_a_penalty_of_a_user(one_sided, loss):
    X, y = load_diabetes(return_X_y=True)
    X, alphas = scale(X), [30.0, 0.1]
    search = GDRegressorCV(loss, penalty="one_sided", alphas=alphas, cv=2)
    search.set_params(store_path=True, optimizer="fista").fit(X, y)
    found = path(GDRegressor(loss, penalty="one_sided", optimizer="fista"), X, y,
                 alphas=alphas)  # fmt: skip
    half = len(y) // 2
    for a, alpha in enumerate(alphas):
        model = GDRegressor(loss, penalty="one_sided", alpha=alpha, optimizer="fista")
        model.fit(X[half:], y[half:])
        assert_allclose(search.coefs_paths_[0, 0, a, 0, :-1], model.coef_, atol=1e-8)
        assert_allclose(found.coef[a], model.fit(X, y).coef_, atol=1e-8)


def test_strengths_of_some_outputs_and_features_are_their_columns_and_rows(rng):
    l1, l2 = rng.random((5, 3)), rng.random((5, 1))
    penalty = ElasticNet(l1, l2)
    one, some = penalty.of_output(2), penalty.of_columns(np.array([0, 3]))
    np.testing.assert_array_equal(one.l1, l1[:, [2]])
    np.testing.assert_array_equal(one.l2, l2)
    np.testing.assert_array_equal(some.l1, l1[[0, 3]])
    np.testing.assert_array_equal(some.l2, l2[[0, 3]])
