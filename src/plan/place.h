/* Where the weights of a plan go: those of all its programs in one row, equal ones once. Of the writer alone. */
#ifndef PLN_PLAN_PLACE_H
#define PLN_PLAN_PLACE_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/watch.h"
#include "kernel/program.h"

struct pln_pool;

struct pln_plan_places {
    const struct pln_weight **weights; /* the first program's first */
    uint32_t n_weights;
    uint32_t *same;       /* by weight: the earlier one whose bytes it shares, or itself */
    uint32_t *next_alike; /* by weight: the next earlier one of the same type, shape and form */
    uint64_t *offsets;    /* by weight */
    uint64_t size_bytes;  /* of all */
    struct pln_map kinds;
};

/* Bytes of a weight in the file. */
uint64_t pln_plan_stored_bytes(const struct pln_weight *weight);
/* Tables lie in arena, the map is alloc's. Deinit takes one that failed, too. Errors: PLN_NO_MEMORY. */
enum pln_status pln_plan_places_init(struct pln_plan_places *places, const struct pln_program *const *programs, uint32_t n_programs, struct pln_arena *arena, const struct pln_allocator *alloc,
                                     struct pln_diag *diag);
void pln_plan_places_deinit(struct pln_plan_places *places);
/* Copies or packs each into its place of `size_bytes` bytes, all of which it writes; gives the hash of each. The pool's threads share the weights. Errors: those of the watch,
 * which is told bytes. */
enum pln_status pln_plan_places_store(const struct pln_plan_places *places, const struct pln_watch *watch, struct pln_pool *pool, uint8_t *to, uint64_t *out_hashes);

#endif
