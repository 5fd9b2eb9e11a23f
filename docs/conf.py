"""How Sphinx builds the documentation; docs/build.py calls it."""

import sys
from pathlib import Path

import sklgd

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

from elsewhere import MAPPING  # noqa: E402
from palette import STYLE  # noqa: E402

project = "sklgd"
author = copyright = "the sklgd developers"
version = release = sklgd.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "complete",
    "docstrings",
    "elsewhere",
    "mathml",
    "messages",
    "names",
    "narrow_tables",
    "nested",
    "page_head",
    "registries",
    "benchmark_report",
]
intersphinx_mapping = MAPPING
default_role = "name"  # `GDRegressor` in a docstring is a link to its page
templates_path = ["_templates"]
exclude_patterns = ["_build", "examples"]

# Markdown: a page reads well on a forge and in an editor, too.
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

# API: everything in a module's __all__ gets a page, without being listed anywhere.
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_member_order = "bysource"
autodoc_type_aliases = {
    "ArrayLike": "numpy.typing.ArrayLike",
    "Client": "distributed.Client",
}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_validation_checks = {
    "GL03",  # blank lines
    "GL05",  # tabs
    "GL06",  # sections that numpydoc does not know
    "GL07",  # sections in the wrong order
    "GL08",  # no docstring
    "GL10",  # directives
    "SS01",  # no summary
    "PR01",  # parameters without a word
    "PR02",  # parameters that the signature does not have
    "PR10",  # "name: type" without the space before the colon
}
# Cython's classes have no signature that Python can ask for.
numpydoc_validation_overrides = {"PR02": [r"^\w+\(double "]}
# Written by scikit-learn; tuples and results, whose fields are attributes; bases; and
# estimators whose parameters are those of the classes that they extend.
numpydoc_validation_exclude = {
    r"\.set_callbacks$",
    r"\.blocks\.Block(\.count|\.index)?$",
    r"^sklgd\.RegularizationPath$",
    r"\.(Optimizer|Schedule)$",
    r"^sklgd\.dask\.GD\w+$",
}

# Pictures in pages.
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 110)]
plot_rcparams = {
    "figure.figsize": (6.4, 3.4),
    "figure.constrained_layout.use": True,
    "savefig.bbox": "standard",
    **STYLE,
}
plot_apply_rcparams = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "gallery_order.TeachingOrder",
    "abort_on_example_error": False,  # an error is a warning, and those are errors
    "only_warn_on_example_error": True,
    "remove_config_comments": True,
    "show_memory": False,
    "download_all_examples": False,
    "backreferences_dir": "api/backreferences",
    "doc_module": ("sklgd",),
    "image_scrapers": ("matplotlib",),
    "reset_modules": ("matplotlib", "palette.set_style"),
    "matplotlib_animations": True,
}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "sklgd"
html_baseurl = "https://sklgd.readthedocs.io/en/stable/"
html_static_path = ["_static"]
html_css_files = ["sklgd.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "sklgd"},
    "navbar_start": ["navbar-logo", "version-switcher"],
    # The list of versions is that of the newest release, on the pages of all versions.
    "switcher": {
        "json_url": html_baseurl + "_static/versions.json",
        "version_match": ".".join(version.split(".")[:2]),
    },
    "check_switcher": False,  # the build has no network
    "icon_links": [
        {
            "name": "Source code",
            "url": "https://github.com/sklgd/sklgd",
            "icon": "fa-brands fa-github",
        }
    ],
    "header_links_before_dropdown": 5,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "show_prev_next": True,
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
# Pages without others beneath them.
html_sidebars = {name: [] for name in ("benchmarks", "changelog", "maths", "start")}


def without_comments_for_formatters(app, docname, source):
    """Scripts of the gallery need them, and readers of its pages do not."""
    if docname.startswith("auto_examples/"):
        source[0] = source[0].replace("  # fmt: skip", "")


def setup(app):
    app.connect("source-read", without_comments_for_formatters)
