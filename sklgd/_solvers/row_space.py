"""Few rows, many columns: a run in the space of the rows.

With an l2 penalty or none, the minimiser is a combination of the rows (the representer
theorem; Hastie and Tibshirani, "Efficient quadratic regularization for expression
arrays", 2004). The centred rows are X' = Q R, Q having orthonormal columns: w = Q v has
the raw predictions R'v and the norm of v. So a run on the n rows of R', of n columns,
is the run on X, and a Hessian has n + 1 rows where it had n_features + 1. (The Gram
matrix of the rows would do, but loses small columns beside large ones.)
"""

from copy import copy
from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from scipy.linalg import qr
from scipy.linalg.lapack import dormqr

from .._fit.feature_scaling import FeatureScaling
from .._fit.monitor import relative_gap
from ..kernels._gram import column_statistics
from .batch import BatchSolver

# What R has beside the norm of a row below so many units of rounding, times the number
# of rows, is rounding: as a column of its own it would be a feature that fits anything.
NOISE = 8.0


class RowSpaceSolver(BatchSolver):
    """A batch run on R' in place of X; its coefficients are turned back by Q.

    Objectives are those of the coefficients of X, which differ by the rounding of Q v.

    Parameters
    ----------
    start : callable
        Makes the run on R', as `BatchSolver.start`.
    data, state, penalty
        As for `BatchSolver`.
    """

    def __init__(self, start, data, state, penalty):
        self.data, self.state, self.problem = data, state, data.term()
        self.penalty, self.mean_weight = penalty, data.mean_weight
        self.coupled = False
        rows = data.X if data.everything else data.X[data.rows]
        columns = np.empty(rows.shape[::-1], order="F")
        columns.T[...] = rows.toarray() if sp.issparse(rows) else rows
        self.centre = np.zeros(len(columns))
        if data.fit_intercept:
            self.centre = columns.mean(axis=1)
            columns -= self.centre[:, None]
        (self.factor, self.tau), R = qr(
            columns, mode="raw", overwrite_a=True, check_finite=False
        )
        n = rows.shape[0]
        R = R[:n]
        noise = NOISE * n * np.finfo(float).eps
        R[np.abs(R) <= noise * np.linalg.norm(R, axis=0)] = 0.0
        everything = data.everything
        few = replace(
            data,
            X=np.ascontiguousarray(R.T),
            columns=None,
            n_columns=None,
            rows=None,
            target=data.target if everything else data.target[data.rows],
            weights=data.weights
            if everything or data.weights is None
            else data.weights[data.rows],
        )
        part = copy(state)
        mean, var = column_statistics(few.matrix, few.weights, None, few.n_threads)[1:]
        statistics = replace(state.basis, mean=mean, var=var)
        scaling = FeatureScaling.of(few, statistics, penalty.l2)
        part.plan, part.basis = replace(state.plan, scaling=scaling), statistics
        part.coef = np.empty((n + 1, data.n_outputs))
        part.coef[:-1] = self.rotated(state.coef[:-1], "T")[:n]
        part.coef[-1] = state.coef[-1] + self.centre @ state.coef[:-1]
        self.run = start(few, part, penalty, True, False)
        self.collect()

    def rotated(self, w, transposed):
        """Q w for "N", Q'w for "T", Q being completed to a square matrix."""
        columns = np.zeros((len(self.factor), w.shape[1]), order="F")
        columns[: len(w)] = w
        size = 64 * columns.shape[1]
        return dormqr("L", transposed, self.factor, self.tau, columns, size)[0]

    def collect(self):
        """Turn the coefficients of the run back."""
        coef, v = self.state.coef, self.run.coef
        coef[:-1] = self.rotated(v[:-1], "N")
        coef[-1] = v[-1] - self.centre @ coef[:-1]
        value = self.problem.value(coef) / self.mean_weight
        self.judged = value + self.penalty.value(coef)

    def aim(self, null, tol):
        """As in `BatchSolver`, like all that follow."""
        self.null = null
        self.run.aim(null, tol)

    def epoch(self):
        steps = self.run.epoch()
        self.collect()
        self.state.rows += self.problem.n_samples
        self.state.steps += 1
        return steps

    @property
    def barrier_weight(self):
        return self.run.barrier_weight

    def objective(self):
        return self.judged

    def constant_objective(self, raw_predictions):
        return self.run.constant_objective(raw_predictions)

    def gap(self):
        return self.run.gap() + self.lost()

    def likely_gap(self, gap):
        lost = self.lost()
        return self.run.likely_gap(gap - lost) + lost

    def finish(self, gap):
        gap = self.run.finish(gap)
        if gap is not None:
            self.collect()
        return gap

    def is_certified(self):
        return self.run.is_certified()

    def lost(self):
        """Gap that belongs to the rounding of the coefficients turned back."""
        lost = max(self.judged - self.run.objective(), 0.0)
        return relative_gap(lost, self.null, self.judged)
