/* RESIZE of any strides: nearest of any type of 1, 2, 4 or 8 bytes, linear and cubic of numbers. tile: threads a block.
 */
#include <math.h>

#include "backend/cuda/device/resize_params.h"
#include "backend/cuda/kernels/walk.h"
#include "kernel/resize.h"
#include "tensor/convert.h"

/* The numbers of the modes are those of device/resize.cuh. false: a mode that there is not. */
static bool read_modes(const struct pln_attrs *attrs, struct pln_resize_modes *out)
{
    *out = pln_resize_modes(attrs);
    return out->filter >= 0 && out->coords >= 0 && out->rounding >= 0 && out->policy >= 0;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *in = &problem->inputs[0], *out = &problem->outputs[0];
    struct pln_resize_modes modes;
    if (problem->n_inputs < 1 || problem->n_outputs != 1) return "wrong number of operands";
    if (!read_modes(problem->attrs, &modes)) return "there is no such mode";
    if (in->dtype != out->dtype || !(modes.filter == PLN_RESIZE_NEAREST ? pln_cuda_unit(in->dtype) : pln_cuda_type(in->dtype)))
        return "elements of this type cannot be resized";
    if (in->rank < 0 || in->rank > PLN_CUDA_MAX_RANK || out->rank != in->rank)
        return "the rank is not known, or above 8";
    if (modes.coords == PLN_RESIZE_CROP && (problem->n_inputs < 2 || !problem->inputs[1].present)) return "there is no region";
    const char *why = modes.coords == PLN_RESIZE_CROP ? pln_cuda_floats_supports(problem, 1) : NULL;
    if (!why) why = pln_cuda_floats_supports(problem, 2);
    return why ? why : pln_cuda_ints_supports(problem, 3);
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return pln_cuda_move_cost(problem, 32);
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag,
                            struct pln_text *out_source)
{
    (void)diag;
    const enum pln_dtype dtype = problem->inputs[0].dtype;
    struct pln_resize_modes modes;
    (void)read_modes(problem->attrs, &modes);
    const bool narrow = dtype == PLN_F32 || dtype == PLN_F16 || dtype == PLN_BF16, nearest = modes.filter == PLN_RESIZE_NEAREST;
    pln_text_printf(out_source,
                    "#define PLN_T %s\n#define PLN_ACC %s\n#define PLN_THREADS %d\n#define PLN_FILTER %d\n#define "
                    "PLN_COORDS %d\n#define PLN_ROUNDING %d\n",
                    nearest ? pln_cuda_unit(dtype) : pln_cuda_type(dtype), narrow || nearest ? "float" : "double",
                    (int)kernel->tile[0], modes.filter, modes.coords, nearest ? modes.rounding : 0);
    pln_text_printf(
        out_source,
        "#define PLN_ANTIALIAS %d\n#define PLN_EXCLUDE_OUTSIDE %d\n#include \"backend/cuda/device/resize.cuh\"\n",
        !nearest && pln_attrs_int(problem->attrs, "antialias", 0) != 0,
        !nearest && pln_attrs_int(problem->attrs, "exclude_outside", 0) != 0);
    return PLN_OK;
}

/* ---- what prepare checks; NULL, or why not ---- */

static const char *read_axes(const struct pln_launch *launch, struct pln_cuda_resize_params *params)
{
    const int64_t *axes;
    bool seen[PLN_CUDA_MAX_RANK] = { false };
    int64_t n = pln_attrs_ints(launch->attrs, "axes", &axes);
    params->n_axes = axes ? n : params->rank;
    if (params->n_axes > params->rank) return "there are more axes than dims";
    for (int i = 0; i < params->n_axes; i++) {
        int axis = i;
        if ((axes && !pln_axis_normalize(axes[i], (int)params->rank, &axis)) || seen[axis])
            return "there is no such axis, or it comes twice";
        seen[axis] = true;
        params->axes[i] = axis;
    }
    return NULL;
}

