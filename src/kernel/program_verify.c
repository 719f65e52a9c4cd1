/* What makes a program safe to run. Three walks: tables (every number in range, every place and space possible), blocks (a tree, tiled by
 * segments), and steps in the order in which they run (what is read has been written, memory lives long enough).
 *
 * Left to the run, because only it knows extents: that views stay inside of what they show, that operands do not overlap, that shapes fit the
 * kernels (runtime/resolve.c); to the engine, which knows the kernels: packed weights. */
#include "kernel/program_verify.h"

static bool in_list(uint32_t id, uint32_t n)
{
    return id < n;
}

enum pln_status pln_program_bad(const struct pln_program_check *check, const char *what, uint32_t id, const char *why)
{
    return pln_fail(check->diag, PLN_BAD_PLAN, "the plan is not sound: %s %u %s", what, id, why);
}

/* ---- expressions, symbols, weights ---- */

static enum pln_status check_dims(const struct pln_program_check *check)
{
    const struct pln_program *program = check->program;
    for (uint32_t i = 0; i < program->n_dims; i++) {
        const struct pln_dim_node *node = &program->dims[i];
        bool sound = false;
        switch (node->op) {
        case PLN_DIM_CONST: sound = true; break;
        case PLN_DIM_SYMBOL: sound = node->a < program->n_symbols; break;
        case PLN_DIM_SELECT: sound = node->a < i && node->b < i && node->c < i; break;
        case PLN_DIM_ADD:
        case PLN_DIM_MUL:
        case PLN_DIM_FLOORDIV:
        case PLN_DIM_CEILDIV:
        case PLN_DIM_MOD:
        case PLN_DIM_MIN:
        case PLN_DIM_MAX:
        case PLN_DIM_BROADCAST:
        case PLN_DIM_EQ:
        case PLN_DIM_LT: sound = node->a < i && node->b < i; break;
        }
        if (!sound) return pln_program_bad(check, "extent", i, "refers to what is not before it");
    }
    for (uint32_t i = 0; i < program->n_symbols; i++)
        if (!program->symbols[i].name) return pln_program_bad(check, "symbol", i, "has no name");
    return PLN_OK;
}

static enum pln_status check_weights(const struct pln_program_check *check, uint64_t section_bytes)
{
    const struct pln_program *program = check->program;
    for (uint32_t i = 0; i < program->n_weights; i++) {
        const struct pln_weight *weight = &program->weights[i];
        size_t bytes;
        if (!weight->name) return pln_program_bad(check, "weight", i, "has no name");
        if (!pln_dtype_valid((int)weight->dtype) || weight->rank < 0 || weight->rank > PLN_MAX_RANK || !pln_shape_bytes(weight->dtype, weight->rank, weight->dims, &bytes))
            return pln_program_bad(check, "weight", i, "has an impossible type or shape");
        if (weight->pack ? weight->dtype == PLN_STR || weight->rank == 0 : weight->size_bytes != bytes) return pln_program_bad(check, "weight", i, "has bytes that do not fit its shape");
        if (!weight->data && weight->size_bytes) return pln_program_bad(check, "weight", i, "has no bytes");
        if (weight->dtype == PLN_STR) continue; /* its structs were made by the reader */
        if (weight->offset % 64 || weight->offset > section_bytes || weight->size_bytes > section_bytes - weight->offset)
            return pln_program_bad(check, "weight", i, "is outside of its section");
    }
    return PLN_OK;
}

/* ---- slots ---- */

static bool dims_in_range(const struct pln_program *program, const uint32_t *dims, uint32_t n)
{
    if (n > 0 && !dims) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!in_list(dims[i], program->n_dims)) return false;
    return true;
}

static bool is_order(const struct pln_slot *slot)
{
    uint32_t seen = 0;
    for (int i = 0; i < slot->rank; i++) {
        if (slot->order[i] < 0 || slot->order[i] >= slot->rank) return false;
        seen |= 1u << slot->order[i];
    }
    return slot->rank >= 0 && seen == (1u << slot->rank) - 1;
}

/* Places that a segment defines when it begins. */
static bool is_planned(enum pln_place place)
{
    return place == PLN_PLACE_ARENA || place == PLN_PLACE_OUTPUT || place == PLN_PLACE_VIEW || place == PLN_PLACE_SHAPE;
}

