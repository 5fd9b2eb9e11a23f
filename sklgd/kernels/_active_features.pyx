"""A batch of sparse rows in the coordinates of its active features.

`ActiveFeatures` numbers these features 0, 1, ... and keeps the entries of the rows under the new
numbers. What belongs to the features (coefficients, slots of a rule) is gathered into
compact arrays of shape (active + 1, n_outputs), the last row being the intercept, and
scattered back: a step then costs O(entries * n_outputs), however many features X has.

Between steps all that belongs to a feature lies in one record, its number included, since
it is found in memory, not in a cache: with 1e6 features one access in place of five.
"""
cimport cython
from libc.stdint cimport int32_t
from libc.string cimport memcpy

import numpy as np

from sklgd.kernels._prefetch cimport LINE, sklgd_prefetch
from sklgd.kernels._rows cimport Rows

cdef enum:
    AHEAD = 16      # features from a prefetch to its use
    TOGETHER = 256  # records that are copied from or to whole arrays at a time


cdef struct Head:
    # The first number of a record.
    int32_t place   # of the feature among those of the batch, if it is one of them
    int32_t since   # steps that it has made


cdef inline void copy_numbers(
        Py_ssize_t n, Py_ssize_t K, const double* source, Py_ssize_t from_next,
        double* target, Py_ssize_t to_next) noexcept nogil:
    """K numbers n times, each after ``from_next`` and ``to_next`` numbers."""
    cdef Py_ssize_t i, k
    if K == 1:
        for i in range(n):
            target[i * to_next] = source[i * from_next]
        return
    for i in range(n):
        for k in range(K):
            target[i * to_next + k] = source[i * from_next + k]


cdef inline void copy_record(
        const double* record, Py_ssize_t K, const Parts* compact,
        Py_ssize_t i) noexcept nogil:
    """Copy the numbers of a record to row i of compact arrays."""
    cdef Py_ssize_t k, q
    if K == 1:
        for q in range(compact.n):
            compact.part[q][i] = record[q]
        return
    for q in range(compact.n):
        for k in range(K):
            compact.part[q][i * K + k] = record[q * K + k]


cdef inline void fill_record(
        const Parts* compact, Py_ssize_t K, Py_ssize_t i, double* record) noexcept nogil:
    """The reverse of `copy_record`."""
    cdef Py_ssize_t k, q
    if K == 1:
        for q in range(compact.n):
            record[q] = compact.part[q][i]
        return
    for q in range(compact.n):
        for k in range(K):
            record[q * K + k] = compact.part[q][i * K + k]


