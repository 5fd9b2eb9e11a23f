"""The learning rates of `minimize`: of a schedule, or found during the run."""

import math

import numpy as np

from .function import EPS, NEARBY, norm

# Factor of a learning rate found during the run after a step that lowered the
# function, and after one that did not; so many of the latter in a row are the end.
GROW, SHRINK, MAX_HALVINGS = 1.25, 0.5, 60


class Scheduled:
    """Learning rates of a schedule; every step is taken.

    Parameters
    ----------
    schedule : Schedule
    """

    def __init__(self, schedule):
        self.schedule, self.factor = schedule, 1.0

    def begin(self, run):
        """Nothing to find out."""

    def eta(self, t):
        """Size of step t."""
        return self.factor * self.schedule(t)

    def accept(self, run, value):
        """True."""
        return True

    def plateau(self, eta):
        """Lower the learning rate of an "adaptive" schedule."""
        change = self.schedule.plateau
        if change is not None and eta > change[1]:
            self.factor *= change[0]


class Found:
    """Learning rates found during the run: larger after a gain, half after a loss."""

    schedule = "auto"

    def begin(self, run):
        """Find the first learning rate.

        Rules that follow the length of the gradient start from the inverse curvature
        along it; the others move each variable by about their learning rate.
        """
        x, g = run.x, run.gradient
        self.unseen = 0
        if run.optimizer.normalised:
            self.size = run.optimizer.unit_step(1.0, True) * max(1.0, np.abs(x).max())
            return
        size, length = max(1.0, norm(x)), norm(g)
        at = x - NEARBY * size / length * g
        run.function.project(at)
        distance, value = norm(at - x), run.function.value(at)
        curvature = 0.0
        if distance > 0.0 and math.isfinite(value):
            change = run.function.gradient(at, value) - g
            curvature = norm(change) / distance
        # A straight line, or no way to tell: a step as long as x.
        if not EPS * length < curvature * size < np.inf:
            curvature = length / size
        self.size = run.optimizer.unit_step(curvature, True)

    def eta(self, t):
        """The present learning rate."""
        return self.size

    def accept(self, run, value):
        """True if the step stands. What is tried next is longer or shorter.

        A rule with a memory is forgiven once: it starts afresh at the same learning
        rate (O'Donoghue and Candes 2015). Where rounding hides the gain, a few steps
        more are taken than can be seen to lower the function.
        """
        self.unseen = 0 if value < run.value else self.unseen + (value == run.value)
        if value <= run.value and self.unseen < MAX_HALVINGS:
            self.size *= GROW
            return True
        if run.fresh or not run.rule.slots or not math.isfinite(value):
            self.size *= SHRINK
        return False

    def plateau(self, eta):
        """Nothing to do: the learning rate changes in every step."""
