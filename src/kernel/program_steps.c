/* Steps in the order in which a run meets them: bodies are walked at their control step, once. */
#include "kernel/program_verify.h"

struct walk {
    struct pln_program_check *check;
    const struct pln_program *program;
    uint32_t *position, *segment; /* by block: the step and segment at work; position PLN_NONE: at its end */
    bool *open, *visited;         /* by block */
    bool *written;                /* by slot: an item that is known, memory that holds something */
    uint32_t *next_defined;       /* by slot: the next one that the same segment defines */
    uint32_t **defined;           /* by block and segment: the first */
    uint32_t depth, n_visited;
    uint32_t step;                /* at work on, for messages */
};

static enum pln_status bad(const struct walk *walk, const char *why)
{
    return walk->step == PLN_NONE ? pln_fail(walk->check->diag, PLN_BAD_PLAN, "the plan is not sound: a block's %s", why)
                                  : pln_program_bad(walk->check, "step", walk->step, why);
}

/* ---- reading and writing ---- */

/* The slot is there now, and keeps its memory until now. Memory must have been written, views are followed to it. */
static const char *use(const struct walk *walk, uint32_t id)
{
    const struct pln_program *program = walk->program;
    for (;;) {
        const struct pln_slot *slot = &program->slots[id];
        if (slot->place == PLN_PLACE_WEIGHT) return NULL;
        if (!walk->open[slot->block]) return "uses a value of a block that is not at work";
        uint32_t at = walk->position[slot->block];
        if (slot->segment != PLN_NONE && slot->segment > walk->segment[slot->block]) return "uses a value of a later segment";
        if (slot->last < at) return "uses a value that has lost its memory";
        if (slot->place == PLN_PLACE_ARENA && slot->first > at) return "uses a value before it has memory";
        if ((slot->place == PLN_PLACE_ITEM || slot->place == PLN_PLACE_ARENA || slot->place == PLN_PLACE_OUTPUT) && !walk->written[id]) return "uses a value before it is made";
        if (slot->place != PLN_PLACE_VIEW) return NULL;
        id = slot->index;
    }
}

/* Memory of the block at work that begins at or before this step and lasts at least as long. */
static const char *write(const struct walk *walk, uint32_t block, uint32_t id)
{
    const struct pln_program *program = walk->program;
    for (;;) {
        const struct pln_slot *slot = &program->slots[id];
        if (slot->block != block) return "writes a value of another block";
        if (slot->segment == PLN_NONE || slot->segment > walk->segment[block]) return "writes a value of a later segment";
        if (slot->last < walk->position[block]) return "writes a value that has lost its memory";
        if (slot->place == PLN_PLACE_ARENA && slot->first > walk->position[block]) return "writes a value before it has memory";
        if (slot->place == PLN_PLACE_ITEM && slot->segment != walk->segment[block]) return "makes a value of another segment";
        if (slot->place != PLN_PLACE_VIEW) break;
        id = slot->index;
    }
    enum pln_place place = program->slots[id].place;
    if (place == PLN_PLACE_ITEM && walk->written[id]) return "makes a value again";
    if (place != PLN_PLACE_ARENA && place != PLN_PLACE_OUTPUT && place != PLN_PLACE_ITEM) return "writes what cannot be written";
    walk->written[id] = true;
    return NULL;
}

static bool is_packed(const struct pln_program *program, const struct pln_slot *slot)
{
    return slot->place == PLN_PLACE_WEIGHT && program->weights[slot->index].pack;
}

/* Row-major in its memory, as host kernels and the outside want it. */
static bool is_dense(const struct pln_slot *slot)
{
    return !slot->strides && !slot->order;
}

