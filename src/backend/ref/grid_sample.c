/* GridSample and AffineGrid. Source of the coordinate and border rules: the operators' text and the reference implementation of ONNX
 * (op_grid_sample.py, 1.23), which follow PyTorch's GridSampler; where they differ (cubic with border padding), PyTorch. */
#include <math.h>

#include "backend/ref/elems.h"
#include "tensor/convert.h"

enum sample_mode { SAMPLE_LINEAR, SAMPLE_NEAREST, SAMPLE_CUBIC };
enum padding { PADDING_ZEROS, PADDING_BORDER, PADDING_REFLECTION };

struct sampler {
    enum sample_mode mode;
    enum padding padding;
    bool align_corners;
    int k;               /* spatial axes */
    const int64_t *dims; /* of them */
    int taps;            /* along one axis */
};

/* Taps along one axis: indices (-1: a zero) and weights. */
struct axis_taps {
    int64_t at[4];
    double weight[4];
};

static enum pln_status read_sampler(struct pln_call *call, struct sampler *s)
{
    static const char *const modes[] = { "linear", "nearest", "cubic" };
    static const char *const paddings[] = { "zeros", "border", "reflection" };
    const char *mode = pln_attrs_string(call->attrs, "mode", "linear"), *padding = pln_attrs_string(call->attrs, "padding_mode", "zeros");
    int m = 0, p = 0;
    while (m < 3 && strcmp(modes[m], mode) != 0) m++;
    while (p < 3 && strcmp(paddings[p], padding) != 0) p++;
    if (m == 3 || p == 3) return pln_call_fail(call, PLN_BAD_MODEL, "mode '%s', padding_mode '%s'", mode, padding);
    s->mode = (enum sample_mode)m;
    s->padding = (enum padding)p;
    s->align_corners = pln_attrs_int(call->attrs, "align_corners", 0) != 0;
    s->taps = m == SAMPLE_NEAREST ? 1 : m == SAMPLE_LINEAR ? 2 : 4;
    return PLN_OK;
}

/* From [-1, 1] to places of elements; f32 grids in f32, as the reference computes. */
static double denormalize(const struct sampler *s, enum pln_dtype dtype, double n, int64_t extent)
{
    if (dtype != PLN_F64) {
        float f = (float)n, length = (float)extent;
        return (double)(s->align_corners ? (f + 1) / 2.0f * (length - 1) : ((f + 1) * length - 1) / 2.0f);
    }
    return s->align_corners ? (n + 1) / 2 * (double)(extent - 1) : ((n + 1) * (double)extent - 1) / 2;
}

/* Mirrors x at both borders until it lies between them. */
static double reflect(double x, double low, double high)
{
    double range = high - low;
    if (x >= low && x <= high) return x;
    if (!(range > 0)) return low;
    double over = fmod(x < low ? low - x : x - high, 2 * range);
    bool back = over > range;
    double rest = back ? over - range : over;
    return (x < low) == !back ? low + rest : high - rest;
}

static double border_low(const struct sampler *s)
{
    return s->align_corners ? 0 : -0.5;
}

static double border_high(const struct sampler *s, int64_t extent)
{
    return s->align_corners ? (double)(extent - 1) : (double)extent - 0.5;
}

/* A coordinate as the padding has it. What is far outside of zeros stays outside, within reach of integers; NaN is outside, too. */
static double place(const struct sampler *s, double x, int64_t extent)
{
    double low = border_low(s), high = border_high(s, extent), last = (double)(extent - 1);
    if (!(x >= -4)) x = s->padding == PADDING_REFLECTION && x == x && x > -HUGE_VAL ? x : -4;
    if (x > (double)extent + 4 && !(s->padding == PADDING_REFLECTION && x < HUGE_VAL)) x = (double)extent + 4;
    if (x >= low && x <= high) return x;
    switch (s->padding) {
    case PADDING_ZEROS: return x;
    case PADDING_BORDER:
        if (s->mode == SAMPLE_CUBIC) return x; /* each tap is bounded by itself, as PyTorch and ONNX Runtime do */
        return x < 0 ? 0 : x > last ? last : x;
    case PADDING_REFLECTION: return reflect(x, low, high);
    }
    return x;
}

