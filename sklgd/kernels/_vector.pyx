"""Operations on coefficients that read and write each array once.

Where features times outputs are many, a batch method spends as much time here as on X;
NumPy would go through memory once for each operator. With few features the calls are what
takes time. Arrays have shape (n_features + 1, n_outputs), the last row being the
intercept's.
"""
from sklgd.kernels cimport _numpy as cnp
from cython cimport floating
from libc.math cimport fabs, sqrt

from sklgd.kernels._arrays cimport entries

import numpy as np

cnp.import_array()

cdef enum:
    LANES = 8           # partial sums, in a fixed order: a single one would be slow


cdef inline double dot(const double* x, const double* y, Py_ssize_t n) noexcept nogil:
    cdef double[LANES] sums
    cdef double total = 0.0
    cdef Py_ssize_t i = 0, k
    for k in range(LANES):
        sums[k] = 0.0
    while i + LANES <= n:
        for k in range(LANES):
            sums[k] += x[i + k] * y[i + k]
        i += LANES
    while i < n:
        total += x[i] * y[i]
        i += 1
    for k in range(LANES):
        total += sums[k]
    return total


def gradient_to_scaled(gradient, centre, scale, double total_weight, l2, u):
    """g_jk = scale_jk (g_jk - centre_j g_bk) / total_weight + l2_jk u_jk, in place.

    The gradient of the loss in raw coefficients becomes that of the objective in the
    coordinates u, with w_jk = scale_jk u_jk and b_k = scale_bk u_bk - sum_j centre_j w_jk.
    """
    cdef Py_ssize_t last = gradient.shape[0] - 1, K = gradient.shape[1], i, j, k
    cdef double* g = entries(gradient, last + 1, K, True)
    cdef const double* mu = entries(centre, last, 0)
    cdef const double* S = entries(scale, last + 1, K)
    cdef const double* ridge = entries(l2, last + 1, K)
    cdef const double* at = entries(u, last + 1, K)
    cdef const double* intercept = g + last * K
    cdef double c = 1.0 / total_weight, b
    with nogil:
        if K == 1:
            b = intercept[0]
            for j in range(last):
                g[j] = c * S[j] * (g[j] - mu[j] * b) + ridge[j] * at[j]
        for j in range(last if K > 1 else 0):
            for k in range(K):
                i = j * K + k
                g[i] = c * S[i] * (g[i] - mu[j] * intercept[k]) + ridge[i] * at[i]
        for i in range(last * K, (last + 1) * K):
            g[i] *= c * S[i]


def to_raw(u, centre, scale):
    """Raw coefficients of the coordinates u."""
    cdef Py_ssize_t last = u.shape[0] - 1, K = u.shape[1], i, j, k
    out = np.empty((last + 1, K))
    cdef double* w = entries(out, last + 1, K)
    cdef double* intercept = w + last * K
    cdef const double* at = entries(u, last + 1, K)
    cdef const double* mu = entries(centre, last, 0)
    cdef const double* S = entries(scale, last + 1, K)
    cdef double b
    with nogil:
        for i in range(last * K, (last + 1) * K):
            w[i] = S[i] * at[i]
        if K == 1:
            # In a register: a million columns take half the time.
            b = intercept[0]
            for j in range(last):
                w[j] = S[j] * at[j]
                b -= mu[j] * w[j]
            intercept[0] = b
        for j in range(last if K > 1 else 0):
            for k in range(K):
                i = j * K + k
                w[i] = S[i] * at[i]
                intercept[k] -= mu[j] * w[i]
    return out


def to_scaled(coef, shift, scale):
    """u of raw coefficients: w / scale, or 0 where that is 0, and (b + shift) / scale."""
    cdef Py_ssize_t last = coef.shape[0] - 1, K = coef.shape[1], i, k
    out = np.empty((last + 1, K))
    cdef double* u = entries(out, last + 1, K)
    cdef const double* w = entries(coef, last + 1, K)
    cdef const double* b = w + last * K
    cdef const double* change = entries(shift, K, 0)
    cdef const double* S = entries(scale, last + 1, K)
    with nogil:
        for i in range(last * K):
            u[i] = w[i] / S[i] if S[i] > 0.0 else 0.0
        for k in range(K):
            u[last * K + k] = (b[k] + change[k]) / S[last * K + k]
    return out


