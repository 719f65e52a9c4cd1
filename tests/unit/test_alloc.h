/* An allocator that counts, checks sizes and alignment, and fails the n-th request, for tests. */
#ifndef PLN_TESTS_UNIT_TEST_ALLOC_H
#define PLN_TESTS_UNIT_TEST_ALLOC_H

#include <stdlib.h>

#include "base/base.h"

struct test_alloc {
    struct pln_allocator base; /* hand &this->base down */
    long fail_at;              /* the request that fails, from 1; 0: none */
    long fail_more;            /* how many after it fail, too: heaps ask twice */
    long requests, live;
    size_t live_bytes;
};

static inline void *test_alloc_take(void *user, size_t size_bytes, size_t align)
{
    struct test_alloc *self = user;
    void *memory = NULL;
    assert_true(size_bytes > 0);
    long n = ++self->requests - self->fail_at;
    if (self->fail_at && n >= 0 && n <= self->fail_more) return NULL;
    if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size_bytes) != 0) return NULL;
    memset(memory, 0xa5, size_bytes);
    self->live++;
    self->live_bytes += size_bytes;
    return memory;
}

static inline void test_alloc_release(void *user, void *memory, size_t size_bytes)
{
    struct test_alloc *self = user;
    assert_true(self->live > 0 && self->live_bytes >= size_bytes);
    self->live--;
    self->live_bytes -= size_bytes;
    free(memory);
}

static inline void test_alloc_init(struct test_alloc *self, long fail_at)
{
    *self = (struct test_alloc){ .fail_at = fail_at };
    self->base = (struct pln_allocator){ self, test_alloc_take, test_alloc_release };
}

#endif
