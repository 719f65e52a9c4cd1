/* Resolving a segment: from symbols that have values to placed memory and prepared commands. */
#include "runtime/engine.h"
#include "runtime/memory.h"
#include "tensor/convert.h"

/* Steps whose commands are fetched before they are at hand, and lines of each one's kernel state. */
#define PREFETCH_AHEAD 3
#define PREFETCH_STATE_LINES 8
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
    state->todo = pln_arena_array(arena, seg->count + 1u, sizeof *state->todo);
    state->recordings = pln_arena_array(arena, seg->count + 1u, sizeof *state->recordings);
    if (!state->symbols || !state->outside || !state->pointers || !state->arena_slots || !state->planned_bytes || !state->offsets || !state->defined || !state->arenas ||
        !state->arena_bytes || !state->commands || !state->launches || !state->tensors || !state->versions || !state->operands || !state->operands_end || !state->state_at || !state->ready ||
        !state->depends || !state->arena_depends || !state->flow || !state->todo || !state->recordings)
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
        state->launches[i] = (struct pln_launch){ .op = step->op, .kind = step->op_kind, .attrs = &step->attrs, .epilogue = own->epilogue, .program = own->program,
                                                  .n_inputs = (int)step->n_inputs, .n_outputs = (int)step->n_outputs, .inputs = *tensors, .outputs = *tensors + step->n_inputs };
        *tensors += step->n_inputs + step->n_outputs;
        state->state_at[i] = (uint32_t)(*state_bytes / 64);
        if (own->kernel) *state_bytes += pln_align_up(own->kernel->family->state_bytes, 64);
    }
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
        for (uint32_t k = 0; k < step->n_inputs; k++) PLN_TRY(note_outside(context, state, stamp, step->inputs[k]));
        for (uint32_t k = 0; k < step->n_outputs; k++) PLN_TRY(note_outside(context, state, stamp, step->outputs[k]));
        for (uint32_t k = 0; k < step->n_inputs; k++) state->operands[end++] = step->inputs[k];
        for (uint32_t k = 0; k < step->n_outputs; k++) state->operands[end++] = step->outputs[k];
        state->operands_end[i] = end;
    }
    size_t state_bytes = 0;
    struct pln_tensor *tensors = state->tensors;
    for (int updated = 1; updated >= 0; updated--) place_launches(context, state, seg->count, updated, &tensors, &state_bytes);
    state->states = pln_arena_alloc_aligned(&context->arena, state_bytes + PREFETCH_STATE_LINES * (size_t)64, 64);
    return state->states ? PLN_OK : pln_fail_memory(&context->diag, "kernel states", state_bytes);
}

/* Does a slot that was filled before have the extents that it has now? */
static inline bool same_extents(const struct pln_context *context, uint32_t slot_id)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    const struct pln_slot_state *own = &context->slots[slot_id];
    if (own->item != &own->view) return false;
    for (int i = 0; i < slot->rank; i++)
        if (own->view.tensor.dims[i] != context->dims[slot->dims[i]]) return false;
    return true;
}

/* ---- memory ---- */

static enum pln_status slot_bytes(struct pln_context *context, const int64_t *dim_values, uint32_t slot_id, size_t *out_bytes)
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
        PLN_TRY(slot_bytes(context, context->dims, state->arena_slots[i], &bytes));
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
    state->arenas[space] = host ? pln_alloc(&context->alloc, bytes, 64) : device->backend->alloc(device->device, bytes);
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
    for (uint32_t i = 0; i < state->n_arena; i++)
        if (program->slots[state->arena_slots[i]].space == space) state->offsets[i] = context->intervals[n++].offset;
    return hold_arena(context, state, space, bytes);
}

/* changed: symbols (as depends_of) that differ from the last time. */
static enum pln_status plan_memory(struct pln_context *context, uint32_t block, uint32_t segment, uint64_t changed)
{
    const struct pln_segment *seg = &context->engine->program->blocks[block].segments[segment];
    struct pln_segment_state *state = &context->blocks[block].segments[segment];
    bool fits = state->planned;
    for (uint32_t i = 0; fits && i < state->n_arena; i++) {
        size_t bytes;
        if (!(state->arena_depends[i] & changed) || same_extents(context, state->arena_slots[i])) continue;
        PLN_TRY(slot_bytes(context, context->dims, state->arena_slots[i], &bytes));
        fits = bytes <= state->planned_bytes[i];
    }
    if (fits) return PLN_OK;
    const int64_t *values;
    PLN_TRY(upper_bytes(context, state, &values));
    for (uint32_t i = 0; i < state->n_arena; i++) {
        size_t bytes;
        PLN_TRY(slot_bytes(context, values, state->arena_slots[i], &bytes));
        state->planned_bytes[i] = state->planned ? PLN_MAX(bytes, state->planned_bytes[i]) : bytes;
    }
    state->planned = false;
    for (uint32_t space = 0; space < context->engine->n_devices; space++) PLN_TRY(plan_space(context, state, space, seg->first + seg->count - 1));
    state->planned = true;
    context->stats.memory_plans++;
    return PLN_OK;
}

