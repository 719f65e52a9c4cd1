#ifndef PLN_CUDA_MOVE_PARAMS_H
#define PLN_CUDA_MOVE_PARAMS_H

#include "backend/cuda/device/walk_params.h"

/* to[sum of i * to_strides] = from[sum of i * from_strides] for all i in dims. */
struct pln_cuda_move_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) from; /* NULL: `value` */
    PLN_DEVICE_PTR(void) to;
    uint64_t value; /* its low bytes are the element */
    int64_t n_elements;
    int64_t rank; /* of the output's memory in falling order of strides, axes that both sides walk as one merged */
    int64_t dims[PLN_CUDA_WALK_AXES];
    int64_t from_strides[PLN_CUDA_WALK_AXES], to_strides[PLN_CUDA_WALK_AXES]; /* elements */
    /* A task is a tile of the last two axes, of which the input walks the last but one in smaller steps, the output the
     * last one. */
    int64_t tiled;
    int64_t tiles[2];
};

#endif
