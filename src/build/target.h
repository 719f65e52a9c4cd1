/* What a plan is built for: CPU features, GPU architectures. */
#ifndef PLN_BUILD_TARGET_H
#define PLN_BUILD_TARGET_H

#include "backend/backend.h"
#include "base/watch.h"
#include "build/code_cache.h"
#include "kernel/program.h"

#define PLN_TARGET_MAX_ARCHS 16
#define PLN_TARGET_MAX_LEVELS 16 /* as many as a plan holds */

struct pln_target {
    uint64_t levels[PLN_TARGET_MAX_LEVELS]; /* CPU features, a program each: from the least to the best */
    uint32_t n_levels;
    const char *archs[PLN_TARGET_MAX_ARCHS]; /* what device code is compiled for; none for devices without code */
    uint64_t arch_features[PLN_TARGET_MAX_ARCHS];
    uint32_t n_archs;
    char text[PLN_TARGET_MAX_ARCHS][16];  /* what archs point to */
    bool foreign;                         /* named by the caller: the machine at hand need not be able to run it */
};

/* target: NULL or "native", the machine at hand (a backend with device code is opened to look at it); or parts joined by commas: CPU levels or
 * features ("x86-64-v3", "cpu:avx2+avx512vnni"), architectures of the backend ("cuda:sm_90a", or "sm_80"), "native" for both of this machine. What is left
 * out is native. Errors: PLN_INVALID_ARGUMENT; PLN_DEVICE. */
enum pln_status pln_target_parse(const char *target, const struct pln_backend *backend, int ordinal, const struct pln_allocator *alloc, struct pln_diag *diag, struct pln_target *out_target);

/* What one program of the plan is for. Architectures whose features make no difference to the backend's rows have a program together. */
struct pln_target_part {
    uint64_t features;  /* of the device */
    uint64_t level;     /* of the CPU */
    uint64_t for_archs; /* as pln_program.for_archs */
};
/* The parts of a target, those for each architecture from the least level to the best. PLN_INVALID_ARGUMENT: more than PLN_TARGET_MAX_LEVELS. */
enum pln_status pln_target_split(const struct pln_target *target, const struct pln_backend *backend, struct pln_diag *diag, struct pln_target_part parts[PLN_TARGET_MAX_LEVELS],
                                 uint32_t *out_n);

/* Compiles the sources of the programs, each once, for all architectures that need them, but for what the cache has. The programs share the codes then; images lie in the
 * first one's arena. Errors: those of the backend's compile, and of the watch, which is told images. */
enum pln_status pln_target_compile(const struct pln_target *target, const struct pln_backend *backend, struct pln_code_cache *cache, const struct pln_watch *watch, const struct pln_allocator *alloc,
                                   struct pln_diag *diag, struct pln_program *programs, uint32_t n_programs);

/* PLN_UNSUPPORTED with the first nodes whose steps run on the host; control flow and copies do not count. */
enum pln_status pln_target_require_device(const struct pln_program *program, const struct pln_allocator *alloc, struct pln_diag *diag);

#endif
