"""Default alphas: even steps of the effective degrees of freedom, or of log alpha.

A ridge regression with the eigenvalues e of the columns' covariance has

    df(alpha) = sum_j e_j / (e_j + alpha)

effective degrees of freedom (Hastie, Tibshirani and Friedman 2009, equation 3.50). Even
steps of df cover what alphas can do whatever the units of the columns, where steps of
log alpha do not. For other losses the covariance is multiplied by the second derivative
of the loss at the constant model.
"""

import math

import numpy as np
from scipy.linalg import eigh, eigvalsh, qr

from .._compat import warn
from .._fit.column_statistics import LARGE_COLUMN, column_statistics

# Largest number of rows or columns for which eigenvalues are computed.
MAX_EIGENVALUES = 3000
# With fewer rows than columns, they may cost as much as so many passes over X, a fifth
# of a search; nanoseconds by the cube of the number of rows. (On 1125 rows of text, the
# search took a third of the time without them, and chose as well.)
PASSES, CUBE = 100.0, 0.1
# The last alphas leave so many degrees of freedom less than all: the even steps end at
# the first of these. (With these numbers, the best of 12 alphas lost at most 0.0009 of
# R2 against the best of 300, on ten data sets from 161 x 100 to 242k x 14.)
NEAR_ALL = 0.3, 0.1, 0.03, 0.01, 0.001
# The first alpha leaves this share of all degrees of freedom, or so many.
FIRST_SHARE, FIRST = 0.02, 0.25
# Range of alpha where no eigenvalues are known, in units of the trace of the covariance
# over the number of rows. (The best alpha was 0.25 to 3.5 such units on five sets of
# text and one-hot tables.)
WIDE_RANGE = 1e3, 1e-2
# Smallest alpha of an l1 penalty, as a share of the one from which all coefficients
# are zero: with more rows than columns, and with fewer.
L1_RANGE = 1e-3, 1e-2
# A smaller share of l1 has the grid of l2.
LITTLE_L1 = 0.01
# An l1 grid has one more alpha for each decade down to this share of the smallest alpha
# that makes a relevant coefficient zero. A column is relevant if the derivative of the
# loss, for the column in units of its standard deviation, is this share of the largest.
BELOW_RELEVANT, RELEVANT = 0.1, 0.1
# Eigenvalues below this share of the largest are rounding errors.
RANK = 1e-13
# If the variances of the columns differ by more than this factor, small eigenvalues are
# computed from the correlations, because those of the covariance are rounding errors.
UNLIKE = 1e10
# Steps towards the logarithms of alphas, and their accuracy.
MAX_NEWTON, NEWTON_TOL = 200, 1e-6


def starts_at_zero(penalty):
    """True if the first of the default alphas makes all coefficients zero.

    ``penalty`` is the one of ``alpha=1``.
    """
    return penalty.l1 >= LITTLE_L1 if penalty.uniform else penalty.has_l1


def default_alphas(data, penalty, n_alphas, known=None, may_add=False):
    """Alphas in decreasing order.

    Parameters
    ----------
    data : Data
    penalty : Penalty
        That of ``alpha=1``.
    n_alphas : int
    known : KnownMoments or None
        Moments that need not be computed again.
    may_add : bool
        Whether there may be more than ``n_alphas``.

    Returns
    -------
    alphas : ndarray of shape (n_alphas or more,)

    Warns
    -----
    UserWarning
        If a column is so small that no alpha leaves it a coefficient.
    """
    mean, var = column_statistics(data) if known is None else (known.mean, known.var)
    if not (mean.all() and var.all()):
        warn_of_small_columns(data)
    if starts_at_zero(penalty):
        return l1_alphas(data, penalty, n_alphas, may_add)
    l2 = np.broadcast_to(penalty.l2, (data.X.shape[1], 1))[:, 0]
    e = eigenvalues(data, known, l2)
    if e is None:
        sizes = np.divide(spread(data), l2, out=np.zeros_like(l2), where=l2 > 0.0)
        unit = sizes.sum() / data.n_rows
        if not penalty.uniform:
            unit = max(unit, sizes.max(initial=0.0))
        return (curvature(data) * unit or 1.0) * np.geomspace(*WIDE_RANGE, n_alphas)
    return alphas_of_freedom(e, n_alphas)


