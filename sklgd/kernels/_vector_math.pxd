"""exp, log1p and the softmax of arrays, with the same bits on every machine."""
cdef extern from "vector_math.h":
    double sklgd_exp(double x) noexcept nogil
    double sklgd_log1p(double x) noexcept nogil
    ctypedef struct VectorMath "sklgd_vector_math":
        # n elements, overwritten
        void (*exp)(double* x, Py_ssize_t n) noexcept nogil
        void (*log1p)(double* x, Py_ssize_t n) noexcept nogil
        # of m rows: p = exp(z - top) (m, K), the maxima of z, and the sums
        # without the largest term, which is 1 (m)
        void (*softmax_rows)(
            const double* z, Py_ssize_t m, Py_ssize_t K, double* p, double* top,
            double* rest) noexcept nogil
    VectorMath sklgd_choose_vector_math() noexcept nogil

# The functions for this machine; other kernels do not compile them again.
cdef VectorMath vector_math
