/* LinearAttention and CausalConvWithState (opset 27), written out as their function bodies in the ONNX text are. */
#include <string.h>

#include "onnx/body.h"
#include "onnx/opset.h"

/* ---- CausalConvWithState: x[b,c,t], weight[c,1,k] ---- */

/* x behind the state, or behind k - 1 zeros. */
static uint32_t padded_input(struct pln_emit *emit, uint32_t x, uint32_t state, uint32_t kept)
{
    if (state == PLN_NONE) {
        uint32_t shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, x, 0, 2), kept }, 2, 0);
        state = pln_emit_expand(emit, pln_emit_const_like(emit, x, 0), shape);
    }
    return pln_emit_concat(emit, (uint32_t[]){ state, x }, 2, 2);
}

/* Of channels whose number only the run knows: each output element is a sum over k elements of its row. */
static uint32_t depthwise_rows(struct pln_emit *emit, uint32_t x, uint32_t weight, uint32_t bias, uint32_t kept)
{
    uint32_t steps = pln_emit_squeeze(emit, pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_dim(emit, x, 2), kept), pln_emit_const_int(emit, 0));
    uint32_t taps = pln_emit_squeeze(emit, pln_emit_dim(emit, weight, 2), pln_emit_const_int(emit, 0));
    uint32_t places = pln_emit_ew2(emit, PLN_EW_ADD, pln_emit_unsqueeze_at(emit, pln_emit_range(emit, steps), 1), pln_emit_range(emit, taps));
    uint32_t windows = pln_emit_cast(emit, pln_emit_gather(emit, x, places, 2), PLN_F32);
    uint32_t products = pln_emit_ew2(emit, PLN_EW_MUL, windows, pln_emit_cast(emit, weight, PLN_F32));
    uint32_t y = pln_emit_reduce(emit, PLN_REDUCE_SUM, products, pln_emit_const_int(emit, -1), false);
    if (bias != PLN_NONE) y = pln_emit_ew2(emit, PLN_EW_ADD, y, pln_emit_unsqueeze_at(emit, pln_emit_cast(emit, bias, PLN_F32), 1));
    return pln_emit_cast(emit, y, pln_emit_dtype(emit, x));
}

static uint32_t depthwise(struct pln_emit *emit, uint32_t x, uint32_t weight, uint32_t bias, uint32_t kept)
{
    int64_t channels;
    if (!pln_emit_extent(emit, weight, 0, &channels) && !pln_emit_extent(emit, x, 1, &channels)) return depthwise_rows(emit, x, weight, bias, kept);
    uint32_t node = pln_emit_begin_named(emit, "Conv", (uint32_t[]){ x, weight, bias }, bias == PLN_NONE ? 2 : 3, 1);
    pln_emit_set_int(emit, node, "group", channels);
    return pln_emit_end(emit, node);
}

void pln_onnx_causal_conv(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0), weight = pln_emit_need(emit, 1);
    const char *activation = pln_emit_string(emit, "activation", "none");
    bool silu = strcmp(activation, "silu") == 0 || strcmp(activation, "swish") == 0;
    if (!silu && strcmp(activation, "none") != 0) pln_emit_fail(emit, PLN_BAD_MODEL, "activation is '%s'", activation);
    uint32_t kept = pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_dim(emit, weight, 2), pln_emit_const_int(emit, 1));
    uint32_t all = padded_input(emit, x, pln_emit_in(emit, 3), kept);
    uint32_t y = depthwise(emit, all, weight, pln_emit_in(emit, 2), kept);
    if (silu) {
        uint32_t wide = pln_emit_cast(emit, y, PLN_F32);
        y = pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_MUL, wide, pln_emit_ew1(emit, PLN_EW_SIGMOID, wide)), pln_emit_dtype(emit, x));
    }
    uint32_t end = pln_emit_dim(emit, all, 2), start = pln_emit_ew2(emit, PLN_EW_SUB, end, kept);
    pln_emit_bind(emit, 0, y);
    pln_emit_bind(emit, 1, pln_emit_slice(emit, all, start, end, pln_emit_const_int(emit, 2), PLN_NONE));
}

/* ---- LinearAttention ---- */

