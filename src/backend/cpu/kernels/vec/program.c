#include "backend/cpu/kernels/vec/program.h"

#include <math.h>

enum { NO_REG = 255 };

#define SPLAT4(x) x, x, x, x
#define SPLAT16(x)                                 \
    {                                              \
        SPLAT4(x), SPLAT4(x), SPLAT4(x), SPLAT4(x) \
    }
/* The bounds of a clip that has none. */
static const float below_all[PLN_VEC_SPLAT] = SPLAT16(-INFINITY);
static const float above_all[PLN_VEC_SPLAT] = SPLAT16(INFINITY);

static bool known_dtype(unsigned dtype)
{
    return dtype == PLN_F32 || dtype == PLN_BOOL;
}

static const char *check_ew(const struct pln_rowprog_instr *instr, const uint8_t *dtypes)
{
    if (!known_dtype(instr->dtype)) return "an instruction computes in a type other than f32 or bool";
    if (pln_vec_portable.ew[instr->kind] == NULL) return "an instruction has no f32 form";
    if (instr->kind == PLN_EW_IDENTITY && instr->dtype == PLN_BOOL && dtypes[instr->src[0]] != PLN_BOOL)
        return "a cast from a number to bool";
    return NULL;
}

static const char *check_reduce(const struct pln_rowprog_instr *instr)
{
    switch ((enum pln_reduce)instr->kind) {
    case PLN_REDUCE_SUM:
    case PLN_REDUCE_MEAN:
    case PLN_REDUCE_MAX:
    case PLN_REDUCE_MIN:
    case PLN_REDUCE_SUM_SQUARE:
    case PLN_REDUCE_L2: return instr->dtype == PLN_F32 ? NULL : "a reduction of a type other than f32";
    case PLN_REDUCE_L1:
    case PLN_REDUCE_PROD:
    case PLN_REDUCE_LOG_SUM:
    case PLN_REDUCE_LOG_SUM_EXP:
    case PLN_REDUCE_NONE:
    case PLN_REDUCE_COUNT: break;
    }
    return "a reduction that has no vector form";
}

const char *pln_vec_check(const struct pln_rowprog *program)
{
    uint8_t dtypes[PLN_ROWPROG_MAX_REGS] = { 0 };
    for (int i = 0; i < program->n_inputs; i++) {
        if (!known_dtype(program->inputs[i].dtype)) return "an input is neither f32 nor bool";
        dtypes[program->inputs[i].reg] = program->inputs[i].dtype;
    }
    for (int i = 0; i < program->n_outputs; i++)
        if (!known_dtype(program->outputs[i].dtype)) return "an output is neither f32 nor bool";
    for (int i = 0; i < program->n_instrs; i++) {
        const struct pln_rowprog_instr *instr = &program->instrs[i];
        const char *why = NULL;
        if (instr->code == PLN_ROWPROG_EW)
            why = check_ew(instr, dtypes);
        else if (instr->code == PLN_ROWPROG_REDUCE)
            why = check_reduce(instr);
        else if (!known_dtype(instr->dtype))
            why = "a constant is neither f32 nor bool";
        if (why != NULL) return why;
        dtypes[instr->dst] = instr->dtype;
    }
    return NULL;
}

/* ---- compiling: each register that varies along the row gets a slot, which is free again after its last use ---- */

struct life {
    int last[PLN_ROWPROG_MAX_REGS];        /* instruction that reads it last; n_instrs: an output */
    uint8_t born[PLN_ROWPROG_MAX_REGS];    /* pass */
    uint8_t to_pass[PLN_ROWPROG_MAX_REGS]; /* last pass that reads it */
};

