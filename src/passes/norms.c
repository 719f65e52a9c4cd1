/* Normalizations over several dims become ones over a single row, which row programs and kernels know: an image of a channel is one row. */
#include "passes/rewrite.h"

enum pln_status pln_pass_norms(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

static const struct pln_type *type_of(const struct pln_graph *graph, uint32_t value)
{
    return &pln_graph_value(graph, value)->type;
}

static uint32_t constant(struct pln_rewrite *rw, float number)
{
    uint32_t made;
    float *data = pln_rewrite_constant(rw, NULL, PLN_F32, 0, NULL, &made);
    if (data) *data = number;
    return made;
}

static uint32_t ew(struct pln_rewrite *rw, uint32_t before, enum pln_ew kind, uint32_t a, uint32_t b)
{
    if (a == PLN_NONE || (b == PLN_NONE && pln_ew_get(kind)->n_inputs > 1)) return PLN_NONE;
    return pln_rewrite_emit(rw, before, PLN_OP_ELEMENTWISE, kind, (uint32_t[]){ a, b }, (uint32_t)pln_ew_get(kind)->n_inputs, before);
}

static uint32_t row_mean(struct pln_rewrite *rw, uint32_t before, uint32_t x)
{
    const int64_t one = 1, last = -1;
    uint32_t axes = pln_graph_add_constant_i64(rw->graph, NULL, 1, &one, &last);
    if (x == PLN_NONE || axes == PLN_NONE) return PLN_NONE;
    return pln_rewrite_emit(rw, before, PLN_OP_REDUCE, PLN_REDUCE_MEAN, (uint32_t[]){ x, axes }, 2, before);
}

/* [c] as [c,1], to meet [n,c,s]. */
static uint32_t column(struct pln_rewrite *rw, uint32_t before, uint32_t x)
{
    struct pln_dim dims[2] = { type_of(rw->graph, x)->dims[0], pln_dim_const(&rw->graph->dims, 1) };
    return pln_rewrite_reshape(rw, before, x, 2, dims, PLN_NONE, before);
}

static bool expand_instance_norm(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_node *n = pln_graph_node(graph, node);
    uint32_t x = n->inputs[0], scale = n->inputs[1], bias = n->inputs[2], y = n->outputs[0];
    const struct pln_type type = *type_of(graph, x);
    float epsilon = pln_node_float(graph, node, "epsilon");
    if (type.dtype != PLN_F32 || type.rank < 3 || type_of(graph, scale)->rank != 1 || type_of(graph, bias)->rank != 1 || !pln_same_type(graph, x, y)) return false;
    struct pln_dim flat[3] = { type.dims[0], type.dims[1], pln_dim_product(&graph->dims, type.dims + 2, type.rank - 2) };
    uint32_t rows = type.rank == 3 ? x : pln_rewrite_reshape(rw, node, x, 3, flat, PLN_NONE, node);
    if (rows == PLN_NONE) return false;
    uint32_t distance = ew(rw, node, PLN_EW_SUB, rows, row_mean(rw, node, rows));
    uint32_t variance = row_mean(rw, node, ew(rw, node, PLN_EW_MUL, distance, distance));
    uint32_t root = ew(rw, node, PLN_EW_RSQRT, ew(rw, node, PLN_EW_ADD, variance, constant(rw, epsilon)), PLN_NONE);
    uint32_t z = ew(rw, node, PLN_EW_MUL, ew(rw, node, PLN_EW_MUL, distance, root), column(rw, node, scale));
    z = ew(rw, node, PLN_EW_ADD, z, column(rw, node, bias));
    uint32_t shape = type.rank > 3 ? pln_rewrite_emit(rw, node, PLN_OP_SHAPE, 0, &x, 1, node) : PLN_NONE;
    if (z != PLN_NONE && type.rank > 3) z = pln_rewrite_reshape(rw, node, z, type.rank, type.dims, shape, node);
    return z != PLN_NONE && pln_rewrite_replace(rw, node, pln_graph_value(graph, z)->producer);
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    return pln_graph_node(rw->graph, node)->op == PLN_OP_INSTANCE_NORM && expand_instance_norm(rw, node);
}

enum pln_status pln_pass_norms(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
