/* identity, reshape, squeeze, unsqueeze, flatten: the same elements under another shape; shape and size: what that shape is. */
#include "ops/extent.h"

/* Dims of one extent hold their place in memory whatever their stride; these are passed over. */
static int skip_ones(const struct pln_dim_table *table, const struct pln_type *type, int at)
{
    while (at < type->rank && pln_dim_is(table, type->dims[at], 1)) at++;
    return at;
}

/* The end of a run of dims whose product is `want`, a number; -1: there is none. */
static int run_of(const struct pln_dim_table *table, const struct pln_type *type, int at, int64_t want)
{
    int64_t product = 1, extent;
    while (at < type->rank && product < want && pln_dim_value(table, type->dims[at], &extent) && extent > 0 && pln_mul_i64(product, extent, &product)) at++;
    return product == want ? at : -1;
}

/* Dims [first, last) of the input lie one in the other, as in row-major order. */
static bool is_nested(struct pln_dim_table *table, const struct pln_type *type, const struct pln_dim *strides, int first, int last)
{
    for (int i = first; i + 1 < last; i++)
        if (!pln_dim_same(table, strides[i], pln_dim_mul(table, strides[i + 1], type->dims[i + 1]))) return false;
    return true;
}

/* The smallest numbers of dims from `i` on and from `k` on with one product; false: not told by numbers. */
static bool match_runs(const struct pln_dim_table *table, const struct pln_type *in, int i, const struct pln_type *out, int k, int *out_i, int *out_k)
{
    int64_t product = 1, extent;
    for (*out_i = i; *out_i < in->rank;) {
        if (!pln_dim_value(table, in->dims[*out_i], &extent) || extent < 1 || !pln_mul_i64(product, extent, &product)) return false;
        ++*out_i;
        *out_k = run_of(table, out, k, product);
        if (*out_k >= 0) return true;
    }
    return false;
}

/* Another shape of a strided tensor, where each of its dims keeps to itself, is split, or is joined with neighbours that it lies nested in. */
static bool view_same_order(struct pln_graph *graph, uint32_t node, const struct pln_dim *in_strides, struct pln_dim *out_offset, struct pln_dim *out_strides)
{
    struct pln_dim_table *table = &graph->dims;
    const struct pln_node *n = pln_graph_node(graph, node);
    const struct pln_type *in = &pln_graph_value(graph, n->inputs[0])->type, *out = &pln_graph_value(graph, n->outputs[0])->type;
    *out_offset = pln_dim_const(table, 0);
    if (in->rank < 0 || out->rank < 0) return false;
    for (int d = 0; d < out->rank; d++) out_strides[d] = pln_dim_const(table, 1);
    int i = skip_ones(table, in, 0), k = skip_ones(table, out, 0), to_i, to_k;
    for (; i < in->rank && k < out->rank; i = skip_ones(table, in, to_i), k = skip_ones(table, out, to_k)) {
        to_i = i + 1;
        to_k = k + 1;
        bool same = pln_dim_same(table, in->dims[i], out->dims[k]);
        if (!same && (!match_runs(table, in, i, out, k, &to_i, &to_k) || !is_nested(table, in, in_strides, i, to_i))) return false;
        struct pln_dim stride = in_strides[to_i - 1];
        for (int d = to_k - 1; d >= k; d--) {
            out_strides[d] = stride;
            stride = pln_dim_mul(table, stride, out->dims[d]);
        }
    }
    return i == in->rank && k == out->rank;
}

static enum pln_status infer_identity(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_out_like(infer, 0, 0));
    const struct pln_type *in = pln_infer_in(infer, 0);
    return in && in->kind == PLN_TENSOR ? pln_extent_pass_elems(infer, 0, 0) : PLN_OK;
}

const struct pln_op_def pln_op_identity = {
    .name = "identity",
    .onnx = "Identity",
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_VIEW,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_identity,
    .view = view_same_order,
};

/* The dim that -1 stands for: elements of the input over the product of the other dims. A dim that stands on both sides is struck
 * out first, which also holds where it is 0 at run time. */
static struct pln_dim reshape_rest(struct pln_infer *infer, const struct pln_type *in, const struct pln_dim *dims, int n, int rest)
{
    struct pln_dim_table *table = &infer->graph->dims;
    struct pln_dim above = pln_dim_const(table, 1), below = above;
    bool struck[PLN_MAX_RANK] = { false };
    for (int d = 0; d < n; d++) {
        bool found = d == rest;
        for (int k = 0; !found && k < in->rank; k++) {
            found = !struck[k] && pln_dim_same(table, in->dims[k], dims[d]);
            if (found) struck[k] = true;
        }
        if (!found) below = pln_dim_mul(table, below, dims[d]);
    }
    for (int k = 0; k < in->rank; k++) {
        if (!struck[k]) above = pln_dim_mul(table, above, in->dims[k]);
    }
    return pln_dim_binary(table, PLN_DIM_FLOORDIV, above, below);
}

