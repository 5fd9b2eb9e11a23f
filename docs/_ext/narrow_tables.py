"""The heads of columns, repeated in the cells of tables of up to three columns.

On a phone such a table is a stack of cells without a head (_static/sklgd.css), so each
cell has to say to which column it belongs. On wider screens these words are hidden.
"""

from docutils import nodes

COLUMNS = 3


def repeat_heads(app, doctree, docname):
    for group in doctree.findall(nodes.tgroup):
        head = next(iter(group.findall(nodes.thead)), None)
        if head is None or group["cols"] > COLUMNS:
            continue
        names = [entry.astext() for entry in head[0]]
        body = next(iter(group.findall(nodes.tbody)))
        for row in body:
            # The first cell is the title of the stack.
            for name, entry in list(zip(names, row, strict=False))[1:]:
                if not name or not entry.astext():
                    continue
                label = nodes.inline("", f"{name}: ", classes=["column-head"])
                first = entry[0]
                if isinstance(first, nodes.paragraph):
                    first.insert(0, label)
                else:
                    entry.insert(0, nodes.paragraph("", "", label))


def setup(app):
    app.connect("doctree-resolved", repeat_heads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
