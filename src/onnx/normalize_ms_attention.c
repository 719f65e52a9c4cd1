/* com.microsoft: Attention, QAttention, MultiHeadAttention. All become the op attention; masks become numbers that are added to the scores. */
#include <math.h>

#include "onnx/ms.h"

static int64_t heads_of(struct pln_emit *emit, const char *name)
{
    int64_t heads = pln_emit_int(emit, name, 0);
    if (heads < 1) pln_emit_fail(emit, PLN_BAD_MODEL, "%s is %lld", name, (long long)heads);
    return heads;
}

/* ---- masks ---- */

/* [l] with the ends of the rows, and behind them the starts where l is 2b: which of the t keys of each row are seen, bool[b,t]. Of l = 3b + 2, cumulated
 * lengths for kernels that leave padding out, the first b are the ends too. */
static uint32_t keep_ranges(struct pln_emit *emit, uint32_t mask, uint32_t batch, uint32_t total)
{
    uint32_t axes = pln_emit_const_int(emit, 0), none = pln_emit_const_int(emit, 0), twice = pln_ms_add(emit, batch, batch);
    uint32_t ends = pln_emit_slice(emit, mask, none, batch, axes, PLN_NONE);
    uint32_t keys = pln_emit_cast(emit, pln_emit_range(emit, pln_ms_scalar(emit, total)), PLN_I32);
    uint32_t keep = pln_emit_ew2(emit, PLN_EW_LESS, keys, pln_emit_unsqueeze_at(emit, ends, 1));
    int64_t length, rows;
    bool known = pln_emit_extent(emit, mask, 0, &length) && pln_emit_extent(emit, pln_emit_in(emit, 0), 0, &rows);
    if (known && length != rows && length != 2 * rows && length != 3 * rows + 2) pln_emit_fail(emit, PLN_BAD_MODEL, "a mask of %lld elements for a batch of %lld", (long long)length, (long long)rows);
    if (known && length != 2 * rows) return keep;
    uint32_t zeros = pln_emit_expand(emit, pln_emit_const_number(emit, PLN_I32, 0), batch);
    uint32_t starts = pln_emit_slice(emit, pln_emit_concat(emit, (uint32_t[]){ mask, zeros }, 2, 0), batch, twice, axes, PLN_NONE);
    uint32_t both = pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_EQUAL, pln_emit_dim(emit, mask, 0), twice), PLN_I32);
    uint32_t behind = pln_emit_ew2(emit, PLN_EW_GREATER_EQUAL, keys, pln_emit_unsqueeze_at(emit, pln_ms_mul(emit, starts, both), 1));
    return pln_emit_ew2(emit, PLN_EW_AND, keep, behind);
}

static void check_columns(struct pln_emit *emit, uint32_t mask, uint32_t q, uint32_t past_length)
{
    int64_t columns, fresh;
    if (past_length != PLN_NONE || !pln_emit_extent(emit, mask, -1, &columns) || !pln_emit_extent(emit, q, 1, &fresh) || columns == fresh) return;
    pln_emit_fail(emit, PLN_BAD_MODEL, "the mask has %lld columns for %lld keys", (long long)columns, (long long)fresh);
}

/* What is added to the scores [b,n,s,t] for an integer mask: 0 where a key is seen, mask_filter_value where it is not. */
static uint32_t mask_numbers(struct pln_emit *emit, uint32_t mask, uint32_t q, uint32_t keys, uint32_t past_length, enum pln_dtype dtype)
{
    if (mask == PLN_NONE) return PLN_NONE;
    static const int64_t axes[] = { 1, 2 };
    int rank = pln_emit_need_rank(emit, mask);
    uint32_t fresh = pln_emit_dim(emit, keys, 1), total = pln_ms_add(emit, fresh, past_length), keep;
    if (rank < 1 || rank > 4) pln_emit_fail(emit, PLN_BAD_MODEL, "a mask of rank %d", rank);
    if (rank == 1) {
        keep = keep_ranges(emit, mask, pln_emit_dim(emit, q, 0), total);
    } else {
        if (rank < 4) check_columns(emit, mask, keys, past_length);
        keep = pln_emit_ew2(emit, PLN_EW_GREATER, mask, pln_emit_const_like(emit, mask, 0));
    }
    if (rank == 4) { /* of all positions up to a longest: the rows of the queries, which stand behind the past */
        uint32_t first = past_length == PLN_NONE ? pln_emit_const_int(emit, 0) : past_length, queries = pln_emit_dim(emit, q, 1);
        keep = pln_emit_slice(emit, keep, first, pln_ms_add(emit, first, queries), pln_emit_const_int(emit, 2), PLN_NONE);
        keep = pln_emit_slice(emit, keep, pln_emit_const_int(emit, 0), total, pln_emit_const_int(emit, 3), PLN_NONE);
    } else {
        keep = pln_emit_unsqueeze(emit, keep, pln_emit_const_ints(emit, axes, rank == 3 ? 1 : 2));
    }
    float filter = pln_emit_float(emit, "mask_filter_value", -10000.0f);
    if (dtype == PLN_F16) filter = fmaxf(filter, -65504.0f);
    return pln_emit_ew3(emit, PLN_EW_WHERE, keep, pln_emit_const_number(emit, dtype, 0), pln_emit_const_number(emit, dtype, filter));
}

