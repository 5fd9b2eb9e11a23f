"""How good coefficients are on a validation set, after each epoch of a fit.

The raw predictions of the set are computed once per epoch, by the kernels and without
a copy of its rows; its loss and the score of the estimator follow from these. Only a
scorer of scikit-learn, which asks an estimator for predictions, gets the rows
themselves and a view of the estimator that holds the present coefficients.
"""

import math
from copy import copy

import numpy as np
import scipy.sparse as sp
from scipy.special import xlogy

from ._compat import warn
from .kernels._vector import all_finite


class Validation:
    """A validation set.

    Parameters
    ----------
    data : Data
        Its rows, with sample weights times class weights.
    score : callable
        ``score(z, loss, coef)`` of the raw predictions z, the loss and the
        coefficients; greater is better.
    offset : float64 array of shape (n_rows, n_outputs) or (n_rows, 1), default=None
        Is added to the raw predictions.

    Attributes
    ----------
    unit : float
        What a difference of scores is measured in, for `Monitor`.
    """

    unit = 1.0

    def __init__(self, data, score, offset=None):
        self.loss, self.score, self.offset = data.loss, score, offset
        self.problem = data.problem()
        self.target, self.weights = data.targets()
        if self.weights is not None:
            # (By the largest first: the sum may overflow. All are zero where no row of
            # a validation set has a known label.)
            self.weights = self.weights / (self.weights.max() or 1.0)
            self.weights /= self.weights.sum() or 1.0
        self.z = np.empty((data.n_rows, data.n_outputs))

    def __call__(self, coef):
        """Score and mean loss, without penalty, at ``coef``.

        Of two points that have the same score the one of smaller loss is better. The
        score is NaN if a prediction is not finite.
        """
        self.problem.raw_predictions(coef, self.z)
        if self.offset is not None:
            self.z += self.offset
        if not all_finite(self.z):
            return math.nan, math.inf
        loss = self.loss_at(self.z)
        score = float(self.score(self.z, loss, coef))
        return (score if not math.isnan(score) else -math.inf), loss

    def loss_at(self, z):
        """Weighted mean loss of raw predictions."""
        total = self.loss.evaluate(self.target, z, self.weights)[0]
        return float(total if self.weights is not None else total / len(z))

    def measure_in_losses(self, null):
        """Measure differences of scores in the loss of a constant model."""
        self.z[...] = null if self.offset is None else null + self.offset
        self.unit = self.loss_at(self.z)


def validation_of(est, data, X, y, sample_weight, null, dtype, offset=None):
    """The rows of ``data`` as a validation set, scored as ``scoring`` says.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
        During its fit.
    data : Data
        With the user's targets.
    X, y, sample_weight, offset : array
        The user's, of all rows; the last two may be None.
    null : ndarray of shape (n_outputs,)
        Raw predictions of the constant model.
    dtype : dtype
        Of the fitted coefficients.
    """
    if not data.everything:
        y = y[data.rows]
        sample_weight = None if sample_weight is None else sample_weight[data.rows]
        offset = None if offset is None else offset[data.rows]
    if est.scoring is None:
        if sample_weight is not None:
            # (Sums of the weights themselves may overflow; equal ones are none.)
            sample_weight = sample_weight / sample_weight.max()
            if (sample_weight == 1.0).all():
                sample_weight = None
        return Validation(data, est._own_score(y, sample_weight), offset)
    if isinstance(est.scoring, str) and est.scoring == "loss":
        validation = Validation(data, negative_loss, offset)
        validation.measure_in_losses(null)
        return validation
    if offset is not None:
        raise ValueError(
            f"scoring={est.scoring!r} is not possible with an offset: a scorer asks "
            "for predictions without it. Use scoring=None, which is the score of the "
            "estimator, or scoring='loss'."
        )
    X = X if data.everything else X[data.rows]
    scorer = Scorer(est, X, y, sample_weight, dtype, data.columns)
    return Validation(data, scorer)


