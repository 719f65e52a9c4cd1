#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "tensor/convert.h"
#include "tensor/small_float.h"

/* ---- an oracle that shares nothing with the code: it decodes by the definition of each format and encodes by
 * searching the nearest of all codes ---- */

struct format {
    enum pln_dtype dtype;
    int exponent_bits, mantissa_bits, bias;
    bool fnuz, has_inf, has_nan;
};

static const struct format formats[] = {
    { PLN_F8E4M3FN, 4, 3, 7, false, false, true }, { PLN_F8E4M3FNUZ, 4, 3, 8, true, false, true },
    { PLN_F8E5M2, 5, 2, 15, false, true, true },   { PLN_F8E5M2FNUZ, 5, 2, 16, true, false, true },
    { PLN_F4E2M1, 2, 1, 1, false, false, false },  { PLN_F16, 5, 10, 15, false, true, true },
    { PLN_BF16, 8, 7, 127, false, true, true },
};

static double decode(const struct format *f, unsigned code)
{
    unsigned total = (unsigned)(f->exponent_bits + f->mantissa_bits), rest = code & ((1u << total) - 1);
    unsigned exponent = rest >> f->mantissa_bits, mantissa = rest & ((1u << f->mantissa_bits) - 1);
    double sign = (code >> total) & 1 ? -1.0 : 1.0, fraction = (double)mantissa / (double)(1u << f->mantissa_bits);
    bool top = exponent == (1u << f->exponent_bits) - 1;
    if (f->fnuz && rest == 0 && sign < 0) return (double)NAN;
    if (f->has_inf && top) return mantissa == 0 ? sign * (double)INFINITY : (double)NAN;
    if (!f->fnuz && f->has_nan && !f->has_inf && top && mantissa == (1u << f->mantissa_bits) - 1) return (double)NAN;
    if (exponent == 0) return sign * fraction * pow(2, 1 - f->bias);
    return sign * (1 + fraction) * pow(2, (int)exponent - f->bias);
}

static void load_code(const struct format *f, unsigned code, uint16_t *out)
{
    *out = (uint16_t)code;
    if (f->dtype == PLN_F4E2M1) *out = (uint16_t)(code & 15);
}

static unsigned code_count(const struct format *f)
{
    return 2u << (f->exponent_bits + f->mantissa_bits);
}

static bool same_double(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static void every_code_decodes(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(formats); i++)
        for (unsigned code = 0; code < code_count(&formats[i]); code++) {
            uint16_t data;
            load_code(&formats[i], code, &data);
            assert_true(same_double(pln_load_f64(formats[i].dtype, &data, 0), decode(&formats[i], code)));
        }
    for (unsigned code = 0; code < 256; code++) {
        uint8_t data = (uint8_t)code;
        assert_true(
            same_double(pln_load_f64(PLN_F8E8M0, &data, 0), code == 255 ? (double)NAN : pow(2, (int)code - 127)));
    }
}

static uint16_t store(enum pln_dtype dtype, double value, bool saturate)
{
    uint64_t data = 0;
    pln_store_f64(dtype, &data, 0, value, saturate);
    return (uint16_t)data;
}

static double store_and_load(enum pln_dtype dtype, double value, bool saturate)
{
    uint16_t data = store(dtype, value, saturate);
    return pln_load_f64(dtype, &data, 0);
}

/* Each code comes back; between two neighbours the middle goes to the even code, and what is beside it to the nearer.
 */
static void every_boundary_rounds_to_even(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(formats); i++) {
        const struct format *f = &formats[i];
        unsigned half = code_count(f) / 2;
        for (unsigned code = 0; code < half; code++) {
            double low = decode(f, code), high = code + 1 < half ? decode(f, code + 1) : (double)NAN;
            if (!isfinite(low)) break;
            assert_int_equal(store(f->dtype, low, false), code);
            assert_int_equal(store(f->dtype, -low, false), code == 0 && f->fnuz ? 0 : code + half);
            if (!isfinite(high)) break;
            double middle = low + (high - low) / 2;
            unsigned even = code % 2 == 0 ? code : code + 1;
            assert_int_equal(store(f->dtype, middle, false), even);
            assert_int_equal(store(f->dtype, nextafter(middle, 0), false), code);
            assert_int_equal(store(f->dtype, nextafter(middle, (double)INFINITY), false), code + 1);
        }
    }
}

