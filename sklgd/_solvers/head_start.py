"""Starting points of batch methods: a fit of some rows, or stochastic passes."""

from copy import copy
from dataclasses import replace

import numpy as np

from ..kernels._order import shuffled
from ..kernels._rules import SGDRule
from .output_threads import descend

# Number of stochastic passes, and their first learning rate in units of 1/L, for
# softmax (whose bound L is reached only at equal odds of two classes) and for other
# losses. With fewer than PASS_ROWS rows they gain little.
COUPLED_PASSES, PASSES, PASS_ROWS = (3, 2.0), (2, 1.0), 1000
# Rows per call of the kernel.
CHUNK_ROWS = 16384


def stochastic_passes(data, state, penalty):
    """A few stochastic passes over sparse rows, into ``state.coef``.

    A row of text is nearly orthogonal to most others. So a few passes of single rows
    get within a few per cent of the optimum, and each pass over CSR takes less time
    than an iteration of a batch method. These are passes of plain SGD in raw
    coefficients. The learning rate falls linearly to zero, so that the last iterate has
    no noise. It starts near 1/L, where L bounds the mean second derivative of a row.
    The order of the rows is the same in every fit.

    Returns
    -------
    changed : bool
        True if the coefficients have changed and are finite.
    """
    n, statistics = data.n_rows, state.basis
    if (
        not data.sparse
        or n < PASS_ROWS
        or not (penalty.closed_form and penalty.uniform)
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
    rule = make_rule(state.coef, *penalties)
    work = min(n, CHUNK_ROWS) * int(data.entries_per_row) * data.n_outputs
    descent = descend(
        data.problem(), rule, make_rule, penalties, 1, work, coef=state.coef,
        position=state.coef, row_penalty=(penalty.l1, penalty.l2),
    )  # fmt: skip
    rng = np.random.RandomState(0)
    with np.errstate(all="ignore"):
        for done in range(0, n_steps, n):
            # (A permutation in place, of a copy of the rows' numbers.)
            order = shuffled(rng, n if data.rows is None else data.rows)
            # (In parts, because Ctrl-C takes effect between calls.)
            for first in range(0, n, CHUNK_ROWS):
                t = np.arange(done + first, done + min(first + CHUNK_ROWS, n))
                descent.run(order, eta0 * (1.0 - t / n_steps), 1, first, n)
        descent.flush()
    state.rows += passes * n
    penalty.project(state.coef)
    if np.isfinite(state.coef).all():
        return True
    state.coef[...] = cold
    return False


def make_rule(coef, l1, l2, state=None):
    """The rule of plain SGD for these coefficients and penalties."""
    return SGDRule({}).bind(coef, l1, l2, state)


# A subsample has at least so many rows, so many for each coefficient and so many of
# each class. It is used if X has WORTH times as many rows. Its run ends at this gap or
# after so many steps.
LEAST_ROWS, ROWS_PER_COEFFICIENT, LEAST_OF_CLASS, WORTH = 600, 20, 20, 15
SUBSAMPLE_TOL, SUBSAMPLE_STEPS = 1e-3, 15


def prepare(method, data, state, penalty):
    """A fit of a subsample, or stochastic passes if there is no such fit."""
    if data.loss.quadratic and state.plan.optimizer.curvature:
        return False  # one step leads to the minimum
    return fit_subsample(method, data, state, penalty) or stochastic_passes(
        data, state, penalty
    )


def fit_subsample(method, data, state, penalty):
    """Set ``state.coef`` to the optimum of a few rows, if that saves time.

    F at the optimum of m rows is about n_features / m above the minimum, in units of
    the noise of the loss, and finding it takes m / n of the time. From there one or two
    steps are left (Eisen, Mokhtari and Ribeiro 2018). The rows are evenly spaced, so
    that they represent a sorted file. If the optimum of these rows gains no more over
    the constant model than features without effect would, it is of no use.

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
    constant = few.fit_intercept_only()
    chance = by_chance(few, constant)
    run = method(few, part, penalty)
    null = run.constant_objective(constant)
    run.aim(null, SUBSAMPLE_TOL)
    run.tries = False
    for _ in range(SUBSAMPLE_STEPS):
        if run.epoch()[0] == 0.0 or run.gap() <= SUBSAMPLE_TOL:
            break
        if null - run.smoothed_objective() + run.excess() <= chance:
            return False
    state.coef[...] = part.coef
    return True


def by_chance(data, constant):
    """Twice what the best of features without effect gain over a constant model.

    On m rows p coefficients gain p / (2 m) times the variance of the rows' derivatives,
    divided by their mean second derivative, and lose as much on other rows.
    """
    term = data.term()
    m, K = term.n_samples, term.n_outputs
    z = np.tile(constant, (m, 1))
    gradients, still = np.empty_like(z), np.zeros(K)
    term.line(data.loss, z, z, still, gradients, np.empty(K))
    h = term.curvatures(data.loss, z).sum()
    if not h > 0.0:
        return 0.0
    noise = float((gradients**2).sum()) / float(h)
    return (term.n_features + 1) * K / m * noise


def rare_classes(data):
    """True if a class has too few of the rows to learn from."""
    if data.loss.task == "regression":
        return False
    target = data.target if data.everything else data.target[data.rows]
    if data.n_outputs == 1 or data.loss.separate_targets:
        positive = np.count_nonzero(target > 0.0, axis=0)
        counts = np.array([positive, len(target) - positive])
    else:
        counts = np.bincount(target.astype(np.intp), minlength=data.n_outputs)
    return bool(counts.min() < LEAST_OF_CLASS)
