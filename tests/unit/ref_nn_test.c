/* Reference kernels of networks: what is easily got wrong in convolution, pooling, recurrence, attention, quantization. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ref_run.h"

static void set_ints(struct ref_run *run, const char *name, int64_t n, const int64_t *ints)
{
    assert_true(pln_attrs_set_ints(&run->attrs, &run->arena, name, ints, n));
}

static void set_int(struct ref_run *run, const char *name, int64_t value)
{
    assert_true(pln_attrs_set_int(&run->attrs, &run->arena, name, value));
}

static void set_string(struct ref_run *run, const char *name, const char *text)
{
    assert_true(pln_attrs_set_string(&run->attrs, &run->arena, name, text, strlen(text)));
}

static void expect_floats(const struct ref_run *run, int o, int64_t n, const float *want)
{
    const struct pln_tensor *y = &run->outputs[o]->tensor;
    const float *got = y->data;
    assert_int_equal(y->dtype, PLN_F32);
    assert_int_equal(pln_tensor_count(y), n);
    for (int64_t i = 0; i < n; i++) {
        if (isnan(want[i])) {
            assert_true(isnan(got[i]));
        } else {
            assert_true(fabs((double)got[i] - (double)want[i]) <= 1e-6 * fmax(1, fabs((double)want[i])));
        }
    }
}

/* relu(conv + residual), with the bias left out: the residual stands where the bias would. */
static void conv_applies_its_epilogue(void **state)
{
    (void)state;
    struct pln_rowprog p = { .version = PLN_ROWPROG_VERSION, .rank = 3, .n_inputs = 2, .n_outputs = 1, .n_instrs = 2, .n_regs = 4, .n_passes = 1 };
    p.inputs[0] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 0, .rank = 3, .axis = { 0, 1, 2 } };
    p.inputs[1] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 1, .rank = 3, .axis = { 0, 1, 2 } };
    p.outputs[0] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 3, .rank = 3, .axis = { 0, 1, 2 } };
    p.instrs[0] = (struct pln_rowprog_instr){ .kind = PLN_EW_ADD, .dtype = PLN_F32, .dst = 2, .src = { 0, 1, 255 } };
    p.instrs[1] = (struct pln_rowprog_instr){ .kind = PLN_EW_RELU, .dtype = PLN_F32, .dst = 3, .src = { 2, 255, 255 } };
    float x[4] = { 1, 2, 3, 4 }, w[4] = { 1, 1, -1, -1 }, residual[6] = { 0, 0, 0.5f, 3.5f, 0, 0 }, want[6] = { 3, 5, 7.5f, 0.5f, 0, 0 };
    struct ref_run run;
    struct pln_text bytes;
    pln_text_init(&bytes, NULL);
    pln_rowprog_write(&p, &bytes);
    ref_begin(&run);
    assert_true(pln_attrs_set_string(&run.attrs, &run.arena, "epilogue", bytes.data, bytes.size_bytes));
    ref_input(&run, PLN_F32, 3, (const int64_t[]){ 1, 1, 4 }, x);
    ref_input(&run, PLN_F32, 3, (const int64_t[]){ 2, 1, 2 }, w);
    ref_input(&run, PLN_F32, 3, (const int64_t[]){ 1, 2, 3 }, residual);
    assert_int_equal(ref_call(&run, PLN_OP_CONV, 0, 1), PLN_OK);
    expect_floats(&run, 0, 6, want);
    ref_end(&run);
    pln_text_deinit(&bytes);
}

static void conv_groups_dilates_and_pads(void **state)
{
    (void)state;
    float x[8] = { 1, 2, 3, 4, 10, 20, 30, 40 }, w[4] = { 1, 2, 1, -1 }, b[2] = { 0.5f, 0 }, want[8];
    struct ref_run run;
    ref_begin(&run);
    set_int(&run, "group", 2);
    set_ints(&run, "dilations", 1, (const int64_t[]){ 2 });
    set_ints(&run, "pads", 2, (const int64_t[]){ 1, 1 });
    ref_input(&run, PLN_F32, 3, (const int64_t[]){ 1, 2, 4 }, x);
    ref_input(&run, PLN_F32, 3, (const int64_t[]){ 2, 1, 2 }, w);
    ref_vector(&run, PLN_F32, 2, b);
    want[0] = 0.5f + 2 * 2;
    want[1] = 0.5f + 1 + 2 * 3;
    want[2] = 0.5f + 2 + 2 * 4;
    want[3] = 0.5f + 3;
    want[4] = -20;
    want[5] = 10 - 30;
    want[6] = 20 - 40;
    want[7] = 30;
    assert_int_equal(ref_call(&run, PLN_OP_CONV, 0, 1), PLN_OK);
    expect_floats(&run, 0, 8, want);
    ref_end(&run);
}

