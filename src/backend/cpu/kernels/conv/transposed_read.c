/* What every transposed convolution has to check and to know. */
#include "backend/cpu/kernels/conv/transposed.h"

enum { AXES = PLN_IMAGE_AXES };

bool pln_cpu_transposed_is_depthwise(const struct pln_problem *problem)
{
    const struct pln_operand *w = &problem->inputs[1];
    return w->dims[1] == 1 && w->dims[0] > 1 && pln_attrs_int(problem->attrs, "group", 1) == w->dims[0];
}

const char *pln_cpu_transposed_supports(const struct pln_problem *problem)
{
    if (problem->n_inputs < 2 || problem->n_outputs != 1) return "wrong number of operands";
    const struct pln_operand *x = &problem->inputs[0], *w = &problem->inputs[1];
    if (x->dtype != PLN_F32 || w->dtype != PLN_F32) return "an operand is not f32";
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank) return "not one to three spatial axes";
    if (!w->constant) return "the weights are not constant";
    for (int d = 0; d < w->rank; d++)
        if (w->dims[d] <= 0) return "the weights' dims are not known";
    const char *why = pln_epilogue_check(problem->epilogue);
    if (why != NULL || problem->epilogue == NULL) return why;
    return problem->epilogue->rank != x->rank ? "the epilogue's rank is not the output's" : NULL;
}

double pln_cpu_transposed_flops(const struct pln_problem *problem)
{
    const struct pln_operand *x = &problem->inputs[0], *w = &problem->inputs[1];
    double flops = 2;
    for (int d = 0; d < w->rank; d++) flops *= (double)w->dims[d];
    for (int d = 0; d < x->rank; d++)
        if (d != 1) flops *= x->dims[d] < 0 ? (d == 0 ? 1.0 : 56.0) : (double)x->dims[d];
    return flops;
}

static const char *read_window(const struct pln_launch *launch, struct pln_transposed *t)
{
    const struct pln_tensor *x = &launch->inputs[0], *w = &launch->inputs[1];
    const int spatial = x->rank - 2;
    struct pln_window window;
    int64_t out[PLN_WINDOW_MAX], out_dims[AXES];
    const char *why = pln_window_read(launch->attrs, spatial, w->dims + 2, &window);
    if (why == NULL) why = pln_window_transposed(&window, x->dims + 2, out);
    if (why != NULL) return why;
    pln_image_spatial(out, spatial, 1, out_dims);
    if (memcmp(out_dims, t->y.dims, sizeof out_dims) != 0) return "the output has other dims than the window gives";
    pln_image_spatial(window.kernel, spatial, 1, t->kernel);
    pln_image_spatial(window.stride, spatial, 1, t->stride);
    pln_image_spatial(window.dilation, spatial, 1, t->dilation);
    pln_image_spatial(window.pad_begin, spatial, 0, t->pad);
    return NULL;
}

static const char *read_channels(const struct pln_launch *launch, struct pln_transposed *t)
{
    const struct pln_tensor *w = &launch->inputs[1];
    int64_t channels = 0;
    t->groups = pln_attrs_int(launch->attrs, "group", 1);
    t->group_out = w->dims[1];
    if (t->groups < 1 || t->x.c % t->groups != 0 || w->dims[0] != t->x.c || !pln_mul_i64(t->groups, t->group_out, &channels) ||
        channels != t->y.c || t->x.n != t->y.n)
        return "image, weights, groups and output do not fit";
    t->group_in = t->x.c / t->groups;
    return t->x.c_stride != 1 ? "the image is not stored channels last" : NULL;
}

static enum pln_status read_epilogue(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag, struct pln_transposed *t)
{
    const struct pln_tensor *y = &launch->outputs[0];
    const int n_own = launch->n_inputs - (launch->epilogue != NULL ? launch->epilogue->n_inputs - 1 : 0);
    if (n_own < 2 || n_own > 3) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of inputs", kernel->name);
    struct pln_epilogue_own own = { .alpha = 1.0f, .beta = 1.0f };
    if (n_own > 2 && launch->inputs[2].dtype != PLN_DTYPE_NONE) {
        own.bias = &launch->inputs[2];
        if (own.bias->dtype != PLN_F32 || own.bias->rank != 1 || own.bias->dims[0] != t->y.c)
            return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the bias is not one number a channel", kernel->name);
        own.strides[1] = own.bias->strides[0];
    }
    PLN_TRY(pln_epilogue_prepare(&own, launch->epilogue, launch->inputs + n_own, y, diag, &t->epilogue));
    for (int i = 0; i < t->epilogue.n_operands; i++) {
        struct pln_epilogue_operand *operand = &t->epilogue.operands[i];
        t->e_n[i] = operand->strides[0];
        t->e_c[i] = operand->strides[1];
        pln_image_spatial(operand->strides + 2, y->rank - 2, 0, t->e_at[i]);
        operand->row = 0;
        operand->col = t->e_c[i];
    }
    return PLN_OK;
}

enum pln_status pln_cpu_transposed_read(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                        struct pln_diag *diag, struct pln_transposed *out_transposed)
{
    struct pln_transposed *t = out_transposed;
    size_t want_bytes = 0;
    if (launch->n_inputs < 2 || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *w = &launch->inputs[1], *y = &launch->outputs[0];
    if (x->dtype != PLN_F32 || w->dtype != PLN_F32 || x->rank < 3 || x->rank > 5 || w->rank != x->rank || y->rank != x->rank)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the operands are not f32 images of one to three axes", kernel->name);
    if (launch->packed_bytes == 0 || !kernel->family->pack(kernel)->bytes(w, &want_bytes) || want_bytes != launch->packed_bytes)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the packed weight has %zu bytes, not %zu", kernel->name, launch->packed_bytes, want_bytes);
    pln_image_of(x, &t->x);
    pln_image_of(y, &t->y);
    t->weights = w->data;
    t->y_is_bool = y->dtype == PLN_BOOL;
    const char *why = read_channels(launch, t);
    if (why == NULL) why = read_window(launch, t);
    if (why != NULL) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    return read_epilogue(kernel, launch, diag, t);
}

int64_t pln_cpu_transposed_place(const struct pln_transposed *t, int64_t n, int64_t c, const int64_t *at,
                                 struct pln_epilogue_run *epilogue)
{
    for (int i = 0; i < t->epilogue.n_operands; i++) {
        epilogue->offsets[i] = n * t->e_n[i] + c * t->e_c[i];
        for (int d = 0; d < AXES; d++) epilogue->offsets[i] += at[d] * t->e_at[i][d];
    }
    int64_t to = n * t->y.n_stride + c * t->y.c_stride;
    for (int d = 0; d < AXES; d++) to += at[d] * t->y.strides[d];
    return to;
}

void pln_cpu_transposed_store(const struct pln_transposed *t, const float *line, int64_t n, int64_t to, int64_t stride)
{
    if (t->y_is_bool)
        for (int64_t i = 0; i < n; i++) ((uint8_t *)t->y.data)[to + i * stride] = line[i] != 0.0f;
    else if (stride == 1)
        memcpy((float *)t->y.data + to, line, (size_t)n * sizeof *line);
    else
        for (int64_t i = 0; i < n; i++) ((float *)t->y.data)[to + i * stride] = line[i];
}