def l1_alphas(data, penalty, n_alphas, may_add):
    """From the smallest alpha of all zeros on, even steps of log alpha.

    In these steps the coefficients of columns in a much smaller unit might all stay
    zero. Alphas for which the relevant ones among them do not are then added, or the
    steps are larger.

    For a loss whose derivative jumps at many targets, such as the median of counts, a
    smaller alpha may make all coefficients zero, too. Of coefficients of given signs
    only those count that the loss draws to their sides of zero.
    """
    coef = np.zeros((data.X.shape[1] + 1, data.n_outputs))
    coef[-1] = data.fit_intercept_only()
    gradient = np.empty_like(coef)
    term = data.term()
    term.value_and_gradient(coef, gradient)
    if data.fit_intercept:
        # (Where the derivative of the loss jumps, the intercept's may not vanish.)
        gradient[:-1] -= np.outer(column_statistics(data)[0], gradient[-1])
    pull = -gradient[:-1]
    if penalty.signs is not None:
        pull[pull * penalty.signs < 0.0] = 0.0
    size, l1 = np.sqrt(spread(data))[:, None], penalty.l1
    pull = np.abs(pull)
    standard = np.divide(pull, size, out=np.zeros_like(pull), where=size > 0.0)
    if not penalty.uniform:
        # (Features without an l1 penalty have a coefficient with any alpha.)
        pull, l1 = pull / np.where(l1 > 0.0, l1, np.inf), 1.0
    pull = pull / (data.mean_weight * l1)
    largest = pull.max(initial=0.0)
    if not largest > 0.0:
        largest = 1.0
    low = L1_RANGE[data.n_rows <= data.X.shape[1]]
    alphas = largest * np.geomspace(1.0, low, n_alphas)
    relevant = (standard > RELEVANT * standard.max(initial=0.0)) & (pull > 0.0)
    low = pull[relevant].min(initial=np.inf)
    if penalty.has_l2:
        # (For this alpha both parts of the Hessian are equal.)
        shrinking = curvature(data) * size**2 / np.where(penalty.l2, penalty.l2, np.inf)
        shrinking = np.broadcast_to(shrinking, pull.shape)
        low = min(low, shrinking[relevant & (shrinking > 0.0)].min(initial=np.inf))
    low *= BELOW_RELEVANT
    if not 0.0 < low < alphas[-1]:
        return alphas
    if not may_add:
        return np.geomspace(largest, low, n_alphas)
    more = math.ceil(math.log10(alphas[-1] / low))
    return np.concatenate([alphas, alphas[-1] * 0.1 ** np.arange(1, more + 1)])


def curvature(data):
    """Size of the second derivative of the loss at the constant model."""
    z_unit, loss_unit = data.natural_scale(data.fit_intercept_only())
    return float(np.mean(loss_unit / z_unit**2))


def spread(data):
    """Mean squares of the columns, about their means if there is an intercept."""
    mean, var = column_statistics(data)
    return var if data.fit_intercept else var + mean**2


def column_scale(data):
    """Standard deviations of the columns."""
    return np.sqrt(column_statistics(data)[1])


def warn_of_small_columns(data):
    """Warn of columns whose squares leave float64: all alphas are too large for them.

    (A fit with an alpha of the user's has the right coefficients, which are zero.)
    """
    term = data.term()
    _, mean, var = term.column_statistics(data.weights)
    size = np.maximum(np.abs(mean), np.sqrt(var))
    small = (size > 0.0) & (size < 1.0 / LARGE_COLUMN)
    if small.any():
        warn(
            "X has columns so small that no alpha leaves them a coefficient, the first "
            f"of them column {data.number_of(small.argmax())}. Scale them "
            "(MaxAbsScaler or StandardScaler), or leave them out."
        )


def eigenvalues(data, known, strengths):
    """Those of the second derivative at the constant model, or None if unaffordable.

    Parameters
    ----------
    data : Data
    known : KnownMoments or None
    strengths : ndarray of shape (n_features,)
        Of the l2 penalty. Features are measured in units that make them one; those
        without a penalty are left out.
    """
    n, d = data.n_rows, data.X.shape[1]
    penalised = np.flatnonzero(strengths)
    scale = strengths[penalised] ** -0.5
    if known is not None:
        return those_of(known.of_weight(1.0)[0], penalised, scale, data)
    if min(n, d) > MAX_EIGENVALUES:
        return None
    if n < d and CUBE * n**3 > PASSES * data.term().pass_cost():
        return None
    mean, _ = column_statistics(data)
    centre = mean if data.fit_intercept else np.zeros(d)
    rows = slice(None) if data.rows is None else data.rows
    s = np.ones(n) if data.weights is None else data.weights[rows]
    if d <= n:
        matrix = np.asarray(data.term().weighted_gram(s, data.rows, centre)[0])
        return those_of(matrix / s.sum(), penalised, scale, data)
    X = data.X[rows]
    if len(penalised) < d or (scale != 1.0).any():
        units = np.zeros(d)
        units[penalised] = scale
        X = X.multiply(units).tocsr() if data.sparse else X * units
        centre = centre * units
    along = X @ centre
    matrix = X @ X.T
    matrix = matrix.toarray() if data.sparse else matrix
    matrix = matrix - along - along[:, None] + centre @ centre
    matrix *= np.sqrt(np.outer(s, s))
    return curvature(data) * above_rounding(eigvalsh(matrix / s.sum())[::-1])


