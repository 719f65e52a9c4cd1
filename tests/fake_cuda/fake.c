/* The entry points of the fake driver: handles and arguments are checked as the manual says, counted, and made to fail. See fake.h. */
#include "fake.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PLN_CUDA_SYM(name, parameters) static int call_##name parameters;
#include "backend/cuda/driver_syms.inc"
#undef PLN_CUDA_SYM

enum call {
#define PLN_CUDA_SYM(name, parameters) CALL_##name,
#include "backend/cuda/driver_syms.inc"
#undef PLN_CUDA_SYM
    CALL_COUNT
};

static const char *const call_names[] = {
#define PLN_CUDA_SYM(name, parameters) "cu" #name,
#include "backend/cuda/driver_syms.inc"
#undef PLN_CUDA_SYM
};

/* A context is the address of its GPU. */
struct gpu {
    int retained;
};

static struct {
    pthread_mutex_t lock;
    bool ready;
    struct gpu gpus[FAKE_MOST_GPUS];
    long counts[CALL_COUNT], calls, fail_at, live;
    const char *failed;
    uint64_t random;
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER };

enum { MOST_CURRENT = 16 };
static _Thread_local struct gpu *current[MOST_CURRENT];
static _Thread_local int n_current;

/* ---- what tests ask ---- */

