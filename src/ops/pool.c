#include "ops/window.h"

static const struct pln_attr_def attrs[] = {
    PLN_WINDOW_ATTRS,
    { .name = "ceil_mode", .kind = PLN_ATTR_INT },
    { .name = "count_include_pad", .kind = PLN_ATTR_INT }, /* average */
    { .name = "p", .kind = PLN_ATTR_INT, .i = 2 },         /* lp */
    { .name = "storage_order", .kind = PLN_ATTR_INT },     /* max: how Indices count */
    { .name = NULL },
};

static const struct pln_attr_def unpool_attrs[] = {
    { .name = "kernel_shape", .kind = PLN_ATTR_INTS, .required = true },
    { .name = "pads", .kind = PLN_ATTR_INTS },
    { .name = "strides", .kind = PLN_ATTR_INTS },
    { .name = NULL },
};

static enum pln_status infer_pool(struct pln_infer *infer)
{
    unsigned kind = pln_graph_node(infer->graph, infer->node)->kind;
    uint32_t small = kind == PLN_POOL_MAX ? PLN_MASK(PLN_I8) | PLN_MASK(PLN_U8) : 0;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 3, PLN_MAX_RANK));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT | small));
    if (kind == PLN_POOL_LP && pln_node_int(infer->graph, infer->node, "p") < 1) return pln_infer_fail(infer, "p is below 1");
    const struct pln_type *x = pln_infer_in(infer, 0);
    struct pln_window window;
    struct pln_dim out[PLN_MAX_RANK];
    int rank = x->rank;
    if (rank >= 0) {
        out[0] = x->dims[0];
        out[1] = x->dims[1];
        PLN_TRY(pln_infer_window(infer, rank - 2, NULL, &window));
        PLN_TRY(pln_infer_window_output(infer, &window, x->dims + 2, NULL, out + 2));
    }
    PLN_TRY(pln_infer_out(infer, 0, pln_infer_dtype(infer, 0), rank, rank < 0 ? NULL : out));
    return kind == PLN_POOL_MAX ? pln_infer_out(infer, 1, PLN_I64, rank, rank < 0 ? NULL : out) : PLN_OK;
}

static double pool_flops(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    const int64_t *kernel;
    double flops = pln_count_estimate(graph, n->outputs[0]);
    int64_t rank = pln_attrs_ints(&n->attrs, "kernel_shape", &kernel);
    for (int64_t d = 0; d < rank; d++) flops *= (double)PLN_MAX(kernel[d], 1);
    return flops;
}

static enum pln_status infer_unpool(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 3, PLN_MAX_RANK));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 3, PLN_MAX_RANK));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    PLN_TRY(pln_infer_check_dtype(infer, 1, PLN_MASK(PLN_I64)));
    const struct pln_type *x = pln_infer_in(infer, 0);
    enum pln_dtype dtype = pln_infer_dtype(infer, 0);
    if (x->rank < 0) return pln_infer_out(infer, 0, dtype, -1, NULL);
    struct pln_window window;
    struct pln_dim out[PLN_MAX_RANK] = { x->dims[0], x->dims[1] };
    PLN_TRY(pln_infer_window(infer, x->rank - 2, NULL, &window));
    PLN_TRY(pln_infer_window_transposed(infer, &window, x->dims + 2, NULL, out + 2));
    if (pln_infer_has(infer, 2)) {
        const struct pln_dim *elems;
        int64_t n;
        PLN_TRY(pln_infer_check_dtype(infer, 2, PLN_MASK(PLN_I64)));
        if (!pln_infer_elems(infer, 2, &elems, &n)) return pln_infer_out_symbols(infer, 0, dtype, x->rank);
        if (n != x->rank) return pln_infer_fail(infer, "output_shape has %lld entries, the input rank %d", (long long)n, x->rank);
        return pln_infer_out(infer, 0, dtype, x->rank, elems);
    }
    return pln_infer_out(infer, 0, dtype, x->rank, out);
}

const struct pln_op_def pln_op_pool = {
    .name = "pool",
    .attrs = attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 2,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_pool,
    .flops = pool_flops,
};

/* Places each element of input 0 at its flat index (input 1, as MaxPool's Indices) in zeros of the shape before pooling, or of input 2. */
const struct pln_op_def pln_op_max_unpool = {
    .name = "max_unpool",
    .onnx = "MaxUnpool",
    .attrs = unpool_attrs,
    .min_inputs = 2,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .shape_inputs = 1 << 2,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_unpool,
};
