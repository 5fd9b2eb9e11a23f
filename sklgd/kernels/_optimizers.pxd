cdef class Rule:
    cdef double* w                      # coordinates, caller's buffer
    cdef const double* l1               # penalty per coordinate, caller's
    cdef const double* l2
    cdef readonly Py_ssize_t size
    cdef public long long t             # steps taken
    cdef readonly dict slots            # name -> float64 array of `size`
    cdef object owners                  # keeps the buffers alive

    cdef void step(self, const double* g, double eta) noexcept nogil


cdef class SGDRule(Rule):
    cdef double scale                   # w = scale * stored, features only
    cdef double row_l1
    cdef double row_l2
    cdef double debt                    # sum of eta l1 / scale since the last flush
    cdef double* settled                # debt already paid, per coordinate
    cdef Py_ssize_t n_penalised
    cdef Py_ssize_t n_outputs
    cdef bint lazy
    cdef object settled_owner

    cdef void start_rows(
        self, Py_ssize_t n_outputs, double l1, double l2, bint lazy)
    cdef void decay(self, double eta) noexcept nogil
    cdef void shrink(self, double eta) noexcept nogil
    cdef void catch_up(
        self, const Py_ssize_t* features, Py_ssize_t n) noexcept nogil
    cdef void flush(self) noexcept nogil
