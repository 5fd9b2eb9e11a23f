"""Gradient descent for scikit-learn.

`GDRegressor` and `GDClassifier` are linear models fitted by batch, mini-batch
or stochastic gradient descent with the optimizer of your choice. `minimize`
runs the same optimizers on any differentiable function.
"""

from ._classifier import GDClassifier
from ._minimize import minimize
from ._regressor import GDRegressor

__version__ = "0.1.0"
__all__ = ["GDClassifier", "GDRegressor", "__version__", "minimize"]
