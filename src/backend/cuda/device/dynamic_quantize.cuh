/* DynamicQuantizeLinear-11: u8 over the range of x, which always holds 0; in f32 as ONNX's function body. Define: PLN_X (element type of x). */
#include "backend/cuda/device/prelude.cuh"
#include "backend/cuda/device/quantize_params.h"

#define THREADS 512

struct pln_range {
    float low[THREADS], high[THREADS];
};

PLN_INLINE float pln_clamp_u8(float value)
{
    return !(value > 0) ? 0.0f : value > 255 ? 255.0f : value;
}

/* Of all of x, left at index 0. */
PLN_INLINE void pln_find_range(const struct pln_dynamic_quantize_params *p, struct pln_range *range)
{
    float low = 0, high = 0;
    for (int64_t i = threadIdx.x; i < p->n; i += THREADS) {
        const float x = (float)pln_value(((const PLN_X *)p->x)[i]);
        low = fminf(low, x);
        high = fmaxf(high, x);
    }
    range->low[threadIdx.x] = low;
    range->high[threadIdx.x] = high;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) {
            range->low[threadIdx.x] = fminf(range->low[threadIdx.x], range->low[threadIdx.x + half]);
            range->high[threadIdx.x] = fmaxf(range->high[threadIdx.x], range->high[threadIdx.x + half]);
        }
        __syncthreads();
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) pln_entry(const struct pln_dynamic_quantize_params *p)
{
    __shared__ struct pln_range range;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        pln_find_range(p, &range);
        const float low = range.low[0], high = range.high[0], scale = high == low ? 1.0f : (high - low) / 255.0f;
        const float zero = pln_clamp_u8(rintf((0.0f - low) / scale));
        if (task == 0 && threadIdx.x == 0) {
            if (p->scale) *p->scale = scale;
            if (p->zero) *p->zero = (uint8_t)zero;
        }
        const int64_t end = (task + 1) * p->elements_a_task < p->n ? (task + 1) * p->elements_a_task : p->n;
        for (int64_t i = task * p->elements_a_task + threadIdx.x; i < end; i += THREADS)
            p->y[i] = (uint8_t)pln_clamp_u8(rintf((float)pln_value(((const PLN_X *)p->x)[i]) / scale) + zero);
        __syncthreads();
    }
}
