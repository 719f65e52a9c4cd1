/* Memory of a segment: the arenas that hold its slots, for the shapes of now and those that are to be expected. */
#include "runtime/memory.h"
#include "runtime/resolve.h"

enum pln_status pln_slot_bytes(struct pln_context *context, const int64_t *dim_values, uint32_t slot_id, size_t *out_bytes)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    int64_t dims[PLN_MAX_RANK];
    for (int i = 0; i < slot->rank; i++) {
        dims[i] = dim_values[slot->dims[i]];
        if (dims[i] < 0) {
            return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "dim %d of '%s' is %s for these inputs", i, slot->name,
                            dims[i] == PLN_DIM_UNKNOWN ? "out of range or not known" : "negative");
        }
    }
    if (!pln_shape_bytes(slot->dtype, slot->rank, dims, out_bytes)) return pln_fail(&context->diag, PLN_NO_MEMORY, "'%s' has more bytes than can be addressed", slot->name);
    return PLN_OK;
}

/* Next of 16, 128, 512, 2048, 8192, …: the ends of shape ranges (DESIGN §5). */
static int64_t range_end(int64_t value)
{
    int64_t end = 16;
    while (end < value && end < INT64_MAX / 8) end = end == 16 ? 128 : end * 4;
    return value <= 1 ? value : end;
}

/* What upper ends are tried, best first. */
enum reach {
    REACH_CAPACITY_TOGETHER,
    REACH_CAPACITY, /* lengths of states at the capacity of the store that is bound, other symbols that moved at the end of their range */
    REACH_RANGE_TOGETHER,
    REACH_RANGE,
    REACH_COUNT
};

/* Sets upper_dims to extents with each symbol that moved since the last plan at the end of its range; together: all of them at the furthest of
 * these ends, since extents that grow mostly grow together (past, total). */
static void raise_symbols(struct pln_context *context, const struct pln_segment_state *state, enum reach reach)
{
    const struct pln_program *program = context->engine->program;
    const bool together = reach == REACH_CAPACITY_TOGETHER || reach == REACH_RANGE_TOGETHER;
    int64_t furthest = 0;
    for (uint32_t i = 0; i < program->n_symbols; i++) {
        int64_t value = context->symbols[i];
        bool moved = state->planned && state->symbols[i] != value && value != PLN_DIM_UNKNOWN;
        context->upper_symbols[i] = moved ? PLN_MAX(range_end(value), value) : value;
    }
    if (reach == REACH_CAPACITY_TOGETHER || reach == REACH_CAPACITY) pln_states_raise(context, context->upper_symbols);
    for (uint32_t i = 0; together && i < program->n_symbols; i++)
        if (state->symbols[i] != context->symbols[i] && context->symbols[i] != PLN_DIM_UNKNOWN) furthest = PLN_MAX(furthest, context->upper_symbols[i]);
    for (uint32_t i = 0; together && i < program->n_symbols; i++)
        if (state->symbols[i] != context->symbols[i] && context->symbols[i] != PLN_DIM_UNKNOWN) context->upper_symbols[i] = furthest;
    pln_dim_eval_all(program->dims, program->n_dims, context->upper_symbols, context->upper_dims);
}

/* Bytes of all arena slots for the extents of now and for upper_dims. *out_upper SIZE_MAX: more than can be addressed, or something is smaller than now. */
static enum pln_status sum_slots(struct pln_context *context, const struct pln_segment_state *state, size_t *out_now, size_t *out_upper)
{
    const struct pln_program *program = context->engine->program;
    size_t upper = 0;
    *out_now = 0;
    *out_upper = SIZE_MAX;
    for (uint32_t i = 0; i < state->n_arena; i++) {
        size_t bytes, more;
        PLN_TRY(pln_slot_bytes(context, context->dims, state->arena_slots[i], &bytes));
        *out_now += bytes;
        const struct pln_slot *slot = &program->slots[state->arena_slots[i]];
        int64_t dims[PLN_MAX_RANK];
        for (int k = 0; k < slot->rank; k++) dims[k] = context->upper_dims[slot->dims[k]];
        if (!pln_shape_bytes(slot->dtype, slot->rank, dims, &more) || more < bytes || !pln_add_size(upper, more, &upper)) return PLN_OK;
    }
    *out_upper = upper;
    return PLN_OK;
}

/* Extents of inputs that have symbols of their own and yet grow with the states (a mask over past and new positions) cost next to nothing when they
 * are planned at the capacity as well; a batch or a number of new positions costs much more, and is left as it is. */
static enum pln_status raise_companions(struct pln_context *context, const struct pln_segment_state *state, size_t upper)
{
    const struct pln_program *program = context->engine->program;
    const int64_t capacity = pln_states_capacity(context);
    const size_t most = upper + upper / 8 + ((size_t)64 << 10);
    for (uint32_t i = 0; i < program->n_inputs; i++) {
        const struct pln_slot *slot = &program->slots[program->inputs[i].slot];
        for (int k = 0; k < slot->rank; k++) {
            const struct pln_dim_node *node = &program->dims[slot->dims[k]];
            if (node->op != PLN_DIM_SYMBOL || context->upper_symbols[node->a] >= capacity) continue;
            const int64_t before = context->upper_symbols[node->a];
            size_t now, with;
            if (before == PLN_DIM_UNKNOWN) continue;
            context->upper_symbols[node->a] = capacity;
            pln_dim_eval_all(program->dims, program->n_dims, context->upper_symbols, context->upper_dims);
            PLN_TRY(sum_slots(context, state, &now, &with));
            if (with > most) context->upper_symbols[node->a] = before;
        }
    }
    pln_dim_eval_all(program->dims, program->n_dims, context->upper_symbols, context->upper_dims);
    return PLN_OK;
}

