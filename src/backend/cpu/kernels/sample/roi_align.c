#include <math.h>
#include <stdio.h>

#include "backend/cpu/kernels/sample/sample.h"

/* Channels of a task, and samples along each side of a region that are found once for all of them; of more, so many of a row at a time. */
#define CHANNELS 32
#define SAMPLES 1024

/* Samples along one side of a bin that a region may ask for, about one a pixel, and that sampling_ratio may. */
static const double samples_max = 16384, ratio_max = 1024;

struct roi_state {
    const float *x, *rois;
    const int64_t *images;
    float *y;
    int64_t batch, channels, height, width, out_h, out_w;
    int64_t blocks; /* of channels */
    int64_t sampling;
    double scale;
    bool max, half_pixel;
};

/* One region: its corner, the size of a bin, and samples a bin along each side. */
struct region {
    double y, x, bin_h, bin_w;
    int64_t samples_h, samples_w;
    double share; /* of a sample in the average */
};

/* The two pixels around a sample along one axis; low -1: it is outside. */
struct neighbours {
    int64_t low, high;
    float rest;
};

/* Of a bin: the sum of its samples, or the largest product of a pixel and its weight; samples that lie inside. */
struct bin {
    double total;
    int64_t inside;
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->n_inputs != 3 || problem->inputs[0].dtype != PLN_F32 || problem->inputs[1].dtype != PLN_F32) return "the image or the regions are not f32";
    if (problem->inputs[2].dtype != PLN_I64) return "the numbers of images are not i64";
    if (pln_attrs_int(problem->attrs, "output_height", 1) < 1 || pln_attrs_int(problem->attrs, "output_width", 1) < 1) return "regions without elements";
    const char *mode = pln_attrs_string(problem->attrs, "mode", "avg"), *coordinates = pln_attrs_string(problem->attrs, "coordinate_transformation_mode", "half_pixel");
    if (strcmp(coordinates, "half_pixel") != 0 && strcmp(coordinates, "output_half_pixel") != 0) return "there are no such coordinates";
    return strcmp(mode, "avg") == 0 || strcmp(mode, "max") == 0 ? NULL : "neither average nor maximum";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double n = 1;
    for (int d = 0; d < problem->outputs[0].rank; d++) n *= problem->outputs[0].dims[d] < 0 ? 128 : (double)problem->outputs[0].dims[d];
    return 12 * n + 500;
}

static enum pln_status update(const struct pln_launch *launch, void *state_memory, struct pln_prepared *prepared, struct pln_diag *diag)
{
    struct roi_state *s = state_memory;
    const struct pln_tensor *x = &launch->inputs[0], *rois = &launch->inputs[1], *images = &launch->inputs[2], *y = &launch->outputs[0];
    bool fits = x->dtype == PLN_F32 && rois->dtype == PLN_F32 && images->dtype == PLN_I64 && y->dtype == PLN_F32 && x->rank == 4 && rois->rank == 2 && y->rank == 4;
    fits = fits && rois->dims[1] == 4 && pln_tensor_count(images) == rois->dims[0] && y->dims[0] == rois->dims[0] && y->dims[1] == x->dims[1] && y->dims[2] == s->out_h && y->dims[3] == s->out_w;
    fits = fits && pln_tensor_is_contiguous(x) && pln_tensor_is_contiguous(rois) && pln_tensor_is_contiguous(images) && pln_tensor_is_contiguous(y);
    if (!fits) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "RoiAlign: image, regions and output do not fit together");
    const bool empty = pln_tensor_count(y) == 0;
    if (!empty && (x->dims[2] == 0 || x->dims[3] == 0)) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "RoiAlign: the image is empty");
    s->x = x->data;
    s->rois = rois->data;
    s->images = images->data;
    s->y = y->data;
    s->batch = x->dims[0];
    s->channels = x->dims[1];
    s->height = x->dims[2];
    s->width = x->dims[3];
    s->blocks = (s->channels + CHANNELS - 1) / CHANNELS;
    *prepared = (struct pln_prepared){ .n_tasks = empty ? 0 : rois->dims[0] * s->blocks, .grain = 1, .scratch_bytes = 2 * SAMPLES * sizeof(struct neighbours), .shared_bytes = 64 };
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    struct roi_state *s = state_memory;
    s->out_h = pln_attrs_int(launch->attrs, "output_height", 1);
    s->out_w = pln_attrs_int(launch->attrs, "output_width", 1);
    if (launch->n_inputs != 3 || launch->n_outputs != 1 || s->out_h < 1 || s->out_w < 1) return pln_fail(diag, PLN_BAD_PLAN, "RoiAlign: operands or the size of the output");
    s->max = strcmp(pln_attrs_string(launch->attrs, "mode", "avg"), "max") == 0;
    s->half_pixel = strcmp(pln_attrs_string(launch->attrs, "coordinate_transformation_mode", "half_pixel"), "half_pixel") == 0;
    s->sampling = pln_attrs_int(launch->attrs, "sampling_ratio", 0);
    s->scale = (double)pln_attrs_float(launch->attrs, "spatial_scale", 1.0f);
    return update(launch, s, out_prepared, diag);
}

