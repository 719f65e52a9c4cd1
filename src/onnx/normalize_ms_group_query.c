/* com.microsoft: GroupQueryAttention and RotaryEmbedding, as models for text generation have them.
 *
 * A cache is [b,heads,capacity,size], written at each row's own length. What the row has before this run is past[b]: nothing in the first run (when the
 * rows of the query are all there is), else seqlens_k[b] + 1 - s. The new rows go to past[b] …, which TensorScatter says; a mask
 * tells what a query sees. Rows of padding at the end of a first run are computed like others. */
#include <math.h>
#include <string.h>

#include "onnx/ms.h"

struct group_query {
    int64_t heads, kv_heads, window; /* window 0: none */
    bool causal;
    uint32_t q, k, v;            /* [b,n,s,h] */
    uint32_t past_key, past_value;
    uint32_t fresh, total;       /* i64[1]: s, and the longest row behind this run */
    uint32_t lengths, past;      /* i64[b]: of each row behind this run, and before it */
    uint32_t is_first;           /* bool[1] */
    enum pln_dtype stored;       /* of caches in few bits; PLN_DTYPE_NONE: as q */
    uint32_t present_key, present_value;
    uint32_t keys, values;       /* the same as attention sees them */
};

/* [b,s,n*h] to [b,s,n,h]. */
static uint32_t split_heads(struct pln_emit *emit, uint32_t x, int64_t heads)
{
    uint32_t n = pln_emit_const_int(emit, heads), width = pln_emit_ew2(emit, PLN_EW_DIV, pln_emit_dim(emit, x, 2), n);
    return pln_emit_reshape_as(emit, x, pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, x, 0, 2), n, width }, 3, 0));
}

/* x / sqrt(mean(x^2) + epsilon) * weight for every head; x itself without a weight. */
static uint32_t norm_heads(struct pln_emit *emit, uint32_t x, uint32_t weight)
{
    if (weight == PLN_NONE) return x;
    uint32_t wide = pln_ms_wide(emit, x);
    uint32_t mean = pln_emit_reduce(emit, PLN_REDUCE_MEAN, pln_ms_mul(emit, wide, wide), pln_emit_const_int(emit, -1), true);
    uint32_t shifted = pln_emit_ew2(emit, PLN_EW_ADD, mean, pln_emit_const_like(emit, wide, pln_emit_float(emit, "qk_norm_epsilon", 1e-6f)));
    uint32_t y = pln_emit_ew2(emit, PLN_EW_DIV, wide, pln_emit_ew1(emit, PLN_EW_SQRT, shifted));
    return pln_emit_cast(emit, pln_ms_mul(emit, y, pln_ms_wide(emit, weight)), pln_emit_dtype(emit, x));
}

/* Query, key and value, which may stand behind each other in input 0. */
static void read_operands(struct pln_emit *emit, struct group_query *a)
{
    static const int64_t perm[] = { 0, 2, 1, 3 };
    uint32_t q = pln_emit_need(emit, 0), k = pln_emit_in(emit, 1), v = pln_emit_in(emit, 2);
    if ((k == PLN_NONE) != (v == PLN_NONE)) pln_emit_fail(emit, PLN_BAD_MODEL, "key and value go together");
    if (k == PLN_NONE && emit->status == PLN_OK) {
        uint32_t width = pln_emit_ew2(emit, PLN_EW_DIV, pln_emit_dim(emit, q, 2), pln_emit_const_int(emit, a->heads + 2 * a->kv_heads));
        uint32_t mine = pln_ms_mul(emit, width, pln_emit_const_int(emit, a->heads)), theirs = pln_ms_mul(emit, width, pln_emit_const_int(emit, a->kv_heads));
        uint32_t inputs[2] = { q, pln_emit_concat(emit, (uint32_t[]){ mine, theirs, theirs }, 3, 0) };
        uint32_t node = pln_emit_begin(emit, PLN_OP_SPLIT, 0, inputs, 2, 3);
        pln_emit_set_int(emit, node, "axis", 2);
        q = pln_emit_end(emit, node), k = pln_emit_output(emit, node, 1), v = pln_emit_output(emit, node, 2);
    }
    a->fresh = pln_emit_dim(emit, q, 1);
    a->q = pln_emit_transpose(emit, norm_heads(emit, split_heads(emit, q, a->heads), pln_emit_in(emit, 14)), perm, 4);
    a->k = pln_emit_transpose(emit, norm_heads(emit, split_heads(emit, k, a->kv_heads), pln_emit_in(emit, 15)), perm, 4);
    a->v = pln_emit_transpose(emit, split_heads(emit, v, a->kv_heads), perm, 4);
}

