"""An estimate of F - F* by further Newton steps, for losses whose Hessian jumps.

If the second derivative of the loss is continuous, the quadratic model of a Hessian
predicts F - F*. If it jumps, as at the margin of the squared hinge loss, rows on the
other side of their jumps can make the prediction too small by factors of 10 to 10000.
Evaluating F at the end of the step does not show this. So this module takes the steps
that would follow, without changing the run. At each of their points w

    F - F(w) <= F - F* <= F - F(w) + rest(w),

and the steps end when the rest is a small share of their gain. With an l2 penalty the
rest is a duality gap (Boyd and Vandenberghe, "Convex optimization", 2004,
section 5.5.1): let v be the gradient of the loss at w, and R the penalty. Because the
loss is convex, v and R* bound F* from below,

    F(w) - F* <= R(w) + R*(-v) + v.w = sum_j (v_j + l2 w_j)^2 / (2 l2),

and similarly for an elastic net. With an l1 penalty alone, the part of v outside of
[-l1, l1] is multiplied by a bound of the minimiser's norm: l1 |w*|_1 <= F(w), because
no such loss is negative. If that bound is too large, and without a penalty, the rest is
the predicted decrease of a Hessian at w.
"""

import numpy as np

from .duality import duality_gap

# F - F* lies between the gain and the bound. If their ratio is at most the square of
# this factor, it is known to within the factor.
SURE = 2.5
# A predicted decrease of this share of the gain is small. Largest number of steps, and
# the lengths that are tried for each.
SMALL, STEPS = 0.5, 6
LENGTHS = 1.0, 0.5, 0.25, 0.1, 0.01
# With an l1 penalty, predicted decreases count as a geometric series of at most this
# ratio. (Random classes, often nearly separable: without it 3 per cent of the gaps were
# more than 1.2 times `tol`; 1 per cent with it, for 3 per cent more steps.)
SERIES = 0.8


class Path:
    """Further steps of a run, which does not change itself."""

    def __init__(self, run):
        problem = run.problem
        self.run, self.u, self.coef = run, run.u, run.state.coef
        self.start = run.smoothed_objective()
        self.gained = 0.0
        self.z = np.array(run.lines.block(0, problem.n_samples))
        self.change, self.gradients = np.empty_like(self.z), np.empty_like(self.z)

    def set_step(self, step):
        """Set the next step."""
        self.step, self.raw = step, self.run.scaling.to_raw(step)
        self.run.problem.raw_predictions(self.raw, self.change)

    def advance(self):
        """Take the step at a length that lowers F; False if there is none."""
        run, problem = self.run, self.run.problem
        along = np.empty(problem.n_outputs)
        for t in LENGTHS:
            lengths = np.full(problem.n_outputs, t)
            loss = problem.line(
                run.loss, self.z, self.change, lengths, self.gradients, along
            )
            penalty = run.penalty.value(self.coef + t * self.raw)
            gain = self.start - loss / run.mean_weight - penalty
            if gain > self.gained:
                self.gained = gain
                self.u, self.coef = self.u + t * self.step, self.coef + t * self.raw
                self.z += t * self.change
                return True
        return False

    def gradient(self):
        """The gradient of F without the l1 penalty, after a step."""
        run, raw = self.run, np.empty_like(self.u)
        run.problem.gradient(self.gradients, raw)
        run.state.rows += run.problem.n_samples
        return run.scaling.gradient(raw, run.mean_weight, run.l2_u, self.u)

    def raw_predictions(self, start, stop):
        """Raw predictions of these rows at the present point."""
        return self.z[start:stop]

    def next_raw_predictions(self, start, stop):
        """Raw predictions of these rows at the end of the next step."""
        return self.z[start:stop] + self.change[start:stop]


def series_of(predicted, last):
    """The sum of a geometric series of predicted decreases, from this one on."""
    rate = predicted / last if predicted < SERIES * last else SERIES
    return predicted / (1.0 - rate)


def excess_ahead(run, step, predicted, hessian_at):
    """Estimate of F - F* at the present point of a run.

    Parameters
    ----------
    run : BatchSolver
    step : ndarray of shape (n_features + 1, n_outputs)
        The run's next step, in u.
    predicted : float
        The decrease of F that its quadratic model predicts.
    hessian_at : callable
        ``hessian_at(raw_predictions)`` returns a Hessian, or None if that costs too
        much.

    Returns
    -------
    excess : float
    """
    path, bound = Path(run), np.inf
    path.set_step(step)
    for _ in range(STEPS):
        if not path.advance():
            break
        gradient = path.gradient()
        rest = duality_gap(run, path.u, gradient, path.start - path.gained)
        bound = min(bound, path.gained + rest)
        if bound <= SURE**2 * path.gained:
            return max(path.gained, bound / SURE)
        hessian = hessian_at(path.raw_predictions)
        if hessian is None:
            break
        step, predicted = run.model_step(hessian, gradient, path.u)
        path.set_step(step)
        if predicted <= SMALL * path.gained and not run.hessians.has_changed(
            hessian.sample, run.loss, path.next_raw_predictions
        ):
            return min(path.gained + predicted, bound)
    excess = min(path.gained + predicted, bound)
    return max(excess, bound / SURE) if bound / SURE <= run.target() else excess
