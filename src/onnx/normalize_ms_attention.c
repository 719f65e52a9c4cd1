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
    uint32_t axes = pln_emit_const_int(emit, 0), none = pln_emit_const_int(emit, 0), twice = pln_ms_add(emit, batch, batch), numbers = mask;
    int64_t length, rows;
    bool known = pln_emit_extent(emit, mask, 0, &length) && pln_emit_extent(emit, pln_emit_in(emit, 0), 0, &rows), starting = !known || length == 2 * rows;
    if (known && length != rows && length != 2 * rows && length != 3 * rows + 2) pln_emit_fail(emit, PLN_BAD_MODEL, "a mask of %lld elements for a batch of %lld", (long long)length, (long long)rows);
    if (starting) numbers = pln_emit_concat(emit, (uint32_t[]){ mask, pln_emit_expand(emit, pln_emit_const_number(emit, PLN_I32, 0), batch) }, 2, 0);
    uint32_t ends = pln_emit_slice(emit, numbers, none, batch, axes, PLN_NONE);
    uint32_t keys = pln_emit_cast(emit, pln_emit_range(emit, pln_ms_scalar(emit, total)), PLN_I32);
    uint32_t keep = pln_emit_ew2(emit, PLN_EW_LESS, keys, pln_emit_unsqueeze_at(emit, ends, 1));
    if (!starting) return keep;
    uint32_t starts = pln_emit_slice(emit, numbers, batch, twice, axes, PLN_NONE);
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

/* Where a mask is for: keys `first` … `first` + `queries` - 1 are the queries' own, among `total`. All i64[1]. */
struct place {
    uint32_t batch, first, queries, total;
};

static struct place place_of(struct pln_emit *emit, uint32_t q, uint32_t keys, uint32_t past_length)
{
    uint32_t fresh = pln_emit_dim(emit, keys, 1);
    return (struct place){ .batch = pln_emit_dim(emit, q, 0), .first = past_length == PLN_NONE ? pln_emit_const_int(emit, 0) : past_length, .queries = pln_emit_dim(emit, q, 1), .total = pln_ms_add(emit, fresh, past_length) };
}

static uint32_t is_seen(struct pln_emit *emit, uint32_t mask)
{
    return pln_emit_ew2(emit, PLN_EW_GREATER, mask, pln_emit_const_like(emit, mask, 0));
}

/* The same for a mask whose rank only the run knows. It is seen as of rank 4 and as ranges, and bounds that another rank has cut nothing. */
static uint32_t keep_any(struct pln_emit *emit, uint32_t mask, const struct place *at)
{
    static const int64_t axes[] = { 1, 2 };
    uint32_t zero = pln_emit_const_int(emit, 0), all = pln_emit_const_int(emit, INT64_MAX), rank = pln_emit_dims(emit, mask);
    uint32_t ranges = pln_emit_ew2(emit, PLN_EW_EQUAL, rank, pln_emit_const_int(emit, 1)), square = pln_emit_ew2(emit, PLN_EW_EQUAL, rank, pln_emit_const_int(emit, 4));
    uint32_t ones = pln_emit_repeat(emit, 1, pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_const_int(emit, 4), rank));
    uint32_t shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, mask, 0, 1), ones, pln_emit_shape_part(emit, mask, 1, INT64_MAX) }, 3, 0);
    uint32_t keep = is_seen(emit, pln_emit_reshape_as(emit, mask, shape));
    const uint32_t starts[] = { zero, pln_ms_mul(emit, at->first, pln_emit_cast(emit, square, PLN_I64)), zero };
    const uint32_t ends[] = { at->batch, pln_ms_add(emit, at->first, at->queries), at->total };
    static const int64_t cut[] = { 0, 2, 3 };
    for (int i = 0; i < 3; i++)
        keep = pln_emit_slice(emit, keep, starts[i], pln_emit_ew3(emit, PLN_EW_WHERE, i == 0 ? ranges : square, ends[i], all), pln_emit_const_int(emit, cut[i]), PLN_NONE);
    uint32_t seen = keep_ranges(emit, pln_emit_reshape_to(emit, mask, (int64_t[]){ -1 }, 1), at->batch, at->total);
    return pln_emit_ew3(emit, PLN_EW_WHERE, ranges, pln_emit_unsqueeze(emit, seen, pln_emit_const_ints(emit, axes, 2)), keep);
}

