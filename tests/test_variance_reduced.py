"""SAGA, Point-SAGA and SVRG: step for step, at the optimum, and under "auto"."""

import pickle
import warnings

import numpy as np
import pytest
import reference
from conftest import make_problem, objective, remembered
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn import linear_model
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning

from sklgd import GDClassifier, GDRegressor
from sklgd._solvers import variance_reduced
from sklgd.kernels._problem import Problem
from sklgd.kernels._rows import Rows
from sklgd.kernels._variance_reduced import SnapshotSteps
from sklgd.losses import LOSSES, SquaredError
from sklgd.optimizers import OPTIMIZERS
from sklgd.schedules import InvScaling

METHODS = [n for n, c in OPTIMIZERS.items() if c.training == "variance_reduced"]
PENALTIES = [None, "l2", "l1", "elasticnet"]
JOBS = [
    (method, loss, n_outputs)
    for method in METHODS
    for loss, cls in LOSSES.items()
    for n_outputs in (1, 3)
    if cls.smooth or OPTIMIZERS[method].takes_non_smooth
]


@pytest.fixture(params=["dense", "narrow csr", "wide csr"])
def storage(request, monkeypatch):
    """Storage of X, with each of the ways a kernel may take it."""
    if request.param == "wide csr":
        monkeypatch.setattr(variance_reduced, "MATRIX_COLUMNS", 0)
    return np.asarray if request.param == "dense" else sparse.csr_matrix


def estimator(loss, **settings):
    cls = GDRegressor if LOSSES[loss].task == "regression" else GDClassifier
    return cls(loss=loss, **settings)


def both(X, y, storage, *, sample_weight=None, eta=0.02, **job):
    """The estimator's and the oracle's coefficients after the same steps."""
    settings = {"loss": "squared_error", "penalty": "elasticnet", "alpha": 0.1}
    settings |= {"l1_ratio": 0.5, "fit_intercept": True, "batch_size": 1} | job
    n_epochs = settings.pop("n_epochs", 4)
    schedule = eta
    if callable(eta):
        eta = schedule.eta
    coef, intercept = remembered(
        reference.reduce_variance,
        *(X, y),
        eta=eta,
        n_epochs=n_epochs,
        sample_weight=sample_weight,
        **settings,
    )
    model = estimator(
        **settings, learning_rate=schedule, max_iter=n_epochs, shuffle=False, tol=None
    ).fit(storage(X), y, sample_weight=sample_weight)
    ours = np.column_stack([np.atleast_2d(model.coef_), model.intercept_])
    return ours, np.column_stack([coef, intercept])


def assert_same(ours, theirs, rtol=1e-9):
    assert ours.shape == theirs.shape
    assert np.abs(theirs).max() > 1e-3
    assert reference.distance(ours, theirs) < rtol
    assert np.array_equal(ours[:, :-1] == 0, theirs[:, :-1] == 0)


def test_registry_is_complete():
    assert set(METHODS) == set(reference.VARIANCE_REDUCED)


# ------------------------------------------------------------------- step for step


def test_first_steps_by_hand():
    """f_1 = (w - 1)^2/2, f_2 = (2w - 4)^2/2 from w = 0, with eta = 1/8."""
    X, y = np.array([[1.0], [2.0]]), np.array([1.0, 4.0])
    # The table is -1, -4 and G = (-1 - 8)/2 = -9/2. In the first step of SAGA and SVRG
    # no slope has changed: w1 = 9/16. Then that of f_2 has, by 2 (9/16) = 9/8:
    # w2 = 9/16 - (9/4 - 9/2)/8 = 27/32.
    path = {
        # G = -9/2 + 9/8; w3 = 27/32 - (27/32 - 27/8)/8 = 297/256;
        # G = -27/8 + 27/64; w4 = 297/256 - (153/64 - 189/64)/8
        "saga": 315 / 256,
        # v = 9/16 - 1/8; w1 = (v + 1/8)/(1 + 1/8) = 1/2, c_1 = -1/2, G = -17/4;
        # v = 1/2 + 17/32 - 1; w2 = (v + 1)/(1 + 1/2) = 11/16, c_2 = -21/8, G = -23/8;
        # v = 63/64; w3 = 71/72, c_1 = -1/72, G = -379/144; v = 759/1152; w4 as w2
        "point_saga": 637 / 576,
        # The table is -5/32, -37/16, G = -153/64; w3 = 27/32 + 153/512,
        # w4 = w3 - (153/128 - 153/64)/8
        "svrg": 1323 / 1024,
    }
    for method, w in path.items():
        job = {"optimizer": method, "eta": 0.125, "n_epochs": 2}
        job |= {"penalty": None, "fit_intercept": False, "batch_size": 1}
        ours, theirs = both(X, y, np.asarray, **job)
        assert_allclose(theirs, [[w, 0.0]], rtol=1e-12)
        assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.some_cases
