"""Matrices in place of the Hessian of F (see `hessian`)."""

import numpy as np

from ..kernels._hessian import cholesky, solve
from .l1_models import MatrixModel, RowModel

# A Hessian that only confirms the end of a run costs at most so many sweeps over X.
HESSIAN_SWEEPS = 8.0


class Diagonal:
    """B = I / theta, where 1 / theta is the second derivative along the last step."""

    exact = knows_columns = False
    least_pivot, n_matrices = 0.0, 0

    def __init__(self):
        self.theta = 1.0

    def solve(self, g):
        """B^-1 g for g of shape (n_features + 1, n_outputs); g may be overwritten."""
        return np.multiply(g, self.theta, out=g)

    def adapt(self, y, curvature, dot):
        """Adapt to a step s that changed the gradient by y; ``curvature`` is s.y.

        ``dot`` computes inner products of each output, or of all if they are coupled.
        """
        self.theta = ratio(curvature, dot(y, y), self.theta)


class Factored:
    """B by Cholesky factors.

    Parameters
    ----------
    matrices : list of ndarray, positive semidefinite
        One of order n_features + 1 for all outputs; or one for each; or one of all
        coordinates, output by output within a feature.
    exact : bool
        True for a Hessian, False for another matrix (which `adapt` may rescale).
    relative : bool, default=False
        See `cholesky`.
    shares : ndarray of shape (n_outputs,), default=None
        Numbers by which the matrices are multiplied for each output.
    """

    knows_columns = True
    """True if the second derivatives along all columns are taken into account."""

    def __init__(self, matrices, exact, relative=False, shares=None):
        self.matrices, self.exact, self.theta = matrices, exact, None
        self.shares, self.n_matrices = shares, len(matrices)
        # (This makes the matrices definite to rounding, which coordinate descent
        # needs.)
        self.factors = [cholesky(matrix, relative) for matrix in matrices]

    def solve(self, g):
        """As in `Diagonal`."""
        if self.shares is not None:
            g /= self.shares
        if len(self.factors[0]) == g.size:
            solve(self.factors[0], g.reshape(-1, 1))
        elif len(self.factors) == 1:
            solve(self.factors[0], g)
        else:
            for k, factor in enumerate(self.factors):
                solve(factor, g, k)
        return g if self.theta is None else np.multiply(g, self.theta, out=g)

    @property
    def least_pivot(self):
        """The least pivot of the factorisations, relative to the largest."""
        pivots = [np.diag(factor) for factor in self.factors]
        return min(float((pivot.min() / pivot.max()) ** 2) for pivot in pivots)

    def parts(self, shape):
        """Pairs of a model and its part of u, which has this shape."""
        if len(self.matrices[0]) == shape[0] * shape[1]:
            yield MatrixModel(self.matrices[0]), np.s_[:]
            return
        for k in range(shape[1]):
            matrix = self.matrices[min(k, len(self.matrices) - 1)]
            yield MatrixModel(matrix), np.s_[:, k]

    def adapt(self, y, curvature, dot):
        """As in `Diagonal`; a Hessian needs no correction."""
        if self.exact:
            return
        before = 1.0 if self.theta is None else self.theta
        self.theta = None
        self.theta = ratio(curvature, dot(y, self.solve(y.copy())), before)


class RowBlocks:
    """B for few rows and many columns, in models with an l1 penalty only.

    Parameters
    ----------
    data : Data
    scaling : FeatureScaling
    l2 : ndarray of shape (n_features + 1, n_outputs)
    curvatures : ndarray of shape (n_rows, n_outputs)
        Those of the rows, divided by the total weight.
    exact : bool
        As for `Factored`.
    """

    least_pivot, n_matrices, knows_columns = 0.0, 0, False

    def __init__(self, data, scaling, l2, curvatures, exact):
        self.data, self.scaling, self.l2 = data, scaling, l2
        self.curvatures, self.exact = curvatures, exact

    def parts(self, shape):
        """As in `Factored`."""
        data, K = self.data, shape[1]
        if K > 1:
            # (The models do not use the targets.)
            data = data.output(0, np.empty(data.X.shape[0]))
        for k in range(K):
            ridge, h = self.l2[:, k].copy(), self.curvatures[:, k].copy()
            yield RowModel(data, self.scaling.output(k), ridge, h), np.s_[:, k]

    def adapt(self, y, curvature, dot):
        """Nothing to adapt, because the model is minimised exactly."""


def ratio(a, b, otherwise):
    """a / b where both are positive, else ``otherwise``."""
    good = (a > 0.0) & (b > 0.0)
    return np.where(good, a / np.where(good, b, 1.0), otherwise)
