/* Decoding steps: only lengths of states have grown since the segment was resolved the last time.
 *
 * Between two steps the weights sweep the caches, so that what resolving costs is the cache lines that it looks at. When two resolves in a row had
 * the same symbols changed, what follows from them is listed here: extents and strides to be set where they stand, kernels to be updated, and the few
 * slots and commands that are made as ever. What was checked for every extent up to an end (room, overlap, strides) is not checked again below it, and
 * of kernels that read the extents when they run, one is checked for all that are like it: the layers of a model are. */
#include "runtime/resolve.h"

enum change {
    STAYS,
    GROWS,      /* one extent, or elements of a shape, follow what changes; type, rank and address stay */
    MAY_CHANGE, /* filled as ever, or bound from outside */
};

/* How a slot grows. */
struct growing {
    enum change change;
    bool checked; /* a view that need not fit what it shows: looked at in each step */
    int32_t axis; /* the extent that does; -1: none, it is a shape of which elements do */
    int64_t most;
};

/* An extent, stride or element that is `factor` times an expression of the shape program. */
struct follower {
    int64_t *where, factor;
    uint32_t dim;
};

/* An expression that is followed, and up to where. */
struct bound {
    uint32_t dim;
    int64_t most;
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

/* Lists, and how many there are in each. */
struct pln_growth {
    bool ready, followed;              /* followed: tensors of launches have grown beyond what the versions tell */
    uint64_t before;                   /* symbols that changed with the last resolve */
    uint64_t changed, moves, rebound, taken; /* what the lists are for */
    struct growing *slots;             /* by slot */
    struct follower *followers;
    struct bound *bounds;
    struct operand_copy *copies;
    struct kernel_update *updates;
    struct filled_slot *filled;        /* slots to be filled as ever */
    uint32_t *watched;                 /* indices into `outside` of what may be bound anew */
    uint32_t *checked;                 /* views */
    uint32_t *noted;                   /* slots that grow and that others than the kernels listed here may look at */
    uint32_t *others;                  /* positions of commands to be made as ever */
    uint32_t n_followers, n_bounds, n_copies, n_updates, n_filled, n_watched, n_checked, n_noted, n_others;
};

/* An extent, and the strides of what lies around it; or the elements of a shape. */
static size_t most_followers(const struct pln_slot *slot)
{
    return slot->place == PLN_PLACE_SHAPE ? slot->n_elems : (size_t)PLN_MAX(slot->rank, 0) + 1;
}

enum pln_status pln_growth_init(struct pln_context *context, struct pln_segment_state *state, uint32_t n_steps)
{
    struct pln_arena *arena = &context->arena;
    const struct pln_program *program = context->engine->program;
    const uint32_t n_operands = n_steps > 0 ? state->operands_end[n_steps - 1] : 0, n_slots = state->n_defined + state->n_outside;
    size_t n_followers = 0;
    if (program->n_states == 0) return PLN_OK;
    for (uint32_t k = 0; k < n_operands; k++) n_followers += state->operands[k] != PLN_NONE ? most_followers(&program->slots[state->operands[k]]) : 0;
    for (uint32_t i = 0; i < state->n_defined; i++) n_followers += most_followers(&program->slots[state->defined[i]]);
    for (uint32_t i = 0; i < state->n_outside; i++) n_followers += most_followers(&program->slots[state->outside[i]]);
    struct pln_growth *growth = pln_arena_alloc(arena, sizeof *growth);
    if (!growth) return pln_fail_memory(&context->diag, "segment tables", sizeof *growth);
    *growth = (struct pln_growth){ .ready = false };
    growth->slots = pln_arena_array(arena, program->n_slots + 1u, sizeof *growth->slots);
    growth->followers = pln_arena_array(arena, n_followers + 1, sizeof *growth->followers);
    growth->bounds = pln_arena_array(arena, program->n_dims + 1u, sizeof *growth->bounds);
    growth->copies = pln_arena_array(arena, n_operands + 1u, sizeof *growth->copies);
    growth->updates = pln_arena_array(arena, n_steps + 1u, sizeof *growth->updates);
    growth->filled = pln_arena_array(arena, state->n_defined + 1u, sizeof *growth->filled);
    growth->watched = pln_arena_array(arena, state->n_outside + 1u, sizeof *growth->watched);
    growth->checked = pln_arena_array(arena, state->n_defined + 1u, sizeof *growth->checked);
    growth->noted = pln_arena_array(arena, n_operands + n_slots + 1u, sizeof *growth->noted);
    growth->others = pln_arena_array(arena, n_steps + 1u, sizeof *growth->others);
    if (!growth->slots || !growth->followers || !growth->bounds || !growth->copies || !growth->updates || !growth->filled || !growth->watched || !growth->checked || !growth->noted || !growth->others)
        return pln_fail_memory(&context->diag, "segment tables", 0);
    state->growth = growth;
    return PLN_OK;
}

/* ---- how slots grow ---- */

/* No extent depends on what changes. */
static bool is_fixed(const struct pln_context *context, uint32_t slot_id, uint64_t changed)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    for (int i = 0; i < slot->rank; i++)
        if (context->dim_depends[slot->dims[i]] & changed) return false;
    return true;
}

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
static int64_t room_of_output(const struct pln_context *context, uint32_t slot_id, int axis)
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

