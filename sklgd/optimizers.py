"""Optimizers: `OPTIMIZERS` maps names to the parameter objects of the update rules.

The classes live beside their kernels in ``kernels/_optimizers.pyx``; whatever is
registered there is available here.
"""

from .kernels._optimizers import *  # noqa: F403
from .kernels._optimizers import __all__  # noqa: F401
