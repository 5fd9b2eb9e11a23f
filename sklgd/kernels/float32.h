/* Products in float32 for steps of descent on dense float32 rows with several outputs.

   Lanes are features, not outputs: entries of X need no conversion, and ten outputs waste
   no lane. The coefficients W and the gradient G lie output by output. Sums within a panel
   of features (z) or of rows (G) are float32, sums of panels float64: errors of z and G are
   about 1e-7 of the largest entry. The mean loss of so many rows as a step has differs
   from that of all rows by far more. Whatever decides (F, line searches, gaps) uses the
   products of outputs.h.

   A sum is taken in one order, whatever is computed beside it: the bits depend neither on
   the instruction set nor on the rows and outputs of a tile. */

#ifndef SKLGD_FLOAT32_H
#define SKLGD_FLOAT32_H

#include <math.h>
#include <stddef.h>

enum {
    FLOAT32_LANES = 8,
    FLOAT32_PANEL = 400,  /* most features of a panel: with ten outputs they stay in L1 */
    FLOAT32_ROWS = 64,    /* most rows of a call, a panel of the gradient */
    FLOAT32_TILE = 4,     /* rows that share each load of coefficients */
    FLOAT32_OUTPUTS = 5   /* outputs of the gradient that share each load of X */
};

/* Features of a row of W and G: whole vectors of a gradient's tile. */
static inline ptrdiff_t sklgd_float32_stride(ptrdiff_t d) { return (d + 15) / 16 * 16; }

/* The power of two that `largest` is about; float32 has a smaller range than float64, and
   the units of the data are the user's. */
static inline double sklgd_unit(double largest) {
    int exponent;
    if (!(largest > 1e-300 && largest < 1e300)) return 1.0;
    frexp(largest, &exponent);
    return ldexp(1.0, exponent);
}

/* unit[k] = `sklgd_unit` of column k of n rows, and inverse[k] its inverse. */
static inline void sklgd_units(
        const double *rows, ptrdiff_t n, ptrdiff_t K, double *unit, double *inverse) {
    ptrdiff_t i, k;
    for (k = 0; k < K; k++) unit[k] = inverse[k] = 0.0;
    /* Two rows, so that a maximum need not wait for that of the row before. */
    for (i = 0; i + 2 <= n; i += 2)
        for (k = 0; k < K; k++) {
            const double a = fabs(rows[i * K + k]), b = fabs(rows[(i + 1) * K + k]);
            unit[k] = a > unit[k] ? a : unit[k];
            inverse[k] = b > inverse[k] ? b : inverse[k];
        }
    for (k = 0; k < K; k++) {
        const double a = i < n ? fabs(rows[i * K + k]) : 0.0;
        unit[k] = a > unit[k] ? a : unit[k];
        unit[k] = sklgd_unit(inverse[k] > unit[k] ? inverse[k] : unit[k]);
        inverse[k] = 1.0 / unit[k];
    }
}

/* The coefficients W (d, K) as `forward` reads them: `out` (K, stride) times `unit`. */
static inline void sklgd_float32_coef(
        const double *W, ptrdiff_t d, ptrdiff_t K, double *unit, double *inverse,
        float *out) {
    const ptrdiff_t stride = sklgd_float32_stride(d);
    ptrdiff_t j, k;
    sklgd_units(W, d, K, unit, inverse);
    for (j = 0; j < d; j++)
        for (k = 0; k < K; k++) out[k * stride + j] = (float) (inverse[k] * W[j * K + k]);
    for (k = 0; k < K; k++)
        for (j = d; j < stride; j++) out[k * stride + j] = 0.0f;
}

/* The derivatives g (m, K) as `backward` reads them: `out` times `unit`. */
static inline void sklgd_float32_derivatives(
        const double *g, ptrdiff_t m, ptrdiff_t K, double *unit, double *inverse,
        float *out) {
    ptrdiff_t i, k;
    sklgd_units(g, m, K, unit, inverse);
    for (i = 0; i < m; i++)
        for (k = 0; k < K; k++) out[i * K + k] = (float) (inverse[k] * g[i * K + k]);
}

/* out (d, K) = the gradient G (K, stride). */
static inline void sklgd_float32_gradient(
        const double *G, ptrdiff_t d, ptrdiff_t K, double *out) {
    const ptrdiff_t stride = sklgd_float32_stride(d);
    ptrdiff_t j, k;
    for (j = 0; j < d; j++)
        for (k = 0; k < K; k++) out[j * K + k] = G[k * stride + j];
}

#endif