/* ---- tensors of slots ---- */

static enum pln_status fill_extents(struct pln_context *context, uint32_t slot_id, struct pln_tensor *tensor)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    size_t bytes;
    PLN_TRY(slot_bytes(context, context->dims, slot_id, &bytes));
    int64_t dims[PLN_MAX_RANK];
    for (int i = 0; i < slot->rank; i++) dims[i] = context->dims[slot->dims[i]];
    pln_tensor_init(tensor, slot->dtype, slot->rank, dims, NULL);
    if (slot->order) {
        int64_t stride = 1;
        for (int i = slot->rank - 1; i >= 0; i--) {
            tensor->strides[slot->order[i]] = stride;
            stride *= tensor->dims[slot->order[i]];
        }
    }
    return PLN_OK;
}

/* First and last element that a tensor touches, relative to data; an empty one touches none (last < first). false: overflow. */
static bool reach_of(const struct pln_tensor *tensor, int64_t *out_first, int64_t *out_last)
{
    *out_first = *out_last = 0;
    for (int i = 0; i < tensor->rank; i++) {
        int64_t reach, *end;
        if (tensor->dims[i] == 0) {
            *out_first = 0;
            *out_last = -1;
            return true;
        }
        if (tensor->dims[i] == 1) continue;
        if (tensor->strides[i] == PLN_DIM_UNKNOWN || !pln_mul_i64(tensor->dims[i] - 1, tensor->strides[i], &reach)) return false;
        end = reach < 0 ? out_first : out_last;
        if (!pln_add_i64(*end, reach, end)) return false;
    }
    return true;
}

/* A view that stays between the first and the last element that its base touches. */
static enum pln_status fill_view(struct pln_context *context, uint32_t slot_id, struct pln_tensor *tensor)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    const struct pln_item *base = context->slots[slot->index].item;
    const int bits = pln_dtype_bits(slot->dtype);
    if (!base || base->kind != PLN_TENSOR) return pln_fail(&context->diag, PLN_BAD_PLAN, "'%s' is a view of nothing", slot->name);
    int64_t offset = context->dims[slot->offset], first, last, base_first, base_last, low, high;
    for (int i = 0; slot->strides && i < slot->rank; i++) tensor->strides[i] = context->dims[slot->strides[i]];
    if (!reach_of(&base->tensor, &base_first, &base_last)) return pln_fail(&context->diag, PLN_BAD_PLAN, "'%s' is a view of nothing", slot->name);
    bool inside = reach_of(tensor, &first, &last), empty = inside && last < first;
    if (base->tensor.dtype != slot->dtype || (bits < 8 && (offset != 0 || !pln_tensor_is_contiguous(tensor) || !pln_tensor_is_contiguous(&base->tensor))))
        return pln_fail(&context->diag, PLN_BAD_PLAN, "'%s' cannot be a view", slot->name);
    if (empty) {
        pln_tensor_set_contiguous(tensor);
        tensor->data = base->tensor.data;
        return PLN_OK;
    }
    inside = inside && offset != PLN_DIM_UNKNOWN && pln_add_i64(offset, first, &low) && pln_add_i64(offset, last, &high) && low >= base_first && high <= base_last;
    if (!inside) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s' reaches outside of '%s'", slot->name, context->engine->program->slots[slot->index].name);
    tensor->data = (uint8_t *)base->tensor.data + offset * (bits / 8);
    return PLN_OK;
}

