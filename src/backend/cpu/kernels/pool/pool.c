#include "backend/cpu/kernels/pool/pool.h"

#include <math.h>

#include "backend/cpu/kernels/conv/phases.h"
#include "backend/cpu/kernels/conv/taps.h"

struct pool_state {
    struct pln_image x, y;
    struct pln_image_window window;
    const struct pln_taps_isa *isa;
    bool average, count_pads;
    struct pln_phases phases; /* plain */
    int64_t step;             /* plain: the stride along rows, where there is more than one pixel */
    int64_t line, rows;       /* plain: floats of a row with what lies beside the image, a multiple of step; rows of a block */
    bool whole;               /* plain: planes at a time */
    int64_t columns[PLN_TAPS_MAX]; /* plain: where in a ready line each tap of a row begins */
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const bool plain = !(kernel->flags & PLN_KERNEL_CHANNELS_LAST);
    if (problem->kind != PLN_POOL_MAX && problem->kind != PLN_POOL_AVERAGE) return "not a maximum or an average";
    if (problem->n_outputs > 1 && problem->outputs[1].present) return "indices are wanted";
    const struct pln_operand *x = &problem->inputs[0];
    if (problem->n_inputs != 1 || x->dtype != PLN_F32) return "not f32";
    if (x->rank < 3 || x->rank > 5) return "not one to three spatial axes";
    struct pln_window window;
    const char *why = pln_window_read(problem->attrs, x->rank - 2, NULL, &window);
    if (why != NULL) return why;
    double taps = 1;
    for (int d = 0; d < window.rank; d++) taps *= (double)window.kernel[d];
    if (plain && pln_window_span(&window, window.rank - 1) > PLN_PHASES_SPAN) return "the window spans too much of a row";
    return taps > PLN_TAPS_MAX ? "the window is too large" : NULL;
}

/* Of a float that is copied into the other order. */
#define COPY_NS 0.4

/* Both orders take as long: pooling follows that of the image. */
static double copy_cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double floats = 1;
    if (problem->image == PLN_IMAGE_UNKNOWN || (problem->image == PLN_IMAGE_LAST) == ((kernel->flags & PLN_KERNEL_CHANNELS_LAST) != 0)) return 0;
    for (int d = 0; d < problem->inputs[0].rank; d++) floats *= problem->inputs[0].dims[d] < 0 ? (d == 0 ? 1.0 : 56.0) : (double)problem->inputs[0].dims[d];
    return floats * COPY_NS;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    struct pln_window window;
    double work = 1;
    if (pln_window_read(problem->attrs, problem->inputs[0].rank - 2, NULL, &window) == NULL)
        for (int d = 0; d < window.rank; d++) work *= (double)window.kernel[d];
    for (int d = 0; d < problem->outputs[0].rank; d++)
        work *= problem->outputs[0].dims[d] < 0 ? (d == 0 ? 1.0 : 56.0) : (double)problem->outputs[0].dims[d];
    return work / (kernel->needs == 0 ? 2.0 : (double)kernel->tile[0]) + copy_cost(kernel, problem) + 500;
}

static enum pln_status read(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag,
                            struct pool_state *s)
{
    typedef const struct pln_taps_isa *(*isa_fn)(void);
    if (launch->n_inputs != 1 || launch->n_outputs < 1 ||
        (launch->n_outputs > 1 && launch->outputs[1].dtype != PLN_DTYPE_NONE))
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    if (x->dtype != PLN_F32 || y->dtype != PLN_F32 || x->rank < 3 || x->rank > 5 || y->rank != x->rank)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the operands are not f32 images of one to three axes",
                        kernel->name);
    if (launch->kind != PLN_POOL_MAX && launch->kind != PLN_POOL_AVERAGE)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: not a maximum or an average", kernel->name);
    pln_image_of(x, &s->x);
    pln_image_of(y, &s->y);
    const char *why = s->x.n != s->y.n || s->x.c != s->y.c ? "image and output do not fit" : NULL;
    if (why == NULL) why = pln_image_window(launch->attrs, x->rank, NULL, &s->x, &s->y, &s->window);
    if (why == NULL && s->window.taps > PLN_TAPS_MAX) why = "the window is too large";
    if (why != NULL) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    s->isa = ((isa_fn)kernel->micro)();
    s->average = launch->kind == PLN_POOL_AVERAGE;
    s->count_pads = pln_attrs_int(launch->attrs, "count_include_pad", 0) != 0;
    return PLN_OK;
}

