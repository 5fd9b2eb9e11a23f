"""The minimiser of minimum norm, where an objective without penalty has several.

The minimum of a loss determines the raw predictions. With collinear columns, or with
fewer rows than columns, it does not determine the coefficients. Descent from zero in
raw coefficients finds those of minimum norm, as `scipy.linalg.lstsq` does; descent in
scaled coefficients and Cholesky factors find others. This module removes from the
coefficients their part in the null space of the centred columns. No prediction on the
training rows changes, and equal columns get equal coefficients.

An l2 penalty that tends to zero has the same minimiser. One that is smaller than the
rounding error of the objective cannot determine it, and counts as no penalty.

Columns that depended on each other before they were rounded to float32 are independent
by their rounding errors alone. The exact minimiser is then huge and fits the noise of
y, although its objective is a little smaller. With the squared error, directions in
which X varies by no more than the resolution of float32 count as null space, as in
`LinearRegression`. (With another loss, the minimiser in the remaining directions would
be a different one.)
"""

import numpy as np
import scipy.sparse as sp
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh, qr, solve_triangular
from scipy.linalg.lapack import dpstrf

from .cost import MAX_FACTOR

# A pivot of the columns' correlation matrix above which the rank is full; and one below
# which a column counts as a combination of others, if F agrees.
FULL, NONE = 1e-9, 1e-11
# What the second moments of rows are given on the diagonal, in units of it; and how
# often the residual is solved for again, which takes this out of the solution.
RIDGE, REFINEMENTS = 1e-12, 8
# Share of the raw predictions that may be missing after that. With more, directions in
# which the rows vary by less than the rounding of their products are missing.
MISSING = 1e-9
# F may change by this share of the scale of the loss, which is rounding; a penalty of
# this size changes nothing.
ROUNDING = 1e-10
# Share of the largest eigenvalue of the second moments of float32 X up to which one is
# rounding.
UNRESOLVED = float(np.finfo(np.float32).eps) ** 2
# Largest number of rows or columns, whichever is smaller, of other losses than the
# squared error. A run of theirs factors no matrix of this order, and takes milliseconds
# on sparse data where this takes up to a second.
MAX_ORDER = 1000
# Largest copy of dense rows, in bytes; and of sparse rows as a dense array, whose
# products take much longer.
LARGEST_COPY, LARGEST_DENSE = 2**28, 2**24


def minimise_norm(training, unit):
    """Make the coefficients of a run those of minimum norm, if that is not unique.

    Parameters
    ----------
    training : Solver
        A run with a smooth penalty that is over. Coefficients for which the penalty
        is more than rounding stay as they are.
    unit : float
        Scale of the loss.

    Returns
    -------
    objective : float or None
        F of the new coefficients; None if there are none.
    """
    data, coef = training.data, training.coef
    penalty = training.penalty.value
    if penalty(coef) > ROUNDING * unit:
        return None
    largest = MAX_FACTOR if data.loss.quadratic else MAX_ORDER
    n, d = data.n_rows, data.X.shape[1]
    # (Rounding may hide from a factor that an intercept leaves the rows one dimension
    # less.)
    independent = n - data.fit_intercept >= d and training.has_full_rank()
    if min(n, d) > largest or independent:
        return None

    def value(coef):
        return training.problem.value(coef) / data.mean_weight + penalty(coef)

    before = value(np.ascontiguousarray(coef))
    shorten = by_rows if data.n_rows <= data.X.shape[1] else by_columns
    for unresolved in (False, True) if _is_rounded(data) else (False,):
        shorter = shorten(data, coef, unresolved)
        if shorter is None:
            return None
        # (The penalty may be that of some features only.)
        after = value(shorter)
        if after <= before + ROUNDING * unit or (unresolved and np.isfinite(after)):
            coef[...] = shorter
            return after
    return None


