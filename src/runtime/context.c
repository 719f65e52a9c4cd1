/* Contexts: creation, binding, running. */
#include <stdio.h>

#include "runtime/engine.h"
#include "runtime/resolve.h"
#include "kernel/host_value.h"
#include "base/text.h"
#include "runtime/memory.h"

/* ---- the counting allocator ---- */

static void *counted_alloc(void *user, size_t size_bytes, size_t align)
{
    struct pln_context *context = user;
    context->allocator_calls++;
    if (context->memory_limit && size_bytes > context->memory_limit - PLN_MIN(context->memory_limit, context->memory_bytes)) return NULL;
    void *memory = context->base.alloc(context->base.user, size_bytes, align);
    if (memory) context->memory_bytes += size_bytes;
    return memory;
}

static void counted_release(void *user, void *memory, size_t size_bytes)
{
    struct pln_context *context = user;
    context->memory_bytes -= size_bytes;
    context->base.release(context->base.user, memory, size_bytes);
}

/* ---- creation ---- */

static void sort_by_last(const struct pln_slot *slots, uint32_t *ids, uint32_t n)
{
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            uint32_t id = ids[i], j = i;
            for (; j >= gap && slots[ids[j - gap]].last > slots[id].last; j -= gap) ids[j] = ids[j - gap];
            ids[j] = id;
        }
    }
}

/* Items in the order of their last steps, segments in that of their steps. */
static void mark_frees(const struct pln_program *program, const struct pln_program_block *block, struct pln_block_state *state)
{
    uint32_t s = 0;
    for (uint32_t i = 0; i < state->n_items; i++) {
        const uint32_t last = program->slots[state->items[i]].last;
        while (s < block->n_segments && last - block->segments[s].first >= block->segments[s].count) s++;
        if (s == block->n_segments) return; /* to the end of the run */
        state->segments[s].flow[last - block->segments[s].first].frees = true;
    }
}

static enum pln_status init_block(struct pln_context *context, uint32_t block)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_program_block *own = &program->blocks[block];
    struct pln_block_state *state = &context->blocks[block];
    uint32_t n = 0;
    for (uint32_t i = 0; i < program->n_slots; i++)
        n += program->slots[i].block == block && (program->slots[i].place == PLN_PLACE_ITEM || program->slots[i].place == PLN_PLACE_BLOCK_INPUT);
    state->segments = pln_arena_array(&context->arena, own->n_segments + 1u, sizeof *state->segments);
    state->items = pln_arena_array(&context->arena, n + 1u, sizeof *state->items);
    if (!state->segments || !state->items) return pln_fail_memory(&context->diag, "block", 0);
    for (uint32_t i = 0; i < program->n_slots; i++)
        if (program->slots[i].block == block && (program->slots[i].place == PLN_PLACE_ITEM || program->slots[i].place == PLN_PLACE_BLOCK_INPUT)) state->items[state->n_items++] = i;
    sort_by_last(program->slots, state->items, state->n_items);
    for (uint32_t s = 0; s < own->n_segments; s++) PLN_TRY(pln_exec_resolve_init(context, block, s));
    mark_frees(program, own, state);
    return pln_exec_list_spans(context, block);
}

static enum pln_status init_weights(struct pln_context *context)
{
    const struct pln_engine *engine = context->engine;
    for (uint32_t i = 0; i < engine->program->n_slots; i++) {
        const struct pln_slot *slot = &engine->program->slots[i];
        if (slot->place != PLN_PLACE_WEIGHT) continue;
        const struct pln_weight *weight = &engine->program->weights[slot->index];
        struct pln_slot_state *own = &context->slots[i];
        const void *host = weight->data ? weight->data : pln_nothing;
        void *data = slot->space == 0 ? (void *)(uintptr_t)host : engine->devices[slot->space].weights[slot->index];
        pln_tensor_init(&own->view.tensor, weight->dtype, weight->rank, weight->dims, data);
        own->item = &own->view;
    }
    return PLN_OK;
}

static void init_depends(struct pln_context *context)
{
    const struct pln_program *program = context->engine->program;
    uint64_t *depends = context->dim_depends;
    for (uint32_t i = 0; i < program->n_dims; i++) {
        const struct pln_dim_node *node = &program->dims[i];
        if (node->op == PLN_DIM_CONST) continue;
        if (node->op == PLN_DIM_SYMBOL) depends[i] = (uint64_t)1 << (node->a % 64);
        else depends[i] = depends[node->a] | depends[node->b] | (node->op == PLN_DIM_SELECT ? depends[node->c] : 0);
    }
}

static void init_io(struct pln_context *context)
{
    const struct pln_program *program = context->engine->program;
    for (uint32_t i = 0; i < program->n_states; i++) {
        context->inputs[program->states[i].input].is_state = true;
        context->outputs[program->states[i].output].is_state = true;
    }
    for (uint32_t i = 0; i < program->n_inputs; i++)
        if (!context->inputs[i].is_state) context->plain[context->n_plain++] = i;
    for (uint32_t i = 0; i < program->n_outputs; i++) {
        if (!context->outputs[i].is_state) context->results[context->n_results++] = i;
        const struct pln_slot *slot = &program->slots[program->outputs[i].slot];
        if (slot->place != PLN_PLACE_OUTPUT || slot->segment >= program->blocks[0].n_segments) context->given[context->n_given++] = i;
    }
}