struct overflow_row {
    enum pln_dtype dtype;
    double largest, limit; /* limit: from here on (beyond a tie to the even largest: after here) it overflows */
    bool limit_fits, has_inf;
};

static void overflow_and_specials(void **state)
{
    (void)state;
    static const struct overflow_row rows[] = {
        { PLN_F8E4M3FN, 448, 464, true, false },   { PLN_F8E4M3FNUZ, 240, 248, false, false },
        { PLN_F8E5M2, 57344, 61440, false, true }, { PLN_F8E5M2FNUZ, 57344, 61440, false, false },
        { PLN_F16, 65504, 65520, false, true },
    };
    for (size_t i = 0; i < PLN_COUNT_OF(rows); i++) {
        const struct overflow_row *r = &rows[i];
        double too_large = r->limit_fits ? nextafter(r->limit, 1e9) : r->limit,
               fits = r->limit_fits ? r->limit : nextafter(r->limit, 0);
        double over = r->has_inf ? (double)INFINITY : (double)NAN;
        assert_true(store_and_load(r->dtype, fits, false) == r->largest);
        assert_true(same_double(store_and_load(r->dtype, too_large, false), over));
        assert_true(same_double(store_and_load(r->dtype, (double)INFINITY, false), over));
        assert_true(isnan(store_and_load(r->dtype, (double)NAN, true)));
        if (r->dtype == PLN_F16) continue;
        assert_true(store_and_load(r->dtype, too_large, true) == r->largest);
        assert_true(store_and_load(r->dtype, -(double)INFINITY, true) == -r->largest);
        assert_true(store_and_load(r->dtype, 1e300, true) == r->largest);
    }
    assert_true(store_and_load(PLN_F4E2M1, 1e9, false) == 6 &&
                store_and_load(PLN_F4E2M1, -(double)INFINITY, false) == -6);
    assert_true(store_and_load(PLN_F4E2M1, (double)NAN, false) == 0);
    assert_int_equal(store(PLN_F8E4M3FNUZ, -0.0, false), 0);
    assert_int_equal(store(PLN_F8E4M3FN, -0.0, false), 0x80);
}

static void e8m0_rounds_as_asked(void **state)
{
    (void)state;
    assert_int_equal(pln_e8m0_encode(1.0, true, PLN_E8M0_UP), 127);
    assert_int_equal(pln_e8m0_encode(1.1, true, PLN_E8M0_UP), 128);
    assert_int_equal(pln_e8m0_encode(1.9, true, PLN_E8M0_DOWN), 127);
    assert_int_equal(pln_e8m0_encode(1.5, true, PLN_E8M0_NEAREST), 128);
    assert_int_equal(pln_e8m0_encode(1.4999, true, PLN_E8M0_NEAREST), 127);
    assert_int_equal(pln_e8m0_encode(0, true, PLN_E8M0_UP), 0);
    assert_int_equal(pln_e8m0_encode(0, false, PLN_E8M0_NEAREST), 255);
    assert_int_equal(pln_e8m0_encode((double)INFINITY, true, PLN_E8M0_UP), 254);
    assert_int_equal(pln_e8m0_encode((double)INFINITY, false, PLN_E8M0_NEAREST), 255);
    assert_int_equal(pln_e8m0_encode((double)NAN, true, PLN_E8M0_UP), 255);
    assert_int_equal(pln_e8m0_encode(0x1.8p127, true, PLN_E8M0_UP), 254);
}

