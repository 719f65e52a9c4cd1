#include "ops/window.h"

static const struct pln_attr_def attrs[] = {
    { .name = "dilations", .kind = PLN_ATTR_INTS },
    { .name = "group", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = "kernel_shape", .kind = PLN_ATTR_INTS },
    { .name = "offset_group", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = "pads", .kind = PLN_ATTR_INTS },
    { .name = "strides", .kind = PLN_ATTR_INTS },
    { .name = NULL },
};

/* ONNX DeformConv-22: x, w, offset, bias, mask. */
static enum pln_status infer_deform_conv(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    for (int i = 1; i < 5; i++) PLN_TRY(pln_infer_same_dtype(infer, 0, i));
    PLN_TRY(pln_infer_need_tensor(infer, 2, 3, PLN_MAX_RANK));
    if (pln_node_int(infer->graph, infer->node, "offset_group") < 1) return pln_infer_fail(infer, "offset_group is below 1");
    return pln_infer_conv(infer, 1, pln_infer_dtype(infer, 0));
}

static double deform_conv_flops(const struct pln_graph *graph, uint32_t node)
{
    return pln_conv_flops(graph, node, 1);
}

const struct pln_op_def pln_op_deform_conv = {
    .name = "deform_conv",
    .onnx = "DeformConv",
    .attrs = attrs,
    .min_inputs = 3,
    .max_inputs = 5,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_deform_conv,
    .flops = deform_conv_flops,
};