/* Which keys are seen, as one may broadcast it to [b,n,s,t]. */
static uint32_t keep(struct pln_emit *emit, uint32_t mask, const struct place *at)
{
    static const int64_t axes[] = { 1, 2 };
    int rank = pln_emit_rank(emit, mask);
    if (rank == 0 || rank > 4) pln_emit_fail(emit, PLN_BAD_MODEL, "a mask of rank %d", rank);
    if (rank < 0) return keep_any(emit, mask, at);
    uint32_t seen = rank == 1 ? keep_ranges(emit, mask, at->batch, at->total) : is_seen(emit, mask);
    if (rank < 4) return pln_emit_unsqueeze(emit, seen, pln_emit_const_ints(emit, axes, rank == 3 ? 1 : 2));
    /* of all positions up to a longest: the rows of the queries, which stand behind the past */
    seen = pln_emit_slice(emit, seen, at->first, pln_ms_add(emit, at->first, at->queries), pln_emit_const_int(emit, 2), PLN_NONE);
    return pln_emit_slice(emit, seen, pln_emit_const_int(emit, 0), at->total, pln_emit_const_int(emit, 3), PLN_NONE);
}

/* What is added to the scores [b,n,s,t] for an integer mask: 0 where a key is seen, mask_filter_value where it is not. */
static uint32_t mask_numbers(struct pln_emit *emit, uint32_t mask, uint32_t q, uint32_t keys, uint32_t past_length, enum pln_dtype dtype)
{
    if (mask == PLN_NONE) return PLN_NONE;
    int rank = pln_emit_rank(emit, mask);
    if (rank == 2 || rank == 3) check_columns(emit, mask, keys, past_length);
    struct place at = place_of(emit, q, keys, past_length);
    float filter = pln_emit_float(emit, "mask_filter_value", -10000.0f);
    if (dtype == PLN_F16) filter = fmaxf(filter, -65504.0f);
    return pln_emit_ew3(emit, PLN_EW_WHERE, keep(emit, mask, &at), pln_emit_const_number(emit, dtype, 0), pln_emit_const_number(emit, dtype, filter));
}

static uint32_t both(struct pln_emit *emit, uint32_t mask, uint32_t bias)
{
    return mask == PLN_NONE ? bias : pln_ms_add(emit, mask, bias);
}

/* ---- heads ---- */

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

static void split_projection(struct pln_emit *emit, uint32_t qkv, uint32_t *out)
{
    const int64_t *sizes;
    uint32_t n = pln_emit_int_list(emit, "qkv_hidden_sizes", &sizes);
    if (pln_emit_has_attr(emit, "qkv_hidden_sizes") && n != 3) pln_emit_fail(emit, PLN_BAD_MODEL, "qkv_hidden_sizes has %u numbers, not 3", n);
    uint32_t parts[2] = { qkv, n == 3 ? pln_emit_const_ints(emit, sizes, 3) : PLN_NONE };
    uint32_t split = pln_emit_begin(emit, PLN_OP_SPLIT, 0, parts, n == 3 ? 2 : 1, 3);
    pln_emit_set_int(emit, split, "axis", 2);
    if (n != 3) pln_emit_set_int(emit, split, "num_outputs", 3);
    pln_emit_end(emit, split);
    for (uint32_t i = 0; i < 3; i++) out[i] = pln_emit_output(emit, split, i);
}

