"""The HTML representation: scikit-learn's own, with a summary of the fit below."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import sklearn
from conftest import make_problem
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import estimator_html_repr

from sklgd import GDClassifier, GDRegressor, GDRegressorCV
from sklgd._html import HEIGHT, WIDTH, svg


@pytest.fixture
def data():
    return make_problem("log_loss", n=120, d=4)


def summary_of(model):
    """Rows of the table, and the picture or None."""
    html = model._repr_html_()
    place = html.index('<div class="sklgd-fit"')
    # What comes first is scikit-learn's, whose identifiers differ from call to call.
    first = re.sub(r"[\w-]*id-\d+", "", html[:place])
    assert first == re.sub(r"[\w-]*id-\d+", "", estimator_html_repr(model))
    root = ET.fromstring(html[place:])
    rows = {row[0].text: row[1].text for row in root.iter("tr")}
    return rows, root.find("svg"), root.find("details")


def test_summary_of_a_fit(data):
    model = GDClassifier(random_state=0).fit(*data)
    rows, picture, problem = summary_of(model)
    assert rows["optimizer"] == f"{model.optimizer_!r}, batch_size='full'"
    assert rows["stop reason"] == f"converged, {model.n_iter_} epochs"
    assert float(rows["objective"]) == pytest.approx(model.loss_curve_[-1], rel=1e-5)
    assert rows["optimality gap"] == f"{model.optimality_gap_:.1e}"
    assert len(picture.find("polyline").get("points").split()) == model.n_iter_
    assert problem is None
    bundle = model._repr_mimebundle_()
    assert bundle["text/plain"] == repr(model)
    assert 'class="sklgd-fit"' in bundle["text/html"]


@pytest.mark.exhaustive
def test_summary_of_other_runs(data):
    X, y = data
    stopped = GDClassifier(
        optimizer="adam", batch_size=16, early_stopping=True, random_state=0
    ).fit(X, y)
    rows, _, _ = summary_of(stopped)
    assert "best validation score" in rows and "optimality gap" not in rows
    stream = GDClassifier().partial_fit(X, y, [0, 1])
    rows, picture, _ = summary_of(stream)
    assert rows["stop reason"] == "partial_fit, 1 call" and picture is None
    with pytest.warns(ConvergenceWarning):
        failed = GDRegressor(optimizer="sgd", learning_rate=1e3).fit(X, y)
    _, _, problem = summary_of(failed)
    assert "".join(problem.itertext()).endswith(failed.diagnosis_["text"])


def test_no_summary_before_fit_or_as_text(data):
    assert "sklgd-fit" not in GDClassifier()._repr_html_()
    model = GDClassifier().fit(*data)
    with sklearn.config_context(display="text"):
        assert not hasattr(model, "_repr_html_")
        assert list(model._repr_mimebundle_()) == ["text/plain"]


def test_curve_of_any_length_and_size_fits_into_its_picture():
    for curve in ([3.0, 3.0], [1.0, np.inf, 0.5, np.nan, 0.1], 2.0 ** -np.arange(999.0),
                  [1e308, -1e308, 0.0]):  # fmt: skip
        root = ET.fromstring(svg(np.array(curve), "epoch", "black"))
        points = root.find("polyline").get("points").split()
        x, y = np.array([point.split(",") for point in points], dtype=float).T
        assert 2 <= len(x) <= 200 and (np.diff(x) > 0.0).all()
        assert 0 <= x.min() and x.max() <= WIDTH and 0 <= y.min() and y.max() <= HEIGHT
    assert svg(np.array([1.0, np.nan]), "epoch", "black") == ""


def test_summary_of_a_search(data):
    X, _ = data
    y = X[:, 0] + np.random.default_rng(0).normal(size=len(X))
    search = GDRegressorCV(alphas=[10.0, 1e-9, 1e-12], cv=3).fit(X, y)
    rows, _, _ = summary_of(search)
    assert rows["alpha"] == f"{search.alpha_:.3g} of 3 candidates"
    assert rows["mean score"] == f"{search.best_score_:.4g} over 3 folds"
    assert rows["optimizer"].startswith(repr(search.estimator_.optimizer_))
