/* Loops of the online learner over the entries of a row. */

#ifndef SKLGD_ONLINE_H
#define SKLGD_ONLINE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "isa.h"
#include "vector_math.h"

/* A row of n entries x. Everything about a feature is in its record of `stride` numbers:
   sum of squares, sum of absolutes, size, place and mark of the column, then K numbers of
   each kind: weights, curvatures, lags and, with an l1 penalty, sums of gradients.

   Loops along the entries are fast if the same number of all entries lies together. So the
   numbers are copied: number f of entry p is fields[f * room + p], up to `width` > n, a
   multiple of four, beyond n zeros. This holds for all numbers if `by_field`, and else for
   the first four alone: then a loop along the K outputs of a record is as fast.

   Two records `beyond` all features stand for entries beyond the row: one of zeros to read,
   and one to write.

   There is one learning rate for each entry and output, rate[k * room + p] if `by_field` and
   else rate[p * K + k]. `work` has the same size, and `inverse` is one over the size. */
typedef struct {
    ptrdiff_t n, width, room, K, n_kinds, stride;
    int by_field, centred;
    double *records;
    const ptrdiff_t *columns;
    double *beyond, *fields, *x, *inverse, *rate, *work;
} sklgd_online_row;

enum {
    SKLGD_ONLINE_SQUARES,
    SKLGD_ONLINE_ABSOLUTES,
    SKLGD_ONLINE_SIZE,
    SKLGD_ONLINE_PLACE,
    SKLGD_ONLINE_WEIGHTS = 5
};

/* Squares of larger numbers, times their weights, overflow float64. */
#define SKLGD_ONLINE_MOST 1e140
/* What `inspect` looks for. */
enum { SKLGD_ONLINE_ZERO = 1, SKLGD_ONLINE_LARGE = 2 };

/* An entry so many sizes from the mean is an outlier, once a column has so many entries of
   its size. */
#define SKLGD_ONLINE_FAR 10.0
#define SKLGD_ONLINE_KNOWN 20.0
/* An entry is in another unit than those of a column that is not known yet if it is so many
   sizes away. The first large entry of a column with a long tail hardly ever is: on 14
   tables, in 16 orders each, a limit of 10 took 27 of these for outliers, and 50 took 6. */
#define SKLGD_ONLINE_OTHER_UNIT 50.0
/* Squares of entries of a smaller size underflow float64. */
#define SKLGD_ONLINE_TINY 1e-150
/* Entries of size one that a column must have had before its weights from a fit move: the
   first ones may be so small that the size they show, and with it the step, is wrong. */
#define SKLGD_ONLINE_TRUSTED 5.0

#define SKLGD_FAMILY "online_impl.h"
#include "each_isa.h"

typedef struct {
    /* From the records to the fields, and back. */
    void (*gather)(const sklgd_online_row *row);
    void (*scatter)(const sklgd_online_row *row);
    int (*inspect)(const double *x, ptrdiff_t n);
    int (*centre)(const sklgd_online_row *row, const double *values);
    int (*count)(const sklgd_online_row *row, double w, double pace);
    double (*measure)(const sklgd_online_row *row, double *b, double *b_lag);
    void (*predict)(const sklgd_online_row *row, double *z, double *lag);
    void (*rates)(const sklgd_online_row *row, double share, double known, double power,
                  double late, double penalty, const double *unit, const double *h,
                  const double *intercept, double *intercept_rate, double *q);
    void (*step)(const sklgd_online_row *row, const double *h, const double *c,
                 double total);
} sklgd_online_loops;

/* The functions for this machine; called once, at import. */
static sklgd_online_loops sklgd_choose_online_loops(void) {
    sklgd_online_loops chosen = {
        SKLGD_CHOOSE(online_gather), SKLGD_CHOOSE(online_scatter),
        SKLGD_CHOOSE(online_inspect), SKLGD_CHOOSE(online_centre),
        SKLGD_CHOOSE(online_count), SKLGD_CHOOSE(online_measure),
        SKLGD_CHOOSE(online_predict), SKLGD_CHOOSE(online_rates),
        SKLGD_CHOOSE(online_step)};
    return chosen;
}

#endif
