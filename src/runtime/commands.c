/* Commands of a segment's steps: operands set, checked, and prepared by their kernels. */
#include "runtime/resolve.h"

static bool operands_changed(const struct pln_context *context, const struct pln_segment_state *state, uint32_t i)
{
    for (uint32_t k = i == 0 ? 0 : state->operands_end[i - 1]; k < state->operands_end[i]; k++)
        if (state->operands[k] != PLN_NONE && state->versions[k].any != context->versions[state->operands[k]].any) return true;
    return false;
}

/* Sets the tensors of the operands that have changed, or all of them. *out_retyped: the type or the rank of one is another than before. */
static enum pln_status fill_operands(struct pln_context *context, struct pln_segment_state *state, uint32_t i, bool all, bool *out_retyped)
{
    *out_retyped = false;
    const uint32_t first = i == 0 ? 0 : state->operands_end[i - 1];
    for (uint32_t k = first; k < state->operands_end[i]; k++) {
        const uint32_t slot = state->operands[k];
        struct pln_tensor *tensor = (struct pln_tensor *)(uintptr_t)&state->launches[i].inputs[k - first];
        if (slot == PLN_NONE) {
            if (all) tensor->dtype = PLN_DTYPE_NONE;
            continue;
        }
        const struct pln_version now = context->versions[slot];
        if (!all && state->versions[k].any == now.any) continue;
        const struct pln_item *item = context->slots[slot].item;
        if (!item || item->kind != PLN_TENSOR) {
            return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': '%s' must be a tensor", pln_op_name(state->launches[i].op), context->engine->program->slots[slot].name);
        }
        *out_retyped = *out_retyped || tensor->dtype != item->tensor.dtype || tensor->rank != item->tensor.rank;
        if (all || state->versions[k].layout != now.layout) pln_tensor_set(tensor, &item->tensor);
        else memcpy(tensor->dims, item->tensor.dims, (size_t)tensor->rank * sizeof(int64_t));
        state->versions[k] = now;
    }
    return PLN_OK;
}

bool pln_tensor_memory(const struct pln_tensor *tensor, uintptr_t *out_first, uintptr_t *out_last)
{
    int64_t first, last;
    if (!tensor || tensor->dtype == PLN_DTYPE_NONE || !tensor->data || !pln_tensor_reach(tensor, &first, &last) || last < first) return false;
    int64_t bits = pln_dtype_bits(tensor->dtype);
    *out_first = (uintptr_t)tensor->data + (uintptr_t)(first * bits / 8);
    *out_last = (uintptr_t)tensor->data + (uintptr_t)(((last + 1) * bits + 7) / 8);
    return true;
}

/* Bytes of each of the pieces that lie whole periods apart and make up the tensor; 0: there are none such. Strides are not negative. */
static int64_t piece_bytes(const struct pln_tensor *tensor, int64_t period)
{
    const int64_t bytes = pln_dtype_bits(tensor->dtype) / 8;
    int64_t piece = bytes;
    for (int d = 0; d < tensor->rank; d++) {
        int64_t stride, reach;
        if (tensor->dims[d] <= 1) continue;
        if (tensor->strides[d] < 0 || !pln_mul_i64(tensor->strides[d], bytes, &stride)) return 0;
        if (stride % period == 0) continue;
        if (!pln_mul_i64(tensor->dims[d] - 1, stride, &reach) || !pln_add_i64(piece, reach, &piece)) return 0;
    }
    return piece <= period ? piece : 0;
}

/* Parts of one larger tensor, of other channels or rows: both are pieces that lie the same period apart, those of one between those of the other. */
static bool are_interleaved(const struct pln_tensor *a, const struct pln_tensor *b)
{
    if (pln_dtype_bits(a->dtype) < 8 || pln_dtype_bits(b->dtype) < 8) return false;
    for (int d = 0; d < a->rank; d++) {
        int64_t period;
        if (a->dims[d] <= 1 || a->strides[d] <= 0 || !pln_mul_i64(a->strides[d], pln_dtype_bits(a->dtype) / 8, &period)) continue;
        const int64_t piece = piece_bytes(a, period), other = piece_bytes(b, period);
        int64_t apart = ((intptr_t)b->data - (intptr_t)a->data) % period;
        if (apart < 0) apart += period;
        if (piece > 0 && other > 0 && apart >= piece && apart <= period - other) return true;
    }
    return false;
}

