/* GRID_SAMPLE, AFFINE_GRID and ROI_ALIGN of floats, any strides. tile: threads a block. */
#include "backend/cuda/device/sample_params.h"
#include "backend/cuda/kernels/walk.h"

#define SPATIAL_MOST 3 /* device/sample.cuh */

static bool is_float(enum pln_dtype dtype)
{
    return dtype == PLN_F32 || dtype == PLN_F16 || dtype == PLN_BF16 || dtype == PLN_F64;
}

static int pick(const struct pln_attrs *attrs, const char *attr, const char *const *names)
{
    const char *text = pln_attrs_string(attrs, attr, names[0]);
    for (int i = 0; names[i]; i++)
        if (pln_str_equal(text, names[i])) return i;
    return -1;
}

static const char *accumulator(enum pln_dtype dtype)
{
    return dtype == PLN_F64 ? "double" : "float";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return pln_cuda_move_cost(problem, 64);
}

/* ---- GRID_SAMPLE, AFFINE_GRID ---- */

static const char *const sample_modes[] = { "linear", "nearest", "cubic", NULL };
static const char *const sample_paddings[] = { "zeros", "border", "reflection", NULL };

static const char *sample_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *in = &problem->inputs[0], *grid = &problem->inputs[1], *out = &problem->outputs[0];
    if (problem->n_inputs < 1 || problem->n_outputs != 1) return "wrong number of operands";
    if (!is_float(in->dtype) || out->dtype != in->dtype) return "not of floats";
    if (kernel->op == PLN_OP_AFFINE_GRID)
        return in->rank == 3 && (out->rank == 4 || out->rank == 5) ? NULL : "the ranks are not those of affine grids";
    if (problem->n_inputs != 2 || !is_float(grid->dtype)) return "the grid is not of floats";
    if (in->rank < 3 || in->rank > 2 + SPATIAL_MOST || grid->rank != in->rank || out->rank != in->rank)
        return "not one to three spatial axes";
    return pick(problem->attrs, "mode", sample_modes) < 0 || pick(problem->attrs, "padding_mode", sample_paddings) < 0
               ? "there is no such mode"
               : NULL;
}

static enum pln_status sample_emit(const struct pln_kernel *kernel, const struct pln_problem *problem,
                                   struct pln_diag *diag, struct pln_text *out_source)
{
    (void)diag;
    const enum pln_dtype dtype = problem->inputs[0].dtype;
    pln_text_printf(out_source, "#define PLN_T %s\n#define PLN_ACC %s\n#define PLN_THREADS %d\n", pln_cuda_type(dtype),
                    accumulator(dtype), (int)kernel->tile[0]);
    if (kernel->op == PLN_OP_AFFINE_GRID)
        pln_text_printf(out_source, "#define PLN_AFFINE\n");
    else
        pln_text_printf(out_source, "#define PLN_G %s\n#define PLN_MODE %d\n#define PLN_PADDING %d\n",
                        pln_cuda_type(problem->inputs[1].dtype), pick(problem->attrs, "mode", sample_modes),
                        pick(problem->attrs, "padding_mode", sample_paddings));
    pln_text_printf(out_source, "#include \"backend/cuda/device/sample.cuh\"\n");
    return PLN_OK;
}

/* NULL, or why not. */
static const char *plan_sample(const struct pln_launch *launch, struct pln_cuda_sample_params *params)
{
    const struct pln_tensor *x = &launch->inputs[0], *grid = &launch->inputs[1], *y = &launch->outputs[0];
    int k = x->rank - 2;
    bool fits = launch->n_inputs == 2 && is_float(grid->dtype) && k >= 1 && k <= SPATIAL_MOST &&
                grid->rank == x->rank && y->rank == x->rank;
    fits = fits && x->dims[0] == y->dims[0] && x->dims[1] == y->dims[1] && grid->dims[0] == x->dims[0] &&
           grid->dims[k + 1] == k;
    for (int d = 0; fits && d < k; d++) fits = y->dims[2 + d] == grid->dims[1 + d];
    if (!fits) return "x must be [n,c,d1...dk], the grid [n,o1...ok,k]";
    if (pln_tensor_count(x) == 0 && pln_tensor_count(y) > 0) return "there is nothing to sample in an empty input";
    params->k = k;
    params->x = pln_cuda_address(x);
    params->grid = pln_cuda_address(grid);
    memcpy(params->extents, x->dims, sizeof params->extents);
    memcpy(params->x_strides, x->strides, sizeof params->x_strides);
    memcpy(params->grid_strides, grid->strides, sizeof params->grid_strides);
    return NULL;
}

static const char *plan_affine(const struct pln_launch *launch, struct pln_cuda_sample_params *params)
{
    const struct pln_tensor *theta = &launch->inputs[0], *y = &launch->outputs[0];
    int k = y->rank - 2;
    bool fits = theta->rank == 3 && (k == 2 || k == 3) && theta->dims[0] == y->dims[0] && theta->dims[1] == k &&
                theta->dims[2] == k + 1 && y->dims[k + 1] == k;
    if (!fits) return "theta must be [n,2,3] or [n,3,4]";
    params->k = k;
    params->grid = pln_cuda_address(theta);
    memcpy(params->grid_strides, theta->strides, sizeof params->grid_strides);
    return NULL;
}

