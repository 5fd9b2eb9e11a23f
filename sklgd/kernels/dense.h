/* Kernels over dense rows, compiled for each storage type and instruction set. */

#ifndef SKLGD_DENSE_H
#define SKLGD_DENSE_H

#include <string.h>

#include "rows.h"

enum {
    FEW_MODELS = 4, /* models that share each load of an entry of X */
    TILE_ROWS = 16, /* rows that are read once for all models */
    PANEL = 512,    /* columns whose coefficients stay in the L1 cache */
    NARROW = 40     /* columns up to which looking one row ahead pays */
};

#define LANES 8
#define LONG_ROW 2048 /* bytes */
#define ROW(order, i) ((order) == NULL ? (i) : (order)[i])

/* Rows in random order are found in memory, not in a cache. They are asked for some steps
   early, into the L2 cache: a burst of requests to L1 stalls, and long rows would push
   each other out. Measured with 8, 30, 100 and 784 columns: the best distance is about
   8 kB of rows, 16 rows at most. */
static SKLGD_INLINE ptrdiff_t sklgd_ahead(ptrdiff_t n_bytes) {
    const ptrdiff_t rows = n_bytes > 0 ? 8192 / n_bytes : 1;
    return rows < 1 ? 1 : rows > 16 ? 16 : rows;
}

static SKLGD_INLINE void sklgd_ask(const void *first, ptrdiff_t n_bytes) {
    /* From the start of a cache line on: a row rarely begins there, and its last line
       would be missed. */
    const char *line = (const char *) ((size_t) first & ~(size_t) 63);
    const char *end = (const char *) first + n_bytes;
    for (; line < end; line += 64) sklgd_prefetch_far(line);
}

#define REAL double
#define NAME(f) f##_double_base
#define TARGET
#include "dense_impl.h"
#undef REAL
#undef NAME
#define REAL float
#define NAME(f) f##_float_base
#include "dense_impl.h"
#undef REAL
#undef NAME
#undef TARGET

#if SKLGD_AVX2
#define TARGET SKLGD_TARGET_AVX2
#define REAL double
#define NAME(f) f##_double_avx2
#include "dense_impl.h"
#undef REAL
#undef NAME
#define REAL float
#define NAME(f) f##_float_avx2
#include "dense_impl.h"
#undef REAL
#undef NAME
#undef TARGET
#endif

static const sklgd_dense_kernels *sklgd_dense(int is_float32) {
#if SKLGD_AVX2
    if (sklgd_use_avx2()) return is_float32 ? &table_float_avx2 : &table_double_avx2;
#endif
    return is_float32 ? &table_float_base : &table_double_base;
}

#endif
