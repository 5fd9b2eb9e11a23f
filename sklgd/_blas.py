"""How many threads BLAS uses while an estimator works."""

import os
import threading
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _libraries():
    # Looking through the loaded libraries takes milliseconds, so it is done once.
    return ThreadpoolController().select(user_api="blas").lib_controllers


def free(library):
    """Let any Python thread set the number of threads.

    Since threadpoolctl 3.8 only the first one that does so may: where fits ran in
    several threads, the others would not be limited, nor lift the last limit.
    """
    clear = getattr(library, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


class _Limits:
    """The limits that are in force, and the numbers of threads without them.

    The number of threads of BLAS belongs to the process. Where several Python threads
    set and restore it by themselves, one restores the number while another one still
    relies on its limit, and the last one restores the limit of the first. So the
    smallest of all limits holds, and the numbers of before come back with the end of
    the last one.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.active = []
        self.before = []

    def add(self, limit):
        with self.lock:
            if not self.active:
                numbers = [(library, library.num_threads) for library in _libraries()]
                self.before = [(library, n) for library, n in numbers if n > 1]
            self.active.append(limit)
            if self.before:
                self._apply()

    def remove(self, limit):
        with self.lock:
            self.active.remove(limit)
            if self.before:
                self._apply()

    def _apply(self):
        for library, number in self.before:
            free(library)
            library.set_num_threads(min([number, *self.active]))
            free(library)


_limits = _Limits()


def _forget_limits():
    # The threads that would have lifted them do not exist in a forked process.
    global _limits
    _limits = _Limits()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_limits)


class blas_threads:
    """Context in which BLAS uses at most so many threads.

    ``n_jobs`` alone says how many threads there are. Fits keep BLAS to one thread
    whatever ``n_jobs`` is, because BLAS rounds differently with another number.

    Parameters
    ----------
    limit : int
    """

    def __init__(self, limit):
        self.limit = limit

    def __enter__(self):
        self.limits = _limits
        self.limits.add(self.limit)

    def __exit__(self, *error):
        self.limits.remove(self.limit)
