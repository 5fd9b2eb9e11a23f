/* What a pass over single rows needs, and the tables of the kernels over dense rows. */

#ifndef SKLGD_ROWS_H
#define SKLGD_ROWS_H

#include <math.h>
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
    const ptrdiff_t *fetch; /* rows in the order in which they are prefetched; NULL: none are */
    ptrdiff_t ahead;        /* steps from a prefetch to its use; 0: by the length of a row */
    ptrdiff_t start, m;     /* first position, number of steps */
    const double *y;        /* targets of all rows */
    const double *s;        /* weights of all rows; NULL: ones */
    const double *etas;     /* learning rate of each step */
} sklgd_walk;

/* dl/dz, or l, of one raw prediction. */
typedef double (*sklgd_point_function)(void *loss, double y, double z);

/* Plain SGD, one row at a time:

       w = max(0, 1 - eta l2) w - eta g x;  w = ST(w, eta l1);  b -= eta g

   with g = s dl/dz at z = x.w + b. Features are kept as w = scale * coef, so that l2
   costs nothing; coef[d] is b. On sparse rows the thresholds of l1 are lagged: `l1_sum` is the
   sum of eta l1 / scale so far, `records` (d, 2) hold its value at a feature's last update
   and the stored coefficient, and `current` is scratch for the longest row.

   As SGDClassifier does with some schedules: dl/dz is clipped to +-`limit`, the
   intercept takes a share `intercept_rate` of its step, and where `paid` (d) is given, l1
   is the cumulative penalty: `due` is the sum of eta l1 so far (`sklgd_penalised`). */
typedef struct {
    double *coef;
    double *records;
    double *current;
    double *paid;
    double scale, l1_sum, due, l1, l2, intercept_rate, limit;
    int fit_intercept;
    int aggressive; /* 1, 2: a passive-aggressive step, PA-I or PA-II; 0: eta */
    int exponential; /* true if `gradient` takes an exponential */
    sklgd_point_function gradient, value;
    void *loss;
} sklgd_sgd;

/* A stored coefficient after the cumulative penalty of Tsuruoka, Tsujii and Ananiadou,
   "Stochastic gradient descent training for l1-regularized log-linear models with
   cumulative penalty", 2009: it moves towards zero by what has been due since the first
   step, less what it has paid (with the sign of its moves). `unit` is 1/scale. No jumps:
   signs do not repeat from one feature to the next. */
static SKLGD_INLINE double sklgd_penalised(
        double w, double due, double paid, double unit) {
    const double sign = copysign(1.0, w), left = fabs(w) - (due + sign * paid) * unit;
    return left <= 0.0 ? 0.0 : sign * left;
}

/* Length of a passive-aggressive step relative to eta, the parameter C of Crammer et al.,
   "Online passive-aggressive algorithms", JMLR 7, 2006; `square` is that of the norm of
   the row. */
static SKLGD_INLINE double sklgd_aggression(
        int aggressive, double eta, double value, double square) {
    if (aggressive == 2) return value / (square + 0.5 / eta) / eta;
    if (!(square > 0.0)) return 0.0;
    return value / square < eta ? value / square / eta : 1.0;
}

/* The derivative of a row at z, without its weight. Both branches are rarely taken, and not
   part of the chain of results that a step waits for. A row of zeros has no PA-I step:
   eta becomes 0. */
#define SKLGD_ROW_GRADIENT(g, sgd, y, z, eta, square_of_row)                            \
    g = (sgd)->gradient((sgd)->loss, y, z);                                             \
    if (g > (sgd)->limit || g < -(sgd)->limit)                                          \
        g = g > 0.0 ? (sgd)->limit : -(sgd)->limit;                                     \
    if ((sgd)->aggressive) {                                                            \
        const double square = square_of_row;                                            \
        g *= sklgd_aggression(                                                          \
            (sgd)->aggressive, eta, (sgd)->value((sgd)->loss, y, z), square);           \
        if ((sgd)->aggressive == 1 && square == 0.0) eta = 0.0;                         \
    }

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

/* The same in float32, for W and G output by output: see float32.h. */
typedef struct {
    void (*forward)(
        const void *X, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start, ptrdiff_t m,
        ptrdiff_t end, const float *W, const double *unit, const double *b, ptrdiff_t K,
        double *z);
    void (*backward)(
        const void *X, ptrdiff_t d, const ptrdiff_t *order, ptrdiff_t start, ptrdiff_t m,
        ptrdiff_t end, const float *g, const double *unit, ptrdiff_t K, double *G);
} sklgd_float32_kernels;

/* Products like these for one sparse row, whose coefficients lie `stride` from one feature to the
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
