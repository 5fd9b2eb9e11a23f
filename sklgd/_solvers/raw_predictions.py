"""The data term of a batch method on lines: at w + t p for as many t as a search wants.

`KeptLines` keep the raw predictions Z = Xw + b of all rows and those along p: a length
t then costs no product with X. That is three numbers a row and output (four with
momentum), which beside a few features are much: `SweptLines` keep none, and pass over X
for each t. As most searches end at their first t, and one pass gives the loss and its
gradient, that takes hardly more time.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from ..kernels._vector import add_scaled, dots

# Share of the memory of X that raw predictions may take.
SHARE = 0.05
# So many bytes of them are little in any case.
LITTLE = 2**20
# Raw predictions that fall by this factor keep the rounding of what they were; where
# all were alike, so many show it.
FALLEN, SOME = 0.1, 64


def make_lines(data, problem, coef, n_runs=1):
    """Lines through ``coef``, which the caller updates in place, and tells them so.

    ``n_runs`` is how many runs on the same X have lines at the same time.
    """
    kept = 3 * 8 * problem.n_outputs * problem.n_samples * n_runs
    cls = KeptLines if kept <= max(SHARE * data.n_bytes, LITTLE) else SweptLines
    return cls(data, problem, coef)


def largest(array):
    """The largest absolute value."""
    sizes = np.abs(array).ravel()
    # (`max` takes microseconds, longer than all the rest for few rows.)
    return sizes[sizes.argmax()]


class KeptLines:
    """Lines whose raw predictions are kept.

    Parameters
    ----------
    data : Data
    problem : DataTerm
        Of the same data.
    coef : ndarray of shape (n_features + 1, n_outputs)
        The point w; the caller's.
    """

    def __init__(self, data, problem, coef):
        self.problem, self.coef = problem, coef
        shape = (problem.n_samples, problem.n_outputs)
        self.raw, self.along = np.empty(shape), np.zeros(shape)
        self.slopes = np.empty(shape)
        self.last: Any = None

    def begin(self):
        """Start from w."""
        if np.count_nonzero(self.coef[:-1]):
            self.problem.raw_predictions(self.coef, self.raw)
            self.watched = self.raw
        else:
            self.raw[...] = self.coef[-1]
            self.watched = self.raw[:SOME]
        self.size = largest(self.watched)

    def lost_digits(self):
        """True if a start far away has left its rounding in the raw predictions."""
        return largest(self.watched) < FALLEN * self.size

    def point(self, raw):
        """Let the line run along the raw coefficients p."""
        self.problem.raw_predictions(raw, self.along)

    def evaluate(self, loss, t):
        """Mean loss at w + t p, and its derivatives in t, an entry for each output.

        The gradient at that point is then `gradient`.
        """
        derivative = np.empty(self.problem.n_outputs)
        value = self.problem.line(
            loss, self.raw, self.along, t, self.slopes, derivative
        )
        return value, derivative

    def value(self, loss):
        """Mean loss at w; what `gradient` gives is then undefined."""
        return self.evaluate(loss, np.zeros(self.problem.n_outputs))[0]

    def gradient(self, out):
        """Store the gradient at the last point evaluated."""
        self.problem.gradient(self.slopes, out)

    def move(self, t):
        """Tell that w goes to w + t p."""
        add_scaled(self.raw, t, self.along)

    def block(self, start, stop, t=0.0):
        """Raw predictions at w + t p of these rows, not to be changed."""
        if t == 0.0:
            return self.raw[start:stop]
        return self.raw[start:stop] + t * self.along[start:stop]

    def hessian_product(self, loss, raw, out):
        """Store the product of the Hessian of the mean loss at w with ``raw``."""
        self.problem.hessian_product(loss, self.coef, raw, out, self.raw)

    def remember(self):
        """Take w as the point before it, too."""
        if self.last is None:
            self.last = np.empty_like(self.raw)
        self.last[...] = self.raw

    def extrapolate(self, loss, beta, raw):
        """Mean loss at ``raw`` = w + beta (w - the point before), like `evaluate`."""
        np.subtract(self.raw, self.last, out=self.along)
        return self.evaluate(loss, np.full(self.problem.n_outputs, beta))[0]

    def attempt(self, loss, raw):
        """Mean loss at ``raw``; what `gradient` gives is then undefined."""
        self.problem.raw_predictions(raw, self.along)
        zero = np.zeros(self.problem.n_outputs)
        return self.problem.line(
            loss, self.along, self.along, zero, self.slopes, np.empty_like(zero)
        )

    def accept(self):
        """Tell that w goes to the last attempt."""
        self.last, self.raw, self.along = self.raw, self.along, self.last


class SweptLines:
    """Lines for which X is read at every point; parameters are those of `KeptLines`."""

    def __init__(self, data, problem, coef):
        self.data, self.problem, self.coef = data, problem, coef
        self.raw, self.last_gradient = None, np.empty_like(coef)
        self.other = None

    def begin(self):
        """As in `KeptLines`, like all that follow."""
        self.raw = None

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
        self.raw = None

    def block(self, start, stop, t=0.0):
        out = np.empty((stop - start, self.problem.n_outputs))
        coef = self.coef if t == 0.0 else self.coef + t * self.raw
        self.problem.raw_predictions(coef, out, start)
        return out

    def hessian_product(self, loss, raw, out):
        self.problem.hessian_product(loss, self.coef, raw, out)

    def remember(self):
        pass

    def extrapolate(self, loss, beta, raw):
        return self.of(loss).value_and_gradient(raw, self.last_gradient)

    def attempt(self, loss, raw):
        return self.of(loss).value(raw)

    def accept(self):
        pass
