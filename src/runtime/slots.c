/* Tensors of a segment's slots: extents, strides and addresses for the symbols of now. */
#include "runtime/resolve.h"
#include "tensor/convert.h"

_Alignas(64) uint8_t pln_nothing[64];

static enum pln_status fill_extents(struct pln_context *context, uint32_t slot_id, struct pln_tensor *tensor)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    size_t bytes;
    PLN_TRY(pln_slot_bytes(context, context->dims, slot_id, &bytes));
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

bool pln_tensor_reach(const struct pln_tensor *tensor, int64_t *out_first, int64_t *out_last)
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

bool pln_view_shows_all(const struct pln_slot *slot, const struct pln_tensor *view, const struct pln_tensor *base)
{
    return slot->strides || pln_tensor_count(view) == pln_tensor_count(base);
}

/* A view that stays between the first and the last element that its base touches. */
static enum pln_status fill_view(struct pln_context *context, uint32_t slot_id, struct pln_tensor *tensor)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    const struct pln_item *base = context->slots[slot->index].item;
    const int bits = pln_dtype_bits(slot->dtype);
    if (!base || base->kind != PLN_TENSOR) return pln_fail(&context->diag, PLN_BAD_PLAN, "'%s' is a view of nothing", slot->name);
    int64_t offset = context->dims[slot->offset], first, last, base_first, base_last, low, high;
    if (!pln_view_shows_all(slot, tensor, &base->tensor))
        return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s' cannot have the elements of '%s' in another shape: these are %lld, not %lld", slot->name,
                        context->engine->program->slots[slot->index].name, (long long)pln_tensor_count(&base->tensor), (long long)pln_tensor_count(tensor));
    for (int i = 0; slot->strides && i < slot->rank; i++) tensor->strides[i] = context->dims[slot->strides[i]];
    if (!pln_tensor_reach(&base->tensor, &base_first, &base_last)) return pln_fail(&context->diag, PLN_BAD_PLAN, "'%s' is a view of nothing", slot->name);
    bool inside = pln_tensor_reach(tensor, &first, &last), empty = inside && last < first;
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

static enum pln_status fill_output(struct pln_context *context, uint32_t slot_id, struct pln_tensor *tensor)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    struct pln_binding *binding = &context->outputs[slot->index];
    const char *name = context->engine->program->outputs[slot->index].name;
    size_t bytes = pln_tensor_bytes(tensor);
    if (pln_transfer_output_moves(context, slot->index)) return pln_transfer_hold_output(context, slot->index, bytes, &tensor->data);
    if (binding->allocator) return pln_transfer_request(context, slot->index, tensor, &tensor->data);
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
    for (uint32_t i = 0; i < slot->n_elems; i++)
        if (context->dims[slot->elems[i]] == PLN_DIM_UNKNOWN) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "an element of '%s' is out of range for these inputs", slot->name);
    bool changed = false;
    for (uint32_t i = 0; i < slot->n_elems; i++) {
        int64_t value = context->dims[slot->elems[i]];
        changed = changed || pln_load_i64(slot->dtype, view->tensor.data, i) != value;
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

void pln_slot_watch(struct pln_context *context, uint32_t slot_id)
{
    struct pln_slot_state *own = &context->slots[slot_id];
    if (context->engine->program->slots[slot_id].place == PLN_PLACE_OUTPUT) return; /* pln_slot_fill sees to it */
    if (!own->item || own->item->kind != PLN_TENSOR) return;
    const bool layout = !pln_tensor_same_layout(own->seen, &own->item->tensor);
    if (!layout && pln_tensor_same_dims(own->seen, &own->item->tensor)) return;
    pln_tensor_set(own->seen, &own->item->tensor);
    note_change(context, slot_id, layout);
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
    if (!pln_slot_same_extents(context, slot_id)) return false;
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

enum pln_status pln_slot_fill(struct pln_context *context, struct pln_segment_state *state, uint32_t slot_id, uint32_t arena)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    struct pln_slot_state *own = &context->slots[slot_id];
    if (is_filled(context, state, slot_id, slot->place == PLN_PLACE_ARENA ? state->offsets[arena] : 0)) return PLN_OK;
    if (grow_state(context, state, slot_id)) return PLN_OK;
    void *data = own->view.tensor.data;
    struct pln_tensor before;
    pln_tensor_set(&before, &own->view.tensor);
    own->item = NULL; /* until it is filled */
    PLN_TRY(fill_extents(context, slot_id, &own->view.tensor));
    own->view.kind = PLN_TENSOR;
    if (slot->place == PLN_PLACE_ARENA) {
        size_t offset = state->offsets[arena];
        own->view.tensor.data = state->arenas[slot->space] ? (uint8_t *)state->arenas[slot->space] + offset : slot->space == 0 ? pln_nothing : NULL; /* all are empty */
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
    const bool layout = !pln_tensor_same_layout(&before, &own->view.tensor);
    if (layout || !pln_tensor_same_dims(&before, &own->view.tensor)) note_change(context, slot_id, layout);
    own->item = &own->view;
    return PLN_OK;
}

void pln_slot_prefetch(const struct pln_context *context, uint32_t slot_id, bool near)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    const struct pln_slot_state *own = &context->slots[slot_id];
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

enum pln_status pln_slots_fill(struct pln_context *context, struct pln_segment_state *state, uint64_t changed)
{
    uint32_t next_arena = 0;
    for (uint32_t i = 0; i < state->n_defined; i++) {
        const uint32_t far = i + 2 * PLN_PREFETCH_AHEAD, near = i + PLN_PREFETCH_AHEAD;
        if (far < state->n_defined && pln_slot_depends_on(state, far, changed)) pln_slot_prefetch(context, state->defined[far], false);
        if (near < state->n_defined && pln_slot_depends_on(state, near, changed)) pln_slot_prefetch(context, state->defined[near], true);
        if (pln_slot_depends_on(state, i, changed)) PLN_TRY(pln_slot_fill(context, state, state->defined[i], next_arena));
        next_arena += next_arena < state->n_arena && state->arena_slots[next_arena] == state->defined[i];
    }
    return PLN_OK;
}
