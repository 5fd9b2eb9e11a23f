"""The elastic net, coordinate by coordinate: l1 |w| + l2 w^2 / 2."""


cdef inline double soft(double x, double t) noexcept nogil:
    """Prox of t|.|: x moved towards zero by t >= 0, and exactly 0 within t.

    Two ternaries instead of three branches: no jump, and NaN stays NaN.
    """
    cdef double c = -t if x < -t else x
    c = t if c > t else c
    return x - c
