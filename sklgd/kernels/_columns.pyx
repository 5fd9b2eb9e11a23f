"""The columns of CSR rows that have entries, and the rows without the other columns.

The loops take pointers: with typed memoryviews in the signatures all of their handling
would be compiled once for each type.
"""
from sklgd.kernels cimport _numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t

import numpy as np

cnp.import_array()

ctypedef fused index_t:
    int32_t
    int64_t

# Entries that are looked at between two looks for Ctrl-C.
cdef Py_ssize_t UNINTERRUPTED = 2**26


cdef struct Values:
    # Entries of X, float64 if ``wide``, else float32.
    void* at
    bint wide


cdef inline bint is_zero(Values values, Py_ssize_t k) noexcept nogil:
    if values.wide:
        return (<double*> values.at)[k] == 0.0
    return (<float*> values.at)[k] == 0.0


cdef inline void copy(
        Values to, Py_ssize_t i, Values values, Py_ssize_t k) noexcept nogil:
    if values.wide:
        (<double*> to.at)[i] = (<double*> values.at)[k]
    else:
        (<float*> to.at)[i] = (<float*> values.at)[k]


cdef void* start_of(cnp.ndarray array, Py_ssize_t itemsize) except NULL:
    """Address of the first entry of an array in one piece; other arrays are refused."""
    if not cnp.PyArray_ISCARRAY_RO(array) or cnp.PyArray_ITEMSIZE(array) != itemsize:
        raise ValueError(
            "expected the arrays of a CSR matrix, each in one piece, with indices and "
            "indptr of one type")
    return cnp.PyArray_DATA(array)


cdef Values values_of(cnp.ndarray array):
    cdef bint wide = cnp.PyArray_ITEMSIZE(array) == 8
    return Values(start_of(array, 8 if wide else 4), wide)


cdef Py_ssize_t mark(
        Values values, const index_t* indices, const index_t* indptr,
        const Py_ssize_t* rows, Py_ssize_t n, unsigned char* seen,
        Py_ssize_t left) except -1 nogil:
    """Set ``seen`` to 1 where a row has an entry; returns how many zeros it still has.

    ``left`` is the number of zeros in ``seen``. ``rows`` has n numbers; NULL stands for
    the first n rows. No buffer is checked.
    """
    cdef Py_ssize_t i, row, column, looked = 0
    cdef index_t k
    for i in range(n):
        if left == 0:
            break
        row = i if rows == NULL else rows[i]
        for k in range(indptr[row], indptr[row + 1]):
            column = indices[k]
            if not seen[column] and not is_zero(values, k):
                seen[column] = 1
                left -= 1
        looked += indptr[row + 1] - indptr[row]
        if looked > UNINTERRUPTED:
            looked = 0
            with gil:
                PyErr_CheckSignals()
    return left


def mark_columns(
        cnp.ndarray data, cnp.ndarray indices, cnp.ndarray indptr, rows,
        unsigned char[::1] seen):
    """Set ``seen`` to 1 for each column with a non-zero entry in some of the rows.

    Parameters
    ----------
    data, indices, indptr : arrays of a CSR matrix
        Numbers in them are not checked.
    rows : intp array or None
        Numbers of the rows to look at; None means all.
    seen : uint8 array of shape (n_features,)
        Columns that are 1 already stay so. When all are 1, no more rows are read.

    Returns
    -------
    count : int
        Number of columns that are 1.
    """
    cdef Values values = values_of(data)
    cdef Py_ssize_t itemsize = cnp.PyArray_ITEMSIZE(indices)
    cdef const void* columns = start_of(indices, itemsize)
    cdef const void* ends = start_of(indptr, itemsize)
    cdef const Py_ssize_t[::1] order
    cdef const Py_ssize_t* chosen = NULL
    cdef Py_ssize_t n = cnp.PyArray_DIM(indptr, 0) - 1, column, left = 0
    if rows is not None:
        order = rows
        n = order.shape[0]
        if n:
            chosen = &order[0]
    with nogil:
        for column in range(seen.shape[0]):
            left += not seen[column]
        if left and itemsize == 8:
            left = mark(values, <const int64_t*> columns, <const int64_t*> ends, chosen,
                        n, &seen[0], left)
        elif left:
            left = mark(values, <const int32_t*> columns, <const int32_t*> ends, chosen,
                        n, &seen[0], left)
    return seen.shape[0] - left


cdef Py_ssize_t new_numbers(
        const index_t* indices, Py_ssize_t size, const index_t* new,
        index_t* out) noexcept nogil:
    """Fill ``out`` with the new numbers that are not negative; returns how many.

    ``out`` has room for ``size`` numbers. No buffer is checked.
    """
    cdef Py_ssize_t k, kept = 0
    for k in range(size):
        out[kept] = new[indices[k]]
        kept += out[kept] >= 0
    return kept


cdef void keep_entries(
        Values values, const index_t* indices, const index_t* indptr, Py_ssize_t n,
        const index_t* new, Values out, index_t* ends) noexcept nogil:
    """Copy the entries whose new number is not negative, and say where rows end.

    ``out`` has room for these entries, ``ends`` for n + 1 numbers. No buffer is checked.
    """
    cdef Py_ssize_t i
    cdef index_t k, kept = 0
    ends[0] = 0
    for i in range(n):
        for k in range(indptr[i], indptr[i + 1]):
            if new[indices[k]] >= 0:
                copy(out, kept, values, k)
                kept += 1
        ends[i + 1] = kept


def renumber(
        cnp.ndarray data, cnp.ndarray indices, cnp.ndarray indptr, cnp.ndarray new):
    """CSR arrays of the columns that ``new`` gives a number, without other entries.

    Parameters
    ----------
    data, indices, indptr : arrays of a CSR matrix
        Numbers in them are not checked.
    new : array of shape (n_features,), of the type of the indices
        The new number of each column; -1 for those that are left out.

    Returns
    -------
    data, indices, indptr : arrays
        If no entry is left out, ``data`` and ``indptr`` are the arrays given.
    """
    cdef Values values = values_of(data)
    cdef Py_ssize_t itemsize = cnp.PyArray_ITEMSIZE(indices)
    cdef const void* columns = start_of(indices, itemsize)
    cdef const void* ends = start_of(indptr, itemsize)
    cdef const void* number = start_of(new, itemsize)
    cdef Py_ssize_t n = cnp.PyArray_DIM(indptr, 0) - 1, size = indptr[n], kept
    numbers = np.empty(size, indices.dtype)
    cdef void* out = start_of(numbers, itemsize)
    with nogil:
        if itemsize == 8:
            kept = new_numbers(
                <const int64_t*> columns, size, <const int64_t*> number, <int64_t*> out)
        else:
            kept = new_numbers(
                <const int32_t*> columns, size, <const int32_t*> number, <int32_t*> out)
    if kept == size:
        return data, numbers, indptr
    kept_data, new_ends = np.empty(kept, data.dtype), np.empty(n + 1, indptr.dtype)
    cdef Values kept_values = values_of(kept_data)
    cdef void* end = start_of(new_ends, itemsize)
    with nogil:
        if itemsize == 8:
            keep_entries(
                values, <const int64_t*> columns, <const int64_t*> ends, n,
                <const int64_t*> number, kept_values, <int64_t*> end)
        else:
            keep_entries(
                values, <const int32_t*> columns, <const int32_t*> ends, n,
                <const int32_t*> number, kept_values, <int32_t*> end)
    return kept_data, numbers[:kept].copy(), new_ends
