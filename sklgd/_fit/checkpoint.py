"""Checkpoints of fits to blocks: the results of their passes.

A fit is a function of what its passes give: the same results lead to the same steps, to
the last bit. So a checkpoint is a folder with the result of each pass. A fit that is
started again takes the stored results in place of passes, and goes on from where they
end. It first reads the blocks once, and compares them with those of the stored passes.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from .block_data import Sums
from .passes import Engine, sum_of

# Parameters of an estimator that have no effect on the result.
WITHOUT_EFFECT = {"n_jobs", "verbose", "random_state", "shuffle"}


class Checkpoint:
    """Stores the sums of passes, and gives them in the same order later.

    Parameters
    ----------
    path : str or path
        A folder, which is made if it does not exist.
    key : dict
        What the result depends on, beside the blocks: numbers and strings.

    Raises
    ------
    ValueError
        If the folder holds the passes of another fit.
    """

    def __init__(self, path: Any, key: dict[str, Any]) -> None:
        self.folder, self.n_used = Path(path), 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key = json.loads(json.dumps(key))
        self.known: Any = None
        head = self.folder / "fit.json"
        if head.exists():
            stored = json.loads(head.read_text())
            self.known = stored["blocks"]
            changed = [
                name
                for name in sorted({*stored["key"], *self.key})
                if stored["key"].get(name) != self.key.get(name)
            ]
            if changed:
                name = changed[0]
                raise ValueError(
                    f"checkpoint={str(path)!r} belongs to another fit, with {name}="
                    f"{stored['key'].get(name)} in place of {self.key.get(name)}. Use "
                    "the parameters of that fit, or another folder."
                )

    def check_blocks(self, marks: list[Any]) -> None:
        """Compare the blocks with those of the stored passes; raises RuntimeError."""
        marks = json.loads(json.dumps(marks))
        if self.known is None:
            self.known = marks
            text = json.dumps({"key": self.key, "blocks": marks})
            self._write("fit.json", lambda file: file.write(text.encode()))
        elif self.known != marks:
            raise RuntimeError(
                f"The blocks have changed since checkpoint={str(self.folder)!r}"
                " was written. Restore the blocks, or use another folder."
            )

    def sum_of(self, engine: Engine, task: Any) -> Any:
        """As `passes.sum_of`, or what is stored of this pass."""
        path, mark = self.folder / f"pass_{self.n_used:05d}.npz", mark_of(task)
        self.n_used += 1
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                # (On another processor the coefficients may have other bits.)
                if int(stored["mark"]) == mark:
                    return getattr(type(task), "result", Sums).unpack(stored)
        sums = sum_of(engine, task)
        packed = {**sums.pack(), "mark": np.array(mark)}
        self._write(path.name, lambda file: np.savez(file, **packed))
        return sums

    def _write(self, name: str, write: Callable[[Any], Any]) -> None:
        """Write a file, which is complete as soon as it exists."""
        handle, temporary = tempfile.mkstemp(dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.folder / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def mark_of(task: Any) -> int:
    """A number that changes with the point that a task evaluates."""
    curvature = getattr(task, "curvature", None)
    mark = crc32(f"{type(task).__name__} {type(curvature).__name__}".encode())
    mark = crc32(repr(getattr(curvature, "stride", None)).encode(), mark)
    mark = crc32(repr(getattr(task.loss, "barrier_weight", None)).encode(), mark)
    others = (getattr(task, name, None) for name in ("others", "reach"))
    for a in (task.coef, *others):
        mark = crc32(b"" if a is None else np.ascontiguousarray(a).tobytes(), mark)
    return mark


def _written(value: Any) -> str:
    """A parameter as text; NumPy abbreviates long arrays."""
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)


def key_of(est: Any, start: Any, **others: Any) -> dict[str, Any]:
    """What the result of a fit depends on, beside the blocks."""
    key = {
        name: getattr(value, "__qualname__", _written(value))
        for name, value in est.get_params().items()
        if name not in WITHOUT_EFFECT
    }
    key["estimator"] = type(est).__name__
    key["start"] = 0 if start is None else crc32(np.ascontiguousarray(start).tobytes())
    return key | others
