"""Every update rule against its NumPy twin, through the estimators, over many steps."""

import itertools

import numpy as np
import pytest
import reference
from conftest import RULES, make_problem, most_penalties, remembered, takes
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.utils.class_weight import compute_class_weight

from sklgd import GDClassifier, GDRegressor
from sklgd.optimizers import OPTIMIZERS
from sklgd.schedules import SCHEDULES, InvScaling, WarmUp

# Steps that move within a few hundred steps; a rule without a line gets 0.01.
ETA = {
    "sgd": 0.05,
    "adagrad": 0.3,
    "adadelta": 1.0,
    "adam": 0.02,
    "amsgrad": 0.02,
    "nadam": 0.02,
    "adamax": 0.02,
    "ftrl": 0.3,
}
# Under an exact gradient these circle the optimum chaotically: two runs that differ in
# the last digit of X part ways. A larger epsilon damps that; the default is tested in
# the stochastic and the mini-batch runs.
DAMPED = {"rmsprop": {"epsilon": 0.1}, "nadam": {"epsilon": 1e-3}}
OTHER_PARAMETERS = {
    "momentum": {"momentum": 0.5},
    "nesterov": {"momentum": 0.99},
    "adagrad": {"epsilon": 1e-3, "initial_accumulator": 0.5},
    "rmsprop": {"rho": 0.99, "epsilon": 1e-4},
    "adadelta": {"rho": 0.9, "epsilon": 1e-4},
    "adam": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4},
    "amsgrad": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4},
    "nadam": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4},
    "adamax": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4},
    "ftrl": {"beta": 0.1},
}
EPOCHS = {1: 4, 7: 25, "full": 150}  # 160, 150 and 150 steps on 40 rows
LOSS_VARIANTS = [
    *itertools.product(
        (n for n, c in reference.LOSSES.items() if c.task == "regression"), (1, 3)
    ),
    *itertools.product(
        (n for n, c in reference.LOSSES.items() if c.task == "classification"), (1, 3)
    ),
]

every_optimizer = pytest.mark.parametrize("optimizer", reference.OPTIMIZERS)
every_batch_size = pytest.mark.parametrize("batch_size", EPOCHS)
both_formats = pytest.mark.parametrize(
    "storage", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"]
)


def jobs(*penalties):
    """Pairs (optimizer, penalty) that can be fitted."""
    pairs = itertools.product(reference.OPTIMIZERS, penalties)
    return [pair for pair in pairs if takes(*pair)]


def build(optimizer, params):
    return OPTIMIZERS[optimizer](**params) if params else optimizer


def fit_both(X, y, storage=np.asarray, fit_params=None, class_weights=None, **kwargs):
    """The estimator and the oracle on the same job.

    ``kwargs`` are those of `reference.descend`; returns (estimator, coef, intercept).
    """
    job = {"loss": "squared_error", "optimizer": "sgd", "eta": None} | kwargs
    if job["eta"] is None:
        job["eta"] = ETA.get(job["optimizer"], 0.01)
    loss_params = job.get("loss_params") or {}
    fit_params = dict(fit_params or {})
    settings = {
        k: job[k]
        for k in ("loss", "penalty", "alpha", "l1_ratio", "batch_size")
        if k in job
    }
    cls = GDRegressor
    if reference.LOSSES[job["loss"]].task == "classification":
        cls = GDClassifier
        if class_weights is not None:
            settings["class_weight"] = class_weights
    estimator = cls(
        **settings,
        **loss_params,
        optimizer=build(job["optimizer"], job.get("optimizer_params")),
        learning_rate=job["eta"],
        max_iter=job["n_epochs"],
        fit_intercept=job.get("fit_intercept", True),
        average=job.get("average", False),
        shuffle=False,
        tol=None,
    ).fit(storage(X), y, **fit_params)
    if class_weights is not None:
        if class_weights == "balanced":
            balanced = compute_class_weight("balanced", classes=np.unique(y), y=y)
            class_weights = dict(enumerate(balanced))
        per_row = np.array([class_weights[c] for c in y])
        fit_params["sample_weight"] = per_row * fit_params.get("sample_weight", 1.0)
    coef, intercept = remembered(reference.descend, X, y, **job, **fit_params)
    return estimator, coef, intercept


