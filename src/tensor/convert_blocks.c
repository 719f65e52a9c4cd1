#include "tensor/convert_blocks.h"

#include "base/cpu.h"

enum pln_pivot pln_pivot_of(enum pln_dtype dtype)
{
    if (dtype == PLN_F64 || dtype == PLN_C128 || dtype == PLN_C64) return PLN_PIVOT_F64;
    return pln_dtype_is_float(dtype) ? PLN_PIVOT_F32 : PLN_PIVOT_I64;
}

#if PLN_ISA_X86
static bool has_f16c(void)
{
    uint64_t need = PLN_CPU_BIT(PLN_CPU_AVX2) | PLN_CPU_BIT(PLN_CPU_FMA) | PLN_CPU_BIT(PLN_CPU_F16C);
    return (pln_cpu_features() & need) == need;
}
#endif

static void f16_to_f32(const uint16_t *in, float *out, int64_t n)
{
#if PLN_ISA_X86
    if (has_f16c()) {
        pln_f16_to_f32_avx2(in, out, n);
        return;
    }
#endif
    for (int64_t i = 0; i < n; i++) out[i] = pln_f16_to_f32(in[i]);
}

static void f32_to_f16(const float *in, uint16_t *out, int64_t n)
{
#if PLN_ISA_X86
    if (has_f16c()) {
        pln_f32_to_f16_avx2(in, out, n);
        return;
    }
#endif
    for (int64_t i = 0; i < n; i++) out[i] = pln_f32_to_f16(in[i]);
}

/* As pln_f32_to_bf16, in a form that compilers vectorize. */
static void f32_to_bf16(const float *in, uint16_t *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &in[i], 4);
        uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16, quiet = (u >> 16) | 0x40;
        out[i] = (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
    }
}

