"""Warns of public names that no page documents, once all pages have been read."""

import importlib
import pkgutil

from sphinx.util import logging

import sklgd

log = logging.getLogger(__name__)


def public_names():
    """Names in __all__ of the package and its public modules, with their modules."""
    modules = [
        f"sklgd.{info.name}"
        for info in pkgutil.iter_modules(sklgd.__path__)
        if not info.name.startswith("_") and info.name != "kernels"
    ]
    for module in ["sklgd", *modules]:
        for name in importlib.import_module(module).__all__:
            if not name.startswith("__"):
                yield f"{module}.{name}"


def check(app, env):
    documented = env.domains["py"].objects
    for name in public_names():
        if name not in documented:
            log.warning("%s is public and has no page", name)


def setup(app):
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
