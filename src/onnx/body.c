#include "onnx/body.h"

const struct pln_onnx_graph *pln_body_get(struct pln_emit *emit, const char *name, struct pln_scope **out_scope)
{
    const struct pln_onnx_attribute *attr = pln_emit_attr(emit, name, PLN_ONNX_ATTR_GRAPH);
    if (emit->status != PLN_OK) return NULL;
    if (!attr || !attr->g) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "attribute '%s' is missing", name);
        return NULL;
    }
    pln_importer_resolve(pln_onnx_find_attribute(emit->node, name), emit->scope, out_scope);
    return attr->g;
}

void pln_body_fill(struct pln_emit *emit, const struct pln_onnx_graph *graph, struct pln_scope *outer, uint32_t block,
                      const uint32_t *inputs, uint32_t n_inputs)
{
    if (emit->status != PLN_OK) return;
    struct pln_importer *importer = emit->importer;
    struct pln_scope *scope = pln_scope_enter(importer, outer, outer->frame);
    enum pln_status status = scope ? PLN_OK : pln_fail_memory(emit->diag, "a body", 0);
    for (uint32_t i = 0; i < n_inputs && status == PLN_OK; i++) {
        if (!pln_scope_set(scope, graph->inputs.items[i].name, inputs[i])) status = pln_fail_memory(emit->diag, "names", 0);
    }
    if (status == PLN_OK) status = pln_importer_graph(importer, graph, scope, block);
    if (status == PLN_OK) status = pln_importer_outputs(importer, graph, scope, block);
    pln_scope_leave(scope);
    emit->status = status;
}

uint32_t pln_body_inline(struct pln_emit *emit, const struct pln_onnx_graph *graph, struct pln_scope *outer, uint32_t x)
{
    if (emit->status != PLN_OK) return PLN_NONE;
    if (graph->inputs.count != 1 || graph->outputs.count != 1) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "a subgraph has %u inputs and %u outputs, not one each", graph->inputs.count, graph->outputs.count);
        return PLN_NONE;
    }
    uint32_t value = PLN_NONE;
    struct pln_scope *scope = pln_scope_enter(emit->importer, outer, outer->frame);
    bool named = scope && pln_scope_set(scope, graph->inputs.items[0].name, x);
    emit->status = named ? pln_importer_graph(emit->importer, graph, scope, emit->block) : pln_fail_memory(emit->diag, "a subgraph", 0);
    if (emit->status == PLN_OK && (!pln_scope_find(scope, graph->outputs.items[0].name, &value) || value == PLN_NONE)) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "a subgraph's output '%s' is nobody's output", graph->outputs.items[0].name);
    }
    pln_scope_leave(scope);
    return value;
}

void pln_body_output(struct pln_emit *emit, uint32_t block, uint32_t value)
{
    if (emit->status != PLN_OK) return;
    if (!pln_graph_add_block_output(emit->graph, block, value, NULL)) emit->status = pln_fail_memory(emit->diag, "a body", 0);
}

uint32_t pln_body_block(struct pln_emit *emit, uint32_t node, const struct pln_onnx_graph *graph, const struct pln_type *types, uint32_t n,
                          uint32_t *out_inputs)
{
    if (emit->status != PLN_OK) return PLN_NONE;
    uint32_t block = pln_graph_add_block(emit->graph, node);
    bool done = block != PLN_NONE;
    for (uint32_t i = 0; i < n && done; i++) {
        const char *name = graph ? pln_importer_name(emit->importer, emit->scope->frame, graph->inputs.items[i].name) : NULL;
        out_inputs[i] = pln_graph_add_value(emit->graph, name, &types[i]);
        done = out_inputs[i] != PLN_NONE && pln_graph_add_block_input(emit->graph, block, out_inputs[i]);
    }
    if (!done) emit->status = pln_fail_memory(emit->diag, "a body", 0);
    return block;
}

/* The type of a value with every extent open; the rank too when `open_rank`. A hint of the body's input fills in what is missing. */
static struct pln_type open_type(struct pln_emit *emit, uint32_t value, const struct pln_onnx_type *declared, bool open_rank)
{
    struct pln_type type = pln_graph_value(emit->graph, value)->type, hint;
    bool hinted = emit->importer->use_hints && pln_importer_type(emit->importer, declared, false, NULL, &hint);
    if (type.kind != PLN_TENSOR) {
        if (hinted && hint.kind == type.kind && !type.elem) emit->importer->hints_used++, type.elem = hint.elem;
        return type;
    }
    if (hinted && type.dtype == PLN_DTYPE_NONE && type.rank < 0) {
        emit->importer->hints_used++;
        return hint;
    }
    struct pln_dim *dims = pln_arena_array(emit->arena, PLN_MAX_RANK, sizeof *dims);
    if (open_rank || !dims) type.rank = -1;
    for (int d = 0; d < type.rank; d++) dims[d] = pln_dim_symbol(&emit->graph->dims, NULL);
    type.dims = type.rank < 0 ? NULL : dims;
    return type;
}

static void forget_type(struct pln_graph *graph, uint32_t id)
{
    if (id == PLN_NONE) return;
    struct pln_value *value = pln_graph_value(graph, id);
    value->elems = NULL;
    value->n_elems = 0;
    if (value->type.kind != PLN_TENSOR) return;
    value->type.rank = -1;
    value->type.dims = NULL;
}