def keep_centred(training):
    """End a run; coefficients without a penalty then have a mean of zero over classes.

    Softmax does not change if a number is added to the raw predictions of all classes,
    and so determines coefficients without a penalty up to such a number only. An
    optimizer that can also learn in several calls ends where its steps have led.

    Parameters
    ----------
    training : Solver
    """
    training.keep()
    data, state, coef = training.data, training.state, training.coef
    if state.plan.streams or not data.loss.coupled(data.n_outputs):
        return
    if subtract_means(coef, training.penalty.without(coef)) and coef is state.coef:
        state.place()


def subtract_means(coef, which=None):
    """Subtract from coefficients their means over the outputs, in place.

    Means of the size of rounding stay.

    Parameters
    ----------
    coef : ndarray of shape (n_features + 1, n_outputs)
    which : bool array of the same shape, default=None
        Features with a False entry stay as they are; None means that none does.

    Returns
    -------
    changed : bool
    """
    means = coef.mean(axis=1, keepdims=True)
    means[np.abs(means) <= 1e-9 * np.abs(coef).max(axis=1, keepdims=True)] = 0.0
    if which is not None:
        means[~which.all(axis=1)] = 0.0
    coef -= means
    return bool(means.any())


def _is_rounded(data):
    """True if directions that float32 does not resolve count as null space."""
    return data.loss.quadratic and data.X.dtype == np.float32


