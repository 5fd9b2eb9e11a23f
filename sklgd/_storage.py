"""How a fitted estimator stores its coefficients and what it learns on from."""

from typing import Any

import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ._compat import sparse_result


class Storage(BaseEstimator):
    """A fitted estimator that can be made smaller."""

    coef_: Any
    intercept_: Any
    _state: Any

    def drop_training_state(self):
        """Remove what only `partial_fit` needs, for a smaller file and less memory.

        This removes the moments of the optimizer, averages, statistics of the columns
        and the state of the random generator. Predictions and all fitted attributes do
        not change. `partial_fit` still works: it continues from ``coef_`` with a new
        state of the optimizer.

        Returns
        -------
        self : object
        """
        check_is_fitted(self, "coef_")
        fitted = {"coef_": self.coef_, "intercept_": self.intercept_}
        state = self._state.forgetful(**fitted)
        self.__dict__.update(fitted, _state=state)
        return self

    def sparsify(self):
        """Turn ``coef_`` into a sparse matrix: less memory after an l1 fit.

        Prediction works as before; `partial_fit` and a new fit make it dense again.

        Returns
        -------
        self : object
        """
        check_is_fitted(self, "coef_")
        if not sp.issparse(self.coef_):
            self._coef_shape = self.coef_.shape
        self.coef_ = sparse_result(self.coef_)
        return self

    def densify(self):
        """Turn ``coef_`` back into an ndarray.

        Returns
        -------
        self : object
        """
        check_is_fitted(self, "coef_")
        if sp.issparse(self.coef_):
            self.coef_ = self.coef_.toarray().reshape(self._coef_shape)
        return self