static void find_lives(const struct pln_rowprog *program, struct life *life)
{
    memset(life, 0, sizeof *life);
    for (int i = 0; i < program->n_instrs; i++) {
        const struct pln_rowprog_instr *instr = &program->instrs[i];
        int n_src = instr->code == PLN_ROWPROG_CONST ? 0 : instr->code == PLN_ROWPROG_REDUCE ? 1 : pln_ew_get(instr->kind)->n_inputs;
        for (int s = 0; s < n_src; s++) {
            if (instr->src[s] == NO_REG) continue;
            life->last[instr->src[s]] = i;
            life->to_pass[instr->src[s]] = instr->pass;
        }
        life->born[instr->dst] = life->to_pass[instr->dst] = instr->pass;
        life->last[instr->dst] = PLN_MAX(life->last[instr->dst], i);
    }
    for (int i = 0; i < program->n_outputs; i++) life->last[program->outputs[i].reg] = program->n_instrs;
}

static bool sources_are_splats(const struct pln_vec_program *code, const struct pln_rowprog_instr *instr)
{
    bool splat = true;
    for (int s = 0; s < 3; s++)
        if (instr->src[s] != NO_REG) splat = splat && code->splat[instr->src[s]];
    return splat;
}

static uint8_t take_slot(struct pln_vec_program *code, uint64_t *free_slots)
{
    for (uint8_t s = 0; s < code->n_slots; s++) {
        if ((*free_slots >> s & 1) == 0) continue;
        *free_slots &= ~((uint64_t)1 << s);
        return s;
    }
    return code->n_slots++;
}

static void place_result(struct pln_vec_program *code, const struct pln_rowprog_instr *instr, const struct life *life,
                         uint64_t *free_slots)
{
    unsigned dst = instr->dst;
    code->splat[dst] = instr->code != PLN_ROWPROG_EW || sources_are_splats(code, instr);
    if (code->splat[dst]) return;
    code->row[dst] = life->to_pass[dst] > life->born[dst];
    code->slot[dst] = code->row[dst] ? code->n_row_slots++ : take_slot(code, free_slots);
}

void pln_vec_compile(const struct pln_rowprog *program, struct pln_vec_program *out_program)
{
    struct pln_vec_program *code = out_program;
    memset(code, 0, sizeof *code);
    memset(code->slot, PLN_VEC_NO_SLOT, sizeof code->slot);
    code->n_inputs = program->n_inputs;
    code->n_outputs = program->n_outputs;
    code->n_instrs = program->n_instrs;
    code->n_regs = program->n_regs;
    code->n_passes = program->n_passes;
    for (int i = 0; i < program->n_inputs; i++) {
        code->input_reg[i] = program->inputs[i].reg;
        code->splat[program->inputs[i].reg] = program->inputs[i].axis[program->rank - 1] < 0;
    }
    for (int i = 0; i < program->n_outputs; i++) code->output_reg[i] = program->outputs[i].reg;
    struct life life;
    find_lives(program, &life);
    uint64_t free_slots = 0;
    for (int i = 0; i < program->n_instrs; i++) {
        code->instrs[i] = program->instrs[i];
        /* What a source that is not used holds is not verified. */
        bool elementwise = code->instrs[i].code == PLN_ROWPROG_EW;
        for (int s = elementwise ? pln_ew_get(code->instrs[i].kind)->n_inputs : 1; s < 3; s++) code->instrs[i].src[s] = NO_REG;
        const struct pln_rowprog_instr *instr = &code->instrs[i];
        place_result(code, instr, &life, &free_slots);
        for (int s = 0; instr->code != PLN_ROWPROG_CONST && s < 3; s++) {
            unsigned reg = instr->src[s];
            if (reg == NO_REG || life.last[reg] != i || code->slot[reg] == PLN_VEC_NO_SLOT || code->row[reg]) continue;
            free_slots |= (uint64_t)1 << code->slot[reg];
        }
    }
}

/* ---- running ---- */

/* Runs start on vectors of 64 bytes. */
static size_t run_floats(int64_t n)
{
    return pln_align_up((size_t)n, 16);
}

