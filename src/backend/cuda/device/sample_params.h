#ifndef PLN_CUDA_SAMPLE_PARAMS_H
#define PLN_CUDA_SAMPLE_PARAMS_H

#include "backend/cuda/device/walk_params.h"

/* GRID_SAMPLE: x[n,c,d1...dk], grid[n,o1...ok,k], y[n,c,o1...ok]. AFFINE_GRID: grid is theta[n,k,k+1], y[n,o1...ok,k],
 * and no x. */
struct pln_cuda_sample_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) x;
    PLN_DEVICE_PTR(const void) grid;
    PLN_DEVICE_PTR(void) y;
    int64_t n_elements, rank, k, align_corners;
    int64_t dims[PLN_CUDA_MAX_RANK];    /* of y */
    int64_t extents[PLN_CUDA_MAX_RANK]; /* of x */
    int64_t y_strides[PLN_CUDA_MAX_RANK], x_strides[PLN_CUDA_MAX_RANK], grid_strides[PLN_CUDA_MAX_RANK];
};

/* ROI_ALIGN: x[n,c,h,w], rois[r,4], batches[r], y[r,c,oh,ow]. */
struct pln_cuda_roi_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) x;
    PLN_DEVICE_PTR(const void) rois;
    PLN_DEVICE_PTR(void) y;
    struct pln_cuda_ints batches;
    int64_t n_elements, sampling, half_pixel;
    int64_t dims[4], extents[4]; /* of y, of x */
    int64_t y_strides[4], x_strides[4], roi_strides[2];
    double scale;
};

#endif
