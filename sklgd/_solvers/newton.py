"""Newton's method and L-BFGS."""

import math
from copy import copy
from dataclasses import replace
from functools import partial

import numpy as np

from .._fit.minimum_norm import FULL
from ..kernels._vector import add_scaled, curvatures_along
from .batch import ROUNDING, SETTLED, UNSURE, BatchSolver
from .head_start import prepare, stochastic_passes
from .hessian import HessianSchedule
from .look_ahead import excess_ahead, series_of
from .metrics import HESSIAN_SWEEPS, Diagonal
from .truncated import CLEARLY, left_after, truncated_step

# Ratio of gain and predicted decrease of a step within which the model is right.
LEAST_GAIN, MOST_GAIN = 0.5, 1.5
# A Hessian is misleading if no more than this share of its step is taken. L-BFGS
# computes no further one after so many of them.
SHORT, MISLED = 0.1, 4
# On few rows, a Hessian of the last point ends a run only if the predicted decrease has
# fallen to this share: on nearly separable classes the Hessian falls from step to step.
RAPID = 0.1
# If a step leaves this share of the predicted decrease, the Hessian was right.
FALLEN = 0.003
# Ratio of successive predicted decreases above which they fall slowly, and the largest
# ratio used.
SLOW, SLOWEST = 0.3, 0.9
# A Hessian of a point before ends a run with an l1 penalty if the last step gained at
# most this multiple of the predicted decrease: F falls like an exponential otherwise.
# (Chosen on random sets of up to 10 classes.)
CLOSE = 1.1
# Where F falls like an exponential along a step of Newton's method, it gains this
# share more than predicted, and F - F* is twice the prediction. (Near separable classes
# most rows contribute such a fall.)
EXPONENTIAL = 2.0 * (1.0 - 1.0 / math.e) - 1.0
# For the Hessian of a point before, it is so many times the share more. (Measured on
# blobs that are nearly separable; it is 6.6 for a single exponential.)
STALE = 8.0
# A Hessian of more than so many steps before does not end a run.
RECENT = 4
# Where a bound of F - F* is at most so many targets, so many steps in a row are made
# without a product with the Hessian. These would most likely end the run, but four and
# more of them take longer than the steps (news20, imdb).
NEAR, PLAIN = 3.0, 2
# A predicted decrease of this share of what the barrier may cause, or of the target, is
# not confirmed by the last step: it may be ten times too small.
NEGLIGIBLE = 0.01
# A metric that costs so many times as much as conjugate gradients is not computed where
# these work. (100 classes in 50 columns: 101 Gram matrices took a third of a run.)
RIVAL = 1.5
# A gain of this multiple of the predicted decrease shows that B is out of date.
TRUST = 1.25


