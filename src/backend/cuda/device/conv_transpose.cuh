/* Transposed convolution: a thread an output element, which gathers what the input spreads to it. Defines: those of conv.cuh, PLN_LAST is 0. */
#include "backend/cuda/device/conv.cuh"

/* The input coordinate that tap t of an axis spreads to output coordinate `at`; -1: none. */
PLN_INLINE int source_of(const struct pln_cuda_conv_params *p, int d, int at, int t)
{
    const int from = at + p->pad[d] - t * p->dilation[d], i = from / p->stride[d];
    return from >= 0 && i * p->stride[d] == from && i < p->in[d] ? i : -1;
}

PLN_INLINE PLN_ACC sum_of(const struct pln_cuda_conv_params *p, int64_t n, int64_t channel, const int32_t (&at)[PLN_CONV_AXES])
{
    const int64_t group = pln_divide(channel, p->group_out), first = group * p->group_in;
    const PLN_T *x = (const PLN_T *)p->x + n * p->x_n + first * p->x_c, *w = (const PLN_T *)p->w + first * p->w_c + (channel - group * p->group_out) * p->w_o;
    PLN_ACC sum = 0;
    for (int z = 0; z < p->kernel[0]; z++) {
        const int from_z = source_of(p, 0, at[0], z);
        for (int y = 0; from_z >= 0 && y < p->kernel[1]; y++) {
            const int from_y = source_of(p, 1, at[1], y);
            for (int t = 0; from_y >= 0 && t < p->kernel[2]; t++) {
                const int from_x = source_of(p, 2, at[2], t);
                if (from_x < 0) continue;
                const PLN_T *pixel = x + from_z * p->x_at[0] + from_y * p->x_at[1] + from_x * p->x_at[2], *tap = w + z * p->w_at[0] + y * p->w_at[1] + t * p->w_at[2];
                for (int64_t c = 0; c < p->group_in; c++) sum = pln_fma((PLN_ACC)pln_value(pixel[c * p->x_c]), (PLN_ACC)pln_value(tap[c * p->w_c]), sum);
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
        const int64_t plane = pln_divide(i, an_image), n = pln_divide(plane, channels), channel = plane - n * channels;
        int32_t at[PLN_CONV_AXES];
        pln_conv_coordinates(p->to, i - plane * an_image, at);
        pln_conv_finish(p, n, channel, at, sum_of(p, n, channel, at));
    }
}
