#include <math.h>

#include "backend/cpu/kernels/reduce/axes.h"
#include "backend/cpu/kernels/reduce/reduce.h"
#include "backend/cpu/kernels/vec/vec.h"

/* Elements whose extreme is found at a time, before the place of it is looked for. */
#define BLOCK 512
/* Results side by side that are looked for together. */
#define RUN 1024

struct arg_state {
    const struct pln_vec_isa *isa;
    const char *x;
    int64_t *y;
    enum pln_dtype dtype;
    bool max, last;             /* select_last_index */
    int64_t n, step;            /* of the axis that is looked through */
    int n_kept;
    struct pln_reduce_axis kept[PLN_MAX_RANK]; /* outermost first */
    bool by_runs;               /* the innermost of them lies closer than the axis: results of it are found side by side */
    int64_t block, blocks;      /* results of a task, and such tasks in a run */
};

static bool takes(enum pln_dtype dtype)
{
    return dtype == PLN_F32 || dtype == PLN_I32 || dtype == PLN_I64;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->n_inputs < 1 || problem->n_outputs != 1) return "wrong number of operands";
    if (!takes(problem->inputs[0].dtype) || problem->outputs[0].dtype != PLN_I64) return "neither f32, i32 nor i64";
    return problem->inputs[0].rank < 1 || problem->outputs[0].rank < 0 ? "the rank is not known" : NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double n = 1;
    for (int d = 0; d < problem->inputs[0].rank; d++) n *= problem->inputs[0].dims[d] < 0 ? 128.0 : (double)problem->inputs[0].dims[d];
    return n * (0.3 + 1 / (kernel->needs == 0 ? 2.0 : (double)kernel->tile[0])) + 500;
}

