#ifndef PLN_CUDA_CUT_PARAMS_H
#define PLN_CUDA_CUT_PARAMS_H

#include "backend/cuda/device/walk_params.h"

/* Along each axis output index i is input index shift + step * i where that lies in [low, high). */
struct pln_cuda_cut_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) from;
    PLN_DEVICE_PTR(const void) value; /* of what is outside; NULL: 0 */
    PLN_DEVICE_PTR(void) to;
    int64_t n_elements, rank;
    int64_t dims[PLN_CUDA_MAX_RANK], extents[PLN_CUDA_MAX_RANK]; /* of output, input */
    int64_t to_strides[PLN_CUDA_MAX_RANK], from_strides[PLN_CUDA_MAX_RANK];
    int64_t shift[PLN_CUDA_MAX_RANK];         /* crop: all that there is to know */
    struct pln_cuda_ints starts, axes, steps; /* slice; pad: starts are the pads, steps is left out */
};

#endif