static enum pln_status init_tables(struct pln_context *context)
{
    const struct pln_program *program = context->engine->program;
    struct pln_arena *arena = &context->arena;
    context->slots = pln_arena_alloc_aligned(arena, (program->n_slots + (size_t)1) * sizeof *context->slots, 64);
    context->blocks = pln_arena_array(arena, program->n_blocks, sizeof *context->blocks);
    context->symbols = pln_arena_array(arena, program->n_symbols + 1u, sizeof *context->symbols);
    context->upper_symbols = pln_arena_array(arena, program->n_symbols + 1u, sizeof *context->upper_symbols);
    context->dims = pln_arena_array(arena, program->n_dims + 1u, sizeof *context->dims);
    context->versions = pln_arena_array(arena, program->n_slots + 1u, sizeof *context->versions);
    context->dim_depends = pln_arena_array(arena, program->n_dims + 1u, sizeof *context->dim_depends);
    context->upper_dims = pln_arena_array(arena, program->n_dims + 1u, sizeof *context->upper_dims);
    context->inputs = pln_arena_alloc_aligned(arena, (program->n_inputs + (size_t)1) * sizeof *context->inputs, 64);
    context->outputs = pln_arena_alloc_aligned(arena, (program->n_outputs + (size_t)1) * sizeof *context->outputs, 64);
    context->plain = pln_arena_array(arena, program->n_inputs + 1u, sizeof *context->plain);
    context->given = pln_arena_array(arena, program->n_outputs + 1u, sizeof *context->given);
    context->results = pln_arena_array(arena, program->n_outputs + 1u, sizeof *context->results);
    context->grown_dims = pln_arena_array(arena, (size_t)program->n_states + 1, sizeof *context->grown_dims);
    context->state_dims = pln_arena_array(arena, (size_t)program->n_states * PLN_MAX_RANK + 1, sizeof *context->state_dims);
    context->queues = pln_arena_array(arena, context->engine->n_devices, sizeof(struct pln_queue *));
    context->intervals = pln_arena_array(arena, program->n_slots + 1u, sizeof *context->intervals);
    context->order = pln_arena_array(arena, program->n_slots + 1u, sizeof *context->order);
    context->step_times = pln_arena_array(arena, program->n_steps + 1u, sizeof *context->step_times);
    context->main_ns = pln_arena_array(arena, program->n_steps + 1u, sizeof *context->main_ns);
    if (!context->slots || !context->blocks || !context->symbols || !context->upper_symbols || !context->dims || !context->upper_dims || !context->inputs || !context->outputs ||
        !context->queues || !context->intervals || !context->order || !context->versions || !context->dim_depends || !context->step_times || !context->main_ns || !context->plain || !context->given || !context->results || !context->state_dims || !context->grown_dims)
        return pln_fail_memory(&context->diag, "context", 0);
    init_depends(context);
    init_io(context);
    PLN_TRY(pln_exec_sort_slots(context));
    for (uint32_t i = 0; i < program->n_blocks; i++) PLN_TRY(init_block(context, i));
    for (uint32_t i = 0; i < context->engine->n_devices; i++) {
        struct pln_engine_device *device = &context->engine->devices[i];
        PLN_TRY(device->backend->queue_create(device->device, &context->diag, &context->queues[i]));
    }
    pln_enqueue_init(context);
    return init_weights(context);
}

enum pln_status pln_context_create(pln_engine *engine, const struct pln_context_options *options, pln_context **out_context)
{
    *out_context = NULL;
    struct pln_context_options own;
    const char *why = pln_options_copy(options, sizeof own, &own);
    if (!why && !engine) why = "the engine is NULL";
    if (why) return pln_fail(own.diagnostics, PLN_INVALID_ARGUMENT, "%s", why);
    if (engine->why_not) return pln_fail(own.diagnostics, engine->why_not->entries[0].status, "this engine cannot run here: %s", engine->why_not->entries[0].text);
    const struct pln_allocator *base = own.allocator ? own.allocator : &engine->alloc;
    struct pln_context *context = pln_alloc_zeroed(base, sizeof *context, _Alignof(struct pln_context));
    if (!context) return pln_fail_memory(own.diagnostics, "context", sizeof *context);
    pln_engine_retain(engine);
    context->engine = engine;
    context->base = *base;
    context->alloc = (struct pln_allocator){ context, counted_alloc, counted_release };
    context->memory_limit = own.memory_limit_bytes;
    pln_diag_init(&context->diag);
    atomic_init(&context->cancelled, false);
    atomic_init(&context->steps_done, 0);
    pln_arena_init(&context->arena, &context->alloc, 0);
    pln_arena_init(&context->scratch, &context->alloc, 0);
    pln_heap_init(&context->heap, &context->alloc, 0);
    context->heap.diag = &context->diag;
    enum pln_status status = init_tables(context);
    if (status != PLN_OK) {
        (void)pln_fail(own.diagnostics, status, "%s", context->diag.count ? context->diag.entries[0].text : pln_status_text(status));
        pln_context_destroy(context);
        return pln_note_limit(own.diagnostics, status, own.memory_limit_bytes);
    }
    *out_context = context;
    return PLN_OK;
}

