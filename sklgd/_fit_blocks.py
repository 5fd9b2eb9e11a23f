"""`fit_blocks`: the minimiser of the objective, from rows that are read block by block.

One pass describes the rows. If all of them fit into the memory that is kept for evenly
spaced ones, the fit goes on in memory. Otherwise each further evaluation is a pass.
"""

from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from ._callbacks import FitTasks
from ._compat import has_callbacks
from ._effects import warn_without_effect
from ._fit.block_data import BlockData
from ._fit.checkpoint import Checkpoint, key_of
from ._fit.data import Data, columns_to_fit
from ._fit.passes import LocalEngine, sum_of
from ._fit.plan import make_plan_of_blocks
from ._fit.settings import Settings
from ._fit.state import State
from ._fit.statistics import Statistics
from ._log import Log
from ._signs import keep_signs
from ._solvers.block_merged import BlockMerged
from ._solvers.block_newton import BlockFISTA, BlockNewton
from ._solvers.fista import FISTASolver
from ._solvers.quasi_newton import QuasiNewtonSolver
from .blocks._block import Block
from .blocks._source import as_blocks


class BlockQuasiNewton(BlockNewton):
    """Newton's method and L-BFGS on blocks, after a run on the rows in memory."""

    in_memory = QuasiNewtonSolver


class BlockSolver(BlockMerged):
    """The run on blocks for a loss, a penalty and a number of columns."""

    in_memory, otherwise = QuasiNewtonSolver, BlockQuasiNewton


# Optimizer.training -> the class that runs its epochs, in memory and on blocks.
SOLVERS = {
    "quasi_newton": (QuasiNewtonSolver, BlockSolver),
    "proximal_gradient": (FISTASolver, BlockFISTA),
}


def engine_maker(est, engine):
    """What makes an `Engine` of any source of blocks.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    engine : callable or None
        Makes an `Engine` of `Blocks` and ``verbose``; None means `LocalEngine`.
    """
    make, verbose = LocalEngine if engine is None else engine, int(est.verbose)
    return lambda blocks: make(as_blocks(blocks), verbose)


def describe(est, engine, task, validated):
    """What a fit has to know of all rows: a `Description`.

    Sets the number and the names of the features, as a fit does.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    engine : Engine
    task : DescribeLabels or DescribeTargets
    validated : bool
        True if a validation set is given.
    """
    if est.early_stopping and not validated:
        raise ValueError(
            "early_stopping=True is not possible with fit_blocks, which holds no rows "
            "out. Pass other rows as validation=(X_val, y_val) or as blocks, or use "
            "early_stopping=False."
        )
    began = perf_counter()
    description = sum_of(engine, task)
    description.began = began
    if description.n_rows == 0:
        raise ValueError(
            "blocks: all weights are zero, so there is nothing to learn from. Give at "
            "least one row a positive weight."
        )
    est.n_features_in_ = len(description.columns.mean)
    vars(est).pop("feature_names_in_", None)
    if engine.blocks.feature_names is not None:
        est.feature_names_in_ = np.array(engine.blocks.feature_names, dtype=object)
    return description


def spread_of(description):
    """`Statistics` of the columns of described rows."""
    columns = description.columns
    mean, var = columns.statistics()
    return Statistics(columns.weight, mean, var, np.zeros(0), np.zeros(0))


def learn(
    est,
    engine,
    description,
    rows,
    *,
    known,
    exact,
    n_rows,
    n_outputs,
    start,
    held_out,
    checkpoint,
):
    """Fit an estimator to described blocks.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
        With ``n_features_in_`` and, for a classifier, ``classes_``.
    engine : Engine
    description : Description
    rows, known, exact, n_rows
        As `BlockData` takes them.
    n_outputs : int
    start : float64 array of shape (n_features + 1, n_outputs) or None
    held_out : InMemory, InBlocks or None
        The validation set.
    checkpoint : str, path or None
        Folder for the results of passes.
    """
    log = Log(est.verbose, description.began) if est.verbose else None
    settings, loss = Settings.of(est), est._make_loss()
    if est.standardize and description.has_offset and loss.link == "log":
        raise ValueError(
            f"standardize=True is not possible with fit_blocks, offsets and loss="
            f"{loss.name!r}. Use fit, or penalty_factor with the variances of the "
            "columns and penalty='l2'."
        )
    if est.standardize and getattr(est, "class_weight", None) == "balanced":
        raise ValueError(
            "standardize=True is not possible with class_weight='balanced' in "
            "fit_blocks: the weights that the standard deviations need are known after "
            "the first pass only. Pass the weights of the classes as a dict."
        )
    everything = description.sample.stride == 1
    few = Block(*description.sample.together())
    X, target, weights = rows(few)
    data: Any = Data(
        X, target, weights, None, loss, n_outputs, est.fit_intercept, est.n_jobs,
        penalised=not settings.penalty.absent,
        row_weight=1.0 if description.has_offset else None,
        base=description.left_out / description.weight,
    )  # fmt: skip
    columns, sample, evaluate = None, data, sum_of
    spread = spread_of(description) if est.standardize else None
    settings = settings.suited(est, n_outputs, spread)
    if everything:
        columns, data.n_columns = columns_to_fit(X, None, start, n_outputs)
        data = sample = data.of_columns(columns)
    elif checkpoint is not None:
        stored = Checkpoint(checkpoint, key_of(est, start, n_rows=n_rows))
        marks = [] if held_out is None else held_out.marks()
        stored.check_blocks([*engine.marks(), *marks])
        evaluate = stored.sum_of
    settings, tasks = settings.of_columns(columns), None
    if spread is not None:
        spread = spread.of_some_columns(columns)
    if has_callbacks(est):
        reads = not everything or (held_out is not None and held_out.reads)
        tasks = FitTasks(
            est, X, few.y, None, None, None if reads else est.max_iter,
            subtasks_of_epochs=None if reads else 0,
        )  # fmt: skip
        evaluate = tasks.each_call(evaluate, "pass")
    if not everything:
        make_pass = partial(evaluate, engine)
        data = BlockData(make_pass, description, rows, data, known, exact, n_rows)
    if start is None:
        coef = np.zeros((data.X.shape[1] + 1, n_outputs))
    else:
        coef = start if columns is None else start[np.append(columns, -1)]
        keep_signs(settings.penalty, coef)
    state: Any = State(
        coef, make_plan_of_blocks(settings, data), None, est.random_state
    )
    state.columns, state.spread = columns, spread
    warn_without_effect(est, state.plan, own_validation=held_out is not None)
    state.weight_sum = state.weight_rows = float(n_rows)
    null, validation = data.fit_intercept_only(), None
    if held_out is not None:
        validation = held_out.prepare(est, sample, columns, null, evaluate)
    solver = SOLVERS[state.plan.optimizer.training][not everything]
    try:
        return est._run(
            settings, data, state, solver, null, start is not None, validation, tasks,
            log,
        )  # fmt: skip
    finally:
        est.n_passes_ = engine.n_passes
