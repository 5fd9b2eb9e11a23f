"""Rows far from the jumps of a loss's derivative, merged into their means.

A piecewise linear loss l(y, z) of a mean of rows is at most the mean of their losses,
as l is convex; it is the same where all of them are on the same side of each jump. So
rows that stay on their side, the far ones, can be replaced by one row, and only those
near a jump are kept. The objective of the kept and the merged rows

- is the same as that of all rows around the point where they were merged,
- is nowhere above it. Its minimum is a lower bound of the optimum.

Park and Klabjan, "An aggregate and iterative disaggregate algorithm with proven
optimality in machine learning", Machine Learning 105, 2016, do so for the absolute
error and for support vector machines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from .._data_checks import canonical
from ..blocks._block import Block
from ..kernels import _gram
from ..kernels._problem import Problem
from ..kernels._rows import Rows
from ..losses import Loss, SquaredError
from .passes import aligned

# Any loss, for a problem of which only products with X are wanted.
SUMS = SquaredError()
# A part sends so many times its share of the rows that are wanted, as parts may differ.
SPARE = 2.0


@dataclass
class OneOutput:
    """Kept and merged rows of one output.

    Attributes
    ----------
    kept : list of (X, target, weight)
    merged : dict
        Weight, and weighted sums of the targets and of the columns, of the rows with
        the same derivative of the loss (and, in classification, the same label).
    moments : list of arrays
        Of the smoothed loss of the merged rows, as `CurvatureMoments` gives them, and
        the weight of the rows that were used.
    """

    kept: list[tuple[Any, np.ndarray, np.ndarray]] = field(default_factory=list)
    merged: dict[tuple[float, float], np.ndarray] = field(default_factory=dict)
    moments: list[np.ndarray] = field(default_factory=list)

    def __iadd__(self, other: OneOutput) -> OneOutput:
        self.kept += other.kept
        for key, sums in other.merged.items():
            self.merged[key] = self.merged[key] + sums if key in self.merged else sums
        if not self.moments:
            self.moments = other.moments
        elif other.moments:
            for mine, others in zip(self.moments, other.moments, strict=True):
                mine += others
        return self

    def data(self) -> tuple[Any, np.ndarray, np.ndarray]:
        """X, targets and weights of all rows."""
        sums = np.array(list(self.merged.values())).reshape(len(self.merged), -1)
        chunks = list(self.kept)
        if len(sums):
            means = sums[:, 2:] / sums[:, :1]
            targets = [
                # (A mean of equal labels may be rounded.)
                label if label else total / weight
                for (_, label), (weight, total) in zip(
                    self.merged, sums[:, :2].tolist(), strict=True
                )
            ]
            chunks.append((means, np.array(targets), sums[:, 0].copy()))
        return stacked(chunks)

    def near(self) -> tuple[Any, np.ndarray, np.ndarray]:
        """X, targets and weights of the kept rows."""
        return stacked(self.kept)

    def far_gradient(self) -> tuple[float, np.ndarray]:
        """Weight of the merged rows, and the sum of the gradients of their losses."""
        total, gradient = 0.0, np.zeros(self.kept[0][0].shape[1] + 1)
        for (slope, _), sums in self.merged.items():
            total += sums[0]
            gradient += slope * np.append(sums[2:], sums[0])
        return total, gradient


@dataclass
class Merged:
    """What a pass gives: losses, and the kept and merged rows of each output.

    Attributes
    ----------
    values : ndarray of shape (2 + n_others, n_outputs)
        Sums of losses of each output: at the run's coefficients, the constant model,
        and other coefficients.
    outputs : list of OneOutput
    """

    values: np.ndarray
    outputs: list[OneOutput]

    def __iadd__(self, other: Merged) -> Merged:
        self.values += other.values
        for mine, others in zip(self.outputs, other.outputs, strict=True):
            mine += others
        return self

    def reduce(self, n_parts: int) -> Merged:
        """The same: blocks keep no more rows than a part may send."""
        return self

    def pack(self) -> dict[str, np.ndarray]:
        """All arrays, by name."""
        arrays = {"values": self.values}
        for k, output in enumerate(self.outputs):
            X, target, weight = output.near()
            arrays |= {f"target_{k}": target, f"weight_{k}": weight}
            if output.merged:
                arrays[f"keys_{k}"] = np.array(list(output.merged))
                arrays[f"sums_{k}"] = np.array(list(output.merged.values()))
            if sp.issparse(X):
                arrays[f"indptr_{k}"], arrays[f"indices_{k}"] = X.indptr, X.indices
                arrays[f"shape_{k}"] = np.array(X.shape)
            for j, a in enumerate(output.moments):
                arrays[f"moments_{k}_{j}"] = a
            arrays[f"X_{k}"] = X.data if sp.issparse(X) else X
        return arrays

    @classmethod
    def unpack(cls, arrays: Any) -> Merged:
        """The sums that `pack` has given."""
        outputs: list[OneOutput] = []
        while (name := f"X_{len(outputs)}") in arrays:
            k, X = len(outputs), arrays[name]
            if f"indptr_{k}" in arrays:
                parts = X, arrays[f"indices_{k}"], arrays[f"indptr_{k}"]
                X = sp.csr_array(parts, shape=tuple(arrays[f"shape_{k}"].tolist()))
            rows = X, arrays[f"target_{k}"], arrays[f"weight_{k}"]
            names = [f"moments_{k}_{j}" for j in range(4)]
            moments = [arrays[name] for name in names if name in arrays]
            merged = {}
            if f"keys_{k}" in arrays:
                keys, sums = arrays[f"keys_{k}"].tolist(), arrays[f"sums_{k}"]
                merged = dict(zip(map(tuple, keys), sums, strict=True))
            outputs.append(OneOutput([rows], merged, moments))
        return cls(arrays["values"], outputs)


@dataclass(frozen=True)
class MergeRows:
    """The task of a pass: losses, and rows of which the far ones are merged.

    Parameters
    ----------
    rows : LabelledRows or TargetRows
    loss : Loss
        Piecewise linear.
    n_outputs : int
    fit_intercept : bool
    n_threads : int
    coef : ndarray of shape (n_features + 1, n_outputs)
    reach : ndarray of shape (n_outputs,)
        Rows with a jump within this distance of their raw prediction are kept.
    share : float
        No more than this share of the rows of a block are kept, times `SPARE`.
    centre, scale : ndarrays of shape (n_features,) and (n_features + 1, n_outputs)
        Of the scaled columns (`FeatureScaling`).
    stride : int
        These are computed from every so many rows.
    constant : ndarray of shape (n_outputs,) or None
        A constant model of which the loss is wanted.
    others : ndarray of shape (n_others, n_features + 1, n_outputs) or None
        Other coefficients of which the loss is wanted.
    """

    rows: Any
    loss: Loss
    n_outputs: int
    fit_intercept: bool
    n_threads: int
    coef: np.ndarray
    reach: np.ndarray
    share: float
    centre: Any
    scale: Any
    stride: int
    constant: Any = None
    others: Any = None

    result = Merged

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(aligned(state))

    def __call__(self, block: Block) -> Merged:
        X, target, weights = self.rows(block)
        n, K = X.shape[0], self.n_outputs
        others = () if self.others is None else self.others
        values = np.zeros((2 + len(others), K))
        outputs = [OneOutput() for _ in range(K)]
        if n == 0:
            return Merged(values, outputs)
        rows = Rows(X)
        problem = Problem(
            rows, target, weights, self.loss, K, self.fit_intercept, None,
            self.n_threads,
        )  # fmt: skip
        s = np.ones(n) if weights is None else weights
        parts = [one_output(self.loss, target, k, K) for k in range(K)]
        z = np.empty((n, K))
        for i, coef in enumerate((None, self.constant, *others)):
            if coef is None:
                continue
            if i == 1:
                z[...] = coef
            else:
                problem.raw_predictions(coef, z)
            values[i] = losses(parts, z, s)
        problem.raw_predictions(self.coef, z)
        values[0] = losses(parts, z, s)
        for k, output in enumerate(outputs):
            self.describe(output, k, X, rows, *parts[k], z[:, k], s)
        return Merged(values, outputs)

    def describe(
        self, output: OneOutput, k: int, X: Any, rows: Rows, loss: Any,
        target: np.ndarray, z: np.ndarray, s: np.ndarray,
    ) -> None:  # fmt: skip
        """Keep rows of output k, and merge the others."""
        n = len(z)
        reach = self.reach[k] * sizes_of_rows(X, self.centre, self.scale[:, k])
        near = np.flatnonzero(has_jump(loss, target, z, reach))
        most = max(1, int(SPARE * self.share * n))
        if len(near) > most:
            near = near[:: -(-len(near) // most)]
        output.kept.append((X[near], target[near], s[near]))
        far = s.copy()
        far[near] = 0.0
        output.merged = self.merge(rows, loss, target, z, far)
        some = np.arange(0, n, self.stride, dtype=np.intp)
        smooth = loss.smoothed(self.reach[k])
        h = smooth.curvature(target[some], z[some, None], far[some])[:, 0]
        A, v, total = _gram.weighted_gram(rows, h, some, self.centre, self.n_threads)
        output.moments = [A, v, np.full(1, total), np.full(1, s[some].sum())]

    def merge(
        self, rows: Rows, loss: Loss, target: np.ndarray, z: np.ndarray, s: np.ndarray
    ) -> dict[tuple[float, float], np.ndarray]:
        """Sums of rows with the weights s, by their derivative (and label)."""
        gradient = derivative(loss, target, z)
        labels = target if self.rows.labelled else np.zeros(len(target))
        keys = np.unique(np.c_[gradient, labels][s > 0.0], axis=0)
        if not len(keys):
            return {}
        weights = np.where(
            (gradient[:, None] == keys[:, 0]) & (labels[:, None] == keys[:, 1]),
            s[:, None], 0.0,
        )  # fmt: skip
        n, m = weights.shape
        sums = np.empty((rows.n_features + 1, m))
        any_target = np.zeros((n, m))
        Problem(rows, any_target, None, SUMS, m, True, None, self.n_threads).gradient(
            weights, sums
        )
        out = np.c_[weights.sum(axis=0), target @ weights, n * sums[:-1].T]
        return {tuple(key): row for key, row in zip(keys.tolist(), out, strict=True)}


def losses(parts: Any, z: np.ndarray, s: np.ndarray) -> list[float]:
    """Sums of the losses of each output."""
    return [
        loss.evaluate(target, z[:, k : k + 1], s)[0]
        for k, (loss, target) in enumerate(parts)
    ]


def sizes_of_rows(X: Any, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Root mean square of the scaled columns of each row, and the intercept's."""
    s = scale[:-1] ** 2
    squares = X.multiply(X) if sp.issparse(X) else X * X
    total = squares @ s - 2.0 * (X @ (centre * s)) + centre * centre @ s
    total = np.maximum(total, 0.0) + scale[-1] ** 2
    return np.sqrt(total / len(scale)) / scale[-1]


