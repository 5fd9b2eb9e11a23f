"""Piecewise linear losses on blocks: fits of the rows near a jump of the derivative.

Only rows near a jump of the loss's derivative have an effect on its Hessian. So a pass
evaluates F at a point, keeps these rows, and merges the others (see `merged_rows`). Two
objectives are then minimised in memory:

- that of the kept and the merged rows is a lower bound of F. It shows how far F is from
  its minimum, and is close once the steps are so short that few rows change sides.
- In the other one the merged rows have a quadratic model: their gradient, and the
  Hessian of the smoothed loss times a factor. Its minimiser is the next point. The
  factor decreases if steps gain what the model predicts, as in a trust region.

If too many rows are at a jump, as they are where the constant model is the optimum of
an output, no step helps or the bound stays far away. A run of another class goes on
then.
"""

import math
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from .._fit.data import Data
from .._fit.merged_rows import MergeRows, has_jump, one_output, sizes_of_rows
from ..kernels._hessian import hessian_block
from .batch import ROUNDING
from .near_rows import NearRows, Quadratic
from .over_blocks import OverBlocks, has_room, stride_of

# Distances from a jump are known from so many rows in memory, to this share of the
# largest raw prediction.
ROWS, HALVINGS = 20000, 40
# Minima in memory are found to this share of the accuracy that ends the run, in at most
# so many steps.
SHARE, STEPS = 0.1, 200
# The factor of the Hessian at first, and its least value. It is multiplied or divided
# by CHANGE where steps gain less or more than these shares of what is predicted.
FACTOR, LEAST_FACTOR, CHANGE, LITTLE, ENOUGH = 1.0, 2.0**-6, 4.0, 0.25, 0.7
# In the same pass F is computed for so many steps with larger factors, and for as many
# shorter ones, each a quarter as long as the one before. An output rests after so many
# steps in a row, none of which lowers F.
LARGER, FAILURES = 3, 3
# It also rests when the factor has become larger than this.
MOST_FACTOR = 1e4
# Least distance, as a share of the largest raw prediction.
LEAST = 1e-6
# A predicted decrease of so many targets needs no bound.
CLEAR = 3.0


class OneOutput:
    """Where a run is in one output, whose loss is independent of the others'.

    Attributes
    ----------
    coef : ndarray of shape (n_features + 1, 1)
    value : float
        F there, of this output.
    rows : merged_rows.OneOutput
    model : Quadratic or None
    factor : float
        By which the Hessian of the model is multiplied.
    step, predicted
        The next point, and the decrease that the model predicts.
    lower : float
        Lower bound of the least F.
    bounded, cautious, resting : bool
        True if the rows here have been used for `lower`, if the last step was too long,
        and if no step lowers F.
    failures : int
        Steps in a row that did not lower F.
    """

    def __init__(self):
        self.factor, self.lower, self.failures = FACTOR, -math.inf, 0
        self.cautious, self.resting = True, False

    def go_to(self, coef, value, rows):
        """Go to a point that a pass has evaluated."""
        self.coef, self.value, self.rows = coef, value, rows
        self.step = self.model = None
        self.predicted, self.bounded = math.inf, False

    def learn(self, gain):
        """Adapt the factor to what the last step has gained."""
        self.cautious = not gain >= ENOUGH * self.predicted
        if not self.cautious:
            self.factor = max(self.factor / CHANGE, LEAST_FACTOR)
        elif gain < LITTLE * self.predicted:
            self.factor *= CHANGE
        self.failures = 0

    def fail(self, trials, values, slack):
        """Choose the best trial, or a much larger factor, after a step has failed."""
        best = int(np.nanargmin(values)) if np.isfinite(values).any() else 0
        self.cautious = True
        if values[best] < self.value - slack:
            (self.factor, self.step), self.predicted = trials[best], math.inf
            return
        self.step = None
        self.factor *= CHANGE ** (LARGER + 1)
        self.failures += 1
        self.resting = self.failures == FAILURES or self.factor > MOST_FACTOR