static void read_lengths(struct pln_emit *emit, struct group_query *a)
{
    uint32_t zero = pln_emit_const_int(emit, 0), one = pln_emit_const_int(emit, 1), flat = pln_emit_const_int(emit, -1);
    a->lengths = pln_ms_add(emit, pln_emit_cast(emit, pln_emit_reshape(emit, pln_emit_need(emit, 5), flat), PLN_I64), one);
    a->total = pln_emit_cast(emit, pln_emit_reshape(emit, pln_emit_need(emit, 6), one), PLN_I64);
    a->is_first = pln_emit_ew2(emit, PLN_EW_EQUAL, a->total, a->fresh);
    a->past = pln_emit_ew3(emit, PLN_EW_WHERE, a->is_first, zero, pln_emit_ew2(emit, PLN_EW_SUB, a->lengths, a->fresh));
}

/* In which type the cache holds keys and values: that of the past, or by the number of bits. */
static void read_cache_type(struct pln_emit *emit, struct group_query *a)
{
    const char *key = pln_emit_string(emit, "k_quant_type", "NONE"), *value = pln_emit_string(emit, "v_quant_type", "NONE");
    int64_t bits = pln_emit_int(emit, "kv_cache_bit_width", 0);
    enum pln_dtype dtype = pln_emit_dtype(emit, pln_emit_need(emit, 0)), past = a->past_key == PLN_NONE ? PLN_DTYPE_NONE : pln_emit_dtype(emit, a->past_key);
    const bool scaled = strcmp(key, "NONE") != 0;
    a->stored = PLN_DTYPE_NONE;
    if (scaled != (strcmp(value, "NONE") != 0)) pln_emit_fail(emit, PLN_BAD_MODEL, "k_quant_type is '%s', v_quant_type '%s': caches are of one type", key, value);
    if (!scaled && past != PLN_DTYPE_NONE && past != dtype) pln_emit_fail(emit, PLN_BAD_MODEL, "a past of %s without k_quant_type", pln_dtype_name(past));
    if (!scaled) return;
    a->stored = past != PLN_DTYPE_NONE ? past : bits == 4 ? PLN_U8 : PLN_I8;
    (void)pln_emit_need(emit, 12), (void)pln_emit_need(emit, 13);
    if (pln_dtype_is_float(a->stored) ? a->stored != PLN_F8E4M3FN : bits != (a->stored == PLN_U8 ? 4 : 8))
        pln_emit_fail(emit, PLN_BAD_MODEL, "kv_cache_bit_width is %lld for a quantized cache of %s", (long long)bits, pln_dtype_name(a->stored));
}

