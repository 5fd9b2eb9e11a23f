"""Newton's method for kept and merged rows, and a quadratic model of others."""

from typing import NamedTuple

import numpy as np

from ..kernels._hessian import hessian_block
from .batch import BatchSolver
from .metrics import Factored


class Quadratic(NamedTuple):
    """A quadratic function of u: gradient.(u - at) + (u - at)' hessian (u - at) / 2."""

    at: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray

    def value(self, u):
        step = u - self.at
        slope = self.gradient + 0.5 * (self.hessian @ step)
        return float(np.vdot(slope, step))

    def gradient_at(self, u):
        return self.gradient + self.hessian @ (u - self.at)


class NearRows(BatchSolver):
    """Newton's method for one output, whose Hessian is computed for each step.

    Parameters
    ----------
    data, state, penalty
        As for `BatchSolver`.
    size : float
        F of the constant model, on all rows, in whose unit the barrier is.
    quadratic : Quadratic or None
        Is added to the objective.
    """

    def __init__(self, data, state, penalty, size, quadratic=None):
        self.size, self.quadratic, self.step = size, quadratic, None
        super().__init__(data, state, penalty)

    @property
    def penalised(self):
        """Penalty, and the quadratic function, at u."""
        value = self.penalty_alone
        return value if self.quadratic is None else value + self.quadratic.value(self.u)

    @penalised.setter
    def penalised(self, value):
        self.penalty_alone = value

    def constant_objective(self, raw_predictions):
        """As in `BatchSolver`, like all methods that follow."""
        return self.size

    def capped(self, excess):
        # (With the quadratic function the objective may be negative.)
        return excess if self.quadratic is not None else super().capped(excess)

    def gradient_at(self, u):
        gradient = super().gradient_at(u)
        if self.quadratic is not None:
            gradient += self.quadratic.gradient_at(u)
        return gradient

    def derivatives(self, p, raw):
        found = super().derivatives(p, raw)
        if self.quadratic is not None:
            found[0, 1] += np.vdot(self.quadratic.gradient_at(self.u), p)
            found[0, 2] += np.vdot(self.quadratic.hessian @ p, p)
        return found

    def direction(self):
        """The step to the minimiser of the model, and its predicted decrease."""
        if self.step is None:
            problem = self.problem
            z = self.lines.block(0, problem.n_samples)
            h = problem.curvatures(self.loss, z)[:, 0]
            moments = problem.weighted_gram(h, None, self.scaling.centre)
            matrix = hessian_block(
                *moments, 1.0 / (problem.n_samples * self.mean_weight),
                self.scaling.scale, self.l2_u, 0, self.data.fit_intercept,
            )  # fmt: skip
            if self.quadratic is not None:
                matrix += self.quadratic.hessian
            self.step = self.model_step(Factored([matrix], True), self.gradient, self.u)
        return self.step

    def excess(self):
        return self.direction()[1]

    def epoch(self):
        p, _ = self.direction()
        self.step = None
        raw = self.scaling.to_raw(p)
        self.lines.point(raw)
        t, value = self.search(p, raw)
        length = float(t.max())
        if length > 0.0:
            self.move(t, p, raw)
            self.value = value
            self.refresh()
        self.lower_barrier()
        return length, length

    def forget_barrier(self):
        self.step = None
