/* Transposed convolution of images stored channels last, one channel in and one out a group: the channels of an output
 * pixel are walked as vectors, over the taps that meet the image. A task is a row of output pixels. */
#include "backend/cpu/kernels/conv/conv.h"
#include "backend/cpu/kernels/conv/phases.h"
#include "backend/cpu/kernels/conv/taps.h"
#include "backend/cpu/kernels/conv/transposed.h"

enum { AXES = PLN_IMAGE_AXES };

struct depthwise_state {
    struct pln_transposed t;
    const struct pln_taps_isa *isa;
    bool stores;  /* results go through a line in scratch: bools, or an output with gaps */
    int64_t line; /* floats of it */
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const char *why = pln_cpu_transposed_supports(problem);
    if (why != NULL) return why;
    if (!pln_cpu_transposed_is_depthwise(problem)) return "not one channel a group";
    double taps = 1;
    for (int d = 2; d < problem->inputs[1].rank; d++) taps *= (double)problem->inputs[1].dims[d];
    return taps > PLN_TAPS_MAX ? "the window is too large" : NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    return pln_cpu_transposed_flops(problem) / ((kernel->needs == 0 ? 2 : (double)kernel->tile[0]) * 2) + 500;
}

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &pln_pack_f32_taps_v1;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    typedef const struct pln_taps_isa *(*isa_fn)(void);
    struct depthwise_state *s = state_memory;
    struct pln_transposed *t = &s->t;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(pln_cpu_transposed_read(kernel, launch, diag, t));
    int64_t taps = 1;
    bool fits = t->group_in == 1 && t->group_out == 1;
    for (int d = 0; d < AXES; d++) fits = fits && pln_mul_i64(taps, t->kernel[d], &taps);
    if (!fits || taps > PLN_TAPS_MAX) return pln_fail(diag, PLN_BAD_PLAN, "%s: not a depthwise convolution", kernel->name);
    s->isa = ((isa_fn)kernel->micro)();
    s->stores = t->y.c_stride != 1 || t->y_is_bool;
    s->line = (int64_t)pln_align_up((size_t)t->y.c, 16);
    out_prepared->n_tasks = t->y.pixels == 0 ? 0 : t->y.n * t->y.dims[0] * t->y.dims[1];
    out_prepared->grain = 1 + 100000 / (t->y.dims[2] * t->y.c * taps + 1);
    out_prepared->scratch_bytes = (size_t)s->line * sizeof(float) + pln_epilogue_scratch_bytes(&t->epilogue, s->line);
    return PLN_OK;
}

/* The taps along axis d that spread an input coordinate to output coordinate `at`: their numbers, and what they add to an element's place. */
static int taps_along(const struct pln_transposed *t, int d, int64_t at, int64_t *out_numbers, int64_t *out_offsets)
{
    int n = 0;
    for (int64_t k = 0; k < t->kernel[d]; k++) {
        const int64_t from = at + t->pad[d] - k * t->dilation[d];
        if (from < 0 || from % t->stride[d] != 0 || from / t->stride[d] >= t->x.dims[d]) continue;
        out_numbers[n] = k;
        out_offsets[n++] = from / t->stride[d] * t->x.strides[d];
    }
    return n;
}

/* The taps of a row of output pixels, along depth and height; those of a pixel, along all axes. */
struct row_taps {
    int n;
    int64_t number[PLN_TAPS_MAX], offset[PLN_TAPS_MAX];
};

static void row_of(const struct pln_transposed *t, const int64_t *at, struct row_taps *out)
{
    int64_t z[PLN_TAPS_MAX], z_offset[PLN_TAPS_MAX], y[PLN_TAPS_MAX], y_offset[PLN_TAPS_MAX];
    const int n_z = taps_along(t, 0, at[0], z, z_offset), n_y = taps_along(t, 1, at[1], y, y_offset);
    out->n = 0;
    for (int i = 0; i < n_z; i++)
        for (int k = 0; k < n_y; k++) {
            out->number[out->n] = (z[i] * t->kernel[1] + y[k]) * t->kernel[2];
            out->offset[out->n++] = z_offset[i] + y_offset[k];
        }
}

static void run_row(const struct depthwise_state *s, int64_t task, float *line, struct pln_epilogue_run *epilogue)
{
    const struct pln_transposed *t = &s->t;
    const float *xs[PLN_TAPS_MAX], *ws[PLN_TAPS_MAX];
    int64_t number[PLN_TAPS_MAX], offset[PLN_TAPS_MAX];
    int64_t at[AXES] = { task / t->y.dims[1] % t->y.dims[0], task % t->y.dims[1], 0 };
    const int64_t n = task / t->y.dims[1] / t->y.dims[0];
    const float *x = (const float *)t->x.data + n * t->x.n_stride;
    struct pln_taps taps = { .x = xs, .w = ws, .n = t->y.c };
    struct row_taps row;
    row_of(t, at, &row);
    for (; at[2] < t->y.dims[2]; at[2]++) {
        const int n_x = taps_along(t, 2, at[2], number, offset);
        taps.n_taps = 0;
        for (int i = 0; i < row.n; i++)
            for (int k = 0; k < n_x; k++) {
                xs[taps.n_taps] = x + row.offset[i] + offset[k];
                ws[taps.n_taps++] = t->weights + (row.number[i] + number[k]) * t->x.c;
            }
        const int64_t to = pln_cpu_transposed_place(t, n, 0, at, epilogue);
        taps.out = s->stores ? line : (float *)t->y.data + to;
        s->isa->channels(&taps);
        if (t->epilogue.present) pln_epilogue_row(epilogue, 0, 0, taps.out, t->y.c);
        if (s->stores) pln_cpu_transposed_store(t, line, t->y.c, to, t->y.c_stride);
    }
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct depthwise_state *s = state;
    struct pln_epilogue_run epilogue;
    float *line = scratch;
    pln_epilogue_bind(&s->t.epilogue, s->isa->vec, s->line, line + s->line, &epilogue);
    for (int64_t task = first; task < last; task++) run_row(s, task, line, &epilogue);
}

const struct pln_kernel_family pln_cpu_depthwise_transposed = {
    .name = "depthwise_transposed",
    .state_bytes = sizeof(struct depthwise_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 1,
    .pack = pack_format,
};
