cdef class RecursiveLeastSquares:
    cdef readonly Py_ssize_t size, n_outputs
    cdef Py_ssize_t stride, n_table
    cdef object table_array, work_array
    # Learnt numbers.
    # Arrays of `stride` numbers, `size` rounded up to a multiple of four.
    cdef double* factor                 # U, by columns
    cdef double* variance               # D
    cdef double* coef                   # by outputs
    cdef double* origin
    cdef double* prior                  # precisions
    cdef double* faded                  # lost share of them, and penalty that is due
    # Of the current row.
    cdef double* x
    cdef double* gain
    cdef double* unit                   # zeros
    cdef double* work

    cdef void forget(self) noexcept nogil
    cdef void load(self, const double* x, const double* mean) noexcept nogil
    cdef void predict(self, double* z) noexcept nogil
    cdef void trust(self, Py_ssize_t j, double precision) noexcept nogil
    cdef void fade(self, double share) noexcept nogil
    cdef void restore(self) noexcept nogil
    cdef void pull(self, Py_ssize_t j, double precision) noexcept nogil
    cdef double absorb(self, double weight) noexcept nogil
    cdef void move(self, Py_ssize_t k, double a) noexcept nogil
