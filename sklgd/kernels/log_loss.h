/* The log loss of two classes for several raw predictions of one row, all at a time. */

#ifndef SKLGD_LOG_LOSS_H
#define SKLGD_LOG_LOSS_H

#include <math.h>
#include <stddef.h>

#include "isa.h"
#include "vector_math.h"

/* A bound on the iterations of a proximal step; few are needed. */
#define SKLGD_PROX_STEPS 100
/* Most raw predictions at a time, a multiple of four. */
#define SKLGD_POINTS 8

#define SKLGD_FAMILY "log_loss_impl.h"
#include "each_isa.h"

typedef struct {
    /* Losses, gradients and second derivatives at n raw predictions z of a label y. */
    void (*points)(double y, const double *z, ptrdiff_t n, double *value, double *g,
                   double *h);
    /* z + q c = z0 for n raw predictions z0 with gradients g0, c being the gradient at z. */
    void (*prox)(double y, const double *z0, const double *g0, const double *q,
                 ptrdiff_t n, double *z, double *c);
} sklgd_log_loss;

/* The functions for this machine, to be asked for once, at import. */
static sklgd_log_loss sklgd_choose_log_loss(void) {
    sklgd_log_loss chosen = {
        SKLGD_CHOOSE(log_loss_points), SKLGD_CHOOSE(log_loss_prox)};
    return chosen;
}

#endif
