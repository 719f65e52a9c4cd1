/* SCATTER_ELEMENTS, SCATTER_ND, with reductions. tile: elements of a task, -, -, threads a block. */
#include "backend/cuda/device/scatter_params.h"
#include "backend/cuda/kernels/walk.h"

/* What combines an element and its update; NULL: no such reduction. The second form is that of integers, which wrap. */
static const char *reduction_of(const struct pln_attrs *attrs, enum pln_dtype dtype)
{
    static const struct {
        const char *name, *floats, *ints;
    } rows[] = {
        { "none", "", "" },
        { "add", "(a) + (b)", "(uint64_t)(a) + (uint64_t)(b)" },
        { "mul", "(a) * (b)", "(uint64_t)(a) * (uint64_t)(b)" },
        { "max", "(a) < (b) || (b) != (b) ? (b) : (a)", "(a) < (b) ? (b) : (a)" },
        { "min", "(b) < (a) || (b) != (b) ? (b) : (a)", "(b) < (a) ? (b) : (a)" },
    };
    const char *name = pln_attrs_string(attrs, "reduction", "none");
    for (size_t i = 0; i < PLN_COUNT_OF(rows); i++)
        if (pln_str_equal(rows[i].name, name)) return pln_dtype_is_float(dtype) ? rows[i].floats : rows[i].ints;
    return NULL;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *data = &problem->inputs[0], *indices = &problem->inputs[1],
                             *updates = &problem->inputs[2], *out = &problem->outputs[0];
    if (problem->n_inputs != 3 || problem->n_outputs != 1) return "wrong number of operands";
    if (!pln_cuda_unit(data->dtype) || data->dtype != out->dtype || data->dtype != updates->dtype)
        return "elements are not 1, 2, 4 or 8 bytes";
    if (indices->dtype != PLN_I64 && indices->dtype != PLN_I32) return "the indices are neither i32 nor i64";
    if (data->rank < 1 || indices->rank < 1 || updates->rank < 0) return "a rank is not known";
    if (data->rank > PLN_CUDA_MAX_RANK || indices->rank > PLN_CUDA_MAX_RANK || updates->rank > PLN_CUDA_MAX_RANK)
        return "there are more than 8 dims";
    const char *combine = reduction_of(problem->attrs, data->dtype);
    if (!combine) return "there is no such reduction";
    return *combine && !pln_cuda_type(data->dtype) ? "elements of this type cannot be computed with" : NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return pln_cuda_move_cost(problem, 16);
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag,
                            struct pln_text *out_source)
{
    (void)diag;
    const enum pln_dtype dtype = problem->inputs[0].dtype;
    const char *combine = reduction_of(problem->attrs, dtype);
    pln_text_printf(out_source, "#define PLN_T %s\n#define PLN_INDEX %s\n#define PLN_THREADS %d\n",
                    *combine ? pln_cuda_type(dtype) : pln_cuda_unit(dtype),
                    problem->inputs[1].dtype == PLN_I64 ? "int64_t" : "int32_t", (int)kernel->tile[3]);
    if (*combine)
        pln_text_printf(out_source, "#define PLN_COMBINE(a, b) (%s(%s))\n", dtype == PLN_BOOL ? "(bool)" : "", combine);
    pln_text_printf(out_source, "#include \"backend/cuda/device/scatter.cuh\"\n");
    return PLN_OK;
}

/* ---- shapes ---- */

static void add_place(struct pln_cuda_scatter_params *params, const struct pln_launch *launch, int d)
{
    params->place_dims[params->lead] = launch->inputs[1].dims[d];
    params->index_strides[params->lead] = launch->inputs[1].strides[d];
    params->place_strides[params->lead++] = launch->inputs[2].strides[d];
}

static bool plan_elements(const struct pln_launch *launch, struct pln_cuda_scatter_params *params)
{
    const struct pln_tensor *indices = &launch->inputs[1], *updates = &launch->inputs[2], *out = &launch->outputs[0];
    int axis;
    bool fits = pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", 0), out->rank, &axis) &&
                indices->rank == out->rank && pln_tensor_same_shape(indices, updates);
    for (int d = 0; fits && d < out->rank; d++) {
        fits = d == axis || indices->dims[d] <= out->dims[d];
        add_place(params, launch, d);
    }
    params->depth = out->rank;
    params->indexed_axis = fits ? axis : -1;
    return fits;
}

