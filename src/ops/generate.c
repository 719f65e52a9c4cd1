/* range, constant_of_shape, non_zero: ops that make elements. */
#include "ops/extent.h"

static enum pln_status range_elems(struct pln_infer *infer, struct pln_dim start, int64_t delta, struct pln_dim count)
{
    struct pln_dim_table *table = &infer->graph->dims;
    struct pln_dim elems[PLN_MAX_ELEMS];
    int64_t n, offset;
    if (!pln_dim_value(table, count, &n) || n > PLN_MAX_ELEMS) return PLN_OK;
    for (int64_t i = 0; i < n; i++) {
        if (!pln_mul_i64(i, delta, &offset)) return PLN_OK;
        elems[i] = pln_dim_add(table, start, pln_dim_const(table, offset));
    }
    return pln_infer_set_elems(infer, 0, elems, n);
}

static enum pln_status infer_range(struct pln_infer *infer)
{
    struct pln_dim_table *table = &infer->graph->dims;
    const struct pln_dim *start, *limit;
    const int64_t *delta;
    int64_t n[3];
    enum pln_dtype dtype = PLN_DTYPE_NONE;
    for (int i = 0; i < 3; i++) {
        PLN_TRY(pln_infer_need_tensor(infer, i, 0, 1));
        PLN_TRY(pln_infer_check_dtype(infer, i, PLN_MASK_NUMBER));
        PLN_TRY(pln_infer_same_dtype(infer, 0, i));
        if (dtype == PLN_DTYPE_NONE) dtype = pln_infer_dtype(infer, i);
    }
    bool known = pln_infer_elems(infer, 0, &start, &n[0]) && pln_infer_elems(infer, 1, &limit, &n[1]) && pln_infer_ints(infer, 2, &delta, &n[2]);
    if (!known || n[0] != 1 || n[1] != 1 || n[2] != 1 || delta[0] == INT64_MIN) return pln_infer_out_symbols(infer, 0, dtype, 1);
    if (delta[0] == 0) return pln_infer_fail(infer, "delta is 0");
    struct pln_dim span = delta[0] > 0 ? pln_dim_sub(table, limit[0], start[0]) : pln_dim_sub(table, start[0], limit[0]);
    span = pln_dim_binary(table, PLN_DIM_MAX, span, pln_dim_const(table, 0));
    struct pln_dim count = pln_dim_binary(table, PLN_DIM_CEILDIV, span, pln_dim_const(table, delta[0] > 0 ? delta[0] : -delta[0]));
    PLN_TRY(pln_infer_out(infer, 0, dtype, 1, &count));
    return range_elems(infer, start[0], delta[0], count);
}

static const struct pln_attr_def range_attrs[] = { { "stash_type", PLN_ATTR_INT, false, 1, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_range = {
    .name = "range",
    .onnx = "Range",
    .attrs = range_attrs,
    .min_inputs = 3,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ROUND,
    .infer = infer_range,
};

static enum pln_status infer_constant_of_shape(struct pln_infer *infer)
{
    const struct pln_attr *value = pln_attrs_find(&pln_graph_node(infer->graph, infer->node)->attrs, "value");
    const struct pln_dim *shape;
    struct pln_dim filled[PLN_MAX_ELEMS];
    int64_t rank, n = 1;
    enum pln_dtype dtype = value && value->kind == PLN_ATTR_TENSOR ? value->u.tensor->dtype : PLN_F32;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, 1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_I64)));
    PLN_TRY(pln_extent_out_shape(infer, 0, dtype, 0));
    if (!pln_infer_elems(infer, 0, &shape, &rank) || rank > 1 || (dtype != PLN_I64 && dtype != PLN_I32)) return PLN_OK;
    if (rank == 1 && (!pln_dim_value(&infer->graph->dims, shape[0], &n) || n > PLN_MAX_ELEMS)) return PLN_OK;
    if (pln_tensor_count(value->u.tensor) != 1) return pln_infer_fail(infer, "value has more or less than one element");
    const void *data = value->u.tensor->data;
    int64_t fill = dtype == PLN_I64 ? *(const int64_t *)data : *(const int32_t *)data;
    for (int64_t i = 0; i < n; i++) filled[i] = pln_extent_const(infer, fill);
    return pln_infer_set_elems(infer, 0, filled, n);
}

static const struct pln_attr_def constant_of_shape_attrs[] = { { "value", PLN_ATTR_TENSOR, false, 0, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_constant_of_shape = {
    .name = "constant_of_shape",
    .onnx = "ConstantOfShape",
    .attrs = constant_of_shape_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .shape_inputs = 1u << 0,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_constant_of_shape,
};

static enum pln_status infer_non_zero(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    if (in->rank < 0) return pln_infer_out_symbols(infer, 0, PLN_I64, 2);
    struct pln_dim dims[2] = { pln_extent_const(infer, in->rank), pln_infer_out_symbol(infer, 0, 1) };
    return pln_infer_out(infer, 0, PLN_I64, 2, dims);
}

const struct pln_op_def pln_op_non_zero = {
    .name = "non_zero",
    .onnx = "NonZero",
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_DATA_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_non_zero,
};
