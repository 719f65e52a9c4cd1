#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tensor/tensor.h"

static void shapes(void **state)
{
    (void)state;
    int64_t count;
    size_t size_bytes;
    assert_true(pln_shape_count(0, NULL, &count) && count == 1);
    assert_true(pln_shape_count(3, (int64_t[]){ 2, 0, 4 }, &count) && count == 0);
    assert_false(pln_shape_count(2, (int64_t[]){ 2, -1 }, &count));
    assert_false(pln_shape_count(2, (int64_t[]){ INT64_C(1) << 32, INT64_C(1) << 31 }, &count));
    assert_false(pln_shape_count(3, (int64_t[]){ 0, INT64_C(1) << 32, INT64_C(1) << 32 }, &count));
    assert_false(pln_shape_count(2, (int64_t[]){ (INT64_C(1) << 32) + 1, 0 }, &count));
    assert_true(pln_shape_count(2, (int64_t[]){ INT64_C(1) << 32, 0 }, &count) && count == 0);
    assert_true(pln_shape_bytes(PLN_I4, 1, (int64_t[]){ 3 }, &size_bytes) && size_bytes == 2);
    assert_true(pln_shape_bytes(PLN_U2, 1, (int64_t[]){ 9 }, &size_bytes) && size_bytes == 3);
    assert_true(pln_shape_bytes(PLN_F32, 2, (int64_t[]){ 3, 5 }, &size_bytes) && size_bytes == 60);
    assert_false(pln_shape_bytes(PLN_F64, 1, (int64_t[]){ INT64_C(1) << 60 }, &size_bytes));
}

static void broadcasting(void **state)
{
    (void)state;
    int rank;
    int64_t out[PLN_MAX_RANK];
    assert_true(pln_shape_broadcast(3, (int64_t[]){ 4, 1, 3 }, 2, (int64_t[]){ 5, 1 }, &rank, out));
    assert_int_equal(rank, 3);
    assert_memory_equal(out, ((int64_t[]){ 4, 5, 3 }), 24);
    assert_true(pln_shape_broadcast(1, (int64_t[]){ 1 }, 1, (int64_t[]){ 0 }, &rank, out) && out[0] == 0);
    assert_true(pln_shape_broadcast(0, NULL, 0, NULL, &rank, out) && rank == 0);
    assert_false(pln_shape_broadcast(1, (int64_t[]){ 2 }, 1, (int64_t[]){ 0 }, &rank, out));
    assert_false(pln_shape_broadcast(2, (int64_t[]){ 2, 3 }, 1, (int64_t[]){ 2 }, &rank, out));
    int64_t alias[2] = { 1, 3 };
    assert_true(pln_shape_broadcast(2, alias, 2, (int64_t[]){ 7, 1 }, &rank, alias) && alias[0] == 7 && alias[1] == 3);
    int axis;
    assert_true(pln_axis_normalize(-1, 3, &axis) && axis == 2);
    assert_false(pln_axis_normalize(3, 3, &axis) || pln_axis_normalize(-4, 3, &axis) ||
                 pln_axis_normalize(0, 0, &axis));
}

static void types(void **state)
{
    (void)state;
    enum pln_dtype dtype;
    for (int i = 1; i < PLN_DTYPE_COUNT; i++) {
        assert_true(pln_dtype_find(pln_dtype_name((enum pln_dtype)i), &dtype) && (int)dtype == i);
        assert_true(pln_dtype_bits(dtype) > 0);
        int kinds = pln_dtype_is_float(dtype) + pln_dtype_is_integer(dtype) + pln_dtype_is_complex(dtype);
        assert_int_equal(kinds, dtype != PLN_STR && dtype != PLN_BOOL);
    }
    assert_false(pln_dtype_find("none", &dtype) || pln_dtype_find("", &dtype) || pln_dtype_valid(0) ||
                 pln_dtype_valid(27));
    assert_string_equal(pln_dtype_name((enum pln_dtype)99), "none");
    assert_false(pln_dtype_is_signed(PLN_U8) || pln_dtype_is_signed(PLN_BOOL) ||
                 pln_dtype_is_signed((enum pln_dtype)40));
    assert_true(pln_dtype_is_signed(PLN_I4) && pln_dtype_is_signed(PLN_F16));
}

static void describing(void **state)
{
    (void)state;
    struct pln_tensor t;
    char text[64], small[6];
    pln_tensor_init(&t, PLN_F32, 3, (int64_t[]){ 1, 3, 224 }, NULL);
    assert_string_equal(pln_tensor_describe(&t, text, sizeof text), "f32[1,3,224]");
    assert_string_equal(pln_tensor_describe(&t, small, sizeof small), "f32[1");
    pln_tensor_init(&t, PLN_STR, 0, NULL, NULL);
    assert_string_equal(pln_tensor_describe(&t, text, sizeof text), "str[]");
    assert_true(pln_tensor_is_contiguous(&t));
    pln_tensor_init(&t, PLN_I4, 2, (int64_t[]){ 3, 3 }, NULL);
    assert_int_equal(pln_tensor_bytes(&t), 5);
    t.strides[0] = 4;
    assert_false(pln_tensor_is_contiguous(&t));
    t.dims[0] = 1;
    assert_true(pln_tensor_is_contiguous(&t));
}

