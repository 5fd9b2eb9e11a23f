"""Optimizers: `OPTIMIZERS` maps names to the parameter objects.

The classes live beside what runs them: ``kernels/_optimizers.pyx`` (rules of descent),
``kernels/_variance_reduced.pyx``, ``_quasi_newton.py`` and ``_proximal_gradient.py``;
whatever is registered there is available here.
"""

from . import _proximal_gradient, _quasi_newton
from ._proximal_gradient import *  # noqa: F403
from ._quasi_newton import *  # noqa: F403
from .kernels import _optimizers, _variance_reduced
from .kernels._optimizers import *  # noqa: F403
from .kernels._variance_reduced import *  # noqa: F403

OPTIMIZERS = (
    _optimizers.OPTIMIZERS
    | _variance_reduced.OPTIMIZERS
    | _quasi_newton.OPTIMIZERS
    | _proximal_gradient.OPTIMIZERS
)
"""Optimizer name -> parameter class."""

__all__ = [
    *_optimizers.__all__,
    *_variance_reduced.__all__,
    *_quasi_newton.__all__,
    *_proximal_gradient.__all__,
]
