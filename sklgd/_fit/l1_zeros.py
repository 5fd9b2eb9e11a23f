"""The exact zeros of an l1 penalty in the coefficients that are reported.

An optimizer that sees few rows at a time moves a coefficient off zero in most steps,
although the optimum has it at zero: its last iterate has few zeros, and a mean of
iterates none. What is reported is therefore looked at once more, over all rows. A
coefficient that a proximal step takes to zero becomes zero, as long as the objective
does not rise. The iterates themselves, from which learning goes on, stay as they are.
"""

from zlib import crc32

import numpy as np
import scipy.sparse as sp

from .trial_step import proximal_step, sizes_of, some_rows

# Rounds of looking at the gradient, and how often the set of coefficients is halved
# in a round where all of them together would do harm.
ROUNDS, HALVINGS = 10, 8
# A round that found fewer zeros than this share of what is left is the last one: the
# next would find hardly any, and costs two passes over X.
WORTH = 0.05
# An objective that rises by less than this share of it does not rise.
ROUNDING = 1e-14
# Rows that tell one set of rows from another.
SOME = 256


def with_zeros(data, problem, coef, penalty, objective):
    """Coefficients with the zeros that the l1 penalty asks for.

    Parameters
    ----------
    data : Data
        With normalised weights.
    problem : Problem
        Of these data.
    coef : float64 array of shape (n_features + 1, n_outputs)
        Not changed.
    penalty : ElasticNet
    objective : float
        F at ``coef``.

    Returns
    -------
    coef : float64 array of the same shape
        ``coef`` itself if nothing is to be done.
    objective : float
        F there, not above the one given (but for rounding).
    """
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = sizes_of(data, some_rows(data))
        for _ in range(ROUNDS):
            step = proximal_step(data, problem, coef, sizes, penalty)
            found = _round(data, problem, coef, step, penalty, objective)
            if found is None:
                break
            before = np.count_nonzero(coef[:-1])
            coef, objective = found
            left = np.count_nonzero(coef[:-1])
            if left == 0 or before - left <= WORTH * left:
                break
    return coef, objective


def _round(data, problem, coef, step, penalty, objective):
    """As many zeros as do no harm: coefficients and F; None if there are none."""
    gradient, change, hessian, mean, *_ = step
    w = coef[:-1]
    going = np.flatnonzero((w != 0.0) & (change == -w))
    for attempt in range(HALVINGS):
        if attempt == 1:
            # What each does to F alone, by a bound of its curvature: the best ones come
            # first.
            move, slope = change.take(going), gradient.take(going)
            harm = slope * move + 0.5 * hessian.take(going) * move**2
            going = going[np.argsort(harm - penalty.l1 * np.abs(move), kind="stable")]
        if attempt:
            going = going[: len(going) // 2]
        if not len(going):
            break
        gone = np.zeros_like(w)
        gone.put(going, w.take(going))
        trial = coef.copy()
        trial[:-1] -= gone
        if data.fit_intercept:
            trial[-1] += mean @ gone
        value = problem.value(trial) / data.mean_weight + penalty.value(trial)
        if value <= objective + ROUNDING * abs(objective):
            return trial, value
    return None


def mark_of(data):
    """A number that tells the rows of ``data`` from other rows."""
    rows = data.spaced(-(-data.n_rows // SOME))
    block = data.X[rows]
    arrays = [rows, data.target]
    if sp.issparse(block):
        numbers = block.indices.astype(np.int64)
        if data.columns is not None:
            numbers = data.columns[numbers]
        arrays += [block.data, numbers]
    else:
        arrays.append(block)
    mark = 0
    for array in arrays:
        mark = crc32(np.ascontiguousarray(array).tobytes(), mark)
    return mark
