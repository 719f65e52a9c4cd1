#include <math.h>

#include "backend/cpu/kernels/sample/sample.h"

/* Places of a task: their taps stay in the cache while the channels go by, and so many see most of a plane more than once. */
#define PLACES 512
#define TAPS_MOST 16

enum sample_mode { SAMPLE_LINEAR, SAMPLE_NEAREST, SAMPLE_CUBIC };
enum padding { PADDING_ZEROS, PADDING_BORDER, PADDING_REFLECTION };

struct grid_state {
    const float *x, *grid;
    float *y;
    int64_t channels, dims[2], places; /* h, w of the image; places of one output plane */
    int64_t blocks;                    /* of places, of one image */
    int most;                          /* taps a place */
    enum sample_mode mode;
    enum padding padding;
    bool align_corners;
};

/* What places read, `most` taps each: those that weigh nothing, or lie in the zeros around the image, are left out. */
struct taps {
    int32_t at[PLACES * TAPS_MOST];
    float weights[PLACES * TAPS_MOST];
    int n[PLACES];
};

static const char *const modes[] = { "linear", "nearest", "cubic" };
static const char *const paddings[] = { "zeros", "border", "reflection" };

/* The number of the word among the three; 3: none of them. */
static int find_word(const struct pln_attrs *attrs, const char *name, const char *const *words)
{
    const char *word = pln_attrs_string(attrs, name, words[0]);
    int i = 0;
    while (i < 3 && strcmp(words[i], word) != 0) i++;
    return i;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->inputs[0].rank != 4 || problem->inputs[1].rank != 4) return "not an image of two axes";
    if (problem->inputs[0].dtype != PLN_F32 || problem->inputs[1].dtype != PLN_F32) return "the image or the grid is not f32";
    return find_word(problem->attrs, "mode", modes) == 3 || find_word(problem->attrs, "padding_mode", paddings) == 3 ? "no such mode" : NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double n = 1;
    for (int d = 0; d < problem->outputs[0].rank; d++) n *= problem->outputs[0].dims[d] < 0 ? 128 : (double)problem->outputs[0].dims[d];
    return 3 * n + 500;
}

static enum pln_status update(const struct pln_launch *launch, void *state_memory, struct pln_prepared *prepared, struct pln_diag *diag)
{
    struct grid_state *s = state_memory;
    const struct pln_tensor *x = &launch->inputs[0], *grid = &launch->inputs[1], *y = &launch->outputs[0];
    bool fits = x->dtype == PLN_F32 && grid->dtype == PLN_F32 && y->dtype == PLN_F32 && x->rank == 4 && grid->rank == 4 && y->rank == 4;
    fits = fits && grid->dims[3] == 2 && grid->dims[0] == x->dims[0] && y->dims[0] == x->dims[0] && y->dims[1] == x->dims[1] && y->dims[2] == grid->dims[1] && y->dims[3] == grid->dims[2];
    fits = fits && pln_tensor_is_contiguous(x) && pln_tensor_is_contiguous(grid) && pln_tensor_is_contiguous(y);
    if (!fits) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "GridSample: image, grid and output do not fit together");
    const bool empty = pln_tensor_count(y) == 0;
    if (!empty && pln_tensor_count(x) == 0) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "GridSample: there is nothing to sample in an empty input");
    if (x->dims[2] * x->dims[3] > INT32_MAX) return pln_launch_fail(launch, diag, PLN_UNSUPPORTED, "GridSample: a plane of more than 2^31 pixels");
    s->x = x->data;
    s->grid = grid->data;
    s->y = y->data;
    s->channels = x->dims[1];
    s->dims[0] = x->dims[2];
    s->dims[1] = x->dims[3];
    s->places = y->dims[2] * y->dims[3];
    s->blocks = (s->places + PLACES - 1) / PLACES;
    *prepared = (struct pln_prepared){ .n_tasks = empty ? 0 : x->dims[0] * s->blocks, .grain = 1 + 64 / (s->channels + 1), .scratch_bytes = sizeof(struct taps) };
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    struct grid_state *s = state_memory;
    const int mode = find_word(launch->attrs, "mode", modes), padding = find_word(launch->attrs, "padding_mode", paddings);
    if (launch->n_inputs != 2 || launch->n_outputs != 1 || mode == 3 || padding == 3) return pln_fail(diag, PLN_BAD_PLAN, "GridSample: operands, mode or padding_mode");
    s->mode = (enum sample_mode)mode;
    s->padding = (enum padding)padding;
    s->most = s->mode == SAMPLE_NEAREST ? 1 : s->mode == SAMPLE_LINEAR ? 4 : TAPS_MOST;
    s->align_corners = pln_attrs_int(launch->attrs, "align_corners", 0) != 0;
    return update(launch, s, out_prepared, diag);
}

