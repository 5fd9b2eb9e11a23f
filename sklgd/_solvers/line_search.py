"""The length of a step: the root of the derivative along a line."""

import math

# A step is taken if the derivative along it has fallen to this share.
SHARE = 0.5
# The derivative of an output below this share of those of all outputs is a rounding
# error, which has no root to look for.
NEGLIGIBLE = 1e-13
# A derivative below this share of F is no more than a rounding error of F.
INVISIBLE = 2.0**-52


class Root:
    """The search for t along the step of one output, or of all if they share a loss.

    F is convex on each line, so its derivative increases with t and has one root. The
    first trial is t = 1. Then follows the regula falsi in the Illinois form: the
    derivative at an end that stays twice in a row counts half, because the other end
    would converge slowly if the derivative jumps (Dowell and Jarratt 1971).

    Parameters
    ----------
    at_start : float
        Derivative of F at the start, t = 0.
    linear, square : float
        The l2 penalty adds linear t + square t^2 / 2 to F.
    longest : float, default=inf
        Largest t, at least 1: F is infinite beyond.

    Attributes
    ----------
    t : float
        The present trial.
    settled : bool
        True if the derivative at t is small enough.
    negligible : bool
        True if any t will do.
    """

    __slots__ = (
        "at_start", "derivative", "high", "high_derivative", "linear", "longest", "low",
        "low_derivative", "negligible", "settled", "side", "square", "t",
    )  # fmt: skip

    def __init__(self, at_start, linear, square, longest=math.inf):
        self.at_start, self.linear, self.square = at_start, linear, square
        self.longest = longest
        self.t = 1.0 if at_start < 0.0 else 0.0
        self.low, self.low_derivative = 0.0, at_start
        self.high = self.high_derivative = math.inf
        self.side, self.negligible = 0, False

    @property
    def safe(self):
        """The longest t that is known to lower F: its derivative is not positive."""
        return self.t if self.settled and self.derivative <= 0.0 else self.low

    def arrive(self, derivative, jump):
        """Note the derivative at t, without l2 penalty; returns what that adds to F.

        ``jump`` is half the jump of the derivative of an l1 penalty at t. If
        coefficients become zero there, the one-sided derivative nearest to zero counts.
        Otherwise the search would end before that point and leave coefficients of
        1e-17. At the longest t the derivative to the right is infinite.
        """
        total = derivative + self.linear + self.t * self.square
        self.derivative = math.copysign(max(abs(total) - jump, 0.0), total)
        if self.derivative < 0.0 and self.t >= self.longest:
            self.derivative = 0.0
        self.settled = (
            abs(self.derivative) <= SHARE * abs(self.at_start)
            or self.t == 0.0
            or self.negligible
        )
        return self.t * (self.linear + 0.5 * self.t * self.square)

    def move(self, finite, settled):
        """Choose the next t; True if the search is over.

        Parameters
        ----------
        finite : bool
            False if F is not a number at t.
        settled : bool
            True if the lengths of all outputs satisfy the condition.
        """
        at, t = self.derivative if finite else math.inf, self.t
        last, self.side = self.side, 0
        if not (at > 0.0 and t > 0.0) if settled else self.settled:
            return True
        if at < 0.0:
            self.low, self.low_derivative, self.side = t, at, -1
            if last == self.side:
                self.high_derivative *= 0.5
            if self.high == math.inf:
                change = self.at_start - at
                factor = self.at_start / change if change != 0.0 else math.inf
                self.t = min(self.t * min(max(factor, 1.5), 10.0), self.longest)
                return False
        else:
            self.high, self.high_derivative, self.side = t, at, 1
            if last == self.side:
                self.low_derivative *= 0.5
        width = self.high - self.low
        # The share is zero where the derivative at the long end is infinite.
        share = self.low_derivative / (self.low_derivative - self.high_derivative)
        self.t = self.low + min(max(share, 0.1), 0.9) * width
        return width <= 1e-12 * self.high
