/* Max and average pooling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/kernels/harness.h"

struct pool_case {
    int axes;
    int64_t n, c;
    int64_t in[3], kernel[3], stride[3], dilation[3], pads[6];
    bool ceil_mode;
};

static const struct pool_case pools[] = {
    { 2, 1, 64, { 12, 13 }, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 1, 1, 1, 1 }, false },
    { 2, 2, 5, { 8, 8 }, { 2, 2 }, { 2, 2 }, { 1, 1 }, { 0 }, false },
    { 2, 1, 130, { 7, 7 }, { 7, 7 }, { 1, 1 }, { 1, 1 }, { 0 }, false },
    { 2, 1, 3, { 9, 90 }, { 3, 5 }, { 1, 3 }, { 2, 1 }, { 2, 0, 1, 2 }, true },
    { 2, 1, 1, { 4, 4 }, { 3, 3 }, { 3, 3 }, { 1, 1 }, { 0 }, true },
    { 2, 0, 3, { 4, 4 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 }, false },
    { 2, 1, 3, { 2, 9 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 }, false }, /* fits nowhere: [1,3,0,7] */
    { 2, 1, 3, { 2, 2 }, { 3, 4 }, { 2, 3 }, { 1, 1 }, { 0 }, true },  /* begins inside: [1,3,1,1] */
    { 2, 1, 3, { 0, 4 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 }, false },
    { 2, 2, 3, { 20, 21 }, { 5, 3 }, { 1, 1 }, { 2, 3 }, { 3, 2, 1, 4 }, false },
    { 2, 1, 3, { 300, 200 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 }, false },
    { 3, 1, 2, { 4, 5, 9 }, { 2, 3, 3 }, { 1, 1, 1 }, { 1, 1, 2 }, { 1, 1, 2, 0, 1, 2 }, false },
    { 1, 2, 17, { 100 }, { 4 }, { 2 }, { 1 }, { 1, 2 }, false },
    { 3, 1, 4, { 5, 6, 7 }, { 2, 3, 2 }, { 2, 1, 2 }, { 1, 1, 1 }, { 0, 1, 0, 1, 1, 1 }, false },
};

static void pool(const struct pool_case *v, unsigned kind, bool count_pads, enum fill fill)
{
    struct kernel_case c;
    int64_t x[5] = { v->n, v->c };
    for (int d = 0; d < v->axes; d++) x[d + 2] = v->in[d];
    kernel_case_init(&c, "pool", PLN_OP_POOL, kind);
    pln_attrs_set_ints(&c.attrs, &c.arena, "kernel_shape", v->kernel, v->axes);
    pln_attrs_set_ints(&c.attrs, &c.arena, "strides", v->stride, v->axes);
    pln_attrs_set_ints(&c.attrs, &c.arena, "dilations", v->dilation, v->axes);
    pln_attrs_set_ints(&c.attrs, &c.arena, "pads", v->pads, 2 * v->axes);
    pln_attrs_set_int(&c.attrs, &c.arena, "ceil_mode", v->ceil_mode);
    pln_attrs_set_int(&c.attrs, &c.arena, "count_include_pad", count_pads);
    kernel_case_input(&c, v->axes + 2, x)->fill = fill;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void all_pools(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(pools); i++) {
        pool(&pools[i], PLN_POOL_MAX, false, FILL_PLAIN);
        pool(&pools[i], PLN_POOL_MAX, false, FILL_SPECIAL);
        pool(&pools[i], PLN_POOL_AVERAGE, false, FILL_PLAIN);
        pool(&pools[i], PLN_POOL_AVERAGE, true, FILL_PLAIN);
    }
    assert_int_equal(kernel_rows_untested(PLN_OP_POOL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
