/* com.microsoft: activations and normalizations. In f16 and bf16 sums of several operands are made in f32 and rounded once, as ONNX Runtime's kernels do. */
#include <string.h>

#include "onnx/ms.h"

/* ---- activations ---- */

/* GELU of x + bias, and back to x's type. */
static void bind_gelu(struct pln_emit *emit, enum pln_ew kind, uint32_t x, uint32_t bias)
{
    uint32_t sum = bias == PLN_NONE ? x : pln_emit_ew2(emit, PLN_EW_ADD, pln_ms_wide(emit, x), pln_ms_wide(emit, bias));
    pln_emit_bind(emit, 0, pln_emit_cast(emit, pln_emit_ew1(emit, kind, sum), pln_emit_dtype(emit, x)));
}

void pln_onnx_ms_gelu(struct pln_emit *emit)
{
    bind_gelu(emit, PLN_EW_GELU, pln_emit_need(emit, 0), PLN_NONE);
}

/* The form with tanh; its constants, rounded in the ONNX Runtime text, are those of Gelu-20. */
void pln_onnx_ms_fast_gelu(struct pln_emit *emit)
{
    pln_ms_check_rank(emit, 1, 1, 1);
    bind_gelu(emit, PLN_EW_GELU_TANH, pln_emit_need(emit, 0), pln_emit_in(emit, 1));
}

void pln_onnx_ms_bias_gelu(struct pln_emit *emit)
{
    pln_ms_check_rank(emit, 1, 1, 1);
    bind_gelu(emit, PLN_EW_GELU, pln_emit_need(emit, 0), pln_emit_need(emit, 1));
}

static uint32_t swish(struct pln_emit *emit, uint32_t x, float alpha)
{
    uint32_t node = pln_emit_begin(emit, PLN_OP_ELEMENTWISE, PLN_EW_SWISH, &x, 1, 1);
    pln_emit_set_float(emit, node, "alpha", alpha);
    return pln_emit_end(emit, node);
}

void pln_onnx_ms_quick_gelu(struct pln_emit *emit)
{
    pln_emit_bind(emit, 0, swish(emit, pln_emit_need(emit, 0), pln_emit_float(emit, "alpha", 1.702f)));
}

/* x + bias in two halves: left * gelu(right). */
void pln_onnx_ms_bias_split_gelu(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0), bias = pln_emit_need(emit, 1);
    pln_ms_check_rank(emit, 0, 1, PLN_MAX_RANK);
    pln_ms_check_rank(emit, 1, 1, 1);
    uint32_t sum = pln_emit_ew2(emit, PLN_EW_ADD, pln_ms_wide(emit, x), pln_ms_wide(emit, bias));
    uint32_t node = pln_emit_begin(emit, PLN_OP_SPLIT, 0, &sum, 1, 2);
    pln_emit_set_int(emit, node, "axis", -1);
    pln_emit_set_int(emit, node, "num_outputs", 2);
    uint32_t left = pln_emit_end(emit, node), right = pln_emit_output(emit, node, 1);
    uint32_t y = pln_ms_mul(emit, left, pln_emit_ew1(emit, PLN_EW_GELU, right));
    pln_emit_bind(emit, 0, pln_emit_cast(emit, y, pln_emit_dtype(emit, x)));
}

/* ---- over the last axes ---- */

/* LayerNormalization of x (which may be wider than the node's type) into outputs 0, mean and inverse deviation into 1 and 2. */
static void bind_layer_norm(struct pln_emit *emit, uint32_t x, uint32_t gamma, uint32_t beta, enum pln_dtype dtype, bool statistics)
{
    enum pln_dtype inner = pln_emit_dtype(emit, x);
    uint32_t inputs[3] = { x, pln_emit_cast(emit, gamma, inner), beta == PLN_NONE ? PLN_NONE : pln_emit_cast(emit, beta, inner) };
    bool more = statistics && (pln_emit_wants(emit, 1) || pln_emit_wants(emit, 2));
    uint32_t node = pln_emit_begin_named(emit, "LayerNormalization", inputs, beta == PLN_NONE ? 2 : 3, more ? 3 : 1);
    pln_emit_set_float(emit, node, "epsilon", pln_emit_float(emit, "epsilon", 1e-12f));
    pln_emit_bind(emit, 0, pln_emit_cast(emit, pln_emit_end(emit, node), dtype));
    if (!more) return;
    pln_emit_bind(emit, 1, pln_emit_output(emit, node, 1));
    pln_emit_bind(emit, 2, pln_emit_output(emit, node, 2));
}

