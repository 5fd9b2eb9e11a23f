"""What is registered is documented, and the examples in the documentation run."""

import ast
import doctest
import fnmatch
import importlib
import importlib.metadata
import inspect
import json
import os
import pkgutil
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import parsed

import sklgd
from sklgd import display, losses, optimizers, schedules
from sklgd._fit import messages
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS
from sklgd.schedules import SCHEDULES

ROOT = Path(__file__).parent.parent
MADE = {"_build", "api", "auto_examples", "benchmark_report"}  # by docs/build.py
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if not MADE & set(page.relative_to(ROOT).parts)
]
# Pages that derive or record something, where a word may have a technical meaning, and
# the glossary, which names the words that others use.
TECHNICAL = {
    "architecture", "benchmarks", "changelog", "contributing", "decisions", "extend",
    "glossary", "maths",
}  # fmt: skip
USER_PAGES = [
    *(page for page in PAGES if page.stem not in TECHNICAL),
    *sorted((ROOT / "docs" / "examples").rglob("plot_*.py")),
]
# Private, or Germanic, or another word than the one that is used everywhere.
BANNED = re.compile(
    r"\b(step sizes?|natural (size|scale)s?|null models?|rules? of descent|touched "
    r"features|catch(es)? up|catch-up|glides?|coasts?|kinks?|films?|lessons?|of (one's|"
    r"your) own|and (its|their) like|as there|leave away|are let go|in favour of the "
    r"former|no particular kind|anew|afresh|goes on|go on from|whoever|beside|at the "
    r"price|for the price|is bought|settles?|looks? around|tells|is told|on the way)\b",
    re.IGNORECASE,
)
PUBLIC = [
    sklgd.GDClassifier,
    sklgd.GDClassifierCV,
    sklgd.GDRegressor,
    sklgd.GDRegressorCV,
    sklgd.minimize,
    sklgd.path,
    sklgd.to_sklearn,
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


@pytest.mark.some_cases
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


FENCE = re.compile(
    r"^```(?P<kind>.+)\n(?P<options>(?::.*\n)*)(?P<code>(?:.*\n)*?)```$", re.MULTILINE
)


def python_blocks(page):
    """(line, code, package it needs or None) of the Python blocks of a page.

    A block of another library's code says ``:class: needs-PACKAGE``; displays need
    matplotlib.
    """
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        if found["kind"] in ("python", "{code-block} python"):
            needs = re.search(r":class: needs-([\w.]+)", found["options"])
            package = needs[1] if needs else None
            if package is None and "sklgd.display" in found["code"]:
                package = "matplotlib"
            yield text.count("\n", 0, found.start("code")), found["code"], package


def plots(page):
    """Code of the pictures of a page, which runs by itself."""
    for found in FENCE.finditer(page.read_text(encoding="utf-8")):
        if found["kind"] == "{picture}":
            yield found["code"]


def run_page(page, packages):
    """Run a page's blocks in order: examples with prompts, and plain code."""
    variables = {}
    runner = doctest.DocTestRunner()
    parser = doctest.DocTestParser()
    for line, code, needs in python_blocks(page):
        if needs and needs not in packages:
            continue
        if ">>>" not in code:
            exec(compile(code, f"{page.name}:{line}", "exec"), variables)
            continue
        test = parser.get_doctest(code, variables, page.name, str(page), line)
        runner.run(test, clear_globs=False)
        variables |= test.globs
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.exhaustive
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_of_pages_run(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run_page(page, ())


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("page", "package"),
    sorted({(page, b[2]) for page in PAGES for b in python_blocks(page) if b[2]}),
    ids=lambda value: getattr(value, "stem", value),
)
def test_examples_with_other_libraries_run(page, package, monkeypatch, tmp_path):
    pytest.importorskip(package)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    run_page(page, (package,))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(plots(page))], ids=lambda page: page.stem
)
def test_every_picture_says_what_it_shows(page):
    for found in FENCE.finditer(page.read_text(encoding="utf-8")):
        if found["kind"] == "{picture}":
            text = re.search(r"^:alt: (.+)$", found["options"], re.MULTILINE)
            assert text and len(text[1].split()) >= 15, found["code"]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(plots(page))], ids=lambda page: page.stem
)
def test_pictures_of_pages(page):
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    for code in plots(page):
        exec(code, {})
        assert plt.get_fignums()
        plt.close("all")


