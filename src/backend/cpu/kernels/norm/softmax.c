#include "backend/cpu/kernels/norm/norm.h"
#include "backend/cpu/kernels/vec/vec.h"
#include "kernel/window.h"

struct softmax_state {
    const struct pln_vec_isa *isa;
    const float *x;
    float *y;
    bool logarithm;
    int64_t n, x_step, y_step;
    /* The other axes, outermost first. */
    int n_outer;
    int64_t dims[PLN_MAX_RANK], x_strides[PLN_MAX_RANK], y_strides[PLN_MAX_RANK];
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->n_inputs != 1 || problem->inputs[0].dtype != PLN_F32) return "not f32";
    if (problem->inputs[0].rank < 1) return "the rank is not known";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double n = 1;
    for (int d = 0; d < problem->inputs[0].rank; d++)
        n *= problem->inputs[0].dims[d] < 0 ? 128.0 : (double)problem->inputs[0].dims[d];
    return n * (0.8 + 16.0 / (kernel->needs == 0 ? 2.0 : (double)kernel->tile[0])) / 4 + 500;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    typedef const struct pln_vec_isa *(*isa_fn)(void);
    struct softmax_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    if (launch->n_inputs != 1 || launch->n_outputs != 1)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    int axis;
    if (x->dtype != PLN_F32 || y->dtype != PLN_F32 || !pln_tensor_same_shape(x, y) ||
        !pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", -1), x->rank, &axis))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: input, output and axis do not fit", kernel->name);
    s->isa = ((isa_fn)kernel->micro)();
    s->x = x->data;
    s->y = y->data;
    s->logarithm = launch->kind == PLN_SOFTMAX_LOG_SOFTMAX;
    s->n = x->dims[axis];
    s->x_step = s->n == 1 ? 1 : x->strides[axis];
    s->y_step = s->n == 1 ? 1 : y->strides[axis];
    int64_t rows = 1;
    for (int d = 0; d < x->rank; d++) {
        if (d == axis) continue;
        s->dims[s->n_outer] = x->dims[d];
        s->x_strides[s->n_outer] = x->strides[d];
        s->y_strides[s->n_outer++] = y->strides[d];
        rows *= x->dims[d];
    }
    out_prepared->n_tasks = s->n == 0 ? 0 : rows;
    out_prepared->grain = 1 + 16384 / (s->n + 16);
    out_prepared->scratch_bytes = (size_t)s->n * sizeof(float);
    return PLN_OK;
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct softmax_state *s = state;
    float *line = scratch;
    int64_t index[PLN_MAX_RANK] = { 0 };
    for (int64_t d = s->n_outer - 1, rest = first; d >= 0 && first < last; d--) {
        index[d] = rest % s->dims[d];
        rest /= s->dims[d];
    }
    for (int64_t task = first; task < last; task++) {
        int64_t x_at = 0, y_at = 0;
        for (int d = 0; d < s->n_outer; d++) {
            x_at += index[d] * s->x_strides[d];
            y_at += index[d] * s->y_strides[d];
        }
        pln_index_step(s->n_outer, index, s->dims);
        const float *x = s->x + x_at;
        float *y = s->y + y_at;
        if (s->x_step != 1) {
            for (int64_t i = 0; i < s->n; i++) line[i] = x[i * s->x_step];
            x = line;
        }
        if (s->logarithm) s->isa->log_softmax(x, s->n, s->y_step == 1 ? y : line);
        else s->isa->softmax(x, s->n, s->y_step == 1 ? y : line);
        if (s->y_step == 1) continue;
        for (int64_t i = 0; i < s->n; i++) y[i * s->y_step] = line[i];
    }
}

const struct pln_kernel_family pln_cpu_softmax = {
    .name = "softmax",
    .state_bytes = sizeof(struct softmax_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = -1,
};
