/* One element at a time: the half-width floats, and any element as double or int64. */
#include "tensor/convert.h"

#include <math.h>

#include "tensor/small_float.h"

static inline uint32_t f32_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static inline float f32_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* A NaN keeps the top of its payload and becomes quiet, as VCVTPH2PS and VCVTPS2PH do, so that machines agree. */
float pln_f16_to_f32(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, rest = (uint32_t)(bits & 0x7fff) << 13,
             exponent = rest & 0x0f800000;
    if (exponent == 0x0f800000)
        return f32_from_bits(sign | 0x7f800000 | rest | ((rest & 0x007fffff) != 0 ? 0x00400000 : 0));
    if (exponent != 0) return f32_from_bits(sign | (rest + ((127 - 15) << 23)));
    /* Subnormal: put it behind the leading one of 2^-14 and take that away again; exact. */
    return f32_from_bits(sign | f32_bits(f32_from_bits(rest + (113 << 23)) - 0x1p-14f));
}

uint16_t pln_f32_to_f16(float value)
{
    uint32_t u = f32_bits(value), sign = (u >> 16) & 0x8000;
    u &= 0x7fffffff;
    if (u > 0x7f800000) return (uint16_t)(sign | 0x7e00 | ((u >> 13) & 0x3ff));
    if (u >= 0x47800000) return (uint16_t)(sign | 0x7c00); /* 2^16 and more */
    /* Below 2^-14: adding 0.5 leaves units of 2^-24 in the low bits, rounded by the addition. */
    if (u < 0x38800000) return (uint16_t)(sign | (f32_bits(f32_from_bits(u) + 0.5f) - 0x3f000000));
    u += ((uint32_t)(15 - 127) << 23) + 0xfff + ((u >> 13) & 1);
    return (uint16_t)(sign | (u >> 13));
}

uint16_t pln_f32_to_bf16(float value)
{
    uint32_t u = f32_bits(value);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)((u >> 16) | 0x40);
    return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

uint16_t pln_f64_to_f16(double value)
{
    return (uint16_t)pln_small_encode(&pln_format_f16, value, false);
}