/* A state in the caller's memory, which has room for more positions than it holds. */
static enum pln_status fill_strided_output(struct pln_context *context, const struct pln_binding *binding, const char *name, struct pln_tensor *tensor)
{
    int64_t last = 0, reach, size = pln_dtype_bits(tensor->dtype) / 8;
    bool empty = false;
    for (int i = 0; i < tensor->rank; i++) {
        tensor->strides[i] = binding->strides[i];
        if (tensor->dims[i] == 0) empty = true;
        else if (tensor->strides[i] < 0 || !pln_mul_i64(tensor->dims[i] - 1, tensor->strides[i], &reach) || !pln_add_i64(last, reach, &last)) last = INT64_MAX / 16;
    }
    if (!empty && (size == 0 || (uint64_t)last >= binding->buffer.size_bytes / (size_t)size))
        return pln_fail(&context->diag, PLN_NO_MEMORY, "state '%s' is full: %lld positions do not fit", name, (long long)tensor->dims[pln_states_find(context->engine->program, (uint32_t)(binding - context->outputs), true)->axis]);
    tensor->data = binding->buffer.data;
    return PLN_OK;
}

void *pln_exec_request(const struct pln_binding *binding, const char *name, const struct pln_tensor *tensor)
{
    const struct pln_output_request request = { .name = name, .size_bytes = pln_tensor_bytes(tensor), .align = 64, .dtype = tensor->dtype, .rank = tensor->rank, .dims = tensor->dims };
    return binding->allocator(binding->allocator_user, &request);
}

static enum pln_status fill_output(struct pln_context *context, uint32_t slot_id, struct pln_tensor *tensor)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    struct pln_binding *binding = &context->outputs[slot->index];
    const char *name = context->engine->program->outputs[slot->index].name;
    size_t bytes = pln_tensor_bytes(tensor);
    if (pln_transfer_output_moves(context, slot->index)) return pln_transfer_hold_output(context, slot->index, bytes, &tensor->data);
    if (binding->allocator) {
        tensor->data = pln_exec_request(binding, name, tensor);
        return tensor->data || bytes == 0 ? PLN_OK : pln_fail_memory(&context->diag, name, bytes);
    }
    if (binding->bound && binding->buffer.strides) return fill_strided_output(context, binding, name, tensor);
    if (binding->bound) {
        if (binding->buffer.size_bytes < bytes) {
            return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "output '%s' needs %zu bytes, its buffer has %zu", name, bytes, binding->buffer.size_bytes);
        }
        tensor->data = binding->buffer.data;
        return PLN_OK;
    }
    if (binding->own_bytes < bytes || !binding->own) {
        size_t want = PLN_MAX(bytes, (size_t)64);
        if (binding->own) want = PLN_MAX(want, binding->own_bytes + binding->own_bytes / 2);
        pln_free(&context->alloc, binding->own, binding->own_bytes);
        binding->own_bytes = 0;
        binding->own = pln_alloc(&context->alloc, want, 64);
        if (!binding->own) return pln_fail_memory(&context->diag, name, want);
        binding->own_bytes = want;
    }
    tensor->data = binding->own;
    return PLN_OK;
}

static bool same_layout(const struct pln_tensor *a, const struct pln_tensor *b)
{
    return a->data == b->data && a->dtype == b->dtype && a->rank == b->rank && memcmp(a->strides, b->strides, (size_t)a->rank * sizeof(int64_t)) == 0;
}

static bool same_dims(const struct pln_tensor *a, const struct pln_tensor *b)
{
    return memcmp(a->dims, b->dims, (size_t)a->rank * sizeof(int64_t)) == 0;
}

/* Not more than there is: a tensor has room for many more dims than most have. */
static void set_tensor(struct pln_tensor *to, const struct pln_tensor *from)
{
    to->dtype = from->dtype;
    to->rank = from->rank;
    to->data = from->data;
    memcpy(to->dims, from->dims, (size_t)from->rank * sizeof(int64_t));
    memcpy(to->strides, from->strides, (size_t)from->rank * sizeof(int64_t));
}

static void note_change(struct pln_context *context, uint32_t slot_id, bool layout)
{
    context->versions[slot_id].any++;
    if (layout) context->versions[slot_id].layout++;
}