/* Dim d of the new shape, a computed one: where it comes out as 0 it stands for the input's, unless the input has no elements then. */
static struct pln_dim zero_copies(struct pln_infer *infer, const struct pln_type *in, int d, struct pln_dim wanted)
{
    struct pln_dim_table *table = &infer->graph->dims;
    if (d >= in->rank || pln_dim_lower_bound(table, wanted) >= 1) return wanted;
    for (int k = 0; k < in->rank; k++)
        if (pln_dim_zero_with(table, in->dims[k], wanted)) return wanted;
    if (pln_dim_zero_with(table, pln_dim_product(table, in->dims, in->rank), wanted)) return wanted;
    return pln_dim_select(table, wanted, wanted, in->dims[d]);
}

static enum pln_status check_count(struct pln_infer *infer, const struct pln_type *in, const struct pln_dim *dims, int n)
{
    int64_t before, after;
    if (in->rank < 0 || !pln_extent_sure(infer)) return PLN_OK;
    if (!pln_dim_value(&infer->graph->dims, pln_extent_product(infer, in->dims, 0, in->rank), &before)) return PLN_OK;
    if (!pln_dim_value(&infer->graph->dims, pln_extent_product(infer, dims, 0, n), &after) || before == after) return PLN_OK;
    return pln_infer_fail(infer, "%lld elements do not fill the new shape", (long long)before);
}

static enum pln_status infer_reshape(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    const struct pln_dim *shape;
    struct pln_dim dims[PLN_MAX_RANK];
    int64_t n, value;
    int rest = -1;
    bool allow_zero = pln_node_int(infer->graph, infer->node, "allowzero") != 0;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    if (!pln_infer_elems(infer, 1, &shape, &n)) return pln_extent_out_shape(infer, 0, in->dtype, 1);
    if (n > PLN_MAX_RANK) return pln_infer_fail(infer, "a shape of %lld dims", (long long)n);
    for (int d = 0; d < n; d++) {
        bool number = pln_dim_value(&infer->graph->dims, shape[d], &value);
        dims[d] = shape[d];
        if (number && value == 0 && !allow_zero) {
            if (in->rank >= 0 && d >= in->rank) return pln_infer_fail(infer, "dim %d of the shape is 0, but the input has rank %d", d, in->rank);
            dims[d] = in->rank >= 0 ? in->dims[d] : pln_infer_out_symbol(infer, 0, d);
        } else if (number && value < 0) {
            if (value < -1 || rest >= 0) return pln_infer_fail(infer, "dim %d of the shape is %lld", d, (long long)value);
            rest = d;
        } else if (!number && !allow_zero) {
            dims[d] = zero_copies(infer, in, d, shape[d]);
        }
    }
    if (rest >= 0) dims[rest] = in->rank >= 0 ? reshape_rest(infer, in, dims, (int)n, rest) : pln_infer_out_symbol(infer, 0, rest);
    PLN_TRY(check_count(infer, in, dims, (int)n));
    PLN_TRY(pln_infer_out(infer, 0, in->dtype, (int)n, dims));
    return pln_extent_pass_elems(infer, 0, 0);
}