/* ---- places ---- */

/* Mirrors x at both borders until it lies between them. */
static double reflect(double x, double low, double high)
{
    const double range = high - low;
    if (x >= low && x <= high) return x;
    if (!(range > 0)) return low;
    const double over = fmod(x < low ? low - x : x - high, 2 * range);
    const bool back = over > range;
    const double rest = back ? over - range : over;
    return (x < low) == !back ? low + rest : high - rest;
}

/* A coordinate as the padding has it. What is far outside of zeros stays outside, within reach of integers; NaN is outside, too. */
static double place(const struct grid_state *s, double x, int64_t extent)
{
    const double low = s->align_corners ? 0 : -0.5, high = s->align_corners ? (double)(extent - 1) : (double)extent - 0.5, last = (double)(extent - 1);
    if (!(x >= -4)) x = s->padding == PADDING_REFLECTION && x == x && x > -HUGE_VAL ? x : -4;
    if (x > (double)extent + 4 && !(s->padding == PADDING_REFLECTION && x < HUGE_VAL)) x = (double)extent + 4;
    if (x >= low && x <= high) return x;
    switch (s->padding) {
    case PADDING_ZEROS: return x;
    case PADDING_BORDER:
        if (s->mode == SAMPLE_CUBIC) return x; /* each tap is bounded by itself */
        return x < 0 ? 0 : x > last ? last : x;
    case PADDING_REFLECTION: return reflect(x, low, high);
    }
    return x;
}

/* -1: a zero. */
static int64_t pixel(const struct grid_state *s, int64_t i, int64_t extent)
{
    if (i >= 0 && i < extent) return i;
    switch (s->padding) {
    case PADDING_ZEROS: return -1;
    case PADDING_BORDER: return i < 0 ? 0 : extent - 1;
    case PADDING_REFLECTION: {
        const double low = s->align_corners ? 0 : -0.5, high = s->align_corners ? (double)(extent - 1) : (double)extent - 0.5;
        const int64_t at = (int64_t)reflect((double)i, low, high);
        return at < 0 ? 0 : at >= extent ? extent - 1 : at;
    }
    }
    return -1;
}

/* Keys' cubic convolution with a = -0.75. */
static double keys(double x)
{
    const double a = -0.75;
    x = fabs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

/* Taps along one axis of a place in [-1, 1]: pixels and weights. Returns their number. */
static int find_taps(const struct grid_state *s, float at, int64_t extent, int64_t *pixels, double *weights)
{
    const float length = (float)extent;
    const int n = s->mode == SAMPLE_NEAREST ? 1 : s->mode == SAMPLE_LINEAR ? 2 : 4, first = s->mode == SAMPLE_CUBIC ? -1 : 0;
    double x = (double)(s->align_corners ? (at + 1) / 2.0f * (length - 1) : ((at + 1) * length - 1) / 2.0f);
    x = place(s, s->mode == SAMPLE_NEAREST ? rint(x) : x, extent);
    double left = (double)(int64_t)x; /* which x is within reach of */
    if (s->mode != SAMPLE_NEAREST && left > x) left -= 1;
    for (int t = 0; t < n; t++) {
        const double distance = x - left - (first + t);
        pixels[t] = pixel(s, (int64_t)left + first + t, extent);
        weights[t] = s->mode == SAMPLE_NEAREST ? 1 : s->mode == SAMPLE_LINEAR ? 1 - fabs(distance) : keys(distance);
    }
    return n;
}

/* The last axis comes first in the grid. */
static void find_place(const struct grid_state *s, const float *at, int64_t p, struct taps *taps)
{
    int64_t rows[4], columns[4];
    int32_t *pixels = taps->at + p * s->most;
    double row_weights[4], column_weights[4];
    float *weights = taps->weights + p * s->most;
    const int n = find_taps(s, at[1], s->dims[0], rows, row_weights);
    int found = 0;
    find_taps(s, at[0], s->dims[1], columns, column_weights);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            const double weight = row_weights[i] * column_weights[j];
            if (rows[i] < 0 || columns[j] < 0 || weight == 0) continue;
            pixels[found] = (int32_t)(rows[i] * s->dims[1] + columns[j]);
            weights[found++] = (float)weight;
        }
    taps->n[p] = found;
}

