/* The elementwise functions (kernel/elementwise.inc) of one element: pln_ew_NAME of floats, float or double, and pln_int_NAME of integers as i64 or u64,
 * whose result the caller wraps to its type. They say the same as src/kernel/elementwise.c, which is the reference; forms that lose digits in float are
 * written otherwise. Functions with parameters take alpha and beta last. */
#ifndef PLN_CUDA_ELEMENTWISE_CUH
#define PLN_CUDA_ELEMENTWISE_CUH

#include "backend/cuda/device/cast.cuh"

#define PLN_FLOATS template <typename F> PLN_INLINE
#define PLN_INTS template <typename W> PLN_INLINE

/* ---- floats ---- */

PLN_FLOATS bool pln_is_nan(F x) { return x != x; }
PLN_FLOATS F pln_bounded(F x, F low, F high)
{
    const F y = x < low ? low : x;
    return y > high ? high : y;
}

PLN_FLOATS F pln_ew_abs(F a) { return fabs(a); }
PLN_FLOATS F pln_ew_acos(F a) { return acos(a); }
PLN_FLOATS F pln_ew_acosh(F a) { return acosh(a); }
PLN_FLOATS F pln_ew_add(F a, F b) { return a + b; }
PLN_FLOATS F pln_ew_asin(F a) { return asin(a); }
PLN_FLOATS F pln_ew_asinh(F a) { return asinh(a); }
PLN_FLOATS F pln_ew_atan(F a) { return atan(a); }
PLN_FLOATS F pln_ew_atanh(F a) { return atanh(a); }
PLN_FLOATS F pln_ew_ceil(F a) { return ceil(a); }
PLN_FLOATS F pln_ew_celu(F a, float alpha, float) { return a > 0 || pln_is_nan(a) ? a : (F)alpha * expm1(a / (F)alpha); }
PLN_FLOATS F pln_ew_clip(F a, F low, F high) { return pln_bounded(a, low, high); }
PLN_FLOATS F pln_ew_cos(F a) { return cos(a); }
PLN_FLOATS F pln_ew_cosh(F a) { return cosh(a); }
PLN_FLOATS F pln_ew_div(F a, F b) { return a / b; }
PLN_FLOATS F pln_ew_elu(F a, float alpha, float) { return a > 0 ? a : (F)alpha * expm1(a); }
PLN_FLOATS bool pln_ew_equal(F a, F b) { return a == b; }
PLN_FLOATS F pln_ew_erf(F a) { return erf(a); }
PLN_FLOATS F pln_ew_exp(F a) { return exp(a); }
PLN_FLOATS F pln_ew_floor(F a) { return floor(a); }
PLN_FLOATS F pln_ew_fmod(F a, F b) { return fmod(a, b); }
/* 1 + erf(x) is erfc(-x), which keeps its digits where x is negative. */
PLN_FLOATS F pln_ew_gelu(F a) { return (F)0.5 * a * erfc(-a * (F)0.70710678118654752440); }
/* 0.5 (1 + tanh(y)) is 1 / (1 + exp(-2y)); 1.5957... is 2 sqrt(2 / pi). */
PLN_FLOATS F pln_ew_gelu_tanh(F a) { return a / (1 + exp((F)-1.59576912160573071176 * (a + (F)0.044715 * a * a * a))); }
PLN_FLOATS bool pln_ew_greater(F a, F b) { return a > b; }
PLN_FLOATS bool pln_ew_greater_equal(F a, F b) { return a >= b; }
PLN_FLOATS F pln_ew_hard_sigmoid(F a, float alpha, float beta) { return pln_bounded((F)alpha * a + (F)beta, (F)0, (F)1); }
PLN_FLOATS F pln_ew_hard_swish(F a) { return a * pln_bounded(a / 6 + (F)0.5, (F)0, (F)1); }
PLN_FLOATS bool pln_ew_isinf(F a, float negative, float positive) { return (a == (F)PLN_INFINITY && positive != 0) || (a == -(F)PLN_INFINITY && negative != 0); }
PLN_FLOATS bool pln_ew_isnan(F a) { return pln_is_nan(a); }
PLN_FLOATS F pln_ew_leaky_relu(F a, float alpha, float) { return a < 0 ? (F)alpha * a : a; }
PLN_FLOATS bool pln_ew_less(F a, F b) { return a < b; }
PLN_FLOATS bool pln_ew_less_equal(F a, F b) { return a <= b; }
PLN_FLOATS F pln_ew_log(F a) { return log(a); }
PLN_FLOATS F pln_ew_max(F a, F b) { return pln_is_nan(a) || a > b ? a : b; }
PLN_FLOATS F pln_ew_min(F a, F b) { return pln_is_nan(a) || a < b ? a : b; }
PLN_FLOATS F pln_ew_softplus(F a) { return a > 0 ? a + log1p(exp(-a)) : log1p(exp(a)); }
PLN_FLOATS F pln_ew_mish(F a) { return a * tanh(pln_ew_softplus(a)); }
PLN_FLOATS F pln_ew_mod(F a, F b)
{
    const F r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
PLN_FLOATS F pln_ew_mul(F a, F b) { return a * b; }
PLN_FLOATS F pln_ew_neg(F a) { return -a; }
PLN_FLOATS F pln_ew_pow(F a, F b) { return pow(a, b); }
PLN_FLOATS F pln_ew_prelu(F a, F b) { return a < 0 ? a * b : a; }
PLN_FLOATS F pln_ew_reciprocal(F a) { return 1 / a; }
PLN_FLOATS F pln_ew_relu(F a) { return a < 0 ? (F)0 : a; }
PLN_FLOATS F pln_ew_round(F a) { return rint(a); }
PLN_FLOATS F pln_ew_rsqrt(F a) { return 1 / sqrt(a); }
PLN_FLOATS F pln_ew_selu(F a, float alpha, float beta) { return (F)beta * (a > 0 ? a : (F)alpha * expm1(a)); }
PLN_FLOATS F pln_ew_shrink(F a, float alpha, float beta) { return a < -(F)alpha ? a + (F)beta : a > (F)alpha ? a - (F)beta : (F)0; }
PLN_FLOATS F pln_ew_sigmoid(F a) { return a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a)); }
PLN_FLOATS F pln_ew_sign(F a) { return pln_is_nan(a) ? a : (F)((a > 0) - (a < 0)); }
PLN_FLOATS F pln_ew_sin(F a) { return sin(a); }
PLN_FLOATS F pln_ew_sinh(F a) { return sinh(a); }
PLN_FLOATS F pln_ew_softsign(F a) { return a / (1 + fabs(a)); }
PLN_FLOATS F pln_ew_sqrt(F a) { return sqrt(a); }
PLN_FLOATS F pln_ew_sub(F a, F b) { return a - b; }
PLN_FLOATS F pln_ew_swish(F a, float alpha, float) { return a * pln_ew_sigmoid((F)alpha * a); }
PLN_FLOATS F pln_ew_tan(F a) { return tan(a); }
PLN_FLOATS F pln_ew_tanh(F a) { return tanh(a); }
PLN_FLOATS F pln_ew_thresholded_relu(F a, float alpha, float) { return a > (F)alpha ? a : (F)0; }

