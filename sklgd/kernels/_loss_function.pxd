cdef class LossFunction


ctypedef double (*scalar_function)(
    LossFunction loss, double y, double z) noexcept nogil
ctypedef double (*evaluate_function)(
    LossFunction loss, const double* y, const double* z, const double* s, double* g,
    Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil
ctypedef void (*curvature_function)(
    LossFunction loss, const double* y, const double* z, const double* s, double* h,
    Py_ssize_t m, Py_ssize_t K) noexcept nogil
ctypedef void (*prox_function)(
    LossFunction loss, const double* y, const double* z0, double q, double* z, double* c,
    Py_ssize_t K) noexcept nogil
ctypedef void (*points_function)(
    LossFunction loss, const double* y, const double* z, Py_ssize_t n, Py_ssize_t K,
    double* value, double* g, double* h) noexcept nogil
ctypedef void (*prox_points_function)(
    LossFunction loss, const double* y, const double* z0, const double* g0,
    const double* q, Py_ssize_t n, double* z, double* c) noexcept nogil

cdef extern from "log_loss.h":
    # Most raw predictions of one row at a time.
    const Py_ssize_t POINTS "SKLGD_POINTS"


cdef class LossFunction:
    cdef scalar_function gradient_at
    cdef scalar_function value_at
    cdef evaluate_function evaluate_batch
    cdef curvature_function curvature_batch
    cdef prox_function prox_row
    cdef points_function points
    cdef prox_points_function prox_points
    cdef bint has_unit
    # Whether a derivative takes an exponential.
    cdef bint exponential
    # With several outputs: whether each has a target of its own.
    cdef public bint separate_targets

    cdef double proximal(self, double y, double z0, double q, double* c) noexcept nogil
    cdef void prox_scaled(
        self, const double* y, const double* z0, const double* q, double* z, double* c,
        Py_ssize_t K) noexcept nogil
    cdef double curvature_unit(self, double mean, double deviation) noexcept nogil


cdef class LinearTails(LossFunction):
    cdef readonly double barrier_weight
    # Where ``distant`` is True: the constant model, and how far from it targets are
    # still measured by the loss itself, one entry for each output.
    cdef double[::1] constant, reach
    cdef bint distant

    cdef double difference(self, double y, double z, double c) noexcept nogil
