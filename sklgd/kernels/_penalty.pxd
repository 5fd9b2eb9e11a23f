"""The elastic net, coordinate by coordinate: l1 |w| + l2 w^2 / 2, and signs."""


cdef inline double soft(double x, double t) noexcept nogil:
    """Prox of t|.|: x moved towards zero by t >= 0, and exactly 0 within t.

    Two ternaries instead of three branches: no jump, and NaN stays NaN.
    """
    cdef double c = -t if x < -t else x
    c = t if c > t else c
    return x - c


cdef inline void keep_signs(
        double* w, const signed char* signs, const Py_ssize_t* features, Py_ssize_t n,
        Py_ssize_t n_outputs) noexcept nogil:
    """Set coefficients of n features to zero where they do not have the sign.

    ``features`` are their numbers, the places of their signs; NULL means 0, 1, ...
    """
    cdef Py_ssize_t i, k
    cdef signed char sign
    for i in range(n):
        sign = signs[i if features == NULL else features[i]]
        if sign != 0:
            for k in range(i * n_outputs, (i + 1) * n_outputs):
                if sign * w[k] < 0.0:
                    w[k] = 0.0
