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


def save_plot(file, batch_curves, optimizer_curves, minimum):
    """Draw how far each run is above the minimum of the objective, epoch by epoch."""
    # Without pyplot: no window system is needed and no global state is touched.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, title, curves in zip(
        figure.subplots(1, 2, sharey=True),
        ["Stochastic, mini-batch and batch descent", "Optimizers (batch_size=32)"],
        [batch_curves, optimizer_curves],
        strict=True,
    ):
        for label, curve in curves.items():
            above = np.asarray(curve) - minimum
            axes.plot(np.arange(1, len(curve) + 1), above, label=label)
        axes.set(title=title, xlabel="epoch", yscale="log")
        axes.grid(which="minor", axis="y", alpha=0.15)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.axes[0].set_ylabel("objective above its minimum")
    figure.suptitle("GDClassifier on the breast cancer data, standardised features")
    figure.savefig(file, dpi=120)
