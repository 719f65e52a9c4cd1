/* Convolutions of bytes less their zero points, summed in integers: ConvInteger, and QLinearConv, whose sums are scaled and quantized again. A thread has a pixel
 * of the output and PLN_INTEGER_CONV_FEATURES channels.
 *
 * Defines: PLN_X, PLN_W, PLN_Y (element types), PLN_SUM (type of the sums: 64 bits where they must not wrap). For QLinearConv also PLN_X_SCALE, PLN_W_SCALE,
 * PLN_Y_SCALE (element types of scales), PLN_LOW and PLN_HIGH (what PLN_Y holds). */
#include "backend/cuda/device/integer_conv_params.h"
#include "backend/cuda/device/prelude.cuh"

#define THREADS PLN_INTEGER_CONV_THREADS
#define FEATURES PLN_INTEGER_CONV_FEATURES

template <typename T> PLN_INLINE T pln_conv_parameter(const struct pln_integer_conv_parameter *p, int64_t feature)
{
    return ((const T *)p->data)[p->single ? 0 : feature];
}

struct pln_conv_place {
    int64_t image, feature, n_features; /* features of the thread, counted over all groups */
    int64_t at[PLN_INTEGER_CONV_AXES];  /* where the window begins, pads counted */
};

/* Sums over one input channel. */
PLN_INLINE void pln_conv_add_plane(const struct pln_integer_conv_params *p, const struct pln_conv_place *place, const PLN_X *x, const PLN_W *w, int64_t w_stride, int32_t x_zero,
                                   const int32_t *w_zero, PLN_SUM *sums)
{
    for (int64_t i = 0; i < p->kernel[0]; i++) {
        const int64_t d = place->at[0] + i * p->dilation[0];
        if (d < 0 || d >= p->in[0]) continue;
        for (int64_t j = 0; j < p->kernel[1]; j++) {
            const int64_t h = place->at[1] + j * p->dilation[1];
            if (h < 0 || h >= p->in[1]) continue;
            const PLN_X *line = x + (d * p->in[1] + h) * p->in[2];
            const PLN_W *taps = w + (i * p->kernel[1] + j) * p->kernel[2];
            for (int64_t k = 0; k < p->kernel[2]; k++) {
                const int64_t c = place->at[2] + k * p->dilation[2];
                if (c < 0 || c >= p->in[2]) continue;
                const int32_t value = (int32_t)line[c] - x_zero;
#pragma unroll
                for (int f = 0; f < FEATURES; f++)
                    if (f < place->n_features) sums[f] += (PLN_SUM)(value * ((int32_t)taps[f * w_stride + k] - w_zero[f]));
            }
        }
    }
}

PLN_INLINE void pln_conv_store(const struct pln_integer_conv_params *p, PLN_Y *y, int64_t feature, PLN_SUM sum)
{
#ifdef PLN_Y_SCALE
    /* In double, as the quotient falls on one side of the middle of two integers or on the other. */
    const double x_scale = pln_value(pln_conv_parameter<PLN_X_SCALE>(&p->x_scale, feature)), w_scale = pln_value(pln_conv_parameter<PLN_W_SCALE>(&p->w_scale, feature));
    const double scale = x_scale * w_scale / (double)pln_value(pln_conv_parameter<PLN_Y_SCALE>(&p->y_scale, feature));
    const double total = (double)sum + (p->bias ? (double)p->bias[feature] : 0.0);
    const double value = rint(total * scale) + (double)pln_conv_parameter<PLN_Y>(&p->y_zero, feature), low = PLN_LOW, high = PLN_HIGH;
    *y = (PLN_Y)(!(value > low) ? low : value > high ? high : value);
#else
    (void)p, (void)feature;
    *y = (PLN_Y)sum;
#endif
}

PLN_INLINE void pln_conv_task(const struct pln_integer_conv_params *p, int64_t task)
{
    struct pln_conv_place place;
    const int64_t pixel = task % p->pixel_tiles * THREADS + threadIdx.x, tile = task / p->pixel_tiles, group_tile = tile / p->feature_tiles, group = group_tile % p->groups;
    const int64_t first = tile % p->feature_tiles * FEATURES, taps = p->kernel[0] * p->kernel[1] * p->kernel[2];
    if (pixel >= p->out_size) return;
    place.image = group_tile / p->groups;
    place.feature = group * p->group_out + first;
    place.n_features = p->group_out - first < FEATURES ? p->group_out - first : FEATURES;
    int64_t rest = pixel;
    for (int d = PLN_INTEGER_CONV_AXES - 1; d >= 0; d--) {
        place.at[d] = rest % p->out[d] * p->stride[d] - p->pad[d];
        rest /= p->out[d];
    }
    const int32_t x_zero = p->x_zero.data ? (int32_t)pln_conv_parameter<PLN_X>(&p->x_zero, 0) : 0;
    int32_t w_zero[FEATURES];
    PLN_SUM sums[FEATURES];
#pragma unroll
    for (int f = 0; f < FEATURES; f++) {
        w_zero[f] = p->w_zero.data && f < place.n_features ? (int32_t)pln_conv_parameter<PLN_W>(&p->w_zero, place.feature + f) : 0;
        sums[f] = 0;
    }
    const PLN_X *x = (const PLN_X *)p->x + (place.image * p->groups + group) * p->group_in * p->in_size;
    const PLN_W *w = (const PLN_W *)p->w + place.feature * p->group_in * taps;
    for (int64_t c = 0; c < p->group_in; c++) pln_conv_add_plane(p, &place, x + c * p->in_size, w + c * taps, p->group_in * taps, x_zero, w_zero, sums);
    PLN_Y *y = (PLN_Y *)p->y + (place.image * p->groups * p->group_out + place.feature) * p->out_size + pixel;
#pragma unroll
    for (int f = 0; f < FEATURES; f++)
        if (f < place.n_features) pln_conv_store(p, &y[f * p->out_size], place.feature + f, sums[f]);
}

extern "C" __global__ void __launch_bounds__(THREADS) pln_entry(const struct pln_integer_conv_params *p)
{
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) pln_conv_task(p, task);
}
