"""The rows with most of the second derivatives: few near separable classes."""

import numpy as np

# Rows whose second derivatives add up to less than this share are left out of the whole
# Hessian of softmax.
FLAT_SHARE = 1e-3
# Factor of that share after two steps of less than half the length that such a model
# proposes: the rows left out may limit the step. (40 rows of 16 classes on a line, at
# an alpha of 1e-6: 24 of 60 runs did not converge without it, and take 16 steps with
# it; nor did runs with an l1 penalty, as on iris. After the first such step already,
# kdd99 took 1.5 times as long.)
FLATTER = 1e-3
# The share that its blocks leave out (of fashion_mnist a tenth of the rows remains).
TRIMMED = 0.01


def curved(p, sample_weight, share=FLAT_SHARE):
    """The rows with all but this share of the second derivatives of softmax."""
    h = 1.0 - np.einsum("ik,ik->i", p, p)
    if sample_weight is not None:
        h *= sample_weight
    return most_of(h, share)


def most_of(h, share):
    """The rows with all but this share of these second derivatives."""
    order = np.argsort(h)
    flat = np.searchsorted(np.cumsum(h[order]), share * h.sum())
    return np.sort(order[flat:])


def trim(h):
    """Set small second derivatives of each output to zero; returns the share left.

    Parameters
    ----------
    h : ndarray of shape (n_rows, n_outputs)
        Overwritten.
    """
    rising = np.sort(h, axis=0)
    total = np.cumsum(rising, axis=0)
    first = (total <= TRIMMED * total[-1]).sum(axis=0).clip(max=len(h) - 1)
    h[h < rising[first, np.arange(h.shape[1])]] = 0.0
    return np.count_nonzero(h) / h.size
