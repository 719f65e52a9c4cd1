/* Row programs: what makes one sound, and the extents that it runs over. */
#include "kernel/rowprog.h"

enum { NO_REG = 255 };

/* What is known of each register while the instructions are walked. */
struct regs {
    bool defined[PLN_ROWPROG_MAX_REGS];
    bool scalar[PLN_ROWPROG_MAX_REGS]; /* one value a row */
    uint8_t dtype[PLN_ROWPROG_MAX_REGS];
    uint8_t ready[PLN_ROWPROG_MAX_REGS]; /* the first pass that may read it */
};

/* Whole bytes, real: what can be walked by strides and held in a double or an int64. */
static bool operand_dtype(unsigned dtype)
{
    if (dtype == PLN_DTYPE_NONE || dtype >= PLN_DTYPE_COUNT || dtype == PLN_STR) return false;
    return pln_dtype_bits((enum pln_dtype)dtype) >= 8 && !pln_dtype_is_complex((enum pln_dtype)dtype);
}

static const char *check_axes(const struct pln_rowprog *program, const struct pln_rowprog_operand *operand)
{
    if (operand->rank > PLN_MAX_RANK) return "an operand's rank is too large";
    uint32_t seen = 0;
    for (int i = 0; i < program->rank; i++) {
        int dim = operand->axis[i];
        if (dim < -1 || dim >= operand->rank) return "an operand's axis map names a dim that it does not have";
        if (dim < 0) continue;
        if (seen & (1u << dim)) return "an operand's axis map names a dim twice";
        seen |= 1u << dim;
    }
    return NULL;
}

static const char *define(const struct pln_rowprog *program, struct regs *regs, unsigned reg, unsigned dtype, bool scalar, unsigned ready)
{
    if (reg >= program->n_regs) return "a register's number is out of range";
    if (regs->defined[reg]) return "a register is written twice";
    regs->defined[reg] = true;
    regs->scalar[reg] = scalar;
    regs->dtype[reg] = (uint8_t)dtype;
    regs->ready[reg] = (uint8_t)ready;
    return NULL;
}

static const char *check_inputs(const struct pln_rowprog *program, struct regs *regs)
{
    for (int i = 0; i < program->n_inputs; i++) {
        const struct pln_rowprog_operand *input = &program->inputs[i];
        if (!operand_dtype(input->dtype)) return "an input's element type cannot be in a row program";
        const char *why = check_axes(program, input);
        if (!why) why = define(program, regs, input->reg, input->dtype, input->axis[program->rank - 1] < 0, 0);
        if (why) return why;
    }
    return NULL;
}

static const char *check_source(const struct pln_rowprog *program, const struct regs *regs, unsigned reg, unsigned pass)
{
    if (reg >= program->n_regs || !regs->defined[reg]) return "a register is read before it is written";
    return regs->ready[reg] > pass ? "a reduction's result is read in its own pass" : NULL;
}

static bool float_or_wide(unsigned dtype)
{
    return dtype == PLN_F16 || dtype == PLN_BF16 || dtype == PLN_F32 || dtype == PLN_F64;
}

static const char *check_ew_result(enum pln_ew_class cls, unsigned dtype)
{
    enum pln_dtype type = (enum pln_dtype)dtype;
    switch (cls) {
    case PLN_EW_CLASS_F: return float_or_wide(dtype) ? NULL : "a function of floats gives another type";
    case PLN_EW_CLASS_N:
        return float_or_wide(dtype) || pln_dtype_is_integer(type) ? NULL : "a function of numbers gives another type";
    case PLN_EW_CLASS_I: return pln_dtype_is_integer(type) ? NULL : "a function of integers gives another type";
    case PLN_EW_CLASS_B:
    case PLN_EW_CLASS_C:
    case PLN_EW_CLASS_P: return type == PLN_BOOL ? NULL : "a function whose result is bool gives another type";
    case PLN_EW_CLASS_S: return NULL;
    }
    return "no such class";
}

/* May source number s have this type? `first` is that of source 0. */
static bool ew_source_fits(unsigned kind, enum pln_ew_class cls, int s, unsigned dtype, unsigned first, unsigned result)
{
    switch (cls) {
    case PLN_EW_CLASS_F:
    case PLN_EW_CLASS_I:
    case PLN_EW_CLASS_B: return dtype == result;
    case PLN_EW_CLASS_N: return dtype == result || (kind == PLN_EW_POW && s == 1 && dtype != PLN_BOOL);
    case PLN_EW_CLASS_C: return dtype == first;
    case PLN_EW_CLASS_P: return float_or_wide(dtype);
    case PLN_EW_CLASS_S: return dtype == (s == 0 ? (unsigned)PLN_BOOL : result);
    }
    return false;
}

