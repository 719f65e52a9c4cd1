#include "ops/window.h"

static const struct pln_attr_def conv_attrs[] = {
    PLN_WINDOW_ATTRS,
    { .name = "epilogue", .kind = PLN_ATTR_STRING },
    { .name = "group", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = NULL },
};

static const struct pln_attr_def conv_transpose_attrs[] = {
    PLN_WINDOW_ATTRS,
    { .name = "epilogue", .kind = PLN_ATTR_STRING },
    { .name = "group", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = "output_padding", .kind = PLN_ATTR_INTS },
    { .name = "output_shape", .kind = PLN_ATTR_INTS },
    { .name = NULL },
};

/* groups * part must be whole when both are numbers. */
static enum pln_status check_channels(struct pln_infer *infer, struct pln_dim channels, struct pln_dim part, int64_t group)
{
    int64_t whole, each, product;
    const struct pln_dim_table *dims = &infer->graph->dims;
    if (!pln_dim_value(dims, channels, &whole) || !pln_dim_value(dims, part, &each)) return PLN_OK;
    if (pln_mul_i64(each, group, &product) && product == whole) return PLN_OK;
    return pln_infer_fail(infer, "input has %lld channels, but the weights take %lld in each of %lld groups", (long long)whole, (long long)each,
                          (long long)group);
}

/* x and w with weights w_input: ranks known and fitting, group sound. *out_rank 0: not known. */
static enum pln_status check_operands(struct pln_infer *infer, int w_input, int *out_rank, int64_t *out_group)
{
    *out_rank = 0;
    *out_group = pln_node_int(infer->graph, infer->node, "group");
    PLN_TRY(pln_infer_need_tensor(infer, 0, 3, PLN_MAX_RANK));
    PLN_TRY(pln_infer_need_tensor(infer, w_input, 3, PLN_MAX_RANK));
    if (*out_group < 1) return pln_infer_fail(infer, "group is %lld", (long long)*out_group);
    const struct pln_type *x = pln_infer_in(infer, 0), *w = pln_infer_in(infer, w_input);
    int rank = x->rank >= 0 ? x->rank : w->rank;
    if (rank < 0) return PLN_OK;
    if (x->rank >= 0 && w->rank >= 0 && x->rank != w->rank) {
        return pln_infer_fail(infer, "input has rank %d, but the weights have rank %d", x->rank, w->rank);
    }
    *out_rank = rank;
    return PLN_OK;
}

enum pln_status pln_infer_conv(struct pln_infer *infer, int w_input, enum pln_dtype dtype)
{
    int rank;
    int64_t group, features;
    PLN_TRY(check_operands(infer, w_input, &rank, &group));
    const struct pln_type *x = pln_infer_in(infer, 0), *w = pln_infer_in(infer, w_input);
    if (x->rank < 0 || w->rank < 0) return rank ? pln_infer_out_symbols(infer, 0, dtype, rank) : pln_infer_out(infer, 0, dtype, -1, NULL);
    PLN_TRY(check_channels(infer, x->dims[1], w->dims[1], group));
    if (pln_dim_value(&infer->graph->dims, w->dims[0], &features) && features % group != 0) {
        return pln_infer_fail(infer, "group %lld does not divide the %lld output channels", (long long)group, (long long)features);
    }
    struct pln_window window;
    struct pln_dim out[PLN_MAX_RANK] = { x->dims[0], w->dims[0] };
    PLN_TRY(pln_infer_window(infer, rank - 2, w->dims + 2, &window));
    PLN_TRY(pln_infer_window_output(infer, &window, x->dims + 2, w->dims + 2, out + 2));
    return pln_infer_out(infer, 0, dtype, rank, out);
}

static enum pln_status infer_conv(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    PLN_TRY(pln_infer_same_dtype(infer, 0, 1));
    if (pln_infer_has(infer, 2)) {
        PLN_TRY(pln_infer_need_tensor(infer, 2, 1, 1));
        PLN_TRY(pln_infer_same_dtype(infer, 0, 2));
    }
    return pln_infer_conv(infer, 1, pln_infer_dtype(infer, 0));
}

static enum pln_status infer_conv_transpose(struct pln_infer *infer)
{
    int rank;
    int64_t group;
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    PLN_TRY(pln_infer_same_dtype(infer, 0, 1));
    if (pln_infer_has(infer, 2)) PLN_TRY(pln_infer_need_tensor(infer, 2, 1, 1));
    PLN_TRY(check_operands(infer, 1, &rank, &group));
    const struct pln_type *x = pln_infer_in(infer, 0), *w = pln_infer_in(infer, 1);
    enum pln_dtype dtype = pln_infer_dtype(infer, 0);
    if (x->rank < 0 || w->rank < 0) return rank ? pln_infer_out_symbols(infer, 0, dtype, rank) : pln_infer_out(infer, 0, dtype, -1, NULL);
    struct pln_dim_table *dims = &infer->graph->dims;
    PLN_TRY(check_channels(infer, x->dims[1], w->dims[0], 1));
    struct pln_window window;
    struct pln_dim out[PLN_MAX_RANK] = { x->dims[0], pln_dim_mul(dims, w->dims[1], pln_dim_const(dims, group)) };
    PLN_TRY(pln_infer_window(infer, rank - 2, w->dims + 2, &window));
    PLN_TRY(pln_infer_window_transposed(infer, &window, x->dims + 2, w->dims + 2, out + 2));
    return pln_infer_out(infer, 0, dtype, rank, out);
}

/* A multiply and an add for each output element and each weight of one output channel. */
double pln_conv_flops(const struct pln_graph *graph, uint32_t node, int w_input)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    double features = pln_extent_estimate(graph, n->inputs[w_input], 0);
    if (features < 1) return 0;
    return 2 * pln_count_estimate(graph, n->outputs[0]) * pln_count_estimate(graph, n->inputs[w_input]) / features;
}

static double conv_flops(const struct pln_graph *graph, uint32_t node)
{
    return pln_conv_flops(graph, node, 1);
}

/* Every input element meets every weight of its channel. */
static double conv_transpose_flops(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    double channels = pln_extent_estimate(graph, n->inputs[1], 0);
    if (channels < 1) return 0;
    return 2 * pln_count_estimate(graph, n->inputs[0]) * pln_count_estimate(graph, n->inputs[1]) / channels;
}

const struct pln_op_def pln_op_conv = {
    .name = "conv",
    .onnx = "Conv",
    .attrs = conv_attrs,
    .min_inputs = 2,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 7,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_conv,
    .flops = conv_flops,
};

const struct pln_op_def pln_op_conv_transpose = {
    .name = "conv_transpose",
    .onnx = "ConvTranspose",
    .attrs = conv_transpose_attrs,
    .min_inputs = 2,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 7,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_conv_transpose,
    .flops = conv_transpose_flops,
};
