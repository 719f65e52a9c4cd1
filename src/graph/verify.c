#include "graph/graph.h"

/* Says why a use is wrong, or NULL: the record must name the place that holds it. */
static const char *check_use(const struct pln_graph *graph, uint32_t id, const struct pln_use *want)
{
    if (want->value == PLN_NONE) return id == PLN_NONE ? NULL : "an absent input has a use";
    if (want->value >= graph->n_values) return "a value that does not exist";
    if (graph->values[want->value].removed) return "a value that was removed";
    if (id >= graph->n_uses) return "a use that does not exist";
    const struct pln_use *use = &graph->uses[id];
    bool same = use->value == want->value && use->user == want->user && use->block == want->block && use->slot == want->slot;
    return same ? NULL : "a use record that says something else";
}

static enum pln_status bad(const struct pln_graph *graph, struct pln_diag *diag, uint32_t node, const char *what, uint32_t slot)
{
    (void)graph;
    return pln_fail(diag, PLN_INTERNAL, "graph: node %u: %s (slot %u)", node, what, slot);
}

/* ---- scopes ----
 *
 * The walk goes through blocks in execution order. place[value] is the block that defines it, for values defined so far; a block
 * that has been left is closed, so its values are out of scope. */
struct walk {
    const struct pln_graph *graph;
    struct pln_diag *diag;
    uint32_t *place; /* a value */
    bool *open;      /* a block */
    bool *seen;      /* a node */
    size_t uses;     /* seen in inputs and outputs */
};

static bool in_scope(const struct walk *w, uint32_t value)
{
    const struct pln_value *v = &w->graph->values[value];
    if (v->data) return true;
    return w->place[value] != PLN_NONE && w->open[w->place[value]];
}

static enum pln_status check_node(struct walk *w, uint32_t id)
{
    const struct pln_graph *g = w->graph;
    const struct pln_node *node = &g->nodes[id];
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        struct pln_use want = { .user = id, .block = PLN_NONE, .slot = i, .value = node->inputs[i] };
        const char *why = check_use(g, node->input_uses[i], &want);
        if (!why && want.value != PLN_NONE && !in_scope(w, want.value)) why = "a value that is not defined yet, or not visible";
        if (why) return bad(g, w->diag, id, why, i);
        w->uses += want.value != PLN_NONE;
    }
    for (uint32_t i = 1; i < node->n_origins; i++) {
        if (node->origins[i - 1] >= node->origins[i]) return bad(g, w->diag, id, "origins out of order", i);
    }
    if (node->n_origins && node->origins[node->n_origins - 1] >= g->n_origins) return bad(g, w->diag, id, "an origin that does not exist", 0);
    return PLN_OK;
}

static enum pln_status define_outputs(struct walk *w, uint32_t id)
{
    const struct pln_graph *g = w->graph;
    const struct pln_node *node = &g->nodes[id];
    for (uint32_t i = 0; i < node->n_outputs; i++) {
        uint32_t value = node->outputs[i];
        if (value == PLN_NONE) continue;
        if (value >= g->n_values || g->values[value].removed) return bad(g, w->diag, id, "defines a value that is gone", i);
        const struct pln_value *v = &g->values[value];
        if (v->producer != id || v->producer_slot != i) return bad(g, w->diag, id, "defines a value that names another producer", i);
        if (v->data || v->block != PLN_NONE) return bad(g, w->diag, id, "defines a constant or an input", i);
        w->place[value] = node->block;
    }
    return PLN_OK;
}

static enum pln_status open_block(struct walk *w, uint32_t id)
{
    const struct pln_graph *g = w->graph;
    const struct pln_block *block = &g->blocks[id];
    w->open[id] = true;
    for (uint32_t i = 0; i < block->n_inputs; i++) {
        uint32_t value = block->inputs[i];
        if (value >= g->n_values || g->values[value].removed) return bad(g, w->diag, block->parent_node, "block input that is gone", i);
        const struct pln_value *v = &g->values[value];
        if (v->block != id || v->producer != PLN_NONE || v->data) return bad(g, w->diag, block->parent_node, "block input defined elsewhere", i);
        w->place[value] = id;
    }
    return PLN_OK;
}

static enum pln_status close_block(struct walk *w, uint32_t id)
{
    const struct pln_graph *g = w->graph;
    const struct pln_block *block = &g->blocks[id];
    for (uint32_t i = 0; i < block->n_outputs; i++) {
        struct pln_use want = { .user = PLN_NONE, .block = id, .slot = i, .value = block->outputs[i] };
        const char *why = want.value == PLN_NONE ? "an absent block output" : check_use(g, block->output_uses[i], &want);
        if (!why && !in_scope(w, want.value)) why = "a block output that is not visible";
        if (!why && !block->output_names[i]) why = "a block output without a name";
        if (why) return bad(g, w->diag, block->parent_node, why, i);
        w->uses++;
    }
    w->open[id] = false;
    return PLN_OK;
}

