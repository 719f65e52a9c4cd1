/* Row programs: normalizations written out, several passes and outputs, random programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/kernels/harness.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

static void begin(struct kernel_case *c, const char *name, int rank)
{
    kernel_case_init(c, name, PLN_OP_ROW_PROGRAM, 0);
    c->n_outputs = 0;
    c->has_program = true;
    c->program.version = PLN_ROWPROG_VERSION;
    c->program.rank = (uint8_t)rank;
}

static void set_axes(struct pln_rowprog_operand *operand, int rank, int program_rank)
{
    operand->rank = (uint8_t)rank;
    for (int i = 0; i < program_rank; i++) operand->axis[i] = (int8_t)PLN_MAX(-1, i - (program_rank - rank));
}

static unsigned in(struct kernel_case *c, int rank, const int64_t *dims)
{
    struct pln_rowprog *p = &c->program;
    kernel_case_input(c, rank, dims);
    struct pln_rowprog_operand *operand = &p->inputs[p->n_inputs++];
    operand->dtype = PLN_F32;
    set_axes(operand, rank, p->rank);
    return operand->reg = p->n_regs++;
}

static unsigned instr(struct kernel_case *c, enum pln_rowprog_code code, unsigned kind, int pass, unsigned a,
                      unsigned b)
{
    struct pln_rowprog *p = &c->program;
    p->instrs[p->n_instrs] = (struct pln_rowprog_instr){ .code = (uint8_t)code,
                                                         .kind = (uint8_t)kind,
                                                         .dtype = PLN_F32,
                                                         .pass = (uint8_t)pass,
                                                         .dst = p->n_regs,
                                                         .src = { (uint8_t)a, (uint8_t)b, 255 },
                                                         .alpha = 1 };
    p->n_passes = (uint8_t)(pass + 1);
    p->n_instrs++;
    return p->n_regs++;
}

static unsigned ew(struct kernel_case *c, unsigned kind, int pass, unsigned a, unsigned b)
{
    return instr(c, PLN_ROWPROG_EW, kind, pass, a, b);
}

static unsigned reduce(struct kernel_case *c, unsigned kind, int pass, unsigned a)
{
    return instr(c, PLN_ROWPROG_REDUCE, kind, pass, a, 255);
}

static unsigned constant(struct kernel_case *c, int pass, double value)
{
    unsigned reg = instr(c, PLN_ROWPROG_CONST, 0, pass, 255, 255);
    c->program.instrs[c->program.n_instrs - 1].imm = value;
    return reg;
}

static void out(struct kernel_case *c, unsigned reg, bool row_axis)
{
    struct pln_rowprog *p = &c->program;
    struct pln_rowprog_operand *operand = &p->outputs[p->n_outputs++];
    operand->dtype = PLN_F32;
    operand->reg = (uint8_t)reg;
    operand->rank = (uint8_t)(row_axis ? p->rank : p->rank - 1);
    for (int i = 0; i < p->rank; i++) operand->axis[i] = (int8_t)(i < operand->rank ? i : -1);
    c->n_outputs++;
}

static void finish(struct kernel_case *c)
{
    assert_null(pln_rowprog_verify(&c->program));
    c->rtol = 1e-5;
    c->atol = 1e-5;
    kernel_case_run(c);
    kernel_case_deinit(c);
}

static const int64_t widths[] = { 1, 7, 16, 33, 96, 511, 512, 513, 1300 };

static void softmax(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(widths); i++) {
        struct kernel_case c;
        begin(&c, "softmax", 3);
        unsigned x = in(&c, 3, DIMS(2, 3, widths[i]));
        unsigned most = reduce(&c, PLN_REDUCE_MAX, 0, x);
        unsigned e = ew(&c, PLN_EW_EXP, 1, ew(&c, PLN_EW_SUB, 1, x, most), 255);
        unsigned sum = reduce(&c, PLN_REDUCE_SUM, 1, e);
        out(&c, ew(&c, PLN_EW_DIV, 2, e, sum), true);
        finish(&c);
    }
}

static void layer_norm(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * PLN_COUNT_OF(widths); i++) {
        struct kernel_case c;
        const int64_t width = widths[i / 2];
        begin(&c, "layer_norm", 2);
        unsigned x = in(&c, 2, DIMS(5, width)), scale = in(&c, 1, DIMS(width)), bias = in(&c, 1, DIMS(width));
        if (i % 2) c.inputs[0].fill = FILL_EQUAL;
        unsigned mean = reduce(&c, PLN_REDUCE_MEAN, 0, x);
        unsigned d = ew(&c, PLN_EW_SUB, 1, x, mean);
        unsigned var = reduce(&c, PLN_REDUCE_MEAN, 1, ew(&c, PLN_EW_MUL, 1, d, d));
        unsigned inv = ew(&c, PLN_EW_RSQRT, 2, ew(&c, PLN_EW_ADD, 2, var, constant(&c, 2, 1e-5)), 255);
        unsigned y = ew(&c, PLN_EW_ADD, 2, ew(&c, PLN_EW_MUL, 2, ew(&c, PLN_EW_MUL, 2, d, inv), scale), bias);
        out(&c, y, true);
        out(&c, mean, false);
        out(&c, inv, false);
        finish(&c);
    }
}

static void chains(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct kernel_case c;
        begin(&c, "chain", 4);
        unsigned x = in(&c, 4, DIMS(2, 6, 5, 9)), bias = in(&c, 3, DIMS(6, 1, 1)),
                 gate = in(&c, 1, DIMS(variant & 1 ? 9 : 1));
        unsigned a = ew(&c, PLN_EW_ADD, 0, x, bias);
        unsigned b = ew(&c, PLN_EW_MUL, 0, ew(&c, PLN_EW_SIGMOID, 0, a, 255), a);
        unsigned d = ew(&c, PLN_EW_SUB, 0, b, gate);
        if (variant & 2) out(&c, a, true);
        out(&c, d, true);
        if (variant & 2) out(&c, d, true);
        finish(&c);
    }
}

/* Registers that cross passes where nothing is reduced, which a plan may say, too. */
static void passes_without_reductions(void **state)
{
    (void)state;
    for (int variant = 0; variant < 6; variant++) {
        struct kernel_case c;
        begin(&c, "passes without reductions", 2);
        unsigned x = in(&c, 2, DIMS(5, (const int64_t[]){ 3, 40, 1300 }[variant % 3])), kept[3];
        for (int i = 0; i < 3; i++) kept[i] = ew(&c, PLN_EW_TANH, 0, i > 0 ? kept[i - 1] : x, 255);
        unsigned a = ew(&c, PLN_EW_ADD, 1, kept[0], kept[1]), b = ew(&c, PLN_EW_MUL, 2, a, kept[2]);
        if (variant < 3) out(&c, kept[0], true);
        out(&c, b, true);
        finish(&c);
    }
}

