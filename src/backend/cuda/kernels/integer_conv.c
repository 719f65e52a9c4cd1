/* ConvInteger and QLinearConv (device/integer_conv.cuh), on one to three axes. */
#include "backend/cuda/kernels/integer.h"
#include "backend/cuda/device/integer_conv_params.h"
#include "backend/cuda/family.h"
#include "kernel/window.h"

#define AXES PLN_INTEGER_CONV_AXES

/* Which input is what; -1: none. */
struct layout {
    int x, x_zero, x_scale, w, w_zero, w_scale, y_zero, y_scale, bias;
};

static const struct layout *layout_of(const struct pln_kernel *kernel)
{
    static const struct layout plain = { 0, 2, -1, 1, 3, -1, -1, -1, -1 }, quantized = { 0, 2, 1, 3, 5, 4, 7, 6, 8 };
    return kernel->op == PLN_OP_QLINEAR_CONV ? &quantized : &plain;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct layout *l = layout_of(kernel);
    const struct pln_operand *in = problem->inputs;
    if (problem->epilogue) return "it takes no epilogue";
    if (!pln_integer_is_byte(in[l->x].dtype) || !pln_integer_is_byte(in[l->w].dtype)) return "an operand is not i8 or u8";
    if (in[l->x].rank < 3 || in[l->x].rank > AXES + 2 || in[l->w].rank != in[l->x].rank) return "there are not one to three axes";
    if (l->x_zero < problem->n_inputs && in[l->x_zero].present && in[l->x_zero].dtype != in[l->x].dtype) return "a zero point has another type";
    if (l->w_zero < problem->n_inputs && in[l->w_zero].present && in[l->w_zero].dtype != in[l->w].dtype) return "a zero point has another type";
    if (l->y_scale < 0) return NULL;
    if (!pln_integer_is_scale(in[l->x_scale].dtype) || !pln_integer_is_scale(in[l->w_scale].dtype) || !pln_integer_is_scale(in[l->y_scale].dtype)) return "a scale is not f32, f16 or bf16";
    return pln_integer_is_byte(in[l->y_zero].dtype) ? NULL : "the result is not i8 or u8";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *w = &problem->inputs[layout_of(kernel)->w], *y = &problem->outputs[0];
    double work = 2;
    for (int i = 1; i < w->rank; i++) work *= w->dims[i] < 0 ? 128 : (double)w->dims[i];
    for (int i = 0; i < y->rank; i++) work *= y->dims[i] < 0 ? 128 : (double)y->dims[i];
    return 3000 + work / 2000;
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    (void)diag;
    const struct layout *l = layout_of(kernel);
    const struct pln_operand *in = problem->inputs;
    pln_text_printf(out_source, "#define PLN_X %s\n#define PLN_W %s\n", pln_cuda_type(in[l->x].dtype), pln_cuda_type(in[l->w].dtype));
    pln_integer_emit_result(out_source, l->y_scale < 0 ? PLN_I32 : in[l->y_zero].dtype);
    if (l->y_scale >= 0) {
        pln_text_printf(out_source, "#define PLN_X_SCALE %s\n#define PLN_W_SCALE %s\n#define PLN_Y_SCALE %s\n", pln_cuda_type(in[l->x_scale].dtype), pln_cuda_type(in[l->w_scale].dtype),
                        pln_cuda_type(in[l->y_scale].dtype));
    }
    pln_text_printf(out_source, "#include \"backend/cuda/device/integer_conv.cuh\"\n");
    return PLN_OK;
}

/* ---- prepare ---- */

/* dtype PLN_DTYPE_NONE: a scale, which must be there. */
static enum pln_status read_parameter(const struct pln_launch *launch, int i, int64_t features, enum pln_dtype dtype, struct pln_integer_conv_parameter *out, struct pln_diag *diag)
{
    const struct pln_tensor *tensor = pln_integer_input(launch, i);
    if (!tensor) return dtype == PLN_DTYPE_NONE ? pln_fail(diag, PLN_BAD_PLAN, "a convolution of bytes lacks input %d", i) : PLN_OK;
    const int64_t n = pln_tensor_count(tensor);
    if ((dtype == PLN_DTYPE_NONE ? !pln_integer_is_scale(tensor->dtype) : tensor->dtype != dtype) || !pln_tensor_is_contiguous(tensor))
        return pln_fail(diag, PLN_BAD_PLAN, "a convolution of bytes: input %d has another type, or is strided", i);
    if (n != 1 && n != features) return pln_fail(diag, PLN_INVALID_ARGUMENT, "a convolution of bytes: input %d has %lld elements", i, (long long)n);
    *out = (struct pln_integer_conv_parameter){ .data = (uint64_t)(uintptr_t)tensor->data, .single = n == 1 };
    return PLN_OK;
}

