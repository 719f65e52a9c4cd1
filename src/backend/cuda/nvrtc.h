/* NVRTC, found at build time: CUDA C to cubins, without a GPU. */
#ifndef PLN_BACKEND_CUDA_NVRTC_H
#define PLN_BACKEND_CUDA_NVRTC_H

#include "base/base.h"

/* Our device headers, which sources include by these names. Made from src/backend/cuda/device by the build; ends with NULL names. */
struct pln_cuda_header_file {
    const char *name, *text;
};
extern const struct pln_cuda_header_file pln_cuda_header_files[];

/* Hash of the device headers, the options and the compiler's version (0 in its place where there is none). */
uint64_t pln_cuda_code_key(void);
/* source: CUDA C with one kernel, pln_entry. arch: "sm_90a". Errors: PLN_DEVICE no NVRTC, or one that does not know the architecture; PLN_INTERNAL
 * with what the compiler says; PLN_NO_MEMORY. */
enum pln_status pln_cuda_compile(const char *source, const char *arch, const struct pln_allocator *alloc, struct pln_diag *diag, void **out_code, size_t *out_bytes);
/* Its version and where it was found. Errors: PLN_DEVICE, with the remedy. */
enum pln_status pln_cuda_nvrtc_version(struct pln_diag *diag, int *out_major, int *out_minor);

#endif
