/* Row programs: each instruction over a whole row (or a chunk of one, when nothing is reduced), rounded to its type. */
#include <math.h>

#include "backend/ref/epilogue.h"
#include "backend/ref/rows.h"
#include "tensor/small_float.h"

/* A register: doubles or 64-bit integers, n of them or one for the whole row. */
struct reg {
    union {
        double *f;
        int64_t *i;
    } u;
    enum pln_dtype dtype;
    bool scalar;
};

struct run {
    const struct pln_rowprog *program;
    const struct pln_tensor *const *inputs;
    const struct pln_tensor *outputs;
    int64_t extents[PLN_MAX_RANK];
    int64_t index[PLN_MAX_RANK]; /* of the row at hand; the last entry is where the chunk begins */
    struct reg regs[PLN_ROWPROG_MAX_REGS];
};

/* Offset of the row in an operand, and its step along the row: 0 when repeated. */
static int64_t operand_offset(const struct run *run, const struct pln_rowprog_operand *operand, const struct pln_tensor *tensor, int64_t *out_step)
{
    int64_t offset = 0;
    int last = run->program->rank - 1;
    for (int i = 0; i <= last; i++) {
        int dim = operand->axis[i];
        if (dim < 0 || (tensor->dims[dim] == 1 && run->extents[i] != 1)) continue;
        offset += run->index[i] * tensor->strides[dim];
    }
    int dim = operand->axis[last];
    *out_step = dim < 0 || tensor->dims[dim] == 1 ? 0 : tensor->strides[dim];
    return offset;
}

static void load_one(const struct pln_tensor *tensor, int64_t at, struct reg *reg, int64_t i)
{
    if (pln_ref_is_int(reg->dtype)) {
        pln_ref_load_i64(tensor->dtype, tensor->data, at, 1, &reg->u.i[i]);
        return;
    }
    pln_ref_load_f64(tensor->dtype, tensor->data, at, 1, &reg->u.f[i]);
    if (tensor->dtype != reg->dtype) reg->u.f[i] = pln_ref_round_f64(reg->dtype, reg->u.f[i]);
}

static void load_input(struct run *run, int k, int64_t n)
{
    const struct pln_rowprog_operand *operand = &run->program->inputs[k];
    const struct pln_tensor *tensor = run->inputs[k];
    struct reg *reg = &run->regs[operand->reg];
    int64_t step, offset = operand_offset(run, operand, tensor, &step);
    reg->dtype = (enum pln_dtype)operand->dtype;
    reg->scalar = step == 0;
    int64_t count = reg->scalar ? 1 : n;
    if (step == 1 && tensor->dtype == reg->dtype) {
        if (pln_ref_is_int(reg->dtype)) pln_ref_load_i64(reg->dtype, tensor->data, offset, count, reg->u.i);
        else pln_ref_load_f64(reg->dtype, tensor->data, offset, count, reg->u.f);
        return;
    }
    for (int64_t i = 0; i < count; i++) load_one(tensor, offset + i * step, reg, i);
}

static double source_f64(const struct run *run, unsigned src, int64_t i, double absent)
{
    if (src == 255) return absent;
    const struct reg *reg = &run->regs[src];
    if (reg->scalar) i = 0;
    if (!pln_ref_is_int(reg->dtype)) return reg->u.f[i];
    return reg->dtype == PLN_U64 ? (double)(uint64_t)reg->u.i[i] : (double)reg->u.i[i];
}

static int64_t source_i64(const struct run *run, unsigned src, int64_t i, int64_t absent)
{
    if (src == 255) return absent;
    const struct reg *reg = &run->regs[src];
    if (reg->scalar) i = 0;
    if (pln_ref_is_int(reg->dtype)) return reg->u.i[i];
    return pln_f64_to_i64(reg->u.f[i]);
}

static void put_f64(struct reg *to, int64_t i, double value)
{
    if (pln_ref_is_int(to->dtype)) to->u.i[i] = to->dtype == PLN_BOOL ? value != 0 : pln_ref_wrap_i64(to->dtype, pln_f64_to_i64(value));
    else to->u.f[i] = pln_ref_round_f64(to->dtype, value);
}

