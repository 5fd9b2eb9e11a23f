"""What is promised of every fit, one function each.

A check takes a case, its fit and a generator of random numbers, and raises `Broken` if
the promise, the first sentence of its docstring, does not hold. A new one needs nothing
but the decorator.
"""

import copy
import inspect
import io
import pickle
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor

from fuzz.cases import (
    LAYOUTS,
    Array,
    Case,
    Rng,
    draw,
    log_uniform,
    one_of,
    spoil,
    task_of,
)
from fuzz.objective import Objective, class_weights
from sklgd import GDClassifier, GDRegressor
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS, Optimizer

STOP_REASONS = {
    "converged", "max_iter", "early_stopping", "diverged", "stalled", "plateau",
}  # fmt: skip
# Differences that rounding explains, relative to the largest coefficient.
# (Adagrad divides gradients that are rounding by their own size.)
ROUNDING = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-4}
# How often a fit with X (1 + 1e-15 noise) may be further away from the fit with X.
TIMES_NOISE = 1e4


class Broken(Exception):
    """A promise does not hold."""


class Refused(Exception):
    """The estimator raised a ValueError, whose text this is."""


@dataclass
class Fit:
    """A fitted model and the texts of its warnings, by category."""

    model: Any
    warnings: list[tuple[type, str]] = field(default_factory=list)

    @property
    def coef(self) -> Array:
        """Coefficients of shape (n_outputs, n_features), float64."""
        return np.atleast_2d(self.model.coef_).astype(float)

    @property
    def intercept(self) -> Array:
        """Intercepts of shape (n_outputs,), float64."""
        return np.atleast_1d(self.model.intercept_).astype(float)

    @property
    def parameters(self) -> Array:
        """Coefficients and intercepts in one array."""
        return np.append(self.coef.ravel(), self.intercept)

    @property
    def warned(self) -> bool:
        """True if a warning said that the run did not get far."""
        return any(issubclass(kind, ConvergenceWarning) for kind, _ in self.warnings)

    @property
    def knows_gap(self) -> bool:
        """True if the run ended because its optimality gap is small enough."""
        model = self.model
        return model.stop_reason_ == "converged" and np.isfinite(model.optimality_gap_)


# Number of calls of fit and partial_fit so far.
n_fits = 0


@contextmanager
def learning(fit: Fit) -> Iterator[None]:
    """Around a call of fit or partial_fit: what may be raised and warned of."""
    global n_fits
    n_fits += 1
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            yield
        except ValueError as error:
            raise Refused(str(error)) from error
        except (Broken, Refused):
            raise
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise Broken(
                f"{type(error).__name__}: {error} ({place.name}, line {place.lineno} "
                f"of {place.filename.rpartition('/')[2]})"
            ) from error
    for one in seen:
        if one.category not in (ConvergenceWarning, UserWarning):
            where = f"{one.filename.rpartition('/')[2]}, line {one.lineno}"
            raise Broken(f"{one.category.__name__}: {one.message} ({where})")
    fit.warnings += [(one.category, str(one.message)) for one in seen]


def fit(case: Case, X: Any = None) -> Fit:
    """Fit a case; X replaces its own."""
    result = Fit(case.estimator(**case.params))
    X = case.X if X is None else X
    with learning(result):
        result.model.fit(X, case.y, **case.fit_args)
    return result


def partial_fit(result: Fit, case: Case) -> Fit:
    """One call with all rows of a case."""
    args = {}
    if task_of(case.estimator) == "classification":
        args["classes"] = case.classes
    X, y, weights = case.X, case.y, case.weights
    copied = copy.deepcopy((X, y, weights))
    with learning(result):
        result.model.partial_fit(X, y, sample_weight=weights, **args)
    for value, before, name in zip(
        (X, y, weights), copied, ("X", "y", "sample_weight"), strict=True
    ):
        unchanged(value, before, name)
    return result


# --------------------------------------------------------------------------------------
# What a case is
# --------------------------------------------------------------------------------------


def is_explicit(case: Case) -> bool:
    """True if the learning rate is the user's, and the optimizer has one."""
    optimizer = case.param("optimizer")
    if isinstance(optimizer, str):
        optimizer = OPTIMIZERS.get(optimizer.lower(), Optimizer)
    if not optimizer.takes_learning_rate:
        return False
    name = case.param("learning_rate")
    if not isinstance(name, str):
        return True
    return name == "optimal" or (name != "auto" and case.param("eta0") is not None)


def has_objective(case: Case) -> bool:
    """True if the rows that are learnt from are all rows."""
    return not case.param("early_stopping")


def is_convex(case: Case) -> bool:
    """True if every point without a slope is the optimum."""
    return case.param("loss") != "tweedie" or 1.0 <= case.param("power") <= 2.0


def holds_back_intercept(case: Case) -> bool:
    """True if the learning rate treats the intercept otherwise on sparse data."""
    return str(case.param("learning_rate")) in ("optimal", "pa1", "pa2")


def is_lazy(case: Case) -> bool:
    """True if steps leave out the features that are zero in all rows of a batch."""
    return getattr(case.param("optimizer"), "sparse_update", "exact") == "lazy"


def is_degenerate(case: Case) -> bool:
    """True if the objective is least at zero and says nothing (perceptron)."""
    return LOSSES[case.param("loss")]().degenerate


# --------------------------------------------------------------------------------------
# Comparisons
# --------------------------------------------------------------------------------------