/* The same for a tensor of an arena, in what was planned for it. */
static int64_t room_of_arena(const struct pln_context *context, uint32_t slot_id, int axis, size_t planned_bytes)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    const struct pln_tensor *tensor = &context->slots[slot_id].view.tensor;
    int64_t others = pln_dtype_bits(slot->dtype) / 8;
    if (slot->order || pln_dtype_bits(slot->dtype) < 8 || slot->dtype == PLN_STR || context->slots[slot_id].item != &context->slots[slot_id].view) return 0;
    for (int i = 0; i < slot->rank; i++)
        if (i != axis && !pln_mul_i64(others, tensor->dims[i], &others)) return 0;
    return others > 0 ? (int64_t)PLN_MIN(planned_bytes, (size_t)INT64_MAX) / others : 0;
}

/* A row-major tensor, or a state with strides of its own, as it is with another extent. */
static void grow(struct pln_tensor *tensor, int axis, int64_t extent, bool dense)
{
    if (axis < 0) return;
    tensor->dims[axis] = extent;
    if (dense) pln_tensor_set_contiguous(tensor);
}

/* Strides follow the extents. */
static bool is_dense(const struct pln_slot *slot)
{
    return (slot->place == PLN_PLACE_ARENA && !slot->order) || (slot->place == PLN_PLACE_VIEW && !slot->strides);
}

/* Does the view lie in what it shows? first, last: as pln_tensor_reach gives them. */
static bool lies_within(const struct pln_tensor *view, int64_t offset, const struct pln_tensor *base)
{
    int64_t first, last, base_first, base_last;
    if (!pln_tensor_reach(view, &first, &last) || !pln_tensor_reach(base, &base_first, &base_last) || last < first) return false;
    return pln_add_i64(first, offset, &first) && pln_add_i64(last, offset, &last) && first >= base_first && last <= base_last;
}

static bool view_fits(const struct pln_context *context, const struct pln_growth *growth, uint32_t slot_id, int axis, int64_t extent)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    struct pln_tensor view = context->slots[slot_id].view.tensor, base = context->slots[slot->index].view.tensor;
    grow(&view, axis, extent, true);
    grow(&base, growth->slots[slot->index].axis, extent, is_dense(&context->engine->program->slots[slot->index]));
    return lies_within(&view, context->slots[slot_id].offset, &base);
}

/* The largest extent that a row-major view may have without having more elements than what it shows ever reaches; 0: none. */
static int64_t most_of_shown(const struct pln_context *context, const struct pln_growth *growth, uint32_t slot_id, int axis)
{
    const struct pln_slot *slots = context->engine->program->slots;
    const uint32_t shown = slots[slot_id].index;
    struct pln_tensor base = context->slots[shown].view.tensor;
    int64_t first, last, others = 1;
    grow(&base, growth->slots[shown].axis, growth->slots[shown].most, is_dense(&slots[shown]));
    if (!pln_tensor_reach(&base, &first, &last)) return 0;
    for (int i = 0; i < slots[slot_id].rank; i++)
        if (i != axis && !pln_mul_i64(others, context->slots[slot_id].view.tensor.dims[i], &others)) return 0;
    return others > 0 ? (last - first + 1) / others : 0;
}