def assert_same(estimator, coef, intercept, rtol=1e-10):
    ours = np.column_stack(reference.iterate(estimator))
    theirs = np.column_stack([coef, intercept])
    assert ours.shape == theirs.shape
    assert np.isfinite(theirs).all()
    assert np.abs(theirs).max() > 1e-4
    assert reference.distance(ours, theirs) < rtol


def test_registry_is_complete():
    assert set(RULES) == set(reference.OPTIMIZERS)
    assert set(SCHEDULES) == set(reference.SCHEDULES)


# --- the oracle itself, and the engine, against pencil and paper ----------------------

# f(w) = (2w - 1)^2 / 2 from w = 0 with eta = 1/8: the gradient is 4w - 2, so the first
# one is -2. The second is worked out in the comments.
SQUARE = (np.array([[2.0], [2.0]]), np.array([1.0, 1.0]))
TEXTBOOK = {
    # w1 = 1/4; g = -1; w2 = 1/4 + 1/8
    "sgd": ({}, [0.25, 0.375]),
    # v1 = -1/4, w1 = 1/4; g = -1; v2 = -1/8 - 1/8, w2 = 1/4 + 1/4
    "momentum": ({"momentum": 0.5}, [0.25, 0.5]),
    # v1 = -1/4, w1 = 1/8 + 1/4; g = -1/2; v2 = -1/8 - 1/16 = -3/16,
    # w2 = 3/8 + 3/32 + 1/16
    "nesterov": ({"momentum": 0.5}, [0.375, 17 / 32]),
    # A1 = 4, w1 = 1/8; g = -3/2; A2 = 25/4, w2 = 1/8 + 1/8 * 3/5
    "adagrad": ({"epsilon": 0.0}, [0.125, 0.2]),
    # E1 = 4/4 = 1, w1 = 1/8 * 2 = 1/4; g = -1; E2 = 3/4 + 1/4 = 1, w2 = 1/4 + 1/8
    "rmsprop": ({"rho": 0.75, "epsilon": 0.0}, [0.25, 0.375]),
    # E1 = 1, r = sqrt(3)/sqrt(1 + 3) = sqrt(3)/2, dx = -sqrt(3), D1 = 3/4,
    # w1 = sqrt(3)/8; g = sqrt(3)/2 - 2; E2 = 3/4 + g^2/4, r = sqrt(15/4)/sqrt(E2 + 3)
    "adadelta": (
        {"rho": 0.75, "epsilon": 3.0},
        [
            3**0.5 / 8,
            3**0.5 / 8
            + 0.125
            * (2 - 3**0.5 / 2)
            * (3.75 / (3.75 + 0.25 * (2 - 3**0.5 / 2) ** 2)) ** 0.5,
        ],
    ),
    # m1 = -1, v1 = 1; corrected -2 and 4; w1 = 1/8. g = -3/2: m2 = -1/2 - 3/4 = -5/4,
    # / (3/4) = -5/3; v2 = 3/4 + 9/16 = 21/16, / (7/16) = 3; w2 = 1/8 + 5/(24 sqrt(3))
    "adam": (
        {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.0},
        [0.125, 0.125 + 5 / (24 * 3**0.5)],
    ),
    # as Adam: v grows, so its maximum is itself (a shrinking one is tested below)
    "amsgrad": (
        {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.0},
        [0.125, 0.125 + 5 / (24 * 3**0.5)],
    ),
    # m1 = -1, v1 -> 4; direction 1/2 * -1/(3/4) + 1/2 * -2/(1/2) = -8/3; w1 = 1/6.
    # g = -4/3: m2 = -1/2 - 2/3 = -7/6; direction 1/2 * -7/6/(7/8) - 2/3/(3/4) = -14/9;
    # v2 = 3/4 + 4/9 = 43/36, / (7/16) = 172/63; w2 = 1/6 + 14/72 sqrt(63/172)
    "nadam": (
        {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.0},
        [1 / 6, 1 / 6 + 14 / 72 * (63 / 172) ** 0.5],
    ),
    # m1 -> -2, u1 = 2, w1 = 1/8; g = -3/2: m2 -> -5/3; u2 = max(3/2, 3/2) = 3/2;
    # w2 = 1/8 + 10/72
    "adamax": (
        {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.0},
        [0.125, 0.125 + 10 / 72],
    ),
    # S = 8, z = 0; s = 2 * 8 = 16: z = -2, S = 24, w1 = 1/12. g = -5/3: n = 4 + 25/9 =
    # 61/9; s = 8 (sqrt(61)/3 - 2); z = -2 - 5/3 - s/12; S = 24 + s = 8 + 8 sqrt(61)/3
    "ftrl": (
        {"beta": 1.0},
        [
            1 / 12,
            (11 / 3 + 2 / 3 * (61**0.5 / 3 - 2)) / (8 + 8 * 61**0.5 / 3),
        ],
    ),
}


