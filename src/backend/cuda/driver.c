#include "backend/cuda/driver.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/dynlib.h"

static const char *const names[] = {
#define PLN_CUDA_SYM(name, parameters) "cu" #name,
#include "backend/cuda/driver_syms.inc"
#undef PLN_CUDA_SYM
};

static const char *const libraries[] = { "libcuda.so.1", "libcuda.so", NULL };

static struct {
    pthread_mutex_t lock;
    struct pln_dynlib lib;
    struct pln_cuda_driver driver;
    bool open;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

typedef void (*any_function)(void);

/* A driver of CUDA 12 and later has the second form, which also says why an entry point is not there. */
static bool resolve(const struct pln_dynlib *lib, struct pln_cuda_driver *driver, const char **out_missing)
{
    int (*second)(const char *, void **, int, uint64_t, int *) = NULL;
    int (*first)(const char *, void **, int, uint64_t) = NULL;
    void *symbol = pln_dynlib_symbol(lib, "cuGetProcAddress_v2");
    memcpy(&second, &symbol, sizeof symbol);
    symbol = pln_dynlib_symbol(lib, "cuGetProcAddress");
    memcpy(&first, &symbol, sizeof symbol);
    *out_missing = "cuGetProcAddress";
    if (!second && !first) return false;
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) {
        void *address = NULL;
        int status = 0;
        int result = second ? second(names[i], &address, PLN_CUDA_DRIVER_VERSION, 0, &status) : first(names[i], &address, PLN_CUDA_DRIVER_VERSION, 0);
        *out_missing = names[i];
        if (result != 0 || !address) return false;
        memcpy((any_function *)(void *)driver + i, &address, sizeof address);
    }
    return true;
}

static enum pln_status open_driver(int ordinal, struct pln_diag *diag)
{
    struct pln_diag quiet;
    pln_diag_init(&quiet);
    if (pln_dynlib_open(libraries, &quiet, &shared.lib) != PLN_OK)
        return pln_fail(diag, PLN_DEVICE, "there is no cuda:%d: no NVIDIA driver was found (libcuda.so.1); install one, or use --device cpu", ordinal);
    const char *missing;
    int version = 0;
    if (!resolve(&shared.lib, &shared.driver, &missing))
        return pln_fail(diag, PLN_DEVICE, "there is no cuda:%d: the NVIDIA driver is too old (it has no %s); CUDA 11.4 or later is needed, or use --device cpu", ordinal, missing);
    int result = shared.driver.Init(0);
    if (result == PLN_CUDA_ERROR_NO_DEVICE) return pln_fail(diag, PLN_DEVICE, "there is no cuda:%d: the NVIDIA driver sees no GPU; check CUDA_VISIBLE_DEVICES, or use --device cpu", ordinal);
    PLN_TRY(pln_cuda_check(&shared.driver, result, "cuInit", "starting the driver", diag));
    PLN_CUDA_TRY(&shared.driver, diag, "the driver's version", DriverGetVersion, (&version));
    if (version >= PLN_CUDA_DRIVER_VERSION) return PLN_OK;
    return pln_fail(diag, PLN_DEVICE, "there is no cuda:%d: the NVIDIA driver is too old (CUDA %d.%d); CUDA 11.4 or later is needed, or use --device cpu", ordinal, version / 1000, version % 1000 / 10);
}

/* Of a driver of any age; true: it does not say that there is none. */
static bool has_gpus(const struct pln_dynlib *lib)
{
    struct pln_cuda_driver driver = { 0 };
    const char *missing;
    int count = 0;
    if (!resolve(lib, &driver, &missing)) {
        void *init = pln_dynlib_symbol(lib, "cuInit"), *get_count = pln_dynlib_symbol(lib, "cuDeviceGetCount");
        if (!init || !get_count) return true;
        memcpy((any_function *)(void *)&driver.Init, &init, sizeof init);
        memcpy((any_function *)(void *)&driver.DeviceGetCount, &get_count, sizeof get_count);
    }
    int result = driver.Init(0);
    if (result == PLN_CUDA_ERROR_NO_DEVICE || result == PLN_CUDA_ERROR_STUB_LIBRARY) return false;
    return result != 0 || driver.DeviceGetCount(&count) != 0 || count > 0;
}

bool pln_cuda_present(void)
{
    struct pln_dynlib lib;
    struct pln_diag quiet;
    pln_diag_init(&quiet);
    if (pln_dynlib_open(libraries, &quiet, &lib) != PLN_OK) return access("/dev/nvidia0", F_OK) == 0;
    return has_gpus(&lib); /* the library stays: a driver that was started does not like to go */
}

enum pln_status pln_cuda_driver_get(int ordinal, struct pln_diag *diag, const struct pln_cuda_driver **out_driver)
{
    *out_driver = NULL;
    pthread_mutex_lock(&shared.lock);
    enum pln_status status = shared.open ? PLN_OK : open_driver(ordinal, diag);
    if (!shared.open && status != PLN_OK) pln_dynlib_close(&shared.lib);
    shared.open = status == PLN_OK;
    pthread_mutex_unlock(&shared.lock);
    if (status == PLN_OK) *out_driver = &shared.driver;
    return status;
}

void pln_cuda_driver_describe(const struct pln_cuda_driver *driver, char *out, size_t out_bytes)
{
    char own[32] = "";
    int version = 0;
    FILE *file = fopen("/sys/module/nvidia/version", "r"); /* of Linux's driver; cuDriverGetVersion tells that of CUDA alone */
    if (file && !fgets(own, sizeof own, file)) own[0] = '\0';
    if (file) fclose(file);
    own[strcspn(own, "\n")] = '\0';
    if (driver->DriverGetVersion(&version) != 0) version = 0;
    snprintf(out, out_bytes, "%s%sCUDA %d.%d", own, own[0] ? ", " : "", version / 1000, version % 1000 / 10);
}

enum pln_status pln_cuda_check(const struct pln_cuda_driver *driver, int result, const char *call, const char *what, struct pln_diag *diag)
{
    if (PLN_LIKELY(result == 0)) return PLN_OK;
    const char *name = NULL, *text = NULL;
    if (driver->GetErrorName(result, &name) != 0 || !name) name = "unknown error";
    if (driver->GetErrorString(result, &text) != 0 || !text) text = "";
    return pln_fail(diag, result == PLN_CUDA_ERROR_OUT_OF_MEMORY ? PLN_NO_MEMORY : PLN_DEVICE, "%s failed with %s (%d): %s; for: %s", call, name, result, text, what);
}
