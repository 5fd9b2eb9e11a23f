"""Approximations of the Hessian, and when a better one is computed.

An approximation, called metric here, is a matrix B for the Hessian of F in the scaled
coefficients u of `FeatureScaling`, in which every feature has a second derivative of
about one. There are four, each more expensive and more accurate than the one before:

1. the diagonal: B = I / theta;
2. a bound of the Hessian that holds everywhere, sup l'' X~'X~ + penalty: one Gram
   matrix for all outputs; exact for the squared loss, Boehning's (1992) for softmax;
3. the Hessian's blocks of one output each, exact except for softmax;
4. the whole Hessian of softmax.
"""

import math
from typing import Any

import numpy as np
from scipy.special import softmax

from .._fit.cost import (
    CUBE,
    MAX_COUPLED,
    MAX_FACTOR,
    OVERHEAD,
    row_hessian_cost,
    softmax_cost,
)
from ..kernels._hessian import hessian_block
from .curved_rows import FLAT_SHARE, FLATTER, curved, most_of, trim
from .metrics import HESSIAN_SWEEPS, Factored, RowBlocks, ratio
from .row_hessian import LEAST_RIDGE, RowFactor, RowHessian

# A metric is computed before the first step if it costs no more than so many sweeps
# over X. For the squared error, whose first step is then the last, it may cost more.
FREE_SWEEPS, FREE_SQUARED = 4.0, 20.0
# Share of the bound that is added to the blocks: at first for softmax, after the first
# short step for other losses, and the smallest share.
DAMPING, FIRST_DAMPING, LEAST_DAMPING = 0.1, 0.01, 1e-4
# The share in preconditioners.
SHARP = 1e-5
# Smallest number of rows per coefficient for which the bound of softmax is useful.
SCARCE = 4
# Up to this order it replaces its blocks as soon as a run has taken as long as it will
# take. Near separable classes it costs little, because few rows have a second
# derivative, and conjugate gradients need hundreds of products (kdd99: 17 classes and
# 118 columns; 5.5 s in place of 15 s).
MAX_WHOLE = 2500
# It confirms the end of a run with an l1 penalty if it costs at most so many times what
# the run has taken.
CONFIRMING = 4.0
# From so many classes on, dense blocks of softmax count as so many times the Gram
# matrices that they need, because they leave out more of the Hessian (10000 rows of 50
# columns and 100 classes: 0.7 s with them, 0.4 without; with the 10 classes of
# scikit-learn's digits they gain).
MANY_CLASSES, MANY = 50, 3.0
# The second derivative of a rare class counts as at least this share of the mean one.
# (With a tenth, or with none of them scaled, a set of seven classes, one of 79 % and
# three below 0.1 %, takes more steps. The second derivatives of the constant model in
# place of Boehning's bound: 28 -> 12 steps with 100 classes, 11 -> 6 with 30, 56 -> 37
# on digits.)
RARE = 0.3
# Rows in a block.
SLAB = 16384
# A run on few rows does not end before one of up to so many sweeps has confirmed it.
WAITING = 100.0
# The rows that blocks of softmax take into account are counted when the time spent is
# this share of the cost of blocks of all rows.
LOOK = 0.05
# Loss of degrees of freedom, and of a share of the second derivatives, up to which a
# Hessian still gives an estimate of F - F*.
LOST, LOST_SHARE = 3.0, 0.1
# The loss is measured on so many rows, in so many blocks.
SAMPLED, SAMPLES = 2048, 8