/* Every permutation of the dims, any stride and sign, against the plain loop. */
static void check_copy(enum pln_dtype dtype, const int64_t dims[4], unsigned seed)
{
    size_t elem = (size_t)pln_dtype_bits(dtype) / 8, room = 4 * 10 * 18 * 37 * 2 * elem;
    char *source = malloc(room), *target = malloc(room), *want = malloc(room);
    for (size_t i = 0; i < room; i++) source[i] = (char)(i * 131 + (i >> 8) * 17 + seed);
    for (int order = 0; order < 24; order++) {
        struct pln_tensor from, to;
        int perm[4] = { 0, 1, 2, 3 }, left = order;
        for (int i = 0; i < 4; i++) {
            int pick = i + left % (4 - i), moved = perm[pick];
            left /= 4 - i;
            perm[pick] = perm[i];
            perm[i] = moved;
        }
        pln_tensor_init(&from, dtype, 4, dims, source);
        pln_tensor_init(&to, dtype, 4, dims, target);
        int64_t stride = 1 + (int64_t)(seed % 2), offset = 0;
        for (int i = 3; i >= 0; i--) {
            from.strides[perm[i]] = stride;
            stride *= dims[perm[i]] + (int64_t)(seed / 2 % 2);
        }
        if (seed % 3 == 1) {
            offset = from.strides[1] * (dims[1] - 1);
            from.strides[1] = -from.strides[1];
        }
        if (seed % 3 == 2) from.strides[2] = 0; /* broadcast */
        from.data = source + (size_t)offset * elem;
        memset(target, 0, room);
        memset(want, 0, room);
        int64_t at = 0;
        for (int64_t a = 0; a < dims[0]; a++)
            for (int64_t b = 0; b < dims[1]; b++)
                for (int64_t c = 0; c < dims[2]; c++)
                    for (int64_t d = 0; d < dims[3]; d++) {
                        int64_t f = offset + a * from.strides[0] + b * from.strides[1] + c * from.strides[2] +
                                    d * from.strides[3];
                        memcpy(want + (size_t)at++ * elem, source + (size_t)f * elem, elem);
                    }
        pln_tensor_copy(&from, &to);
        assert_memory_equal(target, want, room);
        if (seed % 3 != 0) continue;
        /* And the other way: a strided target. */
        struct pln_tensor back = from;
        memcpy(want, source, room);
        pln_tensor_copy(&to, &back); /* writes what is there already */
        assert_memory_equal(source, want, room);
    }
    free(source);
    free(target);
    free(want);
}

static void strided_copies(void **state)
{
    (void)state;
    const enum pln_dtype types_of_size[] = { PLN_U8, PLN_F16, PLN_F32, PLN_F64, PLN_C128 };
    for (size_t i = 0; i < PLN_COUNT_OF(types_of_size); i++)
        for (unsigned seed = 0; seed < 6; seed++) {
            check_copy(types_of_size[i], (int64_t[]){ 3, 9, 17, 36 }, seed);
            check_copy(types_of_size[i], (int64_t[]){ 1, 2, 1, 40 }, seed);
            check_copy(types_of_size[i], (int64_t[]){ 1, 1, 1, 1 }, seed);
        }
}

static void empty_and_packed_copies(void **state)
{
    (void)state;
    struct pln_tensor from, to;
    uint8_t a[3] = { 0x21, 0x43, 0x05 }, b[3] = { 0, 0, 0 };
    pln_tensor_init(&from, PLN_U4, 1, (int64_t[]){ 5 }, a);
    pln_tensor_init(&to, PLN_U4, 1, (int64_t[]){ 5 }, b);
    pln_tensor_copy(&from, &to);
    assert_memory_equal(a, b, 3);
    pln_tensor_init(&from, PLN_F32, 2, (int64_t[]){ 5, 0 }, NULL);
    to = from;
    pln_tensor_copy(&from, &to);
    float x = 3, y = 0;
    pln_tensor_init(&from, PLN_F32, 0, NULL, &x);
    pln_tensor_init(&to, PLN_F32, 0, NULL, &y);
    pln_tensor_copy(&from, &to);
    assert_true(y == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),     cmocka_unit_test(broadcasting),   cmocka_unit_test(types),
        cmocka_unit_test(describing), cmocka_unit_test(strided_copies), cmocka_unit_test(empty_and_packed_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
