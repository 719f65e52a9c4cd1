/* What goes along one axis: the places of extremes, the first elements in an order, running sums. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/kernels/attempt.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

static const int64_t shapes[][3] = { { 2, 3, 7 },    { 4, 1, 1 }, { 2, 33, 16 },
                                     { 1, 5, 1500 }, { 3, 0, 4 }, { 70, 2, 130 } };
static const enum pln_dtype types[] = {
    PLN_F32, PLN_F64, PLN_F16, PLN_BF16, PLN_I8, PLN_I32, PLN_I64, PLN_U8, PLN_U64
};

static void extremes(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++)
        for (int variant = 0; variant < 24; variant++) {
            const int axis = variant / 8;
            if (shapes[i][axis] == 0) continue;
            struct kernel_case c;
            kernel_case_init(&c, "arg_reduce", PLN_OP_ARG_REDUCE,
                             variant & 1 ? PLN_ARG_REDUCE_MIN : PLN_ARG_REDUCE_MAX);
            pln_attrs_set_int(&c.attrs, &c.arena, "axis", variant & 2 ? axis : axis - 3);
            pln_attrs_set_int(&c.attrs, &c.arena, "keepdims", variant >> 1 & 1);
            pln_attrs_set_int(&c.attrs, &c.arena, "select_last_index", variant >> 2 & 1);
            struct case_input *input = kernel_case_input(&c, 3, shapes[i]);
            input->dtype = types[((size_t)variant + i) % PLN_COUNT_OF(types)];
            input->fill = FILL_SPECIAL; /* with many equals */
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
    assert_int_equal(kernel_rows_untested(PLN_OP_ARG_REDUCE), 0);
}

static void firsts(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++)
        for (int variant = 0; variant < 12; variant++) {
            const int axis = variant / 4;
            const int64_t n = shapes[i][axis],
                          k = (const int64_t[]){ n, PLN_MIN(n, 1), PLN_MIN(n, 6), 0 }[((size_t)variant + i) % 4];
            if (k > 100) continue;
            struct kernel_case c;
            kernel_case_init(&c, "topk", PLN_OP_TOPK, 0);
            pln_attrs_set_int(&c.attrs, &c.arena, "axis", axis);
            pln_attrs_set_int(&c.attrs, &c.arena, "largest", variant & 1);
            struct case_input *input = kernel_case_input(&c, 3, shapes[i]);
            input->dtype = types[((size_t)variant + i) % PLN_COUNT_OF(types)];
            input->fill = FILL_SPECIAL;
            input = kernel_case_input(&c, 1, DIMS(1));
            input->dtype = PLN_I64;
            input->constant = true;
            input->values = &k;
            c.n_outputs = 2;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
    assert_int_equal(kernel_rows_untested(PLN_OP_TOPK), 0);
}

static void first_one(int64_t rows, int64_t n, int64_t k, enum fill fill, int largest, const float *values)
{
    struct kernel_case c;
    kernel_case_init(&c, "topk of long rows", PLN_OP_TOPK, 0);
    pln_attrs_set_int(&c.attrs, &c.arena, "largest", largest);
    pln_attrs_set_int(&c.attrs, &c.arena, "sorted", n & 1);
    struct case_input *input = kernel_case_input(&c, 2, DIMS(rows, n));
    input->fill = fill;
    input->values = values;
    input = kernel_case_input(&c, 1, DIMS(1));
    input->dtype = PLN_I64;
    input->constant = true;
    input->values = &k;
    c.n_outputs = 2;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

/* Rows in every order, of which few or nearly all elements are wanted. */
static void firsts_of_many(void **state)
{
    (void)state;
    static float rising[5000], falling[5000], equal[5000], none[5000];
    for (int i = 0; i < 5000; i++) {
        rising[i] = (float)i;
        falling[i] = (float)-i;
        equal[i] = i & 1 ? 0.0f : -0.0f;
        none[i] = i % 3 ? (i % 3 == 1 ? NAN : -NAN) : (float)(i % 7);
    }
    static const int64_t counts[] = { 1, 2, 255, 256, 257, 1000, 2499, 4999, 5000 };
    /* On the fake GPU a quarter of an hour. */
    const size_t n_counts = kernel_cases_few() || device_wanted() ? 2 : PLN_COUNT_OF(counts);
    for (size_t i = 0; i < n_counts; i++)
        for (int largest = 0; largest < 2; largest++) {
            first_one(1, 5000, counts[i], FILL_PLAIN, largest, rising);
            first_one(1, 5000, counts[i], FILL_PLAIN, largest, falling);
            first_one(1, 5000, counts[i], FILL_PLAIN, largest, equal);
            first_one(1, 5000, counts[i], FILL_PLAIN, largest, none);
            first_one(2, 5001, counts[i], FILL_SPECIAL, largest, NULL);
        }
    for (int64_t n = 1; n < 70; n += 3)
        for (int64_t k = 1; k <= n; k += n / 3 + 1) first_one(2, n, k, FILL_SPECIAL, (int)(n + k) & 1, NULL);
}

static void running(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++)
        for (int variant = 0; variant < 24; variant++) {
            const int64_t axis = variant / 8 - (variant & 1 ? 3 : 0);
            const bool product = (variant >> 2 & 1) != 0;
            struct kernel_case c;
            kernel_case_init(&c, product ? "running product" : "running sum", PLN_OP_CUMULATE,
                             product ? PLN_CUMULATE_PROD : PLN_CUMULATE_SUM);
            pln_attrs_set_int(&c.attrs, &c.arena, "exclusive", variant & 1);
            pln_attrs_set_int(&c.attrs, &c.arena, "reverse", variant >> 1 & 1);
            struct case_input *input = kernel_case_input(&c, 3, shapes[i]);
            input->dtype = types[((size_t)variant + i) % PLN_COUNT_OF(types)];
            const bool narrow = input->dtype == PLN_F16 || input->dtype == PLN_BF16;
            input->fill = product ? FILL_PLAIN : FILL_POSITIVE;
            input = kernel_case_input(&c, variant & 2 ? 1 : 0, DIMS(1));
            input->dtype = PLN_I64;
            input->constant = true;
            input->values = &axis;
            c.rtol = narrow ? 1e-2 : 2e-5;
            c.atol = narrow ? 1e-6 : 1e-30;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
    assert_int_equal(kernel_rows_untested(PLN_OP_CUMULATE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extremes),
        cmocka_unit_test(firsts),
        cmocka_unit_test(firsts_of_many),
        cmocka_unit_test(running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
