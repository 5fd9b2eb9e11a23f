"""The mean loss of a batch method along a line, at w + t p for any number of t.

`KeptLines` store the raw predictions Z = X w + b of all rows and those of p, so that
the loss at a length t needs no product with X. That takes three numbers per row and
output (four with momentum), which is much memory if X has few features. `SweptLines`
store none and read X for each t. Most line searches end at their first t, and one pass
over X gives the loss and its gradient, so this takes hardly more time.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from ..kernels._vector import add_scaled, dots

# Raw predictions may take this share of the memory of X, or LITTLE bytes if that is
# more.
SHARE = 0.05
LITTLE = 2**20
# `hold` keeps raw predictions of so many bytes, or as many as the coefficients take.
HELD = 2**24
# Raw predictions that become smaller by this factor still contain the rounding errors
# of the larger ones. If all of them were equal, SOME of them are checked.
FALLEN, SOME = 0.1, 64


def make_lines(data, problem, coef, n_runs=1):
    """Lines through ``coef``.

    Parameters
    ----------
    coef : ndarray
        The caller updates it in place, and calls `move` or `accept` when it does.
    n_runs : int, default=1
        Number of runs on the same X that have lines at the same time.
    """
    kept = 3 * 8 * problem.n_outputs * problem.n_samples * n_runs
    cls = KeptLines if kept <= max(SHARE * data.n_bytes, LITTLE) else SweptLines
    return cls(data, problem, coef)


def largest(array):
    """The largest absolute value."""
    sizes = np.abs(array).ravel()
    # (`max` takes microseconds, which is longer than the rest for few rows.)
    return sizes[sizes.argmax()]


class KeptLines:
    """Lines that store their raw predictions.

    Parameters
    ----------
    data : Data
    problem : DataTerm
        Of the same data.
    coef : ndarray of shape (n_features + 1, n_outputs)
        The point w, an array of the caller.
    """

    def __init__(self, data, problem, coef):
        self.problem, self.coef = problem, coef
        shape = (problem.n_samples, problem.n_outputs)
        self.raw, self.along = np.empty(shape), np.zeros(shape)
        self.gradients = np.empty(shape)
        self.last: Any = None

    def hold(self):
        """Keep the raw predictions at w until it moves; False without room for them."""
        return True

    def begin(self):
        """Compute the raw predictions at w."""
        if np.count_nonzero(self.coef[:-1]):
            self.problem.raw_predictions(self.coef, self.raw)
            self.watched = self.raw
        else:
            self.raw[...] = self.coef[-1]
            self.watched = self.raw[:SOME]
        self.size = largest(self.watched)

    def lost_digits(self):
        """True if the raw predictions contain rounding errors of much larger ones."""
        return largest(self.watched) < FALLEN * self.size

    def point(self, raw):
        """Set the direction of the line, raw coefficients p."""
        self.problem.raw_predictions(raw, self.along)

    def evaluate(self, loss, t):
        """Mean loss at w + t p, and its derivative in t for each output.

        Afterwards `gradient` gives the gradient at that point.
        """
        derivative = np.empty(self.problem.n_outputs)
        value = self.problem.line(
            loss, self.raw, self.along, t, self.gradients, derivative
        )
        return value, derivative

    def value(self, loss):
        """Mean loss at w. Afterwards the result of `gradient` is undefined."""
        return self.evaluate(loss, np.zeros(self.problem.n_outputs))[0]

    def gradient(self, out):
        """Store the gradient at the last point evaluated."""
        self.problem.gradient(self.gradients, out)

    def move(self, t):
        """Follow the caller, who has moved w to w + t p."""
        add_scaled(self.raw, t, self.along)

    def block(self, start, stop, t=0.0):
        """Raw predictions of these rows at w + t p; the caller must not change them."""
        if t == 0.0:
            return self.raw[start:stop]
        return self.raw[start:stop] + t * self.along[start:stop]

    def hessian_product(self, loss, raw, out):
        """Store the product of the Hessian of the mean loss at w with ``raw``."""
        self.problem.hessian_product(loss, self.coef, raw, out, self.raw)

    def remember(self):
        """Make w the previous point of `extrapolate`."""
        if self.last is None:
            self.last = np.empty_like(self.raw)
        self.last[...] = self.raw

    def extrapolate(self, loss, beta, raw):
        """Mean loss at ``raw`` = w + beta (w - the previous point), as `evaluate`."""
        np.subtract(self.raw, self.last, out=self.along)
        return self.evaluate(loss, np.full(self.problem.n_outputs, beta))[0]

    def attempt(self, loss, raw):
        """Mean loss at ``raw``. Afterwards the result of `gradient` is undefined."""
        self.problem.raw_predictions(raw, self.along)
        zero = np.zeros(self.problem.n_outputs)
        return self.problem.line(
            loss, self.along, self.along, zero, self.gradients, np.empty_like(zero)
        )

    def accept(self):
        """Follow the caller, who has moved w to the point of the last `attempt`."""
        self.last, self.raw, self.along = self.raw, self.along, self.last


class SweptLines:
    """Lines that read X at every point; the parameters are those of `KeptLines`."""

    def __init__(self, data, problem, coef):
        self.data, self.problem, self.coef = data, problem, coef
        self.raw, self.last_gradient = None, np.empty_like(coef)
        self.other = self.held = None

    def hold(self):
        """As in `KeptLines`, like all methods that follow."""
        n, K = self.problem.n_samples, self.problem.n_outputs
        if self.held is None and 8 * n * K <= max(self.coef.nbytes, HELD):
            self.held = self.block(0, n)
        return self.held is not None

    def begin(self):
        self.raw = self.held = None

    def lost_digits(self):
        return False

    def of(self, loss):
        """The data term with this loss."""
        if loss is self.data.loss:
            return self.problem
        if self.other is None or self.other.loss is not loss:
            self.other = replace(self.data, loss=loss).term()
        return self.other

    def point(self, raw):
        self.raw = raw

    def evaluate(self, loss, t):
        at = self.coef
        if self.raw is not None and t.any():
            at = at + t * self.raw
        value = self.of(loss).value_and_gradient(at, self.last_gradient)
        if self.raw is None:
            return value, np.zeros(len(t))
        return value, dots(self.last_gradient, self.raw, False)

    def value(self, loss):
        return self.of(loss).value(self.coef)

    def gradient(self, out):
        out[...] = self.last_gradient

    def move(self, t):
        self.raw = self.held = None

    def block(self, start, stop, t=0.0):
        if t == 0.0 and self.held is not None:
            return self.held[start:stop]
        out = np.empty((stop - start, self.problem.n_outputs))
        coef = self.coef if t == 0.0 else self.coef + t * self.raw
        self.problem.raw_predictions(coef, out, start)
        return out

    def hessian_product(self, loss, raw, out):
        self.problem.hessian_product(loss, self.coef, raw, out, self.held)

    def remember(self):
        pass

    def extrapolate(self, loss, beta, raw):
        return self.of(loss).value_and_gradient(raw, self.last_gradient)

    def attempt(self, loss, raw):
        return self.of(loss).value(raw)

    def accept(self):
        self.held = None
