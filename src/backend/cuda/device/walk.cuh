/* Walking elements of tensors of any strides, and reading small integers. */
#ifndef PLN_CUDA_WALK_CUH
#define PLN_CUDA_WALK_CUH

#include "backend/cuda/device/prelude.cuh"
#include "backend/cuda/device/walk_params.h"

/* Quotient of numbers that are not negative, b > 0. Division of 64 bits is a routine of some 70 instructions; most
 * extents need only 32. */
PLN_INLINE int64_t pln_quotient(int64_t a, int64_t b)
{
    if (((a | b) >> 31) == 0) return (int64_t)((uint32_t)a / (uint32_t)b);
    return a / b;
}

/* Takes the last coordinate off a row-major index over dims; returns it. */
PLN_INLINE int64_t pln_take_index(int64_t *i, int64_t dim)
{
    const int64_t rest = pln_quotient(*i, dim), index = *i - rest * dim;
    *i = rest;
    return index;
}

/* Element i of a list of integers of any type. */
PLN_INLINE int64_t pln_int_at(const struct pln_cuda_ints *ints, int64_t i)
{
    const int64_t at = i * ints->stride;
    switch (ints->type) {
    case PLN_CUDA_INT_I8: return ((const int8_t *)ints->data)[at];
    case PLN_CUDA_INT_I16: return ((const int16_t *)ints->data)[at];
    case PLN_CUDA_INT_I32: return ((const int32_t *)ints->data)[at];
    case PLN_CUDA_INT_U8: return ((const uint8_t *)ints->data)[at];
    case PLN_CUDA_INT_U16: return ((const uint16_t *)ints->data)[at];
    case PLN_CUDA_INT_U32: return ((const uint32_t *)ints->data)[at];
    default: return ((const int64_t *)ints->data)[at];
    }
}

/* Element i of a list of floats of any type. */
PLN_INLINE double pln_float_at(const struct pln_cuda_floats *floats, int64_t i)
{
    const int64_t at = i * floats->stride;
    switch (floats->type) {
    case PLN_CUDA_FLOAT_F64: return ((const double *)floats->data)[at];
    case PLN_CUDA_FLOAT_F16: return (double)pln_value(((const f16 *)floats->data)[at]);
    case PLN_CUDA_FLOAT_BF16: return (double)pln_value(((const bf16 *)floats->data)[at]);
    default: return (double)((const float *)floats->data)[at];
    }
}

/* The part of `task` of a copy of n elements: each thread moves PLN_CUDA_MOVE_ELEMENTS of them, neighbours neighbouring
 * ones. */
template <typename T>
PLN_INLINE void pln_move_elements(const T *from, T *to, int64_t rank, const int64_t *dims, const int64_t *from_strides,
                                  const int64_t *to_strides, int64_t n, int64_t task)
{
    for (int part = 0; part < PLN_CUDA_MOVE_ELEMENTS; part++) {
        int64_t i = (task * PLN_CUDA_MOVE_ELEMENTS + part) * blockDim.x + threadIdx.x, at = 0, put = 0;
        if (i >= n) return;
        for (int64_t d = rank - 1; d > 0; d--) {
            const int64_t index = pln_take_index(&i, dims[d]);
            at += index * from_strides[d];
            put += index * to_strides[d];
        }
        if (rank > 0) {
            at += i * from_strides[0];
            put += i * to_strides[0];
        }
        to[put] = from[at];
    }
}

#endif
