"""The exact zeros of an l1 penalty in the coefficients that are reported.

An optimizer that uses few rows at a time moves a coefficient away from zero in most
steps, although it is zero at the optimum. Its last iterate has few zeros, and a mean of
iterates has none. So the coefficients to report make one more proximal step over all
rows. A coefficient that this step takes to zero becomes zero, as long as the objective
does not rise. The iterates themselves, from which learning continues, are not changed.
"""

import numpy as np

from .trial_step import proximal_step, sizes_of, some_rows

# Rounds, each with a gradient of its own, and how often the set of coefficients is
# halved in a round if all of them together would raise the objective.
ROUNDS, HALVINGS = 10, 8
# A round that finds fewer zeros than this share of the other coefficients is the last
# one. The next would find hardly any, and takes two passes over X.
WORTH = 0.05
# A smaller relative rise of the objective counts as rounding.
ROUNDING = 1e-14


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
    penalty : Penalty
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
    """Coefficients with as many zeros as do not raise F, and F; None without any."""
    gradient, change, hessian, mean, *_ = step
    w = coef[:-1]
    going = np.flatnonzero((w != 0.0) & (change == -w))
    for attempt in range(HALVINGS):
        if attempt == 1:
            # The change of F by each of them, from a bound of its second derivative.
            # The best ones come first.
            move, at = change.take(going), gradient.take(going)
            harm = at * move + 0.5 * hessian.take(going) * move**2
            l1 = penalty.l1
            if not penalty.uniform:
                l1 = np.broadcast_to(l1, w.shape).take(going)
            going = going[np.argsort(harm - l1 * np.abs(move), kind="stable")]
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
