/* A device of the tests, computing by the reference kernels: memory that the host cannot touch, queues that run late, memory that is poisoned
 * before it is used and after it is given back. What passes on it assumes neither host pointers nor immediate results.
 *
 * An allocation is a memory file mapped twice: once without any permission, whose address is the "device address" that the runtime sees
 * (a touch by the host is a crash), and once for the device's own use. */
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/backend.h"

extern const struct pln_backend pln_backend_mock;

#define POISON_NEW 0xA5
#define POISON_OLD 0xC7

struct memory {
    uint8_t *handle, *own;
    size_t size_bytes;
    struct memory *next;
};

struct pln_device {
    struct pln_device_base base;
    const struct pln_allocator *alloc;
    struct memory *memories;
    pthread_mutex_t lock;
};

struct pln_queue {
    struct pln_queue_base base;
    struct pln_device *device;
    struct pln_command **pending;
    size_t n_pending, capacity;
    uint64_t random;
    enum pln_status failed;
};

static enum pln_status open_device(int ordinal, const struct pln_device_options *options, struct pln_diag *diag, struct pln_device **out_device)
{
    (void)ordinal;
    *out_device = pln_alloc_zeroed(options->alloc, sizeof **out_device, _Alignof(struct pln_device));
    if (!*out_device) return pln_fail_memory(diag, "the mock device", sizeof **out_device);
    (*out_device)->base.backend = &pln_backend_mock;
    (*out_device)->alloc = options->alloc;
    pthread_mutex_init(&(*out_device)->lock, NULL);
    return PLN_OK;
}

static void get_caps(struct pln_device *device, struct pln_device_caps *out_caps)
{
    (void)device;
    *out_caps = (struct pln_device_caps){ .name = "mock" };
}

static enum pln_status alloc_memory(struct pln_device *device, size_t size_bytes, const char *what, struct pln_diag *diag, void **out_memory)
{
    *out_memory = NULL;
    struct memory *memory = pln_alloc_zeroed(device->alloc, sizeof *memory, _Alignof(struct memory));
    size_t page = pln_align_up(size_bytes + 1, 4096);
    int file = memory ? memfd_create("mock", 0) : -1;
    if (file < 0 || ftruncate(file, (off_t)page) != 0) return pln_fail_memory(diag, what, size_bytes);
    memory->handle = mmap(NULL, page, PROT_NONE, MAP_SHARED, file, 0);
    memory->own = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory->handle == MAP_FAILED || memory->own == MAP_FAILED) return pln_fail_memory(diag, what, size_bytes);
    memory->size_bytes = page;
    memset(memory->own, POISON_NEW, page);
    pthread_mutex_lock(&device->lock);
    memory->next = device->memories;
    device->memories = memory;
    pthread_mutex_unlock(&device->lock);
    *out_memory = memory->handle;
    return PLN_OK;
}

static void free_memory(struct pln_device *device, struct memory *memory)
{
    memset(memory->own, POISON_OLD, memory->size_bytes);
    munmap(memory->own, memory->size_bytes);
    munmap(memory->handle, memory->size_bytes);
    pln_free(device->alloc, memory, sizeof *memory);
}

static void release_memory(struct pln_device *device, void *handle, size_t size_bytes)
{
    (void)size_bytes;
    pthread_mutex_lock(&device->lock);
    struct memory **link = &device->memories;
    while (*link && (*link)->handle != handle) link = &(*link)->next;
    struct memory *memory = *link;
    if (memory) *link = memory->next;
    pthread_mutex_unlock(&device->lock);
    if (memory) free_memory(device, memory);
}

static void close_device(struct pln_device *device)
{
    while (device->memories) release_memory(device, device->memories->handle, 0);
    pthread_mutex_destroy(&device->lock);
    pln_free(device->alloc, device, sizeof *device);
}

/* NULL: no address of this device. */
static void *own_address(struct pln_device *device, const void *handle)
{
    uint8_t *own = NULL;
    pthread_mutex_lock(&device->lock);
    for (struct memory *memory = device->memories; memory && !own; memory = memory->next)
        if ((const uint8_t *)handle >= memory->handle && (const uint8_t *)handle < memory->handle + memory->size_bytes) own = memory->own + ((const uint8_t *)handle - memory->handle);
    pthread_mutex_unlock(&device->lock);
    return own;
}

static enum pln_status create_queue(struct pln_device *device, struct pln_diag *diag, struct pln_queue **out_queue)
{
    *out_queue = pln_alloc_zeroed(device->alloc, sizeof **out_queue, _Alignof(struct pln_queue));
    if (!*out_queue) return pln_fail_memory(diag, "a queue", sizeof **out_queue);
    (*out_queue)->device = device;
    (*out_queue)->random = 12345;
    return PLN_OK;
}

static void destroy_queue(struct pln_queue *queue)
{
    const struct pln_allocator *alloc = queue->device->alloc;
    pln_free(alloc, queue->pending, queue->capacity * sizeof *queue->pending);
    pln_free(alloc, queue, sizeof *queue);
}

static enum pln_status translate(struct pln_queue *queue, const struct pln_tensor *tensor, struct pln_tensor *out, struct pln_diag *diag)
{
    *out = *tensor;
    if (tensor->dtype == PLN_DTYPE_NONE || pln_tensor_count(tensor) == 0) return PLN_OK;
    out->data = own_address(queue->device, tensor->data);
    return out->data ? PLN_OK : pln_fail(diag, PLN_INTERNAL, "mock: an operand is not in the device's memory");
}

