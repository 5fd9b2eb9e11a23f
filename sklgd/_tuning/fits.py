"""Models that are fits, one for each fold and alpha.

Each fit starts afresh. The last fit of the fold would be a worse start: `fit` has one
of its own, and took up to twice as long from there (measured on six sets).
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._fit.data import Data
from .._fit.offset import without_offset
from .models import Models, train_weights


class FittedModels(Models):
    """Models of any loss, fitted by any optimizer.

    Rows outside a fold have weight zero for its fit, which treats them as absent, so
    that no rows are copied.

    Parameters
    ----------
    estimators : list of GDRegressor or GDClassifier
        An unfitted one for each fold; they get alpha and l1_ratio.
    X, y : arrays
        As the estimators' `fit` has checked them.
    sample_weight : float64 array or None
    folds : list of Fold
    offset : float64 array of shape (n_samples, n_outputs) or (n_samples, 1), or None
        Is added to the raw predictions.
    """

    remedy = "increase max_iter"

    def __init__(self, estimators, X, y, sample_weight, folds, offset=None):
        self.estimators, self.folds = estimators, folds
        self.X, self.y, self.sample_weight = X, y, sample_weight
        self.offset = offset
        self.known = {} if offset is None else {"offset": offset}

    def begin(self, l1_ratio):
        for est in self.estimators:
            est.set_params(l1_ratio=l1_ratio)

    def advance(self, alpha):
        for k, est in enumerate(self.estimators):
            est.set_params(alpha=alpha)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", ConvergenceWarning)
                est.fit(self.X, self.y, self.train_weight(k), **self.known)
            for warning in caught:
                if issubclass(warning.category, ConvergenceWarning):
                    self.n_unconverged += 1
                else:
                    warnings.warn_explicit(
                        warning.message, warning.category, warning.filename,
                        warning.lineno,
                    )  # fmt: skip

    def train_weight(self, k):
        """Sample weights for the fit of fold k."""
        return train_weights(self.folds[k], self.sample_weight, self.X.shape[0])

    def coefficients(self, k):
        est = self.estimators[k]
        coef = np.atleast_2d(np.asarray(est.coef_, dtype=np.float64))
        return np.vstack([coef.T, np.atleast_1d(est.intercept_)[None, :]])

    def test_loss(self, k):
        est, rows = self.estimators[k], self.folds[k].test
        target, weights = est._targets_and_weights(
            self.y, self.sample_weight, self.train_weight(k)
        )
        coef = np.ascontiguousarray(self.coefficients(k))
        data = Data(
            self.X, target, weights, rows, est._make_loss(), coef.shape[1],
            est.fit_intercept, est.n_jobs,
        )  # fmt: skip
        data = without_offset(data, self.offset)
        return data.base + data.term().value(coef) / data.mean_weight
