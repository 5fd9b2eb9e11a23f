"""Gradient descent for scikit-learn.

`GDRegressor` and `GDClassifier` are linear models fitted by batch, mini-batch
or stochastic gradient descent with the optimizer of your choice. `minimize`
runs the same optimizers on any differentiable function.
"""

from ._classifier import GDClassifier
from ._export import to_sklearn
from ._minimize import minimize
from ._regressor import GDRegressor
from .optimizers import OPTIMIZERS as _OPTIMIZERS
from .schedules import SCHEDULES as _SCHEDULES

__version__ = "0.1.0"
TRUSTED_TYPES = sorted(
    f"{cls.__module__}.{cls.__qualname__}"
    for cls in (
        GDClassifier,
        GDRegressor,
        *_OPTIMIZERS.values(),
        *_SCHEDULES.values(),
    )
)
"""Names of the package's types in stored models, for ``skops.io.load(trusted=...)``."""

__all__ = [
    "TRUSTED_TYPES",
    "GDClassifier",
    "GDRegressor",
    "__version__",
    "minimize",
    "to_sklearn",
]