/* All 2^32 floats would take a minute; a prime step with every exponent and the neighbours of each tie does not. */
static void f32_to_half_widths(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 4093) {
        for (int near = -1; near <= 1; near++) {
            uint32_t u = (uint32_t)((bits & ~UINT64_C(0xfff)) + (uint64_t)(near + 0x1000 * (bits & 1)));
            float value;
            memcpy(&value, &u, 4);
            uint16_t half = pln_f32_to_f16(value), brain = pln_f32_to_bf16(value);
            assert_int_equal(half, store(PLN_F16, (double)value, false));
            assert_int_equal(half, pln_f64_to_f16((double)value));
            assert_int_equal(brain, store(PLN_BF16, (double)value, false));
            if (isnan(value)) {
                assert_true(isnan(pln_f16_to_f32(half)) && isnan(pln_bf16_to_f32(brain)));
            }
        }
    }
    /* One rounding: through f32 this would be a tie first, and then go to even. */
    assert_int_equal(pln_f64_to_f16(1.0 + 0x1p-11 + 0x1p-40), 0x3c01);
    assert_int_equal(pln_f64_to_f16(1.0 + 0x1p-11), 0x3c00);
}

static void integers_wrap_and_floats_saturate(void **state)
{
    (void)state;
    uint64_t data = 0;
    assert_int_equal(pln_load_i64(PLN_F64, &(double){ 1e30 }, 0), INT64_MAX);
    assert_int_equal(pln_load_i64(PLN_F64, &(double){ -1e30 }, 0), INT64_MIN);
    assert_int_equal(pln_load_i64(PLN_F32, &(float){ -2.9f }, 0), -2);
    assert_int_equal(pln_load_i64(PLN_F32, &(float){ NAN }, 0), 0);
    pln_store_f64(PLN_U8, &data, 0, 300.7, true);
    assert_int_equal(data & 0xff, 44);
    pln_store_f64(PLN_I8, &data, 0, -129, true);
    assert_int_equal((int8_t)(data & 0xff), 127);
    pln_store_f64(PLN_U64, &data, 0, 0x1.8p63, true);
    assert_true(data == UINT64_C(0xC000000000000000));
    pln_store_f64(PLN_BOOL, &data, 0, (double)NAN, true);
    assert_int_equal(data & 0xff, 1);
    /* 2^60 + 2^52 is a tie for bf16; one more is not, though double cannot hold it. */
    pln_store_i64(PLN_BF16, &data, 0, (INT64_C(1) << 60) + (INT64_C(1) << 52));
    assert_int_equal(data & 0xffff, 0x5d80);
    pln_store_i64(PLN_BF16, &data, 0, (INT64_C(1) << 60) + (INT64_C(1) << 52) + 1);
    assert_int_equal(data & 0xffff, 0x5d81);
    pln_store_i64(PLN_BF16, &data, 0, INT64_MIN);
    assert_int_equal(data & 0xffff, 0xdf00);
}

static void sub_byte_elements(void **state)
{
    (void)state;
    uint8_t packed[4] = { 0 };
    for (int i = 0; i < 8; i++) pln_store_i64(PLN_I4, packed, i, i - 4);
    assert_memory_equal(packed, ((uint8_t[]){ 0xdc, 0xfe, 0x10, 0x32 }), 4);
    for (int i = 0; i < 8; i++) assert_int_equal(pln_load_i64(PLN_I4, packed, i), i - 4);
    for (int i = 0; i < 8; i++) assert_int_equal(pln_load_i64(PLN_U4, packed, i), (i - 4) & 15);
    for (int i = 0; i < 8; i++) pln_store_i64(PLN_U2, packed, i, i);
    assert_memory_equal(packed, ((uint8_t[]){ 0xe4, 0xe4, 0x10, 0x32 }), 4); /* and nothing beyond */
    assert_int_equal(pln_load_i64(PLN_I2, packed, 3), -1);
    assert_int_equal(pln_load_i64(PLN_I2, packed, 2), -2);
}

