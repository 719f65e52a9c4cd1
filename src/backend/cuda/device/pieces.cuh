/* Several copies in one kernel: joining tensors, and taking one apart. Defines: PLN_ELEMENT (unsigned type of the
 * element's size), PLN_PARAMS (the struct of the row), PLN_THREADS. */
#include "backend/cuda/device/pieces_params.h"
#include "backend/cuda/device/walk.cuh"

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct PLN_PARAMS *p)
{
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        int64_t low = 0, high = p->n_pieces;
        while (high - low > 1) {
            const int64_t middle = (low + high) / 2;
            if (p->pieces[middle].first_task <= task)
                low = middle;
            else
                high = middle;
        }
        const struct pln_cuda_piece *piece = &p->pieces[low];
        pln_move_elements((const PLN_ELEMENT *)piece->from, (PLN_ELEMENT *)piece->to, piece->rank, piece->dims,
                          piece->from_strides, piece->to_strides, piece->n_elements, task - piece->first_task);
    }
}