static void an_empty_batch_is_ordinary(void **state)
{
    (void)state;
    float w[4] = { 0 };
    struct ref_run run;
    ref_begin(&run);
    ref_input(&run, PLN_F32, 3, (const int64_t[]){ 0, 1, 4 }, NULL);
    ref_input(&run, PLN_F32, 3, (const int64_t[]){ 2, 1, 2 }, w);
    assert_int_equal(ref_call(&run, PLN_OP_CONV, 0, 1), PLN_OK);
    assert_int_equal(run.outputs[0]->tensor.dims[0], 0);
    assert_int_equal(run.outputs[0]->tensor.dims[2], 3);
    ref_end(&run);
}

static void max_pool_finds_nan_and_counts_columns(void **state)
{
    (void)state;
    float x[6] = { 1, 5, 3, 4, (float)NAN, 0 };
    struct ref_run run;
    ref_begin(&run);
    set_ints(&run, "kernel_shape", 2, (const int64_t[]){ 1, 2 });
    set_int(&run, "storage_order", 1);
    ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, 2, 3 }, x);
    assert_int_equal(ref_call(&run, PLN_OP_POOL, PLN_POOL_MAX, 2), PLN_OK);
    expect_floats(&run, 0, 4, (const float[]){ 5, 5, (float)NAN, (float)NAN });
    const int64_t *indices = run.outputs[1]->tensor.data, want[4] = { 2, 2, 3, 3 };
    assert_memory_equal(indices, want, sizeof(want));
    ref_end(&run);
}

static void average_pool_divides_by_what_is_padded(void **state)
{
    (void)state;
    float x[3] = { 2, 4, 6 };
    static const float counted[2] = { 2, 5 }, uncounted[2] = { 3, 5 };
    struct ref_run run;
    for (int count = 0; count < 2; count++) {
        ref_begin(&run);
        set_ints(&run, "kernel_shape", 1, (const int64_t[]){ 3 });
        set_ints(&run, "strides", 1, (const int64_t[]){ 2 });
        set_ints(&run, "pads", 2, (const int64_t[]){ 1, 0 });
        set_int(&run, "ceil_mode", 1);
        set_int(&run, "count_include_pad", count);
        ref_input(&run, PLN_F32, 3, (const int64_t[]){ 1, 1, 3 }, x);
        assert_int_equal(ref_call(&run, PLN_OP_POOL, PLN_POOL_AVERAGE, 1), PLN_OK);
        /* The second window reaches one cell past the end, which is no padding and never counts. */
        expect_floats(&run, 0, 2, count ? counted : uncounted);
        ref_end(&run);
    }
}

static void a_sequence_ends_at_its_length(void **state)
{
    (void)state;
    float x[6] = { 1, 1, 1, 1, 1, 1 }, w[1] = { 1 }, r[1] = { 1 }, h[2] = { 7, 7 };
    int32_t lengths[2] = { 2, 0 };
    struct ref_run run;
    struct pln_attr relu = { .name = "activations", .kind = PLN_ATTR_STRINGS, .n = 1 };
    struct pln_string name = { "relu", 4 };
    relu.u.strings = &name;
    ref_begin(&run);
    assert_true(pln_attrs_set(&run.attrs, &run.arena, &relu));
    set_string(&run, "direction", "reverse");
    ref_input(&run, PLN_F32, 3, (const int64_t[]){ 3, 2, 1 }, x);
    ref_input(&run, PLN_F32, 3, (const int64_t[]){ 1, 1, 1 }, w);
    ref_input(&run, PLN_F32, 3, (const int64_t[]){ 1, 1, 1 }, r);
    ref_skip(&run);
    ref_vector(&run, PLN_I32, 2, lengths);
    ref_input(&run, PLN_F32, 3, (const int64_t[]){ 1, 2, 1 }, h);
    assert_int_equal(ref_call(&run, PLN_OP_RNN, PLN_RNN_RNN, 2), PLN_OK);
    expect_floats(&run, 0, 6, (const float[]){ 9, 0, 8, 0, 0, 0 });
    expect_floats(&run, 1, 2, (const float[]){ 9, 0 });
    ref_end(&run);
}