static int64_t pixel(const struct sampler *s, int64_t i, int64_t extent)
{
    if (i >= 0 && i < extent) return i;
    switch (s->padding) {
    case PADDING_ZEROS: return -1;
    case PADDING_BORDER: return i < 0 ? 0 : extent - 1;
    case PADDING_REFLECTION: {
        int64_t at = (int64_t)reflect((double)i, border_low(s), border_high(s, extent));
        return at < 0 ? 0 : at >= extent ? extent - 1 : at;
    }
    }
    return -1;
}

/* Keys' cubic convolution with a = -0.75, as PyTorch has it. */
static double keys(double x)
{
    const double a = -0.75;
    x = fabs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

static void find_taps(const struct sampler *s, double x, int64_t extent, struct axis_taps *taps)
{
    if (s->mode == SAMPLE_NEAREST) x = rint(x);
    x = place(s, x, extent);
    double left = floor(x);
    int first = s->mode == SAMPLE_CUBIC ? -1 : 0;
    if (s->mode == SAMPLE_NEAREST) left = trunc(x);
    for (int t = 0; t < s->taps; t++) {
        double distance = x - left - (first + t);
        taps->at[t] = pixel(s, (int64_t)left + first + t, extent);
        taps->weight[t] = s->mode == SAMPLE_NEAREST ? 1 : s->mode == SAMPLE_LINEAR ? 1 - fabs(distance) : keys(distance);
    }
}

/* Sum over all combinations of taps of the k axes; elements lie `parts` apart. */
static double sum_taps(const struct sampler *s, const struct axis_taps *taps, enum pln_dtype dtype, const void *data, int64_t base, int64_t parts)
{
    int index[PLN_MAX_RANK] = { 0 };
    double sum = 0;
    for (;;) {
        double weight = 1;
        int64_t at = 0;
        bool inside = true;
        for (int d = 0; d < s->k; d++) {
            int64_t i = taps[d].at[index[d]];
            inside = inside && i >= 0;
            at = at * s->dims[d] + i;
            weight *= taps[d].weight[index[d]];
        }
        if (inside && weight != 0) sum += weight * pln_load_f64(dtype, data, base + at * parts);
        int d = s->k - 1;
        while (d >= 0 && ++index[d] == s->taps) index[d--] = 0;
        if (d < 0) return sum;
    }
}

static enum pln_status check_shapes(struct pln_call *call, const struct pln_tensor *in, const struct pln_tensor *grid)
{
    bool fits = in->rank >= 3 && grid->rank == in->rank && grid->dims[0] == in->dims[0] && grid->dims[grid->rank - 1] == in->rank - 2 &&
                pln_dtype_is_float(grid->dtype);
    if (!fits) return pln_call_fail(call, PLN_BAD_MODEL, "X must be [n,c,d1…dk] and grid [n,o1…ok,k] of floats");
    return PLN_OK;
}

/* The nearest element as it is, whatever its type; out of reach of the padding zeros it stays zero. */
static void copy_nearest(const struct sampler *s, const struct axis_taps *taps, const struct pln_elems *in, int64_t base, struct pln_elems *out, int64_t to)
{
    int64_t at = 0;
    for (int d = 0; d < s->k; d++) {
        if (taps[d].at[0] < 0) return;
        at = at * s->dims[d] + taps[d].at[0];
    }
    pln_unit_copy(out->data + (size_t)to * out->unit_bytes, in->data + (size_t)(base + at) * in->unit_bytes, in->unit_bytes);
}

enum pln_status pln_ref_grid_sample(struct pln_call *call)
{
    const struct pln_tensor *in, *grid;
    struct pln_elems from, out;
    struct sampler s = { .k = 0 };
    struct axis_taps taps[PLN_MAX_RANK];
    int64_t dims[PLN_MAX_RANK];
    PLN_TRY(pln_call_need(call, 0, &in));
    PLN_TRY(pln_call_need(call, 1, &grid));
    PLN_TRY(check_shapes(call, in, grid));
    PLN_TRY(read_sampler(call, &s));
    s.k = in->rank - 2;
    s.dims = in->dims + 2;
    dims[0] = in->dims[0];
    dims[1] = in->dims[1];
    for (int d = 0; d < s.k; d++) dims[2 + d] = grid->dims[1 + d];
    if (in->dtype == PLN_STR && s.mode != SAMPLE_NEAREST) return pln_call_fail(call, PLN_UNSUPPORTED, "sums of %s", pln_dtype_name(in->dtype));
    PLN_TRY(pln_elems_in(call, 0, &from));
    PLN_TRY(pln_elems_out(call, 0, in->dtype, in->rank, dims, &out));
    if (out.count == 0) return PLN_OK;
    if (from.count == 0) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "there is nothing to sample in an empty input");
    enum pln_dtype part = pln_dtype_part(in->dtype);
    int64_t parts = part == in->dtype ? 1 : 2; /* of a complex number */
    int64_t places = pln_elems_product(dims, 2, in->rank), plane = pln_elems_product(in->dims, 2, in->rank);
    for (int64_t n = 0; n < dims[0]; n++) {
        for (int64_t p = 0; p < places; p++) {
            /* The last axis comes first in the grid. */
            for (int d = 0; d < s.k; d++) {
                double at = pln_load_f64(grid->dtype, grid->data, (n * places + p) * s.k + s.k - 1 - d);
                find_taps(&s, denormalize(&s, grid->dtype, at, s.dims[d]), s.dims[d], &taps[d]);
            }
            for (int64_t c = 0; c < dims[1]; c++) {
                int64_t base = (n * dims[1] + c) * plane, to = (n * dims[1] + c) * places + p;
                if (s.mode == SAMPLE_NEAREST) copy_nearest(&s, taps, &from, base, &out, to);
                for (int64_t i = 0; s.mode != SAMPLE_NEAREST && i < parts; i++)
                    pln_store_f64(part, out.data, to * parts + i, sum_taps(&s, taps, part, in->data, base * parts + i, parts), true);
            }
        }
    }
    return pln_elems_finish(call, 0, &out);
}

