from typing import Any

import numpy as np

def shuffled(rng: Any, rows: Any) -> Any: ...

class Blocks:
    def __init__(
        self,
        first: np.ndarray,
        length: int,
        n_samples: int,
        window: int = ...,
        seed: Any = ...,
    ) -> None: ...
    def take(self, m: int) -> Any: ...