@every_optimizer
def test_first_two_steps_by_hand(optimizer):
    X, y = SQUARE
    params, path = TEXTBOOK[optimizer]
    for n_steps, w in enumerate(path, 1):
        # Some epsilons are 0 for round numbers; the estimators want a positive one.
        job = {
            "optimizer": optimizer,
            "optimizer_params": {k: v or 1e-300 for k, v in params.items()},
            "eta": 0.125,
            "penalty": None,
            "batch_size": "full",
            "n_epochs": n_steps,
            "fit_intercept": False,
        }
        estimator, coef, _ = fit_both(X, y, **job)
        assert_allclose(coef, [[w]], rtol=1e-14)
        assert_allclose(estimator.coef_, [w], rtol=1e-13)


# Both halves of the elastic net on the first step from w = 1 on the same f, where the
# gradient is 2. l1 = l2 = 1/4, eta = 1/8, soft threshold by eta * l1 / metric.
PENALISED = {
    # (1 - 1/32) - 1/4 - 1/32
    "sgd": ({}, 0.6875),
    # G = 9/4: 1 - 9/32 - 1/32
    "momentum": ({"momentum": 0.5}, 22 / 32),
    # both moves are 1/2 + 1 times those
    "nesterov": ({"momentum": 0.5}, 1 - 1.5 * 10 / 32),
    # H = 2: (1 - 1/8 - 1/64) / (1 + 1/64)
    "adagrad": ({"epsilon": 0.0}, (55 / 64) / (65 / 64)),
    # G = 9/4, sqrt(E) = 9/8, e = 1/9: 1 - 1/4 - 1/36
    "rmsprop": ({"rho": 0.75, "epsilon": 0.0}, 0.75 - 1 / 36),
    # E = G^2/4 = 81/64; r = sqrt(3)/sqrt(273/64)
    "adadelta": (
        {"rho": 0.75, "epsilon": 3.0},
        1 - 0.125 * (9 / 4 + 1 / 4) * (3 * 64 / 273) ** 0.5,
    ),
    # e = eta/|G| = 1/18: 1 - 1/8 - 1/72
    "adam": ({"epsilon": 0.0}, 0.875 - 1 / 72),
    "amsgrad": ({"epsilon": 0.0}, 0.875 - 1 / 72),
    # direction (1/2 / (1 - 1/4) * 1/2 + 1/2 / (1/2)) G = 4/3 G: 1 - 1/6 - 1/72
    "nadam": ({"beta_1": 0.5, "epsilon": 0.0}, 5 / 6 - 1 / 72),
    "adamax": ({"epsilon": 0.0}, 0.875 - 1 / 72),
    # S = 8, z = -8; s = 16: z = -8 + 2 - 16 = -22, S = 24: (22 - 1/4)/(24 + 1/4)
    "ftrl": ({}, 21.75 / 24.25),
}


