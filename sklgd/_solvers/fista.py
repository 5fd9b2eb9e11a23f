"""Accelerated proximal gradient descent: the solver of "fista"."""

import math

import numpy as np

from ..kernels._vector import all_finite
from .batch import BELIEF, ROUNDING, SETTLED, UNSURE, BatchSolver
from .hessian import HessianSchedule
from .look_ahead import excess_ahead

# Growth of a step from one to the next.
GROWTH = 1.1
# A Hessian is computed again after so many times as many steps.
PATIENCE = 1.5
# The barrier is lowered where the gains of the last FEW steps are below this share of
# the accuracy that it needs. (A share of 1e-3 takes slow steps for the end: a median of
# three outputs with an l1 penalty then took 2600 and 14000 steps in place of 1700.)
FEW, STILL = 3, 1e-4
# The gap of a run that has not converged is estimated with further steps if X has at
# most so many entries. Beside a larger X they would take more memory than a fit is to
# take, and the decrease of the model has to do, or for losses whose Hessian jumps the
# extrapolation.
ENTRIES = 2_000_000


class FISTASolver(BatchSolver):
    """Accelerated proximal gradient steps with restarts (FISTA) in u."""

    def __init__(self, data, state, penalty):
        super().__init__(data, state, penalty)
        self.theta, self.momentum, self.at_rest = 1.0, 1.0, False
        self.last_u = self.u.copy()
        self.lines.remember()
        self.hessians = HessianSchedule(
            data, self.problem, self.scaling, self.l2_u, False, not penalty.smooth
        )
        self.prox = penalty.prox_in(self.scaling.scale)
        self.left, self.left_at, self.due = 0.0, None, 0.0
        self.left_is_bound = False
        self.step, self.sure = None, False

    def epoch(self):
        """One step from y = u + beta (u - u_last); returns its factor theta twice.

        theta is halved until the quadratic bound holds at the new point (Beck and
        Teboulle 2009, section 4), and grows again slowly. The run ends when no step
        without momentum lowers F by more than its rounding.
        """
        if self.at_rest:
            return 0.0, 0.0
        self.step = None
        before = self.smoothed_objective()
        momentum = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * self.momentum**2))
        beta = (self.momentum - 1.0) / momentum
        y = self.u + beta * (self.u - self.last_u)
        raw = self.scaling.to_raw(y)
        value = self.lines.extrapolate(self.loss, beta, raw) / self.mean_weight
        gradient = self.gradient_at(y)
        value += 0.5 * float(np.vdot(self.l2_u * y, y))
        after, theta = np.inf, self.theta * GROWTH
        for _ in range(self.max_trials):
            new = self.prox(y - theta * gradient, theta)
            step = new - y
            bound = value + float(np.vdot(gradient, step))
            bound += 0.5 * float(np.vdot(step, step)) / theta
            raw = self.scaling.to_raw(new)
            loss = self.lines.attempt(self.loss, raw) / self.mean_weight
            self.state.rows += self.problem.n_samples
            smooth = loss + 0.5 * float(np.vdot(self.l2_u * new, new))
            if smooth <= bound + ROUNDING * abs(bound):
                self.theta, after = theta, loss + self.penalty.value(raw)
                break
            theta *= 0.5
        else:
            if step.any():
                # The Hessian may be so large that only smaller steps lower F.
                self.theta = theta
        self.state.steps += 1
        if after > before + ROUNDING * abs(before):
            # F has risen because of the momentum: the next step has none.
            self.last_u[...] = self.u
            self.lines.remember()
            self.momentum, stuck = 1.0, beta == 0.0
            if not stuck:
                return self.theta, self.theta
            if not all_finite(gradient):
                self.value = np.nan
            elif np.isfinite(after) or not step.any():
                self.theta, self.at_rest = 1.0, True
                self.lower_barrier()
            return 0.0, 0.0
        # A step in a direction against the momentum resets it (O'Donoghue and Candes
        # 2015).
        turned = np.vdot(y - new, new - self.u) > 0.0
        self.momentum = 1.0 if turned else momentum
        self.last_u, self.u = self.u, new
        self.lines.accept()
        self.go_to(raw)
        self.value = loss
        self.gains.append(before - after)
        self.lower_barrier()
        return self.theta, self.theta

    def excess(self):
        """Estimate of the smoothed F - F*.

        An extrapolation that would end the run, or lower the barrier, is replaced by
        the decrease of the quadratic model. If that is larger, it is reduced by the
        gains since then, and computed again after half as many more steps.
        """
        left = 0.0 if self.at_rest else self.extrapolated()
        enough = max(self.target(), SETTLED * self.barrier_gap())
        self.certified = False
        if left > enough:
            return left
        now = self.smoothed_objective()
        if self.left_at is not None:
            before = self.left - (self.left_at - now)
            waits = self.state.steps < self.due and before > enough
            if now == self.left_at or waits:
                self.certified = self.left_is_bound
                return before
        self.left, self.left_at = self.decrease(left), now
        self.left_is_bound = self.certified
        self.due = PATIENCE * self.state.steps
        return self.left

    def likely_gap(self, gap):
        """As in `BatchSolver`, without an extrapolation where a Hessian is affordable.

        After a restart the steps gain far more or less than they will, so that an
        extrapolation may be wrong by factors of 100. Of a run that has not converged,
        it is the last estimate.
        """
        now, rows = self.smoothed_objective(), self.state.rows
        known = self.left_at == now or self.certified
        large = self.problem.n_samples * self.data.entries_per_row > ENTRIES
        if large and not known:
            hessian = self.data.loss.twice_smooth and self.has_affordable_hessian()
            known = not hessian
        if not known and math.isfinite(gap) and math.isfinite(now):
            # (The estimate is for u. Early stopping may have chosen coefficients.)
            chosen = self.snapshot()
            self.state.coef[...] = self.scaling.to_raw(self.u)
            self.thorough = True
            otherwise = 0.0 if self.at_rest else self.extrapolated()
            left = self.decrease(otherwise, ahead=not large)
            self.thorough = False
            self.restore(chosen)
            self.state.rows = rows
            gap = self.relative(
                self.capped(left + self.barrier_gap()), self.objective()
            )
        return super().likely_gap(gap)

    def settled(self, enough):
        """As in `BatchSolver`; also True if no step lowers F.

        Or if the last steps have gained next to nothing, as they do where the constant
        model is the optimum; an extrapolation needs more steps.
        """
        still = len(self.gains) >= FEW and max(self.gains[-FEW:]) <= STILL * enough
        return self.at_rest or still or super().settled(enough)

    def decrease(self, otherwise, ahead=True):
        """Decrease of F to the minimiser of its quadratic model at u.

        Further steps correct it (see `look_ahead`), unless ``ahead`` is False. If the
        Hessian is too expensive, the result is a duality gap if that proves the end,
        else ``otherwise``, or a share of the duality gap if that is more.
        """
        self.step, self.sure = None, False
        if not self.penalty.closed_form:
            return otherwise
        hessian = self.affordable_hessian()
        if hessian is None:
            bound = self.bound_here() if self.has_bound else np.inf
            if bound == np.inf:
                waits = self.hessians.is_worth_waiting()
                return max(otherwise, UNSURE * self.target() * waits)
            self.certified = bound <= self.target()
            return bound if self.certified else max(bound / BELIEF, otherwise)
        value, _ = self.line(self.loss, 0.0)
        self.gradient = self.gradient_at(self.u)
        self.state.rows += 2 * self.problem.n_samples
        if not self.penalty.smooth:
            step, predicted = self.minimise_model(hessian, refine=True)
        else:
            step = -hessian.solve(self.gradient.copy())
            predicted = -0.5 * float(np.vdot(step, self.gradient))
        self.step, self.sure = step, True
        if not predicted > ROUNDING * abs(value):
            return max(predicted, 0.0)
        if not (self.data.loss.smooth and ahead):
            return predicted
        return excess_ahead(self, step, predicted, self.hessian_at)

    def next_step(self):
        """As in `BatchSolver`."""
        return self.step

    def hessian_at(self, raw_predictions):
        """The Hessian at these raw predictions, or None if that costs too much."""
        return self.hessians.at_the_end(self.loss, raw_predictions)

    def forget_barrier(self):
        """Reset the estimate and the momentum."""
        self.gains.clear()
        self.left_at = None
        self.momentum, self.at_rest = 1.0, False
        self.last_u[...] = self.u
        self.lines.remember()
