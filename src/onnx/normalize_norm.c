/* Normalizations. Those without a canonical op of their own are written out; passes recognize them in any form. */
#include <string.h>

#include "onnx/opset.h"

/* A float tensor in the type that a stash_type names, or as it is when that is none. */
static uint32_t stash(struct pln_emit *emit, uint32_t x, int64_t stash_type)
{
    enum pln_dtype dtype = pln_emit_dtype(emit, x);
    bool narrow = dtype == PLN_F16 || dtype == PLN_BF16;
    return narrow && pln_dtype_valid((int)stash_type) ? pln_emit_cast(emit, x, (enum pln_dtype)stash_type) : x;
}

/* ---- batch normalization ---- */

static float epsilon_of(struct pln_emit *emit)
{
    return pln_emit_float(emit, "epsilon", 1e-5f);
}

static void infer_batch_norm(struct pln_emit *emit)
{
    uint32_t node = pln_emit_begin_named(emit, "BatchNormalization", emit->inputs, emit->n_inputs, 1);
    pln_emit_set_float(emit, node, "epsilon", epsilon_of(emit));
    pln_emit_bind(emit, 0, pln_emit_end(emit, node));
}

/* spatial=0: every element of an example has statistics of its own; they broadcast over the batch as they are. */
static void elementwise_batch_norm(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0), var = pln_emit_need(emit, 4);
    uint32_t distance = pln_emit_ew2(emit, PLN_EW_SUB, x, pln_emit_need(emit, 3));
    uint32_t shifted = pln_emit_ew2(emit, PLN_EW_ADD, var, pln_emit_const_like(emit, var, epsilon_of(emit)));
    uint32_t y = pln_emit_ew2(emit, PLN_EW_DIV, distance, pln_emit_ew1(emit, PLN_EW_SQRT, shifted));
    y = pln_emit_ew2(emit, PLN_EW_MUL, y, pln_emit_need(emit, 1));
    pln_emit_bind(emit, 0, pln_emit_ew2(emit, PLN_EW_ADD, y, pln_emit_need(emit, 2)));
}

/* Before opset 14 training was meant when further outputs were asked for (and up to 6 unless is_test). */
void pln_onnx_batch_norm_1(struct pln_emit *emit)
{
    for (uint32_t i = 1; i < emit->n_outputs; i++) {
        if (pln_emit_wants(emit, i)) pln_emit_fail(emit, PLN_UNSUPPORTED, "BatchNormalization in training mode before opset 14; export for inference");
    }
    if (emit->opset < 7 && !pln_emit_int(emit, "is_test", 0)) {
        pln_emit_fail(emit, PLN_UNSUPPORTED, "BatchNormalization with is_test=0 means training; export for inference");
    }
    if (pln_emit_int(emit, "spatial", 1)) infer_batch_norm(emit);
    else elementwise_batch_norm(emit);
}

/* old * momentum + now * (1 - momentum) */
static uint32_t running(struct pln_emit *emit, uint32_t old, uint32_t now, float momentum)
{
    now = pln_emit_cast(emit, now, pln_emit_dtype(emit, old));
    uint32_t kept = pln_emit_ew2(emit, PLN_EW_MUL, old, pln_emit_const_like(emit, old, momentum));
    return pln_emit_ew2(emit, PLN_EW_ADD, kept, pln_emit_ew2(emit, PLN_EW_MUL, now, pln_emit_const_like(emit, old, 1.0 - (double)momentum)));
}

/* Axes 0, 2, 3, … as i64[n]. */
static uint32_t all_but_channels(struct pln_emit *emit, uint32_t x)
{
    int64_t axes[PLN_MAX_RANK];
    const int rank = pln_emit_rank(emit, x);
    uint32_t n = 0;
    if (rank < 0) return pln_emit_concat(emit, (uint32_t[]){ pln_emit_const_int(emit, 0), pln_emit_axes_from(emit, x, 2) }, 2, 0);
    for (int d = 0; d < rank; d++)
        if (d != 1) axes[n++] = d;
    return pln_emit_const_ints(emit, axes, n);
}

/* [1,c,1,…,1], as many dims as x has, to [c]. */
static uint32_t without(struct pln_emit *emit, uint32_t v, uint32_t others, uint32_t x)
{
    return pln_emit_rank(emit, x) < 0 ? pln_emit_reshape_to(emit, v, (int64_t[]){ -1 }, 1) : pln_emit_squeeze(emit, v, others);
}

