/* Softmax and its logarithm. */
#include "ops/op.h"

static enum pln_status infer_softmax(struct pln_infer *infer)
{
    int axis;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    const struct pln_type *in = pln_infer_in(infer, 0);
    if (in->rank >= 0) PLN_TRY(pln_infer_axis(infer, pln_node_int(infer->graph, infer->node, "axis"), in->rank, &axis));
    return pln_infer_out_like(infer, 0, 0);
}

static const struct pln_attr_def attrs[] = {
    { "axis", PLN_ATTR_INT, false, -1, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_softmax = {
    .name = "softmax",
    .attrs = attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_ROWWISE | PLN_TRAIT_INPLACE,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_TRANSCENDENTAL,
    .infer = infer_softmax,
};
