/* Kernels of float32.h for one instruction set; X, order, start, m and end are those of dense_impl.h. */

static TARGET SKLGD_INLINE sklgd_eight NAME(eight)(const float *x) {
    sklgd_eight a;
    memcpy(&a, x, sizeof(a));
    return a;
}

/* s += a b. */
static TARGET SKLGD_INLINE void NAME(add_eight)(
        sklgd_eight *s, sklgd_eight a, sklgd_eight b) {
#if SKLGD_VECTORS
    *s += a * b;
#else
    int i;
    for (i = 0; i < FLOAT32_LANES; i++) s->v[i] += a.v[i] * b.v[i];
#endif
}

/* s += g b. */
static TARGET SKLGD_INLINE void NAME(add_multiple)(sklgd_eight *s, float g, sklgd_eight b) {
#if SKLGD_VECTORS
    *s += g * b;
#else
    int i;
    for (i = 0; i < FLOAT32_LANES; i++) s->v[i] += g * b.v[i];
#endif
}

static TARGET SKLGD_INLINE void NAME(zero)(sklgd_eight *s) {
#if SKLGD_VECTORS
    *s = (sklgd_eight){0.0f};
#else
    memset(s, 0, sizeof(*s));
#endif
}

/* G += unit s in float64. */
static TARGET SKLGD_INLINE void NAME(add_panel)(double *G, double unit, const sklgd_eight *s) {
    int i;
#if SKLGD_VECTORS
    for (i = 0; i < FLOAT32_LANES; i += 4) {
        sklgd_floats part;
        sklgd_lanes to;
        memcpy(&part, (const float *) s + i, sizeof(part));
        memcpy(&to, G + i, sizeof(to));
        to += unit * __builtin_convertvector(part, sklgd_lanes);
        memcpy(G + i, &to, sizeof(to));
    }
#else
    for (i = 0; i < FLOAT32_LANES; i++) G[i] += unit * s->v[i];
#endif
}

/* The sums of the lanes of FLOAT32_TILE vectors, each in the same order: lanes i and i + 4,
   then pairs, and the two pairs. */
static TARGET SKLGD_INLINE void NAME(sums_of_lanes)(const sklgd_eight *s, float *out) {
#ifdef SKLGD_SHUFFLE
    sklgd_floats h[FLOAT32_TILE], ab, cd, all;
    int r;
    for (r = 0; r < FLOAT32_TILE; r++)
        h[r] = SKLGD_SHUFFLE(s[r], s[r], 0, 1, 2, 3) + SKLGD_SHUFFLE(s[r], s[r], 4, 5, 6, 7);
    ab = SKLGD_SHUFFLE(h[0], h[1], 0, 2, 4, 6) + SKLGD_SHUFFLE(h[0], h[1], 1, 3, 5, 7);
    cd = SKLGD_SHUFFLE(h[2], h[3], 0, 2, 4, 6) + SKLGD_SHUFFLE(h[2], h[3], 1, 3, 5, 7);
    all = SKLGD_SHUFFLE(ab, cd, 0, 2, 4, 6) + SKLGD_SHUFFLE(ab, cd, 1, 3, 5, 7);
    memcpy(out, &all, sizeof(all));
#else
    float v[FLOAT32_LANES];
    int r;
    for (r = 0; r < FLOAT32_TILE; r++) {
        memcpy(v, s + r, sizeof(v));
        out[r] = ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
    }
#endif
}

/* z[r K + k] += unit[k] sum_j x[r][j] W[k][j] over n features, whole vectors, for n_rows
   rows and n_outputs outputs; both are constants where this is inlined. */
static TARGET SKLGD_INLINE void NAME(float32_tile)(
        const float *const *x, ptrdiff_t n, const float *W, ptrdiff_t stride,
        const double *unit, double *z, ptrdiff_t K, int n_rows, int n_outputs) {
    sklgd_eight s[2][FLOAT32_TILE];
    float sums[FLOAT32_TILE];
    ptrdiff_t j;
    int r, k;
    for (k = 0; k < n_outputs; k++)
        for (r = 0; r < FLOAT32_TILE; r++) NAME(zero)(&s[k][r]);
    for (j = 0; j < n; j += FLOAT32_LANES)
        for (k = 0; k < n_outputs; k++) {
            const sklgd_eight w = NAME(eight)(W + k * stride + j);
            for (r = 0; r < n_rows; r++) NAME(add_eight)(&s[k][r], w, NAME(eight)(x[r] + j));
        }
    for (k = 0; k < n_outputs; k++) {
        NAME(sums_of_lanes)(s[k], sums);
        for (r = 0; r < n_rows; r++) z[r * K + k] += unit[k] * sums[r];
    }
}

