/* Kernels for several outputs with N_LANES of them in a VECTOR; included by outputs.h.

   A tile is n_rows (or n_features) x n_vectors accumulators in registers; both are
   constants where a tile is inlined. Where the outputs are no multiple of the lanes, the
   last vector of a tile overlaps the one before: the outputs in both are computed twice,
   with one result. */

#define READ(p) (*(const VECTOR *) (p))
#define WRITE(p) (*(VECTOR *) (p))

/* The vectors of a tile for each of n rows, one after the other and aligned. */
static TARGET SKLGD_INLINE void FAMILY(pack)(
        const double *in, ptrdiff_t n, ptrdiff_t K, const ptrdiff_t *at, int n_vectors,
        double *out) {
    ptrdiff_t i;
    int v;
    for (i = 0; i < n; i++)
        for (v = 0; v < n_vectors; v++)
            WRITE(out + (i * n_vectors + v) * N_LANES) = READ(in + i * K + at[v]);
}

/* z[r, at] += sum_j x[r][j] w[j, at] over n features. */
static TARGET SKLGD_INLINE void FAMILY(forward_tile)(
        const double *const *x, ptrdiff_t n, const double *w, double *z, ptrdiff_t K,
        const ptrdiff_t *at, int n_rows, int n_vectors) {
    VECTOR s[OUTPUT_ROWS][OUTPUT_VECTORS], c[OUTPUT_VECTORS];
    ptrdiff_t j;
    int r, v;
    for (r = 0; r < n_rows; r++)
        for (v = 0; v < n_vectors; v++) s[r][v] = READ(z + r * K + at[v]);
    for (j = 0; j < n; j++, w += K) {
        for (v = 0; v < n_vectors; v++) c[v] = READ(w + at[v]);
        for (r = 0; r < n_rows; r++)
            for (v = 0; v < n_vectors; v++) s[r][v] += x[r][j] * c[v];
    }
    for (r = 0; r < n_rows; r++)
        for (v = 0; v < n_vectors; v++) WRITE(z + r * K + at[v]) = s[r][v];
}

/* G[f, at] += sum_r x[r][f] g[r] over m rows, for n_features; g is packed. */
static TARGET SKLGD_INLINE void FAMILY(backward_tile)(
        const double *const *x, ptrdiff_t j, ptrdiff_t m, const double *g, double *G,
        ptrdiff_t K, const ptrdiff_t *at, int n_features, int n_vectors) {
    VECTOR s[OUTPUT_FEATURES][OUTPUT_VECTORS], c[OUTPUT_VECTORS];
    ptrdiff_t r;
    int f, v;
    for (f = 0; f < n_features; f++)
        for (v = 0; v < n_vectors; v++) s[f][v] = READ(G + f * K + at[v]);
    for (r = 0; r < m; r++, g += n_vectors * N_LANES) {
        const double *row = x[r] + j;
        for (v = 0; v < n_vectors; v++) c[v] = READ(g + v * N_LANES);
        for (f = 0; f < n_features; f++)
            for (v = 0; v < n_vectors; v++) s[f][v] += row[f] * c[v];
    }
    for (f = 0; f < n_features; f++)
        for (v = 0; v < n_vectors; v++) WRITE(G + f * K + at[v]) = s[f][v];
}

/* The same for one row, over n features. */
static TARGET SKLGD_INLINE void FAMILY(row_tile)(
        const double *x, ptrdiff_t n, const double *g, double *G, ptrdiff_t K,
        const ptrdiff_t *at, int n_vectors) {
    VECTOR c[OUTPUT_VECTORS], s[OUTPUT_VECTORS];
    ptrdiff_t j;
    int v;
    for (v = 0; v < n_vectors; v++) c[v] = READ(g + at[v]);
    for (j = 0; j < n; j++, G += K) {
        /* All are read before one is written, as two may overlap. */
        for (v = 0; v < n_vectors; v++) s[v] = READ(G + at[v]) + x[j] * c[v];
        for (v = 0; v < n_vectors; v++) WRITE(G + at[v]) = s[v];
    }
}

/* Places of the vectors of the tile from output k on; returns how many they are. The last
   tile has a single vector only if that overlaps no other. */
static inline int FAMILY(place)(ptrdiff_t k, ptrdiff_t K, ptrdiff_t *at) {
    const ptrdiff_t left = (K - k + N_LANES - 1) / N_LANES;
    int v, n_vectors = left == 3 || left > 4 ? 3 : left > 1 ? 2 : 1;
    for (v = 0; v < n_vectors; v++) {
        at[v] = k + v * N_LANES;
        if (at[v] > K - N_LANES) at[v] = K - N_LANES;
    }
    return n_vectors;
}

#define CASES(tile, ...)                                                                \
    if (n_vectors == 3) tile(__VA_ARGS__, 3);                                           \
    else if (n_vectors == 2) tile(__VA_ARGS__, 2);                                      \
    else tile(__VA_ARGS__, 1);

static TARGET void FAMILY(forward_tiles)(
        const double *const *x, int n_rows, ptrdiff_t n, const double *w, double *z,
        ptrdiff_t K, const ptrdiff_t *at, int n_vectors) {
    if (n_rows == OUTPUT_ROWS) {
        CASES(FAMILY(forward_tile), x, n, w, z, K, at, OUTPUT_ROWS)
    } else {
        CASES(FAMILY(forward_tile), x, n, w, z, K, at, 1)
    }
}

/* Not inlined into the loops over tiles: GCC 12 would keep an accumulator in memory. */
static TARGET SKLGD_NOINLINE void FAMILY(backward_tiles)(
        const double *const *x, ptrdiff_t j, int n_features, ptrdiff_t m,
        const double *g, double *G, ptrdiff_t K, const ptrdiff_t *at, int n_vectors) {
    if (n_features == OUTPUT_FEATURES) {
        CASES(FAMILY(backward_tile), x, j, m, g, G, K, at, OUTPUT_FEATURES)
    } else if (n_features == 2) {
        CASES(FAMILY(backward_tile), x, j, m, g, G, K, at, 2)
    } else {
        CASES(FAMILY(backward_tile), x, j, m, g, G, K, at, 1)
    }
}

static TARGET void FAMILY(row_tiles)(
        const double *x, ptrdiff_t n, const double *g, double *G, ptrdiff_t K,
        const ptrdiff_t *at, int n_vectors) {
    CASES(FAMILY(row_tile), x, n, g, G, K, at)
}

#undef CASES

#define REAL double
#define NAME(f) FAMILY(f##_double)
#define NARROW 0
#include "outputs_rows_impl.h"
#undef REAL
#undef NAME
#undef NARROW

#define REAL float
#define NAME(f) FAMILY(f##_float)
#define NARROW 1
#include "outputs_rows_impl.h"
#undef REAL
#undef NAME
#undef NARROW

#undef READ
#undef WRITE
