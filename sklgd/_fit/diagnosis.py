"""The diagnosis of a run that went wrong: causes, with figures, and remedies.

Causes are looked for if the learning rate is explicit; other runs find their own.
"""

import math
from itertools import pairwise

import numpy as np

from .messages import LESS_NOISE, advise, diagnosis_of, figures, plain
from .row_blocks import batches
from .statistics import Statistics, raw_curvatures
from .trial_step import possible_gain

# A run has stopped far from the optimum if a single step adds this share to all that
# was gained: ten per cent, or ten times `tol` if that is more; and a thousandth of the
# scale of the loss, or there was nothing to be gained.
FAR, TIMES_TOL, LEAST = 0.1, 10.0, 1e-3
# Features whose sizes differ by this factor need learning rates of their own.
SPREAD = 10.0
# A learning rate below this share of the largest stable one is far too small, and one
# below this share of the run's largest has fallen far.
SMALL, FALLEN = 0.1, 0.01
# The last epochs, and the share of them that rises where descent does not settle.
RECENT, RISES = 10, 0.25

# Rows and entries of X on which the largest eigenvalue is estimated: the fit may have
# been one epoch, which this should not double.
ROWS, FEWEST_ROWS, ENTRIES = 1024, 256, 2**15

# Rows of a stream after which it is compared with the constant model. Its progressive
# loss may be larger by a share of that model's loss, and by that of so many rows: those
# from which a linear model takes longer to learn than a constant.
FEW_ROWS, WORSE, START = 100, 0.01, 5.0

LARGER_STEP = "take a larger learning rate"
SMALLER_STEP = "take a smaller learning rate"
PATIENCE = "take a larger n_iter_no_change"
# The diagnosis if no other cause is found.
RAVINE = (
    "The curvature differs much between directions, as with correlated features.",
    "take momentum (optimizer='nesterov') and a smaller tol",
)


def explain(settings, training, monitor):
    """The diagnosis of a run that did not diverge, or None if there is no problem.

    A run that counts as converged although it is far from the optimum gets the
    ``stop_reason`` "plateau".

    Parameters
    ----------
    settings : Settings
    training : Solver
        At the end of its run.
    monitor : Monitor
    """
    if monitor.stop_reason in ("diverged", "callback"):
        return None
    n_epochs, reason = len(monitor.loss_curve), monitor.stop_reason
    explicit = not (training.state.plan.guarded or monitor.degenerate)
    worse = monitor.worse_than_null()
    if worse:
        trouble = (
            f"Stopped after {n_epochs} epochs ({reason}) with an objective of "
            f"{monitor.base + monitor.loss_curve[-1]:.4g}, worse than a constant "
            f"model's {monitor.base + monitor.null:.4g}."
        )
        remedies = []
        if reason == "max_iter" and not (explicit or monitor.rising()):
            remedies.append("increase max_iter")
        if not (explicit or settings.batch_size in ("auto", "full")):
            remedies.append("take larger batches (batch_size='auto')")
    elif monitor.tol is None:
        return None
    elif monitor.degenerate and reason == "converged":
        wrong, fewest = _misclassified(training)
        if wrong <= fewest:
            return None
        monitor.stop_reason = "stalled"
        trouble = (
            f"Stopped after {n_epochs} epochs with {wrong:.1%} of the training rows "
            f"misclassified, more than a constant model's {fewest:.1%}."
        )
        remedies = [
            "average (average=True)",
            "take a loss that says how wrong a prediction is, such as loss='hinge'",
        ]
    elif reason == "max_iter":
        trouble = (
            f"Stopped at max_iter={n_epochs} epochs before convergence: "
            f"{_progress(monitor)}."
        )
        remedies = ["increase max_iter", "use a larger tol if this accuracy is enough"]
        if monitor.no_change and not monitor.early_stopping:
            remedies[1] = "use a smaller n_iter_no_change if this accuracy is enough"
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
    elif reason == "plateau":
        trouble = (
            f"Stopped after {n_epochs} epochs, the last of which gained nothing "
            "although a single step along the gradient could gain more than "
            f"{TIMES_TOL:g} times what tol={monitor.tol:g} asks for."
        )
        remedies = ["use a larger tol if this accuracy is enough"]
        if training.state.plan.batch_size != "full":
            remedies.insert(0, "take larger batches (batch_size='full')")
            if settings.average:
                remedies.insert(0, "use average=False")
    elif reason == "stalled":
        trouble = (
            f"Stopped after {n_epochs} epochs, the last of which made no progress."
        )
        remedies = ["take larger batches (batch_size='auto')"]
    else:
        return None
    sizes = Sizes(settings, training) if explicit else None
    causes = find_causes(sizes, training, monitor) if explicit else []
    if explicit and not causes and monitor.stop_reason == "plateau":
        causes = [RAVINE]
    if not (causes or remedies):
        remedies = ["scale the features and tune the learning rate"]
    problem = "worse_than_constant" if worse else monitor.stop_reason
    if reason == "plateau" and not worse:
        problem = "accuracy"
    return advise(settings, problem, trouble, causes, remedies, figures(monitor, sizes))


