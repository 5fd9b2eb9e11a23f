"""What the displays share: matplotlib, imported late, names and styles of curves."""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import OptimizeResult

# Okabe and Ito 2008, "Color Universal Design": eight colours that people with any kind
# of colour vision can tell apart (without the yellow, which is too light for a line).
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def import_matplotlib(caller):
    """The package, or an error that says how to get it.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            f"{caller} draws with matplotlib, which is not installed: "
            'pip install "sklgd[plot]"'
        ) from error
    return matplotlib


def axes_to_draw_on(ax, caller, projection=None):
    """``ax``, or the axes of a new figure."""
    import_matplotlib(caller)
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.figure(layout="constrained").add_subplot(projection=projection)


def style(number):
    """Colour and dashes of one curve of several."""
    dashes = DASHES[number // len(COLOURS) % len(DASHES)]
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": dashes}


def markers(number, n_points, most):
    """Marker of one curve of several, which tells it apart without its colour.

    At most about ``most`` points get one. Different curves have theirs at different
    places, so that curves on top of each other remain visible.
    """
    step = max(1, -(-n_points // most))
    marker = MARKERS[number % len(MARKERS)]
    offset = number * step // 3 % step
    return {"marker": marker, "markersize": 4, "markevery": (offset, step)}


def for_each(name, kwargs, n_curves):
    """Keywords of each curve: one dict for all, or a list of dicts.

    Raises
    ------
    ValueError
        If there are more or fewer dicts than curves.
    """
    if kwargs is None or isinstance(kwargs, Mapping):
        return [dict(kwargs or {})] * n_curves
    if len(kwargs) != n_curves:
        raise ValueError(
            f"{name} holds {len(kwargs)} dicts for {n_curves} curves. Give one dict "
            "for all of them, or one each."
        )
    return list(kwargs)


def by_name(items, is_one, name):
    """Several things to draw, by their names in the legend.

    Parameters
    ----------
    items : object, list of objects, or dict of str -> object
    is_one : function
        True of a single object.
    name : function
        Name of an object that has none; equal ones are numbered.

    Returns
    -------
    dict of str -> object
    """
    if is_one(items):
        items = [items]
    if isinstance(items, Mapping):
        return dict(items)
    out = {}
    for item in items:
        first = label = name(item)
        number = 1
        while label in out:
            number += 1
            label = f"{first} ({number})"
        out[label] = item
    return out


def is_one_estimator(estimators):
    """True of a single estimator, False of a list or dict of them."""
    return not isinstance(estimators, Mapping | list | tuple)


def describe(estimator):
    """Name of an estimator that was given none."""
    if not hasattr(estimator, "optimizer_"):
        return type(estimator).__name__
    return f"{estimator.optimizer_.name}, batch_size={estimator.batch_size_}"


def is_one_result(results):
    """True of a single OptimizeResult, which is a dict itself."""
    return isinstance(results, OptimizeResult)


def name_of_result(result):
    """Name of an OptimizeResult that was given none."""
    return result.optimizer.name if "optimizer" in result else "path"


def points_on(line):
    """The points of a line in two or three dimensions."""
    is_flat = not hasattr(line, "get_data_3d")
    return np.array(line.get_data() if is_flat else line.get_data_3d()).T


def move(line, points):
    """Give a line in two or three dimensions other points."""
    (line.set_data if points.shape[1] == 2 else line.set_data_3d)(*points.T)
