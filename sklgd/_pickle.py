"""How a fitted estimator is pickled and copied: with a version of its state."""

from copy import deepcopy
from typing import Any

from sklearn.base import BaseEstimator

from ._export import CONVERT

# Number of the form in which states are stored: a change of `pack` raises it.
FORMAT = 2


class VersionedPickle(BaseEstimator):
    """An estimator that keeps in ``_state`` what `partial_fit` continues from.

    Its base class stores all other attributes.
    """

    state_classes: tuple[Any, ...]
    """Those of ``_state``; the first one also reads what other versions have stored."""

    def __deepcopy__(self, memo):
        convert = memo.get(CONVERT)
        if convert is not None:
            return convert(self)
        twin = memo[id(self)] = object.__new__(type(self))
        twin.__setstate__(deepcopy(self.__getstate__(), memo))
        return twin

    def __getstate__(self):
        stored = super().__getstate__()
        if "_state" not in stored:
            return stored
        state = self._state
        head = {"format": FORMAT, "kind": type(state).__name__}
        return stored | {"_state": head | state.pack(self)}

    def __setstate__(self, stored):
        super().__setstate__(stored)
        if "_state" not in stored:
            return
        packed = stored["_state"]
        if isinstance(packed, dict) and packed.get("format") == FORMAT:
            by_name = {cls.__name__: cls for cls in self.state_classes}
            self._state = by_name[packed["kind"]].unpack(packed, self)
        else:
            self._state = self.state_classes[0].of_another_version(packed, self)


def description(value):
    """What tells one object among the parameters from another, pickled or not."""
    # The repr of a function holds its address, which does not survive pickling.
    if callable(value) and not isinstance(value, BaseEstimator):
        return type(value).__qualname__
    return repr(value)
