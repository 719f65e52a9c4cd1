/* Elements whose source depends on where they are and on numbers that are data: TRILU, REVERSE_SEQUENCE,
 * TENSOR_SCATTER. A number that leads out of the tensor is fault 1.
 *
 * Defines: PLN_ELEMENT (unsigned type of the element's size), PLN_THREADS, and one of PLN_TRIU, PLN_TRIL, PLN_REVERSE,
 * PLN_WRITE, PLN_WRITE_CIRCULAR. */
#include "backend/cuda/device/rearrange_params.h"
#include "backend/cuda/device/walk.cuh"

/* The element at coordinates `at`; from: offset of the same place in the input. */
PLN_INLINE PLN_ELEMENT source(const struct pln_cuda_rearrange_params *p, const int64_t *at, int64_t from)
{
    const PLN_ELEMENT *data = (const PLN_ELEMENT *)p->from;
    const int64_t a = p->axes[0], b = p->axes[1];
#if defined(PLN_TRIU) || defined(PLN_TRIL)
    int64_t k = p->numbers.n == 1 ? pln_int_at(&p->numbers, 0) : 0;
    if (k > p->dims[b]) k = p->dims[b];
    if (k < -p->dims[a]) k = -p->dims[a];
#ifdef PLN_TRIU
    return at[b] - at[a] >= k ? data[from] : (PLN_ELEMENT)0;
#else
    return at[b] - at[a] <= k ? data[from] : (PLN_ELEMENT)0;
#endif
#elif defined(PLN_REVERSE)
    const int64_t length = pln_int_at(&p->numbers, at[a]), t = at[b];
    if (length < 0 || length > p->dims[b]) {
        pln_fault(&p->head, 1);
        return 0;
    }
    return data[t < length ? from + (length - 1 - 2 * t) * p->from_strides[b] : from];
#else
    const int64_t first = p->numbers.n < 0 ? 0 : pln_int_at(&p->numbers, at[a]), extent = p->dims[b];
    int64_t row = at[b] - first;
    bool wrong = first < 0;
#ifdef PLN_WRITE_CIRCULAR
    row = at[b] - (wrong ? 0 : first % extent);
    if (row < 0) row += extent;
#else
    wrong = wrong || first > extent - p->length;
#endif
    if (wrong) pln_fault(&p->head, 1);
    if (wrong || row < 0 || row >= p->length) return data[from];
    int64_t where = row * p->update_strides[b];
    for (int64_t d = 0; d < p->rank; d++)
        if (d != b) where += at[d] * p->update_strides[d];
    return ((const PLN_ELEMENT *)p->update)[where];
#endif
}

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_rearrange_params *p)
{
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        for (int part = 0; part < PLN_CUDA_MOVE_ELEMENTS; part++) {
            int64_t i = (task * PLN_CUDA_MOVE_ELEMENTS + part) * PLN_THREADS + threadIdx.x, at[PLN_CUDA_MAX_RANK],
                    from = 0, put = 0;
            if (i >= p->n_elements) break;
            for (int64_t d = p->rank - 1; d >= 0; d--) {
                at[d] = pln_take_index(&i, p->dims[d]);
                from += at[d] * p->from_strides[d];
                put += at[d] * p->to_strides[d];
            }
            ((PLN_ELEMENT *)p->to)[put] = source(p, at, from);
        }
    }
}
