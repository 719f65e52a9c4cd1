/* An allocator that counts, checks sizes and alignment, and fails the n-th request, for tests. */
#ifndef PLN_TESTS_UNIT_TEST_ALLOC_H
#define PLN_TESTS_UNIT_TEST_ALLOC_H

#include <stdlib.h>

#include "base/base.h"
#include "planish/engine.h"

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

/* Loads a plan again and again, each time with one request for memory more, until it comes through: nothing is left behind. */
static inline void test_alloc_load(const void *data, size_t size_bytes)
{
    enum pln_status status = PLN_NO_MEMORY;
    for (long i = 1; status != PLN_OK; i++) {
        struct test_alloc alloc;
        pln_engine *engine;
        test_alloc_init(&alloc, i);
        const struct pln_engine_options options = { .struct_size = sizeof options, .allocator = &alloc.base };
        status = pln_engine_load_memory(data, size_bytes, &options, &engine);
        assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
        pln_engine_release(engine);
        assert_int_equal(alloc.live, 0);
    }
}

#endif
