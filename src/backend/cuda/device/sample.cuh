/* GRID_SAMPLE and AFFINE_GRID. Coordinate and border rules: the operators' text and ONNX's reference implementation
 * (op_grid_sample.py, 1.23); of cubic with border padding PyTorch's. A thread makes one element.
 *
 * Defines: PLN_T (element type of x and y), PLN_ACC (float or double), PLN_THREADS; PLN_AFFINE, or PLN_G (element type
 * of the grid), PLN_MODE, PLN_PADDING. */
#include "backend/cuda/device/sample_params.h"
#include "backend/cuda/device/walk.cuh"

#ifdef PLN_AFFINE

/* Place i of `extent` in [-1, 1]; a single place is the middle. */
PLN_INLINE PLN_ACC grid_place(const struct pln_cuda_sample_params *p, int64_t i, int64_t extent)
{
    if (p->align_corners) return extent > 1 ? (PLN_ACC)(-1 + 2.0 / (double)(extent - 1) * (double)i) : (PLN_ACC)0;
    return (PLN_ACC)((2.0 * (double)i + 1) / (double)extent - 1);
}

PLN_INLINE PLN_ACC make_element(const struct pln_cuda_sample_params *p, const int64_t *at)
{
    const int64_t k = p->k;
    const PLN_T *theta = (const PLN_T *)p->grid + at[0] * p->grid_strides[0] + at[k + 1] * p->grid_strides[1];
    PLN_ACC sum = (PLN_ACC)pln_value(theta[k * p->grid_strides[2]]);
    for (int64_t c = 0; c < k; c++)
        sum += (PLN_ACC)pln_value(theta[c * p->grid_strides[2]]) * grid_place(p, at[k - c], p->dims[k - c]);
    return sum;
}

#else

enum { LINEAR, NEAREST, CUBIC };
enum { ZEROS, BORDER, REFLECTION };
#define TAPS      (PLN_MODE == NEAREST ? 1 : PLN_MODE == LINEAR ? 2 : 4)
#define MOST_AXES 3

struct axis_taps {
    int64_t at[4]; /* -1: a zero */
    PLN_ACC weight[4];
};

/* From [-1, 1] to places of elements; grids of f32 and less in f32, as the reference computes. */
PLN_INLINE double denormalize(const struct pln_cuda_sample_params *p, float n, int64_t extent)
{
    const float length = (float)extent;
    return (double)(p->align_corners ? (n + 1) / 2.0f * (length - 1) : ((n + 1) * length - 1) / 2.0f);
}

PLN_INLINE double denormalize(const struct pln_cuda_sample_params *p, double n, int64_t extent)
{
    return p->align_corners ? (n + 1) / 2 * (double)(extent - 1) : ((n + 1) * (double)extent - 1) / 2;
}

/* Mirrors x at both borders until it lies between them. */
PLN_INLINE double reflect(double x, double low, double high)
{
    const double range = high - low;
    if (x >= low && x <= high) return x;
    if (!(range > 0)) return low;
    const double over = fmod(x < low ? low - x : x - high, 2 * range);
    const bool back = over > range;
    const double rest = back ? over - range : over;
    return (x < low) == !back ? low + rest : high - rest;
}

PLN_INLINE double border_low(const struct pln_cuda_sample_params *p)
{
    return p->align_corners ? 0 : -0.5;
}

PLN_INLINE double border_high(const struct pln_cuda_sample_params *p, int64_t extent)
{
    return p->align_corners ? (double)(extent - 1) : (double)extent - 0.5;
}

/* A coordinate as the padding has it. What is far outside of zeros stays outside, within reach of integers; NaN is
 * outside, too. */
