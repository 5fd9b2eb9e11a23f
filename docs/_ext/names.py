"""Public names in the text of a page are links to the API, where they occur first."""

from docutils import nodes

import sklgd.blocks
import sklgd.display
import sklgd.losses
import sklgd.optimizers
import sklgd.schedules

# Words that mean something else in most sentences.
AMBIGUOUS = {"path", "Block", "Step", "Loss", "Optimizer", "Schedule"}
METHODS = ("drop_training_state", "fit_blocks", "partial_fit", "partial_fit_blocks")


def public_names():
    """Name in a text -> name of the object."""
    modules = sklgd, sklgd.display, sklgd.blocks
    modules += sklgd.losses, sklgd.optimizers, sklgd.schedules
    names = {
        name: f"{module.__name__}.{name}"
        for module in reversed(modules)
        for name in module.__all__
        if name not in AMBIGUOUS
    }
    return names | {name: f"sklgd.GDClassifier.{name}" for name in METHODS}


def link_names(app, doctree, docname):
    if docname.startswith(("api/generated/", "auto_examples/")):
        return
    objects = app.env.domains["py"].objects
    names = public_names()
    for node in list(doctree.findall(nodes.literal)):
        found = objects.get(names.get(node.astext().removesuffix("()")))
        parents = (nodes.reference, nodes.title)
        if found is None or any(isinstance(p, parents) for p in ancestors(node)):
            continue
        if docname.startswith("coming_from/") and in_first_column(node):
            continue  # another library's
        names.pop(node.astext().removesuffix("()"))
        address = app.builder.get_relative_uri(docname, found.docname)
        link = nodes.reference(
            "", "", internal=True, refuri=f"{address}#{found.node_id}"
        )
        node.replace_self(link)
        link += node


def ancestors(node):
    while node.parent is not None:
        node = node.parent
        yield node


def in_first_column(node):
    cells = (p for p in ancestors(node) if isinstance(p, nodes.entry))
    return any(cell.parent.index(cell) == 0 for cell in cells)


def setup(app):
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
