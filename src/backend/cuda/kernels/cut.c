/* SLICE, PAD, CENTER_CROP_PAD. tile: threads a block.
 *
 * Starts, steps, pads and axes may be data of the run: the kernel reads them. The shape that CENTER_CROP_PAD is given
 * is the output's. */
#include "backend/cuda/device/cut_params.h"
#include "backend/cuda/kernels/walk.h"

/* -1: no such mode. The numbers are those of device/cut.cuh. */
static int pad_mode(const struct pln_attrs *attrs)
{
    static const char *const names[] = { "constant", "reflect", "edge", "wrap" };
    const char *mode = pln_attrs_string(attrs, "mode", "constant");
    for (int i = 0; i < (int)PLN_COUNT_OF(names); i++)
        if (pln_str_equal(names[i], mode)) return i;
    return -1;
}

static const char *params_support(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    static const int slice[] = { 1, 3, 4 }, pad[] = { 1, 3 };
    const bool is_slice = kernel->op == PLN_OP_SLICE;
    if (kernel->op == PLN_OP_CENTER_CROP_PAD) return NULL;
    if (problem->n_inputs < 2 || !problem->inputs[1].present) return "wrong number of operands";
    for (size_t i = 0; i < (is_slice ? PLN_COUNT_OF(slice) : PLN_COUNT_OF(pad)); i++) {
        const char *why = pln_cuda_ints_supports(problem, is_slice ? slice[i] : pad[i]);
        if (why) return why;
    }
    if (is_slice) return NULL;
    return pad_mode(problem->attrs) < 0 ? "there is no such mode" : NULL;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *in = &problem->inputs[0], *out = &problem->outputs[0];
    if (problem->n_inputs < 1 || problem->n_outputs != 1) return "wrong number of operands";
    if (!pln_cuda_unit(in->dtype) || in->dtype != out->dtype) return "elements are not 1, 2, 4 or 8 bytes";
    if (in->rank < 0 || in->rank > PLN_CUDA_MAX_RANK || out->rank != in->rank)
        return "the rank is not known, or above 8";
    return params_support(kernel, problem);
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return pln_cuda_move_cost(problem, 8);
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag,
                            struct pln_text *out_source)
{
    (void)diag;
    pln_text_printf(out_source, "#define PLN_ELEMENT %s\n#define PLN_THREADS %d\n",
                    pln_cuda_unit(problem->inputs[0].dtype), (int)kernel->tile[0]);
    if (kernel->op == PLN_OP_PAD)
        pln_text_printf(out_source, "#define PLN_PAD\n#define PLN_MODE %d\n", pad_mode(problem->attrs));
    else
        pln_text_printf(out_source, "#define %s\n", kernel->op == PLN_OP_SLICE ? "PLN_SLICE" : "PLN_CROP");
    pln_text_printf(out_source, "#include \"backend/cuda/device/cut.cuh\"\n");
    return PLN_OK;
}

/* ---- what prepare checks; NULL, or why not ---- */

static const char *read_slice(const struct pln_launch *launch, struct pln_cuda_cut_params *params)
{
    if (!pln_cuda_has_input(launch, 1) || !pln_cuda_ints_fill(launch, 1, &params->starts) ||
        !pln_cuda_ints_fill(launch, 3, &params->axes) || !pln_cuda_ints_fill(launch, 4, &params->steps))
        return "starts, axes or steps are no integers";
    int64_t n = params->starts.n;
    if (n > params->rank || (params->axes.n >= 0 && params->axes.n != n) ||
        (params->steps.n >= 0 && params->steps.n != n))
        return "starts, axes and steps differ in length";
    return NULL;
}

static const char *read_pads(const struct pln_launch *launch, struct pln_cuda_cut_params *params)
{
    if (!pln_cuda_has_input(launch, 1) || !pln_cuda_ints_fill(launch, 1, &params->starts) ||
        !pln_cuda_ints_fill(launch, 3, &params->axes))
        return "pads or axes are no integers";
    int64_t n = params->axes.n >= 0 ? params->axes.n : params->rank;
    if (n > params->rank || params->starts.n != 2 * n) return "there are not two pads an axis";
    if (!pln_cuda_has_input(launch, 2) || pad_mode(launch->attrs) != 0) return NULL;
    if (launch->inputs[2].dtype != launch->inputs[0].dtype || pln_tensor_count(&launch->inputs[2]) != 1)
        return "the constant is no element of the input's type";
    params->value = pln_cuda_address(&launch->inputs[2]);
    return NULL;
}

/* The middle of what is longer lies beside the middle of the other, its odd element behind. */
static const char *read_crop(struct pln_cuda_cut_params *params)
{
    for (int64_t d = 0; d < params->rank; d++) {
        int64_t extent = params->extents[d], out = params->dims[d];
        params->shift[d] = extent > out ? (extent - out) / 2 : -((out - extent) / 2);
    }
    return NULL;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_cut_params *params = state;
    if (launch->op != kernel->op || launch->n_inputs < 1 || launch->n_outputs != 1)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *in = &launch->inputs[0], *out = &launch->outputs[0];
    if (!pln_cuda_unit(in->dtype) || in->dtype != out->dtype || in->rank > PLN_CUDA_MAX_RANK || in->rank != out->rank)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the types or ranks are not those that it was made for", kernel->name);
    params->from = pln_cuda_address(in);
    params->to = pln_cuda_address(out);
    params->rank = out->rank;
    memcpy(params->dims, out->dims, sizeof params->dims);
    memcpy(params->extents, in->dims, sizeof params->extents);
    memcpy(params->to_strides, out->strides, sizeof params->to_strides);
    memcpy(params->from_strides, in->strides, sizeof params->from_strides);
    const char *why = launch->op == PLN_OP_SLICE ? read_slice(launch, params)
                      : launch->op == PLN_OP_PAD ? read_pads(launch, params)
                                                 : read_crop(params);
    if (why) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    params->n_elements = pln_tensor_count(out);
    *out_prepared = (struct pln_prepared){ .n_tasks = pln_cuda_tasks(params->n_elements,
                                                                     (int64_t)kernel->tile[0] * PLN_CUDA_MOVE_ELEMENTS),
                                           .grain = 1,
                                           .block_threads = kernel->tile[0] };
    return PLN_OK;
}

static const char *fault(const void *state, uint64_t code)
{
    (void)state;
    (void)code;
    return "Slice or Pad: starts, steps, pads or axes do not give the output's shape";
}

const struct pln_kernel_family pln_cuda_cut = { .name = "cut",
                                                .state_bytes = sizeof(struct pln_cuda_cut_params),
                                                .supports = supports,
                                                .cost = cost,
                                                .prepare = prepare,
                                                .emit = emit,
                                                .packed_input = -1,
                                                .fault = fault };
