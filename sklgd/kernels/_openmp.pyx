"""How many threads a kernel may use; one where OpenMP was not compiled in."""

import os

import joblib

_forked = False


def _mark_forked():
    # GNU OpenMP hangs in the child of a process that had used it.
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_forked)


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
        joblib's workers lower, and 1 in a forked process.
    """
    if n_jobs is None or _forked:
        return 1
    if n_jobs < 0:
        n_jobs = max(1, joblib.cpu_count() + 1 + n_jobs)
    return max(1, min(n_jobs, omp_get_max_threads()))
