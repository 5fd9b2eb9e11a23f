"""Models of the squared error from second moments: exact, and without further passes.

With the weighted means of all rows as origin, let A_f = sum s x x', q_f = sum s x y and
so on over the test rows of fold f. If the test sets are a partition of the rows, the
moments of the training rows of fold k are the sums of all but those of fold k. So one
pass over the data serves all folds and all alphas (covariance updates: Friedman, Hastie
and Tibshirani 2010, section 2.2). The origin keeps the subtraction from cancelling.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigh

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
# be singular. Eigenvalues below this share of the largest then count as zero.
SINGULAR, RANK = 1e-10, 1e-13


@dataclass
class Moments:
    """Weighted sums over rows, x and y being measured from an origin.

    Attributes
    ----------
    weight : float
        sum s.
    A : ndarray of shape (n_features, n_features)
        sum s x x'.
    v : ndarray of shape (n_features,)
        sum s x.
    q : ndarray of shape (n_features, n_outputs)
        sum s x y'.
    t, squares : ndarrays of shape (n_outputs,)
        sum s y and sum s y^2.
    """

    weight: float
    A: np.ndarray
    v: np.ndarray
    q: np.ndarray
    t: np.ndarray
    squares: np.ndarray

    def __sub__(self, other):
        return Moments(
            self.weight - other.weight, self.A - other.A, self.v - other.v,
            self.q - other.q, self.t - other.t, self.squares - other.squares,
        )  # fmt: skip

    def loss(self, w, c):
        """Half the mean square of y - x.w - c, summed over the outputs."""
        total = self.squares - 2.0 * ((w * self.q).sum(axis=0) + c * self.t)
        total += ((self.A @ w) * w).sum(axis=0) + 2.0 * c * (self.v @ w)
        return 0.5 * float((total + c * c * self.weight).sum()) / self.weight


class LeastSquares:
    """The minimisers of one training set.

    Parameters
    ----------
    moments : Moments
        Of the training rows.
    fit_intercept : bool
    size : ndarray of shape (n_features,)
        Root mean square of each column over all rows.
    """

    def __init__(self, moments, fit_intercept, size):
        m, self.fit_intercept = moments.weight, fit_intercept
        self.a, self.b = moments.v / m, moments.t / m
        A, q = moments.A / m, moments.q / m
        if fit_intercept:
            A -= np.outer(self.a, self.a)
            q -= np.outer(self.a, self.b)
        diagonal = np.einsum("jj->j", A)
        self.seen = diagonal > CONSTANT * size**2
        self.scale = np.zeros_like(size)
        self.scale[self.seen] = diagonal[self.seen] ** -0.5
        self.A = A * np.outer(self.scale, self.scale)
        self.q = q * self.scale[:, None]
        np.einsum("jj->j", self.A)[~self.seen] = 1.0
        self.begin()

    def begin(self):
        """Forget the last minimiser."""
        self.u = np.zeros_like(self.q)

    def minimise(self, l1, l2):
        """Coefficients w and intercepts c for penalties of these strengths."""
        B = self.A.copy()
        np.einsum("jj->j", B)[self.seen] += l2 * self.scale[self.seen] ** 2
        if l1 > 0.0:
            self.descend(B, l1)
        else:
            self.u = self.solve(B)
        w = self.u * self.scale[:, None]
        c = self.b - self.a @ w if self.fit_intercept else np.zeros_like(self.b)
        return w, c

    def solve(self, B):
        """B^-1 q; that of the least norm of w if B is singular."""
        factor = cholesky(B.copy())
        pivots = np.diag(factor)
        if pivots.min() ** 2 > SINGULAR * pivots.max() ** 2:
            u = self.q.copy()
            solve(factor, u)
            # (The factor is that of B plus a little, which one refinement takes out.)
            rest = self.q - B @ u
            solve(factor, rest)
            return u + rest
        # In w, whose norm it is.
        inverse = np.where(self.seen, 1.0 / np.where(self.seen, self.scale, 1.0), 0.0)
        values, vectors = eigh(B * np.outer(inverse, inverse))
        kept = values > RANK * values[-1]
        along = vectors[:, kept].T @ (self.q * inverse[:, None])
        w = vectors[:, kept] @ (along / values[kept][:, None])
        return w * inverse[:, None]

    def descend(self, B, l1):
        """Coordinate descent from the last minimiser."""
        strengths = l1 * self.scale
        for k in range(self.u.shape[1]):
            u = np.ascontiguousarray(self.u[:, k])
            g = B @ u - self.q[:, k]
            step, product = np.zeros_like(u), np.zeros_like(u)
            model = B, g, u, strengths, step, product
            l1_step(*model, STEP_TOL, SWEEPS)
            l1_refine(*model, ROUND_TOL, ROUNDS, np.inf)
            self.u[:, k] = u + step


class MomentModels(Models):
    """Models of the squared error.

    Parameters
    ----------
    data : Data
        All rows with a weight.
    folds : list of Fold
        An empty one is allowed: the path of all rows then has no losses.
    penalty : callable
        ``penalty(alpha, l1_ratio)`` is the `Penalty`.
    """

    n_unconverged = 0

    def __init__(self, data, folds, penalty):
        self.data, self.folds, self.penalty = data, folds, penalty
        self.intercept = data.fit_intercept
        self.target = data.target.reshape(data.X.shape[0], -1)
        self.weights = data.weights
        self.origin = self.find_origin()
        self.tests = [self.moments(fold.test) for fold in folds]
        if folds and are_partition(folds, data.rows, data.X.shape[0]):
            everything = self.tests[0]
            for other in self.tests[1:]:
                everything = total(everything, other)
            trains = [everything - test for test in self.tests]
            for k, train in enumerate(trains):
                if not train.weight > LEAST_SHARE * everything.weight:
                    trains[k] = self.moments(folds[k].train)
        else:
            trains = [self.moments(fold.train) for fold in folds]
            everything = self.moments(data.rows)
        self.everything = everything
        size = np.sqrt(np.einsum("jj->j", everything.A) / everything.weight)
        self.problems = [LeastSquares(train, self.intercept, size) for train in trains]
        self.all_rows = LeastSquares(everything, self.intercept, size)

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
        mean = data.term().column_statistics(data.weights)[1]
        rows = slice(None) if data.rows is None else data.rows
        weights = None if self.weights is None else self.weights[rows]
        return mean, np.average(self.target[rows], axis=0, weights=weights)

    def moments(self, rows):
        """The moments of these rows, in one pass over them; None means all."""
        data, (mean, middle) = replace(self.data, rows=rows), self.origin
        chosen = slice(None) if rows is None else rows
        s = np.ones(data.n_rows) if self.weights is None else self.weights[chosen]
        y = self.target[chosen] - middle
        A, v, weight = data.term().weighted_gram(s, rows, mean)
        sy = np.multiply(s[:, None], y, order="C")
        gradient = np.empty((len(v) + 1, y.shape[1]))
        data.term().gradient(sy, gradient)
        t = sy.sum(axis=0)
        q = data.n_rows * gradient[:-1] - np.outer(mean, t)
        return Moments(weight, np.asarray(A), np.asarray(v), q, t, (sy * y).sum(axis=0))

    def begin(self, l1_ratio):
        self.l1_ratio = l1_ratio
        for problem in [*self.problems, self.all_rows]:
            problem.begin()

    def advance(self, alpha):
        self.strength = self.penalty(alpha, self.l1_ratio)
        self.solved = [self.minimise(problem) for problem in self.problems]

    def minimise(self, problem):
        """The minimiser of a training set, measured from the origin."""
        return problem.minimise(self.strength.l1, self.strength.l2)

    def from_zero(self, w, c):
        """Coefficients of shape (n_features + 1, n_outputs) of x and y themselves."""
        mean, middle = self.origin
        return np.ascontiguousarray(np.vstack([w, middle + c - mean @ w]))

    def coefficients(self, k):
        return self.from_zero(*self.solved[k])

    def coefficients_of_all(self):
        """Those of the model of all rows."""
        return self.from_zero(*self.minimise(self.all_rows))

    def test_loss(self, k):
        test, (w, c) = self.tests[k], self.solved[k]
        loss = test.loss(w, c)
        if loss > SMALL_LOSS * float(test.squares.sum()) / test.weight:
            return loss
        data = replace(self.data, rows=self.folds[k].test)
        return data.term().value(self.coefficients(k)) / data.mean_weight


def total(a, b):
    """The moments of two disjoint sets of rows."""
    return Moments(
        a.weight + b.weight, a.A + b.A, a.v + b.v, a.q + b.q, a.t + b.t,
        a.squares + b.squares,
    )  # fmt: skip
