"""Loss functions: the registry and the classes behind the ``loss`` parameter."""

from .kernels._losses import (
    LOSSES,
    AbsoluteError,
    EpsilonInsensitive,
    Gamma,
    Hinge,
    Huber,
    LogLoss,
    Loss,
    ModifiedHuber,
    Perceptron,
    Poisson,
    Quantile,
    SquaredEpsilonInsensitive,
    SquaredError,
    SquaredHinge,
    Tweedie,
)

__all__ = ["LOSSES", "Loss", *sorted(cls.__name__ for cls in LOSSES.values())]
