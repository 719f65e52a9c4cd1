#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "onnx/tensor_data.h"
#include "onnx_make.h"

struct fixture {
    struct pln_arena arena;
    struct pln_diag diag;
    struct pln_tensor tensor;
};

static int setup(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    pln_arena_init(&fixture.arena, NULL, 0);
    pln_diag_init(&fixture.diag);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pln_arena_deinit(&f->arena);
    return 0;
}

/* Decodes and loads; frees message. */
static enum pln_status load_from(struct fixture *f, struct pln_text message, struct pln_onnx_externals *externals)
{
    struct pln_onnx_tensor tensor;
    void *copy = pln_arena_copy(&f->arena, message.data, message.size_bytes);
    size_t size_bytes = message.size_bytes;
    pln_text_deinit(&message);
    f->diag.count = 0;
    PLN_TRY(pln_onnx_decode_tensor(copy, size_bytes, &f->arena, &f->diag, &tensor));
    return pln_onnx_tensor_load(&tensor, externals, &f->arena, &f->diag, &f->tensor);
}

static enum pln_status load(struct fixture *f, struct pln_text message)
{
    return load_from(f, message, NULL);
}

static void assert_error(const struct fixture *f, const char *part)
{
    assert_int_not_equal(f->diag.count, 0);
    for (int i = 0; i < f->diag.count; i++) {
        if (strstr(f->diag.entries[i].text, part)) return;
    }
    fail_msg("'%s' is not in '%s'", part, f->diag.entries[f->diag.count - 1].text);
}

/* Entries in the field that the type uses, and the bytes they must become. */
static void load_every_typed_field(void **state)
{
    static const struct {
        int data_type;
        int64_t size;
        uint32_t field;
        int64_t entries[3];
        size_t entry_count;
        const char *bytes;
        size_t size_bytes;
    } cases[] = {
        { PLN_I32, 2, 5, { -1, 7 }, 2, "\xff\xff\xff\xff\x07\x00\x00\x00", 8 },
        { PLN_I16, 2, 5, { -2, 7 }, 2, "\xfe\xff\x07\x00", 4 },
        { PLN_U16, 2, 5, { 65535, 1 }, 2, "\xff\xff\x01\x00", 4 },
        { PLN_I8, 2, 5, { -128, 127 }, 2, "\x80\x7f", 2 },
        { PLN_U8, 2, 5, { 255, 0 }, 2, "\xff\x00", 2 },
        { PLN_BOOL, 3, 5, { 1, 0, 256 }, 3, "\x01\x00\x01", 3 },
        { PLN_F16, 1, 5, { 0x3c00 }, 1, "\x00\x3c", 2 },
        { PLN_BF16, 1, 5, { 0x3f80 }, 1, "\x80\x3f", 2 },
        { PLN_F8E4M3FN, 2, 5, { 0x38, 0xb8 }, 2, "\x38\xb8", 2 },
        { PLN_F8E8M0, 1, 5, { 127 }, 1, "\x7f", 1 },
        { PLN_U4, 3, 5, { 0x21, 0xf3 }, 2, "\x21\x03", 2 }, /* the nibble after the last is cleared */
        { PLN_I4, 2, 5, { 0x8f }, 1, "\x8f", 1 },
        { PLN_F4E2M1, 1, 5, { 0x02 }, 1, "\x02", 1 },
        { PLN_U2, 5, 5, { 0xe4, 0xff }, 2, "\xe4\x03", 2 },
        { PLN_I2, 4, 5, { 0x1b }, 1, "\x1b", 1 },
        { PLN_I64, 2, 7, { -1, 1 }, 2, "\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0\0\0\0\0", 16 },
        { PLN_U64, 1, 11, { -1 }, 1, "\xff\xff\xff\xff\xff\xff\xff\xff", 8 },
        { PLN_U32, 2, 11, { 4294967295, 2 }, 2, "\xff\xff\xff\xff\x02\x00\x00\x00", 8 },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        for (int packed = 0; packed <= 1; packed++) {
            struct pln_text tensor = make_tensor("t", cases[i].data_type, cases[i].size);
            if (packed) pln_wire_put_packed_ints(&tensor, cases[i].field, cases[i].entries, cases[i].entry_count);
            for (size_t e = 0; !packed && e < cases[i].entry_count; e++)
                pln_wire_put_int(&tensor, cases[i].field, cases[i].entries[e]);
            assert_int_equal(load(f, tensor), PLN_OK);
            assert_int_equal(f->tensor.dtype, cases[i].data_type);
            assert_int_equal(f->tensor.dims[0], cases[i].size);
            assert_int_equal(pln_tensor_bytes(&f->tensor), cases[i].size_bytes);
            assert_memory_equal(f->tensor.data, cases[i].bytes, cases[i].size_bytes);
            tensor = make_tensor("t", cases[i].data_type, cases[i].size);
            pln_wire_put_packed_ints(&tensor, cases[i].field, cases[i].entries, cases[i].entry_count - 1);
            assert_int_equal(load(f, tensor), PLN_BAD_MODEL);
            assert_error(f, "tensor 't': type and shape need ");
        }
    }
}

