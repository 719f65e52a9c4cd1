/* The timing cache: what kernels took, in a file that builds share.
 *
 * The file is a head and entries of 24 bytes in the order of their keys, little-endian. A key is a hash of all that a time depends on: the CPU and what of it is used, the
 * library, the kernel row and the problem. So a file may hold those of many machines and versions; what does not fit is never found.
 *
 * Saving merges: under a lock on the file, what other builds have written meanwhile is read again, and wins. A build that chooses by what it has after that chooses as
 * the next one will. The file is replaced as a whole. */
#ifndef PLN_TUNE_TIMINGS_H
#define PLN_TUNE_TIMINGS_H

#include "base/base.h"
#include "base/hash.h"

#define PLN_TIMINGS_VERSION 1u
#define PLN_TIMINGS_MOST    ((size_t)1 << 18) /* entries of a file, 6 MiB. What was not asked for goes when there would be more */

struct pln_timing {
    struct pln_hash128 key;
    uint64_t ns; /* 0: it was not measured, for lack of time or because it cannot be */
};

struct pln_timings {
    const struct pln_allocator *alloc;
    struct pln_timing *items; /* sorted by key */
    bool *asked;              /* of each: this build has looked for it, or made it */
    size_t n, capacity;
    bool changed; /* there is something to save */
    bool fills;   /* set by the owner: what is measured here wins over what others have left */
};

void pln_timings_init(struct pln_timings *timings, const struct pln_allocator *alloc);
void pln_timings_deinit(struct pln_timings *timings);
/* Adds the file's entries to those that are there. No file, and an empty one, has none. Errors, which add nothing: PLN_IO; PLN_INVALID_ARGUMENT: it is another
 * kind of file; PLN_BAD_PLAN: damaged; PLN_INCOMPATIBLE: of another version; PLN_NO_MEMORY. */
enum pln_status pln_timings_read(struct pln_timings *timings, const char *path, struct pln_diag *diag);
/* false: nothing is known of the key. */
bool pln_timings_find(struct pln_timings *timings, struct pln_hash128 key, uint64_t *out_ns);
/* Adds, or replaces. false: no memory. */
PLN_MUST_USE bool pln_timings_set(struct pln_timings *timings, struct pln_hash128 key, uint64_t ns);
/* Merges with the file, and writes it. A damaged file, or one of another version, is replaced. Errors: PLN_IO, also where another process has kept the lock for
 * seconds; PLN_INVALID_ARGUMENT: another kind of file, which stays; PLN_NO_MEMORY. */
enum pln_status pln_timings_save(struct pln_timings *timings, const char *path, struct pln_diag *diag);

#endif
