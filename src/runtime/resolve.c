/* Resolving a segment: from symbols that have values to placed memory and prepared commands. */
#include "runtime/resolve.h"

static bool still_right(const struct pln_context *context, const struct pln_segment_state *state)
{
    const struct pln_program *program = context->engine->program;
    if (!state->resolved || state->generation != context->generation) return false;
    if (memcmp(state->symbols, context->symbols, program->n_symbols * sizeof *state->symbols) != 0) return false;
    for (uint32_t i = 0; i < state->n_outside; i++) {
        const struct pln_slot *slot = &program->slots[state->outside[i]];
        const struct pln_item *item = context->slots[state->outside[i]].item;
        if (slot->place == PLN_PLACE_OUTPUT) {
            const struct pln_binding *binding = &context->outputs[slot->index];
            if (binding->allocator || state->pointers[i] != (binding->bound ? binding->buffer.data : binding->own)) return false;
        } else if (slot->place != PLN_PLACE_INPUT || state->pointers[i] != (item ? item->tensor.data : NULL)) {
            return false;
        }
    }
    return true;
}

static uint64_t changed_symbols(const struct pln_context *context, const struct pln_segment_state *state)
{
    uint64_t changed = 0;
    if (!state->resolved || state->moves != context->moves) return UINT64_MAX;
    for (uint32_t i = 0; i < context->engine->program->n_symbols; i++)
        if (state->symbols[i] != context->symbols[i]) changed |= (uint64_t)1 << (i % 64);
    return changed;
}


enum pln_status pln_exec_resolve(struct pln_context *context, uint32_t block, uint32_t segment)
{
    const struct pln_program *program = context->engine->program;
    struct pln_segment_state *state = &context->blocks[block].segments[segment];
    if (still_right(context, state)) return PLN_OK;
    PLN_TRY(pln_enqueue_need_still(context));
    uint64_t changed = changed_symbols(context, state), plans = context->stats.memory_plans;
    state->resolved = false;
    pln_exec_refresh_dims(context);
    PLN_TRY(pln_segment_plan_memory(context, block, segment, changed));
    if (context->stats.memory_plans != plans) changed = UINT64_MAX;
    pln_slots_watch_outside(context, state);
    PLN_TRY(pln_slots_fill(context, state, changed));
    PLN_TRY(pln_commands_fill(context, state, program->blocks[block].segments[segment].count));
    memcpy(state->symbols, context->symbols, program->n_symbols * sizeof *state->symbols);
    for (uint32_t i = 0; i < state->n_outside; i++) {
        const struct pln_slot *slot = &program->slots[state->outside[i]];
        const struct pln_item *item = context->slots[state->outside[i]].item;
        if (slot->place == PLN_PLACE_OUTPUT) {
            const struct pln_binding *binding = &context->outputs[slot->index];
            state->pointers[i] = binding->bound ? binding->buffer.data : binding->own;
        } else {
            state->pointers[i] = item ? item->tensor.data : NULL;
        }
    }
    state->generation = context->generation;
    state->moves = context->moves;
    state->rebound = context->rebound;
    state->resolved = state->resolved_once = true;
    return PLN_OK;
}
