#include "backend/cpu/kernels/vec/epilogue.h"

#include <math.h>

const char *pln_epilogue_check(const struct pln_rowprog *program)
{
    if (program == NULL) return NULL;
    if (program->n_outputs != 1) return "the epilogue has several outputs";
    if (program->n_inputs < 1 || program->n_inputs > PLN_ROWPROG_EPILOGUE_OPERANDS || program->n_instrs > PLN_ROWPROG_EPILOGUE_INSTRS ||
        program->n_regs > PLN_ROWPROG_EPILOGUE_REGS)
        return "the epilogue is too long";
    if (program->inputs[0].dtype != PLN_F32) return "the epilogue's accumulator is not f32";
    for (int i = 0; i < program->n_instrs; i++)
        if (program->instrs[i].code == PLN_ROWPROG_REDUCE) return "the epilogue has a reduction";
    return pln_vec_check(program);
}

enum pln_dtype pln_epilogue_dtype(const struct pln_rowprog *program)
{
    return program == NULL ? PLN_F32 : (enum pln_dtype)program->outputs[0].dtype;
}

bool pln_epilogue_broadcast(const struct pln_tensor *tensor, const struct pln_tensor *output, int64_t *out_strides)
{
    int skip = output->rank - tensor->rank;
    if (skip < 0) return false;
    for (int i = 0; i < output->rank; i++) {
        out_strides[i] = 0;
        if (i < skip || tensor->dims[i - skip] == 1) continue;
        if (tensor->dims[i - skip] != output->dims[i]) return false;
        out_strides[i] = tensor->strides[i - skip];
    }
    return true;
}

/* ---- the op's own part in front of the fused program ---- */

struct composer {
    struct pln_rowprog program;
    unsigned acc; /* register of the result up to here */
};

static unsigned add_input(struct composer *c, unsigned dtype)
{
    struct pln_rowprog_operand *input = &c->program.inputs[c->program.n_inputs++];
    input->dtype = (uint8_t)dtype;
    input->rank = 1; /* axis 0 is 0: it varies along the run */
    return input->reg = c->program.n_regs++;
}

static unsigned add_const(struct composer *c, float value)
{
    struct pln_rowprog_instr *instr = &c->program.instrs[c->program.n_instrs++];
    *instr = (struct pln_rowprog_instr){ .code = PLN_ROWPROG_CONST, .dtype = PLN_F32, .imm = (double)value };
    memset(instr->src, 255, sizeof instr->src);
    return instr->dst = c->program.n_regs++;
}

static unsigned add_ew(struct composer *c, enum pln_ew kind, unsigned a, unsigned b)
{
    struct pln_rowprog_instr *instr = &c->program.instrs[c->program.n_instrs++];
    *instr = (struct pln_rowprog_instr){ .code = PLN_ROWPROG_EW, .kind = (uint8_t)kind, .dtype = PLN_F32 };
    instr->src[0] = (uint8_t)a;
    instr->src[1] = (uint8_t)b;
    instr->src[2] = 255;
    return instr->dst = c->program.n_regs++;
}

static void add_own(struct composer *c, const struct pln_epilogue_own *own)
{
    c->acc = add_input(c, PLN_F32);
    unsigned bias = own->bias != NULL ? add_input(c, PLN_F32) : 0;
    if (own->alpha != 1.0f) c->acc = add_ew(c, PLN_EW_MUL, c->acc, add_const(c, own->alpha));
    if (own->bias == NULL) return;
    if (own->beta != 1.0f) bias = add_ew(c, PLN_EW_MUL, bias, add_const(c, own->beta));
    c->acc = add_ew(c, PLN_EW_ADD, c->acc, bias);
}

