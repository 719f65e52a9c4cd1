/* Steps: how each node is carried out. */
#include "lower/state.h"

enum pln_status pln_lower_add_step(struct pln_lower *lower, const struct pln_step *step, uint32_t *out_position)
{
    struct pln_program *program = lower->program;
    struct pln_lower_block *block = &lower->blocks[lower->block];
    if (!pln_arena_grow(lower->arena, (void **)&program->steps, &lower->steps_capacity, program->n_steps + 1u, sizeof *program->steps) ||
        !pln_arena_grow(lower->arena, (void **)&block->steps, &block->steps_capacity, block->n_steps + 1, sizeof *block->steps))
        return pln_fail_memory(lower->diag, "steps", 0);
    program->steps[program->n_steps] = *step;
    block->steps[block->n_steps] = program->n_steps++;
    if (out_position) *out_position = (uint32_t)block->n_steps;
    block->n_steps++;
    return PLN_OK;
}

enum pln_status pln_lower_end_segment(struct pln_lower *lower, enum pln_segment_end end)
{
    struct pln_lower_block *block = &lower->blocks[lower->block];
    uint32_t count = (uint32_t)block->n_steps - block->segment_first;
    if (count == 0 && end == PLN_END_NEXT) return PLN_OK;
    if (!pln_arena_grow(lower->arena, (void **)&block->segments, &block->segments_capacity, block->n_segments + 1, sizeof *block->segments))
        return pln_fail_memory(lower->diag, "segments", 0);
    block->segments[block->n_segments++] = (struct pln_segment){ .first = block->segment_first, .count = count, .end = end };
    block->segment_first = (uint32_t)block->n_steps;
    return PLN_OK;
}

static uint32_t *one_id(struct pln_lower *lower, uint32_t id)
{
    return pln_arena_copy(lower->arena, &id, sizeof id);
}

enum pln_status pln_lower_copy(struct pln_lower *lower, uint32_t from, uint32_t to)
{
    const struct pln_slot *slots = lower->program->slots;
    struct pln_step step = { .kind = PLN_STEP_COPY, .device = slots[from].space | slots[to].space, .n_inputs = 1, .n_outputs = 1 };
    if (step.device != 0) PLN_TRY(pln_lower_copy_code(lower, &slots[from], &step.code));
    step.inputs = one_id(lower, from);
    step.outputs = one_id(lower, to);
    if (!step.inputs || !step.outputs) return pln_fail_memory(lower->diag, "steps", 0);
    return pln_lower_add_step(lower, &step, NULL);
}

/* ---- views ---- */

bool pln_lower_strides(struct pln_lower *lower, uint32_t slot_id, struct pln_dim *out_strides)
{
    struct pln_dim_table *dims = &lower->graph->dims;
    const struct pln_slot *slot = &lower->program->slots[slot_id];
    struct pln_dim stride = pln_dim_const(dims, 1);
    for (int i = slot->rank - 1; i >= 0; i--) {
        int d = slot->order ? slot->order[i] : i;
        out_strides[d] = slot->strides ? (struct pln_dim){ slot->strides[d] } : stride;
        stride = pln_dim_mul(dims, stride, (struct pln_dim){ slot->dims[d] });
    }
    return !dims->failed;
}

enum pln_status pln_lower_view(struct pln_lower *lower, uint32_t value, uint32_t base, struct pln_dim offset, const struct pln_dim *strides)
{
    uint32_t space = lower->program->slots[base].space;
    uint32_t slot = pln_lower_new_slot(lower, value, PLN_PLACE_VIEW, space);
    if (slot == PLN_NONE) return pln_fail_memory(lower->diag, "slots", 0);
    struct pln_slot *made = &lower->program->slots[slot];
    made->index = base;
    made->offset = pln_dim_resolve(&lower->graph->dims, offset).id;
    if (strides) {
        made->strides = pln_arena_array(lower->arena, (size_t)made->rank + 1, sizeof *made->strides);
        if (!made->strides) return pln_fail_memory(lower->diag, "slots", 0);
        for (int i = 0; i < made->rank; i++) made->strides[i] = pln_dim_resolve(&lower->graph->dims, strides[i]).id;
    }
    lower->made[space][value] = slot;
    return PLN_OK;
}

