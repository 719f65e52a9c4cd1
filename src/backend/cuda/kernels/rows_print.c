/* Kernels of row programs as CUDA C.
 *
 * A program without reductions is one function of one element. One with reductions goes over the row once for each pass that reduces, and once more for
 * its outputs; what a later sweep needs of an earlier one is computed again from the inputs, so nothing is kept. Values of the row are variables outside of
 * the sweeps. Outputs are stored in the last sweep, each element by the thread that has just read the inputs there: they may lie where an input lies. */
#include "backend/cuda/kernels/rows.h"
#include "backend/cuda/print.h"

enum { NO_REG = 255 };

struct printer {
    const struct pln_rows_work *work;
    const struct pln_rowprog *program;
    enum pln_dtype types[PLN_ROWPROG_MAX_REGS];
    bool by_rows;
    bool row_value[PLN_ROWPROG_MAX_REGS]; /* one value a row */
    struct pln_text *out;
};

bool pln_rows_walks(const struct pln_rows_work *work, const struct pln_rowprog_operand *operand)
{
    for (int i = work->program.rank - work->n_row_axes; i < work->program.rank; i++)
        if (operand->axis[i] >= 0) return true;
    return false;
}

bool pln_rows_by_rows(const struct pln_rows_work *work)
{
    const struct pln_rowprog *program = &work->program;
    if (work->body[0]) return true;
    for (int i = 0; i < program->n_instrs; i++)
        if (program->instrs[i].code == PLN_ROWPROG_REDUCE) return true;
    for (int o = 0; o < program->n_outputs; o++)
        if (!pln_rows_walks(work, &program->outputs[o])) return true;
    return false;
}

static void find_row_values(struct printer *p)
{
    const struct pln_rowprog *program = p->program;
    for (int i = 0; i < program->n_inputs; i++) p->row_value[program->inputs[i].reg] = !pln_rows_walks(p->work, &program->inputs[i]);
    for (int i = 0; i < program->n_instrs; i++) {
        const struct pln_rowprog_instr *instr = &program->instrs[i];
        bool row = true;
        for (int s = 0; s < 3 && instr->code == PLN_ROWPROG_EW; s++)
            if (instr->src[s] != NO_REG && !p->row_value[instr->src[s]]) row = false;
        p->row_value[instr->dst] = row;
    }
}

/* ---- pieces ---- */

/* Operand number k at the place of the element, or of the row. */
static void print_place(const struct printer *p, int k, bool constant, enum pln_dtype dtype, bool along_row)
{
    pln_text_printf(p->out, "((%s%s *)p->operands[%d].data)[at[%d]", constant ? "const " : "", pln_cuda_type(dtype), k, k);
    if (p->by_rows && along_row) pln_text_printf(p->out, " + pln_spot_place(p, %d, spot)", k);
    pln_text_putc(p->out, ']');
}

static void print_load(const struct printer *p, int i, const char *indent)
{
    const struct pln_rowprog_operand *input = &p->program->inputs[i];
    const enum pln_dtype dtype = (enum pln_dtype)input->dtype;
    pln_text_printf(p->out, "%sconst %s r%d = pln_value(", indent, pln_cuda_value_type(dtype), input->reg);
    print_place(p, i, true, dtype, pln_rows_walks(p->work, input));
    pln_text_puts(p->out, ");\n");
}

static void print_store(const struct printer *p, int o, const char *indent)
{
    const struct pln_rowprog_operand *output = &p->program->outputs[o];
    pln_text_printf(p->out, "%spln_store(&", indent);
    print_place(p, p->program->n_inputs + o, false, (enum pln_dtype)output->dtype, pln_rows_walks(p->work, output));
    pln_text_printf(p->out, ", r%d);\n", output->reg);
}

static void print_instr(const struct printer *p, const struct pln_rowprog_instr *instr, const char *indent)
{
    pln_text_printf(p->out, "%sconst %s r%d = ", indent, pln_cuda_value_type((enum pln_dtype)instr->dtype), instr->dst);
    pln_cuda_print_expression(instr, p->types, p->out);
    pln_text_puts(p->out, ";\n");
}

/* ---- reductions ---- */

static bool is_float(enum pln_dtype dtype)
{
    return dtype == PLN_F16 || dtype == PLN_BF16 || dtype == PLN_F32 || dtype == PLN_F64;
}

/* What elements are gathered in. */
static const char *gathered_type(unsigned kind, enum pln_dtype dtype)
{
    if (is_float(dtype)) return dtype == PLN_F64 ? "double" : "float";
    if (kind == PLN_REDUCE_L2 || kind == PLN_REDUCE_LOG_SUM || kind == PLN_REDUCE_LOG_SUM_EXP) return "double";
    return pln_dtype_is_signed(dtype) ? "i64" : "u64";
}