static void add_fused(struct composer *c, const struct pln_rowprog *fused)
{
    uint8_t map[256];
    memset(map, 255, sizeof map);
    map[fused->inputs[0].reg] = (uint8_t)c->acc;
    for (int i = 1; i < fused->n_inputs; i++) map[fused->inputs[i].reg] = (uint8_t)add_input(c, fused->inputs[i].dtype);
    for (int i = 0; i < fused->n_instrs; i++) {
        struct pln_rowprog_instr *instr = &c->program.instrs[c->program.n_instrs++];
        *instr = fused->instrs[i];
        instr->pass = 0;
        for (int s = 0; s < 3; s++) instr->src[s] = map[fused->instrs[i].src[s]];
        instr->dst = map[fused->instrs[i].dst] = c->program.n_regs++;
    }
    c->acc = map[fused->outputs[0].reg];
}

/* In place is right when nothing reads the accumulator after the instruction that writes the result. */
static bool can_overwrite(const struct pln_rowprog *program, unsigned result)
{
    int born = -1;
    for (int i = 0; i < program->n_instrs; i++) {
        const struct pln_rowprog_instr *instr = &program->instrs[i];
        if (instr->code == PLN_ROWPROG_EW && instr->dst == result) born = i;
        for (int s = 0; born >= 0 && i > born && s < 3; s++)
            if (instr->src[s] == program->inputs[0].reg) return false;
    }
    return born >= 0;
}

/* The number that a register holds by a CONST; `absent` for no register. false: it is none. */
static bool constant_of(const struct pln_rowprog *program, unsigned reg, float absent, float *out_value)
{
    *out_value = absent;
    if (reg == 255) return true;
    for (int i = 0; i < program->n_instrs; i++) {
        if (program->instrs[i].code != PLN_ROWPROG_CONST || program->instrs[i].dst != reg) continue;
        *out_value = (float)program->instrs[i].imm;
        return true;
    }
    return false;
}

/* The operand that an addition adds to reg; -1: none. */
static int added_operand(const struct pln_rowprog *program, const struct pln_rowprog_instr *instr, unsigned reg)
{
    unsigned other = instr->src[0] == reg ? instr->src[1] : instr->src[0];
    if ((instr->src[0] != reg && instr->src[1] != reg) || other == reg) return -1;
    for (int i = 1; i < program->n_inputs; i++)
        if (program->inputs[i].reg == other && program->inputs[i].dtype == PLN_F32) return i - 1;
    return -1;
}

static struct pln_epilogue_sum find_sum(const struct pln_rowprog *program)
{
    struct pln_epilogue_sum sum = { .low = -INFINITY, .high = INFINITY }, none = { .present = false };
    unsigned reg = program->inputs[0].reg;
    bool bounded = false; /* or activated */
    for (int i = 0; i < program->n_instrs; i++) {
        const struct pln_rowprog_instr *instr = &program->instrs[i];
        if (instr->code == PLN_ROWPROG_CONST) continue;
        if (instr->code != PLN_ROWPROG_EW || instr->dtype != PLN_F32 || bounded) return none;
        if (instr->kind == PLN_EW_ADD) {
            int operand = added_operand(program, instr, reg);
            if (operand < 0 || sum.n_added == PLN_VEC_ADDED) return none;
            sum.added[sum.n_added++] = operand;
        } else if (instr->kind == PLN_EW_RELU && instr->src[0] == reg) {
            sum.low = 0.0f;
            bounded = true;
        } else if (instr->kind == PLN_EW_CLIP && instr->src[0] == reg) {
            if (!constant_of(program, instr->src[1], -INFINITY, &sum.low) ||
                !constant_of(program, instr->src[2], INFINITY, &sum.high))
                return none;
            bounded = true;
        } else if (pln_vec_portable.rows[instr->kind] != NULL && instr->src[0] == reg) {
            sum.activates = bounded = true;
            sum.kind = instr->kind;
            sum.alpha = instr->alpha;
            sum.beta = instr->beta;
        } else {
            return none;
        }
        reg = instr->dst;
    }
    sum.present = program->outputs[0].reg == reg && program->outputs[0].dtype == PLN_F32;
    return sum;
}

