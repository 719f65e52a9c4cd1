/* Copies elements between places that are sums of index times stride: copies, transposes, repeats, blocks, filling.
 *
 * Where input and output have different fastest axes, tiles go through shared memory, so that both sides are read and
 * written along their memory. Defines: PLN_ELEMENT (unsigned type of the element's size). Threads a block:
 * PLN_MOVE_THREADS. */
#include "backend/cuda/device/move_params.h"
#include "backend/cuda/device/walk.cuh"

#define PLN_MOVE_THREADS 256
#define TILE             32
#define ROWS             (PLN_MOVE_THREADS / TILE)

PLN_INLINE void move_tile(const struct pln_cuda_move_params *p, const PLN_ELEMENT *from, PLN_ELEMENT *to, int64_t task,
                          PLN_ELEMENT (*tile)[TILE + 1])
{
    const int64_t a = p->rank - 2, b = p->rank - 1; /* fastest of the input, of the output */
    const int64_t column = pln_take_index(&task, p->tiles[1]) * TILE, row = pln_take_index(&task, p->tiles[0]) * TILE;
    for (int64_t d = a - 1; d >= 0; d--) {
        const int64_t index = pln_take_index(&task, p->dims[d]);
        from += index * p->from_strides[d];
        to += index * p->to_strides[d];
    }
    const int x = threadIdx.x % TILE, y = threadIdx.x / TILE;
    for (int i = y; i < TILE; i += ROWS)
        if (row + x < p->dims[a] && column + i < p->dims[b])
            tile[i][x] = from[(row + x) * p->from_strides[a] + (column + i) * p->from_strides[b]];
    __syncthreads();
    for (int i = y; i < TILE; i += ROWS)
        if (row + i < p->dims[a] && column + x < p->dims[b])
            to[(row + i) * p->to_strides[a] + (column + x) * p->to_strides[b]] = tile[x][i];
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(PLN_MOVE_THREADS) pln_entry(const struct pln_cuda_move_params *p)
{
    __shared__ PLN_ELEMENT tile[TILE][TILE + 1];
    const PLN_ELEMENT *from = p->from ? (const PLN_ELEMENT *)p->from : (const PLN_ELEMENT *)&p->value;
    PLN_ELEMENT *to = (PLN_ELEMENT *)p->to;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        if (p->tiled)
            move_tile(p, from, to, task, tile);
        else
            pln_move_elements(from, to, p->rank, p->dims, p->from_strides, p->to_strides, p->n_elements, task);
    }
}