static void load_floats_and_complex(void **state)
{
    static const float floats[] = { 1.0f, -2.0f, 3.0f, 4.0f };
    static const double doubles[] = { 1.0, -2.0 };
    struct fixture *f = *state;
    struct pln_text tensor = make_tensor("t", PLN_F32, 4);
    pln_wire_put_packed_floats(&tensor, 4, floats, 3); /* in two fields, one of them not packed */
    pln_wire_put_float(&tensor, 4, 4.0f);
    assert_int_equal(load(f, tensor), PLN_OK);
    assert_memory_equal(f->tensor.data, floats, sizeof floats);
    tensor = make_tensor("t", PLN_C64, 2);
    pln_wire_put_packed_floats(&tensor, 4, floats, 4);
    assert_int_equal(load(f, tensor), PLN_OK);
    assert_memory_equal(f->tensor.data, floats, sizeof floats);
    tensor = make_tensor("t", PLN_F64, 2);
    pln_wire_put_packed_doubles(&tensor, 10, doubles, 2);
    assert_int_equal(load(f, tensor), PLN_OK);
    assert_memory_equal(f->tensor.data, doubles, sizeof doubles);
    tensor = make_tensor("t", PLN_C128, -1);
    pln_wire_put_packed_doubles(&tensor, 10, doubles, 2);
    assert_int_equal(load(f, tensor), PLN_OK);
    assert_int_equal(f->tensor.rank, 0);
    assert_memory_equal(f->tensor.data, doubles, sizeof doubles);
    tensor = make_tensor("t", PLN_F32, 1);
    pln_wire_put_bytes(&tensor, 4, "abc", 3);
    assert_int_equal(load(f, tensor), PLN_BAD_MODEL);
    tensor = make_tensor("t", PLN_F32, 1);
    pln_wire_put_bytes(&tensor, 4, "abcde", 5);
    assert_int_equal(load(f, tensor), PLN_BAD_MODEL);
    assert_error(f, "malformed");
}

static void load_strings(void **state)
{
    struct fixture *f = *state;
    struct pln_text tensor = make_tensor("s", PLN_STR, 2);
    pln_wire_put_bytes(&tensor, 6, "a\0b", 3);
    pln_wire_put_bytes(&tensor, 6, "", 0);
    assert_int_equal(load(f, tensor), PLN_OK);
    const struct pln_string *strings = f->tensor.data;
    assert_int_equal(strings[0].size_bytes, 3);
    assert_memory_equal(strings[0].data, "a\0b", 3);
    assert_int_equal(strings[1].size_bytes, 0);
    tensor = make_tensor("s", PLN_STR, 1);
    pln_wire_put_bytes(&tensor, 9, "0123456789abcdef", 16);
    assert_int_equal(load(f, tensor), PLN_BAD_MODEL);
    assert_error(f, "strings cannot be raw_data");
}

/* raw_data at every alignment; BOOL and the bits after the last element come out clean. */
static void load_raw_data(void **state)
{
    static const int32_t want[] = { 1, -1, 1 << 30 };
    struct fixture *f = *state;
    for (int shift = 0; shift < 8; shift++) {
        struct pln_text tensor = make_message();
        pln_wire_put_bytes(&tensor, 100, "........", (size_t)shift);
        int64_t size = 3;
        pln_wire_put_packed_ints(&tensor, 1, &size, 1);
        pln_wire_put_int(&tensor, 2, PLN_I32);
        pln_wire_put_bytes(&tensor, 9, want, sizeof want);
        assert_int_equal(load(f, tensor), PLN_OK);
        assert_int_equal((uintptr_t)f->tensor.data % 4, 0);
        assert_memory_equal(f->tensor.data, want, sizeof want);
    }
    struct pln_text tensor = make_tensor("b", PLN_BOOL, 3);
    pln_wire_put_bytes(&tensor, 9, "\x01\x00\x80", 3);
    assert_int_equal(load(f, tensor), PLN_OK);
    assert_memory_equal(f->tensor.data, "\x01\x00\x01", 3);
    tensor = make_tensor("q", PLN_I4, 3);
    pln_wire_put_bytes(&tensor, 9, "\xab\xcd", 2);
    assert_int_equal(load(f, tensor), PLN_OK);
    assert_memory_equal(f->tensor.data, "\xab\x0d", 2);
    tensor = make_tensor("q", PLN_I4, 3);
    pln_wire_put_bytes(&tensor, 9, "\xab", 1);
    assert_int_equal(load(f, tensor), PLN_BAD_MODEL);
    assert_error(f, "tensor 'q': type and shape need 2 bytes, raw_data has 1");
    tensor = make_tensor("e", PLN_F32, 0);
    assert_int_equal(load(f, tensor), PLN_OK);
    assert_null(f->tensor.data);
}

