/* Reductions along axes, the arguments of extremes, running sums. */
#include "ops/op.h"

static uint32_t number_or_bool(void)
{
    return PLN_MASK_NUMBER | PLN_MASK(PLN_BOOL);
}

/* Which dims go; false when the axes are known at run time only. */
static enum pln_status known_axes(struct pln_infer *infer, int rank, bool *reduced, bool *out_known)
{
    const int64_t *axes = NULL;
    int64_t n = 0;
    *out_known = !pln_infer_has(infer, 1) || pln_infer_ints(infer, 1, &axes, &n);
    bool all = n == 0 && !pln_node_int(infer->graph, infer->node, "noop_with_empty_axes");
    for (int d = 0; d < rank; d++) reduced[d] = all;
    for (int64_t i = 0; i < n; i++) {
        int axis;
        PLN_TRY(pln_infer_axis(infer, axes[i], rank, &axis));
        reduced[axis] = true;
    }
    return PLN_OK;
}

/* The axes come at run time: only their number may be known. */
static enum pln_status infer_runtime_axes(struct pln_infer *infer, const struct pln_type *in, bool keep)
{
    if (keep) return pln_infer_out_symbols(infer, 0, in->dtype, in->rank);
    const struct pln_type *axes = pln_infer_in(infer, 1);
    int64_t n;
    if (axes->rank == 1 && pln_dim_value(&infer->graph->dims, axes->dims[0], &n) && n > 0 && n <= in->rank)
        return pln_infer_out_symbols(infer, 0, in->dtype, in->rank - (int)n);
    return pln_infer_out(infer, 0, in->dtype, -1, NULL);
}

static enum pln_status infer_elems(struct pln_infer *infer)
{
    struct pln_dim_table *t = &infer->graph->dims;
    unsigned kind = pln_graph_node(infer->graph, infer->node)->kind;
    const struct pln_dim *in;
    int64_t n;
    enum pln_dtype dtype = pln_infer_dtype(infer, 0);
    if ((dtype != PLN_I64 && dtype != PLN_I32) || !pln_infer_elems(infer, 0, &in, &n) || n == 0) return PLN_OK;
    struct pln_dim sum = in[0];
    for (int64_t i = 1; i < n; i++) {
        if (kind == PLN_REDUCE_SUM) sum = pln_dim_add(t, sum, in[i]);
        else if (kind == PLN_REDUCE_PROD) sum = pln_dim_mul(t, sum, in[i]);
        else if (kind == PLN_REDUCE_MAX || kind == PLN_REDUCE_MIN)
            sum = pln_dim_binary(t, kind == PLN_REDUCE_MAX ? PLN_DIM_MAX : PLN_DIM_MIN, sum, in[i]);
        else return PLN_OK;
    }
    if (kind != PLN_REDUCE_SUM && kind != PLN_REDUCE_PROD && kind != PLN_REDUCE_MAX && kind != PLN_REDUCE_MIN) return PLN_OK;
    return pln_infer_set_elems(infer, 0, &sum, 1);
}

static enum pln_status infer_reduce(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, number_or_bool()));
    PLN_TRY(pln_infer_check_dtype(infer, 1, PLN_MASK(PLN_I64) | PLN_MASK(PLN_I32)));
    const struct pln_type *in = pln_infer_in(infer, 0);
    if (in->rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    bool keep = pln_node_int(infer->graph, infer->node, "keepdims") != 0, reduced[PLN_MAX_RANK], known;
    PLN_TRY(known_axes(infer, in->rank, reduced, &known));
    if (!known) return infer_runtime_axes(infer, in, keep);
    int rank = 0;
    struct pln_dim dims[PLN_MAX_RANK], one = pln_dim_const(&infer->graph->dims, 1);
    for (int d = 0; d < in->rank; d++)
        if (!reduced[d] || keep) dims[rank++] = reduced[d] ? one : in->dims[d];
    bool vector = in->rank == 1 && reduced[0];
    PLN_TRY(pln_infer_out(infer, 0, in->dtype, rank, dims));
    return vector ? infer_elems(infer) : PLN_OK;
}

