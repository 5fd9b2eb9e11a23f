"""Gradient descent for scikit-learn.

`GDRegressor` and `GDClassifier` are linear models fitted by batch, mini-batch
or stochastic gradient descent with the optimizer of your choice. `minimize`
runs the same optimizers on any differentiable function.
"""

from ._classifier import GDClassifier
from ._cv import GDClassifierCV, GDRegressorCV
from ._export import to_sklearn
from ._minimize import minimize
from ._regressor import GDRegressor
from ._tuning.path import RegularizationPath, path
from .optimizers import OPTIMIZERS as _OPTIMIZERS
from .schedules import SCHEDULES as _SCHEDULES

__version__ = "0.2.0"
TRUSTED_TYPES = sorted(
    f"{cls.__module__}.{cls.__qualname__}"
    for cls in (
        GDClassifier,
        GDClassifierCV,
        GDRegressor,
        GDRegressorCV,
        *_OPTIMIZERS.values(),
        *_SCHEDULES.values(),
    )
)
"""Names of the package's types in stored models, for ``skops.io.load(trusted=...)``."""

__all__ = [
    "TRUSTED_TYPES",
    "GDClassifier",
    "GDClassifierCV",
    "GDRegressor",
    "GDRegressorCV",
    "RegularizationPath",
    "__version__",
    "minimize",
    "path",
    "to_sklearn",
]
