/* The folder where builds keep compiled device code, plans and times of kernels (pln_build_options.cache_folder). Still moving: may change in any version. In libplanish, not in
 * libplanish_rt. */
#ifndef PLANISH_EXPERIMENTAL_CACHE_H
#define PLANISH_EXPERIMENTAL_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "planish/builder.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLN_CACHE_MOST_BYTES ((uint64_t)4 << 30) /* a build that has added something removes the oldest beyond it */

#define PLN_CACHE_KEEP_PHASE "keep the plan" /* of pln_cache_build_file, to progress: what takes time then is no building */
#define PLN_CACHE_WARNING    "nothing is kept in the cache" /* a folder that pln_cache_build_file cannot use: the beginning of what is logged */

/* One file of the cache. Strings live only during the call that hands it over. */
struct pln_cache_entry {
    const char *name;    /* below the folder: "code/….bin", "plans/….plan", "timings/….times" */
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

/* As pln_build_file, but a plan that an earlier call kept in options->cache_folder is loaded instead (*out_cached: 1), and one that is built is kept. It is
 * the same for the same bytes of the model and of its external data, the same options, machine and library. Not kept: with dump_after, or after a build
 * that logged a warning of the model; nor by programs that were linked without --build-id, which tells one build of this library from another. files: others whose bytes count, ended by NULL, such as those of the plugins; NULL: none. A kept plan that is damaged is
 * built again; a folder that cannot be used is a warning. */
PLN_API PLN_MUST_USE enum pln_status pln_cache_build_file(const char *path, const struct pln_build_options *options, const char *const *files, pln_engine **out_engine, int *out_cached);

#ifdef __cplusplus
}
#endif
#endif
