#include "backend/cuda/device.h"

#include <stdio.h>

#include "backend/cuda/nvrtc.h"

extern const struct pln_backend pln_backend_cuda;

/* ---- architectures ---- */

/* Compute capabilities that code is made for, in order; the bit of each is its place (family.h). */
static const int levels[] = { 72, 75, 80, 86, 87, 89, 90, 100, 120 };

static uint64_t level_features(int level)
{
    uint64_t features = 0;
    for (size_t i = 0; i < PLN_COUNT_OF(levels); i++)
        if (level >= levels[i]) features |= (uint64_t)1 << i;
    return features | (level >= 80 ? PLN_FEATURE_TF32 : 0);
}

bool pln_cuda_arch_features(const char *arch, uint64_t *out_features)
{
    int level = 0;
    char suffix = '\0', more = '\0';
    *out_features = 0;
    int read = sscanf(arch, "sm_%3d%c%c", &level, &suffix, &more);
    if (read < 1 || read > 2 || (read == 2 && suffix != 'a')) return false;
    /* Only as a GPU calls itself, and sm_90 for sm_90a: code for any other name would never be taken. */
    char own[16];
    snprintf(own, sizeof own, "sm_%d%s", level, read == 2 && level == 90 ? "a" : "");
    bool known = false;
    for (size_t i = 0; i < PLN_COUNT_OF(levels); i++) known = known || (levels[i] == level && strcmp(own, arch) == 0);
    *out_features = level_features(level) | (read == 2 && level == 90 ? PLN_CUDA_90A : 0);
    return known;
}

/* The level that code for a GPU is made for: its own, else the last before it of the same generation, but of Tegra (7.2, 8.7), whose code runs nowhere else (CUDA C++
 * Programming Guide, "Binary Compatibility"). 0: none. */
static int code_level(int major, int minor)
{
    const int own = major * 10 + minor;
    int level = 0;
    for (size_t i = 0; i < PLN_COUNT_OF(levels); i++)
        if (levels[i] == own || (levels[i] / 10 == major && levels[i] < own && levels[i] != 72 && levels[i] != 87)) level = levels[i];
    return level;
}

/* Code for sm_90 runs on 9.0 alone of all that can be had, so its own instructions may as well be used. */
static void name_arch(int level, int minor, char *out_arch, size_t arch_bytes)
{
    snprintf(out_arch, arch_bytes, "sm_%d%s", level, level == 90 && minor == 0 ? "a" : "");
}

/* ---- opening ---- */

enum pln_status pln_cuda_enter(const struct pln_device *device, struct pln_diag *diag)
{
    PLN_CUDA_TRY(device->driver, diag, "the GPU's context", CtxPushCurrent, (device->context));
    return PLN_OK;
}

void pln_cuda_leave(const struct pln_device *device)
{
    void *context;
    (void)device->driver->CtxPopCurrent(&context);
}

static enum pln_status read_attributes(struct pln_device *device, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = device->driver;
    int major = 0, minor = 0, unified = 0, pageable = 0;
    PLN_CUDA_TRY(driver, diag, "the GPU's compute capability", DeviceGetAttribute, (&major, PLN_CUDA_ATTRIBUTE_MAJOR, device->handle));
    PLN_CUDA_TRY(driver, diag, "the GPU's compute capability", DeviceGetAttribute, (&minor, PLN_CUDA_ATTRIBUTE_MINOR, device->handle));
    PLN_CUDA_TRY(driver, diag, "the GPU's size", DeviceGetAttribute, (&device->multiprocessors, PLN_CUDA_ATTRIBUTE_MULTIPROCESSORS, device->handle));
    PLN_CUDA_TRY(driver, diag, "the GPU's addressing", DeviceGetAttribute, (&unified, PLN_CUDA_ATTRIBUTE_UNIFIED_ADDRESSING, device->handle));
    PLN_CUDA_TRY(driver, diag, "the GPU's addressing", DeviceGetAttribute, (&pageable, PLN_CUDA_ATTRIBUTE_PAGEABLE_MEMORY, device->handle));
    device->reads_all_memory = pageable != 0;
    if (major * 10 + minor < levels[0] || !unified) return pln_fail(diag, PLN_DEVICE, "the GPU has compute capability %d.%d; 7.2 or later is needed, or use --device cpu", major, minor);
    const int level = code_level(major, minor);
    if (level == 0) return pln_fail(diag, PLN_DEVICE, "the GPU has compute capability %d.%d, for which this version of Planish makes no code; use a later one, or --device cpu", major, minor);
    name_arch(level, minor, device->arch, sizeof device->arch);
    (void)pln_cuda_arch_features(device->arch, &device->features);
    return PLN_OK;
}