static void refuse_bad_headers(void **state)
{
    static const int64_t huge[] = { INT64_MAX, 2 }, negative[] = { -1 },
                         overflow[] = { (int64_t)1 << 32, (int64_t)1 << 31 };
    static const int64_t seventeen[17] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    static const struct {
        int data_type;
        const int64_t *dims;
        size_t rank;
        enum pln_status status;
    } cases[] = {
        { 1, huge, 2, PLN_BAD_MODEL },    { 1, negative, 1, PLN_BAD_MODEL },     { 11, overflow, 2, PLN_BAD_MODEL },
        { 0, NULL, 0, PLN_BAD_MODEL },    { 99, NULL, 0, PLN_BAD_MODEL },        { -1, NULL, 0, PLN_BAD_MODEL },
        { 27, NULL, 0, PLN_UNSUPPORTED }, { 1, seventeen, 17, PLN_UNSUPPORTED }, { 1, NULL, 0, PLN_BAD_MODEL },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        struct pln_text tensor = make_message();
        pln_wire_put_packed_ints(&tensor, 1, cases[i].dims, cases[i].rank);
        pln_wire_put_int(&tensor, 2, cases[i].data_type);
        assert_int_equal(load(f, tensor), cases[i].status);
        assert_error(f, "tensor ''");
    }
}

/* ---- external data ---- */

static struct pln_text make_external(const char *location, const char *offset, const char *length)
{
    struct pln_text tensor = make_tensor("w", PLN_F32, 2);
    const char *keys[] = { "location", "offset", "length" }, *values[] = { location, offset, length };
    for (int i = 0; i < 3; i++) {
        struct pln_text entry = make_message();
        if (!values[i]) {
            pln_text_deinit(&entry);
            continue;
        }
        pln_wire_put_string(&entry, 1, keys[i]);
        pln_wire_put_string(&entry, 2, values[i]);
        make_add(&tensor, 13, entry);
    }
    pln_wire_put_int(&tensor, 14, 1);
    return tensor;
}

