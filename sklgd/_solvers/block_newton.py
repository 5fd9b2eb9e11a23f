"""Newton's method, L-BFGS and FISTA on blocks of rows, in few passes.

Every evaluation is a pass over all blocks, which takes as long as reading them. So one
pass gives the objective, its gradient and the Hessian at a point, and the step from
there is one of Newton's. A run starts at the optimum of the evenly spaced rows in
memory, and often ends after one or two steps (Eisen, Mokhtari and Ribeiro 2018).

- A Hessian that costs more than reading the blocks is computed from every s-th row of
  each block. It differs from the whole one by about the root of the number of columns
  over the number of rows that are used, and so does the error of the next step from
  that of the last (sub-sampled Newton; Roosta-Khorasani and Mahoney 2019). If steps
  gain less than that suggests, more rows are used.
- If there is no room for the matrix, the Hessian is that of the rows in memory, and
  conjugate gradients solve the equation of the step without a pass.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from .._fit.block_data import CurvatureMoments, MeanMoments, SoftmaxMoments
from .._fit.cost import MAX_COUPLED, MAX_FACTOR
from .._fit.minimum_norm import FULL
from ..kernels._hessian import hessian_block
from ..kernels._vector import add_scaled, curvatures_along
from .batch import ROUNDING
from .duality import duality_gap
from .fista import FISTASolver
from .metrics import Diagonal, Factored, ratio
from .newton import SLOW, SLOWEST
from .over_blocks import OverBlocks, has_room, stride_of

# If a step leaves more than this share of the predicted decrease, the next Hessian
# uses so many times more rows.
LEFT, MORE_ROWS = 0.1, 4
# Conjugate gradients end when the residual has become smaller by this factor.
CG_TOL, MAX_CG = 0.03, 200
# A step fails if it gains less than this share of what is predicted. Then shorter ones
# are tried, each half as long as the one before, and others that are more damped: each
# has so many times more damping than the one before, the first more than DAMPING.
LEAST_GAIN, HALVINGS, N_DAMPED, HARDER, DAMPING, ROUNDS = 0.1, 10, 3, 8.0, 1e-3, 3
# The damping is increased and decreased if steps gain such shares of what is predicted.
# The Hessian of the rows in memory is always damped a little.
LITTLE, ENOUGH, LEAST_DAMPING = 0.25, 0.7, 1e-4
# Damping ends if a step gains this share of what is predicted without it.
NEARLY = 0.9
# A step may turn out to be too long if it predicts a larger decrease, as a share of
# what was gained over the constant model.
FAR = 3e-3
# Dampings that the rows in memory compare.
DAMPINGS = 0.0, 1e-3, 4e-3, 1.6e-2, 6.4e-2, 0.25, 1.0
# The largest damping, and the largest factor by which an estimate is corrected.
MOST_DAMPING = 1e6
MOST_GAIN = 2.0
# Gains of more than so many times what is predicted fall more slowly than predictions:
# about as their root (kdd99, smurf against others: the estimate was a third of F - F*).
GROWING = 1.1


class BlockNewton(OverBlocks):
    """Newton's method and L-BFGS on blocks."""

    def __init__(self, data, state, penalty):
        optimizer = state.plan.optimizer
        self.memory, self.pairs = optimizer.memory, []
        self.metric: Any = Diagonal()
        self.kind = kind_of_hessian(data, penalty) if optimizer.curvature else None
        self.uses_sample = optimizer.curvature and self.kind is None
        self.stride, self.damping = 1, 0.0
        self.step, self.gain, self.at_rest = None, math.inf, False
        # What the Hessian predicted at the last step.
        self.predicted = math.inf
        # True if the last step was too long, or gained little; and while it has gained
        # what the rows in memory estimated.
        self.cautious, self.trusted = False, self.kind is not None
        super().__init__(data, state, penalty)

    @classmethod
    def start(cls, data, state, penalty, shuffle, average):
        if not penalty.smooth and kind_of_hessian(data, penalty) is None:
            return BlockFISTA.start(data, state, penalty, shuffle, average)
        return super().start(data, state, penalty, shuffle, average)

    def begin(self):
        if self.kind is not None:
            self.stride = self.first_stride()
            self.lines.curvature = self.kind(self.scaling.centre, self.stride)
        super().begin()

    def first_stride(self):
        """Every so many rows a Hessian is computed from, by its cost."""
        if self.kind is MeanMoments:
            return 1
        order, K = self.problem.n_features + 1, self.problem.n_outputs
        price = K * self.problem.gram_cost()
        if self.kind is SoftmaxMoments:
            price = self.problem.softmax_cost()
            order *= K
        return stride_of(self.problem, price, order)

    # ------------------------------------------------------------------ the model

    def direction(self):
        """The step to the minimiser of the model, and its predicted decrease."""
        if self.step is None:
            self.renew_metric()
            self.step = self.step_of(self.metric)
        return self.step

    def step_of(self, metric):
        """The step to the minimiser of a metric's model, and its predicted decrease."""
        if not self.penalty.smooth:
            return self.minimise_model(metric, refine=True)
        q = self.apply(self.gradient, metric)
        return -q, 0.5 * float(np.vdot(q, self.gradient))

    def damped_step(self, damping):
        """The same with a number added to the second derivatives, which shortens it."""
        if damping == 0.0 or not (self.kind or self.uses_sample):
            return self.direction()
        return self.step_of(self.metric.damped(damping))

    def likely_damping(self):
        """The damping that lowers F most, and by how much, as the rows in memory say.

        They estimate what F has beside its value and gradient, which are known.
        """
        data: Any = self.data
        loss, sample = data.loss, data.sample
        if loss.quadratic or not (loss.smooth and self.penalty.smooth):
            return self.damping, math.inf
        term, weight, at = sample.term(), sample.mean_weight, self.state.coef
        raw, none = np.empty_like(self.u), np.zeros_like(self.u)
        start = term.value_and_gradient(at, raw) / weight + self.penalised
        change = self.gradient - self.l2_u * self.u
        change -= self.scaling.gradient(raw, weight, none, none)
        values = []
        for damping in DAMPINGS:
            step, _ = self.damped_step(damping)
            coef = np.ascontiguousarray(self.scaling.to_raw(self.u + step))
            value = term.value(coef) / weight + self.penalty.value(coef)
            value += float(np.vdot(change, step))
            values.append(value if math.isfinite(value) else math.inf)
        best = int(np.argmin(values))
        return DAMPINGS[best], start - values[best]

    def trials(self, p, damping):
        """Shorter steps than p, and steps with more or with less damping.

        They are tried if p fails, and show which damping is best the next time.
        """
        dampings, steps = [damping] * HALVINGS, []
        steps = [0.5**i * p for i in range(1, HALVINGS + 1)]
        if self.kind is not None or self.uses_sample:
            others = [HARDER**i * max(damping, DAMPING) for i in range(1, N_DAMPED + 1)]
            others += sorted({less(damping), 0.0} - {damping})
            dampings += others
            steps += [self.damped_step(other)[0] for other in others]
            if damping > 0.0:
                dampings += [0.0] * HALVINGS
                steps += [0.5**i * steps[-1] for i in range(1, HALVINGS + 1)]
        coefs = np.array([self.scaling.to_raw(self.u + step) for step in steps])
        return Trials(dampings, steps, coefs)

    def renew_metric(self):
        """The metric of the last evaluation's second derivatives, if it has any."""
        if self.uses_sample:
            self.metric = SampleHessian.at(self)
        sums = self.lines.last.hessian
        if not sums:
            return
        *parts, (used,) = sums
        weight = float(used[0])
        if self.kind is MeanMoments:
            c, scale = self.loss.bound(self.problem.n_outputs), self.scaling.scale
            outputs = [0] if (scale == scale[:, :1]).all() else range(scale.shape[1])
            matrices = [self.block(parts[0], k, c / weight) for k in outputs]
            # (It is the same everywhere.)
            self.lines.curvature = None
        elif self.kind is SoftmaxMoments:
            matrices = [self.softmax_matrix(parts[0][0], weight)]
        else:
            matrices = [
                self.block(moments, k, 1.0 / weight) for k, moments in enumerate(parts)
            ]
        self.lines.last.hessian = []
        self.metric = Dampable(matrices, self.stride == 1)
        if self.stride == 1:
            self.pairs.clear()

    def block(self, moments, k, factor):
        """The block of output k in u, from moments times a factor."""
        A, v, total = moments
        return hessian_block(
            A, v, float(total[0]), factor, self.scaling.scale, self.l2_u, k,
            self.data.fit_intercept,
        )  # fmt: skip

    def softmax_matrix(self, H, weight):
        """The Hessian of softmax in u."""
        S = self.scaling.scale.copy()
        S[-1] *= self.data.fit_intercept
        S = S.reshape(-1)
        H = H * np.multiply.outer(S, S / weight)
        np.einsum("jj->j", H)[...] += self.l2_u.reshape(-1)
        return H

    def apply(self, g, metric):
        """H g by the two-loop recursion (Nocedal 1980)."""
        q, weights = g.copy(), []
        for s, y, rho in reversed(self.pairs):
            a = rho * self.dot(s, q)
            add_scaled(q, -a, y)
            weights.append(a)
        q = metric.solve(q)
        for s, y, rho in self.pairs:
            add_scaled(q, weights.pop() - rho * self.dot(y, q), s)
        if self.coupled:
            # Adding a number to the raw predictions of all classes changes the penalty
            # only.
            q -= q.mean(axis=1, keepdims=True)
        return q

    def has_full_rank(self):
        return self.metric.exact and self.metric.least_pivot > FULL

    # ----------------------------------------------------------------- one step

    def epoch(self):
        """One step; returns its length (twice, as the last and the largest).

        If F does not fall enough at the end of the step, the best of several more
        damped ones is taken. Their values of F cost no pass of their own if it was to
        be foreseen that they are needed.
        """
        if self.at_rest:
            return 0.0, 0.0
        self.state.steps += 1
        foreseen, damping = self.direction()[1], self.damping
        estimated = math.inf
        if self.trusted and (self.cautious or not self.gains):
            damping, estimated = self.likely_damping()
        p, predicted = self.damped_step(damping)
        trials: Any = None
        before, start = self.gradient, self.smoothed_objective()
        # (A smoothed loss may be negative.)
        bounded = self.data.loss.nonnegative and self.barrier_weight is None
        while bounded and predicted > start and damping < MOST_DAMPING:
            # (No step can gain as much: second derivatives along it are too small.)
            damping = max(HARDER * damping, DAMPING)
            p, predicted = self.damped_step(damping)
        far = not self.data.loss.quadratic and foreseen > FAR * (self.null - start)
        if (self.cautious or far) and self.penalty.smooth:
            trials = self.trials(p, damping)
        u, value = self.u.copy(), self.value
        slack = ROUNDING * abs(start)
        found = self.go(u + p, trials)
        best, tried = damping, trials is not None
        if tried:
            values = trials.objectives(self.lines.last.others, self.penalty)
            best = trials.best_damping(values, found, damping)
        short = start - found < LEAST_GAIN * predicted - slack
        for _ in range(ROUNDS):
            if not start - found < LEAST_GAIN * predicted - slack:
                break
            if trials is None:
                self.u[...] = u
                trials = self.trials(p, damping)
                values = self.problem.values(self.loss, trials.coefs)
                values = trials.objectives(values, self.penalty)
            number = int(np.argmin(values))
            if values[number] < start - slack:
                p, best = trials.steps[number], trials.dampings[number]
                found, predicted, tried = self.go(u + p), 0.0, True
                break
            p, damping = 0.5**HALVINGS * p, trials.dampings[-1]
            trials = None
        if not found <= start + slack:
            return self.go_back(u, value, before)
        self.refresh()
        self.gain, self.predicted = start - found, foreseen
        if estimated < math.inf:
            self.trusted = self.gain >= ENOUGH * estimated
        self.cautious = short or self.gain < ENOUGH * foreseen
        self.gains.append(self.gain)
        self.remember(p, self.gradient - before)
        self.step = None
        self.learn_from_step(predicted, best, tried)
        self.lower_barrier()
        return 1.0, 1.0

    def go(self, u, trials=None):
        """Go to a point, and evaluate the objective there; the trials' as well."""
        self.u[...] = u
        self.go_to(self.scaling.to_raw(u))
        others = None if trials is None else trials.coefs
        self.value = self.lines.visit(self.loss, self.state.coef, others).value
        self.lines.here = True
        self.state.rows += self.problem.n_samples
        objective = self.smoothed_objective()
        return objective if math.isfinite(objective) else math.inf

    def go_back(self, u, value, gradient):
        """Go back to a point from which no step has lowered F."""
        self.u[...] = u
        self.go_to(self.scaling.to_raw(u))
        self.value, self.gradient = value, gradient
        self.lines.here = False
        if self.metric.exact or not self.use_more_rows():
            self.at_rest = True
        else:
            self.evaluate()
            self.step = None
        return 0.0, 0.0

    def remember(self, s, y):
        """Store a step and the change of the gradient along it."""
        curvature, inverse = curvatures_along(s, y, self.coupled)
        if max(inverse.tolist()) > 0.0 and self.memory:
            self.pairs.append((s, y, inverse))
            self.metric.adapt(y, curvature, self.dot)
        del self.pairs[: max(0, len(self.pairs) - self.memory)]

    def learn_from_step(self, predicted, best, tried):
        """Adapt the damping and the rows of a Hessian to what a step has gained.

        ``best`` is the damping of the best step, if others were ``tried``.
        """
        if self.gain >= NEARLY * self.predicted:
            self.damping = 0.0
        elif tried:
            # (Later steps need less damping.)
            self.damping = less(best) if best > self.damping else best
        elif self.gain >= ENOUGH * predicted:
            self.damping /= HARDER
        elif self.gain < LITTLE * predicted:
            self.damping = max(HARDER * self.damping, DAMPING)
        if self.damping < DAMPING or not (self.kind or self.uses_sample):
            self.damping = 0.0
        if self.stride > 1 and self.direction()[1] > LEFT * predicted:
            self.use_more_rows()

    def use_more_rows(self):
        """Use more rows for the next Hessian; False if all are used."""
        if self.kind is None or self.stride == 1:
            return False
        self.stride = max(1, self.stride // MORE_ROWS)
        self.lines.curvature = self.kind(self.scaling.centre, self.stride)
        return True

    def forget_barrier(self):
        self.pairs.clear()
        self.gains.clear()
        self.step, self.gain, self.predicted = None, math.inf, math.inf

    # ------------------------------------------------------------------ the end

    def excess(self):
        """Estimate of the smoothed F - F*.

        It is the decrease that the Hessian at u predicts, unless jumps of the Hessian
        may have made that too small. Any other prediction has to be confirmed by a gain
        that is as small. It is as much too small as the last one was. If they fall
        slowly, so will the gains: as on nearly separable classes, where the Hessian
        tends to zero. Further gains are then a geometric series.
        """
        predicted = self.direction()[1]
        smooth = self.data.loss.twice_smooth or not self.data.loss.smooth
        self.sure = self.metric.exact and smooth
        if self.at_rest:
            return predicted
        excess = predicted if self.sure else max(predicted, self.gain)
        rate = 0.0
        if self.predicted > 0.0:
            rate = min(predicted / self.predicted, SLOWEST)
            if math.isfinite(self.gain):
                excess *= min(max(self.gain / self.predicted, 1.0), MOST_GAIN)
        if rate > SLOW:
            if self.gain > GROWING * self.predicted:
                rate = min(math.sqrt(rate), SLOWEST)
            excess = max(excess, self.gain * rate / (1.0 - rate))
        return min(excess, self.bound_here())

    def next_step(self):
        return self.direction()[0]

    def bound_here(self):
        if not self.penalty.closed_form:
            return math.inf
        size = self.objective() if self.data.loss.nonnegative else math.inf
        return duality_gap(self, self.u, self.gradient, size)


def less(damping):
    """The next smaller damping."""
    return damping / HARDER if damping >= HARDER * DAMPING else 0.0


class Trials(NamedTuple):
    """Steps that may be taken in place of one that fails."""

    dampings: list[float]
    steps: list[np.ndarray]
    coefs: np.ndarray

    def objectives(self, values, penalty):
        """The objective at the end of each step, infinite instead of NaN.

        ``values`` are the losses there.
        """
        objectives = [
            value + penalty.value(coef)
            for value, coef in zip(values, self.coefs, strict=True)
        ]
        return [x if math.isfinite(x) else math.inf for x in objectives]

    def best_damping(self, objectives, found, damping):
        """The damping of the step that leads to the least objective.

        The step taken has the damping ``damping`` and leads to ``found``.
        """
        number = int(np.argmin(objectives))
        return self.dampings[number] if objectives[number] < found else damping


class BlockFISTA(OverBlocks, FISTASolver):
    """Accelerated proximal gradient steps on blocks."""

    in_memory = FISTASolver

    def bound_here(self):
        self.value, _ = self.line(self.loss, 0.0)
        self.gradient = self.gradient_at(self.u)
        self.state.rows += self.problem.n_samples
        size = self.objective() if self.data.loss.nonnegative else math.inf
        return duality_gap(self, self.u, self.gradient, size)


def kind_of_hessian(data, penalty):
    """Which second derivatives a run computes; None if the matrices have no room."""
    order, K = data.X.shape[1] + 1, data.n_outputs
    if data.loss.quadratic:
        return MeanMoments if order <= MAX_FACTOR else None
    if data.loss.coupled(K):
        return SoftmaxMoments if order * K <= MAX_COUPLED else None
    return CurvatureMoments if has_room(data) else None


class Dampable(Factored):
    """B by its matrices, to which a number can be added."""

    def damped(self, damping):
        """B + damping I."""
        matrices = [matrix.copy() for matrix in self.matrices]
        for matrix in matrices:
            np.einsum("jj->j", matrix)[...] += damping
        return Factored(matrices, False)


class SampleHessian:
    """B = the Hessian of the rows in memory, by conjugate gradients.

    Parameters
    ----------
    run : BlockNewton
    coef, z : arrays
        The point of the Hessian, and the raw predictions of the rows there.
    term : DataTerm
        Of these rows.
    damping : float
        Added to the second derivatives, which are about one in u.
    """

    exact = False
    least_pivot = 0.0

    def __init__(self, run, coef, z, term, damping):
        self.run, self.coef, self.z, self.term = run, coef, z, term
        self.damping = damping
        self.mean_weight, self.loss = run.data.sample.mean_weight, run.loss

    @classmethod
    def at(cls, run):
        """The Hessian where a run is."""
        term, coef = run.data.sample.term(), run.state.coef.copy()
        z = np.empty((term.n_samples, term.n_outputs))
        term.raw_predictions(coef, z)
        return cls(run, coef, z, term, LEAST_DAMPING)

    def damped(self, damping):
        """B + damping I."""
        return SampleHessian(self.run, self.coef, self.z, self.term, damping)

    def product(self, d):
        """B d."""
        raw, run = np.empty_like(d), self.run
        self.term.hessian_product(
            self.loss, self.coef, run.scaling.to_raw(d), raw, self.z
        )
        out = run.scaling.gradient(raw, self.mean_weight, run.l2_u, d)
        out += self.damping * d
        return out

    def solve(self, g):
        """As in `Factored`, to a residual of a share `CG_TOL` of g."""
        dot, x, r, d = self.run.dot, np.zeros_like(g), g.copy(), g.copy()
        rr = dot(r, r)
        enough = CG_TOL**2 * rr
        for _ in range(MAX_CG):
            Bd = self.product(d)
            a = ratio(rr, dot(d, Bd), 0.0)
            add_scaled(x, a, d)
            add_scaled(r, -a, Bd)
            rr, before = dot(r, r), rr
            if (rr <= enough).all():
                break
            d *= ratio(rr, before, 0.0)
            d += r
        g[...] = x
        return g

    def adapt(self, y, curvature, dot):
        """Nothing to adapt."""