/* Two query heads share one key head; the first query may see nothing. */
static void attention_of_a_masked_row_is_zero(void **state)
{
    (void)state;
    float q[4] = { 0, 0, 0, 0 }, k[2] = { 1, 2 }, v[2] = { 10, 30 };
    bool mask[4] = { false, false, true, true };
    struct ref_run run;
    ref_begin(&run);
    ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 2, 2, 1 }, q);
    ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, 2, 1 }, k);
    ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, 2, 1 }, v);
    ref_input(&run, PLN_BOOL, 2, (const int64_t[]){ 2, 2 }, mask);
    assert_int_equal(ref_call(&run, PLN_OP_ATTENTION, 0, 1), PLN_OK);
    expect_floats(&run, 0, 4, (const float[]){ 0, 20, 0, 20 });
    ref_end(&run);
}

enum { ATT_QUERIES = 3, ATT_KEYS = 4, ATT_SIZE = 2 };

/* MatMul, Add, Softmax, the guard, MatMul, as ONNX writes them: of one query. */
static void attention_in_parts(const float *q, const float *k, const float *v, const float *mask, bool guarded, float *y)
{
    double scores[ATT_KEYS], largest = -(double)INFINITY, sum = 0;
    for (int j = 0; j < ATT_KEYS; j++) {
        scores[j] = (double)mask[j];
        for (int d = 0; d < ATT_SIZE; d++) scores[j] += (double)q[d] * (double)k[j * ATT_SIZE + d];
        if (scores[j] > largest || isnan(scores[j])) largest = scores[j];
    }
    for (int j = 0; j < ATT_KEYS; j++) sum += exp(scores[j] - largest);
    for (int d = 0; d < ATT_SIZE; d++) {
        double out = 0;
        for (int j = 0; j < ATT_KEYS; j++) {
            double weight = exp(scores[j] - largest) / sum;
            out += (guarded && isnan(weight) ? 0 : weight) * (double)v[j * ATT_SIZE + d];
        }
        y[d] = (float)out;
    }
}

/* Every operand, one element after the other, is made NaN and infinite: the meanings "softmax" and "guarded" are those of the parts. The keys are
 * given as such, and half of them as past ones. */