/* What a device made of the commands of a segment; the queues are idle. */
static void destroy_recordings(struct pln_context *context, uint32_t block, uint32_t segment)
{
    const struct pln_program_block *own = &context->engine->program->blocks[block];
    const struct pln_segment *seg = &own->segments[segment];
    struct pln_segment_state *state = &context->blocks[block].segments[segment];
    for (uint32_t i = 0; state->recordings && i < seg->count; i++) {
        uint32_t device = context->engine->program->steps[own->steps[seg->first + i]].device;
        if (state->recordings[i]) context->engine->devices[device].backend->recording_destroy(context->queues[device], state->recordings[i]);
    }
}

static void destroy_segments(struct pln_context *context)
{
    const struct pln_program *program = context->engine->program;
    for (uint32_t b = 0; context->blocks && b < program->n_blocks; b++) {
        struct pln_block_state *block = &context->blocks[b];
        for (uint32_t s = 0; block->segments && s < program->blocks[b].n_segments; s++) {
            struct pln_segment_state *state = &block->segments[s];
            destroy_recordings(context, b, s);
            for (uint32_t i = 0; state->arenas && state->arena_bytes && i < context->engine->n_devices; i++) {
                struct pln_engine_device *device = &context->engine->devices[i];
                if (!state->arenas[i]) continue;
                if (i == 0) pln_free(&context->alloc, state->arenas[i], state->arena_bytes[i]);
                else device->backend->release(device->device, state->arenas[i], state->arena_bytes[i]);
            }
        }
    }
}

static void forget_binding(struct pln_context *context, struct pln_binding *binding, uint32_t slot)
{
    pln_free(&context->alloc, binding->own, binding->own_bytes);
    if (binding->moved) pln_transfer_release(context, binding, context->engine->program->slots[slot].space);
}

void pln_context_destroy(pln_context *context)
{
    if (!context) return;
    const struct pln_program *program = context->engine->program;
    if (context->queues) (void)pln_enqueue_settle(context);
    destroy_segments(context);
    for (uint32_t i = 0; context->queues && i < context->engine->n_devices; i++)
        if (context->queues[i]) context->engine->devices[i].backend->queue_destroy(context->queues[i]);
    for (uint32_t i = 0; context->inputs && i < program->n_inputs; i++) forget_binding(context, &context->inputs[i], program->inputs[i].slot);
    for (uint32_t i = 0; context->outputs && i < program->n_outputs; i++) forget_binding(context, &context->outputs[i], program->outputs[i].slot);
    pln_heap_deinit(&context->heap);
    pln_arena_deinit(&context->scratch);
    pln_arena_deinit(&context->arena);
    pln_engine_release(context->engine);
    struct pln_allocator base = context->base;
    pln_free(&base, context, sizeof *context);
}

const pln_diagnostics *pln_context_diagnostics(const pln_context *context)
{
    return &context->diag;
}

/* ---- binding ---- */

static enum pln_status find_io(pln_context *context, const struct pln_io *list, uint32_t n, const char *name, const char *what, uint32_t *out_index)
{
    *out_index = 0;
    pln_diag_init(&context->diag);
    if (!name) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "the name of an %s is NULL", what);
    for (uint32_t i = 0; i < n; i++) {
        if (!pln_str_equal(list[i].name, name)) continue;
        *out_index = i;
        return PLN_OK;
    }
    char key[PLN_DIAG_NAME + 32];
    int size = snprintf(key, sizeof key, "planish.input_default.%s", name);
    const char *type = size > 0 && (size_t)size < sizeof key && list == context->engine->program->inputs ? pln_engine_metadata(context->engine, key) : NULL;
    if (type) return pln_fail(&context->diag, PLN_NOT_FOUND, "'%s' has a default (%s) in the model and is built in as a constant; take its initializer out of the model to bind it", name, type);
    return pln_fail(&context->diag, PLN_NOT_FOUND, "the model has no %s '%s'%s%s", what, name, n ? "; its first is " : "", n ? list[0].name : "");
}

static enum pln_status check_input(pln_context *context, const struct pln_io *io, const struct pln_tensor *tensor)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_slot *slot = &program->slots[io->slot];
    if (slot->dtype != PLN_DTYPE_NONE && tensor->dtype != slot->dtype)
        return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "input '%s' is %s, the model wants %s", io->name, pln_dtype_name(tensor->dtype), pln_dtype_name(slot->dtype));
    if (slot->rank >= 0 && tensor->rank != slot->rank)
        return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "input '%s' has %d dims, the model wants %d", io->name, tensor->rank, slot->rank);
    for (int i = 0; i < slot->rank; i++) {
        const struct pln_dim_node *node = &program->dims[slot->dims[i]];
        if (node->op == PLN_DIM_CONST && node->value != tensor->dims[i])
            return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "input '%s': dim %d is %lld, the model wants %lld", io->name, i, (long long)tensor->dims[i], (long long)node->value);
    }
    return PLN_OK;
}