static void read_node(struct pln_emit *emit, struct group_query *a)
{
    static const int ranks[][2] = { { 3, 3 }, { 3, 3 }, { 3, 3 }, { 4, 4 }, { 4, 4 }, { 1, 2 }, { 0, 1 }, { 2, 2 }, { 2, 2 }, { 2, 2 }, { 4, 4 }, { 1, 1 }, { 0, 4 }, { 0, 4 }, { 1, 1 }, { 1, 1 } };
    for (uint32_t i = 0; i < PLN_COUNT_OF(ranks); i++) pln_ms_check_rank(emit, i, ranks[i][0], ranks[i][1]);
    a->heads = pln_emit_int(emit, "num_heads", 0), a->kv_heads = pln_emit_int(emit, "kv_num_heads", 0);
    if (a->heads < 1 || a->heads > INT32_MAX || a->kv_heads < 1 || a->heads % a->kv_heads != 0) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "num_heads %lld is no multiple of kv_num_heads %lld", (long long)a->heads, (long long)a->kv_heads);
    }
    int64_t causal = pln_emit_int(emit, "causal", 1), window = pln_emit_int(emit, "local_window_size", -1);
    if (causal != 0 && causal != 1) pln_emit_fail(emit, PLN_BAD_MODEL, "causal is %lld, neither 0 nor 1", (long long)causal);
    if (window == 0 || window < -1 || (window > 0 && !causal)) pln_emit_fail(emit, PLN_BAD_MODEL, "local_window_size is %lld%s", (long long)window, causal ? "" : " without causal");
    a->causal = causal != 0;
    a->window = window > 0 ? window : 0;
    a->past_key = pln_emit_in(emit, 3), a->past_value = pln_emit_in(emit, 4);
    if ((a->past_key == PLN_NONE) != (a->past_value == PLN_NONE)) pln_emit_fail(emit, PLN_BAD_MODEL, "past_key and past_value go together");
    if ((pln_emit_in(emit, 14) == PLN_NONE) != (pln_emit_in(emit, 15) == PLN_NONE)) pln_emit_fail(emit, PLN_BAD_MODEL, "q_norm_weight and k_norm_weight go together");
    pln_ms_refuse(emit, "sliding_window_cache");
    read_cache_type(emit, a);
}

/* ---- rotary positions ---- */

/* offset[b or 1,1] + 0 … s-1. */
static uint32_t count_on(struct pln_emit *emit, uint32_t offset, uint32_t fresh)
{
    return pln_ms_add(emit, offset, pln_emit_range(emit, pln_ms_scalar(emit, fresh)));
}

/* In the first run given positions count on from the first of them, by the documentation; later they are taken as they are. */
static uint32_t positions(struct pln_emit *emit, const struct group_query *a)
{
    uint32_t given = pln_emit_in(emit, 9), zero = pln_emit_const_int(emit, 0), one = pln_emit_const_int(emit, 1);
    if (given == PLN_NONE) return count_on(emit, pln_emit_unsqueeze_at(emit, a->past, 1), a->fresh);
    uint32_t first = pln_emit_slice(emit, pln_emit_slice(emit, given, zero, one, zero, PLN_NONE), zero, one, one, PLN_NONE);
    return pln_emit_ew3(emit, PLN_EW_WHERE, a->is_first, count_on(emit, first, a->fresh), given);
}

/* x: [b,n,s,h], or with heads > 0 [b,s,heads*h]. cos has half as many columns as elements of a head turn. */
static uint32_t rotate(struct pln_emit *emit, uint32_t x, uint32_t cos, uint32_t sin, uint32_t ids, const char *interleaved, int64_t heads, int64_t turning)
{
    int64_t pairs = pln_emit_int(emit, interleaved, 0);
    if (pairs != 0 && pairs != 1) pln_emit_fail(emit, PLN_BAD_MODEL, "%s is %lld, neither 0 nor 1", interleaved, (long long)pairs);
    uint32_t node = pln_emit_begin_named(emit, "RotaryEmbedding", (uint32_t[]){ x, cos, sin, ids }, 4, 1);
    pln_emit_set_int(emit, node, "interleaved", pairs);
    if (heads > 0) pln_emit_set_int(emit, node, "num_heads", heads);
    if (turning > 0) pln_emit_set_int(emit, node, "rotary_embedding_dim", turning);
    return pln_emit_end(emit, node);
}

