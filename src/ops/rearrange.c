/* trilu, reverse_sequence, center_crop_pad. */
#include "ops/extent.h"

static enum pln_status infer_trilu(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 2, -1));
    return pln_infer_out_like(infer, 0, 0);
}

static const struct pln_attr_def trilu_attrs[] = { { "upper", PLN_ATTR_INT, false, 1, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_trilu = {
    .name = "trilu",
    .onnx = "Trilu",
    .attrs = trilu_attrs,
    .min_inputs = 1,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_trilu,
};

static enum pln_status infer_reverse_sequence(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 2, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 1, 1));
    return pln_infer_out_like(infer, 0, 0);
}

static const struct pln_attr_def reverse_sequence_attrs[] = {
    { "batch_axis", PLN_ATTR_INT, false, 1, 0, NULL },
    { "time_axis", PLN_ATTR_INT, false, 0, 0, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_reverse_sequence = {
    .name = "reverse_sequence",
    .onnx = "ReverseSequence",
    .attrs = reverse_sequence_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_reverse_sequence,
};

static enum pln_status infer_center_crop_pad(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    const struct pln_dim *shape;
    const int64_t *axes;
    struct pln_dim dims[PLN_MAX_RANK];
    int64_t n, n_axes = pln_attrs_ints(&pln_graph_node(infer->graph, infer->node)->attrs, "axes", &axes);
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 1, 1));
    if (in->rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    if (!axes) n_axes = in->rank;
    bool known = pln_infer_elems(infer, 1, &shape, &n);
    if (n_axes > in->rank || (known && n != n_axes)) return pln_infer_fail(infer, "axes and shape do not fit rank %d", in->rank);
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    for (int i = 0; i < n_axes; i++) {
        int d = i;
        if (axes) PLN_TRY(pln_infer_axis(infer, axes[i], in->rank, &d));
        dims[d] = known ? shape[i] : pln_infer_out_symbol(infer, 0, d);
    }
    return pln_infer_out(infer, 0, in->dtype, in->rank, dims);
}

static const struct pln_attr_def center_crop_pad_attrs[] = { { "axes", PLN_ATTR_INTS, false, 0, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_center_crop_pad = {
    .name = "center_crop_pad",
    .onnx = "CenterCropPad",
    .attrs = center_crop_pad_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_center_crop_pad,
};
