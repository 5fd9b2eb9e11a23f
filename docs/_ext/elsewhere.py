"""Links to the documentation of other libraries, by inventories in _inventories.

The build has no network, so it cannot load the inventories of those sites. The files in
that folder list what our pages name, as `name kind page`. A name of such a library that
is not in its file is a warning, so that no link leads to a page that does not exist.
"""

from pathlib import Path

from sphinx.util import logging

log = logging.getLogger(__name__)
FOLDER = Path(__file__).parent.parent / "_inventories"
SITES = {
    "dask": "https://docs.dask.org/en/stable/",
    "distributed": "https://distributed.dask.org/en/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "pandas": "https://pandas.pydata.org/docs/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "sklearn": "https://scikit-learn.org/stable/",
}
MAPPING = {name: (site, str(FOLDER / f"{name}.inv")) for name, site in SITES.items()}


def known(library):
    """Names in the inventory of a library."""
    lines = (FOLDER / f"{library}.inv").read_text("utf-8").splitlines()
    return {line.split()[0] for line in lines if not line.startswith("#")}


KNOWN = {name for library in SITES for name in [library, *known(library)]}


def warn(app, env, node, content):
    name = node.get("reftarget", "")
    library = name.partition(".")[0]
    if node.get("refdomain") == "py" and library in SITES and name not in KNOWN:
        message = "%s is not in docs/_inventories/%s.inv"
        log.warning(message, name, library, location=node, type="elsewhere")


def setup(app):
    app.connect("missing-reference", warn)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
