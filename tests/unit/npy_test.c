#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "tensor/npy.h"
#include "test_alloc.h"

/* A .npy image in memory of its own size, so that reading past it is seen. */
static uint8_t *make_npy(const char *dict, const void *data, size_t data_bytes, size_t *out_bytes)
{
    size_t dict_bytes = strlen(dict);
    uint8_t *image = malloc(10 + dict_bytes + data_bytes + 1);
    memcpy(image, "\x93NUMPY\1\0", 8);
    image[8] = (uint8_t)dict_bytes;
    image[9] = (uint8_t)(dict_bytes >> 8);
    memcpy(image + 10, dict, dict_bytes);
    if (data_bytes > 0) memcpy(image + 10 + dict_bytes, data, data_bytes);
    *out_bytes = 10 + dict_bytes + data_bytes;
    return realloc(image, *out_bytes);
}

static enum pln_status read_npy(const char *dict, const void *data, size_t data_bytes, struct pln_arena *arena,
                                struct pln_tensor *out)
{
    size_t size_bytes;
    uint8_t *image = make_npy(dict, data, data_bytes, &size_bytes);
    void *kept = pln_arena_copy(arena, image, size_bytes);
    enum pln_status status = pln_npy_read(kept, size_bytes, arena, NULL, out);
    struct pln_arena other;
    struct pln_tensor same;
    pln_arena_init(&other, NULL, 0);
    assert_int_equal(pln_npy_read(image, size_bytes, &other, NULL, &same), status);
    pln_arena_deinit(&other);
    free(image);
    return status;
}

static void plain_arrays(void **state)
{
    (void)state;
    struct pln_arena arena;
    struct pln_tensor t;
    const float floats[] = { 1, 2, 3, 4, 5, 6 };
    pln_arena_init(&arena, NULL, 0);
    assert_int_equal(read_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", floats, 24, &arena, &t),
                     PLN_OK);
    assert_true(t.dtype == PLN_F32 && t.rank == 2 && t.dims[0] == 2 && t.dims[1] == 3);
    assert_memory_equal(t.data, floats, 24);
    assert_int_equal(read_npy("{\"shape\":(6L,),\"fortran_order\":True,\"descr\":\"<f4\"}", floats, 24, &arena, &t),
                     PLN_OK);
    assert_true(t.rank == 1 && t.dims[0] == 6);
    assert_int_equal(read_npy("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2)}", floats, 24, &arena, &t),
                     PLN_OK);
    assert_memory_equal(t.data, ((float[]){ 1, 4, 2, 5, 3, 6 }), 24);
    assert_int_equal(read_npy("{'descr': '>i2', 'fortran_order': False, 'shape': (2,)}", "\1\2\3\4", 4, &arena, &t),
                     PLN_OK);
    assert_memory_equal(t.data, ((int16_t[]){ 0x102, 0x304 }), 4);
    assert_int_equal(read_npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", "\0\7", 2, &arena, &t),
                     PLN_OK);
    assert_memory_equal(t.data, "\0\1", 2);
    assert_int_equal(read_npy("{'descr': '<f8', 'fortran_order': False, 'shape': ()}", &(double){ 2.5 }, 8, &arena, &t),
                     PLN_OK);
    assert_true(t.rank == 0 && *(double *)t.data == 2.5);
    assert_int_equal(read_npy("{'descr': '<i8', 'fortran_order': True, 'shape': (0, 5)}", NULL, 0, &arena, &t), PLN_OK);
    assert_true(t.dims[0] == 0 && t.dims[1] == 5);
    assert_int_equal(read_npy("{'descr': '<U2', 'fortran_order': False, 'shape': (2,)}",
                              "\xe4\0\0\0x\0\0\0\0\xf6\1\0\0\0\0\0", 16, &arena, &t),
                     PLN_OK);
    const struct pln_string *strings = t.data;
    assert_string_equal(strings[0].data, "\xc3\xa4x");
    assert_string_equal(strings[1].data, "\xf0\x9f\x98\x80");
    assert_int_equal(read_npy("{'descr': '|S3', 'fortran_order': False, 'shape': (2,)}", "ab\0xyz", 6, &arena, &t),
                     PLN_OK);
    strings = t.data;
    assert_int_equal(strings[0].size_bytes, 2);
    assert_string_equal(strings[1].data, "xyz");
    pln_arena_deinit(&arena);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const char *const damaged[] = {
        "",
        "{",
        "{}",
        "[1]",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3)",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}",
        "{'descr': 'f', 'fortran_order': False, 'shape': (1,)}",
        "{'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904, 4611686018427387904)}",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,)}",
        "{'descr': '<U9223372036854775807', 'fortran_order': False, 'shape': (1,)}",
    };
    static const char *const unsupported[] = {
        "{'descr': '<V2', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
    };
    struct pln_arena arena;
    struct pln_tensor t;
    const char data[8] = { 0 };
    pln_arena_init(&arena, NULL, 1 << 20);
    for (size_t i = 0; i < PLN_COUNT_OF(damaged); i++)
        assert_int_equal(read_npy(damaged[i], data, sizeof data, &arena, &t), PLN_INVALID_ARGUMENT);
    for (size_t i = 0; i < PLN_COUNT_OF(unsupported); i++)
        assert_int_equal(read_npy(unsupported[i], data, sizeof data, &arena, &t), PLN_UNSUPPORTED);
    assert_int_equal(pln_npy_read("\x93NUMPY\x09\0\0\0\0\0", 12, &arena, NULL, &t), PLN_UNSUPPORTED);
    assert_int_equal(pln_npy_read("\x93NUMPY\2\0\xff\xff\xff\xff", 12, &arena, NULL, &t), PLN_INVALID_ARGUMENT);
    pln_arena_deinit(&arena);
}

