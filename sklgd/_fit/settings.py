"""The parameters of an estimator that a fit reads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin

from .._strengths import check_number_of_alphas
from ..penalties import Penalty


class Settings(NamedTuple):
    """The parameters of an estimator, read once at the beginning of a fit.

    Plans, runs and diagnoses read this object instead of the estimator. Parameters have
    the same names and meanings as in the estimator.

    Attributes
    ----------
    alpha : float or ndarray
        With "auto" resolved.
    penalty : Penalty
        Of the raw coefficients, once `suited` has been called.
    penalty_name : str or None
        The parameter ``penalty``.
    classifies : bool
        True if the estimator is a classifier.
    feature_names : sequence of str or None
        ``feature_names_in_``.
    """

    optimizer: Any
    batch_size: Any
    learning_rate: Any
    eta0: float | None
    power_t: float
    penalty: Penalty
    penalty_name: str | None
    alpha: Any
    fit_intercept: bool
    max_iter: int
    tol: float | None
    n_iter_no_change: int
    early_stopping: bool
    shuffle: Any
    average: bool | int
    classifies: bool
    feature_names: Any

    def of_columns(self, columns: Any) -> Settings:
        """The same for some of the features; None means all."""
        return self._replace(penalty=self.penalty.of_columns(columns))

    def suited(
        self, est: Any, n_outputs: int, spread: Any = None, columns: Any = None
    ) -> Settings:
        """The same with the penalty for these data.

        Parameters
        ----------
        est : GDRegressor or GDClassifier
        n_outputs : int
        spread : Statistics or None
            Of the columns, for ``standardize=True``.
        columns : intp array or None
            Their numbers; None means that these are all columns.

        Raises
        ------
        ValueError
            If ``alpha`` has another number of entries.
        """
        check_number_of_alphas(self.alpha, n_outputs)
        if spread is None:
            return self
        sizes = spread.of_all_columns(columns, est.n_features_in_).sizes
        return self._replace(penalty=est._penalty(self.alpha, sizes=sizes))

    @classmethod
    def of(cls, est: Any, stream: bool = False) -> Settings:
        """Those of an estimator; ``stream`` is True for the online learner's chunks."""
        alpha = est._alpha(stream)
        return cls(
            est.optimizer,
            est.batch_size,
            est.learning_rate,
            est.eta0,
            est.power_t,
            est._penalty(alpha, sizes=np.ones(est.n_features_in_)),
            est.penalty,
            alpha,
            est.fit_intercept,
            est.max_iter,
            est.tol,
            est.n_iter_no_change,
            est.early_stopping,
            est.shuffle,
            est.average,
            isinstance(est, ClassifierMixin),
            getattr(est, "feature_names_in_", None),
        )
