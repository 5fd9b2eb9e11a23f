"""What goes in: parameters, weights, sparse matrices and starting points."""

import math
import numbers
from difflib import get_close_matches
from functools import cache, lru_cache
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ._compat import warn
from ._hints import did_you_mean
from ._signs import check_monotonic_cst
from ._strengths import check_alphas_of_targets, check_penalty_factor
from .kernels._rows import has_sorted_rows
from .kernels._vector import all_finite
from .losses import LOSSES
from .optimizers import OPTIMIZERS, Optimizer
from .penalties import PENALTIES
from .schedules import SCHEDULES, as_schedule, schedule_class

# Bytes of a dask collection up to which it is gathered.
GATHERED = 1e9
# Types of values that can be compared as they are.
PLAIN = {str, int, float, bool, type(None)}
FLOATS = np.dtype(np.float64), np.dtype(np.float32)
LOSS_NAMES = {
    "regression": [n for n, cls in LOSSES.items() if cls.task == "regression"],
    "classification": [n for n, cls in LOSSES.items() if cls.classifies],
}
LEARNING_RATES = ("auto", *SCHEDULES)
ORDERS = ("full", "blocks", "window")


def check_number(name, value, *, low, high=np.inf, closed="both", integer=False):
    """Raise ValueError unless ``value`` is a number between ``low`` and ``high``.

    ``closed`` tells which ends belong to the range: "both", "left" or "neither". A
    range without upper end takes any finite number.
    """
    # (The abstract classes of numbers take longer to ask.)
    good = type(value) is int or (type(value) is float and not integer)
    if not good:
        kind = numbers.Integral if integer else numbers.Real
        good = isinstance(value, kind) and not isinstance(value, (bool, np.bool_))
    if good:
        good = low < value if closed == "neither" else low <= value
        good &= value <= high if closed == "both" else value < high
        good = good and (type(value) is int or math.isfinite(value))
    if not good:
        noun = "an integer" if integer else "a number"
        opening = "(" if closed == "neither" else "["
        ending = "]" if closed == "both" and np.isfinite(high) else ")"
        raise ValueError(
            f"{name} must be {noun} in {opening}{low:g}, {high:g}{ending}, "
            f"got {value!r}."
        )


def check_choice(name, value, choices):
    """Raise ValueError unless ``value`` is one of ``choices``."""
    if type(value) is str and value in choices:
        return
    if not any(value is c or (isinstance(value, str) and value == c) for c in choices):
        listed = ", ".join(repr(c) for c in choices)
        raise ValueError(
            f"{name} must be one of {listed}, got {value!r}."
            f"{did_you_mean(value, choices)}"
        )


