from typing import Any

import numpy as np

from sklgd.kernels._problem import Problem
from sklgd.kernels._rules import Rule

def run_together(descents: list) -> Any: ...

class Descent:
    mean_count: int
    average_count: int
    def __init__(
        self,
        problem: Problem,
        rule: Rule,
        coef: Any,
        position: Any,
        *,
        centre: Any = ...,
        scale: Any = ...,
        gradient_scale: Any = ...,
        rotation: Any = ...,
        ridge: Any = ...,
        row_penalty: Any = ...,
        by_features: Any = ...,
        average: Any = ...,
        average_count: Any = ...,
        mean: Any = ...,
        intercept_rate: float = ...,
        aggressive: int = ...,
        cumulative: bool = ...,
        signs: Any = ...,
    ) -> None: ...
    def run(
        self,
        order: Any,
        etas: np.ndarray,
        batch_size: int,
        start: int,
        average_from: int,
        mean_from: int = ...,
        *,
        fetch: Any = ...,
        ahead: int = ...,
        source: Problem | None = ...,
    ) -> None: ...
    def prepare(
        self,
        order: Any,
        etas: np.ndarray,
        batch_size: int,
        start: int,
        average_from: int,
        mean_from: int = ...,
        *,
        fetch: Any = ...,
        ahead: int = ...,
        source: Problem | None = ...,
    ) -> Any: ...
    def shares_rows(self, batch_size: int) -> Any: ...
    def flush(self) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def refresh(self) -> Any: ...
    def value(self, keep_gradient: bool) -> float: ...
