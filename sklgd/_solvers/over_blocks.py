"""What the solvers on blocks of rows have in common.

Every evaluation is a pass over all blocks, which takes as long as reading them. So a
run starts at a fit of the evenly spaced rows in memory.
"""

import math
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from .._fit.cost import MAX_FACTOR
from .batch import BatchSolver
from .raw_predictions import SweptLines

# A Hessian may take so many times as long as the rest of its pass, if it is computed
# from at least so many rows for each coefficient of an output.
WORTH, ROWS_PER_COEFFICIENT = 2.0, 10
# Hessians of all outputs have at most so many entries (256 MB).
MAX_ENTRIES = 2**25
# Steps on the rows in memory, and the optimality gap at which they end. The optimum of
# these rows is farther from that of all rows. One of so many rows is held out, and the
# steps end when the loss of these has risen so often in a row.
START_STEPS, START_TOL, HELD_OUT, PATIENCE = 100, 1e-5, 4, 3


class BlockLines(SweptLines):
    """The last point that a run has evaluated, which takes a pass each.

    Attributes
    ----------
    curvature : MeanMoments or None
        The second derivatives that are computed at each point.
    last : Evaluation
        Of the last point.
    here : bool
        True if that is the point where the run is.
    """

    curvature: Any = None
    last: Any = None
    here = False

    def visit(self, loss, coef, others=None):
        """Evaluate a loss at ``coef``; see `BlockTerm.evaluate`."""
        self.here = False
        self.last = self.problem.evaluate(coef, loss, self.curvature, others)
        self.last_gradient = self.last.gradient
        return self.last

    def evaluate(self, loss, t):
        """As in `KeptLines`, like all methods that follow; t is zero."""
        value = self.visit(loss, self.coef).value
        self.here = True
        return value, np.zeros(len(t))

    def value(self, loss):
        if self.here and loss is self.problem.loss:
            return self.last.exact_value
        return self.problem.evaluate(self.coef, loss).value

    def extrapolate(self, loss, beta, raw):
        return self.visit(loss, raw).value

    def attempt(self, loss, raw):
        return self.visit(loss, raw).value

    def accept(self):
        self.here = True


class OverBlocks(BatchSolver):
    """What runs on blocks have in common."""

    steps_are_dear = True

    in_memory: type[BatchSolver]
    """The class that fits the rows in memory."""

    problem: Any
    """A `BlockTerm`."""

    def make_lines(self, n_runs):
        """As in `BatchSolver`, like all methods that follow."""
        return BlockLines(self.data, self.problem, self.state.coef)

    @classmethod
    def start(cls, data, state, penalty, shuffle, average):
        cls.start_from_sample(data, state, penalty)
        run = cls(data, state, penalty)
        null = data.fit_intercept_only()
        if not run.objective() <= run.constant_objective(null):
            state.coef[:-1], state.coef[-1] = 0.0, null
            run = cls(data, state, penalty)
        return run

    @classmethod
    def start_from_sample(cls, data, state, penalty):
        """Set ``state.coef`` by a fit of the rows in memory, unless it is set.

        Every fourth of them is held out: with few rows for each coefficient the
        optimum of the others may be worse than the points on the way to it.
        """
        few, n = data.sample, data.sample.n_rows
        if state.coef[:-1].any() or n < HELD_OUT * HELD_OUT:
            return
        numbers = np.arange(n, dtype=np.intp)
        others = numbers % HELD_OUT == 0
        held_out = replace(few, rows=numbers[others])
        few = replace(few, rows=numbers[~others])
        if not min(few.mean_weight, held_out.mean_weight) > 0.0:
            return
        part = copy(state)
        part.plan = replace(state.plan, scaling=copy(state.plan.scaling))
        part.coef = state.coef.copy()
        run = cls.in_memory.start(few, part, penalty, True, False)
        run.aim(run.constant_objective(few.fit_intercept_only()), START_TOL)
        judge, least, best, worse = held_out.term(), math.inf, None, 0
        for _ in range(START_STEPS):
            length, _ = run.epoch()
            loss = judge.value(np.ascontiguousarray(run.coef)) / held_out.mean_weight
            value = loss + penalty.value(run.coef)
            if value < least:
                least, best, worse = value, run.coef.copy(), 0
            elif few.loss.smooth:
                worse += 1
            if length == 0.0 or worse == PATIENCE or run.gap() <= START_TOL:
                break
        if best is not None and np.isfinite(best).all():
            state.coef[...] = best

    def gain_ahead(self):
        return 0.0

    def affordable_hessian(self):
        return None


def stride_of(problem, price, order):
    """Every so many rows second derivatives are computed from.

    Parameters
    ----------
    problem : BlockTerm
    price : float
        Predicted nanoseconds, beside a pass, for all rows.
    order : int
        Of the matrix.
    """
    most = problem.n_samples // (ROWS_PER_COEFFICIENT * order)
    wanted = int(price / (WORTH * problem.pass_cost()))
    return max(1, min(wanted, most))


def has_room(data):
    """True if there is room for a matrix of second derivatives of each output."""
    order = data.X.shape[1] + 1
    return order <= MAX_FACTOR and data.n_outputs * order**2 <= MAX_ENTRIES
