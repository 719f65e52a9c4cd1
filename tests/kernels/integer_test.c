/* Elementwise functions of integers and bools: sizes and broadcasting. Their values at the ends of types, and casts, are in numbers_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/ew_int.h"
#include "tests/kernels/harness.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

static const enum pln_dtype ints[] = { PLN_I8, PLN_U8, PLN_I16, PLN_U16, PLN_I32, PLN_U32, PLN_I64, PLN_U64 };

static enum pln_dtype dtype_of(const struct pln_ew_info *info, unsigned kind, int i, enum pln_dtype dtype)
{
    return info->cls == PLN_EW_CLASS_B || (kind == PLN_EW_WHERE && i == 0) ? PLN_BOOL : dtype;
}

static void one_kind(unsigned kind, enum pln_dtype dtype, int64_t n)
{
    const struct pln_ew_info *info = pln_ew_get(kind);
    struct kernel_case c;
    kernel_case_init(&c, info->name, PLN_OP_ELEMENTWISE, kind);
    for (int i = 0; i < info->n_inputs; i++) {
        struct case_input *input = kernel_case_input(&c, 1, DIMS(n));
        input->dtype = dtype_of(info, kind, i, dtype);
        if (kind == PLN_EW_CLIP && i > 0) input->rank = 0;
    }
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void every_kind(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 0, 1, 3, 4, 5, 8, 15, 16, 33, 511, 512, 513, 1500 };
    for (unsigned kind = 1; kind < PLN_EW_COUNT; kind++) {
        if (!pln_ew_has_int(kind)) continue;
        for (size_t t = 0; t < PLN_COUNT_OF(ints); t++)
            for (size_t i = t % 3; i < PLN_COUNT_OF(sizes); i += 3) one_kind(kind, ints[t], sizes[i]);
    }
    for (int which = 0; which < 4; which++) {
        struct kernel_case c;
        kernel_case_init(&c, "clip", PLN_OP_ELEMENTWISE, PLN_EW_CLIP);
        kernel_case_input(&c, 2, DIMS(3, 50))->dtype = which < 2 ? PLN_I32 : PLN_U64;
        for (int i = 0; i < 2; i++) {
            struct case_input *bound = kernel_case_input(&c, 0, NULL);
            bound->dtype = which < 2 ? PLN_I32 : PLN_U64;
            bound->present = which >> i & 1;
        }
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
}

static void broadcasts(void **state)
{
    (void)state;
    static const struct {
        int a_rank, b_rank;
        int64_t a[5], b[5];
    } shapes[] = {
        { 4, 1, { 2, 5, 3, 7 }, { 7 } },       { 4, 3, { 2, 5, 3, 7 }, { 5, 1, 1 } },       { 4, 4, { 2, 5, 3, 7 }, { 2, 1, 3, 1 } }, { 4, 4, { 2, 1, 3, 1 }, { 1, 5, 1, 7 } },
        { 2, 0, { 9, 11 }, { 0 } },            { 0, 0, { 0 }, { 0 } },                      { 2, 2, { 600, 3 }, { 600, 1 } },         { 2, 2, { 3, 1000 }, { 3, 1 } },
        { 3, 3, { 2, 0, 3 }, { 2, 1, 3 } },    { 2, 1, { 200, 1 }, { 257 } },
    };
    static const unsigned kinds[] = { PLN_EW_ADD, PLN_EW_EQUAL, PLN_EW_AND };
    static const enum pln_dtype dtypes[] = { PLN_I64, PLN_I32, PLN_BOOL };
    for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++)
        for (size_t k = 0; k < PLN_COUNT_OF(kinds); k++) {
            struct kernel_case c;
            kernel_case_init(&c, pln_ew_get(kinds[k])->name, PLN_OP_ELEMENTWISE, kinds[k]);
            kernel_case_input(&c, shapes[i].a_rank, shapes[i].a)->dtype = dtypes[k];
            kernel_case_input(&c, shapes[i].b_rank, shapes[i].b)->dtype = dtypes[k];
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
    assert_int_equal(kernel_rows_untested(PLN_OP_ELEMENTWISE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind),
        cmocka_unit_test(broadcasts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
