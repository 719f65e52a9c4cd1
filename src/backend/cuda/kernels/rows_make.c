/* Programs of ops: what makes them, and those that compute element by element. */
#include "backend/cuda/kernels/rows.h"

enum { NO_REG = 255 };

/* ---- building ---- */

static struct pln_rowprog_operand operand_of(const struct pln_rows_work *work, const struct pln_rows_shape *shape, const int8_t *axes, uint8_t reg)
{
    struct pln_rowprog_operand operand = { .dtype = (uint8_t)shape->dtype, .reg = reg, .rank = (uint8_t)shape->rank };
    for (int i = 0; i < work->program.rank; i++) operand.axis[i] = axes[i];
    return operand;
}

uint8_t pln_rows_input(struct pln_rows_work *work, int number, const struct pln_rows_shape *shape, const int8_t *axes)
{
    struct pln_rowprog *program = &work->program;
    const uint8_t reg = program->n_regs++;
    work->input_of[program->n_inputs] = (uint8_t)number;
    program->inputs[program->n_inputs++] = operand_of(work, shape, axes, reg);
    return reg;
}

void pln_rows_output(struct pln_rows_work *work, int number, const struct pln_rows_shape *shape, const int8_t *axes, uint8_t reg)
{
    struct pln_rowprog *program = &work->program;
    work->output_of[program->n_outputs] = (uint8_t)number;
    program->outputs[program->n_outputs++] = operand_of(work, shape, axes, reg);
}

uint8_t pln_rows_instr(struct pln_rows_work *work, struct pln_rowprog_instr instr)
{
    struct pln_rowprog *program = &work->program;
    instr.dst = program->n_regs++;
    program->n_passes = (uint8_t)(instr.pass + 1);
    program->instrs[program->n_instrs++] = instr;
    return instr.dst;
}

uint8_t pln_rows_ew(struct pln_rows_work *work, enum pln_ew kind, enum pln_dtype dtype, uint8_t pass, uint8_t a, uint8_t b)
{
    return pln_rows_instr(work, (struct pln_rowprog_instr){ .code = PLN_ROWPROG_EW, .kind = (uint8_t)kind, .dtype = (uint8_t)dtype, .pass = pass, .src = { a, b, NO_REG } });
}

uint8_t pln_rows_cast(struct pln_rows_work *work, enum pln_dtype from, enum pln_dtype to, uint8_t pass, uint8_t a)
{
    return from == to ? a : pln_rows_ew(work, PLN_EW_IDENTITY, to, pass, a, NO_REG);
}

uint8_t pln_rows_constant(struct pln_rows_work *work, enum pln_dtype dtype, uint8_t pass, double value)
{
    return pln_rows_instr(work, (struct pln_rowprog_instr){ .code = PLN_ROWPROG_CONST, .dtype = (uint8_t)dtype, .pass = pass, .src = { NO_REG, NO_REG, NO_REG }, .imm = value });
}

uint8_t pln_rows_reduce(struct pln_rows_work *work, enum pln_reduce kind, enum pln_dtype dtype, uint8_t pass, uint8_t a)
{
    return pln_rows_instr(work, (struct pln_rowprog_instr){ .code = PLN_ROWPROG_REDUCE, .kind = (uint8_t)kind, .dtype = (uint8_t)dtype, .pass = pass, .src = { a, NO_REG, NO_REG } });
}

void pln_rows_broadcast(int rank, int to, int8_t *out_axes)
{
    for (int i = 0; i < to; i++) out_axes[i] = (int8_t)PLN_MAX(-1, i - (to - rank));
}

/* ---- ops ---- */

const char *pln_rows_make_program(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    if (!op->program) return "no program";
    if (op->n_inputs != op->program->n_inputs || op->n_outputs != op->program->n_outputs) return "wrong number of operands";
    out->program = *op->program;
    for (int i = 0; i < op->n_inputs; i++) {
        if (!op->inputs[i].present) return "an input is left out";
        out->input_of[i] = (uint8_t)i;
    }
    for (int o = 0; o < op->n_outputs; o++) {
        if (!op->outputs[o].present) return "an output is left out";
        out->output_of[o] = (uint8_t)o;
    }
    return NULL;
}

/* One instruction of as many axes as the output has. */
static const char *one_function(const struct pln_rows_op *op, unsigned kind, struct pln_rows_work *out)
{
    struct pln_rowprog *program = &out->program;
    const struct pln_rows_shape *output = &op->outputs[0];
    if (op->n_inputs < 1 || op->n_inputs > 3 || op->n_outputs != 1 || !output->present) return "wrong number of operands";
    if (output->rank > PLN_CUDA_MAX_RANK) return "there are more than 8 dims";
    int8_t axes[PLN_CUDA_MAX_RANK];
    struct pln_rowprog_instr instr = { .kind = (uint8_t)kind, .dtype = (uint8_t)output->dtype, .src = { NO_REG, NO_REG, NO_REG } };
    program->version = PLN_ROWPROG_VERSION;
    program->rank = (uint8_t)PLN_MAX(output->rank, 1);
    for (int i = 0; i < op->n_inputs; i++) {
        if (!op->inputs[i].present) continue;
        if (op->inputs[i].rank > program->rank) return "the output has fewer dims than an input";
        pln_rows_broadcast(op->inputs[i].rank, program->rank, axes);
        instr.src[i] = pln_rows_input(out, i, &op->inputs[i], axes);
    }
    pln_ew_parameters(kind, op->attrs, &instr.alpha, &instr.beta);
    pln_rows_broadcast(output->rank, program->rank, axes);
    pln_rows_output(out, 0, output, axes, pln_rows_instr(out, instr));
    return pln_rowprog_verify(program);
}

const char *pln_rows_make_elementwise(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    return pln_ew_get(op->kind) ? one_function(op, op->kind, out) : "an unknown function";
}

const char *pln_rows_make_cast(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    return op->n_inputs == 1 ? one_function(op, PLN_EW_IDENTITY, out) : "wrong number of operands";
}
