from sklgd.kernels._lagged_penalty cimport Thresholds


cdef enum:
    POWERS = 8                          # terms of the series in `SGDRule.decayed`


cdef struct Place:
    double* w                           # coordinates
    const double* l1                    # penalty per coordinate
    const double* l2
    double* slot[3]
    Py_ssize_t size


cdef class Rule:
    cdef Place whole                     # all coordinates, the caller's buffers
    cdef Place at                       # those that `step` and `lagged_update` work on
    cdef readonly Py_ssize_t size, n_slots
    cdef public long long t             # steps taken
    cdef readonly dict slots            # name -> float64 array of `size`
    cdef object owners                  # keeps the buffers alive
    cdef const double* etas             # of the steps known beforehand
    cdef object etas_owner
    cdef Py_ssize_t n_outputs

    cdef void step(self, const double* g, double eta) noexcept nogil
    cdef void lagged_update(
        self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
        double* sums) noexcept nogil


cdef class SGDRule(Rule):
    cdef double l1, l2
    cdef Thresholds table
    cdef const double* log_factor       # n + 1: sum of log(1 - eta l2) before step i
    cdef const double* tail             # n + 1: sum of the products of factors from i on
    cdef object tables
    cdef double scale                   # w = scale * stored, features only
    cdef double l1_sum                  # sum of eta l1 / scale since the last flush
    cdef double* records                # per feature: l1_sum of its last update, n_outputs stored
    cdef bint packed                    # True if they hold the coordinates
    cdef Py_ssize_t n_penalised
    cdef object record_owner
    cdef bint cumulative                # l1 is paid by active features only
    cdef double due                     # sum of eta l1: what a feature could have paid
    cdef double* paid                   # per coefficient: what it paid, with a sign
    cdef object paid_owner
    cdef double* average                # (stored_share * stored + average) / average_unit
    cdef double stored_share, average_unit
    cdef bint varied                    # True if coefficients have strengths of their own
    cdef double centre, spread          # learning rates are centre + spread * x, |x| <= 1
    cdef const double* powers           # (n + 1) * POWERS: sums of x^p before step i
    cdef object power_owner
    cdef double[8] unused               # keeps rules of two threads in different cache lines

    cdef prepare_powers(self, const double[::1] etas)
    cdef double decayed(
        self, double w, double l1, double l2, Py_ssize_t first,
        Py_ssize_t now) noexcept nogil
    cdef void lagged_strengths(
        self, Py_ssize_t n, const Py_ssize_t* since, Py_ssize_t now,
        double* sums) noexcept nogil
    cdef Py_ssize_t last_alive(
        self, double size, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    cdef start_rows(
        self, Py_ssize_t n_outputs, double l1, double l2, bint lazy, bint cumulative,
        double* average)
    cdef void count_average(self, double share) noexcept nogil
    cdef void decay(self, double eta) noexcept nogil
    cdef void shrink(self, double eta) noexcept nogil
    cdef void pack(self) noexcept nogil
    cdef void apply_lagged(self) noexcept nogil
    cdef void apply_lagged_average(self) noexcept nogil
    cdef void flush(self) noexcept nogil
