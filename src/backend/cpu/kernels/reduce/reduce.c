#include "backend/cpu/kernels/reduce/reduce.h"

#include <math.h>

#include "backend/cpu/kernels/reduce/axes.h"
#include "backend/cpu/kernels/vec/vec.h"

#define BLOCK 512
/* Sums side by side at a time: rows far apart are read in runs long enough for memory to foresee. */
#define SUMS_MOST 2048
/* Floats that are added up side by side before their sums join others in f64: a million equal ones keep their mean. */
#define TERMS 256
/* Sums side by side that cost as little each as more of them. */
#define SUMS_LEAST 32
/* Tasks that a run of sums is cut into, where it is long enough. */
#define SUMS_TASKS 8

struct reduce_state {
    const struct pln_vec_isa *isa;
    unsigned kind;
    const float *x;
    float *y;
    int n_kept, n_reduced;
    struct pln_reduce_axis kept[PLN_MAX_RANK], reduced[PLN_MAX_RANK]; /* outermost first */
    bool by_runs;                                          /* the innermost kept axis is walked as vectors */
    int64_t count, block, blocks;                          /* elements a result; results of a task, and such tasks in a run */
};

static bool known_kind(unsigned kind)
{
    switch ((enum pln_reduce)kind) {
    case PLN_REDUCE_SUM:
    case PLN_REDUCE_MEAN:
    case PLN_REDUCE_MAX:
    case PLN_REDUCE_MIN:
    case PLN_REDUCE_L1:
    case PLN_REDUCE_L2:
    case PLN_REDUCE_SUM_SQUARE: return true;
    case PLN_REDUCE_PROD:
    case PLN_REDUCE_LOG_SUM:
    case PLN_REDUCE_LOG_SUM_EXP:
    case PLN_REDUCE_NONE:
    case PLN_REDUCE_COUNT: break;
    }
    return false;
}

static bool adds(const struct reduce_state *s)
{
    return s->kind == PLN_REDUCE_SUM || s->kind == PLN_REDUCE_MEAN;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *x = &problem->inputs[0];
    if (!known_kind(problem->kind)) return "a reduction that has no vector form";
    if (problem->n_inputs < 1 || x->dtype != PLN_F32 || problem->outputs[0].dtype != PLN_F32) return "not f32";
    if (x->rank < 0 || problem->outputs[0].rank < 0) return "the rank is not known";
    if (problem->n_inputs > 1 && problem->inputs[1].present && !problem->inputs[1].constant)
        return "the axes are not constant";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double n = 1;
    for (int d = 0; d < problem->inputs[0].rank; d++)
        n *= problem->inputs[0].dims[d] < 0 ? 128.0 : (double)problem->inputs[0].dims[d];
    return n * (0.4 + 1 / (kernel->needs == 0 ? 2.0 : (double)kernel->tile[0])) + 500;
}

/* ---- which axes ---- */

static bool read_axes(const struct pln_launch *launch, bool *out_reduced)
{
    const struct pln_tensor *x = &launch->inputs[0], *axes = &launch->inputs[1];
    int64_t n = 0;
    bool given = launch->n_inputs > 1 && axes->dtype != PLN_DTYPE_NONE;
    if (given) {
        if ((axes->dtype != PLN_I64 && axes->dtype != PLN_I32) || axes->rank != 1) return false;
        n = axes->dims[0];
    }
    bool all = n == 0 && pln_attrs_int(launch->attrs, "noop_with_empty_axes", 0) == 0;
    for (int d = 0; d < x->rank; d++) out_reduced[d] = all;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i * axes->strides[0];
        int64_t value = axes->dtype == PLN_I64 ? ((const int64_t *)axes->data)[at] : ((const int32_t *)axes->data)[at];
        int axis;
        if (!pln_axis_normalize(value, x->rank, &axis)) return false;
        out_reduced[axis] = true;
    }
    return true;
}