def those_of(covariance, penalised, scale, data):
    """The eigenvalues above rounding, in decreasing order.

    Parameters
    ----------
    covariance : ndarray of shape (n_features, n_features)
    penalised : intp array of shape (n_penalised,)
        Features with a penalty.
    scale : ndarray of shape (n_penalised,)
        Their units.
    data : Data
    """
    if len(penalised) < len(covariance) or (scale != 1.0).any():
        covariance = covariance[np.ix_(penalised, penalised)]
        covariance = covariance * np.outer(scale, scale)
    return curvature(data) * eigenvalues_of(covariance)


def eigenvalues_of(covariance):
    """Eigenvalues of a covariance matrix above rounding, in decreasing order.

    If the variances are very unlike, they are close approximations, which keep the
    digits of the small ones: from the QLP decomposition of a root of the matrix
    (Stewart 1999, SIAM Journal on Scientific Computing 20), whose columns are scaled.
    """
    size = np.sqrt(np.diagonal(covariance))
    seen = np.flatnonzero(size)
    if not len(seen):
        return np.empty(0)
    if size[seen].max() ** 2 <= UNLIKE * size[seen].min() ** 2:
        return above_rounding(eigvalsh(covariance)[::-1])
    size = size[seen]
    correlations = covariance[np.ix_(seen, seen)] / size / size[:, None]
    e, directions = eigh(correlations)
    kept = e > RANK * e[-1]
    root = (directions[:, kept] * np.sqrt(e[kept])).T * size
    upper = qr(root, mode="r", pivoting=True)[0]
    lower = qr(upper.T, mode="r")[0]
    return np.sort(np.diagonal(lower) ** 2)[::-1]


def above_rounding(e):
    """The eigenvalues, in decreasing order, that are no rounding errors."""
    return e[e > RANK * e[0]]


def alphas_of_freedom(e, n_alphas):
    """Alphas with even steps of the degrees of freedom, and some near all of them.

    Parameters
    ----------
    e : ndarray
        Eigenvalues above zero, in decreasing order.
    n_alphas : int

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        In decreasing order.
    """
    rank = len(e)
    if not rank:
        return np.geomspace(1.0, 1e-4, n_alphas)
    last = NEAR_ALL[1 : 1 + max(0, min(len(NEAR_ALL) - 1, n_alphas - 2))]
    first = min(max(FIRST, FIRST_SHARE * rank), 0.5 * rank)
    even = np.linspace(first, rank - NEAR_ALL[0], n_alphas - len(last))
    freedoms = np.concatenate([even, rank - np.array(last)])

    # At these ends df is below 1e-3, and above all but 1e-6 of the rank.
    high = np.full(n_alphas, np.log(e.sum()) + 7.0)
    low = np.full(n_alphas, np.log(e[-1]) - 14.0 - np.log(rank))
    x = 0.5 * (low + high)
    for _ in range(MAX_NEWTON):
        # Newton's method on the logarithm of df / (rank - df), which is almost linear,
        # and a bisection where it leaves the bracket.
        kept = e / (e + np.exp(x)[:, None])
        df, lost = kept.sum(axis=1), (1.0 - kept).sum(axis=1)
        low, high = np.where(df > freedoms, x, low), np.where(df > freedoms, high, x)
        derivative = (kept * (1.0 - kept)).sum(axis=1) * rank / (df * lost)
        step = (np.log(df / lost) - np.log(freedoms / (rank - freedoms))) / derivative
        found = np.abs(step) <= NEWTON_TOL
        inside = (x + step > low) & (x + step < high)
        x = np.where(found | inside, x + step, 0.5 * (low + high))
        if found.all():
            break
    return np.exp(x)