/* The space in which a value is at hand; the device wins when it is in both. */
static uint32_t space_of(const struct pln_lower *lower, uint32_t value)
{
    return lower->made[1][value] != PLN_NONE ? 1 : 0;
}

/* A view with strides of its own; one of dense memory in the same order needs none. *out_done false: there is no such view. */
static enum pln_status try_strided(struct pln_lower *lower, uint32_t node_id, const struct pln_op_def *def, uint32_t space, bool *out_done)
{
    const struct pln_node *node = pln_graph_node(lower->graph, node_id);
    uint32_t from = node->inputs[0], to = node->outputs[0], base;
    struct pln_dim in_strides[PLN_MAX_RANK], out_strides[PLN_MAX_RANK], offset = pln_dim_const(&lower->graph->dims, 0);
    PLN_TRY(pln_lower_need(lower, from, space, true, &base));
    if (pln_lower_slot_is_state(lower, base)) PLN_TRY(pln_lower_need(lower, from, space, false, &base));
    if ((def->traits & PLN_TRAIT_VIEW) && pln_lower_slot_dense(lower, base)) return PLN_OK;
    if (!pln_lower_strides(lower, base, in_strides)) return pln_fail_memory(lower->diag, "extents", 0);
    if (!def->view(lower->graph, node_id, in_strides, &offset, out_strides)) return PLN_OK;
    if (!pln_lower_dim_bound(lower, offset)) return PLN_OK;
    for (int i = 0; i < pln_graph_value(lower->graph, to)->type.rank; i++)
        if (!pln_lower_dim_bound(lower, out_strides[i])) return PLN_OK;
    *out_done = true;
    return pln_lower_view(lower, to, base, offset, out_strides);
}

/* *out_done false: the node is no view, or cannot be one here. */
static enum pln_status try_view(struct pln_lower *lower, uint32_t node_id, const struct pln_op_def *def, bool *out_done)
{
    *out_done = false;
    const struct pln_node *node = pln_graph_node(lower->graph, node_id);
    if (lower->options->oracle || !(def->traits & (PLN_TRAIT_VIEW | PLN_TRAIT_PERMUTE)) || node->n_inputs == 0 || node->inputs[0] == PLN_NONE) return PLN_OK;
    uint32_t from = node->inputs[0], to = node->outputs[0];
    if (to == PLN_NONE || !pln_lower_is_planned(lower, to) || !pln_lower_is_planned(lower, from)) return PLN_OK;
    if (pln_graph_value(lower->graph, from)->type.dtype != pln_graph_value(lower->graph, to)->type.dtype || pln_dtype_bits(pln_graph_value(lower->graph, from)->type.dtype) < 8) return PLN_OK;
    uint32_t space = space_of(lower, from), base;
    if (def->view) PLN_TRY(try_strided(lower, node_id, def, space, out_done));
    if (*out_done || !(def->traits & PLN_TRAIT_VIEW)) return PLN_OK;
    PLN_TRY(pln_lower_need(lower, from, space, false, &base));
    *out_done = true;
    return pln_lower_view(lower, to, base, pln_dim_const(&lower->graph->dims, 0), NULL);
}

/* ---- kernels and calls ---- */

static void copy_origins(const struct pln_node *node, struct pln_step *step)
{
    step->origins = node->origins;
    step->n_origins = node->n_origins;
}

static uint32_t random_bit(struct pln_lower *lower)
{
    lower->random = lower->random * 6364136223846793005ull + 1442695040888963407ull; /* Knuth's MMIX generator */
    return (uint32_t)(lower->random >> 63);
}

static bool all_planned(struct pln_lower *lower, const struct pln_node *node)
{
    for (uint32_t i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] != PLN_NONE && !pln_lower_is_planned(lower, node->outputs[i])) return false;
    return true;
}

