/* Adam's step, the slowest of all rules: a root and a division for each coordinate, four at
   a time where there is AVX2. */

#ifndef SKLGD_ADAM_H
#define SKLGD_ADAM_H

#include <math.h>
#include <stddef.h>

#include "isa.h"

typedef struct {
    double beta_1, beta_2, epsilon, eta;
    double c1, c2;      /* corrections of the bias, 1 / (1 - beta^t) */
} sklgd_adam;

/* The first n_equal coordinates have one penalty, which is read once. */
typedef void (*sklgd_adam_step)(
    const sklgd_adam *rule, ptrdiff_t n, ptrdiff_t n_equal, const double *g,
    const double *l1, const double *l2, double *m, double *v, double *w);

#define SKLGD_FAMILY "adam_impl.h"
#include "each_isa.h"

/* The function for this machine, to be asked for once, at import. */
static sklgd_adam_step sklgd_choose_adam(void) {
    return SKLGD_CHOOSE(adam_step);
}

#endif
