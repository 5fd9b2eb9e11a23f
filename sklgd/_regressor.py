"""`GDRegressor`: linear regression by gradient descent."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.model_selection import ShuffleSplit

from ._base import BaseGD
from ._validation import check_parameters, check_weights
from .losses import LOSSES

# Losses with a log link: the smallest target, and whether it is allowed itself.
TARGET_RANGES = {"poisson": (0.0, True), "gamma": (0.0, False)}


class GDRegressor(RegressorMixin, BaseGD):
    """Linear model; docstring follows."""

    def __init__(
        self,
        loss="squared_error",
        *,
        penalty="l2",
        alpha=1e-4,
        l1_ratio=0.15,
        fit_intercept=True,
        optimizer="auto",
        batch_size="auto",
        learning_rate="auto",
        eta0=None,
        power_t=0.25,
        max_iter=1000,
        tol=1e-4,
        n_iter_no_change=5,
        shuffle=True,
        random_state=None,
        n_jobs=None,
        verbose=0,
        early_stopping=False,
        validation_fraction=0.1,
        warm_start=False,
        average=False,
        epsilon=0.1,
        quantile=0.5,
        power=1.5,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.shuffle = shuffle
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.average = average
        self.epsilon = epsilon
        self.quantile = quantile
        self.power = power

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = False
        return tags

    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        coef_init=None,
        intercept_init=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 and float64 are used as they are; CSR is the sparse format that
            needs no conversion.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; only their ratios matter.
        coef_init : array-like shaped like ``coef_``, default=None
            Starting coefficients.
        intercept_init : array-like shaped like ``intercept_``, default=None
        X_val, y_val, sample_weight_val : array-likes, default=None
            Validation set for ``validation_scores_`` and, with
            ``early_stopping=True``, in place of the internal split.

        Returns
        -------
        self : GDRegressor

        Raises
        ------
        ValueError
            For a parameter, target or weight that makes no sense.

        Warns
        -----
        ConvergenceWarning
            If the run diverged or stopped before it converged.
        """
        check_parameters(self, "regression")
        X, y = self._validate(X, y, multi_output=True, y_numeric=True)
        target = self._target(y)
        weights = check_weights(sample_weight, X.shape[0])
        n_outputs = target.shape[1]
        start = self._start(coef_init, intercept_init, X.shape[1], n_outputs)
        validation = self._validation_set(X_val, y_val, sample_weight_val, y.shape)
        self._flat = y.ndim == 1
        return self._fit(X, y, target, weights, n_outputs, start, validation)

    def partial_fit(self, X, y, sample_weight=None):
        """One epoch over X, continuing from the state of the last call.

        Two calls on the same data are two epochs of `fit`. The step count, the
        optimizer's moments, the schedule and the shuffle stream go on; after a `fit`
        they go on from there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            In units of the mean weight of all rows seen so far.

        Returns
        -------
        self : GDRegressor
        """
        first = not hasattr(self, "_state")
        check_parameters(self, "regression")
        if self.early_stopping:
            raise ValueError(
                "early_stopping=True is not possible with partial_fit, which makes one "
                "epoch; use fit."
            )
        X, y = self._validate(X, y, reset=first, multi_output=True, y_numeric=True)
        target = self._target(y)
        if first:
            self._flat = y.ndim == 1
        elif target.shape[1] != self._state.coef.shape[1]:
            raise ValueError(
                f"y has {target.shape[1]} outputs, but earlier calls had "
                f"{self._state.coef.shape[1]}."
            )
        weights = check_weights(sample_weight, X.shape[0])
        return self._partial_fit(X, target, weights, target.shape[1])

    def predict(self, X):
        """Predict the target: X w + b, its exponential for the log-link losses.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        z = self._inverse_link(self._raw_prediction(X))
        return z[:, 0] if self._flat else z

    def _inverse_link(self, z):
        if LOSSES[self.loss].link == "log":
            with np.errstate(over="ignore"):
                return np.exp(z)
        return z

    def _target(self, y):
        """y as float64 of shape (n_samples, n_outputs), inside the loss's domain."""
        target = np.ascontiguousarray(y, dtype=np.float64)
        if target.ndim == 1:
            target = target[:, None]
        low, allowed = TARGET_RANGES.get(self.loss, (-np.inf, True))
        if self.loss == "tweedie" and self.power >= 1.0:
            low, allowed = 0.0, self.power < 2.0
        smallest = target.min()
        if smallest < low or (smallest == low and not allowed):
            raise ValueError(
                f"Some value(s) of y are out of the valid range of loss={self.loss!r}: "
                f"y must be {'at least' if allowed else 'above'} {low:g}, the smallest "
                f"is {smallest:g}. Use loss='squared_error' for such targets."
            )
        return target

    def _validation_set(self, X_val, y_val, weights, shape):
        if X_val is None:
            return _no_validation(y_val, weights)
        if y_val is None:
            raise ValueError("X_val was given without y_val.")
        X_val, y_val = self._validate(
            X_val, y_val, reset=False, multi_output=True, y_numeric=True
        )
        if y_val.shape[1:] != shape[1:]:
            raise ValueError(
                f"y_val has shape {y_val.shape}, which does not match y of shape {shape}."
            )
        weights = check_weights(weights, X_val.shape[0], "sample_weight_val")
        return X_val, y_val, weights

    def _split_target(self, y):
        splitter = ShuffleSplit(
            test_size=self.validation_fraction, random_state=self.random_state
        )
        return splitter, y

    def _score_raw(self, z, y, sample_weight):
        z = self._inverse_link(z)
        return r2_score(y, z[:, 0] if self._flat else z, sample_weight=sample_weight)

    def _store(self, state, coef, dtype):
        super()._store(state, coef, dtype)
        if self._flat:
            self.coef_ = self.coef_[0]


def _no_validation(y_val, weights):
    """Refuse parts of a validation set without its X."""
    if y_val is not None or weights is not None:
        raise ValueError("y_val and sample_weight_val need X_val.")
