from typing import Any

def l1_step(
    B: Any,
    g: Any,
    u: Any,
    l1: Any,
    p: Any,
    Bp: Any,
    tol: float,
    max_sweeps: int,
    signs: Any = None,
) -> Any: ...
def l1_refine(
    B: Any,
    g: Any,
    u: Any,
    l1: Any,
    p: Any,
    Bp: Any,
    tol: float,
    max_rounds: int,
    enough: float,
    signs: Any = None,
) -> Any: ...