/* false: it is too large. Edges are rounded to f32 where the reference kernel rounds them. */
static bool read_region(const struct roi_state *s, int64_t r, struct region *out)
{
    float edge[4];
    for (int i = 0; i < 4; i++) edge[i] = (float)((double)(float)((double)s->rois[4 * r + i] * s->scale) - (s->half_pixel ? 0.5 : 0));
    double width = (double)(edge[2] - edge[0]), height = (double)(edge[3] - edge[1]);
    if (!s->half_pixel) {
        width = fmax(width, 1);
        height = fmax(height, 1);
    }
    *out = (struct region){ .y = (double)edge[1], .x = (double)edge[0] };
    out->bin_h = (double)(float)(height / (double)s->out_h);
    out->bin_w = (double)(float)(width / (double)s->out_w);
    const double samples_h = s->sampling > 0 ? (double)s->sampling : ceil(out->bin_h), samples_w = s->sampling > 0 ? (double)s->sampling : ceil(out->bin_w);
    const double most = s->sampling > 0 ? ratio_max : samples_max;
    if (!(samples_h <= most && samples_w <= most)) return false;
    out->samples_h = (int64_t)fmax(samples_h, 0);
    out->samples_w = (int64_t)fmax(samples_w, 0);
    out->share = 1 / fmax((double)(out->samples_h * out->samples_w), 1);
    return true;
}

/* Sample i of `samples` in bin b, bins of this size from `start` on. */
static struct neighbours find_neighbours(double start, double size, int64_t b, int64_t i, int64_t samples, int64_t extent)
{
    double at = start + (double)b * size + ((double)i + 0.5) * size / (double)samples;
    struct neighbours out = { .low = -1 };
    if (!(at >= -1.0 && at <= (double)extent)) return out;
    at = fmax(at, 0);
    out.low = (int64_t)at;
    out.high = out.low + 1;
    if (out.low >= extent - 1) {
        out.low = out.high = extent - 1;
        at = (double)out.low;
    }
    out.rest = (float)(at - (double)out.low);
    return out;
}

/* A row of n samples. */
static inline void add_row(const struct roi_state *s, const float *plane, const struct neighbours *row, const struct neighbours *at, int64_t n, struct bin *bin)
{
    const float *low = plane + row->low * s->width, *high = plane + row->high * s->width, ly = row->rest, hy = 1 - ly;
    float sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (at[i].low < 0) continue;
        const float lx = at[i].rest, hx = 1 - lx;
        const float v0 = hy * hx * low[at[i].low], v1 = hy * lx * low[at[i].high], v2 = ly * hx * high[at[i].low], v3 = ly * lx * high[at[i].high];
        bin->inside++;
        if (!s->max) {
            sum += v0 + v1 + v2 + v3;
            continue;
        }
        const double most = (double)fmaxf(fmaxf(v0, v1), fmaxf(v2, v3));
        if (bin->inside == 1 || most > bin->total) bin->total = most;
    }
    if (!s->max) bin->total += (double)sum;
}

static float finish(const struct roi_state *s, const struct region *g, const struct bin *bin)
{
    if (!s->max) return (float)(bin->total * g->share);
    /* Samples outside of the image are zeros. */
    return (float)(bin->inside < g->samples_h * g->samples_w ? fmax(bin->total, 0) : bin->total);
}

