"""The loop of `fit`: it runs epochs, keeps the best, and knows when to end."""

import math

import numpy as np

from ..kernels._vector import all_finite
from .diagnosis import TIMES_TOL, explain_divergence
from .monitor import NEGLIGIBLE, relative_gap
from .trial_step import possible_gain

# A learning rate found from the data is halved at most so often before the first epoch
# that improves the objective.
MAX_HALVINGS = 60
# A run whose learning rate was found from the data continues as long as a single step
# can gain more than `tol` times what was gained so far. It ends after STALLS stops in a
# row between which it gained less than this SHARE of that.
STALLS, SHARE = 10, 0.1


class Run:
    """The epochs of one fit.

    Parameters
    ----------
    settings : Settings
    training : Solver
    monitor : Monitor
    validation : Validation or None
    tasks : FitTasks or None
    log : Log or None
    attributes : callable
        Computes the present fitted attributes for a callback, from the run, the monitor
        and the reason for the stop.
    """

    def __init__(self, settings, training, monitor, validation, tasks, log, attributes):
        self.settings, self.training, self.monitor = settings, training, monitor
        self.attributes = attributes
        self.validation, self.tasks, self.log = validation, tasks, log
        self.stalls, self.at_stall = 0, math.inf
        # Of the coefficients that early stopping keeps.
        self.objective = math.nan

    def run(self):
        """Run epochs until `Monitor`, a callback or max_iter ends them.

        Returns
        -------
        diagnosis : dict or None
            The diagnosis if the run diverged.

        Raises
        ------
        KeyboardInterrupt
            With ``monitor.stop_reason`` "interrupted" if an epoch had ended; the
            coefficients are then the best.
        """
        settings, training, monitor = self.settings, self.training, self.monitor
        tasks, log = self.tasks, self.log
        guarded = training.state.plan.guarded
        # (The last of epochs that rise and fall may be a bad one.)
        noisy = not (guarded or training.full or settings.early_stopping)
        objective = monitor.start
        best_objective = monitor.start if guarded else math.inf
        kept = best = start = training.snapshot()
        best_score, best_loss = None, math.inf
        improved_once = accepted = renewed = asked = ended = False
        monitor.stop_reason = "max_iter"
        watched = tasks is not None or log is not None
        try:
            for epoch, point in enumerate(self.points(), start=1):
                eta, largest, after = point.last, point.largest, point.objective
                if monitor.degenerate:
                    monitor.expect(largest)
                # (As `Monitor.diverged` does, without a call in every epoch.)
                out_of_bounds = not after <= monitor.limit
                if out_of_bounds and not (guarded and training.can_recover()):
                    self.end_diverged(point)
                    break
                if not guarded:
                    objective = after
                else:
                    accepted = training.accept(objective, after, kept, out_of_bounds)
                    if accepted:
                        objective, improved_once = after, True
                    renewed = training.refresh_rotation(settings, epoch, accepted)
                    if renewed:
                        monitor.no_change = 0
                        kept = training.snapshot()
                    elif accepted:
                        kept = training.snapshot()
                score, loss = self.score()
                if score != score and not training.data.is_finite():
                    # The validation rows have become NaN or infinite.
                    self.end_diverged(point)
                    break
                if settings.early_stopping:
                    better = score > monitor.best_score or (
                        score == monitor.best_score and loss < best_loss
                    )
                else:
                    better = objective <= best_objective
                # (The loss of a log link may vanish where coefficients are infinite.)
                if better and all_finite(training.coef):
                    snapshot = kept if guarded else point.kept
                    if snapshot is None:
                        snapshot = training.snapshot()
                    # No call stands between these assignments, so that Ctrl-C leaves
                    # all or none of them.
                    best, best_objective = snapshot, objective
                    best_score, best_loss = score, loss
                gap, barrier = training.gap(), training.barrier_weight
                stalled = monitor.record(objective, score, (eta, largest), gap, barrier)
                if watched:
                    undone = guarded and not accepted
                    asked = self.report(score, eta, undone, renewed)
                if stalled:
                    retrying = guarded and not accepted and training.may_cut
                    searching = guarded and not improved_once and epoch < MAX_HALVINGS
                    reported = best_objective if noisy else objective
                    if not (retrying or searching or self.continues(eta, reported)):
                        ended = True
                        break
                if asked:
                    monitor.stop_reason = "callback"
                    break
        except KeyboardInterrupt:
            if monitor.loss_curve:
                if best is start or self.is_no_better_than_start(best_objective):
                    best, best_objective, best_score = start, monitor.start, None
                training.restore(best)
                if settings.early_stopping:
                    monitor.gap = monitor.gap_at(best_objective)
                else:
                    monitor.amend(best_objective, best_score)
                monitor.stop_reason = "interrupted"
            raise
        if ended and noisy:
            objective = best_objective
        if self.has_diverged(objective):
            monitor.stop_reason = "diverged"
            if best is start or self.is_no_better_than_start(best_objective):
                best, best_objective, best_score = start, monitor.start, None
            training.restore(best)
            if best_score is None:
                best_score = self.score()[0]
            monitor.amend(best_objective, best_score)
            return explain_divergence(
                settings, training, monitor, epoch, after, largest
            )
        if settings.early_stopping:
            training.restore(best)
            self.objective = best_objective
        elif guarded and objective - best_objective > NEGLIGIBLE * monitor.unit:
            # A smoothed objective may fall where F itself rises.
            training.restore(best)
            monitor.amend(best_objective, best_score)
        elif ended and noisy and objective < monitor.loss_curve[-1]:
            training.restore(best)
            monitor.amend(best_objective, best_score)
        return None

    def points(self):
        """A `Point` after each epoch, up to max_iter.

        The objectives of several epochs are computed in one pass over X, unless a
        validation set, a log or a callback needs them at once. No run stops before
        `n_iter_no_change` epochs are over.
        """
        settings, training, monitor, tasks = (
            self.settings,
            self.training,
            self.monitor,
            self.tasks,
        )
        awaited = not (self.validation is None and tasks is None and self.log is None)
        left = settings.max_iter
        while left:
            n_epochs = min(left, training.longest_run)
            if awaited:
                n_epochs = 1
                if tasks is not None:
                    tasks.begin_subtask()
            elif settings.tol is not None:
                left_to_stall = settings.n_iter_no_change - monitor.no_change
                n_epochs = max(1, min(n_epochs, left_to_stall))
            points = training.advance(n_epochs)
            left -= len(points)
            yield from points
            if training.interrupted:
                raise KeyboardInterrupt

    def end_diverged(self, point):
        """End the run at this point because it diverged."""
        point.forget_later()
        self.monitor.loss_curve.append(point.objective)
        self.monitor.stop_reason = "diverged"

    def score(self):
        """Score and loss on the validation set, or None and None."""
        if self.validation is None:
            return None, None
        return self.validation(self.training.coef)

    def choose_result(self):
        """Choose the coefficients to report, and give `Monitor` their figures."""
        training, monitor = self.training, self.monitor
        monitor.certified = training.is_certified()
        monitor.gap = training.likely_gap(monitor.gap)
        if self.settings.early_stopping:
            before, _ = self.score()
            # The best epoch need not be the last one, to which the gap belongs.
            monitor.gap = monitor.gap_at(self.objective)
            training.add_zeros(self.objective)
            if self.score()[0] < before:
                training.reported = None
            return
        after = training.finish(monitor.gap)
        if after is not None:
            monitor.gap = after
            monitor.amend(training.objective(), self.score()[0])
        objective = training.add_zeros(monitor.loss_curve[-1])
        if training.reported is not None:
            monitor.amend(objective, self.score()[0])

    def prove(self):
        """Find a bound of the optimality gap where the optimizer estimates none."""
        training, monitor = self.training, self.monitor
        known, n_epochs = not math.isnan(monitor.gap), len(monitor.loss_curve)
        if known or n_epochs < training.proves_after:
            return
        objective = monitor.loss_curve[-1]
        if self.settings.early_stopping:
            objective = self.objective
        excess = training.proof(objective, monitor.null)
        if math.isfinite(excess):
            monitor.gap = relative_gap(excess, monitor.null, objective)
            monitor.certified = True

    def report(self, score, eta, undone, renewed):
        """Report the last epoch to log and callbacks; True if one asks for the end."""
        training, monitor = self.training, self.monitor
        if self.log is not None:
            epoch = len(monitor.loss_curve)
            objective = monitor.base + monitor.loss_curve[-1]
            notes = ["undone"] * undone + ["rotation renewed"] * renewed
            self.log.epoch(
                f"epoch {epoch}", objective, score, monitor.gap, eta, training, notes
            )
        return self.tasks is not None and self.tasks.end_subtask(
            lambda: self.attributes(training, monitor, "callback")
        )

    def is_no_better_than_start(self, objective):
        """True if a run whose best epoch has this objective returns to its start."""
        return not (self.settings.early_stopping or self.monitor.accepts(objective))

    def continues(self, eta, reported):
        """True if the schedule continues a run that stalled, with smaller steps.

        ``reported`` is the objective of the coefficients to report if it does not.
        """
        state, monitor = self.training.state, self.monitor
        plateau = state.plan.schedule.plateau
        if plateau is None or eta <= plateau[1]:
            monitor.stop_reason = monitor.why_stalled(
                state.plan.guarded, self.training.plain, reported
            )
            if state.plan.adaptive and monitor.stop_reason == "converged":
                return self.has_more_to_gain()
            return False
        state.factor *= plateau[0]
        monitor.no_change = 0
        return True

    def has_more_to_gain(self):
        """True if a single step shows that the run can gain more, and continues.

        Its steps were too large, or had not grown again yet. If smaller steps do not
        help either, the run ends with the reason "plateau".
        """
        training, monitor = self.training, self.monitor
        if monitor.degenerate or not math.isnan(monitor.gap):
            return False
        worth = self.settings.tol * monitor.gained()
        coef = np.ascontiguousarray(training.coef)
        gain = possible_gain(
            training.data, training.problem, coef, training.penalty, worth
        )
        if gain == 0.0:
            return False
        objective = monitor.loss_curve[-1]
        moved = self.at_stall - objective > SHARE * worth
        self.stalls = 0 if moved else self.stalls + 1
        self.at_stall = objective
        if self.stalls >= STALLS:
            if gain > TIMES_TOL * worth:
                monitor.stop_reason = "plateau"
            return False
        monitor.stop_reason = "max_iter"
        monitor.no_change = 0
        return True

    def has_diverged(self, objective):
        """True if the run, which is over, has diverged."""
        training, monitor = self.training, self.monitor
        if monitor.stop_reason == "diverged":
            return True
        if not all_finite(training.coef):
            # (The coefficient of a column of zeros has no effect on the objective.)
            return True
        final = monitor.stop_reason != "callback"
        rises = final and training.plain and not training.state.plan.guarded
        return monitor.diverged(objective) or (rises and monitor.rose_to_the_end())
