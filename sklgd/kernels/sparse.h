/* Products of one sparse row with the coefficients of several outputs.

   Each output has a lane of its own, in which entries are added in their order. So the
   bits of a result depend neither on the instruction set nor on how many outputs are
   computed together. */

#ifndef SKLGD_SPARSE_H
#define SKLGD_SPARSE_H

#include <stdint.h>

#include "outputs.h"

/* Entries before an entry whose coefficients are asked for, and in the backward product,
   which finds most of them in a cache. */
enum { SPARSE_FAR = 24, SPARSE_NEAR = 6 };

/* Ask for K coefficients. How often depends on K alone: a loop over the cache lines that
   they touch, one more or less by where they begin, is mispredicted for 3 to 7 outputs,
   whose passes took 2.0 to 2.8 times as long. */
static SKLGD_INLINE void sklgd_ask_outputs(const double *w, ptrdiff_t K) {
    ptrdiff_t k;
    for (k = 0; k < K; k += 8) sklgd_prefetch(w + k);
    sklgd_prefetch(w + K - 1);
}

#if defined(__GNUC__) || defined(__clang__)
#define VECTOR sklgd_two
#define N_LANES 2
#else
#define VECTOR double
#define N_LANES 1
#endif
#define TARGET
#define FAMILY(f) sparse_##f##_base
#define PLACE outputs_place_base
#include "sparse_impl.h"
#undef VECTOR
#undef N_LANES
#undef TARGET
#undef FAMILY
#undef PLACE

#if SKLGD_AVX2
#define VECTOR sklgd_four
#define N_LANES 4
#define TARGET SKLGD_TARGET_AVX2
#define FAMILY(f) sparse_##f##_avx2
#define PLACE outputs_place_avx2
#include "sparse_impl.h"
#undef VECTOR
#undef N_LANES
#undef TARGET
#undef FAMILY
#undef PLACE
#endif

/* The kernels for K > 1 outputs; one choice up to FEW_OUTPUTS, one for more. */
static const sklgd_sparse_kernels *sklgd_sparse(
        int is_float32, int is_int64, ptrdiff_t K) {
    const int type = 2 * is_float32 + is_int64;
#if SKLGD_AVX2
    if (K > FEW_OUTPUTS && sklgd_use_avx2()) return &sparse_tables_avx2[type];
#else
    (void) K;
#endif
    return &sparse_tables_base[type];
}

#endif
