cdef class Loss:
    cdef double evaluate_batch(
        self, const double* y, const double* z, const double* s, double* g,
        Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil
    cdef double slope_at(self, double y, double z) noexcept nogil
    cdef double value_at(self, double y, double z) noexcept nogil
    cdef void curvature_batch(
        self, const double* y, const double* z, const double* s, double* h,
        Py_ssize_t m, Py_ssize_t K) noexcept nogil
    cdef void prox_row(
        self, const double* y, const double* z0, double q, double* z,
        double* c, Py_ssize_t K) noexcept nogil
    cdef void prox_scaled(
        self, const double* y, const double* z0, const double* q, double* z,
        double* c, Py_ssize_t K) noexcept nogil
    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil
