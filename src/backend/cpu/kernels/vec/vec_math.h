/* exp, log, tanh, erf, sin and what is made of them, on vectors of f32. Every bound was measured against f64 over all
 * exponents (tests/kernels); the polynomials are weighted minimax fits over the intervals named (Lawson's iteration on
 * 2,000 Chebyshev nodes, in f64). NaN, infinities and denormals are handled as the C library does.
 *
 * What ends in _many takes up to four vectors in step, in place: each waits long for every result of its own, and more instructions than one vector has would
 * not fit where processors look for those that are ready. `many` is a constant where it is inlined. */
#ifndef PLN_CPU_VEC_MATH_H
#define PLN_CPU_VEC_MATH_H

#include <math.h>

#include "backend/cpu/kernels/vec/vec_f32.h"

/* ln 2 in two parts (Cody and Waite): the first has 9 bits, so that its product with an exponent is exact. */
#define VF_LN2_HI 0.693359375f
#define VF_LN2_LO (-2.12194440e-4f)
#define VF_LOG2_E 1.44269504f

/* 2^n for whole n in [-126, 127]. */
static inline vf vf_exp2_int(vi n)
{
    return vf_of_bits(vi_shift_left(vi_add(n, vi_set(127)), 23));
}

/* e^r - 1 for |r| <= ln(2)/2, relative error 5e-11 before rounding. */
static inline vf vf_expm1_core(vf r)
{
    vf p = vf_set(1.991781696e-04f);
    p = vf_fma(p, r, vf_set(1.394607527e-03f));
    p = vf_fma(p, r, vf_set(8.333265440e-03f));
    p = vf_fma(p, r, vf_set(4.166626985e-02f));
    p = vf_fma(p, r, vf_set(1.666666686e-01f));
    p = vf_fma(p, r, vf_set(5.000000078e-01f));
    return vf_fma(p, r * r, r);
}

/* Splits x in [-104, 89] into n ln 2 + r. */
static inline vf vf_exp_reduce(vf x, vi *out_n)
{
    vf n = vf_round(x * vf_set(VF_LOG2_E));
    *out_n = vi_of_float(n);
    vf r = vf_fma(n, vf_set(-VF_LN2_HI), x);
    return vf_fma(n, vf_set(-VF_LN2_LO), r);
}

#define VF_MANY static inline __attribute__((always_inline)) void
#define VF_EACH for (int i = 0; i < many; i++)

/* As vf_exp_reduce, and 2^n for n in [-127, 127], where 2^-127 is 0. Adding 1.5 2^23 rounds; with 127 more the sum's last bits are 2^n as an exponent has it. */
VF_MANY vf_exp_reduce_many(const int many, vf *x, vf *out_power)
{
    const vf shift = vf_set(12582912.0f + 127.0f);
    vf n[4];
    VF_EACH n[i] = vf_fma(x[i], vf_set(VF_LOG2_E), shift);
    VF_EACH out_power[i] = vf_of_bits(vi_shift_left(vi_of_bits(n[i]), 23));
    VF_EACH n[i] = n[i] - shift;
    VF_EACH x[i] = vf_fma(n[i], vf_set(-VF_LN2_HI), x[i]);
    VF_EACH x[i] = vf_fma(n[i], vf_set(-VF_LN2_LO), x[i]);
}

/* vf_expm1_core. */
VF_MANY vf_expm1_core_many(const int many, vf *r)
{
    vf p[4];
    VF_EACH p[i] = vf_fma(vf_set(1.991781696e-04f), r[i], vf_set(1.394607527e-03f));
    VF_EACH p[i] = vf_fma(p[i], r[i], vf_set(8.333265440e-03f));
    VF_EACH p[i] = vf_fma(p[i], r[i], vf_set(4.166626985e-02f));
    VF_EACH p[i] = vf_fma(p[i], r[i], vf_set(1.666666686e-01f));
    VF_EACH p[i] = vf_fma(p[i], r[i], vf_set(5.000000078e-01f));
    VF_EACH r[i] = vf_fma(p[i], r[i] * r[i], r[i]);
}

/* At most 1 ULP, denormal results included. */
VF_MANY vf_exp_many(const int many, vf *x)
{
    vi n[4], half[4];
    /* The order of operands lets NaN through. */
    VF_EACH x[i] = vf_max(vf_set(-104.0f), vf_min(vf_set(89.0f), x[i]));
    VF_EACH x[i] = vf_exp_reduce(x[i], &n[i]);
    vf_expm1_core_many(many, x);
    VF_EACH x[i] = x[i] + vf_set(1.0f);
    /* In two steps: 2^n itself may be denormal or too large. */
    VF_EACH half[i] = vi_shift_right(n[i], 1);
    VF_EACH x[i] = x[i] * vf_exp2_int(half[i]) * vf_exp2_int(vi_sub(n[i], half[i]));
}

static inline vf vf_exp(vf x)
{
    vf_exp_many(1, &x);
    return x;
}

/* The same for x from -infinity to 0, as the shares of a softmax: from e^-87.7 on it is 0, as a denormal number takes the processor a hundred times as long. */
VF_MANY vf_exp_share_many(const int many, vf *x)
{
    vf power[4];
    /* The order of operands lets NaN through. */
    VF_EACH x[i] = vf_max(vf_set(-88.0f), x[i]);
    vf_exp_reduce_many(many, x, power);
    vf_expm1_core_many(many, x);
    VF_EACH x[i] = (x[i] + vf_set(1.0f)) * power[i];
}

static inline vf vf_exp_share(vf x)
{
    vf_exp_share_many(1, &x);
    return x;
}

/* e^x - 1, at most 1.5 ULP. */
static inline vf vf_expm1(vf x)
{
    vf y = vf_max(vf_set(-30.0f), vf_min(vf_set(89.0f), x));
    vi n;
    vf r = vf_exp_reduce(y, &n);
    vf p = vf_expm1_core(r);
    vi half = vi_shift_right(n, 1);
    vf a = vf_exp2_int(half), b = vf_exp2_int(vi_sub(n, half));
    vf small = vf_fma(a * b, p, a * b - vf_set(1.0f));
    vf large = (p + vf_set(1.0f)) * a * b;
    vf result = vf_select(vf_lt(vf_set(40.0f), y), large, small);
    return vf_select(vf_eq(x, vf_set(0.0f)), x, result);
}

/* At most 1 ULP. */
static inline vf vf_log(vf x)
{
    vf one = vf_set(1.0f), zero = vf_set(0.0f);
    vm tiny = vf_lt(x, vf_set(1.17549435e-38f));
    vf y = vf_select(tiny, x * vf_set(8388608.0f), x);
    vi bits = vi_of_bits(y);
    vf e = vf_of_int(vi_sub(vi_and(vi_shift_right(bits, 23), vi_set(255)), vi_set(126)));
    e = e - vf_select(tiny, vf_set(23.0f), zero);
    vf m = vf_of_bits(vi_or(vi_and(bits, vi_set(0x007fffff)), vi_set(0x3f000000))); /* [0.5, 1) */
    vm low = vf_lt(m, vf_set(0.70710678f));
    e = e - vf_select(low, one, zero);
    m = m + vf_select(low, m, zero) - one; /* [sqrt(1/2) - 1, sqrt(2) - 1] */
    vf p = vf_set(6.915368069e-02f);
    p = vf_fma(p, m, vf_set(-1.178980770e-01f));
    p = vf_fma(p, m, vf_set(1.187297629e-01f));
    p = vf_fma(p, m, vf_set(-1.238434847e-01f));
    p = vf_fma(p, m, vf_set(1.421865809e-01f));
    p = vf_fma(p, m, vf_set(-1.666925082e-01f));
    p = vf_fma(p, m, vf_set(2.000222661e-01f));
    p = vf_fma(p, m, vf_set(-2.499998660e-01f));
    p = vf_fma(p, m, vf_set(3.333331044e-01f));
    vf m2 = m * m;
    vf low_part = vf_fma(e, vf_set(VF_LN2_LO), vf_fma(m2 * m, p, vf_set(-0.5f) * m2));
    vf result = vf_fma(e, vf_set(VF_LN2_HI), m + low_part);
    result = vf_select(vf_lt(vf_set(3.40282347e+38f), x), x, result);
    result = vf_select(vf_eq(x, zero), vf_set(-INFINITY), result);
    /* Negative or NaN. */
    return vf_select(vf_le(zero, x), result, vf_set(NAN));
}

/* log(1 + e) for e in [0, 1], relative error about 3e-7: the part of e that 1 + e rounds away is added back. */
static inline vf vf_log1p_unit(vf e)
{
    vf u = e + vf_set(1.0f);
    return vf_log(u) + (e - (u - vf_set(1.0f))) / u;
}

/* x for x >= 0, with the sign of `sign`. */
static inline vf vf_signed(vf x, vf sign)
{
    return vf_of_bits(vi_or(vi_of_bits(x), vi_and(vi_of_bits(sign), vi_set((int32_t)0x80000000u))));
}

/* At most 2 ULP: (1 - e) / (1 + e) with e = e^-2|x| = 2^n + 2^n (e^2r - 1), whose second part is added last. */
VF_MANY vf_tanh_many(const int many, vf *x)
{
    const vf one = vf_set(1.0f), shift = vf_set(12582912.0f + 127.0f);
    vf r[4], n[4], p[4], power[4];
    /* From 9.02 on it is 1. The order of operands lets NaN through. */
    VF_EACH r[i] = vf_max(vf_set(-9.1f), vf_of_bits(vi_or(vi_of_bits(x[i]), vi_set((int32_t)0x80000000u))));
    /* vf_exp_reduce_many of 2r. */
    VF_EACH n[i] = vf_fma(r[i], vf_set(2 * VF_LOG2_E), shift);
    VF_EACH power[i] = vf_of_bits(vi_shift_left(vi_of_bits(n[i]), 23));
    VF_EACH n[i] = n[i] - shift;
    VF_EACH r[i] = vf_fma(n[i], vf_set(-0.5f * VF_LN2_HI), r[i]);
    VF_EACH r[i] = vf_fma(n[i], vf_set(-0.5f * VF_LN2_LO), r[i]);
    /* e^2r - 1 for |r| <= ln(2)/4, relative error 1.3e-8 before rounding. */
    VF_EACH p[i] = vf_fma(vf_set(8.884810536e-02f), r[i], vf_set(2.677295081e-01f));
    VF_EACH p[i] = vf_fma(p[i], r[i], vf_set(6.666752114e-01f));
    VF_EACH p[i] = vf_fma(p[i], r[i], vf_set(1.333323474e+00f));
    VF_EACH p[i] = vf_fma(p[i], r[i], vf_set(1.999999926e+00f));
    VF_EACH p[i] = vf_fma(p[i], r[i] * r[i], r[i] + r[i]);
    VF_EACH p[i] = power[i] * p[i];
    VF_EACH p[i] = ((one - power[i]) - p[i]) / ((one + power[i]) + p[i]);
    VF_EACH x[i] = vf_signed(p[i], x[i]);
}

static inline vf vf_tanh(vf x)
{
    vf_tanh_many(1, &x);
    return x;
}

/* 1 / (1 + e^-x), at most 2.5 ULP, also where it is small. */
VF_MANY vf_sigmoid_many(const int many, vf *x)
{
    const vf one = vf_set(1.0f);
    vf e[4];
    VF_EACH e[i] = vf_neg(vf_abs(x[i]));
    vf_exp_many(many, e);
    VF_EACH x[i] = vf_select(vf_lt(x[i], vf_set(0.0f)), e[i], one);
    VF_EACH x[i] = x[i] / (one + e[i]);
}

static inline vf vf_sigmoid(vf x)
{
    vf_sigmoid_many(1, &x);
    return x;
}

/* y[i] = x[i] / (1 + e^-z[i]), at most 3 ULP, or 1e-37. z is lost. Both sides of the fraction are 2^-8 times theirs: e^-z stays finite until the result is nothing, and is infinite
 * from there on, so that -infinity gives NaN. */