static enum pln_status place_operand(const struct pln_rowprog *fused, int i, const struct pln_tensor *tensor,
                                     const struct pln_launch *launch, struct pln_diag *diag,
                                     struct pln_epilogue_operand *out_operand)
{
    const struct pln_rowprog_operand *operand = &fused->inputs[i];
    const struct pln_tensor *output = &launch->outputs[0];
    if (tensor->dtype != (enum pln_dtype)operand->dtype || tensor->rank != operand->rank)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "epilogue: input %d has another type or rank than the program says",
                        i);
    *out_operand = (struct pln_epilogue_operand){ .data = tensor->data, .is_bool = tensor->dtype == PLN_BOOL };
    int64_t count = 1, walked = 1;
    for (int d = 0; d < tensor->rank; d++) count *= tensor->dims[d] != 1 ? 2 : 1;
    for (int d = 0; d < output->rank; d++) {
        int dim = operand->axis[d];
        if (dim < 0 || tensor->dims[dim] == 1) continue;
        if (tensor->dims[dim] != output->dims[d])
            return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "epilogue: input %d does not broadcast to the output", i);
        out_operand->strides[d] = tensor->strides[dim];
        walked *= 2;
    }
    if (count != walked)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "epilogue: input %d has a dim that is not walked", i);
    return PLN_OK;
}

enum pln_status pln_epilogue_prepare(const struct pln_epilogue_own *own, const struct pln_rowprog *program,
                                     const struct pln_tensor *operands, const struct pln_tensor *output,
                                     struct pln_diag *diag, struct pln_epilogue *out_epilogue)
{
    struct pln_epilogue *epilogue = out_epilogue;
    /* For messages: what the program adds, and the output. */
    const struct pln_launch launch = { .n_inputs = program ? program->n_inputs - 1 : 0, .inputs = operands, .n_outputs = 1, .outputs = output };
    epilogue->present = program != NULL || own->bias != NULL || own->alpha != 1.0f;
    epilogue->n_operands = 0;
    epilogue->out_bool = pln_epilogue_dtype(program) == PLN_BOOL;
    if (output->dtype != pln_epilogue_dtype(program))
        return pln_launch_fail(&launch, diag, PLN_INVALID_ARGUMENT, "the output has another type than the kernel gives");
    if (!epilogue->present) return PLN_OK;
    const char *why = pln_epilogue_check(program);
    if (why != NULL) return pln_fail(diag, PLN_BAD_PLAN, "%s", why);
    if (program != NULL && program->rank != output->rank && program->n_inputs > 1)
        return pln_fail(diag, PLN_BAD_PLAN, "the epilogue's rank is not the output's");
    struct composer composer;
    memset(&composer, 0, sizeof composer);
    composer.program.version = PLN_ROWPROG_VERSION;
    composer.program.rank = 1;
    composer.program.n_passes = 1;
    add_own(&composer, own);
    if (program != NULL) add_fused(&composer, program);
    composer.program.n_outputs = 1;
    composer.program.outputs[0] =
        (struct pln_rowprog_operand){ .dtype = (uint8_t)output->dtype, .reg = (uint8_t)composer.acc, .rank = 1 };
    pln_vec_compile(&composer.program, &epilogue->code);
    if (own->bias != NULL) {
        struct pln_epilogue_operand *bias = &epilogue->operands[epilogue->n_operands++];
        *bias = (struct pln_epilogue_operand){ .data = own->bias->data };
        memcpy(bias->strides, own->strides, sizeof bias->strides);
    }
    for (int i = 1; program != NULL && i < program->n_inputs; i++)
        PLN_TRY(place_operand(program, i, &operands[i - 1], &launch, diag, &epilogue->operands[epilogue->n_operands++]));
    epilogue->sum = find_sum(&composer.program);
    epilogue->in_place =
        epilogue->code.slot[composer.acc] != PLN_VEC_NO_SLOT && can_overwrite(&composer.program, composer.acc);
    return PLN_OK;
}

/* ---- running ---- */