static enum pln_status open_handle(struct pln_device *device, int ordinal, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = device->driver;
    int count = 0;
    PLN_CUDA_TRY(driver, diag, "counting GPUs", DeviceGetCount, (&count));
    if (ordinal >= count) return pln_fail(diag, PLN_DEVICE, "there is no cuda:%d; this machine has %d GPU%s", ordinal, count, count == 1 ? "" : "s");
    PLN_CUDA_TRY(driver, diag, "the GPU", DeviceGet, (&device->handle, ordinal));
    PLN_TRY(read_attributes(device, diag));
    PLN_CUDA_TRY(driver, diag, "the GPU's primary context", DevicePrimaryCtxRetain, (&device->context, device->handle));
    return PLN_OK;
}

static void destroy_device(struct pln_device *device)
{
    pthread_mutex_destroy(&device->code_lock);
    pln_free(device->alloc, device, sizeof *device);
}

static enum pln_status open_device(int ordinal, const struct pln_device_options *options, struct pln_diag *diag, struct pln_device **out_device)
{
    *out_device = NULL;
    const struct pln_cuda_driver *driver;
    PLN_TRY(pln_cuda_driver_get(ordinal, diag, &driver));
    struct pln_device *device = pln_alloc_zeroed(options->alloc, sizeof *device, _Alignof(struct pln_device));
    if (!device) return pln_fail_memory(diag, "the CUDA device", sizeof *device);
    device->base = (struct pln_device_base){ .backend = &pln_backend_cuda, .ordinal = ordinal };
    device->alloc = options->alloc;
    device->driver = driver;
    pthread_mutex_init(&device->code_lock, NULL);
    enum pln_status status = open_handle(device, ordinal, diag);
    if (status != PLN_OK) destroy_device(device);
    else *out_device = device;
    return status;
}

static void close_device(struct pln_device *device)
{
    if (!device) return;
    (void)device->driver->DevicePrimaryCtxRelease(device->handle);
    destroy_device(device);
}

static void get_caps(struct pln_device *device, struct pln_device_caps *out_caps)
{
    *out_caps = (struct pln_device_caps){ .features = device->features };
    char name[100] = "";
    if (device->driver->DeviceGetName(name, (int)sizeof name, device->handle) != 0) name[0] = '\0';
    snprintf(out_caps->name, sizeof out_caps->name, "%.99s (%.15s)", name, device->arch);
    snprintf(out_caps->arch, sizeof out_caps->arch, "%s", device->arch);
    pln_cuda_driver_describe(device->driver, out_caps->driver, sizeof out_caps->driver);
    size_t bytes = 0;
    if (device->driver->DeviceTotalMem(&bytes, device->handle) == 0) out_caps->memory_bytes = bytes;
}

/* ---- memory ---- */

enum pln_status pln_cuda_alloc(const struct pln_device *device, size_t size_bytes, const char *what, struct pln_diag *diag, uint64_t *out_address)
{
    size_t free_bytes = 0, total_bytes = 0;
    *out_address = 0;
    const int result = device->driver->MemAlloc(out_address, size_bytes);
    if (result == 0) return PLN_OK;
    *out_address = 0;
    if (result != PLN_CUDA_ERROR_OUT_OF_MEMORY) return pln_cuda_check(device->driver, result, "cuMemAlloc", what, diag);
    if (device->driver->MemGetInfo(&free_bytes, &total_bytes) != 0) return pln_fail_memory(diag, what, size_bytes);
    return pln_fail(diag, PLN_NO_MEMORY, "out of memory: %s needs %zu bytes, and %zu of the %zu of cuda:%d are free", what, size_bytes, free_bytes, total_bytes, device->base.ordinal);
}

static enum pln_status alloc_memory(struct pln_device *device, size_t size_bytes, const char *what, struct pln_diag *diag, void **out_memory)
{
    uint64_t address;
    *out_memory = NULL;
    PLN_TRY(pln_cuda_enter(device, diag));
    enum pln_status status = pln_cuda_alloc(device, size_bytes, what, diag, &address);
    pln_cuda_leave(device);
    *out_memory = (void *)(uintptr_t)address;
    return status;
}

static void release_memory(struct pln_device *device, void *memory, size_t size_bytes)
{
    (void)size_bytes;
    if (!memory || pln_cuda_enter(device, NULL) != PLN_OK) return;
    (void)device->driver->MemFree((uint64_t)(uintptr_t)memory);
    pln_cuda_leave(device);
}

