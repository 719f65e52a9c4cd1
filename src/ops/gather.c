/* gather, gather_elements, gather_nd. */
#include "ops/extent.h"

#define MASK_INDEX (PLN_MASK(PLN_I32) | PLN_MASK(PLN_I64))

static enum pln_status gather_elems(struct pln_infer *infer, const struct pln_type *in, const struct pln_type *at)
{
    const struct pln_dim *elems;
    struct pln_dim taken[PLN_MAX_ELEMS];
    const int64_t *indices;
    int64_t n, n_indices;
    if (in->rank != 1 || at->rank > 1 || !pln_infer_elems(infer, 0, &elems, &n)) return PLN_OK;
    if (!pln_infer_ints(infer, 1, &indices, &n_indices) || n_indices > PLN_MAX_ELEMS) return PLN_OK;
    for (int64_t i = 0; i < n_indices; i++) {
        if (indices[i] < -n || indices[i] >= n) return PLN_OK;
        taken[i] = elems[indices[i] < 0 ? indices[i] + n : indices[i]];
    }
    return pln_infer_set_elems(infer, 0, taken, n_indices);
}

static enum pln_status infer_gather(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0), *at = pln_infer_in(infer, 1);
    struct pln_dim dims[2 * PLN_MAX_RANK];
    int axis;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 0, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 1, MASK_INDEX));
    if (in->rank < 0 || at->rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    PLN_TRY(pln_infer_axis(infer, pln_node_int(infer->graph, infer->node, "axis"), in->rank, &axis));
    int rank = 0;
    if (in->rank + at->rank - 1 > PLN_MAX_RANK) return pln_infer_fail(infer, "the result would have rank %d", in->rank + at->rank - 1);
    for (int d = 0; d < axis; d++) dims[rank++] = in->dims[d];
    for (int d = 0; d < at->rank; d++) dims[rank++] = at->dims[d];
    for (int d = axis + 1; d < in->rank; d++) dims[rank++] = in->dims[d];
    PLN_TRY(pln_infer_out(infer, 0, in->dtype, rank, dims));
    return gather_elems(infer, in, at);
}

static const struct pln_attr_def axis_attrs[] = { { "axis", PLN_ATTR_INT, false, 0, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_gather = {
    .name = "gather",
    .onnx = "Gather",
    .attrs = axis_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_gather,
};

static enum pln_status infer_gather_elements(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0), *at = pln_infer_in(infer, 1);
    int axis;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 1, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 1, MASK_INDEX));
    if (in->rank >= 0) PLN_TRY(pln_infer_axis(infer, pln_node_int(infer->graph, infer->node, "axis"), in->rank, &axis));
    if (in->rank >= 0 && at->rank >= 0 && in->rank != at->rank) {
        return pln_infer_fail(infer, "data has rank %d, indices %d", in->rank, at->rank);
    }
    if (at->rank < 0 && in->rank >= 0) return pln_infer_out_symbols(infer, 0, in->dtype, in->rank);
    return pln_infer_out(infer, 0, in->dtype, at->rank, at->dims);
}

const struct pln_op_def pln_op_gather_elements = {
    .name = "gather_elements",
    .onnx = "GatherElements",
    .attrs = axis_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_gather_elements,
};

static enum pln_status infer_gather_nd(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0), *at = pln_infer_in(infer, 1);
    struct pln_dim dims[2 * PLN_MAX_RANK];
    int64_t depth, batch = pln_node_int(infer->graph, infer->node, "batch_dims");
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 1, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 1, PLN_MASK(PLN_I64)));
    if (in->rank < 0 || at->rank < 0 || !pln_dim_value(&infer->graph->dims, at->dims[at->rank - 1], &depth)) {
        return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    }
    if (batch < 0 || batch >= at->rank || batch >= in->rank || depth > in->rank - batch) {
        return pln_infer_fail(infer, "batch_dims %lld and %lld indices a place for data of rank %d", (long long)batch, (long long)depth, in->rank);
    }
    int rank = 0;
    for (int d = 0; d < at->rank - 1; d++) dims[rank++] = at->dims[d];
    for (int d = (int)(batch + depth); d < in->rank; d++) dims[rank++] = in->dims[d];
    if (rank > PLN_MAX_RANK) return pln_infer_fail(infer, "the result would have rank %d", rank);
    return pln_infer_out(infer, 0, in->dtype, rank, dims);
}

static const struct pln_attr_def gather_nd_attrs[] = { { "batch_dims", PLN_ATTR_INT, false, 0, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_gather_nd = {
    .name = "gather_nd",
    .onnx = "GatherND",
    .attrs = gather_nd_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_gather_nd,
};