bool pln_tensors_overlap(const struct pln_tensor *a, const struct pln_tensor *b)
{
    uintptr_t first, last, other_first, other_last;
    if (!pln_tensor_memory(a, &first, &last) || !pln_tensor_memory(b, &other_first, &other_last) || other_first >= last || first >= other_last) return false;
    return !are_interleaved(a, b);
}

static enum pln_status fail_apart(struct pln_context *context, uint32_t slot, uint32_t other)
{
    const struct pln_slot *slots = context->engine->program->slots;
    return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s' and '%s' overlap in memory", slots[slot].name, slots[other].name);
}

static const struct pln_tensor *tensor_of(const struct pln_context *context, uint32_t slot)
{
    const struct pln_item *item = slot == PLN_NONE ? NULL : context->slots[slot].item;
    return item && item->kind == PLN_TENSOR ? &item->tensor : NULL;
}

enum pln_status pln_exec_apart(struct pln_context *context, const struct pln_step *step)
{
    const struct pln_slot *slots = context->engine->program->slots;
    for (uint32_t o = 0; o < step->n_outputs; o++) {
        if (step->outputs[o] == PLN_NONE || slots[step->outputs[o]].place == PLN_PLACE_ITEM) continue;
        for (uint32_t i = 0; i < step->n_inputs + o; i++) {
            uint32_t other = i < step->n_inputs ? step->inputs[i] : step->outputs[i - step->n_inputs];
            if (pln_tensors_overlap(tensor_of(context, step->outputs[o]), tensor_of(context, other))) return fail_apart(context, step->outputs[o], other);
        }
    }
    return PLN_OK;
}

static bool same_strides(const struct pln_tensor *input, const struct pln_tensor *output)
{
    bool same = input->rank == output->rank;
    for (int d = 0; same && d < input->rank; d++) same = input->dims[d] <= 1 || input->strides[d] == output->strides[d];
    return same;
}

/* The same for a command, whose tensors are at hand. A row that leaves elements alone where they are already may have them there: in a view that the
 * plan has made of the output, or, bound by the caller, from its first element on. */
static enum pln_status check_apart(struct pln_context *context, const struct pln_segment_state *state, uint32_t position)
{
    const struct pln_slot *slots = context->engine->program->slots;
    const struct pln_launch *launch = &state->launches[position];
    const struct pln_kernel *kernel = context->engine->steps[state->flow[position].step].kernel;
    const uint32_t *operands = &state->operands[position == 0 ? 0 : state->operands_end[position - 1]];
    const bool may_overlap = kernel && (kernel->flags & PLN_KERNEL_OVERLAP);
    for (int o = launch->n_inputs; o < launch->n_inputs + launch->n_outputs; o++)
        for (int i = 0; i < o; i++) {
            const struct pln_tensor *input = &launch->inputs[i], *output = &launch->inputs[o];
            if (!pln_tensors_overlap(output, input)) continue;
            const bool there = input->data == output->data || (operands[i] != PLN_NONE && slots[operands[i]].place == PLN_PLACE_VIEW);
            if (!may_overlap || i >= launch->n_inputs || !there || !same_strides(input, output)) return fail_apart(context, operands[o], operands[i]);
        }
    return PLN_OK;
}

