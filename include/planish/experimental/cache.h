/* The folder where builds keep compiled device code (pln_build_options.cache_folder). Still moving: may change in any version. In libplanish, not in
 * libplanish_rt. */
#ifndef PLANISH_EXPERIMENTAL_CACHE_H
#define PLANISH_EXPERIMENTAL_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "planish/diagnostics.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLN_CACHE_MOST_BYTES ((uint64_t)4 << 30) /* a build that has added something removes the oldest beyond it */

/* One file of the cache. Strings live only during the call that hands it over. */
struct pln_cache_entry {
    const char *name;    /* below the folder: "code/….bin" */
    uint64_t size_bytes;
    int64_t used_seconds; /* when it was last used, since 1970 */
    uint64_t reserved[4];
};

/* Hands over every entry, those not used for the longest time first. A folder that is not there has none. visit may be NULL: they are counted.
 * Errors: PLN_IO; PLN_NO_MEMORY; PLN_INVALID_ARGUMENT. Thread-safe, also beside builds. */
PLN_API PLN_MUST_USE enum pln_status pln_cache_list(const char *folder, void (*visit)(void *user, const struct pln_cache_entry *entry), void *user, pln_diagnostics *diagnostics, int *out_count,
                                                    uint64_t *out_bytes);
/* Removes entries, the oldest first, until at most `keep_bytes` are left (0: all of them), and what interrupted builds have left behind; no other file.
 * Gives what was removed. Errors: as pln_cache_list. */
PLN_API PLN_MUST_USE enum pln_status pln_cache_clean(const char *folder, uint64_t keep_bytes, pln_diagnostics *diagnostics, int *out_count, uint64_t *out_bytes);

#ifdef __cplusplus
}
#endif
#endif
