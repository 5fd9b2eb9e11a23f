"""The scripts of the gallery run, and each of them draws."""

import io
import runpy
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

pytestmark = pytest.mark.exhaustive

# Packages that are no dependency of the tests everywhere.
NEEDS = {"plot_serving": ("skl2onnx", "onnxruntime", "skops")}
PLACES = "left", "center", "right"
SCRIPTS = sorted((Path(__file__).parent.parent / "docs/examples").rglob("plot_*.py"))


def test_there_are_scripts():
    assert len(SCRIPTS) >= 8


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script_draws_pictures_with_titles(script, monkeypatch):
    for package in NEEDS.get(script.stem, ()):
        pytest.importorskip(package)
    drawn = []

    def show():
        for number in plt.get_fignums():
            figure = plt.figure(number)
            figure.savefig(io.BytesIO(), format="png", dpi=30)
            # Its titles are the alternative text of a picture in the gallery.
            titles = [ax.get_title(loc) for ax in figure.axes for loc in PLACES]
            drawn.append(any(titles) or bool(figure.texts))
        plt.close("all")

    monkeypatch.setattr(plt, "show", show)
    with warnings.catch_warnings():
        # Animations that nobody looks at here.
        warnings.filterwarnings("ignore", "Animation was deleted")
        runpy.run_path(str(script), run_name="__main__")
        show()

    assert drawn
    assert all(drawn)