class HessianSchedule:
    """Decides which metric a run uses.

    A run starts with the cheapest metric. The next one, and the Hessian at a new point,
    is computed when the passes over X since the last one have taken as much time as it
    will take. Whichever metric would have been best, the run takes little more than
    twice its time. These times are predicted, not measured, so that a run can be
    repeated.

    Parameters
    ----------
    data : Data
    problem : Problem
    scaling : FeatureScaling
    l2 : ndarray of shape (n_features + 1, n_outputs)
        Penalty of u^2 / 2.
    curvature : bool
        False for a run that stays on the diagonal.
    l1 : bool, default=False
        True for a run with an l1 penalty.
    """

    def __init__(self, data, problem, scaling, l2, curvature=True, l1=False):
        self.data, self.problem = data, problem
        self.scaling, self.l2 = scaling, l2
        self.total_weight = problem.n_samples * data.mean_weight
        self.sweep = OVERHEAD + problem.pass_cost()
        apart = not data.loss.coupled(problem.n_outputs)
        self.few_rows = problem.n_samples <= problem.n_features
        self.by_rows = l1 and apart and self.few_rows
        self.l1, self.row_factor = l1, None
        free = FREE_SQUARED if data.loss.quadratic else FREE_SWEEPS
        self.spent, self.allowance = 0.0, free * self.sweep
        self.levels = self.plan() if curvature else []
        self.coupled = data.loss.coupled(problem.n_outputs)
        order = (problem.n_features + 1) * problem.n_outputs
        # True until the whole Hessian of softmax replaces the blocks.
        self.may_grow = self.coupled and MAX_COUPLED < order <= MAX_WHOLE
        self.moments: Any = None
        self.blocks_at: Any = None
        self.sharp: Any = None
        self.heights: Any = None
        self.sample: Any = None
        self.active, self.waited = 1.0, 0.0
        self.trims, self.share, self.looked = self.coupled and not l1, 1.0, 0.0
        # True if runs with an l1 penalty compute the whole Hessian of softmax, and damp
        # it; True if the blocks that are damped leave out a part of it.
        self.whole = l1 and self.coupled and order <= MAX_COUPLED
        self.incomplete = self.coupled and not self.whole
        self.damping = DAMPING if self.incomplete else 0.0
        self.rejected, self.calm = 0, True
        # True if each step needs a Hessian.
        self.hasty = False
        # The share of second derivatives that the whole Hessian of softmax may leave
        # out, whether the last one left out rows, and how many steps since were short.
        self.flat_share = FLAT_SHARE
        self.leaves_out, self.shortened = False, 0

    def plan(self):
        """Cost and maker of the metrics, in the order in which they are computed.

        (Methods of the class: bound ones would refer back to their owner, and keep the
        data alive until the garbage collector comes.)
        """
        if not factored(self.data):
            return []
        if self.by_rows:
            return [(self.sweep, HessianSchedule.row_blocks)]
        loss, K = self.data.loss, self.problem.n_outputs
        order = self.problem.n_features + 1
        gram = self.problem.gram_cost()
        cheapest = (gram, HessianSchedule.bound)
        if loss.quadratic:
            return [cheapest]
        if loss.coupled(K) and order * K <= MAX_COUPLED:
            price = self.problem.softmax_cost()
            hessian = (price, HessianSchedule.hessian)
        else:
            many = loss.coupled(K) and K >= MANY_CLASSES and not self.data.sparse
            hessian = ((MANY if many else 1.0) * gram * K, HessianSchedule.blocks)
        bounded = loss.smooth and np.isfinite(loss.bound(K))
        return [cheapest, hessian] if K > 1 and bounded else [hessian]

    def next_metric(self, loss, raw_predictions, sweeps=np.inf):
        """The next metric, or None to keep the present one.

        Parameters
        ----------
        loss : Loss
            As it is minimised now.
        raw_predictions : callable
            ``raw_predictions(start, stop)`` returns those of the rows at these
            positions, shape (stop - start, n_outputs).
        sweeps : float, default=inf
            None is computed that costs more than so many sweeps.
        """
        if not self.levels:
            return None
        if self.may_grow and self.waited > self.whole_price():
            # (Blocks leave out most of the Hessian where steps with them take so long.)
            self.grow()
        price, make = self.levels[0]
        if make is HessianSchedule.blocks:
            price *= self.share_of_rows(loss, raw_predictions, price)
        limit = min(max(self.spent, self.allowance), sweeps * self.sweep)
        if price > limit and not self.hasty:
            return None
        self.spent = self.allowance = 0.0
        if len(self.levels) > 1 or loss.quadratic:
            del self.levels[0]
        return make(self, loss, raw_predictions)

    def confirms_blocks(self):
        """True if the whole Hessian of softmax has to confirm that of blocks."""
        return self.may_grow and self.whole_price() <= CONFIRMING * self.waited

    def grow(self):
        """Compute the whole Hessian of softmax from now on; the next one is due."""
        self.levels = [(0.0, HessianSchedule.hessian)]
        self.blocks_at, self.may_grow = None, False
        self.whole = self.l1
        self.incomplete = self.incomplete and not self.l1
        self.damping *= self.incomplete

    def share_of_rows(self, loss, raw_predictions, price):
        """Share of the rows that the blocks of softmax take into account, about.

        It is computed again when the time spent has doubled.
        """
        if self.trims and self.spent >= max(self.looked, LOOK * price):
            h = self.some(loss, raw_predictions)
            self.share, self.looked = trim(h), 2.0 * self.spent
        return self.share

    def price_at_the_end(self):
        """Cost of `at_the_end` in sweeps; infinity if there is no such Hessian."""
        columns = self.price_of_columns()
        return min(columns, self.price_of_rows(columns))

    def price_of_rows(self, columns):
        """Cost of `RowHessian` in sweeps, or infinity.

        It needs a ridge. For coefficients without a penalty, a Hessian of the columns
        is more accurate, if there is one; ``columns`` is its cost.
        """
        penalised = (self.l2[:-1] >= LEAST_RIDGE) | (self.scaling.scale[:-1] == 0.0)
        exists = self.few_rows and not self.l1
        if not exists or (columns <= WAITING and not penalised.all()):
            return math.inf
        known = self.row_factor is not None
        return row_hessian_cost(self.data, self.coupled, known) / self.sweep

    def price_of_columns(self):
        """Cost of the last of the metrics in sweeps, or infinity."""
        order, K = self.problem.n_features + 1, self.problem.n_outputs
        if self.coupled and order * K > MAX_COUPLED:
            return math.inf
        levels = self.plan()
        if not levels:
            return math.inf
        price, _ = levels[-1]
        if not self.by_rows:
            price += CUBE * ((order * K) ** 3 if self.coupled else K * order**3)
        return price / self.sweep

    def at_the_end(self, loss, raw_predictions, sweeps=HESSIAN_SWEEPS):
        """The Hessian at the presumed end of a run without Hessians, or None.

        It is None if that costs more than so many sweeps, the cost of the conjugate
        gradients that would otherwise estimate F - F*. The other parameters are those
        of `next_metric`. The metric of the run itself does not change.
        """
        if self.price_at_the_end() > sweeps:
            return None
        columns = self.price_of_columns()
        if self.price_of_rows(columns) < columns:
            return self.row_hessian(loss, raw_predictions)
        _, make = self.plan()[-1]
        learnt = (
            self.blocks_at, self.heights, self.sample, self.damping,
            self.rejected, self.calm,
        )  # fmt: skip
        self.blocks_at, self.damping = None, 0.0
        metric = make(self, loss, raw_predictions)
        metric.sample = self.sample
        (
            self.blocks_at, self.heights, self.sample, self.damping,
            self.rejected, self.calm,
        ) = learnt  # fmt: skip
        return metric

    def is_worth_waiting(self):
        """True if a run on few rows shall go on until a Hessian confirms its end.

        Conjugate gradients are easily wrong there: the Hessian has a small eigenvalue
        for each column in excess of the number of rows.
        """
        return self.few_rows and self.price_at_the_end() <= WAITING

    def learn_from_step(self, t, age=0):
        """Adapt to the length of a step: a new metric, or None to keep the present one.

        If steps are much shorter than one, the blocks are too small. Those of softmax
        leave out the interaction of the classes, and those of a loss whose derivative
        jumps leave out jumps nearby. A bound is then added to them (Levenberg 1944).
        With an l1 penalty, so does the whole Hessian near separable classes. If it is
        that of a point before, ``age`` steps ago, it is computed again instead, and at
        each point from then on. If the whole Hessian leaves out rows, these may be what
        makes steps short. After two such steps the next Hessian leaves out fewer.
        """
        short = 0.5 if self.data.loss.twice_smooth else 0.01
        self.shortened = self.shortened + 1 if self.leaves_out and t < short else 0
        if self.shortened > 1:
            self.leaves_out, self.shortened = False, 0
            self.flat_share *= FLATTER
            self.end_waiting()
        if self.blocks_at is None or t >= short:
            self.rejected = 0
            return None
        if self.whole:
            self.end_waiting()
            if age > 0:
                self.hasty = True
                return None
        self.calm = False
        self.rejected += 1
        if self.rejected <= self.incomplete or self.damping >= 1.0:
            return None
        self.rejected = 0
        self.damping = min(1.0, max(4.0 * self.damping, FIRST_DAMPING))
        return self.damped()

    def use(self, sweeps=1.0):
        """Add the time of an iteration."""
        self.spent += sweeps * self.sweep
        self.waited += sweeps * self.sweep

    def whole_price(self):
        """Cost of the whole Hessian of softmax."""
        problem = self.problem
        n = math.ceil(self.active * problem.n_samples)
        return softmax_cost(n, problem.n_features, problem.n_outputs)

    def end_waiting(self):
        """Make the next metric due whatever it costs: the present one is of no use."""
        self.spent = np.inf

    # ------------------------------------------------------------------ the metrics

    def bound(self, loss, raw_predictions):
        """sup l'' X~'X~ / n + penalty, or for softmax what is right at the start.

        The bound of softmax (Boehning 1992) is 1/2 for each class, but its second
        derivative at the constant model is p (1 - p), where p is the share of a class.
        """
        self.moments, shares = self.second_moments(), None
        c, scale = loss.bound(self.problem.n_outputs), self.scaling.scale
        if self.coupled and not self.l1:
            p = softmax(self.data.fit_intercept_only())
            shares = p * (1.0 - p)
            c = float(shares.mean())
            shares = np.maximum(shares / c, RARE)
        alike = scale.shape[1] == 1 or (scale == scale[:, :1]).all()
        outputs = [0] if alike else range(scale.shape[1])
        matrices = [self.scaled(self.moments, k, c) for k in outputs]
        return Factored(matrices, loss.quadratic, shares=shares)

    def blocks(self, loss, raw_predictions):
        """X~' diag(l''_k) X~ / n + penalty for each output k."""
        grams: list[Any] = [None] * self.problem.n_outputs
        active = kept = 0
        for start, stop in self.slabs():
            rows = self.data.numbers(start, stop)
            h = self.problem.curvatures(loss, raw_predictions(start, stop), start)
            if self.may_grow:
                active += len(most_of(h.sum(axis=1), FLAT_SHARE))
            if self.trims:
                kept += trim(h) * (stop - start)
            for k, before in enumerate(grams):
                grams[k] = self.gram(h[:, k], rows, before)
        self.active = active / self.problem.n_samples
        if self.trims:
            self.share, self.looked = kept / self.problem.n_samples, 0.0
        # (The bound that may be added: that of softmax, or the mean second derivative.)
        self.sample = self.sampled(loss, raw_predictions)
        heights = [total / self.total_weight for _, _, total in grams]
        if self.coupled:
            heights = [loss.bound(len(grams))] * len(grams)
        matrices = [self.scaled(gram, k) for k, gram in enumerate(grams)]
        return self.renewed(matrices, heights)

    def row_blocks(self, loss, raw_predictions):
        """The same, given by the second derivatives of the rows."""
        n = self.problem.n_samples
        h = self.problem.curvatures(loss, raw_predictions(0, n)) / self.total_weight
        flat = ~h.any(axis=0)
        if flat.any():
            # A model whose second derivative is zero has no minimiser, or the wrong
            # one. The usual size of the second derivative gives a direction.
            s = self.data.targets()[1]
            share = np.full(n, 1.0) if s is None else s
            natural = self.scaling.scale[-1, flat] ** -2.0
            h[:, flat] = np.multiply.outer(share / self.total_weight, natural)
        self.sample = self.sampled(loss, raw_predictions)
        return self.renewed(h, h.sum(axis=0))

    def sampled(self, loss, raw_predictions):
        """Second derivatives of some rows, for `has_changed`; None if none jump."""
        if self.data.loss.twice_smooth or not self.data.loss.smooth:
            return None
        return self.some(loss, raw_predictions)

    def some(self, loss, raw_predictions):
        """Second derivatives of some rows."""
        n = self.problem.n_samples
        starts = [n * i // SAMPLES for i in range(SAMPLES)] if n > SAMPLED else [0]
        size = min(n, SAMPLED) // len(starts)
        parts = [
            self.problem.curvatures(loss, raw_predictions(i, i + size), i)
            for i in starts
        ]
        return np.concatenate(parts)

    def has_changed(self, before, loss, raw_predictions):
        """True if jumps of second derivatives make a Hessian useless as an estimate.

        Let B be that Hessian, and H the one at these raw predictions. The leverages of
        the rows, h_i x_i'B^-1 x_i, add up to at most the number of coefficients. Let c
        be the sum of their decreases. Then H >= (1 - c) B, and F - F* is at most 1 / (1
        - c) times the decrease that B predicts. Leverages are taken as proportional to
        the second derivatives.

        Parameters
        ----------
        before : ndarray
            The result of `sampled` for that Hessian; None if nothing jumps.
        loss, raw_predictions
            As in `next_metric`.
        """
        if before is None:
            return False
        fallen = before - self.sampled(loss, raw_predictions)
        lost = np.maximum(fallen, 0.0).sum(axis=0)
        share = float(ratio(lost, before.sum(axis=0), 0.0).max())
        if self.few_rows:
            # (A row may have a leverage of one.)
            return share > 0.0
        return share > min(LOST / (self.problem.n_features + 1), LOST_SHARE)

    def renewed(self, blocks, heights):
        """The metric of new blocks, with less damping if the last ones were good."""
        if self.blocks_at is not None and self.calm:
            self.damping /= 8.0
            if self.damping < LEAST_DAMPING:
                self.damping = LEAST_DAMPING if self.incomplete else 0.0
        self.blocks_at, self.heights, self.sharp = blocks, heights, None
        self.rejected, self.calm = 0, True
        return self.damped()

    def preconditioner(self):
        """The blocks of softmax with the least damping; None where the metric has it.

        The damping shortens steps. A preconditioner is better without.
        """
        if not self.incomplete or self.blocks_at is None or self.damping <= SHARP:
            return None
        if self.sharp is None:
            self.sharp = self.damped(SHARP)
        return self.sharp

    def damped(self, rho=None):
        """(1 - rho) blocks + rho bound, where rho is the damping."""
        rho = self.damping if rho is None else rho
        if rho == 0.0:
            return self.exactly()
        if self.by_rows:
            s = self.data.targets()[1]
            bound = np.full(self.problem.n_samples, 1.0) if s is None else s
            bound = np.multiply.outer(bound / self.total_weight, self.heights)
            return self.of_rows((1.0 - rho) * self.blocks_at + rho * bound, False)
        if self.moments is None:
            self.moments = self.second_moments()
        if self.whole:
            bound = rho * self.interacting(self.moments, self.heights)
            return Factored([(1.0 - rho) * self.blocks_at[0] + bound], exact=False)
        mixed = []
        for k, (block, height) in enumerate(
            zip(self.blocks_at, self.heights, strict=True)
        ):
            share = self.scaled(self.moments, k, rho * height)
            share -= (1.0 - rho) * np.diag(self.l2[:, k])
            mixed.append((1.0 - rho) * block + share)
        return Factored(mixed, exact=False)

    def undamped(self):
        """The blocks themselves if a bound is added to them, else None."""
        if self.incomplete or self.damping == 0.0 or self.blocks_at is None:
            return None
        return self.exactly()

    def exactly(self):
        """The blocks themselves."""
        if self.by_rows:
            return self.of_rows(self.blocks_at, True)
        return Factored([block.copy() for block in self.blocks_at], exact=True)

    def of_rows(self, curvatures, exact):
        """The metric of these second derivatives of the rows."""
        return RowBlocks(self.data, self.scaling, self.l2, curvatures, exact)

    def hessian(self, loss, raw_predictions):
        """Softmax's whole Hessian: means of (diag p_i - p_i p_i') (x) x~_i x~_i'."""
        H: Any = 0.0
        heights: Any = 0.0
        active = 0
        for start, stop in self.slabs():
            rows, _, s = self.data.part(start, stop)
            p = softmax(raw_predictions(start, stop), axis=1)
            some = curved(p, s, self.flat_share)
            active += len(some)
            if self.whole:
                q = p if s is None else s[:, None] * p
                heights = heights + np.diag(q.sum(axis=0)) - q.T @ p
            centre = self.scaling.centre
            H += self.problem.softmax_hessian(p[some], rows[some], centre)
        self.active = active / self.problem.n_samples
        self.leaves_out = active < self.problem.n_samples
        if self.levels and self.levels[0][1] is HessianSchedule.hessian:
            self.levels[0] = (self.whole_price(), HessianSchedule.hessian)
        S = self.scaling.scale.copy()
        S[-1] *= self.data.fit_intercept
        S = S.reshape(-1)
        H *= np.multiply.outer(S, S / self.total_weight)
        np.einsum("jj->j", H)[...] += self.l2.reshape(-1)
        if not self.whole:
            return Factored([H], exact=True)
        return self.renewed([H], heights / self.total_weight)

    def interacting(self, moments, heights):
        """X~'X~ / n (x) heights + penalty, of all coordinates of softmax."""
        A, v, total = moments
        v = v[:, None]
        H = np.kron(np.block([[A, v], [v.T, total]]) / self.total_weight, heights)
        S = self.scaling.scale.copy()
        S[-1] *= self.data.fit_intercept
        S = S.reshape(-1)
        H *= np.multiply.outer(S, S)
        np.einsum("jj->j", H)[...] += self.l2.reshape(-1)
        return H

    def row_hessian(self, loss, raw_predictions):
        """The Hessian in terms of the rows."""
        if self.row_factor is None:
            self.row_factor = RowFactor(self.data, self.problem, self.scaling, self.l2)
        n = self.problem.n_samples
        z = raw_predictions(0, n)
        if self.coupled:
            p, s = softmax(z, axis=1), self.data.part(0, n)[2]
            h = -p[:, :, None] * p[:, None]
            np.einsum("ikk->ik", h)[...] += p
            h *= 1.0 if s is None else s[:, None, None]
        else:
            h = self.problem.curvatures(loss, z)
        return RowHessian(
            self.row_factor, h / self.total_weight, self.data.fit_intercept,
            self.sampled(loss, raw_predictions),
        )  # fmt: skip

    def slabs(self):
        """Pairs (start, stop) of the positions of blocks of rows."""
        n = self.problem.n_samples
        return [(start, min(start + SLAB, n)) for start in range(0, n, SLAB)]

    def second_moments(self):
        """Second moments with the rows' weights."""
        if self.data.known_moments is not None:
            return self.data.known_moments.of_weight(self.total_weight)
        total = None
        for start, stop in self.slabs():
            s = self.data.weights
            if s is not None:
                s = self.data.part(start, stop)[2]
            total = self.gram(s, self.data.numbers(start, stop), total)
        return total

    def gram(self, h, rows, before):
        """Second moments of rows about the centre, weights h, added to ``before``."""
        gram = self.problem.weighted_gram(h, rows, self.scaling.centre)
        if before is None:
            return gram
        A, v, total = before
        A += gram[0]
        v += gram[1]
        return A, v, total + gram[2]

    def scaled(self, moments, k, factor=1.0):
        """The block of output k in u, from a multiple of the moments' mean."""
        A, v, total = moments
        return hessian_block(
            A, v, total, factor / self.total_weight, self.scaling.scale, self.l2, k,
            self.data.fit_intercept,
        )  # fmt: skip


def factored(data):
    """True if a run may have a metric with Cholesky factors.

    This is not so with too many coefficients, or for softmax with so few rows that the
    bound is far from its Hessian along most directions.
    """
    order, K = data.X.shape[1] + 1, data.n_outputs
    if order > MAX_FACTOR:
        return False
    if not data.loss.coupled(K) or order * K <= MAX_COUPLED:
        return True
    return data.n_rows >= SCARCE * order
