"""Inner products of short arrays, summed in four lanes."""


cdef inline double dot(const double* x, const double* w, Py_ssize_t d) noexcept nogil:
    """sum_j x_j w_j in four lanes, which the compiler can vectorise."""
    cdef double a = 0.0, b = 0.0, c = 0.0, e = 0.0
    cdef Py_ssize_t j = 0
    while j + 4 <= d:
        a += x[j] * w[j]
        b += x[j + 1] * w[j + 1]
        c += x[j + 2] * w[j + 2]
        e += x[j + 3] * w[j + 3]
        j += 4
    while j < d:
        a += x[j] * w[j]
        j += 1
    return (a + b) + (c + e)


cdef inline double dot_square(
        const double* x, const double* w, Py_ssize_t d) noexcept nogil:
    """sum_j x_j^2 w_j in four lanes."""
    cdef double a = 0.0, b = 0.0, c = 0.0, e = 0.0
    cdef Py_ssize_t j = 0
    while j + 4 <= d:
        a += x[j] * x[j] * w[j]
        b += x[j + 1] * x[j + 1] * w[j + 1]
        c += x[j + 2] * x[j + 2] * w[j + 2]
        e += x[j + 3] * x[j + 3] * w[j + 3]
        j += 4
    while j < d:
        a += x[j] * x[j] * w[j]
        j += 1
    return (a + b) + (c + e)
