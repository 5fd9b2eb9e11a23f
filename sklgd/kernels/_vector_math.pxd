cdef extern from "vector_math.h":
    double sklgd_exp(double x) noexcept nogil
    double sklgd_log1p(double x) noexcept nogil
    ctypedef struct VectorMath "sklgd_vector_math":
        # n elements, overwritten
        void (*exp)(double* x, Py_ssize_t n) noexcept nogil
        void (*log1p)(double* x, Py_ssize_t n) noexcept nogil
    VectorMath sklgd_choose_vector_math() noexcept nogil