/* Elements between the first and the last that the buffer's strides touch, both included; false when it does not fit its size. */
static bool buffer_fits(const struct pln_tensor *tensor, size_t size_bytes)
{
    size_t bytes;
    if (!pln_shape_bytes(tensor->dtype, tensor->rank, tensor->dims, &bytes)) return false;
    if (bytes == 0) return true;
    if (pln_tensor_is_contiguous(tensor)) return bytes <= size_bytes;
    int64_t last = 0, reach;
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->strides[i] < 0) return false;
        if (!pln_mul_i64(tensor->dims[i] - 1, tensor->strides[i], &reach) || !pln_add_i64(last, reach, &last)) return false;
    }
    int bits = pln_dtype_bits(tensor->dtype);
    return bits >= 8 && (uint64_t)last < size_bytes / (size_t)(bits / 8);
}

/* Device memory is that of the plan's first device, dense, and begins where an element may: a kernel that meets an odd address, or one that is not the device's,
 * ends all that the process has on a GPU. */
enum pln_status pln_context_check_memory(pln_context *context, const char *name, enum pln_dtype dtype, const struct pln_buffer *buffer, const void *bound)
{
    if (buffer->memory == PLN_MEMORY_HOST) return PLN_OK;
    if (buffer->memory != PLN_MEMORY_DEVICE) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': memory kind %d does not exist", name, (int)buffer->memory);
    if (context->engine->n_devices == 1) return pln_fail(&context->diag, PLN_UNSUPPORTED, "'%s': the plan runs on the host alone, so only host memory can be bound", name);
    if (buffer->strides) return pln_fail(&context->diag, PLN_UNSUPPORTED, "'%s': device memory can only be bound row-major", name);
    const int bytes = dtype != PLN_DTYPE_NONE && dtype != PLN_STR && pln_dtype_valid((int)dtype) ? pln_dtype_bits(dtype) / 8 : 0;
    if (bytes > 1 && (uintptr_t)buffer->data % (uintptr_t)bytes != 0)
        return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': its address in device memory is no multiple of the %d bytes of an element", name, bytes);
    const struct pln_engine_device *device = &context->engine->devices[1];
    const char *why = buffer->data && buffer->data != bound && device->backend->refuses ? device->backend->refuses(device->device, buffer->data) : NULL;
    return why ? pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': its address in device memory, %p: %s", name, buffer->data, why) : PLN_OK;
}

/* bound: as for pln_context_check_memory. */
static enum pln_status buffer_tensor(pln_context *context, const char *name, const struct pln_buffer *buffer, const void *bound, struct pln_tensor *out_tensor)
{
    memset(out_tensor, 0, sizeof *out_tensor);
    if (!buffer) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': the buffer is NULL", name);
    for (size_t i = 0; i < PLN_COUNT_OF(buffer->reserved); i++)
        if (buffer->reserved[i]) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': reserved fields of the buffer are not 0", name);
    PLN_TRY(pln_context_check_memory(context, name, buffer->dtype, buffer, bound));
    if (!pln_dtype_valid((int)buffer->dtype)) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': element type %d does not exist", name, (int)buffer->dtype);
    if (buffer->rank < 0 || buffer->rank > PLN_MAX_RANK) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': %d dims, 0 to %d are possible", name, buffer->rank, PLN_MAX_RANK);
    int64_t count;
    for (int i = 0; i < buffer->rank; i++)
        if (buffer->dims[i] < 0) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': dim %d is negative", name, i);
    if (!pln_shape_count(buffer->rank, buffer->dims, &count)) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': its shape has too many elements", name);
    pln_tensor_init(out_tensor, buffer->dtype, buffer->rank, buffer->dims, buffer->data);
    for (int i = 0; buffer->strides && i < buffer->rank; i++) out_tensor->strides[i] = buffer->strides[i];
    if (count > 0 && !buffer->data) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': its data is NULL", name);
    if (!buffer->data && buffer->memory == PLN_MEMORY_HOST) out_tensor->data = pln_nothing;
    if (!buffer_fits(out_tensor, buffer->size_bytes))
        return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': the shape needs %zu bytes, the buffer has %zu", name, pln_tensor_bytes(out_tensor), buffer->size_bytes);
    return PLN_OK;
}

/* While a store is bound, states are its business. */
static enum pln_status check_free(pln_context *context, const struct pln_binding *binding, const char *name)
{
    if (!context->states || !binding->is_state) return PLN_OK;
    return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s' is in the state store that is bound; end that with pln_context_bind_states first", name);
}

