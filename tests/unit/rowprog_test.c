/* Row programs: what is sound, the serialized form, and what they compute. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/call.h"
#include "kernel/rowprog.h"

static void add_input(struct pln_rowprog *p, enum pln_dtype dtype, int rank, uint8_t reg)
{
    struct pln_rowprog_operand *operand = &p->inputs[p->n_inputs++];
    *operand = (struct pln_rowprog_operand){ .dtype = dtype, .reg = reg, .rank = (uint8_t)rank };
    for (int i = 0; i < PLN_MAX_RANK; i++) operand->axis[i] = (int8_t)(i < p->rank && i >= p->rank - rank ? i - (p->rank - rank) : -1);
}

static void add_output(struct pln_rowprog *p, enum pln_dtype dtype, uint8_t reg)
{
    struct pln_rowprog_operand *operand = &p->outputs[p->n_outputs++];
    *operand = (struct pln_rowprog_operand){ .dtype = dtype, .reg = reg, .rank = p->rank };
    for (int i = 0; i < PLN_MAX_RANK; i++) operand->axis[i] = (int8_t)(i < p->rank ? i : -1);
}

static void add(struct pln_rowprog *p, enum pln_rowprog_code code, unsigned kind, uint8_t pass, uint8_t dst, uint8_t a, uint8_t b)
{
    p->instrs[p->n_instrs++] = (struct pln_rowprog_instr){ .code = (uint8_t)code, .kind = (uint8_t)kind, .dtype = PLN_F32, .pass = pass,
                                                           .dst = dst, .src = { a, b, 255 } };
}

/* Softmax over the row: max, exp(x - max), its sum, the quotient. */
static struct pln_rowprog softmax(void)
{
    struct pln_rowprog p = { .version = PLN_ROWPROG_VERSION, .rank = 2, .n_regs = 6, .n_passes = 3 };
    add_input(&p, PLN_F32, 2, 0);
    add(&p, PLN_ROWPROG_REDUCE, PLN_REDUCE_MAX, 0, 1, 0, 255);
    add(&p, PLN_ROWPROG_EW, PLN_EW_SUB, 1, 2, 0, 1);
    add(&p, PLN_ROWPROG_EW, PLN_EW_EXP, 1, 3, 2, 255);
    add(&p, PLN_ROWPROG_REDUCE, PLN_REDUCE_SUM, 1, 4, 3, 255);
    add(&p, PLN_ROWPROG_EW, PLN_EW_DIV, 2, 5, 3, 4);
    add_output(&p, PLN_F32, 5);
    return p;
}

static void written_programs_are_read_back(void **state)
{
    (void)state;
    struct pln_rowprog p = softmax(), q;
    struct pln_text bytes, again;
    pln_text_init(&bytes, NULL);
    pln_text_init(&again, NULL);
    assert_null(pln_rowprog_verify(&p));
    pln_rowprog_write(&p, &bytes);
    assert_int_equal(pln_rowprog_read(bytes.data, bytes.size_bytes, NULL, &q), PLN_OK);
    pln_rowprog_write(&q, &again);
    assert_int_equal(bytes.size_bytes, again.size_bytes);
    assert_memory_equal(bytes.data, again.data, bytes.size_bytes);
    pln_text_clear(&again);
    pln_rowprog_print(&q, &again);
    assert_string_equal(again.data, "r1:f32 = row_max(x0) | r2:f32 = sub(x0, r1); r3:f32 = exp(r2); r4:f32 = row_sum(r3) | r5:f32 = div(r3, r4) -> r5");
    pln_text_deinit(&again);
    pln_text_deinit(&bytes);
}

/* Any byte changed, any length: an error, or a program that is sound. */
static void damaged_programs_are_harmless(void **state)
{
    (void)state;
    struct pln_rowprog p = softmax(), q;
    struct pln_text bytes;
    pln_text_init(&bytes, NULL);
    pln_rowprog_write(&p, &bytes);
    for (size_t n = 0; n < bytes.size_bytes; n++) {
        assert_int_equal(pln_rowprog_read(bytes.data, n, NULL, &q), PLN_BAD_PLAN);
        for (int bit = 0; bit < 256; bit++) {
            bytes.data[n] = (char)(bytes.data[n] ^ bit);
            if (pln_rowprog_read(bytes.data, bytes.size_bytes, NULL, &q) == PLN_OK) assert_null(pln_rowprog_verify(&q));
            bytes.data[n] = (char)(bytes.data[n] ^ bit);
        }
    }
    pln_text_deinit(&bytes);
}