static const struct pln_attr_def reshape_attrs[] = { { "allowzero", PLN_ATTR_INT, false, 0, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_reshape = {
    .name = "reshape",
    .onnx = "Reshape",
    .attrs = reshape_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_VIEW,
    .storage_inputs = 1,
    .shape_inputs = 1u << 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_reshape,
    .view = view_same_order,
};

static enum pln_status infer_squeeze(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    struct pln_dim dims[PLN_MAX_RANK];
    struct pln_dim_table *table = &infer->graph->dims;
    int axes[PLN_MAX_RANK], n_axes, rank = 0;
    bool drop[PLN_MAX_RANK] = { false };
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    if (in->rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    PLN_TRY(pln_extent_axes(infer, 1, in->rank, axes, &n_axes));
    if (n_axes == -2) {
        int64_t n = pln_extent_length(infer, 1);
        if (n < 0 || n > in->rank) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
        return pln_infer_out_symbols(infer, 0, in->dtype, in->rank - (int)n);
    }
    for (int i = 0; i < n_axes; i++) {
        if (!pln_extent_unify(infer, in->dims[axes[i]], pln_dim_const(table, 1))) {
            return pln_infer_fail(infer, "axis %d is not of extent 1 and cannot be squeezed", axes[i]);
        }
        drop[axes[i]] = true;
    }
    for (int d = 0; d < in->rank; d++) {
        int64_t value;
        if (n_axes == -1) {
            bool number = pln_dim_value(table, in->dims[d], &value);
            if (!number && pln_dim_lower_bound(table, in->dims[d]) <= 1) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
            drop[d] = number && value == 1;
        }
        if (!drop[d]) dims[rank++] = in->dims[d];
    }
    PLN_TRY(pln_infer_out(infer, 0, in->dtype, rank, dims));
    return pln_extent_pass_elems(infer, 0, 0);
}

const struct pln_op_def pln_op_squeeze = {
    .name = "squeeze",
    .onnx = "Squeeze",
    .min_inputs = 1,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_VIEW,
    .storage_inputs = 1,
    .shape_inputs = 1u << 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_squeeze,
    .view = view_same_order,
};

static enum pln_status infer_unsqueeze(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    struct pln_dim dims[PLN_MAX_RANK];
    int axes[PLN_MAX_RANK], n_axes, from = 0;
    bool added[PLN_MAX_RANK] = { false };
    const int64_t *ints;
    int64_t n;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    bool known = pln_infer_ints(infer, 1, &ints, &n);
    if (!known) n = pln_extent_length(infer, 1);
    if (in->rank < 0 || n < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    if (n > PLN_MAX_RANK - in->rank) return pln_infer_fail(infer, "rank %d and %lld new axes", in->rank, (long long)n);
    int rank = in->rank + (int)n;
    if (!known && in->rank > 0) return pln_infer_out_symbols(infer, 0, in->dtype, rank);
    n_axes = 0;
    if (known) PLN_TRY(pln_extent_axes(infer, 1, rank, axes, &n_axes));
    for (int i = 0; i < n_axes; i++) added[axes[i]] = true;
    for (int d = 0; d < rank && !known; d++) added[d] = true; /* whichever they are, all dims of a scalar are new */
    for (int d = 0; d < rank; d++) dims[d] = added[d] ? pln_extent_const(infer, 1) : in->dims[from++];
    PLN_TRY(pln_infer_out(infer, 0, in->dtype, rank, dims));
    return pln_extent_pass_elems(infer, 0, 0);
}

const struct pln_op_def pln_op_unsqueeze = {
    .name = "unsqueeze",
    .onnx = "Unsqueeze",
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_VIEW,
    .storage_inputs = 1,
    .shape_inputs = 1u << 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_unsqueeze,
    .view = view_same_order,
};

static enum pln_status infer_flatten(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    if (in->rank < 0) return pln_infer_out_symbols(infer, 0, in->dtype, 2);
    int64_t axis = pln_node_int(infer->graph, infer->node, "axis");
    if (axis < 0) axis += in->rank;
    if (axis < 0 || axis > in->rank) return pln_infer_fail(infer, "axis is outside a tensor of rank %d", in->rank);
    struct pln_dim dims[2] = { pln_extent_product(infer, in->dims, 0, (int)axis), pln_extent_product(infer, in->dims, (int)axis, in->rank) };
    PLN_TRY(pln_infer_out(infer, 0, in->dtype, 2, dims));
    return pln_extent_pass_elems(infer, 0, 0);
}

static const struct pln_attr_def flatten_attrs[] = { { "axis", PLN_ATTR_INT, false, 1, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_flatten = {
    .name = "flatten",
    .onnx = "Flatten",
    .attrs = flatten_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_VIEW,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_flatten,
    .view = view_same_order,
};

static enum pln_status infer_shape(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    const struct pln_attrs *attrs = &pln_graph_node(infer->graph, infer->node)->attrs;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    if (in->rank < 0) return pln_infer_out_symbols(infer, 0, PLN_I64, 1);
    int64_t start = pln_attrs_int(attrs, "start", 0), end = pln_attrs_int(attrs, "end", in->rank);
    start = PLN_MIN(PLN_MAX(start < 0 ? start + in->rank : start, 0), in->rank);
    end = PLN_MIN(PLN_MAX(end < 0 ? end + in->rank : end, start), in->rank);
    struct pln_dim n = pln_extent_const(infer, end - start);
    PLN_TRY(pln_infer_out(infer, 0, PLN_I64, 1, &n));
    return pln_infer_set_elems(infer, 0, in->dims + start, end - start);
}

static const struct pln_attr_def shape_attrs[] = {
    { "end", PLN_ATTR_INT, false, INT64_MAX, 0, NULL },
    { "start", PLN_ATTR_INT, false, 0, 0, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_shape = {
    .name = "shape",
    .onnx = "Shape",
    .attrs = shape_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_shape,
};

static enum pln_status infer_size(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    PLN_TRY(pln_infer_out(infer, 0, PLN_I64, 0, NULL));
    if (in->rank < 0) return PLN_OK;
    struct pln_dim count = pln_extent_product(infer, in->dims, 0, in->rank);
    return pln_infer_set_elems(infer, 0, &count, 1);
}

const struct pln_op_def pln_op_size = {
    .name = "size",
    .onnx = "Size",
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_size,
};
