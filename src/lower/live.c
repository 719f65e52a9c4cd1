/* Lifetimes: between which steps of its block a slot must keep its memory. A use in a body counts at the control step around it; a use of a view
 * counts for what it shows. */
#include "lower/state.h"

static uint32_t position_in(const struct pln_lower *lower, uint32_t block, uint32_t position, uint32_t home)
{
    while (block != home) {
        position = lower->blocks[block].parent_position;
        block = lower->blocks[block].parent;
        if (block == PLN_NONE) return PLN_NONE;
    }
    return position;
}

static void use(struct pln_lower *lower, uint32_t slot, uint32_t block, uint32_t position)
{
    struct pln_slot *slots = lower->program->slots;
    while (slot != PLN_NONE) {
        struct pln_slot *own = &slots[slot];
        uint32_t at = position == PLN_NONE ? PLN_NONE : position_in(lower, block, position, own->block);
        if (own->last == PLN_NONE - 1 || (at != PLN_NONE - 1 && own->last != PLN_NONE && (at == PLN_NONE || at > own->last))) own->last = at;
        slot = own->place == PLN_PLACE_VIEW ? own->index : PLN_NONE;
    }
}

/* Steps come in order: what several make, view by view, has its memory from the first of them on. */
static void define(struct pln_lower *lower, uint32_t slot, uint32_t position)
{
    struct pln_slot *slots = lower->program->slots;
    for (;;) {
        struct pln_slot *own = &slots[slot];
        if (own->last == PLN_NONE - 1) own->first = position;
        if (own->place != PLN_PLACE_VIEW) return;
        slot = own->index;
    }
}

enum pln_status pln_lower_lifetimes(struct pln_lower *lower)
{
    struct pln_program *program = lower->program;
    for (uint32_t i = 0; i < program->n_slots; i++) {
        struct pln_slot *slot = &program->slots[i];
        slot->last = PLN_NONE - 1; /* not used yet */
        const struct pln_lower_block *block = &lower->blocks[slot->block];
        slot->first = slot->segment != PLN_NONE && slot->segment < block->n_segments ? block->segments[slot->segment].first : 0;
    }
    for (uint32_t b = 0; b < lower->n_blocks; b++) {
        const struct pln_lower_block *block = &lower->blocks[b];
        for (uint32_t p = 0; p < block->n_steps; p++) {
            const struct pln_step *step = &program->steps[block->steps[p]];
            for (uint32_t i = 0; i < step->n_outputs; i++) {
                if (step->outputs[i] == PLN_NONE) continue;
                define(lower, step->outputs[i], p);
                use(lower, step->outputs[i], b, p);
            }
            for (uint32_t i = 0; i < step->n_inputs; i++)
                if (step->inputs[i] != PLN_NONE) use(lower, step->inputs[i], b, p);
        }
        for (uint32_t i = 0; i < block->n_outputs; i++) use(lower, block->outputs[i], b, PLN_NONE);
    }
    for (uint32_t i = 0; i < program->n_taps; i++) use(lower, program->taps[i], program->slots[program->taps[i]].block, PLN_NONE);
    /* A view that no step reads is resolved all the same when its block is at work: what it shows must be there. */
    for (uint32_t i = 0; i < program->n_slots; i++)
        if (program->slots[i].place == PLN_PLACE_VIEW && program->slots[i].last == PLN_NONE - 1) use(lower, i, program->slots[i].block, program->slots[i].first);
    for (uint32_t i = 0; i < program->n_slots; i++)
        if (program->slots[i].last == PLN_NONE - 1) program->slots[i].last = program->slots[i].first;
    return PLN_OK;
}
