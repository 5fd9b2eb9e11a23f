/* The update of a covariance matrix U D U' by one row, four numbers at a time. */

#ifndef SKLGD_LEAST_SQUARES_H
#define SKLGD_LEAST_SQUARES_H

#include <stddef.h>
#include <string.h>

#include "isa.h"

typedef double (*sklgd_covariance_update)(
    ptrdiff_t n, ptrdiff_t first, double *U, double *D, const double *x, double weight,
    double *gain, double *work);

#define SKLGD_FAMILY "least_squares_impl.h"
#include "each_isa.h"

/* The function for this machine; called once, at import. */
static sklgd_covariance_update sklgd_choose_covariance_update(void) {
    return SKLGD_CHOOSE(covariance_update);
}

#endif
