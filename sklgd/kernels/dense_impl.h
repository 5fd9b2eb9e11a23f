/* Kernels over dense rows of type REAL with float64 coefficients; included by dense.h.

   X has d columns and lies in C order. `order` maps positions to row numbers, NULL means
   that they are the same. Nothing is checked: callers pass valid row numbers, and own
   all buffers, which have the right size. */

/* Four entries of X, four coefficients; they need not be aligned. */
static TARGET SKLGD_INLINE sklgd_lanes NAME(entries)(const REAL *x) {
    sklgd_lanes a;
#if SKLGD_VECTORS
    if (sizeof(REAL) == sizeof(double)) {
        memcpy(&a, x, sizeof(a));
    } else {
        sklgd_floats f;
        memcpy(&f, x, sizeof(f));
        a = __builtin_convertvector(f, sklgd_lanes);
    }
#else
    int k;
    for (k = 0; k < 4; k++) a.v[k] = x[k];
#endif
    return a;
}

static TARGET SKLGD_INLINE sklgd_lanes NAME(coefs)(const double *w) {
    sklgd_lanes a;
    memcpy(&a, w, sizeof(a));
    return a;
}

/* s += a b. */
static TARGET SKLGD_INLINE void NAME(mul_add)(
        sklgd_lanes *s, sklgd_lanes a, sklgd_lanes b) {
#if SKLGD_VECTORS
    *s += a * b;
#else
    int k;
    for (k = 0; k < 4; k++) s->v[k] += a.v[k] * b.v[k];
#endif
}

/* The sum of eight lanes, in a fixed order. */
static TARGET SKLGD_INLINE double NAME(total)(
        const sklgd_lanes *a, const sklgd_lanes *b) {
#if SKLGD_VECTORS
    const sklgd_lanes s = *a + *b;
    return (s[0] + s[1]) + (s[2] + s[3]);
#else
    const double *s = a->v, *t = b->v;
    return ((s[0] + t[0]) + (s[1] + t[1])) + ((s[2] + t[2]) + (s[3] + t[3]));
#endif
}

/* sum_j x_j w_j. Strict floating point forbids vectorising a single running sum; eight
   lanes can be. */
static TARGET SKLGD_INLINE double NAME(dot)(
        const REAL *SKLGD_RESTRICT x, const double *SKLGD_RESTRICT w, ptrdiff_t d) {
    sklgd_lanes s = {0}, t = {0};
    double rest = 0.0;
    ptrdiff_t j = 0;
    for (; j + LANES <= d; j += LANES) {
        NAME(mul_add)(&s, NAME(entries)(x + j), NAME(coefs)(w + j));
        NAME(mul_add)(&t, NAME(entries)(x + j + 4), NAME(coefs)(w + j + 4));
    }
    for (; j < d; j++) rest += x[j] * w[j];
    return NAME(total)(&s, &t) + rest;
}

/* s[k] += x w_k for n_models vectors, each in the eight lanes of `dot`, over n entries, a
   multiple of these: an entry of X is loaded (and converted) once for all. n_models is a
   constant where this is inlined. */
static TARGET SKLGD_INLINE void NAME(add_products)(
        const REAL *SKLGD_RESTRICT x, ptrdiff_t n, const double *SKLGD_RESTRICT w,
        ptrdiff_t stride, int n_models, sklgd_lanes (*s)[2]) {
    ptrdiff_t j;
    int k, h;
    for (j = 0; j < n; j += LANES)
        for (h = 0; h < 2; h++) {
            const sklgd_lanes a = NAME(entries)(x + j + 4 * h);
            for (k = 0; k < n_models; k++)
                NAME(mul_add)(&s[k][h], a, NAME(coefs)(w + k * stride + j + 4 * h));
        }
}

