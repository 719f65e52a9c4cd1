/* RANGE, ONE_HOT, EYE_LIKE. tile: threads a block. How many elements there are the output's extents tell. */
#include "backend/cuda/device/generate_params.h"
#include "backend/cuda/kernels/walk.h"
#include "tensor/convert.h"

static const char *range_supports(const struct pln_problem *problem)
{
    const enum pln_dtype dtype = problem->outputs[0].dtype;
    if (problem->n_inputs != 3 || problem->outputs[0].rank != 1) return "wrong number of operands";
    if (!pln_cuda_type(dtype) || dtype == PLN_BOOL) return "there is no arithmetic in this type";
    for (int i = 0; i < 3; i += 2)
        if (problem->inputs[i].dtype != dtype || problem->inputs[i].rank < 0)
            return "start and delta are not of the output's type";
    return NULL;
}

static const char *one_hot_supports(const struct pln_problem *problem)
{
    const struct pln_operand *at = &problem->inputs[0], *values = &problem->inputs[2], *out = &problem->outputs[0];
    if (problem->n_inputs != 3) return "wrong number of operands";
    if (!pln_cuda_type(at->dtype)) return "the indices have a type that cannot be computed with";
    if (values->dtype != out->dtype || values->rank != 1) return "the values are not of the output's type";
    return out->rank != at->rank + 1 ? "the rank is not known" : NULL;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    if (problem->n_inputs < 1 || problem->n_outputs != 1) return "wrong number of operands";
    const struct pln_operand *out = &problem->outputs[0];
    if (!pln_cuda_unit(out->dtype)) return "elements are not 1, 2, 4 or 8 bytes";
    if (out->rank < 1 || out->rank > PLN_CUDA_MAX_RANK) return "the rank is not known, or above 8";
    if (kernel->op == PLN_OP_RANGE) return range_supports(problem);
    if (kernel->op == PLN_OP_ONE_HOT) return one_hot_supports(problem);
    return out->rank == 2 && !pln_dtype_is_complex(out->dtype) ? NULL : "the output is no matrix of numbers";
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
    const char *unit = pln_cuda_unit(problem->outputs[0].dtype);
    pln_text_printf(out_source, "#define PLN_THREADS %d\n", (int)kernel->tile[0]);
    if (kernel->op == PLN_OP_RANGE)
        pln_text_printf(out_source, "#define PLN_RANGE\n#define PLN_T %s\n", pln_cuda_type(problem->outputs[0].dtype));
    else if (kernel->op == PLN_OP_ONE_HOT)
        pln_text_printf(out_source, "#define PLN_ONE_HOT\n#define PLN_T %s\n#define PLN_ELEMENT %s\n",
                        pln_cuda_type(problem->inputs[0].dtype), unit);
    else
        pln_text_printf(out_source, "#define PLN_EYE\n#define PLN_ELEMENT %s\n", unit);
    pln_text_printf(out_source, "#include \"backend/cuda/device/generate.cuh\"\n");
    return PLN_OK;
}

/* ---- what prepare checks; NULL, or why not ---- */

static const char *plan_range(const struct pln_launch *launch, struct pln_cuda_generate_params *params)
{
    const struct pln_tensor *out = &launch->outputs[0];
    bool fits = launch->n_inputs == 3 && out->rank == 1;
    for (int i = 0; fits && i < 3; i += 2)
        fits = launch->inputs[i].dtype == out->dtype && pln_tensor_count(&launch->inputs[i]) == 1;
    if (!fits) return "start and delta are not one number each, of the output's type";
    params->a = pln_cuda_address(&launch->inputs[0]);
    params->b = pln_cuda_address(&launch->inputs[2]);
    return NULL;
}

static const char *plan_one_hot(const struct pln_launch *launch, struct pln_cuda_generate_params *params)
{
    const struct pln_tensor *at = &launch->inputs[0], *values = &launch->inputs[2], *out = &launch->outputs[0];
    int axis;
    bool fits = launch->n_inputs == 3 && values->dtype == out->dtype && values->rank == 1 && values->dims[0] == 2 &&
                at->rank + 1 == out->rank && pln_cuda_type(at->dtype) &&
                pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", -1), out->rank, &axis);
    for (int d = 0; fits && d < out->rank; d++) {
        int from = d < axis ? d : d - 1;
        fits = d == axis || at->dims[from] == out->dims[d];
        params->a_strides[d] = d == axis ? 0 : at->strides[from];
    }
    if (!fits) return "the shapes of indices, values and output do not fit";
    params->axis = axis;
    params->a = pln_cuda_address(at);
    params->b = pln_cuda_address(values);
    params->b_stride = values->strides[0];
    return NULL;
}

static const char *plan_eye(const struct pln_launch *launch, struct pln_cuda_generate_params *params)
{
    const struct pln_tensor *out = &launch->outputs[0];
    if (out->rank != 2) return "the output is no matrix";
    params->k = pln_attrs_int(launch->attrs, "k", 0);
    pln_store_f64(out->dtype, &params->value, 0, 1, false);
    return NULL;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_generate_params *params = state;
    if (launch->op != kernel->op || launch->n_inputs < 1 || launch->n_outputs != 1 ||
        !pln_cuda_unit(launch->outputs[0].dtype) || launch->outputs[0].rank > PLN_CUDA_MAX_RANK)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the operands are not those that it was made for", kernel->name);
    const struct pln_tensor *out = &launch->outputs[0];
    const char *why = launch->op == PLN_OP_RANGE     ? plan_range(launch, params)
                      : launch->op == PLN_OP_ONE_HOT ? plan_one_hot(launch, params)
                                                     : plan_eye(launch, params);
    if (why) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    params->to = pln_cuda_address(out);
    params->rank = out->rank;
    params->n_elements = pln_tensor_count(out);
    memcpy(params->dims, out->dims, sizeof params->dims);
    memcpy(params->to_strides, out->strides, sizeof params->to_strides);
    *out_prepared = (struct pln_prepared){ .n_tasks = pln_cuda_tasks(params->n_elements,
                                                                     (int64_t)kernel->tile[0] * PLN_CUDA_MOVE_ELEMENTS),
                                           .grain = 1,
                                           .block_threads = kernel->tile[0] };
    return PLN_OK;
}

const struct pln_kernel_family pln_cuda_generate = { .name = "generate",
                                                     .state_bytes = sizeof(struct pln_cuda_generate_params),
                                                     .supports = supports,
                                                     .cost = cost,
                                                     .prepare = prepare,
                                                     .emit = emit,
                                                     .packed_input = -1 };
