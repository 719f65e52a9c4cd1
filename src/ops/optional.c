/* Optionals: optional, optional_get_element, optional_has_element. A value that is no optional counts as one that is there. */
#include "ops/extent.h"

static enum pln_status infer_optional(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    struct pln_type type = { .kind = PLN_OPTIONAL, .rank = -1, .elem = in };
    return pln_infer_out_type(infer, 0, &type);
}

const struct pln_op_def pln_op_optional = {
    .name = "optional",
    .onnx = "Optional",
    .min_inputs = 0,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_optional,
};

static enum pln_status infer_optional_get_element(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    if (in->kind != PLN_OPTIONAL) return pln_infer_out_like(infer, 0, 0);
    return in->elem ? pln_infer_out_type(infer, 0, in->elem) : PLN_OK;
}

const struct pln_op_def pln_op_optional_get_element = {
    .name = "optional_get_element",
    .onnx = "OptionalGetElement",
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST | PLN_TRAIT_DATA_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_optional_get_element,
};

static enum pln_status infer_optional_has_element(struct pln_infer *infer)
{
    return pln_infer_out(infer, 0, PLN_BOOL, 0, NULL);
}

const struct pln_op_def pln_op_optional_has_element = {
    .name = "optional_has_element",
    .onnx = "OptionalHasElement",
    .min_inputs = 0,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_optional_has_element,
};
