/* Every elementwise function, and how operands broadcast. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/kernels/harness.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

static enum pln_dtype input_dtype(const struct pln_ew_info *info, unsigned kind, int i)
{
    return info->cls == PLN_EW_CLASS_B || (kind == PLN_EW_WHERE && i == 0) ? PLN_BOOL : PLN_F32;
}

static void one_kind(unsigned kind, int64_t n, enum fill fill)
{
    const struct pln_ew_info *info = pln_ew_get(kind);
    struct kernel_case c;
    kernel_case_init(&c, info->name, PLN_OP_ELEMENTWISE, kind);
    for (int i = 0; i < info->n_inputs; i++) {
        struct case_input *input = kernel_case_input(&c, 1, DIMS(n));
        input->dtype = input_dtype(info, kind, i);
        input->fill = fill;
        /* A clip's bounds are numbers in order. */
        if (kind == PLN_EW_CLIP && i > 0) {
            input->rank = 0;
            input->fill = FILL_PLAIN;
        }
    }
    if (info->cls == PLN_EW_CLASS_B || info->cls == PLN_EW_CLASS_C || info->cls == PLN_EW_CLASS_P) c.rtol = 1e-30;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void every_kind(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind < PLN_EW_COUNT; kind++) {
        if (pln_ew_get(kind)->cls == PLN_EW_CLASS_I) continue;
        static const int64_t sizes[] = { 0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 511, 512, 513, 1500 };
        for (size_t i = 0; i < PLN_COUNT_OF(sizes); i++)
            one_kind(kind, sizes[i], i % 2 == 0 ? FILL_PLAIN : FILL_POSITIVE);
        one_kind(kind, 4000, FILL_SPECIAL);
    }
}

static void clip_bounds(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct kernel_case c;
        kernel_case_init(&c, "clip", PLN_OP_ELEMENTWISE, PLN_EW_CLIP);
        kernel_case_input(&c, 2, DIMS(3, 50))->fill = FILL_SPECIAL;
        kernel_case_input(&c, 0, NULL)->present = which & 1;
        kernel_case_input(&c, 0, NULL)->present = which & 2;
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
        { 4, 1, { 2, 5, 3, 7 }, { 7 } },
        { 4, 3, { 2, 5, 3, 7 }, { 5, 1, 1 } },
        { 4, 4, { 2, 5, 3, 7 }, { 2, 1, 3, 1 } },
        { 4, 4, { 2, 1, 3, 1 }, { 1, 5, 1, 7 } },
        { 2, 0, { 9, 11 }, { 0 } },
        { 0, 0, { 0 }, { 0 } },
        { 2, 2, { 600, 3 }, { 600, 1 } },
        { 2, 2, { 600, 3 }, { 1, 3 } },
        { 2, 2, { 3, 1000 }, { 3, 1 } },
        { 2, 2, { 3, 1000 }, { 1, 1000 } },
        { 3, 3, { 2, 0, 3 }, { 2, 1, 3 } },
        { 5, 2, { 2, 3, 2, 5, 6 }, { 5, 1 } },
        { 1, 3, { 200 }, { 3, 7, 200 } },
        { 4, 4, { 1, 64, 9, 9 }, { 1, 64, 9, 9 } },
        { 3, 3, { 1, 1, 1 }, { 3, 4, 5 } },
    };
    static const unsigned kinds[] = { PLN_EW_ADD, PLN_EW_SUB, PLN_EW_DIV, PLN_EW_LESS, PLN_EW_POW };
    for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++)
        for (size_t k = 0; k < PLN_COUNT_OF(kinds); k++) {
            struct kernel_case c;
            kernel_case_init(&c, pln_ew_get(kinds[k])->name, PLN_OP_ELEMENTWISE, kinds[k]);
            kernel_case_input(&c, shapes[i].a_rank, shapes[i].a)->fill = FILL_POSITIVE;
            kernel_case_input(&c, shapes[i].b_rank, shapes[i].b)->fill = FILL_POSITIVE;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
    struct kernel_case c;
    kernel_case_init(&c, "where", PLN_OP_ELEMENTWISE, PLN_EW_WHERE);
    kernel_case_input(&c, 3, DIMS(4, 1, 9))->dtype = PLN_BOOL;
    kernel_case_input(&c, 3, DIMS(4, 6, 9));
    kernel_case_input(&c, 0, NULL);
    kernel_case_run(&c);
    kernel_case_deinit(&c);
    assert_int_equal(kernel_rows_untested(PLN_OP_ELEMENTWISE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind),
        cmocka_unit_test(clip_bounds),
        cmocka_unit_test(broadcasts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
