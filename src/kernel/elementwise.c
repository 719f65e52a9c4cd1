/* One element of every elementwise function. */
#include <math.h>

#include "kernel/ew_int.h"
#include "kernel/rowprog.h"
#include "tensor/attrs.h"

static const struct pln_ew_info infos[PLN_EW_COUNT] = {
#define PLN_EW(ENUM, text, inputs, onnx, cls) [PLN_EW_##ENUM] = { #text, onnx, inputs, PLN_EW_CLASS_##cls },
#include "kernel/elementwise.inc"
#undef PLN_EW
};

const struct pln_ew_info *pln_ew_get(unsigned kind)
{
    return kind > PLN_EW_NONE && kind < PLN_EW_COUNT ? &infos[kind] : NULL;
}

static const struct {
    uint8_t kind;
    float alpha, beta;
} defaults[] = {
    { PLN_EW_CELU, 1.0f, 0.0f },
    { PLN_EW_ELU, 1.0f, 0.0f },
    { PLN_EW_HARD_SIGMOID, 0.2f, 0.5f },
    { PLN_EW_ISINF, 1.0f, 1.0f },
    { PLN_EW_LEAKY_RELU, 0.01f, 0.0f },
    { PLN_EW_SELU, 1.67326319217681884765625f, 1.05070102214813232421875f },
    { PLN_EW_SHRINK, 0.5f, 0.0f },
    { PLN_EW_SWISH, 1.0f, 0.0f },
    { PLN_EW_THRESHOLDED_RELU, 1.0f, 0.0f },
};

