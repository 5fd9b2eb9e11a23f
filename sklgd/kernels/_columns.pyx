"""The columns of CSR rows that have entries, and the rows without the other columns."""
cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals

import numpy as np

cnp.import_array()

ctypedef fused index_t:
    cnp.int32_t
    cnp.int64_t

ctypedef fused real:
    float
    double

# Entries that are looked at between two looks for Ctrl-C.
cdef Py_ssize_t UNINTERRUPTED = 2**26


def mark_columns(
        const real[::1] data, const index_t[::1] indices, const index_t[::1] indptr,
        rows, unsigned char[::1] seen):
    """Set ``seen`` to 1 for each column with a non-zero entry in some of the rows.

    Parameters
    ----------
    data, indices, indptr : arrays of a CSR matrix
    rows : intp array or None
        Numbers of the rows to look at; None means all.
    seen : uint8 array of shape (n_features,)
        Columns that are 1 already stay so. When all are 1, no more rows are read.

    Returns
    -------
    count : int
        Number of columns that are 1.
    """
    cdef const Py_ssize_t[::1] order
    cdef bint everything = rows is None
    cdef Py_ssize_t n, i, row, column, looked = 0, left = 0
    cdef index_t k
    if everything:
        n = indptr.shape[0] - 1
    else:
        order = rows
        n = order.shape[0]
    with nogil:
        for column in range(seen.shape[0]):
            left += not seen[column]
        for i in range(n):
            if left == 0:
                break
            row = i if everything else order[i]
            for k in range(indptr[row], indptr[row + 1]):
                column = indices[k]
                if not seen[column] and data[k] != 0:
                    seen[column] = 1
                    left -= 1
            looked += indptr[row + 1] - indptr[row]
            if looked > UNINTERRUPTED:
                looked = 0
                with gil:
                    PyErr_CheckSignals()
    return seen.shape[0] - left


def renumber(
        const real[::1] data, const index_t[::1] indices, const index_t[::1] indptr,
        const index_t[::1] new):
    """CSR arrays of the columns that ``new`` gives a number; other entries go.

    Parameters
    ----------
    data, indices, indptr : arrays of a CSR matrix
    new : array of shape (n_features,), of the type of the indices
        The new number of each column; -1 for those that are left out.

    Returns
    -------
    data, indices, indptr : arrays
        Where no entry goes, ``data`` and ``indptr`` are the arrays given.
    """
    cdef Py_ssize_t n = indptr.shape[0] - 1, size = indptr[n], i
    cdef index_t k, kept = 0, number
    numbers = np.empty(size, np.asarray(indices).dtype)
    cdef index_t[::1] out = numbers
    with nogil:
        for k in range(<index_t> size):
            number = new[indices[k]]
            out[kept] = number
            kept += number >= 0
    if kept == size:
        return np.asarray(data), numbers, np.asarray(indptr)
    values = np.empty(kept, np.asarray(data).dtype)
    ends = np.empty(n + 1, np.asarray(indptr).dtype)
    cdef real[::1] some = values
    cdef index_t[::1] end = ends
    with nogil:
        kept = 0
        end[0] = 0
        for i in range(n):
            for k in range(indptr[i], indptr[i + 1]):
                if new[indices[k]] >= 0:
                    some[kept] = data[k]
                    kept += 1
            end[i + 1] = kept
    return values, numbers[:kept].copy(), ends
