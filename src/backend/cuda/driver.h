/* The CUDA driver, found at run time: libcuda.so.1, its entry points by cuGetProcAddress. Nothing is linked, and no header of CUDA is needed; handles are
 * plain pointers, device addresses 64-bit numbers. */
#ifndef PLN_BACKEND_CUDA_DRIVER_H
#define PLN_BACKEND_CUDA_DRIVER_H

#include "base/base.h"

/* The version whose entry points are asked for, 1000 * major + 10 * minor: the first that has all of driver_syms.inc. */
#define PLN_CUDA_DRIVER_VERSION 11040

/* CUDA_KERNEL_NODE_PARAMS_v1 and CUDA_MEMCPY3D_v2 of the driver's manual. */
struct pln_cuda_kernel_node {
    void *function;
    unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes;
    void **parameters;
    void **extra;
};
struct pln_cuda_memcpy_end {
    size_t x_bytes, y, z, lod;
    int memory_type; /* PLN_CUDA_MEMORY_… */
    const void *host;
    uint64_t device;
    void *array, *reserved;
    size_t pitch, height;
};
struct pln_cuda_memcpy_node {
    struct pln_cuda_memcpy_end from, to;
    size_t width_bytes, height, depth;
};

enum {
    PLN_CUDA_MEMORY_HOST = 1,
    PLN_CUDA_MEMORY_DEVICE = 2,
    PLN_CUDA_ERROR_INVALID_VALUE = 1,
    PLN_CUDA_ERROR_OUT_OF_MEMORY = 2,
    PLN_CUDA_ERROR_STUB_LIBRARY = 34, /* the toolkit's, to link with where there is no driver */
    PLN_CUDA_ERROR_NO_DEVICE = 100,
    PLN_CUDA_ERROR_NOT_READY = 600,
    PLN_CUDA_STREAM_NON_BLOCKING = 1,
    PLN_CUDA_EVENT_DISABLE_TIMING = 2,
    PLN_CUDA_CAPTURE_NONE = 0, /* CUstreamCaptureStatus */
    PLN_CUDA_CAPTURE_ACTIVE = 1,
    PLN_CUDA_CAPTURE_RELAXED = 2, /* CUstreamCaptureMode */
    PLN_CUDA_HOST_PORTABLE = 1,
    PLN_CUDA_HOST_MAPPED = 2,
    PLN_CUDA_ATTRIBUTE_MULTIPROCESSORS = 16,
    PLN_CUDA_ATTRIBUTE_UNIFIED_ADDRESSING = 41,
    PLN_CUDA_ATTRIBUTE_MAJOR = 75,
    PLN_CUDA_ATTRIBUTE_MINOR = 76,
    PLN_CUDA_ATTRIBUTE_PAGEABLE_MEMORY = 88, /* the GPU reads all memory of the process */
    PLN_CUDA_POINTER_DEVICE_POINTER = 3,
    PLN_CUDA_FUNCTION_DYNAMIC_SHARED = 8,
};

struct pln_cuda_driver {
#define PLN_CUDA_SYM(name, parameters) int(*name) parameters;
#include "backend/cuda/driver_syms.inc"
#undef PLN_CUDA_SYM
};

/* The driver, opened and initialized once a process. ordinal: of the GPU that it is for, for messages. Errors: PLN_DEVICE no libcuda.so.1, one that is too old, or no GPU, with the remedy. */
enum pln_status pln_cuda_driver_get(int ordinal, struct pln_diag *diag, const struct pln_cuda_driver **out_driver);
/* Versions of the driver and of the CUDA that it brings: "580.159.04, CUDA 13.0"; the first is left out where the kernel does not tell it. */
void pln_cuda_driver_describe(const struct pln_cuda_driver *driver, char *out, size_t out_bytes);
/* An NVIDIA GPU is there, be it one that cannot be used for want of a newer driver, of rights, …: the driver does not say that there is none, or there is a
 * device file without a driver's library. */
bool pln_cuda_present(void);
/* PLN_OK for 0; else PLN_DEVICE, or PLN_NO_MEMORY, with the call, the driver's words and what it was for. */
enum pln_status pln_cuda_check(const struct pln_cuda_driver *driver, int result, const char *call, const char *what, struct pln_diag *diag);

/* Calls an entry point: PLN_CUDA_TRY(driver, diag, "weights", MemAlloc, (&address, size_bytes)). */
#define PLN_CUDA_TRY(driver, diag, what, name, arguments) PLN_TRY(pln_cuda_check(driver, (driver)->name arguments, "cu" #name, what, diag))

#endif
