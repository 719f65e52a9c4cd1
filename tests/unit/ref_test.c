/* Corners of the reference kernels that are easy to get wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ref_run.h"

/* Every pair of shapes of rank up to 4 with extents 1, 2 and 3 that broadcast. */
static void broadcasting_is_numpy_s(void **state)
{
    (void)state;
    float data[2][81];
    for (int i = 0; i < 81; i++) {
        data[0][i] = (float)i;
        data[1][i] = 100.0f * (float)i;
    }
    for (int code = 0; code < 625; code++) {
        /* Per dim: both 2, both 3, a 1, b 1, both 1. */
        static const int64_t pairs[5][2] = { { 2, 2 }, { 3, 3 }, { 1, 3 }, { 2, 1 }, { 1, 1 } };
        int64_t a[4], b[4], out[4], c = code;
        for (int d = 0; d < 4; d++, c /= 5) {
            a[d] = pairs[c % 5][0];
            b[d] = pairs[c % 5][1];
            out[d] = PLN_MAX(a[d], b[d]);
        }
        struct ref_run run;
        ref_begin(&run);
        ref_input(&run, PLN_F32, 4, a, data[0]);
        ref_input(&run, PLN_F32, 4, b, data[1]);
        assert_int_equal(ref_call(&run, PLN_OP_ELEMENTWISE, PLN_EW_ADD, 1), PLN_OK);
        const float *got = run.outputs[0]->tensor.data;
        for (int64_t i = 0; i < out[0] * out[1] * out[2] * out[3]; i++) {
            int64_t rest = i, index[4], at_a = 0, at_b = 0;
            for (int d = 3; d >= 0; d--, rest /= out[d + 1]) index[d] = rest % out[d];
            for (int d = 0; d < 4; d++) {
                at_a = at_a * a[d] + (a[d] == 1 ? 0 : index[d]);
                at_b = at_b * b[d] + (b[d] == 1 ? 0 : index[d]);
            }
            assert_float_equal(got[i], data[0][at_a] + data[1][at_b], 0);
        }
        ref_end(&run);
    }
}

static void ints(unsigned kind, enum pln_dtype dtype, void *a, void *b, const void *want, int64_t n)
{
    struct ref_run run;
    ref_begin(&run);
    ref_vector(&run, dtype, n, a);
    ref_vector(&run, dtype, n, b);
    assert_int_equal(ref_call(&run, PLN_OP_ELEMENTWISE, kind, 1), PLN_OK);
    assert_memory_equal(run.outputs[0]->tensor.data, want, pln_tensor_bytes(&run.outputs[0]->tensor));
    ref_end(&run);
}

static void integers_are_exact(void **state)
{
    (void)state;
    int64_t a[5] = { INT64_MIN, 7, -7, 5, INT64_MAX }, b[5] = { -1, -2, 2, 0, 2 };
    int64_t div[5] = { INT64_MIN, -3, -3, 0, INT64_MAX / 2 }, mod[5] = { 0, -1, 1, 0, 1 }, fmod_[5] = { 0, 1, -1, 0, 1 };
    int64_t mul[5] = { INT64_MIN, -14, -14, 0, -2 };
    ints(PLN_EW_DIV, PLN_I64, a, b, div, 5);
    ints(PLN_EW_MOD, PLN_I64, a, b, mod, 5);
    ints(PLN_EW_FMOD, PLN_I64, a, b, fmod_, 5);
    ints(PLN_EW_MUL, PLN_I64, a, b, mul, 5);
    uint64_t c[3] = { UINT64_MAX, 1, UINT64_MAX }, d[3] = { 2, UINT64_MAX, UINT64_MAX }, quotient[3] = { UINT64_MAX / 2, 0, 1 };
    uint8_t less[3] = { 0, 1, 0 };
    ints(PLN_EW_DIV, PLN_U64, c, d, quotient, 3);
    ints(PLN_EW_LESS, PLN_U64, c, d, less, 3);
    uint8_t e[3] = { 200, 1, 255 }, f[3] = { 100, 2, 1 }, sum[3] = { 44, 3, 0 }, difference[3] = { 100, 255, 254 }, shift[3] = { 0, 4, 254 };
    ints(PLN_EW_ADD, PLN_U8, e, f, sum, 3);
    ints(PLN_EW_SUB, PLN_U8, e, f, difference, 3);
    ints(PLN_EW_SHIFT_LEFT, PLN_U8, e, f, shift, 3);
    int32_t g[4] = { 2, -1, -1, 3 }, h[4] = { 10, 3, -3, -1 }, power[4] = { 1024, -1, -1, 0 };
    ints(PLN_EW_POW, PLN_I32, g, h, power, 4);
}

