"""Gradient descent for scikit-learn.

`GDRegressor` and `GDClassifier` are linear models fitted by batch, mini-batch
or stochastic gradient descent with the optimizer of your choice. `minimize`
runs the same optimizers on any differentiable function.
"""

from ._classifier import GDClassifier
from ._export import to_sklearn
from ._fit.stored_state import TRUSTED_TYPES as _PARAMETER_TYPES
from ._minimize import minimize
from ._regressor import GDRegressor

__version__ = "0.1.0"
TRUSTED_TYPES = [
    *(f"{cls.__module__}.{cls.__qualname__}" for cls in (GDClassifier, GDRegressor)),
    *_PARAMETER_TYPES,
]
"""Names of the package's types in stored models, for ``skops.io.load(trusted=...)``."""

__all__ = [
    "TRUSTED_TYPES",
    "GDClassifier",
    "GDRegressor",
    "__version__",
    "minimize",
    "to_sklearn",
]
