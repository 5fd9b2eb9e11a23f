from typing import Any

from sklgd.kernels._problem import Problem

class Features:
    def __init__(
        self, shape: Any, sizes: Any, l1: float, l2: float, batches: bool
    ) -> None: ...
    def load(self, coef: Any, mean: Any) -> Any: ...
    def pace(self, eta: float) -> Any: ...
    def apply_lagged(self, t: Any, coef: Any, mean: Any, ahead: Any = ...) -> Any: ...

class Reduced:
    @property
    def coef_array(self) -> Any: ...
    @property
    def mean_array(self) -> Any: ...
    def __init__(
        self,
        problem: Problem,
        coef: Any,
        l1: float,
        l2: float,
        compact: bool,
        signs: Any,
    ) -> None: ...
    def take_entries(self, sizes: Any, batches: Any) -> Any: ...
    def refresh(self) -> Any: ...
    def copies(self) -> Any: ...
    def restore(self, copies: Any) -> Any: ...

class SnapshotSteps(Reduced):
    def __init__(
        self,
        problem: Problem,
        coef: Any,
        l1: float,
        l2: float,
        sizes: Any,
        centre: Any = ...,
        matrix: Any = ...,
        lazy: bool = ...,
        compact: bool = ...,
        signs: Any = ...,
    ) -> None: ...
    def run(
        self, order: Any, eta: float, batch_size: int, start: int, stop: int
    ) -> None: ...
