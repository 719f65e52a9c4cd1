/* Convolutions over one axis, as exporters write them with two: what is done to each element behind the squeeze is done in front of it, where it can
 * become the convolution's epilogue. */
#include "passes/rewrite.h"

enum pln_status pln_pass_units(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* Elementwise nodes between a convolution and the squeeze. */
#define CHAIN_MOST 32

static const struct pln_type *type_of(const struct pln_graph *graph, uint32_t value)
{
    return &pln_graph_value(graph, value)->type;
}

static bool is_view(const struct pln_graph *graph, uint32_t node)
{
    return node != PLN_NONE && (pln_op_get(pln_graph_node(graph, node)->op)->traits & PLN_TRAIT_VIEW);
}

/* What the value has the elements of, without some dims of 1: place[d] is where dim d of the value comes from. PLN_NONE: it is not made so. */
static uint32_t unsqueezed(struct pln_graph *graph, uint32_t value, int *place)
{
    const uint32_t view = value == PLN_NONE ? PLN_NONE : pln_graph_value(graph, value)->producer;
    if (!is_view(graph, view)) return PLN_NONE;
    const uint32_t from = pln_graph_node(graph, view)->inputs[0];
    const struct pln_type *wide = type_of(graph, from), *narrow = type_of(graph, value);
    int d = 0;
    if (wide->kind != PLN_TENSOR || wide->dtype != narrow->dtype || narrow->rank < 1 || wide->rank <= narrow->rank) return PLN_NONE;
    for (int i = 0; i < wide->rank; i++) {
        if (d < narrow->rank && pln_dim_same(&graph->dims, wide->dims[i], narrow->dims[d])) place[d++] = i;
        else if (!pln_dim_is(&graph->dims, wide->dims[i], 1)) return PLN_NONE;
    }
    return d == narrow->rank ? from : PLN_NONE;
}

static bool behind_convolution(const struct pln_graph *graph, uint32_t value)
{
    for (int i = 0; i < CHAIN_MOST; i++) {
        const uint32_t node = pln_graph_value(graph, value)->producer;
        if (node == PLN_NONE) return false;
        const struct pln_node *n = pln_graph_node(graph, node);
        if (n->op == PLN_OP_CONV || n->op == PLN_OP_CONV_TRANSPOSE) return true;
        if (n->op != PLN_OP_ELEMENTWISE) return false;
        const bool constant = n->inputs[0] == PLN_NONE || pln_graph_value(graph, n->inputs[0])->data;
        if (constant && n->n_inputs < 2) return false;
        value = n->inputs[constant ? 1 : 0];
        if (value == PLN_NONE) return false;
    }
    return false;
}

/* A constant that meets the narrow value, with dims of 1 to meet the wide one. */
static uint32_t widened(struct pln_graph *graph, uint32_t value, const int *place, int narrow_rank, int wide_rank)
{
    const struct pln_tensor *data = value == PLN_NONE ? NULL : pln_graph_value(graph, value)->data;
    int64_t dims[PLN_MAX_RANK];
    if (!data || data->rank > narrow_rank) return PLN_NONE;
    if (data->rank == 0) return value;
    for (int d = 0; d < wide_rank; d++) dims[d] = 1;
    for (int d = 0; d < data->rank; d++) dims[place[narrow_rank - data->rank + d]] = data->dims[d];
    struct pln_tensor wide;
    pln_tensor_init(&wide, data->dtype, wide_rank, dims, data->data);
    return pln_graph_add_constant(graph, pln_graph_value(graph, value)->name, &wide);
}

/* The node's function of the wide values; PLN_NONE: an input is neither squeezed in the same way nor a constant. */
static uint32_t wide_function(struct pln_rewrite *rw, uint32_t node, uint32_t from, const int *place, int narrow_rank)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_node n = *pln_graph_node(graph, node);
    const struct pln_type type = *type_of(graph, from);
    uint32_t inputs[3];
    int other[PLN_MAX_RANK];
    for (uint32_t i = 0; i < n.n_inputs; i++) {
        if (n.inputs[i] == PLN_NONE) return PLN_NONE;
        const uint32_t wide = unsqueezed(graph, n.inputs[i], other);
        const bool same = wide != PLN_NONE && pln_same_dims(graph, type_of(graph, wide), &type) && memcmp(other, place, (size_t)narrow_rank * sizeof *place) == 0;
        inputs[i] = same ? wide : widened(graph, n.inputs[i], place, narrow_rank, type.rank);
        if (inputs[i] == PLN_NONE) return PLN_NONE;
    }
    const uint32_t made = pln_rewrite_insert(rw, node, n.op, n.kind, inputs, n.n_inputs, node);
    if (made == PLN_NONE || !pln_attrs_copy(&pln_graph_node(graph, made)->attrs, &graph->arena, &n.attrs) || !pln_rewrite_infer(rw, made)) return PLN_NONE;
    return pln_same_dims(graph, type_of(graph, pln_graph_node(graph, made)->outputs[0]), &type) ? made : PLN_NONE;
}

/* The squeezed input of an elementwise node that has the shape of its output; PLN_NONE: there is none behind a convolution. */
static uint32_t squeezed_input(struct pln_graph *graph, uint32_t node, int *place)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        const uint32_t from = unsqueezed(graph, n->inputs[i], place);
        if (from == PLN_NONE || !behind_convolution(graph, from)) continue;
        if (pln_same_dims(graph, type_of(graph, n->inputs[i]), type_of(graph, n->outputs[0]))) return n->inputs[i];
    }
    return PLN_NONE;
}

/* f(squeeze(x), c) is squeeze(f(x, unsqueeze(c))). */
static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_node *n = pln_graph_node(graph, node);
    int place[PLN_MAX_RANK];
    if (n->op != PLN_OP_ELEMENTWISE || n->n_inputs == 0 || n->n_inputs > 3 || n->n_outputs != 1 || n->outputs[0] == PLN_NONE) return false;
    const uint32_t narrow = squeezed_input(graph, node, place);
    if (narrow == PLN_NONE) return false;
    const uint32_t view = pln_graph_value(graph, narrow)->producer, made = wide_function(rw, node, pln_graph_node(graph, view)->inputs[0], place, type_of(graph, narrow)->rank);
    if (made == PLN_NONE) return false;
    const struct pln_node v = *pln_graph_node(graph, view);
    uint32_t inputs[2] = { pln_graph_node(graph, made)->outputs[0], v.n_inputs > 1 ? v.inputs[1] : PLN_NONE };
    const uint32_t back = pln_rewrite_insert(rw, node, v.op, v.kind, inputs, v.n_inputs, view);
    if (back == PLN_NONE || !pln_attrs_copy(&pln_graph_node(graph, back)->attrs, &graph->arena, &v.attrs) || !pln_rewrite_infer(rw, back)) return false;
    return pln_rewrite_replace(rw, node, back);
}

enum pln_status pln_pass_units(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
