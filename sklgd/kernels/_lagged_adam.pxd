from libc.math cimport powl


cdef enum:
    TERMS = 8                           # of a series: one cache line of float64


cdef struct Powers:
    long double base
    double top                          # base^65536
    double low[256]                     # base^j
    double high[256]                    # base^(256 j)


cdef inline void fill_powers(Powers* p, long double base) noexcept nogil:
    """Tables for `power`, 0 <= base <= 1; the caller owns ``p``."""
    cdef Py_ssize_t j
    p.base = base
    p.top = <double> powl(base, 65536)
    for j in range(256):
        p.low[j] = <double> powl(base, j)
        p.high[j] = <double> powl(base, 256 * j)


cdef inline double power(const Powers* p, Py_ssize_t k) noexcept nogil:
    """base^k for k >= 0, to 2 units in the last place up to k = 65535, then to one more
    for each 65536; 0 where it is below 1e-300.

    Rounding to zero keeps products of it from the subnormal numbers, each of which costs
    a hundred cycles.
    """
    cdef double value = p.low[k & 255] * p.high[(k >> 8) & 255]
    while k > 65535 and value > 0.0:
        value *= p.top
        k -= 65536
    return value if value >= 1e-300 else 0.0


cdef struct Moves:
    double end                          # of a coordinate with m = 1, at the last step
    double total                        # summed over the steps


cdef struct Path:
    double move                         # of a coordinate with m = 1
    double threshold                    # with l1 = 1
    double noise                        # rounding of the two together
    double total_move                  # both summed over the steps
    double total_threshold
    double total_noise


cdef enum:
    GAPS = 512                          # a power of two


cdef struct Gap:
    double[TERMS] weights               # of the series, see `LaggedAdam.weigh`
    double mean_fall, scale_fall        # factors of m and of the scale
    Py_ssize_t start, now               # step before which it begins, and ends
    bint trusted                        # whether the weights are accurate


cdef class LaggedAdam:
    cdef readonly Py_ssize_t n_steps
    cdef readonly Py_ssize_t n_terms    # of the series, 0 where it does not converge
    cdef readonly Py_ssize_t longest    # steps after which an explicit sum may stop
    cdef readonly bint bounded
    cdef double beta_1, delta, epsilon
    cdef double largest, least          # of a and of c
    cdef double ratio                   # beta_1 / delta
    cdef bint root, want_sums
    cdef Powers mean_power              # of beta_1
    cdef Powers scale_power             # of delta
    cdef const double[::1] a
    cdef const double[::1] c
    cdef const double* table
    cdef Py_ssize_t width               # entries of the table per step
    cdef double l1
    cdef const double[::1] eta          # learning rates, where there is l1
    cdef const double[::1] rest         # see `tabulate_rest`
    cdef double series_scale            # least scale that the series take
    cdef object owner                   # of the table
    cdef Gap[GAPS] gaps                 # the last ones that occurred

    cdef tabulate(self)
    cdef void run(
        self, Py_ssize_t n_features, Py_ssize_t n_outputs, const Py_ssize_t* since,
        Py_ssize_t now, double* w, double* m, double* scale,
        double* sums) noexcept nogil
    cdef void run_lanes(
        self, Py_ssize_t n_features, Py_ssize_t n_outputs, const Py_ssize_t* since,
        Py_ssize_t now, double* w, double* m, double* scale) noexcept nogil
    cdef void fill_gap(
        self, Gap* gap, Py_ssize_t start, Py_ssize_t now) noexcept nogil
    cdef bint weigh(
        self, Py_ssize_t start, Py_ssize_t now, double mean_fall, double scale_fall,
        double* weights) noexcept nogil
    cdef bint expand(
        self, const double* weights, double h, Moves* moves) noexcept nogil
    cdef void add_up(
        self, Py_ssize_t start, Py_ssize_t now, double h, double m, double w,
        Moves* moves) noexcept nogil
    cdef void shrink(
        self, Py_ssize_t start, Py_ssize_t now, double h, double m, double* w,
        double* total) noexcept nogil
    cdef Py_ssize_t steps_off_zero(
        self, Py_ssize_t start, Py_ssize_t k, double h, double m, double y,
        double towards) noexcept nogil
    cdef Py_ssize_t reach(self, double h, Py_ssize_t k) noexcept nogil
    cdef void measure(
        self, Py_ssize_t start, Py_ssize_t k, double h, double m,
        Path* path) noexcept nogil
