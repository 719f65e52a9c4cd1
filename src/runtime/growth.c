/* Decoding steps: only lengths of states have grown since the segment was resolved the last time.
 *
 * Between two steps the weights sweep the caches, so that what resolving costs is the cache lines that it looks at. When two resolves in a row had
 * the same symbols changed, what follows from them is listed here: extents to be set where they stand, kernels to be updated, and the few slots and
 * commands that are made as ever. What was checked for every extent up to an end (room, overlap, strides) is not checked again below it. */
#include "runtime/resolve.h"

enum change {
    STAYS,
    GROWS,      /* a state, of which one extent follows its length; type, strides and address stay */
    MAY_CHANGE, /* filled as ever, or bound from outside */
};

/* An extent that follows a length. */
struct extent {
    int64_t *where;
    int64_t most;
    uint32_t dim;
};

struct operand_copy {
    struct pln_tensor *to;
    uint32_t slot;
};

struct kernel_update {
    enum pln_status (*update)(const struct pln_launch *launch, void *state, struct pln_prepared *prepared, struct pln_diag *diag);
    const struct pln_launch *launch;
    uint8_t *state;
    struct pln_prepared *prepared;
    uint32_t position;
    uint32_t copies_end; /* its operands that are copied: copies[…copies_end - 1] */
    bool overlap;        /* operands that are copied may lie anywhere */
};

struct filled_slot {
    uint32_t slot, arena;
};

struct pln_growth {
    bool ready, followed;              /* followed: tensors of launches have grown beyond what the versions tell */
    uint64_t before;                   /* symbols that changed with the last resolve */
    uint64_t changed, moves, rebound, taken; /* what the lists are for */
    uint8_t *changes;                  /* enum change, by slot */
    struct extent *extents;
    struct operand_copy *copies;
    struct kernel_update *updates;
    struct filled_slot *filled;        /* slots to be filled as ever */
    uint32_t *watched;                 /* indices into `outside` of what may be bound anew */
    uint32_t *noted;                   /* slots that grow and that a view, a command made as ever or another segment looks at */
    uint32_t *others;                  /* positions of commands to be made as ever */
    uint32_t n_extents, n_copies, n_updates, n_filled, n_watched, n_noted, n_others;
};

enum pln_status pln_growth_init(struct pln_context *context, struct pln_segment_state *state, uint32_t n_steps, size_t n_operands, uint32_t n_defined)
{
    struct pln_arena *arena = &context->arena;
    if (context->engine->program->n_states == 0) return PLN_OK;
    struct pln_growth *growth = pln_arena_alloc(arena, sizeof *growth);
    if (!growth) return pln_fail_memory(&context->diag, "segment tables", sizeof *growth);
    *growth = (struct pln_growth){ .ready = false };
    growth->changes = pln_arena_array(arena, context->engine->program->n_slots + 1u, sizeof *growth->changes);
    growth->extents = pln_arena_array(arena, n_operands + n_defined + 1u, sizeof *growth->extents);
    growth->copies = pln_arena_array(arena, n_operands + 1u, sizeof *growth->copies);
    growth->updates = pln_arena_array(arena, n_steps + 1u, sizeof *growth->updates);
    growth->filled = pln_arena_array(arena, n_defined + 1u, sizeof *growth->filled);
    growth->watched = pln_arena_array(arena, n_operands + n_defined + 1u, sizeof *growth->watched);
    growth->noted = pln_arena_array(arena, 2 * (n_operands + n_defined) + 1u, sizeof *growth->noted);
    growth->others = pln_arena_array(arena, n_steps + 1u, sizeof *growth->others);
    if (!growth->changes || !growth->extents || !growth->copies || !growth->updates || !growth->filled || !growth->watched || !growth->noted || !growth->others)
        return pln_fail_memory(&context->diag, "segment tables", 0);
    state->growth = growth;
    return PLN_OK;
}

/* ---- making the lists ---- */

