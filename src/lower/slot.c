/* Slots: where values live, and getting a value to where it is needed. */
#include "lower/state.h"

uint32_t pln_lower_segment(const struct pln_lower *lower)
{
    return (uint32_t)lower->blocks[lower->block].n_segments;
}

/* ---- which extents are known ---- */

static void refresh_bound(struct pln_lower *lower)
{
    struct pln_dim_table *dims = &lower->graph->dims;
    if (lower->dim_capacity < dims->count) {
        size_t want = dims->count * 2;
        bool *grown = pln_arena_array(lower->arena, want, sizeof *grown);
        if (!grown) {
            lower->graph->failed = true;
            return;
        }
        lower->dim_bound = grown;
        lower->dim_capacity = want;
        lower->dim_known = 0;
    }
    for (size_t i = lower->dim_known; i < dims->count; i++) {
        const struct pln_dim_node *node = &dims->nodes[i];
        switch (node->op) {
        case PLN_DIM_CONST: lower->dim_bound[i] = true; break;
        case PLN_DIM_SYMBOL: lower->dim_bound[i] = node->a < lower->n_bound && lower->bound[node->a]; break;
        case PLN_DIM_SELECT: lower->dim_bound[i] = lower->dim_bound[node->a] && lower->dim_bound[node->b] && lower->dim_bound[node->c]; break;
        case PLN_DIM_ADD:
        case PLN_DIM_MUL:
        case PLN_DIM_FLOORDIV:
        case PLN_DIM_CEILDIV:
        case PLN_DIM_MOD:
        case PLN_DIM_MIN:
        case PLN_DIM_MAX:
        case PLN_DIM_BROADCAST:
        case PLN_DIM_EQ:
        case PLN_DIM_LT: lower->dim_bound[i] = lower->dim_bound[node->a] && lower->dim_bound[node->b]; break;
        }
    }
    lower->dim_known = dims->count;
}

bool pln_lower_dim_bound(struct pln_lower *lower, struct pln_dim dim)
{
    if (dim.id == UINT32_MAX) return false;
    dim = pln_dim_resolve(&lower->graph->dims, dim);
    if (dim.id == UINT32_MAX) return false;
    if (lower->dim_known < lower->graph->dims.count) refresh_bound(lower);
    return !lower->graph->failed && lower->dim_bound[dim.id];
}

static bool set_bound(struct pln_lower *lower, uint32_t symbol, bool known)
{
    if (symbol >= lower->n_bound) {
        size_t want = lower->graph->dims.n_symbols * 2 + 16;
        bool *grown = pln_arena_array(lower->arena, want, sizeof *grown);
        if (!grown) return false;
        if (lower->n_bound) memcpy(grown, lower->bound, lower->n_bound * sizeof *grown);
        lower->bound = grown;
        lower->n_bound = want;
    }
    lower->bound[symbol] = known;
    lower->dim_known = 0;
    return true;
}

enum pln_status pln_lower_bind(struct pln_lower *lower, uint32_t slot_id)
{
    const struct pln_slot *slot = &lower->program->slots[slot_id];
    struct pln_lower_block *block = &lower->blocks[lower->block];
    for (int i = 0; i < slot->rank; i++) {
        const struct pln_dim_node *node = &lower->graph->dims.nodes[slot->dims[i]];
        if (node->op != PLN_DIM_SYMBOL || (node->a < lower->n_bound && lower->bound[node->a])) continue;
        if (!set_bound(lower, node->a, true) || !pln_arena_grow(lower->arena, (void **)&block->symbols, &block->symbols_capacity, block->n_symbols + 1, sizeof *block->symbols))
            return pln_fail_memory(lower->diag, "symbols", 0);
        block->symbols[block->n_symbols++] = node->a;
    }
    return PLN_OK;
}

enum pln_status pln_lower_unbind_block(struct pln_lower *lower)
{
    struct pln_lower_block *block = &lower->blocks[lower->block];
    for (size_t i = 0; i < block->n_symbols; i++)
        if (!set_bound(lower, block->symbols[i], false)) return pln_fail_memory(lower->diag, "symbols", 0);
    return PLN_OK;
}