/* x / sqrt(mean(x^2) + epsilon) over the axes from `axis` on, in x's type; the reciprocal root into *out_inverse. */
static uint32_t rms_norm(struct pln_emit *emit, uint32_t x, int64_t axis, double epsilon, uint32_t *out_inverse)
{
    uint32_t axes = axis == -1 ? pln_emit_const_int(emit, -1) : pln_emit_axes_from(emit, x, axis);
    uint32_t mean = pln_emit_reduce(emit, PLN_REDUCE_MEAN, pln_ms_mul(emit, x, x), axes, true);
    uint32_t root = pln_emit_ew1(emit, PLN_EW_SQRT, pln_emit_ew2(emit, PLN_EW_ADD, mean, pln_emit_const_like(emit, x, epsilon)));
    if (out_inverse) *out_inverse = pln_emit_ew1(emit, PLN_EW_RECIPROCAL, root);
    return pln_emit_ew2(emit, PLN_EW_DIV, x, root);
}

/* RMSNormalization, the result of the scale's type. Output 1: the reciprocal root, in stash_type. */
void pln_onnx_ms_simplified_layer_norm(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0), scale = pln_emit_need(emit, 1), inverse = PLN_NONE;
    int64_t stash = pln_emit_int(emit, "stash_type", PLN_F32);
    if (stash != PLN_F32 && stash != PLN_F64) pln_emit_fail(emit, PLN_BAD_MODEL, "stash_type is %lld, neither 1 (f32) nor 11 (f64)", (long long)stash);
    uint32_t wide = pln_ms_wide(emit, x);
    if (stash == PLN_F64) wide = pln_emit_cast(emit, wide, PLN_F64);
    uint32_t y = rms_norm(emit, wide, pln_emit_int(emit, "axis", -1), pln_emit_float(emit, "epsilon", 1e-5f), pln_emit_wants(emit, 1) ? &inverse : NULL);
    y = pln_ms_mul(emit, y, pln_emit_cast(emit, scale, pln_emit_dtype(emit, wide)));
    pln_emit_bind(emit, 0, pln_emit_cast(emit, y, pln_emit_dtype(emit, scale)));
    if (inverse != PLN_NONE) pln_emit_bind(emit, 1, pln_emit_cast(emit, inverse, (enum pln_dtype)stash));
}

/* input + skip + bias, where skip may lack the batch; bound to output 3. */
static uint32_t skip_sum(struct pln_emit *emit, uint32_t bias_input)
{
    uint32_t x = pln_emit_need(emit, 0), skip = pln_emit_need(emit, 1);
    int rank = pln_emit_rank(emit, x);
    pln_ms_check_rank(emit, 0, 1, PLN_MAX_RANK);
    pln_ms_check_rank(emit, 1, 1, rank < 0 ? PLN_MAX_RANK : rank);
    for (uint32_t i = 2; i <= bias_input; i++) pln_ms_check_rank(emit, i, 1, 1);
    uint32_t sum = pln_emit_ew2(emit, PLN_EW_ADD, pln_ms_wide(emit, x), pln_ms_wide(emit, skip));
    sum = pln_ms_add(emit, sum, pln_ms_wide(emit, pln_emit_in(emit, bias_input)));
    if (pln_emit_wants(emit, 3)) pln_emit_bind(emit, 3, pln_emit_cast(emit, sum, pln_emit_dtype(emit, x)));
    return sum;
}

