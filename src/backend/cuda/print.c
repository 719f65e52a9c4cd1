/* Row programs as CUDA C, and their operands for a launch. */
#include "backend/cuda/print.h"

#include <math.h>

#include "tensor/attrs.h"
#include "tensor/convert.h"

enum { NO_REG = 255 };

/* ---- types ---- */

const char *pln_cuda_value_type(enum pln_dtype dtype)
{
    if (dtype == PLN_F16 || dtype == PLN_BF16 || dtype == PLN_F32) return "float";
    if (dtype == PLN_F64) return "double";
    return dtype == PLN_BOOL ? "bool" : pln_cuda_type(dtype);
}

static bool is_float(enum pln_dtype dtype)
{
    return dtype == PLN_F16 || dtype == PLN_BF16 || dtype == PLN_F32 || dtype == PLN_F64;
}

const char *pln_cuda_program_supports(const struct pln_rowprog *program)
{
    static const char why[] = "a row program has an element type that device code does not compute with";
    if (program->rank > PLN_CUDA_MAX_RANK) return "a row program has more than 8 axes";
    for (int i = 0; i < program->n_inputs; i++)
        if (!pln_cuda_type((enum pln_dtype)program->inputs[i].dtype)) return why;
    for (int i = 0; i < program->n_instrs; i++)
        if (!pln_cuda_type((enum pln_dtype)program->instrs[i].dtype)) return why;
    return NULL;
}

void pln_cuda_program_types(const struct pln_rowprog *program, enum pln_dtype out_types[PLN_ROWPROG_MAX_REGS])
{
    for (int r = 0; r < PLN_ROWPROG_MAX_REGS; r++) out_types[r] = PLN_DTYPE_NONE;
    for (int i = 0; i < program->n_inputs; i++) out_types[program->inputs[i].reg] = (enum pln_dtype)program->inputs[i].dtype;
    for (int i = 0; i < program->n_instrs; i++) out_types[program->instrs[i].dst] = (enum pln_dtype)program->instrs[i].dtype;
}

/* ---- expressions ---- */

void pln_cuda_print_constant(enum pln_dtype dtype, double value, struct pln_text *out)
{
    uint64_t bits = 0;
    pln_store_f64(dtype, &bits, 0, value, false);
    if (!is_float(dtype)) {
        if (dtype == PLN_BOOL) pln_text_puts(out, bits ? "true" : "false");
        else pln_text_printf(out, "(%s)0x%llxull", pln_cuda_type(dtype), (unsigned long long)pln_load_i64(dtype, &bits, 0));
        return;
    }
    const double rounded = pln_load_f64(dtype, &bits, 0);
    const char *type = dtype == PLN_F64 ? "double" : "float";
    if (isnan(rounded)) pln_text_printf(out, "(%s)PLN_NAN", type);
    else if (isinf(rounded)) pln_text_printf(out, "(%s)%sPLN_INFINITY", type, rounded < 0 ? "-" : "");
    else if (dtype == PLN_F64) pln_text_f64(out, rounded);
    else {
        pln_text_f32(out, (float)rounded);
        pln_text_putc(out, 'f');
    }
}

/* A function has parameters if its alpha has a default: see pln_ew_parameters. */
static bool has_parameters(unsigned kind)
{
    const struct pln_attrs none = { 0 };
    float alpha, beta;
    pln_ew_parameters(kind, &none, &alpha, &beta);
    return alpha != 0.0f;
}

/* Bounds of Clip that are left out: s 1 the lower, 2 the upper. */
static void print_bound(enum pln_dtype domain, int s, struct pln_text *out)
{
    if (is_float(domain)) pln_text_puts(out, s == 1 ? "-PLN_INFINITY" : "PLN_INFINITY");
    else if (pln_dtype_is_signed(domain)) pln_text_puts(out, s == 1 ? "PLN_I64_MIN" : "PLN_I64_MAX");
    else pln_text_puts(out, s == 1 ? "0" : "~0ull");
}

