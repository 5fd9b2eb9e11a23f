"""Links to the API pages of the libraries below, made from their addresses.

The build has no network, so there are no inventories to look names up in. All pages of
these sites are named after what they describe.
"""

from docutils import nodes

SITES = {
    "sklearn": "https://scikit-learn.org/stable/modules/generated/{name}.html#{name}",
    "numpy": "https://numpy.org/doc/stable/reference/generated/{name}.html#{name}",
    "scipy": "https://docs.scipy.org/doc/scipy/reference/generated/{name}.html#{name}",
    "matplotlib": "https://matplotlib.org/stable/api/_as_gen/{name}.html#{name}",
}


def link(app, env, node, content):
    name = node.get("reftarget", "")
    library = name.partition(".")[0]
    if node.get("refdomain") != "py" or library not in SITES or name == library:
        return None
    address = SITES[library].format(name=name)
    title = f"(in {library})"
    return nodes.reference("", "", content, refuri=address, reftitle=title)


def setup(app):
    app.connect("missing-reference", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