enum pln_status pln_context_bind_input(pln_context *context, const char *name, const struct pln_buffer *buffer)
{
    if (!context) return PLN_INVALID_ARGUMENT;
    const struct pln_program *program = context->engine->program;
    uint32_t index;
    struct pln_tensor tensor;
    PLN_TRY(find_io(context, program->inputs, program->n_inputs, name, "input", &index));
    struct pln_binding *binding = &context->inputs[index];
    if (program->slots[program->inputs[index].slot].kind != PLN_TENSOR) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "input '%s' is no tensor; bind a value", name);
    PLN_TRY(check_free(context, binding, name));
    const bool was_on_device = binding->bound && !binding->item && binding->on_device;
    PLN_TRY(buffer_tensor(context, name, buffer, was_on_device ? binding->view.tensor.data : NULL, &tensor));
    PLN_TRY(check_input(context, &program->inputs[index], &tensor));
    const bool on_device = buffer->memory == PLN_MEMORY_DEVICE;
    if (!binding->bound || binding->item || on_device != binding->on_device || !pln_tensor_same_shape(&binding->view.tensor, &tensor) || memcmp(binding->view.tensor.strides, tensor.strides, sizeof tensor.strides) != 0)
        context->generation++;
    if (binding->is_state) context->states_taken = false;
    binding->bound = true;
    binding->on_device = on_device;
    binding->item = NULL;
    binding->view = (struct pln_item){ .kind = PLN_TENSOR, .refs = 1, .tensor = tensor };
    return PLN_OK;
}

enum pln_status pln_context_bind_output(pln_context *context, const char *name, const struct pln_buffer *buffer)
{
    if (!context) return PLN_INVALID_ARGUMENT;
    const struct pln_program *program = context->engine->program;
    uint32_t index;
    PLN_TRY(find_io(context, program->outputs, program->n_outputs, name, "output", &index));
    struct pln_binding *binding = &context->outputs[index];
    PLN_TRY(check_free(context, binding, name));
    context->rebound++;
    if (binding->is_state) context->states_taken = false;
    const void *bound = binding->bound && binding->on_device ? binding->buffer.data : NULL;
    binding->bound = false;
    binding->allocator = NULL;
    if (buffer) PLN_TRY(pln_context_check_memory(context, name, program->slots[program->outputs[index].slot].dtype, buffer, bound));
    binding->bound = buffer && buffer->data;
    const bool on_device = buffer && buffer->memory == PLN_MEMORY_DEVICE;
    if (binding->on_device != on_device) context->generation++;
    binding->on_device = on_device;
    if (binding->bound && buffer->strides && (!binding->is_state || program->slots[program->outputs[index].slot].space != 0)) {
        binding->bound = false;
        return pln_fail(&context->diag, PLN_UNSUPPORTED, "output '%s' can only be bound row-major", name);
    }
    if (binding->bound && (buffer->data != binding->buffer.data || buffer->size_bytes != binding->buffer.size_bytes)) context->generation++;
    if (binding->bound) binding->buffer = *buffer;
    for (int i = 0; binding->bound && buffer->strides && i < PLN_MAX_RANK; i++) binding->strides[i] = i < buffer->rank ? buffer->strides[i] : 0;
    binding->buffer.strides = binding->bound && buffer->strides ? binding->strides : NULL;
    return PLN_OK;
}

enum pln_status pln_context_set_output_allocator(pln_context *context, const char *name, pln_output_allocator allocator, void *user)
{
    if (!context) return PLN_INVALID_ARGUMENT;
    const struct pln_program *program = context->engine->program;
    uint32_t index;
    PLN_TRY(find_io(context, program->outputs, program->n_outputs, name, "output", &index));
    PLN_TRY(check_free(context, &context->outputs[index], name));
    context->rebound++;
    context->generation++;
    if (context->outputs[index].is_state) context->states_taken = false;
    context->outputs[index].allocator = allocator;
    context->outputs[index].allocator_user = user;
    return PLN_OK;
}

/* ---- running ---- */

/* Inputs whose memory is not row-major are copied, so that every step may count on it. */
static enum pln_status input_item(pln_context *context, uint32_t index, struct pln_item **out_item)
{
    struct pln_binding *binding = &context->inputs[index];
    *out_item = (struct pln_item *)(uintptr_t)binding->item;
    if (binding->item) return PLN_OK;
    *out_item = &binding->view;
    const uint32_t slot_id = context->engine->program->inputs[index].slot;
    const bool moves = context->engine->program->slots[slot_id].space != 0 ? !context->states || !binding->is_state : binding->on_device;
    if (!moves && (binding->is_state || pln_tensor_is_contiguous(&binding->view.tensor))) return PLN_OK;
    struct pln_slot_state *slot = &context->slots[slot_id];
    if (pln_tensor_is_contiguous(&binding->view.tensor)) {
        slot->view = binding->view;
        *out_item = &slot->view;
        return pln_transfer_input(context, index, &slot->view.tensor);
    }
    PLN_TRY(pln_enqueue_need_still(context)); /* a run under way may read the copy */
    size_t bytes = pln_tensor_bytes(&binding->view.tensor);
    if (bytes > binding->own_bytes) {
        pln_free(&context->alloc, binding->own, binding->own_bytes);
        binding->own_bytes = 0;
        binding->own = pln_alloc(&context->alloc, bytes, 64);
        if (!binding->own) return pln_fail_memory(&context->diag, context->engine->program->inputs[index].name, bytes);
        binding->own_bytes = bytes;
    }
    struct pln_tensor dense;
    pln_tensor_init(&dense, binding->view.tensor.dtype, binding->view.tensor.rank, binding->view.tensor.dims, binding->own);
    pln_tensor_copy(&binding->view.tensor, &dense);
    slot->view = (struct pln_item){ .kind = PLN_TENSOR, .refs = 1, .tensor = dense };
    *out_item = &slot->view;
    return moves ? pln_transfer_input(context, index, &slot->view.tensor) : PLN_OK;
}

