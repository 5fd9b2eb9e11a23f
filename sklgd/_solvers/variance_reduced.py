"""Variance-reduced methods: their preconditioner, learning rate and epochs.

With ``learning_rate="auto"`` the steps are taken in the coordinates x' = V'(x - mu)
and multiplied by

    D_j = 1/H_j,   H_j = gamma E[x'_j^2] + l2,

the diagonal of the Hessian of `feature_scaling`, so that neither the units of X nor
those of y matter. V is the identity or, where rotating a row is cheap, holds the
eigenvectors of the second moments: then D is the inverse of the whole Hessian bound,
and the l2 penalty keeps its form because V is orthonormal.
SVRG multiplies steps in raw coordinates by the inverse matrix itself. Sparse rows of
many columns stay as they are (mu = 0) for SAGA and Point-SAGA, and for SVRG where a
batch `has_few_active_features`: a step then costs O(n_outputs) per entry. An explicit
learning rate means raw coordinates and D = 1.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg.lapack import dgejsv

from .._fit.plan import bind
from .._fit.row_blocks import batches, row_blocks
from .._fit.statistics import batch_curvature, column_counts
from ..kernels._gram import weighted_gram
from ..kernels._hessian import hessian_diagonal
from ..optimizers import FEW
from ..schedules import as_schedule
from .base import Solver
from .proof import bound_at
from .raw_predictions import LITTLE
from .row_order import new_order
from .rules import CHUNK_ENTRIES

# Up to so many columns the preconditioner is a matrix, and CSR rows are made dense.
MATRIX_COLUMNS = 300
# A table of derivatives that would take a larger share of the memory of X is in
# float32.
SHARE = 0.04
# Smallest eigenvalue that counts, of columns scaled to size one.
SMALLEST = 1e-12


@dataclass
class Preconditioner:
    """What the steps of a variance-reduced method are multiplied by; see the module.

    Attributes
    ----------
    sizes : ndarray of shape (n_features + 1, n_outputs)
        D, the last row for the intercept.
    centre : ndarray of shape (n_features,) or None
    matrix : ndarray of shape (n_features, n_features) or None
        V for methods that step row by row; D as a full matrix for SVRG.
    dense : bool
        True if CSR rows are made dense.
    """

    sizes: np.ndarray
    centre: np.ndarray | None = None
    matrix: np.ndarray | None = None
    dense: bool = True


def narrow(X):
    """True if X has so few columns that a matrix of them is cheap."""
    return X.shape[1] <= MATRIX_COLUMNS


def has_few_active_features(data, batch_size):
    """True if a batch of sparse rows has few entries beside the columns of X.

    Then SVRG makes the steps of inactive columns together, in closed form, which is not
    possible with a centre. This saves more time than the worse convergence without one
    takes (to a gap of 1e-3, 64 rows at a time: banking77 0.9 s, centred more than 6 s;
    sms_spam 25 ms and 50 ms; rcv1_small 75 ms either way).
    """
    if not data.sparse:
        return False
    rows = batches(data.n_rows, batch_size)[0]
    return FEW * rows * data.entries_per_row < data.width


def second_moments(data, centre):
    """Weighted mean of (x - centre)(x - centre)', shape (n_features, n_features)."""
    gram, _, total = weighted_gram(
        data.matrix, data.weights, data.subset, centre, data.n_threads
    )
    return gram / total


def largest_row(data, preconditioner, sizes):
    """max_i s_i |V'(x_i - mu)|_D^2 for one column D of sizes."""
    centre, basis, largest = preconditioner.centre, preconditioner.matrix, 0.0
    for rows, block in row_blocks(data.X, data.rows):
        if not preconditioner.dense:
            squares = block.power(2) @ sizes
        else:
            block = block.toarray() if sp.issparse(block) else block
            block = block if centre is None else block - centre
            block = block if basis is None else block @ basis
            squares = block**2 @ sizes
        s = 1.0 if data.weights is None else data.weights[rows]
        largest = max(largest, float(np.max(s * squares)))
    # (The mean factor is in the curvature of the statistics, and so in the sizes.)
    return largest / data.mean_factor


