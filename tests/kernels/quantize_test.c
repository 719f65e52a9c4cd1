/* Quantization and products of bytes. */
#include <math.h>
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

static struct case_input *input(struct kernel_case *c, enum pln_dtype dtype, int rank, const int64_t *dims)
{
    struct case_input *one = kernel_case_input(c, rank, dims);
    one->dtype = dtype;
    return one;
}

/* Scales lie over x: [4,6,35] as one number, one an element of axis 1, one a block of 8 along axis 2. */
static int scale_dims(int form, const int64_t **out_dims)
{
    static const int64_t one[] = { 1 }, slices[] = { 6 }, blocks[] = { 4, 6, 5 };
    *out_dims = form < 2 ? one : form == 2 ? slices : blocks;
    return form == 0 ? 0 : form == 3 ? 3 : 1;
}

static void add_parameters(struct kernel_case *c, int form, bool zero, enum pln_dtype zero_type)
{
    const int64_t *dims;
    const int rank = scale_dims(form, &dims);
    kernel_case_input(c, rank, dims)->fill = FILL_POSITIVE;
    if (zero) input(c, zero_type, rank, dims);
    pln_attrs_set_int(&c->attrs, &c->arena, "axis", form == 3 ? -1 : 1);
    if (form == 3) pln_attrs_set_int(&c->attrs, &c->arena, "block_size", 8);
}

