/* What a context remembers of a segment: its tables, made once. */
#include "runtime/resolve.h"

/* States of kernels larger than this are not put with those that are updated often. */
#define UPDATED_BYTES 1024

static bool is_outside(enum pln_place place)
{
    return place == PLN_PLACE_INPUT || place == PLN_PLACE_ITEM || place == PLN_PLACE_BLOCK_INPUT || place == PLN_PLACE_OUTPUT;
}

/* The slot whose memory a view shows. */
static uint32_t base_of(const struct pln_program *program, uint32_t slot)
{
    while (program->slots[slot].place == PLN_PLACE_VIEW) slot = program->slots[slot].index;
    return slot;
}

/* stamp: a number that each segment has for itself, so that a slot is listed once without a search. */
static enum pln_status note_outside(struct pln_context *context, struct pln_segment_state *state, uint32_t stamp, uint32_t slot)
{
    const struct pln_program *program = context->engine->program;
    if (slot == PLN_NONE) return PLN_OK;
    slot = base_of(program, slot);
    if (!is_outside(program->slots[slot].place)) return PLN_OK;
    if (context->slots[slot].listed == stamp) return PLN_OK;
    if (!context->slots[slot].seen) context->slots[slot].seen = pln_arena_alloc(&context->arena, sizeof *context->slots[slot].seen);
    if (!context->slots[slot].seen) return pln_fail_memory(&context->diag, "segment tables", sizeof *context->slots[slot].seen);
    context->slots[slot].listed = stamp;
    state->outside[state->n_outside++] = slot;
    return PLN_OK;
}

/* Symbols that a slot's place, extents and strides depend on; all of them when it depends on what is bound from outside. */
static uint64_t depends_of(const struct pln_context *context, uint32_t slot_id)
{
    const struct pln_program *program = context->engine->program;
    uint64_t mask = is_outside(program->slots[base_of(program, slot_id)].place) ? UINT64_MAX : 0;
    for (;;) { /* a view's, then those of what it shows */
        const struct pln_slot *slot = &program->slots[slot_id];
        for (int i = 0; i < slot->rank; i++) mask |= context->dim_depends[slot->dims[i]];
        for (uint32_t i = 0; slot->place == PLN_PLACE_SHAPE && i < slot->n_elems; i++) mask |= context->dim_depends[slot->elems[i]];
        if (slot->place != PLN_PLACE_VIEW || mask == UINT64_MAX) return mask;
        for (int i = 0; slot->strides && i < slot->rank; i++) mask |= context->dim_depends[slot->strides[i]];
        mask |= context->dim_depends[slot->offset];
        slot_id = slot->index;
    }
}

enum pln_status pln_exec_sort_slots(struct pln_context *context)
{
    const struct pln_program *program = context->engine->program;
    uint32_t n = 0;
    for (uint32_t b = 0; b < program->n_blocks; b++) n += program->blocks[b].n_segments;
    uint32_t *base = pln_arena_array(&context->arena, program->n_blocks + 1u, sizeof *base);
    context->by_segment = pln_arena_array(&context->arena, program->n_slots + 1u, sizeof *context->by_segment);
    context->segment_end = pln_arena_array(&context->arena, n + 2u, sizeof *context->segment_end);
    if (!base || !context->by_segment || !context->segment_end) return pln_fail_memory(&context->diag, "segment tables", 0);
    for (uint32_t b = 0; b < program->n_blocks; b++) base[b + 1] = base[b] + program->blocks[b].n_segments;
    /* A counting sort: sizes, then starts, which become ends as the slots are put in. */
    for (int put = 0; put < 2; put++) {
        for (uint32_t i = 0; i < program->n_slots; i++) {
            const struct pln_slot *slot = &program->slots[i];
            if (slot->block >= program->n_blocks || slot->segment >= program->blocks[slot->block].n_segments) continue;
            uint32_t *end = &context->segment_end[base[slot->block] + slot->segment + (put ? 1u : 2u)];
            if (put) context->by_segment[*end] = i;
            ++*end;
        }
        for (uint32_t g = 2; !put && g < n + 2; g++) context->segment_end[g] += context->segment_end[g - 1];
    }
    return PLN_OK;
}

