"""Epochs of a run, one by one or several before the objective is looked at."""

import math
from copy import copy, deepcopy


class Point:
    """Where a run stood after an epoch.

    Parameters
    ----------
    run : Epochs
    last, largest : float
        Step sizes of the epoch.
    objective : float or None
        F; None if it is still to be found.

    Attributes
    ----------
    kept : object
        What the run can be restored from, if it has gone on; else None.
    """

    kept = counts = None

    def __init__(self, run, last, largest, objective):
        self.run, self.last, self.largest = run, last, largest
        self.objective = objective
        if objective is None:
            self.kept = run.snapshot()
            self.counts = run.state.steps, run.state.rows

    def forget_later(self):
        """Take back the count of the epochs run after this one."""
        if self.counts is not None:
            self.run.state.steps, self.run.state.rows = self.counts


class Epochs:
    """Base of the classes that run the epochs of a fit."""

    longest_run = 1
    """Epochs that may be run before F is found for all of them."""

    full = False
    """True for batch descent."""

    steps_singly = False
    """True for SGD's steps of single rows with a learning rate of the user's."""

    may_add_zeros = False
    """True if `add_zeros` may find some."""

    reported = None
    """Coefficients to report that are not the last iterate, once there are any."""

    interrupted = False
    """True after Ctrl-C among several epochs, of which some had ended."""

    def advance(self, n_epochs):
        """Run epochs, one or more of ``n_epochs``, at most `longest_run`.

        Returns
        -------
        points : list of Point
            One for each.
        """
        last, largest = self.epoch()
        return [Point(self, last, largest, self.settle())]

    def has_full_rank(self):
        """True if the run has shown that the columns of X are independent."""
        return False

    def growth(self):
        """By how much an epoch of learning rate one can raise a degenerate objective.

        Infinite where the method itself sees to it that its steps are not too large.
        """
        return math.inf

    def likely_gap(self, gap):
        """Estimate of the optimality gap at the end, where ``gap`` is a bound of it."""
        return gap

    def add_zeros(self, objective):
        """F at the coefficients to report: those of most methods have their zeros."""
        return objective

    def frozen(self):
        """The state as `keep` would leave it now; the run goes on with its own."""
        run = copy(self)
        state = run.state = copy(self.state)
        state.plan = copy(state.plan)
        if "rng" in vars(state):
            state.rng = deepcopy(state.rng)
        run.keep()
        return state
