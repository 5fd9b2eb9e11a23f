"""Operations on coefficients that read and write each array once.

Where features times outputs are many, a batch method spends as much time here as on X;
NumPy would go through memory once for each operator. Arrays have shape (n_features + 1,
n_outputs), the last row being the intercept's. Shapes are checked by nobody.
"""


def gradient_to_metric(double[:, ::1] g, const double[::1] centre,
                       const double[:, ::1] scale, double share,
                       const double[:, ::1] l2, const double[:, ::1] u):
    """g_jk = scale_jk (g_jk - centre_j g_bk) / share + l2_jk u_jk, in place.

    The gradient of the loss in raw coefficients becomes that of the objective in the
    coordinates u, with w_jk = scale_jk u_jk and b_k = scale_bk u_bk - sum_j centre_j w_jk.
    """
    cdef Py_ssize_t last = g.shape[0] - 1, K = g.shape[1], j, k
    cdef double c = 1.0 / share
    with nogil:
        for j in range(last):
            for k in range(K):
                g[j, k] = (c * scale[j, k] * (g[j, k] - centre[j] * g[last, k])
                           + l2[j, k] * u[j, k])
        for k in range(K):
            g[last, k] *= c * scale[last, k]


def to_raw(const double[:, ::1] u, const double[::1] centre,
           const double[:, ::1] scale, double[:, ::1] out):
    """Raw coefficients of the coordinates u, into ``out``."""
    cdef Py_ssize_t last = u.shape[0] - 1, K = u.shape[1], j, k
    with nogil:
        for k in range(K):
            out[last, k] = scale[last, k] * u[last, k]
        for j in range(last):
            for k in range(K):
                out[j, k] = scale[j, k] * u[j, k]
                out[last, k] -= centre[j] * out[j, k]


def add_scaled(double[:, ::1] y, const double[::1] a, const double[:, ::1] x):
    """y += a x, with one factor or one for each output."""
    cdef Py_ssize_t K = y.shape[1], j, k, stride = 0 if a.shape[0] == 1 else 1
    with nogil:
        for j in range(y.shape[0]):
            for k in range(K):
                y[j, k] += a[k * stride] * x[j, k]


def dots(const double[:, ::1] a, const double[:, ::1] b, double[::1] out):
    """out_k = sum_j a_jk b_jk."""
    cdef Py_ssize_t K = a.shape[1], j, k
    out[:] = 0.0
    with nogil:
        for j in range(a.shape[0]):
            for k in range(K):
                out[k] += a[j, k] * b[j, k]
