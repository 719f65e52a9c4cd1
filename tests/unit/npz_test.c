#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "tensor/inflate.h"
#include "tensor/npz.h"
#include "test_alloc.h"

/* "the quick brown fox jumps over the lazy dog; " six times, bytes 0 to 39, 300 times 'a', by zlib with fixed and with
 * dynamic codes. */
#define PLAIN_BYTES 610
static const uint8_t fixed_codes[] = {
    0x2b, 0xc9, 0x48, 0x55, 0x28, 0x2c, 0xcd, 0x4c, 0xce, 0x56, 0x48, 0x2a, 0xca, 0x2f, 0xcf, 0x53, 0x48, 0xcb, 0xaf,
    0x50, 0xc8, 0x2a, 0xcd, 0x2d, 0x28, 0x56, 0xc8, 0x2f, 0x4b, 0x2d, 0x52, 0x28, 0x01, 0x4a, 0xe7, 0x24, 0x56, 0x55,
    0x2a, 0xa4, 0xe4, 0xa7, 0x5b, 0x83, 0x79, 0xc3, 0x5a, 0x31, 0x03, 0x23, 0x13, 0x33, 0x0b, 0x2b, 0x1b, 0x3b, 0x07,
    0x27, 0x17, 0x37, 0x0f, 0x2f, 0x1f, 0xbf, 0x80, 0xa0, 0x90, 0xb0, 0x88, 0xa8, 0x98, 0xb8, 0x84, 0xa4, 0x94, 0xb4,
    0x8c, 0xac, 0x9c, 0xbc, 0x82, 0xa2, 0x92, 0xb2, 0x8a, 0xaa, 0x9a, 0x7a, 0xe2, 0x28, 0x20, 0x1a, 0x00, 0x00
};
static const uint8_t dynamic_codes[] = {
    0xed, 0xc1, 0x07, 0x42, 0xa0, 0x30, 0x14, 0x40, 0x41, 0x7b, 0x5b, 0x75, 0xed, 0xae, 0x75, 0x9f, 0xfd, 0x10, 0x9c,
    0x26, 0xc0, 0x87, 0x50, 0x3f, 0x84, 0x84, 0x76, 0x7a, 0xaf, 0xe0, 0x01, 0x9c, 0xf1, 0x56, 0xe8, 0x43, 0x91, 0x54,
    0xc4, 0x4e, 0xa7, 0x96, 0x4c, 0x67, 0xca, 0xd0, 0x74, 0x03, 0x3a, 0x8a, 0xc3, 0x5b, 0xa1, 0x36, 0xeb, 0x42, 0xaa,
    0x79, 0x84, 0xb7, 0x42, 0x1f, 0x8a, 0xa4, 0x22, 0x76, 0x3a, 0xb5, 0x64, 0x3a, 0x53, 0x86, 0xa6, 0x1b, 0xd0, 0x51,
    0x1c, 0xde, 0x0a, 0xb5, 0x59, 0x17, 0x52, 0xcd, 0x23, 0xbc, 0x15, 0xfa, 0x50, 0x24, 0x15, 0xb1, 0xd3, 0xa9, 0x25,
    0xd3, 0x99, 0x32, 0x34, 0xdd, 0x80, 0x8e, 0xe2, 0xf0, 0x56, 0xa8, 0xcd, 0xba, 0x90, 0x6a, 0x1e, 0xe1, 0xad, 0xd0,
    0x87, 0x22, 0xa9, 0x88, 0x9d, 0x4e, 0x2d, 0x99, 0xce, 0x94, 0xa1, 0xe9, 0x06, 0x74, 0x14, 0x87, 0xb7, 0x42, 0x6d,
    0xd6, 0x85, 0x54, 0xf3, 0x08, 0x6f, 0x85, 0x3e, 0x14, 0x49, 0x45, 0xec, 0x74, 0x6a, 0xc9, 0x74, 0xa6, 0x0c, 0x4d,
    0x37, 0xa0, 0xa3, 0x38, 0xbc, 0x15, 0x6a, 0xb3, 0x2e, 0xa4, 0x9a, 0x47, 0x78, 0x2b, 0xf4, 0xa1, 0x48, 0x2a, 0x62,
    0xa7, 0x53, 0x4b, 0xa6, 0x33, 0x65, 0x68, 0xba, 0x01, 0x1d, 0xc5, 0xe1, 0xad, 0x50, 0x9b, 0x75, 0x21, 0xd5, 0x3c,
    0x62, 0x63, 0x73, 0x6b, 0x7b, 0x67, 0x77, 0x6f, 0xff, 0xe0, 0xf0, 0xe8, 0xcf, 0xf1, 0xc9, 0xe9, 0xdf, 0xb3, 0xf3,
    0x8b, 0xcb, 0xab, 0xeb, 0x9b, 0xdb, 0x7f, 0x77, 0xf7, 0x0f, 0x8f, 0x4f, 0xcf, 0xff, 0x79, 0x79, 0x7d, 0x7b, 0xff,
    0xf8, 0xfc, 0x32, 0xbf, 0x7e, 0xec, 0x1b
};

