/* What every convolution has to check and to know. */
#include "backend/cpu/kernels/conv/conv.h"

/* An operand that varies along one spatial axis only has no single stride a pixel. Nor may it turn out so in the run: an extent that is not known, beside one of
 * the output that is, may be 1. */
static bool walks_pixels(const struct pln_problem *problem, const struct pln_rowprog_operand *operand,
                         const struct pln_operand *tensor)
{
    bool walks = false, stays = false, unsure = false;
    int axes = 0;
    for (int d = 2; d < problem->epilogue->rank; d++) {
        if (problem->outputs[0].dims[d] == 1) continue;
        int dim = operand->axis[d];
        axes++;
        if (dim < 0 || tensor->dims[dim] == 1)
            stays = true;
        else if (tensor->dims[dim] < 0 && problem->outputs[0].dims[d] >= 0)
            unsure = true;
        else
            walks = true;
    }
    return !(walks && stays) && (!unsure || axes == 1);
}

const char *pln_cpu_conv_supports(const struct pln_problem *problem)
{
    if (problem->n_inputs < 2 || problem->n_outputs != 1) return "wrong number of operands";
    const struct pln_operand *x = &problem->inputs[0], *w = &problem->inputs[1];
    if (x->dtype != PLN_F32 || w->dtype != PLN_F32) return "an operand is not f32";
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank) return "not one to three spatial axes";
    for (int d = 0; d < w->rank; d++)
        if (w->dims[d] <= 0) return "the weights' dims are not known";
    const char *why = pln_epilogue_check(problem->epilogue);
    if (why != NULL || problem->epilogue == NULL) return why;
    if (problem->epilogue->rank != x->rank) return "the epilogue's rank is not the output's";
    for (int i = 1; i < problem->epilogue->n_inputs; i++) {
        const struct pln_operand *operand = &problem->inputs[problem->n_inputs - problem->epilogue->n_inputs + i];
        if (operand->rank != problem->epilogue->inputs[i].rank) return "an operand of the epilogue is of unknown rank";
        if (!walks_pixels(problem, &problem->epilogue->inputs[i], operand))
            return "an operand of the epilogue varies along one spatial axis only";
    }
    return NULL;
}

bool pln_cpu_conv_is_depthwise(const struct pln_problem *problem)
{
    const struct pln_operand *w = &problem->inputs[1];
    return w->dims[1] == 1 && w->dims[0] > 1 && pln_attrs_int(problem->attrs, "group", 1) == w->dims[0];
}

double pln_cpu_conv_flops(const struct pln_problem *problem)
{
    const struct pln_operand *w = &problem->inputs[1], *y = &problem->outputs[0];
    double flops = 2;
    for (int d = 0; d < w->rank; d++) flops *= (double)w->dims[d];
    for (int d = 0; d < y->rank; d++)
        if (d != 1) flops *= y->dims[d] < 0 ? (d == 0 ? 1.0 : 56.0) : (double)y->dims[d];
    return flops;
}

static enum pln_status read_epilogue(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                     struct pln_diag *diag, struct pln_conv *conv)
{
    const struct pln_tensor *output = &launch->outputs[0];
    int n_own = launch->n_inputs - (launch->epilogue != NULL ? launch->epilogue->n_inputs - 1 : 0);
    if (n_own < 2 || n_own > 3) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of inputs", kernel->name);
    struct pln_epilogue_own own = { .alpha = 1.0f, .beta = 1.0f };
    if (n_own > 2 && launch->inputs[2].dtype != PLN_DTYPE_NONE) {
        own.bias = &launch->inputs[2];
        if (own.bias->dtype != PLN_F32 || own.bias->rank != 1 || own.bias->dims[0] != conv->y.c)
            return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the bias is not one number a channel", kernel->name);
        own.strides[1] = own.bias->strides[0];
    }
    struct pln_epilogue *epilogue = &conv->epilogue;
    PLN_TRY(pln_epilogue_prepare(&own, launch->epilogue, launch->inputs + n_own, output, diag, epilogue));
    for (int i = 0; i < epilogue->n_operands; i++) {
        int64_t spatial[PLN_IMAGE_AXES];
        conv->e_n[i] = epilogue->operands[i].strides[0];
        conv->e_c[i] = epilogue->operands[i].strides[1];
        pln_image_spatial(epilogue->operands[i].strides + 2, output->rank - 2, 0, spatial);
        if (!pln_image_uniform(conv->y.dims, spatial, &conv->e_pixel[i]))
            return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT,
                            "%s: an operand of the epilogue is stored in an order that this kernel does not take",
                            kernel->name);
    }
    return PLN_OK;
}

enum pln_status pln_cpu_conv_read(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                  struct pln_diag *diag, struct pln_conv *out_conv)
{
    struct pln_conv *conv = out_conv;
    if (launch->n_inputs < 2 || launch->n_outputs != 1)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *w = &launch->inputs[1], *y = &launch->outputs[0];
    if (x->dtype != PLN_F32 || w->dtype != PLN_F32 || x->rank < 3 || x->rank > 5 || w->rank != x->rank ||
        y->rank != x->rank)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the operands are not f32 images of one to three axes",
                        kernel->name);
    pln_image_of(x, &conv->x);
    pln_image_of(y, &conv->y);
    conv->groups = pln_attrs_int(launch->attrs, "group", 1);
    conv->group_in = w->dims[1];
    int64_t channels = 0;
    if (conv->groups < 1 || !pln_mul_i64(conv->groups, conv->group_in, &channels) || channels != conv->x.c ||
        w->dims[0] != conv->y.c || conv->y.c % conv->groups != 0 || conv->x.n != conv->y.n)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: image, weights, groups and output do not fit", kernel->name);
    conv->group_out = conv->y.c / conv->groups;
    const char *why = pln_image_window(launch->attrs, x->rank, w->dims + 2, &conv->x, &conv->y, &conv->window);
    if (why != NULL) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    if (!pln_mul_i64(conv->group_in, conv->window.taps, &conv->k))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the weights are too large", kernel->name);
    if (!conv->y.uniform)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT,
                        "%s: the output is stored in an order that this kernel does not take", kernel->name);
    conv->weights = w->data;
    conv->packed = launch->packed_bytes != 0;
    conv->y_is_bool = y->dtype == PLN_BOOL;
    if (conv->packed) {
        size_t want_bytes = 0;
        if (kernel->family->pack == NULL || !kernel->family->pack(kernel)->bytes(w, &want_bytes) ||
            want_bytes != launch->packed_bytes)
            return pln_fail(diag, PLN_BAD_PLAN, "%s: the packed weight has %zu bytes, not %zu", kernel->name,
                            launch->packed_bytes, want_bytes);
    } else if (!pln_tensor_is_contiguous(w)) {
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the weights have gaps", kernel->name);
    }
    return read_epilogue(kernel, launch, diag, conv);
}

void pln_cpu_conv_walk(struct pln_conv *conv, bool rows_are_pixels)
{
    for (int i = 0; i < conv->epilogue.n_operands; i++) {
        conv->epilogue.operands[i].row = rows_are_pixels ? conv->e_pixel[i] : conv->e_c[i];
        conv->epilogue.operands[i].col = rows_are_pixels ? conv->e_c[i] : conv->e_pixel[i];
    }
}

void pln_cpu_conv_place(const struct pln_conv *conv, int64_t n, int64_t c, int64_t p, struct pln_epilogue_run *run)
{
    for (int i = 0; i < conv->epilogue.n_operands; i++)
        run->offsets[i] = n * conv->e_n[i] + c * conv->e_c[i] + p * conv->e_pixel[i];
}