class BlockMerged(OverBlocks):
    """Rows near a jump are kept, the others are merged."""

    other: Any = None
    """The run that goes on, of the class ``otherwise``."""

    otherwise: Any
    """The class of runs for other losses, and where this method is of no use."""

    data: Any
    """A `BlockData`."""

    def __init__(self, data, state, penalty):
        limit = data.description.sample.limit * data.X.dtype.itemsize / 8.0
        self.share = min(1.0, limit / data.n_bytes / data.n_outputs)
        self.outputs = [OneOutput() for _ in range(data.n_outputs)]
        super().__init__(data, state, penalty)

    def set_barrier(self, barrier_weight):
        """The loss stays as it is."""

    @classmethod
    def start(cls, data, state, penalty, shuffle, average):
        """As in `Solver`.

        If the sample's optimum is no better than the best constant model, the other run
        starts there.
        """
        # (Of several outputs, one or the other often has the constant model as its
        # optimum, where too many rows are at a jump.)
        crowded = data.n_outputs > 1
        newton = state.plan.optimizer.curvature and has_room(data)
        if data.loss.smooth or crowded or not newton:
            return cls.otherwise.start(data, state, penalty, shuffle, average)
        cls.start_from_sample(data, state, penalty)
        run, null = cls(data, state, penalty), data.fit_intercept_only()
        if run.objective() < run.constant_objective(null):
            return run
        state.coef[:-1], state.coef[-1] = 0.0, null
        return cls.otherwise(data, state, penalty)

    def begin(self):
        problem, K = self.problem, self.data.n_outputs
        price = K * problem.gram_cost()
        self.stride = stride_of(problem, price, problem.n_features + 1)
        values, rows = self.visit(self.state.coef)
        for k, output in enumerate(self.outputs):
            coef = self.state.coef[:, [k]].copy()
            output.go_to(coef, values[0, k] + self.penalty.value(coef), rows[k])
        self.collect()

    def collect(self):
        """Collect what the outputs have reached."""
        coef = np.concatenate([output.coef for output in self.outputs], axis=1)
        self.go_to(np.ascontiguousarray(coef))
        self.u[...] = self.scaling.to_scaled(self.state.coef)
        self.value = sum(output.value for output in self.outputs) - self.penalised

    def visit(self, coef, others=None):
        """Losses of each output at a point and at others, and the rows merged there."""
        data, problem = self.data, self.problem
        missing = problem.constant_loss is None
        task = MergeRows(
            data.encode, data.loss, data.n_outputs, data.fit_intercept, data.n_threads,
            np.ascontiguousarray(coef), self.distances(coef), self.share,
            self.scaling.centre, self.scaling.scale, self.stride,
            problem.constant if missing else None, others,
        )  # fmt: skip
        found = problem.sum_of(task)
        values = found.values / problem.n_samples
        if missing:
            problem.constant_loss = float(values[1].sum())
        self.state.rows += problem.n_samples
        return np.delete(values, 1, axis=0), found.outputs

    def distances(self, coef):
        """Distance from a jump within which rows are kept, for each output.

        It is that of a row whose scaled columns have a mean square of one, and as much
        larger for others as this.
        """
        few, K, scaling = self.data.sample, self.data.n_outputs, self.scaling
        some = few.spaced(max(1, few.n_rows // ROWS))
        X, target = few.X[some], few.target[some]
        z = X @ coef[:-1] + coef[-1]
        spread = float(np.abs(z).max() + np.abs(target).max()) + 1e-300
        out = np.empty(K)
        for k in range(K):
            loss, of_k = one_output(self.data.loss, target, k, K)
            sizes = sizes_of_rows(X, scaling.centre, scaling.scale[:, k])
            least, most = 0.0, 2.0 * spread
            for _ in range(HALVINGS):
                middle = 0.5 * (least + most)
                near = has_jump(loss, of_k, z[:, k], middle * sizes)
                if near.mean() > self.share:
                    most = middle
                else:
                    least = middle
            out[k] = max(most, LEAST * spread)
        return out

    # ------------------------------------------------------------ models in memory

    def minimise(self, k, rows, quadratic=None):
        """Minimiser, lower bound of the minimum and decrease, for one output."""
        data, state, output = self.data, self.state, self.outputs[k]
        X, target, weights = rows
        loss = data.loss
        if data.n_outputs > 1:
            loss = loss.of_outputs(k, k + 1)
        few = Data(
            X, target, weights, None, loss, 1, data.fit_intercept, data.n_jobs,
            penalised=data.penalised, row_weight=data.n_rows / len(target),
        )  # fmt: skip
        part = copy(state)
        part.plan = replace(state.plan, scaling=self.scaling.output(k))
        part.coef = output.coef.copy()
        size = self.constant_objective(data.fit_intercept_only()) / data.n_outputs
        run = NearRows(few, part, self.penalty, size, quadratic)
        start = run.objective()
        gained = max(self.null - self.objective(), ROUNDING * abs(self.objective()))
        run.aim(start + gained / data.n_outputs, SHARE * (self.tol or 0.0))
        for _ in range(STEPS):
            length, _ = run.epoch()
            if run.gap() <= run.tol or (length == 0.0 and not run.barrier_gap()):
                break
        least = run.objective() - run.remaining()
        return run.coef, least, start - run.objective()

    def quadratic(self, k):
        """The model of the merged rows of an output; the Hessian without the factor."""
        rows, n = self.outputs[k].rows, self.data.n_rows
        scaling = self.scaling.output(k)
        weight, raw = rows.far_gradient()
        A, v, total, used = rows.moments
        none = np.zeros((len(raw), 1))
        gradient = scaling.gradient(raw[:, None] / n, 1.0, none, none)
        weight += sum(part[2].sum() for part in rows.kept)
        hessian = hessian_block(
            A, v, float(total[0]), weight / n / float(used[0]), scaling.scale, none, 0,
            self.data.fit_intercept,
        )  # fmt: skip
        if not self.data.fit_intercept:
            gradient[-1] = 0.0
        return Quadratic(scaling.to_scaled(self.outputs[k].coef), gradient, hessian)

    def step_with(self, k, factor):
        """The minimiser of an output's model, and its predicted decrease."""
        output = self.outputs[k]
        if output.model is None:
            output.model = self.quadratic(k)
        model = output.model._replace(hessian=factor * output.model.hessian)
        coef, _, decrease = self.minimise(k, output.rows.near(), model)
        return coef, decrease

    def look(self, k):
        """Find the next point of an output, unless it is known."""
        output = self.outputs[k]
        if output.step is None:
            output.step, output.predicted = self.step_with(k, output.factor)

    def trials(self, k):
        """Factors and steps to be tried in the same pass as the next step."""
        output, found = self.outputs[k], list[tuple[float, np.ndarray]]()
        if not output.cautious or output.predicted == math.inf:
            return found
        for i in range(1, LARGER + 1):
            factor = output.factor * CHANGE**i
            found.append((factor, self.step_with(k, factor)[0]))
        for i in range(1, LARGER + 1):
            shorter = output.coef + 0.25**i * (output.step - output.coef)
            found.append((output.factor * CHANGE, shorter))
        return found

    # ------------------------------------------------------------------- the steps

    def epoch(self):
        """One step; returns its length (twice, as the last and the largest)."""
        lowered = False
        while self.other is None and not lowered:
            moving = [k for k in range(len(self.outputs)) if self.moves(k)]
            if not moving or any(output.resting for output in self.outputs):
                self.hand_over()
                break
            self.state.steps += 1
            lowered = self.go(moving)
            self.collect()
        if self.other is None:
            return 1.0, 1.0
        steps = self.other.epoch()
        self.barrier_weight = self.other.barrier_weight
        return steps

    def hand_over(self):
        """Let a run of another class go on."""
        self.other = self.otherwise(self.data, self.state, self.penalty)
        self.other.aim(self.null, self.tol)

    def objective(self):
        """As in `BatchSolver`, like all methods that follow."""
        return super().objective() if self.other is None else self.other.objective()

    def gap(self):
        return super().gap() if self.other is None else self.other.gap()

    def likely_gap(self, gap):
        if self.other is None:
            return super().likely_gap(gap)
        return self.other.likely_gap(gap)

    def has_full_rank(self):
        return self.other is not None and self.other.has_full_rank()

    def moves(self, k):
        """True if the accuracy of an output is not enough yet, and can be improved."""
        output = self.outputs[k]
        share = self.target() / len(self.outputs)
        return not output.resting and output.value - output.lower > share

    def go(self, moving):
        """A pass to the next points of some outputs; True if it has lowered F."""
        coef, tried = self.state.coef.copy(), {}
        for k in moving:
            self.look(k)
            coef[:, [k]], tried[k] = self.outputs[k].step, self.trials(k)
        others = None
        if any(tried.values()):
            others = np.repeat(coef[None], 2 * LARGER, axis=0)
            for k, found in tried.items():
                for i, (_, at) in enumerate(found):
                    others[i][:, [k]] = at
        values, rows = self.visit(coef, others)
        lowered = False
        for k in moving:
            output = self.outputs[k]
            slack = ROUNDING * abs(output.value)
            value = values[0, k] + self.penalty.value(output.step)
            gain = output.value - value
            if gain > slack:
                output.learn(gain)
                output.go_to(output.step, value, rows[k])
                lowered = True
                continue
            found = [
                loss + self.penalty.value(at)
                for loss, (_, at) in zip(values[1:, k], tried[k], strict=False)
            ]
            output.fail(tried[k], np.array([*found, math.inf]), slack)
        return lowered

    def excess(self):
        """Bound of F - F*, or an estimate if that is clearly too large to end."""
        return sum(self.excess_of(k) for k in range(len(self.outputs)))

    def excess_of(self, k):
        """The part of an output."""
        output, share = self.outputs[k], self.target() / len(self.outputs)
        bound = max(output.value - output.lower, 0.0)
        if bound <= share:
            return bound
        if not output.resting:
            self.look(k)
            if math.inf > output.predicted > CLEAR * share:
                return output.predicted
        if not output.bounded:
            _, lower, _ = self.minimise(k, output.rows.data())
            output.lower, output.bounded = max(output.lower, lower), True
        return max(output.value - output.lower, 0.0)
