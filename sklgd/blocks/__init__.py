"""Rows that do not fit into memory: sources that are read block by block.

A source gives blocks ``(X, y)``, ``(X, y, sample_weight)`` or ``(X, y, sample_weight,
offset)`` of rows, in parts. Each part can be read again from its beginning, and gives
the same rows in the same order each time. ``fit_blocks`` and ``partial_fit_blocks`` of
`GDClassifier` and `GDRegressor` learn from any of these sources.

================== ===============================================================
`read_parquet`     row groups of Parquet files
`read_csv`         CSV files
`read_npy`         dense ``.npy`` files
`read_csr_npy`     CSR matrices whose three arrays are ``.npy`` files
`read_svmlight`    svmlight text, which a cache turns into binary files
`from_arrays`      whatever can be sliced: memory maps, zarr and HDF5 arrays, CSR
`from_iterable`    a function that returns an iterator over blocks
`Blocks`           the class of all of them: a list of such functions
================== ===============================================================
"""

from ._arrow import read_csv, read_parquet
from ._block import Block
from ._npy import read_csr_npy, read_npy
from ._passes import SamePasses
from ._source import Blocks, from_arrays, from_iterable
from ._svmlight import read_svmlight

__all__ = [
    "Block",
    "Blocks",
    "SamePasses",
    "from_arrays",
    "from_iterable",
    "read_csr_npy",
    "read_csv",
    "read_npy",
    "read_parquet",
    "read_svmlight",
]