static const char *check_ew(const struct pln_rowprog *program, struct regs *regs, const struct pln_rowprog_instr *instr)
{
    const struct pln_ew_info *info = pln_ew_get(instr->kind);
    if (!info) return "no such elementwise function";
    bool cast = instr->kind == PLN_EW_IDENTITY;
    const char *why = cast ? NULL : check_ew_result(info->cls, instr->dtype);
    if (why) return why;
    bool scalar = true;
    for (int s = 0; s < 3; s++) {
        unsigned reg = instr->src[s];
        bool optional = instr->kind == PLN_EW_CLIP && s > 0;
        if (reg == NO_REG && (s >= info->n_inputs || optional)) continue;
        if (s >= info->n_inputs) return "an instruction has too many sources";
        why = check_source(program, regs, reg, instr->pass);
        if (why) return why;
        unsigned first = regs->dtype[instr->src[0]];
        if (!cast && !ew_source_fits(instr->kind, info->cls, s, regs->dtype[reg], first, instr->dtype))
            return "a source has another type than the instruction";
        scalar = scalar && regs->scalar[reg];
    }
    return define(program, regs, instr->dst, instr->dtype, scalar, instr->pass);
}

static const char *check_instr(const struct pln_rowprog *program, struct regs *regs, const struct pln_rowprog_instr *instr)
{
    if (!operand_dtype(instr->dtype)) return "an instruction's type cannot be in a row program";
    switch ((enum pln_rowprog_code)instr->code) {
    case PLN_ROWPROG_EW: return check_ew(program, regs, instr);
    case PLN_ROWPROG_CONST: return define(program, regs, instr->dst, instr->dtype, true, instr->pass);
    case PLN_ROWPROG_REDUCE: {
        if (instr->kind == PLN_REDUCE_NONE || instr->kind >= PLN_REDUCE_COUNT) return "no such reduction";
        const char *why = check_source(program, regs, instr->src[0], instr->pass);
        if (why) return why;
        if (regs->dtype[instr->src[0]] != instr->dtype) return "a reduction gives another type than its source's";
        return define(program, regs, instr->dst, instr->dtype, true, instr->pass + 1u);
    }
    }
    return "no such instruction";
}

static const char *check_outputs(const struct pln_rowprog *program, const struct regs *regs)
{
    for (int o = 0; o < program->n_outputs; o++) {
        const struct pln_rowprog_operand *output = &program->outputs[o];
        const char *why = check_axes(program, output);
        if (why) return why;
        for (int i = 0; i < program->rank - 1; i++)
            if (output->axis[i] < 0) return "an output does not walk an outer axis";
        if (output->reg >= program->n_regs || !regs->defined[output->reg]) return "an output's register is never written";
        if (output->dtype != regs->dtype[output->reg]) return "an output's type is not its register's";
        if (output->axis[program->rank - 1] < 0 && !regs->scalar[output->reg])
            return "an output without the row axis stores a register that varies along the row";
    }
    return NULL;
}

const char *pln_rowprog_verify(const struct pln_rowprog *program)
{
    if (program->version != PLN_ROWPROG_VERSION) return "of another version";
    if (program->rank < 1 || program->rank > PLN_MAX_RANK) return "the rank is out of range";
    if (program->n_inputs > PLN_ROWPROG_MAX_OPERANDS || program->n_outputs > PLN_ROWPROG_MAX_OPERANDS || program->n_outputs == 0)
        return "the number of operands is out of range";
    if (program->n_instrs > PLN_ROWPROG_MAX_INSTRS || program->n_regs > PLN_ROWPROG_MAX_REGS)
        return "too many instructions or registers";
    if (program->n_passes < 1 || program->n_passes > PLN_ROWPROG_MAX_INSTRS) return "the number of passes is out of range";
    struct regs regs;
    memset(&regs, 0, sizeof(regs));
    const char *why = check_inputs(program, &regs);
    unsigned pass = 0;
    for (int i = 0; !why && i < program->n_instrs; i++) {
        const struct pln_rowprog_instr *instr = &program->instrs[i];
        if (instr->pass < pass || instr->pass >= program->n_passes) return "the passes are out of order";
        pass = instr->pass;
        why = check_instr(program, &regs, instr);
    }
    return why ? why : check_outputs(program, &regs);
}

bool pln_rowprog_extents(const struct pln_rowprog *program, const struct pln_tensor *const *inputs, int64_t *out_extents)
{
    for (int i = 0; i < program->rank; i++) out_extents[i] = 1;
    for (int k = 0; k < program->n_inputs; k++) {
        const struct pln_rowprog_operand *operand = &program->inputs[k];
        if (!inputs[k] || inputs[k]->rank != operand->rank) return false;
        for (int i = 0; i < program->rank; i++) {
            int64_t extent = operand->axis[i] < 0 ? 1 : inputs[k]->dims[operand->axis[i]];
            if (extent == 1 || extent == out_extents[i]) continue;
            if (out_extents[i] != 1) return false;
            out_extents[i] = extent;
        }
    }
    int64_t count = 0;
    return pln_shape_count(program->rank, out_extents, &count);
}
