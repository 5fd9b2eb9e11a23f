"""``{messages}`` lists the texts of all errors, as they stand in the source.

Figures and names that a message gets when it is raised are shown as three dots.
"""

import ast
import re
from pathlib import Path

from nested import Nested

import sklgd

SOURCE = Path(sklgd.__file__).parent
# Heading -> the beginnings of the paths of its modules; the rest is of the estimators.
AREAS = {
    "Estimators": [""],
    "Searches and paths": ["_cv", "_tuning"],
    "Blocks, files and clusters": [
        "blocks",
        "dask",
        "_fit_blocks",
        "_partial_fit_blocks",
    ],
    "minimize": ["_minimize"],
    "Displays": ["display"],
}
ERRORS = {"ValueError", "TypeError", "AttributeError", "RuntimeError", "ImportError"}


def text(node):
    """The constant text of an expression, with dots for what is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text(node.left) + text(node.right)
    return "..."


def messages(path):
    """(name of the error, its text) of each error that a module raises."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
            continue
        name, arguments = ast.unparse(node.exc.func), node.exc.args
        if name in ERRORS and arguments:
            found = re.sub(r"\.{4,}", "...", text(arguments[0]).strip())
            if len(found.replace("...", "").strip()) >= 20:
                yield name, found


def area(path):
    """The heading of a module: the last one that fits."""
    return [
        title
        for title, beginnings in AREAS.items()
        if any(path.startswith(beginning) for beginning in beginnings)
    ][-1]


class Messages(Nested):
    """Lists of all messages, by area."""

    def run(self):
        found = {title: set() for title in AREAS}
        for path in SOURCE.rglob("*.py"):
            found[area(path.relative_to(SOURCE).as_posix())].update(messages(path))
        lines = []
        for title, texts in found.items():
            lines += [f".. rubric:: {title}", ""]
            for name, message in sorted(texts, key=lambda pair: pair[1].lower()):
                lines += [f"- ``{message.replace('`', '')}`` (``{name}``)"]
            lines += [""]
        return self.parse(lines)


def setup(app):
    app.add_directive("messages", Messages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
