"""The loops of softmax, l = log(sum_k exp z_k) - z_y, over the rows of a batch.

Arguments are those of `LossFunction`'s table: y (m,) are class codes 0..K-1.
"""
from libc.math cimport fabs, fmax, log, log1p, INFINITY
from libc.string cimport memcpy

from sklgd.kernels._loss_math cimport CHUNK, LOG2, PROX_STEPS, subtract_exp
from sklgd.kernels._vector_math cimport VectorMath, sklgd_exp as exp


cdef inline double evaluate_softmax(
        const VectorMath* vector_math, const double* y, const double* z, const double* s, double* g,
        Py_ssize_t m, Py_ssize_t K, bint want_value) noexcept nogil:
    cdef double[CHUNK] top, rest
    cdef Py_ssize_t i, k, code, start = 0, part
    # Whole groups of the kernel's four rows.
    cdef Py_ssize_t rows = 4 * max(1, min(CHUNK // 4, 2 * CHUNK // K))
    cdef double c, others, total = 0.0
    cdef double* gi
    while start < m:
        part = min(rows, m - start)
        vector_math.softmax_rows(z + start * K, part, K, g + start * K, top, rest)
        for i in range(part):
            gi = g + (start + i) * K
            c = 1.0 if s == NULL else s[start + i]
            code = <Py_ssize_t> y[start + i]
            if c == 0.0:
                for k in range(K):
                    gi[k] = 0.0
                continue
            c /= 1.0 + rest[i]
            # c (p_y - sum_k p_k): p_y - 1 would lose the digits of a p_y near 1.
            others = rest[i] + (1.0 - gi[code])
            for k in range(K):
                gi[k] *= c
            gi[code] = -c * others
        if want_value:
            vector_math.log1p(rest, part)
            for i in range(part):
                c = 1.0 if s == NULL else s[start + i]
                if c != 0.0:
                    code = <Py_ssize_t> y[start + i]
                    total += c * (rest[i] + (top[i] - z[(start + i) * K + code]))
        start += part
    return total


cdef inline void curvature_softmax(
        const double* z, const double* s, double* h, Py_ssize_t m,
        Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t i, k, best
    cdef double c, top, rest, norm
    cdef const double* zi
    cdef double* hi
    for i in range(m):
        c = 1.0 if s == NULL else s[i]
        zi = z + i * K
        hi = h + i * K
        if c == 0.0:
            for k in range(K):
                hi[k] = 0.0
            continue
        best = 0
        for k in range(1, K):
            if not zi[k] <= zi[best]:
                best = k
        top = zi[best]
        # The sum without its largest term, 1: 1 - p would lose digits.
        rest = 0.0
        for k in range(K):
            if k != best:
                hi[k] = exp(zi[k] - top)
                rest += hi[k]
        norm = 1.0 + rest
        for k in range(K):
            if k != best:
                hi[k] = c * (hi[k] / norm) * ((norm - hi[k]) / norm)
        hi[best] = c * rest / (norm * norm)


cdef inline void prox_softmax(
        const double* y, const double* z0, double q, double* z, double* c,
        Py_ssize_t K) noexcept nogil:
    """Prox of log(sum_k exp z_k) - z_y, by Newton's method for one number.

    Given the logarithm of the sum of exponentials, L, the outputs separate:
    w_k = q p_k solves w_k + log w_k = z0_k + log q - L for k != y, and
    d = q (1 - p_y) solves d - log(1 - d/q) = L - z0_y. L is the root of
    sum_k w_k - d, which is decreasing and convex in L, so that from the second
    step on Newton's method is monotone. Working with d and the other classes,
    not with p_y, keeps the digits of a row that is well classified.
    """
    cdef Py_ssize_t k, code = <Py_ssize_t> y[0]
    cdef double L, top = -INFINITY, total, f, df, step, left, s, v
    cdef int _, __
    for k in range(K):
        if not z0[k] <= top:
            top = z0[k]
    total = 0.0
    for k in range(K):
        total += exp(z0[k] - top)
    L = top + log(total)
    if q <= 0.0:
        total = 0.0
        for k in range(K):
            z[k] = z0[k]
            if k != code:
                c[k] = exp(z0[k] - L)
                total += c[k]
        c[code] = -total
        return
    for _ in range(PROX_STEPS):
        total = 0.0
        df = 0.0
        for k in range(K):
            if k != code:
                # exp(z_k - L) is the probability.
                c[k] = exp(subtract_exp(z0[k] - L, q))
                total += c[k]
                df += c[k] / (1.0 + q * c[k])
        s = L - z0[code]
        if s < 0.5 * q + LOG2:
            # v = 1 - p_y < 1/2: convex, from above.
            v = s / (1.0 + q)
            for __ in range(PROX_STEPS):
                step = (q * v - log1p(-v) - s) / (q + 1.0 / (1.0 - v))
                v -= step
                if fabs(step) <= 1e-8 * v:
                    break
            left = 1.0 - v
        else:
            left = exp(subtract_exp(q - s, q))
            v = 1.0 - left
        f = total - v
        df += left / (1.0 + q * left)
        step = f / df
        if L + step < z0[code]:
            step = z0[code] - L
        L += step
        if not fabs(step) > 1e-15 * (1.0 + fabs(L)):
            break
    # L is only known to its last digit: the sum of probabilities is better.
    for k in range(K):
        c[k] /= total + left
    c[code] = -total / (total + left)
    for k in range(K):
        z[k] = z0[k] - q * c[k]


cdef inline void softmax_line(
        const double* y, const double* z, const double* q, const double* c,
        Py_ssize_t K, double* along, double* curvature) noexcept nogil:
    """Derivative of the softmax loss at z in the direction d = q c, and its change."""
    cdef double top = -INFINITY, norm = 0.0, first = 0.0, second = 0.0, p, d
    cdef Py_ssize_t k, code = <Py_ssize_t> y[0]
    for k in range(K):
        if not z[k] <= top:
            top = z[k]
    for k in range(K):
        p = exp(z[k] - top)
        d = q[k] * c[k]
        norm += p
        first += p * d
        second += p * d * d
    first /= norm
    along[0] = first - q[code] * c[code]
    curvature[0] = second / norm - first * first


cdef inline void scaled_prox_softmax(
        const VectorMath* vector_math, const double* y, const double* z0,
        const double* q, double* z, double* c, Py_ssize_t K) noexcept nogil:
    """`LossFunction.prox_scaled` of the softmax, by Newton's method for one number.

    With d = q g and A = d'g the number s is the root of s A - d'g(z0 - s d), which rises
    with a derivative of A or more. The last step starts from an error of a thousandth.
    """
    cdef Py_ssize_t k
    cdef double A = 0.0, largest = 0.0, low = 0.0, high = 1.0, s, f, curvature, step
    cdef int _
    evaluate_softmax(vector_math, y, z0, NULL, c, 1, K, False)
    for k in range(K):
        A += q[k] * c[k] * c[k]
        largest = fmax(largest, q[k])
    if not A > 0.0:
        memcpy(z, z0, K * sizeof(double))
        return
    # No eigenvalue of the Hessian is above 1/2 (Boehning 1992).
    s = 1.0 / (1.0 + 0.5 * largest)
    for _ in range(PROX_STEPS):
        for k in range(K):
            z[k] = z0[k] - s * q[k] * c[k]
        softmax_line(y, z, q, c, K, &f, &curvature)
        f = s * A - f
        if f > 0.0:
            high = s
        else:
            low = s
        step = s - f / (A + curvature)
        s = step if low <= step <= high else 0.5 * (low + high)
        if not fabs(f) > 1e-3 * A:
            break
    for k in range(K):
        c[k] *= s
        z[k] = z0[k] - q[k] * c[k]
