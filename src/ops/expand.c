/* expand, tile, transpose: strided reads of the input. */
#include "ops/extent.h"

static enum pln_status infer_expand(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    const struct pln_dim *shape, *elems;
    struct pln_dim dims[PLN_MAX_RANK], filled[PLN_MAX_ELEMS];
    int64_t n, n_elems, count;
    int rank;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    if (!pln_infer_elems(infer, 1, &shape, &n)) {
        n = pln_extent_length(infer, 1);
        if (n < 0 || n > PLN_MAX_RANK || in->rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
        return pln_infer_out_symbols(infer, 0, in->dtype, PLN_MAX((int)n, in->rank));
    }
    if (n > PLN_MAX_RANK) return pln_infer_fail(infer, "a shape of %lld dims", (long long)n);
    if (in->rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    if (!pln_infer_broadcast(infer, in->rank, in->dims, (int)n, shape, &rank, dims)) {
        return pln_infer_fail(infer, "the input does not broadcast to the shape");
    }
    PLN_TRY(pln_infer_out(infer, 0, in->dtype, rank, dims));
    if (rank != 1 || !pln_dim_value(&infer->graph->dims, dims[0], &count) || count < 0 || count > PLN_MAX_ELEMS) return PLN_OK;
    if (!pln_infer_elems(infer, 0, &elems, &n_elems) || (n_elems != 1 && n_elems != count)) return PLN_OK;
    for (int64_t i = 0; i < count; i++) filled[i] = elems[n_elems == 1 ? 0 : i];
    return pln_infer_set_elems(infer, 0, filled, count);
}

/* Axes that grow have stride 0. An axis that may or may not be 1 at run time gives no fixed view. */
static bool view_expand(struct pln_graph *graph, uint32_t node, const struct pln_dim *in_strides, struct pln_dim *out_offset,
                        struct pln_dim *out_strides)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    const struct pln_type *in = &pln_graph_value(graph, n->inputs[0])->type, *out = &pln_graph_value(graph, n->outputs[0])->type;
    struct pln_dim zero = pln_dim_const(&graph->dims, 0);
    *out_offset = zero;
    if (in->rank < 0 || out->rank < in->rank) return false;
    int lead = out->rank - in->rank;
    for (int d = 0; d < out->rank; d++) {
        if (d < lead || pln_dim_is(&graph->dims, in->dims[d - lead], 1)) {
            out_strides[d] = zero;
        } else {
            if (!pln_dim_same(&graph->dims, in->dims[d - lead], out->dims[d])) return false;
            out_strides[d] = in_strides[d - lead];
        }
    }
    return true;
}

const struct pln_op_def pln_op_expand = {
    .name = "expand",
    .onnx = "Expand",
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_PERMUTE,
    .storage_inputs = 1,
    .shape_inputs = 1u << 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_expand,
    .view = view_expand,
};

static enum pln_status tile_elems(struct pln_infer *infer, struct pln_dim length)
{
    const struct pln_dim *elems;
    struct pln_dim filled[PLN_MAX_ELEMS];
    int64_t n, count;
    if (!pln_dim_value(&infer->graph->dims, length, &count) || count < 0 || count > PLN_MAX_ELEMS) return PLN_OK;
    if (!pln_infer_elems(infer, 0, &elems, &n)) return PLN_OK;
    for (int64_t i = 0; i < count; i++) filled[i] = elems[i % n];
    return pln_infer_set_elems(infer, 0, filled, count);
}

static enum pln_status infer_tile(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    const struct pln_dim *repeats;
    struct pln_dim dims[PLN_MAX_RANK];
    int64_t n, value;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    bool known = pln_infer_elems(infer, 1, &repeats, &n);
    if (!known) n = pln_extent_length(infer, 1);
    if (n > PLN_MAX_RANK || (n >= 0 && in->rank >= 0 && n != in->rank)) {
        return pln_infer_fail(infer, "%lld repeats for a tensor of rank %d", (long long)n, in->rank);
    }
    if (in->rank < 0 && n < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    if (!known || in->rank < 0) return pln_infer_out_symbols(infer, 0, in->dtype, PLN_MAX(in->rank, (int)n));
    for (int d = 0; d < in->rank; d++) {
        if (pln_dim_value(&infer->graph->dims, repeats[d], &value) && value < 0) {
            return pln_infer_fail(infer, "axis %d repeated %lld times", d, (long long)value);
        }
        dims[d] = pln_dim_mul(&infer->graph->dims, in->dims[d], repeats[d]);
    }
    PLN_TRY(pln_infer_out(infer, 0, in->dtype, in->rank, dims));
    return in->rank == 1 ? tile_elems(infer, dims[0]) : PLN_OK;
}

const struct pln_op_def pln_op_tile = {
    .name = "tile",
    .onnx = "Tile",
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_tile,
};

/* Axis of the input that output axis d is; false: perm is no permutation of the axes. */
static bool read_perm(const struct pln_graph *graph, uint32_t node, int rank, int *axes)
{
    const int64_t *perm;
    bool seen[PLN_MAX_RANK] = { false };
    int64_t n = pln_attrs_ints(&pln_graph_node(graph, node)->attrs, "perm", &perm);
    if (perm && n != rank) return false;
    for (int d = 0; d < rank; d++) {
        if (!pln_axis_normalize(perm ? perm[d] : rank - 1 - d, rank, &axes[d]) || seen[axes[d]]) return false;
        seen[axes[d]] = true;
    }
    return true;
}

static enum pln_status infer_transpose(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    const int64_t *perm;
    struct pln_dim dims[PLN_MAX_RANK];
    int axes[PLN_MAX_RANK];
    int64_t n = pln_attrs_ints(&pln_graph_node(infer->graph, infer->node)->attrs, "perm", &perm);
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    if (in->rank < 0) {
        if (!perm || n > PLN_MAX_RANK) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
        return pln_infer_out_symbols(infer, 0, in->dtype, (int)n);
    }
    if (!read_perm(infer->graph, infer->node, in->rank, axes)) return pln_infer_fail(infer, "perm is no permutation of %d axes", in->rank);
    for (int d = 0; d < in->rank; d++) dims[d] = in->dims[axes[d]];
    PLN_TRY(pln_infer_out(infer, 0, in->dtype, in->rank, dims));
    int64_t in_dims[PLN_MAX_RANK], in_strides[PLN_MAX_RANK], out_dims[PLN_MAX_RANK], out_strides[PLN_MAX_RANK];
    if (!pln_extent_numbers(infer, 0, in_dims, in_strides)) return PLN_OK;
    for (int d = 0; d < in->rank; d++) {
        out_dims[d] = in_dims[axes[d]];
        out_strides[d] = in_strides[axes[d]];
    }
    return pln_extent_view_elems(infer, 0, 0, in->rank, out_dims, 0, out_strides);
}

static bool view_transpose(struct pln_graph *graph, uint32_t node, const struct pln_dim *in_strides, struct pln_dim *out_offset,
                           struct pln_dim *out_strides)
{
    int axes[PLN_MAX_RANK];
    const struct pln_type *in = &pln_graph_value(graph, pln_graph_node(graph, node)->inputs[0])->type;
    *out_offset = pln_dim_const(&graph->dims, 0);
    if (in->rank < 0 || !read_perm(graph, node, in->rank, axes)) return false;
    for (int d = 0; d < in->rank; d++) out_strides[d] = in_strides[axes[d]];
    return true;
}

static const struct pln_attr_def transpose_attrs[] = { { "perm", PLN_ATTR_INTS, false, 0, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_transpose = {
    .name = "transpose",
    .onnx = "Transpose",
    .attrs = transpose_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_PERMUTE,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_transpose,
    .view = view_transpose,
};