bool pln_lower_is_planned(struct pln_lower *lower, uint32_t value)
{
    const struct pln_value *own = pln_graph_value(lower->graph, value);
    if (own->type.kind != PLN_TENSOR || own->type.dtype == PLN_DTYPE_NONE || own->type.dtype == PLN_STR || own->type.rank < 0) return false;
    for (int i = 0; i < own->type.rank; i++)
        if (!pln_lower_dim_bound(lower, pln_graph_value(lower->graph, value)->type.dims[i])) return false;
    return true;
}

bool pln_lower_is_shape_value(struct pln_lower *lower, uint32_t value)
{
    const struct pln_value *own = pln_graph_value(lower->graph, value);
    if (!own->elems || own->type.kind != PLN_TENSOR || !pln_lower_is_planned(lower, value)) return false;
    if (own->type.dtype != PLN_BOOL && !pln_dtype_is_integer(own->type.dtype)) return false;
    if (pln_dtype_bits(own->type.dtype) < 8) return false;
    for (int64_t i = 0; i < own->n_elems; i++)
        if (!pln_lower_dim_bound(lower, own->elems[i])) return false;
    return true;
}

/* ---- slots ---- */

static uint32_t *copy_dims(struct pln_lower *lower, const struct pln_dim *dims, size_t n)
{
    uint32_t *ids = pln_arena_array(lower->arena, n + 1, sizeof *ids);
    for (size_t i = 0; ids && i < n; i++) ids[i] = pln_dim_resolve(&lower->graph->dims, dims[i]).id;
    return ids;
}

uint32_t pln_lower_new_slot(struct pln_lower *lower, uint32_t value, enum pln_place place, uint32_t space)
{
    struct pln_program *program = lower->program;
    if (!pln_arena_grow(lower->arena, (void **)&program->slots, &lower->slots_capacity, program->n_slots + 1u, sizeof *program->slots)) return PLN_NONE;
    struct pln_value *own = pln_graph_value(lower->graph, value);
    struct pln_slot *slot = &program->slots[program->n_slots];
    *slot = (struct pln_slot){ .name = own->name, .place = place, .kind = own->type.kind, .dtype = own->type.dtype, .rank = own->type.kind == PLN_TENSOR ? own->type.rank : -1, .space = space,
                               .block = lower->block, .segment = pln_lower_segment(lower), .last = PLN_NONE };
    if (slot->rank >= 0) {
        slot->dims = copy_dims(lower, own->type.dims, (size_t)slot->rank);
        if (!slot->dims) return PLN_NONE;
    }
    return program->n_slots++;
}

bool pln_lower_slot_is_state(const struct pln_lower *lower, uint32_t slot)
{
    const struct pln_slot *own = &lower->program->slots[slot];
    for (size_t i = 0; i < lower->graph->n_states && !lower->options->oracle; i++) {
        if (own->place == PLN_PLACE_INPUT && own->index == lower->graph->states[i].input) return true;
        if (own->place == PLN_PLACE_OUTPUT && own->index == lower->graph->states[i].output) return true;
    }
    return false;
}

uint32_t pln_lower_input_space(const struct pln_lower *lower, uint32_t index)
{
    for (size_t i = 0; lower->block == 0 && lower->device_memory && i < lower->graph->n_states; i++)
        if (lower->graph->states[i].input == index) return 1;
    return 0;
}

uint32_t pln_lower_state_output(const struct pln_lower *lower, uint32_t value)
{
    for (size_t i = 0; i < lower->graph->n_states && !lower->options->oracle; i++)
        if (lower->graph->blocks[0].outputs[lower->graph->states[i].output] == value) return lower->graph->states[i].output;
    return PLN_NONE;
}

bool pln_lower_slot_dense(const struct pln_lower *lower, uint32_t slot)
{
    const struct pln_slot *own = &lower->program->slots[slot];
    return !own->strides && !own->order && !pln_lower_slot_is_state(lower, slot);
}

