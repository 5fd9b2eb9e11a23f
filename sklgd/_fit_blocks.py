"""`fit_blocks`: the minimiser of the objective, from rows that are read block by block.

One pass describes the rows. If all of them fit into the memory that is kept for evenly
spaced ones, the fit goes on in memory. Otherwise each further evaluation is a pass.
"""

from dataclasses import replace
from functools import partial
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
from ._log import Log
from ._scoring import warn_if_unlike
from ._solvers.block_newton import BlockFISTA, BlockNewton
from ._solvers.fista import FISTASolver
from ._solvers.newton import NewtonSolver
from .blocks._source import Block, as_blocks

# Optimizer.training -> the class that runs its epochs, in memory and on blocks.
SOLVERS = {
    "quasi_newton": (NewtonSolver, BlockNewton),
    "proximal_gradient": (FISTASolver, BlockFISTA),
}


def describe(est, blocks, task, validated, engine):
    """The engine of a fit, and what it has to know of all rows.

    Sets the number and the names of the features, as a fit does.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    blocks : Blocks, callable or sequence
    task : DescribeLabels or DescribeTargets
    validated : bool
        True if a validation set is given.
    engine : callable or None
        Makes an `Engine` of blocks and ``verbose``; None means `LocalEngine`.

    Returns
    -------
    engine : Engine
    description : Description
    """
    if est.early_stopping and not validated:
        raise ValueError(
            "early_stopping=True is not possible with fit_blocks, which holds no rows "
            "out. Pass other rows as validation=(X_val, y_val), or use "
            "early_stopping=False."
        )
    make = LocalEngine if engine is None else engine
    engine = make(as_blocks(blocks), int(est.verbose))
    description = sum_of(engine, task)
    if description.n_rows == 0:
        raise ValueError(
            "blocks: all weights are zero, so there is nothing to learn from. Give at "
            "least one row a positive weight."
        )
    est.n_features_in_ = len(description.columns.mean)
    vars(est).pop("feature_names_in_", None)
    if engine.blocks.feature_names is not None:
        est.feature_names_in_ = np.array(engine.blocks.feature_names, dtype=object)
    return engine, description


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
    validation,
    checkpoint,
):
    """Fit an estimator to described blocks.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
        With ``n_features_in_`` and, for a classifier, ``classes_``.
    engine, description
        As `describe` returns them.
    rows, known, exact, n_rows
        As `BlockData` takes them.
    n_outputs : int
    start : float64 array of shape (n_features + 1, n_outputs) or None
    validation : dict or None
        As ``BaseGD._fit`` takes it.
    checkpoint : str, path or None
        Folder for the results of passes.
    """
    log = Log(est.verbose) if est.verbose else None
    settings, loss = Settings.of(est), est._make_loss()
    penalty, everything = settings.penalty, description.sample.stride == 1
    few = Block(*description.sample.together())
    X, target, weights = rows(few)
    data: Any = Data(
        X, target, weights, None, loss, n_outputs, est.fit_intercept, est.n_jobs,
        penalised=not penalty.absent,
    )  # fmt: skip
    columns = None
    if everything:
        columns, data.n_columns = columns_to_fit(X, None, start, n_outputs)
        data = data.of_columns(columns)
    else:
        make_pass = partial(sum_of, engine)
        if checkpoint is not None:
            stored = Checkpoint(checkpoint, key_of(est, start, n_rows=n_rows))
            stored.check_blocks(engine.marks())
            make_pass = partial(stored.sum_of, engine)
        data = BlockData(make_pass, description, rows, data, known, exact, n_rows)
    if start is None:
        coef = np.zeros((data.X.shape[1] + 1, n_outputs))
    else:
        coef = start if columns is None else start[np.append(columns, -1)]
    state: Any = State(
        coef, make_plan_of_blocks(settings, data), None, est.random_state
    )
    state.columns = columns
    warn_without_effect(est, state.plan, own_validation=validation is not None)
    state.weight_sum = state.weight_rows = float(n_rows)
    null = data.fit_intercept_only()
    if validation is not None:
        of_sample = data if everything else data.sample
        given = replace(of_sample, **validation.pop("data"))
        X_val, given = given.X, given.of_columns(columns)
        warn_if_unlike(given.X, data.X)
        validation = est._validation(
            given, X_val, **validation, null=null, dtype=data.X.dtype
        )
    tasks = None
    if has_callbacks(est):
        tasks = FitTasks(est, X, few.y, None, None, est.max_iter)
    solver = SOLVERS[state.plan.optimizer.training][not everything]
    try:
        return est._run(
            settings, data, state, penalty, solver, null, start is not None,
            validation, tasks, log,
        )  # fmt: skip
    finally:
        est.n_passes_ = engine.n_passes


def validation_triple(validation: Any) -> tuple[Any, Any, Any]:
    """X, y and weights of a validation set; all None without one."""
    if validation is None:
        return None, None, None
    if not isinstance(validation, tuple) or not 2 <= len(validation) <= 3:
        raise ValueError(
            "validation must be a tuple (X_val, y_val) or (X_val, y_val, "
            f"sample_weight_val), got a {type(validation).__name__!r}."
        )
    X, y, *weights = validation
    return X, y, weights[0] if weights else None