/* NAME((W)r1, (W)r2, alpha, beta) */
static void print_call(const char *prefix, const char *wide, enum pln_dtype domain, const struct pln_rowprog_instr *instr, struct pln_text *out)
{
    const struct pln_ew_info *info = pln_ew_get(instr->kind);
    pln_text_printf(out, "%s%s(", prefix, info->name);
    for (int s = 0; s < info->n_inputs; s++) {
        pln_text_printf(out, "%s(%s)", s ? ", " : "", wide);
        if (instr->src[s] == NO_REG) print_bound(domain, s, out);
        else pln_text_printf(out, "r%d", instr->src[s]);
    }
    if (has_parameters(instr->kind)) {
        pln_text_puts(out, ", ");
        pln_cuda_print_constant(PLN_F32, (double)instr->alpha, out);
        pln_text_puts(out, ", ");
        pln_cuda_print_constant(PLN_F32, (double)instr->beta, out);
    }
    pln_text_putc(out, ')');
}

/* Of floats, or of integers to a float's power, which are truncated. The exponent may have a type of its own, and need not fit into a float. */
static void print_pow(const struct pln_rowprog_instr *instr, const enum pln_dtype *types, struct pln_text *out)
{
    const enum pln_dtype base = types[instr->src[0]], exponent = types[instr->src[1]];
    const bool narrow = exponent != PLN_F64 && (is_float(exponent) || pln_dtype_bits(exponent) <= 16);
    pln_text_printf(out, "pln_cast<%s>::of(", pln_cuda_type(instr->dtype));
    print_call(is_float(base) ? "pln_ew_" : "pln_whole_", is_float(base) && base != PLN_F64 && narrow ? "float" : "double", base, instr, out);
    pln_text_putc(out, ')');
}

static void print_float(const struct pln_rowprog_instr *instr, enum pln_dtype domain, struct pln_text *out)
{
    const enum pln_dtype result = (enum pln_dtype)instr->dtype;
    const bool rounded = result == PLN_F16 || result == PLN_BF16;
    if (rounded) pln_text_printf(out, "pln_round_%s(", pln_cuda_type(result));
    print_call("pln_ew_", domain == PLN_F64 ? "double" : "float", domain, instr, out);
    if (rounded) pln_text_putc(out, ')');
}

static void print_function(const struct pln_rowprog_instr *instr, const enum pln_dtype *types, struct pln_text *out)
{
    const enum pln_dtype domain = types[instr->src[0]];
    if (instr->kind == PLN_EW_IDENTITY) {
        pln_text_printf(out, "pln_cast<%s>::of(r%d)", pln_cuda_type((enum pln_dtype)instr->dtype), instr->src[0]);
    } else if (instr->kind == PLN_EW_WHERE) {
        pln_text_printf(out, "r%d ? r%d : r%d", instr->src[0], instr->src[1], instr->src[2]);
    } else if (instr->kind == PLN_EW_POW && (is_float(domain) || is_float(types[instr->src[1]]))) {
        print_pow(instr, types, out);
    } else if (is_float(domain)) {
        print_float(instr, domain, out);
    } else {
        pln_text_printf(out, "(%s)", pln_cuda_value_type((enum pln_dtype)instr->dtype));
        print_call("pln_int_", pln_dtype_is_signed(domain) ? "i64" : "u64", domain, instr, out);
    }
}

void pln_cuda_print_expression(const struct pln_rowprog_instr *instr, const enum pln_dtype *types, struct pln_text *out)
{
    if (instr->code == PLN_ROWPROG_CONST) pln_cuda_print_constant((enum pln_dtype)instr->dtype, instr->imm, out);
    else print_function(instr, types, out);
}

/* ---- epilogues ---- */

/* The element of operand number `number` at the coordinates. */
static void print_element(const struct pln_rowprog *program, const struct pln_rowprog_operand *operand, bool constant, int number, struct pln_text *out)
{
    pln_text_printf(out, "((%s%s *)operands[%d].data)[0", constant ? "const " : "", pln_cuda_type((enum pln_dtype)operand->dtype), number);
    for (int i = 0; i < program->rank; i++)
        if (operand->axis[i] >= 0) pln_text_printf(out, " + index[%d] * operands[%d].strides[%d]", i, number, i);
    pln_text_putc(out, ']');
}

