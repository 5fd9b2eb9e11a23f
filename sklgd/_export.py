"""Fitted models as plain scikit-learn models: `to_sklearn`, a registry by loss.

An entry names the class of scikit-learn that minimises the same F, with the parameters
that make it the same F: fitted afresh on the same rows, it heads for the same optimum.
What scikit-learn's own `fit` sets is set by scikit-learn's own `fit`, on rows that say
nothing; then the coefficients are put in. (scikit-learn is imported where it is needed:
its linear models would double the time that the package takes to import.)
"""

import warnings
from copy import copy, deepcopy
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from ._compat import logistic_elastic_net
from ._signs import signs_of_features
from .losses import LOSSES


def _least_squares(est, l1, l2):
    from sklearn.linear_model import ElasticNet, LinearRegression, Ridge

    params = {"fit_intercept": est.fit_intercept}
    signs = signs_of_features(est)
    if signs is not None and (signs == 1).all():
        params["positive"] = True
    if l1:
        return ElasticNet(alpha=l1 + l2, l1_ratio=l1 / (l1 + l2), **params)
    if np.any(l2):
        # sum_i s_i r_i^2 + alpha |w|^2 there.
        return Ridge(alpha=l2 * est._state.weight_sum, **params)
    return LinearRegression(**params)


def _sgd_penalty(est, l1, l2):
    if not l1 + l2:
        # alpha=0 would rule out the learning rates "optimal".
        return {"penalty": None}
    return {"penalty": est.penalty, "alpha": est.alpha_, "l1_ratio": est.l1_ratio}


def _sgd_regressor(est, l1, l2, **params):
    from sklearn.linear_model import SGDRegressor

    params = {"loss": est.loss, "epsilon": est.epsilon, **params}
    return SGDRegressor(
        **params, **_sgd_penalty(est, l1, l2), fit_intercept=est.fit_intercept
    )


def _absolute_error(est, l1, l2):
    return _sgd_regressor(est, l1, l2, loss="epsilon_insensitive", epsilon=0.0)


def _quantile(est, l1, l2):
    from sklearn.linear_model import QuantileRegressor

    return QuantileRegressor(
        quantile=est.quantile, alpha=l1, fit_intercept=est.fit_intercept
    )


def _poisson(est, l1, l2):
    from sklearn.linear_model import PoissonRegressor

    return PoissonRegressor(alpha=l2, fit_intercept=est.fit_intercept)


def _gamma(est, l1, l2):
    from sklearn.linear_model import GammaRegressor

    return GammaRegressor(alpha=l2, fit_intercept=est.fit_intercept)


def _tweedie(est, l1, l2):
    from sklearn.linear_model import TweedieRegressor

    return TweedieRegressor(
        power=est.power, link="log", alpha=l2, fit_intercept=est.fit_intercept
    )


def _logistic(est, l1, l2):
    from sklearn.linear_model import LogisticRegression

    # C sum_i s_i loss_i + R(w) there.
    alpha = l1 + l2
    params = logistic_elastic_net(l1 / alpha) if l1 else {}
    return LogisticRegression(
        C=1.0 / (alpha * est._state.weight_sum) if alpha else np.inf,
        fit_intercept=est.fit_intercept,
        class_weight=est.class_weight,
        **params,
    )


def _sgd_classifier(est, l1, l2):
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(
        est.loss,
        **_sgd_penalty(est, l1, l2),
        fit_intercept=est.fit_intercept,
        class_weight=est.class_weight,
        epsilon=est.epsilon,
    )


# Key of the memo of `copy.deepcopy` -> what makes another model of our estimators.
CONVERT = "sklgd.to_sklearn"
# Name of a loss -> function of an estimator and its (l1, l2) that makes the model. For
# a classifier with a loss of regression it is `_sgd_classifier`.
EXPORTS = {
    "squared_error": _least_squares,
    "huber": _sgd_regressor,
    "epsilon_insensitive": _sgd_regressor,
    "squared_epsilon_insensitive": _sgd_regressor,
    "absolute_error": _absolute_error,
    "quantile": _quantile,
    "poisson": _poisson,
    "gamma": _gamma,
    "tweedie": _tweedie,
    "log_loss": _logistic,
    "hinge": _sgd_classifier,
    "squared_hinge": _sgd_classifier,
    "modified_huber": _sgd_classifier,
    "perceptron": _sgd_classifier,
}


def to_sklearn(estimator):
    """A copy of a fitted estimator whose models are plain scikit-learn models.

    Every fitted `GDRegressor` and `GDClassifier` inside becomes the scikit-learn model
    that equals it (see `GDRegressor.to_sklearn`), also in a pipeline, a column
    transformer, a search or an ensemble. Programs that support only the classes of
    scikit-learn, such as skl2onnx and skops, accept the result.

    Parameters
    ----------
    estimator : estimator
        Fitted, of scikit-learn or of any package whose estimators can be copied.

    Returns
    -------
    plain : estimator
        It shares no memory with ``estimator``, and its predictions are equal up to
        rounding. An estimator that was never fitted itself, such as the parameter
        ``estimator`` of a search, becomes an unfitted model of the class that the first
        fitted one with the same loss became. Without such a one it is not changed.

    Raises
    ------
    NotFittedError
        Before `fit`.
    ValueError
        For a loss without a counterpart in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklgd import GDClassifier, to_sklearn
    >>> X, y = load_iris(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), GDClassifier()).fit(X, y)
    >>> plain = to_sklearn(pipeline)
    >>> type(plain[-1]).__name__
    'LogisticRegression'
    >>> bool((plain.predict(X) == pipeline.predict(X)).all())
    True
    """
    check_is_fitted(estimator)
    fitted: dict[str, Any] = {}
    n_templates = 0

    def convert(est):
        nonlocal n_templates
        if hasattr(est, "coef_"):
            plain = plain_model(est)
            fitted.setdefault(est.loss, plain)
            return plain
        n_templates += 1
        return clone(fitted[est.loss]) if est.loss in fitted else clone(est)

    def memo() -> dict[Any, Any]:
        return {CONVERT: convert}

    plain = deepcopy(estimator, memo())
    if n_templates and fitted:
        # They may have been met before the fitted ones.
        plain = deepcopy(estimator, memo())
    return plain


