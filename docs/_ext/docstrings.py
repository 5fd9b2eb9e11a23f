"""Docstrings of formulas in plain characters, made ready for Sphinx.

``|w|`` is an absolute value there, not a substitution of reStructuredText, and Cython's
signatures name C types. A `name` is a link if there is such an object, and code if not.
Parameters become entries of the index, which the search of the site finds first.
"""

import inspect
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.ext.autosummary import AutoLink

import sklgd.display

# Where a name without a module is looked for, outside docstrings.
MODULES = (sklgd, sklgd.display)


class Name(AutoLink):
    """The role of text in single backquotes."""

    def run(self):
        for module in MODULES:
            if self.text.split(".")[0] in module.__all__:
                self.text = f"~{module.__name__}.{self.text}"
                break
        found, errors = super().run()
        code = [
            nodes.literal(self.rawtext, node.astext())
            if isinstance(node, nodes.emphasis)
            else node
            for node in found
        ]
        return code, errors


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


def index_parameters(app, what, name, obj, options, lines):
    if what not in ("class", "function") or ":Parameters:" not in lines:
        return
    owner = name.rpartition(".")[2]
    entries = [
        f"   ! single: {parameter}; parameter of {owner}"
        for parameter in inspect.signature(obj).parameters
        if parameter not in ("args", "kwargs")
    ]
    where = lines.index(":Parameters:")
    lines[where:where] = [".. index::", *entries, ""]


def signature_of_constructor(app, what, name, obj, options, signature, returns):
    """The parameters of ``__init__``, not those of a ``__new__`` that takes any."""
    if what == "class" and signature == "(*args, **kwargs)":
        return str(inspect.signature(obj)), None
    return None


def plain_aliases(app, what, name, obj, options, signature, returns):
    """Names of types in place of Sphinx's own objects for autodoc_type_aliases."""
    if signature and "TypeAliasForwardRef" in signature:
        return re.sub(r"TypeAliasForwardRef\('([\w.]+)'\)", r"\1", signature), returns
    return None


def drop_c_types(app, domain, objtype, content):
    for parameter in content.parent.findall(addnodes.desc_parameter):
        for text in list(parameter.findall(nodes.Text)):
            plain = re.sub(r"^(const )?(double|long|int|bint)(\[.*?\])? ", "", text)
            text.parent.replace(text, nodes.Text(plain))


def setup(app):
    app.add_role("name", Name())
    app.connect("autodoc-process-docstring", escape_bars)
    # After numpydoc, which makes the list of parameters.
    app.connect("autodoc-process-docstring", index_parameters, priority=900)
    app.connect("autodoc-process-signature", signature_of_constructor)
    app.connect("autodoc-process-signature", plain_aliases)
    app.connect("object-description-transform", drop_c_types)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
