"""What search engines and messengers show of a page: a description and a picture.

The description is the page's first paragraph. The picture is the same for all pages and
is drawn at the end of a build.
"""

import re
from html import escape
from importlib import metadata
from pathlib import Path
from textwrap import shorten

from docutils import nodes

# The length that search engines show, and the size that messengers ask for.
LENGTH = 160
PICTURE, WIDTH, HEIGHT = "_static/social.png", 1200, 630
ABOUT = metadata.metadata("sklgd")["Summary"]


def description(doctree):
    """The first paragraph of a page, shortened."""
    paragraphs = doctree.findall(nodes.paragraph) if doctree else ()
    texts = (" ".join(paragraph.astext().split()) for paragraph in paragraphs)
    return shorten(next(filter(None, texts), ABOUT), LENGTH, placeholder=" ...")


def add_tags(app, pagename, templatename, context, doctree):
    text = description(doctree)
    title = re.sub("<[^>]*>", "", context.get("title") or app.config.project)
    tags = {
        "og:title": title,
        "og:description": text,
        "og:type": "website",
        "og:site_name": app.config.project,
        "og:image": app.config.html_baseurl + PICTURE,
        "og:image:alt": "Paths of four optimizers through a curved valley",
    }
    lines = [f'<meta name="description" content="{escape(text)}">']
    lines += [
        f'<meta property="{name}" content="{escape(value)}">'
        for name, value in tags.items()
    ]
    context["metatags"] = "\n".join([context.get("metatags", ""), *lines])


def draw_picture(app, error):
    if error or app.builder.name != "html":
        return
    import matplotlib.pyplot as plt
    import numpy as np

    from sklgd import minimize
    from sklgd.display import DescentPathDisplay

    def valley(x):
        y, slope = x[1] - np.sin(x[0]), np.array([x[0] / 3, 0.0])
        value = x[0] ** 2 / 6 + 3 * y**2
        return value, slope + 6 * y * np.array([-np.cos(x[0]), 1.0])

    rates = {"sgd": 0.14, "nesterov": 0.04, "adagrad": 0.7, "adam": 0.2}
    results = {
        name: minimize(valley, [-4.0, -1.5], jac=True, optimizer=name,
                       learning_rate=rate, max_iter=60)
        for name, rate in rates.items()
    }  # fmt: skip
    with plt.rc_context({"figure.constrained_layout.use": False}):
        figure = plt.figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100)
        ax = figure.add_axes((0, 0, 1, 1))
        DescentPathDisplay.from_result(
            results, lambda x: valley(x)[0], ax=ax, limits=[(-4.6, 3.0), (-2.2, 1.8)],
            line_kw={"linewidth": 3, "markersize": 6},
        )  # fmt: skip
        ax.get_legend().remove()
        for note in list(ax.texts):
            note.remove()
        ax.axis("off")
        right = {"transform": ax.transAxes, "ha": "right"}
        ax.text(0.97, 0.19, "sklgd", fontsize=60, weight="bold", **right)
        ax.text(0.97, 0.08, "Gradient descent for scikit-learn", fontsize=30, **right)
        figure.savefig(Path(app.outdir) / PICTURE, dpi=100)
        plt.close(figure)


def setup(app):
    app.connect("html-page-context", add_tags)
    app.connect("build-finished", draw_picture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
