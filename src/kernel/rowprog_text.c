/* The serialized and the printed form of row programs. */
#include "kernel/rowprog.h"

enum { HEADER_BYTES = 8, INSTR_BYTES = 24 };

static void put_operands(const struct pln_rowprog *program, const struct pln_rowprog_operand *operands, int n, struct pln_text *out)
{
    for (int i = 0; i < n; i++) {
        unsigned char bytes[3 + PLN_MAX_RANK] = { operands[i].dtype, operands[i].reg, operands[i].rank };
        for (int k = 0; k < program->rank; k++) bytes[3 + k] = (unsigned char)operands[i].axis[k];
        pln_text_append(out, (const char *)bytes, 3u + program->rank);
    }
}

static void put_little(unsigned char *bytes, uint64_t value, int n)
{
    for (int i = 0; i < n; i++) bytes[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_little(const unsigned char *bytes, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void put_instr(const struct pln_rowprog_instr *instr, struct pln_text *out)
{
    unsigned char bytes[INSTR_BYTES] = { instr->code, instr->kind,   instr->dtype,  instr->pass,
                                         instr->dst,  instr->src[0], instr->src[1], instr->src[2] };
    uint32_t alpha, beta;
    uint64_t imm;
    memcpy(&alpha, &instr->alpha, 4);
    memcpy(&beta, &instr->beta, 4);
    memcpy(&imm, &instr->imm, 8);
    put_little(bytes + 8, alpha, 4);
    put_little(bytes + 12, beta, 4);
    put_little(bytes + 16, imm, 8);
    pln_text_append(out, (const char *)bytes, sizeof(bytes));
}

void pln_rowprog_write(const struct pln_rowprog *program, struct pln_text *out)
{
    unsigned char header[HEADER_BYTES] = { 0, 0, program->rank, program->n_inputs, program->n_outputs, program->n_instrs,
                                           program->n_regs, program->n_passes };
    put_little(header, program->version, 2);
    pln_text_append(out, (const char *)header, sizeof(header));
    put_operands(program, program->inputs, program->n_inputs, out);
    put_operands(program, program->outputs, program->n_outputs, out);
    for (int i = 0; i < program->n_instrs; i++) put_instr(&program->instrs[i], out);
}

static const unsigned char *get_operands(const struct pln_rowprog *program, const unsigned char *bytes, int n,
                                         struct pln_rowprog_operand *out_operands)
{
    for (int i = 0; i < n; i++, bytes += 3 + program->rank) {
        struct pln_rowprog_operand *operand = &out_operands[i];
        operand->dtype = bytes[0];
        operand->reg = bytes[1];
        operand->rank = bytes[2];
        for (int k = 0; k < program->rank; k++) operand->axis[k] = (int8_t)bytes[3 + k];
        for (int k = program->rank; k < PLN_MAX_RANK; k++) operand->axis[k] = -1;
    }
    return bytes;
}

static void get_instr(const unsigned char *bytes, struct pln_rowprog_instr *instr)
{
    instr->code = bytes[0];
    instr->kind = bytes[1];
    instr->dtype = bytes[2];
    instr->pass = bytes[3];
    instr->dst = bytes[4];
    memcpy(instr->src, bytes + 5, 3);
    uint32_t alpha = (uint32_t)get_little(bytes + 8, 4), beta = (uint32_t)get_little(bytes + 12, 4);
    uint64_t imm = get_little(bytes + 16, 8);
    memcpy(&instr->alpha, &alpha, 4);
    memcpy(&instr->beta, &beta, 4);
    memcpy(&instr->imm, &imm, 8);
}

enum pln_status pln_rowprog_read(const void *data, size_t size_bytes, struct pln_diag *diag, struct pln_rowprog *out_program)
{
    memset(out_program, 0, sizeof(*out_program));
    const unsigned char *bytes = data;
    if (size_bytes < HEADER_BYTES) return pln_fail(diag, PLN_BAD_PLAN, "row program: %zu bytes are too few", size_bytes);
    struct pln_rowprog program;
    memset(&program, 0, sizeof(program));
    program.version = (uint16_t)get_little(bytes, 2);
    if (program.version != PLN_ROWPROG_VERSION) {
        return pln_fail(diag, PLN_INCOMPATIBLE, "row program: of version %u, this Planish reads version %d; build the plan again from the model", program.version,
                        PLN_ROWPROG_VERSION);
    }
    program.rank = bytes[2];
    program.n_inputs = bytes[3];
    program.n_outputs = bytes[4];
    program.n_instrs = bytes[5];
    program.n_regs = bytes[6];
    program.n_passes = bytes[7];
    if (program.rank > PLN_MAX_RANK || program.n_inputs > PLN_ROWPROG_MAX_OPERANDS ||
        program.n_outputs > PLN_ROWPROG_MAX_OPERANDS || program.n_instrs > PLN_ROWPROG_MAX_INSTRS)
        return pln_fail(diag, PLN_BAD_PLAN, "row program: counts are out of range");
    size_t want = HEADER_BYTES + ((size_t)program.n_inputs + program.n_outputs) * (3u + program.rank) +
                  (size_t)program.n_instrs * INSTR_BYTES;
    if (size_bytes != want) return pln_fail(diag, PLN_BAD_PLAN, "row program: %zu bytes instead of %zu", size_bytes, want);
    bytes = get_operands(&program, bytes + HEADER_BYTES, program.n_inputs, program.inputs);
    bytes = get_operands(&program, bytes, program.n_outputs, program.outputs);
    for (int i = 0; i < program.n_instrs; i++, bytes += INSTR_BYTES) get_instr(bytes, &program.instrs[i]);
    const char *why = pln_rowprog_verify(&program);
    if (why) return pln_fail(diag, PLN_BAD_PLAN, "row program: %s", why);
    *out_program = program;
    return PLN_OK;
}

/* Inputs print as x0, x1, …, other registers as r<number>. */
static void print_reg(const struct pln_rowprog *program, unsigned reg, struct pln_text *out)
{
    for (int i = 0; i < program->n_inputs; i++) {
        if (program->inputs[i].reg != reg) continue;
        pln_text_printf(out, "x%d", i);
        return;
    }
    pln_text_printf(out, "r%u", reg);
}

static const char *reduce_name(unsigned kind)
{
#define X(ENUM, text, onnx) \
    if (kind == PLN_REDUCE_##ENUM) return #text;
    PLN_REDUCE_LIST(X)
#undef X
    return "?";
}

static void print_instr(const struct pln_rowprog *program, const struct pln_rowprog_instr *instr, struct pln_text *out)
{
    print_reg(program, instr->dst, out);
    if (instr->code == PLN_ROWPROG_CONST) {
        pln_text_printf(out, ":%s = %.9g", pln_dtype_name((enum pln_dtype)instr->dtype), instr->imm);
        return;
    }
    const struct pln_ew_info *info = pln_ew_get(instr->kind);
    bool reduce = instr->code == PLN_ROWPROG_REDUCE;
    pln_text_printf(out, ":%s = %s%s(", pln_dtype_name((enum pln_dtype)instr->dtype), reduce ? "row_" : "",
                    reduce ? reduce_name(instr->kind) : info ? info->name : "?");
    int n = reduce || !info ? 1 : info->n_inputs;
    for (int s = 0; s < n; s++) {
        if (s) pln_text_puts(out, ", ");
        if (instr->src[s] == 255) pln_text_puts(out, "_");
        else print_reg(program, instr->src[s], out);
    }
    if (instr->alpha != 0.0f || instr->beta != 0.0f)
        pln_text_printf(out, "; %.9g, %.9g", (double)instr->alpha, (double)instr->beta);
    pln_text_puts(out, ")");
}

void pln_rowprog_print(const struct pln_rowprog *program, struct pln_text *out)
{
    unsigned pass = 0;
    for (int i = 0; i < program->n_instrs; i++) {
        if (i) pln_text_puts(out, program->instrs[i].pass != pass ? " | " : "; ");
        pass = program->instrs[i].pass;
        print_instr(program, &program->instrs[i], out);
    }
    pln_text_puts(out, " ->");
    for (int o = 0; o < program->n_outputs; o++) {
        pln_text_puts(out, o ? ", " : " ");
        print_reg(program, program->outputs[o].reg, out);
    }
}
