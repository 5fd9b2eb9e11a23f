"""Least eigenvalues, from the numbers of conjugate gradients."""

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal


class Lanczos:
    """Least eigenvalues of the tridiagonal matrices of conjugate gradients."""

    def __init__(self):
        self.steps = []

    def add(self, a, beta):
        """Add an iteration: the length of its step, and the ratio of r.z."""
        self.steps.append((a, beta))

    def least(self):
        """Least Ritz value of each output, or of all if the loss couples them.

        (Saad, "Iterative methods for sparse linear systems", 2003, section 6.7.)
        """
        a, beta = (np.array(rows).T for rows in zip(*self.steps, strict=True))
        return np.array([ritz(*pair) for pair in zip(a, beta, strict=True)])


def ritz(a, beta):
    """Least Ritz value of conjugate gradients with these coefficients."""
    n = np.count_nonzero(np.minimum.accumulate(a > 0.0))
    if n == 0:
        return 0.0
    a, beta = a[:n], beta[: n - 1]
    diagonal = 1.0 / a
    diagonal[1:] += beta / a[:-1]
    beside = np.sqrt(beta) / a[:-1]
    if n == 1:
        return diagonal[0]
    return eigvalsh_tridiagonal(diagonal, beside, select="i", select_range=(0, 0))[0]
