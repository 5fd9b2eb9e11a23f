/* Kernels over dense rows of type REAL with float64 coefficients; included by dense.h.

   X has d columns and lies in C order. `order` maps positions to row numbers, NULL means
   that they are the same. Nothing is checked: row numbers and buffer sizes are the
   caller's promise, and all buffers are the caller's. */

/* The sum of eight lanes, in a fixed order. */
static TARGET SKLGD_INLINE double NAME(total)(const double *s) {
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

/* sum_j x_j w_j. Strict floating point forbids vectorising a single running sum; eight
   lanes give the compiler something to vectorise. */
static TARGET SKLGD_INLINE double NAME(dot)(
        const REAL *SKLGD_RESTRICT x, const double *SKLGD_RESTRICT w, ptrdiff_t d) {
    double s[LANES] = {0.0}, tail = 0.0;
    ptrdiff_t j = 0;
    int k;
    for (; j + LANES <= d; j += LANES)
        for (k = 0; k < LANES; k++) s[k] += x[j + k] * w[j + k];
    for (; j < d; j++) tail += x[j] * w[j];
    return NAME(total)(s) + tail;
}

/* The same for four rows: each w_j is loaded once. Every row gets the bits of `dot`. */
static TARGET SKLGD_INLINE void NAME(dot4)(
        const REAL *SKLGD_RESTRICT x0, const REAL *SKLGD_RESTRICT x1,
        const REAL *SKLGD_RESTRICT x2, const REAL *SKLGD_RESTRICT x3,
        const double *SKLGD_RESTRICT w, ptrdiff_t d, double *out) {
    double s0[LANES] = {0.0}, s1[LANES] = {0.0}, s2[LANES] = {0.0}, s3[LANES] = {0.0};
    double t0 = 0.0, t1 = 0.0, t2 = 0.0, t3 = 0.0;
    ptrdiff_t j = 0;
    int k;
    for (; j + LANES <= d; j += LANES) {
        for (k = 0; k < LANES; k++) s0[k] += x0[j + k] * w[j + k];
        for (k = 0; k < LANES; k++) s1[k] += x1[j + k] * w[j + k];
        for (k = 0; k < LANES; k++) s2[k] += x2[j + k] * w[j + k];
        for (k = 0; k < LANES; k++) s3[k] += x3[j + k] * w[j + k];
    }
    for (; j < d; j++) {
        t0 += x0[j] * w[j];
        t1 += x1[j] * w[j];
        t2 += x2[j] * w[j];
        t3 += x3[j] * w[j];
    }
    out[0] = NAME(total)(s0) + t0;
    out[1] = NAME(total)(s1) + t1;
    out[2] = NAME(total)(s2) + t2;
    out[3] = NAME(total)(s3) + t3;
}

/* w += c x. */
static TARGET SKLGD_INLINE void NAME(add)(
        const REAL *SKLGD_RESTRICT x, double c, ptrdiff_t d, double *SKLGD_RESTRICT w) {
    ptrdiff_t j;
    for (j = 0; j < d; j++) w[j] += c * x[j];
}

/* z_i = scale x_i.w + w_d for m rows from position `start` on. Rows in random order are
   asked for before they are needed, up to position `end`. */
static TARGET void NAME(forward)(
        const void *data, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start,
        ptrdiff_t m, ptrdiff_t end, const double *w, double scale, double *z) {
    const REAL *X = (const REAL *) data;
    const ptrdiff_t ahead = sklgd_ahead(d * (ptrdiff_t) sizeof(REAL));
    ptrdiff_t i = 0, k;
    for (; i + 4 <= m; i += 4) {
        if (order == NULL) {
            const REAL *x = X + (start + i) * d;
            NAME(dot4)(x, x + d, x + 2 * d, x + 3 * d, w, d, z + i);
            continue;
        }
        for (k = start + i + ahead; k < start + i + ahead + 4 && k < end; k++)
            sklgd_ask(X + order[k] * d, d * (ptrdiff_t) sizeof(REAL));
        NAME(dot4)(
            X + order[start + i] * d, X + order[start + i + 1] * d,
            X + order[start + i + 2] * d, X + order[start + i + 3] * d, w, d, z + i);
    }
    for (; i < m; i++) {
        if (order != NULL && start + i + ahead < end)
            sklgd_ask(X + order[start + i + ahead] * d, d * (ptrdiff_t) sizeof(REAL));
        z[i] = NAME(dot)(X + ROW(order, start + i) * d, w, d);
    }
    for (i = 0; i < m; i++) z[i] = scale * z[i] + w[d];
}

/* out += sum_i g_i x_i over m rows: four rows at a time, as `out` is loaded and stored
   once for all of them. Rows with g_i = 0 cost nothing where all four have it. */
static TARGET void NAME(backward)(
        const void *data, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start,
        ptrdiff_t m, const double *g, double *SKLGD_RESTRICT out) {
    const REAL *X = (const REAL *) data;
    ptrdiff_t i = 0, j;
    for (; i + 4 <= m; i += 4) {
        const double g0 = g[i], g1 = g[i + 1], g2 = g[i + 2], g3 = g[i + 3];
        const REAL *SKLGD_RESTRICT x0 = X + ROW(order, start + i) * d;
        const REAL *SKLGD_RESTRICT x1 = X + ROW(order, start + i + 1) * d;
        const REAL *SKLGD_RESTRICT x2 = X + ROW(order, start + i + 2) * d;
        const REAL *SKLGD_RESTRICT x3 = X + ROW(order, start + i + 3) * d;
        if (g0 == 0.0 && g1 == 0.0 && g2 == 0.0 && g3 == 0.0) continue;
        for (j = 0; j < d; j++)
            out[j] += (g0 * x0[j] + g1 * x1[j]) + (g2 * x2[j] + g3 * x3[j]);
    }
    for (; i < m; i++)
        if (g[i] != 0.0) NAME(add)(X + ROW(order, start + i) * d, g[i], d, out);
}

/* Plain SGD on single rows: walk->m steps, see `sklgd_sgd`. */
static TARGET void NAME(descend)(
        const void *data, ptrdiff_t d, const sklgd_walk *walk, sklgd_sgd *sgd) {
    const REAL *X = (const REAL *) data;
    const ptrdiff_t n_bytes = d * (ptrdiff_t) sizeof(REAL);
    const ptrdiff_t ahead = walk->ahead ? walk->ahead : sklgd_ahead(n_bytes);
    double *SKLGD_RESTRICT w = sgd->coef;
    double scale = sgd->scale, intercept = w[d];
    ptrdiff_t i, j;
    for (i = 0; i < walk->m; i++) {
        const ptrdiff_t row = ROW(walk->visit, walk->start + i);
        const REAL *x = X + row * d;
        const double eta = walk->etas[i], z = scale * NAME(dot)(x, w, d) + intercept;
        double g;
        if (walk->fetch != NULL && i + ahead < walk->m) {
            const ptrdiff_t next = walk->fetch[walk->start + i + ahead];
            sklgd_ask(X + next * d, n_bytes);
            sklgd_prefetch_far(walk->y + next);
        }
        g = sgd->slope(sgd->loss, walk->y[row], z);
        if (walk->s != NULL) g *= walk->s[row];
        scale = sklgd_decayed(scale, eta, sgd->l2);
        if (scale < SMALLEST_SCALE) {
            for (j = 0; j < d; j++) w[j] *= scale;
            scale = 1.0;
        }
        if (g != 0.0) {
            if (sgd->fit_intercept) intercept += -eta * g;
            NAME(add)(x, -eta * g / scale, d, w);
        }
        if (sgd->l1 > 0.0) {
            const double t = eta * sgd->l1 / scale;
            for (j = 0; j < d; j++) {
                double c = w[j] < -t ? -t : w[j];
                c = t > c ? c : t;
                w[j] -= c;
            }
        }
    }
    sgd->scale = scale;
    w[d] = intercept;
}

static const sklgd_dense_kernels NAME(table) = {
    NAME(forward), NAME(backward), NAME(descend)};