def stacked(chunks: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """X, targets and weights of all of these rows."""
    parts, targets, weights = zip(*chunks, strict=True)
    if any(map(sp.issparse, parts)):
        X: Any = canonical(sp.vstack(list(map(sp.csr_array, parts)), format="csr"))
    else:
        X = np.ascontiguousarray(np.concatenate(parts))
    return X, np.concatenate(targets), np.concatenate(weights)


def one_output(loss: Loss, target: np.ndarray, k: int, K: int) -> tuple[Loss, Any]:
    """The loss of output k, and its targets in one dimension."""
    if K == 1:
        return loss, target.reshape(-1)
    if target.ndim == 2:
        return loss.of_outputs(k, k + 1), np.ascontiguousarray(target[:, k])
    return loss.of_outputs(k, k + 1), np.where(target == k, 1.0, -1.0)


def derivative(loss: Loss, target: np.ndarray, z: np.ndarray) -> np.ndarray:
    """dl/dz of each row."""
    return loss.evaluate(target, z[:, None])[1][:, 0]


def has_jump(loss: Loss, target: np.ndarray, z: np.ndarray, reach: Any) -> np.ndarray:
    """True for rows whose loss is not linear from z - reach to z + reach."""
    return derivative(loss, target, z - reach) != derivative(loss, target, z + reach)
