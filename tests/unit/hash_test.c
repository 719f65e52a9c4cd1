#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "test_alloc.h"

/* The sanity buffer of the xxHash repository: bytes of a 64-bit product, started at PRIME32. */
static void fill_sanity_buffer(uint8_t *out, size_t n)
{
    uint64_t generator = 2654435761u;
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)(generator >> 56);
        generator *= UINT64_C(11400714785074694797);
    }
}

struct vector {
    size_t n;
    uint64_t seed, hash;
};

static void known_answers(void **state)
{
    (void)state;
    static const struct vector vectors[] = {
        { 0, 0, UINT64_C(0xEF46DB3751D8E999) },
        { 0, 2654435761u, UINT64_C(0xAC75FDA2929B17EF) },
        { 1, 0, UINT64_C(0xE934A84ADB052768) },
        { 1, 2654435761u, UINT64_C(0x5014607643A9B4C3) },
        { 4, 0, UINT64_C(0x9136A0DCA57457EE) },
        { 14, 0, UINT64_C(0x8282DCC4994E35C8) },
        { 14, 2654435761u, UINT64_C(0xC3BD6BF63DEB6DF0) },
        { 222, 0, UINT64_C(0xB641AE8CB691C174) },
        { 222, 2654435761u, UINT64_C(0x20CB8AB7AE10C14A) },
        /* Past the repository's own: from the specification, written out in Python and held against the vectors above. */
        { 4159, 0, UINT64_C(0xB291C2E614CF5684) },
        { 4160, 0, UINT64_C(0xEEE6A4E2AC952A5E) },
        { 4161, 0, UINT64_C(0xCD3D6DF2DB509A75) },
        { 10007, 0, UINT64_C(0xC3AD423D648DBFC0) },
    };
    uint8_t buffer[10007];
    fill_sanity_buffer(buffer, sizeof buffer);
    for (size_t i = 0; i < PLN_COUNT_OF(vectors); i++)
        assert_true(pln_hash64(buffer, vectors[i].n, vectors[i].seed) == vectors[i].hash);
    assert_true(pln_hash64("abc", 3, 0) == UINT64_C(0x44BC2CF5AD770999));
}

static void alignment_does_not_matter(void **state)
{
    (void)state;
    uint8_t buffer[256], moved[264];
    fill_sanity_buffer(buffer, sizeof buffer);
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(moved + shift, buffer, sizeof buffer);
        for (size_t n = 0; n <= sizeof buffer; n++) {
            struct pln_hash128 a = pln_hash128(buffer, n), b = pln_hash128(moved + shift, n);
            assert_true(a.lo == b.lo && a.hi == b.hi && a.lo != a.hi);
        }
    }
}

static void maps(void **state)
{
    (void)state;
    enum { N = 5000 };
    static char keys[N][16];
    struct pln_map map;
    uint32_t value;
    pln_map_init(&map, NULL);
    assert_false(pln_map_get_str(&map, "x", &value));
    for (uint32_t i = 0; i < N; i++) {
        snprintf(keys[i], sizeof keys[i], "key%u", (unsigned)i);
        assert_true(pln_map_set(&map, keys[i], strlen(keys[i]), i));
    }
    assert_true(pln_map_set(&map, keys[7], strlen(keys[7]), 70));
    assert_true(pln_map_set(&map, "a\0b", 3, 1) && pln_map_set(&map, "", 0, 2));
    assert_int_equal(map.count, N + 2);
    for (uint32_t i = 0; i < N; i++) {
        assert_true(pln_map_get_str(&map, keys[i], &value));
        assert_int_equal(value, i == 7 ? 70 : i);
    }
    assert_true(pln_map_get(&map, "a\0b", 3, &value) && value == 1);
    assert_true(pln_map_get(&map, NULL, 0, &value) && value == 2);
    assert_false(pln_map_get_str(&map, "a", &value));
    assert_false(pln_map_get_str(&map, "key5000", &value));
    pln_map_deinit(&map);
}

static void a_map_without_memory_stays_whole(void **state)
{
    (void)state;
    struct test_alloc alloc;
    struct pln_map map;
    static char keys[100][8];
    uint32_t value;
    test_alloc_init(&alloc, 3);
    pln_map_init(&map, &alloc.base);
    uint32_t set = 0;
    for (; set < 100; set++) {
        snprintf(keys[set], sizeof keys[set], "%u", (unsigned)set);
        if (!pln_map_set(&map, keys[set], strlen(keys[set]), set)) break;
    }
    assert_int_equal(set, 24); /* 16 slots, then 32, three quarters of them */
    for (uint32_t i = 0; i < set; i++) assert_true(pln_map_get_str(&map, keys[i], &value) && value == i);
    pln_map_deinit(&map);
    assert_int_equal(alloc.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(alignment_does_not_matter),
        cmocka_unit_test(maps),
        cmocka_unit_test(a_map_without_memory_stays_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