/* out[k] = `total` of s[k] for four vectors. */
static TARGET SKLGD_INLINE void NAME(totals)(const sklgd_lanes (*s)[2], double *out) {
#ifdef SKLGD_SHUFFLE
    const sklgd_lanes a = s[0][0] + s[0][1], b = s[1][0] + s[1][1];
    const sklgd_lanes c = s[2][0] + s[2][1], d = s[3][0] + s[3][1];
    const sklgd_lanes ab = SKLGD_SHUFFLE(a, b, 0, 4, 2, 6) + SKLGD_SHUFFLE(a, b, 1, 5, 3, 7);
    const sklgd_lanes cd = SKLGD_SHUFFLE(c, d, 0, 4, 2, 6) + SKLGD_SHUFFLE(c, d, 1, 5, 3, 7);
    const sklgd_lanes all =
        SKLGD_SHUFFLE(ab, cd, 0, 1, 4, 5) + SKLGD_SHUFFLE(ab, cd, 2, 3, 6, 7);
    memcpy(out, &all, sizeof(all));
#else
    int k;
    for (k = 0; k < FEW_MODELS; k++) out[k] = NAME(total)(&s[k][0], &s[k][1]);
#endif
}

/* w += c x. */
static TARGET SKLGD_INLINE void NAME(add)(
        const REAL *SKLGD_RESTRICT x, double c, ptrdiff_t d, double *SKLGD_RESTRICT w) {
    ptrdiff_t j;
    for (j = 0; j < d; j++) w[j] += c * x[j];
}

/* Prefetch row `next`, `ahead` steps before it is due. Where long rows follow each other
   the processor needs no help. */
static TARGET SKLGD_INLINE void NAME(request)(
        const REAL *X, ptrdiff_t d, ptrdiff_t row, ptrdiff_t next, ptrdiff_t ahead) {
    const ptrdiff_t n_bytes = d * (ptrdiff_t) sizeof(REAL);
    if (n_bytes < LONG_ROW || next != row + ahead) sklgd_ask(X + next * d, n_bytes);
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
            NAME(request)(X, d, order[start + i], order[start + i + ahead], ahead);
        z[i] = scale * NAME(dot)(X + ROW(order, start + i) * d, w, d) + w[d];
    }
}

/* z[k m + i] = x_i.w_k + w_kd for n_rows <= TILE_ROWS rows and n_models <= FEW_MODELS
   models, `panel` columns at a time. n_models is a constant where this is inlined. */
static TARGET SKLGD_INLINE void NAME(forward_tile)(
        const REAL *const *x, ptrdiff_t n_rows, ptrdiff_t d, ptrdiff_t panel,
        const double *w, int n_models, double *z, ptrdiff_t m) {
    const ptrdiff_t stride = d + 1, n_rest = d % LANES, whole = d - n_rest;
    sklgd_lanes s[TILE_ROWS][FEW_MODELS][2];
    double rest[LANES][FEW_MODELS]; /* the last coefficients of all models together */
    ptrdiff_t i, j, first;
    int k, h;
    for (j = 0; j <= n_rest; j++)
        for (k = 0; k < n_models; k++) rest[j][k] = w[k * stride + whole + j];
    for (first = 0; first == 0 || first < whole; first += panel) {
        const ptrdiff_t left = whole - first, n = left < panel ? left : panel;
        for (i = 0; i < n_rows; i++) {
            sklgd_lanes t[FEW_MODELS][2] = {{{0}}};
            double sums[FEW_MODELS], rests[FEW_MODELS] = {0.0};
            if (first > 0)
                for (k = 0; k < n_models; k++)
                    for (h = 0; h < 2; h++) t[k][h] = s[i][k][h];
            NAME(add_products)(x[i] + first, n, w + first, stride, n_models, t);
            if (left > panel) {
                for (k = 0; k < n_models; k++)
                    for (h = 0; h < 2; h++) s[i][k][h] = t[k][h];
                continue;
            }
            for (j = 0; j < n_rest; j++)
                for (k = 0; k < n_models; k++) rests[k] += x[i][whole + j] * rest[j][k];
            if (n_models == FEW_MODELS)
                NAME(totals)((const sklgd_lanes(*)[2]) t, sums);
            else
                for (k = 0; k < n_models; k++) sums[k] = NAME(total)(&t[k][0], &t[k][1]);
            for (k = 0; k < n_models; k++)
                z[k * m + i] = sums[k] + rests[k] + rest[n_rest][k];
        }
    }
}

/* `forward` for several models w, d + 1 coefficients each; z has shape (n_models, m).

   Tiles of few rows, which come from memory once, with the first models, row by row, and
   then from the L1 or L2 cache. The coefficients in use stay in L1: few models and, where
   rows are long, a panel of columns. */
