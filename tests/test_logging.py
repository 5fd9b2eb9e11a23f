"""What `verbose` says, and where it goes."""

import io
import logging
import re

import numpy as np
import pytest
from conftest import make_problem
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklgd import GDClassifier, GDRegressor


@pytest.fixture
def logger(monkeypatch):
    """The package's logger without the handlers of the tests' runner."""
    logger = logging.getLogger("sklgd")
    monkeypatch.setattr(logger, "handlers", [])
    assert logger.level == logging.NOTSET
    yield logger
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def data():
    return make_problem("squared_error", n=60)


def small(**settings):
    settings = {"max_iter": 3, "tol": None, "random_state": 0, "verbose": 1} | settings
    return GDRegressor(**settings)


def lines(caplog):
    assert {r.name for r in caplog.records} <= {"sklgd"}
    assert {r.levelname for r in caplog.records} <= {"INFO"}
    return [r.getMessage() for r in caplog.records]


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}])
def test_a_line_for_each_epoch_and_one_for_the_end(data, settings, caplog, capsys):
    model = small(**settings, optimizer="adam").fit(*data)
    *epochs, end = lines(caplog)
    assert len(epochs) == 3
    for k, text in enumerate(epochs):
        assert re.match(rf"epoch {k + 1}: .*, learning rate [0-9.]", text)
        assert f"objective {model.loss_curve_[k]:.8g}," in text
        assert "gap" not in text
        if settings:
            assert f"validation score {model.validation_scores_[k]:.6g}," in text
    assert re.match(r"stopped after 3 epoch\(s\) and .* s: max_iter reached", end)
    assert f"objective {model.loss_curve_[-1]:.8g}" in end
    assert capsys.readouterr() == ("", "")


def test_the_gap_where_it_is_known(caplog):
    model = GDClassifier(verbose=1).fit(*make_problem("log_loss", n=200))
    *epochs, end = lines(caplog)
    assert len(epochs) == model.n_iter_ > 1
    assert all("optimality gap" in text for text in epochs)
    assert f"optimality gap {model.optimality_gap_:.2g}" in epochs[-1]
    assert "converged" in end


def test_silent_without_verbose(data, caplog):
    model = small(optimizer="adam").fit(*data)
    caplog.clear()
    model.set_params(verbose=0).fit(*data)
    model.partial_fit(*data)
    assert not caplog.records


def test_reasons(data, caplog):
    """The last line gives the reason of `stop_reason_`."""
    X, y = data

    def end(**settings):
        caplog.clear()
        model = small(**settings).fit(X, y)
        return model.stop_reason_, lines(caplog)[-1]

    reason, line = end(early_stopping=True, n_iter_no_change=1, max_iter=500, tol=1e-3)
    assert reason == "early_stopping" and "validation score" in line
    with pytest.warns(ConvergenceWarning):
        reason, line = end(optimizer="sgd", learning_rate=1e3)
    assert reason == "diverged" and ": diverged" in line
    with pytest.warns(ConvergenceWarning):
        reason, line = end(
            optimizer="sgd", learning_rate=1e-12, batch_size="full", tol=1e-4,
            max_iter=50,
        )  # fmt: skip
    assert reason == "stalled" and "too small" in line


def test_more_with_two(data, caplog):
    """What "auto" has become, times, changes of the coefficients."""
    X, y = data
    model = small(verbose=2, optimizer="auto", learning_rate="auto").fit(X, y)
    what, how, *epochs, _ = lines(caplog)
    assert what.startswith("GDRegressor: 60 rows, 6 features (dense, float64)")
    assert repr(model.optimizer_) in how and "batch size 'full'" in how
    assert "at first 1" in how
    assert len(epochs) == 3
    assert all(re.search(r"coefficients changed by .*, [^ ]+ s$", e) for e in epochs)


