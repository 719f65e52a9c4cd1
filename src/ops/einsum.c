/* Einstein summation. */
#include "ops/einsum.h"
#include "ops/extent.h"

static enum pln_status infer_einsum(struct pln_infer *infer)
{
    int ranks[PLN_EINSUM_MAX_INPUTS], n = pln_infer_count(infer);
    enum pln_dtype dtype = PLN_DTYPE_NONE;
    bool known = true;
    for (int i = 0; i < n; i++) {
        PLN_TRY(pln_infer_need_tensor(infer, i, 0, -1));
        PLN_TRY(pln_infer_check_dtype(infer, i, PLN_MASK_NUMBER));
        PLN_TRY(pln_infer_same_dtype(infer, 0, i));
        ranks[i] = pln_infer_in(infer, i)->rank;
        known = known && ranks[i] >= 0;
        if (dtype == PLN_DTYPE_NONE) dtype = pln_infer_dtype(infer, i);
    }
    if (!known) return pln_infer_out(infer, 0, dtype, -1, NULL);
    struct pln_einsum einsum;
    const char *why = pln_einsum_parse(pln_node_string(infer->graph, infer->node, "equation"), n, ranks, &einsum);
    if (why) return pln_infer_fail(infer, "%s", why);
    struct pln_dim extents[PLN_EINSUM_MAX_LABELS], dims[PLN_MAX_RANK], one = pln_dim_const(&infer->graph->dims, 1);
    for (int label = 0; label < einsum.n_labels; label++) extents[label] = one;
    for (int i = 0; i < n; i++) {
        for (int d = 0; d < ranks[i]; d++) {
            struct pln_dim *extent = &extents[einsum.in[i][d]], dim = pln_infer_in(infer, i)->dims[d];
            int rank;
            if (!pln_infer_broadcast(infer, 1, extent, 1, &dim, &rank, extent))
                return pln_infer_fail(infer, "dim %d of input %d has another extent than its letter elsewhere", d, i);
        }
    }
    for (int d = 0; d < einsum.out_rank; d++) dims[d] = extents[einsum.out[d]];
    return pln_infer_out(infer, 0, dtype, einsum.out_rank, dims);
}

static const struct pln_attr_def attrs[] = {
    { "equation", PLN_ATTR_STRING, true, 0, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_einsum = {
    .name = "einsum",
    .onnx = "Einsum",
    .attrs = attrs,
    .min_inputs = 1,
    .max_inputs = PLN_EINSUM_MAX_INPUTS,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_einsum,
};
