/* Resize: separable resampling, one axis after the other in double precision. Rules of coordinates and weights: kernel/resize.h. */
#include <math.h>

#include "backend/ref/elems.h"
#include "kernel/resize.h"
#include "tensor/convert.h"

/* More taps a sample than any real filter has. */
static const double taps_max = 1 << 28;

struct resize {
    struct pln_resize_modes modes;
    bool antialias, exclude_outside;
    double cubic_a, extrapolation;
    double scale[PLN_MAX_RANK], roi_start[PLN_MAX_RANK], roi_end[PLN_MAX_RANK];
    int64_t out_dims[PLN_MAX_RANK];
};

/* Taps of one axis: sample i is the sum over k < n of weight[i * n + k] * in[clamp(start[i] + k)], or the extrapolation value. */
struct taps {
    int64_t n, *start;
    double *weight;
    bool *outside; /* NULL: none is */
    double extrapolation;
    int64_t parts; /* reals of an element; the value outside is real */
};

static enum pln_status need_mode(struct pln_call *call, const char *attr, int mode)
{
    return mode >= 0 ? PLN_OK : pln_call_fail(call, PLN_BAD_MODEL, "%s is '%s', which is no such mode", attr, pln_attrs_string(call->attrs, attr, ""));
}

static enum pln_status read_modes(struct pln_call *call, struct resize *r)
{
    r->modes = pln_resize_modes(call->attrs);
    PLN_TRY(need_mode(call, "mode", r->modes.filter));
    PLN_TRY(need_mode(call, "coordinate_transformation_mode", r->modes.coords));
    PLN_TRY(need_mode(call, "nearest_mode", r->modes.rounding));
    r->antialias = pln_attrs_int(call->attrs, "antialias", 0) != 0 && r->modes.filter != PLN_RESIZE_NEAREST;
    r->exclude_outside = pln_attrs_int(call->attrs, "exclude_outside", 0) != 0 && r->modes.filter != PLN_RESIZE_NEAREST;
    r->cubic_a = (double)pln_attrs_float(call->attrs, "cubic_coeff_a", -0.75f);
    r->extrapolation = (double)pln_attrs_float(call->attrs, "extrapolation_value", 0.0f);
    return PLN_OK;
}

/* ---- sizes ---- */

static enum pln_status apply_scales(struct pln_call *call, const struct pln_tensor *in, const struct pln_tensor *scales, const int *axes, int n,
                                    struct resize *r)
{
    if (pln_tensor_count(scales) != n) return pln_call_fail(call, PLN_BAD_MODEL, "%lld scales for %d axes", (long long)pln_tensor_count(scales), n);
    for (int i = 0; i < n; i++) {
        float scale = (float)pln_load_f64(scales->dtype, scales->data, i);
        /* In f32, as ONNX's shape inference computes it. */
        float size = floorf((float)in->dims[axes[i]] * scale);
        if (!(scale > 0) || !(size < 1e15f)) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "scale %g of axis %d", (double)scale, axes[i]);
        r->scale[axes[i]] = (double)scale;
        r->out_dims[axes[i]] = (int64_t)size;
    }
    return PLN_OK;
}

static enum pln_status apply_sizes(struct pln_call *call, const struct pln_tensor *in, const int64_t *sizes, const int *axes, int n,
                                   struct resize *r)
{
    const int policy = r->modes.policy;
    double common = 0;
    PLN_TRY(need_mode(call, "keep_aspect_ratio_policy", policy));
    for (int i = 0; i < n; i++) {
        int64_t extent = in->dims[axes[i]];
        if (sizes[i] < 0) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "size %lld of axis %d", (long long)sizes[i], axes[i]);
        if (extent == 0 && sizes[i] != 0) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "axis %d is empty and cannot become %lld", axes[i], (long long)sizes[i]);
        double scale = extent ? (double)sizes[i] / (double)extent : 1.0;
        r->scale[axes[i]] = scale;
        r->out_dims[axes[i]] = sizes[i];
        if (i == 0 || (policy == PLN_RESIZE_NOT_LARGER ? scale < common : scale > common)) common = scale;
    }
    for (int i = 0; policy != PLN_RESIZE_STRETCH && i < n; i++) {
        double size = floor(common * (double)in->dims[axes[i]] + 0.5);
        if (!(size < 1e15)) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "sizes are too large");
        r->scale[axes[i]] = common;
        r->out_dims[axes[i]] = (int64_t)size;
    }
    return PLN_OK;
}

