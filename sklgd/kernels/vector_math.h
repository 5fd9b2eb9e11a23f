/* exp and log1p without branches, tables and libm: loops over them vectorise, and every
   compiler and instruction set gives the same bits (no contraction, fixed order).

   Both are within one unit in the last place, as libm's are. Numbers in bits of doubles
   are read and made by adding 1.5 * 2^52, which leaves the nearest integer in the low
   bits: AVX2 and SSE2 have no conversion between doubles and 64-bit integers. */

#ifndef SKLGD_VECTOR_MATH_H
#define SKLGD_VECTOR_MATH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "isa.h"

#define SKLGD_BLOCK 64 /* numbers that a loop passes on to the next one */
#define SKLGD_SHIFT 6755399441055744.0          /* 1.5 * 2^52 */
#define SKLGD_LN2_HIGH 6.93147180369123816490e-01 /* 33 bits: times 11 bits is exact */
#define SKLGD_LN2_LOW 1.90821492927058770002e-10

static SKLGD_INLINE uint64_t sklgd_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static SKLGD_INLINE double sklgd_from_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* exp(x) = 2^k exp(r), |r| <= log(2)/2 (Cody and Waite, "Software Manual for the
   Elementary Functions", 1980, ch. 6); exp(r) = 1 + r + r^2 q(r), q of degree 10 from the
   Chebyshev nodes, error 3e-19. 2^k in two factors, as it may be
   subnormal, or infinite before rounding. */
static SKLGD_INLINE double sklgd_exp_reduce(double x, double *k) {
    /* Written so that NaN stays. */
    x = x > 710.0 ? 710.0 : x;
    x = x < -746.0 ? -746.0 : x;
    *k = (x * 1.44269504088896338700 + SKLGD_SHIFT) - SKLGD_SHIFT;
    return (x - *k * SKLGD_LN2_HIGH) - *k * SKLGD_LN2_LOW;
}

/* exp(r) - 1. */
static SKLGD_INLINE double sklgd_exp_series(double r) {
    double r2 = r * r, r4 = r2 * r2, q0, q1, q2;
    q0 = (0.5 + 0.1666666666666667 * r)
         + (0.04166666666666667 + 0.008333333333326136 * r) * r2;
    q1 = (0.0013888888888883748 + 0.00019841269874820627 * r)
         + (2.4801587325547743e-05 + 2.7557255400206422e-06 * r) * r2;
    q2 = (2.75572736431103e-07 + 2.5105217004720745e-08 * r)
         + 2.0914686968086876e-09 * r2;
    return r + r2 * (q0 + r4 * (q1 + r4 * q2));
}

/* 2^k (1 + r). */
static SKLGD_INLINE double sklgd_exp_scale(double r, double k) {
    double half = 0.5 * k + SKLGD_SHIFT;
    k -= half - SKLGD_SHIFT;
    return (1.0 + r) * sklgd_from_bits((sklgd_bits(half) + 1023) << 52)
           * sklgd_from_bits((sklgd_bits(k + SKLGD_SHIFT) + 1023) << 52);
}

static SKLGD_INLINE double sklgd_exp(double x) {
    double k, r = sklgd_exp_reduce(x, &k);
    return sklgd_exp_scale(sklgd_exp_series(r), k);
}

/* log(u) + rest for u >= 1. With u = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2): the series
   in s = f/(2 + f) and its coefficients are those of fdlibm's e_log.c (Sun Microsystems,
   1993). */
static SKLGD_INLINE double sklgd_log_and(double u, double rest) {
    double k, f, s, z, w, even, odd, half;
    uint64_t above = sklgd_bits(u) - 0x3fe6a09e667f3bcdULL;
    uint64_t exponent = above >> 52;
    k = sklgd_from_bits(exponent | 0x4330000000000000ULL) - 4503599627370496.0;
    f = sklgd_from_bits(sklgd_bits(u) - (exponent << 52)) - 1.0;
    s = f / (2.0 + f);
    z = s * s;
    w = z * z;
    even = w * (3.999999999940941908e-01
                + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    odd = z * (6.666666666666735130e-01
               + w * (2.857142874366239149e-01
                      + w * (1.818357216161805012e-01 + w * 1.479819860510658591e-01)));
    half = 0.5 * f * f;
    return k * SKLGD_LN2_HIGH
           - ((half - (s * (half + (odd + even)) + (k * SKLGD_LN2_LOW + rest))) - f);
}

/* log2(u) for 1 <= u < inf, with an absolute error of a few 1e-16: u = 2^k m with m as above,
   log(m) = 2 artanh(s) = 2 s (1 + s^2 q(s^2)), q of degree 5 from the Chebyshev nodes. */
static SKLGD_INLINE double sklgd_log2(double u) {
    uint64_t exponent = (sklgd_bits(u) - 0x3fe6a09e667f3bcdULL) >> 52;
    double k = sklgd_from_bits(exponent | 0x4330000000000000ULL) - 4503599627370496.0;
    double f = sklgd_from_bits(sklgd_bits(u) - (exponent << 52)) - 1.0;
    double s = f / (2.0 + f), z = s * s, z2 = z * z, q;
    q = ((0.3333333333333104 + 0.20000000005603252 * z)
         + (0.1428571206916208 + 0.11111431140054358 * z) * z2)
        + (0.09070096901432996 + 0.08310908576429464 * z) * (z2 * z2);
    s *= 2.8853900817779268;
    return k + (s + s * (z * q));
}

/* 2^y for -1022 < y < 1023: 2^k 2^r, |r| <= 1/2, 2^r = 1 + r q(r), q of degree 9 from the
   Chebyshev nodes, error 2e-16. */
static SKLGD_INLINE double sklgd_exp2(double y) {
    double shifted = y + SKLGD_SHIFT, r = y - (shifted - SKLGD_SHIFT);
    double r2 = r * r, r4 = r2 * r2, q0, q1, q2;
    q0 = (0.6931471805599462 + 0.24022650695910075 * r)
         + (0.05550410866465167 + 0.009618129107618665 * r) * r2;
    q1 = (0.0013333558200794592 + 0.00015403530424776529 * r)
         + (1.5252672924850737e-05 + 1.3215451633221434e-06 * r) * r2;
    q2 = 1.0205905413765595e-07 + 7.070977866508139e-09 * r;
    return (1.0 + r * (q0 + r4 * (q1 + r4 * q2)))
           * sklgd_from_bits((sklgd_bits(shifted) + 1023) << 52);
}

/* log(1 + x) for x >= 0 (the losses need no other), NaN for NaN. What rounding took from
   u = 1 + x comes back by log(u + c) = log(u) + c/u. */
static SKLGD_INLINE double sklgd_log1p(double x) {
    double u = 1.0 + x, c, s;
    c = (u >= 2.0 ? 1.0 - (u - x) : x - (u - 1.0)) / u;
    s = sklgd_log_and(u, c);
    return x <= 1.7976931348623157e308 ? s : x + x;
}

#define SKLGD_FAMILY "vector_math_impl.h"
#include "each_isa.h"

typedef struct {
    void (*exp)(double *x, ptrdiff_t n);
    void (*log1p)(double *x, ptrdiff_t n);
    void (*softmax_rows)(const double *z, ptrdiff_t m, ptrdiff_t K, double *p,
                         double *top, double *rest);
} sklgd_vector_math;

/* The functions for this machine, to be asked for once, at import. */
static inline sklgd_vector_math sklgd_choose_vector_math(void) {
    sklgd_vector_math chosen = {
        SKLGD_CHOOSE(sklgd_exp_all), SKLGD_CHOOSE(sklgd_log1p_all),
        SKLGD_CHOOSE(sklgd_softmax_rows)};
    return chosen;
}

#endif
