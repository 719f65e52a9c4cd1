#include "tensor/small_float.h"

#include <math.h>

const struct pln_small_format pln_format_f16 = { 5, 10, 15, PLN_SMALL_IEEE, 0x7bff };
const struct pln_small_format pln_format_bf16 = { 8, 7, 127, PLN_SMALL_IEEE, 0x7f7f };
const struct pln_small_format pln_format_f8e4m3fn = { 4, 3, 7, PLN_SMALL_FN, 0x7e };
const struct pln_small_format pln_format_f8e4m3fnuz = { 4, 3, 8, PLN_SMALL_FNUZ, 0x7f };
const struct pln_small_format pln_format_f8e5m2 = { 5, 2, 15, PLN_SMALL_IEEE, 0x7b };
const struct pln_small_format pln_format_f8e5m2fnuz = { 5, 2, 16, PLN_SMALL_FNUZ, 0x7f };
const struct pln_small_format pln_format_f4e2m1 = { 2, 1, 1, PLN_SMALL_NONE, 0x7 };

static uint64_t f64_bits(double value)
{
    uint64_t u;
    memcpy(&u, &value, 8);
    return u;
}

static double f64_from_bits(uint64_t u)
{
    double value;
    memcpy(&value, &u, 8);
    return value;
}

static uint32_t sign_bit(const struct pln_small_format *format)
{
    return (uint32_t)1 << (format->exponent_bits + format->mantissa_bits);
}

double pln_small_decode(const struct pln_small_format *format, uint32_t code)
{
    uint32_t sign = code & sign_bit(format), rest = code & (sign_bit(format) - 1);
    double value;
    if (rest > format->max_code || (format->specials == PLN_SMALL_FNUZ && rest == 0 && sign != 0)) {
        bool infinite = format->specials == PLN_SMALL_IEEE && rest == format->max_code + 1;
        value = infinite ? (double)INFINITY : (double)NAN;
    } else {
        uint32_t exponent = rest >> format->mantissa_bits;
        uint32_t mantissa = rest & (((uint32_t)1 << format->mantissa_bits) - 1);
        if (exponent > 0) mantissa |= (uint32_t)1 << format->mantissa_bits;
        value = ldexp((double)mantissa, (int)PLN_MAX(exponent, 1) - format->bias - format->mantissa_bits);
    }
    return sign != 0 ? -value : value;
}

/* Code of a finite magnitude as if exponents had no upper end; anything above max_code means too large. */
static uint32_t encode_magnitude(const struct pln_small_format *format, uint64_t bits)
{
    int exponent = (int)(bits >> 52) - 1023, least = 1 - format->bias;
    uint64_t mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    int shift = 52 - format->mantissa_bits + (exponent < least ? least - exponent : 0);
    if (exponent > 2 - least) return UINT32_MAX; /* no format goes further; keeps the code below from overflowing */
    if (shift > 53) return 0; /* less than half of the least subnormal; all subnormals of double too */
    uint64_t kept = mantissa >> shift, lost = mantissa & ((UINT64_C(1) << shift) - 1),
             half = UINT64_C(1) << (shift - 1);
    if (lost > half || (lost == half && (kept & 1) != 0)) kept++;
    /* kept holds the leading one, which adds 1 to the exponent field; a carry out of the mantissa does likewise. */
    uint32_t steps = exponent < least ? 0 : (uint32_t)(exponent - least);
    return (steps << format->mantissa_bits) + (uint32_t)kept;
}

static uint32_t encode_nan(const struct pln_small_format *format, uint64_t bits, uint32_t sign)
{
    switch (format->specials) {
    case PLN_SMALL_IEEE: {
        uint32_t quiet = (uint32_t)1 << (format->mantissa_bits - 1);
        uint32_t payload = (uint32_t)(bits >> (52 - format->mantissa_bits)) & (quiet - 1);
        return sign | (format->max_code + 1) | quiet | payload;
    }
    case PLN_SMALL_FN: return sign | (format->max_code + 1);
    case PLN_SMALL_FNUZ: return sign_bit(format);
    case PLN_SMALL_NONE: return sign ^ sign_bit(format);
    }
    return 0;
}

static uint32_t encode_overflow(const struct pln_small_format *format, uint32_t sign, bool saturate)
{
    if (saturate || format->specials == PLN_SMALL_NONE) return sign | format->max_code;
    if (format->specials == PLN_SMALL_FNUZ) return sign_bit(format);
    return sign | (format->max_code + 1);
}

uint32_t pln_small_encode(const struct pln_small_format *format, double value, bool saturate)
{
    uint64_t bits = f64_bits(value);
    uint32_t sign = bits >> 63 != 0 ? sign_bit(format) : 0;
    bits &= ~(UINT64_C(1) << 63);
    if (bits > UINT64_C(0x7ff) << 52) return encode_nan(format, bits, sign);
    uint32_t code = encode_magnitude(format, bits);
    if (code > format->max_code) return encode_overflow(format, sign, saturate);
    if (format->specials == PLN_SMALL_FNUZ && code == 0) return 0;
    return sign | code;
}

double pln_e8m0_decode(uint8_t code)
{
    return code == 255 ? (double)NAN : ldexp(1.0, code - 127);
}

uint8_t pln_e8m0_encode(double value, bool saturate, enum pln_e8m0_round round)
{
    if (value != value) return 255;
    value = fabs(value);
    if (value < 0x1p-127) return saturate ? 0 : 255;
    if (value > 0x1p127) return saturate ? 254 : 255;
    uint64_t bits = f64_bits(value);
    int code = (int)(bits >> 52) - 1023 + 127;
    double fraction = f64_from_bits((bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(0x3ff) << 52);
    switch (round) {
    case PLN_E8M0_UP: code += fraction > 1.0; break;
    case PLN_E8M0_DOWN: break;
    case PLN_E8M0_NEAREST: code += fraction >= 1.5; break;
    }
    return (uint8_t)code;
}

double pln_round_to_odd(uint64_t value)
{
    if (value >> 53 == 0) return (double)value;
    int shift = 11 - __builtin_clzll(value);
    uint64_t lost = value & ((UINT64_C(1) << shift) - 1);
    return (double)(((value >> shift) | (lost != 0)) << shift);
}
