/* Elements made from where they are: RANGE, ONE_HOT, EYE_LIKE. Defines: PLN_THREADS, and one of
 * PLN_RANGE: PLN_T, element type;
 * PLN_ONE_HOT: PLN_T, type of the indices (any number), PLN_ELEMENT, unsigned type of the values' size;
 * PLN_EYE: PLN_ELEMENT. */
#include "backend/cuda/device/generate_params.h"
#include "backend/cuda/device/walk.cuh"

#ifdef PLN_RANGE
PLN_INLINE float range_at(float start, float delta, int64_t i)
{
    const float step = (float)i * delta;
    return start + step;
}

PLN_INLINE double range_at(double start, double delta, int64_t i)
{
    const double step = (double)i * delta;
    return start + step;
}

template <typename T> PLN_INLINE T range_at(T start, T delta, int64_t i)
{
    return (T)((uint64_t)start + (uint64_t)i * (uint64_t)delta);
}

PLN_INLINE void generate(const struct pln_cuda_generate_params *p, const int64_t *at, int64_t a, int64_t put)
{
    (void)a;
    const auto start = pln_value(*(const PLN_T *)p->a), delta = pln_value(*(const PLN_T *)p->b);
    pln_store((PLN_T *)p->to + put, range_at(start, delta, at[0]));
}
#endif

#ifdef PLN_ONE_HOT
/* As a conversion to i64: toward zero, held within its range; NaN is 0. */
PLN_INLINE int64_t whole(double x)
{
    if (x != x) return 0;
    if (x >= 9223372036854775808.0) return (int64_t)(~(uint64_t)0 >> 1);
    return x <= -9223372036854775808.0 ? (int64_t)((uint64_t)1 << 63) : (int64_t)x;
}
PLN_INLINE int64_t whole(float x)
{
    return whole((double)x);
}
template <typename T> PLN_INLINE int64_t whole(T x)
{
    return (int64_t)x;
}

PLN_INLINE void generate(const struct pln_cuda_generate_params *p, const int64_t *at, int64_t a, int64_t put)
{
    const int64_t depth = p->dims[p->axis], index = whole(pln_value(((const PLN_T *)p->a)[a]));
    const bool hot = index == at[p->axis] || index == at[p->axis] - depth;
    ((PLN_ELEMENT *)p->to)[put] = ((const PLN_ELEMENT *)p->b)[hot ? p->b_stride : 0];
}
#endif

#ifdef PLN_EYE
PLN_INLINE void generate(const struct pln_cuda_generate_params *p, const int64_t *at, int64_t a, int64_t put)
{
    (void)a;
    ((PLN_ELEMENT *)p->to)[put] = at[1] - at[0] == p->k ? (PLN_ELEMENT)p->value : (PLN_ELEMENT)0;
}
#endif

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_generate_params *p)
{
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        for (int part = 0; part < PLN_CUDA_MOVE_ELEMENTS; part++) {
            int64_t i = (task * PLN_CUDA_MOVE_ELEMENTS + part) * PLN_THREADS + threadIdx.x, at[PLN_CUDA_MAX_RANK],
                    a = 0, put = 0;
            if (i >= p->n_elements) break;
            for (int64_t d = p->rank - 1; d >= 0; d--) {
                at[d] = pln_take_index(&i, p->dims[d]);
                a += at[d] * p->a_strides[d];
                put += at[d] * p->to_strides[d];
            }
            generate(p, at, a, put);
        }
    }
}