/* ---- integers: arithmetic is done on u64, which wraps ---- */

PLN_INLINE bool pln_negative(i64 a) { return a < 0; }
PLN_INLINE bool pln_negative(u64) { return false; }

PLN_INTS W pln_int_abs(W a) { return pln_negative(a) ? (W)(0 - (u64)a) : a; }
PLN_INTS W pln_int_add(W a, W b) { return (W)((u64)a + (u64)b); }
PLN_INTS bool pln_int_and(W a, W b) { return a != 0 && b != 0; }
PLN_INTS W pln_int_bit_and(W a, W b) { return a & b; }
PLN_INTS W pln_int_bit_not(W a) { return ~a; }
PLN_INTS W pln_int_bit_or(W a, W b) { return a | b; }
PLN_INTS W pln_int_bit_xor(W a, W b) { return a ^ b; }
PLN_INTS W pln_int_clip(W a, W low, W high)
{
    const W y = a < low ? low : a;
    return high < y ? high : y;
}
PLN_INTS W pln_int_div(W a, W b)
{
    if (b == 0) return 0;
    return pln_negative(b) && b == (W)-1 ? (W)(0 - (u64)a) : a / b; /* the smallest number by -1 would trap on a CPU */
}
PLN_INTS bool pln_int_equal(W a, W b) { return a == b; }
PLN_INTS W pln_int_fmod(W a, W b)
{
    if (b == 0) return 0;
    return pln_negative(b) && b == (W)-1 ? (W)0 : a % b;
}
PLN_INTS bool pln_int_greater(W a, W b) { return a > b; }
PLN_INTS bool pln_int_greater_equal(W a, W b) { return a >= b; }
PLN_INTS bool pln_int_less(W a, W b) { return a < b; }
PLN_INTS bool pln_int_less_equal(W a, W b) { return a <= b; }
PLN_INTS W pln_int_max(W a, W b) { return a < b ? b : a; }
PLN_INTS W pln_int_min(W a, W b) { return b < a ? b : a; }
PLN_INTS W pln_int_mod(W a, W b)
{
    const W r = pln_int_fmod(a, b);
    return r != 0 && pln_negative(r) != pln_negative(b) ? r + b : r;
}
PLN_INTS W pln_int_mul(W a, W b) { return (W)((u64)a * (u64)b); }
PLN_INTS W pln_int_neg(W a) { return (W)(0 - (u64)a); }
PLN_INTS bool pln_int_not(W a) { return a == 0; }
PLN_INTS bool pln_int_or(W a, W b) { return a != 0 || b != 0; }
PLN_INTS W pln_int_pow(W a, W b)
{
    if (pln_negative(b)) return a == 1 ? (W)1 : a == (W)-1 ? ((b & 1) != 0 ? (W)-1 : (W)1) : (W)0;
    u64 base = (u64)a, result = 1;
    for (u64 e = (u64)b; e != 0; e >>= 1) {
        if ((e & 1) != 0) result *= base;
        base *= base;
    }
    return (W)result;
}
PLN_INTS W pln_int_prelu(W a, W b) { return pln_negative(a) ? pln_int_mul(a, b) : a; }
PLN_INTS W pln_int_relu(W a) { return pln_negative(a) ? (W)0 : a; }
PLN_INTS W pln_int_shift_left(W a, W b) { return (u64)b > 63 ? (W)0 : (W)((u64)a << (u64)b); }
PLN_INTS W pln_int_shift_right(W a, W b)
{
    if ((u64)b > 63) return pln_negative(a) ? (W)-1 : (W)0;
    return a >> b;
}
PLN_INTS W pln_int_sign(W a) { return pln_negative(a) ? (W)-1 : (W)(a != 0); }
PLN_INTS W pln_int_sub(W a, W b) { return (W)((u64)a - (u64)b); }
PLN_INTS bool pln_int_xor(W a, W b) { return (a != 0) != (b != 0); }

