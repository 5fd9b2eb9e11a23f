"""Penalties of the coefficients, which the parameter ``penalty`` names.

A penalty is a convex function that is a sum over the coefficients of the features. The
intercepts have none. Optimizers add its smooth part, ``l2 |w|_2^2 / 2``, to the loss,
and treat the rest by its proximal step. Any penalty with a proximal step can be added;
FISTA minimises it ("Extend" in the documentation).

Coefficients of given signs are the minimum of a penalty that is infinite for other
signs. Its proximal step is that of the penalty without signs, followed by a move to
zero of the coefficients that have the wrong sign.

An elastic net may have other strengths for each coefficient (``penalty_factor``,
``standardize``, an ``alpha`` for each target). They are numbers where they are the same
for all coefficients, which costs nothing then.
"""

# The other optimizers, their lagged updates and Newton's models know ``l1 |w|_1``
# alone, in closed form.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from .kernels._vector import penalty as elastic_net_value

__all__ = ["PENALTIES", "ElasticNet", "Penalty", "Signed"]

Prox: TypeAlias = Callable[[np.ndarray, float], np.ndarray]
Strength: TypeAlias = float | np.ndarray


class Penalty(ABC):
    """A convex penalty, sum_jk p(w_jk) = l2 |w|_2^2 / 2 + R(w).

    A subclass gives `terms`, `prox` and `derivative`; these are all that FISTA uses.

    Attributes
    ----------
    l1, l2 : float or ndarray
        Strengths of the parts |w|_1 and |w|_2^2 / 2 that methods treat in closed form.
        If they are not the same for all coefficients, each is an array of shape
        (n_features or 1, n_outputs or 1).
    has_l1, has_l2 : bool
        True if the strength is above zero for some coefficients.
    uniform : bool
        True if l1 and l2 are numbers.
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

    l1: Strength = 0.0
    l2: Strength = 0.0
    has_l1: bool = False
    has_l2: bool = False
    uniform: bool = True
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

    def weighted(self, factors: np.ndarray, sizes: np.ndarray) -> Penalty:
        """The penalty sum_jk v_j p(s_j w_jk).

        Parameters
        ----------
        factors, sizes : ndarrays of shape (n_features, 1)
            v, not negative, and s, above zero.

        Raises
        ------
        ValueError
            If the penalty is no elastic net.
        """
        raise ValueError(
            "penalty_factor and standardize=True are only possible with penalty='l2', "
            "'l1' or 'elasticnet'. Use one of these, or scale the columns of X."
        )

    def same_for_features(self) -> bool:
        """True if l1 and l2 are the same for all features of an output."""
        # (NumPy takes microseconds for the shape of a number.)
        return self.uniform or (
            np.shape(self.l1)[:1] in ((), (1,)) and np.shape(self.l2)[:1] in ((), (1,))
        )

    def of_output(self, k: int) -> Penalty:
        """The penalty of output k alone.

        Parameters
        ----------
        k : int
        """
        return self

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

    def without(self, coef: np.ndarray) -> np.ndarray:
        """True for each of the coefficients (w, b) that has no penalty.

        Parameters
        ----------
        coef : ndarray of shape (n_features + 1, n_outputs)
            Only its shape counts.
        """
        free = np.ones(coef.shape, dtype=bool)
        if not self.absent:
            one = np.ones_like(coef[:-1])
            free[:-1] = self.terms(one) + self.terms(-one) == 0.0
        return free

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
        if self.uniform:
            l1, l2 = self.l1 * scale, self.l2 * scale * scale
            l1[-1] = l2[-1] = 0.0
            return l1, l2
        (l1, l2), w = np.zeros((2, *scale.shape)), scale[:-1]
        l1[:-1], l2[:-1] = self.l1 * w, self.l2 * w * w
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

    With strengths for each coefficient it is sum_jk l1_jk |w_jk| + l2_jk w_jk^2 / 2.

    Parameters
    ----------
    l1, l2 : float or ndarray, default=0.0
        Not negative. Arrays have the shape (n_features or 1, n_outputs or 1).

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

    def __init__(self, l1: Strength = 0.0, l2: Strength = 0.0) -> None:
        self.l1, self.l2 = number_if_equal(l1), number_if_equal(l2)
        self.has_l1, self.has_l2 = has_any(self.l1), has_any(self.l2)
        self.uniform = isinstance(self.l1, float) and isinstance(self.l2, float)
        self.smooth = not self.has_l1
        self.absent = self.smooth and not self.has_l2

    def weighted(self, factors: np.ndarray, sizes: np.ndarray) -> Penalty:
        """l1 v_j s_j and l2 v_j s_j^2 as the strengths; see `Penalty`.

        Parameters
        ----------
        factors, sizes : ndarrays of shape (n_features, 1)
        """
        factors = factors * sizes
        return ElasticNet(self.l1 * factors, self.l2 * factors * sizes)

    def of_output(self, k: int) -> Penalty:
        """The penalty of output k alone.

        Parameters
        ----------
        k : int
        """
        if self.uniform:
            return self
        return ElasticNet(_columns_of(self.l1, [k]), _columns_of(self.l2, [k]))

    def of_columns(self, columns: np.ndarray | None) -> Penalty:
        """As in `Penalty`.

        Parameters
        ----------
        columns : intp array or None
        """
        if columns is None or self.uniform:
            return self
        l1, l2 = np.transpose(self.l1), np.transpose(self.l2)
        l1, l2 = _columns_of(l1, columns), _columns_of(l2, columns)
        return ElasticNet(np.transpose(l1), np.transpose(l2))

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
        l1, l2 = self.l1, self.l2
        if isinstance(l1, float) and isinstance(l2, float):
            return elastic_net_value(coef, l1, l2)
        return super().value(coef)

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
        if not self.uniform:
            return float((self.l1 * along).sum())
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
        self.has_l1, self.has_l2 = penalty.has_l1, penalty.has_l2
        self.uniform, self.closed_form = penalty.uniform, penalty.elastic_net

    def of_output(self, k: int) -> Penalty:
        """As in `Penalty`.

        Parameters
        ----------
        k : int
        """
        return Signed(self.penalty.of_output(k), self.signs)

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


def _columns_of(strength: Strength, columns: Any) -> np.ndarray:
    """Some columns of an array of strengths, or all if they are the same."""
    array = np.asarray(strength)
    return array[:, columns] if array.ndim and array.shape[1] > 1 else array


def has_any(strength: Strength) -> bool:
    """True if a strength is not zero."""
    return bool(strength.any() if isinstance(strength, np.ndarray) else strength)


def number_if_equal(strength: Strength) -> Strength:
    """A float if the strengths are equal, else a float64 array."""
    if isinstance(strength, (int, float)):
        # (NumPy takes microseconds for a number, which tells in the smallest fits.)
        return float(strength)
    array = np.asarray(strength, dtype=np.float64)
    if (array != array.flat[:1]).any():
        return array
    return float(array.flat[0]) if array.size else 0.0


def soft_threshold(x: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """x moved towards zero by ``threshold``, and exactly 0 within it."""
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0.0)


PENALTIES: dict[str | None, Callable[[Any, float], Penalty]] = {
    "l2": lambda alpha, l1_ratio: ElasticNet(l2=alpha),
    "l1": lambda alpha, l1_ratio: ElasticNet(l1=alpha),
    "elasticnet": lambda alpha, l1_ratio: ElasticNet(
        alpha * l1_ratio, alpha * (1.0 - l1_ratio)
    ),
    None: lambda alpha, l1_ratio: ElasticNet(),
}
"""What makes a penalty of each name, from the estimators' ``alpha`` and ``l1_ratio``.

``alpha`` is a number, or for an elastic net an array of shape (1, n_outputs).

For "elasticnet" ``l1_ratio`` is a number between 0 and 1; for the others it may be
None, and has no effect.
"""
