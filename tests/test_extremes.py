"""Data at the ends of what floats can hold: the right answer or a clear error."""

import pickle
import re
import warnings

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from conftest import BATCH_METHODS
from sklearn.exceptions import ConvergenceWarning

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.objective import Objective
from sklgd._solvers.batch import BatchSolver
from sklgd.losses import (
    LOSSES,
    AbsoluteError,
    EpsilonInsensitive,
    Gamma,
    Huber,
    Poisson,
    Quantile,
    SquaredEpsilonInsensitive,
    Tweedie,
)
from sklgd.optimizers import OPTIMIZERS

REGRESSION = [name for name, cls in LOSSES.items() if cls.task == "regression"]


def silent_fit(model, X, y, **more):
    """Fit a model; any warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model.fit(X, y, **more)


# --------------------------------------------------------------------- X says nothing


@pytest.mark.some_cases
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("batch_size", ["auto", 1])
def test_without_intercept_columns_of_zeros_leave_all_coefficients_at_zero(
    loss, batch_size
):
    regression = LOSSES[loss].task == "regression"
    cls, y = GDRegressor if regression else GDClassifier, 1.0 + np.arange(20) % 2
    forms = [np.zeros((20, 3)), sp.csr_array((20, 3))]
    for number, name in enumerate(OPTIMIZERS, list(LOSSES).index(loss)):
        batch = OPTIMIZERS[name]().training in ("quasi_newton", "proximal_gradient")
        if (batch and (batch_size == 1 or LOSSES[loss].degenerate)) or (
            name in ("saga", "svrg") and not LOSSES[loss].smooth
        ):
            continue
        model = cls(
            loss, optimizer=name, batch_size=batch_size, fit_intercept=False,
            random_state=0, max_iter=3,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(forms[number % 2], y)
        assert not model.coef_.any() and np.isfinite(model.loss_curve_).all()


# ------------------------------------------------------------------------ units of y


@pytest.mark.parametrize("outlier", [1e25, -9.969209968386869e36])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_fill_value_leaves_robust_constant_models_where_they_are(
    outlier, weighted, rng
):
    y = np.append(rng.normal(size=200) + 5.0, outlier)
    s = rng.uniform(0.5, 2.0, size=201) if weighted else None
    for loss in (Huber(0.3), EpsilonInsensitive(0.3)):
        z = loss.fit_intercept_only(y, s)
        slope, size = loss.evaluate(y, np.full((201, 1), z[0]), s)[1], 0.3
        size = max(np.abs(slope).max(), size)
        assert abs(slope.sum()) <= size and 4.5 < z[0] < 5.5


@pytest.mark.parametrize("unit", [1e-150, 1e-24, 1e24, 1e150])
@pytest.mark.parametrize("loss", [Huber, EpsilonInsensitive, SquaredEpsilonInsensitive])
def test_constant_models_have_the_unit_of_y(loss, unit, rng):
    Y = rng.normal(loc=[0.0, 3.0], size=(60, 2))
    expected = loss(0.3).fit_intercept_only(Y, n_outputs=2)
    scaled = loss(0.3 * unit).fit_intercept_only(unit * Y, n_outputs=2)
    np.testing.assert_allclose(scaled, unit * expected, rtol=1e-12)


@pytest.mark.some_cases
@pytest.mark.parametrize("batch_size", ["auto", 1, 16])
@pytest.mark.parametrize("loss", [n for n in REGRESSION if reference.LOSSES[n].unit])
def test_the_unit_of_y_scales_the_model(loss, batch_size, rng):
    """Of the log-link losses it shifts the intercept by its logarithm."""
    X, log_link = rng.normal(size=(80, 3)), LOSSES[loss].link == "log"
    y = X @ [1.0, -0.5, 0.3] + 0.3 * rng.normal(size=80) + 1.0
    y = np.exp(0.4 * y) if log_link else y
    squares = loss in ("squared_error", "huber", "squared_epsilon_insensitive")
    models = {}
    for unit in (1.0, 1e-150, 1e-26, 1e26, 1e150):
        if log_link:
            alpha = unit ** (2.0 - {"poisson": 1.0, "gamma": 2.0, "tweedie": 1.5}[loss])
        else:
            alpha = 1.0 if squares else 1.0 / unit
        own = {"epsilon": 0.3 * unit} if "epsilon" in LOSSES[loss].params else {}
        model = GDRegressor(
            loss, **own, alpha=0.01 * alpha, batch_size=batch_size,
            tol=1e-6, random_state=0, max_iter=2000,
        )  # fmt: skip
        silent_fit(model, X, unit * y)
        w, b = model.coef_, model.intercept_
        models[unit] = np.append(w, b - np.log(unit))
        if not log_link:
            models[unit] = np.append(w / unit, b / unit)
        np.testing.assert_allclose(models[unit], models[1.0], atol=2e-3)


def test_equal_targets_have_the_unit_of_their_size(rng):
    X = rng.normal(size=(6, 2))
    for loss in ("squared_error", "absolute_error", "squared_epsilon_insensitive"):
        for size in (1e-40, 1.0, -1e40):
            own = {"epsilon": 0.0} if "epsilon" in LOSSES[loss].params else {}
            model = silent_fit(GDRegressor(loss, **own), X, np.full(6, size))
            assert np.abs(model.coef_).max() <= 1e-15 * abs(size)
            assert model.intercept_[0] == pytest.approx(size, rel=1e-12)
        for params in ({}, {"learning_rate": 0.01}):
            with pytest.raises(ValueError, match="y: values as large as 3e"):
                silent_fit(GDRegressor(loss, **params), X, np.full(6, -3e246))
    # Their mean may differ from all of them, and the difference from no square leaves.
    with pytest.raises(ValueError, match="y: values as large as 7"):
        silent_fit(GDRegressor(learning_rate=0.1), X, np.full(6, -7e153))


# ------------------------------------------------------------------- float32 columns


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_a_wild_stream_of_float32_rows_reports_in_the_dtype_of_fit(penalty):
    r = np.random.default_rng(3)
    X, y = r.normal(size=(200, 3)).astype(np.float32), r.integers(0, 3, size=200)
    params = {"penalty": penalty, "alpha": 2e-3, "learning_rate": "optimal"}
    params["random_state"] = 1
    model = GDClassifier("squared_hinge", max_iter=2, tol=None, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        both = model.fit(X, y)
    stream = GDClassifier("squared_hinge", **params)
    for _ in range(2):
        stream.partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(stream.coef_, both.coef_)
    assert stream.coef_.dtype == both.coef_.dtype


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("batch_size", ["auto", 1, 32])
def test_what_float32_cannot_hold_stays_float64(batch_size, container, rng):
    """Features of size 8e7 with spread 10: seven digits are not enough."""
    Z = 10.0 * rng.normal(size=(300, 2))
    X = (8e7 + Z).astype(np.float32)
    y = (X.astype(float) - 8e7) @ [0.03, -0.02] + 0.003 * rng.normal(size=300)
    model = GDRegressor(batch_size=batch_size, random_state=0)
    silent_fit(model, container(X), y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float64
    assert model.score(X, y) > 0.99
    assert Objective(model, X, y)(Objective(model, X, y).coef) == pytest.approx(
        model.loss_curve_[-1], rel=1e-6
    )


def test_coefficients_beyond_the_range_of_float32_stay_float64(rng):
    X = rng.normal(size=(50, 3)).astype(np.float32)
    model = silent_fit(GDRegressor(penalty=None), X, 1e60 * (X @ [1.0, 2.0, 3.0]))
    assert model.coef_.dtype == np.float64
    np.testing.assert_allclose(model.coef_, [1e60, 2e60, 3e60], rtol=1e-5)
    model.partial_fit(X, 1e60 * X[:, 0].astype(float))
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("params", [{}, {"optimizer": "sgd", "learning_rate": 0.01}])
def test_ordinary_float32_columns_give_float32_coefficients(params, rng):
    X = (rng.normal(size=(200, 3)) * [1e-3, 1.0, 1e3] + 5.0).astype(np.float32)
    X = X / 1e3 if params else X
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=200)
    model = GDRegressor(max_iter=5, tol=None, random_state=0, **params).fit(X, y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    F = Objective(model, X, y)
    assert F(F.coef) == pytest.approx(model.loss_curve_[-1], rel=1e-5)


# --------------------------------------------------------- the ends of what floats hold

SIZES = [1e-310, 1e-165, 1e-140, 1e-120, 1e120, 1e139, 1e155, 1e300]


@pytest.mark.some_cases
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("batch_size", ["auto", 1, 16])
@pytest.mark.parametrize("loss", LOSSES)
def test_columns_of_any_size_give_the_right_answer_or_one_error(
    loss, batch_size, container, rng
):
    Z = rng.normal(size=(60, 2))
    t = Z @ [1.0, -0.5] + 0.3 * rng.normal(size=60)
    y = np.exp(0.5 * t) if LOSSES[loss].task == "regression" else t > 0.0
    cls = GDRegressor if LOSSES[loss].task == "regression" else GDClassifier
    params = {"penalty": None, "batch_size": batch_size, "random_state": 0}
    expected = cls(loss, **params).fit(Z, y).coef_
    for size in SIZES:
        model = cls(loss, **params)
        if 1e-140 < size < 1e140:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(container(size * Z), y)
            np.testing.assert_allclose(size * model.coef_, expected, rtol=2e-2)
        elif size != 1e-140:
            what = "large" if size > 1.0 else "small"
            with pytest.raises(ValueError, match=f"X: the values.*{what}.*Scale this"):
                silent_fit(model, container(size * Z), y)


@pytest.mark.parametrize("batch_size", ["auto", 1, 16])
@pytest.mark.parametrize("loss", REGRESSION)
def test_targets_beyond_all_units_are_one_error(loss, batch_size, rng):
    X, own = rng.normal(size=(40, 2)), {}
    y = np.exp(0.3 * X[:, 0])
    for size in (1e-310, 1e-165, 1e155, 1e300):
        if "epsilon" in LOSSES[loss].params:
            own = {"epsilon": 0.1 * size}
        for more in ({}, {"optimizer": "sgd", "learning_rate": 0.01}):
            model = GDRegressor(loss, batch_size=batch_size, **own, **more)
            what = "large" if size > 1.0 else "small"
            with pytest.raises(ValueError, match=f"y: values as {what}.*Scale y"):
                silent_fit(model, X, size * y)


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_without_intercept_log_links_refuse_huge_targets_too(loss, rng):
    X = rng.normal(size=(40, 2))
    model = GDRegressor(loss, optimizer="sgd", fit_intercept=False)
    with pytest.raises(ValueError, match=r"y: values as large.*Scale y"):
        model.fit(X, 1e155 * np.exp(X[:, 0]))


def test_with_a_penalty_a_column_of_tiny_values_says_nothing(rng):
    X = rng.normal(size=(50, 2)) * [1.0, 1e-200]
    model = silent_fit(GDRegressor(), X, X[:, 0])
    assert model.coef_[0] == pytest.approx(1.0, abs=1e-3) and model.coef_[1] == 0.0


# ---------------------------------------------------------------- overflow on the way


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("as_X", [np.asarray, sp.csr_array])
def test_a_sparse_model_predicts_data_of_either_dtype(dtype, as_X):
    r = np.random.default_rng(0)
    X = r.normal(size=(40, 6)).astype(np.float32)
    fitted_to = X.astype(np.float64 if dtype == np.float32 else np.float32)
    model = GDRegressor(penalty="l1", alpha=0.1).fit(fitted_to, X[:, 0])
    expected = model.predict(X)
    found = model.sparsify().predict(as_X(X.astype(dtype)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_overflow_in_a_diverging_run_is_no_warning_of_numpy(early_stopping):
    r = np.random.default_rng(0)
    X, y = r.normal(size=(50, 3)) * [1e120, 1.0, 1e-120], r.normal(size=50)
    model = GDRegressor(learning_rate=0.1, early_stopping=early_stopping)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with pytest.warns(ConvergenceWarning):
            model.fit(X, y)
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("quantile", [0.0, 1.0])
def test_extreme_quantiles_are_exported(quantile):
    X, y = np.arange(8.0)[:, None], np.arange(8.0) ** 2
    model = GDRegressor("quantile", quantile=quantile).fit(X, y)
    plain = model.to_sklearn()
    assert plain.quantile == quantile
    np.testing.assert_allclose(plain.predict(X), model.predict(X))


@pytest.mark.parametrize(("n_rows", "fraction"), [(1, 0.1), (33, 0.98)])
def test_a_split_without_training_rows_names_validation_fraction(n_rows, fraction):
    X = np.arange(float(n_rows))[:, None]
    model = GDRegressor(early_stopping=True, validation_fraction=fraction)
    with pytest.raises(ValueError, match=r"validation_fraction=.*none for training"):
        model.fit(X, X[:, 0])


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_a_validation_set_with_predictions_beyond_floats_has_a_very_low_score(loss):
    X = np.linspace(0.0, 1.0, 30)[:, None]
    y = np.exp(X[:, 0])
    model = GDRegressor(loss, learning_rate=1.0, batch_size="full", max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="X_val looks nothing like X")
        model.fit(X, y, X_val=1e4 * X, y_val=y)
    assert max(model.validation_scores_) < -1e4


@pytest.mark.parametrize(
    "loss", [Poisson(), Gamma(), Tweedie(1.0), Tweedie(1.5), Tweedie(2.0)]
)
def test_losses_with_a_log_link_rise_beyond_the_range_of_exponentials(loss):
    """A bounded exponential without its tangent would fall without end."""
    for side in (-1.0, 1.0):
        ends = [699.0, 701.0, 710.0, 3e3, 1e10, 1e306]
        values = [loss.evaluate([[2.0]], [[side * z]])[0] for z in ends]
        assert values == sorted(values) and values[0] > 0.0


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("batch_size", [1, 16, "full"])
def test_a_log_link_that_overflows_never_ends_at_minus_infinity(
    optimizer, batch_size, rng
):
    X = 400.0 * rng.normal(size=(50, 3))
    model = GDRegressor(
        "poisson", optimizer=optimizer, batch_size=batch_size, learning_rate=0.005,
        random_state=0, max_iter=5, tol=None,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, rng.poisson(2.0, size=50))
    assert np.isfinite(model.coef_).all() and np.isfinite(model.loss_curve_[-1])


@pytest.mark.some_cases
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_single_row_of_huge_curvature_is_fitted(optimizer):
    """Its curvature at zero is y, and 1 - y has no digit of the 1."""
    model = GDRegressor("gamma", optimizer=optimizer, max_iter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit([[-0.8]], [7e23])
    assert model.predict([[-0.8]]) == pytest.approx(7e23, rel=0.1)


# -------------------------------------------------------------------------- outliers

ROBUST = {"huber": {"epsilon": 0.3}, "absolute_error": {}, "quantile": {}}
ROBUST["epsilon_insensitive"] = {}


@pytest.mark.parametrize("batch_size", [1, 16])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", ROBUST)
def test_one_outlier_leaves_robust_losses_their_coefficients(
    loss, weighted, batch_size, rng
):
    X = rng.normal(size=(400, 3))
    y = 5.0 + X @ [2.0, -1.0, 0.5] + 0.2 * rng.normal(size=400)
    s = rng.uniform(0.5, 2.0, size=400) if weighted else None
    for outlier in (1e4, 1e6, 1e9):
        y[7] = outlier
        model = GDRegressor(
            loss, alpha=0.0, batch_size=batch_size, random_state=0, **ROBUST[loss]
        )
        silent_fit(model, X, y, sample_weight=s)
        np.testing.assert_allclose(model.coef_, [2.0, -1.0, 0.5], atol=0.1)
        assert model.intercept_[0] == pytest.approx(5.0, abs=0.1)


@pytest.mark.parametrize("loss", [Huber, EpsilonInsensitive, AbsoluteError, Quantile])
def test_natural_sizes_of_robust_losses_take_no_notice_of_outliers(loss, rng):
    y = rng.normal(size=500)
    clean, zero = loss().natural_scale(y, None, np.zeros(1)), np.zeros(1)
    for outlier in (1e4, 1e9, 1e30):
        for s in (None, rng.uniform(size=500)):
            dirty = loss().natural_scale(np.append(y[1:], outlier), s, zero)
            np.testing.assert_allclose(dirty, clean, rtol=0.3)
    # Most targets alike: the size is that of the others.
    y[:450] = 0.0
    y[-1] = 1e9
    assert loss().natural_scale(y, None, zero)[0][0] < 1.0


BATCH = dict.fromkeys(BATCH_METHODS, "auto")
BATCH |= {"auto": "auto", "adam": "auto", "nesterov": 16, "sgd": 1}


@pytest.mark.one_case
@pytest.mark.parametrize("optimizer", BATCH)
@pytest.mark.parametrize("loss", ROBUST)
def test_however_far_an_outlier_is_robust_losses_keep_their_model(loss, optimizer, rng):
    """The model is the same for all of them: the size of an outlier never counts."""
    X = rng.normal(size=(400, 3))
    Y = np.empty((400, 2))
    Y[:, 0] = 5.0 + X @ [2.0, -1.0, 0.5] + 0.2 * rng.normal(size=400)
    Y[:, 1] = 5.0 - Y[:, 0]
    s = rng.uniform(0.5, 2.0, size=400)
    models = []
    for outlier in (1e10, 1e16, -1e16, 1e40):
        Y[7, 0], Y[9, 1] = outlier, 2.0 * abs(outlier)
        model = GDRegressor(
            loss, alpha=0.0, optimizer=optimizer, random_state=0, max_iter=300,
            batch_size=BATCH[optimizer], **ROBUST[loss],
        )  # fmt: skip
        silent_fit(model, X, Y, sample_weight=s)
        assert model.stop_reason_ == "converged"
        np.testing.assert_allclose(model.coef_[0], [2.0, -1.0, 0.5], atol=0.1)
        np.testing.assert_allclose(model.coef_[1], [-2.0, 1.0, -0.5], atol=0.1)
        F = Objective(model, X, Y, s)
        assert model.loss_curve_[-1] == pytest.approx(F(F.coef), rel=1e-12)
        if outlier > 0.0:
            models.append(model.coef_)
    np.testing.assert_allclose(models[1:], [models[0]] * 2, rtol=1e-3)


@pytest.mark.parametrize("loss", ROBUST)
def test_an_outlier_that_a_row_of_X_explains_is_no_outlier(loss, rng):
    X = rng.normal(size=(400, 2))
    X[5] = 1e9, 0.0
    y = X @ [3.0, -2.0] + 1.0
    model = GDRegressor(loss, penalty=None, **ROBUST[loss])
    silent_fit(model, X, y)
    assert model.coef_[0] == pytest.approx(3.0, rel=1e-4)


@pytest.mark.parametrize("barrier_weight", [0.0, 1e-8, 0.3, 50.0])
@pytest.mark.parametrize("loss", ROBUST)
def test_losses_measured_from_a_constant_differ_by_that_constants_loss(
    loss, barrier_weight
):
    exact = LOSSES[loss](**ROBUST[loss])
    smoothed = exact.smoothed(barrier_weight) if not exact.smooth else exact
    apart = smoothed.measured_from([3.0, -1.0], [5.0, 5.0])
    for one in (apart, pickle.loads(pickle.dumps(apart))):
        for y in (4.0, -60.0, 2.0**40, -(2.0**40)):
            Y = np.array([[y, 0.0]])
            for z in (-80.0, 2.99, 3.01, 2.0**40 - 1.0, 2.0**41):
                Z = np.array([[z, 0.0]])
                value, slope = one.evaluate(Y, Z)
                expected, slopes = smoothed.evaluate(Y, Z)
                if abs(y - 3.0) > 5.0:
                    expected -= exact.evaluate([[y]], [[3.0]])[0]
                # (What is left of the rounding of 2**40.)
                assert value == pytest.approx(expected, rel=1e-9, abs=1e-3)
                np.testing.assert_array_equal(slope, slopes)
        # Nothing is rounded in the size of the target.
        far, steps = np.array([[2.0**200, 0.0]]), np.array([3.0, 4.0, 7.0])
        values = [one.evaluate(far, np.array([[z, 0.0]]))[0] for z in steps]
        slope = one.evaluate(far, np.zeros((1, 2)))[1][0, 0]
        np.testing.assert_allclose(np.diff(values), slope * np.diff(steps), rtol=1e-12)


@pytest.mark.parametrize("loss", ROBUST)
def test_one_target_beyond_floats_is_an_error_of_y(loss, rng):
    X = rng.normal(size=(50, 2))
    y, s = X[:, 0].copy(), np.ones(50)
    y[3] = 1e300
    with pytest.raises(ValueError, match="y: values as large as 1e"):
        GDRegressor(loss).fit(X, y)
    s[3] = 0.0
    silent_fit(GDRegressor(loss), X, y, sample_weight=s)


def test_who_did_not_set_a_learning_rate_is_not_told_to_change_it(rng, monkeypatch):
    """A run whose objective overflows although its learning rate was found."""
    X = rng.normal(size=(50, 2))
    monkeypatch.setattr(BatchSolver, "finish_epoch", lambda run: np.inf)
    model = GDRegressor(penalty=None)
    with pytest.warns(ConvergenceWarning) as seen:
        model.fit(X, X[:, 0])
    assert model.diagnosis_["problem"] == "overflow"
    texts = [str(w.message) for w in seen] + [model.diagnosis_["text"]]
    assert not any(re.search("learning rate|learning rate", text) for text in texts)


@pytest.mark.parametrize("unit", [1e-300, 1e-150])
@pytest.mark.parametrize("optimizer", ["auto", "sgd", "adam", "nesterov"])
def test_columns_too_small_for_their_squares_are_an_error_in_every_run(optimizer, unit):
    """A run whose steps change no prediction has not converged."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    y = X @ rng.normal(size=5)
    rate = {} if optimizer == "auto" else {"learning_rate": 0.01}
    model = GDRegressor(optimizer=optimizer, penalty=None, random_state=0, **rate)
    with pytest.raises(ValueError, match="so small that their squares leave float64"):
        model.fit(unit * X, y)
