/* Copies elements between tensors of any strides. Defines: PLN_ELEMENT (unsigned type of the element's size), PLN_THREADS. */
#include "backend/cuda/device/copy_params.h"
#include "backend/cuda/device/prelude.cuh"

#define ELEMENTS_A_THREAD 8

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_copy_params *p)
{
    const PLN_ELEMENT *from = (const PLN_ELEMENT *)p->from;
    PLN_ELEMENT *to = (PLN_ELEMENT *)p->to;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        for (int part = 0; part < ELEMENTS_A_THREAD; part++) {
            int64_t i = (task * ELEMENTS_A_THREAD + part) * PLN_THREADS + threadIdx.x, at = 0, put = 0;
            if (i >= p->n_elements) break;
            for (int64_t d = p->rank - 1; d > 0; d--) {
                const int64_t next = i / p->dims[d], index = i - next * p->dims[d];
                at += index * p->from_strides[d];
                put += index * p->to_strides[d];
                i = next;
            }
            if (p->rank > 0) {
                at += i * p->from_strides[0];
                put += i * p->to_strides[0];
            }
            to[put] = from[at];
        }
    }
}
