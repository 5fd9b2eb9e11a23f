/* Kernels for several outputs with N_LANES of them in a VECTOR; included by outputs.h.

   A tile is n_rows x n_vectors accumulators in registers; both are constants where a tile
   is inlined. Where the outputs are no multiple of the lanes, the last vector of a tile
   overlaps the one before: the outputs in both are computed twice, with one result. */

#define READ(p) (*(const VECTOR *) (p))
#define WRITE(p) (*(VECTOR *) (p))

/* z[r, at] += sum_j x[r][j] w[j, at] over n features. */
static TARGET SKLGD_INLINE void FAMILY(forward_tile)(
        const double *const *x, ptrdiff_t n, const double *w, ptrdiff_t K,
        const ptrdiff_t *at, double *z, int n_rows, int n_vectors) {
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

/* G[j, at] += sum_r x[r][j] g[r, at] over n features. */
static TARGET SKLGD_INLINE void FAMILY(backward_tile)(
        const double *const *x, ptrdiff_t n, const double *g, ptrdiff_t K,
        const ptrdiff_t *at, double *G, int n_rows, int n_vectors) {
    VECTOR c[OUTPUT_ROWS][OUTPUT_VECTORS], s[OUTPUT_VECTORS];
    ptrdiff_t j;
    int r, v;
    for (r = 0; r < n_rows; r++)
        for (v = 0; v < n_vectors; v++) c[r][v] = READ(g + r * K + at[v]);
    for (j = 0; j < n; j++, G += K) {
        for (v = 0; v < n_vectors; v++) s[v] = READ(G + at[v]);
        for (r = 0; r < n_rows; r++)
            for (v = 0; v < n_vectors; v++) s[v] += x[r][j] * c[r][v];
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

#define CASES(tile, n_rows)                                                             \
    if (n_vectors == 3) tile(x, n, in, K, at, out, n_rows, 3);                          \
    else if (n_vectors == 2) tile(x, n, in, K, at, out, n_rows, 2);                     \
    else tile(x, n, in, K, at, out, n_rows, 1);

static TARGET void FAMILY(forward_tiles)(
        const double *const *x, int n_rows, ptrdiff_t n, const double *in, ptrdiff_t K,
        const ptrdiff_t *at, int n_vectors, double *out) {
    if (n_rows == OUTPUT_ROWS) {
        CASES(FAMILY(forward_tile), OUTPUT_ROWS)
    } else {
        CASES(FAMILY(forward_tile), 1)
    }
}

static TARGET void FAMILY(backward_tiles)(
        const double *const *x, int n_rows, ptrdiff_t n, const double *in, ptrdiff_t K,
        const ptrdiff_t *at, int n_vectors, double *out) {
    if (n_rows == OUTPUT_ROWS) {
        CASES(FAMILY(backward_tile), OUTPUT_ROWS)
    } else {
        CASES(FAMILY(backward_tile), 1)
    }
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