def check_bool(name, value):
    """Raise ValueError unless ``value`` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {value!r}.")


def check_parameters(est, task):
    """Check every constructor parameter of an estimator.

    Plain values that were found good, of a search or of other data, are remembered.

    Raises
    ------
    ValueError
        Naming the parameter, its value and what is possible instead.
    """
    names, get = _parameters(type(est))  # type: ignore[arg-type]
    values = get(est)
    # (1, 1.0 and True are equal, but not all of them may be possible.)
    types = tuple(map(type, values))
    if PLAIN.issuperset(types):
        _check_plain(task, names, values, types)
    else:
        _check(est, task)


@cache
def _parameters(cls):
    """Names of the parameters of an estimator, and what reads them from an object."""
    names = tuple(plain_class(cls)._get_param_names())
    return names, attrgetter(*names)


def parameter_names(cls):
    """Names of the parameters of an estimator of this class."""
    return _parameters(cls)[0]


def plain_class(cls):
    """GDRegressor or GDClassifier: the class whose constructor sets all parameters.

    A subclass may have a constructor with other parameters, but it has the attributes
    of the class that it extends.
    """
    return [
        c for c in cls.__mro__ if issubclass(c, BaseEstimator) and "__init__" in vars(c)
    ][-1]


def parameters_of(est):
    """The parameters of an estimator by name, also of one of a subclass."""
    names, get = _parameters(type(est))  # type: ignore[arg-type]
    return dict(zip(names, get(est), strict=True))


@lru_cache(maxsize=256)
def _check_plain(task, names, values, types):
    _check(SimpleNamespace(**dict(zip(names, values, strict=True))), task)


def _check(est, task):
    """The checks themselves; ``est`` has the parameters as attributes."""
    check_choice("loss", est.loss, LOSS_NAMES[task])
    check_choice("penalty", est.penalty, PENALTIES)
    check_alpha(est.alpha, task)
    if est.penalty == "elasticnet" or est.l1_ratio is not None:
        if est.l1_ratio is None:
            raise ValueError(
                "l1_ratio=None is not possible with penalty='elasticnet'; give a "
                "number between 0 (l2) and 1 (l1)."
            )
        check_number("l1_ratio", est.l1_ratio, low=0.0, high=1.0)
    for name in ("fit_intercept", "early_stopping", "warm_start", "positive",
                 "standardize"):  # fmt: skip
        check_bool(name, getattr(est, name))
    check_monotonic_cst(est.monotonic_cst, est.positive)
    check_penalty_factor(est.penalty_factor)
    if not isinstance(est.shuffle, (bool, np.bool_)) and (
        not isinstance(est.shuffle, str) or est.shuffle not in ORDERS
    ):
        raise ValueError(
            "shuffle must be True, False, 'full', 'blocks' or 'window', got "
            f"{est.shuffle!r}.{did_you_mean(est.shuffle, ORDERS)}"
        )
    check_number("max_iter", est.max_iter, low=1, integer=True)
    if est.tol is not None:
        check_number("tol", est.tol, low=0.0)
    check_number("n_iter_no_change", est.n_iter_no_change, low=1, integer=True)
    check_number(
        "validation_fraction", est.validation_fraction, low=0.0, high=1.0,
        closed="neither",
    )  # fmt: skip
    check_scoring(est.scoring)
    if not isinstance(est.verbose, (bool, np.bool_)):
        check_number("verbose", est.verbose, low=0, integer=True)
    if not isinstance(est.average, (bool, np.bool_)):
        check_number("average", est.average, low=0, integer=True)
    if est.n_jobs is not None:
        check_number("n_jobs", est.n_jobs, low=-np.inf, integer=True)
        if est.n_jobs == 0:
            raise ValueError("n_jobs=0 has no meaning; use None, 1, ... or -1.")
    seed = est.random_state
    if type(seed) is int or isinstance(seed, numbers.Integral):
        check_number("random_state", seed, low=0, high=2**32 - 1, integer=True)
    elif seed is not None:
        try:
            check_random_state(seed)
        except ValueError:
            raise ValueError(
                "random_state must be an integer, a numpy.random.RandomState or None, "
                f"got {seed!r}."
            ) from None
    check_batch_size(est.batch_size)
    check_optimizer(est.optimizer)
    check_learning_rate(est)
    check_number("epsilon", est.epsilon, low=0.0)
    if task == "regression":
        check_number("quantile", est.quantile, low=0.0, high=1.0)
        check_number("power", est.power, low=0.0)
        if 0.0 < est.power < 1.0:
            raise ValueError(
                f"power must be 0 or at least 1, got {est.power!r}: there is no "
                "Tweedie distribution with a power between 0 and 1."
            )


def check_alpha(alpha, task):
    """Raise ValueError unless ``alpha`` is "auto", or zero or more for all targets."""
    if isinstance(alpha, (list, tuple)) or np.ndim(alpha):
        check_alphas_of_targets(alpha, task)
    elif not isinstance(alpha, str):
        check_number("alpha", alpha, low=0.0)
    elif alpha != "auto":
        raise ValueError(
            f"alpha must be 'auto' or a number in [0, inf), got {alpha!r}."
            f"{did_you_mean(alpha, ('auto',))}"
        )


def check_scoring(scoring):
    """Raise ValueError unless ``scoring`` is None, "loss", a scorer or its name."""
    if scoring is None or callable(scoring):
        return
    hint = ""
    if isinstance(scoring, str):
        if scoring == "loss":
            return
        # Imported when needed: it doubles the package's import time.
        from sklearn.metrics import get_scorer_names

        names = ["loss", *get_scorer_names()]
        if scoring in names:
            return
        close = get_close_matches(scoring, names, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        "scoring must be None, 'loss', a name in sklearn.metrics.get_scorer_names() or "
        f"a callable scorer(estimator, X, y), got {scoring!r}.{hint}"
    )


def check_batch_size(batch_size):
    """Raise ValueError unless ``batch_size`` is "auto", "full" or at least 1.

    A float that holds an integer will do: grids made with NumPy have such.
    """
    if isinstance(batch_size, str):
        if batch_size in ("auto", "full"):
            return
    elif type(batch_size) is int or (
        isinstance(batch_size, numbers.Real) and not isinstance(batch_size, bool)
    ):
        rows = float(batch_size)
        if 1.0 <= rows < math.inf and rows.is_integer():
            return
    raise ValueError(
        "batch_size must be 'auto', 'full' or an integer of at least 1 "
        f"(1 is stochastic descent), got {batch_size!r}."
        f"{did_you_mean(batch_size, ('auto', 'full'))}"
    )


def optimizer_class(est):
    """Class of the parameter ``optimizer``; `Optimizer` itself for "auto"."""
    optimizer = est.optimizer
    if isinstance(optimizer, str):
        return OPTIMIZERS.get(optimizer.lower(), Optimizer)
    return type(optimizer) if isinstance(optimizer, Optimizer) else Optimizer


def optimizer_name(optimizer):
    """Name of an optimizer that is given by name, in lower case; else None."""
    return optimizer.lower() if isinstance(optimizer, str) else None


def check_optimizer(optimizer):
    """Raise ValueError unless ``optimizer`` is "auto", a name or an object."""
    if isinstance(optimizer, Optimizer):
        optimizer.check()
        return
    name = optimizer_name(optimizer)
    if name != "auto" and name not in OPTIMIZERS:
        names = ("auto", *OPTIMIZERS)
        if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
            hint = f" It is a class; use {optimizer.__name__}()."
        else:
            hint = did_you_mean(optimizer, names)
        listed = ", ".join(map(repr, names))
        raise ValueError(
            f"optimizer must be one of {listed} or an object of sklgd.optimizers, "
            f"got {optimizer!r}.{hint}"
        )


def check_learning_rate(est):
    """Raise ValueError for a parameter of the learning rate that is impossible."""
    # Any number, as in SGD*: with a negative one the learning rate grows.
    check_number("power_t", est.power_t, low=-np.inf, closed="neither")
    cls = schedule_class(est.learning_rate)
    used = cls is not None and "eta0" in cls.parameters
    if est.eta0 is not None:
        # Where it has no effect 0.0 will do, the default of older SGDClassifiers.
        closed = "neither" if used else "left"
        check_number("eta0", est.eta0, low=0.0, closed=closed)
    if isinstance(est.learning_rate, str):
        check_choice("learning_rate", est.learning_rate, LEARNING_RATES)
    if step_is_explicit(est):
        schedule_of(est)


def schedule_of(est):
    """The schedule of an estimator whose learning rate is explicit."""
    cls = schedule_class(est.learning_rate)
    used = cls is not None and "eta0" in cls.parameters
    return as_schedule(est.learning_rate, est.eta0 if used else None, est.power_t)


def step_is_explicit(est):
    """True if the learning rate is the user's: then the textbook form is run."""
    if isinstance(est.learning_rate, str):
        cls = schedule_class(est.learning_rate)
        return cls is not None and not (cls.needs_eta0 and est.eta0 is None)
    return True