/* Arrays against single elements, for all pairs of types and a length that leaves tails. */
static bool as_element_by_element(enum pln_dtype from, enum pln_dtype to, int64_t n)
{
    static _Alignas(16) uint8_t in[16 * 1100], out[16 * 1100], want[16 * 1100];
    struct pln_tensor a, b;
    uint32_t noise = 12345;
    memset(in, 0, sizeof in);
    memset(out, 0xee, sizeof out);
    memset(want, 0, sizeof want);
    pln_tensor_init(&a, from, 1, &n, in);
    pln_tensor_init(&b, to, 1, &n, out);
    for (int64_t i = 0; i < n; i++) {
        noise = noise * 1664525u + 1013904223u;
        if (pln_dtype_is_float(from) || pln_dtype_is_complex(from)) {
            pln_store_f64(from, in, i,
                          i % 97 == 0 ? (double)NAN : ((int)(noise >> 8) - 8388608) / 1000.0 * (i % 5 == 0 ? 1e6 : 1),
                          true);
        } else {
            uint64_t wide = (uint64_t)noise * (i % 7 == 0 ? 3000000019u : 1u) >> (i % 3 * 16);
            pln_store_i64(from, in, i, (int64_t)(i % 2 == 0 ? wide : 0 - wide));
        }
        if (pln_dtype_is_float(from) || pln_dtype_is_complex(from)) {
            pln_store_f64(to, want, i, pln_load_f64(from, in, i), true);
        } else if (from == PLN_U64 && (pln_dtype_is_float(to) || pln_dtype_is_complex(to)) &&
                   ((uint64_t *)(void *)in)[i] >> 63 != 0) {
            pln_store_f64(to, want, i, (double)((uint64_t *)(void *)in)[i], true);
        } else {
            pln_store_i64(to, want, i, pln_load_i64(from, in, i));
        }
        if (to == PLN_F8E8M0) want[i] = pln_e8m0_encode(pln_load_f64(from, in, i), true, PLN_E8M0_UP);
    }
    if (pln_convert(&a, &b, true, PLN_E8M0_UP, NULL, NULL) != PLN_OK) return false;
    if (from == to) return memcmp(out, in, pln_tensor_bytes(&b)) == 0;
    return memcmp(out, want, pln_tensor_bytes(&b)) == 0 && out[pln_tensor_bytes(&b)] == 0xee;
}

static void arrays_of_all_pairs(void **state)
{
    (void)state;
    for (int from = 1; from < PLN_DTYPE_COUNT; from++)
        for (int to = 1; to < PLN_DTYPE_COUNT; to++) {
            if (from == PLN_STR || to == PLN_STR) continue;
            if (!as_element_by_element((enum pln_dtype)from, (enum pln_dtype)to, 1093))
                fail_msg("%s to %s", pln_dtype_name((enum pln_dtype)from), pln_dtype_name((enum pln_dtype)to));
            assert_true(as_element_by_element((enum pln_dtype)from, (enum pln_dtype)to, 7));
            assert_true(as_element_by_element((enum pln_dtype)from, (enum pln_dtype)to, 0));
        }
}

static void bools_and_complex(void **state)
{
    (void)state;
    uint8_t odd[3] = { 0, 2, 255 };
    float out[3];
    struct pln_tensor a, b;
    int64_t n = 3;
    pln_tensor_init(&a, PLN_BOOL, 1, &n, odd);
    pln_tensor_init(&b, PLN_F32, 1, &n, out);
    assert_int_equal(pln_convert(&a, &b, true, 0, NULL, NULL), PLN_OK);
    assert_true(out[0] == 0 && out[1] == 1 && out[2] == 1);
    float narrow[4] = { 1, 2, 3, 4 };
    double wide[4];
    n = 2;
    pln_tensor_init(&a, PLN_C64, 1, &n, narrow);
    pln_tensor_init(&b, PLN_C128, 1, &n, wide);
    assert_int_equal(pln_convert(&a, &b, true, 0, NULL, NULL), PLN_OK);
    assert_true(wide[1] == 2 && wide[3] == 4);
    assert_int_equal(pln_convert(&a, &b, true, 3, NULL, NULL), PLN_INVALID_ARGUMENT);
}

static const char *text_of(enum pln_dtype dtype, const void *value, struct pln_arena *arena)
{
    struct pln_string out;
    struct pln_tensor a, b;
    pln_tensor_init(&a, dtype, 0, NULL, (void *)(uintptr_t)value);
    pln_tensor_init(&b, PLN_STR, 0, NULL, &out);
    assert_int_equal(pln_convert(&a, &b, true, 0, arena, NULL), PLN_OK);
    assert_int_equal(strlen(out.data), out.size_bytes);
    return out.data;
}

