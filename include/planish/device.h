/* Devices: what this machine has to run plans on. */
#ifndef PLANISH_DEVICE_H
#define PLANISH_DEVICE_H

#include "planish/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pln_device_info {
    char name[32];         /* as engines and builds take it: "cpu", "cuda:0" */
    char description[128]; /* "NVIDIA H100 80GB HBM3 (sm_90a)" */
    char arch[16];         /* what device code is compiled for: "sm_90a"; "": it runs none */
    uint64_t memory_bytes; /* 0: not known */
    int usable;            /* 0: problem says why not, and what to do */
    char problem[512];
    char compiler[64];     /* of device code, on this machine: "NVRTC 13.0"; "": none, or none needed */
    char compiler_problem[512]; /* why there is none: plans can be run, but not built */
    char driver[64];            /* "580.159.04, CUDA 13.0": of the device and of CUDA; "": none is needed, or the device is not usable */
    const char *features;       /* of a CPU, as far as kernels may use them: "avx avx2 fma …", static; NULL: it has none of those that kernels ask for, or is no CPU */
    uint64_t reserved[7];
};

/* The kinds of device of this build in the order of preference for a look around, all devices of each kind; a kind that has none here is one entry that
 * is not usable. Devices are opened for a moment, which takes a while the first time (a GPU: a second). PLN_NOT_FOUND: no such index. Thread-safe. */
PLN_API PLN_MUST_USE enum pln_status pln_device_get(int index, struct pln_device_info *out_info);

/* The device that the command takes where none is named: "cuda:0" where an NVIDIA GPU is present, else "cpu". A GPU that is present but cannot be used is
 * named, too: opening it says why, and what to do. (In the API, no name is the CPU.) Static. It asks the driver, which a process that forks should leave to
 * its children. Thread-safe. */
PLN_API const char *pln_device_default(void);

#ifdef __cplusplus
}
#endif
#endif
