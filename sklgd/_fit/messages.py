"""The form of a diagnosis: the text of its warning, its remedies and its figures.

The warning has one of a few constant texts, so that Python shows it once for all fits
of a search. The figures of a fit are in ``diagnosis_``.
"""

import math

from ..optimizers import optimizer_name

# Problem -> the constant text of its warning, up to `WHERE`.
WARNINGS = {
    "max_iter": "The fit stopped at max_iter before it converged. Increase max_iter, "
    "or use a larger tol.",
    "diverged": "Gradient descent diverged, and the best coefficients seen are kept. "
    "Use a smaller learning rate or learning_rate='auto', or scale the features.",
    "overflow": "The fit left the range of float64, and the best coefficients seen are "
    "kept. Scale the features and y.",
    "worse_than_constant": "The fitted model is worse than a constant one. Use "
    "learning_rate='auto' and optimizer='auto', or scale the features.",
    "stalled": "The fit stopped without progress. Use learning_rate='auto' and "
    "optimizer='auto', or scale the features.",
    "data_changed": "The training data hold NaN or infinity, which they did not when "
    "fit began. Give fit arrays that nothing writes to.",
    "accuracy": "The fit stopped before it reached the accuracy that tol asks for. Use "
    "optimizer='auto' or larger batches, or a larger tol.",
    "plateau": "The fit stopped far from the optimum. Use learning_rate='auto', or "
    "scale the features.",
}
# The same of a stream whose problem is "worse_than_constant".
STREAM_WARNING = (
    "The stream is predicted worse than by a constant model. Look for rows with wrong "
    "values, learn the rows in random order, or begin a new model where the data have "
    "changed."
)
WHERE = " The attribute diagnosis_ holds the causes and the figures."

LESS_NOISE = (
    "let the learning rate fall (faster), average (average=True), take larger batches"
)
LESS_NOISE_OF_AVERAGES = "let the learning rate fall (faster), take larger batches"


def warning(diagnosis, settings):
    """The text of the warning about a run, which no figure of the run changes.

    Where the constant text proposes a parameter's value that is in force, the remedies
    of the diagnosis stand in its place.
    """
    text = WARNINGS[diagnosis["problem"]]
    if optimizer_name(settings.optimizer) == "auto":
        text = text.replace(" and optimizer='auto'", "")
    if any(value in text for value in in_force(settings)):
        text = f"{text.partition('. ')[0]}. {_sentence(diagnosis['remedies'])}"
    return text + WHERE


def in_force(settings):
    """What remedies may propose and the estimator has: texts such as "average=True"."""
    average = bool(settings.average)
    values = [
        f"average={average}",
        f"batch_size={settings.batch_size!r}",
        f"learning_rate={settings.learning_rate!r}",
        f"optimizer={optimizer_name(settings.optimizer)!r}",
    ]
    if settings.batch_size == "full":
        values.append("larger batches")
    return values


def stream_warning():
    """The constant text of the warning about a stream."""
    return STREAM_WARNING + WHERE


def figures(monitor, sizes=None):
    """The figures of a diagnosis, by name; None stands for what is not known."""
    last, largest = monitor.steps
    curve = monitor.loss_curve
    known = {
        "n_iter": len(curve),
        "objective": monitor.base + curve[-1] if curve else math.nan,
        "constant_model_objective": monitor.base + float(monitor.null),
        "optimality_gap": float(monitor.gap),
        "learning_rate": last,
        "largest_learning_rate": largest,
    }
    if sizes is not None:
        known["stable_learning_rate"] = sizes.limit
        known["smallest_feature"] = [sizes.names[0], sizes.low]
        known["largest_feature"] = [sizes.names[1], sizes.high]
    return plain(known)


def plain(known):
    """Numbers that JSON has; None for others."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in known.items()
    }


def advise(settings, problem, trouble, causes, remedies, known):
    """A diagnosis of a run, whose remedies include what "auto" would choose."""
    ways = [*remedies, *(remedy for _, remedy in causes)]
    if settings.average:
        ways = [way.replace(LESS_NOISE, LESS_NOISE_OF_AVERAGES) for way in ways]
    known_values = in_force(settings)
    ways = [way for way in ways if not any(value in way for value in known_values)]
    if settings.learning_rate != "auto":
        ways.append("use learning_rate='auto'")
    elif optimizer_name(settings.optimizer) != "auto":
        ways.append("use optimizer='auto'")
    ways = ways or ["scale the features"]
    return diagnosis_of(problem, trouble, [cause for cause, _ in causes], ways, known)


def diagnosis_of(problem, trouble, causes, remedies, known):
    """The attribute ``diagnosis_`` of the estimators."""
    # Several causes may have one remedy.
    remedies = list(dict.fromkeys(remedies))
    return {
        "problem": problem,
        "text": f"{' '.join([trouble, *causes])} {_sentence(remedies)}",
        "causes": causes,
        "remedies": remedies,
        "figures": known,
    }


def _sentence(remedies):
    """Remedies as a sentence."""
    *first, last = remedies
    listed = f"{', '.join(first)}, or {last}" if first else last
    return f"{listed[0].upper()}{listed[1:]}."
