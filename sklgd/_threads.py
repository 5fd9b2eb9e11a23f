"""How many threads an estimator may use."""

import multiprocessing
import os
import threading
from functools import cache
from typing import Any

import joblib
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController


@cache
def _openmp() -> list[Any]:
    # The one that scikit-learn has loaded. Looking for it takes milliseconds.
    return ThreadpoolController().select(user_api="openmp").lib_controllers


def _limit() -> int:
    """Threads that the process may use, as far as OpenMP's users have limited them.

    The kernels do not use OpenMP, but its limit is the one that OMP_NUM_THREADS,
    threadpoolctl and joblib's workers set.
    """
    limits = [library.num_threads for library in _openmp()]
    return min(limits, default=os.cpu_count() or 1)


def _shares_processors() -> bool:
    """True in a thread or a daemonic process that is one worker of several.

    Processes of joblib's default backend are not daemonic; joblib limits the threads
    of each.
    """
    if multiprocessing.current_process().daemon:
        return True
    return (
        threading.current_thread() is not threading.main_thread()
        and get_active_backend()[0].nesting_level > 0
    )


def effective_threads(n_jobs: int | None) -> int:
    """Number of threads for an estimator's ``n_jobs``.

    Parameters
    ----------
    n_jobs : int or None
        None means 1, -1 all processors, -2 all but one, and so on.

    Returns
    -------
    int
        At least 1. Never more than the limit that OMP_NUM_THREADS, threadpoolctl and
        joblib's workers set; 1 in joblib's threads and in the processes of a pool.
    """
    if n_jobs is None or n_jobs == 1 or _shares_processors():
        return 1
    if n_jobs < 0:
        n_jobs = max(1, joblib.cpu_count() + 1 + n_jobs)
    return max(1, min(n_jobs, _limit()))