/* When a store bounds shapes, or shapes have changed since the last plan, plans for the upper end of their range, unless that asks for much more
 * memory. */
static enum pln_status upper_bytes(struct pln_context *context, struct pln_segment_state *state, const int64_t **out_values)
{
    *out_values = context->dims;
    for (enum reach reach = context->states ? REACH_CAPACITY_TOGETHER : REACH_RANGE_TOGETHER; reach < REACH_COUNT; reach++) {
        size_t now, upper;
        if (!state->planned && reach != REACH_CAPACITY) continue;
        raise_symbols(context, state, reach);
        PLN_TRY(sum_slots(context, state, &now, &upper));
        if (upper == SIZE_MAX || upper / 8 > now + ((size_t)8 << 20)) continue;
        if (reach <= REACH_CAPACITY) PLN_TRY(raise_companions(context, state, upper));
        *out_values = context->upper_dims;
        break;
    }
    return PLN_OK;
}

static enum pln_status hold_arena(struct pln_context *context, struct pln_segment_state *state, uint32_t space, size_t bytes)
{
    if (bytes <= state->arena_bytes[space]) return PLN_OK;
    struct pln_engine_device *device = &context->engine->devices[space];
    const bool host = space == 0;
    size_t old = state->arena_bytes[space];
    context->generation++;
    context->moves++;
    if (state->arenas[space] && host) pln_free(&context->alloc, state->arenas[space], old);
    if (state->arenas[space] && !host) device->backend->release(device->device, state->arenas[space], old);
    context->stats.arena_bytes -= old;
    state->arena_bytes[space] = 0;
    state->arenas[space] = NULL;
    if (!host) PLN_TRY(device->backend->alloc(device->device, bytes, "activations", &context->diag, &state->arenas[space]));
    else state->arenas[space] = pln_alloc(&context->alloc, bytes, 64);
    if (!state->arenas[space]) return pln_fail_memory(&context->diag, "activations", bytes);
    state->arena_bytes[space] = bytes;
    context->stats.arena_bytes += bytes;
    return PLN_OK;
}

static enum pln_status plan_space(struct pln_context *context, struct pln_segment_state *state, uint32_t space, uint32_t last_step)
{
    const struct pln_program *program = context->engine->program;
    uint32_t n = 0;
    for (uint32_t i = 0; i < state->n_arena; i++) {
        const struct pln_slot *slot = &program->slots[state->arena_slots[i]];
        if (slot->space != space) continue;
        uint32_t last = slot->last > last_step ? UINT32_MAX : slot->last;
        context->intervals[n++] = (struct pln_interval){ .first = slot->first, .last = last, .size_bytes = state->planned_bytes[i] };
    }
    size_t bytes;
    if (pln_memory_place(context->intervals, n, context->order, &bytes) != PLN_OK) return pln_fail_memory(&context->diag, "activations", SIZE_MAX);
    n = 0;
    for (uint32_t i = 0; i < state->n_arena; i++) {
        if (program->slots[state->arena_slots[i]].space != space) continue;
        const size_t offset = context->intervals[n++].offset;
        if (offset != state->offsets[i]) {
            /* Other segments may read it where it was, and a run may end before they do; and their views of it depend on no symbol that has changed. */
            context->generation++;
            context->moves++;
        }
        state->offsets[i] = offset;
    }
    return hold_arena(context, state, space, bytes);
}

static enum pln_status plan_for(struct pln_context *context, struct pln_segment_state *state, const int64_t *values, uint32_t last_step)
{
    for (uint32_t i = 0; i < state->n_arena; i++) {
        size_t bytes;
        PLN_TRY(pln_slot_bytes(context, values, state->arena_slots[i], &bytes));
        state->planned_bytes[i] = state->planned ? PLN_MAX(bytes, state->planned_bytes[i]) : bytes;
    }
    state->planned = false;
    for (uint32_t space = 0; space < context->engine->n_devices; space++) PLN_TRY(plan_space(context, state, space, last_step));
    state->planned = true;
    return PLN_OK;
}

enum pln_status pln_segment_plan_memory(struct pln_context *context, uint32_t block, uint32_t segment, uint64_t changed)
{
    const struct pln_segment *seg = &context->engine->program->blocks[block].segments[segment];
    struct pln_segment_state *state = &context->blocks[block].segments[segment];
    bool fits = state->planned;
    for (uint32_t i = 0; fits && i < state->n_arena; i++) {
        size_t bytes;
        if (!(state->arena_depends[i] & changed) || pln_slot_same_extents(context, state->arena_slots[i])) continue;
        PLN_TRY(pln_slot_bytes(context, context->dims, state->arena_slots[i], &bytes));
        fits = bytes <= state->planned_bytes[i];
    }
    if (fits) return PLN_OK;
    const int64_t *values;
    const int before = context->diag.count;
    PLN_TRY(upper_bytes(context, state, &values));
    enum pln_status status = plan_for(context, state, values, seg->first + seg->count - 1);
    if (status == PLN_NO_MEMORY && values != context->dims) { /* what is to be expected does not fit; what is asked for may */
        context->diag.count = before;
        status = plan_for(context, state, context->dims, seg->first + seg->count - 1);
    }
    if (status == PLN_OK) context->stats.memory_plans++;
    return status;
}
