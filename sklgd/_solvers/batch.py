"""Base of the solvers over all rows: the point, the line search and the end of a run.

An iteration counts as an epoch. It takes one product with X and one with its transpose;
`raw_predictions` explains how the line search avoids further products.

A non-smooth loss is smoothed by a logarithmic barrier of weight e on its dual variables
(`PiecewiseLinear.smoothed`), and e decreases as the run converges. This is an
interior-point method, as Portnoy and Koenker (1997) use it for quantile regression.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._fit.data_term import DataTerm
from .._fit.feature_scaling import FeatureScaling
from .._fit.minimum_norm import subtract_means
from .._fit.monitor import relative_gap
from ..kernels._vector import add_scaled, all_finite, derivatives_along, dots
from ..schedules import Constant
from .base import Solver
from .duality import bound_here, looks_small
from .head_start import stochastic_passes
from .line_search import INVISIBLE, NEGLIGIBLE, Root
from .metrics import HESSIAN_SWEEPS
from .raw_predictions import make_lines

# The barrier of a non-smooth loss is multiplied by SHRINK as soon as the predicted
# decrease is this share of the error that the barrier may cause.
SHRINK, SETTLED = 0.2, 0.1
# Its first weight may cause an error of this share of F of the constant model.
BARRIER_WEIGHT = 0.1
# An estimate of F - F* is not more than this factor below a bound of it.
BELIEF = 2.0
# Without a Hessian, it is at least the value that ends the run (divided by this for
# smooth losses) if no bound is smaller.
UNPROVEN = 3.0
# Lengths of the next step that are tried at the end of a run.
LENGTHS = 1.0, 0.5, 0.2
# Hessians that confirm estimates cost this share of all other passes, at most.
MODERATE = 0.5
MAX_TRIALS = 40
# A predicted decrease of so many targets will not end the run.
ENOUGH = 2.0
# One that F contradicts, or that nothing confirms yet, is at least so many targets.
UNSURE = 2.0
# Relative rounding error of an objective.
ROUNDING = 1e-13


class BatchSolver(Solver):
    """Base of the solvers that use all rows in every step.

    A subclass adds ``epoch``, ``excess`` (its estimate of F - F*) and
    ``forget_barrier`` (what it resets when the barrier is lowered).

    Parameters
    ----------
    data : Data
        With normalised weights.
    state : State
        Updated in place.
    penalty : Penalty
        Of the raw coefficients.
    n_runs : int, default=1
        Number of such runs that exist together.
    """

    sure = True
    """The result of `is_sure`."""

    certified = False
    """True if the last estimate of F - F* of the smoothed objective is a bound."""

    max_trials = MAX_TRIALS
    """Largest number of points of a line search."""

    steps_are_dear = False
    """True if a step takes much more time than a model with an l1 penalty."""

    thorough = False
    """True if the estimate of F - F* is for a report, however large it is."""

    hessians: Any
    """The `HessianSchedule` of the run."""

    problem: DataTerm
    """The only way to the rows."""

    loss: Any
    """The loss that is minimised now, smoothed if it is non-smooth."""

    excess: Callable[[], float]
    """Estimate of F - F* of the smoothed objective, where the run minimises it."""

    forget_barrier: Callable[[], None]
    """Reset what belongs to a stronger barrier."""

    def __init__(self, data, state, penalty, n_runs=1):
        self.data, self.problem, self.state = data, data.term(), state
        self.penalty, self.mean_weight = penalty, data.mean_weight
        self.scaling = state.plan.scaling
        self.l1_u, self.l2_u = penalty.strengths(self.scaling.scale)
        if penalty.smooth:
            self.l1_u = np.zeros_like(self.l2_u)
        self.signs = penalty.signs_of(state.coef)
        self.coupled = data.loss.coupled(self.problem.n_outputs)
        if self.coupled and penalty.smooth:
            # (No step changes the mean over the classes, which is zero at the minimum.)
            subtract_means(state.coef)
        # (So that there are no two arrays of scaled coefficients.)
        self.u = state.position = self.scaling.to_scaled(state.coef)
        self.lines = self.make_lines(n_runs)
        self.null, self.tol, self.gains = np.inf, None, []
        self.loss, self.barrier_weight, self.started = data.loss, None, False
        if not data.loss.smooth:
            null = self.constant_objective(data.fit_intercept_only())
            self.set_barrier(
                BARRIER_WEIGHT * null / (data.loss.n_jumps * data.n_outputs)
            )
        self.paid, self.rows_before = 0.0, state.rows
        self.begin()
        self.started = True

    def make_lines(self, n_runs):
        """The lines of the run, one of ``n_runs`` on the same rows."""
        return make_lines(self.data, self.problem, self.state.coef, n_runs)

    @classmethod
    def start(cls, data, state, penalty, shuffle, average):
        """The run of a state; ``shuffle`` and ``average`` are for other methods."""
        return cls.after(stochastic_passes, data, state, penalty)

    @classmethod
    def after(cls, prepare, data, state, penalty):
        """A run that starts at the coefficients of ``prepare``, or the constant model.

        ``prepare(data, state, penalty)`` returns True if it has changed them. The run
        starts at the constant model if that is better.
        """
        cold = state.coef.copy()
        changed = prepare(data, state, penalty)
        run = cls(data, state, penalty)
        if changed and not run.objective() <= run.constant_objective(cold[-1]):
            state.coef[...] = cold
            run = cls(data, state, penalty)
        return run

    @staticmethod
    def tune(plan, settings, data, statistics, penalty):
        """Give a plan its feature scaling; step lengths come from a line search."""
        plan.scaling = FeatureScaling.of(data, statistics, penalty.l2)
        plan.schedule = Constant(1.0)

    def aim(self, null, tol):
        """Set F of the constant model, and the optimality gap to reach."""
        self.null, self.tol = null, tol

    def set_barrier(self, barrier_weight):
        """Minimise the loss with a barrier of this weight from now on."""
        self.barrier_weight = barrier_weight
        exact: Any = self.data.loss
        self.loss = exact.smoothed(barrier_weight)

    def begin(self):
        """Evaluate F and its gradient at u, from scratch."""
        self.go_to(self.scaling.to_raw(self.u))
        self.lines.begin()
        self.evaluate()

    def go_to(self, coef):
        """Set the coefficients to those of another point."""
        self.state.coef[...] = coef
        self.penalised = self.penalty.value(coef)

    def evaluate(self):
        """Evaluate the loss and its gradient at u."""
        self.value, _ = self.line(self.loss, 0.0)
        self.refresh()

    def line(self, loss, t):
        """Mean loss at a length t on the line, and its derivatives in t.

        t has an entry for each output if the loss is a sum over outputs, else one; so
        have the derivatives. Afterwards `gradient_at` gives the gradient at t.
        """
        if not isinstance(t, np.ndarray) or len(t) != self.problem.n_outputs:
            t = np.full(self.problem.n_outputs, t)
        value, derivative = self.lines.evaluate(loss, t)
        if self.coupled:
            derivative = derivative.sum(keepdims=True)
        if self.mean_weight != 1.0:
            derivative /= self.mean_weight
        return value / self.mean_weight, derivative

    def dot(self, a, b):
        """Inner products for each output, or over all if the loss couples them."""
        return dots(a, b, self.coupled)

    def refresh(self):
        """Compute the gradient at u, where the loss was last evaluated.

        If it is not finite, the objective becomes NaN.
        """
        self.gradient = self.gradient_at(self.u)
        if not all_finite(self.gradient):
            self.value = math.nan

    def gradient_at(self, u):
        """The gradient of F without the l1 penalty at u, the last point evaluated."""
        raw = np.empty_like(u)
        self.lines.gradient(raw)
        return self.scaling.gradient(raw, self.mean_weight, self.l2_u, u)

    def gradient_of(self, raw):
        """The gradient of F without the l1 penalty at u, from that of the mean loss."""
        return self.scaling.gradient(raw, self.mean_weight, self.l2_u, self.u)

    def raw_predictions(self):
        """A copy of the raw predictions of all rows."""
        return np.array(self.lines.block(0, self.problem.n_samples))

    # --------------------------------------------------------- methods of `Solver`

    def objective(self):
        """F at the coefficients, with the loss itself."""
        value = self.value
        if self.barrier_weight is not None:
            value = self.lines.value(self.data.loss) / self.mean_weight
        return value + self.penalised

    def constant_objective(self, raw_predictions):
        """F of a constant model."""
        coef = self.state.coef
        is_constant = not np.count_nonzero(coef[:-1])
        if self.started and is_constant and (coef[-1] == raw_predictions).all():
            return self.objective()
        constant = np.atleast_1d(np.asarray(raw_predictions, dtype=float))
        return self.problem.constant_value(constant) / self.mean_weight

    def snapshot(self):
        """A copy of the coefficients."""
        return self.state.coef.copy()

    def restore(self, snapshot):
        """Set the coefficients of a snapshot at the end of the run."""
        self.state.coef[...] = snapshot

    def can_recover(self):
        """False, because the line search has tried smaller steps."""
        return False

    def keep(self):
        """Keep the coefficients only."""
        self.state.plan.scaling = None
        self.state.position = self.state.coef

    def gap(self):
        """Estimate of (F - F*) / (F_null - F*); for a non-smooth loss a bound of it."""
        return self.relative(self.remaining(), self.objective())

    def likely_gap(self, gap):
        """An estimate also for non-smooth losses; ``gap`` is the last result of `gap`.

        An estimate that neither a Hessian nor a duality gap confirms counts as at least
        a share of the value that has ended the run.
        """
        if not math.isfinite(gap):
            return gap
        objective, least = self.objective(), 0.0
        if self.tol is not None and not self.is_sure():
            least = self.tol / UNPROVEN if self.data.loss.smooth else self.tol
        if not self.data.loss.smooth:
            gap = min(gap, self.relative(self.likely(), objective))
        if gap >= least:
            return gap
        return max(gap, min(self.relative(self.bound(), objective) / BELIEF, least))

    def relative(self, excess, objective):
        """The gap that belongs to an estimate of F - F*."""
        return relative_gap(excess, self.null, objective)

    def remaining(self):
        """Estimate of F - F*; for a non-smooth loss a bound of it."""
        return self.capped(self.excess() + self.barrier_gap())

    def likely(self):
        """Estimate of F - F* for a non-smooth loss.

        F - F* lies between the gain of the next step and the bound. The result is their
        geometric mean, but no less than the bound divided by `BELIEF`.
        """
        bound, gain = self.remaining(), self.gain_ahead()
        return math.sqrt(bound * min(max(gain, bound / BELIEF**2), bound))

    def next_step(self):
        """The step that would follow, in u; None if it is not known."""

    def gain_ahead(self):
        """Decrease of F by the next step, at the best of some lengths; 0 if unknown."""
        step = self.next_step()
        if step is None:
            return 0.0
        raw = self.scaling.to_raw(step)
        self.lines.point(raw)
        self.state.rows += self.problem.n_samples
        objective, values = self.objective(), []
        for t in LENGTHS:
            lengths = np.full(self.problem.n_outputs, t)
            value, _ = self.lines.evaluate(self.data.loss, lengths)
            moved = self.penalty.value(self.state.coef + t * raw)
            values.append(value / self.mean_weight + moved)
        return max(objective - np.nanmin(values), 0.0)

    def capped(self, excess):
        """An estimate of F - F* that is at most F if no loss is negative."""
        if self.data.loss.nonnegative and not self.data.base:
            return min(excess, self.objective())
        return excess

    def smoothed_objective(self):
        """The objective that the run minimises at present."""
        return self.value + self.penalised

    def barrier_gap(self):
        """Largest distance of the smoothed minimiser's objective from the optimum."""
        if self.barrier_weight is None:
            return 0.0
        return self.barrier_weight * self.loss.n_jumps * self.data.n_outputs

    def lower_barrier(self):
        """Lower the barrier once it limits the accuracy, and not the descent."""
        gap = self.barrier_gap()
        if gap > ROUNDING * abs(self.value) and self.settled(SETTLED * gap):
            self.set_barrier(self.barrier_weight * SHRINK)
            self.evaluate()
            self.forget_barrier()

    def settled(self, enough):
        """True if the smoothed objective is this close to its minimum."""
        return self.excess() <= enough

    def target(self):
        """The value of F - F* at which the run ends."""
        if self.tol is None:
            return 0.0
        gained = max(self.null - self.smoothed_objective(), 0.0)
        return self.tol / max(1.0 - self.tol, self.tol) * gained

    def decisive(self):
        """The value of F - F* at which the run ends, or the barrier is lowered."""
        return max(self.target(), SETTLED * self.barrier_gap())

    def is_sure(self):
        """True if a Hessian gave the last estimate of F - F*."""
        return self.sure

    def is_certified(self):
        """As in `Solver`."""
        return self.certified and self.barrier_weight is None

    def bound(self):
        """Bound of F - F*, infinite where there is none (see `bound_here`)."""
        if not self.has_bound:
            return math.inf
        return self.capped(self.bound_here() + self.barrier_gap())

    @property
    def has_bound(self):
        """True if `bound_here` bounds F - F*."""
        return self.penalty.closed_form and self.data.loss.convex

    def bound_here(self):
        """Bound of F - F* of the smoothed objective at u."""
        return bound_here(self)

    def bound_at_the_end(self, excess):
        """Bound of F - F* of a smooth loss if it is about ``excess``, or infinity.

        It needs no Hessian. On text it is 1.5 to 5 times F - F*, even with an alpha of
        1e-6.
        """
        if not (self.data.loss.smooth and self.has_bound):
            return math.inf
        if not looks_small(self, excess) or not self.lines.hold():
            return math.inf
        return self.bound_here()

    def has_affordable_hessian(self):
        """True if a Hessian at u does not cost too much for this run."""
        price = self.hessians.price_at_the_end()
        passes = (self.state.rows - self.rows_before) / self.problem.n_samples
        return price <= HESSIAN_SWEEPS or self.paid + price <= MODERATE * passes

    def affordable_hessian(self):
        """The Hessian at u, or None if such Hessians cost too much for this run."""
        if not self.has_affordable_hessian():
            return None
        price = self.hessians.price_at_the_end()
        if price > HESSIAN_SWEEPS:
            self.paid += price
        return self.hessians.at_the_end(self.loss, self.lines.block, price)

    def model_step(self, metric, gradient, u):
        """The step to the minimiser of the model at u, and the predicted decrease."""
        if not self.penalty.smooth:
            return self.minimise_model(metric, True, gradient, u)
        step = metric.solve(gradient.copy())
        return -step, 0.5 * float(np.vdot(step, gradient))

    def minimise_model(self, metric, refine=False, gradient=None, at=None):
        """Step and predicted decrease of the model at the present or another u."""
        if at is None:
            gradient, at = self.gradient, self.u
        p, predicted = np.empty_like(at), 0.0
        for model, part in metric.parts(at.shape):
            g, u = gradient[part].ravel(), at[part].ravel()
            l1, signs, enough = self.l1_u[part].ravel(), None, None
            if self.signs is not None:
                signs = self.signs[part].ravel()
            if refine:
                enough = ENOUGH * self.decisive() - predicted
                if self.data.loss.quadratic or self.steps_are_dear or self.thorough:
                    # (The model of a quadratic loss is F itself.)
                    enough = np.inf
            step, product = model.minimise(g, u, l1, enough, signs)
            p[part] = step.reshape(p[part].shape)
            predicted -= g @ step + 0.5 * step @ product
            predicted -= l1 @ (np.abs(u + step) - np.abs(u))
        return p, max(float(predicted), 0.0)

    def extrapolated(self):
        """F - F* from the gains of the last third of the steps and of the third before.

        It is exact for a decrease like 1/k^2, which proximal gradients guarantee, and
        too large for a faster decrease. After few steps it is infinite, unless none of
        them has lowered F.
        """
        third = len(self.gains) // 3
        if third < 2:
            still = self.gains and max(self.gains) <= ROUNDING * abs(self.value)
            return 0.0 if still else np.inf
        last = sum(self.gains[-third:])
        before = sum(self.gains[-2 * third : -third])
        if last <= 0.0:
            return 0.0
        rate = min(np.sqrt(last / before), 0.99) if before > 0.0 else 0.99
        return last * rate / (1.0 - rate)

    # --------------------------------------------------------------------- one step

    def move(self, t, p, raw):
        """Move by t p; ``raw`` are the raw coefficients of p."""
        self.lines.move(t)
        add_scaled(self.u, t, p)
        if not self.penalty.smooth:
            # A sum of steps would leave 1e-17 where u is zero.
            self.penalty.project(self.u)
            self.go_to(self.scaling.to_raw(self.u))
        else:
            add_scaled(self.state.coef, t, raw)
            self.penalised = self.penalty.value(self.state.coef)

    def search(self, p, raw):
        """Lengths t of the steps along p, whose raw coefficients are ``raw``.

        If the loss is a sum over outputs, each output has its own length.

        Returns
        -------
        t : ndarray
        loss : float
            The last point evaluated is that at t.
        """
        derivatives = self.derivatives(p, raw)
        l1_start, l1_derivative, jumps = self.l1_along(p, 0.0)
        if not self.penalty.smooth:
            derivatives[:, 0] += l1_derivative + jumps
        limits = self.longest_steps(p)
        roots = [
            Root(at_start, linear, square, limit)
            for (at_start, linear, square), limit in zip(
                derivatives.tolist(), limits, strict=True
            )
        ]
        # (If F cannot show the decrease, as along directions without effect, the step
        # of the model is as good as any other, and longer ones could have any length.)
        least = INVISIBLE * abs(self.value + self.penalised)
        if len(roots) > 1:
            least += NEGLIGIBLE * sum([abs(root.at_start) for root in roots])
        for root in roots:
            root.negligible = abs(root.at_start) <= least
        slack = sum([abs(root.linear) for root in roots])
        slack = ROUNDING * (abs(self.value) + slack)
        for _ in range(self.max_trials):
            t = np.array([root.t for root in roots])
            value, derivative = self.line(self.loss, t)
            gain = value - self.value
            if not self.penalty.smooth:
                l1_value, l1_derivative, jumps = self.l1_along(p, t)
                gain += l1_value - l1_start
                derivative += l1_derivative
            for root, at, jump in zip(
                roots, derivative.tolist(), jumps.tolist(), strict=True
            ):
                gain += root.arrive(at, jump)
            finite, settled = math.isfinite(gain), all([root.settled for root in roots])
            least = 1e-4 * sum([root.t * root.at_start for root in roots])
            if settled and finite and gain <= least + slack:
                return t, value
            # (If all lengths satisfy the condition but F is not lower, those beyond the
            # minimum are shortened.)
            if all([root.move(finite, settled) for root in roots]):
                break
        t = np.array([root.safe for root in roots])
        return t, self.line(self.loss, t)[0]

    def derivatives(self, p, raw):
        """Derivative of F along p, and the penalty's; see `derivatives_along`."""
        return derivatives_along(
            self.state.coef, raw, p, self.gradient, self.penalty.l2, self.coupled
        )

    def longest_steps(self, p):
        """The length at which a coefficient leaves its side of zero, at least one.

        A step of length one ends on the right side.
        """
        n_lines = 1 if self.coupled else p.shape[1]
        if self.signs is None:
            return [math.inf] * n_lines
        back = self.signs * p < 0.0
        lengths = np.divide(-self.u, p, out=np.full_like(p, math.inf), where=back)
        lengths = np.maximum(lengths.min(axis=0), 1.0).tolist()
        return [min(lengths)] if self.coupled else lengths

    def l1_along(self, p, t):
        """The l1 penalty at u + t p, its derivatives in t, and half of their jumps."""
        if self.penalty.smooth:
            zero = np.zeros(1 if self.coupled else p.shape[1])
            return 0.0, zero, zero
        at = self.u + t * p
        value = float((self.l1_u * np.abs(at)).sum())
        jump = self.dot(self.l1_u * (at == 0.0), np.abs(p))
        return value, self.dot(self.l1_u * np.sign(at), p), jump