static enum pln_status read_parameters(const struct layout *l, const struct pln_launch *launch, struct pln_integer_conv_params *params, struct pln_diag *diag)
{
    const int64_t features = params->groups * params->group_out;
    PLN_TRY(read_parameter(launch, l->x_zero, 1, launch->inputs[l->x].dtype, &params->x_zero, diag));
    PLN_TRY(read_parameter(launch, l->w_zero, features, launch->inputs[l->w].dtype, &params->w_zero, diag));
    if (l->y_scale < 0) return PLN_OK;
    PLN_TRY(read_parameter(launch, l->x_scale, 1, PLN_DTYPE_NONE, &params->x_scale, diag));
    PLN_TRY(read_parameter(launch, l->w_scale, features, PLN_DTYPE_NONE, &params->w_scale, diag));
    PLN_TRY(read_parameter(launch, l->y_scale, 1, PLN_DTYPE_NONE, &params->y_scale, diag));
    PLN_TRY(read_parameter(launch, l->y_zero, 1, launch->outputs[0].dtype, &params->y_zero, diag));
    const struct pln_tensor *bias = pln_integer_input(launch, l->bias);
    if (!bias) return PLN_OK;
    if (bias->dtype != PLN_I32 || bias->rank != 1 || bias->dims[0] != features || !pln_tensor_is_contiguous(bias))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "a convolution of bytes: the bias does not have one i32 an output channel");
    params->bias = (uint64_t)(uintptr_t)bias->data;
    return PLN_OK;
}

/* Axes of the window, the last ones of the three. */
static void read_axes(const struct pln_window *window, const int64_t *in, const int64_t *out, struct pln_integer_conv_params *params)
{
    params->in_size = params->out_size = 1;
    for (int d = 0; d < AXES; d++) {
        const int from = d - (AXES - window->rank);
        params->in[d] = from < 0 ? 1 : in[from];
        params->out[d] = from < 0 ? 1 : out[from];
        params->kernel[d] = from < 0 ? 1 : window->kernel[from];
        params->stride[d] = from < 0 ? 1 : window->stride[from];
        params->dilation[d] = from < 0 ? 1 : window->dilation[from];
        params->pad[d] = from < 0 ? 0 : window->pad_begin[from];
        params->in_size *= params->in[d];
        params->out_size *= params->out[d];
    }
}

static enum pln_status read_shapes(const struct pln_tensor *x, const struct pln_tensor *w, const struct pln_launch *launch, struct pln_integer_conv_params *params, struct pln_diag *diag)
{
    const struct pln_tensor *y = &launch->outputs[0];
    const int64_t groups = pln_attrs_int(launch->attrs, "group", 1);
    struct pln_window window;
    int64_t out[PLN_WINDOW_MAX];
    if (x->rank < 3 || x->rank > AXES + 2 || w->rank != x->rank || y->rank != x->rank) return pln_fail(diag, PLN_BAD_PLAN, "a convolution of bytes: there are not one to three axes");
    const char *why = pln_window_read(launch->attrs, x->rank - 2, w->dims + 2, &window);
    if (!why) why = pln_window_output(&window, x->dims + 2, out);
    if (why) return pln_fail(diag, PLN_INVALID_ARGUMENT, "a convolution of bytes: %s", why);
    if (groups < 1 || w->dims[0] % groups != 0 || x->dims[1] % groups != 0 || x->dims[1] / groups != w->dims[1])
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "a convolution of bytes: the channels do not fit %lld groups", (long long)groups);
    bool fits = y->dims[0] == x->dims[0] && y->dims[1] == w->dims[0];
    for (int d = 0; d < window.rank; d++) fits = fits && y->dims[2 + d] == out[d];
    if (!fits) return pln_fail(diag, PLN_INVALID_ARGUMENT, "a convolution of bytes: the result's shape does not fit the operands");
    if (!pln_tensor_is_contiguous(x) || !pln_tensor_is_contiguous(w) || !pln_tensor_is_contiguous(y)) return pln_fail(diag, PLN_BAD_PLAN, "a convolution of bytes: an operand is strided");
    params->groups = groups;
    params->group_in = w->dims[1];
    params->group_out = w->dims[0] / groups;
    read_axes(&window, x->dims + 2, out, params);
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_integer_conv_params *params = state;
    const struct layout *l = layout_of(kernel);
    const struct pln_tensor *x = pln_integer_input(launch, l->x), *w = pln_integer_input(launch, l->w), *y_zero = pln_integer_input(launch, l->y_zero);
    if (!x || !w || launch->n_outputs < 1 || (l->y_zero >= 0 && !y_zero)) return pln_fail(diag, PLN_BAD_PLAN, "a convolution of bytes lacks operands");
    const enum pln_dtype y = l->y_zero >= 0 ? y_zero->dtype : PLN_I32;
    if (!pln_integer_is_byte(x->dtype) || !pln_integer_is_byte(w->dtype) || launch->outputs[0].dtype != y || (l->y_zero >= 0 && !pln_integer_is_byte(y)))
        return pln_fail(diag, PLN_BAD_PLAN, "a convolution of bytes: an operand has another type");
    PLN_TRY(read_shapes(x, w, launch, params, diag));
    PLN_TRY(read_parameters(l, launch, params, diag));
    params->x = (uint64_t)(uintptr_t)x->data;
    params->w = (uint64_t)(uintptr_t)w->data;
    params->y = (uint64_t)(uintptr_t)launch->outputs[0].data;
    params->pixel_tiles = (params->out_size + PLN_INTEGER_CONV_THREADS - 1) / PLN_INTEGER_CONV_THREADS;
    params->feature_tiles = (params->group_out + PLN_INTEGER_CONV_FEATURES - 1) / PLN_INTEGER_CONV_FEATURES;
    *out_prepared = (struct pln_prepared){ .n_tasks = x->dims[0] * params->groups * params->feature_tiles * params->pixel_tiles, .grain = 1, .block_threads = PLN_INTEGER_CONV_THREADS };
    return PLN_OK;
}

const struct pln_kernel_family pln_cuda_integer_conv = {
    .name = "integer_conv",
    .state_bytes = sizeof(struct pln_integer_conv_params),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .emit = emit,
    .packed_input = -1,
};
