/* The families: what they take, and what it costs. */
#include "backend/cpu/kernels/rowprog/rowprog.h"

/* ---- op elementwise as a program ---- */

static void place_axes(struct pln_rowprog_operand *operand, int rank, int program_rank)
{
    operand->rank = (uint8_t)rank;
    for (int i = 0; i < program_rank; i++) operand->axis[i] = (int8_t)PLN_MAX(-1, i - (program_rank - rank));
}

/* One operand as both the build side and the run know it. */
struct shape {
    bool present;
    enum pln_dtype dtype;
    int rank;
};

/* NULL, or why not. */
static const char *program_of(unsigned kind, const struct pln_attrs *attrs, int n_inputs, const struct shape *inputs,
                              const struct shape *output, struct pln_rowprog *out_program)
{
    struct pln_rowprog *p = out_program;
    const struct pln_ew_info *info = pln_ew_get(kind);
    if (info == NULL || n_inputs > 3) return "an unknown function";
    memset(p, 0, sizeof *p);
    p->version = PLN_ROWPROG_VERSION;
    p->rank = (uint8_t)PLN_MAX(output->rank, 1);
    p->n_passes = 1;
    p->n_outputs = 1;
    p->n_instrs = 1;
    struct pln_rowprog_instr *instr = &p->instrs[0];
    *instr =
        (struct pln_rowprog_instr){ .kind = (uint8_t)kind, .dtype = (uint8_t)output->dtype, .src = { 255, 255, 255 } };
    for (int i = 0; i < n_inputs; i++) {
        if (!inputs[i].present) continue;
        if (inputs[i].rank > p->rank) return "the output has fewer dims than an input";
        struct pln_rowprog_operand *operand = &p->inputs[p->n_inputs++];
        operand->dtype = (uint8_t)inputs[i].dtype;
        operand->reg = instr->src[i] = p->n_regs++;
        place_axes(operand, inputs[i].rank, p->rank);
    }
    pln_ew_parameters(kind, attrs, &instr->alpha, &instr->beta);
    instr->dst = p->outputs[0].reg = p->n_regs++;
    p->outputs[0].dtype = (uint8_t)output->dtype;
    place_axes(&p->outputs[0], output->rank, p->rank);
    return NULL;
}

const char *pln_elementwise_of_problem(const struct pln_problem *problem, struct pln_rowprog *out_program)
{
    if (problem->epilogue != NULL) return "an elementwise op has no epilogue";
    if (problem->n_inputs < 1 || problem->n_inputs > 3 || problem->n_outputs != 1) return "wrong number of operands";
    struct shape inputs[3], output = { true, problem->outputs[0].dtype, problem->outputs[0].rank };
    for (int i = 0; i < problem->n_inputs; i++) {
        const struct pln_operand *operand = &problem->inputs[i];
        inputs[i] = (struct shape){ operand->present, operand->dtype, operand->rank };
        if (operand->present && operand->rank < 0) return "an input's rank is not known";
    }
    if (output.rank < 0) return "the output's rank is not known";
    const unsigned kind = problem->op == PLN_OP_CAST ? PLN_EW_IDENTITY : problem->kind;
    return program_of(kind, problem->attrs, problem->n_inputs, inputs, &output, out_program);
}

const char *pln_elementwise_of_launch(const struct pln_launch *launch, struct pln_rowprog *out_program, struct pln_tensor inputs[3])
{
    if (launch->n_inputs < 1 || launch->n_inputs > 3 || launch->n_outputs != 1) return "wrong number of operands";
    struct shape shapes[3], output = { true, launch->outputs[0].dtype, launch->outputs[0].rank };
    int n = 0;
    for (int i = 0; i < launch->n_inputs; i++) {
        const struct pln_tensor *input = &launch->inputs[i];
        shapes[i] = (struct shape){ input->dtype != PLN_DTYPE_NONE, input->dtype, input->rank };
        if (shapes[i].present) inputs[n++] = *input;
    }
    const unsigned kind = launch->op == PLN_OP_CAST ? PLN_EW_IDENTITY : launch->kind;
    return program_of(kind, launch->attrs, launch->n_inputs, shapes, &output, out_program);
}

static const char *elementwise_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    struct pln_rowprog program;
    const char *why = pln_elementwise_of_problem(problem, &program);
    if (why == NULL) why = pln_vec_check(&program);
    return why != NULL ? why : pln_rowprog_verify(&program);
}