static bool inputs_planned(struct pln_lower *lower, const struct pln_node *node)
{
    for (uint32_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != PLN_NONE && !pln_lower_is_planned(lower, node->inputs[i])) return false;
    return true;
}

static bool is_image_of(const struct pln_lower *lower, uint32_t node_id, uint32_t value)
{
    uint32_t image = pln_graph_node(lower->graph, node_id)->inputs[0];
    return pln_graph_value(lower->graph, value)->type.rank == pln_graph_value(lower->graph, image)->type.rank;
}

static enum pln_status operand_slots(struct pln_lower *lower, uint32_t node_id, uint32_t space, const struct pln_kernel *kernel, struct pln_step *step)
{
    uint32_t n = pln_graph_node(lower->graph, node_id)->n_inputs;
    step->inputs = pln_arena_array(lower->arena, n + 1u, sizeof *step->inputs);
    step->n_inputs = n;
    if (!step->inputs) return pln_fail_memory(lower->diag, "steps", 0);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t value = pln_graph_node(lower->graph, node_id)->inputs[i];
        step->inputs[i] = PLN_NONE;
        if (value == PLN_NONE) continue;
        if (kernel && pln_kernel_family_packs(kernel->family, (int)i) && pln_graph_value(lower->graph, value)->data) {
            uint32_t weight, slot = pln_lower_new_slot(lower, value, PLN_PLACE_WEIGHT, space);
            if (slot == PLN_NONE) return pln_fail_memory(lower->diag, "slots", 0);
            PLN_TRY(pln_lower_weight(lower, value, kernel->family->pack(kernel), &weight));
            lower->program->slots[slot].index = weight;
            lower->program->slots[slot].segment = PLN_NONE;
            step->inputs[i] = slot;
            continue;
        }
        if (kernel && i < 32 && (kernel->family->host_inputs >> i & 1)) {
            PLN_TRY(pln_lower_need(lower, value, 0, false, &step->inputs[i]));
            continue;
        }
        /* Of a convolution's or pool's operands the image and what the epilogue adds to the output; weight and bias are 1 and 2. What has fewer dims is no
         * image: its channels are elsewhere. */
        if (kernel && (kernel->flags & PLN_KERNEL_CHANNELS_LAST) && (i == 0 || (i > 2 && is_image_of(lower, node_id, value)))) {
            if (i == 0 && (kernel->flags & PLN_KERNEL_ANY_IMAGE)) PLN_TRY(pln_lower_need(lower, value, space, true, &step->inputs[i]));
            else PLN_TRY(pln_lower_need_last(lower, value, space, (kernel->flags & PLN_KERNEL_WIDE_PIXELS) != 0, &step->inputs[i]));
            continue;
        }
        bool any = kernel && (kernel->flags & PLN_KERNEL_STRIDED_IN), rows = kernel && (kernel->flags & PLN_KERNEL_ROW_STRIDED_IN);
        PLN_TRY(pln_lower_need(lower, value, space, any || rows, &step->inputs[i]));
        if (rows && !any && !pln_lower_slot_rows_dense(lower, step->inputs[i])) PLN_TRY(pln_lower_need(lower, value, space, false, &step->inputs[i]));
    }
    return PLN_OK;
}

/* A row program that has no row to reduce, whose last axis is as good as any other. */
static bool is_pointwise(struct pln_lower *lower, const struct pln_step *step)
{
    const struct pln_attr *attr = pln_attrs_find(&step->attrs, "program");
    struct pln_rowprog program;
    if (!attr) return true;
    if (attr->kind != PLN_ATTR_STRING || pln_rowprog_read(attr->u.s.data, attr->u.s.size_bytes, lower->diag, &program) != PLN_OK) return false;
    for (int i = 0; i < program.n_instrs; i++)
        if (program.instrs[i].code == PLN_ROWPROG_REDUCE) return false;
    return true;
}

