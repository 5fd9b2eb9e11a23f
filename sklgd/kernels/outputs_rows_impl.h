/* Loops over rows of type REAL, for several outputs; included by outputs_impl.h.

   X, order, start, m and end are those of dense_impl.h. A panel of features at a time over
   all m rows: its coefficients stay in the L1 cache, the rows in L2 (which is why a caller
   takes few rows at a time). */

/* Pointers to n features from j on of n_rows rows, as doubles; `buffer` has place for
   them. */
static TARGET SKLGD_INLINE void NAME(find)(
        const REAL *X, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t position,
        ptrdiff_t n_rows, ptrdiff_t j, ptrdiff_t n, double *buffer, const double **x) {
    ptrdiff_t r;
    for (r = 0; r < n_rows; r++) {
        const REAL *row = X + ROW(order, position + r) * d + j;
#if NARROW
        ptrdiff_t q;
        for (q = 0; q < n; q++) buffer[r * n + q] = row[q];
        x[r] = buffer + r * n;
#else
        (void) n;
        (void) buffer;
        x[r] = row;
#endif
    }
}

/* Ask for features [j, j + n) of n_rows rows of those that follow. */
static TARGET SKLGD_INLINE void NAME(ask)(
        const REAL *X, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t position,
        ptrdiff_t n_rows, ptrdiff_t end, ptrdiff_t j, ptrdiff_t n) {
    ptrdiff_t q;
    for (q = position; q < position + n_rows && q < end; q++)
        sklgd_ask(X + ROW(order, q) * d + j, n * (ptrdiff_t) sizeof(REAL));
}

/* z = scale X_b W + b, (m, K), overwritten; W is (d + 1, K), its last row b.

   The rows after these m are asked for while there is work to do with these: half of
   their features here, the others in `backward`. In the natural order memory is fast and
   they are asked for shortly before. */
static TARGET void NAME(forward)(
        const void *data, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start,
        ptrdiff_t m, ptrdiff_t end, const double *W, ptrdiff_t K, double scale,
        double *z) {
    const REAL *X = (const REAL *) data;
    const ptrdiff_t n_panels = (d + OUTPUT_PANEL - 1) / OUTPUT_PANEL;
    const ptrdiff_t ahead = order == NULL || m < 8 ? 8 : m;
    double buffer[NARROW ? OUTPUT_ROWS * OUTPUT_PANEL : 1];
    const double *x[OUTPUT_ROWS];
    ptrdiff_t p, i, j, k, n, at[OUTPUT_VECTORS];
    int n_rows, n_vectors;
    for (i = 0; i < m * K; i++) z[i] = 0.0;
    for (p = 0; p < n_panels; p++) {
        j = d * p / n_panels;
        n = d * (p + 1) / n_panels - j;
        for (k = 0; k < K; k = at[n_vectors - 1] + N_LANES) {
            n_vectors = FAMILY(place)(k, K, at);
            for (i = 0; i < m; i += n_rows) {
                n_rows = m - i >= OUTPUT_ROWS ? OUTPUT_ROWS : 1;
                if (k == 0 && order != NULL)
                    NAME(ask)(X, d, order, start + i + ahead, n_rows, end, j / 2,
                              (j + n) / 2 - j / 2);
                else if (k == 0)
                    NAME(ask)(X, d, order, start + i + ahead, n_rows, end, j, n);
                NAME(find)(X, d, order, start + i, n_rows, j, n, buffer, x);
                FAMILY(forward_tiles)(
                    x, n_rows, n, W + j * K, z + i * K, K, at, n_vectors);
            }
        }
    }
    for (i = 0; i < m; i++)
        for (k = 0; k < K; k++) z[i * K + k] = scale * z[i * K + k] + W[d * K + k];
}

/* G += x g' for one row x. */
static TARGET void NAME(add_row)(
        const REAL *X, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t position,
        const double *g, ptrdiff_t K, double *G) {
    double buffer[NARROW ? OUTPUT_PANEL : 1];
    const double *x[1];
    ptrdiff_t j, k, n, at[OUTPUT_VECTORS];
    int n_vectors;
    for (j = 0; j < d; j += n) {
        n = d - j < OUTPUT_PANEL ? d - j : OUTPUT_PANEL;
        NAME(find)(X, d, order, position, 1, j, n, buffer, x);
        for (k = 0; k < K; k = at[n_vectors - 1] + N_LANES) {
            n_vectors = FAMILY(place)(k, K, at);
            FAMILY(row_tiles)(x[0], n, g, G + j * K, K, at, n_vectors);
        }
    }
}

/* G += X_b' g, g (m, K), G (d, K). A tile of G stays in registers while rows pass by,
   unless they are too few to gain from that. */
static TARGET void NAME(backward)(
        const void *data, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start,
        ptrdiff_t m, ptrdiff_t end, const double *g, ptrdiff_t K, double *G) {
    const REAL *X = (const REAL *) data;
    const ptrdiff_t half = d / 2, ahead = m < 8 ? 8 : m;
    double buffer[NARROW ? OUTPUT_BATCH * SLOPE_PANEL : 1];
    double packed[OUTPUT_BATCH * OUTPUT_VECTORS * N_LANES] SKLGD_ALIGNED;
    const double *x[OUTPUT_BATCH];
    ptrdiff_t i, j, k, f, n, n_rows, asked, due, at[OUTPUT_VECTORS];
    int n_features, n_vectors;
    for (i = 0; i < m; i += n_rows) {
        n_rows = m - i < OUTPUT_BATCH ? m - i : OUTPUT_BATCH;
        if (n_rows < OUTPUT_ROWS) {
            n_rows = 1;
            if (order != NULL)
                NAME(ask)(X, d, order, start + i + ahead, 1, end, half, d - half);
            NAME(add_row)(X, d, order, start + i, g + i * K, K, G);
            continue;
        }
        if (!NARROW) NAME(find)(X, d, order, start + i, n_rows, 0, d, buffer, x);
        for (k = 0; k < K; k = at[n_vectors - 1] + N_LANES) {
            n_vectors = FAMILY(place)(k, K, at);
            FAMILY(pack)(g + i * K, n_rows, K, at, n_vectors, packed);
            asked = 0;
            for (j = 0; j < d; j += n) {
                n = d - j < SLOPE_PANEL ? d - j : SLOPE_PANEL;
                if (NARROW) NAME(find)(X, d, order, start + i, n_rows, j, n, buffer, x);
                for (f = 0; f < n; f += n_features) {
                    n_features = n - f >= OUTPUT_FEATURES ? OUTPUT_FEATURES
                                 : n - f > 1 ? 2 : 1;
                    /* Evenly over the tiles: a burst of requests would stall. */
                    due = n_rows * (j + f + n_features) / d;
                    if (k == 0 && order != NULL)
                        NAME(ask)(X, d, order, start + i + ahead + asked, due - asked, end,
                                  half, d - half);
                    asked = due;
                    FAMILY(backward_tiles)(x, NARROW ? f : j + f, n_features, n_rows, packed,
                                           G + (j + f) * K, K, at, n_vectors);
                }
            }
        }
    }
}

static const sklgd_output_kernels NAME(table) = {
    .forward = NAME(forward), .backward = NAME(backward)};
