from sklgd.kernels._loss_function cimport LossFunction
from sklgd.kernels._rows cimport Rows
from sklgd.kernels._threads cimport Body


cdef struct Chunks:
    # n rows cut into chunks, and what is to be done with them. Of each chunk the rows
    # before ``begin`` are done, and at most ``step`` rows are next. What the pointers
    # mean is said where they are set. The struct owns nothing.
    void* problem
    Py_ssize_t n, length, number, begin, step
    void* loss
    bint coupled, want_value, float32
    const Py_ssize_t* order
    Py_ssize_t start, n_models, scratch_size
    double share                        # factor of the derivatives of a sweep
    const double* coef
    const double* direction
    const double* z
    double* out
    double* sums
    double* scratch                     # of scratch_size for each thread


cdef struct Scratch:
    double* z                           # block * n_outputs
    double* g                           # apart * n_outputs
    double* y                           # block * y_stride
    double* s                           # block


cdef class Problem:
    cdef readonly Rows rows
    cdef readonly object loss           # a `sklgd.losses.Loss`
    cdef LossFunction function          # its loops
    cdef readonly Py_ssize_t n_samples, n_features, n_outputs, block, apart
    cdef Py_ssize_t end                 # positions in the order that is swept
    cdef readonly bint fit_intercept
    cdef readonly double gradient_limit    # derivatives are clipped to +- this
    cdef Py_ssize_t y_stride            # from one row's targets to the next one's
    cdef Py_ssize_t n_targets           # of a row, for these outputs
    cdef Py_ssize_t first_class         # the class of the first output
    cdef bint whole                     # they are all that y is for
    cdef const double[::1] y_view, s_view
    cdef const Py_ssize_t[::1] subset_view
    cdef const Py_ssize_t* subset       # NULL: all rows
    cdef const double* y
    cdef const double* s
    cdef readonly int n_threads
    cdef double[::1] buffers
    cdef Py_ssize_t buffer_size
    cdef Py_ssize_t size                # coefficients
    cdef Py_ssize_t stride              # of a partial gradient
    cdef Py_ssize_t least_rows, max_chunks
    cdef Py_ssize_t look                # rows of a chunk between looks for Ctrl-C
    cdef double[16] totals              # losses of the chunks
    cdef double[::1] partials           # gradients of all chunks but the first
    cdef bint float32                    # sweeps of steps are computed in float32
    cdef Py_ssize_t float32_stride       # 0: nothing of this has been allocated
    cdef float[::1] float32_coef         # coefficients as in float32.h
    cdef double[::1] units              # of these, and inverses
    cdef double[::1] float32_buffers     # per thread: a gradient, units and inverses
    cdef float[::1] derivatives         # per thread

    cdef Scratch scratch(self, int thread) noexcept nogil
    cdef void gradients(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* coef, double scale, bint want_value, Scratch* scratch,
        double* total) noexcept nogil
    cdef void pull(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        bint want_value, Scratch* scratch, double* total) noexcept nogil
    cdef void clip(self, const double* s, Py_ssize_t m, double* g) noexcept nogil
    cdef const double* targets(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        Scratch* scratch, const double** weights) noexcept nogil
    cdef use_float32(self, bint wanted)
    cdef void sweep(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* coef, double* grad) noexcept nogil
    cdef double sweep_chunk(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* coef, double* grad, bint want_value, double total, bint fresh,
        double share, int thread) noexcept nogil
    cdef void add_rows(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* g, double* grad) noexcept nogil
    cdef void sweep_float32(
        self, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* coef, double* grad, double share, int thread) noexcept nogil
    cdef double sweep_all(
        self, const double* coef, double* grad, bint want_value) except? -1.0
    cdef void sweep_of(
        self, Chunks* chunks, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t m,
        const double* coef, double* grad, bint want_value) noexcept nogil
    cdef void cut(self, Chunks* chunks, Py_ssize_t n) noexcept nogil
    cdef int run(self, Body body, Chunks* chunks) except -1
    cdef void values_chunk(
        self, Py_ssize_t start, Py_ssize_t m, const double* packed,
        Py_ssize_t n_models, double* z, double* totals, int thread) noexcept nogil
    cdef Py_ssize_t chunk_rows(self, Py_ssize_t m) noexcept nogil
    cdef double total(self, Py_ssize_t n_chunks) noexcept nogil
    cdef double* partial(self, double* grad, Py_ssize_t chunk) noexcept nogil
    cdef void reduce(self, double* grad, Py_ssize_t n_chunks) noexcept nogil
    cdef void reduce_columns(
        self, double* grad, Py_ssize_t n_chunks, Py_ssize_t first,
        Py_ssize_t last) noexcept nogil
    cdef void raw_predictions_chunk(
        self, Py_ssize_t start, Py_ssize_t m, const double* coef,
        double* z) noexcept nogil
    cdef void product_chunk(
        self, LossFunction loss, Py_ssize_t start, Py_ssize_t m, const double* coef,
        const double* p, const double* raw_predictions, bint coupled, double* q, double* grad,
        bint fresh, int thread) noexcept nogil
    cdef void line_chunk(
        self, LossFunction loss, Py_ssize_t start, Py_ssize_t m, const double* z,
        const double* p, const double* t, double* g, double* sums,
        int thread) noexcept nogil
    cdef void gradient_chunk(
        self, Py_ssize_t start, Py_ssize_t m, const double* g,
        double* grad, bint fresh) noexcept nogil
    cdef _check(self, const double[:, ::1] w)
    cdef _check_raw_predictions(self, const double[:, ::1] z)