/* Elementwise results keep the order of an image that comes in channels last, as do those of rows that say so. */
static bool follows_last(struct pln_lower *lower, const struct pln_kernel *kernel, const struct pln_step *step, int rank)
{
    if (!(kernel->flags & PLN_KERNEL_STRIDED_IN) || !(kernel->flags & PLN_KERNEL_STRIDED_OUT)) return false;
    if (!(pln_op_get(step->op)->traits & PLN_TRAIT_ELEMENTWISE) && !((kernel->flags & PLN_KERNEL_KEEPS_ORDER) && is_pointwise(lower, step))) return false;
    for (uint32_t i = 0; i < step->n_inputs; i++) {
        const struct pln_slot *in = step->inputs[i] == PLN_NONE ? NULL : &lower->program->slots[step->inputs[i]];
        if (in && in->order && in->rank == rank) return true;
    }
    return false;
}

/* The slot of output i, planned, that a kernel makes. */
static enum pln_status kernel_output(struct pln_lower *lower, uint32_t value, uint32_t i, uint32_t space, const struct pln_kernel *kernel, const struct pln_step *step)
{
    const uint32_t state = lower->block == 0 && space == (lower->device_memory ? 1u : 0u) && (kernel->flags & PLN_KERNEL_STRIDED_OUT) ? pln_lower_state_output(lower, value) : PLN_NONE;
    const bool images = (kernel->flags & PLN_KERNEL_CHANNELS_LAST) && i == 0;
    const bool last = images || (state == PLN_NONE && follows_last(lower, kernel, step, pln_graph_value(lower->graph, value)->type.rank));
    uint32_t slot = kernel->flags & PLN_KERNEL_OVERLAP ? pln_lower_join_slot(lower, value) : PLN_NONE;
    bool done = false;
    if (slot == PLN_NONE && state == PLN_NONE && space == 0) PLN_TRY(pln_lower_join(lower, value, kernel, last, &done));
    if (done) return PLN_OK;
    if (slot == PLN_NONE) {
        slot = pln_lower_new_slot(lower, value, state != PLN_NONE ? PLN_PLACE_OUTPUT : PLN_PLACE_ARENA, space);
        if (slot == PLN_NONE || (last && !pln_lower_order_last(lower, slot))) return pln_fail_memory(lower->diag, "slots", 0);
        if (state != PLN_NONE) lower->program->slots[slot].index = state;
    }
    lower->made[space][value] = slot;
    return PLN_OK;
}

static enum pln_status output_slots(struct pln_lower *lower, uint32_t node_id, uint32_t space, bool planned, const struct pln_kernel *kernel, struct pln_step *step)
{
    uint32_t n = pln_graph_node(lower->graph, node_id)->n_outputs;
    step->outputs = pln_arena_array(lower->arena, n + 1u, sizeof *step->outputs);
    step->n_outputs = n;
    if (!step->outputs) return pln_fail_memory(lower->diag, "steps", 0);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t value = pln_graph_node(lower->graph, node_id)->outputs[i];
        step->outputs[i] = PLN_NONE;
        if (value == PLN_NONE) continue;
        if (planned && kernel) {
            PLN_TRY(kernel_output(lower, value, i, space, kernel, step));
        } else {
            lower->made[space][value] = pln_lower_new_slot(lower, value, planned ? PLN_PLACE_ARENA : PLN_PLACE_ITEM, space);
            if (lower->made[space][value] == PLN_NONE) return pln_fail_memory(lower->diag, "slots", 0);
        }
        step->outputs[i] = lower->made[space][value];
    }
    return PLN_OK;
}

