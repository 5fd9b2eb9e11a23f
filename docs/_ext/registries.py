"""Directives that write down what the registries hold, so that pages cannot lag behind.

``{registered} optimizers`` is a table of a registry: name, class, first sentence.
``{optimizer} adam`` lists the facts of one optimizer: parameters with their defaults,
its source, and a picture.
"""

import inspect
import re

import optimizer_pictures
from nested import Nested
from numpydoc.docscrape import NumpyDocString

from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS
from sklgd.schedules import SCHEDULES

REGISTRIES = {"losses": LOSSES, "optimizers": OPTIMIZERS, "schedules": SCHEDULES}


def documented(cls):
    """The docstring in its parts, without the signature that Cython puts first."""
    text = inspect.getdoc(cls)
    if text.startswith(f"{cls.__name__}("):
        text = text.partition("\n\n")[2]
    return NumpyDocString(text)


def first_sentence(cls):
    summary = " ".join(documented(cls)["Summary"])
    return summary.replace("*", r"\*").replace("|", r"\|").rstrip(":")


def link(module, cls):
    return f":class:`~sklgd.{module}.{cls.__name__}`"


class Registered(Nested):
    """A table of a registry."""

    required_arguments = 1

    def run(self):
        module = self.arguments[0]
        lines = [".. list-table::", "   :header-rows: 1", ""]
        lines += ["   * - Name, class", "     - Summary"]
        for name, cls in REGISTRIES[module].items():
            lines += [f'   * - | ``"{name}"``', f"       | {link(module, cls)}"]
            lines += [f"     - {first_sentence(cls)}"]
        return self.parse(lines)


class Optimizer(Nested):
    """Facts about one optimizer."""

    required_arguments = 1

    def run(self):
        name = self.arguments[0]
        cls = OPTIMIZERS[name]
        parts = documented(cls)
        defaults = ", ".join(
            f"``{p.name}={p.default!r}``"
            for p in inspect.signature(cls).parameters.values()
        )
        lines = [f':Name: ``"{name}"``, {link("optimizers", cls)}']
        lines += [f":Parameters: {defaults or 'none'}"]
        source = " ".join(line.strip() for line in parts["References"])
        source = re.sub(
            r"\b(\d{4}\.\d{4,5})\b", r"`\1 <https://arxiv.org/abs/\1>`__", source
        )
        lines += [f":Source: {source}"]
        draw = f'import optimizer_pictures; optimizer_pictures.draw("{name}")'
        alt = optimizer_pictures.alt_text(name)
        return self.parse([*lines, "", *self.plot([draw], alt)])


def setup(app):
    app.add_directive("registered", Registered)
    app.add_directive("optimizer", Optimizer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
