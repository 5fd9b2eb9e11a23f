cdef int factorise(double* A, int n) noexcept nogil
cdef void solve_factorised(
    const double* factor, int n, int n_columns, double* x) noexcept nogil
