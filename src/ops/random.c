/* random: numbers of a distribution, never the same twice unless seeded. */
#include "ops/extent.h"

static enum pln_status infer_random(struct pln_infer *infer)
{
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    const struct pln_type *in = pln_infer_in(infer, 0);
    const int64_t *shape;
    struct pln_dim dims[PLN_MAX_RANK];
    bool generates = node->kind == PLN_RANDOM_UNIFORM || node->kind == PLN_RANDOM_NORMAL, multinomial = node->kind == PLN_RANDOM_MULTINOMIAL;
    int64_t rank = pln_attrs_ints(&node->attrs, "shape", &shape);
    if (!generates) PLN_TRY(pln_infer_need_tensor(infer, 0, multinomial ? 2 : 0, multinomial ? 2 : -1));
    enum pln_dtype fallback = generates ? PLN_F32 : multinomial ? PLN_I32 : in->dtype;
    int64_t dtype = pln_attrs_int(&node->attrs, "dtype", fallback);
    if (dtype < 0 || dtype >= PLN_DTYPE_COUNT) return pln_infer_fail(infer, "no element type %lld", (long long)dtype);
    if (generates) {
        if (!shape || rank > PLN_MAX_RANK) return pln_infer_fail(infer, "shape is missing or has too many dims");
        for (int d = 0; d < rank; d++) dims[d] = pln_extent_const(infer, shape[d]);
        return pln_infer_out(infer, 0, (enum pln_dtype)dtype, (int)rank, dims);
    }
    if (!multinomial) return pln_infer_out(infer, 0, (enum pln_dtype)dtype, in->rank, in->dims);
    dims[0] = in->rank == 2 ? in->dims[0] : pln_infer_out_symbol(infer, 0, 0);
    dims[1] = pln_extent_const(infer, pln_node_int(infer->graph, infer->node, "sample_size"));
    return pln_infer_out(infer, 0, (enum pln_dtype)dtype, 2, dims);
}

static const struct pln_attr_def random_attrs[] = {
    { "dtype", PLN_ATTR_INT, false, 0, 0, NULL },
    { "high", PLN_ATTR_FLOAT, false, 0, 1, NULL },
    { "low", PLN_ATTR_FLOAT, false, 0, 0, NULL },
    { "mean", PLN_ATTR_FLOAT, false, 0, 0, NULL },
    { "sample_size", PLN_ATTR_INT, false, 1, 0, NULL },
    { "scale", PLN_ATTR_FLOAT, false, 0, 1, NULL },
    { "seed", PLN_ATTR_FLOAT, false, 0, 0, NULL },
    { "shape", PLN_ATTR_INTS, false, 0, 0, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_random = {
    .name = "random",
    .attrs = random_attrs,
    .min_inputs = 0,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_IMPURE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_random,
};
