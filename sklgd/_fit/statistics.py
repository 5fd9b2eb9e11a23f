"""Statistics of the columns and of the targets, and the curvature of the loss."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ..kernels._gram import count_entries
from .column_statistics import column_statistics
from .row_blocks import batches, row_blocks

# The largest eigenvalue is estimated on at most this many rows (evenly spaced).
EIGEN_ROWS = 8192


def column_counts(data):
    """Stored entries of each column of sparse X, over the rows to learn from."""
    return count_entries(data.matrix, data.subset)


def largest_eigenvalue(data, centre, scale):
    """Largest eigenvalue of the weighted second moments of (X - centre) scale.

    Power iteration from a fixed start, on all rows or on EIGEN_ROWS of them; never
    below 1, the eigenvalue of the intercept.
    """
    rows = data.spaced(-(-data.n_rows // EIGEN_ROWS))
    total = len(rows) if data.weights is None else data.weights[rows].sum()
    v, seen = np.zeros(data.X.shape[1]), scale > 0.0
    # One random number for each column with spread, so that others have no effect.
    v[seen] = np.random.RandomState(0).standard_normal(np.count_nonzero(seen))
    largest = 1.0
    for iteration in range(12):
        # (Divided by their size, because squares of large columns overflow.)
        unit = 2.0 ** math.frexp(np.abs(v).max(initial=0.0))[1]
        norm = float(np.linalg.norm(v / unit)) * unit
        if iteration:
            largest = max(largest, norm)
        if not 0.0 < norm < np.inf or not total > 0.0:
            break
        u = scale * (v / norm)
        shift = centre @ u
        product, residual = np.zeros_like(v), 0.0
        for part, block in row_blocks(data.X, rows):
            r = block @ u - shift
            if data.weights is not None:
                r *= data.weights[part]
            product += block.T @ r
            residual += r.sum()
        v = scale * (product - centre * residual) / total
    return largest


@dataclass
class Statistics:
    """Scales of the columns and of the targets seen so far.

    Attributes
    ----------
    weight : float
        Sum of the weights of the rows.
    mean, var : ndarray of shape (n_features,)
        Weighted mean and variance of the columns.
    z_unit, loss_unit : ndarray of shape (n_outputs,)
        `Loss.natural_scale`, averaged over the chunks of a stream.
    """

    weight: float
    mean: np.ndarray
    var: np.ndarray
    z_unit: np.ndarray
    loss_unit: np.ndarray

    @property
    def curvature(self):
        """Size of the second derivative of the loss, of shape (n_outputs,)."""
        return self.loss_unit / self.z_unit**2

    def moments(self, centred):
        """Centre of the columns (0 if not ``centred``), and mean squares about it."""
        if centred:
            return self.mean, self.var
        return np.zeros_like(self.mean), self.var + self.mean**2

    @classmethod
    def of_columns(cls, data):
        """Statistics of the columns alone, with the weights of the rows."""
        weight = data.n_rows * data.mean_of_weights
        mean, var = column_statistics(data)
        return cls(weight, mean, var, np.zeros(0), np.zeros(0))

    def of_all_columns(self, columns, n_features):
        """The same with zeros for columns without entries that were left out.

        ``columns`` are the numbers of the others; None means that all are there.
        """
        if columns is None:
            return self
        mean, var = np.zeros((2, n_features))
        mean[columns], var[columns] = self.mean, self.var
        return replace(self, mean=mean, var=var)

    def of_some_columns(self, columns):
        """The same for the columns of these numbers; None means all."""
        if columns is None:
            return self
        return replace(self, mean=self.mean[columns], var=self.var[columns])

    @property
    def sizes(self):
        """Standard deviations of the columns; one for a column without spread."""
        return np.where(self.var > 0.0, np.sqrt(self.var), 1.0)

    @property
    def vectors(self):
        """All but the weight."""
        return self.mean, self.var, self.z_unit, self.loss_unit

    @classmethod
    def of(cls, data, null):
        """Statistics of the rows of ``data``; ``null`` is its constant model."""
        weight = data.n_rows * data.mean_weight
        units = data.natural_scale(null)
        return cls(weight, *column_statistics(data), *units)

    def merge(self, other):
        """Statistics of both sets of rows (Chan, Golub and LeVeque 1983)."""
        weight = self.weight + other.weight
        share = other.weight / weight
        step = other.mean - self.mean
        return Statistics(
            weight,
            self.mean + share * step,
            self.var + share * (other.var - self.var) + share * (1 - share) * step**2,
            self.z_unit + share * (other.z_unit - self.z_unit),
            self.loss_unit + share * (other.loss_unit - self.loss_unit),
        )

    def equals(self, other):
        """True if both are of the same rows, up to the rounding of their weights."""
        if abs(self.weight - other.weight) > 1e-9 * self.weight:
            return False
        for a, b in zip(self.vectors, other.vectors, strict=True):
            # (Most often the bits are the same, which is cheap to compare.)
            if a.tobytes() != b.tobytes():
                size = np.abs(a) + (np.sqrt(self.var) if a is self.mean else 0.0)
                if (np.abs(a - b) > 1e-9 * size).any():
                    return False
        return True

    def differs(self, other):
        """True if a scaling made from ``other`` does not suit these statistics.

        That is so if a scale differs by a factor of two or a mean by a standard
        deviation. The same data, seen again, never differ.
        """
        moved = (self.mean - other.mean) ** 2 > 1.01 * self.var + 1e-20 * self.mean**2
        return bool(
            moved.any()
            or _off_by_two(self.var, other.var, square=True)
            or _off_by_two(self.z_unit, other.z_unit)
        )


def _off_by_two(a, b, square=False):
    limit = 4.0 if square else 2.0
    return bool(((a > limit * b) | (b > limit * a)).any())


def batch_curvature(data, centre, var, scale, batch_size):
    """Curvature that a batch sees in the coordinates (x - centre) scale.

    Between the largest eigenvalue L (batch descent) and the mean row norm (one row):
    the interpolation of Gower et al. 2019 with the mean in place of the largest row, so
    that a few huge rows do not make all steps small.
    """
    largest = 1.1 * largest_eigenvalue(data, centre, scale)
    row = float(var @ scale**2) + 1.0
    return interpolate(data.n_rows, batch_size, largest, row)


def scaled_curvature(scaling, data, statistics, batch_size):
    """Curvature that a batch sees in scaled coordinates without rotations."""
    var = statistics.var + (statistics.mean - scaling.centre) ** 2
    widest = (scaling.scale[:-1] / statistics.z_unit).max(axis=1, initial=0.0)
    return batch_curvature(data, scaling.centre, var, widest, batch_size)


def interpolate(n, batch_size, largest, row):
    """Curvature of a batch, between the largest eigenvalue and a row's norm."""
    b = batches(n, batch_size)[0]
    if b == n:
        return largest
    share = n * (b - 1) / (b * (n - 1))
    return share * largest + (1.0 - share) * max(row, largest)