def test_api_reference_has_every_public_module():
    modules = {
        f"sklgd.{info.name}"
        for info in pkgutil.iter_modules(sklgd.__path__)
        if not info.name.startswith("_") and info.name != "kernels"
    }
    # Their classes and functions get pages by being in __all__.
    listed = (ROOT / "docs" / "api" / "index.md").read_text(encoding="utf-8").split()
    assert {"sklgd", *modules} <= set(listed)


def test_guide_has_every_optimizer():
    text = (ROOT / "docs" / "guide" / "optimizers.md").read_text(encoding="utf-8")
    sections = re.findall(r"^```{optimizer} (\w+)$", text, re.MULTILINE)
    assert sorted(sections) == sorted(OPTIMIZERS)


@pytest.mark.exhaustive
@pytest.mark.parametrize("page", USER_PAGES, ids=lambda page: page.stem)
def test_user_pages_use_the_words_that_others_use(page):
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert [found[0] for found in BANNED.finditer(text)] == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("cls", PUBLIC + DISPLAYS, ids=lambda cls: cls.__name__)
def test_docstrings_use_the_words_that_others_use(cls):
    text = inspect.getdoc(cls).partition("References\n----------")[0]
    assert [found[0] for found in BANNED.finditer(" ".join(text.split()))] == []


def constant_texts():
    """Constant parts of the warnings of the package, of at least 20 characters."""
    yield from (text.partition(". ")[0] for text in messages.WARNINGS.values())
    yield messages.STREAM_WARNING.partition(". ")[0]
    for source in sorted((ROOT / "sklgd").rglob("*.py")):
        for call in ast.walk(parsed(source)):
            if getattr(getattr(call, "func", None), "id", None) != "warn":
                continue
            parts = getattr(call.args[0], "values", [call.args[0]])
            for part in parts:
                if isinstance(part, ast.Constant):
                    first = part.value.strip().partition(". ")[0]
                    if len(first) >= 20:
                        yield first


@pytest.mark.exhaustive
def test_troubleshooting_has_every_warning():
    page = ROOT / "docs" / "troubleshooting.md"
    text = " ".join(page.read_text(encoding="utf-8").replace("> ", "").split())
    texts = list(constant_texts())
    assert len(texts) > 15
    missing = [warning for warning in texts if warning not in text]
    assert not missing, "docs/troubleshooting.md says nothing about these warnings"


@pytest.mark.exhaustive
def test_the_architecture_page_names_what_exists():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    files = [
        path
        for folder in ("sklgd", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".pyx", ".pxd", ".h")
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    words = set(re.findall(r"\w+", text))
    # Paths with and without their endings, after a slash; a star stands for a few.
    paths = {
        f"/{path.relative_to(ROOT).as_posix()}"
        for file in files
        for path in (file, file.with_suffix(""), file.parent)
    }

    def exists(name):
        if "*" in name:
            return bool(fnmatch.filter(paths, f"*/{name}"))
        if any(path.endswith(f"/{name.rstrip('/')}") for path in paths):
            return True
        return words.issuperset(re.findall(r"\w+", name))

    names = set(re.findall(r"`([^`\n]+)`", page))
    assert len(names) > 100
    assert not [name for name in sorted(names) if not exists(name)]


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900


@pytest.mark.exhaustive
def test_links_of_the_package_description_are_absolute():
    pytest.importorskip("setuptools")
    names = runpy.run_path(str(ROOT / "setup.py"), run_name="setup")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    text = names["package_description"](readme)
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 8
    for link in links:
        path = link.removeprefix(names["FILES"]).removeprefix(names["PICTURES"])
        assert path != link
        assert (ROOT / path.partition("#")[0]).exists(), link


# Made by the build from a file elsewhere.
BUILT = {"auto_examples/": "docs/examples/", "benchmark_report/": "benchmarks/"}
REPOSITORY = "https://github.com/sklgd/sklgd/blob/main/"
LINKED_PAGES = [
    *PAGES,
    *(ROOT / f"{name}.md" for name in ("CONTRIBUTING", "CHANGELOG")),
]


def links(page):
    """Targets of the links and pictures of a page, outside its code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    text = re.sub(r"`[^`]*`(?!\])", "", text)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page):
    """What a link to a heading of a page may say."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    named = re.findall(r"^\((\S+)\)=$", text, re.M)
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles} | {
        *named
    }


