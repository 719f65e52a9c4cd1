/* Plans on disk: what one build of a model has made, the next one loads.
 *
 * An entry is a plan with its key behind it, which also names it: a hash of the bytes of the model and of its external data, what the caller asked for, the
 * machine, and the code of this library. It is verified as any plan is, weights included; what cannot be loaded, or is another model's, is built again and
 * replaced. A folder that cannot be used is said once. */
#ifndef PLN_BUILD_PLAN_CACHE_H
#define PLN_BUILD_PLAN_CACHE_H

#include "backend/backend.h"
#include "base/file.h"
#include "build/cache.h"
#include "build/target.h"
#include "onnx/open.h"
#include "planish/builder.h"

struct pln_plan_cache {
    const struct pln_logger *logger; /* may be NULL */
    const char *folder;              /* of all caches; NULL: off */
    const char *const *files;        /* whose bytes count, too; NULL: none */
    struct pln_cache_key key;
};

/* Off, after saying why, where the folder cannot be made. */
void pln_plan_cache_init(struct pln_plan_cache *cache, const char *folder, const char *const *files, const struct pln_logger *logger);
/* What the plan of this model depends on. Errors: whatever keeps a file from being read. */
enum pln_status pln_plan_cache_key(const struct pln_plan_cache *cache, struct pln_onnx_file *model, const struct pln_build_options *options, const struct pln_backend *backend,
                                   const struct pln_target *target, struct pln_diag *diag, struct pln_cache_key *out_key);
/* Maps the entry of cache->key. false: there is none. */
bool pln_plan_cache_get(const struct pln_plan_cache *cache, struct pln_file_map *out_map);
void pln_plan_cache_put(const struct pln_plan_cache *cache, const void *plan, size_t size_bytes, const struct pln_allocator *alloc);

#endif
