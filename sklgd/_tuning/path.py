"""`path`: the models of one estimator for many alphas."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.linalg import eigvalsh
from sklearn.base import clone

from .._base import BaseGD
from .._data_checks import check_offset, check_weights
from .._fit.data import Data
from .._fit.offset import without_offset
from .._fit.statistics import Statistics
from .._signs import without_names
from .._strengths import without_names_of_factors
from .._validation import check_number, check_parameters
from .grid import column_scale, default_alphas
from .models import all_rows
from .moments import MomentModels

# Largest number of features for which degrees of freedom are computed.
MAX_FREEDOM = 1000


@dataclass
class RegularizationPath:
    """The models along a path, as `path` returns them.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        In decreasing order.
    coef : ndarray of shape (n_alphas, n_features) or (n_alphas, n_outputs, n_features)
        Without the axis of the outputs where ``coef_`` of the estimator has none.
    intercept : ndarray of shape (n_alphas,) or (n_alphas, n_outputs)
    objective : ndarray of shape (n_alphas,)
        F at the coefficients.
    df : ndarray of shape (n_alphas,)
        Degrees of freedom without the intercepts: with an l1 penalty the number of
        coefficients other than zero, otherwise the trace of H (H + alpha I)^-1, where H
        is the Hessian of the mean loss, without the coefficients that their sign keeps
        at zero; NaN with more than 1000 features.
    column_scale : ndarray of shape (n_features,)
        Standard deviations of the columns: coefficients times these are comparable.
    feature_names : ndarray of shape (n_features,) or None
        Those of X, if it has any.
    """

    alphas: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    objective: np.ndarray
    df: np.ndarray
    column_scale: np.ndarray
    feature_names: np.ndarray | None


def path(estimator, X, y, *, alphas=100, sample_weight=None, offset=None):
    """Fit an estimator for many alphas.

    Parameters
    ----------
    estimator : GDRegressor or GDClassifier
        It is not changed; its ``alpha`` has no effect.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like
        As `fit` of the estimator takes it.
    alphas : int or array-like of float, default=100
        The alphas, or their number, as in `GDRegressorCV`.
    sample_weight : array-like of shape (n_samples,), default=None
    offset : array-like of shape (n_samples,) or (n_samples, n_outputs), or float, \
