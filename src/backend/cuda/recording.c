/* Recordings: see device.h. */
#include "backend/cuda/device.h"

#define HEAD_BYTES 64      /* of the image: the fault word, alone in its line */
#define PARAMS_ALIGN 64
#define STAGE_ALIGN 256
#define BLOCKS_MOST_PER_SM 32
#define STATIC_SHARED_BYTES 49152u /* more dynamic shared memory has to be asked for (CUDA C++ Programming Guide, "Shared Memory") */

/* What becomes of one command. */
struct pln_cuda_node {
    void *function;        /* NULL: a plain copy, or nothing */
    uint32_t params_at;    /* in the image */
    uint32_t threads, shared_bytes;
    uint32_t blocks;       /* as captured */
    int64_t n_tasks;
    size_t stage_at, stage_bytes; /* of a copy from or to the host */
};

/* ---- memory ---- */

static enum pln_status hold_pinned(struct pln_queue *queue, uint8_t **memory, size_t *size_bytes, size_t wanted_bytes, const char *what, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    if (wanted_bytes <= *size_bytes) return PLN_OK;
    if (*memory) (void)driver->MemFreeHost(*memory);
    *memory = NULL;
    *size_bytes = 0;
    void *fresh = NULL;
    size_t bytes = pln_align_up(wanted_bytes + wanted_bytes / 2, 4096);
    const int result = driver->MemHostAlloc(&fresh, bytes, PLN_CUDA_HOST_PORTABLE | PLN_CUDA_HOST_MAPPED);
    if (result == PLN_CUDA_ERROR_OUT_OF_MEMORY) return pln_fail_memory(diag, what, bytes);
    PLN_TRY(pln_cuda_check(driver, result, "cuMemHostAlloc", what, diag));
    *memory = fresh;
    *size_bytes = bytes;
    return PLN_OK;
}

static enum pln_status hold_device(struct pln_queue *queue, uint64_t *address, size_t *size_bytes, size_t wanted_bytes, const char *what, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    if (wanted_bytes <= *size_bytes) return PLN_OK;
    if (*address) (void)driver->MemFree(*address);
    *address = 0;
    *size_bytes = 0;
    PLN_TRY(pln_cuda_alloc(queue->device, wanted_bytes, what, diag, address));
    *size_bytes = wanted_bytes;
    return PLN_OK;
}

static void forget_graph(struct pln_queue *queue, struct pln_recording *recording)
{
    if (recording->exec) (void)queue->device->driver->GraphExecDestroy(recording->exec);
    recording->exec = NULL;
}

/* Of a recording that goes although a sync has failed: the GPU is through with it, and nobody fetches its results. */
static void abandon(struct pln_queue *queue, struct pln_recording *recording)
{
    struct pln_recording **link = &queue->pending;
    if (!recording->is_pending) return;
    (void)queue->device->driver->StreamSynchronize(queue->stream);
    while (*link && *link != recording) link = &(*link)->next;
    if (*link) *link = recording->next;
}

void pln_cuda_recording_destroy(struct pln_queue *queue, struct pln_recording *recording)
{
    if (!recording) return;
    const struct pln_device *device = queue->device;
    const struct pln_allocator *alloc = device->alloc;
    if (pln_cuda_enter(device, NULL) == PLN_OK) {
        abandon(queue, recording);
        forget_graph(queue, recording);
        if (recording->image) (void)device->driver->MemFreeHost(recording->image);
        if (recording->stage) (void)device->driver->MemFreeHost(recording->stage);
        if (recording->block) (void)device->driver->MemFree(recording->block);
        if (recording->scratch) (void)device->driver->MemFree(recording->scratch);
        pln_cuda_leave(device);
    }
    pln_free(alloc, recording->nodes, recording->capacity * sizeof *recording->nodes);
    pln_free(alloc, recording, sizeof *recording);
}