static enum pln_status read_sizes(struct pln_call *call, const struct pln_tensor *in, struct resize *r)
{
    const struct pln_tensor *roi = pln_call_in(call, 1), *scales = pln_call_in(call, 2);
    const int64_t *axes_attr, *sizes;
    int64_t n_sizes, n_attr = pln_attrs_ints(call->attrs, "axes", &axes_attr);
    int axes[PLN_MAX_RANK], n;
    PLN_TRY(pln_elems_axes(call, axes_attr, n_attr, in->rank, axes, &n));
    PLN_TRY(pln_call_ints(call, 3, &sizes, &n_sizes));
    for (int d = 0; d < in->rank; d++) {
        r->scale[d] = 1;
        r->out_dims[d] = in->dims[d];
        r->roi_start[d] = 0;
        r->roi_end[d] = 1;
    }
    if (r->modes.coords == PLN_RESIZE_CROP) {
        if (!roi || !pln_dtype_is_float(roi->dtype) || pln_tensor_count(roi) != 2 * n) {
            return pln_call_fail(call, PLN_BAD_MODEL, "tf_crop_and_resize needs a roi of %d numbers", 2 * n);
        }
        for (int i = 0; i < n; i++) {
            r->roi_start[axes[i]] = pln_load_f64(roi->dtype, roi->data, i);
            r->roi_end[axes[i]] = pln_load_f64(roi->dtype, roi->data, n + i);
        }
    }
    if (scales && pln_tensor_count(scales) > 0) return apply_scales(call, in, scales, axes, n, r);
    if (n_sizes != n) return pln_call_fail(call, PLN_BAD_MODEL, "%lld sizes for %d axes", (long long)n_sizes, n);
    return apply_sizes(call, in, sizes, axes, n, r);
}

/* ---- coordinates and weights ---- */

static struct pln_resize_axis axis_of(const struct resize *r, int d, int64_t extent)
{
    return (struct pln_resize_axis){ extent, r->out_dims[d], r->scale[d], r->roi_start[d], r->roi_end[d] };
}

/* Weights of the taps around a coordinate whose fraction is `ratio`, in (0, 1]. */
static void fill_weights(const struct resize *r, double scale, double ratio, int64_t n, double *weight)
{
    double stretch = r->antialias ? fmin(scale, 1.0) : 1.0, sum = 0;
    for (int64_t k = 0; k < n; k++) {
        double at = stretch * ((double)(k - n / 2 + 1) - ratio);
        weight[k] = pln_resize_weight(&r->modes, r->cubic_a, at);
        sum += weight[k];
    }
    for (int64_t k = 0; r->antialias && k < n; k++) weight[k] /= sum;
}

static enum pln_status make_taps(struct pln_call *call, const struct resize *r, int d, int64_t extent, struct taps *taps)
{
    const struct pln_resize_axis axis = axis_of(r, d, extent);
    int64_t out = r->out_dims[d];
    double reach = r->modes.filter == PLN_RESIZE_CUBIC ? 2 : 1, stretch = r->antialias ? fmin(r->scale[d], 1.0) : 1.0;
    double first = floor(-reach / stretch) + 1;
    size_t count;
    void *memory;
    if (2 - 2 * first > taps_max) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "scale %g of axis %d is too small", r->scale[d], d);
    *taps = (struct taps){ .n = (int64_t)(2 - 2 * first) };
    if (!pln_mul_size((size_t)out, (size_t)taps->n, &count)) return pln_fail_memory(call->diag, "weights", SIZE_MAX);
    PLN_TRY(pln_call_scratch(call, count, sizeof(double), &memory));
    taps->weight = memory;
    PLN_TRY(pln_call_scratch(call, (size_t)out, sizeof(int64_t), &memory));
    taps->start = memory;
    if (r->modes.coords == PLN_RESIZE_CROP) {
        PLN_TRY(pln_call_scratch(call, (size_t)out, sizeof(bool), &memory));
        taps->outside = memory;
    }
    for (int64_t i = 0; i < out; i++) {
        const double x = pln_resize_source(&r->modes, &axis, i, taps->outside ? &taps->outside[i] : NULL);
        /* A whole coordinate is the right one of its two neighbours, so that ties go to the left. */
        double left = ceil(x) - 1;
        taps->start[i] = (int64_t)left - taps->n / 2 + 1;
        fill_weights(r, r->scale[d], x - left, taps->n, &taps->weight[i * taps->n]);
        if (r->exclude_outside) pln_resize_exclude_outside(extent, taps->start[i], taps->n, &taps->weight[i * taps->n]);
    }
    return PLN_OK;
}

/* One axis: in[outer, extent, inner] to out[outer, size, inner]. */
static void resample(const struct taps *taps, const double *in, double *out, int64_t outer, int64_t extent, int64_t size,
                     int64_t inner)
{
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < size; i++) {
            double *row = &out[(o * size + i) * inner];
            bool outside = taps->outside && taps->outside[i];
            for (int64_t j = 0; j < inner; j++) row[j] = outside && j % taps->parts == 0 ? taps->extrapolation : 0;
            for (int64_t k = 0; !outside && k < taps->n; k++) {
                int64_t at = taps->start[i] + k;
                at = at < 0 ? 0 : at >= extent ? extent - 1 : at;
                const double *from = &in[(o * extent + at) * inner];
                double weight = taps->weight[i * taps->n + k];
                for (int64_t j = 0; j < inner; j++) row[j] += weight * from[j];
            }
        }
    }
}

static bool unchanged(const struct resize *r, int d, int64_t extent)
{
    bool whole = r->modes.coords != PLN_RESIZE_CROP || (r->roi_start[d] == 0 && r->roi_end[d] == 1);
    return whole && r->out_dims[d] == extent && fabs(r->scale[d] - 1) <= 1e-9;
}