def add_scaled(y, a, x):
    """y += a x, with one factor or one for each output."""
    cdef Py_ssize_t n = y.shape[0], K = y.shape[1], n_factors = len(a), j, k
    cdef double* out = entries(y, n, K, True)
    cdef const double* step = entries(x, n, K)
    cdef const double* factor = entries(a, n_factors, 0)
    if n_factors != 1 and n_factors != K:
        raise ValueError("one factor is needed, or one for each output")
    with nogil:
        if n_factors == 1:
            for j in range(n * K):
                out[j] += factor[0] * step[j]
        else:
            for j in range(n):
                for k in range(K):
                    out[j * K + k] += factor[k] * step[j * K + k]


def dots(a, b, bint together):
    """sum_j a_jk b_jk for each output k, or summed over these, too."""
    cdef Py_ssize_t n = a.shape[0], K = a.shape[1], j, k
    out = np.zeros(1 if together else K)
    cdef double* sums = entries(out, 1 if together else K, 0)
    cdef const double* x = entries(a, n, K)
    cdef const double* y = entries(b, n, K)
    with nogil:
        if together or K == 1:
            sums[0] = dot(x, y, n * K)
        else:
            for j in range(n):
                for k in range(K):
                    sums[k] += x[j * K + k] * y[j * K + k]
    return out


def derivatives_along(coef, raw, p, gradient, l2, bint together):
    """Derivative and penalty along p, for each output or for all together.

    Rows of three numbers: the derivative p.g of the smooth part of F; and l2 w.d and
    l2 d.d with the raw coefficients d of p, as the penalty adds l2 (w.d t + d.d t^2 / 2).
    ``l2`` is a number, or an array of shape (n_features or 1, n_outputs or 1).
    """
    if isinstance(l2, np.ndarray):
        # l2 d takes the place of d, and the factor is one.
        weighted = raw.copy()
        weighted[:-1] *= l2
        out = derivatives_along(coef, weighted, p, gradient, 1.0, together)
        out[:, 2] = dots(weighted[:-1], raw[:-1], together)
        return out
    return derivatives_of_one_penalty(coef, raw, p, gradient, l2, together)


cdef derivatives_of_one_penalty(coef, raw, p, gradient, double l2, bint together):
    """`derivatives_along` with one l2 for all coefficients."""
    cdef Py_ssize_t last = p.shape[0] - 1, K = p.shape[1], i, j, k, row
    cdef Py_ssize_t n = 1 if together else K
    out = np.zeros((n, 3))
    cdef double* sums = entries(out, n, 3)
    cdef const double* w = entries(coef, last + 1, K)
    cdef const double* d = entries(raw, last + 1, K)
    cdef const double* step = entries(p, last + 1, K)
    cdef const double* g = entries(gradient, last + 1, K)
    with nogil:
        if n == 1:
            sums[0] = dot(step, g, (last + 1) * K)
            if l2 != 0.0:
                sums[1], sums[2] = l2 * dot(w, d, last * K), l2 * dot(d, d, last * K)
        else:
            for j in range(last + 1):
                for k in range(K):
                    i, row = j * K + k, 3 * k
                    sums[row] += step[i] * g[i]
                    if j < last:
                        sums[row + 1] += l2 * w[i] * d[i]
                        sums[row + 2] += l2 * d[i] * d[i]
    return out


def curvatures_along(s, y, bint together):
    """Curvatures s.y along steps s that change the gradient by y, and 1 / s.y.

    Both are zero where s.y <= 1e-12 |s| |y|: a curvature that may be rounding.
    """
    inner, steps, changes = dots(s, y, together), dots(s, s, together), dots(y, y, together)
    cdef Py_ssize_t row, n = len(inner)
    inverse = np.zeros(n)
    cdef double* curvature = entries(inner, n, 0)
    cdef double* out = entries(inverse, n, 0)
    cdef const double* step = entries(steps, n, 0)
    cdef const double* change = entries(changes, n, 0)
    for row in range(n):
        if curvature[row] > 1e-12 * sqrt(step[row] * change[row]):
            out[row] = 1.0 / curvature[row]
        else:
            curvature[row] = 0.0
    return inner, inverse