static enum pln_status fill_shape(struct pln_context *context, uint32_t slot_id, struct pln_item *view)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    if (pln_tensor_count(&view->tensor) != (int64_t)slot->n_elems) return pln_fail(&context->diag, PLN_BAD_PLAN, "'%s' has %u elements, which are not those of its shape", slot->name, slot->n_elems);
    if (!view->tensor.data) {
        void *data = pln_arena_array(&context->arena, slot->n_elems + 1u, sizeof(int64_t));
        if (!data) return pln_fail_memory(&context->diag, slot->name, slot->n_elems * sizeof(int64_t));
        view->tensor.data = data;
    }
    bool changed = false;
    for (uint32_t i = 0; i < slot->n_elems; i++) {
        int64_t value = context->dims[slot->elems[i]];
        changed = changed || pln_load_i64(slot->dtype, view->tensor.data, i) != value;
        if (value == PLN_DIM_UNKNOWN) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "an element of '%s' is out of range for these inputs", slot->name);
        switch (pln_dtype_bits(slot->dtype)) {
        case 64: ((int64_t *)view->tensor.data)[i] = value; break;
        case 32: ((int32_t *)view->tensor.data)[i] = (int32_t)value; break;
        case 16: ((int16_t *)view->tensor.data)[i] = (int16_t)value; break;
        default: ((int8_t *)view->tensor.data)[i] = (int8_t)value; break;
        }
    }
    if (changed) note_change(context, slot_id, true);
    return PLN_OK;
}

/* Slots whose tensors come from elsewhere: has anything about them changed? */
static void watch_outside(struct pln_context *context, const struct pln_segment_state *state)
{
    for (uint32_t i = 0; i < state->n_outside; i++) {
        struct pln_slot_state *own = &context->slots[state->outside[i]];
        if (context->engine->program->slots[state->outside[i]].place == PLN_PLACE_OUTPUT) continue; /* fill_slot sees to it */
        if (!own->item || own->item->kind != PLN_TENSOR) continue;
        const bool layout = !same_layout(own->seen, &own->item->tensor);
        if (!layout && same_dims(own->seen, &own->item->tensor)) continue;
        set_tensor(own->seen, &own->item->tensor);
        note_change(context, state->outside[i], layout);
    }
}

static bool same_view(const struct pln_context *context, const struct pln_slot *slot, const struct pln_slot_state *own)
{
    if (own->base_version.any != context->versions[slot->index].any || own->offset != context->dims[slot->offset]) return false;
    for (int i = 0; slot->strides && i < slot->rank; i++)
        if (own->view.tensor.strides[i] != context->dims[slot->strides[i]]) return false;
    return true;
}

static bool same_shape_value(const struct pln_context *context, const struct pln_slot *slot, const struct pln_slot_state *own)
{
    for (uint32_t i = 0; i < slot->n_elems; i++)
        if (pln_load_i64(slot->dtype, own->view.tensor.data, i) != context->dims[slot->elems[i]]) return false;
    return true;
}

/* Most slots of a decoding step are as they were in the step before; telling so is cheaper than filling them. */
static bool is_filled(const struct pln_context *context, const struct pln_segment_state *state, uint32_t slot_id, size_t offset)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    const struct pln_slot_state *own = &context->slots[slot_id];
    if (!same_extents(context, slot_id)) return false;
    if (slot->place == PLN_PLACE_ARENA) return own->view.tensor.data == (state->arenas[slot->space] ? (uint8_t *)state->arenas[slot->space] + offset : NULL);
    if (slot->place == PLN_PLACE_VIEW) return same_view(context, slot, own);
    if (slot->place == PLN_PLACE_SHAPE) return same_shape_value(context, slot, own);
    const struct pln_binding *binding = &context->outputs[slot->index];
    return state->rebound == context->rebound && !binding->allocator && own->view.tensor.data == (binding->bound ? binding->buffer.data : binding->own);
}

/* An output that lies in a state's memory as it did before, and there is room for what it has grown to. */
static bool grow_state(struct pln_context *context, const struct pln_segment_state *state, uint32_t slot_id)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    struct pln_slot_state *own = &context->slots[slot_id];
    if (slot->place != PLN_PLACE_OUTPUT || !state->resolved_once || own->item != &own->view || state->rebound != context->rebound) return false;
    const struct pln_binding *binding = &context->outputs[slot->index];
    const int64_t room = (int64_t)PLN_MIN(binding->buffer.size_bytes, (size_t)INT64_MAX) / PLN_MAX(pln_dtype_bits(slot->dtype) / 8, 1);
    int64_t last = 0, reach;
    if (!binding->is_state || !binding->bound || !binding->buffer.strides || binding->allocator) return false;
    for (int i = 0; i < slot->rank; i++) {
        const int64_t dim = context->dims[slot->dims[i]];
        if (dim < 1 || !pln_mul_i64(dim - 1, own->view.tensor.strides[i], &reach) || !pln_add_i64(last, reach, &last)) return false;
    }
    if (last >= room) return false;
    for (int i = 0; i < slot->rank; i++) own->view.tensor.dims[i] = context->dims[slot->dims[i]];
    note_change(context, slot_id, false);
    return true;
}