static void put_i64(struct reg *to, int64_t i, int64_t value)
{
    if (pln_ref_is_int(to->dtype)) to->u.i[i] = pln_ref_wrap_i64(to->dtype, value);
    else to->u.f[i] = pln_ref_round_f64(to->dtype, (double)value);
}

/* Casts follow ONNX Cast: to bool anything but zero is true; float to integer truncates. */
static void cast_one(const struct run *run, unsigned src, int64_t i, struct reg *to)
{
    const struct reg *from = &run->regs[src];
    if (!pln_ref_is_int(from->dtype) && to->dtype == PLN_BOOL) put_i64(to, i, source_f64(run, src, i, 0) != 0);
    else if (pln_ref_is_int(to->dtype)) put_i64(to, i, source_i64(run, src, i, 0));
    else put_f64(to, i, source_f64(run, src, i, 0));
}

static void run_ew(struct run *run, const struct pln_rowprog_instr *instr, int64_t n)
{
    struct reg *to = &run->regs[instr->dst];
    const uint8_t *src = instr->src;
    const struct pln_ew_info *info = pln_ew_get(instr->kind);
    enum pln_dtype domain = info->cls == PLN_EW_CLASS_S ? run->regs[src[1]].dtype : run->regs[src[0]].dtype;
    to->scalar = true;
    for (int s = 0; s < info->n_inputs; s++)
        if (src[s] != 255 && !run->regs[src[s]].scalar) to->scalar = false;
    bool mixed = instr->kind == PLN_EW_POW && !pln_ref_is_int(run->regs[src[1]].dtype);
    bool ints = pln_ref_is_int(domain) && !mixed && instr->kind != PLN_EW_SHRINK;
    bool u = !pln_dtype_is_signed(domain);
    int64_t count = to->scalar ? 1 : n;
    for (int64_t i = 0; i < count; i++) {
        if (instr->kind == PLN_EW_IDENTITY) {
            cast_one(run, src[0], i, to);
        } else if (ints) {
            int64_t low = u ? 0 : INT64_MIN, high = u ? -1 : INT64_MAX;
            put_i64(to, i, pln_ew_i64(instr->kind, source_i64(run, src[0], i, 0), source_i64(run, src[1], i, low), source_i64(run, src[2], i, high), u));
        } else {
            double inf = (double)INFINITY;
            put_f64(to, i, pln_ew_f64(instr->kind, source_f64(run, src[0], i, 0), source_f64(run, src[1], i, -inf), source_f64(run, src[2], i, inf),
                                      instr->alpha, instr->beta));
        }
    }
}

static void run_reduce(struct run *run, const struct pln_rowprog_instr *instr, int64_t n)
{
    struct reg *to = &run->regs[instr->dst], *from = &run->regs[instr->src[0]];
    /* A source that is one value for the row still counts n times. */
    if (from->scalar && n != 1) {
        for (int64_t i = 1; i < n; i++) from->u.i[i] = from->u.i[0];
        from->scalar = n == 0;
    }
    to->scalar = true;
    if (pln_ref_is_int(to->dtype)) put_i64(to, 0, pln_ref_reduce_i64(instr->kind, to->dtype, from->u.i, n));
    else put_f64(to, 0, pln_ref_reduce_f64(instr->kind, from->u.f, n));
}

static void run_instrs(struct run *run, int64_t n)
{
    for (int k = 0; k < run->program->n_instrs; k++) {
        const struct pln_rowprog_instr *instr = &run->program->instrs[k];
        struct reg *to = &run->regs[instr->dst];
        to->dtype = (enum pln_dtype)instr->dtype;
        switch ((enum pln_rowprog_code)instr->code) {
        case PLN_ROWPROG_EW: run_ew(run, instr, n); break;
        case PLN_ROWPROG_CONST:
            to->scalar = true;
            put_f64(to, 0, instr->imm);
            break;
        case PLN_ROWPROG_REDUCE: run_reduce(run, instr, n); break;
        }
    }
}

