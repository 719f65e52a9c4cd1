/* Blocks, and the whole program. */
#include "lower/state.h"

/* Taps are shown on the host: what lies on the device is copied there, in the block that it is of. */
static enum pln_status bring_tap(struct pln_lower *lower, uint32_t value)
{
    uint32_t slot;
    if (value == PLN_NONE || !pln_graph_value(lower->graph, value)->tapped || lower->made[1][value] == PLN_NONE) return PLN_OK;
    return pln_lower_need(lower, value, 0, false, &slot);
}

static enum pln_status block_inputs(struct pln_lower *lower, uint32_t graph_block)
{
    uint32_t n = lower->graph->blocks[graph_block].n_inputs;
    struct pln_lower_block *block = &lower->blocks[lower->block];
    block->inputs = pln_arena_array(lower->arena, n + 1u, sizeof *block->inputs);
    block->n_inputs = n;
    if (!block->inputs) return pln_fail_memory(lower->diag, "inputs", 0);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t value = lower->graph->blocks[graph_block].inputs[i];
        const uint32_t space = pln_lower_input_space(lower, i);
        uint32_t slot = pln_lower_new_slot(lower, value, lower->block == 0 ? PLN_PLACE_INPUT : PLN_PLACE_BLOCK_INPUT, space);
        if (slot == PLN_NONE) return pln_fail_memory(lower->diag, "slots", 0);
        lower->program->slots[slot].index = i;
        lower->program->slots[slot].segment = PLN_NONE;
        lower->made[space][value] = slot;
        lower->blocks[lower->block].inputs[i] = slot;
        PLN_TRY(pln_lower_bind(lower, slot));
        PLN_TRY(bring_tap(lower, value));
    }
    return PLN_OK;
}

/* An output of the model that the program can write straight to where the caller wants it. */
static bool becomes_output(struct pln_lower *lower, uint32_t slot)
{
    const struct pln_slot *own = &lower->program->slots[slot];
    return own->place == PLN_PLACE_ARENA && own->block == 0 && own->space == 0 && !own->order;
}

static enum pln_status main_output(struct pln_lower *lower, uint32_t value, uint32_t index, uint32_t *out_slot)
{
    uint32_t slot;
    const bool state = pln_lower_state_output(lower, value) == index;
    const uint32_t space = state && lower->device_memory ? 1 : 0;
    PLN_TRY(pln_lower_need(lower, value, space, state, &slot));
    if (lower->program->slots[slot].place == PLN_PLACE_OUTPUT && lower->program->slots[slot].index == index) {
        *out_slot = slot; /* written there as a state */
        return PLN_OK;
    }
    if (becomes_output(lower, slot) && pln_lower_state_output(lower, value) == PLN_NONE) {
        lower->program->slots[slot].place = PLN_PLACE_OUTPUT;
        lower->program->slots[slot].index = index;
    } else if (lower->program->slots[slot].place != PLN_PLACE_ITEM) {
        if (pln_lower_is_planned(lower, value)) {
            uint32_t to = pln_lower_new_slot(lower, value, PLN_PLACE_OUTPUT, space);
            if (to == PLN_NONE) return pln_fail_memory(lower->diag, "slots", 0);
            lower->program->slots[to].index = index;
            PLN_TRY(pln_lower_copy(lower, slot, to));
            slot = to;
        }
    }
    *out_slot = slot;
    return PLN_OK;
}

static enum pln_status block_outputs(struct pln_lower *lower, uint32_t graph_block)
{
    uint32_t n = lower->graph->blocks[graph_block].n_outputs;
    uint32_t *outputs = pln_arena_array(lower->arena, n + 1u, sizeof *outputs);
    if (!outputs) return pln_fail_memory(lower->diag, "outputs", 0);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t value = lower->graph->blocks[graph_block].outputs[i];
        if (lower->block == 0) PLN_TRY(main_output(lower, value, i, &outputs[i]));
        else PLN_TRY(pln_lower_need(lower, value, 0, false, &outputs[i]));
    }
    lower->blocks[lower->block].outputs = outputs;
    lower->blocks[lower->block].n_outputs = n;
    return PLN_OK;
}

