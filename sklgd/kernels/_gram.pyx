"""Weighted first and second moments of the rows.

`softmax_hessian` is that of K outputs, whose curvatures are K x K matrices;
`column_statistics` gives mean and variance of each column.

With x~_i = (x_i - centre, 1), `weighted_gram` is sum_i h_i x~_i x~_i': the Hessian of
a loss of one output, h_i being its curvature at row i, intercept included.
"""
from sklgd.kernels cimport _numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport isfinite, sqrt
from libc.string cimport memset

import numpy as np

from sklgd.kernels._arrays cimport entries
from sklgd.kernels._blas cimport dgemm, dsyrk, import_blas
from sklgd.kernels._rows cimport Rows
from sklgd.kernels._threads cimport parallel_for

cnp.import_array()
import_blas()

# A block of rows that BLAS multiplies: at least so many rows, since each block reads and
# writes the whole Gram matrix, and about so many entries (512 kB, half an L2 cache).
cdef Py_ssize_t BLOCK = 256
cdef Py_ssize_t MAX_BLOCK = 1024
cdef Py_ssize_t BLOCK_ENTRIES = 65536
# Chunks for the threads, each with a Gram matrix of its own: at most so many, none
# shorter than so many rows or columns, and one only above so many columns. The cut
# depends on the data alone, and the sums are added in a fixed order.
cdef Py_ssize_t MAX_CHUNKS = 4
cdef Py_ssize_t CHUNK_ROWS = 2048
cdef Py_ssize_t MAX_PARTIAL = 1024
# The statistics of the columns are summed in chunks like those of `Problem`.
cdef Py_ssize_t STATISTICS_CHUNKS = 16
cdef Py_ssize_t CHUNK_ENTRIES = 200000
# Time of one multiply-add of a pair of sparse entries, in those of BLAS.
cdef double PAIR = 12.0
# Multiply-adds of BLAS, a third of a second, between two looks for Ctrl-C.
cdef double UNINTERRUPTED = 2e9
cdef enum:
    TILE = 32           # of a matrix that is transposed
# Products of columns that `softmax_hessian` hands to BLAS at a time, at least.
cdef Py_ssize_t PRODUCTS = 256
# Rows that are inspected before the columns of all rows are counted.
cdef Py_ssize_t PROBE = 8


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    # Not -(-a // b): compiled without Python's rounding of negative numbers.
    return (a + b - 1) // b


cdef struct Chunks:
    # n positions of ``order`` cut into chunks, and what is to be summed over them. Of
    # each chunk those before ``begin`` are done, and at most ``step`` are next.
    void* rows
    const Py_ssize_t* order
    Py_ssize_t n, length, begin, step
    const double* weights
    Py_ssize_t stride                   # of the weights
    bint by_row                         # they are those of all rows, not of positions
    const double* centre
    bint dense
    Py_ssize_t block, n_panels
    Py_ssize_t* cursor
    const double* p                     # probabilities
    Py_ssize_t n_outputs
    const double* ones
    double* scratch
    Py_ssize_t scratch_size             # of each thread
    double* sums
    Py_ssize_t sums_size                # of each chunk


cdef inline Py_ssize_t rows_of(
        Chunks* chunks, Py_ssize_t chunk, Py_ssize_t* first) noexcept nogil:
    """Number of rows of a chunk to process next; sets ``first`` to the first of them."""
    first[0] = chunk * chunks.length + chunks.begin
    return min(chunks.n - first[0], min(chunks.step, chunks.length - chunks.begin))


cdef Py_ssize_t rows_per_look(
        double per_row, Py_ssize_t n_chunks, int n_threads,
        Py_ssize_t block) noexcept nogil:
    """Rows of each chunk between two looks for Ctrl-C: whole blocks, so the bits stay."""
    cdef double rows = UNINTERRUPTED * n_threads / n_chunks / max(per_row, 1.0)
    return block * max(1, <Py_ssize_t> (rows / block))