static enum pln_status hold_nodes(struct pln_queue *queue, struct pln_recording *recording, size_t n, struct pln_diag *diag)
{
    const struct pln_allocator *alloc = queue->device->alloc;
    if (n <= recording->capacity) return PLN_OK;
    struct pln_cuda_node *nodes = pln_alloc_zeroed(alloc, n * sizeof *nodes, _Alignof(struct pln_cuda_node));
    if (!nodes) return pln_fail_memory(diag, "a recording", n * sizeof *nodes);
    pln_free(alloc, recording->nodes, recording->capacity * sizeof *nodes);
    recording->nodes = nodes;
    recording->capacity = n;
    return PLN_OK;
}

/* ---- commands to nodes ---- */

static const struct pln_kernel *kernel_of(const struct pln_command *command)
{
    return command->kind == PLN_COMMAND_COPY ? &pln_cuda_copy_row : command->kernel;
}

/* Where everything lies in the image and on the stage. */
static enum pln_status lay_out(struct pln_recording *recording, struct pln_diag *diag, size_t *out_image, size_t *out_stage, size_t *out_scratch, bool *out_moved)
{
    size_t image = HEAD_BYTES, stage = 0, scratch = 0;
    recording->to_host = false;
    for (size_t i = 0; i < recording->n; i++) {
        const struct pln_command *command = &recording->commands[i];
        struct pln_cuda_node *node = &recording->nodes[i];
        if (command->kind == PLN_COMMAND_CALL) return pln_fail(diag, PLN_INTERNAL, "the CUDA device leaves host calls to the runtime");
        *out_moved = *out_moved || node->params_at != image;
        node->params_at = (uint32_t)image;
        if (command->code) image += pln_align_up(kernel_of(command)->family->state_bytes, PARAMS_ALIGN);
        recording->to_host = recording->to_host || (command->kind == PLN_COMMAND_COPY && command->to_host);
        node->stage_at = stage;
        node->stage_bytes = 0;
        if (command->kind == PLN_COMMAND_COPY && (command->from_host || command->to_host)) {
            node->stage_bytes = pln_tensor_bytes(command->from);
            if (command->code) stage += pln_align_up(node->stage_bytes, STAGE_ALIGN);
        }
        if (command->kind == PLN_COMMAND_LAUNCH) scratch = PLN_MAX(scratch, command->prepared.shared_bytes);
    }
    if (image > UINT32_MAX) return pln_fail_memory(diag, "parameters of kernels", image);
    *out_image = image;
    *out_stage = stage;
    *out_scratch = scratch;
    return PLN_OK;
}

/* The copy kernel sees what the host has as dense memory on the stage. */
static enum pln_status prepare_copy(const struct pln_recording *recording, const struct pln_command *command, const struct pln_cuda_node *node, uint8_t *params, struct pln_prepared *out_prepared,
                                    struct pln_diag *diag)
{
    struct pln_tensor from = *command->from, to = *command->to;
    if (command->from_host) pln_tensor_init(&from, from.dtype, from.rank, command->from->dims, recording->stage + node->stage_at);
    if (command->to_host) pln_tensor_init(&to, to.dtype, to.rank, command->to->dims, recording->stage + node->stage_at);
    const struct pln_launch launch = { .op = PLN_OP_IDENTITY, .n_inputs = 1, .n_outputs = 1, .inputs = &from, .outputs = &to };
    memset(params, 0, pln_cuda_copy_row.family->state_bytes);
    return pln_cuda_copy_row.family->prepare(&pln_cuda_copy_row, &launch, params, out_prepared, diag);
}