static bool split_axes(const struct pln_launch *launch, struct reduce_state *s)
{
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    bool reduced[PLN_MAX_RANK], keep = pln_attrs_int(launch->attrs, "keepdims", 1) != 0;
    if (!read_axes(launch, reduced)) return false;
    int out = 0;
    for (int d = 0; d < x->rank; d++) {
        struct pln_reduce_axis axis = { x->dims[d], x->strides[d], 0 };
        if (!reduced[d] || keep) {
            if (out >= y->rank || y->dims[out] != (reduced[d] ? 1 : x->dims[d])) return false;
            axis.y = reduced[d] ? 0 : y->strides[out];
            out++;
        }
        if (reduced[d])
            s->reduced[s->n_reduced++] = axis;
        else
            s->kept[s->n_kept++] = axis;
    }
    return out == y->rank;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    typedef const struct pln_vec_isa *(*isa_fn)(void);
    struct reduce_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    if (launch->n_inputs < 1 || launch->n_outputs != 1 || !known_kind(launch->kind))
        return pln_fail(diag, PLN_BAD_PLAN, "%s: not a reduction of this kernel", kernel->name);
    if (launch->inputs[0].dtype != PLN_F32 || launch->outputs[0].dtype != PLN_F32 || !split_axes(launch, s))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: input, axes and output do not fit", kernel->name);
    s->isa = ((isa_fn)kernel->micro)();
    s->kind = launch->kind;
    s->x = launch->inputs[0].data;
    s->y = launch->outputs[0].data;
    s->count = 1;
    for (int i = 0; i < s->n_reduced; i++) s->count *= s->reduced[i].extent;
    s->n_kept = pln_reduce_tidy(s->kept, s->n_kept);
    s->n_reduced = pln_reduce_tidy(s->reduced, s->n_reduced);
    const struct pln_reduce_axis *kept = s->n_kept > 0 ? &s->kept[s->n_kept - 1] : NULL,
                      *inner = s->n_reduced > 0 ? &s->reduced[s->n_reduced - 1] : NULL;
    s->by_runs = kept != NULL && kept->extent > 1 && (inner == NULL || pln_stride_size(kept->x) < pln_stride_size(inner->x));
    s->blocks = 1;
    int64_t tasks = 1;
    for (int i = 0; i < s->n_kept - (s->by_runs ? 1 : 0); i++) tasks *= s->kept[i].extent;
    s->block = PLN_MIN(s->by_runs ? kept->extent : 1, s->by_runs && adds(s) && kept->x == 1 ? SUMS_MOST : BLOCK);
    if (s->by_runs && adds(s)) s->block = PLN_MIN(s->block, PLN_MAX((kept->extent / SUMS_TASKS + SUMS_LEAST - 1) / SUMS_LEAST, 1) * SUMS_LEAST);
    if (s->by_runs) s->blocks = (kept->extent + s->block - 1) / s->block;
    out_prepared->n_tasks = tasks * s->blocks;
    out_prepared->grain = 1 + 32768 / (s->count * s->block + 32);
    out_prepared->scratch_bytes = (BLOCK + SUMS_MOST) * sizeof(float) + SUMS_MOST * sizeof(double);
    return PLN_OK;
}

/* ---- arithmetic ---- */

static float start_of(unsigned kind)
{
    return kind == PLN_REDUCE_MAX ? -INFINITY : kind == PLN_REDUCE_MIN ? INFINITY : 0.0f;
}

static float finish(const struct reduce_state *s, double total)
{
    if (s->kind == PLN_REDUCE_MEAN) return (float)(total / (double)s->count);
    return (float)(s->kind == PLN_REDUCE_L2 ? sqrt(total) : total);
}

/* Steps the first n axes; false when it wraps. */
static bool step_axes(const struct pln_reduce_axis *axes, int n, int64_t *index, int64_t *at)
{
    for (int d = n - 1; d >= 0; d--) {
        *at += axes[d].x;
        if (++index[d] < axes[d].extent) return true;
        *at -= index[d] * axes[d].x;
        index[d] = 0;
    }
    return false;
}

/* Adds a run of n elements side by side to the total; line: room for n of them. */
static double add_run(const struct reduce_state *s, double total, const float *x, int64_t n, float *line)
{
    struct pln_vec_args args = { .dst = line, .src = { x, x, x }, .step = { 1, 1, 1 }, .n = n };
    float y;
    switch ((enum pln_reduce)s->kind) {
    case PLN_REDUCE_MAX: y = s->isa->max(x, n); return isnan(total) || total > y ? total : y;
    case PLN_REDUCE_MIN: y = s->isa->min(x, n); return isnan(total) || total < y ? total : y;
    case PLN_REDUCE_L2:
    case PLN_REDUCE_SUM_SQUARE: return total + s->isa->sum_square(x, n, 0.0f);
    case PLN_REDUCE_L1: s->isa->ew[PLN_EW_ABS](&args); return total + s->isa->sum(line, n);
    case PLN_REDUCE_SUM:
    case PLN_REDUCE_MEAN:
    case PLN_REDUCE_PROD:
    case PLN_REDUCE_LOG_SUM:
    case PLN_REDUCE_LOG_SUM_EXP:
    case PLN_REDUCE_NONE:
    case PLN_REDUCE_COUNT: break;
    }
    return total + s->isa->sum(x, n);
}

static float reduce_one(const struct reduce_state *s, const float *x, float *line)
{
    double total = start_of(s->kind);
    if (s->count == 0) return finish(s, total);
    struct pln_reduce_axis run = { 1, 1, 0 };
    int outer = s->n_reduced;
    if (outer > 0) run = s->reduced[--outer];
    int64_t index[PLN_MAX_RANK] = { 0 }, at = 0;
    do {
        for (int64_t i = 0; i < run.extent; i += BLOCK) {
            int64_t n = PLN_MIN((int64_t)BLOCK, run.extent - i);
            const float *from = x + at + i * run.x;
            if (run.x != 1) {
                for (int64_t k = 0; k < n; k++) line[k] = from[k * run.x];
                from = line;
            }
            total = add_run(s, total, from, n, line + BLOCK);
        }
    } while (step_axes(s->reduced, outer, index, &at));
    return finish(s, total);
}

