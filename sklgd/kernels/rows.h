/* What a pass over single rows needs, and the tables of the kernels over dense rows. */

#ifndef SKLGD_ROWS_H
#define SKLGD_ROWS_H

#include <stddef.h>

#include "isa.h"

/* Coefficients are kept as scale * stored down to this scale. */
#define SMALLEST_SCALE 1e-9

static SKLGD_INLINE double sklgd_decayed(double scale, double eta, double l2) {
    return eta * l2 < 1.0 ? scale * (1.0 - eta * l2) : 0.0;
}

/* Rows that a pass visits, one after the other. */
typedef struct {
    const ptrdiff_t *visit; /* row numbers; NULL: `start`, `start` + 1, ... */
    const ptrdiff_t *fetch; /* rows in the order to ask for them, or NULL: don't ask */
    ptrdiff_t ahead;        /* how many steps before, 0: as suits the length of a row */
    ptrdiff_t start, m;     /* first position, number of steps */
    const double *y;        /* targets of all rows */
    const double *s;        /* weights of all rows; NULL: ones */
    const double *etas;     /* step size of each step */
} sklgd_walk;

/* dl/dz of one raw prediction. */
typedef double (*sklgd_slope)(void *loss, double y, double z);

/* Plain SGD, one row at a time:

       w = max(0, 1 - eta l2) w - eta g x;  w = ST(w, eta l1);  b -= eta g

   with g = s dl/dz at z = x.w + b. Features are kept as w = scale * coef, so that l2
   costs nothing; coef[d] is b. On sparse rows l1 is a debt that a feature settles when it
   is touched; then `records` (d, 2) hold the debt settled and the stored coefficient, and
   `settled` is scratch for the longest row. */
typedef struct {
    double *coef;
    double *records;
    double *settled;
    double scale, debt, l1, l2;
    int fit_intercept;
    sklgd_slope slope;
    void *loss;
} sklgd_sgd;

typedef struct {
    void (*forward)(
        const void *X, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start, ptrdiff_t m,
        ptrdiff_t end, const double *w, double scale, double *z);
    void (*forward_models)(
        const void *X, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start, ptrdiff_t m,
        const double *models, ptrdiff_t n_models, double *z);
    void (*backward)(
        const void *X, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start, ptrdiff_t m,
        const double *g, double *out);
    void (*descend)(
        const void *X, ptrdiff_t d, const sklgd_walk *walk, sklgd_sgd *sgd);
} sklgd_dense_kernels;

/* The same products for K > 1 outputs. */
typedef struct {
    void (*forward)(
        const void *X, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start, ptrdiff_t m,
        ptrdiff_t end, const double *W, ptrdiff_t K, double scale, double *z);
    void (*backward)(
        const void *X, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start, ptrdiff_t m,
        ptrdiff_t end, const double *g, ptrdiff_t K, double *G);
} sklgd_output_kernels;

/* The same for one sparse row, whose coefficients lie `stride` from one feature to the
   next. Those of entries to come are prefetched, up to entry `known`, which may lie
   beyond the row; 0: none, as they are in a cache. */
typedef struct {
    /* z[k] = sum_p x[p] w[column[p] * stride + k] for K outputs */
    void (*forward)(
        const void *x, const void *column, ptrdiff_t count, ptrdiff_t known,
        const double *w, ptrdiff_t stride, ptrdiff_t K, double *z);
    /* w[column[p] * stride + k] += x[p] g[k] */
    void (*backward)(
        const void *x, const void *column, ptrdiff_t count, ptrdiff_t known,
        const double *g, ptrdiff_t stride, ptrdiff_t K, double *w);
} sklgd_sparse_kernels;

#endif
