"""The history of a run, and the decision when it ends."""

import math
import sys
from itertools import pairwise

import numpy as np

# A run diverges once its objective exceeds the constant model's by this many times the
# scale of the loss.
FAR = 1e3
# The largest finite objective.
LARGEST = sys.float_info.max
# Improvements below this share of the scale of the loss are rounding.
NEGLIGIBLE = 1e-12
# A model counts as worse than another if its objective is larger by this share of it,
# and that of the scale of the loss, where the objective is almost zero.
WORSE, SLIGHTLY = 1e-3, 1e-9
# An objective that changes by less than this share of it does not change.
ROUNDING = 1e-14
# If no more than this share of F is between F* and F of the constant model, that model
# is the optimum.
NOTHING = 1e-12


def relative_gap(excess, null, objective):
    """The optimality gap (F - F*) / (F_null - F*) of an estimate of F - F*.

    Parameters
    ----------
    excess : float
        F - F*; if it is not finite, the gap is 1.
    null, objective : float
        F of the constant model, and F.
    """
    distance = max(null - objective, 0.0) + excess
    if not math.isfinite(excess):
        return 1.0
    return excess / distance if distance > NOTHING * abs(objective) else 0.0


class Monitor:
    """Follows one run and decides when it ends.

    Parameters
    ----------
    tol : float or None
        Least improvement of the objective in an epoch, relative to what was gained
        over the best constant model so far; None never stops early.
    n_iter_no_change : int
        Epochs in a row without such an improvement that end the run.
    null : float
        Objective of the best constant model.
    unit : float
        Scale of the loss.
    start : float
        Objective at the starting point.
    degenerate : bool
        True if the loss is zero at w = 0: a larger objective is then no failure.
    growth : float, default=inf
        By how much an epoch can raise the objective of a degenerate loss if its
        learning rate is one (`Solver.growth`).
    patient : bool
        True if the schedule starts with steps that are too large on purpose
        (`Schedule.starts_wild`).
    bounded : bool, default=False
        Rows step one by one, and the derivatives of the loss are bounded. F then grows
        at most in proportion to the steps, and says little of the predictions where it
        is large: the run goes on, and does not go back to its start.
    early_stopping : bool
        Watch the validation score in place of the objective; ``tol`` is then a
        difference of scores.
    score_unit : float, default=1.0
        Unit of that difference.
    base : float, default=0.0
        Constant that is left out of all objectives (`Data.measured_from`).

    Attributes
    ----------
    loss_curve, validation_scores : list of float
        One entry per epoch; the objectives are without ``base``.
    gap : float
        Estimate of (F - F*) / (F_null - F*) after the last epoch, or nan.
    certified : bool
        True if ``gap`` is a proven upper bound at the end.
    steps : (float, float)
        The last learning rate and the largest.
    best, best_score : float
    stop_reason : str or None
    """

    def __init__(
        self,
        *,
        tol,
        n_iter_no_change,
        null,
        unit,
        start,
        degenerate,
        patient,
        early_stopping,
        growth=np.inf,
        score_unit=1.0,
        base=0.0,
        bounded=False,
    ):
        self.tol, self.n_iter_no_change = tol, n_iter_no_change
        self.null, self.unit, self.start = null, unit, start
        self.degenerate, self.patient, self.bounded = degenerate, patient, bounded
        self.early_stopping, self.score_unit = early_stopping, score_unit
        self.loss_curve, self.validation_scores, self.base = [], [], base
        self.best, self.best_score = start, -np.inf
        if patient or degenerate or bounded:
            # The first epoch counts as an improvement in any case.
            self.best = np.inf
        self.no_change = 0
        self.stop_reason = None
        self.gap, self.barrier, self.refined = np.nan, None, False
        self.certified = False
        self.steps = 0.0, 0.0
        self.growth, self.n_epochs = growth, 0
        self.far = min(null + FAR * max(unit, abs(start - null)), LARGEST)
        # An objective above this ends the run, and one that is not finite.
        self.limit = LARGEST if patient or bounded else self.far

    def figures(self):
        """Fitted attributes of a run that has ended."""
        return {
            "n_iter_": len(self.loss_curve),
            "stop_reason_": self.stop_reason,
            "optimality_gap_": self.gap,
            "optimality_gap_is_bound_": self.certified,
        }

    def expect(self, largest):
        """Note the end of an epoch whose largest learning rate is ``largest``.

        The objective of a degenerate loss grows with the coefficients, and these grow
        at most in proportion to the steps taken. Faster growth is divergence.
        """
        self.n_epochs += 1
        if self.degenerate:
            largest = max(largest, self.steps[1])
            reached = self.start + self.n_epochs * largest * self.growth
            self.far = LARGEST
            if reached < LARGEST / FAR:
                self.far = FAR * reached
            self.limit = LARGEST if self.patient or self.bounded else self.far

    def diverged(self, objective):
        """True if an objective is not finite or far above the constant model's.

        With ``patient`` it may be far above: the coefficients are then those that
        SGDClassifier returns, and often predict well in spite of their size.
        """
        return not objective <= (LARGEST if self.patient else self.far)

    def accepts(self, objective):
        """True if an objective is no reason to go back to the start of the run."""
        unjudged = self.patient or self.degenerate or self.bounded
        return objective <= (LARGEST if unjudged else self.start)

    def rising(self):
        """True if the objective rose in all of the last ``n_iter_no_change`` epochs."""
        curve = [self.start, *self.loss_curve][-self.n_iter_no_change - 1 :]
        return all(a < b for a, b in pairwise(curve))

    def rose_to_the_end(self):
        """True if the objective rose to the end, and is above that of the start."""
        if self.tol is None or self.early_stopping or self.degenerate:
            return False
        return self.loss_curve[-1] > self.start and self.rising()

    def gained(self):
        """Distance of the best objective from the constant model's."""
        if not math.isfinite(self.best):
            return 0.0
        return max(abs(self.null - self.best), NEGLIGIBLE * self.unit)

    def record(self, objective, score, etas, gap=np.nan, barrier=None):
        """Record an epoch; ``gap`` is the optimality gap, or nan.

        ``etas`` are the last and the largest of its learning rates, ``barrier`` is the
        weight of the barrier of a non-smooth loss.

        Returns
        -------
        stalled : bool
            True once the gap is at most ``tol``; or after ``n_iter_no_change`` epochs
            without improvement, or where the gap is known, without any change.
        """
        self.loss_curve.append(objective)
        self.gap, (eta, largest) = gap, etas
        self.refined, self.barrier = barrier != self.barrier, barrier
        self.steps = eta, max(largest, self.steps[1])
        if score is not None:
            self.validation_scores.append(score)
        improved = self.tol is None or self.improved(objective, score, eta)
        if objective < self.best:
            self.best = objective
        if score is not None and score > self.best_score:
            self.best_score = score
        if improved:
            self.no_change = 0
        else:
            self.no_change += 1
        # (A gap that is not known is not at most tol.)
        if self.tol is not None and gap <= self.tol and not self.early_stopping:
            return True
        return self.no_change >= self.n_iter_no_change

    def improved(self, objective, score, eta):
        """True if the epoch improved the objective or score by as much as ``tol``."""
        known = not math.isnan(self.gap)
        if known:
            last = self.loss_curve[-2] if len(self.loss_curve) > 1 else self.start
            if eta == 0.0 or abs(objective - last) <= ROUNDING * abs(last):
                # This is the optimum to rounding, and further epochs change nothing
                # but the barrier.
                return self.refined
        if self.early_stopping:
            return score >= self.best_score + self.tol * self.score_unit
        if known:
            return True
        least = self.tol * self.gained()
        return objective < self.best and not objective > self.best - least

    def gap_at(self, objective):
        """Optimality gap of coefficients with this objective, by the last estimate.

        The gap after the last epoch gives an estimate of the minimum F*, and this
        that of any coefficients; nan where there is none.
        """
        last = self.loss_curve[-1]
        if not self.gap < 1.0:
            return self.gap
        distance = (self.null - last) / (1.0 - self.gap)
        if not distance > 0.0:
            return self.gap
        return max(self.gap + (objective - last) / distance, 0.0)

    def curve(self):
        """F itself after each epoch, a copy."""
        return [self.base + objective for objective in self.loss_curve]

    def amend(self, objective, score):
        """Replace the last epoch's figures by those of the coefficients kept."""
        self.loss_curve[-1] = objective
        if score is not None:
            del self.validation_scores[len(self.loss_curve) - 1 :]
            self.validation_scores.append(score)
            self.best_score = max(self.best_score, score)

    def why_stalled(self, guarded, plain, reported):
        """Name the reason for a stop after epochs without improvement.

        Parameters
        ----------
        guarded : bool
            True if epochs that do harm are undone.
        plain : bool
            True for descent whose objective rises only if the step is too large.
        reported : float
            Objective of the epoch that is going to be reported.
        """
        if self.early_stopping:
            return "early_stopping"
        if self.degenerate:
            return "converged"
        if guarded:
            return "stalled" if self.worse_than_null(reported) else "converged"
        above_start = reported > self.start and not self.patient
        if above_start or (plain and self.rising()):
            return "diverged"
        return "stalled" if self.worse_than_null(reported) else "converged"

    def worse_than_null(self, objective=None):
        """True if the last objective (or this) is above the best constant model's."""
        if self.degenerate:
            return False
        objective = self.loss_curve[-1] if objective is None else objective
        # (If the constant model is almost right, much smaller differences count.)
        margin = max(WORSE * min(self.unit, abs(self.null)), SLIGHTLY * self.unit)
        return objective > self.null + margin