@pytest.mark.parametrize(("method", "loss", "n_outputs"), JOBS)
def test_every_loss(method, loss, n_outputs, storage):
    X, y = make_problem(loss, n=16, n_outputs=n_outputs)
    job = {"optimizer": method, "loss": loss, "n_epochs": 2, "eta": 0.04}
    ours, theirs = both(X, y, storage, **job)
    # The oracle finds a prox by bisection.
    assert_same(ours, theirs, 1e-7 if method == "point_saga" else 1e-10)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "n_outputs", [1, pytest.param(3, marks=pytest.mark.exhaustive)]
)
def test_every_penalty_on_rare_features(method, penalty, n_outputs, storage):
    """Coordinates that rows pass by for long: the closed forms of their steps."""
    X, y = make_problem(n=80, d=15, density=0.04, n_outputs=n_outputs)
    job = {"optimizer": method, "penalty": penalty, "n_epochs": 3, "eta": 0.3}
    ours, theirs = both(X, y, storage, alpha=0.04, **job)
    assert_same(ours, theirs)
    if penalty == "l1":
        assert 0 < np.sum(theirs == 0) < theirs.size


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weights_schedule_and_storage(method, fit_intercept, storage, rng):
    X, y = make_problem("log_loss", n=16)
    weight = rng.uniform(0.0, 3.0, len(y)) * (rng.random(len(y)) < 0.8)
    job = {"optimizer": method, "loss": "log_loss", "fit_intercept": fit_intercept}
    job |= {"sample_weight": weight, "eta": InvScaling(0.3)}
    assert_same(*both(X, y, storage, **job), rtol=1e-8)
    X = X.astype(np.float32)
    assert_same(*both(X, y, storage, **job), rtol=1e-6)


@pytest.mark.parametrize("batch_size", [7, 40, 1000])
def test_mini_batches(batch_size, storage):
    X, y = make_problem("log_loss", n_outputs=3)
    job = {"optimizer": "svrg", "loss": "log_loss", "batch_size": batch_size}
    assert_same(*both(X, y, storage, **job, eta=0.3))


# ------------------------------------------------------------- sparse rows, as dense


def sparse_rows(seed, n, d, entries, zeros):
    """CSR with empty rows and columns and, on demand, entries that are zero."""
    rng = np.random.default_rng(seed)
    X = np.zeros((n, d))
    for i in np.flatnonzero(rng.random(n) < 0.9):
        columns = rng.choice(d - 2, entries, replace=False)
        X[i, columns] = rng.uniform(-1.0, 1.0, entries)
    stored = sparse.csr_matrix(X)
    if zeros:
        stored.data[rng.random(stored.nnz) < 0.2] = 0.0
    return stored


def targets(X, n_outputs, classes, seed):
    rng = np.random.default_rng(seed)
    z = X @ rng.normal(size=(X.shape[1], max(n_outputs, 2)))
    z += 0.3 * rng.normal(size=z.shape)
    if classes:
        z[np.arange(z.shape[1]), np.arange(z.shape[1])] = 9.0  # every class occurs
        return z.argmax(axis=1)
    return z[:, 0] if n_outputs == 1 else z


def assert_sparse_is_dense(X, y, loss, **job):
    models = []
    for data in (X, X.toarray()):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", ".* has no effect with", UserWarning)
            # Few steps may well end above the constant model.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = estimator(loss, tol=None, random_state=0, **job).fit(data, y)
        model.coef_ = np.atleast_2d(model.coef_)
        models.append(model)
    one, other = models
    ours, theirs = (np.column_stack([m.coef_, m.intercept_]) for m in models)
    largest = np.abs(theirs).max()
    assert largest < 1e4
    assert_allclose(ours, theirs, rtol=0.0, atol=1e-8 * largest)
    assert one.loss_curve_ == pytest.approx(other.loss_curve_, rel=1e-8)


@pytest.mark.parametrize(
    ("method", "batch_size"),
    [(method, 1) for method in METHODS] + [("svrg", 3), ("svrg", 12)],
)
def test_rows_that_are_fetched_in_parts(method, batch_size, rng):
    """One row longer than the buffer for entries, others that do not fit beside it."""
    X = sparse_rows(0, n=40, d=9000, entries=100, zeros=False)
    X = sparse.vstack([X[:20], 0.01 * rng.normal(size=(1, 9000)), X[20:]]).tocsr()
    y = targets(X, 1, False, 0)
    job = {"optimizer": method, "penalty": "elasticnet", "alpha": 1e-3, "max_iter": 3}
    job |= {"learning_rate": 1e-3, "batch_size": batch_size}
    assert_sparse_is_dense(X, y, "squared_error", **job)


