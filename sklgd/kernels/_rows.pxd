cdef class Rows:
    cdef readonly object X              # owns every buffer below
    cdef const void* data
    cdef const void* indices            # NULL: dense
    cdef const void* indptr
    cdef readonly Py_ssize_t n_samples
    cdef readonly Py_ssize_t n_features
    cdef readonly bint is_sparse
    cdef bint is_float32
    cdef bint is_int64

    cdef const double* load(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, double* buffer) noexcept nogil
    cdef void densify(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, double* buffer) noexcept nogil
    cdef void forward(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, const double* block, const double* coef, Py_ssize_t K,
        double scale, double* z) noexcept nogil
    cdef void backward(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* block, const double* g, Py_ssize_t K,
        double* out) noexcept nogil
    cdef void settle_forward(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, double* records, double debt, const double* intercept,
        Py_ssize_t K, double scale, double* z) noexcept nogil
    cdef void scatter_backward(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* g, Py_ssize_t K, double* records) noexcept nogil
    cdef Py_ssize_t n_entries(
        self, const Py_ssize_t* order, Py_ssize_t start,
        Py_ssize_t m) noexcept nogil
    cdef void ask(
        self, const Py_ssize_t* order, Py_ssize_t position,
        Py_ssize_t end) noexcept nogil
    cdef void ask_features(
        self, const Py_ssize_t* order, Py_ssize_t position, const double* array,
        Py_ssize_t K) noexcept nogil
    cdef void load_weighted(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* centre, const double* root, double* buffer) noexcept nogil
    cdef void add_pairs(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end_column, Py_ssize_t* cursor, const double* shift,
        const double* h, double* values, double* gram) noexcept nogil
    cdef void count_entries(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t* counts) noexcept nogil
    cdef void add_moments(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* shift, const double* s, double* sums) noexcept nogil

    cdef void entries(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t* first, Py_ssize_t* columns, double* values) noexcept nogil
