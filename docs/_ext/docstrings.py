"""Docstrings of formulas in plain characters, made ready for Sphinx.

``|w|`` is an absolute value there, not a substitution of reStructuredText, and Cython's
signatures name C types.
"""

import re

from docutils import nodes
from sphinx import addnodes


def escape_bars(app, what, name, obj, options, lines):
    formula = False  # inside a ``.. math::`` block
    for i, line in enumerate(lines):
        if line.lstrip().startswith(".. math::"):
            formula = True
        elif line and not line.startswith(" "):
            formula = False
        if not formula:
            parts = re.split(r"(``.*?``)", line)  # literals stay
            parts[::2] = [re.sub(r"(?<!\\)\|", r"\|", part) for part in parts[::2]]
            lines[i] = "".join(parts)


def drop_c_types(app, domain, objtype, content):
    for parameter in content.parent.findall(addnodes.desc_parameter):
        for text in list(parameter.findall(nodes.Text)):
            plain = re.sub(r"^(const )?(double|long|int|bint)(\[.*?\])? ", "", text)
            text.parent.replace(text, nodes.Text(plain))


def setup(app):
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("object-description-transform", drop_c_types)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
