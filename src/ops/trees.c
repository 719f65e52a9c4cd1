/* Ensembles of decision trees as passes/trees.c makes them of ONNX's three operators: x f32[rows, features] or f32[features], and a table i32[words]
 * (kernel/trees.h) give scores f32[rows, targets] and the label of each row's class i64[rows]. */
#include "ops/op.h"

static enum pln_status infer_trees(struct pln_infer *infer)
{
    struct pln_dim dims[2];
    const int64_t targets = pln_node_int(infer->graph, infer->node, "n_targets"), *labels;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, 2));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 1, 1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_F32)));
    PLN_TRY(pln_infer_check_dtype(infer, 1, PLN_MASK(PLN_I32)));
    if (targets < 1) return pln_infer_fail(infer, "%lld targets", (long long)targets);
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    if (node->n_outputs > 1 && pln_attrs_ints(&node->attrs, "labels", &labels) != targets) return pln_infer_fail(infer, "labels has not one entry a target");
    const struct pln_type *x = pln_infer_in(infer, 0);
    dims[0] = x->rank == 2 ? x->dims[0] : x->rank == 1 ? pln_dim_const(&infer->graph->dims, 1) : pln_infer_out_symbol(infer, 0, 0);
    dims[1] = pln_dim_const(&infer->graph->dims, targets);
    PLN_TRY(pln_infer_out(infer, 0, PLN_F32, 2, dims));
    return pln_infer_out(infer, 1, PLN_I64, 1, dims);
}

static const struct pln_attr_def trees_attrs[] = {
    { .name = "aggregate", .kind = PLN_ATTR_INT, .i = 1 }, /* average, sum, minimum, maximum */
    { .name = "base", .kind = PLN_ATTR_FLOATS },           /* one a target, or none */
    { .name = "labels", .kind = PLN_ATTR_INTS },           /* one a target; for output 1 */
    { .name = "n_targets", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = "split", .kind = PLN_ATTR_INT },     /* target 0 scores the second of two classes: 1 by its sign, 2 as a probability */
    { .name = "transform", .kind = PLN_ATTR_INT }, /* enum pln_transform */
    { .name = NULL },
};

const struct pln_op_def pln_op_trees = {
    .name = "trees",
    .attrs = trees_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 2,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_trees,
};
