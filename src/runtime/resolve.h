/* The parts of resolving a segment: tables.c lays out what a context remembers of it, arena.c places its memory, slots.c fills the tensors of its slots,
 * commands.c the commands of its steps; resolve.c calls them in this order. */
#ifndef PLN_RUNTIME_RESOLVE_H
#define PLN_RUNTIME_RESOLVE_H

#include "runtime/engine.h"

/* Steps whose commands are fetched before they are at hand, and lines of each one's kernel state. */
#define PLN_PREFETCH_AHEAD 3
#define PLN_PREFETCH_STATE_LINES 8

static inline bool pln_tensor_same_layout(const struct pln_tensor *a, const struct pln_tensor *b)
{
    return a->data == b->data && a->dtype == b->dtype && a->rank == b->rank && memcmp(a->strides, b->strides, (size_t)a->rank * sizeof(int64_t)) == 0;
}

static inline bool pln_tensor_same_dims(const struct pln_tensor *a, const struct pln_tensor *b)
{
    return memcmp(a->dims, b->dims, (size_t)a->rank * sizeof(int64_t)) == 0;
}

/* Not more than there is: a tensor has room for many more dims than most have. */
static inline void pln_tensor_set(struct pln_tensor *to, const struct pln_tensor *from)
{
    to->dtype = from->dtype;
    to->rank = from->rank;
    to->data = from->data;
    memcpy(to->dims, from->dims, (size_t)from->rank * sizeof(int64_t));
    memcpy(to->strides, from->strides, (size_t)from->rank * sizeof(int64_t));
}

/* Does a slot that was filled before have the extents that it has now? */
static inline bool pln_slot_same_extents(const struct pln_context *context, uint32_t slot_id)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    const struct pln_slot_state *own = &context->slots[slot_id];
    if (own->item != &own->view) return false;
    for (int i = 0; i < slot->rank; i++)
        if (own->view.tensor.dims[i] != context->dims[slot->dims[i]]) return false;
    return true;
}

static inline bool pln_slot_depends_on(const struct pln_segment_state *state, uint32_t i, uint64_t changed)
{
    return state->depends[i] == UINT64_MAX || (state->depends[i] & changed) || changed == UINT64_MAX;
}

/* First and last element that a tensor touches, relative to data; an empty one touches none (last < first). false: overflow. */
bool pln_tensor_reach(const struct pln_tensor *tensor, int64_t *out_first, int64_t *out_last);
/* Bytes of a slot's dense tensor where the extents have dim_values. */
enum pln_status pln_slot_bytes(struct pln_context *context, const int64_t *dim_values, uint32_t slot_id, size_t *out_bytes);
/* changed: symbols (bit: index mod 64) that differ from the last time; UINT64_MAX: anything may. */
enum pln_status pln_segment_plan_memory(struct pln_context *context, uint32_t block, uint32_t segment, uint64_t changed);
/* Slots whose tensors come from elsewhere: has anything about them changed? */
void pln_slots_watch_outside(struct pln_context *context, const struct pln_segment_state *state);
enum pln_status pln_slots_fill(struct pln_context *context, struct pln_segment_state *state, uint64_t changed);
enum pln_status pln_commands_fill(struct pln_context *context, struct pln_segment_state *state, uint32_t n_steps);

#endif