/* Integers take the nearest value, ties to even, held within their range. */
static void store(enum pln_dtype dtype, void *data, int64_t i, double value)
{
    int is_signed = pln_dtype_is_signed(dtype), bits = pln_dtype_bits(dtype);
    if (pln_dtype_is_float(dtype)) {
        pln_store_f64(dtype, data, i, value, true);
        return;
    }
    if (dtype == PLN_BOOL) {
        pln_store_i64(dtype, data, i, value != 0);
        return;
    }
    double high = ldexp(1, bits - is_signed), low = is_signed ? -high : 0;
    value = rint(value);
    if (!(value < high)) pln_store_i64(dtype, data, i, (int64_t)(value >= high ? UINT64_MAX >> (64 - bits + is_signed) : 0));
    else pln_store_f64(dtype, data, i, value > low ? value : low, true);
}

static enum pln_status interpolate(struct pln_call *call, const struct resize *r, const struct pln_tensor *in, struct pln_elems *out)
{
    int64_t dims[PLN_MAX_RANK], count = pln_tensor_count(in);
    void *memory;
    enum pln_dtype part = pln_dtype_part(in->dtype);
    int64_t parts = part == in->dtype ? 1 : 2; /* of a complex number: an axis behind the others that stays */
    if (in->dtype == PLN_STR) {
        return pln_call_fail(call, PLN_UNSUPPORTED, "mode '%s' of %s", pln_attrs_string(call->attrs, "mode", ""), pln_dtype_name(in->dtype));
    }
    memcpy(dims, in->dims, sizeof dims);
    PLN_TRY(pln_call_scratch(call, (size_t)count, (size_t)parts * sizeof(double), &memory));
    double *values = memory;
    for (int64_t i = 0; i < count * parts; i++) values[i] = pln_load_f64(part, in->data, i);
    for (int d = 0; d < in->rank; d++) {
        struct taps taps = { .n = 0 };
        if (unchanged(r, d, in->dims[d])) continue;
        PLN_TRY(make_taps(call, r, d, in->dims[d], &taps));
        taps.extrapolation = r->extrapolation;
        taps.parts = parts;
        dims[d] = r->out_dims[d];
        if (!pln_shape_count(in->rank, dims, &count)) return pln_call_fail(call, PLN_BAD_MODEL, "the output is too large");
        PLN_TRY(pln_call_scratch(call, (size_t)count, (size_t)parts * sizeof(double), &memory));
        resample(&taps, values, memory, pln_elems_product(dims, 0, d), in->dims[d], dims[d],
                 parts * pln_elems_product(dims, d + 1, in->rank));
        values = memory;
    }
    for (int64_t i = 0; i < count * parts; i++) store(part, out->data, i, values[i]);
    return PLN_OK;
}

/* -1: outside of the region's input. */
static int64_t nearest(const struct resize *r, int d, int64_t extent, int64_t i)
{
    const struct pln_resize_axis axis = axis_of(r, d, extent);
    bool outside;
    const double x = pln_resize_source(&r->modes, &axis, i, &outside);
    return r->modes.coords == PLN_RESIZE_CROP && outside ? -1 : pln_resize_nearest(&r->modes, x, extent);
}

static enum pln_status sample_nearest(struct pln_call *call, const struct resize *r, struct pln_elems *in, struct pln_elems *out)
{
    int64_t *maps[PLN_MAX_RANK];
    for (int d = 0; d < in->tensor.rank; d++) {
        void *memory;
        PLN_TRY(pln_call_scratch(call, (size_t)r->out_dims[d], sizeof(int64_t), &memory));
        maps[d] = memory;
        bool same = unchanged(r, d, in->tensor.dims[d]);
        for (int64_t i = 0; i < r->out_dims[d]; i++) maps[d][i] = same ? i : nearest(r, d, in->tensor.dims[d], i);
    }
    if (r->modes.coords == PLN_RESIZE_CROP && in->tensor.dtype != PLN_STR) {
        char value[16] = { 0 };
        store(pln_dtype_part(in->tensor.dtype), value, 0, r->extrapolation);
        pln_elems_fill(out, 0, out->count, value);
    }
    pln_elems_copy_mapped(in->tensor.rank, r->out_dims, out->data, in->tensor.dims, in->data, maps, in->unit_bytes);
    return PLN_OK;
}

enum pln_status pln_ref_resize(struct pln_call *call)
{
    struct pln_elems in, out;
    struct resize r;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(read_modes(call, &r));
    PLN_TRY(read_sizes(call, &in.tensor, &r));
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, in.tensor.rank, r.out_dims, &out));
    if (out.count == 0) return PLN_OK;
    if (in.count == 0) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "an empty input cannot be resized to a non-empty one");
    if (r.modes.filter == PLN_RESIZE_NEAREST) PLN_TRY(sample_nearest(call, &r, &in, &out));
    else PLN_TRY(interpolate(call, &r, &in.tensor, &out));
    return pln_elems_finish(call, 0, &out);
}
