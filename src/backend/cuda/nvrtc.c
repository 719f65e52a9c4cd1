#include "backend/cuda/nvrtc.h"

#include <pthread.h>
#include <stdio.h>

#include "backend/cuda/code_cache.h"
#include "base/dynlib.h"
#include "base/hash.h"
#include "base/text.h"

/* Nothing that changes a value: no fast math, and products are only fused where the source says fmaf. */
static const char *const options[] = { "--std=c++17", "--fmad=false" };
#define N_OPTIONS 2

struct nvrtc {
    int (*version)(int *, int *);
    int (*create)(void **, const char *, const char *, int, const char *const *, const char *const *);
    int (*destroy)(void **);
    int (*compile)(void *, int, const char *const *);
    int (*cubin_size)(void *, size_t *);
    int (*cubin)(void *, char *);
    int (*log_size)(void *, size_t *);
    int (*log)(void *, char *);
};

static struct {
    pthread_mutex_t lock;
    struct pln_dynlib lib;
    struct nvrtc nvrtc;
    int major, minor;
    bool open;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool resolve(const struct pln_dynlib *lib, struct nvrtc *out)
{
    static const char *const names[] = { "nvrtcVersion", "nvrtcCreateProgram", "nvrtcDestroyProgram", "nvrtcCompileProgram", "nvrtcGetCUBINSize", "nvrtcGetCUBIN", "nvrtcGetProgramLogSize",
                                         "nvrtcGetProgramLog" };
    static_assert(sizeof(struct nvrtc) == PLN_COUNT_OF(names) * sizeof(void *), "a name a function");
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) {
        void *symbol = pln_dynlib_symbol(lib, names[i]);
        if (!symbol) return false;
        memcpy((char *)out + i * sizeof symbol, &symbol, sizeof symbol);
    }
    return true;
}

/* PLANISH_NVRTC names the library; else what the loader finds, else the toolkit's usual folder. */
static bool open_library(void)
{
    static const char *const usual[] = { "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so", "/usr/local/cuda/lib64/libnvrtc.so", NULL };
    struct pln_diag quiet;
    pln_diag_init(&quiet);
    return pln_dynlib_open_named("PLANISH_NVRTC", usual, &quiet, &shared.lib) == PLN_OK;
}

static enum pln_status open_nvrtc(struct pln_diag *diag)
{
    pthread_mutex_lock(&shared.lock);
    if (!shared.open && open_library()) {
        shared.open = resolve(&shared.lib, &shared.nvrtc) && shared.nvrtc.version(&shared.major, &shared.minor) == 0;
        if (!shared.open) pln_dynlib_close(&shared.lib);
    }
    bool open = shared.open;
    pthread_mutex_unlock(&shared.lock);
    if (open) return PLN_OK;
    return pln_fail(diag, PLN_DEVICE, "building for a GPU needs NVRTC (libnvrtc.so), which was not found; install the CUDA toolkit or the Python package nvidia-cuda-nvrtc and set "
                                      "PLANISH_NVRTC to the path of its libnvrtc.so");
}

enum pln_status pln_cuda_nvrtc_version(struct pln_diag *diag, int *out_major, int *out_minor)
{
    *out_major = *out_minor = 0;
    PLN_TRY(open_nvrtc(diag));
    *out_major = shared.major;
    *out_minor = shared.minor;
    return PLN_OK;
}

uint64_t pln_cuda_code_key(void)
{
    int version[2];
    uint64_t key = 0;
    enum pln_status status = pln_cuda_nvrtc_version(NULL, &version[0], &version[1]);
    if (status == PLN_OK) key = pln_hash64(version, sizeof version, key);
    for (size_t i = 0; i < N_OPTIONS; i++) key = pln_hash64(options[i], strlen(options[i]), key);
    for (const struct pln_cuda_header_file *file = pln_cuda_header_files; file->name; file++) key = pln_hash64(file->text, strlen(file->text), key);
    return key;
}

