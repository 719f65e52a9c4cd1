/* Casts between all types, and functions and reductions of integers, which are exact. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tensor/convert.h"
#include "tests/kernels/harness.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }
#define EXACT 1e-30

static const enum pln_dtype types[] = { PLN_F32, PLN_F64, PLN_F16, PLN_BF16, PLN_BOOL, PLN_I8, PLN_I16,
                                        PLN_I32, PLN_I64, PLN_U8,  PLN_U16,  PLN_U32,  PLN_U64 };

/* Those at the ends of types of 64, 32 and 53 bits, in any 64-bit type. */
static const int64_t ends[] = { 0,
                                1,
                                -1,
                                2,
                                -7,
                                63,
                                64,
                                65,
                                255,
                                -256,
                                2049,
                                16777217,
                                -33554435,
                                INT32_MAX,
                                INT32_MIN,
                                4294967295,
                                9007199254740993,
                                -9007199254740995,
                                4611686293305294849,
                                INT64_MAX - 1,
                                INT64_MAX,
                                INT64_MIN,
                                INT64_MIN + 1,
                                INT64_MIN + 1025 };
#define N_ENDS PLN_COUNT_OF(ends)

static void cast(enum pln_dtype from, enum pln_dtype to, const int64_t *values)
{
    struct kernel_case c;
    char name[40];
    snprintf(name, sizeof name, "cast %s to %s", pln_dtype_name(from), pln_dtype_name(to));
    kernel_case_init(&c, name, PLN_OP_CAST, 0);
    pln_attrs_set_int(&c.attrs, &c.arena, "to", to);
    struct case_input *input = kernel_case_input(&c, 2, values ? DIMS(1, N_ENDS) : DIMS(3, 400));
    input->dtype = from;
    input->fill = FILL_SPECIAL;
    input->values = values;
    c.rtol = EXACT;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void casts(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(types); i++)
        for (size_t k = 0; k < PLN_COUNT_OF(types); k++) {
            cast(types[i], types[k], NULL);
            if (types[i] == PLN_I64 || types[i] == PLN_U64) cast(types[i], types[k], ends);
        }
    assert_int_equal(kernel_rows_untested(PLN_OP_CAST), 0);
}

/* Every pair of ends; one type's random numbers. */
static void integer_function(unsigned kind, enum pln_dtype dtype)
{
    const struct pln_ew_info *info = pln_ew_get(kind);
    int64_t pairs[2][N_ENDS * N_ENDS];
    for (size_t i = 0; i < N_ENDS * N_ENDS; i++) {
        pairs[0][i] = ends[i / N_ENDS];
        pairs[1][i] = ends[i % N_ENDS];
    }
    for (int wide = 0; wide < (pln_dtype_bits(dtype) == 64 && kind != PLN_EW_ERF && kind != PLN_EW_SHRINK ? 2 : 1);
         wide++) {
        struct kernel_case c;
        kernel_case_init(&c, info->name, PLN_OP_ELEMENTWISE, kind);
        for (int i = 0; i < info->n_inputs; i++) {
            struct case_input *input = kernel_case_input(&c, 1, wide ? DIMS(N_ENDS * N_ENDS) : DIMS(700));
            input->dtype = kind == PLN_EW_WHERE && i == 0 ? PLN_BOOL : dtype;
            if (wide && input->dtype == dtype) input->values = pairs[i % 2];
        }
        c.rtol = EXACT;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
}

static void integer_functions(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind < PLN_EW_COUNT; kind++) {
        const enum pln_ew_class cls = pln_ew_get(kind)->cls;
        if (kind == PLN_EW_IDENTITY || cls == PLN_EW_CLASS_F || cls == PLN_EW_CLASS_B || cls == PLN_EW_CLASS_P)
            continue;
        for (size_t i = 0; i < PLN_COUNT_OF(types); i++)
            if (pln_dtype_is_integer(types[i])) integer_function(kind, types[i]);
    }
}