PLN_INLINE double place(const struct pln_cuda_sample_params *p, double x, int64_t extent)
{
    const double low = border_low(p), high = border_high(p, extent), last = (double)(extent - 1),
                 infinity = (double)__uint_as_float(0x7f800000u);
    if (!(x >= -4)) x = PLN_PADDING == REFLECTION && x > -infinity ? x : -4;
    if (x > (double)extent + 4 && !(PLN_PADDING == REFLECTION && x < infinity)) x = (double)extent + 4;
    if ((x >= low && x <= high) || PLN_PADDING == ZEROS) return x;
    if (PLN_PADDING == REFLECTION) return reflect(x, low, high);
    if (PLN_MODE == CUBIC) return x; /* each tap is bounded by itself */
    return x < 0 ? 0 : x > last ? last : x;
}

PLN_INLINE int64_t pixel(const struct pln_cuda_sample_params *p, int64_t i, int64_t extent)
{
    if (i >= 0 && i < extent) return i;
    if (PLN_PADDING == ZEROS) return -1;
    if (PLN_PADDING == REFLECTION) i = (int64_t)reflect((double)i, border_low(p), border_high(p, extent));
    return i < 0 ? 0 : i >= extent ? extent - 1 : i;
}

/* Keys' cubic convolution with a = -0.75, as PyTorch has it. */
PLN_INLINE double keys(double x)
{
    const double a = -0.75;
    x = fabs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

PLN_INLINE void find_taps(const struct pln_cuda_sample_params *p, double x, int64_t extent, struct axis_taps *taps)
{
    if (PLN_MODE == NEAREST) x = rint(x);
    x = place(p, x, extent);
    const double left = PLN_MODE == NEAREST ? trunc(x) : floor(x);
    const int first = PLN_MODE == CUBIC ? -1 : 0;
    for (int t = 0; t < TAPS; t++) {
        const double distance = x - left - (first + t);
        taps->at[t] = pixel(p, (int64_t)left + first + t, extent);
        taps->weight[t] =
            PLN_MODE == NEAREST ? (PLN_ACC)1 : (PLN_ACC)(PLN_MODE == LINEAR ? 1 - fabs(distance) : keys(distance));
    }
}

/* Sum over all combinations of taps. */
PLN_INLINE PLN_ACC make_element(const struct pln_cuda_sample_params *p, const int64_t *at)
{
    struct axis_taps taps[MOST_AXES];
    int64_t where = at[0] * p->grid_strides[0];
    const PLN_T *x = (const PLN_T *)p->x + at[0] * p->x_strides[0] + at[1] * p->x_strides[1];
    for (int64_t d = 0; d < p->k; d++) where += at[2 + d] * p->grid_strides[1 + d];
    /* The last axis comes first in the grid. */
    for (int64_t d = 0; d < p->k; d++) {
        const int64_t extent = p->extents[2 + d];
        const PLN_G *grid = (const PLN_G *)p->grid + where + (p->k - 1 - d) * p->grid_strides[p->k + 1];
        find_taps(p, denormalize(p, pln_value(*grid), extent), extent, &taps[d]);
    }
    PLN_ACC sum = 0;
    int combinations = 1;
    for (int64_t d = 0; d < p->k; d++) combinations *= TAPS;
    for (int i = 0; i < combinations; i++) {
        PLN_ACC weight = 1;
        int64_t from = 0;
        bool inside = true;
        int rest = i;
        for (int64_t d = p->k - 1; d >= 0; d--) {
            const int t = rest % TAPS;
            rest /= TAPS;
            inside = inside && taps[d].at[t] >= 0;
            from += taps[d].at[t] * p->x_strides[2 + d];
            weight *= taps[d].weight[t];
        }
        if (inside && weight != 0) sum += weight * (PLN_ACC)pln_value(x[from]);
    }
    return sum;
}

#endif

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_sample_params *p)
{
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        int64_t i = task * PLN_THREADS + threadIdx.x, at[PLN_CUDA_MAX_RANK], put = 0;
        if (i >= p->n_elements) continue;
        for (int64_t d = p->rank - 1; d >= 0; d--) {
            at[d] = pln_take_index(&i, p->dims[d]);
            put += at[d] * p->y_strides[d];
        }
        pln_store((PLN_T *)p->y + put, make_element(p, at));
    }
}