static enum pln_ew combining(unsigned kind)
{
    return kind == PLN_REDUCE_MAX ? PLN_EW_MAX : kind == PLN_REDUCE_MIN ? PLN_EW_MIN : PLN_EW_ADD;
}

/* Sums side by side: of the terms since the last time, and of all before. */
struct sums {
    float *now;
    double *before;
    int64_t n, terms;
    bool any_before;
};

static void keep_sums(struct sums *sums)
{
    for (int64_t i = 0; i < sums->n; i++) {
        sums->before[i] = (sums->any_before ? sums->before[i] : 0.0) + (double)sums->now[i];
        sums->now[i] = 0.0f;
    }
    sums->any_before = true;
    sums->terms = 0;
}

static void finish_sums(const struct reduce_state *s, struct sums *sums)
{
    for (int64_t i = 0; i < sums->n; i++) sums->now[i] = finish(s, (sums->any_before ? sums->before[i] : 0.0) + (double)sums->now[i]);
}

/* Sums of rows that lie side by side. */
static void sum_run(const struct reduce_state *s, const float *x, struct sums *sums)
{
    struct pln_reduce_axis rows = { 1, 0, 0 };
    int outer = s->n_reduced;
    if (outer > 0) rows = s->reduced[--outer];
    int64_t index[PLN_MAX_RANK] = { 0 }, at = 0;
    for (int64_t i = 0; i < sums->n; i++) sums->now[i] = 0.0f;
    do {
        for (int64_t row = 0, more; row < rows.extent; row += more) {
            if (sums->terms == TERMS) keep_sums(sums);
            more = PLN_MIN(rows.extent - row, TERMS - sums->terms);
            s->isa->add_rows(sums->now, x + at + row * rows.x, rows.x, more, sums->n);
            sums->terms += more;
        }
    } while (step_axes(s->reduced, outer, index, &at));
    finish_sums(s, sums);
}

/* Results side by side into sums->now. */
static void reduce_run(const struct reduce_state *s, const float *x, int64_t x_step, struct sums *sums, float *line)
{
    const int64_t n = sums->n;
    for (int64_t i = 0; i < n; i++) sums->now[i] = start_of(s->kind);
    int64_t index[PLN_MAX_RANK] = { 0 }, at = 0;
    bool squares = s->kind == PLN_REDUCE_L2 || s->kind == PLN_REDUCE_SUM_SQUARE;
    pln_vec_fn combine = s->isa->ew[combining(s->kind)];
    while (s->count > 0) {
        const float *from = x + at;
        if (x_step != 1) {
            for (int64_t i = 0; i < n; i++) line[i] = from[i * x_step];
            from = line;
        }
        struct pln_vec_args args = { .dst = line, .src = { from, from, from }, .step = { 1, 1, 1 }, .n = n };
        if (squares || s->kind == PLN_REDUCE_L1) {
            s->isa->ew[squares ? PLN_EW_MUL : PLN_EW_ABS](&args);
            from = line;
        }
        if (combining(s->kind) == PLN_EW_ADD && sums->terms++ == TERMS) {
            keep_sums(sums);
            sums->terms = 1;
        }
        args.dst = sums->now;
        args.src[0] = sums->now;
        args.src[1] = from;
        combine(&args);
        if (!step_axes(s->reduced, s->n_reduced, index, &at)) break;
    }
    finish_sums(s, sums);
}

static void run_task(const struct reduce_state *s, int64_t task, float *scratch)
{
    int64_t x = 0, y = 0, block = task % s->blocks;
    task /= s->blocks;
    for (int d = s->n_kept - (s->by_runs ? 2 : 1); d >= 0; d--) {
        int64_t index = task % s->kept[d].extent;
        task /= s->kept[d].extent;
        x += index * s->kept[d].x;
        y += index * s->kept[d].y;
    }
    if (!s->by_runs) {
        s->y[y] = reduce_one(s, s->x + x, scratch);
        return;
    }
    const struct pln_reduce_axis *run = &s->kept[s->n_kept - 1];
    int64_t first = block * s->block, n = PLN_MIN(s->block, run->extent - first);
    struct sums sums = { .now = run->y == 1 ? s->y + y + first : scratch + BLOCK, .before = (double *)(void *)(scratch + BLOCK + SUMS_MOST), .n = n };
    if (adds(s) && run->x == 1 && s->count > 0) sum_run(s, s->x + x + first, &sums);
    else reduce_run(s, s->x + x + first * run->x, run->x, &sums, scratch);
    if (run->y == 1) return;
    for (int64_t i = 0; i < n; i++) s->y[y + (first + i) * run->y] = sums.now[i];
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    for (int64_t task = first; task < last; task++) run_task(state, task, scratch);
}

const struct pln_kernel_family pln_cpu_reduce = {
    .name = "reduce",
    .state_bytes = sizeof(struct reduce_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = -1,
};