def same_bits(a: Fit, b: Fit, what: str) -> None:
    """Raise `Broken` unless two runs are the same."""
    if (
        a.model.stop_reason_ != b.model.stop_reason_
        or a.model.n_iter_ != b.model.n_iter_
    ):
        raise Broken(
            f"{what}: {a.model.n_iter_} epochs ({a.model.stop_reason_}) and "
            f"{b.model.n_iter_} ({b.model.stop_reason_})"
        )
    for name in ("coef_", "intercept_", "loss_curve_", "validation_scores_"):
        one, other = getattr(a.model, name), getattr(b.model, name)
        if one is None and other is None:
            continue
        if not np.array_equal(np.asarray(one), np.asarray(other), equal_nan=True):
            raise Broken(f"{what}: {name} differs")


def difference(case: Case, a: Fit, b: Fit) -> float:
    """How much two models differ, relative to the predictions and to the targets.

    The largest sum of what each coefficient contributes to a raw prediction.
    """
    sizes = np.abs(case.table)
    with np.errstate(all="ignore"):
        terms = [sizes @ np.abs(f.coef.T) + np.abs(f.intercept) for f in (a, b)]
        change = sizes @ np.abs(a.coef - b.coef).T + np.abs(a.intercept - b.intercept)
        target = Objective.of(case).target
        unit = np.abs(target).max() if is_linear(case) else 1.0
        found = change.max() / max(terms[0].max(), terms[1].max(), unit)
    return float(found) if np.isfinite(found) else 0.0


def is_linear(case: Case) -> bool:
    """True if predictions are in the units of y."""
    loss = LOSSES[case.param("loss")]
    return task_of(case.estimator) == "regression" and loss.link != "log"


def same_to_rounding(case: Case, a: Fit, b: Fit, what: str) -> None:
    """Raise `Broken` unless two runs of a case agree.

    With an explicit learning rate these are coefficients, up to what noise of the size
    of rounding does to them. Otherwise both have found the optimum as well as they say.
    """
    if is_explicit(case):
        found = difference(case, a, b)
        if found <= max(ROUNDING[fit.model.coef_.dtype] for fit in (a, b)):
            return
        usual, plain = 0.0, fit(replace(case, layout="C"))
        for seed in range(8):
            noisy = with_noise(case, np.random.default_rng(seed))
            usual = max(usual, difference(case, plain, fit(noisy)))
            if found <= TIMES_NOISE * usual:
                break
        if found > TIMES_NOISE * usual:
            raise Broken(
                f"{what}: coefficients differ by {found:.2g} (noise in X and weights "
                f"of the size of rounding: {usual:.2g})"
            )
    elif a.knows_gap and b.knows_gap:
        same_objective(case, a, b, what)


def with_noise(case: Case, rng: Rng) -> Case:
    """The same case with X and weights that differ by rounding."""
    noise = 1.0 + 2e-15 * rng.uniform(-1.0, 1.0, size=case.table.shape)
    noisy = replace(case, table=case.table * noise, layout="C")
    # Weights of copies add up to other roundings of the same sums.
    weights = np.ones(len(case.y)) if case.weights is None else case.weights
    noisy = noisy.with_args(sample_weight=weights * noise[:, 0])
    if case.params.get("class_weight") != "balanced":
        return noisy
    # Balanced class weights cancel noise in the weights of the rows. The gradients of
    # the intercept at zero then add up to exactly 0, and only rounding decides on which
    # side of 0, where the perceptron loss has its jump, the intercept is.
    classes, codes = np.unique(case.y, return_inverse=True)
    per_row = class_weights(case, classes, codes, weights / weights.max())
    sizes = per_row[[np.flatnonzero(codes == k)[0] for k in range(len(classes))]]
    sizes = sizes * (1.0 + 2e-15 * rng.uniform(-1.0, 1.0, size=len(classes)))
    return noisy.with_params(class_weight=dict(zip(classes, sizes, strict=True)))


def same_objective(case: Case, a: Fit, b: Fit, what: str) -> None:
    """Raise `Broken` if the objectives differ by more than both gaps explain.

    The estimates may be off by some factor; another check is about that. What is
    rounding beside the objective at zero says nothing: targets that are all equal have
    optima of 1e-67. Nor does what rounding to float32 may cost.
    """
    F = Objective.of(case)
    (one, error), (other, other_error) = (
        F.at(a.coef, a.intercept),
        F.at(b.coef, b.intercept),
    )
    gap = max(a.model.optimality_gap_, b.model.optimality_gap_, 1e-12)
    at_zero, _ = F.at(np.zeros_like(a.coef), np.zeros_like(a.intercept))
    allowed = 10.0 * gap * abs(F.null() - min(one, other)) + error + other_error
    allowed += 1e-15 * abs(at_zero)
    allowed += cost_of_rounding(case, a) + cost_of_rounding(case, b)
    if abs(one - other) > allowed:
        raise Broken(
            f"{what}: objectives {one:.17g} and {other:.17g} differ by "
            f"{abs(one - other):.2g}, the gaps {gap:.2g} explain {allowed:.2g}"
        )


# --------------------------------------------------------------------------------------
# The fit itself
# --------------------------------------------------------------------------------------


