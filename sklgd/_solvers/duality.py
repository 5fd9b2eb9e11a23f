"""What dual variables tell of F - F*, at the end of a run.

Derivatives a of the rows' losses and the penalty R bound F* from below (Boyd and
Vandenberghe, "Convex optimization", 2004, section 5.5.1): with v = sum_i s_i a_i x_i,

    F(w) - F* <= sum_i s_i (l(z_i) + l*(a_i) - a_i z_i) + R(w) + R*(-v) + v.w,

an equation where the a are those of the optimum. At the derivatives of w itself the
first sum vanishes. The intercepts have no penalty: their part of v has to be zero.
"""

import numpy as np

# So many steps of the intercepts are made, or until the derivatives add up to this
# share of their size, or until the next step lowers F by at most that share of the
# excess that ends the run. Where the loss couples the outputs, the first step is half
# as long.
BALANCING, BALANCED, ENOUGH = 100, 1e-12, 1e-3
# Second derivatives with respect to the intercepts are computed again after a longer
# step. (Those of losses with an exponential change by a factor of exp(0.1) at most.)
NEARBY = 0.1
# Rows whose second derivatives are computed at a time: they stay in the cache.
ROWS = 1024
# A loss that is larger by no more than this share is the same to rounding.
SAME = 1e-12
# The best intercepts lower F by less than so many times what the last step would.
LEFT = 4.0


def duality_gap(run, u, gradient, objective):
    """Bound of F - F* at u by the gradient of F without the l1 penalty there."""
    l1, l2 = run.l1_u[:-1], run.l2_u[:-1]
    # (The intercept's curvature is about one.)
    of_intercept = 0.5 * float((gradient[-1] ** 2).sum())
    if run.signs is None and not l1.any() and (l2 > 0.0).all():
        # The terms below add up to this.
        return 0.5 * float((gradient[:-1] ** 2 / l2).sum()) + of_intercept
    w, v = u[:-1], gradient[:-1] - l2 * u[:-1]
    if run.signs is not None:
        # R* allows any derivative that points to the side without coefficients.
        v_out = np.where(run.signs[:-1] * v > 0.0, 0.0, v)
    outside = np.maximum(np.abs(v if run.signs is None else v_out) - l1, 0.0)
    strong = l2 > 0.0
    rest = np.where(strong, 0.0, outside)
    if (rest[l1 == 0.0] > 0.0).any():
        return np.inf
    gap = float((l1 * np.abs(w) + 0.5 * l2 * w * w + v * w).sum())
    gap += float((outside[strong] ** 2 / (2.0 * l2[strong])).sum())
    if rest.any():
        weak = rest > 0.0
        gap += float((rest[weak] / l1[weak]).max()) * objective
    return gap + of_intercept


def looks_small(run, excess):
    """True if the bound of F - F* is about this excess or less, with the gradient at u.

    It is the one for the present intercepts, in place of the best ones, and takes no
    pass over X. So `bound_here` is not computed in vain.
    """
    size = run.objective() if run.data.loss.nonnegative else np.inf
    return duality_gap(run, run.u, run.gradient, size) <= excess


def mean_curvatures(problem, loss, z):
    """Second derivatives of the mean loss with respect to the intercepts."""
    starts = range(0, len(z), ROWS)
    return sum(
        problem.curvatures(loss, z[start : start + ROWS], start).sum(axis=0)
        for start in starts
    ) / len(z)


def bound_here(run):
    """Bound of F - F* of the smoothed objective where a run is.

    The derivatives are those with the best intercepts for the coefficients.
    """
    problem, loss = run.problem, run.loss
    z = run.raw_predictions()
    still, gradients = np.zeros(problem.n_outputs), np.empty_like(z)
    unused = np.empty_like(still)
    before = value = problem.line(loss, z, z, still, gradients, unused)
    enough, left = ENOUGH * run.target() * run.mean_weight, 0.0
    if run.data.fit_intercept:
        left, moved, h = np.inf, np.inf, np.ones_like(unused)
        share = 0.5 if run.coupled else 1.0
        negligible = BALANCED * np.abs(gradients).sum(axis=0) / problem.n_samples
        along = gradients.sum(axis=0) / problem.n_samples
        for _ in range(BALANCING):
            if (np.abs(along) <= negligible).all():
                left = 0.0
                break
            # (Near separable classes h is tiny, and small derivatives gain much.)
            if moved > NEARBY or not loss.twice_smooth:
                h = mean_curvatures(problem, loss, z)
            step = np.where(h > 0.0, along / np.where(h > 0.0, h, 1.0), 0.0)
            left = LEFT * 0.5 * float(along @ step) if (h > 0.0).all() else np.inf
            if left <= enough:
                break
            step *= share
            z -= step
            now = problem.line(loss, z, z, still, gradients, unused)
            while now > value + SAME * abs(value):
                # (Where h is tiny, a step may lead far beyond the minimum.)
                z += 0.75 * step
                step *= 0.25
                now = problem.line(loss, z, z, still, gradients, unused)
            moved, value = float(np.abs(step).max()), now
            last, along = along, gradients.sum(axis=0) / problem.n_samples
            if run.coupled:
                # The shorter length of Barzilai and Borwein 1988.
                change = last - along
                gained = float(change @ step)
                if gained > 0.0 and (h > 0.0).all():
                    share = gained / float(change @ (change / h))
    raw = np.empty_like(run.u)
    problem.gradient(gradients, raw)
    run.state.rows += problem.n_samples
    gradient = run.gradient_of(raw)
    # An l1 penalty alone bounds the minimiser where no loss is negative.
    size = run.objective() if run.data.loss.nonnegative else np.inf
    bound = duality_gap(run, run.u, gradient, size)
    return bound + (before - value + left) / run.mean_weight