/* Angles of the new rows as GPT-NeoX has them: position / 10000^(2i / turning), [s,turning/2]. turning: i64[1]. */
static uint32_t angles(struct pln_emit *emit, uint32_t fresh, uint32_t past_length, uint32_t turning)
{
    uint32_t two = pln_emit_const_int(emit, 2), i = pln_emit_range(emit, pln_ms_scalar(emit, pln_emit_ew2(emit, PLN_EW_DIV, turning, two)));
    uint32_t exponent = pln_emit_ew2(emit, PLN_EW_DIV, pln_emit_cast(emit, pln_ms_mul(emit, i, two), PLN_F32), pln_emit_cast(emit, turning, PLN_F32));
    uint32_t period = pln_emit_ew2(emit, PLN_EW_POW, pln_emit_const_number(emit, PLN_F32, 10000), exponent);
    uint32_t position = pln_ms_add(emit, pln_emit_range(emit, pln_ms_scalar(emit, fresh)), past_length);
    return pln_emit_ew2(emit, PLN_EW_DIV, pln_emit_unsqueeze_at(emit, pln_emit_cast(emit, position, PLN_F32), 1), period);
}

/* do_rotary: the first rotary_embedding_dim elements of each head of queries and keys, [b,s,n*h], turn, halves as pairs. Unlike ONNX Runtime's kernel for GPUs, which
 * has one position for all new rows behind a past, each row has its own. */
static void turn(struct pln_emit *emit, uint32_t *qk, int64_t heads, uint32_t past_length)
{
    int64_t told = pln_emit_int(emit, "rotary_embedding_dim", 0);
    if (told < 0 || told % 2 != 0) pln_emit_fail(emit, PLN_BAD_MODEL, "rotary_embedding_dim is %lld", (long long)told);
    uint32_t fresh = pln_emit_dim(emit, qk[0], 1), turning = pln_emit_const_int(emit, told);
    if (told == 0) turning = pln_emit_ew2(emit, PLN_EW_DIV, pln_emit_dim(emit, qk[0], 2), pln_emit_const_int(emit, heads));
    uint32_t angle = angles(emit, fresh, past_length, turning);
    uint32_t shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_dim(emit, qk[0], 0), pln_emit_shape(emit, angle) }, 2, 0);
    uint32_t cos = pln_emit_expand(emit, pln_emit_ew1(emit, PLN_EW_COS, angle), shape), sin = pln_emit_expand(emit, pln_emit_ew1(emit, PLN_EW_SIN, angle), shape);
    for (int i = 0; i < 2; i++) {
        uint32_t node = pln_emit_begin_named(emit, "RotaryEmbedding", (uint32_t[]){ pln_emit_cast(emit, qk[i], PLN_F32), cos, sin }, 3, 1);
        pln_emit_set_int(emit, node, "num_heads", heads);
        if (told > 0) pln_emit_set_int(emit, node, "rotary_embedding_dim", told);
        qk[i] = pln_emit_cast(emit, pln_emit_end(emit, node), pln_emit_dtype(emit, qk[i]));
    }
}

/* ---- buffers: past and present of one length, of which `length` rows hold before this run ---- */

static uint32_t read_length(struct pln_emit *emit, uint32_t number)
{
    return pln_emit_cast(emit, pln_emit_reshape(emit, number, pln_emit_const_int(emit, 1)), PLN_I64);
}

static uint32_t held_rows(struct pln_emit *emit, uint32_t buffer, uint32_t length)
{
    return pln_emit_slice(emit, buffer, pln_emit_const_int(emit, 0), length, pln_emit_const_int(emit, 2), PLN_NONE);
}

/* New rows [b,n,s,h] in a buffer [b,n,m,h]. */
static uint32_t into_buffer(struct pln_emit *emit, uint32_t buffer, uint32_t rows, uint32_t length)
{
    uint32_t at = pln_emit_expand(emit, length, pln_emit_dim(emit, buffer, 0));
    uint32_t node = pln_emit_begin_named(emit, "TensorScatter", (uint32_t[]){ buffer, rows, at }, 3, 1);
    pln_emit_set_int(emit, node, "axis", 2);
    return pln_emit_end(emit, node);
}

/* ---- Attention, QAttention ---- */