static enum pln_status fill_node(struct pln_queue *queue, struct pln_recording *recording, size_t i, bool *changed, struct pln_diag *diag)
{
    const struct pln_command *command = &recording->commands[i];
    struct pln_cuda_node *node = &recording->nodes[i];
    const struct pln_cuda_node before = *node;
    uint8_t *params = recording->image + node->params_at;
    struct pln_prepared prepared = command->prepared;
    node->function = command->code ? command->code->function : NULL;
    if (!node->function) {
        *changed = *changed || before.function;
        return PLN_OK;
    }
    if (command->kind == PLN_COMMAND_COPY) PLN_TRY(prepare_copy(recording, command, node, params, &prepared, diag));
    else if (command->state) memcpy(params, command->state, command->kernel->family->state_bytes);
    else memset(params, 0, command->kernel->family->state_bytes); /* a launch that makes nothing */
    struct pln_cuda_head head;
    memcpy(&head, params, sizeof head);
    head.n_tasks = prepared.n_tasks;
    head.fault = (uint64_t)(uintptr_t)recording->image;
    head.shared = prepared.shared_bytes ? recording->scratch : 0;
    head.command = (int64_t)i + 1;
    memcpy(params, &head, sizeof head);
    node->n_tasks = prepared.n_tasks;
    node->threads = prepared.block_threads > 0 ? (uint32_t)prepared.block_threads : 32;
    node->shared_bytes = prepared.block_bytes;
    if (node->shared_bytes > STATIC_SHARED_BYTES) PLN_TRY(pln_cuda_allow_shared(queue->device, command->code, node->shared_bytes, command->kernel->name, diag));
    const int64_t most = (int64_t)queue->device->multiprocessors * BLOCKS_MOST_PER_SM;
    bool few = node->n_tasks > 4 * (int64_t)before.blocks && before.blocks < most;
    bool other = before.function != node->function || before.threads != node->threads || before.shared_bytes != node->shared_bytes;
    *changed = *changed || few || other;
    return PLN_OK;
}

static enum pln_status fill_nodes(struct pln_queue *queue, struct pln_recording *recording, struct pln_diag *diag)
{
    size_t image = 0, stage = 0, scratch = 0;
    bool changed = false;
    PLN_TRY(lay_out(recording, diag, &image, &stage, &scratch, &changed));
    changed = changed || image != recording->used_bytes || image > recording->image_bytes;
    PLN_TRY(hold_pinned(queue, &recording->image, &recording->image_bytes, image, "parameters of kernels", diag));
    PLN_TRY(hold_device(queue, &recording->block, &recording->block_bytes, recording->image_bytes, "parameters of kernels", diag));
    recording->used_bytes = image;
    PLN_TRY(hold_pinned(queue, &recording->stage, &recording->stage_bytes, stage, "data from and to the host", diag));
    PLN_TRY(hold_device(queue, &recording->scratch, &recording->scratch_bytes, scratch, "scratch of kernels", diag));
    memset(recording->image, 0, HEAD_BYTES);
    for (size_t i = 0; i < recording->n; i++) PLN_TRY(fill_node(queue, recording, i, &changed, diag));
    if (changed) forget_graph(queue, recording);
    const int64_t most = (int64_t)queue->device->multiprocessors * BLOCKS_MOST_PER_SM;
    for (size_t i = 0; changed && i < recording->n; i++) recording->nodes[i].blocks = (uint32_t)PLN_MAX(1, PLN_MIN(recording->nodes[i].n_tasks, most));
    return PLN_OK;
}

bool pln_cuda_recording_is_filled(const struct pln_recording *recording, const struct pln_command *commands, size_t n, uint64_t version)
{
    return recording && recording->filled && recording->version == version && recording->commands == commands && recording->n == n;
}

enum pln_status pln_cuda_recording_fill(struct pln_queue *queue, struct pln_recording **recording, struct pln_command *commands, size_t n, uint64_t version, struct pln_diag *diag)
{
    struct pln_recording *own = *recording;
    if (pln_cuda_recording_is_filled(own, commands, n, version)) return PLN_OK;
    if (!own) {
        own = *recording = pln_alloc_zeroed(queue->device->alloc, sizeof *own, _Alignof(struct pln_recording));
        if (!own) return pln_fail_memory(diag, "a recording", sizeof *own);
    }
    own->filled = false;
    if (own->n != n) forget_graph(queue, own);
    PLN_TRY(hold_nodes(queue, own, n, diag));
    own->commands = commands;
    own->n = n;
    enum pln_status status = fill_nodes(queue, own, diag);
    if (status != PLN_OK) {
        forget_graph(queue, own);
        own->used_bytes = 0; /* the next time all nodes are looked at anew, those too that are filled by now */
        return status;
    }
    own->version = version;
    own->filled = true;
    return PLN_OK;
}