/* Cells of the window along axis d at output position `at` that an average counts. */
static int64_t count_cells(const struct pool_state *s, int d, int64_t at)
{
    const struct pln_image_window *w = &s->window;
    int64_t first, end, before = s->count_pads ? 0 : w->pad[d];
    int64_t extent = s->x.dims[d] + (s->count_pads ? w->pad[d] + w->pad_end[d] : 0);
    pln_window_clip(at * w->stride[d] - before, w->dilation[d], extent, w->kernel[d], &first, &end);
    return end - first;
}

/* ---- channels last: a task is a row of output pixels ---- */

static enum pln_status last_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                    void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pool_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(read(kernel, launch, diag, s));
    if (s->x.c_stride != 1 || s->y.c_stride != 1)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the images are not stored channels last", kernel->name);
    out_prepared->n_tasks = s->y.n * s->y.dims[0] * s->y.dims[1];
    out_prepared->grain = 1 + 100000 / (s->y.dims[2] * s->y.c * s->window.taps + 1);
    return PLN_OK;
}

static void last_row(const struct pool_state *s, int64_t task)
{
    const float *xs[PLN_TAPS_MAX];
    int picked[PLN_TAPS_MAX];
    int64_t at[PLN_IMAGE_AXES] = { task / s->y.dims[1] % s->y.dims[0], task % s->y.dims[1], 0 };
    int64_t n = task / s->y.dims[1] / s->y.dims[0];
    const float *x = (const float *)s->x.data + n * s->x.n_stride;
    float *y = (float *)s->y.data + n * s->y.n_stride + at[0] * s->y.strides[0] + at[1] * s->y.strides[1];
    struct pln_taps taps = { .x = xs, .n = s->y.c };
    for (; at[2] < s->y.dims[2]; at[2]++, y += s->y.strides[2]) {
        taps.n_taps = pln_image_taps(&s->window, &s->x, x, at, xs, picked);
        taps.out = y;
        if (!s->average) {
            s->isa->max(&taps);
            continue;
        }
        s->isa->sum(&taps);
        float count = (float)(count_cells(s, 0, at[0]) * count_cells(s, 1, at[1]) * count_cells(s, 2, at[2]));
        for (int64_t c = 0; count > 0 && c < s->y.c; c++) y[c] /= count;
    }
}

static void last_run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    (void)shared;
    for (int64_t task = first; task < last; task++) last_row(state, task);
}

/* ---- plain: a task is a channel. Rows are joined first, and what is left of the window, a row of it, then: of 3 x 3 cells
 * 6 are met instead of 9, and only one line is taken apart into phases ---- */

/* Floats of a plane that stays in the second cache. */
#define PLANE_FLOATS (48 * 1024)
/* Floats of rows that stay in the first cache, beside what becomes of them. */
#define BLOCK_FLOATS 3072
#define BLOCK_ROWS   64

static enum pln_status plain_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                     void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pool_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(read(kernel, launch, diag, s));
    if ((s->y.dims[2] > 1 && s->y.strides[2] != 1) || (s->x.dims[2] > 1 && s->x.strides[2] != 1))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: rows have gaps", kernel->name);
    if (!pln_phases_plan(&s->window, &s->x, &s->y, s->average ? 0.0f : -INFINITY, s->isa, &s->phases))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
    /* Where neither axis has strides all rows that see as many rows of the image are joined at once. */
    s->whole = s->window.stride[1] == 1 && s->window.stride[2] == 1 && s->phases.floats <= PLANE_FLOATS && s->y.dims[1] <= PLANE_FLOATS / PLN_MAX(s->phases.run, 1);
    /* Else lines are joined to phases and taken apart some rows at a time. */
    const int64_t span = (s->window.kernel[2] - 1) * s->window.dilation[2];
    s->step = s->y.dims[2] > 1 ? s->window.stride[2] : 1;
    s->line = PLN_MAX((PLN_MAX(s->y.dims[2], 1) - 1) * s->step + span + 1, s->x.dims[2] + PLN_MAX(s->window.pad[2], 0));
    if (s->line > INT32_MAX) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
    s->line = (s->line + s->step - 1) / s->step * s->step;
    s->rows = PLN_MIN(PLN_MIN(PLN_MAX(s->y.dims[1], 1), BLOCK_ROWS), PLN_MAX(BLOCK_FLOATS / s->line, 1));
    for (int64_t k = 0; k < s->window.kernel[2]; k++) {
        const int64_t column = k * s->window.dilation[2];
        s->columns[k] = column % s->step * s->rows * (s->line / s->step) + column / s->step;
    }
    out_prepared->n_tasks = s->y.pixels == 0 ? 0 : s->y.n * s->y.c;
    out_prepared->grain = 1 + 100000 / (s->y.pixels * s->window.taps + 1);
    const int64_t floats = s->whole ? s->phases.floats + 2 * s->y.dims[1] * s->phases.run : 3 * s->rows * s->line;
    out_prepared->scratch_bytes = (size_t)(floats + s->y.dims[2]) * sizeof(float);
    return PLN_OK;
}

