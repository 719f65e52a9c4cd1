/* The family of ops that are row programs on the device. tile[3]: threads a block, a multiple of 32. */
#include "backend/cuda/kernels/rows.h"

static const struct {
    uint16_t op;
    pln_rows_make_fn make;
} makers[] = {
    { PLN_OP_ARG_REDUCE, pln_rows_make_arg_reduce },
    { PLN_OP_BATCH_NORM, pln_rows_make_batch_norm },
    { PLN_OP_CAST, pln_rows_make_cast },
    { PLN_OP_CUMULATE, pln_rows_make_cumulate },
    { PLN_OP_ELEMENTWISE, pln_rows_make_elementwise },
    { PLN_OP_INSTANCE_NORM, pln_rows_make_instance_norm },
    { PLN_OP_LAYER_NORM, pln_rows_make_layer_norm },
    { PLN_OP_REDUCE, pln_rows_make_reduce },
    { PLN_OP_ROW_PROGRAM, pln_rows_make_program },
    { PLN_OP_SOFTMAX, pln_rows_make_softmax },
    { PLN_OP_TOPK, pln_rows_make_topk },
};

/* NULL, or why not. */
static const char *make(const struct pln_kernel *kernel, const struct pln_rows_op *op, struct pln_rows_work *out)
{
    if (op->epilogue && kernel->op != PLN_OP_INSTANCE_NORM) return "the op takes no epilogue";
    memset(out, 0, sizeof *out);
    out->n_row_axes = 1;
    out->cut_axis = -1;
    for (size_t i = 0; i < PLN_COUNT_OF(makers); i++) {
        if (makers[i].op != kernel->op) continue;
        const char *why = makers[i].make(op, out);
        return why ? why : pln_cuda_program_supports(&out->program);
    }
    return "the op is no row program";
}

static const char *make_for_problem(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_rows_work *out)
{
    struct pln_rows_op op = { .op = problem->op, .kind = problem->kind, .attrs = problem->attrs, .program = problem->program, .epilogue = problem->epilogue, .n_inputs = problem->n_inputs,
                              .n_outputs = problem->n_outputs };
    if (op.n_inputs > PLN_ROWPROG_MAX_OPERANDS || op.n_outputs > PLN_ROWPROG_MAX_OPERANDS) return "there are too many operands";
    for (int i = 0; i < op.n_inputs + op.n_outputs; i++) {
        const struct pln_operand *operand = i < op.n_inputs ? &problem->inputs[i] : &problem->outputs[i - op.n_inputs];
        if (operand->present && operand->rank < 0) return "an operand's rank is not known";
        if (i < op.n_inputs && (kernel->family->host_inputs >> i & 1) && operand->present && !operand->known) return "a parameter is not known before the run";
        *(i < op.n_inputs ? &op.inputs[i] : &op.outputs[i - op.n_inputs]) = (struct pln_rows_shape){ operand->present, operand->dtype, operand->rank, NULL };
    }
    return make(kernel, &op, out);
}

static const char *make_for_launch(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_rows_work *out)
{
    struct pln_rows_op op = { .op = launch->op, .kind = launch->kind, .attrs = launch->attrs, .program = launch->program, .epilogue = launch->epilogue, .n_inputs = launch->n_inputs,
                              .n_outputs = launch->n_outputs };
    if (op.n_inputs > PLN_ROWPROG_MAX_OPERANDS || op.n_outputs > PLN_ROWPROG_MAX_OPERANDS) return "there are too many operands";
    for (int i = 0; i < op.n_inputs + op.n_outputs; i++) {
        const struct pln_tensor *tensor = i < op.n_inputs ? &launch->inputs[i] : &launch->outputs[i - op.n_inputs];
        *(i < op.n_inputs ? &op.inputs[i] : &op.outputs[i - op.n_inputs]) = (struct pln_rows_shape){ tensor->dtype != PLN_DTYPE_NONE, tensor->dtype, tensor->rank, tensor };
    }
    return make(kernel, &op, out);
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    struct pln_rows_work work;
    return make_for_problem(kernel, problem, &work);
}

