"""What is left to gain where the curvature jumps: Newton's steps ahead of a run.

A Hessian tells F - F* of a loss whose second derivative is continuous. Where that
jumps, as at the margin of the squared hinge loss, the rows on the wrong side of their
jumps can make its promise too small by factors of 10 to 10000, which a look at F along
its own step does not show. So the steps that the run would take next are taken, while
the run stays where it is: at each point w on their way

    F - F(w) <= F - F* <= F - F(w) + rest(w),

and the steps end when the rest is a small share of what they have gained. With an l2
penalty the rest is a duality gap (Boyd and Vandenberghe, "Convex optimization", 2004,
section 5.5.1): let v be the gradient of the loss at w, and R the penalty. As slopes of
a convex loss, v and R* bound F* from below,

    F(w) - F* <= R(w) + R*(-v) + v.w = sum_j (v_j + l2 w_j)^2 / (2 l2),

or its like for an elastic net. An l1 penalty alone leaves the part e of v outside of
[-l1, l1] to a bound of the minimiser's norm, l1 |w*|_1 <= F(w), as no loss of this
kind is negative. Where that bound is too large, and without a penalty, the rest is
what a Hessian at w promises.
"""

import numpy as np

from .duality import duality_gap

# F - F* lies between the gain and the bound: no more than the square of this factor
# apart, they tell it to within the factor.
SURE = 2.5
# A promise of this share of the gain is small. So many steps are taken at most, and
# such lengths of each are tried.
SMALL, STEPS = 0.5, 6
LENGTHS = 1.0, 0.5, 0.25, 0.1, 0.01


class Path:
    """Steps ahead of a run, from where it is."""

    def __init__(self, run):
        problem = run.problem
        self.run, self.u, self.coef = run, run.u, run.state.coef
        self.start = run.smoothed_objective()
        self.gained = 0.0
        self.z = np.array(run.lines.block(0, problem.n_samples))
        self.change, self.slopes = np.empty_like(self.z), np.empty_like(self.z)

    def head(self, step):
        """Let the next step be this."""
        self.step, self.raw = step, self.run.coordinates.to_raw(step)
        self.run.problem.raw_predictions(self.raw, self.change)

    def go(self):
        """Take the step at a length that lowers F; False if none does."""
        run, problem = self.run, self.run.problem
        along = np.empty(problem.n_outputs)
        for t in LENGTHS:
            lengths = np.full(problem.n_outputs, t)
            loss = problem.line(
                run.loss, self.z, self.change, lengths, self.slopes, along
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
        run.problem.gradient(self.slopes, raw)
        run.state.rows += run.problem.n_samples
        return run.coordinates.gradient(raw, run.mean_weight, run.l2_u, self.u)

    def here(self, start, stop):
        """Raw predictions of these rows."""
        return self.z[start:stop]

    def ahead(self, start, stop):
        """Those at the end of the next step."""
        return self.z[start:stop] + self.change[start:stop]


def excess_ahead(run, step, promised, hessian_at):
    """Estimate of F - F* at the position of a run.

    Parameters
    ----------
    run : BatchSolver
    step : ndarray of shape (n_features + 1, n_outputs)
        The run's next step, in u.
    promised : float
        The decrease that its model promises.
    hessian_at : callable
        ``hessian_at(raw_predictions)`` gives a Hessian, or None if that costs too much.

    Returns
    -------
    excess : float
    """
    path, bound = Path(run), np.inf
    path.head(step)
    for _ in range(STEPS):
        if not path.go():
            break
        gradient = path.gradient()
        rest = duality_gap(run, path.u, gradient, path.start - path.gained)
        bound = min(bound, path.gained + rest)
        if bound <= SURE**2 * path.gained:
            return max(path.gained, bound / SURE)
        hessian = hessian_at(path.here)
        if hessian is None:
            break
        step, promised = run.model_step(hessian, gradient, path.u)
        path.head(step)
        if promised <= SMALL * path.gained and not run.hessians.has_changed(
            hessian.sample, run.loss, path.ahead
        ):
            return min(path.gained + promised, bound)
    excess = min(path.gained + promised, bound)
    return max(excess, bound / SURE) if bound / SURE <= run.target() else excess