def test_changes_are_those_of_the_coefficients(data, caplog):
    """From epoch to epoch, relative to their size."""
    X, y = data
    settings = {"optimizer": "sgd", "learning_rate": 0.01, "batch_size": "full"}
    model = small(**settings, verbose=2, max_iter=2).fit(X, y)
    said = [float(re.search(r"changed by ([^,]*)", e)[1]) for e in lines(caplog)[2:4]]
    last = clone(model).set_params(verbose=0, max_iter=1).fit(X, y)
    new, old = ([*m.coef_, *m.intercept_] for m in (model, last))
    change = np.linalg.norm(np.subtract(new, old)) / np.linalg.norm(new)
    assert said == [1.0, pytest.approx(change, rel=0.05)]


def test_undone_epochs_and_halved_steps(caplog):
    """What the guard does shows, and the objective is that of the coefficients kept."""
    X, y = make_problem("log_loss", n=200)
    model = GDClassifier(
        optimizer="momentum", learning_rate="constant", batch_size=20, max_iter=40,
        tol=None, random_state=0, verbose=2,
    )  # fmt: skip
    model.fit(X, y)
    epochs = [e for e in lines(caplog) if e.startswith("epoch")]
    undone = [k for k, e in enumerate(epochs) if ", undone" in e]
    assert undone and len(undone) < 39
    for k in undone:
        assert model.loss_curve_[k] == model.loss_curve_[k - 1]
        assert "changed by 0," in epochs[k] and "learning rates times 0.5" in epochs[k]


def test_renewed_metrics(caplog):
    X, y = make_problem("log_loss", n=200)
    model = GDClassifier(
        optimizer="nesterov", max_iter=5, tol=None, batch_size="full", verbose=2
    )
    model.fit(X, y)
    assert any(", rotation renewed" in line for line in lines(caplog))


def test_partial_fit(data, caplog):
    model = small(optimizer="adam", learning_rate=0.01)
    for k in range(1, 3):
        caplog.clear()
        model.partial_fit(*data)
        (line,) = lines(caplog)
        assert line == (
            f"partial_fit {k}: objective {model.loss_curve_[-1]:.8g}, "
            "learning rate 0.01"
        )
    caplog.clear()
    model.set_params(verbose=2).partial_fit(*data)
    *_, line = lines(caplog)
    assert re.match(r"partial_fit 3: .* coefficients changed by .* s$", line)


def test_shown_without_any_configuration(data, logger, monkeypatch, capsys):
    """A user who sets verbose=1 and nothing else sees the lines, once."""
    # (Here, not in a fixture: pytest adds handlers of its own in between.)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    for _ in range(2):
        small().fit(*data)
    out, err = capsys.readouterr()
    assert out == "" and err.count("epoch 1:") == 2
    assert logger.handlers == [] and logger.level == logging.NOTSET


def test_the_users_handlers(data, logger, monkeypatch, capsys):
    """Where the user has set up logging, a line goes there and nowhere else."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    small().fit(*data)
    assert stream.getvalue().count("epoch 1:") == 1
    # The logger's own handler, and not the root's as well.
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)
    small().fit(*data)
    assert stream.getvalue().count("epoch 1:") == 2
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("how", ["level", "disable", "disabled", "filter"])
@pytest.mark.parametrize("handled", [True, False])
def test_the_user_can_silence_it(data, logger, monkeypatch, capsys, how, handled):
    stream = io.StringIO()
    handlers = [logging.StreamHandler(stream)] if handled else []
    monkeypatch.setattr(logging.getLogger(), "handlers", handlers)
    if how == "level":
        logger.setLevel(logging.WARNING)
    elif how == "disabled":
        monkeypatch.setattr(logger, "disabled", True)
    elif how == "filter":
        monkeypatch.setattr(logger, "filters", [lambda record: False])
    else:
        monkeypatch.setattr(logging.root.manager, "disable", logging.INFO)
    small().fit(*data)
    assert stream.getvalue() == "" and capsys.readouterr() == ("", "")


def test_where_a_line_comes_from(data, caplog):
    """Formatters that name the file find one of the package."""
    small().fit(*data)
    assert {record.filename for record in caplog.records} == {"_log.py"}
    assert all(record.lineno > 1 for record in caplog.records)
