"""What to say of a run that went wrong: the cause, with figures, and the remedy.

Causes are looked for where the step size is the user's: other runs find their own.
"""

from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from ._auto import Statistics, batches, raw_curvature
from ._trial import possible_gain
from ._validation import optimizer_name

# A run has stopped far from the optimum if a single step adds this share to all that
# was gained: ten per cent, or ten times `tol` if that is more; and a thousandth of the
# loss's natural size, or there was nothing to be gained.
FAR, TIMES_TOL, LEAST = 0.1, 10.0, 1e-3
# Features whose sizes differ by this factor need step sizes of their own.
SPREAD = 10.0
# A step size below this share of the largest stable one is far too small, and one below
# this share of the run's largest has fallen far.
SMALL, FALLEN = 0.1, 0.01
# The last epochs, and the share of them that rises where descent does not settle.
RECENT, RISES = 10, 0.25

LARGER_STEP, SMALLER_STEP = "take a larger step size", "take a smaller step size"
PATIENCE = "take a larger n_iter_no_change"
LESS_NOISE = (
    "let the step size fall (faster), average (average=True), take larger batches"
)
# What is left if nothing else is found.
RAVINE = (
    "The curvature differs much between directions, as with correlated features.",
    "take momentum (optimizer='nesterov') and a smaller tol",
)


def explain(est, training, monitor):
    """The warning about a run that did not diverge, or None.

    A run that calls itself converged although it is far from the optimum gets the
    ``stop_reason`` "plateau".

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    training : Training, or what stands in for it
        At the end of its run.
    monitor : Monitor
    """
    if monitor.tol is None or monitor.stop_reason in ("diverged", "callback"):
        return None
    n_epochs, reason = len(monitor.loss_curve), monitor.stop_reason
    explicit = not (training.state.plan.guarded or monitor.degenerate)
    if monitor.worse_than_null():
        trouble = (
            f"Stopped after {n_epochs} epochs ({reason}) with an objective of "
            f"{monitor.loss_curve[-1]:.4g}, worse than a constant model's "
            f"{monitor.null:.4g}."
        )
        remedies = [] if explicit else ["increase max_iter"]
    elif reason == "max_iter":
        trouble = (
            f"Stopped at max_iter={n_epochs} epochs before convergence: "
            f"{_progress(monitor)}."
        )
        remedies = ["increase max_iter", "use a larger tol if this accuracy is enough"]
        explicit = explicit and not monitor.early_stopping
    elif reason == "converged" and explicit:
        missing = _missing(training, monitor)
        if missing == 0.0:
            return None
        monitor.stop_reason = "plateau"
        trouble = (
            f"Stopped after {n_epochs} epochs that gained little, but far from the "
            f"optimum: at most {1.0 - missing:.0%} of what can be gained over a "
            "constant model has been gained."
        )
        remedies = []
    else:
        return None
    causes = find_causes(est, training, monitor) if explicit else []
    if not causes and monitor.stop_reason == "plateau":
        causes = [RAVINE]
    if not (causes or remedies):
        remedies = ["scale the features and tune the step size"]
    return _advise(est, trouble, causes, remedies)


def explain_divergence(est, training, monitor, epoch, objective, eta):
    """The warning about a run that diverged.

    Parameters
    ----------
    est, training, monitor
        As in `explain`.
    epoch : int
    objective : float
        Reached in that epoch.
    eta : float
        The epoch's largest step size.
    """
    if not training.data.is_finite():
        return (
            "The training data hold NaN or infinity, which they did not when fit "
            f"began: they were changed before epoch {epoch} had ended, by a callback, "
            "another thread or another process. The best coefficients seen before are "
            "kept. Give fit arrays that nothing writes to."
        )
    reached = f"{objective:.3g}" if np.isfinite(objective) else "not finite"
    sizes, optimizer = Sizes(est, training), training.state.plan.optimizer
    if sizes.limit is not None:
        whose = "plain descent" if optimizer.name == "sgd" else optimizer.name
        why = f"{whose} is stable up to about {sizes.limit:.2g}"
    elif sizes.normalised:
        why = (
            f"a step of {optimizer.name} moves each coefficient by about that, and a "
            f"prediction by {eta * sizes.reach:.2g}"
        )
    else:
        why = f"plain descent is stable up to about {sizes.plain_limit:.2g}"
    trouble = (
        f"Gradient descent diverged in epoch {epoch}: the objective is {reached}, that "
        f"of a constant model {monitor.null:.3g}. The step size {eta:.3g} is too large "
        f"for these data ({why}; {sizes}). The best coefficients seen before are kept."
    )
    remedies = [SMALLER_STEP]
    if sizes.differ:
        remedies.append(sizes.remedy)
    return _advise(est, trouble, [], remedies)


