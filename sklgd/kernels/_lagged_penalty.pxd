"""Steps of coordinates that are not active: the penalty alone, many steps at once."""
from libc.math cimport expm1, fabs, floor, log1p

from sklgd.kernels._penalty cimport soft


cdef struct Thresholds:
    const double* total                 # n + 1: sum of eta before step i
    const double* totals                # n + 1: sum of total up to entry i


cdef inline Py_ssize_t last_below(
        const double* increasing, Py_ssize_t first, Py_ssize_t last,
        double bound) noexcept nogil:
    """Largest i in first ... last with increasing[i] < bound; ``first`` at least."""
    cdef Py_ssize_t middle
    while first < last:
        middle = first + (last - first + 1) // 2
        if increasing[middle] < bound:
            first = middle
        else:
            last = middle - 1
    return first


cdef inline double lagged_threshold(
        double w, double unit, const Thresholds* table, Py_ssize_t first,
        Py_ssize_t now, double* added) noexcept nogil:
    """Steps first ... now - 1 of w = ST(w, unit eta); their sum joins ``added``.

    One threshold does for all, because none of them moves w away from zero
    (Tsuruoka, Tsujii and Ananiadou 2009, section 3.2).
    """
    cdef double start = table.total[first], size = fabs(w), sign
    cdef Py_ssize_t last
    if added != NULL and w != 0.0:
        sign = 1.0 if w > 0.0 else -1.0
        last = last_below(table.total, first, now, start + size / unit)
        added[0] += sign * (
            (last - first) * size
            - unit * (table.totals[last] - table.totals[first] - (last - first) * start))
    return soft(w, unit * (table.total[now] - start))


cdef inline double faded(double slot, double share) noexcept nogil:
    # Without numbers so small that the processor computes with them slowly.
    slot *= share
    return slot if slot > 1e-300 else 0.0


cdef inline double shrunk(double w, double ratio, double change) noexcept nogil:
    """Steps |w| = max(0, f |w| - c) whose c = (1 - f) ratio, in one.

    As |w| + ratio just shrinks by f, only the product of the factors counts;
    ``change`` is that product minus 1.
    """
    cdef double size = fabs(w) + (fabs(w) + ratio) * change
    if not size > 0.0:
        return size if size != size else 0.0
    return size if w > 0.0 else -size


cdef inline double lagged_steps_by_phases(
        double w, double g, double e, double l1, double l2,
        Py_ssize_t k) noexcept nogil:
    """`lagged_steps` where the sign of w may change within the k steps.

    The step that changes the sign is made as it stands; there are at most three
    phases.
    """
    cdef double s, u, limit, log_rho = 0.0, steps
    cdef Py_ssize_t i, _
    if l2 > 0.0:
        log_rho = -log1p(e * l2)
    while k > 0:
        if k == 1:
            return soft(w - e * g, e * l1) / (1.0 + e * l2)
        s = 1.0
        if w < 0.0 or (w == 0.0 and g > 0.0):
            s = -1.0
        if w == 0.0 and fabs(g) <= l1:
            return w
        u = g + s * l1
        # How many steps keep the sign? One less than the last is always safe.
        steps = <double> k
        if l1 > 0.0 and s * u > 0.0 and w != 0.0:
            if l2 > 0.0:
                limit = -u / l2
                steps = floor(log1p(w / (limit - w)) / log_rho)
            else:
                steps = floor(w / (e * u))
        if not steps < k:
            i = k
        else:
            i = <Py_ssize_t> steps - 1
        if i > 0:
            if l2 > 0.0:
                w -= expm1(i * log_rho) * (-u / l2 - w)
            else:
                w -= i * e * u
            k -= i
        if k > 0:
            # At or next to the change of sign: two steps as they stand.
            for _ in range(min(k, 2)):
                w = soft(w - e * g, e * l1) / (1.0 + e * l2)
            k -= min(k, 2)
    return w


cdef inline double lagged_steps(
        double w, double g, double e, double gone, double l1, double l2,
        double steps) noexcept nogil:
    """``steps`` times w = ST(w - e g, e l1)/(1 + e l2).

    While w keeps its sign s, the steps are w = rho (w - e u), u = g + s l1 and
    rho = 1/(1 + e l2), hence after i of them

        w + q (-u/l2 - w),  q = 1 - rho^i,        or  w - i e u  without l2,

    towards -u/l2 without turning: the sign is kept if the last w has it. (The SAGA of
    lightning and scikit-learn makes the steps one by one.) Where |g| <= l1 no other
    sign follows, but zeros. ``gone`` is q after all the steps.
    """
    cdef double s, u, end
    if w == 0.0 and fabs(g) <= l1:
        return w
    s = 1.0
    if w < 0.0 or (w == 0.0 and g > 0.0):
        s = -1.0
    u = g + s * l1
    end = w + gone * (-u / l2 - w) if l2 > 0.0 else w - steps * e * u
    if l1 == 0.0 or s * end > 0.0:
        return end
    if fabs(g) <= l1:
        return 0.0
    return lagged_steps_by_phases(w, g, e, l1, l2, <Py_ssize_t> steps)