def by_columns(data, coef, unresolved):
    """Coefficients without their part in the null space of the columns.

    None if the columns are independent. ``unresolved`` is True if directions are null,
    too, that float32 does not resolve.
    """
    find = unresolved_space if unresolved else null_space
    mean, var = data.column_statistics()
    centre = mean
    if not data.fit_intercept:
        centre, var = None, var + mean**2
    size = np.sqrt(var)
    seen = np.flatnonzero(size)
    out = coef.copy()
    if len(seen) < len(size):
        # A constant column has no effect beside the intercept.
        out[:-1][size == 0.0] = 0.0
    # Some rows suffice to show that the rank is full.
    d = len(size)
    some = data.spaced(max(1, data.n_rows // (2 * d + 50)))
    null = None
    for rows in (some, None):
        moments = data.second_moments(rows, centre)
        moments = moments[np.ix_(seen, seen)] / size[seen]
        null = find(moments / size[seen][:, None])
        if null is None:
            break
    if null is not None:
        basis = null / size[seen][:, None]
        basis = qr(basis / np.abs(basis).max(axis=0), mode="economic")[0]
        for _ in range(2):
            out[seen] -= basis @ (basis.T @ out[seen])
    elif len(seen) == len(size):
        return None
    if data.fit_intercept:
        out[-1] += mean @ (coef[:-1] - out[:-1])
    return out


def null_space(correlation):
    """Independent vectors that a positive semidefinite matrix takes to zero, or None.

    By its Cholesky factor with pivots: L L' = [A; B] A' [I, A'^-1 B'], and what the
    last columns are of the first ones is A'^-1 B'.
    """
    n = len(correlation)
    scale = np.sqrt(np.maximum(np.diag(correlation), np.finfo(float).tiny))
    factor, order, rank, _ = dpstrf(
        correlation / scale / scale[:, None], tol=NONE, lower=True
    )
    if rank == n:
        return None
    order = order - 1
    null = np.zeros((n, n - rank))
    null[order[:rank]] = -solve_triangular(
        factor[:rank, :rank], factor[rank:, :rank].T, trans="T", lower=True
    )
    null[order[rank:], np.arange(n - rank)] = 1.0
    return null / scale[:, None]


def unresolved_space(correlation):
    """Eigenvectors of a correlation matrix that are rounding of float32, or None."""
    values, vectors = eigh(correlation)
    null = vectors[:, values <= UNRESOLVED * values[-1]]
    return null if null.shape[1] else None


def by_rows(data, coef, unresolved):
    """The combination of the rows with the raw predictions of the coefficients.

    None if the rows would take too much memory, or their products are not definite to
    rounding. ``unresolved`` is True if the predictions are to be without their part in
    directions that float32 does not resolve.
    """
    rows = data.X if data.everything else data.X[data.rows]
    n, d = rows.shape
    if not sp.issparse(rows) and 8 * n * d > LARGEST_COPY:
        return None
    rows = rows.astype(np.float64)
    if sp.issparse(rows) and 8 * n * d <= LARGEST_DENSE:
        # Centring the products of sparse rows would lose digits.
        rows = rows.toarray()
    mean = np.zeros(d)
    if data.fit_intercept:
        mean = np.asarray(rows.mean(axis=0)).ravel()
    if sp.issparse(rows):
        shift = rows @ mean
        moments = (rows @ rows.T).toarray() + mean @ mean
        moments -= shift[:, None] + shift
        centre = mean
    else:
        rows -= mean
        moments, centre = rows @ rows.T, np.zeros(d)
    solve = (_solver_of_resolved if unresolved else _solver)(moments)
    wanted = rows @ coef[:-1] - centre @ coef[:-1]
    w = None
    if solve is not None:
        w = np.zeros_like(coef[:-1])
        for _ in range(REFINEMENTS):
            missing = wanted - (rows @ w - centre @ w)
            part = solve(missing)
            w += rows.T @ part - np.outer(centre, part.sum(axis=0))
        missing = wanted - (rows @ w - centre @ w)
    if w is None or np.abs(missing).max() > MISSING * np.abs(wanted).max():
        if 8 * n * d <= LARGEST_COPY and not _is_rounded(data):
            w = _by_factor(rows, mean, centre, wanted)
        elif w is None:
            return None
    out = np.empty_like(coef)
    out[:-1], out[-1] = w, coef[-1]
    if data.fit_intercept:
        out[-1] += mean @ (coef[:-1] - w)
    return out


def _by_factor(rows, mean, centre, wanted):
    """The combination of the centred rows that has raw predictions ``wanted``.

    By orthogonal factors of the rows, whose error grows with the condition number of
    the rows, and not with its square as that of their products.

    Parameters
    ----------
    rows : ndarray or CSR matrix of shape (n, d)
        Their ``centre``, of shape (d,), is to be subtracted.
    mean : ndarray of shape (d,)
        What was or is to be subtracted, which shows how precise the difference is.
    centre : ndarray of shape (d,)
    wanted : ndarray of shape (n, n_outputs)
    """
    n, d = rows.shape
    columns = np.empty((d, n), order="F")
    columns.T[...] = rows.toarray() if sp.issparse(rows) else rows
    columns -= centre[:, None]
    size = np.linalg.norm(columns, axis=0) + np.linalg.norm(mean)
    size[size == 0.0] = 1.0
    columns /= size
    Q, R = qr(columns, mode="economic", overwrite_a=True, check_finite=False)
    # Only the small factor shows which rows depend on others.
    P, R, order = qr(R, mode="economic", pivoting=True, check_finite=False)
    precise = np.abs(np.diag(R)) > np.finfo(float).eps * max(n, d)
    rank = n if precise.all() else int(precise.argmin())
    independent = order[:rank]
    part = solve_triangular(
        R[:rank, :rank], wanted[independent] / size[independent, None], trans="T"
    )
    return Q @ (P[:, :rank] @ part)


def _solver(moments):
    """An approximate solver for the products of rows; None if there is none."""
    n = len(moments)
    size = np.sqrt(np.maximum(np.diag(moments), 0.0))
    inverse = np.divide(1.0, size, out=np.zeros(n), where=size > 0.0)[:, None]
    moments *= inverse * inverse.T
    moments[np.diag_indices_from(moments)] += RIDGE * n + (size == 0.0)
    try:
        factor = cho_factor(moments, lower=True, overwrite_a=True)
    except LinAlgError:
        return None
    return lambda missing: inverse * cho_solve(factor, inverse * missing)


def _solver_of_resolved(moments):
    """A solver in the directions of the rows that float32 resolves."""
    values, vectors = eigh(moments)
    resolved = values > UNRESOLVED * values[-1]
    values, vectors = values[resolved, None], vectors[:, resolved]
    return lambda missing: vectors @ ((vectors.T @ missing) / values)
