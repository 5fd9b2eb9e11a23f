"""The data term of the objective, as the methods over all rows use it.

`DataTerm` is everything that `BatchSolver` and its subclasses ask of the rows: they
never look at X. `InMemory` (in `_fit/data.py`) is its implementation for arrays and CSR
matrices; rows that come in blocks, or that lie on several machines, need another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from ..losses import Loss


class DataTerm(Protocol):
    """The mean loss sum_i s_i l(y_i, x_i'w + b) / n over the rows to learn from.

    Coefficients ``coef`` and gradients are float64 arrays of shape (n_features + 1,
    n_outputs), the last row being the intercept's; raw predictions z have shape
    (n_samples, n_outputs). Arrays named ``out``, ``gradient``, ``gradients`` or
    ``derivative`` are the caller's, and are overwritten. Means divide by the number of
    rows, not by their weights. The bits of a result depend on neither the number of
    threads nor the order in which parts of a sum are ready.

    Attributes
    ----------
    loss : Loss
    n_samples, n_features, n_outputs : int
    """

    @property
    def loss(self) -> Loss: ...

    @property
    def n_samples(self) -> int: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...

    def value(self, coef: np.ndarray) -> float:
        """Mean loss at ``coef``."""

    def value_and_gradient(self, coef: np.ndarray, gradient: np.ndarray) -> float:
        """Mean loss at ``coef``, and its gradient, in one pass."""

    def constant_value(self, raw_predictions: np.ndarray) -> float:
        """Mean loss of a constant model; the features are not read."""

    def raw_predictions(
        self, coef: np.ndarray, out: np.ndarray, first: int = 0
    ) -> None:
        """Raw predictions of the rows from position ``first`` on."""

    def line(
        self,
        loss: Loss,
        z: np.ndarray,
        direction: np.ndarray,
        t: np.ndarray,
        gradients: np.ndarray,
        derivative: np.ndarray,
    ) -> float:
        """Mean loss at z_k + t_k direction_k, and its derivatives in t; no pass over X.

        ``gradients`` takes s_i dl/dz of each row, for `gradient`.
        """

    def gradient(self, gradients: np.ndarray, out: np.ndarray) -> None:
        """Gradient that belongs to ``gradients``, in one pass."""

    def curvatures(self, loss: Loss, z: np.ndarray, start: int = 0) -> np.ndarray:
        """s_i d2l/dz^2 of the rows from position ``start`` on, or 0 where negative."""

    def hessian_product(
        self,
        loss: Loss,
        coef: np.ndarray,
        direction: np.ndarray,
        out: np.ndarray,
        raw_predictions: np.ndarray | None = None,
    ) -> None:
        """Hessian of the mean loss at ``coef`` times a direction."""

    def weighted_gram(
        self, h: np.ndarray | None, rows: np.ndarray | None, centre: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """sum_i h_i x~_i x~_i', sum_i h_i x~_i and sum_i h_i, x~ = x - centre.

        ``rows`` are numbers of rows, those of ``h``; None means all.
        """

    def column_statistics(self, weights: np.ndarray | None) -> Any:
        """Sum of weights, and the weighted mean and variance of each column."""

    def softmax_hessian(
        self, p: np.ndarray, rows: np.ndarray, centre: np.ndarray
    ) -> np.ndarray:
        """sum_i s_i (diag p_i - p_i p_i') (x) x~_i x~_i' over these rows."""

    def pass_cost(self) -> float:
        """Predicted nanoseconds of `value_and_gradient`."""

    def gram_cost(self) -> float:
        """Predicted nanoseconds of `weighted_gram` over all rows."""

    def softmax_cost(self) -> float:
        """Predicted nanoseconds of `softmax_hessian` over all rows, and its factor."""
