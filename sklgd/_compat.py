"""Differences between the supported versions of Python and scikit-learn."""

import sys
import warnings
from importlib import import_module

import scipy.sparse as sp
import sklearn

# Packages whose frames are between a warning and the line that it is about.
BETWEEN = "sklgd", "sklearn", "joblib"


def warn(message, category=UserWarning):
    """Warn of the line that called into this package, be it through scikit-learn.

    (`warnings.warn` has ``skip_file_prefixes`` for that since Python 3.12.)
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and (
        frame.f_globals.get("__name__", "").partition(".")[0] in BETWEEN
    ):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def logistic_elastic_net(l1_ratio):
    """Parameters of a LogisticRegression with this share of l1, above zero.

    Since 1.8 the penalty follows from ``l1_ratio`` and the parameter is deprecated.
    """
    from sklearn.linear_model import LogisticRegression

    params = {"l1_ratio": l1_ratio, "solver": "saga"}
    if LogisticRegression().get_params().get("penalty") == "l2":
        params["penalty"] = "elasticnet"
    return params


def sparse_result(matrix):
    """A sparse fitted attribute in the kind that scikit-learn is set up to return.

    scikit-learn 1.9 has the configuration ``sparse_interface``; before, results are
    sparse matrices.
    """
    if sklearn.get_config().get("sparse_interface") == "sparray":
        return sp.csr_array(matrix)
    return sp.csr_matrix(matrix)


def routing_enabled():
    """True if metadata routing is enabled in scikit-learn's configuration."""
    return bool(sklearn.get_config()["enable_metadata_routing"])


def callbacks():
    """The module `sklearn.callback`, imported when somebody uses it.

    It takes 20 ms where `rich` is installed.

    Raises
    ------
    ImportError
        On scikit-learn 1.6 to 1.8, which have no callbacks.
    """
    try:
        return import_module("sklearn.callback")
    except ImportError:
        raise ImportError(
            "set_callbacks needs scikit-learn 1.9 or newer, but this is scikit-learn "
            f"{sklearn.__version__}. Upgrade scikit-learn, or use verbose=1 for a line "
            "per epoch in the log."
        ) from None


class CallbackSupport:
    """`sklearn.callback.CallbackSupportMixin`, without importing it."""

    def set_callbacks(self, *callbacks_):
        """Set the callbacks that `fit` calls (scikit-learn 1.9 and newer).

        `fit` is a task with one subtask, ``"epoch"``, for each epoch.

        Parameters
        ----------
        *callbacks_ : instances of callbacks
            Such as `sklearn.callback.ProgressBar` and
            `sklearn.callback.ScoringMonitor`; without arguments, all callbacks
            are removed.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError
            For something that is not an instance of a callback.
        ImportError
            On scikit-learn 1.6 to 1.8, which have no callbacks.

        Examples
        --------
        A callback that stops the fit after three epochs:

        >>> from sklearn.datasets import load_iris
        >>> from sklgd import GDClassifier
        >>> class ThreeEpochs:
        ...     def setup(self, estimator, context): pass
        ...     def teardown(self, estimator, context): pass
        ...     def on_fit_task_begin(self, estimator, context): pass
        ...     def on_fit_task_end(self, estimator, context):
        ...         return context.task_name == "epoch" and context.task_id == 2
        >>> model = GDClassifier(optimizer="adam").set_callbacks(ThreeEpochs())
        >>> model.fit(*load_iris(return_X_y=True)).stop_reason_
        'callback'
        """
        return callbacks().CallbackSupportMixin.set_callbacks(self, *callbacks_)

    def _init_callback_context(self, **tasks):
        """As in scikit-learn: the context of a fit, with the callbacks set up."""
        mixin = callbacks().CallbackSupportMixin
        return mixin._init_callback_context(self, **tasks)


def has_callbacks(estimator):
    """True if callbacks were set, or passed on by a meta-estimator."""
    return hasattr(estimator, "_skl_callbacks")


def tear_down(estimator):
    """Tear down the callbacks that were set up for a fit, if any.

    `sklearn.callback.with_callbacks` does that at the end of the function it is given.
    As a decorator of `fit` it would be imported with the package.
    """
    if "_callback_fit_ctx" in vars(estimator):
        callbacks().with_callbacks(_no_more)(estimator)


def _no_more(estimator):
    """What is left of a fit that has ended."""