enum pln_status pln_cuda_print_epilogue(const struct pln_rowprog *program, const char *name, struct pln_diag *diag, struct pln_text *out)
{
    const char *why = pln_cuda_program_supports(program);
    for (int i = 0; i < program->n_instrs && !why; i++)
        if (program->instrs[i].code == PLN_ROWPROG_REDUCE) why = "an epilogue cannot reduce";
    if (program->n_inputs < 1) why = "an epilogue takes the accumulator";
    if (why) return pln_fail(diag, PLN_BAD_PLAN, "%s", why);
    enum pln_dtype types[PLN_ROWPROG_MAX_REGS];
    pln_cuda_program_types(program, types);
    const enum pln_dtype first = (enum pln_dtype)program->inputs[0].dtype;
    pln_text_printf(out, "#include \"backend/cuda/device/elementwise.cuh\"\n\nstatic __device__ __forceinline__ void %s(const struct pln_cuda_operand *operands, const int64_t *index, %s x0)\n{\n",
                    name, pln_cuda_value_type(first));
    pln_text_printf(out, "    const %s r%d = pln_cast<%s>::of(x0);\n", pln_cuda_value_type(first), program->inputs[0].reg, pln_cuda_type(first));
    for (int i = 1; i < program->n_inputs; i++) {
        const struct pln_rowprog_operand *input = &program->inputs[i];
        pln_text_printf(out, "    const %s r%d = pln_value(", pln_cuda_value_type((enum pln_dtype)input->dtype), input->reg);
        print_element(program, input, true, i, out);
        pln_text_puts(out, ");\n");
    }
    for (int i = 0; i < program->n_instrs; i++) {
        const struct pln_rowprog_instr *instr = &program->instrs[i];
        pln_text_printf(out, "    const %s r%d = ", pln_cuda_value_type((enum pln_dtype)instr->dtype), instr->dst);
        pln_cuda_print_expression(instr, types, out);
        pln_text_puts(out, ";\n");
    }
    for (int o = 0; o < program->n_outputs; o++) {
        pln_text_puts(out, "    pln_store(&");
        print_element(program, &program->outputs[o], false, program->n_inputs + o, out);
        pln_text_printf(out, ", r%d);\n", program->outputs[o].reg);
    }
    pln_text_puts(out, "}\n");
    return PLN_OK;
}

/* ---- operands of a launch ---- */

static enum pln_status fill_operand(const char *what, const struct pln_rowprog *program, int number, const struct pln_tensor *tensor, const int64_t *extents, struct pln_diag *diag,
                                    struct pln_cuda_operand *out)
{
    const bool is_output = number >= program->n_inputs;
    const struct pln_rowprog_operand *operand = is_output ? &program->outputs[number - program->n_inputs] : &program->inputs[number];
    if (tensor->dtype != (enum pln_dtype)operand->dtype || tensor->rank != operand->rank)
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: operand %d of the program has another type or rank than it says", what, number);
    bool walked[PLN_MAX_RANK] = { false };
    *out = (struct pln_cuda_operand){ .data = (uint64_t)(uintptr_t)tensor->data };
    for (int i = 0; i < program->rank; i++) {
        const int dim = operand->axis[i];
        if (dim < 0) continue;
        const int64_t extent = tensor->dims[dim];
        walked[dim] = true;
        if (extent != extents[i] && (is_output || extent != 1)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: operand %d does not fit the program's extents", what, number);
        out->strides[i] = extent == 1 ? 0 : tensor->strides[dim];
    }
    for (int d = 0; d < tensor->rank; d++)
        if (!walked[d] && tensor->dims[d] != 1) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: operand %d of the program has a dim that is not walked", what, number);
    return PLN_OK;
}

enum pln_status pln_cuda_fill_operands(const char *what, const struct pln_rowprog *program, const struct pln_tensor *const *inputs, const struct pln_tensor *outputs, int from_first,
                                       struct pln_diag *diag, struct pln_cuda_operand *out_operands, int64_t *out_extents)
{
    const struct pln_tensor *list[PLN_ROWPROG_MAX_OPERANDS];
    const char *why = pln_cuda_program_supports(program);
    if (why) return pln_fail(diag, PLN_BAD_PLAN, "%s: %s", what, why);
    for (int i = 0; i < program->n_inputs; i++) list[i] = i < from_first ? &outputs[0] : inputs[i];
    if (!pln_rowprog_extents(program, list, out_extents)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the shapes of the program's inputs do not fit together", what);
    for (int i = from_first; i < program->n_inputs; i++) PLN_TRY(fill_operand(what, program, i, inputs[i], out_extents, diag, &out_operands[i]));
    for (int i = 0; i < from_first; i++) out_operands[i] = (struct pln_cuda_operand){ .data = 0 };
    for (int o = 0; o < program->n_outputs; o++) PLN_TRY(fill_operand(what, program, program->n_inputs + o, &outputs[o], out_extents, diag, &out_operands[program->n_inputs + o]));
    return PLN_OK;
}
