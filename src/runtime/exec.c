/* Executing blocks: segment by segment, step by step. */
#include "base/clock.h"
#include "base/pool.h"
#include "kernel/program_verify.h"
#include "runtime/resolve.h"

/* Commands handed to the host's queue at a time, so that a cancel is seen soon. */
#define BATCH 16

void pln_exec_refresh_dims(struct pln_context *context)
{
    if (!context->dims_stale) return;
    const struct pln_program *program = context->engine->program;
    pln_dim_eval_all(program->dims, program->n_dims, context->symbols, context->dims);
    context->dims_stale = false;
}

void pln_exec_forget_slot(struct pln_context *context, uint32_t slot)
{
    struct pln_slot_state *own = &context->slots[slot];
    if (own->owned) pln_item_release(&context->heap, own->item);
    own->item = NULL;
    own->owned = false;
}

/* Binds dims that are bare unbound symbols, checks the rest. */
static enum pln_status bind_dims(struct pln_context *context, uint32_t slot_id, const struct pln_tensor *tensor, const char *what)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_slot *slot = &program->slots[slot_id];
    if (slot->dtype != PLN_DTYPE_NONE && tensor->dtype != slot->dtype) {
        return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "%s '%s' is %s, not %s", what, slot->name, pln_dtype_name(tensor->dtype), pln_dtype_name(slot->dtype));
    }
    if (slot->rank < 0) return PLN_OK;
    if (tensor->rank != slot->rank) {
        return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "%s '%s' has %d dims, the model wants %d", what, slot->name, tensor->rank, slot->rank);
    }
    for (int i = 0; i < slot->rank; i++) {
        const struct pln_dim_node *node = &program->dims[slot->dims[i]];
        if (node->op == PLN_DIM_SYMBOL && context->symbols[node->a] == PLN_DIM_UNKNOWN) {
            context->symbols[node->a] = tensor->dims[i];
            context->dims_stale = true;
        }
    }
    pln_exec_refresh_dims(context);
    for (int i = 0; i < slot->rank; i++) {
        int64_t want = context->dims[slot->dims[i]];
        if (want == PLN_DIM_UNKNOWN || want == tensor->dims[i]) continue;
        const struct pln_dim_node *node = &program->dims[slot->dims[i]];
        const char *symbol = node->op == PLN_DIM_SYMBOL ? program->symbols[node->a].name : NULL;
        return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "%s '%s': dim %d is %lld, the model wants %lld%s%s%s", what, slot->name, i, (long long)tensor->dims[i], (long long)want,
                        symbol ? " ('" : "", symbol ? symbol : "", symbol ? "', as elsewhere)" : "");
    }
    return PLN_OK;
}

enum pln_status pln_exec_set_item(struct pln_context *context, uint32_t slot_id, struct pln_item *item, const char *what)
{
    const struct pln_slot *slot = &context->engine->program->slots[slot_id];
    pln_exec_forget_slot(context, slot_id);
    /* What an optional holds may stand for the optional itself: a Loop carries both under one name. */
    bool held = slot->kind == PLN_OPTIONAL && item->kind != PLN_OPTIONAL;
    if (item->kind != slot->kind && !held) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "%s '%s' is of another kind (tensor, sequence, …) than the model says", what, slot->name);
    pln_item_retain(item);
    context->slots[slot_id].item = item;
    context->slots[slot_id].owned = true;
    return item->kind == PLN_TENSOR && !held ? bind_dims(context, slot_id, &item->tensor, what) : PLN_OK;
}

enum pln_status pln_exec_item(struct pln_context *context, uint32_t slot, struct pln_item **out_item)
{
    *out_item = context->slots[slot].item;
    if (*out_item) return PLN_OK;
    return pln_fail(&context->diag, PLN_BAD_PLAN, "'%s' is used before it is known", context->engine->program->slots[slot].name);
}

enum pln_status pln_exec_sync(struct pln_context *context)
{
    if (!context->device_pending) return PLN_OK;
    context->device_pending = false;
    enum pln_status status = PLN_OK;
    for (uint32_t i = 1; i < context->engine->n_devices; i++) {
        enum pln_status one = context->engine->devices[i].backend->sync(context->queues[i], &context->diag);
        if (status == PLN_OK) status = one;
    }
    return status;
}