/* Meant on reals: computed there and truncated. Where the real is a whole number it must be exact, for functions of floats may be a unit or two in the last
 * place short of it. */

/* From 6 on, erf rounds to 1 in double. */
PLN_INTS W pln_int_erf(W a) { return pln_negative(a) ? (W)-(W)(a <= (W)-6) : (W)(a >= (W)6); }
/* A whole number to a real power. With b = p / 2^k, p odd or k 0, it is whole if a is the 2^k-th power of a whole number: then its p-th power by
 * multiplication, which is exact below 2^53. Beyond that every double is a whole number. */
PLN_INLINE double pln_whole_pow(double a, double b)
{
    const double y = pow(a, b);
    double root = a, result = 1;
    if (!(b > 0 && fabs(y) < 9007199254740992.0)) return y;
    for (int k = 0; k < 6 && b != rint(b); k++, b *= 2) {
        const double square = root;
        root = sqrt(root);
        if (!(root == rint(root) && fma(root, root, -square) == 0)) return y;
    }
    if (b != rint(b) || fabs(root) < 2) return y;
    for (int e = (int)b; e != 0; e >>= 1) {
        if ((e & 1) != 0) result *= root;
        root *= root;
    }
    return result;
}
PLN_INTS W pln_int_shrink(W a, float alpha, float beta) { return (W)pln_truncate(pln_ew_shrink((double)a, alpha, beta)); }

#endif
