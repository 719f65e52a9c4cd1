/* Softmax, layer normalization and reductions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/kernels/attempt.h"
#include "tests/kernels/harness.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

static void softmax(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = { { 2, 3, 7 },   { 4, 1, 1 }, { 2, 33, 16 },
                                         { 1, 5, 513 }, { 3, 0, 4 }, { 2, 17, 31 } };
    for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++)
        for (int variant = 0; variant < 8; variant++) {
            struct kernel_case c;
            kernel_case_init(&c, "softmax", PLN_OP_SOFTMAX,
                             variant & 1 ? PLN_SOFTMAX_LOG_SOFTMAX : PLN_SOFTMAX_SOFTMAX);
            pln_attrs_set_int(&c.attrs, &c.arena, "axis", (variant >> 1) - 2);
            kernel_case_input(&c, 3, shapes[i])->fill = i % 2 ? FILL_PLAIN : FILL_POSITIVE;
            c.rtol = 4e-6;
            c.atol = 2e-6;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
    struct kernel_case c;
    kernel_case_init(&c, "softmax of special values", PLN_OP_SOFTMAX, PLN_SOFTMAX_SOFTMAX);
    kernel_case_input(&c, 2, DIMS(200, 5))->fill = FILL_SPECIAL;
    c.rtol = 4e-6;
    c.atol = 1e-6;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
    assert_int_equal(kernel_rows_untested(PLN_OP_SOFTMAX), 0);
}

static void layer_norm(void **state)
{
    (void)state;
    for (int variant = 0; variant < 12; variant++) {
        struct kernel_case c;
        int64_t n = (const int64_t[]){ 1, 19, 64, 770 }[variant % 4];
        int axis = variant < 8 ? 2 : 1;
        kernel_case_init(&c, "layer_norm", PLN_OP_LAYER_NORM, 0);
        pln_attrs_set_int(&c.attrs, &c.arena, "axis", axis - (variant & 1 ? 3 : 0));
        pln_attrs_set_float(&c.attrs, &c.arena, "epsilon", 1e-3f);
        kernel_case_input(&c, 3, DIMS(2, 3, n));
        kernel_case_input(&c, 3 - axis, axis == 2 ? DIMS(n) : DIMS(3, n));
        if (variant & 2) kernel_case_input(&c, 3 - axis, axis == 2 ? DIMS(n) : DIMS(3, n));
        c.n_outputs = variant & 4 ? 3 : 1;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
    for (int64_t n = 1; n < 3000; n = n * 3 + 1) {
        struct kernel_case c;
        kernel_case_init(&c, "layer_norm of equal values", PLN_OP_LAYER_NORM, 0);
        kernel_case_input(&c, 2, DIMS(3, n))->fill = FILL_EQUAL;
        kernel_case_input(&c, 1, DIMS(n));
        kernel_case_input(&c, 1, DIMS(n));
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
    assert_int_equal(kernel_rows_untested(PLN_OP_LAYER_NORM), 0);
}

/* Of images, also of those without an axis beside batch and channels. */
static void channel_norms(void **state)
{
    (void)state;
    static const int64_t shapes[][4] = {
        { 2, 3, 5, 7 }, { 1, 4, 1, 1 }, { 3, 2, 40, 33 }, { 2, 0, 3, 3 }, { 2, 3, 0, 2 }
    };
    for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++)
        for (int rank = 2; rank <= 4; rank++)
            for (int instance = 0; instance < 2; instance++) {
                struct kernel_case c;
                kernel_case_init(&c, instance ? "instance_norm" : "batch_norm",
                                 instance ? PLN_OP_INSTANCE_NORM : PLN_OP_BATCH_NORM, 0);
                pln_attrs_set_float(&c.attrs, &c.arena, "epsilon", 2e-3f);
                kernel_case_input(&c, rank, shapes[i]);
                for (int k = 0; k < (instance ? 2 : 4); k++)
                    kernel_case_input(&c, 1, &shapes[i][1])->fill = FILL_POSITIVE;
                c.rtol = 1e-5;
                c.atol = 5e-6;
                kernel_case_run(&c);
                kernel_case_deinit(&c);
            }
    assert_int_equal(kernel_rows_untested(PLN_OP_BATCH_NORM), 0);
    assert_int_equal(kernel_rows_untested(PLN_OP_INSTANCE_NORM), 0);
}

