/* RoiAlign and MaxRoiPool. Sources: the operators' texts; op_roi_align.py of ONNX's reference implementation (after Detectron);
 * Girshick, "Fast R-CNN", for the integer bins of MaxRoiPool. */
#include <math.h>

#include "backend/ref/elems.h"
#include "tensor/convert.h"

/* Samples along one side of a bin that a region may ask for, about one a pixel, and that sampling_ratio may. */
static const double samples_max = 16384, ratio_max = 1024;

struct roi_align {
    const struct pln_tensor *in;
    int64_t height, width, out_h, out_w;
    bool max;
};

/* One region: its corner, the size of a bin, and samples a bin along each side. */
struct region {
    double y, x, bin_h, bin_w;
    int64_t samples_h, samples_w;
};

/* f64 models compute in f64, all others in f32. */
static double narrow(const struct pln_tensor *in, double value)
{
    return in->dtype == PLN_F64 ? value : (double)(float)value;
}

static enum pln_status read_region(struct pln_call *call, const struct roi_align *a, const struct pln_tensor *rois, int64_t r, struct region *out)
{
    double scale = (double)pln_attrs_float(call->attrs, "spatial_scale", 1.0f), edge[4];
    int64_t sampling = pln_attrs_int(call->attrs, "sampling_ratio", 0);
    bool half_pixel = strcmp(pln_attrs_string(call->attrs, "coordinate_transformation_mode", "half_pixel"), "half_pixel") == 0;
    for (int i = 0; i < 4; i++) {
        edge[i] = narrow(a->in, narrow(a->in, pln_load_f64(rois->dtype, rois->data, 4 * r + i) * scale) - (half_pixel ? 0.5 : 0));
    }
    double width = narrow(a->in, edge[2] - edge[0]), height = narrow(a->in, edge[3] - edge[1]);
    if (!half_pixel) {
        width = fmax(width, 1);
        height = fmax(height, 1);
    }
    *out = (struct region){ .y = edge[1], .x = edge[0] };
    out->bin_h = narrow(a->in, height / (double)a->out_h);
    out->bin_w = narrow(a->in, width / (double)a->out_w);
    double samples_h = sampling > 0 ? (double)sampling : ceil(out->bin_h), samples_w = sampling > 0 ? (double)sampling : ceil(out->bin_w);
    double most = sampling > 0 ? ratio_max : samples_max;
    if (!(samples_h <= most && samples_w <= most)) {
        return pln_call_fail(call, PLN_INVALID_ARGUMENT, "region %lld is too large", (long long)r);
    }
    out->samples_h = (int64_t)fmax(samples_h, 0);
    out->samples_w = (int64_t)fmax(samples_w, 0);
    return PLN_OK;
}

/* Bilinear neighbours of a coordinate along one axis; false: outside. */
static bool neighbours(double at, int64_t extent, int64_t *low, int64_t *high, double *rest)
{
    if (!(at >= -1.0 && at <= (double)extent)) return false;
    at = fmax(at, 0);
    *low = (int64_t)at;
    *high = *low + 1;
    if (*low >= extent - 1) {
        *low = *high = extent - 1;
        at = (double)*low;
    }
    *rest = at - (double)*low;
    return true;
}

/* Value of bin (ph, pw) of the plane that starts at element `base`. */
static double align_bin(const struct roi_align *a, const struct region *g, int64_t base, int64_t ph, int64_t pw)
{
    enum pln_dtype dtype = a->in->dtype;
    const void *data = a->in->data;
    double total = 0;
    int64_t inside = 0;
    for (int64_t iy = 0; iy < g->samples_h; iy++) {
        double y = g->y + (double)ph * g->bin_h + ((double)iy + 0.5) * g->bin_h / (double)g->samples_h, ly;
        int64_t y0, y1, x0, x1;
        if (!neighbours(y, a->height, &y0, &y1, &ly)) continue;
        for (int64_t ix = 0; ix < g->samples_w; ix++) {
            double x = g->x + (double)pw * g->bin_w + ((double)ix + 0.5) * g->bin_w / (double)g->samples_w, lx;
            if (!neighbours(x, a->width, &x0, &x1, &lx)) continue;
            double v[4] = { (1 - ly) * (1 - lx) * pln_load_f64(dtype, data, base + y0 * a->width + x0),
                            (1 - ly) * lx * pln_load_f64(dtype, data, base + y0 * a->width + x1),
                            ly * (1 - lx) * pln_load_f64(dtype, data, base + y1 * a->width + x0),
                            ly * lx * pln_load_f64(dtype, data, base + y1 * a->width + x1) };
            double most = fmax(fmax(v[0], v[1]), fmax(v[2], v[3]));
            if (!a->max) total += v[0] + v[1] + v[2] + v[3];
            else if (inside == 0 || most > total) total = most;
            inside++;
        }
    }
    int64_t samples = g->samples_h * g->samples_w;
    if (!a->max) return total / (double)PLN_MAX(samples, 1);
    /* Samples outside of the image are zeros. */
    return inside < samples ? fmax(total, 0) : total;
}

