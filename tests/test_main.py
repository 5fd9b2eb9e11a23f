"""The tour, ``python -m sklgd``."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sklgd import _tour as tour
from sklgd._tour.sections import LEARNING_RATES
from sklgd._tour.text import show_table, sparkline

HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None
needs_matplotlib = pytest.mark.skipif(
    not HAS_MATPLOTLIB, reason="matplotlib is not installed"
)


def run(*arguments, directory):
    """Run the tour as a user does, outside the repository."""
    return subprocess.run(
        [sys.executable, "-m", "sklgd", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def full_run(tmp_path_factory):
    """One run of the whole tour, with a picture where that is possible."""
    directory = tmp_path_factory.mktemp("tour")
    arguments = ["--plot", "curves.png"] if HAS_MATPLOTLIB else []
    return run(*arguments, directory=directory), directory


def section(text, title):
    """The part of the output below a heading."""
    parts = re.split(r"^\d\. (.*)\n=+\n", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    [body] = [body for name, body in sections.items() if title in name]
    return body


@pytest.mark.exhaustive
def test_exit_code_and_silence(full_run):
    result, _ = full_run
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


@pytest.mark.exhaustive
def test_fits_a_terminal(full_run):
    result, _ = full_run
    assert result.stdout.isascii()
    assert max(map(len, result.stdout.splitlines())) <= 100


@pytest.mark.exhaustive
def test_pipelines(full_run):
    body = section(full_run[0].stdout, "pipeline")
    assert len(re.findall(r"accuracy 0\.9\d+", body)) == 2
    assert "GDRegressor" in body
    assert "converged" in body


@pytest.mark.exhaustive
def test_batch_modes(full_run):
    body = section(full_run[0].stdout, "Batch, mini-batch")
    rows = re.findall(r"^ +(\w+)\S*, .* (\d+) +(\S+e-\d+)  \S+$", body, re.MULTILINE)
    steps = {name: int(steps) for name, steps, _ in rows}
    assert steps == {"stochastic": 426, "mini": 14, "batch": 1}
    distance = [float(value) for _, _, value in rows]
    assert 0.0 < distance[0] < distance[1] < distance[2] > distance[3]


@pytest.mark.exhaustive
def test_optimizers(full_run):
    body = section(full_run[0].stdout, "Seven optimizers")
    for name in LEARNING_RATES:
        row = re.search(rf"^ +{name} .*$", body, flags=re.MULTILINE)[0].split()
        assert 0.0 < float(row[2]) < 1e-2
        # The curve is at its highest at the start.
        assert row[3][0] == "#" and row[3][-1] in "_."


@pytest.mark.exhaustive
def test_grid_search(full_run):
    body = section(full_run[0].stdout, "grid search")
    assert "gdclassifier__optimizer__beta_1" in body
    assert len(re.findall(r"Adam\(beta_1=0\.\d\) +\d+ +\d", body)) == 4
    assert len(re.findall(r"Momentum\(momentum=0\.\d\) +\d+ +\d", body)) == 4


@pytest.mark.exhaustive
def test_comparison(full_run):
    body = section(full_run[0].stdout, "Next to")
    rows = body.splitlines()
    ours = [row for row in rows if re.search(r"  GD(Classifier|Regressor)  ", row)]
    theirs = [row for row in rows if re.search(r"  SGD(Classifier|Regressor)  ", row)]
    assert len(ours) == len(theirs) == 4
    assert all("as expected" in row for row in ours)
    assert any("diverges silently" in row for row in theirs)


@pytest.mark.exhaustive
def test_too_large_a_step(full_run):
    body = section(full_run[0].stdout, "too large")
    assert "ConvergenceWarning: " in body
    assert "'auto'         converged" in body


@pytest.mark.exhaustive
def test_stream_text_and_functions(full_run):
    body = section(full_run[0].stdout, "stream")
    seen, ours, theirs = re.findall(
        r"^ +(\d+) +(0\.\d+) +(0\.\d+)$", body, re.MULTILINE
    )[-1]
    assert seen == "569" and float(ours) > float(theirs)
    body = section(full_run[0].stdout, "Sparse text")
    default, *_, none = map(float, re.findall(r"  (0\.\d+)  ", body))
    assert default > 1.5 * none
    body = section(full_run[0].stdout, "Any function")
    assert "momentum" in body


@pytest.mark.exhaustive
def test_tables_have_at_most_three_columns_of_figures(full_run):
    tables = re.findall(r"((?:^  .+\n)+)", full_run[0].stdout, flags=re.MULTILINE)
    tables = [
        table for table in tables if re.search(r"^ +(-+ *)+$", table, re.MULTILINE)
    ]
    assert len(tables) >= 9
    for table in tables:
        head, rule, *rows = table.splitlines()
        columns = [match.span() for match in re.finditer("-+", rule)]
        cells = [[row[a:b].strip() for a, b in columns] for row in rows]
        figures = [
            column
            for column in zip(*cells, strict=True)
            if all(re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", cell) for cell in column)
        ]
        assert len(figures) <= 3, head


@pytest.mark.exhaustive
def test_last_line_is_the_address_of_the_guide(full_run):
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    address = tomllib.loads(text)["project"]["urls"]["Documentation"]
    assert full_run[0].stdout.splitlines()[-1] == f"Next: the guide at {address}"


def test_list_and_sections(capsys):
    assert tour.main(["--list"]) == 0
    titles = capsys.readouterr().out.splitlines()
    assert len(titles) == len(tour.SECTIONS) >= 9
    assert tour.main(["--section", "9", "7"]) == 0
    printed = capsys.readouterr().out
    assert re.findall(r"^\d\. .*$", printed, re.MULTILINE) == [titles[6], titles[8]]
    with pytest.raises(SystemExit):
        tour.main(["--section", "99"])
    assert "99" in capsys.readouterr().err


@needs_matplotlib
def test_plot_needs_a_section_with_curves(capsys, tmp_path):
    with pytest.raises(SystemExit):
        tour.main(["--section", "9", "--plot", str(tmp_path / "a.png")])
    assert "add section 2 or 3" in capsys.readouterr().err


@pytest.mark.exhaustive
@needs_matplotlib
def test_picture(full_run):
    result, directory = full_run
    assert "curves.png" in result.stdout
    picture = (directory / "curves.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        tour.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--plot" in text
    assert "sklgd[plot]" in text


def test_plot_without_matplotlib(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as caught:
        tour.main(["--plot", "curves.png"])
    assert caught.value.code == 2
    assert "sklgd[plot]" in capsys.readouterr().err


@needs_matplotlib
@pytest.mark.parametrize(
    "file, message",
    [("curves.txt", "png"), ("curves", "png"), ("nowhere/curves.png", "directory")],
)
def test_plot_to_an_impossible_file(file, message, capsys, tmp_path):
    with pytest.raises(SystemExit) as caught:
        tour.main(["--plot", str(tmp_path / file)])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_sparkline():
    assert sparkline([1e3, 1e2, 1e1, 1.0, 1e-1, 1e-2]) == "#*=-._"
    assert sparkline([2.0, 2.0]) == "__"
    assert len(sparkline(range(1, 1000))) == 20


def test_table(capsys):
    rows = [["a", "1.5", "x"], ["longer", "-22.25", "yes"]]
    show_table(["name", "value", "end"], rows)
    assert capsys.readouterr().out.splitlines() == [
        "  name     value  end",
        "  ------  ------  ---",
        "  a          1.5  x",
        "  longer  -22.25  yes",
        "",
    ]
