"""A function to be minimised: its values, gradients and bounds, and their counts."""

import math
from typing import Any

import numpy as np
from scipy.optimize import Bounds

EPS = float(np.finfo(float).eps)
# Relative steps of finite differences: where rounding and truncation are about equal.
STEPS = {"2-point": EPS ** (1 / 2), "3-point": EPS ** (1 / 3)}
# Distance, relative to max(1, |x|), at which a function is evaluated beside a point.
NEARBY = 1e-3


def norm(x):
    """Euclidean length; neither overflow nor underflow of squares changes it."""
    square = float(x @ x)
    if 0.0 < square < np.inf:
        return math.sqrt(square)
    largest = float(np.abs(x).max())
    if not 0.0 < largest < np.inf:
        return largest
    return largest * math.sqrt(float(((x / largest) ** 2).sum()))


class Function:
    """fun with its gradient inside lower <= x <= upper.

    Parameters
    ----------
    fun, jac, args, bounds
        As `sklgd.minimize` takes them.
    n : int
        Number of variables.

    Attributes
    ----------
    n_values, n_gradients : int
        Calls of ``fun`` and of ``jac``; where ``fun`` returns both, or the gradient
        comes from finite differences, gradients are counted as they are asked for.
    """

    def __init__(self, fun, jac, args, bounds, n):
        if not callable(fun):
            raise ValueError(f"fun must be a function of x, got {fun!r}.")
        kinds: dict[Any, Any] = {True: self._second}
        kinds |= dict.fromkeys((None, False, *STEPS), self._difference)
        try:
            self._gradient = self._called if callable(jac) else kinds[jac]
        except (KeyError, TypeError):
            raise ValueError(
                f"jac={jac!r} is not possible: it must be a function of x that returns "
                "the gradient, True if fun returns the pair (value, gradient), or "
                "None, '2-point' or '3-point' for finite differences."
            ) from None
        self.fun, self.jac, self.n = fun, jac, n
        self.args = args if isinstance(args, tuple) else (args,)
        self.lower, self.upper = _limits(bounds, n)
        self.bounded = bounds is not None
        self.n_values = self.n_gradients = 0
        self.last = None

    def value(self, x):
        """fun(x) as a float."""
        # The user's function gets a copy, which it may keep or change.
        result = self.fun(x.copy(), *self.args)
        self.n_values += 1
        if self.jac is True:
            try:
                result, gradient = result
            except (TypeError, ValueError):
                raise ValueError(
                    "jac=True says that fun returns the pair (value, gradient), but it "
                    f"returned {result!r}."
                ) from None
            self.last = x.copy(), gradient
        if isinstance(result, float):
            return float(result)
        value = np.asarray(result)
        if value.size != 1 or not np.can_cast(value.dtype, float, "same_kind"):
            raise ValueError(
                f"fun must return a real number, got {result!r} of type "
                f"{type(result).__name__}."
            )
        return float(value.reshape(()))

    def gradient(self, x, value):
        """The gradient at x, where fun is ``value``: float64 of shape (n,)."""
        self.n_gradients += 1
        gradient = np.asarray(self._gradient(x, value))
        if gradient.size != self.n or not np.can_cast(
            gradient.dtype, float, "same_kind"
        ):
            raise ValueError(
                f"jac must return {self.n} real numbers, one for each variable, got an "
                f"array of shape {gradient.shape} and dtype {gradient.dtype}."
            )
        return np.array(gradient, dtype=float).reshape(self.n)

    def _called(self, x, value):
        return self.jac(x.copy(), *self.args)

    def _second(self, x, value):
        last = self.last
        if last is None or not np.array_equal(last[0], x):
            self.value(x)
            last = self.last
        assert last is not None
        return last[1]

    def _difference(self, x, value):
        """Finite differences, a variable at a time, that never leave the bounds.

        Near a bound the step goes to the side with more room, or is as long as that.
        """
        gradient, at = np.zeros(self.n), x.copy()
        steps = STEPS[self.jac or "2-point"] * np.maximum(1.0, np.abs(x))
        differ = self._central if self.jac == "3-point" else self._one_sided
        for j, step in enumerate(steps):
            below, above = x[j] - self.lower[j], self.upper[j] - x[j]
            if max(below, above) > 0.0:
                gradient[j] = differ(at, j, value, step, below, above)
                at[j] = x[j]
        return gradient

    def _one_sided(self, at, j, value, step, below, above):
        """Forward difference where there is room for it."""
        if above < step:
            step = min(step, above) if above >= below else -min(step, below)
        quotient, _ = self._quotient(at, j, value, step)
        return quotient

    def _central(self, at, j, value, step, below, above):
        """Central difference, or a one-sided one of the same order near a bound."""
        if min(below, above) >= step:
            right, h = self._quotient(at, j, value, step)
            at[j] -= h
            left, k = self._quotient(at, j, value, -step)
            return 0.5 * (right + left)
        room = above if above >= below else -below
        far = float(np.copysign(min(2.0 * step, abs(room)), room))
        near, h = self._quotient(at, j, value, 0.5 * far)
        at[j] -= h
        quotient, k = self._quotient(at, j, value, far)
        # The parabola through the three points.
        return near + (near - quotient) * h / (k - h) if k != h else near

    def _quotient(self, at, j, value, step):
        """Difference quotient over a step of variable j, and the step as rounded."""
        start = at[j]
        at[j] = min(max(start + step, self.lower[j]), self.upper[j])
        moved = at[j] - start
        if moved == 0.0:
            return 0.0, 0.0
        return (self.value(at) - value) / moved, moved

    def project(self, x):
        """Move x, in place, to the closest point inside the bounds."""
        if self.bounded:
            np.clip(x, self.lower, self.upper, out=x)

    def free_gradient(self, x, gradient):
        """The gradient without what only pushes against a bound that x has reached.

        Zero at a minimum inside the bounds (first-order condition; Bertsekas 1976).
        """
        if not self.bounded:
            return gradient
        held = ((x <= self.lower) & (gradient > 0.0)) | (
            (x >= self.upper) & (gradient < 0.0)
        )
        return np.where(held, 0.0, gradient)


def _limits(bounds, n):
    """Lower and upper limits of n variables; ``bounds`` as scipy takes them."""
    if bounds is None:
        return np.full(n, -np.inf), np.full(n, np.inf)
    if isinstance(bounds, Bounds):
        lower, upper = bounds.lb, bounds.ub
    else:
        pairs = list(bounds)
        if len(pairs) != n or any(np.shape(pair) != (2,) for pair in pairs):
            raise ValueError(
                f"bounds={bounds!r} must be a scipy.optimize.Bounds or {n} pairs "
                "(lower, upper), one for each variable, None standing for no limit."
            )
        lower = [-np.inf if low is None else low for low, _ in pairs]
        upper = [np.inf if high is None else high for _, high in pairs]
    try:
        lower = np.broadcast_to(np.asarray(lower, dtype=float), n)
        upper = np.broadcast_to(np.asarray(upper, dtype=float), n)
    except ValueError:
        raise ValueError(
            f"bounds={bounds!r} does not fit x0, which has {n} variables."
        ) from None
    crossed = ~(lower <= upper)
    if crossed.any():
        j = int(crossed.argmax())
        raise ValueError(
            f"bounds: the lower limit {lower[j]:g} of variable {j} is above its upper "
            f"limit {upper[j]:g}."
        )
    return lower, upper
