/* Row programs as kernels. Defines: PLN_THREADS, PLN_OPERANDS (inputs and outputs), PLN_ROW_AXES (the row has at most so many).
 *
 * PLN_ELEMENTS 1: the program has no reductions; the source goes on with
 *     static __device__ void pln_element(const struct pln_cuda_rows_params *p, const int64_t *at)
 * which computes one element, at[k] being its place in operand k. PLN_ELEMENTS 0:
 *     static __device__ void pln_row(const struct pln_cuda_rows_params *p, const struct pln_team &team, const int64_t *at)
 * which all threads of a block call, at[k] being where the team's row begins in operand k. After it comes rows_entry.cuh, which has the kernel. */
#ifndef PLN_CUDA_ROWS_CUH
#define PLN_CUDA_ROWS_CUH

#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/device/rows_params.h"

/* The place in each operand of element i of the axes [first, first + n), counted along the first of them first. */
PLN_INLINE void pln_place(const struct pln_cuda_rows_params *p, int64_t first, int64_t n, int64_t i, int64_t *at)
{
#pragma unroll
    for (int k = 0; k < PLN_OPERANDS; k++) at[k] = 0;
    for (int64_t axis = first; axis < first + n; axis++) {
        int64_t index = i;
        if (axis + 1 < first + n) {
            const int64_t extent = p->extents[axis];
            /* Division of 64-bit numbers is some hundred instructions. */
            const int64_t next = ((uint64_t)i | (uint64_t)extent) >> 32 == 0 ? (int64_t)((uint32_t)i / (uint32_t)extent) : i / extent;
            index = i - next * extent;
            i = next;
        }
#pragma unroll
        for (int k = 0; k < PLN_OPERANDS; k++) at[k] += index * p->operands[k].strides[axis];
    }
}

/* An element of a row: its index along each of the row's axes. */
struct pln_spot {
    int64_t index[PLN_ROW_AXES];
};
PLN_INLINE pln_spot pln_spot_of(const struct pln_cuda_rows_params *p, int64_t i)
{
    pln_spot spot;
    spot.index[0] = i;
#pragma unroll
    for (int axis = 1; axis < PLN_ROW_AXES; axis++) {
        spot.index[axis] = 0;
        if (axis < p->n_row_axes) {
            spot.index[axis] = spot.index[axis - 1] / p->extents[axis - 1];
            spot.index[axis - 1] -= spot.index[axis] * p->extents[axis - 1];
        }
    }
    return spot;
}
PLN_INLINE int64_t pln_spot_place(const struct pln_cuda_rows_params *p, int k, const pln_spot &spot)
{
    int64_t at = spot.index[0] * p->operands[k].strides[0];
#pragma unroll
    for (int axis = 1; axis < PLN_ROW_AXES; axis++)
        if (axis < p->n_row_axes) at += spot.index[axis] * p->operands[k].strides[axis];
    return at;
}

#endif
