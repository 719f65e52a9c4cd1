/* Floats of 4 to 16 bits, described by a few numbers, so that one decoder and one encoder serve them all. Internal to
 * tensor/.
 *
 * Sources: IEEE 754-2008 (f16); Intel, "BFLOAT16 – Hardware Numerics Definition"; OCP 8-bit Floating Point
 * Specification 1.0 (E4M3 is ONNX's E4M3FN, E5M2); ONNX, "Float stored in 8 bits" (the FNUZ forms); OCP Microscaling
 * Formats 1.0 (E2M1, E8M0). */
#ifndef PLN_TENSOR_SMALL_FLOAT_H
#define PLN_TENSOR_SMALL_FLOAT_H

#include "base/base.h"

enum pln_small_specials {
    PLN_SMALL_IEEE, /* the highest exponent is inf (mantissa 0) and NaN */
    PLN_SMALL_FN,   /* no inf; NaN is the highest code of either sign */
    PLN_SMALL_FNUZ, /* no inf, no -0; NaN is the code of -0 */
    PLN_SMALL_NONE  /* neither inf nor NaN */
};

struct pln_small_format {
    int exponent_bits, mantissa_bits, bias;
    enum pln_small_specials specials;
    uint32_t max_code; /* code of the greatest finite value */
};

extern const struct pln_small_format pln_format_f16, pln_format_bf16, pln_format_f8e4m3fn, pln_format_f8e4m3fnuz,
    pln_format_f8e5m2, pln_format_f8e5m2fnuz, pln_format_f4e2m1;

/* Exact. */
double pln_small_decode(const struct pln_small_format *format, uint32_t code);

/* To nearest, ties to even. Past the greatest finite value, infinity included: that value if `saturate` (and always
 * where the format has neither inf nor NaN), else inf, else NaN. A NaN keeps sign and top of payload in the IEEE
 * formats; in PLN_SMALL_NONE it becomes a zero of the other sign, as ONNX's reference does. */
uint32_t pln_small_encode(const struct pln_small_format *format, double value, bool saturate);

/* The numbers of pln_convert's round_mode. */
enum pln_e8m0_round { PLN_E8M0_UP = 0, PLN_E8M0_DOWN = 1, PLN_E8M0_NEAREST = 2 };

double pln_e8m0_decode(uint8_t code);
/* The sign is dropped. Nearest: ties up. Outside 2^-127 … 2^127, 0 and inf included: the nearer end if saturate, else
 * NaN. */
uint8_t pln_e8m0_encode(double value, bool saturate, enum pln_e8m0_round round);

/* An integer with at most 53 significant bits whose rounding to any float narrower than double is that of value: what
 * does not fit is folded into the last bit (round to odd; Boldo and Melquiond, "Emulation of FMA and correctly rounded
 * sums", 2008). */
double pln_round_to_odd(uint64_t value);

/* Truncates toward zero; out of range saturates, NaN gives 0. */
int64_t pln_f64_to_i64(double value);

#endif