void pln_onnx_ms_skip_layer_norm(struct pln_emit *emit)
{
    enum pln_dtype dtype = pln_emit_dtype(emit, pln_emit_need(emit, 0));
    bind_layer_norm(emit, skip_sum(emit, 4), pln_emit_need(emit, 2), pln_emit_in(emit, 3), dtype, true);
}

/* Without a mean: output 1 has none. */
void pln_onnx_ms_skip_simplified_layer_norm(struct pln_emit *emit)
{
    uint32_t sum = skip_sum(emit, 3), inverse = PLN_NONE;
    enum pln_dtype dtype = pln_emit_dtype(emit, pln_emit_need(emit, 0));
    if (pln_emit_wants(emit, 1)) pln_emit_fail(emit, PLN_UNSUPPORTED, "output 1, the mean, is nothing that this operator computes");
    uint32_t y = rms_norm(emit, sum, -1, pln_emit_float(emit, "epsilon", 1e-12f), pln_emit_wants(emit, 2) ? &inverse : NULL);
    y = pln_ms_mul(emit, y, pln_ms_wide(emit, pln_emit_need(emit, 2)));
    pln_emit_bind(emit, 0, pln_emit_cast(emit, y, dtype));
    if (inverse != PLN_NONE) pln_emit_bind(emit, 2, inverse);
}

/* ---- embedding ---- */

/* How many elements of each row of mask[b,s] are 1; without a mask 0. */
static uint32_t mask_index(struct pln_emit *emit, uint32_t mask, uint32_t ids)
{
    if (mask == PLN_NONE) return pln_emit_expand(emit, pln_emit_const_number(emit, PLN_I32, 0), pln_emit_dim(emit, ids, 0));
    uint32_t ones = pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_EQUAL, mask, pln_emit_const_like(emit, mask, 1)), PLN_I32);
    return pln_emit_reduce(emit, PLN_REDUCE_SUM, ones, pln_emit_const_int(emit, 1), false);
}

struct embedding {
    uint32_t ids, segments, positions;       /* [b,s], positions also [1,s]; PLN_NONE: no segments, the position of the token */
    uint32_t words, places, kinds;           /* tables of words, positions and segments */
    uint32_t gamma, beta, mask;
};

/* Rows of word, position and segment embeddings added and normalized. */
static void embed(struct pln_emit *emit, const struct embedding *e)
{
    uint32_t positions = e->positions;
    if ((e->segments == PLN_NONE) != (e->kinds == PLN_NONE)) pln_emit_fail(emit, PLN_BAD_MODEL, "segment_ids and segment_embedding go together");
    if (positions == PLN_NONE) positions = pln_emit_range(emit, pln_ms_scalar(emit, pln_emit_dim(emit, e->ids, 1)));
    uint32_t sum = pln_ms_wide(emit, pln_emit_gather(emit, e->words, e->ids, 0));
    sum = pln_ms_add(emit, sum, pln_ms_wide(emit, pln_emit_gather(emit, e->places, positions, 0)));
    if (e->segments != PLN_NONE) sum = pln_ms_add(emit, sum, pln_ms_wide(emit, pln_emit_gather(emit, e->kinds, e->segments, 0)));
    enum pln_dtype dtype = pln_emit_dtype(emit, e->words);
    bind_layer_norm(emit, sum, e->gamma, e->beta, dtype, false);
    if (pln_emit_wants(emit, 1)) pln_emit_bind(emit, 1, mask_index(emit, e->mask, e->ids));
    if (pln_emit_wants(emit, 2)) pln_emit_bind(emit, 2, pln_emit_cast(emit, sum, dtype));
}

static void check_embed_ranks(struct pln_emit *emit)
{
    static const int ranks[] = { 2, 2, 2, 2, 2, 1, 1, 2 };
    for (uint32_t i = 0; i < PLN_COUNT_OF(ranks); i++) pln_ms_check_rank(emit, i, ranks[i], ranks[i]);
}