@every_optimizer
def test_penalised_step_by_hand(optimizer):
    X, y = SQUARE
    params, w = PENALISED[optimizer]
    estimator, coef, _ = fit_both(
        X,
        y,
        optimizer=optimizer,
        optimizer_params={k: v or 1e-300 for k, v in params.items()},
        eta=0.125,
        penalty=most_penalties(optimizer),
        alpha=0.5,
        l1_ratio=0.5,
        batch_size="full",
        n_epochs=1,
        fit_intercept=False,
        fit_params={"coef_init": np.array([1.0])},
    )
    assert_allclose(coef, [[w]], rtol=1e-14)
    assert_allclose(estimator.coef_, [w], rtol=1e-13)


def test_amsgrad_keeps_the_largest_second_moment():
    # One row a step, with gradients -2 and then 0: v falls from 4 b to 4 b (1 - b)
    # before the correction, where b = 1 - beta_2; Adam follows it, AMSGrad does not.
    X, y = np.array([[2.0], [0.0]]), np.array([1.0, 0.0])
    params = {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 1e-300}
    job = {"eta": 0.125, "penalty": None, "fit_intercept": False, "n_epochs": 1}
    # m2 = -1/2, corrected -2/3. Adam: v2 = 3/4, / (7/16) = 12/7. AMSGrad: x = 1, 16/7.
    for optimizer, second in (("adam", 12 / 7), ("amsgrad", 16 / 7)):
        estimator, coef, _ = fit_both(
            X, y, optimizer=optimizer, optimizer_params=params, batch_size=1, **job
        )
        w = 0.125 + 0.125 * 2 / 3 / second**0.5
        assert_allclose(coef, [[w]], rtol=1e-14)
        assert_allclose(estimator.coef_, [w], rtol=1e-13)


# --- engine against oracle ------------------------------------------------------------


@both_formats
@every_batch_size
@pytest.mark.parametrize(("optimizer", "penalty"), jobs(None, "l2", "l1", "elasticnet"))
def test_regressor(optimizer, penalty, batch_size, storage):
    X, y = make_problem()
    estimator, coef, intercept = fit_both(
        X,
        y,
        storage,
        optimizer=optimizer,
        optimizer_params=DAMPED.get(optimizer) if batch_size == "full" else None,
        penalty=penalty,
        alpha=1.0,
        l1_ratio=0.7,
        batch_size=batch_size,
        n_epochs=EPOCHS[batch_size],
    )
    assert_same(estimator, coef, intercept)
    zeros = coef == 0.0
    assert np.array_equal(reference.iterate(estimator)[0] == 0.0, zeros)
    assert not estimator.coef_[zeros[0]].any()
    if penalty in ("l1", "elasticnet") and batch_size != 1:
        assert np.any(estimator.coef_ == 0.0)
        assert np.any(estimator.coef_ != 0.0)


@pytest.mark.some_cases
@both_formats
@every_batch_size
@pytest.mark.parametrize(("optimizer", "penalty"), jobs("l2", "l1"))
def test_softmax(optimizer, penalty, batch_size, storage):
    X, y = make_problem("log_loss", n_outputs=3)
    estimator, coef, intercept = fit_both(
        X,
        y,
        storage,
        loss="log_loss",
        optimizer=optimizer,
        optimizer_params=DAMPED.get(optimizer) if batch_size == "full" else None,
        penalty=penalty,
        alpha=0.05,
        batch_size=batch_size,
        n_epochs=EPOCHS[batch_size],
    )
    assert estimator.coef_.shape == (3, 6)
    assert_same(estimator, coef, intercept)
    assert np.array_equal(reference.iterate(estimator)[0] == 0.0, coef == 0.0)
    assert not estimator.coef_[coef == 0.0].any()


