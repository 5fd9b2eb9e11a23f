"""Blocks of Parquet and CSV files, read by pyarrow.

Row groups are read through `pyarrow.parquet.ParquetFile`: the scanner of
`pyarrow.dataset` keeps memory that grows with the file (apache/arrow#39808). They are
read a few columns at a time. A reader of all columns at once has pages and dictionaries
of each of them in memory, 1 MB and more, or a whole row group: of 784 columns and
150000 rows it took 2.2 GB.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any

import numpy as np

from .._hints import did_you_mean
from ._npy import Path, as_list
from ._source import PART_BLOCKS, Blocks, check_rows, rows_of_a_block

ENCODE = "Encode it before (one-hot, or with a hash), or leave it out of features."
# Columns of so many bytes are read together, and put together in memory up to a size.
SLICE_BYTES, SPOOL_BYTES = 2**23, 2**25


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are X, y, the weights and the offset."""

    features: tuple[str, ...]
    target: tuple[str, ...]
    sample_weight: str | None
    offset: str | None
    dtype: np.dtype

    @property
    def others(self) -> list[str]:
        """The columns that are read, but for those of X."""
        others = (name for name in (self.sample_weight, self.offset) if name)
        return [*self.target, *others]

    @property
    def names(self) -> list[str]:
        """All columns that are read."""
        return [*self.features, *self.others]

    def block(self, batch: Any) -> tuple[Any, ...]:
        """A block of a pyarrow RecordBatch."""
        return self.matrix(batch, self.features), *self.vectors(batch)

    def matrix(self, batch: Any, names: Sequence[str]) -> np.ndarray:
        """These columns of a RecordBatch or Table, as a part of X."""
        X = np.empty((batch.num_rows, len(names)), self.dtype)
        for j, name in enumerate(names):
            X[:, j] = self.numbers(batch, name)
        return X

    def vectors(self, batch: Any) -> tuple[Any, ...]:
        """The targets, weights and offsets of a RecordBatch or Table."""
        y = [_labels(batch.column(name), name) for name in self.target]
        others = (
            None if name is None else self.numbers(batch, name)
            for name in (self.sample_weight, self.offset)
        )
        return y[0] if len(y) == 1 else np.column_stack(y), *others

    def numbers(self, batch: Any, name: str) -> np.ndarray:
        """A column of numbers; raises ValueError if an entry is missing."""
        column = batch.column(name)
        values = _values(column)
        if values.dtype.kind not in "fiub":
            raise ValueError(
                f"Column {name!r} holds values of type {column.type}, which are no "
                f"numbers. {ENCODE}"
            )
        if column.null_count:
            row = column.is_null().to_pylist().index(True)
            raise ValueError(
                f"Column {name!r} has a missing value in row {row} of the block. Leave "
                "the column out of features, or give it values before: a function "
                "that yields blocks can use scikit-learn's SimpleImputer."
            )
        return values


def _values(column: Any) -> np.ndarray:
    """A column as a NumPy array of numbers, or of strings of a fixed width."""
    from pyarrow import types

    if hasattr(column, "combine_chunks"):
        column = column.combine_chunks()
    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if types.is_decimal(kind):
        column = column.cast("float64")
    values = column.to_numpy(zero_copy_only=False)
    if values.dtype == object and types.is_boolean(kind):
        values = np.array([np.nan if v is None else float(v) for v in values])
    if values.dtype == object and not column.null_count:
        values = values.astype(str)
    return values


def _labels(column: Any, name: str) -> np.ndarray:
    """A column of targets; raises ValueError if one is missing."""
    if column.null_count:
        raise ValueError(
            f"Column {name!r}, the target, has missing values. Leave these rows out."
        )
    return _values(column)


