/* Products of a row with entries of type REAL and column numbers of type INDEX; included
   by sparse_impl.h. The arguments are those of `sklgd_sparse_kernels`. */

static TARGET SKLGD_INLINE void NAME(forward_tile)(
        const REAL *x, const INDEX *column, ptrdiff_t count, ptrdiff_t known,
        const double *w, ptrdiff_t stride, ptrdiff_t K, const ptrdiff_t *at, double *z,
        int n_vectors) {
    VECTOR s[OUTPUT_VECTORS];
    ptrdiff_t p;
    int v;
    for (v = 0; v < n_vectors; v++) s[v] = (VECTOR) {0.0};
    for (p = 0; p < count; p++) {
        const double *c = w + column[p] * stride;
        const double value = x[p];
        if (p + SPARSE_FAR < known)
            sklgd_ask_outputs(w + column[p + SPARSE_FAR] * stride, K);
        for (v = 0; v < n_vectors; v++) s[v] += value * READ(c + at[v]);
    }
    for (v = 0; v < n_vectors; v++) WRITE(z + at[v]) = s[v];
}

static TARGET SKLGD_INLINE void NAME(backward_tile)(
        const REAL *x, const INDEX *column, ptrdiff_t count, ptrdiff_t known,
        const double *g, ptrdiff_t stride, ptrdiff_t K, const ptrdiff_t *at, double *w,
        int n_vectors) {
    VECTOR c[OUTPUT_VECTORS], s[OUTPUT_VECTORS];
    ptrdiff_t p;
    int v;
    for (v = 0; v < n_vectors; v++) s[v] = READ(g + at[v]);
    for (p = 0; p < count; p++) {
        double *out = w + column[p] * stride;
        const double value = x[p];
        if (p + SPARSE_NEAR < known)
            sklgd_ask_outputs(w + column[p + SPARSE_NEAR] * stride, K);
        /* All are read before one is written, as two may overlap. */
        for (v = 0; v < n_vectors; v++) c[v] = READ(out + at[v]) + value * s[v];
        for (v = 0; v < n_vectors; v++) WRITE(out + at[v]) = c[v];
    }
}

#define LOOP(tile, in, out)                                                             \
    const REAL *x = (const REAL *) data;                                                \
    const INDEX *column = (const INDEX *) indices;                                      \
    ptrdiff_t k, at[OUTPUT_VECTORS];                                                    \
    int n;                                                                              \
    for (k = 0; k < K; k = at[n - 1] + N_LANES, known = 0) {                            \
        n = PLACE(k, K, at);                                                            \
        if (n == 3) tile(x, column, count, known, in, stride, K, at, out, 3);           \
        else if (n == 2) tile(x, column, count, known, in, stride, K, at, out, 2);      \
        else tile(x, column, count, known, in, stride, K, at, out, 1);                  \
    }

static TARGET void NAME(forward)(
        const void *data, const void *indices, ptrdiff_t count, ptrdiff_t known,
        const double *w, ptrdiff_t stride, ptrdiff_t K, double *z) {
    LOOP(NAME(forward_tile), w, z)
}

static TARGET void NAME(backward)(
        const void *data, const void *indices, ptrdiff_t count, ptrdiff_t known,
        const double *g, ptrdiff_t stride, ptrdiff_t K, double *w) {
    LOOP(NAME(backward_tile), g, w)
}

#undef LOOP
