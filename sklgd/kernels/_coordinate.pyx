"""Minimisers of a quadratic model with an l1 penalty, and coordinates of given signs.

The step of a proximal Newton method (Lee, Sun and Saunders 2014): coordinate descent
(Friedman, Hastie and Tibshirani 2010) finds which coordinates are zero, a linear system
for the others what they are (the feature-sign search of Lee, Battle, Raina and Ng 2007).
"""
from sklgd.kernels cimport _numpy as cnp
from libc.math cimport fabs, INFINITY

import numpy as np

from sklgd.kernels._arrays cimport entries
from sklgd.kernels._hessian cimport factorise, solve_factorised
from sklgd.kernels._penalty cimport soft

cnp.import_array()

# Sweeps over the coordinates that moved, between two over all.
cdef enum:
    MOVED_SWEEPS = 4
    FACES = 100


cdef struct Model:
    Py_ssize_t n
    const double* B
    const double* g
    const double* u
    const double* l1
    const signed char* signs    # NULL: every coordinate may have either sign
    double* p
    double* Bp
    double* moved               # the last step of each coordinate


cdef inline bint stays(const Model* model, Py_ssize_t j) noexcept nogil:
    """True if coordinate j may stay zero although the model has a derivative there."""
    return model.l1[j] > 0.0 or (model.signs != NULL and model.signs[j] != 0)


cdef double sweep(Model* model, bint everything, double* total, bint* changed) noexcept nogil:
    """One sweep over all coordinates, or over those that moved in the last one.

    Returns the largest gain of a coordinate; ``total`` is raised by all gains.
    ``changed`` becomes True if a coordinate has become zero, or is zero no longer, or
    has changed its sign.
    """
    cdef Py_ssize_t n = model.n, j, i
    cdef const double* row
    cdef double b, z, new, step, gain, largest = 0.0
    for j in range(n):
        row = model.B + j * n
        b = row[j]
        if b <= 0.0 or not (everything or model.moved[j] != 0.0):
            continue
        z = model.u[j] + model.p[j]
        new = soft(z - (model.g[j] + model.Bp[j]) / b, model.l1[j] / b)
        if model.signs != NULL and model.signs[j] * new < 0.0:
            new = 0.0
        step = new - z
        model.moved[j] = step
        if step == 0.0:
            continue
        if not new * z > 0.0 and stays(model, j):
            changed[0] = True
        # Not p += step: where new is 0 the step has to lead to 0, not to 1e-17.
        model.p[j] = new - model.u[j]
        for i in range(n):
            model.Bp[i] += step * row[i]
        gain = 0.5 * b * step * step
        total[0] += gain
        if gain > largest:
            largest = gain
    return largest


cdef double face_step(
        Model* model, double* factor, double* d, double* Bd, int* face, int* crossed,
        bint* whole) noexcept nogil:
    """Move p towards the minimiser among the points with the same signs as u + p.

    It moves as long as the model decreases: where a coordinate becomes zero its
    derivative jumps, and it stays zero if the model increases from there, as it does
    where the other sign is not possible. ``whole``
    becomes True if the minimiser is reached. Returns the gain.
    """
    cdef Py_ssize_t n = model.n, j, i, k, next_one
    cdef int m = 0, info = 1
    cdef double z, derivative, curvature, t, at, ridge = 0.0, gain
    cdef double from_t = 0.0, next_t
    whole[0] = True
    for j in range(n):
        z = model.u[j] + model.p[j]
        if model.B[j * n + j] > 0.0 and (z != 0.0 or not stays(model, j)):
            face[m], crossed[m] = <int> j, 0
            ridge = max(ridge, model.B[j * n + j])
            m += 1
    if m == 0:
        return 0.0
    ridge *= 1e-14
    while info != 0 and ridge < INFINITY:
        for k in range(m):
            for i in range(k + 1):
                factor[k * m + i] = model.B[face[k] * n + face[i]]
            factor[k * m + k] += ridge
        info = factorise(factor, m)
        ridge *= 100.0
    if info != 0:
        return 0.0
    for k in range(m):
        j = face[k]
        z = model.u[j] + model.p[j]
        d[k] = -(model.g[j] + model.Bp[j])
        if model.l1[j] > 0.0:
            d[k] -= model.l1[j] if z > 0.0 else -model.l1[j]
        # (Needed for the derivative below.)
        Bd[k] = d[k]
    solve_factorised(factor, m, 1, d)
    derivative = 0.0
    for k in range(m):
        derivative -= Bd[k] * d[k]
    if not derivative < 0.0 or not derivative > -INFINITY:
        return 0.0
    for i in range(n):
        Bd[i] = 0.0
    for k in range(m):
        for i in range(n):
            Bd[i] += d[k] * model.B[face[k] * n + i]
    curvature = 0.0
    for k in range(m):
        curvature += d[k] * Bd[face[k]]
    # From one zero of a coordinate to the next, as long as the model decreases.
    gain = 0.0
    while True:
        next_t, next_one = INFINITY, -1
        for k in range(m):
            j = face[k]
            z = model.u[j] + model.p[j]
            if z * d[k] < 0.0 and not crossed[k] and stays(model, j):
                t = -z / d[k]
                if t < next_t:
                    next_t, next_one = t, k
        t = from_t - derivative / curvature if curvature > 0.0 else INFINITY
        if next_one < 0 and t == INFINITY:
            return 0.0
        if t <= next_t:
            at = t
            gain -= 0.5 * derivative * (t - from_t)
            next_one = -1
            break
        at = next_t
        gain -= (derivative + 0.5 * curvature * (next_t - from_t)) * (next_t - from_t)
        derivative += curvature * (next_t - from_t)
        whole[0], crossed[next_one] = False, 1
        j = face[next_one]
        if model.signs != NULL and model.signs[j] != 0:
            break
        derivative += 2.0 * model.l1[j] * fabs(d[next_one])
        from_t = next_t
        if derivative >= 0.0:
            break
    for k in range(m):
        model.p[face[k]] += at * d[k]
    for i in range(n):
        model.Bp[i] += at * Bd[i]
    if next_one >= 0:
        # Exactly zero.
        j = face[next_one]
        t = -model.u[j] - model.p[j]
        model.p[j] = -model.u[j]
        for i in range(n):
            model.Bp[i] += t * model.B[j * n + i]
    return gain


