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

void pln_segment_note_pointer(const struct pln_context *context, struct pln_segment_state *state, uint32_t i)
{
    const struct pln_slot *slot = &context->engine->program->slots[state->outside[i]];
    const struct pln_item *item = context->slots[state->outside[i]].item;
    state->pointers[i] = item ? item->tensor.data : NULL;
    if (slot->place != PLN_PLACE_OUTPUT) return;
    const struct pln_binding *binding = &context->outputs[slot->index];
    state->pointers[i] = binding->bound ? binding->buffer.data : binding->own;
}

static enum pln_status resolve_all(struct pln_context *context, uint32_t block, uint32_t segment, uint64_t changed)
{
    struct pln_segment_state *state = &context->blocks[block].segments[segment];
    const uint64_t plans = context->stats.memory_plans;
    const uint32_t n_steps = context->engine->program->blocks[block].segments[segment].count;
    pln_growth_leave(context, state);
    PLN_TRY(pln_segment_plan_memory(context, block, segment, changed));
    if (context->stats.memory_plans != plans) changed = UINT64_MAX;
    for (uint32_t i = 0; i < state->n_outside; i++) pln_slot_watch(context, state->outside[i]);
    PLN_TRY(pln_slots_fill(context, state, changed));
    PLN_TRY(pln_commands_fill(context, state, state->commanded, state->n_commanded));
    for (uint32_t i = 0; i < state->n_outside; i++) pln_segment_note_pointer(context, state, i);
    pln_growth_note(context, state, changed, n_steps);
    return PLN_OK;
}

enum pln_status pln_exec_resolve(struct pln_context *context, uint32_t block, uint32_t segment)
{
    struct pln_segment_state *state = &context->blocks[block].segments[segment];
    if (still_right(context, state)) return PLN_OK;
    PLN_TRY(pln_enqueue_need_still(context));
    const uint64_t changed = changed_symbols(context, state);
    bool done;
    state->resolved = false;
    pln_exec_refresh_dims(context);
    PLN_TRY(pln_growth_follow(context, state, changed, &done));
    if (!done) PLN_TRY(resolve_all(context, block, segment, changed));
    memcpy(state->symbols, context->symbols, context->engine->program->n_symbols * sizeof *state->symbols);
    state->generation = context->generation;
    state->moves = context->moves;
    state->rebound = context->rebound;
    state->resolved = state->resolved_once = true;
    return PLN_OK;
}
