/* Reads at indices that are data: GATHER, GATHER_ELEMENTS, GATHER_ND. An index outside of its axis is fault 1; its
 * element is 0. Defines: PLN_ELEMENT (unsigned type of the element's size), PLN_INDEX (int32_t or int64_t),
 * PLN_THREADS. */
#include "backend/cuda/device/gather_params.h"
#include "backend/cuda/device/walk.cuh"

PLN_INLINE void gather_element(const struct pln_cuda_gather_params *p, int64_t i)
{
    int64_t from = 0, put = 0, where = 0;
    for (int64_t d = p->rank - 1; d >= 0; d--) {
        const int64_t index = pln_take_index(&i, p->dims[d]);
        from += index * p->data_strides[d];
        put += index * p->to_strides[d];
        where += index * p->index_strides[d];
    }
    bool inside = true;
    for (int64_t k = 0; k < p->depth; k++) {
        int64_t index = ((const PLN_INDEX *)p->indices)[where + k * p->index_step];
        if (index < 0) index += p->extents[k];
        inside = inside && index >= 0 && index < p->extents[k];
        from += index * p->axis_strides[k];
    }
    if (!inside) pln_fault(&p->head, 1);
    ((PLN_ELEMENT *)p->to)[put] = inside ? ((const PLN_ELEMENT *)p->data)[from] : (PLN_ELEMENT)0;
}

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_gather_params *p)
{
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        for (int part = 0; part < PLN_CUDA_MOVE_ELEMENTS; part++) {
            const int64_t i = (task * PLN_CUDA_MOVE_ELEMENTS + part) * PLN_THREADS + threadIdx.x;
            if (i < p->n_elements) gather_element(p, i);
        }
    }
}