static void floats_follow_ieee(void **state)
{
    (void)state;
    float x[6] = { 0.5f, 1.5f, 2.5f, -0.5f, NAN, -INFINITY }, even[4] = { 0, 2, 2, -0.0f };
    struct ref_run run;
    ref_begin(&run);
    ref_vector(&run, PLN_F32, 6, x);
    assert_int_equal(ref_call(&run, PLN_OP_ELEMENTWISE, PLN_EW_ROUND, 1), PLN_OK);
    float *got = run.outputs[0]->tensor.data;
    for (int i = 0; i < 4; i++) assert_true(got[i] == even[i]);
    assert_true(isnan(got[4]) && isinf(got[5]));
    ref_end(&run);
    float zeros[6] = { 0 };
    ref_begin(&run);
    ref_vector(&run, PLN_F32, 6, x);
    ref_vector(&run, PLN_F32, 6, zeros);
    assert_int_equal(ref_call(&run, PLN_OP_ELEMENTWISE, PLN_EW_MIN, 1), PLN_OK);
    got = run.outputs[0]->tensor.data;
    assert_true(isnan(got[4]) && got[5] == -INFINITY);
    ref_end(&run);
}

static void powers_of_mixed_types(void **state)
{
    (void)state;
    int32_t base[3] = { 2, 9, -3 };
    float exponent[3] = { 3, 0.5f, 2 };
    struct ref_run run;
    ref_begin(&run);
    ref_vector(&run, PLN_I32, 3, base);
    ref_vector(&run, PLN_F32, 3, exponent);
    assert_int_equal(ref_call(&run, PLN_OP_ELEMENTWISE, PLN_EW_POW, 1), PLN_OK);
    int32_t want[3] = { 8, 3, 9 };
    assert_memory_equal(run.outputs[0]->tensor.data, want, sizeof(want));
    ref_end(&run);
}

static void clip_without_a_bound(void **state)
{
    (void)state;
    uint8_t x[3] = { 0, 100, 255 }, high = 50, want[3] = { 0, 50, 50 };
    struct ref_run run;
    ref_begin(&run);
    ref_vector(&run, PLN_U8, 3, x);
    ref_skip(&run);
    ref_input(&run, PLN_U8, 0, NULL, &high);
    assert_int_equal(ref_call(&run, PLN_OP_ELEMENTWISE, PLN_EW_CLIP, 1), PLN_OK);
    assert_memory_equal(run.outputs[0]->tensor.data, want, 3);
    ref_end(&run);
}

static void strings_are_chosen_and_compared(void **state)
{
    (void)state;
    struct pln_string a[2] = { { "one", 3 }, { "two", 3 } }, b[2] = { { "one", 3 }, { "", 0 } };
    uint8_t condition[2] = { 0, 1 };
    struct ref_run run;
    ref_begin(&run);
    ref_vector(&run, PLN_BOOL, 2, condition);
    ref_vector(&run, PLN_STR, 2, a);
    ref_vector(&run, PLN_STR, 2, b);
    assert_int_equal(ref_call(&run, PLN_OP_ELEMENTWISE, PLN_EW_WHERE, 1), PLN_OK);
    const struct pln_string *got = run.outputs[0]->tensor.data;
    assert_memory_equal(got[1].data, "two", 3);
    assert_true(got[1].data != a[1].data); /* an output owns its bytes */
    ref_end(&run);
}