static void attention_is_its_parts(void **state)
{
    (void)state;
    static const float plain[] = { 0.5f, -1, 0.25f, 2, 1, 1, 0.75f, -0.5f, 1, 0.5f, -2, 1, 0.125f, 3, 1, 2, -3, 0.5f, 0.25f, 4, 2, -1 };
    const float poisons[] = { (float)NAN, (float)INFINITY, -(float)INFINITY };
    for (int variant = 0; variant < 3 * 2 * 2 * 2; variant++)
        for (size_t at = 0; at < PLN_COUNT_OF(plain) + ATT_QUERIES * ATT_KEYS; at++) {
            float data[PLN_COUNT_OF(plain) + ATT_QUERIES * ATT_KEYS] = { 0 }, want[ATT_QUERIES * ATT_SIZE];
            float *q = data, *k = q + ATT_QUERIES * ATT_SIZE, *v = k + ATT_KEYS * ATT_SIZE, *mask = v + ATT_KEYS * ATT_SIZE;
            bool guarded = variant / 3 % 2, past = variant / 6 % 2, shut = variant / 12;
            int64_t half = past ? ATT_KEYS / 2 : 0;
            struct ref_run run;
            memcpy(data, plain, sizeof plain);
            for (int j = 0; j < ATT_KEYS && shut; j++) mask[ATT_KEYS + j] = -(float)INFINITY;
            data[at] = poisons[variant % 3];
            ref_begin(&run);
            set_string(&run, "undefined_rows", guarded ? "guarded" : "softmax");
            struct pln_attr scale = { .name = "scale", .kind = PLN_ATTR_FLOAT, .u.f = 1 };
            assert_true(pln_attrs_set(&run.attrs, &run.arena, &scale));
            ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, ATT_QUERIES, ATT_SIZE }, q);
            ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, ATT_KEYS - half, ATT_SIZE }, k + half * ATT_SIZE);
            ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, ATT_KEYS - half, ATT_SIZE }, v + half * ATT_SIZE);
            ref_input(&run, PLN_F32, 2, (const int64_t[]){ ATT_QUERIES, ATT_KEYS }, mask);
            if (past) ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, half, ATT_SIZE }, k);
            if (past) ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, half, ATT_SIZE }, v);
            assert_int_equal(ref_call(&run, PLN_OP_ATTENTION, 0, 1), PLN_OK);
            for (int i = 0; i < ATT_QUERIES; i++) attention_in_parts(q + i * ATT_SIZE, k, v, mask + i * ATT_KEYS, guarded, want + i * ATT_SIZE);
            const float *got = run.outputs[0]->tensor.data;
            for (int i = 0; i < ATT_QUERIES * ATT_SIZE; i++)
                if (isnan(got[i]) != isnan(want[i]) || (isfinite(want[i]) ? fabs((double)got[i] - (double)want[i]) > 1e-6 * (1 + fabs((double)want[i])) : !isnan(want[i]) && got[i] != want[i]))
                    fail_msg("variant %d, element %zu: result %d is %g, not %g", variant, at, i, (double)got[i], (double)want[i]);
            ref_end(&run);
        }
}

/* ONNX: NaN among the scores is NaN, but a query that the mask keeps from all keys gives zeros, whatever it is. */
static void attention_of_onnx_shows_nan(void **state)
{
    (void)state;
    float q[3] = { (float)NAN, (float)NAN, 0 }, k[2] = { 1, 2 }, v[2] = { 10, 30 };
    bool mask[6] = { true, false, false, false, true, true };
    struct ref_run run;
    ref_begin(&run);
    ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, 3, 1 }, q);
    ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, 2, 1 }, k);
    ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, 2, 1 }, v);
    ref_input(&run, PLN_BOOL, 2, (const int64_t[]){ 3, 2 }, mask);
    assert_int_equal(ref_call(&run, PLN_OP_ATTENTION, 0, 1), PLN_OK);
    const float *y = run.outputs[0]->tensor.data;
    assert_true(isnan(y[0]));
    assert_true(y[1] == 0 && y[2] == 20);
    ref_end(&run);
    ref_begin(&run);
    set_string(&run, "undefined_rows", "else");
    ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, 3, 1 }, q);
    ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, 2, 1 }, k);
    ref_input(&run, PLN_F32, 4, (const int64_t[]){ 1, 1, 2, 1 }, v);
    assert_int_equal(ref_call(&run, PLN_OP_ATTENTION, 0, 1), PLN_BAD_MODEL);
    ref_end(&run);
}

static void quantizing_rounds_to_even_and_saturates(void **state)
{
    (void)state;
    float x[8] = { 0.5f, 1.5f, 2.5f, -0.5f, 300, -300, (float)INFINITY, (float)NAN }, scale = 1;
    int8_t zero = 1;
    const int8_t want[8] = { 1, 3, 3, 1, 127, -128, 127, -128 };
    struct ref_run run;
    ref_begin(&run);
    ref_vector(&run, PLN_F32, 8, x);
    ref_input(&run, PLN_F32, 0, NULL, &scale);
    ref_input(&run, PLN_I8, 0, NULL, &zero);
    assert_int_equal(ref_call(&run, PLN_OP_QUANTIZE_LINEAR, 0, 1), PLN_OK);
    assert_memory_equal(run.outputs[0]->tensor.data, want, sizeof(want));
    ref_end(&run);
}