def check_weights(sample_weight, n_samples, name="sample_weight", *, all_zero=False):
    """Weights as a float64 array, or None.

    Parameters
    ----------
    all_zero : bool, default=False
        Whether all of them may be zero.

    Raises
    ------
    ValueError
        For a wrong shape, or for a negative or non-finite weight, or only zeros.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, numbers.Real):
        sample_weight = np.full(n_samples, float(sample_weight))
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim != 1:
        raise ValueError(
            f"{name} must be 1D array or scalar, got {weights.ndim}D array"
        )
    if len(weights) != n_samples:
        raise ValueError(
            f"{name}.shape == {weights.shape}, expected {(n_samples,)}: one weight "
            "per row of X."
        )
    if not np.isfinite(weights).all():
        raise ValueError(f"{name} contains NaN or infinity; weights must be finite.")
    if weights.min() < 0.0:
        raise ValueError(
            f"{name} contains the negative value {weights.min():g}; weights must be "
            "zero or positive."
        )
    if not (all_zero or weights.any()):
        raise ValueError(
            f"{name}: all weights are zero, so there is nothing to learn from. Give at "
            "least one row a positive weight."
        )
    return in_c_order(weights)


def check_offset(
    offset: Any, n_samples: int, n_outputs: int, name: str = "offset"
) -> np.ndarray | None:
    """Offsets as a float64 array of shape (n_samples, n_outputs) or (n_samples, 1).

    Parameters
    ----------
    offset : array-like of shape (n_samples,) or (n_samples, n_outputs), or float
        None is returned as it is.
    n_samples, n_outputs : int
    name : str, default="offset"
        For messages.

    Raises
    ------
    ValueError
        For a wrong shape, or a value that is not finite.
    """
    if offset is None:
        return None
    try:
        checked = np.asarray(offset, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a number or an array of numbers, got a "
            f"{type(offset).__name__!r}."
        ) from None
    if checked.ndim == 0:
        checked = np.full(n_samples, checked)
    if checked.shape not in ((n_samples,), (n_samples, 1), (n_samples, n_outputs)):
        several = f" or {(n_samples, n_outputs)}" if n_outputs > 1 else ""
        raise ValueError(
            f"{name} has shape {checked.shape}, expected {(n_samples,)}{several}: one "
            "value for each row of X."
        )
    if not all_finite(np.ravel(checked)):
        raise ValueError(
            f"{name} contains NaN or infinity; offsets must be finite. (An exposure "
            "of zero has the logarithm minus infinity: leave out such rows.)"
        )
    return in_c_order(checked.reshape(n_samples, -1))


def rows_with_weight(weights):
    """Numbers of the rows whose weight is not zero, ascending; None if all are.

    A weight so small that its share of the largest one underflows counts as zero.
    """
    if weights is None:
        return None
    largest = weights.max()
    if largest > 0.0:
        if weights.min() / largest > 0.0:
            return None
        weights = weights / largest
    return np.flatnonzero(weights)


def multiply_weights(a, b):
    """Products of weights in any units, which neither overflow nor underflow.

    The parts are brought to sizes about one by powers of two, which round nothing.
    """
    scales = [np.frexp(part.max())[1] for part in (a, b)]
    product = np.ldexp(a, -scales[0]) * np.ldexp(b, -scales[1])
    # (Far below the largest float: sums of such weights are finite, too.)
    return np.ldexp(product, np.clip(sum(scales), -1000, 950))


def gathered(data, name):
    """The data in memory: a collection of dask is computed, with a warning.

    Raises
    ------
    ValueError
        If it is larger than `GATHERED` bytes.
    """
    if not hasattr(data, "__dask_graph__"):
        return data
    remedy = (
        f"Pass {name}.compute(); or use the estimators of sklgd.dask, which leave the "
        "rows on the workers."
    )
    try:
        size = float(data.nbytes)
    except (AttributeError, NotImplementedError, TypeError):
        # A data frame does not know how long its parts are.
        size = math.nan
    if size > GATHERED:
        raise ValueError(
            f"{name} is a dask collection of {size / 1e9:.3g} GB, which would be "
            f"gathered in the memory of this process; up to {GATHERED / 1e9:g} GB are "
            f"allowed. {remedy}"
        )
    warn(
        f"{name} is a dask collection and is gathered in the memory of this process. "
        f"{remedy}"
    )
    return data.compute()


def has_nothing_to_check(X):
    """True if scikit-learn's checks are sure to hand X back as it is.

    That is so of an ndarray in C order or a CSR matrix, of two dimensions and a dtype
    of the kernels, with finite entries. Most data are like this, and little of them is
    learnt in less time than the checks take. False says nothing about X.
    """
    return has_good_form(X) and all_finite(X if type(X) is np.ndarray else X.data)


def is_in_c_order(array):
    """True if kernels can read an array as it is."""
    return array.flags.c_contiguous and array.flags.aligned


def has_good_form(X):
    """The same apart from the entries being finite."""
    if type(X) is np.ndarray:
        values = X
    elif type(X) in (sp.csr_array, sp.csr_matrix) and type(X.data) is np.ndarray:
        values = X.data
    else:
        return False
    good = is_in_c_order(values) and values.dtype in FLOATS
    return good and X.ndim == 2 and min(X.shape) > 0


def has_nothing_to_check_in_target(y, n_samples, multi_output):
    """The same of a target for ``n_samples`` rows: finite numbers."""
    return (
        type(y) is np.ndarray
        and y.dtype.kind in "biuf"
        and (y.ndim == 1 or (multi_output and y.ndim == 2))
        and len(y) == n_samples
        and y.size > 0
        and (y.dtype.kind != "f" or all_finite(y))
    )


def in_c_order(array, dtype=None):
    """The array as kernels read it: in C order and aligned; a copy only if needed."""
    if type(array) is np.ndarray and is_in_c_order(array):
        # (`np.require` takes microseconds to say the same.)
        if dtype is None or array.dtype == dtype:
            return array
    return np.require(array, dtype, ("C", "A"))


def canonical(X):
    """X as the kernels read it: C order, or CSR with sorted, unique indices.

    The caller's matrix is never changed; a copy is made only if something must be.

    Raises
    ------
    ValueError
        If a column index lies outside the matrix.
    """
    if not sp.issparse(X):
        return in_c_order(X)
    X = check_indices(X)
    if not has_sorted_rows(X.indptr, X.indices):
        X = X.copy()
        X.sum_duplicates()
    if not is_in_c_order(X.data):
        X = type(X)((in_c_order(X.data), X.indices, X.indptr), shape=X.shape)
    return X


def check_indices(X):
    """X; CSR with indices and indptr of one dtype, int32 or int64, in C order.

    Raises
    ------
    ValueError
        If a column index lies outside the matrix.
    """
    if not sp.issparse(X):
        return X
    indices, indptr = X.indices, X.indptr
    if not (
        indices.dtype == indptr.dtype
        and indices.dtype in (np.int32, np.int64)
        and is_in_c_order(indices)
        and is_in_c_order(indptr)
    ):
        dtype = np.result_type(indices.dtype, indptr.dtype, np.int32)
        indices = in_c_order(indices, dtype)
        X = type(X)((X.data, indices, in_c_order(indptr, dtype)), shape=X.shape)
    # Negative ones, read without sign, are the largest.
    unsigned = indices.view(np.uint32 if indices.itemsize == 4 else np.uint64)
    if len(indices) and unsigned.max() >= X.shape[1]:
        raise ValueError(
            f"sparse X has column indices from {indices.min()} to {indices.max()}, "
            f"but {X.shape[1]} columns."
        )
    return X


def check_start(coef_init, intercept_init, n_features, n_outputs):
    """Starting coefficients of shape (n_features + 1, n_outputs), or None.

    With one output the coefficients may also have shape (n_features,).

    Raises
    ------
    ValueError
        For a wrong shape or a non-finite value.
    """
    if coef_init is None and intercept_init is None:
        return None
    start = np.zeros((n_features + 1, n_outputs))
    for name, value, shape, part in (
        ("coef_init", coef_init, (n_outputs, n_features), start[:-1]),
        ("intercept_init", intercept_init, (n_outputs,), start[-1]),
    ):
        if value is None:
            continue
        value = np.asarray(value, dtype=np.float64)
        if n_outputs == 1 and value.size == np.prod(shape) and value.ndim <= len(shape):
            value = value.reshape(shape)
        if value.shape != shape:
            raise ValueError(f"{name} has shape {value.shape}, expected {shape}.")
        if not np.isfinite(value).all():
            raise ValueError(f"{name} contains NaN or infinity.")
        part[...] = value.T
    return start


def refuse_parts_of_validation(y_val: Any, weights: Any, offset: Any = None) -> None:
    """Raise ValueError for parts of a validation set without its X."""
    if y_val is not None or weights is not None:
        raise ValueError("y_val and sample_weight_val need X_val.")
    if offset is not None:
        raise ValueError("offset_val needs X_val.")
