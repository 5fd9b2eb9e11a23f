"""Which module imports which: the layers of docs/architecture.md."""

import ast
import re
from functools import lru_cache
from pathlib import Path

import sklgd

PACKAGE = Path(sklgd.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    ): path
    for path in PACKAGE.rglob("*.py")
}
# Layer of a module or of all modules of a folder, those of the lowest first. Modules
# that are not named here serve several layers.
LAYERS = [
    ["kernels"],
    ["losses", "optimizers", "penalties", "schedules"],
    ["_fit"],
    ["_solvers"],
    ["_base", "_fit_blocks", "_partial_fit"],
    ["_classifier", "_regressor"],
    ["_cv", "_tuning", "dask"],
]
LAYER = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# One fit goes through the data, the plan, the state, a solver, and an estimator, on
# which searches stand. Each of these needs some of the ones before it.
MOST_LEVELS = 9
# The estimators and the public modules are longer, because of their docstrings.
MOST_LINES, MOST_LINES_OF_A_KERNEL = 600, 1000
ESTIMATORS = ["_classifier.py", "_cv.py", "_regressor.py"]


def statements(body):
    """Statements that run on import, without those for type checkers only."""
    for node in body:
        if isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from statements(node.body)
            yield from statements(node.orelse)
        elif isinstance(node, ast.Try):
            yield from statements(node.body + node.orelse)
        else:
            yield node


@lru_cache(None)
def imports(module):
    """Names of the modules of the package that a module imports."""
    path, found = MODULES[module], set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    # (Imports stand above the first function or class, which take long to parse.)
    head = re.split(
        r"^(?:@|def |class )", path.read_text("utf-8"), maxsplit=1, flags=re.M
    )
    for node in statements(ast.parse(head[0]).body):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*base, *filter(None, [node.module])])
            names = {f"{base}.{alias.name}" for alias in node.names} | {base}
            found |= names & MODULES.keys()
    return found - {"sklgd", module}


def test_no_modules_import_each_other_and_levels_are_few():
    above = []

    @lru_cache(None)
    def level(module):
        assert module not in above, f"a cycle of imports: {above}"
        above.append(module)
        result = 1 + max((level(other) for other in imports(module)), default=0)
        above.remove(module)
        return result

    levels = {module: level(module) for module in MODULES}
    assert max(levels.values()) <= MOST_LEVELS, levels


def test_a_layer_imports_only_from_those_below_it():
    def layer(module):
        return LAYER.get([*module.split("."), ""][1])

    upward = [
        f"{module} imports {other}"
        for module in MODULES
        for other in imports(module)
        if None not in (layer(module), layer(other)) and layer(other) > layer(module)
    ]
    assert not upward


def test_kernels_import_nothing_else_of_the_package_and_nothing_of_scikit_learn():
    for path in (PACKAGE / "kernels").glob("*.p[yx]*"):
        if path.suffix in (".py", ".pyx", ".pxd"):
            text = path.read_text(encoding="utf-8")
            lines = re.findall(r"^ *(?:from|cimport|import) +([\w.]+)", text, re.M)
            wrong = [
                name
                for name in lines
                if name.startswith(("sklearn", "sklgd"))
                and not name.startswith("sklgd.kernels")
            ]
            assert not wrong, path.name


def test_private_modules_and_kernels_are_short():
    def most(path):
        inside = path.relative_to(PACKAGE)
        if inside.parts[0] == "kernels":
            return MOST_LINES_OF_A_KERNEL
        private = any(part.startswith("_") for part in inside.parts)
        return MOST_LINES if private and str(inside) not in ESTIMATORS else None

    long = {
        path.name: n_lines
        for path in PACKAGE.rglob("*")
        if path.suffix in (".py", ".pyx", ".pxd", ".pxi", ".pyi", ".h") and most(path)
        if (n_lines := path.read_bytes().count(b"\n")) > most(path)
    }
    assert not long
