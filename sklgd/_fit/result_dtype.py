"""The dtype of the reported coefficients: that of X, if it can hold the model.

A run keeps its coefficients in float64. Those of float32 data are returned in float32,
which has seven digits: too few where features are far from zero and spread little, or
where coefficients are beyond 3e38.
"""

import numpy as np

from ..kernels._vector import all_finite

# Rows, and entries of X, on which the effect of rounding is estimated.
ROWS, ENTRIES = 64, 2**16
# Shares of the gain over the constant model: the largest loss of objective by rounding,
# and the estimated loss above which the objective is evaluated again.
COST, NOTICED = 1e-5, 1e-6
# The gain counts as at least this share of the scale of the loss.
LEAST = 1e-3


def dtype_of_result(training, dtype, objective, unit, null):
    """The dtype for a run's coefficients, and F of the coefficients in that dtype.

    Parameters
    ----------
    training : Solver
        At the end of its run.
    dtype : dtype
        That of X.
    objective : float
        F at the run's coefficients.
    unit : float
        Scale of the loss.
    null : callable
        Gives F of the constant model; not called where rounding does little harm.
    """
    if dtype == np.float64:
        return dtype, objective
    coef = np.ascontiguousarray(training.coef)
    with np.errstate(over="ignore", under="ignore"):
        rounded = coef.astype(dtype).astype(np.float64)
    if not all_finite(rounded):
        return np.float64, objective
    data = training.data
    stored = data.X.nnz if data.sparse else data.X.size
    some = min(ROWS, ENTRIES * data.X.shape[0] // max(1, stored))
    rows = data.spaced(-(-data.n_rows // max(1, some)))
    X, target = data.X[rows], data.target[rows]
    # (The penalty changes by a share of 1e-7, which is never too much.)
    before = data.loss.evaluate(target, X @ coef[:-1] + coef[-1])[0]
    after = data.loss.evaluate(target, X @ rounded[:-1] + rounded[-1])[0]
    change, gained = abs(after - before) / len(rows), LEAST * unit
    if change <= NOTICED * gained:
        return dtype, objective
    gained = max(abs(null() - objective), gained)
    if change <= NOTICED * gained:
        return dtype, objective
    before, after = training.problem.value(coef), training.problem.value(rounded)
    before = before / training.mean_weight + training.penalty.value(coef)
    after = after / training.mean_weight + training.penalty.value(rounded)
    if after - before <= COST * gained:
        return dtype, after
    return np.float64, objective