@pytest.mark.some_cases
@both_formats
@every_batch_size
@pytest.mark.parametrize(("loss", "n_outputs"), LOSS_VARIANTS)
def test_losses(loss, n_outputs, batch_size, storage):
    X, y = make_problem(loss, n_outputs=n_outputs)
    estimator, coef, intercept = fit_both(
        X,
        y,
        storage,
        loss=loss,
        optimizer="momentum",
        eta=0.002,
        penalty="elasticnet",
        alpha=0.1,
        batch_size=batch_size,
        n_epochs=EPOCHS[batch_size],
    )
    assert_same(estimator, coef, intercept)


@pytest.mark.some_cases
@pytest.mark.parametrize(
    ("loss", "params"),
    [
        ("huber", {"epsilon": 0.8}),
        ("epsilon_insensitive", {"epsilon": 0.4}),
        ("squared_epsilon_insensitive", {"epsilon": 0.4}),
        ("quantile", {"quantile": 0.2}),
        ("tweedie", {"power": 1.2}),
    ],
)
def test_loss_parameters(loss, params):
    X, y = make_problem(loss)
    estimator, coef, intercept = fit_both(
        X, y, loss=loss, loss_params=params, batch_size=7, n_epochs=50
    )
    assert_same(estimator, coef, intercept)
    default = fit_both(X, y, loss=loss, batch_size=7, n_epochs=50)[1]
    assert reference.distance(default, coef) > 1e-4


@pytest.mark.some_cases
@both_formats
@pytest.mark.parametrize("optimizer", OTHER_PARAMETERS)
def test_optimizer_parameters(optimizer, storage):
    X, y = make_problem(n_outputs=2)
    estimator, coef, intercept = fit_both(
        X,
        y,
        storage,
        optimizer=optimizer,
        optimizer_params=OTHER_PARAMETERS[optimizer],
        eta=ETA.get(optimizer, 0.01) / 10,
        penalty=most_penalties(optimizer),
        alpha=0.1,
        batch_size=7,
        n_epochs=50,
    )
    assert_same(estimator, coef, intercept)


@both_formats
@pytest.mark.parametrize("average", [True, 20, 10**6])
@every_batch_size
@every_optimizer
def test_averaging(optimizer, batch_size, average, storage):
    # 20 starts in the middle of the run, 10**6 never does.
    X, y = make_problem()
    job = {"optimizer": optimizer, "batch_size": batch_size, "n_epochs": 3}
    job |= {"penalty": most_penalties(optimizer), "alpha": 0.1}
    estimator, coef, intercept = fit_both(X, y, storage, average=average, **job)
    assert_same(estimator, coef, intercept)
    last = fit_both(X, y, storage, **job)[1]
    assert np.array_equal(last, coef) == (average == 10**6)


@both_formats
@every_batch_size
@every_optimizer
def test_sample_weight(optimizer, batch_size, storage, rng):
    X, y = make_problem()
    weight = rng.exponential(5.0, size=len(y)) * (rng.random(len(y)) < 0.8)
    estimator, coef, intercept = fit_both(
        X,
        y,
        storage,
        optimizer=optimizer,
        batch_size=batch_size,
        n_epochs=5,
        fit_params={"sample_weight": weight},
    )
    assert_same(estimator, coef, intercept)


@both_formats
@pytest.mark.parametrize("class_weights", [{0: 1.0, 1: 2.5, 2: 0.3}, "balanced"])
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_class_weight(n_classes, loss, class_weights, storage):
    X, y = make_problem(loss, n_outputs=n_classes)
    if n_classes == 2 and class_weights != "balanced":
        class_weights = {0: 1.0, 1: 2.5}
    job = {"loss": loss, "batch_size": 7, "n_epochs": 20}
    estimator, coef, intercept = fit_both(
        X, y, storage, class_weights=class_weights, **job
    )
    assert_same(estimator, coef, intercept)
    assert reference.distance(fit_both(X, y, **job)[1], coef) > 1e-3


