/* Kernels of an instruction set with N_LANES outputs in a VECTOR; included by sparse.h.

   Tiles are those of outputs_impl.h: PLACE computes where their vectors are. */

#define READ(p) (*(const VECTOR *) (p))
#define WRITE(p) (*(VECTOR *) (p))

#define REAL double
#define INDEX int32_t
#define NAME(f) FAMILY(f##_double_int)
#include "sparse_rows_impl.h"
#undef INDEX
#undef NAME
#define INDEX int64_t
#define NAME(f) FAMILY(f##_double_long)
#include "sparse_rows_impl.h"
#undef REAL
#undef INDEX
#undef NAME
#define REAL float
#define INDEX int32_t
#define NAME(f) FAMILY(f##_float_int)
#include "sparse_rows_impl.h"
#undef INDEX
#undef NAME
#define INDEX int64_t
#define NAME(f) FAMILY(f##_float_long)
#include "sparse_rows_impl.h"
#undef REAL
#undef INDEX
#undef NAME

static const sklgd_sparse_kernels FAMILY(tables)[4] = {
    {FAMILY(forward_double_int), FAMILY(backward_double_int)},
    {FAMILY(forward_double_long), FAMILY(backward_double_long)},
    {FAMILY(forward_float_int), FAMILY(backward_float_int)},
    {FAMILY(forward_float_long), FAMILY(backward_float_long)},
};

#undef READ
#undef WRITE
