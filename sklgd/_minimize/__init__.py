"""The optimizers of `sklgd.optimizers` on any differentiable function."""

from .interface import minimize

__all__ = ["minimize"]
