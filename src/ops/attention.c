#include "kernel/attention.h"
#include "ops/window.h"

/* ONNX Attention-25: inputs q, k, v, mask, past_key, past_value, nonpad_kv_seqlen; outputs y, present_key, present_value, scores. */
static const struct pln_attr_def attention_attrs[] = {
    { .name = "is_causal", .kind = PLN_ATTR_INT },
    { .name = "kv_num_heads", .kind = PLN_ATTR_INT },
    { .name = "left_window_size", .kind = PLN_ATTR_INT, .i = -1 },
    { .name = "masked_score", .kind = PLN_ATTR_FLOAT, .f = -INFINITY }, /* ours, as undefined_rows: kernel/attention.h */
    { .name = "q_num_heads", .kind = PLN_ATTR_INT },
    { .name = "qk_matmul_output_mode", .kind = PLN_ATTR_INT },
    { .name = "right_window_size", .kind = PLN_ATTR_INT, .i = -1 },
    { .name = "scale", .kind = PLN_ATTR_FLOAT }, /* absent: 1 / sqrt(head size) */
    { .name = "softcap", .kind = PLN_ATTR_FLOAT },
    { .name = "softmax_precision", .kind = PLN_ATTR_INT },
    { .name = "undefined_rows", .kind = PLN_ATTR_STRING, .s = "op" },
    { .name = NULL },
};

static const struct pln_attr_def rotary_attrs[] = {
    { .name = "interleaved", .kind = PLN_ATTR_INT },
    { .name = "num_heads", .kind = PLN_ATTR_INT },
    { .name = "rotary_embedding_dim", .kind = PLN_ATTR_INT },
    { .name = NULL },
};

/* An operand as [batch, heads, seq, size]. */
struct heads {
    struct pln_dim batch, heads, seq, size;
};

static enum pln_status read_heads(struct pln_infer *infer, int i, int64_t told_heads, struct heads *out)
{
    struct pln_dim_table *dims = &infer->graph->dims;
    const struct pln_type *type = pln_infer_in(infer, i);
    if (type->rank == 4) {
        *out = (struct heads){ type->dims[0], type->dims[1], type->dims[2], type->dims[3] };
        return PLN_OK;
    }
    int64_t hidden;
    if (told_heads < 1) return pln_infer_fail(infer, "inputs of rank 3 need the attributes q_num_heads and kv_num_heads");
    if (pln_dim_value(dims, type->dims[2], &hidden) && hidden % told_heads != 0) {
        return pln_infer_fail(infer, "%lld heads do not divide the %lld features of input %d", (long long)told_heads, (long long)hidden, i);
    }
    struct pln_dim heads = pln_dim_const(dims, told_heads);
    *out = (struct heads){ type->dims[0], heads, type->dims[1], pln_dim_binary(dims, PLN_DIM_FLOORDIV, type->dims[2], heads) };
    return PLN_OK;
}

static enum pln_status check_attention_inputs(struct pln_infer *infer, int *out_rank)
{
    *out_rank = -1;
    for (int i = 0; i < 3; i++) {
        PLN_TRY(pln_infer_need_tensor(infer, i, 3, 4));
        PLN_TRY(pln_infer_check_dtype(infer, i, PLN_MASK_FLOAT));
        int rank = pln_infer_in(infer, i)->rank;
        if (rank < 0) return PLN_OK;
        if (i > 0 && rank != pln_infer_in(infer, 0)->rank) return pln_infer_fail(infer, "query, key and value differ in rank");
    }
    if (pln_infer_has(infer, 3)) PLN_TRY(pln_infer_need_tensor(infer, 3, 0, 4));
    if (pln_infer_has(infer, 4) != pln_infer_has(infer, 5)) return pln_infer_fail(infer, "past_key and past_value go together");
    for (int i = 4; i <= 5 && pln_infer_has(infer, i); i++) PLN_TRY(pln_infer_need_tensor(infer, i, 4, 4));
    if (pln_infer_has(infer, 6)) {
        PLN_TRY(pln_infer_need_tensor(infer, 6, 1, 1));
        PLN_TRY(pln_infer_check_dtype(infer, 6, PLN_MASK(PLN_I64) | PLN_MASK(PLN_I32)));
    }
    *out_rank = pln_infer_in(infer, 0)->rank;
    return PLN_OK;
}

