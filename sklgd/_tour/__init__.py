"""A tour of sklgd in a few seconds: ``python -m sklgd``.

Everything runs on data sets that scikit-learn bundles; nothing is downloaded.
"""

import argparse
import platform
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import sklearn

import sklgd

from .picture import plot_problem, save_plot
from .sections import SECTIONS
from .text import heading


def parser():
    """Build the command line's argument parser."""
    result = argparse.ArgumentParser(
        prog="python -m sklgd",
        description="A tour of sklgd on data that scikit-learn bundles. It takes a few "
        "seconds and needs no network.",
    )
    result.add_argument(
        "--list", action="store_true", help="print the titles of the sections and stop"
    )
    result.add_argument(
        "--section",
        metavar="N",
        type=int,
        nargs="+",
        choices=range(1, len(SECTIONS) + 1),
        help="run only the sections with these numbers (default: all)",
    )
    result.add_argument(
        "--plot",
        metavar="FILE",
        type=Path,
        help="save the loss curves of sections 2 and 3 as a picture, for example "
        'curves.png (needs matplotlib: pip install "sklgd[plot]")',
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
    if options.list:
        for number, section in enumerate(SECTIONS, 1):
            print(f"{number}. {section.title}")
        return 0
    numbers = sorted(set(options.section or range(1, len(SECTIONS) + 1)))
    drawn = [number for number in numbers if SECTIONS[number - 1].has_curves]
    if options.plot is not None:
        problem = plot_problem(options.plot)
        if problem is None and not drawn:
            problem = "--plot draws loss curves: add section 2 or 3"
        if problem is not None:
            command_line.error(problem)
    start = time.perf_counter()
    print(
        f"sklgd {sklgd.__version__}, scikit-learn {sklearn.__version__}, "
        f"NumPy {np.__version__}, Python {platform.python_version()}"
    )
    curves = {}
    for number in numbers:
        section = SECTIONS[number - 1]
        heading(number, section.title)
        curves[section.title] = section.run(options.seed)
    if options.plot is not None:
        titles = [SECTIONS[number - 1].title for number in drawn]
        save_plot(options.plot, {title: curves[title] for title in titles})
        print(f"The loss curves are in {options.plot}.")
    print(f"This took {time.perf_counter() - start:.1f} s.")
    print(f"Next: the guide at {address_of_the_guide()}")
    return 0


def address_of_the_guide():
    """Where the documentation is, according to the package's metadata."""
    addresses = metadata.metadata("sklgd").get_all("Project-URL", [])
    return dict(address.split(", ", 1) for address in addresses)["Documentation"]