def warn_if_unlike(mean, X):
    """Warn if the mean of a column of ``X_val`` is far outside its range in ``X``.

    Farther than the range is long: a column that is constant in X says nothing. Of
    sparse X the range includes zero.
    """
    low, high = column_ranges(X)
    length = high - low
    if ((length > 0.0) & ((mean < low - length) | (mean > high + length))).any():
        warn(
            "X_val looks nothing like X: the mean of one of its columns lies far "
            "outside the values of that column in X. Transform X_val as X was "
            "transformed; in a Pipeline, transform_input=['X_val'] does that."
        )


def column_means(X):
    """Mean of each column, in float64."""
    return np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()


def column_ranges(X):
    """Smallest and largest value of each column, in float64; of CSR also zero."""
    if not sp.issparse(X):
        return X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    low, high = np.zeros((2, X.shape[1]), X.dtype)
    np.minimum.at(low, X.indices, X.data)
    np.maximum.at(high, X.indices, X.data)
    return low.astype(np.float64), high.astype(np.float64)


def negative_loss(z, loss, coef):
    """The score "loss"."""
    return -loss


class Accuracy:
    """Weighted share of the rows whose class is predicted.

    Parameters
    ----------
    codes : int array of shape (n_samples,) or (n_samples, n_labels)
        Classes; -1 for a label that is never predicted. Or an indicator matrix, of
        whose rows all labels have to be predicted.
    weights : float64 array of shape (n_samples,) or None
    """

    def __init__(self, codes, weights):
        self.codes, self.weights = codes, weights

    def __call__(self, predicted):
        """The accuracy of class codes."""
        right = predicted == self.codes
        if right.ndim == 2:
            right = right.all(axis=1)
        return np.average(right, weights=self.weights)


def predicted_codes(z):
    """Class codes of raw predictions."""
    codes = z[:, 0] > 0.0 if z.shape[1] == 1 else z.argmax(axis=1)
    return codes.astype(np.intp, copy=False)