/* The one dim of a slot that depends on what changes; -1: none, or several. */
static int growing_axis(const struct pln_context *context, uint32_t slot_id, uint64_t changed)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    int axis = -1;
    for (int i = 0; i < slot->rank; i++) {
        if (!(context->dim_depends[slot->dims[i]] & changed)) continue;
        if (axis >= 0) return -1;
        axis = i;
    }
    return axis;
}

/* The largest extent along the growing axis that an output which is a state has room for; 0: it must be filled as ever. */
static int64_t room_of(const struct pln_context *context, uint32_t slot_id, int axis)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    const struct pln_tensor *tensor = &context->slots[slot_id].view.tensor;
    const struct pln_binding *binding = &context->outputs[slot->index];
    if (!binding->is_state || !binding->bound || !binding->buffer.strides || binding->allocator || context->slots[slot_id].item != &context->slots[slot_id].view || pln_dtype_bits(slot->dtype) < 8) return 0;
    int64_t last = (int64_t)PLN_MIN(binding->buffer.size_bytes, (size_t)INT64_MAX) / (pln_dtype_bits(slot->dtype) / 8) - 1, reach;
    for (int i = 0; i < slot->rank; i++) {
        if (tensor->dims[i] < 1 || tensor->strides[i] < 1) return 0;
        if (i == axis) continue;
        if (!pln_mul_i64(tensor->dims[i] - 1, tensor->strides[i], &reach) || reach > last) return 0;
        last -= reach;
    }
    return last / tensor->strides[axis] + 1;
}

/* How far the slot may grow; 0: it does not, or not in a way that is followed here. */
static int64_t most_of(const struct pln_context *context, uint32_t slot_id, uint64_t changed, int *out_axis)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    *out_axis = growing_axis(context, slot_id, changed);
    if (*out_axis < 0) return 0;
    if (slot->place == PLN_PLACE_OUTPUT) return room_of(context, slot_id, *out_axis);
    if (slot->place == PLN_PLACE_INPUT && context->inputs[slot->index].is_state && !pln_transfer_in_place(context, slot_id)) return pln_states_capacity(context);
    return 0;
}

static bool is_planned(const struct pln_slot *slot)
{
    return slot->place == PLN_PLACE_ARENA || slot->place == PLN_PLACE_VIEW || slot->place == PLN_PLACE_SHAPE;
}

/* What this segment does not fill: those of other segments and blocks come as they are when it is resolved, outputs that are states may be read there. */
static void list_slots(const struct pln_context *context, const struct pln_segment_state *state)
{
    struct pln_growth *growth = state->growth;
    const struct pln_program *program = context->engine->program;
    uint32_t arena = 0;
    int axis;
    for (uint32_t i = 0; i < program->n_slots; i++) growth->changes[i] = is_planned(&program->slots[i]) ? MAY_CHANGE : STAYS;
    for (uint32_t i = 0; i < state->n_defined; i++) growth->changes[state->defined[i]] = STAYS;
    for (uint32_t i = 0; i < state->n_outside; i++) {
        const uint32_t slot = state->outside[i];
        const int64_t most = most_of(context, slot, growth->changed, &axis);
        growth->changes[slot] = most > 0 ? GROWS : MAY_CHANGE;
        if (most <= 0) growth->watched[growth->n_watched++] = i;
        if (most <= 0 || program->slots[slot].place != PLN_PLACE_OUTPUT) continue;
        growth->extents[growth->n_extents++] = (struct extent){ &context->slots[slot].view.tensor.dims[axis], most, program->slots[slot].dims[axis] };
        growth->noted[growth->n_noted++] = slot;
    }
    for (uint32_t i = 0; i < state->n_defined; i++) {
        const uint32_t slot = state->defined[i];
        const bool in_arena = arena < state->n_arena && state->arena_slots[arena] == slot;
        if (growth->changes[slot] != GROWS && pln_slot_depends_on(state, i, growth->changed)) {
            growth->changes[slot] = MAY_CHANGE;
            growth->filled[growth->n_filled++] = (struct filled_slot){ slot, arena };
            if (program->slots[slot].place == PLN_PLACE_VIEW && growth->changes[program->slots[slot].index] == GROWS) growth->noted[growth->n_noted++] = program->slots[slot].index;
        }
        arena += in_arena;
    }
}