enum pln_status pln_exec_poll(struct pln_context *context, bool *out_idle)
{
    *out_idle = true;
    for (uint32_t i = 1; context->device_pending && i < context->engine->n_devices; i++) {
        const struct pln_backend *backend = context->engine->devices[i].backend;
        bool idle = true;
        if (backend->poll) PLN_TRY(backend->poll(context->queues[i], &context->diag, &idle));
        *out_idle = *out_idle && idle;
    }
    return PLN_OK;
}

/* ---- host calls ---- */

static enum pln_status call_step(struct pln_context *context, uint32_t step_id)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_step *step = &program->steps[step_id];
    pln_arena_reset(&context->scratch);
    const struct pln_item **inputs = pln_arena_array(&context->scratch, step->n_inputs + 1u, sizeof *inputs);
    struct pln_item **outputs = pln_arena_array(&context->scratch, step->n_outputs + 1u, sizeof *outputs);
    const struct pln_tensor **planned = pln_arena_array(&context->scratch, step->n_outputs + 1u, sizeof *planned);
    bool *wanted = pln_arena_array(&context->scratch, step->n_outputs + 1u, sizeof *wanted);
    if (!inputs || !outputs || !planned || !wanted) return pln_fail_memory(&context->diag, "operands", step->n_inputs * sizeof *inputs);
    for (uint32_t i = 0; i < step->n_inputs; i++) {
        if (step->inputs[i] == PLN_NONE) continue;
        struct pln_item *item;
        PLN_TRY(pln_exec_item(context, step->inputs[i], &item));
        inputs[i] = item;
    }
    for (uint32_t i = 0; i < step->n_outputs; i++) {
        wanted[i] = step->outputs[i] != PLN_NONE;
        if (!wanted[i] || program->slots[step->outputs[i]].place == PLN_PLACE_ITEM) continue;
        planned[i] = &context->slots[step->outputs[i]].view.tensor;
    }
    PLN_TRY(pln_exec_apart(context, step));
    struct pln_call call = { .op = step->op, .kind = step->op_kind, .attrs = &step->attrs, .custom = context->engine->steps[step_id].custom, .n_inputs = (int)step->n_inputs, .n_outputs = (int)step->n_outputs, .inputs = inputs,
                             .outputs = outputs, .wanted = wanted, .planned = planned, .heap = &context->heap, .scratch = &context->scratch, .diag = &context->diag };
    if (call.custom) call.pool = context->engine->pool ? context->engine->pool : pln_pool_shared();
    enum pln_status status = pln_ref_kernels[step->op](&call);
    for (uint32_t i = 0; i < step->n_outputs; i++) {
        if (!wanted[i] || planned[i]) continue;
        if (status == PLN_OK && !outputs[i]) status = pln_fail(&context->diag, PLN_INTERNAL, "'%s' gave no output %u", pln_engine_step_op(context->engine, step_id), i);
        if (status == PLN_OK) status = pln_exec_set_item(context, step->outputs[i], outputs[i], "result");
        pln_item_release(&context->heap, outputs[i]);
    }
    return status;
}

/* ---- segments ---- */

static void name_step(struct pln_context *context, uint32_t step_id)
{
    context->diag.node = context->engine->steps[step_id].name;
    context->diag.op = pln_engine_step_op(context->engine, step_id);
    context->diag.node_index = -1;
}

static void forget_dead(struct pln_context *context, uint32_t block, uint32_t position)
{
    struct pln_block_state *state = &context->blocks[block];
    const struct pln_slot *slots = context->engine->program->slots;
    while (state->next_item < state->n_items && slots[state->items[state->next_item]].last <= position) pln_exec_forget_slot(context, state->items[state->next_item++]);
}

