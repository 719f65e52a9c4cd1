/* Convolutions with a thread an output element: one input channel a group, and transposed ones. tile: not used. */
#include "backend/cuda/kernels/conv.h"

static enum pln_status count_tasks(const struct pln_kernel *kernel, const struct pln_cuda_conv_params *p, struct pln_diag *diag, int64_t *out_tasks)
{
    int64_t count = 0;
    if (!pln_mul_i64(p->pixels, (int64_t)p->groups * p->group_out, &count)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the output is too large", kernel->name);
    *out_tasks = count / PLN_CONV_THREADS + (count % PLN_CONV_THREADS != 0);
    return PLN_OK;
}

static bool is_float(const struct pln_launch *launch)
{
    const enum pln_dtype dtype = launch->n_inputs > 0 ? launch->inputs[0].dtype : PLN_DTYPE_NONE;
    return dtype == PLN_F32 || dtype == PLN_F16 || dtype == PLN_BF16 || dtype == PLN_F64;
}

static enum pln_status prepare_direct(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    *out_prepared = (struct pln_prepared){ .grain = 1, .block_threads = PLN_CONV_THREADS };
    if (!is_float(launch)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the operands are of another type", kernel->name);
    PLN_TRY(pln_cuda_conv_read(kernel, launch, diag, state));
    return count_tasks(kernel, state, diag, &out_prepared->n_tasks);
}

/* ---- one input channel a group ---- */

static const char *supports_depthwise(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const char *why = pln_cuda_conv_supports(problem, PLN_F32, true);
    if (why) return why;
    const struct pln_operand *w = &problem->inputs[1];
    return w->rank < 3 || w->dims[1] != 1 || pln_attrs_int(problem->attrs, "group", 1) < 2 ? "not one input channel a group" : NULL;
}

static double cost_depthwise(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    /* Bound by loads through the first cache. */
    return pln_cuda_conv_flops(problem) / 2e3 * (kernel->flags & PLN_KERNEL_CHANNELS_LAST ? 1 : 1.25) + 3000;
}

static enum pln_status emit_depthwise(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    PLN_TRY(pln_cuda_conv_emit(kernel, problem, diag, out_source));
    pln_text_puts(out_source, "#include \"backend/cuda/device/depthwise.cuh\"\n");
    return PLN_OK;
}

static enum pln_status prepare_depthwise(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    const struct pln_cuda_conv_params *p = state;
    PLN_TRY(prepare_direct(kernel, launch, state, out_prepared, diag));
    return p->group_in == 1 ? PLN_OK : pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: a group has %d input channels", kernel->name, (int)p->group_in);
}

const struct pln_kernel_family pln_cuda_depthwise = {
    .name = "depthwise", .state_bytes = sizeof(struct pln_cuda_conv_params), .supports = supports_depthwise, .cost = cost_depthwise, .prepare = prepare_depthwise, .emit = emit_depthwise, .packed_input = -1
};

/* ---- transposed ---- */

static const char *supports_transposed(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const bool wide = problem->n_inputs > 0 && problem->inputs[0].dtype == PLN_F64;
    return pln_cuda_conv_supports(problem, wide ? PLN_F64 : PLN_F32, !wide);
}

static double cost_transposed(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return pln_cuda_conv_flops(problem) / 1e3 + 3000;
}

static enum pln_status emit_transposed(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    PLN_TRY(pln_cuda_conv_emit(kernel, problem, diag, out_source));
    pln_text_puts(out_source, "#include \"backend/cuda/device/conv_transpose.cuh\"\n");
    return PLN_OK;
}

const struct pln_kernel_family pln_cuda_conv_transpose = {
    .name = "conv_transpose", .state_bytes = sizeof(struct pln_cuda_conv_params), .supports = supports_transposed, .cost = cost_transposed, .prepare = prepare_direct, .emit = emit_transposed, .packed_input = -1
};
