/* The kernels of single.h. */

#ifndef SKLGD_SINGLE_ROWS_H
#define SKLGD_SINGLE_ROWS_H

#include "dense.h"
#include "single.h"

#if SKLGD_VECTORS
typedef float sklgd_eight __attribute__((vector_size(32)));
#else
typedef struct {
    float v[SINGLE_LANES];
} sklgd_eight;
#endif

#define TARGET
#define NAME(f) f##_base
#include "single_rows_impl.h"
#undef TARGET
#undef NAME

#if SKLGD_AVX2
#define TARGET SKLGD_TARGET_AVX2
#define NAME(f) f##_avx2
#include "single_rows_impl.h"
#undef TARGET
#undef NAME
#endif

static const sklgd_single_kernels *sklgd_single(void) {
#if SKLGD_AVX2
    if (sklgd_use_avx2()) return &single_table_avx2;
#endif
    return &single_table_base;
}

#endif