static enum pln_status run_call(struct pln_queue *queue, const struct pln_launch *launch, struct pln_diag *diag)
{
    enum { MOST = 256 };
    struct pln_item in[MOST], *outputs[MOST] = { 0 };
    struct pln_tensor out[MOST];
    const struct pln_item *inputs[MOST] = { 0 };
    const struct pln_tensor *planned[MOST] = { 0 };
    bool wanted[MOST] = { 0 };
    if (launch->n_inputs > MOST || launch->n_outputs > MOST) return pln_fail(diag, PLN_UNSUPPORTED, "mock: too many operands");
    for (int i = 0; i < launch->n_inputs; i++) {
        if (launch->inputs[i].dtype == PLN_DTYPE_NONE) continue;
        in[i] = (struct pln_item){ .kind = PLN_TENSOR, .refs = 1 };
        PLN_TRY(translate(queue, &launch->inputs[i], &in[i].tensor, diag));
        if (!pln_tensor_is_contiguous(&in[i].tensor)) return pln_fail(diag, PLN_INTERNAL, "mock: a call got a strided operand");
        inputs[i] = &in[i];
    }
    for (int i = 0; i < launch->n_outputs; i++) {
        if (launch->outputs[i].dtype == PLN_DTYPE_NONE) continue;
        PLN_TRY(translate(queue, &launch->outputs[i], &out[i], diag));
        if (out[i].data) memset(out[i].data, POISON_NEW, pln_tensor_bytes(&out[i]));
        planned[i] = &out[i];
        wanted[i] = true;
    }
    struct pln_heap heap;
    struct pln_arena scratch;
    pln_heap_init(&heap, queue->device->alloc, 0);
    pln_arena_init(&scratch, queue->device->alloc, 0);
    struct pln_call call = { .op = launch->op, .kind = launch->kind, .attrs = launch->attrs, .custom = launch->custom, .n_inputs = launch->n_inputs, .n_outputs = launch->n_outputs, .inputs = inputs, .outputs = outputs,
                             .wanted = wanted, .planned = planned, .heap = &heap, .scratch = &scratch, .diag = diag };
    enum pln_status status = pln_ref_kernels[launch->op](&call);
    pln_arena_deinit(&scratch);
    pln_heap_deinit(&heap);
    return status;
}

static enum pln_status run_copy(struct pln_queue *queue, const struct pln_command *command, struct pln_diag *diag)
{
    struct pln_tensor from = *command->from, to = *command->to;
    if (!command->from_host) PLN_TRY(translate(queue, command->from, &from, diag));
    if (!command->to_host) PLN_TRY(translate(queue, command->to, &to, diag));
    pln_tensor_copy(&from, &to);
    return PLN_OK;
}

static void run_some(struct pln_queue *queue, size_t n, struct pln_diag *diag)
{
    for (size_t i = 0; i < n; i++) {
        struct pln_command *command = queue->pending[i];
        if (queue->failed != PLN_OK) break;
        switch (command->kind) {
        case PLN_COMMAND_CALL: command->status = run_call(queue, command->launch, diag); break;
        case PLN_COMMAND_COPY: command->status = run_copy(queue, command, diag); break;
        case PLN_COMMAND_LAUNCH: command->status = pln_fail(diag, PLN_INTERNAL, "mock: it has no kernels"); break;
        }
        queue->failed = command->status;
    }
    queue->n_pending -= n;
    memmove(queue->pending, queue->pending + n, queue->n_pending * sizeof(struct pln_command *));
}

static enum pln_status submit(struct pln_queue *queue, struct pln_command *commands, size_t n_commands, struct pln_recording **recording, uint64_t version, struct pln_diag *diag)
{
    (void)recording;
    (void)version;
    if (queue->n_pending + n_commands > queue->capacity) {
        size_t want = (queue->n_pending + n_commands) * 2;
        struct pln_command **grown = pln_alloc(queue->device->alloc, want * sizeof *grown, _Alignof(struct pln_command *));
        if (!grown) return pln_fail_memory(diag, "queue", want * sizeof *grown);
        if (queue->n_pending) memcpy(grown, queue->pending, queue->n_pending * sizeof *grown);
        pln_free(queue->device->alloc, queue->pending, queue->capacity * sizeof *grown);
        queue->pending = grown;
        queue->capacity = want;
    }
    for (size_t i = 0; i < n_commands; i++) queue->pending[queue->n_pending++] = &commands[i];
    queue->random = queue->random * 6364136223846793005ull + 1442695040888963407ull;
    queue->base.launches++;
    run_some(queue, (size_t)(queue->random >> 33) % (queue->n_pending + 1), diag); /* some now, the rest whenever */
    return PLN_OK;
}

static enum pln_status sync_queue(struct pln_queue *queue, struct pln_diag *diag)
{
    run_some(queue, queue->n_pending, diag);
    enum pln_status status = queue->failed;
    queue->failed = PLN_OK;
    return status;
}

/* Asking is what makes time pass. */
static enum pln_status poll_queue(struct pln_queue *queue, struct pln_diag *diag, bool *out_idle)
{
    queue->random = queue->random * 6364136223846793005ull + 1442695040888963407ull;
    run_some(queue, (size_t)(queue->random >> 33) % (queue->n_pending + 1), diag);
    *out_idle = queue->n_pending == 0;
    return PLN_OK;
}

const struct pln_backend pln_backend_mock = {
    .abi_version = PLN_KERNEL_ABI, .name = "mock", .open = open_device, .close = close_device, .caps = get_caps, .alloc = alloc_memory, .release = release_memory, .queue_create = create_queue,
    .queue_destroy = destroy_queue, .submit = submit, .sync = sync_queue, .poll = poll_queue, .runs_calls = true,
};