static TARGET void NAME(forward_models)(
        const void *data, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start,
        ptrdiff_t m, const double *models, ptrdiff_t n_models, double *z) {
    const REAL *X = (const REAL *) data, *x[TILE_ROWS];
    ptrdiff_t i, first, model;
    for (first = 0; first < m; first += TILE_ROWS) {
        const ptrdiff_t n_rows = m - first < TILE_ROWS ? m - first : TILE_ROWS;
        for (i = 0; i < n_rows; i++) x[i] = X + ROW(order, start + first + i) * d;
        for (model = 0; model < n_models;) {
            const double *w = models + model * (d + 1);
            double *to = z + model * m + first;
            const ptrdiff_t left = n_models - model;
            const ptrdiff_t panel = model == 0 ? d : PANEL;
            if (left >= FEW_MODELS && (model > 0 || d <= PANEL)) {
                NAME(forward_tile)(x, n_rows, d, panel, w, FEW_MODELS, to, m);
                model += FEW_MODELS;
            } else if (left >= 2) {
                NAME(forward_tile)(x, n_rows, d, panel, w, 2, to, m);
                model += 2;
            } else {
                NAME(forward_tile)(x, n_rows, d, panel, w, 1, to, m);
                model += 1;
            }
        }
    }
}

/* out += sum_i g_i x_i over m rows: four rows at a time, as `out` is loaded and stored
   once for all of them. Four rows with g_i = 0 are skipped. */
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

/* |x|^2. */
static TARGET double NAME(square)(const REAL *x, ptrdiff_t d) {
    double total = 0.0;
    ptrdiff_t j;
    for (j = 0; j < d; j++) total += (double) x[j] * x[j];
    return total;
}

/* *p = x.w and *q = x.other, each in the lanes of `dot`. */
static TARGET SKLGD_INLINE void NAME(two_dots)(
        const REAL *SKLGD_RESTRICT x, const double *SKLGD_RESTRICT w,
        const REAL *other, ptrdiff_t d, double *p, double *q) {
    sklgd_lanes s = {0}, t = {0}, u = {0}, v = {0};
    double rest = 0.0, more = 0.0;
    ptrdiff_t j = 0;
    for (; j + LANES <= d; j += LANES) {
        const sklgd_lanes a = NAME(entries)(x + j), b = NAME(entries)(x + j + 4);
        NAME(mul_add)(&s, a, NAME(coefs)(w + j));
        NAME(mul_add)(&t, b, NAME(coefs)(w + j + 4));
        NAME(mul_add)(&u, a, NAME(entries)(other + j));
        NAME(mul_add)(&v, b, NAME(entries)(other + j + 4));
    }
    for (; j < d; j++) {
        rest += x[j] * w[j];
        more += (double) x[j] * other[j];
    }
    *p = NAME(total)(&s, &t) + rest;
    *q = NAME(total)(&u, &v) + more;
}

/* `descend` without l1, where dl/dz takes long: a step waits for the raw prediction, this
   for the dot product with the coefficients, and these for the last step. As the next row
   x' has x'.(w + c x) = x'.w + c x'.x, both products are computed while dl/dz is, and a
   step waits for one multiplication instead of a dot product. */
