/* Depthwise convolution: one channel in and one out a group. Channels last walks the channels of a pixel, plain the
 * pixels of a row. */
#include "backend/cpu/kernels/conv/conv.h"
#include "backend/cpu/kernels/conv/phases.h"
#include "backend/cpu/kernels/conv/taps.h"

struct depthwise_state {
    struct pln_conv conv;
    const struct pln_taps_isa *isa;
    pln_taps_lines_fn lines;  /* channels last: NULL where windows are walked tap by tap */
    bool stores;              /* results go through a line in scratch: bools, or an output with gaps */
    int64_t line;             /* floats of it */
    struct pln_phases phases; /* plain */
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const char *why = pln_cpu_conv_supports(problem);
    if (why != NULL) return why;
    if (!pln_cpu_conv_is_depthwise(problem)) return "not one channel a group";
    double taps = 1;
    for (int d = 2; d < problem->inputs[1].rank; d++) taps *= (double)problem->inputs[1].dims[d];
    if (taps > PLN_TAPS_MAX) return "the window is too large";
    if (kernel->family->packed_input == 1) return problem->inputs[1].constant ? NULL : "the weights are not constant";
    struct pln_window window;
    why = pln_window_read(problem->attrs, problem->inputs[1].rank - 2, problem->inputs[1].dims + 2, &window);
    return why == NULL && pln_window_span(&window, window.rank - 1) > PLN_PHASES_SPAN ? "the window spans too much of a row" : why;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double lanes = kernel->needs == 0 ? 2 : (double)kernel->tile[0];
    return pln_cpu_conv_flops(problem) / (lanes * 2) + 500;
}

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &pln_pack_f32_taps_v1;
}

static enum pln_status read(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag,
                            struct depthwise_state *s)
{
    typedef const struct pln_taps_isa *(*isa_fn)(void);
    struct pln_conv *conv = &s->conv;
    PLN_TRY(pln_cpu_conv_read(kernel, launch, diag, conv));
    if (conv->group_in != 1 || conv->group_out != 1 || conv->window.taps > PLN_TAPS_MAX)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: not a depthwise convolution", kernel->name);
    s->isa = ((isa_fn)kernel->micro)();
    return PLN_OK;
}

/* What the epilogue gets at a time. */
static int64_t epilogue_width(const struct depthwise_state *s)
{
    return PLN_MAX(s->line, PLN_EPILOGUE_RUN);
}

static void set_prepared(const struct depthwise_state *s, int64_t n_tasks, int64_t task_work,
                         struct pln_prepared *out_prepared)
{
    out_prepared->n_tasks = n_tasks;
    out_prepared->grain = 1 + 100000 / (task_work * s->conv.window.taps + 1);
    out_prepared->scratch_bytes =
        (size_t)(s->phases.floats + s->line) * sizeof(float) + pln_epilogue_scratch_bytes(&s->conv.epilogue, epilogue_width(s));
}

/* Writes a finished line to the output from element `at` on. */
static void store_line(const struct pln_conv *conv, const float *line, int64_t n, int64_t at, int64_t stride)
{
    if (conv->y_is_bool)
        for (int64_t i = 0; i < n; i++) ((uint8_t *)conv->y.data)[at + i * stride] = line[i] != 0.0f;
    else
        for (int64_t i = 0; i < n; i++) ((float *)conv->y.data)[at + i * stride] = line[i];
}

/* ---- channels last: a task is a row of output pixels ---- */

static enum pln_status last_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                    void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct depthwise_state *s = state_memory;
    struct pln_conv *conv = &s->conv;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(read(kernel, launch, diag, s));
    if (!conv->packed) return pln_fail(diag, PLN_BAD_PLAN, "%s: the weights must be packed", kernel->name);
    if (conv->x.c_stride != 1)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is not stored channels last", kernel->name);
    pln_cpu_conv_walk(conv, true);
    s->stores = conv->y.c_stride != 1 || conv->y_is_bool;
    s->line = (int64_t)pln_align_up((size_t)conv->y.c, 16);
    s->lines = s->stores || conv->window.dilation[2] != 1 ? NULL : s->isa->lines(conv->window.kernel[2], conv->window.stride[2]);
    set_prepared(s, conv->y.n * conv->y.dims[0] * conv->y.dims[1], conv->y.dims[2] * conv->y.c, out_prepared);
    return PLN_OK;
}

/* Output pixels from `at` on, one at least, that see the same taps. */
static int64_t like_pixels(const struct pln_conv *conv, const int64_t *at)
{
    const struct pln_image_window *w = &conv->window;
    const int64_t room = conv->x.dims[2] - 1 - (w->kernel[2] - 1) * w->dilation[2] + w->pad[2]; /* for a whole window's first tap */
    if (at[2] * w->stride[2] < w->pad[2] || at[2] * w->stride[2] > room) return 1;
    return PLN_MIN(room / w->stride[2] + 1, conv->y.dims[2]) - at[2];
}