static void norm_of_groups(const char *name, int rank, const int64_t *dims, int64_t groups, enum fill fill, void (*add)(struct kernel_case *c, int rank, const int64_t *dims))
{
    struct kernel_case c;
    kernel_case_init(&c, name, PLN_OP_INSTANCE_NORM, 0);
    pln_attrs_set_float(&c.attrs, &c.arena, "epsilon", 2e-3f);
    if (groups > 0) pln_attrs_set_int(&c.attrs, &c.arena, "groups", groups);
    kernel_case_input(&c, rank, dims)->fill = fill;
    for (int k = 0; k < 2; k++) kernel_case_input(&c, 1, &dims[1])->fill = FILL_POSITIVE;
    if (add) add(&c, rank, dims);
    c.rtol = 1e-5;
    c.atol = 5e-6;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void add_image(struct kernel_case *c, int rank, const int64_t *dims)
{
    kernel_case_add_relu(c, rank, rank, dims);
}

static void add_number_a_channel(struct kernel_case *c, int rank, const int64_t *dims)
{
    kernel_case_add_relu(c, rank, rank - 1, (const int64_t[]){ dims[1], 1, 1, 1 });
}

/* Varies along one spatial axis, where there are several. */
static void add_row(struct kernel_case *c, int rank, const int64_t *dims)
{
    kernel_case_add_relu(c, rank, 1, &dims[rank - 1]);
}

static void add_swish(struct kernel_case *c, int rank, const int64_t *dims)
{
    (void)dims;
    kernel_case_add_function(c, rank, PLN_EW_SWISH);
}

static void add_bounds(struct kernel_case *c, int rank, const int64_t *dims)
{
    (void)dims;
    kernel_case_add_clip(c, rank, -0.5, 1.25);
}

/* A function that no tile ends with. */
static void add_sine(struct kernel_case *c, int rank, const int64_t *dims)
{
    (void)dims;
    kernel_case_add_function(c, rank, PLN_EW_SIN);
}

static void infinite_parameters(void)
{
    static const float values[6] = { INFINITY, 1, -INFINITY, 2, INFINITY, NAN }, more[6] = { 1, INFINITY, 0.5f, -INFINITY, -INFINITY, 0 };
    struct kernel_case c;
    kernel_case_init(&c, "instance_norm with infinite parameters", PLN_OP_INSTANCE_NORM, 0);
    kernel_case_input(&c, 3, DIMS(2, 6, 9));
    kernel_case_input(&c, 1, DIMS(6))->values = values;
    kernel_case_input(&c, 1, DIMS(6))->values = more;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

/* Channels in groups, small images that one thread does alone, and large ones that threads share. */
static void group_norms(void **state)
{
    (void)state;
    static const int64_t shapes[][5] = { { 2, 6, 5, 7, 3 },  { 1, 32, 9, 9, 1 },  { 3, 4, 1, 1, 1 },   { 2, 0, 3, 3, 3 },   { 1, 6, 0, 2, 2 },  { 0, 4, 3, 2, 2 },
                                         { 2, 70, 5, 4, 2 }, { 1, 2, 130, 41, 2 }, { 40, 4, 3, 5, 2 }, { 1, 64, 33, 17, 1 }, { 2, 150, 7, 19, 1 } };
    static void (*const adds[])(struct kernel_case *c, int rank, const int64_t *dims) = { NULL, add_swish, add_image, add_row, add_number_a_channel, add_bounds, add_sine };
    for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++)
        for (int rank = 2; rank <= 5; rank++)
            for (int64_t groups = 0; groups <= shapes[i][1]; groups = groups < 2 ? groups + 1 : groups * 2) {
                if (groups > 0 && shapes[i][1] % groups != 0) continue;
                norm_of_groups("instance_norm of groups", rank, shapes[i], groups, FILL_PLAIN, adds[(i + (size_t)rank + (size_t)groups) % PLN_COUNT_OF(adds)]);
                if (rank == 4 && i < 2)
                    for (size_t k = 0; k < PLN_COUNT_OF(adds); k++) norm_of_groups("instance_norm of groups and more", rank, shapes[i], groups, FILL_PLAIN, adds[k]);
            }
    norm_of_groups("instance_norm of a large image", 4, DIMS(1, 32, 40, 37), 4, FILL_PLAIN, add_swish);
    norm_of_groups("instance_norm of few large channels", 3, DIMS(1, 3, 20011), 1, FILL_PLAIN, add_image);
    if (!device_wanted()) { /* squares that f32 does not hold, as group_norms_of_ranges says */
        norm_of_groups("instance_norm of special values", 4, DIMS(3, 64, 2, 2), 32, FILL_SPECIAL, NULL);
        norm_of_groups("instance_norm of some large channels", 4, DIMS(1, 256, 2, 1), 0, FILL_SPECIAL, NULL);
    }
    norm_of_groups("instance_norm of equal values", 4, DIMS(2, 24, 30, 13), 8, FILL_EQUAL, NULL);
    norm_of_groups("instance_norm of equal values in rows", 3, DIMS(2, 2, 5000), 1, FILL_EQUAL, NULL);
    infinite_parameters();
    assert_int_equal(kernel_rows_untested(PLN_OP_INSTANCE_NORM), 0);
}

/* A deviation that is small beside the mean keeps its digits, and squares that f32 does not hold are none that are lost. Programs of a GPU have their
 * statistics in f32. */
static void group_norms_of_ranges(void **state)
{
    (void)state;
    enum { C = 6, PIXELS = 7000 };
    static float values[C * PIXELS];
    static const struct {
        const char *name;
        double mean, deviation;
        float epsilon;
    } ranges[] = { { "instance_norm around a large mean", 4096, 1, 1e-5f }, { "instance_norm of large values", 0, 1e25, 1e-5f }, { "instance_norm of largest values", 1e38, 1e38, 1e-5f },
                   { "instance_norm of small values", 0, 1e-22, 0 } };
    if (device_wanted()) return;
    for (size_t i = 0; i < PLN_COUNT_OF(ranges); i++)
        for (int64_t groups = 1; groups <= 3; groups += 2) {
            struct kernel_case c;
            for (int k = 0; k < C * PIXELS; k++) values[k] = (float)(ranges[i].mean + ranges[i].deviation * ((k * 7919 % 1013) / 506.0 - 1));
            kernel_case_init(&c, ranges[i].name, PLN_OP_INSTANCE_NORM, 0);
            pln_attrs_set_float(&c.attrs, &c.arena, "epsilon", ranges[i].epsilon);
            pln_attrs_set_int(&c.attrs, &c.arena, "groups", groups);
            kernel_case_input(&c, 4, DIMS(1, C, 70, 100))->values = values;
            for (int k = 0; k < 2; k++) kernel_case_input(&c, 1, DIMS(C))->fill = FILL_POSITIVE;
            c.rtol = 1e-5;
            c.atol = 5e-6;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
}

static void reduce_all(unsigned kind, int rank, const int64_t *dims, bool keep)
{
    struct kernel_case c;
    kernel_case_init(&c, pln_op_kind_name(PLN_OP_REDUCE, kind), PLN_OP_REDUCE, kind);
    pln_attrs_set_int(&c.attrs, &c.arena, "keepdims", keep);
    /* A logarithm of what cancels would have no digits. */
    kernel_case_input(&c, rank, dims)->fill = kind == PLN_REDUCE_LOG_SUM ? FILL_POSITIVE : FILL_PLAIN;
    c.rtol = 1e-5;
    c.atol = 1e-4;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void reduce_axes(unsigned kind, int rank, const int64_t *dims, int n_axes, const int64_t *axes)
{
    struct kernel_case c;
    kernel_case_init(&c, pln_op_kind_name(PLN_OP_REDUCE, kind), PLN_OP_REDUCE, kind);
    pln_attrs_set_int(&c.attrs, &c.arena, "keepdims", n_axes % 2);
    kernel_case_input(&c, rank, dims)->fill = kind == PLN_REDUCE_LOG_SUM ? FILL_POSITIVE : FILL_PLAIN;
    struct case_input *input = kernel_case_input(&c, 1, DIMS(n_axes));
    input->dtype = PLN_I64;
    input->constant = true;
    input->values = axes;
    c.rtol = 1e-5;
    c.atol = 1e-5;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

/* Many terms, side by side and one by one: small ones must not be lost beside their sum. */
static void long_reductions(void **state)
{
    (void)state;
    static const unsigned kinds[] = { PLN_REDUCE_SUM, PLN_REDUCE_MEAN, PLN_REDUCE_L1, PLN_REDUCE_L2, PLN_REDUCE_SUM_SQUARE };
    static const int64_t dims[][3] = { { 1, 20000, 5 }, { 2, 3, 20000 }, { 20000, 2, 3 } };
    for (size_t i = 0; i < PLN_COUNT_OF(kinds) * PLN_COUNT_OF(dims); i++) {
        struct kernel_case c;
        const unsigned kind = kinds[i / PLN_COUNT_OF(dims)];
        const int64_t axes[] = { 0, 1 + (int64_t)(i % 2) };
        kernel_case_init(&c, pln_op_kind_name(PLN_OP_REDUCE, kind), PLN_OP_REDUCE, kind);
        kernel_case_input(&c, 3, dims[i % PLN_COUNT_OF(dims)])->fill = FILL_EQUAL;
        struct case_input *input = kernel_case_input(&c, 1, DIMS(2));
        input->dtype = PLN_I64;
        input->constant = true;
        input->values = axes;
        c.rtol = 5e-6;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
}

static void reductions(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind < PLN_REDUCE_COUNT; kind++) {
        reduce_all(kind, 3, DIMS(3, 5, 7), true);
        reduce_all(kind, 1, DIMS(2000), false);
        reduce_all(kind, 2, DIMS(4, 0), false);
        reduce_all(kind, 0, NULL, true);
        for (int mask = 1; mask < 16; mask++) {
            int64_t axes[4];
            int n = 0;
            for (int d = 0; d < 4; d++)
                if (mask >> d & 1) axes[n++] = mask % 3 == 0 ? d - 4 : d;
            reduce_axes(kind, 4, DIMS(2, 3, 5, 19), n, axes);
            reduce_axes(kind, 4, DIMS(1, 70, 2, 3), n, axes);
        }
        reduce_axes(kind, 4, DIMS(2, 600, 3, 4), 2, DIMS(2, 3));
        reduce_axes(kind, 2, DIMS(9, 1100), 1, DIMS(0));
        reduce_axes(kind, 2, DIMS(9, 1100), 1, DIMS(1));
        reduce_axes(kind, 2, DIMS(0, 5), 1, DIMS(0));
    }
    assert_int_equal(kernel_rows_untested(PLN_OP_REDUCE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax),
        cmocka_unit_test(layer_norm),
        cmocka_unit_test(channel_norms),
        cmocka_unit_test(group_norms),
        cmocka_unit_test(group_norms_of_ranges),
        cmocka_unit_test(long_reductions),
        cmocka_unit_test(reductions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
