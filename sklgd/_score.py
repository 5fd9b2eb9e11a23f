"""The share of the deviance that a model explains."""

import numpy as np


def explained_deviance(loss, y, z, sample_weight=None):
    """D2 = 1 - D(y, prediction) / D(y, mean of y), the mean over the outputs.

    D is the weighted deviance of a loss with log link, as in `PoissonRegressor.score`
    and `sklearn.metrics.d2_tweedie_score`. Predictions stay logarithms: those that
    under- or overflow are no special case.

    Parameters
    ----------
    loss : Loss
        With ``link = "log"``.
    y, z : arrays of shape (n_samples, n_outputs)
        Targets in the domain of the loss, and raw predictions.
    sample_weight : array of shape (n_samples,), default=None

    Returns
    -------
    float
        At most 1. Of targets that are all alike it is 1 for a perfect prediction, else
        0, as in `sklearn.metrics.r2_score`.
    """
    scores = []
    for target, raw in zip(np.transpose(y), np.transpose(z), strict=True):
        mean = np.average(target, weights=sample_weight)
        # What is left of the loss where the prediction is the target itself.
        least = _total(loss, target, _logarithm(target), sample_weight)
        left = _total(loss, target, raw, sample_weight) - least
        null = np.full(len(target), _logarithm(mean))
        all_there_is = _total(loss, target, null, sample_weight) - least
        if all_there_is > 0.0:
            scores.append(1.0 - left / all_there_is)
        else:
            scores.append(1.0 if left <= 0.0 else 0.0)
    return float(np.mean(scores))


def _total(loss, y, z, sample_weight):
    """Sum of the losses of one output."""
    return loss.evaluate(y, z[:, None], sample_weight)[0]


def _logarithm(y):
    """The logarithm, finite for targets of zero: their loss vanishes far below."""
    return np.log(np.maximum(y, np.finfo(np.float64).tiny))