void pln_ms_attend(struct pln_emit *emit, const struct pln_ms_attention *a)
{
    int64_t heads = heads_of(emit, "num_heads");
    uint32_t inputs[6] = { PLN_NONE, PLN_NONE, PLN_NONE, PLN_NONE, half(emit, a->past, 0), half(emit, a->past, 1) }, length = PLN_NONE, parts[2];
    const uint32_t buffers[2] = { inputs[4], inputs[5] };
    bool shared = a->past != PLN_NONE && pln_emit_int(emit, "past_present_share_buffer", 0) != 0, present = pln_emit_wants(emit, 1);
    split_projection(emit, a->qkv, inputs);
    if (shared && a->past_length == PLN_NONE) pln_emit_fail(emit, PLN_BAD_MODEL, "past_present_share_buffer without past_sequence_length");
    if (a->past != PLN_NONE) length = shared ? read_length(emit, a->past_length) : pln_emit_dim(emit, a->past, 3);
    for (int i = 4; i < 6 && shared; i++) inputs[i] = held_rows(emit, inputs[i], length);
    if (pln_emit_int(emit, "do_rotary", 0)) turn(emit, inputs, heads, length);
    uint32_t mask = mask_numbers(emit, a->mask, inputs[0], inputs[1], length, pln_emit_dtype(emit, a->qkv));
    inputs[3] = both(emit, mask, a->bias);
    uint32_t node = attention(emit, inputs, heads, present && !shared ? 3 : 1);
    pln_emit_bind(emit, 0, pln_emit_output(emit, node, 0));
    if (!present) return;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t part = shared ? into_buffer(emit, buffers[i], by_head(emit, inputs[1 + i], heads), length) : pln_emit_output(emit, node, 1 + i);
        parts[i] = pln_emit_unsqueeze_at(emit, part, 0);
    }
    pln_emit_bind(emit, 1, pln_emit_concat(emit, parts, 2, 0));
}

void pln_onnx_ms_attention(struct pln_emit *emit)
{
    pln_ms_check_rank(emit, 0, 3, 3);
    pln_ms_check_rank(emit, 1, 2, 2);
    pln_ms_check_rank(emit, 2, 1, 1);
    pln_ms_check_rank(emit, 4, 5, 5);
    pln_ms_check_rank(emit, 5, 4, 4);
    pln_ms_check_rank(emit, 6, 0, 1);
    uint32_t qkv = pln_ms_add(emit, pln_emit_matmul(emit, pln_emit_need(emit, 0), pln_emit_need(emit, 1)), pln_emit_in(emit, 2));
    pln_ms_attend(emit, &(struct pln_ms_attention){ .qkv = qkv, .mask = pln_emit_in(emit, 3), .past = pln_emit_in(emit, 4), .bias = pln_emit_in(emit, 5), .past_length = pln_emit_in(emit, 6) });
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
    pln_ms_attend(emit, &(struct pln_ms_attention){ .qkv = qkv, .mask = pln_emit_in(emit, 5), .past = pln_emit_in(emit, 8), .bias = PLN_NONE, .past_length = PLN_NONE });
}

/* ---- MultiHeadAttention ---- */

/* Part i of [b,s,n,parts,h] as [b,s,n*h]. */
static uint32_t unpack(struct pln_emit *emit, uint32_t x, int64_t i)
{
    uint32_t part = pln_emit_gather(emit, x, pln_emit_const_index(emit, i), 3);
    uint32_t features = pln_ms_mul(emit, pln_emit_dim(emit, part, 2), pln_emit_dim(emit, part, 3));
    return pln_emit_reshape_as(emit, part, pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, part, 0, 2), features }, 2, 0));
}

/* Keys and values: new rows [b,l,n*h]; [b,n,l,h], computed before; or one of both, which the run will see. */
enum form { FRESH, BY_HEAD, EITHER };

