from typing import Any

import numpy as np

from sklgd.kernels._rows import Rows

def active_rows(h: Any, subset: Any) -> np.ndarray: ...
def full_columns(rows: Rows, order: Any) -> np.ndarray: ...
def count_entries(rows: Rows, order: Any) -> np.ndarray: ...
def weighted_gram(
    rows: Rows,
    h: Any = ...,
    subset: Any = ...,
    centre: Any = ...,
    n_threads: int = ...,
    out: Any = ...,
) -> Any: ...
def softmax_hessian(
    rows: Rows,
    p: Any,
    sample_weight: Any = ...,
    subset: Any = ...,
    centre: Any = ...,
    n_threads: int = ...,
) -> np.ndarray: ...
def column_statistics(
    rows: Rows,
    sample_weight: Any = ...,
    subset: Any = ...,
    n_threads: int = ...,
    numbers: Any = ...,
) -> Any: ...
