"""Directives that write reStructuredText, for pages in Markdown as for others.

``{picture}`` runs the Python code in it and shows the code and what it drew; it is
matplotlib's ``plot``, which Markdown cannot hold by itself.
"""

from docutils import nodes
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

    def plot(self, code, source=True):
        """Lines that draw what ``code`` draws, under a name of its own."""
        number = self.env.new_serialno("picture")
        name = self.env.docname.replace("/", "-")
        return [
            ".. plot::",
            f"   :include-source: {source}",
            f"   :filename-prefix: {name}-{number}",
            "",
            *(f"   {line}" for line in code),
        ]


class Picture(Nested):
    """Python code and its picture."""

    has_content = True

    def run(self):
        return self.parse(self.plot(self.content))


def setup(app):
    app.add_directive("picture", Picture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