def test_features_that_never_occur_only_shrink():
    X = sparse_rows(0, n=30, d=400, entries=3, zeros=False)
    y = targets(X, 1, False, 0)
    for method in METHODS:
        model = GDRegressor(
            optimizer=method, batch_size=1, learning_rate=0.01, alpha=0.5
        )
        model.set_params(max_iter=2, tol=None)
        model.fit(X, y, coef_init=np.ones(400))
        assert model.coef_[-2:] == pytest.approx([1.005**-60] * 2, rel=1e-12)


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("penalty", PENALTIES[1:])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_auto_on_rows_that_touch_few_features(penalty, n_outputs, batch_size):
    """SVRG without a centre: the optimum of another method."""
    X = abs(sparse_rows(1, n=300, d=400, entries=4, zeros=False))
    y = targets(X, n_outputs, True, 1)
    job = {"penalty": penalty, "alpha": 3e-3, "l1_ratio": 0.5, "random_state": 0}
    model = GDClassifier(optimizer="svrg", batch_size=batch_size, **job)
    model.set_params(tol=None, max_iter=100).fit(X, y)
    other = GDClassifier(tol=1e-9, max_iter=3000, **job).fit(X, y)
    null = reference.objective(
        X.toarray(), y, np.zeros((len(other.intercept_), 400)),
        np.log(np.bincount(y) / len(y)) if n_outputs > 1 else np.zeros(1),
        loss="log_loss",
    )  # fmt: skip
    best = other.loss_curve_[-1]
    assert model.loss_curve_[-1] < best + 1e-4 * (null - best)
    assert model.loss_curve_[-1] == pytest.approx(
        objective(model, X.toarray(), y), rel=1e-8
    )


def test_batch_size_that_auto_stands_for():
    svrg = OPTIMIZERS["svrg"]()
    assert svrg.resolve_batch_size("auto", 20_000, 10) == 64
    assert svrg.resolve_batch_size("auto", 20_000, 50) == 400
    assert svrg.resolve_batch_size("auto", 2_000, 10) == 200
    assert svrg.resolve_batch_size(7, 20_000, 10) == 7


# ------------------------------------------------------------------------- optimum


def raw(X):
    """Columns of very different sizes, far from the origin."""
    scale = np.logspace(-2, 2, X.shape[1])
    return X * scale + 10.0 * scale[::-1]


@pytest.mark.one_case
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("method", METHODS)
def test_one_optimum(method, penalty, storage, rng):
    X = rng.normal(size=(200, 6))
    X = raw(X) if storage is np.asarray else X * [0.1, 1, 1, 1, 3, 10]
    y = X @ rng.normal(size=6) / X.std(axis=0).mean() + rng.normal(size=200)
    alpha = 0.05
    model = GDRegressor(
        optimizer=method, penalty=penalty, alpha=alpha, l1_ratio=0.6, tol=None,
        max_iter=600, random_state=0,
    ).fit(storage(X), y)  # fmt: skip
    if penalty in (None, "l2"):
        theirs = linear_model.Ridge(alpha=200 * alpha if penalty else 0.0)
    else:
        l1_ratio = 1.0 if penalty == "l1" else 0.6
        theirs = linear_model.ElasticNet(
            alpha=alpha, l1_ratio=l1_ratio, tol=1e-14, max_iter=10**6
        )
    theirs.fit(X, y)
    best = objective(model, X, y, (theirs.coef_, theirs.intercept_))
    assert objective(model, X, y) < best * (1.0 + 1e-6)
    assert model.loss_curve_[-1] == pytest.approx(objective(model, X, y), rel=1e-8)


@pytest.mark.exhaustive
@pytest.mark.parametrize("loss", [n for n, c in LOSSES.items() if not c.degenerate])
def test_point_saga_on_every_loss(loss, storage):
    """As good as a long run of another method."""
    X, y = make_problem(loss, n=120, d=4)
    X = X * [1.0, 10.0, 0.1, 3.0]
    model = estimator(loss, optimizer="point_saga", alpha=0.01, tol=None)
    model.set_params(max_iter=400, random_state=0).fit(storage(X), y)
    other = estimator(loss, optimizer="adam", learning_rate="cosine", alpha=0.01)
    other.set_params(max_iter=3000, tol=None, random_state=0, batch_size="full")
    other.fit(X, y)
    null = reference.objective(
        X, y, np.zeros(4), 0.0, loss=loss,
        loss_params={k: getattr(model, k) for k in LOSSES[loss].params},
    )  # fmt: skip
    best = objective(other, X, y)
    assert null > best
    assert objective(model, X, y) < best + 2e-3 * (null - best)