default=None
        Known part of the raw prediction, as in `GDRegressor.fit`.

    Returns
    -------
    path : RegularizationPath

    Raises
    ------
    TypeError
        For another estimator, and for an offset of a GDClassifier.
    ValueError
        For a parameter or data that `fit` would refuse, and for ``penalty=None``.

    See Also
    --------
    GDRegressorCV, GDClassifierCV : Choose an alpha by cross-validation.
    sklgd.display.PathDisplay : Draw a path.

    Notes
    -----
    All models of the squared error with at most 3000 features follow exactly from the
    second moments of X and y, which take one pass. Other losses are fitted for each
    alpha, to the tolerance ``tol`` of the estimator.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklgd import GDRegressor, path
    >>> X, y = load_diabetes(return_X_y=True)
    >>> lasso = path(GDRegressor(penalty="l1"), X, y, alphas=[2.0, 1.0, 0.1])
    >>> (lasso.coef != 0.0).sum(axis=1)
    array([2, 3, 7])
    """
    if not isinstance(estimator, BaseGD):
        raise TypeError(
            "estimator must be a GDRegressor or GDClassifier, got "
            f"{type(estimator).__name__!r}."
        )
    if offset is not None and not estimator._takes_offset:
        raise TypeError(
            f"offset is not possible with a {type(estimator).__name__}, only with a "
            "GDRegressor."
        )
    est = clone(estimator).set_params(alpha=1.0)
    if est.penalty is None:
        raise ValueError(
            "penalty=None has no strength. Use 'l2', 'l1' or 'elasticnet'."
        )
    check_parameters(est, est._task)
    alphas = check_alphas(alphas)
    X, y = est._begin(X, y)
    sample_weight = check_weights(sample_weight, X.shape[0])
    given = all_rows(est, X, y, sample_weight)
    offset = check_offset(offset, X.shape[0], given.n_outputs)
    data, sizes = without_offset(given, offset), None
    if est.standardize:
        sizes = Statistics.of_columns(given).sizes
    penalty_of = partial(est._penalty, sizes=sizes)
    penalty = penalty_of(1.0)
    if isinstance(alphas, int):
        alphas = default_alphas(data, penalty, alphas)
    if penalty.closed_form and MomentModels.suit(data, []):
        coefs = _by_moments(est, data, alphas)
    else:
        known = {} if offset is None else {"offset": offset}
        fitted = clone(est).set_params(**without_names(est))
        fitted.set_params(**without_names_of_factors(est))
        coefs = _by_fits(fitted, X, y, sample_weight, alphas, known)
    objectives, freedoms = [], []
    term = data.term()
    for alpha, coef in zip(alphas, coefs, strict=True):
        penalty = penalty_of(float(alpha))
        loss = data.base + term.value(coef) / data.mean_weight
        objectives.append(loss + penalty.value(coef))
        freedoms.append(degrees_of_freedom(data, coef, penalty))
    coef = np.array([coef[:-1].T for coef in coefs])
    intercept = np.array([coef[-1] for coef in coefs])
    if getattr(est, "_flat", False):
        coef, intercept = coef[:, 0], intercept[:, 0]
    return RegularizationPath(
        np.array(alphas), coef, intercept, np.array(objectives), np.array(freedoms),
        column_scale(given), getattr(est, "feature_names_in_", None),
    )  # fmt: skip


def check_alphas(alphas):
    """Alphas in decreasing order, or their number as an int.

    Raises
    ------
    ValueError
        If they are neither.
    """
    if isinstance(alphas, (int, np.integer)) and not isinstance(alphas, bool):
        check_number("alphas", alphas, low=1, integer=True)
        return int(alphas)
    try:
        values = np.asarray(alphas, dtype=object)
        # (Text and True are no numbers, though they can be read as some.)
        suits = values.ndim == 1 and not any(
            isinstance(value, (str, bytes, bool)) for value in values.tolist()
        )
        numbers = values.astype(float) if suits else np.empty(0)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if not len(numbers) or not (np.isfinite(numbers) & (numbers >= 0.0)).all():
        raise ValueError(
            "alphas must be a number of alphas, at least 1, or a one-dimensional array "
            f"of finite alphas of zero or more, got {alphas!r}."
        )
    return np.unique(numbers)[::-1]


def _by_moments(est, data, alphas):
    models = MomentModels(data, [], est._penalty)
    return [models.of_all_rows(float(alpha), est.l1_ratio) for alpha in alphas]


def _by_fits(est, X, y, sample_weight, alphas, known):
    coefs = []
    for alpha in alphas:
        est.set_params(alpha=float(alpha)).fit(X, y, sample_weight, **known)
        coef = np.atleast_2d(np.asarray(est.coef_, dtype=np.float64))
        intercept = np.atleast_1d(est.intercept_)
        coefs.append(np.ascontiguousarray(np.column_stack([coef, intercept]).T))
    return coefs


def degrees_of_freedom(data: Data, coef, penalty):
    """See `RegularizationPath`."""
    at_zero = np.zeros(coef[:-1].shape, dtype=bool)
    if penalty.closed_form and not penalty.has_l1 and penalty.signs is not None:
        at_zero = (coef[:-1] == 0.0) & (penalty.signs != 0)
    elif not penalty.smooth:
        return float(np.count_nonzero(coef[:-1]))
    n, d = data.n_rows, data.X.shape[1]
    if d > MAX_FREEDOM:
        return np.nan
    term = data.term()
    z = np.empty((n, data.n_outputs))
    term.raw_predictions(coef, z)
    h = term.curvatures(data.loss, z)
    centre = np.zeros(d)
    if data.fit_intercept:
        centre = term.column_statistics(data.weights)[1]
    rows = data.numbers(0, n)
    total = 0.0
    for k in range(data.n_outputs):
        hessian = np.ascontiguousarray(h[:, k])
        A, v, weight = term.weighted_gram(hessian, rows, centre)
        A, v = np.asarray(A), np.asarray(v)
        if data.fit_intercept and weight > 0.0:
            A = A - np.outer(v, v) / weight
        free = np.flatnonzero(~at_zero[:, k])
        if len(free) < d:
            A = A[np.ix_(free, free)]
        if not penalty.uniform:
            total += _freedom_of_strengths(
                A / (n * data.mean_weight), np.broadcast_to(penalty.l2, (d, 1))[free, 0]
            )
            continue
        e = np.maximum(eigvalsh(A), 0.0) / (n * data.mean_weight)
        e = e[e > 1e-13 * e.max(initial=0.0)]
        total += float((e / (e + penalty.l2)).sum())
    return total


def _freedom_of_strengths(A, l2):
    """trace(A (A + diag(l2))^-1), of columns scaled to a diagonal of ones."""
    size = np.sqrt(np.diag(A) + l2)
    size[size == 0.0] = 1.0
    A, l2 = A / size / size[:, None], l2 / size**2
    return float(np.trace(np.linalg.pinv(A + np.diag(l2), hermitian=True) @ A))
