"""Ctrl-C: what is left of a fit, and how soon."""

import logging
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import RULES, make_problem
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from threadpoolctl import threadpool_info, threadpool_limits

from sklgd import GDClassifier, GDRegressor
from sklgd.kernels._gram import weighted_gram
from sklgd.kernels._rows import Rows

# One optimizer of each kind of run.
RUNS = {
    "descent": {"optimizer": "adam", "batch_size": 16},
    "descent, batch": {"optimizer": "nesterov", "batch_size": "full"},
    "descent, rotated": {"optimizer": "adam", "batch_size": "full"},
    "variance reduced": {"optimizer": "svrg", "batch_size": 16},
    "rows": {"optimizer": "point_saga"},
    "newton": {"optimizer": "newton"},
    "lbfgs": {"optimizer": "lbfgs"},
    "proximal gradient": {"optimizer": "fista"},
}


class Interrupt(logging.Handler):
    """Presses Ctrl-C when a line with a certain beginning is logged."""

    def __init__(self, beginning):
        super().__init__()
        self.beginning = beginning

    def emit(self, record):
        if record.getMessage().startswith(self.beginning):
            raise KeyboardInterrupt


@pytest.fixture
def interrupted(monkeypatch):
    """Function that calls ``method(*args)`` and interrupts it at a line of its log."""

    def call(method, *args, at, **kwargs):
        model = method.__self__.set_params(verbose=2)
        logger = logging.getLogger("sklgd")
        monkeypatch.setattr(logger, "handlers", [Interrupt(at)])
        with pytest.raises(KeyboardInterrupt):
            method(*args, **kwargs)
        monkeypatch.setattr(logger, "handlers", [])
        return model.set_params(verbose=0)

    return call


def problem(cls, n_outputs=1):
    loss = "log_loss" if cls is GDClassifier else "squared_error"
    return make_problem(loss, n=90, n_outputs=n_outputs)


def short(cls, **settings):
    return cls(**{"max_iter": 9, "tol": None, "random_state": 0} | settings)


class Counting:
    """A learning rate of 0.002 until it is asked for step ``last``: then Ctrl-C."""

    def __init__(self, last):
        self.last = last

    def __call__(self, t):
        if t >= self.last:
            raise KeyboardInterrupt
        return 0.002


@pytest.mark.some_cases
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("cls", [GDClassifier, GDRegressor])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_last_epoch_s_coefficients_are_kept(run, cls, n_outputs, interrupted):
    """These runs never get worse: the best epoch is the last."""
    X, y = problem(cls, n_outputs)
    model = short(cls, **RUNS[run])
    interrupted(model.fit, X, y, at="epoch 3")
    assert model.stop_reason_ == "interrupted"
    assert model.n_iter_ == len(model.loss_curve_) == 3
    expected = clone(model).set_params(max_iter=3).fit(X, y)
    # (At the minimum of a squared error the curve wiggles by rounding errors.)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
    np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(model.predict(X), expected.predict(X), rtol=1e-12)
    pickle.loads(pickle.dumps(model)).predict(X)
    model.set_params(warm_start=True).fit(X, y)
    assert model.stop_reason_ == "max_iter"


