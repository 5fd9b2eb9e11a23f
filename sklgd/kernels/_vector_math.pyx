"""The kernels' own exp and log1p as functions of arrays, to be compared with libm's."""
import numpy as np

vector_math = sklgd_choose_vector_math()


def exp(x):
    """exp(x) of a float64 array of one dimension, within one unit in the last place."""
    cdef double[::1] out = np.array(x, dtype=np.float64)
    if out.shape[0]:
        vector_math.exp(&out[0], out.shape[0])
    return np.asarray(out)


def log1p(x):
    """log(1 + x) of a float64 array of one dimension, x >= 0."""
    cdef double[::1] out = np.array(x, dtype=np.float64)
    if out.shape[0]:
        vector_math.log1p(&out[0], out.shape[0])
    return np.asarray(out)