def raw_curvatures(data, statistics, batch_sizes, sample=None):
    """Curvatures of F that batches of these sizes see in raw coordinates.

    Parameters
    ----------
    data : Data
    statistics : Statistics
        Of all rows.
    batch_sizes : list
    sample : Data, default=None
        Some of the rows, on which the largest eigenvalue is estimated.
    """
    _, square = statistics.moments(False)
    mean, rows = statistics.mean, data if sample is None else sample
    n_features = rows.X.shape[1]
    largest = largest_eigenvalue(rows, np.zeros(n_features), np.ones(n_features))
    if sample is not None:
        # Bounds that the columns of all rows give: of a column alone, and of the mean.
        largest = max(largest, float(square.max()), float(mean @ mean))
    row = float(square @ np.ones_like(square)) + 1.0
    unit = float(statistics.curvature.max())
    return [
        unit * interpolate(data.n_rows, size, 1.1 * largest, row)
        for size in batch_sizes
    ]


def stable_step(data, batch_size):
    """About the largest stable step of plain descent in raw coordinates.

    Returns
    -------
    limit : float
    spread : (float, float)
        Smallest and largest root mean square of a column that is not zero.
    """
    with np.errstate(all="ignore"):
        statistics = Statistics.of(data, data.fit_intercept_only())
    _, square = statistics.moments(False)
    sizes = np.sqrt(square[square > 0.0]) if square.any() else np.zeros(1)
    (curvature,) = raw_curvatures(data, statistics, [batch_size])
    return 2.0 / curvature, (float(sizes.min()), float(sizes.max()))