_Noreturn void fake_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("fake CUDA: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

static long number(const char *variable, long otherwise)
{
    const char *text = getenv(variable);
    return text && *text ? atol(text) : otherwise;
}

uint64_t fake_random(void)
{
    fake.random = fake.random * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
    return fake.random >> 16;
}

void fake_count_live(int by)
{
    fake.live += by;
}

void fake_cuda_fail_at(long n)
{
    pthread_mutex_lock(&fake.lock);
    fake.fail_at = n > 0 ? fake.calls + n : 0;
    fake.failed = NULL;
    pthread_mutex_unlock(&fake.lock);
}

long fake_cuda_calls(void)
{
    return fake.calls;
}

long fake_cuda_count(const char *name)
{
    for (int i = 0; i < CALL_COUNT; i++)
        if (strcmp(call_names[i], name) == 0) return fake.counts[i];
    return 0;
}

const char *fake_cuda_failed(void)
{
    return fake.failed;
}

long fake_cuda_live(void)
{
    return fake.live;
}

void fake_cuda_forget(void)
{
    fake.live = 0;
}

static void __attribute__((constructor)) start(void)
{
    fake.random = (uint64_t)number("FAKE_CUDA_SEED", 1) * 0x9e3779b97f4a7c15u;
    fake.fail_at = number("FAKE_CUDA_FAIL", 0);
}

static void __attribute__((destructor)) report(void)
{
    const char *path = getenv("FAKE_CUDA_COUNT");
    FILE *file = path && *path && fake.calls > 0 ? fopen(path, "w") : NULL;
    if (!file) return;
    for (int i = 0; i < CALL_COUNT; i++) fprintf(file, "%s %ld\n", call_names[i], fake.counts[i]);
    fprintf(file, "calls %ld\nlive %ld\n", fake.calls, fake.live);
    fclose(file);
}

/* ---- around every call ---- */

static int error_of(enum call call)
{
    switch (call) {
    case CALL_MemAlloc:
    case CALL_MemHostAlloc: return PLN_CUDA_ERROR_OUT_OF_MEMORY;
    case CALL_Init: return 999;
    default: return FAKE_LAUNCH_FAILED;
    }
}

/* Locks and counts. An error: the call is one that has to fail. */
static int begin(enum call call)
{
    pthread_mutex_lock(&fake.lock);
    fake.counts[call]++;
    if (++fake.calls != fake.fail_at) return call != CALL_Init && call != CALL_DriverGetVersion && !fake.ready ? FAKE_NOT_INITIALIZED : 0;
    fake.failed = call_names[call];
    return error_of(call);
}

static int end(int result)
{
    pthread_mutex_unlock(&fake.lock);
    return result;
}

static int current_gpu(int *out_gpu)
{
    *out_gpu = 0;
    if (n_current == 0 || current[n_current - 1]->retained == 0) return FAKE_INVALID_CONTEXT;
    *out_gpu = (int)(current[n_current - 1] - fake.gpus);
    return 0;
}

/* begin, for what needs a current context. */
static int begin_current(enum call call, int *out_gpu)
{
    int result = begin(call), context = current_gpu(out_gpu);
    return result != 0 ? result : context;
}

static _Thread_local int capture_mode; /* 2: relaxed */

/* begin, for what must not be called while something is captured. */
static int begin_unsafe(enum call call, int *out_gpu)
{
    int result = begin_current(call, out_gpu);
    return result == 0 && capture_mode != PLN_CUDA_CAPTURE_RELAXED && fake_capture_breaks() ? FAKE_CAPTURE_UNSUPPORTED : result;
}

static int n_gpus(void)
{
    return (int)PLN_MAX(0, PLN_MIN(number("FAKE_CUDA_GPUS", 1), FAKE_MOST_GPUS));
}

static int arch_number(void)
{
    return (int)number("FAKE_CUDA_ARCH", 90);
}

static const char *arch_name(void)
{
    static char name[16];
    snprintf(name, sizeof name, "sm_%d", arch_number());
    return name;
}

/* CUDA C++ Programming Guide, "Technical Specifications per Compute Capability": most shared memory of a block. */
static size_t most_shared_bytes(void)
{
    switch (arch_number()) {
    case 72: return 96 << 10;
    case 75: return 64 << 10;
    case 80:
    case 87: return 163 << 10;
    case 86:
    case 89:
    case 120: return 99 << 10;
    default: return 227 << 10;
    }
}

/* ---- errors ---- */

static int call_GetErrorName(int error, const char **out_name)
{
    switch (error) {
    case 0: *out_name = "CUDA_SUCCESS"; break;
    case FAKE_INVALID_VALUE: *out_name = "CUDA_ERROR_INVALID_VALUE"; break;
    case PLN_CUDA_ERROR_OUT_OF_MEMORY: *out_name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case FAKE_NOT_INITIALIZED: *out_name = "CUDA_ERROR_NOT_INITIALIZED"; break;
    case PLN_CUDA_ERROR_NO_DEVICE: *out_name = "CUDA_ERROR_NO_DEVICE"; break;
    case FAKE_INVALID_DEVICE: *out_name = "CUDA_ERROR_INVALID_DEVICE"; break;
    case FAKE_INVALID_IMAGE: *out_name = "CUDA_ERROR_INVALID_IMAGE"; break;
    case FAKE_INVALID_CONTEXT: *out_name = "CUDA_ERROR_INVALID_CONTEXT"; break;
    case FAKE_NO_BINARY: *out_name = "CUDA_ERROR_NO_BINARY_FOR_GPU"; break;
    case FAKE_OPERATING_SYSTEM: *out_name = "CUDA_ERROR_OPERATING_SYSTEM"; break;
    case FAKE_INVALID_HANDLE: *out_name = "CUDA_ERROR_INVALID_HANDLE"; break;
    case FAKE_NOT_FOUND: *out_name = "CUDA_ERROR_NOT_FOUND"; break;
    case FAKE_LAUNCH_FAILED: *out_name = "CUDA_ERROR_LAUNCH_FAILED"; break;
    case FAKE_NOT_READY: *out_name = "CUDA_ERROR_NOT_READY"; break;
    case FAKE_CAPTURE_UNSUPPORTED: *out_name = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"; break;
    case FAKE_CAPTURE_INVALIDATED: *out_name = "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"; break;
    case FAKE_CAPTURE_ISOLATION: *out_name = "CUDA_ERROR_STREAM_CAPTURE_ISOLATION"; break;
    case 999: *out_name = "CUDA_ERROR_UNKNOWN"; break;
    default: *out_name = NULL; return FAKE_INVALID_VALUE;
    }
    return 0;
}

static int call_GetErrorString(int error, const char **out_text)
{
    int result = call_GetErrorName(error, out_text);
    if (result == 0) *out_text = "as the fake driver was told";
    return result;
}

/* ---- GPUs ---- */

static int call_Init(unsigned flags)
{
    int result = begin(CALL_Init);
    if (result == 0 && flags != 0) result = FAKE_INVALID_VALUE;
    if (result == 0 && n_gpus() == 0) result = PLN_CUDA_ERROR_NO_DEVICE;
    if (result == 0) fake.ready = true;
    return end(result);
}

static int call_DriverGetVersion(int *out_version)
{
    int result = begin(CALL_DriverGetVersion);
    if (result == 0) *out_version = (int)number("FAKE_CUDA_VERSION", 12040);
    return end(result);
}

static int call_DeviceGetCount(int *out_count)
{
    int result = begin(CALL_DeviceGetCount);
    if (result == 0) *out_count = n_gpus();
    return end(result);
}

static int call_DeviceGet(int *out_device, int ordinal)
{
    int result = begin(CALL_DeviceGet);
    if (result == 0 && (ordinal < 0 || ordinal >= n_gpus())) result = FAKE_INVALID_DEVICE;
    if (result == 0) *out_device = ordinal;
    return end(result);
}

static int check_device(int device)
{
    return device < 0 || device >= n_gpus() ? FAKE_INVALID_DEVICE : 0;
}

static int call_DeviceGetName(char *name, int name_bytes, int device)
{
    int result = begin(CALL_DeviceGetName);
    if (result == 0) result = check_device(device);
    if (result == 0) snprintf(name, (size_t)name_bytes, "Fake GPU");
    return end(result);
}

static int call_DeviceTotalMem(size_t *out_bytes, int device)
{
    int result = begin(CALL_DeviceTotalMem);
    if (result == 0) result = check_device(device);
    if (result == 0) *out_bytes = (size_t)number("FAKE_CUDA_MEMORY", 2048) << 20;
    return end(result);
}

static int call_DeviceGetAttribute(int *out_value, int attribute, int device)
{
    int result = begin(CALL_DeviceGetAttribute);
    if (result == 0) result = check_device(device);
    if (result != 0) return end(result);
    switch (attribute) {
    case PLN_CUDA_ATTRIBUTE_MULTIPROCESSORS: *out_value = FAKE_MULTIPROCESSORS; break;
    case PLN_CUDA_ATTRIBUTE_UNIFIED_ADDRESSING: *out_value = 1; break;
    case PLN_CUDA_ATTRIBUTE_MAJOR: *out_value = arch_number() / 10; break;
    case PLN_CUDA_ATTRIBUTE_MINOR: *out_value = arch_number() % 10; break;
    case PLN_CUDA_ATTRIBUTE_PAGEABLE_MEMORY: *out_value = 0; break;
    default: result = FAKE_INVALID_VALUE;
    }
    return end(result);
}

static int call_DevicePrimaryCtxRetain(void **out_context, int device)
{
    int result = begin(CALL_DevicePrimaryCtxRetain);
    if (result == 0) result = check_device(device);
    if (result != 0) return end(result);
    fake.gpus[device].retained++;
    fake_count_live(1);
    *out_context = &fake.gpus[device];
    return end(0);
}

/* Calls that give something back do so even if they are made to fail: their errors may be those of earlier work. */
static int call_DevicePrimaryCtxRelease(int device)
{
    int result = begin(CALL_DevicePrimaryCtxRelease);
    if (check_device(device) != 0 || fake.gpus[device].retained == 0) return end(FAKE_INVALID_CONTEXT);
    fake.gpus[device].retained--;
    fake_count_live(-1);
    return end(result);
}

static int call_CtxPushCurrent(void *context)
{
    int result = begin(CALL_CtxPushCurrent);
    struct gpu *gpu = context;
    if (result == 0 && (gpu < fake.gpus || gpu >= fake.gpus + FAKE_MOST_GPUS || gpu->retained == 0)) result = FAKE_INVALID_CONTEXT;
    if (result == 0 && n_current == MOST_CURRENT) fake_die("contexts are pushed and never popped");
    if (result == 0) current[n_current++] = gpu;
    return end(result);
}

static int call_CtxPopCurrent(void **out_context)
{
    int result = begin(CALL_CtxPopCurrent);
    if (n_current == 0) return end(FAKE_INVALID_CONTEXT);
    n_current--;
    if (out_context) *out_context = current[n_current];
    return end(result);
}

/* ---- memory ---- */

static int call_MemGetInfo(size_t *out_free_bytes, size_t *out_total_bytes)
{
    int gpu, result = begin_current(CALL_MemGetInfo, &gpu);
    if (result != 0) return end(result);
    *out_total_bytes = (size_t)number("FAKE_CUDA_MEMORY", 2048) << 20;
    *out_free_bytes = *out_total_bytes - fake_memory_used(gpu);
    return end(0);
}

static int call_MemAlloc(uint64_t *out_address, size_t size_bytes)
{
    int gpu, result = begin_unsafe(CALL_MemAlloc, &gpu);
    if (result == 0) result = fake_memory_alloc(gpu, size_bytes, out_address);
    return end(result);
}

static int call_MemFree(uint64_t address)
{
    int gpu, result = begin_unsafe(CALL_MemFree, &gpu), freed = fake_memory_free(address);
    return end(result != 0 ? result : freed);
}

static int call_PointerGetAttribute(void *out_value, int attribute, uint64_t address)
{
    int gpu, result = begin_current(CALL_PointerGetAttribute, &gpu);
    if (result == 0 && (attribute != PLN_CUDA_POINTER_DEVICE_POINTER || !fake_memory_has(gpu, address, 1))) result = FAKE_INVALID_VALUE;
    if (result == 0) *(uint64_t *)out_value = address;
    return end(result);
}

static int call_MemHostAlloc(void **out_memory, size_t size_bytes, unsigned flags)
{
    int gpu, result = begin_unsafe(CALL_MemHostAlloc, &gpu);
    if (result == 0 && flags > 7) result = FAKE_INVALID_VALUE;
    if (result == 0) result = fake_pinned_alloc(size_bytes, out_memory);
    return end(result);
}

static int call_MemFreeHost(void *memory)
{
    int gpu, result = begin_unsafe(CALL_MemFreeHost, &gpu), freed = fake_pinned_free(memory);
    return end(result != 0 ? result : freed);
}

/* ---- streams ---- */

static int begin_stream(enum call call, void *handle, struct fake_stream **out_stream)
{
    int gpu, result = begin_current(call, &gpu);
    *out_stream = result == 0 && (uintptr_t)handle == FAKE_LEGACY ? fake_stream_default(gpu) : fake_stream_check(handle);
    if (result == 0 && (!*out_stream || fake_stream_gpu(*out_stream) != gpu)) result = FAKE_INVALID_HANDLE;
    return result;
}

static int check_copy(int gpu, const struct fake_op *op)
{
    bool to = op->to_device ? fake_memory_has(gpu, (uint64_t)(uintptr_t)op->to, op->size_bytes) : fake_memory_is_host(op->to, op->size_bytes);
    bool from = op->from_device ? fake_memory_has(gpu, (uint64_t)(uintptr_t)op->from, op->size_bytes) : fake_memory_is_host(op->from, op->size_bytes);
    return to && from ? 0 : FAKE_INVALID_VALUE;
}

static int push_copy(enum call call, void *handle, struct fake_op op)
{
    struct fake_stream *stream;
    int result = begin_stream(call, handle, &stream);
    op.kind = FAKE_OP_COPY;
    if (result == 0 && op.size_bytes > 0) result = check_copy(fake_stream_gpu(stream), &op);
    if (result == 0 && op.size_bytes > 0) result = fake_stream_push(stream, &op);
    return end(result);
}

static int call_MemcpyHtoDAsync(uint64_t to, const void *from, size_t size_bytes, void *stream)
{
    return push_copy(CALL_MemcpyHtoDAsync, stream, (struct fake_op){ .to = (void *)(uintptr_t)to, .to_device = true, .from = from, .size_bytes = size_bytes });
}

static int call_MemcpyDtoHAsync(void *to, uint64_t from, size_t size_bytes, void *stream)
{
    return push_copy(CALL_MemcpyDtoHAsync, stream, (struct fake_op){ .to = to, .from = (const void *)(uintptr_t)from, .from_device = true, .size_bytes = size_bytes });
}

static int call_MemcpyDtoDAsync(uint64_t to, uint64_t from, size_t size_bytes, void *stream)
{
    return push_copy(CALL_MemcpyDtoDAsync, stream,
                     (struct fake_op){ .to = (void *)(uintptr_t)to, .to_device = true, .from = (const void *)(uintptr_t)from, .from_device = true, .size_bytes = size_bytes });
}

static int call_StreamCreate(void **out_stream, unsigned flags)
{
    int gpu, result = begin_current(CALL_StreamCreate, &gpu);
    if (result == 0 && flags > PLN_CUDA_STREAM_NON_BLOCKING) result = FAKE_INVALID_VALUE;
    if (result == 0) *out_stream = fake_stream_create(gpu, flags != PLN_CUDA_STREAM_NON_BLOCKING);
    return end(result);
}

static int call_StreamDestroy(void *handle)
{
    struct fake_stream *stream;
    int result = begin_stream(CALL_StreamDestroy, handle, &stream);
    const bool is_default = (uintptr_t)handle == FAKE_LEGACY;
    if (result == 0 && is_default) result = FAKE_INVALID_HANDLE;
    if (stream && !is_default) fake_stream_destroy(stream);
    return end(result);
}

static int begin_unsafe_stream(enum call call, void *handle, struct fake_stream **out_stream)
{
    int result = begin_stream(call, handle, out_stream);
    if (result == 0 && fake_stream_captures(*out_stream)) return fake_capture_breaks(), FAKE_CAPTURE_UNSUPPORTED;
    return result == 0 && capture_mode != PLN_CUDA_CAPTURE_RELAXED && fake_capture_breaks() ? FAKE_CAPTURE_UNSUPPORTED : result;
}

static int call_StreamQuery(void *handle)
{
    struct fake_stream *stream;
    int result = begin_unsafe_stream(CALL_StreamQuery, handle, &stream);
    if (result == 0 && fake_stream_query(stream) > 0) result = FAKE_NOT_READY;
    return end(result);
}

static int call_StreamIsCapturing(void *handle, int *out_status)
{
    struct fake_stream *stream;
    int result = begin_stream(CALL_StreamIsCapturing, handle, &stream);
    if (result == 0) *out_status = fake_stream_capture_status(stream);
    return end(result);
}

static int call_ThreadExchangeStreamCaptureMode(int *mode)
{
    int result = begin(CALL_ThreadExchangeStreamCaptureMode);
    const int before = capture_mode;
    if (result == 0 && (*mode < 0 || *mode > PLN_CUDA_CAPTURE_RELAXED)) result = FAKE_INVALID_VALUE;
    if (result != 0) return end(result);
    capture_mode = *mode;
    *mode = before;
    return end(0);
}

static int call_EventCreate(void **out_event, unsigned flags)
{
    int gpu, result = begin_current(CALL_EventCreate, &gpu);
    if (result == 0 && flags > 7) result = FAKE_INVALID_VALUE;
    if (result == 0) *out_event = fake_event_create();
    return end(result);
}

static int call_EventDestroy(void *event)
{
    int gpu, result = begin_current(CALL_EventDestroy, &gpu), destroyed = fake_event_destroy(event);
    return end(result != 0 ? result : destroyed);
}

static int call_EventQuery(void *event)
{
    int gpu, result = begin_unsafe(CALL_EventQuery, &gpu);
    if (result == 0) result = fake_event_query(event);
    return end(result);
}

static int call_EventRecord(void *event, void *handle)
{
    struct fake_stream *stream;
    int result = begin_stream(CALL_EventRecord, handle, &stream);
    if (result == 0) result = fake_event_record(event, stream);
    return end(result);
}

static int call_StreamWaitEvent(void *handle, void *event, unsigned flags)
{
    struct fake_stream *stream;
    int result = begin_stream(CALL_StreamWaitEvent, handle, &stream);
    if (result == 0 && flags != 0) result = FAKE_INVALID_VALUE;
    if (result == 0) result = fake_event_wait(event, stream);
    return end(result);
}

/* The caller's own; Planish calls neither. */
FAKE_EXPORT int cuStreamBeginCapture_v2(void *handle, int mode);
FAKE_EXPORT int cuStreamEndCapture(void *handle, void **out_graph);

int cuStreamBeginCapture_v2(void *handle, int mode)
{
    pthread_mutex_lock(&fake.lock);
    struct fake_stream *stream = fake_stream_check(handle);
    return end(mode != 0 ? FAKE_INVALID_VALUE : stream ? fake_capture_begin(stream) : FAKE_INVALID_HANDLE);
}

int cuStreamEndCapture(void *handle, void **out_graph)
{
    pthread_mutex_lock(&fake.lock);
    struct fake_stream *stream = fake_stream_check(handle);
    return end(stream ? fake_capture_end(stream, out_graph) : FAKE_INVALID_HANDLE);
}

/* When it is made to fail, what waits is lost, as after an error of a kernel. */
static int call_StreamSynchronize(void *handle)
{
    struct fake_stream *stream;
    int result = begin_unsafe_stream(CALL_StreamSynchronize, handle, &stream);
    if (result == 0) fake_stream_run(stream);
    else if (stream) fake_stream_drop(stream);
    return end(result);
}

/* ---- code ---- */

static int call_ModuleLoadData(void **out_module, const void *image)
{
    int gpu, result = begin_unsafe(CALL_ModuleLoadData, &gpu);
    if (result == 0) result = fake_module_load(image, arch_name(), out_module);
    return end(result);
}

static int call_ModuleUnload(void *module)
{
    int gpu, result = begin_current(CALL_ModuleUnload, &gpu), unloaded = fake_module_unload(module);
    return end(result != 0 ? result : unloaded);
}

static int call_ModuleGetFunction(void **out_function, void *module, const char *name)
{
    int gpu, result = begin_current(CALL_ModuleGetFunction, &gpu);
    if (result == 0) result = fake_module_function(module, name, out_function);
    return end(result);
}

static int call_FuncSetAttribute(void *handle, int attribute, int value)
{
    int gpu, result = begin_current(CALL_FuncSetAttribute, &gpu);
    struct fake_function *function = fake_function_check(handle);
    if (result == 0 && !function) result = FAKE_INVALID_HANDLE;
    if (result == 0 && (attribute != PLN_CUDA_FUNCTION_DYNAMIC_SHARED || value < 0 || (size_t)value > most_shared_bytes())) result = FAKE_INVALID_VALUE;
    if (result == 0) function->most_shared_bytes = (unsigned)value;
    return end(result);
}

/* Our kernels have one parameter of 8 bytes. It is read now, as the manual says. */
static int make_kernel(void *handle, const unsigned *grid, const unsigned *block, unsigned shared_bytes, void **parameters, struct fake_op *out_op)
{
    const struct fake_function *function = fake_function_check(handle);
    *out_op = (struct fake_op){ .kind = FAKE_OP_KERNEL, .function = function, .grid = grid[0], .threads = block[0], .shared_bytes = shared_bytes };
    if (!function) return FAKE_INVALID_HANDLE;
    if (grid[0] == 0 || grid[0] > INT32_MAX || grid[1] != 1 || grid[2] != 1 || block[0] == 0 || block[0] > FAKE_MOST_THREADS || block[1] != 1 || block[2] != 1 || !parameters) return FAKE_INVALID_VALUE;
    void *variables = NULL;
    size_t variables_bytes = 0;
    function->shared(&variables, &variables_bytes);
    if (variables_bytes > 49152 || shared_bytes > PLN_MAX(49152 - variables_bytes, function->most_shared_bytes) || shared_bytes + variables_bytes > most_shared_bytes()) return FAKE_INVALID_VALUE;
    memcpy(&out_op->argument, parameters[0], sizeof out_op->argument);
    return 0;
}

/* As many parameters as the driver's manual gives it. */
#define LAUNCH_PARAMETERS                                                                                                                                                                  \
    (void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes, void *handle, void **parameters,      \
     void **extra)

static int call_LaunchKernel LAUNCH_PARAMETERS
{
    struct fake_stream *stream;
    struct fake_op op;
    const unsigned grid[] = { grid_x, grid_y, grid_z }, block[] = { block_x, block_y, block_z };
    int result = begin_stream(CALL_LaunchKernel, handle, &stream);
    if (result == 0 && extra) result = FAKE_INVALID_VALUE;
    if (result == 0) result = make_kernel(function, grid, block, shared_bytes, parameters, &op);
    if (result == 0) result = fake_stream_push(stream, &op);
    return end(result);
}

/* ---- graphs ---- */

static int call_GraphCreate(void **out_graph, unsigned flags)
{
    int gpu, result = begin_current(CALL_GraphCreate, &gpu);
    if (result == 0 && flags != 0) result = FAKE_INVALID_VALUE;
    if (result == 0) *out_graph = fake_graph_create();
    return end(result);
}

static int call_GraphDestroy(void *graph)
{
    int gpu, result = begin_current(CALL_GraphDestroy, &gpu), destroyed = fake_graph_destroy(graph);
    return end(result != 0 ? result : destroyed);
}

static int call_GraphAddKernelNode(void **out_node, void *graph, void *const *dependencies, size_t n_dependencies, const struct pln_cuda_kernel_node *p)
{
    struct fake_op op;
    const unsigned grid[] = { p->grid_x, p->grid_y, p->grid_z }, block[] = { p->block_x, p->block_y, p->block_z };
    int gpu, result = begin_current(CALL_GraphAddKernelNode, &gpu);
    if (result == 0 && p->extra) result = FAKE_INVALID_VALUE;
    if (result == 0) result = make_kernel(p->function, grid, block, p->shared_bytes, p->parameters, &op);
    if (result == 0) result = fake_graph_add(graph, dependencies, n_dependencies, &op, out_node);
    return end(result);
}

/* A line of bytes; what the address holds is read when the graph runs. */
static int make_copy(int gpu, const struct pln_cuda_memcpy_node *p, struct fake_op *out_op)
{
    bool to_device = p->to.memory_type == PLN_CUDA_MEMORY_DEVICE, from_device = p->from.memory_type == PLN_CUDA_MEMORY_DEVICE;
    if ((!to_device && p->to.memory_type != PLN_CUDA_MEMORY_HOST) || (!from_device && p->from.memory_type != PLN_CUDA_MEMORY_HOST)) return FAKE_INVALID_VALUE;
    if (p->height != 1 || p->depth != 1 || p->width_bytes == 0 || p->to.pitch < p->width_bytes || p->from.pitch < p->width_bytes) return FAKE_INVALID_VALUE;
    if (p->to.x_bytes || p->to.y || p->to.z || p->from.x_bytes || p->from.y || p->from.z) return FAKE_INVALID_VALUE;
    *out_op = (struct fake_op){ .kind = FAKE_OP_COPY,
                                .to = to_device ? (void *)(uintptr_t)p->to.device : (void *)(uintptr_t)p->to.host,
                                .from = from_device ? (const void *)(uintptr_t)p->from.device : p->from.host,
                                .size_bytes = p->width_bytes,
                                .to_device = to_device,
                                .from_device = from_device };
    return check_copy(gpu, out_op);
}

static int call_GraphAddMemcpyNode(void **out_node, void *graph, void *const *dependencies, size_t n_dependencies, const struct pln_cuda_memcpy_node *p, void *context)
{
    struct fake_op op;
    int gpu, result = begin_current(CALL_GraphAddMemcpyNode, &gpu);
    if (result == 0 && context != &fake.gpus[gpu]) result = FAKE_INVALID_CONTEXT;
    if (result == 0) result = make_copy(gpu, p, &op);
    if (result == 0) result = fake_graph_add(graph, dependencies, n_dependencies, &op, out_node);
    return end(result);
}

static int call_GraphInstantiateWithFlags(void **out_exec, void *graph, unsigned long long flags)
{
    int gpu, result = begin_current(CALL_GraphInstantiateWithFlags, &gpu);
    if (result == 0 && flags != 0) result = FAKE_INVALID_VALUE;
    if (result == 0) result = fake_graph_instantiate(graph, out_exec);
    return end(result);
}

static int call_GraphLaunch(void *exec, void *handle)
{
    struct fake_stream *stream;
    int result = begin_stream(CALL_GraphLaunch, handle, &stream);
    struct fake_op op = { .kind = FAKE_OP_GRAPH, .exec = fake_exec_check(exec) };
    if (result == 0 && !op.exec) result = FAKE_INVALID_HANDLE;
    if (result == 0 && fake_stream_captures(stream)) result = FAKE_CAPTURE_UNSUPPORTED; /* we do not count on it */
    if (result == 0) result = fake_stream_push(stream, &op);
    return end(result);
}

static int call_GraphExecDestroy(void *exec)
{
    int gpu, result = begin_current(CALL_GraphExecDestroy, &gpu), destroyed = fake_exec_destroy(exec);
    return end(result != 0 ? result : destroyed);
}

/* ---- finding them ---- */

typedef void (*any_function)(void);

FAKE_EXPORT int cuGetProcAddress_v2(const char *name, void **out_address, int version, uint64_t flags, int *out_status);
FAKE_EXPORT int cuGetProcAddress(const char *name, void **out_address, int version, uint64_t flags);

int cuGetProcAddress_v2(const char *name, void **out_address, int version, uint64_t flags, int *out_status)
{
    static const any_function addresses[] = {
#define PLN_CUDA_SYM(symbol, parameters) (any_function)call_##symbol,
#include "backend/cuda/driver_syms.inc"
#undef PLN_CUDA_SYM
    };
    (void)flags;
    *out_address = NULL;
    if (out_status) *out_status = 1; /* not found */
    const char *missing = getenv("FAKE_CUDA_MISSING");
    for (size_t i = 0; i < PLN_COUNT_OF(addresses); i++) {
        if (strcmp(name, call_names[i]) != 0 || (missing && strcmp(name, missing) == 0) || version < PLN_CUDA_DRIVER_VERSION) continue;
        memcpy(out_address, &addresses[i], sizeof *out_address);
        if (out_status) *out_status = 0;
    }
    return *out_address ? 0 : FAKE_NOT_FOUND;
}

int cuGetProcAddress(const char *name, void **out_address, int version, uint64_t flags)
{
    return cuGetProcAddress_v2(name, out_address, version, flags, NULL);
}
