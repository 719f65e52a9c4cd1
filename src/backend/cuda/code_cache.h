/* Code that this process has compiled, by source and architecture; the compiler, its options and the device headers do not change in a process. A compilation
 * takes a good part of a second, and models built one after the other (test cases, plans for several shapes) share most of their sources. Thread-safe. */
#ifndef PLN_BACKEND_CUDA_CODE_CACHE_H
#define PLN_BACKEND_CUDA_CODE_CACHE_H

#include "base/base.h"

#define PLN_CUDA_CODE_CACHE_BYTES ((size_t)64 << 20) /* kept at most, sources included; what was not asked for the longest goes first */

/* A copy in memory of alloc. PLN_NOT_FOUND: it has not been compiled, or is gone; diag is left alone. PLN_NO_MEMORY. */
enum pln_status pln_cuda_code_cache_get(const char *source, const char *arch, const struct pln_allocator *alloc, struct pln_diag *diag, void **out_code, size_t *out_bytes);
/* Keeps a copy, if there is memory for it. */
void pln_cuda_code_cache_put(const char *source, const char *arch, const void *code, size_t size_bytes);
/* Number of codes kept; of calls of get that found one. For tests. */
void pln_cuda_code_cache_count(size_t *out_codes, uint64_t *out_hits);

#endif
