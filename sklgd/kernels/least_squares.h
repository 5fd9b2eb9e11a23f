/* The update of a covariance matrix U D U' by one row, four numbers at a time. */

#ifndef SKLGD_LEAST_SQUARES_H
#define SKLGD_LEAST_SQUARES_H

#include <stddef.h>
#include <string.h>

#include "isa.h"

typedef double (*sklgd_covariance_update)(
    ptrdiff_t n, ptrdiff_t first, double *U, double *D, const double *x, double weight,
    double *gain, double *work);

#define SKLGD_TARGET
#define SKLGD_NAME(f) f##_base
#include "least_squares_impl.h"
#undef SKLGD_TARGET
#undef SKLGD_NAME

#if SKLGD_AVX2
#define SKLGD_TARGET SKLGD_TARGET_AVX2
#define SKLGD_NAME(f) f##_avx2
#include "least_squares_impl.h"
#undef SKLGD_TARGET
#undef SKLGD_NAME
#endif

/* The function for this machine; called once, at import. */
static sklgd_covariance_update sklgd_choose_covariance_update(void) {
#if SKLGD_AVX2
    if (sklgd_use_avx2()) return covariance_update_avx2;
#endif
    return covariance_update_base;
}

#endif