/* A row-major view of a tensor that grows. With the same extent in both, where they reach is linear in it: what fits at both of its ends fits between them.
 * With another one, it is checked in each step. */
static void grow_view(const struct pln_context *context, const struct pln_growth *growth, uint32_t slot_id, struct growing *growing)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_slot *slot = &program->slots[slot_id];
    const struct growing *shown = &growth->slots[slot->index];
    const int axis = growing->axis;
    if (slot->strides || pln_dtype_bits(slot->dtype) < 8 || shown->change != GROWS || shown->axis < 0 || (context->dim_depends[slot->offset] & growth->changed)) return;
    if (context->slots[slot_id].item != &context->slots[slot_id].view || context->slots[slot->index].item != &context->slots[slot->index].view) return;
    growing->checked = program->slots[slot->index].dims[shown->axis] != slot->dims[axis];
    if (growing->checked) growing->most = most_of_shown(context, growth, slot_id, axis);
    else growing->most = view_fits(context, growth, slot_id, axis, 1) && view_fits(context, growth, slot_id, axis, shown->most) ? shown->most : 0;
}

static bool is_growing_shape(const struct pln_context *context, const struct pln_growth *growth, uint32_t slot_id)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    return slot->place == PLN_PLACE_SHAPE && slot->dtype == PLN_I64 && context->slots[slot_id].item == &context->slots[slot_id].view && is_fixed(context, slot_id, growth->changed);
}

/* How a slot of this segment, or one from outside, follows what changes. planned_bytes: of a slot of an arena. */
static struct growing growing_of(const struct pln_context *context, const struct pln_growth *growth, uint32_t slot_id, size_t planned_bytes)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    struct growing growing = { .change = MAY_CHANGE, .axis = growing_axis(context, slot_id, growth->changed) };
    if (is_growing_shape(context, growth, slot_id)) return (struct growing){ .change = GROWS, .axis = -1, .most = INT64_MAX };
    if (growing.axis < 0) return growing;
    if (slot->place == PLN_PLACE_ARENA) growing.most = room_of_arena(context, slot_id, growing.axis, planned_bytes);
    if (slot->place == PLN_PLACE_VIEW) grow_view(context, growth, slot_id, &growing);
    if (slot->place == PLN_PLACE_OUTPUT) growing.most = room_of_output(context, slot_id, growing.axis);
    if (slot->place == PLN_PLACE_INPUT && context->inputs[slot->index].is_state && !pln_transfer_in_place(context, slot_id)) growing.most = pln_states_capacity(context);
    if (growing.most > 0) growing.change = GROWS;
    return growing;
}

/* ---- making the lists ---- */

static void list_follower(struct pln_growth *growth, int64_t *where, int64_t factor, uint32_t dim, int64_t most)
{
    struct bound *bound = growth->bounds;
    growth->followers[growth->n_followers++] = (struct follower){ where, factor, dim };
    while (bound < growth->bounds + growth->n_bounds && bound->dim != dim) bound++;
    if (bound == growth->bounds + growth->n_bounds) growth->bounds[growth->n_bounds++] = (struct bound){ dim, most };
    bound->most = PLN_MIN(bound->most, most);
}

/* A tensor of a slot that grows, its own or that of an operand. */
static void list_tensor(const struct pln_context *context, struct pln_growth *growth, uint32_t slot_id, struct pln_tensor *tensor)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    const struct growing *growing = &growth->slots[slot_id];
    if (growing->axis < 0) return;
    list_follower(growth, &tensor->dims[growing->axis], 1, slot->dims[growing->axis], growing->most);
    int64_t around = 1; /* its stride without the growing extent */
    for (int i = slot->rank - 1; i >= 0 && is_dense(slot); around *= i == growing->axis ? 1 : tensor->dims[i], i--)
        if (i < growing->axis) list_follower(growth, &tensor->strides[i], around, slot->dims[growing->axis], growing->most);
}

