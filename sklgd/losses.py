"""Loss functions: `LOSSES` maps the names of the ``loss`` parameter to classes.

The classes live beside their kernels in ``kernels/_losses.pyx``; whatever is
registered there is available here.
"""

from .kernels import _losses
from .kernels._losses import *  # noqa: F403
from .kernels._losses import __all__  # noqa: F401

LOSSES = _losses.LOSSES
"""Loss name -> class."""
