"""The style of all pictures, in pages and in the gallery: Okabe and Ito's colours."""

from cycler import cycler

from sklgd.display._matplotlib import COLOURS

STYLE = {
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def set_style(gallery_conf, fname):
    """What sphinx-gallery calls before each example, after it has reset matplotlib."""
    import matplotlib

    matplotlib.rcParams.update(STYLE)