def answers(case: Case) -> Fit:
    """Any input gives a model or one ValueError that names a parameter."""
    before = copy.deepcopy((case.table, case.y, case.fit_args, case.params))
    X = case.X
    copied = copy.deepcopy(X)
    try:
        result = fit(case, X)
    except Refused as refusal:
        known = inspect.signature(case.estimator).parameters
        arguments = inspect.signature(case.estimator.fit).parameters
        # (The labels of a y of one class, in scikit-learn's words.)
        names = "|".join([*known, *arguments, "class", case.spoiled or "X"])
        if not re.search(rf"\b({names})\b", str(refusal)):
            raise Broken(f"the message names no parameter: {refusal}") from None
        raise
    if case.spoiled:
        raise Broken(f"{case.spoiled} is impossible and was accepted")
    unchanged(X, copied, "X")
    after = case.table, case.y, case.fit_args, case.params
    unchanged(after[1], before[1], "y")
    for name, value in before[2].items():
        unchanged(after[2][name], value, name)
    for name, value in before[3].items():
        if repr(result.model.get_params()[name]) != repr(value):
            raise Broken(f"fit changed the parameter {name}")
    return result


def unchanged(after: Any, before: Any, name: str) -> None:
    """Raise `Broken` if an argument of fit is not what it was."""
    if sp.issparse(after):
        for part in ("data", "indices", "indptr"):
            unchanged(getattr(after, part), getattr(before, part), f"{name}.{part}")
        return
    same = np.asarray(after), np.asarray(before)
    if same[0].dtype != same[1].dtype or not (
        np.array_equal(*same) or np.array_equal(*same, equal_nan=True)
    ):
        raise Broken(f"{name} was changed")


@dataclass(frozen=True)
class Check:
    """A promise.

    Attributes
    ----------
    function : callable
        Of a case, its fit and a generator.
    applies : callable
        True for a case and its fit if the promise is about them.
    share : float
        Share of these cases that are checked.
    needs_fit : bool
        False if the fit of the case plays no part.
    """

    function: Callable[[Case, Fit, Rng], None]
    applies: Callable[[Case, Fit], bool]
    share: float
    needs_fit: bool = True

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.function.__name__

    @property
    def promise(self) -> str:
        """First paragraph of the function's docstring, in one line."""
        doc = inspect.getdoc(self.function) or ""
        return " ".join(doc.split("\n\n")[0].split())


CHECKS: list[Check] = []


def check(
    share: float = 1.0,
    when: Callable[[Case, Fit], bool] = lambda case, fit: True,
    needs_fit: bool = True,
) -> Callable[[Callable[[Case, Fit, Rng], None]], Callable[[Case, Fit, Rng], None]]:
    """Register a check."""

    def register(function: Callable[[Case, Fit, Rng], None]) -> Any:
        CHECKS.append(Check(function, when, share, needs_fit))
        return function

    return register


@check()
def fitted_attributes_are_complete_and_finite(case: Case, fit: Fit, rng: Rng) -> None:
    """Every fitted attribute is there, of its shape, and finite."""
    model, d = fit.model, case.table.shape[1]
    F = Objective.of(case)
    flat = task_of(case.estimator) == "regression" and case.y.ndim == 1
    if model.coef_.shape != ((d,) if flat else (F.n_outputs, d)):
        raise Broken(f"coef_ has shape {model.coef_.shape}")
    if model.intercept_.shape != (F.n_outputs,):
        raise Broken(f"intercept_ has shape {model.intercept_.shape}")
    for name in ("coef_", "intercept_"):
        if not np.isfinite(getattr(model, name)).all():
            raise Broken(f"{name} is not finite ({model.stop_reason_})")
    if not case.param("fit_intercept") and model.intercept_.any():
        raise Broken(f"intercept_ is {model.intercept_} with fit_intercept=False")
    if model.stop_reason_ not in STOP_REASONS:
        raise Broken(f"stop_reason_ is {model.stop_reason_!r}")
    if not 1 <= model.n_iter_ <= case.param("max_iter"):
        raise Broken(f"n_iter_ is {model.n_iter_}, max_iter {case.param('max_iter')}")
    if len(model.loss_curve_) != model.n_iter_:
        raise Broken(f"{len(model.loss_curve_)} losses of {model.n_iter_} epochs")
    if not np.isfinite(model.loss_curve_[-1]):
        raise Broken(f"loss_curve_ ends with {model.loss_curve_[-1]}")
    scores = model.validation_scores_
    if (scores is None) == (case.param("early_stopping") or "X_val" in case.fit_args):
        raise Broken(f"validation_scores_ is {scores}")


def cost_of_rounding(case: Case, fit: Fit) -> float:
    """What rounding to float32 may cost before coefficients stay in float64."""
    if fit.model.coef_.dtype != np.float32:
        return 0.0
    F = Objective.of(case)
    value, _ = F.at(fit.coef, fit.intercept)
    at_zero, _ = F.at(np.zeros_like(fit.coef), np.zeros_like(fit.intercept))
    cost = 1e-5 * abs(F.null() - value) + 1e-6 * (abs(value) + abs(at_zero))
    # A model of zeros may cost nothing, which is no size to compare with: a change by
    # 1e-9 of the natural size of the loss counts as none (`_fit/result_dtype.py`).
    return cost + 1e-9 * cost_far_away(case, fit)


def cost_far_away(case: Case, fit: Fit) -> float:
    """The objective of predictions twice as large as any target; 0 if infinite."""
    F = Objective.of(case)
    unit = np.abs(F.target).max() if is_linear(case) else 1.0
    away = 2.0 * (unit + abs(case.param("epsilon")))
    far, _ = F.at(np.zeros_like(fit.coef), np.full_like(fit.intercept, away))
    return abs(far) if np.isfinite(far) else 0.0