def l1_step(B, g, u, l1, p, Bp, double tol, int max_sweeps, signs=None):
    """Minimise g.p + p'B p / 2 + sum_j l1_j |u_j + p_j| over p by coordinate descent.

    Parameters
    ----------
    B : array of shape (n, n)
        Symmetric positive semidefinite; a coordinate with B_jj = 0 stays at p_j = 0.
    g, u, l1 : arrays of shape (n,)
    p, Bp : arrays of shape (n,)
        Starting point and its product with B; overwritten with the solution's.
    tol : float
        Ends when no coordinate of a sweep over all would gain more than ``tol`` times
        the gain of the first sweep's best one.
    max_sweeps : int
    signs : int8 array of shape (n,) or None
        Signs of u + p, 0 where both are possible; None if all are 0. Those of u and of
        the first u + p are right.

    Returns
    -------
    sweeps : int

    Notes
    -----
    Sweeps over all coordinates alternate with sweeps over those that moved in the last
    one.
    """
    cdef int sweeps = 0
    cdef double largest, first = 0.0, total = 0.0
    cdef bint everything = True, changed = False
    moved = np.ones(len(g))
    cdef Model model = model_of(B, g, u, l1, signs, p, Bp, moved)
    with nogil:
        while sweeps < max_sweeps:
            largest = sweep(&model, everything, &total, &changed)
            if sweeps == 0:
                first = largest
            sweeps += 1
            if largest <= tol * first:
                if everything:
                    break
                everything = True
            else:
                # Once most coordinates are constant, only the others are swept.
                everything = False
    return sweeps


def l1_refine(
        B, g, u, l1, p, Bp, double tol, int max_rounds, double enough, signs=None):
    """Go on from the p of `l1_step` to the minimiser, collinear columns or not.

    Parameters
    ----------
    B, g, u, l1, p, Bp : arrays
        As in `l1_step`.
    tol : float
        Ends when a round gains no more than ``tol`` times what p has gained over 0.
    max_rounds : int
    enough : float
        Ends as soon as p has gained more than this.
    signs : int8 array of shape (n,) or None
        As in `l1_step`.

    Returns
    -------
    rounds : int

    Notes
    -----
    A round is a few sweeps, which find the coordinates that are zero, and steps to the
    minimiser for the signs found. Sweeps alone gain little between almost collinear
    columns, thousands of times, and look as if they were at the end. Needs memory for
    a copy of B.
    """
    cdef Py_ssize_t n = len(g), j
    cdef int rounds = 0, _
    cdef bint changed, whole = False
    cdef double gain, total = 0.0
    moved, numbers = np.ones(n), np.empty((2, n), dtype=np.intc)
    factor, d, Bd = np.empty((n, n)), np.empty(n), np.empty(n)
    cdef Model model = model_of(B, g, u, l1, signs, p, Bp, moved)
    cdef double* L = entries(factor, n, n)
    cdef double* step = entries(d, n, 0)
    cdef double* product = entries(Bd, n, 0)
    cdef int[:, ::1] face = numbers
    with nogil:
        for j in range(n):
            total -= (model.g[j] + 0.5 * model.Bp[j]) * model.p[j]
            total -= model.l1[j] * (fabs(model.u[j] + model.p[j]) - fabs(model.u[j]))
        while rounds < max_rounds and total <= enough:
            rounds += 1
            gain, changed = 0.0, False
            sweep(&model, True, &gain, &changed)
            if whole and not changed and gain <= tol * total:
                break
            if rounds > 1:
                for _ in range(MOVED_SWEEPS):
                    sweep(&model, False, &gain, &changed)
            for _ in range(FACES):
                gain += face_step(
                    &model, L, step, product, &face[0, 0], &face[1, 0], &whole)
                if whole or total + gain > enough:
                    break
            total += gain
            if whole and gain <= tol * total:
                break
    return rounds


cdef Model model_of(B, g, u, l1, signs, p, Bp, moved) except *:
    """The model with these arrays, which the caller keeps alive."""
    cdef Py_ssize_t n = len(g)
    cdef const signed char[::1] given
    cdef Model model
    model.n = n
    model.B, model.g, model.u = entries(B, n, n), entries(g, n, 0), entries(u, n, 0)
    model.l1 = entries(l1, n, 0)
    model.signs = NULL
    if signs is not None:
        given = signs
        if given.shape[0] != n:
            raise ValueError("signs must have an entry for each coordinate")
        model.signs = &given[0] if n else NULL
    model.p, model.Bp = entries(p, n, 0, True), entries(Bp, n, 0, True)
    model.moved = entries(moved, n, 0, True)
    return model