static enum pln_status check_align(struct pln_call *call, struct roi_align *a, const struct pln_tensor *rois, int64_t n)
{
    const char *mode = pln_attrs_string(call->attrs, "mode", "avg");
    a->max = strcmp(mode, "max") == 0;
    if (!a->max && strcmp(mode, "avg") != 0) return pln_call_fail(call, PLN_BAD_MODEL, "unknown mode '%s'", mode);
    a->out_h = pln_attrs_int(call->attrs, "output_height", 1);
    a->out_w = pln_attrs_int(call->attrs, "output_width", 1);
    bool fits = a->in->rank == 4 && rois->rank == 2 && rois->dims[1] == 4 && rois->dims[0] == n && pln_dtype_is_float(a->in->dtype) &&
                rois->dtype == a->in->dtype && a->out_h >= 1 && a->out_w >= 1;
    if (!fits) return pln_call_fail(call, PLN_BAD_MODEL, "X must be [n,c,h,w], rois [r,4] of the same type, batch_indices [r]");
    a->height = a->in->dims[2];
    a->width = a->in->dims[3];
    return PLN_OK;
}

enum pln_status pln_ref_roi_align(struct pln_call *call)
{
    struct roi_align a = { .in = NULL };
    const struct pln_tensor *rois;
    struct pln_tensor out;
    const int64_t *batches;
    int64_t n;
    PLN_TRY(pln_call_need(call, 0, &a.in));
    PLN_TRY(pln_call_need(call, 1, &rois));
    PLN_TRY(pln_call_ints(call, 2, &batches, &n));
    PLN_TRY(check_align(call, &a, rois, n));
    int64_t channels = a.in->dims[1], dims[4] = { n, channels, a.out_h, a.out_w }, i = 0;
    PLN_TRY(pln_call_out(call, 0, a.in->dtype, 4, dims, &out));
    if (pln_tensor_count(&out) == 0) return PLN_OK;
    if (a.height == 0 || a.width == 0) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "the image is empty");
    for (int64_t r = 0; r < n; r++) {
        struct region g;
        if (batches[r] < 0 || batches[r] >= a.in->dims[0]) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "region %lld is of image %lld", (long long)r, (long long)batches[r]);
        PLN_TRY(read_region(call, &a, rois, r, &g));
        for (int64_t c = 0; c < channels; c++) {
            int64_t base = (batches[r] * channels + c) * a.height * a.width;
            for (int64_t p = 0; p < a.out_h * a.out_w; p++) {
                pln_store_f64(out.dtype, out.data, i++, align_bin(&a, &g, base, p / a.out_w, p % a.out_w), true);
            }
        }
    }
    return PLN_OK;
}

/* Rows or columns [first, last) of bin i of n over [start, end], within the image. */
static void bin_range(double start, double end, int64_t i, int64_t n, int64_t extent, int64_t *first, int64_t *last)
{
    double size = fmax(end - start + 1, 1) / (double)n, limit = (double)extent;
    *first = (int64_t)fmin(fmax(floor((double)i * size) + start, 0), limit);
    *last = (int64_t)fmin(fmax(ceil((double)(i + 1) * size) + start, 0), limit);
}

static double max_bin(const struct pln_tensor *in, int64_t base, const double *edge, int64_t p, const int64_t *pooled)
{
    int64_t y0, y1, x0, x1, width = in->dims[3];
    bin_range(edge[1], edge[3], p / pooled[1], pooled[0], in->dims[2], &y0, &y1);
    bin_range(edge[0], edge[2], p % pooled[1], pooled[1], width, &x0, &x1);
    double most = y0 < y1 && x0 < x1 ? -HUGE_VAL : 0;
    for (int64_t y = y0; y < y1; y++) {
        for (int64_t x = x0; x < x1; x++) most = fmax(most, pln_load_f64(in->dtype, in->data, base + y * width + x));
    }
    return most;
}

enum pln_status pln_ref_max_roi_pool(struct pln_call *call)
{
    const struct pln_tensor *in, *rois;
    struct pln_tensor out;
    const int64_t *pooled;
    double scale = (double)pln_attrs_float(call->attrs, "spatial_scale", 1.0f);
    PLN_TRY(pln_call_need(call, 0, &in));
    PLN_TRY(pln_call_need(call, 1, &rois));
    int64_t n_pooled = pln_attrs_ints(call->attrs, "pooled_shape", &pooled);
    if (in->rank != 4 || rois->rank != 2 || rois->dims[1] != 5 || rois->dtype != in->dtype || !pln_dtype_is_float(in->dtype) || n_pooled != 2 ||
        pooled[0] < 1 || pooled[1] < 1) {
        return pln_call_fail(call, PLN_BAD_MODEL, "X must be [n,c,h,w], rois [r,5] of the same type, pooled_shape two numbers");
    }
    int64_t channels = in->dims[1], plane = in->dims[2] * in->dims[3], i = 0, dims[4] = { rois->dims[0], channels, pooled[0], pooled[1] };
    PLN_TRY(pln_call_out(call, 0, in->dtype, 4, dims, &out));
    for (int64_t r = 0; channels > 0 && r < rois->dims[0]; r++) {
        double edge[4], image = pln_load_f64(rois->dtype, rois->data, 5 * r);
        if (!(image >= 0 && image < (double)in->dims[0])) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "region %lld is of no image", (long long)r);
        for (int k = 0; k < 4; k++) {
            edge[k] = round(pln_load_f64(rois->dtype, rois->data, 5 * r + 1 + k) * scale);
            if (!(fabs(edge[k]) < 1e15)) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "region %lld is too large", (long long)r);
        }
        for (int64_t c = 0; c < channels; c++) {
            int64_t base = ((int64_t)image * channels + c) * plane;
            for (int64_t p = 0; p < pooled[0] * pooled[1]; p++) pln_store_f64(out.dtype, out.data, i++, max_bin(in, base, edge, p, pooled), false);
        }
    }
    return PLN_OK;
}
