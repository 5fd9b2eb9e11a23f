"""Models of smooth losses with many columns: L-BFGS for all folds at once.

The folds share their passes over X. The pairs of steps and changes of gradients, from
which L-BFGS knows the Hessian, are kept from one alpha to the next: of the gradient of
the loss only, because the penalty's Hessian is known.
"""

import numpy as np

from .grid import curvature
from .models import are_partition
from .newton import MAX_BYTES, NewtonModels

# Number of pairs, as in `LBFGS`.
MEMORY = 5
# What the quadratic model of L-BFGS predicts is less than what is left to gain: a model
# has converged if it predicts this share of the tolerance. (On three sets of text the
# gaps of 30 models were then 1e-10 to 3e-4 for a tolerance of 1e-4; half the share
# would keep all below it, and takes 1.4 times as long.)
SHARE = 0.1


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

    def begin(self, l1_ratio, near=None):
        super().begin(l1_ratio, near)
        self.height = curvature(self.data)
        for unit in self.units:
            unit.pairs, unit.before = [], None

    def renew_hessians(self, active):
        """Nothing to renew: the pairs follow from the gradients."""

    def ends(self, unit, target):
        return unit.predicted <= SHARE * target

    def find_step(self, unit):
        self.remember(unit)
        g = unit.gradient + self.l2_u * unit.u
        unit.step = -self.apply(unit, g)
        unit.derivative = float((g * unit.step).sum())
        unit.predicted = -0.5 * unit.derivative

    def remember(self, unit):
        """Store the pair of the last step."""
        before, unit.before = unit.before, (unit.u.copy(), unit.gradient.copy())
        if before is None:
            return
        s, y = unit.u - before[0], unit.gradient - before[1]
        if float((s * y).sum()) > 0.0:
            unit.pairs = [*unit.pairs[1 - MEMORY :], (s, y)]

    def apply(self, unit, g):
        """The inverse of the Hessian times g, by the two-loop recursion (Nocedal 1980).

        It starts from a diagonal Hessian, every column of which has the size one.
        """
        q, weights = g.copy(), []
        pairs = [(s, y + self.l2_u * s) for s, y in unit.pairs]
        rhos = [1.0 / float((s * y).sum()) for s, y in pairs]
        for (s, y), rho in zip(reversed(pairs), reversed(rhos), strict=True):
            a = rho * float((s * q).sum())
            q -= a * y
            weights.append(a)
        diagonal = self.height + self.l2_u
        if pairs:
            s, y = pairs[-1]
            theta = float((s * y).sum()) / float((y * y / diagonal).sum())
            q *= theta
        q /= diagonal
        for (s, y), rho in zip(pairs, rhos, strict=True):
            q += s * (weights.pop() - rho * float((y * q).sum()))
        if self.coupled:
            q -= q.mean(axis=1, keepdims=True)
        return q
