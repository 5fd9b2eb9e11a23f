"""Loops whose iterations several threads share out."""
import os

cdef extern from "threads.h":
    void sklgd_reset_pool() noexcept nogil
    void sklgd_parallel_for(
        Body body, void* arguments, Py_ssize_t n, int n_threads) noexcept nogil

sklgd_reset_pool()


def _reset():
    sklgd_reset_pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)


cdef void parallel_for(
        Body body, void* arguments, Py_ssize_t n, int n_threads) noexcept nogil:
    """Call ``body(arguments, i, thread)`` for i = 0, ..., n - 1, in any order.

    Parameters
    ----------
    body : function
        Must not need the GIL. Calls with the same ``thread`` do not overlap, so each
        thread may have buffers of its own.
    arguments : pointer
        The caller's; valid until the loop returns.
    n : int
    n_threads : int
        Threads at most, the caller's included: 0 <= ``thread`` < n_threads. The loop
        runs in the caller's thread alone if another loop is running in this process.
    """
    sklgd_parallel_for(body, arguments, n, n_threads)
