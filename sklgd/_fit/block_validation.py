"""A validation set whose rows are read block by block, once after each epoch.

Loss and score follow from sums over the rows, so that the blocks need not be together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._data_checks import canonical
from .._labels import encode, targets_of
from .._scoring import (
    best_constant,
    explained,
    losses_of_outputs,
    predicted_codes,
    rest_of_deviance,
)
from ..blocks._block import Block
from ..kernels._problem import Problem
from ..kernels._rows import Rows
from ..kernels._vector import all_finite
from .block_data import Sums
from .description import labels_of_rows
from .passes import aligned


@dataclass(frozen=True)
class LabelsToJudge:
    """Validation labels; unknown ones are mistakes without a loss.

    Parameters
    ----------
    classes : array
        Those of the model, sorted.
    factors : ndarray of shape (n_classes,)
        Class weights, which count in the loss only.
    n_outputs : int
    task : str
        That of the loss.
    """

    classes: Any
    factors: np.ndarray
    n_outputs: int
    task: str

    def __call__(self, y: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
        """Class codes (-1: unknown), targets, and factors of the weights."""
        y = labels_of_rows(y)
        codes = encode(y, self.classes).astype(np.intp)
        codes[codes == len(self.classes)] = 0
        known = self.classes[codes] == y
        target = targets_of(codes, self.n_outputs, self.task)
        return np.where(known, codes, -1), target, known * self.factors[codes]


class IndicatorsToJudge:
    """Several validation labels per row."""

    def __call__(self, y: np.ndarray) -> tuple[Any, np.ndarray, Any]:
        """The indicator matrix, targets, and the factor of the weights."""
        y = labels_of_rows(y)
        return y, targets_of(y, y.shape[1], "classification"), 1.0


class TargetsToJudge:
    """Validation targets of regression."""

    def __call__(self, y: np.ndarray) -> tuple[Any, np.ndarray, Any]:
        """The targets twice, and the factor of the weights."""
        target = np.require(y, np.float64, ("C", "A")).reshape(len(y), -1)
        return target, target, 1.0


class AccuracySums:
    """The accuracy, from sums over rows."""

    def sums(self, codes: np.ndarray, z: np.ndarray, weights: np.ndarray) -> Any:
        """Sums over rows with raw predictions z, in a vector."""
        if codes.ndim == 1:
            right = predicted_codes(z) == codes
        else:
            right = ((z > 0.0) == codes).all(axis=1)
        return np.array([weights @ right, weights.sum()])

    def __call__(self, sums: np.ndarray) -> float:
        """The score of these sums."""
        right, weight = sums
        return float(right / weight)


class R2Sums:
    """The coefficient of determination, from sums over rows.

    Parameters
    ----------
    exponential : bool
        True if the predictions are the exponentials of raw predictions.
    some : ndarray of shape (n_some, n_outputs)
        Some of the targets: sums of squares are relative to the first one, and in units
        of the largest deviation from it.
    """

    def __init__(self, exponential: bool, some: np.ndarray) -> None:
        self.exponential, self.shift = exponential, some[0].copy()
        self.scale = np.abs(some - self.shift).max(axis=0)
        self.scale[self.scale == 0.0] = 1.0

    def sums(self, y: np.ndarray, z: np.ndarray, weights: np.ndarray) -> Any:
        """As in `AccuracySums`, like `__call__`."""
        prediction = np.exp(z) if self.exponential else z
        left, change = (y - prediction) / self.scale, (y - self.shift) / self.scale
        squares = weights @ (left * left), weights @ (change * change)
        return np.concatenate([*squares, weights @ change, [weights.sum()]])

    def __call__(self, sums: np.ndarray) -> float:
        left, squares, change = sums[:-1].reshape(3, -1)
        return explained(left, squares - change * change / sums[-1])


class D2Sums:
    """The share of the deviance that is explained, from sums over rows.

    The loss is linear in y, so that a constant model's follows from the mean of y.

    Parameters
    ----------
    loss : Loss
        As `D2` takes it.
    """

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def sums(self, y: np.ndarray, z: np.ndarray, weights: np.ndarray) -> Any:
        """As in `AccuracySums`, like `__call__`."""
        rest = weights @ rest_of_deviance(y, self.loss.power)
        left = rest + losses_of_outputs(self.loss, y, z, weights)
        return np.concatenate([left, rest, weights @ y, [weights.sum()]])

    def __call__(self, sums: np.ndarray) -> float:
        left, rest, total = sums[:-1].reshape(3, -1)
        mean, weight = total[None] / sums[-1], sums[-1:]
        null = best_constant(mean)
        return explained(left, rest + losses_of_outputs(self.loss, mean, null, weight))


@dataclass(frozen=True)
class Judge:
    """The task of a pass over validation rows.

    Parameters
    ----------
    truth : LabelsToJudge or TargetsToJudge
    score : AccuracySums, R2Sums or D2Sums
    loss : Loss
    n_outputs : int
    fit_intercept : bool
    n_threads : int
    unit : float
        Mean weight of a row.
    coef : ndarray of shape (n_features + 1, n_outputs)
    """

    truth: Any
    score: Any
    loss: Any
    n_outputs: int
    fit_intercept: bool
    n_threads: int
    unit: float
    coef: np.ndarray

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(aligned(state))

    def __call__(self, block: Block) -> Sums:
        """The weighted loss and its weight, followed by the sums of the score."""
        X, n = canonical(block.X), len(block.y)
        truth, target, factors = self.truth(block.y)
        weights = np.full(n, 1.0 / self.unit)
        if block.sample_weight is not None:
            weights *= block.sample_weight
        z = np.empty((n, self.n_outputs))
        Problem(
            Rows(X), target, None, self.loss, self.n_outputs, self.fit_intercept, None,
            self.n_threads,
        ).raw_predictions(self.coef, z)  # fmt: skip
        if block.offset is not None:
            z += block.offset[:, None]
        own = weights * factors
        loss = math.nan
        if all_finite(z):
            loss = float(self.loss.evaluate(target, z, own)[0])
        score = self.score.sums(truth, z, weights)
        values = np.concatenate([[loss, own.sum()], score])
        return Sums(values, np.zeros((0, self.n_outputs)), [])


class BlockValidation:
    """Loss and score of coefficients on blocks; see `Validation`.

    Parameters
    ----------
    sum_of : callable
        ``sum_of(task)`` makes a pass over the blocks.
    judge : callable
        Makes a `Judge` of coefficients.
    by_loss : bool
        True if the score is minus the loss.
    columns : intp array or None
        Features that the coefficients of a run are of; None means all.
    n_features : int

    Attributes
    ----------
    unit : float
    """

    unit = 1.0

    def __init__(
        self,
        sum_of: Callable[[Any], Sums],
        judge: Callable[..., Judge],
        by_loss: bool,
        columns: Any,
        n_features: int,
    ) -> None:
        self.sum_of, self.judge, self.by_loss = sum_of, judge, by_loss
        self.columns, self.n_features = columns, n_features

    def __call__(self, coef: np.ndarray) -> tuple[float, float]:
        """Score and mean loss, without penalty, at ``coef``."""
        if self.columns is not None:
            some, coef = coef, np.zeros((self.n_features + 1, coef.shape[1]))
            coef[np.append(self.columns, -1)] = some
        return self.at(np.ascontiguousarray(coef))

    def at(self, coef: np.ndarray) -> tuple[float, float]:
        """The same with the coefficients of all features."""
        judge = self.judge(coef=coef)
        sums = self.sum_of(judge).values
        if math.isnan(sums[0]):
            return math.nan, math.inf
        loss = float(sums[0] / (sums[1] or 1.0))
        score = -loss if self.by_loss else judge.score(sums[2:])
        return (score if not math.isnan(score) else -math.inf), loss

    def measure_in_losses(self, constant: np.ndarray) -> None:
        """Measure differences of scores in the loss of a constant model."""
        _, self.unit = self.at(constant)