/* Slots of an inner block are not there outside of it. */
static void forget_block(struct pln_lower *lower, uint32_t block)
{
    const struct pln_slot *slots = lower->program->slots;
    uint32_t *const lists[] = { lower->made[0], lower->made[1], lower->dense[0], lower->dense[1], lower->last[0], lower->last[1] };
    for (size_t k = 0; k < PLN_COUNT_OF(lists); k++)
        for (uint32_t v = 0; v < lower->n_values; v++)
            if (lists[k][v] != PLN_NONE && slots[lists[k][v]].block == block && slots[lists[k][v]].place != PLN_PLACE_WEIGHT) lists[k][v] = PLN_NONE;
}

static enum pln_status lower_nodes(struct pln_lower *lower, uint32_t graph_block)
{
    for (uint32_t node = lower->graph->blocks[graph_block].first; node != PLN_NONE; node = pln_graph_node(lower->graph, node)->next) {
        pln_graph_set_diag(lower->graph, node, lower->diag);
        PLN_TRY(pln_lower_node(lower, node));
        for (uint32_t i = 0; i < pln_graph_node(lower->graph, node)->n_outputs; i++) PLN_TRY(bring_tap(lower, pln_graph_node(lower->graph, node)->outputs[i]));
    }
    if (lower->diag) lower->diag->node = lower->diag->op = NULL;
    return PLN_OK;
}

enum pln_status pln_lower_block_of(struct pln_lower *lower, uint32_t graph_block, uint32_t parent_position, uint32_t *out_block)
{
    if (!pln_arena_grow(lower->arena, (void **)&lower->blocks, &lower->blocks_capacity, lower->n_blocks + 1, sizeof *lower->blocks)) return pln_fail_memory(lower->diag, "blocks", 0);
    uint32_t outer = lower->block, own = (uint32_t)lower->n_blocks++;
    lower->blocks[own] = (struct pln_lower_block){ .parent = own == 0 ? PLN_NONE : outer, .parent_position = parent_position };
    lower->block = *out_block = own;
    PLN_TRY(block_inputs(lower, graph_block));
    PLN_TRY(lower_nodes(lower, graph_block));
    PLN_TRY(block_outputs(lower, graph_block));
    PLN_TRY(pln_lower_end_segment(lower, PLN_END_RETURN));
    if (own != 0) {
        PLN_TRY(pln_lower_unbind_block(lower));
        forget_block(lower, own);
    }
    lower->block = outer;
    return PLN_OK;
}

/* ---- the program's tables ---- */

static enum pln_status copy_blocks(struct pln_lower *lower)
{
    struct pln_program *program = lower->program;
    program->blocks = pln_arena_array(lower->arena, lower->n_blocks, sizeof *program->blocks);
    if (!program->blocks) return pln_fail_memory(lower->diag, "blocks", 0);
    program->n_blocks = (uint32_t)lower->n_blocks;
    for (size_t i = 0; i < lower->n_blocks; i++) {
        const struct pln_lower_block *from = &lower->blocks[i];
        program->blocks[i] = (struct pln_program_block){ .steps = from->steps, .n_steps = (uint32_t)from->n_steps, .inputs = from->inputs, .n_inputs = from->n_inputs, .outputs = from->outputs,
                                                         .n_outputs = from->n_outputs, .segments = from->segments, .n_segments = (uint32_t)from->n_segments,
                                                         .symbols = from->symbols, .n_symbols = (uint32_t)from->n_symbols };
    }
    return PLN_OK;
}

static enum pln_status copy_io(struct pln_lower *lower)
{
    struct pln_program *program = lower->program;
    const struct pln_block *main = &lower->graph->blocks[0];
    program->n_inputs = main->n_inputs;
    program->n_outputs = main->n_outputs;
    program->inputs = pln_arena_array(lower->arena, main->n_inputs + 1u, sizeof *program->inputs);
    program->outputs = pln_arena_array(lower->arena, main->n_outputs + 1u, sizeof *program->outputs);
    if (!program->inputs || !program->outputs) return pln_fail_memory(lower->diag, "inputs and outputs", 0);
    for (uint32_t i = 0; i < main->n_inputs; i++) program->inputs[i] = (struct pln_io){ pln_graph_value(lower->graph, main->inputs[i])->name, lower->blocks[0].inputs[i] };
    for (uint32_t i = 0; i < main->n_outputs; i++) program->outputs[i] = (struct pln_io){ main->output_names[i], lower->blocks[0].outputs[i] };
    return PLN_OK;
}