static enum pln_status fill_slot(struct pln_context *context, struct pln_segment_state *state, uint32_t slot_id, uint32_t *next_arena)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    struct pln_slot_state *own = &context->slots[slot_id];
    if (is_filled(context, state, slot_id, slot->place == PLN_PLACE_ARENA ? state->offsets[*next_arena] : 0)) {
        *next_arena += slot->place == PLN_PLACE_ARENA;
        return PLN_OK;
    }
    if (grow_state(context, state, slot_id)) return PLN_OK;
    void *data = own->view.tensor.data;
    struct pln_tensor before;
    set_tensor(&before, &own->view.tensor);
    own->item = NULL; /* until it is filled */
    PLN_TRY(fill_extents(context, slot_id, &own->view.tensor));
    own->view.kind = PLN_TENSOR;
    if (slot->place == PLN_PLACE_ARENA) {
        size_t offset = state->offsets[(*next_arena)++];
        own->view.tensor.data = state->arenas[slot->space] ? (uint8_t *)state->arenas[slot->space] + offset : NULL; /* NULL: all are empty */
    } else if (slot->place == PLN_PLACE_VIEW) {
        PLN_TRY(fill_view(context, slot_id, &own->view.tensor));
        own->base_version = context->versions[slot->index];
        own->offset = context->dims[slot->offset];
    } else if (slot->place == PLN_PLACE_OUTPUT) {
        PLN_TRY(fill_output(context, slot_id, &own->view.tensor));
    } else {
        own->view.tensor.data = data;
        PLN_TRY(fill_shape(context, slot_id, &own->view));
    }
    const bool layout = !same_layout(&before, &own->view.tensor);
    if (layout || !same_dims(&before, &own->view.tensor)) note_change(context, slot_id, layout);
    own->item = &own->view;
    return PLN_OK;
}

/* ---- commands ---- */

static bool operands_changed(const struct pln_context *context, const struct pln_segment_state *state, uint32_t i)
{
    for (uint32_t k = i == 0 ? 0 : state->operands_end[i - 1]; k < state->operands_end[i]; k++)
        if (state->operands[k] != PLN_NONE && state->versions[k].any != context->versions[state->operands[k]].any) return true;
    return false;
}

/* Sets the tensors of the operands that have changed, or all of them. *out_retyped: the type or the rank of one is another than before. */
static enum pln_status fill_operands(struct pln_context *context, struct pln_segment_state *state, uint32_t i, bool all, bool *out_retyped)
{
    *out_retyped = false;
    const uint32_t first = i == 0 ? 0 : state->operands_end[i - 1];
    for (uint32_t k = first; k < state->operands_end[i]; k++) {
        const uint32_t slot = state->operands[k];
        struct pln_tensor *tensor = (struct pln_tensor *)(uintptr_t)&state->launches[i].inputs[k - first];
        if (slot == PLN_NONE) {
            if (all) tensor->dtype = PLN_DTYPE_NONE;
            continue;
        }
        const struct pln_version now = context->versions[slot];
        if (!all && state->versions[k].any == now.any) continue;
        const struct pln_item *item = context->slots[slot].item;
        if (!item || item->kind != PLN_TENSOR) {
            return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': '%s' must be a tensor", pln_op_name(state->launches[i].op), context->engine->program->slots[slot].name);
        }
        *out_retyped = *out_retyped || tensor->dtype != item->tensor.dtype || tensor->rank != item->tensor.rank;
        if (all || state->versions[k].layout != now.layout) set_tensor(tensor, &item->tensor);
        else memcpy(tensor->dims, item->tensor.dims, (size_t)tensor->rank * sizeof(int64_t));
        state->versions[k] = now;
    }
    return PLN_OK;
}

/* Memory that a tensor touches, as addresses [first, last). */
static bool memory_of(const struct pln_tensor *tensor, uintptr_t *out_first, uintptr_t *out_last)
{
    int64_t first, last;
    if (!tensor || tensor->dtype == PLN_DTYPE_NONE || !tensor->data || !reach_of(tensor, &first, &last) || last < first) return false;
    int64_t bits = pln_dtype_bits(tensor->dtype);
    *out_first = (uintptr_t)tensor->data + (uintptr_t)(first * bits / 8);
    *out_last = (uintptr_t)tensor->data + (uintptr_t)(((last + 1) * bits + 7) / 8);
    return true;
}