/* The rows of a channel that output row at[0], at[1] sees; a row of the image has row floats, a slice slice. Returns how many. */
static int rows_seen(const struct pool_state *s, const float *x, int64_t slice, int64_t row, const int64_t *at, const float **out_x)
{
    const struct pln_image_window *w = &s->window;
    int64_t first[2], end[2], base[2];
    int n = 0;
    for (int d = 0; d < 2; d++) {
        base[d] = at[d] * w->stride[d] - w->pad[d];
        /* Counted, as those of pln_image_taps. */
        first[d] = 0;
        while (first[d] < w->kernel[d] && base[d] + first[d] * w->dilation[d] < 0) first[d]++;
        end[d] = first[d];
        while (end[d] < w->kernel[d] && base[d] + end[d] * w->dilation[d] < s->x.dims[d]) end[d]++;
    }
    for (int64_t z = first[0]; z < end[0]; z++)
        for (int64_t y = first[1]; y < end[1]; y++) out_x[n++] = x + (base[0] + z * w->dilation[0]) * slice + (base[1] + y * w->dilation[1]) * row;
    return n;
}

/* out[i] for i < n from what the taps see. */
static void join(const struct pool_state *s, struct pln_taps *taps, int64_t n, float *out)
{
    taps->n = n;
    taps->out = out;
    if (s->average) s->isa->sum(taps);
    else s->isa->max(taps);
}

/* The taps of a ready line. */
static void line_taps(const struct pool_state *s, const float *line, const float **xs, struct pln_taps *out_taps)
{
    *out_taps = (struct pln_taps){ .x = xs, .n_taps = (int)s->window.kernel[2] };
    for (int64_t k = 0; k < s->window.kernel[2]; k++) xs[k] = line + s->columns[k];
}

/* seen: rows of the image. */
static void divide(const struct pool_state *s, const int64_t *at, int seen, const float *counts, float *y)
{
    const float rows = s->count_pads ? (float)(count_cells(s, 0, at[0]) * count_cells(s, 1, at[1])) : (float)seen;
    for (int64_t i = 0; i < s->y.dims[2]; i++) y[i] = rows * counts[i] > 0 ? y[i] / (rows * counts[i]) : 0.0f;
}

/* Some rows on their way. */
struct block {
    const float *row_xs[PLN_TAPS_MAX], *line_xs[PLN_TAPS_MAX];
    struct pln_taps rows, cells;
    float *joined, *phases, *out; /* s->rows * s->line floats each */
};

static float *row_of(const struct pool_state *s, float *y, const int64_t *at)
{
    return y + at[0] * s->y.strides[0] + at[1] * s->y.strides[1];
}

/* n rows of the output, from `at` on. A line's columns beside the image were filled before. */
static void join_block(const struct pool_state *s, const float *x, const int64_t *at, int64_t n, float *y, const float *counts, struct block *block)
{
    const int64_t step = s->step, run = s->line / step, first = PLN_MAX(-s->window.pad[2], 0), beside = PLN_MAX(s->window.pad[2], 0);
    const int64_t width = PLN_MIN(s->x.dims[2] - first, s->line - beside);
    int64_t row[2] = { at[0], at[1] };
    int seen[BLOCK_ROWS];
    for (int64_t i = 0; i < n; i++, row[1]++) {
        const int64_t top = row[1] * s->window.stride[1] - s->window.pad[1];
        if (i > 0 && seen[i - 1] == s->window.kernel[0] * s->window.kernel[1] && top + (s->window.kernel[1] - 1) * s->window.dilation[1] < s->x.dims[1])
            for (int t = 0; t < seen[i - 1]; t++) block->row_xs[t] += s->window.stride[1] * s->x.strides[1]; /* as the row before */
        else
            block->rows.n_taps = rows_seen(s, x + first, s->x.strides[0], s->x.strides[1], row, block->row_xs);
        seen[i] = block->rows.n_taps;
        if (width > 0) join(s, &block->rows, width, block->joined + i * s->line + beside);
    }
    for (int64_t phase = 0; step > 1 && phase < s->phases.phases; phase++) s->isa->pick(block->joined + phase, step, n * run, block->phases + phase * s->rows * run);
    join(s, &block->cells, (n - 1) * run + s->y.dims[2], block->out);
    for (int64_t i = 0; i < n; i++) {
        float *to = y + at[0] * s->y.strides[0] + (at[1] + i) * s->y.strides[1];
        memcpy(to, block->out + i * run, (size_t)s->y.dims[2] * sizeof(float));
        row[1] = at[1] + i;
        if (s->average) divide(s, row, seen[i], counts, to);
    }
}

