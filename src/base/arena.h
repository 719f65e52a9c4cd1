/* A bump allocator: objects that live and die together. Not thread-safe. Blocks come from an allocator and are given back by
 * reset (keeps the first block) or deinit. ASan builds poison what is not handed out. */
#ifndef PLN_BASE_ARENA_H
#define PLN_BASE_ARENA_H

#include "base/base.h"

struct pln_arena_block;

struct pln_arena {
    const struct pln_allocator *alloc;
    struct pln_arena_block *blocks; /* newest first */
    size_t used_bytes;              /* handed out since init or reset */
    size_t limit_bytes;             /* 0: none; past it, allocation fails */
};

void pln_arena_init(struct pln_arena *arena, const struct pln_allocator *alloc, size_t limit_bytes);
void pln_arena_deinit(struct pln_arena *arena);
void pln_arena_reset(struct pln_arena *arena);

/* Zeroed memory, aligned to 16 (pln_arena_alloc_aligned: to align). NULL: no memory. size_bytes may be 0. */
void *pln_arena_alloc(struct pln_arena *arena, size_t size_bytes);
void *pln_arena_alloc_aligned(struct pln_arena *arena, size_t size_bytes, size_t align);
/* count * size_bytes, checked. */
void *pln_arena_array(struct pln_arena *arena, size_t count, size_t size_bytes);
void *pln_arena_copy(struct pln_arena *arena, const void *data, size_t size_bytes);
/* A terminated copy of text[0..size). */
char *pln_arena_text(struct pln_arena *arena, const char *text, size_t size_bytes);
char *pln_arena_format(struct pln_arena *arena, const char *format, ...) PLN_PRINTF(2, 3);

/* Makes room for `want` elements in a growing array that lives in the arena: *items of *capacity elements of elem_bytes each.
 * Grows by doubling; old memory stays in the arena. false: no memory, nothing changed. */
bool pln_arena_grow(struct pln_arena *arena, void **items, size_t *capacity, size_t want, size_t elem_bytes);

#endif
