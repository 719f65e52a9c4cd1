/* one_hot, eye_like. */
#include "ops/extent.h"

/* The extent that a scalar of any number type tells. */
static struct pln_dim read_depth(struct pln_infer *infer, int axis)
{
    const struct pln_dim *elems;
    int64_t n;
    double value;
    if (pln_infer_elems(infer, 1, &elems, &n) && n == 1) return elems[0];
    if (pln_graph_scalar_f64(infer->graph, pln_graph_node(infer->graph, infer->node)->inputs[1], &value) && value >= 0 && value < 1e15) {
        return pln_extent_const(infer, (int64_t)value);
    }
    return pln_infer_out_symbol(infer, 0, axis);
}

static enum pln_status infer_one_hot(struct pln_infer *infer)
{
    const struct pln_type *at = pln_infer_in(infer, 0);
    enum pln_dtype dtype = pln_infer_dtype(infer, 2);
    struct pln_dim dims[PLN_MAX_RANK + 1];
    int axis;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, PLN_MAX_RANK - 1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 0, 1));
    PLN_TRY(pln_infer_need_tensor(infer, 2, 1, 1));
    if (at->rank < 0) return pln_infer_out(infer, 0, dtype, -1, NULL);
    PLN_TRY(pln_infer_axis(infer, pln_node_int(infer->graph, infer->node, "axis"), at->rank + 1, &axis));
    for (int d = 0; d <= at->rank; d++) {
        if (d != axis) dims[d] = at->dims[d < axis ? d : d - 1];
    }
    dims[axis] = read_depth(infer, axis);
    return pln_infer_out(infer, 0, dtype, at->rank + 1, dims);
}

static const struct pln_attr_def one_hot_attrs[] = { { "axis", PLN_ATTR_INT, false, -1, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_one_hot = {
    .name = "one_hot",
    .onnx = "OneHot",
    .attrs = one_hot_attrs,
    .min_inputs = 3,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_one_hot,
};

static enum pln_status infer_eye_like(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    const struct pln_attrs *attrs = &pln_graph_node(infer->graph, infer->node)->attrs;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, 2));
    int64_t number = pln_attrs_int(attrs, "dtype", in->dtype);
    if (pln_attrs_has(attrs, "dtype") && (number < 1 || number >= PLN_DTYPE_COUNT)) return pln_infer_fail(infer, "no element type %lld", (long long)number);
    enum pln_dtype dtype = (enum pln_dtype)number;
    if (in->rank < 0) return pln_infer_out_symbols(infer, 0, dtype, 2);
    struct pln_dim dims[2] = { in->dims[0], in->dims[in->rank - 1] };
    return pln_infer_out(infer, 0, dtype, 2, dims);
}

static const struct pln_attr_def eye_like_attrs[] = {
    { "dtype", PLN_ATTR_INT, false, 0, 0, NULL },
    { "k", PLN_ATTR_INT, false, 0, 0, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_eye_like = {
    .name = "eye_like",
    .onnx = "EyeLike",
    .attrs = eye_like_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_eye_like,
};
