/* Memory of inputs and outputs that lies elsewhere than where the plan wants it: the caller's on the host, the plan's on a device, or the other way. */
#include "runtime/engine.h"

static bool is_state_of_store(const struct pln_context *context, const struct pln_binding *binding)
{
    return context->states && binding->is_state;
}

bool pln_transfer_output_moves(const struct pln_context *context, uint32_t index)
{
    const struct pln_engine *engine = context->engine;
    const struct pln_slot *slot = &engine->program->slots[engine->program->outputs[index].slot];
    const struct pln_binding *binding = &context->outputs[index];
    if (engine->n_devices == 1 || slot->place != PLN_PLACE_OUTPUT || is_state_of_store(context, binding)) return false;
    const bool on_device = pln_output_on_device(binding);
    return slot->space != 0 ? !on_device : on_device && !engine->output_copied[index];
}

bool pln_transfer_in_place(const struct pln_context *context, uint32_t slot_id)
{
    const struct pln_engine *engine = context->engine;
    const struct pln_slot *slot = &engine->program->slots[slot_id];
    if (slot->space != 0) return false;
    if (slot->place == PLN_PLACE_INPUT) return context->inputs[slot->index].on_device && engine->input_copied[slot->index];
    return slot->place == PLN_PLACE_OUTPUT && pln_output_on_device(&context->outputs[slot->index]) && engine->output_copied[slot->index];
}

/* Dense memory, some of it on the first device. */
static enum pln_status copy(struct pln_context *context, const struct pln_tensor *from, bool from_host, void *data, bool to_host)
{
    const struct pln_engine_device *device = &context->engine->devices[1];
    struct pln_tensor to;
    if (pln_tensor_count(from) == 0) return PLN_OK;
    pln_tensor_init(&to, from->dtype, from->rank, from->dims, data);
    struct pln_command command = { .kind = PLN_COMMAND_COPY, .from = from, .to = &to, .from_host = from_host, .to_host = to_host };
    PLN_TRY(pln_exec_sync(context));
    PLN_TRY(device->backend->submit(context->queues[1], &command, 1, NULL, 0, &context->diag));
    return device->backend->sync(context->queues[1], &context->diag);
}

static enum pln_status hold(struct pln_context *context, struct pln_binding *binding, uint32_t space, const char *name, size_t size_bytes)
{
    const struct pln_engine_device *device = &context->engine->devices[1];
    if (size_bytes <= binding->moved_bytes && binding->moved) return PLN_OK;
    pln_transfer_release(context, binding, space);
    const size_t want = PLN_MAX(size_bytes + size_bytes / 2, (size_t)256);
    if (space) PLN_TRY(device->backend->alloc(device->device, want, name, &context->diag, &binding->moved));
    else binding->moved = pln_alloc(&context->alloc, want, 64);
    if (!binding->moved) return pln_fail_memory(&context->diag, name, want);
    binding->moved_bytes = want;
    return PLN_OK;
}

void pln_transfer_release(struct pln_context *context, struct pln_binding *binding, uint32_t space)
{
    const struct pln_engine_device *device = &context->engine->devices[1];
    if (binding->moved && space) device->backend->release(device->device, binding->moved, binding->moved_bytes);
    else if (binding->moved) pln_free(&context->alloc, binding->moved, binding->moved_bytes);
    binding->moved = NULL;
    binding->moved_bytes = 0;
}

enum pln_status pln_transfer_input(struct pln_context *context, uint32_t index, struct pln_tensor *tensor)
{
    const struct pln_engine *engine = context->engine;
    const uint32_t space = engine->program->slots[engine->program->inputs[index].slot].space;
    struct pln_binding *binding = &context->inputs[index];
    const char *name = engine->program->inputs[index].name;
    if (is_state_of_store(context, binding) || engine->n_devices == 1) return PLN_OK;
    if (space != 0 ? binding->on_device : !binding->on_device || engine->input_copied[index]) return PLN_OK;
    PLN_TRY(pln_enqueue_need_still(context));
    PLN_TRY(hold(context, binding, space, name, pln_tensor_bytes(tensor)));
    PLN_TRY(copy(context, tensor, !binding->on_device, binding->moved, space == 0));
    tensor->data = binding->moved;
    return PLN_OK;
}

