/* Compiled device code on disk: what one build has compiled, the next one takes.
 *
 * An entry is a file of its own, named by a hash of source, architecture and all else that makes the code what it is. It holds the source, too, which is
 * compared, so equal hashes do no harm; a checksum tells damage. What is not whole is no entry: the code is compiled again and the entry replaced.
 * A folder that cannot be used is said once, and the build goes on without. */
#ifndef PLN_BUILD_CODE_CACHE_H
#define PLN_BUILD_CODE_CACHE_H

#include <stdio.h>

#include "base/arena.h"
#include "build/cache.h"

#define PLN_CODE_CACHE_MOST_BYTES ((uint64_t)256 << 20) /* of an entry */

struct pln_code_cache {
    const struct pln_logger *logger; /* may be NULL */
    uint64_t key;                    /* of compiler, its options, our headers */
    uint32_t n_found, n_stored;
    bool off;       /* nothing is looked for */
    bool read_only; /* nothing is kept, after a file that could not be written */
    char folder[PLN_CACHE_PATH_BYTES]; /* of all caches */
};

/* folder: of all caches; NULL: off. */
void pln_code_cache_init(struct pln_code_cache *cache, const char *folder, uint64_t key, const struct pln_logger *logger);
/* The code of a source for an architecture, in arena; NULL: it is not there. */
const void *pln_code_cache_get(struct pln_code_cache *cache, const char *source, const char *arch, struct pln_arena *arena, uint64_t *out_bytes);
void pln_code_cache_put(struct pln_code_cache *cache, const char *source, const char *arch, const void *code, size_t size_bytes, const struct pln_allocator *alloc);
/* Says what it was good for, and removes the oldest entries beyond PLN_CACHE_MOST_BYTES when any was added. */
void pln_code_cache_end(const struct pln_code_cache *cache);

#endif