static void linear(void **state)
{
    (void)state;
    static const enum pln_dtype types[] = { PLN_I8, PLN_U8, PLN_I16, PLN_U16, PLN_I32 };
    for (int variant = 0; variant < 40; variant++) {
        const enum pln_dtype type = types[variant / 8];
        const bool zero = variant & 4;
        struct kernel_case c;
        if (type != PLN_I32) {
            kernel_case_init(&c, "quantize_linear", PLN_OP_QUANTIZE_LINEAR, 0);
            kernel_case_input(&c, 3, DIMS(4, 6, 35))->fill = variant % 3 ? FILL_PLAIN : FILL_SPECIAL;
            add_parameters(&c, variant % 4, zero, type);
            if (!zero) pln_attrs_set_int(&c.attrs, &c.arena, "output_dtype", type);
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
        kernel_case_init(&c, "dequantize_linear", PLN_OP_DEQUANTIZE_LINEAR, 0);
        input(&c, type, 3, DIMS(4, 6, 35));
        add_parameters(&c, variant % 4, zero, type);
        if (variant % 7 == 3) pln_attrs_set_int(&c.attrs, &c.arena, "output_dtype", PLN_F16);
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
    assert_int_equal(kernel_rows_untested(PLN_OP_QUANTIZE_LINEAR), 0);
    assert_int_equal(kernel_rows_untested(PLN_OP_DEQUANTIZE_LINEAR), 0);
}

/* One block has all of the axis, whatever is said beyond that; lengths that 32 bits cut to 0 and 3 among them. */
static void long_blocks(void **state)
{
    (void)state;
    static const int64_t lengths[] = { 35, 36, (int64_t)1 << 32, ((int64_t)1 << 32) + 3, INT64_MAX };
    for (size_t i = 0; i < PLN_COUNT_OF(lengths); i++)
        for (int quantize = 0; quantize < 2; quantize++) {
            struct kernel_case c;
            kernel_case_init(&c, quantize ? "quantize_linear" : "dequantize_linear", quantize ? PLN_OP_QUANTIZE_LINEAR : PLN_OP_DEQUANTIZE_LINEAR, 0);
            input(&c, quantize ? PLN_F32 : PLN_I8, 3, DIMS(4, 6, 35));
            kernel_case_input(&c, 3, DIMS(4, 6, 1))->fill = FILL_POSITIVE;
            input(&c, PLN_I8, 3, DIMS(4, 6, 1));
            pln_attrs_set_int(&c.attrs, &c.arena, "axis", 2);
            pln_attrs_set_int(&c.attrs, &c.arena, "block_size", lengths[i]);
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
}

static void dynamic(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 0, 1, 511, 5000, 140000 };
    for (size_t i = 0; i < PLN_COUNT_OF(sizes); i++)
        for (int fill = 0; fill < 3; fill++) {
            struct kernel_case c;
            kernel_case_init(&c, "dynamic_quantize_linear", PLN_OP_DYNAMIC_QUANTIZE_LINEAR, 0);
            kernel_case_input(&c, 2, DIMS(1, sizes[i]))->fill = (enum fill)fill;
            c.n_outputs = 3;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
    assert_int_equal(kernel_rows_untested(PLN_OP_DYNAMIC_QUANTIZE_LINEAR), 0);
}

/* Operands of one product of bytes, and how many parameters each has: one, or one a row (column), or also one a matrix. */
struct product {
    int a_rank, b_rank;
    int64_t a[4], b[4];
    int form;
};

static void add_parameter(struct kernel_case *c, enum pln_dtype dtype, const struct product *p, bool of_a)
{
    const int rank = of_a ? p->a_rank : p->b_rank;
    const int64_t *dims = of_a ? p->a : p->b;
    int64_t own[5];
    int n = 0;
    for (int d = 0; p->form == 2 && d < rank - 2; d++) own[n++] = dims[d];
    if (p->form > 0) own[n++] = rank < 2 ? 1 : of_a ? dims[rank - 2] : dims[rank - 1];
    if (p->form == 2 && of_a) own[n++] = 1;
    input(c, dtype, n, own)->fill = FILL_POSITIVE;
}

static void products(void **state)
{
    (void)state;
    static const struct product cases[] = {
        { 2, 2, { 3, 5 }, { 5, 7 }, 0 },           { 2, 2, { 65, 33 }, { 33, 70 }, 1 }, { 1, 2, { 20 }, { 20, 9 }, 0 },
        { 2, 1, { 9, 20 }, { 20 }, 1 },            { 1, 1, { 300 }, { 300 }, 0 },       { 2, 2, { 4, 0 }, { 0, 4 }, 1 },
        { 3, 3, { 2, 7, 8 }, { 2, 8, 9 }, 2 },     { 3, 2, { 3, 7, 17 }, { 17, 9 }, 2 }, { 2, 2, { 0, 4 }, { 4, 3 }, 0 },
        { 4, 3, { 2, 1, 6, 8 }, { 3, 8, 9 }, 1 },  { 1, 1, { 3 }, { 3 }, 0 },           { 2, 2, { 67, 600 }, { 600, 70 }, 0 },
        { 2, 2, { 1, 1 }, { 1, 1 }, 0 },           { 3, 2, { 2, 5, 257 }, { 257, 33 }, 0 },
    };
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++)
        for (int types = 0; types < 4; types++) {
            const enum pln_dtype a = types & 1 ? PLN_I8 : PLN_U8, b = types & 2 ? PLN_I8 : PLN_U8;
            const struct product *p = &cases[i];
            struct kernel_case c;
            kernel_case_init(&c, "matmul_integer", PLN_OP_MATMUL_INTEGER, 0);
            input(&c, a, p->a_rank, p->a);
            input(&c, b, p->b_rank, p->b)->constant = i % 2 == 0;
            if (i % 3 != 1) add_parameter(&c, a, p, true);
            else c.n_inputs++;
            if (i % 3 != 2) add_parameter(&c, b, p, false);
            kernel_case_run(&c);
            kernel_case_deinit(&c);
            kernel_case_init(&c, "qlinear_matmul", PLN_OP_QLINEAR_MATMUL, 0);
            input(&c, a, p->a_rank, p->a);
            add_parameter(&c, PLN_F32, p, true);
            add_parameter(&c, a, p, true);
            input(&c, b, p->b_rank, p->b)->constant = i % 2 == 0;
            add_parameter(&c, PLN_F32, p, false);
            add_parameter(&c, b, p, false);
            static const float y_scale[] = { 3000 };
            kernel_case_input(&c, 0, NULL)->values = y_scale;
            input(&c, types == 1 || types == 2 ? PLN_U8 : PLN_I8, 0, NULL);
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
    assert_int_equal(kernel_rows_untested(PLN_OP_MATMUL_INTEGER), 0);
    assert_int_equal(kernel_rows_untested(PLN_OP_QLINEAR_MATMUL), 0);
}

struct conv {
    int axes;
    int64_t x[5], w[5], group, stride, dilation, pad;
};

static void set_ints(struct kernel_case *c, const char *name, int n, int64_t value)
{
    int64_t values[6];
    for (int i = 0; i < n; i++) values[i] = value + (n > 2 ? i % 2 : 0) * (value > 0);
    struct pln_attr attr = { .name = name, .kind = PLN_ATTR_INTS, .n = n, .u.ints = values };
    pln_attrs_set(&c->attrs, &c->arena, &attr);
}

static void set_window(struct kernel_case *c, const struct conv *conv)
{
    pln_attrs_set_int(&c->attrs, &c->arena, "group", conv->group);
    set_ints(c, "strides", conv->axes, conv->stride);
    set_ints(c, "dilations", conv->axes, conv->dilation);
    set_ints(c, "pads", 2 * conv->axes, conv->pad);
}

static void convolutions(void **state)
{
    (void)state;
    static const struct conv cases[] = {
        { 2, { 1, 3, 9, 8 }, { 5, 3, 3, 3 }, 1, 1, 1, 1 },     { 2, { 2, 4, 20, 21 }, { 6, 2, 3, 2 }, 2, 2, 1, 0 },
        { 2, { 1, 6, 7, 7 }, { 6, 1, 5, 5 }, 6, 1, 1, 2 },     { 1, { 2, 3, 30 }, { 9, 3, 4 }, 1, 3, 2, 1 },
        { 3, { 1, 2, 5, 6, 7 }, { 3, 2, 2, 3, 3 }, 1, 1, 1, 1 }, { 2, { 1, 8, 1, 1 }, { 4, 8, 1, 1 }, 1, 1, 1, 0 },
        { 2, { 0, 3, 9, 8 }, { 5, 3, 3, 3 }, 1, 1, 1, 1 },
        /* Several pieces of a sum, blocks of channels and of pixels; pixels of one row, cut; strides that leave rows and columns out; windows at the borders alone. */
        { 2, { 1, 130, 15, 15 }, { 140, 130, 3, 3 }, 1, 1, 1, 1 }, { 2, { 2, 40, 20, 20 }, { 150, 40, 1, 1 }, 1, 1, 1, 0 }, { 1, { 1, 5, 500 }, { 7, 5, 3 }, 1, 1, 2, 2 },
        { 2, { 1, 6, 17, 19 }, { 13, 6, 1, 1 }, 1, 2, 1, 0 },  { 2, { 1, 3, 40, 41 }, { 12, 3, 7, 7 }, 1, 2, 1, 3 },  { 2, { 1, 4, 3, 2 }, { 4, 2, 3, 3 }, 2, 3, 2, 3 },
        { 2, { 1, 2, 21, 20 }, { 3, 2, 17, 17 }, 1, 1, 1, 2 }, { 1, { 1, 600, 3 }, { 33, 600, 1 }, 1, 1, 1, 0 },      { 2, { 3, 1, 9, 9 }, { 1, 1, 2, 2 }, 1, 5, 3, 1 },
        { 2, { 1, 12, 30, 30 }, { 12, 1, 3, 3 }, 12, 2, 1, 1 }, { 3, { 1, 4, 6, 7, 8 }, { 4, 1, 3, 3, 3 }, 4, 1, 2, 2 },
        { 2, { 1, 64, 60, 31 }, { 75, 64, 3, 3 }, 1, 1, 1, 1 }, { 2, { 2, 18, 1, 90 }, { 6, 9, 3, 3 }, 2, 1, 1, 2 }, { 2, { 1, 900, 4, 4 }, { 2, 900, 3, 3 }, 1, 1, 1, 0 },
        { 2, { 2, 4, 9, 35 }, { 8, 1, 2, 5 }, 4, 1, 1, 2 },    { 2, { 1, 2, 70, 500 }, { 2, 1, 3, 3 }, 2, 1, 1, 1 },
    };
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++)
        for (int types = 0; types < 4; types++) {
            const enum pln_dtype x = types & 1 ? PLN_I8 : PLN_U8, w = types & 2 ? PLN_I8 : PLN_U8;
            const struct conv *conv = &cases[i];
            static const float y_scale[] = { 300 };
            const bool each = (i + (size_t)types) % 2, constant = (i + (size_t)types / 2) % 3 != 0;
            float scales[150];
            for (int o = 0; o < 150; o++) scales[o] = 0.1f + (float)(o % 9) * 0.25f;
            struct kernel_case c;
            kernel_case_init(&c, "conv_integer", PLN_OP_CONV_INTEGER, 0);
            set_window(&c, conv);
            input(&c, x, conv->axes + 2, conv->x);
            input(&c, w, conv->axes + 2, conv->w)->constant = constant;
            if (i % 3 != 1) input(&c, x, 0, NULL);
            else c.n_inputs++;
            if (i % 3 != 2) input(&c, w, each, conv->w);
            kernel_case_run(&c);
            kernel_case_deinit(&c);
            kernel_case_init(&c, "qlinear_conv", PLN_OP_QLINEAR_CONV, 0);
            set_window(&c, conv);
            input(&c, x, conv->axes + 2, conv->x);
            kernel_case_input(&c, 0, NULL)->values = scales;
            input(&c, x, 0, NULL);
            input(&c, w, conv->axes + 2, conv->w)->constant = constant;
            kernel_case_input(&c, each, conv->w)->values = scales;
            input(&c, w, each, conv->w);
            kernel_case_input(&c, 0, NULL)->values = y_scale;
            input(&c, types == 1 || types == 2 ? PLN_U8 : PLN_I8, 0, NULL);
            if (i % 2 == 0) input(&c, PLN_I32, 1, conv->w);
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
    assert_int_equal(kernel_rows_untested(PLN_OP_CONV_INTEGER), 0);
    assert_int_equal(kernel_rows_untested(PLN_OP_QLINEAR_CONV), 0);
}

/* Results between two whole numbers, which go to the even one, biases with which sums are more than int32 holds, and scales that are no numbers or that f32 does not hold. */
static void requantized(void **state)
{
    (void)state;
    static const float x_scales[] = { 1, 0.25f, 3e38f, 1e-38f, INFINITY, NAN }, w_scales[] = { 0.5f, 0.5f, 3e38f, 1e-38f, 1, 1 }, y_scales[] = { 1, 0.5f, 2, 1, 1, 1 };
    static const int32_t biases[] = { 0, -7, INT32_MAX, INT32_MIN, 5 };
    for (size_t i = 0; i < PLN_COUNT_OF(x_scales); i++)
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            const enum pln_dtype y = is_signed ? PLN_I8 : PLN_U8;
            struct kernel_case c;
            kernel_case_init(&c, "requantized conv", PLN_OP_QLINEAR_CONV, 0);
            input(&c, PLN_I8, 3, DIMS(1, 2, 85));
            kernel_case_input(&c, 0, NULL)->values = &x_scales[i];
            input(&c, PLN_I8, 0, NULL);
            input(&c, PLN_I8, 3, DIMS(5, 2, 1))->constant = true;
            kernel_case_input(&c, 0, NULL)->values = &w_scales[i];
            input(&c, PLN_I8, 0, NULL);
            kernel_case_input(&c, 0, NULL)->values = &y_scales[i];
            input(&c, y, 0, NULL);
            input(&c, PLN_I32, 1, DIMS(5))->values = biases;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
            kernel_case_init(&c, "requantized product", PLN_OP_QLINEAR_MATMUL, 0);
            input(&c, PLN_U8, 2, DIMS(9, 3));
            kernel_case_input(&c, 0, NULL)->values = &x_scales[i];
            input(&c, PLN_U8, 0, NULL);
            input(&c, PLN_I8, 2, DIMS(3, 37))->constant = true;
            kernel_case_input(&c, 0, NULL)->values = &w_scales[i];
            input(&c, PLN_I8, 0, NULL);
            kernel_case_input(&c, 0, NULL)->values = &y_scales[i];
            input(&c, y, 0, NULL);
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear), cmocka_unit_test(long_blocks),
        cmocka_unit_test(dynamic),
        cmocka_unit_test(products),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(requantized),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