/* A base and an exponent of different types. */
static void mixed_powers(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(types); i++)
        for (size_t k = 0; k < PLN_COUNT_OF(types); k++) {
            if (types[i] == PLN_BOOL || types[k] == PLN_BOOL) continue;
            struct kernel_case c;
            kernel_case_init(&c, "mixed pow", PLN_OP_ELEMENTWISE, PLN_EW_POW);
            kernel_case_input(&c, 1, DIMS(500))->dtype = types[i];
            kernel_case_input(&c, 1, DIMS(500))->dtype = types[k];
            c.inputs[0].fill = c.inputs[1].fill = FILL_POSITIVE;
            c.rtol = types[i] == PLN_F16 ? 2e-3 : types[i] == PLN_BF16 ? 1e-2 : 4e-6;
            c.atol = pln_dtype_is_float(types[i]) ? 1e-7 : 0;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
}

/* Whole numbers to powers that make whole numbers of them, and others: no digit may be missing when they are truncated. Results stay below 2^40, where the last
 * place of a double cannot be seen, or are whole. */
static void whole_powers(void **state)
{
    (void)state;
    static const double powers[] = { 0.5, 1, 1.5, 2, 2.5, 3, 0.25, 1.25, 0.75, 0.125, 0, -1, -0.5, 17, 1e-3, 2.25, 0.0625, 0.03125, 1.0625, 3.5 };
    enum { BASES = 14 * 6, POWERS = PLN_COUNT_OF(powers) };
    static double exponents[BASES * POWERS];
    static int64_t bases[BASES * POWERS];
    for (int i = 0; i < BASES * POWERS; i++) {
        int64_t base = i / POWERS % 14 - 3;
        for (int step = 0; step < i / POWERS / 14 && base < ((int64_t)1 << 31); step++) base *= base;
        const double most = pow((double)base, powers[i % POWERS]);
        bases[i] = base;
        exponents[i] = fabs(most) < 1099511627776.0 ? powers[i % POWERS] : base < 1 << 26 ? 2 : 0.5;
    }
    for (size_t i = 0; i < PLN_COUNT_OF(types); i++) {
        if (pln_dtype_is_float(types[i]) || types[i] == PLN_BOOL) continue;
        static int64_t stored[BASES * POWERS]; /* of any type */
        for (int k = 0; k < BASES * POWERS; k++) pln_store_i64(types[i], stored, k, pln_dtype_is_signed(types[i]) || bases[k] >= 0 ? bases[k] : -bases[k]);
        struct kernel_case c;
        kernel_case_init(&c, "whole pow", PLN_OP_ELEMENTWISE, PLN_EW_POW);
        kernel_case_input(&c, 1, DIMS(BASES * POWERS))->dtype = types[i];
        kernel_case_input(&c, 1, DIMS(BASES * POWERS))->dtype = PLN_F64;
        c.inputs[0].values = stored;
        c.inputs[1].values = exponents;
        c.rtol = EXACT;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
}

static void integer_reductions(void **state)
{
    (void)state;
    static const int64_t last[] = { -1 };
    for (unsigned kind = 1; kind < PLN_REDUCE_COUNT; kind++)
        for (size_t i = 0; i < PLN_COUNT_OF(types); i++)
            for (int n = 0; n < 3; n++) {
                if (pln_dtype_is_float(types[i])) continue;
                struct kernel_case c;
                kernel_case_init(&c, pln_op_kind_name(PLN_OP_REDUCE, kind), PLN_OP_REDUCE, kind);
                kernel_case_input(&c, 2, DIMS(3, ((const int64_t[]){ 0, 5, 700 })[n]))->dtype = types[i];
                struct case_input *axes = kernel_case_input(&c, 1, DIMS(1));
                axes->dtype = PLN_I64;
                axes->constant = true;
                axes->values = last;
                c.rtol = EXACT;
                kernel_case_run(&c);
                kernel_case_deinit(&c);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(casts),
        cmocka_unit_test(integer_functions),
        cmocka_unit_test(mixed_powers),
        cmocka_unit_test(whole_powers),
        cmocka_unit_test(integer_reductions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