static enum pln_status infer_attention(struct pln_infer *infer)
{
    struct pln_dim_table *dims = &infer->graph->dims;
    int rank;
    struct heads q, k, v;
    enum pln_dtype dtype = pln_infer_dtype(infer, 0), value_dtype = pln_infer_dtype(infer, 2);
    int64_t q_heads = pln_node_int(infer->graph, infer->node, "q_num_heads"), kv_heads = pln_node_int(infer->graph, infer->node, "kv_num_heads");
    enum pln_undefined_rows undefined;
    if (!pln_undefined_rows_read(&pln_graph_node(infer->graph, infer->node)->attrs, &undefined)) return pln_infer_fail(infer, "undefined_rows is none of op, softmax, guarded");
    PLN_TRY(check_attention_inputs(infer, &rank));
    if (rank < 0) {
        int known = PLN_MAX(pln_infer_in(infer, 0)->rank, -1);
        if (known >= 0) {
            PLN_TRY(pln_infer_out_symbols(infer, 0, dtype, known));
        } else {
            PLN_TRY(pln_infer_out(infer, 0, dtype, -1, NULL));
        }
        PLN_TRY(pln_infer_out_symbols(infer, 1, dtype, 4));
        PLN_TRY(pln_infer_out_symbols(infer, 2, value_dtype, 4));
        return pln_infer_out_symbols(infer, 3, dtype, 4);
    }
    PLN_TRY(read_heads(infer, 0, q_heads, &q));
    PLN_TRY(read_heads(infer, 1, kv_heads, &k));
    PLN_TRY(read_heads(infer, 2, kv_heads, &v));
    struct pln_dim total = k.seq;
    const struct pln_type *past = pln_infer_has(infer, 4) ? pln_infer_in(infer, 4) : NULL;
    if (past) total = pln_dim_add(dims, past->rank == 4 ? past->dims[2] : pln_infer_out_symbol(infer, 1, 2), k.seq);
    struct pln_dim y4[4] = { q.batch, q.heads, q.seq, v.size }, y3[3] = { q.batch, q.seq, pln_dim_mul(dims, q.heads, v.size) };
    struct pln_dim present_key[4] = { k.batch, k.heads, total, k.size }, present_value[4] = { v.batch, v.heads, total, v.size };
    struct pln_dim scores[4] = { q.batch, q.heads, q.seq, total };
    PLN_TRY(pln_infer_out(infer, 0, dtype, rank, rank == 4 ? y4 : y3));
    PLN_TRY(pln_infer_out(infer, 1, dtype, 4, present_key));
    PLN_TRY(pln_infer_out(infer, 2, value_dtype, 4, present_value));
    return pln_infer_out(infer, 3, dtype, 4, scores);
}

/* Two products of [q, head size] with [total, head size], for every head. */
static double attention_flops(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    const struct pln_type *k = &pln_graph_value(graph, n->inputs[1])->type;
    double total = pln_extent_estimate(graph, n->inputs[1], k->rank == 3 ? 1 : 2);
    if (n->n_inputs > 4 && n->inputs[4] != PLN_NONE) total += pln_extent_estimate(graph, n->inputs[4], 2);
    return 4 * pln_count_estimate(graph, n->inputs[0]) * total;
}

/* ONNX RotaryEmbedding-23: inputs x, cos_cache, sin_cache, position_ids. */
static enum pln_status infer_rotary(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 3, 4));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 2, 3));
    PLN_TRY(pln_infer_need_tensor(infer, 2, 2, 3));
    PLN_TRY(pln_infer_same_dtype(infer, 0, 1));
    PLN_TRY(pln_infer_same_dtype(infer, 0, 2));
    if (pln_infer_has(infer, 3)) {
        PLN_TRY(pln_infer_need_tensor(infer, 3, 2, 2));
        PLN_TRY(pln_infer_check_dtype(infer, 3, PLN_MASK(PLN_I64) | PLN_MASK(PLN_I32)));
    }
    if (pln_infer_in(infer, 0)->rank == 3 && pln_node_int(infer->graph, infer->node, "num_heads") < 1) {
        return pln_infer_fail(infer, "an input of rank 3 needs the attribute num_heads");
    }
    return pln_infer_out_like(infer, 0, 0);
}

const struct pln_op_def pln_op_attention = {
    .name = "attention",
    .onnx = "Attention",
    .attrs = attention_attrs,
    .min_inputs = 3,
    .max_inputs = 7,
    .min_outputs = 1,
    .max_outputs = 4,
    .storage_inputs = 0x37,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_attention,
    .flops = attention_flops,
};

const struct pln_op_def pln_op_rotary_embedding = {
    .name = "rotary_embedding",
    .onnx = "RotaryEmbedding",
    .attrs = rotary_attrs,
    .min_inputs = 3,
    .max_inputs = 4,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 7,
    .tolerance = PLN_TOL_ROUND,
    .infer = infer_rotary,
};