def test_the_best_epoch_s_coefficients_are_kept(interrupted):
    """A noisy run: not the last ones, and the curve ends with their objective."""
    X, y = problem(GDClassifier)
    model = short(GDClassifier, optimizer="sgd", learning_rate=0.5, max_iter=99)
    curve = clone(model).fit(X, y).loss_curve_
    last = next(k for k in range(5, 99) if curve[k] > curve[k - 1])
    interrupted(model.fit, X, y, at=f"epoch {last + 1}:")
    best = int(np.argmin(curve[: last + 1]))
    assert best < last
    expected = clone(model).set_params(max_iter=best + 1).fit(X, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert model.n_iter_ == last + 1
    assert model.loss_curve_ == [*curve[:last], curve[best]]


def test_early_stopping_keeps_the_best_score(interrupted):
    X, y = problem(GDClassifier)
    model = short(
        GDClassifier, optimizer="sgd", learning_rate=0.5, early_stopping=True,
        max_iter=30,
    )  # fmt: skip
    interrupted(model.fit, X, y, at="epoch 20")
    assert model.n_iter_ == len(model.validation_scores_) == 20
    assert model.best_validation_score_ == max(model.validation_scores_)
    expected = clone(model).set_params(tol=None, max_iter=20).fit(X, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)


@pytest.mark.some_cases
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("optimizer", RULES)
def test_in_the_middle_of_an_epoch(optimizer, sparse, monkeypatch):
    """The steps of the unfinished epoch are taken back."""
    monkeypatch.setattr("sklgd._solvers.rules.CHUNK_ROWS", 20)
    X, y = problem(GDRegressor)
    X = sp.csr_matrix(X) if sparse else X
    settings = {"optimizer": optimizer, "batch_size": 1, "shuffle": False}
    model = short(GDRegressor, **settings, learning_rate=Counting(250))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    model.learning_rate.last = np.inf
    expected = clone(model).set_params(max_iter=2).fit(X, y)
    assert (model.stop_reason_, model.n_iter_) == ("interrupted", 2)
    np.testing.assert_array_equal(model.coef_, expected.coef_)


@pytest.mark.parametrize("when", ["GDClassifier", "optimizer", "first step"])
def test_before_the_first_epoch_has_ended(when, interrupted):
    X, y = problem(GDClassifier)
    model = short(GDClassifier)
    if when == "first step":
        model.set_params(optimizer="sgd", learning_rate=Counting(1))
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
    else:
        interrupted(model.fit, X, y, at=when)
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert set(vars(model)) == set(model.get_params(deep=False))
    # A refit with other classes and features: all of the earlier model is left.
    other, codes = problem(GDClassifier, 3)
    other, names = np.hstack([other, other]), np.take(["a", "b", "c"], codes)
    if when == "first step":
        model.learning_rate.last = np.inf
        model.fit(other, names)
        model.learning_rate.last = 1
    else:
        model.fit(other, names)
    before, predicted = dict(vars(model)), model.predict(other)
    if when == "first step":
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
    else:
        interrupted(model.fit, X, y, at=when)
    assert vars(model) == before
    assert model.n_features_in_ == 12 and list(model.classes_) == ["a", "b", "c"]
    np.testing.assert_array_equal(model.predict(other), predicted)


@pytest.mark.some_cases
@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize("step", [0.01, "auto", "constant"])
@pytest.mark.parametrize("average", [False, True])
def test_partial_fit_is_as_before_the_call(optimizer, step, average, interrupted):
    """Coefficients, moments, step count, statistics: the next call goes on from there.

    So do two calls on other rows, of which only one is interrupted.
    """
    X, y = problem(GDClassifier)
    model = short(
        GDClassifier, optimizer=optimizer, batch_size=10, shuffle=False,
        learning_rate=step, average=average,
    )  # fmt: skip
    steady = clone(model)
    for k, rows in enumerate((slice(0, 60), slice(0, 60), slice(60, 90))):
        for m in (model, steady):
            m.partial_fit(X[rows], y[rows], classes=[0, 1])
        before = dict(vars(model))
        # At the start, after the statistics, and at the end of the call.
        for at in ("GDClassifier", "optimizer"):
            interrupted(model.partial_fit, X[30:], y[30:], at=at)
        assert vars(model) == before
        assert model.n_iter_ == len(model.loss_curve_) == k + 1
    np.testing.assert_array_equal(model.coef_, steady.coef_)
    assert model.loss_curve_ == steady.loss_curve_ and model.t_ == steady.t_


@pytest.mark.some_cases
@pytest.mark.parametrize("optimizer", RULES)
def test_partial_fit_in_the_middle_of_an_epoch(optimizer, monkeypatch):
    monkeypatch.setattr("sklgd._solvers.rules.CHUNK_ROWS", 20)
    X, y = problem(GDRegressor)
    schedule = Counting(np.inf)
    model = short(
        GDRegressor, optimizer=optimizer, batch_size=1, shuffle=False,
        learning_rate=schedule,
    )  # fmt: skip
    steady = clone(model)
    model.partial_fit(X, y)
    schedule.last = 120
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X, y)
    schedule.last = np.inf
    model.partial_fit(X, y)
    steady.partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(model.coef_, steady.coef_)
    assert (model.n_iter_, model.t_) == (2, 181)