static bool overlap(const struct pln_tensor *a, const struct pln_tensor *b)
{
    uintptr_t first, last, other_first, other_last;
    return memory_of(a, &first, &last) && memory_of(b, &other_first, &other_last) && other_first < last && first < other_last;
}

static enum pln_status fail_apart(struct pln_context *context, uint32_t slot, uint32_t other)
{
    const struct pln_slot *slots = context->engine->program->slots;
    return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s' and '%s' overlap in memory", slots[slot].name, slots[other].name);
}

static const struct pln_tensor *tensor_of(const struct pln_context *context, uint32_t slot)
{
    const struct pln_item *item = slot == PLN_NONE ? NULL : context->slots[slot].item;
    return item && item->kind == PLN_TENSOR ? &item->tensor : NULL;
}

enum pln_status pln_exec_apart(struct pln_context *context, const struct pln_step *step)
{
    const struct pln_slot *slots = context->engine->program->slots;
    for (uint32_t o = 0; o < step->n_outputs; o++) {
        if (step->outputs[o] == PLN_NONE || slots[step->outputs[o]].place == PLN_PLACE_ITEM) continue;
        for (uint32_t i = 0; i < step->n_inputs + o; i++) {
            uint32_t other = i < step->n_inputs ? step->inputs[i] : step->outputs[i - step->n_inputs];
            if (overlap(tensor_of(context, step->outputs[o]), tensor_of(context, other))) return fail_apart(context, step->outputs[o], other);
        }
    }
    return PLN_OK;
}

/* The same for a command, whose tensors are at hand. */
static enum pln_status check_apart(struct pln_context *context, const struct pln_segment_state *state, uint32_t position)
{
    const struct pln_launch *launch = &state->launches[position];
    const uint32_t *operands = &state->operands[position == 0 ? 0 : state->operands_end[position - 1]];
    for (int o = launch->n_inputs; o < launch->n_inputs + launch->n_outputs; o++)
        for (int i = 0; i < o; i++)
            if (overlap(&launch->inputs[o], &launch->inputs[i])) return fail_apart(context, operands[o], operands[i]);
    return PLN_OK;
}

/* What a row does not say it takes never reaches it. */
static enum pln_status check_strides(struct pln_context *context, const struct pln_kernel *kernel, const struct pln_launch *launch, const struct pln_step *step)
{
    const uint32_t any = PLN_KERNEL_STRIDED_IN | PLN_KERNEL_STRIDED_OUT;
    if ((kernel->flags & PLN_KERNEL_CHANNELS_LAST) || (kernel->flags & any) == any) return PLN_OK; /* its own order, which prepare checks; or all */
    for (int i = 0; i < launch->n_inputs + launch->n_outputs; i++) {
        bool output = i >= launch->n_inputs;
        const struct pln_tensor *tensor = output ? &launch->outputs[i - launch->n_inputs] : &launch->inputs[i];
        if (tensor->dtype == PLN_DTYPE_NONE || (kernel->flags & (output ? PLN_KERNEL_STRIDED_OUT : PLN_KERNEL_STRIDED_IN)) || pln_tensor_is_contiguous(tensor)) continue;
        if (!output && (kernel->flags & PLN_KERNEL_ROW_STRIDED_IN) && (tensor->rank == 0 || tensor->dims[tensor->rank - 1] <= 1 || tensor->strides[tensor->rank - 1] == 1)) continue;
        return pln_fail(&context->diag, PLN_BAD_PLAN, "kernel '%s' does not take '%s' with its strides", kernel->name,
                        context->engine->program->slots[output ? step->outputs[i - launch->n_inputs] : step->inputs[i]].name);
    }
    return PLN_OK;
}

/* Kernels need not bother with outputs that are all empty, whose other extents may be of any size. */
static bool makes_nothing(const struct pln_launch *launch)
{
    for (int i = 0; i < launch->n_outputs; i++)
        if (launch->outputs[i].dtype != PLN_DTYPE_NONE && pln_tensor_count(&launch->outputs[i]) != 0) return false;
    return true;
}

