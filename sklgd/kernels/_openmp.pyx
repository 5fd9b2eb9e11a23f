"""How many threads a kernel may use; one where OpenMP was not compiled in."""

import os
import threading

import joblib
from joblib.parallel import get_active_backend

_forked = False


def _mark_forked():
    # GNU OpenMP hangs in the child of a process that had used it.
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_forked)


def _in_pool_of_threads():
    """True in a worker of joblib's threading backend, which has the cores already.

    (Workers that are processes of their own run their tasks in their main thread, and
    joblib limits the threads of each.)
    """
    return (
        threading.current_thread() is not threading.main_thread()
        and get_active_backend()[0].nesting_level > 0
    )


def effective_threads(n_jobs):
    """Number of threads for an estimator's ``n_jobs``.

    Parameters
    ----------
    n_jobs : int or None
        None means 1, -1 all processors, -2 all but one, and so on.

    Returns
    -------
    int
        At least 1; never more than OpenMP's own limit, which threadpoolctl and
        joblib's workers lower; 1 in a forked process and in joblib's threads.
    """
    if n_jobs is None or n_jobs == 1 or _forked or _in_pool_of_threads():
        return 1
    if n_jobs < 0:
        n_jobs = max(1, joblib.cpu_count() + 1 + n_jobs)
    return max(1, min(n_jobs, omp_get_max_threads()))
