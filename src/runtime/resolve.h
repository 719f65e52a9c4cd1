/* The parts of resolving a segment: tables.c lays out what a context remembers of it, arena.c places its memory, slots.c fills the tensors of its slots,
 * commands.c the commands of its steps; resolve.c calls them in this order. growth.c goes a shorter way where it can. */
#ifndef PLN_RUNTIME_RESOLVE_H
#define PLN_RUNTIME_RESOLVE_H

#include "runtime/engine.h"

/* Steps whose commands are fetched before they are at hand, lines of each one's kernel state, and bytes of its row program: head and operands. */
#define PLN_PREFETCH_AHEAD 3
#define PLN_PREFETCH_STATE_LINES 8
#define PLN_PREFETCH_PROGRAM_BYTES offsetof(struct pln_rowprog, instrs)

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
/* A view without strides of its own is another shape of its base: does it have as many elements? Others only have to lie in it. */
bool pln_view_shows_all(const struct pln_slot *slot, const struct pln_tensor *view, const struct pln_tensor *base);
/* Bytes of a slot's dense tensor where the extents have dim_values. */
enum pln_status pln_slot_bytes(struct pln_context *context, const int64_t *dim_values, uint32_t slot_id, size_t *out_bytes);
/* changed: symbols (bit: index mod 64) that differ from the last time; UINT64_MAX: anything may. */
enum pln_status pln_segment_plan_memory(struct pln_context *context, uint32_t block, uint32_t segment, uint64_t changed);
/* A slot whose tensor comes from elsewhere: has anything about it changed? */
void pln_slot_watch(struct pln_context *context, uint32_t slot_id);
/* arena: the number of the slot, or of the next, among those that the arenas hold. */
enum pln_status pln_slot_fill(struct pln_context *context, struct pln_segment_state *state, uint32_t slot_id, uint32_t arena);
enum pln_status pln_slots_fill(struct pln_context *context, struct pln_segment_state *state, uint64_t changed);
/* Fetches what filling the slot looks at; near: what that points to, once it has come. */
void pln_slot_prefetch(const struct pln_context *context, uint32_t slot_id, bool near);
/* Commands are small and far apart, and out of the caches: many can be on their way at once. */
void pln_command_prefetch(const struct pln_segment_state *state, uint32_t position);
/* Memory that a tensor touches, as addresses [first, last); false: none. */
bool pln_tensor_memory(const struct pln_tensor *tensor, uintptr_t *out_first, uintptr_t *out_last);
/* May they share an element? */
bool pln_tensors_overlap(const struct pln_tensor *a, const struct pln_tensor *b);
/* Makes the commands of those of these steps whose operands have changed. */
enum pln_status pln_commands_fill(struct pln_context *context, struct pln_segment_state *state, const uint32_t *positions, uint32_t n);
/* Names the step in what was said since there were `before` messages; returns status. */
enum pln_status pln_commands_name(struct pln_context *context, const struct pln_segment_state *state, uint32_t position, int before, enum pln_status status);
/* Remembers where slot i of those from outside lies. */
void pln_segment_note_pointer(const struct pln_context *context, struct pln_segment_state *state, uint32_t i);

/* growth.c. Tables, for models with states, once those of the segment are filled. */
enum pln_status pln_growth_init(struct pln_context *context, struct pln_segment_state *state, uint32_t n_steps);
/* Resolves, if lengths of states are all that has changed and what that means is known. *out_done false: it must be resolved otherwise. */
enum pln_status pln_growth_follow(struct pln_context *context, struct pln_segment_state *state, uint64_t changed, bool *out_done);
/* Before resolving otherwise. */
void pln_growth_leave(struct pln_context *context, struct pln_segment_state *state);
/* After that: changed as pln_segment_plan_memory. */
void pln_growth_note(struct pln_context *context, struct pln_segment_state *state, uint64_t changed, uint32_t n_steps);

#endif
