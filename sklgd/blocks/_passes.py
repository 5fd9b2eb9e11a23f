"""Passes over a source of blocks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from ._block import Block
    from ._source import Blocks

# Factors of the words of a row in checksums.
FACTORS = np.random.default_rng(0).integers(2**64, size=256, dtype=np.uint64) | 1


class SamePasses:
    """Passes over a source, which must give the same rows in each of them.

    What a source gives in the first pass over a part is remembered as the number of
    rows and a checksum of each block.

    Parameters
    ----------
    blocks : Blocks

    Raises
    ------
    RuntimeError
        In a later pass, as soon as a block is not the one that was there before.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self._known: dict[int, list[tuple[int, int]]] = {}

    def part(self, number: int) -> Iterator[Block]:
        """The blocks of one part.

        Parameters
        ----------
        number : int
        """
        known, found = self._known.get(number), []
        for block in self.blocks.part(number):
            found.append((len(block.y), _checksum(block)))
            if known is not None and found != known[: len(found)]:
                raise self.error(number, len(found) - 1)
            yield block
        if known is not None and len(found) != len(known):
            raise self.error(number, len(found))
        self._known[number] = found

    def marks(self) -> list[list[tuple[int, int]]]:
        """Number of rows and checksum of each block, of each part; after a pass."""
        return [self._known[number] for number in range(self.blocks.n_parts)]

    @staticmethod
    def error(number: int, block: int) -> RuntimeError:
        """What is raised if a block of a part differs from that of an earlier pass.

        Parameters
        ----------
        number, block : int
            Numbers of the part, and of the block in it.
        """
        return RuntimeError(
            "The source of blocks has changed between two passes. Every pass must "
            "give the same rows in the same order: do not shuffle in it, and do not "
            "write to its files during a fit. The first difference is in block "
            f"{block} of part {number}."
        )


def read_ahead(blocks: Iterator[Any]) -> Iterator[Any]:
    """The same blocks, of which the next is read while the last one is at work."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = pool.submit(next, blocks, None)
            yield block


def _checksum(block: Block) -> int:
    """A number that changes with any entry of a block."""
    X, mark = block.X, 0
    arrays = [X.data, X.indices, X.indptr] if sp.issparse(X) else [X]
    for a in (*arrays, *block[1:]):
        if a is not None:
            plain = a.astype(str) if a.dtype.hasobject else a
            mark = _mark_of_bytes(np.ascontiguousarray(plain).view(np.uint8), mark)
    return mark


def _mark_of_bytes(a: np.ndarray, mark: int) -> int:
    """A number that changes with any byte of an array.

    (A third of the time of `crc32`, which gets one word for each row of 256. The
    factors are odd: a change of one word always changes that of its row.)
    """
    whole = a.size // (8 * len(FACTORS)) * 8 * len(FACTORS)
    words = a.reshape(-1)[:whole].view(np.uint64).reshape(-1, len(FACTORS))
    return crc32(a.reshape(-1)[whole:].data, crc32((words @ FACTORS).data, mark))
