/* RESIZE. A thread makes one element: along each axis that changes it finds a coordinate of the input (in double, of
 * nearest rounded to f32 behind each operation, so that ties fall as they do in the reference), then takes the nearest element or a weighted sum over all combinations
 * of taps. Coordinate rules and filters: ONNX Resize-19; cubic: Keys, "Cubic Convolution Interpolation for Digital
 * Image Processing", equation 4. Scales, sizes or a region that are no good are fault 1.
 *
 * Defines: PLN_T (element type; of nearest the unsigned type of its size), PLN_ACC (type of arithmetic), PLN_THREADS,
 * PLN_FILTER, PLN_COORDS, PLN_ROUNDING (numbers of the enums below), PLN_ANTIALIAS, PLN_EXCLUDE_OUTSIDE (0 or 1). */
#include "backend/cuda/device/resize_params.h"
#include "backend/cuda/device/round.cuh"
#include "backend/cuda/device/walk.cuh"

enum { NEAREST, LINEAR, CUBIC };
enum { HALF_PIXEL, SYMMETRIC, PYTORCH, ALIGN_CORNERS, ASYMMETRIC, CROP, TF_NN };
enum { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL };

struct plan {
    double scale[PLN_CUDA_MAX_RANK], start[PLN_CUDA_MAX_RANK], end[PLN_CUDA_MAX_RANK]; /* the region along each axis */
    int64_t taps[PLN_CUDA_MAX_RANK];                                                   /* 0: the axis stays as it is */
    int good;
};

/* Scales of all axes. */
PLN_INLINE bool read_scales(const struct pln_cuda_resize_params *p, struct plan *plan)
{
    double common = 0;
    bool good = true;
    for (int64_t i = 0; i < p->n_axes; i++) {
        const int64_t d = p->axes[i];
        if (p->scales.n > 0) {
            plan->scale[d] = (double)(float)pln_float_at(&p->scales, i);
            continue;
        }
        const int64_t size = p->policy == 0 ? p->dims[d] : pln_int_at(&p->sizes, i);
        const double scale = p->extents[d] > 0 ? (double)size / (double)p->extents[d] : 1.0;
        plan->scale[d] = scale;
        if (i == 0 || (p->policy == 1 ? scale < common : scale > common)) common = scale;
    }
    for (int64_t i = 0; i < p->n_axes; i++) {
        if (p->scales.n <= 0 && p->policy != 0) plan->scale[p->axes[i]] = common;
        good = good && plan->scale[p->axes[i]] > 0;
    }
    return good;
}

PLN_INLINE double smaller(double a, double b)
{
    return a < b ? a : b;
}

PLN_INLINE int64_t count_taps(double scale)
{
    const double reach = PLN_FILTER == CUBIC ? 2 : 1, stretch = PLN_ANTIALIAS ? smaller(scale, 1.0) : 1.0;
    const double n = 2 - 2 * (floor(-reach / stretch) + 1);
    return n <= 268435456.0 ? (int64_t)n : -1; /* more than any real filter has */
}

PLN_INLINE void make_plan(const struct pln_cuda_resize_params *p, struct plan *plan)
{
    for (int64_t d = 0; d < p->rank; d++) {
        plan->scale[d] = 1;
        plan->start[d] = 0;
        plan->end[d] = 1;
    }
    bool good = read_scales(p, plan);
    for (int64_t i = 0; PLN_COORDS == CROP && i < p->n_axes; i++) {
        plan->start[p->axes[i]] = pln_float_at(&p->roi, i);
        plan->end[p->axes[i]] = pln_float_at(&p->roi, p->n_axes + i);
    }
    for (int64_t d = 0; d < p->rank; d++) {
        const bool whole = PLN_COORDS != CROP || (plan->start[d] == 0 && plan->end[d] == 1);
        const bool same = whole && p->dims[d] == p->extents[d] && fabs(plan->scale[d] - 1) <= 1e-9;
        plan->taps[d] = same ? 0 : count_taps(plan->scale[d]);
        good = good && plan->taps[d] >= 0;
    }
    plan->good = good;
}

