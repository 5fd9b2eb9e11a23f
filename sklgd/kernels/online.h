/* Loops of the online learner over the entries of a row. */

#ifndef SKLGD_ONLINE_H
#define SKLGD_ONLINE_H

#include <stddef.h>

#include "isa.h"
#include "vector_math.h"

/* A row: `n` entries x, the records of their columns, and arrays of n * K numbers for their
   learning rates and for work. A record holds N_COLUMN numbers of its column, the third of
   which is the size of the column, and K numbers each of weights, curvatures and lags. */
typedef struct {
    ptrdiff_t n, K, stride;
    double *records;
    const ptrdiff_t *columns;
    double *x, *precision, *rate, *work;
} sklgd_online_row;

enum { SKLGD_ONLINE_ABSOLUTES = 1, SKLGD_ONLINE_SIZE = 2, SKLGD_ONLINE_WEIGHTS = 5 };

/* Entries of size one that a column must have had before its weights from a fit move: the
   first ones may be so small that the size they show, and with it the step, is wrong. */
#define SKLGD_ONLINE_TRUSTED 5.0

#define SKLGD_TARGET
#define SKLGD_NAME(f) f##_base
#include "online_impl.h"
#undef SKLGD_TARGET
#undef SKLGD_NAME

#if SKLGD_AVX2
#define SKLGD_TARGET SKLGD_TARGET_AVX2
#define SKLGD_NAME(f) f##_avx2
#include "online_impl.h"
#undef SKLGD_TARGET
#undef SKLGD_NAME
#endif

typedef struct {
    void (*predict)(const sklgd_online_row *row, double *z, double *lag);
    void (*rates)(const sklgd_online_row *row, double share, double known, double power,
                  double penalty, const double *unit, const double *h, double *q);
    void (*step)(const sklgd_online_row *row, const double *h, const double *c,
                 double total);
} sklgd_online_loops;

/* The functions for this machine, to be asked for once, at import. */
static sklgd_online_loops sklgd_choose_online_loops(void) {
    sklgd_online_loops base = {
        online_predict_base, online_rates_base, online_step_base};
#if SKLGD_AVX2
    sklgd_online_loops avx2 = {
        online_predict_avx2, online_rates_avx2, online_step_avx2};
    if (sklgd_use_avx2()) return avx2;
#endif
    return base;
}

#endif
