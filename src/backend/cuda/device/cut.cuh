/* A part of a tensor, or a tensor and what surrounds it: SLICE, PAD, CENTER_CROP_PAD. The parameters of slices and pads
 * are read from device memory, held against the extents, and found wrong (fault 1) or good for all elements.
 *
 * Defines: PLN_ELEMENT (unsigned type of the element's size), PLN_THREADS, and one of PLN_SLICE, PLN_PAD, PLN_CROP;
 * PLN_MODE with PLN_PAD. */
#include "backend/cuda/device/cut_params.h"
#include "backend/cuda/device/walk.cuh"

enum { CONSTANT = 0, REFLECT = 1, EDGE = 2, WRAP = 3 };
#ifndef PLN_MODE
#define PLN_MODE CONSTANT
#endif

struct plan {
    int64_t shift[PLN_CUDA_MAX_RANK], step[PLN_CUDA_MAX_RANK], low[PLN_CUDA_MAX_RANK], high[PLN_CUDA_MAX_RANK];
    int good;
};

/* Axis that parameter i is for; -1: there is no such axis. */
PLN_INLINE int64_t axis_of(const struct pln_cuda_cut_params *p, int64_t i)
{
    if (p->axes.n < 0) return i;
    int64_t axis = pln_int_at(&p->axes, i);
    if (axis < 0) axis += p->rank;
    return axis >= 0 && axis < p->rank ? axis : -1;
}

#ifdef PLN_SLICE
/* ONNX Slice: a start counts from the back when it is negative, then it is clamped; what the output's extent says must
 * stay inside. */
PLN_INLINE bool plan_axis(const struct pln_cuda_cut_params *p, int64_t i, struct plan *plan)
{
    const int64_t axis = axis_of(p, i);
    if (axis < 0) return false;
    const int64_t extent = p->extents[axis], n = p->dims[axis], step = p->steps.n < 0 ? 1 : pln_int_at(&p->steps, i);
    int64_t start = pln_int_at(&p->starts, i);
    if (start < 0) start = start < -extent ? -1 : start + extent;
    if (start < 0) start = 0;
    if (step < 0 && start > extent - 1) start = extent - 1;
    plan->shift[axis] = start;
    plan->step[axis] = step;
    if (start >= extent || step == 0) return false;
    const int64_t room = step > 0 ? extent - 1 - start : start; /* n - 1 steps must fit into it */
    return n == 1 || (step > 0 ? step <= room && n - 1 <= room / step : step >= -room && n - 1 <= room / -step);
}
#endif

#ifdef PLN_PAD
/* Negative pads crop first. */
PLN_INLINE bool plan_axis(const struct pln_cuda_cut_params *p, int64_t i, struct plan *plan)
{
    const int64_t axis = axis_of(p, i), most = (int64_t)1 << 60;
    if (axis < 0) return false;
    const int64_t extent = p->extents[axis], begin = pln_int_at(&p->starts, i),
                  end = pln_int_at(&p->starts, p->starts.n / 2 + i);
    if (begin < -most || begin > most || end < -most || end > most || extent + begin + end != p->dims[axis])
        return false;
    const int64_t low = begin < 0 ? -begin : 0, high = end < 0 ? extent + end : extent;
    plan->shift[axis] = -begin;
    plan->low[axis] = low;
    plan->high[axis] = high;
    return PLN_MODE == CONSTANT || low < high;
}
#endif

PLN_INLINE void make_plan(const struct pln_cuda_cut_params *p, struct plan *plan)
{
    bool good = true;
    for (int64_t d = 0; d < p->rank; d++) {
        plan->shift[d] = p->shift[d];
        plan->step[d] = 1;
        plan->low[d] = 0;
        plan->high[d] = p->extents[d];
    }
#ifdef PLN_SLICE
    for (int64_t i = 0; i < p->starts.n; i++) good = plan_axis(p, i, plan) && good;
#elif defined(PLN_PAD)
    for (int64_t i = 0; i < p->starts.n / 2; i++) good = plan_axis(p, i, plan) && good;
#endif
    plan->good = good;
}

PLN_INLINE int64_t modulo(int64_t a, int64_t n)
{
    const int64_t m = a % n;
    return m < 0 ? m + n : m;
}

/* Index of the input within [low, high); -1: there is none. */
PLN_INLINE int64_t source(const struct plan *plan, int64_t d, int64_t i)
{
    const int64_t low = plan->low[d], n = plan->high[d] - low;
    int64_t at = plan->shift[d] + plan->step[d] * i - low;
    if (at >= 0 && at < n) return low + at;
    if (n <= 0 || PLN_MODE == CONSTANT) return -1;
    if (PLN_MODE == EDGE) return low + (at < 0 ? 0 : n - 1);
    if (PLN_MODE == WRAP) return low + modulo(at, n);
    if (n == 1) return low;
    at = modulo(at, 2 * (n - 1));
    return low + (at < n ? at : 2 * (n - 1) - at);
}

PLN_INLINE void cut_element(const struct pln_cuda_cut_params *p, const struct plan *plan, PLN_ELEMENT value, int64_t i)
{
    int64_t from = 0, put = 0;
    bool inside = true;
    for (int64_t d = p->rank - 1; d >= 0; d--) {
        const int64_t index = pln_take_index(&i, p->dims[d]), at = source(plan, d, index);
        inside = inside && at >= 0;
        from += at * p->from_strides[d];
        put += index * p->to_strides[d];
    }
    ((PLN_ELEMENT *)p->to)[put] = inside ? ((const PLN_ELEMENT *)p->from)[from] : value;
}

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_cut_params *p)
{
    __shared__ struct plan plan;
    if (p->head.n_tasks == 0) return; /* nothing can be wrong with an empty output */
    if (threadIdx.x == 0) make_plan(p, &plan);
    __syncthreads();
    if (!plan.good) {
        if (threadIdx.x == 0) pln_fault(&p->head, 1);
        return;
    }
    const PLN_ELEMENT value = p->value ? *(const PLN_ELEMENT *)p->value : (PLN_ELEMENT)0;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        for (int part = 0; part < PLN_CUDA_MOVE_ELEMENTS; part++) {
            const int64_t i = (task * PLN_CUDA_MOVE_ELEMENTS + part) * PLN_THREADS + threadIdx.x;
            if (i < p->n_elements) cut_element(p, &plan, value, i);
        }
    }
}
