ctypedef void (*Body)(void* arguments, Py_ssize_t i, int thread) noexcept nogil

cdef void parallel_for(
    Body body, void* arguments, Py_ssize_t n, int n_threads) noexcept nogil
