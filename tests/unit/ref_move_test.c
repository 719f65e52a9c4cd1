/* Reference kernels that move elements: types below a byte, strings, empty tensors, and parameters that a forged model may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ref_run.h"

static void transposes_packed_elements(void **state)
{
    (void)state;
    /* u4[2,3] 1 2 3 / 4 5 6, and u2[3,3] 0 1 2 / 3 0 1 / 2 3 0, low bits first */
    uint8_t nibbles[] = { 0x21, 0x43, 0x65 }, pairs[] = { 0xe4, 0xe4, 0x00 };
    static const uint8_t want_nibbles[] = { 0x41, 0x52, 0x63 }, want_pairs[] = { 0x6c, 0x6c, 0x00 };
    struct ref_run run;
    ref_begin(&run);
    ref_input(&run, PLN_U4, 2, (int64_t[]){ 2, 3 }, nibbles);
    assert_int_equal(ref_call(&run, PLN_OP_TRANSPOSE, 0, 1), PLN_OK);
    assert_memory_equal(run.outputs[0]->tensor.data, want_nibbles, sizeof want_nibbles);
    ref_end(&run);
    ref_begin(&run);
    ref_input(&run, PLN_U2, 2, (int64_t[]){ 3, 3 }, pairs);
    assert_int_equal(ref_call(&run, PLN_OP_TRANSPOSE, 0, 1), PLN_OK);
    assert_memory_equal(run.outputs[0]->tensor.data, want_pairs, sizeof want_pairs);
    ref_end(&run);
}

/* An output's strings are its own: the input may go. */
static void gathers_strings(void **state)
{
    (void)state;
    char first[] = "one", second[] = "two";
    struct pln_string strings[] = { { first, 3 }, { second, 3 }, { NULL, 0 } };
    int64_t at[] = { 2, -2, 0 };
    struct ref_run run;
    ref_begin(&run);
    ref_vector(&run, PLN_STR, 3, strings);
    ref_vector(&run, PLN_I64, 3, at);
    assert_int_equal(ref_call(&run, PLN_OP_GATHER, 0, 1), PLN_OK);
    memset(first, 'x', 3);
    memset(second, 'x', 3);
    const struct pln_string *got = run.outputs[0]->tensor.data;
    assert_int_equal(got[0].size_bytes, 0);
    assert_memory_equal(got[1].data, "two", 3);
    assert_memory_equal(got[2].data, "one", 3);
    ref_end(&run);
}

static void refuses_indices_outside(void **state)
{
    (void)state;
    static const unsigned ops[] = { PLN_OP_GATHER, PLN_OP_GATHER_ELEMENTS, PLN_OP_SCATTER_ELEMENTS };
    static const int64_t bad[] = { 3, -4, INT64_MIN, INT64_MAX };
    float data[3] = { 1, 2, 3 }, update[1] = { 9 };
    for (size_t o = 0; o < PLN_COUNT_OF(ops); o++) {
        for (size_t i = 0; i < PLN_COUNT_OF(bad); i++) {
            int64_t at = bad[i];
            struct ref_run run;
            ref_begin(&run);
            ref_vector(&run, PLN_F32, 3, data);
            ref_vector(&run, PLN_I64, 1, &at);
            if (ops[o] == PLN_OP_SCATTER_ELEMENTS) ref_vector(&run, PLN_F32, 1, update);
            assert_int_equal(ref_call(&run, ops[o], 0, 1), PLN_INVALID_ARGUMENT);
            ref_end(&run);
        }
    }
}

static void check_shape(unsigned op, int64_t count, int64_t n, int64_t *param, enum pln_status want, int rank, const int64_t *want_dims)
{
    float data[12] = { 0 };
    int64_t dims[2] = { count, 6 };
    struct ref_run run;
    ref_begin(&run);
    ref_input(&run, PLN_F32, 2, dims, data);
    ref_vector(&run, PLN_I64, n, param);
    assert_int_equal(ref_call(&run, op, 0, 1), want);
    if (want == PLN_OK) {
        const struct pln_tensor *out = &run.outputs[0]->tensor;
        assert_int_equal(out->rank, rank);
        assert_memory_equal(out->dims, want_dims, (size_t)rank * sizeof *want_dims);
    }
    ref_end(&run);
}