static void list_elements(const struct pln_context *context, struct pln_growth *growth, uint32_t slot_id)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    int64_t *elements = context->slots[slot_id].view.tensor.data;
    for (uint32_t i = 0; i < slot->n_elems; i++)
        if (context->dim_depends[slot->elems[i]] & growth->changed) list_follower(growth, &elements[i], 1, slot->elems[i], INT64_MAX);
}

static bool is_planned(const struct pln_slot *slot)
{
    return slot->place == PLN_PLACE_ARENA || slot->place == PLN_PLACE_VIEW || slot->place == PLN_PLACE_SHAPE;
}

/* A result that is no state: where it lies only changes when it is bound anew, or its allocator is asked. */
static bool output_stays(const struct pln_context *context, const struct pln_growth *growth, uint32_t slot_id)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    if (slot->place != PLN_PLACE_OUTPUT || context->outputs[slot->index].allocator || pln_transfer_output_moves(context, slot->index)) return false;
    return context->slots[slot_id].item == &context->slots[slot_id].view && is_fixed(context, slot_id, growth->changed);
}

/* For who looks at a slot that grows, and tells by its version whether it has changed. */
static void list_noted(struct pln_growth *growth, uint32_t slot)
{
    if (slot != PLN_NONE && growth->slots[slot].change == GROWS) growth->noted[growth->n_noted++] = slot;
}

/* What this segment does not fill: those of other segments and blocks come as they are when it is resolved, outputs that are states may be read there. */
static void list_outside(const struct pln_context *context, const struct pln_segment_state *state)
{
    struct pln_growth *growth = state->growth;
    const struct pln_program *program = context->engine->program;
    for (uint32_t i = 0; i < program->n_slots; i++) growth->slots[i] = (struct growing){ .change = is_planned(&program->slots[i]) ? MAY_CHANGE : STAYS, .axis = -1 };
    for (uint32_t i = 0; i < state->n_outside; i++) {
        const uint32_t slot = state->outside[i];
        growth->slots[slot] = growing_of(context, growth, slot, 0);
        if (growth->slots[slot].change != GROWS) growth->watched[growth->n_watched++] = i;
        if (growth->slots[slot].change != GROWS || program->slots[slot].place != PLN_PLACE_OUTPUT) continue;
        list_tensor(context, growth, slot, &context->slots[slot].view.tensor);
        if (context->n_segments > 1) list_noted(growth, slot);
    }
}

static void list_defined(const struct pln_context *context, const struct pln_segment_state *state)
{
    struct pln_growth *growth = state->growth;
    const struct pln_program *program = context->engine->program;
    uint32_t arena = 0;
    for (uint32_t i = 0; i < state->n_defined; i++) {
        const uint32_t slot = state->defined[i];
        const bool in_arena = arena < state->n_arena && state->arena_slots[arena] == slot;
        const uint32_t own_arena = arena;
        arena += in_arena;
        if (growth->slots[slot].change == GROWS) continue; /* an output */
        growth->slots[slot].change = STAYS;
        if (!pln_slot_depends_on(state, i, growth->changed) || output_stays(context, growth, slot)) continue;
        growth->slots[slot] = growing_of(context, growth, slot, in_arena ? state->planned_bytes[own_arena] : 0);
        if (growth->slots[slot].change != GROWS) {
            growth->filled[growth->n_filled++] = (struct filled_slot){ slot, own_arena };
            if (program->slots[slot].place == PLN_PLACE_VIEW) list_noted(growth, program->slots[slot].index);
            continue;
        }
        if (program->slots[slot].place == PLN_PLACE_SHAPE) list_elements(context, growth, slot);
        else list_tensor(context, growth, slot, &context->slots[slot].view.tensor);
        if (growth->slots[slot].checked) growth->checked[growth->n_checked++] = slot;
        if (context->n_segments > 1) list_noted(growth, slot);
    }
}