/* Statistics of the batch itself; the variance is that of the population. */
static void train_batch_norm(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0), others = all_but_channels(emit, x);
    uint32_t mean = pln_emit_reduce(emit, PLN_REDUCE_MEAN, x, others, true);
    uint32_t distance = pln_emit_ew2(emit, PLN_EW_SUB, x, mean);
    uint32_t var = without(emit, pln_emit_reduce(emit, PLN_REDUCE_MEAN, pln_emit_ew2(emit, PLN_EW_MUL, distance, distance), others, true), others, x);
    mean = without(emit, mean, others, x);
    float momentum = pln_emit_float(emit, "momentum", 0.9f);
    pln_emit_bind(emit, 1, running(emit, pln_emit_need(emit, 3), mean, momentum));
    pln_emit_bind(emit, 2, running(emit, pln_emit_need(emit, 4), var, momentum));
    enum pln_dtype stats = pln_emit_dtype(emit, pln_emit_need(emit, 3));
    uint32_t inputs[5] = { x, pln_emit_need(emit, 1), pln_emit_need(emit, 2), pln_emit_cast(emit, mean, stats), pln_emit_cast(emit, var, stats) };
    uint32_t node = pln_emit_begin_named(emit, "BatchNormalization", inputs, 5, 1);
    pln_emit_set_float(emit, node, "epsilon", epsilon_of(emit));
    pln_emit_bind(emit, 0, pln_emit_end(emit, node));
}

void pln_onnx_batch_norm(struct pln_emit *emit)
{
    if (pln_emit_int(emit, "training_mode", 0)) train_batch_norm(emit);
    else infer_batch_norm(emit);
}

/* ---- others ---- */

/* [c] to [c,1,…,1], to meet axis 1 of x. */
static uint32_t per_channel(struct pln_emit *emit, uint32_t v, uint32_t x)
{
    int64_t axes[PLN_MAX_RANK];
    const int rank = pln_emit_rank(emit, x);
    if (rank < 0) return pln_emit_append_ones(emit, v, pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_dims(emit, x), pln_emit_const_int(emit, 2)));
    for (int d = 2; d < rank; d++) axes[d - 2] = d - 1;
    return rank > 2 ? pln_emit_unsqueeze(emit, v, pln_emit_const_ints(emit, axes, (uint32_t)rank - 2)) : v;
}

/* x as [n, groups, rest], standardized over the rest. scale and bias: opset 18 one number a group, from 21 on one a channel. */
static void group_norm(struct pln_emit *emit, bool by_group, int64_t stash_type)
{
    uint32_t x = pln_emit_need(emit, 0), scale = pln_emit_need(emit, 1), bias = pln_emit_need(emit, 2);
    int64_t groups = pln_emit_int(emit, "num_groups", 0), channels;
    if (groups < 1 || (pln_emit_extent(emit, x, 1, &channels) && channels % groups != 0))
        pln_emit_fail(emit, PLN_BAD_MODEL, "num_groups is %lld, which does not divide the channels", (long long)groups);
    enum pln_dtype dtype = pln_emit_dtype(emit, x);
    uint32_t grouped = pln_emit_cast(emit, pln_emit_standardize(emit, stash(emit, x, stash_type), groups, epsilon_of(emit)), dtype), y = grouped;
    uint32_t shape = pln_emit_shape(emit, x);
    if (!by_group) y = pln_emit_reshape(emit, y, shape);
    y = pln_emit_ew2(emit, PLN_EW_MUL, y, per_channel(emit, scale, by_group ? grouped : x));
    y = pln_emit_ew2(emit, PLN_EW_ADD, y, per_channel(emit, bias, by_group ? grouped : x));
    pln_emit_bind(emit, 0, by_group ? pln_emit_reshape(emit, y, shape) : y);
}

void pln_onnx_group_norm_18(struct pln_emit *emit)
{
    group_norm(emit, true, 0);
}

void pln_onnx_group_norm(struct pln_emit *emit)
{
    group_norm(emit, false, pln_emit_int(emit, "stash_type", 1));
}

/* x / sqrt(mean(x^2) + epsilon) * scale over the axes from `axis` on, of the scale's type; the op's operands are of one type. */
void pln_onnx_rms_norm(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0), scale = pln_emit_need(emit, 1);
    enum pln_dtype dtype = pln_emit_dtype(emit, x), scale_dtype = pln_emit_dtype(emit, scale);
    if (pln_emit_knows("RMSNormalization") && dtype == scale_dtype) {
        pln_onnx_direct(emit);
        return;
    }
    uint32_t wide = stash(emit, x, pln_emit_int(emit, "stash_type", 1));
    uint32_t last = pln_emit_axes_from(emit, x, pln_emit_int(emit, "axis", -1));
    uint32_t mean = pln_emit_reduce(emit, PLN_REDUCE_MEAN, pln_emit_ew2(emit, PLN_EW_MUL, wide, wide), last, true);
    uint32_t root = pln_emit_ew1(emit, PLN_EW_SQRT, pln_emit_ew2(emit, PLN_EW_ADD, mean, pln_emit_const_like(emit, wide, epsilon_of(emit))));
    uint32_t y = pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_DIV, wide, root), dtype);
    pln_emit_bind(emit, 0, pln_emit_ew2(emit, PLN_EW_MUL, pln_emit_cast(emit, y, scale_dtype), scale));
}