static uint32_t both(struct pln_emit *emit, uint32_t mask, uint32_t bias)
{
    return mask == PLN_NONE ? bias : pln_ms_add(emit, mask, bias);
}

/* ---- the op ---- */

/* inputs: q, k, v, mask, past key, past value; n_outputs 1: y, 3: and present, 4: and the masked scores, which ONNX Runtime gives. */
static uint32_t attention(struct pln_emit *emit, const uint32_t *inputs, int64_t heads, uint32_t n_outputs)
{
    uint32_t n = inputs[4] != PLN_NONE ? 6 : inputs[3] != PLN_NONE ? 4 : 3;
    uint32_t node = pln_emit_begin(emit, PLN_OP_ATTENTION, 0, inputs, n, n_outputs);
    float scale = pln_emit_float(emit, "scale", 0);
    int64_t causal = pln_emit_int(emit, "unidirectional", 0);
    if (causal != 0 && causal != 1) pln_emit_fail(emit, PLN_BAD_MODEL, "unidirectional is %lld, neither 0 nor 1", (long long)causal);
    pln_emit_set_int(emit, node, "q_num_heads", heads);
    pln_emit_set_int(emit, node, "kv_num_heads", heads);
    if (scale != 0) pln_emit_set_float(emit, node, "scale", scale);
    if (causal) pln_emit_set_int(emit, node, "is_causal", 1);
    if (n_outputs > 3) pln_emit_set_int(emit, node, "qk_matmul_output_mode", 2);
    pln_emit_end(emit, node);
    return node;
}

/* Half i of [2,…]. */
static uint32_t half(struct pln_emit *emit, uint32_t x, int64_t i)
{
    return x == PLN_NONE ? PLN_NONE : pln_emit_gather(emit, x, pln_emit_const_index(emit, i), 0);
}

void pln_ms_attend(struct pln_emit *emit, const struct pln_ms_attention *a)
{
    int64_t heads = heads_of(emit, "num_heads");
    const int64_t *sizes;
    uint32_t n_sizes = pln_emit_int_list(emit, "qkv_hidden_sizes", &sizes), past_length = PLN_NONE;
    if (pln_emit_has_attr(emit, "qkv_hidden_sizes") && n_sizes != 3) pln_emit_fail(emit, PLN_BAD_MODEL, "qkv_hidden_sizes has %u numbers, not 3", n_sizes);
    pln_ms_refuse(emit, "do_rotary");
    pln_ms_refuse(emit, "past_present_share_buffer");
    uint32_t parts[2] = { a->qkv, n_sizes == 3 ? pln_emit_const_ints(emit, sizes, 3) : PLN_NONE };
    uint32_t split = pln_emit_begin(emit, PLN_OP_SPLIT, 0, parts, n_sizes == 3 ? 2 : 1, 3);
    pln_emit_set_int(emit, split, "axis", 2);
    if (n_sizes != 3) pln_emit_set_int(emit, split, "num_outputs", 3);
    pln_emit_end(emit, split);
    uint32_t inputs[6] = { pln_emit_output(emit, split, 0), pln_emit_output(emit, split, 1), pln_emit_output(emit, split, 2), PLN_NONE, half(emit, a->past, 0), half(emit, a->past, 1) };
    if (a->past != PLN_NONE) past_length = pln_emit_dim(emit, a->past, 3);
    uint32_t mask = mask_numbers(emit, a->mask, inputs[0], inputs[1], past_length, pln_emit_dtype(emit, a->qkv));
    inputs[3] = both(emit, mask, a->bias);
    bool present = pln_emit_wants(emit, 1);
    uint32_t node = attention(emit, inputs, heads, present ? 3 : 1);
    pln_emit_bind(emit, 0, pln_emit_output(emit, node, 0));
    if (!present) return;
    uint32_t key = pln_emit_unsqueeze_at(emit, pln_emit_output(emit, node, 1), 0), value = pln_emit_unsqueeze_at(emit, pln_emit_output(emit, node, 2), 0);
    pln_emit_bind(emit, 1, pln_emit_concat(emit, (uint32_t[]){ key, value }, 2, 0));
}

