/* Elementwise functions: types by class, broadcast shapes, and the arithmetic of shapes on known elements. */
#include "kernel/rowprog.h"
#include "ops/op.h"

static uint32_t class_mask(enum pln_ew_class cls)
{
    switch (cls) {
    case PLN_EW_CLASS_F: return PLN_MASK_FLOAT;
    case PLN_EW_CLASS_N: return PLN_MASK_NUMBER;
    case PLN_EW_CLASS_I: return PLN_MASK_SIGNED | PLN_MASK_UNSIGNED;
    case PLN_EW_CLASS_B: return PLN_MASK(PLN_BOOL);
    case PLN_EW_CLASS_C: return PLN_MASK_NUMBER | PLN_MASK(PLN_BOOL);
    case PLN_EW_CLASS_P:
        return PLN_MASK_FLOAT | PLN_MASK(PLN_F8E4M3FN) | PLN_MASK(PLN_F8E4M3FNUZ) | PLN_MASK(PLN_F8E5M2) | PLN_MASK(PLN_F8E5M2FNUZ);
    case PLN_EW_CLASS_S: return PLN_MASK_ANY;
    }
    return 0;
}

static enum pln_status check_types(struct pln_infer *infer, unsigned kind, const struct pln_ew_info *info)
{
    int first = info->cls == PLN_EW_CLASS_S ? 1 : 0;
    uint32_t mask = class_mask(info->cls);
    if (kind == PLN_EW_EQUAL) mask |= PLN_MASK(PLN_STR);
    if (first) PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_BOOL)));
    for (int i = first; i < info->n_inputs; i++) {
        if (!pln_infer_has(infer, i)) continue;
        PLN_TRY(pln_infer_check_dtype(infer, i, mask));
        if (i > first && kind != PLN_EW_POW) PLN_TRY(pln_infer_same_dtype(infer, first, i));
    }
    return PLN_OK;
}

static enum pln_dtype result_dtype(const struct pln_infer *infer, unsigned kind, const struct pln_ew_info *info)
{
    switch (info->cls) {
    case PLN_EW_CLASS_B:
    case PLN_EW_CLASS_C:
    case PLN_EW_CLASS_P: return PLN_BOOL;
    case PLN_EW_CLASS_F:
    case PLN_EW_CLASS_N:
    case PLN_EW_CLASS_I:
    case PLN_EW_CLASS_S: break;
    }
    int first = info->cls == PLN_EW_CLASS_S ? 1 : 0;
    enum pln_dtype dtype = pln_infer_dtype(infer, first);
    for (int i = first + 1; i < info->n_inputs && dtype == PLN_DTYPE_NONE && kind != PLN_EW_POW; i++) dtype = pln_infer_dtype(infer, i);
    return dtype;
}

static enum pln_status infer_shape(struct pln_infer *infer, const struct pln_ew_info *info, int *out_rank, struct pln_dim *out_dims)
{
    *out_rank = 0;
    int rank = 0;
    for (int i = 0; i < info->n_inputs; i++) {
        const struct pln_type *type = pln_infer_in(infer, i);
        if (!type) continue;
        PLN_TRY(pln_infer_need_tensor(infer, i, 0, -1));
        if (type->rank < 0 || rank < 0) {
            rank = -1;
            continue;
        }
        struct pln_dim before[PLN_MAX_RANK];
        memcpy(before, out_dims, (size_t)rank * sizeof(*before));
        if (!pln_infer_broadcast(infer, rank, before, type->rank, type->dims, &rank, out_dims))
            return pln_infer_fail(infer, "the shape of input %d cannot be broadcast with those before it", i);
    }
    *out_rank = rank;
    return PLN_OK;
}

/* ---- elements ---- */

static struct pln_dim negate(struct pln_dim_table *t, struct pln_dim a)
{
    return pln_dim_sub(t, pln_dim_const(t, 0), a);
}

static struct pln_dim complement(struct pln_dim_table *t, struct pln_dim a)
{
    return pln_dim_sub(t, pln_dim_const(t, 1), a);
}

