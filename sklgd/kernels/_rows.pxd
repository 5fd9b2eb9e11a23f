cdef extern from "rows.h":
    ctypedef double (*sklgd_slope)(void* loss, double y, double z) noexcept nogil

    ctypedef struct sklgd_walk:
        const Py_ssize_t* visit
        const Py_ssize_t* fetch
        Py_ssize_t ahead, start, m
        const double* y
        const double* s
        const double* etas

    ctypedef struct sklgd_sgd:
        double* coef
        double* records
        double* settled
        double* paid
        double scale, debt, due, l1, l2, intercept_rate, limit
        bint fit_intercept
        int aggressive
        sklgd_slope slope, value
        void* loss

    ctypedef struct sklgd_dense_kernels:
        void (*forward)(
            const void* X, Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m, Py_ssize_t end, const double* w, double scale,
            double* z) noexcept nogil
        void (*forward_models)(
            const void* X, Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m, const double* models, Py_ssize_t n_models,
            double* z) noexcept nogil
        void (*backward)(
            const void* X, Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m, const double* g, double* out) noexcept nogil
        void (*descend)(
            const void* X, Py_ssize_t d, const sklgd_walk* walk,
            sklgd_sgd* sgd) noexcept nogil

    ctypedef struct sklgd_output_kernels:
        void (*forward)(
            const void* X, Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m, Py_ssize_t end, const double* W, Py_ssize_t K, double scale,
            double* z) noexcept nogil
        void (*backward)(
            const void* X, Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m, Py_ssize_t end, const double* g, Py_ssize_t K,
            double* G) noexcept nogil

    ctypedef struct sklgd_sparse_kernels:
        void (*forward)(
            const void* x, const void* column, Py_ssize_t count, Py_ssize_t known,
            const double* w, Py_ssize_t stride, Py_ssize_t K, double* z) noexcept nogil
        void (*backward)(
            const void* x, const void* column, Py_ssize_t count, Py_ssize_t known,
            const double* g, Py_ssize_t stride, Py_ssize_t K, double* w) noexcept nogil

    double sklgd_aggression(
        int aggressive, double eta, double value, double square) noexcept nogil
    double sklgd_penalised(
        double w, double due, double paid, double unit) noexcept nogil
    double sklgd_decayed(double scale, double eta, double l2) noexcept nogil
    const double SMALLEST_SCALE


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
    cdef const sklgd_dense_kernels* dense
    cdef const sklgd_output_kernels* few_outputs
    cdef const sklgd_output_kernels* many_outputs
    cdef const sklgd_sparse_kernels* few_sparse
    cdef const sklgd_sparse_kernels* many_sparse

    cdef void densify(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, double* buffer) noexcept nogil
    cdef const sklgd_output_kernels* kernels(self, Py_ssize_t K) noexcept nogil
    cdef const sklgd_sparse_kernels* sparse(self, Py_ssize_t K) noexcept nogil
    cdef void forward(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, const double* coef, Py_ssize_t K, double scale,
        double* z) noexcept nogil
    cdef object pack_models(self, models)
    cdef void forward_models(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m, Py_ssize_t end,
        const double* packed, Py_ssize_t n_models, Py_ssize_t K, double* mixed,
        double* z) noexcept nogil
    cdef void backward(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, const double* g, Py_ssize_t K, double* out) noexcept nogil
    cdef void descend(self, const sklgd_walk* walk, sklgd_sgd* sgd) noexcept nogil
    cdef void settle_forward(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, double* records, double debt, const double* intercept,
        Py_ssize_t K, double scale, double* z) noexcept nogil
    cdef void scatter_backward(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* g, Py_ssize_t K, double* records) noexcept nogil
    cdef void add_penalised(
        self, const Py_ssize_t* order, Py_ssize_t position, const double* g, Py_ssize_t K,
        double due, double scale, double* paid, double* coef, double stored_share,
        double* average) noexcept nogil
    cdef double square(self, Py_ssize_t row) noexcept nogil
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