/* x / norm, and zero where the norm is zero. */
void pln_onnx_lp_normalization(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0);
    int64_t p = pln_emit_int(emit, "p", 2);
    if (p != 1 && p != 2) pln_emit_fail(emit, PLN_BAD_MODEL, "p is %lld, neither 1 nor 2", (long long)p);
    uint32_t axes = pln_emit_const_int(emit, pln_emit_int(emit, "axis", -1));
    uint32_t norm = pln_emit_reduce(emit, p == 1 ? PLN_REDUCE_L1 : PLN_REDUCE_L2, x, axes, true);
    uint32_t none = pln_emit_ew2(emit, PLN_EW_EQUAL, norm, pln_emit_const_like(emit, x, 0));
    uint32_t by = pln_emit_ew3(emit, PLN_EW_WHERE, none, pln_emit_const_like(emit, x, 1), norm);
    pln_emit_bind(emit, 0, pln_emit_ew2(emit, PLN_EW_DIV, x, by));
}

/* (x - mean) / (deviation + 1e-9): the number is that of the function body in the ONNX text. */
void pln_onnx_mean_variance_normalization(struct pln_emit *emit)
{
    const int64_t *given, usual[] = { 0, 2, 3 };
    uint32_t x = pln_emit_need(emit, 0), n = pln_emit_int_list(emit, "axes", &given);
    uint32_t axes = pln_emit_has_attr(emit, "axes") ? pln_emit_const_ints(emit, given, n) : pln_emit_const_ints(emit, usual, 3);
    uint32_t distance = pln_emit_ew2(emit, PLN_EW_SUB, x, pln_emit_reduce(emit, PLN_REDUCE_MEAN, x, axes, true));
    uint32_t var = pln_emit_reduce(emit, PLN_REDUCE_MEAN, pln_emit_ew2(emit, PLN_EW_MUL, distance, distance), axes, true);
    uint32_t deviation = pln_emit_ew2(emit, PLN_EW_ADD, pln_emit_ew1(emit, PLN_EW_SQRT, var), pln_emit_const_like(emit, x, 1e-9));
    pln_emit_bind(emit, 0, pln_emit_ew2(emit, PLN_EW_DIV, distance, deviation));
}

/* x / (bias + alpha / size * sum of squares over `size` channels around)^beta. The mean of squares is an average pool over the
 * channels of x^2[n,1,c,rest] that counts its padding. */
void pln_onnx_lrn(struct pln_emit *emit)
{
    if (pln_emit_knows("LRN")) {
        pln_onnx_direct(emit);
        return;
    }
    uint32_t x = pln_emit_need(emit, 0);
    int64_t size = pln_emit_int(emit, "size", 0);
    if (size < 1) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "size is %lld", (long long)size);
        return;
    }
    uint32_t squares = pln_emit_ew2(emit, PLN_EW_MUL, x, x);
    uint32_t pixels = pln_emit_reduce(emit, PLN_REDUCE_PROD, pln_emit_shape_part(emit, x, 2, INT64_MAX), pln_emit_const_int(emit, 0), true); /* not -1: it may be none */
    uint32_t image = pln_emit_concat(emit, (uint32_t[]){ pln_emit_dim(emit, x, 0), pln_emit_const_int(emit, 1), pln_emit_dim(emit, x, 1), pixels }, 4, 0);
    uint32_t channels = pln_emit_reshape_as(emit, squares, image);
    uint32_t node = pln_emit_begin(emit, PLN_OP_POOL, PLN_POOL_AVERAGE, &channels, 1, 1);
    pln_emit_set_ints(emit, node, "kernel_shape", (int64_t[]){ size, 1 }, 2);
    pln_emit_set_ints(emit, node, "pads", (int64_t[]){ (size - 1) / 2, 0, size / 2, 0 }, 4);
    pln_emit_set_int(emit, node, "count_include_pad", 1);
    uint32_t mean = pln_emit_reshape_as(emit, pln_emit_end(emit, node), pln_emit_shape(emit, x));
    uint32_t scaled = pln_emit_ew2(emit, PLN_EW_MUL, mean, pln_emit_const_like(emit, x, pln_emit_float(emit, "alpha", 1e-4f)));
    uint32_t base = pln_emit_ew2(emit, PLN_EW_ADD, scaled, pln_emit_const_like(emit, x, pln_emit_float(emit, "bias", 1.0f)));
    uint32_t power = pln_emit_ew2(emit, PLN_EW_POW, base, pln_emit_const_like(emit, x, pln_emit_float(emit, "beta", 0.75f)));
    pln_emit_bind(emit, 0, pln_emit_ew2(emit, PLN_EW_DIV, x, power));
}