@check(when=lambda case, fit: case.signs is not None)
def coefficients_have_their_signs(case: Case, fit: Fit, rng: Rng) -> None:
    """No coefficient has another sign than ``positive`` or ``monotonic_cst`` says."""
    wrong = fit.coef * case.signs < 0.0
    if wrong.any():
        raise Broken(f"coefficients {fit.coef[wrong][:3]} have the wrong sign")


@check(when=lambda case, fit: has_objective(case))
def last_loss_is_the_objective_of_the_model(case: Case, fit: Fit, rng: Rng) -> None:
    """loss_curve_[-1] is the objective at the coefficients that are returned.

    Of float32 coefficients it is the one before or after rounding.
    """
    F, error = Objective.of(case).at(fit.coef, fit.intercept)
    last = fit.model.loss_curve_[-1]
    if fit.model.batch_size_ == "full":
        # Batch methods add each step to the raw predictions, with its rounding: to
        # compute these anew would move F by more than the last steps gain, and end
        # the path of a barrier too early.
        error *= 1.0 + fit.model.n_iter_ / 5.0
    error += cost_of_rounding(case, fit)
    if np.isfinite(F) and not abs(last - F) <= error + 1e-9 * abs(F):
        raise Broken(
            f"loss_curve_ ends with {last:.12g}, the objective is {F:.12g} (rounding: "
            f"{error:.2g}; {fit.model.stop_reason_})"
        )


def has_gain(case: Case, fit: Fit) -> bool:
    """True if the objective of a constant model is one to compare with."""
    flat = case.param("loss") == "huber" and case.param("epsilon") == 0.0
    return has_objective(case) and not is_degenerate(case) and not flat


@check(when=has_gain)
def no_silence_above_the_constant_model(case: Case, fit: Fit, rng: Rng) -> None:
    """A model that is worse than the best constant one comes with a warning.

    One whose predictions differ from a constant by rounding is as good: coefficients of
    1e-25 have some penalty, which is infinitely more than none. Nor is one worse if
    zero costs nothing, and it a share of 1e-8 of what a prediction far away costs.
    """
    F = Objective.of(case)
    spread = np.ptp(F.raw(fit.coef, fit.intercept), axis=0).max()
    unit = np.abs(F.target).max() if is_linear(case) else 1.0
    if spread <= 1e-12 * unit:
        return
    (value, error), null = F.at(fit.coef, fit.intercept), F.null()
    silent = not fit.warned and case.param("tol") is not None
    at_zero, _ = F.at(np.zeros_like(fit.coef), np.zeros_like(fit.intercept))
    if at_zero == 0.0:
        error += 1e-8 * cost_far_away(case, fit)
    error += 1e-9 * abs(at_zero) + cost_of_rounding(case, fit)
    worse = not value <= null + 2e-3 * abs(null) + error
    if silent and np.isfinite(null) and worse:
        raise Broken(
            f"objective {value:.6g}, of a constant model {null:.6g}, after "
            f"{fit.model.n_iter_} epochs ({fit.model.stop_reason_})"
        )
    if worse and np.isfinite(null) and fit.model.stop_reason_ == "converged":
        raise Broken(f"'converged' at {value:.6g}, a constant model has {null:.6g}")


@check()
def warnings_begin_with_a_constant_sentence(case: Case, fit: Fit, rng: Rng) -> None:
    """The first sentence of a warning is the same every time: it holds no figures."""
    for kind, text in fit.warnings:
        first = re.split(r"(?<=[.:])\s", text)[0]
        # Names and values of parameters may hold figures.
        if re.search(r"\d", re.sub(r"'[^']*'|=\S+|[^\W\d]\w*", "", first)):
            raise Broken(f"{kind.__name__}: {first}")


def has_known_optimum(case: Case, fit: Fit) -> bool:
    """True if the run ended near what can only be the optimum."""
    return has_objective(case) and is_convex(case) and fit.knows_gap


@check(share=0.3, when=has_known_optimum)
def optimality_gap_is_not_underestimated(case: Case, fit: Fit, rng: Rng) -> None:
    """The true gap is at most three times the estimate if the fit has converged."""
    F = Objective.of(case)
    (value, error), null, least = F.at(fit.coef, fit.intercept), F.null(), F.minimum()
    if not (np.isfinite([value, null, least]).all() and null > least):
        return
    gap = (value - error - 1e-9 * abs(value) - least) / (null - least)
    estimate = max(fit.model.optimality_gap_, 1e-12)
    if gap > 3.0 * estimate:
        raise Broken(
            f"estimate {estimate:.2g}, true gap at least {gap:.2g} (tol "
            f"{case.param('tol')}; objectives {value:.12g}, {least:.12g}, {null:.12g})"
        )


# --------------------------------------------------------------------------------------
# The same fit again
# --------------------------------------------------------------------------------------


@check(share=0.15)
def same_seed_gives_the_same_bits(case: Case, first: Fit, rng: Rng) -> None:
    """The same seed gives the same bits from run to run."""
    same_bits(first, fit(case), "twice the same fit")


@check(share=0.15)
def threads_change_no_bit(case: Case, first: Fit, rng: Rng) -> None:
    """The coefficients do not depend on n_jobs."""
    same_bits(first, fit(case.with_params(n_jobs=1)), "n_jobs=1")
    same_bits(first, fit(case.with_params(n_jobs=2)), "n_jobs=2")


