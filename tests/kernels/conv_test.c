/* Conv and ConvTranspose: images of one to three axes, groups, strides, dilations, paddings, epilogues. */
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

struct conv_case {
    int axes;
    int64_t n, c, o, group;
    int64_t in[3], kernel[3], stride[3], dilation[3], pads[6];
};

static const struct conv_case convs[] = {
    { 2, 1, 3, 16, 1, { 17, 19 }, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 2, 8, 40, 1, { 9, 7 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 } },
    { 2, 1, 33, 35, 1, { 6, 5 }, { 1, 1 }, { 2, 2 }, { 1, 1 }, { 0 } },
    { 2, 1, 64, 32, 1, { 14, 14 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 2, 48, 32, 2, { 9, 6 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 0, 2, 1 } },
    { 2, 1, 21, 71, 1, { 23, 3 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0, 4, 3, 2 } },
    { 2, 3, 16, 16, 1, { 1, 2 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 0, 16, 16, 1, { 4, 4 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 1, 400, 80, 1, { 5, 13 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 1, 16, 24, 1, { 41, 47 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 1, 70, 20, 1, { 8, 8 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 1, 8, 12, 2, { 9, 11 }, { 3, 5 }, { 1, 2 }, { 2, 1 }, { 2, 0, 1, 3 } },
    { 2, 1, 12, 36, 3, { 7, 7 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 1, 66, 66, 2, { 5, 6 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 } },
    /* groups that end amid a panel, wider than what the epilogue gets, with sums of several pieces */
    { 2, 1, 176, 268, 2, { 1, 5 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 2, 16, 16, 16, { 13, 12 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 1, 67, 67, 67, { 14, 15 }, { 5, 5 }, { 2, 2 }, { 1, 1 }, { 2, 2, 2, 2 } },
    { 2, 1, 35, 35, 35, { 8, 43 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 1, 44, 44, 44, { 9, 31 }, { 5, 5 }, { 1, 1 }, { 1, 1 }, { 2, 2, 2, 2 } },
    { 2, 2, 20, 20, 20, { 7, 47 }, { 5, 5 }, { 2, 2 }, { 1, 1 }, { 2, 1, 2, 2 } },
    { 2, 1, 5, 5, 5, { 9, 30 }, { 3, 3 }, { 3, 3 }, { 2, 2 }, { 0, 1, 2, 3 } },
    /* rows of windows that reach beyond the image's, or lie there as a whole */
    { 2, 1, 270, 270, 270, { 7, 7 }, { 5, 5 }, { 1, 1 }, { 1, 1 }, { 2, 2, 2, 2 } },
    { 2, 1, 19, 19, 19, { 3, 1 }, { 5, 5 }, { 1, 1 }, { 1, 1 }, { 4, 6, 4, 7 } },
    { 2, 2, 9, 9, 9, { 5, 14 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 0, 1, 1 } },
    { 2, 1, 16, 16, 16, { 6, 28 }, { 5, 5 }, { 2, 2 }, { 2, 1 }, { 2, 1, 2, 3 } },
    { 2, 1, 8, 8, 8, { 2, 2 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 5, 5, 5, 5 } },
    { 3, 1, 10, 10, 10, { 3, 4, 7 }, { 3, 3, 3 }, { 1, 2, 1 }, { 1, 1, 1 }, { 1, 1, 1, 1, 1, 1 } },
    { 2, 1, 130, 130, 130, { 4, 80 }, { 1, 7 }, { 1, 1 }, { 1, 1 }, { 0, 3, 0, 3 } },
    { 2, 1, 4, 8, 4, { 6, 6 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 1, 1, 1, 1, { 5, 5 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 } },
    { 2, 1, 4, 6, 1, { 3, 3 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 4, 4, 4, 4 } },
    { 2, 1, 600, 10, 1, { 3, 4 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 } },
    { 2, 0, 4, 6, 1, { 3, 3 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 } },
    { 2, 1, 16, 300, 1, { 20, 31 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 } },
    { 2, 2, 24, 70, 1, { 12, 13 }, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 2, 3, 16, 18, 2, { 7, 8 }, { 2, 3 }, { 1, 1 }, { 2, 1 }, { 0, 1, 1, 1 } },
    { 2, 1, 40, 8, 1, { 16, 16 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 } },
    { 2, 2, 6, 18, 6, { 11, 9 }, { 3, 3 }, { 1, 2 }, { 1, 1 }, { 1, 1, 1, 1 } },
    { 1, 2, 6, 9, 1, { 50 }, { 5 }, { 2 }, { 1 }, { 2, 2 } },
    { 1, 1, 24, 24, 24, { 100 }, { 9 }, { 1 }, { 1 }, { 4, 4 } },
    /* rows that are cut into parts */
    { 1, 1, 24, 20, 1, { 300 }, { 5 }, { 1 }, { 1 }, { 2, 2 } },
    { 1, 2, 70, 33, 1, { 701 }, { 3 }, { 2 }, { 40 }, { 33, 50 } },
    { 2, 1, 16, 40, 1, { 3, 250 }, { 3, 3 }, { 1, 2 }, { 1, 2 }, { 1, 3, 1, 0 } },
    { 3, 1, 3, 8, 1, { 5, 6, 7 }, { 3, 3, 3 }, { 1, 2, 1 }, { 1, 1, 1 }, { 1, 1, 1, 1, 1, 1 } },
    { 3, 2, 5, 20, 1, { 4, 3, 130 }, { 2, 3, 2 }, { 2, 1, 1 }, { 1, 2, 3 }, { 1, 2, 0, 0, 1, 4 } },
    { 3, 1, 4, 4, 4, { 5, 6, 7 }, { 3, 2, 3 }, { 1, 1, 2 }, { 1, 2, 1 }, { 1, 1, 1, 0, 1, 1 } },
};

static int64_t out_extent(const struct conv_case *v, int d)
{
    return (v->in[d] + v->pads[d] + v->pads[v->axes + d] - (v->kernel[d] - 1) * v->dilation[d] - 1) / v->stride[d] + 1;
}

static const enum pln_ew activations[] = { PLN_EW_SWISH, PLN_EW_HARD_SWISH, PLN_EW_SIGMOID, PLN_EW_GELU, PLN_EW_GELU_TANH, PLN_EW_LEAKY_RELU,
                                           PLN_EW_ELU, PLN_EW_TANH, PLN_EW_MISH, PLN_EW_SOFTPLUS, PLN_EW_HARD_SIGMOID };

/* 0: alone, 1: bias, 2: bias and a residual, 3: one number a channel, 4: no bias and a residual, 5: bias and bounds, 6: bias and an activation, 7: Swish. */
static void conv(const struct conv_case *v, int variant, enum pln_dtype dtype)
{
    struct kernel_case c;
    int rank = v->axes + 2;
    int64_t x[5] = { v->n, v->c }, w[5] = { v->o, v->c / v->group }, y[5] = { v->n, v->o };
    for (int d = 0; d < v->axes; d++) {
        x[d + 2] = v->in[d];
        w[d + 2] = v->kernel[d];
        y[d + 2] = out_extent(v, d);
    }
    kernel_case_init(&c, "conv", PLN_OP_CONV, 0);
    pln_attrs_set_ints(&c.attrs, &c.arena, "kernel_shape", v->kernel, v->axes);
    pln_attrs_set_ints(&c.attrs, &c.arena, "strides", v->stride, v->axes);
    pln_attrs_set_ints(&c.attrs, &c.arena, "dilations", v->dilation, v->axes);
    pln_attrs_set_ints(&c.attrs, &c.arena, "pads", v->pads, 2 * v->axes);
    pln_attrs_set_int(&c.attrs, &c.arena, "group", v->group);
    kernel_case_input(&c, rank, x);
    kernel_case_input(&c, rank, w)->constant = true;
    if (variant == 1 || variant == 2 || variant == 5 || variant == 6)
        kernel_case_input(&c, 1, DIMS(v->o));
    else
        c.n_inputs++;
    if (variant == 2 || variant == 4) kernel_case_add_relu(&c, rank, rank, y);
    if (variant == 3) {
        int64_t channel[4] = { v->o, 1, 1, 1 };
        kernel_case_add_relu(&c, rank, rank - 1, channel);
    }
    if (variant == 5) kernel_case_add_clip(&c, rank, -0.25, 0.75);
    if (variant == 6) kernel_case_add_function(&c, rank, activations[(size_t)(v - convs) % PLN_COUNT_OF(activations)]);
    if (variant == 7) kernel_case_add_function(&c, rank, PLN_EW_SWISH);
    for (int i = 0; i < c.n_inputs; i++) c.inputs[i].dtype = dtype;
    double k = (double)v->c / (double)v->group;
    for (int d = 0; d < v->axes; d++) k *= (double)v->kernel[d];
    c.rtol = 1e-5;
    c.atol = 2e-7 * (k + 16);
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void all_convs(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(convs); i++)
        for (int variant = 0; variant < 8; variant++) conv(&convs[i], variant, PLN_F32);
    for (size_t i = 0; i < PLN_COUNT_OF(convs); i += 3) conv(&convs[i], 1, PLN_F64);
    assert_int_equal(kernel_rows_untested(PLN_OP_CONV), 0);
}

/* Weights that are infinite or no number show where they meet an image, not where they meet its padding. The CPU's rows
 * still multiply them with zeros there. */
static void special_weights(void **state)
{
    (void)state;
    if (!device_wanted()) skip();
    static const int64_t kernel[] = { 3, 3 }, pads[] = { 1, 1, 1, 1 };
    static float weights[70 * 12 * 9];
    for (int grouped = 0; grouped < 2; grouped++) {
        struct kernel_case c;
        const int64_t channels = grouped ? 24 : 12;
        for (size_t i = 0; i < PLN_COUNT_OF(weights); i++) {
            const size_t tap = i % 9, feature = i / 9 / 12;
            weights[i] = (float)(i * 7 % 11) / 8 - 0.5f;
            if (tap == 0 && feature % 5 == 1) weights[i] = INFINITY;
            if (tap == 7 && feature % 5 == 2) weights[i] = NAN;
            if (tap == 5 && feature % 5 == 3) weights[i] = -INFINITY;
        }
        kernel_case_init(&c, "conv, special weights", PLN_OP_CONV, 0);
        pln_attrs_set_ints(&c.attrs, &c.arena, "pads", pads, 4);
        pln_attrs_set_ints(&c.attrs, &c.arena, "kernel_shape", kernel, 2);
        pln_attrs_set_int(&c.attrs, &c.arena, "group", grouped + 1);
        kernel_case_input(&c, 4, DIMS(1, channels, 6, 7))->fill = FILL_POSITIVE;
        struct case_input *w = kernel_case_input(&c, 4, DIMS(70, 12, 3, 3));
        w->values = weights;
        w->constant = true;
        c.rtol = 1e-5;
        c.atol = 1e-4;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
}

static void auto_pads(void **state)
{
    (void)state;
    static const char *const forms[] = { "SAME_UPPER", "SAME_LOWER", "VALID" };
    for (size_t i = 0; i < PLN_COUNT_OF(forms); i++) {
        struct kernel_case c;
        kernel_case_init(&c, forms[i], PLN_OP_CONV, 0);
        pln_attrs_set_string(&c.attrs, &c.arena, "auto_pad", forms[i], strlen(forms[i]));
        pln_attrs_set_ints(&c.attrs, &c.arena, "strides", DIMS(2, 3), 2);
        kernel_case_input(&c, 4, DIMS(1, 8, 10, 11));
        kernel_case_input(&c, 4, DIMS(9, 8, 4, 3))->constant = true;
        c.atol = 3e-5;
        c.rtol = 1e-5;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
}

struct transposed_case {
    int axes;
    int64_t n, c, o, group; /* o: output channels of a group */
    int64_t in[3], kernel[3], stride[3], dilation[3], pads[6], more[3];
};

static const struct transposed_case transposed[] = {
    { 2, 1, 3, 5, 1, { 4, 5 }, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 0 } },
    { 2, 2, 6, 4, 2, { 5, 3 }, { 2, 4 }, { 1, 3 }, { 2, 1 }, { 0, 1, 1, 0 }, { 0, 2 } },
    { 2, 0, 4, 4, 1, { 2, 2 }, { 2, 2 }, { 2, 2 }, { 1, 1 }, { 0 }, { 0 } },
    { 1, 2, 8, 8, 8, { 40 }, { 5 }, { 2 }, { 1 }, { 2, 1 }, { 1 } },
    { 3, 1, 4, 3, 1, { 3, 2, 4 }, { 2, 3, 2 }, { 2, 1, 2 }, { 1, 2, 1 }, { 0, 1, 1, 0, 1, 0 }, { 0 } },
    /* one channel a group */
    { 2, 2, 67, 1, 67, { 5, 7 }, { 4, 4 }, { 2, 2 }, { 1, 1 }, { 1, 1, 1, 1 }, { 0 } },
    { 2, 1, 16, 1, 16, { 4, 3 }, { 3, 2 }, { 2, 4 }, { 2, 1 }, { 1, 0, 0, 1 }, { 1, 3 } },
    { 2, 0, 5, 1, 5, { 4, 3 }, { 2, 2 }, { 2, 2 }, { 1, 1 }, { 0 }, { 0 } },
    { 1, 1, 9, 1, 9, { 20 }, { 5 }, { 3 }, { 1 }, { 2, 2 }, { 0 } },
    { 3, 1, 6, 1, 6, { 2, 3, 3 }, { 2, 3, 2 }, { 2, 1, 2 }, { 1, 2, 1 }, { 0, 1, 1, 0, 1, 0 }, { 0 } },
    /* windows side by side */
    { 2, 2, 24, 24, 1, { 13, 19 }, { 2, 2 }, { 2, 2 }, { 1, 1 }, { 0 }, { 0 } },
    { 2, 1, 24, 1, 1, { 9, 33 }, { 2, 2 }, { 2, 2 }, { 1, 1 }, { 0 }, { 0 } },
    { 2, 1, 9, 7, 3, { 6, 5 }, { 3, 2 }, { 3, 2 }, { 1, 1 }, { 0 }, { 0 } },
    { 2, 1, 8, 40, 2, { 4, 5 }, { 1, 2 }, { 1, 2 }, { 3, 1 }, { 0 }, { 0 } },
    { 2, 1, 16, 300, 1, { 4, 5 }, { 2, 2 }, { 2, 2 }, { 1, 1 }, { 0 }, { 0 } },
    { 3, 1, 5, 9, 1, { 3, 2, 4 }, { 2, 2, 2 }, { 2, 2, 2 }, { 1, 1, 1 }, { 0 }, { 0 } },
    /* many phases, of no tap, of one and of several; pieces of k */
    { 2, 1, 70, 20, 1, { 7, 6 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 }, { 0 } },
    { 2, 1, 130, 33, 1, { 6, 9 }, { 4, 4 }, { 2, 2 }, { 1, 1 }, { 1, 1, 1, 1 }, { 0 } },
    { 2, 1, 3, 9, 1, { 4, 3 }, { 2, 3 }, { 5, 4 }, { 1, 1 }, { 0, 1, 0, 0 }, { 4, 3 } },
    { 2, 1, 4, 12, 2, { 6, 5 }, { 3, 3 }, { 2, 4 }, { 3, 2 }, { 2, 0, 1, 3 }, { 1, 1 } },
    { 2, 1, 6, 8, 1, { 5, 5 }, { 2, 2 }, { 2, 2 }, { 1, 1 }, { 1, 0, 0, 1 }, { 0 } },
    { 2, 1, 6, 2, 1, { 17, 21 }, { 2, 2 }, { 2, 2 }, { 1, 1 }, { 0 }, { 1, 1 } },
    { 2, 1, 4, 10, 1, { 1, 1 }, { 4, 4 }, { 1, 1 }, { 1, 1 }, { 0 }, { 0 } },
    { 1, 1, 20, 18, 1, { 31 }, { 16 }, { 8 }, { 1 }, { 4, 4 }, { 0 } },
};

static int64_t transposed_extent(const struct transposed_case *v, int d)
{
    return (v->in[d] - 1) * v->stride[d] + (v->kernel[d] - 1) * v->dilation[d] + 1 + v->more[d] - v->pads[d] - v->pads[v->axes + d];
}

/* Variants as those of conv; of f64 without epilogue. */
static void transposed_conv(const struct transposed_case *v, int variant, enum pln_dtype dtype, enum fill fill)
{
    struct kernel_case c;
    const int rank = v->axes + 2;
    int64_t x[5] = { v->n, v->c }, w[5] = { v->c, v->o }, y[5] = { v->n, v->o * v->group };
    for (int d = 0; d < v->axes; d++) {
        x[d + 2] = v->in[d];
        w[d + 2] = v->kernel[d];
        y[d + 2] = transposed_extent(v, d);
    }
    kernel_case_init(&c, "conv_transpose", PLN_OP_CONV_TRANSPOSE, 0);
    pln_attrs_set_ints(&c.attrs, &c.arena, "strides", v->stride, v->axes);
    pln_attrs_set_ints(&c.attrs, &c.arena, "dilations", v->dilation, v->axes);
    pln_attrs_set_ints(&c.attrs, &c.arena, "pads", v->pads, 2 * v->axes);
    pln_attrs_set_ints(&c.attrs, &c.arena, "output_padding", v->more, v->axes);
    pln_attrs_set_int(&c.attrs, &c.arena, "group", v->group);
    kernel_case_input(&c, rank, x)->fill = fill;
    kernel_case_input(&c, rank, w)->constant = true;
    if (variant == 1 || variant == 2 || variant == 5)
        kernel_case_input(&c, 1, DIMS(v->o * v->group));
    else if (variant > 0)
        c.n_inputs++;
    if (variant == 2 || variant == 4) kernel_case_add_relu(&c, rank, rank, y);
    if (variant == 3) kernel_case_add_relu(&c, rank, rank - 1, (const int64_t[]){ v->o * v->group, 1, 1, 1 });
    if (variant == 5) kernel_case_add_clip(&c, rank, -0.25, 0.75);
    /* Along one spatial axis only. */
    if (variant == 6) kernel_case_add_relu(&c, rank, 1, &y[rank - 1]);
    for (int i = 0; i < c.n_inputs; i++) c.inputs[i].dtype = dtype;
    double k = (double)v->c / (double)v->group;
    for (int d = 0; d < v->axes; d++) k *= (double)v->kernel[d];
    c.rtol = 1e-5;
    c.atol = 2e-7 * (k + 16);
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void transposed_convs(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(transposed); i++) {
        for (int variant = 0; variant < 7; variant++) transposed_conv(&transposed[i], variant, PLN_F32, FILL_PLAIN);
        for (int variant = 0; variant < 2; variant++) transposed_conv(&transposed[i], variant, PLN_F64, FILL_PLAIN);
    }
    assert_int_equal(kernel_rows_untested(PLN_OP_CONV_TRANSPOSE), 0);
}

/* Numbers that are none, in the image and, where windows lie side by side and no zeros stand for padding, in the weights. */
static void special_transposed(void **state)
{
    (void)state;
    static float pixels[12 * 5 * 7], weights[12 * 9 * 4];
    for (size_t i = 0; i < PLN_COUNT_OF(pixels); i++) pixels[i] = i % 31 == 3 ? INFINITY : i % 37 == 5 ? NAN : i % 29 == 7 ? -INFINITY : (float)(i % 13) - 6;
    for (int stride = 1; stride <= 2; stride++)
        for (int o = 1; o <= 9; o += 8) {
            struct kernel_case c;
            for (size_t i = 0; i < PLN_COUNT_OF(weights); i++) {
                weights[i] = (float)(i * 7 % 11) / 8 - 0.5f;
                if (stride == 2 && i % 41 == 8) weights[i] = i % 2 ? NAN : INFINITY;
            }
            kernel_case_init(&c, "conv_transpose, special values", PLN_OP_CONV_TRANSPOSE, 0);
            pln_attrs_set_ints(&c.attrs, &c.arena, "strides", DIMS(stride, stride), 2);
            kernel_case_input(&c, 4, DIMS(1, 12, 5, 7))->values = pixels;
            struct case_input *w = kernel_case_input(&c, 4, DIMS(12, o, 2, 2));
            w->values = weights;
            w->constant = true;
            c.rtol = 1e-5;
            c.atol = 1e-4;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_weights), cmocka_unit_test(auto_pads),
        cmocka_unit_test(transposed_convs), cmocka_unit_test(special_transposed),
        cmocka_unit_test(all_convs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