bool pln_lower_slot_rows_dense(const struct pln_lower *lower, uint32_t slot)
{
    const struct pln_slot *own = &lower->program->slots[slot];
    /* A state's rows are dense: it grows along another axis than the last. */
    if (pln_lower_slot_dense(lower, slot) || own->rank == 0 || pln_lower_slot_is_state(lower, slot)) return true;
    int64_t stride;
    return own->strides && pln_dim_value(&lower->graph->dims, (struct pln_dim){ own->strides[own->rank - 1] }, &stride) && stride == 1;
}

enum pln_status pln_lower_weight(struct pln_lower *lower, uint32_t value, const struct pln_pack_format *pack, uint32_t *out_weight)
{
    struct pln_program *program = lower->program;
    const struct pln_value *own = pln_graph_value(lower->graph, value);
    const struct pln_tensor *data = own->data;
    for (uint32_t i = 0; pack && i < program->n_weights; i++) {
        if (program->weights[i].plain == data && program->weights[i].format == pack) {
            *out_weight = i;
            return PLN_OK;
        }
    }
    *out_weight = PLN_NONE;
    if (!pln_arena_grow(lower->arena, (void **)&program->weights, &lower->weights_capacity, program->n_weights + 1u, sizeof *program->weights))
        return pln_fail_memory(lower->diag, "weights", 0);
    struct pln_weight *weight = &program->weights[program->n_weights];
    *weight = (struct pln_weight){ .name = own->name, .dtype = data->dtype, .rank = data->rank, .data = data->data, .size_bytes = pln_tensor_bytes(data) };
    memcpy(weight->dims, data->dims, sizeof weight->dims);
    if (pack) {
        size_t bytes;
        if (!pack->bytes(data, &bytes)) return pln_fail(lower->diag, PLN_INTERNAL, "weight '%s' cannot be packed as %s", own->name, pack->name);
        weight->pack = pack->name;
        weight->format = pack;
        weight->plain = data;
        weight->data = NULL;
        weight->size_bytes = bytes;
    }
    *out_weight = program->n_weights++;
    return PLN_OK;
}

static enum pln_status constant_slot(struct pln_lower *lower, uint32_t value, uint32_t space, uint32_t *out_slot)
{
    uint32_t *known = &lower->made[space][value];
    if (lower->weight[value] == PLN_NONE) PLN_TRY(pln_lower_weight(lower, value, NULL, &lower->weight[value]));
    uint32_t slot = pln_lower_new_slot(lower, value, PLN_PLACE_WEIGHT, space);
    if (slot == PLN_NONE) return pln_fail_memory(lower->diag, "slots", 0);
    lower->program->slots[slot].index = lower->weight[value];
    lower->program->slots[slot].segment = PLN_NONE;
    *known = *out_slot = slot;
    return PLN_OK;
}

static enum pln_status shape_slot(struct pln_lower *lower, uint32_t value, uint32_t *out_slot)
{
    uint32_t slot = pln_lower_new_slot(lower, value, PLN_PLACE_SHAPE, 0);
    if (slot == PLN_NONE) return pln_fail_memory(lower->diag, "slots", 0);
    const struct pln_value *own = pln_graph_value(lower->graph, value);
    struct pln_slot *made = &lower->program->slots[slot];
    made->elems = copy_dims(lower, own->elems, (size_t)own->n_elems);
    made->n_elems = (uint32_t)own->n_elems;
    if (!made->elems) return pln_fail_memory(lower->diag, "slots", 0);
    *out_slot = slot;
    return PLN_OK;
}

/* Of one pixel or one channel, channels last is the order that they have anyway. */
static bool is_last_anyway(const struct pln_lower *lower, const struct pln_slot *slot)
{
    if (slot->rank < 3 || pln_dim_is(&lower->graph->dims, (struct pln_dim){ slot->dims[1] }, 1)) return true;
    for (int i = 2; i < slot->rank; i++)
        if (!pln_dim_is(&lower->graph->dims, (struct pln_dim){ slot->dims[i] }, 1)) return false;
    return true;
}

