from sklgd.kernels._loss_function cimport POINTS, LossFunction


cdef extern from "online.h":
    int ZERO "SKLGD_ONLINE_ZERO"
    int LARGE "SKLGD_ONLINE_LARGE"
    double MOST "SKLGD_ONLINE_MOST"
    double FAR "SKLGD_ONLINE_FAR"
    double KNOWN "SKLGD_ONLINE_KNOWN"
    double OTHER_UNIT "SKLGD_ONLINE_OTHER_UNIT"
    double TINY "SKLGD_ONLINE_TINY"
    ctypedef struct sklgd_online_row:
        Py_ssize_t n, width, room, K, n_kinds, stride
        bint by_field, centred
        double* records
        const Py_ssize_t* columns
        double* beyond
        double* fields
        double* x
        double* inverse
        double* rate
        double* work
    ctypedef struct sklgd_online_loops:
        void (*gather)(const sklgd_online_row* row) noexcept nogil
        void (*scatter)(const sklgd_online_row* row) noexcept nogil
        int (*inspect)(const double* x, Py_ssize_t n) noexcept nogil
        bint (*centre)(const sklgd_online_row* row, const double* values) noexcept nogil
        bint (*count)(const sklgd_online_row* row, double w, double pace) noexcept nogil
        double (*measure)(
            const sklgd_online_row* row, double* b, double* b_lag) noexcept nogil
        void (*predict)(
            const sklgd_online_row* row, double* z, double* lag) noexcept nogil
        void (*rates)(
            const sklgd_online_row* row, double share, double known, double power,
            double late, double penalty, const double* unit, const double* h,
            const double* intercept, double* intercept_rate, double* q) noexcept nogil
        void (*step)(
            const sklgd_online_row* row, const double* h, const double* c,
            double total) noexcept nogil
    sklgd_online_loops sklgd_choose_online_loops() noexcept nogil


# The record of a feature (online.h). PLACE is the mean of the column where columns are
# centred, otherwise the time up to which its penalty was applied. MARK is the number of the
# last call that changed the feature. Then follow the numbers of N_WEIGHT kinds of each
# output.
cdef enum:
    SQUARES, ABSOLUTES, SIZE, PLACE, MARK, N_COLUMN
    WEIGHT = 0
    CURVATURE = 1
    LAG = 2
    N_WEIGHT = 3
    # With an l1 penalty a fourth kind: the sum of the gradients of a weight of zero.
    DUAL = 3

# The models whose next step is proximal, in the order of their raw predictions of a row.
# The others follow, which are judged only: the first-order model reported, the one that
# the second-order rule reports, their mixture, and the first-order model without and with
# the whole average.
cdef enum:
    ITERATE, CONSTANT_MODEL, FULL_MODEL
    FIRST_ORDER = 0
    LAST = 1
    AVERAGE = 2
    SECOND_ORDER = 3
    MIXTURE = 4

# Numbers of each output.
cdef enum:
    INTERCEPT, INTERCEPT_CURVATURE, INTERCEPT_LAG, CONSTANT, CONSTANT_CURVATURE
    MEAN, DEVIATIONS, SHARE, SHARE_CURVATURE, HEDGE, LEAST, LOSS, CONSTANT_LOSS
    ERROR, SATURATED, TARGET, SPREAD
    FULL_SHARE, FULL_SHARE_CURVATURE, FULL_HEDGE, FULL_LEAST, LARGEST, SMALLEST
    SCALE_KNOWN, N_OUTPUT

# What is kept of the stream. The last numbers stand for the first rows (`note_row`): those
# that have come again come first.
cdef enum:
    TIME, STEPS, ACTIVE, AVERAGE_WEIGHT, WEIGHTS, ROWS, JUDGED, HITS, CALL, HISTORY
    REPEATED, N_FIRST, N_AGAIN, FIRST_ROWS
    N_FIRST_ROWS = 32
    N_STREAM = FIRST_ROWS + N_FIRST_ROWS


# fmax and fmin, which are calls of libm; a limit takes the place of NaN, too.
cdef inline double at_least(double x, double limit) noexcept nogil:
    return x if x > limit else limit


cdef inline double at_most(double x, double limit) noexcept nogil:
    return x if x < limit else limit


# True if an entry is in another unit than others with these sums, which show the size of
# the column.
cdef bint is_in_another_unit(
    double x, double squares, double absolutes) noexcept nogil