static bool split_axes(const struct pln_launch *launch, int axis, struct arg_state *s)
{
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    const bool keep = pln_attrs_int(launch->attrs, "keepdims", 1) != 0;
    int out = 0;
    for (int d = 0; d < x->rank; d++) {
        if (d == axis && !keep) continue;
        if (out >= y->rank || y->dims[out] != (d == axis ? 1 : x->dims[d])) return false;
        if (d != axis) s->kept[s->n_kept++] = (struct pln_reduce_axis){ x->dims[d], x->strides[d], y->strides[out] };
        out++;
    }
    return out == y->rank;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    typedef const struct pln_vec_isa *(*isa_fn)(void);
    struct arg_state *s = state_memory;
    int axis;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    if (launch->n_inputs < 1 || launch->n_outputs != 1 || (launch->kind != PLN_ARG_REDUCE_MAX && launch->kind != PLN_ARG_REDUCE_MIN)) return pln_fail(diag, PLN_BAD_PLAN, "%s: not an op of this kernel", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    if (!takes(x->dtype) || y->dtype != PLN_I64 || !pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", 0), x->rank, &axis) || !split_axes(launch, axis, s))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: input, axis and output do not fit", kernel->name);
    if (pln_tensor_count(y) == 0) return PLN_OK;
    if (x->dims[axis] == 0) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: no element along axis %d", kernel->name, axis);
    s->isa = ((isa_fn)kernel->micro)();
    s->x = x->data;
    s->y = y->data;
    s->dtype = x->dtype;
    s->max = launch->kind == PLN_ARG_REDUCE_MAX;
    s->last = pln_attrs_int(launch->attrs, "select_last_index", 0) != 0;
    s->n = x->dims[axis];
    s->step = x->strides[axis];
    s->n_kept = pln_reduce_tidy(s->kept, s->n_kept);
    const struct pln_reduce_axis *inner = s->n_kept > 0 ? &s->kept[s->n_kept - 1] : NULL;
    /* Places side by side are held in 32 bits. */
    s->by_runs = inner != NULL && pln_stride_size(inner->x) < pln_stride_size(s->step) && s->n <= INT32_MAX && s->n > 1;
    int64_t tasks = 1;
    for (int i = 0; i < s->n_kept - (s->by_runs ? 1 : 0); i++) tasks *= s->kept[i].extent;
    s->block = s->by_runs ? PLN_MIN(inner->extent, (int64_t)RUN) : 1;
    s->blocks = s->by_runs ? (inner->extent - 1) / s->block + 1 : 1;
    out_prepared->n_tasks = tasks * s->blocks;
    out_prepared->grain = 1 + 32768 / (s->block * PLN_MIN(s->n, (int64_t)32768) + 32);
    out_prepared->scratch_bytes = RUN * (2 * sizeof(int64_t) + sizeof(int32_t));
    return PLN_OK;
}

/* ---- one result: the extreme of each block, then its place in the best block ---- */

/* An order in which NaN is before all; of equals the later one wins where the last index is wanted. */
static bool wins_f32(const struct arg_state *s, float x, float best)
{
    if (isnan(best)) return s->last && isnan(x);
    if (isnan(x)) return true;
    return s->last ? (s->max ? x >= best : x <= best) : (s->max ? x > best : x < best);
}

static float extreme_f32(const struct arg_state *s, const float *x, int64_t n)
{
    return s->max ? s->isa->max(x, n) : s->isa->min(x, n);
}

static bool same_f32(float a, float b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool same_i32(int32_t a, int32_t b)
{
    return a == b;
}

static bool same_i64(int64_t a, int64_t b)
{
    return a == b;
}

#define INT_EXTREME(name, type)                                                             \
    static bool wins_##name(const struct arg_state *s, type x, type best)                   \
    {                                                                                       \
        return (s->max ? x > best : x < best) || (s->last && x == best);                    \
    }                                                                                       \
    static type extreme_##name(const struct arg_state *s, const type *x, int64_t n)         \
    {                                                                                       \
        type best = x[0];                                                                   \
        if (s->max)                                                                         \
            for (int64_t i = 1; i < n; i++) best = x[i] > best ? x[i] : best;               \
        else                                                                                \
            for (int64_t i = 1; i < n; i++) best = x[i] < best ? x[i] : best;               \
        return best;                                                                        \
    }
INT_EXTREME(i32, int32_t)
INT_EXTREME(i64, int64_t)

#define ONE_RESULT(name, type)                                                              \
    static int64_t one_##name(const struct arg_state *s, const type *x, type *line)         \
    {                                                                                       \
        type best = 0;                                                                      \
        int64_t at = -1;                                                                    \
        for (int64_t i = 0; i < s->n; i += BLOCK) {                                         \
            const int64_t n = PLN_MIN((int64_t)BLOCK, s->n - i);                            \
            const type *from = x + i * s->step;                                             \
            if (s->step != 1) {                                                             \
                for (int64_t k = 0; k < n; k++) line[k] = from[k * s->step];                \
                from = line;                                                                \
            }                                                                               \
            const type own = extreme_##name(s, from, n);                                    \
            if (at >= 0 && !wins_##name(s, own, best)) continue;                            \
            best = own;                                                                     \
            at = i;                                                                         \
        }                                                                                   \
        const int64_t end = PLN_MIN(at + BLOCK, s->n);                                      \
        int64_t place = s->last ? end - 1 : at;                                             \
        while (!same_##name(x[place * s->step], best)) place += s->last ? -1 : 1;           \
        return place;                                                                       \
    }
ONE_RESULT(f32, float)
ONE_RESULT(i32, int32_t)
ONE_RESULT(i64, int64_t)

/* ---- results side by side ---- */

/* Is x before best, and is it no later? NaN is before all. */
#define F32_MORE(x, best)    ((best) == (best)) & !((x) <= (best))
#define F32_LESS(x, best)    ((best) == (best)) & !((x) >= (best))
#define F32_NO_LESS(x, best) ((x) != (x)) | ((best) <= (x))
#define F32_NO_MORE(x, best) ((x) != (x)) | ((best) >= (x))
#define INT_MORE(x, best)    (x) > (best)
#define INT_LESS(x, best)    (x) < (best)
#define INT_NO_LESS(x, best) (x) >= (best)
#define INT_NO_MORE(x, best) (x) <= (best)

#define TAKE(BETTER)                                    \
    for (int64_t i = 0; i < n; i++) {                   \
        const int take = BETTER(from[i], best[i]);      \
        best[i] = take ? from[i] : best[i];             \
        at[i] = take ? (int32_t)k : at[i];              \
    }                                                   \
    break

#define RUN_OF_RESULTS(name, type, MORE, LESS, NO_LESS, NO_MORE)                                                       \
    static void run_##name(const struct arg_state *s, const type *x, int64_t x_step, int64_t n, type *restrict best,   \
                           type *restrict line, int32_t *restrict at)                                                  \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            best[i] = x[i * x_step];                                                                                   \
            at[i] = 0;                                                                                                 \
        }                                                                                                              \
        for (int64_t k = 1; k < s->n; k++) {                                                                           \
            const type *from = x + k * s->step;                                                                        \
            if (x_step != 1) {                                                                                         \
                for (int64_t i = 0; i < n; i++) line[i] = from[i * x_step];                                            \
                from = line;                                                                                           \
            }                                                                                                          \
            switch ((s->max ? 1 : 0) + (s->last ? 2 : 0)) {                                                            \
            case 0: TAKE(LESS);                                                                                        \
            case 1: TAKE(MORE);                                                                                        \
            case 2: TAKE(NO_MORE);                                                                                     \
            case 3: TAKE(NO_LESS);                                                                                     \
            }                                                                                                          \
        }                                                                                                              \
    }
RUN_OF_RESULTS(f32, float, F32_MORE, F32_LESS, F32_NO_LESS, F32_NO_MORE)
RUN_OF_RESULTS(i32, int32_t, INT_MORE, INT_LESS, INT_NO_LESS, INT_NO_MORE)
RUN_OF_RESULTS(i64, int64_t, INT_MORE, INT_LESS, INT_NO_LESS, INT_NO_MORE)

/* ---- tasks ---- */

static void run_task(const struct arg_state *s, int64_t task, void *scratch)
{
    const int64_t bytes = pln_dtype_bits(s->dtype) / 8, block = task % s->blocks;
    int64_t x = 0, y = 0;
    task /= s->blocks;
    for (int d = s->n_kept - (s->by_runs ? 2 : 1); d >= 0; d--) {
        const int64_t index = task % s->kept[d].extent;
        task /= s->kept[d].extent;
        x += index * s->kept[d].x;
        y += index * s->kept[d].y;
    }
    const void *from = s->x + x * bytes;
    if (!s->by_runs) {
        s->y[y] = s->dtype == PLN_F32 ? one_f32(s, from, scratch) : s->dtype == PLN_I32 ? one_i32(s, from, scratch) : one_i64(s, from, scratch);
        return;
    }
    const struct pln_reduce_axis *run = &s->kept[s->n_kept - 1];
    const int64_t first = block * s->block, n = PLN_MIN(s->block, run->extent - first);
    int64_t *best = scratch, *line = best + RUN;
    int32_t *at = (int32_t *)(void *)(line + RUN);
    from = s->x + (x + first * run->x) * bytes;
    if (s->dtype == PLN_F32) run_f32(s, from, run->x, n, (float *)(void *)best, (float *)(void *)line, at);
    else if (s->dtype == PLN_I32) run_i32(s, from, run->x, n, (int32_t *)(void *)best, (int32_t *)(void *)line, at);
    else run_i64(s, from, run->x, n, best, line, at);
    for (int64_t i = 0; i < n; i++) s->y[y + (first + i) * run->y] = at[i];
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    for (int64_t task = first; task < last; task++) run_task(state, task, scratch);
}

const struct pln_kernel_family pln_cpu_arg_reduce = {
    .name = "arg_reduce",
    .state_bytes = sizeof(struct arg_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = -1,
};
