"""The parameters of an estimator that a fit reads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin

from .._signs import signs_of_features
from .._strengths import check_number_of_alphas, factors_of_features
from ..penalties import PENALTIES, Penalty


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
        # (An array of all columns would be most of what a call on sparse rows takes.)
        sizes = np.ones(est.n_features_in_) if est.standardize else None
        return cls(
            est.optimizer,
            est.batch_size,
            est.learning_rate,
            est.eta0,
            est.power_t,
            est._penalty(alpha, sizes=sizes),
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


def penalty_of(est: Any, alpha: Any, l1_ratio: Any, sizes: Any) -> Penalty:
    """The penalty that the parameters of an estimator ask for.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
        As in `factors_of_features`.
    alpha : float or ndarray of shape (n_outputs,)
    l1_ratio : float or None
        None means the parameter.
    sizes : ndarray of shape (n_features,) or None
        Standard deviations of the columns, for ``standardize=True``; None means those
        of the last fit, or ones before the first.
    """
    if isinstance(alpha, np.ndarray):
        alpha = np.reshape(alpha, (1, -1))
    l1_ratio = est.l1_ratio if l1_ratio is None else l1_ratio
    penalty = PENALTIES[est.penalty](alpha, l1_ratio)
    if not est.standardize:
        sizes = None
    elif sizes is None and "_state" in vars(est):
        sizes = est._state.sizes(est.n_features_in_)
    factors = factors_of_features(est)
    if not (factors is None and sizes is None):
        ones = np.ones((est.n_features_in_, 1))
        with np.errstate(over="ignore", invalid="ignore"):
            penalty = penalty.weighted(
                ones if factors is None else factors,
                ones if sizes is None else sizes[:, None],
            )
        if not (np.isfinite(penalty.l1).all() and np.isfinite(penalty.l2).all()):
            parts = ["alpha"]
            parts += ["penalty_factor"] * (factors is not None)
            parts += ["the variance of a column of X"] * (sizes is not None)
            raise ValueError(
                f"{' times '.join(parts)} leaves float64: there is no such strength of "
                "the penalty. Use smaller numbers."
            )
    return penalty.with_signs(signs_of_features(est))