size_t pln_vec_scratch_bytes(const struct pln_vec_program *program, int64_t block, int64_t row)
{
    size_t floats = (size_t)program->n_regs * PLN_VEC_SPLAT + program->n_slots * run_floats(block) +
                    program->n_row_slots * run_floats(row);
    return floats * sizeof(float);
}

void pln_vec_set_splat(struct pln_vec_frame *frame, unsigned reg, float value)
{
    float *splat = frame->write[reg];
    for (int i = 0; i < PLN_VEC_SPLAT; i++) splat[i] = value;
}

void pln_vec_bind(const struct pln_vec_program *program, const struct pln_vec_isa *isa, int64_t block, int64_t row,
                  void *scratch, struct pln_vec_frame *out_frame)
{
    struct pln_vec_frame *frame = out_frame;
    float *splats = scratch, *blocks = splats + (size_t)program->n_regs * PLN_VEC_SPLAT;
    float *rows = blocks + program->n_slots * run_floats(block);
    frame->program = program;
    frame->isa = isa;
    frame->rows = 1;
    memset(frame->same, 0, sizeof frame->same);
    for (unsigned reg = 0; reg < program->n_regs; reg++) {
        uint8_t slot = program->slot[reg];
        frame->write[reg] = splats + (size_t)reg * PLN_VEC_SPLAT;
        if (slot != PLN_VEC_NO_SLOT && program->row[reg])
            frame->write[reg] = rows + slot * run_floats(row);
        else if (slot != PLN_VEC_NO_SLOT)
            frame->write[reg] = blocks + slot * run_floats(block);
        frame->read[reg] = frame->write[reg];
        frame->step[reg] = slot != PLN_VEC_NO_SLOT;
    }
    for (int i = 0; i < program->n_instrs; i++) {
        const struct pln_rowprog_instr *instr = &program->instrs[i];
        frame->same[instr->dst] = instr->code == PLN_ROWPROG_CONST;
        if (instr->code == PLN_ROWPROG_CONST) pln_vec_set_splat(frame, instr->dst, (float)instr->imm);
    }
}

static float start_of(unsigned kind)
{
    return kind == PLN_REDUCE_MAX ? -INFINITY : kind == PLN_REDUCE_MIN ? INFINITY : 0.0f;
}

/* total and n floats more. */
static double reduce_more(const struct pln_vec_isa *isa, unsigned kind, double total, const float *x, int64_t n)
{
    switch ((enum pln_reduce)kind) {
    case PLN_REDUCE_MAX: {
        float y = isa->max(x, n);
        return isnan(total) || total > y ? total : y;
    }
    case PLN_REDUCE_MIN: {
        float y = isa->min(x, n);
        return isnan(total) || total < y ? total : y;
    }
    case PLN_REDUCE_SUM_SQUARE:
    case PLN_REDUCE_L2: return total + isa->sum_square(x, n, 0.0f);
    case PLN_REDUCE_SUM:
    case PLN_REDUCE_MEAN:
    case PLN_REDUCE_L1:
    case PLN_REDUCE_PROD:
    case PLN_REDUCE_LOG_SUM:
    case PLN_REDUCE_LOG_SUM_EXP:
    case PLN_REDUCE_NONE:
    case PLN_REDUCE_COUNT: break;
    }
    return total + isa->sum(x, n);
}

/* One value, which counts n times: rare, so it is spread out. */
static double reduce_value(const struct pln_vec_isa *isa, unsigned kind, double total, float value, int64_t n)
{
    float spread[PLN_VEC_SPLAT];
    for (int i = 0; i < PLN_VEC_SPLAT; i++) spread[i] = value;
    for (; n > 0; n -= PLN_VEC_SPLAT) total = reduce_more(isa, kind, total, spread, PLN_MIN(n, PLN_VEC_SPLAT));
    return total;
}

