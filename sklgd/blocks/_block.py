"""One block of rows, and the form of its X."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._hints import column_of_text


class Block(NamedTuple):
    """Some rows.

    Attributes
    ----------
    X : ndarray or CSR array of shape (n_rows, n_features), float32 or float64
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
    sample_weight : ndarray of shape (n_rows,) or None
        None means ones.
    offset : ndarray of shape (n_rows,) or None
        Added to the raw predictions; None means zeros.
    """

    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None = None
    offset: np.ndarray | None = None

    @property
    def n_bytes(self) -> int:
        """Size of X and y in memory."""
        X = self.X
        stored = (X.data, X.indices, X.indptr) if sp.issparse(X) else (X,)
        return sum(a.nbytes for a in (*stored, self.y))


def canonical(X: Any) -> Any:
    """An array or CSR matrix as the kernels read it; raises ValueError."""
    if hasattr(X, "to_scipy_sparse"):
        # (The sparse chunks of dask arrays are often those of the package `sparse`.)
        X = X.to_scipy_sparse()
    if sp.issparse(X):
        if X.format != "csr":
            X = X.tocsr()
        _check_kind(X.dtype)
        _check_csr(X)
        dtype = X.dtype if X.dtype in (np.float32, np.float64) else np.float64
        X = X.astype(dtype, copy=False)
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        return X
    frame = X
    try:
        X = np.asarray(X)
        if X.dtype == object:
            X = X.astype(np.float64)
    except (TypeError, ValueError) as error:
        what = column_of_text(frame) or str(error)
        raise ValueError(f"X of a block cannot be made an array: {what}") from None
    _check_kind(X.dtype)
    if X.ndim != 2:
        raise ValueError(
            f"X of a block has the shape {X.shape}. It needs two dimensions: rows and "
            "columns."
        )
    dtype = X.dtype if X.dtype in (np.float32, np.float64) else np.float64
    return np.require(X, dtype=dtype, requirements=["C", "A"])


def _check_kind(dtype: np.dtype) -> None:
    """Raise ValueError unless entries are numbers."""
    if dtype.kind not in "fiub":
        raise ValueError(
            f"X of a block has entries of type {dtype}, which are no real numbers. "
            "Convert or encode them before."
        )


def _check_csr(X: Any) -> None:
    """Raise ValueError if the arrays of a CSR matrix contradict each other."""
    n_entries = len(X.data)
    right = (
        len(X.indptr) == X.shape[0] + 1
        and X.indptr[0] == 0
        and X.indptr[-1] == n_entries == len(X.indices)
        and (np.diff(X.indptr) >= 0).all()
        and (not n_entries or 0 <= X.indices.min() <= X.indices.max() < X.shape[1])
    )
    if not right:
        raise ValueError(
            "X of a block is no CSR matrix: indptr must rise from 0 to the number of "
            f"entries, and indices must lie between 0 and {X.shape[1] - 1}."
        )
