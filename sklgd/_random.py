"""Random generators that are made faster than NumPy makes them."""

import numbers
from math import ceil
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from sklearn.utils import check_random_state


class _Zeros(ISeedSequence):
    """Entropy for a generator that is about to be seeded."""

    def generate_state(self, n_words, dtype=np.uint32):
        # (A list: NumPy asks for the numbers one by one.)
        return [0] * n_words


def _unseeded() -> np.random.MT19937:
    return np.random.MT19937(_Zeros())  # type: ignore[arg-type]


def random_stream(seed: Any) -> np.random.RandomState:
    """`check_random_state`, faster for a number.

    ``RandomState(seed)`` first mixes 624 words of entropy, which the seed then
    replaces; with small data that takes half of the time of a fit.
    """
    if type(seed) is not int and not isinstance(seed, numbers.Integral):
        return check_random_state(seed)
    stream = np.random.RandomState(_unseeded())
    stream.seed(int(seed))
    return stream


def random_split(n, fraction, random_state):
    """Random rows for training and for validation, a share of n rows, ascending."""
    # Imported when needed: it doubles the package's import time.
    from sklearn.model_selection import ShuffleSplit

    if ceil(fraction * n) >= n:
        raise ValueError(
            f"validation_fraction={fraction!r} of {n} rows leaves none for training. "
            "Use a smaller fraction, pass X_val and y_val, or early_stopping=False."
        )
    splitter = ShuffleSplit(test_size=fraction, random_state=random_state)
    rows, held_out = next(splitter.split(np.empty(n)))
    # They share the memory of one permutation.
    rows, held_out = rows.astype(np.intp, copy=False), held_out.astype(np.intp)
    rows.sort()
    held_out.sort()
    return rows, held_out


def stream_at(key: Any, position: int) -> np.random.RandomState:
    """The stream whose generator has this state."""
    stream = np.random.RandomState(_unseeded())
    stream.set_state(("MT19937", key, position, 0, 0.0))
    return stream
