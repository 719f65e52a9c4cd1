#ifndef PLN_CUDA_INTEGER_MATMUL_PARAMS_H
#define PLN_CUDA_INTEGER_MATMUL_PARAMS_H

#include "backend/cuda/device/params.h"

#define PLN_INTEGER_TILE 64

/* A scale or zero point of an operand: number matrix * per_matrix + lane, where a lane is a row of a or a column of b. */
struct pln_integer_parameter {
    PLN_DEVICE_PTR(const void) data; /* dense; NULL: left out */
    int64_t per_matrix;
    int64_t single; /* one for all */
};

/* A batch of matrices. */
struct pln_integer_matrices {
    PLN_DEVICE_PTR(void) data;
    int64_t row_stride, col_stride;
    int64_t batch_strides[PLN_CUDA_MAX_RANK];  /* 0 where repeated */
    int64_t matrix_strides[PLN_CUDA_MAX_RANK]; /* the same, counted in the operand's own matrices */
    struct pln_integer_parameter zero, scale;
};

/* y[batch, m, n] = sum over k of (a[batch, m, k] - a_zero) (b[batch, k, n] - b_zero). */
struct pln_integer_matmul_params {
    struct pln_cuda_head head;
    struct pln_integer_matrices a, b, y; /* y's zero and scale: single, where it is quantized */
    int64_t batch_rank, batch[PLN_CUDA_MAX_RANK];
    int64_t m, n, k;
    int64_t m_tiles, n_tiles;
};

#endif
