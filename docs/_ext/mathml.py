"""Formulas as MathML, which browsers show by themselves: no script, no network."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

log = logging.getLogger(__name__)


def converted(node, as_block):
    if re.search(r"\\frac(?!{)", node.astext()):
        log.warning("write \\frac{1}{2}, not \\frac12", location=node)
    try:
        return tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        log.warning("%s in the formula %s", error, node.astext(), location=node)
        return ""


def inline(translator, node):
    translator.body.append(converted(node, as_block=False))
    raise nodes.SkipNode


def block(translator, node):
    translator.body.append(f'<div class="math">{converted(node, as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
