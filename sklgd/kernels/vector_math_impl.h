/* A family of kernels (isa.h): functions of `vector_math.h` on arrays, in place. */

static SKLGD_TARGET void SKLGD_NAME(sklgd_exp_all)(double *x, ptrdiff_t n) {
    ptrdiff_t i;
    for (i = 0; i < n; i++) x[i] = sklgd_exp(x[i]);
}

static SKLGD_TARGET void SKLGD_NAME(sklgd_log1p_all)(double *x, ptrdiff_t n) {
    ptrdiff_t i;
    for (i = 0; i < n; i++) x[i] = sklgd_log1p(x[i]);
}
