/* QuantizeLinear and DequantizeLinear. Defines: PLN_X, PLN_SCALE, PLN_Y (element types; that of zero points is the quantized one's); PLN_QUANTIZE with PLN_LOW and
 * PLN_HIGH (what PLN_Y holds), PLN_ROUND (x to the precision of the division) and PLN_REAL (type it is done in); or PLN_DEQUANTIZE with PLN_REAL. */
#include "backend/cuda/device/prelude.cuh"
#include "backend/cuda/device/quantize_params.h"

#define THREADS PLN_QUANTIZE_THREADS

#ifdef PLN_QUANTIZE
PLN_INLINE double pln_nearest(double x) { return rint(x); }
PLN_INLINE float pln_nearest(float x) { return rintf(x); }

/* A quotient near the middle of two integers falls as its precision rounds it. No number gives the lowest. */
PLN_INLINE void pln_quantize_one(const struct pln_quantize_params *p, int64_t i, int64_t at)
{
    const PLN_REAL x = PLN_ROUND((PLN_REAL)pln_value(((const PLN_X *)p->x)[i])), scale = PLN_ROUND((PLN_REAL)pln_value(((const PLN_SCALE *)p->scale)[at]));
    const PLN_REAL low = PLN_LOW, high = PLN_HIGH, zero = p->zero ? (PLN_REAL)((const PLN_Y *)p->zero)[at] : (PLN_REAL)0;
    const PLN_REAL value = pln_nearest(PLN_ROUND(x / scale)) + zero;
    pln_store(&((PLN_Y *)p->y)[i], !(value > low) ? low : value > high ? high : value);
}
#else
PLN_INLINE double pln_scaled(int64_t x, double scale) { return (double)x * scale; }

/* Rounded once but for the last bit: an x of more than 24 bits is taken in two parts. */
PLN_INLINE float pln_scaled(int64_t x, float scale)
{
    const float rounded = (float)x;
    if (sizeof(PLN_X) < 4) return rounded * scale;
    const float product = rounded * scale, sum = fmaf((float)(x - (int64_t)rounded), scale, fmaf(rounded, scale, -product));
    return sum == sum ? product + sum : product;
}

PLN_INLINE void pln_quantize_one(const struct pln_quantize_params *p, int64_t i, int64_t at)
{
    const int64_t zero = p->zero ? (int64_t)((const PLN_X *)p->zero)[at] : 0;
    pln_store(&((PLN_Y *)p->y)[i], pln_scaled((int64_t)((const PLN_X *)p->x)[i] - zero, (PLN_REAL)pln_value(((const PLN_SCALE *)p->scale)[at])));
}
#endif

/* I: as wide as n needs, since divisions of 64 bits are slow. */
template <typename I> PLN_INLINE void pln_quantize_task(const struct pln_quantize_params *p, int64_t task)
{
    for (int part = 0; part < PLN_QUANTIZE_ELEMENTS; part += THREADS) {
        const int64_t i = task * PLN_QUANTIZE_ELEMENTS + part + threadIdx.x;
        if (i >= p->n) return;
        I at = 0;
        if (!p->single) {
            const I outer = p->shared_outer ? 0 : (I)i / (I)p->outer_step;
            at = (outer * (I)p->blocks + (I)i / (I)p->inner % (I)p->extent / (I)p->block) * (I)p->kept + (I)i % (I)p->kept;
        }
        pln_quantize_one(p, i, (int64_t)at);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) pln_entry(const struct pln_quantize_params *p)
{
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        if (p->n <= 0xffffffffll) pln_quantize_task<uint32_t>(p, task);
        else pln_quantize_task<uint64_t>(p, task);
    }
}
