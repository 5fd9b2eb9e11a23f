"""Entries of NumPy arrays, with less delay than through a typed memoryview.

A memoryview takes about half a microsecond: with few features more than most loops over
the coefficients. The caller keeps the array alive.
"""
from sklgd.kernels cimport _numpy as cnp


cdef inline double* entries(
        object array, Py_ssize_t n_rows, Py_ssize_t n_columns,
        bint writeable=False) except NULL:
    """Entries of a float64 array in C order, of shape (n_rows, n_columns).

    The array has a single dimension if ``n_columns`` is 0.
    """
    cdef cnp.ndarray a
    cdef bint good = cnp.PyArray_Check(array)
    if good:
        a = array
        good = (
            cnp.PyArray_TYPE(a) == cnp.NPY_DOUBLE and cnp.PyArray_ISCARRAY_RO(a)
            and cnp.PyArray_NDIM(a) == (2 if n_columns else 1)
            and cnp.PyArray_DIM(a, 0) == n_rows
            and (n_columns == 0 or cnp.PyArray_DIM(a, 1) == n_columns)
            and (not writeable or cnp.PyArray_ISWRITEABLE(a)))
    if not good:
        raise ValueError(
            f"expected a float64 array in C order of {n_rows} x {n_columns} entries")
    return <double*> cnp.PyArray_DATA(a)
