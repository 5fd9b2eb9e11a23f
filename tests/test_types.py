"""Stubs of the compiled modules say what these modules have."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import sklgd

KERNELS = Path(sklgd.__file__).parent / "kernels"
STUBS = sorted(path.stem for path in KERNELS.glob("*.pyi"))


def parameters(function):
    """Names of the parameters that a stub gives a function, ``self`` left out."""
    given = function.args
    names = [a.arg for a in given.posonlyargs + given.args + given.kwonlyargs]
    return [name for name in names if name != "self"]


def assert_same_parameters(stub, function, where):
    real = [name for name in inspect.signature(function).parameters if name != "self"]
    assert parameters(stub) == real, where


@pytest.mark.parametrize("name", STUBS)
def test_a_stub_names_what_its_module_has(name):
    module = importlib.import_module(f"sklgd.kernels.{name}")
    for node in ast.parse((KERNELS / f"{name}.pyi").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            assert_same_parameters(node, getattr(module, node.name), node.name)
        elif isinstance(node, ast.ClassDef):
            cls = getattr(module, node.name)
            for member in node.body:
                if isinstance(member, ast.AnnAssign):
                    assert hasattr(cls, member.target.id), (node.name, member.target.id)
                elif isinstance(member, ast.FunctionDef):
                    real = getattr(cls, member.name)
                    is_method = not member.decorator_list and member.name != "__init__"
                    if is_method:
                        assert_same_parameters(member, real, (node.name, member.name))


@pytest.mark.exhaustive
def test_every_compiled_module_that_python_imports_has_a_stub():
    imported = set()
    package = KERNELS.parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                _, found, module = node.module.rpartition("kernels.")
                if found and node.level:
                    imported.add(module)
                elif node.module == "kernels":
                    imported.update(alias.name for alias in node.names)
    assert imported
    assert imported <= set(STUBS)
