/* Kernels over dense rows of type REAL with float64 coefficients; included by dense.h.

   X has d columns and lies in C order. `order` maps positions to row numbers, NULL means
   that they are the same. Nothing is checked: row numbers and buffer sizes are the
   caller's promise, and all buffers are the caller's. */

/* s += x w, four lanes; x and w need not be aligned. */
static TARGET SKLGD_INLINE void NAME(mul_add)(
        sklgd_lanes *s, const REAL *x, const double *w) {
#if SKLGD_VECTORS
    sklgd_lanes b;
    memcpy(&b, w, sizeof(b));
    if (sizeof(REAL) == sizeof(double)) {
        sklgd_lanes a;
        memcpy(&a, x, sizeof(a));
        *s += a * b;
    } else {
        sklgd_floats a;
        memcpy(&a, x, sizeof(a));
        *s += __builtin_convertvector(a, sklgd_lanes) * b;
    }
#else
    int k;
    for (k = 0; k < 4; k++) s->v[k] += x[k] * w[k];
#endif
}

/* The sum of eight lanes, in a fixed order. */
static TARGET SKLGD_INLINE double NAME(total)(
        const sklgd_lanes *a, const sklgd_lanes *b) {
    double s[4], t[4];
    memcpy(s, a, sizeof(s));
    memcpy(t, b, sizeof(t));
    return ((s[0] + t[0]) + (s[1] + t[1])) + ((s[2] + t[2]) + (s[3] + t[3]));
}

/* sum_j x_j w_j. Strict floating point forbids vectorising a single running sum; eight
   lanes can be. */
static TARGET SKLGD_INLINE double NAME(dot)(
        const REAL *SKLGD_RESTRICT x, const double *SKLGD_RESTRICT w, ptrdiff_t d) {
    sklgd_lanes s = {0}, t = {0};
    double rest = 0.0;
    ptrdiff_t j = 0;
    for (; j + LANES <= d; j += LANES) {
        NAME(mul_add)(&s, x + j, w + j);
        NAME(mul_add)(&t, x + j + 4, w + j + 4);
    }
    for (; j < d; j++) rest += x[j] * w[j];
    return NAME(total)(&s, &t) + rest;
}

/* The products of a row with two vectors: each x_j is loaded (and converted) once. Each
   has the bits of `dot`. */
static TARGET SKLGD_INLINE void NAME(dot2)(
        const REAL *SKLGD_RESTRICT x, const double *SKLGD_RESTRICT v,
        const double *SKLGD_RESTRICT w, ptrdiff_t d, double *out_v, double *out_w) {
    sklgd_lanes s0 = {0}, s1 = {0}, t0 = {0}, t1 = {0};
    double rest_v = 0.0, rest_w = 0.0;
    ptrdiff_t j = 0;
    for (; j + LANES <= d; j += LANES) {
        NAME(mul_add)(&s0, x + j, v + j);
        NAME(mul_add)(&t0, x + j, w + j);
        NAME(mul_add)(&s1, x + j + 4, v + j + 4);
        NAME(mul_add)(&t1, x + j + 4, w + j + 4);
    }
    for (; j < d; j++) {
        rest_v += x[j] * v[j];
        rest_w += x[j] * w[j];
    }
    *out_v = NAME(total)(&s0, &s1) + rest_v;
    *out_w = NAME(total)(&t0, &t1) + rest_w;
}

/* w += c x. */
static TARGET SKLGD_INLINE void NAME(add)(
        const REAL *SKLGD_RESTRICT x, double c, ptrdiff_t d, double *SKLGD_RESTRICT w) {
    ptrdiff_t j;
    for (j = 0; j < d; j++) w[j] += c * x[j];
}

/* z_i = scale x_i.w + w_d for m rows from position `start` on. Rows in random order are
   asked for before they are needed, up to position `end`; in the natural order the
   processor does that, as fast as memory is (four rows at once, which would load w less
   often, took twice the time: it follows one stream better than four). */
static TARGET void NAME(forward)(
        const void *data, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start,
        ptrdiff_t m, ptrdiff_t end, const double *w, double scale, double *z) {
    const REAL *X = (const REAL *) data;
    const ptrdiff_t n_bytes = d * (ptrdiff_t) sizeof(REAL), ahead = sklgd_ahead(n_bytes);
    ptrdiff_t i;
    for (i = 0; i < m; i++) {
        if (order != NULL && start + i + ahead < end)
            sklgd_ask(X + order[start + i + ahead] * d, n_bytes);
        z[i] = scale * NAME(dot)(X + ROW(order, start + i) * d, w, d) + w[d];
    }
}

/* `forward` for several models w, d + 1 coefficients each; z has shape (n_models, m). Two
   models at a time: these and a row are in the L1 cache together up to 1000 columns, and
   the m rows should be in L2. */
static TARGET void NAME(forward_models)(
        const void *data, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start,
        ptrdiff_t m, const double *models, ptrdiff_t n_models, double *z) {
    const REAL *X = (const REAL *) data;
    ptrdiff_t i, model = 0;
    for (; model + 2 <= n_models; model += 2) {
        const double *v = models + model * (d + 1), *w = v + d + 1;
        double *z_v = z + model * m, *z_w = z_v + m;
        for (i = 0; i < m; i++) {
            NAME(dot2)(X + ROW(order, start + i) * d, v, w, d, z_v + i, z_w + i);
            z_v[i] += v[d];
            z_w[i] += w[d];
        }
    }
    for (; model < n_models; model++) {
        const double *w = models + model * (d + 1);
        for (i = 0; i < m; i++)
            z[model * m + i] = NAME(dot)(X + ROW(order, start + i) * d, w, d) + w[d];
    }
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
            /* Where long rows follow each other the processor needs no help. */
            if (n_bytes < LONG_ROW || next != row + ahead) sklgd_ask(X + next * d, n_bytes);
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
            /* The quotient does not wait for g. */
            NAME(add)(x, (-eta / scale) * g, d, w);
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
    NAME(forward), NAME(forward_models), NAME(backward), NAME(descend)};
