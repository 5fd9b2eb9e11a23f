"""The tour, ``python -m sklgd``."""

import importlib.util
import re
import subprocess
import sys

import pytest

from sklgd import _tour as tour
from sklgd._tour.sections import LEARNING_RATES
from sklgd._tour.text import show_table

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
    last = {}
    for row in body.splitlines():
        if match := re.match(r" +(batch|mini-batch|stochastic) +(\S+) +(\d+) ", row):
            name, batch_size, steps = match.groups()
            last[name] = batch_size, int(steps)
    assert last["batch"] == ("'full'", 1)
    assert last["mini-batch"] == ("32", 14)
    assert last["stochastic"] == ("1", 426)


@pytest.mark.exhaustive
def test_optimizers(full_run):
    body = section(full_run[0].stdout, "Seven optimizers")
    minimum = float(re.search(r"objective,\s+([\d.]+)\s+here", body)[1])
    for name in LEARNING_RATES:
        row = re.search(rf"^ +{name} .*$", body, flags=re.MULTILINE)[0].split()
        first, fifth, last = map(float, row[2:5])
        assert minimum <= last < fifth < first


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
    assert "diverged" in body
    assert "True" in body


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