static bool touches(const struct pln_context *context, const struct pln_growth *growth, uint32_t slot, const struct pln_tensor *tensor, uintptr_t *out_first, uintptr_t *out_last)
{
    const struct pln_slot *slots = context->engine->program->slots;
    if (growth->slots[slot].checked) tensor = &context->slots[slots[slot].index].view.tensor, slot = slots[slot].index; /* it stays in what it shows */
    struct pln_tensor grown = *tensor;
    if (growth->slots[slot].change == GROWS) grow(&grown, growth->slots[slot].axis, growth->slots[slot].most, is_dense(&slots[slot]));
    return pln_tensor_memory(&grown, out_first, out_last);
}

/* Is what the operand may grow into apart from the results, or, if it is one, from all operands? Operands that are copied are looked at in each step. */
static bool stays_apart(const struct pln_context *context, const struct pln_growth *growth, const struct pln_launch *launch, const uint32_t *slots, int k)
{
    uintptr_t first, last, other_first, other_last;
    if (!touches(context, growth, slots[k], &launch->inputs[k], &first, &last)) return true;
    for (int i = 0; i < launch->n_inputs + launch->n_outputs; i++) {
        if (i == k || slots[i] == PLN_NONE || (i < launch->n_inputs && k < launch->n_inputs)) continue;
        if (touches(context, growth, slots[i], &launch->inputs[i], &other_first, &other_last) && other_first < last && first < other_last) return false;
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
    const struct pln_growth *growth = state->growth;
    const struct pln_command *command = &state->commands[position];
    const struct pln_launch *launch = &state->launches[position];
    if (!state->ready[position] || command->kind != PLN_COMMAND_LAUNCH || !command->state || !command->kernel->family->update) return false;
    const bool overlap = command->kernel->flags & PLN_KERNEL_OVERLAP;
    for (int k = 0; k < launch->n_inputs + launch->n_outputs; k++) {
        if (slots[k] == PLN_NONE || growth->slots[slots[k]].change == STAYS) continue;
        const struct pln_slot *slot = &context->engine->program->slots[slots[k]];
        const bool grows = growth->slots[slots[k]].change == GROWS, output = k >= launch->n_inputs;
        if (!grows && (output || (!is_planned(slot) && slot->place != PLN_PLACE_INPUT))) return false;
        if (slot->place == PLN_PLACE_SHAPE) return false; /* it may look at the elements */
        const bool dense = is_dense(slot) || (slot->place == PLN_PLACE_INPUT && is_fixed(context, slots[k], growth->changed) && pln_tensor_is_contiguous(&launch->inputs[k]));
        if (!strides_fit(command->kernel, &launch->inputs[k], output, dense)) return false;
        if (grows && !overlap && !stays_apart(context, growth, launch, slots, k)) return false;
    }
    return true;
}

/* Does `update` check just the same for both, and nothing more than that? */
static bool is_like(const struct pln_context *context, const struct pln_segment_state *state, uint32_t position, uint32_t other)
{
    const struct pln_launch *a = &state->launches[position], *b = &state->launches[other];
    const struct pln_slot *slots = context->engine->program->slots;
    const uint32_t *a_slots = &state->operands[position == 0 ? 0 : state->operands_end[position - 1]], *b_slots = &state->operands[other == 0 ? 0 : state->operands_end[other - 1]];
    if (state->commands[position].kernel != state->commands[other].kernel || a->n_inputs != b->n_inputs || a->n_outputs != b->n_outputs || a->kind != b->kind || a->program != b->program ||
        a->epilogue != b->epilogue || !pln_attrs_equal(a->attrs, b->attrs))
        return false;
    for (int k = 0; k < a->n_inputs + a->n_outputs; k++) {
        const struct pln_tensor *x = &a->inputs[k], *y = &b->inputs[k];
        if ((a_slots[k] == PLN_NONE) != (b_slots[k] == PLN_NONE)) return false;
        if (a_slots[k] == PLN_NONE) continue;
        if (x->dtype != y->dtype || x->rank != y->rank || memcmp(x->strides, y->strides, (size_t)x->rank * sizeof *x->strides) != 0) return false;
        if (memcmp(slots[a_slots[k]].dims, slots[b_slots[k]].dims, (size_t)x->rank * sizeof(uint32_t)) != 0) return false;
    }
    return true;
}

/* The kernel reads what grows when it runs, and `update` would check what it has checked for one before. */
static bool is_checked_elsewhere(const struct pln_context *context, const struct pln_segment_state *state, uint32_t position, const uint32_t *slots)
{
    const struct pln_growth *growth = state->growth;
    const struct pln_launch *launch = &state->launches[position];
    const uint32_t at_run = state->commands[position].kernel->family->extents_at_run;
    for (int k = 0; k < launch->n_inputs + launch->n_outputs; k++) {
        const enum change change = slots[k] == PLN_NONE ? STAYS : growth->slots[slots[k]].change;
        if (change == MAY_CHANGE || (change == GROWS && (k >= 32 || !(at_run >> k & 1)))) return false;
    }
    for (uint32_t i = 0; i < growth->n_updates; i++)
        if (is_like(context, state, position, growth->updates[i].position)) return true;
    return false;
}

static void list_update(const struct pln_context *context, const struct pln_segment_state *state, uint32_t position, const uint32_t *slots)
{
    struct pln_growth *growth = state->growth;
    struct pln_command *command = &state->commands[position];
    const struct pln_launch *launch = &state->launches[position];
    for (int k = 0; k < launch->n_inputs + launch->n_outputs; k++) {
        if (slots[k] == PLN_NONE || growth->slots[slots[k]].change == STAYS) continue;
        struct pln_tensor *tensor = (struct pln_tensor *)(uintptr_t)&launch->inputs[k];
        if (growth->slots[slots[k]].change == GROWS) list_tensor(context, growth, slots[k], tensor);
        else growth->copies[growth->n_copies++] = (struct operand_copy){ tensor, slots[k] };
    }
    if (is_checked_elsewhere(context, state, position, slots)) return;
    growth->updates[growth->n_updates++] = (struct kernel_update){ command->kernel->family->update, launch, state->states + (size_t)state->state_at[position] * 64, &command->prepared, position, growth->n_copies,
                                                                   command->kernel->flags & PLN_KERNEL_OVERLAP };
}

static void list_commands(const struct pln_context *context, const struct pln_segment_state *state, uint32_t n_steps)
{
    struct pln_growth *growth = state->growth;
    for (uint32_t i = 0; i < n_steps; i++) {
        const uint32_t first = i == 0 ? 0 : state->operands_end[i - 1];
        bool stays = true;
        for (uint32_t k = first; k < state->operands_end[i]; k++) stays = stays && (state->operands[k] == PLN_NONE || growth->slots[state->operands[k]].change == STAYS);
        if (stays || !state->flow[i].command) continue;
        if (grows_along(context, state, i, &state->operands[first])) {
            list_update(context, state, i, &state->operands[first]);
            continue;
        }
        growth->others[growth->n_others++] = i;
        for (uint32_t k = first; k < state->operands_end[i]; k++) list_noted(growth, state->operands[k]);
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
                                   .slots = growth->slots, .followers = growth->followers, .bounds = growth->bounds, .copies = growth->copies, .updates = growth->updates, .filled = growth->filled,
                                   .watched = growth->watched, .checked = growth->checked, .noted = growth->noted, .others = growth->others };
    list_outside(context, state);
    list_defined(context, state);
    list_commands(context, state, n_steps);
}

/* ---- following them ---- */

static void note(struct pln_context *context, uint32_t slot)
{
    context->versions[slot].any++;
    context->versions[slot].layout++; /* strides follow extents, and elements of a shape are its value */
}

static bool applies(const struct pln_context *context, const struct pln_segment_state *state, uint64_t changed)
{
    const struct pln_growth *growth = state->growth;
    if (!growth || !growth->ready || changed != growth->changed || !context->states_taken) return false;
    if (growth->moves != context->moves || growth->rebound != context->rebound || growth->taken != context->taken) return false;
    for (uint32_t i = 0; i < growth->n_bounds; i++) {
        const int64_t value = context->dims[growth->bounds[i].dim];
        if (value < 1 || value > growth->bounds[i].most) return false;
    }
    return true;
}

/* What the first update's lines tell where it is, once they have come. */
static void prefetch_operands(const struct pln_growth *growth, uint32_t i)
{
    if (i >= growth->n_updates) return;
    const struct pln_launch *launch = growth->updates[i].launch;
    for (int k = 0; k < launch->n_inputs + launch->n_outputs; k++) {
        PLN_PREFETCH(&launch->inputs[k]);
        PLN_PREFETCH(launch->inputs[k].strides);
    }
    for (size_t at = 0; launch->program && at < PLN_PREFETCH_PROGRAM_BYTES; at += 64) PLN_PREFETCH((const uint8_t *)launch->program + at);
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

/* What is bound may be of another layout than before. */
static bool copies_fit(const struct pln_context *context, const struct pln_growth *growth)
{
    for (uint32_t c = 0; c < growth->n_copies; c++) {
        const struct operand_copy *copy = &growth->copies[c];
        const struct pln_item *item = context->slots[copy->slot].item;
        if (context->engine->program->slots[copy->slot].place != PLN_PLACE_INPUT) continue;
        if (!item || item->kind != PLN_TENSOR || item->tensor.dtype != copy->to->dtype || item->tensor.rank != copy->to->rank ||
            memcmp(item->tensor.strides, copy->to->strides, (size_t)copy->to->rank * sizeof(int64_t)) != 0)
            return false;
    }
    return true;
}

static enum pln_status copy_operands(struct pln_context *context, const struct pln_growth *growth, const struct kernel_update *update, uint32_t first)
{
    for (uint32_t c = first; c < update->copies_end; c++) {
        const struct operand_copy *copy = &growth->copies[c];
        const struct pln_tensor *from = &context->slots[copy->slot].item->tensor;
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
    for (uint32_t i = 0; i < PLN_PREFETCH_AHEAD; i++) prefetch_operands(growth, i);
    for (uint32_t i = 0; i < growth->n_updates; i++) {
        const struct kernel_update *update = &growth->updates[i];
        const int before = context->diag.count;
        prefetch_update(growth, i + 2 * PLN_PREFETCH_AHEAD);
        prefetch_operands(growth, i + PLN_PREFETCH_AHEAD);
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

/* Few, and none of what they need is at hand. */
static void prefetch_rest(const struct pln_context *context, const struct pln_segment_state *state)
{
    const struct pln_growth *growth = state->growth;
    for (uint32_t i = 0; i < growth->n_filled; i++) pln_slot_prefetch(context, growth->filled[i].slot, false);
    for (uint32_t i = 0; i < growth->n_others; i++) pln_command_prefetch(state, growth->others[i]);
    for (uint32_t i = 0; i < 2 * PLN_PREFETCH_AHEAD; i++) prefetch_update(growth, i);
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

static bool views_fit(const struct pln_context *context, const struct pln_growth *growth)
{
    for (uint32_t i = 0; i < growth->n_checked; i++) {
        const struct pln_slot *slot = &context->engine->program->slots[growth->checked[i]];
        const struct pln_slot_state *view = &context->slots[growth->checked[i]], *base = &context->slots[slot->index];
        if (!pln_view_shows_all(slot, &view->view.tensor, &base->view.tensor) || !lies_within(&view->view.tensor, view->offset, &base->view.tensor)) return false;
    }
    return true;
}

/* *out_done false: something does not fit any more, and all is to be resolved. */
static enum pln_status follow(struct pln_context *context, struct pln_segment_state *state, bool *out_done)
{
    const struct pln_growth *growth = state->growth;
    *out_done = false;
    for (uint32_t i = 0; i < growth->n_followers; i++) *growth->followers[i].where = growth->followers[i].factor * context->dims[growth->followers[i].dim];
    for (uint32_t i = 0; i < growth->n_noted; i++) note(context, growth->noted[i]);
    if (!views_fit(context, growth) || !copies_fit(context, growth)) return PLN_OK;
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
    for (uint32_t i = 0; growth->followed && i < state->n_outside; i++)
        if (growth->slots[state->outside[i]].change == GROWS) note(context, state->outside[i]);
    for (uint32_t i = 0; growth->followed && i < state->n_defined; i++)
        if (growth->slots[state->defined[i]].change == GROWS) note(context, state->defined[i]);
    growth->followed = growth->ready = false;
}