# ------------------------------------------------------------------------ raw data


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("outliers", [False, True])
def test_raw_data(method, outliers, storage, rng):
    X, y = load_breast_cancer(return_X_y=True)
    if outliers:
        X.flat[rng.choice(X.size, 17, replace=False)] *= 1e4
    model = GDClassifier(optimizer=method, tol=None, max_iter=60, random_state=0)
    model.fit(storage(X), y)
    null = reference.objective(X, y, np.zeros(30), np.log(357 / 212), loss="log_loss")
    assert model.loss_curve_[-1] < (1.0 if outliers else 0.5) * null
    if method != "point_saga":
        assert (np.diff(model.loss_curve_) <= 0.0).all()


@pytest.mark.parametrize("method", METHODS)
def test_collinear_columns_of_wild_sizes(method, rng):
    """Small directions among large ones carry the signal, 1e-9 of their variance."""
    Z = rng.normal(size=(300, 6))
    Z[:, 1] = Z[:, 0] + 1e-3 * Z[:, 1]
    X = Z * [1e6, 1e6, 1e3, 1.0, 1e-3, 1.0] + 1e3
    y = 1e3 * (Z[:, 1] - Z[:, 0]) + Z[:, 3] + 0.1 * rng.normal(size=300)
    model = GDRegressor(optimizer=method, penalty=None, tol=None, max_iter=60)
    model.set_params(random_state=0).fit(X, y)
    design = np.column_stack([np.ones(300), Z])
    residual = y - design @ np.linalg.lstsq(design, y)[0]
    best = 0.5 * np.mean(residual**2)
    assert model.loss_curve_[-1] < best + 1e-3 * (0.5 * y.var() - best)


@pytest.mark.parametrize("method", METHODS)
def test_several_outputs_of_different_size(method, storage):
    X, y = load_diabetes(return_X_y=True)
    y = np.column_stack([y, 1e-3 * y**2, 1e4 * X[:, 2]])
    model = GDRegressor(optimizer=method, alpha=1e-6, tol=None, max_iter=200)
    model.fit(storage(X), y)
    assert model.score(X[:, :], y) > 0.6


@pytest.mark.parametrize("method", METHODS)
def test_degenerate_columns(method, storage, rng):
    X = rng.normal(size=(80, 6))
    X[:, 1] = 5.0
    X[:, 2] = X[:, 0]
    X[:, 3] = 0.0
    y = X[:, 0] + 2.0 * X[:, 4]
    model = GDRegressor(optimizer=method, max_iter=100, random_state=0)
    model.fit(storage(X), y)
    assert model.score(X, y) > 0.99


@pytest.mark.parametrize("method", METHODS)
def test_the_rest_of_the_interface(method):
    X, y = load_diabetes(return_X_y=True)
    model = GDRegressor(optimizer=method, random_state=0, max_iter=200).fit(X, y)
    again = GDRegressor(optimizer=OPTIMIZERS[method](), random_state=0, max_iter=200)
    assert np.array_equal(again.fit(X, y).coef_, model.coef_)
    assert model.stop_reason_ == "converged"
    assert model.optimizer_.name == method
    assert model.t_ == 1 + model.n_iter_ * len(y)
    copy = pickle.loads(pickle.dumps(model))
    assert np.array_equal(copy.predict(X), model.predict(X))
    model.set_params(early_stopping=True).fit(X, y)
    assert model.score(X, y) > 0.4
    # A warm start goes on where the first fit stopped.
    short = GDRegressor(optimizer=method, random_state=0, max_iter=3, tol=None)
    before = short.set_params(warm_start=True).fit(X, y).loss_curve_[-1]
    assert short.fit(X, y).loss_curve_[-1] < before


def test_an_epoch_that_does_harm_is_undone(storage):
    """The first learning rate of SAGA does not know of a huge weight."""
    X, y = load_diabetes(return_X_y=True)
    weight = np.ones(len(y))
    weight[5] = 3e4
    model = GDRegressor(optimizer="saga", max_iter=100, tol=None, random_state=0)
    model.fit(storage(X), y, sample_weight=weight)
    curve = np.array(model.loss_curve_)
    assert (np.diff(curve) <= 0.0).all()