void pln_onnx_ms_attention(struct pln_emit *emit)
{
    pln_ms_check_rank(emit, 0, 3, 3);
    pln_ms_check_rank(emit, 1, 2, 2);
    pln_ms_check_rank(emit, 2, 1, 1);
    pln_ms_check_rank(emit, 4, 5, 5);
    pln_ms_check_rank(emit, 5, 4, 4);
    uint32_t qkv = pln_ms_add(emit, pln_emit_matmul(emit, pln_emit_need(emit, 0), pln_emit_need(emit, 1)), pln_emit_in(emit, 2));
    pln_ms_attend(emit, &(struct pln_ms_attention){ .qkv = qkv, .mask = pln_emit_in(emit, 3), .past = pln_emit_in(emit, 4), .bias = pln_emit_in(emit, 5) });
}

/* The projection in integers, scaled; the rest as Attention. */
void pln_onnx_ms_qattention(struct pln_emit *emit)
{
    static const int ranks[][2] = { { 3, 3 }, { 2, 2 }, { 1, 1 }, { 0, 1 }, { 0, 1 }, { 1, 4 }, { 0, 1 }, { 0, 1 }, { 5, 5 } };
    for (uint32_t i = 0; i < PLN_COUNT_OF(ranks); i++) pln_ms_check_rank(emit, i, ranks[i][0], ranks[i][1]);
    uint32_t bias = pln_emit_need(emit, 2), scale = pln_ms_scalar(emit, pln_ms_wide(emit, pln_emit_need(emit, 3)));
    uint32_t product = pln_ms_integer_product(emit, pln_emit_need(emit, 0), pln_emit_need(emit, 1), pln_emit_in(emit, 6), pln_emit_in(emit, 7));
    uint32_t qkv = pln_ms_mul(emit, product, pln_ms_mul(emit, scale, pln_ms_wide(emit, pln_emit_need(emit, 4))));
    qkv = pln_emit_cast(emit, pln_ms_add(emit, qkv, pln_ms_wide(emit, bias)), pln_emit_dtype(emit, bias));
    pln_ms_attend(emit, &(struct pln_ms_attention){ .qkv = qkv, .mask = pln_emit_in(emit, 5), .past = pln_emit_in(emit, 8), .bias = PLN_NONE });
}

/* ---- MultiHeadAttention ---- */

/* Part i of [b,s,n,parts,h] as [b,s,n*h]. */
static uint32_t unpack(struct pln_emit *emit, uint32_t x, int64_t i)
{
    uint32_t part = pln_emit_gather(emit, x, pln_emit_const_index(emit, i), 3);
    uint32_t features = pln_ms_mul(emit, pln_emit_dim(emit, part, 2), pln_emit_dim(emit, part, 3));
    return pln_emit_reshape_as(emit, part, pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, part, 0, 2), features }, 2, 0));
}

/* q, k, v from the forms in which they may come. false: keys and values are [b,n,l,h], computed before. */
static bool read_operands(struct pln_emit *emit, uint32_t *qkv)
{
    uint32_t q = pln_emit_need(emit, 0), k = pln_emit_in(emit, 1), v = pln_emit_in(emit, 2);
    int q_rank = pln_emit_need_rank(emit, q), k_rank = k == PLN_NONE ? 0 : pln_emit_need_rank(emit, k), v_rank = v == PLN_NONE ? 0 : pln_emit_need_rank(emit, v);
    qkv[0] = q, qkv[1] = k, qkv[2] = v;
    if (emit->status != PLN_OK) return true;
    if (q_rank == 5 && !k_rank && !v_rank) {
        for (int64_t i = 0; i < 3; i++) qkv[i] = unpack(emit, q, i);
    } else if (q_rank == 3 && k_rank == 5 && !v_rank) {
        for (int64_t i = 0; i < 2; i++) qkv[1 + i] = unpack(emit, k, i);
    } else if (q_rank != 3 || (k_rank != 3 && k_rank != 4) || v_rank != k_rank) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "query, key and value of ranks %d, %d and %d (0: left out) are none of the forms: 5, 0, 0; 3, 5, 0; 3, 3, 3; 3, 4, 4", q_rank, k_rank, v_rank);
    }
    return k_rank != 4;
}

