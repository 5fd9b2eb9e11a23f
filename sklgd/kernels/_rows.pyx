"""The data layer: rows of X, dense or CSR, float32 or float64.

This is the only file that knows the storage of X. Every other kernel works in
float64. The branch over storage is taken once per batch, never per element
(a virtual method with a fused argument would silently not be overridden,
cython#3607, hence one class and plain dispatch).

Shapes: m rows of a batch, d = n_features, K = n_outputs. Coefficients are
stored feature-major as (d + 1, K); the last row is the intercept. ``order``
maps positions to row numbers; NULL means the natural order. Nothing here is
checked: callers pass valid row and column numbers and buffers of the right size.
"""
from sklgd.kernels cimport _numpy as cnp
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

import numpy as np

from sklgd.kernels._penalty cimport soft
from sklgd.kernels._prefetch cimport LINE, sklgd_prefetch

cdef extern from "dense.h":
    const sklgd_dense_kernels* sklgd_dense(int is_float32) noexcept nogil

cdef extern from "records.h":
    void sklgd_lagged_l1(
        const double* a, const double* b, double l1_sum, double* out) noexcept nogil

cdef extern from "outputs.h":
    const Py_ssize_t FEW "FEW_OUTPUTS"
    const sklgd_output_kernels* sklgd_outputs(
        int is_float32, Py_ssize_t K) noexcept nogil

cdef extern from "float32_rows.h":
    const sklgd_float32_kernels* sklgd_float32() noexcept nogil

cdef extern from "sparse.h":
    const sklgd_sparse_kernels* sklgd_sparse(
        int is_float32, int is_int64, Py_ssize_t K) noexcept nogil

cnp.import_array()

# Rows in random order lie in memory, not in a cache. Prefetching a row eight rows early
# hides part of the delay: a shuffled epoch of single rows, 200000 x 30, took
# 14 to 40 ms in place of 51 ms (in the natural order 8 ms).
cdef enum:
    AHEAD = 8
    MAX_LINES = 16      # most cache lines of a row that are prefetched
    # Entries from a prefetch of a single coefficient to its use (16 to 64 take equal time
    # on a million columns).
    FAR = 48
    MANY = 262144       # features from which on it pays, if the columns are not like text
    CACHED = 32768      # coefficients that need not be prefetched: they stay in L2
    PANEL = 256         # columns whose moments are summed at a time

ctypedef fused real:
    float
    double

ctypedef fused index_t:
    int32_t
    int64_t


cdef inline void prefetch(const void* first, Py_ssize_t n_bytes) noexcept nogil:
    # From the start of a cache line on: a row rarely begins there, and its last
    # line would be missed.
    cdef size_t line = <size_t> first & ~(<size_t> LINE - 1)
    cdef size_t end = <size_t> first + min(n_bytes, MAX_LINES * LINE)
    while line < end:
        sklgd_prefetch(<const void*> line)
        line += LINE


cdef inline Py_ssize_t row_at(
        const Py_ssize_t* order, Py_ssize_t i) noexcept nogil:
    return i if order == NULL else order[i]


cdef void dense_load(
        const real* X, const void* _, const void* __, Py_ssize_t d,
        const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m, Py_ssize_t end,
        double* buffer) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef const real* x
    for i in range(m):
        if order != NULL and start + i + AHEAD < end:
            prefetch(X + order[start + i + AHEAD] * d, d * sizeof(real))
        x = X + row_at(order, start + i) * d
        for j in range(d):
            buffer[i * d + j] = x[j]