bool pln_lower_order_last(struct pln_lower *lower, uint32_t slot_id)
{
    struct pln_slot *slot = &lower->program->slots[slot_id];
    if (is_last_anyway(lower, slot)) return true;
    slot->order = pln_arena_array(lower->arena, (size_t)slot->rank, sizeof *slot->order);
    for (int i = 1; slot->order && i < slot->rank; i++) slot->order[i] = (int8_t)(i + 1 < slot->rank ? i + 1 : 1);
    return slot->order != NULL;
}

bool pln_lower_slot_is_wide(struct pln_lower *lower, uint32_t slot_id)
{
    struct pln_dim_table *dims = &lower->graph->dims;
    const struct pln_slot *slot = &lower->program->slots[slot_id];
    if (!slot->strides || slot->rank < 3 || !pln_dim_is(dims, (struct pln_dim){ slot->strides[1] }, 1)) return false;
    struct pln_dim stride = { slot->strides[slot->rank - 1] };
    for (int i = slot->rank - 1; i >= 2; i--) {
        if (!pln_dim_same(dims, stride, (struct pln_dim){ slot->strides[i] })) return false;
        stride = pln_dim_mul(dims, stride, (struct pln_dim){ slot->dims[i] });
    }
    return !dims->failed;
}

enum pln_status pln_lower_need_last(struct pln_lower *lower, uint32_t value, uint32_t space, bool wide, uint32_t *out_slot)
{
    PLN_TRY(pln_lower_need(lower, value, space, true, out_slot));
    if (wide && pln_lower_slot_is_wide(lower, *out_slot)) return PLN_OK;
    const struct pln_slot *slot = &lower->program->slots[*out_slot];
    if (slot->order || (!slot->strides && !pln_lower_slot_is_state(lower, *out_slot) && is_last_anyway(lower, slot))) return PLN_OK;
    if (lower->last[space][value] == PLN_NONE) {
        uint32_t to = pln_lower_new_slot(lower, value, PLN_PLACE_ARENA, space);
        if (to == PLN_NONE || !pln_lower_order_last(lower, to)) return pln_fail_memory(lower->diag, "slots", 0);
        PLN_TRY(pln_lower_copy(lower, *out_slot, to));
        lower->last[space][value] = to;
    }
    *out_slot = lower->last[space][value];
    return PLN_OK;
}

static enum pln_status copy_to(struct pln_lower *lower, uint32_t value, uint32_t from, uint32_t space, uint32_t *out_slot)
{
    *out_slot = PLN_NONE;
    if (!pln_lower_is_planned(lower, value)) return pln_fail(lower->diag, PLN_INTERNAL, "'%s' cannot be copied before its shape is known", pln_graph_value(lower->graph, value)->name);
    uint32_t to = pln_lower_new_slot(lower, value, PLN_PLACE_ARENA, space);
    if (to == PLN_NONE) return pln_fail_memory(lower->diag, "slots", 0);
    *out_slot = to;
    return pln_lower_copy(lower, from, to);
}

enum pln_status pln_lower_need(struct pln_lower *lower, uint32_t value, uint32_t space, bool strided, uint32_t *out_slot)
{
    uint32_t *made = &lower->made[space][value], *dense = &lower->dense[space][value], *elsewhere = &lower->made[1 - space][value];
    *out_slot = PLN_NONE;
    if (pln_graph_value(lower->graph, value)->data) {
        if (*made == PLN_NONE) return constant_slot(lower, value, space, out_slot);
        *out_slot = *made;
        return PLN_OK;
    }
    if (*made == PLN_NONE && *elsewhere == PLN_NONE) {
        if (!pln_lower_is_shape_value(lower, value)) return pln_fail(lower->diag, PLN_INTERNAL, "'%s' is used before it is made", pln_graph_value(lower->graph, value)->name);
        PLN_TRY(shape_slot(lower, value, &lower->made[0][value]));
    }
    if (*made == PLN_NONE) PLN_TRY(copy_to(lower, value, *elsewhere, space, made));
    if (strided || pln_lower_slot_dense(lower, *made)) {
        *out_slot = *made;
        return PLN_OK;
    }
    if (*dense == PLN_NONE) PLN_TRY(copy_to(lower, value, *made, space, dense));
    *out_slot = *dense;
    return PLN_OK;
}
