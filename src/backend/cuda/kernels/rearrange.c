/* TRILU, REVERSE_SEQUENCE, TENSOR_SCATTER. tile: threads a block. */
#include "backend/cuda/device/rearrange_params.h"
#include "backend/cuda/kernels/walk.h"

/* Which input holds the numbers. */
static int numbers_input(unsigned op)
{
    return op == PLN_OP_TENSOR_SCATTER ? 2 : 1;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *in = &problem->inputs[0], *out = &problem->outputs[0];
    if (problem->n_inputs < 1 || problem->n_outputs != 1) return "wrong number of operands";
    if (!pln_cuda_unit(in->dtype) || in->dtype != out->dtype) return "elements are not 1, 2, 4 or 8 bytes";
    if (in->rank < 2 || in->rank > PLN_CUDA_MAX_RANK || out->rank != in->rank)
        return "the rank is not known, or above 8";
    if (kernel->op == PLN_OP_TENSOR_SCATTER &&
        (problem->n_inputs < 2 || problem->inputs[1].dtype != in->dtype || problem->inputs[1].rank != in->rank))
        return "the update is not like the cache";
    return pln_cuda_ints_supports(problem, numbers_input(kernel->op));
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return pln_cuda_move_cost(problem, 8);
}

static bool is_circular(const struct pln_attrs *attrs)
{
    return pln_str_equal(pln_attrs_string(attrs, "mode", "linear"), "circular");
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag,
                            struct pln_text *out_source)
{
    (void)diag;
    const char *what = "PLN_REVERSE";
    if (kernel->op == PLN_OP_TRILU) what = pln_attrs_int(problem->attrs, "upper", 1) != 0 ? "PLN_TRIU" : "PLN_TRIL";
    if (kernel->op == PLN_OP_TENSOR_SCATTER) what = is_circular(problem->attrs) ? "PLN_WRITE_CIRCULAR" : "PLN_WRITE";
    pln_text_printf(
        out_source,
        "#define PLN_ELEMENT %s\n#define PLN_THREADS %d\n#define %s\n#include \"backend/cuda/device/rearrange.cuh\"\n",
        pln_cuda_unit(problem->inputs[0].dtype), (int)kernel->tile[0], what);
    return PLN_OK;
}

/* ---- axes and numbers; NULL, or why they do not fit ---- */

static const char *plan_trilu(struct pln_cuda_rearrange_params *params)
{
    params->axes[0] = params->rank - 2;
    params->axes[1] = params->rank - 1;
    return params->numbers.n >= 0 && params->numbers.n != 1 ? "k is not one number" : NULL;
}

static const char *plan_reverse(const struct pln_launch *launch, struct pln_cuda_rearrange_params *params)
{
    int batch, time;
    if (!pln_axis_normalize(pln_attrs_int(launch->attrs, "batch_axis", 1), (int)params->rank, &batch) ||
        !pln_axis_normalize(pln_attrs_int(launch->attrs, "time_axis", 0), (int)params->rank, &time))
        return "there is no such axis";
    params->axes[0] = batch;
    params->axes[1] = time;
    return batch == time || params->numbers.n != params->dims[batch]
               ? "there is not one length for each index of another axis"
               : NULL;
}

static const char *plan_write(const struct pln_launch *launch, struct pln_cuda_rearrange_params *params)
{
    const struct pln_tensor *update = &launch->inputs[1];
    int axis;
    bool fits = pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", -2), (int)params->rank, &axis) && axis > 0 &&
                pln_cuda_has_input(launch, 1) && update->dtype == launch->inputs[0].dtype &&
                update->rank == params->rank && (params->numbers.n < 0 || params->numbers.n == params->dims[0]);
    for (int d = 0; fits && d < params->rank; d++)
        fits = d == axis ? update->dims[d] <= params->dims[d] : update->dims[d] == params->dims[d];
    if (!fits) return "the shapes of cache, update and indices do not fit";
    params->axes[1] = axis;
    params->length = update->dims[axis];
    params->update = pln_cuda_address(update);
    memcpy(params->update_strides, update->strides, sizeof params->update_strides);
    return NULL;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_rearrange_params *params = state;
    if (launch->op != kernel->op || launch->n_inputs < 1 || launch->n_outputs != 1)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *in = &launch->inputs[0], *out = &launch->outputs[0];
    if (!pln_cuda_unit(in->dtype) || in->dtype != out->dtype || in->rank < 2 || in->rank > PLN_CUDA_MAX_RANK ||
        !pln_tensor_same_shape(in, out) || !pln_cuda_ints_fill(launch, numbers_input(launch->op), &params->numbers))
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the operands are not those that it was made for", kernel->name);
    params->from = pln_cuda_address(in);
    params->to = pln_cuda_address(out);
    params->rank = out->rank;
    memcpy(params->dims, out->dims, sizeof params->dims);
    memcpy(params->to_strides, out->strides, sizeof params->to_strides);
    memcpy(params->from_strides, in->strides, sizeof params->from_strides);
    const char *why = launch->op == PLN_OP_TRILU              ? plan_trilu(params)
                      : launch->op == PLN_OP_REVERSE_SEQUENCE ? plan_reverse(launch, params)
                                                              : plan_write(launch, params);
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
    return "a length or write index leads out of the tensor";
}

const struct pln_kernel_family pln_cuda_rearrange = { .name = "rearrange",
                                                      .state_bytes = sizeof(struct pln_cuda_rearrange_params),
                                                      .supports = supports,
                                                      .cost = cost,
                                                      .prepare = prepare,
                                                      .emit = emit,
                                                      .packed_input = -1,
                                                      .fault = fault };
