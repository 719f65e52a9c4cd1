#include <math.h>

#include "backend/cpu/kernels/norm/norm.h"
#include "backend/cpu/kernels/vec/vec.h"

struct layer_norm_state {
    const struct pln_vec_isa *isa;
    const float *x, *scale, *bias; /* bias NULL: none */
    float *y, *means, *factors;    /* NULL: not wanted */
    float epsilon;
    int64_t n;
    int n_outer;
    int64_t dims[PLN_MAX_RANK], x_strides[PLN_MAX_RANK], y_strides[PLN_MAX_RANK];
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *x = &problem->inputs[0];
    if (problem->n_inputs < 2 || x->rank < 1) return "the rank is not known";
    int64_t axis = pln_attrs_int(problem->attrs, "axis", -1);
    int rank = (int)(axis < 0 ? -axis : x->rank - axis);
    for (int i = 0; i < problem->n_inputs; i++) {
        const struct pln_operand *operand = &problem->inputs[i];
        if (!operand->present) continue;
        if (operand->dtype != PLN_F32) return "not f32";
        if (i > 0 && operand->rank != rank) return "scale and bias are not of the normalized axes";
        for (int d = 0; i > 0 && d < rank; d++)
            if (operand->dims[d] < 0 || (operand->dims[d] == 1 && x->dims[x->rank - rank + d] != 1)) return "scale or bias are broadcast, or may be";
    }
    for (int o = 0; o < problem->n_outputs; o++)
        if (problem->outputs[o].present && problem->outputs[o].dtype != PLN_F32) return "an output is not f32";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double n = 1;
    for (int d = 0; d < problem->inputs[0].rank; d++)
        n *= problem->inputs[0].dims[d] < 0 ? 128.0 : (double)problem->inputs[0].dims[d];
    return n * (0.8 + 8.0 / (kernel->needs == 0 ? 2.0 : (double)kernel->tile[0])) / 4 + 500;
}

/* Do the axes from `axis` on lie side by side? */
static bool is_dense_from(const struct pln_tensor *tensor, int axis)
{
    struct pln_tensor part = *tensor;
    part.rank = tensor->rank - axis;
    memmove(part.dims, tensor->dims + axis, (size_t)part.rank * sizeof part.dims[0]);
    memmove(part.strides, tensor->strides + axis, (size_t)part.rank * sizeof part.strides[0]);
    return pln_tensor_is_contiguous(&part);
}

static bool is_parameter(const struct pln_tensor *tensor, const struct pln_tensor *x, int axis)
{
    return tensor->dtype == PLN_F32 && tensor->rank == x->rank - axis &&
           memcmp(tensor->dims, x->dims + axis, (size_t)tensor->rank * sizeof(int64_t)) == 0 &&
           pln_tensor_is_contiguous(tensor);
}

static bool is_statistic(const struct pln_tensor *tensor, const struct pln_tensor *x, int axis)
{
    bool fits = tensor->dtype == PLN_F32 && tensor->rank == x->rank && pln_tensor_is_contiguous(tensor);
    for (int d = 0; fits && d < x->rank; d++) fits = tensor->dims[d] == (d < axis ? x->dims[d] : 1);
    return fits;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    typedef const struct pln_vec_isa *(*isa_fn)(void);
    struct layer_norm_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    if (launch->n_inputs < 2 || launch->n_inputs > 3 || launch->n_outputs < 1 || launch->n_outputs > 3)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    const struct pln_tensor *bias =
        launch->n_inputs > 2 && launch->inputs[2].dtype != PLN_DTYPE_NONE ? &launch->inputs[2] : NULL;
    int axis;
    if (x->dtype != PLN_F32 || y->dtype != PLN_F32 || !pln_tensor_same_shape(x, y) ||
        !pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", -1), x->rank, &axis) || !is_dense_from(x, axis) ||
        !is_dense_from(y, axis) || !is_parameter(&launch->inputs[1], x, axis) ||
        (bias != NULL && !is_parameter(bias, x, axis)))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: input, scale, bias, output and axis do not fit", kernel->name);
    float **statistics[2] = { &s->means, &s->factors };
    for (int o = 1; o < launch->n_outputs; o++) {
        if (launch->outputs[o].dtype == PLN_DTYPE_NONE) continue;
        if (!is_statistic(&launch->outputs[o], x, axis))
            return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: output %d does not fit", kernel->name, o);
        *statistics[o - 1] = launch->outputs[o].data;
    }
    s->isa = ((isa_fn)kernel->micro)();
    s->x = x->data;
    s->y = y->data;
    s->scale = launch->inputs[1].data;
    s->bias = bias != NULL ? bias->data : NULL;
    s->epsilon = pln_attrs_float(launch->attrs, "epsilon", 1e-5f);
    s->n = 1;
    for (int d = axis; d < x->rank; d++) s->n *= x->dims[d];
    s->n_outer = axis;
    int64_t rows = 1;
    for (int d = 0; d < axis; d++) {
        s->dims[d] = x->dims[d];
        s->x_strides[d] = x->strides[d];
        s->y_strides[d] = y->strides[d];
        rows *= x->dims[d];
    }
    out_prepared->n_tasks = rows;
    out_prepared->grain = 1 + 16384 / (s->n + 16);
    return PLN_OK;
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    (void)shared;
    const struct layer_norm_state *s = state;
    for (int64_t task = first; task < last; task++) {
        int64_t rest = task, x_at = 0, y_at = 0;
        for (int d = s->n_outer - 1; d >= 0; d--) {
            x_at += rest % s->dims[d] * s->x_strides[d];
            y_at += rest % s->dims[d] * s->y_strides[d];
            rest /= s->dims[d];
        }
        const float *x = s->x + x_at;
        float mean = s->n > 0 ? (float)(s->isa->sum(x, s->n) / (double)s->n) : NAN;
        float variance = s->n > 0 ? s->isa->sum_square(x, s->n, mean) / (float)s->n : NAN;
        float factor = 1.0f / sqrtf(variance + s->epsilon);
        if (s->means != NULL) s->means[task] = mean;
        if (s->factors != NULL) s->factors[task] = factor;
        s->isa->normalize(x, s->n, mean, factor, s->scale, s->bias, s->y + y_at);
    }
}

const struct pln_kernel_family pln_cpu_layer_norm = {
    .name = "layer_norm",
    .state_bytes = sizeof(struct layer_norm_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = -1,
};
