/* Conversion between element types, one element and whole tensors.
 *
 * Sources: f16 IEEE 754-2008 binary16; bf16 as in Intel's "BFLOAT16 – Hardware Numerics Definition" (round to nearest even);
 * float8 OCP OFP8 and the FNUZ forms of the ONNX "Float stored in 8 bits" text; f4e2m1 and e8m0 OCP MX 1.0. */
#ifndef PLN_TENSOR_CONVERT_H
#define PLN_TENSOR_CONVERT_H

#include "tensor/tensor.h"

float pln_f16_to_f32(uint16_t bits);
uint16_t pln_f32_to_f16(float value); /* nearest even, overflow to inf */
uint16_t pln_f64_to_f16(double value); /* one rounding, not two */
static inline float pln_bf16_to_f32(uint16_t bits)
{
    uint32_t u = (uint32_t)bits << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}
uint16_t pln_f32_to_bf16(float value);

/* Any real element (index counts elements of the contiguous data, sub-byte included) as double; exact but for i64/u64 beyond
 * 2^53. Complex gives the real part; strings 0. */
double pln_load_f64(enum pln_dtype dtype, const void *data, int64_t index);
/* As an integer: floats truncate toward zero (out of range saturates, NaN gives 0). */
int64_t pln_load_i64(enum pln_dtype dtype, const void *data, int64_t index);
/* Stores with one rounding to nearest even. To integers: truncates, then wraps as a C conversion from int64 does; float8:
 * saturates when asked (ONNX Cast `saturate`), else overflows to NaN or inf as ONNX Cast-24 says. */
void pln_store_f64(enum pln_dtype dtype, void *data, int64_t index, double value, bool saturate);
void pln_store_i64(enum pln_dtype dtype, void *data, int64_t index, int64_t value);

/* Whole contiguous arrays, as ONNX Cast defines them, strings included when `strings` is an arena (else PLN_UNSUPPORTED).
 * round_mode (only to f8e8m0): 0 up, 1 down, 2 nearest. */
enum pln_status pln_convert(const struct pln_tensor *from, struct pln_tensor *to, bool saturate, int round_mode, struct pln_arena *strings, struct pln_diag *diag);

#endif