static enum pln_status finish(struct pln_rowprog_state *state, struct pln_prepared *out_prepared)
{
    out_prepared->n_tasks = pln_rowprog_tasks(state, &out_prepared->grain);
    out_prepared->scratch_bytes = pln_rowprog_scratch_bytes(state);
    return PLN_OK;
}

static enum pln_status elementwise_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                           void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_rowprog_state *state = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    struct pln_tensor inputs[3];
    struct pln_rowprog program;
    const char *why = pln_elementwise_of_launch(launch, &program, inputs);
    if (why == NULL) why = pln_rowprog_verify(&program);
    if (why == NULL) why = pln_vec_check(&program);
    if (why != NULL) return pln_fail(diag, PLN_BAD_PLAN, "%s: %s", kernel->name, why);
    state->isa = ((pln_vec_isa_fn)kernel->micro)();
    PLN_TRY(pln_rowprog_plan(kernel->name, &program, inputs, launch->outputs, diag, state));
    return finish(state, out_prepared);
}

/* ---- op row_program ---- */

static const char *rowprog_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->program == NULL) return "no program";
    if (problem->n_inputs != problem->program->n_inputs || problem->n_outputs != problem->program->n_outputs)
        return "wrong number of operands";
    for (int i = 0; i < problem->n_inputs; i++)
        if (!problem->inputs[i].present || problem->inputs[i].rank < 0)
            return "an input is left out or of unknown rank";
    return pln_vec_check(problem->program);
}

static enum pln_status rowprog_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                       void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_rowprog_state *state = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    const struct pln_rowprog *program = launch->program;
    if (program == NULL || launch->n_inputs != program->n_inputs || launch->n_outputs != program->n_outputs)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the program has other operands than the step", kernel->name);
    const char *why = pln_vec_check(program);
    if (why != NULL) return pln_fail(diag, PLN_BAD_PLAN, "%s: %s", kernel->name, why);
    state->isa = ((pln_vec_isa_fn)kernel->micro)();
    PLN_TRY(pln_rowprog_plan(kernel->name, program, launch->inputs, launch->outputs, diag, state));
    return finish(state, out_prepared);
}

static enum pln_status rowprog_update(const struct pln_launch *launch, void *state_memory,
                                      struct pln_prepared *prepared, struct pln_diag *diag)
{
    struct pln_rowprog_state *state = state_memory;
    PLN_TRY(pln_rowprog_place("rowprog", launch->program, launch->inputs, launch->outputs, diag, state));
    return finish(state, prepared);
}

/* ---- cost: memory at 10 GB/s, and an element of an instruction at 2 to 8 lanes a nanosecond ---- */

static double elements(const struct pln_operand *operand)
{
    double n = 1;
    for (int d = 0; d < operand->rank; d++) n *= operand->dims[d] < 0 ? 128.0 : (double)operand->dims[d];
    return n;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double bytes = 0, most = 1;
    for (int i = 0; i < problem->n_inputs + problem->n_outputs; i++) {
        const struct pln_operand *operand =
            i < problem->n_inputs ? &problem->inputs[i] : &problem->outputs[i - problem->n_inputs];
        if (!operand->present) continue;
        double n = elements(operand);
        bytes += 4 * n;
        most = PLN_MAX(most, n);
    }
    double instrs = problem->program != NULL ? problem->program->n_instrs : 1;
    double lanes = kernel->needs == 0 ? 2 : (double)kernel->tile[0] / 2;
    return bytes / 10 + most * instrs / lanes + 300;
}

const struct pln_kernel_family pln_cpu_rowprog = {
    .name = "rowprog",
    .state_bytes = sizeof(struct pln_rowprog_state),
    .supports = rowprog_supports,
    .cost = cost,
    .prepare = rowprog_prepare,
    .run = pln_rowprog_run,
    .packed_input = -1,
    .update = rowprog_update,
};

const struct pln_kernel_family pln_cpu_elementwise = {
    .name = "elementwise",
    .state_bytes = sizeof(struct pln_rowprog_state),
    .supports = elementwise_supports,
    .cost = cost,
    .prepare = elementwise_prepare,
    .run = pln_rowprog_run,
    .packed_input = -1,
};
