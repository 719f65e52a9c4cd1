#include "limit.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_llong left_bytes;

static void *take(void *user, size_t size_bytes, size_t align)
{
    void *memory = NULL;
    (void)user;
    if (size_bytes > (size_t)1 << 62) return NULL;
    if (atomic_fetch_sub(&left_bytes, (long long)size_bytes) >= (long long)size_bytes && posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size_bytes) == 0) return memory;
    atomic_fetch_add(&left_bytes, (long long)size_bytes);
    return NULL;
}

static void release(void *user, void *memory, size_t size_bytes)
{
    (void)user;
    if (!memory) return;
    free(memory);
    atomic_fetch_add(&left_bytes, (long long)size_bytes);
}

const struct pln_allocator *limit_allocator(long most_bytes)
{
    static const struct pln_allocator limited = { NULL, take, release };
    static int made;
    if (most_bytes <= 0) return NULL;
    if (!made) atomic_store(&left_bytes, most_bytes);
    made = 1;
    return &limited;
}
