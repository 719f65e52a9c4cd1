/* If, Loop and SequenceMap: their bodies become blocks. */
#include "onnx/body.h"
#include "onnx/opset.h"

/* ---- If ---- */

/* One branch; both have as many outputs as the node. */
static void add_branch(struct pln_emit *emit, uint32_t node, const char *name)
{
    struct pln_scope *scope;
    const struct pln_onnx_graph *graph = pln_body_get(emit, name, &scope);
    if (!graph) return;
    if (graph->inputs.count) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "%s has inputs; a branch has none", name);
        return;
    }
    if (graph->outputs.count != emit->n_outputs) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "%s has %u outputs, the node %u; both branches must have as many as the node", name, graph->outputs.count,
                      emit->n_outputs);
        return;
    }
    pln_body_fill(emit, graph, scope, pln_body_block(emit, node, graph, NULL, 0, NULL), NULL, 0);
}

void pln_onnx_if(struct pln_emit *emit)
{
    uint32_t cond = pln_emit_need(emit, 0);
    uint32_t node = pln_emit_begin(emit, PLN_OP_IF, 0, &cond, 1, emit->n_outputs);
    add_branch(emit, node, "then_branch");
    add_branch(emit, node, "else_branch");
    pln_emit_end(emit, node);
    for (uint32_t i = 0; i < emit->n_outputs; i++) pln_emit_bind(emit, i, pln_emit_output(emit, node, i));
}

/* ---- Loop ---- */

static void fill_loop(struct pln_emit *emit, const struct pln_body_loop *loop, uint32_t block, const uint32_t *body_inputs)
{
    pln_body_fill(emit, loop->graph, loop->scope, block, body_inputs, loop->n_carried + 2);
}

void pln_onnx_loop(struct pln_emit *emit)
{
    struct pln_body_loop loop = { .fill = fill_loop, .n_outputs = emit->n_outputs };
    loop.graph = pln_body_get(emit, "body", &loop.scope);
    if (!loop.graph) return;
    uint32_t *inputs = pln_arena_array(emit->arena, emit->n_inputs + 2u, sizeof *inputs);
    if (!inputs) {
        emit->status = pln_fail_memory(emit->diag, "a loop", 0);
        return;
    }
    inputs[0] = inputs[1] = PLN_NONE;
    for (uint32_t i = 0; i < emit->n_inputs; i++) inputs[i] = emit->inputs[i];
    loop.inputs = inputs;
    loop.n_carried = emit->n_inputs > 2 ? emit->n_inputs - 2 : 0;
    if (loop.graph->inputs.count != loop.n_carried + 2 || loop.graph->outputs.count < loop.n_carried + 1 ||
        emit->n_outputs != loop.graph->outputs.count - 1) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "the body has %u inputs and %u outputs, which does not fit a Loop of %u inputs and %u outputs: it must have %u and %u",
                      loop.graph->inputs.count, loop.graph->outputs.count, emit->n_inputs, emit->n_outputs, loop.n_carried + 2, emit->n_outputs + 1);
        return;
    }
    uint32_t node = pln_body_loop(emit, &loop);
    for (uint32_t i = 0; i < emit->n_outputs; i++) pln_emit_bind(emit, i, pln_emit_output(emit, node, i));
}

/* ---- SequenceMap: a loop over the elements that carries the growing sequences ---- */

struct sequence_map {
    const struct pln_onnx_graph *graph;
    struct pln_scope *scope;
};