class NewtonSolver(BatchSolver):
    """Newton's method and L-BFGS: steps -B^-1 g, corrected by the last steps.

    B is an approximation of the Hessian, `hessian.py` says which. With an l1 penalty a
    step minimises g.p + p'B p/2 + |S (u + p)|_1 by coordinate descent (proximal
    Newton), and the last steps are not used. The predicted decrease of a step is that
    of F in the quadratic model.
    """

    def __init__(self, data, state, penalty, n_runs=1):
        super().__init__(data, state, penalty, n_runs)
        optimizer = state.plan.optimizer
        self.memory, self.pairs = optimizer.memory, []
        self.metric = Diagonal()
        self.hessians = HessianSchedule(
            data,
            self.problem,
            self.scaling,
            self.l2_u,
            optimizer.curvature,
            not penalty.smooth,
        )
        if not penalty.smooth:
            self.hessians.end_waiting()
        self.step, self.trusted, self.round = None, False, None
        self.close = False
        self.tries, self.ahead, self.refuted = data.loss.smooth, None, False
        self.proven = self.goal = 0.0
        self.last_predicted = math.inf
        self.sample = None
        # (A run that computes Hessians needs none at its end, unless they are those of
        # many columns and few rows, which it may not wait for.)
        computes = self.hessians.levels and not self.hessians.few_rows
        self.stale, self.longest, self.known = False, 0, None
        self.iterative = False
        self.left, self.model = math.inf, (math.inf, math.inf)
        self.age = 0
        self.near, self.asked, self.misled = 0, False, MISLED if computes else 0

    @classmethod
    def start(cls, data, state, penalty, shuffle, average):
        """The run of a state, or one for each output if the loss is a sum over them."""
        apart = data.n_outputs > 1 and not data.loss.coupled(data.n_outputs)
        if apart and not data.loss.quadratic:
            return SeparateOutputs.after(stochastic_passes, data, state, penalty)
        return cls.after(partial(prepare, cls), data, state, penalty)

    def direction(self):
        """The step to the minimiser of the model, and its predicted decrease."""
        if self.step is None:
            self.certified = self.stale = False
            self.known = None
            self.step = self.last_step()
        if self.step is None:
            if not self.data.loss.twice_smooth:
                # The Hessian of a barrier, or of a loss whose derivative jumps, changes
                # much in a step. So there is a Hessian for each step.
                self.hessians.end_waiting()
            self.renew()
            self.step = (
                self.newton_step() if self.penalty.smooth else self.proximal_step()
            )
        return self.step

    def renew(self):
        """Compute the metric if it is due."""
        # (After a step of few products with the Hessian that gained what it predicted,
        # as many of them end the run.)
        rival = RIVAL * self.longest if self.iterative and self.trusted else math.inf
        self.iterative = False
        metric = self.hessians.next_metric(self.loss, self.lines.block, rival)
        if metric is not None:
            if metric.n_matrices > self.metric.n_matrices > 0:
                self.longest = 0  # (Conjugate gradients end much earlier with it.)
            self.metric, self.age = metric, 0
            if not self.data.loss.twice_smooth or metric.exact:
                self.pairs.clear()
        self.sample = self.hessians.sample

    def last_step(self):
        """The step that ends the run, if the present Hessian gives such a step."""
        recent = self.metric.exact and self.age <= RECENT
        if not self.penalty.smooth or not (recent and self.trusted):
            return None
        q = self.apply(self.gradient)
        predicted = 0.5 * float(np.vdot(q, self.gradient))
        fallen = not self.hessians.few_rows or predicted <= RAPID * self.last_predicted
        if predicted > self.target() or not fallen:
            return None
        self.sure = self.stale = True
        return np.negative(q, out=q), predicted

    def newton_step(self):
        """The quasi-Newton step, or Newton's if the former would end the run.

        The predicted decrease of a B that is no Hessian is too small, by factors of 2
        to 60 on real data, and would end the run too early. Newton's step is exact if
        the Hessian is cheap because there are few columns; otherwise it is truncated,
        unless a bound of F - F* already proves the end: it takes one pass in place of
        one and a half for each of many products with the Hessian.
        """
        q = self.apply(self.gradient)
        predicted = 0.5 * float(np.vdot(q, self.gradient))
        if self.metric.exact and self.data.loss.quadratic:
            # (The Hessian is the same everywhere.)
            self.sure = True
            return np.negative(q, out=q), predicted
        ends = predicted <= self.target()
        if predicted <= self.left <= CLEARLY * self.target():
            self.sure, self.proven = False, self.left
            return np.negative(q, out=q), self.left
        if not ends and predicted > self.settling():
            return np.negative(q, out=q), predicted
        hessian = None
        if not ends:
            hessian = self.affordable_hessian()
            if hessian is None:
                return np.negative(q, out=q), predicted
        elif self.misled < MISLED:
            hessian = self.hessians.at_the_end(self.loss, self.lines.block)
        if hessian is None:
            bound = self.bound_at_the_end(NEAR * self.target()) if ends else math.inf
            near = bound <= NEAR * self.target() and self.near < PLAIN
            self.near = self.near + 1 if near else 0
            if near or bound <= self.target():
                self.certified = self.sure = True
                return np.negative(q, out=q), bound
            self.misled, self.sample, self.sure = MISLED, None, self.metric.exact
            step = truncated_step(self, q)
            self.iterative = True
            few_rows = self.hessians.few_rows
            if step[1] > self.target() or (self.hessians.levels and not few_rows):
                return step
            hessian = self.affordable_hessian()
            if hessian is None:
                waits = self.hessians.is_worth_waiting()
                return step[0], max(step[1], UNSURE * self.target() * waits)
        self.asked, self.sample, self.sure = True, hessian.sample, True
        q = self.centred(hessian.solve(self.gradient.copy()))
        return -q, 0.5 * float(np.vdot(q, self.gradient))

    def settling(self):
        """Predicted decrease below which the barrier is lowered."""
        return 0.0 if self.hessians.levels else SETTLED * self.barrier_gap()

    def outlook(self, predicted, target):
        """Estimate of F - F* from this and earlier predicted decreases.

        If predicted decreases hardly fall from step to step, Newton's method has not
        converged: on nearly separable classes the Hessian tends to zero. The predicted
        decreases are then a geometric series, and a single small one does not end the
        run.
        """
        now, low = self.smoothed_objective(), predicted <= target
        total, rate = predicted, 0.0
        if self.round is not None:
            last, then, before, was_low = self.round
            rate = min(predicted / last, SLOWEST)
            mean = max(rate, np.sqrt(rate * before))
            total = max(predicted, (then - now) * mean / (1.0 - mean))
            if low and not was_low and before > SLOW:
                total = max(total, 2.0 * target)
        self.round = predicted, now, rate, low
        return total

    def hessian_product(self, d):
        """H d, by one product with X and one with its transpose."""
        raw = np.empty_like(self.u)
        self.lines.hessian_product(self.loss, self.scaling.to_raw(d), raw)
        return self.scaling.gradient(raw, self.mean_weight, self.l2_u, d)

    def target(self):
        """As in `BatchSolver`, or ``goal`` if that is larger."""
        return max(super().target(), self.goal)

    def apply(self, g, metric=None):
        """H g by the two-loop recursion (Nocedal 1980), from the metric or this one."""
        q, weights = g.copy(), []
        for s, y, rho in reversed(self.pairs):
            a = rho * self.dot(s, q)
            add_scaled(q, -a, y)
            weights.append(a)
        q = (self.metric if metric is None else metric).solve(q)
        for s, y, rho in self.pairs:
            add_scaled(q, weights.pop() - rho * self.dot(y, q), s)
        return self.centred(q)

    def centred(self, q):
        """q, for softmax without its mean over the classes.

        Adding a number to the raw predictions of all classes changes the penalty only.
        """
        if self.hessians.coupled:
            q -= q.mean(axis=1, keepdims=True)
        return q

    def proximal_step(self):
        """The minimiser of the model with the l1 penalty, and its decrease."""
        p, predicted = self.minimise_model(self.metric)
        if predicted <= self.decisive():
            # The predicted decrease of a damped Hessian is too small, and would end the
            # run, or lower the barrier, too early. So is that of coordinate descent on
            # nearly collinear columns.
            if self.tries and self.hessians.confirms_blocks():
                # So is that of blocks, by factors of up to 300.
                self.hessians.grow()
                self.renew()
            old = self.age > 0 and self.metric.exact and not self.close
            if old and self.tries and predicted > self.proven:
                # So is that of a Hessian of another point.
                self.hessians.end_waiting()
                self.renew()
            sharp = self.hessians.undamped()
            p, predicted = self.minimise_model(sharp or self.metric, refine=True)
            self.sure = not self.hessians.incomplete
        return p, predicted

    def has_full_rank(self):
        """True if the Cholesky factor of the second moments has full rank."""
        return self.metric.exact and self.metric.least_pivot > FULL

    def epoch(self):
        """One step; returns its length (twice, as the last and the largest)."""
        p, predicted = self.direction()
        raw = self.ahead
        if raw is None:
            raw = self.look_along(p)
        self.step = self.ahead = None
        self.state.rows += self.problem.n_samples
        self.state.steps += 1
        t, value = self.search(p, raw)
        self.hessians.use()
        longest = max(t.tolist())
        if self.asked:
            self.misled += longest < SHORT
            self.asked = False
        exact = self.metric.exact
        metric = self.hessians.learn_from_step(longest, self.age)
        if metric is not None:
            self.metric = metric
            self.pairs.clear()
        if longest == 0.0:
            if not math.isfinite(value):
                self.value = value
            self.pairs.clear()
            self.hessians.end_waiting()
            # (No step is visible in F.)
            self.trusted = True
            self.lower_barrier()
            return 0.0, 0.0
        before, start = self.gradient, self.smoothed_objective()
        self.last_predicted = predicted
        self.age += 1
        self.move(t, p, raw)
        if self.lines.lost_digits():
            self.begin()
            self.forget_barrier()
            return longest, longest
        self.value = value
        # (With a Hessian of another point, the predicted decrease may be far too small
        # and would end the run.)
        gain = start - self.smoothed_objective()
        self.gains.append(gain)
        fits = LEAST_GAIN * predicted <= gain <= TRUST * predicted
        self.trusted = not self.refuted and fits
        self.close = self.trusted and gain <= CLOSE * predicted
        right = exact and self.trusted and gain >= predicted / TRUST
        right = right and not self.hessians.few_rows
        self.proven = FALLEN * predicted if right else 0.0
        self.left = left_after(self, gain)
        self.refuted = False
        self.refresh()
        p *= t
        np.subtract(self.gradient, before, out=before)
        self.remember(p, before)
        self.lower_barrier()
        return longest, longest

    def remember(self, s, y):
        """Store a step and the change of the gradient along it."""
        curvature, inverse = curvatures_along(s, y, self.hessians.coupled)
        if max(inverse.tolist()) > 0.0:
            self.pairs.append((s, y, inverse))
            self.metric.adapt(y, curvature, self.dot)
        del self.pairs[: max(0, len(self.pairs) - self.memory)]

    def lower_barrier(self):
        """As in `BatchSolver`, unless the run ends here.

        With an l1 penalty, nothing is known of a new barrier before its first step.
        """
        waits = not (self.penalty.smooth or self.data.loss.smooth or self.tol is None)
        near = waits and self.barrier_gap() <= self.target()
        if not (near and self.gap() <= self.tol):
            super().lower_barrier()

    def forget_barrier(self):
        """Reset what belongs to the stronger barrier."""
        self.pairs.clear()
        self.gains.clear()
        self.step = self.ahead = self.round = None
        self.trusted = False
        self.hessians.end_waiting()

    def excess(self):
        """Estimate of the smoothed F - F*: the predicted decrease.

        If it would end the run, it is compared with F at the end of the step. This is
        not necessary if it has fallen so much in the last step that the Hessian was
        right. A bound of F - F* takes its place where that is small enough.
        """
        p, predicted = self.direction()
        if self.certified:
            return predicted
        target = self.target()
        twice_smooth = self.data.loss.twice_smooth
        if not (self.penalty.smooth or self.trusted or twice_smooth):
            # Where steps gain less than predicted, the Hessian of a barrier or of a
            # loss whose derivative jumps changes much along them, and F - F* may be far
            # more than predicted.
            if predicted > NEGLIGIBLE * (self.barrier_gap() or target):
                return max(predicted, UNSURE * self.decisive())
        if self.tries and self.ahead is None and predicted <= target:
            proven = predicted <= min(self.proven, CLEARLY * target)
            if self.out_of_date(p, predicted, proven):
                predicted = self.foreseen(p, predicted)
            elif not proven:
                predicted = self.tried(p, predicted)
            self.step = p, predicted
        series = twice_smooth and not (self.penalty.smooth or self.data.loss.quadratic)
        if series and self.tries and predicted > self.proven:
            predicted = series_of(predicted, self.last_predicted)
        if not self.penalty.smooth and self.hessians.incomplete:
            # The predicted decrease of a bound is too small, and there is no Hessian.
            return max(predicted, self.extrapolated())
        return predicted

    def next_step(self):
        """As in `BatchSolver`."""
        return self.direction()[0]

    def confirmed(self, goal):
        """`remaining` if a predicted decrease of up to ``goal`` ends the run.

        A predicted decrease above the output's own target was computed for a step only,
        so it is computed again.
        """
        exact = self.metric.exact and not self.data.loss.smooth
        if self.ahead is None and not exact and self.excess() > self.target():
            self.step, self.goal = None, goal
            self.excess()
            self.goal = 0.0
        return self.remaining()

    def finish(self, gap):
        """As in `Solver`, with the estimate before the step unless F is smaller."""
        if self.known is None:
            return None
        self.move(np.ones(self.problem.n_outputs), self.next_step(), self.ahead)
        self.value, self.known = self.known, None
        return min(gap, self.relative(self.capped(math.inf), self.objective()))

    def look_along(self, p):
        """Set the direction of the lines to p; returns its raw coefficients."""
        raw = self.scaling.to_raw(p)
        self.lines.point(raw)
        return raw

    def out_of_date(self, p, predicted, proven):
        """True if a predicted decrease may be too small after jumps of the Hessian.

        They are looked for at the end of the step, or at u if the predicted decrease is
        ``proven``.
        """
        if self.data.loss.twice_smooth or not predicted > ROUNDING * abs(self.value):
            return False
        if self.sample is None:
            return True
        block = self.lines.block
        if not proven:
            self.ahead = self.look_along(p)
            block = partial(block, t=1.0)
        return self.hessians.has_changed(self.sample, self.loss, block)

    def foreseen(self, p, predicted):
        """Estimate of F - F* by further steps (see `look_ahead`)."""
        if self.ahead is None:
            self.ahead = self.look_along(p)
        return excess_ahead(self, p, predicted, self.hessian_at)

    def hessian_at(self, raw_predictions):
        """The Hessian at these raw predictions, or None if that costs too much.

        A run that computes Hessians takes as much time for each of its steps.
        """
        sweeps = math.inf if self.hessians.levels else HESSIAN_SWEEPS
        return self.hessians.at_the_end(self.loss, raw_predictions, sweeps)

    def tried(self, p, predicted):
        """The predicted decrease, corrected by the value of F at the end of the step.

        Let the second derivative of F along the step be k times that of the model. Then
        the step gains 2 - k times the predicted decrease. Near separable classes F
        falls like a sum of exponentials, k is less than one, and F - F* is larger than
        this gain (see `EXPONENTIAL`). If F differs much from a quadratic model, the run
        continues.
        """
        own = (
            predicted
            if not self.penalty.smooth
            else -0.5 * float(np.vdot(p, self.gradient))
        )
        if not own > ROUNDING * abs(self.value):
            return predicted
        if self.ahead is None:
            self.ahead = self.look_along(p)
        value, _ = self.line(self.loss, 1.0)
        self.hessians.use()
        moved = self.penalty.value(self.state.coef + self.ahead)
        share = (self.value - value + self.penalised - moved) / own
        sure = predicted
        if share > 1.0:
            stale = self.stale or (self.age > 0 and not self.penalty.smooth)
            sure *= 1.0 + (share - 1.0) * (STALE if stale else 1.0 / EXPONENTIAL)
        if LEAST_GAIN <= share <= MOST_GAIN:
            self.known = value
            return sure
        # The Hessian is of no use for the next step either.
        self.hessians.end_waiting()
        self.refuted = True
        return max(sure, UNSURE * self.target())