/* Images beyond this come from memory, or from a cache far off, where they are read for the first time. */
#define NEAR_BYTES (256 * 1024)

/* Is row `in_window` of a window one that the row of outputs before did not see, of such an image? */
static bool comes_from_afar(const struct pln_conv *conv, int64_t in_window)
{
    const struct pln_image_window *w = &conv->window;
    return conv->x.pixels * conv->x.c * (int64_t)sizeof(float) > NEAR_BYTES && in_window % w->kernel[1] >= w->kernel[1] - w->stride[1];
}

/* Of picked taps those of such rows, and there as many side by side as the next pixel is away: together they meet each
 * of the image's pixels once. */
static int first_to_meet(const struct pln_conv *conv, const int *picked, int n_taps, int *out_taps)
{
    const struct pln_image_window *w = &conv->window;
    int n = 0;
    for (int t = 0; t < n_taps; t++)
        if (picked[t] % w->kernel[2] < w->stride[2] && comes_from_afar(conv, picked[t] / w->kernel[2])) out_taps[n++] = t;
    return n;
}

static void last_row(const struct depthwise_state *s, int64_t task, float *line, struct pln_epilogue_run *epilogue)
{
    const struct pln_conv *conv = &s->conv;
    const float *xs[PLN_TAPS_MAX], *ws[PLN_TAPS_MAX];
    int picked[PLN_TAPS_MAX], ahead[PLN_TAPS_MAX];
    int64_t at[PLN_IMAGE_AXES] = { task / conv->y.dims[1] % conv->y.dims[0], task % conv->y.dims[1], 0 };
    int64_t n = task / conv->y.dims[1] / conv->y.dims[0], pixel = (at[0] * conv->y.dims[1] + at[1]) * conv->y.dims[2];
    const float *x = (const float *)conv->x.data + n * conv->x.n_stride;
    struct pln_taps taps = { .x = xs, .w = ws, .ahead = ahead, .n = conv->y.c, .x_step = conv->window.stride[2] * conv->x.strides[2], .out_step = conv->y.pixel_stride };
    const bool finishes = pln_epilogue_finishes(&conv->epilogue);
    pln_cpu_conv_place(conv, n, 0, 0, epilogue);
    for (; at[2] < conv->y.dims[2]; at[2] += taps.n_pixels, pixel += taps.n_pixels) {
        taps.n_taps = pln_image_taps(&conv->window, &conv->x, x, at, xs, picked);
        for (int t = 0; t < taps.n_taps; t++) ws[t] = conv->weights + picked[t] * conv->x.c;
        taps.n_ahead = first_to_meet(conv, picked, taps.n_taps, ahead);
        taps.n_pixels = s->stores ? 1 : like_pixels(conv, at);
        int64_t to = n * conv->y.n_stride + pixel * conv->y.pixel_stride;
        taps.out = s->stores ? line : (float *)conv->y.data + to;
        if (finishes) pln_epilogue_finish(epilogue, pixel, 0, &taps.finish);
        s->isa->channels(&taps);
        if (!finishes && conv->epilogue.present) pln_epilogue_rows(epilogue, pixel, taps.n_pixels, 0, taps.out, conv->y.pixel_stride, conv->y.c);
        if (s->stores) store_line(conv, line, conv->y.c, to, conv->y.c_stride);
    }
}

/* Pixels of outputs that lie between what is summed and what is fetched. */
#define AHEAD 12

static void lines_row(const struct depthwise_state *s, int64_t task, struct pln_epilogue_run *epilogue)
{
    const struct pln_conv *conv = &s->conv;
    const struct pln_image_window *w = &conv->window;
    const float *xs[PLN_TAPS_MAX], *ws[PLN_TAPS_MAX], *ahead[PLN_TAPS_MAX];
    const int64_t at[2] = { task / conv->y.dims[1] % conv->y.dims[0], task % conv->y.dims[1] };
    const int64_t n = task / conv->y.dims[1] / conv->y.dims[0], pixel = task % (conv->y.dims[0] * conv->y.dims[1]) * conv->y.dims[2];
    const float *x = (const float *)conv->x.data + n * conv->x.n_stride;
    struct pln_taps_lines lines = { .x = xs, .w = ws, .ahead = ahead, .w_tap = conv->x.c, .n = conv->y.c, .width = conv->x.dims[2], .x_tap = conv->x.strides[2], .pad = w->pad[2], .n_pixels = conv->y.dims[2], .out_step = conv->y.pixel_stride };
    for (int64_t k = 0; k < w->kernel[0] * w->kernel[1]; k++) {
        const int64_t z = at[0] * w->stride[0] - w->pad[0] + k / w->kernel[1] * w->dilation[0];
        const int64_t y = at[1] * w->stride[1] - w->pad[1] + k % w->kernel[1] * w->dilation[1];
        if (z < 0 || z >= conv->x.dims[0] || y < 0 || y >= conv->x.dims[1]) continue;
        const float *row = x + z * conv->x.strides[0] + y * conv->x.strides[1];
        if (comes_from_afar(conv, k)) ahead[lines.n_ahead++] = row + AHEAD * w->stride[2] * conv->x.strides[2];
        xs[lines.n_lines] = row;
        ws[lines.n_lines++] = conv->weights + k * w->kernel[2] * conv->x.c;
    }
    lines.out = (float *)conv->y.data + n * conv->y.n_stride + pixel * conv->y.pixel_stride;
    const bool finishes = pln_epilogue_finishes(&conv->epilogue);
    pln_cpu_conv_place(conv, n, 0, 0, epilogue);
    if (finishes) pln_epilogue_finish(epilogue, pixel, 0, &lines.finish);
    s->lines(&lines);
    if (!finishes && conv->epilogue.present) pln_epilogue_rows(epilogue, pixel, lines.n_pixels, 0, lines.out, conv->y.pixel_stride, conv->y.c);
}

