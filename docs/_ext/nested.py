"""Directives that write reStructuredText, for pages in Markdown as for others.

``{picture}`` runs the Python code in it and shows what it drew, and the code below,
folded. Its option ``:alt:`` says what is to be seen. It is matplotlib's ``plot``, which
Markdown cannot hold by itself.
"""

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


class Nested(SphinxDirective):
    """A directive that writes reStructuredText."""

    def parse(self, lines):
        # MyST reads Markdown; its own eval-rst takes this text as it is.
        if self.env.doc2path(self.env.docname).suffix == ".md":
            lines = ["```{eval-rst}", *lines, "```"]
        node = nodes.container()
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), 0, node)
        return node.children

    def plot(self, code, alt):
        """Lines that draw what ``code`` draws, with a unique file name."""
        number = self.env.new_serialno("picture")
        name = self.env.docname.replace("/", "-")
        return [
            ".. plot::",
            "   :include-source: False",
            f"   :filename-prefix: {name}-{number}",
            f"   :alt: {alt}",
            "",
            *(f"   {line}" for line in code),
        ]


class Picture(Nested):
    """Python code and its picture."""

    has_content = True
    option_spec = {"alt": directives.unchanged_required}

    def run(self):
        if "alt" not in self.options:
            raise self.error("A picture needs :alt:, a text that says what it shows.")
        code = [
            ".. dropdown:: Code of this picture",
            "",
            "   .. code-block:: python",
            "",
            *(f"      {line}" for line in self.content),
        ]
        return self.parse([*self.plot(self.content, self.options["alt"]), "", *code])


def setup(app):
    app.add_directive("picture", Picture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