VF_MANY vf_swish_many(const int many, const vf *x, vf *z, vf *y)
{
    /* Adding 1.5 2^23 rounds; with 127 - 8 more the sum's last bits are 2^(n - 8) as an exponent has it. */
    const vf scale = vf_set(0.00390625f), shift = vf_set(12582912.0f + 127.0f - 8.0f);
    static const float poly[] = { -8.368716879e-03f, 4.166838805e-02f, -1.666652063e-01f, 4.999999345e-01f, -1.0f, 1.0f };
    vf n[4], p[4];
    /* The order of operands lets NaN through. */
    for (int i = 0; i < many; i++) z[i] = vf_max(vf_set(-94.3f), vf_min(vf_set(80.0f), z[i]));
    for (int i = 0; i < many; i++) n[i] = vf_fma(z[i], vf_set(-VF_LOG2_E), shift);
    for (int i = 0; i < many; i++) y[i] = vf_of_bits(vi_shift_left(vi_of_bits(n[i]), 23));
    for (int i = 0; i < many; i++) n[i] = n[i] - shift;
    /* e^-z is 2^n e^-r. */
    for (int i = 0; i < many; i++) z[i] = vf_fma(n[i], vf_set(VF_LN2_HI), z[i]);
    for (int i = 0; i < many; i++) z[i] = vf_fma(n[i], vf_set(VF_LN2_LO), z[i]);
    /* e^-r for |r| <= ln(2)/2, relative error 3e-9 before rounding. */
    for (int i = 0; i < many; i++) p[i] = vf_set(1.381459856e-03f);
    for (int k = 0; k < 6; k++)
        for (int i = 0; i < many; i++) p[i] = vf_fma(p[i], z[i], vf_set(poly[k]));
    for (int i = 0; i < many; i++) y[i] = vf_fma(p[i], y[i], scale);
    for (int i = 0; i < many; i++) y[i] = x[i] * scale / y[i];
}

static inline vf vf_swish(vf x, vf z)
{
    vf y;
    vf_swish_many(1, &x, &z, &y);
    return y;
}

/* At most 2 ULP: 1 - e^-q, where q is -log(erfc |x|), |x| times a polynomial on [0, 4.05], relative error of the result 4e-9 before rounding. */
VF_MANY vf_erf_many(const int many, vf *x)
{
    vf t[4], p[4], power[4];
    /* Behind the interval it is 1. The order of operands lets NaN through. */
    VF_EACH t[i] = vf_min(vf_set(4.05f), vf_abs(x[i]));
    VF_EACH p[i] = vf_fma(vf_set(9.256890701e-06f), t[i], vf_set(-1.176470981e-04f));
    VF_EACH p[i] = vf_fma(p[i], t[i], vf_set(6.328586280e-04f));
    VF_EACH p[i] = vf_fma(p[i], t[i], vf_set(-1.667069471e-03f));
    VF_EACH p[i] = vf_fma(p[i], t[i], vf_set(1.604409356e-04f));
    VF_EACH p[i] = vf_fma(p[i], t[i], vf_set(1.915303751e-02f));
    VF_EACH p[i] = vf_fma(p[i], t[i], vf_set(-1.027778225e-01f));
    VF_EACH p[i] = vf_fma(p[i], t[i], vf_set(-6.366193830e-01f));
    /* The first coefficient, 1.1283791716, in two parts. */
    VF_EACH p[i] = vf_fma(p[i], t[i], vf_set(5.413e-08f));
    VF_EACH p[i] = p[i] * t[i];
    VF_EACH p[i] = vf_fma(t[i], vf_set(-1.128379226f), p[i]);
    vf_exp_reduce_many(many, p, power);
    vf_expm1_core_many(many, p);
    VF_EACH p[i] = (vf_set(1.0f) - power[i]) - power[i] * p[i];
    VF_EACH x[i] = vf_signed(p[i], x[i]);
}

static inline vf vf_erf(vf x)
{
    vf_erf_many(1, &x);
    return x;
}