/* Where only the run knows how much of a head turns: that part by itself. */
static uint32_t rotate_part(struct pln_emit *emit, uint32_t x, uint32_t cos, uint32_t sin, uint32_t ids)
{
    uint32_t half = pln_emit_dim(emit, cos, 1), edge = pln_ms_add(emit, half, half), last = pln_emit_const_int(emit, 3);
    uint32_t turned = pln_emit_slice(emit, x, pln_emit_const_int(emit, 0), edge, last, PLN_NONE);
    uint32_t rest = pln_emit_slice(emit, x, edge, pln_emit_const_int(emit, INT64_MAX), last, PLN_NONE);
    return pln_emit_concat(emit, (uint32_t[]){ rotate(emit, turned, cos, sin, ids, "rotary_interleaved", 0, 0), rest }, 2, 3);
}

static void turn(struct pln_emit *emit, struct group_query *a)
{
    uint32_t cos = pln_emit_need(emit, 7), sin = pln_emit_need(emit, 8), ids = positions(emit, a);
    int64_t half = 0;
    bool known = pln_emit_extent(emit, cos, 1, &half) && half >= 0 && half <= INT32_MAX;
    a->q = known ? rotate(emit, a->q, cos, sin, ids, "rotary_interleaved", 0, 2 * half) : rotate_part(emit, a->q, cos, sin, ids);
    a->k = known ? rotate(emit, a->k, cos, sin, ids, "rotary_interleaved", 0, 2 * half) : rotate_part(emit, a->k, cos, sin, ids);
}

/* ---- the cache ---- */

/* The past, grown to the longest row if it has not the room, with the new rows in it. */
static uint32_t present(struct pln_emit *emit, const struct group_query *a, uint32_t past, uint32_t now)
{
    if (past == PLN_NONE) return now;
    uint32_t zero = pln_emit_const_int(emit, 0), missing = pln_emit_ew2(emit, PLN_EW_SUB, a->total, pln_emit_dim(emit, past, 2));
    missing = pln_emit_ew2(emit, PLN_EW_MAX, missing, zero);
    uint32_t shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, past, 0, 2), missing, pln_emit_dim(emit, past, 3) }, 3, 0);
    uint32_t room = pln_emit_expand(emit, pln_emit_const_like(emit, past, 0), shape);
    uint32_t buffer = pln_emit_concat(emit, (uint32_t[]){ past, room }, 2, 2);
    uint32_t node = pln_emit_begin_named(emit, "TensorScatter", (uint32_t[]){ buffer, now, a->past }, 3, 1);
    pln_emit_set_int(emit, node, "axis", 2);
    return pln_emit_end(emit, node);
}

/* ---- what the queries see ---- */

/* Which of the keys 0 … total-1: bool[b,1,s,total]. A mask, since kernels that take lengths and windows are few. */
static uint32_t seen(struct pln_emit *emit, const struct group_query *a)
{
    static const int64_t axes[] = { 1, 3 };
    uint32_t keys = pln_emit_range(emit, pln_ms_scalar(emit, a->total));
    if (!a->causal) return pln_emit_ew2(emit, PLN_EW_LESS, keys, pln_emit_unsqueeze(emit, a->lengths, pln_emit_const_ints(emit, (int64_t[]){ 1, 2, 3 }, 3)));
    uint32_t own = pln_emit_unsqueeze(emit, count_on(emit, pln_emit_unsqueeze_at(emit, a->past, 1), a->fresh), pln_emit_const_ints(emit, axes, 2));
    uint32_t keep = pln_emit_ew2(emit, PLN_EW_LESS_EQUAL, keys, own);
    if (!a->window) return keep;
    uint32_t before = pln_emit_ew2(emit, PLN_EW_SUB, own, pln_emit_const_int(emit, a->window));
    return pln_emit_ew2(emit, PLN_EW_AND, keep, pln_emit_ew2(emit, PLN_EW_GREATER, keys, before));
}

/* The bias where a key is seen, else -infinity: [b,1 or n,s,total]. */
static uint32_t seen_bias(struct pln_emit *emit, const struct group_query *a, uint32_t bias)
{
    uint32_t other = bias == PLN_NONE ? pln_emit_const_like(emit, a->q, 0) : bias;
    return pln_emit_ew3(emit, PLN_EW_WHERE, seen(emit, a), other, pln_emit_const_like(emit, a->q, -(double)INFINITY));
}

