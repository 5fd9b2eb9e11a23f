"""Coordinate descent on a quadratic model with an l1 penalty.

The step of a proximal Newton method (Lee, Sun and Saunders 2014; Friedman, Hastie and
Tibshirani 2010 for the descent itself).
"""

import numpy as np

from sklgd.kernels._penalty cimport soft


def l1_step(double[:, ::1] B, const double[::1] g, const double[::1] u,
            const double[::1] l1, double[::1] p, double[::1] Bp, double tol,
            int max_sweeps):
    """Minimise g.p + p'B p / 2 + sum_j l1_j |u_j + p_j| over p.

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

    Returns
    -------
    sweeps : int

    Notes
    -----
    Sweeps over all coordinates alternate with sweeps over those that moved in the last
    one. Shapes are checked by nobody.
    """
    cdef Py_ssize_t n = g.shape[0], j, i
    cdef int sweep = 0
    cdef double b, z, new, step, gain, largest, first = 0.0
    cdef bint everything = True
    cdef double[::1] moved
    moved = np.ones(n)
    with nogil:
        while sweep < max_sweeps:
            largest = 0.0
            for j in range(n):
                b = B[j, j]
                if b <= 0.0 or not (everything or moved[j] != 0.0):
                    continue
                z = u[j] + p[j]
                new = soft(z - (g[j] + Bp[j]) / b, l1[j] / b)
                step = new - z
                moved[j] = step
                if step == 0.0:
                    continue
                # Not p += step: where new is 0 the step has to lead to 0, not to 1e-17.
                p[j] = new - u[j]
                for i in range(n):
                    Bp[i] += step * B[j, i]
                gain = 0.5 * b * step * step
                if gain > largest:
                    largest = gain
            if sweep == 0:
                first = largest
            sweep += 1
            if largest <= tol * first:
                if everything:
                    break
                everything = True
            else:
                # Once most stay where they are, the others alone.
                everything = False
    return sweep
