"""What is registered is documented, and the examples in the documentation run."""

import doctest
import importlib.metadata
import inspect
import re
from pathlib import Path

import pytest

import sklgd
from sklgd import display, losses, optimizers, schedules
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS
from sklgd.schedules import SCHEDULES

PAGES = sorted((Path(__file__).parent.parent / "docs").glob("*.md"))
PUBLIC = [
    sklgd.GDClassifier,
    sklgd.GDRegressor,
    sklgd.minimize,
    *LOSSES.values(),
    *OPTIMIZERS.values(),
    *SCHEDULES.values(),
]
DISPLAYS = [getattr(display, name) for name in display.__all__]


@pytest.mark.parametrize("cls", PUBLIC, ids=lambda cls: cls.__name__)
def test_examples(cls):
    finder = doctest.DocTestFinder(recurse=False)
    (test,) = finder.find(cls, cls.__name__, module=False, globs={})
    assert test.examples, f"{cls.__name__} has no example"
    report = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(
        test, out=report.append
    )
    assert result.failed == 0, "".join(report)


@pytest.mark.parametrize("cls", OPTIMIZERS.values(), ids=lambda cls: cls.__name__)
def test_every_optimizer_names_its_source(cls):
    _, _, references = inspect.getdoc(cls).partition("References\n----------\n")
    assert re.search(r'"[^"]{15,}"', references), f"{cls.__name__}: no paper"


@pytest.mark.parametrize("cls", PUBLIC + DISPLAYS, ids=lambda cls: cls.__name__)
def test_every_parameter_is_documented(cls):
    document = inspect.getdoc(cls)
    if cls in LOSSES.values():
        parameters = cls.params
    else:
        parameters = inspect.signature(cls).parameters
    for name in parameters:
        documented = [
            line
            for line in document.splitlines()
            if " : " in line
            and name in line.replace("*", "").split(" : ")[0].split(", ")
        ]
        assert documented, f"{cls.__name__} does not document {name}"


@pytest.mark.parametrize(
    ("module", "registry"),
    [(losses, LOSSES), (optimizers, OPTIMIZERS), (schedules, SCHEDULES)],
    ids=["losses", "optimizers", "schedules"],
)
def test_registered_is_public(module, registry):
    for name, cls in registry.items():
        assert getattr(module, cls.__name__) is cls
        if registry is not SCHEDULES:
            assert cls.name == name
            assert cls.__name__ in module.__all__


def test_version():
    assert sklgd.__version__ == importlib.metadata.version("sklgd")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_pages_run(page):
    text = re.sub("^```.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    assert doctest.DocTestRunner().run(test).failed == 0