enum pln_status pln_context_take_inputs(pln_context *context)
{
    const struct pln_program *program = context->engine->program;
    for (uint32_t i = 0; i < program->n_symbols; i++) context->symbols[i] = PLN_DIM_UNKNOWN;
    context->dims_stale = true;
    context->states_taken = context->states_taken && pln_states_take(context);
    const uint32_t n = context->states_taken ? context->n_plain : program->n_inputs;
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t i = context->states_taken ? context->plain[k] : k;
        if (!context->inputs[i].bound) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "input '%s' is not bound; call pln_context_bind_input before the run", program->inputs[i].name);
        struct pln_item *item;
        PLN_TRY(input_item(context, i, &item));
        if (item->kind != PLN_TENSOR) {
            /* What comes out may share its elements, and lives longer than the caller's value: it is the context's own. */
            struct pln_item *own;
            PLN_TRY(pln_host_value_clone(&context->heap, item, &own) == PLN_OK ? PLN_OK : pln_fail_memory(&context->diag, program->inputs[i].name, 0));
            const enum pln_status taken = pln_exec_set_item(context, program->inputs[i].slot, own, "input");
            pln_item_release(&context->heap, own);
            PLN_TRY(taken);
            continue;
        }
        item->refs++; /* the caller's memory: never freed by counting */
        enum pln_status status = pln_exec_set_item(context, program->inputs[i].slot, item, "input");
        item->refs = 1;
        context->slots[program->inputs[i].slot].owned = false;
        PLN_TRY(status);
    }
    pln_states_note_taken(context);
    return PLN_OK;
}

static enum pln_status check_result(struct pln_context *context, uint32_t output, const uint32_t *inputs, uint32_t n_inputs)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_binding *result = &context->outputs[output];
    const struct pln_tensor written = { .dtype = PLN_U8, .rank = 1, .data = result->buffer.data, .dims = { (int64_t)PLN_MIN(result->buffer.size_bytes, (size_t)INT64_MAX) }, .strides = { 1 } };
    for (uint32_t k = 0; k < n_inputs; k++) {
        const uint32_t i = inputs ? inputs[k] : k;
        const struct pln_binding *input = &context->inputs[i];
        struct pln_tensor read;
        if (!input->bound || input->item || input->on_device != result->on_device) continue;
        pln_tensor_set(&read, &input->view.tensor);
        if (context->states && input->is_state) read.dims[pln_states_find(program, i, false)->axis] = pln_states_capacity(context);
        if (pln_tensors_overlap(&written, &read))
            return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "the memory of output '%s' overlaps that of input '%s'", program->outputs[output].name, program->inputs[i].name);
    }
    return PLN_OK;
}

/* What a step writes to the caller's memory must not change what a later one reads. Outputs that are states are looked at step by step; a store whose memory
 * is apart from all results stays so until a result is bound anew. */
enum pln_status pln_context_check_bound(pln_context *context)
{
    const bool plain = context->states_taken && context->apart == context->rebound;
    for (uint32_t k = 0; k < context->n_results; k++) {
        const struct pln_binding *result = &context->outputs[context->results[k]];
        if (!result->bound || result->allocator) continue;
        PLN_TRY(check_result(context, context->results[k], plain ? context->plain : NULL, plain ? context->n_plain : context->engine->program->n_inputs));
    }
    context->apart = context->rebound;
    return PLN_OK;
}

/* Outputs that ended as items go to the caller's memory when there is some. */
enum pln_status pln_context_give_outputs(pln_context *context)
{
    const struct pln_program *program = context->engine->program;
    for (uint32_t k = 0; k < context->n_given; k++) {
        const uint32_t i = context->given[k];
        struct pln_binding *binding = &context->outputs[i];
        struct pln_item *item;
        PLN_TRY(pln_exec_item(context, program->outputs[i].slot, &item));
        if (item->kind != PLN_TENSOR || (!binding->bound && !binding->allocator)) continue;
        size_t bytes = pln_tensor_bytes(&item->tensor);
        if (bytes && pln_output_on_device(binding)) {
            PLN_TRY(pln_transfer_give(context, i, &item->tensor));
            continue;
        }
        void *to = binding->buffer.data;
        if (binding->allocator) PLN_TRY(pln_transfer_request(context, i, &item->tensor, &to));
        if (!binding->allocator && bytes > binding->buffer.size_bytes)
            return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "output '%s' needs %zu bytes, its buffer has %zu", program->outputs[i].name, bytes, binding->buffer.size_bytes);
        if (bytes) memcpy(to, item->tensor.data, bytes);
    }
    for (uint32_t i = 0; context->engine->n_devices > 1 && i < program->n_outputs; i++)
        if (pln_transfer_output_moves(context, i)) PLN_TRY(pln_transfer_give(context, i, &context->slots[program->outputs[i].slot].view.tensor));
    return PLN_OK;
}