class R2:
    """Coefficient of determination, the mean over the outputs, as scikit-learn's.

    `sklearn.metrics.r2_score` checks all its arguments, which takes most of the time of
    an epoch over little data. Here the spread of y is found once, too.

    Parameters
    ----------
    y : float64 array of shape (n_samples, n_outputs)
    weights : float64 array of shape (n_samples,) or None
    """

    def __init__(self, y, weights):
        self.y, self.weights = y, weights
        # Relative to the first row, so that a constant has no spread to the last bit.
        change = y - y[0]
        change -= np.average(change, axis=0, weights=weights)
        # In units of the largest deviation: squares neither overflow nor underflow.
        self.scale = np.abs(change).max(axis=0)
        self.scale[self.scale == 0.0] = 1.0
        self.total = self.squares(change)

    def squares(self, change):
        """Weighted sums of squares, in units of ``scale``."""
        change = change / self.scale
        left = change if self.weights is None else change * self.weights[:, None]
        return np.einsum("ik,ik->k", left, change)

    def __call__(self, prediction):
        """R2 of predictions of shape (n_samples, n_outputs)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return explained(self.squares(self.y - prediction), self.total)


class D2:
    """Share of a constant model's deviance that is explained, as D2 of scikit-learn.

    Parameters
    ----------
    loss : Loss
        Half the Tweedie deviance of its ``power``, which is not zero, as a function of
        log mu, but for what depends on y only.
    y : float64 array of shape (n_samples, n_outputs)
    weights : float64 array of shape (n_samples,) or None
    """

    def __init__(self, loss, y, weights):
        self.loss, self.y, self.weights = loss, y, weights
        rest = rest_of_deviance(y, loss.power)
        self.rest = rest.sum(axis=0) if weights is None else weights @ rest
        null = best_constant(np.average(y, axis=0, weights=weights))
        self.total = self.deviances(np.broadcast_to(null, y.shape))

    def deviances(self, z):
        """Weighted sums of half the deviances, output by output."""
        return self.rest + losses_of_outputs(self.loss, self.y, z, self.weights)

    def __call__(self, z):
        """D2 of raw predictions of shape (n_samples, n_outputs)."""
        return explained(self.deviances(z), self.total)


def best_constant(mean):
    """Raw prediction of the best constant model of a log-link loss.

    Targets that are all zero have no logarithm; their loss vanishes far below.
    """
    return np.log(np.maximum(mean, np.finfo(np.float64).tiny))


def losses_of_outputs(loss, y, z, weights):
    """Weighted sum of the losses of each output, as an array."""
    found = [loss.evaluate(y[:, [k]], z[:, [k]], weights)[0] for k in range(z.shape[1])]
    return np.array(found)


def rest_of_deviance(y, power):
    """Half the deviance minus the loss, which depends on y only."""
    if power == 1.0:
        return xlogy(y, y) - y
    if power == 2.0:
        return -np.log(y) - 1.0
    return y ** (2.0 - power) / ((1.0 - power) * (2.0 - power))


def explained(left, total):
    """Mean of 1 - left / total over the outputs; where total is zero, 1 or 0."""
    ratio = np.where(left > 0.0, 1.0, 0.0)
    np.divide(left, total, out=ratio, where=total > 0.0)
    return float(np.mean(1.0 - ratio))


class Scorer:
    """Score of a scorer of scikit-learn, or of a function of an estimator, X and y.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
        During its fit.
    X, y : arrays
        The validation rows.
    sample_weight : array or None
    dtype : dtype
        Of the fitted coefficients.
    columns : intp array or None
        Features that the coefficients are of; None means all.

    Raises
    ------
    ValueError
        If the scorer does not suit the estimator or the weights, or gives no number.
    """

    def __init__(self, est, X, y, sample_weight, dtype, columns):
        from sklearn.metrics import get_scorer

        self.name, self.loss = est.scoring, est.loss
        self.dtype, self.columns = dtype, columns
        self.scorer = get_scorer(est.scoring)
        self.rows, self.weights = (X, y), {}
        if sample_weight is not None and wants_weights(self.scorer):
            self.weights = {"sample_weight": sample_weight}
        self.view = copy(est)
        # X is an array here, whatever it was.
        vars(self.view).pop("feature_names_in_", None)

    def __call__(self, z, loss, coef):
        """The score of the coefficients, which must be a number."""
        score = self.measure(coef)
        if math.isnan(score):
            raise ValueError(
                f"scoring={self.name!r} must give a number, but gave {score!r} on the "
                "validation rows. Use a scorer that is defined on them, or another "
                "validation_fraction, or pass X_val and y_val."
            )
        return score

    def measure(self, coef):
        """The score of the coefficients; NaN if it is not defined on these rows."""
        known = self.view._coefficients(coef, self.dtype, self.columns)
        vars(self.view).update(known)
        try:
            score = self.scorer(self.view, *self.rows, **self.weights)
        except AttributeError as error:
            raise ValueError(
                f"scoring={self.name!r} is not possible with loss={self.loss!r}: "
                f"{sentence(error)} Use another scorer or another loss."
            ) from error
        except ValueError as error:
            raise ValueError(
                f"scoring={self.name!r} failed on the validation rows: "
                f"{sentence(error)} Use another scorer, or scoring='loss'."
            ) from error
        except TypeError as error:
            if not self.weights or "sample_weight" not in str(error):
                raise
            raise ValueError(
                f"scoring={self.name!r} does not take sample_weight, but the "
                "validation rows have weights. Use a scorer that takes them, "
                "scoring=None or scoring='loss'; or, with scikit-learn's metadata "
                "routing enabled, scorer.set_score_request(sample_weight=False)."
            ) from error
        try:
            return float(score)
        except TypeError:
            return math.nan


def sentence(error):
    """The text of an exception with one full stop at its end."""
    return str(error).rstrip(".") + "."


def wants_weights(scorer):
    """False if scikit-learn's metadata routing says that a scorer takes no weights."""
    from sklearn import get_config
    from sklearn.utils.metadata_routing import get_routing_for_object

    if not get_config()["enable_metadata_routing"]:
        return True
    requests = get_routing_for_object(scorer).score.requests
    return requests.get("sample_weight") is not False
