#ifndef PLN_CUDA_COPY_PARAMS_H
#define PLN_CUDA_COPY_PARAMS_H

#include "backend/cuda/device/params.h"

/* Elements in the order of the output's memory; axes that both sides walk as one are merged. */
struct pln_cuda_copy_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) from;
    PLN_DEVICE_PTR(void) to;
    int64_t n_elements;
    int64_t rank;
    int64_t dims[PLN_CUDA_MAX_RANK];
    int64_t from_strides[PLN_CUDA_MAX_RANK], to_strides[PLN_CUDA_MAX_RANK]; /* elements */
};

#endif
