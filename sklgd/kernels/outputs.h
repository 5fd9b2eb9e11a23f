/* Z = X W + b and G += X'g for several outputs: dense rows anywhere in memory, not copied.

   Sums are taken in the order of their definition, over features for Z and over rows for
   G, and each output has lanes of its own. So the bits of a result depend neither on the
   instruction set nor on how many rows and outputs are computed together.

   A product of 10 outputs takes 2.1 ns per 40 multiplications (4 rows, one feature), of 80
   outputs 1.75; multipliers and adders alone, with 10 of 12 lanes in use, 1.62. Aligned
   copies of the coefficients gained nothing, nor did AVX-512, tiles of three rows, or
   lanes of features in place of outputs (1.9 forward, 1.55 backward, but a transposed
   copy of W and G for each block). */

#ifndef SKLGD_OUTPUTS_H
#define SKLGD_OUTPUTS_H

#include "dense.h"

enum {
    FEW_OUTPUTS = 3,       /* for so many, vectors of four have no use */
    OUTPUT_PANEL = 128,    /* features whose coefficients stay in the L1 cache */
    OUTPUT_ROWS = 4,       /* rows that share each load of coefficients */
    OUTPUT_FEATURES = 4,   /* features that share each load of derivatives */
    OUTPUT_VECTORS = 3,    /* vectors of outputs that share each load of an entry of X */
    OUTPUT_BATCH = 64,     /* rows whose derivatives stay in the L1 cache, too */
    SLOPE_PANEL = 32       /* features of so many rows that do, converted from float32 */
};

/* Vectors of lanes; other compilers use single numbers. */
#if defined(__GNUC__) || defined(__clang__)
typedef double sklgd_two __attribute__((vector_size(16), aligned(8), may_alias));
typedef double sklgd_four __attribute__((vector_size(32), aligned(8), may_alias));
#define VECTOR sklgd_two
#define N_LANES 2
#else
#define VECTOR double
#define N_LANES 1
#endif
#define TARGET
#define FAMILY(f) outputs_##f##_base
#include "outputs_impl.h"
#undef VECTOR
#undef N_LANES
#undef TARGET
#undef FAMILY

#if SKLGD_AVX2
#define VECTOR sklgd_four
#define N_LANES 4
#define TARGET SKLGD_TARGET_AVX2
#define FAMILY(f) outputs_##f##_avx2
#include "outputs_impl.h"
#undef VECTOR
#undef N_LANES
#undef TARGET
#undef FAMILY
#endif

/* The kernels for K > 1 outputs; one choice up to FEW_OUTPUTS, one for more. */
static const sklgd_output_kernels *sklgd_outputs(int is_float32, ptrdiff_t K) {
#if SKLGD_AVX2
    if (K > FEW_OUTPUTS && sklgd_use_avx2())
        return is_float32 ? &outputs_table_float_avx2 : &outputs_table_double_avx2;
#else
    (void) K;
#endif
    return is_float32 ? &outputs_table_float_base : &outputs_table_double_base;
}

#endif