def test_a_step_that_is_too_large_is_reported():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    model = GDRegressor(optimizer="saga", learning_rate=1.0, max_iter=5)
    with pytest.warns(UserWarning, match="diverged"):
        model.fit(X, y)
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_possible(method):
    X, y = load_diabetes(return_X_y=True)
    model = GDRegressor(optimizer=method)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(ValueError, match=f"average=10.*{method}"):
        GDRegressor(optimizer=method, average=10).fit(X, y)
    assert not hasattr(model.fit(X, y), "partial_fit")
    full = GDRegressor(optimizer=method, batch_size="full")
    with pytest.raises(ValueError, match=f"batch_size='full'.*{method}"):
        full.fit(X, y)
    if not OPTIMIZERS[method].takes_non_smooth:
        with pytest.raises(ValueError, match=r"not smooth.*point_saga"):
            GDRegressor(loss="absolute_error", optimizer=method).fit(X, y)
    if OPTIMIZERS[method].by_rows:
        with pytest.raises(ValueError, match=r"batch_size=32.*svrg"):
            GDRegressor(optimizer=method, batch_size=32).fit(X, y)


def test_no_warnings(storage):
    X, y = load_diabetes(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in METHODS:
            GDRegressor(optimizer=method, max_iter=300).fit(storage(X), y)


@pytest.mark.parametrize("method", METHODS)
def test_sparse_outputs_of_different_units_are_scaled_each(method, monkeypatch):
    """The metric differs by output: means of 1 and 50 have other second derivatives."""
    rng = np.random.default_rng(0)
    X = sparse.random_array((120, 30), density=0.1, rng=rng, format="csr")
    y = rng.poisson([1.0, 50.0], size=(120, 2)).astype(float)
    fits = []
    for storage, columns in ((np.asarray, 300), (sparse.csr_matrix, 0)):
        monkeypatch.setattr(variance_reduced, "MATRIX_COLUMNS", columns)
        model = GDRegressor(
            "poisson", optimizer=method, max_iter=40, tol=None, random_state=0,
            shuffle=False, alpha=1e-3,
        )  # fmt: skip
        fits.append(model.fit(storage(X.toarray()), y))
    best = GDRegressor("poisson", optimizer="newton", tol=1e-10, alpha=1e-3).fit(X, y)
    for model in fits:
        assert model.loss_curve_[-1] == pytest.approx(best.loss_curve_[-1], rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_table_in_float32_has_the_same_fixed_point(method, monkeypatch):
    """Its mean gradient is that of the rounded table, so rounding does not add up."""
    monkeypatch.setattr(variance_reduced, "SHARE", 0.0)
    monkeypatch.setattr(variance_reduced, "LITTLE", 0)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = 5.0 + X @ [1.0, -2.0, 0.5, 0.0] + rng.normal(size=60)
    model = GDRegressor(
        optimizer=method,
        learning_rate=0.02,
        alpha=0.1,
        max_iter=300,
        tol=None,
        random_state=0,
        batch_size=1,
    ).fit(X, y, coef_init=[1e3, -1e3, 1e3, 0.0])
    residual = model.predict(X) - y
    gradient = X.T @ residual / 60 + 0.1 * model.coef_
    assert np.abs(gradient).max() < 3e-8 and abs(residual.mean()) < 3e-8


@pytest.mark.parametrize("penalty", [(0.0, 0.0), (0.0, 0.1), (0.02, 0.0), (0.02, 0.1)])
def test_lagged_steps_of_outputs_with_their_own_sizes_are_the_full_steps(penalty, rng):
    """SVRG on sparse rows, with a learning rate for each feature and output."""
    X = sparse.random_array((60, 20), density=0.1, rng=rng, format="csr")
    y, sizes = rng.normal(size=(60, 2)), rng.uniform(0.1, 2.0, size=(21, 2))
    problem = Problem(Rows(X), y, None, SquaredError(), 2, True)
    order = rng.permutation(60).astype(np.intp)
    ends = []
    for lazy in (False, True):
        coef = np.ones((21, 2))
        steps = SnapshotSteps(problem, coef, *penalty, sizes, lazy=lazy)
        steps.refresh()
        steps.run(order, 0.1, 4, 0, 60)
        ends.append(coef)
    np.testing.assert_allclose(*ends, rtol=1e-10)


def test_equal_columns_with_weights_of_all_sizes_are_fitted():
    """The moments have fewer digits than the diagonal that is added allows for."""
    X, y = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([-1000.0, -1000.0])
    model = GDRegressor(batch_size=1).fit(X, y, sample_weight=[2.05, 4880000.0])
    assert_allclose(model.predict(X), y, rtol=1e-3)
