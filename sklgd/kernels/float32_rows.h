/* The kernels of float32.h. */

#ifndef SKLGD_FLOAT32_ROWS_H
#define SKLGD_FLOAT32_ROWS_H

#include "dense.h"
#include "float32.h"

#if SKLGD_VECTORS
typedef float sklgd_eight __attribute__((vector_size(32)));
#else
typedef struct {
    float v[FLOAT32_LANES];
} sklgd_eight;
#endif

#define TARGET
#define NAME(f) f##_base
#include "float32_rows_impl.h"
#undef TARGET
#undef NAME

#if SKLGD_AVX2
#define TARGET SKLGD_TARGET_AVX2
#define NAME(f) f##_avx2
#include "float32_rows_impl.h"
#undef TARGET
#undef NAME
#endif

static const sklgd_float32_kernels *sklgd_float32(void) {
#if SKLGD_AVX2
    if (sklgd_use_avx2()) return &float32_table_avx2;
#endif
    return &float32_table_base;
}

#endif