static enum pln_status run_one(struct pln_context *context, uint32_t step_id)
{
    const struct pln_step *step = &context->engine->program->steps[step_id];
    PLN_TRY(pln_exec_sync(context));
    switch (step->kind) {
    case PLN_STEP_CALL: return call_step(context, step_id);
    case PLN_STEP_IF: return pln_exec_if(context, step_id);
    case PLN_STEP_LOOP: return pln_exec_loop(context, step_id);
    case PLN_STEP_LAUNCH:
    case PLN_STEP_COPY:
    case PLN_STEP_KIND_COUNT: break;
    }
    return pln_fail(&context->diag, PLN_INTERNAL, "step %u cannot be run alone", step_id);
}

/* Blocks besides the main one may run again and again; what its steps took stays where it was measured. */
static void add_times(struct pln_context *context, const struct pln_segment_state *state, uint32_t n_steps)
{
    for (uint32_t i = 0; i < n_steps; i++) {
        struct pln_step_time *time = &context->step_times[state->flow[i].step];
        time->ns += state->step_ns[i];
        time->count++;
    }
}

static enum pln_status check_cancelled(struct pln_context *context)
{
    return atomic_load_explicit(&context->cancelled, memory_order_relaxed) ? pln_fail(&context->diag, PLN_CANCELLED, "the run was cancelled") : PLN_OK;
}

/* Bodies of If and Loop are part of the step that runs them. Nobody else writes. */
static void count_steps(struct pln_context *context, uint32_t n)
{
    if (context->depth == 1) atomic_store_explicit(&context->steps_done, atomic_load_explicit(&context->steps_done, memory_order_relaxed) + n, memory_order_relaxed);
}

static enum pln_status run_commands(struct pln_context *context, struct pln_segment_state *state, uint32_t device, uint32_t i, uint32_t n)
{
    const int before = context->diag.count;
    const struct pln_backend *backend = context->engine->devices[device].backend;
    enum pln_status status = device == 0 ? pln_exec_sync(context) : PLN_OK;
    if (device != 0) context->device_pending = true;
    if (status == PLN_OK)
        status = backend->submit(context->queues[device], &state->commands[i], n, backend->recording_destroy ? &state->recordings[i] : NULL, state->commands_version, &context->diag);
    if (status == PLN_OK && context->profiling) status = pln_exec_sync(context);
    if (status != PLN_OK) return pln_commands_name(context, state, i, before, status);
    count_steps(context, n);
    return PLN_OK;
}

/* One at a time. Where one ends the next one starts: nothing lies between them but the clock, which is read once. Times are only stored here, as
 * the clock waits for what is being loaded, and between two steps nothing is in the caches. */
static enum pln_status run_timed(struct pln_context *context, struct pln_segment_state *state, const struct pln_span *span)
{
    uint64_t *step_ns = &state->step_ns[span->first];
    const int64_t first = pln_clock_ns();
    int64_t start = first;
    for (uint32_t i = 0; i < span->n; i++) {
        PLN_TRY(check_cancelled(context));
        PLN_TRY(run_commands(context, state, span->device, span->first + i, 1));
        const int64_t end = pln_clock_ns();
        step_ns[i] = (uint64_t)(end - start);
        start = end;
    }
    context->stats.last_kernel_ns += (uint64_t)(start - first);
    return PLN_OK;
}

/* A device is given all at once; the host no more than a cancel may wait for. */
static enum pln_status run_untimed(struct pln_context *context, struct pln_segment_state *state, const struct pln_span *span)
{
    const uint32_t most = span->device == 0 ? BATCH : span->n;
    for (uint32_t i = 0; i < span->n; i += most) {
        PLN_TRY(check_cancelled(context));
        PLN_TRY(run_commands(context, state, span->device, span->first + i, PLN_MIN(most, span->n - i)));
    }
    return PLN_OK;
}

static enum pln_status run_alone(struct pln_context *context, struct pln_segment_state *state, uint32_t position)
{
    const uint32_t step = state->flow[position].step;
    const int64_t start = context->profiling ? pln_clock_ns() : 0;
    PLN_TRY(check_cancelled(context));
    name_step(context, step);
    PLN_TRY(run_one(context, step));
    context->diag.node = context->diag.op = NULL;
    count_steps(context, 1);
    if (!context->profiling) return PLN_OK;
    state->step_ns[position] = (uint64_t)(pln_clock_ns() - start);
    context->stats.last_kernel_ns += state->step_ns[position];
    return PLN_OK;
}

