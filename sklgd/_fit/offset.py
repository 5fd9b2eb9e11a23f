"""Offsets: known parts of the raw predictions, which no fit has to see.

The loss of a raw prediction with an offset is the loss of the one without it, for
another target and another weight of the row (`Loss.without_offset`). Once these are in
place of the user's, every method minimises the same objective as before; the weights
no longer count the rows, so `Data.row_weight` keeps their mean.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..losses import Loss
    from .data import Data

# Largest offset with a log link: its exponential can be squared in float64.
LARGEST = 350.0


class Absorbed(NamedTuple):
    """Targets and weights with which a loss needs no offset.

    Attributes
    ----------
    target : float64 array of shape (n_samples, n_outputs)
    weights : float64 array of shape (n_samples,) or None
    constant : ndarray of shape (n_samples,) or None
        What the losses of a row leave out, before weights; None means zeros.
    """

    target: np.ndarray
    weights: np.ndarray | None
    constant: np.ndarray | None


def absorb(
    loss: Loss,
    target: np.ndarray,
    weights: np.ndarray | None,
    offset: np.ndarray,
    name: str = "offset",
) -> Absorbed:
    """Targets and weights that make an offset superfluous.

    Parameters
    ----------
    loss : Loss
        Of regression.
    target : float64 array of shape (n_samples, n_outputs)
    weights : float64 array of shape (n_samples,) or None
        Offsets of rows of weight zero have no effect.
    offset : float64 array of shape (n_samples, n_outputs) or (n_samples, 1)
    name : str, default="offset"
        For messages.

    Raises
    ------
    ValueError
        If a target or a weight leaves float64, or if the outputs of a row would need
        weights of their own.
    """
    if weights is not None and not weights.all():
        offset = np.where((weights == 0.0)[:, None], 0.0, offset)
    least, most = float(offset.min()), float(offset.max())
    if loss.link == "log" and max(-least, most) > LARGEST:
        raise ValueError(
            f"{name}: values from {least:.3g} to {most:.3g} make exp({name}) leave "
            f"float64 with loss={loss.name!r}. It is added to the logarithm of the "
            f"prediction: pass {name}=np.log(exposure), not the exposure itself."
        )
    with np.errstate(over="ignore", under="ignore"):
        changed, factors, constant = loss.without_offset(target, offset)
    if not np.isfinite(changed).all():
        what = "y exp(-offset)" if loss.link == "log" else "y - offset"
        raise ValueError(
            f"{name}: values from {least:.3g} to {most:.3g} make {what} overflow "
            f"float64. Use offsets in the unit of the raw prediction."
        )
    if factors is not None and (factors != 1.0).any():
        if factors.shape[1] > 1 and (factors != factors[:, :1]).any():
            raise ValueError(
                f"{name} must have shape (n_samples,) with loss={loss.name!r} and "
                f"several outputs, got {offset.shape}: with other offsets for each "
                "output, a row would have several weights. Fit one estimator for each "
                "output."
            )
        factors = np.ascontiguousarray(factors[:, 0])
        weights = factors if weights is None else weights * factors
    if constant is not None:
        constant = constant.sum(axis=1)
    return Absorbed(np.ascontiguousarray(changed), weights, constant)


def without_offset(data: Data, offset: np.ndarray | None) -> Data:
    """Data whose targets and weights account for an offset of the raw predictions.

    Parameters
    ----------
    data : Data
        Of regression.
    offset : float64 array of shape (n_samples, n_outputs) or (n_samples, 1), or None
        Those of rows that are not learnt from have no effect; None changes nothing.
    """
    if offset is None:
        return data
    rows = data.subset
    if rows is not None:
        learnt = np.zeros(offset.shape)
        learnt[rows] = offset[rows]
        offset = learnt
    mean, weights = data.mean_weight, data.weights
    target, changed, constant = absorb(data.loss, data.target, weights, offset)
    base = 0.0
    if constant is not None:
        left_out = constant if weights is None else constant * weights
        left_out = left_out if rows is None else left_out[rows]
        base = float(left_out.mean()) / mean
    return replace(
        data,
        target=target,
        weights=changed,
        row_weight=None if changed is weights else mean,
        base=base,
    )