def names_something(name):
    """Whether modules and attributes with this dotted name exist."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found is not None
    return False


@pytest.mark.exhaustive
@pytest.mark.parametrize("page", LINKED_PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for link in links(page):
        if link.startswith(REPOSITORY):
            assert (ROOT / link.removeprefix(REPOSITORY)).exists(), link
        elif "://" in link:
            assert re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]+(/[^\s]*)?", link), link
            api = re.search(r"/generated/((?:sklearn|numpy|scipy)\.[\w.]+)\.html", link)
            assert api is None or names_something(api[1]), link
        elif link.startswith("sklgd."):
            assert names_something(link), link
        elif not link.startswith("mailto:"):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            inside = target.relative_to(ROOT).as_posix()
            for made, source in BUILT.items():
                if f"/{made}" in inside:
                    name = re.sub(r"^index(\.md)?$", "", inside.partition(made)[2])
                    target = ROOT / source / (f"{name}.py" if name else "")
            if not target.exists():
                target = target.with_suffix(".md")
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs/_inventories").iterdir()), ids=lambda path: path.stem
)
def test_inventories_name_what_there_is(path):
    pytest.importorskip(path.stem)
    entries = path.read_text("utf-8").splitlines()[3:]
    assert entries == sorted(set(entries))
    for entry in entries:
        name, _, page = entry.split()
        if not name.startswith("sklearn.callback"):  # new in 1.9
            assert names_something(name), name
        assert page.endswith((f"/{name}.html", *(f"{p}.html" for p in SHARED_PAGES)))


# Pages of several objects in other documentations.
SHARED_PAGES = ("/generator", "/legacy", "/typing", "api")


def test_versions_are_the_same_everywhere():
    version = sklgd.__version__
    about = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (needs,) = (d for d in about["dependencies"] if d.startswith("scikit-learn"))
    first, end = (int(n) for n in re.findall(r"1\.(\d+)", needs))
    assert end - first == 4, "a release supports the four newest minor versions"
    learn = f"1.{first} to 1.{end - 1}"
    python = about["requires-python"].removeprefix(">=")
    badges = ROOT / "docs" / "_static" / "badges"
    assert learn in (badges / "scikit-learn.svg").read_text("utf-8")
    assert python in (badges / "python.svg").read_text("utf-8")
    support = (ROOT / "docs" / "support.md").read_text("utf-8")
    for text in (f"version {version}.", f"{{{version}}}", learn, f"Python | {python} "):
        assert text in support, text
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
    listed = json.loads((ROOT / "docs/_static/versions.json").read_text("utf-8"))
    (newest,) = (entry for entry in listed if entry.get("preferred"))
    assert version.startswith(newest["version"] + ".")


@pytest.mark.exhaustive
@pytest.mark.parametrize("page", LINKED_PAGES, ids=lambda page: page.stem)
def test_images_have_alternative_texts(page):
    text = page.read_text(encoding="utf-8")
    for alt, image in re.findall(r"!\[([^]]*)\]\(([^)]+)\)", text):
        assert len(alt.split()) >= 1, image
    for frame in re.findall(r"<(?:iframe|img)[^>]*>", text):
        assert re.search(r'(title|alt)="[^"]{10,}"', frame), frame


def test_maths_has_every_loss():
    text = (ROOT / "docs" / "maths.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in LOSSES)


def test_guide_has_every_schedule():
    text = (ROOT / "docs" / "guide" / "learning_rate.md").read_text(encoding="utf-8")
    assert all(f'`"{name}"`' in text for name in SCHEDULES)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "script", sorted((ROOT / ".ci").iterdir()), ids=lambda p: p.name
)
def test_scripts_answer_help_and_refuse_unknown_arguments(script):
    def run(argument):
        command = ["bash", str(script), argument]
        # (The python3 of the search path may be one without scikit-learn.)
        env = {**os.environ, "PYTHON": sys.executable}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=env
        )

    answer = run("--help")
    assert answer.returncode == 0 and len(answer.stdout) > 100
    refusal = run("--bogus")
    assert refusal.returncode == 2 and "--bogus" in refusal.stderr
    assert not refusal.stdout


def test_pictures_use_one_palette():
    """Colours are those of Okabe and Ito, greys, black or white."""
    scripts = sorted((ROOT / "docs" / "examples").rglob("plot_*.py"))
    code = {script.name: script.read_text(encoding="utf-8") for script in scripts}
    code |= {page.name: "\n".join(plots(page)) for page in PAGES if any(plots(page))}
    known = {
        "#0072b2",
        "#d55e00",
        "#009e73",
        "#cc79a7",
        "#e69f00",
        "#56b4e9",
        "#f0e442",
    }
    for name, text in code.items():
        found = set(re.findall(r"#[0-9a-f]{6}\b", text.lower()))
        assert found <= known, name
        assert not re.search(
            r"tab:|tab20|\bjet\b|rainbow|\"(red|green|blue)\"", text
        ), name
