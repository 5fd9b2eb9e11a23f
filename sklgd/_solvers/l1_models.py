"""Quadratic models with an l1 penalty, g.p + p'B p / 2 + sum_j l1_j |u_j + p_j|.

The coordinates u_j + p_j may have to be of given signs. The minimiser is a step of the
proximal Newton method. B is a matrix, or it is given by its rows as B = Z'HZ + ridge,
where Z are the centred and scaled rows of X and H their second derivatives. Such a B is
never computed. At the minimiser, the coordinates that differ from zero are about as
many as the rows, so coordinate descent needs the matrix of a working set only, which
grows by the coordinates that would gain most (Johnson and Guestrin 2015; Massias,
Gramfort and Salmon 2018).
"""

import numpy as np
import scipy.sparse as sp

from ..kernels._coordinate import l1_refine, l1_step

# Coordinate descent on a matrix ends when no coordinate gains more than this share of
# the best gain, or after so many sweeps. For a model that may end the run, it continues
# until a round gains no more than this share of all gains, or for so many rounds.
MODEL_TOL, MODEL_SWEEPS = 1e-4, 200
REFINED_TOL, REFINED_ROUNDS = 0.05, 50
# A working set starts with LEAST_SET coordinates and makes SET_SWEEPS sweeps before the
# rounds. It is complete when the other coordinates could gain no more than LEFT of all
# gains; REFINED_LEFT for a model that may end the run.
LEAST_SET, SET_SWEEPS = 64, 50
LEFT, REFINED_LEFT = 1e-4, 1e-6


class MatrixModel:
    """A model whose B is a matrix."""

    def __init__(self, matrix):
        self.matrix = matrix

    def minimise(self, g, u, l1, enough=None, signs=None):
        """The minimiser p and its product with B.

        Parameters
        ----------
        g, u, l1 : arrays of shape (n,)
            The u have the right signs.
        enough : float or None
            None for a p from which a further sweep would gain little. A number for a
            minimiser among almost collinear columns, too: a p may be returned as soon
            as it has gained more than this.
        signs : int8 array of shape (n,) or None
            Signs of u + p, 0 where both are possible; None if all are 0.
        """
        step, product = np.zeros_like(g), np.zeros_like(g)
        model = self.matrix, g, u, l1, step, product
        l1_step(*model, MODEL_TOL, MODEL_SWEEPS, signs)
        if enough is not None:
            l1_refine(*model, REFINED_TOL, REFINED_ROUNDS, enough, signs)
        return step, product


class RowModel:
    """A model of one output whose B = Z'HZ + ridge is known by its rows.

    Parameters
    ----------
    data : Data
        Of one output.
    scaling : FeatureScaling
        Of one output.
    ridge : ndarray of shape (n_features + 1,)
    curvatures : ndarray of shape (n_rows,)
        The diagonal of H: a row's curvature, divided by the total weight.
    """

    def __init__(self, data, scaling, ridge, curvatures):
        self.data, self.problem = data, data.term()
        self.scaling, self.ridge = scaling, ridge
        self.curvatures = curvatures
        self.rows = data.X if data.everything else data.X[data.rows]
        self.scale = scaling.scale[:, 0].copy()
        self.scale[-1] *= data.fit_intercept

    def minimise(self, g, u, l1, enough=None, signs=None):
        """As in `MatrixModel`; among the working set the p is always a minimiser."""
        p, gradient, diagonal = np.zeros_like(g), g, self.diagonal()
        stays = l1 > 0.0 if signs is None else (l1 > 0.0) | (signs != 0)
        chosen = (diagonal > 0.0) & ((u != 0.0) | ~stays)
        size, gained = max(LEAST_SET, 2 * int(chosen.sum())), 0.0
        left = LEFT if enough is None else REFINED_LEFT
        while True:
            # What each of the others would gain by itself; they are at zero.
            excess = np.maximum(np.abs(gradient) - l1, 0.0)
            if signs is not None:
                excess[signs * gradient > 0.0] = 0.0
            excess[chosen | (diagonal <= 0.0)] = 0.0
            gains = np.divide(0.5 * excess**2, diagonal, where=excess > 0.0, out=excess)
            more = np.flatnonzero(gains)
            complete = gained > 0.0 and gains[more].sum() <= left * gained
            if not complete and len(more):
                room = max(size - int(chosen.sum()), LEAST_SET)
                if room < len(more):
                    more = more[np.argpartition(gains[more], -room)[-room:]]
                chosen[more] = True
            elif gained > 0.0:
                return p, gradient - g
            working = np.flatnonzero(chosen)
            if not len(working):
                return p, gradient - g
            step, product = self.minimise_among(
                working, g, u, l1, p[working], enough, signs
            )
            p[working] = step
            gained = -float(g[working] @ step + 0.5 * step @ product)
            gained -= float(
                l1[working] @ (np.abs(u[working] + step) - np.abs(u[working]))
            )
            gradient = g + self.product(p, working)
            if not gained > 0.0 or (enough is not None and gained > enough):
                return p, gradient - g
            size *= 2

    def minimise_among(self, working, g, u, l1, p, enough, signs):
        """The minimiser over these coordinates, and its product with their matrix."""
        Z = self.columns(working)
        B = Z.T @ (self.curvatures[:, None] * Z)
        np.einsum("jj->j", B)[...] += self.ridge[working]
        model = B, g[working], u[working], l1[working], p, B @ p
        signs = None if signs is None else signs[working]
        l1_step(*model, MODEL_TOL, SET_SWEEPS, signs)
        if enough is not None:
            l1_refine(*model, REFINED_LEFT, REFINED_ROUNDS, enough, signs)
        return model[4:]

    def columns(self, working):
        """These columns of Z."""
        features = working[: np.searchsorted(working, len(self.scale) - 1)]
        Z = np.ones((self.rows.shape[0], len(working)))
        block = self.rows[:, features]
        Z[:, : len(features)] = block.toarray() if sp.issparse(block) else block
        Z[:, : len(features)] -= self.scaling.centre[features]
        Z *= self.scale[working]
        return Z

    def product(self, p, working):
        """B p for a p that is zero but for these coordinates."""
        z = self.columns(working) @ p[working]
        out = np.empty((len(p), 1))
        gradients = len(z) * self.curvatures * z
        self.problem.gradient(gradients[:, None], out)
        p, ridge = p[:, None], self.ridge[:, None]
        return self.scaling.gradient(out, 1.0, ridge, p)[:, 0]

    def diagonal(self):
        """The diagonal of B."""
        out, total = self.ridge.copy(), float(self.curvatures.sum())
        if total > 0.0:
            weights = np.zeros(self.data.X.shape[0])
            rows = slice(None) if self.data.rows is None else self.data.rows
            weights[rows] = self.curvatures / total
            _, mean, var = self.problem.column_statistics(weights)
            square = var + (mean - self.scaling.centre) ** 2
            out[:-1] += total * self.scale[:-1] ** 2 * square
            out[-1] += total * self.scale[-1] ** 2
        return out