static void forget_types(struct pln_graph *graph, uint32_t block)
{
    for (uint32_t i = 0; i < graph->blocks[block].n_inputs; i++) forget_type(graph, graph->blocks[block].inputs[i]);
    for (uint32_t n = graph->blocks[block].first; n != PLN_NONE; n = pln_graph_node(graph, n)->next) {
        struct pln_node *node = pln_graph_node(graph, n);
        for (uint32_t o = 0; o < node->n_outputs; o++) forget_type(graph, node->outputs[o]);
        for (uint32_t b = 0; b < node->n_blocks; b++) forget_types(graph, pln_graph_node(graph, n)->blocks[b]);
        pln_attrs_remove(&pln_graph_node(graph, n)->attrs, "settled");
    }
}

/* ---- loops ---- */

static const struct pln_onnx_type *declared_type(const struct pln_body_loop *loop, uint32_t i)
{
    return loop->graph && i < loop->graph->inputs.count ? loop->graph->inputs.items[i].type : NULL;
}

/* Do the carried values come out with the ranks that they went in with? */
static bool ranks_hold(const struct pln_emit *emit, uint32_t node, const struct pln_body_loop *loop)
{
    const struct pln_block *body = &emit->graph->blocks[pln_graph_node(emit->graph, node)->blocks[0]];
    for (uint32_t i = 0; i < loop->n_carried && i + 1 < body->n_outputs; i++) {
        int in = pln_emit_rank(emit, body->inputs[2 + i]), out = pln_emit_rank(emit, body->outputs[1 + i]);
        if (in >= 0 && in != out) return false;
    }
    return true;
}

static uint32_t try_loop(struct pln_emit *emit, const struct pln_body_loop *loop, bool open_ranks)
{
    uint32_t n = loop->n_carried + 2;
    struct pln_type *types = pln_arena_array(emit->arena, n, sizeof *types);
    uint32_t *values = pln_arena_array(emit->arena, n, sizeof *values);
    if (!types || !values) {
        if (emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "a loop", 0);
        return PLN_NONE;
    }
    types[0] = (struct pln_type){ .kind = PLN_TENSOR, .dtype = PLN_I64 };
    types[1] = (struct pln_type){ .kind = PLN_TENSOR, .dtype = PLN_BOOL };
    for (uint32_t i = 2; i < n; i++) types[i] = open_type(emit, loop->inputs[i], declared_type(loop, i), open_ranks);
    uint32_t node = pln_emit_begin(emit, PLN_OP_LOOP, 0, loop->inputs, n, loop->n_outputs);
    uint32_t block = pln_body_block(emit, node, loop->graph, types, n, values);
    if (emit->status == PLN_OK) loop->fill(emit, loop, block, values);
    return node;
}

/* What a loop of M iterations collects is M long. */
static void settle_lengths(struct pln_emit *emit, const struct pln_body_loop *loop, uint32_t node)
{
    const struct pln_value *count = pln_graph_value(emit->graph, loop->inputs[0]);
    if (emit->status != PLN_OK || !loop->whole || !count->elems || count->n_elems != 1) return;
    for (uint32_t o = loop->n_carried; o < loop->n_outputs; o++) {
        const struct pln_type *type = &pln_graph_value(emit->graph, pln_emit_output(emit, node, o))->type;
        if (type->rank <= 0 || pln_dim_unify(&emit->graph->dims, type->dims[0], count->elems[0])) continue;
        pln_emit_fail(emit, PLN_BAD_MODEL, "output %u is not as long as the loop", o);
        return;
    }
}

/* Of a loop in a loop both may have to be imported again: without a memory a nest of n would be imported 2^n times. Bodies of functions are not
 * remembered: each call may have other ranks. */
static bool changed_ranks(const struct pln_emit *emit)
{
    uint32_t ignored;
    return !emit->scope->frame && pln_map_get(&emit->importer->rank_changers, (const char *)&emit->node, sizeof emit->node, &ignored);
}

static void note_changed_ranks(struct pln_emit *emit)
{
    const char *key = pln_arena_copy(&emit->importer->arena, &emit->node, sizeof emit->node);
    if (!key || !pln_map_set(&emit->importer->rank_changers, key, sizeof emit->node, 0)) emit->status = pln_fail_memory(emit->diag, "a loop", 0);
}

uint32_t pln_body_loop(struct pln_emit *emit, const struct pln_body_loop *loop)
{
    for (uint32_t i = 0; i < loop->n_carried; i++) {
        if (loop->inputs[2 + i] == PLN_NONE) pln_emit_fail(emit, PLN_BAD_MODEL, "carried input %u is missing", i);
    }
    if (emit->status != PLN_OK) return PLN_NONE;
    bool open_ranks = changed_ranks(emit);
    uint32_t node = try_loop(emit, loop, open_ranks);
    if (emit->status == PLN_OK && !open_ranks && !ranks_hold(emit, node, loop)) {
        note_changed_ranks(emit);
        pln_graph_remove_node(emit->graph, node);
        if (emit->status == PLN_OK) node = try_loop(emit, loop, true);
    }
    if (emit->status != PLN_OK) return PLN_NONE;
    forget_types(emit->graph, pln_graph_node(emit->graph, node)->blocks[0]);
    pln_emit_end(emit, node);
    settle_lengths(emit, loop, node);
    return node;
}
