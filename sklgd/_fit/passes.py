"""Passes over blocks: sums over all rows, whose bits depend on the blocks alone.

A task is a function of one block; its results have ``+=``. An engine applies it to all
blocks of a source. The results of a part are added in the order of its blocks, and
``reduce(n_parts)`` of their sum leaves out what a part need not send. The sums of the
parts are added in the order of the parts. So neither the order in which blocks are
read, nor the process that reads them, has any effect on the bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .._log import say
from ..blocks._block import Block
from ..blocks._passes import SamePasses, read_ahead

if TYPE_CHECKING:
    from ..blocks._source import Blocks

Task = Callable[[Block], Any]


class Engine(Protocol):
    """What runs a task on all blocks of a source.

    Attributes
    ----------
    blocks : Blocks
    n_passes : int
        Passes so far.
    name : str
        What the log calls a pass.
    """

    blocks: Blocks
    n_passes: int
    name: str

    def round(self, task: Task) -> Generator[Any]:
        """The task's sums over the blocks of each part, in the order of the parts.

        Parts without rows are left out.
        """

    def marks(self) -> list[Any]:
        """What distinguishes the rows of a pass from others, of each part."""


class PartSums:
    """Adds a task's results for the blocks of a part.

    Parameters
    ----------
    task : callable
    n_parts : int
    add_place : callable
        ``add_place(error, part, block)`` says in an exception where it happened.
    """

    def __init__(
        self,
        task: Task,
        n_parts: int,
        add_place: Callable[[BaseException, int, int], None],
    ) -> None:
        self.task, self.n_parts, self.add_place = task, n_parts, add_place
        self.total: Any = None

    def add(self, block: Block, part: int, number: int) -> None:
        """Add the result of a block, the ``number``-th one of a part."""
        try:
            found = self.task(block)
        except Exception as error:
            self.add_place(error, part, number)
            raise
        if self.total is None:
            self.total = found
        else:
            self.total += found

    def finished(self) -> Iterator[Any]:
        """The sum of the part in one item, or none; the next part begins."""
        total, self.total = self.total, None
        if total is not None:
            yield total.reduce(self.n_parts)


class LocalEngine:
    """Runs tasks in this process, while the next block is read.

    Parameters
    ----------
    blocks : Blocks
    verbose : int, default=0
        1 or more logs a line about each pass.
    """

    name = "pass"

    def __init__(self, blocks: Blocks, verbose: int = 0) -> None:
        self.blocks, self.verbose = blocks, verbose
        self.passes, self.n_passes = SamePasses(blocks), 0

    def round(self, task: Task) -> Generator[Any]:
        """See `Engine.round`."""
        blocks, tally, last = self.blocks, Tally(), None
        sums = PartSums(task, blocks.n_parts, blocks.add_place)
        self.n_passes += 1
        stream = numbered(self.passes, range(blocks.n_parts))
        for (part, number), block in tally.timed(read_ahead(stream)):
            if part != last:
                yield from sums.finished()
            last = part
            sums.add(block, part, number)
        yield from sums.finished()
        if self.verbose:
            say(f"{self.name} {self.n_passes}: {tally}")

    def marks(self) -> list[Any]:
        """See `Engine.marks`."""
        return self.passes.marks()


def sum_of(engine: Engine, task: Task) -> Any:
    """The task's sum over all blocks; raises ValueError if there are no rows."""
    total = None
    # (An error, or Ctrl-C, ends the round at once: its tasks are cancelled.)
    with closing(engine.round(task)) as round_:
        for found in round_:
            if total is None:
                total = found
            else:
                total += found
    if total is None:
        raise ValueError("blocks: the source has no rows.")
    return total


def numbered(
    passes: SamePasses, order: Iterable[int]
) -> Iterator[tuple[tuple[int, int], Block]]:
    """Pairs ((part, block), rows) of the parts in this order."""
    for part in order:
        for number, block in enumerate(passes.part(part)):
            yield (part, number), block


def aligned(state: dict[str, Any]) -> dict[str, Any]:
    """Attributes that another process has sent, whose arrays may lie at any address."""
    return {
        name: np.require(value, requirements=("C", "A"))
        if isinstance(value, np.ndarray)
        else value
        for name, value in state.items()
    }


class Tally:
    """What a pass has read, how long it took, and which part took longest."""

    def __init__(self) -> None:
        self.n_blocks = self.n_rows = self.n_bytes = 0
        self.began, self.waited = time.perf_counter(), 0.0
        self.slowest = 0.0, 0

    def timed(self, blocks: Iterator[Any]) -> Iterator[Any]:
        """The same blocks of ``((part, number), rows)``."""
        current, since = None, self.began
        while True:
            before = time.perf_counter()
            found = next(blocks, None)
            now = time.perf_counter()
            self.waited += now - before
            part = None if found is None else found[0][0]
            if current not in (None, part):
                self.part_took(current, now - since)
                since = now
            if found is None:
                return
            current = part
            self.count(found[1])
            yield found

    def count(self, block: Block) -> None:
        """Count a block."""
        self.n_blocks += 1
        self.n_rows += len(block.y)
        self.n_bytes += block.n_bytes

    def count_part(
        self, part: int, rows: list[int], n_bytes: int, seconds: float
    ) -> None:
        """Count a part, which has blocks of so many rows."""
        self.n_blocks += len(rows)
        self.n_rows += sum(rows)
        self.n_bytes += n_bytes
        self.part_took(part, seconds)

    def part_took(self, part: int, seconds: float) -> None:
        """Note how long a part took."""
        self.slowest = max(self.slowest, (seconds, part))

    def __str__(self) -> str:
        seconds = time.perf_counter() - self.began
        waited = f" ({self.waited:.3g} s waiting for blocks)" if self.waited else ""
        longest, part = self.slowest
        return (
            f"{self.n_blocks} blocks, {self.n_rows} rows, {self.n_bytes / 1e6:.4g} MB, "
            f"{seconds:.3g} s{waited}, slowest part {part} with {longest:.3g} s"
        )
