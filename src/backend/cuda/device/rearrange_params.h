#ifndef PLN_CUDA_REARRANGE_PARAMS_H
#define PLN_CUDA_REARRANGE_PARAMS_H

#include "backend/cuda/device/walk_params.h"

/* Elements of one shape in and out. TRILU: axes row, column; numbers: k. REVERSE_SEQUENCE: axes batch, time; numbers:
 * lengths. TENSOR_SCATTER: axes batch, rows; numbers: where the update begins. */
struct pln_cuda_rearrange_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) from;
    PLN_DEVICE_PTR(const void) update; /* TENSOR_SCATTER: of `length` rows */
    PLN_DEVICE_PTR(void) to;
    int64_t n_elements, rank, length;
    int64_t axes[2];
    struct pln_cuda_ints numbers;
    int64_t dims[PLN_CUDA_MAX_RANK];
    int64_t to_strides[PLN_CUDA_MAX_RANK], from_strides[PLN_CUDA_MAX_RANK], update_strides[PLN_CUDA_MAX_RANK];
};

#endif