static enum pln_status sample_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                                      struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_sample_params *params = state;
    if (launch->op != kernel->op || launch->n_inputs < 1 || launch->n_outputs != 1 ||
        !is_float(launch->inputs[0].dtype) || launch->outputs[0].dtype != launch->inputs[0].dtype)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the operands are not those that it was made for", kernel->name);
    const struct pln_tensor *y = &launch->outputs[0];
    const char *why = launch->op == PLN_OP_AFFINE_GRID ? plan_affine(launch, params) : plan_sample(launch, params);
    if (why) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    params->y = pln_cuda_address(y);
    params->rank = y->rank;
    params->n_elements = pln_tensor_count(y);
    params->align_corners = pln_attrs_int(launch->attrs, "align_corners", 0) != 0;
    memcpy(params->dims, y->dims, sizeof params->dims);
    memcpy(params->y_strides, y->strides, sizeof params->y_strides);
    *out_prepared = (struct pln_prepared){ .n_tasks = pln_cuda_tasks(params->n_elements, kernel->tile[0]),
                                           .grain = 1,
                                           .block_threads = kernel->tile[0] };
    return PLN_OK;
}

const struct pln_kernel_family pln_cuda_sample = { .name = "sample",
                                                   .state_bytes = sizeof(struct pln_cuda_sample_params),
                                                   .supports = sample_supports,
                                                   .cost = cost,
                                                   .prepare = sample_prepare,
                                                   .emit = sample_emit,
                                                   .packed_input = -1 };

/* ---- ROI_ALIGN ---- */

static const char *const roi_modes[] = { "avg", "max", NULL };
static const char *const roi_coords[] = { "half_pixel", "output_half_pixel", NULL };

static const char *roi_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *in = &problem->inputs[0];
    if (problem->n_inputs != 3 || problem->n_outputs != 1) return "wrong number of operands";
    if (!is_float(in->dtype) || problem->inputs[1].dtype != in->dtype || problem->outputs[0].dtype != in->dtype)
        return "not of floats of one type";
    if (in->rank != 4 || problem->inputs[1].rank != 2 || problem->outputs[0].rank != 4)
        return "the ranks are not those of images and regions";
    if (pick(problem->attrs, "mode", roi_modes) < 0) return "there is no such mode";
    return pln_cuda_ints_supports(problem, 2);
}

static enum pln_status roi_emit(const struct pln_kernel *kernel, const struct pln_problem *problem,
                                struct pln_diag *diag, struct pln_text *out_source)
{
    (void)diag;
    const enum pln_dtype dtype = problem->inputs[0].dtype;
    pln_text_printf(out_source,
                    "#define PLN_T %s\n#define PLN_ACC %s\n#define PLN_THREADS %d\n#define PLN_MAX %d\n#include "
                    "\"backend/cuda/device/roi.cuh\"\n",
                    pln_cuda_type(dtype), accumulator(dtype), (int)kernel->tile[0],
                    pick(problem->attrs, "mode", roi_modes));
    return PLN_OK;
}

static enum pln_status roi_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                                   struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_roi_params *params = state;
    if (launch->n_inputs != 3 || launch->n_outputs != 1)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *rois = &launch->inputs[1], *y = &launch->outputs[0];
    bool fits = is_float(x->dtype) && rois->dtype == x->dtype && y->dtype == x->dtype && x->rank == 4 &&
                rois->rank == 2 && y->rank == 4 && pln_cuda_ints_fill(launch, 2, &params->batches);
    fits = fits && rois->dims[1] == 4 && rois->dims[0] == y->dims[0] && params->batches.n == y->dims[0] &&
           x->dims[1] == y->dims[1] && y->dims[2] > 0 && y->dims[3] > 0;
    if (!fits) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: image, regions and output do not fit", kernel->name);
    params->n_elements = pln_tensor_count(y);
    params->sampling = pln_attrs_int(launch->attrs, "sampling_ratio", 0);
    if (params->n_elements > 0 && (x->dims[2] == 0 || x->dims[3] == 0))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the image is empty", kernel->name);
    if (params->sampling > 1024)
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: sampling_ratio is too large", kernel->name);
    params->x = pln_cuda_address(x);
    params->rois = pln_cuda_address(rois);
    params->y = pln_cuda_address(y);
    params->scale = (double)pln_attrs_float(launch->attrs, "spatial_scale", 1.0f);
    params->half_pixel = pick(launch->attrs, "coordinate_transformation_mode", roi_coords) == 0;
    memcpy(params->dims, y->dims, sizeof params->dims);
    memcpy(params->extents, x->dims, sizeof params->extents);
    memcpy(params->y_strides, y->strides, sizeof params->y_strides);
    memcpy(params->x_strides, x->strides, sizeof params->x_strides);
    memcpy(params->roi_strides, rois->strides, sizeof params->roi_strides);
    *out_prepared = (struct pln_prepared){ .n_tasks = pln_cuda_tasks(params->n_elements, kernel->tile[0]),
                                           .grain = 1,
                                           .block_threads = kernel->tile[0] };
    return PLN_OK;
}

static const char *roi_fault(const void *state, uint64_t code)
{
    (void)state;
    return code == 1 ? "RoiAlign: a region is of no image" : "RoiAlign: a region is too large";
}

const struct pln_kernel_family pln_cuda_roi = { .name = "roi",
                                                .state_bytes = sizeof(struct pln_cuda_roi_params),
                                                .supports = roi_supports,
                                                .cost = cost,
                                                .prepare = roi_prepare,
                                                .emit = roi_emit,
                                                .packed_input = -1,
                                                .fault = roi_fault };
