/* Cold memory. */
#ifndef PLN_TUNE_EVICT_H
#define PLN_TUNE_EVICT_H

#include <stddef.h>

/* Writes the cache lines of [memory, memory + size_bytes) back and out of all caches, on x86-64 (CLFLUSH; Intel SDM vol. 2) and AArch64 (DC CIVAC; Arm ARM, "Cache
 * maintenance instructions"). Elsewhere they stay. */
void pln_evict(const void *memory, size_t size_bytes);

#endif
