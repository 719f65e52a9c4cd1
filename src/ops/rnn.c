#include "ops/window.h"

/* Kinds rnn, gru, lstm: ONNX RNN-22, GRU-22, LSTM-22. activation lists and clip as there; layout 0 or 1. */
static const struct pln_attr_def attrs[] = {
    { .name = "activation_alpha", .kind = PLN_ATTR_FLOATS },
    { .name = "activation_beta", .kind = PLN_ATTR_FLOATS },
    { .name = "activations", .kind = PLN_ATTR_STRINGS },
    { .name = "clip", .kind = PLN_ATTR_FLOAT },
    { .name = "direction", .kind = PLN_ATTR_STRING, .s = "forward" },
    { .name = "hidden_size", .kind = PLN_ATTR_INT },
    { .name = "input_forget", .kind = PLN_ATTR_INT },        /* lstm */
    { .name = "layout", .kind = PLN_ATTR_INT },
    { .name = "linear_before_reset", .kind = PLN_ATTR_INT }, /* gru */
    { .name = NULL },
};

static int gate_count(unsigned kind)
{
    switch ((enum pln_rnn_kind)kind) {
    case PLN_RNN_NONE:
    case PLN_RNN_RNN:
        return 1;
    case PLN_RNN_GRU:
        return 3;
    case PLN_RNN_LSTM:
        return 4;
    }
    return 1;
}

/* hidden size: the attribute, else the last dim of R, else W's rows over the gates. */
static enum pln_status find_hidden(struct pln_infer *infer, struct pln_dim *out_hidden)
{
    struct pln_dim_table *dims = &infer->graph->dims;
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    const struct pln_type *w = pln_infer_in(infer, 1), *r = pln_infer_in(infer, 2);
    int64_t told = pln_node_int(infer->graph, infer->node, "hidden_size"), real;
    *out_hidden = PLN_DIM_NONE;
    if (told < 0) return pln_infer_fail(infer, "hidden_size is %lld", (long long)told);
    if (r->rank == 3) {
        *out_hidden = r->dims[2];
        if (told > 0 && pln_dim_value(dims, r->dims[2], &real) && real != told) {
            return pln_infer_fail(infer, "hidden_size is %lld, but the recurrence weights are for %lld", (long long)told, (long long)real);
        }
    } else if (w->rank == 3) {
        *out_hidden = pln_dim_binary(dims, PLN_DIM_FLOORDIV, w->dims[1], pln_dim_const(dims, gate_count(node->kind)));
    }
    if (told > 0) *out_hidden = pln_dim_const(dims, told);
    return PLN_OK;
}

static enum pln_status check_inputs(struct pln_infer *infer)
{
    static const int ranks[] = { 3, 3, 3, 2, 1, 3, 3, 2 };
    int n = (int)pln_graph_node(infer->graph, infer->node)->n_inputs;
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    for (int i = 0; i < n && i < (int)PLN_COUNT_OF(ranks); i++) {
        if (!pln_infer_has(infer, i)) continue;
        PLN_TRY(pln_infer_need_tensor(infer, i, ranks[i], ranks[i]));
        if (i == 4) {
            PLN_TRY(pln_infer_check_dtype(infer, 4, PLN_MASK(PLN_I32) | PLN_MASK(PLN_I64)));
        } else {
            PLN_TRY(pln_infer_same_dtype(infer, 0, i));
        }
    }
    return PLN_OK;
}

static enum pln_status infer_rnn(struct pln_infer *infer)
{
    struct pln_graph *graph = infer->graph;
    struct pln_dim_table *dims = &graph->dims;
    const char *direction = pln_node_string(graph, infer->node, "direction");
    bool both = pln_str_equal(direction, "bidirectional");
    if (!both && !pln_str_equal(direction, "forward") && !pln_str_equal(direction, "reverse")) {
        return pln_infer_fail(infer, "direction \"%s\" is none of forward, reverse, bidirectional", direction);
    }
    int64_t layout = pln_node_int(graph, infer->node, "layout");
    if (layout != 0 && layout != 1) return pln_infer_fail(infer, "layout is %lld", (long long)layout);
    PLN_TRY(check_inputs(infer));
    struct pln_dim hidden, seq = PLN_DIM_NONE, batch = PLN_DIM_NONE, directions = pln_dim_const(dims, both ? 2 : 1);
    PLN_TRY(find_hidden(infer, &hidden));
    enum pln_dtype dtype = pln_infer_dtype(infer, 0);
    const struct pln_type *x = pln_infer_in(infer, 0);
    if (x->rank == 3) {
        seq = x->dims[layout];
        batch = x->dims[1 - layout];
    } else {
        seq = pln_infer_out_symbol(infer, 0, layout ? 1 : 0);
        batch = pln_infer_out_symbol(infer, 0, layout ? 0 : 2);
    }
    if (hidden.id == PLN_DIM_NONE.id) hidden = pln_infer_out_symbol(infer, 0, 3);
    struct pln_dim y[4] = { seq, directions, batch, hidden }, y_by_batch[4] = { batch, seq, directions, hidden };
    struct pln_dim last[3] = { directions, batch, hidden }, last_by_batch[3] = { batch, directions, hidden };
    PLN_TRY(pln_infer_out(infer, 0, dtype, 4, layout ? y_by_batch : y));
    PLN_TRY(pln_infer_out(infer, 1, dtype, 3, layout ? last_by_batch : last));
    return pln_infer_out(infer, 2, dtype, 3, layout ? last_by_batch : last);
}

/* Two operations for each weight, step and sequence. */
static double rnn_flops(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    double steps = pln_extent_estimate(graph, n->inputs[0], 0) * pln_extent_estimate(graph, n->inputs[0], 1);
    return 2 * steps * (pln_count_estimate(graph, n->inputs[1]) + pln_count_estimate(graph, n->inputs[2]));
}

const struct pln_op_def pln_op_rnn = {
    .name = "rnn",
    .attrs = attrs,
    .min_inputs = 3,
    .max_inputs = 8,
    .min_outputs = 0,
    .max_outputs = 3,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_rnn,
    .flops = rnn_flops,
};