int64_t pln_f64_to_i64(double value)
{
    if (value != value) return 0;
    if (value >= 0x1p63) return INT64_MAX;
    return value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

/* 4 and 2 bits, little end first. */
static unsigned load_bits(const void *data, int64_t index, unsigned bits)
{
    unsigned per_byte = 8 / bits, at = (unsigned)(index % per_byte) * bits;
    return (((const uint8_t *)data)[index / per_byte] >> at) & ((1u << bits) - 1);
}

static void store_bits(void *data, int64_t index, unsigned bits, unsigned value)
{
    unsigned per_byte = 8 / bits, at = (unsigned)(index % per_byte) * bits, mask = ((1u << bits) - 1) << at;
    uint8_t *byte = (uint8_t *)data + index / per_byte;
    *byte = (uint8_t)((*byte & ~mask) | ((value << at) & mask));
}

#define LOAD(type) (((const type *)data)[index])

double pln_load_f64(enum pln_dtype dtype, const void *data, int64_t index)
{
    switch (dtype) {
    case PLN_F32: return (double)LOAD(float);
    case PLN_F64: return LOAD(double);
    case PLN_F16: return (double)pln_f16_to_f32(LOAD(uint16_t));
    case PLN_BF16: return (double)pln_bf16_to_f32(LOAD(uint16_t));
    case PLN_F8E4M3FN: return pln_small_decode(&pln_format_f8e4m3fn, LOAD(uint8_t));
    case PLN_F8E4M3FNUZ: return pln_small_decode(&pln_format_f8e4m3fnuz, LOAD(uint8_t));
    case PLN_F8E5M2: return pln_small_decode(&pln_format_f8e5m2, LOAD(uint8_t));
    case PLN_F8E5M2FNUZ: return pln_small_decode(&pln_format_f8e5m2fnuz, LOAD(uint8_t));
    case PLN_F4E2M1: return pln_small_decode(&pln_format_f4e2m1, load_bits(data, index, 4));
    case PLN_F8E8M0: return pln_e8m0_decode(LOAD(uint8_t));
    case PLN_U64: return (double)LOAD(uint64_t);
    case PLN_C64: return (double)((const float *)data)[2 * index];
    case PLN_C128: return ((const double *)data)[2 * index];
    case PLN_STR:
    case PLN_DTYPE_NONE:
    case PLN_DTYPE_COUNT: return 0;
    case PLN_U8:
    case PLN_I8:
    case PLN_U16:
    case PLN_I16:
    case PLN_I32:
    case PLN_I64:
    case PLN_BOOL:
    case PLN_U32:
    case PLN_U4:
    case PLN_I4:
    case PLN_U2:
    case PLN_I2: break;
    }
    return (double)pln_load_i64(dtype, data, index);
}

int64_t pln_load_i64(enum pln_dtype dtype, const void *data, int64_t index)
{
    switch (dtype) {
    case PLN_U8: return LOAD(uint8_t);
    case PLN_I8: return LOAD(int8_t);
    case PLN_U16: return LOAD(uint16_t);
    case PLN_I16: return LOAD(int16_t);
    case PLN_I32: return LOAD(int32_t);
    case PLN_I64: return LOAD(int64_t);
    case PLN_BOOL: return LOAD(uint8_t) != 0;
    case PLN_U32: return LOAD(uint32_t);
    case PLN_U64: return (int64_t)LOAD(uint64_t);
    case PLN_U4: return load_bits(data, index, 4);
    case PLN_I4: return (int64_t)(load_bits(data, index, 4) ^ 8) - 8;
    case PLN_U2: return load_bits(data, index, 2);
    case PLN_I2: return (int64_t)(load_bits(data, index, 2) ^ 2) - 2;
    case PLN_STR:
    case PLN_DTYPE_NONE:
    case PLN_DTYPE_COUNT: return 0;
    case PLN_F32:
    case PLN_F64:
    case PLN_F16:
    case PLN_BF16:
    case PLN_C64:
    case PLN_C128:
    case PLN_F8E4M3FN:
    case PLN_F8E4M3FNUZ:
    case PLN_F8E5M2:
    case PLN_F8E5M2FNUZ:
    case PLN_F4E2M1:
    case PLN_F8E8M0: break;
    }
    return pln_f64_to_i64(pln_load_f64(dtype, data, index));
}

#define STORE(type, value) (((type *)data)[index] = (type)(value))

void pln_store_f64(enum pln_dtype dtype, void *data, int64_t index, double value, bool saturate)
{
    switch (dtype) {
    case PLN_F32: STORE(float, value); return;
    case PLN_F64: STORE(double, value); return;
    case PLN_F16: STORE(uint16_t, pln_small_encode(&pln_format_f16, value, false)); return;
    case PLN_BF16: STORE(uint16_t, pln_small_encode(&pln_format_bf16, value, false)); return;
    case PLN_F8E4M3FN: STORE(uint8_t, pln_small_encode(&pln_format_f8e4m3fn, value, saturate)); return;
    case PLN_F8E4M3FNUZ: STORE(uint8_t, pln_small_encode(&pln_format_f8e4m3fnuz, value, saturate)); return;
    case PLN_F8E5M2: STORE(uint8_t, pln_small_encode(&pln_format_f8e5m2, value, saturate)); return;
    case PLN_F8E5M2FNUZ: STORE(uint8_t, pln_small_encode(&pln_format_f8e5m2fnuz, value, saturate)); return;
    case PLN_F4E2M1: store_bits(data, index, 4, pln_small_encode(&pln_format_f4e2m1, value, true)); return;
    case PLN_F8E8M0: STORE(uint8_t, pln_e8m0_encode(value, saturate, PLN_E8M0_NEAREST)); return;
    case PLN_BOOL: STORE(uint8_t, value != 0); return;
    case PLN_U64:
        STORE(uint64_t, value >= 0x1p63 && value < 0x1p64 ? (uint64_t)value : (uint64_t)pln_f64_to_i64(value));
        return;
    case PLN_C64:
        ((float *)data)[2 * index] = (float)value;
        ((float *)data)[2 * index + 1] = 0;
        return;
    case PLN_C128:
        ((double *)data)[2 * index] = value;
        ((double *)data)[2 * index + 1] = 0;
        return;
    case PLN_U8:
    case PLN_I8:
    case PLN_U16:
    case PLN_I16:
    case PLN_I32:
    case PLN_I64:
    case PLN_U32:
    case PLN_U4:
    case PLN_I4:
    case PLN_U2:
    case PLN_I2: pln_store_i64(dtype, data, index, pln_f64_to_i64(value)); return;
    case PLN_STR:
    case PLN_DTYPE_NONE:
    case PLN_DTYPE_COUNT: return;
    }
}

void pln_store_i64(enum pln_dtype dtype, void *data, int64_t index, int64_t value)
{
    switch (dtype) {
    case PLN_U8:
    case PLN_I8: STORE(uint8_t, value); return;
    case PLN_U16:
    case PLN_I16: STORE(uint16_t, value); return;
    case PLN_U32:
    case PLN_I32: STORE(uint32_t, value); return;
    case PLN_U64:
    case PLN_I64: STORE(uint64_t, value); return;
    case PLN_U4:
    case PLN_I4: store_bits(data, index, 4, (unsigned)(value & 15)); return;
    case PLN_U2:
    case PLN_I2: store_bits(data, index, 2, (unsigned)(value & 3)); return;
    case PLN_BOOL: STORE(uint8_t, value != 0); return;
    case PLN_F32: STORE(float, value); return;
    case PLN_F64: STORE(double, value); return;
    case PLN_F16:
    case PLN_BF16:
    case PLN_C64:
    case PLN_C128:
    case PLN_F8E4M3FN:
    case PLN_F8E4M3FNUZ:
    case PLN_F8E5M2:
    case PLN_F8E5M2FNUZ:
    case PLN_F4E2M1:
    case PLN_F8E8M0: {
        double odd = value < 0 ? -pln_round_to_odd(0 - (uint64_t)value) : pln_round_to_odd((uint64_t)value);
        pln_store_f64(dtype, data, index, dtype == PLN_C128 ? (double)value : odd, true);
        return;
    }
    case PLN_STR:
    case PLN_DTYPE_NONE:
    case PLN_DTYPE_COUNT: return;
    }
}