/* Place i of `extent` in [-1, 1]; a single place is the middle. */
static double grid_place(int64_t i, int64_t extent, bool align_corners)
{
    if (align_corners) return extent > 1 ? -1 + 2.0 / (double)(extent - 1) * (double)i : 0;
    return (2.0 * (double)i + 1) / (double)extent - 1;
}

enum pln_status pln_ref_affine_grid(struct pln_call *call)
{
    const struct pln_tensor *theta;
    struct pln_tensor out;
    const int64_t *size;
    int64_t n, dims[PLN_MAX_RANK];
    bool align = pln_attrs_int(call->attrs, "align_corners", 0) != 0;
    PLN_TRY(pln_call_need(call, 0, &theta));
    PLN_TRY(pln_call_ints(call, 1, &size, &n));
    int k = (int)n - 2;
    if (n < 4 || n > 5 || theta->rank != 3 || theta->dims[0] != size[0] || theta->dims[1] != k || theta->dims[2] != k + 1 ||
        !pln_dtype_is_float(theta->dtype)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "theta must be [n,2,3] with a size of 4, or [n,3,4] with a size of 5");
    }
    dims[0] = size[0];
    for (int d = 0; d < k; d++) dims[1 + d] = size[2 + d];
    dims[1 + k] = k;
    PLN_TRY(pln_call_out(call, 0, theta->dtype, k + 2, dims, &out));
    int64_t places = pln_elems_product(dims, 1, 1 + k), count = pln_tensor_count(&out) / PLN_MAX(k, 1);
    for (int64_t i = 0; i < count; i++) {
        double place[3];
        int64_t rest = i % places;
        for (int d = k - 1; d >= 0; d--) {
            place[k - 1 - d] = grid_place(rest % dims[1 + d], dims[1 + d], align);
            rest /= dims[1 + d];
        }
        for (int row = 0; row < k; row++) {
            int64_t at = (i / places * k + row) * (k + 1);
            double sum = pln_load_f64(theta->dtype, theta->data, at + k);
            for (int c = 0; c < k; c++) sum += pln_load_f64(theta->dtype, theta->data, at + c) * place[c];
            pln_store_f64(theta->dtype, out.data, i * k + row, sum, true);
        }
    }
    return PLN_OK;
}
