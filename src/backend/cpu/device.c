#include "backend/cpu/device.h"

#include <stdio.h>
#include <unistd.h>

#include "base/cpu.h"

#define SCRATCH_ALIGN 64
/* A copy smaller than this is made by one thread: about what a core copies in the time of a fork and join. */
#define SPLIT_COPY_BYTES ((size_t)256 << 10)
/* Elements of a cache line, those of 4 bytes; smaller ones share it among a few threads. */
#define LINE_ELEMENTS 16

struct pln_device {
    struct pln_device_base base;
    const struct pln_allocator *alloc;
    struct pln_pool *pool;
};

struct pln_queue {
    struct pln_queue_base base;
    struct pln_device *device;
    void *scratch, *shared;
    size_t worker_bytes; /* of scratch, for each worker */
    size_t scratch_bytes, shared_bytes;
};

static enum pln_status open_device(int ordinal, const struct pln_device_options *options, struct pln_diag *diag,
                                   struct pln_device **out_device)
{
    *out_device = NULL;
    if (ordinal != 0) return pln_fail(diag, PLN_DEVICE, "there is one CPU device, no cpu:%d; use cpu", ordinal);
    const char *cap = pln_cpu_bad_cap();
    if (cap != NULL) {
        return pln_fail(diag, PLN_DEVICE,
                        "PLANISH_CPU_ISA is '%s', which is no level that is known: set it to native, portable, x86-64-v2, "
                        "x86-64-v3 (avx2) or x86-64-v4 (avx512), to features joined by '+', or not at all",
                        cap);
    }
    struct pln_pool *pool = options->pool != NULL ? options->pool : pln_pool_shared();
    if (pool == NULL) return pln_fail(diag, PLN_NO_MEMORY, "the thread pool could not be made");
    struct pln_device *device = pln_alloc_zeroed(options->alloc, sizeof *device, _Alignof(struct pln_device));
    if (device == NULL) return pln_fail_memory(diag, "the CPU device", sizeof *device);
    device->base.backend = &pln_backend_cpu;
    device->alloc = options->alloc;
    device->pool = pool;
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
    snprintf(out_caps->name, sizeof out_caps->name, "%s", pln_cpu_name());
    out_caps->features = pln_cpu_features();
    out_caps->host_memory = true;
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page_bytes > 0) out_caps->memory_bytes = (size_t)pages * (size_t)page_bytes;
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

/* ---- queues ---- */

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
    if (queue == NULL) return;
    const struct pln_allocator *alloc = queue->device->alloc;
    if (queue->scratch != NULL) pln_free(alloc, queue->scratch, queue->scratch_bytes);
    if (queue->shared != NULL) pln_free(alloc, queue->shared, queue->shared_bytes);
    pln_free(alloc, queue, sizeof *queue);
}

static enum pln_status grow(struct pln_queue *queue, void **memory, size_t *size_bytes, size_t wanted_bytes,
                            struct pln_diag *diag)
{
    const struct pln_allocator *alloc = queue->device->alloc;
    if (*memory != NULL) pln_free(alloc, *memory, *size_bytes);
    *size_bytes = 0;
    *memory = pln_alloc(alloc, wanted_bytes, SCRATCH_ALIGN);
    if (*memory == NULL) return pln_fail_memory(diag, "scratch of the kernels", wanted_bytes);
    *size_bytes = wanted_bytes;
    return PLN_OK;
}

static enum pln_status reserve(struct pln_queue *queue, const struct pln_prepared *prepared, struct pln_diag *diag)
{
    if (prepared->scratch_bytes > queue->worker_bytes) {
        /* A page between two workers' pieces keeps their cache lines and prefetches apart. */
        size_t worker_bytes, total_bytes;
        if (prepared->scratch_bytes > SIZE_MAX - 8192) return pln_fail_memory(diag, "scratch of a kernel", SIZE_MAX);
        worker_bytes = pln_align_up(prepared->scratch_bytes, 4096) + SCRATCH_ALIGN;
        if (!pln_mul_size(worker_bytes, (size_t)pln_pool_workers(queue->device->pool), &total_bytes))
            return pln_fail_memory(diag, "scratch of a kernel", SIZE_MAX);
        queue->worker_bytes = 0;
        PLN_TRY(grow(queue, &queue->scratch, &queue->scratch_bytes, total_bytes, diag));
        queue->worker_bytes = worker_bytes;
    }
    if (prepared->shared_bytes > queue->shared_bytes)
        PLN_TRY(grow(queue, &queue->shared, &queue->shared_bytes, prepared->shared_bytes, diag));
    return PLN_OK;
}

struct launch_job {
    const struct pln_command *command;
    const struct pln_queue *queue;
};

