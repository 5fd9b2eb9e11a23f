"""What `verbose` says, through `logging`.

``verbose`` decides what is said, the logger "sklgd" where it goes: to the handlers that
are configured, else to stderr. Nothing is configured here, so there is nothing to undo.
"""

import logging
import math
from time import perf_counter

import numpy as np
import scipy.sparse as sp

logger = logging.getLogger("sklgd")

# Why a run has ended: stop_reason_ -> what the last line says.
ENDINGS = {
    "converged": "converged",
    "max_iter": "max_iter reached",
    "early_stopping": "the validation score did not improve any more",
    "diverged": "diverged, the best coefficients are kept",
    "plateau": "little progress, although more is within reach",
    "stalled": "no progress, the learning rate is too small",
    "callback": "a callback asked for it",
    "interrupted": "interrupted, the best coefficients are kept",
}


def say(text):
    """Log a line at level INFO.

    The user has asked for it: only a level set on this very logger silences it, not one
    inherited (the root logger's is WARNING unless somebody changes it).
    """
    if logger.level > logging.INFO or logger.manager.disable >= logging.INFO:
        return
    path, line, function, _ = logger.findCaller(stacklevel=2)
    record = logger.makeRecord(
        logger.name, logging.INFO, path, line, text, (), None, function
    )
    if logger.hasHandlers():
        logger.handle(record)
    elif not logger.disabled and logger.filter(record):
        logging.StreamHandler().handle(record)


class Log:
    """The lines about one run.

    Parameters
    ----------
    verbose : int
        1: a line for each epoch, and why the run has ended. 2: also what the run is
        made of, and for each epoch its time, how much the coefficients have changed and
        what was done about the learning rate.
    began : float, default=None
        Time at which the work has begun; None means now.
    """

    def __init__(self, verbose, began=None):
        self.verbose = verbose
        self.last = perf_counter()
        self.began = self.last if began is None else began

    def begin(self, est, data, state):
        """The run is ready to start."""
        self.coef, self.factor = None, state.factor
        if self.verbose < 2:
            return
        X, plan = data.X, state.plan
        storage = f"CSR with {X.nnz} entries" if sp.issparse(X) else "dense"
        penalty = est._penalty()
        say(
            f"{type(est).__name__}: {data.n_rows} rows, {est.n_features_in_} features "
            f"({storage}, {X.dtype}), {data.n_outputs} output(s), loss={est.loss!r}, "
            f"l1 {_range(penalty.l1)}, l2 {_range(penalty.l2)}"
        )
        eta = state.factor * float(plan.schedule.eta(np.array([state.steps + 1.0]))[0])
        raw = plan.scaling is None and plan.preconditioner is None
        coordinates = "raw" if raw else "centred and scaled"
        say(
            f"optimizer {plan.optimizer!r}, batch size {plan.batch_size!r}, learning "
            f"rate {plan.schedule!r}, at first {eta:.4g}, {coordinates} coordinates, "
            f"prepared in {self.lap():.3g} s"
        )
        self.coef = state.coef.copy()

    def lap(self):
        """Seconds since the last call."""
        last, self.last = self.last, perf_counter()
        return self.last - last

    def epoch(self, name, objective, score, gap, eta, run=None, notes=()):
        """An epoch has ended.

        Parameters
        ----------
        name : str
        objective : float
        score, gap : float or None, nan
        eta : float
        run : Solver
        notes : iterable of str
            What was done about the epoch.
        """
        parts = [f"objective {objective:.8g}"]
        if score is not None:
            parts.append(f"validation score {score:.6g}")
        if not math.isnan(gap):
            parts.append(f"optimality gap {gap:.2g}")
        parts.append(f"learning rate {eta:.4g}")
        if self.verbose >= 2:
            parts += [*self.changes(run), *notes, f"{self.lap():.3g} s"]
        say(f"{name}: {', '.join(parts)}")

    def chunk(self, name, n_rows, curve, score):
        """A call of `partial_fit` of the online learner has ended.

        Parameters
        ----------
        name : str
        n_rows : int
        curve : sequence of float
            Mean progressive loss of each call.
        score : float
            Progressive score of all calls.
        """
        loss = f"progressive loss {curve[-1]:.8g}, " if len(curve) else ""
        say(f"{name}: {n_rows} rows, {loss}progressive score so far {score:.6g}")

    def changes(self, run):
        """How much an epoch has changed the coefficients and the learning rates."""
        coef, factor = run.coef, run.state.factor
        size, change = np.linalg.norm(coef), np.linalg.norm(coef - self.coef)
        share = change / size if size > 0.0 else 0.0
        yield f"coefficients changed by {share:.2g}"
        if factor != self.factor:
            yield f"learning rates times {factor / self.factor:.3g} from now on"
        self.coef, self.factor = coef.copy(), factor

    def trouble(self, diagnosis):
        """What went wrong, if anything did: the text of ``diagnosis_``."""
        if diagnosis is not None:
            say(diagnosis["text"])

    def end(self, monitor):
        """The run has ended."""
        n_epochs, why = len(monitor.loss_curve), ENDINGS[monitor.stop_reason]
        reached = [f"objective {monitor.base + monitor.loss_curve[-1]:.8g}"]
        if not math.isnan(monitor.gap):
            reached.append(f"optimality gap {monitor.gap:.2g}")
        if monitor.validation_scores:
            reached.append(f"best validation score {monitor.best_score:.6g}")
        seconds = perf_counter() - self.began
        say(
            f"stopped after {n_epochs} epoch(s) and {seconds:.3g} s: {why} "
            f"({', '.join(reached)})"
        )


def _range(strength):
    """A strength of the penalty, or the least and largest of several."""
    low, high = np.min(strength), np.max(strength)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