/* q, k, v, decay, beta: [t,b,heads,…]; decay and beta PLN_NONE where the rule has none. */
struct linear {
    uint32_t q, k, v, decay, beta, scale;
    uint32_t read_shape, group_shape; /* the state for every query head; PLN_NONE: there are as many */
    bool delta;
};

/* x[b,t,h*d] to [t,b,h,d]. */
static uint32_t by_step(struct pln_emit *emit, uint32_t x, int64_t heads, int64_t width)
{
    static const int64_t perm[] = { 1, 0, 2, 3 };
    if (x == PLN_NONE) return PLN_NONE;
    return pln_emit_transpose(emit, pln_emit_reshape_to(emit, x, (int64_t[]){ 0, 0, heads, width }, 4), perm, 4);
}

static uint32_t step_of(struct pln_emit *emit, uint32_t x, uint32_t i)
{
    return pln_emit_cast(emit, pln_emit_gather(emit, x, i, 0), PLN_F32);
}

/* What is added to the state: k_t (outer) v_t, or the part of v_t that the state does not give for k_t already. */
static uint32_t update(struct pln_emit *emit, const struct linear *linear, uint32_t state, uint32_t i)
{
    static const int64_t flip[] = { 0, 1, 3, 2 };
    uint32_t column = pln_emit_unsqueeze_at(emit, step_of(emit, linear->k, i), -1), write = step_of(emit, linear->v, i);
    if (linear->delta) {
        uint32_t given = pln_emit_matmul(emit, pln_emit_transpose(emit, state, flip, 4), column);
        write = pln_emit_ew2(emit, PLN_EW_SUB, write, pln_emit_squeeze(emit, given, pln_emit_const_int(emit, -1)));
        if (linear->beta != PLN_NONE) write = pln_emit_ew2(emit, PLN_EW_MUL, step_of(emit, linear->beta, i), write);
    }
    return pln_emit_matmul(emit, column, pln_emit_unsqueeze_at(emit, write, -2));
}

static uint32_t read_out(struct pln_emit *emit, const struct linear *linear, uint32_t state, uint32_t i)
{
    if (linear->read_shape != PLN_NONE) {
        uint32_t grouped = pln_emit_expand(emit, pln_emit_unsqueeze_at(emit, state, 2), linear->group_shape);
        state = pln_emit_reshape(emit, grouped, linear->read_shape);
    }
    uint32_t row = pln_emit_unsqueeze_at(emit, step_of(emit, linear->q, i), -2);
    uint32_t out = pln_emit_squeeze(emit, pln_emit_matmul(emit, row, state), pln_emit_const_int(emit, -2));
    return pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_MUL, linear->scale, out), pln_emit_dtype(emit, linear->q));
}

static void fill_step(struct pln_emit *emit, const struct pln_body_loop *loop, uint32_t block, const uint32_t *body_inputs)
{
    const struct linear *linear = loop->user;
    uint32_t outer = emit->block, i = body_inputs[0], state = body_inputs[2];
    emit->block = block;
    if (linear->decay != PLN_NONE) {
        uint32_t kept = pln_emit_ew1(emit, PLN_EW_EXP, step_of(emit, linear->decay, i));
        state = pln_emit_ew2(emit, PLN_EW_MUL, state, pln_emit_unsqueeze_at(emit, kept, -1));
    }
    state = pln_emit_ew2(emit, PLN_EW_ADD, state, update(emit, linear, state, i));
    uint32_t out = read_out(emit, linear, state, i);
    pln_body_output(emit, block, pln_emit_identity(emit, body_inputs[1]));
    pln_body_output(emit, block, state);
    pln_body_output(emit, block, out);
    emit->block = outer;
}

/* 1 / sqrt(d_k) unless given. */
static uint32_t scale_of(struct pln_emit *emit, uint32_t d_k)
{
    float scale = pln_emit_float(emit, "scale", 0);
    if (scale != 0) return pln_emit_const_number(emit, PLN_F32, scale);
    uint32_t width = pln_emit_cast(emit, pln_emit_squeeze(emit, d_k, pln_emit_const_int(emit, 0)), PLN_F32);
    return pln_emit_ew1(emit, PLN_EW_RECIPROCAL, pln_emit_ew1(emit, PLN_EW_SQRT, width));
}

