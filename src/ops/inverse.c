/* Inverses of matrices. */
#include "ops/extent.h"

static enum pln_status infer_inverse(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 2, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    const struct pln_type *x = pln_infer_in(infer, 0);
    if (x->rank >= 0 && !pln_extent_unify(infer, x->dims[x->rank - 1], x->dims[x->rank - 2])) return pln_infer_fail(infer, "the matrices are not square");
    return pln_infer_out_like(infer, 0, 0);
}

const struct pln_op_def pln_op_inverse = {
    .name = "inverse",
    .onnx = "Inverse", /* of com.microsoft */
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_inverse,
};
