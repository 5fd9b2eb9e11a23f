/* Includes the header SKLGD_FAMILY, a family of kernels (see isa.h), once for each
   instruction set. No include guard: it is included once for each family. */

#define SKLGD_TARGET
#define SKLGD_NAME(f) f##_base
#include SKLGD_FAMILY
#undef SKLGD_TARGET
#undef SKLGD_NAME

#if SKLGD_AVX2
#define SKLGD_TARGET SKLGD_TARGET_AVX2
#define SKLGD_NAME(f) f##_avx2
#include SKLGD_FAMILY
#undef SKLGD_TARGET
#undef SKLGD_NAME
#endif

#undef SKLGD_FAMILY