/* Numbers of one panel for FLOAT32_TILE rows or one. */
static TARGET SKLGD_INLINE void NAME(float32_outputs)(
        const float *const *x, int n_rows, ptrdiff_t n, const float *W, ptrdiff_t stride,
        const double *unit, double *z, ptrdiff_t K) {
    ptrdiff_t k = 0;
    for (; k + 2 <= K; k += 2)
        NAME(float32_tile)(x, n, W + k * stride, stride, unit + k, z + k, K, n_rows, 2);
    if (k < K)
        NAME(float32_tile)(x, n, W + k * stride, stride, unit + k, z + k, K, n_rows, 1);
}

/* z = X_b W + b, (m, K), overwritten, for m <= FLOAT32_ROWS rows. W is (K, stride), what
   lies beyond d is 0, and unit[k] times it are the coefficients; b has K entries. Half of
   the features of the rows after these are asked for, the others in `backward`. */
static TARGET void NAME(float32_forward)(
        const void *data, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start,
        ptrdiff_t m, ptrdiff_t end, const float *W, const double *unit, const double *b,
        ptrdiff_t K, double *z) {
    const float *X = (const float *) data, *x[FLOAT32_TILE];
    const ptrdiff_t stride = sklgd_float32_stride(d), n_rest = d % FLOAT32_LANES;
    const ptrdiff_t whole = d - n_rest, n_panels = (d + FLOAT32_PANEL - 1) / FLOAT32_PANEL;
    const ptrdiff_t n_vectors = (d + FLOAT32_LANES - 1) / FLOAT32_LANES;
    float rest[FLOAT32_TILE][FLOAT32_LANES] = {{0.0f}};
    ptrdiff_t p, i, r, k, q, n_rows;
    for (i = 0; i < m; i++)
        for (k = 0; k < K; k++) z[i * K + k] = b[k];
    for (p = 0; p < n_panels; p++) {
        const ptrdiff_t j = n_vectors * p / n_panels * FLOAT32_LANES;
        const ptrdiff_t to = n_vectors * (p + 1) / n_panels * FLOAT32_LANES;
        const ptrdiff_t n = (to < whole ? to : whole) - j;
        for (i = 0; i < m; i += n_rows) {
            n_rows = m - i >= FLOAT32_TILE ? FLOAT32_TILE : 1;
            for (q = start + m + i; q < start + m + i + n_rows && q < end; q++)
                sklgd_ask(X + ROW(order, q) * d + j / 2, n / 2 * (ptrdiff_t) sizeof(float));
            for (r = 0; r < n_rows; r++) x[r] = X + ROW(order, start + i + r) * d + j;
            if (n_rows == FLOAT32_TILE)
                NAME(float32_outputs)(x, FLOAT32_TILE, n, W + j, stride, unit, z + i * K, K);
            else
                NAME(float32_outputs)(x, 1, n, W + j, stride, unit, z + i * K, K);
            if (to <= whole) continue;
            for (r = 0; r < n_rows; r++) {
                memcpy(rest[r], x[r] + n, (size_t) n_rest * sizeof(float));
                x[r] = rest[r];
            }
            if (n_rows == FLOAT32_TILE)
                NAME(float32_outputs)(x, FLOAT32_TILE, FLOAT32_LANES, W + whole, stride, unit,
                                     z + i * K, K);
            else
                NAME(float32_outputs)(x, 1, FLOAT32_LANES, W + whole, stride, unit, z + i * K, K);
        }
    }
}

/* G[k][j] += unit[k] sum_r g[r K + k] x[r][j] over m rows for two vectors of features and
   n_outputs outputs, a constant where this is inlined. */