@check(share=0.3)
def storage_does_not_matter(case: Case, first: Fit, rng: Rng) -> None:
    """Dense, CSR and float32 storage give the same model, to rounding.

    Layouts that the kernels do not see (order in memory, alignment, the type of the
    indices) change no bit. SGD*'s own learning rates take smaller steps of the
    intercept on CSR, lazy updates are of CSR only.
    """
    table = case.table
    with np.errstate(all="ignore"):
        exact32 = np.array_equal(table.astype(np.float32).astype(float), table)
    whole = np.array_equal(table, np.round(table)) and np.abs(table).max() < 2**53
    possible = [
        name
        for name in LAYOUTS
        if ("float32" not in name or exact32) and (name != "int" or whole)
    ]
    layout = str(rng.choice(possible))
    other = fit(replace(case, layout=layout))
    what = f"layouts {case.layout!r} and {layout!r}"
    is_sparse = ["cs" in name for name in (case.layout, layout)]
    is_short = ["float32" in name for name in (case.layout, layout)]
    if is_sparse[0] == is_sparse[1] and is_short[0] == is_short[1]:
        same_bits(first, other, what)
    elif not is_lazy(case) and not holds_back_intercept(case):
        same_to_rounding(case, first, other, what)


@check(share=0.1, when=lambda case, fit: case.weights is not None)
def scale_of_the_weights_does_not_matter(case: Case, first: Fit, rng: Rng) -> None:
    """Weights times a power of two change no bit."""
    factor = 2.0 ** rng.integers(-30, 30)
    other = fit(case.with_args(sample_weight=factor * first_of(case.weights)))
    same_bits(first, other, f"weights times {factor:g}")


def first_of(weights: Array | None) -> Array:
    """The weights of a case that has some."""
    assert weights is not None
    return weights


