"""The part of NumPy's C interface that the kernels use.

NumPy's own declarations in ``numpy/__init__.pxd`` are long and import types that no kernel
uses: half a second of a build's time for each kernel.
"""

cdef extern from "numpy/arrayobject.h":
    ctypedef class numpy.ndarray [object PyArrayObject, check_size ignore]:
        pass

    enum:
        NPY_FLOAT
        NPY_DOUBLE

    # To be called once by each kernel that uses what follows.
    int import_array "_import_array"() except -1

    bint PyArray_Check(object)
    int PyArray_TYPE(ndarray) nogil
    int PyArray_NDIM(ndarray) nogil
    Py_ssize_t PyArray_DIM(ndarray, int) nogil
    Py_ssize_t PyArray_SIZE(ndarray) nogil
    Py_ssize_t PyArray_ITEMSIZE(ndarray) nogil
    void* PyArray_DATA(ndarray) nogil
    # In C order and aligned, with the processor's byte order.
    bint PyArray_ISCARRAY_RO(ndarray) nogil
    bint PyArray_ISWRITEABLE(ndarray) nogil
