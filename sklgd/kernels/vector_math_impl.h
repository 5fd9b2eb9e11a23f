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

/* p = exp(z - top), top = max_k z_k and norm = sum_k p_k of m rows of K numbers. A NaN wins
   the maximum and stays visible. Each sum runs over its row in order: a row's bits do not
   depend on the others. Four rows at a time, as one sum waits for itself. */
static SKLGD_TARGET void SKLGD_NAME(sklgd_softmax_rows)(
        const double *z, ptrdiff_t m, ptrdiff_t K, double *p, double *top, double *norm) {
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
            for (k = 0; k < K; k++) {
                s0 += row[k];
                s1 += row[K + k];
                s2 += row[2 * K + k];
                s3 += row[3 * K + k];
            }
            norm[i] = s0, norm[i + 1] = s1, norm[i + 2] = s2, norm[i + 3] = s3;
            r = 4;
        } else {
            double s = 0.0;
            for (k = 0; k < K; k++) s += row[k];
            norm[i] = s;
        }
    }
}
