cdef class RecursiveLeastSquares:
    cdef readonly Py_ssize_t size, n_outputs
    cdef object table_array, work_array
    cdef double* factor
    cdef double* coef
    cdef double* origin
    cdef double* prior
    cdef double* x
    cdef double* row
    cdef double* gain

    cdef void load(self, const double* x, const double* mean) noexcept nogil
    cdef void predict(self, double* z) noexcept nogil
    cdef void trust(self, Py_ssize_t j, double precision) noexcept nogil
    cdef void fade(self, double share) noexcept nogil
    cdef void pull(self, Py_ssize_t j, double precision) noexcept nogil
    cdef double absorb(self, double weight) noexcept nogil
    cdef void move(self, Py_ssize_t k, double a) noexcept nogil
    cdef void rotate(self, Py_ssize_t first) noexcept nogil
    cdef double solve(self, Py_ssize_t first) noexcept nogil