/* Division that truncates, from one that rounds down; NONE when the divisor's sign is not known. */
static struct pln_dim divide(struct pln_dim_table *t, struct pln_dim a, struct pln_dim b)
{
    if (pln_dim_lower_bound(t, b) < 0) return PLN_DIM_NONE;
    struct pln_dim down = pln_dim_binary(t, PLN_DIM_FLOORDIV, a, b);
    if (pln_dim_lower_bound(t, a) >= 0) return down;
    struct pln_dim up = negate(t, pln_dim_binary(t, PLN_DIM_FLOORDIV, negate(t, a), b));
    return pln_dim_select(t, pln_dim_binary(t, PLN_DIM_LT, a, pln_dim_const(t, 0)), up, down);
}

static struct pln_dim power(struct pln_dim_table *t, struct pln_dim a, struct pln_dim b)
{
    int64_t base, exponent;
    if (!pln_dim_value(t, a, &base) || !pln_dim_value(t, b, &exponent)) return PLN_DIM_NONE;
    return pln_dim_const(t, pln_ew_i64(PLN_EW_POW, base, exponent, 0, false));
}

static struct pln_dim compare(struct pln_dim_table *t, unsigned kind, struct pln_dim a, struct pln_dim b)
{
    if (kind == PLN_EW_EQUAL) return pln_dim_binary(t, PLN_DIM_EQ, a, b);
    if (kind == PLN_EW_LESS) return pln_dim_binary(t, PLN_DIM_LT, a, b);
    if (kind == PLN_EW_GREATER) return pln_dim_binary(t, PLN_DIM_LT, b, a);
    return complement(t, kind == PLN_EW_LESS_EQUAL ? pln_dim_binary(t, PLN_DIM_LT, b, a) : pln_dim_binary(t, PLN_DIM_LT, a, b));
}

/* One element as an expression; NONE: this function has none. Bools are 0 and 1. */
static struct pln_dim one_elem(struct pln_dim_table *t, unsigned kind, struct pln_dim a, struct pln_dim b, struct pln_dim c)
{
    struct pln_dim zero = pln_dim_const(t, 0);
    if (kind == PLN_EW_ADD) return pln_dim_add(t, a, b);
    if (kind == PLN_EW_SUB) return pln_dim_sub(t, a, b);
    if (kind == PLN_EW_MUL || kind == PLN_EW_AND) return pln_dim_mul(t, a, b);
    if (kind == PLN_EW_DIV) return divide(t, a, b);
    if (kind == PLN_EW_MOD) return pln_dim_binary(t, PLN_DIM_MOD, a, b);
    if (kind == PLN_EW_FMOD && pln_dim_lower_bound(t, a) >= 0 && pln_dim_lower_bound(t, b) >= 0)
        return pln_dim_binary(t, PLN_DIM_MOD, a, b);
    if (kind == PLN_EW_MIN) return pln_dim_binary(t, PLN_DIM_MIN, a, b);
    if (kind == PLN_EW_MAX || kind == PLN_EW_OR) return pln_dim_binary(t, PLN_DIM_MAX, a, b);
    if (kind == PLN_EW_NEG) return negate(t, a);
    if (kind == PLN_EW_ABS) return pln_dim_binary(t, PLN_DIM_MAX, a, negate(t, a));
    if (kind == PLN_EW_RELU) return pln_dim_binary(t, PLN_DIM_MAX, a, zero);
    if (kind == PLN_EW_NOT) return complement(t, a);
    if (kind == PLN_EW_XOR) return complement(t, pln_dim_binary(t, PLN_DIM_EQ, a, b));
    if (kind == PLN_EW_IDENTITY) return a;
    if (kind == PLN_EW_POW) return power(t, a, b);
    if (kind == PLN_EW_WHERE) return pln_dim_select(t, a, b, c);
    if (kind == PLN_EW_EQUAL || kind == PLN_EW_LESS || kind == PLN_EW_LESS_EQUAL || kind == PLN_EW_GREATER || kind == PLN_EW_GREATER_EQUAL)
        return compare(t, kind, a, b);
    return PLN_DIM_NONE;
}

