"""Runs of copies of an estimator, and where its coefficients are after each epoch."""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from .._compat import has_callbacks
from .._validation import parameters_of, plain_class
from ..schedules import step_is_explicit


def copy_for_runs(estimator):
    """An unfitted copy, of which all runs learn from all rows, in the same order.

    It writes no log and calls no callbacks. It is no object of a subclass, whose
    constructor may lack the parameters that are set here.
    """
    copy = plain_class(type(estimator))(**parameters_of(clone(estimator)))
    copy.set_params(early_stopping=False, warm_start=False, verbose=0)
    if copy.random_state is None:
        copy.set_params(random_state=0)
    if has_callbacks(copy):
        copy.set_callbacks()
    return copy


def trajectory(estimator, objective, X, y, sample_weight, n_epochs):
    """Coefficients at the start of `fit` and after each of its epochs.

    Everything comes from runs of clones. With an explicit learning rate these are calls
    of `partial_fit`, which makes the epochs of `fit` one by one. Otherwise `fit` finds
    its way from the data, and the point after epoch k is that of a `fit` of k epochs.

    Parameters
    ----------
    estimator : GDRegressor or GDClassifier
        Fitted; it is not changed.
    objective : Objective
        Of the same data.
    X, y, sample_weight : arrays
    n_epochs : int

    Returns
    -------
    path : ndarray of shape (n_epochs + 1, n_features + 1, n_outputs)
        Shorter if the run diverged.
    """
    explicit = step_is_explicit(estimator)
    start = np.zeros_like(objective.coef)
    if not explicit:
        start[-1] = estimator._first_intercept(objective.data.fit_intercept_only())
    streams = explicit and estimator.optimizer_.rule is not None
    streams = streams and not isinstance(getattr(estimator, "class_weight", None), str)
    run = _by_calls if streams else _by_fits
    model = copy_for_runs(estimator)
    path = [start]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for fitted in run(model, estimator, X, y, sample_weight, n_epochs):
            if fitted.stop_reason_ == "diverged":
                break
            coef = np.empty_like(start)
            coef[:-1] = np.atleast_2d(fitted.coef_).T
            coef[-1] = fitted.intercept_
            path.append(coef)
    return np.array(path)


def _by_calls(model, estimator, X, y, sample_weight, n_epochs):
    classes = {"classes": estimator.classes_} if hasattr(estimator, "classes_") else {}
    for _ in range(n_epochs):
        yield model.partial_fit(X, y, sample_weight=sample_weight, **classes)


def _by_fits(model, estimator, X, y, sample_weight, n_epochs):
    for epochs in range(1, n_epochs + 1):
        # (A clone draws the same random numbers again.)
        shorter = clone(model).set_params(max_iter=epochs, tol=None)
        yield shorter.fit(X, y, sample_weight=sample_weight)


def name_of_run(run):
    """What the path of keywords of `minimize` is called."""
    return getattr(run["optimizer"], "name", run["optimizer"])
