/* Resize: separable resampling, one axis after the other in double precision. Source of all coordinate rules and filters: the ONNX
 * operator's text and its reference implementation (onnx/reference/ops/op_resize.py, 1.23). */
#include <math.h>

#include "backend/ref/elems.h"
#include "tensor/convert.h"

enum filter { FILTER_NEAREST, FILTER_LINEAR, FILTER_CUBIC };
enum coords { COORDS_HALF_PIXEL, COORDS_SYMMETRIC, COORDS_PYTORCH, COORDS_ALIGN_CORNERS, COORDS_ASYMMETRIC, COORDS_CROP,
              COORDS_TF_NN }; /* the last one: opset 11 alone */
enum rounding { ROUND_PREFER_FLOOR, ROUND_PREFER_CEIL, ROUND_FLOOR, ROUND_CEIL };

/* More taps a sample than any real filter has. */
static const double taps_max = 1 << 28;

struct resize {
    enum filter filter;
    enum coords coords;
    enum rounding rounding;
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

static enum pln_status pick(struct pln_call *call, const char *attr, const char *const *names, int n, int *out_index)
{
    const char *text = pln_attrs_string(call->attrs, attr, names[0]);
    *out_index = 0;
    for (int i = 0; i < n; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out_index = i;
        return PLN_OK;
    }
    return pln_call_fail(call, PLN_BAD_MODEL, "%s is '%s', which is no such mode", attr, text);
}

static enum pln_status read_modes(struct pln_call *call, struct resize *r)
{
    static const char *const filters[] = { "nearest", "linear", "cubic" };
    static const char *const coords[] = { "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
                                          "tf_crop_and_resize", "tf_half_pixel_for_nn" };
    static const char *const roundings[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil" };
    int index;
    PLN_TRY(pick(call, "mode", filters, 3, &index));
    r->filter = (enum filter)index;
    PLN_TRY(pick(call, "coordinate_transformation_mode", coords, 7, &index));
    r->coords = (enum coords)index;
    PLN_TRY(pick(call, "nearest_mode", roundings, 4, &index));
    r->rounding = (enum rounding)index;
    r->antialias = pln_attrs_int(call->attrs, "antialias", 0) != 0 && r->filter != FILTER_NEAREST;
    r->exclude_outside = pln_attrs_int(call->attrs, "exclude_outside", 0) != 0 && r->filter != FILTER_NEAREST;
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
    static const char *const policies[] = { "stretch", "not_larger", "not_smaller" };
    int policy;
    double common = 0;
    PLN_TRY(pick(call, "keep_aspect_ratio_policy", policies, 3, &policy));
    for (int i = 0; i < n; i++) {
        int64_t extent = in->dims[axes[i]];
        if (sizes[i] < 0) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "size %lld of axis %d", (long long)sizes[i], axes[i]);
        if (extent == 0 && sizes[i] != 0) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "axis %d is empty and cannot become %lld", axes[i], (long long)sizes[i]);
        double scale = extent ? (double)sizes[i] / (double)extent : 1.0;
        r->scale[axes[i]] = scale;
        r->out_dims[axes[i]] = sizes[i];
        if (i == 0 || (policy == 1 ? scale < common : scale > common)) common = scale;
    }
    for (int i = 0; policy != 0 && i < n; i++) {
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
    if (r->coords == COORDS_CROP) {
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

/* Coordinates of `nearest` are rounded to f32 behind each operation, as ONNX Runtime and PyTorch compute them: a scale of 0.6 is a little more than 0.6, and
 * in double index 3 would come from 4.99999, not from the 5 that was meant. The other filters are continuous and lose nothing by more digits. */
static double rounded(const struct resize *r, double x)
{
    return r->filter == FILTER_NEAREST ? (double)(float)x : x;
}

static double source(const struct resize *r, int d, int64_t extent, int64_t i)
{
    double x = (double)i, scale = rounded(r, r->scale[d]), in = (double)extent, out = rounded(r, scale * in), size = (double)r->out_dims[d];
    double centre = rounded(r, (x + 0.5) / scale);
    switch (r->coords) {
    case COORDS_HALF_PIXEL: return rounded(r, centre - 0.5);
    case COORDS_TF_NN: return centre;
    case COORDS_SYMMETRIC: return rounded(r, rounded(r, rounded(r, in / 2 * rounded(r, 1 - rounded(r, size / out))) + centre) - 0.5);
    case COORDS_PYTORCH: return size > 1 ? rounded(r, centre - 0.5) : 0.0;
    case COORDS_ALIGN_CORNERS: return out == 1.0 ? 0.0 : rounded(r, rounded(r, x * (in - 1)) / rounded(r, out - 1));
    case COORDS_ASYMMETRIC: return rounded(r, x / scale);
    case COORDS_CROP: {
        double span = rounded(r, rounded(r, r->roi_end[d] - r->roi_start[d]) * (in - 1));
        double step = out == 1.0 ? span / 2 : rounded(r, rounded(r, x * span) / rounded(r, out - 1));
        return rounded(r, step + rounded(r, r->roi_start[d] * (in - 1)));
    }
    }
    return 0.0;
}

/* Keys, "Cubic Convolution Interpolation for Digital Image Processing", equation 4. */
static double cubic(double x, double a)
{
    x = fabs(x);
    if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    if (x < 2) return a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a;
    return 0;
}

/* Weights of the taps around a coordinate whose fraction is `ratio`, in (0, 1]. */
static void fill_weights(const struct resize *r, double scale, double ratio, int64_t n, double *weight)
{
    double stretch = r->antialias ? fmin(scale, 1.0) : 1.0, sum = 0;
    for (int64_t k = 0; k < n; k++) {
        double at = stretch * ((double)(k - n / 2 + 1) - ratio);
        weight[k] = r->filter == FILTER_CUBIC ? cubic(at, r->cubic_a) : fmax(1 - fabs(at), 0);
        sum += weight[k];
    }
    for (int64_t k = 0; r->antialias && k < n; k++) weight[k] /= sum;
}

static void exclude_outside(int64_t extent, int64_t start, int64_t n, double *weight)
{
    double sum = 0;
    for (int64_t k = 0; k < n; k++) {
        if (start + k < 0 || start + k >= extent) weight[k] = 0;
        sum += weight[k];
    }
    for (int64_t k = 0; sum != 0 && k < n; k++) weight[k] /= sum;
}

/* Coordinates far outside read the border all the same. */
static double limit(double x, int64_t extent)
{
    double margin = (double)extent + 4;
    return x > -margin ? fmin(x, (double)extent + margin) : -margin;
}

static enum pln_status make_taps(struct pln_call *call, const struct resize *r, int d, int64_t extent, struct taps *taps)
{
    int64_t out = r->out_dims[d];
    double reach = r->filter == FILTER_CUBIC ? 2 : 1, stretch = r->antialias ? fmin(r->scale[d], 1.0) : 1.0;
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
    if (r->coords == COORDS_CROP) {
        PLN_TRY(pln_call_scratch(call, (size_t)out, sizeof(bool), &memory));
        taps->outside = memory;
    }
    for (int64_t i = 0; i < out; i++) {
        double x = source(r, d, extent, i);
        if (taps->outside) taps->outside[i] = !(x >= 0 && x <= (double)(extent - 1));
        x = limit(x, extent);
        /* A whole coordinate is the right one of its two neighbours, so that ties go to the left. */
        double left = ceil(x) - 1;
        taps->start[i] = (int64_t)left - taps->n / 2 + 1;
        fill_weights(r, r->scale[d], x - left, taps->n, &taps->weight[i * taps->n]);
        if (r->exclude_outside) exclude_outside(extent, taps->start[i], taps->n, &taps->weight[i * taps->n]);
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
    bool whole = r->coords != COORDS_CROP || (r->roi_start[d] == 0 && r->roi_end[d] == 1);
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

static int64_t nearest(const struct resize *r, int d, int64_t extent, int64_t i)
{
    double x = source(r, d, extent, i), at = 0;
    if (r->coords == COORDS_CROP && !(x >= 0 && x <= (double)(extent - 1))) return -1;
    x = limit(x, extent);
    switch (r->rounding) {
    case ROUND_PREFER_FLOOR: at = ceil(x - 0.5); break;
    case ROUND_PREFER_CEIL: at = floor(x + 0.5); break;
    case ROUND_FLOOR: at = floor(x); break;
    case ROUND_CEIL: at = ceil(x); break;
    }
    return at < 0 ? 0 : at >= (double)extent ? extent - 1 : (int64_t)at;
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
    if (r->coords == COORDS_CROP && in->tensor.dtype != PLN_STR) {
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
    if (r.filter == FILTER_NEAREST) PLN_TRY(sample_nearest(call, &r, &in, &out));
    else PLN_TRY(interpolate(call, &r, &in.tensor, &out));
    return pln_elems_finish(call, 0, &out);
}