enum pln_status pln_context_output(pln_context *context, const char *name, struct pln_buffer *out_buffer)
{
    memset(out_buffer, 0, sizeof *out_buffer);
    if (!context) return PLN_INVALID_ARGUMENT;
    const struct pln_program *program = context->engine->program;
    uint32_t index;
    PLN_TRY(find_io(context, program->outputs, program->n_outputs, name, "output", &index));
    const struct pln_item *item = context->slots[program->outputs[index].slot].item;
    if (!item) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "output '%s' is not known before a run", name);
    if (item->kind != PLN_TENSOR) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "output '%s' is no tensor; ask for its value", name);
    const struct pln_tensor *tensor = &item->tensor;
    const struct pln_binding *binding = &context->outputs[index];
    const bool moved = pln_transfer_output_moves(context, index);
    *out_buffer = (struct pln_buffer){ .dtype = tensor->dtype, .rank = tensor->rank, .data = moved ? binding->given : tensor->data, .size_bytes = pln_tensor_bytes(tensor) };
    const bool in_device = moved ? pln_output_on_device(binding) : program->slots[program->outputs[index].slot].space != 0 || pln_transfer_in_place(context, program->outputs[index].slot);
    out_buffer->memory = in_device ? PLN_MEMORY_DEVICE : PLN_MEMORY_HOST;
    memcpy(out_buffer->dims, tensor->dims, sizeof out_buffer->dims);
    int64_t first, last;
    if (!moved && !pln_tensor_is_contiguous(tensor) && pln_tensor_reach(tensor, &first, &last)) {
        out_buffer->strides = tensor->strides;
        out_buffer->size_bytes = (size_t)(last + 1) * (size_t)pln_dtype_bits(tensor->dtype) / 8;
    }
    return in_device ? PLN_OK : pln_enqueue_settle(context);
}

enum pln_status pln_context_output_shape(pln_context *context, const char *name, int *out_rank, int64_t out_dims[PLN_MAX_RANK])
{
    *out_rank = -1;
    if (!context) return PLN_INVALID_ARGUMENT;
    const struct pln_program *program = context->engine->program;
    uint32_t index;
    PLN_TRY(find_io(context, program->outputs, program->n_outputs, name, "output", &index));
    PLN_TRY(pln_enqueue_settle(context));
    PLN_TRY(pln_states_begin(context));
    PLN_TRY(pln_context_take_inputs(context));
    pln_exec_refresh_dims(context);
    const struct pln_slot *slot = &program->slots[program->outputs[index].slot];
    if (slot->rank < 0) return pln_fail(&context->diag, PLN_NOT_FOUND, "only the run can tell the shape of output '%s'", name);
    for (int i = 0; i < slot->rank; i++) {
        out_dims[i] = context->dims[slot->dims[i]];
        if (out_dims[i] < 0) return pln_fail(&context->diag, PLN_NOT_FOUND, "only the run can tell dim %d of output '%s'", i, name);
    }
    *out_rank = slot->rank;
    return PLN_OK;
}

/* Bytes of planned memory for the symbols' values of now. */
static enum pln_status sum_memory(pln_context *context, size_t *out_bytes)
{
    const struct pln_program *program = context->engine->program;
    *out_bytes = 0;
    pln_exec_refresh_dims(context);
    for (uint32_t b = 0; b < program->n_blocks; b++) {
        for (uint32_t s = 0; s < program->blocks[b].n_segments; s++) {
            const struct pln_segment_state *state = &context->blocks[b].segments[s];
            uint32_t n = 0;
            for (uint32_t i = 0; i < state->n_arena; i++) {
                const struct pln_slot *slot = &program->slots[state->arena_slots[i]];
                int64_t dims[PLN_MAX_RANK];
                for (int k = 0; k < slot->rank; k++) dims[k] = context->dims[slot->dims[k]];
                size_t bytes;
                if (!pln_shape_bytes(slot->dtype, slot->rank, dims, &bytes)) continue;
                context->intervals[n++] = (struct pln_interval){ .first = slot->first, .last = slot->last, .size_bytes = bytes };
            }
            size_t bytes = 0;
            if (pln_memory_place(context->intervals, n, context->order, &bytes) != PLN_OK || !pln_add_size(*out_bytes, bytes, out_bytes))
                return pln_fail_memory(&context->diag, "activations", SIZE_MAX);
        }
    }
    return PLN_OK;
}