static const char *check_shape_slot(const struct pln_program *program, const struct pln_slot *slot)
{
    int64_t n = 1;
    bool constant = true;
    if (slot->dtype != PLN_BOOL && !pln_dtype_is_integer(slot->dtype)) return "is a shape value that is not of integers";
    if (pln_dtype_bits(slot->dtype) < 8) return "is a shape value of a type below a byte";
    if (!dims_in_range(program, slot->elems, slot->n_elems)) return "has elements that are no extents";
    for (int i = 0; i < slot->rank; i++) {
        const struct pln_dim_node *node = &program->dims[slot->dims[i]];
        if (node->op != PLN_DIM_CONST) constant = false;
        else if (node->value < 0 || !pln_mul_i64(n, node->value, &n)) return "has an impossible shape";
    }
    return constant && n != (int64_t)slot->n_elems ? "has more or fewer elements than its shape" : NULL;
}

static const char *check_view_slot(const struct pln_program *program, uint32_t id)
{
    const struct pln_slot *slot = &program->slots[id];
    if (slot->index >= id) return "is a view of what is not before it";
    const struct pln_slot *base = &program->slots[slot->index];
    if (base->kind != PLN_TENSOR || base->space != slot->space) return "is a view of what is in another space";
    if (base->dtype != slot->dtype && base->dtype != PLN_DTYPE_NONE) return "is a view of another type";
    if (base->place == PLN_PLACE_WEIGHT && program->weights[base->index].pack) return "is a view of a packed weight";
    if (!in_list(slot->offset, program->n_dims)) return "has an offset that is no extent";
    if (slot->strides && !dims_in_range(program, slot->strides, (uint32_t)slot->rank)) return "has strides that are no extents";
    return NULL;
}

/* A state lives where the device that works on it has its memory. */
static bool is_state(const struct pln_program *program, uint32_t index, bool is_output)
{
    for (uint32_t i = 0; i < program->n_states; i++)
        if ((is_output ? program->states[i].output : program->states[i].input) == index) return true;
    return false;
}

/* What each place asks for beyond what all slots must be. */
static const char *check_place(const struct pln_program *program, uint32_t id)
{
    const struct pln_slot *slot = &program->slots[id];
    const struct pln_program_block *block = &program->blocks[slot->block];
    bool host = slot->space == 0;
    switch (slot->place) {
    case PLN_PLACE_INPUT:
        if (!in_list(slot->index, program->n_inputs) || program->inputs[slot->index].slot != id) return "is no input of the model";
        return (host || (slot->space == 1 && slot->kind == PLN_TENSOR && is_state(program, slot->index, false))) && slot->block == 0 ? NULL : "is an input in the wrong place";
    case PLN_PLACE_OUTPUT:
        if (!in_list(slot->index, program->n_outputs) || program->outputs[slot->index].slot != id) return "is no output of the model";
        return (host || (slot->space == 1 && is_state(program, slot->index, true))) && slot->block == 0 ? NULL : "is an output in the wrong place";
    case PLN_PLACE_WEIGHT: {
        if (!in_list(slot->index, program->n_weights)) return "is no weight";
        const struct pln_weight *weight = &program->weights[slot->index];
        if (weight->dtype != slot->dtype || weight->rank != slot->rank) return "is of another type than its weight";
        return weight->dtype == PLN_STR && !host ? "is a weight of strings on a device" : NULL;
    }
    case PLN_PLACE_ARENA: return NULL;
    case PLN_PLACE_VIEW: return check_view_slot(program, id);
    case PLN_PLACE_SHAPE: return host ? check_shape_slot(program, slot) : "is a shape value on a device";
    case PLN_PLACE_ITEM: return host ? NULL : "is a run-time value on a device";
    case PLN_PLACE_BLOCK_INPUT:
        if (slot->block == 0 || !in_list(slot->index, block->n_inputs) || block->inputs[slot->index] != id) return "is no input of its block";
        return host ? NULL : "is an input of a block on a device";
    case PLN_PLACE_COUNT: break;
    }
    return "has no place";
}

static const char *check_slot(const struct pln_program *program, uint32_t id)
{
    const struct pln_slot *slot = &program->slots[id];
    if (!slot->name) return "has no name";
    if ((unsigned)slot->kind > PLN_MAP || (slot->dtype != PLN_DTYPE_NONE && !pln_dtype_valid((int)slot->dtype)) || slot->rank < -1 || slot->rank > PLN_MAX_RANK)
        return "has an impossible kind, type or rank";
    if (slot->rank > 0 && !dims_in_range(program, slot->dims, (uint32_t)slot->rank)) return "has dims that are no extents";
    if (!in_list(slot->block, program->n_blocks)) return "is in no block";
    if (slot->space > program->n_devices) return "is in no space";
    const struct pln_program_block *block = &program->blocks[slot->block];
    if (slot->segment != PLN_NONE && slot->segment >= block->n_segments) return "is defined by no segment";
    if (slot->order && (slot->place != PLN_PLACE_ARENA || !is_order(slot))) return "has an impossible order of dims";
    if (slot->strides && slot->place != PLN_PLACE_VIEW) return "has strides and is no view";
    if (slot->n_elems && slot->place != PLN_PLACE_SHAPE) return "has elements and is no shape value";
    if (is_planned(slot->place)) {
        if (slot->kind != PLN_TENSOR || slot->rank < 0 || slot->dtype == PLN_DTYPE_NONE || slot->dtype == PLN_STR) return "cannot be placed: it is no tensor of known rank and fixed size";
        if (slot->segment == PLN_NONE) return "is defined by no segment";
    }
    if (slot->place == PLN_PLACE_WEIGHT && slot->kind != PLN_TENSOR) return "is a weight and no tensor";
    return check_place(program, id);
}

