from sklgd.kernels._rows cimport Rows

cdef enum:
    MAX_PARTS = 5                       # coordinates, three slots, sums


cdef struct Parts:
    # Arrays of shape (features, n_outputs), each with a last row for the intercept.
    double* part[MAX_PARTS]
    Py_ssize_t n


cdef class ActiveFeatures:
    cdef Rows rows
    cdef Py_ssize_t n_outputs, max_rows, max_entries
    cdef Py_ssize_t n_features          # of the batch that is loaded
    cdef Py_ssize_t* features           # their numbers in X
    cdef Py_ssize_t* first              # batch rows + 1
    cdef Py_ssize_t* columns            # of the entries: places in `features`
    cdef double* values
    cdef double* records                # n_features of X, `stride` each
    cdef Py_ssize_t stride
    cdef object owners, record_owner

    cdef void pack(self, const Parts* whole, const Py_ssize_t* since) noexcept nogil
    cdef void unpack(self, const Parts* whole, Py_ssize_t* since) noexcept nogil
    cdef void load(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const Parts* whole, const Parts* compact, Py_ssize_t* since) noexcept nogil
    cdef void scatter(
        self, const Parts* compact, const Parts* whole,
        Py_ssize_t now) noexcept nogil
    cdef void pick(self, const double* whole, double* compact) noexcept nogil
    cdef void forward(
        self, Py_ssize_t start, Py_ssize_t m, const double* coef,
        double* z) noexcept nogil
    cdef void backward(
        self, Py_ssize_t start, Py_ssize_t m, const double* g,
        double* out) noexcept nogil
