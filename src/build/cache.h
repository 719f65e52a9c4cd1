/* The folder of caches, as its users inside the library see it: a sub-folder for each kind of entry, an entry a file of its own that a hash names.
 *
 * What is not a plain file, not this user's, or can be written by everybody is no entry. Files are written under another name and renamed, so builds at the
 * same time are safe. */
#ifndef PLN_BUILD_CACHE_H
#define PLN_BUILD_CACHE_H

#include <stdio.h>

#include "base/base.h"
#include "planish/experimental/cache.h"

#define PLN_CACHE_KEY_DIGITS 32
#define PLN_CACHE_PATH_BYTES 4096

enum pln_cache_kind { PLN_CACHE_CODE, PLN_CACHE_PLAN, PLN_CACHE_TIMINGS };

/* 128 bits. Not against who chooses collisions: the folder belongs to one user. */
struct pln_cache_key {
    uint64_t hi, lo;
};
/* Goes on with bytes; their number counts, too, so that what follows cannot be taken for a part of them. */
void pln_cache_key_add(struct pln_cache_key *key, const void *data, size_t size_bytes);
void pln_cache_key_add_text(struct pln_cache_key *key, const char *text); /* NULL is not "" */
void pln_cache_key_add_number(struct pln_cache_key *key, uint64_t number);
/* The version and the code of this library. Errors: PLN_UNSUPPORTED: one build of it cannot be told from another. */
enum pln_status pln_cache_key_add_own_code(struct pln_cache_key *key, struct pln_diag *diag);

/* Makes `folder` and the kind's sub-folder where they are missing, private to the user. NULL, or why that cannot be, in `why`. */
const char *pln_cache_make_folder(const char *folder, enum pln_cache_kind kind, char *why, size_t why_bytes);
/* An entry's path. false: it does not fit. */
bool pln_cache_entry_path(const char *folder, enum pln_cache_kind kind, struct pln_cache_key key, char path[PLN_CACHE_PATH_BYTES]);
/* A descriptor of the entry, and its size; -1: there is none of at least least_bytes and at most most_bytes. */
int pln_cache_open_entry(const char *path, uint64_t least_bytes, uint64_t most_bytes, uint64_t *out_bytes);
/* It was used now: the oldest go first. */
void pln_cache_touch(int entry);
/* Removes the oldest entries beyond PLN_CACHE_MOST_BYTES, after something was added. */
void pln_cache_limit(const char *folder);
/* A line for the log; logger may be NULL. */
void pln_cache_log(const struct pln_logger *logger, enum pln_log_level level, const char *format, ...) PLN_PRINTF(3, 4);

#endif
