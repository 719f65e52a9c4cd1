/* The k largest or smallest elements along an axis. */
#include "ops/op.h"

static enum pln_status infer_topk(struct pln_infer *infer)
{
    int axis;
    int64_t n;
    const struct pln_dim *k;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 0, 1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_NUMBER));
    PLN_TRY(pln_infer_check_dtype(infer, 1, PLN_MASK(PLN_I64)));
    const struct pln_type *x = pln_infer_in(infer, 0);
    if (x->rank < 0) {
        PLN_TRY(pln_infer_out(infer, 0, x->dtype, -1, NULL));
        return pln_infer_out(infer, 1, PLN_I64, -1, NULL);
    }
    PLN_TRY(pln_infer_axis(infer, pln_node_int(infer->graph, infer->node, "axis"), x->rank, &axis));
    struct pln_dim dims[PLN_MAX_RANK];
    for (int d = 0; d < x->rank; d++) dims[d] = x->dims[d];
    if (pln_infer_elems(infer, 1, &k, &n) && n == 1) {
        int64_t wanted, extent;
        /* Told here where it can be: the run would ask for the memory of k elements before the kernel looks. */
        if (pln_dim_value(&infer->graph->dims, k[0], &wanted) && pln_dim_value(&infer->graph->dims, dims[axis], &extent) && wanted > extent)
            return pln_infer_fail(infer, "K is %lld, but the axis has %lld elements", (long long)wanted, (long long)extent);
        dims[axis] = k[0];
    } else dims[axis] = pln_graph_node(infer->graph, infer->node)->outputs[0] != PLN_NONE ? pln_infer_out_symbol(infer, 0, axis)
                                                                                       : pln_infer_out_symbol(infer, 1, axis);
    PLN_TRY(pln_infer_out(infer, 0, x->dtype, x->rank, dims));
    return pln_infer_out(infer, 1, PLN_I64, x->rank, dims);
}

static const struct pln_attr_def attrs[] = {
    { "axis", PLN_ATTR_INT, false, -1, 0, NULL },
    { "largest", PLN_ATTR_INT, false, 1, 0, NULL },
    { "sorted", PLN_ATTR_INT, false, 1, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_topk = {
    .name = "topk",
    .onnx = "TopK",
    .attrs = attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 2,
    .shape_inputs = 1u << 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_topk,
};