PLN_INLINE double rounded(double x)
{
    return PLN_FILTER == NEAREST ? (double)(float)x : x;
}

/* Coordinate of the input for output index i along axis d. */
PLN_INLINE double coordinate(const struct pln_cuda_resize_params *p, const struct plan *plan, int64_t d, int64_t i)
{
    const double x = (double)i, scale = rounded(plan->scale[d]), in = (double)p->extents[d];
    const double out = rounded(scale * in), size = (double)p->dims[d], centre = rounded((x + 0.5) / scale);
    switch (PLN_COORDS) {
    case HALF_PIXEL: return rounded(centre - 0.5);
    case TF_NN: return centre;
    case SYMMETRIC: return rounded(rounded(rounded(in / 2 * rounded(1 - rounded(size / out))) + centre) - 0.5);
    case PYTORCH: return size > 1 ? rounded(centre - 0.5) : 0.0;
    case ALIGN_CORNERS: return out == 1.0 ? 0.0 : rounded(rounded(x * (in - 1)) / rounded(out - 1));
    case ASYMMETRIC: return rounded(x / scale);
    default: {
        const double span = rounded(rounded(plan->end[d] - plan->start[d]) * (in - 1));
        const double step = out == 1.0 ? span / 2 : rounded(rounded(x * span) / rounded(out - 1));
        return rounded(step + rounded(plan->start[d] * (in - 1)));
    }
    }
}

/* Far outside the border is read all the same; NaN is far outside. */
PLN_INLINE double limit(double x, int64_t extent)
{
    const double margin = (double)extent + 4;
    return x > -margin ? smaller(x, (double)extent + margin) : -margin;
}

PLN_INLINE int64_t clamp(int64_t i, int64_t extent)
{
    return i < 0 ? 0 : i >= extent ? extent - 1 : i;
}

PLN_INLINE int64_t nearest(double x)
{
    switch (PLN_ROUNDING) {
    case PREFER_FLOOR: return (int64_t)ceil(x - 0.5);
    case PREFER_CEIL: return (int64_t)floor(x + 0.5);
    case FLOOR: return (int64_t)floor(x);
    default: return (int64_t)ceil(x);
    }
}

/* ---- weights ---- */

struct axis {
    int64_t first, taps, extent, stride;
    PLN_ACC ratio, stretch, divisor;
    int64_t tap;
};

PLN_INLINE PLN_ACC weight(const struct pln_cuda_resize_params *p, const struct axis *axis, int64_t tap)
{
    if (PLN_EXCLUDE_OUTSIDE && (axis->first + tap < 0 || axis->first + tap >= axis->extent)) return 0;
    PLN_ACC x = axis->stretch * ((PLN_ACC)(tap - axis->taps / 2 + 1) - axis->ratio);
    if (x < 0) x = -x;
    if (PLN_FILTER == LINEAR) return x < 1 ? 1 - x : (PLN_ACC)0;
    const PLN_ACC a = (PLN_ACC)p->cubic_a;
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    /* a x^3 - 5a x^2 + 8a x - 4a, whose terms cancel, as a product. */
    return x < 2 ? a * (x - 1) * (x - 2) * (x - 2) : (PLN_ACC)0;
}

