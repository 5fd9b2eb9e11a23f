"""Operations on coefficients that read and write each array once.

Where features times outputs are many, a batch method spends as much time here as on X;
NumPy would go through memory once for each operator. Arrays have shape (n_features + 1,
n_outputs), the last row being the intercept's. Shapes are checked by nobody.
"""
from libc.math cimport fabs, sqrt

import numpy as np

cdef enum:
    LANES = 8           # partial sums, in a fixed order: a single one would be slow


def gradient_to_metric(double[:, ::1] g, const double[::1] centre,
                       const double[:, ::1] scale, double share,
                       const double[:, ::1] l2, const double[:, ::1] u):
    """g_jk = scale_jk (g_jk - centre_j g_bk) / share + l2_jk u_jk, in place.

    The gradient of the loss in raw coefficients becomes that of the objective in the
    coordinates u, with w_jk = scale_jk u_jk and b_k = scale_bk u_bk - sum_j centre_j w_jk.
    """
    cdef Py_ssize_t last = g.shape[0] - 1, K = g.shape[1], j, k
    cdef double c = 1.0 / share
    with nogil:
        for j in range(last):
            for k in range(K):
                g[j, k] = (c * scale[j, k] * (g[j, k] - centre[j] * g[last, k])
                           + l2[j, k] * u[j, k])
        for k in range(K):
            g[last, k] *= c * scale[last, k]


def to_raw(const double[:, ::1] u, const double[::1] centre,
           const double[:, ::1] scale, double[:, ::1] out):
    """Raw coefficients of the coordinates u, into ``out``."""
    cdef Py_ssize_t last = u.shape[0] - 1, K = u.shape[1], j, k
    with nogil:
        for k in range(K):
            out[last, k] = scale[last, k] * u[last, k]
        for j in range(last):
            for k in range(K):
                out[j, k] = scale[j, k] * u[j, k]
                out[last, k] -= centre[j] * out[j, k]


def add_scaled(double[:, ::1] y, const double[::1] a, const double[:, ::1] x):
    """y += a x, with one factor or one for each output."""
    cdef Py_ssize_t K = y.shape[1], j, k, stride = 0 if a.shape[0] == 1 else 1
    with nogil:
        for j in range(y.shape[0]):
            for k in range(K):
                y[j, k] += a[k * stride] * x[j, k]


def dots(const double[:, ::1] a, const double[:, ::1] b, bint together):
    """sum_j a_jk b_jk for each output k, or summed over these, too."""
    cdef Py_ssize_t K = a.shape[1], i = 0, j, k, n = a.shape[0] * K
    cdef double[LANES] sums
    cdef const double* x = &a[0, 0]
    cdef const double* y = &b[0, 0]
    cdef double[::1] out = np.zeros(1 if together else K)
    with nogil:
        if together or K == 1:
            for k in range(LANES):
                sums[k] = 0.0
            while i + LANES <= n:
                for k in range(LANES):
                    sums[k] += x[i + k] * y[i + k]
                i += LANES
            while i < n:
                out[0] += x[i] * y[i]
                i += 1
            for k in range(LANES):
                out[0] += sums[k]
        else:
            for j in range(a.shape[0]):
                for k in range(K):
                    out[k] += a[j, k] * b[j, k]
    return np.asarray(out)


def slopes_along(const double[:, ::1] coef, const double[:, ::1] raw,
                 const double[:, ::1] p, const double[:, ::1] gradient, double l2,
                 bint together):
    """What a search along p has to know, for each output or for all together.

    Rows of three numbers: the slope p.g of the smooth part of F; and l2 w.d and
    l2 d.d with the raw coefficients d of p, as the penalty adds l2 (w.d t + d.d t^2 / 2).
    """
    cdef Py_ssize_t K = p.shape[1], last = p.shape[0] - 1, j, k, row
    cdef double[:, ::1] out = np.zeros((1 if together else K, 3))
    with nogil:
        for j in range(last + 1):
            for k in range(K):
                row = 0 if together else k
                out[row, 0] += p[j, k] * gradient[j, k]
                if j < last:
                    out[row, 1] += l2 * coef[j, k] * raw[j, k]
                    out[row, 2] += l2 * raw[j, k] * raw[j, k]
    return np.asarray(out)


def curvatures_along(const double[:, ::1] s, const double[:, ::1] y, bint together):
    """Curvatures s.y along steps s that change the gradient by y, and 1 / s.y.

    Both are zero where s.y <= 1e-12 |s| |y|: a curvature that may be rounding.
    """
    cdef Py_ssize_t K = s.shape[1], j, k, row, n = 1 if together else K
    cdef double[:, ::1] sums = np.zeros((n, 3))
    cdef double[:, ::1] out = np.zeros((2, n))
    with nogil:
        for j in range(s.shape[0]):
            for k in range(K):
                row = 0 if together else k
                sums[row, 0] += s[j, k] * y[j, k]
                sums[row, 1] += s[j, k] * s[j, k]
                sums[row, 2] += y[j, k] * y[j, k]
        for row in range(n):
            if sums[row, 0] > 1e-12 * sqrt(sums[row, 1] * sums[row, 2]):
                out[0, row], out[1, row] = sums[row, 0], 1.0 / sums[row, 0]
    return np.asarray(out)


def to_position(const double[:, ::1] coef, const double[::1] centre,
                const double[:, ::1] scale):
    """u of raw coefficients; the share of constant columns goes to the intercept."""
    cdef Py_ssize_t last = coef.shape[0] - 1, K = coef.shape[1], j, k
    cdef double[:, ::1] u = np.empty((last + 1, K))
    with nogil:
        for k in range(K):
            u[last, k] = coef[last, k]
        for j in range(last):
            for k in range(K):
                u[last, k] += centre[j] * coef[j, k]
                u[j, k] = coef[j, k] / scale[j, k] if scale[j, k] > 0.0 else 0.0
        for k in range(K):
            u[last, k] /= scale[last, k]
    return np.asarray(u)


def penalty(const double[:, ::1] coef, double l1, double l2):
    """l1 |w|_1 + l2/2 |w|_2^2 of coefficients (w, b)."""
    cdef Py_ssize_t i = 0, k, n = (coef.shape[0] - 1) * coef.shape[1]
    cdef const double* w = &coef[0, 0]
    cdef double[LANES] size, square
    cdef double x, out = 0.0
    if l1 == 0.0 and l2 == 0.0:
        return out
    with nogil:
        for k in range(LANES):
            size[k] = square[k] = 0.0
        while i + LANES <= n:
            for k in range(LANES):
                x = w[i + k]
                size[k] += fabs(x)
                square[k] += x * x
            i += LANES
        while i < n:
            size[0] += fabs(w[i])
            square[0] += w[i] * w[i]
            i += 1
        for k in range(1, LANES):
            size[0] += size[k]
            square[0] += square[k]
    # (Zero times an infinite coefficient would not be zero.)
    if l1 != 0.0:
        out += l1 * size[0]
    if l2 != 0.0:
        out += 0.5 * l2 * square[0]
    return out
