/* Maximum, average and Lp pooling over up to three spatial axes; a thread makes one element, neighbours in memory
 * neighbouring ones.
 *
 * Defines: PLN_T (element type), PLN_ACC (type of arithmetic), PLN_THREADS, and one of PLN_MAX, PLN_AVERAGE, PLN_LP. */
#include "backend/cuda/device/pool_params.h"
#include "backend/cuda/device/walk.cuh"

#define SPATIAL PLN_CUDA_POOL_SPATIAL

/* Taps [first, end) of a window at `base` that meet the extent. */
PLN_INLINE void clip(int64_t base, int64_t step, int64_t extent, int64_t count, int64_t *first, int64_t *end)
{
    *first = base < 0 ? pln_quotient(-base + step - 1, step) : 0;
    *end = extent - 1 - base < 0 ? 0 : pln_quotient(extent - 1 - base, step) + 1;
    if (*end > count) *end = count;
    if (*first > *end) *first = *end;
}

struct window {
    int64_t base[SPATIAL], first[SPATIAL], end[SPATIAL];
};

PLN_INLINE void place_window(const struct pln_cuda_pool_params *p, const int64_t *at, struct window *w)
{
    for (int d = 0; d < SPATIAL; d++) {
        w->base[d] = at[2 + d] * p->stride[d] - p->pad[d];
        clip(w->base[d], p->dilation[d], p->in[d], p->kernel[d], &w->first[d], &w->end[d]);
    }
}

#ifdef PLN_AVERAGE
/* What the sum is divided by: cells in the data, or in data and padding. */
PLN_INLINE int64_t cells(const struct pln_cuda_pool_params *p, const int64_t *at, const struct window *w)
{
    int64_t count = 1;
    for (int d = 0; d < SPATIAL; d++) {
        int64_t first = w->first[d], end = w->end[d];
        if (p->count_pads)
            clip(at[2 + d] * p->stride[d], p->dilation[d], p->in[d] + p->pad[d] + p->pad_end[d], p->kernel[d], &first,
                 &end);
        count *= end - first;
    }
    return count;
}
#endif

#ifdef PLN_MAX
PLN_INLINE float nothing(float x)
{
    return x - __uint_as_float(0x7f800000u);
}
PLN_INLINE double nothing(double x)
{
    return x - (double)__uint_as_float(0x7f800000u);
}
/* Integers: the least value of the type. */
template <typename A> PLN_INLINE A nothing(A x)
{
    return (A)((PLN_T)-1) < 0 ? x - 128 : x;
}

/* Where the plane's elements count along the first axis fastest, or along the last. */
PLN_INLINE int64_t flat_index(const struct pln_cuda_pool_params *p, const int64_t *at, int64_t i, int64_t j, int64_t k)
{
    const int64_t plane = (at[0] * p->channels + at[1]) * p->in[0] * p->in[1] * p->in[2];
    return plane + (p->column_major ? (k * p->in[1] + j) * p->in[0] + i : (i * p->in[1] + j) * p->in[2] + k);
}
#endif

#ifdef PLN_LP
PLN_INLINE PLN_ACC raise(const struct pln_cuda_pool_params *p, PLN_ACC x)
{
    if (x < 0) x = -x;
    if (p->p == 1) return x;
    return p->p == 2 ? x * x : pow(x, (PLN_ACC)p->p);
}

PLN_INLINE PLN_ACC root(const struct pln_cuda_pool_params *p, PLN_ACC x)
{
    if (p->p == 1) return x;
    return p->p == 2 ? sqrt(x) : pow(x, (PLN_ACC)1 / (PLN_ACC)p->p);
}
#endif

PLN_INLINE void pool_element(const struct pln_cuda_pool_params *p, const int64_t *at)
{
    const PLN_T *x = (const PLN_T *)p->x + at[0] * p->x_strides[0] + at[1] * p->x_strides[1];
    struct window w;
    PLN_ACC value = 0;
    place_window(p, at, &w);
#ifdef PLN_MAX
    bool seen = false;
    int64_t best = -1;
    value = nothing(value);
#endif
    for (int64_t a = w.first[0]; a < w.end[0]; a++) {
        const int64_t i = w.base[0] + a * p->dilation[0];
        for (int64_t b = w.first[1]; b < w.end[1]; b++) {
            const int64_t j = w.base[1] + b * p->dilation[1];
            for (int64_t c = w.first[2]; c < w.end[2]; c++) {
                const int64_t k = w.base[2] + c * p->dilation[2];
                const PLN_ACC here =
                    (PLN_ACC)pln_value(x[i * p->x_strides[2] + j * p->x_strides[3] + k * p->x_strides[4]]);
#if defined(PLN_MAX)
                if (seen && !(here > value) && !(here != here && value == value)) continue;
                seen = true;
                value = here;
                best = flat_index(p, at, i, j, k);
#elif defined(PLN_AVERAGE)
                value += here;
#else
                value += raise(p, here);
#endif
            }
        }
    }
#ifdef PLN_AVERAGE
    const int64_t count = cells(p, at, &w);
    value = count > 0 ? value / (PLN_ACC)count : (PLN_ACC)0;
#elif defined(PLN_LP)
    value = root(p, value);
#endif
    int64_t put = 0, put_index = 0;
    for (int d = 0; d < 5; d++) {
        put += at[d] * p->y_strides[d];
        put_index += at[d] * p->index_strides[d];
    }
    pln_store((PLN_T *)p->y + put, value);
#ifdef PLN_MAX
    if (p->indices) p->indices[put_index] = best;
#else
    (void)put_index;
#endif
}

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_pool_params *p)
{
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        int64_t i = task * PLN_THREADS + threadIdx.x, at[5];
        if (i >= p->n_elements) continue;
        for (int d = 4; d >= 0; d--) at[p->order[d]] = pln_take_index(&i, p->out_dims[d]);
        pool_element(p, at);
    }
}
