"""The picture of the tour's loss curves."""

import importlib.util

import numpy as np


def plot_problem(file):
    """Why ``--plot file`` cannot work, or None if it can."""
    if importlib.util.find_spec("matplotlib") is None:
        return 'matplotlib is not installed; get it with: pip install "sklgd[plot]"'
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    ending = file.suffix.removeprefix(".").lower()
    if ending not in known:
        return f"cannot write {file}: use one of the endings {', '.join(sorted(known))}"
    if not file.absolute().parent.is_dir():
        return f"cannot write {file}: there is no such directory"
    return None


def save_plot(file, sections):
    """Draw the distance of each run from the minimum, epoch by epoch.

    Parameters
    ----------
    file : path
    sections : dict of str -> (dict of str -> list of float, float)
        By the title of the section its loss curves and the minimum.
    """
    # Without pyplot: no window system is needed and no global state is touched.
    from matplotlib.figure import Figure

    from ..display import LossCurveDisplay

    figure = Figure(figsize=(5.5 * len(sections), 5.2), layout="constrained")
    panels = figure.subplots(1, len(sections), sharey=True, squeeze=False)[0]
    for axes, (title, (curves, minimum)) in zip(panels, sections.items(), strict=True):
        curves = {label: np.array(curve) for label, curve in curves.items()}
        LossCurveDisplay(curves, F_star=minimum).plot(axes, kind="gap")
        axes.set(title=title)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
        axes.label_outer()
    figure.suptitle("GDClassifier on the breast cancer data, standardised features")
    figure.savefig(file, dpi=120)
