#include "backend/cpu/kernels/reduce/reduce.h"

/* Running sums side by side. */
#define RUN 512

struct cumulate_state {
    const char *x;
    char *y;
    enum pln_dtype dtype;
    bool product, exclusive, reverse;
    int64_t outer, n, inner;
    int64_t block, blocks; /* of the inner elements: those of a task, and such tasks */
};

static bool takes(enum pln_dtype dtype)
{
    return dtype == PLN_F32 || dtype == PLN_F64 || dtype == PLN_I32 || dtype == PLN_I64;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->n_inputs != 2 || problem->n_outputs != 1 || !problem->inputs[1].present) return "wrong number of operands";
    if (!takes(problem->inputs[0].dtype) || problem->outputs[0].dtype != problem->inputs[0].dtype) return "neither f32, f64, i32 nor i64";
    if (problem->inputs[0].rank < 1 || problem->outputs[0].rank != problem->inputs[0].rank) return "the rank is not known";
    return problem->inputs[1].constant && (problem->inputs[1].dtype == PLN_I64 || problem->inputs[1].dtype == PLN_I32) ? NULL : "the axis is not constant";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double n = 1;
    for (int d = 0; d < problem->inputs[0].rank; d++) n *= problem->inputs[0].dims[d] < 0 ? 128.0 : (double)problem->inputs[0].dims[d];
    return n + 500;
}

static bool read_axis(const struct pln_launch *launch, int *out_axis)
{
    const struct pln_tensor *axis = &launch->inputs[1];
    int64_t wide = 0;
    int32_t narrow = 0;
    if ((axis->dtype != PLN_I64 && axis->dtype != PLN_I32) || pln_tensor_count(axis) != 1) return false;
    if (axis->dtype == PLN_I64) memcpy(&wide, axis->data, sizeof wide);
    else memcpy(&narrow, axis->data, sizeof narrow);
    return pln_axis_normalize(wide + narrow, launch->inputs[0].rank, out_axis);
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct cumulate_state *s = state_memory;
    int axis;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    if (launch->n_inputs != 2 || launch->n_outputs != 1 || (launch->kind != PLN_CUMULATE_SUM && launch->kind != PLN_CUMULATE_PROD)) return pln_fail(diag, PLN_BAD_PLAN, "%s: not an op of this kernel", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    if (!takes(x->dtype) || y->dtype != x->dtype || !pln_tensor_same_shape(x, y) || !pln_tensor_is_contiguous(x) || !pln_tensor_is_contiguous(y) || !read_axis(launch, &axis))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: input, axis and output do not fit", kernel->name);
    if (pln_tensor_count(y) == 0) return PLN_OK;
    *s = (struct cumulate_state){ .x = x->data, .y = y->data, .dtype = x->dtype, .product = launch->kind == PLN_CUMULATE_PROD, .exclusive = pln_attrs_int(launch->attrs, "exclusive", 0) != 0,
                                  .reverse = pln_attrs_int(launch->attrs, "reverse", 0) != 0, .outer = 1, .n = x->dims[axis], .inner = 1 };
    for (int d = 0; d < axis; d++) s->outer *= x->dims[d];
    for (int d = axis + 1; d < x->rank; d++) s->inner *= x->dims[d];
    s->block = PLN_MIN(s->inner, (int64_t)RUN);
    s->blocks = (s->inner - 1) / s->block + 1;
    out_prepared->n_tasks = s->outer * s->blocks;
    out_prepared->grain = 1 + 16384 / (s->block * PLN_MIN(s->n, (int64_t)16384));
    out_prepared->scratch_bytes = RUN * sizeof(double);
    return PLN_OK;
}

/* sums[i] takes x[i] in; y[i] is what it was before, or is then. Floats are summed in f64, as the reference does it; integers wrap around. */
#define STEP(type, wide, OP)                                    \
    for (int64_t i = 0; i < n; i++) {                           \
        const wide before = sums[i], now = before OP (wide)x[i]; \
        sums[i] = now;                                          \
        y[i] = (type)(s->exclusive ? before : now);             \
    }

#define CUMULATE(name, type, wide)                                                                                              \
    static void cumulate_##name(const struct cumulate_state *s, int64_t from, int64_t n, wide *restrict sums)                   \
    {                                                                                                                           \
        const int64_t step = s->reverse ? -s->inner : s->inner;                                                                 \
        const type *restrict x = (const type *)(const void *)s->x + from + (s->reverse ? (s->n - 1) * s->inner : 0);            \
        type *restrict y = (type *)(void *)s->y + from + (s->reverse ? (s->n - 1) * s->inner : 0);                              \
        for (int64_t i = 0; i < n; i++) sums[i] = (wide)(s->product ? 1 : 0);                                                   \
        for (int64_t k = 0; k < s->n; k++, x += step, y += step) {                                                              \
            if (s->product) {                                                                                                   \
                STEP(type, wide, *)                                                                                             \
            } else {                                                                                                            \
                STEP(type, wide, +)                                                                                             \
            }                                                                                                                   \
        }                                                                                                                       \
    }                                                                                                                           \
    /* The same of one sum, which stays in a register. */                                                                       \
    static void cumulate_row_##name(const struct cumulate_state *s, int64_t from)                                               \
    {                                                                                                                           \
        const int64_t step = s->reverse ? -1 : 1, at = from + (s->reverse ? s->n - 1 : 0);                                      \
        const type *restrict x = (const type *)(const void *)s->x + at;                                                         \
        type *restrict y = (type *)(void *)s->y + at;                                                                           \
        wide sum = (wide)(s->product ? 1 : 0);                                                                                  \
        for (int64_t k = 0; k < s->n; k++, x += step, y += step) {                                                              \
            const wide before = sum;                                                                                            \
            sum = s->product ? sum * (wide)*x : sum + (wide)*x;                                                                 \
            *y = (type)(s->exclusive ? before : sum);                                                                           \
        }                                                                                                                       \
    }
CUMULATE(f32, float, double)
CUMULATE(f64, double, double)
CUMULATE(i32, uint32_t, uint32_t)
CUMULATE(i64, uint64_t, uint64_t)

static void cumulate(const struct cumulate_state *s, int64_t from, int64_t n, void *sums)
{
    const bool row = s->inner == 1;
    if (s->dtype == PLN_F32) row ? cumulate_row_f32(s, from) : cumulate_f32(s, from, n, sums);
    else if (s->dtype == PLN_F64) row ? cumulate_row_f64(s, from) : cumulate_f64(s, from, n, sums);
    else if (s->dtype == PLN_I32) row ? cumulate_row_i32(s, from) : cumulate_i32(s, from, n, sums);
    else row ? cumulate_row_i64(s, from) : cumulate_i64(s, from, n, sums);
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct cumulate_state *s = state;
    for (int64_t task = first; task < last; task++) {
        const int64_t at = task % s->blocks * s->block;
        cumulate(s, task / s->blocks * s->n * s->inner + at, PLN_MIN(s->block, s->inner - at), scratch);
    }
}

const struct pln_kernel_family pln_cpu_cumulate = {
    .name = "cumulate",
    .state_bytes = sizeof(struct cumulate_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = -1,
};
