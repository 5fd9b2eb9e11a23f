"""What is measured, one file each: `run(options)` yields records for the JSON.

A record says its part, its problem and its library; report.py reads them.
"""

from dataclasses import dataclass

PARTS = (
    "epochs",
    "minibatch",
    "gap",
    "memory",
    "threads",
    "busy",
    "growth",
    "text",
    "overhead",
    "machinery",
)


@dataclass(frozen=True)
class Options:
    """How much is measured.

    Attributes
    ----------
    level : {"full", "quick", "smoke"}
    libraries : tuple of str or None
        None for all that are installed.
    """

    level: str = "full"
    libraries: tuple | None = None

    def pick(self, full, quick, smoke):
        """The sizes of this level."""
        return {"full": full, "quick": quick, "smoke": smoke}[self.level]


def say(text):
    """Progress, for the reader of the terminal."""
    print(text, flush=True)