cdef void add_dense(
        Rows rows, const double* h, Py_ssize_t stride, bint by_row,
        const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m, const double* centre,
        Py_ssize_t block, double* scratch, double* gram) noexcept nogil:
    """gram += sum_i h_i x~_i x~_i' over m positions, in one triangle, by BLAS.

    h holds the weights of all rows, or with ``by_row`` false of all positions. gram is
    (d + 1, d + 1); scratch holds block * (d + 2) doubles.
    """
    cdef Py_ssize_t done = 0, part, i, row
    cdef double* B = scratch + block
    cdef int D = <int> rows.n_features + 1, n_rows
    cdef double one = 1.0
    while done < m:
        part = min(block, m - done)
        for i in range(part):
            row = start + done + i
            if by_row and order != NULL:
                row = order[row]
            scratch[i] = 1.0 if h == NULL else sqrt(h[row * stride])
        rows.load_weighted(order, start + done, part, centre, scratch, B)
        n_rows = <int> part
        # Row-major rows are the columns of a column-major matrix.
        dsyrk(b"L", b"N", &D, &n_rows, &one, B, &D, &one, gram, &D)
        done += part


cdef void add_sparse(
        Rows rows, const double* h, Py_ssize_t stride, bint by_row,
        const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m, const double* shift,
        Py_ssize_t n_panels, Py_ssize_t* cursor, double* scratch,
        double* gram) noexcept nogil:
    """The same by pairs of entries, in n_panels passes over the rows.

    Each pass fills rows of the Gram matrix that fit into the cache together.
    cursor holds m numbers, scratch BLOCK + (longest row) doubles.
    """
    cdef Py_ssize_t done, part, i, row, panel, D = rows.n_features + 1, end_column
    memset(cursor, 0, m * sizeof(Py_ssize_t))
    for panel in range(1, n_panels + 1):
        # Equal shares of the triangle.
        end_column = <Py_ssize_t> (D * (1.0 - sqrt(1.0 - panel / <double> n_panels)))
        done = 0
        while done < m:
            part = min(BLOCK, m - done)
            for i in range(part):
                row = start + done + i
                if by_row and order != NULL:
                    row = order[row]
                scratch[i] = 1.0 if h == NULL else h[row * stride]
                if panel == 1:
                    gram[D * D - 1] += scratch[i]
            rows.add_pairs(
                order, start + done, part, end_column, cursor + done, shift, scratch,
                scratch + BLOCK, gram)
            done += part


cdef void finish(
        const double* gram, Py_ssize_t D, const double* residual,
        double* A, double* v) noexcept nogil:
    """Both triangles of the centred matrix A (d, d), and v, from the raw sums.

    An entry above the diagonal may be spread over both triangles of ``gram``.
    With u = sum h x, H = sum h and v = u - H mu, where mu (``residual``) is what has
    not yet been subtracted from the entries:
    sum h (x - mu)(x - mu)' = sum h x x' - H mu mu' - (mu v' + v mu').
    """
    cdef Py_ssize_t j, k, j0 = 0, k0, d = D - 1
    cdef double total = gram[d * D + d], a
    cdef const double* mu = residual
    for j in range(d):
        v[j] = gram[j * D + d] + gram[d * D + j] - total * mu[j]
    # In tiles: a column of a large matrix touches a cache line per entry.
    while j0 < d:
        k0 = j0
        while k0 < d:
            for j in range(j0, min(j0 + TILE, d)):
                for k in range(max(k0, j), min(k0 + TILE, d)):
                    a = gram[j * D + k]
                    if k > j:
                        a = a + gram[k * D + j]
                    a = (a - total * (mu[j] * mu[k])) - (mu[j] * v[k] + v[j] * mu[k])
                    if k == j:
                        a = max(a, 0.0)     # less is rounding
                    A[j * d + k] = a
                    A[k * d + j] = a
            k0 += TILE
        j0 += TILE


