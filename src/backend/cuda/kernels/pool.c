/* POOL of images of any strides with one to three spatial axes: maximum with its places, average, Lp. tile: threads a
 * block. */
#include "backend/cuda/device/pool_params.h"
#include "backend/cuda/family.h"
#include "backend/cuda/kernels/walk.h"
#include "kernel/window.h"

static bool is_float(enum pln_dtype dtype)
{
    return dtype == PLN_F32 || dtype == PLN_F16 || dtype == PLN_BF16 || dtype == PLN_F64;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *x = &problem->inputs[0];
    struct pln_window window;
    if (problem->n_inputs != 1 || problem->n_outputs < 1) return "wrong number of operands";
    if (!is_float(x->dtype) && !(problem->kind == PLN_POOL_MAX && (x->dtype == PLN_I8 || x->dtype == PLN_U8)))
        return "pooling of this type is not here";
    if (x->rank < 3 || x->rank > 2 + PLN_CUDA_POOL_SPATIAL) return "not one to three spatial axes";
    const bool indices = problem->n_outputs > 1 && problem->outputs[1].present;
    if (indices && problem->kind != PLN_POOL_MAX) return "only a maximum has a place";
    /* The second output of a row that wants its images channels last is dense. */
    if (indices && (kernel->flags & PLN_KERNEL_CHANNELS_LAST)) return "indices are wanted";
    return pln_window_read(problem->attrs, x->rank - 2, NULL, &window);
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    struct pln_window window;
    double taps = 1;
    if (pln_window_read(problem->attrs, problem->inputs[0].rank - 2, NULL, &window) == NULL)
        for (int d = 0; d < window.rank; d++) taps *= (double)window.kernel[d];
    return pln_cuda_move_cost(problem, 8 + taps * (kernel->flags & PLN_KERNEL_CHANNELS_LAST ? 0.5 : 1));
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag,
                            struct pln_text *out_source)
{
    (void)diag;
    const enum pln_dtype dtype = problem->inputs[0].dtype;
    const char *arithmetic = dtype == PLN_F64 ? "double" : is_float(dtype) ? "float" : "int32_t";
    const char *what = problem->kind == PLN_POOL_MAX       ? "PLN_MAX"
                       : problem->kind == PLN_POOL_AVERAGE ? "PLN_AVERAGE"
                                                           : "PLN_LP";
    pln_text_printf(out_source,
                    "#define PLN_T %s\n#define PLN_ACC %s\n#define PLN_THREADS %d\n#define %s\n#include "
                    "\"backend/cuda/device/pool.cuh\"\n",
                    pln_cuda_type(dtype), arithmetic, (int)kernel->tile[0], what);
    return PLN_OK;
}

/* ---- geometry ---- */

/* Place of a tensor's axis among five: n, c, depth, height, width. */
static int axis_place(int rank, int d)
{
    return d < 2 ? d : d + 5 - rank;
}

static void spread_strides(const struct pln_tensor *tensor, int64_t *out_strides)
{
    memset(out_strides, 0, 5 * sizeof *out_strides);
    for (int d = 0; d < tensor->rank; d++) out_strides[axis_place(tensor->rank, d)] = tensor->strides[d];
}

/* NULL, or why window and extents do not fit. */
static const char *read_window(const struct pln_launch *launch, struct pln_cuda_pool_params *params)
{
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    struct pln_window window;
    int64_t out[PLN_WINDOW_MAX];
    const char *why = pln_window_read(launch->attrs, x->rank - 2, NULL, &window);
    if (!why) why = pln_window_output(&window, x->dims + 2, out);
    if (why) return why;
    int first = PLN_CUDA_POOL_SPATIAL - window.rank;
    for (int d = 0; d < PLN_CUDA_POOL_SPATIAL; d++) {
        params->in[d] = params->kernel[d] = params->stride[d] = params->dilation[d] = 1;
        params->pad[d] = params->pad_end[d] = 0;
        if (d < first) continue;
        if (out[d - first] != y->dims[d - first + 2]) return "window and output do not fit";
        params->in[d] = x->dims[d - first + 2];
        params->kernel[d] = window.kernel[d - first];
        params->stride[d] = window.stride[d - first];
        params->dilation[d] = window.dilation[d - first];
        params->pad[d] = window.pad_begin[d - first];
        params->pad_end[d] = window.pad_end[d - first];
    }
    params->count_pads = pln_attrs_int(launch->attrs, "count_include_pad", 0) != 0;
    params->column_major = pln_attrs_int(launch->attrs, "storage_order", 0) != 0;
    params->p = pln_attrs_int(launch->attrs, "p", 2);
    return params->p < 1 ? "p is below 1" : NULL;
}

/* Axes of the output by falling strides: elements that are neighbours in memory are made by neighbouring threads. */
static void order_axes(const struct pln_tensor *y, struct pln_cuda_pool_params *params)
{
    int64_t dims[5] = { 1, 1, 1, 1, 1 };
    for (int d = 0; d < y->rank; d++) dims[axis_place(y->rank, d)] = y->dims[d];
    for (int d = 0; d < 5; d++) {
        int at = d;
        for (; at > 0 && params->y_strides[params->order[at - 1]] < params->y_strides[d]; at--) {
            params->order[at] = params->order[at - 1];
            params->out_dims[at] = params->out_dims[at - 1];
        }
        params->order[at] = d;
        params->out_dims[at] = dims[d];
    }
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_pool_params *params = state;
    if (launch->n_inputs != 1 || launch->n_outputs < 1)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    const struct pln_tensor *indices =
        launch->n_outputs > 1 && launch->outputs[1].dtype != PLN_DTYPE_NONE ? &launch->outputs[1] : NULL;
    bool fits = x->dtype == y->dtype && pln_cuda_type(x->dtype) && x->rank >= 3 &&
                x->rank <= 2 + PLN_CUDA_POOL_SPATIAL && y->rank == x->rank && x->dims[0] == y->dims[0] &&
                x->dims[1] == y->dims[1];
    fits = fits && (!indices || (indices->dtype == PLN_I64 && pln_tensor_same_shape(indices, y)));
    if (!fits) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: image and output do not fit", kernel->name);
    const char *why = read_window(launch, params);
    if (why) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    params->x = pln_cuda_address(x);
    params->y = pln_cuda_address(y);
    params->indices = indices ? pln_cuda_address(indices) : 0;
    params->n_elements = pln_tensor_count(y);
    params->channels = x->dims[1];
    spread_strides(x, params->x_strides);
    spread_strides(y, params->y_strides);
    if (indices) spread_strides(indices, params->index_strides);
    order_axes(y, params);
    *out_prepared = (struct pln_prepared){ .n_tasks = pln_cuda_tasks(params->n_elements, kernel->tile[0]),
                                           .grain = 1,
                                           .block_threads = kernel->tile[0] };
    return PLN_OK;
}

const struct pln_kernel_family pln_cuda_pool = { .name = "pool",
                                                 .state_bytes = sizeof(struct pln_cuda_pool_params),
                                                 .supports = supports,
                                                 .cost = cost,
                                                 .prepare = prepare,
                                                 .emit = emit,
                                                 .packed_input = -1 };