void pln_ew_parameters(unsigned kind, const struct pln_attrs *attrs, float *out_alpha, float *out_beta)
{
    *out_alpha = 0.0f;
    *out_beta = 0.0f;
    for (size_t i = 0; i < PLN_COUNT_OF(defaults); i++) {
        if (defaults[i].kind != kind) continue;
        *out_alpha = pln_attrs_float(attrs, "alpha", defaults[i].alpha);
        *out_beta = pln_attrs_float(attrs, "beta", defaults[i].beta);
    }
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double floor_mod(double a, double b)
{
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static double gelu_tanh(double x)
{
    const double root = 0.79788456080286535588; /* sqrt(2 / pi) */
    return 0.5 * x * (1 + tanh(root * (x + 0.044715 * x * x * x)));
}

/* NaN passes; the upper bound wins. */
static double clip(double x, double low, double high)
{
    double y = x < low ? low : x;
    return y > high ? high : y;
}

double pln_ew_f64(unsigned kind, double a, double b, double c, float alpha, float beta)
{
    switch ((enum pln_ew)kind) {
    case PLN_EW_ABS: return fabs(a);
    case PLN_EW_ACOS: return acos(a);
    case PLN_EW_ACOSH: return acosh(a);
    case PLN_EW_ADD: return a + b;
    case PLN_EW_AND: return a != 0 && b != 0;
    case PLN_EW_ASIN: return asin(a);
    case PLN_EW_ASINH: return asinh(a);
    case PLN_EW_ATAN: return atan(a);
    case PLN_EW_ATANH: return atanh(a);
    case PLN_EW_CEIL: return ceil(a);
    case PLN_EW_CELU: return a > 0 ? a : isnan(a) ? a : (double)alpha * expm1(a / (double)alpha);
    case PLN_EW_CLIP: return clip(a, b, c);
    case PLN_EW_COS: return cos(a);
    case PLN_EW_COSH: return cosh(a);
    case PLN_EW_DIV: return a / b;
    case PLN_EW_ELU: return a > 0 ? a : (double)alpha * expm1(a);
    case PLN_EW_EQUAL: return a == b;
    case PLN_EW_ERF: return erf(a);
    case PLN_EW_EXP: return exp(a);
    case PLN_EW_FLOOR: return floor(a);
    case PLN_EW_FMOD: return fmod(a, b);
    case PLN_EW_GELU: return 0.5 * a * (1 + erf(a * 0.70710678118654752440)); /* 1 / sqrt 2 */
    case PLN_EW_GELU_TANH: return gelu_tanh(a);
    case PLN_EW_GREATER: return a > b;
    case PLN_EW_GREATER_EQUAL: return a >= b;
    case PLN_EW_HARD_SIGMOID: return clip((double)alpha * a + (double)beta, 0, 1);
    case PLN_EW_HARD_SWISH: return a * clip(a / 6 + 0.5, 0, 1);
    case PLN_EW_IDENTITY: return a;
    case PLN_EW_ISINF: return isinf(a) && ((a < 0 && alpha != 0) || (a > 0 && beta != 0));
    case PLN_EW_ISNAN: return isnan(a);
    case PLN_EW_LEAKY_RELU: return a < 0 ? (double)alpha * a : a;
    case PLN_EW_LESS: return a < b;
    case PLN_EW_LESS_EQUAL: return a <= b;
    case PLN_EW_LOG: return log(a);
    case PLN_EW_MAX: return isnan(a) || a > b ? a : b;
    case PLN_EW_MIN: return isnan(a) || a < b ? a : b;
    case PLN_EW_MISH: return a * tanh(softplus(a));
    case PLN_EW_MOD: return floor_mod(a, b);
    case PLN_EW_MUL: return a * b;
    case PLN_EW_NEG: return -a;
    case PLN_EW_NOT: return a == 0;
    case PLN_EW_OR: return a != 0 || b != 0;
    case PLN_EW_POW: return pow(a, b);
    case PLN_EW_PRELU: return a < 0 ? a * b : a;
    case PLN_EW_RECIPROCAL: return 1 / a;
    case PLN_EW_RELU: return a < 0 ? 0 : a;
    case PLN_EW_ROUND: return rint(a);
    case PLN_EW_RSQRT: return 1 / sqrt(a);
    case PLN_EW_SELU: return (double)beta * (a > 0 ? a : (double)alpha * expm1(a));
    case PLN_EW_SHRINK: return a < -(double)alpha ? a + (double)beta : a > (double)alpha ? a - (double)beta : 0;
    case PLN_EW_SIGMOID: return sigmoid(a);
    case PLN_EW_SIGN: return isnan(a) ? a : (double)((a > 0) - (a < 0));
    case PLN_EW_SIN: return sin(a);
    case PLN_EW_SINH: return sinh(a);
    case PLN_EW_SOFTPLUS: return softplus(a);
    case PLN_EW_SOFTSIGN: return a / (1 + fabs(a));
    case PLN_EW_SQRT: return sqrt(a);
    case PLN_EW_SUB: return a - b;
    case PLN_EW_SWISH: return a * sigmoid((double)alpha * a);
    case PLN_EW_TAN: return tan(a);
    case PLN_EW_TANH: return tanh(a);
    case PLN_EW_THRESHOLDED_RELU: return a > (double)alpha ? a : 0;
    case PLN_EW_WHERE: return a != 0 ? b : c;
    case PLN_EW_XOR: return (a != 0) != (b != 0);
    case PLN_EW_BIT_AND:
    case PLN_EW_BIT_NOT:
    case PLN_EW_BIT_OR:
    case PLN_EW_BIT_XOR:
    case PLN_EW_SHIFT_LEFT:
    case PLN_EW_SHIFT_RIGHT:
    case PLN_EW_NONE:
    case PLN_EW_COUNT: break;
    }
    return NAN;
}

/* For the functions that ONNX also allows on integers but means on reals: the result is truncated. */
static int64_t through_f64(unsigned kind, int64_t a, int64_t b, int64_t c, bool u)
{
    double y = u ? pln_ew_f64(kind, (double)(uint64_t)a, (double)(uint64_t)b, (double)(uint64_t)c, 0, 0)
                 : pln_ew_f64(kind, (double)a, (double)b, (double)c, 0, 0);
    if (isnan(y)) return 0;
    if (y >= 9223372036854775808.0) return u && y < 18446744073709551616.0 ? pln_int_wrap((uint64_t)y) : INT64_MAX;
    return y < -9223372036854775808.0 ? INT64_MIN : (int64_t)y;
}

int64_t pln_ew_i64(unsigned kind, int64_t a, int64_t b, int64_t c, bool u)
{
    return pln_ew_has_int(kind) ? pln_ew_int(kind, a, b, c, u) : through_f64(kind, a, b, c, u);
}