@pytest.mark.parametrize("n_classes", [2, 3])
def test_class_and_sample_weight_multiply(n_classes, rng):
    X, y = make_problem("log_loss", n_outputs=n_classes)
    estimator, coef, intercept = fit_both(
        X,
        y,
        class_weights=dict(enumerate([1.0, 2.5, 0.3][:n_classes])),
        fit_params={"sample_weight": rng.random(len(y))},
        loss="log_loss",
        batch_size=7,
        n_epochs=20,
    )
    assert_same(estimator, coef, intercept)


@both_formats
@every_batch_size
@every_optimizer
def test_without_intercept(optimizer, batch_size, storage):
    X, y = make_problem()
    estimator, coef, intercept = fit_both(
        X,
        y,
        storage,
        optimizer=optimizer,
        penalty=most_penalties(optimizer),
        alpha=0.1,
        batch_size=batch_size,
        n_epochs=5,
        fit_intercept=False,
    )
    assert_same(estimator, coef, intercept)
    assert np.all(np.asarray(estimator.intercept_) == 0.0)


@both_formats
@pytest.mark.parametrize("n_outputs", [1, 3])
@every_optimizer
def test_start_from_coef_init(optimizer, n_outputs, storage, rng):
    X, y = make_problem(n_outputs=n_outputs)
    shape = (n_outputs, 6) if n_outputs > 1 else (6,)
    estimator, coef, intercept = fit_both(
        X,
        y,
        storage,
        optimizer=optimizer,
        penalty=most_penalties(optimizer),
        alpha=0.1,
        batch_size=7,
        n_epochs=3,
        fit_params={
            "coef_init": rng.normal(size=shape),
            "intercept_init": rng.normal(size=n_outputs),
        },
    )
    assert_same(estimator, coef, intercept)


@pytest.mark.some_cases
@every_optimizer
def test_batch_size_beyond_n_is_full_batch(optimizer):
    X, y = make_problem()
    job = {"optimizer": optimizer, "n_epochs": 20}
    full, coef, intercept = fit_both(X, y, batch_size="full", **job)
    assert_same(full, coef, intercept)
    for batch_size in (40, 41, 10**6):
        estimator = fit_both(X, y, batch_size=batch_size, **job)[0]
        assert_allclose(estimator.coef_, full.coef_, rtol=1e-13)


@pytest.mark.exhaustive
@both_formats
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
# 0.95 per step is 1e-53 after the run; at 40 the decay factor stops at 0.
@pytest.mark.parametrize("alpha", [1.0, 40.0])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_strong_penalty_and_many_steps(n_outputs, alpha, penalty, storage):
    """Nothing is lost where implementations keep w as a product of factors."""
    X, y = make_problem(n_outputs=n_outputs)
    for average in (False, True):
        estimator, coef, intercept = fit_both(
            X,
            y,
            storage,
            penalty=penalty,
            alpha=alpha,
            l1_ratio=0.1,
            average=average,
            n_epochs=60,
        )
        assert_same(estimator, coef, intercept)
        assert np.array_equal(reference.iterate(estimator)[0] == 0, coef == 0)


@both_formats
@pytest.mark.parametrize("batch_size", [1, 256, "full"])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "hinge"])
@pytest.mark.parametrize("n_outputs", [1, 5])
def test_larger_data(n_outputs, loss, batch_size, storage):
    """Beyond the block sizes of matrix products, and not a multiple of them."""
    X, y = make_problem(loss, n=701, d=133, n_outputs=n_outputs, density=0.2)
    estimator, coef, intercept = fit_both(
        X,
        y,
        storage,
        loss=loss,
        optimizer="adam",
        penalty="elasticnet",
        alpha=1e-3,
        batch_size=batch_size,
        n_epochs=1 if batch_size == 1 else 5,
    )
    assert_same(estimator, coef, intercept)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_shuffling_changes_the_path_not_the_goal(batch_size):
    X, y = make_problem(n=200)
    settings = {"penalty": "l2", "alpha": 0.1, "batch_size": batch_size, "tol": None}
    settings |= {"learning_rate": InvScaling(0.1, 0.5), "optimizer": "sgd"}
    exact = reference.descend(X, y, alpha=0.1, eta=0.3, batch_size="full", n_epochs=500)
    fits = [
        GDRegressor(**settings, max_iter=30, random_state=seed).fit(X, y)
        for seed in (0, 0, 1, 2)
    ]
    assert np.array_equal(fits[0].coef_, fits[1].coef_)
    assert not np.array_equal(fits[0].coef_, fits[2].coef_)
    for fitted in fits:
        assert reference.distance(fitted.coef_, exact[0]) < 0.05


