/* GATHER, GATHER_ELEMENTS, GATHER_ND. tile: threads a block. */
#include "backend/cuda/device/gather_params.h"
#include "backend/cuda/kernels/walk.h"

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *data = &problem->inputs[0], *indices = &problem->inputs[1], *out = &problem->outputs[0];
    if (problem->n_inputs != 2 || problem->n_outputs != 1) return "wrong number of operands";
    if (!pln_cuda_unit(data->dtype) || data->dtype != out->dtype) return "elements are not 1, 2, 4 or 8 bytes";
    if (indices->dtype != PLN_I64 && indices->dtype != PLN_I32) return "the indices are neither i32 nor i64";
    if (data->rank < 1 || indices->rank < 0 || out->rank < 0) return "a rank is not known";
    return data->rank > PLN_CUDA_MAX_RANK || indices->rank > PLN_CUDA_MAX_RANK || out->rank > PLN_CUDA_MAX_RANK
               ? "there are more than 8 dims"
               : NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return pln_cuda_move_cost(problem, 12);
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag,
                            struct pln_text *out_source)
{
    (void)diag;
    pln_text_printf(out_source,
                    "#define PLN_ELEMENT %s\n#define PLN_INDEX %s\n#define PLN_THREADS %d\n#include "
                    "\"backend/cuda/device/gather.cuh\"\n",
                    pln_cuda_unit(problem->inputs[0].dtype),
                    problem->inputs[1].dtype == PLN_I64 ? "int64_t" : "int32_t", (int)kernel->tile[0]);
    return PLN_OK;
}

/* Adds output axis d, of which data and indices walk an axis of theirs, or none (-1). false: the extents differ. */
static bool add(const struct pln_launch *launch, struct pln_cuda_walk *walk, int d, int data_axis, int index_axis)
{
    const struct pln_tensor *data = &launch->inputs[0], *indices = &launch->inputs[1], *out = &launch->outputs[0];
    if (index_axis >= 0 && indices->dims[index_axis] != out->dims[d]) return false;
    pln_cuda_walk_add(walk, out->dims[d],
                      (const int64_t[]){ out->strides[d], data_axis >= 0 ? data->strides[data_axis] : 0,
                                         index_axis >= 0 ? indices->strides[index_axis] : 0 });
    return true;
}

static void index_axis(struct pln_cuda_gather_params *params, const struct pln_tensor *data, int axis)
{
    params->extents[params->depth] = data->dims[axis];
    params->axis_strides[params->depth++] = data->strides[axis];
}

static bool plan_gather(const struct pln_launch *launch, struct pln_cuda_walk *walk,
                        struct pln_cuda_gather_params *params)
{
    const struct pln_tensor *data = &launch->inputs[0], *indices = &launch->inputs[1], *out = &launch->outputs[0];
    int axis;
    bool fits = pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", 0), data->rank, &axis) &&
                out->rank == data->rank - 1 + indices->rank;
    for (int d = 0; fits && d < out->rank; d++) {
        bool indexed = d >= axis && d < axis + indices->rank;
        int from = d < axis ? d : d - indices->rank + 1;
        fits = (indexed || data->dims[from] == out->dims[d]) &&
               add(launch, walk, d, indexed ? -1 : from, indexed ? d - axis : -1);
    }
    if (fits) index_axis(params, data, axis);
    return fits;
}

static bool plan_elements(const struct pln_launch *launch, struct pln_cuda_walk *walk,
                          struct pln_cuda_gather_params *params)
{
    const struct pln_tensor *data = &launch->inputs[0], *indices = &launch->inputs[1], *out = &launch->outputs[0];
    int axis;
    bool fits = pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", 0), data->rank, &axis) &&
                out->rank == data->rank && indices->rank == data->rank;
    for (int d = 0; fits && d < out->rank; d++)
        fits = (d == axis || out->dims[d] <= data->dims[d]) && add(launch, walk, d, d == axis ? -1 : d, d);
    if (fits) index_axis(params, data, axis);
    return fits;
}

static bool plan_nd(const struct pln_launch *launch, struct pln_cuda_walk *walk, struct pln_cuda_gather_params *params)
{
    const struct pln_tensor *data = &launch->inputs[0], *indices = &launch->inputs[1], *out = &launch->outputs[0];
    int64_t batch = pln_attrs_int(launch->attrs, "batch_dims", 0);
    int lead = indices->rank - 1;
    if (lead < 0 || batch < 0 || batch > lead || batch >= data->rank) return false;
    int64_t depth = indices->dims[lead];
    if (depth > data->rank - batch || out->rank != lead + data->rank - batch - depth) return false;
    bool fits = true;
    for (int d = 0; fits && d < out->rank; d++) {
        int from = d < batch ? d : d < lead ? -1 : d - lead + (int)(batch + depth);
        fits = (from < 0 || data->dims[from] == out->dims[d]) && add(launch, walk, d, from, d < lead ? d : -1);
    }
    for (int k = 0; fits && k < depth; k++) index_axis(params, data, (int)batch + k);
    params->index_step = indices->strides[lead];
    return fits;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_gather_params *params = state;
    struct pln_cuda_walk walk = { .n_operands = 3 };
    if (launch->op != kernel->op || launch->n_inputs != 2 || launch->n_outputs != 1)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *data = &launch->inputs[0], *indices = &launch->inputs[1], *out = &launch->outputs[0];
    bool fits = pln_cuda_unit(data->dtype) && data->dtype == out->dtype &&
                (indices->dtype == PLN_I64 || indices->dtype == PLN_I32) && data->rank <= PLN_CUDA_MAX_RANK &&
                indices->rank <= PLN_CUDA_MAX_RANK && out->rank <= PLN_CUDA_MAX_RANK;
    if (!fits)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the types or ranks are not those that it was made for", kernel->name);
    if (launch->op == PLN_OP_GATHER)
        fits = plan_gather(launch, &walk, params);
    else if (launch->op == PLN_OP_GATHER_ELEMENTS)
        fits = plan_elements(launch, &walk, params);
    else
        fits = plan_nd(launch, &walk, params);
    if (!fits) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the shapes do not fit together", kernel->name);
    params->data = pln_cuda_address(data);
    params->indices = pln_cuda_address(indices);
    params->to = pln_cuda_address(out);
    params->n_elements = pln_tensor_count(out);
    if (params->n_elements > 0) pln_cuda_walk_merge(&walk);
    params->rank = walk.rank;
    memcpy(params->dims, walk.dims, sizeof params->dims);
    memcpy(params->to_strides, walk.strides[0], sizeof params->to_strides);
    memcpy(params->data_strides, walk.strides[1], sizeof params->data_strides);
    memcpy(params->index_strides, walk.strides[2], sizeof params->index_strides);
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
    return "Gather: an index is outside of its axis";
}

const struct pln_kernel_family pln_cuda_gather = { .name = "gather",
                                                   .state_bytes = sizeof(struct pln_cuda_gather_params),
                                                   .supports = supports,
                                                   .cost = cost,
                                                   .prepare = prepare,
                                                   .emit = emit,
                                                   .packed_input = -1,
                                                   .fault = fault };
