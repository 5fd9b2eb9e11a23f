"""A tour of sklgd in a few seconds: ``python -m sklgd``.

Everything runs on data sets that scikit-learn bundles; nothing is downloaded.
"""

import argparse
import platform
import time
from pathlib import Path

import numpy as np
import sklearn

import sklgd

from .picture import plot_problem, save_plot
from .sections import (
    batch_modes,
    comparison,
    grid_search,
    optimizers,
    pipelines,
    too_large_a_step,
)


def parser():
    """Build the command line's argument parser."""
    result = argparse.ArgumentParser(
        prog="python -m sklgd",
        description="A tour of sklgd on data that scikit-learn bundles. It takes a few "
        "seconds and needs no network.",
    )
    result.add_argument(
        "--plot",
        metavar="FILE",
        type=Path,
        help="save the loss curves as a picture, for example curves.png "
        '(needs matplotlib: pip install "sklgd[plot]")',
    )
    result.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=0,
        help="seed of the train/test splits and of the order of the rows (default: 0)",
    )
    return result


def main(arguments=None):
    """Run the tour; return the exit code."""
    command_line = parser()
    options = command_line.parse_args(arguments)
    if options.plot is not None and (problem := plot_problem(options.plot)):
        command_line.error(problem)
    start = time.perf_counter()
    print(
        f"sklgd {sklgd.__version__}, scikit-learn {sklearn.__version__}, "
        f"NumPy {np.__version__}, Python {platform.python_version()}"
    )
    pipelines(options.seed)
    batch_curves = batch_modes(options.seed)
    optimizer_curves, minimum = optimizers(options.seed)
    grid_search(options.seed)
    comparison(options.seed)
    too_large_a_step(options.seed)
    if options.plot is not None:
        save_plot(options.plot, batch_curves, optimizer_curves, minimum)
        print(f"The loss curves of sections 2 and 3 are in {options.plot}.")
    print(f"The whole tour took {time.perf_counter() - start:.1f} s.")
    return 0
