/* Parameters that the kernels that move elements share. */
#ifndef PLN_CUDA_WALK_PARAMS_H
#define PLN_CUDA_WALK_PARAMS_H

#include "backend/cuda/device/params.h"

#define PLN_CUDA_WALK_AXES     16 /* two for each axis of a tensor: repeats, blocks */
#define PLN_CUDA_MOVE_ELEMENTS 8  /* that a thread moves in one task */

enum pln_cuda_int_type {
    PLN_CUDA_INT_I8,
    PLN_CUDA_INT_I16,
    PLN_CUDA_INT_I32,
    PLN_CUDA_INT_I64, /* u64, too, wrapped */
    PLN_CUDA_INT_U8,
    PLN_CUDA_INT_U16,
    PLN_CUDA_INT_U32,
};

/* A vector or scalar of integers in device memory, which only the kernel can read. */
struct pln_cuda_ints {
    PLN_DEVICE_PTR(const void) data;
    int64_t n; /* -1: left out */
    int64_t stride, type;
};

enum pln_cuda_float_type { PLN_CUDA_FLOAT_F32, PLN_CUDA_FLOAT_F64, PLN_CUDA_FLOAT_F16, PLN_CUDA_FLOAT_BF16 };

/* The same of floats. */
struct pln_cuda_floats {
    PLN_DEVICE_PTR(const void) data;
    int64_t n;
    int64_t stride, type;
};

#endif