static const char *check_inputs(const struct walk *walk, const struct pln_step *step)
{
    const struct pln_program *program = walk->program;
    for (uint32_t i = 0; i < step->n_inputs; i++) {
        uint32_t id = step->inputs[i];
        if (id == PLN_NONE) continue;
        if (id >= program->n_slots) return "reads a value that does not exist";
        const struct pln_slot *slot = &program->slots[id];
        bool parameter = step->kind == PLN_STEP_LAUNCH && slot->space == 0 && (slot->place == PLN_PLACE_SHAPE || slot->place == PLN_PLACE_WEIGHT); /* the engine asks the kernel */
        if (step->kind != PLN_STEP_COPY && slot->space != step->device && !parameter) return "reads a value in another space";
        if (step->kind != PLN_STEP_LAUNCH && is_packed(program, slot)) return "reads a packed weight";
        if (step->kind != PLN_STEP_LAUNCH && step->kind != PLN_STEP_COPY && !is_dense(slot)) return "wants a value in row-major order";
        bool command = step->kind == PLN_STEP_LAUNCH || step->kind == PLN_STEP_COPY || step->device != 0;
        if (command && (slot->kind != PLN_TENSOR || slot->rank < 0 || slot->dtype == PLN_DTYPE_NONE || slot->dtype == PLN_STR)) return "wants a tensor of known rank and fixed size";
        const char *why = use(walk, id);
        if (why) return why;
    }
    return NULL;
}

static const char *check_outputs(const struct walk *walk, const struct pln_step *step, uint32_t block)
{
    const struct pln_program *program = walk->program;
    bool control = step->kind == PLN_STEP_IF || step->kind == PLN_STEP_LOOP;
    for (uint32_t i = 0; i < step->n_outputs; i++) {
        uint32_t id = step->outputs[i];
        if (id == PLN_NONE) continue;
        if (id >= program->n_slots) return "writes a value that does not exist";
        const struct pln_slot *slot = &program->slots[id];
        if (step->kind != PLN_STEP_COPY && slot->space != step->device) return "writes a value in another space";
        bool item = slot->place == PLN_PLACE_ITEM;
        if (control ? !item : item && (step->kind != PLN_STEP_CALL || step->device != 0)) return "makes a value in the wrong place";
        if (step->kind == PLN_STEP_CALL && !is_dense(slot)) return "makes a value that is not in row-major order";
        const char *why = write(walk, block, id);
        if (why) return why;
    }
    return NULL;
}

/* ---- kinds of steps ---- */

static const char *check_copy(const struct walk *walk, const struct pln_step *step)
{
    if (step->n_inputs != 1 || step->n_outputs != 1 || step->inputs[0] >= walk->program->n_slots || step->outputs[0] >= walk->program->n_slots) return "is a copy of other than one value";
    uint32_t from = walk->program->slots[step->inputs[0]].space, to = walk->program->slots[step->outputs[0]].space;
    if ((from && from != step->device) || (to && to != step->device) || (!from && !to && step->device)) return "copies between spaces that its device does not reach";
    return NULL;
}

static const char *check_branch(const struct walk *walk, const struct pln_step *step)
{
    if (step->device != 0 || step->n_inputs != 1 || step->n_blocks != 2 || step->inputs[0] == PLN_NONE) return "is no branch";
    for (uint32_t i = 0; i < 2; i++) {
        const struct pln_program_block *block = &walk->program->blocks[step->blocks[i]];
        if (block->n_inputs != 0 || block->n_outputs < step->n_outputs) return "has other results than its branches";
    }
    return NULL;
}

static const char *check_loop(const struct walk *walk, const struct pln_step *step)
{
    if (step->device != 0 || step->n_inputs < 2 || step->n_blocks != 1) return "is no loop";
    const struct pln_program_block *body = &walk->program->blocks[step->blocks[0]];
    uint32_t n_carried = step->n_inputs - 2;
    if (body->n_inputs != step->n_inputs || body->n_outputs < 1 + n_carried || body->n_outputs - 1 < step->n_outputs) return "has other values than its body";
    for (uint32_t i = 2; i < step->n_inputs; i++)
        if (step->inputs[i] == PLN_NONE) return "leaves out a loop variable";
    return NULL;
}

static const char *check_kind(const struct walk *walk, const struct pln_step *step)
{
    bool control = step->kind == PLN_STEP_IF || step->kind == PLN_STEP_LOOP;
    if (!control && step->n_blocks != 0) return "has bodies";
    for (uint32_t i = 0; i < step->n_blocks; i++) {
        if (step->blocks[i] == 0 || step->blocks[i] >= walk->program->n_blocks) return "has a body that does not exist";
        if (walk->visited[step->blocks[i]] || (i > 0 && step->blocks[i] == step->blocks[0])) return "has a body that is used elsewhere";
    }
    switch (step->kind) {
    case PLN_STEP_LAUNCH: return step->kernel ? NULL : "names no kernel";
    case PLN_STEP_CALL: return NULL;
    case PLN_STEP_COPY: return check_copy(walk, step);
    case PLN_STEP_IF: return check_branch(walk, step);
    case PLN_STEP_LOOP: return check_loop(walk, step);
    case PLN_STEP_KIND_COUNT: break;
    }
    return "has no kind";
}