/* Every byte of a good file takes every value, and it is cut at every length. */
static void hostile_bytes(void **state)
{
    (void)state;
    static const char *const dicts[] = {
        "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n",
        "{'descr': '<U6', 'fortran_order': False, 'shape': (1, 1), }\n",
    };
    const float data[6] = { 1, 2, 3, 4, 5, 6 };
    for (size_t k = 0; k < PLN_COUNT_OF(dicts); k++) {
        size_t size_bytes;
        uint8_t *image = make_npy(dicts[k], data, sizeof data, &size_bytes);
        for (size_t i = 0; i < size_bytes; i++) {
            uint8_t before = image[i];
            for (int value = 0; value < 256; value++) {
                struct pln_arena arena;
                struct pln_tensor t;
                image[i] = (uint8_t)value;
                pln_arena_init(&arena, NULL, 1 << 16);
                enum pln_status status = pln_npy_read(image, size_bytes, &arena, NULL, &t);
                assert_true(status == PLN_OK || status == PLN_INVALID_ARGUMENT || status == PLN_UNSUPPORTED ||
                            status == PLN_NO_MEMORY);
                pln_arena_deinit(&arena);
            }
            image[i] = before;
        }
        for (size_t n = 0; n < size_bytes; n++) {
            struct pln_arena arena;
            struct pln_tensor t;
            uint8_t *part = malloc(n + 1);
            memcpy(part, image, n);
            part = realloc(part, n > 0 ? n : 1);
            pln_arena_init(&arena, NULL, 0);
            assert_int_equal(pln_npy_read(part, n, &arena, NULL, &t), PLN_INVALID_ARGUMENT);
            pln_arena_deinit(&arena);
            free(part);
        }
        free(image);
    }
}

static void write_and_read(const struct pln_tensor *tensor, struct pln_arena *arena, struct pln_tensor *out)
{
    char path[] = "/tmp/planish-npy-XXXXXX";
    struct pln_file_map map;
    close(mkstemp(path));
    assert_int_equal(pln_npy_write(path, tensor, NULL, NULL), PLN_OK);
    assert_int_equal(pln_file_map(path, NULL, &map), PLN_OK);
    void *kept = pln_arena_copy(arena, map.data, map.size_bytes);
    assert_int_equal(pln_npy_read(kept, map.size_bytes, arena, NULL, out), PLN_OK);
    assert_int_equal(((char *)out->data - (char *)kept) % 64 == 0 || out->dtype == PLN_STR, 1);
    pln_file_unmap(&map);
    unlink(path);
}

static void round_trips(void **state)
{
    (void)state;
    struct pln_arena arena;
    static uint8_t bytes[6 * 16];
    pln_arena_init(&arena, NULL, 0);
    for (int i = 1; i < PLN_DTYPE_COUNT; i++) {
        enum pln_dtype dtype = (enum pln_dtype)i;
        struct pln_tensor t, back;
        if (dtype == PLN_STR) continue;
        memset(bytes, 1, sizeof bytes);
        pln_tensor_init(&t, dtype, 2, (int64_t[]){ 2, 3 }, bytes);
        write_and_read(&t, &arena, &back);
        assert_true(pln_tensor_same_shape(&t, &back));
        if (back.dtype == dtype) assert_memory_equal(back.data, bytes, pln_tensor_bytes(&t));
    }
    struct pln_string words[3] = { { "\xc3\xa4\xe6\x97\xa5", 5 }, { "", 0 }, { "\xff", 1 } };
    struct pln_tensor t, back;
    pln_tensor_init(&t, PLN_STR, 1, (int64_t[]){ 3 }, words);
    write_and_read(&t, &arena, &back);
    const struct pln_string *read = back.data;
    assert_string_equal(read[0].data, words[0].data);
    assert_string_equal(read[1].data, "");
    assert_string_equal(read[2].data, "\xef\xbf\xbd");
    pln_arena_deinit(&arena);
}

static void failure_of_any_request(void **state)
{
    (void)state;
    uint16_t data[4] = { 0 };
    struct pln_tensor t;
    pln_tensor_init(&t, PLN_BF16, 1, (int64_t[]){ 4 }, data);
    char path[] = "/tmp/planish-npy-XXXXXX";
    close(mkstemp(path));
    enum pln_status status = PLN_NO_MEMORY;
    for (long fail_at = 1; status != PLN_OK; fail_at++) {
        struct test_alloc alloc;
        test_alloc_init(&alloc, fail_at);
        status = pln_npy_write(path, &t, &alloc.base, NULL);
        assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
        assert_int_equal(alloc.live, 0);
        assert_true(fail_at < 50);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_arrays), cmocka_unit_test(what_is_refused),        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(round_trips),  cmocka_unit_test(failure_of_any_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
