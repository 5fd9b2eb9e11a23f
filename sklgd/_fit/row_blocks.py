"""How the rows of X are cut: into the batches of an epoch, into blocks of a pass."""

import numpy as np

from ..kernels._rows import Rows

# Entries of X in a block, whose temporary arrays stay in the cache.
BLOCK_ENTRIES = 65536


def batches(n_samples, batch_size):
    """Rows per batch and number of batches of an epoch."""
    rows = n_samples if batch_size == "full" else min(batch_size, n_samples)
    return rows, -(-n_samples // rows)


def row_blocks(X, rows):
    """Pairs (rows of a block, block of X in float64), without a copy of X.

    ``rows`` are the numbers of the rows, ascending; None means all.
    """
    n = X.shape[0] if rows is None else len(rows)
    per_row = Rows(X).total_entries(rows) // n
    size = min(max(64, BLOCK_ENTRIES // max(1, per_row)), 2048)
    for start in range(0, n, size):
        if rows is None:
            part = np.arange(start, min(start + size, n))
        else:
            part = rows[start : start + size]
        contiguous = part[-1] - part[0] + 1 == len(part)
        block = X[part[0] : part[-1] + 1] if contiguous else X[part]
        yield part, block.astype(np.float64, copy=False)
