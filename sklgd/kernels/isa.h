/* Instruction sets: which ones the kernels are compiled for, and which one is used.

   A family of kernels is one header without an include guard whose functions are written
   as `static TARGET ... NAME(f)(...)`. It is included once with NAME(f) = f_base and, if
   SKLGD_AVX2, once more with NAME(f) = f_avx2, compiled for AVX2 whatever the flags of
   the build are. each_isa.h does so, where the macros are called SKLGD_TARGET and
   SKLGD_NAME; dense.h, sparse.h, outputs.h and float32_rows.h, which need more macros,
   do it themselves. The functions of one family call each other directly; from outside
   they are called through a table that is chosen once, when the module is imported.

   The kernels keep a fixed number of partial sums and add them up in a fixed order, and
   nothing is contracted to fused multiply-adds. So all instruction sets give the same bits.

   Function attributes and not ifuncs (target_clones): musl has no ifuncs, and clang and
   the linkers of macOS and Windows handle them differently. Compilers without these
   attributes (MSVC) and other processors (aarch64, whose base includes NEON) have the
   plain functions only. */

#ifndef SKLGD_ISA_H
#define SKLGD_ISA_H

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define SKLGD_AVX2 1
#define SKLGD_TARGET_AVX2 __attribute__((target("avx2")))
#else
#define SKLGD_AVX2 0
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define SKLGD_RESTRICT __restrict
#define SKLGD_INLINE __forceinline
#else
#define SKLGD_RESTRICT restrict
#define SKLGD_INLINE inline __attribute__((always_inline))
#endif

/* ALIGNED: to the start of a cache line. */
#if defined(__GNUC__) || defined(__clang__)
#define SKLGD_ALIGNED __attribute__((aligned(64)))
#define SKLGD_NOINLINE __attribute__((noinline))
#else
#define SKLGD_ALIGNED
#define SKLGD_NOINLINE
#endif

#if defined(__GNUC__) || defined(__clang__)
#define sklgd_prefetch(address) __builtin_prefetch(address)
#define sklgd_prefetch_far(address) __builtin_prefetch(address, 0, 2) /* into L2 */
#else
#define sklgd_prefetch(address) ((void) (address))
#define sklgd_prefetch_far(address) ((void) (address))
#endif

/* Before a loop: what one turn writes, no other turn reads. */
#if defined(__clang__)
#define SKLGD_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define SKLGD_INDEPENDENT _Pragma("GCC ivdep")
#else
#define SKLGD_INDEPENDENT
#endif

/* Four numbers that are added and multiplied at a time: the vectors of GCC and clang, which
   compile them for any instruction set, else an array. */
#if (defined(__clang__) && __clang_major__ >= 4) || (defined(__GNUC__) && __GNUC__ >= 9)
#define SKLGD_VECTORS 1
typedef double sklgd_lanes __attribute__((vector_size(32)));
typedef float sklgd_floats __attribute__((vector_size(16)));
#if defined(__clang__) || __GNUC__ >= 12
#define SKLGD_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#endif
#else
#define SKLGD_VECTORS 0
typedef struct {
    double v[4];
} sklgd_lanes;
#endif

/* sum += a, and sum += a b, of the four numbers at a and b. */
static SKLGD_INLINE void sklgd_lanes_add(sklgd_lanes *sum, const double *a) {
    sklgd_lanes x;
    memcpy(&x, a, sizeof(x));
#if SKLGD_VECTORS
    *sum += x;
#else
    {
        int i;
        for (i = 0; i < 4; i++) sum->v[i] += x.v[i];
    }
#endif
}

static SKLGD_INLINE void sklgd_lanes_add_product(
        sklgd_lanes *sum, const double *a, const double *b) {
    sklgd_lanes x, y;
    memcpy(&x, a, sizeof(x)), memcpy(&y, b, sizeof(y));
#if SKLGD_VECTORS
    *sum += x * y;
#else
    {
        int i;
        for (i = 0; i < 4; i++) sum->v[i] += x.v[i] * y.v[i];
    }
#endif
}

/* sum += a a b. */
static SKLGD_INLINE void sklgd_lanes_add_square(
        sklgd_lanes *sum, const double *a, const double *b) {
    sklgd_lanes x, y;
    memcpy(&x, a, sizeof(x)), memcpy(&y, b, sizeof(y));
#if SKLGD_VECTORS
    *sum += x * x * y;
#else
    {
        int i;
        for (i = 0; i < 4; i++) sum->v[i] += x.v[i] * x.v[i] * y.v[i];
    }
#endif
}

/* The sum of the four, in a fixed order. */
static SKLGD_INLINE double sklgd_lanes_total(const sklgd_lanes *sum) {
    double v[4];
    memcpy(v, sum, sizeof(v));
    return (v[0] + v[1]) + (v[2] + v[3]);
}

/* True if the CPU has AVX2 and the environment does not say SKLGD_ISA=base. */
static inline int sklgd_use_avx2(void) {
#if SKLGD_AVX2
    const char *wanted = getenv("SKLGD_ISA");
    if (wanted != NULL && strcmp(wanted, "base") == 0) return 0;
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") != 0;
#else
    return 0;
#endif
}

/* The function f of a family for this machine, to be asked for once, at import. */
#if SKLGD_AVX2
#define SKLGD_CHOOSE(f) (sklgd_use_avx2() ? f##_avx2 : f##_base)
#else
#define SKLGD_CHOOSE(f) f##_base
#endif

#endif
