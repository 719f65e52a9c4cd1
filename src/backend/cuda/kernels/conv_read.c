/* Convolutions: what a problem and a launch must be like, and their parameters. */
#include "backend/cuda/kernels/conv.h"
#include "kernel/window.h"

enum { AXES = PLN_CONV_AXES };

/* ---- what fits ---- */

static int own_inputs(int n_inputs, const struct pln_rowprog *epilogue)
{
    return n_inputs - (epilogue ? epilogue->n_inputs - 1 : 0);
}

static bool takes_type(enum pln_dtype dtype, enum pln_dtype type, bool narrow)
{
    return dtype == type || (narrow && (dtype == PLN_F16 || dtype == PLN_BF16));
}

const char *pln_cuda_conv_supports(const struct pln_problem *problem, enum pln_dtype type, bool narrow)
{
    if (problem->n_inputs < 2 || problem->n_outputs != 1) return "wrong number of operands";
    const struct pln_operand *x = &problem->inputs[0], *w = &problem->inputs[1];
    if (!x->present || !w->present || x->dtype != w->dtype || !takes_type(x->dtype, type, narrow)) return "the operands are of another type";
    if ((x->rank >= 0 && (x->rank < 3 || x->rank > AXES + 2)) || (w->rank >= 0 && (w->rank < 3 || w->rank > AXES + 2))) return "not one to three spatial axes";
    const char *why = pln_cuda_check_epilogue(problem->epilogue, x->dtype, problem->n_inputs, x->rank);
    if (why) return why;
    const bool has_bias = own_inputs(problem->n_inputs, problem->epilogue) > 2 && problem->inputs[2].present;
    return has_bias && problem->inputs[2].dtype != x->dtype ? "the bias is of another type" : NULL;
}

double pln_cuda_conv_flops(const struct pln_problem *problem)
{
    const struct pln_operand *w = &problem->inputs[1], *walked = &problem->outputs[0];
    if (problem->op == PLN_OP_CONV_TRANSPOSE) walked = &problem->inputs[0];
    double flops = 2;
    for (int d = 0; d < w->rank; d++) flops *= w->dims[d] < 0 ? (d < 2 ? 56.0 : 3.0) : (double)w->dims[d];
    for (int d = 0; d < walked->rank; d++)
        if (d != 1) flops *= walked->dims[d] < 0 ? (d == 0 ? 1.0 : 56.0) : (double)walked->dims[d];
    return flops;
}

enum pln_status pln_cuda_conv_emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out)
{
    const enum pln_dtype dtype = problem->inputs[0].dtype;
    pln_text_printf(out, "#define PLN_T %s\n#define PLN_ACC %s\n#define PLN_LAST %d\n", pln_cuda_type(dtype), dtype == PLN_F64 ? "double" : "float", (kernel->flags & PLN_KERNEL_CHANNELS_LAST) != 0);
    return pln_cuda_emit_epilogue(problem->epilogue, diag, out);
}

/* ---- the packed form of weights ---- */

/* The packed tensor as one of the plain one's dims. */
static bool packed_view(const struct pln_tensor *plain, void *data, struct pln_tensor *out_view)
{
    if (plain->rank < 3 || plain->rank > AXES + 2 || pln_dtype_bits(plain->dtype) < 8 || plain->dtype == PLN_STR) return false;
    *out_view = *plain;
    out_view->data = data;
    int64_t stride = plain->dims[1];
    out_view->strides[1] = 1;
    for (int d = plain->rank - 1; d >= 2; d--) {
        out_view->strides[d] = stride;
        stride *= plain->dims[d];
    }
    out_view->strides[0] = stride;
    return true;
}

static bool ohwi_bytes(const struct pln_tensor *plain, size_t *out_bytes)
{
    struct pln_tensor view;
    *out_bytes = 0;
    return pln_shape_bytes(plain->dtype, plain->rank, plain->dims, out_bytes) && packed_view(plain, NULL, &view);
}

static void ohwi_pack(const struct pln_tensor *plain, void *packed)
{
    struct pln_tensor view;
    if (packed_view(plain, packed, &view)) pln_tensor_copy(plain, &view);
}

static void ohwi_unpack(const void *packed, const struct pln_tensor *plain)
{
    struct pln_tensor view;
    if (packed_view(plain, (void *)(uintptr_t)packed, &view)) pln_tensor_copy(&view, plain);
}

const struct pln_pack_format pln_pack_conv_ohwi_v1 = { "conv_ohwi_v1", ohwi_bytes, ohwi_pack, ohwi_unpack };

/* ---- a launch ---- */

/* The last n entries of three, behind `fill`. false: one is larger than PLN_CONV_MOST. */
static bool to_axes(const int64_t *from, int n, int64_t fill, int32_t *out)
{
    for (int i = 0; i < AXES; i++) {
        const int64_t value = i < AXES - n ? fill : from[i - (AXES - n)];
        if (value < 0 || value > PLN_CONV_MOST) return false;
        out[i] = (int32_t)value;
    }
    return true;
}

static void to_strides(const struct pln_tensor *tensor, int64_t *out)
{
    const int n = tensor->rank - 2;
    for (int i = 0; i < AXES; i++) out[i] = i < AXES - n ? 0 : tensor->strides[2 + i - (AXES - n)];
}

