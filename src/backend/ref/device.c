/* The reference device: plain memory of the host and no kernels. Its steps are host calls, which the runtime makes by itself
 * (kernel/call.h), so the queue only copies. */
#include "backend/backend.h"

#include <stdio.h>

extern const struct pln_backend pln_backend_ref;

struct pln_device {
    struct pln_device_base base;
    const struct pln_allocator *alloc;
};

struct pln_queue {
    struct pln_queue_base base;
    struct pln_device *device;
};

static enum pln_status open_device(int ordinal, const struct pln_device_options *options, struct pln_diag *diag,
                                   struct pln_device **out_device)
{
    *out_device = NULL;
    if (ordinal != 0) return pln_fail(diag, PLN_DEVICE, "there is one reference device, ref:0, no ref:%d", ordinal);
    struct pln_device *device = pln_alloc_zeroed(options->alloc, sizeof *device, _Alignof(struct pln_device));
    if (device == NULL) return pln_fail_memory(diag, "the reference device", sizeof *device);
    device->base.backend = &pln_backend_ref;
    device->alloc = options->alloc;
    *out_device = device;
    return PLN_OK;
}

static void close_device(struct pln_device *device)
{
    if (device != NULL) pln_free(device->alloc, device, sizeof *device);
}

static void get_caps(struct pln_device *device, struct pln_device_caps *out_caps)
{
    (void)device;
    memset(out_caps, 0, sizeof *out_caps);
    snprintf(out_caps->name, sizeof out_caps->name, "reference kernels on the host");
    out_caps->host_memory = true;
}

static enum pln_status alloc_memory(struct pln_device *device, size_t size_bytes, const char *what, struct pln_diag *diag, void **out_memory)
{
    *out_memory = pln_alloc(device->alloc, size_bytes, 256);
    return *out_memory ? PLN_OK : pln_fail_memory(diag, what, size_bytes);
}

static void release_memory(struct pln_device *device, void *memory, size_t size_bytes)
{
    if (memory != NULL) pln_free(device->alloc, memory, size_bytes);
}

static enum pln_status create_queue(struct pln_device *device, struct pln_diag *diag, struct pln_queue **out_queue)
{
    *out_queue = NULL;
    struct pln_queue *queue = pln_alloc_zeroed(device->alloc, sizeof *queue, _Alignof(struct pln_queue));
    if (queue == NULL) return pln_fail_memory(diag, "a queue", sizeof *queue);
    queue->device = device;
    *out_queue = queue;
    return PLN_OK;
}

static void destroy_queue(struct pln_queue *queue)
{
    if (queue != NULL) pln_free(queue->device->alloc, queue, sizeof *queue);
}

static enum pln_status submit_commands(struct pln_queue *queue, struct pln_command *commands, size_t n_commands,
                                       struct pln_recording **recording, uint64_t version, struct pln_diag *diag)
{
    (void)recording;
    (void)version;
    (void)queue;
    for (size_t i = 0; i < n_commands; i++) {
        if (commands[i].kind != PLN_COMMAND_COPY)
            return pln_fail(diag, PLN_INTERNAL, "the reference device has no kernels and leaves calls to the runtime");
        pln_tensor_copy(commands[i].from, commands[i].to);
    }
    return PLN_OK;
}

static enum pln_status sync_queue(struct pln_queue *queue, struct pln_diag *diag)
{
    (void)queue;
    (void)diag;
    return PLN_OK;
}

const struct pln_backend pln_backend_ref = {
    .abi_version = PLN_KERNEL_ABI,
    .name = "ref",
    .open = open_device,
    .close = close_device,
    .caps = get_caps,
    .alloc = alloc_memory,
    .release = release_memory,
    .queue_create = create_queue,
    .queue_destroy = destroy_queue,
    .submit = submit_commands,
    .sync = sync_queue,
};
