/* Convolution with one input channel a group: a thread an output element. Defines: those of conv.cuh. */
#include "backend/cuda/device/conv.cuh"

PLN_INLINE PLN_ACC sum_of(const struct pln_cuda_conv_params *p, int64_t n, int64_t channel, const int32_t (&at)[PLN_CONV_AXES])
{
    const PLN_T *x = (const PLN_T *)p->x + n * p->x_n + pln_divide(channel, p->group_out) * p->x_c, *w = (const PLN_T *)p->w + channel * p->w_o;
    PLN_ACC sum = 0;
    for (int z = 0; z < p->kernel[0]; z++) {
        const int from_z = at[0] * p->stride[0] - p->pad[0] + z * p->dilation[0];
        if ((uint32_t)from_z >= (uint32_t)p->in[0]) continue;
        for (int y = 0; y < p->kernel[1]; y++) {
            const int from_y = at[1] * p->stride[1] - p->pad[1] + y * p->dilation[1];
            if ((uint32_t)from_y >= (uint32_t)p->in[1]) continue;
            const PLN_T *row = x + from_z * p->x_at[0] + from_y * p->x_at[1], *taps = w + z * p->w_at[0] + y * p->w_at[1];
            for (int t = 0; t < p->kernel[2]; t++) {
                const int from_x = at[2] * p->stride[2] - p->pad[2] + t * p->dilation[2];
                if ((uint32_t)from_x < (uint32_t)p->in[2]) sum = pln_fma((PLN_ACC)pln_value(row[from_x * p->x_at[2]]), (PLN_ACC)pln_value(taps[t * p->w_at[2]]), sum);
            }
        }
    }
    return sum;
}

extern "C" __global__ void __launch_bounds__(PLN_CONV_THREADS) pln_entry(const struct pln_cuda_conv_params *p)
{
    const int64_t channels = (int64_t)p->groups * p->group_out, an_image = (int64_t)p->to[0] * p->to[1] * p->to[2], count = p->pixels * channels;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        const int64_t i = task * PLN_CONV_THREADS + threadIdx.x;
        if (i >= count) continue;
        /* Neighbouring threads have neighbours in memory: channels of a pixel, or pixels of a channel. */
        const int64_t outer = pln_divide(i, PLN_LAST ? channels : an_image), inner = i - outer * (PLN_LAST ? channels : an_image);
        const int64_t n = pln_divide(outer, PLN_LAST ? an_image : channels), rest = outer - n * (PLN_LAST ? an_image : channels);
        const int64_t channel = PLN_LAST ? inner : rest;
        int32_t at[PLN_CONV_AXES];
        pln_conv_coordinates(p->to, PLN_LAST ? rest : inner, at);
        pln_conv_finish(p, n, channel, at, sum_of(p, n, channel, at));
    }
}