/* The driver knows through which address kernels of a context reach memory (CUDA Driver API, cuPointerGetAttribute, CU_POINTER_ATTRIBUTE_DEVICE_POINTER), and
 * calls any other an invalid value: memory that it has not allocated or been told of, that of another GPU without peer access. */
static const char *refuses_memory(struct pln_device *device, const void *memory)
{
    const uint64_t address = (uint64_t)(uintptr_t)memory;
    uint64_t reached = 0;
    if (device->reads_all_memory) return NULL;
    if (pln_cuda_enter(device, NULL) != PLN_OK) return "the GPU's context cannot be used";
    const int result = device->driver->PointerGetAttribute(&reached, PLN_CUDA_POINTER_DEVICE_POINTER, address);
    pln_cuda_leave(device);
    if (result != 0 && result != PLN_CUDA_ERROR_INVALID_VALUE) return "the driver cannot tell whose memory it is";
    return result == 0 && reached == address ? NULL : "it is no memory that this GPU can use: neither its own nor registered with CUDA";
}

/* ---- code ---- */

static enum pln_status load_module(struct pln_device *device, const void *image, struct pln_device_code *code, struct pln_diag *diag)
{
    const struct pln_cuda_driver *driver = device->driver;
    PLN_CUDA_TRY(driver, diag, "device code of the plan", ModuleLoadData, (&code->module, image));
    PLN_CUDA_TRY(driver, diag, "device code of the plan", ModuleGetFunction, (&code->function, code->module, "pln_entry"));
    return PLN_OK;
}

static void unload_code(struct pln_device *device, struct pln_device_code *code)
{
    if (!code) return;
    if (code->module && pln_cuda_enter(device, NULL) == PLN_OK) {
        (void)device->driver->ModuleUnload(code->module);
        pln_cuda_leave(device);
    }
    pln_free(device->alloc, code, sizeof *code);
}

static enum pln_status load_code(struct pln_device *device, const void *image, size_t size_bytes, struct pln_diag *diag, struct pln_device_code **out_code)
{
    *out_code = NULL;
    if (!pln_cuda_image_fits(image, size_bytes)) return pln_fail(diag, PLN_BAD_PLAN, "device code is no ELF file, or its parts reach behind its %zu bytes", size_bytes);
    struct pln_device_code *code = pln_alloc_zeroed(device->alloc, sizeof *code, _Alignof(struct pln_device_code));
    if (!code) return pln_fail_memory(diag, "device code", sizeof *code);
    enum pln_status status = pln_cuda_enter(device, diag);
    if (status == PLN_OK) {
        status = load_module(device, image, code, diag);
        pln_cuda_leave(device);
    }
    if (status != PLN_OK) unload_code(device, code);
    else *out_code = code;
    return status;
}

enum pln_status pln_cuda_allow_shared(struct pln_device *device, const struct pln_device_code *code, uint32_t shared_bytes, const char *what, struct pln_diag *diag)
{
    struct pln_device_code *own = (struct pln_device_code *)(uintptr_t)code;
    enum pln_status status = PLN_OK;
    pthread_mutex_lock(&device->code_lock);
    if (shared_bytes > own->shared_bytes) {
        const int result = device->driver->FuncSetAttribute(own->function, PLN_CUDA_FUNCTION_DYNAMIC_SHARED, (int)shared_bytes);
        status = pln_cuda_check(device->driver, result, "cuFuncSetAttribute", what, diag);
        if (status == PLN_OK) own->shared_bytes = shared_bytes;
    }
    pthread_mutex_unlock(&device->code_lock);
    return status;
}

const struct pln_backend pln_backend_cuda = {
    .abi_version = PLN_KERNEL_ABI,
    .name = "cuda",
    .present = pln_cuda_present,
    .open = open_device,
    .close = close_device,
    .caps = get_caps,
    .alloc = alloc_memory,
    .release = release_memory,
    .refuses = refuses_memory,
    .queue_create = pln_cuda_queue_create,
    .queue_destroy = pln_cuda_queue_destroy,
    .submit = pln_cuda_submit,
    .recording_destroy = pln_cuda_recording_destroy,
    .sync = pln_cuda_sync,
    .poll = pln_cuda_poll,
    .use_stream = pln_cuda_use_stream,
    .kernels = pln_cuda_kernels,
    .copy = &pln_cuda_copy_row,
    .arch_features = pln_cuda_arch_features,
    .code_key = pln_cuda_code_key,
    .compile = pln_cuda_compile,
    .compiler = pln_cuda_nvrtc_version,
    .code_load = load_code,
    .code_unload = unload_code,
};