enum pln_status pln_context_memory(pln_context *context, size_t *out_bytes)
{
    *out_bytes = 0;
    if (!context) return PLN_INVALID_ARGUMENT;
    pln_diag_init(&context->diag);
    PLN_TRY(pln_enqueue_settle(context));
    PLN_TRY(pln_states_begin(context));
    PLN_TRY(pln_context_take_inputs(context));
    return sum_memory(context, out_bytes);
}

static enum pln_status take_shape(pln_context *context, const struct pln_tensor_info *info)
{
    const struct pln_program *program = context->engine->program;
    uint32_t index;
    PLN_TRY(find_io(context, program->inputs, program->n_inputs, info->name, "input", &index));
    struct pln_item *item = &context->inputs[index].view;
    const struct pln_slot *slot = &program->slots[program->inputs[index].slot];
    if (info->rank < 0 || info->rank > PLN_MAX_RANK) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': %d dims, 0 to %d are possible", info->name, info->rank, PLN_MAX_RANK);
    int64_t count;
    for (int i = 0; i < info->rank; i++)
        if (info->dims[i] < 0) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': dim %d is %lld; all dims must be known here", info->name, i, (long long)info->dims[i]);
    if (!pln_shape_count(info->rank, info->dims, &count)) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "'%s': its shape has too many elements", info->name);
    *item = (struct pln_item){ .kind = slot->kind, .refs = 2 };
    pln_tensor_init(&item->tensor, slot->dtype, info->rank, info->dims, NULL);
    enum pln_status status = pln_exec_set_item(context, program->inputs[index].slot, item, "input");
    context->slots[program->inputs[index].slot].owned = false;
    return status;
}

/* An input whose shape the model leaves open must have been given one; states start empty, and what is no tensor has no shape. */
static enum pln_status need_shapes(pln_context *context)
{
    const struct pln_program *program = context->engine->program;
    for (uint32_t i = 0; i < program->n_inputs; i++) {
        const struct pln_slot *slot = &program->slots[program->inputs[i].slot];
        bool open = slot->rank < 0;
        for (int d = 0; d < slot->rank; d++) open |= program->dims[slot->dims[d]].op != PLN_DIM_CONST;
        if (!open || context->inputs[i].view.refs || slot->kind != PLN_TENSOR || pln_states_find(program, i, false)) continue;
        return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "the shape of input '%s' is missing; the model leaves it open", program->inputs[i].name);
    }
    return PLN_OK;
}

enum pln_status pln_engine_memory(pln_engine *engine, const struct pln_tensor_info *inputs, int input_count, pln_diagnostics *diagnostics, size_t *out_bytes)
{
    pln_context *context;
    *out_bytes = 0;
    if (!engine || (input_count > 0 && !inputs)) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the engine or the inputs are NULL");
    if (input_count < 0) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the number of inputs is %d", input_count);
    enum pln_status status = pln_context_create(engine, NULL, &context);
    if (status != PLN_OK) return pln_fail(diagnostics, status, "a context cannot be made");
    for (uint32_t i = 0; i < engine->program->n_symbols; i++) context->symbols[i] = PLN_DIM_UNKNOWN;
    context->dims_stale = true;
    for (int i = 0; status == PLN_OK && i < input_count; i++) status = take_shape(context, &inputs[i]);
    if (status == PLN_OK) status = need_shapes(context);
    if (status == PLN_OK) status = sum_memory(context, out_bytes);
    if (status != PLN_OK && context->diag.count > 0) status = pln_fail(diagnostics, status, "%s", context->diag.entries[0].text);
    pln_context_destroy(context);
    return status;
}

void pln_context_get_stats(const pln_context *context, struct pln_context_stats *out_stats)
{
    *out_stats = context->stats;
    out_stats->allocator_calls = context->allocator_calls;
    out_stats->heap_bytes = context->heap.held_bytes;
    for (uint32_t i = 0; i < context->engine->n_devices; i++) {
        const struct pln_queue_base *queue = (const struct pln_queue_base *)context->queues[i];
        out_stats->captures += queue->captures;
        out_stats->launches += queue->launches;
    }
}

void pln_context_set_profiling(pln_context *context, int on)
{
    context->profiling = on != 0;
}

enum pln_status pln_context_step_time(const pln_context *context, int index, uint64_t *out_ns, uint64_t *out_count)
{
    *out_ns = *out_count = 0;
    if (!context) return PLN_INVALID_ARGUMENT;
    if (index < 0 || (uint32_t)index >= context->engine->program->n_steps) return PLN_NOT_FOUND;
    if (!context->profiling) return PLN_OK;
    const uint64_t *main_ns = context->main_ns[index];
    *out_ns = main_ns ? *main_ns : context->step_times[index].ns;
    *out_count = main_ns ? context->timed : context->step_times[index].count;
    return PLN_OK;
}

void pln_context_set_tap(pln_context *context, pln_tap tap, void *user)
{
    context->tap = tap;
    context->tap_user = user;
}
