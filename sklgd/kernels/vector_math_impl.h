/* A family of kernels (isa.h): functions of `vector_math.h` on arrays. */

/* `sklgd_exp` in three loops: each of its steps waits for the one before, and a processor
   has enough of them in view only where loops are short. */
static SKLGD_TARGET void SKLGD_NAME(sklgd_exp_all)(double *x, ptrdiff_t n) {
    double k[SKLGD_BLOCK];
    ptrdiff_t i, m;
    for (; n > 0; n -= m, x += m) {
        m = n < SKLGD_BLOCK ? n : SKLGD_BLOCK;
        for (i = 0; i < m; i++) x[i] = sklgd_exp_reduce(x[i], k + i);
        for (i = 0; i < m; i++) x[i] = sklgd_exp_series(x[i]);
        for (i = 0; i < m; i++) x[i] = sklgd_exp_scale(x[i], k[i]);
    }
}

static SKLGD_TARGET void SKLGD_NAME(sklgd_log1p_all)(double *x, ptrdiff_t n) {
    ptrdiff_t i;
    for (i = 0; i < n; i++) x[i] = sklgd_log1p(x[i]);
}

/* (1 + x)^power for x >= 0 and -1 < power <= 0; a relative error of some 1e-16 times the
   exponent of the result. Two loops, for the reason above. */
static SKLGD_TARGET void SKLGD_NAME(sklgd_powers_all)(
        double *x, ptrdiff_t n, double power) {
    ptrdiff_t i, m;
    for (; n > 0; n -= m, x += m) {
        m = n < SKLGD_BLOCK ? n : SKLGD_BLOCK;
        for (i = 0; i < m; i++)
            x[i] = power * sklgd_log2(1.0 + (x[i] > 1e300 ? 1e300 : x[i]));
        for (i = 0; i < m; i++) x[i] = sklgd_exp2(x[i]);
    }
}

/* Adds x <= 1 to a sum, 1 to a count instead. NaN goes to the sum. */
#define SKLGD_ADD_TERM(x, sum, ones)         \
    do {                                     \
        double one = (x) >= 1.0 ? 1.0 : 0.0; \
        ones += one;                         \
        sum += (x) - one;                    \
    } while (0)

/* p = exp(z - top), top = max_k z_k and rest = sum_k p_k - 1 of m rows of K numbers. The
   largest term is 1 and is left out of the sum, which would lose the digits of terms far
   below it otherwise. A NaN wins the maximum and stays visible. Each sum runs over its row
   in order: a row's bits do not depend on the others. Four rows at a time, as one sum
   waits for itself. */
static SKLGD_TARGET void SKLGD_NAME(sklgd_softmax_rows)(
        const double *z, ptrdiff_t m, ptrdiff_t K, double *p, double *top, double *rest) {
    ptrdiff_t i, k, r;
    for (i = 0; i < m; i += r) {
        const double *row = z + i * K;
        r = 1;
        if (i + 4 <= m) {
            double t0 = row[0], t1 = row[K], t2 = row[2 * K], t3 = row[3 * K];
            for (k = 1; k < K; k++) {
                t0 = t0 > row[k] ? t0 : row[k];
                t1 = t1 > row[K + k] ? t1 : row[K + k];
                t2 = t2 > row[2 * K + k] ? t2 : row[2 * K + k];
                t3 = t3 > row[3 * K + k] ? t3 : row[3 * K + k];
            }
            top[i] = t0, top[i + 1] = t1, top[i + 2] = t2, top[i + 3] = t3;
            r = 4;
        } else {
            double t = row[0];
            for (k = 1; k < K; k++) t = t > row[k] ? t : row[k];
            top[i] = t;
        }
    }
    for (i = 0; i < m; i++)
        for (k = 0; k < K; k++) p[i * K + k] = z[i * K + k] - top[i];
    SKLGD_NAME(sklgd_exp_all)(p, m * K);
    for (i = 0; i < m; i += r) {
        const double *row = p + i * K;
        r = 1;
        if (i + 4 <= m) {
            double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;
            double n0 = -1.0, n1 = -1.0, n2 = -1.0, n3 = -1.0;
            for (k = 0; k < K; k++) {
                SKLGD_ADD_TERM(row[k], s0, n0);
                SKLGD_ADD_TERM(row[K + k], s1, n1);
                SKLGD_ADD_TERM(row[2 * K + k], s2, n2);
                SKLGD_ADD_TERM(row[3 * K + k], s3, n3);
            }
            rest[i] = s0 + n0, rest[i + 1] = s1 + n1, rest[i + 2] = s2 + n2,
            rest[i + 3] = s3 + n3;
            r = 4;
        } else {
            double s = 0.0, n = -1.0;
            for (k = 0; k < K; k++) SKLGD_ADD_TERM(row[k], s, n);
            rest[i] = s + n;
        }
    }
}

#undef SKLGD_ADD_TERM