@check(share=0.15)
def rows_of_weight_zero_are_absent(case: Case, first: Fit, rng: Rng) -> None:
    """Rows of weight zero change nothing, whatever they hold."""
    n = len(case.y)
    weights = np.ones(n) if case.weights is None else case.weights
    places = np.sort(rng.integers(n + 1, size=max(1, n // 5)))
    rows = np.insert(np.arange(n), places, rng.integers(n, size=len(places)))
    added = np.insert(np.zeros(n, dtype=bool), places, True)
    more = case.of_rows(rows, sample_weight=np.where(added, 0.0, weights[rows]))
    table = more.table.copy()
    table[added] *= rng.choice([1.0, 100.0, -1.0])
    if not np.isfinite(table).all() or case.layout in (
        "int",
        "float32",
        "csr, float32",
    ):
        table = more.table
    other = fit(replace(more, table=table))
    if is_explicit(case) or not has_objective(case):
        same_bits(first, other, f"{len(places)} rows of weight zero")
    else:
        same_to_rounding(case, first, other, f"{len(places)} rows of weight zero")


def may_have_offset(case: Case, fit: Fit) -> bool:
    """True for a regression whose validation rows are not judged by a scorer."""
    scored = case.param("scoring") in (None, "loss")
    return not hasattr(fit.model, "classes_") and scored and not case.spoiled


@check(share=0.15, when=may_have_offset)
def an_offset_is_a_part_of_the_target(case: Case, first: Fit, rng: Rng) -> None:
    """An offset of zero changes no bit, others are taken from targets of z - y."""
    validated = {"offset_val": 0.0} if "X_val" in case.fit_args else {}
    other = fit(case.with_args(offset=0.0, **validated))
    same_bits(first, other, "an offset of zero")
    if first.model._make_loss().link == "log" or validated or not case.tame:
        return
    y = np.asarray(case.y, dtype=float)
    offset = rng.normal(size=len(y)) * (np.abs(y).mean() or 1.0)
    column = offset if y.ndim == 1 else offset[:, None]
    given = fit(case.with_args(offset=offset))
    taken = fit(replace(case, y=y - column))
    if case.param("early_stopping"):
        return
    same_bits(given, taken, "an offset and the target less that offset")


# --------------------------------------------------------------------------------------
# Other ways to the same model
# --------------------------------------------------------------------------------------


def takes_all_rows(case: Case, fit: Fit) -> bool:
    """True if neither the order of the rows nor a split of them matters."""
    full = fit.model.batch_size_ == "full"
    return full and has_objective(case) and (is_explicit(case) or fit.knows_gap)


@check(share=0.2, when=takes_all_rows)
def weights_are_repetitions(case: Case, first: Fit, rng: Rng) -> None:
    """With all rows in each step a weight of k is the same as k copies of the row."""
    counts = rng.integers(0, 4, size=len(case.y))
    rows = np.repeat(np.arange(len(case.y)), counts)
    few = np.unique(case.y[rows], axis=0) if len(rows) else rows
    if len(few) < 2:
        return
    case = case.with_params(average=bool(case.param("average")))
    weighted = case.with_args(sample_weight=counts.astype(float))
    if task_of(case.estimator) == "classification" and not case.several_labels:
        if len(few) < len(case.classes):
            return
    repeated = case.of_rows(rows, sample_weight=None)
    a, b = fit(weighted), fit(repeated)
    same_to_rounding(weighted, a, b, "weights and copies of the rows")


@check(share=0.2, when=takes_all_rows)
def order_of_the_rows_does_not_matter(case: Case, first: Fit, rng: Rng) -> None:
    """With all rows in each step their order does not matter."""
    case = case.with_params(batch_size="full", average=bool(case.param("average")))
    rows = rng.permutation(len(case.y))
    same_to_rounding(
        case, fit(case), fit(case.of_rows(rows)), "another order of the rows"
    )


def learns_online(case: Case, fit: Fit) -> bool:
    """True if partial_fit is possible."""
    return (
        fit.model.optimizer_.training == "descent"
        and not case.param("early_stopping")
        and case.params.get("class_weight") != "balanced"
    )


@check(
    share=0.4,
    when=lambda case, fit: (
        learns_online(case, fit)
        and is_explicit(case)
        and not {"coef_init", "X_val"} & set(case.fit_args)
        and fit.model.stop_reason_ != "diverged"
    ),
)
def two_partial_fits_are_two_epochs(case: Case, first: Fit, rng: Rng) -> None:
    """With an explicit learning rate partial_fit twice is fit for two epochs."""
    case = case.with_params(max_iter=2, tol=None)
    both = fit(case)
    if both.model.stop_reason_ == "diverged" or both.model.n_iter_ < 2:
        return
    stream = Fit(case.estimator(**case.params))
    for _ in range(2):
        partial_fit(stream, case)
    if stream.model.stop_reason_ != "diverged" and not np.array_equal(
        stream.parameters, both.parameters
    ):
        raise Broken(f"coefficients differ by {difference(case, stream, both):.2g}")


@check(share=0.15, when=learns_online)
def pickling_changes_nothing(case: Case, first: Fit, rng: Rng) -> None:
    """A stream goes on with the same bits after pickling, and stays finite."""
    stream = Fit(case.estimator(**case.params))
    n = len(case.y)
    pieces = [case.of_rows(np.arange(n)[k::3]) for k in range(3) if n > 3]
    if task_of(case.estimator) == "classification":
        # Every piece holds all classes.
        pieces = [case] * 3
    pieces = [p for p in pieces if p.weights is None or p.weights.any()]
    for number, piece in enumerate(pieces):
        copied = Fit(pickle.loads(pickle.dumps(stream.model)))
        partial_fit(stream, piece)
        partial_fit(copied, piece)
        same_bits(stream, copied, f"call {number + 1} after pickling")
        if not np.isfinite(stream.parameters).all():
            raise Broken(f"coefficients are not finite after call {number + 1}")


@check(share=0.1)
def learning_goes_on_where_it_stopped(case: Case, first: Fit, rng: Rng) -> None:
    """A warm start from a converged model does not make it worse."""
    model = copy.deepcopy(first.model).set_params(warm_start=True)
    again = Fit(model)
    args = {k: v for k, v in case.fit_args.items() if not k.endswith("_init")}
    with learning(again):
        model.fit(case.X, case.y, **args)
    if not np.isfinite(again.parameters).all():
        raise Broken("coefficients are not finite")
    if has_objective(case) and first.knows_gap and again.knows_gap:
        same_objective(case, first, again, "a warm start")


# --------------------------------------------------------------------------------------
# The model in use
# --------------------------------------------------------------------------------------


@check(share=0.1)
def predictions_are_sane(case: Case, fit: Fit, rng: Rng) -> None:
    """Predictions have y's shape and labels, probabilities add up to one."""
    model, X = fit.model, case.X
    copied = copy.deepcopy(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with np.errstate(all="ignore"):
            predicted = model.predict(X)
            if task_of(case.estimator) == "classification" or (
                case.tame and len(case.y) > 1 and np.isfinite(predicted).all()
            ):
                model.score(X, case.y, sample_weight=case.weights)
            sparse = clone_fitted(model).sparsify()
            again = sparse.predict(X)
            sparse.densify()
    unchanged(X, copied, "X")
    if predicted.shape != case.y.shape:
        raise Broken(f"predictions have shape {predicted.shape}")
    if not np.array_equal(sparse.coef_, model.coef_):
        raise Broken("sparsify and densify change coef_")
    if task_of(case.estimator) == "regression":
        return
    if not np.isin(predicted, (0, 1) if case.several_labels else model.classes_).all():
        raise Broken("predictions are not among the classes")
    if case.tame and np.mean(predicted == again) < 0.9:
        raise Broken("a sparse coef_ predicts other classes")
    if hasattr(model, "predict_proba"):
        p = model.predict_proba(X)
        total = 1.0 if case.several_labels else p.sum(axis=1)
        if not np.allclose(total, 1.0, atol=1e-5) or p.min() < 0.0 or p.max() > 1.0001:
            raise Broken("predict_proba does not give probabilities")


def clone_fitted(model: Any) -> Any:
    """A copy that shares nothing."""
    return copy.deepcopy(model)


@check(share=0.05, when=lambda case, fit: case.tame and not case.has_strengths)
def plain_model_predicts_the_same(case: Case, fit: Fit, rng: Rng) -> None:
    """to_sklearn gives a model of scikit-learn with the same predictions."""
    X = LAYOUTS["C"](case.table)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        plain = fit.model.to_sklearn()
        one, other = fit.model.predict(X), plain.predict(X)
    if task_of(case.estimator) == "classification":
        same = np.mean(one == other) > 0.98
    else:
        size = np.abs(one[np.isfinite(one)]).max(initial=1e-300)
        other = np.reshape(other, one.shape)
        same = np.allclose(one, other, rtol=1e-4, atol=1e-5 * size)
    if not same:
        raise Broken(f"{plain} predicts otherwise")


@check(share=0.05)
def parameters_survive_cloning(case: Case, fit: Fit, rng: Rng) -> None:
    """clone and repr work; a clone has the same parameters."""
    copied = clone(fit.model)
    if repr(copied) != repr(fit.model):
        raise Broken(f"{copied} is a clone of {fit.model}")


@check(share=0.05)
def failed_fits_leave_the_model_as_it_was(case: Case, first: Fit, rng: Rng) -> None:
    """A fit that raises leaves a model that was fitted before as it was."""
    bad = spoil(rng, case)
    model = copy.deepcopy(first.model)
    before = pickle.dumps((model.coef_, model.intercept_, model.n_iter_))
    model.set_params(**bad.params)
    try:
        with learning(Fit(model)):
            model.fit(bad.X, bad.y, **bad.fit_args)
    except Refused:
        if pickle.dumps((model.coef_, model.intercept_, model.n_iter_)) != before:
            raise Broken("fitted attributes changed") from None
    else:
        raise Broken(f"{bad.spoiled} is impossible and was accepted")


# --------------------------------------------------------------------------------------
# The same data in other types, other learners, and streams of any chunks
# --------------------------------------------------------------------------------------


def with_stored_zeros(table: Array) -> sp.csr_array:
    """CSR of which every entry is stored, zeros as well."""
    n, d = table.shape
    indices, starts = np.tile(np.arange(d), n), d * np.arange(n + 1)
    return sp.csr_array((table.ravel(), indices, starts), shape=(n, d))


@check(share=0.1)
def types_of_the_arguments_do_not_matter(case: Case, first: Fit, rng: Rng) -> None:
    """Lists, data frames, other sparse formats and number types give the same bits."""
    n, d = case.table.shape
    is_sparse = "cs" in case.layout
    forms: dict[str, Callable[[Array], Any]] = {
        "DataFrame": lambda table: pd.DataFrame(
            table, columns=[f"feature {j}" for j in range(d)]
        ),
        "swapped bytes": lambda table: table.astype(table.dtype.newbyteorder()),
        "negative strides": lambda table: table[::-1, ::-1].copy()[::-1, ::-1],
        "tuples": lambda table: tuple(map(tuple, table.tolist())),
    }
    if is_sparse:
        forms = {
            "coo": lambda table: sp.coo_array(table),
            "lil": lambda table: sp.lil_array(table),
            "dok": lambda table: sp.dok_array(table),
            "bsr": lambda table: sp.bsr_array(table, blocksize=(1, 1)),
            "stored zeros": with_stored_zeros,
        }
    name = str(rng.choice(list(forms)))
    args = dict(case.fit_args)
    weights = case.weights
    if weights is not None:
        whole = (weights == np.round(weights)).all() and weights.max() < 2**53
        args["sample_weight"] = one_of(
            rng,
            weights.tolist(),
            pd.Series(weights, index=rng.permutation(n)),
            weights.astype(np.int64) if whole else weights,
        )
    y = one_of(rng, case.y, case.y.tolist())
    if case.y.ndim == 1:
        y = one_of(rng, y, pd.Series(case.y, index=rng.permutation(n)))
    other = Fit(case.estimator(**case.params))
    if "X_val" in args and name == "DataFrame":
        args["X_val"] = forms[name](args["X_val"])
    with learning(other):
        other.model.fit(forms[name](case.table), y, **args)
    what = f"X as {name}, y as {type(y).__name__}"
    if "float32" in case.layout or name == "stored zeros":
        if not is_lazy(case):
            same_to_rounding(case, first, other, what)
    else:
        same_bits(first, other, what)


SGD_TWINS = {GDRegressor: SGDRegressor, GDClassifier: SGDClassifier}


@check(share=0.15)
def what_sgd_fits_is_fitted(case: Case, first: Fit, rng: Rng) -> None:
    """The parameters and data that SGD* fits are fitted; to finite coefficients."""
    twin = SGD_TWINS[case.estimator]
    known = inspect.signature(twin).parameters
    params = {k: v for k, v in case.params.items() if k in known}
    params["max_iter"] = min(params.get("max_iter", 5), 5)
    params["learning_rate"] = str(
        rng.choice(
            ["constant", "optimal", "invscaling", "adaptive", "pa1", "pa2"],
            p=[0.2, 0.2, 0.2, 0.2, 0.1, 0.1],
        )
    )
    params["eta0"] = log_uniform(rng, 1e-6, 1.0)
    if params["learning_rate"].startswith("pa"):
        classifies = task_of(case.estimator) == "classification"
        params["loss"] = "hinge" if classifies else "epsilon_insensitive"
    y = case.y if case.y.ndim == 1 else case.y[:, 0]
    X = case.X
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            with redirect_stdout(io.StringIO()):
                twin(**params).fit(X, y, sample_weight=case.weights)
    except (ValueError, FloatingPointError, OverflowError, ZeroDivisionError):
        return
    ours = Fit(case.estimator(**params))
    try:
        with learning(ours):
            ours.model.fit(X, y, sample_weight=case.weights)
    except Refused as refusal:
        if case.tame:
            given = {k: v for k, v in params.items() if v != known[k].default}
            raise Broken(f"SGD* fits {given}: {refusal}") from refusal
        return
    if not np.isfinite(ours.parameters).all():
        raise Broken(f"coefficients are not finite with {params}")


def new_params(case: Case, rng: Rng) -> dict[str, Any]:
    """Some parameters of another case of the same estimator."""
    seed = case.seed
    while True:
        seed += 1
        other = draw(seed)
        if other.estimator is case.estimator and not other.spoiled:
            break
    names = [name for name in other.params if name != "class_weight"]
    some = [str(name) for name in rng.permutation(names)[: rng.integers(1, 4)]]
    return {name: other.params[name] for name in some}


def chunks(case: Case, rng: Rng) -> Iterator[Array]:
    """Row numbers of chunks: of any size, of one row, of one class."""
    n = len(case.y)
    for _ in range(rng.integers(2, 6)):
        kind = rng.integers(4)
        if kind == 0:
            yield rng.integers(n, size=1)
        elif kind == 1:
            _, codes = np.unique(case.y, axis=0, return_inverse=True)
            codes = codes.ravel()
            yield np.flatnonzero(codes == codes[rng.integers(n)])
        elif kind == 2:
            yield rng.integers(n, size=rng.integers(1, 2 * n + 1))
        else:
            yield np.arange(n)


@check(share=0.25, when=learns_online)
def streams_take_any_chunks_and_changes(case: Case, first: Fit, rng: Rng) -> None:
    """Chunks of one row or class, storage and parameters may change between calls.

    Each call is refused with a ValueError and changes nothing, or leaves finite
    coefficients; a copy of the model by pickle does the same bit for bit.
    """
    stream = Fit(case.estimator(**case.params))
    if rng.random() < 0.3:
        stream = copy.deepcopy(first)
    args = {}
    if task_of(case.estimator) == "classification":
        args["classes"] = case.classes
    with np.errstate(all="ignore"):
        exact32 = np.array_equal(
            case.table.astype(np.float32).astype(float), case.table
        )
    layouts = [
        name for name in LAYOUTS if name != "int" and ("float32" not in name or exact32)
    ]
    for number, rows in enumerate(chunks(case, rng), start=1):
        # (Optimizers over all rows have no partial_fit.)
        changes = new_params(case, rng) if rng.random() < 0.4 else {}
        stream.model.set_params(**changes)
        if not hasattr(stream.model, "partial_fit"):
            return
        piece = replace(case.of_rows(rows), layout=str(rng.choice(layouts)))
        what = f"call {number} ({len(rows)} rows, {piece.layout}, changes {changes})"
        copied = Fit(pickle.loads(pickle.dumps(stream.model)))
        before = pickle.dumps(vars(stream.model).get("coef_"))
        refused = []
        for one in (stream, copied):
            try:
                with learning(one):
                    one.model.partial_fit(
                        piece.X, piece.y, sample_weight=piece.weights, **args
                    )
            except Refused as refusal:
                refused.append(str(refusal))
            except Broken as broken:
                raise Broken(f"{what}: {broken}") from None
        if len(refused) == 1 or len(set(refused)) > 1:
            raise Broken(f"{what}: a pickled copy differs: {refused}")
        if refused:
            if pickle.dumps(vars(stream.model).get("coef_")) != before:
                raise Broken(f"{what}: refused, and yet coef_ changed")
            return
        same_bits(stream, copied, what)
        if not np.isfinite(stream.parameters).all():
            raise Broken(f"{what}: coefficients are not finite")


@check(share=0.1)
def other_parameters_after_a_fit(case: Case, first: Fit, rng: Rng) -> None:
    """A fitted model takes other parameters, with a warm start or without.

    Without one, what was learnt before leaves no trace.
    """
    changes = new_params(case, rng)
    model = copy.deepcopy(first.model).set_params(**changes)
    again = Fit(model)
    try:
        with learning(again):
            model.fit(case.X, case.y, **case.fit_args)
    except Refused:
        return
    except Broken as broken:
        raise Broken(f"after {changes}: {broken}") from None
    if not np.isfinite(again.parameters).all():
        raise Broken(f"coefficients are not finite after {changes}")
    if not model.warm_start:
        anew = fit(case.with_params(**changes))
        same_bits(anew, again, f"the second fit of a model after {changes}")


# --------------------------------------------------------------------------------------
# All of them
# --------------------------------------------------------------------------------------


@dataclass
class Failure:
    """A promise that a case breaks."""

    check: str
    promise: str
    message: str


@dataclass
class Outcome:
    """What became of a case."""

    failures: list[Failure]
    refusal: str | None = None
    fits: int = 0


def run(case: Case, only: str = "") -> Outcome:
    """Fit a case and check what is promised of it.

    Parameters
    ----------
    case : Case
    only : str, default=""
        Part of the names of the checks, which are then all made. Those of fits alone
        are left out if the case is refused.
    """
    before = n_fits
    outcome = Outcome([])
    main = Check(lambda case, fit, rng: None, lambda case, fit: True, 1.0)
    main.function.__name__, main.function.__doc__ = answers.__name__, answers.__doc__
    chosen = [(number, one) for number, one in enumerate(CHECKS) if only in one.name]
    fitted = Fit(None)
    if not only or any(one.needs_fit for _, one in chosen):
        try:
            fitted = answers(case)
        except Refused as refusal:
            outcome.refusal = str(refusal)
        except Broken as broken:
            outcome.failures.append(Failure(main.name, main.promise, str(broken)))
    for number, one in chosen:
        rng = np.random.default_rng([case.seed, number])
        if rng.random() >= one.share and not only:
            continue
        if one.needs_fit and (fitted.model is None or not one.applies(case, fitted)):
            continue
        if case.spoiled and not one.needs_fit:
            continue
        try:
            one.function(case, fitted, rng)
        except Broken as broken:
            outcome.failures.append(Failure(one.name, one.promise, str(broken)))
        except Refused as refusal:
            # Values at the end of what floats can hold may go beyond it.
            if case.tame:
                text = f"a fit of the same kind is refused: {refusal}"
                outcome.failures.append(Failure(one.name, one.promise, text))
    outcome.fits = n_fits - before
    return outcome


def run_seed(seed: int, only: str = "") -> Outcome:
    """The same of the case of a seed."""
    return run(draw(seed), only)
