#ifndef PLN_CUDA_PIECES_PARAMS_H
#define PLN_CUDA_PIECES_PARAMS_H

#include "backend/cuda/device/walk_params.h"

#define PLN_CUDA_PIECES_FEW  8
#define PLN_CUDA_PIECES_MANY 128

/* One copy of many: tasks [first_task, first_task of the next one). */
struct pln_cuda_piece {
    PLN_DEVICE_PTR(const void) from;
    PLN_DEVICE_PTR(void) to;
    int64_t first_task, n_elements, rank;
    int64_t dims[PLN_CUDA_MAX_RANK];
    int64_t from_strides[PLN_CUDA_MAX_RANK], to_strides[PLN_CUDA_MAX_RANK]; /* elements */
};

/* Rows for few and for many pieces have parameters of their own, since all of them travel to the device. */
struct pln_cuda_pieces_params {
    struct pln_cuda_head head;
    int64_t n_pieces;
    struct pln_cuda_piece pieces[PLN_CUDA_PIECES_FEW];
};
struct pln_cuda_many_pieces_params {
    struct pln_cuda_head head;
    int64_t n_pieces;
    struct pln_cuda_piece pieces[PLN_CUDA_PIECES_MANY];
};

#endif
