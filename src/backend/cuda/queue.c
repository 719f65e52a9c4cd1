/* Queues: a stream, and what was submitted to it. */
#include "backend/cuda/device.h"

enum pln_status pln_cuda_queue_create(struct pln_device *device, struct pln_diag *diag, struct pln_queue **out_queue)
{
    *out_queue = NULL;
    struct pln_queue *queue = pln_alloc_zeroed(device->alloc, sizeof *queue, _Alignof(struct pln_queue));
    if (!queue) return pln_fail_memory(diag, "a queue", sizeof *queue);
    queue->device = device;
    enum pln_status status = pln_cuda_enter(device, diag);
    if (status == PLN_OK) {
        status = pln_cuda_check(device->driver, device->driver->StreamCreate(&queue->stream, PLN_CUDA_STREAM_NON_BLOCKING), "cuStreamCreate", "a queue", diag);
        pln_cuda_leave(device);
    }
    if (status != PLN_OK) pln_free(device->alloc, queue, sizeof *queue);
    else *out_queue = queue;
    return status;
}

void pln_cuda_queue_destroy(struct pln_queue *queue)
{
    if (!queue) return;
    struct pln_device *device = queue->device;
    bool entered = pln_cuda_enter(device, NULL) == PLN_OK;
    if (entered) (void)device->driver->StreamSynchronize(queue->stream); /* after an error, something may still read what goes now */
    pln_cuda_recording_destroy(queue, queue->once);
    if (entered) {
        (void)device->driver->StreamDestroy(queue->stream);
        pln_cuda_leave(device);
    }
    pln_free(device->alloc, queue, sizeof *queue);
}

/* The recording is rewritten, or its results are fetched, only when the GPU is through with it. */
static enum pln_status drain(struct pln_queue *queue, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    enum pln_status status = pln_cuda_check(driver, driver->StreamSynchronize(queue->stream), "cuStreamSynchronize", "what was submitted to the GPU", diag);
    while (queue->pending) {
        struct pln_recording *recording = queue->pending;
        queue->pending = recording->next;
        recording->next = NULL;
        recording->is_pending = false;
        enum pln_status one = status == PLN_OK ? pln_cuda_recording_finish(queue, recording, diag) : status;
        if (status == PLN_OK) status = one;
    }
    return status;
}

static void note_pending(struct pln_queue *queue, struct pln_recording *recording)
{
    struct pln_recording **link = &queue->pending;
    while (*link) link = &(*link)->next; /* in order: a later one may write what an earlier one wrote */
    *link = recording;
    recording->is_pending = true;
}

static enum pln_status submit(struct pln_queue *queue, struct pln_command *commands, size_t n_commands, struct pln_recording **recording, uint64_t version, struct pln_diag *diag)
{
    struct pln_recording **own = recording ? recording : &queue->once;
    if (*own && (*own)->is_pending) PLN_TRY(drain(queue, diag));
    if (!recording && *own) (*own)->filled = false;
    PLN_TRY(pln_cuda_recording_fill(queue, own, commands, n_commands, version, diag));
    enum pln_status status = pln_cuda_recording_launch(queue, *own, diag);
    if (status == PLN_OK) note_pending(queue, *own);
    else (void)queue->device->driver->StreamSynchronize(queue->stream); /* what came before the error reads the recording, which may be given back now */
    return status;
}

enum pln_status pln_cuda_submit(struct pln_queue *queue, struct pln_command *commands, size_t n_commands, struct pln_recording **recording, uint64_t version, struct pln_diag *diag)
{
    PLN_TRY(pln_cuda_enter(queue->device, diag));
    enum pln_status status = submit(queue, commands, n_commands, recording, version, diag);
    pln_cuda_leave(queue->device);
    return status;
}

enum pln_status pln_cuda_sync(struct pln_queue *queue, struct pln_diag *diag)
{
    PLN_TRY(pln_cuda_enter(queue->device, diag));
    enum pln_status status = drain(queue, diag);
    pln_cuda_leave(queue->device);
    return status;
}