static float reduced(unsigned kind, double total, int64_t n)
{
    if (kind == PLN_REDUCE_MEAN) total /= (double)n;
    if (kind == PLN_REDUCE_L2) total = sqrt(total);
    return (float)total;
}

static void reduce(struct pln_vec_frame *frame, int i, int64_t at, int64_t n)
{
    const struct pln_rowprog_instr *instr = &frame->program->instrs[i];
    unsigned reg = instr->src[0];
    if (at == 0) frame->total[i] = start_of(instr->kind);
    if (n == 0) return;
    const float *x = frame->read[reg] + (frame->program->row[reg] ? at : 0);
    if (frame->step[reg] == 0) frame->total[i] = reduce_value(frame->isa, instr->kind, frame->total[i], *x, n);
    else frame->total[i] = reduce_more(frame->isa, instr->kind, frame->total[i], x, n);
}

static void reduce_rows(struct pln_vec_frame *frame, const struct pln_rowprog_instr *instr, int64_t cols)
{
    unsigned reg = instr->src[0], kind = instr->kind;
    const float *x = frame->read[reg];
    for (int64_t row = 0; row < frame->rows; row++) {
        double total = start_of(kind);
        if (frame->step[reg] == 0) total = reduce_value(frame->isa, kind, total, x[row], cols);
        else if (cols > 0) total = reduce_more(frame->isa, kind, total, x + row * cols, cols);
        frame->write[instr->dst][row] = reduced(kind, total, cols);
    }
}

/* A value a row as a run of rows. */
static const float *spread_rows(const float *values, int64_t rows, int64_t cols, float *to)
{
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < cols; i++) to[row * cols + i] = values[row];
    return to;
}

static void run_ew(struct pln_vec_frame *frame, const struct pln_rowprog_instr *instr, int64_t at, int64_t n)
{
    const struct pln_vec_program *program = frame->program;
    struct pln_vec_args args = { .alpha = instr->alpha, .beta = instr->beta };
    unsigned dst = instr->dst;
    const bool splat = program->splat[dst];
    for (int s = 0; s < 3; s++) {
        unsigned reg = instr->src[s];
        if (reg == NO_REG) {
            args.src[s] = s == 1 ? below_all : above_all;
            args.step[s] = splat;
            continue;
        }
        args.src[s] = frame->read[reg] + (program->row[reg] ? at : 0);
        args.step[s] = splat || frame->step[reg] != 0;
        if (frame->rows == 1 || args.step[s] != 0 || frame->same[reg]) continue;
        args.src[s] = spread_rows(args.src[s], frame->rows, n / frame->rows, frame->spread + s * n);
        args.step[s] = 1;
    }
    args.dst = frame->write[dst] + (program->row[dst] ? at : 0);
    args.n = splat ? PLN_VEC_SPLAT : n;
    frame->isa->ew[instr->kind](&args);
}

void pln_vec_run(struct pln_vec_frame *frame, unsigned pass, int64_t at, int64_t n)
{
    const struct pln_vec_program *program = frame->program;
    for (int i = 0; i < program->n_instrs; i++) {
        const struct pln_rowprog_instr *instr = &program->instrs[i];
        if (instr->pass != pass || instr->code == PLN_ROWPROG_CONST) continue;
        if (instr->code == PLN_ROWPROG_EW)
            run_ew(frame, instr, at, n);
        else if (frame->rows > 1)
            reduce_rows(frame, instr, n / frame->rows);
        else
            reduce(frame, i, at, n);
    }
}

void pln_vec_end_pass(struct pln_vec_frame *frame, unsigned pass, int64_t n_row)
{
    const struct pln_vec_program *program = frame->program;
    for (int i = 0; i < program->n_instrs; i++) {
        const struct pln_rowprog_instr *instr = &program->instrs[i];
        if (instr->pass != pass || instr->code != PLN_ROWPROG_REDUCE) continue;
        pln_vec_set_splat(frame, instr->dst, reduced(instr->kind, frame->total[i], n_row));
    }
}