static const char *check_op(const struct pln_step *step)
{
    if (step->kind == PLN_STEP_COPY) return step->op == PLN_OP_NONE && step->op_kind == 0 ? NULL : "is a copy and an op";
    if (step->op == PLN_OP_NONE || step->op >= PLN_OP_COUNT) return "has no op";
    if ((step->kind == PLN_STEP_IF) != (step->op == PLN_OP_IF) || (step->kind == PLN_STEP_LOOP) != (step->op == PLN_OP_LOOP)) return "has an op that does not fit its kind";
    if (pln_op_kinds(step->op) ? !pln_op_kind_name(step->op, step->op_kind) : step->op_kind != 0) return "has an unknown sub-kind";
    for (size_t i = 0; i < step->attrs.count; i++) {
        const struct pln_attr *attr = &step->attrs.items[i];
        if (!attr->name || attr->kind < PLN_ATTR_INT || attr->kind > PLN_ATTR_TENSOR || attr->n < 0) return "has a damaged attribute";
        if (i > 0 && strcmp(step->attrs.items[i - 1].name, attr->name) >= 0) return "has attributes out of order";
    }
    return NULL;
}

static const char *check_counts(const struct walk *walk, const struct pln_step *step)
{
    if (step->n_inputs > PLN_PROGRAM_MAX_OPERANDS || step->n_outputs > PLN_PROGRAM_MAX_OPERANDS) return "has too many operands";
    if (step->device > walk->program->n_devices) return "is of no device";
    if (step->code > walk->program->n_codes || (step->code && step->device == 0)) return "has code that does not exist";
    for (uint32_t i = 0; i < step->n_origins; i++)
        if (step->origins[i] >= walk->program->n_origins) return "comes from a node that does not exist";
    return NULL;
}

/* ---- the walk ---- */

static enum pln_status walk_block(struct walk *walk, uint32_t block);

static enum pln_status walk_step(struct walk *walk, uint32_t block, uint32_t id)
{
    const struct pln_step *step = &walk->program->steps[id];
    walk->step = id;
    const char *why = check_counts(walk, step);
    if (!why) why = check_op(step);
    if (!why) why = check_kind(walk, step);
    if (!why) why = check_inputs(walk, step);
    if (why) return bad(walk, why);
    for (uint32_t i = 0; i < step->n_blocks; i++) PLN_TRY(walk_block(walk, step->blocks[i]));
    walk->step = id;
    why = check_outputs(walk, step, block);
    return why ? bad(walk, why) : PLN_OK;
}

/* A view is resolved when its segment begins: what it shows must be there by then. Slots that the same segment defines are resolved in the order of
 * their numbers, and a view's number is larger than its base's. */
static enum pln_status check_views(const struct walk *walk, uint32_t block, uint32_t segment)
{
    const struct pln_program *program = walk->program;
    for (uint32_t id = walk->defined[block][segment]; id != PLN_NONE; id = walk->next_defined[id]) {
        if (program->slots[id].place != PLN_PLACE_VIEW) continue;
        const struct pln_slot *base = &program->slots[program->slots[id].index];
        const char *why = NULL;
        if (base->place == PLN_PLACE_WEIGHT) continue;
        if (!walk->open[base->block]) why = "is a view of a value of a block that is not at work";
        else if (base->segment != PLN_NONE && base->segment > walk->segment[base->block]) why = "is a view of a value of a later segment";
        else if (base->place == PLN_PLACE_ITEM && !walk->written[program->slots[id].index]) why = "is a view of a value that is not made yet";
        if (why) return pln_program_bad(walk->check, "value", id, why);
    }
    return PLN_OK;
}