static void run_tasks(void *user, int64_t first, int64_t last, int worker)
{
    const struct launch_job *job = user;
    const struct pln_queue *queue = job->queue;
    void *scratch = queue->scratch == NULL ? NULL : (char *)queue->scratch + (size_t)worker * queue->worker_bytes;
    job->command->kernel->family->run(job->command->state, first, last, scratch, queue->shared);
}

static enum pln_status launch(struct pln_queue *queue, const struct pln_command *command, struct pln_diag *diag)
{
    const struct pln_prepared *prepared = &command->prepared;
    if (prepared->n_tasks <= 0) return PLN_OK;
    PLN_TRY(reserve(queue, prepared, diag));
    struct launch_job job = { command, queue };
    const struct pln_kernel_family *family = command->kernel->family;
    uint64_t code = 0;
    const size_t cleared_bytes = PLN_MAX(prepared->cleared_bytes, family->fault != NULL ? sizeof code : 0);
    if (cleared_bytes > 0) memset(queue->shared, 0, cleared_bytes);
    if (prepared->n_tasks == 1)
        run_tasks(&job, 0, 1, 0);
    else
        pln_pool_run(queue->device->pool, prepared->n_tasks, prepared->grain, run_tasks, &job);
    if (family->fault != NULL) memcpy(&code, queue->shared, sizeof code);
    return code == 0 ? PLN_OK : pln_fail(diag, PLN_INVALID_ARGUMENT, "%s", family->fault(command->state, code));
}

/* ---- copies ---- */

struct copy_job {
    const struct pln_tensor *from, *to;
    int axis;
};

static struct pln_tensor slice_of(const struct pln_tensor *tensor, int axis, int64_t first, int64_t last)
{
    struct pln_tensor part = *tensor;
    part.dims[axis] = last - first;
    part.data = (char *)tensor->data + first * tensor->strides[axis] * (pln_dtype_bits(tensor->dtype) / 8);
    return part;
}

static void copy_part(void *user, int64_t first, int64_t last, int worker)
{
    (void)worker;
    const struct copy_job *job = user;
    struct pln_tensor from = slice_of(job->from, job->axis, first, last);
    struct pln_tensor to = slice_of(job->to, job->axis, first, last);
    pln_tensor_copy(&from, &to);
}

/* Slices of an axis that lies side by side in either tensor share its cache lines: another one where there is one. */
static int split_axis(const struct pln_tensor *from, const struct pln_tensor *to)
{
    int first = from->rank;
    for (int d = from->rank - 1; d >= 0; d--)
        if (from->dims[d] > 1) first = d;
    for (int d = first; d < from->rank; d++)
        if (from->dims[d] > 1 && from->strides[d] != 1 && to->strides[d] != 1) return d;
    return first;
}

static void copy(struct pln_queue *queue, const struct pln_tensor *from, const struct pln_tensor *to)
{
    const int axis = split_axis(from, to);
    size_t size_bytes = pln_tensor_bytes(from);
    if (axis == from->rank || size_bytes < SPLIT_COPY_BYTES || pln_dtype_bits(from->dtype) < 8) {
        pln_tensor_copy(from, to);
        return;
    }
    struct copy_job job = { from, to, axis };
    size_t slice_bytes = size_bytes / (size_t)from->dims[axis];
    int64_t grain = (int64_t)(SPLIT_COPY_BYTES / (slice_bytes + 1)) + 1;
    if (from->strides[axis] == 1 || to->strides[axis] == 1) grain = (int64_t)pln_align_up((size_t)grain, LINE_ELEMENTS);
    pln_pool_run(queue->device->pool, from->dims[axis], grain, copy_part, &job);
}

static enum pln_status submit_commands(struct pln_queue *queue, struct pln_command *commands, size_t n_commands,
                                       struct pln_recording **recording, uint64_t version, struct pln_diag *diag)
{
    (void)recording;
    (void)version;
    for (size_t i = 0; i < n_commands; i++) {
        struct pln_command *command = &commands[i];
        switch (command->kind) {
        case PLN_COMMAND_LAUNCH: PLN_TRY(launch(queue, command, diag)); break;
        case PLN_COMMAND_COPY: copy(queue, command->from, command->to); break;
        case PLN_COMMAND_CALL:
            command->status = PLN_INTERNAL;
            return pln_fail(diag, PLN_INTERNAL, "the CPU device leaves host calls to the runtime");
        }
    }
    return PLN_OK;
}

static enum pln_status sync_queue(struct pln_queue *queue, struct pln_diag *diag)
{
    (void)queue;
    (void)diag;
    return PLN_OK;
}

const struct pln_backend pln_backend_cpu = {
    .abi_version = PLN_KERNEL_ABI,
    .name = "cpu",
    .open = open_device,
    .close = close_device,
    .caps = get_caps,
    .alloc = alloc_memory,
    .release = release_memory,
    .queue_create = create_queue,
    .queue_destroy = destroy_queue,
    .submit = submit_commands,
    .sync = sync_queue,
    .kernels = pln_cpu_kernels,
};