def _advise(est, trouble, causes, remedies):
    """A text of the trouble, its causes, and the remedies."""
    ways = [*remedies, *(remedy for _, remedy in causes)]
    if est.learning_rate != "auto":
        ways.append("let learning_rate='auto' choose the step size")
    elif optimizer_name(est.optimizer) != "auto":
        ways.append("let optimizer='auto' choose the method")
    # Several causes may have one remedy.
    *first, last = dict.fromkeys(ways)
    listed = f"{', '.join(first)}, or {last}" if first else last
    sentences = [trouble, *(cause for cause, _ in causes)]
    return f"{' '.join(sentences)} {listed[0].upper()}{listed[1:]}."


def _progress(monitor):
    """How far a run has come that max_iter stopped."""
    if monitor.early_stopping:
        return f"the validation score {monitor.best_score:.4g} may still rise"
    if not np.isnan(monitor.gap):
        return (
            f"the estimated optimality gap is {monitor.gap:.2g}, tol is {monitor.tol:g}"
        )
    before, last = [monitor.start, *monitor.loss_curve][-2:]
    return (
        f"the last epoch lowered the objective by "
        f"{(before - last) / monitor.gained():.2g} of what was gained over a constant "
        f"model, tol is {monitor.tol:g}"
    )


def _missing(training, monitor):
    """Share of all that can be gained that is left, at least; 0.0 if that is little."""
    gained = max(monitor.null - monitor.loss_curve[-1], 0.0)
    far = max(FAR, TIMES_TOL * monitor.tol)
    if far >= 1.0:
        return 0.0
    worth = max(far / (1.0 - far) * gained, LEAST * monitor.unit)
    coef = np.ascontiguousarray(training.coef)
    gain = possible_gain(
        training.data, training.problem, coef, training.l1, training.l2, worth
    )
    return gain / (gained + gain) if gain > 0.0 else 0.0


def find_causes(est, training, monitor):
    """Why descent with the user's step size does badly: pairs (cause, remedy)."""
    optimizer, causes = training.state.plan.optimizer, []
    sizes, unsettled = Sizes(est, training), _unsettled(monitor)
    last, largest = monitor.steps
    if monitor.patient:
        # It began with steps that were far too large on purpose.
        largest = last
    limit = sizes.limit
    if sizes.normalised and largest > 0.0:
        n_steps, needed = training.state.steps, sizes.distance / largest
        if needed > n_steps:
            causes.append((
                f"A step of {optimizer.name} moves a coefficient by about the step "
                f"size {largest:.3g} at most: {n_steps} steps do not do what takes "
                f"some {needed:.0f}.",
                LARGER_STEP,
            ))  # fmt: skip
    elif limit is not None and last > limit:
        causes.append((
            f"The step size {last:.3g} is too large: {optimizer.name} is stable up to "
            f"about {limit:.2g}.",
            SMALLER_STEP,
        ))  # fmt: skip
        unsettled = 0.0
    elif limit is not None and largest < SMALL * limit and not unsettled:
        causes.append((
            f"The step size {largest:.3g} is far below the largest that is stable, "
            f"about {limit:.2g}.",
            LARGER_STEP,
        ))  # fmt: skip
    elif last < FALLEN * largest and monitor.stop_reason != "max_iter":
        causes.append((
            f"The step size has fallen from {largest:.3g} to {last:.3g}.",
            "let it fall more slowly",
        ))  # fmt: skip
    if unsettled:
        if optimizer.training == "descent" and not sizes.full:
            why = f"{sizes.noise} outweighs what steps of {last:.3g} gain"
            remedy = LESS_NOISE
        elif "momentum" in vars(optimizer):
            why, remedy = "momentum swings past the minimum and back", PATIENCE
        else:
            why, remedy = "the steps overshoot the minimum", SMALLER_STEP
        causes.append((
            f"The objective rises and falls from epoch to epoch, by {unsettled:.2g} "
            f"times what was gained: {why}.",
            remedy,
        ))  # fmt: skip
    if sizes.differ:
        causes.append((
            f"T{str(sizes)[1:]}; no step size suits all of them.",
            sizes.remedy,
        ))  # fmt: skip
    return causes