/* All bins of n channels, whose planes follow each other at x: samples of all rows and columns are found first. */
static void align_region(const struct roi_state *s, const struct region *g, const float *x, int64_t n, struct neighbours *rows, struct neighbours *columns, float *y)
{
    for (int64_t i = 0; i < s->out_h * g->samples_h; i++) rows[i] = find_neighbours(g->y, g->bin_h, i / g->samples_h, i % g->samples_h, g->samples_h, s->height);
    for (int64_t i = 0; i < s->out_w * g->samples_w; i++) columns[i] = find_neighbours(g->x, g->bin_w, i / g->samples_w, i % g->samples_w, g->samples_w, s->width);
    for (int64_t c = 0; c < n; c++, x += s->height * s->width)
        for (int64_t ph = 0; ph < s->out_h; ph++)
            for (int64_t pw = 0; pw < s->out_w; pw++) {
                struct bin bin = { 0, 0 };
                for (int64_t iy = ph * g->samples_h; iy < (ph + 1) * g->samples_h; iy++)
                    if (rows[iy].low >= 0) add_row(s, x, &rows[iy], columns + pw * g->samples_w, g->samples_w, &bin);
                *y++ = finish(s, g, &bin);
            }
}

/* Bin (ph, pw) of n channels, to y of the first one: a piece of a row of samples at a time. */
static void align_bin(const struct roi_state *s, const struct region *g, const float *x, int64_t ph, int64_t pw, int64_t n, struct neighbours *columns, float *y)
{
    struct bin bins[CHANNELS] = { { 0, 0 } };
    for (int64_t iy = 0; iy < g->samples_h; iy++) {
        const struct neighbours row = find_neighbours(g->y, g->bin_h, ph, iy, g->samples_h, s->height);
        if (row.low < 0) continue;
        for (int64_t from = 0; from < g->samples_w; from += SAMPLES) {
            const int64_t k = PLN_MIN(g->samples_w - from, (int64_t)SAMPLES);
            for (int64_t i = 0; i < k; i++) columns[i] = find_neighbours(g->x, g->bin_w, pw, from + i, g->samples_w, s->width);
            for (int64_t c = 0; c < n; c++) add_row(s, x + c * s->height * s->width, &row, columns, k, &bins[c]);
        }
    }
    for (int64_t c = 0; c < n; c++) y[c * s->out_h * s->out_w] = finish(s, g, &bins[c]);
}

static void run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    const struct roi_state *s = state_memory;
    const int64_t bins = s->out_h * s->out_w;
    struct neighbours *rows = scratch, *columns = rows + SAMPLES;
    for (int64_t task = first; task < last; task++) {
        const int64_t r = task / s->blocks, from = task % s->blocks * CHANNELS, n = PLN_MIN(s->channels - from, (int64_t)CHANNELS), image = s->images[r];
        struct region g;
        const bool known = image >= 0 && image < s->batch;
        if (!known || !read_region(s, r, &g)) {
            __atomic_store_n((uint64_t *)shared, 2 * (uint64_t)r + (known ? 2 : 1), __ATOMIC_RELAXED);
            continue;
        }
        const float *x = s->x + (image * s->channels + from) * s->height * s->width;
        float *y = s->y + (r * s->channels + from) * bins;
        if (s->out_h <= SAMPLES && s->out_w <= SAMPLES && s->out_h * g.samples_h <= SAMPLES && s->out_w * g.samples_w <= SAMPLES) {
            align_region(s, &g, x, n, rows, columns, y);
            continue;
        }
        for (int64_t p = 0; p < bins; p++) align_bin(s, &g, x, p / s->out_w, p % s->out_w, n, columns, y + p);
    }
}

/* The text lives until the thread's next fault. */
static const char *fault(const void *state_memory, uint64_t code)
{
    static _Thread_local char text[128];
    const struct roi_state *s = state_memory;
    const int64_t r = (int64_t)((code - 1) / 2);
    if (code % 2 == 0) snprintf(text, sizeof text, "RoiAlign: region %lld is too large", (long long)r);
    else snprintf(text, sizeof text, "RoiAlign: region %lld is of image %lld", (long long)r, (long long)s->images[r]);
    return text;
}

const struct pln_kernel_family pln_cpu_roi_align = { .name = "roi_align", .state_bytes = sizeof(struct roi_state), .supports = supports, .cost = cost, .prepare = prepare, .run = run, .packed_input = -1, .fault = fault, .update = update };