static void make_plain(uint8_t out[PLAIN_BYTES])
{
    static const char sentence[] = "the quick brown fox jumps over the lazy dog; ";
    for (size_t i = 0; i < 6; i++) memcpy(out + 45 * i, sentence, 45);
    for (size_t i = 0; i < 40; i++) out[270 + i] = (uint8_t)i;
    memset(out + 310, 'a', 300);
}

static void check_stream(const uint8_t *stream, size_t size_bytes)
{
    uint8_t plain[PLAIN_BYTES], out[PLAIN_BYTES + 1];
    make_plain(plain);
    assert_true(pln_inflate(stream, size_bytes, out, PLAIN_BYTES));
    assert_memory_equal(out, plain, PLAIN_BYTES);
    assert_false(pln_inflate(stream, size_bytes, out, PLAIN_BYTES - 1));
    assert_false(pln_inflate(stream, size_bytes, out, PLAIN_BYTES + 1));
    for (size_t n = 0; n < size_bytes; n++) {
        uint8_t *part = malloc(n > 0 ? n : 1);
        memcpy(part, stream, n);
        assert_false(pln_inflate(part, n, out, PLAIN_BYTES));
        free(part);
    }
    uint8_t *changed = malloc(size_bytes), *exact = malloc(PLAIN_BYTES);
    memcpy(changed, stream, size_bytes);
    for (size_t i = 0; i < size_bytes; i++) {
        for (int value = 0; value < 256; value++) {
            changed[i] = (uint8_t)value;
            if (pln_inflate(changed, size_bytes, exact, PLAIN_BYTES))
                continue; /* damaged or not: never out of bounds */
        }
        changed[i] = stream[i];
    }
    free(changed);
    free(exact);
}

static void inflating(void **state)
{
    (void)state;
    uint8_t out[8];
    check_stream(fixed_codes, sizeof fixed_codes);
    check_stream(dynamic_codes, sizeof dynamic_codes);
    assert_true(pln_inflate("\1\3\0\xfc\xff"
                            "abc",
                            8, out, 3) &&
                memcmp(out, "abc", 3) == 0); /* stored */
    assert_false(pln_inflate("\1\3\0\xfc\xfe"
                             "abc",
                             8, out, 3));        /* its length is damaged */
    assert_true(pln_inflate("\3\0", 2, out, 0)); /* nothing, with fixed codes */
    assert_false(pln_inflate("\7", 1, out, 0));  /* no such kind of block */
    assert_false(pln_inflate("", 0, out, 0));
}

static void checksums(void **state)
{
    (void)state;
    assert_int_equal(pln_crc32(0, "123456789", 9), 0xcbf43926u);
    assert_int_equal(pln_crc32(pln_crc32(0, "1234", 4), "56789", 5), 0xcbf43926u);
    assert_int_equal(pln_crc32(0, "", 0), 0);
}