def explain_stream(stream):
    """The diagnosis of a stream whose predictions are worse than a constant model's.

    Parameters
    ----------
    stream : Stream

    Returns
    -------
    diagnosis : dict or None
    """
    learner = stream.learner
    loss, weight = learner.progress()
    constant = learner.constant_loss()
    n_rows = learner.n_rows
    if n_rows < FEW_ROWS or not weight > 0.0:
        return None
    if not loss - constant > (WORSE + START / n_rows) * abs(constant):
        return None
    loss = stream.users_loss(loss / weight)
    constant = stream.users_loss(constant / weight)
    trouble = (
        f"The progressive loss of the {n_rows} rows so far is {loss:.4g}, that of "
        f"a constant model {constant:.4g}."
    )
    known = plain({"progressive_loss": loss, "constant_model_loss": constant})
    remedies = [
        "look for rows with wrong values",
        "learn rows in random order",
        "begin a new model where what the rows say has changed",
    ]
    return diagnosis_of("worse_than_constant", trouble, [], remedies, known)


def explain_rule_stream(settings, training, eta):
    """The diagnosis of a stream of an update rule that is worse than no model at all.

    Parameters
    ----------
    settings, training
        As in `explain`, after a call.
    eta : float
        The largest learning rate of the call.

    Returns
    -------
    diagnosis : dict or None
    """
    state = training.state
    objective, null = state.recent
    if training.data.loss.degenerate or state.rows < FEW_ROWS:
        return None
    if not objective - null > (WORSE + START / FEW_ROWS) * abs(null):
        return None
    sizes = Sizes(settings, training)
    trouble = (
        f"The mean objective of about the last {FEW_ROWS} rows, after they were "
        f"learnt, is {objective:.4g}, that of a model of zeros {null:.4g}; the "
        f"learning rate is {eta:.3g}, and {sizes}."
    )
    known = {"objective": objective, "constant_model_objective": null}
    known["largest_learning_rate"] = eta
    remedies = [SMALLER_STEP]
    if sizes.differ:
        remedies.append(sizes.remedy)
    return advise(settings, "worse_than_constant", trouble, [], remedies, plain(known))