/* The rule's name tells which of decay and beta count. */
static bool read_rule(struct pln_emit *emit, bool *out_gated, bool *out_delta)
{
    const char *rule = pln_emit_string(emit, "update_rule", "gated_delta");
    *out_gated = strcmp(rule, "gated") == 0 || strcmp(rule, "gated_delta") == 0;
    *out_delta = strcmp(rule, "delta") == 0 || strcmp(rule, "gated_delta") == 0;
    if (!*out_gated && !*out_delta && strcmp(rule, "linear") != 0) pln_emit_fail(emit, PLN_BAD_MODEL, "update_rule is '%s'", rule);
    return emit->status == PLN_OK;
}

void pln_onnx_linear_attention(struct pln_emit *emit)
{
    static const int64_t perm[] = { 1, 0, 2, 3 };
    struct linear linear = { .read_shape = PLN_NONE, .group_shape = PLN_NONE };
    uint32_t q = pln_emit_need(emit, 0), k = pln_emit_need(emit, 1), v = pln_emit_need(emit, 2), past = pln_emit_in(emit, 3);
    int64_t q_heads = pln_emit_int(emit, "q_num_heads", 0), heads = pln_emit_int(emit, "kv_num_heads", 0);
    bool gated;
    if (heads < 1 || q_heads < heads || q_heads % heads != 0) pln_emit_fail(emit, PLN_BAD_MODEL, "q_num_heads is no multiple of kv_num_heads");
    if (!read_rule(emit, &gated, &linear.delta)) return;
    uint32_t batch = pln_emit_dim(emit, q, 0), h = pln_emit_const_int(emit, heads), hq = pln_emit_const_int(emit, q_heads);
    uint32_t d_k = pln_emit_ew2(emit, PLN_EW_DIV, pln_emit_dim(emit, q, 2), hq), d_v = pln_emit_ew2(emit, PLN_EW_DIV, pln_emit_dim(emit, v, 2), h);
    linear.q = by_step(emit, q, q_heads, -1);
    linear.k = by_step(emit, k, heads, -1);
    linear.v = by_step(emit, v, heads, -1);
    linear.decay = gated ? by_step(emit, pln_emit_in(emit, 4), heads, -1) : PLN_NONE;
    linear.beta = linear.delta ? by_step(emit, pln_emit_in(emit, 5), -1, 1) : PLN_NONE;
    linear.scale = scale_of(emit, d_k);
    if (q_heads != heads) {
        linear.group_shape = pln_emit_concat(emit, (uint32_t[]){ batch, h, pln_emit_const_int(emit, q_heads / heads), d_k, d_v }, 5, 0);
        linear.read_shape = pln_emit_concat(emit, (uint32_t[]){ batch, hq, d_k, d_v }, 4, 0);
    }
    uint32_t shape = pln_emit_concat(emit, (uint32_t[]){ batch, h, d_k, d_v }, 4, 0);
    uint32_t state = past == PLN_NONE ? pln_emit_expand(emit, pln_emit_const_number(emit, PLN_F32, 0), shape) : pln_emit_cast(emit, past, PLN_F32);
    uint32_t steps = pln_emit_squeeze(emit, pln_emit_dim(emit, q, 1), pln_emit_const_int(emit, 0));
    uint32_t inputs[3] = { steps, pln_emit_const_number(emit, PLN_BOOL, 1), state };
    struct pln_body_loop loop = { .inputs = inputs, .n_carried = 1, .n_outputs = 2, .fill = fill_step, .whole = true, .user = &linear };
    uint32_t node = pln_body_loop(emit, &loop);
    uint32_t rows = pln_emit_transpose(emit, pln_emit_output(emit, node, 1), perm, 4);
    pln_emit_bind(emit, 0, pln_emit_reshape_to(emit, rows, (int64_t[]){ 0, 0, -1 }, 3));
    pln_emit_bind(emit, 1, pln_emit_cast(emit, pln_emit_output(emit, node, 0), pln_emit_dtype(emit, q)));
}