static void shapes_are_checked(void **state)
{
    (void)state;
    const int64_t huge = INT64_MAX / 2;
    check_shape(PLN_OP_RESHAPE, 2, 2, (int64_t[]){ -1, 4 }, PLN_OK, 2, (int64_t[]){ 3, 4 });
    check_shape(PLN_OP_RESHAPE, 0, 3, (int64_t[]){ 0, 2, -1 }, PLN_OK, 3, (int64_t[]){ 0, 2, 3 });
    check_shape(PLN_OP_RESHAPE, 2, 2, (int64_t[]){ -1, -1 }, PLN_BAD_MODEL, 0, NULL);
    check_shape(PLN_OP_RESHAPE, 2, 2, (int64_t[]){ -1, 5 }, PLN_BAD_MODEL, 0, NULL);
    check_shape(PLN_OP_RESHAPE, 2, 3, (int64_t[]){ huge, huge, -1 }, PLN_BAD_MODEL, 0, NULL);
    check_shape(PLN_OP_TILE, 2, 2, (int64_t[]){ 0, 3 }, PLN_OK, 2, (int64_t[]){ 0, 18 });
    check_shape(PLN_OP_TILE, 2, 2, (int64_t[]){ huge, huge }, PLN_BAD_MODEL, 0, NULL);
    check_shape(PLN_OP_TILE, 2, 2, (int64_t[]){ -1, 1 }, PLN_BAD_MODEL, 0, NULL);
    check_shape(PLN_OP_EXPAND, 2, 3, (int64_t[]){ huge, huge, 1 }, PLN_BAD_MODEL, 0, NULL);
    check_shape(PLN_OP_PAD, 2, 4, (int64_t[]){ -1, 0, -1, 2 }, PLN_OK, 2, (int64_t[]){ 0, 8 });
    check_shape(PLN_OP_PAD, 2, 4, (int64_t[]){ -2, 0, -1, 0 }, PLN_BAD_MODEL, 0, NULL);
    check_shape(PLN_OP_PAD, 2, 4, (int64_t[]){ INT64_MAX, 0, INT64_MAX, 0 }, PLN_BAD_MODEL, 0, NULL);
    check_shape(PLN_OP_UNSQUEEZE, 2, 2, (int64_t[]){ 0, -4 }, PLN_BAD_MODEL, 0, NULL);
}

static void slices_to_the_very_ends(void **state)
{
    (void)state;
    int64_t data[5] = { 0, 1, 2, 3, 4 };
    static const struct {
        int64_t start, end, step, n, first;
    } cases[] = {
        { INT64_MAX, INT64_MIN, -1, 5, 4 }, { INT64_MIN, INT64_MAX, INT64_MAX, 1, 0 }, { -1, INT64_MIN, INT64_MIN, 1, 4 },
        { 1, -1, 2, 2, 1 },                 { 4, 4, 1, 0, 0 },                         { 7, 2, -1, 2, 4 },
    };
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        int64_t start = cases[i].start, end = cases[i].end, axis = -1, step = cases[i].step;
        struct ref_run run;
        ref_begin(&run);
        ref_vector(&run, PLN_I64, 5, data);
        ref_vector(&run, PLN_I64, 1, &start);
        ref_vector(&run, PLN_I64, 1, &end);
        ref_vector(&run, PLN_I64, 1, &axis);
        ref_vector(&run, PLN_I64, 1, &step);
        assert_int_equal(ref_call(&run, PLN_OP_SLICE, 0, 1), PLN_OK);
        const struct pln_tensor *out = &run.outputs[0]->tensor;
        assert_int_equal(out->dims[0], cases[i].n);
        if (cases[i].n > 0) assert_int_equal(((const int64_t *)out->data)[0], cases[i].first);
        ref_end(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transposes_packed_elements), cmocka_unit_test(gathers_strings),          cmocka_unit_test(refuses_indices_outside),
        cmocka_unit_test(shapes_are_checked),         cmocka_unit_test(slices_to_the_very_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