/* What leaves a block: on the host, row-major or owned, plain, and alive at its end. */
static enum pln_status check_results(const struct walk *walk, uint32_t block)
{
    const struct pln_program *program = walk->program;
    const struct pln_program_block *own = &program->blocks[block];
    for (uint32_t i = 0; i < own->n_outputs; i++) {
        const struct pln_slot *slot = &program->slots[own->outputs[i]];
        if ((slot->space != 0 && !(block == 0 && slot->place == PLN_PLACE_OUTPUT)) || is_packed(program, slot)) return bad(walk, "result is not a value on the host");
        const char *why = use(walk, own->outputs[i]);
        if (why) return bad(walk, why);
    }
    for (uint32_t i = 0; i < program->n_taps; i++) {
        const struct pln_slot *slot = &program->slots[program->taps[i]];
        if (slot->block != block) continue;
        const char *why = is_packed(program, slot) ? "tap is of a packed weight" : use(walk, program->taps[i]);
        if (why) return bad(walk, why);
    }
    return PLN_OK;
}

static enum pln_status walk_block(struct walk *walk, uint32_t block)
{
    const struct pln_program_block *own = &walk->program->blocks[block];
    if (walk->depth >= PLN_PROGRAM_MAX_DEPTH) return bad(walk, "has bodies that are nested too deeply");
    if (walk->visited[block]) return bad(walk, "has a body that is used elsewhere");
    walk->visited[block] = walk->open[block] = true;
    walk->n_visited++;
    walk->depth++;
    for (uint32_t s = 0; s < own->n_segments; s++) {
        walk->segment[block] = s;
        walk->position[block] = own->segments[s].first;
        PLN_TRY(check_views(walk, block, s));
        for (uint32_t i = 0; i < own->segments[s].count; i++) {
            walk->position[block] = own->segments[s].first + i;
            PLN_TRY(walk_step(walk, block, own->steps[own->segments[s].first + i]));
        }
    }
    walk->step = PLN_NONE;
    walk->position[block] = PLN_NONE;
    PLN_TRY(check_results(walk, block));
    walk->open[block] = false;
    walk->depth--;
    return PLN_OK;
}

static enum pln_status list_defined(struct walk *walk)
{
    const struct pln_program *program = walk->program;
    struct pln_arena *arena = &walk->check->arena;
    for (uint32_t b = 0; b < program->n_blocks; b++) {
        size_t bytes = program->blocks[b].n_segments * sizeof(uint32_t);
        walk->defined[b] = pln_arena_alloc(arena, bytes);
        if (!walk->defined[b]) return pln_fail_memory(walk->check->diag, "verification", bytes);
        memset(walk->defined[b], 0xff, bytes);
    }
    for (uint32_t i = program->n_slots; i-- > 0;) {
        const struct pln_slot *slot = &program->slots[i];
        if (slot->segment == PLN_NONE) continue;
        walk->next_defined[i] = walk->defined[slot->block][slot->segment];
        walk->defined[slot->block][slot->segment] = i;
    }
    return PLN_OK;
}

enum pln_status pln_program_check_steps(struct pln_program_check *check)
{
    const struct pln_program *program = check->program;
    struct pln_arena *arena = &check->arena;
    const size_t n_blocks = program->n_blocks, n_slots = program->n_slots + (size_t)1;
    struct walk walk = { .check = check, .program = program, .step = PLN_NONE };
    walk.position = pln_arena_array(arena, n_blocks, sizeof *walk.position);
    walk.segment = pln_arena_array(arena, n_blocks, sizeof *walk.segment);
    walk.open = pln_arena_array(arena, n_blocks, sizeof *walk.open);
    walk.visited = pln_arena_array(arena, n_blocks, sizeof *walk.visited);
    walk.defined = pln_arena_array(arena, n_blocks, sizeof *walk.defined);
    walk.written = pln_arena_array(arena, n_slots, sizeof *walk.written);
    walk.next_defined = pln_arena_array(arena, n_slots, sizeof *walk.next_defined);
    if (!walk.position || !walk.segment || !walk.open || !walk.visited || !walk.defined || !walk.written || !walk.next_defined)
        return pln_fail_memory(check->diag, "verification", n_slots * sizeof *walk.next_defined);
    PLN_TRY(list_defined(&walk));
    PLN_TRY(walk_block(&walk, 0));
    if (walk.n_visited != program->n_blocks) return pln_fail(check->diag, PLN_BAD_PLAN, "the plan is not sound: %u of its blocks belong to no step", program->n_blocks - walk.n_visited);
    return PLN_OK;
}
