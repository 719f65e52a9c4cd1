#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "test_alloc.h"

static void objects_are_zeroed_and_aligned(void **state)
{
    (void)state;
    struct pln_arena arena;
    pln_arena_init(&arena, NULL, 0);
    for (int round = 0; round < 3; round++) {
        for (size_t n = 0; n < 600; n++) {
            size_t align = (size_t)1 << (n % 9);
            unsigned char *p = pln_arena_alloc_aligned(&arena, n * 7, align);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            for (size_t i = 0; i < n * 7; i++) assert_int_equal(p[i], 0);
            if (n > 0) memset(p, 0xff, n * 7);
        }
        assert_int_equal((uintptr_t)pln_arena_alloc(&arena, 1) % 16, 0);
        pln_arena_reset(&arena);
        assert_int_equal(arena.used_bytes, 0);
    }
    pln_arena_deinit(&arena);
}

static void objects_do_not_overlap(void **state)
{
    (void)state;
    struct pln_arena arena;
    unsigned char *p[500];
    pln_arena_init(&arena, NULL, 0);
    for (size_t i = 0; i < 500; i++) {
        size_t n = i % 50 == 0 ? 100000 : i;
        p[i] = pln_arena_alloc(&arena, n);
        memset(p[i], (int)(i & 0xff), n);
    }
    for (size_t i = 0; i < 500; i++) {
        size_t n = i % 50 == 0 ? 100000 : i;
        for (size_t j = 0; j < n; j++) assert_int_equal(p[i][j], i & 0xff);
    }
    pln_arena_deinit(&arena);
}

static void sizes_are_checked(void **state)
{
    (void)state;
    struct pln_arena arena;
    pln_arena_init(&arena, NULL, 1000);
    assert_null(pln_arena_array(&arena, SIZE_MAX / 2, 3));
    assert_null(pln_arena_alloc(&arena, SIZE_MAX));
    assert_null(pln_arena_alloc(&arena, SIZE_MAX - 40));
    assert_null(pln_arena_text(&arena, "", SIZE_MAX));
    assert_null(pln_arena_alloc(&arena, 1001));
    assert_non_null(pln_arena_alloc(&arena, 999));
    assert_null(pln_arena_alloc(&arena, 2));
    assert_non_null(pln_arena_alloc(&arena, 1));
    pln_arena_reset(&arena);
    assert_non_null(pln_arena_alloc(&arena, 1000));
    pln_arena_deinit(&arena);
}

static void texts_and_arrays(void **state)
{
    (void)state;
    struct pln_arena arena;
    pln_arena_init(&arena, NULL, 0);
    assert_string_equal(pln_arena_text(&arena, "abcdef", 3), "abc");
    assert_string_equal(pln_arena_format(&arena, "%d-%s", 42, "x"), "42-x");
    assert_memory_equal(pln_arena_copy(&arena, "xyz", 3), "xyz", 3);
    int *items = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        void *grown = items;
        assert_true(pln_arena_grow(&arena, &grown, &capacity, (size_t)i + 1, sizeof *items));
        items = grown;
        items[i] = i;
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(items[i], i);
    void *same = items;
    assert_false(pln_arena_grow(&arena, &same, &capacity, SIZE_MAX / 2, sizeof *items));
    assert_ptr_equal(same, items);
    pln_arena_deinit(&arena);
}

static void failure_of_any_request(void **state)
{
    (void)state;
    for (long fail_at = 1; fail_at < 20; fail_at++) {
        struct test_alloc alloc;
        struct pln_arena arena;
        test_alloc_init(&alloc, fail_at);
        pln_arena_init(&arena, &alloc.base, 0);
        int got = 0;
        for (int i = 0; i < 200; i++) got += pln_arena_alloc(&arena, (size_t)i * 100) != NULL;
        assert_true(got >= 199 || alloc.requests < fail_at);
        pln_arena_reset(&arena);
        assert_int_equal(alloc.live, 1);
        pln_arena_deinit(&arena);
        assert_int_equal(alloc.live, 0);
        assert_int_equal(alloc.live_bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_zeroed_and_aligned),
        cmocka_unit_test(objects_do_not_overlap),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(texts_and_arrays),
        cmocka_unit_test(failure_of_any_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
