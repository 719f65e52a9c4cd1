#include "kernel/resize.h"

#include <math.h>
#include <string.h>

static int pick(const struct pln_attrs *attrs, const char *attr, const char *const *names)
{
    const char *text = pln_attrs_string(attrs, attr, names[0]);
    for (int i = 0; names[i]; i++)
        if (strcmp(text, names[i]) == 0) return i;
    return -1;
}

struct pln_resize_modes pln_resize_modes(const struct pln_attrs *attrs)
{
    static const char *const filters[] = { "nearest", "linear", "cubic", NULL };
    static const char *const coords[] = { "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize", "tf_half_pixel_for_nn", NULL };
    static const char *const roundings[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL };
    static const char *const policies[] = { "stretch", "not_larger", "not_smaller", NULL };
    return (struct pln_resize_modes){ pick(attrs, "mode", filters), pick(attrs, "coordinate_transformation_mode", coords), pick(attrs, "nearest_mode", roundings),
                                      pick(attrs, "keep_aspect_ratio_policy", policies) };
}

/* Coordinates of `nearest` are rounded to f32 behind each operation, as ONNX Runtime and PyTorch compute them: a scale of 0.6 is a little more than 0.6, and
 * in double index 3 would come from 4.99999, not from the 5 that was meant. The other filters are continuous and lose nothing by more digits. */
static double rounded(const struct pln_resize_modes *modes, double x)
{
    return modes->filter == PLN_RESIZE_NEAREST ? (double)(float)x : x;
}

static double coordinate(const struct pln_resize_modes *m, const struct pln_resize_axis *axis, int64_t i)
{
    const double x = (double)i, scale = rounded(m, axis->scale), in = (double)axis->in, out = rounded(m, scale * in), size = (double)axis->out;
    const double centre = rounded(m, (x + 0.5) / scale);
    switch (m->coords) {
    case PLN_RESIZE_HALF_PIXEL: return rounded(m, centre - 0.5);
    case PLN_RESIZE_TF_NN: return centre;
    case PLN_RESIZE_SYMMETRIC: return rounded(m, rounded(m, rounded(m, in / 2 * rounded(m, 1 - rounded(m, size / out))) + centre) - 0.5);
    case PLN_RESIZE_PYTORCH: return size > 1 ? rounded(m, centre - 0.5) : 0.0;
    case PLN_RESIZE_ALIGN_CORNERS: return out == 1.0 ? 0.0 : rounded(m, rounded(m, x * (in - 1)) / rounded(m, out - 1));
    case PLN_RESIZE_ASYMMETRIC: return rounded(m, x / scale);
    case PLN_RESIZE_CROP: {
        const double span = rounded(m, rounded(m, axis->end - axis->start) * (in - 1));
        const double step = out == 1.0 ? span / 2 : rounded(m, rounded(m, x * span) / rounded(m, out - 1));
        return rounded(m, step + rounded(m, axis->start * (in - 1)));
    }
    default: return 0.0;
    }
}

double pln_resize_source(const struct pln_resize_modes *modes, const struct pln_resize_axis *axis, int64_t i, bool *out_outside)
{
    const double x = coordinate(modes, axis, i), margin = (double)axis->in + 4;
    if (out_outside) *out_outside = !(x >= 0 && x <= (double)(axis->in - 1));
    return x > -margin ? fmin(x, (double)axis->in + margin) : -margin;
}

int64_t pln_resize_nearest(const struct pln_resize_modes *modes, double source, int64_t extent)
{
    double at = 0;
    switch (modes->rounding) {
    case PLN_RESIZE_PREFER_FLOOR: at = ceil(source - 0.5); break;
    case PLN_RESIZE_PREFER_CEIL: at = floor(source + 0.5); break;
    case PLN_RESIZE_FLOOR: at = floor(source); break;
    case PLN_RESIZE_CEIL: at = ceil(source); break;
    default: break;
    }
    return at < 0 ? 0 : at >= (double)extent ? extent - 1 : (int64_t)at;
}

/* Keys, "Cubic Convolution Interpolation for Digital Image Processing", equation 4. */
static double cubic(double x, double a)
{
    x = fabs(x);
    if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    if (x < 2) return a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a;
    return 0;
}

double pln_resize_weight(const struct pln_resize_modes *modes, double cubic_a, double distance)
{
    return modes->filter == PLN_RESIZE_CUBIC ? cubic(distance, cubic_a) : fmax(1 - fabs(distance), 0);
}

void pln_resize_exclude_outside(int64_t extent, int64_t first, int64_t n, double *weight)
{
    double sum = 0;
    for (int64_t k = 0; k < n; k++) {
        if (first + k < 0 || first + k >= extent) weight[k] = 0;
        sum += weight[k];
    }
    for (int64_t k = 0; sum != 0 && k < n; k++) weight[k] /= sum;
}