static bool plan_nd(const struct pln_launch *launch, struct pln_cuda_scatter_params *params)
{
    const struct pln_tensor *indices = &launch->inputs[1], *updates = &launch->inputs[2], *out = &launch->outputs[0];
    int lead = indices->rank - 1;
    if (lead < 0 || indices->dims[lead] > out->rank) return false;
    int depth = (int)indices->dims[lead];
    bool fits = updates->rank == lead + out->rank - depth;
    for (int d = 0; fits && d < lead; d++) {
        fits = updates->dims[d] == indices->dims[d];
        add_place(params, launch, d);
    }
    for (int d = depth; fits && d < out->rank; d++) {
        fits = updates->dims[lead + d - depth] == out->dims[d];
        params->column_strides[d] = updates->strides[lead + d - depth];
    }
    params->depth = depth;
    params->index_step = indices->strides[lead];
    params->indexed_axis = -1;
    return fits;
}

static void divide(const struct pln_kernel *kernel, const struct pln_tensor *out,
                   struct pln_cuda_scatter_params *params, struct pln_prepared *out_prepared)
{
    *out_prepared = (struct pln_prepared){ .grain = 1, .block_threads = kernel->tile[3] };
    params->slices = params->columns = params->task_slices = params->task_columns = 1;
    if (pln_tensor_count(out) == 0) return;
    for (int d = 0; d < out->rank; d++) *(d < params->depth ? &params->slices : &params->columns) *= out->dims[d];
    params->task_columns = PLN_MIN(params->columns, (int64_t)kernel->tile[0]);
    params->task_slices = PLN_MIN(params->slices, kernel->tile[0] / params->task_columns);
    out_prepared->n_tasks =
        pln_cuda_tasks(params->slices, params->task_slices) * pln_cuda_tasks(params->columns, params->task_columns);
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_scatter_params *params = state;
    if (launch->op != kernel->op || launch->n_inputs != 3 || launch->n_outputs != 1)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *data = &launch->inputs[0], *indices = &launch->inputs[1], *updates = &launch->inputs[2],
                            *out = &launch->outputs[0];
    bool fits = pln_cuda_unit(data->dtype) && data->dtype == out->dtype && data->dtype == updates->dtype &&
                (indices->dtype == PLN_I64 || indices->dtype == PLN_I32) && data->rank <= PLN_CUDA_MAX_RANK &&
                indices->rank <= PLN_CUDA_MAX_RANK && updates->rank <= PLN_CUDA_MAX_RANK;
    if (!fits)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the types or ranks are not those that it was made for", kernel->name);
    fits = pln_tensor_same_shape(data, out) &&
           (launch->op == PLN_OP_SCATTER_ND ? plan_nd(launch, params) : plan_elements(launch, params));
    if (!fits)
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the shapes of data, indices and updates do not fit",
                        kernel->name);
    params->data = pln_cuda_address(data);
    params->indices = pln_cuda_address(indices);
    params->updates = pln_cuda_address(updates);
    params->to = pln_cuda_address(out);
    params->rank = out->rank;
    memcpy(params->dims, out->dims, sizeof params->dims);
    memcpy(params->data_strides, data->strides, sizeof params->data_strides);
    memcpy(params->to_strides, out->strides, sizeof params->to_strides);
    params->places = pln_tensor_count(updates) > 0;
    for (int64_t d = 0; d < params->lead; d++) params->places *= params->place_dims[d];
    divide(kernel, out, params, out_prepared);
    return PLN_OK;
}

static const char *fault(const void *state, uint64_t code)
{
    (void)state;
    (void)code;
    return "Scatter: an index is outside of its axis";
}

const struct pln_kernel_family pln_cuda_scatter = { .name = "scatter",
                                                    .state_bytes = sizeof(struct pln_cuda_scatter_params),
                                                    .supports = supports,
                                                    .cost = cost,
                                                    .prepare = prepare,
                                                    .emit = emit,
                                                    .packed_input = -1,
                                                    .fault = fault };