static enum pln_status write_npz(const char *path, const struct pln_allocator *alloc)
{
    float numbers[6] = { 1, 2, 3, 4, 5, 6 };
    int64_t scalar = 7;
    struct pln_tensor a, b, c;
    struct pln_npz_writer writer;
    pln_tensor_init(&a, PLN_F32, 2, (int64_t[]){ 2, 3 }, numbers);
    pln_tensor_init(&b, PLN_I64, 0, NULL, &scalar);
    pln_tensor_init(&c, PLN_U8, 1, (int64_t[]){ 0 }, NULL);
    enum pln_status status = pln_npz_writer_open(&writer, path, alloc, NULL);
    if (status == PLN_OK) status = pln_npz_writer_add(&writer, "a", &a);
    if (status == PLN_OK) status = pln_npz_writer_add(&writer, "folder/b", &b);
    if (status == PLN_OK) status = pln_npz_writer_add(&writer, "\xc3\xa4", &c);
    if (status == PLN_OK) return pln_npz_writer_commit(&writer);
    pln_npz_writer_abort(&writer);
    return status;
}

static uint8_t *written_archive(size_t *out_bytes)
{
    char path[] = "/tmp/planish-npz-XXXXXX";
    struct pln_file_map map;
    close(mkstemp(path));
    assert_int_equal(write_npz(path, NULL), PLN_OK);
    assert_int_equal(pln_file_map(path, NULL, &map), PLN_OK);
    uint8_t *copy = malloc(map.size_bytes);
    memcpy(copy, map.data, map.size_bytes);
    *out_bytes = map.size_bytes;
    pln_file_unmap(&map);
    unlink(path);
    return copy;
}

static void round_trip(void **state)
{
    (void)state;
    struct pln_arena arena;
    struct pln_npz_item *items;
    size_t count, size_bytes;
    uint8_t *archive = written_archive(&size_bytes);
    pln_arena_init(&arena, NULL, 0);
    assert_int_equal(pln_npz_read(archive, size_bytes, &arena, NULL, &items, &count), PLN_OK);
    assert_int_equal(count, 3);
    assert_string_equal(items[0].name, "a");
    assert_string_equal(items[1].name, "folder/b");
    assert_string_equal(items[2].name, "\xc3\xa4");
    assert_memory_equal(items[0].tensor.data, ((float[]){ 1, 2, 3, 4, 5, 6 }), 24);
    assert_int_equal(*(int64_t *)items[1].tensor.data, 7);
    assert_int_equal(items[2].tensor.dims[0], 0);
    pln_arena_deinit(&arena);
    free(archive);
}

static void hostile_bytes(void **state)
{
    (void)state;
    size_t size_bytes;
    uint8_t *archive = written_archive(&size_bytes);
    for (size_t i = 0; i < size_bytes; i++) {
        uint8_t before = archive[i];
        for (int value = 0; value < 256; value += 5) {
            struct pln_arena arena;
            struct pln_npz_item *items;
            size_t count;
            archive[i] = (uint8_t)value;
            pln_arena_init(&arena, NULL, 1 << 16);
            enum pln_status status = pln_npz_read(archive, size_bytes, &arena, NULL, &items, &count);
            assert_true(status == PLN_OK || status == PLN_INVALID_ARGUMENT || status == PLN_UNSUPPORTED ||
                        status == PLN_NO_MEMORY);
            pln_arena_deinit(&arena);
        }
        archive[i] = before;
    }
    for (size_t n = 0; n < size_bytes; n++) {
        struct pln_arena arena;
        struct pln_npz_item *items;
        size_t count;
        uint8_t *part = malloc(n > 0 ? n : 1);
        memcpy(part, archive, n);
        pln_arena_init(&arena, NULL, 0);
        assert_int_equal(pln_npz_read(part, n, &arena, NULL, &items, &count), PLN_INVALID_ARGUMENT);
        pln_arena_deinit(&arena);
        free(part);
    }
    free(archive);
}

static void failure_of_any_request(void **state)
{
    (void)state;
    char path[] = "/tmp/planish-npz-XXXXXX";
    enum pln_status status = PLN_NO_MEMORY;
    close(mkstemp(path));
    for (long fail_at = 1; status != PLN_OK; fail_at++) {
        struct test_alloc alloc;
        test_alloc_init(&alloc, fail_at);
        status = write_npz(path, &alloc.base);
        assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
        assert_int_equal(alloc.live, 0);
        assert_true(fail_at < 100);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inflating),
        cmocka_unit_test(checksums),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(failure_of_any_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
