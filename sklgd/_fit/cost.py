"""Predicted costs of methods, in time and memory.

Times are nanoseconds of one thread. They are functions of shapes and numbers of entries
alone and use no clock, so that the same data always get the same method. The constants
were fitted to the shortest times measured (EPYC, OpenBLAS, float64) on 3 to 2000 dense
columns, on 10 to 150 entries per row of 100 to 20000 sparse columns, and with 1 to 26
outputs. Most lie within a factor 1.5; the machine was busy, so single measurements
varied by 2.
"""

import math

import numpy as np

# A Gram matrix that fits into the cache has at most so many entries.
CACHE = 131_072
# Rows in a block.
BLOCK = 16384
# Largest order of a matrix to be factored, for its memory and its time.
MAX_FACTOR = 3000
# Largest order of the whole Hessian of softmax; above it its blocks are used.
MAX_COUPLED = 500
# Time of an iteration without its pass over X.
OVERHEAD = 6e4
# A run in the space of the rows: nanoseconds of a multiply-add of the factorisation of
# the rows, and of a Hessian with its Cholesky factor per cube of their order and per
# row and square of it; what the smaller problem costs at least; and the largest copy of
# the rows, in bytes.
QR, CUBE, SQUARE, ROWS_OVERHEAD, ROWS_COPY = 0.08, 0.03, 0.034, 5e5, 2**28
# Time of a Hessian in terms of the rows, beside its products and factors.
ROW_HESSIAN = 1e5
# Hessians of a run: of a smooth loss, and of a non-smooth one along the path of its
# barrier; and sweeps over X of a run of a smooth loss without a Hessian.
HESSIANS, HESSIANS_NON_SMOOTH, SWEEPS = 6.0, 30.0, 40.0
# Sweeps of a run of L-BFGS for a non-smooth loss (hinge, 1500 rows of text: 600).
SWEEPS_NON_SMOOTH = 600.0
# Sweeps above which L-BFGS is not expected to go for a loss whose second derivative
# jumps, if it is smooth and if it is not. It took 100 to 300 and 3000 to 15000 on
# sparse text, 500 to 4500 and 2000 to 72000 on dense and ill-conditioned data (squared
# hinge, huber; hinge, absolute error; 1000 to 4500 rows of 120 to 2500 columns).
SWEEPS_JUMPS, SWEEPS_JUMPS_NON_SMOOTH = 3000.0, 30000.0
# Sweeps of a run of FISTA for a non-smooth loss.
SWEEPS_FISTA = 1500.0
# Entries of X, as a dense matrix, up to which a fit may copy it, and their bytes.
COPY_ENTRIES = 2**25
COPY_BYTES = 8 * COPY_ENTRIES


def squared_lengths(rows, subset):
    """Sum of the squared numbers of entries of the rows of CSR that count."""
    indptr, total = rows.X.indptr, 0.0
    n = rows.n_samples if subset is None else len(subset)
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        if subset is None:
            counts = np.diff(indptr[start : stop + 1]).astype(np.float64)
        else:
            part = subset[start:stop]
            counts = (indptr[part + 1] - indptr[part]).astype(np.float64)
        total += float(counts @ counts)
    return total


def gram_cost(rows, subset=None):
    """Cost of `weighted_gram` if no weight is zero.

    Parameters
    ----------
    rows : Rows
    subset : intp array, default=None
        Numbers of the rows to sum over; None means all.

    Returns
    -------
    float
        Nanoseconds.
    """
    n = rows.n_samples if subset is None else len(subset)
    size = (rows.n_features + 1.0) ** 2
    # Per row, measured (model): 7 ns (7) of 3 columns, 19 (18) of 10, 69 (69) of 30,
    # 168 (195) of 60, 462 (633) of 120, 20.9 us (21.8) of 784, 138 us (138) of 2000.
    cost = n * (2.0 + 1.1 * math.sqrt(size) + 0.034 * size)
    if rows.is_sparse:
        pairs = 0.5 * squared_lengths(rows, subset)
        # Per pair, with 50 entries of a row: 0.8 ns of 300 columns, 3 to 8 of 2000.
        by_pairs = 20.0 * n + pairs * (0.8 if size <= CACHE else 4.0)
        cost = min(cost, by_pairs)
    # Allocation, symmetry and centring: 45 ms of 2000 columns.
    return float(cost + 12.0 * size)


def sweep_cost(rows, n_outputs=1, subset=None):
    """Cost of `Problem.value_and_gradient`.

    Parameters
    ----------
    rows : Rows
    n_outputs : int, default=1
    subset : intp array, default=None
        As in `gram_cost`.

    Returns
    -------
    float
        Nanoseconds, with a loss that takes an exponential of each prediction.
    """
    n = rows.n_samples if subset is None else len(subset)
    # One output: 20 ns and 0.3 per column (1 per sparse entry); d=10: 21 ns (23),
    # 120: 56 (56), 784: 253 (255), 43 entries: 63 (65), 138: 163 (165).
    # More outputs are multiplied by BLAS, or by short loops over a sparse entry: 10
    # outputs of 30 columns 93 ns (105), of 784: 867 (972), 26 of 120: 446 (483),
    # 3 of 43 entries 234 (232), 10 of 43: 320 (371).
    several = n_outputs > 1
    row = 7.0 * n_outputs if several else 20.0
    if not rows.is_sparse:
        entry = 0.3 + 0.085 * n_outputs if several else 0.3
        return float(n * (row + rows.n_features * entry))
    entry = 4.0 + 0.3 * n_outputs if several else 1.05
    return float(n * row + entry * rows.total_entries(subset))


