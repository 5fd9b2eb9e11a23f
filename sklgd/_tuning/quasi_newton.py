"""Models of smooth losses with many columns: L-BFGS for all folds at once.

The folds share their passes over X. The pairs of steps and changes of gradients, from
which L-BFGS knows the Hessian, are kept from one alpha to the next: of the gradient of
the loss only, because the penalty's Hessian is known.
"""

import numpy as np

from ..kernels._vector import add_scaled, dots
from .grid import curvature
from .models import are_partition
from .newton import MAX_BYTES, NewtonModels

# Number of pairs. (With 5 pairs, three searches on text took up to twice as many steps,
# and their gaps were up to three times as large.)
MEMORY = 10
# What the quadratic model of L-BFGS predicts is less than what is left to gain: a model
# has converged if it predicts this share of the tolerance. (On three sets of text, the
# largest gap of about 60 models each was then 0.8 times the tolerance.)
SHARE = 0.07


class QuasiNewtonModels(NewtonModels):
    """Models of a smooth loss with an l2 penalty; see `NewtonModels`."""

    least_steps = 3

    @staticmethod
    def suit(data, folds):
        """True if L-BFGS for all folds suits these data and a smooth penalty."""
        n, d, K = data.X.shape[0], data.X.shape[1], data.n_outputs
        size = 8 * K * len(folds) * (5 * n + (2 * MEMORY + 6) * d)
        return (
            data.loss.smooth
            and data.loss.twice_smooth
            and size <= 4 * MAX_BYTES
            and are_partition(folds, data.rows, n)
        )

    def of_all_rows(self, alpha, l1_ratio):
        """The mean of the models of the folds, unless a constant model is better.

        (With few columns the Hessian at the end of the fit takes most of its time, so
        that Newton's method gains nothing from a better start.)
        """
        coef, data = self.means[alpha, l1_ratio], self.data
        if not np.isfinite(coef).all():
            return None
        constant = data.term().constant_value(data.fit_intercept_only())
        value = data.term().value(coef) / data.mean_weight
        value += self.penalty(alpha, l1_ratio).value(coef)
        return (
            self.of_all_columns(coef) if value <= constant / data.mean_weight else None
        )

    def begin(self, l1_ratio):
        super().begin(l1_ratio)
        self.height = curvature(self.data)
        for unit in self.units:
            unit.pairs, unit.before = [], None

    def renew_hessians(self, active):
        """Nothing to renew: the pairs follow from the gradients."""

    def ends(self, unit, target):
        return unit.predicted <= SHARE * target

    def find_step(self, unit):
        self.remember(unit)
        g = self.l2_u * unit.u
        g += unit.gradient
        step = self.apply(unit, g)
        np.negative(step, out=step)
        unit.step = step
        unit.derivative = float(dots(g, step, True)[0])
        unit.predicted = -0.5 * unit.derivative

    def remember(self, unit):
        """Store the pair of the last step."""
        before, unit.before = unit.before, (unit.u.copy(), unit.gradient)
        if before is None:
            return
        s, y = unit.u - before[0], unit.gradient - before[1]
        if dots(s, y, True)[0] > 0.0:
            unit.pairs = [*unit.pairs[1 - MEMORY :], Pair(s, y)]

    def apply(self, unit, g):
        """The inverse of the Hessian times g, by the two-loop recursion (Nocedal 1980).

        It starts from a diagonal Hessian, every column of which has the size one.
        """
        q, weights, diagonal = g.copy(), [], self.height + self.l2_u
        for pair in unit.pairs:
            pair.correct(self.l2_u)
        for pair in reversed(unit.pairs):
            weights.append(pair.rho * dots(pair.s, q, True))
            add_scaled(q, -weights[-1], pair.y)
        q /= diagonal
        if unit.pairs:
            last = unit.pairs[-1]
            q /= last.rho * dots(last.y, last.y / diagonal, True)
        for pair in unit.pairs:
            add_scaled(q, weights.pop() - pair.rho * dots(pair.y, q, True), pair.s)
        if self.coupled:
            q -= q.mean(axis=1, keepdims=True)
        return q


class Pair:
    """A step, and the change of the gradient along it.

    Attributes
    ----------
    s : ndarray
        The step.
    y : ndarray
        The change of the gradient of F with the present penalty.
    rho : ndarray of shape (1,)
        1 / s.y.
    """

    def __init__(self, s, y_loss):
        self.s, self.y, self.l2 = s, y_loss, 0.0

    def correct(self, l2):
        """Take the penalty of these strengths into account."""
        if self.l2 is not l2:
            self.y += (l2 - self.l2) * self.s
            self.l2, self.rho = l2, 1.0 / dots(self.s, self.y, True)
