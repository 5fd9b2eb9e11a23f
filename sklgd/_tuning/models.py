"""What a search asks of its models: `Models`, and the folds that they belong to."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from .._data_checks import rows_with_weight
from .._fit.data import Data, KnownMoments


@dataclass
class Fold:
    """Rows to learn from and rows to judge by.

    Attributes
    ----------
    train, test : intp arrays
        Numbers of rows with a weight, ascending. A row may be repeated.
    test_weight : float
        Sum of the sample weights of ``test``.
    """

    train: np.ndarray
    test: np.ndarray
    test_weight: float

    @classmethod
    def of(cls, train, test, sample_weight, n_samples):
        """The fold of a splitter's pair of rows, without rows of weight zero."""
        train, test = row_numbers(train, n_samples), row_numbers(test, n_samples)
        if sample_weight is None:
            return cls(train, test, float(len(test)))
        train = train[sample_weight[train] > 0.0]
        test = test[sample_weight[test] > 0.0]
        return cls(train, test, float(sample_weight[test].sum()))


def share_between(folds, y):
    """Share of the variance of the targets that lies between the test rows of folds.

    It is about ``(n_folds - 1) / n_samples`` if the rows are in random order, and
    nearly 1 if they are sorted by y. For several targets it is the largest of theirs.

    Parameters
    ----------
    folds : list of Fold
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    """
    tests = [y[fold.test].astype(float) for fold in folds]
    scale = max(np.abs(test).max() for test in tests)
    if scale == 0.0:
        return 0.0
    tests = [test / scale for test in tests]  # squares neither overflow nor vanish
    mean = np.mean(np.concatenate(tests), axis=0)
    between = sum(len(test) * np.square(test.mean(axis=0) - mean) for test in tests)
    total = sum(np.square(test - mean).sum(axis=0) for test in tests)
    return float(np.max(between / np.where(total > 0.0, total, np.inf)))


def row_numbers(rows, n_samples):
    """Rows as numbers from 0 to n_samples - 1, in ascending order.

    Parameters
    ----------
    rows : array-like of int or bool
        Numbers of rows, negative ones from the end, or a mask of all rows.
    n_samples : int

    Raises
    ------
    ValueError
        If it is none of these.
    """
    rows = np.asarray(rows)
    if rows.dtype == bool and rows.shape == (n_samples,):
        return np.flatnonzero(rows)
    if rows.shape == (0,):
        return np.empty(0, dtype=np.intp)
    known = rows.ndim == 1 and rows.dtype.kind in "iu"
    if not (known and -n_samples <= rows.min() and rows.max() < n_samples):
        raise ValueError(
            "cv must give arrays of row numbers below the number of rows, "
            f"{n_samples}, or boolean masks of that length; it gave {rows!r}."
        )
    rows = rows.astype(np.intp)
    if rows.min() < 0:
        rows[rows < 0] += n_samples
    return rows if (rows[1:] >= rows[:-1]).all() else np.sort(rows)


def are_partition(folds, rows, n_samples):
    """True if each row is in one test set, and in the training sets of the others.

    Parameters
    ----------
    folds : list of Fold
    rows : intp array or None
        Numbers of the rows with a weight; None means all.
    n_samples : int
        Number of all rows.
    """
    left = np.zeros(n_samples, dtype=bool)
    left[slice(None) if rows is None else rows] = True
    n_rows = np.count_nonzero(left)
    for fold in folds:
        if len(fold.train) + len(fold.test) != n_rows or not left[fold.test].all():
            return False
        left[fold.test] = False
        held_out = np.zeros(n_samples, dtype=bool)
        held_out[fold.test] = True
        repeated = (fold.train[1:] == fold.train[:-1]).any()
        if repeated or held_out[fold.train].any():
            return False
    return not left.any()


def all_rows(model, X, y, sample_weight):
    """The data of a fit on all rows, X and y being checked by the model's `_begin`."""
    target, weights = model._targets_and_weights(y, sample_weight, sample_weight)
    return Data(
        X, target, weights, rows_with_weight(weights), model._make_loss(),
        model._n_outputs(target), model.fit_intercept, model.n_jobs,
    )  # fmt: skip


def train_weights(fold, sample_weight, n_samples):
    """Sample weights for the training rows of a fold, and zero for the others.

    A row that is repeated counts as often.
    """
    counts = np.bincount(fold.train, minlength=n_samples).astype(np.float64)
    return counts if sample_weight is None else counts * sample_weight


class Models(ABC):
    """Models of several folds, all of the same strength of the penalty.

    A search calls `begin` for each share of l1, and `advance` with alphas that
    decrease. After each, it asks for the coefficients and the losses of the folds.
    """

    n_unconverged: int = 0
    """Number of fits so far that ended before they converged."""

    remedy: str = ""
    """What may help such fits."""

    @abstractmethod
    def begin(self, l1_ratio: float) -> None:
        """Start a path with this share of l1."""

    @abstractmethod
    def advance(self, alpha: float) -> None:
        """Fit all models with this strength."""

    @abstractmethod
    def coefficients(self, k: int) -> np.ndarray:
        """Coefficients of the model of fold k, shape (n_features + 1, n_outputs)."""

    @abstractmethod
    def test_loss(self, k: int) -> float:
        """Weighted mean loss of the model of fold k on the rows held out."""

    def known_moments(self) -> KnownMoments | None:
        """Moments of all rows that the search has computed; None if there are none."""
        return None

    def of_all_rows(self, alpha: float, l1_ratio: float) -> np.ndarray | None:
        """Coefficients near those of the model of all rows, None if not known.

        They have the shape of `coefficients`. A search has visited this alpha.
        """
        return None