def plain_model(est):
    """The scikit-learn model that equals a fitted GDRegressor or GDClassifier."""
    check_is_fitted(est, "coef_")
    build = EXPORTS.get(est.loss)
    if hasattr(est, "classes_") and LOSSES[est.loss].task == "regression":
        build = _sgd_classifier
    if build is None:
        raise ValueError(
            f"loss={est.loss!r}: to_sklearn knows no model of scikit-learn with this "
            f"loss, only with {', '.join(map(repr, EXPORTS))}. Pickle the estimator "
            "itself instead."
        )
    penalty = est._penalty(est.alpha_)
    if not penalty.closed_form:
        raise ValueError(
            f"penalty={est.penalty!r}: to_sklearn knows no model of scikit-learn with "
            "this penalty. Pickle the estimator itself instead."
        )
    l1, l2 = penalty.l1, penalty.l2
    if not penalty.uniform:
        # (Only Ridge takes a strength for each target, and no model for each feature.)
        if not (penalty.same_for_features() and penalty.smooth) or (
            est.loss != "squared_error"
        ):
            raise ValueError(
                "to_sklearn knows no model of scikit-learn whose penalty differs "
                "between features (penalty_factor, standardize=True) or between "
                "targets (alpha as an array, but for Ridge). Pickle the estimator "
                "itself instead."
            )
        l2 = l2[0]
    model = build(est, l1, l2)
    coef, intercept = copy(est).densify().coef_, est.intercept_
    if est._multilabel:
        return _one_vs_rest(model, est, coef, intercept)
    if hasattr(est, "classes_"):
        _prime(model, est.classes_)
        model.classes_ = est.classes_.copy()
        return _fill(model, est, coef, intercept)
    if coef.ndim == 1 or get_tags(model).target_tags.multi_output:
        _prime(model, np.ones((2, *coef.shape[:-1])))
        return _fill(model, est, coef, intercept)
    from sklearn.multioutput import MultiOutputRegressor

    several = MultiOutputRegressor(clone(model))
    _prime(model, np.ones(2))
    several.estimators_ = [
        _fill(deepcopy(model), est, coef[k], intercept[k : k + 1])
        for k in range(len(coef))
    ]
    _name_features(several, est)
    return several


def _one_vs_rest(model, est, coef, intercept):
    """A OneVsRestClassifier of several labels per row."""
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import LabelBinarizer

    several = OneVsRestClassifier(clone(model))
    _prime(model, np.arange(2))
    several.estimators_ = [
        _fill(deepcopy(model), est, coef[[k]], intercept[k : k + 1])
        for k in range(len(coef))
    ]
    indicators = np.eye(len(coef), dtype=int)
    several.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(indicators)
    _name_features(several, est)
    return several


def _prime(model, y):
    """Fit a model to rows of ones, for all that its own `fit` sets."""
    params = model.get_params(deep=False)
    # No random numbers are drawn, and no solver has a reason to fail (nor to refuse the
    # quantiles 0 and 1).
    neutral = {
        "random_state": 0, "class_weight": None, "alpha": 1.0, "C": 1.0, "quantile": 0.5
    }  # fmt: skip
    neutral = {name: value for name, value in neutral.items() if name in params}
    model.set_params(**neutral)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(np.ones((len(y), 1)), y)
    model.set_params(**{name: params[name] for name in neutral})


def _fill(model, est, coef, intercept):
    """Give a primed model its coefficients and what else depends on the fit."""
    model.coef_ = coef.copy()
    scalar = np.ndim(model.intercept_) == 0 and len(intercept) == 1
    model.intercept_ = intercept[0] if scalar else intercept.copy()
    _name_features(model, est)
    # Not all classes have these; Ridge has None for n_iter_.
    fitted = vars(model)
    if fitted.get("n_iter_") is not None:
        shape = np.shape(model.n_iter_)
        model.n_iter_ = np.full(shape, est.n_iter_, np.int32) if shape else est.n_iter_
    if "t_" in fitted:
        model.t_ = float(est.t_)
    if "dual_gap_" in fitted:
        model.dual_gap_ = np.full(np.shape(model.dual_gap_), np.nan)[()]
    # Of the matrix X, which LinearRegression does not say of sparse X either.
    for name in ("rank_", "singular_"):
        fitted.pop(name, None)
    return model


def _name_features(model, est):
    """Number and names of the features."""
    model.n_features_in_ = est.n_features_in_
    if hasattr(est, "feature_names_in_"):
        model.feature_names_in_ = est.feature_names_in_.copy()