static void load_external_data(void **state)
{
    static const float floats[] = { 1.0f, 2.0f, 3.0f, 4.0f };
    static const struct {
        const char *location, *offset, *length, *error;
    } bad[] = {
        { "w.bin", "12", NULL, "past the end of 'w.bin', which has 16 bytes" },
        { "w.bin", "9223372036854775807", NULL, "past the end" },
        { "w.bin", "-4", NULL, "bad offset" },
        { "w.bin", "4x", NULL, "bad offset" },
        { "w.bin", "99999999999999999999", NULL, "bad offset" },
        { "w.bin", NULL, "4", "type and shape need 8 bytes, external_data gives 4" },
        { NULL, NULL, NULL, "location is missing" },
        { "", NULL, NULL, "location is missing" },
        { "none.bin", NULL, NULL, "tensor 'w': its external data in 'none.bin' cannot be had" },
        { "../w.bin", NULL, NULL, "cannot be had" },
        { "/etc/passwd", NULL, NULL, "cannot be had" },
        { "out", NULL, NULL, "cannot be had" }, /* a symbolic link that leads out of the folder */
    };
    struct fixture *f = *state;
    struct pln_onnx_externals externals;
    char folder[] = "/tmp/planish-test-XXXXXX", path[64], link[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/w.bin", folder);
    snprintf(link, sizeof link, "%s/out", folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(floats, 1, sizeof floats, file), sizeof floats);
    fclose(file);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    pln_onnx_externals_init(&externals, folder, &f->arena);

    assert_int_equal(load_from(f, make_external("w.bin", "8", "8"), &externals), PLN_OK);
    assert_memory_equal(f->tensor.data, floats + 2, 8);
    const float *view = f->tensor.data;
    assert_int_equal(load_from(f, make_external("w.bin", NULL, NULL), &externals), PLN_OK);
    assert_ptr_equal(f->tensor.data, view - 2); /* one mapping serves both, without copies */
    assert_int_equal(load_from(f, make_external("w.bin", "1", NULL), &externals), PLN_OK);
    assert_int_equal((uintptr_t)f->tensor.data % 4, 0);
    assert_memory_equal(f->tensor.data, (const char *)floats + 1, 8);
    assert_int_equal(externals.count, 1);
    for (size_t i = 0; i < PLN_COUNT_OF(bad); i++) {
        assert_int_not_equal(load_from(f, make_external(bad[i].location, bad[i].offset, bad[i].length), &externals),
                             PLN_OK);
        assert_error(f, bad[i].error);
    }
    assert_int_equal(load(f, make_external("w.bin", NULL, NULL)), PLN_INVALID_ARGUMENT);
    assert_error(f, "without a folder");
    pln_onnx_externals_deinit(&externals);
    unlink(link);
    unlink(path);
    rmdir(folder);
}

/* ---- sparse tensors ---- */

static enum pln_status load_sparse(struct fixture *f, struct pln_text message)
{
    struct pln_onnx_sparse_tensor sparse;
    void *copy = pln_arena_copy(&f->arena, message.data, message.size_bytes);
    size_t size_bytes = message.size_bytes;
    pln_text_deinit(&message);
    f->diag.count = 0;
    PLN_TRY(pln_onnx_decode_sparse_tensor(copy, size_bytes, &f->arena, &f->diag, &sparse));
    return pln_onnx_sparse_tensor_load(&sparse, NULL, &f->arena, &f->diag, &f->tensor);
}

static struct pln_text make_sparse(int data_type, const int64_t *values, const int64_t *indices, size_t nnz,
                                   bool linear)
{
    struct pln_text sparse = make_message(), v = make_tensor("s", data_type, (int64_t)nnz), i = make_message();
    const int64_t shape[] = { (int64_t)nnz, 2 }, dims[] = { 2, 3 };
    size_t entries = data_type == PLN_U4 ? (nnz + 1) / 2 : nnz;
    pln_wire_put_packed_ints(&v, 5, values, entries);
    pln_wire_put_packed_ints(&i, 1, shape, linear ? 1 : 2);
    pln_wire_put_int(&i, 2, PLN_I64);
    pln_wire_put_packed_ints(&i, 7, indices, linear ? nnz : 2 * nnz);
    make_add(&sparse, 1, v);
    make_add(&sparse, 2, i);
    pln_wire_put_packed_ints(&sparse, 3, dims, 2);
    return sparse;
}

static void make_sparse_tensors_dense(void **state)
{
    static const int64_t values[] = { 5, -6 }, nibbles[] = { 0xba }, linear[] = { 1, 5 }, tuples[] = { 0, 1, 1, 2 };
    static const int64_t outside[] = { 1, 6 }, outside_tuple[] = { 0, 3, 1, 2 };
    static const int32_t want[] = { 0, 5, 0, 0, 0, -6 };
    struct fixture *f = *state;
    assert_int_equal(load_sparse(f, make_sparse(PLN_I32, values, linear, 2, true)), PLN_OK);
    assert_int_equal(f->tensor.rank, 2);
    assert_memory_equal(f->tensor.data, want, sizeof want);
    assert_int_equal(load_sparse(f, make_sparse(PLN_I32, values, tuples, 2, false)), PLN_OK);
    assert_memory_equal(f->tensor.data, want, sizeof want);
    assert_int_equal(load_sparse(f, make_sparse(PLN_U4, nibbles, linear, 2, true)), PLN_OK);
    assert_memory_equal(f->tensor.data, "\xa0\x00\xb0", 3);
    assert_int_equal(load_sparse(f, make_sparse(PLN_I32, values, outside, 2, true)), PLN_BAD_MODEL);
    assert_error(f, "outside the shape");
    assert_int_equal(load_sparse(f, make_sparse(PLN_I32, values, outside_tuple, 2, false)), PLN_BAD_MODEL);
    assert_int_equal(load_sparse(f, make_message()), PLN_BAD_MODEL);
}

/* A few bytes must not turn into terabytes. */
static void bound_dense_forms(void **state)
{
    static const int64_t dims[] = { (int64_t)1 << 40 }, none = 0;
    struct fixture *f = *state;
    struct pln_text sparse = make_message(), indices = make_tensor("i", PLN_I64, none);
    make_add(&sparse, 1, make_tensor("s", PLN_F32, 0));
    make_add(&sparse, 2, indices);
    pln_wire_put_packed_ints(&sparse, 3, dims, 1);
    assert_int_equal(load_sparse(f, sparse), PLN_UNSUPPORTED);
    assert_error(f, "the most is");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(load_every_typed_field, setup, teardown),
        cmocka_unit_test_setup_teardown(load_floats_and_complex, setup, teardown),
        cmocka_unit_test_setup_teardown(load_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(load_raw_data, setup, teardown),
        cmocka_unit_test_setup_teardown(refuse_bad_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(load_external_data, setup, teardown),
        cmocka_unit_test_setup_teardown(make_sparse_tensors_dense, setup, teardown),
        cmocka_unit_test_setup_teardown(bound_dense_forms, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