static enum pln_status complain(void *program, const char *arch, const struct pln_allocator *alloc, struct pln_diag *diag)
{
    size_t bytes = 0;
    if (shared.nvrtc.log_size(program, &bytes) != 0 || bytes < 2) return pln_fail(diag, PLN_DEVICE, "NVRTC %d.%d cannot compile for %s", shared.major, shared.minor, arch);
    char *log = pln_alloc(alloc, bytes + 1, 1);
    if (!log) return pln_fail_memory(diag, "the compiler's log", bytes);
    bool read = shared.nvrtc.log(program, log) == 0;
    log[bytes] = '\0';
    bool unknown = read && strstr(log, "gpu-architecture");
    enum pln_status status = pln_fail(diag, unknown ? PLN_DEVICE : PLN_INTERNAL, "NVRTC %d.%d does not compile a kernel for %s: %.800s", shared.major, shared.minor, arch, read ? log : "");
    pln_free(alloc, log, bytes + 1);
    return status;
}

static enum pln_status take_code(void *program, const char *arch, const struct pln_allocator *alloc, struct pln_diag *diag, void **out_code, size_t *out_bytes)
{
    size_t bytes = 0;
    if (shared.nvrtc.cubin_size(program, &bytes) != 0 || bytes == 0) return pln_fail(diag, PLN_DEVICE, "NVRTC %d.%d made no code for %s", shared.major, shared.minor, arch);
    void *code = pln_alloc(alloc, bytes, 64);
    if (!code) return pln_fail_memory(diag, "device code", bytes);
    if (shared.nvrtc.cubin(program, code) != 0) {
        pln_free(alloc, code, bytes);
        return pln_fail(diag, PLN_DEVICE, "NVRTC gives no code for %s", arch);
    }
    *out_code = code;
    *out_bytes = bytes;
    return PLN_OK;
}

static enum pln_status compile(const char *source, const char *arch, const struct pln_allocator *alloc, struct pln_diag *diag, void **out_code, size_t *out_bytes)
{
    enum { MOST_FILES = 256 };
    const char *texts[MOST_FILES], *names[MOST_FILES];
    int n_files = 0;
    for (const struct pln_cuda_header_file *file = pln_cuda_header_files; file->name && n_files < MOST_FILES; file++, n_files++) {
        names[n_files] = file->name;
        texts[n_files] = file->text;
    }
    if (pln_cuda_header_files[n_files].name) return pln_fail(diag, PLN_INTERNAL, "there are more device headers than a compilation takes");
    char target[40];
    snprintf(target, sizeof target, "--gpu-architecture=%.15s", arch);
    const char *all[N_OPTIONS + 1] = { target };
    for (int i = 0; i < N_OPTIONS; i++) all[i + 1] = options[i];
    void *program = NULL;
    if (shared.nvrtc.create(&program, source, "kernel.cu", n_files, texts, names) != 0) return pln_fail(diag, PLN_DEVICE, "NVRTC takes no source");
    enum pln_status status = shared.nvrtc.compile(program, N_OPTIONS + 1, all) == 0 ? take_code(program, arch, alloc, diag, out_code, out_bytes) : complain(program, arch, alloc, diag);
    shared.nvrtc.destroy(&program);
    return status;
}

enum pln_status pln_cuda_compile(const char *source, const char *arch, const struct pln_allocator *alloc, struct pln_diag *diag, void **out_code, size_t *out_bytes)
{
    enum pln_status status = pln_cuda_code_cache_get(source, arch, alloc, diag, out_code, out_bytes);
    if (status != PLN_NOT_FOUND) return status;
    PLN_TRY(open_nvrtc(diag));
    PLN_TRY(compile(source, arch, alloc, diag, out_code, out_bytes));
    pln_cuda_code_cache_put(source, arch, *out_code, *out_bytes);
    return PLN_OK;
}
