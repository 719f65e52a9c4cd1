#ifndef PLN_CUDA_POOL_PARAMS_H
#define PLN_CUDA_POOL_PARAMS_H

#include "backend/cuda/device/params.h"

#define PLN_CUDA_POOL_SPATIAL 3

/* Axes n, c, then three spatial ones, of which those in front are 1 where the image has fewer. */
struct pln_cuda_pool_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) x;
    PLN_DEVICE_PTR(void) y;
    PLN_DEVICE_PTR(int64_t) indices; /* of the largest; NULL: nobody wants them */
    int64_t n_elements;
    int64_t in[PLN_CUDA_POOL_SPATIAL];
    int64_t channels;
    int64_t out_dims[5], order[5]; /* of the output's axes in falling order of its strides: extents, which axis it is */
    int64_t x_strides[5], y_strides[5], index_strides[5]; /* by axis */
    int64_t kernel[PLN_CUDA_POOL_SPATIAL], stride[PLN_CUDA_POOL_SPATIAL], dilation[PLN_CUDA_POOL_SPATIAL];
    int64_t pad[PLN_CUDA_POOL_SPATIAL], pad_end[PLN_CUDA_POOL_SPATIAL];
    int64_t count_pads, column_major, p;
};

#endif