def inverse(curvature):
    """1/curvature, 0 where there is none."""
    out = np.zeros_like(curvature)
    return np.divide(1.0, curvature, out=out, where=curvature > 0.0)


def raw_sizes(data, square, gamma, l2):
    """D for sparse rows that stay as they are; ``square`` is E[x_j^2].

    Columns with few entries would get steps that hardly any row corrects. So their
    second derivative is divided by the root of the share of rows that have them.
    """
    share = column_counts(data) / data.n_rows
    seen = np.divide(
        square, np.sqrt(share), out=np.zeros(len(share)), where=share > 0.0
    )
    return inverse(hessian_diagonal(seen, gamma, l2))


def row_preconditioner(data, statistics, gamma, penalty):
    """Preconditioner of SAGA and Point-SAGA, and the mean curvature of its rows."""
    dense = not data.sparse or narrow(data.X)
    centre, square = statistics.moments(dense and data.fit_intercept)
    if not dense:
        sizes = raw_sizes(data, square, gamma, penalty.l2)
        preconditioner = Preconditioner(sizes, dense=False)
    else:
        if not data.fit_intercept:
            centre = None
        basis = None
        if penalty.smooth and penalty.same_for_features() and narrow(data.X):
            basis, square = principal_axes(data, centre, square)
        sizes = inverse(hessian_diagonal(square, gamma, penalty.l2))
        preconditioner = Preconditioner(sizes, centre, basis)
    mean = float((gamma * square[:, None] * sizes[:-1]).sum(axis=0).max())
    return preconditioner, mean + data.fit_intercept


def principal_axes(data, centre, square):
    """Orthonormal eigenvectors and eigenvalues of the second moments M.

    The columns' sizes s may differ by many orders of magnitude, and small eigenvalues
    must not be lost in the rounding of large ones. M = diag(s) C diag(s) with unit
    diagonal in C = L L', and the Jacobi method finds the singular values of diag(s) L
    to high relative accuracy (Drmac and Veselic, "New fast and accurate Jacobi SVD
    algorithm", 2008).
    """
    seen = np.flatnonzero(square > 0.0)
    basis, values = np.eye(len(square)), np.zeros(len(square))
    if len(seen) == 0:
        return basis, values
    moments = second_moments(data, centre)
    if not np.isfinite(moments).all():
        # X was changed after it was checked; the first epoch ends the run.
        return None, square
    moments = moments[np.ix_(seen, seen)]
    size = np.sqrt(square[seen])
    correlation = moments / size / size[:, None]
    # (Keeps the matrix definite if columns are collinear.)
    correlation[np.diag_indices_from(correlation)] = 1.0 + len(seen) * SMALLEST
    try:
        factor = size[:, None] * np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        # Weights of very different sizes leave too few digits to find the axes.
        return None, square
    order = np.argsort(-size)
    # Rows and columns of any size (joba=2), left vectors (jobu=0), no right (jobv=3).
    singular, vectors, _, work, _, info = dgejsv(factor[order], joba=2, jobu=0, jobv=3)
    if info != 0:
        return None, square
    axes = np.empty_like(vectors)
    axes[order] = vectors
    basis[np.ix_(seen, seen)] = axes
    values[seen] = (singular * (work[0] / work[1])) ** 2
    return basis, values


