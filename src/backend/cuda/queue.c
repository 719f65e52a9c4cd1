/* Queues: a stream, and what was submitted to it, or to the caller's stream instead. */
#include "backend/cuda/device.h"

static enum pln_status init_streams(struct pln_queue *queue, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    PLN_CUDA_TRY(driver, diag, "a queue", StreamCreate, (&queue->own, PLN_CUDA_STREAM_NON_BLOCKING));
    queue->stream = queue->own;
    PLN_CUDA_TRY(driver, diag, "a queue", EventCreate, (&queue->event, PLN_CUDA_EVENT_DISABLE_TIMING));
    return PLN_OK;
}

enum pln_status pln_cuda_queue_create(struct pln_device *device, struct pln_diag *diag, struct pln_queue **out_queue)
{
    *out_queue = NULL;
    struct pln_queue *queue = pln_alloc_zeroed(device->alloc, sizeof *queue, _Alignof(struct pln_queue));
    if (!queue) return pln_fail_memory(diag, "a queue", sizeof *queue);
    queue->device = device;
    enum pln_status status = pln_cuda_enter(device, diag);
    if (status == PLN_OK) {
        status = init_streams(queue, diag);
        pln_cuda_leave(device);
    }
    if (status != PLN_OK) pln_cuda_queue_destroy(queue);
    else *out_queue = queue;
    return status;
}

void pln_cuda_queue_destroy(struct pln_queue *queue)
{
    if (!queue) return;
    struct pln_device *device = queue->device;
    bool entered = pln_cuda_enter(device, NULL) == PLN_OK;
    if (entered && queue->own) (void)device->driver->StreamSynchronize(queue->own); /* after an error, something may still read what goes now */
    pln_cuda_recording_destroy(queue, queue->once);
    while (queue->baked) {
        struct pln_recording *recording = queue->baked;
        queue->baked = recording->next;
        pln_cuda_recording_destroy(queue, recording);
    }
    if (entered) {
        if (queue->event) (void)device->driver->EventDestroy(queue->event);
        if (queue->own) (void)device->driver->StreamDestroy(queue->own);
        pln_cuda_leave(device);
    }
    pln_free(device->alloc, queue, sizeof *queue);
}

/* ---- waiting ---- */

static enum pln_status no_wait(struct pln_diag *diag)
{
    return pln_fail(diag, PLN_UNSUPPORTED, "the run has to wait for the GPU, which cannot be while the caller's stream is being captured");
}

/* The GPU is through with everything; status: what it said. */
static enum pln_status finish(struct pln_queue *queue, enum pln_status status, struct pln_diag *diag)
{
    queue->busy = false;
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

/* The recording is rewritten, or its results are fetched, only when the GPU is through with it. */
static enum pln_status drain(struct pln_queue *queue, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    if (queue->capturing) return no_wait(diag);
    return finish(queue, pln_cuda_check(driver, driver->StreamSynchronize(queue->stream), "cuStreamSynchronize", "what was submitted to the GPU", diag), diag);
}

enum pln_status pln_cuda_sync(struct pln_queue *queue, struct pln_diag *diag)
{
    PLN_TRY(pln_cuda_enter(queue->device, diag));
    enum pln_status status = drain(queue, diag);
    pln_cuda_leave(queue->device);
    return status;
}

static enum pln_status query(struct pln_queue *queue, struct pln_diag *diag, bool *out_idle)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    const int result = !queue->busy ? 0 : queue->event_last ? driver->EventQuery(queue->event) : driver->StreamQuery(queue->own);
    *out_idle = result == 0;
    return result == PLN_CUDA_ERROR_NOT_READY ? PLN_OK : pln_cuda_check(driver, result, queue->event_last ? "cuEventQuery" : "cuStreamQuery", "what was submitted to the GPU", diag);
}

enum pln_status pln_cuda_poll(struct pln_queue *queue, struct pln_diag *diag, bool *out_idle)
{
    *out_idle = false;
    PLN_TRY(pln_cuda_enter(queue->device, diag));
    enum pln_status status = query(queue, diag, out_idle);
    pln_cuda_leave(queue->device);
    return status;
}

/* ---- submitting ---- */

static void note_pending(struct pln_queue *queue, struct pln_recording *recording)
{
    struct pln_recording **link = &queue->pending;
    if (recording->is_pending) return; /* launched again */
    while (*link) link = &(*link)->next; /* in order: a later one may write what an earlier one wrote */
    *link = recording;
    recording->is_pending = true;
}

/* May it be launched while it runs? Parameters and what the host gives stay, and nothing is for the host. */
static bool goes_again(const struct pln_recording *recording, const struct pln_command *commands, size_t n, uint64_t version)
{
    return pln_cuda_recording_is_filled(recording, commands, n, version) && !recording->to_host && pln_cuda_recording_same_input(recording);
}

static enum pln_status submit(struct pln_queue *queue, struct pln_command *commands, size_t n_commands, struct pln_recording **recording, uint64_t version, struct pln_diag *diag)
{
    struct pln_recording **own = recording ? recording : &queue->once;
    if (*own && (*own)->is_pending && !(recording && goes_again(*own, commands, n_commands, version))) PLN_TRY(drain(queue, diag));
    if (!recording && *own) (*own)->filled = false;
    PLN_TRY(pln_cuda_recording_fill(queue, own, commands, n_commands, version, diag));
    queue->busy = true;
    queue->event_last = false;
    enum pln_status status = pln_cuda_recording_launch(queue, *own, diag);
    if (status == PLN_OK) note_pending(queue, *own);
    else (void)queue->device->driver->StreamSynchronize(queue->stream); /* what came before the error reads the recording, which may be given back now */
    return status;
}