static void empty_reductions_have_their_neutral_value(void **state)
{
    (void)state;
    int64_t dims[2] = { 2, 0 }, axis = 1;
    static const struct {
        unsigned kind;
        float want;
    } cases[] = { { PLN_REDUCE_SUM, 0 }, { PLN_REDUCE_PROD, 1 }, { PLN_REDUCE_MAX, -INFINITY }, { PLN_REDUCE_MIN, INFINITY }, { PLN_REDUCE_LOG_SUM_EXP, -INFINITY } };
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        struct ref_run run;
        ref_begin(&run);
        ref_input(&run, PLN_F32, 2, dims, NULL);
        ref_vector(&run, PLN_I64, 1, &axis);
        assert_int_equal(ref_call(&run, PLN_OP_REDUCE, cases[i].kind, 1), PLN_OK);
        assert_int_equal(pln_tensor_count(&run.outputs[0]->tensor), 2);
        assert_true(((float *)run.outputs[0]->tensor.data)[1] == cases[i].want);
        ref_end(&run);
    }
}

static void the_first_of_equals_comes_first(void **state)
{
    (void)state;
    float x[5] = { 1, 3, 3, NAN, 2 };
    int64_t k = 3, want[3] = { 3, 1, 2 };
    struct ref_run run;
    ref_begin(&run);
    ref_vector(&run, PLN_F32, 5, x);
    ref_vector(&run, PLN_I64, 1, &k);
    assert_int_equal(ref_call(&run, PLN_OP_TOPK, 0, 2), PLN_OK);
    assert_memory_equal(run.outputs[1]->tensor.data, want, sizeof(want));
    k = 6;
    run.outputs[0] = run.outputs[1] = NULL;
    assert_int_equal(ref_call(&run, PLN_OP_TOPK, 0, 2), PLN_BAD_MODEL);
    ref_end(&run);
}

/* relu(a b + row) as an epilogue. */
static void matmul_applies_its_epilogue(void **state)
{
    (void)state;
    struct pln_rowprog p = { .version = PLN_ROWPROG_VERSION, .rank = 2, .n_inputs = 2, .n_outputs = 1, .n_instrs = 2, .n_regs = 4, .n_passes = 1 };
    p.inputs[0] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 0, .rank = 2, .axis = { 0, 1 } };
    p.inputs[1] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 1, .rank = 1, .axis = { -1, 0 } };
    p.outputs[0] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 3, .rank = 2, .axis = { 0, 1 } };
    p.instrs[0] = (struct pln_rowprog_instr){ .kind = PLN_EW_ADD, .dtype = PLN_F32, .dst = 2, .src = { 0, 1, 255 } };
    p.instrs[1] = (struct pln_rowprog_instr){ .kind = PLN_EW_RELU, .dtype = PLN_F32, .dst = 3, .src = { 2, 255, 255 } };
    assert_null(pln_rowprog_verify(&p));
    float a[4] = { 1, 2, 3, 4 }, b[4] = { 1, 0, 0, -1 }, row[2] = { 0.5f, 3 }, want[4] = { 1.5f, 1, 3.5f, 0 };
    int64_t dims[2] = { 2, 2 };
    struct ref_run run;
    struct pln_text bytes;
    pln_text_init(&bytes, NULL);
    pln_rowprog_write(&p, &bytes);
    ref_begin(&run);
    assert_true(pln_attrs_set_string(&run.attrs, &run.arena, "epilogue", bytes.data, bytes.size_bytes));
    ref_input(&run, PLN_F32, 2, dims, a);
    ref_input(&run, PLN_F32, 2, dims, b);
    ref_vector(&run, PLN_F32, 2, row);
    assert_int_equal(ref_call(&run, PLN_OP_MATMUL, 0, 1), PLN_OK);
    assert_memory_equal(run.outputs[0]->tensor.data, want, sizeof(want));
    ref_end(&run);
    pln_text_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broadcasting_is_numpy_s),         cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(floats_follow_ieee),              cmocka_unit_test(powers_of_mixed_types),
        cmocka_unit_test(clip_without_a_bound),            cmocka_unit_test(strings_are_chosen_and_compared),
        cmocka_unit_test(empty_reductions_have_their_neutral_value),
        cmocka_unit_test(the_first_of_equals_comes_first), cmocka_unit_test(matmul_applies_its_epilogue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
