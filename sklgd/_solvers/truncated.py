"""Newton steps by conjugate gradients, and the decrease of F that they predict."""

import math
from itertools import pairwise

import numpy as np

from ..kernels._vector import add_scaled
from .lanczos import Lanczos
from .metrics import ratio

# Conjugate gradients end when the later half of them has added less than this share to
# the predicted decrease, if it ends the run and if it does not.
LAST_SHARE, STEP_SHARE, MAX_CG = 0.2, 0.3, 250
# The decrease that they may have missed is small if it is below this multiple of the
# predicted decrease. It is estimated again after so many times as many iterations.
DOUBT, AGAIN = 2.0, 1.2
# Conjugate gradients that end a run take at least this share of the largest number of
# iterations before, because their predicted decrease may hardly grow for a while.
PATIENCE = 0.75
# Share of the target below which a predicted decrease need not be exact.
CLEARLY = 0.5
# A step of conjugate gradients, whose gain differs by at most this share from what they
# predict, leaves what they have missed and some times the error of their model. The
# least Ritz value may be too large, and what they have missed more by the other factor.
# (Checked on 13 problems of 3 to 100 classes, among them fashion_mnist, isolet, covtype
# and letter; 2 of 489 random fits then claimed less than a third of the true gap.)
RIGHT, ERRORS, RITZ = 0.05, 8.0, 3.0
# A second derivative below this share of its usual size counts as zero.
FLAT = 1e-12


def truncated_step(run, q):
    """Conjugate gradients on Newton's equation, preconditioned by the metric.

    They end when the predicted decrease hardly grows any more: some times in a row
    by at most half as much as before, or little in the later half of many
    iterations (after Nash and Sofer 1990, whose test of a single iteration may end
    by chance). A predicted decrease that ends the run must be more accurate than
    one for a step. It need not be if it would stay far below the target with twice
    as many further iterations that gain as much as the last half. For smooth losses
    the least Ritz value bounds the decrease that may be missing; of a step that does
    not end the run it is kept, with the predicted decrease. The quasi-Newton
    matrix is the preconditioner (Morales and Nocedal 2000). ``q`` is the
    quasi-Newton step, which is overwritten.
    """
    sharp = run.hessians.preconditioner()
    if sharp is not None:
        q = run.apply(run.gradient, sharp)
    rz, predicted = run.dot(run.gradient, q), 0.0
    x, r, d = np.zeros_like(q), -run.gradient, np.negative(q, out=q)
    target = run.target()
    run.lines.hold()
    low = CLEARLY * target
    totals, gains = [], [np.inf, np.inf, np.inf]
    lanczos, doubt, due = Lanczos(), 0.0, 0
    for _ in range(MAX_CG):
        Hd = run.hessian_product(d)
        run.hessians.use()
        run.state.rows += run.problem.n_samples
        dHd = run.dot(d, Hd)
        # (If F is flat, as between jumps of the derivative, the quadratic model has
        # no minimum.)
        a = ratio(rz, np.where(dHd > FLAT * run.dot(d, d), dHd, 0.0), 0.0)
        add_scaled(x, a, d)
        add_scaled(r, -a, Hd)
        gains.append(0.5 * float((a * rz).sum()))
        predicted += gains[-1]
        if not math.isfinite(predicted):
            break
        totals.append(predicted)
        ends = predicted <= target
        recent = gains[-4 if ends else -3 :]
        fading = all(2.0 * later <= early for early, later in pairwise(recent))
        small = (0.05 if ends else 0.2) * predicted
        half = len(totals) // 2
        growth = predicted - totals[half]
        little = (LAST_SHARE if ends else STEP_SHARE) * predicted
        seems = fading and recent[0] < np.inf and gains[-1] <= small
        seems = seems or (half >= 4 and growth <= little)
        hasty = ends and len(totals) < PATIENCE * run.longest
        seems = seems and not hasty
        if seems and not (ends and run.data.loss.smooth):
            break
        if half >= 4 and predicted + 2.0 * growth <= low and not hasty:
            predicted += 2.0 * growth
            break
        z = run.apply(r, sharp)
        rz, before = run.dot(r, z), rz
        beta = ratio(rz, before, 0.0)
        lanczos.add(a, beta)
        if seems and len(totals) >= due:
            doubt = 0.5 * float(ratio(rz, lanczos.least(), 0.0).sum())
            if doubt <= max(DOUBT * predicted, target - predicted):
                break
            due = math.ceil(AGAIN * len(totals))
        d *= beta
        d += z
    run.longest = max(run.longest, len(totals))
    if predicted > target and lanczos.steps:
        missed = ratio(run.dot(r, run.apply(r.copy(), sharp)), lanczos.least(), np.inf)
        run.model = predicted, 0.5 * float(missed.sum())
    if predicted <= target < predicted + doubt:
        predicted = math.sqrt(predicted * (predicted + doubt))
    if not predicted > 0.0:
        q = run.apply(run.gradient)
        return -q, 0.5 * float(np.vdot(q, run.gradient))
    return x, run.outlook(predicted, target)


def left_after(run, gain):
    """F - F* after a step of conjugate gradients, or infinity if it is not known.

    It is what they may have missed, and the error of their model, if that is right
    almost everywhere: so is the decrease that it predicts. What they may have missed is
    known only if they were preconditioned by a matrix of all columns.
    """
    (predicted, missed), run.model = run.model, (math.inf, math.inf)
    knows = run.metric.knows_columns and not run.hessians.few_rows
    if not (knows and abs(gain - predicted) <= RIGHT * predicted):
        return math.inf
    return RITZ * missed + ERRORS * abs(gain - predicted)