/* What must hold before a node and its bodies run. */
static enum pln_status enter_node(struct walk *w, uint32_t id, uint32_t block, uint32_t prev)
{
    const struct pln_graph *g = w->graph;
    if (id >= g->n_nodes || w->seen[id]) return bad(g, w->diag, id, "in the list of a block twice, or no node", 0);
    const struct pln_node *node = &g->nodes[id];
    w->seen[id] = true;
    if (node->removed) return bad(g, w->diag, id, "was removed", 0);
    if (node->block != block || node->prev != prev) return bad(g, w->diag, id, "its links do not agree with its block", 0);
    for (uint32_t i = 0; i < node->n_blocks; i++) {
        if (node->blocks[i] == 0 || node->blocks[i] >= g->n_blocks) return bad(g, w->diag, id, "a body that does not exist", i);
        if (g->blocks[node->blocks[i]].parent_node != id) return bad(g, w->diag, id, "a body of another node", i);
    }
    return check_node(w, id);
}

/* Where a body stands among its node's bodies. */
static uint32_t body_index(const struct pln_node *node, uint32_t block)
{
    uint32_t i = 0;
    while (node->blocks[i] != block) i++;
    return i;
}

/* Without recursion: `block` is the block at hand, `at` its next node; leaving a block goes on with its parent. */
static enum pln_status walk_blocks(struct walk *w)
{
    const struct pln_graph *g = w->graph;
    uint32_t block = 0, at = g->blocks[0].first, prev = PLN_NONE;
    PLN_TRY(open_block(w, 0));
    for (;;) {
        uint32_t body;
        if (at != PLN_NONE) {
            PLN_TRY(enter_node(w, at, block, prev));
            body = 0;
        } else {
            if (g->blocks[block].last != prev) return bad(g, w->diag, prev, "the block ends elsewhere", 0);
            PLN_TRY(close_block(w, block));
            at = g->blocks[block].parent_node;
            if (at == PLN_NONE) return PLN_OK;
            body = body_index(&g->nodes[at], block) + 1;
        }
        if (body < g->nodes[at].n_blocks) {
            block = g->nodes[at].blocks[body];
            PLN_TRY(open_block(w, block));
            at = g->blocks[block].first;
            prev = PLN_NONE;
        } else {
            block = g->nodes[at].block;
            PLN_TRY(define_outputs(w, at));
            prev = at;
            at = g->nodes[at].next;
        }
    }
}

/* ---- what no walk through the blocks reaches ---- */

static const char *check_value(const struct walk *w, uint32_t id, size_t *uses)
{
    const struct pln_graph *g = w->graph;
    const struct pln_value *v = &g->values[id];
    uint32_t prev = PLN_NONE;
    if (v->removed) return v->first_use == PLN_NONE ? NULL : "was removed but is used";
    for (uint32_t use = v->first_use; use != PLN_NONE; prev = use, use = g->uses[use].next) {
        if (use >= g->n_uses || g->uses[use].value != id || g->uses[use].prev != prev) return "its list of uses is broken";
        if (++*uses > w->uses) return "has uses that no node knows";
    }
    if (pln_graph_find_value(g, v->name) != id) return "is not found by its name";
    if (v->producer != PLN_NONE && (v->producer >= g->n_nodes || g->nodes[v->producer].removed)) return "its producer is gone";
    if (v->data && v->producer != PLN_NONE) return "is a constant with a producer";
    if (v->type.kind == PLN_TENSOR && v->type.rank > PLN_MAX_RANK) return "has too many dimensions";
    for (int i = 0; v->type.kind == PLN_TENSOR && i < v->type.rank; i++) {
        if (v->type.dims[i].id >= g->dims.count) return "has an extent that does not exist";
    }
    for (int64_t i = 0; i < v->n_elems; i++) {
        if (v->elems[i].id >= g->dims.count) return "has an element that does not exist";
    }
    return NULL;
}

static enum pln_status check_values(struct walk *w)
{
    size_t uses = 0;
    for (uint32_t id = 0; id < w->graph->n_values; id++) {
        const char *why = check_value(w, id, &uses);
        if (why) return pln_fail(w->diag, PLN_INTERNAL, "graph: value \"%.100s\" (%u) %s", w->graph->values[id].name, id, why);
    }
    if (uses != w->uses) return pln_fail(w->diag, PLN_INTERNAL, "graph: %zu uses in lists, %zu in nodes", uses, w->uses);
    return PLN_OK;
}

enum pln_status pln_graph_verify(struct pln_graph *graph, struct pln_diag *diag)
{
    struct pln_arena scratch;
    struct walk w = { .graph = graph, .diag = diag };
    if (graph->failed || graph->dims.failed) return pln_fail_memory(diag, "graph", graph->arena.used_bytes);
    pln_arena_init(&scratch, graph->alloc, 0);
    w.place = pln_arena_array(&scratch, graph->n_values, sizeof(*w.place));
    w.open = pln_arena_array(&scratch, graph->n_blocks, sizeof(*w.open));
    w.seen = pln_arena_array(&scratch, graph->n_nodes, sizeof(*w.seen));
    enum pln_status status;
    if (!w.place || !w.open || !w.seen) {
        status = pln_fail_memory(diag, "verifying the graph", graph->n_values * sizeof(*w.place));
    } else {
        memset(w.place, 0xff, graph->n_values * sizeof(*w.place));
        status = walk_blocks(&w);
        if (status == PLN_OK) status = check_values(&w);
    }
    pln_arena_deinit(&scratch);
    return status;
}