cdef void sparse_ask(
        const real* data, const index_t* indices, const index_t* indptr,
        const Py_ssize_t* order, Py_ssize_t position, Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t row, count
    if position + 3 * AHEAD < end:
        sklgd_prefetch(indptr + row_at(order, position + 3 * AHEAD))
    if position + AHEAD < end:
        row = row_at(order, position + AHEAD)
        count = indptr[row + 1] - indptr[row]
        prefetch(data + indptr[row], count * sizeof(real))
        prefetch(indices + indptr[row], count * sizeof(index_t))


cdef void sparse_ask_features(
        const index_t* indices, const index_t* indptr, Py_ssize_t row,
        const double* array, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t p
    for p in range(indptr[row], indptr[row + 1]):
        sklgd_prefetch(array + indices[p] * K)


cdef inline double sparse_sum(
        const real* x, const index_t* column, Py_ssize_t count,
        const double* w) noexcept nogil:
    """sum_p x_p w[column_p], one after the other.

    In the order of several outputs: F of one model has the bits that it has where it is
    found for several epochs at once.
    """
    cdef Py_ssize_t p
    cdef double total = 0.0
    for p in range(count):
        total += x[p] * w[column[p]]
    return total


cdef inline void ask_far(
        const index_t* indices, Py_ssize_t first, Py_ssize_t stop, Py_ssize_t known,
        const double* array, Py_ssize_t stride) noexcept nogil:
    """Prefetch what belongs to the features FAR entries after these, before ``known``."""
    cdef Py_ssize_t p
    for p in range(first + FAR, min(known, stop + FAR)):
        sklgd_prefetch(array + indices[p] * stride)


cdef void sparse_forward(
        const real* data, const index_t* indices, const index_t* indptr,
        Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, const double* coef, Py_ssize_t K, double scale,
        const sklgd_sparse_kernels* outputs, double* z) noexcept nogil:
    cdef Py_ssize_t i, k, row, first, count, known = 0
    for i in range(m):
        if order != NULL:
            sparse_ask(data, indices, indptr, order, start + i, end)
        row = row_at(order, start + i)
        first = indptr[row]
        count = indptr[row + 1] - first
        if K == 1:
            if order == NULL and d > MANY:
                ask_far(indices, first, first + count, indptr[end], coef, 1)
            elif d > MANY and i + 1 < m:
                sparse_ask_features(
                    indices, indptr, row_at(order, start + i + 1), coef, 1)
            z[i] = scale * sparse_sum(data + first, indices + first, count, coef) + coef[d]
            continue
        if d * K > CACHED:
            # In the natural order the entries of the next rows come next in memory.
            known = indptr[end] - first if order == NULL else count
        outputs.forward(data + first, indices + first, count, known, coef, K, K, z + i * K)
        for k in range(K):
            z[i * K + k] = scale * z[i * K + k] + coef[d * K + k]


cdef void sparse_lagged_forward(
        const real* data, const index_t* indices, const index_t* indptr,
        const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m, Py_ssize_t end,
        double* records, double l1_sum, const double* intercept, Py_ssize_t K,
        double scale, const sklgd_sparse_kernels* outputs, double* z) noexcept nogil:
    cdef Py_ssize_t i, k, p, row
    cdef double missed
    cdef double* record
    for i in range(m):
        if order != NULL:
            sparse_ask(data, indices, indptr, order, start + i, end)
        if start + i + 2 < end:
            sparse_ask_features(
                indices, indptr, row_at(order, start + i + 2), records, K + 1)
        row = row_at(order, start + i)
        z[i * K] = 0.0
        for p in range(indptr[row], indptr[row + 1]):
            record = records + indices[p] * (K + 1)
            missed = l1_sum - record[0]
            if missed > 0.0:
                record[0] = l1_sum
                for k in range(K):
                    record[1 + k] = soft(record[1 + k], missed)
            if K == 1:
                z[i] += data[p] * record[1]
        if K > 1:
            p = indptr[row]
            outputs.forward(data + p, indices + p, indptr[row + 1] - p, 0, records + 1,
                            K + 1, K, z + i * K)
        for k in range(K):
            z[i * K + k] = scale * z[i * K + k] + intercept[k]


cdef inline void sparse_ask_row(
        const real* data, const index_t* indices, const index_t* indptr,
        Py_ssize_t row) noexcept nogil:
    cdef Py_ssize_t count = indptr[row + 1] - indptr[row]
    prefetch(data + indptr[row], count * sizeof(real))
    prefetch(indices + indptr[row], count * sizeof(index_t))


cdef inline double sparse_dot(
        const real* x, const index_t* column, Py_ssize_t count, const double* w,
        ) noexcept nogil:
    """sum_p x_p w[column_p] with four partial sums, as additions wait for each other."""
    cdef double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0
    cdef Py_ssize_t p = 0
    while p + 4 <= count:
        s0 += x[p] * w[column[p]]
        s1 += x[p + 1] * w[column[p + 1]]
        s2 += x[p + 2] * w[column[p + 2]]
        s3 += x[p + 3] * w[column[p + 3]]
        p += 4
    while p < count:
        s0 += x[p] * w[column[p]]
        p += 1
    return (s0 + s2) + (s1 + s3)


cdef inline double sparse_lagged_dot(
        const real* x, const index_t* column, Py_ssize_t count, const double* records,
        double l1_sum, double* current) noexcept nogil:
    """The same after the lagged l1 thresholds of these features; see `sklgd_sgd`.

    ``current`` takes their coefficients; the records do not change.
    """
    cdef double s0 = 0.0, s1 = 0.0
    cdef Py_ssize_t p = 0
    while p + 2 <= count:
        sklgd_lagged_l1(
            records + 2 * column[p], records + 2 * column[p + 1], l1_sum, current + p)
        s0 += x[p] * current[p]
        s1 += x[p + 1] * current[p + 1]
        p += 2
    if p < count:
        current[p] = soft(
            records[2 * column[p] + 1], l1_sum - records[2 * column[p]])
        s0 += x[p] * current[p]
    return s0 + s1


cdef double square_of(const real* data, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    cdef double total = 0.0
    cdef Py_ssize_t p
    for p in range(first, first + count):
        total += <double> data[p] * data[p]
    return total


cdef void add_row_penalised(
        const real* data, const index_t* indices, Py_ssize_t first, Py_ssize_t count,
        const double* g, Py_ssize_t K, double due, double scale, double* paid,
        double* w, double stored_share, double* average) noexcept nogil:
    """w += x g', then the cumulative l1 penalty of these features; see `Rows`.

    ``indices`` is NULL for a dense row.
    """
    cdef Py_ssize_t p, k, i
    cdef double moved, left, unit = 1.0 / scale
    for p in range(first, first + count):
        i = (p - first if indices == NULL else <Py_ssize_t> indices[p]) * K
        for k in range(K):
            moved = w[i] + g[k] * data[p]
            left = sklgd_penalised(moved, due, paid[i], unit)
            paid[i] += scale * (left - moved)
            if average != NULL:
                average[i] -= stored_share * (left - w[i])
            w[i] = left
            i += 1


cdef void sparse_descend(
        const real* data, const index_t* indices, const index_t* indptr, Py_ssize_t d,
        const sklgd_walk* walk, sklgd_sgd* sgd) noexcept nogil:
    cdef double* w = sgd.coef
    cdef double* records = sgd.records
    cdef double scale = sgd.scale, l1_sum = sgd.l1_sum, due = sgd.due
    cdef double intercept = w[d], eta, z, g, c, square
    cdef Py_ssize_t i, j, p, row, first, count, last = walk.start + walk.m
    cdef Py_ssize_t ahead = walk.ahead if walk.ahead > 0 else AHEAD
    for i in range(walk.start, last):
        if walk.fetch != NULL:
            if i + 3 * ahead < last:
                sklgd_prefetch(indptr + walk.fetch[i + 3 * ahead])
            if i + ahead < last:
                sparse_ask_row(data, indices, indptr, walk.fetch[i + ahead])
        row = row_at(walk.visit, i)
        first = indptr[row]
        count = indptr[row + 1] - first
        eta = walk.etas[i - walk.start]
        if records == NULL:
            z = sparse_dot(data + first, indices + first, count, w)
        else:
            z = sparse_lagged_dot(
                data + first, indices + first, count, records, l1_sum, sgd.current)
        z = scale * z + intercept
        g = sgd.gradient(sgd.loss, walk.y[row], z)
        if g > sgd.limit or g < -sgd.limit:
            g = sgd.limit if g > 0.0 else -sgd.limit
        if sgd.aggressive:
            square = square_of(data, first, count)
            g *= sklgd_aggression(
                sgd.aggressive, eta, sgd.value(sgd.loss, walk.y[row], z), square)
            if sgd.aggressive == 1 and square == 0.0:
                eta = 0.0
        if walk.s != NULL:
            g *= walk.s[row]
        scale = sklgd_decayed(scale, eta, sgd.l2)
        if scale < SMALLEST_SCALE:
            for j in range(d):
                if records == NULL:
                    w[j] *= scale
                else:
                    records[2 * j + 1] = scale * soft(
                        records[2 * j + 1], l1_sum - records[2 * j])
                    records[2 * j] = 0.0
            if records != NULL:
                for p in range(count):
                    sgd.current[p] *= scale
            l1_sum, scale = 0.0, 1.0
        c = 0.0
        if g != 0.0:
            if sgd.fit_intercept:
                intercept += -eta * sgd.intercept_rate * g
            c = (-eta / scale) * g
        if records != NULL:
            for p in range(count):
                j = 2 * indices[first + p]
                records[j], records[j + 1] = l1_sum, sgd.current[p] + c * data[first + p]
        elif sgd.paid != NULL:
            due += eta * sgd.l1
            add_row_penalised(data, indices, first, count, &c, 1, due, scale, sgd.paid,
                              w, 0.0, NULL)
        elif c != 0.0:
            for p in range(first, first + count):
                w[indices[p]] += c * data[p]
        if records != NULL:
            l1_sum += eta * sgd.l1 / scale
    sgd.scale, sgd.l1_sum, sgd.due = scale, l1_sum, due
    w[d] = intercept


cdef void sparse_backward(
        const real* data, const index_t* indices, const index_t* indptr,
        const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* g, Py_ssize_t K, Py_ssize_t stride,
        const sklgd_sparse_kernels* outputs, bint far, double* out) noexcept nogil:
    cdef Py_ssize_t i, p, row, count
    cdef double c
    for i in range(m):
        row = row_at(order, start + i)
        if K == 1:
            c = g[i]
            if c == 0.0:
                continue
            if far and order == NULL:
                ask_far(indices, indptr[row], indptr[row + 1], indptr[start + m], out, stride)
            for p in range(indptr[row], indptr[row + 1]):
                out[indices[p] * stride] += c * data[p]
            continue
        p = indptr[row]
        count = indptr[row + 1] - p
        outputs.backward(data + p, indices + p, count, count if far else 0, g + i * K,
                         stride, K, out)


cdef void sparse_entries(
        const real* data, const index_t* indices, const index_t* indptr,
        const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t* first, Py_ssize_t* columns, double* values) noexcept nogil:
    cdef Py_ssize_t i, p, row, count = 0
    for i in range(m):
        if order != NULL:
            sparse_ask(data, indices, indptr, order, start + i, start + m)
        row = row_at(order, start + i)
        first[i] = count
        for p in range(indptr[row], indptr[row + 1]):
            columns[count] = indices[p]
            values[count] = data[p]
            count += 1
    first[m] = count


cdef void sparse_copy(
        const real* data, const index_t* indices, const index_t* indptr,
        const Py_ssize_t* rows, Py_ssize_t m, real* new_data, index_t* new_indices,
        const index_t* new_indptr, Py_ssize_t begin) noexcept nogil:
    cdef Py_ssize_t i, first, count, new
    for i in range(m):
        first, new = indptr[rows[i]], new_indptr[begin + i]
        count = indptr[rows[i] + 1] - first
        memcpy(new_data + new, data + first, count * sizeof(real))
        memcpy(new_indices + new, indices + first, count * sizeof(index_t))


cdef void sparse_load(
        const real* data, const index_t* indices, const index_t* indptr,
        Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, double* buffer) noexcept nogil:
    cdef Py_ssize_t i, p, row
    memset(buffer, 0, m * d * sizeof(double))
    for i in range(m):
        row = row_at(order, start + i)
        for p in range(indptr[row], indptr[row + 1]):
            buffer[i * d + indices[p]] = data[p]


cdef void dense_load_weighted(
        const real* X, const void* _, const void* __, Py_ssize_t d,
        const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m, const double* centre,
        const double* root, double* buffer) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double r
    cdef const real* x
    cdef double* out
    for i in range(m):
        if order != NULL and i + AHEAD < m:
            prefetch(X + order[start + i + AHEAD] * d, d * sizeof(real))
        x = X + row_at(order, start + i) * d
        out = buffer + i * (d + 1)
        r = root[i]
        for j in range(d):
            out[j] = r * (x[j] - centre[j])
        out[d] = r


cdef void sparse_load_weighted(
        const real* data, const index_t* indices, const index_t* indptr,
        Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* centre, const double* root, double* buffer) noexcept nogil:
    cdef Py_ssize_t i, j, p, row
    cdef double r
    cdef double* out
    for i in range(m):
        row = row_at(order, start + i)
        out = buffer + i * (d + 1)
        r = root[i]
        for j in range(d):
            out[j] = -r * centre[j]
        for p in range(indptr[row], indptr[row + 1]):
            out[indices[p]] = r * (data[p] - centre[indices[p]])
        out[d] = r


cdef void sparse_add_pairs(
        const real* data, const index_t* indices, const index_t* indptr,
        Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end_column, Py_ssize_t* cursor, const double* shift,
        const double* h, double* values, double* gram) noexcept nogil:
    cdef Py_ssize_t i, p, q, row, count
    cdef double c
    cdef double* out
    cdef const index_t* column
    cdef const real* x
    for i in range(m):
        row = row_at(order, start + i)
        column = indices + indptr[row]
        x = data + indptr[row]
        count = indptr[row + 1] - indptr[row]
        p = cursor[i]
        if p == count or column[p] >= end_column:
            continue
        if shift != NULL:
            for q in range(p, count):
                values[q] = x[q] - shift[column[q]]
        while p < count and column[p] < end_column:
            out = gram + column[p] * (d + 1)
            if shift != NULL:
                c = h[i] * values[p]
                for q in range(p, count):
                    out[column[q]] += c * values[q]
            else:
                c = h[i] * x[p]
                for q in range(p, count):
                    out[column[q]] += c * x[q]
            out[d] += c
            p += 1
        cursor[i] = p


cdef void sparse_count(
        const index_t* indices, const index_t* indptr, const Py_ssize_t* order,
        Py_ssize_t start, Py_ssize_t m, Py_ssize_t* counts) noexcept nogil:
    cdef Py_ssize_t i, p, row
    for i in range(m):
        row = row_at(order, start + i)
        for p in range(indptr[row], indptr[row + 1]):
            counts[indices[p]] += 1


cdef void dense_moments(
        const real* X, const void* _, const void* __, Py_ssize_t d,
        const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m, const double* shift,
        const double* s, double* sums) noexcept nogil:
    # Four rows at a time, so that the sums are rarely loaded and stored, and a panel
    # of columns at a time, whose sums stay in the L1 cache (as local arrays, so that
    # the compiler knows that they are nobody else's).
    cdef double[PANEL] c, f, g
    cdef Py_ssize_t i, j, j0 = 0, w
    cdef double t0, t1, t2, t3, a0, a1, a2, a3, s0, s1, s2, s3
    cdef const real* x0
    cdef const real* x1
    cdef const real* x2
    cdef const real* x3
    while j0 < d:
        w = min(PANEL, d - j0)
        for j in range(w):
            c[j] = shift[j0 + j]
            f[j] = g[j] = 0.0
        i = 0
        while i + 4 <= m:
            if i + 12 <= m:
                for j in range(8, 12):
                    prefetch(X + row_at(order, start + i + j) * d + j0, w * sizeof(real))
            x0 = X + row_at(order, start + i) * d + j0
            x1 = X + row_at(order, start + i + 1) * d + j0
            x2 = X + row_at(order, start + i + 2) * d + j0
            x3 = X + row_at(order, start + i + 3) * d + j0
            s0, s1, s2, s3 = s[i], s[i + 1], s[i + 2], s[i + 3]
            for j in range(w):
                t0 = x0[j] - c[j]
                t1 = x1[j] - c[j]
                t2 = x2[j] - c[j]
                t3 = x3[j] - c[j]
                a0 = s0 * t0
                a1 = s1 * t1
                a2 = s2 * t2
                a3 = s3 * t3
                f[j] += (a0 + a1) + (a2 + a3)
                g[j] += (a0 * t0 + a1 * t1) + (a2 * t2 + a3 * t3)
            i += 4
        while i < m:
            x0 = X + row_at(order, start + i) * d + j0
            for j in range(w):
                t0 = x0[j] - c[j]
                a0 = s[i] * t0
                f[j] += a0
                g[j] += a0 * t0
            i += 1
        for j in range(w):
            sums[j0 + j] += f[j]
            sums[d + j0 + j] += g[j]
        j0 += w


cdef void sparse_moments(
        const real* data, const index_t* indices, const index_t* indptr, Py_ssize_t d,
        const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* shift, const double* s, double* sums) noexcept nogil:
    cdef Py_ssize_t i, p, row
    cdef double t, a
    cdef double* out
    for i in range(m):
        row = row_at(order, start + i)
        if order == NULL and d > MANY:
            ask_far(indices, indptr[row], indptr[row + 1], indptr[start + m], sums, 3)
        for p in range(indptr[row], indptr[row + 1]):
            t = data[p] - shift[indices[p]]
            a = s[i] * t
            out = sums + 3 * indices[p]
            out[0] += s[i]
            out[1] += a
            out[2] += a * t


# The loops above for one type of entries and of indices. In the table they take untyped
# pointers; all pointers to data have one representation, so the call is the same.
cdef RowFunctions dense_functions(const real* _) noexcept:
    cdef RowFunctions out
    memset(&out, 0, sizeof(out))
    out.load = <load_function> dense_load[real]
    out.load_weighted = <load_weighted_function> dense_load_weighted[real]
    out.moments = <moments_function> dense_moments[real]
    out.square = <square_function> square_of[real]
    out.add_penalised = <penalised_function> add_row_penalised[real, int32_t]
    return out


cdef RowFunctions sparse_functions(const real* _, const index_t* __) noexcept:
    cdef RowFunctions out
    out.load = <load_function> sparse_load[real, index_t]
    out.load_weighted = <load_weighted_function> sparse_load_weighted[real, index_t]
    out.moments = <moments_function> sparse_moments[real, index_t]
    out.square = <square_function> square_of[real]
    out.add_penalised = <penalised_function> add_row_penalised[real, index_t]
    out.forward = <forward_function> sparse_forward[real, index_t]
    out.backward = <backward_function> sparse_backward[real, index_t]
    out.descend = <descend_function> sparse_descend[real, index_t]
    out.lagged_forward = <lagged_forward_function> sparse_lagged_forward[real, index_t]
    out.ask = <ask_function> sparse_ask[real, index_t]
    out.ask_features = <ask_features_function> sparse_ask_features[index_t]
    out.add_pairs = <add_pairs_function> sparse_add_pairs[real, index_t]
    out.count = <count_function> sparse_count[index_t]
    out.entries = <entries_function> sparse_entries[real, index_t]
    out.copy = <copy_function> sparse_copy[real, index_t]
    return out


cdef RowFunctions choose_functions(
        bint is_sparse, bint is_float32, bint is_int64) noexcept:
    cdef const float* f = NULL
    cdef const double* d = NULL
    cdef const int32_t* i = NULL
    cdef const int64_t* q = NULL
    if not is_sparse:
        return dense_functions(f) if is_float32 else dense_functions(d)
    if is_int64:
        return sparse_functions(f, q) if is_float32 else sparse_functions(d, q)
    return sparse_functions(f, i) if is_float32 else sparse_functions(d, i)


cdef class Rows:
    """A read-only view of X; keeps X alive and never copies it.

    Parameters
    ----------
    X : ndarray or CSR matrix or array of shape (n_samples, n_features)
        float32 or float64; an ndarray must be C-contiguous. CSR indices and
        indptr share one dtype, int32 or int64, and lie inside the shape.
        Read-only buffers and memory maps are fine.

    Raises
    ------
    TypeError
        If the storage is none of these (the estimators convert before).
    """

    def __cinit__(self, X):
        cdef cnp.ndarray values
        self.X = X
        self.is_sparse = not isinstance(X, np.ndarray)
        self.n_samples, self.n_features = X.shape
        values = X.data if self.is_sparse else X
        if values.dtype not in (np.float32, np.float64):
            raise TypeError(f"X must be float32 or float64, got {values.dtype}")
        if not values.flags.c_contiguous:
            raise TypeError("X must be C-contiguous")
        self.is_float32 = values.dtype == np.float32
        self.dense = sklgd_dense(self.is_float32)
        self.few_outputs = sklgd_outputs(self.is_float32, FEW)
        self.many_outputs = sklgd_outputs(self.is_float32, FEW + 1)
        self.float32 = NULL
        if self.is_float32 and not self.is_sparse:
            self.float32 = sklgd_float32()
        self.data = cnp.PyArray_DATA(values)
        self.indices = NULL
        self.indptr = NULL
        if self.is_sparse:
            if X.format != "csr" or X.indices.dtype != X.indptr.dtype or (
                X.indices.dtype not in (np.int32, np.int64)
            ):
                raise TypeError("sparse X must be CSR with int32 or int64 indices")
            self.is_int64 = X.indices.dtype == np.int64
            self.few_sparse = sklgd_sparse(self.is_float32, self.is_int64, FEW)
            self.many_sparse = sklgd_sparse(self.is_float32, self.is_int64, FEW + 1)
            self.indices = cnp.PyArray_DATA(<cnp.ndarray> X.indices)
            self.indptr = cnp.PyArray_DATA(<cnp.ndarray> X.indptr)
        self.storage = choose_functions(self.is_sparse, self.is_float32, self.is_int64)

    cdef void densify(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Py_ssize_t end, double* buffer) noexcept nogil:
        """Copy m rows into ``buffer`` (m, d), a dense float64 block of the caller."""
        self.storage.load(
            self.data, self.indices, self.indptr, self.n_features, order, start, m, end,
            buffer)

    cdef const sklgd_output_kernels* kernels(self, Py_ssize_t K) noexcept nogil:
        return self.few_outputs if K <= FEW else self.many_outputs

    cdef const sklgd_sparse_kernels* sparse(self, Py_ssize_t K) noexcept nogil:
        return self.few_sparse if K <= FEW else self.many_sparse

    cdef void forward(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Py_ssize_t end, const double* coef, Py_ssize_t K, double scale,
            double* z) noexcept nogil:
        """z = scale * X_b W + b, shape (m, K), overwritten.

        Rows that come after these, before position ``end``, may be prefetched.
        """
        cdef Py_ssize_t d = self.n_features
        if self.is_sparse:
            self.storage.forward(
                self.data, self.indices, self.indptr, d, order, start, m, end, coef, K,
                scale, self.sparse(K), z)
        elif K > 1:
            self.kernels(K).forward(
                self.data, d, order, start, m, end, coef, K, scale, z)
        else:
            self.dense.forward(self.data, d, order, start, m, end, coef, scale, z)

    def empty_models(self, Py_ssize_t n_models, Py_ssize_t K):
        """An array for coefficients (n_models, d + 1, K) in the layout of `pack_models`.

        It begins with a cache line, so that a sparse entry reads eight models in one.
        """
        cdef Py_ssize_t size = n_models * (self.n_features + 1) * K
        cdef cnp.ndarray buffer = np.empty(size + LINE // 8)
        cdef Py_ssize_t first = (-<size_t> cnp.PyArray_DATA(buffer)) % LINE // 8
        models = buffer[first : first + size]
        if self.is_sparse or K > 1:
            return np.moveaxis(models.reshape(self.n_features + 1, n_models, K), 1, 0)
        return models.reshape(n_models, self.n_features + 1, K)

    cdef object pack_models(self, models):
        """Coefficients (n_models, d + 1, K) as `forward_models` reads them.

        They are copied, unless they come from `empty_models`.
        """
        if self.is_sparse or models.shape[2] > 1:
            # The coefficients of a feature lie side by side: the outputs of all models
            # together fill vectors better than those of one.
            models = np.moveaxis(models, 0, 1)
        return np.ascontiguousarray(models).reshape(-1)

    cdef void forward_models(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Py_ssize_t end, const double* packed, Py_ssize_t n_models, Py_ssize_t K,
            double* mixed, double* z) noexcept nogil:
        """`forward` for several models: z has shape (n_models, m, K).

        ``mixed`` is scratch of the same size. The caller owns both.
        """
        cdef Py_ssize_t i, k, model, length = n_models * K
        if not self.is_sparse and K == 1:
            self.dense.forward_models(
                self.data, self.n_features, order, start, m, packed, n_models, z)
            return
        self.forward(order, start, m, end, packed, length, 1.0, mixed)
        for model in range(n_models):
            for i in range(m):
                for k in range(K):
                    z[(model * m + i) * K + k] = mixed[i * length + model * K + k]

    cdef void backward(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Py_ssize_t end, const double* g, Py_ssize_t K,
            double* out) noexcept nogil:
        """out += X_b' g, shape (d, K); the intercept's row stays as it is.

        Rows that come after these, before position ``end``, may be prefetched.
        """
        cdef Py_ssize_t d = self.n_features
        # Of a single row they have just been read.
        cdef bint far = m > 1 and d * K > (MANY if K == 1 else CACHED)
        if self.is_sparse:
            self.storage.backward(
                self.data, self.indices, self.indptr, order, start, m, g, K, K,
                self.sparse(K), far, out)
        elif K > 1:
            self.kernels(K).backward(
                self.data, d, order, start, m, end, g, K, out)
        else:
            self.dense.backward(self.data, d, order, start, m, g, out)

    cdef void descend(self, const sklgd_walk* walk, sklgd_sgd* sgd) noexcept nogil:
        """Plain SGD on single rows: the steps of a walk, see `sklgd_sgd` in dense.h.

        ``walk`` and ``sgd`` and what they point to are the caller's.
        """
        if self.is_sparse:
            self.storage.descend(
                self.data, self.indices, self.indptr, self.n_features, walk, sgd)
        else:
            self.dense.descend(self.data, self.n_features, walk, sgd)

    cdef Py_ssize_t first_entry(self, Py_ssize_t row) noexcept nogil:
        """Index in ``data`` at which a row begins; the end of X for row n_samples."""
        if not self.is_sparse:
            return row * self.n_features
        if self.is_int64:
            return (<const int64_t*> self.indptr)[row]
        return (<const int32_t*> self.indptr)[row]

    cdef void lagged_forward(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Py_ssize_t end, double* records, double l1_sum, const double* intercept,
            Py_ssize_t K, double scale, double* z) noexcept nogil:
        """z = scale * X_b W + b after the lagged l1 thresholds of the rows' features (CSR).

        ``records`` (d, K + 1), the caller's, hold the value of ``l1_sum`` at a
        feature's last update and its K coefficients, each of which is moved towards
        zero by the difference.
        """
        self.storage.lagged_forward(
            self.data, self.indices, self.indptr, order, start, m, end, records, l1_sum,
            intercept, K, scale, self.sparse(K), z)

    cdef void scatter_backward(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* g, Py_ssize_t K, double* records) noexcept nogil:
        """W += X_b' g for the coefficients in the records of `lagged_forward`."""
        cdef bint far = m > 1 and self.n_features * K > CACHED
        self.storage.backward(
            self.data, self.indices, self.indptr, order, start, m, g, K, K + 1,
            self.sparse(K), far, records + 1)

    cdef void add_penalised(
            self, const Py_ssize_t* order, Py_ssize_t position, const double* g,
            Py_ssize_t K, double due, double scale, double* paid, double* coef,
            double stored_share, double* average) noexcept nogil:
        """W += x g' for one row x, and the cumulative l1 penalty of its features.

        ``coef`` are coefficients stored as W / scale, ``paid`` and ``due`` as in
        `sklgd_penalised`. ``average``, unless NULL, loses ``stored_share`` times what
        changes a stored coefficient.
        """
        cdef Py_ssize_t row = row_at(order, position), first = self.first_entry(row)
        self.storage.add_penalised(
            self.data, self.indices, first, self.first_entry(row + 1) - first, g, K, due,
            scale, paid, coef, stored_share, average)

    cdef Py_ssize_t n_entries(
            self, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m) noexcept nogil:
        """Number of stored entries of the m rows (CSR only)."""
        cdef Py_ssize_t i, row, total = 0
        for i in range(m):
            row = row_at(order, start + i)
            total += self.first_entry(row + 1) - self.first_entry(row)
        return total

    def copy_to(self, Rows other, const Py_ssize_t[::1] rows, Py_ssize_t begin):
        """Copy rows of this X over rows begin, begin + 1, ... of another.

        Both have the same number of features and the same types; sparse rows of
        ``other`` have room for as many entries.
        """
        cdef Py_ssize_t i, d = self.n_features, m = rows.shape[0], size
        cdef const Py_ssize_t* row = &rows[0]
        if begin < 0 or begin + m > other.n_samples or other.n_features != d or (
                (other.is_sparse, other.is_float32, other.is_int64)
                != (self.is_sparse, self.is_float32, self.is_int64)):
            raise ValueError("the rows do not fit")
        if not self.is_sparse:
            size = d * (sizeof(float) if self.is_float32 else sizeof(double))
            with nogil:
                for i in range(m):
                    memcpy(<char*> other.data + (begin + i) * size,
                           <const char*> self.data + row[i] * size, size)
        else:
            self.storage.copy(
                self.data, self.indices, self.indptr, row, m, <void*> other.data,
                <void*> other.indices, other.indptr, begin)

    def total_entries(self, subset=None):
        """Number of entries, of CSR of the stored ones, of all rows or of some.

        Parameters
        ----------
        subset : intp array, default=None
            Numbers of the rows that count; None means all.
        """
        cdef const Py_ssize_t[::1] rows
        cdef Py_ssize_t i, total = 0
        if subset is None:
            return self.X.nnz if self.is_sparse else self.n_samples * self.n_features
        rows = subset
        if not self.is_sparse:
            return rows.shape[0] * self.n_features
        for i in range(rows.shape[0]):
            total += self.n_entries(&rows[0], i, 1)
        return total

    cdef double square(self, Py_ssize_t row) noexcept nogil:
        """|x|^2 of a row."""
        cdef Py_ssize_t first = self.first_entry(row)
        return self.storage.square(self.data, first, self.first_entry(row + 1) - first)

    def longest_row(self):
        """Number of stored entries of the longest row (CSR only)."""
        cdef Py_ssize_t row, longest = 0
        for row in range(self.n_samples):
            longest = max(longest, self.n_entries(NULL, row, 1))
        return longest

    cdef void ask(
            self, const Py_ssize_t* order, Py_ssize_t position,
            Py_ssize_t end) noexcept nogil:
        """Prefetch a row that comes some rows after ``position`` (CSR only)."""
        self.storage.ask(
            self.data, self.indices, self.indptr, order, position, end)

    cdef void ask_features(
            self, const Py_ssize_t* order, Py_ssize_t position, const double* array,
            Py_ssize_t K) noexcept nogil:
        """Prefetch the entries of ``array`` (n_features, K) of a row's features (CSR only)."""
        self.storage.ask_features(
            self.indices, self.indptr, row_at(order, position), array, K)

    cdef void load_weighted(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* centre, const double* root,
            double* buffer) noexcept nogil:
        """buffer_i = root_i (x_i - centre, 1) for m rows, shape (m, d + 1).

        ``centre`` has d entries, ``root`` has m, one for each position from
        ``start`` on.
        """
        self.storage.load_weighted(
            self.data, self.indices, self.indptr, self.n_features, order, start, m,
            centre, root, buffer)

    cdef void add_pairs(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Py_ssize_t end_column, Py_ssize_t* cursor, const double* shift,
            const double* h, double* values, double* gram) noexcept nogil:
        """Part of gram += sum_i h_i (x_i - shift, 1)(x_i - shift, 1)' (CSR only).

        The rows of ``gram`` (d + 1, d + 1) before ``end_column`` that are not done
        yet, all but the last. ``cursor`` (m) is the place in each row of the first
        entry not done: zeros at the start. Each pair of entries is added once: above
        the diagonal where the columns of a row ascend, else in either triangle
        (and perhaps later, but before ``end_column`` exceeds all columns). The shift is
        subtracted from stored entries only; NULL means zeros. ``values`` is scratch
        for the entries of the longest row, used with a shift.
        """
        cdef Py_ssize_t d = self.n_features
        self.storage.add_pairs(
            self.data, self.indices, self.indptr, d, order, start, m, end_column,
            cursor, shift, h, values, gram)

    cdef void count_entries(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Py_ssize_t* counts) noexcept nogil:
        """counts_j += number of stored entries of column j (CSR only)."""
        self.storage.count(self.indices, self.indptr, order, start, m, counts)

    cdef void add_moments(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const double* shift, const double* s, double* sums) noexcept nogil:
        """Add to ``sums`` (3 * d, caller's) the moments of the entries of m rows.

        Sums over stored entries of s_i, s_i t and s_i t^2, t = x_ij - shift_j. Dense:
        d sums of t, then d of its square; what remains stays as it is, as every
        entry is stored. CSR: three sums for each column, side by side.
        """
        self.storage.moments(
            self.data, self.indices, self.indptr, self.n_features, order, start, m, shift,
            s, sums)

    cdef void entries(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            Py_ssize_t* first, Py_ssize_t* columns, double* values) noexcept nogil:
        """Copies of the m rows' entries, row i at first[i] to first[i + 1] (CSR only).

        The caller's buffers: ``first`` of m + 1, ``columns`` and ``values`` with room
        for `n_entries` of the same rows.
        """
        self.storage.entries(
            self.data, self.indices, self.indptr, order, start, m, first, columns,
            values)


cdef bint rows_ascend(
        const index_t* indptr, const index_t* indices, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t row
    cdef index_t p
    for row in range(n):
        if indptr[row] > indptr[row + 1]:
            return False
        for p in range(indptr[row] + 1, indptr[row + 1]):
            if indices[p - 1] >= indices[p]:
                return False
    return True


def has_sorted_rows(const index_t[::1] indptr, const index_t[::1] indices):
    """True if the indices of each row of a CSR matrix strictly ascend."""
    cdef Py_ssize_t n = indptr.shape[0] - 1
    cdef bint ascend = True
    if indptr[n] > indices.shape[0]:
        raise ValueError("indptr of sparse X ends beyond its indices")
    if indices.shape[0]:
        with nogil:
            ascend = rows_ascend(&indptr[0], &indices[0], n)
    return ascend