/* x[b,n,t,h] up to the longest row: what lies behind it in a buffer may be anything, NaN too, which a weight of 0 would not hide. */
static uint32_t used_rows(struct pln_emit *emit, const struct group_query *a, uint32_t x)
{
    return a->past_key == PLN_NONE ? x : pln_emit_slice(emit, x, pln_emit_const_int(emit, 0), a->total, pln_emit_const_int(emit, 2), PLN_NONE);
}

/* Keys and values into the cache. In few bits, attention sees the new ones as they are when they come out again. */
static void store(struct pln_emit *emit, struct group_query *a)
{
    uint32_t now[2] = { a->k, a->v }, scales[2] = { pln_emit_in(emit, 12), pln_emit_in(emit, 13) };
    const bool few = a->stored != PLN_DTYPE_NONE;
    for (int i = 0; i < 2 && few; i++) now[i] = pln_ms_cache_store(emit, now[i], scales[i], a->stored);
    a->present_key = a->keys = present(emit, a, a->past_key, now[0]);
    a->present_value = a->values = present(emit, a, a->past_value, now[1]);
    if (!few) return;
    const enum pln_dtype dtype = pln_emit_dtype(emit, a->q);
    a->keys = pln_ms_cache_load(emit, used_rows(emit, a, a->present_key), scales[0], dtype);
    a->values = pln_ms_cache_load(emit, used_rows(emit, a, a->present_value), scales[1], dtype);
}

/* ---- a sink: one more score that no value belongs to ---- */

static uint32_t with_zeros(struct pln_emit *emit, const struct group_query *a, uint32_t x)
{
    uint32_t one = pln_emit_const_int(emit, 1);
    uint32_t shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, x, 0, 2), one, pln_emit_dim(emit, x, 3) }, 3, 0);
    return pln_emit_concat(emit, (uint32_t[]){ used_rows(emit, a, x), pln_emit_expand(emit, pln_emit_const_like(emit, x, 0), shape) }, 2, 2);
}

/* The mask for keys and a sink behind them: head_sink, or 0 for smooth_softmax. The key of the sink is zero, so that its score is what the mask adds. */
static uint32_t sink_mask(struct pln_emit *emit, const struct group_query *a, uint32_t bias, uint32_t sink)
{
    static const int64_t axes[] = { 1, 2 };
    uint32_t one = pln_emit_const_int(emit, 1), heads = pln_emit_const_int(emit, a->heads);
    uint32_t rows = pln_emit_concat(emit, (uint32_t[]){ pln_emit_dim(emit, a->q, 0), heads, a->fresh }, 3, 0);
    uint32_t mask = pln_emit_expand(emit, seen_bias(emit, a, bias), pln_emit_concat(emit, (uint32_t[]){ rows, a->total }, 2, 0));
    sink = sink == PLN_NONE ? pln_emit_const_like(emit, a->q, 0) : pln_emit_unsqueeze(emit, sink, pln_emit_const_ints(emit, axes, 2));
    uint32_t column = pln_emit_expand(emit, sink, pln_emit_concat(emit, (uint32_t[]){ rows, one }, 2, 0));
    return pln_emit_concat(emit, (uint32_t[]){ mask, column }, 2, 3);
}

/* ---- the op ---- */