def softmax_cost(n, n_features, n_outputs):
    """Cost of `softmax_hessian` over n rows, and of its Cholesky factor."""
    # Per pair of columns and row 0.3 ns and 0.025 for each pair of outputs; 0.03 ns a
    # multiply-add of the factorisation.
    pairs = 0.5 * (n_features + 1.0) ** 2
    order = (n_features + 1.0) * n_outputs
    return n * pairs * (0.3 + 0.025 * n_outputs**2) + 0.03 * order**3


def row_hessian_cost(data, coupled, known):
    """Cost of a Hessian in terms of few rows of many columns.

    Parameters
    ----------
    data : Data
    coupled : bool
        True if the loss couples the outputs.
    known : bool
        True if the rows have been factored before.

    Returns
    -------
    float
        Nanoseconds; infinity if the rows are too many for a matrix, or their copy is
        too large.
    """
    n, d, K = data.n_rows, data.X.shape[1], data.n_outputs
    if 8 * n * d > ROWS_COPY or (n + 1) * (K if coupled else 1) > MAX_FACTOR:
        return math.inf
    factor = 0.0 if known else QR * d * n**2 + CUBE * n**3
    matrices = (K**2, K**3) if coupled else (K, K)
    return float(ROW_HESSIAN + factor + n**3 * np.dot(matrices, (SQUARE, CUBE)))


def has_costly_hessians(data):
    """True if a loss with an l1 penalty is better fitted without Hessians.

    Softmax is if its whole Hessian is too large: with that Newton's method takes a
    sixth of the time of FISTA or the same (covtype, letter, segments, digits, iris),
    with its blocks up to three times as long.

    So is a non-smooth loss with few rows of many columns. Its gap is an extrapolation,
    too small by far in some runs (0.06 where 1e-4 was claimed, on 100 rows of 450
    columns), so it has to be much cheaper than Newton's method: `SWEEPS_FISTA` is what
    an exact gap of 1e-4 takes, 400 to 3000 sweeps (hinge and epsilon-insensitive, 40
    and 100 rows of 200 and 450 columns).
    """
    n, d = data.n_rows, data.width
    if data.loss.coupled(data.n_outputs):
        return (d + 1) * data.n_outputs > MAX_COUPLED
    if data.loss.smooth or 4 * n > d:
        return False
    hessian = CUBE * d**3 + SQUARE * n * d**2
    sweep = OVERHEAD + data.term().pass_cost()
    sweeps = SWEEPS_FISTA * sweep
    return sweeps < HESSIANS_NON_SMOOTH * data.n_outputs * hessian


def reduced_cost(n, d, n_hessians):
    """Cost of a run in the space of n rows with so many Hessians."""
    return ROWS_OVERHEAD + QR * d * n**2 + n_hessians * (CUBE + SQUARE) * n**3


def has_slow_hessians(data):
    """True if L-BFGS is faster than Newton's method for a loss whose Hessian jumps.

    Newton's method computes a Hessian for each step of such a loss, of the columns or,
    if they are few, of the rows. This takes long where rows have few entries: 1500 rows
    of 16 entries in 2000 columns took 1.4 s for the squared hinge and 3.5 s for the
    hinge, in place of 0.03 and 0.4 s. Each output has a run of its own, and the costs
    are those of one.
    """
    n, d, loss = data.n_rows, data.width, data.loss
    if loss.smooth and loss.twice_smooth:
        return False
    term = data.term()
    sweep = sweep_cost(term.rows, 1, term.numbers)
    number = HESSIANS if loss.smooth else HESSIANS_NON_SMOOTH
    newton = number * (term.gram_cost() + CUBE * d**3)
    if n < d:
        newton = min(newton, reduced_cost(n, d, number))
    sweeps = SWEEPS_JUMPS if loss.smooth else SWEEPS_JUMPS_NON_SMOOTH
    return sweeps * (OVERHEAD + sweep) < newton


def has_few_rows(data):
    """True if a run without an l1 penalty is cheaper in the space of the rows.

    The costs are predicted from the numbers of rows, columns and outputs. The squared
    error needs only a few sweeps over X, which cost less than the factorisation. So do
    losses whose second derivative is continuous, and all losses where the columns are
    too many to be factored, which L-BFGS then minimises; otherwise Hessians are.
    """
    n, d, K, loss = data.n_rows, data.width, data.n_outputs, data.loss
    if not n < d or n >= MAX_FACTOR or 8 * n * d > ROWS_COPY:
        return False
    if loss.quadratic:
        return False
    n_hessians = K * (HESSIANS if loss.smooth else HESSIANS_NON_SMOOTH)
    reduced = reduced_cost(n, d, n_hessians)
    if d >= MAX_FACTOR or (loss.smooth and loss.twice_smooth):
        sweeps = SWEEPS if loss.smooth else SWEEPS_NON_SMOOTH
        return reduced < sweeps * data.term().pass_cost()
    return reduced < n_hessians * (CUBE * d**3 + SQUARE * n * d**2)