/* q, k, v from the forms in which they may come. Ranks that are not known are those which the others leave. */
static enum form read_operands(struct pln_emit *emit, uint32_t *qkv)
{
    uint32_t q = pln_emit_need(emit, 0), k = pln_emit_in(emit, 1), v = pln_emit_in(emit, 2);
    int q_rank = pln_emit_rank(emit, q), k_rank = k == PLN_NONE ? 0 : pln_emit_rank(emit, k), v_rank = v == PLN_NONE ? 0 : pln_emit_rank(emit, v);
    qkv[0] = q, qkv[1] = k, qkv[2] = v;
    if (emit->status != PLN_OK) return FRESH;
    if (q_rank < 0) q_rank = k == PLN_NONE ? 5 : 3;
    if (k_rank < 0) k_rank = v == PLN_NONE ? 5 : v_rank;
    if (v_rank < 0) v_rank = k_rank;
    if (q_rank == 5 && !k_rank && !v_rank) {
        for (int64_t i = 0; i < 3; i++) qkv[i] = unpack(emit, q, i);
    } else if (q_rank == 3 && k_rank == 5 && !v_rank) {
        for (int64_t i = 0; i < 2; i++) qkv[1 + i] = unpack(emit, k, i);
    } else if (q_rank != 3 || (k_rank >= 0 && k_rank != 3 && k_rank != 4) || v_rank != k_rank) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "query, key and value of ranks %d, %d and %d (0: left out) are none of the forms: 5, 0, 0; 3, 5, 0; 3, 3, 3; 3, 4, 4", q_rank, k_rank, v_rank);
    }
    return k_rank < 0 ? EITHER : k_rank == 4 ? BY_HEAD : FRESH;
}

/* Keys and values of either form as [b,n,l,h]. The bias is for new rows. */
static void split_either(struct pln_emit *emit, uint32_t *qkv, int64_t heads, uint32_t bias)
{
    struct pln_ms_either form;
    uint32_t axes = pln_emit_const_int(emit, 0), one = pln_emit_const_int(emit, 1), first = pln_emit_dim(emit, pln_emit_in(emit, 0), 2);
    for (int i = 1; i < 3; i++) {
        qkv[i] = pln_ms_by_head(emit, qkv[i], pln_emit_const_int(emit, heads), &form);
        if (bias == PLN_NONE) continue;
        uint32_t last = pln_ms_add(emit, first, pln_ms_mul(emit, form.heads, form.size)), shape = pln_emit_concat(emit, (uint32_t[]){ form.heads, one, form.size }, 3, 0);
        uint32_t own = pln_emit_reshape_as(emit, pln_emit_slice(emit, bias, first, last, axes, PLN_NONE), shape);
        qkv[i] = pln_ms_add(emit, qkv[i], pln_emit_ew3(emit, PLN_EW_WHERE, form.is_rows, own, pln_emit_const_like(emit, own, 0)));
        first = last;
    }
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

/* The past [b*w,n,p,h] of w beams each as they have it: row j of batch i takes position k from row source[i,j,k]. source: i32[b,w,p or more]. */
static uint32_t of_beams(struct pln_emit *emit, uint32_t past, uint32_t source, uint32_t length)
{
    static const int64_t perm[] = { 0, 2, 1, 3 }, axes[] = { 1, 2 };
    source = pln_emit_cast(emit, held_rows(emit, source, length), PLN_I64);
    uint32_t batch = pln_emit_range(emit, pln_ms_scalar(emit, pln_emit_dim(emit, source, 0))), first = pln_ms_mul(emit, batch, pln_emit_dim(emit, source, 1));
    uint32_t shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_dim(emit, past, 0), length }, 2, 0);
    uint32_t rows = pln_emit_reshape_as(emit, pln_ms_add(emit, source, pln_emit_unsqueeze(emit, first, pln_emit_const_ints(emit, axes, 2))), shape);
    uint32_t places = pln_emit_expand(emit, pln_emit_range(emit, pln_ms_scalar(emit, length)), shape);
    uint32_t indices = pln_emit_concat(emit, (uint32_t[]){ pln_emit_unsqueeze_at(emit, rows, 2), pln_emit_unsqueeze_at(emit, places, 2) }, 2, 2);
    uint32_t by_row = pln_emit_transpose(emit, past, perm, 4);
    return pln_emit_transpose(emit, pln_emit_end(emit, pln_emit_begin_named(emit, "GatherND", (uint32_t[]){ by_row, indices }, 2, 1)), perm, 4);
}

