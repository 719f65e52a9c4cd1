#include "ops/window.h"

enum pln_status pln_infer_window(struct pln_infer *infer, int rank, const struct pln_dim *kernel, struct pln_window *out_window)
{
    int64_t sizes[PLN_MAX_RANK];
    for (int d = 0; kernel && d < rank; d++) {
        if (!pln_dim_value(&infer->graph->dims, kernel[d], &sizes[d])) sizes[d] = -1;
    }
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    const char *reason = pln_window_read(&node->attrs, rank, kernel ? sizes : NULL, out_window);
    return reason ? pln_infer_fail(infer, "%s", reason) : PLN_OK;
}

/* (kernel - 1) * dilation + 1. */
static struct pln_dim span(struct pln_infer *infer, const struct pln_window *window, const struct pln_dim *kernel, int d)
{
    struct pln_dim_table *dims = &infer->graph->dims;
    if (window->kernel[d] > 0) return pln_dim_const(dims, pln_window_span(window, d));
    struct pln_dim steps = pln_dim_sub(dims, kernel[d], pln_dim_const(dims, 1));
    return pln_dim_add(dims, pln_dim_mul(dims, steps, pln_dim_const(dims, window->dilation[d])), pln_dim_const(dims, 1));
}

static bool is_same(const struct pln_window *window)
{
    return window->auto_pad == PLN_AUTO_PAD_SAME_UPPER || window->auto_pad == PLN_AUTO_PAD_SAME_LOWER;
}

static enum pln_status check_extent(struct pln_infer *infer, struct pln_dim extent, const char *reason)
{
    int64_t value;
    if (pln_dim_value(&infer->graph->dims, extent, &value) && value < 0) return pln_infer_fail(infer, "%s", reason);
    return PLN_OK;
}

/* One axis: floor(room / stride) + 1, or with ceil_mode ceil(room / stride) and the last window, if it begins before the end padding. */
static struct pln_dim window_count(struct pln_dim_table *dims, const struct pln_window *window, int d, struct pln_dim in, struct pln_dim room)
{
    struct pln_dim one = pln_dim_const(dims, 1), stride = pln_dim_const(dims, window->stride[d]);
    if (!window->ceil_mode) return pln_dim_add(dims, pln_dim_binary(dims, PLN_DIM_FLOORDIV, room, stride), one);
    struct pln_dim steps = pln_dim_binary(dims, PLN_DIM_CEILDIV, room, stride);
    struct pln_dim last_start = pln_dim_mul(dims, steps, stride);
    struct pln_dim data_end = pln_dim_add(dims, in, pln_dim_const(dims, window->pad_begin[d]));
    return pln_dim_add(dims, steps, pln_dim_binary(dims, PLN_DIM_LT, last_start, data_end));
}

enum pln_status pln_infer_window_output(struct pln_infer *infer, const struct pln_window *window, const struct pln_dim *in,
                                        const struct pln_dim *kernel, struct pln_dim *out)
{
    struct pln_dim_table *dims = &infer->graph->dims;
    for (int d = 0; d < window->rank; d++) {
        if (is_same(window)) {
            out[d] = pln_dim_binary(dims, PLN_DIM_CEILDIV, in[d], pln_dim_const(dims, window->stride[d]));
            continue;
        }
        struct pln_dim pads = pln_dim_const(dims, window->pad_begin[d] + window->pad_end[d]), reach = span(infer, window, kernel, d);
        struct pln_dim room = pln_dim_sub(dims, pln_dim_add(dims, in[d], pads), reach);
        int64_t count, spans, extent;
        out[d] = window_count(dims, window, d, in[d], room);
        if (pln_dim_value(dims, out[d], &count) && count < 0 && pln_dim_value(dims, reach, &spans) && pln_dim_value(dims, in[d], &extent)) {
            return pln_infer_fail(infer, "kernel is larger than the padded input: it spans %lld on axis %d, whose extent is %lld + %lld of padding", (long long)spans, d + 2, (long long)extent,
                                  (long long)(window->pad_begin[d] + window->pad_end[d]));
        }
    }
    return PLN_OK;
}

enum pln_status pln_infer_window_transposed(struct pln_infer *infer, const struct pln_window *window, const struct pln_dim *in,
                                            const struct pln_dim *kernel, struct pln_dim *out)
{
    struct pln_dim_table *dims = &infer->graph->dims;
    for (int d = 0; d < window->rank; d++) {
        struct pln_dim stride = pln_dim_const(dims, window->stride[d]);
        if (window->has_output_shape) {
            out[d] = pln_dim_const(dims, window->output_shape[d]);
        } else if (is_same(window)) {
            out[d] = pln_dim_mul(dims, in[d], stride);
        } else {
            struct pln_dim full = pln_dim_mul(dims, pln_dim_sub(dims, in[d], pln_dim_const(dims, 1)), stride);
            int64_t extra = window->output_padding[d] - window->pad_begin[d] - window->pad_end[d];
            full = pln_dim_add(dims, full, span(infer, window, kernel, d));
            out[d] = pln_dim_add(dims, full, pln_dim_const(dims, extra));
            PLN_TRY(check_extent(infer, out[d], "pads are larger than the output"));
        }
    }
    return PLN_OK;
}

double pln_extent_estimate(const struct pln_graph *graph, uint32_t value, int d)
{
    if (value == PLN_NONE) return 1;
    const struct pln_type *type = &pln_graph_value(graph, value)->type;
    int64_t extent;
    if (type->rank < 0 || d < 0) return 128;
    if (d >= type->rank) return 1;
    return pln_dim_value(&graph->dims, type->dims[d], &extent) ? (double)extent : 128;
}

double pln_count_estimate(const struct pln_graph *graph, uint32_t value)
{
    if (value == PLN_NONE) return 1;
    int rank = pln_graph_value(graph, value)->type.rank;
    double count = rank < 0 ? 128 : 1;
    for (int d = 0; d < rank; d++) count *= pln_extent_estimate(graph, value, d);
    return count;
}
