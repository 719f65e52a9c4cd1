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

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    struct pln_window window;
    double work = 1;
    if (pln_window_read(problem->attrs, problem->inputs[0].rank - 2, NULL, &window) == NULL)
        for (int d = 0; d < window.rank; d++) work *= (double)window.kernel[d];
    for (int d = 0; d < problem->outputs[0].rank; d++)
        work *= problem->outputs[0].dims[d] < 0 ? (d == 0 ? 1.0 : 56.0) : (double)problem->outputs[0].dims[d];
    return work / (kernel->needs == 0 ? 2.0 : (double)kernel->tile[0]) + 500;
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

/* ---- plain: a task is a channel ---- */

static enum pln_status plain_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                     void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pool_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(read(kernel, launch, diag, s));
    if (s->y.dims[2] > 1 && s->y.strides[2] != 1)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the output's rows have gaps", kernel->name);
    if (!pln_phases_plan(&s->window, &s->x, &s->y, s->average ? 0.0f : -INFINITY, &s->phases))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
    out_prepared->n_tasks = s->y.pixels == 0 ? 0 : s->y.n * s->y.c;
    out_prepared->grain = 1 + 100000 / (s->y.pixels * s->window.taps + 1);
    out_prepared->scratch_bytes = (size_t)(s->phases.floats + s->y.dims[2]) * sizeof(float);
    return PLN_OK;
}

static void plain_channel(const struct pool_state *s, int64_t task, float *plane, const float *counts)
{
    const float *xs[PLN_TAPS_MAX];
    int picked[PLN_TAPS_MAX];
    int64_t c = task % s->y.c, n = task / s->y.c, at[PLN_IMAGE_AXES] = { 0 }, width = s->y.dims[2];
    pln_phases_fill(&s->phases, &s->window, &s->x, (const float *)s->x.data + n * s->x.n_stride + c * s->x.c_stride,
                    plane);
    float *y = (float *)s->y.data + n * s->y.n_stride + c * s->y.c_stride;
    struct pln_taps taps = { .x = xs, .n = width };
    do {
        taps.n_taps = pln_phases_taps(&s->phases, &s->window, &s->x, plane, at, xs, picked);
        taps.out = y + at[0] * s->y.strides[0] + at[1] * s->y.strides[1];
        if (!s->average) {
            s->isa->max(&taps);
            continue;
        }
        s->isa->sum(&taps);
        float rows = (float)(count_cells(s, 0, at[0]) * count_cells(s, 1, at[1]));
        for (int64_t i = 0; i < width; i++)
            taps.out[i] = rows * counts[i] > 0 ? taps.out[i] / (rows * counts[i]) : 0.0f;
    } while (pln_index_step(2, at, s->y.dims));
}

static void plain_run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct pool_state *s = state;
    float *counts = scratch, *plane = counts + s->y.dims[2];
    for (int64_t i = 0; i < s->y.dims[2]; i++) counts[i] = (float)count_cells(s, 2, i);
    for (int64_t task = first; task < last; task++) plain_channel(s, task, plane, counts);
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
