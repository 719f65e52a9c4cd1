/* A product with weights that are quantized in blocks: y[…,n] = sum over k of x[…,k] (w[n,k] - offset[k / block, n]) scale[k / block, n]. What passes/weights.c
 * makes of ONNX's DequantizeLinear-21 in front of a product. w: u4 or u8[n,k]; scale and offset: f32[blocks,n]; x, y: f32. */
#include "ops/extent.h"

static enum pln_status check_dtypes(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_F32)));
    PLN_TRY(pln_infer_check_dtype(infer, 1, PLN_MASK(PLN_U4) | PLN_MASK(PLN_U8)));
    PLN_TRY(pln_infer_check_dtype(infer, 2, PLN_MASK(PLN_F32)));
    return pln_infer_check_dtype(infer, 3, PLN_MASK(PLN_F32));
}

/* Of inputs 2 and 3: as many blocks as rows of k fill, for each of n columns. */
static bool fits_blocks(struct pln_infer *infer, int input, int64_t n, int64_t k, int64_t block)
{
    const struct pln_type *type = pln_infer_in(infer, input);
    int64_t blocks, columns;
    return type->rank == 2 && pln_dim_value(&infer->graph->dims, type->dims[0], &blocks) && pln_dim_value(&infer->graph->dims, type->dims[1], &columns) &&
           columns == n && blocks == k / block + (k % block != 0);
}

static enum pln_status infer_matmul_blocks(struct pln_infer *infer)
{
    const int64_t block = pln_node_int(infer->graph, infer->node, "block");
    for (int i = 0; i < 4; i++) PLN_TRY(pln_infer_need_tensor(infer, i, i == 0 ? 1 : 2, i == 0 ? -1 : 2));
    PLN_TRY(check_dtypes(infer));
    const struct pln_type *x = pln_infer_in(infer, 0), *w = pln_infer_in(infer, 1);
    int64_t n, k;
    if (block < 1) return pln_infer_fail(infer, "block is %lld", (long long)block);
    if (w->rank != 2 || !pln_dim_value(&infer->graph->dims, w->dims[0], &n) || !pln_dim_value(&infer->graph->dims, w->dims[1], &k))
        return pln_infer_fail(infer, "the shape of the weights is not known");
    for (int i = 2; i < 4; i++)
        if (!fits_blocks(infer, i, n, k, block)) return pln_infer_fail(infer, "input %d is not one number a block and column", i);
    if (x->rank < 0) return pln_infer_out(infer, 0, PLN_F32, -1, NULL);
    if (!pln_extent_unify(infer, x->dims[x->rank - 1], w->dims[1])) return pln_infer_fail(infer, "the rows of inputs 0 and 1 have different lengths");
    struct pln_dim dims[PLN_MAX_RANK];
    memcpy(dims, x->dims, (size_t)x->rank * sizeof dims[0]);
    dims[x->rank - 1] = w->dims[0];
    return pln_infer_out(infer, 0, PLN_F32, x->rank, dims);
}

static double matmul_blocks_flops(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    const struct pln_type *x = &pln_graph_value(graph, n->inputs[0])->type, *w = &pln_graph_value(graph, n->inputs[1])->type;
    int64_t value;
    double flops = 2;
    for (int d = 0; d < x->rank; d++) flops *= pln_dim_value(&graph->dims, x->dims[d], &value) ? (double)value : 128.0;
    return flops * (pln_dim_value(&graph->dims, w->dims[0], &value) ? (double)value : 128.0);
}

static const struct pln_attr_def matmul_blocks_attrs[] = {
    { "block", PLN_ATTR_INT, true, 0, 0, NULL }, /* rows of k that share a scale and an offset */
    { 0 },
};

const struct pln_op_def pln_op_matmul_blocks = {
    .name = "matmul_blocks",
    .attrs = matmul_blocks_attrs,
    .min_inputs = 4,
    .max_inputs = 4,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_matmul_blocks,
    .flops = matmul_blocks_flops,
};