/* ---- running ---- */

static void stage_inputs(const struct pln_recording *recording)
{
    for (size_t i = 0; i < recording->n; i++) {
        const struct pln_command *command = &recording->commands[i];
        if (command->kind != PLN_COMMAND_COPY || !command->from_host || !command->code || recording->nodes[i].stage_bytes == 0) continue;
        struct pln_tensor stage;
        pln_tensor_init(&stage, command->from->dtype, command->from->rank, command->from->dims, recording->stage + recording->nodes[i].stage_at);
        pln_tensor_copy(command->from, &stage);
    }
}

/* Shapes that kernels read, and the like: worth a look, where a large input is not. */
#define SAME_MOST_BYTES 4096

bool pln_cuda_recording_same_input(const struct pln_recording *recording)
{
    size_t bytes = 0;
    for (size_t i = 0; i < recording->n; i++) {
        const struct pln_command *command = &recording->commands[i];
        if (command->kind != PLN_COMMAND_COPY || !command->from_host) continue;
        bytes += pln_tensor_bytes(command->from);
        if (!command->code || bytes > SAME_MOST_BYTES || !pln_tensor_is_contiguous(command->from)) return false;
        const size_t own = recording->nodes[i].stage_bytes;
        if (own > 0 && memcmp(recording->stage + recording->nodes[i].stage_at, command->from->data, own) != 0) return false;
    }
    return true;
}

static bool can_capture(const struct pln_recording *recording)
{
    for (size_t i = 0; i < recording->n; i++)
        if (!recording->nodes[i].function) return false;
    return recording->n > 0;
}

static enum pln_status add_nodes(struct pln_queue *queue, struct pln_recording *recording, void *graph, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    void *last = NULL;
    const struct pln_cuda_memcpy_node copy = { .from = { .memory_type = PLN_CUDA_MEMORY_HOST, .host = recording->image, .pitch = recording->used_bytes },
                                               .to = { .memory_type = PLN_CUDA_MEMORY_DEVICE, .device = recording->block, .pitch = recording->used_bytes },
                                               .width_bytes = recording->used_bytes, .height = 1, .depth = 1 };
    PLN_CUDA_TRY(driver, diag, "parameters of kernels", GraphAddMemcpyNode, (&last, graph, NULL, 0, &copy, queue->device->context));
    for (size_t i = 0; i < recording->n; i++) {
        const struct pln_cuda_node *node = &recording->nodes[i];
        uint64_t address = recording->block + node->params_at;
        void *parameters[] = { &address };
        const struct pln_cuda_kernel_node kernel = { .function = node->function, .grid_x = node->blocks, .grid_y = 1, .grid_z = 1, .block_x = node->threads, .block_y = 1, .block_z = 1,
                                                     .shared_bytes = node->shared_bytes, .parameters = parameters };
        void *before = last;
        PLN_CUDA_TRY(driver, diag, kernel_of(&recording->commands[i])->name, GraphAddKernelNode, (&last, graph, &before, 1, &kernel));
    }
    PLN_CUDA_TRY(driver, diag, "a graph", GraphInstantiateWithFlags, (&recording->exec, graph, 0));
    queue->base.captures++;
    return PLN_OK;
}

static enum pln_status capture(struct pln_queue *queue, struct pln_recording *recording, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    void *graph = NULL;
    PLN_CUDA_TRY(driver, diag, "a graph", GraphCreate, (&graph, 0));
    enum pln_status status = add_nodes(queue, recording, graph, diag);
    if (status != PLN_OK) recording->exec = NULL; /* whatever the driver has left there */
    (void)driver->GraphDestroy(graph);
    return status;
}

/* What is captured does not run now. */
static void count_launch(struct pln_queue *queue)
{
    queue->base.launches += !queue->capturing;
}

