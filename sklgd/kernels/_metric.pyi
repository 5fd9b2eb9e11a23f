from typing import Any

def natural_scale(var: Any, gamma: Any, l2: Any) -> Any: ...
def hessian_block(
    A: Any,
    v: Any,
    H: Any,
    factor: float,
    scale: Any,
    l2: Any,
    k: int,
    fit_intercept: bool,
) -> Any: ...
def cholesky(matrix: Any) -> Any: ...
def solve(factor: Any, g: Any, k: int = ...) -> Any: ...
