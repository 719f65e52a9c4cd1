#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "tensor/compare.h"

static const struct pln_tolerance usual = { 1e-3, 1e-7, 0 };

static struct pln_difference compare(enum pln_dtype dtype, int64_t n, const void *got, const void *want,
                                     const struct pln_tolerance *tolerance)
{
    struct pln_tensor a, b;
    struct pln_difference out;
    pln_tensor_init(&a, dtype, 1, &n, (void *)(uintptr_t)got);
    pln_tensor_init(&b, dtype, 1, &n, (void *)(uintptr_t)want);
    pln_compare(&a, &b, tolerance, &out);
    assert_int_equal(out.equal, out.wrong == 0);
    assert_int_equal(out.equal, out.text[0] == '\0');
    assert_int_equal(out.equal, out.worst_index < 0);
    return out;
}

static void floats(void **state)
{
    (void)state;
    const float want[] = { 1, 100, 0, -2, 1000 };
    const float near[] = { 1.0009f, 100.09f, 0.9e-7f, -2.0019f, 999.1f };
    const float far[] = { 1.0009f, 100.2f, 2e-7f, -2, 1010 };
    assert_true(compare(PLN_F32, 5, near, want, &usual).equal);
    struct pln_difference d = compare(PLN_F32, 5, far, want, &usual);
    assert_int_equal(d.wrong, 3);
    assert_int_equal(d.worst_index, 4);
    assert_true(d.worst_got == 1010 && d.worst_want == 1000 && d.max_abs == 10 && d.max_rel == 0.01);
    assert_non_null(strstr(d.text, "3 of 5"));
    assert_non_null(strstr(d.text, "[4]"));
    const float inf = INFINITY, nan = NAN;
    const float specials[] = { nan, inf, -inf };
    assert_true(compare(PLN_F32, 3, specials, specials, &usual).equal);
    const float others[] = { 0, -inf, 1e38f };
    assert_int_equal(compare(PLN_F32, 3, specials, others, &usual).wrong, 3);
    assert_int_equal(compare(PLN_F32, 3, others, specials, &usual).wrong, 3);
    const float negative_zero = -0.0f, zero = 0;
    assert_true(compare(PLN_F32, 1, &negative_zero, &zero, &(struct pln_tolerance){ 0, 0, 0 }).equal);
}

static void an_infinite_value_allows_nothing(void **state)
{
    (void)state;
    const float want[] = { INFINITY, 1 }, got[] = { 5, 1 };
    assert_int_equal(compare(PLN_F32, 2, got, want, &usual).wrong, 1);
    assert_int_equal(compare(PLN_F32, 2, got, want, &(struct pln_tolerance){ 0, 0, 0.5 }).wrong, 1);
}

static void over_a_whole_tensor(void **state)
{
    (void)state;
    const double want[] = { 1000, 0.001 }, got[] = { 1000, 0.5 };
    assert_false(compare(PLN_F64, 2, got, want, &usual).equal);
    assert_true(compare(PLN_F64, 2, got, want, &(struct pln_tolerance){ 0, 0, 1e-3 }).equal);
    assert_false(compare(PLN_F64, 2, got, want, &(struct pln_tolerance){ 0, 0, 1e-4 }).equal);
    const double zeros[] = { 0, 0 }, small[] = { 0, 1e-30 };
    assert_true(compare(PLN_F64, 2, zeros, zeros, &(struct pln_tolerance){ 0, 0, 1e-4 }).equal);
    assert_false(compare(PLN_F64, 2, small, zeros, &(struct pln_tolerance){ 0, 0, 1e-4 }).equal);
}

static void exact_types(void **state)
{
    (void)state;
    const int64_t large = (INT64_C(1) << 60) + 1, other = INT64_C(1) << 60;
    assert_int_equal(compare(PLN_I64, 1, &large, &other, &usual).wrong, 1);
    assert_true(compare(PLN_I64, 1, &large, &large, &usual).equal);
    const uint8_t packed_a = 0x21, packed_b = 0x31;
    assert_int_equal(compare(PLN_U4, 2, &packed_a, &packed_b, &usual).worst_index, 1);
    const uint8_t one = 1, two = 2;
    assert_true(compare(PLN_BOOL, 1, &two, &one, &usual).equal); /* both true */
    const struct pln_string a[] = { { "x", 1 }, { "abc", 3 } }, b[] = { { "x", 1 }, { "abd", 3 } };
    assert_int_equal(compare(PLN_STR, 2, a, b, &usual).worst_index, 1);
    assert_true(compare(PLN_STR, 2, a, a, &usual).equal);
}

static void complex_and_small(void **state)
{
    (void)state;
    const float a[] = { 1, 2, 3, 4 }, b[] = { 1, 2, 3.5f, 4.5f };
    struct pln_difference d = compare(PLN_C64, 2, a, b, &usual);
    assert_int_equal(d.wrong, 1); /* one number, both halves */
    assert_int_equal(d.worst_index, 1);
    const uint16_t half_a = 0x3c00, half_b = 0x3c01;
    assert_true(compare(PLN_F16, 1, &half_a, &half_b, &usual).equal);
}

static void shapes_and_types_must_agree(void **state)
{
    (void)state;
    struct pln_tensor a, b;
    struct pln_difference d;
    float data[6] = { 0 };
    pln_tensor_init(&a, PLN_F32, 2, (int64_t[]){ 2, 3 }, data);
    pln_tensor_init(&b, PLN_F32, 1, (int64_t[]){ 6 }, data);
    pln_compare(&a, &b, &usual, &d);
    assert_false(d.equal);
    assert_string_equal(d.text, "got f32[2,3], want f32[6]");
    pln_tensor_init(&b, PLN_I32, 2, (int64_t[]){ 2, 3 }, data);
    pln_compare(&a, &b, &usual, &d);
    assert_string_equal(d.text, "got f32[2,3], want i32[2,3]");
    pln_tensor_init(&a, PLN_F32, 2, (int64_t[]){ 0, 3 }, NULL);
    pln_compare(&a, &a, &usual, &d);
    assert_true(d.equal);
    float other[6] = { 0, 0, 0, 0, 0, 9 };
    pln_tensor_init(&a, PLN_F32, 2, (int64_t[]){ 2, 3 }, other);
    pln_tensor_init(&b, PLN_F32, 2, (int64_t[]){ 2, 3 }, data);
    pln_compare(&a, &b, &usual, &d);
    assert_non_null(strstr(d.text, "[1,2]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats),
        cmocka_unit_test(an_infinite_value_allows_nothing),
        cmocka_unit_test(over_a_whole_tensor),
        cmocka_unit_test(exact_types),
        cmocka_unit_test(complex_and_small),
        cmocka_unit_test(shapes_and_types_must_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
