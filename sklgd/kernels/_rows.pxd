cdef extern from "rows.h":
    ctypedef double (*sklgd_point_function)(void* loss, double y, double z) noexcept nogil

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
        double* current
        double* paid
        double scale, l1_sum, due, l1, l2, intercept_rate, limit
        bint fit_intercept
        int aggressive
        bint exponential
        sklgd_point_function gradient, value
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

    ctypedef struct sklgd_float32_kernels:
        void (*forward)(
            const void* X, Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m, Py_ssize_t end, const float* W, const double* unit,
            const double* b, Py_ssize_t K, double* z) noexcept nogil
        void (*backward)(
            const void* X, Py_ssize_t d, const Py_ssize_t* order, Py_ssize_t start,
            Py_ssize_t m, Py_ssize_t end, const float* g, const double* unit,
            Py_ssize_t K, double* G) noexcept nogil

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


# The loops over rows of one storage, as `Rows` calls them: ``data``, ``indices`` and
# ``indptr`` (NULL for dense rows) come first.
ctypedef void (*load_function)(
    const void*, const void*, const void*, Py_ssize_t d, const Py_ssize_t* order,
    Py_ssize_t start, Py_ssize_t m, Py_ssize_t end, double* buffer) noexcept nogil
ctypedef void (*load_weighted_function)(
    const void*, const void*, const void*, Py_ssize_t d, const Py_ssize_t* order,
    Py_ssize_t start, Py_ssize_t m, const double* centre, const double* root,
    double* buffer) noexcept nogil
ctypedef void (*moments_function)(
    const void*, const void*, const void*, Py_ssize_t d, const Py_ssize_t* order,
    Py_ssize_t start, Py_ssize_t m, const double* shift, const double* s,
    double* sums) noexcept nogil
ctypedef double (*square_function)(
    const void*, Py_ssize_t first, Py_ssize_t count) noexcept nogil
ctypedef void (*penalised_function)(
    const void*, const void*, Py_ssize_t first, Py_ssize_t count, const double* g,
    Py_ssize_t K, double due, double scale, double* paid, double* coef,
    double stored_share, double* average) noexcept nogil
ctypedef void (*forward_function)(
    const void*, const void*, const void*, Py_ssize_t d, const Py_ssize_t* order,
    Py_ssize_t start, Py_ssize_t m, Py_ssize_t end, const double* coef, Py_ssize_t K,
    double scale, const sklgd_sparse_kernels* outputs, double* z) noexcept nogil
ctypedef void (*backward_function)(
    const void*, const void*, const void*, const Py_ssize_t* order, Py_ssize_t start,
    Py_ssize_t m, const double* g, Py_ssize_t K, Py_ssize_t stride,
    const sklgd_sparse_kernels* outputs, bint far, double* out) noexcept nogil
ctypedef void (*descend_function)(
    const void*, const void*, const void*, Py_ssize_t d, const sklgd_walk* walk,
    sklgd_sgd* sgd) noexcept nogil
ctypedef void (*lagged_forward_function)(
    const void*, const void*, const void*, const Py_ssize_t* order, Py_ssize_t start,
    Py_ssize_t m, Py_ssize_t end, double* records, double l1_sum, const double* intercept,
    Py_ssize_t K, double scale, const sklgd_sparse_kernels* outputs,
    double* z) noexcept nogil
ctypedef void (*ask_function)(
    const void*, const void*, const void*, const Py_ssize_t* order, Py_ssize_t position,
    Py_ssize_t end) noexcept nogil
ctypedef void (*ask_features_function)(
    const void*, const void*, Py_ssize_t row, const double* array,
    Py_ssize_t K) noexcept nogil
ctypedef void (*add_pairs_function)(
    const void*, const void*, const void*, Py_ssize_t d, const Py_ssize_t* order,
    Py_ssize_t start, Py_ssize_t m, Py_ssize_t end_column, Py_ssize_t* cursor,
    const double* shift, const double* h, double* values, double* gram) noexcept nogil
ctypedef void (*count_function)(
    const void*, const void*, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
    Py_ssize_t* counts) noexcept nogil
ctypedef void (*entries_function)(
    const void*, const void*, const void*, const Py_ssize_t* order, Py_ssize_t start,
    Py_ssize_t m, Py_ssize_t* first, Py_ssize_t* columns,
    double* values) noexcept nogil
ctypedef void (*copy_function)(
    const void*, const void*, const void*, const Py_ssize_t* rows, Py_ssize_t m,
    void* new_data, void* new_indices, const void* new_indptr,
    Py_ssize_t begin) noexcept nogil

ctypedef struct RowFunctions:
    load_function load
    load_weighted_function load_weighted
    moments_function moments
    square_function square
    penalised_function add_penalised
    # The following are for CSR rows only.
    forward_function forward
    backward_function backward
    descend_function descend
    lagged_forward_function lagged_forward
    ask_function ask
    ask_features_function ask_features
    add_pairs_function add_pairs
    count_function count
    entries_function entries
    copy_function copy


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
    cdef const sklgd_float32_kernels* float32    # for dense float32 rows only
    cdef const sklgd_sparse_kernels* few_sparse
    cdef const sklgd_sparse_kernels* many_sparse
    cdef RowFunctions storage

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
    cdef void lagged_forward(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Py_ssize_t end, double* records, double l1_sum, const double* intercept,
        Py_ssize_t K, double scale, double* z) noexcept nogil
    cdef void scatter_backward(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* g, Py_ssize_t K, double* records) noexcept nogil
    cdef void add_penalised(
        self, const Py_ssize_t* order, Py_ssize_t position, const double* g, Py_ssize_t K,
        double due, double scale, double* paid, double* coef, double stored_share,
        double* average) noexcept nogil
    cdef double square(self, Py_ssize_t row) noexcept nogil
    cdef Py_ssize_t first_entry(self, Py_ssize_t row) noexcept nogil
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
