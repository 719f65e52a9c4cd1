#ifndef PLN_CUDA_GENERATE_PARAMS_H
#define PLN_CUDA_GENERATE_PARAMS_H

#include "backend/cuda/device/walk_params.h"

/* RANGE: a, b: start and delta. ONE_HOT: a: indices, b: the two values, b_stride apart. EYE_LIKE: value: bits of 1; k:
 * its diagonal. */
struct pln_cuda_generate_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) a;
    PLN_DEVICE_PTR(const void) b;
    PLN_DEVICE_PTR(void) to;
    uint64_t value;
    int64_t k, b_stride;
    int64_t n_elements, rank, axis;
    int64_t dims[PLN_CUDA_MAX_RANK];
    int64_t to_strides[PLN_CUDA_MAX_RANK], a_strides[PLN_CUDA_MAX_RANK]; /* a_strides: 0 along axis */
};

#endif