def batch_preconditioner(data, statistics, gamma, penalty, batch_size):
    """Preconditioner of SVRG, and the curvature that a batch sees with it.

    Where a batch has few active features these are raw: there is no centre.
    """
    raw = has_few_active_features(data, batch_size) and not narrow(data.X)
    centre, square = statistics.moments(data.fit_intercept and not raw)
    if raw:
        sizes = raw_sizes(data, square, gamma, penalty.l2)
        scale = np.sqrt((gamma * sizes[:-1]).max(axis=1))
        curvature = batch_curvature(data, centre, square, scale, batch_size)
        return Preconditioner(sizes, dense=False), curvature
    sizes = inverse(hessian_diagonal(square, gamma, penalty.l2))
    preconditioner = Preconditioner(sizes, centre if data.fit_intercept else None)
    one_unit = gamma.max() <= (1.0 + 1e-9) * gamma.min()
    moments = None
    # (One matrix serves all outputs.)
    one_unit = one_unit and np.shape(penalty.l2)[1:] in ((), (1,))
    if penalty.smooth and narrow(data.X) and one_unit:
        moments = second_moments(data, centre)
    # (They are not finite if X was changed after it was checked.)
    if moments is None or not np.isfinite(moments).all():
        scale = np.sqrt((gamma * sizes[:-1]).max(axis=1))
        curvature = batch_curvature(data, centre, square, scale, batch_size)
        return preconditioner, curvature
    # Scaled to unit diagonal first, so that small columns are not lost in rounding.
    scale = np.sqrt(sizes[:-1, 0])
    hessian = gamma[0] * scale[:, None] * moments * scale
    hessian[np.diag_indices_from(hessian)] += np.ravel(penalty.l2) * scale**2
    values, vectors = np.linalg.eigh(hessian)
    inverted = inverse(np.maximum(values, SMALLEST * max(values.max(), 0.0)))
    matrix = scale[:, None] * ((vectors * inverted) @ vectors.T) * scale
    preconditioner.matrix = np.ascontiguousarray(0.5 * (matrix + matrix.T))
    # Then every curvature of F is at most 1, and a row's mean is a trace.
    n, b = data.n_rows, batches(data.n_rows, batch_size)[0]
    share = 1.0 if n == 1 else n * (b - 1) / (b * (n - 1))
    row = float((values * inverted).sum()) + 1.0
    return preconditioner, share * 1.1 + (1.0 - share) * max(row, 1.1)


