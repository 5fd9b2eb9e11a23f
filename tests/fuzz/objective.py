"""The objective of a case in plain NumPy and its minimum by SciPy, without sklgd."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import reference
from scipy.optimize import minimize

from fuzz.cases import Array, Case, task_of

EPS = np.finfo(float).eps


@dataclass
class Objective:
    """Weighted mean loss plus penalty as a function of coefficients.

    Attributes
    ----------
    table, target, weights : float64 arrays
        The weights add up to one.
    loss : reference.Loss
    loss_params : dict
    n_outputs : int
    l1, l2 : float or array that broadcasts to (n_outputs, n_features)
    fit_intercept : bool
    signs : array of shape (n_features,) or None
        Of the coefficients; 0 for either.
    """

    table: Array
    target: Array
    weights: Array
    loss: reference.Loss
    loss_params: dict[str, float]
    n_outputs: int
    l1: float | Array
    l2: float | Array
    fit_intercept: bool
    signs: Array | None = None

    @classmethod
    def of(cls, case: Case) -> "Objective":
        """The objective of a case."""
        name = case.param("loss")
        loss = reference.LOSSES[name]
        weights = np.ones(len(case.y)) if case.weights is None else case.weights
        # Sums of the largest weights would overflow.
        weights = weights / weights.max()
        if task_of(case.estimator) == "regression":
            target = np.asarray(case.y, dtype=float).reshape(len(case.y), -1)
            n_outputs = target.shape[1]
        elif case.several_labels:
            target, n_outputs = 2.0 * case.y - 1.0, case.y.shape[1]
        else:
            classes, codes = np.unique(case.y, return_inverse=True)
            weights = weights * class_weights(case, classes, codes, weights)
            n_outputs = 1 if len(classes) == 2 else len(classes)
            target = codes.astype(float)
            if n_outputs == 1:
                target = 2.0 * target - 1.0
            elif loss.task == "regression":
                target = np.where(np.arange(n_outputs) == target[:, None], 1.0, -1.0)
            if loss.task == "regression":
                target = target.reshape(len(target), -1)
        weights = weights / weights.sum()
        l1, l2 = strengths(case, weights)
        return cls(
            case.table,
            target,
            weights,
            loss,
            {k: case.param(k) for k in loss.params},
            n_outputs,
            l1,
            l2,
            case.param("fit_intercept"),
            case.signs,
        )

    @property
    def softmax(self) -> bool:
        """True for the log loss with several classes."""
        several = self.n_outputs > 1 and self.target.ndim == 1
        return self.loss.function is reference.logistic and several

    def raw(self, coef: Array, intercept: Array) -> Array:
        """Raw predictions."""
        return self.table @ coef.T + intercept

    def at(self, coef: Array, intercept: Array) -> tuple[float, float]:
        """The objective, and about how far rounding may move it.

        ``coef`` has shape (n_outputs, n_features).
        """
        with np.errstate(all="ignore"):
            z = self.raw(coef, intercept)
            sizes = np.abs(self.table) @ np.abs(coef.T) + np.abs(intercept)
            value, slope = self.loss.evaluate(self.target, z, **self.loss_params)
            # Rows without weight count for nothing, whatever their loss.
            counts = self.weights > 0.0
            s = self.weights[counts]
            F = s @ value[counts] + reference.penalty_value(coef, self.l1, self.l2)
            shift = 20.0 * EPS * (sizes + np.abs(z))
            moved = (np.abs(slope) * shift).sum(axis=1)
            # At a jump or the bottom of a parabola the slope does not show it all.
            for beside in (z - shift, z + shift):
                there, _ = self.loss.evaluate(self.target, beside, **self.loss_params)
                moved = np.maximum(moved, np.abs(there - value))
            error = s @ moved[counts]
            error += EPS * (100.0 * abs(F) + s @ np.abs(value[counts]))
        return float(F), float(error)

    def constants(self) -> list[Array]:
        """Intercepts of constant models, the best among them up to little."""
        zero = np.zeros(self.n_outputs)
        if not self.fit_intercept:
            return [zero]
        counts = self.weights > 0.0
        y, s = self.target[counts], self.weights[counts]
        with np.errstate(all="ignore"):
            if self.loss.task == "classification":
                if y.ndim == 2:
                    share, signs = s @ (y > 0.0), np.sign(s @ y)
                elif self.n_outputs == 1:
                    share = np.array([s @ (y > 0.0)])
                    signs = np.sign(y @ s) * np.ones(1)
                else:
                    share = np.array([s @ (y == k) for k in range(self.n_outputs)])
                    signs = np.where(share > 0.5, 1.0, -1.0)
                odds = (
                    np.log(share) if self.softmax else np.log(share) - np.log1p(-share)
                )
                found = [zero, odds, signs, 2.0 * share - 1.0]
            else:
                mean = s @ y
                found = [zero, mean, np.log(mean)]
                for level in {0.5, self.loss_params.get("quantile", 0.5)}:
                    found.append(weighted_quantile(y, s, level))
        return [c for c in found if np.isfinite(c).all()]

    def null(self) -> float:
        """Objective of the best of the constant models."""
        nothing = np.zeros((self.n_outputs, self.table.shape[1]))
        values = [self.at(nothing, c)[0] for c in self.constants()]
        return min((v for v in values if np.isfinite(v)), default=np.inf)

    def minimum(self) -> float:
        """A value that is nearly the least, at any rate not below it; inf if none.

        L-BFGS-B on centred and scaled columns; with an l1 penalty or signs on positive
        and negative parts; losses made of lines are rounded off less and less.
        """
        return Solver(self).best


class Solver:
    """Minimises an `Objective`."""

    def __init__(self, objective: Objective) -> None:
        self.F = objective
        n, d = objective.table.shape
        self.shape = d + 1, objective.n_outputs
        s = objective.weights
        with np.errstate(all="ignore"):
            largest = np.abs(objective.table).max(axis=0)
            unit = np.where(largest > 0.0, largest, 1.0)
            table = objective.table / unit
            mean = s @ table if objective.fit_intercept else np.zeros(d)
            spread = np.sqrt(s @ (table - mean) ** 2)
            spread = np.where(spread > 1e-13, spread, 1.0)
            self.rows = np.column_stack(
                [(table - mean) / spread, np.full(n, float(objective.fit_intercept))]
            )
            self.scale, self.mean = spread * unit, mean * unit
        constants = objective.constants()
        nothing = np.zeros((objective.n_outputs, d))
        values = [objective.at(nothing, c)[0] for c in constants]
        start = constants[int(np.argmin(values))]
        self.best = min(values)
        y, z = objective.target, start
        with np.errstate(all="ignore"):
            self.z_unit = 1.0
            if objective.loss.task == "regression" and (
                objective.loss.function
                not in (reference.poisson, reference.gamma, reference.tweedie)
            ):
                sizes = np.abs(y - z)
                self.z_unit = float(np.median(sizes) or np.mean(sizes) or 1.0)
            self.F_unit = abs(self.best) or 1.0
        u = np.zeros(self.shape)
        u[-1] = start / self.z_unit
        non_smooth = objective.loss.function in reference.JUMPS
        for barrier_weight in (
            (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6) if non_smooth else (0.0,)
        ):
            with np.errstate(all="ignore"):
                u = self.descend(u, barrier_weight * self.z_unit)
                F, _ = objective.at(*self.to_raw(u))
            if np.isfinite(F):
                self.best = min(self.best, F)

    def to_raw(self, u: Array) -> tuple[Array, Array]:
        """(coef, intercept) of scaled coefficients."""
        w = self.z_unit * u[:-1] / self.scale[:, None]
        b = self.z_unit * u[-1] - self.mean @ w
        if not self.F.fit_intercept:
            b = np.zeros_like(b)
        return w.T, b

    def descend(self, u: Array, barrier_weight: float) -> Array:
        """The minimiser of the objective, rounded off at its jumps."""
        F, size = self.F, u.size
        back = self.z_unit / self.scale[:, None]
        shape = F.n_outputs, F.table.shape[1]
        l1, l2 = (np.broadcast_to(strength, shape).T for strength in (F.l1, F.l2))
        parts = bool(np.any(l1 > 0.0)) or F.signs is not None

        def fun(v: Array) -> tuple[float, Array]:
            u = (v[:size] - v[size:] if parts else v).reshape(self.shape)
            z = self.z_unit * (self.rows @ u)
            value, slope = self.smoothed(z, barrier_weight)
            w = back * u[:-1]
            total = F.weights @ value + 0.5 * np.sum(l2 * w**2)
            gradient = self.z_unit * (self.rows.T @ (F.weights[:, None] * slope))
            gradient[:-1] += l2 * back * w
            g = gradient.ravel() / self.F_unit
            if parts:
                cost = np.zeros(self.shape)
                cost[:-1] = l1 * back
                cost = cost.ravel()
                total += cost @ (v[:size] + v[size:])
                cost = cost / self.F_unit
                g = np.concatenate([g + cost, cost - g])
            if not np.isfinite(total):
                return 1e300, np.zeros_like(g)
            return total / self.F_unit, g

        start, bounds = u.ravel(), None
        if parts:
            start = np.concatenate([np.maximum(start, 0.0), np.maximum(-start, 0.0)])
            most = np.full((2, *self.shape), np.inf)
            if F.signs is not None:
                most[0, :-1][F.signs < 0.0] = most[1, :-1][F.signs > 0.0] = 0.0
            bounds = [(0.0, end) for end in most.ravel()]
        found = minimize(
            fun, start, jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": 500, "ftol": 1e-15, "gtol": 1e-11, "maxcor": 30},
        ).x  # fmt: skip
        return (found[:size] - found[size:] if parts else found).reshape(self.shape)

    def smoothed(self, z: Array, barrier_weight: float) -> tuple[Array, Array]:
        """Losses and gradients; with max(a x, b x) replaced by a smooth bound."""
        F = self.F
        if barrier_weight == 0.0:
            return F.loss.evaluate(F.target, z, **F.loss_params)
        value, slope = np.zeros_like(z), np.zeros_like(z)
        y = F.loss.targets(F.target, z)
        jumps: Any = reference.JUMPS
        for x, dx, a, b in jumps[F.loss.function](y, z, **F.loss_params):
            c = np.clip(x / barrier_weight, a, b)
            value += c * x - 0.5 * barrier_weight * c**2
            slope += c * dx
        return value.sum(axis=1), slope


def strengths(case: Case, weights: Array) -> Any:
    """l1 and l2 of the coefficients; the weights add up to one."""
    alpha, sizes, factors = case.param("alpha"), 1.0, case.param("penalty_factor")
    if np.ndim(alpha):
        alpha = np.reshape(alpha, (-1, 1))
    if case.param("standardize"):
        with np.errstate(all="ignore"):
            mean = weights @ case.table
            spread = np.sqrt(weights @ (case.table - mean) ** 2)
        largest = np.abs(case.table).max(axis=0, initial=0.0)
        sizes = np.where(spread > 1e-13 * largest, spread, 1.0)
    return reference.penalty_strengths(
        case.param("penalty"), alpha, case.param("l1_ratio"),
        1.0 if factors is None else factors, sizes,
    )  # fmt: skip


def class_weights(case: Case, classes: Array, codes: Array, weights: Array) -> Array:
    """Class weight of each row."""
    given = case.param("class_weight")
    if given is None:
        return np.ones(len(codes))
    counts = np.bincount(codes, weights, len(classes))
    if isinstance(given, dict):
        return np.array([given.get(c, 1.0) for c in classes])[codes]
    with np.errstate(divide="ignore"):
        per_class = counts.sum() / (len(classes) * counts)
    return np.where(np.isfinite(per_class), per_class, 0.0)[codes]


def weighted_quantile(y: Array, weights: Array, level: float) -> Array:
    """A quantile of each column."""
    found = []
    for column in y.T:
        order = np.argsort(column)
        reached = np.searchsorted(np.cumsum(weights[order]), level * weights.sum())
        found.append(column[order[min(reached, len(order) - 1)]])
    return np.array(found)