static enum pln_status init_tables(struct pln_context *context, uint32_t block, uint32_t segment)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_segment *seg = &program->blocks[block].segments[segment];
    struct pln_segment_state *state = &context->blocks[block].segments[segment];
    struct pln_arena *arena = &context->arena;
    const uint32_t *own = &context->segment_end[context->n_segments - 1]; /* its slots: by_segment[own[0] … own[1] - 1] */
    size_t n_operands = 0;
    for (uint32_t i = 0; i < seg->count; i++) {
        const struct pln_step *step = &program->steps[program->blocks[block].steps[seg->first + i]];
        n_operands += step->n_inputs + step->n_outputs;
    }
    uint32_t n_arena = 0, n_defined = 0;
    for (uint32_t k = *own; k < own[1]; k++) {
        const struct pln_slot *slot = &program->slots[context->by_segment[k]];
        n_arena += slot->place == PLN_PLACE_ARENA;
        n_defined += slot->place == PLN_PLACE_ARENA || slot->place == PLN_PLACE_VIEW || slot->place == PLN_PLACE_SHAPE || slot->place == PLN_PLACE_OUTPUT;
    }
    state->symbols = pln_arena_array(arena, program->n_symbols + 1u, sizeof *state->symbols);
    state->outside = pln_arena_array(arena, n_operands + n_defined + 1u, sizeof *state->outside);
    state->pointers = pln_arena_array(arena, n_operands + n_defined + 1u, sizeof *state->pointers);
    state->arena_slots = pln_arena_array(arena, n_arena + 1u, sizeof *state->arena_slots);
    state->planned_bytes = pln_arena_array(arena, n_arena + 1u, sizeof *state->planned_bytes);
    state->offsets = pln_arena_array(arena, n_arena + 1u, sizeof *state->offsets);
    state->defined = pln_arena_array(arena, n_defined + 1u, sizeof *state->defined);
    state->arenas = pln_arena_array(arena, context->engine->n_devices, sizeof *state->arenas);
    state->arena_bytes = pln_arena_array(arena, context->engine->n_devices, sizeof *state->arena_bytes);
    state->flow = pln_arena_array(arena, seg->count + 1u, sizeof *state->flow);
    state->commands = pln_arena_array(arena, seg->count + 1u, sizeof *state->commands);
    state->launches = pln_arena_array(arena, seg->count + 1u, sizeof *state->launches);
    state->tensors = pln_arena_array(arena, n_operands + 1u, sizeof *state->tensors);
    state->depends = pln_arena_array(arena, n_defined + 1u, sizeof *state->depends);
    state->arena_depends = pln_arena_array(arena, n_arena + 1u, sizeof *state->arena_depends);
    state->versions = pln_arena_array(arena, n_operands + 1u, sizeof *state->versions);
    state->operands = pln_arena_array(arena, n_operands + 1u, sizeof *state->operands);
    state->operands_end = pln_arena_array(arena, seg->count + 1u, sizeof *state->operands_end);
    state->state_at = pln_arena_array(arena, seg->count + 1u, sizeof *state->state_at);
    state->ready = pln_arena_array(arena, seg->count + 1u, sizeof *state->ready);
    state->step_ns = pln_arena_array(arena, seg->count + 1u, sizeof *state->step_ns);
    state->commanded = pln_arena_array(arena, seg->count + 1u, sizeof *state->commanded);
    state->todo = pln_arena_array(arena, seg->count + 1u, sizeof *state->todo);
    state->recordings = pln_arena_array(arena, seg->count + 1u, sizeof *state->recordings);
    if (!state->symbols || !state->outside || !state->pointers || !state->arena_slots || !state->planned_bytes || !state->offsets || !state->defined || !state->arenas ||
        !state->arena_bytes || !state->commands || !state->launches || !state->tensors || !state->versions || !state->operands || !state->operands_end || !state->state_at || !state->ready ||
        !state->depends || !state->arena_depends || !state->flow || !state->step_ns || !state->commanded || !state->todo || !state->recordings)
        return pln_fail_memory(&context->diag, "segment tables", 0);
    for (uint32_t k = *own; k < own[1]; k++) {
        const uint32_t i = context->by_segment[k];
        const struct pln_slot *slot = &program->slots[i];
        if (slot->place == PLN_PLACE_ARENA) {
            state->arena_depends[state->n_arena] = depends_of(context, i);
            state->arena_slots[state->n_arena++] = i;
        }
        if (slot->place == PLN_PLACE_ARENA || slot->place == PLN_PLACE_VIEW || slot->place == PLN_PLACE_SHAPE || slot->place == PLN_PLACE_OUTPUT) {
            state->depends[state->n_defined] = depends_of(context, i);
            state->defined[state->n_defined++] = i;
        }
    }
    return PLN_OK;
}

static bool is_command(const struct pln_step *step)
{
    return step->kind == PLN_STEP_LAUNCH || step->kind == PLN_STEP_COPY || (step->kind == PLN_STEP_CALL && step->device != 0);
}