cdef class OnlineRule:
    cdef readonly object definition
    cdef LossFunction loss
    cdef readonly Py_ssize_t n_features, n_outputs
    cdef readonly bint fit_intercept, centred, coupled, quadratic
    cdef readonly double reach, power, average
    cdef public double l1, l2
    cdef double late_average
    cdef bint twice_smooth, smooth, log_link, regression
    cdef Py_ssize_t stride, offset, n_groups, group
    cdef object record_array, stream_array, output_array, entry_owner, per_output_array
    cdef object point_array
    cdef double* records
    cdef double* stream
    cdef double* outputs
    # Of the current row: raw values, and values less means.
    cdef sklgd_online_row row
    cdef double* values
    cdef double* x
    cdef Py_ssize_t* columns
    cdef Py_ssize_t capacity, n_entries
    # Number of a column whose squares are too small, or -1.
    cdef readonly Py_ssize_t small_column
    # Of the outputs.
    cdef double* target
    cdef double* z
    cdef double* lag
    cdef double* g
    cdef double* h
    cdef double* q
    cdef double* c
    cdef double* new
    cdef double* unit
    cdef double* curvature
    cdef double* scaled_q
    cdef double* scaled_h
    cdef double* intercept_rate
    cdef double* intercept_sum
    # Of several models: raw predictions of the row, losses, gradients and second
    # derivatives there; learning rates, raw predictions and gradients of their next steps.
    cdef double* point
    cdef double* point_value
    cdef double* point_g
    cdef double* point_h
    cdef double* next_q
    cdef double* next_z
    cdef double* next_c
    cdef Py_ssize_t n_learnt, n_points, output_step, model_step
    # From the weight of an entry for an output to its number of the next kind.
    cdef Py_ssize_t kind_step

    cdef reserve_entries(self, Py_ssize_t most)
    cdef void measure_columns(self, double w) noexcept nogil
    cdef double* field(self, Py_ssize_t f) noexcept nogil
    cdef double* weight(self, Py_ssize_t p, Py_ssize_t k) noexcept nogil
    cdef double rate(self, Py_ssize_t p, Py_ssize_t k) noexcept nogil
    cdef begin_row_by_row(self)
    cdef end_row_by_row(self)
    cdef int inspect(self) noexcept nogil
    cdef void begin_anew(self, Py_ssize_t p) noexcept nogil
    cdef void adapt_size(self, Py_ssize_t p) noexcept nogil
    cdef void correct_size(self, Py_ssize_t p) noexcept nogil
    cdef void shrink(self, Py_ssize_t p, double share) noexcept nogil
    cdef void measure_targets(self, double w, bint first) noexcept nogil
    cdef void forget_outlier(self, Py_ssize_t k, double t) noexcept nogil
    cdef bint awaits_scale(self, Py_ssize_t k) noexcept nogil
    cdef bint learns_intercept_alone(self, Py_ssize_t k) noexcept nogil
    cdef bint forget_first_target(self, Py_ssize_t k, double y) noexcept nogil
    cdef void start_intercept(self, Py_ssize_t k, double y) noexcept nogil
    cdef void find_unit(self, Py_ssize_t k, double t) noexcept nogil
    cdef void find_units(self) noexcept nogil
    cdef void apply_penalty(self, double w) noexcept nogil
    cdef bint awaits_size(self, double absolutes, double size) noexcept nogil
    cdef void decay(
        self, double size, const double* weight, Py_ssize_t step, Py_ssize_t k,
        double since, double* after) noexcept nogil
    cdef void predict(self) noexcept nogil
    cdef void evaluate_points(self, Py_ssize_t i) noexcept nogil
    cdef void curve(self, Py_ssize_t k, double z) noexcept nogil
    cdef double unit_curvature(self, Py_ssize_t k, double g, double c) noexcept nogil
    cdef void find_next(self) noexcept nogil
    cdef double intercept_precision(self, Py_ssize_t k, double active) noexcept nogil
    cdef double known_curvature(self, double size, Py_ssize_t k) noexcept nogil
    cdef double late_rate(self) noexcept nogil
    cdef void find_rates(self, double w) noexcept nogil
    cdef void find_dual_share(self, double w) noexcept nogil
    cdef double average_weight(self) noexcept nogil
    cdef double average_weights_before(self, double t) noexcept nogil
    cdef void find_step(self, double w) noexcept nogil
    cdef void step(self, double w) noexcept nogil
    cdef void step_dual(self, double w) noexcept nogil