static uint32_t attend(struct pln_emit *emit, const struct group_query *a, uint32_t n_outputs)
{
    uint32_t sink = pln_emit_in(emit, 11), bias = pln_emit_in(emit, 10);
    bool has_sink = sink != PLN_NONE || pln_emit_int(emit, "smooth_softmax", -1) > 0;
    bool plain = !has_sink && a->causal && !a->window && a->past_key == PLN_NONE; /* is_causal says all */
    uint32_t inputs[4] = { a->q, a->keys, a->values, bias };
    if (has_sink) {
        inputs[1] = with_zeros(emit, a, a->keys), inputs[2] = with_zeros(emit, a, a->values);
        inputs[3] = sink_mask(emit, a, bias, sink);
    } else if (!plain) {
        inputs[1] = used_rows(emit, a, a->keys), inputs[2] = used_rows(emit, a, a->values);
        inputs[3] = bias == PLN_NONE ? seen(emit, a) : seen_bias(emit, a, bias);
    }
    uint32_t node = pln_emit_begin(emit, PLN_OP_ATTENTION, 0, inputs, inputs[3] != PLN_NONE ? 4 : 3, n_outputs);
    float scale = pln_emit_float(emit, "scale", 0), softcap = pln_emit_float(emit, "softcap", 0);
    if (scale != 0) pln_emit_set_float(emit, node, "scale", scale);
    if (softcap != 0) pln_emit_set_float(emit, node, "softcap", softcap);
    if (plain) pln_emit_set_int(emit, node, "is_causal", 1);
    if (n_outputs > 3) pln_emit_set_int(emit, node, "qk_matmul_output_mode", pln_emit_int(emit, "qk_output", 0) == 2 ? 3 : 2);
    pln_emit_end(emit, node);
    return node;
}

/* [b,n,s,h] to [b,s,n*h]. */
static uint32_t join_heads(struct pln_emit *emit, const struct group_query *a, uint32_t x)
{
    static const int64_t perm[] = { 0, 2, 1, 3 };
    uint32_t features = pln_ms_mul(emit, pln_emit_const_int(emit, a->heads), pln_emit_dim(emit, x, 3));
    uint32_t shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_dim(emit, x, 0), a->fresh, features }, 3, 0);
    return pln_emit_reshape_as(emit, pln_emit_transpose(emit, x, perm, 4), shape);
}

void pln_onnx_ms_group_query_attention(struct pln_emit *emit)
{
    struct group_query a = { 0 };
    read_node(emit, &a);
    int64_t scores = pln_emit_int(emit, "qk_output", 0);
    if (scores < 0 || scores > 2) pln_emit_fail(emit, PLN_BAD_MODEL, "qk_output is %lld, none of 0, 1, 2", (long long)scores);
    if (pln_emit_wants(emit, 3) && !scores) pln_emit_fail(emit, PLN_BAD_MODEL, "output 3 needs qk_output 1 or 2");
    if (emit->status != PLN_OK) return;
    read_operands(emit, &a);
    read_lengths(emit, &a);
    if (pln_emit_int(emit, "do_rotary", 0)) turn(emit, &a);
    store(emit, &a);
    bool wants = pln_emit_wants(emit, 3);
    uint32_t node = attend(emit, &a, wants ? 4 : 1);
    pln_emit_bind(emit, 0, join_heads(emit, &a, pln_emit_output(emit, node, 0)));
    pln_emit_bind(emit, 1, a.present_key);
    pln_emit_bind(emit, 2, a.present_value);
    if (!wants) return;
    pln_emit_bind(emit, 3, pln_emit_slice(emit, pln_emit_output(emit, node, 3), pln_emit_const_int(emit, 0), a.total, pln_emit_const_int(emit, 3), PLN_NONE));
}

/* ---- RotaryEmbedding ---- */

/* How many heads rows [b,s,n*h] have, where only the width of cos tells the size of a head. */
static uint32_t heads_by_width(struct pln_emit *emit, uint32_t x, uint32_t cos)
{
    return pln_emit_ew2(emit, PLN_EW_DIV, pln_emit_dim(emit, x, -1), pln_ms_mul(emit, pln_emit_dim(emit, cos, 1), pln_emit_const_int(emit, 2)));
}