static void strings(void **state)
{
    (void)state;
    struct pln_arena arena;
    pln_arena_init(&arena, NULL, 0);
    static const float values[] = {
        1, 0.1f, -2.5f, 1e-5f, 1e-4f, 123456, 1e15f, 1e16f, 1.5e-45f, 3.4028235e38f, -0.0f
    };
    static const char *const want[] = {
        "1.0",   "0.1",   "-2.5",          "1e-05", "0.0001", "123456.0", "1000000000000000.0",
        "1e+16", "1e-45", "3.4028235e+38", "-0.0"
    };
    for (size_t i = 0; i < PLN_COUNT_OF(values); i++)
        assert_string_equal(text_of(PLN_F32, &values[i], &arena), want[i]);
    assert_string_equal(text_of(PLN_F64, &(double){ 0.1 + 0.2 }, &arena), "0.30000000000000004");
    assert_string_equal(text_of(PLN_F16, &(uint16_t){ 0x2e66 }, &arena), "0.1");
    assert_string_equal(text_of(PLN_F64, &(double){ -(double)INFINITY }, &arena), "-inf");
    assert_string_equal(text_of(PLN_U64, &(uint64_t){ UINT64_MAX }, &arena), "18446744073709551615");
    assert_string_equal(text_of(PLN_BOOL, &(uint8_t){ 1 }, &arena), "True");
    static const char *const words[] = { "1", "-7", " 3.9 ", "+INF", "nAn", "1e3", "True", "18446744073709551615" };
    static const double floats[] = { 1, -7, 3.9, (double)INFINITY, (double)NAN, 1e3 };
    struct pln_string in;
    struct pln_tensor a, b;
    pln_tensor_init(&a, PLN_STR, 0, NULL, &in);
    for (size_t i = 0; i < PLN_COUNT_OF(floats); i++) {
        double out;
        in = (struct pln_string){ words[i], strlen(words[i]) };
        pln_tensor_init(&b, PLN_F64, 0, NULL, &out);
        assert_int_equal(pln_convert(&a, &b, true, 0, NULL, NULL), PLN_OK);
        assert_true(same_double(out, floats[i]));
    }
    uint64_t large = 0;
    in = (struct pln_string){ words[7], strlen(words[7]) };
    pln_tensor_init(&b, PLN_U64, 0, NULL, &large);
    assert_int_equal(pln_convert(&a, &b, true, 0, NULL, NULL), PLN_OK);
    assert_true(large == UINT64_MAX);
    uint8_t truth = 0;
    in = (struct pln_string){ words[6], strlen(words[6]) };
    pln_tensor_init(&b, PLN_BOOL, 0, NULL, &truth);
    assert_int_equal(pln_convert(&a, &b, true, 0, NULL, NULL), PLN_OK);
    assert_int_equal(truth, 1);
    static const struct pln_string hostile[] = { { "abc", 3 }, { "", 0 }, { "1\0002", 3 }, { "0x10", 4 }, { NULL, 0 } };
    for (size_t i = 0; i < PLN_COUNT_OF(hostile); i++) {
        in = hostile[i];
        assert_int_equal(pln_convert(&a, &b, true, 0, NULL, NULL), PLN_INVALID_ARGUMENT);
    }
    pln_tensor_init(&a, PLN_F32, 0, NULL, &(float){ 1 });
    pln_tensor_init(&b, PLN_STR, 0, NULL, &in);
    assert_int_equal(pln_convert(&a, &b, true, 0, NULL, NULL), PLN_UNSUPPORTED);
    pln_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_decodes),    cmocka_unit_test(every_boundary_rounds_to_even),
        cmocka_unit_test(overflow_and_specials), cmocka_unit_test(e8m0_rounds_as_asked),
        cmocka_unit_test(f32_to_half_widths),    cmocka_unit_test(integers_wrap_and_floats_saturate),
        cmocka_unit_test(sub_byte_elements),     cmocka_unit_test(arrays_of_all_pairs),
        cmocka_unit_test(bools_and_complex),     cmocka_unit_test(strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