class SeparateOutputs(BatchSolver):
    """A run for each output, of a loss that is a sum over outputs.

    Each output has its own Hessian, damping and end. An epoch is an iteration of every
    output that has not ended. The outputs share one array of targets, which is filled
    for one after the other.
    """

    def __init__(self, data, state, penalty):
        self.data, self.state, self.problem = data, state, data.term()
        self.penalty, self.mean_weight = penalty, data.mean_weight
        self.runs, self.targets, self.current = [], np.empty(data.X.shape[0]), None
        for k in range(data.n_outputs):
            self.current = k
            one = data.output(k, self.targets)
            part = copy(state)
            part.plan = replace(state.plan, scaling=state.plan.scaling.output(k))
            part.coef = state.coef[:, [k]]
            run = NewtonSolver(one, part, penalty.of_output(k), data.n_outputs)
            self.runs.append(run)
        self.ended = [False] * len(self.runs)
        self.collect()

    def aim(self, null, tol):
        """Set F of the constant model, and the optimality gap of each output."""
        super().aim(null, tol)
        for run in self.each():
            raw = run.data.fit_intercept_only()
            run.aim(run.constant_objective(raw), tol)

    def constant_objective(self, raw_predictions):
        """F of a constant model."""
        values = zip(self.each(), raw_predictions, strict=True)
        return sum(run.constant_objective(value) for run, value in values)

    def turn_to(self, k):
        """The run of output k, whose targets are filled in."""
        if self.current != k:
            self.data.output(k, self.targets)
            self.current = k
        return self.runs[k]

    def each(self):
        """The runs one after the other, with their targets filled in."""
        return (self.turn_to(k) for k in range(len(self.runs)))

    def collect(self):
        """Collect the coefficients of the runs."""
        for k, run in enumerate(self.runs):
            self.state.coef[:, k] = run.state.coef[:, 0]

    def epoch(self):
        """One step of every output that has not ended."""
        longest = 0.0
        for k in range(len(self.runs)):
            if not self.ended[k]:
                run = self.turn_to(k)
                t, _ = run.epoch()
                longest = max(longest, t)
                self.ended[k] = self.tol is not None and run.gap() <= self.tol
        self.collect()
        self.state.rows += self.problem.n_samples
        self.state.steps += 1
        return longest, longest

    def finish(self, gap):
        """As in `Solver`; some outputs may have no such step."""
        if all([run.finish(gap) is None for run in self.each()]):
            return None
        self.collect()
        return min(gap, self.relative(self.capped(math.inf), self.objective()))

    def objective(self):
        """F at the coefficients."""
        runs = self.runs if self.barrier_weight is None else self.each()
        return sum(run.objective() for run in runs)

    def smoothed_objective(self):
        """The objective that the runs minimise at present."""
        return sum(run.smoothed_objective() for run in self.runs)

    def remaining(self):
        """As in `BatchSolver`; estimates that end the run are computed accurately."""
        left = sum(run.remaining() for run in self.each())
        if self.tol is None or all(self.ended):
            return left
        objective = self.objective()
        if self.relative(left, objective) > self.tol:
            return left
        return sum(run.confirmed(left) for run in self.each())

    def gain_ahead(self):
        """As in `BatchSolver`, like all methods that follow."""
        return sum(run.gain_ahead() for run in self.each())

    def bound(self):
        return sum(run.bound() for run in self.each())

    def is_sure(self):
        return all(run.sure for run in self.runs)

    def is_certified(self):
        return all(run.is_certified() for run in self.runs)

    @property
    def barrier_weight(self):
        """Weight of the barriers, None without."""
        return self.runs[0].barrier_weight