cdef void gram_part(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Chunks* c = <Chunks*> arguments
    cdef double* scratch = c.scratch + thread * c.scratch_size
    cdef double* gram = c.sums + chunk * c.sums_size
    cdef Py_ssize_t first, m = rows_of(c, chunk, &first)
    if m <= 0:
        return
    if c.dense:
        add_dense(
            <Rows> c.rows, c.weights, c.stride, c.by_row, c.order, first, m, c.centre,
            c.block, scratch, gram)
    else:
        add_sparse(
            <Rows> c.rows, c.weights, c.stride, c.by_row, c.order, first, m, c.centre,
            c.n_panels, c.cursor + first, scratch, gram)


def active_rows(h, subset):
    """Numbers of the rows with h > 0, of ``subset`` or of all; None means all."""
    if h is None:
        return subset
    chosen = h if subset is None else h[subset]
    if np.count_nonzero(chosen) == len(chosen):
        return subset
    chosen = np.flatnonzero(chosen)
    return chosen if subset is None else subset[chosen]


def full_columns(Rows rows, order):
    """True for the columns of a CSR matrix with an entry in every row of ``order``.

    Few matrices have any, so a few rows are inspected first.
    """
    cdef Py_ssize_t n = rows.n_samples if order is None else len(order)
    step = ceil_div(n, PROBE)
    probe = np.arange(0, n, step) if order is None else order[::step]
    full = count_entries(rows, probe) == len(probe)
    return count_entries(rows, order) == n if full.any() else full


def count_entries(Rows rows, order):
    """Stored entries of each column of a CSR matrix, over rows ``order`` (None: all)."""
    cdef const Py_ssize_t[::1] view
    cdef const Py_ssize_t* numbers = NULL
    cdef Py_ssize_t n = rows.n_samples
    if order is not None:
        view = np.ascontiguousarray(order, dtype=np.intp)
        n = view.shape[0]
        if n:
            numbers = &view[0]
    counts = np.zeros(rows.n_features + 1, dtype=np.intp)
    cdef Py_ssize_t[::1] out = counts
    with nogil:
        rows.count_entries(numbers, 0, n, &out[0])
    return counts[:rows.n_features]


def weighted_gram(Rows rows, h=None, subset=None, centre=None, int n_threads=1,
                  out=None):
    """Weighted second moments of the rows about ``centre``.

    A = sum_i h_i (x_i - mu)(x_i - mu)',  v = sum_i h_i (x_i - mu),  H = sum_i h_i,

    the blocks of the Hessian sum_i h_i x~_i x~_i' in the coefficients and the
    intercept of a model that sees x - mu.

    Parameters
    ----------
    rows : Rows
    h : float64 array of shape (n_samples,) or (len(subset),), default=None
        Weights >= 0, by row number or by position in ``subset``; any stride. None
        means ones. A row of weight zero costs next to nothing.
    subset : intp array, default=None
        Numbers of the rows to sum over; None means all.
    centre : float64 array of shape (n_features,), default=None
        mu; None means zeros.
    n_threads : int, default=1
        The result does not depend on it.
    out : C-contiguous float64 array of shape (n_features, n_features), default=None
        Where A is stored.

    Returns
    -------
    A : ndarray of shape (n_features, n_features)
        Both triangles.
    v : ndarray of shape (n_features,)
    H : float

    Notes
    -----
    Dense rows are centred before they are multiplied, so a mean far from zero costs no
    accuracy. Sparse rows are multiplied entry by entry, sum_i nnz_i^2 / 2 products,
    unless they are so full that BLAS is faster; only columns without zeros are
    centred before, the others by a correction at the end. Takes memory for an
    integer per sparse row and for
    another matrix of A's size, or for up to four with at most 1024 columns.
    """
    cdef Py_ssize_t d = rows.n_features, D = d + 1, n, n_chunks, chunk_rows, chunk
    cdef Py_ssize_t block, size, stride = 1, j, n_panels, longest
    cdef Chunks chunks
    cdef double per_row
    cdef Py_ssize_t[::1] cursor_view
    cdef const double[:] h_view
    cdef const Py_ssize_t[::1] order_view
    cdef const double* h_data = NULL
    cdef const Py_ssize_t* order_data = NULL
    cdef double* A_data
    cdef double* v_data
    cdef double* grams
    cdef const double* mu_data
    cdef const double* residual_data
    cdef bint dense, shifted = False, by_row = True
    mu = np.zeros(d) if centre is None else np.asarray(centre, dtype=np.float64)
    if mu.shape != (d,):
        raise ValueError("centre does not match the columns")
    A = np.empty((d, d)) if out is None else out
    v = np.zeros(d)
    A_data, v_data = entries(A, d, d, True), entries(v, d, 0)
    if h is not None:
        by_row = subset is None or len(h) == rows.n_samples
        if not by_row and len(h) == len(subset):
            if not np.all(h):
                subset, h = subset[h > 0.0], h[h > 0.0]
        elif len(h) != rows.n_samples:
            raise ValueError("h does not match the rows")
        h_view = h
        if h_view.shape[0]:
            h_data = &h_view[0]
            stride = h_view.strides[0] // <Py_ssize_t> sizeof(double)
    order = active_rows(h, subset) if by_row else subset
    n = rows.n_samples
    if order is not None:
        order_view = order
        n = order_view.shape[0]
        if n:
            order_data = &order_view[0]
    if n == 0 or d == 0:
        A[...] = 0.0
        if h is None:
            return A, v, float(n)
        return A, v, float(np.sum(h[order] if by_row and order is not None else h))

    dense, longest, n_panels = True, 0, 1
    if rows.is_sparse:
        indptr = rows.X.indptr
        counts = np.diff(indptr) if order is None else indptr[order + 1] - indptr[order]
        longest = counts.max()
        pairs = 0.5 * float(np.square(counts, dtype=np.float64).sum())
        dense = PAIR * pairs > 0.5 * n * <double> D * D
        n_panels = min(ceil_div(D * D, 2 * BLOCK_ENTRIES), 1 + int(counts.mean()))
    if not dense:
        cursor_view = np.empty(n, dtype=np.intp)
    block = BLOCK
    if dense:
        block = min(n, max(BLOCK, min(MAX_BLOCK, BLOCK_ENTRIES // D)))
        longest = block * D
    residual = np.zeros(d)
    if not dense:
        # Subtracting from the entries themselves loses no digits.
        full = full_columns(rows, order) & (mu != 0.0)
        residual = np.where(full, 0.0, mu)
        mu = np.where(full, mu, 0.0)
        shifted = full.any()
    residual_data, mu_data = entries(residual, d, 0), entries(mu, d, 0)

    n_chunks = 1
    if d <= MAX_PARTIAL:
        n_chunks = max(1, min(MAX_CHUNKS, n // max(CHUNK_ROWS, D)))
    chunk_rows = ceil_div(n, n_chunks)
    n_threads = max(1, min(n_threads, <int> n_chunks))
    size = block + longest
    buffer, sums = np.empty(size * n_threads), np.zeros(n_chunks * D * D)
    grams = entries(sums, n_chunks * D * D, 0)
    chunks.rows, chunks.order, chunks.n = <void*> rows, order_data, n
    chunks.length, chunks.dense, chunks.block = chunk_rows, dense, block
    chunks.weights, chunks.stride, chunks.by_row = h_data, stride, by_row
    chunks.centre = mu_data if dense or shifted else NULL
    chunks.n_panels = n_panels
    chunks.cursor = NULL if dense else &cursor_view[0]
    chunks.scratch, chunks.scratch_size = entries(buffer, size * n_threads, 0), size
    chunks.sums, chunks.sums_size = grams, D * D
    per_row = 0.5 * D * <double> D if dense else PAIR * pairs / n
    chunks.step = rows_per_look(per_row, n_chunks, n_threads, block)
    for chunks.begin in range(0, chunk_rows, chunks.step):
        with nogil:
            parallel_for(gram_part, &chunks, n_chunks, n_threads)
        PyErr_CheckSignals()
    with nogil:
        for chunk in range(1, n_chunks):
            for j in range(D * D):
                grams[j] += grams[chunk * D * D + j]
        finish(grams, D, residual_data, A_data, v_data)
    return A, v, grams[D * D - 1]


cdef void add_products(
        Rows rows, const double* p, bint by_row, Py_ssize_t K, const double* s,
        const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* centre, const double* ones, double* scratch,
        double* sums) noexcept nogil:
    """sums[(j, j'), (k, l)] += sum_i x~_ij x~_ij' s_i p_ik (delta_kl - p_il).

    p are those of all rows, or with ``by_row`` false of all positions.
    Both pairs ascending, (0, 0), (0, 1), ..., (1, 1), ...: the products of the
    coefficients times those of the classes are one matrix product, a quarter of the
    multiply-adds of the whole Hessian. scratch holds
    BLOCK * (D + K (K + 1) / 2 + D + PRODUCTS) doubles, D = n_features + 1.
    """
    cdef Py_ssize_t D = rows.n_features + 1, n_pairs = K * (K + 1) // 2
    cdef Py_ssize_t done = 0, part, i, j, j0, j1, k, e, row, width, place
    cdef double* B = scratch
    cdef double* W = B + BLOCK * D
    cdef double* P = W + BLOCK * n_pairs
    cdef double* w
    cdef double* out
    cdef const double* x
    cdef const double* pi
    cdef double c, one = 1.0
    cdef int n_rows, n_left = <int> n_pairs, n_right
    while done < m:
        part = min(BLOCK, m - done)
        rows.load_weighted(order, start + done, part, centre, ones, B)
        for i in range(part):
            row = start + done + i if order == NULL else order[start + done + i]
            pi = p + (row if by_row else start + done + i) * K
            w = W + i * n_pairs
            for k in range(K):
                c = pi[k] if s == NULL else s[row] * pi[k]
                for e in range(k, K):
                    w[e - k] = -c * pi[e]
                w[0] += c
                w += K - k
        n_rows = <int> part
        j0, place = 0, 0
        while j0 < D:
            j1, width = j0, 0
            while j1 < D and (width == 0 or width + D - j1 <= PRODUCTS):
                width += D - j1
                j1 += 1
            for i in range(part):
                x = B + i * D
                out = P + i * width
                for j in range(j0, j1):
                    c = x[j]
                    for e in range(D - j):
                        out[e] = c * x[j + e]
                    out += D - j
            # Row-major P' W is column-major W' P.
            n_right = <int> width
            dgemm(b"N", b"T", &n_left, &n_right, &n_rows, &one, W, &n_left, P,
                  &n_right, &one, sums + place * n_pairs, &n_left)
            place += width
            j0 = j1
        done += part


cdef void expand(
        const double* sums, Py_ssize_t D, Py_ssize_t K, double* H) noexcept nogil:
    """The symmetric (D K, D K) matrix of the sums of `add_products`."""
    cdef Py_ssize_t j, i, k, e, size = D * K
    cdef const double* pair = sums
    for j in range(D):
        for i in range(j, D):
            for k in range(K):
                for e in range(k, K):
                    H[(j * K + k) * size + i * K + e] = pair[0]
                    H[(j * K + e) * size + i * K + k] = pair[0]
                    H[(i * K + k) * size + j * K + e] = pair[0]
                    H[(i * K + e) * size + j * K + k] = pair[0]
                    pair += 1


cdef void products_part(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Chunks* c = <Chunks*> arguments
    cdef Py_ssize_t first, m = rows_of(c, chunk, &first)
    if m > 0:
        add_products(
            <Rows> c.rows, c.p, c.by_row, c.n_outputs, c.weights, c.order, first, m,
            c.centre, c.ones, c.scratch + thread * c.scratch_size,
            c.sums + chunk * c.sums_size)


def softmax_hessian(Rows rows, p, sample_weight=None, subset=None, centre=None,
                    int n_threads=1):
    """Hessian of the sum of the softmax losses of the rows.

    H[(j, k), (j', l)] = sum_i s_i p_ik (delta_kl - p_il) x~_ij x~_ij',
    x~_i = (x_i - centre, 1) (Boehning 1992, equation 2.2).

    Parameters
    ----------
    rows : Rows
    p : C-contiguous float64 array of shape (n_samples or len(subset), n_classes)
        Probabilities, by row number or by position in ``subset``.
    sample_weight : C-contiguous float64 array of shape (n_samples,), default=None
        Weights >= 0, by row number; None means ones.
    subset : intp array, default=None
        Numbers of the rows to sum over; None means all.
    centre : float64 array of shape (n_features,), default=None
        None means zeros.
    n_threads : int, default=1
        The result does not depend on it.

    Returns
    -------
    H : ndarray of shape (size, size), size = (n_features + 1) * n_classes
        In the order of ``coef.ravel()``, coef of shape (n_features + 1, n_classes).
        Adding a constant to the coefficients of all classes changes no probability:
        H is singular in n_features + 1 directions.

    Notes
    -----
    n D^2 K^2 / 4 multiply-adds of BLAS, D = n_features + 1; sparse rows are made dense
    block by block. Takes memory for a quarter of H besides, or for a whole one
    where that is small.
    """
    cdef Py_ssize_t d = rows.n_features, D = d + 1, K, n = rows.n_samples, n_chunks
    cdef Py_ssize_t chunk, chunk_rows, size, n_sums, j
    cdef Chunks chunks
    cdef const double[:, ::1] p_view = p
    cdef const double[::1] s_view, mu_view, ones_view
    cdef const Py_ssize_t[::1] order_view
    cdef const double* s = NULL
    cdef const Py_ssize_t* order = NULL
    cdef double[::1] scratch, sums
    cdef double[:, ::1] H_view
    cdef bint by_row
    K = p_view.shape[1]
    mu = np.zeros(D)
    if centre is not None:
        mu[:d] = centre
    mu_view = mu
    ones_view = np.ones(BLOCK)
    by_row = subset is None or p_view.shape[0] != len(subset)
    if by_row and p_view.shape[0] != n:
        raise ValueError("p does not match the rows")
    if sample_weight is not None:
        s_view = sample_weight
        if s_view.shape[0] != n:
            raise ValueError("sample_weight does not match the rows")
        s = &s_view[0]
    chosen = active_rows(sample_weight, subset) if by_row else subset
    if chosen is not None:
        order_view = chosen
        n = order_view.shape[0]
        if n:
            order = &order_view[0]
    H = np.zeros((D * K, D * K))
    if n == 0:
        return H
    H_view = H
    n_sums = (D * (D + 1) // 2) * (K * (K + 1) // 2)
    n_chunks = 1
    if D * K <= MAX_PARTIAL:
        n_chunks = max(1, min(MAX_CHUNKS, n // max(CHUNK_ROWS, D * K)))
    chunk_rows = ceil_div(n, n_chunks)
    n_threads = max(1, min(n_threads, <int> n_chunks))
    size = BLOCK * (2 * D + K * (K + 1) // 2 + PRODUCTS)
    scratch = np.empty(size * n_threads)
    sums = np.zeros(n_chunks * n_sums)
    chunks.rows, chunks.order, chunks.n = <void*> rows, order, n
    chunks.length, chunks.weights, chunks.by_row = chunk_rows, s, by_row
    chunks.p, chunks.n_outputs = &p_view[0, 0], K
    chunks.centre, chunks.ones = &mu_view[0], &ones_view[0]
    chunks.scratch, chunks.scratch_size = &scratch[0], size
    chunks.sums, chunks.sums_size = &sums[0], n_sums
    chunks.step = rows_per_look(n_sums, n_chunks, n_threads, BLOCK)
    for chunks.begin in range(0, chunk_rows, chunks.step):
        with nogil:
            parallel_for(products_part, &chunks, n_chunks, n_threads)
        PyErr_CheckSignals()
    with nogil:
        for chunk in range(1, n_chunks):
            for j in range(n_sums):
                sums[j] += sums[chunk * n_sums + j]
        expand(&sums[0], D, K, &H_view[0, 0])
    return H


cdef double add_moments(
        Rows rows, const double* s, const Py_ssize_t* order, Py_ssize_t start,
        Py_ssize_t m, const double* shift, double* scratch,
        double* sums) noexcept nogil:
    """`Rows.add_moments` by blocks, with weights by row number; their sum.

    scratch holds BLOCK doubles.
    """
    cdef Py_ssize_t done = 0, part, i, row
    cdef double total = 0.0
    while done < m:
        part = min(BLOCK, m - done)
        for i in range(part):
            row = start + done + i if order == NULL else order[start + done + i]
            scratch[i] = 1.0 if s == NULL else s[row]
            total += scratch[i]
        rows.add_moments(order, start + done, part, shift, scratch, sums)
        done += part
    return total


cdef void moments_part(void* arguments, Py_ssize_t chunk, int thread) noexcept nogil:
    cdef Chunks* c = <Chunks*> arguments
    cdef double* sums = c.sums + chunk * c.sums_size
    cdef Py_ssize_t first, m = rows_of(c, chunk, &first)
    sums[0] = add_moments(
        <Rows> c.rows, c.weights, c.order, first, m, c.centre,
        c.scratch + thread * c.scratch_size, sums + 1)


def column_statistics(Rows rows, sample_weight=None, subset=None, int n_threads=1,
                      numbers=None):
    """Weighted mean and variance of the columns, in one pass over X.

    mean_j = sum_i s_i x_ij / sum_i s_i,  var_j = sum_i s_i (x_ij - mean_j)^2 / sum_i s_i.

    Parameters
    ----------
    rows : Rows
    sample_weight : C-contiguous float64 array of shape (n_samples,), default=None
        By row number; None means ones. Their sum over the rows must not be zero.
    subset : intp array, default=None
        Numbers of the rows that count, at least one; None means all.
    n_threads : int, default=1
        The result does not depend on it.
    numbers : int array of shape (n_features,), default=None
        What a message calls the columns; None means 0, 1, 2, ...

    Returns
    -------
    total : float
        Sum of the weights.
    mean, var : ndarrays of shape (n_features,)
        A variance that is only rounding error is zero.

    Raises
    ------
    ValueError
        If the square of a value overflows.

    Notes
    -----
    Entries are shifted by those of the first row before squaring, so a mean far from
    zero costs no accuracy. The entries that a sparse column does not store are a group
    of their own, merged by the formula of Chan, Golub and LeVeque (1983).
    """
    cdef Py_ssize_t d = rows.n_features, n = rows.n_samples, n_chunks, chunk_rows
    cdef Py_ssize_t chunk, size = 3 * d + 1, j
    cdef const double[::1] s_view
    cdef const Py_ssize_t[::1] order_view
    cdef const double* s = NULL
    cdef const Py_ssize_t* order = NULL
    cdef double* sums
    cdef double* mean
    cdef double* shift
    cdef Chunks chunks
    if sample_weight is not None:
        s_view = sample_weight
        if s_view.shape[0] != n:
            raise ValueError("sample_weight does not match the rows")
        s = &s_view[0]
    if subset is not None:
        order_view = subset
        order = &order_view[0]
        n = order_view.shape[0]
    per_row = max(1, rows.total_entries(subset) // n)
    chunk_rows = max(
        ceil_div(max(CHUNK_ENTRIES, 16 * size), per_row),
        ceil_div(n, STATISTICS_CHUNKS))
    n_chunks = ceil_div(n, chunk_rows)
    n_threads = max(1, min(n_threads, <int> n_chunks))
    length = n_chunks * size + d + 1 + n_threads * BLOCK
    buffer, moments = np.zeros(length), np.empty(2 * d)
    sums, mean = entries(buffer, length, 0), entries(moments, 2 * d, 0)
    shift = sums + n_chunks * size
    chunks.rows, chunks.order, chunks.n = <void*> rows, order, n
    chunks.length, chunks.begin, chunks.step = chunk_rows, 0, chunk_rows
    chunks.weights, chunks.centre = s, shift
    chunks.scratch, chunks.scratch_size = shift + d + 1, BLOCK
    chunks.sums, chunks.sums_size = sums, size
    with nogil:
        rows.densify(order, 0, 1, n, shift)
        parallel_for(moments_part, &chunks, n_chunks, n_threads)
        for chunk in range(1, n_chunks):
            for j in range(size):
                sums[j] += sums[chunk * size + j]
    column = to_statistics(sums, shift, rows.is_sparse, mean, mean + d, d)
    if column >= 0:
        number = column if numbers is None else numbers[column]
        raise ValueError(
            f"X: the values of column {number} are so large that their squares "
            "overflow float64. Scale this column."
        )
    return sums[0], moments[:d], moments[d:]


cdef Py_ssize_t to_statistics(
        const double* sums, const double* shift, bint sparse, double* mean,
        double* var, Py_ssize_t d) noexcept nogil:
    """Mean and variance from what `add_moments` has summed, after the total.

    Returns the number of a column whose squares overflow, or -1.
    """
    cdef Py_ssize_t j
    cdef double total = sums[0], stored = total, first, second, share, noise
    for j in range(d):
        if sparse:
            stored, first, second = sums[1 + 3 * j], sums[2 + 3 * j], sums[3 + 3 * j]
        else:
            first, second = sums[1 + j], sums[1 + d + j]
        first = first / stored if stored > 0.0 else 0.0
        second = second / stored if stored > 0.0 else 0.0
        share = stored / total
        mean[j] = shift[j] + first
        second += (1.0 - share) * mean[j] * mean[j]
        var[j] = share * (second - first * first)
        mean[j] *= share
        if not isfinite(var[j]):
            return j
        noise = 1e-12 * share * second + (1e-14 * mean[j]) * (1e-14 * mean[j])
        if not var[j] > noise:
            var[j] = 0.0
    return -1