def test_shuffled_epoch_visits_every_row_once():
    # A row's gradient at the unit vector of its own feature: the sum over an epoch does
    # not depend on the order, and a row left out or taken twice would show.
    n = 30
    X, y = np.eye(n), np.arange(1.0, n + 1)
    model = GDRegressor(
        penalty=None,
        optimizer="sgd",
        batch_size=4,
        learning_rate=0.5,
        max_iter=1,
        tol=None,
        fit_intercept=False,
        random_state=3,
    ).fit(X, y)
    # Batches of 4, and one of 2 at the end with twice the step per row.
    step = model.coef_ / (0.5 * y)
    assert_allclose(np.sort(step), [0.25] * 28 + [0.5] * 2, rtol=1e-13)


# --- schedules through the engine -----------------------------------------------------

SCHEDULE_ARGUMENTS = {
    "constant": {"eta0": 0.02},
    "invscaling": {"eta0": 0.1, "power_t": 0.6},
    "adaptive": {"eta0": 0.02},
    "linear": {"eta0": 0.05, "total_steps": 100, "eta_end": 0.01},
    "cosine": {"eta0": 0.05, "total_steps": 100, "eta_end": 0.01},
    "step": {"eta0": 0.05, "every": 30, "factor": 0.3},
    "exponential": {"eta0": 0.05, "every": 30, "factor": 0.3},
}


def fit_with_schedule(schedule, eta, batch_size=7, optimizer="adam", **job):
    X, y = make_problem(n=30)
    model = GDRegressor(
        learning_rate=schedule,
        optimizer=optimizer,
        batch_size=batch_size,
        max_iter=40,
        shuffle=False,
        tol=None,
        **job,
    ).fit(X, y)
    coef, intercept = reference.descend(
        X, y, eta=eta, optimizer=optimizer, batch_size=batch_size, n_epochs=40, **job
    )
    assert_same(model, coef, intercept)


@pytest.mark.some_cases
@pytest.mark.parametrize(
    "name", [n for n in SCHEDULES if n not in ("optimal", "warmup", "pa1", "pa2")]
)
@pytest.mark.parametrize("optimizer", ["adam", "ftrl"])
@every_batch_size
def test_schedules(name, optimizer, batch_size):
    arguments = SCHEDULE_ARGUMENTS[name]
    eta = reference.SCHEDULES[name](**arguments)
    fit_with_schedule(SCHEDULES[name](**arguments), eta, batch_size, optimizer)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_optimal_schedule(batch_size):
    eta = reference.optimal(alpha=5.0, loss="squared_error")
    fit_with_schedule("optimal", eta, batch_size, "sgd", alpha=5.0)


def test_annealing_takes_the_whole_run_by_default():
    # 40 epochs of 5 batches
    fit_with_schedule(SCHEDULES["cosine"](0.05), reference.cosine(0.05, 200))


def test_warm_up():
    inner = reference.invscaling(0.1, 0.6)
    fit_with_schedule(
        WarmUp(InvScaling(0.1, 0.6), steps=20), reference.warmup(inner, 20)
    )


def test_function_as_schedule():
    def eta(t):
        return 1.0 / (20.0 + t)

    fit_with_schedule(eta, eta)