static void copy_plane(const struct taps *taps, int64_t n, const float *x, float *y)
{
    for (int64_t p = 0; p < n; p++) y[p] = taps->n[p] ? x[taps->at[p]] : 0.0f;
}

static void sum_plane(const struct taps *taps, int64_t n, int most, const float *x, float *y)
{
    for (int64_t p = 0; p < n; p++) {
        const int32_t *at = taps->at + p * most;
        const float *w = taps->weights + p * most;
        float sum = 0;
        if (taps->n[p] == 4) {
            y[p] = w[0] * x[at[0]] + w[1] * x[at[1]] + w[2] * x[at[2]] + w[3] * x[at[3]];
            continue;
        }
        for (int i = 0; i < taps->n[p]; i++) sum += w[i] * x[at[i]];
        y[p] = sum;
    }
}

/* Two channels at a time: pixels and weights are read once for both. */
static void sum_planes(const struct taps *taps, int64_t n, int most, const float *x, int64_t x_plane, float *y, int64_t y_plane)
{
    for (int64_t p = 0; p < n; p++) {
        const int32_t *at = taps->at + p * most;
        const float *w = taps->weights + p * most, *second = x + x_plane;
        float a = 0, b = 0;
        if (taps->n[p] == 4) {
            const int64_t i = at[0], j = at[1], k = at[2], l = at[3];
            y[p] = w[0] * x[i] + w[1] * x[j] + w[2] * x[k] + w[3] * x[l];
            y[p + y_plane] = w[0] * second[i] + w[1] * second[j] + w[2] * second[k] + w[3] * second[l];
            continue;
        }
        for (int i = 0; i < taps->n[p]; i++) {
            a += w[i] * x[at[i]];
            b += w[i] * second[at[i]];
        }
        y[p] = a;
        y[p + y_plane] = b;
    }
}

static void run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct grid_state *s = state_memory;
    struct taps *taps = scratch;
    const int64_t plane = s->dims[0] * s->dims[1];
    for (int64_t task = first; task < last; task++) {
        const int64_t image = task / s->blocks, from = task % s->blocks * PLACES, n = PLN_MIN(s->places - from, (int64_t)PLACES);
        for (int64_t p = 0; p < n; p++) find_place(s, s->grid + (image * s->places + from + p) * 2, p, taps);
        for (int64_t c = 0; c < s->channels; c += s->mode == SAMPLE_NEAREST ? 1 : 2) {
            const int64_t at = image * s->channels + c;
            const float *x = s->x + at * plane;
            float *y = s->y + at * s->places + from;
            if (s->mode == SAMPLE_NEAREST) copy_plane(taps, n, x, y);
            else if (c + 1 < s->channels) sum_planes(taps, n, s->most, x, plane, y, s->places);
            else sum_plane(taps, n, s->most, x, y);
        }
    }
}

const struct pln_kernel_family pln_cpu_grid_sample = { .name = "grid_sample", .state_bytes = sizeof(struct grid_state), .supports = supports, .cost = cost, .prepare = prepare, .run = run, .packed_input = -1, .update = update };