void pln_onnx_ms_embed_layer_norm(struct pln_emit *emit)
{
    check_embed_ranks(emit);
    pln_ms_check_rank(emit, 8, 2, 2);
    embed(emit, &(struct embedding){ .ids = pln_emit_need(emit, 0), .segments = pln_emit_in(emit, 1), .words = pln_emit_need(emit, 2), .places = pln_emit_need(emit, 3), .kinds = pln_emit_in(emit, 4),
                                     .gamma = pln_emit_need(emit, 5), .beta = pln_emit_need(emit, 6), .mask = pln_emit_in(emit, 7), .positions = pln_emit_in(emit, 8) });
}

/* Its tables, gamma and beta are inputs 2 … 6, their scales 8 … 12, their zero points 13 … 17. Tables are dequantized as a whole: as constants now, else in each run. */
void pln_onnx_ms_q_embed_layer_norm(struct pln_emit *emit)
{
    uint32_t values[5];
    check_embed_ranks(emit);
    for (uint32_t i = 8; i < 18; i++) pln_ms_check_rank(emit, i, 0, 1);
    for (uint32_t i = 0; i < 5; i++) {
        values[i] = pln_emit_in(emit, 2 + i);
        if (values[i] != PLN_NONE) values[i] = pln_ms_dequantize(emit, values[i], pln_emit_need(emit, 8 + i), pln_emit_need(emit, 13 + i));
    }
    embed(emit, &(struct embedding){ .ids = pln_emit_need(emit, 0), .segments = pln_emit_in(emit, 1), .words = values[0], .places = values[1], .kinds = values[2],
                                     .gamma = values[3], .beta = values[4], .mask = pln_emit_in(emit, 7), .positions = PLN_NONE });
}

/* ---- groups of channels ---- */

/* GroupNorm: x[n,h,w,c], or [n,c,h,w] with channels_last=0; SiLU behind it if activation is 1. */
void pln_onnx_ms_group_norm(struct pln_emit *emit)
{
    static const int64_t to_first[] = { 0, 3, 1, 2 }, to_last[] = { 0, 2, 3, 1 }, axes[] = { 1, 2 };
    uint32_t x = pln_emit_need(emit, 0);
    int64_t groups = pln_emit_int(emit, "groups", 0), activation = pln_emit_int(emit, "activation", 0), channels;
    bool last = pln_emit_int(emit, "channels_last", 1) != 0;
    pln_ms_check_rank(emit, 0, 4, 4);
    for (uint32_t i = 1; i < 3; i++) pln_ms_check_rank(emit, i, 1, 1);
    if (activation != 0 && activation != 1) pln_emit_fail(emit, PLN_BAD_MODEL, "activation is %lld, neither 0 (none) nor 1 (SiLU)", (long long)activation);
    if (groups < 1 || (pln_emit_extent(emit, x, last ? 3 : 1, &channels) && channels % groups != 0)) pln_emit_fail(emit, PLN_BAD_MODEL, "groups is %lld, which does not divide the channels", (long long)groups);
    uint32_t y = pln_ms_wide(emit, x), gamma = pln_ms_wide(emit, pln_emit_need(emit, 1)), beta = pln_ms_wide(emit, pln_emit_need(emit, 2));
    if (last) y = pln_emit_transpose(emit, y, to_first, 4);
    y = pln_emit_reshape_as(emit, pln_emit_standardize(emit, y, groups, pln_emit_float(emit, "epsilon", 1e-5f)), pln_emit_shape(emit, y));
    y = pln_ms_mul(emit, y, pln_emit_unsqueeze(emit, gamma, pln_emit_const_ints(emit, axes, 2)));
    y = pln_ms_add(emit, y, pln_emit_unsqueeze(emit, beta, pln_emit_const_ints(emit, axes, 2)));
    if (activation) y = swish(emit, y, 1.0f);
    if (last) y = pln_emit_transpose(emit, y, to_last, 4);
    pln_emit_bind(emit, 0, pln_emit_cast(emit, y, pln_emit_dtype(emit, x)));
}
