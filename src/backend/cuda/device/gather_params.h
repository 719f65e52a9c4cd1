#ifndef PLN_CUDA_GATHER_PARAMS_H
#define PLN_CUDA_GATHER_PARAMS_H

#include "backend/cuda/device/walk_params.h"

/* to[i] = data[sum of i * data_strides + sum over k < depth of index k * axis_strides[k]], where index k of element i
 * is indices[sum of i * index_strides + k * index_step], which counts from the back when it is negative. */
struct pln_cuda_gather_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) data;
    PLN_DEVICE_PTR(const void) indices;
    PLN_DEVICE_PTR(void) to;
    int64_t n_elements, rank, depth, index_step;
    int64_t dims[PLN_CUDA_WALK_AXES];
    int64_t to_strides[PLN_CUDA_WALK_AXES], data_strides[PLN_CUDA_WALK_AXES], index_strides[PLN_CUDA_WALK_AXES];
    int64_t extents[PLN_CUDA_MAX_RANK], axis_strides[PLN_CUDA_MAX_RANK]; /* of the axes that are indexed */
};

#endif