static bool touches(const struct pln_tensor *tensor, int axis, int64_t extent, uintptr_t *out_first, uintptr_t *out_last)
{
    struct pln_tensor grown = *tensor;
    if (axis >= 0) grown.dims[axis] = extent;
    return pln_tensor_memory(&grown, out_first, out_last);
}

/* Is what the operand may grow into apart from the results, or, if it is one, from all operands? Operands that are copied are looked at in each step. */
static bool stays_apart(const struct pln_context *context, const struct pln_segment_state *state, const struct pln_launch *launch, const uint32_t *slots, int k)
{
    uintptr_t first, last, other_first, other_last;
    int axis, other_axis;
    const int64_t most = most_of(context, slots[k], state->growth->changed, &axis);
    if (!touches(&launch->inputs[k], axis, most, &first, &last)) return true;
    for (int i = 0; i < launch->n_inputs + launch->n_outputs; i++) {
        if (i == k || slots[i] == PLN_NONE || (i < launch->n_inputs && k < launch->n_inputs)) continue;
        const bool grows = state->growth->changes[slots[i]] == GROWS;
        const int64_t other_most = grows ? most_of(context, slots[i], state->growth->changed, &other_axis) : 0;
        if (touches(&launch->inputs[i], grows ? other_axis : -1, other_most, &other_first, &other_last) && other_first < last && first < other_last) return false;
    }
    return true;
}

/* Does the row take the operand with its strides, whatever its extents are? */
static bool strides_fit(const struct pln_kernel *kernel, const struct pln_tensor *tensor, bool output, bool dense)
{
    if (kernel->flags & PLN_KERNEL_CHANNELS_LAST) return false;
    if (dense || (kernel->flags & (output ? PLN_KERNEL_STRIDED_OUT : PLN_KERNEL_STRIDED_IN))) return true;
    return !output && (kernel->flags & PLN_KERNEL_ROW_STRIDED_IN) && tensor->rank > 0 && tensor->strides[tensor->rank - 1] == 1;
}

static bool grows_along(const struct pln_context *context, const struct pln_segment_state *state, uint32_t position, const uint32_t *slots)
{
    const struct pln_command *command = &state->commands[position];
    const struct pln_launch *launch = &state->launches[position];
    if (!state->ready[position] || command->kind != PLN_COMMAND_LAUNCH || !command->state || !command->kernel->family->update) return false;
    const bool overlap = command->kernel->flags & PLN_KERNEL_OVERLAP;
    for (int k = 0; k < launch->n_inputs + launch->n_outputs; k++) {
        if (slots[k] == PLN_NONE || state->growth->changes[slots[k]] == STAYS) continue;
        const struct pln_slot *slot = &context->engine->program->slots[slots[k]];
        const bool grows = state->growth->changes[slots[k]] == GROWS, output = k >= launch->n_inputs;
        if (!grows && (output || !is_planned(slot))) return false;
        if (!strides_fit(command->kernel, &launch->inputs[k], output, slot->place == PLN_PLACE_ARENA && !slot->order)) return false;
        if (grows && !overlap && !stays_apart(context, state, launch, slots, k)) return false;
    }
    return true;
}

static void list_update(const struct pln_context *context, const struct pln_segment_state *state, uint32_t position, const uint32_t *slots)
{
    struct pln_growth *growth = state->growth;
    struct pln_command *command = &state->commands[position];
    const struct pln_launch *launch = &state->launches[position];
    int axis;
    for (int k = 0; k < launch->n_inputs + launch->n_outputs; k++) {
        if (slots[k] == PLN_NONE || growth->changes[slots[k]] == STAYS) continue;
        struct pln_tensor *tensor = (struct pln_tensor *)(uintptr_t)&launch->inputs[k];
        const int64_t most = growth->changes[slots[k]] == GROWS ? most_of(context, slots[k], growth->changed, &axis) : 0;
        if (most > 0) growth->extents[growth->n_extents++] = (struct extent){ &tensor->dims[axis], most, context->engine->program->slots[slots[k]].dims[axis] };
        else growth->copies[growth->n_copies++] = (struct operand_copy){ tensor, slots[k] };
    }
    growth->updates[growth->n_updates++] = (struct kernel_update){ command->kernel->family->update, launch, state->states + (size_t)state->state_at[position] * 64, &command->prepared, position, growth->n_copies,
                                                                   command->kernel->flags & PLN_KERNEL_OVERLAP };
}