static void unsound_programs_are_told(void **state)
{
    (void)state;
    struct pln_rowprog p = softmax();
    p.instrs[1].pass = 0; /* reads the maximum before it is known */
    assert_non_null(pln_rowprog_verify(&p));
    p = softmax();
    p.instrs[2].src[0] = 5; /* not written yet */
    assert_non_null(pln_rowprog_verify(&p));
    p = softmax();
    p.instrs[2].dst = 2; /* written twice */
    assert_non_null(pln_rowprog_verify(&p));
    p = softmax();
    p.inputs[0].dtype = PLN_F16; /* arithmetic on two types */
    assert_non_null(pln_rowprog_verify(&p));
    p = softmax();
    p.outputs[0].axis[0] = -1; /* every row to one place */
    assert_non_null(pln_rowprog_verify(&p));
    p = softmax();
    p.outputs[0].axis[1] = -1; /* a whole row to one place */
    assert_non_null(pln_rowprog_verify(&p));
    p.outputs[0].reg = 4; /* but a sum may go there */
    assert_null(pln_rowprog_verify(&p));
}

static void extents_broadcast(void **state)
{
    (void)state;
    struct pln_rowprog p = { .version = PLN_ROWPROG_VERSION, .rank = 3, .n_regs = 3, .n_passes = 1 };
    add_input(&p, PLN_F32, 3, 0);
    add_input(&p, PLN_F32, 1, 1);
    add(&p, PLN_ROWPROG_EW, PLN_EW_ADD, 0, 2, 0, 1);
    add_output(&p, PLN_F32, 2);
    assert_null(pln_rowprog_verify(&p));
    int64_t extents[PLN_MAX_RANK], big[3] = { 2, 1, 5 }, row = 5, wrong = 4, none = 0, one[3] = { 2, 1, 1 };
    struct pln_tensor a, b;
    const struct pln_tensor *inputs[2] = { &a, &b };
    pln_tensor_init(&a, PLN_F32, 3, big, NULL);
    pln_tensor_init(&b, PLN_F32, 1, &row, NULL);
    assert_true(pln_rowprog_extents(&p, inputs, extents));
    assert_int_equal(extents[0] * 100 + extents[1] * 10 + extents[2], 215);
    pln_tensor_init(&b, PLN_F32, 1, &wrong, NULL);
    assert_false(pln_rowprog_extents(&p, inputs, extents));
    pln_tensor_init(&a, PLN_F32, 3, one, NULL);
    pln_tensor_init(&b, PLN_F32, 1, &none, NULL);
    assert_true(pln_rowprog_extents(&p, inputs, extents));
    assert_int_equal(extents[2], 0);
}

/* Runs a program by the reference on one f32 input. */
static void run(const struct pln_rowprog *p, const int64_t *dims, float *data, float *out, int64_t n_out)
{
    struct pln_text bytes;
    struct pln_heap heap;
    struct pln_arena arena;
    struct pln_attrs attrs = { 0 };
    struct pln_item in = { .kind = PLN_TENSOR, .refs = 1 }, *result = NULL;
    const struct pln_item *inputs[1] = { &in };
    bool wanted = true;
    pln_text_init(&bytes, NULL);
    pln_heap_init(&heap, NULL, 0);
    pln_arena_init(&arena, NULL, 0);
    pln_rowprog_write(p, &bytes);
    assert_true(pln_attrs_set_string(&attrs, &arena, "program", bytes.data, bytes.size_bytes));
    pln_tensor_init(&in.tensor, PLN_F32, 2, dims, data);
    struct pln_call call = { .op = PLN_OP_ROW_PROGRAM, .attrs = &attrs, .n_inputs = 1, .n_outputs = 1, .inputs = inputs, .outputs = &result,
                             .wanted = &wanted, .heap = &heap, .scratch = &arena };
    assert_int_equal(pln_ref_row_program(&call), PLN_OK);
    assert_int_equal(pln_tensor_count(&result->tensor), n_out);
    if (n_out) memcpy(out, result->tensor.data, (size_t)n_out * sizeof(*out));
    pln_arena_deinit(&arena);
    pln_heap_deinit(&heap);
    pln_text_deinit(&bytes);
}

static void softmax_is_computed(void **state)
{
    (void)state;
    struct pln_rowprog p = softmax();
    float x[2][3] = { { 1, 2, 3 }, { 1000, 1000, -INFINITY } }, y[2][3];
    int64_t dims[2] = { 2, 3 }, empty[2] = { 2, 0 };
    run(&p, dims, &x[0][0], &y[0][0], 6);
    assert_float_equal(y[0][2], 0.66524096, 1e-7);
    assert_float_equal(y[0][0] + y[0][1] + y[0][2], 1, 1e-6);
    assert_float_equal(y[1][0], 0.5, 0);
    assert_float_equal(y[1][2], 0, 0);
    run(&p, empty, &x[0][0], &y[0][0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_programs_are_read_back), cmocka_unit_test(damaged_programs_are_harmless),
        cmocka_unit_test(unsound_programs_are_told),      cmocka_unit_test(extents_broadcast),
        cmocka_unit_test(softmax_is_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
