"""Optimizers: the registry and the parameter objects of the update rules."""

from .kernels._optimizers import (
    FTRL,
    OPTIMIZERS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdaMax,
    AMSGrad,
    Momentum,
    Nadam,
    Nesterov,
    Optimizer,
    RMSprop,
)

__all__ = ["OPTIMIZERS", "Optimizer", *sorted(cls.__name__ for cls in OPTIMIZERS.values())]