static enum pln_status run_span(struct pln_context *context, struct pln_segment_state *state, const struct pln_span *span)
{
    if (!span->command) return run_alone(context, state, span->first);
    return context->profiling ? run_timed(context, state, span) : run_untimed(context, state, span);
}

static enum pln_status run_segment(struct pln_context *context, uint32_t block, uint32_t segment)
{
    const struct pln_segment *seg = &context->engine->program->blocks[block].segments[segment];
    struct pln_segment_state *state = &context->blocks[block].segments[segment];
    PLN_TRY(pln_exec_resolve(context, block, segment));
    for (uint32_t s = 0; s < state->n_spans; s++) {
        const struct pln_span *span = &state->spans[s];
        PLN_TRY(run_span(context, state, span));
        if (!span->frees) continue;
        PLN_TRY(pln_exec_sync(context)); /* a copy of what is let go may be on its way */
        forget_dead(context, block, seg->first + span->first + span->n - 1);
    }
    if (context->profiling && block != 0) add_times(context, state, seg->count);
    return seg->end == PLN_END_NEXT || context->deferred ? PLN_OK : pln_exec_sync(context);
}

static enum pln_status show_tap(struct pln_context *context, uint32_t slot, const struct pln_tensor *tensor)
{
    struct pln_buffer buffer = { .dtype = tensor->dtype, .rank = tensor->rank, .strides = tensor->strides, .data = tensor->data, .size_bytes = pln_tensor_bytes(tensor) };
    memcpy(buffer.dims, tensor->dims, sizeof buffer.dims);
    const char *name = context->engine->program->slots[slot].name;
    enum pln_status status = PLN_OK;
    const size_t room_bytes = PLN_MAX(buffer.size_bytes, (size_t)1);
    void *copy = NULL;
    /* The caller's memory of the device, which the tap cannot read. A state there is not dense. */
    if (pln_transfer_in_place(context, slot)) {
        if (!pln_tensor_is_contiguous(tensor)) return PLN_OK;
        copy = buffer.data = pln_alloc(&context->alloc, room_bytes, 64);
        if (!copy) return pln_fail_memory(&context->diag, name, room_bytes);
        status = pln_transfer_copy_out(context, tensor, copy);
    }
    if (status == PLN_OK) context->tap(context->tap_user, name, &buffer);
    if (copy) pln_free(&context->alloc, copy, room_bytes);
    return status;
}

static enum pln_status show_taps(struct pln_context *context, uint32_t block)
{
    const struct pln_program *program = context->engine->program;
    for (uint32_t i = 0; i < program->n_taps; i++) {
        const struct pln_slot *slot = &program->slots[program->taps[i]];
        const struct pln_item *item = context->slots[program->taps[i]].item;
        if (slot->block != block || !item || item->kind != PLN_TENSOR || slot->space != 0) continue;
        PLN_TRY(show_tap(context, program->taps[i], &item->tensor));
    }
    return PLN_OK;
}

enum pln_status pln_exec_block(struct pln_context *context, uint32_t block)
{
    const struct pln_program_block *own = &context->engine->program->blocks[block];
    struct pln_block_state *state = &context->blocks[block];
    if (context->depth >= PLN_PROGRAM_MAX_DEPTH) return pln_fail(&context->diag, PLN_UNSUPPORTED, "control flow is nested deeper than %d", PLN_PROGRAM_MAX_DEPTH);
    context->depth++;
    for (uint32_t i = 0; i < state->n_items; i++) /* what the last time left; the inputs of a body have just been set */
        if (context->engine->program->slots[state->items[i]].place == PLN_PLACE_ITEM) pln_exec_forget_slot(context, state->items[i]);
    state->next_item = 0;
    enum pln_status status = PLN_OK;
    for (uint32_t s = 0; status == PLN_OK && s < own->n_segments; s++) status = run_segment(context, block, s);
    if (status != PLN_OK && context->device_pending) {
        enum pln_status drained = pln_exec_sync(context); /* nothing of this run may go on behind our back */
        (void)drained;
    }
    if (status == PLN_OK && context->tap) status = show_taps(context, block);
    context->depth--;
    return status;
}
