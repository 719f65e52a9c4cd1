#define _DEFAULT_SOURCE

#include "base/base.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Memory of whole pages of 2 MiB is asked for as such (Linux: transparent huge pages, where "madvise" is the rule of the system): it is had with a 512th
 * of the faults, and its addresses fit into the TLB. */
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

static void *huge_alloc(size_t size_bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, HUGE_PAGE_BYTES, size_bytes) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    (void)madvise(memory, size_bytes / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES, MADV_HUGEPAGE);
#endif
    return memory;
}

static void *libc_alloc(void *user, size_t size_bytes, size_t align)
{
    (void)user;
    if (align <= _Alignof(max_align_t)) return malloc(size_bytes);
    if (size_bytes >= HUGE_PAGE_BYTES && align <= HUGE_PAGE_BYTES) return huge_alloc(size_bytes);
    void *memory = NULL;
    return posix_memalign(&memory, align, size_bytes) == 0 ? memory : NULL;
}

static void libc_release(void *user, void *memory, size_t size_bytes)
{
    (void)user;
    (void)size_bytes;
    free(memory);
}

static const struct pln_allocator libc_allocator = { NULL, libc_alloc, libc_release };

const struct pln_allocator *pln_allocator_default(void)
{
    return &libc_allocator;
}

void *pln_alloc(const struct pln_allocator *alloc, size_t size_bytes, size_t align)
{
    if (alloc == NULL) alloc = &libc_allocator;
    return alloc->alloc(alloc->user, PLN_MAX(size_bytes, 1), align);
}

void *pln_alloc_zeroed(const struct pln_allocator *alloc, size_t size_bytes, size_t align)
{
    /* calloc knows which pages are fresh from the system and zero already. */
    if ((alloc == NULL || alloc == &libc_allocator) && align <= _Alignof(max_align_t))
        return calloc(1, PLN_MAX(size_bytes, 1));
    void *memory = pln_alloc(alloc, size_bytes, align);
    if (memory != NULL) memset(memory, 0, size_bytes);
    return memory;
}

void pln_free(const struct pln_allocator *alloc, void *memory, size_t size_bytes)
{
    if (memory == NULL) return;
    if (alloc == NULL) alloc = &libc_allocator;
    alloc->release(alloc->user, memory, PLN_MAX(size_bytes, 1));
}
