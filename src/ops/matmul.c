/* Matrix products. */
#include "ops/extent.h"

/* Two operations a multiplication: k of them an element of the output. Unknown extents count as 128. */
static double product_flops(const struct pln_graph *graph, uint32_t node, int k_dim_from_end)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    const struct pln_type *a = &pln_graph_value(graph, n->inputs[0])->type;
    const struct pln_type *out = n->outputs[0] == PLN_NONE ? NULL : &pln_graph_value(graph, n->outputs[0])->type;
    int64_t value;
    double flops = 2;
    int k = a->rank - k_dim_from_end;
    flops *= k >= 0 && a->rank > 0 && pln_dim_value(&graph->dims, a->dims[k], &value) ? (double)value : 128.0;
    for (int d = 0; out && d < out->rank; d++) flops *= pln_dim_value(&graph->dims, out->dims[d], &value) ? (double)value : 128.0;
    return flops;
}

static enum pln_status check_numbers(struct pln_infer *infer)
{
    for (int i = 0; i < pln_infer_count(infer); i++) {
        if (!pln_infer_has(infer, i)) continue;
        PLN_TRY(pln_infer_check_dtype(infer, i, PLN_MASK_NUMBER));
        PLN_TRY(pln_infer_same_dtype(infer, 0, i));
    }
    return PLN_OK;
}

static enum pln_dtype first_dtype(const struct pln_infer *infer)
{
    enum pln_dtype dtype = pln_infer_dtype(infer, 0);
    return dtype == PLN_DTYPE_NONE ? pln_infer_dtype(infer, 1) : dtype;
}

static enum pln_status infer_matmul(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 1, -1));
    PLN_TRY(check_numbers(infer));
    const struct pln_type *a = pln_infer_in(infer, 0), *b = pln_infer_in(infer, 1);
    if (a->rank < 0 || b->rank < 0) return pln_infer_out(infer, 0, first_dtype(infer), -1, NULL);
    if (!pln_extent_unify(infer, a->dims[a->rank - 1], b->dims[b->rank == 1 ? 0 : b->rank - 2]))
        return pln_infer_fail(infer, "the rows of input 0 and the columns of input 1 have different lengths");
    int rank;
    struct pln_dim dims[PLN_MAX_RANK];
    if (!pln_infer_broadcast(infer, PLN_MAX(a->rank - 2, 0), a->dims, PLN_MAX(b->rank - 2, 0), b->dims, &rank, dims))
        return pln_infer_fail(infer, "the batches of the inputs cannot be broadcast to one");
    if (a->rank > 1) dims[rank++] = a->dims[a->rank - 2];
    if (b->rank > 1) dims[rank++] = b->dims[b->rank - 1];
    return pln_infer_out(infer, 0, first_dtype(infer), rank, dims);
}

static double matmul_flops(const struct pln_graph *graph, uint32_t node)
{
    return product_flops(graph, node, 1);
}

const struct pln_op_def pln_op_matmul = {
    .name = "matmul",
    .onnx = "MatMul",
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 3,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_matmul,
    .flops = matmul_flops,
};

static enum pln_status infer_gemm(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 2, 2));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 2, 2));
    if (pln_infer_has(infer, 2)) PLN_TRY(pln_infer_need_tensor(infer, 2, 0, 2));
    PLN_TRY(check_numbers(infer));
    const struct pln_type *a = pln_infer_in(infer, 0), *b = pln_infer_in(infer, 1);
    int ta = pln_node_int(infer->graph, infer->node, "transA") != 0, tb = pln_node_int(infer->graph, infer->node, "transB") != 0;
    struct pln_dim dims[2];
    dims[0] = a->rank == 2 ? a->dims[ta] : pln_infer_out_symbol(infer, 0, 0);
    dims[1] = b->rank == 2 ? b->dims[1 - tb] : pln_infer_out_symbol(infer, 0, 1);
    if (a->rank == 2 && b->rank == 2 && !pln_extent_unify(infer, a->dims[1 - ta], b->dims[tb]))
        return pln_infer_fail(infer, "the rows of input 0 and the columns of input 1 have different lengths");
    return pln_infer_out(infer, 0, first_dtype(infer), 2, dims);
}

static double gemm_flops(const struct pln_graph *graph, uint32_t node)
{
    return product_flops(graph, node, pln_node_int(graph, node, "transA") ? 2 : 1);
}

static const struct pln_attr_def gemm_attrs[] = {
    { "alpha", PLN_ATTR_FLOAT, false, 0, 1.0f, NULL },
    { "beta", PLN_ATTR_FLOAT, false, 0, 1.0f, NULL },
    { "transA", PLN_ATTR_INT, false, 0, 0, NULL },
    { "transB", PLN_ATTR_INT, false, 0, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_gemm = {
    .name = "gemm",
    .onnx = "Gemm",
    .attrs = gemm_attrs,
    .min_inputs = 2,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 7,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_gemm,
    .flops = gemm_flops,
};
