"""A trial step at the end of a run: a lower bound of F - F*.

The minimum F* is unknown, but F(w + t p) is at least as large for any p and t. Each
feature contributes to the direction p as if the columns were standardised, and t is
searched for, which removes the most frequent reasons for being far from the optimum.
This takes one pass over X for the gradient and a search on some of the rows. One more
pass over X follows only if the search predicts a large gain.
"""

import math

import numpy as np

from ..kernels._hessian import hessian_diagonal
from .column_statistics import column_statistics
from .row_blocks import row_blocks

# Rows and entries of X on which the length is searched for.
ROWS, ENTRIES = 4096, 2**22
# Factor between two lengths that are tried, the shortest and the longest. (Nearly
# collinear features need the latter.)
STRIDE, SHORTEST, LONGEST = 4.0, 4.0**-12, 4.0**8


def possible_gain(data, problem, coef, penalty, worth):
    """A lower bound of the decrease of F by one step; 0.0 if less than ``worth``.

    Parameters
    ----------
    data : Data
        With normalised weights.
    problem : Problem
        Of these data.
    coef : float64 array of shape (n_features + 1, n_outputs)
        At the end of the run.
    penalty : Penalty
    worth : float
        Smallest gain that matters to the caller.

    Returns
    -------
    gain : float
        F(w) - F(w + t p) <= F(w) - F*.
    """
    rows = some_rows(data)
    with np.errstate(over="ignore", invalid="ignore"):
        step, along = _direction(data, problem, coef, rows, penalty)
        # F is convex: F(w + t p) >= F(w) + t times this derivative.
        if not -LONGEST * along >= worth:
            return 0.0
        t, gain = _best_length(_on_a_line(data, coef, step, rows, penalty))
        if gain >= worth and len(rows) < data.n_rows:
            before = problem.value(coef) / data.mean_weight + penalty.value(coef)
            moved = coef + t * step
            after = problem.value(moved) / data.mean_weight + penalty.value(moved)
            gain = before - after
    return gain if gain >= worth else 0.0


def some_rows(data):
    """Numbers of all rows, or of evenly spaced ones."""
    limit = min(ROWS, max(256, ENTRIES // max(1, int(data.entries_per_row))))
    return data.spaced(-(-data.n_rows // limit))


def sizes_of(data, rows):
    """Means and scales that `proximal_step` needs beside the gradient.

    Parameters
    ----------
    data : Data
    rows : intp array
        Rows from which the sizes of the features are estimated.

    Returns
    -------
    mean, size : ndarrays of shape (n_features,)
        Of the features; the latter about the mean if there is an intercept.
    curvature : ndarray of shape (n_outputs,)
    """
    mean, size = column_statistics(data, rows)
    if not data.fit_intercept:
        size = size + mean**2
    z_unit, loss_unit = data.natural_scale(data.fit_intercept_only())
    return mean, size, loss_unit / z_unit**2


def proximal_step(data, problem, coef, sizes, penalty):
    """A proximal step of the features in standardised coordinates.

    Parameters
    ----------
    sizes : tuple
        As `sizes_of` gives them.

    Returns
    -------
    gradient : ndarray of shape (n_features, n_outputs)
        Of the smooth part of F, where the intercept makes up for the columns' means.
    change : ndarray of the same shape
        What the step adds to the coefficients; minus the coefficient itself where it
        takes that to zero.
    hessian : ndarray of the same shape
        Second derivatives that determine the lengths of the steps. They are infinite
        for a column of zeros, or a constant one beside an intercept, which does not
        move.
    mean : ndarray of shape (n_features,)
    intercept : ndarray of shape (n_outputs,)
        Gradient of the intercept, and its curvature.
    curvature : ndarray of shape (n_outputs,)
    """
    mean, size, curvature = sizes
    full = np.empty_like(coef)
    problem.value_and_gradient(coef, full)
    full /= data.mean_weight
    w, gradient, intercept = coef[:-1], full[:-1], full[-1]
    gradient += penalty.l2 * w
    if data.fit_intercept:
        # Centred: the intercept changes with them by the columns' means.
        gradient -= mean[:, None] * intercept
    hessian = hessian_diagonal(size, curvature, penalty.l2)[:-1]
    hessian[size == 0.0] = np.inf
    aim = w - gradient / hessian
    if not penalty.smooth:
        aim = penalty.prox(aim, 1.0 / hessian)
    return gradient, aim - w, hessian, mean, intercept, curvature


def _direction(data, problem, coef, rows, penalty):
    """A proximal step in standardised coordinates, and the derivative of F along it."""
    weights, step = data.weights, np.zeros_like(coef)
    if weights is not None and not weights[rows].any():
        return step, 0.0
    gradient, change, _, mean, intercept, curvature = proximal_step(
        data, problem, coef, sizes_of(data, rows), penalty
    )
    step[:-1] = change
    along = np.vdot(gradient, change)
    if data.fit_intercept:
        # The step of the centred intercept, and its change by the columns' means.
        step[-1] = -intercept / curvature
        along += intercept @ step[-1]
        step[-1] -= mean @ change
    if not penalty.smooth:
        along += penalty.derivative(coef[:-1], change)
    return step, float(along)


def _on_a_line(data, coef, step, rows, penalty):
    """F(w + t p) - F(w) on some rows, as a function of t."""
    z, along = np.empty((2, len(rows), data.n_outputs))
    done = 0
    for part, block in row_blocks(data.X, rows):
        some = slice(done, done + len(part))
        z[some] = block @ coef[:-1] + coef[-1]
        along[some] = block @ step[:-1] + step[-1]
        done += len(part)
    target = data.target[rows]
    weights = None if data.weights is None else data.weights[rows]
    total = len(rows) if weights is None else weights.sum() / data.mean_factor

    def objective(t):
        loss = data.loss.evaluate(target, z + t * along, weights)[0] / total
        return loss + penalty.value(coef + t * step)

    start = objective(0.0)
    return lambda t: objective(t) - start


def _best_length(change):
    """The best of the lengths ..., 1/4, 1, 4, ..., and the decrease there.

    ``change`` is convex, so the search starts at 1 and follows the decrease.
    """
    best, value = 1.0, change(1.0)
    for factor in (1.0 / STRIDE, STRIDE):
        first = best
        while SHORTEST < best < LONGEST:
            trial = change(best * factor)
            if math.isfinite(value) and not trial < value:
                break
            best, value = best * factor, trial
        if best != first:
            break
    return best, -value if math.isfinite(value) else 0.0