/* A launch, and a few terabytes a second of elements. */
static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double most = 0;
    for (int i = 0; i < problem->n_inputs + problem->n_outputs; i++) {
        const struct pln_operand *operand = i < problem->n_inputs ? &problem->inputs[i] : &problem->outputs[i - problem->n_inputs];
        double n = 1;
        for (int d = 0; d < operand->rank; d++) n *= operand->dims[d] < 0 ? 128.0 : (double)operand->dims[d];
        most = PLN_MAX(most, n);
    }
    return 2000 + most * 0.004;
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    struct pln_rows_work work;
    const char *why = make_for_problem(kernel, problem, &work);
    if (why) return pln_fail(diag, PLN_INTERNAL, "%s: %s", kernel->name, why);
    pln_rows_print(&work, kernel->tile[3], out_source);
    return PLN_OK;
}

/* A tensor with the dim as two: groups, and their members. false: its extent is no multiple of them. */
static bool split(const struct pln_tensor *from, int dim, int64_t groups, struct pln_tensor *out)
{
    *out = *from;
    if (groups == 0 || dim < 0) return true;
    const int64_t extent = from->dims[dim], members = extent == 1 ? 1 : extent / groups;
    if (from->rank >= PLN_MAX_RANK || (extent != 1 && extent % groups != 0)) return false;
    for (int d = from->rank; d > dim + 1; d--) {
        out->dims[d] = from->dims[d - 1];
        out->strides[d] = from->strides[d - 1];
    }
    out->rank = from->rank + 1;
    out->dims[dim] = extent == 1 ? 1 : groups;
    out->dims[dim + 1] = members;
    out->strides[dim] = from->strides[dim] * members;
    out->strides[dim + 1] = from->strides[dim];
    return true;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_rows_work work;
    *out_prepared = (struct pln_prepared){ .grain = 1, .block_threads = kernel->tile[3] };
    const char *why = make_for_launch(kernel, launch, &work);
    if (why) return pln_fail(diag, PLN_BAD_PLAN, "%s: %s", kernel->name, why);
    const struct pln_tensor *inputs[PLN_ROWPROG_MAX_OPERANDS];
    struct pln_tensor outputs[PLN_ROWPROG_MAX_OPERANDS], parts[PLN_ROWPROG_MAX_OPERANDS];
    bool fits = true;
    for (int i = 0; i < work.program.n_inputs; i++) {
        fits = split(&launch->inputs[work.input_of[i]], work.input_split[i], work.groups, &parts[i]) && fits;
        inputs[i] = &parts[i];
    }
    for (int o = 0; o < work.program.n_outputs; o++) {
        fits = split(&launch->outputs[work.output_of[o]], work.output_split[o], work.groups, &outputs[o]) && fits;
        if (work.cut_axis >= 0) outputs[o].dims[work.cut_axis] = 1;
    }
    if (!fits) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the groups do not divide the channels", kernel->name);
    memcpy(((struct pln_cuda_rows_params *)state)->extra, work.extra, sizeof work.extra);
    return pln_rows_plan(kernel->name, &work, inputs, outputs, kernel->tile[3], diag, state, &out_prepared->n_tasks);
}

#define ROWS(name_, host_inputs_)                                                                                                                                              \
    {                                                                                                                                                                          \
        .name = name_, .state_bytes = sizeof(struct pln_cuda_rows_params), .supports = supports, .cost = cost, .prepare = prepare, .emit = emit, .host_inputs = host_inputs_, \
        .packed_input = -1                                                                                                                                                     \
    }
const struct pln_kernel_family pln_cuda_rows = ROWS("rows", 0);
const struct pln_kernel_family pln_cuda_reduce = ROWS("reduce", 1u << 1);     /* the axes */
const struct pln_kernel_family pln_cuda_cumulate = ROWS("cumulate", 1u << 1); /* the axis */
const struct pln_kernel_family pln_cuda_topk = ROWS("topk", 1u << 1);         /* how many, which the shape says, too */