static void fill_map(struct pln_emit *emit, const struct pln_body_loop *loop, uint32_t block, const uint32_t *body_inputs)
{
    const struct sequence_map *map = loop->user;
    struct pln_importer *importer = emit->importer;
    unsigned at_op, at_kind, insert_op, insert_kind;
    uint32_t outer = emit->block, n = emit->n_inputs;
    if (!pln_emit_find(emit, "SequenceAt", &at_op, &at_kind) || !pln_emit_find(emit, "SequenceInsert", &insert_op, &insert_kind)) return;
    uint32_t *inputs = pln_arena_array(emit->arena, n, sizeof *inputs);
    struct pln_scope *scope = pln_scope_enter(importer, map->scope, map->scope->frame);
    emit->block = block;
    bool done = inputs && scope;
    for (uint32_t i = 0; i < n && done; i++) {
        bool sequence = pln_graph_value(emit->graph, emit->inputs[i])->type.kind == PLN_SEQUENCE;
        inputs[i] = sequence ? pln_emit_op(emit, at_op, at_kind, (uint32_t[]){ emit->inputs[i], body_inputs[0] }, 2) : emit->inputs[i];
        done = pln_scope_set(scope, map->graph->inputs.items[i].name, inputs[i]);
    }
    pln_body_output(emit, block, pln_emit_identity(emit, body_inputs[1]));
    if (done && emit->status == PLN_OK) emit->status = pln_importer_graph(importer, map->graph, scope, block);
    for (uint32_t o = 0; o < loop->n_carried && done && emit->status == PLN_OK; o++) {
        uint32_t value;
        if (!pln_scope_find(scope, map->graph->outputs.items[o].name, &value) || value == PLN_NONE) {
            pln_emit_fail(emit, PLN_BAD_MODEL, "the body's output %u is nobody's output", o);
            break;
        }
        pln_body_output(emit, block, pln_emit_op(emit, insert_op, insert_kind, (uint32_t[]){ body_inputs[2 + o], value }, 2));
    }
    pln_scope_leave(scope);
    if (!done && emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "a sequence map", 0);
    emit->block = outer;
}

/* Empty sequences that the map starts from. Their element type is what the body declares, else that of the input's elements. */
static uint32_t empty_sequence(struct pln_emit *emit, const struct pln_onnx_type *declared)
{
    unsigned op, kind;
    const struct pln_type *from = &pln_graph_value(emit->graph, emit->inputs[0])->type;
    enum pln_dtype dtype = from->elem && from->elem->kind == PLN_TENSOR ? from->elem->dtype : PLN_F32;
    if (declared && declared->kind == PLN_ONNX_TYPE_TENSOR && pln_dtype_valid(declared->elem_type)) dtype = (enum pln_dtype)declared->elem_type;
    if (!pln_emit_find(emit, "SequenceEmpty", &op, &kind)) return PLN_NONE;
    uint32_t node = pln_emit_begin(emit, op, kind, NULL, 0, 1);
    pln_emit_set_int(emit, node, "dtype", dtype);
    return pln_emit_end(emit, node);
}

void pln_onnx_sequence_map(struct pln_emit *emit)
{
    struct sequence_map map;
    uint32_t first = pln_emit_need(emit, 0);
    map.graph = pln_body_get(emit, "body", &map.scope);
    unsigned op, kind;
    if (!map.graph || !pln_emit_find(emit, "SequenceLength", &op, &kind)) return;
    if (map.graph->inputs.count != emit->n_inputs || map.graph->outputs.count != emit->n_outputs) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "the body has %u inputs and %u outputs, the node %u and %u; they must be as many", map.graph->inputs.count,
                      map.graph->outputs.count, emit->n_inputs, emit->n_outputs);
        return;
    }
    for (uint32_t i = 0; i < emit->n_inputs; i++) pln_emit_need(emit, i);
    uint32_t *inputs = pln_arena_array(emit->arena, emit->n_outputs + 2u, sizeof *inputs);
    if (!inputs && emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "a sequence map", 0);
    if (emit->status != PLN_OK) return;
    inputs[0] = pln_emit_op(emit, op, kind, &first, 1);
    inputs[1] = pln_emit_const_number(emit, PLN_BOOL, 1);
    for (uint32_t o = 0; o < emit->n_outputs; o++) inputs[2 + o] = empty_sequence(emit, map.graph->outputs.items[o].type);
    struct pln_body_loop loop = { .inputs = inputs, .n_carried = emit->n_outputs, .n_outputs = emit->n_outputs, .fill = fill_map, .whole = true, .user = &map };
    uint32_t node = pln_body_loop(emit, &loop);
    for (uint32_t o = 0; o < emit->n_outputs; o++) pln_emit_bind(emit, o, pln_emit_output(emit, node, o));
}
