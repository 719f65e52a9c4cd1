/* Conversion of element types, and bits taken for another type. */
#include "ops/op.h"

static bool keeps_elems(enum pln_dtype dtype)
{
    return dtype == PLN_I64 || dtype == PLN_I32;
}

static enum pln_status infer_elems(struct pln_infer *infer, enum pln_dtype to)
{
    const struct pln_dim *elems;
    int64_t n;
    enum pln_dtype from = pln_infer_dtype(infer, 0);
    if (!pln_infer_elems(infer, 0, &elems, &n) || n > PLN_MAX_ELEMS) return PLN_OK;
    if (keeps_elems(to) && (keeps_elems(from) || from == PLN_BOOL)) return pln_infer_set_elems(infer, 0, elems, n);
    if (to != PLN_BOOL) return PLN_OK;
    struct pln_dim_table *t = &infer->graph->dims;
    struct pln_dim out[PLN_MAX_ELEMS], zero = pln_dim_const(t, 0), one = pln_dim_const(t, 1);
    for (int64_t i = 0; i < n; i++) out[i] = pln_dim_sub(t, one, pln_dim_binary(t, PLN_DIM_EQ, elems[i], zero));
    return pln_infer_set_elems(infer, 0, out, n);
}

static enum pln_status infer_cast(struct pln_infer *infer)
{
    int64_t to = pln_node_int(infer->graph, infer->node, "to");
    if (to < 0 || to > PLN_DTYPE_COUNT || !pln_dtype_valid((int)to))
        return pln_infer_fail(infer, "attribute to is %lld, which is no element type", (long long)to);
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    if (pln_dtype_is_complex(pln_infer_dtype(infer, 0)) || pln_dtype_is_complex((enum pln_dtype)to))
        return pln_infer_fail(infer, "complex numbers cannot be cast");
    const struct pln_type *type = pln_infer_in(infer, 0);
    PLN_TRY(pln_infer_out(infer, 0, (enum pln_dtype)to, type->rank, type->dims));
    return infer_elems(infer, (enum pln_dtype)to);
}

static const struct pln_attr_def attrs[] = {
    { "round_mode", PLN_ATTR_STRING, false, 0, 0, "up" },
    { "saturate", PLN_ATTR_INT, false, 1, 0, NULL },
    { "to", PLN_ATTR_INT, true, 0, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_cast = {
    .name = "cast",
    .onnx = "Cast",
    .attrs = attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_ELEMENTWISE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_cast,
};

static enum pln_status infer_bitcast(struct pln_infer *infer)
{
    int64_t to = pln_node_int(infer->graph, infer->node, "to");
    if (to < 0 || to > PLN_DTYPE_COUNT || !pln_dtype_valid((int)to) || to == PLN_STR)
        return pln_infer_fail(infer, "attribute to is %lld, which is no type of numbers", (long long)to);
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    enum pln_dtype from = pln_infer_dtype(infer, 0);
    if (from == PLN_STR || (from != PLN_DTYPE_NONE && pln_dtype_bits(from) != pln_dtype_bits((enum pln_dtype)to)))
        return pln_infer_fail(infer, "%s and %s are not of one width", pln_dtype_name(from), pln_dtype_name((enum pln_dtype)to));
    const struct pln_type *type = pln_infer_in(infer, 0);
    return pln_infer_out(infer, 0, (enum pln_dtype)to, type->rank, type->dims);
}

static const struct pln_attr_def bitcast_attrs[] = {
    { "to", PLN_ATTR_INT, true, 0, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_bitcast = {
    .name = "bitcast",
    .onnx = "BitCast",
    .attrs = bitcast_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_ELEMENTWISE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_bitcast,
};
