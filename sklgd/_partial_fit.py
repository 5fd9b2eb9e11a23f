"""`partial_fit` with a rule of descent: one epoch over each chunk.

What the online learner does in its place is in `_fit/stream.py`.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._compat import warn
from ._data_checks import rows_with_weight
from ._effects import warn_without_effect
from ._fit.data import Data
from ._fit.diagnosis import explain_divergence, explain_rule_stream
from ._fit.messages import warning
from ._fit.monitor import Monitor
from ._fit.offset import without_offset
from ._fit.plan import make_plan
from ._fit.result_dtype import dtype_of_result
from ._fit.settings import Settings
from ._fit.state import State
from ._fit.statistics import Statistics
from ._log import Log
from ._signs import keep_signs
from ._solvers.rules import RuleSolver
from .kernels._vector import all_finite
from .optimizers import OPTIMIZERS, optimizer_class


def learns_from_streams(est):
    """True if the optimizer does; otherwise an AttributeError that says why not."""
    reason = optimizer_class(est).why_no_stream
    if reason is not None:
        able = [name for name, cls in OPTIMIZERS.items() if cls.why_no_stream is None]
        raise AttributeError(
            f"partial_fit is not available with optimizer={est.optimizer!r}, which "
            f"{reason}. Use fit, or an optimizer that learns from streams: 'auto', "
            f"{', '.join(map(repr, able))}."
        )
    return True


def learn_by_rule(est, X, target, weights, n_outputs, offset=None):
    """One epoch over a chunk, continuing from the state of the last call.

    A chunk without weight is no chunk: the model stays as it was or begins at zero.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    X : ndarray or canonical CSR
    target : float64 array
        Targets as the loss takes them.
    weights : float64 array or None
        Sample weights times class weights.
    n_outputs : int
    offset : float64 array of shape (n_samples, 1 or n_outputs) or None
        Is added to the raw predictions.

    Returns
    -------
    est
    """
    settings, loss = Settings.of(est), est._make_loss()
    rows = rows_with_weight(weights)
    data = Data(
        X, target, weights, rows, loss, n_outputs, est.fit_intercept, est.n_jobs,
        penalised=not settings.penalty.absent,
    )  # fmt: skip
    log = Log(est.verbose) if est.verbose else None
    before_call: Any = getattr(est, "_state", None)
    if before_call is not None:
        before_call = before_call.resumed(est, X.shape[1])
    if data.n_rows == 0:
        return est if before_call is not None else _wait_for_rows(est, data)
    first = before_call is None or before_call.weight_rows == 0
    spread = None
    if est.standardize:
        spread = Statistics.of_columns(data)
        before = None if first else before_call.spread
        spread = spread if before is None else before.merge(spread)
    settings = settings.suited(est, n_outputs, spread)
    penalty = settings.penalty
    data = without_offset(data, offset)
    state = _continued(est, settings, data, None if first else before_call)
    state.spread = spread
    moved = keep_signs(penalty, state.coef)
    if moved:
        state.place()
    if state.average is not None:
        moved |= penalty.project(state.average)
    state.normalise(data)
    if state.plan.schedule is None:
        null = data.fit_intercept_only()
        if first:
            state.coef[-1] = est._first_intercept(null)
        state.tune(settings, data, null, penalty, RuleSolver.tune)
    elif state.statistics is not None:
        state.retune(settings, data, data.fit_intercept_only(), penalty)
    training = RuleSolver(data, state, penalty, est.shuffle, est.average)
    if first or moved or not state.shares_coordinates(before_call):
        kept = training.snapshot()
    else:
        kept = training.snapshot_of(before_call)
    zero = np.zeros(n_outputs)
    state.unit = max(state.unit, float(data.natural_scale(zero)[1].sum()))
    zero_objective = training.constant_objective(zero)
    grows = loss.degenerate and len(state.curve) > 0
    monitor = Monitor(
        tol=None,
        n_iter_no_change=1,
        null=zero_objective,
        unit=state.unit,
        start=state.curve[-1] if grows else zero_objective,
        degenerate=loss.degenerate,
        patient=state.plan.schedule.starts_wild,
        early_stopping=False,
        growth=training.growth() if loss.degenerate else np.inf,
    )
    if log is not None:
        log.begin(est, data, state)
    before = training.objective() if state.plan.guarded else None
    eta, largest = training.epoch()
    after = training.objective()
    monitor.expect(largest)
    diverged = monitor.diverged(after) or not all_finite(training.coef)
    accepted, diagnosis = True, None
    if state.plan.guarded:
        accepted = training.accept(before, after, kept, diverged)
        if not accepted:
            after = before
    elif diverged:
        training.restore(kept)
        epoch = len(state.curve) + 1
        diagnosis = explain_divergence(
            settings, training, monitor, epoch, after, largest
        )
        after = training.objective()
    state.curve.append(data.base + after)
    state.judge(after, zero_objective, data.n_rows)
    stop_reason = "partial_fit" if diagnosis is None else "diverged"
    if diagnosis is None:
        diagnosis = explain_rule_stream(settings, training, largest)
        stop_reason = "partial_fit" if diagnosis is None else "stalled"
    reported = training.add_zeros(after)
    training.keep()
    dtype, reported = dtype_of_result(
        training, X.dtype, reported, state.unit,
        lambda: training.constant_objective(data.fit_intercept_only()),
    )  # fmt: skip
    state.reported = data.base + reported
    results = est._results(state, training.coef, dtype)
    results["n_iter_"] = len(state.curve)
    results["stop_reason_"] = stop_reason
    results["diagnosis_"] = diagnosis
    est.__dict__.update(results)
    if log is not None:
        notes = ["undone"] * (not accepted)
        title, after = f"partial_fit {est.n_iter_}", state.reported
        log.epoch(title, after, None, np.nan, eta, training, notes)
        log.trouble(diagnosis)
    if diagnosis is not None:
        warn(warning(diagnosis, settings), ConvergenceWarning)
    return est


def _continued(est, settings, data, before):
    """The state that a call learns on from; it begins where there was none.

    The state of the last call stays as it is until this one has succeeded.
    """
    if before is None:
        state = _new_state(est, settings, data)
        warn_without_effect(est, state.plan, stream=True)
        return state
    state, key = before.successor(est.n_iter_), est._plan_key()
    if state.key != key or not state.plan.streams:
        state.plan, state.key = make_plan(settings, data, True), key
        warn_without_effect(est, state.plan, stream=True)
        state.statistics, state.factor, state.steps = None, 1.0, 0
        state.place()
    return state


def _new_state(est, settings, data):
    """The state of a stream before its first rows."""
    coef = np.zeros((data.X.shape[1] + 1, data.n_outputs))
    plan = make_plan(settings, data, True)
    return State(coef, plan, est._plan_key(), est.random_state)


def _wait_for_rows(est, data):
    """Become a model of zeros: the stream has not brought a row with a weight."""
    # (The next call plans anew; here only the shapes matter.)
    state = _new_state(est, Settings.of(est), replace(data, rows=None))
    results = est._results(state, state.coef, data.X.dtype)
    est.__dict__.update(results, n_iter_=0, stop_reason_="partial_fit")
    return est
