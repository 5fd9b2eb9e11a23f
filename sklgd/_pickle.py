"""How a fitted estimator is pickled and copied: with a version of its state."""

from copy import deepcopy

from sklearn.base import BaseEstimator

from ._export import CONVERT
from ._fit.state import State
from ._fit.stream import Stream

# Number of the form in which states are stored: a change of `pack` raises it.
FORMAT = 2
# What is stored, by the name of its class.
KINDS = {cls.__name__: cls for cls in (State, Stream)}


class VersionedPickle(BaseEstimator):
    """An estimator that keeps in ``_state`` what `partial_fit` continues from.

    Its base class stores all other attributes.
    """

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
            self._state = KINDS[packed["kind"]].unpack(packed, self)
        else:
            self._state = State.of_another_version(packed, self)


def description(value):
    """What tells one object among the parameters from another, pickled or not."""
    # The repr of a function holds its address, which does not survive pickling.
    if callable(value) and not isinstance(value, BaseEstimator):
        return type(value).__qualname__
    return repr(value)