/* A copy that needs no kernel: both sides dense. */
static enum pln_status copy_dense(struct pln_queue *queue, const struct pln_command *command, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    size_t bytes = pln_tensor_bytes(command->from);
    uint64_t from = (uint64_t)(uintptr_t)command->from->data, to = (uint64_t)(uintptr_t)command->to->data;
    if (!pln_tensor_is_contiguous(command->from) || !pln_tensor_is_contiguous(command->to)) return pln_fail(diag, PLN_BAD_PLAN, "a copy of strided memory has no kernel");
    if (bytes == 0) return PLN_OK;
    count_launch(queue);
    if (command->from_host) PLN_CUDA_TRY(driver, diag, "a copy to the GPU", MemcpyHtoDAsync, (to, command->from->data, bytes, queue->stream));
    else if (command->to_host) PLN_CUDA_TRY(driver, diag, "a copy from the GPU", MemcpyDtoHAsync, (command->to->data, from, bytes, queue->stream));
    else PLN_CUDA_TRY(driver, diag, "a copy on the GPU", MemcpyDtoDAsync, (to, from, bytes, queue->stream));
    return PLN_OK;
}

static enum pln_status launch_one_by_one(struct pln_queue *queue, struct pln_recording *recording, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    count_launch(queue);
    PLN_CUDA_TRY(driver, diag, "parameters of kernels", MemcpyHtoDAsync, (recording->block, recording->image, recording->used_bytes, queue->stream));
    for (size_t i = 0; i < recording->n; i++) {
        const struct pln_cuda_node *node = &recording->nodes[i];
        if (!node->function) {
            if (recording->commands[i].kind == PLN_COMMAND_COPY) PLN_TRY(copy_dense(queue, &recording->commands[i], diag));
            else return pln_fail(diag, PLN_INTERNAL, "kernel '%s' has no device code", recording->commands[i].kernel->name);
            continue;
        }
        uint64_t address = recording->block + node->params_at;
        void *parameters[] = { &address };
        count_launch(queue);
        PLN_CUDA_TRY(driver, diag, kernel_of(&recording->commands[i])->name, LaunchKernel,
                     (node->function, node->blocks, 1, 1, node->threads, 1, 1, node->shared_bytes, queue->stream, parameters, NULL));
    }
    return PLN_OK;
}

enum pln_status pln_cuda_recording_launch(struct pln_queue *queue, struct pln_recording *recording, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = queue->device->driver;
    if (recording->n == 0) return PLN_OK;
    if (!recording->is_pending) { /* else a kernel under way may be about to write here, or to read */
        memset(recording->image, 0, sizeof(uint64_t));
        stage_inputs(recording);
    }
    if (recording == queue->once || queue->capturing || !can_capture(recording)) return launch_one_by_one(queue, recording, diag);
    if (!recording->exec) PLN_TRY(capture(queue, recording, diag));
    count_launch(queue);
    PLN_CUDA_TRY(driver, diag, "a run of kernels", GraphLaunch, (recording->exec, queue->stream));
    return PLN_OK;
}

enum pln_status pln_cuda_recording_finish(struct pln_queue *queue, struct pln_recording *recording, struct pln_diag *diag)
{
    (void)queue;
    for (size_t i = 0; i < recording->n; i++) {
        const struct pln_command *command = &recording->commands[i];
        if (command->kind != PLN_COMMAND_COPY || !command->to_host || !command->code || recording->nodes[i].stage_bytes == 0) continue;
        struct pln_tensor stage;
        pln_tensor_init(&stage, command->to->dtype, command->to->rank, command->to->dims, recording->stage + recording->nodes[i].stage_at);
        pln_tensor_copy(&stage, command->to);
    }
    uint64_t fault = 0;
    if (recording->image) memcpy(&fault, recording->image, sizeof fault);
    if (fault == 0) return PLN_OK;
    /* The word holds the command that found it, counted from 1, and the code. */
    const uint64_t at = fault >> 32;
    if (at == 0 || at > recording->n || recording->commands[at - 1].kind != PLN_COMMAND_LAUNCH) return pln_fail(diag, PLN_INTERNAL, "a kernel reported an unknown fault");
    const struct pln_command *command = &recording->commands[at - 1];
    const struct pln_kernel_family *family = command->kernel->family;
    return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s", family->fault ? family->fault(command->state, fault & UINT32_MAX) : family->name);
}