/* x/2 (1 + erf(x / sqrt 2)); the left tail keeps its relative precision. */
VF_MANY vf_gelu_many(const int many, vf *x)
{
    const vf one = vf_set(1.0f);
    vf z[4], size[4], s[4], p[4], e[4];
    VF_EACH z[i] = x[i] * vf_set(0.70710678f);
    VF_EACH size[i] = vf_abs(z[i]);
    VF_EACH s[i] = z[i] * z[i];
    /* erf(z) / z - 1 for |z| <= 1, given z^2. */
    VF_EACH p[i] = vf_fma(vf_set(7.889119525e-05f), s[i], vf_set(-8.020841278e-04f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(5.189535339e-03f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(-2.685444459e-02f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(1.128360018e-01f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(-3.761262714e-01f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(1.283791659e-01f));
    VF_EACH z[i] = one + vf_fma(p[i], z[i], z[i]);
    /* erfc(|z|) for |z| >= 0.5, as e^(-z^2) times a polynomial in 1 / (1 + |z|/2); relative error 1e-6 at |z| = 4. */
    VF_EACH e[i] = vf_neg(s[i]);
    vf_exp_share_many(many, e);
    VF_EACH s[i] = one / vf_fma(size[i], vf_set(0.5f), one);
    VF_EACH p[i] = vf_fma(vf_set(8.270961041e-02f), s[i], vf_set(-1.911082449e-01f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(3.369975637e-02f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(9.849893219e-02f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(1.613340892e-01f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(2.519837552e-01f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(2.811686587e-01f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(2.821816204e-01f));
    VF_EACH p[i] = vf_fma(p[i], s[i], vf_set(-3.351158214e-06f)) * e[i];
    VF_EACH p[i] = vf_select(vf_lt(x[i], vf_set(0.0f)), p[i], vf_set(2.0f) - p[i]);
    VF_EACH p[i] = vf_select(vf_lt(size[i], one), z[i], p[i]);
    VF_EACH x[i] = x[i] * vf_set(0.5f) * p[i];
}

static inline vf vf_gelu(vf x)
{
    vf_gelu_many(1, &x);
    return x;
}

/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) = x sigmoid(2 sqrt(2/pi) (…)). */
static inline vf vf_gelu_tanh(vf x)
{
    vf cube = vf_fma(x * x * x, vf_set(0.044715f), x);
    return vf_swish(x, cube * vf_set(1.59576912f));
}

/* log(1 + e^x). */
static inline vf vf_softplus(vf x)
{
    vf e = vf_exp(vf_neg(vf_abs(x)));
    return vf_max(vf_set(0.0f), x) + vf_log1p_unit(e);
}

/* x tanh(softplus(x)) = x w / (w + 2) with w = e^x (e^x + 2). */
static inline vf vf_mish(vf x)
{
    vf e = vf_exp(vf_min(vf_set(20.0f), x));
    vf w = e * (e + vf_set(2.0f));
    return vf_select(vf_lt(vf_set(20.0f), x), x, x * (w / (w + vf_set(2.0f))));
}

/* Up to here the sine and the cosine are computed; beyond, multiples of pi/2 would have to be known to more bits. */
#define VF_SINE_MOST 8192.0f

/* sin(x + quarter pi/2), at most 2 ULP for |x| <= VF_SINE_MOST; NaN of infinities and NaN. */
static inline vf vf_sine(vf x, int quarter)
{
    /* pi/2 in parts (Cody and Waite), three of 11 bits: n has 13, so that their products with it are exact, and so are the first two differences. What the
     * third one rounds away is added back with the rest. */
    vf n = vf_round(x * vf_set(6.366197724e-01f));
    vf r = vf_fma(n, vf_set(-1.5703125f), x);
    r = vf_fma(n, vf_set(-4.837512970e-04f), r);
    vf high = vf_fma(n, vf_set(-7.549533620e-08f), r);
    vf low = vf_fma(n, vf_set(-2.563344068e-12f), vf_fma(n, vf_set(-7.549533620e-08f), r - high));
    vf s = high * high;
    /* sin r for |r| <= pi/4, relative error 4e-9 before rounding; the same of cos, 1.2e-10. */
    vf p = vf_set(-1.951697737e-04f);
    p = vf_fma(p, s, vf_set(8.332175845e-03f));
    p = vf_fma(p, s, vf_set(-1.666665491e-01f));
    vf sine = high + vf_fma(p, s * high, low);
    vf q = vf_set(2.443278496e-05f);
    q = vf_fma(q, s, vf_set(-1.388731306e-03f));
    q = vf_fma(q, s, vf_set(4.166664562e-02f));
    vf cosine = vf_fma(q, s * s, vf_fma(s, vf_set(-0.5f), vf_set(1.0f)));
    vi turns = vi_add(vi_of_float(n), vi_set(quarter));
    vm odd = vf_eq(vf_of_int(vi_and(turns, vi_set(1))), vf_set(1.0f));
    vi sign = vi_shift_left(vi_and(turns, vi_set(2)), 30);
    return vf_of_bits(vi_xor(vi_of_bits(vf_select(odd, cosine, sine)), sign));
}

static inline vf vf_sin(vf x)
{
    return vf_select(vf_eq(x, vf_set(0.0f)), x, vf_sine(x, 0));
}

static inline vf vf_cos(vf x)
{
    return vf_sine(x, 1);
}

#endif
