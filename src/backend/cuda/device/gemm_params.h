#ifndef PLN_CUDA_GEMM_PARAMS_H
#define PLN_CUDA_GEMM_PARAMS_H

#include "backend/cuda/device/params.h"

/* Of an epilogue: inputs, the accumulator among them, and one output (PLN_ROWPROG_MAX_OPERANDS + 1). */
#define PLN_CUDA_EPILOGUE_OPERANDS 17

/* How the tasks of a product are cut. */
#define PLN_GEMM_TILED 0     /* a task is a tile of the output; tile rows run fastest */
#define PLN_GEMM_SKINNY_K 1  /* at most 8 rows, B's elements lie side by side along k: a warp a column */
#define PLN_GEMM_SKINNY_N 2  /* at most 8 rows, B's elements lie side by side along n: a lane a column, the warps of a block share k */

#define PLN_GEMM_SKINNY_ROWS 8
#define PLN_GEMM_WARPS 8
#define PLN_GEMM_THREADS 256

/* out[m,n] = alpha a[m,k] b[k,n] + beta c[m,n], for each index of the batch dims. Strides in elements.
 *
 * What an epilogue sees as coordinates: batch dim d is axis d of the output, row and column are axes row_axis and col_axis, all others are 0. The host
 * may have made batch dims into rows, or have exchanged A and B, so that rows are columns; strides say it all. */
struct pln_cuda_gemm_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) a;
    PLN_DEVICE_PTR(const void) b;
    PLN_DEVICE_PTR(const void) c; /* NULL: none */
    PLN_DEVICE_PTR(void) out;
    int64_t m, n, k;
    int64_t a_row, a_k, b_k, b_col, c_row, c_col, out_row, out_col;
    float alpha, beta;
    int32_t form;                 /* one of PLN_GEMM_ */
    int32_t row_axis, col_axis;   /* -1: the output has no such axis */
    int32_t a_along_k, b_along_k; /* neighbouring threads load neighbours along k, else along rows or columns */
    int32_t a_whole, b_whole;     /* eight elements of 2 bytes along that direction are one aligned load */
    int32_t along_rows;           /* neighbours in the output's memory are rows, else columns */
    int32_t n_batch;              /* dims left */
    int64_t tiles_m, tiles_n;
    int64_t batch[PLN_CUDA_MAX_RANK];
    int64_t a_batch[PLN_CUDA_MAX_RANK], b_batch[PLN_CUDA_MAX_RANK], out_batch[PLN_CUDA_MAX_RANK];
    struct pln_cuda_operand operands[PLN_CUDA_EPILOGUE_OPERANDS];
};

#endif