static void read_past(struct pln_emit *emit, uint32_t *past, uint32_t *out_length, bool *out_shared)
{
    past[0] = pln_emit_in(emit, 6), past[1] = pln_emit_in(emit, 7);
    *out_length = PLN_NONE;
    *out_shared = past[0] != PLN_NONE && pln_emit_in(emit, 8) != PLN_NONE;
    if ((past[0] == PLN_NONE) != (past[1] == PLN_NONE)) pln_emit_fail(emit, PLN_BAD_MODEL, "past_key and past_value go together");
    if (past[0] == PLN_NONE) return;
    *out_length = *out_shared ? read_length(emit, pln_emit_in(emit, 8)) : pln_emit_dim(emit, past[0], 2);
    for (int i = 0; i < 2 && *out_shared; i++) past[i] = held_rows(emit, past[i], *out_length);
    for (int i = 0; i < 2 && pln_emit_in(emit, 9) != PLN_NONE; i++) past[i] = of_beams(emit, past[i], pln_emit_in(emit, 9), *out_length);
}

static void bind_present(struct pln_emit *emit, uint32_t node, const uint32_t *rows, bool shared, uint32_t length, int64_t heads)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (!pln_emit_wants(emit, 1 + i)) continue;
        uint32_t part = shared ? into_buffer(emit, pln_emit_in(emit, 6 + i), heads > 0 ? by_head(emit, rows[i], heads) : rows[i], length) : pln_emit_output(emit, node, 1 + i);
        pln_emit_bind(emit, 1 + i, part);
    }
}

void pln_onnx_ms_multi_head_attention(struct pln_emit *emit)
{
    uint32_t qkv[3], past[2], length;
    bool shared;
    int64_t heads = heads_of(emit, "num_heads");
    pln_ms_check_rank(emit, 3, 1, 1);
    for (uint32_t i = 5; i < 8; i++) pln_ms_check_rank(emit, i, 4, 4);
    pln_ms_check_rank(emit, 8, 0, 1);
    pln_ms_check_rank(emit, 9, 3, 3);
    if (pln_emit_in(emit, 9) != PLN_NONE && pln_emit_in(emit, 8) == PLN_NONE) pln_emit_fail(emit, PLN_BAD_MODEL, "cache_indirection without past_sequence_length");
    const enum form form = read_operands(emit, qkv);
    const bool fresh = form == FRESH;
    read_past(emit, past, &length, &shared);
    add_bias(emit, qkv, fresh, pln_emit_in(emit, 3));
    if (form == EITHER) split_either(emit, qkv, heads, pln_emit_in(emit, 3));
    if (!fresh) qkv[0] = by_head(emit, qkv[0], heads);
    /* Masks are made of [b,s,…]; keys that came by head have their length behind the heads. */
    uint32_t rows = fresh ? qkv[0] : pln_emit_in(emit, 0), keys = fresh ? qkv[1] : pln_emit_transpose(emit, qkv[1], (int64_t[]){ 0, 2, 1, 3 }, 4);
    uint32_t mask = mask_numbers(emit, pln_emit_in(emit, 4), rows, keys, length, pln_emit_dtype(emit, qkv[0]));
    uint32_t inputs[6] = { qkv[0], qkv[1], qkv[2], both(emit, mask, pln_emit_in(emit, 5)), past[0], past[1] };
    uint32_t n_outputs = pln_emit_wants(emit, 3) ? 4 : !shared && (pln_emit_wants(emit, 1) || pln_emit_wants(emit, 2)) ? 3 : 1;
    uint32_t node = attention(emit, inputs, heads, n_outputs);
    pln_emit_bind(emit, 0, fresh ? pln_emit_output(emit, node, 0) : by_row(emit, pln_emit_output(emit, node, 0)));
    bind_present(emit, node, qkv + 1, shared, length, fresh ? heads : 0);
    if (pln_emit_wants(emit, 3)) pln_emit_bind(emit, 3, pln_emit_output(emit, node, 3));
}