def penalty(coef, double l1, double l2):
    """l1 |w|_1 + l2/2 |w|_2^2 of coefficients (w, b)."""
    cdef Py_ssize_t last = coef.shape[0] - 1, K = coef.shape[1], i = 0, k, n = last * K
    cdef const double* w = entries(coef, last + 1, K)
    cdef double[LANES] sizes
    cdef double out = 0.0, size = 0.0
    with nogil:
        # (Zero times an infinite coefficient would not be zero.)
        if l2 != 0.0:
            out += 0.5 * l2 * dot(w, w, n)
        if l1 != 0.0:
            for k in range(LANES):
                sizes[k] = 0.0
            while i + LANES <= n:
                for k in range(LANES):
                    sizes[k] += fabs(w[i + k])
                i += LANES
            while i < n:
                size += fabs(w[i])
                i += 1
            for k in range(LANES):
                size += sizes[k]
            out += l1 * size
    return out


cdef bint finite(const floating* x, Py_ssize_t n) noexcept nogil:
    """True if x - x, which is zero or NaN, is zero everywhere."""
    cdef floating[LANES] sums
    cdef floating total = 0.0
    cdef Py_ssize_t i = 0, k
    for k in range(LANES):
        sums[k] = 0.0
    while i + LANES <= n:
        for k in range(LANES):
            sums[k] += x[i + k] - x[i + k]
        i += LANES
    while i < n:
        total += x[i] - x[i]
        i += 1
    for k in range(LANES):
        total += sums[k]
    return total == 0.0


def all_finite(cnp.ndarray values):
    """True if all entries are finite; without a temporary array if they lie as in C."""
    cdef Py_ssize_t n = cnp.PyArray_SIZE(values)
    cdef void* x = cnp.PyArray_DATA(values)
    cdef int kind = cnp.PyArray_TYPE(values)
    cdef bint out
    if not (cnp.PyArray_ISCARRAY_RO(values)
            and (kind == cnp.NPY_DOUBLE or kind == cnp.NPY_FLOAT)):
        return bool(np.isfinite(values).all())
    with nogil:
        if kind == cnp.NPY_DOUBLE:
            out = finite(<const double*> x, n)
        else:
            out = finite(<const float*> x, n)
    return out


cdef double mean_of_column(
        const double* y, const double* s, Py_ssize_t n, Py_ssize_t K, double unit,
        double centre, bint absolute) noexcept nogil:
    """unit * sum_i s_i y_ik of every K-th value, or of |y_ik - centre|; s may be NULL.

    Blocks of rows have sums of their own, for accuracy.
    """
    cdef Py_ssize_t i = 0, end
    cdef double total = 0.0, part, x
    while i < n:
        end, part = min(i + 256, n), 0.0
        while i < end:
            x = y[i * K]
            if absolute:
                x = fabs(x - centre)
            # (The mean does not overflow if the sum does.)
            x *= unit
            part += x if s == NULL else x * s[i]
            i += 1
        total += part
    return total


def column_means(y, sample_weight, Py_ssize_t n_outputs, centre=None):
    """Weighted mean of y, or of |y - centre|, for each output."""
    cdef const double[::1] s_view
    cdef const double[:, ::1] y_view = np.ascontiguousarray(
        y, dtype=np.float64).reshape(-1, n_outputs)
    cdef const double* s = NULL
    cdef double total = y_view.shape[0]
    cdef Py_ssize_t k
    if sample_weight is not None:
        s_view = np.ascontiguousarray(sample_weight, dtype=np.float64)
        s, total = &s_view[0], np.sum(sample_weight)
    out = np.empty(n_outputs)
    for k in range(n_outputs):
        out[k] = mean_of_column(
            &y_view[0, k], s, y_view.shape[0], n_outputs, 1.0 / total,
            0.0 if centre is None else centre[k], centre is not None)
    return out
