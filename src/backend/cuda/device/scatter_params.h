#ifndef PLN_CUDA_SCATTER_PARAMS_H
#define PLN_CUDA_SCATTER_PARAMS_H

#include "backend/cuda/device/walk_params.h"

/* The output is data with slices written anew: its first `depth` axes number the slices (row-major), the others the
 * columns of a slice. Each place of the updates (axes [0, lead)) names one slice, by indices for all of its coordinates
 * or for that of one axis alone. */
struct pln_cuda_scatter_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) data;
    PLN_DEVICE_PTR(const void) indices;
    PLN_DEVICE_PTR(const void) updates;
    PLN_DEVICE_PTR(void) to;
    int64_t rank, depth;
    int64_t dims[PLN_CUDA_MAX_RANK]; /* of data and output */
    int64_t data_strides[PLN_CUDA_MAX_RANK], to_strides[PLN_CUDA_MAX_RANK];
    int64_t slices, columns;
    int64_t task_slices, task_columns; /* of a task */
    int64_t lead, places;              /* axes of the places, their number */
    int64_t place_dims[PLN_CUDA_MAX_RANK];
    int64_t place_strides[PLN_CUDA_MAX_RANK], index_strides[PLN_CUDA_MAX_RANK]; /* of updates, of indices */
    int64_t index_step;                                                         /* between the indices of one place */
    int64_t column_strides[PLN_CUDA_MAX_RANK]; /* of updates, by axis of the output from depth on */
    int64_t indexed_axis;                      /* that alone is told by an index; -1: all are */
};

#endif