size_t pln_epilogue_scratch_bytes(const struct pln_epilogue *epilogue, int64_t width)
{
    if (!epilogue->present) return 0;
    size_t loaded = (size_t)epilogue->n_operands * pln_align_up((size_t)width, 16) * sizeof(float);
    return loaded + pln_vec_scratch_bytes(&epilogue->code, width, 0);
}

void pln_epilogue_bind(const struct pln_epilogue *epilogue, const struct pln_vec_isa *isa, int64_t width, void *scratch,
                       struct pln_epilogue_run *out_run)
{
    out_run->epilogue = epilogue;
    if (!epilogue->present) return;
    out_run->width = (int64_t)pln_align_up((size_t)width, 16);
    out_run->loaded = scratch;
    float *rest = out_run->loaded + epilogue->n_operands * out_run->width;
    pln_vec_bind(&epilogue->code, isa, width, 0, rest, &out_run->frame);
}

static void load_operand(struct pln_epilogue_run *run, int i, int64_t row, int64_t col, int64_t n)
{
    const struct pln_epilogue_operand *operand = &run->epilogue->operands[i];
    unsigned reg = run->epilogue->code.input_reg[i + 1];
    int64_t at = run->offsets[i] + row * operand->row + col * operand->col;
    float *loaded = run->loaded + i * run->width;
    const float *values = operand->data;
    const uint8_t *truths = operand->data;
    run->frame.read[reg] = loaded;
    run->frame.step[reg] = 1;
    if (operand->col == 0) {
        pln_vec_set_splat(&run->frame, reg, operand->is_bool ? (float)(truths[at] != 0) : values[at]);
        run->frame.read[reg] = run->frame.write[reg];
        run->frame.step[reg] = 0;
    } else if (operand->is_bool) {
        for (int64_t j = 0; j < n; j++) loaded[j] = (float)(truths[at + j * operand->col] != 0);
    } else if (operand->col == 1) {
        run->frame.read[reg] = values + at;
    } else {
        for (int64_t j = 0; j < n; j++) loaded[j] = values[at + j * operand->col];
    }
}

static void add_and_end(const struct pln_epilogue_run *run, float *c, const float *const *from, const size_t *step, int64_t n)
{
    const struct pln_epilogue_sum *sum = &run->epilogue->sum;
    const struct pln_vec_isa *isa = run->frame.isa;
    isa->add_clip(c, from[0], step[0], from[1], step[1], sum->low, sum->high, n);
    if (sum->activates) isa->rows[sum->kind](&(struct pln_vec_rows){ .c = c, .rows = 1, .cols = n, .alpha = sum->alpha, .beta = sum->beta });
}

static bool run_sum(struct pln_epilogue_run *run, int64_t row, int64_t col, float *c, int64_t n)
{
    const struct pln_epilogue_sum *sum = &run->epilogue->sum;
    const float *from[2] = { NULL, NULL };
    size_t step[2] = { 0, 0 };
    for (int k = 0; k < sum->n_added; k++) {
        int i = sum->added[k];
        const struct pln_epilogue_operand *operand = &run->epilogue->operands[i];
        const float *at = (const float *)operand->data + run->offsets[i] + row * operand->row + col * operand->col;
        from[k] = at;
        step[k] = 1;
        if (operand->col == 1) continue;
        if (operand->col != 0) return false;
        unsigned reg = run->epilogue->code.input_reg[i + 1];
        pln_vec_set_splat(&run->frame, reg, *at);
        from[k] = run->frame.write[reg];
        step[k] = 0;
    }
    add_and_end(run, c, from, step, n);
    return true;
}

/* The program over n elements, operands loaded. */
static void run_code(struct pln_epilogue_run *run, float *c, int64_t n)
{
    const struct pln_epilogue *epilogue = run->epilogue;
    struct pln_vec_frame *frame = &run->frame;
    unsigned acc = epilogue->code.input_reg[0], result = epilogue->code.output_reg[0];
    frame->read[acc] = c;
    frame->step[acc] = 1;
    if (epilogue->in_place) {
        frame->write[result] = c;
        frame->read[result] = c;
    }
    pln_vec_run(frame, 0, 0, n);
    if (epilogue->in_place) return;
    const float *from = frame->read[result];
    if (frame->step[result] == 0)
        for (int64_t j = 0; j < n; j++) c[j] = from[0];
    else if (from != c)
        memcpy(c, from, (size_t)n * sizeof(float));
}

