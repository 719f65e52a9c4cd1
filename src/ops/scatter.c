/* scatter_elements, scatter_nd, tensor_scatter: data with some elements written anew. */
#include "ops/extent.h"

static enum pln_status infer_scatter(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 1, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 2, 0, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 1, PLN_MASK(PLN_I32) | PLN_MASK(PLN_I64)));
    PLN_TRY(pln_infer_same_dtype(infer, 0, 2));
    return pln_infer_out_like(infer, 0, 0);
}

static const struct pln_attr_def scatter_elements_attrs[] = {
    { "axis", PLN_ATTR_INT, false, 0, 0, NULL },
    { "reduction", PLN_ATTR_STRING, false, 0, 0, "none" },
    { .name = NULL },
};
const struct pln_op_def pln_op_scatter_elements = {
    .name = "scatter_elements",
    .onnx = "ScatterElements",
    .attrs = scatter_elements_attrs,
    .min_inputs = 3,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_INPLACE,
    .tolerance = PLN_TOL_ROUND,
    .infer = infer_scatter,
};

static const struct pln_attr_def scatter_nd_attrs[] = { { "reduction", PLN_ATTR_STRING, false, 0, 0, "none" }, { .name = NULL } };
const struct pln_op_def pln_op_scatter_nd = {
    .name = "scatter_nd",
    .onnx = "ScatterND",
    .attrs = scatter_nd_attrs,
    .min_inputs = 3,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_INPLACE,
    .tolerance = PLN_TOL_ROUND,
    .infer = infer_scatter,
};

static enum pln_status infer_tensor_scatter(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 2, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 2, -1));
    PLN_TRY(pln_infer_same_dtype(infer, 0, 1));
    return pln_infer_out_like(infer, 0, 0);
}

static const struct pln_attr_def tensor_scatter_attrs[] = {
    { "axis", PLN_ATTR_INT, false, -2, 0, NULL },
    { "mode", PLN_ATTR_STRING, false, 0, 0, "linear" },
    { .name = NULL },
};
const struct pln_op_def pln_op_tensor_scatter = {
    .name = "tensor_scatter",
    .onnx = "TensorScatter",
    .attrs = tensor_scatter_attrs,
    .min_inputs = 2,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_INPLACE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_tensor_scatter,
};
