/* depth_to_space, space_to_depth. */
#include "ops/extent.h"

/* [n, c, d…] to [n, c / b^k, d * b …], or back. */
static enum pln_status infer_blocks(struct pln_infer *infer, bool to_space)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    struct pln_dim_table *table = &infer->graph->dims;
    struct pln_dim dims[PLN_MAX_RANK];
    int64_t b = pln_node_int(infer->graph, infer->node, "blocksize"), blocks = 1;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 3, -1));
    if (b < 1) return pln_infer_fail(infer, "blocksize is %lld", (long long)b);
    if (in->rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    for (int d = 2; d < in->rank; d++) {
        struct pln_dim size = pln_dim_const(table, b);
        if (!pln_mul_i64(blocks, b, &blocks)) return pln_infer_fail(infer, "blocksize %lld is too large", (long long)b);
        dims[d] = to_space ? pln_dim_mul(table, in->dims[d], size) : pln_dim_binary(table, PLN_DIM_FLOORDIV, in->dims[d], size);
    }
    struct pln_dim all = pln_dim_const(table, blocks);
    dims[0] = in->dims[0];
    dims[1] = to_space ? pln_dim_binary(table, PLN_DIM_FLOORDIV, in->dims[1], all) : pln_dim_mul(table, in->dims[1], all);
    return pln_infer_out(infer, 0, in->dtype, in->rank, dims);
}

static enum pln_status infer_depth_to_space(struct pln_infer *infer)
{
    return infer_blocks(infer, true);
}

static enum pln_status infer_space_to_depth(struct pln_infer *infer)
{
    return infer_blocks(infer, false);
}

static const struct pln_attr_def block_attrs[] = {
    { "blocksize", PLN_ATTR_INT, true, 0, 0, NULL },
    { "mode", PLN_ATTR_STRING, false, 0, 0, "DCR" },
    { .name = NULL },
};
const struct pln_op_def pln_op_depth_to_space = {
    .name = "depth_to_space",
    .onnx = "DepthToSpace",
    .attrs = block_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_depth_to_space,
};

const struct pln_op_def pln_op_space_to_depth = {
    .name = "space_to_depth",
    .onnx = "SpaceToDepth",
    .attrs = block_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_space_to_depth,
};