static void store_output(struct run *run, int o, int64_t n)
{
    const struct pln_rowprog_operand *operand = &run->program->outputs[o];
    const struct pln_tensor *tensor = &run->outputs[o];
    int64_t step, offset = operand_offset(run, operand, tensor, &step);
    int64_t count = operand->axis[run->program->rank - 1] < 0 ? 1 : n;
    const struct reg *reg = &run->regs[operand->reg];
    if (step == 1 && !reg->scalar && !pln_ref_is_int(reg->dtype)) {
        pln_ref_store_f64(tensor->dtype, tensor->data, offset, count, reg->u.f);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t at = offset + i * step;
        if (pln_ref_is_int(reg->dtype)) pln_ref_store_i64(tensor->dtype, tensor->data, at, 1, &reg->u.i[reg->scalar ? 0 : i]);
        else pln_ref_store_f64(tensor->dtype, tensor->data, at, 1, &reg->u.f[reg->scalar ? 0 : i]);
    }
}

static void run_row(struct run *run, int64_t row, int64_t chunk)
{
    const struct pln_rowprog *program = run->program;
    for (int64_t first = 0; first < row || (first == 0 && row == 0); first += chunk) {
        int64_t n = PLN_MIN(chunk, row - first);
        run->index[program->rank - 1] = first;
        for (int k = 0; k < program->n_inputs; k++) load_input(run, k, n);
        run_instrs(run, n);
        for (int o = 0; o < program->n_outputs; o++) store_output(run, o, n);
        if (row == 0) return;
    }
}

void pln_ref_program_shape(const struct pln_rowprog *program, const int64_t *extents, int o, int64_t *out_dims)
{
    const struct pln_rowprog_operand *output = &program->outputs[o];
    for (int d = 0; d < output->rank; d++) out_dims[d] = 1;
    for (int i = 0; i < program->rank; i++)
        if (output->axis[i] >= 0) out_dims[output->axis[i]] = extents[i];
}

enum pln_status pln_ref_program_run(struct pln_call *call, const struct pln_rowprog *program, const struct pln_tensor *const *inputs,
                                    const struct pln_tensor *outputs)
{
    struct run run = { .program = program, .inputs = inputs, .outputs = outputs };
    if (!pln_rowprog_extents(program, inputs, run.extents))
        return pln_call_fail(call, PLN_BAD_MODEL, "the shapes of the row program's inputs do not fit together");
    bool reduces = false;
    for (int k = 0; k < program->n_instrs; k++) reduces = reduces || program->instrs[k].code == PLN_ROWPROG_REDUCE;
    int64_t row = run.extents[program->rank - 1], n_rows = 1;
    for (int i = 0; i < program->rank - 1; i++) n_rows *= run.extents[i];
    int64_t chunk = reduces ? PLN_MAX(row, 1) : PLN_REF_CHUNK;
    for (int r = 0; r < program->n_regs; r++) {
        void *memory = NULL;
        PLN_TRY(pln_call_scratch(call, (size_t)chunk, sizeof(double), &memory));
        run.regs[r].u.f = memory;
        run.regs[r].dtype = PLN_F64;
        run.regs[r].scalar = true;
    }
    for (int64_t k = 0; k < n_rows; k++) {
        run_row(&run, row, chunk);
        for (int i = program->rank - 2; i >= 0; i--) {
            if (++run.index[i] < run.extents[i]) break;
            run.index[i] = 0;
        }
    }
    return PLN_OK;
}

static enum pln_status read_program(struct pln_call *call, const char *name, struct pln_rowprog *out_program)
{
    const struct pln_attr *attr = pln_attrs_find(call->attrs, name);
    if (!attr || attr->kind != PLN_ATTR_STRING) return pln_call_fail(call, PLN_BAD_MODEL, "attribute %s is missing", name);
    return pln_rowprog_read(attr->u.s.data, attr->u.s.size_bytes, call->diag, out_program);
}

