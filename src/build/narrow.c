#include "build/narrow.h"

static bool is_i64(const struct pln_graph *graph, uint32_t value)
{
    const struct pln_type *type = &pln_graph_value(graph, value)->type;
    return type->kind == PLN_TENSOR && type->dtype == PLN_I64;
}

static bool is_state(const struct pln_graph *graph, bool output, uint32_t place)
{
    for (size_t i = 0; i < graph->n_states; i++)
        if ((output ? graph->states[i].output : graph->states[i].input) == place) return true;
    return false;
}

/* A cast of the value, at the beginning or at the end of the main block; PLN_NONE: no memory. */
static uint32_t add_cast(struct pln_graph *graph, uint32_t value, enum pln_dtype to, bool first)
{
    const uint32_t begin = graph->blocks[0].first;
    const uint32_t node = first && begin != PLN_NONE ? pln_graph_insert_node(graph, begin, PLN_OP_CAST, 0, &value, 1, 1) : pln_graph_add_node(graph, 0, PLN_OP_CAST, 0, &value, 1, 1);
    return node != PLN_NONE && pln_attrs_set_int(&pln_graph_node(graph, node)->attrs, &graph->arena, "to", to) ? node : PLN_NONE;
}

static bool narrow_input(struct pln_graph *graph, uint32_t value, struct pln_diag *diag)
{
    const uint32_t node = add_cast(graph, value, PLN_I64, true);
    const struct pln_type type = pln_graph_value(graph, value)->type;
    if (node == PLN_NONE || !pln_graph_set_tensor_type(graph, value, PLN_I32, type.rank, type.dims)) return false;
    pln_graph_replace_uses(graph, value, pln_graph_node(graph, node)->outputs[0]);
    pln_graph_set_input(graph, node, 0, value);
    return pln_infer_node(graph, node, diag) == PLN_OK;
}

static bool narrow_output(struct pln_graph *graph, uint32_t slot, struct pln_diag *diag)
{
    const uint32_t node = add_cast(graph, graph->blocks[0].outputs[slot], PLN_I32, false);
    if (node == PLN_NONE) return false;
    pln_graph_set_block_output(graph, 0, slot, pln_graph_node(graph, node)->outputs[0]);
    return pln_infer_node(graph, node, diag) == PLN_OK;
}

enum pln_status pln_narrow_io(struct pln_graph *graph, struct pln_diag *diag)
{
    bool done = true;
    for (uint32_t i = 0; i < graph->blocks[0].n_inputs && done; i++)
        if (is_i64(graph, graph->blocks[0].inputs[i]) && !is_state(graph, false, i)) done = narrow_input(graph, graph->blocks[0].inputs[i], diag);
    for (uint32_t i = 0; i < graph->blocks[0].n_outputs && done; i++)
        if (is_i64(graph, graph->blocks[0].outputs[i]) && !is_state(graph, true, i)) done = narrow_output(graph, i, diag);
    return done && !graph->failed ? PLN_OK : pln_fail_memory(diag, "casts of inputs and outputs", 0);
}
