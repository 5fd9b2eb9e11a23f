"""A batch of sparse rows in the coordinates of its active features.

`ActiveFeatures` numbers these features 0, 1, ... and keeps the entries of the rows under the new
numbers. What belongs to the features (coefficients, slots of a rule) is gathered into
compact arrays of shape (active + 1, n_outputs), the last row being the intercept, and
scattered back: a step then costs O(entries * n_outputs), however many features X has.

Between steps all that belongs to a feature lies in one record, since it is found in
memory, not in a cache: with 1e6 features one access in place of four.
"""
cimport cython
from libc.string cimport memcpy

import numpy as np

from sklgd.kernels._prefetch cimport LINE, sklgd_prefetch
from sklgd.kernels._rows cimport Rows

cdef enum:
    AHEAD = 16      # features from a prefetch to its use


@cython.final
cdef class ActiveFeatures:
    """Buffers for batches of CSR rows, filled by `load`, and the features' records.

    A record holds the number of steps that the feature has made, then n_outputs numbers
    of each part.

    Parameters
    ----------
    rows : Rows
        CSR, no column twice in a row.
    n_outputs : int
    n_parts : int
        At most MAX_PARTS.
    max_rows, max_entries : int
        Rows of a batch and their entries, at most; not checked.
    """

    def __init__(self, Rows rows, Py_ssize_t n_outputs, Py_ssize_t n_parts,
                 Py_ssize_t max_rows, Py_ssize_t max_entries):
        cdef Py_ssize_t[::1] features, first, columns, place
        cdef double[::1] values, records
        cdef Py_ssize_t size = max(1, min(max_entries, rows.n_features))
        self.rows, self.n_outputs = rows, n_outputs
        self.max_rows, self.max_entries = max_rows, max_entries
        features = np.empty(size, dtype=np.intp)
        first = np.empty(max_rows + 1, dtype=np.intp)
        columns = np.empty(max(1, max_entries), dtype=np.intp)
        values = np.empty(max(1, max_entries))
        # The entries of a single row are numbered in their order.
        place = np.zeros(rows.n_features if max_rows > 1 else 1, dtype=np.intp)
        self.features, self.first, self.columns = &features[0], &first[0], &columns[0]
        self.values, self.place = &values[0], &place[0]
        self.owners = (features, first, columns, values, place)
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
        cdef Py_ssize_t j, k, q, K = self.n_outputs
        cdef double* record = self.records
        for j in range(self.rows.n_features):
            record[0] = <double> since[j]
            for q in range(whole.n):
                for k in range(K):
                    record[1 + q * K + k] = whole.part[q][j * K + k]
            record += self.stride

    cdef void unpack(self, const Parts* whole, Py_ssize_t* since) noexcept nogil:
        """The reverse of `pack`."""
        cdef Py_ssize_t j, k, q, K = self.n_outputs
        cdef const double* record = self.records
        for j in range(self.rows.n_features):
            since[j] = <Py_ssize_t> record[0]
            for q in range(whole.n):
                for k in range(K):
                    whole.part[q][j * K + k] = record[1 + q * K + k]
            record += self.stride

    cdef void load(
            self, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m) noexcept nogil:
        """Copy m rows and number their active features."""
        cdef Py_ssize_t p, j, k, n = 0
        self.rows.entries(order, start, m, self.first, self.columns, self.values)
        if m == 1:
            n = self.first[1]
            for p in range(n):
                self.features[p] = self.columns[p]
                self.columns[p] = p
            self.n_features = n
            return
        for p in range(self.first[m]):
            if p + AHEAD < self.first[m]:
                sklgd_prefetch(self.place + self.columns[p + AHEAD])
            j = self.columns[p]
            # A place counts if the feature there is this one (Briggs and Torczon 1993):
            # nothing needs to be cleared between batches.
            k = self.place[j]
            if k >= n or self.features[k] != j:
                k = n
                self.place[j] = k
                self.features[k] = j
                n += 1
            self.columns[p] = k
        self.n_features = n

    cdef void gather(
            self, const Parts* whole, const Parts* compact,
            Py_ssize_t* since) noexcept nogil:
        """Compact copies of the active features' records and of the intercepts' rows."""
        cdef Py_ssize_t i, k, q, n = self.n_features, K = self.n_outputs
        cdef const double* record
        cdef double* out
        for i in range(n):
            if i + AHEAD < n:
                sklgd_prefetch(self.records + self.features[i + AHEAD] * self.stride)
            record = self.records + self.features[i] * self.stride
            since[i] = <Py_ssize_t> record[0]
            record += 1
            for q in range(whole.n):
                out = compact.part[q] + i * K
                for k in range(K):
                    out[k] = record[k]
                record += K
        for q in range(whole.n):
            memcpy(compact.part[q] + n * K, whole.part[q] + self.rows.n_features * K,
                   K * sizeof(double))

    cdef void scatter(
            self, const Parts* compact, const Parts* whole,
            Py_ssize_t now) noexcept nogil:
        """The reverse of `gather`; the features have made ``now`` steps."""
        cdef Py_ssize_t i, k, q, n = self.n_features, K = self.n_outputs
        cdef double* record
        cdef const double* part
        for i in range(n):
            if i + AHEAD < n:
                sklgd_prefetch(self.records + self.features[i + AHEAD] * self.stride)
            record = self.records + self.features[i] * self.stride
            record[0] = <double> now
            record += 1
            for q in range(whole.n):
                part = compact.part[q] + i * K
                for k in range(K):
                    record[k] = part[k]
                record += K
        for q in range(whole.n):
            memcpy(whole.part[q] + self.rows.n_features * K, compact.part[q] + n * K,
                   K * sizeof(double))

    cdef void pick(self, const double* whole, double* compact) noexcept nogil:
        """Compact copy of an array that is not part of the records."""
        cdef Py_ssize_t i, k, n = self.n_features, K = self.n_outputs
        for i in range(n):
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