static enum pln_status lower_plain(struct pln_lower *lower, uint32_t node_id, const struct pln_op_def *def)
{
    const struct pln_node *node = pln_graph_node(lower->graph, node_id);
    bool planned = !lower->options->oracle && !(def->traits & (PLN_TRAIT_DATA_SHAPE | PLN_TRAIT_HOST)) && all_planned(lower, node);
    uint32_t space = 0, code = 0;
    const struct pln_kernel *kernel = NULL;
    if (planned && lower->device_memory && inputs_planned(lower, node) && (lower->options->placement_seed == 0 || random_bit(lower))) {
        PLN_TRY(pln_lower_choose(lower, node_id, false, &kernel, &code));
        if (kernel || lower->options->backend->runs_calls) space = 1;
    }
    if (planned && space == 0) PLN_TRY(pln_lower_choose(lower, node_id, true, &kernel, &code));
    struct pln_step step = { .kind = kernel ? PLN_STEP_LAUNCH : PLN_STEP_CALL, .op = node->op, .op_kind = node->kind, .device = space, .kernel = kernel ? kernel->name : NULL, .code = code, .attrs = node->attrs };
    copy_origins(node, &step);
    PLN_TRY(operand_slots(lower, node_id, space, kernel, &step));
    PLN_TRY(output_slots(lower, node_id, space, planned, kernel, &step));
    PLN_TRY(pln_lower_add_step(lower, &step, NULL));
    if (kernel && space == 0) lower->program->needs |= kernel->needs; /* a device compares its own when it is opened */
    if (planned) return PLN_OK;
    PLN_TRY(pln_lower_end_segment(lower, PLN_END_READBACK));
    for (uint32_t i = 0; i < step.n_outputs; i++)
        if (step.outputs[i] != PLN_NONE) PLN_TRY(pln_lower_bind(lower, step.outputs[i]));
    return PLN_OK;
}

static enum pln_status lower_control(struct pln_lower *lower, uint32_t node_id)
{
    const struct pln_node *node = pln_graph_node(lower->graph, node_id);
    struct pln_step step = { .op = node->op, .op_kind = node->kind, .attrs = node->attrs, .kind = node->op == PLN_OP_IF ? PLN_STEP_IF : PLN_STEP_LOOP };
    copy_origins(node, &step);
    PLN_TRY(operand_slots(lower, node_id, 0, NULL, &step));
    PLN_TRY(pln_lower_end_segment(lower, PLN_END_NEXT));
    uint32_t n_blocks = pln_graph_node(lower->graph, node_id)->n_blocks;
    step.blocks = pln_arena_array(lower->arena, n_blocks + 1u, sizeof *step.blocks);
    step.n_blocks = n_blocks;
    if (!step.blocks) return pln_fail_memory(lower->diag, "blocks", 0);
    uint32_t position = (uint32_t)lower->blocks[lower->block].n_steps;
    for (uint32_t i = 0; i < n_blocks; i++) PLN_TRY(pln_lower_block_of(lower, pln_graph_node(lower->graph, node_id)->blocks[i], position, &step.blocks[i]));
    PLN_TRY(output_slots(lower, node_id, 0, false, NULL, &step));
    PLN_TRY(pln_lower_add_step(lower, &step, NULL));
    PLN_TRY(pln_lower_end_segment(lower, step.kind == PLN_STEP_IF ? PLN_END_BRANCH : PLN_END_LOOP));
    for (uint32_t i = 0; i < step.n_outputs; i++)
        if (step.outputs[i] != PLN_NONE) PLN_TRY(pln_lower_bind(lower, step.outputs[i]));
    return PLN_OK;
}

/* Nodes whose results the shape program has, or nobody asks for. */
static bool needs_no_step(struct pln_lower *lower, const struct pln_node *node)
{
    if (lower->options->oracle) return false;
    for (uint32_t i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] == PLN_NONE) continue;
        const struct pln_value *value = pln_graph_value(lower->graph, node->outputs[i]);
        if (!value->data && !pln_lower_is_shape_value(lower, node->outputs[i])) return false;
    }
    return true;
}

enum pln_status pln_lower_node(struct pln_lower *lower, uint32_t node_id)
{
    const struct pln_node *node = pln_graph_node(lower->graph, node_id);
    const struct pln_op_def *def = pln_op_get(node->op);
    if (def->traits & PLN_TRAIT_CONTROL) return lower_control(lower, node_id);
    if (needs_no_step(lower, node)) return PLN_OK;
    bool done;
    PLN_TRY(pln_lower_joined(lower, node_id, &done));
    if (!done) PLN_TRY(try_view(lower, node_id, def, &done));
    return done ? PLN_OK : lower_plain(lower, node_id, def);
}