def explain_divergence(settings, training, monitor, epoch, objective, eta):
    """The diagnosis of a run that diverged.

    Parameters
    ----------
    settings, training, monitor
        As in `explain`.
    epoch : int
    objective : float
        Reached in that epoch.
    eta : float
        The epoch's largest learning rate.
    """
    if not training.data.is_finite():
        trouble = (
            "The training data hold NaN or infinity, which they did not when fit "
            f"began: they were changed before epoch {epoch} had ended, by a callback, "
            "another thread or another process. The best coefficients seen before are "
            "kept."
        )
        remedies = ["give fit arrays that nothing writes to"]
        known = figures(monitor) | {"n_iter": epoch}
        return diagnosis_of("data_changed", trouble, [], remedies, known)
    plan = training.state.plan
    if plan.guarded:
        trouble = (
            f"Stopped in epoch {epoch}: the objective or its gradient left the range "
            "of float64. The best coefficients seen before are kept."
        )
        remedies = ["scale the features and y"]
        known = figures(monitor) | {"n_iter": epoch}
        return advise(settings, "overflow", trouble, [], remedies, known)
    objective += monitor.base
    reached = f"{objective:.3g}" if np.isfinite(objective) else "not finite"
    sizes, optimizer = Sizes(settings, training), plan.optimizer
    if sizes.limit is not None:
        whose = "plain descent" if optimizer.steps_plainly else optimizer.name
        why = f"{whose} is stable up to about {sizes.limit:.2g}"
    elif sizes.normalised:
        why = (
            f"a step of {optimizer.name} moves each coefficient by about that, and a "
            f"prediction by {eta * sizes.reach:.2g}"
        )
    elif sizes.plain_limit is not None:
        why = f"plain descent is stable up to about {sizes.plain_limit:.2g}"
    else:
        why = None
    trouble = (
        f"Gradient descent diverged in epoch {epoch}: the objective is {reached}, that "
        f"of a constant model {monitor.base + monitor.null:.3g}. "
    )
    if why is None or not eta > 0.0:
        trouble += f"The numbers overflow float64: {sizes}."
    else:
        trouble += (
            f"The learning rate {eta:.3g} is too large for these data ({why}; {sizes})."
        )
    trouble += " The best coefficients seen before are kept."
    remedies = [SMALLER_STEP]
    if sizes.differ:
        remedies.append(sizes.remedy)
    known = figures(monitor, sizes) | {"n_iter": epoch}
    known |= plain({"objective": objective, "largest_learning_rate": eta})
    return advise(settings, "diverged", trouble, [], remedies, known)


def _progress(monitor):
    """How far a run has come that max_iter stopped."""
    if monitor.early_stopping:
        return f"the validation score {monitor.best_score:.4g} may still rise"
    if not np.isnan(monitor.gap):
        return (
            f"the estimated optimality gap is {monitor.gap:.2g}, tol is {monitor.tol:g}"
        )
    if monitor.no_change:
        return (
            f"{monitor.no_change} epoch(s) in a row gained less than what is asked for "
            f"(tol is {monitor.tol:g}), and n_iter_no_change="
            f"{monitor.n_iter_no_change} of them end a fit"
        )
    before, last = [monitor.start, *monitor.loss_curve][-2:]
    return (
        f"the last epoch lowered the objective by "
        f"{(before - last) / monitor.gained():.2g} of what was gained over a constant "
        f"model, tol is {monitor.tol:g}"
    )


def _misclassified(training):
    """Share of the weight of misclassified rows, and that of the best constant model.

    A loss that is least at zero coefficients is judged by this.
    """
    data = training.data
    n_rows, K = data.n_rows, data.n_outputs
    _, target, weights = data.part(0, n_rows)
    z = np.empty((n_rows, K))
    training.problem.raw_predictions(np.ascontiguousarray(training.coef), z)
    if K == 1 or data.loss.separate_targets:
        target = target.reshape(n_rows, K) > 0.0
        wrong = np.average((target != (z > 0.0)).mean(axis=1), weights=weights)
        share = np.average(target, axis=0, weights=weights)
        return float(wrong), float(np.minimum(share, 1.0 - share).mean())
    target, predicted = target.astype(np.intp), z.argmax(axis=1)
    counts = np.bincount(target, weights)
    wrong = np.average(target != predicted, weights=weights)
    return float(wrong), float(1.0 - counts.max() / counts.sum())


def _missing(training, monitor):
    """Share of all that can be gained that is left, at least; 0.0 if that is little."""
    gained = max(monitor.null - monitor.loss_curve[-1], 0.0)
    far = max(FAR, TIMES_TOL * monitor.tol)
    if far >= 1.0:
        return 0.0
    worth = max(far / (1.0 - far) * gained, LEAST * monitor.unit)
    coef = np.ascontiguousarray(training.coef)
    gain = possible_gain(training.data, training.problem, coef, training.penalty, worth)
    return gain / (gained + gain) if gain > 0.0 else 0.0


