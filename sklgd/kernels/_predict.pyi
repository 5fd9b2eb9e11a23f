import numpy as np

from sklgd.kernels._rows import Rows

def raw_predictions(
    rows: Rows, coef: np.ndarray, n_threads: int = ...
) -> np.ndarray: ...