class VarianceReducedSolver(Solver):
    """Epochs of SAGA, Point-SAGA or SVRG on one problem.

    Parameters
    ----------
    data, state, penalty
        As for `Solver`.
    shuffle : bool or str
        As the estimators' parameter.
    average : bool or int
        Not used, because the iterates of these methods converge without averaging.
    """

    # (A bound takes the time of 0.1 to 0.2 of their epochs.)
    proves_after = 10

    def __init__(self, data, state, penalty, shuffle, average):
        self.data, self.problem, self.state = data, data.problem(), state
        self.penalty = penalty
        # A permutation unless another order is asked for by its name.
        self.order_kind = {True: "full", False: None}.get(shuffle, shuffle)
        self.optimizer = state.plan.optimizer
        preconditioner = state.plan.preconditioner
        if preconditioner is None:
            ones = np.ones_like(state.coef)
            preconditioner = Preconditioner(ones, dense=narrow(data.X))
        table_bytes, limit = 8 * data.n_rows * data.n_outputs, SHARE * data.n_bytes
        centre, matrix = preconditioner.centre, preconditioner.matrix
        options = {"centre": centre, "compact": table_bytes > max(limit, LITTLE)}
        options["signs"] = penalty.signs_of_features()
        if self.optimizer.by_rows:
            options |= {"basis": matrix, "dense": preconditioner.dense}
        else:
            options["matrix"] = matrix
            raw = centre is None and matrix is None
            options["lazy"] = raw and has_few_active_features(
                data, state.plan.batch_size
            )
        self.kernel = self.optimizer.steps(
            self.problem, state.coef, penalty.l1, penalty.l2, preconditioner.sizes,
            **options,
        )  # fmt: skip
        self.table_ready = False
        # For `accept`: epochs since the learning rate changed, and needed to double it.
        self.calm, self.wait, self.last_fall = 0, 0, np.inf
        self.grows = data.loss.smooth and state.plan.schedule.is_constant

    @staticmethod
    def tune(plan, settings, data, statistics, penalty):
        """Give a plan its preconditioner and the learning rate that suits it."""
        optimizer, gamma = plan.optimizer, statistics.curvature
        if optimizer.by_rows:
            preconditioner, mean = row_preconditioner(data, statistics, gamma, penalty)
            largest = mean
            if optimizer.needs_largest_row:
                largest = data.fit_intercept + max(
                    largest_row(data, preconditioner, gamma[k] * sizes)
                    for k, sizes in enumerate(preconditioner.sizes[:-1].T)
                )
            if not largest > 0.0:
                # Nothing has an influence on any prediction.
                mean = largest = 1.0
            dense = preconditioner.dense
            eta0 = optimizer.row_step(mean, largest, data.loss, dense)
        else:
            preconditioner, curvature = batch_preconditioner(
                data, statistics, gamma, penalty, plan.batch_size
            )
            eta0 = optimizer.unit_step(curvature, False)
        plan.preconditioner = preconditioner
        name = (
            "constant" if settings.learning_rate == "auto" else settings.learning_rate
        )
        plan.schedule = bind(
            as_schedule(name, eta0, settings.power_t), settings, data, plan.batch_size
        )

    def rows_per_call(self):
        """Rows per call of the kernel."""
        entries = CHUNK_ENTRIES
        if self.data.sparse:
            # Each entry may wait a hundred nanoseconds for memory. (Still fewer would
            # not help, because a call ends with a pass over all features.)
            entries //= 4
        return entries // self.entries_per_row

    def epoch(self):
        """One pass over the training rows.

        Returns
        -------
        eta, eta : float
            The learning rate of the epoch, its last and its largest.
        """
        state, n = self.state, self.problem.n_samples
        rows, n_batches = batches(n, state.plan.batch_size)
        order = None
        if self.order_kind is not None:
            order = new_order(self.order_kind, state.rng, self.data).take(n)[0]
        eta = float(state.plan.schedule.eta(np.array([state.steps + 1.0]))[0])
        eta *= state.factor
        # (Ctrl-C takes effect between calls.)
        chunk = max(1, self.rows_per_call() // rows) * rows
        if not self.table_ready:
            self.kernel.refresh()
            self.table_ready = True
        for start in range(0, n, chunk):
            stop = min(start + chunk, n)
            if self.optimizer.by_rows:
                self.kernel.run(order, eta, start, stop)
            else:
                self.kernel.run(order, eta, rows, start, stop)
        if self.optimizer.by_rows:
            self.kernel.apply_lagged()
        self.table_ready = self.optimizer.by_rows
        state.steps += n_batches
        state.rows += n
        return eta, eta

    def objective(self):
        """F at the coefficients; for SVRG the sweep is also the next snapshot."""
        if self.table_ready:
            loss = self.problem.value(self.state.coef)
        else:
            loss = self.kernel.refresh()
            self.table_ready = True
        return loss / self.mean_weight + self.penalty.value(self.state.coef)

    def snapshot(self):
        """Copies of what an epoch changes."""
        return self.state.coef.copy(), self.kernel.copies()

    def restore(self, snapshot):
        """Go back to a snapshot."""
        coef, copies = snapshot
        self.state.coef[...] = coef
        self.kernel.restore(copies)
        self.table_ready = False

    def proof(self, objective, null):
        """As in `Solver`, by one pass over X."""
        return bound_at(self, objective, null)

    def keep(self):
        """Forget the preconditioner, as no later call continues from it."""
        self.state.plan.preconditioner = None

    def accept(self, before, after, snapshot, out_of_bounds):
        """Undo an epoch that raised F, and halve the learning rate.

        The learning rate was found from the largest second derivative. It is doubled if
        an epoch reduces F by more than half as much as the one before, but less and
        less often after steps that were too large. With Point-SAGA, whose steps no
        single row can make too large, F may rise at the first learning rate. Returns
        True if the epoch is kept.
        """
        state, fall = self.state, before - after
        trusted = self.optimizer.steady and state.factor <= 1.0
        if out_of_bounds or not (fall >= 0.0 or trusted):
            state.factor *= 0.1 if out_of_bounds else 0.5
            self.calm, self.wait = 0, 2 * self.wait + 1
            self.restore(snapshot)
            return False
        self.calm += 1
        if self.grows and self.calm > self.wait and fall > 0.5 * self.last_fall:
            state.factor *= 2.0
            self.calm = 0
        self.last_fall = fall
        return True