static const char *read_window(const struct pln_launch *launch, struct pln_cuda_conv_params *p)
{
    const struct pln_tensor *x = &launch->inputs[0], *w = &launch->inputs[1], *out = &launch->outputs[0];
    const int n = x->rank - 2;
    int64_t to[PLN_WINDOW_MAX], taps = 1;
    struct pln_window window;
    const char *why = pln_window_read(launch->attrs, n, w->dims + 2, &window);
    if (!why) why = launch->op == PLN_OP_CONV_TRANSPOSE ? pln_window_transposed(&window, x->dims + 2, to) : pln_window_output(&window, x->dims + 2, to);
    if (why) return why;
    if (memcmp(to, out->dims + 2, (size_t)n * sizeof to[0]) != 0) return "the output has other dims than the window gives";
    for (int d = 0; d < n; d++) {
        if (pln_window_span(&window, d) > PLN_CONV_MOST || window.pad_end[d] > PLN_CONV_MOST) return "the window is too large";
        if (window.kernel[d] == 1) window.dilation[d] = 1;
        if (to[d] <= 1 && launch->op == PLN_OP_CONV) window.stride[d] = 1;
        if (!pln_mul_i64(taps, window.kernel[d], &taps)) return "the window is too large";
    }
    if (!to_axes(x->dims + 2, n, 1, p->in) || !to_axes(to, n, 1, p->to) || !to_axes(window.kernel, n, 1, p->kernel) || !to_axes(window.stride, n, 1, p->stride) ||
        !to_axes(window.dilation, n, 1, p->dilation) || !to_axes(window.pad_begin, n, 0, p->pad))
        return "the image or the window is too large";
    if (taps > INT32_MAX) return "the window is too large";
    p->taps = (int32_t)taps;
    return NULL;
}

static enum pln_status read_weights(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag, struct pln_cuda_conv_params *p)
{
    struct pln_tensor w = launch->inputs[1];
    if (launch->packed_bytes) {
        size_t want_bytes = 0;
        if (!kernel->family->pack || !ohwi_bytes(&w, &want_bytes) || want_bytes != launch->packed_bytes || !packed_view(&launch->inputs[1], w.data, &w))
            return pln_fail(diag, PLN_BAD_PLAN, "%s: the packed weight has %zu bytes, not %zu", kernel->name, launch->packed_bytes, want_bytes);
    }
    p->w = (uint64_t)(uintptr_t)w.data;
    const bool transposed = launch->op == PLN_OP_CONV_TRANSPOSE;
    p->w_o = w.strides[transposed ? 1 : 0];
    p->w_c = w.strides[transposed ? 0 : 1];
    to_strides(&w, p->w_at);
    return PLN_OK;
}

/* Channels: x has groups * group_in of them, the output groups * group_out, the weights say what. */
static bool read_channels(const struct pln_launch *launch, struct pln_cuda_conv_params *p)
{
    const struct pln_tensor *x = &launch->inputs[0], *w = &launch->inputs[1], *out = &launch->outputs[0];
    const bool transposed = launch->op == PLN_OP_CONV_TRANSPOSE;
    const int64_t groups = pln_attrs_int(launch->attrs, "group", 1), most = INT32_MAX;
    if (groups < 1 || groups > most || x->dims[1] % groups != 0 || out->dims[1] % groups != 0 || x->dims[1] > most || out->dims[1] > most) return false;
    p->groups = (int32_t)groups;
    p->group_in = (int32_t)(x->dims[1] / groups);
    p->group_out = (int32_t)(out->dims[1] / groups);
    return transposed ? w->dims[0] == x->dims[1] && w->dims[1] == p->group_out : w->dims[0] == out->dims[1] && w->dims[1] == p->group_in;
}

static enum pln_status read_bias(const struct pln_kernel *kernel, const struct pln_launch *launch, int n_own, struct pln_diag *diag, struct pln_cuda_conv_params *p)
{
    if (n_own < 3 || launch->inputs[2].dtype == PLN_DTYPE_NONE) return PLN_OK;
    const struct pln_tensor *bias = &launch->inputs[2];
    if (bias->dtype != launch->inputs[0].dtype || bias->rank != 1 || bias->dims[0] != launch->outputs[0].dims[1])
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the bias is not one number a channel", kernel->name);
    p->bias = (uint64_t)(uintptr_t)bias->data;
    p->bias_c = bias->strides[0];
    return PLN_OK;
}

enum pln_status pln_cuda_conv_read(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag, struct pln_cuda_conv_params *p)
{
    const int n_own = own_inputs(launch->n_inputs, launch->epilogue);
    if (n_own < 2 || n_own > 3 || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *w = &launch->inputs[1], *out = &launch->outputs[0];
    if (x->dtype != w->dtype || x->rank < 3 || x->rank > AXES + 2 || w->rank != x->rank || out->rank != x->rank)
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the operands are no images of one type and one to three axes", kernel->name);
    if (!read_channels(launch, p) || x->dims[0] != out->dims[0]) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: image, weights, groups and output do not fit", kernel->name);
    const char *why = read_window(launch, p);
    int64_t k = 0, count = 0;
    if (!why && (!pln_mul_i64(p->taps, p->group_in, &k) || k > INT32_MAX / 2 || !pln_shape_count(out->rank, out->dims, &count))) why = "the weights or the output are too large";
    if (why) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    p->k = (int32_t)k;
    p->n = x->dims[0];
    p->pixels = out->dims[1] == 0 ? 0 : count / out->dims[1];
    p->x = (uint64_t)(uintptr_t)x->data;
    p->x_n = x->strides[0];
    p->x_c = x->strides[1];
    to_strides(x, p->x_at);
    p->out = (uint64_t)(uintptr_t)out->data;
    p->out_n = out->strides[0];
    p->out_c = out->strides[1];
    to_strides(out, p->out_at);
    PLN_TRY(read_weights(kernel, launch, diag, p));
    PLN_TRY(read_bias(kernel, launch, n_own, diag, p));
    return pln_cuda_prepare_epilogue(kernel, launch, n_own, diag, p->operands);
}