/* What a row does not say it takes never reaches it. */
static enum pln_status check_strides(struct pln_context *context, const struct pln_kernel *kernel, const struct pln_launch *launch, const struct pln_step *step)
{
    const uint32_t any = PLN_KERNEL_STRIDED_IN | PLN_KERNEL_STRIDED_OUT;
    if ((kernel->flags & PLN_KERNEL_CHANNELS_LAST) || (kernel->flags & any) == any) return PLN_OK; /* its own order, which prepare checks; or all */
    for (int i = 0; i < launch->n_inputs + launch->n_outputs; i++) {
        bool output = i >= launch->n_inputs;
        const struct pln_tensor *tensor = output ? &launch->outputs[i - launch->n_inputs] : &launch->inputs[i];
        if (tensor->dtype == PLN_DTYPE_NONE || (kernel->flags & (output ? PLN_KERNEL_STRIDED_OUT : PLN_KERNEL_STRIDED_IN)) || pln_tensor_is_contiguous(tensor)) continue;
        if (!output && (kernel->flags & PLN_KERNEL_ROW_STRIDED_IN) && (tensor->rank == 0 || tensor->dims[tensor->rank - 1] <= 1 || tensor->strides[tensor->rank - 1] == 1)) continue;
        return pln_fail(&context->diag, PLN_BAD_PLAN, "kernel '%s' does not take '%s' with its strides", kernel->name,
                        context->engine->program->slots[output ? step->outputs[i - launch->n_inputs] : step->inputs[i]].name);
    }
    return PLN_OK;
}

/* Kernels need not bother with outputs that are all empty, whose other extents may be of any size. */
static bool makes_nothing(const struct pln_launch *launch)
{
    for (int i = 0; i < launch->n_outputs; i++)
        if (launch->outputs[i].dtype != PLN_DTYPE_NONE && pln_tensor_count(&launch->outputs[i]) != 0) return false;
    return true;
}

/* Of an input that is a packed weight; else 0. */
static size_t packed_bytes(const struct pln_program *program, const struct pln_step *step, int input)
{
    if (input < 0 || (uint32_t)input >= step->n_inputs || step->inputs[input] == PLN_NONE) return 0;
    const struct pln_slot *slot = &program->slots[step->inputs[input]];
    const bool packed = slot->place == PLN_PLACE_WEIGHT && program->weights[slot->index].pack;
    return packed ? program->weights[slot->index].size_bytes : 0;
}

static enum pln_status fill_command(struct pln_context *context, struct pln_segment_state *state, uint32_t position, uint32_t step_id, uint8_t *kernel_state)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_step *step = &program->steps[step_id];
    struct pln_launch *launch = &state->launches[position];
    struct pln_command *command = &state->commands[position];
    bool retyped;
    PLN_TRY(fill_operands(context, state, position, true, &retyped));
    const struct pln_kernel *kernel = context->engine->steps[step_id].kernel;
    PLN_TRY(check_apart(context, state, position));
    *command = (struct pln_command){ .launch = launch, .code = context->engine->steps[step_id].code };
    if (step->kind == PLN_STEP_COPY) {
        command->kind = PLN_COMMAND_COPY;
        command->from = &launch->inputs[0];
        command->to = &launch->outputs[0];
        command->from_host = program->slots[step->inputs[0]].space == 0 && !pln_transfer_in_place(context, step->inputs[0]);
        command->to_host = program->slots[step->outputs[0]].space == 0 && !pln_transfer_in_place(context, step->outputs[0]);
        if (!pln_tensor_same_shape(command->from, command->to) || command->from->dtype != command->to->dtype)
            return pln_fail(&context->diag, PLN_BAD_PLAN, "copy of '%s' changes its shape", program->slots[step->inputs[0]].name);
        return PLN_OK;
    }
    if (step->kind == PLN_STEP_CALL) {
        command->kind = PLN_COMMAND_CALL;
        return PLN_OK;
    }
    const struct pln_kernel_family *family = kernel->family;
    PLN_TRY(check_strides(context, kernel, launch, step));
    launch->packed_bytes = packed_bytes(program, step, family->packed_input);
    launch->second_packed_bytes = family->second_packed_input > 0 ? packed_bytes(program, step, family->second_packed_input) : 0;
    size_t bytes = pln_align_up(family->state_bytes, 64);
    memset(kernel_state, 0, bytes);
    command->kind = PLN_COMMAND_LAUNCH;
    command->kernel = kernel;
    if (makes_nothing(launch)) return PLN_OK; /* no tasks, no state */
    command->state = kernel_state;
    PLN_TRY(pln_kernel_prepare(kernel, launch, kernel_state, &command->prepared, &context->diag));
    return PLN_OK;
}

