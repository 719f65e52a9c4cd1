#ifndef PLN_CUDA_ROWS_PARAMS_H
#define PLN_CUDA_ROWS_PARAMS_H

#include "backend/cuda/device/params.h"

/* The iteration of a row program. Axis 0 is the innermost; the axes of the row come first, axes that all operands walk as one are merged. */
struct pln_cuda_rows_params {
    struct pln_cuda_head head;
    int64_t n_rows, n;    /* rows, elements of each; programs that run element by element: one row of all elements */
    int64_t n_row_axes;   /* at least 1 */
    int64_t n_axes;
    int32_t lanes;        /* threads that share a row, a power of 2 that divides the block */
    int32_t rows_first;   /* 1: neighbouring threads take neighbouring rows, 0: neighbouring elements */
    int64_t extra[3];     /* of a body that is no program */
    int64_t extents[PLN_CUDA_MAX_RANK];
    struct pln_cuda_operand operands[PLN_CUDA_MAX_OPERANDS]; /* inputs, then outputs; strides by these axes */
};

#endif