static void list_other(const struct pln_segment_state *state, uint32_t position, const uint32_t *slots, uint32_t n)
{
    struct pln_growth *growth = state->growth;
    growth->others[growth->n_others++] = position;
    for (uint32_t k = 0; k < n; k++)
        if (slots[k] != PLN_NONE && growth->changes[slots[k]] == GROWS) growth->noted[growth->n_noted++] = slots[k];
}

static void list_commands(const struct pln_context *context, const struct pln_segment_state *state, uint32_t n_steps)
{
    for (uint32_t i = 0; i < n_steps; i++) {
        const uint32_t first = i == 0 ? 0 : state->operands_end[i - 1];
        bool stays = true;
        for (uint32_t k = first; k < state->operands_end[i]; k++) stays = stays && (state->operands[k] == PLN_NONE || state->growth->changes[state->operands[k]] == STAYS);
        if (stays || !state->flow[i].command) continue;
        if (grows_along(context, state, i, &state->operands[first])) list_update(context, state, i, &state->operands[first]);
        else list_other(state, i, &state->operands[first], state->operands_end[i] - first);
    }
}

void pln_growth_note(struct pln_context *context, struct pln_segment_state *state, uint64_t changed, uint32_t n_steps)
{
    struct pln_growth *growth = state->growth;
    if (!growth) return;
    const bool again = changed == growth->before && changed != UINT64_MAX && changed != 0;
    growth->before = changed;
    if (!again || !context->states_taken) return;
    *growth = (struct pln_growth){ .ready = true, .before = changed, .changed = changed, .moves = context->moves, .rebound = context->rebound, .taken = context->taken,
                                   .changes = growth->changes, .extents = growth->extents, .copies = growth->copies, .updates = growth->updates, .filled = growth->filled,
                                   .watched = growth->watched, .noted = growth->noted, .others = growth->others };
    list_slots(context, state);
    list_commands(context, state, n_steps);
}

/* ---- following them ---- */

static bool applies(const struct pln_context *context, const struct pln_segment_state *state, uint64_t changed)
{
    const struct pln_growth *growth = state->growth;
    if (!growth || !growth->ready || changed != growth->changed || !context->states_taken) return false;
    if (growth->moves != context->moves || growth->rebound != context->rebound || growth->taken != context->taken) return false;
    for (uint32_t i = 0; i < growth->n_extents; i++) {
        const int64_t extent = context->dims[growth->extents[i].dim];
        if (extent < 1 || extent > growth->extents[i].most) return false;
    }
    return true;
}

static void prefetch_update(const struct pln_growth *growth, uint32_t i)
{
    if (i >= growth->n_updates) return;
    const struct kernel_update *update = &growth->updates[i];
    PLN_PREFETCH(update->launch);
    PLN_PREFETCH((const uint8_t *)(update->launch + 1) - 1);
    PLN_PREFETCH(update->prepared);
    for (int line = 0; line < PLN_PREFETCH_STATE_LINES; line++) PLN_PREFETCH(update->state + (size_t)line * 64);
}

static enum pln_status copy_operands(struct pln_context *context, const struct pln_growth *growth, const struct kernel_update *update, uint32_t first)
{
    for (uint32_t c = first; c < update->copies_end; c++) {
        const struct operand_copy *copy = &growth->copies[c];
        const struct pln_tensor *from = &context->slots[copy->slot].view.tensor;
        pln_tensor_set(copy->to, from);
        for (int o = 0; !update->overlap && o < update->launch->n_outputs; o++)
            if (pln_tensors_overlap(copy->to, &update->launch->outputs[o])) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s' and a result overlap in memory", context->engine->program->slots[copy->slot].name);
    }
    return PLN_OK;
}

