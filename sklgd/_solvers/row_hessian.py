"""The Hessian at the end of a run on few rows with many columns.

With ridges l2_j of the features, B = X~'H X~ + diag(l2) has a row for each coefficient,
but X~ has only one for each of the few rows. Let X~ diag(l2)^-1/2 = L Q', where L is
square and Q has orthonormal columns. Then

    B = diag(l2)^1/2 (I + Q L'H L Q') diag(l2)^1/2,

and only I + L'H L has to be factored. L is a Cholesky factor of the products of the
rows. It is the same for all points, and what rounding adds to it is small beside I.
"""

import numpy as np
import scipy.sparse as sp
from scipy.linalg import solve_triangular

from ..kernels._hessian import cholesky, solve

# Least ridge of a scaled coefficient, whose second derivative is about one. With a much
# smaller one the solution for a coefficient without a penalty would lose its digits.
LEAST_RIDGE = 1e-7


class RowFactor:
    """L, and the changes between coefficients and coordinates of the rows.

    Parameters
    ----------
    data : Data
    problem : DataTerm
    scaling : FeatureScaling
    l2 : ndarray of shape (n_features + 1, n_outputs)
        Penalty of u^2 / 2, the same for all outputs but for their scales.
    """

    def __init__(self, data, problem, scaling, l2):
        self.problem, self.scaling = problem, scaling
        scale = scaling.scale[:-1]
        seen = (scale > 0.0).all(axis=1)
        least = np.where(seen, scale.min(axis=1), 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            raw = (l2[:-1] / (scale * scale)).max(axis=1)
        raw = np.maximum(np.where(seen, raw, np.inf), LEAST_RIDGE / (least * least))
        self.ridge = raw[:, None] * scale * scale
        self.ridge[~seen] = np.inf
        rows = data.X if data.everything else data.X[data.rows]
        centre, weight = scaling.centre, 1.0 / np.sqrt(raw)
        rows = rows.toarray() if sp.issparse(rows) else rows.astype(np.float64)
        rows -= centre
        rows *= weight
        # (What this adds to the products is small beside the ridge.)
        self.L = np.tril(cholesky(rows @ rows.T))
        self.zero = np.zeros_like(l2)

    def to_rows(self, u):
        """L^-1 times the raw predictions of scaled coefficients, without intercepts."""
        z = np.empty((len(self.L), u.shape[1]))
        self.problem.raw_predictions(self.scaling.to_raw(u), z)
        return solve_triangular(self.L, z, lower=True, check_finite=False)

    def to_features(self, v):
        """X~'L^-T v of shape (n_features, n_outputs)."""
        v = solve_triangular(self.L, v, lower=True, trans="T", check_finite=False)
        raw, n = np.empty_like(self.zero), len(self.L)
        self.problem.gradient(np.ascontiguousarray(v), raw)
        return n * self.scaling.gradient(raw, 1.0, self.zero, self.zero)[:-1]


class RowHessian:
    """B in terms of the rows, as a metric that solves.

    Parameters
    ----------
    factor : RowFactor
    curvatures : ndarray of shape (n_rows, K, K) or (n_rows, K)
        The second derivatives of the rows, divided by the total weight; with two axes
        the loss is a sum over the outputs.
    fit_intercept : bool
    sample : ndarray or None
        See `HessianSchedule.has_changed`.
    """

    exact, least_pivot = True, 0.0

    def __init__(self, factor, curvatures, fit_intercept, sample):
        self.factor, self.sample = factor, sample
        L, K = factor.L, curvatures.shape[1]
        n, self.order = len(L), len(L) + 1
        rows = np.empty((n, self.order))
        rows[:, :-1] = L
        intercepts = factor.scaling.scale[-1] * fit_intercept

        def block(a, b, h):
            rows[:, -1] = 1.0
            out = rows.T @ (h[:, None] * rows)
            out[-1] *= intercepts[a]
            out[:, -1] *= intercepts[b]
            if a == b:
                np.einsum("ii->i", out)[:-1] += 1.0
            return out

        if curvatures.ndim == 2:
            matrices = [block(k, k, curvatures[:, k]) for k in range(K)]
        else:
            whole = np.empty((K, self.order, K, self.order))
            for a in range(K):
                for b in range(a, K):
                    whole[a, :, b] = block(a, b, curvatures[:, a, b])
                    whole[b, :, a] = whole[a, :, b].T
            matrices = [whole.reshape(K * self.order, -1)]
        self.factors = [cholesky(matrix) for matrix in matrices]

    def solve(self, g):
        """B^-1 g for g of shape (n_features + 1, n_outputs); g is overwritten."""
        factor = self.factor
        p = g
        np.divide(g[:-1], factor.ridge, out=p[:-1])
        intercepts = g[-1].copy()
        p[-1] = 0.0
        h = np.empty((g.shape[1], self.order))
        h[:, :-1] = factor.to_rows(p).T
        before = h[:, :-1].T.copy()
        h[:, -1] = intercepts
        if len(self.factors) == 1:
            h = h.reshape(-1, 1)
            solve(self.factors[0], h)
            h = h.reshape(g.shape[1], -1)
        else:
            for k, one in enumerate(self.factors):
                part = h[k].reshape(-1, 1).copy()
                solve(one, part)
                h[k] = part[:, 0]
        p[:-1] += factor.to_features(h[:, :-1].T - before) / factor.ridge
        p[-1] = h[:, -1]
        return p
