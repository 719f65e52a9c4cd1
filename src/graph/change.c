#include "graph/inside.h"

void pln_graph_set_input(struct pln_graph *graph, uint32_t node, uint32_t slot, uint32_t value)
{
    struct pln_node *n = &graph->nodes[node];
    assert(slot < n->n_inputs);
    if (n->inputs[slot] == value) return;
    uint32_t use = n->input_uses[slot];
    if (use != PLN_NONE && value != PLN_NONE) {
        pln_use_move(graph, use, value);
    } else {
        pln_use_drop(graph, use);
        n->input_uses[slot] = pln_use_add(graph, value, node, PLN_NONE, slot);
        if (value != PLN_NONE && n->input_uses[slot] == PLN_NONE) value = PLN_NONE; /* failed is set */
    }
    n->inputs[slot] = value;
}

bool pln_graph_append_input(struct pln_graph *graph, uint32_t node, uint32_t value)
{
    struct pln_node *n = &graph->nodes[node];
    uint32_t *inputs = pln_ids_append(graph, n->inputs, n->n_inputs, value);
    uint32_t *uses = inputs ? pln_ids_append(graph, n->input_uses, n->n_inputs, PLN_NONE) : NULL;
    if (!uses) return false;
    n->inputs = inputs;
    n->input_uses = uses;
    uses[n->n_inputs] = pln_use_add(graph, value, node, PLN_NONE, n->n_inputs);
    if (value != PLN_NONE && uses[n->n_inputs] == PLN_NONE) return false;
    n->n_inputs++;
    return true;
}

void pln_graph_set_block_output(struct pln_graph *graph, uint32_t block, uint32_t slot, uint32_t value)
{
    struct pln_block *b = &graph->blocks[block];
    assert(slot < b->n_outputs && value != PLN_NONE);
    if (b->outputs[slot] == value) return;
    pln_use_move(graph, b->output_uses[slot], value);
    b->outputs[slot] = value;
}

static void remove_value_if_unused(struct pln_graph *graph, uint32_t value)
{
    struct pln_value *v = &graph->values[value];
    if (v->first_use == PLN_NONE) v->removed = true;
}

void pln_graph_set_output(struct pln_graph *graph, uint32_t node, uint32_t slot, uint32_t value)
{
    struct pln_value *v = &graph->values[value];
    uint32_t *place = &graph->nodes[node].outputs[slot];
    assert(slot < graph->nodes[node].n_outputs && v->block == PLN_NONE && !v->data);
    if (*place == value) return;
    if (v->producer != PLN_NONE) graph->nodes[v->producer].outputs[v->producer_slot] = PLN_NONE;
    if (*place != PLN_NONE) {
        graph->values[*place].producer = PLN_NONE;
        remove_value_if_unused(graph, *place);
    }
    v->producer = node;
    v->producer_slot = slot;
    *place = value;
    if (!v->removed) return;
    v->removed = false; /* its name may be another's by now */
    uint32_t holder;
    bool named = pln_map_get_str(&graph->names, v->name, &holder) && holder == value;
    if (!named) (void)pln_graph_rename(graph, value, NULL);
}

void pln_graph_replace_uses(struct pln_graph *graph, uint32_t from, uint32_t to)
{
    if (from == to) return;
    while (graph->values[from].first_use != PLN_NONE) {
        uint32_t id = graph->values[from].first_use;
        const struct pln_use *use = &graph->uses[id];
        if (use->user != PLN_NONE) graph->nodes[use->user].inputs[use->slot] = to;
        else graph->blocks[use->block].outputs[use->slot] = to;
        pln_use_move(graph, id, to);
    }
}

static void drop_inputs(struct pln_graph *graph, uint32_t node)
{
    struct pln_node *n = &graph->nodes[node];
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        pln_use_drop(graph, n->input_uses[i]);
        n->inputs[i] = n->input_uses[i] = PLN_NONE;
    }
}

static void remove_block(struct pln_graph *graph, uint32_t block)
{
    struct pln_block *b = &graph->blocks[block];
    for (uint32_t i = 0; i < b->n_outputs; i++) pln_use_drop(graph, b->output_uses[i]);
    b->n_outputs = 0;
    while (b->last != PLN_NONE) pln_graph_remove_node(graph, b->last); /* users go before what they use */
    for (uint32_t i = 0; i < b->n_inputs; i++) graph->values[b->inputs[i]].removed = true;
    b->n_inputs = 0;
}

void pln_graph_remove_node(struct pln_graph *graph, uint32_t node)
{
    struct pln_node *n = &graph->nodes[node];
    if (n->removed) return;
    for (uint32_t i = 0; i < n->n_blocks; i++) remove_block(graph, n->blocks[i]);
    drop_inputs(graph, node);
    for (uint32_t i = 0; i < n->n_outputs; i++) {
        if (n->outputs[i] == PLN_NONE) continue;
        graph->values[n->outputs[i]].producer = PLN_NONE;
        remove_value_if_unused(graph, n->outputs[i]);
        n->outputs[i] = PLN_NONE;
    }
    pln_node_unlink(graph, node);
    n->removed = true;
}

void pln_graph_move_before(struct pln_graph *graph, uint32_t node, uint32_t before)
{
    if (node == before) return;
    pln_node_unlink(graph, node);
    pln_node_link(graph, node, graph->nodes[before].block, before);
}

static bool fail(struct pln_graph *graph)
{
    graph->failed = true;
    return false;
}

bool pln_graph_set_type(struct pln_graph *graph, uint32_t value, const struct pln_type *type)
{
    struct pln_type copy = *type, *at = &copy;
    for (;;) { /* along the chain of element types */
        bool known = at->kind == PLN_TENSOR && at->rank >= 0;
        if (at->kind == PLN_TENSOR) at->elem = NULL;
        else at->rank = -1;
        if (known) at->dims = pln_arena_copy(&graph->arena, at->dims, (size_t)at->rank * sizeof(*at->dims));
        else at->dims = NULL;
        if (known && !at->dims) return fail(graph);
        if (!at->elem) break;
        struct pln_type *elem = pln_arena_copy(&graph->arena, at->elem, sizeof(*elem));
        if (!elem) return fail(graph);
        at->elem = elem;
        at = elem;
    }
    graph->values[value].type = copy;
    return true;
}

bool pln_graph_set_tensor_type(struct pln_graph *graph, uint32_t value, enum pln_dtype dtype, int rank, const struct pln_dim *dims)
{
    struct pln_type type = { .kind = PLN_TENSOR, .dtype = dtype, .rank = rank, .dims = dims };
    return pln_graph_set_type(graph, value, &type);
}

bool pln_graph_rename(struct pln_graph *graph, uint32_t value, const char *name)
{
    if (pln_str_equal(graph->values[value].name, name)) return true;
    const char *unique = pln_name_unique(graph, name);
    if (!unique || !pln_map_set(&graph->names, unique, strlen(unique), value)) return fail(graph);
    graph->values[value].name = unique; /* the old name in the map no longer leads to a value of that name */
    return true;
}