@cython.final
cdef class ActiveFeatures:
    """Buffers for batches of CSR rows, filled by `load`, and the features' records.

    A record holds a `Head`, then n_outputs numbers of each part.

    Parameters
    ----------
    rows : Rows
        CSR, no column twice in a row.
    n_outputs : int
    n_parts : int
        At most MAX_PARTS.
    max_rows, max_entries : int
        Rows of a batch and their entries, at most; not checked. Neither the entries nor
        the steps may exceed 2^31 - 1.
    """

    def __init__(self, Rows rows, Py_ssize_t n_outputs, Py_ssize_t n_parts,
                 Py_ssize_t max_rows, Py_ssize_t max_entries):
        cdef Py_ssize_t[::1] features, first, columns
        cdef double[::1] values, records
        cdef Py_ssize_t size = max(1, min(max_entries, rows.n_features))
        self.rows, self.n_outputs = rows, n_outputs
        self.max_rows, self.max_entries = max_rows, max_entries
        features = np.empty(size, dtype=np.intp)
        first = np.empty(max_rows + 1, dtype=np.intp)
        columns = np.empty(max(1, max_entries), dtype=np.intp)
        values = np.empty(max(1, max_entries))
        self.features, self.first, self.columns = &features[0], &first[0], &columns[0]
        self.values = &values[0]
        self.owners = (features, first, columns, values)
        # Short records do not straddle cache lines, long ones begin with one.
        self.stride = 1
        while self.stride < min(1 + n_parts * n_outputs, 8):
            self.stride *= 2
        while self.stride < 1 + n_parts * n_outputs:
            self.stride += 8
        records = np.empty(rows.n_features * self.stride + 8)
        self.record_owner, self.records = records, &records[0]
        while <size_t> self.records % LINE:
            self.records += 1

    cdef void pack(self, const Parts* whole, const Py_ssize_t* since) noexcept nogil:
        """Fill the records from whole arrays."""
        cdef Py_ssize_t first = 0, i, q, K = self.n_outputs, size
        cdef double* record = self.records
        while first < self.rows.n_features:
            size = min(TOGETHER, self.rows.n_features - first)
            for i in range(size):
                (<Head*> (record + i * self.stride)).place = 0
                (<Head*> (record + i * self.stride)).since = <int32_t> since[first + i]
            for q in range(whole.n):
                copy_numbers(size, K, whole.part[q] + first * K, K,
                             record + 1 + q * K, self.stride)
            record += size * self.stride
            first += size

    cdef void unpack(self, const Parts* whole, Py_ssize_t* since) noexcept nogil:
        """The reverse of `pack`."""
        cdef Py_ssize_t first = 0, i, q, K = self.n_outputs, size
        cdef const double* record = self.records
        while first < self.rows.n_features:
            size = min(TOGETHER, self.rows.n_features - first)
            for i in range(size):
                since[first + i] = (<const Head*> (record + i * self.stride)).since
            for q in range(whole.n):
                copy_numbers(size, K, record + 1 + q * K, self.stride,
                             whole.part[q] + first * K, K)
            record += size * self.stride
            first += size

    cdef void load(
            self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
            const Parts* whole, const Parts* compact, Py_ssize_t* since) noexcept nogil:
        """Copy m rows, number their active features, and gather what belongs to these.

        That is, make compact copies of their records and of the intercepts' rows.
        """
        cdef Py_ssize_t p, j, k, n = 0, K = self.n_outputs, q, size
        cdef Head* head
        self.rows.entries(order, start, m, self.first, self.columns, self.values)
        size = self.first[m]
        for p in range(size):
            if p + AHEAD < size:
                sklgd_prefetch(self.records + self.columns[p + AHEAD] * self.stride)
            j = self.columns[p]
            head = <Head*> (self.records + j * self.stride)
            # A place counts if the feature there is this one (Briggs and Torczon 1993):
            # nothing needs to be cleared between batches. The entries of a single row
            # are numbered in their order.
            k = head.place
            if m == 1 or k >= n or self.features[k] != j:
                k = n
                n += 1
                head.place = <int32_t> k
                self.features[k] = j
                since[k] = head.since
                copy_record((<const double*> head) + 1, K, compact, k)
            self.columns[p] = k
        self.n_features = n
        for q in range(whole.n):
            memcpy(compact.part[q] + n * K, whole.part[q] + self.rows.n_features * K,
                   K * sizeof(double))

    cdef void scatter(
            self, const Parts* compact, const Parts* whole,
            Py_ssize_t now) noexcept nogil:
        """Put the compact copies back; the features have made ``now`` steps."""
        cdef Py_ssize_t i, q, n = self.n_features, K = self.n_outputs
        cdef double* record
        for i in range(n):
            if i + AHEAD < n:
                sklgd_prefetch(self.records + self.features[i + AHEAD] * self.stride)
            record = self.records + self.features[i] * self.stride
            (<Head*> record).since = <int32_t> now
            fill_record(compact, K, i, record + 1)
        for q in range(whole.n):
            memcpy(whole.part[q] + self.rows.n_features * K, compact.part[q] + n * K,
                   K * sizeof(double))

    cdef void pick(self, const double* whole, double* compact) noexcept nogil:
        """Compact copy of an array that is not part of the records."""
        cdef Py_ssize_t i, k, n = self.n_features, K = self.n_outputs
        for i in range(n):
            if i + AHEAD < n:
                sklgd_prefetch(whole + self.features[i + AHEAD] * K)
            for k in range(K):
                compact[i * K + k] = whole[self.features[i] * K + k]
        memcpy(compact + n * K, whole + self.rows.n_features * K, K * sizeof(double))

    cdef void forward(
            self, Py_ssize_t start, Py_ssize_t m, const double* coef,
            double* z) noexcept nogil:
        """z = X W + b of the loaded rows start ... start + m - 1; coef is compact."""
        cdef Py_ssize_t i, k, p, K = self.n_outputs
        cdef const double* b = coef + self.n_features * K
        cdef const double* w
        cdef double* out
        cdef double x, total
        for i in range(start, start + m):
            if K == 1:
                total = 0.0
                for p in range(self.first[i], self.first[i + 1]):
                    total += self.values[p] * coef[self.columns[p]]
                z[i - start] = total + b[0]
                continue
            out = z + (i - start) * K
            for k in range(K):
                out[k] = 0.0
            for p in range(self.first[i], self.first[i + 1]):
                x = self.values[p]
                w = coef + self.columns[p] * K
                for k in range(K):
                    out[k] += x * w[k]
            for k in range(K):
                out[k] += b[k]

    cdef void backward(
            self, Py_ssize_t start, Py_ssize_t m, const double* g,
            double* out) noexcept nogil:
        """out += X'g of the same rows, compact; the intercept's row stays as it is."""
        cdef Py_ssize_t i, k, p, K = self.n_outputs
        cdef double* w
        cdef const double* gradient
        cdef double x
        for i in range(start, start + m):
            gradient = g + (i - start) * K
            if K == 1:
                x = gradient[0]
                for p in range(self.first[i], self.first[i + 1]):
                    out[self.columns[p]] += x * self.values[p]
                continue
            for p in range(self.first[i], self.first[i + 1]):
                x = self.values[p]
                w = out + self.columns[p] * K
                for k in range(K):
                    w[k] += x * gradient[k]
