#include "base/arena.h"

#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define GAP_BYTES      16 /* between two objects, so that running off one is seen */
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define GAP_BYTES      0
#endif

#define BLOCK_MIN_BYTES ((size_t)8 << 10)
#define BLOCK_MAX_BYTES ((size_t)1 << 20)
#define ARENA_ALIGN     16

struct pln_arena_block {
    struct pln_arena_block *older;
    size_t size_bytes;  /* of the whole block, this header included */
    size_t used_bytes;  /* likewise */
    size_t dirty_bytes; /* what lies above was never handed out and is still zero */
};

#define HEADER_BYTES ((sizeof(struct pln_arena_block) + 15) & ~(size_t)15)

void pln_arena_init(struct pln_arena *arena, const struct pln_allocator *alloc, size_t limit_bytes)
{
    arena->alloc = alloc != NULL ? alloc : pln_allocator_default();
    arena->blocks = NULL;
    arena->used_bytes = 0;
    arena->limit_bytes = limit_bytes;
}

static void block_release(const struct pln_arena *arena, struct pln_arena_block *block)
{
    UNPOISON(block, block->size_bytes);
    pln_free(arena->alloc, block, block->size_bytes);
}

void pln_arena_deinit(struct pln_arena *arena)
{
    for (struct pln_arena_block *block = arena->blocks; block != NULL;) {
        struct pln_arena_block *older = block->older;
        block_release(arena, block);
        block = older;
    }
    arena->blocks = NULL;
    arena->used_bytes = 0;
}

void pln_arena_reset(struct pln_arena *arena)
{
    struct pln_arena_block *block = arena->blocks;
    while (block != NULL && block->older != NULL) {
        struct pln_arena_block *older = block->older;
        block_release(arena, block);
        block = older;
    }
    arena->blocks = block;
    arena->used_bytes = 0;
    if (block == NULL) return;
    block->used_bytes = HEADER_BYTES;
    POISON((char *)block + HEADER_BYTES, block->size_bytes - HEADER_BYTES);
}

/* The bytes at which an object of this alignment would start in the block, or 0: it does not fit. */
static size_t block_fit(const struct pln_arena_block *block, size_t size_bytes, size_t align)
{
    if (block == NULL) return 0;
    size_t base = (size_t)(uintptr_t)block;
    size_t start = pln_align_up(base + block->used_bytes, align) - base;
    return start <= block->size_bytes && size_bytes <= block->size_bytes - start ? start : 0;
}

static void *block_take(struct pln_arena_block *block, size_t start, size_t size_bytes)
{
    char *memory = (char *)block + start;
    UNPOISON(memory, size_bytes);
    if (start < block->dirty_bytes) memset(memory, 0, PLN_MIN(size_bytes, block->dirty_bytes - start));
    block->used_bytes = PLN_MIN(start + size_bytes + GAP_BYTES, block->size_bytes);
    block->dirty_bytes = PLN_MAX(block->dirty_bytes, start + size_bytes);
    return memory;
}

static struct pln_arena_block *block_add(struct pln_arena *arena, size_t size_bytes, size_t align)
{
    struct pln_arena_block *newest = arena->blocks;
    size_t block_bytes = newest == NULL ? BLOCK_MIN_BYTES : PLN_MIN(newest->size_bytes * 2, BLOCK_MAX_BYTES);
    size_t need_bytes;
    if (!pln_add_size(size_bytes, HEADER_BYTES + GAP_BYTES + align, &need_bytes)) return NULL;
    bool own = need_bytes > block_bytes;
    struct pln_arena_block *block = pln_alloc_zeroed(arena->alloc, PLN_MAX(block_bytes, need_bytes), ARENA_ALIGN);
    if (block == NULL && !own) block = pln_alloc_zeroed(arena->alloc, block_bytes = need_bytes, ARENA_ALIGN);
    if (block == NULL) return NULL;
    block->size_bytes = own ? need_bytes : block_bytes;
    block->used_bytes = HEADER_BYTES;
    block->dirty_bytes = HEADER_BYTES;
    /* A block for one large object goes below the newest, whose free room stays in use. */
    struct pln_arena_block **link = own && newest != NULL ? &newest->older : &arena->blocks;
    block->older = *link;
    *link = block;
    POISON((char *)block + HEADER_BYTES, block->size_bytes - HEADER_BYTES);
    return block;
}

void *pln_arena_alloc_aligned(struct pln_arena *arena, size_t size_bytes, size_t align)
{
    size_t used_bytes;
    if (!pln_add_size(arena->used_bytes, size_bytes, &used_bytes)) return NULL;
    if (arena->limit_bytes != 0 && used_bytes > arena->limit_bytes) return NULL;
    struct pln_arena_block *block = arena->blocks;
    size_t start = block_fit(block, size_bytes, align);
    if (start == 0) {
        block = block_add(arena, size_bytes, align);
        if (block == NULL) return NULL;
        start = block_fit(block, size_bytes, align);
    }
    arena->used_bytes = used_bytes;
    return block_take(block, start, size_bytes);
}

void *pln_arena_alloc(struct pln_arena *arena, size_t size_bytes)
{
    return pln_arena_alloc_aligned(arena, size_bytes, ARENA_ALIGN);
}

void *pln_arena_array(struct pln_arena *arena, size_t count, size_t size_bytes)
{
    size_t total_bytes;
    return pln_mul_size(count, size_bytes, &total_bytes) ? pln_arena_alloc(arena, total_bytes) : NULL;
}

void *pln_arena_copy(struct pln_arena *arena, const void *data, size_t size_bytes)
{
    void *copy = pln_arena_alloc(arena, size_bytes);
    if (copy != NULL && size_bytes > 0) memcpy(copy, data, size_bytes);
    return copy;
}

char *pln_arena_text(struct pln_arena *arena, const char *text, size_t size_bytes)
{
    size_t with_end;
    if (!pln_add_size(size_bytes, 1, &with_end)) return NULL;
    char *copy = pln_arena_alloc_aligned(arena, with_end, 1);
    if (copy != NULL && size_bytes > 0) memcpy(copy, text, size_bytes);
    return copy;
}

char *pln_arena_format(struct pln_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : pln_arena_alloc_aligned(arena, (size_t)n + 1, 1);
    if (text != NULL) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

bool pln_arena_grow(struct pln_arena *arena, void **items, size_t *capacity, size_t want, size_t elem_bytes)
{
    if (want <= *capacity) return true;
    size_t doubled;
    if (!pln_mul_size(*capacity, 2, &doubled)) doubled = want;
    size_t grown = PLN_MAX(PLN_MAX(doubled, want), 8);
    void *memory = pln_arena_array(arena, grown, elem_bytes);
    if (memory == NULL) return false;
    if (*capacity > 0) memcpy(memory, *items, *capacity * elem_bytes);
    *items = memory;
    *capacity = grown;
    return true;
}