@dataclass(frozen=True)
class ParquetPart:
    """Some row groups of a file, in blocks."""

    path: str
    groups: tuple[int, ...]
    columns: Columns
    rows: int

    def __call__(self) -> Iterator[tuple[Any, ...]]:
        from pyarrow.parquet import ParquetFile

        with ParquetFile(self.path, pre_buffer=False) as file:
            _check_columns(file.schema_arrow.names, self.columns, self.path)
            lengths = _rows_of_groups(file)
            for places in _grouped([lengths[k] for k in self.groups], self.rows):
                groups = [self.groups[place] for place in places]
                yield from self.blocks(file, groups, sum(lengths[k] for k in groups))

    def blocks(
        self, file: Any, groups: list[int], n_rows: int
    ) -> Iterator[tuple[Any, ...]]:
        """Blocks of row groups, whose columns are put together in a temporary file."""
        columns, itemsize = self.columns, self.columns.dtype.itemsize
        n_columns = len(columns.features)
        others = file.read_row_groups(groups, columns.others, use_threads=False)
        vectors = columns.vectors(others)
        width = max(1, SLICE_BYTES // max(1, n_rows * itemsize))
        slices = [
            slice(j, min(n_columns, j + width)) for j in range(0, n_columns, width)
        ]
        with SpooledTemporaryFile(max_size=SPOOL_BYTES) as store:
            for some in slices:
                names = list(columns.features[some])
                table = file.read_row_groups(groups, names, use_threads=False)
                store.write(columns.matrix(table, names).data)
                del table
            for start in range(0, n_rows, self.rows):
                stop = min(n_rows, start + self.rows)
                X = np.empty((stop - start, n_columns), columns.dtype)
                for some in slices:
                    part = X[:, some]
                    store.seek(itemsize * (n_rows * some.start + start * part.shape[1]))
                    found = store.read(itemsize * part.size)
                    part[...] = np.frombuffer(found, X.dtype).reshape(part.shape)
                yield X, *(None if v is None else v[start:stop] for v in vectors)


@dataclass(frozen=True)
class CSVPart:
    """A CSV file, in blocks."""

    path: str
    columns: Columns
    n_bytes: int
    delimiter: str
    names: tuple[str, ...]

    def __call__(self) -> Iterator[tuple[Any, ...]]:
        from pyarrow import ArrowInvalid

        try:
            yield from self.blocks()
        except ArrowInvalid as error:
            raise ValueError(self.explanation(str(error))) from None

    def explanation(self, text: str) -> str:
        """The message about an error of the reader, with the name of the column."""
        found = re.match(r"In CSV column #(\d+): (.*conversion error to .*)", text)
        if found is None:
            return f"{self.path} cannot be read as CSV: {text}"
        name, what = self.names[int(found[1])], found[2]
        if name in self.columns.target:
            return (
                f"Column {name!r}, the target, has a value of another type than those "
                f"before it ({what}). Give all values one type."
            )
        remedy = ENCODE if name in self.columns.features else "Give it numbers."
        return f"Column {name!r} holds values that are no numbers ({what}). {remedy}"

    def blocks(self) -> Iterator[tuple[Any, ...]]:
        """The blocks, with the errors of pyarrow."""
        import pyarrow as pa
        from pyarrow import csv

        number = pa.from_numpy_dtype(self.columns.dtype)
        types = dict.fromkeys(self.columns.features, number)
        for name in (self.columns.sample_weight, self.columns.offset):
            if name is not None:
                types[name] = pa.float64()
        with csv.open_csv(
            self.path,
            read_options=csv.ReadOptions(block_size=self.n_bytes, use_threads=False),
            parse_options=csv.ParseOptions(delimiter=self.delimiter),
            convert_options=csv.ConvertOptions(
                include_columns=self.columns.names,
                column_types=types,
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        ) as reader:
            for batch in reader:
                yield self.columns.block(batch)


def read_parquet(
    paths: Path | Sequence[Path],
    *,
    target: str | Sequence[str],
    features: Sequence[str] | None = None,
    sample_weight: str | None = None,
    offset: str | None = None,
    dtype: Any = np.float32,
    rows: int | None = None,
) -> Blocks:
    """Blocks of Parquet files; needs pyarrow.

    Parameters
    ----------
    paths : path or sequence of paths
        Files with the same columns.
    target : str or sequence of str
        The column of y, or those of several outputs.
    features : sequence of str, default=None
        The columns of X, all of numbers; None takes all others of the first file.
    sample_weight, offset : str, default=None
        Columns of weights and of offsets.
    dtype : {np.float32, np.float64}, default=np.float32
        Of X.
    rows : int, default=None
        Rows of a block, at most; None takes about 32 MB.

    Returns
    -------
    blocks : Blocks
        A part has some row groups of one file, and a block has whole row groups or rows
        of one. Row groups of more than 32 MB are put together in a temporary file.

    Examples
    --------
    >>> from sklgd.blocks import read_parquet
    >>> blocks = read_parquet("sales.parquet", target="amount")  # doctest: +SKIP
    """
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    check_rows("rows", rows)
    columns, parts = None, []
    for path in as_list(paths):
        name = os.fspath(path)
        try:
            opened = ParquetFile(name)
        except ArrowInvalid as error:
            raise ValueError(f"{name} is no Parquet file: {error}") from None
        with opened as file:
            if columns is None:
                columns = _columns(
                    file.schema_arrow.names, name, target, features, sample_weight,
                    offset, dtype,
                )  # fmt: skip
                size = rows or rows_of_a_block(
                    len(columns.features) * columns.dtype.itemsize
                )
            _check_columns(file.schema_arrow.names, columns, name)
            lengths = _rows_of_groups(file)
        for groups in _grouped(lengths, size * PART_BLOCKS):
            parts.append(ParquetPart(name, groups, columns, size))
    assert columns is not None
    return Blocks(
        parts, n_features=len(columns.features), feature_names=columns.features
    )


def read_csv(
    paths: Path | Sequence[Path],
    *,
    target: str | Sequence[str],
    features: Sequence[str] | None = None,
    sample_weight: str | None = None,
    offset: str | None = None,
    dtype: Any = np.float64,
    delimiter: str = ",",
    block_bytes: int = 2**24,
) -> Blocks:
    r"""Blocks of CSV files with a line of column names; needs pyarrow.

    Text is read many times more slowly than numbers: where a fit makes more than a few
    passes, convert the files to Parquet before.

    Parameters
    ----------
    paths : path or sequence of paths
        Files with the same columns, which may be compressed (``.gz``, ``.bz2``).
    target : str or sequence of str
        The column of y, or those of several outputs. Its type is that of the first
        block.
    features : sequence of str, default=None
        The columns of X, all of numbers; None takes all others of the first file.
        Empty fields are nan.
    sample_weight, offset : str, default=None
        Columns of weights and of offsets.
    dtype : {np.float32, np.float64}, default=np.float64
        Of X.
    delimiter : str, default=","
    block_bytes : int, default=2**24
        Bytes of text that make a block.

    Returns
    -------
    blocks : Blocks
        A part is a file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklgd.blocks import read_csv  # needs pyarrow
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("price,rooms,size\n300,3,70\n450,4,110\n")
    >>> blocks = read_csv(path, target="price")  # doctest: +SKIP
    """
    from pyarrow import ArrowInvalid, csv

    check_rows("block_bytes", block_bytes)
    columns, parts = None, []
    for path in as_list(paths):
        name = os.fspath(path)
        parse = csv.ParseOptions(delimiter=delimiter)
        try:
            with csv.open_csv(name, parse_options=parse) as reader:
                names = reader.schema.names
        except ArrowInvalid as error:
            raise ValueError(f"{name} is no CSV file: {error}") from None
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{name} has two columns with the name {twice!r}.")
        if columns is None:
            columns = _columns(
                names, name, target, features, sample_weight, offset, dtype
            )
        _check_columns(names, columns, name)
        parts.append(CSVPart(name, columns, block_bytes, delimiter, tuple(names)))
    assert columns is not None
    return Blocks(
        parts, n_features=len(columns.features), feature_names=columns.features
    )


def _columns(names, path, target, features, sample_weight, offset, dtype):
    """The roles of a file's columns; raises ValueError."""
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype}.")
    targets = (target,) if isinstance(target, str) else tuple(target)
    taken = {*targets, sample_weight, offset}
    if features is None:
        features = [name for name in names if name not in taken]
    elif both := [name for name in features if name in taken]:
        raise ValueError(
            f"features: {both[0]!r} is the target, the weight or the offset as well."
        )
    if not len(features):
        raise ValueError(f"features: {path} has no column left for X.")
    return Columns(tuple(features), targets, sample_weight, offset, dtype)


def _check_columns(names: Sequence[str], columns: Columns, path: str) -> None:
    """Raise ValueError if a file lacks one of the columns."""
    missing = [name for name in columns.names if name not in names]
    if missing:
        shown = ", ".join(map(repr, names[:20]))
        listed = f"columns are {shown}"
        if len(names) > 20:
            listed = f"{len(names)} columns begin with {shown}"
        raise ValueError(
            f"{path} has no column {missing[0]!r}.{did_you_mean(missing[0], names)} "
            f"Its {listed}."
        )


def _rows_of_groups(file: Any) -> list[int]:
    """Number of rows of each row group of a Parquet file."""
    metadata = file.metadata
    return [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]


def _grouped(lengths: Sequence[int], n_rows: int) -> Iterator[tuple[int, ...]]:
    """Neighbouring row groups that have at most so many rows together, or are one."""
    groups: list[int] = []
    total = 0
    for number, length in enumerate(lengths):
        if groups and total + length > n_rows:
            yield tuple(groups)
            groups, total = [], 0
        groups.append(number)
        total += length
    if groups:
        yield tuple(groups)