static bool shape_dtype(enum pln_dtype dtype)
{
    return dtype == PLN_I64 || dtype == PLN_I32 || dtype == PLN_BOOL;
}

/* x, min, max, where the bounds may be left out. */
static struct pln_dim clip_elem(struct pln_dim_table *t, struct pln_dim x, const struct pln_dim *low, const struct pln_dim *high)
{
    if (low) x = pln_dim_binary(t, PLN_DIM_MAX, x, *low);
    return high ? pln_dim_binary(t, PLN_DIM_MIN, x, *high) : x;
}

static enum pln_status infer_elems(struct pln_infer *infer, unsigned kind, int n_inputs)
{
    struct pln_dim_table *t = &infer->graph->dims;
    const struct pln_dim *in[3] = { NULL };
    int64_t counts[3] = { 1, 1, 1 }, n = 1;
    for (int i = 0; i < n_inputs; i++) {
        if (!pln_infer_has(infer, i)) continue;
        if (!shape_dtype(pln_infer_dtype(infer, i)) || !pln_infer_elems(infer, i, &in[i], &counts[i])) return PLN_OK;
        if (pln_infer_in(infer, i)->rank > 1) return PLN_OK; /* counts alone do not tell how matrices broadcast */
        if (counts[i] != 1) n = counts[i];
    }
    if (n > PLN_MAX_ELEMS) return PLN_OK;
    struct pln_dim out[PLN_MAX_ELEMS];
    for (int64_t k = 0; k < n; k++) {
        const struct pln_dim *at[3] = { NULL };
        for (int i = 0; i < n_inputs; i++) {
            if (counts[i] != 1 && counts[i] != n) return PLN_OK;
            if (in[i]) at[i] = &in[i][counts[i] == 1 ? 0 : k];
        }
        if (kind == PLN_EW_CLIP) out[k] = clip_elem(t, *at[0], at[1], at[2]);
        else out[k] = one_elem(t, kind, *at[0], at[1] ? *at[1] : *at[0], at[2] ? *at[2] : *at[0]);
    }
    return pln_infer_set_elems(infer, 0, out, n);
}

static enum pln_status infer_elementwise(struct pln_infer *infer)
{
    unsigned kind = pln_graph_node(infer->graph, infer->node)->kind;
    const struct pln_ew_info *info = pln_ew_get(kind);
    int count = pln_infer_count(infer), least = kind == PLN_EW_CLIP ? 1 : info->n_inputs;
    if (count < least || count > info->n_inputs) return pln_infer_fail(infer, "%d inputs instead of %d", count, info->n_inputs);
    for (int i = 0; i < least; i++)
        if (!pln_infer_has(infer, i)) return pln_infer_fail(infer, "input %d is missing", i);
    PLN_TRY(check_types(infer, kind, info));
    int rank;
    struct pln_dim dims[PLN_MAX_RANK];
    PLN_TRY(infer_shape(infer, info, &rank, dims));
    PLN_TRY(pln_infer_out(infer, 0, result_dtype(infer, kind, info), rank, dims));
    return rank == 0 || rank == 1 ? infer_elems(infer, kind, info->n_inputs) : PLN_OK;
}

static const struct pln_attr_def attrs[] = {
    { "alpha", PLN_ATTR_FLOAT, false, 0, 0, NULL }, /* defaults by kind: pln_ew_parameters */
    { "beta", PLN_ATTR_FLOAT, false, 0, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_elementwise = {
    .name = "elementwise",
    .attrs = attrs,
    .min_inputs = 1,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_ELEMENTWISE | PLN_TRAIT_BROADCAST | PLN_TRAIT_COMMUTATIVE | PLN_TRAIT_INPLACE,
    .storage_inputs = UINT32_MAX,
    .tolerance = PLN_TOL_TRANSCENDENTAL,
    .infer = infer_elementwise,
};