void pln_epilogue_row(struct pln_epilogue_run *run, int64_t row, int64_t col, float *c, int64_t n)
{
    const struct pln_epilogue *epilogue = run->epilogue;
    if (epilogue->sum.present && run_sum(run, row, col, c, n)) return;
    for (int i = 0; i < epilogue->n_operands; i++) load_operand(run, i, row, col, n);
    run_code(run, c, n);
}

/* ---- rows that lie one behind the other, as one run ---- */

/* Each operand is the same in every row, or its rows lie so, too. */
static bool can_join(const struct pln_epilogue *epilogue, int64_t n)
{
    for (int i = 0; i < epilogue->n_operands; i++) {
        const struct pln_epilogue_operand *operand = &epilogue->operands[i];
        if (operand->row != 0 && (operand->is_bool || operand->col != 1 || operand->row != n)) return false;
    }
    return true;
}

/* first: what the rows share is not loaded yet, for the most rows that come. */
static void load_joined(struct pln_epilogue_run *run, int i, int64_t row, int64_t rows, int64_t col, int64_t n, bool first)
{
    const struct pln_epilogue_operand *operand = &run->epilogue->operands[i];
    unsigned reg = run->epilogue->code.input_reg[i + 1];
    if (operand->row != 0 || (operand->col == 0 && first)) {
        load_operand(run, i, row, col, rows * n);
    } else if (operand->col != 0 && first) {
        float *loaded = run->loaded + i * run->width;
        load_operand(run, i, row, col, n);
        if (run->frame.read[reg] != loaded) memcpy(loaded, run->frame.read[reg], (size_t)n * sizeof *loaded);
        for (int64_t r = 1; r < rows; r++) memcpy(loaded + r * n, loaded, (size_t)n * sizeof *loaded);
        run->frame.read[reg] = loaded;
    }
}

static void run_joined(struct pln_epilogue_run *run, int64_t row, int64_t rows, int64_t col, float *c, int64_t n, bool first)
{
    const struct pln_epilogue *epilogue = run->epilogue;
    const struct pln_epilogue_sum *sum = &epilogue->sum;
    for (int i = 0; i < epilogue->n_operands; i++) load_joined(run, i, row, rows, col, n, first);
    if (!sum->present) {
        run_code(run, c, rows * n);
        return;
    }
    const float *from[2] = { NULL, NULL };
    size_t step[2] = { 0, 0 };
    for (int k = 0; k < sum->n_added; k++) {
        unsigned reg = epilogue->code.input_reg[sum->added[k] + 1];
        from[k] = run->frame.read[reg];
        step[k] = run->frame.step[reg];
    }
    add_and_end(run, c, from, step, rows * n);
}

void pln_epilogue_rows(struct pln_epilogue_run *run, int64_t row, int64_t rows, int64_t col, float *c, int64_t c_row, int64_t n)
{
    if (n <= 0) return;
    const int64_t most = PLN_MIN(rows, run->width / n);
    if (most < 2 || c_row != n || !can_join(run->epilogue, n)) {
        for (int64_t i = 0; i < rows; i++) pln_epilogue_row(run, row + i, col, c + i * c_row, n);
        return;
    }
    for (int64_t i = 0; i < rows; i += most)
        run_joined(run, row + i, PLN_MIN(most, rows - i), col, c + i * n, n, i == 0);
}

/* ---- in registers ---- */

bool pln_epilogue_finishes(const struct pln_epilogue *epilogue)
{
    if (!epilogue->present || !epilogue->sum.present) return false;
    for (int i = 0; i < epilogue->sum.n_added; i++) {
        const int64_t col = epilogue->operands[epilogue->sum.added[i]].col;
        if (col != 0 && col != 1) return false;
    }
    return true;
}