static void add_bias(struct pln_emit *emit, uint32_t *qkv, bool fresh, uint32_t bias)
{
    if (bias == PLN_NONE) return;
    uint32_t first = pln_emit_const_int(emit, 0), axes = pln_emit_const_int(emit, 0);
    for (int i = 0; i < (fresh ? 3 : 1); i++) {
        uint32_t last = pln_ms_add(emit, first, pln_emit_dim(emit, qkv[i], 2));
        qkv[i] = pln_ms_add(emit, qkv[i], pln_emit_slice(emit, bias, first, last, axes, PLN_NONE));
        first = last;
    }
}

/* [b,s,n*h] to [b,n,s,h]. */
static uint32_t by_head(struct pln_emit *emit, uint32_t x, int64_t heads)
{
    static const int64_t perm[] = { 0, 2, 1, 3 };
    uint32_t n = pln_emit_const_int(emit, heads), width = pln_emit_ew2(emit, PLN_EW_DIV, pln_emit_dim(emit, x, 2), n);
    uint32_t shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, x, 0, 2), n, width }, 3, 0);
    return pln_emit_transpose(emit, pln_emit_reshape_as(emit, x, shape), perm, 4);
}

/* [b,n,s,h] to [b,s,n*h]. */
static uint32_t by_row(struct pln_emit *emit, uint32_t x)
{
    static const int64_t perm[] = { 0, 2, 1, 3 };
    uint32_t features = pln_ms_mul(emit, pln_emit_dim(emit, x, 1), pln_emit_dim(emit, x, 3));
    uint32_t shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_dim(emit, x, 0), pln_emit_dim(emit, x, 2), features }, 3, 0);
    return pln_emit_reshape_as(emit, pln_emit_transpose(emit, x, perm, 4), shape);
}

void pln_onnx_ms_multi_head_attention(struct pln_emit *emit)
{
    uint32_t qkv[3], past_length = PLN_NONE;
    int64_t heads = heads_of(emit, "num_heads");
    pln_ms_check_rank(emit, 3, 1, 1);
    for (uint32_t i = 5; i < 8; i++) pln_ms_check_rank(emit, i, 4, 4);
    for (uint32_t i = 8; i < 10; i++)
        if (pln_emit_in(emit, i) != PLN_NONE) pln_emit_fail(emit, PLN_UNSUPPORTED, "input %u, for caches that beams share, is not built yet", i);
    if ((pln_emit_in(emit, 6) == PLN_NONE) != (pln_emit_in(emit, 7) == PLN_NONE)) pln_emit_fail(emit, PLN_BAD_MODEL, "past_key and past_value go together");
    bool fresh = read_operands(emit, qkv);
    add_bias(emit, qkv, fresh, pln_emit_in(emit, 3));
    if (!fresh) qkv[0] = by_head(emit, qkv[0], heads);
    uint32_t past = pln_emit_in(emit, 6);
    if (past != PLN_NONE) past_length = pln_emit_dim(emit, past, 2);
    /* Masks are made of [b,s,…]; keys that came by head have their length behind the heads. */
    uint32_t rows = fresh ? qkv[0] : pln_emit_in(emit, 0), keys = fresh ? qkv[1] : pln_emit_transpose(emit, qkv[1], (int64_t[]){ 0, 2, 1, 3 }, 4);
    uint32_t mask = mask_numbers(emit, pln_emit_in(emit, 4), rows, keys, past_length, pln_emit_dtype(emit, qkv[0]));
    uint32_t inputs[6] = { qkv[0], qkv[1], qkv[2], both(emit, mask, pln_emit_in(emit, 5)), past, pln_emit_in(emit, 7) };
    uint32_t n_outputs = pln_emit_wants(emit, 3) ? 4 : pln_emit_wants(emit, 1) || pln_emit_wants(emit, 2) ? 3 : 1;
    uint32_t node = attention(emit, inputs, heads, n_outputs);
    pln_emit_bind(emit, 0, fresh ? pln_emit_output(emit, node, 0) : by_row(emit, pln_emit_output(emit, node, 0)));
    for (uint32_t i = 1; i < n_outputs; i++)
        if (pln_emit_wants(emit, i)) pln_emit_bind(emit, i, pln_emit_output(emit, node, i));
}
