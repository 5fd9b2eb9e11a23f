cdef struct Span:
    # Of |w| and u = v sign(w) before a run of steps, their values after it:
    # |w| = ww |w| + wu u + w1, u = uw |w| + uu u + u1.
    double ww, wu, w1, uw, uu, u1
    # Bounds of ww, wu and w1 over the ends of all steps of the run.
    double low_ww, high_ww, low_wu, high_wu, low_w1


cdef struct Total:
    # The sum of |w| after each step of a span: w |w| + u u + one.
    double w, u, one


cdef struct PowerSums:
    # Of k steps: mu^k; sum_(i<k) mu^i; and the sum of those sums over 1, ..., k.
    double power, path, area


cdef class LaggedMomentum:
    cdef readonly Py_ssize_t n_steps
    cdef double mu                      # v = mu v + eta l2 w
    cdef double keep, gain              # w = ST(w - gain eta l2 w - keep v, threshold)
    cdef double l2
    cdef bint free                      # no penalty
    cdef const double* etas
    cdef double* thresholds             # per step; NULL: no l1
    cdef double* floors                 # per step, min_(j>=i) threshold_j / mu^(j-i)
    cdef PowerSums* near                # 0 to 2^NEAR - 1 steps
    cdef PowerSums* far                 # multiples of 2^NEAR steps
    cdef int shift                      # a leaf has 2^shift steps
    cdef Span* spans                    # in-order tree over the leaves
    cdef Total* totals                  # NULL: no sums wanted
    cdef Py_ssize_t now                 # end of the tails
    cdef int n_tails                    # tails known for this `now`
    cdef Span[48] tails                 # tail l: from the last leaf divisible by 2^l
    cdef Total[48] tail_totals
    cdef object owners                  # keeps the buffers alive

    cdef void run(
        self, Py_ssize_t n_features, Py_ssize_t n_outputs, const Py_ssize_t* since,
        Py_ssize_t now, double* w, double* v, double* sums) noexcept nogil

    cdef void fill_bounds(self, double[::1] bounds, bint nesterov, double l1, double reach)
    cdef void fill_tree(self, double[::1] tree, double[::1] totals, Py_ssize_t n_leaves)
    cdef PowerSums power_sums(self, Py_ssize_t k) noexcept nogil
    cdef Py_ssize_t next_leaf(self, Py_ssize_t step) noexcept nogil
    cdef void need_tail(self, int level) noexcept nogil
    cdef void step_free(
        self, Py_ssize_t k, Py_ssize_t m, double* w, double* v,
        double* sums) noexcept nogil
    cdef void step_l2(
        self, Py_ssize_t start, Py_ssize_t m, double* w, double* v,
        double* sums) noexcept nogil
    cdef void step_l1(
        self, Py_ssize_t start, double* w, double* v, double* sums) noexcept nogil
    cdef Py_ssize_t each_step(
        self, Py_ssize_t start, Py_ssize_t stop, double* w, double* v,
        double* sums) noexcept nogil
