from typing import Any

import numpy as np

def mark_columns(
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    rows: Any,
    seen: np.ndarray,
) -> Any: ...
def renumber(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, new: np.ndarray
) -> Any: ...
