"""Models of the squared error from second moments: exact, and without further passes.

With the weighted means of all rows as origin, let A_f = sum s x x', q_f = sum s x y and
so on over the test rows of fold f. If the test sets are a partition of the rows, the
moments of the training rows of fold k are the sums of all but those of fold k. So one
pass over the data serves all folds and all alphas (covariance updates: Friedman, Hastie
and Tibshirani 2010, section 2.2). The origin keeps the subtraction from cancelling.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import qr

from .._fit.column_statistics import column_statistics
from .._fit.data import KnownMoments
from .._fit.minimum_norm import null_space
from ..kernels._coordinate import l1_refine, l1_step
from ..kernels._hessian import cholesky, solve
from .models import Models, are_partition

# Largest number of features, and of bytes of the matrices of all folds.
MAX_FEATURES, MAX_BYTES = 3000, 2**29
# Share of the weight that the training rows must have for a subtraction.
LEAST_SHARE = 1e-6
# A column whose training rows hold less than this share of its second moment is
# constant in them, up to rounding.
CONSTANT = 1e-12
# A loss below this share of the second moment of y is computed from the rows, because
# the difference of moments would be mostly rounding error.
SMALL_LOSS = 1e-6
# Tolerances of coordinate descent, as shares of the best gain of a coordinate and of
# all gains of a round, and the largest numbers of sweeps and rounds.
STEP_TOL, SWEEPS, ROUND_TOL, ROUNDS = 1e-10, 1000, 1e-12, 100
# If a pivot of the Cholesky factor is below this share of the largest, the matrix may
# be singular; and how often the solution is then refined.
SINGULAR, REFINEMENTS = 1e-7, 8


@dataclass
class Moments:
    """Weighted sums over the rows of several sets, x and y measured from an origin.

    Attributes
    ----------
    weight : ndarray of shape (n_sets,)
        sum s.
    A : ndarray of shape (n_sets, n_features, n_features)
        sum s x x'.
    v : ndarray of shape (n_sets, n_features)
        sum s x.
    q : ndarray of shape (n_sets, n_features, n_outputs)
        sum s x y'.
    t, squares : ndarrays of shape (n_sets, n_outputs)
        sum s y and sum s y^2.
    """

    weight: np.ndarray
    A: np.ndarray
    v: np.ndarray
    q: np.ndarray
    t: np.ndarray
    squares: np.ndarray

    @classmethod
    def empty(cls, n_sets, n_features, n_outputs):
        """Sums to be filled in."""
        n, d, K = n_sets, n_features, n_outputs
        shapes = (n,), (n, d, d), (n, d), (n, d, K), (n, K), (n, K)
        return cls(*[np.empty(shape) for shape in shapes])

    @property
    def parts(self):
        """The arrays."""
        return self.weight, self.A, self.v, self.q, self.t, self.squares

    def store(self, k, parts):
        """Set the sums of set k."""
        for array, part in zip(self.parts, parts, strict=True):
            array[k] = part

    def together(self):
        """The sums over the union of disjoint sets, as one set."""
        return Moments(*[part.sum(axis=0, keepdims=True) for part in self.parts])

    def without(self, other):
        """The sums over these sets without the rows of others."""
        pairs = zip(self.parts, other.parts, strict=True)
        return Moments(*[part - missing for part, missing in pairs])

    def losses(self, w, c):
        """Half the mean squares of y - x.w - c, summed over the outputs."""
        squares = self.squares + 2.0 * c * (self.v[:, None] @ w)[:, 0]
        squares += np.einsum("fjk,fjk->fk", w, self.A @ w - 2.0 * self.q)
        squares += c * (c * self.weight[:, None] - 2.0 * self.t)
        return 0.5 * squares.sum(axis=1) / self.weight


class LeastSquares:
    """The minimisers of several training sets.

    Parameters
    ----------
    moments : Moments
        Of the training rows.
    fit_intercept : bool
    size : ndarray of shape (n_features,)
        Root mean square of each column over all rows.
    """

    def __init__(self, moments, fit_intercept, size):
        m, self.fit_intercept = moments.weight[:, None], fit_intercept
        self.a, self.b = moments.v / m, moments.t / m
        A, q = moments.A / m[:, :, None], moments.q / m[:, :, None]
        if fit_intercept:
            A -= self.a[:, :, None] * self.a[:, None]
            q -= self.a[:, :, None] * self.b[:, None]
        diagonal = np.einsum("fjj->fj", A)
        variance = diagonal if fit_intercept else diagonal - self.a**2
        spread = variance > CONSTANT * size**2
        self.sizes = np.sqrt(np.where(spread, variance, 1.0))
        seen = diagonal > CONSTANT * size**2
        self.scale = np.zeros_like(self.a)
        self.scale[seen] = diagonal[seen] ** -0.5
        A *= self.scale[:, :, None]
        A *= self.scale[:, None]
        diagonal[~seen] = 1.0
        self.A, self.q = A, q * self.scale[:, :, None]
        self.nulls: dict[int, Any] = {}
        self.begin()

    def begin(self):
        """Forget the last minimisers."""
        self.u = np.zeros_like(self.q)

    def minimise(self, penalty_of):
        """Coefficients w and intercepts c.

        Parameters
        ----------
        penalty_of : callable
            ``penalty_of(sizes)`` is the `Penalty`, in closed form, of a set whose
            columns have these standard deviations.

        Returns
        -------
        w : ndarray of shape (n_sets, n_features, n_outputs)
        c : ndarray of shape (n_sets, n_outputs)
        """
        penalties = [penalty_of(sizes) for sizes in self.sizes]
        # (All targets have the same alpha.)
        shape = self.scale.shape
        l1, l2 = np.empty(shape), np.empty(shape)
        for k, penalty in enumerate(penalties):
            l1[k], l2[k] = np.ravel(penalty.l1), np.ravel(penalty.l2)
        B = self.A.copy()
        np.einsum("fjj->fj", B)[...] += l2 * self.scale**2
        if penalties[0].smooth:
            root = np.sqrt(1.0 + l2 * self.scale**2)
            # (With other strengths the minimiser of least norm need not be in the space
            # of the rows.)
            w = self.solve(B, root, shortens=penalties[0].uniform)
        else:
            signs = penalties[0].signs_of_features()
            problems = zip(B, self.u, self.q, l1 * self.scale, strict=True)
            for matrix, u, q, strengths in problems:
                descend(matrix, u, q, strengths, signs)
            w = self.u * self.scale[:, :, None]
        c = np.zeros_like(self.b)
        if self.fit_intercept:
            c = self.b - (self.a[:, None] @ w)[:, 0]
        return w, c

    def solve(self, B, root, shortens):
        """The coefficients whose scaled ones are B^-1 q.

        They are those of the least norm if ``shortens``. ``root`` is the square root of
        the diagonal of B.
        """
        B /= root[:, :, None]
        B /= root[:, None]
        q = self.q / root[:, :, None]
        factors = [cholesky(matrix.copy()) for matrix in B]
        pivots = np.array([factor.diagonal() for factor in factors])
        singular = pivots.min(axis=1) ** 2 <= SINGULAR * pivots.max(axis=1) ** 2
        # (The factors are those of B plus a little, which refinements take out.)
        u, rest = np.zeros_like(q), q.copy()
        for _ in range(1 + (REFINEMENTS if singular.any() else 1)):
            for factor, part in zip(factors, rest, strict=True):
                solve(factor, part)
            u += rest
            rest = q - B @ u
        w = u * (self.scale / root)[:, :, None]
        for k in np.flatnonzero(singular & shortens):
            self.shorten(k, w[k])
        return w

    def shorten(self, k, w):
        """Remove from coefficients of set k their part in the null space, in place."""
        if k not in self.nulls:
            self.nulls[k] = null_directions(self.A[k], self.scale[k])
        null = self.nulls[k]
        if null is not None:
            for _ in range(2):
                w -= null @ (null.T @ w)


def null_directions(A, scale):
    """Orthonormal directions of w that a singular A, of scaled ones, takes to zero."""
    seen = np.flatnonzero(scale)
    null = null_space(A[np.ix_(seen, seen)])
    if null is None:
        return None
    null *= scale[seen][:, None]
    out = np.zeros((len(scale), null.shape[1]))
    out[seen] = qr(null / np.abs(null).max(axis=0), mode="economic")[0]
    return out


def descend(B, u, q, strengths, signs):
    """Coordinate descent from the minimiser u for another penalty, in place."""
    for k in range(u.shape[1]):
        start = np.ascontiguousarray(u[:, k])
        g = B @ start - q[:, k]
        step, product = np.zeros_like(start), np.zeros_like(start)
        model = B, g, start, strengths, step, product
        l1_step(*model, STEP_TOL, SWEEPS, signs)
        l1_refine(*model, ROUND_TOL, ROUNDS, np.inf, signs)
        u[:, k] = start + step


class MomentModels(Models):
    """Models of the squared error.

    Parameters
    ----------
    data : Data
        All rows with a weight; targets account for an offset (`without_offset`).
    folds : list of Fold
        An empty one is allowed: the path of all rows then has no losses.
    penalty : callable
        ``penalty(alpha, l1_ratio, sizes)`` is the `Penalty` of training rows whose
        columns have these standard deviations.
    """

    def __init__(self, data, folds, penalty):
        self.data, self.folds, self.penalty = data, folds, penalty
        self.intercept = data.fit_intercept
        self.target = data.target.reshape(data.X.shape[0], -1)
        self.statistics = column_statistics(data)
        self.origin = self.find_origin()
        self.tests = self.moments_of([fold.test for fold in folds])
        if folds and are_partition(folds, data.rows, data.X.shape[0]):
            self.everything = self.tests.together()
            trains = self.everything.without(self.tests)
            enough = trains.weight > LEAST_SHARE * self.everything.weight
            for k in np.flatnonzero(~enough):
                trains.store(k, self.moments(folds[k].train))
        else:
            trains = self.moments_of([fold.train for fold in folds])
            self.everything = self.moments_of([data.rows])
        whole = self.everything
        size = np.sqrt(np.einsum("jj->j", whole.A[0]) / whole.weight)
        self.problems = LeastSquares(trains, self.intercept, size)
        self.all_rows = LeastSquares(whole, self.intercept, size)

    @staticmethod
    def suit(data, folds):
        """True if the moments of these data answer all questions."""
        d = data.X.shape[1]
        return (
            data.loss.quadratic
            and d <= MAX_FEATURES
            and 8 * d * d * (3 * len(folds) + 3) <= MAX_BYTES
        )

    def find_origin(self):
        """Weighted means of the columns and targets; zeros without an intercept."""
        data = self.data
        d, K = data.X.shape[1], self.target.shape[1]
        if not self.intercept:
            return np.zeros(d), np.zeros(K)
        return self.statistics[0], data.fit_intercept_only()

    def moments_of(self, sets):
        """The moments of several sets of rows."""
        shape = len(sets), self.data.X.shape[1], self.target.shape[1]
        out = Moments.empty(*shape)
        for k, rows in enumerate(sets):
            out.store(k, self.moments(rows))
        return out

    def moments(self, rows):
        """The sums over these rows, in one pass over them; None means all."""
        data, (mean, middle) = replace(self.data, rows=rows), self.origin
        chosen = slice(None) if rows is None else rows
        s = np.ones(data.n_rows) if data.weights is None else data.weights[chosen]
        y = self.target[chosen] - middle
        A, v, weight = data.term().weighted_gram(s, rows, mean)
        sy = np.multiply(s[:, None], y, order="C")
        gradient = np.empty((len(v) + 1, y.shape[1]))
        data.term().gradient(sy, gradient)
        t = sy.sum(axis=0)
        q = data.n_rows * gradient[:-1] - np.outer(mean, t)
        return weight, A, v, q, t, (sy * y).sum(axis=0)

    def known_moments(self):
        whole = self.everything
        moments = whole.A[0], whole.v[0], float(whole.weight[0])
        mean, var = self.statistics
        return KnownMoments(mean, var, moments)

    def begin(self, l1_ratio):
        self.l1_ratio = l1_ratio
        self.problems.begin()
        self.all_rows.begin()

    def advance(self, alpha):
        self.solved = self.problems.minimise(self.penalty_of(alpha, self.l1_ratio))
        self.losses = self.tests.losses(*self.solved)

    def penalty_of(self, alpha, l1_ratio):
        """The penalty of this alpha, as a function of standard deviations."""
        return lambda sizes: self.penalty(alpha, l1_ratio, sizes)

    def from_zero(self, w, c):
        """Coefficients of shape (n_features + 1, n_outputs) of x and y themselves."""
        mean, middle = self.origin
        return np.ascontiguousarray(np.vstack([w, middle + c - mean @ w]))

    def coefficients(self, k):
        w, c = self.solved
        return self.from_zero(w[k], c[k])

    def of_all_rows(self, alpha, l1_ratio):
        w, c = self.all_rows.minimise(self.penalty_of(alpha, l1_ratio))
        return self.from_zero(w[0], c[0])

    def test_loss(self, k):
        loss, tests = float(self.losses[k]), self.tests
        if loss > SMALL_LOSS * float(tests.squares[k].sum() / tests.weight[k]):
            return loss
        data = replace(self.data, rows=self.folds[k].test)
        return data.term().value(self.coefficients(k)) / data.mean_weight