/* Into a graph of the caller's, which will read the parameters whenever it runs: the recording is the graph's from now on. */
static enum pln_status submit_captured(struct pln_queue *queue, struct pln_command *commands, size_t n_commands, struct pln_recording **recording, uint64_t version, struct pln_diag *diag)
{
    if (!recording) return pln_fail(diag, PLN_UNSUPPORTED, "an input or output lies elsewhere than where the plan has it, which a stream that is being captured cannot mend; bind it in device memory");
    if (!pln_cuda_recording_is_filled(*recording, commands, n_commands, version))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "the caller's stream is being captured, and the run before it had other shapes or bindings; run once as it shall be captured, then capture");
    if ((*recording)->to_host) return pln_fail(diag, PLN_UNSUPPORTED, "the caller's stream is being captured, and an output is in host memory; bind outputs in device memory");
    struct pln_recording *own = *recording;
    if (!own->exec) return pln_fail(diag, PLN_UNSUPPORTED, "the caller's stream is being captured, and a copy of this plan has no kernel");
    *recording = NULL;
    own->next = queue->baked;
    queue->baked = own;
    return pln_cuda_recording_launch(queue, own, diag);
}

enum pln_status pln_cuda_submit(struct pln_queue *queue, struct pln_command *commands, size_t n_commands, struct pln_recording **recording, uint64_t version, struct pln_diag *diag)
{
    PLN_TRY(pln_cuda_enter(queue->device, diag));
    enum pln_status status = queue->capturing ? submit_captured(queue, commands, n_commands, recording, version, diag) : submit(queue, commands, n_commands, recording, version, diag);
    pln_cuda_leave(queue->device);
    return status;
}

/* ---- the caller's stream ---- */

static enum pln_status follow(struct pln_queue *queue, void *stream, void *before, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    PLN_CUDA_TRY(driver, diag, "the order of two streams", EventRecord, (queue->event, before));
    PLN_CUDA_TRY(driver, diag, "the order of two streams", StreamWaitEvent, (stream, queue->event, 0));
    return PLN_OK;
}

/* A graph cannot wait for what came before it, so this must be over. To ask for that is forbidden to a thread that captures, unless it says that it knows
 * what it does (cuThreadExchangeStreamCaptureMode): what is asked is no part of the capture. */
static enum pln_status need_idle(struct pln_queue *queue, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    int mode = PLN_CUDA_CAPTURE_RELAXED;
    bool idle = false;
    PLN_CUDA_TRY(driver, diag, "a look at the queue", ThreadExchangeStreamCaptureMode, (&mode));
    enum pln_status status = query(queue, diag, &idle);
    const int back = driver->ThreadExchangeStreamCaptureMode(&mode);
    if (status == PLN_OK) status = pln_cuda_check(driver, back, "cuThreadExchangeStreamCaptureMode", "a look at the queue", diag);
    if (status == PLN_OK && !idle) return pln_fail(diag, PLN_INVALID_ARGUMENT, "the caller's stream is being captured, and the context's run before it is not over; wait for that first");
    return status == PLN_OK ? finish(queue, status, diag) : status;
}

static enum pln_status enter_stream(struct pln_queue *queue, void *stream, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    int capture = PLN_CUDA_CAPTURE_NONE;
    PLN_CUDA_TRY(driver, diag, "the caller's stream", StreamIsCapturing, (stream, &capture));
    const bool captures = capture != PLN_CUDA_CAPTURE_NONE;
    if (captures && capture != PLN_CUDA_CAPTURE_ACTIVE) return pln_fail(diag, PLN_INVALID_ARGUMENT, "the caller's stream is in a capture that has failed; end it first");
    if (queue->busy) PLN_TRY(captures ? need_idle(queue, diag) : follow(queue, stream, queue->own, diag));
    queue->stream = stream;
    queue->capturing = captures;
    return PLN_OK;
}

/* The queue's own stream takes what was submitted to the caller's for its own, so that nobody asks the caller's again, which may be gone by then. */
static enum pln_status leave_stream(struct pln_queue *queue, struct pln_diag *diag)
{
    void *stream = queue->stream;
    const bool captures = queue->capturing;
    queue->stream = queue->own;
    queue->capturing = false;
    if (stream == queue->own || captures || !queue->busy) return PLN_OK;
    enum pln_status status = follow(queue, queue->own, stream, diag);
    queue->event_last = status == PLN_OK;
    if (status != PLN_OK) (void)queue->device->driver->StreamSynchronize(stream);
    return status;
}

enum pln_status pln_cuda_use_stream(struct pln_queue *queue, void *stream, struct pln_diag *diag, bool *out_capturing)
{
    *out_capturing = false;
    PLN_TRY(pln_cuda_enter(queue->device, diag));
    enum pln_status status = stream ? enter_stream(queue, stream, diag) : leave_stream(queue, diag);
    *out_capturing = queue->capturing;
    pln_cuda_leave(queue->device);
    return status;
}