def _unsettled(monitor):
    """Mean change of the objective from epoch to epoch if it does not just fall.

    Over the last epochs, relative to what was gained over the constant model; else 0.0.
    """
    curve = [monitor.start, *monitor.loss_curve][-RECENT - 1 :]
    changes = [after - before for before, after in pairwise(curve)]
    if sum(change > 0.0 for change in changes) <= RISES * len(changes):
        return 0.0
    return float(np.mean(np.abs(changes)) / monitor.gained())


class Sizes:
    """How large the features are, and the steps that they allow.

    Attributes
    ----------
    plain_limit : float
        About the largest stable step size of plain descent in raw coordinates.
    limit : float or None
        The same of the run's optimizer; None if no curvature sets one.
    normalised : bool
        True if a step moves each coefficient by about the step size.
    reach : float
        By how much a prediction changes with all coefficients.
    distance : float
        Size of a coefficient that makes the largest feature predict like the targets.
    among_features, differ : bool
        True if no step size suits both the largest and the smallest feature; or all
        features and the intercept.
    """

    def __init__(self, est, training):
        data, plan = training.data, training.state.plan
        statistics = Statistics.of(data, data.null_model())
        rms = np.sqrt(statistics.var + statistics.mean**2)
        used = np.flatnonzero(rms)
        if len(used):
            ends = used[rms[used].argmin()], used[rms[used].argmax()]
        else:
            ends = 0, 0
        self.low, self.high = (float(rms[j]) for j in ends)
        self.names = [_name(est, j) for j in ends]
        rows = batches(data.n_rows, plan.batch_size)[0]
        self.full, self.sparse = rows == data.n_rows, sp.issparse(data.X)
        batch = "a batch" if rows > 1 else "a single row"
        self.noise = f"the noise in the gradient of {batch}"
        curvature = raw_curvature(data, statistics, plan.batch_size) + training.l2
        largest = curvature
        if not self.full:
            largest = raw_curvature(data, statistics, "full") + training.l2
        self.plain_limit = 2.0 / curvature
        self.limit = plan.optimizer.stable_step(largest, curvature - largest)
        self.normalised = (
            plan.optimizer.normalised and plan.optimizer.training == "descent"
        )
        self.reach = float(rms.sum())
        self.distance = float(statistics.z_unit.max()) / max(1.0, rms.max(initial=0.0))
        self.among_features = self.high > SPREAD * self.low
        # The intercept is the coefficient of a feature of size one.
        self.differ = self.among_features or (
            est.fit_intercept
            and (self.high > SPREAD or SPREAD * np.linalg.norm(rms) < 1.0)
        )

    def __str__(self):
        """The sizes of the smallest and of the largest feature."""
        text = (
            "the features' root mean squares range from "
            f"{self.low:.2g} to {self.high:.2g}"
        )
        if self.among_features:
            return f"{text}, of {self.names[0]} and {self.names[1]}"
        return f"{text}, the intercept's is 1" if self.differ else text

    @property
    def remedy(self):
        """What makes the features alike."""
        how = "(with_mean=False)" if self.sparse else ""
        return f"scale the features (StandardScaler{how})"


def _name(est, j):
    """What the user calls a feature."""
    names = getattr(est, "feature_names_in_", None)
    return f"column {j}" if names is None else repr(str(names[j]))