static TARGET void NAME(descend_ahead)(
        const void *data, ptrdiff_t d, const sklgd_walk *walk, sklgd_sgd *sgd) {
    const REAL *X = (const REAL *) data;
    const ptrdiff_t n_bytes = d * (ptrdiff_t) sizeof(REAL);
    const ptrdiff_t ahead = walk->ahead ? walk->ahead : sklgd_ahead(n_bytes);
    double *SKLGD_RESTRICT w = sgd->coef;
    double scale = sgd->scale, intercept = w[d], at;
    ptrdiff_t i, j, row = ROW(walk->visit, walk->start);
    const REAL *x = X + row * d;
    at = NAME(dot)(x, w, d);
    for (i = 0; i < walk->m; i++) {
        const ptrdiff_t following =
            i + 1 < walk->m ? ROW(walk->visit, walk->start + i + 1) : row;
        const REAL *x_next = X + following * d;
        const double z = scale * at + intercept, eta = walk->etas[i];
        double g, p, q;
        if (walk->fetch != NULL && i + ahead < walk->m) {
            const ptrdiff_t next = walk->fetch[walk->start + i + ahead];
            NAME(request)(X, d, row, next, ahead);
            sklgd_prefetch_far(walk->y + next);
        }
        NAME(two_dots)(x_next, w, x, d, &p, &q);
        g = sgd->gradient(sgd->loss, walk->y[row], z);
        if (g > sgd->limit || g < -sgd->limit) g = g > 0.0 ? sgd->limit : -sgd->limit;
        if (walk->s != NULL) g *= walk->s[row];
        scale = sklgd_decayed(scale, eta, sgd->l2);
        if (scale < SMALLEST_SCALE) {
            for (j = 0; j < d; j++) w[j] *= scale;
            p *= scale;
            scale = 1.0;
        }
        at = p;
        if (g != 0.0) {
            const double c = (-eta / scale) * g;
            if (sgd->fit_intercept) intercept += -eta * sgd->intercept_rate * g;
            NAME(add)(x, c, d, w);
            at += c * q;
        }
        row = following;
        x = x_next;
    }
    sgd->scale = scale;
    w[d] = intercept;
}

/* Plain SGD on single rows: walk->m steps, see `sklgd_sgd`. */
static TARGET void NAME(descend)(
        const void *data, ptrdiff_t d, const sklgd_walk *walk, sklgd_sgd *sgd) {
    const REAL *X = (const REAL *) data;
    const ptrdiff_t n_bytes = d * (ptrdiff_t) sizeof(REAL);
    const ptrdiff_t ahead = walk->ahead ? walk->ahead : sklgd_ahead(n_bytes);
    double *SKLGD_RESTRICT w = sgd->coef;
    double *SKLGD_RESTRICT paid = sgd->paid;
    double scale = sgd->scale, due = sgd->due, intercept = w[d];
    ptrdiff_t i, j;
    if (sgd->exponential && sgd->l1 == 0.0 && !sgd->aggressive && d <= NARROW) {
        if (walk->m > 0) NAME(descend_ahead)(data, d, walk, sgd);
        return;
    }
    for (i = 0; i < walk->m; i++) {
        const ptrdiff_t row = ROW(walk->visit, walk->start + i);
        const REAL *x = X + row * d;
        const double z = scale * NAME(dot)(x, w, d) + intercept;
        double eta = walk->etas[i], g;
        if (walk->fetch != NULL && i + ahead < walk->m) {
            const ptrdiff_t next = walk->fetch[walk->start + i + ahead];
            NAME(request)(X, d, row, next, ahead);
            sklgd_prefetch_far(walk->y + next);
        }
        SKLGD_ROW_GRADIENT(g, sgd, walk->y[row], z, eta, NAME(square)(x, d))
        if (walk->s != NULL) g *= walk->s[row];
        scale = sklgd_decayed(scale, eta, sgd->l2);
        if (scale < SMALLEST_SCALE) {
            for (j = 0; j < d; j++) w[j] *= scale;
            scale = 1.0;
        }
        if (g != 0.0) {
            if (sgd->fit_intercept) intercept += -eta * sgd->intercept_rate * g;
            /* The quotient does not wait for g. */
            NAME(add)(x, (-eta / scale) * g, d, w);
        }
        if (paid != NULL) {
            const double unit = 1.0 / scale;
            due += eta * sgd->l1;
            for (j = 0; j < d; j++) {
                const double v = w[j], c = sklgd_penalised(v, due, paid[j], unit);
                paid[j] += scale * (c - v);
                w[j] = c;
            }
        } else if (sgd->l1 > 0.0) {
            const double t = eta * sgd->l1 / scale;
            for (j = 0; j < d; j++) {
                double c = w[j] < -t ? -t : w[j];
                c = t > c ? c : t;
                w[j] -= c;
            }
        }
    }
    sgd->scale = scale;
    sgd->due = due;
    w[d] = intercept;
}

static const sklgd_dense_kernels NAME(table) = {
    NAME(forward), NAME(forward_models), NAME(backward), NAME(descend)};