enum pln_status pln_ref_row_program(struct pln_call *call)
{
    struct pln_rowprog program;
    PLN_TRY(read_program(call, "program", &program));
    const struct pln_tensor *inputs[PLN_ROWPROG_MAX_OPERANDS];
    struct pln_tensor outputs[PLN_ROWPROG_MAX_OPERANDS];
    for (int i = 0; i < program.n_inputs; i++) {
        PLN_TRY(pln_call_need(call, i, &inputs[i]));
        if (inputs[i]->dtype != (enum pln_dtype)program.inputs[i].dtype)
            return pln_call_fail(call, PLN_BAD_MODEL, "input %d is not of the type that the program says", i);
    }
    int64_t extents[PLN_MAX_RANK], dims[PLN_MAX_RANK];
    if (!pln_rowprog_extents(&program, inputs, extents))
        return pln_call_fail(call, PLN_BAD_MODEL, "the shapes of the inputs do not fit together");
    for (int o = 0; o < program.n_outputs; o++) {
        pln_ref_program_shape(&program, extents, o, dims);
        PLN_TRY(pln_call_out(call, o, (enum pln_dtype)program.outputs[o].dtype, program.outputs[o].rank, dims, &outputs[o]));
    }
    return pln_ref_program_run(call, &program, inputs, outputs);
}

/* ---- epilogues ---- */

enum pln_status pln_ref_epilogue_init(struct pln_call *call, struct pln_ref_epilogue *out_epilogue)
{
    memset(out_epilogue, 0, sizeof(*out_epilogue));
    out_epilogue->n_own_inputs = call->n_inputs;
    if (!pln_attrs_has(call->attrs, "epilogue")) return PLN_OK;
    PLN_TRY(read_program(call, "epilogue", &out_epilogue->program));
    const struct pln_rowprog *program = &out_epilogue->program;
    if (program->n_inputs < 1 || program->n_outputs != 1 || program->n_inputs - 1 > call->n_inputs)
        return pln_call_fail(call, PLN_BAD_MODEL, "the epilogue does not fit the node's inputs");
    for (int i = 0; i < program->n_instrs; i++)
        if (program->instrs[i].code == PLN_ROWPROG_REDUCE) return pln_call_fail(call, PLN_BAD_MODEL, "an epilogue cannot reduce");
    out_epilogue->present = true;
    out_epilogue->n_own_inputs = call->n_inputs - (program->n_inputs - 1);
    return PLN_OK;
}

enum pln_status pln_ref_epilogue_finish(struct pln_call *call, const struct pln_ref_epilogue *epilogue, enum pln_dtype dtype, int rank,
                                        const int64_t *dims, double *accumulators)
{
    struct pln_tensor out;
    if (!epilogue->present) {
        PLN_TRY(pln_call_out(call, 0, dtype, rank, dims, &out));
        pln_ref_store_f64(dtype, out.data, 0, pln_tensor_count(&out), accumulators);
        return PLN_OK;
    }
    const struct pln_rowprog *program = &epilogue->program;
    struct pln_tensor sums;
    pln_tensor_init(&sums, PLN_F64, rank, dims, accumulators);
    const struct pln_tensor *inputs[PLN_ROWPROG_MAX_OPERANDS] = { &sums };
    for (int i = 1; i < program->n_inputs; i++) PLN_TRY(pln_call_need(call, epilogue->n_own_inputs + i - 1, &inputs[i]));
    int64_t extents[PLN_MAX_RANK], shape[PLN_MAX_RANK];
    bool fits = program->inputs[0].rank == rank && program->outputs[0].rank == rank && pln_rowprog_extents(program, inputs, extents);
    if (fits) pln_ref_program_shape(program, extents, 0, shape);
    for (int d = 0; fits && d < rank; d++) fits = shape[d] == dims[d];
    if (!fits) return pln_call_fail(call, PLN_BAD_MODEL, "the epilogue's operands do not fit the output's shape");
    PLN_TRY(pln_call_out(call, 0, (enum pln_dtype)program->outputs[0].dtype, rank, dims, &out));
    return pln_ref_program_run(call, program, inputs, &out);
}
