"""Penalties of the coefficients, which the parameter ``penalty`` names.

A penalty is a convex function that is a sum over the coefficients of the features. The
intercepts have none. Optimizers add its smooth part, ``l2 |w|_2^2 / 2``, to the loss,
and treat the rest by its proximal step. Any penalty with a proximal step can be added;
FISTA minimises it ("Extend" in the documentation).

Coefficients of given signs are the minimum of a penalty that is infinite for other
signs. Its proximal step is that of the penalty without signs, followed by a move to
zero of the coefficients that have the wrong sign.
"""

# The other optimizers, their lagged updates and Newton's models know ``l1 |w|_1``
# alone, in closed form.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from .kernels._vector import penalty as elastic_net_value

__all__ = ["PENALTIES", "ElasticNet", "Penalty", "Signed"]

Prox: TypeAlias = Callable[[np.ndarray, float], np.ndarray]


class Penalty(ABC):
    """A convex penalty, sum_jk p(w_jk) = l2 |w|_2^2 / 2 + R(w).

    A subclass gives `terms`, `prox` and `derivative`; these are all that FISTA uses.

    Attributes
    ----------
    l1, l2 : float
        Strengths of the parts |w|_1 and |w|_2^2 / 2 that methods treat in closed form.
    signs : int8 ndarray of shape (n_features, 1) or None
        1 where a coefficient must not be negative, -1 where it must not be positive, 0
        where it may have either sign. None if all may. The penalty is infinite for
        other coefficients.
    closed_form : bool
        True if there is nothing but the parts of l1 and l2, and signs.
    elastic_net : bool
        True if there are no signs either, so that every method can minimise it.
    smooth : bool
        True if the penalty has a derivative everywhere.
    absent : bool
        True if the penalty is zero for all coefficients.
    """

    l1: float = 0.0
    l2: float = 0.0
    signs: np.ndarray | None = None
    closed_form: bool = False
    elastic_net: bool = False
    smooth: bool = False
    absent: bool = False

    @abstractmethod
    def terms(self, w: np.ndarray) -> np.ndarray:
        """p(w) of each coefficient.

        Parameters
        ----------
        w : ndarray
        """

    @abstractmethod
    def prox(self, w: np.ndarray, step: float | np.ndarray) -> np.ndarray:
        """argmin_v R(v) + |v - w|_2^2 / (2 step), for each coefficient.

        Parameters
        ----------
        w : ndarray
        step : float or ndarray
            A number, or an array that broadcasts to ``w``; it may be zero.
        """

    @abstractmethod
    def derivative(self, w: np.ndarray, direction: np.ndarray) -> float:
        """Derivative of R at w along a direction, to the right.

        Parameters
        ----------
        w, direction : ndarrays of shape (n_features, n_outputs)
        """

    def value(self, coef: np.ndarray) -> float:
        """The penalty of coefficients (w, b).

        Parameters
        ----------
        coef : ndarray of shape (n_features + 1, n_outputs)
            Its last row are the intercepts, which have no penalty.
        """
        return float(self.terms(coef[:-1]).sum())

    def with_signs(self, signs: np.ndarray | None) -> Penalty:
        """The same penalty for coefficients of these signs.

        Parameters
        ----------
        signs : int8 array of shape (n_features, 1) or None
        """
        return self if signs is None else Signed(self, signs)

    def of_columns(self, columns: np.ndarray | None) -> Penalty:
        """The penalty of some of the features.

        Parameters
        ----------
        columns : intp array or None
            Numbers of the features; None means all.
        """
        return self

    def project(self, coef: np.ndarray) -> bool:
        """Move coefficients (w, b) to the nearest ones that the penalty allows.

        Parameters
        ----------
        coef : ndarray of shape (n_features + 1, n_outputs)
            Changed in place.

        Returns
        -------
        changed : bool
            True if the penalty was infinite before.
        """
        if self.signs is None:
            return False
        w = coef[:-1]
        wrong = w * self.signs < 0.0
        w[wrong] = 0.0
        return bool(wrong.any())

    def signs_of_features(self) -> np.ndarray | None:
        """``signs`` as an array of shape (n_features,), or None."""
        return None if self.signs is None else np.ascontiguousarray(self.signs[:, 0])

    def signs_of(self, coef: np.ndarray) -> np.ndarray | None:
        """The sign of each coefficient (w, b), 0 where it is free; None if all are.

        Parameters
        ----------
        coef : ndarray of shape (n_features + 1, n_outputs)
            Only its shape counts.
        """
        if self.signs is None:
            return None
        signs = np.zeros(coef.shape, np.int8)
        signs[:-1] = self.signs
        return signs

    def strengths(self, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Strengths l1 and l2 of coordinates u, where (w, b) = scale u.

        Parameters
        ----------
        scale : ndarray of shape (n_features + 1, n_outputs)

        Returns
        -------
        l1, l2 : ndarrays of the same shape
            Zero for the intercepts.
        """
        l1, l2 = self.l1 * scale, self.l2 * scale * scale
        l1[-1] = l2[-1] = 0.0
        return l1, l2

    def prox_in(self, scale: np.ndarray) -> Prox:
        """The proximal step of R in coordinates u, where (w, b) = scale u.

        Parameters
        ----------
        scale : ndarray of shape (n_features + 1, n_outputs)
            Not negative; a coordinate of scale zero stays as it is.

        Returns
        -------
        prox : callable
            ``prox(u, step)`` is argmin_v R(scale v) + |v - u|_2^2 / (2 step).
        """
        size = scale[:-1]
        moves = size > 0.0

        def prox(u: np.ndarray, step: float) -> np.ndarray:
            out = u.copy()
            w = self.prox(size * u[:-1], step * size * size)
            np.divide(w, size, out=out[:-1], where=moves)
            return out

        return prox

    def violation(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """How far coefficients are from optimal: |w - prox(w - g)|, entry by entry.

        Zero everywhere if and only if w minimises F. With an l1 penalty and at w = 0 it
        is max(|g| - l1, 0).

        Parameters
        ----------
        w, gradient : ndarrays of shape (n_features, n_outputs)
            Coefficients, and the gradient g of F without R there.
        """
        return np.abs(w - self.prox(w - gradient, 1.0))


class ElasticNet(Penalty):
    """l1 |w|_1 + l2 |w|_2^2 / 2; without a penalty, both are zero.

    Parameters
    ----------
    l1, l2 : float, default=0.0
        Not negative.

    References
    ----------
    H. Zou and T. Hastie, "Regularization and variable selection via the elastic net",
    Journal of the Royal Statistical Society B 67 (2005).

    Examples
    --------
    >>> import numpy as np
    >>> from sklgd.penalties import ElasticNet
    >>> ElasticNet(l1=1.0).prox(np.array([-3.0, 0.5, 2.0]), 1.0)
    array([-2.,  0.,  1.])
    """

    closed_form = elastic_net = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = float(l1), float(l2)
        self.smooth = self.l1 == 0.0
        self.absent = self.smooth and self.l2 == 0.0

    def terms(self, w: np.ndarray) -> np.ndarray:
        """p(w) of each coefficient.

        Parameters
        ----------
        w : ndarray
        """
        return self.l1 * np.abs(w) + 0.5 * self.l2 * w**2

    def value(self, coef: np.ndarray) -> float:
        """As in `Penalty`, by a compiled loop.

        Parameters
        ----------
        coef : ndarray of shape (n_features + 1, n_outputs)
        """
        return elastic_net_value(coef, self.l1, self.l2)

    def prox(self, w: np.ndarray, step: float | np.ndarray) -> np.ndarray:
        """The soft threshold: w moved towards zero by l1 step, and 0 within that.

        Parameters
        ----------
        w : ndarray
        step : float or ndarray
            A number, or one for each coefficient.
        """
        return soft_threshold(w, self.l1 * step)

    def derivative(self, w: np.ndarray, direction: np.ndarray) -> float:
        """Derivative of l1 |w|_1 along a direction.

        Parameters
        ----------
        w, direction : ndarrays of shape (n_features, n_outputs)
        """
        at_zero = np.abs(direction)
        along = np.where(w == 0.0, at_zero, np.sign(w) * direction)
        return float(self.l1 * along.sum())

    def prox_in(self, scale: np.ndarray) -> Prox:
        """As in `Penalty`; a soft threshold again.

        Parameters
        ----------
        scale : ndarray of shape (n_features + 1, n_outputs)
        """
        l1 = self.strengths(scale)[0]
        return lambda u, step: soft_threshold(u, step * l1)


class Signed(Penalty):
    """A penalty for coefficients of given signs: infinite for those of other signs.

    Parameters
    ----------
    penalty : Penalty
        Without signs.
    signs : int8 array of shape (n_features, 1)
        See `Penalty`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgd.penalties import ElasticNet, Signed
    >>> penalty = Signed(ElasticNet(l1=1.0), np.array([[1], [1], [-1]]))
    >>> penalty.prox(np.array([[-3.0], [5.0], [2.0]]), 1.0).tolist()
    [[0.0], [4.0], [0.0]]
    """

    signs: np.ndarray

    def __init__(self, penalty: Penalty, signs: np.ndarray) -> None:
        self.penalty, self.signs = penalty, signs
        self.l1, self.l2 = penalty.l1, penalty.l2
        self.closed_form = penalty.elastic_net

    def of_columns(self, columns: np.ndarray | None) -> Penalty:
        """As in `Penalty`.

        Parameters
        ----------
        columns : intp array or None
        """
        if columns is None:
            return self
        return Signed(self.penalty.of_columns(columns), self.signs[columns])

    def terms(self, w: np.ndarray) -> np.ndarray:
        """p(w) of each coefficient.

        Parameters
        ----------
        w : ndarray of shape (n_features, n_outputs)
        """
        return np.where(w * self.signs < 0.0, np.inf, self.penalty.terms(w))

    def value(self, coef: np.ndarray) -> float:
        """As in `Penalty`.

        Parameters
        ----------
        coef : ndarray of shape (n_features + 1, n_outputs)
        """
        if (coef[:-1] * self.signs < 0.0).any():
            return np.inf
        return self.penalty.value(coef)

    def prox(self, w: np.ndarray, step: float | np.ndarray) -> np.ndarray:
        """That of the penalty without signs, and zero where the sign is wrong.

        Parameters
        ----------
        w : ndarray of shape (n_features, n_outputs)
        step : float or ndarray
        """
        return zero_if_wrong(self.penalty.prox(w, step), self.signs)

    def derivative(self, w: np.ndarray, direction: np.ndarray) -> float:
        """As in `Penalty`; infinite if no step along the direction is possible.

        Parameters
        ----------
        w, direction : ndarrays of shape (n_features, n_outputs)
        """
        if ((w == 0.0) & (direction * self.signs < 0.0)).any():
            return np.inf
        return self.penalty.derivative(w, direction)

    def prox_in(self, scale: np.ndarray) -> Prox:
        """As in `Penalty`.

        Parameters
        ----------
        scale : ndarray of shape (n_features + 1, n_outputs)
        """
        free, signs = self.penalty.prox_in(scale), self.signs_of(scale)
        return lambda u, step: zero_if_wrong(free(u, step), signs)


def zero_if_wrong(w: np.ndarray, signs: np.ndarray | None) -> np.ndarray:
    """w, changed in place, with zeros where it does not have the sign."""
    w[w * signs < 0.0] = 0.0
    return w


def soft_threshold(x: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """x moved towards zero by ``threshold``, and exactly 0 within it."""
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0.0)


PENALTIES: dict[str | None, Callable[[float, float], Penalty]] = {
    "l2": lambda alpha, l1_ratio: ElasticNet(l2=alpha),
    "l1": lambda alpha, l1_ratio: ElasticNet(l1=alpha),
    "elasticnet": lambda alpha, l1_ratio: ElasticNet(
        alpha * l1_ratio, alpha * (1.0 - l1_ratio)
    ),
    None: lambda alpha, l1_ratio: ElasticNet(),
}
"""What makes a penalty of each name, from the estimators' ``alpha`` and ``l1_ratio``.

For "elasticnet" ``l1_ratio`` is a number between 0 and 1; for the others it may be
None, and has no effect.
"""
