"""Gradient descent for scikit-learn.

`GDRegressor` and `GDClassifier` are linear models fitted by batch, mini-batch
or stochastic gradient descent with the optimizer of your choice.
"""

from ._classifier import GDClassifier
from ._regressor import GDRegressor

__version__ = "0.1.0"
__all__ = ["GDClassifier", "GDRegressor", "__version__"]
