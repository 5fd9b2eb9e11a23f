"""How notebooks show a fitted estimator: as scikit-learn does, with a summary below."""

from html import escape

import numpy as np
from sklearn.base import BaseEstimator

# Size of the curve, in pixels, and its colours: those of Okabe and Ito.
WIDTH, HEIGHT, MARGIN = 180, 44, 5
CURVE, GOOD, BAD = "#0072B2", "#009E73", "#D55E00"
# The curve is logarithmic over so many decades.
DECADES = 4
# A longer curve is thinned out to about so many points.
MOST_POINTS = 200


class ShowsFit(BaseEstimator):
    """Adds a summary of the fit to scikit-learn's HTML representation."""

    @property
    def _repr_html_(self):
        # Raises AttributeError if scikit-learn is configured to show text.
        diagram = super()._repr_html_
        return lambda: diagram() + summary(self)

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] += summary(self)
        return bundle

    def _chosen(self):
        """What a search has chosen, as texts by name."""
        return {}


def summary(search):
    """What the last fit of an estimator or search did, as HTML, or "" if none was."""
    estimator = getattr(search, "estimator_", search)
    reason = getattr(estimator, "stop_reason_", None)
    if reason is None:
        return ""
    unit = "call" if reason == "partial_fit" else "epoch"
    number = f"{estimator.n_iter_} {unit}{'s' * (estimator.n_iter_ != 1)}"
    facts = {
        **search._chosen(),
        "optimizer": f"{estimator.optimizer_!r}, batch_size={estimator.batch_size_!r}",
        "stop reason": f"{reason}, {number}",
    }
    curve = np.array(estimator.loss_curve_, dtype=float)
    if len(curve):
        facts["objective"] = f"{curve[-1]:.6g}"
    if np.isfinite(estimator.optimality_gap_):
        least = "at most " if estimator.optimality_gap_is_bound_ else ""
        facts["optimality gap"] = f"{least}{estimator.optimality_gap_:.1e}"
    if estimator.best_validation_score_ is not None:
        facts["best validation score"] = f"{estimator.best_validation_score_:.4g}"
    rows = "".join(
        f'<tr><th style="text-align:left;padding:0 1em 0 0">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in facts.items()
    )
    problem = estimator.diagnosis_
    note = ""
    if problem is not None:
        note = (
            f'<details style="color:{BAD}"><summary>What went wrong</summary>'
            f"{escape(problem['text'])}</details>"
        )
    return (
        '<div class="sklgd-fit" style="display:flex;flex-wrap:wrap;gap:1em;'
        'align-items:center;font-size:small;margin:0.5em 0">'
        f'<table style="margin:0">{rows}</table>'
        f"{svg(curve, unit, BAD if problem else GOOD)}{note}</div>"
    )


def svg(curve: np.ndarray, unit: str, colour: str) -> str:
    """The objective above its lowest value, logarithmic, as a small inline picture.

    The colour is that of the dot at its end. The picture is "" if fewer than two
    objectives are finite.
    """
    epochs = np.flatnonzero(np.isfinite(curve))
    if len(epochs) < 2:
        return ""
    kept = np.linspace(0, len(epochs) - 1, min(len(epochs), MOST_POINTS))
    epochs = epochs[kept.round().astype(int)]
    F = curve[epochs] / (np.abs(curve[epochs]).max() or 1.0)
    share = (F - F.min()) / (np.ptp(F) or 1.0)
    depth = np.log10(np.maximum(share, 10.0**-DECADES)) / -DECADES
    x = MARGIN + epochs / epochs[-1] * (WIDTH - 2 * MARGIN)
    y = MARGIN + depth * (HEIGHT - 2 * MARGIN)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    text = (
        f"The objective after each {unit}, from {curve[epochs[0]]:.4g} to "
        f"{curve[epochs[-1]]:.4g}: its "
        "distance from the lowest one, on a logarithmic scale"
    )
    return (
        f'<svg role="img" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><title>{text}</title>'
        f'<polyline fill="none" stroke="{CURVE}" stroke-width="1.5" '
        f'points="{points}"/><circle cx="{x[-1]:.1f}" cy="{y[-1]:.1f}" r="3" '
        f'fill="{colour}"/></svg>'
    )