static const char *read_sizes(const struct pln_launch *launch, const struct pln_resize_modes *modes,
                              struct pln_cuda_resize_params *params)
{
    if (!pln_cuda_floats_fill(launch, 2, &params->scales) || !pln_cuda_ints_fill(launch, 3, &params->sizes))
        return "scales or sizes are no numbers";
    if (params->scales.n > 0 ? params->scales.n != params->n_axes : params->sizes.n != params->n_axes)
        return "there is not one scale or size an axis";
    if (modes->coords != PLN_RESIZE_CROP) return NULL;
    return !pln_cuda_floats_fill(launch, 1, &params->roi) || params->roi.n != 2 * params->n_axes
               ? "the region has not two numbers an axis"
               : NULL;
}

/* The extrapolation value as an element: rounded, held within the range of integers. */
static uint64_t outside_bits(enum pln_dtype dtype, double value)
{
    uint64_t bits = 0;
    int is_signed = pln_dtype_is_signed(dtype), n = pln_dtype_bits(dtype);
    if (pln_dtype_is_complex(dtype)) return 0;
    if (dtype == PLN_BOOL) return value != 0;
    if (pln_dtype_is_float(dtype)) {
        pln_store_f64(dtype, &bits, 0, value, true);
        return bits;
    }
    double high = ldexp(1, n - is_signed), low = is_signed ? -high : 0, rounded = rint(value);
    if (!(rounded < high))
        pln_store_i64(dtype, &bits, 0, (int64_t)(rounded >= high ? UINT64_MAX >> (64 - n + is_signed) : 0));
    else
        pln_store_f64(dtype, &bits, 0, rounded > low ? rounded : low, true);
    return bits;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_resize_params *params = state;
    struct pln_resize_modes modes;
    if (launch->n_inputs < 1 || launch->n_outputs != 1 || !read_modes(launch->attrs, &modes))
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands, or no such mode", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    if (x->dtype != y->dtype || !pln_cuda_unit(x->dtype) || x->rank != y->rank || x->rank > PLN_CUDA_MAX_RANK)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the types or ranks are not those that it was made for", kernel->name);
    params->rank = x->rank;
    params->policy = modes.policy;
    const char *why = read_axes(launch, params);
    if (!why) why = read_sizes(launch, &modes, params);
    params->n_elements = pln_tensor_count(y);
    if (!why && params->n_elements > 0 && pln_tensor_count(x) == 0)
        why = "an empty input cannot be resized to one that is not";
    if (why) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    params->x = pln_cuda_address(x);
    params->y = pln_cuda_address(y);
    params->cubic_a = (double)pln_attrs_float(launch->attrs, "cubic_coeff_a", -0.75f);
    params->extrapolation = (double)pln_attrs_float(launch->attrs, "extrapolation_value", 0.0f);
    params->outside = outside_bits(x->dtype, params->extrapolation);
    memcpy(params->dims, y->dims, sizeof params->dims);
    memcpy(params->extents, x->dims, sizeof params->extents);
    memcpy(params->y_strides, y->strides, sizeof params->y_strides);
    memcpy(params->x_strides, x->strides, sizeof params->x_strides);
    *out_prepared = (struct pln_prepared){ .n_tasks = pln_cuda_tasks(params->n_elements, kernel->tile[0]),
                                           .grain = 1,
                                           .block_threads = kernel->tile[0] };
    return PLN_OK;
}

static const char *fault(const void *state, uint64_t code)
{
    (void)state;
    (void)code;
    return "Resize: a scale or size is not above 0, or too small";
}

const struct pln_kernel_family pln_cuda_resize = { .name = "resize",
                                                   .state_bytes = sizeof(struct pln_cuda_resize_params),
                                                   .supports = supports,
                                                   .cost = cost,
                                                   .prepare = prepare,
                                                   .emit = emit,
                                                   .packed_input = -1,
                                                   .fault = fault };