static enum pln_status check_slots(const struct pln_program_check *check)
{
    const struct pln_program *program = check->program;
    for (uint32_t i = 0; i < program->n_slots; i++) {
        const char *why = check_slot(program, i);
        if (why) return pln_program_bad(check, "value", i, why);
    }
    return PLN_OK;
}

/* ---- blocks, segments ---- */

static bool is_control(const struct pln_step *step)
{
    return step->kind == PLN_STEP_IF || step->kind == PLN_STEP_LOOP;
}

static const char *check_segment(const struct pln_program *program, const struct pln_program_block *block, uint32_t s, uint32_t *next)
{
    const struct pln_segment *segment = &block->segments[s];
    bool last = s + 1 == block->n_segments, control = segment->end == PLN_END_BRANCH || segment->end == PLN_END_LOOP;
    if (segment->first != *next || segment->count > block->n_steps - *next) return "has segments that do not follow one another";
    if (last != (segment->end == PLN_END_RETURN)) return "does not end with a return";
    if (segment->count == 0 && !last) return "has an empty segment";
    if (control && segment->count != 1) return "has a control segment of several steps";
    for (uint32_t i = 0; i < segment->count; i++) {
        const struct pln_step *step = &program->steps[block->steps[segment->first + i]];
        if (control ? step->kind != (segment->end == PLN_END_BRANCH ? PLN_STEP_IF : PLN_STEP_LOOP) : is_control(step)) return "has a step in the wrong kind of segment";
        if (i + 1 == segment->count || is_control(step)) continue;
        for (uint32_t k = 0; k < step->n_outputs; k++)
            if (step->outputs[k] != PLN_NONE && step->outputs[k] < program->n_slots && program->slots[step->outputs[k]].place == PLN_PLACE_ITEM)
                return "has a step in the middle of a segment whose result only the run can tell";
    }
    *next += segment->count;
    return NULL;
}

static const char *check_block(struct pln_program_check *check, uint32_t id)
{
    const struct pln_program *program = check->program;
    const struct pln_program_block *block = &program->blocks[id];
    uint32_t next = 0;
    for (uint32_t i = 0; i < block->n_steps; i++) {
        if (!in_list(block->steps[i], program->n_steps)) return "has a step that does not exist";
        if (check->step_block[block->steps[i]] != PLN_NONE) return "has a step that is elsewhere, too";
        check->step_block[block->steps[i]] = id;
    }
    for (uint32_t i = 0; i < block->n_symbols; i++)
        if (!in_list(block->symbols[i], program->n_symbols)) return "binds a symbol that does not exist";
    for (uint32_t i = 0; i < block->n_outputs; i++)
        if (!in_list(block->outputs[i], program->n_slots)) return "has an output that does not exist";
    if (block->n_segments == 0) return "has no segment";
    for (uint32_t i = 0; i < block->n_segments; i++) {
        const char *why = check_segment(program, block, i, &next);
        if (why) return why;
    }
    if (next != block->n_steps) return "has steps in no segment";
    for (uint32_t i = 0; i < block->n_inputs; i++) {
        if (!in_list(block->inputs[i], program->n_slots)) return "has an input that does not exist";
        const struct pln_slot *slot = &program->slots[block->inputs[i]];
        if (slot->place != (id == 0 ? PLN_PLACE_INPUT : PLN_PLACE_BLOCK_INPUT) || slot->block != id || slot->index != i) return "has an input that is none";
    }
    return NULL;
}

static enum pln_status check_blocks(struct pln_program_check *check)
{
    const struct pln_program *program = check->program;
    if (program->n_blocks == 0) return pln_fail(check->diag, PLN_BAD_PLAN, "the plan is not sound: it has no block");
    if (program->blocks[0].n_inputs != program->n_inputs || program->blocks[0].n_outputs != program->n_outputs)
        return pln_program_bad(check, "block", 0, "has other inputs or outputs than the model");
    memset(check->step_block, 0xff, program->n_steps * sizeof *check->step_block);
    for (uint32_t i = 0; i < program->n_blocks; i++) {
        const char *why = check_block(check, i);
        if (why) return pln_program_bad(check, "block", i, why);
    }
    for (uint32_t i = 0; i < program->n_steps; i++)
        if (check->step_block[i] == PLN_NONE) return pln_program_bad(check, "step", i, "is in no block");
    return PLN_OK;
}