/* Programs of random instructions: registers live long, die early and cross passes. */
static void random_programs(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < (kernel_cases_few() ? 20 : 200); round++) {
        static const unsigned kinds[] = { PLN_EW_ADD,  PLN_EW_MUL,  PLN_EW_SUB, PLN_EW_MAX,
                                          PLN_EW_TANH, PLN_EW_RELU, PLN_EW_ABS, PLN_EW_SIGMOID };
        static const unsigned reductions[] = { PLN_REDUCE_SUM, PLN_REDUCE_MEAN,       PLN_REDUCE_MAX,
                                               PLN_REDUCE_MIN, PLN_REDUCE_SUM_SQUARE, PLN_REDUCE_L2 };
        struct kernel_case c;
        begin(&c, "random program", 3);
        int64_t n = round % 3 == 0 ? 20 + round : 3 + round % 11;
        in(&c, 3, DIMS(2, 4, n));
        in(&c, 1, DIMS(n));
        in(&c, 2, DIMS(4, 1));
        int pass = 0;
        unsigned ready = c.program.n_regs;
        for (int i = 0; i < 12; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
            unsigned pick = (unsigned)(seed >> 40);
            if (round % 2 == 0 && i % 4 == 3) {
                unsigned r = reduce(&c, reductions[pick % 6], pass, pick / 8 % ready);
                pass++;
                ready = ew(&c, PLN_EW_TANH, pass, r, 255) + 1;
                continue;
            }
            unsigned kind = kinds[pick % 8];
            ready = ew(&c, kind, pass, pick / 8 % ready, pln_ew_get(kind)->n_inputs > 1 ? pick / 512 % ready : 255) + 1;
        }
        out(&c, ready - 1, true);
        out(&c, (unsigned)(seed >> 50) % (ready - 3) + 3, true);
        finish(&c);
    }
    assert_int_equal(kernel_rows_untested(PLN_OP_ROW_PROGRAM), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax),
        cmocka_unit_test(layer_norm),
        cmocka_unit_test(chains),
        cmocka_unit_test(passes_without_reductions),
        cmocka_unit_test(random_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
