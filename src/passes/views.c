/* Moves of data that can be views instead: a split is slices, a gather of one fixed index is a slice without that axis. */
#include "passes/rewrite.h"

enum pln_status pln_pass_views(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

static const struct pln_type *type_of(const struct pln_graph *graph, uint32_t value)
{
    return &pln_graph_value(graph, value)->type;
}

/* x[…, start : end, …] before `before`; PLN_NONE: it cannot be had. */
static uint32_t slice(struct pln_rewrite *rw, uint32_t before, uint32_t x, int64_t axis, int64_t start, int64_t end)
{
    struct pln_graph *graph = rw->graph;
    const int64_t one = 1;
    uint32_t inputs[4] = { x, pln_graph_add_constant_i64(graph, NULL, 1, &one, &start), pln_graph_add_constant_i64(graph, NULL, 1, &one, &end),
                           pln_graph_add_constant_i64(graph, NULL, 1, &one, &axis) };
    if (inputs[1] == PLN_NONE || inputs[2] == PLN_NONE || inputs[3] == PLN_NONE) return PLN_NONE;
    return pln_rewrite_emit(rw, before, PLN_OP_SLICE, 0, inputs, 4, before);
}

static bool split_to_slices(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    uint32_t x = pln_graph_node(graph, node)->inputs[0], n = pln_graph_node(graph, node)->n_outputs;
    int rank = type_of(graph, x)->rank, axis;
    int64_t lengths[PLN_MAX_ELEMS], rest;
    if (rank < 1 || n < 2 || n > PLN_MAX_ELEMS || pln_dtype_bits(type_of(graph, x)->dtype) < 8 || !pln_axis_normalize(pln_node_int(graph, node, "axis"), rank, &axis)) return false;
    /* Only where the parts are sure to fill the axis: slices take what there is without asking. */
    if (!pln_dim_value(&graph->dims, type_of(graph, x)->dims[axis], &rest)) return false;
    for (uint32_t o = 0; o < n; o++) {
        uint32_t value = pln_graph_node(graph, node)->outputs[o];
        if (value == PLN_NONE || pln_graph_value(graph, value)->tapped || pln_graph_value(graph, value)->elems) return false;
        if (type_of(graph, value)->rank != rank || !pln_dim_value(&graph->dims, type_of(graph, value)->dims[axis], &lengths[o])) return false;
        if (lengths[o] < 0 || lengths[o] > rest) return false;
        rest -= lengths[o];
    }
    if (rest != 0) return false;
    bool changed = false;
    int64_t start = 0;
    /* The node goes with the last output that is used: nothing can be put before it then. */
    for (uint32_t o = 0; o < n && !pln_graph_node(graph, node)->removed; start += lengths[o++]) {
        if (pln_graph_value(graph, pln_graph_node(graph, node)->outputs[o])->first_use == PLN_NONE) continue;
        uint32_t part = slice(rw, node, x, axis, start, start + lengths[o]);
        if (part == PLN_NONE || !pln_rewrite_forward(rw, node, o, part)) return changed;
        changed = true;
    }
    return changed;
}

/* Only where the index is sure to be inside: a view reads what is there without asking. */
static bool gather_to_slice(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    uint32_t x = pln_graph_node(graph, node)->inputs[0], at = pln_graph_node(graph, node)->inputs[1], y = pln_graph_node(graph, node)->outputs[0];
    int rank = type_of(graph, x)->rank, axis;
    double number;
    int64_t extent;
    if (rank < 1 || pln_graph_value(graph, x)->data || pln_graph_value(graph, y)->elems || pln_dtype_bits(type_of(graph, x)->dtype) < 8) return false;
    if (!pln_graph_scalar_f64(graph, at, &number) || !pln_axis_normalize(pln_node_int(graph, node, "axis"), rank, &axis)) return false;
    if (type_of(graph, at)->rank > 1 || !pln_dim_value(&graph->dims, type_of(graph, x)->dims[axis], &extent)) return false;
    int64_t index = (int64_t)number + (number < 0 ? extent : 0);
    if (index < 0 || index >= extent) return false;
    uint32_t part = slice(rw, node, x, axis, index, index + 1);
    if (part == PLN_NONE) return false;
    if (type_of(graph, at)->rank == 1) return pln_rewrite_forward(rw, node, 0, part);
    const int64_t one = 1, dropped = axis;
    uint32_t axes = pln_graph_add_constant_i64(graph, NULL, 1, &one, &dropped);
    uint32_t made = axes == PLN_NONE ? PLN_NONE : pln_rewrite_insert(rw, node, PLN_OP_SQUEEZE, 0, (uint32_t[]){ part, axes }, 2, node);
    return made != PLN_NONE && pln_rewrite_infer(rw, made) && pln_rewrite_replace(rw, node, made);
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(rw->graph, node);
    if (n->n_inputs == 0 || n->inputs[0] == PLN_NONE || type_of(rw->graph, n->inputs[0])->kind != PLN_TENSOR) return false;
    if (n->op == PLN_OP_SPLIT) return split_to_slices(rw, node);
    return n->op == PLN_OP_GATHER && n->outputs[0] != PLN_NONE && gather_to_slice(rw, node);
}

enum pln_status pln_pass_views(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