static void last_run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct depthwise_state *s = state;
    struct pln_epilogue_run epilogue;
    float *line = scratch;
    pln_epilogue_bind(&s->conv.epilogue, s->isa->vec, epilogue_width(s), line + s->line, &epilogue);
    for (int64_t task = first; task < last; task++) {
        if (s->lines != NULL) lines_row(s, task, &epilogue);
        else last_row(s, task, line, &epilogue);
    }
}

/* ---- plain: a task is a channel ---- */

static enum pln_status plain_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                     void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct depthwise_state *s = state_memory;
    struct pln_conv *conv = &s->conv;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(read(kernel, launch, diag, s));
    if (conv->packed) return pln_fail(diag, PLN_BAD_PLAN, "%s: the weights must not be packed", kernel->name);
    pln_cpu_conv_walk(conv, false);
    s->stores = conv->y.pixel_stride != 1 || conv->y_is_bool;
    s->line = (int64_t)pln_align_up((size_t)conv->y.dims[2], 16);
    if (!pln_phases_plan(&conv->window, &conv->x, &conv->y, 0.0f, s->isa, &s->phases))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
    set_prepared(s, conv->y.n * conv->y.c, conv->y.pixels, out_prepared);
    return PLN_OK;
}

static void plain_channel(const struct depthwise_state *s, int64_t task, float *plane, float *line,
                          struct pln_epilogue_run *epilogue)
{
    const struct pln_conv *conv = &s->conv;
    const float *xs[PLN_TAPS_MAX], *ws[PLN_TAPS_MAX];
    int picked[PLN_TAPS_MAX];
    int64_t c = task % conv->y.c, n = task / conv->y.c, pixel = 0;
    const float *x = (const float *)conv->x.data + n * conv->x.n_stride + c * conv->x.c_stride;
    pln_phases_fill(&s->phases, &conv->window, &conv->x, x, plane);
    int64_t at[PLN_IMAGE_AXES] = { 0 }, width = conv->y.dims[2];
    struct pln_taps taps = { .x = xs, .w = ws, .n = width };
    pln_cpu_conv_place(conv, n, c, 0, epilogue);
    do {
        int64_t to = n * conv->y.n_stride + c * conv->y.c_stride + pixel * conv->y.pixel_stride;
        taps.n_taps = pln_phases_taps(&s->phases, &conv->window, &conv->x, plane, at, xs, picked);
        for (int t = 0; t < taps.n_taps; t++) ws[t] = conv->weights + c * conv->window.taps + picked[t];
        taps.out = s->stores ? line : (float *)conv->y.data + to;
        s->isa->pixels(&taps);
        if (conv->epilogue.present) pln_epilogue_row(epilogue, 0, pixel, taps.out, width);
        if (s->stores) store_line(conv, line, width, to, conv->y.pixel_stride);
        pixel += width;
    } while (pln_index_step(2, at, conv->y.dims));
}

static void plain_run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct depthwise_state *s = state;
    if (s->conv.y.pixels == 0) return;
    struct pln_epilogue_run epilogue;
    float *line = scratch,
          *plane = line + s->line + (pln_epilogue_scratch_bytes(&s->conv.epilogue, epilogue_width(s)) / sizeof(float));
    pln_epilogue_bind(&s->conv.epilogue, s->isa->vec, epilogue_width(s), line + s->line, &epilogue);
    for (int64_t task = first; task < last; task++) plain_channel(s, task, plane, line, &epilogue);
}

const struct pln_kernel_family pln_cpu_depthwise_last = {
    .name = "depthwise_last",
    .state_bytes = sizeof(struct depthwise_state),
    .supports = supports,
    .cost = cost,
    .prepare = last_prepare,
    .run = last_run,
    .packed_input = 1,
    .pack = pack_format,
};

const struct pln_kernel_family pln_cpu_depthwise_plain = {
    .name = "depthwise_plain",
    .state_bytes = sizeof(struct depthwise_state),
    .supports = supports,
    .cost = cost,
    .prepare = plain_prepare,
    .run = plain_run,
    .packed_input = -1,
};
