/* Rotary position embedding (ONNX RotaryEmbedding-23): pairs of a row are rotated by angles of its position. Defines: PLN_ELEMENT (type of x, y and the caches),
 * PLN_REAL (what is computed in), PLN_ID (element type of positions, if they are given). A warp takes a row. */
#include "backend/cuda/device/prelude.cuh"
#include "backend/cuda/device/rotary_params.h"

#define THREADS 256

PLN_INLINE float pln_fma(float a, float b, float c) { return fmaf(a, b, c); }
PLN_INLINE double pln_fma(double a, double b, double c) { return fma(a, b, c); }

/* a b + c d without cancellation of rounded products (Kahan's difference of products; Jeannerod, Louvet, Muller, "Further analysis of Kahan's algorithm for
 * the accurate computation of 2 x 2 determinants", 2013). Where a product is infinite, its correction is no number and left out. */
PLN_INLINE PLN_REAL pln_products(PLN_REAL a, PLN_REAL b, PLN_REAL c, PLN_REAL d)
{
    const PLN_REAL product = c * d, missing = pln_fma(c, d, -product), sum = pln_fma(a, b, product);
    return missing == missing ? sum + missing : sum;
}

PLN_INLINE void pln_rotate(const struct pln_rotary_params *p, int64_t row)
{
    const int64_t s = row % p->seq, head = row / p->seq % p->heads, b = row / p->seq / p->heads;
    const PLN_ELEMENT *x = (const PLN_ELEMENT *)p->x + b * p->x_strides[0] + head * p->x_strides[1] + s * p->x_strides[2];
    PLN_ELEMENT *y = (PLN_ELEMENT *)p->y + b * p->y_strides[0] + head * p->y_strides[1] + s * p->y_strides[2];
    int64_t position = s;
#ifdef PLN_ID
    position = (int64_t)((const PLN_ID *)p->ids)[b * p->id_strides[0] + s * p->id_strides[1]];
    if (position < 0 || position >= p->positions) {
        pln_fault(&p->head, PLN_ROTARY_BAD_POSITION);
        return;
    }
#endif
    const PLN_ELEMENT *cosine = (const PLN_ELEMENT *)p->cosines + b * p->cos_strides[0] + position * p->cos_strides[1];
    const PLN_ELEMENT *sine = (const PLN_ELEMENT *)p->sines + b * p->sin_strides[0] + position * p->sin_strides[1];
    for (int64_t k = threadIdx.x % 32; k < p->half; k += 32) {
        const int64_t i = p->interleaved ? 2 * k : k, j = p->interleaved ? 2 * k + 1 : p->half + k;
        const PLN_REAL a = pln_value(x[i * p->x_strides[3]]), c = pln_value(x[j * p->x_strides[3]]);
        const PLN_REAL cs = pln_value(cosine[k * p->cos_strides[2]]), sn = pln_value(sine[k * p->sin_strides[2]]);
        pln_store(&y[i * p->y_strides[3]], pln_products(cs, a, -sn, c));
        pln_store(&y[j * p->y_strides[3]], pln_products(sn, a, cs, c));
    }
    for (int64_t i = 2 * p->half + threadIdx.x % 32; i < p->size; i += 32) y[i * p->y_strides[3]] = x[i * p->x_strides[3]];
}

extern "C" __global__ void __launch_bounds__(THREADS) pln_entry(const struct pln_rotary_params *p)
{
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x)
        for (int64_t i = threadIdx.x / 32; i < PLN_ROTARY_ROWS; i += THREADS / 32)
            if (task * PLN_ROTARY_ROWS + i < p->rows) pln_rotate(p, task * PLN_ROTARY_ROWS + i);
}