static enum pln_status copy_tables(struct pln_lower *lower)
{
    struct pln_program *program = lower->program;
    struct pln_graph *graph = lower->graph;
    PLN_TRY(copy_blocks(lower));
    PLN_TRY(copy_io(lower));
    program->dims = graph->dims.nodes;
    program->n_dims = (uint32_t)graph->dims.count;
    program->symbols = graph->dims.symbols;
    program->n_symbols = (uint32_t)graph->dims.n_symbols;
    program->n_nodes = program->n_origins = (uint32_t)graph->n_origins;
    program->origins = pln_arena_array(lower->arena, graph->n_origins + 1, sizeof *program->origins);
    program->metadata = pln_arena_array(lower->arena, graph->n_metadata + 1, sizeof *program->metadata);
    program->taps = pln_arena_array(lower->arena, lower->n_values + 1u, sizeof *program->taps);
    if (!program->origins || !program->metadata || !program->taps) return pln_fail_memory(lower->diag, "tables", 0);
    for (size_t i = 0; i < graph->n_origins; i++) program->origins[i] = (struct pln_program_origin){ graph->origins[i].name, graph->origins[i].op_type };
    for (size_t i = 0; i < graph->n_metadata; i++) program->metadata[i] = (struct pln_program_origin){ graph->metadata[i].key, graph->metadata[i].value };
    program->n_metadata = (uint32_t)graph->n_metadata;
    program->states = pln_arena_array(lower->arena, graph->n_states + 1, sizeof *program->states);
    if (!program->states) return pln_fail_memory(lower->diag, "states", 0);
    for (size_t i = 0; i < graph->n_states && !lower->options->oracle; i++)
        program->states[program->n_states++] = (struct pln_state_pair){ graph->states[i].input, graph->states[i].output, graph->states[i].axis, 0 };
    for (uint32_t i = 0; i < program->n_slots; i++) program->slots[i].name = program->slots[i].name ? program->slots[i].name : "";
    for (uint32_t v = 0; v < lower->n_values; v++)
        if (graph->values[v].tapped && lower->made[0][v] != PLN_NONE) program->taps[program->n_taps++] = lower->made[0][v];
    return PLN_OK;
}

static uint32_t *new_map(struct pln_lower *lower)
{
    uint32_t *map = pln_arena_array(lower->arena, lower->n_values + 1u, sizeof *map);
    if (map) memset(map, 0xff, (lower->n_values + 1u) * sizeof *map);
    return map;
}

enum pln_status pln_lower(struct pln_graph *graph, const struct pln_lower_options *options, struct pln_arena *arena, struct pln_diag *diag, struct pln_program *out_program)
{
    memset(out_program, 0, sizeof *out_program);
    out_program->arena = arena;
    out_program->name = graph->name ? graph->name : "";
    out_program->target = pln_arena_text(arena, options->device, strlen(options->device));
    struct pln_lower lower = { .graph = graph, .options = options, .arena = arena, .diag = diag, .program = out_program, .n_values = (uint32_t)graph->n_values, .random = options->placement_seed };
    bool all = out_program->target != NULL;
    for (int space = 0; space < 2; space++) {
        lower.made[space] = new_map(&lower);
        lower.dense[space] = new_map(&lower);
        lower.last[space] = new_map(&lower);
        all = all && lower.made[space] && lower.dense[space] && lower.last[space];
    }
    lower.weight = new_map(&lower);
    lower.joins = pln_arena_array(arena, lower.n_values + 1u, sizeof *lower.joins);
    if (!all || !lower.weight || !lower.joins) return pln_fail_memory(diag, "lowering", 0);
    lower.device_memory = !pln_str_equal(options->backend->name, "cpu") && !pln_str_equal(options->backend->name, "ref");
    if (lower.device_memory) {
        out_program->devices = pln_arena_copy(arena, &options->device, sizeof options->device);
        if (!out_program->devices) return pln_fail_memory(diag, "devices", 0);
        out_program->devices[0] = out_program->target;
        out_program->n_devices = 1;
    }
    uint32_t main;
    PLN_TRY(pln_lower_block_of(&lower, 0, 0, &main));
    PLN_TRY(copy_tables(&lower));
    PLN_TRY(pln_lower_lifetimes(&lower));
    return graph->failed || graph->dims.failed ? pln_fail_memory(diag, "graph", 0) : PLN_OK;
}