/* 2 by 3 elements, blocks of 2 along axis 1: the last block is short. Two int4 a byte, the first in the low bits. */
static void blocks_have_their_scales(void **state)
{
    (void)state;
    float x[6] = { 2, 4, 6, -8, 100, -100 }, scales[4] = { 2, 3, 4, 50 };
    const uint8_t want[3] = { 0x21, 0xe2, 0xe7 };
    struct ref_run run;
    ref_begin(&run);
    set_int(&run, "block_size", 2);
    set_int(&run, "output_dtype", PLN_I4);
    ref_input(&run, PLN_F32, 2, (const int64_t[]){ 2, 3 }, x);
    ref_input(&run, PLN_F32, 2, (const int64_t[]){ 2, 2 }, scales);
    assert_int_equal(ref_call(&run, PLN_OP_QUANTIZE_LINEAR, 0, 1), PLN_OK);
    assert_memory_equal(run.outputs[0]->tensor.data, want, sizeof(want));
    ref_end(&run);
}

/* A tree whose only inner node leads back to itself must end, and not well. */
static void a_cycle_in_a_tree_is_refused(void **state)
{
    (void)state;
    float x[1] = { 0 }, numbers[1] = { 1 };
    uint8_t mode = 0;
    struct pln_tensor splits, modes;
    struct pln_attr attr = { .kind = PLN_ATTR_TENSOR };
    struct ref_run run;
    pln_tensor_init(&splits, PLN_F32, 1, (const int64_t[]){ 1 }, numbers);
    pln_tensor_init(&modes, PLN_U8, 1, (const int64_t[]){ 1 }, &mode);
    ref_begin(&run);
    static const char *const lists[] = { "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "leaf_targetids", "tree_roots" };
    for (size_t i = 0; i < PLN_COUNT_OF(lists); i++) set_ints(&run, lists[i], 1, (const int64_t[]){ 0 });
    set_ints(&run, "nodes_falseleafs", 1, (const int64_t[]){ 1 });
    attr.u.tensor = &splits;
    attr.name = "nodes_splits";
    assert_true(pln_attrs_set(&run.attrs, &run.arena, &attr));
    attr.name = "leaf_weights";
    assert_true(pln_attrs_set(&run.attrs, &run.arena, &attr));
    attr.u.tensor = &modes;
    attr.name = "nodes_modes";
    assert_true(pln_attrs_set(&run.attrs, &run.arena, &attr));
    ref_input(&run, PLN_F32, 2, (const int64_t[]){ 1, 1 }, x);
    assert_int_equal(ref_call(&run, PLN_OP_TREE_ENSEMBLE, 0, 1), PLN_BAD_MODEL);
    ref_end(&run);
}

/* Of equal keys the last counts; NaN meets NaN, 0 meets -0. */
static void labels_are_found(void **state)
{
    (void)state;
    float x[4] = { 1, (float)NAN, -0.0f, 9 };
    const float keys[4] = { 1, 1, (float)NAN, 0 };
    const int64_t values[4] = { 10, 20, 30, 40 }, want[4] = { 20, 30, 40, -1 };
    struct pln_attr attr = { .name = "keys_floats", .kind = PLN_ATTR_FLOATS, .n = 4 };
    struct ref_run run;
    ref_begin(&run);
    attr.u.floats = keys;
    assert_true(pln_attrs_set(&run.attrs, &run.arena, &attr));
    set_ints(&run, "values_int64s", 4, values);
    ref_vector(&run, PLN_F32, 4, x);
    assert_int_equal(ref_call(&run, PLN_OP_LABEL_ENCODER, 0, 1), PLN_OK);
    assert_memory_equal(run.outputs[0]->tensor.data, want, sizeof(want));
    ref_end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_applies_its_epilogue),
        cmocka_unit_test(conv_groups_dilates_and_pads),
        cmocka_unit_test(an_empty_batch_is_ordinary),
        cmocka_unit_test(max_pool_finds_nan_and_counts_columns),
        cmocka_unit_test(average_pool_divides_by_what_is_padded),
        cmocka_unit_test(a_sequence_ends_at_its_length),
        cmocka_unit_test(attention_of_a_masked_row_is_zero),
        cmocka_unit_test(attention_is_its_parts),
        cmocka_unit_test(attention_of_onnx_shows_nan),
        cmocka_unit_test(quantizing_rounds_to_even_and_saturates),
        cmocka_unit_test(blocks_have_their_scales),
        cmocka_unit_test(a_cycle_in_a_tree_is_refused),
        cmocka_unit_test(labels_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
