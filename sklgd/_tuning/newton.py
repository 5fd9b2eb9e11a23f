"""Models of smooth losses with few columns: Newton's method for all folds at once.

A training set differs from all rows by one fold only, and the next alpha from the last
one by its penalty only. So one pass over X serves the models of all folds, and the
Hessian of a training set is taken from blocks: with the second derivatives of the loss
at the mean of the models' predictions, H_k is the sum of the blocks of all folds but
that of fold k. It is computed anew only where a step shows that it no longer fits, so
that most alphas cost one or two steps.
"""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import softmax

from .._fit.data import columns_to_fit
from .._fit.offset import without_offset
from .._solvers.curved_rows import curved
from .._solvers.metrics import Factored
from ..kernels._hessian import hessian_block
from ..losses import LOSSES
from .models import Models, are_partition

# Largest order of a Hessian, and bytes of those of all folds and of raw predictions.
MAX_ORDER, MAX_COUPLED, MAX_BYTES = 1500, 500, 2**29
# Steps of an alpha, and halvings of a step.
MAX_STEPS, MAX_HALVINGS = 50, 40
# A step is taken if it lowers F by this share of what the derivative along it predicts
# (Armijo 1966).
SUFFICIENT = 1e-4
# The Hessian fits if a step has lowered F by no less and no more than these multiples
# of what the quadratic model predicted: where Hessians are cheap, and where they are
# not. (Within the narrow range, six sets of up to 123 columns took 5 to 25 % fewer
# steps.)
FITS_WELL, FITS = (0.9, 1.1), (0.7, 1.4)
# Hessians of all folds are cheap if they cost no more than so many passes over X.
CHEAP = 4.0
# Relative rounding error of an objective.
ROUNDING = 1e-13


class Unit:
    """One model of one fold: an output, or all outputs of a loss that couples them.

    Attributes
    ----------
    fold : int
    columns : slice
        Its columns among those of all units.
    term : DataTerm
        Its loss on all rows, with weights of zero outside the training rows.
    total : float
        Sum of the weights of the rows.
    u, start : ndarrays of shape (n_features + 1, n_outputs)
        Scaled coefficients, and those of the constant model.
    z, along, loss_gradient : ndarrays of shape (n_samples, n_outputs)
        Raw predictions, their change along the step, and derivatives of the loss.
    null, value : float
        Mean loss of the constant model, and at u.
    metric : Factored or None
        The Hessian with the penalty; None if it has to be made.
    hessian : tuple or None
        The unit's own Hessian without the penalty; None while it shares the blocks.
    fits : bool
        True if the last step has shown that the Hessian fits.
    t : float
        Length of the last step.
    pairs, before : list, tuple
        What `QuasiNewtonModels` remembers of the steps.
    active : bool
        False if the model has converged.
    """

    metric: Any
    hessian: Any
    gradient: Any
    step: Any
    predicted: float
    derivative: float
    pairs: list[Any]
    before: Any

    def __init__(self, fold, columns, data, start, total):
        self.fold, self.columns, self.term = fold, columns, data.term()
        self.data, self.start, self.total = data, start, total
        shape = (len(data.weights), data.n_outputs)
        self.z, self.along = np.empty(shape), np.zeros(shape)
        self.loss_gradient, self.line_derivative = np.empty(shape), np.empty(shape[1])

    def begin(self):
        """Start at the constant model."""
        self.metric = self.hessian = None
        self.fits, self.active, self.t = True, True, 1.0
        self.move(self.start.copy(), self.start[-1])
        self.null = self.value

    def move(self, u, z):
        """Go to scaled coefficients with these raw predictions."""
        self.u, self.z[...] = u, z
        self.value = self.evaluate(0.0)

    def evaluate(self, t):
        """Mean loss at z + t along; `loss_gradient` is then the one at this point."""
        lengths = np.full(len(self.line_derivative), t)
        value = self.term.line(
            self.data.loss,
            self.z,
            self.along,
            lengths,
            self.loss_gradient,
            self.line_derivative,
        )
        return value * len(self.z) / self.total if np.isfinite(value) else np.inf