/* ---- the rest of the tables ---- */

static const char *check_output(const struct pln_program *program, uint32_t i)
{
    uint32_t id = program->outputs[i].slot;
    if (!program->outputs[i].name || !in_list(id, program->n_slots) || program->blocks[0].outputs[i] != id) return "is none";
    const struct pln_slot *slot = &program->slots[id];
    if (slot->block != 0 || (slot->space != 0 && slot->place != PLN_PLACE_OUTPUT)) return "is not in the main block on the host";
    switch (slot->place) {
    case PLN_PLACE_OUTPUT: return slot->index == i ? NULL : "is another output";
    case PLN_PLACE_WEIGHT: return program->weights[slot->index].pack ? "is a packed weight" : NULL;
    case PLN_PLACE_INPUT:
    case PLN_PLACE_ITEM: return NULL;
    case PLN_PLACE_ARENA:
    case PLN_PLACE_VIEW:
    case PLN_PLACE_SHAPE:
    case PLN_PLACE_BLOCK_INPUT:
    case PLN_PLACE_COUNT: break;
    }
    return "is in a place that the caller cannot be given";
}

static enum pln_status check_tables(const struct pln_program_check *check)
{
    const struct pln_program *program = check->program;
    if (!program->name || !program->target) return pln_fail(check->diag, PLN_BAD_PLAN, "the plan is not sound: it names no model or device");
    if (program->n_devices > PLN_PROGRAM_MAX_DEVICES) return pln_fail(check->diag, PLN_BAD_PLAN, "the plan is not sound: it wants %u devices", program->n_devices);
    for (uint32_t i = 0; i < program->n_devices; i++)
        if (!program->devices[i]) return pln_program_bad(check, "device", i, "has no name");
    for (uint32_t i = 0; i < program->n_inputs; i++) {
        uint32_t id = program->inputs[i].slot;
        if (!program->inputs[i].name || !in_list(id, program->n_slots) || program->blocks[0].inputs[i] != id) return pln_program_bad(check, "input", i, "is none");
    }
    for (uint32_t i = 0; i < program->n_outputs; i++) {
        const char *why = check_output(program, i);
        if (why) return pln_program_bad(check, "output", i, why);
    }
    for (uint32_t i = 0; i < program->n_states; i++) {
        const struct pln_state_pair *state = &program->states[i];
        if (!in_list(state->input, program->n_inputs) || !in_list(state->output, program->n_outputs) || state->axis < 0 || state->kind != PLN_STATE_APPEND || state->axis >= program->slots[program->inputs[state->input].slot].rank)
            return pln_program_bad(check, "state", i, "is no pair of an input and an output");
    }
    for (uint32_t i = 0; i < program->n_origins; i++)
        if (!program->origins[i].name || !program->origins[i].op_type) return pln_program_bad(check, "origin", i, "has no name");
    for (uint32_t i = 0; i < program->n_metadata; i++)
        if (!program->metadata[i].name || !program->metadata[i].op_type) return pln_program_bad(check, "metadata", i, "has no text");
    for (uint32_t i = 0; i < program->n_taps; i++)
        if (!in_list(program->taps[i], program->n_slots)) return pln_program_bad(check, "tap", i, "is of no value");
    return PLN_OK;
}

static enum pln_status check_all(struct pln_program_check *check, uint64_t section_bytes)
{
    PLN_TRY(check_dims(check));
    PLN_TRY(check_weights(check, section_bytes));
    PLN_TRY(check_blocks(check));
    PLN_TRY(check_slots(check));
    PLN_TRY(check_tables(check));
    return pln_program_check_steps(check);
}

enum pln_status pln_program_verify(const struct pln_program *program, uint64_t section_bytes, struct pln_diag *diag)
{
    struct pln_program_check check = { .program = program, .diag = diag };
    pln_arena_init(&check.arena, program->arena ? program->arena->alloc : NULL, 0);
    check.step_block = pln_arena_array(&check.arena, program->n_steps + (size_t)1, sizeof *check.step_block);
    enum pln_status status = check.step_block ? check_all(&check, section_bytes) : pln_fail_memory(diag, "verification", program->n_steps * sizeof(uint32_t));
    pln_arena_deinit(&check.arena);
    return status;
}
