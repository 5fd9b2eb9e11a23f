"""Default alphas: even steps of the effective degrees of freedom, or of log alpha.

A ridge regression with the eigenvalues e of the columns' covariance has

    df(alpha) = sum_j e_j / (e_j + alpha)

effective degrees of freedom (Hastie, Tibshirani and Friedman 2009, equation 3.50). Even
steps of df cover what alphas can do whatever the units of the columns, where steps of
log alpha do not. For other losses the covariance is multiplied by the second derivative
of the loss at the constant model.
"""

import numpy as np
from scipy.linalg import eigvalsh
from scipy.optimize import brentq

# Largest number of rows or columns for which eigenvalues are computed.
MAX_EIGENVALUES = 3000
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
# Eigenvalues below this share of the largest are rounding errors.
RANK = 1e-13


def default_alphas(data, penalty, l1_ratio, n_alphas):
    """Alphas in decreasing order.

    Parameters
    ----------
    data : Data
    penalty : str
    l1_ratio : float
        Share of l1 in the penalty.
    n_alphas : int

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
    """
    share = {"l1": 1.0, "l2": 0.0}.get(penalty, l1_ratio)
    if share >= LITTLE_L1:
        return l1_alphas(data, share, n_alphas)
    e = eigenvalues(data)
    if e is None:
        high, low = WIDE_RANGE
        unit = curvature(data) * spread(data).sum() / data.n_rows
        return unit * np.geomspace(high, low, n_alphas)
    return alphas_of_freedom(e, n_alphas)


def l1_alphas(data, share, n_alphas):
    """From the smallest alpha of all zeros on, even steps of log alpha.

    For a loss whose derivative jumps at many targets, such as the median of counts, a
    smaller alpha may make all coefficients zero, too.
    """
    coef = np.zeros((data.X.shape[1] + 1, data.n_outputs))
    coef[-1] = data.fit_intercept_only()
    gradient = np.empty_like(coef)
    term = data.term()
    term.value_and_gradient(coef, gradient)
    if data.fit_intercept:
        # (Where the derivative of the loss jumps, the intercept's may not vanish.)
        gradient[:-1] -= np.outer(term.column_statistics(data.weights)[1], gradient[-1])
    largest = np.abs(gradient[:-1]).max(initial=0.0) / (data.mean_weight * share)
    if not largest > 0.0:
        largest = 1.0
    low = L1_RANGE[data.n_rows <= data.X.shape[1]]
    return largest * np.geomspace(1.0, low, n_alphas)


def curvature(data):
    """Size of the second derivative of the loss at the constant model."""
    z_unit, loss_unit = data.natural_scale(data.fit_intercept_only())
    return float(np.mean(loss_unit / z_unit**2))


def spread(data):
    """Mean squares of the columns, about their means if there is an intercept."""
    _, mean, var = data.term().column_statistics(data.weights)
    return var if data.fit_intercept else var + mean**2


def column_scale(data):
    """Standard deviations of the columns."""
    return np.sqrt(data.term().column_statistics(data.weights)[2])


def eigenvalues(data):
    """Those of the second derivative at the constant model, or None if unaffordable."""
    n, d = data.n_rows, data.X.shape[1]
    if min(n, d) > MAX_EIGENVALUES:
        return None
    _, mean, _ = data.term().column_statistics(data.weights)
    centre = mean if data.fit_intercept else np.zeros(d)
    rows = slice(None) if data.rows is None else data.rows
    s = np.ones(n) if data.weights is None else data.weights[rows]
    if d <= n:
        matrix = np.asarray(data.term().weighted_gram(s, data.rows, centre)[0])
    else:
        X = data.X[rows]
        along = X @ centre
        matrix = X @ X.T
        matrix = matrix.toarray() if data.sparse else matrix
        matrix = matrix - along - along[:, None] + centre @ centre
        matrix *= np.sqrt(np.outer(s, s))
    e = eigvalsh(matrix)[::-1] / s.sum()
    return curvature(data) * e[e > RANK * e[0]]


def alphas_of_freedom(e, n_alphas):
    """Alphas with even steps of the degrees of freedom, and some near all of them."""
    rank = len(e)
    if not rank:
        return np.geomspace(1.0, 1e-4, n_alphas)
    last = NEAR_ALL[1 : 1 + max(0, min(len(NEAR_ALL) - 1, n_alphas - 2))]
    first = min(max(FIRST, FIRST_SHARE * rank), 0.5 * rank)
    even = np.linspace(first, rank - NEAR_ALL[0], n_alphas - len(last))
    freedoms = np.concatenate([even, rank - np.array(last)])

    def excess(log_alpha, df):
        return float((e / (e + np.exp(log_alpha))).sum()) - df

    # At these ends df is below 1e-3, and above all but 1e-6 of the rank.
    high = np.log(e.sum()) + 7.0
    low = np.log(e[-1]) - 14.0 - np.log(rank)
    return np.exp([brentq(excess, low, high, args=(df,)) for df in freedoms])
