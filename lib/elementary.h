/*
 * elementary.h - exp, log, log1p of plain operations: the same bits on every machine, and loops of them turn into
 * vector code.  Private to lib/.
 *
 * Only additions, multiplications, divisions, selects and integer bits; no table, no branch.  Relative error below
 * 1e-14 (tests/test_sums.c measures it against long double).
 */
#ifndef MM_ELEMENTARY_H
#define MM_ELEMENTARY_H

#include <stdint.h>
#include <string.h>

/* ln 2 in two pieces; k * LN2_HIGH is exact for |k| < 2^21. */
#define MM_LN2_HIGH 0x1.62e42fee00000p-1
#define MM_LN2_LOW  0x1.a39ef35793c76p-33

static inline uint64_t mm_bits_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double mm_of_bits(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* e^x = 2^k e^r, k = round(x / ln 2), |r| <= 0.3466: Taylor to r^12 (the next term is below 2e-16).
 * 0 below -708, e^709 above 709. */
static inline double mm_exp_of(double x)
{
    const double round_shift = 0x1.8p52; /* adding it leaves round(x) in the low bits */
    const double clipped = x < -708.0 ? -708.0 : (x > 709.0 ? 709.0 : x);
    const double shifted = clipped * 0x1.71547652b82fep+0 + round_shift;
    const double k = shifted - round_shift;
    const double r = (clipped - k * MM_LN2_HIGH) - k * MM_LN2_LOW;
    const double r2 = r * r;
    const double even =
        1.0 +
        r2 * (1.0 / 2 +
              r2 * (1.0 / 24 + r2 * (1.0 / 720 + r2 * (1.0 / 40320 + r2 * (1.0 / 3628800 + r2 * (1.0 / 479001600))))));
    const double odd =
        1.0 + r2 * (1.0 / 6 + r2 * (1.0 / 120 + r2 * (1.0 / 5040 + r2 * (1.0 / 362880 + r2 * (1.0 / 39916800)))));
    const double scale = mm_of_bits((mm_bits_of(shifted) + 1023) << 52);
    const double value = (even + r * odd) * scale;

    return x < -708.0 ? 0.0 : value;
}

/* x = 2^k z, z in [sqrt(1/2), sqrt(2)); log z = 2 artanh s = 2s + s T(s^2), s = (z-1)/(z+1), s^2 <= 0.02944.
 * T is w times the polynomial that agrees with its series 2w/3 + 2w^2/5 + ... at the six Chebyshev nodes of
 * [0, 0.02944]: relative error of log z below 7e-16.  x positive, finite and normal. */
static inline double mm_log_of(double x)
{
    const uint64_t bits = mm_bits_of(x);
    const uint64_t half = 0x3fe6a09e667f3bcdu; /* sqrt(1/2) */
    /* exponent + 1023, counted from sqrt(1/2): in 1 .. 2047 */
    const uint64_t biased = (bits + (0x3ff0000000000000u - half)) >> 52;
    const double k = mm_of_bits(biased | 0x4330000000000000u) - (0x1p52 + 1023.0);
    const double z = mm_of_bits(bits - (biased << 52) + (1023ull << 52));
    const double s = (z - 1.0) / (z + 1.0);
    const double w = s * s;
    const double w2 = w * w;
    const double low = 0x1.55555555553b8p-1 + w * 0x1.9999999b8677ap-2;
    const double middle = 0x1.2492462af84abp-2 + w * 0x1.c71fccd953895p-3;
    const double high = 0x1.7382dbfa1ce75p-3 + w * 0x1.546a3155bacbfp-3;
    const double tail = w * (low + w2 * (middle + w2 * high));

    return k * MM_LN2_HIGH + (2.0 * s + (s * tail + k * MM_LN2_LOW));
}

/* log(1 + x), x >= 0: the logarithm of the rounded 1 + x, corrected for the rounding. */
static inline double mm_log1p_of(double x)
{
    const double u = 1.0 + x;

    return mm_log_of(u) + (x - (u - 1.0)) / u;
}

#endif