/* A prepared launch for other extents and places, if its kernel can do that. *out_done false: it must be prepared. */
static enum pln_status update_command(struct pln_context *context, struct pln_segment_state *state, uint32_t position, uint8_t *kernel_state, bool *out_done)
{
    const struct pln_launch *launch = &state->launches[position];
    struct pln_command *command = &state->commands[position];
    const struct pln_step *step = &context->engine->program->steps[state->flow[position].step];
    bool retyped;
    *out_done = false;
    if (command->kind != PLN_COMMAND_LAUNCH || !command->state || !command->kernel->family->update) return PLN_OK;
    PLN_TRY(fill_operands(context, state, position, false, &retyped));
    if (retyped || makes_nothing(launch)) return PLN_OK;
    PLN_TRY(check_apart(context, state, position));
    PLN_TRY(check_strides(context, command->kernel, launch, step));
    *out_done = true;
    return command->kernel->family->update(launch, kernel_state, &command->prepared, &context->diag);
}

static enum pln_status make_command(struct pln_context *context, struct pln_segment_state *state, uint32_t i)
{
    uint8_t *kernel_state = state->states + (size_t)state->state_at[i] * 64;
    bool done = false, update = state->ready[i];
    state->ready[i] = false;
    state->commands_version++;
    if (update) PLN_TRY(update_command(context, state, i, kernel_state, &done));
    if (!done) PLN_TRY(fill_command(context, state, i, state->flow[i].step, kernel_state));
    state->ready[i] = true;
    return PLN_OK;
}

void pln_command_prefetch(const struct pln_segment_state *state, uint32_t i)
{
    const uint8_t *command = (const uint8_t *)&state->commands[i], *kernel_state = state->states + (size_t)state->state_at[i] * 64;
    PLN_PREFETCH(command);
    PLN_PREFETCH(command + sizeof *state->commands - 1);
    PLN_PREFETCH(&state->launches[i]);
    PLN_PREFETCH((const uint8_t *)(&state->launches[i] + 1) - 1);
    for (int line = 0; line < PLN_PREFETCH_STATE_LINES; line++) PLN_PREFETCH(kernel_state + (size_t)line * 64);
}

/* As pln_command_prefetch: the tensors, once the launch has come that tells where they are. */
static void prefetch_tensors(const struct pln_segment_state *state, uint32_t i)
{
    const struct pln_launch *launch = &state->launches[i];
    for (int k = 0; k < launch->n_inputs + launch->n_outputs; k++) {
        PLN_PREFETCH(&launch->inputs[k]);
        PLN_PREFETCH(&launch->inputs[k].dims[3]);
        PLN_PREFETCH(&launch->inputs[k].strides[0]);
        PLN_PREFETCH(&launch->inputs[k].strides[3]);
    }
}

enum pln_status pln_commands_name(struct pln_context *context, const struct pln_segment_state *state, uint32_t position, int before, enum pln_status status)
{
    const uint32_t step = state->flow[position].step;
    pln_diag_name(&context->diag, before, context->engine->steps[step].name, pln_engine_step_op(context->engine, step));
    return status;
}

enum pln_status pln_commands_fill(struct pln_context *context, struct pln_segment_state *state, const uint32_t *positions, uint32_t n_positions)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < n_positions; k++)
        if (!state->ready[positions[k]] || operands_changed(context, state, positions[k])) state->todo[n++] = positions[k];
    for (uint32_t k = 0; k < n && k < 2 * PLN_PREFETCH_AHEAD; k++) pln_command_prefetch(state, state->todo[k]);
    for (uint32_t k = 0; k < n && k < PLN_PREFETCH_AHEAD; k++) prefetch_tensors(state, state->todo[k]);
    for (uint32_t k = 0; k < n; k++) {
        const int before = context->diag.count;
        if (k + 2 * PLN_PREFETCH_AHEAD < n) pln_command_prefetch(state, state->todo[k + 2 * PLN_PREFETCH_AHEAD]);
        if (k + PLN_PREFETCH_AHEAD < n) prefetch_tensors(state, state->todo[k + PLN_PREFETCH_AHEAD]);
        enum pln_status status = make_command(context, state, state->todo[k]);
        if (status != PLN_OK) return pln_commands_name(context, state, state->todo[k], before, status);
    }
    return PLN_OK;
}