/* Rows [b,s,n*h] of which only the width of cos tells the size of a head. */
static uint32_t rotate_rows(struct pln_emit *emit, uint32_t x, uint32_t cos, uint32_t sin, uint32_t ids)
{
    static const int64_t perm[] = { 0, 2, 1, 3 };
    uint32_t width = pln_ms_mul(emit, pln_emit_dim(emit, cos, 1), pln_emit_const_int(emit, 2));
    uint32_t shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, x, 0, 2), heads_by_width(emit, x, cos), width }, 3, 0);
    uint32_t y = rotate(emit, pln_emit_transpose(emit, pln_emit_reshape_as(emit, x, shape), perm, 4), cos, sin, ids, "interleaved", 0, 0);
    return pln_emit_reshape_as(emit, pln_emit_transpose(emit, y, perm, 4), pln_emit_shape(emit, x));
}

/* The positions [b,s] from themselves or from the first, one number, on which they count. */
static uint32_t all_positions(struct pln_emit *emit, uint32_t ids, uint32_t x)
{
    uint32_t fresh = pln_emit_dim(emit, x, -2), rows = pln_emit_concat(emit, (uint32_t[]){ pln_emit_dim(emit, x, 0), fresh }, 2, 0);
    int rank = pln_emit_rank(emit, ids);
    if (rank == 2) return ids;
    if (rank >= 0) return pln_emit_expand(emit, count_on(emit, ids, fresh), rows);
    uint32_t dims = pln_emit_dims(emit, ids), ones = pln_emit_repeat(emit, 1, pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_const_int(emit, 2), dims));
    uint32_t start = pln_emit_reshape_as(emit, ids, pln_emit_concat(emit, (uint32_t[]){ ones, pln_emit_shape(emit, ids) }, 2, 0));
    uint32_t counting = pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_LESS, dims, pln_emit_const_int(emit, 2)), PLN_I64);
    uint32_t further = pln_ms_mul(emit, pln_emit_range(emit, pln_ms_scalar(emit, fresh)), counting);
    return pln_emit_expand(emit, pln_ms_add(emit, start, further), rows);
}

/* ONNX's, with its inputs in another order; one position counts on. The size of a head comes from the cache where the number of heads is not told. is_packed_batching says
 * that there may be more rows than positions, which is no matter here. */
void pln_onnx_ms_rotary_embedding(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0), ids = pln_emit_need(emit, 1), cos = pln_emit_need(emit, 2), sin = pln_emit_need(emit, 3), y;
    int64_t heads = pln_emit_int(emit, "num_heads", 0), turning = pln_emit_int(emit, "rotary_embedding_dim", 0);
    const int rank = pln_emit_rank(emit, x);
    pln_ms_check_rank(emit, 0, 3, 4);
    pln_ms_check_rank(emit, 1, 0, 2);
    pln_ms_check_rank(emit, 2, 2, 2);
    pln_ms_check_rank(emit, 3, 2, 2);
    if (heads < 0 || turning < 0) pln_emit_fail(emit, PLN_BAD_MODEL, "num_heads is %lld, rotary_embedding_dim %lld", (long long)heads, (long long)turning);
    if (turning > 0 && heads == 0 && rank == 3) pln_emit_fail(emit, PLN_BAD_MODEL, "rotary_embedding_dim without num_heads");
    if (pln_emit_float(emit, "scale", 1.0f) != 1.0f) pln_emit_fail(emit, PLN_UNSUPPORTED, "scale of RotaryEmbedding is not built yet");
    ids = all_positions(emit, ids, x);
    if (rank < 0) {
        struct pln_ms_either form;
        uint32_t by_head = pln_ms_by_head(emit, x, heads > 0 ? pln_emit_const_int(emit, heads) : heads_by_width(emit, x, cos), &form);
        y = pln_ms_as_before(emit, &form, rotate(emit, by_head, cos, sin, ids, "interleaved", 0, turning));
    } else if (rank == 4 || heads > 0) {
        y = rotate(emit, x, cos, sin, ids, "interleaved", rank == 3 ? heads : 0, turning);
    } else {
        y = rotate_rows(emit, x, cos, sin, ids);
    }
    pln_emit_bind(emit, 0, y);
}