static void by_blocks(const struct pool_state *s, const float *x, float *y, const float *counts, struct block *block)
{
    for (int64_t at[2] = { 0 }; at[0] < s->y.dims[0]; at[0]++)
        for (at[1] = 0; at[1] < s->y.dims[1]; at[1] += s->rows) join_block(s, x, at, PLN_MIN(s->rows, s->y.dims[1] - at[1]), y, counts, block);
}

static void begin_block(const struct pool_state *s, float *scratch, struct block *block)
{
    const int64_t floats = s->rows * s->line;
    *block = (struct block){ .rows = { .x = block->row_xs }, .joined = scratch, .phases = scratch + floats, .out = scratch + 2 * floats };
    for (int64_t i = 0; i < floats; i++) scratch[i] = s->phases.fill;
    line_taps(s, s->step == 1 ? block->joined : block->phases, block->line_xs, &block->cells);
}

static void by_planes(const struct pool_state *s, const float *x, float *y, const float *counts, float *scratch)
{
    const float *row_xs[PLN_TAPS_MAX], *line_xs[PLN_TAPS_MAX];
    const int64_t height = s->y.dims[1], run = s->phases.run;
    float *plane = scratch, *joined = plane + s->phases.floats, *out = joined + height * run;
    int64_t at[2] = { 0 }, first, end;
    struct pln_taps seen = { .x = row_xs }, cells;
    line_taps(s, joined, line_xs, &cells);
    pln_phases_fill(&s->phases, &s->window, &s->x, x, plane);
    /* Rows that see all rows of their windows. */
    pln_window_clip(-s->window.pad[1], 1, s->x.dims[1] - (s->window.kernel[1] - 1) * s->window.dilation[1], height, &first, &end);
    for (at[0] = 0; at[0] < s->y.dims[0]; at[0]++) {
        for (int64_t rows = 1; at[1] < height; at[1] += rows) {
            rows = at[1] == first && end > first ? end - first : 1;
            seen.n_taps = rows_seen(s, plane, s->x.dims[1] * run, run, at, row_xs);
            join(s, &seen, rows * run, joined + at[1] * run);
        }
        join(s, &cells, (height - 1) * run + s->y.dims[2], out);
        for (at[1] = 0; at[1] < height; at[1]++) {
            memcpy(row_of(s, y, at), out + at[1] * run, (size_t)s->y.dims[2] * sizeof(float));
            if (s->average) divide(s, at, rows_seen(s, plane, s->x.dims[1] * run, run, at, row_xs), counts, row_of(s, y, at));
        }
        at[1] = 0;
    }
}

static void plain_run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct pool_state *s = state;
    float *counts = scratch, *rest = counts + s->y.dims[2];
    struct block block;
    for (int64_t i = 0; i < s->y.dims[2]; i++) counts[i] = (float)count_cells(s, 2, i);
    if (!s->whole) begin_block(s, rest, &block);
    for (int64_t task = first; task < last; task++) {
        const int64_t c = task % s->y.c, n = task / s->y.c;
        const float *x = (const float *)s->x.data + n * s->x.n_stride + c * s->x.c_stride;
        float *y = (float *)s->y.data + n * s->y.n_stride + c * s->y.c_stride;
        if (s->whole) by_planes(s, x, y, counts, rest);
        else by_blocks(s, x, y, counts, &block);
    }
}

const struct pln_kernel_family pln_cpu_pool_last = {
    .name = "pool_last",
    .state_bytes = sizeof(struct pool_state),
    .supports = supports,
    .cost = cost,
    .prepare = last_prepare,
    .run = last_run,
    .packed_input = -1,
};

const struct pln_kernel_family pln_cpu_pool_plain = {
    .name = "pool_plain",
    .state_bytes = sizeof(struct pool_state),
    .supports = supports,
    .cost = cost,
    .prepare = plain_prepare,
    .run = plain_run,
    .packed_input = -1,
};
