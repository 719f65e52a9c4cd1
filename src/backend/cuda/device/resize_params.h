#ifndef PLN_CUDA_RESIZE_PARAMS_H
#define PLN_CUDA_RESIZE_PARAMS_H

#include "backend/cuda/device/walk_params.h"

/* Scales, or sizes where there are no scales, and the region of tf_crop_and_resize: of the axes told, in that order,
 * read by the kernel. */
struct pln_cuda_resize_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) x;
    PLN_DEVICE_PTR(void) y;
    uint64_t outside;     /* nearest: bits of an element outside of the region */
    double extrapolation; /* the same as a number */
    double cubic_a;
    int64_t n_elements, rank, n_axes, policy; /* 0 stretch, 1 not_larger, 2 not_smaller */
    int64_t axes[PLN_CUDA_MAX_RANK];
    int64_t dims[PLN_CUDA_MAX_RANK], extents[PLN_CUDA_MAX_RANK]; /* of output, input */
    int64_t y_strides[PLN_CUDA_MAX_RANK], x_strides[PLN_CUDA_MAX_RANK];
    struct pln_cuda_floats scales, roi;
    struct pln_cuda_ints sizes;
};

#endif