/* Those that are updated with every decoding step lie together, on few pages. */
static void place_launches(const struct pln_context *context, struct pln_segment_state *state, uint32_t n_steps, bool updated, struct pln_tensor **tensors, size_t *state_bytes)
{
    for (uint32_t i = 0; i < n_steps; i++) {
        const struct pln_step *step = &context->engine->program->steps[state->flow[i].step];
        const struct pln_engine_step *own = &context->engine->steps[state->flow[i].step];
        if (updated != (own->kernel && own->kernel->family->update && own->kernel->family->state_bytes <= UPDATED_BYTES)) continue;
        state->launches[i] = (struct pln_launch){ .op = step->op, .kind = step->op_kind, .attrs = &step->attrs, .custom = own->custom, .epilogue = own->epilogue, .program = own->program,
                                                  .n_inputs = (int)step->n_inputs, .n_outputs = (int)step->n_outputs, .inputs = *tensors, .outputs = *tensors + step->n_inputs };
        *tensors += step->n_inputs + step->n_outputs;
        state->state_at[i] = (uint32_t)(*state_bytes / 64);
        if (own->kernel) *state_bytes += pln_align_up(own->kernel->family->state_bytes, 64);
    }
}

static bool starts_span(const struct pln_flow *flow, uint32_t i)
{
    return i == 0 || !flow[i].command || !flow[i - 1].command || flow[i - 1].frees || flow[i].device != flow[i - 1].device;
}

static enum pln_status list_spans(struct pln_context *context, struct pln_segment_state *state, uint32_t n_steps)
{
    const struct pln_flow *flow = state->flow;
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_steps; i++) n += starts_span(flow, i);
    state->spans = pln_arena_array(&context->arena, n + 1u, sizeof *state->spans);
    if (!state->spans) return pln_fail_memory(&context->diag, "segment tables", n * sizeof *state->spans);
    for (uint32_t i = 0; i < n_steps; i++) {
        if (starts_span(flow, i)) state->spans[state->n_spans++] = (struct pln_span){ .first = i, .device = flow[i].device, .command = flow[i].command };
        struct pln_span *span = &state->spans[state->n_spans - 1];
        span->n++;
        span->frees = flow[i].frees;
    }
    return PLN_OK;
}

enum pln_status pln_exec_list_spans(struct pln_context *context, uint32_t block)
{
    const struct pln_program_block *own = &context->engine->program->blocks[block];
    for (uint32_t s = 0; s < own->n_segments; s++) PLN_TRY(list_spans(context, &context->blocks[block].segments[s], own->segments[s].count));
    return PLN_OK;
}

enum pln_status pln_exec_resolve_init(struct pln_context *context, uint32_t block, uint32_t segment)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_segment *seg = &program->blocks[block].segments[segment];
    struct pln_segment_state *state = &context->blocks[block].segments[segment];
    const uint32_t stamp = ++context->n_segments;
    PLN_TRY(init_tables(context, block, segment));
    /* A view that no step reads, because it is a result of the block, moves with what it shows all the same. */
    for (uint32_t i = 0; i < state->n_defined; i++)
        if (program->slots[state->defined[i]].place == PLN_PLACE_VIEW) note_outside(context, state, stamp, state->defined[i]);
    uint32_t end = 0;
    for (uint32_t i = 0; i < seg->count; i++) {
        uint32_t id = program->blocks[block].steps[seg->first + i];
        const struct pln_step *step = &program->steps[id];
        state->flow[i] = (struct pln_flow){ .step = id, .device = step->device, .command = is_command(step) };
        if (block == 0) context->main_ns[id] = &state->step_ns[i];
        if (state->flow[i].command) state->commanded[state->n_commanded++] = i;
        for (uint32_t k = 0; k < step->n_inputs; k++) PLN_TRY(note_outside(context, state, stamp, step->inputs[k]));
        for (uint32_t k = 0; k < step->n_outputs; k++) PLN_TRY(note_outside(context, state, stamp, step->outputs[k]));
        for (uint32_t k = 0; k < step->n_inputs; k++) state->operands[end++] = step->inputs[k];
        for (uint32_t k = 0; k < step->n_outputs; k++) state->operands[end++] = step->outputs[k];
        state->operands_end[i] = end;
    }
    size_t state_bytes = 0;
    struct pln_tensor *tensors = state->tensors;
    for (int updated = 1; updated >= 0; updated--) place_launches(context, state, seg->count, updated, &tensors, &state_bytes);
    state->states = pln_arena_alloc_aligned(&context->arena, state_bytes + PLN_PREFETCH_STATE_LINES * (size_t)64, 64);
    if (!state->states) return pln_fail_memory(&context->diag, "kernel states", state_bytes);
    return pln_growth_init(context, state, seg->count);
}