PLN_INLINE void open_axis(const struct pln_cuda_resize_params *p, const struct plan *plan, int64_t d, double x,
                          struct axis *axis)
{
    x = limit(x, p->extents[d]);
    /* A whole coordinate is the right one of its two neighbours, so that ties go to the left. */
    const double left = ceil(x) - 1;
    axis->taps = plan->taps[d];
    axis->first = (int64_t)left - axis->taps / 2 + 1;
    axis->extent = p->extents[d];
    axis->stride = p->x_strides[d];
    axis->ratio = (PLN_ACC)(x - left);
    axis->stretch = PLN_ANTIALIAS ? (PLN_ACC)smaller(plan->scale[d], 1.0) : (PLN_ACC)1;
    axis->divisor = 1;
    axis->tap = 0;
    PLN_ACC sum = 0;
    for (int64_t tap = 0; (PLN_ANTIALIAS || PLN_EXCLUDE_OUTSIDE) && tap < axis->taps; tap++)
        sum += weight(p, axis, tap);
    if (sum != 0) axis->divisor = sum;
}

/* Sum over all combinations of taps of n axes, which stand last axis first: axis by axis from the first one on, as the reference adds them, so that
 * integers that come to lie between two whole numbers are rounded alike. The first axis is the inner loop, the others count like digits and hand
 * their sums on. */
PLN_INLINE PLN_ACC sum_taps(const struct pln_cuda_resize_params *p, struct axis *axes, int n, const PLN_T *from)
{
    PLN_ACC sums[PLN_CUDA_MAX_RANK];
    if (n == 0) return (PLN_ACC)pln_value(*from);
    for (int d = 0; d < n; d++) sums[d] = 0;
    const struct axis *inner = &axes[n - 1];
    for (;;) {
        PLN_ACC done = 0;
        int64_t at = 0;
        for (int d = 0; d < n - 1; d++) at += clamp(axes[d].first + axes[d].tap, axes[d].extent) * axes[d].stride;
        for (int64_t tap = 0; tap < inner->taps; tap++)
            done += weight(p, inner, tap) / inner->divisor *
                    (PLN_ACC)pln_value(from[at + clamp(inner->first + tap, inner->extent) * inner->stride]);
        int d = n - 2;
        for (; d >= 0; d--) {
            sums[d] += weight(p, &axes[d], axes[d].tap) / axes[d].divisor * done;
            if (++axes[d].tap < axes[d].taps) break;
            axes[d].tap = 0;
            done = sums[d];
            sums[d] = 0;
        }
        if (d < 0) return done;
    }
}

/* ---- elements ---- */

PLN_INLINE void resize_element(const struct pln_cuda_resize_params *p, const struct plan *plan, int64_t i)
{
    const PLN_T *from = (const PLN_T *)p->x;
    PLN_T *to = (PLN_T *)p->y;
    bool outside = false;
    struct axis axes[PLN_CUDA_MAX_RANK];
    int n = 0;
    for (int64_t d = p->rank - 1; d >= 0; d--) {
        const int64_t index = pln_take_index(&i, p->dims[d]);
        to += index * p->y_strides[d];
        if (plan->taps[d] == 0) {
            from += index * p->x_strides[d];
            continue;
        }
        const double x = coordinate(p, plan, d, index);
        outside = outside || (PLN_COORDS == CROP && !(x >= 0 && x <= (double)(p->extents[d] - 1)));
        if (PLN_FILTER == NEAREST)
            from += clamp(nearest(limit(x, p->extents[d])), p->extents[d]) * p->x_strides[d];
        else
            open_axis(p, plan, d, x, &axes[n++]);
    }
#if PLN_FILTER == 0
    (void)axes;
    *to = outside ? (PLN_T)p->outside : *from;
#else
    pln_store_rounded(to, outside ? (PLN_ACC)p->extrapolation : sum_taps(p, axes, n, from));
#endif
}

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_resize_params *p)
{
    __shared__ struct plan plan;
    if (p->head.n_tasks == 0) return;
    if (threadIdx.x == 0) make_plan(p, &plan);
    __syncthreads();
    if (!plan.good) {
        if (threadIdx.x == 0) pln_fault(&p->head, 1);
        return;
    }
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        const int64_t i = task * PLN_THREADS + threadIdx.x;
        if (i < p->n_elements) resize_element(p, &plan, i);
    }
}
