"""Functions of one number that the formulas of losses share."""
from libc.math cimport fabs, fmax, log, sqrt, INFINITY

from sklgd.kernels._vector_math cimport sklgd_exp as exp

cdef extern from *:
    """
    /* exp(700) is finite (1e304) and its square is not needed: the log-link losses
       stay finite for any raw prediction, so that divergence is seen, not NaN. */
    #define SKLGD_EXP_MAX 700.0
    #define SKLGD_LOG2 0.6931471805599453
    """
    const double EXP_MAX "SKLGD_EXP_MAX"
    const double LOG2 "SKLGD_LOG2"

cdef enum:
    # A bound on the iterations of a prox; few are needed, bisection takes most.
    PROX_STEPS = 100
    # Elements whose exponentials are found together.
    CHUNK = 64


cdef inline double bounded(double x) noexcept nogil:
    return x if not x > EXP_MAX else EXP_MAX


cdef inline double bounded_exp(double x) noexcept nogil:
    return exp(bounded(x))


cdef inline double continued(double e, double x) noexcept nogil:
    """exp(x), given e = bounded_exp(x): its tangent beyond the bound.

    Derivatives are those of the bounded exponential, and a loss whose exponential stopped to
    grow would fall without end.
    """
    return e if not x > EXP_MAX else e * (1.0 + (x - EXP_MAX))


# A summand of a piecewise linear loss, max(a x, b x) with derivatives a <= 0 <= b, and how it
# is smoothed: max_c c x + e log((c - a)(b - c)/w^2), w = (b - a)/2, the dual variable c
# being kept inside [a, b] by a logarithmic barrier, as interior-point methods do. The
# derivative is c = (a + b)/2 + s with x = 2 e s/(w^2 - s^2).

cdef inline double ramp(double x, double e, double a, double b) noexcept nogil:
    cdef double w = 0.5 * (b - a), r = sqrt(e * e + x * x * w * w)
    return 0.5 * (a + b) + x * w * w / (e + r)


cdef inline double ramp_value(
        double x, double e, double a, double b) noexcept nogil:
    cdef double w = 0.5 * (b - a), r = sqrt(e * e + x * x * w * w)
    return (0.5 * (a + b) + x * w * w / (e + r)) * x + e * log(2.0 * e / (e + r))


cdef inline double ramp_shortfall(
        double x, double e, double a, double b) noexcept nogil:
    """max(a x, b x) less its smoothed form, without a difference of large numbers."""
    cdef double w = 0.5 * (b - a), r = sqrt(e * e + x * x * w * w), size = fabs(x) * w
    if e == 0.0 or w == 0.0:
        return 0.0
    return e * (size / (e + r) * (1.0 + e / (r + size)) - log(2.0 * e / (e + r)))


cdef inline double ramp_curvature(
        double x, double e, double a, double b) noexcept nogil:
    cdef double w = 0.5 * (b - a), r = sqrt(e * e + x * x * w * w), s, q
    if e == 0.0 or w == 0.0:
        return 0.0
    s = x * w * w / (e + r)
    q = 2.0 * e * w * w / (e + r)       # w^2 - s^2
    return q * q / (2.0 * e * (w * w + s * s))


cdef inline double jump_change(
        double x, double x0, double dz, double a, double b, double e) noexcept nogil:
    """max(a x, b x), smoothed, less max(a x0, b x0), where x = x0 + dz.

    Accurate relative to dz and e, however large x and x0 are.
    """
    cdef double out = (
        b * dz if x > 0.0 and x0 > 0.0 else
        a * dz if x < 0.0 and x0 < 0.0 else
        fmax(a * x, b * x) - fmax(a * x0, b * x0))
    return out - ramp_shortfall(x, e, a, b)


cdef inline double jump_prox(
        double z0, double jump, double q, double a, double b,
        double* c) noexcept nogil:
    """z with z + q c = z0, c in [a, b] the derivative at z of the loss itself."""
    cdef double x = z0 - jump
    c[0] = a if x <= q * a else (b if x >= q * b else x / q)
    if c[0] == a or c[0] == b:
        return z0 - q * c[0]
    return jump


cdef inline double subtract_exp(double A, double b) noexcept nogil:
    """The solution z of z + b exp(z) = A for b >= 0.

    With w = b exp(z) it is w + log w = A + log b, the Wright omega function:
    two steps of Fritsch, Shafer and Crowley (Communications of the ACM 16,
    1973, algorithm 443), each of which raises the error to the fourth power,
    from the starting points of Lawrence, Corless and Jeffrey (ACM TOMS 38,
    2012, algorithm 917).
    """
    cdef double log_b = log(b), x = A + log_b, w, r, t, log_w
    cdef int _
    if x < -40.0:
        # w = exp(x) (1 - exp(x) + ...); also b = 0.
        return A - exp(x)
    if x < -1.0:
        w = exp(x)
    elif x < 4.0:
        t = x - 1.0
        w = 1.0 + t * (0.5 + t * (1.0 / 16.0 - t / 192.0))
    else:
        t = log(x)
        w = x - t + t / x
    for _ in range(2):
        log_w = log(w)
        r = x - w - log_w
        t = (1.0 + w) * (1.0 + w + 2.0 / 3.0 * r)
        w *= 1.0 + r / (1.0 + w) * (t - 0.5 * r) / (t - r)
    # For large w the difference would cancel, for small w the logarithm.
    return A - w if w < 1.0 else log(w) - log_b


cdef inline double newton_step(
        double f, double derivative, double z, double* low, double* high,
        double* last) noexcept nogil:
    """A step from z towards the root of an increasing function in [low, high].

    Newton's, or half of the interval where that leaves it or where it is not half as
    long as the last step in the same direction. The interval and ``last`` are updated.
    """
    cdef double step = -f / derivative
    if f > 0.0:
        high[0] = z
    else:
        low[0] = z
    if low[0] <= z + step <= high[0] and (
            fabs(step) < 0.5 * fabs(last[0]) or step * last[0] <= 0.0):
        last[0] = step
    else:
        step = 0.5 * (low[0] + high[0]) - z
        last[0] = high[0] - low[0]
    return step


cdef inline double jump_curvature(double deviation) noexcept nogil:
    """1/deviation, the mean curvature of a jump of one; infinite without a spread."""
    return 1.0 / deviation if deviation > 0.0 else INFINITY


cdef inline double dispersion(
        double mean, double deviation, double power) noexcept nogil:
    """Variance of y in units of mean^power, taken as at least that of 10 % of the mean."""
    if not mean > 0.0:
        return 1.0
    # (Relative to the mean: squares of small targets underflow.)
    cdef double spread = deviation / mean
    return fmax(spread * spread, 0.01) * exp((2.0 - power) * log(mean))


cdef inline double subgradient(
        double gradient, double size, double z0, double z, double q) noexcept nogil:
    """(z0 - z) / q or the derivative at z, whichever loses fewer digits.

    ``size`` is that of the terms whose difference ``gradient`` is.
    """
    return gradient if q * size < fabs(z0) + fabs(z) else (z0 - z) / q
