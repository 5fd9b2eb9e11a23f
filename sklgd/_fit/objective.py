"""The objective F that an estimator minimises, as a function of its coefficients."""

from dataclasses import replace

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .data import Data

# Models whose objectives are found in one read of the data.
MODELS = 512


class Objective:
    """F(w, b) = sum_i s_i loss(y_i, x_i.w + b) / sum_i s_i + alpha R(w) on some data.

    Parameters
    ----------
    estimator : GDRegressor or GDClassifier
        Fitted: its loss, its penalty and its classes are used.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None

    Attributes
    ----------
    coef : ndarray of shape (n_features + 1, n_outputs)
        The estimator's coefficients; the last row is the intercept.

    Examples
    --------
    >>> from sklgd import GDRegressor
    >>> from sklgd._fit.objective import Objective
    >>> X, y = [[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0]
    >>> F = Objective(GDRegressor(penalty=None).fit(X, y), X, y)
    >>> round(F([[1.0], [1.0]]), 6)
    0.5
    """

    def __init__(self, estimator, X, y, sample_weight=None):
        check_is_fitted(estimator, "coef_")
        if getattr(estimator, "_had_offset", False):
            raise ValueError(
                "The objective of a model that was fitted with an offset cannot be "
                "drawn. Fit a model without an offset."
            )
        X, _, target, weights = estimator._learnable(X, y, sample_weight)
        w, b = estimator.coef_, np.atleast_1d(estimator.intercept_)
        w = w.toarray() if hasattr(w, "toarray") else np.atleast_2d(w)
        self.coef = np.vstack([w.T, b]).astype(np.float64)
        self.data = Data(
            X, target, weights, None, estimator._make_loss(), self.coef.shape[1],
            estimator.fit_intercept, estimator.n_jobs,
        )  # fmt: skip
        self.penalty = estimator._penalty()
        self.problem = self.data.problem()

    def __call__(self, coef):
        """F at coefficients of shape (n_features + 1, n_outputs)."""
        coef = np.ascontiguousarray(coef, dtype=np.float64)
        loss = self.problem.value(coef) / self.data.mean_weight
        return loss + self.penalty.value(coef)

    def section(self, places, output, points):
        """F at the estimator's coefficients but for some of them, at many points.

        Parameters
        ----------
        places : list of int
            Rows of ``coef`` that vary; n_features is the intercept.
        output : int
            Column of ``coef`` in which they do.
        points : ndarray of shape (n_points, len(places))
            What they become.

        Returns
        -------
        values : ndarray of shape (n_points,)
        """
        n_features, K = self.data.X.shape[1], self.data.n_outputs
        rest = self.coef.copy()
        rest[places, output] = 0.0
        # A row is now what the rest predicts, and the features that vary.
        rows = np.empty((self.data.X.shape[0], K + len(places)))
        z = np.empty((len(rows), K))
        self.problem.raw_predictions(rest, z)
        rows[:, :K] = z
        for column, place in enumerate(places, start=K):
            rows[:, column] = self._feature(place)
        problem = replace(self.data, X=rows, fit_intercept=False).problem()
        loss = np.empty(len(points))
        for start in range(0, len(points), MODELS):
            block = points[start : start + MODELS]
            models = problem.empty_models(len(block))
            models[...] = 0.0
            models[:, :K] = np.eye(K)
            models[:, K:-1, output] = block
            loss[start : start + MODELS] = problem.values(models)
        w = points[:, [place != n_features for place in places]]
        features = np.array([j for j in places if j != n_features], dtype=np.intp)
        penalty = self.penalty.of_columns(features).of_output(output)
        varying = penalty.terms(w.T).sum(axis=0)
        return loss / self.data.mean_weight + self.penalty.value(rest) + varying

    def _feature(self, place):
        """A column of X, or of ones for the intercept."""
        X = self.data.X
        if place == X.shape[1]:
            return 1.0
        column = X[:, [place]]
        return (column.toarray() if hasattr(column, "toarray") else column)[:, 0]