def find_causes(sizes, training, monitor):
    """Causes of poor progress with an explicit learning rate: (cause, remedy)."""
    optimizer, causes = training.state.plan.optimizer, []
    unsettled = _unsettled(monitor)
    last, largest = monitor.steps
    if monitor.patient:
        # The schedule starts with steps that are too large on purpose.
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
            f"The learning rate {last:.3g} is too large: {optimizer.name} is stable up "
            f"to about {limit:.2g}.",
            SMALLER_STEP,
        ))  # fmt: skip
        unsettled = 0.0
    elif limit is not None and largest < SMALL * limit and not unsettled:
        causes.append((
            f"The learning rate {largest:.3g} is far below the largest that is stable, "
            f"about {limit:.2g}.",
            LARGER_STEP,
        ))  # fmt: skip
    elif last < FALLEN * largest and monitor.stop_reason != "max_iter":
        causes.append((
            f"The learning rate has fallen from {largest:.3g} to {last:.3g}.",
            "let it fall more slowly",
        ))  # fmt: skip
    if unsettled:
        if optimizer.rule is not None and not sizes.full:
            why = f"{sizes.noise} outweighs what steps of {last:.3g} gain"
            remedy = LESS_NOISE
        elif "momentum" in vars(optimizer):
            why, remedy = "momentum overshoots the minimum", PATIENCE
        else:
            why, remedy = "the steps overshoot the minimum", SMALLER_STEP
        causes.append((
            f"The objective rises and falls from epoch to epoch, by {unsettled:.2g} "
            f"times what was gained: {why}.",
            remedy,
        ))  # fmt: skip
    if sizes.differ:
        causes.append((
            f"T{str(sizes)[1:]}; no learning rate suits all of them.",
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
    """Sizes of the features, and the learning rates that they allow.

    Attributes
    ----------
    plain_limit : float or None
        About the largest stable learning rate of plain descent in raw coordinates; None
        if float64 cannot hold it.
    limit : float or None
        The same of the run's optimizer; None also if no curvature sets one.
    low, high : float
        Root mean square of the smallest feature that is not zero, and of the largest.
    names : list of str
        Their names in messages.
    normalised : bool
        True if a step moves each coefficient by about the learning rate.
    reach : float
        By how much a prediction changes with all coefficients.
    distance : float
        Size of a coefficient that makes the largest feature predict like the targets.
    among_features, differ : bool
        True if no learning rate suits both the largest and the smallest feature; or all
        features and the intercept.
    """

    def __init__(self, settings, training):
        data, plan = training.data, training.state.plan
        statistics = Statistics.of(data, data.fit_intercept_only())
        rms = np.sqrt(statistics.var + statistics.mean**2)
        used = np.flatnonzero(rms)
        if len(used):
            ends = used[rms[used].argmin()], used[rms[used].argmax()]
        else:
            ends = 0, 0
        self.low, self.high = (float(rms[j]) for j in ends)
        self.names = [_name(settings, data.number_of(j)) for j in ends]
        rows = batches(data.n_rows, plan.batch_size)[0]
        self.full, self.sparse = rows == data.n_rows, data.sparse
        batch = "a batch" if rows > 1 else "a single row"
        self.noise = f"the noise in the gradient of {batch}"
        some = min(ROWS, max(FEWEST_ROWS, ENTRIES // max(1, int(data.entries_per_row))))
        sample = data.of_rows(data.spaced(-(-data.n_rows // some)))
        curvature, largest = raw_curvatures(
            data, statistics, [plan.batch_size, "full"], sample
        )
        l2 = float(np.max(training.penalty.l2))
        curvature, largest = curvature + l2, largest + l2
        self.plain_limit = _possible(2.0 / curvature)
        self.limit = _possible(plan.optimizer.stable_step(largest, curvature - largest))
        self.normalised = plan.optimizer.normalised and plan.optimizer.rule is not None
        self.reach = float(rms.sum())
        self.distance = float(statistics.z_unit.max()) / max(1.0, rms.max(initial=0.0))
        self.among_features = self.high > SPREAD * self.low
        # The intercept is the coefficient of a feature of size one.
        self.differ = self.among_features or (
            settings.fit_intercept
            and (self.high > SPREAD or SPREAD * math.hypot(*rms.tolist()) < 1.0)
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
        """The remedy that gives the features equal sizes."""
        how = "(with_mean=False)" if self.sparse else ""
        return f"scale the features (StandardScaler{how})"


def _possible(limit):
    """A largest stable learning rate as a float, or None if it is not positive."""
    return float(limit) if limit is not None and 0.0 < limit < math.inf else None


def _name(settings, j):
    """The name of a feature in messages."""
    names = settings.feature_names
    return f"column {j}" if names is None else repr(str(names[j]))
