"""Threads, clocks and interleaved repeats.

This module imports nothing that starts threads: `environment` is for processes that
are still to be started.
"""

import gc
import os
import statistics
import time
from dataclasses import dataclass, field

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def environment(openmp_threads=1):
    """Variables of a process whose BLAS uses one thread, and OpenMP so many."""
    found = dict(os.environ)
    found.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    found["OMP_NUM_THREADS"] = str(openmp_threads)
    return found


# Processor seconds of one thread are the wall time of a machine without other work
# (but caches and memory are shared all the same).
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
_clock = CLOCKS["wall"]


def use_clock(name):
    """Let `seconds` read the wall or the processor time from now on."""
    global _clock
    _clock = CLOCKS[name]


def seconds(function, *args):
    """Time of a call, without pauses of the garbage collector."""
    gc.disable()
    try:
        start = _clock()
        function(*args)
        return _clock() - start
    finally:
        gc.enable()


def summary(times):
    """Minimum and median, in milliseconds."""
    return {"min": 1e3 * min(times), "median": 1e3 * statistics.median(times)}


@dataclass
class Epochs:
    """Times of short and long fits of one learner.

    An epoch is what the long fit takes beyond the short one, divided by the epochs it
    has more; validation and set-up drop out. Both minima count for "min", both medians
    for "median".
    """

    short: int
    long: int
    short_times: list = field(default_factory=list)
    long_times: list = field(default_factory=list)

    @property
    def spent(self):
        return sum(self.short_times) + sum(self.long_times)

    def record(self, scale=1.0):
        """As JSON; ``scale`` is for learners that saw a part of the rows."""
        short, long = summary(self.short_times), summary(self.long_times)

        def epoch(kind):
            found = (long[kind] - short[kind]) / (self.long - self.short)
            # Noise may hide the difference: then an epoch's share of the whole fit.
            return scale * (found if found > 0.0 else long[kind] / self.long)

        return {
            "epoch_ms": {kind: epoch(kind) for kind in short},
            "fit_ms": {kind: scale * value for kind, value in long.items()},
            "fit_epochs": self.long,
            "short_fit_ms": {kind: scale * value for kind, value in short.items()},
            "short_fit_epochs": self.short,
            "repeats": len(self.long_times),
        }


def epoch_times(runs, repeats=5, limit=20.0, least=0.2, short=2):
    """Time fits of several learners in turn.

    Parameters
    ----------
    runs : dict of callables
        ``run(n_epochs)`` is one fit from the start.
    repeats : int
        Rounds in which each learner makes a short and a long fit; fewer for one that
        has used up ``limit`` seconds.
    least : float
        Seconds that the long fit is to take beyond the short one.
    short : int
        Epochs of the short fits. Two, as some learners prepare the data for further
        epochs only if there are any. (One, where an epoch is very slow.)

    Returns
    -------
    dict of Epochs
    """
    found = {}
    for key, run in runs.items():
        first = seconds(run, 1)  # with imports, caches, the first touch of memory
        if 6 * first > limit:
            found[key] = Epochs(1, 2)
            continue
        first = seconds(run, short)
        guess = max((seconds(run, short + 4) - first) / 4, first / 1000, 1e-6)
        # Enough epochs to stand out from what the short fit takes.
        more = int(max(least, first / 2) / guess)
        found[key] = Epochs(short, short + min(max(more, 4), 500))
    for turn in range(repeats):
        for key, run in runs.items():
            epochs = found[key]
            if turn and epochs.spent * (turn + 1) / turn > limit:
                continue
            epochs.short_times.append(seconds(run, epochs.short))
            epochs.long_times.append(seconds(run, epochs.long))
    return found


def call_times(calls, repeats=5, least=0.02, limit=5.0):
    """Seconds of a call of each function, in turn; small ones are repeated."""
    number = {}
    for key, call in calls.items():
        call()
        number[key] = int(min(max(least / max(seconds(call), 1e-7), 1), 10_000))

    def loop(call, times):
        for _ in range(times):
            call()

    found = {key: [] for key in calls}
    for turn in range(repeats):
        for key, call in calls.items():
            if turn and sum(found[key]) * number[key] * (turn + 1) / turn > limit:
                continue
            found[key].append(seconds(loop, call, number[key]) / number[key])
    return found