static TARGET SKLGD_INLINE void NAME(float32_gradient)(
        const float *const *x, ptrdiff_t j, ptrdiff_t m, const float *g, ptrdiff_t K,
        const double *unit, double *G, ptrdiff_t stride, int n_outputs) {
    sklgd_eight s[FLOAT32_OUTPUTS][2];
    ptrdiff_t r;
    int k;
    for (k = 0; k < n_outputs; k++) NAME(zero)(&s[k][0]), NAME(zero)(&s[k][1]);
    for (r = 0; r < m; r++, g += K) {
        const sklgd_eight a = NAME(eight)(x[r] + j);
        const sklgd_eight b = NAME(eight)(x[r] + j + FLOAT32_LANES);
        /* The next features of the rows; the processor does not see the pattern. */
        sklgd_prefetch(x[r] + j + 2 * FLOAT32_LANES);
        for (k = 0; k < n_outputs; k++) {
            NAME(add_multiple)(&s[k][0], g[k], a);
            NAME(add_multiple)(&s[k][1], g[k], b);
        }
    }
    for (k = 0; k < n_outputs; k++) {
        NAME(add_panel)(G + k * stride, unit[k], &s[k][0]);
        NAME(add_panel)(G + k * stride + FLOAT32_LANES, unit[k], &s[k][1]);
    }
}

/* The same for all outputs. */
static TARGET void NAME(float32_gradients)(
        const float *const *x, ptrdiff_t j, ptrdiff_t m, const float *g, ptrdiff_t K,
        const double *unit, double *G, ptrdiff_t stride) {
    ptrdiff_t k = 0;
    for (; k + FLOAT32_OUTPUTS <= K; k += FLOAT32_OUTPUTS)
        NAME(float32_gradient)(x, j, m, g + k, K, unit + k, G + k * stride, stride,
                              FLOAT32_OUTPUTS);
    g += k, unit += k, G += k * stride;
    switch (K - k) {
    case 4: NAME(float32_gradient)(x, j, m, g, K, unit, G, stride, 4); break;
    case 3: NAME(float32_gradient)(x, j, m, g, K, unit, G, stride, 3); break;
    case 2: NAME(float32_gradient)(x, j, m, g, K, unit, G, stride, 2); break;
    case 1: NAME(float32_gradient)(x, j, m, g, K, unit, G, stride, 1); break;
    default: break;
    }
}

/* G += X_b' g, G (K, stride), for m <= FLOAT32_ROWS rows; unit[k] times g (m, K) are the
   derivatives. */
static TARGET void NAME(float32_backward)(
        const void *data, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start,
        ptrdiff_t m, ptrdiff_t end, const float *g, const double *unit, ptrdiff_t K,
        double *G) {
    const float *X = (const float *) data, *x[FLOAT32_ROWS];
    const ptrdiff_t stride = sklgd_float32_stride(d), tile = 2 * FLOAT32_LANES;
    const ptrdiff_t half = d / 2, n_rest = d % tile, whole = d - n_rest;
    float rest[FLOAT32_ROWS][2 * FLOAT32_LANES];
    ptrdiff_t i, j, q, asked = 0, due;
    for (i = 0; i < m; i++) x[i] = X + ROW(order, start + i) * d;
    for (j = 0; j < whole; j += tile) {
        /* Evenly over the tiles: a burst of requests would stall. */
        due = m * (j + tile) / d;
        for (q = start + m + asked; q < start + m + due && q < end; q++)
            sklgd_ask(X + ROW(order, q) * d + half, (d - half) * (ptrdiff_t) sizeof(float));
        asked = due;
        NAME(float32_gradients)(x, j, m, g, K, unit, G + j, stride);
    }
    if (n_rest == 0) return;
    memset(rest, 0, sizeof(rest));
    for (i = 0; i < m; i++) {
        memcpy(rest[i], x[i] + whole, (size_t) n_rest * sizeof(float));
        x[i] = rest[i];
    }
    NAME(float32_gradients)(x, 0, m, g, K, unit, G + whole, stride);
}

static const sklgd_float32_kernels NAME(float32_table) = {
    NAME(float32_forward), NAME(float32_backward)};