def test_the_first_partial_fit(interrupted):
    X, y = problem(GDClassifier)
    model = short(GDClassifier, optimizer="adam")
    interrupted(model.partial_fit, X, y, classes=[0, 1], at="optimizer")
    with pytest.raises(NotFittedError):
        model.predict(X)
    with pytest.raises(ValueError, match="classes must be passed"):
        model.partial_fit(X, y)


@pytest.mark.some_cases
@pytest.mark.parametrize("at", ["optimizer", "epoch 2"])
@pytest.mark.parametrize("run", RUNS)
def test_no_state_of_the_process_is_lost(run, at, interrupted):
    X, y = problem(GDClassifier, 3)

    def state():
        logger = logging.getLogger("sklgd")
        blas = {
            p["filepath"]: p["num_threads"]
            for p in threadpool_info()
            if p["user_api"] == "blas"
        }
        return blas, np.geterr(), list(warnings.filters), logger.level

    with threadpool_limits(limits=2, user_api="blas"):
        before = state()
        interrupted(short(GDClassifier, **RUNS[run]).fit, X, y, at=at)
        assert state() == before


def test_an_error_made_of_a_warning_keeps_the_model():
    X, y = problem(GDRegressor)
    model = GDRegressor(optimizer="adam", max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            model.fit(X, y)
    assert model.stop_reason_ == "max_iter" and len(model.predict(X)) == 90


@pytest.mark.exhaustive
def test_the_model_s_data_are_let_go(interrupted):
    """The exception does not hold the frames of the fit in a cycle."""
    import gc
    import weakref

    X, y = problem(GDRegressor)
    X = X.copy()
    alive = weakref.ref(X)
    model = short(GDRegressor)
    gc.collect()
    gc.disable()
    try:
        interrupted(model.fit, X, y, at="epoch 2")
        del X
        assert alive() is None
    finally:
        gc.enable()


@pytest.mark.exhaustive
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer")
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_a_gram_matrix_is_interrupted(sparse):
    """A single call of a kernel that takes long looks for Ctrl-C on its way."""
    rng = np.random.default_rng(0)
    if sparse:
        X = sp.random(20_000, 2000, density=0.1, format="csr", random_state=0)
    else:
        X = rng.standard_normal((30_000, 500))

    def press(signal_number, frame):
        raise KeyboardInterrupt

    start = time.process_time()
    weighted_gram(Rows(X))
    whole = time.process_time() - start
    before = signal.signal(signal.SIGALRM, press)
    try:
        start = time.process_time()
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            weighted_gram(Rows(X))
        assert time.process_time() - start < 0.8 * whole
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


CHILD = """
    import signal, sys, time
    import numpy as np
    from sklgd import GDClassifier
    # Where the tests run in the background, a shell lets its children ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200_000, 50))
    y = X[:, 0] + rng.standard_normal(len(X)) > 0.0
    model = GDClassifier(tol=None, max_iter=10**9, **{settings})
    print("ready", flush=True)
    try:
        model.fit(X, y)
    except KeyboardInterrupt:
        now = time.time()
        print(now, model.stop_reason_, model.score(X, y), flush=True)
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a process")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "sgd", "batch_size": 1, "learning_rate": 1e-3},
        {"optimizer": "adam", "batch_size": 256, "n_jobs": 2},
        {"optimizer": "point_saga"},
    ],
    ids=["auto", "sgd", "adam, threads", "point_saga"],
)
def test_a_real_interrupt(settings):
    """It is answered within a second, with a model that is of use."""
    code = textwrap.dedent(CHILD).replace("{settings}", repr(settings))
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "ready\n"
        time.sleep(1.5)
        sent = time.time()
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    answered, reason, score = out.split()
    assert reason == "interrupted" and float(score) > 0.6
    assert float(answered) - sent < 1.0
