cdef class Loss:
    cdef double evaluate_batch(
        self, const double* y, const double* z, const double* s, double* g,
        Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil
