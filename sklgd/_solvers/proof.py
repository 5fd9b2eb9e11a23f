"""A bound of F - F* where a run has ended that does not estimate it.

Rules of descent and variance-reduced methods know no optimality gap. At their end one
pass over X gives the gradient, and with it the bound of `duality`.
"""

import math
from types import SimpleNamespace

import numpy as np

from .duality import bound_here

# The intercepts are computed to this share of what was gained over a constant model.
ACCURACY = 1e-5


class Reported:
    """Coefficients where `bound_here` bounds F - F*, in their own units.

    Parameters
    ----------
    data : Data
    penalty : Penalty
    coef : ndarray of shape (n_features + 1, n_outputs)
    objective, gained : float
        F there, and its distance from the constant model's.
    """

    def __init__(self, data, penalty, coef, objective, gained):
        self.data, self.loss, self.problem = data, data.loss, data.term()
        self.mean_weight, self.state = data.mean_weight, SimpleNamespace(rows=0)
        self.u, self.signs = coef, penalty.signs_of(coef)
        self.l1_u, self.l2_u = penalty.strengths(np.ones_like(coef))
        self.coupled = data.loss.coupled(self.problem.n_outputs)
        self.value, self.gained = objective, gained

    def raw_predictions(self):
        """Raw predictions of all rows."""
        z = np.empty((self.problem.n_samples, self.problem.n_outputs))
        self.problem.raw_predictions(self.u, z)
        return z

    def gradient_of(self, raw):
        """The gradient of F without the l1 penalty, from that of the mean loss.

        (The bound takes the intercepts' part into account on its own.)
        """
        raw[-1] = 0.0
        return raw / self.mean_weight + self.l2_u * self.u

    def objective(self):
        """F, which bounds F - F* where no loss is negative."""
        return self.value

    def target(self):
        """A value of F - F* that is small."""
        return ACCURACY * self.gained


def bound_at(run, objective, null):
    """Bound of F - F* at the coefficients that a run reports, or infinity.

    Parameters
    ----------
    run : Solver
    objective, null : float
        F there, and at the best constant model.
    """
    data, penalty = run.data, run.penalty
    if not (penalty.closed_form and data.loss.convex and data.loss.smooth):
        return math.inf
    l1, l2 = penalty.strengths(np.ones(run.coef.shape))
    if not ((l1 > 0.0) | (l2 > 0.0))[:-1].all():
        return math.inf
    gained = max(null - objective, 0.0)
    coef = np.ascontiguousarray(run.coef, dtype=float)
    point = Reported(data, penalty, coef, objective, gained)
    bound = bound_here(point)
    return min(bound, objective) if data.loss.nonnegative and not data.base else bound
