/* Items: counting, copying, and a heap that asks its allocator for nothing twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/item.h"

/* Counts what it hands out; fails from the given call on. */
struct counter {
    int allocations, live;
    int fail_at; /* 0: never */
};

static void *counted_alloc(void *user, size_t size_bytes, size_t align)
{
    struct counter *counter = user;
    if (counter->fail_at && counter->allocations + 1 >= counter->fail_at) return NULL;
    counter->allocations++;
    counter->live++;
    return pln_alloc(NULL, size_bytes, align);
}

static void counted_release(void *user, void *memory, size_t size_bytes)
{
    ((struct counter *)user)->live--;
    pln_free(NULL, memory, size_bytes);
}

static struct pln_allocator make_allocator(struct counter *counter)
{
    return (struct pln_allocator){ counter, counted_alloc, counted_release };
}

static void second_run_allocates_nothing(void **state)
{
    (void)state;
    struct counter counter = { 0 };
    struct pln_allocator alloc = make_allocator(&counter);
    struct pln_heap heap;
    pln_heap_init(&heap, &alloc, 0);
    int after_first = 0;
    for (int run = 0; run < 3; run++) {
        struct pln_item *items[20];
        for (int i = 0; i < 20; i++) {
            int64_t dims[2] = { i * 37, 11 };
            assert_int_equal(pln_item_new_tensor(&heap, PLN_F32, 2, dims, &items[i]), PLN_OK);
            assert_int_equal((uintptr_t)items[i]->tensor.data % 64, 0);
            memset(items[i]->tensor.data, i, pln_tensor_bytes(&items[i]->tensor));
        }
        if (run == 0) after_first = counter.allocations;
        for (int i = 0; i < 20; i++) pln_item_release(&heap, items[i]);
        assert_int_equal(heap.live_bytes, 0);
    }
    assert_int_equal(counter.allocations, after_first);
    pln_heap_deinit(&heap);
    assert_int_equal(counter.live, 0);
}

static void strings_are_copied_deep(void **state)
{
    (void)state;
    struct pln_heap heap;
    pln_heap_init(&heap, NULL, 0);
    struct pln_item *from, *to;
    int64_t n = 3;
    assert_int_equal(pln_item_new_tensor(&heap, PLN_STR, 1, &n, &from), PLN_OK);
    struct pln_string *strings = from->tensor.data;
    assert_int_equal(strings[2].size_bytes, 0);
    char *bytes = pln_item_own(&heap, from, 5);
    memcpy(bytes, "hello", 5);
    strings[1] = (struct pln_string){ bytes, 5 };
    assert_int_equal(pln_item_copy(&heap, from, &to), PLN_OK);
    memset(bytes, 'x', 5);
    pln_item_release(&heap, from);
    strings = to->tensor.data;
    assert_int_equal(strings[1].size_bytes, 5);
    assert_memory_equal(strings[1].data, "hello", 5);
    pln_item_release(&heap, to);
    assert_int_equal(heap.live_bytes, 0);
    pln_heap_deinit(&heap);
}

static void sequences_share_their_elements(void **state)
{
    (void)state;
    struct pln_heap heap;
    pln_heap_init(&heap, NULL, 0);
    struct pln_item *sequence, *element, *copy;
    int64_t dim = 4;
    assert_int_equal(pln_item_new(&heap, PLN_SEQUENCE, &sequence), PLN_OK);
    assert_int_equal(pln_item_new_tensor(&heap, PLN_I64, 1, &dim, &element), PLN_OK);
    sequence->items = pln_item_own(&heap, sequence, sizeof(*sequence->items));
    sequence->items[0] = element;
    sequence->count = 1;
    assert_int_equal(pln_item_copy(&heap, sequence, &copy), PLN_OK);
    assert_ptr_equal(copy->items[0], element);
    assert_int_equal(element->refs, 2);
    pln_item_release(&heap, sequence);
    assert_int_equal(element->refs, 1);
    pln_item_release(&heap, copy);
    assert_int_equal(heap.live_bytes, 0);
    pln_heap_deinit(&heap);
}

static void limits_and_bad_shapes_are_errors(void **state)
{
    (void)state;
    struct pln_diag diag;
    pln_diag_init(&diag);
    struct pln_heap heap;
    pln_heap_init(&heap, NULL, 1 << 16); /* 20000 and 30000 bytes do not fit beside each other once rounded up */
    heap.diag = &diag;
    struct pln_item *item;
    int64_t large = 1 << 20, negative = -1, huge[2] = { INT64_MAX / 2, 8 };
    assert_int_equal(pln_item_new_tensor(&heap, PLN_U8, 1, &large, &item), PLN_NO_MEMORY);
    assert_true(heap.over_limit);
    assert_null(item);
    assert_int_equal(pln_item_new_tensor(&heap, PLN_U8, 1, &negative, &item), PLN_BAD_MODEL);
    assert_int_equal(pln_item_new_tensor(&heap, PLN_F32, 2, huge, &item), PLN_BAD_MODEL);
    assert_int_equal(diag.count, 3);
    assert_int_equal(heap.live_bytes, 0);
    /* What was freed under another size must not stand in the way of the limit. */
    int64_t small = 20000, other = 30000;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pln_item_new_tensor(&heap, PLN_U8, 1, i % 2 ? &other : &small, &item), PLN_OK);
        pln_item_release(&heap, item);
        assert_true(heap.held_bytes <= 1 << 16);
    }
    pln_heap_deinit(&heap);
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    for (int fail_at = 1; fail_at < 6; fail_at++) {
        struct counter counter = { .fail_at = fail_at };
        struct pln_allocator alloc = make_allocator(&counter);
        struct pln_heap heap;
        pln_heap_init(&heap, &alloc, 0);
        struct pln_item *item = NULL, *copy = NULL;
        int64_t n = 100;
        if (pln_item_new_tensor(&heap, PLN_STR, 1, &n, &item) == PLN_OK) (void)!pln_item_copy(&heap, item, &copy);
        pln_item_release(&heap, item);
        pln_item_release(&heap, copy);
        assert_int_equal(heap.live_bytes, 0);
        pln_heap_deinit(&heap);
        assert_int_equal(counter.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_run_allocates_nothing),     cmocka_unit_test(strings_are_copied_deep),
        cmocka_unit_test(sequences_share_their_elements),   cmocka_unit_test(limits_and_bad_shapes_are_errors),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
