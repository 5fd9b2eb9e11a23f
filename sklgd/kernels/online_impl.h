/* A family of kernels (isa.h): the loops of `online.h`. Each is written once for any number
   K of outputs and compiled with K = 1, too, where it works along the entries. */

#define SKLGD_OF_ROW(row, p) \
    ((row)->records + (row)->columns[p] * (row)->stride + SKLGD_ONLINE_WEIGHTS)

static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(predict_outputs)(
        const sklgd_online_row *row, ptrdiff_t K, double *SKLGD_RESTRICT z,
        double *SKLGD_RESTRICT lag) {
    ptrdiff_t p, k;
    for (p = 0; p < row->n; p++) {
        const double *w = SKLGD_OF_ROW(row, p);
        const double x = row->x[p];
        for (k = 0; k < K; k++) {
            z[k] += x * w[k];
            lag[k] += x * w[2 * K + k];
        }
    }
}

/* z += sum_p x_p weight_p and lag += sum_p x_p lag_p. */
static SKLGD_TARGET void SKLGD_NAME(online_predict)(
        const sklgd_online_row *row, double *z, double *lag) {
    if (row->K == 1) {
        double a = *z, b = *lag;
        SKLGD_NAME(predict_outputs)(row, 1, &a, &b);
        *z = a, *lag = b;
    } else {
        SKLGD_NAME(predict_outputs)(row, row->K, z, lag);
    }
}

static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(rates_of_outputs)(
        const sklgd_online_row *row, ptrdiff_t K, double share, double known, double power,
        double penalty, const double *SKLGD_RESTRICT unit, const double *SKLGD_RESTRICT h,
        double *SKLGD_RESTRICT q) {
    const double *SKLGD_RESTRICT x = row->x;
    double *SKLGD_RESTRICT precision = row->precision, *SKLGD_RESTRICT rate = row->rate;
    double *SKLGD_RESTRICT work = row->work;
    const ptrdiff_t n = row->n;
    ptrdiff_t p, k, i;
    for (p = 0; p < n; p++) {
        const double *w = SKLGD_OF_ROW(row, p);
        const double size = w[SKLGD_ONLINE_SIZE - SKLGD_ONLINE_WEIGHTS];
        const double seen = w[SKLGD_ONLINE_ABSOLUTES - SKLGD_ONLINE_WEIGHTS];
        const int waits = known > 0.0 && seen < SKLGD_ONLINE_TRUSTED * size;
        precision[p] = waits ? INFINITY : size * size;
        for (k = 0; k < K; k++) work[p * K + k] = w[K + k];
    }
    for (p = 0; p < n; p++)
        for (k = 0; k < K; k++) {
            const double total = precision[p] * share * unit[k];
            const double curvature = work[p * K + k] + h[k] * (x[p] * x[p])
                                     + known * total / share;
            const double inverse = total > 1e-307 && total < 1e300 ? 1.0 / total : 0.0;
            rate[p * K + k] = inverse;
            work[p * K + k] = inverse > 0.0 ? curvature * inverse : 0.0;
        }
    SKLGD_NAME(sklgd_powers_all)(work, n * K, -power);
    for (i = 0; i < n * K; i++) rate[i] *= work[i];
    if (penalty > 0.0)
        for (i = 0; i < n * K; i++) rate[i] /= 1.0 + penalty * rate[i];
    for (p = 0; p < n; p++)
        for (k = 0; k < K; k++) q[k] += x[p] * x[p] * rate[p * K + k];
}

/* rate = P^(power - 1) (P + G)^-power of each entry and output, P = size^2 share unit being
   the precision of its prior and G its curvature with h x^2 of this row, and q += x^2 rate.
   ``known`` rows of unit curvature are known of each column, which then waits for a few
   entries that show its size. An l2 penalty of all rows so far adds to the inverse of the
   rate. */
static SKLGD_TARGET void SKLGD_NAME(online_rates)(
        const sklgd_online_row *row, double share, double known, double power,
        double penalty, const double *unit, const double *h, double *q) {
    if (row->K == 1) {
        const double one = *unit, other = *h;
        double sum = *q;
        SKLGD_NAME(rates_of_outputs)(
            row, 1, share, known, power, penalty, &one, &other, &sum);
        *q = sum;
    } else {
        SKLGD_NAME(rates_of_outputs)(
            row, row->K, share, known, power, penalty, unit, h, q);
    }
}

static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(step_of_outputs)(
        const sklgd_online_row *row, ptrdiff_t K, const double *SKLGD_RESTRICT h,
        const double *SKLGD_RESTRICT c, double total) {
    ptrdiff_t p, k;
    for (p = 0; p < row->n; p++) {
        double *SKLGD_RESTRICT w = SKLGD_OF_ROW(row, p);
        const double x = row->x[p], *rate = row->rate + p * K;
        for (k = 0; k < K; k++) {
            const double move = -rate[k] * c[k] * x;
            w[k] += move;
            w[K + k] += h[k] * (x * x);
            w[2 * K + k] += move * total;
        }
    }
}

/* A step along the gradients c x, with the weight `total` in the average of the iterates. */
static SKLGD_TARGET void SKLGD_NAME(online_step)(
        const sklgd_online_row *row, const double *h, const double *c, double total) {
    if (row->K == 1) {
        const double one = *h, other = *c;
        SKLGD_NAME(step_of_outputs)(row, 1, &one, &other, total);
    } else {
        SKLGD_NAME(step_of_outputs)(row, row->K, h, c, total);
    }
}

#undef SKLGD_OF_ROW
