/* concat, split. */
#include "ops/extent.h"

static enum pln_status concat_elems(struct pln_infer *infer)
{
    struct pln_dim all[PLN_MAX_ELEMS];
    int64_t count = 0;
    uint32_t n_inputs = pln_graph_node(infer->graph, infer->node)->n_inputs;
    for (uint32_t i = 0; i < n_inputs; i++) {
        const struct pln_dim *elems;
        int64_t n;
        if (!pln_infer_elems(infer, (int)i, &elems, &n) || count + n > PLN_MAX_ELEMS) return PLN_OK;
        if (n > 0) memcpy(&all[count], elems, (size_t)n * sizeof *all);
        count += n;
    }
    return pln_infer_set_elems(infer, 0, all, count);
}

static enum pln_status infer_concat(struct pln_infer *infer)
{
    struct pln_dim_table *table = &infer->graph->dims;
    uint32_t n_inputs = pln_graph_node(infer->graph, infer->node)->n_inputs;
    enum pln_dtype dtype = PLN_DTYPE_NONE;
    struct pln_dim dims[PLN_MAX_RANK];
    int rank = -1, axis = 0;
    bool all_known = true;
    for (uint32_t i = 0; i < n_inputs; i++) {
        const struct pln_type *part = pln_infer_in(infer, (int)i);
        PLN_TRY(pln_infer_need_tensor(infer, (int)i, 1, -1));
        PLN_TRY(pln_infer_same_dtype(infer, 0, (int)i));
        if (part->dtype != PLN_DTYPE_NONE) dtype = part->dtype;
        if (part->rank < 0) {
            all_known = false;
            continue;
        }
        if (rank >= 0 && part->rank != rank) return pln_infer_fail(infer, "input %u has rank %d, others have %d", i, part->rank, rank);
        if (rank < 0) {
            rank = part->rank;
            PLN_TRY(pln_infer_axis(infer, pln_node_int(infer->graph, infer->node, "axis"), rank, &axis));
            memcpy(dims, part->dims, (size_t)rank * sizeof *dims);
            continue;
        }
        for (int d = 0; d < rank; d++) {
            if (d == axis) dims[d] = pln_dim_add(table, dims[d], part->dims[d]);
            else if (!pln_extent_unify(infer, dims[d], part->dims[d])) return pln_infer_fail(infer, "input %u differs from the others along axis %d", i, d);
        }
    }
    if (rank < 0) return pln_infer_out(infer, 0, dtype, -1, NULL);
    if (!all_known) dims[axis] = pln_infer_out_symbol(infer, 0, axis);
    PLN_TRY(pln_infer_out(infer, 0, dtype, rank, dims));
    return rank == 1 ? concat_elems(infer) : PLN_OK;
}

static const struct pln_attr_def concat_attrs[] = { { "axis", PLN_ATTR_INT, true, 0, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_concat = {
    .name = "concat",
    .onnx = "Concat",
    .attrs = concat_attrs,
    .min_inputs = 1,
    .max_inputs = -1,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = UINT32_MAX,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_concat,
};

/* Length of output o along the axis: from the split input, or equal parts with a shorter last one. */
static struct pln_dim split_length(struct pln_infer *infer, struct pln_dim extent, int o, int axis)
{
    struct pln_dim_table *table = &infer->graph->dims;
    int64_t n_outputs = pln_graph_node(infer->graph, infer->node)->n_outputs, n;
    const struct pln_dim *lengths;
    if (pln_infer_has(infer, 1)) {
        if (pln_infer_elems(infer, 1, &lengths, &n) && o < n) return lengths[o];
        return pln_infer_out_symbol(infer, o, axis);
    }
    struct pln_dim each = pln_dim_binary(table, PLN_DIM_CEILDIV, extent, pln_dim_const(table, n_outputs));
    struct pln_dim rest = pln_dim_sub(table, extent, pln_dim_mul(table, each, pln_dim_const(table, o)));
    return pln_extent_clamp(infer, rest, pln_dim_const(table, 0), each);
}

static enum pln_status split_elems(struct pln_infer *infer, int o, int64_t offset, int64_t length)
{
    const struct pln_dim *elems;
    int64_t n;
    if (!pln_infer_elems(infer, 0, &elems, &n) || offset < 0 || length < 0 || length > n - offset) return PLN_OK;
    return pln_infer_set_elems(infer, o, elems + offset, length);
}

static enum pln_status infer_split(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    const struct pln_dim *lengths;
    struct pln_dim dims[PLN_MAX_RANK];
    int64_t n, offset = 0, length;
    int axis, n_outputs = (int)pln_graph_node(infer->graph, infer->node)->n_outputs;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    if (pln_infer_elems(infer, 1, &lengths, &n) && n != n_outputs) {
        return pln_infer_fail(infer, "split has %lld lengths for %d outputs", (long long)n, n_outputs);
    }
    if (in->rank < 0) {
        for (int o = 0; o < n_outputs; o++) PLN_TRY(pln_infer_out(infer, o, in->dtype, -1, NULL));
        return PLN_OK;
    }
    PLN_TRY(pln_infer_axis(infer, pln_node_int(infer->graph, infer->node, "axis"), in->rank, &axis));
    int rank = in->rank;
    enum pln_dtype dtype = in->dtype;
    struct pln_dim extent = in->dims[axis];
    memcpy(dims, in->dims, (size_t)rank * sizeof *dims);
    for (int o = 0; o < n_outputs; o++) {
        dims[axis] = split_length(infer, extent, o, axis);
        PLN_TRY(pln_infer_out(infer, o, dtype, rank, dims));
        bool number = pln_dim_value(&infer->graph->dims, dims[axis], &length);
        if (rank == 1 && number && offset >= 0) PLN_TRY(split_elems(infer, o, offset, length));
        if (!number || offset < 0 || !pln_add_i64(offset, length, &offset)) offset = -1;
    }
    return PLN_OK;
}

static const struct pln_attr_def split_attrs[] = {
    { "axis", PLN_ATTR_INT, false, 0, 0, NULL },
    { "num_outputs", PLN_ATTR_INT, false, 0, 0, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_split = {
    .name = "split",
    .onnx = "Split",
    .attrs = split_attrs,
    .min_inputs = 1,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = -1,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_split,
};