class NewtonModels(Models):
    """Models of a smooth loss.

    Parameters
    ----------
    data : Data
        All rows with a weight, and the targets of the user.
    folds : list of Fold
        Their test rows are a partition of the rows.
    penalty : callable
        ``penalty(alpha, l1_ratio)`` is the `Penalty`.
    weights_of : callable
        ``weights_of(k)`` are the weights of all rows as fold k counts them.
    tol : float
        As in `GDRegressor`.
    offset : float64 array of shape (n_samples, n_outputs) or (n_samples, 1), or None
        Is added to the raw predictions.
    """

    blocks: Any
    remedy = "use larger alphas, or scale the columns"
    least_steps = 1
    """Steps that each alpha takes at least."""

    def __init__(self, data, folds, penalty, weights_of, tol, offset=None):
        self.folds, self.tol = folds, tol
        self.means: dict[tuple[float, float], np.ndarray] = {}
        self.n_features = data.X.shape[1]
        used, _ = columns_to_fit(data.X, data.rows, None, data.n_outputs)
        self.penalty = lambda alpha, ratio: penalty(alpha, ratio).of_columns(used)
        given, self.offset = data.of_columns(used), offset
        self.given, data = given, without_offset(given, offset)
        self.data = data
        factors = None
        if data.weights is not given.weights:
            factors = data.weights.copy()
            if given.weights is not None:
                seen = given.weights > 0.0
                factors[seen] /= given.weights[seen]
        self.coupled = data.loss.coupled(data.n_outputs)
        n, d, K = data.X.shape[0], data.X.shape[1], data.n_outputs
        self.set_scaling()
        self.term = self.passes(K * len(folds))
        self.fits_within = FITS_WELL if self.has_cheap_hessians() else FITS
        per_unit = K if self.coupled else 1
        self.fold_weights = [weights_of(k) for k in range(len(folds))]
        targets = [self.target_of(j) for j in range(K // per_unit)]
        self.units = []
        for k, fold in enumerate(folds):
            weights = np.zeros(n)
            weights[fold.train] = self.fold_weights[k][fold.train]
            total = float(weights.sum())
            if factors is not None:
                weights *= factors
            constant = self.constant_model(weights)
            for j, target in enumerate(targets):
                outputs = slice(j * per_unit, (j + 1) * per_unit)
                start = np.zeros((d + 1, per_unit))
                start[-1] = constant[outputs]
                columns = slice(k * K + outputs.start, k * K + outputs.stop)
                its = replace(
                    data, target=target, weights=weights, rows=None, n_outputs=per_unit
                )
                self.units.append(Unit(k, columns, its, start, total))

    @staticmethod
    def suit(data, folds):
        """True if Newton's method for all folds suits these data."""
        n, d, K = data.X.shape[0], data.X.shape[1], data.n_outputs
        coupled = data.loss.coupled(K)
        order = (d + 1) * (K if coupled else 1)
        n_blocks = len(folds) * (1 if coupled else K)
        size = 8 * (2 * n_blocks * order**2 + 4 * n * K * len(folds))
        return (
            data.loss.smooth
            and data.loss.twice_smooth
            and order <= (MAX_COUPLED if coupled else MAX_ORDER)
            and size <= MAX_BYTES
            and are_partition(folds, data.rows, n)
        )

    # -------------------------------------------------------------------- set up

    def passes(self, n_columns):
        """The data term for passes over X with so many columns of coefficients."""
        data = self.data
        squared = LOSSES["squared_error"]()
        target = np.zeros((data.X.shape[0], n_columns))
        self.n_columns = n_columns
        return replace(
            data, target=target, weights=None, rows=None, loss=squared,
            n_outputs=n_columns,
        ).term()  # fmt: skip

    def has_cheap_hessians(self):
        """True if the Hessians of all folds cost a few passes over X only."""
        term = self.data.term()
        n_grams = self.data.n_outputs
        cost = math.inf if self.coupled else n_grams * term.gram_cost()
        return cost <= CHEAP * term.pass_cost()

    def set_scaling(self):
        """Centre and scale of the columns, so that each has mean 0 and size 1."""
        data = self.data
        _, mean, var = data.term().column_statistics(data.weights)
        self.centre = mean if data.fit_intercept else np.zeros_like(mean)
        square = var if data.fit_intercept else var + mean**2
        self.scale = np.zeros((len(mean) + 1, 1))
        seen = square > 0.0
        self.scale[:-1, 0][seen] = square[seen] ** -0.5
        self.scale[-1] = float(data.fit_intercept)

    def target_of(self, j):
        """The targets of output j, or of all outputs if the loss couples them."""
        data = self.data
        if self.coupled or data.n_outputs == 1:
            return data.target.reshape(-1)
        target = np.empty(data.X.shape[0])
        data.output(j, target)
        return target

    def constant_model(self, weights):
        """Raw predictions of the best constant model of a training set."""
        data = self.data
        if not data.fit_intercept:
            return np.zeros(data.n_outputs)
        rows = np.flatnonzero(weights)
        target = data.target.reshape(len(weights), -1)[rows]
        return data.loss.fit_intercept_only(target, weights[rows], data.n_outputs)

    # ------------------------------------------------------------------ contract

    def begin(self, l1_ratio):
        self.l1_ratio, self.blocks, self.renewed = l1_ratio, None, False
        for unit in self.units:
            unit.begin()
        self.gradients()

    def advance(self, alpha):
        penalty = self.strength = self.penalty(alpha, self.l1_ratio)
        self.l1_u, self.l2_u = penalty.strengths(self.scale)
        for unit in self.units:
            unit.active, unit.metric = True, None
        for step in range(MAX_STEPS):
            active = [unit for unit in self.units if unit.active]
            self.renew_hessians(active)
            for unit in active:
                self.find_step(unit)
                value = self.objective(unit)
                target = max(self.tol * (unit.null - value), ROUNDING * abs(value))
                if step >= self.least_steps and self.ends(unit, target):
                    unit.active = False
            active = [unit for unit in active if unit.active]
            if not active:
                break
            self.take_steps(active)
        self.n_unconverged += sum(unit.active for unit in self.units)
        coefs = [self.of_used_columns(k) for k in range(len(self.folds))]
        self.means[alpha, self.l1_ratio] = sum_of(coefs) / len(coefs)

    def ends(self, unit, target):
        """True if what is left to gain is sure to be no more than this."""
        return unit.fits and unit.predicted <= target

    def coefficients(self, k):
        return self.of_all_columns(self.of_used_columns(k))

    def of_used_columns(self, k):
        """Coefficients of the model of fold k, without those of empty columns."""
        parts = [self.raw(unit.u) for unit in self.units if unit.fold == k]
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def of_all_columns(self, coef):
        """Coefficients with zeros for the columns without an entry."""
        if self.data.columns is None:
            return coef
        out = np.zeros((self.n_features + 1, coef.shape[1]))
        out[self.data.columns], out[-1] = coef[:-1], coef[-1]
        return out

    def test_loss(self, k):
        data, test = self.given, self.folds[k].test
        weights = np.ascontiguousarray(self.fold_weights[k][test])
        target = data.target.reshape(data.X.shape[0], -1)[test]
        parts = [unit.z[test] for unit in self.units if unit.fold == k]
        z = np.ascontiguousarray(np.concatenate(parts, axis=1))
        if self.offset is not None:
            z += self.offset[test]
        if target.shape[1] == 1:
            target = target[:, 0]
        return data.loss.evaluate(target, z, weights)[0] / float(weights.sum())

    # --------------------------------------------------------------------- a step

    def raw(self, u):
        """Raw coefficients of scaled ones."""
        coef = self.scale * u
        coef[-1] -= self.centre @ coef[:-1]
        return coef

    def objective(self, unit):
        """F of a model."""
        return unit.value + self.strength.value(self.scale * unit.u)

    def gradients(self):
        """The gradients of all models at their points, in one pass."""
        loss_gradients = np.empty((len(self.units[0].z), self.n_columns))
        for unit in self.units:
            np.divide(
                unit.loss_gradient, unit.total, out=loss_gradients[:, unit.columns]
            )
        out = np.empty((len(self.scale), self.n_columns))
        self.term.gradient(loss_gradients, out)
        out *= len(loss_gradients)
        for unit in self.units:
            g = out[:, unit.columns].copy()
            g[:-1] -= np.outer(self.centre, g[-1])
            unit.gradient = g * self.scale

    def renew_hessians(self, active):
        """Make Hessians anew that do not fit.

        Those at the mean of all predictions first. A unit for which these do not fit
        gets its own: near separable classes, the models of the folds differ much.
        """
        misfit = [unit for unit in active if not unit.fits]
        own = [unit for unit in misfit if unit.hessian is not None]
        if self.renewed:
            own += [unit for unit in misfit if unit.hessian is None and unit.t < 1.0]
        self.renewed = False
        for unit in own:
            unit.hessian = self.own_hessian(unit)
            unit.metric, unit.fits = None, True
        if self.blocks is None or any(not unit.fits for unit in active):
            self.renew_blocks()

    def renew_blocks(self):
        """Blocks of the Hessian, one for each fold, at the mean of all predictions."""
        data, K, n_folds = self.data, self.data.n_outputs, len(self.folds)
        z = np.zeros((len(self.units[0].z), K))
        for unit in self.units:
            first = unit.columns.start - unit.fold * K
            z[:, first : first + unit.z.shape[1]] += unit.z
        z /= n_folds
        s = np.ones(len(z)) if data.weights is None else data.weights
        self.blocks = []
        for fold in self.folds:
            if self.coupled:
                self.blocks.append([self.softmax_block(z, s, fold.test)])
                continue
            self.blocks.append([
                self.block(self.units[j], z[:, [j]], s, fold.test) for j in range(K)
            ])  # fmt: skip
        self.totals = [
            [sum_of([fold[j][part] for fold in self.blocks]) for part in range(3)]
            for j in range(len(self.blocks[0]))
        ]
        self.renewed = True
        for unit in self.units:
            if unit.hessian is None:
                unit.metric, unit.fits = None, True

    def own_hessian(self, unit):
        """The Hessian of a unit at its own raw predictions, without the penalty."""
        rows = self.folds[unit.fold].train
        make = self.softmax_block if self.coupled else partial(self.block, unit)
        return make(unit.z, unit.data.weights, rows)

    def block(self, unit, z, s, rows):
        """The block of some rows of the Hessian of one output."""
        at = np.ascontiguousarray(z[rows])
        h = unit.data.loss.curvature(unit.data.target[rows], at, s[rows])
        h = np.maximum(h[:, 0], 0.0)
        return unit.term.weighted_gram(h, rows, self.centre)

    def softmax_block(self, z, s, rows):
        """The block of some rows of the Hessian of softmax."""
        p = softmax(z[rows], axis=1)
        some = curved(p, s[rows])
        p, rows = np.ascontiguousarray(p[some]), np.ascontiguousarray(rows[some])
        its = replace(self.data, weights=s, rows=None).term()
        return its.softmax_hessian(p, rows, self.centre), np.zeros(1), 0.0

    def metric_of(self, unit):
        """The Hessian of a unit: the sum of all blocks but that of its fold."""
        hessian = unit.hessian
        if hessian is None:
            j = 0 if self.coupled else unit.columns.start % self.data.n_outputs
            pairs = zip(self.totals[j], self.blocks[unit.fold][j], strict=True)
            hessian = [whole - part for whole, part in pairs]
        A, v, H = hessian
        if not self.coupled:
            block = hessian_block(
                A, v, H, 1.0 / unit.total, self.scale, self.l2_u, 0,
                self.data.fit_intercept,
            )  # fmt: skip
            return Factored([block], exact=True, relative=True)
        S = np.repeat(self.scale, unit.u.shape[1], axis=1).reshape(-1)
        A = A * np.multiply.outer(S, S / unit.total)
        np.einsum("jj->j", A)[...] += np.repeat(self.l2_u, unit.u.shape[1])
        return Factored([A], exact=True, relative=True)

    def find_step(self, unit):
        """The minimiser of the quadratic model, and the decrease that it predicts."""
        if unit.metric is None:
            unit.metric = self.metric_of(unit)
        u, l1 = unit.u, self.l1_u
        g = unit.gradient + self.l2_u * u
        if self.strength.smooth:
            unit.step = -unit.metric.solve(g.copy())
            unit.derivative = float((g * unit.step).sum())
            unit.predicted = -0.5 * unit.derivative
            return
        ((model, _),) = unit.metric.parts(u.shape)
        strengths = np.repeat(l1, u.shape[1], axis=1)
        signs = self.strength.signs_of(u)
        signs = None if signs is None else signs.ravel()
        step, product = model.minimise(
            g.ravel(), u.ravel(), strengths.ravel(), np.inf, signs
        )
        unit.step = step.reshape(u.shape)
        change = float((strengths * (np.abs(u + unit.step) - np.abs(u))).sum())
        unit.derivative = float(g.ravel() @ step) + change
        unit.predicted = max(-unit.derivative - 0.5 * float(step @ product), 0.0)

    def take_steps(self, active):
        """Move these units along their steps, each as far as lowers its F enough."""
        coef = np.zeros((len(self.scale), self.n_columns))
        for unit in active:
            coef[:, unit.columns] = self.raw(unit.step)
        along = np.empty((len(active[0].z), self.n_columns))
        self.term.raw_predictions(coef, along)
        for unit in active:
            unit.along[...] = along[:, unit.columns]
            self.take_step(unit)
        self.gradients()

    def take_step(self, unit):
        """Move a unit along its step."""
        before = self.objective(unit)
        rounding, t = ROUNDING * abs(before), 1.0
        for _ in range(MAX_HALVINGS):
            value, u = unit.evaluate(t), unit.u + t * unit.step
            gain = before - value - self.strength.value(self.scale * u)
            if gain >= -SUFFICIENT * t * unit.derivative - rounding:
                break
            t *= 0.5
        else:
            # Rounding hides what is left to gain.
            unit.evaluate(0.0)
            unit.active = False
            return
        low, high = self.fits_within
        low, high = low * unit.predicted - rounding, high * unit.predicted + rounding
        unit.fits = t == 1.0 and low <= gain <= high
        unit.u, unit.value, unit.t = u, value, t
        unit.z += t * unit.along


def sum_of(parts):
    """The sum of arrays, or of numbers."""
    total = parts[0] + 0.0
    for part in parts[1:]:
        total += part
    return total