static void print_accumulator(const struct pln_rowprog_instr *instr, struct pln_text *out)
{
    const enum pln_dtype dtype = (enum pln_dtype)instr->dtype;
    const char *type = gathered_type(instr->kind, dtype);
    if (is_float(dtype) || type[0] != 'd') pln_text_printf(out, "pln_acc_%s<%s>", pln_op_kind_name(PLN_OP_REDUCE, instr->kind), type);
    else pln_text_printf(out, "pln_acc_real<pln_acc_%s<double>>", pln_op_kind_name(PLN_OP_REDUCE, instr->kind));
}

static void print_neutral(const struct pln_rowprog_instr *instr, struct pln_text *out)
{
    const enum pln_dtype dtype = (enum pln_dtype)instr->dtype;
    const bool is_max = instr->kind == PLN_REDUCE_MAX, is_signed = pln_dtype_is_signed(dtype);
    const int bits = dtype == PLN_BOOL ? 1 : pln_dtype_bits(dtype) - (is_signed ? 1 : 0);
    const unsigned long long most = ~0ull >> (64 - bits);
    if (instr->kind == PLN_REDUCE_PROD) pln_text_putc(out, '1');
    else if (instr->kind == PLN_REDUCE_LOG_SUM_EXP || (is_float(dtype) && is_max)) pln_text_puts(out, "-PLN_INFINITY");
    else if (is_float(dtype) && instr->kind == PLN_REDUCE_MIN) pln_text_puts(out, "PLN_INFINITY");
    else if (instr->kind == PLN_REDUCE_MIN) pln_text_printf(out, "%lluull", most);
    else if (is_max && is_signed) pln_text_printf(out, "-%lluull - 1", most);
    else pln_text_putc(out, '0');
}

static void print_start(const struct pln_rowprog_instr *instr, struct pln_text *out)
{
    pln_text_puts(out, "    ");
    print_accumulator(instr, out);
    pln_text_printf(out, " acc%d;\n    acc%d.start((%s)(", instr->dst, instr->dst, gathered_type(instr->kind, (enum pln_dtype)instr->dtype));
    print_neutral(instr, out);
    pln_text_puts(out, "));\n");
}

/* Integers become doubles as the signed numbers that the reference takes them for. */
static void print_add(const struct pln_rowprog_instr *instr, struct pln_text *out)
{
    const char *type = gathered_type(instr->kind, (enum pln_dtype)instr->dtype);
    const bool real = type[0] == 'd' && !is_float((enum pln_dtype)instr->dtype);
    pln_text_printf(out, "        acc%d.add((%s)%sr%d);\n", instr->dst, type, real ? "(i64)" : "", instr->src[0]);
}

static void print_finish(const struct pln_rowprog_instr *instr, struct pln_text *out)
{
    const enum pln_dtype dtype = (enum pln_dtype)instr->dtype;
    pln_text_printf(out, "    const %s r%d = ", pln_cuda_value_type(dtype), instr->dst);
    if (dtype == PLN_F16 || dtype == PLN_BF16) pln_text_printf(out, "pln_round_%s(", pln_cuda_type(dtype));
    else pln_text_printf(out, "(%s)(", pln_cuda_value_type(dtype));
    pln_text_printf(out, "pln_team_merge(team, acc%d).finish(p->n));\n", instr->dst);
}

/* ---- sweeps over the row ---- */

/* Adds what the needed registers are made of, instructions from the last to the first. */
static void close_over(const struct printer *p, bool *needed)
{
    for (int i = p->program->n_instrs - 1; i >= 0; i--) {
        const struct pln_rowprog_instr *instr = &p->program->instrs[i];
        if (!needed[instr->dst] || p->row_value[instr->dst] || instr->code != PLN_ROWPROG_EW) continue;
        for (int s = 0; s < 3; s++)
            if (instr->src[s] != NO_REG) needed[instr->src[s]] = true;
    }
}

static void open_sweep(const struct printer *p, const bool *needed)
{
    pln_text_puts(p->out, "    for (int64_t i = team.lane; i < team.n; i += team.lanes) {\n        const pln_spot spot = pln_spot_of(p, i);\n");
    for (int i = 0; i < p->program->n_inputs; i++)
        if (needed[p->program->inputs[i].reg] && !p->row_value[p->program->inputs[i].reg]) print_load(p, i, "        ");
    for (int i = 0; i < p->program->n_instrs; i++)
        if (needed[p->program->instrs[i].dst] && !p->row_value[p->program->instrs[i].dst]) print_instr(p, &p->program->instrs[i], "        ");
}