static const struct pln_attr_def reduce_attrs[] = {
    { "keepdims", PLN_ATTR_INT, false, 1, 0, NULL },
    { "noop_with_empty_axes", PLN_ATTR_INT, false, 0, 0, NULL },
    { 0 },
};

/* One operation an element of the input. */
static double input_flops(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_type *type = &pln_graph_value(graph, pln_graph_node(graph, node)->inputs[0])->type;
    double flops = 1;
    for (int d = 0; d < type->rank; d++) {
        int64_t value;
        flops *= pln_dim_value(&graph->dims, type->dims[d], &value) ? (double)value : 128.0;
    }
    return flops;
}

const struct pln_op_def pln_op_reduce = {
    .name = "reduce",
    .attrs = reduce_attrs,
    .min_inputs = 1,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 1,
    .shape_inputs = 1u << 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_reduce,
    .flops = input_flops,
};

static enum pln_status infer_arg_reduce(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_NUMBER));
    const struct pln_type *in = pln_infer_in(infer, 0);
    if (in->rank < 0) return pln_infer_out(infer, 0, PLN_I64, -1, NULL);
    int axis, rank = 0;
    PLN_TRY(pln_infer_axis(infer, pln_node_int(infer->graph, infer->node, "axis"), in->rank, &axis));
    bool keep = pln_node_int(infer->graph, infer->node, "keepdims") != 0;
    struct pln_dim dims[PLN_MAX_RANK], one = pln_dim_const(&infer->graph->dims, 1);
    for (int d = 0; d < in->rank; d++)
        if (d != axis || keep) dims[rank++] = d == axis ? one : in->dims[d];
    return pln_infer_out(infer, 0, PLN_I64, rank, dims);
}

static const struct pln_attr_def arg_reduce_attrs[] = {
    { "axis", PLN_ATTR_INT, false, 0, 0, NULL },
    { "keepdims", PLN_ATTR_INT, false, 1, 0, NULL },
    { "select_last_index", PLN_ATTR_INT, false, 0, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_arg_reduce = {
    .name = "arg_reduce",
    .attrs = arg_reduce_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_arg_reduce,
    .flops = input_flops,
};

static enum pln_status cumulate_elems(struct pln_infer *infer)
{
    struct pln_dim_table *t = &infer->graph->dims;
    const struct pln_dim *in;
    struct pln_dim out[PLN_MAX_ELEMS];
    int64_t n;
    if (pln_infer_dtype(infer, 0) != PLN_I64 && pln_infer_dtype(infer, 0) != PLN_I32) return PLN_OK;
    if (!pln_infer_elems(infer, 0, &in, &n) || n > PLN_MAX_ELEMS || n == 0) return PLN_OK;
    bool product = pln_graph_node(infer->graph, infer->node)->kind == PLN_CUMULATE_PROD;
    bool exclusive = pln_node_int(infer->graph, infer->node, "exclusive") != 0;
    bool reverse = pln_node_int(infer->graph, infer->node, "reverse") != 0;
    struct pln_dim sum = pln_dim_const(t, product ? 1 : 0);
    for (int64_t k = 0; k < n; k++) {
        int64_t i = reverse ? n - 1 - k : k;
        struct pln_dim before = sum;
        sum = product ? pln_dim_mul(t, sum, in[i]) : pln_dim_add(t, sum, in[i]);
        out[i] = exclusive ? before : sum;
    }
    return pln_infer_set_elems(infer, 0, out, n);
}

static enum pln_status infer_cumulate(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 0, 1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_NUMBER));
    PLN_TRY(pln_infer_check_dtype(infer, 1, PLN_MASK(PLN_I32) | PLN_MASK(PLN_I64)));
    PLN_TRY(pln_infer_out_like(infer, 0, 0));
    return pln_infer_in(infer, 0)->rank == 1 ? cumulate_elems(infer) : PLN_OK;
}

static const struct pln_attr_def cumulate_attrs[] = {
    { "exclusive", PLN_ATTR_INT, false, 0, 0, NULL },
    { "reverse", PLN_ATTR_INT, false, 0, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_cumulate = {
    .name = "cumulate",
    .attrs = cumulate_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_cumulate,
};
