"""Blocks of svmlight text, which a cache turns into binary files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from zlib import crc32

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import load_svmlight_file

from ._npy import Path, as_list
from ._source import PART_BLOCKS, Blocks, check_rows


@dataclass(frozen=True)
class SVMLightPart:
    """The lines that begin within some bytes of a file, in blocks."""

    path: str
    start: int
    stop: int
    n_bytes: int
    n_features: int
    zero_based: bool
    dtype: np.dtype
    cache: str | None

    def __call__(self) -> Iterator[tuple[Any, ...]]:
        for start in range(self.start, self.stop, self.n_bytes):
            stop = min(self.stop, start + self.n_bytes)
            if self.cache is None:
                yield self.parse(start, stop)
            else:
                yield self.cached(start, stop)

    def parse(self, start: int, stop: int) -> tuple[Any, np.ndarray]:
        """The rows whose lines begin at bytes ``start`` to ``stop - 1``."""
        with open(self.path, "rb") as file:
            if start:
                # The line that reaches over the start belongs to the block before.
                file.seek(start - 1)
                file.readline()
            first = file.tell()
            text = file.read(max(0, stop - first))
            if text and not text.endswith(b"\n"):
                text += file.readline()
        X, y = load_svmlight_file(
            BytesIO(text), n_features=self.n_features, dtype=self.dtype,
            zero_based=self.zero_based,
        )  # fmt: skip
        return X, y

    def cached(self, start: int, stop: int) -> tuple[Any, np.ndarray]:
        """The same rows from a binary file, which is written if it is not there."""
        assert self.cache is not None
        status = os.stat(self.path)
        key = (
            os.path.abspath(self.path), status.st_size, status.st_mtime_ns, start, stop,
            self.n_features, self.zero_based, str(self.dtype),
        )  # fmt: skip
        stem, _ = os.path.splitext(os.path.basename(self.path))
        name = f"{stem}-{start:015d}-{crc32(repr(key).encode()):08x}.npz"
        stored = os.path.join(self.cache, name)
        if os.path.exists(stored):
            with np.load(stored) as arrays:
                parts = arrays["data"], arrays["indices"], arrays["indptr"]
                y = arrays["y"]
            return sp.csr_array(parts, shape=(len(y), self.n_features)), y
        X, y = self.parse(start, stop)
        os.makedirs(self.cache, exist_ok=True)
        # Complete under another name first, or a reader could find a part of it.
        unfinished = f"{stored}.{os.getpid()}"
        with open(unfinished, "wb") as file:
            np.savez(file, data=X.data, indices=X.indices, indptr=X.indptr, y=y)
        os.replace(unfinished, stored)
        return X, y


def read_svmlight(
    paths: Path | Sequence[Path],
    *,
    n_features: int,
    zero_based: bool = False,
    dtype: Any = np.float64,
    cache: Path | None = None,
    block_bytes: int = 2**24,
) -> Blocks:
    r"""Blocks of svmlight (libsvm) text files.

    Parameters
    ----------
    paths : path or sequence of paths
    n_features : int
        Number of columns, which cannot be found from a part of a file.
    zero_based : bool, default=False
        True if the first column has the number 0 in the files, False if it has 1.
    dtype : {np.float32, np.float64}, default=np.float64
        Of X.
    cache : path, default=None
        Directory for binary copies of the blocks, which are read some twenty times as
        fast as text. They are made in the first pass, and made again if a file changes.
        None parses the text in each pass.
    block_bytes : int, default=2**24
        Bytes of text that make a block.

    Returns
    -------
    blocks : Blocks
        A part has up to 16 blocks of one file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklgd.blocks import read_svmlight
    >>> path = Path(tempfile.mkdtemp()) / "a.svm"
    >>> _ = path.write_text("1 1:0.5 3:2\n0 2:1\n")
    >>> (block,) = read_svmlight(path, n_features=3)
    >>> block.X.toarray()
    array([[0.5, 0. , 2. ],
           [0. , 1. , 0. ]])
    """
    check_rows("block_bytes", block_bytes)
    parts = []
    for path in as_list(paths):
        size, step = os.path.getsize(path), block_bytes * PART_BLOCKS
        for start in range(0, size, step):
            stop = min(size, start + step)
            part = SVMLightPart(
                os.fspath(path), start, stop, block_bytes, n_features, zero_based,
                np.dtype(dtype), None if cache is None else os.fspath(cache),
            )  # fmt: skip
            parts.append(part)
    return Blocks(parts, n_features=n_features)