static enum pln_status update_kernels(struct pln_context *context, struct pln_segment_state *state)
{
    const struct pln_growth *growth = state->growth;
    uint32_t first = 0;
    for (uint32_t i = 0; i < 2 * PLN_PREFETCH_AHEAD; i++) prefetch_update(growth, i);
    for (uint32_t i = 0; i < growth->n_updates; i++) {
        const struct kernel_update *update = &growth->updates[i];
        const int before = context->diag.count;
        prefetch_update(growth, i + 2 * PLN_PREFETCH_AHEAD);
        enum pln_status status = copy_operands(context, growth, update, first);
        first = update->copies_end;
        if (status == PLN_OK) status = update->update(update->launch, update->state, update->prepared, &context->diag);
        if (status == PLN_OK) continue;
        state->ready[update->position] = false;
        return pln_commands_name(context, state, update->position, before, status);
    }
    state->commands_version++;
    return PLN_OK;
}

/* Slots and commands that are made as ever: few, and none of what they need is at hand. */
static void prefetch_rest(const struct pln_context *context, const struct pln_segment_state *state)
{
    const struct pln_growth *growth = state->growth;
    for (uint32_t i = 0; i < growth->n_filled; i++) pln_slot_prefetch(context, growth->filled[i].slot, false);
    for (uint32_t i = 0; i < growth->n_others; i++) pln_command_prefetch(state, growth->others[i]);
    for (uint32_t i = 0; i < growth->n_filled; i++) pln_slot_prefetch(context, growth->filled[i].slot, true);
}

/* What the arenas hold must fit where it was planned. */
static enum pln_status fits_planned(struct pln_context *context, const struct pln_segment_state *state, const struct filled_slot *filled, bool *out_fits)
{
    size_t bytes;
    *out_fits = true;
    if (context->engine->program->slots[filled->slot].place != PLN_PLACE_ARENA) return PLN_OK;
    PLN_TRY(pln_slot_bytes(context, context->dims, filled->slot, &bytes));
    *out_fits = bytes <= state->planned_bytes[filled->arena];
    return PLN_OK;
}

/* *out_done false: something does not fit any more, and all is to be resolved. */
static enum pln_status follow(struct pln_context *context, struct pln_segment_state *state, bool *out_done)
{
    const struct pln_growth *growth = state->growth;
    *out_done = false;
    for (uint32_t i = 0; i < growth->n_extents; i++) *growth->extents[i].where = context->dims[growth->extents[i].dim];
    for (uint32_t i = 0; i < growth->n_noted; i++) context->versions[growth->noted[i]].any++;
    for (uint32_t i = 0; i < growth->n_watched; i++) pln_slot_watch(context, state->outside[growth->watched[i]]);
    for (uint32_t i = 0; i < growth->n_filled; i++) {
        bool fits;
        PLN_TRY(fits_planned(context, state, &growth->filled[i], &fits));
        if (!fits) return PLN_OK;
        PLN_TRY(pln_slot_fill(context, state, growth->filled[i].slot, growth->filled[i].arena));
    }
    PLN_TRY(update_kernels(context, state));
    PLN_TRY(pln_commands_fill(context, state, growth->others, growth->n_others));
    for (uint32_t i = 0; i < growth->n_watched; i++) pln_segment_note_pointer(context, state, growth->watched[i]);
    *out_done = true;
    return PLN_OK;
}

enum pln_status pln_growth_follow(struct pln_context *context, struct pln_segment_state *state, uint64_t changed, bool *out_done)
{
    *out_done = false;
    if (!applies(context, state, changed)) return PLN_OK;
    prefetch_rest(context, state);
    state->growth->followed = true;
    return follow(context, state, out_done);
}

void pln_growth_leave(struct pln_context *context, struct pln_segment_state *state)
{
    struct pln_growth *growth = state->growth;
    if (!growth) return;
    for (uint32_t i = 0; growth->followed && i < state->n_outside; i++) context->versions[state->outside[i]].any += growth->changes[state->outside[i]] == GROWS;
    growth->followed = growth->ready = false;
}
