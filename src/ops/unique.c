/* compress, unique, non_max_suppression: outputs whose length the data tell. */
#include "ops/extent.h"

/* Input 0 with a length along `axis` (or of the flattened input) that only the run knows. */
static enum pln_status out_selected(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    const struct pln_attrs *attrs = &pln_graph_node(infer->graph, infer->node)->attrs;
    struct pln_dim dims[PLN_MAX_RANK];
    int axis;
    if (!pln_attrs_has(attrs, "axis")) return pln_infer_out_symbols(infer, 0, in->dtype, 1);
    if (in->rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    PLN_TRY(pln_infer_axis(infer, pln_attrs_int(attrs, "axis", 0), in->rank, &axis));
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    dims[axis] = pln_infer_out_symbol(infer, 0, axis);
    return pln_infer_out(infer, 0, in->dtype, in->rank, dims);
}

static enum pln_status infer_compress(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 1, 1));
    PLN_TRY(pln_infer_check_dtype(infer, 1, PLN_MASK(PLN_BOOL)));
    return out_selected(infer);
}

static const struct pln_attr_def compress_attrs[] = { { "axis", PLN_ATTR_INT, false, 0, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_compress = {
    .name = "compress",
    .onnx = "Compress",
    .attrs = compress_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_DATA_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_compress,
};

static enum pln_status infer_unique(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    const struct pln_attrs *attrs = &pln_graph_node(infer->graph, infer->node)->attrs;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    PLN_TRY(out_selected(infer));
    for (int o = 1; o < 4; o += 2) PLN_TRY(pln_infer_out_symbols(infer, o, PLN_I64, 1));
    if (in->rank < 0) return pln_infer_out_symbols(infer, 2, PLN_I64, 1);
    int axis = 0;
    bool flat = !pln_attrs_has(attrs, "axis");
    if (!flat) PLN_TRY(pln_infer_axis(infer, pln_attrs_int(attrs, "axis", 0), in->rank, &axis));
    struct pln_dim n = flat ? pln_extent_product(infer, in->dims, 0, in->rank) : in->dims[axis];
    return pln_infer_out(infer, 2, PLN_I64, 1, &n);
}

static const struct pln_attr_def unique_attrs[] = {
    { "axis", PLN_ATTR_INT, false, 0, 0, NULL },
    { "sorted", PLN_ATTR_INT, false, 1, 0, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_unique = {
    .name = "unique",
    .onnx = "Unique",
    .attrs = unique_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 4,
    .traits = PLN_TRAIT_DATA_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_unique,
};

static enum pln_status infer_non_max_suppression(struct pln_infer *infer)
{
    for (int i = 0; i < 2; i++) {
        PLN_TRY(pln_infer_need_tensor(infer, i, 3, 3));
        PLN_TRY(pln_infer_check_dtype(infer, i, PLN_MASK(PLN_F32)));
    }
    struct pln_dim dims[2] = { pln_infer_out_symbol(infer, 0, 0), pln_extent_const(infer, 3) };
    return pln_infer_out(infer, 0, PLN_I64, 2, dims);
}

static const struct pln_attr_def nms_attrs[] = { { "center_point_box", PLN_ATTR_INT, false, 0, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_non_max_suppression = {
    .name = "non_max_suppression",
    .onnx = "NonMaxSuppression",
    .attrs = nms_attrs,
    .min_inputs = 2,
    .max_inputs = 5,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_DATA_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_non_max_suppression,
};
