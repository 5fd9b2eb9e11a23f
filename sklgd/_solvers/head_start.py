"""Coefficients to start from: a fit of some rows, or a few stochastic passes."""

from copy import copy
from dataclasses import replace

import numpy as np

from ..kernels._order import shuffled
from ..optimizers import SGD
from .output_threads import descend

# Stochastic passes before the run, and their first step in units of 1/L: of softmax,
# whose bound is met between two classes at even odds only, and of other losses. They
# take place from so many sparse rows on: fewer settle nothing, and cost little.
COUPLED_PASSES, PASSES, PASS_ROWS = (3, 2.0), (2, 1.0), 1000
# Rows per call of the kernel.
CHUNK_ROWS = 16384


def stochastic_passes(data, state, penalty):
    """A few stochastic passes over sparse rows, into ``state.coef``.

    A row of text is nearly orthogonal to most others, so steps on single rows get
    within a few per cent of the optimum in passes each of which costs, on CSR, less
    than an iteration of a batch method. Plain SGD in raw coordinates: the learning rate
    falls linearly from about 1/L, L being a bound of a row's mean curvature, to zero,
    which takes the noise out of the last iterate. The orders are the same in every fit.

    Returns
    -------
    changed : bool
        True if the coefficients have changed and are finite.
    """
    n, statistics = data.n_rows, state.basis
    if (
        not data.sparse
        or n < PASS_ROWS
        or not penalty.elastic_net
        or not data.loss.smooth
        or statistics is None
        or state.coef[:-1].any()
    ):
        return False
    cold = state.coef.copy()
    per_row = float((statistics.loss_unit / statistics.z_unit**2).max())
    size = 1.0 + float(statistics.moments(False)[1].sum())
    passes, pace = COUPLED_PASSES if data.loss.coupled(data.n_outputs) else PASSES
    eta0, n_steps = pace / (per_row * size), passes * n
    penalties = np.full_like(cold, penalty.l1), np.full_like(cold, penalty.l2)
    make_rule = SGD().make_rule
    rule = make_rule(state.coef, *penalties)
    work = min(n, CHUNK_ROWS) * int(data.entries_per_row) * data.n_outputs
    descent = descend(
        data.problem(), rule, make_rule, penalties, 1, work, coef=state.coef,
        position=state.coef, row_penalty=(penalty.l1, penalty.l2),
    )  # fmt: skip
    rng = np.random.RandomState(0)
    with np.errstate(all="ignore"):
        for done in range(0, n_steps, n):
            # A permutation of the rows, in place: theirs is a copy.
            order = shuffled(rng, n if data.rows is None else data.rows)
            # In parts: Ctrl-C is answered between calls.
            for first in range(0, n, CHUNK_ROWS):
                t = np.arange(done + first, done + min(first + CHUNK_ROWS, n))
                descent.run(order, eta0 * (1.0 - t / n_steps), 1, first, n)
        descent.flush()
    state.rows += passes * n
    if np.isfinite(state.coef).all():
        return True
    state.coef[...] = cold
    return False


# A subsample has at least so many rows, so many for each coefficient and so many of
# each class; it takes place if there are so many times more rows, and ends at this gap
# or after so many steps.
LEAST_ROWS, ROWS_PER_COEFFICIENT, LEAST_OF_CLASS, WORTH = 600, 20, 20, 15
SUBSAMPLE_TOL, SUBSAMPLE_STEPS = 1e-3, 15


def prepare(method, data, state, penalty):
    """A fit of a subsample, or stochastic passes where that does not take place."""
    if data.loss.quadratic and state.plan.optimizer.curvature:
        return False  # one step leads to the minimum
    return fit_subsample(method, data, state, penalty) or stochastic_passes(
        data, state, penalty
    )


def fit_subsample(method, data, state, penalty):
    """Put the optimum of a few rows into ``state.coef``, if that is worth it.

    The optimum of m rows is about n_features / m from that of all (in units of the
    loss's own noise), and costs m / n of the time: a warm start that leaves one or two
    steps to do (Eisen, Mokhtari and Ribeiro 2018). The rows are evenly spaced, so that
    a sorted file is well represented.

    Returns
    -------
    warm : bool
        True if the coefficients have changed.
    """
    K, order = data.n_outputs, data.X.shape[1] + 1
    m = max(LEAST_ROWS, ROWS_PER_COEFFICIENT * order * K)
    n = data.n_rows
    if (
        n < WORTH * m
        or data.loss.quadratic
        or not state.plan.optimizer.curvature
        or state.coef[:-1].any()
    ):
        return False
    few = replace(data, rows=data.spaced(n // m))
    if not few.mean_weight > 0.0 or rare_classes(few):
        return False
    part = copy(state)
    part.coef = state.coef.copy()
    run = method(few, part, penalty)
    run.aim(run.constant_objective(few.fit_intercept_only()), SUBSAMPLE_TOL)
    run.tries = False
    for _ in range(SUBSAMPLE_STEPS):
        if run.epoch()[0] == 0.0 or run.gap() <= SUBSAMPLE_TOL:
            break
    state.coef[...] = part.coef
    return True


def rare_classes(data):
    """True if a class has too few of the rows to learn from."""
    if data.loss.task == "regression":
        return False
    target = data.target if data.everything else data.target[data.rows]
    if data.n_outputs == 1:
        positive = np.count_nonzero(target > 0.0)
        counts = np.array([positive, len(target) - positive])
    else:
        counts = np.bincount(target.astype(np.intp), minlength=data.n_outputs)
    return bool(counts.min() < LEAST_OF_CLASS)