void pln_block_load_f32(const struct pln_cast *cast, const void *data, int64_t first, int64_t n, float *out)
{
    if (cast->from == PLN_F32) {
        memcpy(out, (const float *)data + first, (size_t)n * sizeof *out);
    } else if (cast->from == PLN_F16) {
        f16_to_f32((const uint16_t *)data + first, out, n);
    } else if (cast->from == PLN_BF16) {
        const uint16_t *in = (const uint16_t *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = pln_bf16_to_f32(in[i]);
    } else if (cast->table != NULL) {
        const uint8_t *in = (const uint8_t *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = cast->table[in[i]];
    } else {
        for (int64_t i = 0; i < n; i++) out[i] = (float)pln_load_f64(cast->from, data, first + i);
    }
}

void pln_block_load_f64(const struct pln_cast *cast, const void *data, int64_t first, int64_t n, double *out)
{
    if (cast->from == PLN_F64) {
        memcpy(out, (const double *)data + first, (size_t)n * sizeof *out);
    } else {
        for (int64_t i = 0; i < n; i++) out[i] = pln_load_f64(cast->from, data, first + i);
    }
}

#define LOAD_LOOP(type)                                          \
    do {                                                         \
        const type *in = (const type *)data + first;             \
        for (int64_t i = 0; i < n; i++) out[i] = (int64_t)in[i]; \
        return;                                                  \
    } while (0)

void pln_block_load_i64(const struct pln_cast *cast, const void *data, int64_t first, int64_t n, int64_t *out)
{
    switch (cast->from) {
    case PLN_U8: LOAD_LOOP(uint8_t);
    case PLN_I8: LOAD_LOOP(int8_t);
    case PLN_U16: LOAD_LOOP(uint16_t);
    case PLN_I16: LOAD_LOOP(int16_t);
    case PLN_U32: LOAD_LOOP(uint32_t);
    case PLN_I32: LOAD_LOOP(int32_t);
    case PLN_U64:
    case PLN_I64: LOAD_LOOP(int64_t);
    case PLN_BOOL: {
        const uint8_t *in = (const uint8_t *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = in[i] != 0;
        return;
    }
    case PLN_U4:
    case PLN_I4:
    case PLN_U2:
    case PLN_I2:
    case PLN_F32:
    case PLN_F64:
    case PLN_F16:
    case PLN_BF16:
    case PLN_C64:
    case PLN_C128:
    case PLN_STR:
    case PLN_F8E4M3FN:
    case PLN_F8E4M3FNUZ:
    case PLN_F8E5M2:
    case PLN_F8E5M2FNUZ:
    case PLN_F4E2M1:
    case PLN_F8E8M0:
    case PLN_DTYPE_NONE:
    case PLN_DTYPE_COUNT: break;
    }
    for (int64_t i = 0; i < n; i++) out[i] = pln_load_i64(cast->from, data, first + i);
}

static void store_one(const struct pln_cast *cast, void *data, int64_t index, double value)
{
    if (cast->to == PLN_F8E8M0) {
        ((uint8_t *)data)[index] = pln_e8m0_encode(value, cast->saturate, cast->round);
    } else {
        pln_store_f64(cast->to, data, index, value, cast->saturate);
    }
}

/* To integers of at most 32 bits the low half of an i64 is what counts; within ±2^31 a conversion to int32 gives it,
 * and vectorizes. */
#define STORE_INTEGERS(in, limit)                                                                           \
    do {                                                                                                    \
        int64_t values[PLN_CONVERT_BLOCK];                                                                  \
        int outside = 0;                                                                                    \
        for (int64_t i = 0; i < n; i++) outside |= !((in)[i] > -(limit) && (in)[i] < (limit));              \
        if (outside) {                                                                                      \
            for (int64_t i = 0; i < n; i++) values[i] = pln_f64_to_i64((double)(in)[i]);                    \
        } else {                                                                                            \
            for (int64_t i = 0; i < n; i++) values[i] = (int32_t)(in)[i];                                   \
        }                                                                                                   \
        pln_block_store_i64(&(struct pln_cast){ .from = PLN_I64, .to = cast->to }, data, first, n, values); \
    } while (0)

static bool is_plain_integer(enum pln_dtype dtype)
{
    return pln_dtype_is_integer(dtype) && dtype != PLN_U64; /* from 2^63 on, u64 has values that i64 has not */
}

void pln_block_store_f32(const struct pln_cast *cast, void *data, int64_t first, int64_t n, const float *in)
{
    if (cast->to == PLN_F32) {
        memcpy((float *)data + first, in, (size_t)n * sizeof *in);
    } else if (cast->to == PLN_F16) {
        f32_to_f16(in, (uint16_t *)data + first, n);
    } else if (cast->to == PLN_BF16) {
        f32_to_bf16(in, (uint16_t *)data + first, n);
    } else if (cast->to == PLN_F64) {
        double *out = (double *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = (double)in[i];
    } else if (cast->to == PLN_BOOL) {
        uint8_t *out = (uint8_t *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = in[i] != 0;
    } else if (is_plain_integer(cast->to)) {
        STORE_INTEGERS(in, 0x1p31f);
    } else {
        for (int64_t i = 0; i < n; i++) store_one(cast, data, first + i, (double)in[i]);
    }
}

void pln_block_store_f64(const struct pln_cast *cast, void *data, int64_t first, int64_t n, const double *in)
{
    if (cast->to == PLN_F64) {
        memcpy((double *)data + first, in, (size_t)n * sizeof *in);
    } else if (cast->to == PLN_F32) {
        float *out = (float *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = (float)in[i];
    } else if (cast->to == PLN_BOOL) {
        uint8_t *out = (uint8_t *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = in[i] != 0;
    } else if (is_plain_integer(cast->to)) {
        STORE_INTEGERS(in, 0x1p31);
    } else {
        for (int64_t i = 0; i < n; i++) store_one(cast, data, first + i, in[i]);
    }
}

#define STORE_LOOP(type)                                      \
    do {                                                      \
        type *out = (type *)data + first;                     \
        for (int64_t i = 0; i < n; i++) out[i] = (type)in[i]; \
        return;                                               \
    } while (0)

static void store_unsigned(const struct pln_cast *cast, void *data, int64_t first, int64_t n, const int64_t *in)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t value = (uint64_t)in[i];
        if (cast->to == PLN_F32) {
            ((float *)data)[first + i] = (float)value;
        } else {
            bool wide = cast->to == PLN_F64 || cast->to == PLN_C128;
            store_one(cast, data, first + i, wide ? (double)value : pln_round_to_odd(value));
        }
    }
}

/* Integers that f32 holds exactly go its faster way; false: some are too large, nothing was done. */
static bool store_small(const struct pln_cast *cast, void *data, int64_t first, int64_t n, const int64_t *in)
{
    float values[PLN_CONVERT_BLOCK];
    int outside = 0;
    for (int64_t i = 0; i < n; i++) outside |= (uint64_t)in[i] + (1 << 24) > (2 << 24);
    if (outside) return false;
    for (int64_t i = 0; i < n; i++) values[i] = (float)(int32_t)in[i];
    pln_block_store_f32(cast, data, first, n, values);
    return true;
}

void pln_block_store_i64(const struct pln_cast *cast, void *data, int64_t first, int64_t n, const int64_t *in)
{
    switch (cast->to) {
    case PLN_U8: STORE_LOOP(uint8_t);
    case PLN_I8: STORE_LOOP(int8_t);
    case PLN_U16: STORE_LOOP(uint16_t);
    case PLN_I16: STORE_LOOP(int16_t);
    case PLN_U32: STORE_LOOP(uint32_t);
    case PLN_I32: STORE_LOOP(int32_t);
    case PLN_U64:
    case PLN_I64: STORE_LOOP(int64_t);
    case PLN_BOOL: {
        uint8_t *out = (uint8_t *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = in[i] != 0;
        return;
    }
    case PLN_U4:
    case PLN_I4:
    case PLN_U2:
    case PLN_I2:
        for (int64_t i = 0; i < n; i++) pln_store_i64(cast->to, data, first + i, in[i]);
        return;
    case PLN_F32:
        if (cast->from == PLN_U64) break;
        STORE_LOOP(float);
    case PLN_F64:
        if (cast->from == PLN_U64) break;
        STORE_LOOP(double);
    case PLN_F16:
    case PLN_BF16:
    case PLN_C64:
    case PLN_C128:
    case PLN_STR:
    case PLN_F8E4M3FN:
    case PLN_F8E4M3FNUZ:
    case PLN_F8E5M2:
    case PLN_F8E5M2FNUZ:
    case PLN_F4E2M1:
    case PLN_F8E8M0:
    case PLN_DTYPE_NONE:
    case PLN_DTYPE_COUNT: break;
    }
    if (cast->from == PLN_U64) {
        store_unsigned(cast, data, first, n, in);
        return;
    }
    if (store_small(cast, data, first, n, in)) return;
    for (int64_t i = 0; i < n; i++) {
        double value = in[i] < 0 ? -pln_round_to_odd(0 - (uint64_t)in[i]) : pln_round_to_odd((uint64_t)in[i]);
        store_one(cast, data, first + i, cast->to == PLN_C128 ? (double)in[i] : value);
    }
}