static bool reduces_in(const struct pln_rowprog_instr *instr, int pass)
{
    return instr->code == PLN_ROWPROG_REDUCE && instr->pass == pass;
}

static void print_pass(const struct printer *p, int pass)
{
    const struct pln_rowprog *program = p->program;
    bool needed[PLN_ROWPROG_MAX_REGS] = { false }, any = false;
    for (int i = 0; i < program->n_instrs; i++) {
        const struct pln_rowprog_instr *instr = &program->instrs[i];
        if (instr->pass == pass && instr->code != PLN_ROWPROG_REDUCE && p->row_value[instr->dst]) print_instr(p, instr, "    ");
        if (!reduces_in(instr, pass)) continue;
        needed[instr->src[0]] = any = true;
    }
    if (!any) return;
    close_over(p, needed);
    for (int i = 0; i < program->n_instrs; i++)
        if (reduces_in(&program->instrs[i], pass)) print_start(&program->instrs[i], p->out);
    open_sweep(p, needed);
    for (int i = 0; i < program->n_instrs; i++)
        if (reduces_in(&program->instrs[i], pass)) print_add(&program->instrs[i], p->out);
    pln_text_puts(p->out, "    }\n");
    for (int i = 0; i < program->n_instrs; i++)
        if (reduces_in(&program->instrs[i], pass)) print_finish(&program->instrs[i], p->out);
}

static void print_outputs(const struct printer *p)
{
    const struct pln_rowprog *program = p->program;
    bool needed[PLN_ROWPROG_MAX_REGS] = { false }, along = false, of_row = false;
    for (int o = 0; o < program->n_outputs; o++) {
        const bool walks = pln_rows_walks(p->work, &program->outputs[o]);
        along = along || walks;
        of_row = of_row || !walks;
        needed[program->outputs[o].reg] = needed[program->outputs[o].reg] || walks;
    }
    if (along) {
        close_over(p, needed);
        open_sweep(p, needed);
        for (int o = 0; o < program->n_outputs; o++)
            if (pln_rows_walks(p->work, &program->outputs[o])) print_store(p, o, "        ");
        pln_text_puts(p->out, "    }\n");
    }
    if (!of_row) return;
    /* Another lane may not have read yet what lies there. */
    pln_text_puts(p->out, "    __syncthreads();\n    if (team.active && team.lane == 0) {\n");
    for (int o = 0; o < program->n_outputs; o++)
        if (!pln_rows_walks(p->work, &program->outputs[o])) print_store(p, o, "        ");
    pln_text_puts(p->out, "    }\n");
}

static void print_row(const struct printer *p)
{
    pln_text_puts(p->out, "static __device__ __forceinline__ void pln_row(const struct pln_cuda_rows_params *p, const struct pln_team &team, const int64_t *at)\n{\n");
    for (int i = 0; i < p->program->n_inputs; i++)
        if (p->row_value[p->program->inputs[i].reg]) print_load(p, i, "    ");
    for (int pass = 0; pass < p->program->n_passes; pass++) print_pass(p, pass);
    print_outputs(p);
    pln_text_puts(p->out, "}\n");
}

static void print_element(const struct printer *p)
{
    pln_text_puts(p->out, "static __device__ __forceinline__ void pln_element(const struct pln_cuda_rows_params *p, const int64_t *at)\n{\n");
    for (int i = 0; i < p->program->n_inputs; i++) print_load(p, i, "    ");
    for (int i = 0; i < p->program->n_instrs; i++) print_instr(p, &p->program->instrs[i], "    ");
    for (int o = 0; o < p->program->n_outputs; o++) print_store(p, o, "    ");
    pln_text_puts(p->out, "}\n");
}

void pln_rows_print(const struct pln_rows_work *work, int threads, struct pln_text *out)
{
    struct printer p = { .work = work, .program = &work->program, .by_rows = pln_rows_by_rows(work), .out = out };
    pln_cuda_program_types(p.program, p.types);
    find_row_values(&p);
    pln_text_printf(out, "#define PLN_THREADS %d\n#define PLN_OPERANDS %d\n#define PLN_ROW_AXES %d\n#define PLN_ELEMENTS %d\n#include \"backend/cuda/device/rows.cuh\"\n\n", threads,
                    p.program->n_inputs + p.program->n_outputs, p.by_rows ? work->n_row_axes : 1, p.by_rows ? 0 : 1);
    if (work->body[0]) pln_text_puts(out, work->body);
    else if (p.by_rows) print_row(&p);
    else print_element(&p);
    pln_text_puts(out, "\n#include \"backend/cuda/device/rows_entry.cuh\"\n");
}