enum pln_status pln_transfer_hold_output(struct pln_context *context, uint32_t index, size_t size_bytes, void **out_memory)
{
    const struct pln_program *program = context->engine->program;
    struct pln_binding *binding = &context->outputs[index];
    PLN_TRY(pln_enqueue_need_still(context));
    PLN_TRY(hold(context, binding, program->slots[program->outputs[index].slot].space, program->outputs[index].name, size_bytes));
    *out_memory = binding->moved;
    return PLN_OK;
}

/* Memory of the context's own for an output that nobody bound. */
static enum pln_status hold_own(struct pln_context *context, struct pln_binding *binding, const char *name, size_t size_bytes)
{
    if (size_bytes <= binding->own_bytes && binding->own) return PLN_OK;
    const size_t want = PLN_MAX(size_bytes + size_bytes / 2, (size_t)64);
    pln_free(&context->alloc, binding->own, binding->own_bytes);
    binding->own_bytes = 0;
    binding->own = pln_alloc(&context->alloc, want, 64);
    if (!binding->own) return pln_fail_memory(&context->diag, name, want);
    binding->own_bytes = want;
    return PLN_OK;
}

enum pln_status pln_transfer_request(struct pln_context *context, uint32_t index, const struct pln_tensor *tensor, void **out_memory)
{
    struct pln_binding *binding = &context->outputs[index];
    const char *name = context->engine->program->outputs[index].name;
    const enum pln_memory_kind memory = binding->on_device ? PLN_MEMORY_DEVICE : PLN_MEMORY_HOST;
    const struct pln_output_request request = { .name = name, .size_bytes = pln_tensor_bytes(tensor), .align = 64, .dtype = tensor->dtype, .rank = tensor->rank, .dims = tensor->dims,
                                                .memory = memory, .stream = binding->on_device ? context->stream : NULL };
    *out_memory = binding->allocator(binding->allocator_user, &request);
    if (!*out_memory) return request.size_bytes == 0 ? PLN_OK : pln_fail_memory(&context->diag, name, request.size_bytes);
    const struct pln_buffer given = { .data = *out_memory, .memory = memory };
    return pln_context_check_memory(context, name, tensor->dtype, &given, NULL);
}

enum pln_status pln_transfer_give(struct pln_context *context, uint32_t index, const struct pln_tensor *tensor)
{
    const struct pln_program *program = context->engine->program;
    const char *name = program->outputs[index].name;
    struct pln_binding *binding = &context->outputs[index];
    const bool from_host = program->slots[program->outputs[index].slot].space == 0, to_host = !pln_output_on_device(binding);
    const size_t bytes = pln_tensor_bytes(tensor);
    void *to = binding->buffer.data;
    if (binding->bound && !binding->allocator && binding->buffer.size_bytes < bytes) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "output '%s' needs %zu bytes, its buffer has %zu", name, bytes, binding->buffer.size_bytes);
    if (binding->allocator) {
        PLN_TRY(pln_transfer_request(context, index, tensor, &to));
    } else if (!binding->bound) {
        PLN_TRY(hold_own(context, binding, name, bytes));
        to = binding->own;
    }
    PLN_TRY(copy(context, tensor, from_host, to, to_host));
    binding->given = to;
    return PLN_OK;
}

enum pln_status pln_transfer_copy_out(struct pln_context *context, const struct pln_tensor *tensor, void *to)
{
    return copy(context, tensor, false, to, true);
}

enum pln_status pln_transfer_fetch(struct pln_context *context, uint32_t index, struct pln_tensor *tensor)
{
    const struct pln_program *program = context->engine->program;
    struct pln_binding *binding = &context->outputs[index];
    const char *name = program->outputs[index].name;
    if (pln_transfer_output_moves(context, index)) {
        tensor->data = binding->given;
        if (!pln_output_on_device(binding)) return PLN_OK;
    } else if (program->slots[program->outputs[index].slot].space == 0 && !pln_transfer_in_place(context, program->outputs[index].slot)) {
        return PLN_OK;
    }
    if (!pln_tensor_is_contiguous(tensor)) return pln_fail(&context->diag, PLN_UNSUPPORTED, "output '%s' is a state in the device's memory; its values cannot be fetched", name);
    PLN_TRY(hold_own(context, binding, name, pln_tensor_bytes(tensor)));
    PLN_TRY(copy(context, tensor, false, binding->own, true));
    tensor->data = binding->own;
    return PLN_OK;
}