static enum pln_status fill_command(struct pln_context *context, struct pln_segment_state *state, uint32_t position, uint32_t step_id, uint8_t *kernel_state)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_step *step = &program->steps[step_id];
    struct pln_launch *launch = &state->launches[position];
    struct pln_command *command = &state->commands[position];
    bool retyped;
    PLN_TRY(fill_operands(context, state, position, true, &retyped));
    const struct pln_kernel *kernel = context->engine->steps[step_id].kernel;
    if (!kernel || !(kernel->flags & PLN_KERNEL_OVERLAP)) PLN_TRY(check_apart(context, state, position));
    *command = (struct pln_command){ .launch = launch, .code = context->engine->steps[step_id].code };
    if (step->kind == PLN_STEP_COPY) {
        command->kind = PLN_COMMAND_COPY;
        command->from = &launch->inputs[0];
        command->to = &launch->outputs[0];
        command->from_host = program->slots[step->inputs[0]].space == 0 && !pln_transfer_in_place(context, step->inputs[0]);
        command->to_host = program->slots[step->outputs[0]].space == 0 && !pln_transfer_in_place(context, step->outputs[0]);
        if (!pln_tensor_same_shape(command->from, command->to) || command->from->dtype != command->to->dtype)
            return pln_fail(&context->diag, PLN_BAD_PLAN, "copy of '%s' changes its shape", program->slots[step->inputs[0]].name);
        return PLN_OK;
    }
    if (step->kind == PLN_STEP_CALL) {
        command->kind = PLN_COMMAND_CALL;
        return PLN_OK;
    }
    const struct pln_kernel_family *family = kernel->family;
    PLN_TRY(check_strides(context, kernel, launch, step));
    int packed = family->packed_input;
    launch->packed_bytes = 0;
    if (packed >= 0 && (uint32_t)packed < step->n_inputs && step->inputs[packed] != PLN_NONE) {
        const struct pln_slot *slot = &program->slots[step->inputs[packed]];
        if (slot->place == PLN_PLACE_WEIGHT && program->weights[slot->index].pack) launch->packed_bytes = program->weights[slot->index].size_bytes;
    }
    size_t bytes = pln_align_up(family->state_bytes, 64);
    memset(kernel_state, 0, bytes);
    command->kind = PLN_COMMAND_LAUNCH;
    command->kernel = kernel;
    if (makes_nothing(launch)) return PLN_OK; /* no tasks, no state */
    command->state = kernel_state;
    PLN_TRY(family->prepare(kernel, launch, kernel_state, &command->prepared, &context->diag));
    return PLN_OK;
}

/* A prepared launch for other extents and places, if its kernel can do that. *out_done false: it must be prepared. */
static enum pln_status update_command(struct pln_context *context, struct pln_segment_state *state, uint32_t position, uint8_t *kernel_state, bool *out_done)
{
    const struct pln_launch *launch = &state->launches[position];
    struct pln_command *command = &state->commands[position];
    const struct pln_step *step = &context->engine->program->steps[state->flow[position].step];
    bool retyped;
    *out_done = false;
    if (command->kind != PLN_COMMAND_LAUNCH || !command->state || !command->kernel->family->update) return PLN_OK;
    PLN_TRY(fill_operands(context, state, position, false, &retyped));
    if (retyped || makes_nothing(launch)) return PLN_OK;
    if (!(command->kernel->flags & PLN_KERNEL_OVERLAP)) PLN_TRY(check_apart(context, state, position));
    PLN_TRY(check_strides(context, command->kernel, launch, step));
    *out_done = true;
    return command->kernel->family->update(launch, kernel_state, &command->prepared, &context->diag);
}

static enum pln_status make_command(struct pln_context *context, struct pln_segment_state *state, uint32_t i)
{
    uint8_t *kernel_state = state->states + (size_t)state->state_at[i] * 64;
    bool done = false, update = state->ready[i];
    state->ready[i] = false;
    state->commands_version++;
    if (update) PLN_TRY(update_command(context, state, i, kernel_state, &done));
    if (!done) PLN_TRY(fill_command(context, state, i, state->flow[i].step, kernel_state));
    state->ready[i] = true;
    return PLN_OK;
}

/* Commands are small and far apart, and out of the caches: many can be on their way at once. */
static void prefetch_command(const struct pln_segment_state *state, uint32_t i)
{
    const uint8_t *command = (const uint8_t *)&state->commands[i], *kernel_state = state->states + (size_t)state->state_at[i] * 64;
    PLN_PREFETCH(command);
    PLN_PREFETCH(command + sizeof *state->commands - 1);
    PLN_PREFETCH(&state->launches[i]);
    PLN_PREFETCH((const uint8_t *)(&state->launches[i] + 1) - 1);
    for (int line = 0; line < PREFETCH_STATE_LINES; line++) PLN_PREFETCH(kernel_state + (size_t)line * 64);
}

