"""Blocks of ``.npy`` files, read piece by piece.

Memory maps would do without a reader, but the pages that they have read count as memory
of the process, which is what limits on containers and on Dask's workers see.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.lib import format as npy

from ._source import Blocks, check_rows, cut, rows_of_a_block

Path = str | os.PathLike[str]
T = TypeVar("T")


@dataclass(frozen=True)
class NpyFile:
    """A ``.npy`` file of an array in C order, of which rows are read.

    Attributes
    ----------
    path : str
    shape : tuple of int
    dtype : dtype
    start : int
        Where the entries begin, in bytes.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype
    start: int

    @classmethod
    def open(cls, path: Path, n_dims: tuple[int, ...]) -> NpyFile:
        """Read the header; ``n_dims`` are the possible numbers of dimensions."""
        name = os.fspath(path)
        with open(name, "rb") as file:
            try:
                version = npy.read_magic(file)
                read = {
                    (1, 0): npy.read_array_header_1_0,
                    (2, 0): npy.read_array_header_2_0,
                }[version]
                shape, fortran, dtype = read(file)
            except (ValueError, KeyError) as error:
                raise ValueError(
                    f"{name} is no .npy file that can be read: {error}"
                ) from None
            start = file.tell()
        if fortran and len(shape) > 1:
            raise ValueError(
                f"{name} is stored column by column, so that reading a few rows would "
                "read the whole file. Store np.ascontiguousarray(X) instead."
            )
        if dtype.hasobject:
            raise ValueError(
                f"{name} holds Python objects, which cannot be read piece by piece. "
                "Store numbers, or strings as y.astype(str)."
            )
        if len(shape) not in n_dims:
            wanted = " or ".join(map(str, n_dims))
            raise ValueError(
                f"{name} has the shape {shape}; it needs {wanted} dimension(s)."
            )
        return cls(name, shape, dtype, start)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows ``start`` to ``stop``, as a new array."""
        entries = int(np.prod(self.shape[1:], dtype=np.int64))
        count = (stop - start) * entries
        at = self.start + start * entries * self.dtype.itemsize
        # (`fromfile` refuses to read nothing at the end of a file.)
        found = (
            np.fromfile(self.path, self.dtype, count, offset=at)
            if count
            else np.empty(0, self.dtype)
        )
        if len(found) < count:
            raise OSError(
                f"{self.path} ends early: {count} entries were expected at byte {at}, "
                f"{len(found)} were there."
            )
        return found.reshape(stop - start, *self.shape[1:])


@dataclass(frozen=True)
class Part(ABC):
    """Some rows of files, in blocks of so many ``rows``."""

    vectors: tuple[NpyFile | None, ...]
    start: int
    stop: int
    rows: int

    @abstractmethod
    def read(self, start: int, stop: int) -> Any:
        """X of these rows."""

    def __call__(self) -> Iterator[tuple[Any, ...]]:
        for start in range(self.start, self.stop, self.rows):
            stop = min(self.stop, start + self.rows)
            others = (None if f is None else f.rows(start, stop) for f in self.vectors)
            yield self.read(start, stop), *others


@dataclass(frozen=True)
class NpyPart(Part):
    """A part of dense files."""

    X: NpyFile

    @property
    def path(self) -> str:
        return self.X.path

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.X.rows(start, stop)


@dataclass(frozen=True)
class CSRPart(Part):
    """A part of a CSR matrix in three files."""

    data: NpyFile
    indices: NpyFile
    indptr: NpyFile
    n_features: int

    @property
    def path(self) -> str:
        return self.data.path

    def read(self, start: int, stop: int) -> Any:
        indptr = self.indptr.rows(start, stop + 1)
        first, last = int(indptr[0]), int(indptr[-1])
        if not 0 <= first <= last <= self.data.shape[0]:
            raise ValueError(
                f"{self.indptr.path} does not rise between rows {start} and {stop}."
            )
        return sp.csr_array(
            (
                self.data.rows(first, last),
                self.indices.rows(first, last),
                indptr - first,
            ),
            shape=(stop - start, self.n_features),
        )


def read_npy(
    X: Path | Sequence[Path],
    y: Path | Sequence[Path],
    *,
    sample_weight: Path | Sequence[Path] | None = None,
    offset: Path | Sequence[Path] | None = None,
    rows: int | None = None,
    feature_names: Sequence[str] | None = None,
) -> Blocks:
    """Blocks of dense ``.npy`` files.

    Parameters
    ----------
    X : path or sequence of paths
        Files of shape (n_samples, n_features) in C order, of any numeric dtype.
    y : path or sequence of paths
        As many files, of shape (n_samples,) or (n_samples, n_outputs); labels may be
        strings of a fixed width.
    sample_weight, offset : path or sequence of paths, default=None
        As many files, of shape (n_samples,).
    rows : int, default=None
        Rows of a block; None takes about 32 MB.
    feature_names : sequence of str, default=None

    Returns
    -------
    blocks : Blocks
        A part has up to 16 blocks of one file. Files are opened when they are read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklgd.blocks import read_npy
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "X.npy", np.arange(6.0).reshape(3, 2))
    >>> np.save(folder / "y.npy", np.array(["a", "b", "a"]))
    >>> [block.y.tolist() for block in read_npy(folder / "X.npy", folder / "y.npy")]
    [['a', 'b', 'a']]
    """
    check_rows("rows", rows)
    files = [NpyFile.open(path, (2,)) for path in as_list(X)]
    vectors = _vectors(files, y, sample_weight, offset)
    n_features = files[0].shape[1]
    for file in files:
        if file.shape[1] != n_features:
            raise ValueError(
                f"{file.path} has {file.shape[1]} columns, {files[0].path} has "
                f"{n_features}. All files need the same columns."
            )
    parts = []
    for file, others in zip(files, vectors, strict=True):
        size = rows or rows_of_a_block(n_features * file.dtype.itemsize)
        parts += [
            NpyPart(others, start, stop, size, file)
            for start, stop in cut(file.shape[0], size)
        ]
    return Blocks(parts, n_features=n_features, feature_names=feature_names)


def read_csr_npy(
    data: Path | Sequence[Path],
    indices: Path | Sequence[Path],
    indptr: Path | Sequence[Path],
    y: Path | Sequence[Path],
    *,
    n_features: int,
    sample_weight: Path | Sequence[Path] | None = None,
    offset: Path | Sequence[Path] | None = None,
    rows: int | None = None,
    feature_names: Sequence[str] | None = None,
) -> Blocks:
    """Blocks of CSR matrices whose three arrays are ``.npy`` files.

    Parameters
    ----------
    data, indices, indptr : path or sequence of paths
        The arrays ``X.data``, ``X.indices`` and ``X.indptr`` of each matrix.
    y : path or sequence of paths
        As many files, of shape (n_samples,) or (n_samples, n_outputs).
    n_features : int
        Number of columns, which the three arrays do not contain.
    sample_weight, offset : path or sequence of paths, default=None
    rows : int, default=None
        Rows of a block; None takes about 32 MB.
    feature_names : sequence of str, default=None

    Returns
    -------
    blocks : Blocks
        A part has up to 16 blocks of one matrix.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from sklgd.blocks import read_csr_npy
    >>> folder = Path(tempfile.mkdtemp())
    >>> X = sp.csr_array(np.eye(4))
    >>> names = "data", "indices", "indptr"
    >>> for name in names:
    ...     np.save(folder / f"{name}.npy", getattr(X, name))
    >>> np.save(folder / "y.npy", np.arange(4))
    >>> paths = [folder / f"{name}.npy" for name in (*names, "y")]
    >>> [block.X.shape for block in read_csr_npy(*paths, n_features=4, rows=3)]
    [(3, 4), (1, 4)]
    """
    check_rows("rows", rows)
    opened = [
        [NpyFile.open(path, (1,)) for path in as_list(paths)]
        for paths in (data, indices, indptr)
    ]
    if len({len(files) for files in opened}) > 1:
        raise ValueError(
            f"data, indices and indptr are {', '.join(str(len(f)) for f in opened)} "
            "files. Each matrix needs one of each."
        )
    triples = list(zip(*opened, strict=True))
    for values, numbers, starts in triples:
        if values.shape != numbers.shape:
            raise ValueError(
                f"{values.path} has {values.shape[0]} entries, {numbers.path} has "
                f"{numbers.shape[0]}: they are not of one matrix."
            )
        if starts.shape[0] == 0:
            raise ValueError(
                f"{starts.path} is empty; indptr has n_samples + 1 entries."
            )
        last = int(starts.rows(starts.shape[0] - 1, starts.shape[0])[0])
        if last != values.shape[0]:
            raise ValueError(
                f"{starts.path} ends with {last}, but {values.path} has "
                f"{values.shape[0]} entries: they are not of one matrix."
            )
    lengths = [starts.shape[0] - 1 for *_, starts in triples]
    vectors = _vectors(
        [t[0] for t in triples], y, sample_weight, offset, lengths=lengths
    )
    parts = []
    for (values, numbers, starts), others, n in zip(
        triples, vectors, lengths, strict=True
    ):
        row = values.shape[0] / max(1, n) * (values.dtype.itemsize + 4)
        size = rows or rows_of_a_block(row)
        parts += [
            CSRPart(others, start, stop, size, values, numbers, starts, n_features)
            for start, stop in cut(n, size)
        ]
    return Blocks(parts, n_features=n_features, feature_names=feature_names)


def as_list(paths: Path | Sequence[Path]) -> list[Path]:
    """One path, or several, as a list; raises ValueError if there is none."""
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not listed:
        raise ValueError("There is no file to read: the list of paths is empty.")
    return listed


def _vectors(
    files: list[NpyFile],
    y: Any,
    sample_weight: Any,
    offset: Any,
    lengths: list[int] | None = None,
) -> list[tuple[NpyFile | None, ...]]:
    """The files of y, weights and offsets that go with each file of X."""
    if lengths is None:
        lengths = [file.shape[0] for file in files]
    columns: list[list[Any]] = []
    named = ("y", y, (1, 2)), ("sample_weight", sample_weight, (1,))
    for name, paths, n_dims in (*named, ("offset", offset, (1,))):
        if paths is None:
            columns.append([None] * len(files))
            continue
        opened = [NpyFile.open(path, n_dims) for path in as_list(paths)]
        if len(opened) != len(files):
            raise ValueError(
                f"{name} is in {len(opened)} file(s), X in {len(files)}. Each file of "
                "X needs one."
            )
        for own, file, n in zip(opened, files, lengths, strict=True):
            if own.shape[0] != n:
                raise ValueError(
                    f"{own.path} ({name}) has {own.shape[0]} rows, {file.path} has {n}."
                )
        columns.append(opened)
    return list(zip(*columns, strict=True))