/* As prefetch_command: the tensors, once the launch has come that tells where they are. */
static void prefetch_tensors(const struct pln_segment_state *state, uint32_t i)
{
    const struct pln_launch *launch = &state->launches[i];
    for (int k = 0; k < launch->n_inputs + launch->n_outputs; k++) {
        PLN_PREFETCH(&launch->inputs[k]);
        PLN_PREFETCH(&launch->inputs[k].dims[3]);
        PLN_PREFETCH(&launch->inputs[k].strides[0]);
        PLN_PREFETCH(&launch->inputs[k].strides[3]);
    }
}

static enum pln_status fill_commands(struct pln_context *context, struct pln_segment_state *state, uint32_t n_steps)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_steps; i++)
        if (state->flow[i].command && (!state->ready[i] || operands_changed(context, state, i))) state->todo[n++] = i;
    for (uint32_t k = 0; k < n && k < 2 * PREFETCH_AHEAD; k++) prefetch_command(state, state->todo[k]);
    for (uint32_t k = 0; k < n && k < PREFETCH_AHEAD; k++) prefetch_tensors(state, state->todo[k]);
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t i = state->todo[k], step = state->flow[i].step;
        const int before = context->diag.count;
        if (k + 2 * PREFETCH_AHEAD < n) prefetch_command(state, state->todo[k + 2 * PREFETCH_AHEAD]);
        if (k + PREFETCH_AHEAD < n) prefetch_tensors(state, state->todo[k + PREFETCH_AHEAD]);
        enum pln_status status = make_command(context, state, i);
        if (status == PLN_OK) continue;
        pln_diag_name(&context->diag, before, context->engine->steps[step].name, pln_op_name(context->engine->program->steps[step].op));
        return status;
    }
    return PLN_OK;
}

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

/* As prefetch_command, for slot i of those that are defined; near: what it points to, which must have come. */
static void prefetch_slot(const struct pln_context *context, const struct pln_segment_state *state, uint32_t i, bool near)
{
    const struct pln_slot *slot = &context->engine->program->slots[state->defined[i]];
    const struct pln_slot_state *own = &context->slots[state->defined[i]];
    if (!near) {
        PLN_PREFETCH(slot);
        PLN_PREFETCH((const uint8_t *)(slot + 1) - 1);
        PLN_PREFETCH(own);
        PLN_PREFETCH(own->view.tensor.strides);
        return;
    }
    PLN_PREFETCH(slot->dims);
    if (slot->place == PLN_PLACE_OUTPUT) PLN_PREFETCH(&context->outputs[slot->index].buffer.size_bytes);
}

static bool depends_on(const struct pln_segment_state *state, uint32_t i, uint64_t changed)
{
    return state->depends[i] == UINT64_MAX || (state->depends[i] & changed) || changed == UINT64_MAX;
}

static enum pln_status fill_slots(struct pln_context *context, struct pln_segment_state *state, uint64_t changed)
{
    uint32_t next_arena = 0;
    for (uint32_t i = 0; i < state->n_defined; i++) {
        const uint32_t far = i + 2 * PREFETCH_AHEAD, near = i + PREFETCH_AHEAD;
        if (far < state->n_defined && depends_on(state, far, changed)) prefetch_slot(context, state, far, false);
        if (near < state->n_defined && depends_on(state, near, changed)) prefetch_slot(context, state, near, true);
        if (depends_on(state, i, changed)) {
            PLN_TRY(fill_slot(context, state, state->defined[i], &next_arena));
            continue;
        }
        next_arena += next_arena < state->n_arena && state->arena_slots[next_arena] == state->defined[i];
    }
    return PLN_OK;
}

enum pln_status pln_exec_resolve(struct pln_context *context, uint32_t block, uint32_t segment)
{
    const struct pln_program *program = context->engine->program;
    struct pln_segment_state *state = &context->blocks[block].segments[segment];
    if (still_right(context, state)) return PLN_OK;
    uint64_t changed = changed_symbols(context, state), plans = context->stats.memory_plans;
    state->resolved = false;
    pln_exec_refresh_dims(context);
    PLN_TRY(plan_memory(context, block, segment, changed));
    if (context->stats.memory_plans != plans) changed = UINT64_MAX;
    watch_outside(context, state);
    PLN_TRY(fill_slots(context, state, changed));
    PLN_TRY(fill_commands(context, state, program->blocks[block].segments[segment].count));
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
